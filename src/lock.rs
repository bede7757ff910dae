//! Locks that allocate nothing, also where threads meet at them, and that no panic poisons.
//!
//! They park on the bare futex. parking_lot's give each thread that must wait for the first time memory of its own, and end the
//! process where there is none; ThreadSanitizer does not see the standard library's.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::sync::{AtomicU32, Ordering::*, UnsafeCell};
use crate::wait::{Deadline, futex};

/// How often a thread looks again before it sleeps: most are held for a moment.
const SPINS: u32 = 100;

/// A lock of no data. Zero is a legal value: it may lie in wiped memory, so that a child never inherits it held.
#[derive(Debug)]
pub(crate) struct Lock {
    /// 0 free, 1 held, 2 held and waited for.
    state: AtomicU32,
}

/// While it lives, the lock is held.
#[derive(Debug)]
struct Held<'a>(&'a AtomicU32);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.0.swap(0, Release) == 2 {
            futex::wake(self.0, 1);
        }
    }
}

impl Lock {
    pub(crate) const fn new() -> Lock {
        Lock { state: AtomicU32::new(0) }
    }

    fn try_hold(&self) -> Option<Held<'_>> {
        self.state.compare_exchange(0, 1, Acquire, Relaxed).ok()?;
        Some(Held(&self.state))
    }

    fn hold(&self) -> Held<'_> {
        self.try_hold().unwrap_or_else(|| self.hold_later())
    }

    #[cold]
    fn hold_later(&self) -> Held<'_> {
        for _ in 0..SPINS {
            match self.state.load(Relaxed) {
                0 => {
                    if let Some(held) = self.try_hold() {
                        return held;
                    }
                }
                // Others sleep already.
                2 => break,
                _ => std::hint::spin_loop(),
            }
        }
        while self.state.swap(2, Acquire) != 0 {
            futex::wait(&self.state, 2, Deadline::NEVER);
        }
        Held(&self.state)
    }

    /// Runs `work` alone, if nobody holds the lock: for those who must not wait.
    pub(crate) fn try_with<R>(&self, work: impl FnOnce() -> R) -> Option<R> {
        let _held = self.try_hold()?;
        Some(work())
    }

    /// Runs `work` alone.
    pub(crate) fn with<R>(&self, work: impl FnOnce() -> R) -> R {
        let _held = self.hold();
        work()
    }
}

/// What a panic leaves half-done is looked after where it can happen.
pub(crate) struct Mutex<T> {
    lock: Lock,
    value: UnsafeCell<T>,
}

// SAFETY: who holds the lock has the value alone.
unsafe impl<T: Send> Sync for Mutex<T> {}

/// The value, while the lock is held.
#[derive(Debug)]
pub(crate) struct MutexGuard<'a, T> {
    value: &'a UnsafeCell<T>,
    _held: Held<'a>,
}

// SAFETY: as a reference to the value.
unsafe impl<T: Sync> Sync for MutexGuard<'_, T> {}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Mutex<T> {
        Mutex { lock: Lock::new(), value: UnsafeCell::new(value) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { _held: self.lock.hold(), value: &self.value }
    }

    /// The value if nobody has it.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.lock.try_hold().map(|held| MutexGuard { _held: held, value: &self.value })
    }

    pub(crate) fn into_inner(self) -> T {
        self.value.into_inner()
    }

    /// What nobody else can reach.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(value) => f.debug_tuple("Mutex").field(&*value).finish(),
            None => f.write_str("Mutex(held)"),
        }
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and this guard is borrowed alone.
        unsafe { &mut *self.value.get() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_leaves_it_usable() {
        let lock = Mutex::new(1);
        let panicked = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                *lock.lock() = 2;
                let _held = lock.lock();
                panic!("on purpose");
            });
            thread.join().is_err()
        });
        assert!(panicked && *lock.lock() == 2);
        let held = lock.try_lock();
        assert!(held.is_some() && lock.try_lock().is_none());
        assert_eq!(format!("{lock:?}"), "Mutex(held)");
    }

    #[test]
    fn no_count_is_lost() {
        let count = Mutex::new(0u64);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        *count.lock() += 1;
                    }
                });
            }
        });
        assert_eq!(*count.lock(), 80_000);
    }
}
