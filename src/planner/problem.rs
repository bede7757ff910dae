//! The items, and the planner's view of them: rectangles of time sections by size, their overlaps, and a lower bound of the
//! height.
//!
//! Two items overlap in time exactly if some *section* holds both. A section is a maximal set of items that are alive
//! together: it begins at an item's start that is followed by an end before the next start. The items alive at any other
//! step are a subset of a section's items (intervals have the Helly property), so at most `n` sections describe all overlaps.
//! Sizes, alignments and capacity are counted in units, which are as large as the items allow, so that the next higher
//! capacity differs by as much as possible.

use std::collections::{BTreeSet, TryReserveError};
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// An item to be placed: `size` bytes at a multiple of `align`, alive from `start` up to but not including `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// The first step at which the item is alive.
    pub start: u64,
    /// The step after the last. An item whose `end` equals its `start` is never alive.
    pub end: u64,
    /// The bytes that the item needs.
    pub size: u64,
    /// The alignment of the offset; at least 1, not necessarily a power of two.
    pub align: u64,
}

impl Item {
    /// An item with alignment 1.
    pub const fn new(start: u64, end: u64, size: u64) -> Item {
        Item { start, end, size, align: 1 }
    }
}

/// Why items cannot be planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// The lifetime of this item ends before it starts.
    EndsBeforeStart {
        /// The item.
        index: usize,
    },
    /// The alignment of this item is 0.
    NoAlignment {
        /// The item.
        index: usize,
    },
    /// The sizes up to this item, with padding for their alignment, add up to more than 64 bits.
    TooLarge {
        /// The first item that is too much.
        index: usize,
    },
    /// Out of memory.
    OutOfMemory,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::EndsBeforeStart { index } => write!(f, "item {index} ends before it starts"),
            PlanError::NoAlignment { index } => {
                write!(f, "item {index} has alignment 0; use 1 for no alignment")
            }
            PlanError::TooLarge { index } => {
                write!(f, "the sizes up to item {index} add up to more than 64 bits")
            }
            PlanError::OutOfMemory => f.write_str("out of memory"),
        }
    }
}

impl std::error::Error for PlanError {}

impl From<TryReserveError> for PlanError {
    fn from(_: TryReserveError) -> PlanError {
        PlanError::OutOfMemory
    }
}

/// An item with a size and a lifetime: a rectangle that spans the sections `first..past`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) first: u32,
    pub(super) past: u32,
    pub(super) size: u64,
    pub(super) align: u64,
}

impl Rect {
    pub(super) fn sections(&self) -> Range<usize> {
        self.first as usize..self.past as usize
    }

    /// The lowest aligned offset at `offset` or above.
    pub(super) fn align_up(&self, offset: u64) -> u64 {
        if self.align == 1 { offset } else { offset.next_multiple_of(self.align) }
    }
}

#[derive(Debug)]
pub(super) struct Problem {
    pub(super) rects: Vec<Rect>,
    /// The length of each rectangle's lifetime in the caller's steps.
    pub(super) lifetimes: Vec<u64>,
    pub(super) sections: usize,
    /// Bytes per unit.
    pub(super) unit: u64,
    /// The index of each rectangle's item.
    origin: Vec<usize>,
    items: usize,
}

impl Problem {
    /// O(n log n).
    pub(super) fn new(items: &[Item]) -> Result<Problem, PlanError> {
        let mut sum = 0_u64;
        for (index, item) in items.iter().enumerate() {
            if item.end < item.start {
                return Err(PlanError::EndsBeforeStart { index });
            }
            if item.align == 0 {
                return Err(PlanError::NoAlignment { index });
            }
            // No stack of items is higher than this sum, so that nothing below can overflow.
            let padded = item.size.checked_add(item.align - 1);
            sum = padded.and_then(|padded| sum.checked_add(padded)).ok_or(PlanError::TooLarge { index })?;
        }
        let matters = |k: &usize| items[*k].size > 0 && items[*k].start < items[*k].end;
        let origin = collect((0..items.len()).filter(matters))?;
        let chosen = origin.iter().map(|&k| &items[k]);
        let unit = unit(chosen.clone());
        let starts = section_starts(chosen)?;
        let section = |step| starts.partition_point(|&start| start < step) as u32;
        let rect = |&k: &usize| Rect {
            first: section(items[k].start),
            past: section(items[k].end),
            size: items[k].size / unit,
            align: (items[k].align / unit).max(1),
        };
        let rects = collect(origin.iter().map(rect))?;
        let lifetimes = collect(origin.iter().map(|&k| items[k].end - items[k].start))?;
        Ok(Problem { rects, lifetimes, sections: starts.len(), unit, origin, items: items.len() })
    }

