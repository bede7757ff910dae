//! The receiving end of a ring, which the Rust and the C API share. The rules for threads are those of [`tx`](crate::spsc::tx).
//!
//! In a ring that overwrites its oldest records the receiver holds `head` while it copies one piece or lends a span, so what it reads
//! does not change. Between two pieces records may be overwritten. The model checker compiles this file.

use std::os::fd::RawFd;
use std::task::Waker;

use crate::alloc::Arc;
use crate::error::{Error, Result, Status};
use crate::spsc::backoff::Backoff;
use crate::spsc::copy::{PIECE, SHORT, copy};
use crate::spsc::flow::{
    Flow, Moved, OpenSpan, ThreadCheck, bytes_to_await, check_min, check_whole, is_lent, piece_of_records,
    records_in, span_is_open,
};
use crate::spsc::indices::ConsumerIndex;
use crate::spsc::ring::Ring;
use crate::spsc::statistics::{EndCounters, EndStatistics};
use crate::sync::atomic::{AtomicBool, Ordering::*};
use crate::sys::clock::{Deadline, Timeout};

/// The receiving end. Written by its own thread, on cache lines that the other end never touches.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Rx {
    pub(super) consumer: ConsumerIndex,
    backoff: Backoff,
    pub(super) span: OpenSpan,
    pub(super) closed: AtomicBool,
    pub(super) check: ThreadCheck,
    /// Checked, or overwriting: the short path is not taken.
    slow_only: bool,
    /// The ring's memory, and the mask that makes an offset of an index.
    data: *mut u8,
    mask: u64,
    first: u64,
    pub(super) counters: EndCounters,
    pub(super) ring: Arc<Ring>,
}

// SAFETY: atomics, and memory that the indices hand over.
unsafe impl Send for Rx {}
// SAFETY: as above. That one thread at a time copies is the contract of the calls.
unsafe impl Sync for Rx {}

impl Rx {
    /// The end of a side that has none: in a new ring, or after [`WaitSide::reopen`](crate::spsc::wait_side::WaitSide::reopen).
    pub(crate) fn new(ring: Arc<Ring>) -> Rx {
        let consumer = ConsumerIndex::new(&ring.indices);
        Rx {
            backoff: Backoff::default(),
            span: OpenSpan::new(),
            closed: AtomicBool::new(false),
            check: ThreadCheck::new(ring.checked),
            slow_only: ring.checked || ring.record != 0,
            data: ring.memory.data().as_ptr(),
            mask: ring.memory.period() as u64 - 1,
            first: consumer.next(),
            counters: EndCounters::new(),
            consumer,
            ring,
        }
    }

    /// A new receiving end after the old one was destroyed.
    pub(crate) fn attach(ring: &Arc<Ring>) -> Result<Rx> {
        if ring.receiver.reopen() {
            Ok(Rx::new(ring.clone()))
        } else {
            Err(Error::text(Status::Busy, "the ring still has a receiver; destroy it first"))
        }
    }

    pub(crate) fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// Receives what is available, at most `wanted` bytes.
    ///
    /// # Safety
    ///
    /// `to` has room for `wanted` bytes.
    #[inline(always)]
    pub(crate) unsafe fn recv(&self, to: *mut u8, wanted: u64) -> Result<Moved> {
        // The plain path: a short chunk that is known to be available, with no read of the other index and no call. When threads misuse
        // an end the cached index may be wrong, but so short a chunk stays within the mapping.
        let obstacles = self.span.bits() | u64::from(self.closed.load(Relaxed)) | u64::from(self.slow_only);
        if obstacles == 0 && wanted.wrapping_sub(1) < SHORT && wanted <= self.consumer.available_unchecked() {
            // SAFETY: what is available is the receiver's, contiguous from here on; the caller's promise for `to`.
            unsafe { copy(self.read_ptr(), to, wanted as usize) };
            self.counters.operations.add(1);
            self.give_back(wanted);
            return Ok(Moved::done(wanted));
        }
        // SAFETY: the caller's promise.
        unsafe { self.recv_slow(to, wanted) }
    }

    #[inline(never)]
    unsafe fn recv_slow(&self, to: *mut u8, wanted: u64) -> Result<Moved> {
        if self.slow_only {
            // SAFETY: the caller's promise.
            return unsafe { self.recv_checked(to, wanted) };
        }
        self.check_no_span()?;
        if self.closed.load(Relaxed) {
            return Ok(Moved::none(Flow::Closed));
        }
        // SAFETY: the caller's promise.
        Ok(unsafe { self.read(to, wanted) })
    }

