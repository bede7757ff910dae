//! Union of lists of ranges: overlapping and adjacent ranges are joined, and the nearest ones where there are too many.
//!
//! A range is one word, its start above its end, so that words in order are ranges in order of their starts. A few ranges are
//! spread over a table by their starts, many are merged run by run. All buffers are arrays on the stack: a union allocates
//! nothing.

use std::mem::MaybeUninit;

/// A range of units of the state: start in the upper half of the word, end in the lower. Never empty.
pub(crate) type PackedRange = u64;

/// Packs `start .. end`.
#[inline(always)]
pub(crate) fn pack(start: u32, end: u32) -> PackedRange {
    u64::from(start) << 32 | u64::from(end)
}

/// The start of a range.
#[inline(always)]
pub(crate) fn start(range: PackedRange) -> u32 {
    (range >> 32) as u32
}

/// The end of a range.
#[inline(always)]
pub(crate) fn end(range: PackedRange) -> u32 {
    range as u32
}

/// The most ranges of a [`SpreadUnion`].
pub(crate) const FEW: usize = 64;
const BUCKETS: usize = 256;
/// At least `BUCKETS + FEW`, and a power of two: an index is masked, which costs less than a check.
const SLOTS: usize = 512;

/// A union of few ranges: a table by their starts, with ordered linear probing. The bucket of a start ascends with it, and
/// inserting keeps each cluster sorted, so that the slots in order are the ranges in order.
#[derive(Debug)]
pub(crate) struct SpreadUnion {
    slots: [MaybeUninit<PackedRange>; SLOTS],
    /// Bit k: slot k has a range, and is initialised.
    occupied: [u64; SLOTS / 64],
    /// The least start, and the units of a bucket as a power of two.
    low: u32,
    shift: u32,
}

impl SpreadUnion {
    /// For at most [`FEW`] ranges within `low .. high`. Of ranges beyond, the union is wrong.
    #[inline(always)]
    pub(crate) fn new(low: u32, high: u32) -> SpreadUnion {
        let shift = (u32::BITS - (high - low).leading_zeros()).saturating_sub(BUCKETS.trailing_zeros());
        SpreadUnion { slots: [const { MaybeUninit::uninit() }; SLOTS], occupied: [0; SLOTS / 64], low, shift }
    }

    /// Adds one of at most [`FEW`] ranges.
    #[inline(always)]
    pub(crate) fn insert(&mut self, mut range: PackedRange) {
        let mut at = (start(range).wrapping_sub(self.low) >> self.shift) as usize % SLOTS;
        // There are more slots than ranges, so one of them is free.
        loop {
            let word = &mut self.occupied[at / 64];
            let occupied = *word >> (at % 64) & 1 != 0;
            // Set in any case: beside the test, both are one instruction each.
            *word |= 1 << (at % 64);
            let slot = &mut self.slots[at];
            if !occupied {
                slot.write(range);
                return;
            }
            // SAFETY: occupied, so it is initialised.
            let slot = unsafe { slot.assume_init_mut() };
            // Ranges that follow one another, as those of an object that moves, are joined here already. Others stay sorted.
            let (least, most) = (range.min(*slot), range.max(*slot));
            if start(most) <= end(least) {
                *slot = pack(start(least), end(least).max(end(most)));
                return;
            }
            (*slot, range) = (least, most);
            at = (at + 1) % SLOTS;
        }
    }

    /// Calls `set` with index, start and end of each range of the union: ascending ranges that neither overlap nor touch. A range
    /// that grows is set again.
    #[inline(always)]
    pub(crate) fn for_each(&self, mut set: impl FnMut(usize, u32, u32)) {
        // The start of the last range, and the first start that does not touch it.
        let (mut count, mut low, mut apart) = (0, 0, 0);
        for (word, &bits) in self.occupied.iter().enumerate() {
            let mut left = bits;
            while left != 0 {
                // SAFETY: occupied, so it is initialised.
                let range = unsafe { self.slots[word * 64 + left.trailing_zeros() as usize].assume_init() };
                left &= left - 1;
                let mut high = u64::from(end(range));
                if u64::from(start(range)) >= apart {
                    count += 1;
                    low = start(range);
                } else {
                    high = high.max(apart - 1);
                }
                apart = high + 1;
                set(count - 1, low, high as u32);
            }
        }
    }
}

/// The most ranges that a [`RunUnion`] keeps apart.
pub(crate) const MANY: usize = 512;

/// A union of many ranges: sorted runs, one after another.
#[derive(Debug)]
pub(crate) struct RunUnion {
    words: [PackedRange; MANY],
    spare: [PackedRange; MANY],
    /// Where each run begins, and where the last one ends.
    bounds: [u16; MANY + 1],
    runs: usize,
}

