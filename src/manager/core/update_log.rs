//! The update log: a multi-producer ring of variable-length records, consumed by the role holder.
//!
//! A producer reserves whole units by one compare-and-swap on `tail`, writes its record, and commits it by storing the
//! record's position in the commit word of its first unit. Positions never repeat, so a word left by an earlier lap is never
//! mistaken for a commit. Commit words are stored apart from record bytes for the same reason. Closing the log sets a bit of
//! `tail`, so that no later reservation succeeds: exactly the records below are accepted.
//!
//! Records too large for the ring have their own allocation; `outsized` bounds their bytes. The model `log` compiles this file.

use std::mem::MaybeUninit;

use crate::sync::atomic::{AtomicU64, Ordering::*, UnsafeCell};

/// Bytes of a unit: one cache line.
pub(crate) const UNIT_BYTES: u64 = 64;

/// The bit of `tail` that marks a closed log.
const CLOSED: u64 = 1 << 63;

/// The bytes of one unit.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct LogUnit(pub(crate) UnsafeCell<MaybeUninit<[u64; 8]>>);

/// A position on cache lines of its own; 128 bytes, since processors fetch lines in pairs.
#[repr(C, align(128))]
#[derive(Debug)]
struct PaddedPosition(AtomicU64);

/// The log of one manager; see the module.
#[derive(Debug)]
pub(crate) struct UpdateLog {
    tail: PaddedPosition,
    head: PaddedPosition,
    units: Box<[LogUnit]>,
    commits: Box<[AtomicU64]>,
    mask: u64,
    /// Bytes of outsized records that are not applied yet.
    outsized: AtomicU64,
}

// SAFETY: a unit is written by the producer that reserved it, and read by the consumer only after the commit.
unsafe impl Sync for UpdateLog {}
// SAFETY: as above.
unsafe impl Send for UpdateLog {}

/// The reason why a reservation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReserveError {
    /// Not enough free units.
    Full,
    /// The log is closed.
    Closed,
}

/// Units that a producer has reserved and not committed.
#[derive(Debug)]
pub(crate) struct LogReservation {
    /// The position of the record.
    pub(crate) at: u64,
    /// The position of the skipped end of the ring before the record.
    skipped: Option<u64>,
}

impl UpdateLog {
    /// A log over storage whose lengths are the same power of two. Commit words are zero, which is no position.
    pub(crate) fn new(units: Box<[LogUnit]>, commits: Box<[AtomicU64]>) -> UpdateLog {
        debug_assert!(units.len().is_power_of_two() && units.len() == commits.len());
        let mask = units.len() as u64 - 1;
        UpdateLog {
            tail: PaddedPosition(AtomicU64::new(0)),
            head: PaddedPosition(AtomicU64::new(0)),
            units,
            commits,
            mask,
            outsized: AtomicU64::new(0),
        }
    }

    /// Capacity in units.
    pub(crate) fn capacity(&self) -> u64 {
        self.mask + 1
    }

    /// The end of the log: every record below is reserved.
    pub(crate) fn tail(&self) -> u64 {
        self.tail.0.load(Acquire) & !CLOSED
    }

    /// Whether the log is open and ends at `position`, so that no record is queued after it.
    #[inline(always)]
    pub(crate) fn open_and_ends_at(&self, position: u64) -> bool {
        self.tail.0.load(Acquire) == position
    }

    /// Closes the log: no later reservation succeeds.
    pub(crate) fn close(&self) {
        self.tail.0.fetch_or(CLOSED, AcqRel);
    }

    /// Units reserved and not yet consumed.
    pub(crate) fn used(&self) -> u64 {
        self.tail().saturating_sub(self.head.0.load(Relaxed))
    }

