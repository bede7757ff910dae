//! Model of a queued device call that its caller cancels while the owner thread is about to run it.

use loom::sync::Arc;
use loom::thread;

use super::call_state::CallState;
use crate::harness::{explore, last};
use crate::sync::atomic::UnsafeCell;

/// A call, and the frame on its caller's stack.
struct Call {
    state: CallState,
    frame: UnsafeCell<u64>,
}

// SAFETY: the model proves that one thread at a time uses the frame.
unsafe impl Send for Call {}
// SAFETY: as above.
unsafe impl Sync for Call {}

/// The call runs to its end, and the caller sees all of it, or it never touches the caller's stack.
pub fn a_call_runs_to_its_end_or_never_begins() {
    explore(3, || {
        let call = Arc::new(Call { state: CallState::new(), frame: UnsafeCell::new(0) });
        let queued = call.clone();
        let owner = thread::spawn(move || {
            let ran = queued.state.begin();
            if ran {
                // SAFETY: loom reports a use by the caller at the same time.
                queued.frame.with_mut(|frame| unsafe { *frame = 7 });
                queued.state.finish();
            }
            ran
        });
        last();
        let mut cancelled = false;
        while !cancelled && !call.state.is_done() {
            cancelled = call.state.cancel();
            thread::yield_now();
        }
        // The frame is the caller's again.
        // SAFETY: loom reports a use by the owner thread at the same time.
        let seen = call.frame.with_mut(|frame| unsafe { std::mem::replace(&mut *frame, 9) });
        assert_eq!(seen, if cancelled { 0 } else { 7 });
        assert_eq!(owner.join().unwrap(), !cancelled);
    });
}
