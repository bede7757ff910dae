//! Search strategies for one capacity, restarted in rounds, and the choice of capacities.
//!
//! The run time of one search has a heavy tail: an unlucky early choice is never undone in time, while another order of the
//! candidates leads straight to a plan. A [`Portfolio`] has several *lanes*, each with its rule and its ranks. In each round
//! every lane runs once, with perturbed ranks and a limit of nodes after Luby's sequence (Luby, Sinclair, Zuckerman 1993). A
//! lane keeps what it learns about sections and failed states. A plan or a refutation by any lane ends them all. Lanes share
//! nothing, the first lane in order counts if several end in one round, and each begins anew for another capacity. The outcome
//! is therefore the same on one thread and on many.
//!
//! [`minimise`] chooses the capacities. With a target, only the target is searched. Without one, half of the effort goes to
//! the lower bound, as if it were the target: it is often reached, and that search is never restarted from scratch. The other
//! half bisects between the bound and the best plan, for the lowest capacity at which a limited number of nodes finds a plan.
//! A capacity that yields none within the limit counts as out of reach in this pass; when no promising capacity is left, the
//! next pass has a higher limit. A plan lowers the upper end, a refutation raises the lower one. When they meet, the height is
//! proven minimal.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::planner::heuristic::Rank;
use crate::planner::problem::{PlanError, Problem, StopCondition, collect, fill, with_capacity};
use crate::planner::random::SplitMix64;
use crate::planner::search::{Experience, FailedStates, Rule, Search, SearchOutcome};

const LANES: [(Rule, Rank); 5] = [
    (Rule::LowestPlace, Rank::Size),
    (Rule::FewestWithoutWaste, Rank::Lifetime),
    (Rule::LowestPlace, Rank::Area),
    (Rule::FewestCandidates, Rank::Lifetime),
    (Rule::LowestPlace, Rank::Lifetime),
];
/// The limit of nodes of the first runs, whose ranks are not perturbed, and of the shortest later ones.
const FIRST: u64 = 4_000;
const SHORTEST: u64 = 1_000;
/// The nodes of the smallest round: one per lane.
const LEAST: u64 = LANES.len() as u64;
/// Enough nodes for the first round of all lanes.
const WHOLE_ROUND: u64 = FIRST * LEAST;

pub(super) struct Portfolio<'p> {
    problem: &'p Problem,
    neighbours: &'p [Vec<u32>],
    /// Each is run by one thread at a time.
    lanes: Vec<Mutex<Lane>>,
    threads: usize,
    /// The capacity of the last run, and its number of rounds.
    rounds: (u64, u64),
    nodes: u64,
}

struct Lane {
    rule: Rule,
    rank: Vec<f64>,
    seed: u64,
    attempt: Option<Attempt>,
    /// The outcome of the last round, and its nodes.
    last: Result<(SearchOutcome, u64), PlanError>,
}

/// A lane's runs at one capacity. Another capacity begins anew: a refutation says nothing about a larger one, and how far a
/// lane came before another one ended it is random.
struct Attempt {
    capacity: u64,
    round: u64,
    random: SplitMix64,
    known: Experience,
}

