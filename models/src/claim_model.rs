//! A call that its caller takes back while the owner thread of a device is about to run it.

use loom::sync::Arc;
use loom::thread;

use super::claim::Claim;
use crate::harness::{explore, last};
use crate::sync::atomic::UnsafeCell;

/// A call, and what it works on: the caller's stack.
struct Call {
    claim: Claim,
    slot: UnsafeCell<u64>,
}

// SAFETY: that the slot is used by one at a time is what is proved.
unsafe impl Send for Call {}
// SAFETY: as above.
unsafe impl Sync for Call {}

/// Either it runs to its end, and the caller sees all of it, or it never touches the caller's stack.
pub fn a_call_runs_to_its_end_or_never_begins() {
    explore(3, || {
        let call = Arc::new(Call { claim: Claim::new(), slot: UnsafeCell::new(0) });
        let queued = call.clone();
        let owner = thread::spawn(move || {
            let ran = queued.claim.begin();
            if ran {
                // SAFETY: loom tells if the caller uses it.
                queued.slot.with_mut(|slot| unsafe { *slot = 7 });
                queued.claim.finish();
            }
            ran
        });
        last();
        let mut taken_back = false;
        while !taken_back && !call.claim.is_done() {
            taken_back = call.claim.take_back();
            thread::yield_now();
        }
        // The stack is the caller's again.
        // SAFETY: loom tells if the owner thread uses it.
        let seen = call.slot.with_mut(|slot| unsafe { std::mem::replace(&mut *slot, 9) });
        assert_eq!(seen, if taken_back { 0 } else { 7 });
        assert_eq!(owner.join().unwrap(), !taken_back);
    });
}
