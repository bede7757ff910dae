//! Checks of a `bb_registry` against the limits of a GPU.

use std::ffi::c_char;

use crate::error::{Error, Status};
use crate::ffi::guard::{guard, on};
use crate::ffi::handle::bb_registry;
use crate::ffi::registry::per_of;
use crate::ffi::status::bb_status;
use crate::ffi::{input, status};
use crate::registry::gpu::check::{CheckError, Fit};
use crate::registry::gpu::limits::{Arch, GpuLimits};
use crate::registry::gpu::occupancy::{Bound, Launch};
use crate::registry::registry::BufferRegistry;

/// `bb_fit.bound`: shared memory limits the blocks on a multiprocessor.
pub const BB_BOUND_SHARED: u32 = 1;
/// `bb_fit.bound`: registers limit them.
pub const BB_BOUND_REGISTERS: u32 = 2;
/// `bb_fit.bound`: threads limit them.
pub const BB_BOUND_THREADS: u32 = 3;
/// `bb_fit.bound`: the maximum number of blocks limits them.
pub const BB_BOUND_BLOCKS: u32 = 4;

/// GpuLimits of a GPU. `bb_limits_init()` fills them for a compute capability; the caller may change them.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_limits {
    /// Bytes of this struct in the caller's version.
    pub struct_size: u32,
    /// Maximum threads of a block.
    pub threads_per_block: u32,
    /// Maximum threads of a multiprocessor.
    pub threads_per_sm: u32,
    /// Maximum blocks of a multiprocessor.
    pub blocks_per_sm: u32,
    /// Registers of a multiprocessor, and maximum registers of a block.
    pub registers_per_sm: u32,
    /// Maximum registers of a thread.
    pub registers_per_thread: u32,
    /// Allocation granularity of registers per warp.
    pub register_granule: u32,
    /// 0.
    pub reserved: u32,
    /// Shared memory of a block without opt-in, in bytes.
    pub shared_static_bytes: u64,
    /// Maximum shared memory of a block with opt-in, in bytes.
    pub shared_block_bytes: u64,
    /// Shared memory of a multiprocessor, in bytes.
    pub shared_sm_bytes: u64,
    /// Shared memory reserved by the system per block, in bytes.
    pub shared_reserved_bytes: u64,
    /// Allocation granularity of shared memory, in bytes.
    pub shared_granule_bytes: u64,
}

/// A launch of a kernel. Fill it by `bb_launch_init()`, then change what is needed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_launch {
    /// Bytes of this struct in the caller's version.
    pub struct_size: u32,
    /// Threads of a block.
    pub threads: u32,
    /// Registers of a thread, as reported by the compiler; 0 if unknown.
    pub registers_per_thread: u32,
    /// Owner of the shared region: `BB_SHARED_PER_…`; 0 for the parent's option.
    pub shared_per: u32,
    /// Shared memory that the kernel declares beside the parent's, in bytes.
    pub static_shared_bytes: u64,
}

/// Resources of a launch that fits.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_fit {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// 1: the kernel must opt in to the shared memory (`cudaFuncAttributeMaxDynamicSharedMemorySize`).
    pub needs_opt_in: u32,
    /// Dynamic shared memory of a block, in bytes.
    pub shared_bytes: u64,
    /// Bytes from one thread's region to the next, or of the block's region.
    pub shared_stride_bytes: u64,
    /// Blocks on a multiprocessor at once.
    pub blocks_per_sm: u32,
    /// Warps on a multiprocessor at once.
    pub warps_per_sm: u32,
    /// Maximum warps on a multiprocessor.
    pub max_warps_per_sm: u32,
    /// The limiting resource: `BB_BOUND_SHARED`, …
    pub bound: u32,
}

/// Parses the name of a compute capability: `sm_90`, `compute_90`, `9.0` or `90`.
///
/// @param name a known compute capability, 7.0 to 12.1
/// @param cc ten times the compute capability is written here
/// @return BB_OK, BB_E_ARGUMENT (unknown compute capability), BB_E_NULL
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_arch_parse(name: *const c_char, cc: *mut u32) -> bb_status {
    guard("bb_arch_parse", || {
        // SAFETY: the header requires a string and memory for a number.
        let (name, out) = unsafe { (input::required_name(name, "name")?, input::output(cc, "cc")?) };
        out.set(name.parse::<Arch>()?.cc())
    })
}

