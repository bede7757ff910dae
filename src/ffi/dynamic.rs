//! `bb_dynamic`: buffers for data that changes with every frame.

use std::ffi::{c_char, c_void};

use crate::buffers::dynamic::DynamicBuffer;
use crate::buffers::dynamic::ring::{DynamicConfig, DynamicRing, RingPolicy};
use crate::buffers::dynamic::state::RawSlice;
use crate::device::device::Device;
use crate::device::driver::{Native, Usage};
use crate::error::{Error, Label, Result, Status};
use crate::ffi::buffer::{bb_buffer_info, describe_ring};
use crate::ffi::guard::{destroy, guard, on};
use crate::ffi::handle::{Kind, bb_device, bb_dynamic};
use crate::ffi::input;
use crate::ffi::object::{Object, create_at};
use crate::ffi::status::bb_status;
use crate::sys::clock::Timeout;

/// `bb_dynamic_config.policy`: an update waits for the oldest frame, for `timeout_ns` at most.
pub const BB_RING_BLOCK: u32 = 0;
/// `bb_dynamic_config.policy`: an update fails with BB_E_FULL.
pub const BB_RING_FAIL: u32 = 1;
/// `bb_dynamic_config.policy`: the ring grows, up to `most` bytes; it shrinks again when it is idle.
pub const BB_RING_GROW: u32 = 2;

/// Parameters of a new dynamic buffer. Fill it by `bb_dynamic_config_init()`, then change what is needed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_dynamic_config {
    /// Bytes of this struct in the caller's version.
    pub struct_size: u32,
    /// Usage flags: `BB_USAGE_…`, combined, but no `BB_USAGE_MAP_…`. `BB_USAGE_COPY_DST` is added.
    pub usage: u32,
    /// Expected bytes of a frame.
    pub size: u64,
    /// Frames that may be in flight, 1 to 16: the ring has `frames` times `size` bytes. Fences protect the bytes,
    /// whatever this number is.
    pub frames: u32,
    /// What an update does when the ring is full: one of `BB_RING_…`.
    pub policy: u32,
    /// For `BB_RING_BLOCK`, in nanoseconds.
    pub timeout_ns: u64,
    /// For `BB_RING_GROW`, in bytes.
    pub most: u64,
    /// Label in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none.
    pub label: *const c_char,
}

/// An update of one frame. It is valid until the frame ends, then BB_E_STALE.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_dynamic_slice {
    /// The memory to write, aligned as the usage requires. It holds data of earlier frames: do not read it.
    pub data: *mut c_void,
    /// Its bytes.
    pub bytes: u64,
    /// The backend's own handle of the buffer: the name of an OpenGL buffer, or an address in host memory.
    pub buffer: u64,
    /// Offset of the update in that buffer.
    pub offset: u64,
    /// The frame: a number that no other frame of any dynamic buffer has.
    pub frame: u64,
}

/// Statistics of a dynamic buffer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_dynamic_stats {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Current capacity of the ring in bytes.
    pub capacity: u64,
    /// Updates begun.
    pub updates: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Frames ended that had updates.
    pub frames: u64,
    /// Updates that waited for space.
    pub stalls: u64,
    /// Nanoseconds that they waited.
    pub stalled_ns: u64,
    /// Updates refused because the ring was full.
    pub refused: u64,
    /// Number of times that the ring grew.
    pub grown: u64,
    /// Number of times that it shrank again.
    pub trimmed: u64,
    /// Updates larger than the ring. Each got a dedicated buffer.
    pub dedicated: u64,
}

const DEFAULTS: bb_dynamic_config = bb_dynamic_config {
    struct_size: size_of::<bb_dynamic_config>() as u32,
    usage: Usage::UNIFORM.bits(),
    size: 0,
    frames: 3,
    policy: BB_RING_BLOCK,
    timeout_ns: 1_000_000_000,
    most: 0,
    label: std::ptr::null(),
};

impl Object for DynamicBuffer {
    const KIND: Kind = Kind::Dynamic;

    fn label(&self) -> Label {
        DynamicBuffer::label(self)
    }
}

impl bb_dynamic_slice {
    pub(super) fn native(&self) -> Native {
        Native(self.buffer)
    }

