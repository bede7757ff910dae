//! The plan that is there at once.
//!
//! Whatever the size, that of `quick::by_time`, and those of a greedy planner by size, by area and by lifetime: with the pairs
//! that overlap in time by first fit, without them upon the skyline. Where the pairs can be listed, also *lowest
//! first*: of all blocks left the one that can lie lowest is placed there, and of several that can lie equally low
//! the one with the greatest rank, as a mason would lay stones (the best-fit skyline rule of strip packing: Burke,
//! Kendall, Whitwell 2004). Ranks by size, by area, and by mixtures of both are tried; then a local search shakes the
//! ranks of the best, lifts those of the blocks that make up the top, and keeps what is no worse.
//!
//! One placement costs O(p log p) for p pairs; the number of rounds shrinks as p grows, so that all of them cost
//! about the same.

use super::PlanError;
use super::problem::Problem;
use super::quick;
use super::random::Random;
use super::room::{collected, filled, out_of_memory};
use super::stop::Stop;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Above this many pairs they are not listed.
pub(super) const MOST_PAIRS: usize = 1 << 22;
/// Up to this many pairs the greedy plans are made whatever `stop` says: that takes some 0.1 s at most.
pub(super) const QUICK_PAIRS: usize = 1 << 20;
/// Pairs looked at in all rounds of the local search together.
const EFFORT: usize = 1 << 23;

/// How to rank blocks: by the product of powers of size and lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    Size,
    Area,
    SizeThenLifetime,
    LifetimeThenSize,
    Lifetime,
}

impl Rank {
    pub(super) const ALL: [Rank; 5] =
        [Rank::Size, Rank::Area, Rank::SizeThenLifetime, Rank::LifetimeThenSize, Rank::Lifetime];

    pub(super) fn of(self, problem: &Problem) -> Result<Vec<f64>, PlanError> {
        let rank = |size: f64, lifetime: f64| match self {
            Rank::Size => size,
            Rank::Area => size * lifetime,
            Rank::SizeThenLifetime => size * lifetime.sqrt(),
            Rank::LifetimeThenSize => size.sqrt() * lifetime,
            Rank::Lifetime => lifetime,
        };
        collected(problem.blocks.iter().map(|block| rank(block.size as f64, block.sections().len() as f64)))
    }
}

/// The best plan found, until the height is the `bound` or the rounds are over. The first plan is made whatever `stop`
/// says, and the greedy ones, too, if they are `quick`.
pub(super) fn heuristic(
    problem: &Problem,
    neighbours: Option<&[Vec<u32>]>,
    quick: bool,
    bound: u64,
    seed: u64,
    stop: &Stop,
) -> Result<Vec<u64>, PlanError> {
    let mut best = Best { places: quick::by_time(problem)?, problem, height: 0, bound };
    best.height = problem.height(&best.places);
    for order in quick::greedy_orders(problem)? {
        if best.is_lowest() || (!quick && stop.is_over()) {
            return Ok(best.places);
        }
        let places = match neighbours {
            Some(neighbours) => quick::first_fit(problem, neighbours, &order, (!quick).then_some(stop))?,
            None => quick::by_order(problem, &order, stop)?,
        };
        let Some(places) = places else { return Ok(best.places) };
        best.offer(&places);
    }
    if let Some(neighbours) = neighbours {
        local_search(&mut best, neighbours, seed, stop)?;
    }
    Ok(best.places)
}

struct Best<'a> {
    problem: &'a Problem,
    places: Vec<u64>,
    height: u64,
    bound: u64,
}

impl Best<'_> {
    fn offer(&mut self, places: &[u64]) -> u64 {
        let height = self.problem.height(places);
        if height < self.height {
            self.height = height;
            self.places.copy_from_slice(places);
        }
        height
    }

    fn is_lowest(&self) -> bool {
        self.height == self.bound
    }
}

