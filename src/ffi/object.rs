//! Objects behind handles: the table of slots, creation, calls on live objects, removal, and the errors of wrong handles.
//!
//! The word of a slot is the handle while its object lives. A call pins the object ([`with_pin`]), so that it cannot be removed
//! meanwhile; removal closes the word and waits until no call is inside ([`remove`]).

use std::ptr::null_mut;

use crate::alloc::boxed;
use crate::error::{Error, Label, Result, Status};
use crate::ffi::foreign;
use crate::ffi::handle::{self, GENERATIONS, Kind};
use crate::ffi::input::Out;
use crate::handle::lease::{self, LeaseId};
use crate::handle::pin::{self, EnterError, KIND_MASK};
use crate::handle::pin_record;
use crate::handle::slots::{self, Instance, Slots, Wiped, Zeroed};
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*};
use crate::sync::mutex::FutexMutex;
use crate::sys::clock::nap;

/// An object that C can have a handle of.
pub(crate) trait Object: Send + Sync + Sized + 'static {
    const KIND: Kind;

    /// Converts the object to what a slot stores. It is dropped if there is no memory.
    fn into_raw(self) -> Result<*mut ()> {
        Ok(Box::into_raw(boxed(self)?).cast())
    }

    /// Runs `work` on a stored object.
    ///
    /// # Safety
    ///
    /// `raw` came from `into_raw`, and no other thread converts it back meanwhile.
    #[inline(always)]
    unsafe fn with<R>(raw: *mut (), work: impl FnOnce(&Self) -> R) -> R {
        // SAFETY: promised by the caller.
        work(unsafe { &*raw.cast::<Self>() })
    }

    /// Converts a stored object back.
    ///
    /// # Safety
    ///
    /// `raw` came from `into_raw`, and is not used any more.
    unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: promised by the caller.
        *unsafe { Box::from_raw(raw.cast::<Self>()) }
    }

    /// The object's label in messages.
    fn label(&self) -> Label {
        Label::new("")
    }

    /// Refuses further work and wakes every call that waits inside. It may run more than once.
    fn close(&self) -> Result<()> {
        Ok(())
    }

    /// Counts a refused call.
    fn refuse(&self, _status: Status) {}

    /// Called after a panic inside a call: from here on only queries and destroy are allowed.
    fn poison(&self) {}
}

/// Aligned so that an index is shifted, not multiplied.
#[derive(Debug)]
#[repr(align(32))]
struct Slot {
    /// The handle while live; with all kind bits while it closes or when its generations are used up; with none while free,
    /// with the generation of the next handle; 0 if it was never used.
    word: AtomicU64,
    object: AtomicPtr<()>,
    /// Index + 1 of the next free slot.
    next: AtomicU32,
}

// SAFETY: atomics, for which zero is a legal value.
unsafe impl Zeroed for Slot {}

#[derive(Debug)]
struct FreeList {
    lock: FutexMutex<()>,
    /// Index + 1 of the first free slot.
    head: AtomicU32,
    /// Slots of the newest chunk that were never used.
    fresh: AtomicU32,
    fresh_end: AtomicU32,
}

// SAFETY: atomics, for which zero is a legal value.
unsafe impl Zeroed for FreeList {}

static SLOTS: Slots<Slot> = Slots::new();
static FREE: Wiped<FreeList> = Wiped::new();

/// The word of a slot, if there is such a slot.
fn word(index: u32) -> Option<u64> {
    SLOTS.get(index).map(|slot| slot.word.load(Acquire))
}

/// Runs `work` on the live object of the handle, which cannot be removed meanwhile.
#[inline(always)]
pub(crate) fn with_pin<T: Object, R>(
    handle: u64,
    work: impl FnOnce(&T) -> R,
) -> std::result::Result<R, EnterError> {
    if handle & KIND_MASK != T::KIND as u64 {
        return Err(EnterError::Dead);
    }
    let Some(record) = pin_record::own() else { return Err(EnterError::Dead) };
    let Some(slot) = SLOTS.get(handle::index(handle)) else { return Err(EnterError::Dead) };
    let _pin = record.enter(&slot.word, handle)?;
    // SAFETY: a live slot has its object, and the pin keeps a thread that closes the slot from removing it.
    Ok(unsafe { T::with(slot.object.load(Relaxed), work) })
}

