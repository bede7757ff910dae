//! Leases: the right to use memory of an object beyond the call that returned it, and beyond the object's end.
//!
//! A lease is a slot in one table. The slot's word holds a generation and a live bit, so that one compare-and-swap
//! distinguishes the first release from a second one. It also counts the pins of calls that use the lease's object: a lease that
//! is released meanwhile ends at once, and the last pin returns its memory. Each thread caches a few free slots: taking a lease is then not a shared
//! operation. A slot that another thread releases goes into the cache of that thread.

use std::cell::Cell;
use std::ffi::c_void;
use std::fmt::Write;

use crate::error::{Error, Result, Status};
use crate::handle::slots;
use crate::handle::slots::{GENERATION_BITS, Slots, Wiped, Zeroed};
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*};
use crate::sync::mutex::FutexMutex;
use crate::sys::clock::now;
use crate::sys::thread::thread_id;
use crate::sys::thread_exit::ThreadExit;

/// A kind of lease: its names for people, and the function that runs at its release.
#[derive(Debug)]
pub(crate) struct Lessor {
    /// What is leased, the kind of object it belongs to, and what [`LiveLease::about`] counts. Shown in the dump.
    pub(crate) name: &'static str,
    pub(crate) object: &'static str,
    pub(crate) about: &'static str,
    /// Is called exactly once per lease, with the arguments of [`FreeSlot::fill`].
    pub(crate) release: unsafe fn(owner: *mut (), part: u32),
}

/// A lease as a value: slot and generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

#[repr(C, align(64))]
#[derive(Debug)]
struct LeaseSlot {
    /// pins << 32 | generation << 1 | live
    word: AtomicU64,
    lessor: AtomicPtr<Lessor>,
    owner: AtomicPtr<()>,
    part: AtomicU32,
    thread: AtomicU32,
    /// The number of the leased object, and one value about this lease (the epoch of a front).
    number: AtomicU64,
    about: AtomicU64,
    /// When [`for_each`] first saw it, since taking a lease reads no clock; 0 before.
    seen: AtomicU64,
    /// Free: the cache that owns it, or the next one in the pool.
    link: AtomicU64,
}

// SAFETY: atomics; zero is a free slot outside of every cache.
unsafe impl Zeroed for LeaseSlot {}

static SLOTS: Slots<LeaseSlot> = Slots::new();

/// One pin in a slot's word, above the generation.
const PIN: u64 = 1 << 32;
const _: () = assert!(GENERATION_BITS < 32);

/// Free slots outside of the caches: a list through `link`, index + 1.
#[derive(Debug)]
struct SharedSlots {
    lock: FutexMutex<()>,
    first: AtomicU64,
    grown: AtomicU32,
    leaked: AtomicU64,
}

// SAFETY: atomics.
unsafe impl Zeroed for SharedSlots {}

static SHARED: Wiped<SharedSlots> = Wiped::new();

const KEPT: usize = 16;
const EXCHANGED: usize = 8;

/// A thread's free slots. Each slot names the cache that has it, so that a child ignores the entries that a fork copied.
#[derive(Debug)]
struct SlotCache {
    free: [Cell<u32>; KEPT],
    count: Cell<usize>,
    id: Cell<u64>,
    /// Its thread.
    thread: Cell<u32>,
}

thread_local!(static CACHE: SlotCache = const {
    SlotCache { free: [const { Cell::new(0) }; KEPT], count: Cell::new(0), id: Cell::new(0), thread: Cell::new(0) }
});

static EXIT: ThreadExit = ThreadExit::new(leave);

/// Runs when a thread ends: its cache goes back to the pool.
unsafe extern "C" fn leave(_: *mut c_void) {
    CACHE.with(|cache| {
        cache.give(cache.count.get());
        // A later release on this thread begins a new cache.
        cache.id.set(0);
    });
}

static NEXT_CACHE: AtomicU64 = AtomicU64::new(1);

impl SlotCache {
    #[inline(always)]
    fn pop(&self) -> Option<FreeSlot> {
        let count = self.count.get();
        if let Some(left) = count.checked_sub(1) {
            let index = self.free[left % KEPT].get();
            if let Some(slot) = SLOTS.get(index)
                && slot.link.load(Relaxed) == self.id.get()
            {
                self.count.set(left);
                return Some(FreeSlot { index: u64::from(index), slot, thread: self.thread.get() });
            }
        }
        self.refill_and_pop()
    }