    /// A receive in the checked mode, or of records.
    #[inline(never)]
    unsafe fn recv_checked(&self, to: *mut u8, wanted: u64) -> Result<Moved> {
        let _inside = self.check.enter()?;
        self.check_no_span()?;
        if wanted < self.ring.record {
            check_whole(wanted, self.ring.record)?;
        }
        if self.closed.load(Relaxed) {
            return Ok(Moved::none(Flow::Closed));
        }
        // SAFETY: the caller's promise.
        Ok(unsafe { self.read_any(to, wanted) })
    }

    /// Receives all of it, waiting for the rest.
    ///
    /// # Safety
    ///
    /// `to` has room for `wanted` bytes.
    pub(crate) unsafe fn recv_all(&self, to: *mut u8, wanted: u64, timeout: Timeout) -> Result<Moved> {
        let _inside = self.check.enter()?;
        self.check_no_span()?;
        check_whole(wanted, self.ring.record)?;
        let deadline = Deadline::after(timeout);
        let mut bytes = 0;
        while bytes < wanted {
            let flow = match self.closed.load(Relaxed) {
                true => Flow::Closed,
                false => self.wait_for(1, deadline)?,
            };
            if flow != Flow::Done {
                return Ok(Moved { bytes, flow });
            }
            // SAFETY: the caller's promise.
            bytes += unsafe { self.read_any(to.add(bytes as usize), wanted - bytes) }.bytes;
        }
        Ok(Moved::done(bytes))
    }

    /// Opens a span: all that is available, at least `min` bytes.
    pub(crate) fn peek(&self, min: u64) -> Result<std::result::Result<(*const u8, u64), Flow>> {
        let _inside = self.check.enter()?;
        self.check_no_span()?;
        if self.closed.load(Relaxed) {
            return Ok(Err(Flow::Closed));
        }
        let available = self.available(min)?;
        if let Ok((_, bytes)) = available {
            self.span.open(bytes);
        }
        Ok(available)
    }

    /// Ends the span and gives its first `bytes` back.
    pub(crate) fn consume(&self, bytes: u64) -> Result<Flow> {
        let _inside = self.check.enter()?;
        self.check_not_lent()?;
        self.span.check(bytes, "no span is peeked", "more than was peeked")?;
        check_whole(bytes, self.ring.record)?;
        self.span.end();
        if self.closed.load(Relaxed) {
            return Ok(Flow::Closed);
        }
        self.give_back_read(bytes);
        Ok(Flow::Done)
    }

    /// All that is available, at least `min` bytes. Opens no span; the bytes stay until [`Rx::give_back_read`].
    pub(crate) fn available(&self, min: u64) -> Result<std::result::Result<(*const u8, u64), Flow>> {
        let mut available = self.count_available(min)?;
        if self.ring.record != 0
            && let Ok(bytes) = &mut available
        {
            // No fewer than were counted: dropped records are followed by as many.
            *bytes = self.hold();
        }
        Ok(available.map(|bytes| (self.read_ptr(), bytes)))
    }

    /// How many bytes are available, at least `min`.
    pub(crate) fn count_available(&self, min: u64) -> Result<std::result::Result<u64, Flow>> {
        check_min(min, self.ring.capacity())?;
        // Read before the index: the sender closes after its last bytes.
        let ended = self.ring.sender.is_closed();
        let available = if self.ring.record == 0 { self.refresh() } else { self.fresh_available() };
        if available >= min.max(1) {
            return Ok(Ok(available));
        }
        if ended {
            return Ok(Err(Flow::Closed));
        }
        self.counters.misses.add(1);
        Ok(Err(Flow::Empty))
    }

    /// Gives the next `bytes` back, which the caller has read.
    pub(crate) fn give_back_read(&self, bytes: u64) {
        match self.ring.record {
            0 => self.give_back(bytes),
            _ => self.release_hold(bytes),
        }
        if bytes > 0 {
            self.counters.operations.add(1);
        }
    }

    /// Waits until `bytes` are available, or all that the ring holds.
    pub(crate) fn wait_readable(&self, bytes: u64, timeout: Timeout) -> Result<Flow> {
        let _inside = self.check.enter()?;
        self.check_not_lent()?;
        self.wait_for(bytes, Deadline::after(timeout))
    }

    pub(crate) fn wait_for(&self, bytes: u64, deadline: Deadline) -> Result<Flow> {
        let (tail, ready) = self.awaited(bytes);
        self.ring.receiver.wait(tail, deadline, &self.counters, ready)
    }

