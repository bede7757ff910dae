//! A two-level bitmap of 64-byte granules: inserting a small range is O(1), iteration visits only what is set, a word at a time.

use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};

/// Bytes of a granule.
pub(crate) const GRANULE: usize = 64;

/// What one more run of a scattered copy costs, in granules of a long copy, by measurement.
const RUN_COST: usize = 24;

/// The shifts that together close gaps of up to 15 granules, fewer than [`RUN_COST`].
const GAP_SHIFTS: [u32; 4] = [1, 2, 4, 8];

/// Level 0 (`words`) has one bit per granule, level 1 (`summary`) one bit per non-zero word of level 0.
#[derive(Debug)]
pub(crate) struct DirtyBitmap {
    words: Vec<u64>,
    summary: Vec<u64>,
    /// Bits set in `words`.
    count: usize,
    /// No bit is set in a word below this one.
    first: usize,
    granules: usize,
}

/// The bits `from ..= to` of one word.
fn bits(from: usize, to: usize) -> u64 {
    (!0u64 << (from & 63)) & (!0u64 >> (63 - (to & 63)))
}

fn zeros(length: usize) -> Result<Vec<u64>> {
    let layout = std::alloc::Layout::array::<u64>(length).map_err(|_| Error::of(Status::Limit))?;
    if length == 0 {
        return try_vec(0);
    }
    // SAFETY: the layout has a size; zeroed memory from the global allocator is a vector of that length and capacity.
    // Unlike filling a vector, this leaves fresh pages untouched until they are used.
    unsafe {
        let words = std::alloc::alloc_zeroed(layout).cast::<u64>();
        if words.is_null() {
            return Err(Error::of(Status::OutOfMemory));
        }
        Ok(Vec::from_raw_parts(words, length, length))
    }
}

impl DirtyBitmap {
    /// An empty set over `bytes` bytes.
    pub(crate) fn new(bytes: usize) -> Result<DirtyBitmap> {
        let granules = bytes.div_ceil(GRANULE);
        let words = granules.div_ceil(64);
        Ok(DirtyBitmap {
            words: zeros(words)?,
            summary: zeros(words.div_ceil(64))?,
            count: 0,
            first: 0,
            granules,
        })
    }

    /// A set over nothing.
    pub(crate) fn none() -> DirtyBitmap {
        DirtyBitmap { words: Vec::new(), summary: Vec::new(), count: 0, first: 0, granules: 0 }
    }

    /// Granules in the set.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Adds every granule that overlaps `start .. end` (bytes).
    pub(crate) fn insert(&mut self, start: usize, end: usize) {
        let (from, to) = (start / GRANULE, (end - 1) / GRANULE);
        if from == to {
            let (word, bit) = (from / 64, 1 << (from % 64));
            if self.words[word] & bit == 0 {
                self.words[word] |= bit;
                self.summary[word / 64] |= 1 << (word % 64);
                self.count += 1;
                self.first = self.first.min(from / 64);
            }
            return;
        }
        for word in from / 64..=to / 64 {
            let mask = bits(from.max(word * 64), to.min(word * 64 + 63));
            self.count += (mask & !self.words[word]).count_ones() as usize;
            self.words[word] |= mask;
            self.summary[word / 64] |= 1 << (word % 64);
        }
        self.first = self.first.min(from / 64);
    }

    /// Whether any of the granules `from ..= to` is in the set.
    #[inline(always)]
    pub(crate) fn overlaps(&self, from: usize, to: usize) -> bool {
        if from / 64 == to / 64 {
            return self.words[from / 64] & bits(from, to) != 0;
        }
        self.find(from).is_some_and(|first| first <= to)
    }

