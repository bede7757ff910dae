//! Handles: what C holds instead of addresses, and the table behind them.
//!
//! A handle is `kind | tag << 4 | index << 14 | generation << 34`: the tag tells this copy of the library in this process,
//! the index a slot, the generation how often the slot has been used. The word of a live slot *is* its handle.

use std::ptr::null_mut;

use super::foreign;
use super::pin::{self, KIND_MASK, Refusal};
use super::records;
use crate::error::{Error, Label, Result, Status};
use crate::lease::{self, LeaseId};
use crate::slots::{self, GENERATION_BITS, INDEX_BITS, Instance, Lock, Slots, Wiped, Zeroed};
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*};

/// What a handle names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Kind {
    Manager = 1,
    Batch = 2,
    Task = 3,
    Watch = 4,
    Lease = 5,
}

impl Kind {
    fn of(handle: u64) -> Option<Kind> {
        [Kind::Manager, Kind::Batch, Kind::Task, Kind::Watch, Kind::Lease]
            .into_iter()
            .find(|&kind| kind as u64 == handle & KIND_MASK)
    }

    /// The word for it in messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::Manager => "manager",
            Kind::Batch => "batch",
            Kind::Task => "task",
            Kind::Watch => "watch",
            Kind::Lease => "lease",
        }
    }
}

/// An object that C can hold a handle of.
pub(crate) trait Object: Send + Sync + Sized + 'static {
    /// The object's kind.
    const KIND: Kind;

    /// Gives the object to a slot. It is dropped if there is no memory.
    fn into_raw(self) -> Result<*mut ()>;

    /// Lends the object.
    ///
    /// # Safety
    ///
    /// `raw` came from `into_raw`, and nobody takes it back meanwhile.
    unsafe fn with<R>(raw: *mut (), work: impl FnOnce(&Self) -> R) -> R;

    /// Takes the object back.
    ///
    /// # Safety
    ///
    /// `raw` came from `into_raw`, and nobody uses it any more.
    unsafe fn from_raw(raw: *mut ()) -> Self;

    /// The object's name in messages.
    fn label(&self) -> Label {
        Label::new("")
    }

    /// Refuses further work and wakes every call that waits inside. It may run more than once.
    fn close(&self) -> Result<()> {
        Ok(())
    }

    /// Counts a refused call.
    fn refuse(&self, _status: Status) {}

    /// A panic passed through a call: nothing but queries and destroy from here on.
    fn poison(&self) {}
}

#[derive(Debug)]
struct Slot {
    /// The handle while live; with all kind bits while it closes or when it is spent; with none while free, the generation
    /// being the next one's; 0 when never used.
    word: AtomicU64,
    object: AtomicPtr<()>,
    /// The next free slot's index + 1.
    next: AtomicU32,
}

// SAFETY: atomics, of which zero is a legal value.
unsafe impl Zeroed for Slot {}

#[derive(Debug)]
struct Free {
    lock: Lock,
    /// The first free slot's index + 1.
    head: AtomicU32,
    /// Slots of the newest chunk that were never handed out.
    fresh: AtomicU32,
    fresh_end: AtomicU32,
}

// SAFETY: atomics, of which zero is a legal value.
unsafe impl Zeroed for Free {}

static SLOTS: Slots<Slot> = Slots::new();
static FREE: Wiped<Free> = Wiped::new();

const TAG_SHIFT: u32 = 4;
const INDEX_SHIFT: u32 = 14;
const GENERATION_SHIFT: u32 = INDEX_SHIFT + INDEX_BITS;
const GENERATIONS: u32 = 1 << GENERATION_BITS;
const TAG_MASK: u64 = (1 << INDEX_SHIFT) - (1 << TAG_SHIFT);

const fn tag(handle: u64) -> u16 {
    ((handle & TAG_MASK) >> TAG_SHIFT) as u16
}

const fn index(handle: u64) -> u32 {
    (handle >> INDEX_SHIFT) as u32 & ((1 << INDEX_BITS) - 1)
}

