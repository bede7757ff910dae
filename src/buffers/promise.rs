//! A one-shot promise: completed exactly once, even when threads race.
//!
//! [`Promise`] is the completing side. Completing consumes it, and dropping it uncompleted completes it with the value given at
//! its creation; so a promise can be neither completed twice nor forgotten. [`Future`] is the receiving side: polled, waited
//! for, or handed a callback. The model checker compiles this file.

use crate::alloc::Arc;
use crate::sync::atomic::{AtomicBool, Ordering::*};
use crate::sync::mutex::Mutex;

/// A callback for the value of a promise. Closures are callbacks; a named type can be allocated before its fields are known.
pub(crate) trait OnComplete<T>: Send {
    /// Called once.
    fn call(self: Box<Self>, value: T);
}

impl<T, F: FnOnce(T) + Send> OnComplete<T> for F {
    fn call(self: Box<Self>, value: T) {
        (*self)(value);
    }
}

/// A boxed callback.
pub(crate) type PromiseCallback<T> = Box<dyn OnComplete<T>>;

enum PromiseState<T> {
    Pending(Option<PromiseCallback<T>>),
    Completed(T),
}

/// The state that a promise and its futures share.
struct PromiseShared<T> {
    state: Mutex<PromiseState<T>>,
    /// Whether `state` is `Completed`, for polling without the lock.
    completed: AtomicBool,
}

/// The completing side.
pub(crate) struct Promise<T: Copy> {
    shared: Arc<PromiseShared<T>>,
    /// The value of a promise that is dropped uncompleted. None once it is completed.
    if_dropped: Option<T>,
}

/// The receiving side. Clones receive the same value.
pub(crate) struct Future<T: Copy>(Arc<PromiseShared<T>>);

impl<T: Copy> std::fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(Promise)")
    }
}

/// A promise, completed with `if_dropped` when it is dropped, and its future.
pub(crate) fn pair<T: Copy>(if_dropped: T) -> (Promise<T>, Future<T>) {
    let state = Mutex::new(PromiseState::Pending(None));
    let shared = Arc::new(PromiseShared { state, completed: AtomicBool::new(false) });
    (Promise { shared: shared.clone(), if_dropped: Some(if_dropped) }, Future(shared))
}

impl<T: Copy> Promise<T> {
    /// Completes the promise and runs its callback, so the caller must hold no lock.
    pub(crate) fn complete(mut self, value: T) {
        self.if_dropped = None;
        self.set(value);
    }

    fn set(&self, value: T) {
        let before = {
            let mut state = self.shared.state.lock();
            let before = std::mem::replace(&mut *state, PromiseState::Completed(value));
            // Release: a thread that loads it sees all that happened before the completion.
            self.shared.completed.store(true, Release);
            before
        };
        if let PromiseState::Pending(Some(callback)) = before {
            callback.call(value);
        }
    }
}

impl<T: Copy> Drop for Promise<T> {
    fn drop(&mut self) {
        if let Some(value) = self.if_dropped.take() {
            self.set(value);
        }
    }
}

impl<T: Copy> Clone for Future<T> {
    fn clone(&self) -> Self {
        Future(self.0.clone())
    }
}

impl<T: Copy> Future<T> {
    pub(crate) fn is_completed(&self) -> bool {
        self.0.completed.load(Acquire)
    }

    /// The value; `None` while the promise is pending.
    pub(crate) fn poll(&self) -> Option<T> {
        if !self.is_completed() {
            return None;
        }
        match *self.0.state.lock() {
            PromiseState::Completed(value) => Some(value),
            PromiseState::Pending(_) => None,
        }
    }

    /// Sets the callback. It runs here if the promise is completed, otherwise on the thread that completes it.
    pub(crate) fn then(&self, callback: PromiseCallback<T>) {
        let value = {
            let mut state = self.0.state.lock();
            match *state {
                PromiseState::Completed(value) => value,
                PromiseState::Pending(_) => {
                    *state = PromiseState::Pending(Some(callback));
                    return;
                }
            }
        };
        callback.call(value);
    }
}
