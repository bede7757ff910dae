//! The planner's interface: options, the plan and how good it is, and an independent check of plans.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::planner::heuristic::{self, heuristic};
use crate::planner::portfolio::{Portfolio, SearchBounds, minimise};
use crate::planner::problem::{Item, PlanError, Problem, StopCondition};

/// The largest number of entries in the lists per section that the search works on. Larger instances get the heuristic
/// only.
const MAX_SECTION_ENTRIES: usize = 1 << 22;

/// Limits and settings of the search for a lower plan.
pub struct PlanOptions<'a> {
    /// The time for the whole call. It is checked every few steps, once the quick plan exists. Zero returns the quick plan,
    /// which is the best of a few that need no search.
    pub budget: Duration,
    /// The maximum number of search steps, whatever the time. If this limit ends the search before the budget does, the plan
    /// is the same on every machine.
    pub nodes: u64,
    /// The seed of the random numbers.
    pub seed: u64,
    /// The number of threads that search; 0 and 1 both mean the calling thread alone. The plan does not depend on it unless
    /// the time ends the search.
    pub threads: usize,
    /// A height that is good enough: a plan that reaches it ends the search. The heuristic does all its rounds anyway.
    pub target: Option<u64>,
    /// Called often, from any of the threads. Once it returns true, the best plan so far is returned.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl Default for PlanOptions<'_> {
    /// One second, one thread, seed 0, no target.
    fn default() -> Self {
        let budget = Duration::from_secs(1);
        PlanOptions { budget, nodes: u64::MAX, seed: 0, threads: 1, target: None, cancelled: &|| false }
    }
}

impl fmt::Debug for PlanOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("PlanOptions");
        f.field("budget", &self.budget).field("nodes", &self.nodes).field("seed", &self.seed);
        f.field("threads", &self.threads).field("target", &self.target).finish_non_exhaustive()
    }
}

/// The offset of each item, and how good the plan is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryPlan {
    /// The offset of each item; 0 for items without size or lifetime.
    pub offsets: Vec<u64>,
    /// The highest end of an item.
    pub height: u64,
    /// A lower bound: no plan has a smaller height.
    pub lower_bound: u64,
    /// Whether no better plan exists: height and lower bound are equal.
    pub exact: bool,
    /// The height before the search.
    pub heuristic_height: u64,
    /// The number of search steps.
    pub nodes: u64,
}

impl MemoryPlan {
    /// How much lower a better plan could be at most.
    pub fn gap(&self) -> u64 {
        self.height - self.lower_bound
    }
}

