//! What is to be done once a fence has passed: the owner thread runs it, outside of the driver and with no lock held.
//!
//! A device that is lost or ends runs everything that is left, so that nobody waits for what will not come: whatever is run
//! looks for itself how the device stands.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::driver::Fence;
use super::shared::Shared;
use crate::error::{Error, Result, Status};
use crate::log::{self, Level};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use crate::sync::mutex::Mutex;

/// A host that has left so many requests and frames alone has forgotten to drive its device.
const FORGOTTEN: u32 = 256;

/// Nothing waits.
const NONE: u64 = u64::MAX;

/// Something to be done.
pub(crate) type Completion = Box<dyn FnOnce() + Send>;

/// What waits for fences, in their order.
#[derive(Default)]
struct List {
    waiting: VecDeque<(Fence, Completion)>,
    /// The device has run its last one.
    closed: bool,
}

/// See the module.
pub(crate) struct Completions {
    list: Mutex<List>,
    /// The fence of the first one.
    first: AtomicU64,
    /// Whether one is being run.
    running: AtomicBool,
}

impl Completions {
    pub(crate) fn new() -> Completions {
        Completions { list: Mutex::default(), first: AtomicU64::new(NONE), running: AtomicBool::new(false) }
    }

    fn push(&self, fence: Fence, completion: Completion) -> Result<()> {
        let mut list = self.list.lock();
        if list.closed {
            return Err(Error::text(Status::DeviceLost, "the device has been destroyed"));
        }
        list.waiting.try_reserve(1)?;
        let at = list.waiting.partition_point(|(other, _)| *other <= fence);
        list.waiting.insert(at, (fence, completion));
        self.note_first(&list);
        Ok(())
    }

    fn note_first(&self, list: &List) {
        self.first.store(list.waiting.front().map_or(NONE, |(fence, _)| fence.0), Release);
    }
}

impl Shared {
    /// Has the owner thread run `completion` once `fence`, which has been submitted, has passed.
    pub(crate) fn after(&self, fence: Fence, completion: Completion) -> Result<()> {
        self.alive()?;
        self.is_submitted(fence)?;
        // As somebody who waits: the owner thread looks after the fence for as long as this one is there.
        self.wanted.fetch_max(fence.0, AcqRel);
        self.waiting.fetch_add(1, AcqRel);
        let result = self.completions.push(fence, completion);
        if result.is_err() {
            self.waiting.fetch_sub(1, AcqRel);
        }
        self.work.signal();
        if self.host_driven && self.left.fetch_add(1, Relaxed) + 1 == FORGOTTEN {
            let why = "requests and frames wait, and nobody has driven the device since the first: poll it once a frame, on \
                       the thread that made it";
            log::record(Level::Warn, "device", self.label.as_str(), format_args!("{FORGOTTEN} {why}"));
        }
        result
    }

    /// The host drives its device.
    pub(crate) fn note_driven(&self) {
        self.left.store(0, Relaxed);
    }

    /// Whether something can be run now.
    pub(crate) fn has_completions(&self) -> bool {
        match self.completions.first.load(Acquire) {
            NONE => false,
            first => self.has_passed(Fence(first)) || self.alive().is_err(),
        }
    }

    /// Whether the owner thread, which is the calling one, runs a completion.
    pub(crate) fn is_completing(&self) -> bool {
        self.completions.running.load(Relaxed)
    }

    /// Runs what can be run now. What is added meanwhile waits for the next time. The owner thread only.
    pub(crate) fn complete(&self) {
        if !self.has_completions() {
            return;
        }
        let count = self.completions.list.lock().waiting.len();
        for _ in 0..count {
            if !self.has_completions() {
                return;
            }
            self.complete_one();
        }
    }

    /// Runs everything, whatever its fence: no more comes.
    pub(crate) fn complete_all(&self) {
        self.completions.list.lock().closed = true;
        while self.completions.first.load(Acquire) != NONE {
            self.complete_one();
        }
    }

    fn complete_one(&self) {
        let completion = {
            let mut list = self.completions.list.lock();
            let first = list.waiting.pop_front();
            self.completions.note_first(&list);
            first
        };
        let Some((_, completion)) = completion else { return };
        let outer = self.completions.running.swap(true, Relaxed);
        if catch_unwind(AssertUnwindSafe(completion)).is_err() {
            let text = format_args!("a callback panicked on the owner thread");
            log::record(Level::Error, "device", self.label.as_str(), text);
        }
        self.completions.running.store(outer, Relaxed);
        self.waiting.fetch_sub(1, AcqRel);
        self.progress.signal();
    }
}