const fn generation(handle: u64) -> u32 {
    (handle >> GENERATION_SHIFT) as u32
}

const fn compose(tag: u16, index: u32, generation: u32) -> u64 {
    (tag as u64) << TAG_SHIFT | (index as u64) << INDEX_SHIFT | (generation as u64) << GENERATION_SHIFT
}

/// Runs `work` on the live object that the handle names, which cannot go away meanwhile.
#[inline(always)]
pub(crate) fn with_pin<T: Object, R>(handle: u64, work: impl FnOnce(&T) -> R) -> Result<R> {
    let record = records::own()?;
    let Some(slot) = SLOTS.get(index(handle)).filter(|_| handle & KIND_MASK == T::KIND as u64) else {
        return Err(why(handle, T::KIND));
    };
    match record.enter(&slot.word, handle) {
        // SAFETY: a live slot has its object, and the pin keeps whoever closes the slot from taking it back.
        Ok(_pin) => Ok(unsafe { T::with(slot.object.load(Relaxed), work) }),
        Err(Refusal::Dead) => Err(why(handle, T::KIND)),
        Err(Refusal::Deep) => Err(too_deep()),
    }
}

#[cold]
fn too_deep() -> Error {
    Error::text(Status::Recursive, "more than 8 calls of this thread inside each other, through callbacks")
}

/// A slot that waits for its object. Taken first, so that what can fail has failed before an object exists.
#[derive(Debug)]
pub(crate) struct Seat {
    handle: u64,
    slot: &'static Slot,
}

impl Seat {
    /// Takes a free slot.
    pub(crate) fn take() -> Result<Seat> {
        let instance = slots::instance()?;
        let free = FREE.get()?;
        let index = free.lock.with(|| {
            if let Some(index) = free.head.load(Relaxed).checked_sub(1) {
                let next = SLOTS.get(index).map_or(0, |slot| slot.next.load(Relaxed));
                free.head.store(next, Relaxed);
                return Ok(index);
            }
            if free.fresh.load(Relaxed) == free.fresh_end.load(Relaxed) {
                let chunk = SLOTS.grow()?;
                free.fresh.store(chunk.start, Relaxed);
                free.fresh_end.store(chunk.end, Relaxed);
            }
            Ok(free.fresh.fetch_add(1, Relaxed))
        })?;
        let slot = SLOTS.get(index).ok_or_else(|| Error::of(Status::OutOfMemory))?;
        let handle = match slot.word.load(Relaxed) {
            0 => compose(instance.tag, index, instance.first_generation),
            next => next,
        };
        Ok(Seat { handle, slot })
    }

    /// Seats the object: its handle is live when this returns.
    pub(crate) fn seat<T: Object>(self, object: T) -> Result<u64> {
        let handle = self.handle | T::KIND as u64;
        self.slot.object.store(object.into_raw()?, Relaxed);
        // Release: whoever sees the handle live sees the object.
        self.slot.word.store(handle, Release);
        std::mem::forget(self);
        Ok(handle)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        give_back(self.slot, index(self.handle));
    }
}

fn give_back(slot: &Slot, index: u32) {
    if let Some(free) = FREE.peek() {
        free.lock.with(|| {
            slot.next.store(free.head.load(Relaxed), Relaxed);
            free.head.store(index.wrapping_add(1), Relaxed);
        });
    }
}

/// Makes an object and its handle.
pub(crate) fn create<T: Object>(make: impl FnOnce() -> Result<T>) -> Result<u64> {
    let seat = Seat::take()?;
    seat.seat(make()?)
}

