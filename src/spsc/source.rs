//! The receiving side of a stream, which the Rust and the C API share: fills pooled buffers with what arrives in a ring.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::task::Waker;

use crate::alloc::Arc;
use crate::error::{Error, Label, Result, Status};
use crate::log::{self, Level};
use crate::spsc::adaptive_size::AdaptiveSize;
use crate::spsc::flow::Flow;
use crate::spsc::pool::{BufferPool, ChunkBuffer, PoolReturns};
use crate::spsc::ring::Ring;
use crate::spsc::rx::Rx;
use crate::spsc::statistics::StreamStatistics;
use crate::sync::atomic::{AtomicU64, Ordering::*};
use crate::sync::counter::Counter;
use crate::sync::mutex::Mutex;
use crate::sys::clock::{Deadline, Timeout};

/// The smallest `pool_size`. A smaller one is more likely a number of buffers, and a chunk would cost more than its bytes.
const LEAST_POOL_SIZE: u64 = 64;

/// Configuration of a stream.
///
/// ```
/// use backbuf::spsc::{self, StreamConfig};
/// let (_sender, receiver) = spsc::ring(1 << 20)?;
/// let config = StreamConfig { pool_size: 64 << 10, record_size: 64, ..StreamConfig::default() };
/// let stream = receiver.into_stream(config)?;
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StreamConfig<'a> {
    /// Bytes of a pool buffer, at least, and at least 64; buffers grow, up to the ring's capacity, while large reads are usual. 8192
    /// by default.
    pub pool_size: u64,
    /// The fewest bytes of a chunk, except at the end of the stream. 1 by default.
    pub min_size: u64,
    /// Number of buffers that are kept for reuse. 16 by default.
    pub pool_count: u32,
    /// Bytes of a record: each chunk holds whole records, and a stream that ends inside of a record ends with
    /// [`Status::Align`]. 0, the default, for no records, or for those of a ring that overwrites its oldest records.
    pub record_size: u64,
    /// Name in messages and logs; the ring's name if empty.
    pub label: &'a str,
}

impl Default for StreamConfig<'_> {
    fn default() -> Self {
        StreamConfig { pool_size: 8192, min_size: 1, pool_count: 16, record_size: 0, label: "" }
    }
}

/// Makes chunks of what a receiving end receives.
#[derive(Debug)]
pub(crate) struct ChunkSource {
    rx: Rx,
    returns: Arc<PoolReturns>,
    label: Label,
    /// The fewest bytes of a chunk, except at the end.
    least: u64,
    record: u64,
    /// Locked only by `try_lock`: one call at a time, and a second one is refused.
    gathering: Mutex<Gathering>,
    chunks: Counter,
    bytes: Counter,
    size: AtomicU64,
}

/// What the call inside of a stream works on.
#[derive(Debug)]
struct Gathering {
    pool: BufferPool,
    size: AdaptiveSize,
    /// Chunks that are filled and not given yet, because a call that wanted more of them timed out.
    pending: VecDeque<ChunkBuffer>,
}

impl ChunkSource {
    /// Refuses a config that cannot be, before the receiving end is given away.
    pub(crate) fn check(ring: &Ring, config: &StreamConfig<'_>) -> Result<()> {
        let (size, capacity) = (config.pool_size, ring.capacity());
        if size < LEAST_POOL_SIZE {
            let message =
                "a pool buffer has at least 64 bytes; the number of buffers that are kept is pool_count";
            return Err(Error::value(Status::Argument, "pool_size", size, message));
        }
        if size > isize::MAX as u64 / 2 {
            return Err(Error::value(Status::Range, "pool_size", size, "more than the address space holds"));
        }
        let record = record_size(ring, config);
        if record != config.record_size && config.record_size != 0 {
            let message = "the ring overwrites its oldest records, of another size: give 0, or its overwrite_record_size";
            return Err(Error::value(Status::Argument, "record_size", config.record_size, message));
        }
        for (param, value) in [("record_size", record), ("min_size", least(config, record))] {
            if value > size.min(capacity) {
                let message = "more than a buffer or the ring holds; raise pool_size or the ring's capacity";
                return Err(Error::value(Status::Range, param, value, message));
            }
        }
        Ok(())
    }

    /// Takes a pool that has been made, so that nothing can fail after the receiving end was given away.
    pub(crate) fn new(rx: Rx, pool: BufferPool, config: &StreamConfig<'_>) -> ChunkSource {
        let capacity = rx.ring().capacity();
        let record = record_size(rx.ring(), config);
        let label = match config.label {
            "" => rx.ring().label,
            label => Label::new(label),
        };
        ChunkSource {
            returns: pool.returns().clone(),
            label,
            least: least(config, record),
            record,
            gathering: Mutex::new(Gathering {
                pool,
                size: AdaptiveSize::new(config.pool_size, capacity),
                pending: VecDeque::new(),
            }),
            chunks: Counter::default(),
            bytes: Counter::default(),
            size: AtomicU64::new(config.pool_size),
            rx,
        }
    }

    pub(crate) fn ring(&self) -> &Arc<Ring> {
        self.rx.ring()
    }

    pub(crate) fn label(&self) -> Label {
        self.label
    }

