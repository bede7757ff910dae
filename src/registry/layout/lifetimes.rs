//! Lifetimes: buffers that overlap in both space and time, and whether a plan keeps them apart.

use std::ops::Range;

use crate::alloc::{try_string, try_vec};
use crate::error::Result;
use crate::registry::buffer::Lifetime;
use crate::registry::group::{Group, NOT_PLANNED};
use crate::registry::layout::Origin;
use crate::registry::layout::arrange::{Arrangement, Placement};
use crate::registry::options::Space;
use crate::registry::registry::BufferRegistry;

/// Two buffers that share memory while both are alive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Overlap {
    /// The buffer that was registered first.
    pub first: String,
    /// The other buffer.
    pub second: String,
    /// The space in which both lie.
    pub space: Space,
    /// The first element of the region that both have.
    pub start: u64,
    /// The element after the last.
    pub stop: u64,
    /// The steps in which both are alive.
    pub steps: Lifetime,
}

impl BufferRegistry {
    /// Buffers that share memory while both are alive, in order of their position: aliases whose lifetimes overlap. A buffer
    /// without a lifetime is always alive.
    ///
    /// ```
    /// use backbuf::registry::{CUDABuffer, BufferRegistry};
    /// let registry = BufferRegistry::new();
    /// registry.register(1, &CUDABuffer::shared("k1", 100).alive(0..4))?;
    /// registry.register(1, &CUDABuffer::shared("early", 30).aliasing("k1").alive(2..6))?;
    /// registry.register(1, &CUDABuffer::shared("late", 30).aliasing("k1").alive(4..6))?;
    /// let overlaps = registry.overlaps(1)?;
    /// assert_eq!(overlaps.len(), 1);
    /// assert_eq!((overlaps[0].second.as_str(), overlaps[0].steps), ("early", (2..4).into()));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn overlaps(&self, parent: u64) -> Result<Vec<Overlap>> {
        let groups = self.lock();
        let (group, all) = groups.arranged(parent)?;
        let mut found = Vec::new();
        for space in [Space::Shared, Space::Persistent] {
            let element = all.extent(space).unit_of_element();
            sweep_placements(&all.placements, space, |a, b| {
                let [first, second] = [a.min(b), a.max(b)];
                let lives = [first, second].map(|index| group.entries[index].attributes.lifetime());
                if !lives[0].meets(lives[1]) {
                    return Ok(());
                }
                let [one, two] = [first, second].map(|index| &all.placements[index]);
                found.try_reserve(1)?;
                found.push(Overlap {
                    first: try_string(&group.entries[first].name)?,
                    second: try_string(&group.entries[second].name)?,
                    space,
                    start: one.start.max(two.start) / element,
                    stop: one.stop().min(two.stop()) / element,
                    steps: Lifetime {
                        begin: lives[0].begin.max(lives[1].begin),
                        end: lives[0].end.min(lives[1].end),
                    },
                });
                Ok(())
            })?;
        }
        Ok(found)
    }
}

/// Calls `visit` for every pair of `count` ranges that overlap.
pub(crate) fn sweep(
    count: usize,
    takes: impl Fn(usize) -> Range<u64>,
    mut visit: impl FnMut(usize, usize) -> Result<()>,
) -> Result<()> {
    let mut order = try_vec(count)?;
    let mut open: Vec<usize> = try_vec(count)?;
    order.extend((0..count).filter(|&index| !takes(index).is_empty()));
    order.sort_unstable_by_key(|&index| (takes(index).start, index));
    for index in order {
        open.retain(|&other| takes(other).end > takes(index).start);
        open.iter().try_for_each(|&other| visit(other, index))?;
        open.push(index);
    }
    Ok(())
}

/// Calls `visit` for every pair of placements in a space that have a unit in common.
fn sweep_placements(
    placements: &[Placement],
    space: Space,
    visit: impl FnMut(usize, usize) -> Result<()>,
) -> Result<()> {
    let takes = |index: usize| match &placements[index] {
        placement if placement.space == space => placement.start..placement.stop(),
        _ => 0..0,
    };
    sweep(placements.len(), takes, visit)
}

/// By index: the steps in which the memory of a buffer is in use, by itself or by its slices.
pub(crate) fn spans(group: &Group, all: &Arrangement) -> Result<Vec<Lifetime>> {
    let mut spans: Vec<Lifetime> = try_vec(group.entries.len())?;
    spans.extend(group.entries.iter().map(|entry| entry.attributes.lifetime()));
    // From the last to the first: a slice comes after its target.
    for (index, entry) in group.entries.iter().enumerate().rev() {
        if let (Some(target), Origin::Aliased) = (entry.alias, all.placements[index].origin) {
            let slice = spans[index];
            let span = &mut spans[target as usize];
            span.begin = span.begin.min(slice.begin);
            span.end = span.end.max(slice.end);
        }
    }
    Ok(spans)
}

/// Whether a plan keeps buffers apart that are alive at the same time, and aligns them.
pub(crate) fn plan_holds(group: &Group, all: &Arrangement) -> Result<bool> {
    let spans = spans(group, all)?;
    let own = |index: usize| all.placements[index].origin == Origin::Own;
    let mut holds = all.placements.iter().all(Placement::is_aligned);
    for space in [Space::Shared, Space::Persistent] {
        sweep_placements(&all.placements, space, |a, b| {
            holds &= !(own(a) && own(b) && spans[a].meets(spans[b]));
            Ok(())
        })?;
    }
    let planned = (0..group.entries.len()).filter(|&index| group.planned(index) != NOT_PLANNED);
    Ok(holds && planned.map(|index| all.placements[index].space).all(|space| space != Space::Local))
}
