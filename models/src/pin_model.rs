//! Pins of calls against destroy and the reuse of the slot for another object.

use loom::sync::Arc;
use loom::thread;

use super::pin::{self, PinRecord};
use crate::harness::explore;
use crate::sync::atomic::{AtomicU64, Ordering::*, UnsafeCell};

/// Handles of one slot: two generations, one kind.
const FIRST: u64 = 0x11;
const SECOND: u64 = 0x21;

struct Slot {
    word: AtomicU64,
    /// The object: the handle that it was made with.
    object: UnsafeCell<u64>,
    records: [PinRecord; 2],
}

// SAFETY: the model proves that the object is not shared with a thread that changes it.
unsafe impl Sync for Slot {}
// SAFETY: as above.
unsafe impl Send for Slot {}

impl Slot {
    fn new() -> Arc<Slot> {
        let records = [PinRecord::new(), PinRecord::new()];
        Arc::new(Slot { word: AtomicU64::new(FIRST), object: UnsafeCell::new(FIRST), records })
    }

    /// A call on the object: sees it as it was made, or is refused.
    fn call(&self, thread: usize, handle: u64) {
        if let Ok(_pin) = self.records[thread].enter(&self.word, handle) {
            self.look(handle);
        }
    }

    fn look(&self, handle: u64) {
        // SAFETY: loom reports a concurrent write.
        self.object.with(|object| assert_eq!(unsafe { *object }, handle));
    }

    /// Destroys the first object and makes a second one in its slot. False if another thread has destroyed it.
    fn replace(&self) -> bool {
        if !pin::close(&self.word, FIRST) {
            return false;
        }
        pin::drain(FIRST, self.records.iter(), |_| thread::yield_now());
        // SAFETY: loom reports a concurrent read or write.
        self.object.with_mut(|object| unsafe { *object = SECOND });
        self.word.store(SECOND, Release);
        true
    }
}

/// No call is inside of an object that has been destroyed, or of another object than its handle names.
pub fn calls_against_destroy_and_reuse() {
    explore(2, || {
        let slot = Slot::new();
        let (one, other) = (slot.clone(), slot.clone());
        let one = thread::spawn(move || one.call(0, FIRST));
        let other = thread::spawn(move || {
            other.call(1, FIRST);
            other.call(1, SECOND);
        });
        assert!(slot.replace());
        one.join().unwrap();
        other.join().unwrap();
    });
}

/// A nested call, from a callback, keeps the outer call's pin.
pub fn a_nested_call_keeps_the_outer_pin() {
    explore(3, || {
        let slot = Slot::new();
        let caller = slot.clone();
        let caller = thread::spawn(move || {
            let other = AtomicU64::new(SECOND);
            let record = &caller.records[0];
            if let Ok(_outer) = record.enter(&caller.word, FIRST) {
                assert!(record.holds(FIRST));
                drop(record.enter(&other, SECOND));
                caller.look(FIRST);
            }
            assert!(!record.holds(FIRST));
        });
        slot.replace();
        caller.join().unwrap();
    });
}

/// Of two threads that destroy an object, one succeeds.
pub fn one_of_two_destroys() {
    explore(3, || {
        let slot = Slot::new();
        let other = slot.clone();
        let other = thread::spawn(move || other.replace());
        let here = slot.replace();
        assert!(here != other.join().unwrap());
    });
}