/// The error of a handle that could not be entered. Made separately, since an error is large and calls are short.
#[cold]
#[inline(never)]
pub(crate) fn error<T: Object>(handle: u64, entering: EnterError) -> Error {
    match pin_record::adopt() {
        Err(error) => error,
        Ok(_) if entering == EnterError::Nested => {
            Error::text(Status::Recursive, "more than 8 nested calls of this thread, through callbacks")
        }
        // The handle is live, and yet was not entered: the record could not be allocated then.
        Ok(_) if handle & KIND_MASK == T::KIND as u64 && check(handle).is_ok() => pin_record::out_of_memory(),
        Ok(_) => wrong_handle(handle, T::KIND),
    }
}

/// A reserved slot. Reserved before the object is made, so that afterwards nothing can fail.
#[derive(Debug)]
pub(crate) struct ReservedSlot {
    handle: u64,
    slot: &'static Slot,
}

impl ReservedSlot {
    pub(crate) fn take() -> Result<ReservedSlot> {
        let instance = slots::instance_unlike(foreign::has_tag)?;
        let index = free_index(FREE.get()?)?;
        let slot = SLOTS.get(index).ok_or_else(|| Error::of(Status::OutOfMemory))?;
        let handle = match slot.word.load(Relaxed) {
            0 => handle::compose(instance.tag, index, instance.first_generation),
            next => next,
        };
        Ok(ReservedSlot { handle, slot })
    }

    /// Stores the object: its handle is live when this returns.
    pub(crate) fn fill<T: Object>(self, object: T) -> Result<u64> {
        let raw = object.into_raw()?;
        Ok(self.store::<T>(raw))
    }

    /// Stores an object that is allocated already.
    pub(crate) fn fill_boxed<T: Object>(self, object: Box<T>) -> u64 {
        self.store::<T>(Box::into_raw(object).cast())
    }

    fn store<T: Object>(self, raw: *mut ()) -> u64 {
        let handle = self.handle | T::KIND as u64;
        self.slot.object.store(raw, Relaxed);
        // Release: a thread that sees the live handle sees the object.
        self.slot.word.store(handle, Release);
        std::mem::forget(self);
        handle
    }
}

impl Drop for ReservedSlot {
    fn drop(&mut self) {
        free(self.slot, handle::index(self.handle));
    }
}

fn free_index(list: &FreeList) -> Result<u32> {
    let _locked = list.lock.lock();
    if let Some(index) = list.head.load(Relaxed).checked_sub(1) {
        let next = SLOTS.get(index).map_or(0, |slot| slot.next.load(Relaxed));
        list.head.store(next, Relaxed);
        return Ok(index);
    }
    if list.fresh.load(Relaxed) == list.fresh_end.load(Relaxed) {
        let chunk = SLOTS.grow()?;
        list.fresh.store(chunk.start, Relaxed);
        list.fresh_end.store(chunk.end, Relaxed);
    }
    Ok(list.fresh.fetch_add(1, Relaxed))
}

fn free(slot: &Slot, index: u32) {
    if let Some(list) = FREE.peek() {
        let _locked = list.lock.lock();
        slot.next.store(list.head.load(Relaxed), Relaxed);
        list.head.store(index.wrapping_add(1), Relaxed);
    }
}

/// Makes an object and its handle.
pub(crate) fn create<T: Object>(make: impl FnOnce() -> Result<T>) -> Result<u64> {
    let slot = ReservedSlot::take()?;
    slot.fill(make()?)
}

/// Makes an object and writes its handle.
pub(crate) fn create_at<T: Object, H>(out: Out<*mut H>, make: impl FnOnce() -> Result<T>) -> Result<()> {
    out.set(create(make)? as *mut H)
}

/// Closes the object, waits until no call is inside, ends the handle and returns the object. If several threads try, one gets
/// it; the others get [`Status::Stale`].
pub(crate) fn remove<T: Object>(handle: u64) -> Result<T> {
    remove_with(handle, |_| {})
}