/// Closes the object, waits until no call is inside, ends the handle and hands the object over. Of several threads that
/// try, one gets it; the others are told [`Status::Stale`].
pub(crate) fn remove<T: Object>(handle: u64) -> Result<T> {
    if handle != 0 && records::own()?.holds(handle) {
        return Err(Error::text(
            Status::Recursive,
            "the calling thread is inside of a call on the same object",
        ));
    }
    with_pin(handle, T::close)??;
    let slot = SLOTS.get(index(handle)).ok_or_else(|| Error::of(Status::Handle))?;
    if !pin::close(&slot.word, handle) {
        return Err(why(handle, T::KIND));
    }
    pin::drain(handle, records::all(), |pauses| crate::wait::nap(1000 << pauses.min(10)));
    // SAFETY: closed by this thread alone, and no call is inside.
    let object = unsafe { T::from_raw(slot.object.swap(null_mut(), Relaxed)) };
    let next = generation(handle).wrapping_add(1) % GENERATIONS;
    // A slot whose generations are used up stays closed for ever.
    if slots::instance()?.first_generation != next {
        slot.word.store(compose(tag(handle), index(handle), next), Release);
        give_back(slot, index(handle));
    }
    Ok(object)
}

/// The handle of a lease, made by an object of this copy.
#[inline(always)]
pub(crate) fn of_lease(lease: LeaseId, object: u64) -> u64 {
    compose(tag(object), lease.index, lease.generation) | Kind::Lease as u64
}

/// The lease that a handle names; its table tells whether it is live.
#[inline(always)]
pub(crate) fn to_lease(handle: u64) -> Result<LeaseId> {
    if handle & KIND_MASK == Kind::Lease as u64 && slots::is_own(tag(handle)) {
        Ok(LeaseId { index: index(handle), generation: generation(handle) })
    } else {
        Err(why(handle, Kind::Lease))
    }
}

/// What `bb_handle_check` says: whether this copy of the library made the handle, and whether it is live.
pub(crate) fn check(handle: u64) -> std::result::Result<(), Status> {
    let Some(kind) = Kind::of(handle) else {
        return Err(if handle == 0 { Status::Null } else { Status::Handle });
    };
    if slots::is_ancestors(tag(handle)) {
        return Err(Status::Forked);
    }
    let Some(instance) = slots::instance().ok().filter(|instance| instance.tag == tag(handle)) else {
        return Err(Status::Handle);
    };
    if kind == Kind::Lease {
        let id = LeaseId { index: index(handle), generation: generation(handle) };
        return if lease::is_live(id) { Ok(()) } else { Err(Status::Stale) };
    }
    match SLOTS.get(index(handle)).map(|slot| slot.word.load(Acquire)) {
        Some(word) if word == handle => Ok(()),
        Some(word) if was_issued(handle, word, instance) => Err(Status::Stale),
        _ => Err(Status::Handle),
    }
}

/// Whether a slot with `word` has been under `handle` before.
fn was_issued(handle: u64, word: u64, instance: Instance) -> bool {
    let age = |handle| generation(handle).wrapping_sub(instance.first_generation) % GENERATIONS;
    let current_counts = word & KIND_MASK != 0;
    word != 0 && (age(handle) < age(word) || current_counts && age(handle) == age(word))
}

/// Why the handle does not name a live object of that kind.
#[cold]
#[inline(never)]
pub(crate) fn why(handle: u64, wanted: Kind) -> Error {
    let param = wanted.name();
    match check(handle) {
        Err(Status::Null) => Error::param(Status::Null, param, "is NULL"),
        Err(Status::Handle) if foreign::owner(handle).is_some() => Error::param(
            Status::Foreign,
            param,
            "was made by another copy of the library; link one copy, the shared one",
        ),
        Err(Status::Handle) => Error::value(Status::Handle, param, handle, Status::Handle.summary()),
        Err(Status::Forked) => Error::value(Status::Forked, param, handle, Status::Forked.summary()),
        _ if handle & KIND_MASK != wanted as u64 => Error::param(
            Status::Kind,
            param,
            match Kind::of(handle) {
                Some(Kind::Manager) => "is the handle of a manager",
                Some(Kind::Batch) => "is the handle of a batch",
                Some(Kind::Task) => "is the handle of a task",
                Some(Kind::Watch) => "is the handle of a watch",
                _ => "is the handle of a lease",
            },
        ),
        _ => Error::value(Status::Stale, param, handle, Status::Stale.summary()),
    }
}
