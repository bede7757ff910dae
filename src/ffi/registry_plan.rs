//! `bb_registry_plan`: buffers with lifetimes in the least memory.

use std::ffi::c_void;
use std::time::Duration;

use super::callback::UserData;
use super::guard::{guard, on};
use super::input;
use super::opaque::bb_registry;
use super::status::bb_status;
use crate::registry::planner::plan::PlanOptions;
use crate::registry::planning::Plans;
use crate::registry::registry::Registry;

/// Asked now and then, from any of the threads that search: anything but 0 ends the search, which keeps the best plan so far.
/// Must not throw, nor destroy the registry.
pub type bb_cancelled_fn = Option<unsafe extern "C" fn(user_data: *mut c_void) -> i32>;

/// How long and how to look for a plan. Fill it by `bb_plan_config_init()`, then change what is needed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_plan_config {
    /// Bytes of this struct, as the caller knows it.
    pub struct_size: u32,
    /// Threads that search; 0 and 1 both mean the caller's alone.
    pub threads: u32,
    /// Nanoseconds for everything, 1 s; 0 for one quick plan, BB_FOREVER for as long as it takes.
    pub budget_ns: u64,
    /// Where the random numbers begin. The same seed leads to the same plan, unless the time ends the search.
    pub seed: u64,
    /// Steps of the search at most, whatever the time; UINT64_MAX for any number.
    pub nodes: u64,
    /// Elements of a region that are good enough; 0 for as few as it goes.
    pub target: u64,
    /// Whether to stop, or NULL.
    pub cancelled: bb_cancelled_fn,
    /// Handed to `cancelled`.
    pub cancelled_user_data: *mut c_void,
}

/// What a plan came to. Heights are elements of the region, what is always alive included.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_plan {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// 1: no plan of the shared region is lower.
    pub shared_exact: u32,
    /// 1: no plan of the persistent region is lower.
    pub persistent_exact: u32,
    /// 0.
    pub reserved: u32,
    /// Shared buffers that were placed.
    pub shared_buffers: u64,
    /// How far they reach.
    pub shared_height: u64,
    /// The most that is alive at any one step: no plan is lower. The gap is the height less this.
    pub shared_lower_bound: u64,
    /// How far they reached before any search.
    pub shared_heuristic_height: u64,
    /// Steps of the search.
    pub shared_nodes: u64,
    /// The same of the persistent region.
    pub persistent_buffers: u64,
    /// Likewise.
    pub persistent_height: u64,
    /// Likewise.
    pub persistent_lower_bound: u64,
    /// Likewise.
    pub persistent_heuristic_height: u64,
    /// Likewise.
    pub persistent_nodes: u64,
}

fn defaults() -> bb_plan_config {
    let core = PlanOptions::default();
    bb_plan_config {
        struct_size: size_of::<bb_plan_config>() as u32,
        threads: core.threads as u32,
        budget_ns: core.budget.as_nanos() as u64,
        seed: core.seed,
        nodes: core.nodes,
        target: 0,
        cancelled: None,
        cancelled_user_data: std::ptr::null_mut(),
    }
}

/// Fills a config with the defaults.
///
/// @param config written
/// @return BB_OK, BB_E_NULL
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_plan_config_init(config: *mut bb_plan_config) -> bb_status {
    // SAFETY: the header asks for a place for a config.
    guard("bb_plan_config_init", || unsafe { input::output(config, "config") }?.set(defaults()))
}

/// Places the buffers with lifetimes in the least memory that it finds: what is never alive at the same time may share it. The
/// plan stands until the parent or one of its children changes, or `bb_registry_clear_layout()`. The registry is not locked
/// meanwhile.
///
/// @param r the registry
/// @param parent who must have buffers
/// @param config how, or NULL for the defaults
/// @param struct_size `sizeof(bb_plan)` as the caller knows it
/// @param plan that many bytes are written
/// @return BB_OK, BB_E_NO_PARENT, BB_E_BUSY (the parent has changed meanwhile: its change stands, plan again), BB_E_RANGE (sizes
///         that overflow), BB_E_STATE (a child's region mixes precisions), BB_E_VERSION (a struct_size), BB_E_OUT_OF_MEMORY,
///         BB_E_POISONED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_plan(
    r: *mut bb_registry,
    parent: u64,
    config: *const bb_plan_config,
    struct_size: u32,
    plan: *mut bb_plan,
) -> bb_status {
    on("bb_registry_plan", r, |r: &Registry| {
        // SAFETY: the header asks for a config that is as long as it says, or NULL.
        let config = unsafe { input::optional(config, defaults()) }?;
        // SAFETY: the header asks for a place; what it is written to is checked before the work.
        unsafe { input::sized_output(struct_size, plan, "plan") }?;
        let user_data = UserData::new(config.cancelled_user_data, None);
        // SAFETY: the caller's function and data, which the header says are asked from any thread.
        let cancelled = || config.cancelled.is_some_and(|asked| unsafe { asked(user_data.get()) } != 0);
        let plans = r.plan(
            parent,
            &PlanOptions {
                budget: Duration::from_nanos(config.budget_ns),
                nodes: config.nodes,
                seed: config.seed,
                threads: config.threads as usize,
                target: (config.target > 0).then_some(config.target),
                cancelled: &cancelled,
            },
        )?;
        // SAFETY: the header asks for a place of `struct_size` bytes.
        unsafe { input::write_sized(struct_size, plan, "plan", |size| told(&plans, size)) }
    })
}

fn told(plans: &Plans, struct_size: u32) -> bb_plan {
    let Plans { shared, persistent } = plans;
    bb_plan {
        struct_size,
        shared_exact: u32::from(shared.exact),
        persistent_exact: u32::from(persistent.exact),
        reserved: 0,
        shared_buffers: shared.buffers,
        shared_height: shared.height,
        shared_lower_bound: shared.lower_bound,
        shared_heuristic_height: shared.heuristic_height,
        shared_nodes: shared.nodes,
        persistent_buffers: persistent.buffers,
        persistent_height: persistent.height,
        persistent_lower_bound: persistent.lower_bound,
        persistent_heuristic_height: persistent.heuristic_height,
        persistent_nodes: persistent.nodes,
    }
}