    /// Makes the descriptor readable when `bytes` are available. [`Flow::Empty`]: it is armed. Else the condition holds now.
    pub(crate) fn arm(&self, bytes: u64) -> Result<Flow> {
        let _inside = self.check.enter()?;
        self.check_not_lent()?;
        let (tail, ready) = self.awaited(bytes);
        Ok(self.ring.receiver.arm(tail, ready)?.unwrap_or(Flow::Empty))
    }

    /// The waker is called when `bytes` are available. None: it will be. Else the condition holds now.
    pub(crate) fn poll(&self, bytes: u64, waker: &Waker) -> Result<Option<Flow>> {
        let _inside = self.check.enter()?;
        self.check_not_lent()?;
        let (tail, ready) = self.awaited(bytes);
        Ok(ready().or_else(|| self.ring.receiver.set_waker(tail, waker, ready)))
    }

    /// The `tail` at which `bytes` are available, or all that the ring holds, and the check of that.
    fn awaited(&self, bytes: u64) -> (u64, impl Fn() -> Option<Flow>) {
        let bytes = bytes_to_await(bytes, self.ring.capacity(), self.ring.record);
        (self.consumer.next().wrapping_add(bytes), move || {
            if self.is_closed() {
                return Some(Flow::Closed);
            }
            if self.ring.receiver.is_awaited() {
                self.ring.indices.pull_tail(&self.ring.writer);
            }
            let ended = self.ring.sender.is_closed();
            match self.fresh_available() >= bytes {
                true => Some(Flow::Done),
                false => ended.then_some(Flow::Closed),
            }
        })
    }

    fn fresh_available(&self) -> u64 {
        match self.ring.record {
            0 => self.consumer.fresh_available(&self.ring.indices),
            _ => self.consumer.fresh_available_overwriting(&self.ring.indices),
        }
    }

    pub(crate) fn fd(&self) -> Result<RawFd> {
        self.ring.receiver.fd()
    }

    /// Closes the end. Legal from any thread, also while the end's own thread waits.
    pub(crate) fn close(&self) {
        if self.closed.swap(true, AcqRel) {
            return;
        }
        self.ring.indices.pull_head(&self.ring.reader);
        self.ring.receiver.close();
        self.ring.sender.wake_all();
        self.ring.receiver.wake_all();
    }

    /// Refuses a call while the end is lent. After the loan the end resumes.
    pub(crate) fn check_not_lent(&self) -> Result<()> {
        if !self.span.is_lent() {
            return Ok(());
        }
        if self.ring.receiver.is_lent() {
            return Err(is_lent());
        }
        self.consumer.resume(&self.ring.indices);
        self.span.end();
        Ok(())
    }

