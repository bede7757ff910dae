//! The map state machine of a buffer: its states, its legal transitions, and the open ranges of a mapping.
//!
//! The rules are WebGPU's and are the same on every device. The machine is plain data without devices, threads or memory: the
//! caller holds the buffer's lock, applies a transition, and acts on the result. A refused transition changes nothing.

use crate::device::driver::{MapMode, Usage};
use crate::error::{Error, Label, Result, Status};

/// The state of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum BufferState {
    /// It has no memory yet.
    Uninitialized = 0,
    /// It is not mapped: submitted work may use it.
    Ready = 1,
    /// It is mapped: the host reads or writes its bytes.
    Mapped = 2,
    /// A map request is pending.
    MapPending = 3,
    /// It was destroyed.
    Destroyed = 4,
}

/// The result of a map request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapOutcome {
    /// `Ok` if the buffer was mapped; otherwise the reason: [`Status::Aborted`] by `unmap` or `destroy`,
    /// [`Status::Cancelled`], [`Status::DeviceLost`], or the error of the backend.
    pub result: Result<()>,
    /// The label of the buffer.
    pub label: Label,
    /// The state of the buffer after the request.
    pub state: BufferState,
}

/// Alignment of the offset of mapped bytes.
pub(crate) const OFFSET_ALIGN: u64 = 8;
/// Alignment of the size of mapped bytes, and of the offsets and sizes of copies.
pub(crate) const SIZE_ALIGN: u64 = 4;

/// The bytes `begin..end` of a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) begin: u64,
    pub(crate) end: u64,
}

impl ByteRange {
    pub(crate) fn len(self) -> u64 {
        self.end - self.begin
    }

    /// Whether one range begins at or after the end of the other. An empty range inside of another one is not disjoint.
    fn is_disjoint(self, other: ByteRange) -> bool {
        self.begin >= other.end || other.begin >= self.end
    }

    /// The range at `offset` inside of `limit`; without a size, up to the end of `limit`.
    fn within(limit: ByteRange, offset: u64, size: Option<u64>, of: &'static str) -> Result<ByteRange> {
        if !offset.is_multiple_of(OFFSET_ALIGN) {
            return Err(Error::align("offset", offset, OFFSET_ALIGN));
        }
        let size = size.unwrap_or(limit.end.saturating_sub(offset));
        if !size.is_multiple_of(SIZE_ALIGN) {
            return Err(Error::align("size", size, SIZE_ALIGN));
        }
        if offset < limit.begin {
            let reason = "is before the first mapped byte";
            return Err(Error::value(Status::Range, "offset", offset, reason));
        }
        let end = u128::from(offset) + u128::from(size);
        match u64::try_from(end) {
            Ok(end) if end <= limit.end => Ok(ByteRange { begin: offset, end }),
            _ => Err(Error::beyond("offset + size", end, limit.end, of)),
        }
    }
}

/// A range of a mapping that a caller has open.
#[derive(Clone, Copy, Debug)]
struct OpenRange {
    number: u64,
    bytes: ByteRange,
    writable: bool,
}

/// The map state of one buffer.
#[derive(Debug)]
pub(crate) struct MapState {
    size: u64,
    usage: Usage,
    state: BufferState,
    /// Mode of the mapping, or of the pending request.
    mode: MapMode,
    /// Bytes of the mapping, or of the pending request.
    bytes: ByteRange,
    open: Vec<OpenRange>,
    /// The last number given. Requests and ranges have distinct numbers, so that a late completion is recognized.
    last_number: u64,
    /// Number of the mapping, or of the pending request.
    request: u64,
}

impl MapState {
    pub(crate) fn new(size: u64, usage: Usage) -> MapState {
        MapState {
            size,
            usage,
            state: BufferState::Uninitialized,
            mode: MapMode::Write,
            bytes: ByteRange::default(),
            open: Vec::new(),
            last_number: 0,
            request: 0,
        }
    }

    pub(crate) fn state(&self) -> BufferState {
        self.state
    }

    /// Bytes of the mapping, or of the pending request.
    pub(crate) fn bytes(&self) -> ByteRange {
        self.bytes
    }

    /// The buffer has memory, which is mapped as a whole or not at all.
    pub(crate) fn created(&mut self, mapped: bool) {
        debug_assert_eq!(self.state, BufferState::Uninitialized);
        self.state = if mapped { BufferState::Mapped } else { BufferState::Ready };
        self.bytes = ByteRange { begin: 0, end: if mapped { self.size } else { 0 } };
        if mapped {
            self.request = self.next_number();
        }
    }

