//! Thread-exit functions: a function that runs when a thread ends.
//!
//! Uses a pthread key with a destructor. A thread-local value with a destructor would cost every access a check, and the C
//! library ends the process when it has no memory to register one. The object that contains the library stays loaded, so that
//! the destructor is still mapped when the thread ends.

use std::ffi::c_void;

use crate::error::{Error, Result, Status};
use crate::sys::loaded_object::keep_own;
use std::sync::atomic::{AtomicU64, Ordering::*};

/// A function that is called at the end of each thread that has set a value, with that value.
#[derive(Debug)]
pub(crate) struct ThreadExit {
    /// key + 1, or 0.
    key: AtomicU64,
    leave: unsafe extern "C" fn(*mut c_void),
}

impl ThreadExit {
    pub(crate) const fn new(leave: unsafe extern "C" fn(*mut c_void)) -> ThreadExit {
        ThreadExit { key: AtomicU64::new(0), leave }
    }

    /// When the calling thread ends, the function is called with `value`, which is not null.
    pub(crate) fn set(&self, value: *const c_void) -> Result<()> {
        // SAFETY: the key is valid; the value is only passed to the function.
        match unsafe { libc::pthread_setspecific(self.key()?, value) } {
            0 => Ok(()),
            _ => Err(Error::of(Status::OutOfMemory)),
        }
    }

    /// The key, made once.
    fn key(&self) -> Result<libc::pthread_key_t> {
        if let Some(key) = self.key.load(Acquire).checked_sub(1) {
            return Ok(key as libc::pthread_key_t);
        }
        keep_own();
        let mut key: libc::pthread_key_t = 0;
        // SAFETY: writes a local; the function stays loaded.
        if unsafe { libc::pthread_key_create(&mut key, Some(self.leave)) } != 0 {
            return Err(Error::text(Status::Limit, "no thread-specific key is left in this process"));
        }
        match self.key.compare_exchange(0, u64::from(key) + 1, AcqRel, Acquire) {
            Ok(_) => Ok(key),
            Err(earlier) => {
                // SAFETY: created above, and not used yet.
                unsafe { libc::pthread_key_delete(key) };
                Ok((earlier - 1) as libc::pthread_key_t)
            }
        }
    }
}
