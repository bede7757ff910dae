//! Where to put things that live for a while: static memory planning, the *dynamic storage allocation* problem of
//! Garey and Johnson.
//!
//! Each [`Item`] has a size and a half-open lifetime. Two items that are alive at the same time may not share bytes;
//! [`plan`] looks for offsets that make the highest end, the *height*, as small as it can. That is NP-hard, so there
//! are three steps:
//!
//! 1. a heuristic (`quick`, `heuristic`) gives a plan at once, and the maximum load (`bound`) tells how far from the
//!    best it can be at most;
//! 2. a search for a plan within a given capacity (`search`, on `partial` plans and the `section`s of time, with a
//!    `memory` of what has failed) finds one or proves that there is none, restarted in several ways (`portfolio`);
//! 3. the capacity is the lower bound, and by turns something between it and the best plan (`minimise`), until the height
//!    is proven or the time is over.
//!
//! [`check`] judges a plan independently of all that.

pub(crate) mod bound;
pub(crate) mod check;
pub(crate) mod crew;
pub(crate) mod heuristic;
pub(crate) mod memory;
pub(crate) mod minimise;
pub(crate) mod partial;
pub(crate) mod portfolio;
pub(crate) mod problem;
pub(crate) mod quick;
pub(crate) mod random;
pub(crate) mod room;
pub(crate) mod search;
pub(crate) mod section;
pub(crate) mod sorted;
pub(crate) mod stop;

pub use check::{Violation, check};

use minimise::{Ends, minimise};
use portfolio::Portfolio;
use problem::Problem;
use std::fmt;
use std::time::{Duration, Instant};
use stop::Stop;

/// The search keeps lists per section; above this many entries an instance gets the heuristic only.
const MOST_ENTRIES: usize = 1 << 22;

/// Something to be placed: `size` bytes at a multiple of `align`, from `start` until just before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// The first moment at which it is alive.
    pub start: u64,
    /// The first moment at which it is alive no more. Equal to `start`: never alive.
    pub end: u64,
    /// How much space it takes.
    pub size: u64,
    /// What its offset is a multiple of; at least 1, no power of two needed.
    pub align: u64,
}

impl Item {
    /// An item without alignment.
    pub const fn new(start: u64, end: u64, size: u64) -> Item {
        Item { start, end, size, align: 1 }
    }
}

/// How hard to look for a lower plan.
pub struct Options<'a> {
    /// The time for everything; looked at every few steps, once there is the quick plan. Zero: that one, the best of a few
    /// that need no search.
    pub budget: Duration,
    /// Steps of the search at most, whatever the time. With a limit here and time enough for it the plan is the same
    /// on every machine.
    pub nodes: u64,
    /// Where the random numbers begin.
    pub seed: u64,
    /// Threads for the search; 0 and 1 both mean the caller's alone. The plan does not depend on it unless the time
    /// ends the search.
    pub threads: usize,
    /// A height that is good enough: with it, there is no search or it ends. The heuristic does all its rounds anyway.
    pub target: Option<u64>,
    /// Asked often, from any of the threads; once true the best plan so far is returned.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl Default for Options<'_> {
    /// One second, one thread, seed 0, as low as it goes.
    fn default() -> Self {
        let budget = Duration::from_secs(1);
        Options { budget, nodes: u64::MAX, seed: 0, threads: 1, target: None, cancelled: &|| false }
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Options");
        f.field("budget", &self.budget).field("nodes", &self.nodes).field("seed", &self.seed);
        f.field("threads", &self.threads).field("target", &self.target).finish_non_exhaustive()
    }
}

/// Where everything lies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The offset of each item; 0 for those that take no space or live for no time.
    pub offsets: Vec<u64>,
    /// The highest end of an item.
    pub height: u64,
    /// No plan has a smaller height.
    pub lower_bound: u64,
    /// Whether no better plan exists: height and lower bound are equal.
    pub exact: bool,
    /// The height that the heuristic had reached, before any search.
    pub heuristic_height: u64,
    /// Steps of the search.
    pub nodes: u64,
}

