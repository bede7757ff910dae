//! Front leases: taking one is a single wait-free step, giving it back another, and the publisher never waits for either.
//!
//! One word holds the index of the front copy and how many leases were taken since it became the front; each copy has a
//! count of its own from which releases are taken. Publishing swaps the word and adds what the old one had counted to the
//! old front's own count, which from then on tells exactly how many leases still hold that copy. There is no moment between
//! "which copy is it" and "I hold it", so there is nothing to retry. The model checker compiles this file.

use crate::sync::atomic::{AtomicI64, AtomicU64, Ordering::*, fence};

/// Copies at most, extra ones included.
pub(crate) const MOST: usize = 32;

const INDEX_SHIFT: u32 = 48;
const COUNT: u64 = (1 << INDEX_SHIFT) - 1;

/// Leases taken of one front, beyond which the count is moved out of the word.
const FULL: u64 = 1 << 40;

/// Somebody waits for this copy. Flags stand above any count; a negative count borrows from them.
const WANTED: i64 = 1 << 60;
/// The storage is retired: the last lease frees the copy.
const RETIRED: i64 = 1 << 61;
/// At or above this a flag is set, whatever the count.
const FLAGGED: i64 = 1 << 59;

fn count(pins: i64) -> i64 {
    (pins << 5) >> 5
}

/// What a release has to do beyond giving back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Released {
    /// Nothing.
    Done,
    /// It was the last one, and somebody waits for the copy.
    Wanted,
    /// It was the last one of a retired storage: free the copy.
    Orphan,
}

#[repr(C, align(128))]
#[derive(Debug)]
struct Apart<T>(T);

#[derive(Debug)]
pub(crate) struct Fronts {
    word: Apart<AtomicU64>,
    pins: [Apart<AtomicI64>; MOST],
}

impl Fronts {
    /// Copy 0 is the front; nobody holds anything.
    pub(crate) fn new() -> Fronts {
        Fronts { word: Apart(AtomicU64::new(0)), pins: std::array::from_fn(|_| Apart(AtomicI64::new(0))) }
    }

    /// Takes a lease of the front and says which copy that is.
    #[inline(always)]
    pub(crate) fn acquire(&self) -> usize {
        // Acquire: the content published with this index. Release: the publisher's swap sees every earlier reader.
        let word = self.word.0.fetch_add(1, AcqRel);
        if word & COUNT >= FULL {
            self.renormalise(word);
        }
        (word >> INDEX_SHIFT) as usize
    }

    /// Moves a large count into the copy's own.
    #[cold]
    fn renormalise(&self, word: u64) {
        let index = word >> INDEX_SHIFT;
        let now = self.word.0.load(Relaxed);
        if now >> INDEX_SHIFT == index
            && now & COUNT >= FULL
            && self.word.0.compare_exchange(now, index << INDEX_SHIFT, AcqRel, Relaxed).is_ok()
        {
            self.pins[index as usize].0.fetch_add((now & COUNT) as i64, AcqRel);
        }
    }

    /// Gives a lease of that copy back. After this, `self` may be gone.
    #[inline(always)]
    pub(crate) fn release(&self, copy: usize) -> Released {
        // Release: what the reader read comes before any later overwrite.
        let before = self.pins[copy].0.fetch_sub(1, Release);
        if before >= FLAGGED { Self::flagged(before) } else { Released::Done }
    }

    #[cold]
    fn flagged(before: i64) -> Released {
        if count(before) != 1 {
            return Released::Done;
        }
        if before - count(before) >= RETIRED {
            fence(Acquire);
            return Released::Orphan;
        }
        Released::Wanted
    }

    /// Publisher: makes `new` the front.
    pub(crate) fn publish(&self, new: usize) {
        // Release: the new content. Acquire and release: the count moves with everything that its readers did.
        let old = self.word.0.swap((new as u64) << INDEX_SHIFT, AcqRel);
        let taken = old & COUNT;
        if taken != 0 {
            self.pins[(old >> INDEX_SHIFT) as usize].0.fetch_add(taken as i64, AcqRel);
        }
    }

    /// Publisher: whether no lease holds that copy, which is not the front. True stays true until it is published.
    pub(crate) fn is_free(&self, copy: usize) -> bool {
        count(self.pins[copy].0.load(Acquire)) == 0
    }

    /// The front, as it is now.
    pub(crate) fn front(&self) -> usize {
        (self.word.0.load(Acquire) >> INDEX_SHIFT) as usize
    }

    /// Asks for word when the last lease of that copy, which is not the front, goes; true if there is none.
    pub(crate) fn want(&self, copy: usize) -> bool {
        // By addition: the copy may have become the front meanwhile, and a count below zero borrows from the flags, so that
        // no single bit tells.
        let pins = &self.pins[copy].0;
        let mut seen = pins.load(Acquire);
        while seen - count(seen) == 0 {
            match pins.compare_exchange_weak(seen, seen + WANTED, AcqRel, Acquire) {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
        count(seen) == 0
    }

    /// Publisher: a copy that is free is wanted no more.
    pub(crate) fn settle(&self, copy: usize) {
        // Nobody acquires or releases a free copy, so the value is the bare flag.
        let _ = self.pins[copy].0.compare_exchange(WANTED, 0, AcqRel, Relaxed);
    }

    /// Leases that are held now.
    pub(crate) fn held(&self) -> u64 {
        let own: i64 = self.pins.iter().map(|pins| count(pins.0.load(Relaxed))).sum();
        (own + (self.word.0.load(Relaxed) & COUNT) as i64).max(0) as u64
    }

    /// Nobody acquires any more: marks that copy as an orphan in waiting. True if nobody holds it, so that it is freed now.
    pub(crate) fn retire(&self, copy: usize) -> bool {
        let word = self.word.0.load(Acquire);
        let taken = if (word >> INDEX_SHIFT) as usize == copy { (word & COUNT) as i64 } else { 0 };
        let before = self.pins[copy].0.fetch_add(RETIRED + taken, AcqRel);
        count(before) + taken == 0
    }
}
