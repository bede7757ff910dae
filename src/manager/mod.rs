//! Double-buffered state: many producers enqueue updates, `synchronize` publishes them as one epoch, readers see a stable
//! front.
//!
//! One logical state, an N-d array, lies in two or more physical copies. The thread that holds the *applier role* applies
//! updates to the back copy, in order; a publish makes it the front. What changed is copied forward to the next back copy
//! lazily, at a cost that follows the bytes changed. See `docs/manager.md` for how the parts fit.

#[cfg(feature = "ndarray")]
pub(crate) mod array_view;
pub(crate) mod back;
pub(crate) mod batch;
pub(crate) mod changes;
pub(crate) mod config;
pub(crate) mod copies;
pub(crate) mod core;
pub(crate) mod create;
pub(crate) mod dump;
pub(crate) mod field;
pub(crate) mod field_access;
pub(crate) mod front;
#[expect(clippy::module_inception, reason = "the noun of this module")]
pub(crate) mod manager;
pub(crate) mod read;
pub(crate) mod region;
pub(crate) mod shape;
pub(crate) mod statistics;
pub(crate) mod task;
pub(crate) mod typed;
pub(crate) mod typed_field;
pub(crate) mod update;
pub(crate) mod watch;

pub use back::{Back, BackMode};
pub use batch::{Batch, BatchField};
pub use changes::Changes;
pub use config::{Config, EXTRA_COPIES, Flush, MAX_HISTORY, Priority, WorkerMode};
pub use copies::read_cells::ReadEpoch;
pub use core::progress::{ManagerState, Ticket, TicketPoll};
pub use field::FieldSpec;
pub use field_access::{Field, FieldView};
pub use front::{DeviceFront, Front};
pub use manager::Manager;
pub use region::Region;
pub use statistics::Statistics;
pub use task::Task;
pub use update::{BufferUpdate, Kernel, Refused};
pub use watch::Watch;
