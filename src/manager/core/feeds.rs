//! Feeds: sources of updates that the role holder drains, such as rings, and the checks that their updates pass.
//!
//! A source implements [`FeedSource`]; the manager knows nothing else of it. The worker drains the sources when one of them wakes it.
//! Each attempt to publish drains them up to their ends as they are then, so that a synchronize covers what was committed before it.
//! Between the updates of a feed and those of other producers there is no other order.

use crate::error::{Error, Result, Status};
use crate::manager::core::applier::Applier;
use crate::manager::core::op::Op;
use crate::manager::field::FieldTable;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use crate::sync::mutex::Mutex;

/// A source of updates. One thread at a time uses it.
pub(crate) trait FeedSource: Send {
    /// A number that no other source of the process has.
    fn number(&self) -> u64;

    /// The bytes that its producer has committed. It only grows.
    fn committed(&self) -> u64;

    /// Applies what is complete, up to the source's end as it is now, while the budget lasts.
    fn drain(&mut self, target: &mut FeedTarget<'_>) -> std::result::Result<(), Postponed>;

    /// Whether there is something to drain, or never will be. Otherwise the source wakes the worker once when that has changed.
    fn is_ready_or_wakes(&mut self) -> Readiness;
}

/// The reason why the role holder leaves the rest of a source for later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Postponed {
    /// Every copy that could be written has a lease.
    Pinned,
    /// The role holder has applied what it may apply at once.
    Budget,
}

/// What a source answers before the worker sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// There is something to drain.
    Ready,
    /// The worker is woken later.
    Wakes,
    /// The source has ended.
    Ended,
}

/// One checked update of a feed: offsets in bytes, relative to the field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FeedUpdate {
    Write { field: u32, offset: u64, bytes: u64, data: *const u8 },
    Fill { field: u32, offset: u64, count: u64, element_bytes: u64, element: *const u8 },
    Tag(u64),
}

/// What a source applies its updates to: the back copy, by the role holder.
pub(crate) struct FeedTarget<'a> {
    pub(crate) fields: &'a FieldTable,
    pub(crate) applier: &'a mut Applier,
    /// Bytes of records that may still be applied.
    pub(crate) budget: &'a mut u64,
    /// Makes the back copy writable, if leases allow it.
    pub(crate) make_ready: &'a dyn Fn(&mut Applier) -> bool,
    /// Writes a log record of the manager.
    pub(crate) log: &'a dyn Fn(log::Level, std::fmt::Arguments<'_>),
    pub(crate) updates: u64,
    pub(crate) bytes: u64,
    /// Sources that have stopped at a bad record.
    pub(crate) stopped: u64,
}