    /// Removes the granules `from ..= to`.
    pub(crate) fn remove(&mut self, from: usize, to: usize) {
        // The most frequent case needs no counting of bits.
        if from == to && self.words[from / 64] & 1 << (from % 64) == 0 {
            return;
        }
        for word in from / 64..=to / 64 {
            let mask = bits(from.max(word * 64), to.min(word * 64 + 63));
            let left = self.words[word] & !mask;
            self.count -= (self.words[word] & mask).count_ones() as usize;
            self.words[word] = left;
            if left == 0 {
                self.summary[word / 64] &= !(1 << (word % 64));
            }
        }
    }

    /// Adds every granule.
    pub(crate) fn insert_all(&mut self) {
        if self.granules > 0 {
            self.insert(0, self.granules * GRANULE);
        }
    }

    /// Adds another set over the same bytes.
    pub(crate) fn union(&mut self, other: &DirtyBitmap) {
        other.for_each_word(|at, bits| self.add(at, bits));
        self.first = self.first.min(other.first);
    }

    /// Adds bits to a word.
    #[inline(always)]
    fn add(&mut self, at: usize, bits: u64) {
        self.count += (bits & !self.words[at]).count_ones() as usize;
        self.words[at] |= bits;
        self.summary[at / 64] |= 1 << (at % 64);
    }

    /// Adds what a copy of the set had better include: gaps of up to 15 granules within a word, or everything, if that costs less than
    /// single runs.
    pub(crate) fn widen(&mut self) {
        self.close_gaps();
        if self.count + self.runs() * RUN_COST > self.granules {
            self.insert_all();
        }
    }

    fn close_gaps(&mut self) {
        for group in 0..self.summary.len() {
            let mut left = self.summary[group];
            while left != 0 {
                let at = group * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                self.add(at, with_gaps_closed(self.words[at]));
            }
        }
    }

    /// Calls `visit` for every word that is not 0, in order.
    #[inline(always)]
    fn for_each_word(&self, mut visit: impl FnMut(usize, u64)) {
        for (group, &summary) in self.summary.iter().enumerate() {
            let mut left = summary;
            while left != 0 {
                let at = group * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                visit(at, self.words[at]);
            }
        }
    }

    /// The number of runs.
    pub(crate) fn runs(&self) -> usize {
        let (mut runs, mut next, mut open) = (0, 0, 0);
        self.for_each_word(|at, bits| {
            // Bit 0 begins a run unless the word before ends with one.
            let before = if at == next { open } else { 0 };
            runs += (bits & !(bits << 1 | before)).count_ones() as usize;
            (next, open) = (at + 1, bits >> 63);
        });
        runs
    }

    /// Calls `visit` with at most `most > 0` ascending, disjoint ranges that together contain the set, each (first granule, count):
    /// from the first to the last granule of as many words each. One operation a word, however many runs there are.
    pub(crate) fn for_each_span(&self, most: usize, mut visit: impl FnMut(usize, usize)) {
        let words: usize = self.summary.iter().map(|summary| summary.count_ones() as usize).sum();
        let group = words.div_ceil(most).max(1);
        let (mut number, mut start, mut end) = (0, 0, 0);
        self.for_each_word(|at, bits| {
            if number % group == 0 {
                if number > 0 {
                    visit(start, end - start);
                }
                start = at * 64 + bits.trailing_zeros() as usize;
            }
            end = at * 64 + 64 - bits.leading_zeros() as usize;
            number += 1;
        });
        if number > 0 {
            visit(start, end - start);
        }
    }

    /// Calls `visit` for every run within a word: (first granule, count).
    pub(crate) fn for_each_run(&self, mut visit: impl FnMut(usize, usize)) {
        self.for_each_word(|at, mut bits| {
            while bits != 0 {
                let (start, length) = first_run(bits);
                visit(at * 64 + start, length);
                bits &= !run_mask(start, length);
            }
        });
    }

    /// Empties the set.
    pub(crate) fn clear(&mut self) {
        if self.count > 0 {
            for (group, summary) in self.summary.iter_mut().enumerate() {
                let mut left = std::mem::take(summary);
                while left != 0 {
                    self.words[group * 64 + left.trailing_zeros() as usize] = 0;
                    left &= left - 1;
                }
            }
            self.count = 0;
        }
    }

