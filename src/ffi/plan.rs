//! `bb_plan`: offsets for buffers of known size and lifetime in as little memory as possible, and the parameters of all plans.

use std::ffi::c_void;
use std::time::Duration;

use crate::error::Result;
use crate::ffi::callback::UserData;
use crate::ffi::guard::guard;
use crate::ffi::input;
use crate::ffi::status::bb_status;
use crate::planner::columns::items;
use crate::planner::plan::{MemoryPlan, PlanOptions, plan};

/// Called repeatedly by any thread of the search: any result but 0 ends the search, which keeps the best plan so far.
/// It must not throw, or destroy the registry.
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
    /// Bytes, or in a registry elements of a region, at which the search stops; 0 for as few as possible.
    pub target: u64,
    /// Cancels the search, or NULL.
    pub cancelled: bb_cancelled_fn,
    /// Passed to `cancelled`.
    pub cancelled_user_data: *mut c_void,
}

/// The result of `bb_plan()`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_plan_info {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// 1: no plan has a smaller height.
    pub exact: u32,
    /// Bytes that all buffers need together: the highest end of one.
    pub height: u64,
    /// Lower bound of the height: no plan needs fewer bytes.
    pub lower_bound: u64,
    /// Height before the search.
    pub heuristic_height: u64,
    /// Steps of the search.
    pub nodes: u64,
}

pub(super) fn defaults() -> bb_plan_config {
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
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_plan_config_init(config: *mut bb_plan_config) -> bb_status {
    // SAFETY: the header requires memory for a config.
    guard("bb_plan_config_init", || unsafe { input::output(config, "config") }?.set(defaults()))
}

/// Runs a search with the options of a config.
///
/// # Safety
///
/// The config's function may be called with its user data, from any thread, until this returns.
pub(super) unsafe fn search<R>(
    config: &bb_plan_config,
    run: impl FnOnce(&PlanOptions<'_>) -> Result<R>,
) -> Result<R> {
    let cancel = config.cancelled;
    let user_data = UserData::new(config.cancelled_user_data, None);
    // SAFETY: promised by the caller.
    let cancelled = || cancel.is_some_and(|asked| unsafe { asked(user_data.get()) } != 0);
    run(&PlanOptions {
        budget: Duration::from_nanos(config.budget_ns),
        nodes: config.nodes,
        seed: config.seed,
        threads: config.threads as usize,
        target: (config.target > 0).then_some(config.target),
        cancelled: &cancelled,
    })
}

/// Places `count` buffers of known size and lifetime in as little memory as possible: buffers that are never alive at
/// the same time may share memory. Needs no registry. Buffer `k` has `size[k]` bytes and is alive from step `lower[k]` up
/// to but not including step `upper[k]`; the steps are any numbers that grow with time. The result is a byte offset for
/// each buffer, from the start of one piece of memory of `info->height` bytes.
///
/// @param lower the first step of each buffer, `count` numbers
/// @param upper the step after the last of each buffer, `count` numbers
/// @param size the bytes of each buffer, `count` numbers, at least 1
/// @param count the number of buffers
/// @param alignment powers of two that the offsets are multiples of: none, one for all buffers, or one for each
/// @param alignment_count the number of alignments: 0, 1 or `count`
/// @param config parameters, or NULL for the defaults
/// @param offsets output, `count` numbers; it may be one of the inputs
/// @param struct_size `sizeof(bb_plan_info)`
/// @param info output, `struct_size` bytes
/// @return BB_OK, BB_E_ARGUMENT (a buffer that ends before it has begun or has no bytes, a number of alignments),
///         BB_E_ALIGN (an alignment that is no power of two), BB_E_RANGE (sizes that overflow), BB_E_VERSION (a
///         struct_size), BB_E_OUT_OF_MEMORY, BB_E_NULL
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_plan(
    lower: *const u64,
    upper: *const u64,
    size: *const u64,
    count: u64,
    alignment: *const u64,
    alignment_count: u64,
    config: *const bb_plan_config,
    offsets: *mut u64,
    struct_size: u32,
    info: *mut bb_plan_info,
) -> bb_status {
    guard("bb_plan", || {
        // SAFETY: the header requires a config that is as long as it says, or NULL.
        let config = unsafe { input::optional_struct(config, defaults()) }?;
        // SAFETY: the header requires memory; what it is written to is checked before the work.
        unsafe { input::sized_output(struct_size, info, "info") }?;
        // SAFETY: the header requires that many numbers.
        let items = unsafe {
            let (lower, upper) = (input::many(lower, count, "lower")?, input::many(upper, count, "upper")?);
            let alignment = input::many(alignment, alignment_count, "alignment")?;
            if count > 0 {
                input::output(offsets, "offsets")?;
            }
            items(lower, upper, input::many(size, count, "size")?, alignment)
        }?;
        // SAFETY: the caller's function and data, which the header says are called from any thread.
        let plan = unsafe { search(&config, |options| Ok(plan(&items, options)?)) }?;
        // SAFETY: the header requires memory for `count` numbers, and the plan has as many; then memory of `struct_size` bytes.
        unsafe {
            offsets.copy_from(plan.offsets.as_ptr(), plan.offsets.len());
            input::write_sized(struct_size, info, "info", |size| info_of(&plan, size))
        }
    })
}

fn info_of(plan: &MemoryPlan, struct_size: u32) -> bb_plan_info {
    bb_plan_info {
        struct_size,
        exact: u32::from(plan.exact),
        height: plan.height,
        lower_bound: plan.lower_bound,
        heuristic_height: plan.heuristic_height,
        nodes: plan.nodes,
    }
}
