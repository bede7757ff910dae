//! From a plan to the lowest one: which capacities to ask the portfolio for.
//!
//! The lower bound first, which is often reached, then capacities half-way between it and the best plan, ever nearer
//! to the plan, until one succeeds; each gets so many nodes, and when none succeeds the number is raised. A plan
//! found lowers the upper end, a refutation raises the lower one. When they meet the height is proven.

use super::PlanError;
use super::portfolio::Portfolio;
use super::problem::Problem;
use super::search::Outcome;
use super::stop::Stop;

/// Nodes for each capacity in the first pass.
const FIRST_PASS: u64 = 8_000;

pub(super) struct Ends {
    /// No plan is lower.
    pub(super) bound: u64,
    pub(super) height: u64,
    pub(super) places: Vec<u64>,
}

/// Narrows the ends until they meet, the height is at most `target`, or `nodes` are used up.
pub(super) fn minimise(
    ends: &mut Ends,
    problem: &Problem,
    portfolio: &mut Portfolio,
    target: Option<u64>,
    nodes: u64,
    stop: &Stop,
) -> Result<(), PlanError> {
    let mut effort = FIRST_PASS;
    let mut part = 1;
    let done = |ends: &Ends| ends.height <= target.unwrap_or(0).max(ends.bound);
    while !done(ends) && portfolio.nodes < nodes && !stop.is_over() {
        let lower = (ends.height - ends.bound).div_ceil(part);
        let (capacity, limit) = match target {
            Some(target) if target >= ends.bound => (target, u64::MAX),
            _ => (ends.height - lower, effort),
        };
        match portfolio.run(capacity, limit.min(nodes - portfolio.nodes), stop)? {
            Outcome::Found(places) => {
                ends.height = problem.height(&places);
                ends.places = places;
            }
            Outcome::Refuted => ends.bound = capacity + 1,
            Outcome::Open if lower > 1 => part *= 2,
            Outcome::Open => (part, effort) = (1, effort.saturating_mul(4)),
        }
    }
    Ok(())
}
