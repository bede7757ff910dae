//! C callbacks as closures of the core, and the end of the callbacks of a language runtime.

use std::ffi::{c_char, c_void};
use std::fmt;
use std::mem::ManuallyDrop;

use super::runtime::{Running, Runtime};

/// Releases `user_data`: called exactly once, after its last use.
pub type bb_drop_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Releases borrowed data: called exactly once for each call that accepted the data.
pub type bb_release_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Takes a piece of text: `length` bytes, not NUL-terminated.
pub type bb_write_fn = Option<unsafe extern "C" fn(text: *const c_char, length: u64, user_data: *mut c_void)>;

/// The user data of a C callback, with the function that releases it.
#[derive(Debug)]
pub(super) struct UserData {
    pointer: *mut c_void,
    drop: bb_drop_fn,
    runtime: Option<&'static Runtime>,
}

// SAFETY: the header says on which threads callbacks run; their user data is the caller's to make fit for that.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl UserData {
    pub(super) fn new(pointer: *mut c_void, drop: bb_drop_fn) -> UserData {
        UserData { pointer, drop, runtime: drop.and_then(Runtime::of) }
    }

    /// Begins a call of the callback; None once its runtime has ended its callbacks.
    pub(super) fn enter(&self) -> Option<Running> {
        Runtime::enter(self.runtime)
    }

    pub(super) fn get(&self) -> *mut c_void {
        self.pointer
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(drop) = self.drop
            && let Some(_running) = self.enter()
        {
            // SAFETY: the caller's own function and data, at the one time that was promised.
            unsafe { drop(self.pointer) };
        }
    }
}

/// Frees a refused callback without releasing its user data, which stays the caller's.
pub(super) fn discard<T: ?Sized>(callback: Box<T>) {
    // SAFETY: `ManuallyDrop` has the layout of what it holds.
    drop(unsafe { Box::from_raw(Box::into_raw(callback) as *mut ManuallyDrop<T>) });
}

/// Writes text through a C function.
pub(super) struct Writer {
    write: unsafe extern "C" fn(*const c_char, u64, *mut c_void),
    user_data: *mut c_void,
}

impl Writer {
    /// # Safety
    ///
    /// The function may be called with that user data, on this thread, while the writer lives.
    pub(super) unsafe fn new(
        write: unsafe extern "C" fn(*const c_char, u64, *mut c_void),
        user_data: *mut c_void,
    ) -> Writer {
        Writer { write, user_data }
    }

    pub(super) fn write(&mut self, text: &str) {
        // SAFETY: promised to `new`; the text outlives the call.
        unsafe { (self.write)(text.as_ptr().cast(), text.len() as u64, self.user_data) };
    }
}

impl fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text);
        Ok(())
    }
}