impl FeedTarget<'_> {
    /// Checks an update against the state. The pointers are not read.
    pub(crate) fn check(&self, update: FeedUpdate) -> Result<Op> {
        match update {
            FeedUpdate::Write { field, offset, bytes, data } => {
                let field = self.fields.get(field)?;
                let element = field.shape.element;
                if !bytes.is_multiple_of(element) {
                    return Err(field.refusal(Error::align("bytes", bytes, element)));
                }
                field.write(offset, bytes / element, data)
            }
            FeedUpdate::Fill { field, offset, count, element_bytes, element } => {
                let field = self.fields.get(field)?;
                if element_bytes != field.shape.element {
                    let reason = "a fill has the bytes of one element after its count";
                    let error = Error::value(Status::Argument, "element bytes", element_bytes, reason);
                    return Err(field.refusal(error));
                }
                field.fill(offset, count, element)
            }
            FeedUpdate::Tag(tag) => Ok(Op::Tag(tag)),
        }
    }

    /// Makes the back copy writable for the next `size` bytes of records.
    #[inline]
    pub(crate) fn prepare(&mut self, size: u64) -> std::result::Result<(), Postponed> {
        if *self.budget == 0 {
            return Err(Postponed::Budget);
        }
        if !self.applier.ready && !(self.make_ready)(self.applier) {
            return Err(Postponed::Pinned);
        }
        *self.budget = self.budget.saturating_sub(size);
        Ok(())
    }

    /// Checks and applies a write of a record of `size` bytes, if that needs nothing else. False if it does, or if the write is bad:
    /// then nothing has changed, and [`FeedTarget::check`] decides.
    ///
    /// # Safety
    /// `bytes` bytes of `data` are readable.
    #[inline(always)]
    pub(crate) unsafe fn write_if_plain(
        &mut self,
        size: u64,
        field: u32,
        offset: u64,
        bytes: u64,
        data: *const u8,
    ) -> bool {
        let Some(place) = self.fields.find_index(field).and_then(|field| field.place_if_plain(offset, bytes))
        else {
            return false;
        };
        if *self.budget == 0 || !self.applier.ready {
            return false;
        }
        *self.budget = self.budget.saturating_sub(size);
        self.updates += 1;
        self.bytes += bytes;
        // SAFETY: checked to be at least one byte, within the field; the caller's promise.
        unsafe { self.applier.forward.write(place as usize, data, bytes as usize) };
        true
    }

    /// Applies a checked update. The back copy is prepared.
    ///
    /// # Safety
    /// `op` comes from [`FeedTarget::check`] of this target, and its pointers are valid.
    pub(crate) unsafe fn apply(&mut self, op: Op) {
        self.updates += 1;
        if let Op::Write { offset, length, data } = op {
            if length > 0 {
                // SAFETY: checked; the caller's promise.
                unsafe { self.applier.forward.write(offset as usize, data, length as usize) };
            }
            self.bytes += length;
            return;
        }
        // SAFETY: as above. Neither a fill nor a tag runs code that may panic.
        if let Ok(applied) = unsafe { self.applier.apply(op) } {
            self.bytes += applied.bytes;
        }
    }
}

/// The sources of one manager.
pub(crate) struct Feeds {
    count: AtomicU32,
    /// Sources added so far.
    added: AtomicU64,
    list: Mutex<Vec<Box<dyn FeedSource>>>,
}

impl Feeds {
    pub(crate) const fn new() -> Feeds {
        Feeds { count: AtomicU32::new(0), added: AtomicU64::new(0), list: Mutex::new(Vec::new()) }
    }

    /// Calls `visit` for each source until it returns an error. They stay locked meanwhile.
    pub(crate) fn try_for_each<E>(
        &self,
        visit: impl FnMut(&mut Box<dyn FeedSource>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.list.lock().iter_mut().try_for_each(visit)
    }

    /// Whether there is no source: one load for managers without feeds. A thread that adds a source and then synchronizes sees it.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Relaxed) == 0
    }

    pub(crate) fn count(&self) -> u32 {
        self.count.load(Relaxed)
    }

    pub(crate) fn add(&self, source: Box<dyn FeedSource>) -> Result<()> {
        let mut list = self.list.lock();
        list.try_reserve(1)?;
        list.push(source);
        self.added.fetch_add(1, Relaxed);
        self.count.store(list.len() as u32, Relaxed);
        Ok(())
    }

    /// Removes a source; waits while a thread drains it.
    pub(crate) fn remove(&self, number: u64) -> Option<Box<dyn FeedSource>> {
        let mut list = self.list.lock();
        let index = list.iter().position(|source| source.number() == number)?;
        let source = list.swap_remove(index);
        self.count.store(list.len() as u32, Relaxed);
        Some(source)
    }

    /// A number that changes when a source is added or its producer commits, and then never returns to an earlier value.
    pub(crate) fn committed(&self) -> (u64, u64) {
        if self.is_empty() {
            return (self.added.load(Relaxed), 0);
        }
        let list = self.list.lock();
        let bytes = list.iter().map(|source| source.committed()).fold(0, u64::wrapping_add);
        (self.added.load(Relaxed), bytes)
    }

    /// Whether a source is ready; the others wake the worker.
    pub(crate) fn any_ready_or_all_wake(&self) -> bool {
        let mut list = self.list.lock();
        // All of them are asked, so that each one that is not ready wakes the worker.
        list.iter_mut().fold(false, |any, source| (source.is_ready_or_wakes() == Readiness::Ready) | any)
    }
}
