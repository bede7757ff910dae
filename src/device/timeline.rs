//! Timeline of a device: fences submitted, passed and waited for, and completions that run once their fence has passed.
//!
//! The owner thread alone advances the timeline: it asks the driver for the next fence while a thread or a completion waits for
//! one. It runs completions outside of the driver and with no lock held. A device that is lost or ends runs all that are left,
//! whatever their fence: each completion checks the state of the device itself.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::device::driver::Fence;
use crate::device::lifecycle::Lifecycle;
use crate::error::{Error, Result, Status};
use crate::log::{self, Level};
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use crate::sync::mutex::Mutex;

/// After so many completions without a poll, a host-driven device logs a warning.
const UNPOLLED_WARNING: u32 = 256;

/// [`Timeline::first`] while there are no completions.
const NO_COMPLETION: u64 = u64::MAX;

/// Runs once a fence has passed.
pub(crate) type Completion = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct CompletionList {
    /// In the order of their fences.
    pending: VecDeque<(Fence, Completion)>,
    /// The device has ended and run its last completion.
    closed: bool,
}

pub(crate) struct Timeline {
    /// The last fence that was submitted.
    submitted: AtomicU64,
    /// The last fence that has passed.
    passed: AtomicU64,
    /// The last fence that was waited for.
    awaited: AtomicU64,
    /// How many threads and completions wait for a fence.
    waiters: AtomicU32,
    /// A thread that does not wait has asked for one poll of the next fence.
    poll_once: AtomicBool,
    completions: Mutex<CompletionList>,
    /// The fence of the first completion, for reads without the lock.
    first: AtomicU64,
    /// Whether the owner thread is in a completion.
    completing: AtomicBool,
    /// How many completions were added since the last poll of a host-driven device.
    unpolled: AtomicU32,
}

impl Timeline {
    pub(crate) fn new() -> Timeline {
        Timeline {
            submitted: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            awaited: AtomicU64::new(0),
            waiters: AtomicU32::new(0),
            poll_once: AtomicBool::new(false),
            completions: Mutex::default(),
            first: AtomicU64::new(NO_COMPLETION),
            completing: AtomicBool::new(false),
            unpolled: AtomicU32::new(0),
        }
    }

    pub(crate) fn submitted(&self) -> Fence {
        Fence(self.submitted.load(Acquire))
    }

    pub(crate) fn passed(&self) -> Fence {
        Fence(self.passed.load(Acquire))
    }

    pub(crate) fn waiters(&self) -> u32 {
        self.waiters.load(Acquire)
    }

    pub(crate) fn has_passed(&self, fence: Fence) -> bool {
        fence <= self.passed()
    }

    /// Fails for a fence that is not of this device, or not yet.
    pub(crate) fn check_submitted(&self, fence: Fence) -> Result<()> {
        if fence > self.submitted() {
            let reason = "no submit of this device has returned that fence";
            return Err(Error::value(Status::Argument, "fence", fence.0, reason));
        }
        Ok(())
    }

    /// Records a submit. The owner thread only.
    pub(crate) fn record_submitted(&self, fence: Fence) {
        let before = self.submitted.swap(fence.0, AcqRel);
        assert!(fence.0 == before + 1, "the driver gave fence {} after {before}", fence.0);
    }

    /// Records that a fence, and so all before it, has passed. The owner thread only.
    pub(crate) fn record_passed(&self, fence: Fence) {
        self.passed.store(fence.0, Release);
    }

    /// Has the owner thread poll for the fence until [`Timeline::end_wait`].
    pub(crate) fn begin_wait(&self, fence: Fence) {
        self.awaited.fetch_max(fence.0, AcqRel);
        self.waiters.fetch_add(1, AcqRel);
    }

    pub(crate) fn end_wait(&self) {
        self.waiters.fetch_sub(1, AcqRel);
    }

    /// Has the owner thread poll once for the fence that is waited for, also if the wait is over by then.
    pub(crate) fn request_poll(&self) {
        self.poll_once.store(true, Release);
    }

    pub(crate) fn is_poll_requested(&self) -> bool {
        self.poll_once.load(Acquire)
    }

