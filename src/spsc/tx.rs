//! The sending end of a ring, which the Rust and the C API share.
//!
//! A sent byte is visible to the receiver when `publish` has moved `tail` beyond it: at the end of a send, a flush, a commit, a close,
//! and before a call waits or reports a full ring. One thread at a time may use an end. If C code breaks that, the checked mode
//! refuses the second thread; without it the end's state stays valid and every copy stays within the mapping, but which bytes arrive
//! is unspecified. The model checker compiles this file.

use std::os::fd::RawFd;

use crate::alloc::Arc;
use crate::error::{Error, Result, Status};
use crate::spsc::backoff::Backoff;
use crate::spsc::copy::{PIECE, SHORT, copy, copy_into_ring};
use crate::spsc::flow::{
    Flow, Moved, OpenSpan, ThreadCheck, bytes_to_await, check_min, check_whole, piece_of_records, records_in,
};
use crate::spsc::indices::ProducerIndex;
use crate::spsc::ring::Ring;
use crate::spsc::statistics::{EndCounters, EndStatistics};
use crate::sync::atomic::{AtomicBool, Ordering::*};
use crate::sys::clock::{Deadline, Timeout};

/// The sending end. Written by its own thread, on cache lines that the other end never touches.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Tx {
    pub(super) producer: ProducerIndex,
    backoff: Backoff,
    pub(super) span: OpenSpan,
    closed: AtomicBool,
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
unsafe impl Send for Tx {}
// SAFETY: as above. That one thread at a time copies is the contract of the calls.
unsafe impl Sync for Tx {}

impl Tx {
    /// The end of a side that has none: in a new ring, or after [`WaitSide::reopen`](crate::spsc::wait_side::WaitSide::reopen).
    pub(crate) fn new(ring: Arc<Ring>) -> Tx {
        let producer = ProducerIndex::new(&ring.indices);
        Tx {
            backoff: Backoff::default(),
            span: OpenSpan::new(),
            closed: AtomicBool::new(false),
            check: ThreadCheck::new(ring.checked),
            slow_only: ring.checked || ring.record != 0,
            data: ring.memory.data().as_ptr(),
            mask: ring.memory.period() as u64 - 1,
            first: producer.next(),
            counters: EndCounters::new(),
            producer,
            ring,
        }
    }

    /// A new sending end after the old one was destroyed.
    pub(crate) fn attach(ring: &Arc<Ring>) -> Result<Tx> {
        if ring.sender.reopen() {
            Ok(Tx::new(ring.clone()))
        } else {
            Err(Error::text(Status::Busy, "the ring still has a sender; destroy it first"))
        }
    }

    pub(crate) fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// Sends as much as fits.
    #[inline(always)]
    pub(crate) fn send(&self, data: &[u8]) -> Result<Moved> {
        if self.write_short(data) {
            self.publish();
            return Ok(Moved::done(data.len() as u64));
        }
        self.send_slow(data, true)
    }

    /// The same, but the receiver sees the bytes after [`Tx::flush`].
    #[inline(always)]
    pub(crate) fn feed(&self, data: &[u8]) -> Result<Moved> {
        if self.write_short(data) {
            return Ok(Moved::done(data.len() as u64));
        }
        self.send_slow(data, false)
    }

    #[inline(never)]
    fn send_slow(&self, data: &[u8], publish: bool) -> Result<Moved> {
        if self.slow_only {
            let _inside = self.check.enter()?;
            check_whole(data.len() as u64, self.ring.record)?;
            return Ok(self.obstacle()?.map_or_else(|| self.write_any(data, publish), Moved::none));
        }
        Ok(self.obstacle()?.map_or_else(|| self.write(data, publish), Moved::none))
    }

    /// Publishes what was fed.
    pub(crate) fn flush(&self) -> Result<Flow> {
        let _inside = self.check.enter()?;
        let obstacle = self.obstacle()?;
        if obstacle.is_none() {
            self.publish_pending();
        }
        Ok(obstacle.unwrap_or(Flow::Done))
    }

    /// Sends all of it, waiting for room.
    pub(crate) fn send_all(&self, data: &[u8], timeout: Timeout) -> Result<Moved> {
        let _inside = self.check.enter()?;
        check_whole(data.len() as u64, self.ring.record)?;
        let deadline = Deadline::after(timeout);
        let mut bytes = 0;
        loop {
            if let Some(flow) = self.obstacle()? {
                return Ok(Moved { bytes, flow });
            }
            bytes += self.write_any(&data[bytes as usize..], true).bytes;
            let flow = match bytes as usize == data.len() {
                true => return Ok(Moved::done(bytes)),
                false => self.wait_for(1, deadline)?,
            };
            if flow != Flow::Done {
                return Ok(Moved { bytes, flow });
            }
        }
    }

