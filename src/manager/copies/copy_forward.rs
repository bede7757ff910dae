//! Copy-forward of dirty ranges between state copies: brings a stale back copy up to date before it is published.
//!
//! One copy is the front, one is the back; each copy has a set of stale ranges. Invariants: outside `stale[c]`, copy `c` equals
//! the front; outside `dirty ∪ stale[back]`, the back equals the front; `stale[front]` is empty. A publish requires `stale[back]` to be empty, adds `dirty` to the set of every other copy, and
//! swaps front and back. Stale ranges are copied lazily: a write removes what it covers from the set, so that a full rewrite
//! copies nothing forward. The source is always the current front, so the set of a leased copy only grows. Every method
//! requires the applier role. The model `forward` compiles this file.

use crate::error::Result;
use crate::manager::copies::dirty_bitmap::GRANULE;
use crate::manager::copies::dirty_set::DirtySet;
use crate::manager::copies::front_count::MAX_COPIES;

/// Up to this many stale bytes are copied at the first write of an epoch, after which the hot path is one test again. A
/// scattered set is copied up to `COPY_STEP`: by measurement, tracking many small intervals costs more than copying them.
pub(crate) const COPY_AT_ONCE: usize = 64 << 10;

/// Bytes of one step of a longer copy.
pub(crate) const COPY_STEP: usize = 256 << 10;

/// A write of fewer bytes may be one of many, see [`CopyForward::copy_before_write`].
const SMALL_WRITE: usize = 16 * GRANULE;

/// The value of `low` and `high` without an interval. No offset reaches it, so `mark` needs no further test.
const NOWHERE: usize = usize::MAX;

/// The copies of one state and the stale ranges of each.
#[derive(Debug)]
pub(crate) struct CopyForward {
    bytes: usize,
    front: usize,
    back: usize,
    /// The address of the back copy, for the hot path.
    back_data: *mut u8,
    data: [*mut u8; MAX_COPIES],
    /// Bit k: copy k has memory.
    present: u32,
    /// False only if `stale[back]` is empty.
    back_stale: bool,
    /// The last interval written, not yet in `dirty`.
    low: usize,
    high: usize,
    dirty: DirtySet,
    stale: Vec<DirtySet>,
    /// Ranges copied forward, and their bytes.
    pub(crate) copies_forward: u64,
    pub(crate) copied_bytes: u64,
    /// Stale granules of this epoch that were overwritten before they were copied.
    overwritten: usize,
    /// Whether the stale set of the back copy has been widened in this epoch.
    widened: bool,
    /// Small writes of this epoch that covered a stale granule in part.
    small_writes: u32,
}

/// Copies bytes; the most frequent sizes of updates need no call.
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

impl CopyForward {
    /// Copy 0 is the front and copy 1 the back, with equal bytes at those addresses; the others have no memory.
    pub(crate) fn new(bytes: usize, count: usize, front: *mut u8, back: *mut u8) -> Result<CopyForward> {
        let mut stale = crate::alloc::try_vec(count)?;
        for copy in 0..count {
            stale.push(if copy < 2 { DirtySet::new(bytes)? } else { DirtySet::whole(bytes) });
        }
        let mut data = [std::ptr::null_mut(); MAX_COPIES];
        (data[0], data[1]) = (front, back);
        Ok(CopyForward {
            bytes,
            front: 0,
            back: 1,
            back_data: back,
            data,
            present: 0b11,
            back_stale: false,
            low: NOWHERE,
            high: NOWHERE,
            dirty: DirtySet::new(bytes)?,
            stale,
            copies_forward: 0,
            copied_bytes: 0,
            overwritten: 0,
            widened: false,
            small_writes: 0,
        })
    }

    pub(crate) fn front(&self) -> usize {
        self.front
    }

    pub(crate) fn back(&self) -> usize {
        self.back
    }

    /// The front copy's bytes.
    pub(crate) fn front_data(&self) -> *const u8 {
        self.data[self.front]
    }

    /// The back copy's bytes.
    pub(crate) fn back_data(&self) -> *mut u8 {
        self.back_data
    }

    /// Records that the back copy has moved to other memory. If its bytes differ, `invalidate_back` must follow.
    pub(crate) fn relocate_back(&mut self, data: *mut u8) {
        self.data[self.back] = data;
        self.back_data = data;
    }

