//! The sending end, as both Rust and C use it.
//!
//! One thread at a time may use an end. Nothing here relies on it for memory safety: what an end keeps is atomic, the bytes are
//! copied by atomic accesses, and no count that two threads could have mixed up ever leads beyond the ring. In the checked mode a
//! second thread is refused.

use std::os::fd::RawFd;

use super::end::check_claim;
use super::end::{Busy, check_min};
use super::indices::Producer;
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
pub(crate) struct Tx {
    pub(super) producer: Producer,
    pace: Pace,
    /// What a span holds that is reserved and not committed, plus one; 0 for none.
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
unsafe impl Send for Tx {}
// SAFETY: as above. Two threads that misuse an end may write the same bytes of the ring: `copy` does so by atomic accesses.
unsafe impl Sync for Tx {}

impl Tx {
    /// The end of a place that is free: a new ring's, or one that [`super::side::Side::enter`] has taken.
    pub(crate) fn new(ring: Arc<Ring>) -> Tx {
        let producer = Producer::new(&ring.indices);
        Tx {
            pace: Pace::default(),
            claim: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            busy: Busy::new(ring.checked),
            special: ring.checked || ring.record != 0,
            data: ring.memory.data().as_ptr(),
            mask: ring.memory.period() as u64 - 1,
            first: producer.next(),
            counters: Counters::new(),
            producer,
            ring,
        }
    }

    /// A new end where the old one was destroyed.
    pub(crate) fn attach(ring: &Arc<Ring>) -> Result<Tx> {
        if ring.sender.side.enter() {
            Ok(Tx::new(ring.clone()))
        } else {
            Err(Error::text(Status::Busy, "the old sender lives; destroy it first"))
        }
    }

    pub(crate) fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// Sends as much as fits.
    #[inline(always)]
    pub(crate) fn send(&self, data: &[u8]) -> Result<Moved> {
        if self.put_short(data) {
            self.publish();
            return Ok(Moved { bytes: data.len() as u64, flow: Flow::Done });
        }
        self.send_any(data)
    }

    #[inline(never)]
    fn send_any(&self, data: &[u8]) -> Result<Moved> {
        if self.special {
            return self.send_special(data, true);
        }
        match self.obstacle()? {
            None => Ok(self.put(data, true)),
            Some(flow) => Ok(Moved { bytes: 0, flow }),
        }
    }

    /// A send or feed where the mode is checked or the ring has records.
    #[inline(never)]
    fn send_special(&self, data: &[u8], publish: bool) -> Result<Moved> {
        let _inside = self.busy.enter()?;
        check_whole(data.len() as u64, self.ring.record)?;
        match self.obstacle()? {
            None => Ok(self.put_any(data, publish)),
            Some(flow) => Ok(Moved { bytes: 0, flow }),
        }
    }

    /// The same; the other side sees it after [`Tx::flush`].
    #[inline(always)]
    pub(crate) fn feed(&self, data: &[u8]) -> Result<Moved> {
        if self.put_short(data) {
            return Ok(Moved { bytes: data.len() as u64, flow: Flow::Done });
        }
        self.feed_any(data)
    }

    #[inline(never)]
    fn feed_any(&self, data: &[u8]) -> Result<Moved> {
        if self.special {
            return self.send_special(data, false);
        }
        match self.obstacle()? {
            None => Ok(self.put(data, false)),
            Some(flow) => Ok(Moved { bytes: 0, flow }),
        }
    }

    /// Publishes what was fed.
    pub(crate) fn flush(&self) -> Result<Flow> {
        let _inside = self.busy.enter()?;
        if let Some(flow) = self.obstacle()? {
            return Ok(flow);
        }
        self.publish_if_behind();
        Ok(Flow::Done)
    }