/// Places items so that the height is small: as small as possible if the plan is [exact](MemoryPlan::exact).
///
/// The same items, options and number of nodes give the same plan. Only a plan whose search was ended by the budget or by
/// `cancelled` may depend on how far the search came.
///
/// The plan is never worse than the heuristic's, which is computed whatever the budget. The heuristic is never worse than
/// first fit by size, by size × lifetime and by lifetime (largest first, equal ones in the order of `items`), up to a million
/// pairs of items that overlap in time; beyond that, these plans are made if there is time. For `n` items and `p` pairs the
/// heuristic takes O(n log n + p log p) steps, without the second part from some four million pairs on. Instances beyond
/// that, or with as many steps of life, are not searched: their plan is exact only where the heuristic meets the bound.
///
/// ```
/// use backbuf::plan;
/// use backbuf::planner::{Item, PlanOptions};
///
/// let items = [Item::new(0, 3, 4), Item::new(3, 9, 4), Item::new(0, 9, 4), Item::new(9, 21, 4), Item::new(0, 21, 4)];
/// let plan = plan(&items, &PlanOptions::default())?;
/// assert_eq!((plan.height, plan.lower_bound), (12, 12));
/// # Ok::<(), backbuf::planner::PlanError>(())
/// ```
pub fn plan(items: &[Item], options: &PlanOptions) -> Result<MemoryPlan, PlanError> {
    let begin = Instant::now();
    let problem = Problem::new(items)?;
    // A budget beyond the clock's range is as good as none.
    let deadline =
        begin.checked_add(options.budget).unwrap_or(begin + Duration::from_secs(u64::from(u32::MAX)));
    let stop = StopCondition::new(deadline, options.cancelled);
    let target = options.target.map(|target| target / problem.unit);
    let bound = problem.load_bound()?;
    let pairs = problem.count_pairs()?;
    let quick = pairs <= heuristic::QUICK_PAIRS;
    let over = stop.is_over();
    let few = quick || (pairs <= heuristic::MAX_PAIRS && !over);
    let neighbours = if few { problem.neighbours((!quick).then_some(&stop))? } else { None };
    let enough = target.unwrap_or(0).max(bound);
    let offsets = heuristic(&problem, neighbours.as_deref(), quick, bound, options.seed, &stop)?;
    let height = problem.height(&offsets);
    let mut bounds = SearchBounds { lower: bound, height, offsets };
    let mut nodes = 0;
    let entries: usize = problem.rects.iter().map(|rect| rect.sections().len()).sum();
    if let Some(neighbours) = neighbours.filter(|_| entries <= MAX_SECTION_ENTRIES && height > enough) {
        let search = || Portfolio::new(&problem, &neighbours, options.seed, options.threads);
        nodes = minimise(&mut bounds, &problem, search, target, options.nodes, &stop)?;
    }
    Ok(MemoryPlan {
        offsets: problem.item_offsets(&bounds.offsets)?,
        height: bounds.height * problem.unit,
        lower_bound: bounds.lower * problem.unit,
        exact: bounds.height == bounds.lower,
        heuristic_height: height * problem.unit,
        nodes,
    })
}

/// Why offsets are not a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// The number of offsets is not the number of items.
    Count,
    /// The offset of this item is not a multiple of its alignment.
    Misaligned(usize),
    /// The offset of this item plus its size exceeds 64 bits.
    Overflow(usize),
    /// These two items share bytes while both are alive.
    Overlap(usize, usize),
}

/// Checks that no two items share bytes while both are alive and that each offset is aligned. Returns the height of the plan.
///
/// The check shares no code with the planner. It takes O(n log n) steps: items enter and leave a map by offset in the order
/// of time, and an item that enters is compared with its two neighbours only. It allocates infallibly.
///
/// ```
/// use backbuf::planner::{Item, Violation, check};
///
/// let items = [Item::new(0, 5, 100), Item::new(3, 9, 50), Item::new(5, 9, 100)];
/// assert_eq!(check(&items, &[0, 100, 0]), Ok(150));
/// assert_eq!(check(&items, &[0, 99, 0]), Err(Violation::Overlap(0, 1)));
/// ```
pub fn check(items: &[Item], offsets: &[u64]) -> Result<u64, Violation> {
    if items.len() != offsets.len() {
        return Err(Violation::Count);
    }
    let mut height = 0;
    // Lifetimes are half-open: at the same step, ends sort before beginnings.
    let mut events = Vec::with_capacity(2 * items.len());
    for (index, item) in items.iter().enumerate() {
        if !offsets[index].is_multiple_of(item.align) {
            return Err(Violation::Misaligned(index));
        }
        let top = offsets[index].checked_add(item.size).ok_or(Violation::Overflow(index))?;
        if item.size > 0 && item.start < item.end {
            height = height.max(top);
            events.push((item.start, true, index));
            events.push((item.end, false, index));
        }
    }
    events.sort_unstable();
    let mut alive: BTreeMap<u64, usize> = BTreeMap::new();
    for (_, begins, index) in events {
        let offset = offsets[index];
        if !begins {
            alive.remove(&offset);
            continue;
        }
        let below = alive.range(..=offset).next_back();
        if let Some((_, &other)) = below.filter(|&(&at, &other)| at + items[other].size > offset) {
            return Err(Violation::Overlap(other.min(index), other.max(index)));
        }
        let above = alive.range(offset..).next();
        if let Some((_, &other)) = above.filter(|&(&at, _)| offset + items[index].size > at) {
            return Err(Violation::Overlap(other.min(index), other.max(index)));
        }
        alive.insert(offset, index);
    }
    Ok(height)
}
