//! The changed ranges of the last epochs, recorded by each publish and read by holders of fronts.
//!
//! The history is a ring of records, one for each epoch: the ranges in which that epoch's front differs from the one before.
//! What a publish copies forward is equal in both, so the dirty set of the epoch is all of it. A record has room for a fixed
//! number of ranges; if an epoch has more, they are joined in groups.
//!
//! One thread records at a time, the holder of the applier role; it never waits. Readers validate what they have read by the
//! record's epoch: it is 0 while the record is rewritten, and never the same twice. All words are atomics, so a torn read is a
//! wrong value and no data race, and validation discards it. The model `changes` compiles this file.

use std::ops::Range;

use crate::error::Result;
use crate::manager::copies::dirty_bitmap::GRANULE;
use crate::manager::copies::dirty_set::{DirtySet, Interval};
use crate::manager::copies::range_union::{
    FEW, MANY, PackedRange, RunUnion, SpreadUnion, end, join_nearest, pack, start,
};
use crate::sync::atomic::{AtomicU64, Ordering::*, fence};
use crate::sys::pages::PagedWords;

/// A record has a range for that many bytes of the state, so that the history is not larger than the state itself.
const BYTES_OF_A_RANGE: usize = 1024;

/// Ranges of the records of small states.
const LEAST_RANGES: usize = 8;

/// Words of a record before its ranges: the epoch, the number of ranges, and a range with all of them.
const HEADER: usize = 3;

/// The most ranges of one record.
pub(crate) const MOST_RANGES: usize = MANY / 2;

/// The records of the last epochs of one state.
#[derive(Debug)]
pub(crate) struct ChangeHistory {
    /// `epochs` records of `stride` words.
    words: PagedWords,
    epochs: usize,
    stride: usize,
    /// The record that is written next. Only the role holder uses it.
    next: AtomicU64,
    /// Bytes of the state.
    bytes: usize,
    /// Ranges are in units of 2^shift bytes, as those of a dirty set.
    shift: u32,
}

/// Which changes are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChangeQuery<'a> {
    /// The changes of the epochs beyond this one ...
    pub(crate) since: u64,
    /// ... up to this one, which is leased.
    pub(crate) epoch: u64,
    /// The bytes that matter.
    pub(crate) within: &'a Range<u64>,
    /// The most ranges; at least one.
    pub(crate) capacity: usize,
}

/// The answer: ascending, disjoint ranges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChangedRanges<'a> {
    union: Union<'a>,
    /// Whether the history covers all epochs of the query. If not, the only range is everything.
    pub(crate) complete: bool,
}

#[derive(Clone, Copy, Debug)]
enum Union<'a> {
    /// As many ranges as were inserted, or fewer. Units are bytes, and all of the state is asked for.
    Spread(&'a SpreadUnion, usize),
    /// In units of 2^shift bytes; the first and the last may be larger than what is asked for.
    Sorted { ranges: &'a [PackedRange], shift: u32, within: &'a Range<u64> },
}

impl ChangedRanges<'_> {
    /// At least the number of ranges.
    pub(crate) fn most(&self) -> usize {
        match self.union {
            Union::Spread(_, inserted) => inserted,
            Union::Sorted { ranges, .. } => ranges.len(),
        }
    }

    /// Calls `set` with the index, start and end of each range, in bytes from the start of the bytes that were asked for. A range
    /// may be set again, with another end that is not before the first. Returns the number of ranges.
    #[inline(always)]
    pub(crate) fn for_each(&self, mut set: impl FnMut(usize, u64, u64)) -> usize {
        let mut count = 0;
        match self.union {
            Union::Spread(union, _) => union.for_each(|at, low, high| {
                set(at, low.into(), high.into());
                count = at + 1;
            }),
            Union::Sorted { ranges, shift, within } => {
                for (at, &range) in ranges.iter().enumerate() {
                    let (low, high) = (u64::from(start(range)) << shift, u64::from(end(range)) << shift);
                    set(at, low.max(within.start) - within.start, high.min(within.end) - within.start);
                }
                count = ranges.len();
            }
        }
        count
    }
}

impl ChangeHistory {
    /// A history of that many epochs, which may be none, of a state of `bytes` bytes.
    pub(crate) fn new(epochs: usize, bytes: usize) -> Result<ChangeHistory> {
        let stride = HEADER + (bytes / BYTES_OF_A_RANGE).clamp(LEAST_RANGES, MOST_RANGES);
        let words = PagedWords::new(epochs * stride)?;
        let shift = DirtySet::shift_for(bytes);
        Ok(ChangeHistory { words, epochs, stride, next: AtomicU64::new(0), bytes, shift })
    }