    #[cold]
    #[inline(never)] // so that `pop` is short enough to be inlined
    fn refill_and_pop(&self) -> Option<FreeSlot> {
        self.refill().ok().and_then(|()| self.pop())
    }

    #[cold]
    #[inline(never)]
    fn refill(&self) -> Result<()> {
        self.open()?;
        self.count.set(0);
        let pool = SHARED.get()?;
        let _locked = pool.lock.lock();
        if pool.first.load(Relaxed) == 0 {
            let fresh = SLOTS.grow()?;
            pool.grown.store(fresh.end, Relaxed);
            fresh.rev().for_each(|index| pool.push(index));
        }
        while self.count.get() < EXCHANGED
            && let Some(index) = pool.pop()
            && let Some(slot) = SLOTS.get(index)
        {
            self.keep(index, slot);
        }
        Ok(())
    }

    /// Registers the cache to be returned when the thread ends.
    fn open(&self) -> Result<()> {
        if self.id.get() == 0 {
            EXIT.set(std::ptr::NonNull::<c_void>::dangling().as_ptr())?;
            self.id.set(NEXT_CACHE.fetch_add(1, Relaxed));
            self.thread.set(thread_id());
        }
        Ok(())
    }

    #[inline(always)]
    fn keep(&self, index: u32, slot: &LeaseSlot) {
        let count = self.count.get();
        slot.link.store(self.id.get(), Relaxed);
        self.free[count % KEPT].set(index);
        self.count.set(count + 1);
    }

    #[inline(always)]
    fn push(&self, index: u32, slot: &LeaseSlot) {
        if self.count.get() >= KEPT || self.id.get() == 0 {
            self.make_room();
            // Without memory to register the cache, the slot is lost; the lease is not.
            if self.id.get() == 0 {
                return;
            }
        }
        self.keep(index, slot);
    }

    #[cold]
    #[inline(never)]
    fn make_room(&self) {
        if self.open().is_err() {
            return;
        }
        self.give(EXCHANGED.min(self.count.get()));
    }

    /// Gives `count` slots to the pool.
    fn give(&self, count: usize) {
        let Some(pool) = SHARED.peek() else { return };
        let _locked = pool.lock.lock();
        for _ in 0..count {
            self.count.set(self.count.get() - 1);
            let index = self.free[self.count.get() % KEPT].get();
            if SLOTS.get(index).is_some_and(|slot| slot.link.load(Relaxed) == self.id.get()) {
                pool.push(index);
            }
        }
    }
}

impl SharedSlots {
    fn push(&self, index: u32) {
        if let Some(slot) = SLOTS.get(index) {
            slot.link.store(self.first.load(Relaxed), Relaxed);
            self.first.store(u64::from(index) + 1, Relaxed);
        }
    }

    fn pop(&self) -> Option<u32> {
        let index = self.first.load(Relaxed).checked_sub(1)? as u32;
        self.first.store(SLOTS.get(index)?.link.load(Relaxed), Relaxed);
        Some(index)
    }
}

/// A free slot that the caller has taken.
#[derive(Debug)]
pub(crate) struct FreeSlot {
    index: u64,
    slot: &'static LeaseSlot,
    thread: u32,
}

/// Takes a free slot. `None`: [`out_of_slots`] returns the error.
#[inline(always)]
pub(crate) fn free_slot() -> Option<FreeSlot> {
    CACHE.with(SlotCache::pop)
}

/// The error of [`free_slot`]. A function of its own, since an error is large and taking a lease is short.
#[cold]
#[inline(never)]
pub(crate) fn out_of_slots() -> Error {
    CACHE.with(SlotCache::refill).err().unwrap_or_else(|| Error::of(Status::OutOfMemory))
}

impl FreeSlot {
    /// Makes it a live lease of `part` of `owner`, which is the object `number`.
    #[inline(always)]
    pub(crate) fn fill(
        self,
        lessor: &'static Lessor,
        owner: *mut (),
        part: u32,
        number: u64,
        about: u64,
    ) -> LeaseId {
        let slot = self.slot;
        slot.lessor.store((&raw const *lessor).cast_mut(), Relaxed);
        slot.owner.store(owner, Relaxed);
        slot.part.store(part, Relaxed);
        slot.thread.store(self.thread, Relaxed);
        slot.number.store(number, Relaxed);
        slot.about.store(about, Relaxed);
        slot.seen.store(0, Relaxed);
        let mut word = slot.word.load(Relaxed);
        if word == 0 {
            // Another copy of the library begins with other generations, so that its leases are recognised as foreign.
            word = u64::from(slots::instance().map_or(0, |instance| instance.first_generation)) << 1;
        }
        // Release: a thread that sees the live word sees the stores above.
        slot.word.store(word | 1, Release);
        LeaseId { index: self.index as u32, generation: (word >> 1) as u32 }
    }
}