    fn of(slice: &RawSlice) -> bb_dynamic_slice {
        bb_dynamic_slice {
            data: slice.data().cast(),
            bytes: slice.bytes,
            buffer: slice.native().0,
            offset: slice.offset,
            frame: slice.frame,
        }
    }
}

fn config<'a>(given: bb_dynamic_config) -> Result<DynamicConfig<'a>> {
    let unknown = || Error::value(Status::Argument, "config.usage", given.usage, "unknown flags");
    let policy = match given.policy {
        BB_RING_BLOCK => RingPolicy::Block(Timeout::nanos(given.timeout_ns)),
        BB_RING_FAIL => RingPolicy::Fail,
        BB_RING_GROW => RingPolicy::Grow { most: given.most },
        other => {
            let reason = "use BB_RING_BLOCK, BB_RING_FAIL or BB_RING_GROW";
            return Err(Error::value(Status::Argument, "config.policy", other, reason));
        }
    };
    Ok(DynamicConfig {
        size: given.size,
        usage: Usage::from_bits(given.usage).ok_or_else(unknown)?,
        frames: given.frames,
        policy,
        // SAFETY: the header requires a string or NULL.
        label: unsafe { input::name(given.label, "config.label") }?,
    })
}

/// Fills a config with the defaults: uniforms, 3 frames, a size of 0, and a wait of at most a second when the ring is
/// full.
///
/// @param config output
/// @return BB_OK, BB_E_NULL
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_dynamic_config_init(config: *mut bb_dynamic_config) -> bb_status {
    // SAFETY: the header requires memory for a config.
    guard("bb_dynamic_config_init", || unsafe { input::output(config, "config") }?.set(DEFAULTS))
}

/// Creates a dynamic buffer: an update gets space in a ring, is written in place, and is used by work submitted after
/// it. Nothing waits while the device is at most `frames` frames behind.
///
/// @param device the device that owns the memory
/// @param config parameters; `size` must be set
/// @param dynamic the handle is written here; `bb_dynamic_destroy()` ends it
/// @return BB_OK, BB_E_ARGUMENT (frames, policy, usage, label), BB_E_LIMIT, BB_E_VERSION, a device status, or a handle
///         status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_dynamic_create(
    device: *mut bb_device,
    config: *const bb_dynamic_config,
    dynamic: *mut *mut bb_dynamic,
) -> bb_status {
    on("bb_dynamic_create", device, |device: &Device| {
        // SAFETY: the header requires memory for a handle, and a config.
        let (out, given) = unsafe {
            (input::output(dynamic, "dynamic")?, input::required_struct(config, DEFAULTS, "config")?)
        };
        let config = self::config(given)?;
        create_at(out, || DynamicBuffer::new(device, &config))
    })
}

/// Begins an update of this frame: returns space that is written in place, until `bb_dynamic_end_update()`. An update
/// larger than the ring gets a dedicated buffer until the device has finished the frame.
///
/// @param dynamic the dynamic buffer
/// @param bytes the number of bytes
/// @param slice output
/// @return BB_OK, BB_E_FULL, BB_E_TIMEOUT (BB_RING_BLOCK, or the host has not driven the device for 30 s), BB_E_LIMIT,
///         BB_E_RECURSIVE (waiting in a callback on the owner thread), a device status, or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_dynamic_begin_update(
    dynamic: *mut bb_dynamic,
    bytes: u64,
    slice: *mut bb_dynamic_slice,
) -> bb_status {
    on("bb_dynamic_begin_update", dynamic, |dynamic: &DynamicBuffer| {
        // SAFETY: the header requires memory for a slice.
        let out = unsafe { input::output(slice, "slice") }?;
        out.set(bb_dynamic_slice::of(&dynamic.ring.begin(bytes)?))
    })
}

/// Ends an update that has been written: work submitted from now on sees it.
///
/// @param dynamic the dynamic buffer
/// @param slice the update
/// @return BB_OK, BB_E_STALE (its frame has ended, or it is of another dynamic buffer), BB_E_STATE (it has been ended
///         before), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_dynamic_end_update(
    dynamic: *mut bb_dynamic,
    slice: *const bb_dynamic_slice,
) -> bb_status {
    on("bb_dynamic_end_update", dynamic, |dynamic: &DynamicBuffer| {
        // SAFETY: the header requires a slice.
        let slice = unsafe { input::required(slice, "slice") }?;
        dynamic.ring.finish(slice.native(), slice.offset, slice.frame)
    })
}