impl RunUnion {
    pub(crate) fn new() -> RunUnion {
        RunUnion { words: [0; MANY], spare: [0; MANY], bounds: [0; MANY + 1], runs: 0 }
    }

    fn len(&self) -> usize {
        usize::from(self.bounds[self.runs])
    }

    /// Memory for the next list, of at most `MANY / 2` ranges. Joins ranges that were added before, if there is too little.
    pub(crate) fn room(&mut self, count: usize) -> &mut [PackedRange] {
        if self.len() + count > MANY {
            let length = self.finish(MANY / 2).len();
            self.set_length(length);
        }
        let length = self.len();
        &mut self.words[length..length + count]
    }

    /// Adds the list of `count` ranges that was written to [`RunUnion::room`].
    pub(crate) fn add(&mut self, count: usize) {
        let (from, to) = (self.len(), self.len() + count);
        if count == 0 {
            return;
        }
        self.words[from..to].sort_unstable();
        // A list that begins after the last run continues it.
        let continues = from > 0 && self.words[from] >= self.words[from - 1];
        self.runs += usize::from(!continues);
        self.bounds[self.runs] = to as u16;
    }

    /// The union as at most `count > 0` ascending ranges that neither overlap nor touch.
    pub(crate) fn finish(&mut self, count: usize) -> &mut [PackedRange] {
        self.merge_runs();
        let all = self.len();
        let length = join_touching(&mut self.words[..all]);
        self.set_length(length);
        join_nearest(&mut self.words[..length], &mut self.spare, count)
    }

    /// The words are one run of that length.
    fn set_length(&mut self, length: usize) {
        self.runs = usize::from(length > 0);
        self.bounds[self.runs] = length as u16;
    }

    /// Merges the runs in pairs until one is left.
    fn merge_runs(&mut self) {
        let length = self.len();
        while self.runs > 1 {
            let runs = self.runs;
            self.runs = runs.div_ceil(2);
            for run in 0..self.runs {
                let [low, middle, high] =
                    [0, 1, 2].map(|part| usize::from(self.bounds[(2 * run + part).min(runs)]));
                merge(&self.words[low..middle], &self.words[middle..high], &mut self.spare[low..high]);
                self.bounds[run] = low as u16;
            }
            self.bounds[self.runs] = length as u16;
            std::mem::swap(&mut self.words, &mut self.spare);
        }
    }
}

/// Merges two sorted runs.
fn merge(left: &[PackedRange], right: &[PackedRange], to: &mut [PackedRange]) {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    for to in to {
        let from_left = left.peek().is_some_and(|&one| right.peek().is_none_or(|&other| one <= other));
        if let Some(&next) = if from_left { left.next() } else { right.next() } {
            *to = next;
        }
    }
}

/// Joins sorted ranges that overlap or touch, and returns how many are left.
fn join_touching(ranges: &mut [PackedRange]) -> usize {
    let Some(&first) = ranges.first() else { return 0 };
    let (mut low, mut high, mut kept) = (start(first), end(first), 0);
    for at in 1..ranges.len() {
        let next = ranges[at];
        if start(next) > high {
            ranges[kept] = pack(low, high);
            kept += 1;
            (low, high) = (start(next), end(next));
        } else {
            high = high.max(end(next));
        }
    }
    ranges[kept] = pack(low, high);
    kept + 1
}

