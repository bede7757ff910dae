//! Memory layout for CUDA kernels: named buffers in shared, persistent-local and local memory.
//!
//! A kernel's scratch memory is a set of named buffers. Each lies in the block's **shared** memory, in a **persistent** array of
//! the thread that outlives a call, or in a **local** array. A [`BufferRegistry`] records the buffers of each owner, the *parent*, and
//! computes their layout. A parent is the caller's own 64-bit key.
//!
//! - A [`BufferGroup`] is the registry's view of one parent.
//! - A [`CUDABuffer`] is what a parent registers; an [`Allocator`] is how a kernel gets the buffer.
//! - A [`Layout`] is a copy of all positions. It is exported as JSON, as a CUDA header, as a table and as a picture.
//! - [`BufferRegistry::plan`] places buffers with lifetimes in as little memory as possible, by the [planner](crate::planner).
//! - [`BufferRegistry::check`] and [`BufferRegistry::occupancy`] compare a launch with the limits of a GPU.
//!
//! Offsets and sizes count elements; names of byte counts contain `bytes`.
//!
//! ```
//! use backbuf::registry::{CUDABuffer, BufferRegistry, Totals};
//! let registry = BufferRegistry::new();
//! registry.register(1, &CUDABuffer::shared("k1", 100))?;
//! registry.register(1, &CUDABuffer::shared("tmp", 30).aliasing("k1"))?;
//! registry.register(1, &CUDABuffer::persistent("history", 8))?;
//! assert_eq!(registry.totals(1)?, Totals { shared: 100, persistent: 8, local: 0 });
//! # Ok::<(), backbuf::Error>(())
//! ```

pub(crate) mod buffer;
pub(crate) mod buffer_group;
pub(crate) mod export;
pub(crate) mod gpu;
pub(crate) mod group;
pub(crate) mod groups;
pub(crate) mod layout;
pub(crate) mod options;
pub(crate) mod plan;
#[expect(clippy::module_inception, reason = "the noun of this module")]
pub(crate) mod registry;

pub use buffer::{CUDABuffer, CUDABufferUpdate, Lifetime};
pub use buffer_group::BufferGroup;
pub use gpu::check::{CheckError, Fit, Unfit};
pub use gpu::limits::{Arch, GpuLimits};
pub use gpu::occupancy::{Banks, Bound, Launch, Occupancy};
pub use layout::diff::{BufferChange, Diff, diff};
pub use layout::lifetimes::Overlap;
pub use layout::{Allocator, Layout, MemoryRegion, Origin, Placed, Totals};
pub use options::{LayoutOptions, Location, Precision, SharedPer, Space};
pub use plan::{Planned, Plans};
pub use registry::{BufferRegistry, Updated};
