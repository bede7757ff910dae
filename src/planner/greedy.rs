//! Greedy plans that need no search: best fit over time, first fit in a given order, and placement on a skyline.
//!
//! - [`by_time`] runs through time as an allocator would: an item that begins takes the smallest free range that is large
//!   enough, and one that ends frees its range.
//! - [`first_fit`] places the items in a given order, each at the lowest free offset. This is the greedy planner of most
//!   runtimes. It needs the pairs that overlap in time.
//! - [`by_order`] does without the pairs, in little more than O(n log n): it places each item on top of the highest of those
//!   before it that overlap it in time. The skyline is a segment tree over the sections.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;

use crate::planner::problem::{PlanError, Problem, StopCondition, collect, fill, with_capacity};

/// Best fit over time.
pub(super) fn by_time(problem: &Problem) -> Result<Vec<u64>, PlanError> {
    let rects = &problem.rects;
    let mut events = with_capacity(2 * rects.len())?;
    for (k, rect) in rects.iter().enumerate() {
        // In the same section, ends come first, then the largest beginnings.
        events.push((rect.past, false, 0, k as u32));
        events.push((rect.first, true, u64::MAX - rect.size, k as u32));
    }
    events.sort_unstable();
    let mut offsets = fill(0, rects.len())?;
    let mut free = FreeRanges { by_offset: BTreeSet::new(), by_size: BTreeSet::new(), top: 0 };
    for (_, begins, _, k) in events {
        let rect = &rects[k as usize];
        if begins {
            offsets[k as usize] = free.take(rect.size, rect.align);
        } else {
            free.give_back(offsets[k as usize], rect.size);
        }
    }
    Ok(offsets)
}

/// The free ranges below `top`; above `top` everything is free.
struct FreeRanges {
    /// Offset and size.
    by_offset: BTreeSet<(u64, u64)>,
    /// Size and offset.
    by_size: BTreeSet<(u64, u64)>,
    top: u64,
}

impl FreeRanges {
    fn insert(&mut self, offset: u64, size: u64) {
        if size > 0 {
            self.by_offset.insert((offset, size));
            self.by_size.insert((size, offset));
        }
    }

    fn remove(&mut self, offset: u64, size: u64) {
        self.by_offset.remove(&(offset, size));
        self.by_size.remove(&(size, offset));
    }

    /// Takes the smallest range that is large enough whatever its alignment. A smaller range that happens to be aligned is
    /// not considered, so that one lookup suffices.
    fn take(&mut self, size: u64, align: u64) -> u64 {
        let found = self.by_size.range((size + align - 1, 0)..).next().copied();
        let (length, offset) = found.unwrap_or_else(|| {
            // Above everything; a free range that ends at the top is part of it.
            let last = self.by_offset.last().filter(|&&(offset, size)| offset + size == self.top);
            let offset = last.map_or(self.top, |&(offset, _)| offset);
            (self.top - offset, offset)
        });
        self.remove(offset, length);
        let aligned = offset.next_multiple_of(align);
        self.insert(offset, aligned - offset);
        let past = aligned + size;
        self.insert(past, (offset + length).saturating_sub(past));
        self.top = self.top.max(past);
        aligned
    }

    fn give_back(&mut self, offset: u64, size: u64) {
        let (mut from, mut past) = (offset, offset + size);
        let below = self.by_offset.range(..(offset, 0)).next_back().copied();
        if let Some((below, length)) = below.filter(|(at, length)| at + length == offset) {
            self.remove(below, length);
            from = below;
        }
        let above = self.by_offset.range((past, 0)..).next().copied();
        if let Some((_, length)) = above.filter(|&(at, _)| at == past) {
            self.remove(past, length);
            past += length;
        }
        self.insert(from, past - from);
    }
}

/// The orders of a greedy planner: by size, by size × lifetime and by lifetime, the largest first; equal ones in the caller's
/// order.
pub(super) fn greedy_orders(problem: &Problem) -> Result<[Vec<u32>; 3], PlanError> {
    let order = |key: fn(u64, u64) -> u128| {
        let mut order = collect(0..problem.rects.len() as u32)?;
        let rank = |k: u32| key(problem.rects[k as usize].size, problem.lifetimes[k as usize]);
        order.sort_unstable_by_key(|&k| (Reverse(rank(k)), k));
        Ok::<_, PlanError>(order)
    };
    Ok([
        order(|size, _| size.into())?,
        order(|size, lifetime| u128::from(size) * u128::from(lifetime))?,
        order(|_, lifetime| lifetime.into())?,
    ])
}

