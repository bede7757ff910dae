//! The rules of mapping, as plain data: WebGPU's, the same on every device.
//!
//! Nothing here knows of devices, threads or memory. Whoever holds a buffer's lock asks the machine first and does what it
//! says; what it refuses changes nothing.

use super::desc::BufferDesc;
use crate::device::driver::{MapMode, Usage};
use crate::error::{Error, Result, Status};

/// Where a buffer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum BufferState {
    /// It has no memory yet.
    Uninitialized = 0,
    /// The device may use it.
    Ready = 1,
    /// The host reads or writes its bytes.
    Mapped = 2,
    /// A map request has not been answered.
    MapPending = 3,
    /// Its memory has been given back.
    Destroyed = 4,
}

/// Offsets of mapped bytes are multiples of it.
pub(crate) const OFFSET_ALIGN: u64 = 8;
/// Sizes of mapped bytes, and offsets and sizes of copies.
pub(crate) const SIZE_ALIGN: u64 = 4;

/// Bytes `begin..end` of a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) begin: u64,
    pub(crate) end: u64,
}

impl Window {
    pub(crate) fn bytes(self) -> u64 {
        self.end - self.begin
    }

    /// Two windows are apart if one begins where the other has ended; an empty one inside of another is not.
    fn is_apart(self, other: Window) -> bool {
        self.begin >= other.end || other.begin >= self.end
    }
}

/// A mapped range that somebody has.
#[derive(Clone, Copy, Debug)]
struct Lent {
    number: u64,
    window: Window,
    writable: bool,
}

/// One buffer's state.
#[derive(Debug)]
pub(crate) struct Machine {
    size: u64,
    usage: Usage,
    state: BufferState,
    /// Of the mapping, or of the one that is asked for.
    mode: MapMode,
    window: Window,
    lent: Vec<Lent>,
    /// Requests and ranges are numbered, so that a late answer is told from one for now.
    numbers: u64,
    request: u64,
}

impl Machine {
    pub(crate) fn new(desc: &BufferDesc<'_>) -> Machine {
        Machine {
            size: desc.size,
            usage: desc.usage,
            state: BufferState::Uninitialized,
            mode: MapMode::Write,
            window: Window::default(),
            lent: Vec::new(),
            numbers: 0,
            request: 0,
        }
    }

    pub(crate) fn state(&self) -> BufferState {
        self.state
    }

    /// What is mapped.
    pub(crate) fn window(&self) -> Window {
        self.window
    }

    /// The memory is there, mapped as a whole or not.
    pub(crate) fn created(&mut self, mapped: bool) {
        debug_assert_eq!(self.state, BufferState::Uninitialized);
        self.state = if mapped { BufferState::Mapped } else { BufferState::Ready };
        self.window = Window { begin: 0, end: if mapped { self.size } else { 0 } };
        if mapped {
            self.numbers += 1;
            self.request = self.numbers;
        }
    }

    /// The number of the mapping that is there, which no other of this buffer has, and what it is for.
    pub(crate) fn mapping(&self) -> Option<(u64, MapMode)> {
        (self.state == BufferState::Mapped).then_some((self.request, self.mode))
    }

    /// A map request, of the rest of the buffer where no size is given; its number.
    pub(crate) fn request(&mut self, mode: MapMode, offset: u64, size: Option<u64>) -> Result<u64> {
        if self.state != BufferState::Ready {
            return Err(self.refused());
        }
        let (needed, why) = match mode {
            MapMode::Read => (Usage::MAP_READ, "a buffer is mapped for reading if its usage has MAP_READ"),
            MapMode::Write => (Usage::MAP_WRITE, "a buffer is mapped for writing if its usage has MAP_WRITE"),
        };
        if !self.usage.contains(needed) {
            return Err(Error::value(Status::Argument, "mode", mode as u32, why));
        }
        self.window = window(offset, size, Window { begin: 0, end: self.size }, "bytes of the buffer")?;
        self.state = BufferState::MapPending;
        self.mode = mode;
        self.numbers += 1;
        self.request = self.numbers;
        Ok(self.request)
    }

    /// Whether that request is still to be answered.
    pub(crate) fn is_pending(&self, request: u64) -> bool {
        self.state == BufferState::MapPending && self.request == request
    }

