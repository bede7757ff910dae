//! Heuristic plans: the best greedy plan, then a local search over placement orders.
//!
//! The greedy plans are `greedy::by_time`, and first fit by size, by area and by lifetime: with the pairs that overlap in
//! time by `first_fit`, without them by `by_order`.
//!
//! If the pairs can be listed, the best-fit skyline rule of strip packing follows (Burke, Kendall, Whitwell 2004): of all
//! remaining rectangles, the one that can lie lowest is placed there; among several, the one with the greatest rank. Ranks
//! by size, by area and by mixtures of both are tried. A local search then perturbs the best ranks, raises those of the
//! rectangles that form the top, and keeps what is no worse.
//!
//! One placement takes O(p log p) steps for p pairs. The number of rounds shrinks as p grows, so that all rounds together
//! take about the same time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::planner::greedy;
use crate::planner::problem::{PlanError, Problem, StopCondition, collect, fill};
use crate::planner::random::SplitMix64;

/// Above this many pairs, the pairs are not listed.
pub(super) const MAX_PAIRS: usize = 1 << 22;
/// Up to this many pairs, the greedy plans are made whatever `stop` says, which takes 0.1 s at most.
pub(super) const QUICK_PAIRS: usize = 1 << 20;
/// The number of pairs that all rounds of the local search together visit.
const EFFORT: usize = 1 << 23;

/// The rank of a rectangle: a product of powers of size and lifetime.
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
        collect(problem.rects.iter().map(|rect| rank(rect.size as f64, rect.sections().len() as f64)))
    }
}

/// The best plan found until the height reaches the `bound` or the rounds are over. The first plan is made whatever `stop`
/// says; the greedy plans too, if `quick`.
pub(super) fn heuristic(
    problem: &Problem,
    neighbours: Option<&[Vec<u32>]>,
    quick: bool,
    bound: u64,
    seed: u64,
    stop: &StopCondition,
) -> Result<Vec<u64>, PlanError> {
    let mut best = BestPlan { offsets: greedy::by_time(problem)?, problem, height: 0, bound };
    best.height = problem.height(&best.offsets);
    for order in greedy::greedy_orders(problem)? {
        if best.is_lowest() || (!quick && stop.is_over()) {
            return Ok(best.offsets);
        }
        let offsets = match neighbours {
            Some(neighbours) => greedy::first_fit(problem, neighbours, &order, (!quick).then_some(stop))?,
            None => greedy::by_order(problem, &order, stop)?,
        };
        let Some(offsets) = offsets else { return Ok(best.offsets) };
        best.offer(&offsets);
    }
    if let Some(neighbours) = neighbours {
        local_search(&mut best, neighbours, seed, stop)?;
    }
    Ok(best.offsets)
}

struct BestPlan<'a> {
    problem: &'a Problem,
    offsets: Vec<u64>,
    height: u64,
    bound: u64,
}

impl BestPlan<'_> {
    fn offer(&mut self, offsets: &[u64]) -> u64 {
        let height = self.problem.height(offsets);
        if height < self.height {
            self.height = height;
            self.offsets.copy_from_slice(offsets);
        }
        height
    }

    fn is_lowest(&self) -> bool {
        self.height == self.bound
    }
}

fn local_search(
    best: &mut BestPlan,
    neighbours: &[Vec<u32>],
    seed: u64,
    stop: &StopCondition,
) -> Result<(), PlanError> {
    let problem = best.problem;
    let rects = &problem.rects;
    let pairs: usize = neighbours.iter().map(Vec::len).sum::<usize>() + rects.len();
    let rounds = (EFFORT / pairs.max(1)).clamp(4, 1000);
    let mut lowest = LowestFirst::new(problem, neighbours)?;
    let mut ranks = Vec::new();
    let mut height = u64::MAX;
    for rank in Rank::ALL {
        if best.is_lowest() || stop.is_over() {
            return Ok(());
        }
        let rank = rank.of(problem)?;
        if !lowest.offset(&rank, stop)? {
            return Ok(());
        }
        let found = best.offer(&lowest.offsets);
        if found < height {
            (height, ranks) = (found, rank);
        }
    }
    if !lowest.offset(&ranks, stop)? {
        return Ok(());
    }
    let mut offsets = collect(lowest.offsets.iter().copied())?;
    let mut perturbed = fill(0.0, rects.len())?;
    let mut random = SplitMix64::new(seed);
    for _ in 0..rounds {
        if best.is_lowest() || stop.is_over() {
            return Ok(());
        }
        perturbed.copy_from_slice(&ranks);
        for (k, rank) in perturbed.iter_mut().enumerate() {
            let top = offsets[k] + rects[k].size == height;
            if top || random.unit() < 0.08 {
                *rank *= if top { 1.0 + random.unit() } else { 0.4 + 1.2 * random.unit() };
            }
        }
        if !lowest.offset(&perturbed, stop)? {
            return Ok(());
        }
        let found = best.offer(&lowest.offsets);
        if found <= height {
            height = found;
            ranks.copy_from_slice(&perturbed);
            offsets.copy_from_slice(&lowest.offsets);
        }
    }
    Ok(())
}

/// Places rectangles, always the one that can lie lowest.
struct LowestFirst<'a> {
    problem: &'a Problem,
    neighbours: &'a [Vec<u32>],
    queue: BinaryHeap<Reverse<(u64, u32, u32)>>,
    by_rank: Vec<u32>,
    position: Vec<u32>,
    /// The lowest offset of each rectangle that is not placed yet.
    lowest: Vec<u64>,
    offsets: Vec<u64>,
}

impl<'a> LowestFirst<'a> {
    fn new(problem: &'a Problem, neighbours: &'a [Vec<u32>]) -> Result<Self, PlanError> {
        let count = problem.rects.len();
        Ok(LowestFirst {
            problem,
            neighbours,
            queue: BinaryHeap::new(),
            by_rank: collect(0..count as u32)?,
            position: fill(0, count)?,
            lowest: fill(0, count)?,
            offsets: fill(0, count)?,
        })
    }

    /// Computes `offsets`. Returns false if `stop` came first.
    fn offset(&mut self, rank: &[f64], stop: &StopCondition) -> Result<bool, PlanError> {
        const PLACED: u64 = u64::MAX;
        let rects = &self.problem.rects;
        self.by_rank.sort_unstable_by(|&a, &b| rank[b as usize].total_cmp(&rank[a as usize]).then(a.cmp(&b)));
        for (position, &k) in self.by_rank.iter().enumerate() {
            self.position[k as usize] = position as u32;
        }
        self.lowest.fill(0);
        self.queue.try_reserve(rects.len())?;
        self.queue.extend((0..rects.len()).map(|k| Reverse((0, self.position[k], k as u32))));
        let mut step = 0;
        while let Some(Reverse((offset, _, k))) = self.queue.pop() {
            step += 1;
            if stop.is_over_at(step) {
                self.queue.clear();
                return Ok(false);
            }
            // An outdated entry: a later one has replaced it.
            if self.lowest[k as usize] != offset {
                continue;
            }
            self.offsets[k as usize] = offset;
            self.lowest[k as usize] = PLACED;
            let top = offset + rects[k as usize].size;
            for &other in &self.neighbours[k as usize] {
                let low = &mut self.lowest[other as usize];
                if *low < top {
                    *low = rects[other as usize].align_up(top);
                    self.queue.try_reserve(1)?;
                    self.queue.push(Reverse((*low, self.position[other as usize], other)));
                }
            }
        }
        Ok(true)
    }
}