    /// Sends all of it, waiting for room.
    pub(crate) fn send_all(&self, data: &[u8], timeout: Timeout) -> Result<Moved> {
        let _inside = self.busy.enter()?;
        check_whole(data.len() as u64, self.ring.record)?;
        let deadline = Deadline::after(timeout);
        let mut bytes = 0;
        loop {
            if let Some(flow) = self.obstacle()? {
                return Ok(Moved { bytes, flow });
            }
            bytes += self.put_any(&data[bytes as usize..], true).bytes;
            if bytes as usize == data.len() {
                return Ok(Moved { bytes, flow: Flow::Done });
            }
            let flow = self.wait_for(1, deadline)?;
            if flow != Flow::Done {
                return Ok(Moved { bytes, flow });
            }
        }
    }

    /// Sends all of it or nothing, waiting for room for all. The receiver sees all of it at once.
    pub(crate) fn send_whole(&self, data: &[u8], timeout: Timeout) -> Result<Moved> {
        let _inside = self.busy.enter()?;
        let bytes = data.len() as u64;
        check_whole(bytes, self.ring.record)?;
        if bytes > self.ring.capacity() {
            return Err(Error::beyond("bytes", bytes.into(), self.ring.capacity(), "capacity of the ring"));
        }
        let nothing = |flow| Ok(Moved { bytes: 0, flow });
        if let Some(flow) = self.obstacle()? {
            return nothing(flow);
        }
        if bytes > 0 && self.room_known(bytes) < bytes {
            let deadline = Deadline::after(timeout);
            if deadline == Deadline::PAST {
                return Ok(self.full());
            }
            let flow = self.wait_for(bytes, deadline)?;
            if flow != Flow::Done {
                return nothing(flow);
            }
        }
        // There is room for all of it, and no other thread takes that.
        let moved = self.put_any(data, false);
        self.publish_if_behind();
        Ok(moved)
    }

    /// The room as last seen, or as it is where that is less than `bytes`.
    fn room_known(&self, bytes: u64) -> u64 {
        if self.ring.record != 0 {
            return self.room_for(bytes);
        }
        match self.producer.room(&self.ring.indices) {
            room if room >= bytes => room,
            _ => self.room_now(bytes),
        }
    }

    /// All the room that there is, at least `min` bytes.
    pub(crate) fn reserve(&self, min: u64) -> Result<std::result::Result<(*mut u8, u64), Flow>> {
        let _inside = self.busy.enter()?;
        if let Some(flow) = self.obstacle()? {
            return Ok(Err(flow));
        }
        let span = self.room(min)?;
        if let Ok((_, bytes)) = span {
            self.claim.store(bytes + 1, Release);
        }
        Ok(span)
    }

    /// Publishes the first `bytes` of the span and ends the claim.
    pub(crate) fn commit(&self, bytes: u64) -> Result<Flow> {
        let _inside = self.busy.enter()?;
        check_claim(&self.claim, bytes, "no span is reserved", "more than was reserved")?;
        check_whole(bytes, self.ring.record)?;
        self.claim.store(0, Release);
        if self.is_closed() {
            return Ok(Flow::Closed);
        }
        self.fill(bytes);
        Ok(Flow::Done)
    }

    /// The room there is, at least `min` bytes, without a claim.
    pub(super) fn room(&self, min: u64) -> Result<std::result::Result<(*mut u8, u64), Flow>> {
        check_min(min, self.ring.capacity())?;
        let room = match self.ring.record {
            0 => self.room_now(min.max(1)),
            record => {
                let room = self.room_for(min.max(record)).min(self.ring.capacity());
                room - room % record
            }
        };
        if room < min.max(1) {
            self.counters.misses.add(1);
            return Ok(Err(Flow::Full));
        }
        Ok(Ok((self.place(), room)))
    }

    /// The room as it is. Where that is less than `bytes`, what was fed is published.
    fn room_now(&self, bytes: u64) -> u64 {
        let room = self.producer.look(&self.ring.indices);
        if room >= bytes {
            return room;
        }
        self.publish_if_behind();
        self.producer.look(&self.ring.indices)
    }