/// Begins, writes and ends an update in one call.
///
/// @param dynamic the dynamic buffer
/// @param data the bytes
/// @param bytes the number of bytes
/// @param slice the update is written here
/// @return what `bb_dynamic_begin_update()` returns, BB_E_RANGE
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_dynamic_update(
    dynamic: *mut bb_dynamic,
    data: *const c_void,
    bytes: u64,
    slice: *mut bb_dynamic_slice,
) -> bb_status {
    on("bb_dynamic_update", dynamic, |dynamic: &DynamicBuffer| {
        // SAFETY: the header requires that many bytes, and memory for a slice.
        let (data, out) =
            unsafe { (input::many(data.cast::<u8>(), bytes, "data")?, input::output(slice, "slice")?) };
        out.set(bb_dynamic_slice::of(&dynamic.ring.update(data)?))
    })
}

/// Transfers ended updates to the device, and makes later draws of this thread's context wait for them. Needed for
/// draws by the program itself; `bb_encoder_submit()` includes it. It costs nothing where updates are written in
/// place.
///
/// @param dynamic the dynamic buffer
/// @return BB_OK, a device status, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_dynamic_flush(dynamic: *mut bb_dynamic) -> bb_status {
    on("bb_dynamic_flush", dynamic, |dynamic: &DynamicBuffer| dynamic.flush())
}

/// Ends the frame, after all work that uses its updates has been submitted or drawn by this thread. The space of its
/// updates is free again when the device has finished that work. A frame without updates costs nothing.
///
/// @param dynamic the dynamic buffer
/// @return BB_OK, BB_E_STATE (an update has not been ended), BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY, BB_E_BACKEND, or a
///         handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_dynamic_end_frame(dynamic: *mut bb_dynamic) -> bb_status {
    on("bb_dynamic_end_frame", dynamic, |dynamic: &DynamicBuffer| DynamicRing::end_frame(&dynamic.ring))
}

/// Gets the statistics of a dynamic buffer.
///
/// @param dynamic the dynamic buffer
/// @param struct_size `sizeof(bb_dynamic_stats)`
/// @param stats output
/// @return BB_OK, BB_E_VERSION (struct_size), or a handle status
/// @realtime may block, may make a system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_dynamic_stats_get(
    dynamic: *mut bb_dynamic,
    struct_size: u32,
    stats: *mut bb_dynamic_stats,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_dynamic_stats_get", dynamic, |dynamic: &DynamicBuffer| unsafe {
        input::write_sized(struct_size, stats, "stats", |struct_size| {
            let counted = dynamic.statistics();
            copy_fields! {
                bb_dynamic_stats { struct_size: struct_size, reserved: 0, capacity: dynamic.capacity() } from counted:
                updates, bytes, frames, stalls, stalled_ns, refused, grown, trimmed, dedicated
            }
        })
    })
}

/// Gets size, usage, state and label of a dynamic buffer. The size is that of the config; the state is
/// `BB_BUFFER_READY`; the generation is 1, plus 1 for each time that the ring grew.
///
/// @param dynamic the dynamic buffer
/// @param struct_size `sizeof(bb_buffer_info)`
/// @param info output
/// @return BB_OK, BB_E_VERSION (struct_size), or a handle status
/// @realtime may block, may make a system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_dynamic_info_get(
    dynamic: *mut bb_dynamic,
    struct_size: u32,
    info: *mut bb_buffer_info,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_dynamic_info_get", dynamic, |dynamic: &DynamicBuffer| unsafe {
        input::write_sized(struct_size, info, "info", |size| {
            let (ring, generation) = (&dynamic.ring, dynamic.statistics().grown.saturating_add(1));
            describe_ring(&ring.device, dynamic.size(), ring.usage, generation, ring.label, size)
        })
    })
}

/// Destroys a dynamic buffer. Its memory is freed once the device has finished with it.
///
/// @param dynamic the dynamic buffer; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_dynamic_destroy(dynamic: *mut bb_dynamic) -> bb_status {
    destroy::<DynamicBuffer, _>("bb_dynamic_destroy", dynamic)
}
