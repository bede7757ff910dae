//! Copy-forward: several copies of one state, of which one is the front, one the back, and each knows what it lacks.
//!
//! Invariants. Outside `stale[c]` copy `c` equals the front. Outside `dirty ∪ stale[back]` the back equals the front.
//! `stale[front]` is empty. Publishing requires `stale[back]` to be empty, adds `dirty` to every other copy's set, and
//! flips. What a back copy lacks is brought up lazily: a write takes what it covers out of the set, so that a full rewrite
//! never copies anything forward. The source is always the current front, so a copy that a lease keeps back only grows its
//! set. Everything here is called by the holder of the applier role.

use super::dirty_bitmap::GRANULE;
use super::dirty_set::Intervals;
use crate::error::Result;

/// Copies at most, extra ones included.
pub(crate) const MOST: usize = 32;

/// What is stale up to this size is copied at the first write of an epoch, and the hot path is back to one test. Where it
/// is scattered, up to `STEP`: measured, following many small intervals costs more than copying them.
pub(crate) const AT_ONCE: usize = 64 << 10;

/// One step of a longer catch-up.
pub(crate) const STEP: usize = 256 << 10;

/// No interval in registers: no offset equals or exceeds it, so the tests of `mark` need no other.
const NOWHERE: usize = usize::MAX;

/// The copies and what each of them lacks.
#[derive(Debug)]
pub(crate) struct Forward {
    bytes: usize,
    front: usize,
    back: usize,
    /// Where the back copy lies: the hot path reads it here.
    target: *mut u8,
    data: [*mut u8; MOST],
    /// Bit k: copy k has memory.
    present: u32,
    /// Whether `stale[back]` may hold something.
    lagging: bool,
    /// The last interval written, not yet in `dirty`.
    low: usize,
    high: usize,
    dirty: Intervals,
    stale: Vec<Intervals>,
    /// Ranges copied forward, and their bytes.
    pub(crate) copies_forward: u64,
    pub(crate) copied_bytes: u64,
    /// Of this epoch's stale set: granules overwritten before anybody had to copy them.
    overwritten: usize,
}

/// Copies without a call for the sizes that updates most often have.
///
/// # Safety
/// As `ptr::copy_nonoverlapping`.
#[inline(always)]
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, length: usize) {
    // SAFETY: the caller's promise; the fixed sizes are the same copy.
    unsafe {
        match length {
            8 => to.cast::<u64>().write_unaligned(from.cast::<u64>().read_unaligned()),
            4 => to.cast::<u32>().write_unaligned(from.cast::<u32>().read_unaligned()),
            64 => to.cast::<[u64; 8]>().write_unaligned(from.cast::<[u64; 8]>().read_unaligned()),
            _ => std::ptr::copy_nonoverlapping(from, to, length),
        }
    }
}

impl Forward {
    /// Copies 0 (the front) and 1 (the back) at those addresses, equal; the others not there yet.
    pub(crate) fn new(bytes: usize, count: usize, front: *mut u8, back: *mut u8) -> Result<Forward> {
        let mut stale = crate::alloc::try_vec(count)?;
        for copy in 0..count {
            stale.push(if copy < 2 { Intervals::new(bytes)? } else { Intervals::whole(bytes) });
        }
        let mut data = [std::ptr::null_mut(); MOST];
        (data[0], data[1]) = (front, back);
        Ok(Forward {
            bytes,
            front: 0,
            back: 1,
            target: back,
            data,
            present: 0b11,
            lagging: false,
            low: NOWHERE,
            high: NOWHERE,
            dirty: Intervals::new(bytes)?,
            stale,
            copies_forward: 0,
            copied_bytes: 0,
            overwritten: 0,
        })
    }

    pub(crate) fn front(&self) -> usize {
        self.front
    }

    pub(crate) fn back(&self) -> usize {
        self.back
    }

    /// The front copy's bytes.
    pub(crate) fn source(&self) -> *const u8 {
        self.data[self.front]
    }

    /// The back copy's bytes.
    pub(crate) fn target(&self) -> *mut u8 {
        self.target
    }

    /// The back copy has moved to other memory, with the same bytes; or with others, which `forsake` then says.
    pub(crate) fn move_back(&mut self, data: *mut u8) {
        self.data[self.back] = data;
        self.target = data;
    }

    /// Whether that copy has memory.
    pub(crate) fn present(&self, copy: usize) -> bool {
        self.present >> copy & 1 != 0
    }

    /// How many copies have memory.
    pub(crate) fn count_present(&self) -> u32 {
        self.present.count_ones()
    }

