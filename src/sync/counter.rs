//! Counters that anybody may read at any time. Those with one writer cost a load and a store.

use std::fmt;

use crate::sync::atomic::{AtomicU64, Ordering::*};

/// A number that is counted up.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// For counters with one writer at a time.
    #[inline(always)]
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// For high waters, which have several writers.
    pub(crate) fn raise(&self, value: u64) {
        if value > self.get() {
            self.0.fetch_max(value, Relaxed);
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// For counters with several writers.
    pub(crate) fn bump(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }
}

/// How long waits took: bucket k counts those of 2^k to 2^(k+1) nanoseconds.
#[derive(Debug)]
pub(crate) struct Histogram([Counter; 64]);

impl Histogram {
    pub(crate) fn new() -> Histogram {
        Histogram(std::array::from_fn(|_| Counter::default()))
    }

    /// Counts one wait. It may have several writers.
    pub(crate) fn count(&self, nanoseconds: u64) {
        self.0[nanoseconds.max(1).ilog2() as usize].bump(1);
    }

    pub(crate) fn get(&self) -> [u64; 64] {
        std::array::from_fn(|power| self.0[power].get())
    }
}

/// Writes the filled buckets of a histogram, a line each.
pub(crate) fn write_histogram(f: &mut fmt::Formatter<'_>, what: &str, histogram: &[u64; 64]) -> fmt::Result {
    for (power, count) in histogram.iter().enumerate().filter(|(_, count)| **count > 0) {
        writeln!(f, "{what} {} to {} ns: {count}", 1u64 << power, (1u128 << (power + 1)) - 1)?;
    }
    Ok(())
}
