//! What a manager counts. Counters have one writer at a time (the role's holder) or are rare, so counting costs a store.

use std::fmt;

use crate::sync::counter;
use crate::sync::counter::{Counter, Histogram};

/// The counters of one manager.
#[derive(Debug)]
pub(crate) struct Counters {
    /// Updates applied in place, and out of the log.
    pub(crate) in_place: Counter,
    pub(crate) from_log: Counter,
    pub(crate) bytes: Counter,
    pub(crate) applied_by_worker: Counter,
    pub(crate) epochs: Counter,
    pub(crate) copies_replaced: Counter,
    pub(crate) copies_forward: Counter,
    pub(crate) copied_forward_bytes: Counter,
    pub(crate) queue_high_water: Counter,
    pub(crate) waits: Counter,
    pub(crate) stalls: Counter,
    pub(crate) outsized: Counter,
    pub(crate) copies_present: Counter,
    pub(crate) extra_copies: Counter,
    pub(crate) extra_copies_most: Counter,
    /// Synchronizes that waited or ran a flush.
    pub(crate) waited: Histogram,
    pub(crate) refused: [Counter; 40],
}

impl Counters {
    /// Counts a refused call.
    pub(crate) fn refuse(&self, status: crate::error::Status) {
        if let Some(counter) = self.refused.get(status as usize) {
            counter.bump(1);
        }
    }

    /// So many copies have memory now, of which `ordinary` are not extra. The role's holder only.
    pub(crate) fn count_copies(&self, present: u32, ordinary: u32) {
        let extra = u64::from(present.saturating_sub(ordinary));
        self.copies_present.set(present.into());
        self.extra_copies.set(extra);
        self.extra_copies_most.raise(extra);
    }

    /// Updates applied.
    pub(crate) fn updates(&self) -> u64 {
        self.in_place.get() + self.from_log.get()
    }

    pub(crate) fn new() -> Counters {
        Counters {
            in_place: Counter::default(),
            from_log: Counter::default(),
            bytes: Counter::default(),
            applied_by_worker: Counter::default(),
            epochs: Counter::default(),
            copies_replaced: Counter::default(),
            copies_forward: Counter::default(),
            copied_forward_bytes: Counter::default(),
            queue_high_water: Counter::default(),
            waits: Counter::default(),
            stalls: Counter::default(),
            outsized: Counter::default(),
            copies_present: Counter::default(),
            extra_copies: Counter::default(),
            extra_copies_most: Counter::default(),
            waited: Histogram::new(),
            refused: std::array::from_fn(|_| Counter::default()),
        }
    }
}

/// What a manager has counted since it was made. Displays as text, a line a figure.
///
/// ```
/// use backbuf::{DType, Timeout, manager::Manager};
/// let manager = Manager::new(DType::U8, &[8])?;
/// manager.enqueue(0, &[1, 2], Timeout::TRY)?;
/// let statistics = manager.statistics();
/// assert_eq!((statistics.updates, statistics.bytes), (1, 2));
/// assert!(statistics.to_string().contains("updates: 1\n"));
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Updates applied; a batch counts each of its own.
    pub updates: u64,
    /// Bytes that updates wrote.
    pub bytes: u64,
    /// Updates applied by callers.
    pub applied_by_caller: u64,
    /// Updates applied by the worker.
    pub applied_by_worker: u64,
    /// Epochs published.
    pub epochs: u64,
    /// Times that a lease held the copy to be written next, so that another copy was written instead.
    pub copies_replaced: u64,
    /// Ranges copied forward to a copy that lacked them.
    pub copies_forward: u64,
    /// Bytes of these ranges.
    pub copied_forward_bytes: u64,
    /// The most bytes that waited in the queue at once.
    pub queue_high_water_bytes: u64,
    /// Waits that could not be answered at once.
    pub waits: u64,
    /// Times that backend work outlasted the watchdog.
    pub stalls: u64,
    /// Leases that are held now.
    pub leases_live: u64,
    /// Leases of this process whose object went first.
    pub leases_leaked: u64,
    /// Updates and batches that were too large for the queue.
    pub outsized_updates: u64,
    /// Calls refused.
    pub refused_total: u64,
    /// How long the synchronizes took that waited or ran a flush: entry k counts 2^k up to 2^(k+1) ns.
    pub wait_histogram: [u64; 64],
    /// Calls refused, by status.
    pub refused: [u64; 40],
    /// Copies that have memory now.
    pub copies_present: u64,
    /// Those of them beyond [`Config::copies`](super::Config::copies).
    pub extra_copies: u64,
    /// The most extra copies that there were at once.
    pub extra_copies_most: u64,
    /// The epoch of the oldest front that is held now, and the thread that took its lease; 0 without one.
    pub oldest_lease_epoch: u64,
    /// See `oldest_lease_epoch`.
    pub oldest_lease_thread: u64,
    /// How long that lease has been held at least. Taking a lease reads no clock: its age counts from the first time that a
    /// report, an error or a query looked at it, and is 0 then. It may have been held for much longer.
    pub oldest_lease_age_ns: u64,
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("updates", self.updates),
            ("bytes", self.bytes),
            ("applied by caller", self.applied_by_caller),
            ("applied by worker", self.applied_by_worker),
            ("epochs", self.epochs),
            ("copies replaced", self.copies_replaced),
            ("copies forward", self.copies_forward),
            ("copied forward bytes", self.copied_forward_bytes),
            ("queue high water bytes", self.queue_high_water_bytes),
            ("waits", self.waits),
            ("stalls", self.stalls),
            ("leases live", self.leases_live),
            ("leases leaked", self.leases_leaked),
            ("outsized updates", self.outsized_updates),
            ("refused", self.refused_total),
            ("copies present", self.copies_present),
            ("extra copies", self.extra_copies),
            ("extra copies most", self.extra_copies_most),
            ("oldest lease epoch", self.oldest_lease_epoch),
            ("oldest lease thread", self.oldest_lease_thread),
            ("oldest lease age at least ns", self.oldest_lease_age_ns),
        ];
        for (name, value) in lines {
            writeln!(f, "{name}: {value}")?;
        }
        counter::write_histogram(f, "synchronize waited", &self.wait_histogram)?;
        for (code, count) in self.refused.iter().enumerate().filter(|(_, count)| **count > 0) {
            writeln!(f, "refused with status {}: {count}", -(code as i64))?;
        }
        Ok(())
    }
}
