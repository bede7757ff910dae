//! An answer that somebody owes: given exactly once, whatever threads race for it.
//!
//! Who owns the [`Promise`] owes the answer, and giving it uses the promise up; a promise that is dropped gives the answer it
//! was made with. Whoever looks, waits or left a callback has the [`Pledge`]. The model checker compiles this file: it names
//! nothing but `crate::sync::mutex`, `crate::sync`, `crate::alloc` and `crate::error`.

use crate::alloc::Arc;
use crate::error::{Error, Result, Status};
use crate::sync::atomic::{AtomicBool, Ordering::*};
use crate::sync::mutex::Mutex;

/// What is called with the answer. A closure is; a type of its own can be given its memory before it is made.
pub(crate) trait Answered<T>: Send {
    /// Called once.
    fn answered(self: Box<Self>, answer: T);
}

impl<T, F: FnOnce(T) + Send> Answered<T> for F {
    fn answered(self: Box<Self>, answer: T) {
        (*self)(answer);
    }
}

/// What is called with the answer, to be kept until then.
pub(crate) type Callback<T> = Box<dyn Answered<T>>;

enum Slot<T> {
    Open(Option<Callback<T>>),
    Given(T),
}

struct Desk<T> {
    slot: Mutex<Slot<T>>,
    /// Whether the answer is there: for those who look again and again.
    given: AtomicBool,
}

/// The duty to answer.
pub(crate) struct Promise<T: Copy> {
    desk: Arc<Desk<T>>,
    otherwise: Option<T>,
}

/// The right to an answer.
pub(crate) struct Pledge<T: Copy>(Arc<Desk<T>>);

impl<T: Copy> std::fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(Promise)")
    }
}

/// A duty and a right; a promise that is dropped gives `otherwise`.
pub(crate) fn pair<T: Copy>(otherwise: T) -> Result<(Promise<T>, Pledge<T>)> {
    let desk = Desk { slot: Mutex::new(Slot::Open(None)), given: AtomicBool::new(false) };
    let desk = Arc::try_new(desk).map_err(|_| Error::of(Status::OutOfMemory))?;
    Ok((Promise { desk: desk.clone(), otherwise: Some(otherwise) }, Pledge(desk)))
}

impl<T: Copy> Promise<T> {
    /// Gives the answer. A callback runs here, so no lock may be held.
    pub(crate) fn keep(mut self, answer: T) {
        self.otherwise = None;
        self.give(answer);
    }

    fn give(&self, answer: T) {
        let before = {
            let mut slot = self.desk.slot.lock();
            let before = std::mem::replace(&mut *slot, Slot::Given(answer));
            // Release: who sees it goes for the answer.
            self.desk.given.store(true, Release);
            before
        };
        if let Slot::Open(Some(callback)) = before {
            callback.answered(answer);
        }
    }
}

impl<T: Copy> Drop for Promise<T> {
    fn drop(&mut self) {
        if let Some(answer) = self.otherwise.take() {
            self.give(answer);
        }
    }
}

impl<T: Copy> Clone for Pledge<T> {
    fn clone(&self) -> Self {
        Pledge(self.0.clone())
    }
}

impl<T: Copy> Pledge<T> {
    pub(crate) fn is_given(&self) -> bool {
        self.0.given.load(Acquire)
    }

    /// The answer, if it is there.
    pub(crate) fn look(&self) -> Option<T> {
        if !self.is_given() {
            return None;
        }
        match *self.0.slot.lock() {
            Slot::Given(answer) => Some(answer),
            Slot::Open(_) => None,
        }
    }

    /// Leaves a callback: it runs here if the answer is there, else where the answer is given.
    pub(crate) fn then(&self, callback: Callback<T>) {
        let answer = {
            let mut slot = self.0.slot.lock();
            match *slot {
                Slot::Given(answer) => answer,
                Slot::Open(_) => {
                    *slot = Slot::Open(Some(callback));
                    return;
                }
            }
        };
        callback.answered(answer);
    }
}