    /// Gives `count` chunks together, fewer only at the end of the stream; or, if `ready`, at least one and those that are available.
    /// Returns how many were given. A chunk that `give` refuses is kept for the next call, and so are those that a failing call
    /// has gathered.
    pub(crate) fn gather(
        &self,
        count: usize,
        ready: bool,
        timeout: Timeout,
        mut give: impl FnMut(ChunkBuffer) -> std::result::Result<(), (ChunkBuffer, Error)>,
    ) -> Result<std::result::Result<usize, Flow>> {
        let gathering = &mut *self.gathering.try_lock().ok_or_else(in_use)?;
        let deadline = Deadline::after(timeout);
        // If `ready`: the rest of the bytes that were available for the first chunk. Later ones do not count, because a sender that
        // keeps up would never let the call return.
        let mut ready_bytes = None;
        while gathering.pending.len() < count {
            let some = !gathering.pending.is_empty();
            if ready && ready_bytes.is_some_and(|left| left < self.least) {
                break;
            }
            let deadline = if ready && some { Deadline::PAST } else { deadline };
            match self.next_chunk(gathering, deadline) {
                Ok(Ok((chunk, available))) => {
                    ready_bytes = Some(ready_bytes.unwrap_or(available).saturating_sub(chunk.bytes));
                    gathering.pending.push_back(chunk);
                }
                // The chunks so far are given first. The next call reports how the stream ended.
                Ok(Err(flow)) if some && (ready || flow == Flow::Closed) => break,
                Err(error) if some && (ready || error.status() == Status::Align) => break,
                Ok(Err(flow)) => return Ok(Err(flow)),
                Err(error) => return Err(error),
            }
        }
        let mut given = 0;
        while given < count
            && let Some(chunk) = gathering.pending.pop_front()
        {
            let bytes = chunk.bytes;
            if let Err((chunk, error)) = give(chunk) {
                gathering.pending.push_front(chunk);
                return if given > 0 { Ok(Ok(given)) } else { Err(error) };
            }
            given += 1;
            self.chunks.add(1);
            self.bytes.add(bytes);
        }
        Ok(Ok(given))
    }

    /// Waits for the next chunk. With it, the bytes that were available for it.
    fn next_chunk(
        &self,
        gathering: &mut Gathering,
        deadline: Deadline,
    ) -> Result<std::result::Result<(ChunkBuffer, u64), Flow>> {
        gathering.pending.try_reserve(1)?;
        let available = match self.rx.wait_for(self.least, deadline)? {
            Flow::Done => self.rx.count_available(1)?,
            // The sender has closed, and fewer than `least` bytes are left.
            Flow::Closed if !self.rx.is_closed() => self.rx.count_available(1)?,
            flow => return Ok(Err(flow)),
        };
        match available {
            Ok(bytes) => Ok(Ok((self.fill(gathering, bytes)?, bytes))),
            Err(flow) => Ok(Err(flow)),
        }
    }

    /// A buffer with the next of the `available` bytes.
    fn fill(&self, gathering: &mut Gathering, available: u64) -> Result<ChunkBuffer> {
        let size = gathering.size.size();
        let whole = |bytes: u64| if self.record == 0 { bytes } else { bytes - bytes % self.record };
        let bytes = whole(available.min(size));
        if bytes == 0 {
            let message = "the stream has ended inside of a record";
            return Err(Error::value(Status::Align, "the last bytes", available, message));
        }
        // If this fails, the bytes stay in the ring.
        let mut chunk = gathering.pool.lend(size)?;
        // SAFETY: the buffer has `size` bytes, which are no fewer.
        chunk.bytes = unsafe { self.rx.read_any(chunk.data(), bytes) }.bytes;
        gathering.size.record(chunk.bytes, whole(size));
        self.size.store(gathering.size.size(), Relaxed);
        Ok(chunk)
    }

    pub(crate) fn fd(&self) -> Result<RawFd> {
        self.rx.fd()
    }

    /// Makes the descriptor readable when a chunk or the end is available. [`Flow::Empty`]: it is armed. Else one is available now.
    pub(crate) fn arm(&self) -> Result<Flow> {
        let gathering = self.gathering.try_lock().ok_or_else(in_use)?;
        if !gathering.pending.is_empty() {
            return Ok(Flow::Done);
        }
        Ok(match self.rx.arm(self.least)? {
            Flow::Empty => Flow::Empty,
            _ => Flow::Done,
        })
    }

    /// The waker is called when a chunk or the end is available. False: it will be. Else one is available now.
    pub(crate) fn poll(&self, waker: &Waker) -> Result<bool> {
        let gathering = self.gathering.try_lock().ok_or_else(in_use)?;
        Ok(!gathering.pending.is_empty() || self.rx.poll(self.least, waker)?.is_some())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.rx.is_closed()
    }

    pub(crate) fn close(&self) {
        self.rx.close();
    }

    pub(crate) fn statistics(&self) -> StreamStatistics {
        StreamStatistics {
            chunks: self.chunks.get(),
            bytes: self.bytes.get(),
            hits: self.returns.hits.get(),
            misses: self.returns.misses.get(),
            live: self.returns.live(),
            kept: self.returns.kept(),
            buffer_size: self.size.load(Relaxed),
            waits: self.rx.statistics().waits,
        }
    }
}

/// Bytes of a record: the ring's, if the ring has records.
fn record_size(ring: &Ring, config: &StreamConfig<'_>) -> u64 {
    if ring.record == 0 { config.record_size } else { ring.record }
}

/// The fewest bytes of a chunk: `min_size`, in whole records.
fn least(config: &StreamConfig<'_>, record: u64) -> u64 {
    config.min_size.max(1).checked_next_multiple_of(record.max(1)).unwrap_or(u64::MAX)
}

#[cold]
fn in_use() -> Error {
    Error::text(Status::Busy, "another thread is inside of a call on the same stream")
}

impl Drop for ChunkSource {
    fn drop(&mut self) {
        self.gathering.get_mut().pending.clear();
        let live = self.returns.live();
        if live > 0 {
            // At level debug, because it is ordinary: a loop over the chunks still holds the last one when the stream ends.
            let text = format_args!("stream destroyed; chunks that are still held stay valid: {live}");
            log::record(Level::Debug, "spsc", self.label.as_str(), text);
        }
    }
}
