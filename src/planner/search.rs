//! Depth-first search for a plan within a capacity: each step places a rectangle or postpones it.
//!
//! Every plan can be compacted until no rectangle can move to a lower free offset. Only such *active* plans are searched, so
//! that each step decides one question: does this rectangle lie at its lowest free offset, or is it *postponed*, because
//! another rectangle takes that space? (Le Pape's schedule-or-postpone, with Moffitt's canonical solutions: "MiniMalloc",
//! ASPLOS 2023, doi 10.1145/3623278.3624752.) The rectangle is chosen in a section: the one with the lowest open offset, or
//! the one with the fewest candidates, weighted by how often it has failed (Boussemart's weighted degree). If the remaining
//! rectangles fall apart into intervals of time that share none, each *part* is solved by itself, and a part without a plan
//! backtracks past the steps of all other parts.
//!
//! The path is an explicit stack: its depth is bounded by memory, not by the thread's stack.

use std::ops::Range;

use crate::planner::partial::{DeadEnd, PartialPlan, SectionView, TrailMark};
use crate::planner::problem::{PlanError, Problem, fill, push};
use crate::planner::random::mix;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Fill from the bottom evenly.
    LowestPlace,
    /// Branch in the section with the fewest candidates.
    FewestCandidates,
    /// Branch in the section with the fewest candidates that waste no more than the slack, as if no others could be the
    /// lowest. That is a guess: this search may miss a plan, and refutes nothing.
    FewestWithoutWaste,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum SearchOutcome {
    Found(Vec<u64>),
    /// There is no plan within this capacity.
    Refuted,
    /// The limit of nodes or the stop condition ended the search.
    Open,
}

/// What earlier runs have learnt, kept from run to run.
pub(super) struct Experience {
    /// Per section, how often it has failed.
    pub(super) weights: Vec<f64>,
    pub(super) failed: FailedStates,
}

pub(super) struct Search<'p> {
    partial: PartialPlan<'p>,
    rule: Rule,
    rank: Vec<f64>,
    path: Vec<SearchStep>,
}

struct SearchStep {
    rect: u32,
    postponed: bool,
    before: TrailMark,
    /// The sections of the part that the rectangle belongs to, and the hash of their state before this step.
    part: Range<usize>,
    state: u64,
}

impl<'p> Search<'p> {
    pub(super) fn new(
        problem: &'p Problem,
        neighbours: &'p [Vec<u32>],
        capacity: u64,
        rule: Rule,
        rank: Vec<f64>,
    ) -> Result<Self, PlanError> {
        Ok(Search { partial: PartialPlan::new(problem, neighbours, capacity)?, rule, rank, path: Vec::new() })
    }

    /// Returns the outcome and the number of nodes.
    pub(super) fn run(
        mut self,
        limit: u64,
        known: &mut Experience,
        stop: &dyn Fn() -> bool,
    ) -> Result<(SearchOutcome, u64), PlanError> {
        if self.partial.problem.rects.iter().any(|rect| rect.size > self.partial.capacity) {
            return Ok((SearchOutcome::Refuted, 0));
        }
        let mut nodes = 0;
        loop {
            let fresh = self.partial.refresh();
            if let Err(DeadEnd::Section(section)) = fresh {
                known.weights[section] += 1.0;
            }
            let step = fresh.and_then(|()| {
                if self.partial.loose_count == 0 {
                    return Ok(Some(SearchOutcome::Found(std::mem::take(&mut self.partial.offsets))));
                }
                if nodes >= limit || (nodes % 8 == 0 && stop()) {
                    return Ok(Some(SearchOutcome::Open));
                }
                nodes += 1;
                self.advance(known).map(|()| None)
            });
            match step {
                Ok(None) => {}
                Ok(Some(outcome)) => return Ok((outcome, nodes)),
                Err(DeadEnd::Failed(error)) => return Err(error),
                Err(DeadEnd::Section(section)) if self.backtrack(section, known)? => {}
                Err(_) if self.rule == Rule::FewestWithoutWaste => return Ok((SearchOutcome::Open, nodes)),
                Err(_) => return Ok((SearchOutcome::Refuted, nodes)),
            }
        }
    }

