//! `bb_registry_plan`: placement of buffers with lifetimes in as little memory as possible.

use crate::ffi::guard::on;
use crate::ffi::handle::bb_registry;
use crate::ffi::input;
use crate::ffi::plan::{bb_plan_config, defaults, search};
use crate::ffi::status::bb_status;
use crate::registry::plan::Plans;
use crate::registry::registry::BufferRegistry;

/// The result of `bb_registry_plan()`. Heights are elements of the region, including buffers that are always alive.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_registry_plans {
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

/// Searches for a placement of the buffers with lifetimes that needs as little memory as possible: buffers that are
/// never alive at the same time may share memory. The plan is valid until the parent or one of its children changes,
/// or until `bb_registry_clear_layout()`. The registry is not locked during the search.
///
/// @param r the registry
/// @param parent the parent, which must have buffers
/// @param config parameters, or NULL for the defaults
/// @param struct_size `sizeof(bb_registry_plans)`
/// @param plan output, `struct_size` bytes
/// @return BB_OK, BB_E_NO_PARENT, BB_E_BUSY (the parent changed during the search: plan again), BB_E_RANGE (sizes
///         that overflow), BB_E_STATE (a child's region mixes precisions), BB_E_VERSION (a struct_size),
///         BB_E_OUT_OF_MEMORY, BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_plan(
    r: *mut bb_registry,
    parent: u64,
    config: *const bb_plan_config,
    struct_size: u32,
    plan: *mut bb_registry_plans,
) -> bb_status {
    on("bb_registry_plan", r, |r: &BufferRegistry| {
        // SAFETY: the header requires a config that is as long as it says, or NULL.
        let config = unsafe { input::optional_struct(config, defaults()) }?;
        // SAFETY: the header requires memory; what it is written to is checked before the work.
        unsafe { input::sized_output(struct_size, plan, "plan") }?;
        // SAFETY: the caller's function and data, which the header says are called from any thread.
        let plans = unsafe { search(&config, |options| r.plan(parent, options)) }?;
        // SAFETY: the header requires memory of `struct_size` bytes.
        unsafe { input::write_sized(struct_size, plan, "plan", |size| plan_code(&plans, size)) }
    })
}

fn plan_code(plans: &Plans, struct_size: u32) -> bb_registry_plans {
    let Plans { shared, persistent } = plans;
    bb_registry_plans {
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
