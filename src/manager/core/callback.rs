//! Callbacks of a manager: their types, the callback that the current thread is inside, and callbacks that are retired.
//!
//! A call that waits for a manager is refused inside a callback of that manager: it would wait for itself.

use std::cell::Cell;

pub(crate) type ReleaseFn = dyn FnOnce() + Send;
pub(crate) type RunFn = dyn FnMut(&mut [u8], &[u8]) + Send;
/// Called once when the data of a borrowed update is no longer needed.
pub(crate) type Release = Box<ReleaseFn>;
/// The code of a kernel: gets its range of the back copy, and the same range of the front.
pub(crate) type Run = Box<RunFn>;

thread_local!(static CURRENT: Cell<u64> = const { Cell::new(0) });

/// Marks the current thread as inside a callback until it is dropped.
#[derive(Debug)]
pub(crate) struct CallbackScope {
    outer: u64,
}

/// Enters a callback of the manager with that number.
pub(crate) fn enter(number: u64) -> CallbackScope {
    CallbackScope { outer: CURRENT.replace(number) }
}

/// Whether the current thread is inside a callback of that manager.
pub(crate) fn inside(number: u64) -> bool {
    CURRENT.get() == number
}

impl Drop for CallbackScope {
    fn drop(&mut self) {
        CURRENT.set(self.outer);
    }
}

/// A callback that has done its work. The worker calls or drops it, without the role.
pub(crate) enum RetiredCallback {
    Release(Release),
    Kernel(Run),
}

impl RetiredCallback {
    /// Calls the release of borrowed data, or drops the kernel.
    pub(crate) fn finish(self) {
        match self {
            RetiredCallback::Release(release) => release(),
            RetiredCallback::Kernel(run) => drop(run),
        }
    }
}
