//! What arrives, in buffers that can be held: the stream, as both Rust and C use it.

use std::collections::VecDeque;
use std::os::fd::RawFd;

use super::growth::Growth;
use super::pool::{Held, Pool};
use super::ring::Ring;
use super::rx::Rx;
use super::statistics::StreamStatistics;
use crate::alloc::Arc;
use crate::error::{Error, Label, Result, Status};
use crate::log::{self, Level};
use crate::spsc::Flow;
use crate::spsc::stream::StreamConfig;
use crate::sync::atomic::{AtomicU64, Ordering::*};
use crate::sync::counter::Counter;
use crate::sync::mutex::Mutex;
use crate::sys::clock::Deadline;
use crate::sys::clock::Timeout;

#[derive(Debug)]
pub(crate) struct Source {
    rx: Rx,
    pool: Arc<Pool>,
    label: Label,
    /// Fewer bytes make no chunk, but at the end.
    least: u64,
    record: u64,
    /// One call at a time. Only ever tried, so that nobody sleeps on it.
    state: Mutex<State>,
    chunks: Counter,
    bytes: Counter,
    size: AtomicU64,
}

#[derive(Debug)]
struct State {
    growth: Growth,
    /// Filled, and not given yet: a call that wanted more of them ran out of time.
    waiting: VecDeque<Held>,
}

impl Source {
    /// Checks the config; the receiving end is asked for only when it is fine.
    pub(crate) fn check(ring: &Ring, config: &StreamConfig<'_>) -> Result<()> {
        let (size, capacity) = (config.buffer_size, ring.capacity());
        if size == 0 {
            return Err(Error::value(Status::Argument, "buffer_size", 0, "a buffer holds at least one byte"));
        }
        if size > isize::MAX as u64 / 2 {
            return Err(Error::value(
                Status::Range,
                "buffer_size",
                size,
                "more than the address space holds",
            ));
        }
        let record = record_size(ring, config);
        if record != config.record_size && config.record_size != 0 {
            let why = "the ring overwrites its oldest records, of another size: give 0, or its overwrite_record_size";
            return Err(Error::value(Status::Argument, "record_size", config.record_size, why));
        }
        for (param, value) in [("record_size", record), ("min_size", least(config, record))] {
            if value > size.min(capacity) {
                let why = "more than a buffer or the ring holds; raise buffer_size or the ring's capacity";
                return Err(Error::value(Status::Range, param, value, why));
            }
        }
        Ok(())
    }

    /// The pool comes first, so that what can fail has failed before the end is given away.
    pub(crate) fn new(rx: Rx, pool: Arc<Pool>, config: &StreamConfig<'_>) -> Source {
        let capacity = rx.ring().capacity();
        let record = record_size(rx.ring(), config);
        let label = match config.label {
            "" => rx.ring().label,
            label => Label::new(label),
        };
        Source {
            pool,
            label,
            least: least(config, record),
            record,
            state: Mutex::new(State {
                growth: Growth::new(config.buffer_size, capacity),
                waiting: VecDeque::new(),
            }),
            chunks: Counter::default(),
            bytes: Counter::default(),
            size: AtomicU64::new(config.buffer_size),
            rx,
        }
    }

    pub(crate) fn ring(&self) -> &Arc<Ring> {
        self.rx.ring()
    }

    pub(crate) fn label(&self) -> Label {
        self.label
    }

    /// Gives `count` chunks together, fewer only at the end; or, with `ready`, at least one and what else is there. How many
    /// were given. A chunk that `give` hands back stays, and so do those that a failing call had gathered.
    pub(crate) fn gather(
        &self,
        count: usize,
        ready: bool,
        timeout: Timeout,
        mut give: impl FnMut(Held) -> std::result::Result<(), (Held, Error)>,
    ) -> Result<std::result::Result<usize, Flow>> {
        let state = &mut *self.state.try_lock().ok_or_else(in_use)?;
        let deadline = Deadline::after(timeout);
        // Of what is ready: the bytes there were when the first chunk was made. A sender that keeps up would go on for ever.
        let mut ready_bytes = None;
        while state.waiting.len() < count {
            let some = !state.waiting.is_empty();
            if ready && ready_bytes.is_some_and(|left| left < self.least) {
                break;
            }
            let patience = if ready && some { Deadline::PAST } else { deadline };
            match self.one(state, patience) {
                Ok(Ok((held, there))) => {
                    ready_bytes = Some(ready_bytes.unwrap_or(there).saturating_sub(held.bytes));
                    state.waiting.push_back(held);
                }
                // What is there, or the last ones: what ended the stream is told when nothing is left to give.
                Ok(Err(flow)) if some && (ready || flow == Flow::Closed) => break,
                Err(error) if some && (ready || error.status() == Status::Align) => break,
                Ok(Err(flow)) => return Ok(Err(flow)),
                Err(error) => return Err(error),
            }
        }
        let mut given = 0;
        while given < count
            && let Some(held) = state.waiting.pop_front()
        {
            let bytes = held.bytes;
            if let Err((held, error)) = give(held) {
                state.waiting.push_front(held);
                return if given > 0 { Ok(Ok(given)) } else { Err(error) };
            }
            given += 1;
            self.chunks.add(1);
            self.bytes.add(bytes);
        }
        Ok(Ok(given))
    }

