//! Who is alive with whom: overlaps in space and time, and the load that a plan has to carry.

use std::ops::Range;

use super::arrange::{Arrangement, Place};
use super::buffer::Lifetime;
use super::group::{Group, NOT_PLANNED};
use super::layout::{Origin, Space};
use super::registry::Registry;
use crate::alloc::{try_string, try_vec};
use crate::error::Result;

/// Two buffers that share memory while both are alive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Overlap {
    /// The one that was registered first.
    pub first: String,
    /// The other.
    pub second: String,
    /// Where both lie.
    pub space: Space,
    /// The shared elements of the region: from here.
    pub start: u64,
    /// Up to and without this.
    pub stop: u64,
    /// The steps in which both are alive.
    pub steps: Lifetime,
}

impl Registry {
    /// Buffers that overlap in both space and time, in order of their place: aliases that do not take turns. A buffer
    /// without a lifetime is always alive.
    ///
    /// ```
    /// use backbuf::registry::{Buffer, Registry};
    /// let registry = Registry::new();
    /// registry.register(1, &Buffer::shared("k1", 100).alive(0..4))?;
    /// registry.register(1, &Buffer::shared("early", 30).aliasing("k1").alive(2..6))?;
    /// registry.register(1, &Buffer::shared("late", 30).aliasing("k1").alive(4..6))?;
    /// let overlaps = registry.overlaps(1)?;
    /// assert_eq!(overlaps.len(), 1);
    /// assert_eq!((overlaps[0].second.as_str(), overlaps[0].steps), ("early", (2..4).into()));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn overlaps(&self, parent: u64) -> Result<Vec<Overlap>> {
        let state = self.lock();
        let (group, all) = state.known(parent)?;
        let mut found = Vec::new();
        for space in [Space::Shared, Space::Persistent] {
            let element = all.extent(space).unit_of_element();
            sweep_places(&all.places, space, |a, b| {
                let [first, second] = [a.min(b), a.max(b)];
                let lives = [first, second].map(|index| group.entries[index].spec.lifetime());
                if !lives[0].meets(lives[1]) {
                    return Ok(());
                }
                let [one, two] = [first, second].map(|index| &all.places[index]);
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

/// Visits every pair of so many that have something in common, of what each takes.
pub(super) fn sweep(
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

/// Visits every pair of places of a space that have a unit in common.
fn sweep_places(places: &[Place], space: Space, visit: impl FnMut(usize, usize) -> Result<()>) -> Result<()> {
    let takes = |index: usize| match &places[index] {
        place if place.space == space => place.start..place.stop(),
        _ => 0..0,
    };
    sweep(places.len(), takes, visit)
}

/// By index: when the memory of a buffer is in use, by itself or by what is a slice of it.
pub(super) fn spans(group: &Group, all: &Arrangement) -> Result<Vec<Lifetime>> {
    let mut spans: Vec<Lifetime> = try_vec(group.entries.len())?;
    spans.extend(group.entries.iter().map(|entry| entry.spec.lifetime()));
    // From the last to the first: a slice comes after its target.
    for (index, entry) in group.entries.iter().enumerate().rev() {
        if let (Some(target), Origin::Aliased) = (entry.alias, all.places[index].origin) {
            let slice = spans[index];
            let span = &mut spans[target as usize];
            span.begin = span.begin.min(slice.begin);
            span.end = span.end.max(slice.end);
        }
    }
    Ok(spans)
}

/// Whether the plan keeps apart what is alive at the same time, and aligned.
pub(super) fn plan_holds(group: &Group, all: &Arrangement) -> Result<bool> {
    let spans = spans(group, all)?;
    let own = |index: usize| all.places[index].origin == Origin::Own;
    let mut holds = all.places.iter().all(Place::is_aligned);
    for space in [Space::Shared, Space::Persistent] {
        sweep_places(&all.places, space, |a, b| {
            holds &= !(own(a) && own(b) && spans[a].meets(spans[b]));
            Ok(())
        })?;
    }
    let planned = (0..group.entries.len()).filter(|&index| group.planned(index) != NOT_PLANNED);
    Ok(holds && planned.map(|index| all.places[index].space).all(|space| space != Space::Local))
}