    /// Whether that copy has memory.
    pub(crate) fn has_memory(&self, copy: usize) -> bool {
        self.present >> copy & 1 != 0
    }

    /// How many copies have memory.
    pub(crate) fn count_present(&self) -> u32 {
        self.present.count_ones()
    }

    /// Adds the memory of a copy; all of it is stale. On failure nothing changes.
    pub(crate) fn attach(&mut self, copy: usize, data: *mut u8) -> Result<()> {
        let mut stale = DirtySet::new(self.bytes)?;
        if self.bytes > 0 {
            stale.insert_all();
        }
        self.stale[copy] = stale;
        self.data[copy] = data;
        self.present |= 1 << copy;
        Ok(())
    }

    /// Removes the memory of a copy that is neither front nor back.
    pub(crate) fn detach(&mut self, copy: usize) {
        debug_assert!(copy != self.front && copy != self.back);
        self.data[copy] = std::ptr::null_mut();
        self.present &= !(1 << copy);
        self.stale[copy] = DirtySet::whole(self.bytes);
    }

    /// An estimate of the stale bytes of a copy, for the choice of the next back copy.
    pub(crate) fn stale_bytes(&self, copy: usize) -> usize {
        self.stale[copy].bytes()
    }

    /// Makes another copy the back. Nothing may have been written in this epoch.
    pub(crate) fn select_back(&mut self, copy: usize) {
        debug_assert!(!self.is_dirty() && copy != self.front && self.has_memory(copy));
        self.back = copy;
        self.back_data = self.data[copy];
        self.back_stale = !self.stale[copy].is_empty();
        (self.widened, self.small_writes) = (false, 0);
    }

    /// Whether anything was written in this epoch.
    #[inline(always)]
    pub(crate) fn is_dirty(&self) -> bool {
        self.high != NOWHERE || !self.dirty.is_empty()
    }

    /// Whether the back copy has stale bytes.
    #[inline(always)]
    pub(crate) fn back_is_stale(&self) -> bool {
        self.back_stale
    }

    /// Whether copying ahead of the next write is worth it: much is stale, and most of it was not simply overwritten in the
    /// last epoch.
    pub(crate) fn worth_catching_up(&self) -> bool {
        self.back_stale
            && self.stale[self.back].bytes() >= 16 * COPY_STEP
            && self.overwritten * GRANULE < self.bytes / 4
    }

    /// Writes `length > 0` bytes at `offset` of the back copy.
    ///
    /// # Safety
    /// `offset + length` lies within the state; `from` is readable for `length` and no part of the back copy.
    #[inline(always)]
    pub(crate) unsafe fn write(&mut self, offset: usize, from: *const u8, length: usize) {
        // SAFETY: the caller's promise; `begin_overwrite` returns an address within the back copy.
        unsafe { copy(from, self.begin_overwrite(offset, length), length) }
    }

    /// Prepares `offset .. offset + length` of the back copy to be overwritten and returns its address.
    #[inline(always)]
    pub(crate) fn begin_overwrite(&mut self, offset: usize, length: usize) -> *mut u8 {
        if self.back_stale {
            self.copy_before_write(offset, offset + length);
        }
        self.mark(offset, offset + length);
        self.back_data.wrapping_add(offset)
    }

    /// Brings a range of the back copy up to date, to be read and changed, and returns its address.
    pub(crate) fn begin_modify(&mut self, offset: usize, length: usize) -> *mut u8 {
        if self.back_stale && length > 0 && !self.copy_all_if_small() {
            self.convert_stale_to_bitmap();
            self.copy_granules(offset / GRANULE, (offset + length - 1) / GRANULE);
        }
        self.begin_overwrite(offset, length)
    }

    #[inline(always)]
    fn mark(&mut self, start: usize, end: usize) {
        // Negative if the range is not within the last interval. One branch on the sign of both differences: two comparisons
        // become two branches, and on which side of the interval the next of many scattered writes lies cannot be predicted.
        let within = (start.wrapping_sub(self.low) | self.high.wrapping_sub(end)) as isize;
        if start == self.high {
            self.high = end;
        } else if within < 0 {
            if self.high != NOWHERE {
                self.dirty.insert(self.low, self.high);
            }
            (self.low, self.high) = (start, end);
        }
    }