    /// The first granule of the set that is not before `from`.
    fn find(&self, from: usize) -> Option<usize> {
        let rest = self.words.get(from / 64)? & (!0 << (from % 64));
        if rest != 0 {
            return Some(from / 64 * 64 + rest.trailing_zeros() as usize);
        }
        // Continue in the summary: one of its words covers 4,096 granules.
        let next = from / 64 + 1;
        let mut group = next / 64;
        let mut summary = self.summary.get(group)? & (!0 << (next % 64));
        while summary == 0 {
            group += 1;
            summary = *self.summary.get(group)?;
        }
        let word = group * 64 + summary.trailing_zeros() as usize;
        Some(word * 64 + self.words[word].trailing_zeros() as usize)
    }

    /// Removes the first run of adjacent granules within `from ..= to`, at most `most`: (first granule, count).
    pub(crate) fn take_run(&mut self, from: usize, to: usize, most: usize) -> Option<(usize, usize)> {
        let start = self.find(from).filter(|&start| start <= to)?;
        let limit = most.min(to + 1 - start);
        let mut length = 0;
        // A run may span several words.
        while length < limit {
            let at = start + length;
            let ones = (!(self.words[at / 64] >> (at % 64))).trailing_zeros() as usize;
            let ones = ones.min(64 - at % 64);
            length += ones;
            if ones == 0 || !(at + ones).is_multiple_of(64) || (at + ones) / 64 == self.words.len() {
                break;
            }
        }
        let length = length.min(limit);
        self.remove(start, start + length - 1);
        Some((start, length))
    }

    /// `take_run` over the whole set.
    pub(crate) fn pop_run(&mut self, most: usize) -> Option<(usize, usize)> {
        if self.count == 0 {
            return None;
        }
        let mut at = self.first;
        if self.words[at] == 0 {
            at = self.find(at * 64)? / 64;
            self.first = at;
        }
        let bits = self.words[at];
        let (start, length) = first_run(bits);
        if start + length == 64 || length > most {
            // It may continue in the next word.
            return self.take_run(at * 64 + start, self.granules - 1, most);
        }
        let left = bits & !run_mask(start, length);
        self.words[at] = left;
        self.count -= length;
        if left == 0 {
            self.summary[at / 64] &= !(1 << (at % 64));
        }
        Some((at * 64 + start, length))
    }
}

/// The first run of a word that is not 0: (first bit, count).
#[inline(always)]
fn first_run(bits: u64) -> (usize, usize) {
    let start = bits.trailing_zeros() as usize;
    (start, (!(bits >> start)).trailing_zeros() as usize)
}

/// The bits of a run that lies within one word.
#[inline(always)]
fn run_mask(start: usize, length: usize) -> u64 {
    (!0 >> (64 - length)) << start
}