    /// Records the dirty ranges of an epoch that is published next. Requires the applier role.
    #[inline(always)]
    pub(crate) fn record(&self, epoch: u64, dirty: &DirtySet) {
        if self.epochs == 0 {
            return;
        }
        let at = self.next.load(Relaxed) as usize;
        self.next.store(if at + 1 == self.epochs { 0 } else { at as u64 + 1 }, Relaxed);
        let [number, count, extent, ranges @ ..] = &self.words[at * self.stride..(at + 1) * self.stride]
        else {
            return;
        };
        number.store(0, Relaxed);
        // Release: a reader that sees a word written below also sees that the record is not of its epoch any more.
        fence(Release);
        // The extent only spreads few ranges evenly; that of many is the state.
        let (mut low, mut high) = (0, self.bytes.div_ceil(1 << self.shift) as u32);
        let stored = match dirty.intervals() {
            Some(intervals) if intervals.len() <= FEW.min(ranges.len()) => {
                (low, high) = (u32::MAX, 0);
                for (to, &(start, end)) in ranges.iter().zip(intervals) {
                    to.store(pack(start, end), Relaxed);
                    (low, high) = (low.min(start), high.max(end));
                }
                intervals.len()
            }
            Some(intervals) if intervals.len() <= ranges.len() => {
                for (to, &(start, end)) in ranges.iter().zip(intervals) {
                    to.store(pack(start, end), Relaxed);
                }
                intervals.len()
            }
            Some(intervals) => store_groups(ranges, intervals),
            None => self.store_runs(ranges, dirty),
        };
        count.store(stored as u64, Relaxed);
        extent.store(pack(low, high), Relaxed);
        // Relaxed: a reader asks for an epoch once it has leased that front or a newer one, whose publish orders all of this.
        number.store(epoch, Relaxed);
    }

    /// Stores the runs of a dirty set that is not a list, joined if there are too many. Returns the number of ranges.
    #[cold]
    #[inline(never)]
    fn store_runs(&self, to: &[AtomicU64], dirty: &DirtySet) -> usize {
        let (mut stored, mut last) = (0, (0, 0));
        let mut add = |start: usize, end: usize| {
            let round = (1 << self.shift) - 1;
            let (start, end) = ((start >> self.shift) as u32, ((end + round) >> self.shift) as u32);
            // Adjacent pieces are one range.
            if stored > 0 && start <= last.1 {
                last.1 = end;
            } else {
                last = (start, end);
                stored += 1;
            }
            to[stored - 1].store(pack(last.0, last.1), Relaxed);
        };
        match dirty.as_bitmap() {
            Some(bitmap) if bitmap.runs() > to.len() => bitmap.for_each_span(to.len(), |first, count| {
                add(first * GRANULE, ((first + count) * GRANULE).min(self.bytes));
            }),
            _ => dirty.for_each(add),
        }
        stored
    }