    /// The number of the mapping, unique for this buffer, and its mode.
    pub(crate) fn mapping(&self) -> Option<(u64, MapMode)> {
        (self.state == BufferState::Mapped).then_some((self.request, self.mode))
    }

    /// Begins a map request and returns its number.
    pub(crate) fn request(&mut self, mode: MapMode, offset: u64, size: Option<u64>) -> Result<u64> {
        if self.state != BufferState::Ready {
            return Err(self.wrong_state());
        }
        let (needed, reason) = match mode {
            MapMode::Read => (Usage::MAP_READ, "mapping for reading requires the usage MAP_READ"),
            MapMode::Write => (Usage::MAP_WRITE, "mapping for writing requires the usage MAP_WRITE"),
        };
        if !self.usage.contains(needed) {
            return Err(Error::value(Status::Argument, "mode", mode as u32, reason));
        }
        let whole = ByteRange { begin: 0, end: self.size };
        self.bytes = ByteRange::within(whole, offset, size, "bytes of the buffer")?;
        self.state = BufferState::MapPending;
        self.mode = mode;
        self.request = self.next_number();
        Ok(self.request)
    }

    /// Whether this request is pending.
    pub(crate) fn is_pending(&self, request: u64) -> bool {
        self.state == BufferState::MapPending && self.request == request
    }

    /// The request succeeds; false if it is not pending any more.
    pub(crate) fn complete(&mut self, request: u64) -> bool {
        let pending = self.is_pending(request);
        if pending {
            self.state = BufferState::Mapped;
        }
        pending
    }

    /// The request fails or is cancelled; false if it is not pending any more.
    pub(crate) fn fail(&mut self, request: u64) -> bool {
        let pending = self.is_pending(request);
        if pending {
            self.state = BufferState::Ready;
        }
        pending
    }

    /// Ends the mapping or the pending request, if there is one.
    pub(crate) fn unmap(&mut self) {
        if matches!(self.state, BufferState::Mapped | BufferState::MapPending) {
            self.state = BufferState::Ready;
            self.open.clear();
        }
    }

    /// Destroys the buffer; false if it was destroyed before.
    pub(crate) fn destroy(&mut self) -> bool {
        let first = self.state != BufferState::Destroyed;
        self.unmap();
        self.state = BufferState::Destroyed;
        first
    }

    /// Opens a range of the mapped bytes: returns its bytes and its number.
    pub(crate) fn open_range(
        &mut self,
        offset: u64,
        size: Option<u64>,
        writable: bool,
    ) -> Result<(ByteRange, u64)> {
        if self.state != BufferState::Mapped {
            return Err(self.wrong_state());
        }
        if writable && self.mode == MapMode::Read {
            let reason = "the buffer is mapped for reading; a writable range requires MapMode::Write";
            return Err(Error::text(Status::Argument, reason));
        }
        let bytes = ByteRange::within(self.bytes, offset, size, "mapped bytes")?;
        let conflicts = |open: &&OpenRange| !open.bytes.is_disjoint(bytes) && (writable || open.writable);
        if let Some(open) = self.open.iter().find(conflicts) {
            let reason = "an open range begins here and overlaps this range, and one of them is writable";
            return Err(Error::value(Status::Busy, "offset", open.bytes.begin, reason));
        }
        let number = self.next_number();
        self.open.push(OpenRange { number, bytes, writable });
        Ok((bytes, number))
    }

    /// Whether a range is open.
    pub(crate) fn has_open_ranges(&self) -> bool {
        !self.open.is_empty()
    }

    pub(crate) fn close_range(&mut self, number: u64) {
        self.open.retain(|open| open.number != number);
    }

    /// Fails unless submitted work may use the buffer. `param` is the role of the buffer in the call.
    pub(crate) fn check_usable(&self, param: &'static str, label: &str) -> Result<()> {
        match self.state {
            BufferState::Ready => Ok(()),
            state => Err(Error::named(Status::State, param, label, describe(state))),
        }
    }

    fn wrong_state(&self) -> Error {
        let reason = match self.state {
            BufferState::Ready => "is not mapped; request a mapping, and wait for it",
            state => describe(state),
        };
        Error::param(Status::State, "the buffer", reason)
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

/// The state and its remedy.
fn describe(state: BufferState) -> &'static str {
    match state {
        BufferState::Uninitialized => "is uninitialized",
        BufferState::Ready => "is ready",
        BufferState::Mapped => "is mapped; unmap it first",
        BufferState::MapPending => "has a pending map request; wait for it or cancel it, then unmap",
        BufferState::Destroyed => "is destroyed",
    }
}
