//! Lease counts of the state copies: acquiring and releasing a front are one wait-free step each; a publish waits for neither.
//!
//! One word holds the index of the front copy and the number of leases taken since it became the front. Each copy has a
//! count from which releases are subtracted. A publish swaps the word and adds its number of leases to the count of the old
//! front, which from then on is exactly the number of leases of that copy. Reading the index and counting the lease are one
//! atomic step, so nothing is ever retried. The model `fronts` compiles this file.

use crate::sync::atomic::{AtomicI64, AtomicU64, Ordering::*, fence};

/// Maximum number of copies, extra ones included.
pub(crate) const MAX_COPIES: usize = 32;

const INDEX_SHIFT: u32 = 48;
const COUNT: u64 = (1 << INDEX_SHIFT) - 1;

/// From this many leases of one front on, the number is moved from the word to the copy's count.
const FULL: u64 = 1 << 40;

/// A thread waits for this copy. Flags are above any count; a negative count borrows from them.
const WANTED: i64 = 1 << 60;
/// The copies are retired: the last lease frees the copy.
const RETIRED: i64 = 1 << 61;
/// At or above this value a flag is set, for every count.
const FLAGGED: i64 = 1 << 59;

fn count(pins: i64) -> i64 {
    (pins << 5) >> 5
}

/// What the caller of a release must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Released {
    /// Nothing.
    Done,
    /// The last lease of a copy that a thread waits for: signal it.
    WakeWaiters,
    /// The last lease of a retired copy: free it.
    FreeCopy,
}

/// A count on cache lines of its own; 128 bytes, since processors fetch lines in pairs.
#[repr(C, align(128))]
#[derive(Debug)]
struct PaddedCount<T>(T);

/// The lease counts of all copies; see the module.
#[derive(Debug)]
pub(crate) struct FrontCount {
    word: PaddedCount<AtomicU64>,
    pins: [PaddedCount<AtomicI64>; MAX_COPIES],
}

impl FrontCount {
    /// Copy 0 is the front; there are no leases.
    pub(crate) fn new() -> FrontCount {
        FrontCount {
            word: PaddedCount(AtomicU64::new(0)),
            pins: std::array::from_fn(|_| PaddedCount(AtomicI64::new(0))),
        }
    }

    /// Takes a lease of the front and returns the index of its copy.
    #[inline(always)]
    pub(crate) fn acquire(&self) -> usize {
        // Acquire: the content published with this index. Release: the publisher's swap sees every earlier reader.
        let word = self.word.0.fetch_add(1, AcqRel);
        if word & COUNT >= FULL {
            self.renormalise(word);
        }
        (word >> INDEX_SHIFT) as usize
    }

    /// Moves a large number of leases from the word to the copy's count.
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

    /// Releases a lease of that copy. Afterwards `self` may be freed.
    #[inline(always)]
    pub(crate) fn release(&self, copy: usize) -> Released {
        // Release: the reader's accesses happen before any later overwrite.
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
            return Released::FreeCopy;
        }
        Released::WakeWaiters
    }

    /// Makes `new` the front. Requires the applier role.
    pub(crate) fn publish(&self, new: usize) {
        // Release: the new content. Acquire and release: the count moves with everything that its readers did.
        let old = self.word.0.swap((new as u64) << INDEX_SHIFT, AcqRel);
        let taken = old & COUNT;
        if taken != 0 {
            self.pins[(old >> INDEX_SHIFT) as usize].0.fetch_add(taken as i64, AcqRel);
        }
    }

    /// Whether that copy, which is not the front, has no lease. True stays true until it is published. Requires the applier role.
    pub(crate) fn is_free(&self, copy: usize) -> bool {
        count(self.pins[copy].0.load(Acquire)) == 0
    }

    /// The index of the front copy now.
    pub(crate) fn front(&self) -> usize {
        (self.word.0.load(Acquire) >> INDEX_SHIFT) as usize
    }

    /// Requests [`Released::WakeWaiters`] for the last release of that copy, which is not the front; true if it has no lease.
    pub(crate) fn request_wake(&self, copy: usize) -> bool {
        // By addition, not by setting a bit: the copy may have become the front meanwhile, and a count below zero borrows
        // from the flags.
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

    /// Clears the wake request of a free copy. Requires the applier role.
    pub(crate) fn clear_request(&self, copy: usize) {
        // A free copy is neither acquired nor released, so the value is the bare flag.
        let _ = self.pins[copy].0.compare_exchange(WANTED, 0, AcqRel, Relaxed);
    }

    /// Live leases of all copies.
    pub(crate) fn leases(&self) -> u64 {
        let own: i64 = self.pins.iter().map(|pins| count(pins.0.load(Relaxed))).sum();
        (own + (self.word.0.load(Relaxed) & COUNT) as i64).max(0) as u64
    }

    /// Marks a copy as retired, after the last acquire. True if it has no lease: the caller frees it now.
    pub(crate) fn retire(&self, copy: usize) -> bool {
        let word = self.word.0.load(Acquire);
        let taken = if (word >> INDEX_SHIFT) as usize == copy { (word & COUNT) as i64 } else { 0 };
        let before = self.pins[copy].0.fetch_add(RETIRED + taken, AcqRel);
        count(before) + taken == 0
    }
}