    /// The ranges that differ between two epochs, for `work`.
    #[inline(always)]
    pub(crate) fn query<R>(&self, query: ChangeQuery<'_>, work: impl FnOnce(ChangedRanges<'_>) -> R) -> R {
        let asked = query.epoch - query.since;
        if asked == 0 || self.bytes == 0 {
            return self.finish(query, &mut [], work);
        }
        if asked > self.epochs as u64 {
            return self.everything(query, work);
        }
        let (mut low, mut high, mut sum) = (u32::MAX, 0, 0);
        let complete = self.for_each_record(query, |extent, ranges| {
            let extent = extent.load(Relaxed);
            (low, high) = (low.min(start(extent)), high.max(end(extent)));
            sum += ranges.len();
            true
        });
        if !complete {
            return self.everything(query, work);
        }
        if sum > FEW {
            return self.query_many(query, work);
        }
        let mut union = SpreadUnion::new(low.min(high), high);
        let mut room = FEW;
        let complete = self.for_each_record(query, |_, ranges| {
            // More ranges than before: the record has been overwritten.
            let Some(left) = room.checked_sub(ranges.len()) else { return false };
            room = left;
            ranges.iter().for_each(|range| union.insert(range.load(Relaxed)));
            true
        });
        if !complete {
            return self.everything(query, work);
        }
        let inserted = FEW - room;
        if self.is_whole(query.within) && self.shift == 0 && inserted <= query.capacity {
            return work(ChangedRanges { union: Union::Spread(&union, inserted), complete: true });
        }
        self.sort(&union, query, work)
    }

    /// Answers by a union that must be reduced to what was asked for.
    #[cold]
    #[inline(never)]
    fn sort<R>(
        &self,
        union: &SpreadUnion,
        query: ChangeQuery<'_>,
        work: impl FnOnce(ChangedRanges<'_>) -> R,
    ) -> R {
        let (mut ranges, mut count) = ([0; FEW], 0);
        union.for_each(|at, low, high| {
            ranges[at] = pack(low, high);
            count = at + 1;
        });
        self.finish(query, &mut ranges[..count], work)
    }

    #[cold]
    #[inline(never)]
    fn query_many<R>(&self, query: ChangeQuery<'_>, work: impl FnOnce(ChangedRanges<'_>) -> R) -> R {
        let mut union = RunUnion::new();
        let complete = self.for_each_record(query, |_, ranges| {
            let room = union.room(ranges.len());
            room.iter_mut().zip(ranges).for_each(|(to, range)| *to = range.load(Relaxed));
            union.add(ranges.len());
            true
        });
        if complete { self.finish(query, union.finish(MANY), work) } else { self.everything(query, work) }
    }

    /// All that was asked for, since the history does not cover the epochs.
    #[cold]
    fn everything<R>(&self, query: ChangeQuery<'_>, work: impl FnOnce(ChangedRanges<'_>) -> R) -> R {
        let all = [pack(0, u32::MAX)];
        let ranges = if query.within.is_empty() { &[][..] } else { &all[..] };
        work(self.sorted(query, ranges, query.within.is_empty()))
    }

    fn sorted<'a>(
        &self,
        query: ChangeQuery<'a>,
        ranges: &'a [PackedRange],
        complete: bool,
    ) -> ChangedRanges<'a> {
        let union = Union::Sorted { ranges, shift: self.shift, within: query.within };
        ChangedRanges { union, complete }
    }

    /// Whether these bytes are all of the state.
    fn is_whole(&self, within: &Range<u64>) -> bool {
        within.start == 0 && within.end == self.bytes as u64
    }

    /// Reduces sorted ranges to what was asked for.
    fn finish<R>(
        &self,
        query: ChangeQuery<'_>,
        union: &mut [PackedRange],
        work: impl FnOnce(ChangedRanges<'_>) -> R,
    ) -> R {
        let within = query.within;
        let first = union.partition_point(|&range| u64::from(end(range)) << self.shift <= within.start);
        let last = union.partition_point(|&range| u64::from(start(range)) << self.shift < within.end);
        let ranges = union.get_mut(first..last).unwrap_or_default();
        let ranges = if ranges.len() > query.capacity { reduce(ranges, query.capacity) } else { ranges };
        work(self.sorted(query, ranges, true))
    }

    /// Calls `read` with the extent and the ranges of every epoch of the query. False if `read` returns false, or if one of the
    /// records has been overwritten; then what `read` has seen may be anything.
    #[inline(always)]
    fn for_each_record(
        &self,
        query: ChangeQuery<'_>,
        mut read: impl FnMut(&AtomicU64, &[AtomicU64]) -> bool,
    ) -> bool {
        // Epochs are recorded in order, without a gap, from 1 on.
        let mut at = (query.since % self.epochs as u64) as usize;
        for before in query.since..query.epoch {
            // A count that is being written may reach into the next record, whose words are atomics as well.
            let Some([number, count, extent, ranges @ ..]) = self.words.get(at * self.stride..) else {
                return false;
            };
            at = if at + 1 == self.epochs { 0 } else { at + 1 };
            let Some(ranges) = ranges.get(..count.load(Relaxed) as usize) else { return false };
            if !read(extent, ranges) {
                return false;
            }
            // What was read is of this epoch or newer. Acquire: pairs with the fence of the thread that wrote one of these
            // words later, if one did; then the number is not this epoch any more.
            fence(Acquire);
            if number.load(Relaxed) != before + 1 {
                return false;
            }
        }
        true
    }
}

/// Stores more intervals than there is room for: as many that follow one another in time become one range, since those are often
/// near one another, and groups that overlap are one. One pass at the price of a minimum and a maximum. Returns the number of
/// ranges.
#[cold]
#[inline(never)]
fn store_groups(to: &[AtomicU64], intervals: &[Interval]) -> usize {
    let (mut stored, mut last) = (0, 0);
    for group in intervals.chunks(intervals.len().div_ceil(to.len())) {
        let (low, high) =
            group.iter().fold((u32::MAX, 0), |(low, high), &(start, end)| (low.min(start), high.max(end)));
        if stored > 0 && low <= end(last) && start(last) <= high {
            last = pack(low.min(start(last)), high.max(end(last)));
        } else {
            last = pack(low, high);
            stored += 1;
        }
        to[stored - 1].store(last, Relaxed);
    }
    stored
}

#[cold]
#[inline(never)]
fn reduce(ranges: &mut [PackedRange], capacity: usize) -> &mut [PackedRange] {
    join_nearest(ranges, &mut [0; MANY], capacity)
}
