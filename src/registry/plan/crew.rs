//! Several threads at one piece of work. Where memory is short, the standard library's threads end the process; here one that
//! cannot be started is done without.

use crate::sys::thread::create;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{from_ref, null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

struct Crew<'a> {
    work: &'a (dyn Fn() + Sync),
    panicked: AtomicBool,
}

extern "C" fn join_in(crew: *mut c_void) -> *mut c_void {
    // SAFETY: `together` keeps its crew until every thread has been joined.
    let crew = unsafe { &*crew.cast::<Crew>() };
    if catch_unwind(AssertUnwindSafe(crew.work)).is_err() {
        crew.panicked.store(true, Relaxed);
    }
    null_mut()
}

/// Joins its threads even if the caller's own share panics.
struct Others(Vec<libc::pthread_t>);

impl Others {
    /// As many of so many as can be started.
    fn start(count: usize, crew: &Crew) -> Others {
        let mut others = Others(Vec::new());
        if others.0.try_reserve_exact(count).is_ok() {
            // SAFETY: whoever has the crew drops these threads first, which only look at it.
            let start = || unsafe { create(null(), join_in, from_ref(crew).cast_mut().cast()) };
            others.0.extend(std::iter::repeat_with(start).take(count).map_while(Result::ok));
        }
        others
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for &thread in &self.0 {
            // SAFETY: a thread that was started, and is joined once.
            unsafe { libc::pthread_join(thread, null_mut()) };
        }
    }
}

/// Runs `work` on up to so many threads at once, of which the caller's is one, and returns when all have returned. Panics where
/// one of them has.
pub(super) fn together(threads: usize, work: &(dyn Fn() + Sync)) {
    let crew = Crew { work, panicked: AtomicBool::new(false) };
    let others = Others::start(threads.saturating_sub(1), &crew);
    work();
    drop(others);
    assert!(!crew.panicked.load(Relaxed), "a thread of the crew has panicked");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn all_work_at_once_and_are_back_afterwards() {
        let (meet, worked) = (Barrier::new(3), AtomicUsize::new(0));
        together(3, &|| {
            meet.wait();
            worked.fetch_add(1, Relaxed);
        });
        assert_eq!(worked.into_inner(), 3);
    }

    #[test]
    fn a_panic_of_any_comes_to_the_caller_when_the_others_are_back() {
        for who in 0..3 {
            let (meet, order, back) = (Barrier::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
            let work = || {
                let number = order.fetch_add(1, Relaxed);
                meet.wait();
                assert_ne!(number, who, "on purpose");
                back.fetch_add(1, Relaxed);
            };
            assert!(catch_unwind(AssertUnwindSafe(|| together(3, &work))).is_err());
            assert_eq!(back.into_inner(), 2);
        }
    }
}
