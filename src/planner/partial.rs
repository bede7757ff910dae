//! A partial plan: some rectangles are fixed, the others are loose, and every step can be undone.
//!
//! Of each loose rectangle, `low` is the lowest offset where it fits between the fixed ones. A *postponed* rectangle must not
//! lie there: it waits until that space is taken, and cannot lie below its `floor`, the lowest top that could carry it.
//!
//! Each section has a [`SectionView`], which prunes the search. The fixed rectangles leave *gaps*. A gap can take the loose
//! rectangles that fit into it above their floors. Its usable room is at most the distance from the lowest of their offsets to
//! the gap's end, and at most the sum of their sizes. All gaps together must take the load; the surplus is the *slack*. A gap
//! that can take more than the slack must be used, low enough for the rest to lie above. The few rectangles that can be its
//! lowest are the candidates on which the search branches.

use std::ops::Range;

use crate::planner::problem::{PlanError, Problem, Rect, collect, empty_lists, fill, push, with_capacity};
use crate::planner::random::mix;

pub(super) struct PartialPlan<'p> {
    pub(super) problem: &'p Problem,
    pub(super) neighbours: &'p [Vec<u32>],
    pub(super) capacity: u64,
    /// The offset of each fixed rectangle.
    pub(super) offsets: Vec<u64>,
    pub(super) fixed: Vec<bool>,
    pub(super) low: Vec<u64>,
    pub(super) floor: Vec<u64>,
    /// Per section: its loose rectangles, in no order; its fixed ones, in ascending order.
    pub(super) loose: Vec<Vec<u32>>,
    pub(super) stack: Vec<Vec<u32>>,
    pub(super) views: Vec<SectionView>,
    /// Per section: the loose rectangles that span it and the next one too. Where there are none, the problem falls apart.
    crossing: Vec<u32>,
    pub(super) loose_count: usize,
    stale: Vec<bool>,
    stale_list: Vec<u32>,
    viewer: SectionViewer,
    trail: Vec<TrailEntry>,
}

/// A value that was overwritten.
enum TrailEntry {
    Loose { rect: u32, low: u64, floor: u64 },
    SectionView { section: u32, view: SectionView },
}

/// Why a partial plan cannot be completed.
pub(super) enum DeadEnd {
    /// This section cannot be completed.
    Section(usize),
    Failed(PlanError),
}

impl From<PlanError> for DeadEnd {
    fn from(error: PlanError) -> DeadEnd {
        DeadEnd::Failed(error)
    }
}

/// A position in the trail, to undo to.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrailMark(usize);

impl<'p> PartialPlan<'p> {
    pub(super) fn new(
        problem: &'p Problem,
        neighbours: &'p [Vec<u32>],
        capacity: u64,
    ) -> Result<Self, PlanError> {
        let (rects, sections) = (&problem.rects, problem.sections);
        let mut loose = empty_lists(sections)?;
        let mut crossing = fill(0, sections)?;
        for (k, rect) in rects.iter().enumerate() {
            for section in rect.sections() {
                push(&mut loose[section], k as u32)?;
                crossing[section] += u32::from(section + 1 < rect.past as usize);
            }
        }
        // A rectangle is either loose or fixed: only the trail grows from here on.
        let mut stack = with_capacity(sections)?;
        for loose in &loose {
            stack.push(with_capacity(loose.len())?);
        }
        Ok(PartialPlan {
            problem,
            neighbours,
            capacity,
            offsets: fill(0, rects.len())?,
            fixed: fill(false, rects.len())?,
            low: fill(0, rects.len())?,
            floor: fill(0, rects.len())?,
            viewer: SectionViewer::new(loose.iter().map(Vec::len).max().unwrap_or(0))?,
            loose,
            stack,
            views: fill(SectionView::default(), sections)?,
            crossing,
            loose_count: rects.len(),
            stale: fill(true, sections)?,
            stale_list: collect(0..sections as u32)?,
            trail: Vec::new(),
        })
    }

