//! Double-buffered state: many producers enqueue updates, `synchronize` publishes them as one epoch, readers see a stable
//! front.
//!
//! One logical state, an N-d array, lies in two physical copies or more. Whoever holds the *applier role* applies updates to
//! the back copy, in order; publishing makes it the front. What changed is copied forward to the next back copy lazily, at a
//! cost that follows the bytes changed. See `docs/manager.md` for how the parts fit.

mod api;
mod applier;
mod back;
mod batch;
mod bitmap;
mod callback;
mod check;
mod config;
mod copy_memory;
mod create;
mod device_front;
pub(crate) mod dump;
mod enqueue;
mod forward;
mod front;
mod fronts;
mod intervals;
mod kernel;
mod on_device;
mod op;
mod patience;
mod raw;
mod region;
mod reserved;
mod ring;
mod role;
mod shared;
mod statistics;
mod storage;
mod synchronize;
mod task;
mod tasks;
mod twins;
mod waiters;
mod watch;
mod worker;

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

pub(crate) use {
    back::RawBack, device_front::release_device_front, op::Release, raw::RawUpdate, region::RawRegion,
    reserved::release as release_reserved,
};