/// As [`remove`]; `last` as in [`take`].
pub(crate) fn remove_with<T: Object>(handle: u64, last: impl FnOnce(&T)) -> Result<T> {
    if handle != 0 && pin_record::adopt()?.holds(handle) {
        return Err(Error::text(Status::Recursive, "the calling thread is inside a call on the same object"));
    }
    with_pin(handle, T::close).map_err(|entering| error::<T>(handle, entering))??;
    take(handle, last)
}

/// Whether a thread is about to end the handle.
pub(crate) fn is_closing(handle: u64) -> bool {
    word(handle::index(handle)) == Some(handle | KIND_MASK)
}

/// Ends the handle and returns the object, without closing it. `last` runs when no call is inside any more, before the handle
/// becomes stale.
pub(crate) fn take<T: Object>(handle: u64, last: impl FnOnce(&T)) -> Result<T> {
    let slot = SLOTS.get(handle::index(handle)).ok_or_else(|| Error::of(Status::Handle))?;
    if !pin::close(&slot.word, handle) {
        return Err(wrong_handle(handle, T::KIND));
    }
    pin::drain(handle, pin_record::all(), |pauses| _ = nap(1000 << pauses.min(10)));
    // SAFETY: closed by this thread alone, and no call is inside.
    let object = unsafe { T::from_raw(slot.object.swap(null_mut(), Relaxed)) };
    last(&object);
    // A slot whose generations are used up stays closed.
    if let Some(next) = handle::next(handle)? {
        slot.word.store(next, Release);
        free(slot, handle::index(handle));
    }
    Ok(object)
}

/// The lease of a handle; the table of leases knows whether it is live.
#[inline(always)]
pub(crate) fn to_lease(handle: u64) -> Result<LeaseId> {
    if handle & KIND_MASK == Kind::Lease as u64 && slots::is_own(handle::tag(handle)) {
        Ok(LeaseId { index: handle::index(handle), generation: handle::generation(handle) })
    } else {
        Err(wrong_handle(handle, Kind::Lease))
    }
}

/// The result of `bb_handle_check`: whether this copy of the library made the handle, and whether it is live.
pub(crate) fn check(handle: u64) -> std::result::Result<(), Status> {
    let Some(kind) = Kind::of(handle) else {
        return Err(if handle == 0 { Status::Null } else { Status::Handle });
    };
    if slots::is_ancestors(handle::tag(handle)) {
        return Err(Status::Forked);
    }
    // Takes no tag: another copy may call this to find a tag that no copy has.
    let Some(instance) = slots::current().filter(|instance| instance.tag == handle::tag(handle)) else {
        return Err(Status::Handle);
    };
    if kind == Kind::Lease {
        let id = LeaseId { index: handle::index(handle), generation: handle::generation(handle) };
        return if lease::is_live(id) { Ok(()) } else { Err(Status::Stale) };
    }
    match word(handle::index(handle)) {
        Some(word) if word == handle => Ok(()),
        Some(word) if was_issued(handle, word, instance) => Err(Status::Stale),
        _ => Err(Status::Handle),
    }
}

/// Whether `handle` was a handle of the slot that has `word` now.
fn was_issued(handle: u64, word: u64, instance: Instance) -> bool {
    let age = |handle| handle::generation(handle).wrapping_sub(instance.first_generation) % GENERATIONS;
    let current_counts = word & KIND_MASK != 0;
    word != 0 && (age(handle) < age(word) || current_counts && age(handle) == age(word))
}

/// The error of a handle that is not that of a live object of the wanted kind.
#[cold]
#[inline(never)]
fn wrong_handle(handle: u64, wanted: Kind) -> Error {
    let param = wanted.name();
    match check(handle) {
        Err(Status::Null) => Error::param(Status::Null, param, "is NULL"),
        Err(Status::Handle) if foreign::owner(handle).is_some() => Error::param(
            Status::Foreign,
            param,
            "was made by another copy of the library; link one copy, the shared one",
        ),
        Err(status @ (Status::Handle | Status::Forked)) => Error::handle(status, param, handle),
        _ if handle & KIND_MASK != wanted as u64 => {
            Error::param(Status::Kind, param, Kind::of(handle).map_or("is another handle", Kind::is))
        }
        _ => Error::handle(Status::Stale, param, handle),
    }
}

#[cfg(test)]
mod tests;
