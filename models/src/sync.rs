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

pub(crate) mod spinner {
    use std::cell::Cell;

    use crate::sys::clock::Deadline;

    thread_local! {
        /// How often a wait polls before it sleeps: the wait policies, without a clock. loom runs all threads of a model on one.
        static POLLS: Cell<usize> = const { Cell::new(0) };
    }

    /// Sets how often later waits poll.
    pub(crate) fn set_polls(polls: usize) {
        POLLS.set(polls);
    }

    /// Orders nothing, and is left out.
    #[derive(Debug, Default)]
    pub(crate) struct WakeStamp;

    impl WakeStamp {
        pub(crate) fn record(&self) {}
    }

    #[derive(Debug, Default)]
    pub(crate) struct Spinner;

    impl Spinner {
        pub(crate) fn wait<T, E, R: FnMut() -> Option<T>>(
            &self,
            _stamp: &WakeStamp,
            _deadline: Deadline,
            mut ready: R,
            sleep: impl FnOnce(R) -> Result<T, E>,
        ) -> Result<T, E> {
            for _ in 0..POLLS.get() {
                if let Some(value) = ready() {
                    return Ok(value);
                }
            }
            sleep(ready)
        }
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
