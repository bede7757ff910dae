//! Plans that need no search.
//!
//! `by_time` runs through time as an allocator would: an item that begins takes the smallest hole that has room, one
//! that ends gives its place back. `first_fit` takes the items in a given order and puts each into the lowest free place
//! that has room for it, which is the greedy planner of most runtimes; it needs the pairs that overlap in time.
//! `by_order` does without them, in little more than O(n log n): it puts each upon the highest of those before it that it
//! overlaps in time. The skyline lies in a segment tree over the sections.

use super::PlanError;
use super::problem::Problem;
use super::room::{collected, filled, room};
use super::sorted::Sorted;
use super::stop::Stop;
use std::cmp::Reverse;

/// Best fit over time.
pub(super) fn by_time(problem: &Problem) -> Result<Vec<u64>, PlanError> {
    let blocks = &problem.blocks;
    let mut events = room(2 * blocks.len())?;
    for (k, block) in blocks.iter().enumerate() {
        // At one moment ends come first, then the largest beginnings.
        events.push((block.past, false, 0, k as u32));
        events.push((block.first, true, u64::MAX - block.size, k as u32));
    }
    events.sort_unstable();
    let mut places = filled(0, blocks.len())?;
    let mut holes = Holes { by_place: Sorted::new(), by_size: Sorted::new(), top: 0 };
    for (_, begins, _, k) in events {
        let block = &blocks[k as usize];
        if begins {
            places[k as usize] = holes.take(block.size, block.align)?;
        } else {
            holes.give(places[k as usize], block.size)?;
        }
    }
    Ok(places)
}

/// The free space below `top`, by place and by size; above `top` all is free.
struct Holes {
    /// Place and size, size and place.
    by_place: Sorted<(u64, u64)>,
    by_size: Sorted<(u64, u64)>,
    top: u64,
}

impl Holes {
    fn insert(&mut self, place: u64, size: u64) -> Result<(), PlanError> {
        if size > 0 {
            self.by_place.insert((place, size))?;
            self.by_size.insert((size, place))?;
        }
        Ok(())
    }

    fn remove(&mut self, place: u64, size: u64) {
        self.by_place.remove((place, size));
        self.by_size.remove((size, place));
    }

    /// The smallest hole that has room wherever it begins; so that one look is enough, a hole that would do by luck
    /// does not count.
    fn take(&mut self, size: u64, align: u64) -> Result<u64, PlanError> {
        let hole = self.by_size.at_least((size + align - 1, 0));
        let (room, place) = hole.unwrap_or_else(|| {
            // Above everything; a hole that ends at the top is part of it.
            let last = self.by_place.last().filter(|&(place, size)| place + size == self.top);
            let place = last.map_or(self.top, |(place, _)| place);
            (self.top - place, place)
        });
        self.remove(place, room);
        let aligned = place.next_multiple_of(align);
        self.insert(place, aligned - place)?;
        let past = aligned + size;
        self.insert(past, (place + room).saturating_sub(past))?;
        self.top = self.top.max(past);
        Ok(aligned)
    }

    fn give(&mut self, place: u64, size: u64) -> Result<(), PlanError> {
        let (mut from, mut past) = (place, place + size);
        if let Some((below, room)) = self.by_place.below((place, 0)).filter(|(at, room)| at + room == place) {
            self.remove(below, room);
            from = below;
        }
        if let Some((_, room)) = self.by_place.at_least((past, 0)).filter(|&(at, _)| at == past) {
            self.remove(past, room);
            past += room;
        }
        self.insert(from, past - from)
    }
}

/// The orders of a greedy planner: the largest size, size × lifetime, or lifetime first; of equal ones, as the caller gave them.
pub(super) fn greedy_orders(problem: &Problem) -> Result<[Vec<u32>; 3], PlanError> {
    let order = |key: fn(u64, u64) -> u128| {
        let mut order = collected(0..problem.blocks.len() as u32)?;
        let rank = |k: u32| key(problem.blocks[k as usize].size, problem.lifetimes[k as usize]);
        order.sort_unstable_by_key(|&k| (Reverse(rank(k)), k));
        Ok::<_, PlanError>(order)
    };
    Ok([
        order(|size, _| size.into())?,
        order(|size, lifetime| u128::from(size) * u128::from(lifetime))?,
        order(|_, lifetime| lifetime.into())?,
    ])
}

/// Each block in the lowest place that those before it in `order` leave; none if there is a `stop` and it came first.
pub(super) fn first_fit(
    problem: &Problem,
    neighbours: &[Vec<u32>],
    order: &[u32],
    stop: Option<&Stop>,
) -> Result<Option<Vec<u64>>, PlanError> {
    const LOOSE: u64 = u64::MAX;
    let mut places = filled(LOOSE, problem.blocks.len())?;
    let mut taken = room(neighbours.iter().map(Vec::len).max().unwrap_or(0))?;
    for (step, &k) in order.iter().enumerate() {
        if stop.is_some_and(|stop| stop.is_over_at(step)) {
            return Ok(None);
        }
        let block = &problem.blocks[k as usize];
        taken.clear();
        taken.extend(neighbours[k as usize].iter().filter_map(|&other| {
            let place = places[other as usize];
            (place != LOOSE).then(|| (place, place + problem.blocks[other as usize].size))
        }));
        taken.sort_unstable();
        let mut place = 0;
        for &(from, past) in &taken {
            if place + block.size <= from {
                break;
            }
            place = place.max(block.align_up(past));
        }
        places[k as usize] = place;
    }
    Ok(Some(places))
}

/// Each block upon the skyline of those before it in `order`; none if there was not the time for all of them.
pub(super) fn by_order(problem: &Problem, order: &[u32], stop: &Stop) -> Result<Option<Vec<u64>>, PlanError> {
    let mut skyline = Skyline::new(problem.sections)?;
    let mut places = filled(0, problem.blocks.len())?;
    for (step, &k) in order.iter().enumerate() {
        if stop.is_over_at(step) {
            return Ok(None);
        }
        let block = &problem.blocks[k as usize];
        let place = block.align_up(skyline.highest(block.sections()));
        places[k as usize] = place;
        skyline.raise(block.sections(), place + block.size);
    }
    Ok(Some(places))
}

/// The height of each section, as a segment tree: `covered` holds for all of a node's range, `highest` is the maximum
/// in it.
struct Skyline {
    leaves: usize,
    highest: Vec<u64>,
    covered: Vec<u64>,
}

impl Skyline {
    fn new(sections: usize) -> Result<Skyline, PlanError> {
        let leaves = sections.next_power_of_two();
        Ok(Skyline { leaves, highest: filled(0, 2 * leaves)?, covered: filled(0, 2 * leaves)? })
    }

    fn highest(&self, range: std::ops::Range<usize>) -> u64 {
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
        // What covers a larger range that holds either end of this one.
        for mut node in [first, last] {
            while node > 0 {
                highest = highest.max(self.covered[node]);
                node >>= 1;
            }
        }
        highest
    }

    /// No section of the range is lower than `height` from now on.
    fn raise(&mut self, range: std::ops::Range<usize>, height: u64) {
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