/// Ends a lease. [`Status::Stale`] if it has ended before.
#[inline(always)]
pub(crate) fn release(id: LeaseId) -> Result<()> {
    end(id)?.finish();
    Ok(())
}

/// The word of a live lease without pins.
#[inline(always)]
fn live_word(id: LeaseId) -> u64 {
    u64::from(id.generation) << 1 | 1
}

#[cold]
#[inline(never)]
fn stale() -> Error {
    Error::text(Status::Stale, "the lease has been released")
}

/// A lease that is no longer live and whose memory has not been returned yet. There is one of these per lease.
#[derive(Debug)]
#[must_use = "a lease that is neither finished nor restored is lost"]
pub(crate) struct Ending {
    id: LeaseId,
    slot: &'static LeaseSlot,
    pub(crate) lessor: &'static Lessor,
    pub(crate) owner: *mut (),
    pub(crate) part: u32,
    /// Whether calls had pinned it, so that it counts as one pin itself.
    pinned: bool,
}

/// Begins to end a lease, for callers that have work to do before its memory is returned.
#[inline(always)]
pub(crate) fn end(id: LeaseId) -> Result<Ending> {
    let Some(slot) = SLOTS.get(id.index) else { return Err(Error::of(Status::Handle)) };
    let live = live_word(id);
    // Acquire: what `fill` stored is visible.
    let mut word = slot.word.load(Acquire);
    loop {
        let pins = word - word % PIN;
        if word - pins != live {
            return Err(stale());
        }
        // Read before the exchange: after it the slot may belong to another lease.
        let (lessor, owner, part) =
            (slot.lessor.load(Relaxed), slot.owner.load(Relaxed), slot.part.load(Relaxed));
        // Without the live bit no pin is added, so a lease without pins is this thread's alone. With pins, one more keeps the
        // slot and the generation until `finish` or `restore`.
        let ended = if pins == 0 { live + 1 } else { word - 1 + PIN };
        if let Err(now) = slot.word.compare_exchange(word, ended, AcqRel, Acquire) {
            word = now;
            continue;
        }
        // SAFETY: the slot was live with this generation, so this is what `fill` stored, and lessors are static.
        let lessor = unsafe { &*lessor };
        return Ok(Ending { id, slot, lessor, owner, part, pinned: pins != 0 });
    }
}

impl Ending {
    /// Returns the memory.
    #[inline(always)]
    pub(crate) fn finish(self) {
        if self.pinned {
            return unpin(self.slot, self.id);
        }
        self.complete();
    }

    #[inline(always)]
    fn complete(self) {
        // A slot that has used all its generations is never used again.
        if self.id.generation + 1 < 1 << GENERATION_BITS {
            CACHE.with(|cache| cache.push(self.id.index, self.slot));
        }
        // SAFETY: what `fill` stored, and `end` lets one release through.
        unsafe { (self.lessor.release)(self.owner, self.part) };
    }

    /// Makes the lease live again, as if the release had not begun.
    pub(crate) fn restore(self) {
        if self.pinned {
            self.slot.word.fetch_sub(PIN - 1, Release);
        } else {
            self.slot.word.store(live_word(self.id), Release);
        }
    }
}

/// A live lease that a call uses: its memory is not returned before this is dropped.
#[derive(Debug)]
pub(crate) struct UsedLease {
    id: LeaseId,
    slot: &'static LeaseSlot,
    pub(crate) lessor: &'static Lessor,
    pub(crate) owner: *mut (),
    pub(crate) part: u32,
}

/// Pins a live lease for the time of a call. [`Status::Stale`] if it has been released.
#[inline(always)]
pub(crate) fn pin(id: LeaseId) -> Result<UsedLease> {
    let Some(slot) = SLOTS.get(id.index) else { return Err(Error::of(Status::Handle)) };
    let live = live_word(id);
    let mut word = slot.word.load(Relaxed);
    while word % PIN == live {
        // Acquire: what `fill` stored is visible.
        if let Err(now) = slot.word.compare_exchange_weak(word, word + PIN, Acquire, Relaxed) {
            word = now;
            continue;
        }
        // SAFETY: the slot is live with this generation, so this is what `fill` stored, and lessors are static.
        let lessor = unsafe { &*slot.lessor.load(Relaxed) };
        let (owner, part) = (slot.owner.load(Relaxed), slot.part.load(Relaxed));
        return Ok(UsedLease { id, slot, lessor, owner, part });
    }
    Err(stale())
}