fn local_search(best: &mut Best, neighbours: &[Vec<u32>], seed: u64, stop: &Stop) -> Result<(), PlanError> {
    let problem = best.problem;
    let blocks = &problem.blocks;
    let pairs: usize = neighbours.iter().map(Vec::len).sum::<usize>() + blocks.len();
    let rounds = (EFFORT / pairs.max(1)).clamp(4, 1000);
    let mut lowest = LowestFirst::new(problem, neighbours)?;
    let mut ranks = Vec::new();
    let mut height = u64::MAX;
    for rank in Rank::ALL {
        if best.is_lowest() || stop.is_over() {
            return Ok(());
        }
        let rank = rank.of(problem)?;
        if !lowest.place(&rank, stop)? {
            return Ok(());
        }
        let found = best.offer(&lowest.places);
        if found < height {
            (height, ranks) = (found, rank);
        }
    }
    if !lowest.place(&ranks, stop)? {
        return Ok(());
    }
    let mut places = collected(lowest.places.iter().copied())?;
    let mut shaken = filled(0.0, blocks.len())?;
    let mut random = Random::new(seed);
    for _ in 0..rounds {
        if best.is_lowest() || stop.is_over() {
            return Ok(());
        }
        shaken.copy_from_slice(&ranks);
        for (k, rank) in shaken.iter_mut().enumerate() {
            let top = places[k] + blocks[k].size == height;
            if top || random.unit() < 0.08 {
                *rank *= if top { 1.0 + random.unit() } else { 0.4 + 1.2 * random.unit() };
            }
        }
        if !lowest.place(&shaken, stop)? {
            return Ok(());
        }
        let found = best.offer(&lowest.places);
        if found <= height {
            height = found;
            ranks.copy_from_slice(&shaken);
            places.copy_from_slice(&lowest.places);
        }
    }
    Ok(())
}

/// Places blocks, the one that can lie lowest first.
struct LowestFirst<'a> {
    problem: &'a Problem,
    neighbours: &'a [Vec<u32>],
    queue: BinaryHeap<Reverse<(u64, u32, u32)>>,
    by_rank: Vec<u32>,
    position: Vec<u32>,
    /// Of those that are not placed yet.
    lowest: Vec<u64>,
    places: Vec<u64>,
}

impl<'a> LowestFirst<'a> {
    fn new(problem: &'a Problem, neighbours: &'a [Vec<u32>]) -> Result<Self, PlanError> {
        let count = problem.blocks.len();
        Ok(LowestFirst {
            problem,
            neighbours,
            queue: BinaryHeap::new(),
            by_rank: collected(0..count as u32)?,
            position: filled(0, count)?,
            lowest: filled(0, count)?,
            places: filled(0, count)?,
        })
    }

    /// Leaves the `places`; false if there was not the time for all of them.
    fn place(&mut self, rank: &[f64], stop: &Stop) -> Result<bool, PlanError> {
        const PLACED: u64 = u64::MAX;
        let blocks = &self.problem.blocks;
        self.by_rank.sort_unstable_by(|&a, &b| rank[b as usize].total_cmp(&rank[a as usize]).then(a.cmp(&b)));
        for (position, &k) in self.by_rank.iter().enumerate() {
            self.position[k as usize] = position as u32;
        }
        self.lowest.fill(0);
        self.queue.try_reserve(blocks.len()).map_err(out_of_memory)?;
        self.queue.extend((0..blocks.len()).map(|k| Reverse((0, self.position[k], k as u32))));
        let mut step = 0;
        while let Some(Reverse((place, _, k))) = self.queue.pop() {
            step += 1;
            if stop.is_over_at(step) {
                self.queue.clear();
                return Ok(false);
            }
            // Entries that a later one has replaced stay in the queue until they come up.
            if self.lowest[k as usize] != place {
                continue;
            }
            self.places[k as usize] = place;
            self.lowest[k as usize] = PLACED;
            let top = place + blocks[k as usize].size;
            for &other in &self.neighbours[k as usize] {
                let low = &mut self.lowest[other as usize];
                if *low < top {
                    *low = blocks[other as usize].align_up(top);
                    self.queue.try_reserve(1).map_err(out_of_memory)?;
                    self.queue.push(Reverse((*low, self.position[other as usize], other)));
                }
            }
        }
        Ok(true)
    }
}
