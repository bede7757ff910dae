//! The objects behind handles: a table of slots, each with a word that is the handle while its object lives.

use std::ptr::null_mut;

use super::foreign;
use super::handle::{self, Kind};
use super::pin::{self, KIND_MASK, Refusal};
use super::records;
use crate::alloc::try_box;
use crate::error::{Error, Label, Status};
use crate::handle::slots;
use crate::handle::slots::{Slots, Wiped, Zeroed};
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*};
use crate::sync::mutex::FutexMutex;

/// An object that C can hold a handle of.
pub(crate) trait Object: Send + Sync + Sized + 'static {
    /// The object's kind.
    const KIND: Kind;

    /// Gives the object to a slot. It is dropped if there is no memory.
    fn into_raw(self) -> crate::error::Result<*mut ()> {
        let object = try_box(self).map_err(|_| Error::of(Status::OutOfMemory))?;
        Ok(Box::into_raw(object).cast())
    }

    /// Lends the object.
    ///
    /// # Safety
    ///
    /// `raw` came from `into_raw`, and nobody takes it back meanwhile.
    #[inline(always)]
    unsafe fn with<R>(raw: *mut (), work: impl FnOnce(&Self) -> R) -> R {
        // SAFETY: promised by the caller.
        work(unsafe { &*raw.cast::<Self>() })
    }

    /// Takes the object back.
    ///
    /// # Safety
    ///
    /// `raw` came from `into_raw`, and nobody uses it any more.
    unsafe fn from_raw(raw: *mut ()) -> Self {
        // SAFETY: promised by the caller.
        *unsafe { Box::from_raw(raw.cast::<Self>()) }
    }

    /// The object's name in messages.
    fn label(&self) -> Label {
        Label::new("")
    }

    /// Refuses further work and wakes every call that waits inside. It may run more than once.
    fn close(&self) -> crate::error::Result<()> {
        Ok(())
    }

    /// Counts a refused call.
    fn refuse(&self, _status: Status) {}

    /// A panic passed through a call: nothing but queries and destroy from here on.
    fn poison(&self) {}
}

/// Of a size that an index is shifted to, not multiplied.
#[derive(Debug)]
#[repr(align(32))]
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
    lock: FutexMutex<()>,
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

/// The word of a slot, if there is such a slot.
pub(super) fn word(index: u32) -> Option<u64> {
    SLOTS.get(index).map(|slot| slot.word.load(Acquire))
}

/// Runs `work` on the live object that the handle names, which cannot go away meanwhile.
#[inline(always)]
pub(crate) fn with_pin<T: Object, R>(handle: u64, work: impl FnOnce(&T) -> R) -> Result<R, Refusal> {
    if handle & KIND_MASK != T::KIND as u64 {
        return Err(Refusal::Dead);
    }
    let (Some(record), Some(slot)) = (records::own(), SLOTS.get(handle::index(handle))) else {
        return Err(Refusal::Dead);
    };
    let _pin = record.enter(&slot.word, handle)?;
    // SAFETY: a live slot has its object, and the pin keeps whoever closes the slot from taking it back.
    Ok(unsafe { T::with(slot.object.load(Relaxed), work) })
}

/// What was wrong with a handle that could not be entered. Made apart, since an error is large and calls are short.
#[cold]
#[inline(never)]
pub(crate) fn error<T: Object>(handle: u64, refusal: Refusal) -> Error {
    match records::adopt() {
        Err(error) => error,
        Ok(_) if refusal == Refusal::Deep => {
            let why = "more than 8 calls of this thread inside each other, through callbacks";
            Error::text(Status::Recursive, why)
        }
        // Live, and yet not entered: the record could not be had then.
        Ok(_) if handle & KIND_MASK == T::KIND as u64 && handle::check(handle).is_ok() => {
            records::out_of_memory()
        }
        Ok(_) => handle::why(handle, T::KIND),
    }
}

/// A slot that waits for its object. Taken first, so that what can fail has failed before an object exists.
#[derive(Debug)]
pub(crate) struct Seat {
    handle: u64,
    slot: &'static Slot,
}

