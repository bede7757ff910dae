//! A partial plan: some blocks are fixed, the others are loose, and everything can be taken back.
//!
//! Of each loose block is known the lowest place where it fits between the fixed ones (`low`). A *postponed* block is
//! one that shall not lie there: it waits until that place is taken, and cannot come to lie below `floor`, the lowest
//! top that could carry it.
//!
//! Of each section is known its *view* (see `section`), which is what prunes: the room in its gaps that the loose
//! blocks can use has to be as large as they are.

use super::PlanError;
use super::problem::{Block, Problem};
use super::room::{collected, filled, lists, push, room};
use super::section::{View, Viewer};
use std::ops::Range;

pub(super) struct Partial<'p> {
    pub(super) problem: &'p Problem,
    pub(super) neighbours: &'p [Vec<u32>],
    pub(super) capacity: u64,
    /// The place of each fixed block.
    pub(super) places: Vec<u64>,
    pub(super) fixed: Vec<bool>,
    pub(super) low: Vec<u64>,
    pub(super) floor: Vec<u64>,
    /// Per section: its loose blocks, in no order; its fixed ones, upwards.
    pub(super) loose: Vec<Vec<u32>>,
    pub(super) stack: Vec<Vec<u32>>,
    pub(super) views: Vec<View>,
    /// Loose blocks that live in this section and in the next one too: where there are none the problem falls apart.
    crossing: Vec<u32>,
    pub(super) loose_count: usize,
    stale: Vec<bool>,
    stale_list: Vec<u32>,
    viewer: Viewer,
    trail: Vec<Change>,
}

/// What has been overwritten.
enum Change {
    Loose { block: u32, low: u64, floor: u64 },
    View { section: u32, view: View },
}

/// Why a search cannot go on like that.
pub(super) enum Stuck {
    /// A section that cannot be completed.
    Section(usize),
    Failed(PlanError),
}

impl From<PlanError> for Stuck {
    fn from(error: PlanError) -> Stuck {
        Stuck::Failed(error)
    }
}

/// How far to take back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(usize);

impl<'p> Partial<'p> {
    pub(super) fn new(
        problem: &'p Problem,
        neighbours: &'p [Vec<u32>],
        capacity: u64,
    ) -> Result<Self, PlanError> {
        let (blocks, sections) = (&problem.blocks, problem.sections);
        let mut loose = lists(sections)?;
        let mut crossing = filled(0, sections)?;
        for (k, block) in blocks.iter().enumerate() {
            for section in block.sections() {
                push(&mut loose[section], k as u32)?;
                crossing[section] += u32::from(section + 1 < block.past as usize);
            }
        }
        // A block is either loose or fixed: nothing but the trail grows from here on.
        let mut stack = room(sections)?;
        for loose in &loose {
            stack.push(room(loose.len())?);
        }
        Ok(Partial {
            problem,
            neighbours,
            capacity,
            places: filled(0, blocks.len())?,
            fixed: filled(false, blocks.len())?,
            low: filled(0, blocks.len())?,
            floor: filled(0, blocks.len())?,
            viewer: Viewer::new(loose.iter().map(Vec::len).max().unwrap_or(0))?,
            loose,
            stack,
            views: filled(View::default(), sections)?,
            crossing,
            loose_count: blocks.len(),
            stale: filled(true, sections)?,
            stale_list: collected(0..sections as u32)?,
            trail: Vec::new(),
        })
    }

