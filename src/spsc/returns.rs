//! Where buffers come back to: a list that any thread pushes on, and that its one owner takes as a whole.
//!
//! Since nothing is ever taken from the middle, a push needs no protection against a node that went and came back. The
//! model checker compiles this file: it names nothing but `crate::sync`.

use std::ptr::{NonNull, null_mut};

use crate::sync::atomic::{AtomicPtr, Ordering::*};

/// What can be pushed: it holds the link to the next one.
pub(crate) trait Linked {
    fn next(&self) -> &AtomicPtr<Self>
    where
        Self: Sized;
}

/// The list. What was pushed last comes first.
#[derive(Debug)]
pub(crate) struct Returns<T> {
    first: AtomicPtr<T>,
}

impl<T: Linked> Returns<T> {
    pub(crate) fn new() -> Returns<T> {
        Returns { first: AtomicPtr::new(null_mut()) }
    }

    /// Gives a node to the list.
    ///
    /// # Safety
    ///
    /// The node is alive, and nobody else uses it any more.
    pub(crate) unsafe fn push(&self, node: NonNull<T>) {
        // SAFETY: the caller's promise.
        let next = unsafe { node.as_ref() }.next();
        let mut first = self.first.load(Relaxed);
        loop {
            next.store(first, Relaxed);
            // Release: who takes the node sees all that was done with it.
            match self.first.compare_exchange_weak(first, node.as_ptr(), Release, Relaxed) {
                Ok(_) => return,
                Err(newer) => first = newer,
            }
        }
    }

    /// Takes every node, linked, the last one pushed first.
    pub(crate) fn take(&self) -> *mut T {
        if self.first.load(Relaxed).is_null() { null_mut() } else { self.first.swap(null_mut(), Acquire) }
    }
}
