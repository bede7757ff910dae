//! Mutexes: parking_lot's for most of the library, and one on a bare futex for what forked children and signal handlers use.
//!
//! parking_lot parks threads in a table of the process and takes locks of that table. A thread may hold one of them at the
//! moment of a `fork`, and the child inherits it locked. So a child never enters the table: there, a thread that finds a
//! [`Mutex`] locked polls it. The table also rules out signal handlers. What [`dump`](crate::dump()) reads, and what lies in memory
//! that a fork wipes, is therefore guarded by a [`FutexMutex`].

use std::sync::atomic::{AtomicU32, Ordering::*};

use parking_lot::lock_api::{self, GuardNoSend, RawMutex};

use crate::sys::clock::{Deadline, nap};
use crate::sys::futex;

/// A mutex that no panic poisons.
pub(crate) type Mutex<T> = lock_api::Mutex<ForkAware, T>;
pub(crate) type MutexGuard<'a, T> = lock_api::MutexGuard<'a, ForkAware, T>;

/// A mutex that uses nothing but its own word: legal in signal handlers when taken with `try_lock`. All-zero bytes are an
/// unlocked one.
pub(crate) type FutexMutex<T> = lock_api::Mutex<FutexLock, T>;
pub(crate) type FutexMutexGuard<'a, T> = lock_api::MutexGuard<'a, FutexLock, T>;

/// The process whose threads park in parking_lot's table: the first one in which a mutex was contended. 0 before.
static PARKING_PROCESS: AtomicU32 = AtomicU32::new(0);

/// parking_lot's lock, which a forked child polls.
pub(crate) struct ForkAware(parking_lot::RawMutex);

// SAFETY: locks and unlocks are those of parking_lot.
unsafe impl RawMutex for ForkAware {
    #[allow(clippy::declare_interior_mutable_const, reason = "the form that the trait asks for")]
    const INIT: ForkAware = ForkAware(parking_lot::RawMutex::INIT);

    type GuardMarker = GuardNoSend;

    #[inline]
    fn lock(&self) {
        if !self.0.try_lock() {
            self.lock_contended();
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        self.0.try_lock()
    }

    #[inline]
    unsafe fn unlock(&self) {
        // SAFETY: the caller holds the lock. In a child no thread is parked on it, so this is one compare-and-swap.
        unsafe { self.0.unlock() };
    }
}

impl ForkAware {
    #[cold]
    fn lock_contended(&self) {
        let process = std::process::id();
        match PARKING_PROCESS.compare_exchange(0, process, Relaxed, Relaxed) {
            Err(first) if first != process => {
                let mut pause = 1_000;
                while !self.0.try_lock() {
                    nap(pause);
                    pause = (2 * pause).min(1_000_000);
                }
            }
            _ => self.0.lock(),
        }
    }
}

/// How often a thread polls before it sleeps: most locks are held for a moment.
const SPINS: u32 = 100;

/// A lock on a bare futex.
pub(crate) struct FutexLock {
    /// 0 free, 1 locked, 2 locked with sleepers.
    state: AtomicU32,
}

// SAFETY: the state leaves 0 by one compare-and-swap or swap that read 0, so that one thread holds the lock.
unsafe impl RawMutex for FutexLock {
    #[allow(clippy::declare_interior_mutable_const, reason = "the form that the trait asks for")]
    const INIT: FutexLock = FutexLock { state: AtomicU32::new(0) };

    type GuardMarker = GuardNoSend;

    #[inline]
    fn lock(&self) {
        if !self.try_lock() {
            self.lock_contended();
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        self.state.compare_exchange(0, 1, Acquire, Relaxed).is_ok()
    }

    #[inline]
    unsafe fn unlock(&self) {
        if self.state.swap(0, Release) == 2 {
            futex::wake(&self.state, 1);
        }
    }
}

impl FutexLock {
    #[cold]
    fn lock_contended(&self) {
        for _ in 0..SPINS {
            match self.state.load(Relaxed) {
                0 if self.try_lock() => return,
                // Others sleep already.
                2 => break,
                _ => std::hint::spin_loop(),
            }
        }
        while self.state.swap(2, Acquire) != 0 {
            futex::wait(&self.state, 2, Deadline::NEVER);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use parking_lot_core::DEFAULT_PARK_TOKEN;

    use super::*;

    fn no_count_is_lost<R: RawMutex + Sync>() {
        let count = lock_api::Mutex::<R, u64>::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..20_000).for_each(|_| *count.lock() += 1));
            }
        });
        assert_eq!(*count.lock(), 80_000);
    }

    #[test]
    fn one_thread_at_a_time() {
        no_count_is_lost::<ForkAware>();
        no_count_is_lost::<FutexLock>();
    }

    #[test]
    fn a_panic_unlocks_and_does_not_poison() {
        let lock = Mutex::new(1);
        let panicked = std::thread::scope(|scope| {
            let holder = scope.spawn(|| {
                let mut value = lock.lock();
                *value = 2;
                panic!("on purpose");
            });
            holder.join().is_err()
        });
        assert!(panicked && *lock.lock() == 2);
    }

    /// As in a child that was forked while a thread of its parent was in the table: the part of the table for this mutex stays
    /// locked, and a thread that finds the mutex locked gets it all the same.
    #[test]
    fn a_forked_child_does_not_enter_the_table() {
        let lock = ForkAware::INIT;
        let first = PARKING_PROCESS.swap(u32::MAX, Relaxed);
        let [in_table, leave_table, overdue] = [const { AtomicBool::new(false) }; 3];
        assert!(lock.try_lock());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let validate = || {
                    in_table.store(true, Relaxed);
                    let left = (0..3000).any(|_| {
                        nap(10_000_000);
                        leave_table.load(Relaxed)
                    });
                    overdue.store(!left, Relaxed);
                    false
                };
                // SAFETY: the key is the address that the mutex itself parks on; `validate` neither panics nor parks.
                unsafe {
                    let key = &raw const lock as usize;
                    parking_lot_core::park(key, validate, || {}, |_, _| {}, DEFAULT_PARK_TOKEN, None);
                }
            });
            while !in_table.load(Relaxed) {
                std::thread::yield_now();
            }
            let waiting = scope.spawn(|| {
                lock.lock();
                // SAFETY: locked above.
                unsafe { lock.unlock() };
            });
            // Long enough for the thread to find the mutex locked.
            nap(20_000_000);
            // SAFETY: locked above.
            unsafe { lock.unlock() };
            waiting.join().unwrap();
            leave_table.store(true, Relaxed);
        });
        assert!(!overdue.load(Relaxed), "a thread waited for the table");
        PARKING_PROCESS.store(first, Relaxed);
    }
}
