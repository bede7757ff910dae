//! What the planner works on: blocks without the trivial ones, in units, with time cut into sections.
//!
//! Two items overlap in time exactly if some *section* holds both, where a section is a moment at which as many items
//! are alive as can be: an item's start that is followed by an end before the next start. All other moments hold a
//! subset of a section's items and say nothing new (intervals have the Helly property), so at most `n` sections tell
//! all. Sizes, alignments and capacity are counted in units, as large as the items allow, so that "one higher" means
//! as much as it can.

use super::room::{collected, filled, lists, push};
use super::stop::Stop;
use super::{Item, PlanError};

/// An item that takes space for some time: alive in the sections `first..past`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) first: u32,
    pub(super) past: u32,
    pub(super) size: u64,
    pub(super) align: u64,
}

impl Block {
    pub(super) fn sections(&self) -> std::ops::Range<usize> {
        self.first as usize..self.past as usize
    }

    /// The lowest place for this block at `position` or above.
    pub(super) fn align_up(&self, position: u64) -> u64 {
        if self.align == 1 { position } else { position.next_multiple_of(self.align) }
    }
}

#[derive(Debug)]
pub(super) struct Problem {
    pub(super) blocks: Vec<Block>,
    /// For how long each block is alive, as the caller counts.
    pub(super) lifetimes: Vec<u64>,
    pub(super) sections: usize,
    /// Bytes (or whatever the items count in) per unit.
    pub(super) unit: u64,
    /// Which item each block is.
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
            // No stack of items can be higher than this sum, so nothing below needs to look for overflow.
            let room = item.size.checked_add(item.align - 1);
            sum = room.and_then(|room| sum.checked_add(room)).ok_or(PlanError::TooLarge { index })?;
        }
        let matters = |k: &usize| items[*k].size > 0 && items[*k].start < items[*k].end;
        let origin = collected((0..items.len()).filter(matters))?;
        let chosen = origin.iter().map(|&k| &items[k]);
        let unit = unit(chosen.clone());
        let moments = sections(chosen)?;
        let section = |moment| moments.partition_point(|&m| m < moment) as u32;
        let block = |&k: &usize| Block {
            first: section(items[k].start),
            past: section(items[k].end),
            size: items[k].size / unit,
            align: (items[k].align / unit).max(1),
        };
        let blocks = collected(origin.iter().map(block))?;
        let lifetimes = collected(origin.iter().map(|&k| items[k].end - items[k].start))?;
        Ok(Problem { blocks, lifetimes, sections: moments.len(), unit, origin, items: items.len() })
    }

    /// One more than the highest top.
    pub(super) fn height(&self, places: &[u64]) -> u64 {
        self.blocks.iter().zip(places).map(|(block, place)| place + block.size).max().unwrap_or(0)
    }

    /// The offsets of the items, from the blocks' places.
    pub(super) fn offsets(&self, places: &[u64]) -> Result<Vec<u64>, PlanError> {
        let mut offsets = filled(0, self.items)?;
        for (&item, place) in self.origin.iter().zip(places) {
            offsets[item] = place * self.unit;
        }
        Ok(offsets)
    }

    /// The pairs of blocks that overlap in time, without listing them. O(n log n).
    pub(super) fn count_pairs(&self) -> Result<usize, PlanError> {
        let mut ends = collected(self.blocks.iter().map(|block| block.past))?;
        let mut starts = collected(self.blocks.iter().map(|block| block.first))?;
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

    /// For each block those that overlap it in time: space and time in the number of such pairs. None if there is a `stop` and
    /// it came first.
    pub(super) fn neighbours(&self, stop: Option<&Stop>) -> Result<Option<Vec<Vec<u32>>>, PlanError> {
        let mut neighbours = lists(self.blocks.len())?;
        let mut order = collected(0..self.blocks.len() as u32)?;
        order.sort_unstable_by_key(|&k| (self.blocks[k as usize].first, k));
        let mut alive: Vec<u32> = Vec::new();
        for (step, k) in order.into_iter().enumerate() {
            if stop.is_some_and(|stop| stop.is_over_at(step)) {
                return Ok(None);
            }
            let block = &self.blocks[k as usize];
            alive.retain(|&other| self.blocks[other as usize].past > block.first);
            for &other in &alive {
                push(&mut neighbours[other as usize], k)?;
                push(&mut neighbours[k as usize], other)?;
            }
            push(&mut alive, k)?;
        }
        Ok(Some(neighbours))
    }
}

/// The greatest divisor of all sizes such that each alignment divides it or is a multiple of it: then all places that
/// a plan needs are multiples.
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

pub(super) fn gcd(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The starts that an end follows before the next start.
fn sections<'a>(items: impl Iterator<Item = &'a Item> + Clone) -> Result<Vec<u64>, PlanError> {
    let mut starts = collected(items.clone().map(|item| item.start))?;
    let mut ends = collected(items.map(|item| item.end))?;
    starts.sort_unstable();
    starts.dedup();
    ends.sort_unstable();
    let next = |k: usize| starts.get(k + 1).copied().unwrap_or(u64::MAX);
    let ended = |moment: u64| ends.partition_point(|&end| end <= moment);
    let last = |&k: &usize| ended(next(k)) > ended(starts[k]);
    collected((0..starts.len()).filter(last).map(|k| starts[k]))
}