    pub(crate) fn take_poll_request(&self) -> bool {
        self.poll_once.swap(false, AcqRel)
    }

    /// Whether the last fence that was waited for has not passed.
    pub(crate) fn is_behind(&self) -> bool {
        !self.has_passed(Fence(self.awaited.load(Acquire)))
    }

    /// Whether something waits for a fence that has not passed.
    pub(crate) fn is_awaited(&self) -> bool {
        self.waiters() != 0 && self.is_behind()
    }

    /// Adds a completion that the owner thread runs once `fence`, which has been submitted, has passed.
    pub(crate) fn add_completion(&self, fence: Fence, completion: Completion) -> Result<()> {
        // Until it has run, it counts as a waiter: the owner thread polls for its fence.
        self.begin_wait(fence);
        let result = self.push(fence, completion);
        if result.is_err() {
            self.end_wait();
        }
        result
    }

    fn push(&self, fence: Fence, completion: Completion) -> Result<()> {
        let mut list = self.completions.lock();
        if list.closed {
            return Err(Error::text(Status::DeviceLost, "the device has been destroyed"));
        }
        list.pending.try_reserve(1)?;
        let at = list.pending.partition_point(|(other, _)| *other <= fence);
        list.pending.insert(at, (fence, completion));
        self.update_first(&list);
        Ok(())
    }

    fn update_first(&self, list: &CompletionList) {
        self.first.store(list.pending.front().map_or(NO_COMPLETION, |(fence, _)| fence.0), Release);
    }

    /// Warns after 256 completions were added to a host-driven device without a poll.
    pub(crate) fn count_unpolled(&self, lifecycle: &Lifecycle) {
        if self.unpolled.fetch_add(1, Relaxed) + 1 == UNPOLLED_WARNING {
            let reason = "map requests and frames were added since the device was last polled: poll it once a frame, on the \
                       thread that made it";
            let text = format_args!("{UNPOLLED_WARNING} {reason}");
            log::record(Level::Warn, "device", lifecycle.label.as_str(), text);
        }
    }

    /// Records that the host polls its device.
    pub(crate) fn record_polled(&self) {
        self.unpolled.store(0, Relaxed);
    }

    /// Whether a completion can run now.
    pub(crate) fn has_ready_completion(&self, lifecycle: &Lifecycle) -> bool {
        match self.first.load(Acquire) {
            NO_COMPLETION => false,
            first => self.has_passed(Fence(first)) || lifecycle.check_alive().is_err(),
        }
    }

    /// Whether the owner thread, which calls this, is in a completion.
    pub(crate) fn is_completing(&self) -> bool {
        self.completing.load(Relaxed)
    }

    /// Runs the completions that are ready. Those added meanwhile run the next time. The owner thread only.
    pub(crate) fn run_ready(&self, lifecycle: &Lifecycle) {
        if !self.has_ready_completion(lifecycle) {
            return;
        }
        let count = self.completions.lock().pending.len();
        for _ in 0..count {
            if !self.has_ready_completion(lifecycle) {
                return;
            }
            self.run_first(lifecycle);
        }
    }

    /// Runs all completions, whatever their fence, and refuses more. The owner thread only.
    pub(crate) fn run_all(&self, lifecycle: &Lifecycle) {
        self.completions.lock().closed = true;
        while self.first.load(Acquire) != NO_COMPLETION {
            self.run_first(lifecycle);
        }
    }

    fn run_first(&self, lifecycle: &Lifecycle) {
        let first = {
            let mut list = self.completions.lock();
            let first = list.pending.pop_front();
            self.update_first(&list);
            first
        };
        let Some((_, completion)) = first else { return };
        let outer = self.completing.swap(true, Relaxed);
        if catch_unwind(AssertUnwindSafe(completion)).is_err() {
            let text = format_args!("a callback panicked on the owner thread");
            log::record(Level::Error, "device", lifecycle.label.as_str(), text);
        }
        self.completing.store(outer, Relaxed);
        self.end_wait();
        lifecycle.progress.signal();
    }
}