    /// The highest end of a rectangle.
    pub(super) fn height(&self, offsets: &[u64]) -> u64 {
        self.rects.iter().zip(offsets).map(|(rect, offset)| offset + rect.size).max().unwrap_or(0)
    }

    /// The offsets of the items, in bytes, from those of the rectangles.
    pub(super) fn item_offsets(&self, offsets: &[u64]) -> Result<Vec<u64>, PlanError> {
        let mut of_items = fill(0, self.items)?;
        for (&item, offset) in self.origin.iter().zip(offsets) {
            of_items[item] = offset * self.unit;
        }
        Ok(of_items)
    }

    /// The number of pairs of rectangles that overlap in time, without listing them. O(n log n).
    pub(super) fn count_pairs(&self) -> Result<usize, PlanError> {
        let mut ends = collect(self.rects.iter().map(|rect| rect.past))?;
        let mut starts = collect(self.rects.iter().map(|rect| rect.first))?;
        ends.sort_unstable();
        starts.sort_unstable();
        let mut gone = 0;
        let mut pairs = 0;
        for (before, &start) in starts.iter().enumerate() {
            while ends[gone] <= start {
                gone += 1;
            }
            pairs += before - gone;
        }
        Ok(pairs)
    }

    /// For each rectangle, those that overlap it in time. Time and space are linear in the number of such pairs. Returns
    /// `None` if `stop` came first.
    pub(super) fn neighbours(
        &self,
        stop: Option<&StopCondition>,
    ) -> Result<Option<Vec<Vec<u32>>>, PlanError> {
        let mut neighbours = empty_lists(self.rects.len())?;
        let mut order = collect(0..self.rects.len() as u32)?;
        order.sort_unstable_by_key(|&k| (self.rects[k as usize].first, k));
        let mut alive: Vec<u32> = Vec::new();
        for (step, k) in order.into_iter().enumerate() {
            if stop.is_some_and(|stop| stop.is_over_at(step)) {
                return Ok(None);
            }
            let rect = &self.rects[k as usize];
            alive.retain(|&other| self.rects[other as usize].past > rect.first);
            for &other in &alive {
                push(&mut neighbours[other as usize], k)?;
                push(&mut neighbours[k as usize], other)?;
            }
            push(&mut alive, k)?;
        }
        Ok(Some(neighbours))
    }

    /// The maximum load in units: the largest sum of the sizes in a section, which is a lower bound of the height.
    ///
    /// Within a section the items lie above each other. If `g` divides all their alignments, each starts at a multiple of `g`
    /// above the one below, so that each but the highest takes its size rounded up to `g`. O(n log n).
    pub(super) fn load_bound(&self) -> Result<u64, PlanError> {
        let mut change = fill(0_u64, self.sections + 1)?;
        for rect in &self.rects {
            change[rect.first as usize] = change[rect.first as usize].wrapping_add(rect.size);
            change[rect.past as usize] = change[rect.past as usize].wrapping_sub(rect.size);
        }
        let mut load = 0_u64;
        let plain = change.iter().map(|change| {
            load = load.wrapping_add(*change);
            load
        });
        let plain = plain.max().unwrap_or(0);
        Ok(plain.max(self.aligned_load()?))
    }