/// Fills in the limits of a compute capability.
///
/// @param cc ten times the compute capability: 70 to 121
/// @param limits output
/// @return BB_OK, BB_E_ARGUMENT (unknown compute capability), BB_E_NULL
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_limits_init(cc: u32, limits: *mut bb_limits) -> bb_status {
    guard("bb_limits_init", || {
        // SAFETY: the header requires memory for limits.
        let out = unsafe { input::output(limits, "limits") }?;
        out.set(limits_code(&Arch::of(cc)?.limits()))
    })
}

fn limits_code(limits: &GpuLimits) -> bb_limits {
    copy_fields! {
        bb_limits { struct_size: size_of::<bb_limits>() as u32, reserved: 0 } from limits:
        threads_per_block, threads_per_sm, blocks_per_sm, registers_per_sm, registers_per_thread, register_granule,
        shared_static_bytes, shared_block_bytes, shared_sm_bytes, shared_reserved_bytes, shared_granule_bytes
    }
}

fn limits_of(given: &bb_limits) -> GpuLimits {
    copy_fields! {
        GpuLimits {} from given:
        threads_per_block, threads_per_sm, blocks_per_sm, registers_per_sm, registers_per_thread, register_granule,
        shared_static_bytes, shared_block_bytes, shared_sm_bytes, shared_reserved_bytes, shared_granule_bytes
    }
}

const LAUNCH: bb_launch = bb_launch {
    struct_size: size_of::<bb_launch>() as u32,
    threads: 0,
    registers_per_thread: 0,
    shared_per: 0,
    static_shared_bytes: 0,
};

/// Fills a launch with a number of threads per block, and defaults.
///
/// @param threads threads of a block
/// @param launch output
/// @return BB_OK, BB_E_NULL
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_launch_init(threads: u32, launch: *mut bb_launch) -> bb_status {
    guard("bb_launch_init", || {
        // SAFETY: the header requires memory for a launch.
        unsafe { input::output(launch, "launch") }?.set(bb_launch { threads, ..LAUNCH })
    })
}

/// Checks whether a launch fits a GPU. Returns the resources that it takes; if it does not fit, `bb_last_error()`
/// lists the largest buffers and possible remedies.
///
/// @param r the registry
/// @param parent the parent, which must have buffers
/// @param limits the limits of the GPU
/// @param launch the launch
/// @param struct_size `sizeof(bb_fit)`
/// @param fit output, `struct_size` bytes if it fits
/// @return BB_OK, BB_E_LIMIT (it does not fit), BB_E_NO_PARENT, BB_E_STATE (the region mixes precisions and the layout is
///         not typed), BB_E_RANGE (threads, registers_per_thread, bytes that overflow), BB_E_ARGUMENT (shared_per,
///         reserved), BB_E_VERSION (a struct_size), BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_check(
    r: *mut bb_registry,
    parent: u64,
    limits: *const bb_limits,
    launch: *const bb_launch,
    struct_size: u32,
    fit: *mut bb_fit,
) -> bb_status {
    const CALL: &str = "bb_registry_check";
    let mut unfit = None;
    let status = on(CALL, r, |r: &BufferRegistry| {
        // SAFETY: the header requires both structs, as long as they say.
        let (limits, launch) = unsafe {
            (
                input::required_struct(limits, NO_LIMITS, "limits")?,
                input::required_struct(launch, LAUNCH, "launch")?,
            )
        };
        input::reserved(limits.reserved, "reserved")?;
        let launch = Launch {
            threads: launch.threads,
            registers_per_thread: launch.registers_per_thread,
            static_shared_bytes: launch.static_shared_bytes,
            shared_per: match launch.shared_per {
                0 => None,
                per => Some(per_of(per)?),
            },
        };
        match r.check(parent, &limits_of(&limits), &launch) {
            // SAFETY: the header requires memory of `struct_size` bytes.
            Ok(fits) => unsafe { input::write_sized(struct_size, fit, "fit", |size| fit_code(&fits, size)) },
            Err(CheckError::Call(error)) => Err(error),
            Err(CheckError::Unfit(report)) => {
                unfit = Some(report);
                Err(Error::of(Status::Limit))
            }
        }
    });
    // The text is longer than an error can hold.
    if let Some(unfit) = unfit {
        status::set_message(format_args!("{CALL}: {unfit}"));
    }
    status
}

/// Missing fields are 0.
// SAFETY: integers, for which zero is a legal value.
const NO_LIMITS: bb_limits = unsafe { std::mem::zeroed() };

