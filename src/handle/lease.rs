//! Leases: memory that outlives the call that gave it, and the object it came from.
//!
//! A lease is a slot in one table. Its word holds a generation and whether it is live, so that releasing twice is told
//! from releasing once by a single compare-and-swap. Each thread keeps a few free slots, so that taking one is no shared
//! operation at all; a slot released by another thread joins that thread's.

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

/// What gives leases: how one is called, and what to do when it is released.
#[derive(Debug)]
pub(crate) struct Giver {
    /// What is leased, of what kind of object, and what the number in `about` is: for those who look.
    pub(crate) name: &'static str,
    pub(crate) object: &'static str,
    pub(crate) about: &'static str,
    /// Gets what `take` was given. Called exactly once a lease.
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
struct Slot {
    /// generation << 1 | live
    word: AtomicU64,
    giver: AtomicPtr<Giver>,
    owner: AtomicPtr<()>,
    part: AtomicU32,
    thread: AtomicU32,
    /// The object that gave it, and what it says of this lease (a front's epoch).
    number: AtomicU64,
    about: AtomicU64,
    /// When somebody first looked at it: taking one reads no clock.
    seen: AtomicU64,
    /// Free: the cache that owns it, or the next one in the pool.
    link: AtomicU64,
}

// SAFETY: atomics; zero is a free slot that belongs to nobody.
unsafe impl Zeroed for Slot {}

static SLOTS: Slots<Slot> = Slots::new();

/// Free slots that no thread keeps: a list through `link`, index + 1.
#[derive(Debug)]
struct Pool {
    lock: FutexMutex<()>,
    first: AtomicU64,
    grown: AtomicU32,
    leaked: AtomicU64,
}

// SAFETY: atomics.
unsafe impl Zeroed for Pool {}

static POOL: Wiped<Pool> = Wiped::new();

const KEPT: usize = 16;
const EXCHANGED: usize = 8;

/// A thread's free slots. Slots name the cache that keeps them, so that what a fork left in the child's is not believed.
#[derive(Debug)]
struct Cache {
    free: [Cell<u32>; KEPT],
    count: Cell<usize>,
    id: Cell<u64>,
    /// Its thread.
    thread: Cell<u32>,
}

thread_local!(static CACHE: Cache = const {
    Cache { free: [const { Cell::new(0) }; KEPT], count: Cell::new(0), id: Cell::new(0), thread: Cell::new(0) }
});

static EXIT: ThreadExit = ThreadExit::new(leave);

/// Runs when a thread ends: its cache goes back to the pool.
unsafe extern "C" fn leave(_: *mut c_void) {
    CACHE.with(|cache| {
        cache.give(cache.count.get());
        // Whoever releases later on this thread begins a new one.
        cache.id.set(0);
    });
}

static NEXT_CACHE: AtomicU64 = AtomicU64::new(1);

impl Cache {
    #[inline(always)]
    fn pop(&self) -> Option<Blank> {
        let count = self.count.get();
        if let Some(left) = count.checked_sub(1) {
            let index = self.free[left % KEPT].get();
            if let Some(slot) = SLOTS.get(index)
                && slot.link.load(Relaxed) == self.id.get()
            {
                self.count.set(left);
                return Some(Blank { index: u64::from(index), slot, thread: self.thread.get() });
            }
        }
        self.refill().ok().and_then(|()| self.pop())
    }