    pub(crate) fn statistics(&self) -> EndStatistics {
        let skipped = self.counters.overwritten.get();
        let next = if self.span.is_lent() { self.ring.indices.received() } else { self.consumer.next() };
        let bytes = next.wrapping_sub(self.first).wrapping_sub(skipped);
        let lost = match self.ring.record {
            0 => 0,
            _ => records_in(skipped + self.consumer.overwritten(&self.ring.indices), self.ring.record),
        };
        self.counters.read(self.ring.capacity(), bytes, lost)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    #[inline(always)]
    pub(super) fn check_no_span(&self) -> Result<()> {
        if self.span.bits() == 0 { Ok(()) } else { self.check_no_span_slow() }
    }

    #[cold]
    #[inline(never)]
    fn check_no_span_slow(&self) -> Result<()> {
        self.check_not_lent()?;
        if self.span.is_open() { Err(span_is_open()) } else { Ok(()) }
    }

    /// # Safety
    ///
    /// `to` has room for `wanted` bytes.
    pub(crate) unsafe fn read_any(&self, to: *mut u8, wanted: u64) -> Moved {
        // SAFETY: the caller's promise.
        unsafe {
            match self.ring.record {
                0 => self.read(to, wanted),
                _ => self.read_records(to, wanted),
            }
        }
    }

    /// # Safety
    ///
    /// `to` has room for `wanted` bytes.
    #[inline(always)]
    unsafe fn read(&self, to: *mut u8, wanted: u64) -> Moved {
        // SAFETY: the caller's promise.
        let bytes = unsafe {
            match wanted <= PIECE {
                true => self.read_piece(to, wanted),
                false => self.read_pieces(to, wanted),
            }
        };
        if bytes > 0 {
            self.counters.operations.add(1);
        } else if wanted > 0 {
            // SAFETY: as above.
            return unsafe { self.empty(to, wanted) };
        }
        Moved::done(bytes)
    }

    /// # Safety
    ///
    /// As [`Rx::read`].
    #[cold]
    unsafe fn empty(&self, to: *mut u8, wanted: u64) -> Moved {
        if self.ring.sender.is_closed() {
            // The sender closes after its last bytes: the index is read once more.
            return match self.refresh() {
                0 => Moved::none(Flow::Closed),
                // SAFETY: the caller's promise.
                _ => unsafe { self.read(to, wanted) },
            };
        }
        self.counters.misses.add(1);
        Moved::none(Flow::Empty)
    }

    #[inline(never)]
    unsafe fn read_pieces(&self, to: *mut u8, wanted: u64) -> u64 {
        let mut got = 0;
        while got < wanted {
            let piece = PIECE.min(wanted - got);
            // SAFETY: the caller's promise: `got` bytes are filled.
            let read = unsafe { self.read_piece(to.add(got as usize), piece) };
            got += read;
            if read < piece {
                break;
            }
        }
        got
    }

    #[inline(always)]
    unsafe fn read_piece(&self, to: *mut u8, wanted: u64) -> u64 {
        let mut available = self.consumer.available(&self.ring.indices);
        if available < wanted {
            available = self.refresh_with_backoff(available);
        }
        let bytes = wanted.min(available);
        // SAFETY: what is available is the receiver's, contiguous from here on; the caller's promise for `to`.
        unsafe { copy(self.read_ptr(), to, bytes as usize) };
        if bytes > 0 {
            self.give_back(bytes);
        }
        bytes
    }

    /// Reads whole records.
    ///
    /// # Safety
    ///
    /// `to` has room for `wanted` bytes.
    unsafe fn read_records(&self, to: *mut u8, wanted: u64) -> Moved {
        let (record, mut got) = (self.ring.record, 0);
        // Read before the index: the sender closes after its last records.
        let ended = self.ring.sender.is_closed();
        while wanted - got >= record && self.fresh_available() > 0 {
            let most = piece_of_records(record).min(wanted - got);
            let most = most - most % record;
            let bytes = self.hold().min(most);
            // SAFETY: held, so it does not change, contiguous from here on; the caller's promise for `to`.
            unsafe { copy(self.read_ptr(), to.add(got as usize), bytes as usize) };
            self.release_hold(bytes);
            got += bytes;
            if bytes < most {
                break;
            }
        }
        if got > 0 {
            self.counters.operations.add(1);
        } else if ended && wanted > 0 {
            return Moved::none(Flow::Closed);
        } else if wanted > 0 {
            self.counters.misses.add(1);
            return Moved::none(Flow::Empty);
        }
        Moved::done(got)
    }

    /// Keeps the sender from overwriting until [`Rx::release_hold`]: the bytes that are available.
    fn hold(&self) -> u64 {
        let (available, overwritten) = self.consumer.hold(&self.ring.indices);
        self.counters.overwritten.add(overwritten);
        self.counters.saw(available);
        available
    }

    /// Gives the next `bytes` back and lets the sender overwrite again.
    fn release_hold(&self, bytes: u64) {
        let head = self.consumer.release(&self.ring.indices, bytes);
        if self.ring.sender.signal(head) {
            self.counters.wakes.add(1);
        }
    }

    #[inline(always)]
    pub(super) fn refresh(&self) -> u64 {
        let available = self.consumer.refresh(&self.ring.indices);
        self.counters.saw(available);
        available
    }

    #[inline(always)]
    pub(super) fn refresh_with_backoff(&self, before: u64) -> u64 {
        if !self.ring.backoff {
            return self.refresh();
        }
        self.backoff.before_refresh();
        let available = self.refresh();
        self.backoff.after_refresh(available.wrapping_sub(before));
        available
    }

    #[inline(always)]
    pub(crate) fn read_ptr(&self) -> *const u8 {
        // SAFETY: within the first period of the mapping.
        unsafe { self.data.add((self.consumer.next() & self.mask) as usize) }
    }

    #[inline(always)]
    fn give_back(&self, bytes: u64) {
        let head = self.consumer.advance(&self.ring.indices, bytes);
        if self.ring.sender.signal(head) {
            self.counters.wakes.add(1);
        }
    }
}

impl Drop for Rx {
    fn drop(&mut self) {
        self.close();
        // While a span is open its memory is in use, and no new end can be attached.
        if !self.span.is_open() {
            self.ring.receiver.mark_destroyed();
        }
    }
}
