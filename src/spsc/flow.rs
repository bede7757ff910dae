//! Outcomes of calls on the two ends of a ring, and the checks of arguments and threads that both ends make.

use crate::error::{Error, Result, Status};
use crate::spsc::copy::PIECE;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};

/// The outcome of an accepted call. All but [`Flow::Done`] are ordinary, so they carry no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Done,
    Full,
    Empty,
    Timeout,
    Interrupted,
    Closed,
}

impl Flow {
    pub(crate) fn status(self) -> Option<Status> {
        match self {
            Flow::Done => None,
            Flow::Full => Some(Status::Full),
            Flow::Empty => Some(Status::Empty),
            Flow::Timeout => Some(Status::Timeout),
            Flow::Interrupted => Some(Status::Interrupted),
            Flow::Closed => Some(Status::Closed),
        }
    }

    /// As a result of the Rust API.
    pub(crate) fn result(self) -> Result<()> {
        self.status().map_or(Ok(()), |status| Err(Error::of(status)))
    }

    /// The result of arming a descriptor in the Rust API: whether the condition holds now.
    pub(crate) fn armed(self) -> Result<bool> {
        match self {
            Flow::Full | Flow::Empty => Ok(false),
            flow => flow.result().map(|()| true),
        }
    }
}

/// How many bytes a call moved, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) bytes: u64,
    pub(crate) flow: Flow,
}

impl Moved {
    pub(crate) const fn none(flow: Flow) -> Moved {
        Moved { bytes: 0, flow }
    }

    pub(crate) const fn done(bytes: u64) -> Moved {
        Moved { bytes, flow: Flow::Done }
    }

    /// As a result of the Rust API: the bytes that moved, if any did.
    pub(crate) fn result(self) -> Result<usize> {
        match self.flow.status() {
            Some(status) if self.bytes == 0 => Err(Error::of(status)),
            _ => Ok(self.bytes as usize),
        }
    }
}

/// Refuses a second thread inside of one end, in the checked mode.
#[derive(Debug)]
pub(crate) struct ThreadCheck {
    checked: bool,
    inside: AtomicBool,
}

/// A call that is inside of an end.
pub(crate) struct CallInside<'a>(Option<&'a AtomicBool>);

impl Drop for CallInside<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(inside) = self.0 {
            inside.store(false, Release);
        }
    }
}

impl ThreadCheck {
    pub(crate) fn new(checked: bool) -> ThreadCheck {
        ThreadCheck { checked, inside: AtomicBool::new(false) }
    }

    #[inline(always)]
    pub(crate) fn enter(&self) -> Result<CallInside<'_>> {
        if !self.checked {
            return Ok(CallInside(None));
        }
        if self.inside.swap(true, Acquire) {
            let message =
                "another thread is inside of a call on the same end; an end belongs to one thread at a time";
            return Err(Error::text(Status::Busy, message));
        }
        Ok(CallInside(Some(&self.inside)))
    }
}

/// Refuses a `min` that the ring can never hold.
pub(crate) fn check_min(min: u64, capacity: u64) -> Result<()> {
    if min > capacity {
        Err(Error::beyond("min", min.into(), capacity, "capacity of the ring"))
    } else {
        Ok(())
    }
}

/// Refuses `bytes` that are not whole records of `record` bytes. 0 stands for a ring without records, where any number is whole.
pub(crate) fn check_whole(bytes: u64, record: u64) -> Result<()> {
    if record == 0 || bytes.is_multiple_of(record) {
        return Ok(());
    }
    let message = "this ring moves whole records: give a multiple of its overwrite_record_size";
    Err(Error::value(Status::Align, "bytes", bytes, message))
}

/// The bytes that a wait for `bytes` waits for: at least one, at most the capacity, and whole records.
pub(crate) fn bytes_to_await(bytes: u64, capacity: u64, record: u64) -> u64 {
    let bytes = bytes.clamp(1, capacity);
    if record == 0 { bytes } else { bytes.next_multiple_of(record) }
}

/// The records in `bytes`.
pub(crate) fn records_in(bytes: u64, record: u64) -> u64 {
    bytes.checked_div(record).unwrap_or(0)
}

/// The bytes of whole records that are copied at once.
pub(crate) fn piece_of_records(record: u64) -> u64 {
    (PIECE / record).max(1) * record
}

/// The span of memory that an end has lent and that has not ended yet, in the C API; or the mark that the end itself is lent.
#[derive(Debug)]
pub(crate) struct OpenSpan(
    /// Its bytes plus one, with [`INLINE`] if it is the claim of an inline writer or reader; 0 while no span is open; [`LENT`].
    AtomicU64,
);

/// The end is lent to another object, which moves its bytes. Stands where a span would, so that the short paths check one word.
const LENT: u64 = u64::MAX;

/// Above the bytes of every span.
const INLINE: u64 = 1 << 62;

impl OpenSpan {
    pub(crate) fn new() -> OpenSpan {
        OpenSpan(AtomicU64::new(0))
    }

    /// 0 while no span is open.
    #[inline(always)]
    pub(crate) fn bits(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.0.load(Acquire), 0 | LENT)
    }

    /// Whether the end was lent and has not resumed.
    pub(crate) fn is_lent(&self) -> bool {
        self.0.load(Acquire) == LENT
    }

    /// Marks the end as lent, until [`OpenSpan::end`].
    pub(crate) fn lend(&self) {
        self.0.store(LENT, Release);
    }

    pub(crate) fn open(&self, bytes: u64) {
        self.0.store(bytes + 1, Release);
    }

    /// Opens the claim of an inline writer or reader, or continues it with other bytes.
    #[inline(always)]
    pub(crate) fn open_inline(&self, bytes: u64) {
        self.0.store((bytes + 1) | INLINE, Release);
    }

    pub(crate) fn end(&self) {
        self.0.store(0, Release);
    }

    /// Refuses `bytes` of an inline claim with one of the two messages: if none is open, or if it has fewer.
    #[inline(always)]
    pub(crate) fn check_inline(&self, bytes: u64, none: &'static str, beyond: &'static str) -> Result<()> {
        let word = self.0.load(Acquire);
        if bytes < word & !INLINE && word & INLINE != 0 && word != LENT {
            return Ok(());
        }
        let open = word & INLINE != 0 && word != LENT;
        Err(if open {
            Error::value(Status::State, "next", bytes, beyond)
        } else {
            Error::text(Status::State, none)
        })
    }

    /// Refuses with one of the two messages: if no span is open, or if it has fewer than `bytes`.
    pub(crate) fn check(&self, bytes: u64, none: &'static str, fewer: &'static str) -> Result<()> {
        match self.0.load(Acquire).checked_sub(1) {
            None => Err(Error::text(Status::State, none)),
            Some(open) if open >= INLINE => Err(Error::text(Status::State, INLINE_IS_OPEN)),
            Some(open) if bytes > open => Err(Error::value(Status::State, "bytes", bytes, fewer)),
            Some(_) => Ok(()),
        }
    }
}

const INLINE_IS_OPEN: &str = "an inline writer or reader has the claim; close it";

#[cold]
pub(crate) fn is_lent() -> Error {
    Error::text(Status::Busy, "the receiver feeds a manager; destroy the feed first")
}

#[cold]
pub(crate) fn span_is_open() -> Error {
    Error::text(Status::State, "a peeked span or an inline reader is open; consume or close it first")
}