    /// Sends all of it or nothing, waiting for room for all. The receiver sees all of it at once.
    pub(crate) fn send_whole(&self, data: &[u8], timeout: Timeout) -> Result<Moved> {
        let _inside = self.check.enter()?;
        let bytes = data.len() as u64;
        check_whole(bytes, self.ring.record)?;
        if bytes > self.ring.capacity() {
            return Err(Error::beyond("bytes", bytes.into(), self.ring.capacity(), "capacity of the ring"));
        }
        if let Some(flow) = self.obstacle()? {
            return Ok(Moved::none(flow));
        }
        if bytes > 0 && self.room_for(bytes) < bytes {
            let deadline = Deadline::after(timeout);
            if deadline == Deadline::PAST {
                return Ok(self.full());
            }
            let flow = self.wait_for(bytes, deadline)?;
            if flow != Flow::Done {
                return Ok(Moved::none(flow));
            }
        }
        // There is room for all of it, and no other thread takes it.
        let moved = self.write_any(data, false);
        self.publish_pending();
        Ok(moved)
    }

    /// Opens a span: all the room, at least `min` bytes.
    pub(crate) fn reserve(&self, min: u64) -> Result<std::result::Result<(*mut u8, u64), Flow>> {
        let _inside = self.check.enter()?;
        if let Some(flow) = self.obstacle()? {
            return Ok(Err(flow));
        }
        let room = self.room(min)?;
        if let Ok((_, bytes)) = room {
            self.span.open(bytes);
        }
        Ok(room)
    }

    /// Ends the span and publishes its first `bytes`.
    pub(crate) fn commit(&self, bytes: u64) -> Result<Flow> {
        let _inside = self.check.enter()?;
        self.span.check(bytes, "no span is reserved", "more than was reserved")?;
        check_whole(bytes, self.ring.record)?;
        self.span.end();
        if self.is_closed() {
            return Ok(Flow::Closed);
        }
        self.publish_written(bytes);
        Ok(Flow::Done)
    }

    /// All the room, at least `min` bytes. Opens no span.
    pub(crate) fn room(&self, min: u64) -> Result<std::result::Result<(*mut u8, u64), Flow>> {
        check_min(min, self.ring.capacity())?;
        let room = match self.ring.record {
            0 => self.refresh_room(min.max(1)),
            record => {
                let room = self.room_of_records(min.max(record)).min(self.ring.capacity());
                room - room % record
            }
        };
        if room < min.max(1) {
            self.counters.misses.add(1);
            return Ok(Err(Flow::Full));
        }
        Ok(Ok((self.write_ptr(), room)))
    }

    /// Publishes the next `bytes` of the room, which the caller has written.
    pub(crate) fn publish_written(&self, bytes: u64) {
        self.producer.advance(bytes);
        self.publish();
        if bytes > 0 {
            self.counters.operations.add(1);
        }
        match self.ring.record {
            0 => self.counters.saw(self.used()),
            _ => self.drop_oldest(),
        }
    }

    /// Waits until there is room for `bytes`, or for all that the ring holds.
    pub(crate) fn wait_writable(&self, bytes: u64, timeout: Timeout) -> Result<Flow> {
        let _inside = self.check.enter()?;
        self.publish_pending();
        self.wait_for(bytes, Deadline::after(timeout))
    }

    fn wait_for(&self, bytes: u64, deadline: Deadline) -> Result<Flow> {
        let (head, ready) = self.awaited(bytes);
        self.ring.sender.wait(head, deadline, &self.counters, ready)
    }

    /// Makes the descriptor readable when there is room for `bytes`. [`Flow::Full`]: it is armed. Else the condition holds now.
    pub(crate) fn arm(&self, bytes: u64) -> Result<Flow> {
        let _inside = self.check.enter()?;
        self.publish_pending();
        let (head, ready) = self.awaited(bytes);
        Ok(self.ring.sender.arm(head, ready)?.unwrap_or(Flow::Full))
    }

