//! A lock that allocates nothing, also not where threads meet at it, and that no panic poisons.
//!
//! The standard library's is a futex. parking_lot's gives each thread that must wait for the first time memory of its own, and ends
//! the process where there is none.

use std::sync::{PoisonError, TryLockError};

pub(crate) use std::sync::MutexGuard;

/// The standard library's lock, without its poison: what a panic leaves half-done is looked after where it can happen.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Mutex<T> {
        Mutex(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it guards, which nobody else can reach.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock if nobody has it.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poison)) => Some(poison.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
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
    }
}