impl Seat {
    /// Takes a free slot.
    pub(crate) fn take() -> crate::error::Result<Seat> {
        let instance = slots::instance_unlike(foreign::has_tag)?;
        let free = FREE.get()?;
        let locked = free.lock.lock();
        let index = if let Some(index) = free.head.load(Relaxed).checked_sub(1) {
            let next = SLOTS.get(index).map_or(0, |slot| slot.next.load(Relaxed));
            free.head.store(next, Relaxed);
            index
        } else {
            if free.fresh.load(Relaxed) == free.fresh_end.load(Relaxed) {
                let chunk = SLOTS.grow()?;
                free.fresh.store(chunk.start, Relaxed);
                free.fresh_end.store(chunk.end, Relaxed);
            }
            free.fresh.fetch_add(1, Relaxed)
        };
        drop(locked);
        let slot = SLOTS.get(index).ok_or_else(|| Error::of(Status::OutOfMemory))?;
        let handle = match slot.word.load(Relaxed) {
            0 => handle::compose(instance.tag, index, instance.first_generation),
            next => next,
        };
        Ok(Seat { handle, slot })
    }

    /// Seats the object: its handle is live when this returns.
    pub(crate) fn seat<T: Object>(self, object: T) -> crate::error::Result<u64> {
        let raw = object.into_raw()?;
        Ok(self.put::<T>(raw))
    }

    /// The same, for an object that has its memory already.
    pub(crate) fn seat_boxed<T: Object>(self, object: Box<T>) -> u64 {
        self.put::<T>(Box::into_raw(object).cast())
    }

    fn put<T: Object>(self, raw: *mut ()) -> u64 {
        let handle = self.handle | T::KIND as u64;
        self.slot.object.store(raw, Relaxed);
        // Release: whoever sees the handle live sees the object.
        self.slot.word.store(handle, Release);
        std::mem::forget(self);
        handle
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        give_back(self.slot, handle::index(self.handle));
    }
}

fn give_back(slot: &Slot, index: u32) {
    if let Some(free) = FREE.peek() {
        let _locked = free.lock.lock();
        slot.next.store(free.head.load(Relaxed), Relaxed);
        free.head.store(index.wrapping_add(1), Relaxed);
    }
}

/// Makes an object and its handle.
pub(crate) fn create<T: Object>(make: impl FnOnce() -> crate::error::Result<T>) -> crate::error::Result<u64> {
    let seat = Seat::take()?;
    seat.seat(make()?)
}

/// Closes the object, waits until no call is inside, ends the handle and hands the object over. Of several threads that
/// try, one gets it; the others are told [`Status::Stale`].
pub(crate) fn remove<T: Object>(handle: u64) -> crate::error::Result<T> {
    remove_with(handle, |_| {})
}

/// The same; `last` as in [`hand_over`].
pub(crate) fn remove_with<T: Object>(handle: u64, last: impl FnOnce(&T)) -> crate::error::Result<T> {
    if handle != 0 && records::adopt()?.holds(handle) {
        let why = "the calling thread is inside of a call on the same object";
        return Err(Error::text(Status::Recursive, why));
    }
    with_pin(handle, T::close).map_err(|refusal| error::<T>(handle, refusal))??;
    hand_over(handle, last)
}

/// Whether a thread is about to end the handle.
pub(crate) fn is_closing(handle: u64) -> bool {
    word(handle::index(handle)) == Some(handle | KIND_MASK)
}