    /// The `head` at which there is room for `bytes`, or for all that the ring holds, and the check of that.
    pub(crate) fn awaited(&self, bytes: u64) -> (u64, impl Fn() -> Option<Flow>) {
        let bytes = bytes_to_await(bytes, self.ring.capacity(), self.ring.record);
        // In a ring that overwrites, whenever the receiver releases its hold, whatever `head` is by then.
        let room = if self.ring.record == 0 { bytes } else { 0 };
        let head = self.producer.next().wrapping_add(room).wrapping_sub(self.ring.indices.capacity());
        (head, move || {
            if self.is_closed() {
                return Some(Flow::Closed);
            }
            if self.ring.sender.is_awaited() {
                self.ring.indices.pull_head(&self.ring.reader);
            }
            let room = match self.ring.record {
                0 => self.producer.fresh_room(&self.ring.indices),
                _ => self.producer.fresh_room_overwriting(&self.ring.indices),
            };
            (room >= bytes).then_some(Flow::Done)
        })
    }

    pub(crate) fn fd(&self) -> Result<RawFd> {
        self.ring.sender.fd()
    }

    /// Publishes what was fed and closes the end. Legal from any thread, also while the end's own thread waits.
    pub(crate) fn close(&self) {
        if self.closed.swap(true, AcqRel) {
            return;
        }
        self.ring.indices.pull_tail(&self.ring.writer);
        self.producer.publish_from_any_thread(&self.ring.indices);
        self.ring.sender.close();
        self.ring.receiver.wake_all();
        self.ring.sender.wake_all();
    }

    pub(crate) fn statistics(&self) -> EndStatistics {
        let bytes = self.producer.next().wrapping_sub(self.first);
        let lost = records_in(self.counters.overwritten.get(), self.ring.record);
        self.counters.read(self.ring.capacity(), bytes, lost)
    }