    /// Copies a small stale set whole. True if nothing is stale any more.
    fn copy_all_if_small(&mut self) -> bool {
        let stale = &mut self.stale[self.back];
        let bytes = stale.bytes();
        if bytes <= COPY_AT_ONCE || (bytes <= COPY_STEP && stale.is_scattered()) {
            if self.bytes <= COPY_STEP && self.stale[self.back].is_dense_log() && !self.is_dirty() {
                self.copy_whole();
            } else {
                self.copy_all();
            }
        }
        !self.back_stale
    }

    /// Copies the whole state; nothing of it has been written in this epoch.
    #[inline(never)]
    fn copy_whole(&mut self) {
        self.stale[self.back].clear();
        self.back_stale = false;
        self.copy_range(0, self.bytes);
    }

    /// Prepares a stale back copy for a write of `start .. end`: removes covered granules from the stale set and copies those
    /// that are covered in part.
    ///
    /// A granule that is copied alone costs ten times its share of a long copy. So with a granule that a small write covers in part,
    /// its neighbours are copied as well, twice as many with every such write of an epoch, up to `COPY_AT_ONCE`: an epoch of
    /// scattered writes copies the state at most once, in long pieces. Writes that follow one another are no such case: what they
    /// will overwrite need not be copied, unless each granule is covered in part first.
    #[cold]
    #[inline(never)]
    fn copy_before_write(&mut self, start: usize, end: usize) {
        if self.stale[self.back].is_log() {
            if self.copy_all_if_small() {
                return;
            }
            if let Some(covered) = self.stale[self.back].subtract(start, end) {
                self.overwritten += covered / GRANULE;
                self.back_stale = !self.stale[self.back].is_empty();
                return;
            }
        }
        self.copy_granules_before_write(start, end);
    }

    /// `copy_before_write` for a set of granules.
    #[inline(never)]
    fn copy_granules_before_write(&mut self, start: usize, end: usize) {
        self.convert_stale_to_bitmap();
        let (from, to) = (start / GRANULE, (end - 1) / GRANULE);
        if self.stale[self.back].granules().overlaps(from, to) {
            self.copy_parts(start, end, from, to);
        }
        if self.stale[self.back].granules().count() * GRANULE <= COPY_AT_ONCE {
            self.copy_step(usize::MAX);
        }
    }

    /// `copy_before_write` for the granules `from ..= to`; some are stale.
    #[inline(never)]
    fn copy_parts(&mut self, start: usize, end: usize, from: usize, to: usize) {
        let granules = self.stale[self.back].granules();
        let whole = start.div_ceil(GRANULE)..if end == self.bytes { to + 1 } else { end / GRANULE };
        if !whole.is_empty() {
            let before = granules.count();
            granules.remove(whole.start, whole.end - 1);
            self.overwritten += before - granules.count();
        }
        let small = end - start < SMALL_WRITE && (start != self.high || end - start < GRANULE);
        for part in [from, to] {
            // A granule that is stale still is covered in part.
            if self.stale[self.back].granules().overlaps(part, part) {
                let mut others = 0;
                if small {
                    others = (1 << self.small_writes) - 1;
                    self.small_writes += u32::from(others < COPY_AT_ONCE / GRANULE - 1);
                }
                self.copy_granules(part & !others, part | others);
            }
        }
    }

    /// Converts the stale set of the back copy to granules. Bytes written in this epoch may share a granule with stale ones
    /// and must not become stale again, so such partial granules are copied here. If nothing has been written, the set is widened:
    /// outside of it the back copy equals the front, so more of it may be copied.
    fn convert_stale_to_bitmap(&mut self) {
        if !self.is_dirty() {
            self.stale[self.back].convert_to_bitmap();
            if !self.widened {
                self.widened = true;
                self.stale[self.back].granules().widen();
            }
            return;
        }
        let (from, to) = (self.data[self.front], self.back_data);
        let (mut ranges, mut bytes) = (0, 0);
        self.stale[self.back].convert_to_exact_bitmap(|start, end| {
            // SAFETY: both copies are `bytes` long and apart, and sets never reach beyond them.
            unsafe { copy(from.wrapping_add(start), to.wrapping_add(start), end - start) };
            (ranges, bytes) = (ranges + 1, bytes + (end - start) as u64);
        });
        self.copies_forward += ranges;
        self.copied_bytes += bytes;
    }

