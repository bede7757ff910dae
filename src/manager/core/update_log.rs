//! The update log: records of any length in a ring of bytes, many producers, one consumer (the holder of the role).
//!
//! A producer reserves whole units by one compare-and-swap on `tail`, writes its record and commits it by storing the
//! record's position in the commit word of its first unit. Positions never repeat, so a word left by an earlier lap can
//! never pass for a commit, whatever bytes the records held. Commit words lie beside the bytes, not among them, for the
//! same reason. Closing the log sets a bit of `tail`, so no reservation can succeed after it: what was accepted is exactly
//! what lies below. The model checker compiles this file.

use std::mem::MaybeUninit;

use crate::sync::atomic::{AtomicU64, Ordering::*, UnsafeCell};

/// Bytes of a unit: a cache line.
pub(crate) const UNIT: u64 = 64;

/// The bit of `tail` that ends the log.
const CLOSED: u64 = 1 << 63;

/// One unit of record bytes.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct Unit(pub(crate) UnsafeCell<MaybeUninit<[u64; 8]>>);

/// Keeps its content on cache lines of its own; 128 because processors fetch lines in pairs.
#[repr(C, align(128))]
#[derive(Debug)]
struct Apart<T>(T);

#[derive(Debug)]
pub(crate) struct Ring {
    tail: Apart<AtomicU64>,
    head: Apart<AtomicU64>,
    units: Box<[Unit]>,
    commits: Box<[AtomicU64]>,
    mask: u64,
}

// SAFETY: a unit is written by the producer that reserved it and read by the consumer after the commit, never both.
unsafe impl Sync for Ring {}
// SAFETY: as above.
unsafe impl Send for Ring {}

/// Why nothing could be reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No room now.
    Full,
    /// The log has ended.
    Closed,
}

/// Units that a producer has reserved and not yet committed.
#[derive(Debug)]
pub(crate) struct Reserved {
    /// Where the record starts.
    pub(crate) at: u64,
    /// The end of the ring that had to be skipped before it.
    skipped: Option<u64>,
}

impl Ring {
    /// A ring over storage whose lengths are the same power of two. Commit words are zero: no position is.
    pub(crate) fn new(units: Box<[Unit]>, commits: Box<[AtomicU64]>) -> Ring {
        debug_assert!(units.len().is_power_of_two() && units.len() == commits.len());
        let mask = units.len() as u64 - 1;
        Ring { tail: Apart(AtomicU64::new(0)), head: Apart(AtomicU64::new(0)), units, commits, mask }
    }

    /// Units in the ring.
    pub(crate) fn capacity(&self) -> u64 {
        self.mask + 1
    }

    /// Where the next record will start, as producers see it: every record below is reserved. Closed or not.
    pub(crate) fn tail(&self) -> u64 {
        self.tail.0.load(Acquire) & !CLOSED
    }

    /// Whether the log is open and ends at `position`: nothing is queued behind it.
    #[inline(always)]
    pub(crate) fn open_and_ends_at(&self, position: u64) -> bool {
        self.tail.0.load(Acquire) == position
    }

    /// Ends the log: no reservation succeeds from here on.
    pub(crate) fn close(&self) {
        self.tail.0.fetch_or(CLOSED, AcqRel);
    }

    /// Units reserved and not yet consumed.
    pub(crate) fn used(&self) -> u64 {
        self.tail().saturating_sub(self.head.0.load(Relaxed))
    }

    /// Reserves `count` units in one piece.
    pub(crate) fn reserve(&self, count: u64) -> Result<Reserved, Refusal> {
        let mut tail = self.tail.0.load(Relaxed);
        loop {
            if tail & CLOSED != 0 {
                return Err(Refusal::Closed);
            }
            let left = self.capacity() - (tail & self.mask);
            let skip = if count > left { left } else { 0 };
            let end = tail + skip + count;
            // Acquire: the consumer has read what lay here before.
            let head = self.head.0.load(Acquire);
            if head > tail & !CLOSED {
                // The tail is old: others have come and been consumed meanwhile.
                tail = self.tail.0.load(Relaxed);
                continue;
            }
            if end - head > self.capacity() {
                return Err(Refusal::Full);
            }
            // AcqRel: a reservation is ordered after those that it follows, and closing sees it.
            match self.tail.0.compare_exchange_weak(tail, end, AcqRel, Relaxed) {
                Ok(_) => return Ok(Reserved { at: tail + skip, skipped: (skip != 0).then_some(tail) }),
                Err(now) => tail = now,
            }
        }
    }

    /// The bytes of the unit at `position`.
    pub(crate) fn unit(&self, position: u64) -> &Unit {
        &self.units[(position & self.mask) as usize]
    }

    /// Makes a written record visible to the consumer.
    pub(crate) fn commit(&self, reserved: Reserved) {
        if let Some(skipped) = reserved.skipped {
            self.commits[(skipped & self.mask) as usize].store(Self::skip_mark(skipped), Release);
        }
        self.commits[(reserved.at & self.mask) as usize].store(reserved.at + 1, Release);
    }

    fn skip_mark(position: u64) -> u64 {
        (position + 1) | CLOSED
    }

    /// Consumer: where the record at `head` lies (past a skipped end of the ring), once it is committed.
    pub(crate) fn committed(&self, head: u64) -> Option<u64> {
        let word = self.commits[(head & self.mask) as usize].load(Acquire);
        if word == Self::skip_mark(head) {
            let start = head + (self.capacity() - (head & self.mask));
            return (self.commits[0].load(Acquire) == start + 1).then_some(start);
        }
        (word == head + 1).then_some(head)
    }

    /// Consumer: everything below `position` has been read and may be overwritten.
    pub(crate) fn consumed(&self, position: u64) {
        self.head.0.store(position, Release);
    }
}