impl<'p> Portfolio<'p> {
    pub(super) fn new(
        problem: &'p Problem,
        neighbours: &'p [Vec<u32>],
        seed: u64,
        threads: usize,
    ) -> Result<Self, PlanError> {
        let mut lanes = with_capacity(LANES.len())?;
        for (number, (rule, rank)) in (0..).zip(LANES) {
            let seed = seed.wrapping_mul(LANES.len() as u64).wrapping_add(number);
            lanes.push(Mutex::new(Lane {
                rule,
                rank: rank.of(problem)?,
                seed,
                attempt: None,
                last: Ok((SearchOutcome::Open, 0)),
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

    /// Searches for a plan within `capacity`, in rounds until `wanted` nodes are used, and never more than `most`. Continues
    /// the last run if it had the same capacity.
    fn run(
        &mut self,
        capacity: u64,
        wanted: u64,
        most: u64,
        stop: &StopCondition,
    ) -> Result<SearchOutcome, PlanError> {
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
            if outcome != SearchOutcome::Open {
                return Ok(outcome);
            }
        }
        Ok(SearchOutcome::Open)
    }

    fn round(&mut self, capacity: u64, limit: u64, stop: &StopCondition) -> Result<SearchOutcome, PlanError> {
        let (problem, neighbours, lanes) = (self.problem, self.neighbours, &self.lanes);
        let next = AtomicUsize::new(0);
        // The first lane that has ended: later ones may give up.
        let first = AtomicUsize::new(usize::MAX);
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(lane) = lanes.get(number) else { return };
                let mut lane = lane.lock().unwrap_or_else(PoisonError::into_inner);
                let stop = || first.load(Ordering::Relaxed) < number || stop.is_over();
                lane.last = match stop() {
                    true => Ok((SearchOutcome::Open, 0)),
                    false => lane.run(problem, neighbours, capacity, limit, &stop),
                };
                if !matches!(lane.last, Ok((SearchOutcome::Open, _))) {
                    first.fetch_min(number, Ordering::Relaxed);
                }
            }
        };
        run_on_threads(self.threads, &work);
        for lane in &mut self.lanes {
            let lane = lane.get_mut().unwrap_or_else(PoisonError::into_inner);
            let (outcome, nodes) = std::mem::replace(&mut lane.last, Ok((SearchOutcome::Open, 0)))?;
            self.nodes += nodes;
            if outcome != SearchOutcome::Open {
                return Ok(outcome);
            }
        }
        Ok(SearchOutcome::Open)
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
    ) -> Result<(SearchOutcome, u64), PlanError> {
        let attempt = match self.attempt.take() {
            Some(attempt) if attempt.capacity == capacity => attempt,
            _ => {
                let known =
                    Experience { weights: fill(1.0, problem.sections)?, failed: FailedStates::new()? };
                Attempt { capacity, round: 0, random: SplitMix64::new(self.seed), known }
            }
        };
        let attempt = self.attempt.insert(attempt);
        let perturb = attempt.round > 0;
        attempt.round += 1;
        let mut factor = || if perturb { 0.6 + 0.8 * attempt.random.unit() } else { 1.0 };
        let rank = collect(self.rank.iter().map(|rank| rank * factor()))?;
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

/// Runs `work` on up to `threads` threads at once, the calling one included. Threads that cannot be started are left out.
fn run_on_threads(threads: usize, work: &(impl Fn() + Sync)) {
    thread::scope(|scope| {
        with_signals_blocked(|| {
            for _ in 1..threads {
                if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
        });
        work();
    });
}

/// Calls `spawn` with all signals blocked. New threads inherit that: the program's signal handlers run on its own threads.
fn with_signals_blocked(spawn: impl FnOnce()) {
    // SAFETY: plain calls on local sets.
    unsafe {
        let (mut all, mut before) =
            (std::mem::zeroed::<libc::sigset_t>(), std::mem::zeroed::<libc::sigset_t>());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        spawn();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
    }
}

/// The nodes for each capacity in the first pass, per rectangle: a plan takes one for each.
const FIRST_PASS: u64 = 20;

/// The best plan and the lower bound.
pub(super) struct SearchBounds {
    /// No plan has a smaller height.
    pub(super) lower: u64,
    pub(super) height: u64,
    pub(super) offsets: Vec<u64>,
}

impl SearchBounds {
    fn learn(&mut self, capacity: u64, outcome: SearchOutcome, problem: &Problem) {
        match outcome {
            SearchOutcome::Found(offsets) => {
                let height = problem.height(&offsets);
                if height < self.height {
                    (self.height, self.offsets) = (height, offsets);
                }
            }
            SearchOutcome::Refuted => self.lower = self.lower.max(capacity + 1),
            SearchOutcome::Open => {}
        }
    }
}

/// Narrows the bounds until they meet, the height is at most `target`, or `nodes` are used up. Returns the nodes used.
pub(super) fn minimise<'p>(
    bounds: &mut SearchBounds,
    problem: &'p Problem,
    search: impl Fn() -> Result<Portfolio<'p>, PlanError>,
    target: Option<u64>,
    nodes: u64,
    stop: &StopCondition,
) -> Result<u64, PlanError> {
    let (mut at_bound, mut relaxed) = (search()?, search()?);
    let first = (FIRST_PASS * problem.rects.len() as u64).max(1000);
    let (mut limit, mut pass) = (first, 0);
    // The highest capacity that has yielded no plan in this pass.
    let mut floor = bounds.lower;
    loop {
        let left = nodes.saturating_sub(at_bound.nodes + relaxed.nodes);
        if bounds.height <= target.unwrap_or(0).max(bounds.lower) || left < LEAST || stop.is_over() {
            return Ok(at_bound.nodes + relaxed.nodes);
        }
        if let Some(target) = target.filter(|&target| target >= bounds.lower) {
            let outcome = at_bound.run(target, u64::MAX, left, stop)?;
            bounds.learn(target, outcome, problem);
            continue;
        }
        floor = floor.max(bounds.lower);
        let gap = bounds.height - bounds.lower;
        // The first passes bisect coarsely.
        if bounds.height - floor <= (gap >> (2 + pass)).max(1) {
            (limit, pass, floor) = (limit.saturating_mul(4), (pass + 1).min(60), bounds.lower);
        }
        if at_bound.nodes <= relaxed.nodes || gap == 1 {
            let bound = bounds.lower;
            let outcome = at_bound.run(bound, limit.max(WHOLE_ROUND), left, stop)?;
            bounds.learn(bound, outcome, problem);
        } else {
            let capacity = floor + (bounds.height - floor) / 2;
            let outcome = relaxed.run(capacity, limit, left, stop)?;
            if outcome == SearchOutcome::Open {
                floor = capacity;
            }
            bounds.learn(capacity, outcome, problem);
        }
    }
}