    #[inline(always)]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Acquire) || self.ring.receiver.is_closed()
    }

    /// What keeps a call from sending: an open span is refused, a closed side ends it.
    #[inline(always)]
    pub(super) fn obstacle(&self) -> Result<Option<Flow>> {
        if self.span.bits() != 0 {
            let message = "a reserved span or an inline writer is open; commit or close it first";
            return Err(Error::text(Status::State, message));
        }
        Ok(self.is_closed().then_some(Flow::Closed))
    }

    /// The plain path of a short chunk: no read of the other index, one branch for all obstacles. False if it is not open.
    #[inline(always)]
    fn write_short(&self, data: &[u8]) -> bool {
        let bytes = data.len() as u64;
        let obstacles = self.span.bits()
            | u64::from(self.closed.load(Relaxed))
            | u64::from(self.slow_only)
            | self.ring.receiver.closed_bit();
        // When threads misuse an end the room may be wrong, but so short a chunk stays within the mapping.
        if obstacles != 0 || bytes.wrapping_sub(1) >= SHORT || bytes > self.producer.room_unchecked() {
            return false;
        }
        // SAFETY: the room is the sender's, contiguous from here on.
        unsafe { copy(data.as_ptr(), self.write_ptr(), bytes as usize) };
        self.producer.advance(bytes);
        self.counters.operations.add(1);
        true
    }

    #[inline(never)]
    fn write_any(&self, data: &[u8], publish: bool) -> Moved {
        if self.ring.record == 0 { self.write(data, publish) } else { self.write_records(data, publish) }
    }

    #[inline(always)]
    fn write(&self, data: &[u8], publish: bool) -> Moved {
        let bytes = match data.len() as u64 <= PIECE {
            true => self.write_piece(data, publish),
            false => self.write_pieces(data, publish),
        };
        self.finish(data, bytes)
    }

    /// Counts a call that has written `bytes` of `data`.
    #[inline(always)]
    fn finish(&self, data: &[u8], bytes: u64) -> Moved {
        if bytes > 0 {
            self.counters.operations.add(1);
        } else if !data.is_empty() {
            return self.full();
        }
        Moved::done(bytes)
    }

    #[cold]
    fn full(&self) -> Moved {
        self.counters.misses.add(1);
        Moved::none(Flow::Full)
    }

    #[inline(never)]
    fn write_pieces(&self, data: &[u8], publish: bool) -> u64 {
        let mut sent = 0;
        for piece in data.chunks(PIECE as usize) {
            let written = self.write_piece(piece, publish);
            sent += written;
            if written < piece.len() as u64 {
                break;
            }
        }
        sent
    }

    #[inline(always)]
    fn write_piece(&self, data: &[u8], publish: bool) -> u64 {
        let (indices, wanted) = (&self.ring.indices, data.len() as u64);
        let mut room = self.producer.room(indices);
        if room < wanted {
            room = self.refresh_with_backoff(room);
            self.counters.saw(self.ring.capacity() - room + wanted.min(room));
        }
        let bytes = wanted.min(room);
        // SAFETY: the room is the sender's, contiguous from here on, and no longer than the ring.
        unsafe { copy_into_ring(data.as_ptr(), self.write_ptr(), bytes as usize) };
        self.producer.advance(bytes);
        if publish && bytes > 0 {
            self.publish();
        } else if bytes < wanted {
            // A full ring publishes what was fed: the receiver must see it to make room.
            self.publish_pending();
        }
        bytes
    }

    /// Writes whole records. It writes fewer than all only while the receiver holds the ring and the memory is used up.
    fn write_records(&self, data: &[u8], publish: bool) -> Moved {
        let record = self.ring.record;
        let piece = piece_of_records(record).min(self.ring.capacity());
        let mut sent = 0;
        for piece in data.chunks(piece as usize) {
            let wanted = piece.len() as u64;
            let room = self.room_of_records(wanted);
            let bytes = wanted.min(room - room % record);
            // SAFETY: the room is the sender's, contiguous from here on, and no longer than the memory.
            unsafe { copy_into_ring(piece.as_ptr(), self.write_ptr(), bytes as usize) };
            self.producer.advance(bytes);
            sent += bytes;
            if publish {
                self.publish_pending();
            }
            if bytes < wanted {
                break;
            }
        }
        self.finish(data, sent)
    }

    /// The room by the cached indices, or the current room if that is less than `bytes`.
    fn room_for(&self, bytes: u64) -> u64 {
        if self.ring.record != 0 {
            return self.room_of_records(bytes);
        }
        match self.producer.room(&self.ring.indices) {
            room if room >= bytes => room,
            _ => self.refresh_room(bytes),
        }
    }

    /// The current room. If that is less than `bytes`, what was fed is published.
    pub(super) fn refresh_room(&self, bytes: u64) -> u64 {
        let room = self.producer.refresh(&self.ring.indices);
        if room >= bytes {
            return room;
        }
        self.publish_pending();
        self.producer.refresh(&self.ring.indices)
    }

    /// The current room, or the room after the oldest records are dropped if that is less than `bytes`.
    fn room_of_records(&self, bytes: u64) -> u64 {
        let indices = &self.ring.indices;
        if self.producer.room(indices) < bytes {
            self.producer.refresh_overwriting(indices);
        }
        let room = self.producer.room(indices);
        if room >= bytes {
            return room;
        }
        // What was fed counts as the newest: it is published before older records are dropped.
        self.publish_pending();
        self.drop_oldest();
        self.producer.room(indices)
    }

    /// Drops what is older than the newest records that the ring keeps. All that is written has been published.
    fn drop_oldest(&self) {
        self.counters.overwritten.add(self.producer.drop_oldest(&self.ring.indices));
        self.counters.saw(self.used());
    }

    #[inline(always)]
    pub(super) fn refresh_with_backoff(&self, before: u64) -> u64 {
        if !self.ring.backoff {
            return self.producer.refresh(&self.ring.indices);
        }
        self.backoff.before_refresh();
        let room = self.producer.refresh(&self.ring.indices);
        self.backoff.after_refresh(room.wrapping_sub(before));
        room
    }

    #[inline(always)]
    pub(super) fn write_ptr(&self) -> *mut u8 {
        // SAFETY: within the first period of the mapping.
        unsafe { self.data.add((self.producer.next() & self.mask) as usize) }
    }

    #[inline(always)]
    fn publish(&self) {
        let tail = self.producer.publish(&self.ring.indices);
        if self.ring.receiver.signal(tail) {
            self.counters.wakes.add(1);
        }
    }

    /// Publishes what is pending. A ring that overwrites then drops its oldest records, so that the next one finds room.
    #[inline(always)]
    fn publish_pending(&self) {
        if self.producer.has_unpublished(&self.ring.indices) {
            self.publish();
            if self.ring.record != 0 {
                self.drop_oldest();
            }
        }
    }

    fn used(&self) -> u64 {
        self.ring.indices.capacity() - self.producer.room(&self.ring.indices)
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        self.close();
        // While a span is open its memory is in use, and no new end can be attached.
        if !self.span.is_open() {
            self.ring.sender.mark_destroyed();
        }
    }
}
