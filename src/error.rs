//! Errors: the status codes, and an error value that needs no allocation.
//!
//! An [`Error`] is plain data: a [`Status`] and its context. It is built without allocating, so that a refusal
//! is cheap and works without memory; the text is formatted on request.

// With their paths, because the models include this file by its path.
#[path = "error/conversions.rs"]
mod conversions;
#[cfg(test)]
#[path = "error/tests.rs"]
mod tests;

use std::fmt;

/// The result code of a refused or failed call. The C ABI returns the same codes, negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
#[non_exhaustive]
pub enum Status {
    /// A required pointer is NULL.
    Null = 1,
    /// Not a handle at all.
    Handle = 2,
    /// The object behind the handle has been destroyed.
    Stale = 3,
    /// The handle belongs to an object of another kind.
    Kind = 4,
    /// The handle was made by another copy of the library.
    Foreign = 5,
    /// An unknown value, enum, flag or shape, or text that is not UTF-8.
    Argument = 6,
    /// An offset is not a multiple of the element.
    Align = 7,
    /// Out of bounds, or a sum that overflows.
    Range = 8,
    /// A struct is from a newer version of the library.
    Version = 9,
    /// Not available in this build or on this system.
    Unsupported = 10,
    /// More than the library or the system can hold.
    Limit = 11,
    /// Out of memory.
    OutOfMemory = 12,
    /// Not legal in the object's present state.
    State = 13,
    /// In use by another call or thread.
    Busy = 14,
    /// No room now.
    Full = 15,
    /// Nothing there now.
    Empty = 16,
    /// The timeout has passed.
    Timeout = 17,
    /// The object is closed.
    Closed = 18,
    /// A lease keeps the copy that is needed.
    Pinned = 19,
    /// Backend work outlasted the watchdog.
    Stalled = 20,
    /// The backend reported a failure.
    Backend = 21,
    /// The device is lost.
    DeviceLost = 22,
    /// The request was aborted by its owner.
    Aborted = 23,
    /// The request was cancelled.
    Cancelled = 24,
    /// A call from inside a callback that cannot be served there.
    Recursive = 25,
    /// A signal or the wait check ended the wait.
    Interrupted = 26,
    /// Not legal on this thread.
    WrongThread = 27,
    /// The handle was made before a fork.
    Forked = 28,
    /// An earlier panic left the object unusable.
    Poisoned = 29,
    /// A panic was caught.
    Panic = 30,
    /// The name is taken.
    Exists = 31,
    /// No such parent.
    NoParent = 32,
    /// No such name.
    NoName = 33,
    /// An alias of itself.
    AliasSelf = 34,
    /// The alias target is missing.
    AliasMissing = 35,
    /// The alias target comes later, or the aliases form a cycle.
    AliasOrder = 36,
}

impl Status {
    /// A sentence that explains the status.
    ///
    /// ```
    /// assert_eq!(backbuf::Status::Full.summary(), "no room now; wait, or drain the other side");
    /// ```
    pub const fn summary(self) -> &'static str {
        match self {
            Status::Null => "a required pointer is NULL",
            Status::Handle => "not a handle of this library",
            Status::Stale => "the object has been destroyed",
            Status::Kind => "the handle belongs to an object of another kind",
            Status::Foreign => "the handle was made by another copy of the library in this process",
            Status::Argument => "an unknown value, flag, enum or shape, or text that is not UTF-8",
            Status::Align => "an offset is not a multiple of the element size",
            Status::Range => "out of bounds, or a sum that overflows",
            Status::Version => "the struct is from a newer version of the library",
            Status::Unsupported => "not available in this build or on this system",
            Status::Limit => "more than the library or the system can hold",
            Status::OutOfMemory => "out of memory",
            Status::State => "not legal in the object's present state",
            Status::Busy => "in use by another call or thread",
            Status::Full => "no room now; wait, or drain the other side",
            Status::Empty => "nothing there now",
            Status::Timeout => "the timeout has passed",
            Status::Closed => "the object is closed",
            Status::Pinned => {
                "leases hold every copy; release fronts, keep snapshots instead, or raise max_extra_copies"
            }
            Status::Stalled => "backend work outlasted the watchdog; it recovers when the work ends",
            Status::Backend => {
                "the backend reported a failure; nothing is lost, the next synchronize tries again"
            }
            Status::DeviceLost => "the device is lost",
            Status::Aborted => "the request was aborted by its owner",
            Status::Cancelled => "the request was cancelled",
            Status::Recursive => "a call from inside a callback that cannot be served there",
            Status::Interrupted => "a signal or the wait check ended the wait",
            Status::WrongThread => "not legal on this thread",
            Status::Forked => "the handle was made before a fork; make a new object in this process",
            Status::Poisoned => "an earlier panic left the object unusable; destroy it",
            Status::Panic => "a panic was caught inside the library; this is a bug, please report it",
            Status::Exists => "the name is taken",
            Status::NoParent => "no such parent",
            Status::NoName => "no such name",
            Status::AliasSelf => "an alias of itself",
            Status::AliasMissing => "the alias target is missing",
            Status::AliasOrder => "the alias target comes later, or the aliases form a cycle",
        }
    }
}

