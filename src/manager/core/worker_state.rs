//! State of a manager's worker thread, as other threads see it: its duties, its wake-up event, and its exit.

use crate::alloc::{Arc, try_arc};
use crate::error::Result;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use crate::sync::event::Event;
use crate::sync::wait_check::Stop;
use crate::sys::clock::Deadline;

/// Duties of the worker, as bits.
pub(crate) mod duty {
    /// Apply the backlog of the update log.
    pub(crate) const DRAIN: u32 = 1;
    /// Finish retired callbacks.
    pub(crate) const CALLBACKS: u32 = 2;
    /// Copy forward to the back copy while the manager is idle.
    pub(crate) const CATCH_UP: u32 = 4;
    /// A task has ended: check the tickets again.
    pub(crate) const TASK: u32 = 8;
    /// End the thread.
    pub(crate) const STOP: u32 = 16;
    /// Copies were added or ran out: report that, and later free the memory of unused ones.
    pub(crate) const COPIES: u32 = 32;
    /// Drain the feeds, and have them wake the worker again.
    pub(crate) const FEED: u32 = 64;
}

/// The state of one worker thread.
#[derive(Debug)]
pub(crate) struct WorkerState {
    event: Event,
    duties: AtomicU32,
    /// Whether the worker is running release or drop callbacks, which must not wait for the manager.
    in_callbacks: AtomicU32,
    pub(crate) exit: Arc<WorkerExit>,
}

impl WorkerState {
    pub(crate) fn new() -> Result<WorkerState> {
        Ok(WorkerState {
            event: Event::new(),
            duties: AtomicU32::new(0),
            in_callbacks: AtomicU32::new(0),
            exit: try_arc(WorkerExit::default())?,
        })
    }

    /// Wakes the worker, to check its conditions again.
    pub(crate) fn signal(&self) {
        self.event.signal();
    }

    /// Adds duties and wakes the worker.
    pub(crate) fn request(&self, duties: u32) {
        self.add(duties);
        self.event.signal();
    }

    /// Adds duties. For the worker itself.
    pub(crate) fn add(&self, duties: u32) {
        self.duties.fetch_or(duties, AcqRel);
    }

    /// Removes duties.
    pub(crate) fn remove(&self, duties: u32) {
        self.duties.fetch_and(!duties, AcqRel);
    }

    pub(crate) fn duties(&self) -> u32 {
        self.duties.load(Acquire)
    }

    /// Takes all duties.
    pub(crate) fn take(&self) -> u32 {
        match self.duties() {
            0 => 0,
            _ => self.duties.swap(0, AcqRel),
        }
    }

    /// Whether the worker is running release or drop callbacks.
    pub(crate) fn is_in_callbacks(&self) -> bool {
        self.in_callbacks.load(Relaxed) != 0
    }

    /// Sets what `is_in_callbacks` returns.
    pub(crate) fn set_in_callbacks(&self, inside: bool) {
        self.in_callbacks.store(inside.into(), Relaxed);
    }

    /// Sleeps until `ready` holds, at most until `deadline`.
    pub(crate) fn wait(&self, deadline: Deadline, ready: impl Fn() -> bool) {
        let _ = self.event.wait(deadline, || ready().then_some(()));
    }
}

/// Whether the worker thread has ended. Lives longer than the manager's memory.
#[derive(Debug, Default)]
pub(crate) struct WorkerExit {
    state: AtomicU32,
    event: Event,
}

/// The worker has ended.
const ENDED: u32 = 1;
/// The destroying thread stopped waiting for the worker, which still runs a callback.
const ABANDONED: u32 = 2;

/// Workers whose manager was destroyed while they run a callback.
static ABANDONED_WORKERS: AtomicU64 = AtomicU64::new(0);

/// Managers that were destroyed while a callback of theirs runs that has not returned yet.
pub(crate) fn abandoned() -> u64 {
    ABANDONED_WORKERS.load(Relaxed)
}

impl WorkerExit {
    /// Waits for the end of the worker.
    pub(crate) fn wait(&self, deadline: Deadline) -> std::result::Result<(), Stop> {
        self.event.wait(deadline, || self.has_ended().then_some(()))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state.load(Acquire) & ENDED != 0
    }

    /// Records that the destroying thread stops waiting; false if the worker has ended meanwhile.
    pub(crate) fn abandon(&self) -> bool {
        ABANDONED_WORKERS.fetch_add(1, Relaxed);
        let running = self.state.fetch_or(ABANDONED, AcqRel) & ENDED == 0;
        if !running {
            ABANDONED_WORKERS.fetch_sub(1, Relaxed);
        }
        running
    }

    /// Records the end of the worker: its last step.
    pub(crate) fn end(&self) {
        if self.state.fetch_or(ENDED, AcqRel) & ABANDONED != 0 {
            ABANDONED_WORKERS.fetch_sub(1, Relaxed);
        }
        self.event.signal();
    }
}
