//! State of a queued call: begun by the owner thread, or cancelled by its caller.
//!
//! One atomic word decides which, so a call either runs to its end or never begins. A caller whose deadline passes cancels its
//! call; if the call has begun, the caller waits for its end instead. The model checker compiles this file, so it names only
//! `crate::sync`.

use crate::sync::atomic::{AtomicU32, Ordering::*};

const QUEUED: u32 = 0;
const RUNNING: u32 = 1;
const DONE: u32 = 2;
const CANCELLED: u32 = 3;

/// The state of one call.
#[derive(Debug)]
pub(crate) struct CallState {
    state: AtomicU32,
}

impl CallState {
    pub(crate) fn new() -> CallState {
        CallState { state: AtomicU32::new(QUEUED) }
    }

    /// Begins the call on the owner thread; false if the caller has cancelled it. The queue has ordered the caller's writes before
    /// this.
    pub(crate) fn begin(&self) -> bool {
        self.state.compare_exchange(QUEUED, RUNNING, Relaxed, Relaxed).is_ok()
    }

    /// Ends the call. The owner thread touches neither the closure nor the result afterwards.
    pub(crate) fn finish(&self) {
        // Release: a caller that sees DONE sees all that the call wrote.
        self.state.store(DONE, Release);
    }

    /// Cancels the call for its caller; false if it has begun.
    pub(crate) fn cancel(&self) -> bool {
        self.state.compare_exchange(QUEUED, CANCELLED, Relaxed, Relaxed).is_ok()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state.load(Acquire) == DONE
    }
}