fn fit_code(fit: &Fit, struct_size: u32) -> bb_fit {
    bb_fit {
        struct_size,
        needs_opt_in: u32::from(fit.needs_opt_in),
        shared_bytes: fit.shared_bytes,
        shared_stride_bytes: fit.shared_stride_bytes,
        blocks_per_sm: fit.occupancy.blocks_per_sm,
        warps_per_sm: fit.occupancy.warps_per_sm,
        max_warps_per_sm: fit.occupancy.max_warps_per_sm,
        bound: match fit.occupancy.bound {
            Bound::Shared => BB_BOUND_SHARED,
            Bound::Registers => BB_BOUND_REGISTERS,
            Bound::Threads => BB_BOUND_THREADS,
            Bound::Blocks => BB_BOUND_BLOCKS,
        },
    }
}

/// Gets the shared memory of a block in bytes.
///
/// @param r the registry
/// @param parent the parent; an unknown one takes no memory
/// @param threads threads of a block; relevant if each thread has its own region
/// @param bytes output
/// @return BB_OK, BB_E_STATE (the region mixes precisions and the layout is not typed), BB_E_RANGE (bytes that overflow),
///         BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_shared_bytes(
    r: *mut bb_registry,
    parent: u64,
    threads: u32,
    bytes: *mut u64,
) -> bb_status {
    // SAFETY: the header requires memory for a number.
    on("bb_registry_shared_bytes", r, |r: &BufferRegistry| unsafe {
        input::output(bytes, "bytes")?.set(r.shared_bytes(parent, threads)?)
    })
}

/// Gets the bytes from one thread's shared region to the next, or the bytes of the block's region.
///
/// @param r the registry
/// @param parent the parent; an unknown one takes no memory
/// @param bytes output
/// @return what `bb_registry_shared_bytes()` returns
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_shared_stride_bytes(
    r: *mut bb_registry,
    parent: u64,
    bytes: *mut u64,
) -> bb_status {
    // SAFETY: the header requires memory for a number.
    on("bb_registry_shared_stride_bytes", r, |r: &BufferRegistry| unsafe {
        input::output(bytes, "bytes")?.set(r.shared_stride_bytes(parent)?)
    })
}

/// Checks whether the shared memory of a block fits a GPU.
///
/// @param r the registry
/// @param parent the parent; an unknown one takes no memory
/// @param cc ten times the compute capability, 70 to 121
/// @param threads threads of a block
/// @param fits output
/// @return BB_E_ARGUMENT (cc), and what `bb_registry_shared_bytes()` returns
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_fits(
    r: *mut bb_registry,
    parent: u64,
    cc: u32,
    threads: u32,
    fits: *mut bool,
) -> bb_status {
    // SAFETY: the header requires memory for an answer.
    on("bb_registry_fits", r, |r: &BufferRegistry| unsafe {
        input::output(fits, "fits")?.set(r.fits(parent, &Arch::of(cc)?.limits(), threads)?)
    })
}

/// Checks whether a kernel must opt in to the shared memory of a block: more than 48 KiB, on every GPU.
///
/// @param r the registry
/// @param parent the parent; an unknown one takes no memory
/// @param threads threads of a block
/// @param needs output
/// @return what `bb_registry_shared_bytes()` returns
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_needs_opt_in(
    r: *mut bb_registry,
    parent: u64,
    threads: u32,
    needs: *mut bool,
) -> bb_status {
    // SAFETY: the header requires memory for an answer.
    on("bb_registry_needs_opt_in", r, |r: &BufferRegistry| unsafe {
        input::output(needs, "needs")?.set(r.needs_opt_in(parent, threads)?)
    })
}

/// Reports bank conflicts of shared memory when each thread of a warp reads the same element of its own region: a
/// JSON object with `stride_bytes`, `conflict_free_stride_bytes` (or null), and `ways`, the number of conflicting
/// accesses by buffer.
///
/// @param r the registry
/// @param parent the parent, which must have buffers
/// @param text buffer for the text and a NUL, or NULL with capacity 0 to get only the length
/// @param capacity bytes at `text`
/// @param length the text's bytes without the NUL are written here
/// @return BB_E_NO_PARENT, and what `bb_registry_shared_bytes()` returns; BB_E_RANGE also for the capacity
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_banks(
    r: *mut bb_registry,
    parent: u64,
    text: *mut c_char,
    capacity: u64,
    length: *mut u64,
) -> bb_status {
    on("bb_registry_banks", r, |r: &BufferRegistry| {
        let json = r.banks_json(parent)?;
        // SAFETY: the header requires memory for the text and its length.
        unsafe { input::write_text(&json, text, capacity, length) }
    })
}
