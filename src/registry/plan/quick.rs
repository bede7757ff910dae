//! Plans in little more than O(n log n), whatever the items look like: what even a hundred thousand items get at once.
//!
//! `by_time` runs through time as an allocator would: an item that begins takes the smallest hole that has room, one
//! that ends gives its place back. `by_order` takes the items in a given order and puts each upon the highest of
//! those before it that it overlaps in time: the skyline lies in a segment tree over the sections.

use super::PlanError;
use super::problem::Problem;
use super::room::{filled, room};
use super::sorted::Sorted;
use super::stop::Stop;

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
