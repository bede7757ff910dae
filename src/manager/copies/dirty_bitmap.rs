//! A two-level bitmap of 64-byte granules: inserting a small range is O(1), iteration visits only what is set.

use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};

/// Bytes of a granule.
pub(crate) const GRANULE: usize = 64;

/// Level 0 (`words`) has one bit per granule, level 1 (`summary`) one bit per non-zero word of level 0.
#[derive(Debug)]
pub(crate) struct DirtyBitmap {
    words: Vec<u64>,
    summary: Vec<u64>,
    /// Bits set in `words`.
    count: usize,
    /// No bit is set in a summary word below this one.
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
                self.first = self.first.min(from / 4096);
            }
            return;
        }
        for word in from / 64..=to / 64 {
            let mask = bits(from.max(word * 64), to.min(word * 64 + 63));
            self.count += (mask & !self.words[word]).count_ones() as usize;
            self.words[word] |= mask;
            self.summary[word / 64] |= 1 << (word % 64);
        }
        self.first = self.first.min(from / 4096);
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
        other.for_each_run(|first, count| self.insert(first * GRANULE, (first + count) * GRANULE));
    }

    /// Calls `visit` for every run: (first granule, count).
    pub(crate) fn for_each_run(&self, mut visit: impl FnMut(usize, usize)) {
        for (group, &summary) in self.summary.iter().enumerate() {
            let mut left = summary;
            while left != 0 {
                let word = group * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                let mut bits = self.words[word];
                while bits != 0 {
                    let start = bits.trailing_zeros() as usize;
                    let length = (!(bits >> start)).trailing_zeros() as usize;
                    visit(word * 64 + start, length);
                    bits = if start + length == 64 { 0 } else { bits & (!0 << (start + length)) };
                }
            }
        }
    }

    /// Empties the set.
    pub(crate) fn clear(&mut self) {
        while self.count > 0 {
            self.pop_run(usize::MAX);
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
        let run = self.take_run(self.first * 4096, self.granules - 1, most)?;
        self.first = run.0 / 4096;
        Some(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

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
            }
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
