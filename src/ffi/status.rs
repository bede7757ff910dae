//! Statuses of the C ABI, and the calling thread's last error message.

use std::cell::Cell;
use std::ffi::CStr;
use std::ffi::c_char;
use std::fmt;

use crate::error::Status;
use crate::spsc::flow::Flow;
use crate::text::Text;

/// The result of every call that can fail: `BB_OK` or a negative failure. A number is never reused.
///
/// `bb_status_string()` explains a status, and `bb_last_error()` explains the calling thread's last refused call.
#[allow(non_camel_case_types, reason = "names of C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum bb_status {
    /// Done.
    BB_OK = 0,
    /// A required pointer is NULL.
    BB_E_NULL = -1,
    /// Not a handle of this library.
    BB_E_HANDLE = -2,
    /// The object behind the handle has been destroyed.
    BB_E_STALE = -3,
    /// The handle belongs to an object of another kind.
    BB_E_KIND = -4,
    /// The handle was made by another copy of the library in this process.
    BB_E_FOREIGN = -5,
    /// An unknown value, enum, flag or shape, or text that is not UTF-8.
    BB_E_ARGUMENT = -6,
    /// An offset is not a multiple of the element size.
    BB_E_ALIGN = -7,
    /// Out of bounds, or a sum that overflows.
    BB_E_RANGE = -8,
    /// A `struct_size` that this version does not support.
    BB_E_VERSION = -9,
    /// Not available in this build or on this system.
    BB_E_UNSUPPORTED = -10,
    /// More than the library or the system can hold.
    BB_E_LIMIT = -11,
    /// Out of memory.
    BB_E_OUT_OF_MEMORY = -12,
    /// Not allowed in the object's present state.
    BB_E_STATE = -13,
    /// Another call is using the object.
    BB_E_BUSY = -14,
    /// Full: no space at this moment.
    BB_E_FULL = -15,
    /// Empty: nothing to receive at this moment.
    BB_E_EMPTY = -16,
    /// The timeout expired.
    BB_E_TIMEOUT = -17,
    /// The object is closed.
    BB_E_CLOSED = -18,
    /// Leases hold every copy that could be written.
    BB_E_PINNED = -19,
    /// Backend work outlasted the watchdog.
    BB_E_STALLED = -20,
    /// The backend reported a failure.
    BB_E_BACKEND = -21,
    /// The device is lost.
    BB_E_DEVICE_LOST = -22,
    /// The request was aborted by its owner.
    BB_E_ABORTED = -23,
    /// The request was cancelled.
    BB_E_CANCELLED = -24,
    /// Not allowed inside a callback, or inside a call on the same object.
    BB_E_RECURSIVE = -25,
    /// A signal or the thread's wait check ended the wait.
    BB_E_INTERRUPTED = -26,
    /// Not allowed on this thread.
    BB_E_WRONG_THREAD = -27,
    /// The handle was made before a fork.
    BB_E_FORKED = -28,
    /// An earlier panic left the object unusable; it can be queried and destroyed.
    BB_E_POISONED = -29,
    /// A panic was caught inside the library.
    BB_E_PANIC = -30,
    /// The name is already registered.
    BB_E_EXISTS = -31,
    /// No such parent.
    BB_E_NO_PARENT = -32,
    /// No such name.
    BB_E_NO_NAME = -33,
    /// An alias of itself.
    BB_E_ALIAS_SELF = -34,
    /// The alias target is missing.
    BB_E_ALIAS_MISSING = -35,
    /// The alias target comes later, or the aliases form a cycle.
    BB_E_ALIAS_ORDER = -36,
}

impl From<()> for bb_status {
    #[inline(always)]
    fn from((): ()) -> bb_status {
        bb_status::BB_OK
    }
}

impl From<Flow> for bb_status {
    #[inline(always)]
    fn from(flow: Flow) -> bb_status {
        match flow {
            Flow::Done => bb_status::BB_OK,
            Flow::Full => bb_status::BB_E_FULL,
            Flow::Empty => bb_status::BB_E_EMPTY,
            Flow::Timeout => bb_status::BB_E_TIMEOUT,
            Flow::Interrupted => bb_status::BB_E_INTERRUPTED,
            Flow::Closed => bb_status::BB_E_CLOSED,
        }
    }
}

/// One line of `bb_status_string()`: name, colon, sentence, NUL.
struct StatusLine([u8; StatusLine::CAPACITY]);