    /// A chunk, and how many bytes there were for it.
    fn one(&self, state: &mut State, deadline: Deadline) -> Result<std::result::Result<(Held, u64), Flow>> {
        state.waiting.try_reserve(1)?;
        let there = match self.rx.wait_for(self.least, deadline)? {
            Flow::Done => self.rx.amount(1)?,
            // Fewer than `least` are left, or none; or the receiving end was closed here.
            Flow::Closed if !self.rx.is_closed() => self.rx.amount(1)?,
            flow => return Ok(Err(flow)),
        };
        match there {
            Ok(there) => Ok(Ok((self.fill(state, there)?, there))),
            Err(flow) => Ok(Err(flow)),
        }
    }

    fn fill(&self, state: &mut State, there: u64) -> Result<Held> {
        let size = state.growth.size();
        let whole = |bytes: u64| if self.record == 0 { bytes } else { bytes - bytes % self.record };
        let bytes = whole(there.min(size));
        if bytes == 0 {
            let why = "the stream has ended inside of a record";
            return Err(Error::value(Status::Align, "the last bytes", there, why));
        }
        // May be out of memory: then everything stays where it is.
        let mut held = Pool::lend(&self.pool, size)?;
        // SAFETY: the buffer has `size` bytes, and at least so many are there.
        held.bytes = unsafe { self.rx.take_any(held.data(), bytes) }.bytes;
        state.growth.note(held.bytes, whole(size));
        self.size.store(state.growth.size(), Relaxed);
        Ok(held)
    }

    pub(crate) fn fd(&self) -> Result<RawFd> {
        self.rx.fd()
    }

    /// Has the descriptor told when a chunk or the end can be had. Empty: it will be.
    pub(crate) fn arm(&self) -> Result<Flow> {
        let state = self.state.try_lock().ok_or_else(in_use)?;
        if !state.waiting.is_empty() {
            return Ok(Flow::Done);
        }
        Ok(match self.rx.arm(self.least)? {
            Flow::Empty => Flow::Empty,
            _ => Flow::Done,
        })
    }

    pub(crate) fn close(&self) {
        self.rx.close();
    }

    pub(crate) fn statistics(&self) -> StreamStatistics {
        StreamStatistics {
            chunks: self.chunks.get(),
            bytes: self.bytes.get(),
            hits: self.pool.hits.get(),
            misses: self.pool.misses.get(),
            live: self.pool.live(),
            kept: self.pool.kept(),
            buffer_size: self.size.load(Relaxed),
            waits: self.rx.statistics().waits,
        }
    }
}

/// Bytes of a record: the ring's, if it has records.
fn record_size(ring: &Ring, config: &StreamConfig<'_>) -> u64 {
    if ring.record == 0 { config.record_size } else { ring.record }
}

/// The least that makes a chunk: `min_size`, in whole records.
fn least(config: &StreamConfig<'_>, record: u64) -> u64 {
    config.min_size.max(1).checked_next_multiple_of(record.max(1)).unwrap_or(u64::MAX)
}

#[cold]
fn in_use() -> Error {
    Error::text(Status::Busy, "another thread is inside of a call on the same stream")
}

impl Drop for Source {
    fn drop(&mut self) {
        self.state.get_mut().waiting.clear();
        self.pool.retire();
        let live = self.pool.live();
        if live > 0 {
            // No leak: a loop over the chunks still has the last one when the stream ends.
            let text = format_args!("stream destroyed; chunks that are still held stay valid: {live}");
            log::record(Level::Debug, "spsc", self.label.as_str(), text);
        }
    }
}
