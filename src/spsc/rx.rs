//! The receiving end, as both Rust and C use it. What `tx` says of threads holds here, too.

use std::os::fd::RawFd;

use super::end::check_claim;
use super::end::{Busy, check_min};
use super::indices::Consumer;
use super::overwrite::{check_whole, records_in, waited_for};
use super::pace::Pace;
use super::ring::Ring;
use super::statistics::{Counters, EndStatistics};
use super::{Flow, Moved, PIECE, copy};
use crate::alloc::Arc;
use crate::error::{Error, Result, Status};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use crate::sys::clock::Deadline;
use crate::sys::clock::Timeout;

/// Written by its own thread, on lines that the other end never touches.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Rx {
    pub(super) consumer: Consumer,
    pace: Pace,
    /// What a span holds that is peeked and not consumed, plus one; 0 for none.
    claim: AtomicU64,
    closed: AtomicBool,
    busy: Busy,
    /// Checked, or overwriting: no short way leads past that.
    special: bool,
    /// The ring's memory, and the mask that an index becomes an offset by.
    data: *mut u8,
    mask: u64,
    first: u64,
    pub(super) counters: Counters,
    pub(super) ring: Arc<Ring>,
}

// SAFETY: atomics, and memory that the indices hand over.
unsafe impl Send for Rx {}
// SAFETY: as above. Two threads that misuse an end may read the same bytes of the ring: `copy` does so by atomic accesses.
unsafe impl Sync for Rx {}

impl Rx {
    /// The end of a place that is free: a new ring's, or one that [`super::side::Side::enter`] has taken.
    pub(crate) fn new(ring: Arc<Ring>) -> Rx {
        let consumer = Consumer::new(&ring.indices);
        Rx {
            pace: Pace::default(),
            claim: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            busy: Busy::new(ring.checked),
            special: ring.checked || ring.record != 0,
            data: ring.memory.data().as_ptr(),
            mask: ring.memory.period() as u64 - 1,
            first: consumer.next(),
            counters: Counters::new(),
            consumer,
            ring,
        }
    }

    /// A new end where the old one was destroyed.
    pub(crate) fn attach(ring: &Arc<Ring>) -> Result<Rx> {
        if ring.receiver.side.enter() {
            Ok(Rx::new(ring.clone()))
        } else {
            Err(Error::text(Status::Busy, "the old receiver lives; destroy it first"))
        }
    }

    pub(crate) fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// Receives what is there, at most `wanted` bytes.
    ///
    /// # Safety
    ///
    /// `to` has room for `wanted` bytes.
    #[inline(always)]
    pub(crate) unsafe fn recv(&self, to: *mut u8, wanted: u64) -> Result<Moved> {
        // A short chunk that is known to be there, with nothing in the way: no look at the other side, no call. Where threads
        // misuse an end, what is known may be wrong: so short a chunk stays within the mapping all the same.
        let hurdles =
            self.claim.load(Relaxed) | u64::from(self.closed.load(Relaxed)) | u64::from(self.special);
        if hurdles == 0 && wanted.wrapping_sub(1) < copy::SHORT && wanted <= self.consumer.there_unchecked() {
            // SAFETY: what is there is the receiver's, contiguous from here on; the caller's promise for `to`.
            unsafe { copy::copy(self.place(), to, wanted as usize) };
            self.counters.operations.add(1);
            self.release(wanted);
            return Ok(Moved { bytes: wanted, flow: Flow::Done });
        }
        // SAFETY: the caller's promise.
        unsafe { self.recv_any(to, wanted) }
    }

    #[inline(never)]
    unsafe fn recv_any(&self, to: *mut u8, wanted: u64) -> Result<Moved> {
        if self.special {
            // SAFETY: the caller's promise.
            return unsafe { self.recv_special(to, wanted) };
        }
        self.check_open()?;
        if self.closed.load(Relaxed) {
            return Ok(Moved { bytes: 0, flow: Flow::Closed });
        }
        // SAFETY: the caller's promise.
        Ok(unsafe { self.take(to, wanted) })
    }

    /// Where the mode is checked or the ring has records.
    #[inline(never)]
    unsafe fn recv_special(&self, to: *mut u8, wanted: u64) -> Result<Moved> {
        let _inside = self.busy.enter()?;
        self.check_open()?;
        if wanted < self.ring.record {
            check_whole(wanted, self.ring.record)?;
        }
        if self.closed.load(Relaxed) {
            return Ok(Moved { bytes: 0, flow: Flow::Closed });
        }
        // SAFETY: the caller's promise.
        Ok(unsafe { self.take_any(to, wanted) })
    }