    /// Reserves `count` contiguous units.
    pub(crate) fn reserve(&self, count: u64) -> Result<LogReservation, ReserveError> {
        let mut tail = self.tail.0.load(Relaxed);
        loop {
            if tail & CLOSED != 0 {
                return Err(ReserveError::Closed);
            }
            let left = self.capacity() - (tail & self.mask);
            let skip = if count > left { left } else { 0 };
            let end = tail + skip + count;
            // Acquire: the consumer has read the previous records of these units.
            let head = self.head.0.load(Acquire);
            if head > tail & !CLOSED {
                // The tail is outdated: later records were consumed meanwhile.
                tail = self.tail.0.load(Relaxed);
                continue;
            }
            if end - head > self.capacity() {
                return Err(ReserveError::Full);
            }
            // AcqRel: a reservation is ordered after the earlier ones, and `close` sees it.
            match self.tail.0.compare_exchange_weak(tail, end, AcqRel, Relaxed) {
                Ok(_) => return Ok(LogReservation { at: tail + skip, skipped: (skip != 0).then_some(tail) }),
                Err(now) => tail = now,
            }
        }
    }

    /// The unit at `position`.
    pub(crate) fn unit(&self, position: u64) -> &LogUnit {
        &self.units[(position & self.mask) as usize]
    }

    /// Makes a written record visible to the consumer.
    pub(crate) fn commit(&self, reserved: LogReservation) {
        if let Some(skipped) = reserved.skipped {
            self.commits[(skipped & self.mask) as usize].store(Self::skip_mark(skipped), Release);
        }
        self.commits[(reserved.at & self.mask) as usize].store(reserved.at + 1, Release);
    }

    fn skip_mark(position: u64) -> u64 {
        (position + 1) | CLOSED
    }

    /// Consumer: the position of the record at `head` (after a skipped end of the ring), if it is committed.
    pub(crate) fn committed(&self, head: u64) -> Option<u64> {
        let word = self.commits[(head & self.mask) as usize].load(Acquire);
        if word == Self::skip_mark(head) {
            let start = head + (self.capacity() - (head & self.mask));
            return (self.commits[0].load(Acquire) == start + 1).then_some(start);
        }
        (word == head + 1).then_some(head)
    }

    /// Consumer: frees the units below `position`, which have all been read.
    pub(crate) fn consumed(&self, position: u64) {
        self.head.0.store(position, Release);
    }

    /// Reserves the bytes of an outsized record: those in flight stay below `limit`, or there is only one such record.
    pub(crate) fn reserve_outsized(&self, size: u64, limit: u64) -> bool {
        let add = |used: u64| outsized_fits(used, size, limit).then_some(used + size);
        self.outsized.fetch_update(AcqRel, Acquire, add).is_ok()
    }

    /// Whether `reserve_outsized` would succeed now.
    pub(crate) fn outsized_fits(&self, size: u64, limit: u64) -> bool {
        outsized_fits(self.outsized.load(Acquire), size, limit)
    }

    /// Returns the bytes of an outsized record that was applied or refused.
    pub(crate) fn release_outsized(&self, size: u64) {
        self.outsized.fetch_sub(size, AcqRel);
    }
}

fn outsized_fits(used: u64, size: u64, limit: u64) -> bool {
    used == 0 || used + size <= limit
}

#[cfg(not(loom))]
impl UpdateLog {
    /// A log of that many units, a power of two.
    pub(crate) fn with_units(count: usize) -> crate::error::Result<UpdateLog> {
        let mut units = crate::alloc::try_vec::<LogUnit>(count)?;
        // SAFETY: the capacity was reserved, and a unit may be uninitialised: it is written before it is read.
        unsafe { units.set_len(count) };
        let mut commits = crate::alloc::try_vec(count)?;
        commits.resize_with(count, || AtomicU64::new(0));
        Ok(UpdateLog::new(units.into_boxed_slice(), commits.into_boxed_slice()))
    }

    /// The address of the record at `position`.
    pub(crate) fn record(&self, position: u64) -> *mut u8 {
        self.unit(position).0.get().cast()
    }
}