    #[cold]
    #[inline(never)]
    fn refill(&self) -> Result<()> {
        self.open()?;
        self.count.set(0);
        let pool = POOL.get()?;
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

    /// Sees to it that the cache goes back when the thread ends.
    fn open(&self) -> Result<()> {
        if self.id.get() == 0 {
            EXIT.set(std::ptr::NonNull::<c_void>::dangling().as_ptr())?;
            self.id.set(NEXT_CACHE.fetch_add(1, Relaxed));
            self.thread.set(thread_id());
        }
        Ok(())
    }

    #[inline(always)]
    fn keep(&self, index: u32, slot: &Slot) {
        let count = self.count.get();
        slot.link.store(self.id.get(), Relaxed);
        self.free[count % KEPT].set(index);
        self.count.set(count + 1);
    }

    #[inline(always)]
    fn push(&self, index: u32, slot: &Slot) {
        if self.count.get() >= KEPT || self.id.get() == 0 {
            self.make_room();
            // Without memory to note the cache, the slot is lost; the lease is not.
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
        let Some(pool) = POOL.peek() else { return };
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

impl Pool {
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

/// A slot that `take` has got and not yet handed out.
#[derive(Debug)]
pub(crate) struct Blank {
    index: u64,
    slot: &'static Slot,
    thread: u32,
}

/// Gets a slot, before anything is promised. None: see [`why_none`].
#[inline(always)]
pub(crate) fn blank() -> Option<Blank> {
    CACHE.with(Cache::pop)
}

/// Why there is no slot. Apart, since an error is large and taking a lease is short.
#[cold]
#[inline(never)]
pub(crate) fn why_none() -> Error {
    CACHE.with(Cache::refill).err().unwrap_or_else(|| Error::of(Status::OutOfMemory))
}

impl Blank {
    /// Makes it a live lease of `part` of `owner`, which is the object `number`.
    #[inline(always)]
    pub(crate) fn fill(
        self,
        giver: &'static Giver,
        owner: *mut (),
        part: u32,
        number: u64,
        about: u64,
    ) -> LeaseId {
        let slot = self.slot;
        slot.giver.store((&raw const *giver).cast_mut(), Relaxed);
        slot.owner.store(owner, Relaxed);
        slot.part.store(part, Relaxed);
        slot.thread.store(self.thread, Relaxed);
        slot.number.store(number, Relaxed);
        slot.about.store(about, Relaxed);
        slot.seen.store(0, Relaxed);
        let mut word = slot.word.load(Relaxed);
        if word == 0 {
            // Another copy's leases begin elsewhere, so that they are told apart.
            word = u64::from(slots::instance().map_or(0, |instance| instance.first_generation)) << 1;
        }
        // Release: who finds it live sees what it is of.
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

/// A lease that is no longer live and whose memory is not given back yet: this is the one release of it.
#[derive(Debug)]
#[must_use = "a lease that is neither finished nor restored is lost"]
pub(crate) struct Ending {
    id: LeaseId,
    slot: &'static Slot,
    pub(crate) giver: &'static Giver,
    pub(crate) owner: *mut (),
    pub(crate) part: u32,
}

/// Begins to end a lease, for whoever has something to do before its memory goes back.
#[inline(always)]
pub(crate) fn end(id: LeaseId) -> Result<Ending> {
    let Some(slot) = SLOTS.get(id.index) else { return Err(Error::of(Status::Handle)) };
    let live = u64::from(id.generation) << 1 | 1;
    let stale = || Error::text(Status::Stale, "the lease has been released");
    // Acquire: what `fill` stored is visible.
    if slot.word.load(Acquire) != live {
        return Err(stale());
    }
    // Read before the exchange: after it the slot may be somebody else's.
    let (giver, owner, part) = (slot.giver.load(Relaxed), slot.owner.load(Relaxed), slot.part.load(Relaxed));
    if slot.word.compare_exchange(live, live + 1, AcqRel, Relaxed).is_err() {
        return Err(stale());
    }
    // SAFETY: the slot was live with this generation, so this is what `fill` stored, and givers are static.
    Ok(Ending { id, slot, giver: unsafe { &*giver }, owner, part })
}

impl Ending {
    /// Gives the memory back.
    #[inline(always)]
    pub(crate) fn finish(self) {
        // A slot whose generations are spent is never used again.
        if self.id.generation + 1 < 1 << GENERATION_BITS {
            CACHE.with(|cache| cache.push(self.id.index, self.slot));
        }
        // SAFETY: what `fill` stored, and `end` lets one release through.
        unsafe { (self.giver.release)(self.owner, self.part) };
    }

    /// The lease is live again, as if nothing had been tried.
    pub(crate) fn restore(self) {
        self.slot.word.store(u64::from(self.id.generation) << 1 | 1, Release);
    }
}

/// Whether that lease has not been released.
pub(crate) fn is_live(id: LeaseId) -> bool {
    SLOTS.get(id.index).is_some_and(|slot| slot.word.load(Acquire) == u64::from(id.generation) << 1 | 1)
}

/// A live lease, as somebody who looks sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// None while its giver is not known yet.
    pub(crate) giver: Option<&'static Giver>,
    pub(crate) number: u64,
    pub(crate) about: u64,
    pub(crate) thread: u32,
    /// At least so old: since somebody first looked.
    pub(crate) age_ns: u64,
}

/// Looks at every live lease. Takes no lock and allocates nothing.
pub(crate) fn for_each(mut visit: impl FnMut(Seen)) {
    let Some(pool) = POOL.peek() else { return };
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
        let seen = Seen {
            // SAFETY: null, or what `fill` was given, and givers are static.
            giver: unsafe { slot.giver.load(Relaxed).as_ref() },
            number: slot.number.load(Relaxed),
            about: slot.about.load(Relaxed),
            thread: slot.thread.load(Relaxed),
            age_ns: time.saturating_sub(first),
        };
        if slot.word.load(Acquire) == word {
            visit(seen);
        }
    }
}

/// Counts leases whose object went first.
pub(crate) fn count_leaked(count: u64) {
    if let Ok(pool) = POOL.get() {
        pool.leaked.fetch_add(count, Relaxed);
    }
}

/// How many there were in this process.
pub(crate) fn leaked() -> u64 {
    POOL.peek().map_or(0, |pool| pool.leaked.load(Relaxed))
}

/// One line a lease.
pub(crate) fn dump(out: &mut dyn Write) {
    for_each(|lease| {
        let Some(giver) = lease.giver else { return };
        let (name, object, about) = (giver.name, giver.object, giver.about);
        let (number, age_ms) = (lease.number, lease.age_ns / 1_000_000);
        let _ = writeln!(
            out,
            "lease: {name} of {object} #{number}, {about} {}, thread {}, at least {age_ms} ms old",
            lease.about, lease.thread
        );
    });
}