    /// Fixes one more rectangle, or fails with a section of the part that cannot be completed.
    fn advance(&mut self, known: &mut Experience) -> Result<(), DeadEnd> {
        let (rect, section) = self.choose(&known.weights).map_err(DeadEnd::Section)?;
        let part = self.partial.part(section);
        let state =
            part.clone().fold(part.start as u64 + 1, |state, s| mix(state, self.partial.views[s].key));
        if known.failed.contains(state) {
            return Err(DeadEnd::Section(section));
        }
        push(
            &mut self.path,
            SearchStep { rect, postponed: false, before: self.partial.mark(), part, state },
        )?;
        self.partial.fix(rect)
    }

    /// Backtracks from a section that cannot be completed: postpones the last fixed rectangle that concerns its part and can
    /// be postponed. Returns false if there is none left.
    fn backtrack(&mut self, section: usize, known: &mut Experience) -> Result<bool, PlanError> {
        let mut failed = section..section + 1;
        while let Some(step) = self.path.pop() {
            self.undo(&step);
            // Steps in other parts had no influence: backtrack past them.
            if step.part.end <= failed.start || failed.end <= step.part.start {
                continue;
            }
            if !step.postponed && self.partial.postpone(step.rect)? {
                push(&mut self.path, SearchStep { postponed: true, ..step })?;
                return Ok(true);
            }
            known.failed.insert(step.state);
            failed = step.part;
        }
        Ok(false)
    }

    fn undo(&mut self, step: &SearchStep) {
        self.partial.undo(step.before, (!step.postponed).then_some(step.rect));
    }

    /// A rectangle to branch on and a section where it is a candidate, or a section whose rectangles are all postponed.
    fn choose(&self, weights: &[f64]) -> Result<(u32, usize), usize> {
        let partial = &self.partial;
        let begun = self.path.last().map(|step| step.part.clone());
        let begun = begun.filter(|part| partial.loose[part.clone()].iter().any(|loose| !loose.is_empty()));
        let sections = begun.unwrap_or(0..partial.views.len());
        // The highest offset of the candidates, and their number.
        let choice = |view: &SectionView| match self.rule {
            Rule::FewestWithoutWaste => (view.near, view.hopeful),
            Rule::LowestPlace if view.preferred > 0 => (view.near, view.preferred),
            _ => (view.reach, view.candidates),
        };
        let urgency = |&section: &usize| {
            let view = &partial.views[section];
            let choice = f64::from(choice(view).1);
            match self.rule {
                Rule::LowestPlace => (view.open as f64, choice),
                _ => (choice / weights[section], view.open as f64),
            }
        };
        let has_candidates = |&section: &usize| match self.rule {
            Rule::FewestWithoutWaste => !partial.loose[section].is_empty(),
            _ => partial.views[section].candidates > 0,
        };
        let section = sections.clone().filter(has_candidates).map(|section| (urgency(&section), section));
        let section = section.min_by(|(a, _), (b, _)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let Some((_, section)) = section else {
            // No gap must be used now: any rectangle that is not postponed will do.
            let mut loose =
                sections.flat_map(|section| partial.loose[section].iter().map(move |&k| (k, section)));
            let any = loose.clone().next().map_or(0, |(_, section)| section);
            return loose.find(|&(k, _)| !partial.is_postponed(k)).ok_or(any);
        };
        let view = &partial.views[section];
        let (reach, _) = choice(view);
        let candidates = partial.loose[section].iter().filter(|&&k| {
            let low = partial.low[k as usize];
            !partial.is_postponed(k) && low <= reach && low + partial.rect(k).size <= view.end
        });
        let order = |&a: &u32, &b: &u32| {
            let (x, y) = (a as usize, b as usize);
            partial.low[x].cmp(&partial.low[y]).then(self.rank[y].total_cmp(&self.rank[x])).then(a.cmp(&b))
        };
        candidates.copied().min_by(order).map(|rect| (rect, section)).ok_or(section)
    }
}

/// The number of slots of [`FailedStates`].
const SLOTS: usize = 1 << 18;

/// The states that the search has refuted and does not enter again, also in later runs for the same capacity.
///
/// A fixed table of 64-bit hashes; each slot holds the last one. Every plan found is valid whatever the hashes. A collision
/// (about 1 in 10^9 per minute of search) could only hide a plan, and so make a refutation wrong.
#[derive(Debug)]
pub(super) struct FailedStates(Vec<u64>);

impl FailedStates {
    pub(super) fn new() -> Result<FailedStates, PlanError> {
        Ok(FailedStates(fill(0, SLOTS)?))
    }

    fn contains(&self, state: u64) -> bool {
        self.0[state as usize % SLOTS] == state
    }

    fn insert(&mut self, state: u64) {
        self.0[state as usize % SLOTS] = state;
    }
}
