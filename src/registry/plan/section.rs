//! What a section tells about a partial plan.
//!
//! The fixed blocks leave *gaps*. Into a gap may come the loose blocks that fit into it above their floors; more room
//! than from the lowest of their places to the gap's end, or than their sizes, cannot be used. What all gaps can take
//! together must reach the load; the surplus is the *slack*. A gap that can take more than the slack must be used,
//! and low enough for the rest to lie above: the few blocks that can be its lowest are the candidates among which the
//! search branches.

use super::PlanError;
use super::memory::mix;
use super::partial::Partial;
use super::problem::Block;
use super::room::room;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct View {
    /// The candidates lie at `open..=reach` and end at `end` or below; those up to `near` waste no more than the
    /// slack.
    pub(super) open: u64,
    pub(super) near: u64,
    pub(super) reach: u64,
    pub(super) end: u64,
    /// How many candidates are not postponed, and how many of them lie near.
    pub(super) candidates: u32,
    pub(super) preferred: u32,
    /// How many blocks could be the lowest and lie near, postponed or not.
    pub(super) hopeful: u32,
    /// A hash of all that matters for what is still loose: gaps, places, floors.
    pub(super) key: u64,
}

/// Looks at sections; keeps its lists from one to the next.
#[derive(Default)]
pub(super) struct Viewer {
    loose: Vec<Loose>,
    gaps: Vec<Gap>,
}

struct Loose {
    floor: u64,
    size: u64,
    align: u64,
    postponed: bool,
}

struct Gap {
    open: u64,
    end: u64,
    usable: u64,
}

impl Viewer {
    /// For sections of at most so many blocks.
    pub(super) fn new(most: usize) -> Result<Viewer, PlanError> {
        Ok(Viewer { loose: room(most)?, gaps: room(most + 1)? })
    }

    /// None if the loose blocks have no room.
    pub(super) fn view(&mut self, partial: &Partial, section: usize) -> Option<View> {
        self.loose.clear();
        self.gaps.clear();
        let (mut key, mut load, mut smallest) = (0, 0, u64::MAX);
        for &k in &partial.loose[section] {
            let &Block { size, align, .. } = partial.block(k);
            let (low, floor) = (partial.low[k as usize], partial.floor[k as usize]);
            key ^= mix(u64::from(k) ^ low.rotate_left(20), floor);
            load += size;
            smallest = smallest.min(size);
            self.loose.push(Loose { floor, size, align, postponed: floor > low });
        }
        if load == 0 {
            return Some(View::default());
        }
        let (mut usable, mut from) = (0, 0);
        let fixed = partial.stack[section].iter();
        let bounds =
            fixed.map(|&k| (partial.places[k as usize], partial.places[k as usize] + partial.block(k).size));
        for (end, next) in bounds.chain([(partial.capacity, 0)]) {
            if end >= from + smallest
                && let Some(gap) = self.gap(from, end)
            {
                usable += gap.usable;
                key = mix(mix(key, gap.open), end);
                self.gaps.push(gap);
            }
            from = next;
        }
        let slack = usable.checked_sub(load)?;
        // The lowest gap that must be used, with at least what the slack does not cover lying in it.
        let gap = self.gaps.iter().find(|gap| gap.usable > slack);
        let (open, end) = gap.map_or((self.gaps[0].open, partial.capacity), |gap| (gap.open, gap.end));
        let reach = end - gap.map_or(0, |gap| gap.usable - slack);
        let near = reach.min(open + slack);
        let (mut possible, mut candidates, mut preferred, mut hopeful) = (gap.is_none(), 0, 0, 0);
        for block in &self.loose {
            if block.floor <= reach && block.floor + block.size <= end {
                possible = true;
                hopeful += u32::from(block.floor <= near);
                candidates += u32::from(!block.postponed);
                preferred += u32::from(!block.postponed && block.floor <= near);
            }
        }
        possible.then_some(View { open, near, reach, end, candidates, preferred, hopeful, key })
    }

    fn gap(&self, from: u64, end: u64) -> Option<Gap> {
        let (mut open, mut sizes) = (u64::MAX, 0);
        for block in &self.loose {
            let place = block.floor.max(from);
            let place = if block.align == 1 { place } else { place.next_multiple_of(block.align) };
            if place + block.size <= end {
                open = open.min(place);
                sizes += block.size;
            }
        }
        (sizes > 0).then(|| Gap { open, end, usable: sizes.min(end - open) })
    }
}