    pub(super) fn rect(&self, k: u32) -> &'p Rect {
        &self.problem.rects[k as usize]
    }

    pub(super) fn is_postponed(&self, k: u32) -> bool {
        self.floor[k as usize] > self.low[k as usize]
    }

    pub(super) fn mark(&self) -> TrailMark {
        TrailMark(self.trail.len())
    }

    /// Fixes a rectangle at its lowest offset. Fails with a section where another rectangle has no offset left.
    pub(super) fn fix(&mut self, k: u32) -> Result<(), DeadEnd> {
        let rect = self.rect(k);
        let offset = self.low[k as usize];
        let top = offset + rect.size;
        self.fixed[k as usize] = true;
        self.offsets[k as usize] = offset;
        self.loose_count -= 1;
        for section in rect.sections() {
            self.crossing[section] -= u32::from(section + 1 < rect.past as usize);
            let loose = &mut self.loose[section];
            if let Some(position) = loose.iter().position(|&other| other == k) {
                loose.swap_remove(position);
            }
            let offsets = &self.offsets;
            let stack = &mut self.stack[section];
            let position = stack.partition_point(|&other| offsets[other as usize] < offset);
            stack.insert(position, k);
            self.touch(section);
        }
        for &other in &self.neighbours[k as usize] {
            let moving = self.rect(other);
            let low = self.low[other as usize];
            if !self.fixed[other as usize] && low < top && offset < low + moving.size {
                let low = self.lowest_from(moving, top);
                if low + moving.size > self.capacity {
                    return Err(DeadEnd::Section(rect.first.max(moving.first) as usize));
                }
                // No longer postponed, if it was: its floor was the lowest top that could carry it.
                self.set_loose(other, low, low)?;
            }
        }
        Ok(())
    }

    /// The lowest offset at `from` or above where the fixed rectangles leave room.
    fn lowest_from(&self, rect: &Rect, from: u64) -> u64 {
        let mut low = rect.align_up(from);
        loop {
            let before = low;
            for section in rect.sections() {
                let top = |&other: &u32| self.offsets[other as usize] + self.rect(other).size;
                let stack = &self.stack[section];
                let above = stack.partition_point(|other| top(other) <= low);
                for other in &stack[above..] {
                    if self.offsets[*other as usize] >= low + rect.size {
                        break;
                    }
                    low = rect.align_up(top(other));
                }
            }
            if low == before {
                return low;
            }
        }
    }

    /// Undoes everything since `mark`. `fixed` is the only rectangle that was fixed since.
    pub(super) fn undo(&mut self, mark: TrailMark, fixed: Option<u32>) {
        for change in self.trail.drain(mark.0..).rev() {
            match change {
                TrailEntry::Loose { rect, low, floor } => {
                    self.low[rect as usize] = low;
                    self.floor[rect as usize] = floor;
                }
                TrailEntry::SectionView { section, view } => self.views[section as usize] = view,
            }
        }
        // The restored views are up to date.
        for section in self.stale_list.drain(..) {
            self.stale[section as usize] = false;
        }
        let Some(k) = fixed else { return };
        let rect = self.rect(k);
        self.fixed[k as usize] = false;
        self.loose_count += 1;
        for section in rect.sections() {
            self.crossing[section] += u32::from(section + 1 < rect.past as usize);
            self.loose[section].push(k);
            self.stack[section].retain(|&other| other != k);
        }
    }

    /// Excludes the lowest offset of a rectangle. Returns false if no loose rectangle can take that space, so that nothing is
    /// gained by it, or if there is no room higher up.
    pub(super) fn postpone(&mut self, k: u32) -> Result<bool, PlanError> {
        let rect = self.rect(k);
        let low = self.low[k as usize];
        let mut taken = false;
        let mut floor = u64::MAX;
        for &other in &self.neighbours[k as usize] {
            let size = self.rect(other).size;
            if self.fixed[other as usize] {
                let top = self.offsets[other as usize] + size;
                if top > low {
                    floor = floor.min(top);
                }
            } else {
                let lowest = self.floor[other as usize];
                taken |= lowest < low + rect.size;
                floor = floor.min((lowest + size).max(low + 1));
            }
        }
        if !taken || rect.align_up(floor) + rect.size > self.capacity {
            return Ok(false);
        }
        self.set_loose(k, low, rect.align_up(floor))?;
        Ok(true)
    }

    fn set_loose(&mut self, k: u32, low: u64, floor: u64) -> Result<(), PlanError> {
        let old = (self.low[k as usize], self.floor[k as usize]);
        push(&mut self.trail, TrailEntry::Loose { rect: k, low: old.0, floor: old.1 })?;
        self.low[k as usize] = low;
        self.floor[k as usize] = floor;
        for section in self.rect(k).sections() {
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

    /// Updates the views of all sections that have changed. Fails with a section that cannot hold its rectangles.
    pub(super) fn refresh(&mut self) -> Result<(), DeadEnd> {
        // In the order of time: if several fail, always the first does, which keeps the weights of sections distinct.
        self.stale_list.sort_unstable_by_key(|&section| std::cmp::Reverse(section));
        while let Some(section) = self.stale_list.pop() {
            self.stale[section as usize] = false;
            self.update_view(section as usize)?;
        }
        Ok(())
    }

    fn update_view(&mut self, section: usize) -> Result<(), DeadEnd> {
        let mut viewer = std::mem::take(&mut self.viewer);
        let view = viewer.view(self, section);
        self.viewer = viewer;
        let old = std::mem::replace(&mut self.views[section], view.ok_or(DeadEnd::Section(section))?);
        push(&mut self.trail, TrailEntry::SectionView { section: section as u32, view: old })?;
        Ok(())
    }

    /// The sections around this one that loose rectangles connect.
    pub(super) fn part(&self, section: usize) -> Range<usize> {
        let before = self.crossing[..section].iter().rposition(|&crossing| crossing == 0);
        let after = self.crossing[section..].iter().position(|&crossing| crossing == 0);
        before.map_or(0, |before| before + 1)..after.map_or(self.views.len(), |after| section + after + 1)
    }
}

/// What prunes the search in a section.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SectionView {
    /// The candidates lie at `open..=reach` and end at `end` or below; those up to `near` waste no more than the slack.
    pub(super) open: u64,
    pub(super) near: u64,
    pub(super) reach: u64,
    pub(super) end: u64,
    /// The number of candidates that are not postponed, and of those among them that lie near.
    pub(super) candidates: u32,
    pub(super) preferred: u32,
    /// The number of rectangles that could be the lowest and lie near, postponed or not.
    pub(super) hopeful: u32,
    /// A hash of everything that matters for the loose rectangles: gaps, offsets, floors.
    pub(super) key: u64,
}

