//! Which manager's callback the calling thread is in: what may wait for that manager is refused there.

use std::cell::Cell;

thread_local!(static INSIDE: Cell<u64> = const { Cell::new(0) });

/// While it lives, this thread is in a callback of that manager.
#[derive(Debug)]
pub(crate) struct Inside {
    outer: u64,
}

/// Enters a callback of the manager with that number.
pub(crate) fn enter(number: u64) -> Inside {
    Inside { outer: INSIDE.replace(number) }
}

/// Whether this thread is in a callback of that manager.
pub(crate) fn inside(number: u64) -> bool {
    INSIDE.get() == number
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.outer);
    }
}
