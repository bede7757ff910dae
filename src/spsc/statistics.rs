//! Counters of the ends of a ring and of its streams, and the statistics made of them.

use std::fmt;

use crate::sync::counter::{self, Counter, Histogram};

/// The counters of one end. The end's own thread writes them.
#[derive(Debug)]
pub(crate) struct EndCounters {
    pub(crate) operations: Counter,
    pub(crate) misses: Counter,
    pub(crate) waits: Counter,
    pub(crate) wakes: Counter,
    pub(crate) high_water: Counter,
    /// Bytes that were overwritten before they were received.
    pub(crate) overwritten: Counter,
    pub(crate) waited: Histogram,
}

impl EndCounters {
    pub(crate) fn new() -> EndCounters {
        EndCounters {
            operations: Counter::default(),
            misses: Counter::default(),
            waits: Counter::default(),
            wakes: Counter::default(),
            high_water: Counter::default(),
            overwritten: Counter::default(),
            waited: Histogram::new(),
        }
    }

    /// Records how full this end found the ring.
    #[inline(always)]
    pub(crate) fn saw(&self, used: u64) {
        if used > self.high_water.get() {
            self.high_water.set(used);
        }
    }

    pub(crate) fn read(&self, capacity: u64, bytes: u64, lost: u64) -> EndStatistics {
        EndStatistics {
            capacity,
            bytes,
            operations: self.operations.get(),
            misses: self.misses.get(),
            waits: self.waits.get(),
            wakes: self.wakes.get(),
            high_water: self.high_water.get(),
            wait_histogram: self.waited.get(),
            lost,
        }
    }
}

/// The counters of one end of a ring since it was made. Displays as text, one figure a line.
///
/// ```
/// let (mut sender, mut receiver) = backbuf::spsc::ring(64)?;
/// sender.send(b"abc")?;
/// receiver.recv(&mut [0; 2])?;
/// assert_eq!((sender.statistics().bytes, receiver.statistics().bytes), (3, 2));
/// assert!(sender.statistics().to_string().contains("operations: 1\n"));
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndStatistics {
    /// Bytes that the ring holds.
    pub capacity: u64,
    /// Bytes that went through this end.
    pub bytes: u64,
    /// Calls that moved bytes.
    pub operations: u64,
    /// Calls that found the ring full (sender) or empty (receiver).
    pub misses: u64,
    /// Waits that did not return at once.
    pub waits: u64,
    /// Times that this end woke the other one.
    pub wakes: u64,
    /// The most bytes that this end has found in the ring.
    pub high_water: u64,
    /// Durations of waits: element k counts those of 2^k to 2^(k+1) nanoseconds.
    pub wait_histogram: [u64; 64],
    /// Records that were overwritten before they were received: by this sender, or since this receiver was made.
    pub lost: u64,
}

impl fmt::Display for EndStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("capacity", self.capacity),
            ("bytes", self.bytes),
            ("operations", self.operations),
            ("misses", self.misses),
            ("waits", self.waits),
            ("wakes", self.wakes),
            ("high water bytes", self.high_water),
            ("lost records", self.lost),
        ];
        for (name, value) in lines {
            writeln!(f, "{name}: {value}")?;
        }
        counter::write_histogram(f, "waited", &self.wait_histogram)
    }
}

/// The counters of a stream since it was made. Displays as text, one figure a line.
///
/// ```
/// use backbuf::{Timeout, spsc::{self, StreamConfig}};
/// let (mut sender, receiver) = spsc::ring(64)?;
/// let mut stream = receiver.into_stream(StreamConfig::default())?;
/// sender.send(b"abc")?;
/// let chunk = stream.next_chunk(Timeout::FOREVER)?;
/// let statistics = stream.statistics();
/// assert_eq!((statistics.bytes, statistics.misses, statistics.live), (3, 1, 1));
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamStatistics {
    /// Chunks given.
    pub chunks: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Buffers taken from the pool.
    pub hits: u64,
    /// Buffers allocated.
    pub misses: u64,
    /// Chunks that have not been returned.
    pub live: u64,
    /// Buffers in the pool.
    pub kept: u64,
    /// Bytes of the next buffer.
    pub buffer_size: u64,
    /// Waits that did not return at once.
    pub waits: u64,
}

impl fmt::Display for StreamStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("chunks", self.chunks),
            ("bytes", self.bytes),
            ("hits", self.hits),
            ("misses", self.misses),
            ("live", self.live),
            ("kept", self.kept),
            ("buffer size", self.buffer_size),
            ("waits", self.waits),
        ];
        lines.iter().try_for_each(|(name, value)| writeln!(f, "{name}: {value}"))
    }
}
