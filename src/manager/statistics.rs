//! What a manager counts. Counters have one writer at a time (the role's holder) or are rare, so counting costs a store.

use std::fmt;

use crate::counter::{self, Counter, Histogram};

/// The counters of one manager.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) updates: Counter,
    pub(crate) bytes: Counter,
    pub(crate) applied_by_worker: Counter,
    pub(crate) epochs: Counter,
    pub(crate) copies_forward: Counter,
    pub(crate) copied_forward_bytes: Counter,
    pub(crate) queue_high_water: Counter,
    pub(crate) waits: Counter,
    pub(crate) stalls: Counter,
    pub(crate) outsized: Counter,
    /// Synchronizes that waited or ran a flush.
    pub(crate) waited: Histogram,
    pub(crate) refused: [Counter; 40],
}

impl Counters {
    /// Counts a refused call.
    #[cfg(feature = "capi")]
    pub(crate) fn refuse(&self, status: crate::Status) {
        if let Some(counter) = self.refused.get(status as usize) {
            counter.bump(1);
        }
    }

    pub(crate) fn new() -> Counters {
        Counters {
            updates: Counter::default(),
            bytes: Counter::default(),
            applied_by_worker: Counter::default(),
            epochs: Counter::default(),
            copies_forward: Counter::default(),
            copied_forward_bytes: Counter::default(),
            queue_high_water: Counter::default(),
            waits: Counter::default(),
            stalls: Counter::default(),
            outsized: Counter::default(),
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
    /// Times that front and back changed places.
    pub swaps: u64,
    /// Ranges copied forward to a copy that lacked them.
    pub copies_forward: u64,
    /// Bytes of them.
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
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("updates", self.updates),
            ("bytes", self.bytes),
            ("applied by caller", self.applied_by_caller),
            ("applied by worker", self.applied_by_worker),
            ("epochs", self.epochs),
            ("swaps", self.swaps),
            ("copies forward", self.copies_forward),
            ("copied forward bytes", self.copied_forward_bytes),
            ("queue high water bytes", self.queue_high_water_bytes),
            ("waits", self.waits),
            ("stalls", self.stalls),
            ("leases live", self.leases_live),
            ("leases leaked", self.leases_leaked),
            ("outsized updates", self.outsized_updates),
            ("refused", self.refused_total),
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
