//! Plans of a parent: buffers with lifetimes share memory with those that are never alive at the same time.

use std::time::Instant;

use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};
use crate::planner::plan::{PlanOptions, plan};
use crate::planner::problem::{Item, PlanError};
use crate::registry::group::{Group, NOT_PLANNED};
use crate::registry::layout::arrange::{Arrangement, align_up, overflow};
use crate::registry::layout::lifetimes::spans;
use crate::registry::options::Space;
use crate::registry::registry::BufferRegistry;

/// The result for one region, in elements. Heights include the buffers that are always alive, which lie below the planned
/// ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Planned {
    /// The number of planned buffers.
    pub buffers: u64,
    /// The height of the region.
    pub height: u64,
    /// The largest sum of sizes alive at any step: no plan has a smaller height.
    pub lower_bound: u64,
    /// Whether no plan has a smaller height than this one.
    pub exact: bool,
    /// The height before the search.
    pub heuristic_height: u64,
    /// The number of search steps.
    pub nodes: u64,
}

impl Planned {
    /// How much lower a better plan could be at most.
    pub fn gap(&self) -> u64 {
        self.height - self.lower_bound
    }
}

/// The result of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Plans {
    /// The shared region.
    pub shared: Planned,
    /// The persistent region.
    pub persistent: Planned,
}

/// The planner's input for one region.
struct PlanInput {
    indices: Vec<usize>,
    items: Vec<Item>,
    /// The start of the planned buffers, above those that are always alive.
    base: u64,
    /// The size of an element in units.
    element: u64,
}

impl PlanInput {
    /// The buffers of a space that have lifetimes and memory of their own. An alias target is in use while its slices are.
    fn new(group: &Group, all: &Arrangement, space: Space) -> Result<PlanInput> {
        let spans = spans(group, all)?;
        let (mut indices, mut items) = (try_vec(group.entries.len())?, try_vec(group.entries.len())?);
        let (mut base, mut align) = (0, 1);
        for (index, entry) in group.entries.iter().enumerate() {
            let (spec, placement) = (&entry.attributes, &all.placements[index]);
            if entry.alias.is_some() || spec.space() != space {
                continue;
            }
            let kept = spec.persistent && group.options.protect_persistent;
            if spec.lifetime.is_some() && !kept {
                let (start, end) = (spans[index].begin, spans[index].end);
                indices.push(index);
                items.push(Item { start, end, size: placement.extent, align: placement.align() });
                align = align.max(placement.align());
            } else {
                base =
                    align_up(base, placement.align())?.checked_add(placement.extent).ok_or_else(overflow)?;
            }
        }
        let base = align_up(base, align)?;
        Ok(PlanInput { indices, items, base, element: all.extent(space).unit_of_element() })
    }

    /// Searches for a plan and writes its offsets by index.
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
            _ => overflow(),
        })?;
        for (&index, &offset) in self.indices.iter().zip(&plan.offsets) {
            offsets[index] = offset;
        }
        let elements = |units: u64| {
            let units = self.base.checked_add(units).ok_or_else(overflow)?;
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

impl BufferRegistry {
    /// Places the buffers with lifetimes in as little memory as possible: buffers that are never alive at the same time may
    /// share it. The plan is valid until the parent or one of its children changes, or until `clear_layout`.
    ///
    /// A heuristic gives a first plan; an exact search improves it until it is proven minimal or the time is over. The registry
    /// is not locked meanwhile. If the parent changes during the search, the change stands and the call fails with
    /// [`Status::Busy`].
    ///
    /// ```
    /// use backbuf::planner::PlanOptions;
    /// use backbuf::registry::{CUDABuffer, BufferRegistry};
    /// let registry = BufferRegistry::new();
    /// registry.register(1, &CUDABuffer::shared("k1", 100).alive(0..2))?;
    /// registry.register(1, &CUDABuffer::shared("k2", 60).alive(1..3))?;
    /// registry.register(1, &CUDABuffer::shared("k3", 90).alive(2..4))?;
    /// assert_eq!(registry.shared_buffer_size(1)?, 250);
    /// let plans = registry.plan(1, &PlanOptions::default())?;
    /// assert_eq!((plans.shared.height, plans.shared.gap(), plans.shared.exact), (160, 0, true));
    /// assert_eq!(registry.shared_buffer_size(1)?, 160);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn plan(&self, parent: u64, options: &PlanOptions<'_>) -> Result<Plans> {
        let begun = Instant::now();
        let (version, buffers, tasks) = {
            let groups = self.lock();
            let (group, all) = groups.arranged(parent)?;
            let task = |space| PlanInput::new(group, all, space);
            (group.version, group.entries.len(), [task(Space::Shared)?, task(Space::Persistent)?])
        };
        let mut offsets = try_vec(buffers)?;
        offsets.resize(buffers, NOT_PLANNED);
        let [shared, persistent] = &tasks;
        let plans = Plans {
            shared: shared.run(options, begun, &mut offsets)?,
            persistent: persistent.run(options, begun, &mut offsets)?,
        };
        let mut groups = self.lock_to_change()?;
        if groups.group(parent)?.version != version {
            let reason = "has changed while it was planned; plan again";
            return Err(Error::value(Status::Busy, "parent", parent, reason));
        }
        if plans != Plans::default() {
            groups.set_plan(parent, offsets);
        }
        Ok(plans)
    }
}
