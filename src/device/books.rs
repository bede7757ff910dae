//! The books of a device: which buffers live, what is to be given back, and what has been done.

use std::fmt;

use super::driver::{Foreign, Native};
use super::usage::Usage;
use crate::error::{Error, Label, Result, Status};
use crate::sync::atomic::{AtomicBool, Ordering::*};
use crate::sync::counter::Counter;
use crate::sync::mutex::Mutex;

/// A buffer that has not been given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveBuffer {
    /// The driver's number of it.
    pub native: Native,
    /// Its label.
    pub label: Label,
    /// Its size.
    pub bytes: u64,
    /// What it is for.
    pub usage: Usage,
}

impl fmt::Display for LiveBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LiveBuffer { native, label, bytes, usage } = self;
        write!(f, "buffer '{}' ({:#x}): {bytes} bytes, {usage:?}", label.as_str(), native.0)
    }
}

/// A buffer that lives, and whether the driver has given out where its bytes are.
#[derive(Debug)]
struct Live {
    buffer: LiveBuffer,
    mapped: bool,
}

#[derive(Debug, Default)]
struct Lists {
    live: Vec<Live>,
    /// Retired by other threads. Room for every live buffer is kept, so that retiring cannot fail.
    retired: Vec<Native>,
    fences: Vec<Foreign>,
}

/// What the owner thread is to give back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Spent {
    Buffer(Native),
    Fence(Foreign),
}

/// The counters, which the owner thread writes, but for `waits`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) created: Counter,
    pub(crate) deleted: Counter,
    pub(crate) live_bytes: Counter,
    pub(crate) calls: Counter,
    pub(crate) writes: Counter,
    pub(crate) written: Counter,
    pub(crate) copies: Counter,
    pub(crate) copied: Counter,
    pub(crate) maps: Counter,
    pub(crate) submits: Counter,
    pub(crate) waits: Counter,
    pub(crate) native_calls: Counter,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Books {
    lists: Mutex<Lists>,
    spent: AtomicBool,
    pub(crate) counters: Counters,
}

impl Books {
    pub(crate) fn new() -> Books {
        Books { lists: Mutex::default(), spent: AtomicBool::new(false), counters: Counters::default() }
    }

    /// Keeps room for one buffer more.
    pub(crate) fn reserve(&self) -> Result<()> {
        let Lists { live, retired, .. } = &mut *self.lists.lock();
        let room = live.try_reserve(1).and_then(|()| retired.try_reserve(live.len() + 1));
        room.map_err(|_| Error::of(Status::OutOfMemory))
    }

    /// Enters a buffer for which room is kept, with its bytes `mapped` or not.
    pub(crate) fn enter(&self, buffer: LiveBuffer, mapped: bool) {
        self.lists.lock().live.push(Live { buffer, mapped });
        self.counters.created.add(1);
        self.counters.live_bytes.bump(buffer.bytes);
    }

    /// Strikes a buffer off; false if it is not in the books.
    pub(crate) fn strike(&self, native: Native) -> bool {
        self.lists.lock().strike(native).inspect(|buffer| self.count_deleted(buffer.bytes)).is_some()
    }

    /// Notes whether a buffer's bytes are mapped.
    pub(crate) fn note_mapped(&self, native: Native, mapped: bool) {
        let mut lists = self.lists.lock();
        if let Some(live) = lists.live.iter_mut().find(|live| live.buffer.native == native) {
            live.mapped = mapped;
        }
    }

    /// Whether the bytes of any buffer are mapped.
    pub(crate) fn any_mapped(&self) -> bool {
        self.lists.lock().live.iter().any(|live| live.mapped)
    }

    /// Any buffer that lives still.
    pub(crate) fn any(&self) -> Option<Native> {
        self.lists.lock().live.last().map(|live| live.buffer.native)
    }

    fn count_deleted(&self, bytes: u64) {
        self.counters.deleted.bump(1);
        self.counters.live_bytes.bump(bytes.wrapping_neg());
    }

    /// The owner thread shall delete a buffer; false if it is not in the books.
    pub(crate) fn retire(&self, native: Native) -> bool {
        let mut lists = self.lists.lock();
        let Some(buffer) = lists.strike(native) else { return false };
        lists.retired.push(native);
        self.count_deleted(buffer.bytes);
        self.spent.store(true, Release);
        true
    }

    /// The owner thread shall discard a fence; false if there is no memory to note it.
    pub(crate) fn discard(&self, fence: Foreign) -> bool {
        let mut lists = self.lists.lock();
        let room = lists.fences.try_reserve(1).is_ok();
        if room {
            lists.fences.push(fence);
            self.spent.store(true, Release);
        }
        room
    }

    pub(crate) fn has_spent(&self) -> bool {
        self.spent.load(Acquire)
    }

    /// The next thing to be given back.
    pub(crate) fn next_spent(&self) -> Option<Spent> {
        let mut lists = self.lists.lock();
        let buffer = lists.retired.pop().map(Spent::Buffer);
        let next = buffer.or_else(|| lists.fences.pop().map(Spent::Fence));
        if next.is_none() {
            self.spent.store(false, Release);
        }
        next
    }

    /// The buffers that live.
    pub(crate) fn live(&self) -> Result<Vec<LiveBuffer>> {
        let lists = self.lists.lock();
        let mut copy = crate::alloc::try_vec(lists.live.len())?;
        copy.extend(lists.live.iter().map(|live| live.buffer));
        Ok(copy)
    }
}

impl Lists {
    fn strike(&mut self, native: Native) -> Option<LiveBuffer> {
        let at = self.live.iter().position(|live| live.buffer.native == native)?;
        Some(self.live.swap_remove(at).buffer)
    }
}
