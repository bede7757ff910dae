//! Several searches for one capacity, restarted again and again.
//!
//! How long one search takes has a heavy tail: an unlucky early choice is never taken back in time, while another
//! order of the candidates runs straight to a plan. So there are several *lanes*, each with its rule and its ranks,
//! and rounds in which each lane runs once, with shaken ranks and a limit of nodes after Luby's sequence (Luby,
//! Sinclair, Zuckerman 1993). What a lane learns about sections and failed states stays with it. A refutation by any
//! lane ends them all.
//!
//! Lanes share nothing, and of those that end in one round the first counts: the outcome is the same on one thread
//! and on many.

use super::heuristic::Rank;
use super::memory::Memory;
use super::problem::Problem;
use super::random::Random;
use super::search::{Experience, Outcome, Rule, Search};
use super::stop::Stop;
use std::sync::atomic::{AtomicUsize, Ordering};

const LANES: [(Rule, Rank); 5] = [
    (Rule::LowestPlace, Rank::Size),
    (Rule::FewestWithoutWaste, Rank::Lifetime),
    (Rule::LowestPlace, Rank::Area),
    (Rule::FewestCandidates, Rank::Lifetime),
    (Rule::LowestPlace, Rank::Lifetime),
];
/// Nodes of the first runs, whose ranks are not shaken yet, and of the shortest after them.
const FIRST: u64 = 4_000;
const SHORTEST: u64 = 1_000;

pub(super) struct Portfolio<'p> {
    problem: &'p Problem,
    neighbours: &'p [Vec<u32>],
    lanes: Vec<Lane>,
    threads: usize,
    pub(super) nodes: u64,
}

struct Lane {
    rule: Rule,
    rank: Vec<f64>,
    random: Random,
    known: Experience,
    capacity: u64,
    round: u64,
    nodes: u64,
}

impl<'p> Portfolio<'p> {
    pub(super) fn new(problem: &'p Problem, neighbours: &'p [Vec<u32>], seed: u64, threads: usize) -> Self {
        let lane = |(number, &(rule, rank)): (usize, &(Rule, Rank))| Lane {
            rule,
            rank: rank.of(problem),
            random: Random::new(seed.wrapping_mul(LANES.len() as u64).wrapping_add(number as u64)),
            known: Experience { weights: vec![1.0; problem.sections], memory: Memory::new() },
            capacity: 0,
            round: 0,
            nodes: 0,
        };
        let lanes = LANES.iter().enumerate().map(lane).collect();
        Portfolio { problem, neighbours, lanes, threads: threads.clamp(1, LANES.len()), nodes: 0 }
    }

    /// Looks for a plan within `capacity`, in rounds until `nodes` are used up.
    pub(super) fn run(&mut self, capacity: u64, nodes: u64, stop: &Stop) -> Outcome {
        let enough = self.nodes.saturating_add(nodes);
        let mut round = 0;
        while self.nodes < enough && !stop.is_over() {
            round += 1;
            let left = (enough - self.nodes).div_ceil(LANES.len() as u64);
            let limit = if round == 1 { FIRST } else { SHORTEST * luby(round - 1) };
            let limit = limit.min(left);
            let outcome = self.round(capacity, limit, stop);
            self.nodes = self.lanes.iter().map(|lane| lane.nodes).sum();
            if outcome != Outcome::Open {
                return outcome;
            }
        }
        Outcome::Open
    }

    fn round(&mut self, capacity: u64, limit: u64, stop: &Stop) -> Outcome {
        let (problem, neighbours) = (self.problem, self.neighbours);
        // The first lane that has ended: those after it may give up.
        let first = AtomicUsize::new(usize::MAX);
        let run = |number: usize, lane: &mut Lane| {
            let stop = || first.load(Ordering::Relaxed) < number || stop.is_over();
            let outcome =
                if stop() { Outcome::Open } else { lane.run(problem, neighbours, capacity, limit, &stop) };
            if outcome != Outcome::Open {
                first.fetch_min(number, Ordering::Relaxed);
            }
            outcome
        };
        let mut outcomes: Vec<(usize, Outcome)> = Vec::new();
        if self.threads == 1 {
            outcomes
                .extend(self.lanes.iter_mut().enumerate().map(|(number, lane)| (number, run(number, lane))));
        } else {
            let mut shares: Vec<Vec<(usize, &mut Lane)>> = (0..self.threads).map(|_| Vec::new()).collect();
            for (number, lane) in self.lanes.iter_mut().enumerate() {
                shares[number % self.threads].push((number, lane));
            }
            let run = &run;
            let work = |share: Vec<(usize, &mut Lane)>| -> Vec<(usize, Outcome)> {
                share.into_iter().map(|(number, lane)| (number, run(number, lane))).collect()
            };
            std::thread::scope(|scope| {
                let own = shares.pop();
                // A thread that does not start leaves its share undone for this round: the others still count.
                let work = &work;
                let handles: Vec<_> = shares
                    .into_iter()
                    .filter_map(|share| {
                        std::thread::Builder::new().spawn_scoped(scope, move || work(share)).ok()
                    })
                    .collect();
                outcomes.extend(own.into_iter().flat_map(work));
                outcomes.extend(handles.into_iter().filter_map(|handle| handle.join().ok()).flatten());
            });
        }
        outcomes.sort_by_key(|(number, _)| *number);
        outcomes
            .into_iter()
            .map(|(_, outcome)| outcome)
            .find(|outcome| *outcome != Outcome::Open)
            .unwrap_or(Outcome::Open)
    }
}

impl Lane {
    fn run(
        &mut self,
        problem: &Problem,
        neighbours: &[Vec<u32>],
        capacity: u64,
        limit: u64,
        stop: &dyn Fn() -> bool,
    ) -> Outcome {
        if self.capacity != capacity {
            // Refuted for one capacity says nothing about a larger one.
            self.known.memory.clear();
            self.capacity = capacity;
            self.round = 0;
        }
        let shake = self.round > 0;
        self.round += 1;
        let mut factor = || if shake { 0.6 + 0.8 * self.random.unit() } else { 1.0 };
        let rank = self.rank.iter().map(|rank| rank * factor()).collect();
        let (outcome, nodes) =
            Search::new(problem, neighbours, capacity, self.rule, rank).run(limit, &mut self.known, stop);
        self.nodes += nodes;
        outcome
    }
}

/// 1, 1, 2, 1, 1, 2, 4, ...
fn luby(position: u64) -> u64 {
    let mut k = position;
    loop {
        if (k + 1).is_power_of_two() {
            return k.div_ceil(2);
        }
        k -= (k + 1).next_power_of_two() / 2 - 1;
    }
}
