//! The ends of a ring that overwrites its oldest records: whole records go in and out, and the sender never waits for the receiver.
//!
//! `indices` argues why what the receiver reads does not change. The sender drops the oldest right after it has published, so that
//! there is room before the next record comes. A receiver that copies holds the sender back for one piece at a time.

use super::ring::Ring;
use super::rx::Rx;
use super::tx::Tx;
use super::{Flow, Moved, PIECE, copy};
use crate::error::{Error, Result, Status};

/// Whether `bytes` are whole records; any number is, in a ring without records.
pub(super) fn check_whole(bytes: u64, record: u64) -> Result<()> {
    if record == 0 || bytes.is_multiple_of(record) {
        return Ok(());
    }
    let why = "this ring moves whole records: give a multiple of its overwrite_record_size";
    Err(Error::value(Status::Align, "bytes", bytes, why))
}

/// What a wait for `bytes` waits for: at least one, at most all that the ring holds, and whole records.
pub(super) fn waited_for(bytes: u64, ring: &Ring) -> u64 {
    let bytes = bytes.clamp(1, ring.capacity());
    if ring.record == 0 { bytes } else { bytes.next_multiple_of(ring.record) }
}

/// How many records so many bytes are.
pub(super) fn records_in(bytes: u64, record: u64) -> u64 {
    bytes.checked_div(record).unwrap_or(0)
}

/// The bytes that go at once: whole records.
fn piece(record: u64) -> u64 {
    (PIECE / record).max(1) * record
}

impl Tx {
    /// Writes whole records. Fewer than all only while the receiver reads, and has been at it for as long as the memory lasted.
    pub(super) fn put_records(&self, data: &[u8], publish: bool) -> Moved {
        let record = self.ring.record;
        let piece = piece(record).min(self.ring.capacity());
        let mut sent = 0;
        for piece in data.chunks(piece as usize) {
            let wanted = piece.len() as u64;
            let room = self.room_for(wanted);
            let bytes = wanted.min(room - room % record);
            // SAFETY: the room is the sender's, contiguous from here on, and no longer than the memory.
            unsafe { copy::into_ring(piece.as_ptr(), self.place(), bytes as usize) };
            self.producer.write(bytes);
            sent += bytes;
            if publish {
                self.publish_if_behind();
            }
            if bytes < wanted {
                break;
            }
        }
        if sent > 0 {
            self.moved();
        } else if !data.is_empty() {
            return self.full();
        }
        Moved { bytes: sent, flow: Flow::Done }
    }

    /// The room as it is, or, where that is less than `bytes`, with the oldest records dropped.
    pub(super) fn room_for(&self, bytes: u64) -> u64 {
        let indices = &self.ring.indices;
        if self.producer.room(indices) < bytes {
            self.producer.look_overwriting(indices);
        }
        let room = self.producer.room(indices);
        if room >= bytes {
            return room;
        }
        // What was fed counts as the newest: it is published before what is older is dropped.
        self.publish_if_behind();
        self.drop_oldest();
        self.producer.room(indices)
    }

    /// Drops what is older than the newest records that the ring keeps. All that is written has been published.
    pub(super) fn drop_oldest(&self) {
        self.counters.overwritten.add(self.producer.drop_oldest(&self.ring.indices));
        self.counters.saw(self.used());
    }
}

impl Rx {
    /// Receives whole records, piece by piece. Between two pieces some may be overwritten.
    ///
    /// # Safety
    ///
    /// `to` has room for `wanted` bytes.
    pub(super) unsafe fn take_records(&self, to: *mut u8, wanted: u64) -> Moved {
        let (record, mut got) = (self.ring.record, 0);
        // Asked before the look: the sender closes after its last records.
        let ended = self.ring.sender.side.is_closed();
        while wanted - got >= record && self.glance() > 0 {
            let most = piece(record).min(wanted - got);
            let most = most - most % record;
            let bytes = self.hold().min(most);
            // SAFETY: held, so it stays as it is, contiguous from here on; the caller's promise for `to`.
            unsafe { copy::copy(self.place(), to.add(got as usize), bytes as usize) };
            self.let_go(bytes);
            got += bytes;
            if bytes < most {
                break;
            }
        }
        let flow = if got > 0 {
            self.counters.operations.add(1);
            Flow::Done
        } else if wanted == 0 {
            Flow::Done
        } else if ended {
            Flow::Closed
        } else {
            self.counters.misses.add(1);
            Flow::Empty
        };
        Moved { bytes: got, flow }
    }

    /// Keeps the sender from overwriting until [`Rx::let_go`]: the bytes that are there.
    pub(super) fn hold(&self) -> u64 {
        let (there, overwritten) = self.consumer.hold(&self.ring.indices);
        self.counters.overwritten.add(overwritten);
        self.counters.saw(there);
        there
    }

    /// Gives the next `bytes` back, and lets the sender overwrite again.
    pub(super) fn let_go(&self, bytes: u64) {
        let head = self.consumer.release(&self.ring.indices, bytes);
        if self.ring.sender.signal(head) {
            self.counters.wakes.add(1);
        }
    }
}
