//! The statuses as C sees them.

use std::ffi::CStr;

use crate::error::Status;
use crate::spsc::Flow;

/// The result of every call that can fail: `BB_OK` or a negative failure. A number is never reused.
///
/// `bb_status_string()` explains a status, and `bb_last_error()` explains the calling thread's last refused call.
#[allow(non_camel_case_types, reason = "C names its constants so")]
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

impl From<Status> for bb_status {
    fn from(status: Status) -> bb_status {
        use bb_status::*;
        match status {
            Status::Null => BB_E_NULL,
            Status::Handle => BB_E_HANDLE,
            Status::Stale => BB_E_STALE,
            Status::Kind => BB_E_KIND,
            Status::Foreign => BB_E_FOREIGN,
            Status::Argument => BB_E_ARGUMENT,
            Status::Align => BB_E_ALIGN,
            Status::Range => BB_E_RANGE,
            Status::Version => BB_E_VERSION,
            Status::Unsupported => BB_E_UNSUPPORTED,
            Status::Limit => BB_E_LIMIT,
            Status::OutOfMemory => BB_E_OUT_OF_MEMORY,
            Status::State => BB_E_STATE,
            Status::Busy => BB_E_BUSY,
            Status::Full => BB_E_FULL,
            Status::Empty => BB_E_EMPTY,
            Status::Timeout => BB_E_TIMEOUT,
            Status::Closed => BB_E_CLOSED,
            Status::Pinned => BB_E_PINNED,
            Status::Stalled => BB_E_STALLED,
            Status::Backend => BB_E_BACKEND,
            Status::DeviceLost => BB_E_DEVICE_LOST,
            Status::Aborted => BB_E_ABORTED,
            Status::Cancelled => BB_E_CANCELLED,
            Status::Recursive => BB_E_RECURSIVE,
            Status::Interrupted => BB_E_INTERRUPTED,
            Status::WrongThread => BB_E_WRONG_THREAD,
            Status::Forked => BB_E_FORKED,
            Status::Poisoned => BB_E_POISONED,
            Status::Panic => BB_E_PANIC,
            Status::Exists => BB_E_EXISTS,
            Status::NoParent => BB_E_NO_PARENT,
            Status::NoName => BB_E_NO_NAME,
            Status::AliasSelf => BB_E_ALIAS_SELF,
            Status::AliasMissing => BB_E_ALIAS_MISSING,
            Status::AliasOrder => BB_E_ALIAS_ORDER,
        }
    }
}

/// One line of `bb_status_string()`: name, colon, sentence, NUL.
struct Line([u8; Line::CAPACITY]);

impl Line {
    const CAPACITY: usize = 128;

    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // At compile time, where a slip is an error.
    const fn new(name: &str, summary: &str) -> Line {
        let parts = [name.as_bytes(), b": ", summary.as_bytes()];
        let (mut line, mut end, mut part) = ([0; Line::CAPACITY], 0, 0);
        while part < parts.len() {
            let mut at = 0;
            while at < parts[part].len() {
                line[end] = parts[part][at];
                (at, end) = (at + 1, end + 1);
            }
            part += 1;
        }
        assert!(end < Line::CAPACITY);
        Line(line)
    }

    const fn failure(name: &str, status: Status) -> Line {
        Line::new(name, status.summary())
    }
}

/// By `-status`.
static LINES: [Line; 37] = [
    Line::new("BB_OK", "done"),
    Line::failure("BB_E_NULL", Status::Null),
    Line::failure("BB_E_HANDLE", Status::Handle),
    Line::failure("BB_E_STALE", Status::Stale),
    Line::failure("BB_E_KIND", Status::Kind),
    Line::failure("BB_E_FOREIGN", Status::Foreign),
    Line::failure("BB_E_ARGUMENT", Status::Argument),
    Line::failure("BB_E_ALIGN", Status::Align),
    Line::failure("BB_E_RANGE", Status::Range),
    Line::failure("BB_E_VERSION", Status::Version),
    Line::failure("BB_E_UNSUPPORTED", Status::Unsupported),
    Line::failure("BB_E_LIMIT", Status::Limit),
    Line::failure("BB_E_OUT_OF_MEMORY", Status::OutOfMemory),
    Line::failure("BB_E_STATE", Status::State),
    Line::failure("BB_E_BUSY", Status::Busy),
    Line::failure("BB_E_FULL", Status::Full),
    Line::failure("BB_E_EMPTY", Status::Empty),
    Line::failure("BB_E_TIMEOUT", Status::Timeout),
    Line::failure("BB_E_CLOSED", Status::Closed),
    Line::failure("BB_E_PINNED", Status::Pinned),
    Line::failure("BB_E_STALLED", Status::Stalled),
    Line::failure("BB_E_BACKEND", Status::Backend),
    Line::failure("BB_E_DEVICE_LOST", Status::DeviceLost),
    Line::failure("BB_E_ABORTED", Status::Aborted),
    Line::failure("BB_E_CANCELLED", Status::Cancelled),
    Line::failure("BB_E_RECURSIVE", Status::Recursive),
    Line::failure("BB_E_INTERRUPTED", Status::Interrupted),
    Line::failure("BB_E_WRONG_THREAD", Status::WrongThread),
    Line::failure("BB_E_FORKED", Status::Forked),
    Line::failure("BB_E_POISONED", Status::Poisoned),
    Line::failure("BB_E_PANIC", Status::Panic),
    Line::failure("BB_E_EXISTS", Status::Exists),
    Line::failure("BB_E_NO_PARENT", Status::NoParent),
    Line::failure("BB_E_NO_NAME", Status::NoName),
    Line::failure("BB_E_ALIAS_SELF", Status::AliasSelf),
    Line::failure("BB_E_ALIAS_MISSING", Status::AliasMissing),
    Line::failure("BB_E_ALIAS_ORDER", Status::AliasOrder),
];

/// The line of a status, or a line that reports an unknown number.
pub(crate) fn text(status: i32) -> &'static CStr {
    let line = status.checked_neg().and_then(|code| LINES.get(usize::try_from(code).ok()?));
    line.and_then(|line| CStr::from_bytes_until_nul(&line.0).ok())
        .unwrap_or(c"unknown status: not one of this version's")
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