    /// Gives a copy its memory; all of it is stale. On failure nothing changes.
    pub(crate) fn provide(&mut self, copy: usize, data: *mut u8) -> Result<()> {
        let mut stale = Intervals::new(self.bytes)?;
        if self.bytes > 0 {
            stale.insert_all();
        }
        self.stale[copy] = stale;
        self.data[copy] = data;
        self.present |= 1 << copy;
        Ok(())
    }

    /// Takes an idle copy's memory away.
    pub(crate) fn withdraw(&mut self, copy: usize) {
        debug_assert!(copy != self.front && copy != self.back);
        self.data[copy] = std::ptr::null_mut();
        self.present &= !(1 << copy);
        self.stale[copy] = Intervals::whole(self.bytes);
    }

    /// How much that copy lacks, roughly: for choosing among idle ones.
    pub(crate) fn lack(&self, copy: usize) -> usize {
        self.stale[copy].bytes()
    }

    /// Makes another copy the back. Nothing may have been written to the present one in this epoch.
    pub(crate) fn turn_to(&mut self, copy: usize) {
        debug_assert!(!self.is_dirty() && copy != self.front && self.present(copy));
        self.back = copy;
        self.target = self.data[copy];
        self.lagging = !self.stale[copy].is_empty();
    }

    /// Whether anything was written in this epoch.
    #[inline(always)]
    pub(crate) fn is_dirty(&self) -> bool {
        self.high != NOWHERE || !self.dirty.is_empty()
    }

    /// Whether the back copy lacks anything.
    #[inline(always)]
    pub(crate) fn is_lagging(&self) -> bool {
        self.lagging
    }

    /// Whether waiting writers would gain from catching up before they come: much is stale, and the last time it was
    /// not simply overwritten.
    pub(crate) fn worth_catching_up(&self) -> bool {
        self.lagging
            && self.stale[self.back].bytes() >= 16 * STEP
            && self.overwritten * GRANULE < self.bytes / 4
    }

    /// Writes `length > 0` bytes at `offset` of the back copy.
    ///
    /// # Safety
    /// `offset + length` lies within the state; `from` is readable for `length` and no part of the back copy.
    #[inline(always)]
    pub(crate) unsafe fn write(&mut self, offset: usize, from: *const u8, length: usize) {
        // SAFETY: the caller's promise; `touch` gives a place within the back copy.
        unsafe { copy(from, self.touch(offset, length), length) }
    }

    /// Prepares `offset .. offset + length` of the back copy for being overwritten, and says where it lies.
    #[inline(always)]
    pub(crate) fn touch(&mut self, offset: usize, length: usize) -> *mut u8 {
        if self.lagging {
            self.settle(offset, offset + length);
        }
        self.mark(offset, offset + length);
        self.target.wrapping_add(offset)
    }

    /// Prepares a range of the back copy for being read and changed.
    pub(crate) fn freshen(&mut self, offset: usize, length: usize) -> *mut u8 {
        if self.lagging && length > 0 && !self.settle_small() {
            self.spread();
            self.bring(offset / GRANULE, (offset + length - 1) / GRANULE);
        }
        self.touch(offset, length)
    }

    #[inline(always)]
    fn mark(&mut self, start: usize, end: usize) {
        if start == self.high {
            self.high = end;
        } else if start < self.low || end > self.high {
            if self.high != NOWHERE {
                self.dirty.insert(self.low, self.high);
            }
            (self.low, self.high) = (start, end);
        }
    }

    /// Brings all of a small stale set up. True when nothing is left.
    fn settle_small(&mut self) -> bool {
        let stale = &mut self.stale[self.back];
        let bytes = stale.bytes();
        if bytes <= AT_ONCE || (bytes <= STEP && stale.is_scattered()) {
            self.bring_all();
        }
        !self.lagging
    }

    /// Before a write of `start .. end`: what it covers is not stale any more; granules that it covers in part are
    /// brought up first.
    #[cold]
    #[inline(never)]
    fn settle(&mut self, start: usize, end: usize) {
        if self.stale[self.back].is_log() {
            if self.settle_small() {
                return;
            }
            if let Some(covered) = self.stale[self.back].subtract(start, end) {
                self.overwritten += covered / GRANULE;
                self.lagging = !self.stale[self.back].is_empty();
                return;
            }
        }
        self.spread();
        let (from, to) = (start / GRANULE, (end - 1) / GRANULE);
        if !start.is_multiple_of(GRANULE) {
            self.bring(from, from);
        }
        if !end.is_multiple_of(GRANULE) && end != self.bytes {
            self.bring(to, to);
        }
        let granules = self.stale[self.back].granules();
        let before = granules.count();
        granules.remove(from, to);
        self.overwritten += before - granules.count();
        if granules.count() * GRANULE <= AT_ONCE {
            self.step(usize::MAX);
        }
    }