    /// Counts the next `bytes` of the room as written and publishes them.
    pub(super) fn fill(&self, bytes: u64) {
        self.producer.write(bytes);
        self.publish();
        if bytes > 0 {
            self.moved();
        }
        match self.ring.record {
            0 => self.counters.saw(self.used()),
            _ => self.drop_oldest(),
        }
    }

    /// Waits until there is room for `bytes`, or for all that the ring holds.
    pub(crate) fn wait_writable(&self, bytes: u64, timeout: Timeout) -> Result<Flow> {
        let _inside = self.busy.enter()?;
        self.publish_if_behind();
        self.wait_for(bytes, Deadline::after(timeout))
    }

    fn wait_for(&self, bytes: u64, deadline: Deadline) -> Result<Flow> {
        let bytes = waited_for(bytes, &self.ring);
        self.ring.sender.wait(self.needed(bytes), deadline, &self.counters, || self.writable(bytes))
    }

    /// Has the descriptor told when there is room for `bytes`. None: it will be.
    pub(crate) fn arm(&self, bytes: u64) -> Result<Flow> {
        let _inside = self.busy.enter()?;
        self.publish_if_behind();
        let bytes = waited_for(bytes, &self.ring);
        let flow = self.ring.sender.arm(self.needed(bytes), || self.writable(bytes))?;
        Ok(flow.unwrap_or(Flow::Full))
    }

    /// The index that the receiver comes to when there is room for `bytes`.
    fn needed(&self, bytes: u64) -> u64 {
        // Where the oldest are overwritten, whenever the receiver lets go, wherever it is by then.
        let bytes = if self.ring.record == 0 { bytes } else { 0 };
        self.producer.next().wrapping_add(bytes).wrapping_sub(self.ring.indices.capacity())
    }

    fn writable(&self, bytes: u64) -> Option<Flow> {
        if self.is_closed() {
            return Some(Flow::Closed);
        }
        let room = match self.ring.record {
            0 => self.producer.glance(&self.ring.indices),
            _ => self.producer.glance_overwriting(&self.ring.indices),
        };
        (room >= bytes).then_some(Flow::Done)
    }

    pub(crate) fn fd(&self) -> Result<RawFd> {
        self.ring.sender.fd()
    }

    /// Publishes what was fed and sends no more. From any thread, also while the end's own waits.
    pub(crate) fn close(&self) {
        if self.closed.swap(true, AcqRel) {
            return;
        }
        self.producer.publish_from_outside(&self.ring.indices);
        self.ring.sender.side.close();
        self.ring.receiver.rouse();
        self.ring.sender.rouse();
    }

    /// Whether a span is open.
    pub(crate) fn has_claim(&self) -> bool {
        self.claim.load(Acquire) != 0
    }

    /// What the span needs that is still open when the end is destroyed.
    pub(crate) fn open_claim(&self) -> Option<super::ring::Claim> {
        self.has_claim().then(|| super::ring::Claim { ring: self.ring.clone(), place: |ring| &ring.sender })
    }

    pub(crate) fn statistics(&self) -> EndStatistics {
        let bytes = self.producer.next().wrapping_sub(self.first);
        let lost = records_in(self.counters.overwritten.get(), self.ring.record);
        self.counters.read(self.ring.capacity(), bytes, lost)
    }

