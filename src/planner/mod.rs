//! Static memory planning: offsets for items of known size and lifetime that need as little memory as possible.
//!
//! This is the *dynamic storage allocation* problem of Garey and Johnson, which is NP-hard. Each [`Item`] has a size and a
//! half-open lifetime. Two items that are alive at the same time never share bytes. [`plan()`] minimises the *height*, which
//! is the highest end of any item, in three steps:
//!
//! 1. Greedy planners (`greedy`) and a local search (`heuristic`) give a plan at once. The maximum load (`problem`) is a
//!    lower bound of the height.
//! 2. A depth-first search (`search`, on `partial` plans) finds a plan within a given capacity, or proves that there is
//!    none. It is restarted with several strategies (`portfolio`).
//! 3. The capacity is alternately the lower bound, and a value between it and the best plan, until the height is proven
//!    minimal or the time is over.
//!
//! [`check`] verifies a plan independently of the planner. [`items`] makes items of columns of numbers, and checks them.

pub(crate) mod columns;
pub(crate) mod greedy;
pub(crate) mod heuristic;
pub(crate) mod partial;
pub(crate) mod plan;
pub(crate) mod portfolio;
pub(crate) mod problem;
pub(crate) mod random;
pub(crate) mod search;

pub use columns::items;
pub use plan::{MemoryPlan, PlanOptions, Violation, check, plan};
pub use problem::{Item, PlanError};