    /// Receives all of it, waiting for the rest.
    ///
    /// # Safety
    ///
    /// `to` has room for `wanted` bytes.
    pub(crate) unsafe fn recv_all(&self, to: *mut u8, wanted: u64, timeout: Timeout) -> Result<Moved> {
        let _inside = self.busy.enter()?;
        self.check_open()?;
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
            bytes += unsafe { self.take_any(to.add(bytes as usize), wanted - bytes) }.bytes;
        }
        Ok(Moved { bytes, flow: Flow::Done })
    }

    /// All that is there, at least `min` bytes.
    pub(crate) fn peek(&self, min: u64) -> Result<std::result::Result<(*const u8, u64), Flow>> {
        let _inside = self.busy.enter()?;
        if self.claim.load(Relaxed) != 0 {
            return Err(open_claim());
        }
        if self.closed.load(Relaxed) {
            return Ok(Err(Flow::Closed));
        }
        let span = self.there(min)?;
        if let Ok((_, bytes)) = span {
            self.claim.store(bytes + 1, Release);
        }
        Ok(span)
    }

    /// Gives the first `bytes` of the span back and ends the claim.
    pub(crate) fn consume(&self, bytes: u64) -> Result<Flow> {
        let _inside = self.busy.enter()?;
        check_claim(&self.claim, bytes, "no span is peeked", "more than was peeked")?;
        check_whole(bytes, self.ring.record)?;
        self.claim.store(0, Release);
        if self.closed.load(Relaxed) {
            return Ok(Flow::Closed);
        }
        self.free(bytes);
        Ok(Flow::Done)
    }

    /// What is there, at least `min` bytes, without a claim. It stays until it is given back, by [`Rx::free`].
    pub(super) fn there(&self, min: u64) -> Result<std::result::Result<(*const u8, u64), Flow>> {
        let mut there = self.amount(min)?;
        if self.ring.record != 0
            && let Ok(bytes) = &mut there
        {
            // No fewer than were seen: they are this end's to take, and what is dropped is followed by as much.
            *bytes = self.hold();
        }
        Ok(there.map(|bytes| (self.place(), bytes)))
    }

    /// How much is there, at least `min` bytes.
    pub(super) fn amount(&self, min: u64) -> Result<std::result::Result<u64, Flow>> {
        check_min(min, self.ring.capacity())?;
        // Asked before the look: the sender closes after its last bytes.
        let ended = self.ring.sender.side.is_closed();
        let there = if self.ring.record == 0 { self.look() } else { self.glance() };
        if there >= min.max(1) {
            return Ok(Ok(there));
        }
        if ended {
            return Ok(Err(Flow::Closed));
        }
        self.counters.misses.add(1);
        Ok(Err(Flow::Empty))
    }

    /// Gives the next `bytes` back.
    pub(super) fn free(&self, bytes: u64) {
        match self.ring.record {
            0 => self.release(bytes),
            _ => self.let_go(bytes),
        }
        if bytes > 0 {
            self.counters.operations.add(1);
        }
    }

    /// Waits until `bytes` are there, or all that the ring holds.
    pub(crate) fn wait_readable(&self, bytes: u64, timeout: Timeout) -> Result<Flow> {
        let _inside = self.busy.enter()?;
        self.wait_for(bytes, Deadline::after(timeout))
    }

    pub(super) fn wait_for(&self, bytes: u64, deadline: Deadline) -> Result<Flow> {
        let bytes = waited_for(bytes, &self.ring);
        let ready = || self.readable(bytes);
        self.ring.receiver.wait(self.needed(bytes), deadline, &self.counters, ready)
    }

    /// Has the descriptor told when `bytes` are there. Empty: it will be.
    pub(crate) fn arm(&self, bytes: u64) -> Result<Flow> {
        let _inside = self.busy.enter()?;
        let bytes = waited_for(bytes, &self.ring);
        let flow = self.ring.receiver.arm(self.needed(bytes), || self.readable(bytes))?;
        Ok(flow.unwrap_or(Flow::Empty))
    }

    /// The index that the sender comes to when `bytes` are there.
    fn needed(&self, bytes: u64) -> u64 {
        self.consumer.next().wrapping_add(bytes)
    }

    fn readable(&self, bytes: u64) -> Option<Flow> {
        if self.closed.load(Acquire) {
            return Some(Flow::Closed);
        }
        let ended = self.ring.sender.side.is_closed();
        match self.glance() >= bytes {
            true => Some(Flow::Done),
            false => ended.then_some(Flow::Closed),
        }
    }

    pub(super) fn glance(&self) -> u64 {
        match self.ring.record {
            0 => self.consumer.glance(&self.ring.indices),
            _ => self.consumer.glance_overwriting(&self.ring.indices),
        }
    }

    pub(crate) fn fd(&self) -> Result<RawFd> {
        self.ring.receiver.fd()
    }

    /// Receives no more. From any thread, also while the end's own waits.
    pub(crate) fn close(&self) {
        if self.closed.swap(true, AcqRel) {
            return;
        }
        self.ring.receiver.side.close();
        self.ring.sender.rouse();
        self.ring.receiver.rouse();
    }

    /// Whether the end can become a stream: nothing of it is in use.
    pub(crate) fn check_idle(&self) -> Result<()> {
        let _inside = self.busy.enter()?;
        self.check_open()?;
        match self.ring.receiver.side.claim() {
            Some(_) => Ok(()),
            None => Err(Error::text(Status::Busy, "a thread waits on the receiver")),
        }
    }

    /// Whether a span is open.
    pub(crate) fn has_claim(&self) -> bool {
        self.claim.load(Acquire) != 0
    }

    /// What the span needs that is still open when the end is destroyed.
    pub(crate) fn open_claim(&self) -> Option<super::ring::Claim> {
        self.has_claim().then(|| super::ring::Claim { ring: self.ring.clone(), place: |ring| &ring.receiver })
    }

    pub(crate) fn statistics(&self) -> EndStatistics {
        let skipped = self.counters.overwritten.get();
        let bytes = self.consumer.next().wrapping_sub(self.first).wrapping_sub(skipped);
        let lost = match self.ring.record {
            0 => 0,
            _ => records_in(skipped + self.consumer.overwritten(&self.ring.indices), self.ring.record),
        };
        self.counters.read(self.ring.capacity(), bytes, lost)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    #[inline(always)]
    pub(super) fn check_open(&self) -> Result<()> {
        if self.claim.load(Relaxed) == 0 { Ok(()) } else { Err(open_claim()) }
    }

    /// # Safety
    ///
    /// `to` has room for `wanted` bytes.
    pub(super) unsafe fn take_any(&self, to: *mut u8, wanted: u64) -> Moved {
        // SAFETY: the caller's promise.
        unsafe {
            match self.ring.record {
                0 => self.take(to, wanted),
                _ => self.take_records(to, wanted),
            }
        }
    }

    /// # Safety
    ///
    /// `to` has room for `wanted` bytes.
    #[inline(always)]
    unsafe fn take(&self, to: *mut u8, wanted: u64) -> Moved {
        // SAFETY: the caller's promise.
        let bytes = unsafe {
            match wanted <= PIECE {
                true => self.take_piece(to, wanted),
                false => self.take_pieces(to, wanted),
            }
        };
        if bytes > 0 {
            self.counters.operations.add(1);
        } else if wanted > 0 {
            // SAFETY: as above.
            return unsafe { self.empty(to, wanted) };
        }
        Moved { bytes, flow: Flow::Done }
    }

    /// # Safety
    ///
    /// As [`Rx::take`].
    #[cold]
    unsafe fn empty(&self, to: *mut u8, wanted: u64) -> Moved {
        if self.ring.sender.side.is_closed() {
            // The sender closes after its last bytes: they are looked for once more.
            return match self.look() {
                0 => Moved { bytes: 0, flow: Flow::Closed },
                // SAFETY: the caller's promise.
                _ => unsafe { self.take(to, wanted) },
            };
        }
        self.counters.misses.add(1);
        Moved { bytes: 0, flow: Flow::Empty }
    }

    #[inline(never)]
    unsafe fn take_pieces(&self, to: *mut u8, wanted: u64) -> u64 {
        let mut got = 0;
        while got < wanted {
            let piece = PIECE.min(wanted - got);
            // SAFETY: the caller's promise: `got` bytes lie behind.
            let now = unsafe { self.take_piece(to.add(got as usize), piece) };
            got += now;
            if now < piece {
                break;
            }
        }
        got
    }

    #[inline(always)]
    unsafe fn take_piece(&self, to: *mut u8, wanted: u64) -> u64 {
        let mut there = self.consumer.there(&self.ring.indices);
        if there < wanted {
            there = self.look_paced(there);
        }
        let bytes = wanted.min(there);
        // SAFETY: what is there is the receiver's, contiguous from here on; the caller's promise for `to`.
        unsafe { copy::copy(self.place(), to, bytes as usize) };
        if bytes > 0 {
            self.release(bytes);
        }
        bytes
    }

    /// How much is there, after a look at the sender's index.
    #[inline(always)]
    fn look(&self) -> u64 {
        let there = self.consumer.look(&self.ring.indices);
        self.counters.saw(there);
        there
    }

    #[inline(always)]
    fn look_paced(&self, before: u64) -> u64 {
        if !self.ring.backoff {
            return self.look();
        }
        self.pace.before();
        let there = self.look();
        self.pace.after(there.wrapping_sub(before));
        there
    }

    #[inline(always)]
    pub(super) fn place(&self) -> *const u8 {
        // SAFETY: within the first period of the mapping.
        unsafe { self.data.add((self.consumer.next() & self.mask) as usize) }
    }

    #[inline(always)]
    fn release(&self, bytes: u64) {
        let head = self.consumer.free(&self.ring.indices, bytes);
        if self.ring.sender.signal(head) {
            self.counters.wakes.add(1);
        }
    }
}

#[cold]
fn open_claim() -> Error {
    Error::text(Status::State, "a peeked span is open; consume it first, 0 bytes to leave all")
}

impl Drop for Rx {
    fn drop(&mut self) {
        self.close();
        // With a span still open, its memory is in use and the place stays taken.
        if !self.has_claim() {
            self.ring.receiver.side.leave();
        }
    }
}