    /// The largest load with padding to the greatest common divisor of all alignments. One sweep over time.
    fn aligned_load(&self) -> Result<u64, PlanError> {
        let common = self.rects.iter().fold(0, |common, rect| gcd(common, rect.align));
        if common <= 1 {
            return Ok(0);
        }
        let padding = |size: u64| size.next_multiple_of(common) - size;
        let mut events = with_capacity(2 * self.rects.len())?;
        for (k, rect) in self.rects.iter().enumerate() {
            events.push((rect.past, false, k));
            events.push((rect.first, true, k));
        }
        events.sort_unstable();
        let mut alive = BTreeSet::new();
        let (mut load, mut most) = (0, 0);
        for (_, begins, k) in events {
            let size = self.rects[k].size;
            let pad = padding(size);
            if begins {
                load += size + pad;
                alive.insert((pad, k));
                let widest = alive.last().map_or(0, |&(pad, _)| pad);
                most = most.max(load - widest);
            } else {
                load -= size + pad;
                alive.remove(&(pad, k));
            }
        }
        Ok(most)
    }
}

/// The greatest divisor of all sizes such that each alignment divides it or is a multiple of it. All offsets that a plan
/// needs are then multiples of it.
fn unit<'a>(items: impl Iterator<Item = &'a Item> + Clone) -> u64 {
    let mut unit = items.clone().fold(0, |unit, item| gcd(unit, item.size)).max(1);
    loop {
        let coarser = unit;
        for item in items.clone() {
            if !unit.is_multiple_of(item.align) {
                unit = gcd(unit, item.align);
            }
        }
        if unit == coarser {
            return unit;
        }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The starts that an end follows before the next start.
fn section_starts<'a>(items: impl Iterator<Item = &'a Item> + Clone) -> Result<Vec<u64>, PlanError> {
    let mut starts = collect(items.clone().map(|item| item.start))?;
    let mut ends = collect(items.map(|item| item.end))?;
    starts.sort_unstable();
    starts.dedup();
    ends.sort_unstable();
    let next = |k: usize| starts.get(k + 1).copied().unwrap_or(u64::MAX);
    let ended = |step: u64| ends.partition_point(|&end| end <= step);
    let last = |&k: &usize| ended(next(k)) > ended(starts[k]);
    collect((0..starts.len()).filter(last).map(|k| starts[k]))
}

/// When to give up: after a deadline, or once the caller has cancelled.
pub(super) struct StopCondition<'a> {
    deadline: Instant,
    cancelled: &'a (dyn Fn() -> bool + Sync),
    over: AtomicBool,
}

impl<'a> StopCondition<'a> {
    pub(super) fn new(deadline: Instant, cancelled: &'a (dyn Fn() -> bool + Sync)) -> StopCondition<'a> {
        StopCondition { deadline, cancelled, over: AtomicBool::new(false) }
    }

    /// [`is_over`](Self::is_over), checked at every 256th step of a loop.
    pub(super) fn is_over_at(&self, step: usize) -> bool {
        step.is_multiple_of(256) && self.is_over()
    }

    /// Once true, always true.
    pub(super) fn is_over(&self) -> bool {
        // Relaxed: the flag guards no data.
        if !self.over.load(Ordering::Relaxed) && (Instant::now() >= self.deadline || (self.cancelled)()) {
            self.over.store(true, Ordering::Relaxed);
        }
        self.over.load(Ordering::Relaxed)
    }
}

// Vectors whose length depends on the items: running out of memory is an error, not the end of the process.

pub(super) fn with_capacity<T>(capacity: usize) -> Result<Vec<T>, PlanError> {
    let mut list = Vec::new();
    list.try_reserve_exact(capacity)?;
    Ok(list)
}

pub(super) fn fill<T: Copy>(value: T, count: usize) -> Result<Vec<T>, PlanError> {
    let mut list = with_capacity(count)?;
    list.resize(count, value);
    Ok(list)
}

pub(super) fn empty_lists<T>(count: usize) -> Result<Vec<Vec<T>>, PlanError> {
    let mut lists = with_capacity(count)?;
    lists.resize_with(count, Vec::new);
    Ok(lists)
}

pub(super) fn collect<T>(items: impl Iterator<Item = T>) -> Result<Vec<T>, PlanError> {
    let (least, most) = items.size_hint();
    let mut list = with_capacity(most.unwrap_or(least))?;
    for item in items {
        push(&mut list, item)?;
    }
    Ok(list)
}

pub(super) fn push<T>(list: &mut Vec<T>, item: T) -> Result<(), PlanError> {
    list.try_reserve(1)?;
    list.push(item);
    Ok(())
}