/// Computes section views; keeps its lists from one to the next.
#[derive(Default)]
struct SectionViewer {
    loose: Vec<LooseRect>,
    gaps: Vec<Gap>,
}

struct LooseRect {
    floor: u64,
    size: u64,
    align: u64,
    postponed: bool,
}

struct Gap {
    open: u64,
    end: u64,
    usable: u64,
}

impl SectionViewer {
    /// For sections of at most `most` rectangles.
    fn new(most: usize) -> Result<SectionViewer, PlanError> {
        Ok(SectionViewer { loose: with_capacity(most)?, gaps: with_capacity(most + 1)? })
    }

    /// Returns `None` if the loose rectangles have no room.
    fn view(&mut self, partial: &PartialPlan, section: usize) -> Option<SectionView> {
        self.loose.clear();
        self.gaps.clear();
        let (mut key, mut load, mut smallest) = (0, 0, u64::MAX);
        for &k in &partial.loose[section] {
            let &Rect { size, align, .. } = partial.rect(k);
            let (low, floor) = (partial.low[k as usize], partial.floor[k as usize]);
            key ^= mix(u64::from(k) ^ low.rotate_left(20), floor);
            load += size;
            smallest = smallest.min(size);
            self.loose.push(LooseRect { floor, size, align, postponed: floor > low });
        }
        if load == 0 {
            return Some(SectionView::default());
        }
        let (mut usable, mut from) = (0, 0);
        let fixed = partial.stack[section].iter();
        let bounds =
            fixed.map(|&k| (partial.offsets[k as usize], partial.offsets[k as usize] + partial.rect(k).size));
        for (end, next) in bounds.chain([(partial.capacity, 0)]) {
            if end >= from + smallest
                && let Some(gap) = self.gap(from, end)
            {
                usable += gap.usable;
                key = mix(mix(key, gap.open), end);
                self.gaps.push(gap);
            }
            from = next;
        }
        let slack = usable.checked_sub(load)?;
        // The lowest gap that must be used: it takes at least what the slack does not cover.
        let gap = self.gaps.iter().find(|gap| gap.usable > slack);
        let (open, end) = gap.map_or((self.gaps[0].open, partial.capacity), |gap| (gap.open, gap.end));
        let reach = end - gap.map_or(0, |gap| gap.usable - slack);
        let near = reach.min(open + slack);
        let (mut possible, mut candidates, mut preferred, mut hopeful) = (gap.is_none(), 0, 0, 0);
        for rect in &self.loose {
            if rect.floor <= reach && rect.floor + rect.size <= end {
                possible = true;
                hopeful += u32::from(rect.floor <= near);
                candidates += u32::from(!rect.postponed);
                preferred += u32::from(!rect.postponed && rect.floor <= near);
            }
        }
        possible.then_some(SectionView { open, near, reach, end, candidates, preferred, hopeful, key })
    }

    fn gap(&self, from: u64, end: u64) -> Option<Gap> {
        let (mut open, mut sizes) = (u64::MAX, 0);
        for rect in &self.loose {
            let offset = rect.floor.max(from);
            let offset = if rect.align == 1 { offset } else { offset.next_multiple_of(rect.align) };
            if offset + rect.size <= end {
                open = open.min(offset);
                sizes += rect.size;
            }
        }
        (sizes > 0).then(|| Gap { open, end, usable: sizes.min(end - open) })
    }
}
