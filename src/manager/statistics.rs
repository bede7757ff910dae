//! Statistics of a manager: its counters, and the snapshot that a query returns.
//!
//! A counter has one writer at a time (the role holder) or is rarely written, so that counting costs a store.

use std::fmt;

use crate::error::Status;
use crate::handle::lease;
use crate::manager::copies::copies::StateCopies;
use crate::sync::counter::{self, Counter, Histogram};

/// Entries of the table of refused calls: the statuses are below.
const STATUSES: usize = 40;

/// Declares the counters of a manager.
macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// The counters of one manager.
        #[derive(Debug)]
        pub(crate) struct ManagerCounters {
            $($(#[$doc])* pub(crate) $field: Counter,)*
            /// Synchronizes that waited or ran a flush.
            pub(crate) waited: Histogram,
            refused: [Counter; STATUSES],
        }

        impl ManagerCounters {
            pub(crate) fn new() -> ManagerCounters {
                ManagerCounters {
                    $($field: Counter::default(),)*
                    waited: Histogram::new(),
                    refused: std::array::from_fn(|_| Counter::default()),
                }
            }
        }
    };
}

counters! {
    /// Updates applied without a record in the log.
    in_place,
    /// Updates applied from the log.
    from_log,
    /// Updates applied from feeds.
    from_feeds,
    /// Feeds that stopped at a bad record.
    feeds_stopped,
    bytes,
    applied_by_worker,
    epochs,
    copies_replaced,
    copies_forward,
    copied_forward_bytes,
    queue_high_water,
    waits,
    stalls,
    outsized,
    copies_present,
    extra_copies,
    extra_copies_most,
}

/// Declares the snapshot: for each number its documentation, its field, and its name in the text.
macro_rules! statistics {
    ($($(#[$doc:meta])* $field:ident: $name:literal,)*) => {
        /// What a manager has counted since its creation. Displays as text, one line per number.
        ///
        /// ```
        /// use backbuf::{Manager, Timeout};
        /// let manager = Manager::<u8>::new(&[8])?;
        /// manager.enqueue(0, &[1, 2], Timeout::TRY)?;
        /// let statistics = manager.statistics();
        /// assert_eq!((statistics.updates, statistics.bytes), (1, 2));
        /// assert!(statistics.to_string().contains("updates: 1\n"));
        /// # Ok::<(), backbuf::Error>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Statistics {
            $($(#[$doc])* pub $field: u64,)*
            /// Durations of the synchronizes that waited or ran a flush: entry k counts 2^k up to 2^(k+1) ns.
            pub wait_histogram: [u64; 64],
            /// Refused calls by status.
            pub refused: [u64; STATUSES],
        }

        impl fmt::Display for Statistics {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(writeln!(f, "{}: {}", $name, self.$field)?;)*
                counter::write_histogram(f, "synchronize waited", &self.wait_histogram)?;
                for (code, count) in self.refused.iter().enumerate().filter(|(_, count)| **count > 0) {
                    writeln!(f, "refused with status {}: {count}", -(code as i64))?;
                }
                Ok(())
            }
        }
    };
}

statistics! {
    /// Updates applied; a batch counts each of its own.
    updates: "updates",
    /// Bytes that updates wrote.
    bytes: "bytes",
    /// Updates applied by callers.
    applied_by_caller: "applied by caller",
    /// Updates applied by the worker.
    applied_by_worker: "applied by worker",
    /// Epochs published.
    epochs: "epochs",
    /// Times that a lease held the copy to be written next, so that another copy was written instead.
    copies_replaced: "copies replaced",
    /// Ranges copied forward to a stale copy.
    copies_forward: "copies forward",
    /// Bytes of these ranges.
    copied_forward_bytes: "copied forward bytes",
    /// The maximum of bytes in the queue.
    queue_high_water_bytes: "queue high water bytes",
    /// Calls that waited.
    waits: "waits",
    /// Times that backend work outlasted the watchdog.
    stalls: "stalls",
    /// Live leases of fronts.
    leases_live: "leases live",
    /// Leases of this process whose object was destroyed first.
    leases_leaked: "leases leaked",
    /// Updates and batches that were too large for the queue.
    outsized_updates: "outsized updates",
    /// Refused calls.
    refused_total: "refused",
    /// Copies that have memory.
    copies_present: "copies present",
    /// Those of them beyond [`Config::copies`](crate::manager::config::Config::copies).
    extra_copies: "extra copies",
    /// The maximum of extra copies at one time.
    extra_copies_most: "extra copies most",
    /// The epoch of the oldest leased front; 0 without one.
    oldest_lease_epoch: "oldest lease epoch",
    /// The thread that took that lease; 0 without one.
    oldest_lease_thread: "oldest lease thread",
    /// The minimum age of that lease. Taking a lease reads no clock: its age counts from the first report, error or query that
    /// read it, and is 0 then. The lease may be much older.
    oldest_lease_age_ns: "oldest lease age at least ns",
    /// Updates applied from feeds.
    fed_updates: "fed updates",
    /// Feeds that stopped at a bad record.
    feeds_stopped: "feeds stopped",
}

impl ManagerCounters {
    /// Counts a refused call.
    pub(crate) fn refuse(&self, status: Status) {
        if let Some(counter) = self.refused.get(status as usize) {
            counter.bump(1);
        }
    }

    /// Counts updates that were applied without a record in the log. Requires the applier role.
    #[inline(always)]
    pub(crate) fn count_in_place(&self, updates: u64, bytes: u64) {
        self.in_place.add(updates);
        self.bytes.add(bytes);
    }

    /// Records the number of copies with memory; `ordinary` of them are not extra. Requires the applier role.
    pub(crate) fn count_copies(&self, present: u32, ordinary: u32) {
        let extra = u64::from(present.saturating_sub(ordinary));
        self.copies_present.set(present.into());
        self.extra_copies.set(extra);
        self.extra_copies_most.raise(extra);
    }

    /// Updates applied.
    pub(crate) fn updates(&self) -> u64 {
        self.in_place.get() + self.from_log.get() + self.from_feeds.get()
    }

    /// A snapshot, with the leases of `copies`.
    pub(crate) fn read(&self, copies: &StateCopies) -> Statistics {
        let oldest = copies.oldest_lease();
        let (updates, by_worker) = (self.updates(), self.applied_by_worker.get());
        let refused = std::array::from_fn(|code| self.refused[code].get());
        Statistics {
            updates,
            bytes: self.bytes.get(),
            applied_by_caller: updates.saturating_sub(by_worker),
            applied_by_worker: by_worker,
            epochs: self.epochs.get(),
            copies_replaced: self.copies_replaced.get(),
            copies_forward: self.copies_forward.get(),
            copied_forward_bytes: self.copied_forward_bytes.get(),
            queue_high_water_bytes: self.queue_high_water.get(),
            waits: self.waits.get(),
            stalls: self.stalls.get(),
            leases_live: copies.leases(),
            leases_leaked: lease::leaked(),
            outsized_updates: self.outsized.get(),
            refused_total: refused.iter().sum(),
            wait_histogram: self.waited.get(),
            refused,
            copies_present: self.copies_present.get(),
            extra_copies: self.extra_copies.get(),
            extra_copies_most: self.extra_copies_most.get(),
            oldest_lease_epoch: oldest.map_or(0, |lease| lease.about),
            oldest_lease_thread: oldest.map_or(0, |lease| lease.thread.into()),
            oldest_lease_age_ns: oldest.map_or(0, |lease| lease.age_ns),
            fed_updates: self.from_feeds.get(),
            feeds_stopped: self.feeds_stopped.get(),
        }
    }
}