/// Ends the handle and hands the object over, without closing it: it goes on as another one. `last` sees it when no call is
/// inside any more, and before the handle is known to be stale.
pub(crate) fn hand_over<T: Object>(handle: u64, last: impl FnOnce(&T)) -> crate::error::Result<T> {
    let slot = SLOTS.get(handle::index(handle)).ok_or_else(|| Error::of(Status::Handle))?;
    if !pin::close(&slot.word, handle) {
        return Err(handle::why(handle, T::KIND));
    }
    pin::drain(handle, records::all(), |pauses| _ = crate::sys::clock::nap(1000 << pauses.min(10)));
    // SAFETY: closed by this thread alone, and no call is inside.
    let object = unsafe { T::from_raw(slot.object.swap(null_mut(), Relaxed)) };
    last(&object);
    // A slot whose generations are used up stays closed for ever.
    if let Some(next) = handle::next(handle)? {
        slot.word.store(next, Release);
        give_back(slot, handle::index(handle));
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize};
    use std::time::Duration;

    use super::super::handle::check;
    use super::*;
    use crate::handle::slots::tests::in_child;

    /// An object that counts what happens to it.
    #[derive(Debug, Default)]
    struct Probe {
        closed: AtomicBool,
        dropped: Arc<AtomicUsize>,
    }

    impl Object for Probe {
        const KIND: Kind = Kind::Watch;

        fn close(&self) -> crate::error::Result<()> {
            self.closed.store(true, SeqCst);
            Ok(())
        }
    }

    impl Drop for Probe {
        fn drop(&mut self) {
            self.dropped.fetch_add(1, SeqCst);
        }
    }

    /// The same, under another kind.
    struct Other;

    impl Object for Other {
        const KIND: Kind = Kind::Task;
    }

    fn probe() -> u64 {
        create(|| Ok(Probe::default())).unwrap()
    }

    fn status<T: Object>(handle: u64) -> Status {
        with_pin(handle, |_: &T| ()).map_err(|refusal| error::<T>(handle, refusal)).unwrap_err().status()
    }

    #[test]
    fn a_handle_lives_until_its_object_is_removed() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let handle =
            create(|| Ok(Probe { closed: AtomicBool::new(false), dropped: dropped.clone() })).unwrap();
        assert_eq!(check(handle), Ok(()));
        assert!(with_pin(handle, |probe: &Probe| !probe.closed.load(SeqCst)).unwrap());
        let object = remove::<Probe>(handle).unwrap();
        assert!(object.closed.load(SeqCst) && dropped.load(SeqCst) == 0);
        drop(object);
        assert_eq!(dropped.load(SeqCst), 1);
        assert_eq!(check(handle), Err(Status::Stale));
        assert_eq!(status::<Probe>(handle), Status::Stale);
        assert_eq!(remove::<Probe>(handle).unwrap_err().status(), Status::Stale);
    }

    #[test]
    fn a_slot_used_again_does_not_revive_its_old_handle() {
        let first = probe();
        remove::<Probe>(first).unwrap();
        let again: Vec<_> = (0..64).map(|_| probe()).collect();
        assert!(again.iter().all(|&handle| handle != first));
        assert_eq!(status::<Probe>(first), Status::Stale);
        again.into_iter().for_each(|handle| drop(remove::<Probe>(handle).unwrap()));
    }

    #[test]
    fn misuse_is_told_apart() {
        let handle = probe();
        assert_eq!(status::<Probe>(0), Status::Null);
        assert_eq!(status::<Other>(handle), Status::Kind);
        let garbage = [
            1,
            KIND_MASK,
            u64::MAX,
            handle | KIND_MASK,
            handle & !KIND_MASK,
            handle ^ 1 << 6,
            handle + (1 << 50),
            0x7fff_dead_beef,
        ];
        for wrong in garbage {
            assert_eq!(status::<Probe>(wrong), Status::Handle, "{wrong:#x}");
        }
        remove::<Probe>(handle).unwrap();
        assert_eq!(status::<Other>(handle), Status::Kind);
    }

    #[test]
    fn an_object_is_not_removed_from_inside_of_its_own_call() {
        let handle = probe();
        let (inner, closed) = with_pin(handle, |probe: &Probe| {
            (remove::<Probe>(handle).unwrap_err().status(), probe.closed.load(SeqCst))
        })
        .unwrap();
        assert_eq!((inner, closed), (Status::Recursive, false));
        assert_eq!(check(handle), Ok(()));
        remove::<Probe>(handle).unwrap();
    }

    #[test]
    fn calls_nest_to_a_limit_and_unwind() {
        fn nest(handle: u64, depth: usize) -> (usize, Status) {
            match with_pin(handle, |_: &Probe| nest(handle, depth + 1)) {
                Ok(deeper) => deeper,
                Err(refusal) => (depth, error::<Probe>(handle, refusal).status()),
            }
        }
        let handle = probe();
        for _ in 0..3 {
            assert_eq!(nest(handle, 0), (pin::DEPTH, Status::Recursive));
        }
        let panicked = std::panic::catch_unwind(|| with_pin(handle, |_: &Probe| panic!("on purpose")));
        assert!(panicked.is_err());
        assert_eq!(nest(handle, 0), (pin::DEPTH, Status::Recursive));
        remove::<Probe>(handle).unwrap();
    }

    #[test]
    fn removal_waits_for_the_call_inside() {
        let (handle, inside, left) = (probe(), AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                with_pin(handle, |probe: &Probe| {
                    inside.store(true, SeqCst);
                    while !probe.closed.load(SeqCst) {
                        std::thread::yield_now();
                    }
                    std::thread::sleep(Duration::from_millis(2));
                    left.store(true, SeqCst);
                })
            });
            while !inside.load(SeqCst) {
                std::thread::yield_now();
            }
            remove::<Probe>(handle).unwrap();
            assert!(left.load(SeqCst));
        });
    }

    #[test]
    fn of_many_that_remove_one_gets_it() {
        for _ in 0..50 {
            let (handle, dropped) = (probe(), AtomicUsize::new(0));
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| match remove::<Probe>(handle) {
                        Ok(_) => dropped.fetch_add(1, SeqCst),
                        Err(error) => {
                            assert_eq!(error.status(), Status::Stale);
                            0
                        }
                    });
                }
            });
            assert_eq!(dropped.load(SeqCst), 1);
        }
    }

    #[test]
    fn calls_that_race_with_removal_see_the_object_or_nothing() {
        for _ in 0..200 {
            let dropped = Arc::new(AtomicUsize::new(0));
            let handle =
                create(|| Ok(Probe { closed: AtomicBool::new(false), dropped: dropped.clone() })).unwrap();
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        while with_pin(handle, |probe: &Probe| probe.dropped.load(SeqCst))
                            .is_ok_and(|n| n == 0)
                        {}
                    });
                }
                remove::<Probe>(handle).unwrap();
            });
            assert_eq!(dropped.load(SeqCst), 1);
        }
    }

    #[test]
    fn a_slot_with_spent_generations_is_never_used_again() {
        let first = slots::instance().unwrap().first_generation;
        let mut seat = Seat::take().unwrap();
        let last = first.wrapping_sub(1) % (1 << slots::GENERATION_BITS);
        let index = handle::index(seat.handle);
        seat.handle = handle::compose(handle::tag(seat.handle), index, last);
        let spent = seat.seat(Probe::default()).unwrap();
        remove::<Probe>(spent).unwrap();
        assert_eq!(status::<Probe>(spent), Status::Stale);
        let more: Vec<_> = (0..64).map(|_| probe()).collect();
        assert!(more.iter().all(|&handle| handle::index(handle) != index));
        more.into_iter().for_each(|handle| drop(remove::<Probe>(handle).unwrap()));
    }

    #[test]
    fn a_child_is_told_and_makes_its_own() {
        let handle = probe();
        assert!(in_child(|| {
            let told = status::<Probe>(handle) == Status::Forked
                && remove::<Probe>(handle).is_err_and(|error| error.status() == Status::Forked)
                && check(handle) == Err(Status::Forked);
            let own = probe();
            told && own != handle && check(own) == Ok(()) && remove::<Probe>(own).is_ok()
        }));
        assert_eq!(check(handle), Ok(()));
        remove::<Probe>(handle).unwrap();
    }

    #[test]
    fn a_child_forked_inside_of_a_call_leaves_it_in_peace() {
        let handle = probe();
        let fine =
            with_pin(handle, |_: &Probe| in_child(|| status::<Probe>(handle) == Status::Forked)).unwrap();
        assert!(fine);
        remove::<Probe>(handle).unwrap();
    }
}