    /// Copies the stale granules among `from ..= to`.
    fn copy_granules(&mut self, from: usize, to: usize) {
        while let Some((first, count)) =
            self.stale[self.back].granules().take_run(from, to, COPY_STEP / GRANULE)
        {
            self.copy_range(first * GRANULE, ((first + count) * GRANULE).min(self.bytes));
        }
    }

    #[inline(always)]
    fn copy_range(&mut self, start: usize, end: usize) {
        let from = self.data[self.front].wrapping_add(start);
        // SAFETY: both copies are `bytes` long and apart, and sets never reach beyond them.
        unsafe { copy(from, self.back_data.wrapping_add(start), end - start) };
        self.copies_forward += 1;
        self.copied_bytes += (end - start) as u64;
    }

    /// Copies everything that is stale in the back copy.
    fn copy_all(&mut self) {
        let (from, to) = (self.data[self.front], self.back_data);
        let (mut ranges, mut bytes) = (0, 0);
        let done = self.stale[self.back].drain_log(|start, end| {
            // SAFETY: both copies are `bytes` long and apart, and sets never reach beyond them.
            unsafe { copy(from.wrapping_add(start), to.wrapping_add(start), end - start) };
            (ranges, bytes) = (ranges + 1, bytes + (end - start) as u64);
        });
        self.copies_forward += ranges;
        self.copied_bytes += bytes;
        self.back_stale = !done;
        self.copy_step(usize::MAX);
    }

    /// Copies about `most` stale bytes. True if nothing is stale any more.
    #[inline(always)]
    pub(crate) fn copy_step(&mut self, most: usize) -> bool {
        !self.back_stale || self.copy_stale(most)
    }

    #[inline(never)]
    fn copy_stale(&mut self, most: usize) -> bool {
        let mut left = most;
        if !self.stale[self.back].is_log() && !self.is_dirty() {
            self.convert_stale_to_bitmap();
        }
        while self.back_stale && left > 0 {
            match self.stale[self.back].pop(left.min(COPY_STEP)) {
                Some((start, end)) => {
                    self.copy_range(start, end);
                    left = left.saturating_sub(end - start);
                }
                None => self.back_stale = false,
            }
        }
        if self.back_stale && self.stale[self.back].is_empty() {
            self.stale[self.back].clear();
            self.back_stale = false;
        }
        !self.back_stale
    }

    /// Marks the whole back copy as dirty and not stale: the caller rewrites all of it.
    pub(crate) fn mark_all_rewritten(&mut self) {
        self.stale[self.back].clear();
        self.back_stale = false;
        if self.bytes > 0 {
            self.dirty.clear();
            (self.low, self.high) = (0, self.bytes);
        }
    }

    /// Marks the whole back copy as stale and not dirty: its content is lost.
    pub(crate) fn invalidate_back(&mut self) {
        self.dirty.clear();
        (self.low, self.high) = (NOWHERE, NOWHERE);
        if self.bytes > 0 {
            self.stale[self.back].insert_all();
            self.back_stale = true;
        }
    }

    /// The ranges written in this epoch.
    #[inline(always)]
    pub(crate) fn dirty(&mut self) -> &DirtySet {
        self.flush_interval();
        &self.dirty
    }

    /// Calls `visit` for every dirty range.
    pub(crate) fn for_each_dirty(&mut self, visit: impl FnMut(usize, usize)) {
        self.dirty().for_each(visit);
    }

    fn flush_interval(&mut self) {
        if self.high != NOWHERE {
            self.dirty.insert(self.low, self.high);
            (self.low, self.high) = (NOWHERE, NOWHERE);
        }
    }

    /// Makes the back copy the front; the old front becomes the back. The back copy must not be stale.
    pub(crate) fn publish(&mut self) {
        debug_assert!(!self.back_stale);
        self.flush_interval();
        let (old, new) = (self.front, self.back);
        let mut others = self.present & !(1 << old | 1 << new);
        while others != 0 {
            self.stale[others.trailing_zeros() as usize].union(&mut self.dirty);
            others &= others - 1;
        }
        // The old front has an empty stale set: it becomes the next epoch's dirty set.
        self.dirty.swap(&mut self.stale[old]);
        (self.front, self.back) = (new, old);
        self.back_data = self.data[old];
        self.back_stale = !self.stale[old].is_empty();
        self.overwritten = 0;
        (self.widened, self.small_writes) = (false, 0);
    }
}