    /// Turns what is stale in the back copy into granules. What was written in this epoch lies beside it to the byte, and
    /// must not become stale again with the rest of its granule.
    fn spread(&mut self) {
        if !self.is_dirty() {
            return self.stale[self.back].spread();
        }
        let (from, to) = (self.data[self.front], self.target);
        let (mut ranges, mut bytes) = (0, 0);
        self.stale[self.back].spread_exactly(|start, end| {
            // SAFETY: both copies are `bytes` long and apart, and sets never reach beyond them.
            unsafe { copy(from.wrapping_add(start), to.wrapping_add(start), end - start) };
            (ranges, bytes) = (ranges + 1, bytes + (end - start) as u64);
        });
        self.copies_forward += ranges;
        self.copied_bytes += bytes;
    }

    /// Brings the granules `from ..= to` of the back copy up to date, where they are stale.
    fn bring(&mut self, from: usize, to: usize) {
        while let Some((first, count)) = self.stale[self.back].granules().take_run(from, to, STEP / GRANULE) {
            self.copy_forward(first * GRANULE, ((first + count) * GRANULE).min(self.bytes));
        }
    }

    #[inline(always)]
    fn copy_forward(&mut self, start: usize, end: usize) {
        let from = self.data[self.front].wrapping_add(start);
        // SAFETY: both copies are `bytes` long and apart, and sets never reach beyond them.
        unsafe { copy(from, self.target.wrapping_add(start), end - start) };
        self.copies_forward += 1;
        self.copied_bytes += (end - start) as u64;
    }

    /// Brings up everything that is stale in the back copy.
    fn bring_all(&mut self) {
        let (from, to) = (self.data[self.front], self.target);
        let (mut ranges, mut bytes) = (0, 0);
        let done = self.stale[self.back].drain_log(|start, end| {
            // SAFETY: both copies are `bytes` long and apart, and sets never reach beyond them.
            unsafe { copy(from.wrapping_add(start), to.wrapping_add(start), end - start) };
            (ranges, bytes) = (ranges + 1, bytes + (end - start) as u64);
        });
        self.copies_forward += ranges;
        self.copied_bytes += bytes;
        self.lagging = !done;
        self.step(usize::MAX);
    }

    /// Brings up about `most` stale bytes of the back copy. True when nothing is left.
    pub(crate) fn step(&mut self, most: usize) -> bool {
        let mut left = most;
        while self.lagging && left > 0 {
            match self.stale[self.back].pop(left.min(STEP)) {
                Some((start, end)) => {
                    self.copy_forward(start, end);
                    left = left.saturating_sub(end - start);
                }
                None => self.lagging = false,
            }
        }
        if self.lagging && self.stale[self.back].is_empty() {
            self.stale[self.back].clear();
            self.lagging = false;
        }
        !self.lagging
    }

    /// The whole back copy will be rewritten: nothing in it is stale, all of it is dirty.
    pub(crate) fn rewrite(&mut self) {
        self.stale[self.back].clear();
        self.lagging = false;
        if self.bytes > 0 {
            self.dirty.clear();
            (self.low, self.high) = (0, self.bytes);
        }
    }

    /// The back copy holds nothing of use, and nothing was written.
    pub(crate) fn forsake(&mut self) {
        self.dirty.clear();
        (self.low, self.high) = (NOWHERE, NOWHERE);
        if self.bytes > 0 {
            self.stale[self.back].insert_all();
            self.lagging = true;
        }
    }

    /// Hands every dirty range to `visit`.
    pub(crate) fn for_each_dirty(&mut self, visit: impl FnMut(usize, usize)) {
        self.flush_last();
        self.dirty.for_each(visit);
    }

    fn flush_last(&mut self) {
        if self.high != NOWHERE {
            self.dirty.insert(self.low, self.high);
            (self.low, self.high) = (NOWHERE, NOWHERE);
        }
    }

    /// Makes the back copy the front; the old front becomes the back. The back must not be lagging.
    pub(crate) fn publish(&mut self) {
        debug_assert!(!self.lagging);
        self.flush_last();
        let (old, new) = (self.front, self.back);
        let mut others = self.present & !(1 << old | 1 << new);
        while others != 0 {
            self.stale[others.trailing_zeros() as usize].union(&mut self.dirty);
            others &= others - 1;
        }
        // The old front lacked nothing: its empty set becomes the next epoch's dirty set.
        self.dirty.trade(&mut self.stale[old]);
        (self.front, self.back) = (new, old);
        self.target = self.data[old];
        self.lagging = !self.stale[old].is_empty();
        self.overwritten = 0;
    }
}
