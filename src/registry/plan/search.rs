//! Is there a plan within a capacity? A depth-first search that places or postpones.
//!
//! Every plan can be pressed down until no block can be moved to a lower free place. Only such *active* plans are
//! looked for, so it suffices to ask of one block at a time: does it lie at the lowest place where it fits now, or is
//! it *postponed*, because another block will come to lie there? (Le Pape's schedule-or-postpone, with Moffitt's
//! canonical solutions: "MiniMalloc", ASPLOS 2023, doi 10.1145/3623278.3624752.) Which block is asked for comes from
//! the sections: the one with the lowest open place, or the one with the fewest candidates, weighed by how often it
//! has failed (Boussemart's weighted degree). When the loose blocks fall apart in time, each part is solved by
//! itself, and a part without a plan sends the search back to what concerns it, past all that was done for the
//! others.
//!
//! The path is an explicit stack: the depth is bounded by memory, not by the thread's stack.

use super::PlanError;
use super::memory::{Memory, mix};
use super::partial::{Mark, Partial, Stuck};
use super::problem::Problem;
use super::room::push;
use super::section::View;
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Build from the ground, evenly.
    LowestPlace,
    /// Where there is the least choice.
    FewestCandidates,
    /// Where there is the least choice of blocks that waste no more than the slack, as if no others could ever be the
    /// lowest. That is a guess: this search may miss a plan, and refutes nothing.
    FewestWithoutWaste,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Found(Vec<u64>),
    /// There is no plan within this capacity.
    Refuted,
    /// The limit of nodes, or the stop.
    Open,
}

/// What is known of the sections and states, kept from run to run.
pub(super) struct Experience {
    pub(super) weights: Vec<f64>,
    pub(super) memory: Memory,
}

pub(super) struct Search<'p> {
    partial: Partial<'p>,
    rule: Rule,
    rank: Vec<f64>,
    path: Vec<Step>,
}

struct Step {
    block: u32,
    postponed: bool,
    before: Mark,
    /// The sections of the part that the block belongs to, and the hash of their state before this step.
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
        Ok(Search { partial: Partial::new(problem, neighbours, capacity)?, rule, rank, path: Vec::new() })
    }

    /// The outcome and the nodes it took.
    pub(super) fn run(
        mut self,
        limit: u64,
        known: &mut Experience,
        stop: &dyn Fn() -> bool,
    ) -> Result<(Outcome, u64), PlanError> {
        if self.partial.problem.blocks.iter().any(|block| block.size > self.partial.capacity) {
            return Ok((Outcome::Refuted, 0));
        }
        let mut nodes = 0;
        loop {
            let fresh = self.partial.refresh();
            if let Err(Stuck::Section(section)) = fresh {
                known.weights[section] += 1.0;
            }
            let step = fresh.and_then(|()| {
                if self.partial.loose_count == 0 {
                    return Ok(Some(Outcome::Found(std::mem::take(&mut self.partial.places))));
                }
                if nodes >= limit || (nodes % 8 == 0 && stop()) {
                    return Ok(Some(Outcome::Open));
                }
                nodes += 1;
                self.go_on(known).map(|()| None)
            });
            match step {
                Ok(None) => {}
                Ok(Some(outcome)) => return Ok((outcome, nodes)),
                Err(Stuck::Failed(error)) => return Err(error),
                Err(Stuck::Section(section)) if self.go_back(section, known)? => {}
                Err(_) if self.rule == Rule::FewestWithoutWaste => return Ok((Outcome::Open, nodes)),
                Err(_) => return Ok((Outcome::Refuted, nodes)),
            }
        }
    }

    /// Fixes one more block, or tells a section of the part that cannot be completed.
    fn go_on(&mut self, known: &mut Experience) -> Result<(), Stuck> {
        let (block, section) = self.choose(&known.weights).map_err(Stuck::Section)?;
        let part = self.partial.part(section);
        let state =
            part.clone().fold(part.start as u64 + 1, |state, s| mix(state, self.partial.views[s].key));
        if known.memory.contains(state) {
            return Err(Stuck::Section(section));
        }
        push(&mut self.path, Step { block, postponed: false, before: self.partial.mark(), part, state })?;
        self.partial.fix(block)
    }

    /// The part that holds the section cannot be completed: postpones the last block that has to do with it, was
    /// fixed, and can be postponed. False if there is none left.
    fn go_back(&mut self, section: usize, known: &mut Experience) -> Result<bool, PlanError> {
        let mut failed = section..section + 1;
        while let Some(step) = self.path.pop() {
            self.take_back(&step);
            // What was done for other parts had no influence: back past it.
            if step.part.end <= failed.start || failed.end <= step.part.start {
                continue;
            }
            if !step.postponed && self.partial.postpone(step.block)? {
                push(&mut self.path, Step { postponed: true, ..step })?;
                return Ok(true);
            }
            known.memory.insert(step.state);
            failed = step.part;
        }
        Ok(false)
    }

    fn take_back(&mut self, step: &Step) {
        self.partial.undo(step.before, (!step.postponed).then_some(step.block));
    }

    /// A block to ask for and a section where it is a candidate, or a section whose blocks are all postponed.
    fn choose(&self, weights: &[f64]) -> Result<(u32, usize), usize> {
        let partial = &self.partial;
        let begun = self.path.last().map(|step| step.part.clone());
        let begun = begun.filter(|part| partial.loose[part.clone()].iter().any(|loose| !loose.is_empty()));
        let sections = begun.unwrap_or(0..partial.views.len());
        // How far up the candidates lie, and how many they are.
        let choice = |view: &View| match self.rule {
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
        let askable = |&section: &usize| match self.rule {
            Rule::FewestWithoutWaste => !partial.loose[section].is_empty(),
            _ => partial.views[section].candidates > 0,
        };
        let section = sections.clone().filter(askable).map(|section| (urgency(&section), section));
        let section = section.min_by(|(a, _), (b, _)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let Some((_, section)) = section else {
            // None that must be used now: any block that is not postponed will do.
            let mut loose =
                sections.flat_map(|section| partial.loose[section].iter().map(move |&k| (k, section)));
            let any = loose.clone().next().map_or(0, |(_, section)| section);
            return loose.find(|&(k, _)| !partial.is_postponed(k)).ok_or(any);
        };
        let view = &partial.views[section];
        let (reach, _) = choice(view);
        let candidates = partial.loose[section].iter().filter(|&&k| {
            let low = partial.low[k as usize];
            !partial.is_postponed(k) && low <= reach && low + partial.block(k).size <= view.end
        });
        let order = |&a: &u32, &b: &u32| {
            let (x, y) = (a as usize, b as usize);
            partial.low[x].cmp(&partial.low[y]).then(self.rank[y].total_cmp(&self.rank[x])).then(a.cmp(&b))
        };
        candidates.copied().min_by(order).map(|block| (block, section)).ok_or(section)
    }
}