impl Plan {
    /// How much lower a better plan could be at most.
    pub fn gap(&self) -> u64 {
        self.height - self.lower_bound
    }
}

/// What cannot be planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// The lifetime of this item ends before it starts.
    EndsBeforeStart {
        /// Which item.
        index: usize,
    },
    /// The alignment of this item is 0.
    NoAlignment {
        /// Which item.
        index: usize,
    },
    /// The sizes up to this item, with room for their alignment, add up to more than 64 bits.
    TooLarge {
        /// The first item that is too much.
        index: usize,
    },
    /// Memory could not be had.
    OutOfMemory,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::EndsBeforeStart { index } => write!(f, "item {index} ends before it starts"),
            PlanError::NoAlignment { index } => write!(f, "the alignment of item {index} is 0; 1 means none"),
            PlanError::TooLarge { index } => {
                write!(f, "the sizes up to item {index} add up to more than 64 bits")
            }
            PlanError::OutOfMemory => f.write_str("memory could not be had"),
        }
    }
}

impl std::error::Error for PlanError {}

/// Places the items so that the height is small: as small as can be if the plan is [exact](Plan::exact).
///
/// The same items, options and number of nodes give the same plan; only where the budget or `cancelled` ends the
/// search may it depend on how far that came. The plan is never worse than the heuristic's, which comes whatever the
/// budget and is never worse than first fit by size, by size × lifetime and by lifetime (the largest first, of equal ones
/// in the order of `items`), up to a million pairs of items that overlap in time; beyond, these plans are made if there
/// is the time. For `n` items and `p` pairs the heuristic takes O(n log n + p log p) steps, without the second part
/// from some four million pairs on. Instances beyond that, or with as many moments of life, are not searched: their plan
/// is exact only where the heuristic meets the bound.
///
/// ```
/// use backbuf::registry::plan::{Item, Options, plan};
///
/// let items = [Item::new(0, 3, 4), Item::new(3, 9, 4), Item::new(0, 9, 4), Item::new(9, 21, 4), Item::new(0, 21, 4)];
/// let plan = plan(&items, &Options::default())?;
/// assert_eq!((plan.height, plan.lower_bound), (12, 12));
/// # Ok::<(), backbuf::registry::plan::PlanError>(())
/// ```
pub fn plan(items: &[Item], options: &Options) -> Result<Plan, PlanError> {
    let begin = Instant::now();
    let problem = Problem::new(items)?;
    // A budget beyond what the clock can tell is as good as none.
    let deadline =
        begin.checked_add(options.budget).unwrap_or(begin + Duration::from_secs(u64::from(u32::MAX)));
    let stop = Stop::new(deadline, options.cancelled);
    let target = options.target.map(|target| target / problem.unit);
    let bound = bound::load_bound(&problem)?;
    let pairs = problem.count_pairs()?;
    let quick = pairs <= heuristic::QUICK_PAIRS;
    let over = stop.is_over();
    let few = quick || (pairs <= heuristic::MOST_PAIRS && !over);
    let neighbours = if few { problem.neighbours((!quick).then_some(&stop))? } else { None };
    let enough = target.unwrap_or(0).max(bound);
    let places = heuristic::heuristic(&problem, neighbours.as_deref(), quick, bound, options.seed, &stop)?;
    let height = problem.height(&places);
    let mut ends = Ends { bound, height, places };
    let mut nodes = 0;
    let entries: usize = problem.blocks.iter().map(|block| block.sections().len()).sum();
    if let Some(neighbours) = neighbours.filter(|_| entries <= MOST_ENTRIES && height > enough) {
        let search = || Portfolio::new(&problem, &neighbours, options.seed, options.threads);
        nodes = minimise(&mut ends, &problem, search, target, options.nodes, &stop)?;
    }
    Ok(Plan {
        offsets: problem.offsets(&ends.places)?,
        height: ends.height * problem.unit,
        lower_bound: ends.bound * problem.unit,
        exact: ends.height == ends.bound,
        heuristic_height: height * problem.unit,
        nodes,
    })
}