impl StatusLine {
    const CAPACITY: usize = 128;

    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // Evaluated at compile time.
    const fn new(name: &str, summary: &str) -> StatusLine {
        let parts = [name.as_bytes(), b": ", summary.as_bytes()];
        let (mut line, mut end, mut part) = ([0; StatusLine::CAPACITY], 0, 0);
        while part < parts.len() {
            let mut at = 0;
            while at < parts[part].len() {
                line[end] = parts[part][at];
                (at, end) = (at + 1, end + 1);
            }
            part += 1;
        }
        assert!(end < StatusLine::CAPACITY);
        StatusLine(line)
    }
}

macro_rules! statuses {
    ($($status:ident => $constant:ident,)*) => {
        impl From<Status> for bb_status {
            fn from(status: Status) -> bb_status {
                match status {
                    $(Status::$status => bb_status::$constant,)*
                }
            }
        }

        /// By `-status`.
        static LINES: [StatusLine; 37] = [
            StatusLine::new("BB_OK", "done"),
            $(StatusLine::new(stringify!($constant), Status::$status.summary()),)*
        ];
    };
}

statuses! {
    Null => BB_E_NULL,
    Handle => BB_E_HANDLE,
    Stale => BB_E_STALE,
    Kind => BB_E_KIND,
    Foreign => BB_E_FOREIGN,
    Argument => BB_E_ARGUMENT,
    Align => BB_E_ALIGN,
    Range => BB_E_RANGE,
    Version => BB_E_VERSION,
    Unsupported => BB_E_UNSUPPORTED,
    Limit => BB_E_LIMIT,
    OutOfMemory => BB_E_OUT_OF_MEMORY,
    State => BB_E_STATE,
    Busy => BB_E_BUSY,
    Full => BB_E_FULL,
    Empty => BB_E_EMPTY,
    Timeout => BB_E_TIMEOUT,
    Closed => BB_E_CLOSED,
    Pinned => BB_E_PINNED,
    Stalled => BB_E_STALLED,
    Backend => BB_E_BACKEND,
    DeviceLost => BB_E_DEVICE_LOST,
    Aborted => BB_E_ABORTED,
    Cancelled => BB_E_CANCELLED,
    Recursive => BB_E_RECURSIVE,
    Interrupted => BB_E_INTERRUPTED,
    WrongThread => BB_E_WRONG_THREAD,
    Forked => BB_E_FORKED,
    Poisoned => BB_E_POISONED,
    Panic => BB_E_PANIC,
    Exists => BB_E_EXISTS,
    NoParent => BB_E_NO_PARENT,
    NoName => BB_E_NO_NAME,
    AliasSelf => BB_E_ALIAS_SELF,
    AliasMissing => BB_E_ALIAS_MISSING,
    AliasOrder => BB_E_ALIAS_ORDER,
}

/// The line of a status, or a line that reports an unknown number.
pub(crate) fn text(status: i32) -> &'static CStr {
    let line = status.checked_neg().and_then(|code| LINES.get(usize::try_from(code).ok()?));
    line.and_then(|line| CStr::from_bytes_until_nul(&line.0).ok())
        .unwrap_or(c"unknown status: not one of this version's")
}

thread_local!(static MESSAGE: Cell<Text<512>> = const { Cell::new(Text::new()) });

/// Sets the calling thread's last error message. It is stored in a static buffer, so that no allocation can fail.
pub(crate) fn set_message(message: fmt::Arguments<'_>) {
    let text = Text::of(message);
    MESSAGE.set(text);
}

/// Clears the calling thread's last error message, for outcomes that set none.
#[inline]
pub(crate) fn clear_message() {
    MESSAGE.with(|message| {
        // SAFETY: this thread's own, and the reference ends before another one is made.
        unsafe { (*message.as_ptr()).clear() }
    });
}

/// The calling thread's last error message, NUL-terminated; valid until its next failure.
pub(crate) fn message() -> *const c_char {
    // The bytes follow the length inside the text.
    MESSAGE.with(|message| {
        // SAFETY: this thread's own, and the reference ends before another message can be set.
        unsafe { (*message.as_ptr()).as_ptr() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_keeps_its_number_and_its_line_begins_with_its_name() {
        assert!(text(0).to_str().unwrap().starts_with("BB_OK: "));
        for code in 1..=36 {
            // SAFETY: 1 to 36 are the statuses.
            let status = unsafe { std::mem::transmute::<i32, Status>(code) };
            let constant = bb_status::from(status);
            assert_eq!(constant as i32, -code);
            let line = text(-code).to_str().unwrap();
            assert_eq!(line, format!("{constant:?}: {}", status.summary()));
        }
    }

    #[test]
    fn numbers_that_are_no_status_have_a_line_too() {
        for number in [1, 36, -37, i32::MIN, i32::MAX] {
            assert!(text(number).to_str().unwrap().starts_with("unknown status"));
        }
    }
}