/// A short name without an allocation: at most 63 bytes of UTF-8, longer ones are cut at a character.
///
/// ```
/// let label: backbuf::Label = backbuf::Label::new("flood");
/// assert_eq!(label.as_str(), "flood");
/// assert_eq!(<backbuf::Label>::new(&"é".repeat(40)).as_str().len(), 62);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Label<const N: usize = 63> {
    length: u8,
    bytes: [u8; N],
}

impl<const N: usize> Label<N> {
    /// A label of `text`, cut where it is too long.
    pub fn new(text: &str) -> Label<N> {
        let cut = (0..=text.len().min(N)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let mut bytes = [0; N];
        bytes[..cut].copy_from_slice(&text.as_bytes()[..cut]);
        Label { length: cut as u8, bytes }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length as usize]).unwrap_or("")
    }
}

impl<const N: usize> fmt::Debug for Label<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What an error's text is made of: the parameter, its value and the remedy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ErrorContext {
    /// The status alone.
    None,
    /// A sentence.
    Text(&'static str),
    /// `param` alone: NULL, or refused with any value.
    Param { param: &'static str, reason: &'static str },
    /// `param = value`, and the reason.
    Value { param: &'static str, value: u64, reason: &'static str },
    /// [`ErrorContext::Value`] below 0.
    Negative { param: &'static str, value: i64, reason: &'static str },
    /// `param = 'name'`, and the reason.
    Named { param: &'static str, name: Label<30>, reason: &'static str },
    /// An entry of `param`, an array.
    Entry { param: &'static str, index: u64, value: u64, reason: &'static str },
    /// `param`, a text, is malformed there.
    At { param: &'static str, line: u64, column: u64, reason: &'static str },
    /// `param` is not the handle of a live object of its kind.
    Handle { param: &'static str, value: u64, reason: &'static str },
    /// `param` ends at `end`, beyond `limit`.
    Beyond { param: &'static str, end: u64, limit: u64, of: &'static str },
    /// `param = value` is not a multiple of `align`.
    Align { param: &'static str, value: u64, align: u64 },
    /// [`ErrorContext::Beyond`] for a field; the limit is the length of an axis, or the bytes of the field.
    FieldBeyond { param: &'static str, end: u64, limit: u64, axis: bool, name: Label<29> },
    /// [`ErrorContext::Align`] for a field.
    FieldAlign { param: &'static str, value: u64, align: u64, name: Label<30> },
    /// [`ErrorContext::Value`] for a field.
    FieldValue { param: &'static str, value: u64, reason: &'static str, name: Label<22> },
    /// [`ErrorContext::Param`] for a field.
    FieldParam { param: &'static str, reason: &'static str, name: Label<30> },
    /// Another object holds what the call needs.
    Held { what: &'static str, label: Label<31>, thread: u32, age_ns: u64 },
    /// The code of a failed call.
    Code { what: &'static str, code: i32 },
    /// A call of the operating system that failed, the error's name, and the remedy.
    System { call: &'static str, errno: i32, name: &'static str, remedy: &'static str },
    /// A driver's code and message for a failed step.
    #[cfg(feature = "gl")]
    Driver { step: &'static str, code: u32, text: Label<40> },
    /// A message for a failed call.
    Message { what: &'static str, text: Label<44> },
}

/// The limit of an index: [`ErrorContext::Beyond`].
pub(crate) const AXIS: &str = "length of the axis";

/// The reason of a refused or failed call. Displays as one line that names the parameter, its value and the remedy.
///
/// ```
/// use backbuf::{Manager, Status};
/// let manager = Manager::<f32>::new(&[4])?;
/// let error = manager.enqueue(4, &[1.0], backbuf::Timeout::TRY).unwrap_err();
/// assert_eq!(error.status(), Status::Range);
/// assert_eq!(error.to_string(), "out of bounds: offset + data ends at 5, beyond 4 (the elements of the state)");
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Error {
    status: Status,
    context: ErrorContext,
    /// The list with the refused item, and its index.
    item: Option<(ErrorList, u32)>,
}

/// A parameter that is a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorList {
    Fields,
    Updates,
}

/// `Result` with this library's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

const SANDBOX: &str = "the kernel or a sandbox refuses this call; allow it (seccomp)";

impl Error {
    /// The status, for `match`.
    pub fn status(&self) -> Status {
        self.status
    }

    #[cold]
    fn new(status: Status, context: ErrorContext) -> Error {
        Error { status, context, item: None }
    }

    #[cold]
    pub(crate) fn of(status: Status) -> Error {
        Error::new(status, ErrorContext::None)
    }

    /// This error for the item at `index` of a list.
    #[cold]
    pub(crate) fn of_item(self, list: ErrorList, index: usize) -> Error {
        Error { item: u32::try_from(index).ok().map(|index| (list, index)), ..self }
    }

    #[cold]
    pub(crate) fn text(status: Status, text: &'static str) -> Error {
        Error::new(status, ErrorContext::Text(text))
    }

    /// `param` is refused, for implementations of the library's traits. The text is `param reason`.
    ///
    /// ```
    /// use backbuf::{Error, Status};
    /// let error = Error::param(Status::Limit, "bytes", "is beyond 1 GiB");
    /// assert_eq!(error.to_string(), "bytes is beyond 1 GiB");
    /// ```
    #[cold]
    pub fn param(status: Status, param: &'static str, reason: &'static str) -> Error {
        Error::new(status, ErrorContext::Param { param, reason })
    }

    #[cold]
    pub(crate) fn value(
        status: Status,
        param: &'static str,
        value: impl Into<i128>,
        reason: &'static str,
    ) -> Error {
        let value = value.into();
        Error::new(
            status,
            match u64::try_from(value) {
                Ok(value) => ErrorContext::Value { param, value, reason },
                Err(_) => ErrorContext::Negative { param, value: value as i64, reason },
            },
        )
    }

    #[cold]
    pub(crate) fn named(status: Status, param: &'static str, name: &str, reason: &'static str) -> Error {
        Error::new(status, ErrorContext::Named { param, name: Label::new(name), reason })
    }

    #[cold]
    pub(crate) fn entry(
        status: Status,
        param: &'static str,
        at: (usize, u64),
        reason: &'static str,
    ) -> Error {
        Error::new(status, ErrorContext::Entry { param, index: at.0 as u64, value: at.1, reason })
    }

    #[cold]
    pub(crate) fn at(param: &'static str, line: u64, column: u64, reason: &'static str) -> Error {
        Error::new(Status::Argument, ErrorContext::At { param, line, column, reason })
    }

    #[cold]
    pub(crate) fn handle(status: Status, param: &'static str, value: u64) -> Error {
        Error::new(status, ErrorContext::Handle { param, value, reason: status.summary() })
    }

    #[cold]
    pub(crate) fn beyond(param: &'static str, end: u128, limit: u64, of: &'static str) -> Error {
        // A sum that overflows is shown as the largest number.
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        Error::new(Status::Range, ErrorContext::Beyond { param, end, limit, of })
    }

    #[cold]
    pub(crate) fn align(param: &'static str, value: u64, align: u64) -> Error {
        Error::new(Status::Align, ErrorContext::Align { param, value, align })
    }

    #[cold]
    pub(crate) fn held(status: Status, what: &'static str, label: Label, thread: u32, age_ns: u64) -> Error {
        Error::new(status, ErrorContext::Held { what, label: Label::new(label.as_str()), thread, age_ns })
    }

    /// `what`, a call of a system or a driver, failed with a code.
    ///
    /// ```
    /// use backbuf::{Error, Status};
    /// let error = Error::code(Status::DeviceLost, "vkQueueSubmit", -4);
    /// assert_eq!(error.to_string(), "vkQueueSubmit returned -4: the device is lost");
    /// ```
    #[cold]
    pub fn code(status: Status, what: &'static str, code: i32) -> Error {
        Error::new(status, ErrorContext::Code { what, code })
    }

    /// `call`, of the operating system, failed with `errno`, which decides status and remedy.
    #[cold]
    pub(crate) fn system(call: &'static str, errno: i32) -> Error {
        let (status, name, remedy) = match errno {
            libc::EMFILE => (Status::Limit, "EMFILE", "raise the limit on open files (ulimit -n)"),
            libc::ENFILE => (Status::Limit, "ENFILE", "the system's table of open files is full"),
            libc::EFBIG => (Status::Limit, "EFBIG", "raise the limit on the size of files (ulimit -f)"),
            libc::EAGAIN => (
                Status::Limit,
                "EAGAIN",
                "raise the limit on threads (ulimit -u, or pids.max) or free memory",
            ),
            libc::ENOMEM => (Status::OutOfMemory, "ENOMEM", "out of memory"),
            libc::ENOSYS => (Status::Unsupported, "ENOSYS", SANDBOX),
            libc::EPERM => (Status::Unsupported, "EPERM", SANDBOX),
            libc::EACCES => (Status::Unsupported, "EACCES", SANDBOX),
            _ => (Status::Unsupported, "another error", "the system refuses this call"),
        };
        Error::new(status, ErrorContext::System { call, errno, name, remedy })
    }

    #[cfg(feature = "gl")]
    #[cold]
    pub(crate) fn driver(status: Status, step: &'static str, code: u32, text: &str) -> Error {
        Error::new(status, ErrorContext::Driver { step, code, text: Label::new(text) })
    }

    /// `what`, a call of a system or a driver, failed with a message; its first 44 bytes are kept.
    ///
    /// ```
    /// use backbuf::{Error, Status};
    /// let error = Error::message(Status::DeviceLost, "vkQueueSubmit", "the queue hangs");
    /// assert_eq!(error.to_string(), "the device is lost: vkQueueSubmit: the queue hangs");
    /// ```
    #[cold]
    pub fn message(status: Status, what: &'static str, text: &str) -> Error {
        Error::new(status, ErrorContext::Message { what, text: Label::new(text) })
    }

    /// This error with another status.
    #[cold]
    pub(crate) fn with_status(self, status: Status) -> Error {
        Error { status, ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.item {
            Some((ErrorList::Fields, index)) => write!(f, "fields[{index}]: ")?,
            Some((ErrorList::Updates, index)) => write!(f, "updates[{index}]: ")?,
            None => {}
        }
        let (field, context) = self.context.without_field();
        if !field.as_str().is_empty() {
            write!(f, "field '{}': ", field.as_str())?;
        }
        match context {
            ErrorContext::Text(text) => f.write_str(text),
            ErrorContext::Param { param, reason } => write!(f, "{param} {reason}"),
            ErrorContext::Value { param, value, reason } => write!(f, "{param} = {value}: {reason}"),
            ErrorContext::Negative { param, value, reason } => write!(f, "{param} = {value}: {reason}"),
            ErrorContext::Named { param, name, reason } => {
                write!(f, "{param} = '{}': {reason}", name.as_str())
            }
            ErrorContext::Entry { param, index, value, reason } => {
                write!(f, "{param}[{index}] = {value}: {reason}")
            }
            ErrorContext::At { param, line, column, reason } => {
                write!(f, "{param}, line {line}, column {column}: {reason}")
            }
            ErrorContext::Handle { param, value, reason } => write!(f, "{param} = {value:#x}: {reason}"),
            ErrorContext::Beyond { param, end, limit, of } => {
                write!(f, "out of bounds: {param} ends at {end}, beyond {limit} (the {of})")
            }
            ErrorContext::Align { param, value, align } => {
                write!(
                    f,
                    "misaligned: {param} = {value} is not a multiple of {align} (the bytes of an element)"
                )
            }
            ErrorContext::Held { what, label, thread, age_ns } => {
                f.write_str(what)?;
                if !label.as_str().is_empty() {
                    write!(f, " '{}'", label.as_str())?;
                }
                let (s, ms) = (age_ns / 1_000_000_000, age_ns / 1_000_000 % 1000);
                // Taking a lease reads no clock: its age counts from when it was first seen.
                let at_least = if self.status == Status::Pinned { "at least " } else { "" };
                write!(f, " of thread {thread}, {at_least}{s}.{ms:03} s old: {}", self.status.summary())
            }
            ErrorContext::System { call, errno, name, remedy } => {
                write!(f, "{call} failed with {name} ({errno}): {remedy}")
            }
            // `without_field` returns no context of a field.
            ErrorContext::None
            | ErrorContext::FieldBeyond { .. }
            | ErrorContext::FieldAlign { .. }
            | ErrorContext::FieldValue { .. }
            | ErrorContext::FieldParam { .. } => f.write_str(self.status.summary()),
            ErrorContext::Code { what, code } => {
                write!(f, "{what} returned {code}: {}", self.status.summary())
            }
            #[cfg(feature = "gl")]
            ErrorContext::Driver { step, code, text } => {
                write!(f, "{}: {step}: {} ({code:#x})", self.status.summary(), text.as_str())
            }
            ErrorContext::Message { what, text } => {
                write!(f, "{}: {what}: {}", self.status.summary(), text.as_str())
            }
        }
    }
}

impl std::error::Error for Error {}

// An error travels in every `Result`, and together with what a refused call gives back.
const _: () = assert!(size_of::<Error>() <= 80);