    /// The request has come true; false if it is not to be answered any more.
    pub(crate) fn mapped(&mut self, request: u64) -> bool {
        let pending = self.is_pending(request);
        if pending {
            self.state = BufferState::Mapped;
        }
        pending
    }

    /// The request comes to nothing; false as above.
    pub(crate) fn not_mapped(&mut self, request: u64) -> bool {
        let pending = self.is_pending(request);
        if pending {
            self.state = BufferState::Ready;
        }
        pending
    }

    /// Ends a mapping or a request.
    pub(crate) fn unmap(&mut self) {
        if matches!(self.state, BufferState::Mapped | BufferState::MapPending) {
            self.state = BufferState::Ready;
            self.lent.clear();
        }
    }

    /// Ends all; false the second time.
    pub(crate) fn destroy(&mut self) -> bool {
        let first = self.state != BufferState::Destroyed;
        self.unmap();
        self.state = BufferState::Destroyed;
        first
    }

    /// Lends a range of the mapped bytes, and says where it begins in them, and its number.
    pub(crate) fn lend(&mut self, offset: u64, size: Option<u64>, writable: bool) -> Result<(Window, u64)> {
        if self.state != BufferState::Mapped {
            return Err(self.refused());
        }
        if writable && self.mode == MapMode::Read {
            let why = "the buffer is mapped for reading; a writable range needs MapMode::Write";
            return Err(Error::text(Status::Argument, why));
        }
        let window = window(offset, size, self.window, "bytes that are mapped")?;
        let meets = |lent: &&Lent| !lent.window.is_apart(window) && (writable || lent.writable);
        if let Some(lent) = self.lent.iter().find(meets) {
            let why = "the range overlaps another one, and one of the two is writable; this is where that one begins";
            return Err(Error::value(Status::Busy, "offset", lent.window.begin, why));
        }
        self.lent.try_reserve(1)?;
        self.numbers += 1;
        self.lent.push(Lent { number: self.numbers, window, writable });
        Ok((window, self.numbers))
    }

    /// Whether somebody has a range of it.
    pub(crate) fn is_lent(&self) -> bool {
        !self.lent.is_empty()
    }

    /// A range has come back.
    pub(crate) fn give_back(&mut self, number: u64) {
        self.lent.retain(|lent| lent.number != number);
    }

    /// An error unless the device may use it: `name` is the buffer's part, `label` its own.
    pub(crate) fn usable(&self, name: &'static str, label: &str) -> Result<()> {
        match self.state {
            BufferState::Ready => Ok(()),
            state => Err(Error::named(Status::State, name, label, why_not(state))),
        }
    }

    fn refused(&self) -> Error {
        let why = match self.state {
            BufferState::Ready => "is not mapped; ask for a mapping, and wait for it",
            state => why_not(state),
        };
        Error::param(Status::State, "the buffer", why)
    }
}

/// Why a buffer that is not ready cannot be used.
fn why_not(state: BufferState) -> &'static str {
    match state {
        BufferState::Uninitialized => "is uninitialized",
        BufferState::Ready => "is ready",
        BufferState::Mapped => "is mapped; unmap it first",
        BufferState::MapPending => "has a map pending; wait for it, or cancel it, and unmap first",
        BufferState::Destroyed => "is destroyed",
    }
}

/// The window at `offset` inside of `limit`, if the rules allow it.
fn window(offset: u64, size: Option<u64>, limit: Window, of: &'static str) -> Result<Window> {
    if !offset.is_multiple_of(OFFSET_ALIGN) {
        return Err(Error::align("offset", offset, OFFSET_ALIGN));
    }
    let size = size.unwrap_or(limit.end.saturating_sub(offset));
    if !size.is_multiple_of(SIZE_ALIGN) {
        return Err(Error::align("size", size, SIZE_ALIGN));
    }
    if offset < limit.begin {
        let why = "lies before the bytes that are mapped";
        return Err(Error::value(Status::Range, "offset", offset, why));
    }
    let end = u128::from(offset) + u128::from(size);
    match u64::try_from(end) {
        Ok(end) if end <= limit.end => Ok(Window { begin: offset, end }),
        _ => Err(Error::beyond("offset + size", end, limit.end, of)),
    }
}