/// A word with its gaps of up to 15 bits between set bits filled: each bit is spread upwards over such a gap, and what then has no set
/// bit above it is removed.
#[inline(always)]
fn with_gaps_closed(bits: u64) -> u64 {
    let spread = GAP_SHIFTS.iter().fold(bits, |spread, shift| spread | spread << shift);
    bits | GAP_SHIFTS.iter().fold(spread, |closed, shift| closed & closed >> shift)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(map: &DirtyBitmap) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        map.for_each_run(|first, count| found.extend(first..first + count));
        found
    }

    fn check_runs(map: &DirtyBitmap, plain: &BTreeSet<usize>) {
        assert_eq!(&set(map), plain);
        let begins = |granule: &&usize| **granule == 0 || !plain.contains(&(**granule - 1));
        assert_eq!(map.runs(), plain.iter().filter(begins).count());
        for most in [1, 2, 7, 10_000] {
            let (mut spans, mut end, mut covered) = (0, 0, 0);
            map.for_each_span(most, |first, count| {
                assert!(
                    count > 0
                        && first >= end
                        && plain.contains(&first)
                        && plain.contains(&(first + count - 1))
                );
                (spans, end) = (spans + 1, first + count);
                covered += plain.range(first..end).count();
            });
            assert!(
                spans <= most && covered == plain.len(),
                "{spans} spans of {most}, {covered} of {}",
                plain.len()
            );
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_set(bytes in 1usize..700_000, edits in prop::collection::vec((any::<bool>(), any::<u32>(), any::<u16>()), 0..40)) {
            let mut map = DirtyBitmap::new(bytes).unwrap();
            let mut plain = BTreeSet::new();
            for (insert, start, length) in edits {
                let start = start as usize % bytes;
                let end = (start + 1 + length as usize).min(bytes);
                let (from, to) = (start / GRANULE, (end - 1) / GRANULE);
                if insert {
                    map.insert(start, end);
                    plain.extend(from..=to);
                } else {
                    map.remove(from, to);
                    plain.retain(|granule| !(from..=to).contains(granule));
                }
                prop_assert_eq!(map.count(), plain.len());
                prop_assert_eq!(map.find(from), plain.range(from..).next().copied());
                prop_assert_eq!(map.overlaps(from, to), plain.range(from..=to).next().is_some());
            }
            check_runs(&map, &plain);
            let mut sum = DirtyBitmap::new(bytes).unwrap();
            sum.insert(0, 1);
            sum.union(&map);
            prop_assert_eq!(set(&sum), plain.iter().copied().chain([0]).collect::<BTreeSet<_>>());
            prop_assert_eq!(sum.count(), set(&sum).len());
            sum.widen();
            let wide = set(&sum);
            prop_assert!(sum.count() == wide.len() && wide.is_superset(&plain));
            if wide.len() < sum.granules {
                let near = |&granule: &usize| {
                    let within = granule / 64 * 64;
                    let before = (within..=granule).rev().find(|at| *at == 0 || plain.contains(at));
                    let after = (granule..within + 64).find(|at| plain.contains(at));
                    plain.contains(&granule) || granule == 0
                        || matches!((before, after), (Some(before), Some(after)) if after - before <= 16)
                };
                prop_assert!(wide.iter().all(near), "only gaps of up to 15");
            }
            sum.clear();
            prop_assert!(set(&sum).is_empty() && sum.pop_run(1).is_none());
            let mut popped = BTreeSet::new();
            while let Some((first, length)) = map.pop_run(100) {
                prop_assert!((1..=100).contains(&length));
                for granule in first..first + length {
                    prop_assert!(popped.insert(granule));
                }
            }
            prop_assert_eq!(popped, plain);
        }
    }

    #[test]
    fn everything_goes_in_and_out() {
        let mut map = DirtyBitmap::new(64 * 64 * 64 + 1).unwrap();
        map.insert_all();
        assert_eq!(map.count(), 4097);
        assert_eq!(map.pop_run(usize::MAX), Some((0, 4097)));
        assert_eq!(map.find(0), None);
        map.insert(70, 71);
        map.clear();
        assert_eq!(map.pop_run(1), None);
    }

    #[test]
    fn a_granule_added_before_the_last_run_is_popped_next() {
        const GROUP: usize = 64 * 64;
        let mut map = DirtyBitmap::new(3 * GROUP * GRANULE).unwrap();
        map.insert(2 * GROUP * GRANULE, (2 * GROUP + 2) * GRANULE);
        assert_eq!(map.pop_run(1), Some((2 * GROUP, 1)));
        for group in [1, 0] {
            map.insert(group * GROUP * GRANULE, group * GROUP * GRANULE + 1);
            assert_eq!(map.pop_run(1), Some((group * GROUP, 1)));
        }
        assert_eq!((map.pop_run(1), map.count()), (Some((2 * GROUP + 1, 1)), 0));
    }
}
