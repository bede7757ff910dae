//! Double-buffered state: many producers enqueue updates, `synchronize` publishes them as one epoch, readers see a stable
//! front.
//!
//! One logical state, an N-d array, lies in two physical copies or more. Whoever holds the *applier role* applies updates to
//! the back copy, in order; publishing makes it the front. What changed is copied forward to the next back copy lazily, at a
//! cost that follows the bytes changed. See `docs/manager.md` for how the parts fit.

pub(crate) mod api;
pub(crate) mod applier;
pub(crate) mod back;
pub(crate) mod batch;
pub(crate) mod bitmap;
pub(crate) mod callback;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod copy_memory;
pub(crate) mod create;
pub(crate) mod device_front;
pub(crate) mod dump;
pub(crate) mod enqueue;
pub(crate) mod forward;
pub(crate) mod front;
pub(crate) mod fronts;
pub(crate) mod intervals;
pub(crate) mod kernel;
pub(crate) mod on_device;
pub(crate) mod op;
pub(crate) mod patience;
pub(crate) mod raw;
pub(crate) mod region;
pub(crate) mod reserved;
pub(crate) mod ring;
pub(crate) mod role;
pub(crate) mod shared;
pub(crate) mod statistics;
pub(crate) mod storage;
pub(crate) mod synchronize;
pub(crate) mod task;
pub(crate) mod tasks;
pub(crate) mod twins;
pub(crate) mod waiters;
pub(crate) mod watch;
pub(crate) mod worker;

pub use api::{Manager, Update};
pub use back::{Back, BackMode};
pub use batch::Batch;
pub use config::{Config, EXTRA_COPIES, Flush, Priority, WorkerMode};
pub use device_front::DeviceFront;
pub use front::Front;
pub use kernel::{Kernel, Refused};
pub use region::Region;
pub use shared::State;
pub use statistics::Statistics;
pub use synchronize::{Ticket, TicketPoll};
pub use task::Task;
pub use watch::Watch;