/// Joins the nearest of ascending, disjoint ranges until at most `count > 0` are left. `gaps` has at least as many words.
pub(crate) fn join_nearest<'a>(
    ranges: &'a mut [PackedRange],
    gaps: &mut [u64],
    count: usize,
) -> &'a mut [PackedRange] {
    let Some(surplus) = ranges.len().checked_sub(count).filter(|&surplus| surplus > 0) else {
        return ranges;
    };
    let gap = |pair: &[PackedRange]| u64::from(start(pair[1]) - end(pair[0]));
    let gaps = &mut gaps[..ranges.len() - 1];
    gaps.iter_mut().zip(ranges.windows(2)).for_each(|(to, pair)| *to = gap(pair));
    let (_, &mut widest, _) = gaps.select_nth_unstable(surplus - 1);
    // Of the gaps of that width, as many are closed as are needed.
    let mut of_widest = surplus - gaps.iter().filter(|&&gap| gap < widest).count();
    let mut kept = 0;
    for at in 1..ranges.len() {
        let next = ranges[at];
        let width = gap(&[ranges[kept], next]);
        if width < widest || width == widest && of_widest > 0 {
            of_widest -= usize::from(width == widest);
            ranges[kept] = pack(start(ranges[kept]), end(next));
        } else {
            kept += 1;
            ranges[kept] = next;
        }
    }
    &mut ranges[..=kept]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UNITS: u32 = 400;

    /// The units of some ranges.
    fn units(ranges: impl IntoIterator<Item = PackedRange>) -> Vec<bool> {
        let mut units = vec![false; UNITS as usize];
        ranges.into_iter().for_each(|range| units[start(range) as usize..end(range) as usize].fill(true));
        units
    }

    fn ranges_of(union: &SpreadUnion) -> Vec<PackedRange> {
        let mut ranges = Vec::new();
        union.for_each(|at, low, high| {
            ranges.truncate(at);
            ranges.push(pack(low, high));
        });
        ranges
    }

    fn gaps(ranges: &[PackedRange]) -> Vec<u32> {
        let mut gaps: Vec<u32> = ranges.windows(2).map(|pair| start(pair[1]) - end(pair[0])).collect();
        gaps.sort_unstable();
        gaps
    }

    proptest! {
        #[test]
        fn a_union_has_the_units_of_its_lists(
            lists in prop::collection::vec(prop::collection::vec((0..UNITS - 30, 1u32..30), 0..20), 0..8),
            count in 1usize..40,
        ) {
            let lists: Vec<Vec<_>> = lists
                .iter()
                .map(|list| list.iter().map(|&(low, length)| pack(low, low + length)).collect())
                .collect();
            let mut union = RunUnion::new();
            for list in &lists {
                union.room(list.len()).copy_from_slice(list);
                union.add(list.len());
            }
            let flat: Vec<_> = lists.into_iter().flatten().collect();
            let expected = units(flat.iter().copied());
            let all = union.finish(usize::MAX).to_vec();
            prop_assert_eq!(&units(all.iter().copied()), &expected);
            prop_assert!(all.windows(2).all(|pair| end(pair[0]) < start(pair[1])), "{:?}", all);
            // Fewer ranges: the widest gaps are left.
            let fewer = union.finish(count).to_vec();
            prop_assert_eq!(fewer.len(), all.len().min(count));
            let left = gaps(&fewer);
            prop_assert_eq!(&left[..], &gaps(&all)[all.len() - fewer.len()..]);
            prop_assert!(units(fewer).iter().zip(&expected).all(|(new, old)| new >= old));
            if flat.len() <= FEW {
                // The same ranges far apart, and all of them in one bucket.
                for (factor, high) in [(1, UNITS), (1000, UNITS * 1000), (1, u32::MAX)] {
                    let wide = |range| pack(start(range) * factor, end(range) * factor);
                    let mut few = SpreadUnion::new(0, high);
                    flat.iter().for_each(|&range| few.insert(wide(range)));
                    let wide: Vec<_> = all.iter().copied().map(wide).collect();
                    prop_assert_eq!(ranges_of(&few), wide);
                }
            }
        }
    }

    #[test]
    fn a_union_of_more_ranges_than_it_keeps_apart_names_more() {
        let mut union = RunUnion::new();
        let mut expected = vec![false; 40_000];
        for epoch in 0..20u32 {
            let list: Vec<_> =
                (0..256).map(|at| at * 150 + epoch * 7).map(|low| pack(low, low + 2)).collect();
            list.iter().for_each(|&range| expected[start(range) as usize..end(range) as usize].fill(true));
            union.room(list.len()).copy_from_slice(&list);
            union.add(list.len());
        }
        let ranges = union.finish(MANY);
        assert!((200..=MANY).contains(&ranges.len()), "{}", ranges.len());
        for unit in (0..expected.len() as u32).filter(|&unit| expected[unit as usize]) {
            assert!(ranges.iter().any(|&range| (start(range)..end(range)).contains(&unit)), "{unit}");
        }
    }

    /// A reader that has read a torn record inserts such ranges, and then discards the union.
    #[test]
    fn ranges_out_of_their_bounds_do_no_harm() {
        let mut few = SpreadUnion::new(1000, 1200);
        for at in 0..FEW as u32 {
            few.insert(pack(at.wrapping_mul(0x9fff_fff1), at.wrapping_mul(0x7654_3210)));
        }
        assert!(ranges_of(&few).len() <= FEW);
    }

    #[test]
    fn a_union_of_nothing_is_empty_and_one_range_may_be_all() {
        let mut union = RunUnion::new();
        union.add(0);
        assert!(union.finish(1).is_empty());
        union.room(1)[0] = pack(0, u32::MAX);
        union.add(1);
        union.add(0);
        assert_eq!(union.finish(1), [pack(0, u32::MAX)]);
        let mut few = SpreadUnion::new(0, u32::MAX);
        assert!(ranges_of(&few).is_empty());
        few.insert(pack(0, u32::MAX));
        few.insert(pack(u32::MAX - 1, u32::MAX));
        assert_eq!(ranges_of(&few), [pack(0, u32::MAX)]);
    }
}