    #[inline(always)]
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Acquire) || self.ring.receiver.side.is_closed()
    }

    /// What keeps a call from sending: a claim, or nobody to send to.
    #[inline(always)]
    fn obstacle(&self) -> Result<Option<Flow>> {
        if self.claim.load(Relaxed) != 0 {
            return Err(Error::text(
                Status::State,
                "a reserved span is open; commit it first, 0 bytes to drop it",
            ));
        }
        Ok(self.is_closed().then_some(Flow::Closed))
    }

    /// Writes a short chunk where nothing stands in the way: no look at the other side, no call, one branch for all that is not
    /// plain. False if it is not so simple.
    #[inline(always)]
    fn put_short(&self, data: &[u8]) -> bool {
        let bytes = data.len() as u64;
        let hurdles = self.claim.load(Relaxed)
            | u64::from(self.closed.load(Relaxed))
            | u64::from(self.special)
            | self.ring.receiver.side.closed_bit();
        // Where threads misuse an end the room may be wrong: so short a chunk stays within the mapping all the same.
        if hurdles != 0 || bytes.wrapping_sub(1) >= copy::SHORT || bytes > self.producer.room_unchecked() {
            return false;
        }
        // SAFETY: the room is the sender's, contiguous from here on.
        unsafe { copy::copy(data.as_ptr(), self.place(), bytes as usize) };
        self.producer.write(bytes);
        self.moved();
        true
    }

    fn put_any(&self, data: &[u8], publish: bool) -> Moved {
        if self.ring.record == 0 { self.put(data, publish) } else { self.put_records(data, publish) }
    }

    #[inline(always)]
    fn put(&self, data: &[u8], publish: bool) -> Moved {
        let bytes = match data.len() as u64 <= PIECE {
            true => self.put_piece(data, publish),
            false => self.put_pieces(data, publish),
        };
        if bytes > 0 {
            self.moved();
        } else if !data.is_empty() {
            return self.full();
        }
        Moved { bytes, flow: Flow::Done }
    }

    #[cold]
    pub(super) fn full(&self) -> Moved {
        self.counters.misses.add(1);
        Moved { bytes: 0, flow: Flow::Full }
    }

    #[inline(never)]
    fn put_pieces(&self, data: &[u8], publish: bool) -> u64 {
        let mut sent = 0;
        for piece in data.chunks(PIECE as usize) {
            let now = self.put_piece(piece, publish);
            sent += now;
            if now < piece.len() as u64 {
                break;
            }
        }
        sent
    }

    #[inline(always)]
    fn put_piece(&self, data: &[u8], publish: bool) -> u64 {
        let (indices, wanted) = (&self.ring.indices, data.len() as u64);
        let mut room = self.producer.room(indices);
        if room < wanted {
            room = self.look_paced(room);
            self.counters.saw(self.ring.capacity() - room + wanted.min(room));
        }
        let bytes = wanted.min(room);
        // SAFETY: the room is the sender's, contiguous from here on, and no longer than the ring.
        unsafe { copy::into_ring(data.as_ptr(), self.place(), bytes as usize) };
        self.producer.write(bytes);
        if publish && bytes > 0 {
            self.publish();
        } else if bytes < wanted {
            // A full ring publishes what was fed: the other side must see it to make room.
            self.publish_if_behind();
        }
        bytes
    }

    /// How much room there is, after a look at the receiver's index.
    #[inline(always)]
    fn look_paced(&self, before: u64) -> u64 {
        if !self.ring.backoff {
            return self.producer.look(&self.ring.indices);
        }
        self.pace.before();
        let room = self.producer.look(&self.ring.indices);
        self.pace.after(room.wrapping_sub(before));
        room
    }

    #[inline(always)]
    pub(super) fn place(&self) -> *mut u8 {
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

    #[inline(always)]
    pub(super) fn publish_if_behind(&self) {
        if self.producer.is_behind(&self.ring.indices) {
            self.publish();
            if self.ring.record != 0 {
                self.drop_oldest();
            }
        }
    }

    pub(super) fn used(&self) -> u64 {
        self.ring.indices.capacity() - self.producer.room(&self.ring.indices)
    }

    #[inline(always)]
    pub(super) fn moved(&self) {
        self.counters.operations.add(1);
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        self.close();
        // With a span still open, its memory is in use and the place stays taken.
        if !self.has_claim() {
            self.ring.sender.side.leave();
        }
    }
}
