//! Memory layout for CUDA kernels: named buffers in shared, persistent-local and local memory.
//!
//! A kernel's scratch is a set of named buffers. Each lives in the block's **shared** memory, in a **persistent** per-thread
//! array that outlives a call, or in plain **local** arrays. A [`Registry`] records what each owner, the *parent*, asks for,
//! and works out where everything lies. A parent is the caller's own 64-bit key.
//!
//! - [`Registry`] finds the parent's group and delegates; one lock, and every query returns a copy.
//! - A group holds its buffers in registration order, and its layout once somebody has asked for it.
//! - [`Buffer`] is what was asked for, [`Placed`] where it lies, [`Allocator`] how a kernel gets it.
//!
//! Offsets and sizes are elements; what counts bytes has `bytes` in its name.
//!
//! ```
//! use backbuf::registry::{Buffer, Registry, Totals};
//! let registry = Registry::new();
//! registry.register(1, &Buffer::shared("k1", 100))?;
//! registry.register(1, &Buffer::shared("tmp", 30).aliasing("k1"))?;
//! registry.register(1, &Buffer::persistent("history", 8))?;
//! assert_eq!(registry.totals(1)?, Totals { shared: 100, persistent: 8, local: 0 });
//! # Ok::<(), backbuf::Error>(())
//! ```

pub(crate) mod arrange;
pub(crate) mod buffer;
pub(crate) mod check;
pub(crate) mod diff;
pub(crate) mod draw;
pub(crate) mod emit;
pub(crate) mod group;
pub(crate) mod hash;
pub(crate) mod hasher;
pub(crate) mod json;
pub(crate) mod layout;
pub(crate) mod lifetimes;
pub(crate) mod limits;
pub(crate) mod occupancy;
pub(crate) mod options;
pub mod planner;
pub(crate) mod planning;
pub(crate) mod printable;
#[expect(clippy::module_inception, reason = "the noun of this module")]
pub(crate) mod registry;
pub(crate) mod state;
pub(crate) mod table;

pub use buffer::{Buffer, Lifetime, Location, Precision, Update};
pub use check::{Fit, Refusal, Unfit};
pub use diff::{Change, Diff, diff};
pub use layout::{Allocator, Layout, Origin, Placed, Region, Space, Totals};
pub use lifetimes::Overlap;
pub use limits::{Arch, Limits};
pub use occupancy::{Banks, Bound, Launch, Occupancy};
pub use options::{Options, SharedPer};
pub use planner::plan::PlanOptions;
pub use planning::{Planned, Plans};
pub use registry::{Registry, Updated};
