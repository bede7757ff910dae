//! From a plan to the lowest one: which capacities to ask a portfolio for.
//!
//! A target is all that is asked for. Without one, half of the effort goes to the lower bound, as if it were the target: it
//! is often reached, and that search is never begun anew. The other half relaxes: it bisects between the bound and the best
//! plan, for the lowest capacity at which a limited number of nodes finds a plan. What has found none within the limit
//! counts as out of reach in this pass; when nothing worth it is left between, the next pass has a higher limit. A plan
//! found lowers the upper end, a refutation raises the lower one. When they meet the height is proven.

use super::PlanError;
use super::portfolio::{LEAST, Portfolio, WHOLE_ROUND};
use super::problem::Problem;
use super::search::Outcome;
use super::stop::Stop;

/// Nodes for each capacity in the first pass, as a multiple of the blocks: a plan takes one for each.
const FIRST_PASS: u64 = 20;

pub(super) struct Ends {
    /// No plan is lower.
    pub(super) bound: u64,
    pub(super) height: u64,
    pub(super) places: Vec<u64>,
}

impl Ends {
    fn learn(&mut self, capacity: u64, outcome: Outcome, problem: &Problem) {
        match outcome {
            Outcome::Found(places) => {
                let height = problem.height(&places);
                if height < self.height {
                    (self.height, self.places) = (height, places);
                }
            }
            Outcome::Refuted => self.bound = self.bound.max(capacity + 1),
            Outcome::Open => {}
        }
    }
}

/// Narrows the ends until they meet, the height is at most `target`, or `nodes` are used up; returns how many were used.
pub(super) fn minimise<'p>(
    ends: &mut Ends,
    problem: &'p Problem,
    search: impl Fn() -> Result<Portfolio<'p>, PlanError>,
    target: Option<u64>,
    nodes: u64,
    stop: &Stop,
) -> Result<u64, PlanError> {
    let (mut at_bound, mut relaxed) = (search()?, search()?);
    let first = (FIRST_PASS * problem.blocks.len() as u64).max(1000);
    let (mut limit, mut pass) = (first, 0);
    // What has found no plan in this pass.
    let mut floor = ends.bound;
    loop {
        let left = nodes.saturating_sub(at_bound.nodes + relaxed.nodes);
        if ends.height <= target.unwrap_or(0).max(ends.bound) || left < LEAST || stop.is_over() {
            return Ok(at_bound.nodes + relaxed.nodes);
        }
        if let Some(target) = target.filter(|&target| target >= ends.bound) {
            let outcome = at_bound.run(target, u64::MAX, left, stop)?;
            ends.learn(target, outcome, problem);
            continue;
        }
        floor = floor.max(ends.bound);
        let gap = ends.height - ends.bound;
        // The first passes do not look closely.
        if ends.height - floor <= (gap >> (2 + pass)).max(1) {
            (limit, pass, floor) = (limit.saturating_mul(4), (pass + 1).min(60), ends.bound);
        }
        if at_bound.nodes <= relaxed.nodes || gap == 1 {
            let bound = ends.bound;
            let outcome = at_bound.run(bound, limit.max(WHOLE_ROUND), left, stop)?;
            ends.learn(bound, outcome, problem);
        } else {
            let capacity = floor + (ends.height - floor) / 2;
            let outcome = relaxed.run(capacity, limit, left, stop)?;
            if outcome == Outcome::Open {
                floor = capacity;
            }
            ends.learn(capacity, outcome, problem);
        }
    }
}
