//! Stand-in for the library's `sync`, over loom's primitives. Both sides of the asymmetric barrier are full fences.

pub(crate) mod atomic {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering, fence};
}

pub(crate) mod barrier {
    use loom::sync::atomic::{Ordering, fence};

    pub(crate) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn heavy() {
        fence(Ordering::SeqCst);
    }
}

pub(crate) mod wait {
    /// Does not spin, so that a waiter sleeps at once.
    pub(crate) fn spin<T>(_ready: impl FnMut() -> Option<T>) -> Option<T> {
        None
    }
}

pub(crate) mod wait_check {
    use crate::sys::clock::Deadline;

    /// Why a wait ended before its condition held.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Stop {
        TimedOut,
        Signalled,
        #[allow(dead_code, reason = "no thread has a wait check; the protocol files name it")]
        Interrupted,
        Ended,
    }

    pub(crate) fn listens() -> bool {
        false
    }

    /// No thread has a wait check: a wait is one sleep.
    pub(crate) fn in_slices<T>(
        deadline: Deadline,
        mut park: impl FnMut(Deadline, bool) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        park(deadline, listens())
    }
}

pub(crate) mod mutex {
    pub(crate) use crate::spsc::Mutex;
}
