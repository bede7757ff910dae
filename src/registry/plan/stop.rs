//! When to give up: the time is over, the caller has cancelled, or somebody else has found what was asked for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub(super) struct Stop<'a> {
    pub(super) deadline: Instant,
    pub(super) cancelled: &'a (dyn Fn() -> bool + Sync),
    over: AtomicBool,
}

impl<'a> Stop<'a> {
    pub(super) fn new(deadline: Instant, cancelled: &'a (dyn Fn() -> bool + Sync)) -> Stop<'a> {
        Stop { deadline, cancelled, over: AtomicBool::new(false) }
    }

    /// The same, at every so many steps of a loop.
    pub(super) fn is_over_at(&self, step: usize) -> bool {
        step.is_multiple_of(256) && self.is_over()
    }

    /// Once true, always true.
    pub(super) fn is_over(&self) -> bool {
        // A flag that guards no data.
        if !self.over.load(Ordering::Relaxed) && (Instant::now() >= self.deadline || (self.cancelled)()) {
            self.over.store(true, Ordering::Relaxed);
        }
        self.over.load(Ordering::Relaxed)
    }
}
