//! `bb_registry_plan`: placement of buffers with lifetimes in as little memory as possible.

use std::ffi::c_void;
use std::time::Duration;

use crate::ffi::callback::UserData;
use crate::ffi::guard::{guard, on};
use crate::ffi::handle::bb_registry;
use crate::ffi::input;
use crate::ffi::status::bb_status;
use crate::registry::plan::Plans;
use crate::registry::planner::plan::PlanOptions;
use crate::registry::registry::Registry;

/// Called repeatedly by any thread of the search: any result but 0 ends the search, which keeps the best plan so far.
/// It must not throw or destroy the registry.
pub type bb_cancelled_fn = Option<unsafe extern "C" fn(user_data: *mut c_void) -> i32>;

/// Parameters of the search for a plan. Fill it by `bb_plan_config_init()`, then change what is needed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_plan_config {
    /// Bytes of this struct in the caller's version.
    pub struct_size: u32,
    /// Threads of the search; 0 and 1 use the calling thread only.
    pub threads: u32,
    /// Time limit in nanoseconds, 1 s by default; 0 for one quick plan, BB_FOREVER for no limit.
    pub budget_ns: u64,
    /// Seed of the random numbers. The same seed gives the same plan, unless the time limit ends the search.
    pub seed: u64,
    /// Maximum steps of the search; UINT64_MAX for no limit.
    pub nodes: u64,
    /// Elements of a region at which the search stops; 0 for as few as possible.
    pub target: u64,
    /// Cancels the search, or NULL.
    pub cancelled: bb_cancelled_fn,
    /// Passed to `cancelled`.
    pub cancelled_user_data: *mut c_void,
}

/// The result of a plan. Heights are elements of the region, including buffers that are always alive.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_plan {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// 1: the height of the shared region is optimal.
    pub shared_exact: u32,
    /// 1: the height of the persistent region is optimal.
    pub persistent_exact: u32,
    /// 0.
    pub reserved: u32,
    /// Placed shared buffers.
    pub shared_buffers: u64,
    /// Height of the shared region.
    pub shared_height: u64,
    /// Lower bound of the height: the maximum that is alive at one step.
    pub shared_lower_bound: u64,
    /// Height before the search.
    pub shared_heuristic_height: u64,
    /// Steps of the search.
    pub shared_nodes: u64,
    /// As `shared_buffers`, for the persistent region.
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
/// @param config output
/// @return BB_OK, BB_E_NULL
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_plan_config_init(config: *mut bb_plan_config) -> bb_status {
    // SAFETY: the header requires memory for a config.
    guard("bb_plan_config_init", || unsafe { input::output(config, "config") }?.set(defaults()))
}

/// Searches for a placement of the buffers with lifetimes that needs as little memory as possible: buffers that are
/// never alive at the same time may share memory. The plan is valid until the parent or one of its children changes,
/// or until `bb_registry_clear_layout()`. The registry is not locked during the search.
///
/// @param r the registry
/// @param parent the parent, which must have buffers
/// @param config parameters, or NULL for the defaults
/// @param struct_size `sizeof(bb_plan)`
/// @param plan output, `struct_size` bytes
/// @return BB_OK, BB_E_NO_PARENT, BB_E_BUSY (the parent changed during the search: plan again), BB_E_RANGE (sizes
///         that overflow), BB_E_STATE (a child's region mixes precisions), BB_E_VERSION (a struct_size),
///         BB_E_OUT_OF_MEMORY, BB_E_POISONED, or a handle status
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
        // SAFETY: the header requires a config that is as long as it says, or NULL.
        let config = unsafe { input::optional_struct(config, defaults()) }?;
        // SAFETY: the header requires memory; what it is written to is checked before the work.
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
        // SAFETY: the header requires memory of `struct_size` bytes.
        unsafe { input::write_sized(struct_size, plan, "plan", |size| plan_code(&plans, size)) }
    })
}

fn plan_code(plans: &Plans, struct_size: u32) -> bb_plan {
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
