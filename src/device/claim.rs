//! Who decides what becomes of a queued call: the owner thread, which begins it, or its caller, who takes it back.
//!
//! One word decides, so that a call either runs to its end or never begins. The model checker compiles this file: it names
//! nothing but `crate::sync`.

use crate::sync::atomic::{AtomicU32, Ordering::*};

const QUEUED: u32 = 0;
const RUNNING: u32 = 1;
const DONE: u32 = 2;
const TAKEN_BACK: u32 = 3;

/// The state of one call.
#[derive(Debug)]
pub(crate) struct Claim {
    state: AtomicU32,
}

impl Claim {
    pub(crate) fn new() -> Claim {
        Claim { state: AtomicU32::new(QUEUED) }
    }

    /// For the owner thread: whether the call is to be run. What it works on was handed over by the queue.
    pub(crate) fn begin(&self) -> bool {
        self.state.compare_exchange(QUEUED, RUNNING, Relaxed, Relaxed).is_ok()
    }

    /// It has been run, and the owner thread touches it no more.
    pub(crate) fn finish(&self) {
        // Release: whoever sees it done sees what it did.
        self.state.store(DONE, Release);
    }

    /// For the caller: whether the call will never run.
    pub(crate) fn take_back(&self) -> bool {
        self.state.compare_exchange(QUEUED, TAKEN_BACK, Relaxed, Relaxed).is_ok()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state.load(Acquire) == DONE
    }
}
