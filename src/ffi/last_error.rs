//! The calling thread's last message, in a buffer that is simply there: telling an error allocates nothing.

use std::cell::Cell;
use std::ffi::c_char;
use std::fmt;

use crate::text::Text;

thread_local!(static MESSAGE: Cell<Text<512>> = const { Cell::new(Text::new()) });

/// Replaces the message.
pub(crate) fn set(message: fmt::Arguments<'_>) {
    let text = Text::of(message);
    MESSAGE.set(text);
}

/// The message, NUL-terminated; valid until this thread's next failure.
pub(crate) fn get() -> *const c_char {
    // The text begins with its length, so its bytes are asked for where they lie.
    MESSAGE.with(|message| {
        // SAFETY: this thread's own, and the reference ends before anybody can set another.
        unsafe { (*message.as_ptr()).as_ptr() }
    })
}
