//! The applier role as a lock.

use loom::sync::Arc;
use loom::thread;

use super::role::Role;
use crate::harness::explore;
use crate::sync::atomic::UnsafeCell;
use crate::sync::wait_check::Stop;
use crate::sys::clock::Deadline;
use crate::sys::futex;

#[derive(Default)]
struct Guarded {
    role: Role,
    applied: UnsafeCell<u64>,
}

// SAFETY: mutual exclusion by the role is what this model checks.
unsafe impl Sync for Guarded {}
// SAFETY: as above.
unsafe impl Send for Guarded {}

impl Guarded {
    /// Adds one as the role holder, and releases the role.
    fn apply(&self) {
        // SAFETY: loom reports a concurrent access.
        self.applied.with_mut(|applied| unsafe { *applied += 1 });
        self.role.release();
    }

    fn applied(&self) -> u64 {
        // SAFETY: loom reports a concurrent write.
        self.applied.with(|applied| unsafe { *applied })
    }
}

/// A waiter gets the role, however its way to sleep and the holder's release interleave.
pub fn a_waiter_gets_the_role() {
    explore(4, || {
        let guarded = Arc::new(Guarded::default());
        assert!(guarded.role.try_take());
        let waiter = guarded.clone();
        let waiter = thread::spawn(move || {
            waiter.role.take(Deadline::NEVER).unwrap();
            waiter.apply();
        });
        guarded.apply();
        waiter.join().unwrap();
        assert_eq!(guarded.applied(), 2);
    });
}

/// Two threads wait and one only tries: there are never two holders, and no waiter is left asleep.
pub fn holders_are_exclusive_and_no_waiter_is_left_asleep() {
    explore(2, || {
        let guarded = Arc::new(Guarded::default());
        let waiters = [(); 2].map(|()| {
            let guarded = guarded.clone();
            thread::spawn(move || {
                guarded.role.take(Deadline::NEVER).unwrap();
                guarded.apply();
            })
        });
        let passed = guarded.role.try_take();
        if passed {
            guarded.apply();
        }
        waiters.map(|waiter| waiter.join().unwrap());
        assert!(guarded.role.try_take());
        assert_eq!(guarded.applied(), 2 + u64::from(passed));
    });
}

/// One waiter's deadline passes while the role is released: the other waiter is still woken.
pub fn a_timeout_keeps_no_wake_up() {
    explore(2, || {
        let guarded = Arc::new(Guarded::default());
        assert!(guarded.role.try_take());
        let wait = |deadline| {
            let guarded = guarded.clone();
            thread::spawn(move || {
                let result = guarded.role.take(deadline);
                if result.is_ok() {
                    guarded.apply();
                }
                result
            })
        };
        let (timed, patient) = (wait(Deadline::SOON), wait(Deadline::NEVER));
        guarded.role.release();
        futex::expire();
        assert!(matches!(timed.join().unwrap(), Ok(()) | Err(Stop::TimedOut)));
        assert_eq!(patient.join().unwrap(), Ok(()));
    });
}

/// The role is never released: its end ends the wait.
pub fn the_end_ends_waits() {
    explore(4, || {
        let guarded = Arc::new(Guarded::default());
        assert!(guarded.role.try_take());
        let waiter = guarded.clone();
        let waiter = thread::spawn(move || waiter.role.take(Deadline::NEVER));
        guarded.role.end();
        assert_eq!(waiter.join().unwrap(), Err(Stop::Ended));
    });
}
