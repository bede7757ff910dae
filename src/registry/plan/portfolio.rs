//! Several searches for one capacity, restarted again and again.
//!
//! How long one search takes has a heavy tail: an unlucky early choice is never taken back in time, while another
//! order of the candidates runs straight to a plan. So there are several *lanes*, each with its rule and its ranks,
//! and rounds in which each lane runs once, with shaken ranks and a limit of nodes after Luby's sequence (Luby,
//! Sinclair, Zuckerman 1993). What a lane learns about sections and failed states stays with it. A plan or a
//! refutation by any lane ends them all.
//!
//! Lanes share nothing, of those that end in one round the first counts, and for another capacity each begins anew: the
//! outcome is the same on one thread and on many.

use super::PlanError;
use super::crew::together;
use super::heuristic::Rank;
use super::memory::Memory;
use super::problem::Problem;
use super::random::Random;
use super::room::{collected, filled, room};
use super::search::{Experience, Outcome, Rule, Search};
use super::stop::Stop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

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
/// With fewer nodes there is no round: each lane takes one.
pub(super) const LEAST: u64 = LANES.len() as u64;
/// Nodes with which no first run is cut short.
pub(super) const WHOLE_ROUND: u64 = FIRST * LEAST;

pub(super) struct Portfolio<'p> {
    problem: &'p Problem,
    neighbours: &'p [Vec<u32>],
    /// Each is one thread's at a time.
    lanes: Vec<Mutex<Lane>>,
    threads: usize,
    /// The capacity of the last run, and how many rounds there were for it.
    rounds: (u64, u64),
    pub(super) nodes: u64,
}

struct Lane {
    rule: Rule,
    rank: Vec<f64>,
    seed: u64,
    attempt: Option<Attempt>,
    /// What the last round came to, and its nodes.
    last: Result<(Outcome, u64), PlanError>,
}

/// At one capacity. The next begins anew: what was refuted says nothing about a larger one, and how far a lane came that
/// another one has ended is chance.
struct Attempt {
    capacity: u64,
    round: u64,
    random: Random,
    known: Experience,
}

impl<'p> Portfolio<'p> {
    pub(super) fn new(
        problem: &'p Problem,
        neighbours: &'p [Vec<u32>],
        seed: u64,
        threads: usize,
    ) -> Result<Self, PlanError> {
        let mut lanes = room(LANES.len())?;
        for (number, (rule, rank)) in (0..).zip(LANES) {
            let seed = seed.wrapping_mul(LANES.len() as u64).wrapping_add(number);
            lanes.push(Mutex::new(Lane {
                rule,
                rank: rank.of(problem)?,
                seed,
                attempt: None,
                last: Ok((Outcome::Open, 0)),
            }));
        }
        Ok(Portfolio {
            problem,
            neighbours,
            lanes,
            threads: threads.clamp(1, LANES.len()),
            rounds: (u64::MAX, 0),
            nodes: 0,
        })
    }

    /// Looks for a plan within `capacity`, in rounds until `wanted` nodes are used, and never more than `most`. Goes on
    /// where it stopped if that was at the same capacity.
    pub(super) fn run(
        &mut self,
        capacity: u64,
        wanted: u64,
        most: u64,
        stop: &Stop,
    ) -> Result<Outcome, PlanError> {
        let before = self.nodes;
        if self.rounds.0 != capacity {
            self.rounds = (capacity, 0);
        }
        while self.nodes - before < wanted && most - (self.nodes - before) >= LEAST && !stop.is_over() {
            let round = self.rounds.1;
            self.rounds.1 += 1;
            let left = (most - (self.nodes - before)) / LEAST;
            let first = (wanted / LEAST).clamp(SHORTEST, FIRST);
            let limit = if round == 0 { first } else { SHORTEST * luby(round) };
            let limit = limit.min(left);
            let outcome = self.round(capacity, limit, stop)?;
            if outcome != Outcome::Open {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Open)
    }

    fn round(&mut self, capacity: u64, limit: u64, stop: &Stop) -> Result<Outcome, PlanError> {
        let (problem, neighbours, lanes) = (self.problem, self.neighbours, &self.lanes);
        let next = AtomicUsize::new(0);
        // The first lane that has ended: those after it may give up.
        let first = AtomicUsize::new(usize::MAX);
        together(self.threads, &|| {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(lane) = lanes.get(number) else { return };
                let mut lane = lane.lock().unwrap_or_else(PoisonError::into_inner);
                let stop = || first.load(Ordering::Relaxed) < number || stop.is_over();
                lane.last = match stop() {
                    true => Ok((Outcome::Open, 0)),
                    false => lane.run(problem, neighbours, capacity, limit, &stop),
                };
                if !matches!(lane.last, Ok((Outcome::Open, _))) {
                    first.fetch_min(number, Ordering::Relaxed);
                }
            }
        });
        for lane in &mut self.lanes {
            let lane = lane.get_mut().unwrap_or_else(PoisonError::into_inner);
            let (outcome, nodes) = std::mem::replace(&mut lane.last, Ok((Outcome::Open, 0)))?;
            self.nodes += nodes;
            if outcome != Outcome::Open {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Open)
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
    ) -> Result<(Outcome, u64), PlanError> {
        let attempt = match self.attempt.take() {
            Some(attempt) if attempt.capacity == capacity => attempt,
            _ => {
                let known = Experience { weights: filled(1.0, problem.sections)?, memory: Memory::new()? };
                Attempt { capacity, round: 0, random: Random::new(self.seed), known }
            }
        };
        let attempt = self.attempt.insert(attempt);
        let shake = attempt.round > 0;
        attempt.round += 1;
        let mut factor = || if shake { 0.6 + 0.8 * attempt.random.unit() } else { 1.0 };
        let rank = collected(self.rank.iter().map(|rank| rank * factor()))?;
        let search = Search::new(problem, neighbours, capacity, self.rule, rank)?;
        search.run(limit, &mut attempt.known, stop)
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