    pub(super) fn block(&self, k: u32) -> &'p Block {
        &self.problem.blocks[k as usize]
    }

    pub(super) fn is_postponed(&self, k: u32) -> bool {
        self.floor[k as usize] > self.low[k as usize]
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.trail.len())
    }

    /// Fixes a block at its lowest place. If that leaves some block without a place, tells a section where.
    pub(super) fn fix(&mut self, k: u32) -> Result<(), Stuck> {
        let block = self.block(k);
        let place = self.low[k as usize];
        let top = place + block.size;
        self.fixed[k as usize] = true;
        self.places[k as usize] = place;
        self.loose_count -= 1;
        for section in block.sections() {
            self.crossing[section] -= u32::from(section + 1 < block.past as usize);
            let loose = &mut self.loose[section];
            if let Some(position) = loose.iter().position(|&other| other == k) {
                loose.swap_remove(position);
            }
            let places = &self.places;
            let stack = &mut self.stack[section];
            let position = stack.partition_point(|&other| places[other as usize] < place);
            stack.insert(position, k);
            self.touch(section);
        }
        for &other in &self.neighbours[k as usize] {
            let moving = self.block(other);
            let low = self.low[other as usize];
            if !self.fixed[other as usize] && low < top && place < low + moving.size {
                let low = self.lowest_from(moving, top);
                if low + moving.size > self.capacity {
                    return Err(Stuck::Section(block.first.max(moving.first) as usize));
                }
                // No longer postponed, if it was; the floor it had then was the lowest top that it could come to lie
                // upon.
                self.set_loose(other, low, low)?;
            }
        }
        Ok(())
    }

    /// The lowest place at `from` or above where the fixed blocks leave room.
    fn lowest_from(&self, block: &Block, from: u64) -> u64 {
        let mut low = block.align_up(from);
        loop {
            let before = low;
            for section in block.sections() {
                let top = |&other: &u32| self.places[other as usize] + self.block(other).size;
                let stack = &self.stack[section];
                let above = stack.partition_point(|other| top(other) <= low);
                for other in &stack[above..] {
                    if self.places[*other as usize] >= low + block.size {
                        break;
                    }
                    low = block.align_up(top(other));
                }
            }
            if low == before {
                return low;
            }
        }
    }

    /// Takes back everything since `mark`, of which `fixed` was the only block fixed.
    pub(super) fn undo(&mut self, mark: Mark, fixed: Option<u32>) {
        for change in self.trail.drain(mark.0..).rev() {
            match change {
                Change::Loose { block, low, floor } => {
                    self.low[block as usize] = low;
                    self.floor[block as usize] = floor;
                }
                Change::View { section, view } => self.views[section as usize] = view,
            }
        }
        // The views restored were up to date.
        for section in self.stale_list.drain(..) {
            self.stale[section as usize] = false;
        }
        let Some(k) = fixed else { return };
        let block = self.block(k);
        self.fixed[k as usize] = false;
        self.loose_count += 1;
        for section in block.sections() {
            self.crossing[section] += u32::from(section + 1 < block.past as usize);
            self.loose[section].push(k);
            self.stack[section].retain(|&other| other != k);
        }
    }

    /// The block shall not lie at its lowest place. False if nothing that is loose can take that place, so that a
    /// plan with this block higher would gain nothing by it, or if there is no room higher up.
    pub(super) fn postpone(&mut self, k: u32) -> Result<bool, PlanError> {
        let block = self.block(k);
        let low = self.low[k as usize];
        let mut taken = false;
        let mut floor = u64::MAX;
        for &other in &self.neighbours[k as usize] {
            let size = self.block(other).size;
            if self.fixed[other as usize] {
                let top = self.places[other as usize] + size;
                if top > low {
                    floor = floor.min(top);
                }
            } else {
                let lowest = self.floor[other as usize];
                taken |= lowest < low + block.size;
                floor = floor.min((lowest + size).max(low + 1));
            }
        }
        if !taken || block.align_up(floor) + block.size > self.capacity {
            return Ok(false);
        }
        self.set_loose(k, low, block.align_up(floor))?;
        Ok(true)
    }

    fn set_loose(&mut self, k: u32, low: u64, floor: u64) -> Result<(), PlanError> {
        let old = (self.low[k as usize], self.floor[k as usize]);
        push(&mut self.trail, Change::Loose { block: k, low: old.0, floor: old.1 })?;
        self.low[k as usize] = low;
        self.floor[k as usize] = floor;
        for section in self.block(k).sections() {
            self.touch(section);
        }
        Ok(())
    }

    fn touch(&mut self, section: usize) {
        if !self.stale[section] {
            self.stale[section] = true;
            self.stale_list.push(section as u32);
        }
    }

    /// Looks at all sections that have changed, or tells one that cannot hold its blocks.
    pub(super) fn refresh(&mut self) -> Result<(), Stuck> {
        // In the order of time: that the first to fail is always the first of several makes the weights of sections
        // tell apart.
        self.stale_list.sort_unstable_by_key(|&section| std::cmp::Reverse(section));
        while let Some(section) = self.stale_list.pop() {
            self.stale[section as usize] = false;
            self.look(section as usize)?;
        }
        Ok(())
    }

    fn look(&mut self, section: usize) -> Result<(), Stuck> {
        let mut viewer = std::mem::take(&mut self.viewer);
        let view = viewer.view(self, section);
        self.viewer = viewer;
        let old = std::mem::replace(&mut self.views[section], view.ok_or(Stuck::Section(section))?);
        push(&mut self.trail, Change::View { section: section as u32, view: old })?;
        Ok(())
    }

    /// The sections around this one that loose blocks tie together.
    pub(super) fn part(&self, section: usize) -> Range<usize> {
        let before = self.crossing[..section].iter().rposition(|&crossing| crossing == 0);
        let after = self.crossing[section..].iter().position(|&crossing| crossing == 0);
        before.map_or(0, |before| before + 1)..after.map_or(self.views.len(), |after| section + after + 1)
    }
}
