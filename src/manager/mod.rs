//! Double-buffered state: many producers enqueue updates, `synchronize` publishes them as one epoch, readers see a stable
//! front.
//!
//! One logical state, an N-d array, lies in two physical copies or more. Whoever holds the *applier role* applies updates to
//! the back copy, in order; publishing makes it the front. What changed is copied forward to the next back copy lazily, at a
//! cost that follows the bytes changed. See `docs/manager.md` for how the parts fit.

pub(crate) mod back;
pub(crate) mod batch;
pub(crate) mod config;
pub(crate) mod copies;
pub(crate) mod core;
pub(crate) mod create;
pub(crate) mod device_front;
pub(crate) mod dump;
pub(crate) mod front;
pub(crate) mod kernel;
pub(crate) mod manager;
pub(crate) mod raw;
pub(crate) mod region;
pub(crate) mod statistics;
pub(crate) mod task;
pub(crate) mod watch;

pub use back::{Back, BackMode};
pub use batch::Batch;
pub use config::{Config, EXTRA_COPIES, Flush, Priority, WorkerMode};
pub use core::shared::State;
pub use core::synchronize::{Ticket, TicketPoll};
pub use device_front::DeviceFront;
pub use front::Front;
pub use kernel::{Kernel, Refused};
pub use manager::{Manager, Update};
pub use region::Region;
pub use statistics::Statistics;
pub use task::Task;
pub use watch::Watch;
