//! Plans: buffers with lifetimes in the least memory that can be found.

use std::time::Instant;

use super::arrange::{self, Arrangement};
use super::group::{Group, NOT_PLANNED};
use super::layout::Space;
use super::lifetimes;
use super::planner::plan::{PlanOptions, plan};
use super::planner::problem::{Item, PlanError};
use super::registry::Registry;
use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};

/// How a region came out, in elements. What is always alive lies below what is planned, and counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Planned {
    /// Buffers that were placed.
    pub buffers: u64,
    /// How far they reach.
    pub height: u64,
    /// The most that is alive at any one step: no plan is lower.
    pub lower_bound: u64,
    /// Whether no plan is lower than this one.
    pub exact: bool,
    /// How far they reached before any search.
    pub heuristic_height: u64,
    /// Steps of the search.
    pub nodes: u64,
}

impl Planned {
    /// What a better plan could save at most.
    ///
    /// ```
    /// use backbuf::registry::Planned;
    /// assert_eq!(Planned { height: 12, lower_bound: 10, ..Planned::default() }.gap(), 2);
    /// ```
    pub fn gap(&self) -> u64 {
        self.height - self.lower_bound
    }
}

/// What a plan came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Plans {
    /// The shared region.
    pub shared: Planned,
    /// The persistent region.
    pub persistent: Planned,
}

/// What a region has to place.
struct Task {
    indices: Vec<usize>,
    items: Vec<Item>,
    /// Where planned buffers begin: above what is always alive.
    base: u64,
    /// Units of an element.
    element: u64,
}

impl Task {
    /// The buffers of a space that have lifetimes and memory of their own. A target is in use while its slices are.
    fn new(group: &Group, all: &Arrangement, space: Space) -> Result<Task> {
        let spans = lifetimes::spans(group, all)?;
        let (mut indices, mut items) = (try_vec(group.entries.len())?, try_vec(group.entries.len())?);
        let (mut base, mut align) = (0, 1);
        for (index, entry) in group.entries.iter().enumerate() {
            let (spec, place) = (&entry.spec, &all.places[index]);
            if entry.alias.is_some() || spec.space() != space {
                continue;
            }
            let kept = spec.persistent && group.options.protect_persistent;
            if spec.lifetime.is_some() && !kept {
                let (start, end) = (spans[index].begin, spans[index].end);
                indices.push(index);
                items.push(Item { start, end, size: place.extent, align: place.align() });
                align = align.max(place.align());
            } else {
                base = arrange::align_up(base, place.align())?
                    .checked_add(place.extent)
                    .ok_or_else(arrange::overflow)?;
            }
        }
        let base = arrange::align_up(base, align)?;
        Ok(Task { indices, items, base, element: all.extent(space).unit_of_element() })
    }

    /// Looks for a plan, and notes its offsets by index.
    fn run(&self, options: &PlanOptions<'_>, begun: Instant, offsets: &mut [u64]) -> Result<Planned> {
        if self.items.is_empty() {
            return Ok(Planned::default());
        }
        let target = options.target.map(|elements| elements.saturating_mul(self.element));
        let search = PlanOptions {
            budget: options.budget.saturating_sub(begun.elapsed()),
            target: target.map(|units| units.saturating_sub(self.base)),
            ..*options
        };
        let plan = plan(&self.items, &search).map_err(|error| match error {
            PlanError::OutOfMemory => Error::of(Status::OutOfMemory),
            _ => arrange::overflow(),
        })?;
        for (&index, &offset) in self.indices.iter().zip(&plan.offsets) {
            offsets[index] = offset;
        }
        let elements = |units: u64| {
            let units = self.base.checked_add(units).ok_or_else(arrange::overflow)?;
            Ok::<_, Error>(units.div_ceil(self.element))
        };
        Ok(Planned {
            buffers: self.items.len() as u64,
            height: elements(plan.height)?,
            lower_bound: elements(plan.lower_bound)?,
            exact: plan.exact,
            heuristic_height: elements(plan.heuristic_height)?,
            nodes: plan.nodes,
        })
    }
}

impl Registry {
    /// Places the buffers with lifetimes in the least memory that it finds; what is never alive at the same time may share
    /// it. The plan stands until the parent or one of its children changes, or `clear_layout`.
    ///
    /// A heuristic places them at once; an exact search then improves on it until it has proved that it cannot, or the time
    /// is over. The registry is not locked meanwhile: a parent that changes while it is planned keeps the change, and the
    /// plan is refused ([`Status::Busy`]).
    ///
    /// ```
    /// use backbuf::registry::{Buffer, PlanOptions, Registry};
    /// let registry = Registry::new();
    /// registry.register(1, &Buffer::shared("k1", 100).alive(0..2))?;
    /// registry.register(1, &Buffer::shared("k2", 60).alive(1..3))?;
    /// registry.register(1, &Buffer::shared("k3", 90).alive(2..4))?;
    /// assert_eq!(registry.shared_buffer_size(1)?, 250);
    /// let plans = registry.plan(1, &PlanOptions::default())?;
    /// assert_eq!((plans.shared.height, plans.shared.gap(), plans.shared.exact), (160, 0, true));
    /// assert_eq!(registry.shared_buffer_size(1)?, 160);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn plan(&self, parent: u64, options: &PlanOptions<'_>) -> Result<Plans> {
        let begun = Instant::now();
        let (version, buffers, tasks) = {
            let state = self.lock();
            let (group, all) = state.known(parent)?;
            let task = |space| Task::new(group, all, space);
            (group.version, group.entries.len(), [task(Space::Shared)?, task(Space::Persistent)?])
        };
        let mut offsets = try_vec(buffers)?;
        offsets.resize(buffers, NOT_PLANNED);
        let [shared, persistent] = &tasks;
        let plans = Plans {
            shared: shared.run(options, begun, &mut offsets)?,
            persistent: persistent.run(options, begun, &mut offsets)?,
        };
        let mut state = self.lock_to_change()?;
        if state.group(parent)?.version != version {
            let why = "has changed while it was planned; plan again";
            return Err(Error::value(Status::Busy, "parent", parent, why));
        }
        if plans != Plans::default() {
            state.set_plan(parent, offsets)?;
        }
        Ok(plans)
    }
}