/// Places each rectangle at the lowest offset that those before it in `order` leave free. Returns `None` if `stop` came first.
pub(super) fn first_fit(
    problem: &Problem,
    neighbours: &[Vec<u32>],
    order: &[u32],
    stop: Option<&StopCondition>,
) -> Result<Option<Vec<u64>>, PlanError> {
    const UNPLACED: u64 = u64::MAX;
    let mut offsets = fill(UNPLACED, problem.rects.len())?;
    let mut taken = with_capacity(neighbours.iter().map(Vec::len).max().unwrap_or(0))?;
    for (step, &k) in order.iter().enumerate() {
        if stop.is_some_and(|stop| stop.is_over_at(step)) {
            return Ok(None);
        }
        let rect = &problem.rects[k as usize];
        taken.clear();
        taken.extend(neighbours[k as usize].iter().filter_map(|&other| {
            let offset = offsets[other as usize];
            (offset != UNPLACED).then(|| (offset, offset + problem.rects[other as usize].size))
        }));
        taken.sort_unstable();
        let mut offset = 0;
        for &(from, past) in &taken {
            if offset + rect.size <= from {
                break;
            }
            offset = offset.max(rect.align_up(past));
        }
        offsets[k as usize] = offset;
    }
    Ok(Some(offsets))
}

/// Places each rectangle on the skyline of those before it in `order`. Returns `None` if `stop` came first.
pub(super) fn by_order(
    problem: &Problem,
    order: &[u32],
    stop: &StopCondition,
) -> Result<Option<Vec<u64>>, PlanError> {
    let mut skyline = Skyline::new(problem.sections)?;
    let mut offsets = fill(0, problem.rects.len())?;
    for (step, &k) in order.iter().enumerate() {
        if stop.is_over_at(step) {
            return Ok(None);
        }
        let rect = &problem.rects[k as usize];
        let offset = rect.align_up(skyline.highest(rect.sections()));
        offsets[k as usize] = offset;
        skyline.raise(rect.sections(), offset + rect.size);
    }
    Ok(Some(offsets))
}

/// The height of each section, as a segment tree: `covered` is a height that all sections of a node have at least, `highest`
/// is their maximum.
struct Skyline {
    leaves: usize,
    highest: Vec<u64>,
    covered: Vec<u64>,
}

impl Skyline {
    fn new(sections: usize) -> Result<Skyline, PlanError> {
        let leaves = sections.next_power_of_two();
        Ok(Skyline { leaves, highest: fill(0, 2 * leaves)?, covered: fill(0, 2 * leaves)? })
    }

    fn highest(&self, range: Range<usize>) -> u64 {
        let (mut left, mut right) = (range.start + self.leaves, range.end + self.leaves);
        let (first, last) = (left, right - 1);
        let mut highest = 0;
        while left < right {
            if left & 1 == 1 {
                highest = highest.max(self.highest[left]);
                left += 1;
            }
            if right & 1 == 1 {
                right -= 1;
                highest = highest.max(self.highest[right]);
            }
            left >>= 1;
            right >>= 1;
        }
        // The ancestors of both ends cover larger ranges that contain them.
        for mut node in [first, last] {
            while node > 0 {
                highest = highest.max(self.covered[node]);
                node >>= 1;
            }
        }
        highest
    }

    /// Raises every section of the range to `height` at least.
    fn raise(&mut self, range: Range<usize>, height: u64) {
        let (mut left, mut right) = (range.start + self.leaves, range.end + self.leaves);
        let (first, last) = (left, right - 1);
        let mut cover = |node: usize| {
            self.covered[node] = self.covered[node].max(height);
            self.highest[node] = self.highest[node].max(height);
        };
        while left < right {
            if left & 1 == 1 {
                cover(left);
                left += 1;
            }
            if right & 1 == 1 {
                right -= 1;
                cover(right);
            }
            left >>= 1;
            right >>= 1;
        }
        for mut node in [first, last] {
            while node > 0 {
                self.highest[node] = self.highest[node].max(self.best_child(node));
                node >>= 1;
            }
        }
    }

    fn best_child(&self, node: usize) -> u64 {
        if node >= self.leaves { 0 } else { self.highest[2 * node].max(self.highest[2 * node + 1]) }
    }
}