impl UsedLease {
    /// The value about the lease, such as the epoch of a front.
    pub(crate) fn about(&self) -> u64 {
        self.slot.about.load(Relaxed)
    }
}

impl Drop for UsedLease {
    #[inline(always)]
    fn drop(&mut self) {
        unpin(self.slot, self.id);
    }
}

/// Removes one pin. The last pin of a lease that has been released returns its memory.
#[inline(always)]
fn unpin(slot: &'static LeaseSlot, id: LeaseId) {
    // Release: this thread's use of the object happens before the memory is returned. Acquire: so do those of the other pins.
    let before = slot.word.fetch_sub(PIN, AcqRel);
    if before & 1 == 0 && before / PIN == 1 {
        finish_released(slot, id);
    }
}

#[cold]
#[inline(never)]
fn finish_released(slot: &'static LeaseSlot, id: LeaseId) {
    let (lessor, owner, part) =
        (slot.lessor.load(Relaxed), slot.owner.load(Relaxed), slot.part.load(Relaxed));
    // `end` adds 1 to the word of a lease, which is the live bit's carry into the generation.
    slot.word.store(live_word(id) + 1, Release);
    // SAFETY: what `fill` stored; the slot is in use until this call, and lessors are static.
    let lessor = unsafe { &*lessor };
    Ending { id, slot, lessor, owner, part, pinned: false }.complete();
}

/// Whether that lease has not been released.
pub(crate) fn is_live(id: LeaseId) -> bool {
    SLOTS.get(id.index).is_some_and(|slot| slot.word.load(Acquire) % PIN == live_word(id))
}

/// A live lease, for dumps and error messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveLease {
    /// `None` while the lease is being filled.
    pub(crate) lessor: Option<&'static Lessor>,
    pub(crate) number: u64,
    pub(crate) about: u64,
    pub(crate) thread: u32,
    /// A lower bound of its age: since [`for_each`] first saw it.
    pub(crate) age_ns: u64,
}

/// Calls `visit` with every live lease. Takes no lock and allocates nothing.
pub(crate) fn for_each(mut visit: impl FnMut(LiveLease)) {
    let Some(pool) = SHARED.peek() else { return };
    for index in 0..pool.grown.load(Relaxed) {
        let Some(slot) = SLOTS.get(index) else { return };
        let word = slot.word.load(Acquire);
        if word & 1 == 0 {
            continue;
        }
        let time = now();
        let first = match slot.seen.load(Relaxed) {
            0 => {
                slot.seen.store(time, Relaxed);
                time
            }
            first => first,
        };
        let lease = LiveLease {
            // SAFETY: null, or what `fill` was given, and lessors are static.
            lessor: unsafe { slot.lessor.load(Relaxed).as_ref() },
            number: slot.number.load(Relaxed),
            about: slot.about.load(Relaxed),
            thread: slot.thread.load(Relaxed),
            age_ns: time.saturating_sub(first),
        };
        if slot.word.load(Acquire) % PIN == word % PIN {
            visit(lease);
        }
    }
}

/// Counts leases that outlived their object.
pub(crate) fn count_leaked(count: u64) {
    if let Ok(pool) = SHARED.get() {
        pool.leaked.fetch_add(count, Relaxed);
    }
}

/// The number of leases in this process that outlived their object.
pub(crate) fn leaked() -> u64 {
    SHARED.peek().map_or(0, |pool| pool.leaked.load(Relaxed))
}

/// Writes one line per lease.
pub(crate) fn dump(out: &mut dyn Write) {
    for_each(|lease| {
        let Some(lessor) = lease.lessor else { return };
        let (name, object, about) = (lessor.name, lessor.object, lessor.about);
        let (number, age_ms) = (lease.number, lease.age_ns / 1_000_000);
        let _ = writeln!(
            out,
            "lease: {name} of {object} #{number}, {about} {}, thread {}, at least {age_ms} ms old",
            lease.about, lease.thread
        );
    });
}
