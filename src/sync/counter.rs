//! Statistics counters: readable at any time. A counter with one writer costs a load and a store.

use std::fmt;

use crate::sync::atomic::{AtomicU64, Ordering::*};

/// A counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds to a counter that has one writer at a time.
    #[inline(always)]
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Raises a maximum. There may be several writers.
    pub(crate) fn raise(&self, value: u64) {
        if value > self.get() {
            self.0.fetch_max(value, Relaxed);
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Adds to a counter with several writers.
    pub(crate) fn bump(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }
}

/// A histogram of durations: bucket k counts those from 2^k up to 2^(k+1) nanoseconds.
#[derive(Debug)]
pub(crate) struct Histogram([Counter; 64]);

impl Histogram {
    pub(crate) fn new() -> Histogram {
        Histogram(std::array::from_fn(|_| Counter::default()))
    }

    /// Counts one duration. There may be several writers.
    pub(crate) fn count(&self, nanoseconds: u64) {
        self.0[nanoseconds.max(1).ilog2() as usize].bump(1);
    }

    pub(crate) fn get(&self) -> [u64; 64] {
        std::array::from_fn(|power| self.0[power].get())
    }
}

/// Writes the filled buckets of a histogram, a line each.
pub(crate) fn write_histogram(f: &mut fmt::Formatter<'_>, name: &str, histogram: &[u64; 64]) -> fmt::Result {
    for (power, count) in histogram.iter().enumerate().filter(|(_, count)| **count > 0) {
        writeln!(f, "{name} {} to {} ns: {count}", 1u64 << power, (1u128 << (power + 1)) - 1)?;
    }
    Ok(())
}
