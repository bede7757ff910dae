//! `bb_dynamic`: bytes that change with every frame.

use std::ffi::{c_char, c_void};

use super::guard::{guard, on, take};
use super::handle::Kind;
use super::input;
use super::object::{Object, Seat};
use super::opaque::{bb_device, bb_dynamic};
use super::status::bb_status;
use crate::buffers::dynamic::ring::Ring;
use crate::buffers::dynamic::{DynamicBuffer, DynamicConfig, RingPolicy};
use crate::buffers::storage::Claim;
use crate::device::device::Device;
use crate::device::driver::Native;
use crate::device::usage::Usage;
use crate::error::{Error, Label, Result, Status};
use crate::sys::clock::Timeout;

/// `bb_dynamic_config.policy`: an update waits for the oldest frame, for `timeout_ns` at most.
pub const BB_RING_BLOCK: u32 = 0;
/// `bb_dynamic_config.policy`: an update says BB_E_FULL.
pub const BB_RING_FAIL: u32 = 1;
/// `bb_dynamic_config.policy`: the ring gets larger, up to `most` bytes; it shrinks again when it is idle.
pub const BB_RING_GROW: u32 = 2;

/// How a dynamic buffer is made. Fill it by `bb_dynamic_config_init()`, then change what is needed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_dynamic_config {
    /// Bytes of this struct, as the caller knows it.
    pub struct_size: u32,
    /// What the bytes are for: some of `BB_USAGE_…`, none of `BB_USAGE_MAP_…`. `BB_USAGE_COPY_DST` is added.
    pub usage: u32,
    /// Bytes that a frame writes, more or less.
    pub size: u64,
    /// Frames that may be in flight, 1 to 16: the ring has that many times `size`. Fences guard the bytes, not this number.
    pub frames: u32,
    /// What happens when there is no room: one of `BB_RING_…`.
    pub policy: u32,
    /// For `BB_RING_BLOCK`, in nanoseconds.
    pub timeout_ns: u64,
    /// For `BB_RING_GROW`, in bytes.
    pub most: u64,
    /// Name in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none.
    pub label: *const c_char,
}

/// An update of one frame. It may be used until the frame ends; BB_E_STALE tells that it has.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_dynamic_slice {
    /// Where it is written, aligned as the usage wants it. What is there is left over from earlier frames: do not read it.
    pub data: *mut c_void,
    /// How many bytes.
    pub bytes: u64,
    /// What the buffer is to its backend: the name of an OpenGL buffer, an address in host memory.
    pub buffer: u64,
    /// Where the update begins in it.
    pub offset: u64,
    /// The frame.
    pub frame: u64,
}

/// What a dynamic buffer has counted.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_dynamic_stats {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Bytes of the ring now.
    pub capacity: u64,
    /// Updates begun.
    pub updates: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Frames ended that had updates.
    pub frames: u64,
    /// Updates that waited for room.
    pub stalls: u64,
    /// Nanoseconds that they waited.
    pub stalled_ns: u64,
    /// Updates refused for want of room.
    pub refused: u64,
    /// Times that the ring grew.
    pub grown: u64,
    /// Times that it shrank again.
    pub trimmed: u64,
    /// Updates larger than the ring, which got a buffer of their own.
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

    fn of(claim: &Claim) -> bb_dynamic_slice {
        bb_dynamic_slice {
            data: claim.data().cast(),
            bytes: claim.bytes,
            buffer: claim.native().0,
            offset: claim.offset,
            frame: claim.frame,
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
            let why = "use BB_RING_BLOCK, BB_RING_FAIL or BB_RING_GROW";
            return Err(Error::value(Status::Argument, "config.policy", other, why));
        }
    };
    Ok(DynamicConfig {
        size: given.size,
        usage: Usage::from_bits(given.usage).ok_or_else(unknown)?,
        frames: given.frames,
        policy,
        // SAFETY: the header asks for a string or NULL.
        label: unsafe { input::name(given.label, "config.label") }?,
    })
}

/// Fills a config with the defaults: uniforms, 3 frames of no bytes, waiting for a second where the ring is full.
///
/// @param config written
/// @return BB_OK, BB_E_NULL
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_dynamic_config_init(config: *mut bb_dynamic_config) -> bb_status {
    // SAFETY: the header asks for a place for a config.
    guard("bb_dynamic_config_init", || unsafe { input::output(config, "config") }?.set(DEFAULTS))
}

/// Makes a dynamic buffer: an update takes room in a ring, is written in place, and is used by what is submitted after it. Nothing waits
/// as long as the device is no more than the ring's frames behind.
///
/// @param device whose memory it is
/// @param config how; its size is needed
/// @param dynamic the handle is written here; `bb_dynamic_destroy()` ends it
/// @return BB_OK, BB_E_ARGUMENT (frames, policy, usage, label), BB_E_LIMIT, BB_E_VERSION, BB_E_OUT_OF_MEMORY, BB_E_BACKEND,
///         BB_E_TIMEOUT (the host has not driven the device for 30 s), BB_E_INTERRUPTED, BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE,
///         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_dynamic_create(
    device: *mut bb_device,
    config: *const bb_dynamic_config,
    dynamic: *mut *mut bb_dynamic,
) -> bb_status {
    on("bb_dynamic_create", device, |device: &Device| {
        // SAFETY: the header asks for a place for a handle, and a config.
        let (place, given) = unsafe {
            input::required(config.cast::<u8>(), "config")?;
            (input::output(dynamic, "dynamic")?, input::versioned(config, DEFAULTS)?)
        };
        let config = self::config(given)?;
        let seat = Seat::take()?;
        place.set(seat.seat(DynamicBuffer::new(device, &config)?)? as *mut bb_dynamic)
    })
}

/// Room for an update of this frame, to be written in place and ended by `bb_dynamic_end_update()`. More bytes than the ring holds get
/// a buffer of their own until the device is done with the frame.
///
/// @param dynamic the dynamic buffer
/// @param bytes how many
/// @param slice written
/// @return BB_OK, BB_E_FULL, BB_E_TIMEOUT (BB_RING_BLOCK, or the host has not driven the device for 30 s), BB_E_LIMIT,
///         BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_DEVICE_LOST, BB_E_RECURSIVE (waiting in a callback on the owner thread),
///         BB_E_INTERRUPTED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_dynamic_begin_update(
    dynamic: *mut bb_dynamic,
    bytes: u64,
    slice: *mut bb_dynamic_slice,
) -> bb_status {
    on("bb_dynamic_begin_update", dynamic, |dynamic: &DynamicBuffer| {
        // SAFETY: the header asks for a place for a slice.
        let place = unsafe { input::output(slice, "slice") }?;
        place.set(bb_dynamic_slice::of(&dynamic.ring.begin(bytes)?))
    })
}

/// Says that an update has been written: what is submitted from now on sees it.
///
/// @param dynamic the dynamic buffer
/// @param slice the update
/// @return BB_OK, BB_E_STALE (its frame has ended), BB_E_STATE (it has been ended before), BB_E_NULL, BB_E_HANDLE, BB_E_KIND,
///         BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_dynamic_end_update(
    dynamic: *mut bb_dynamic,
    slice: *const bb_dynamic_slice,
) -> bb_status {
    on("bb_dynamic_end_update", dynamic, |dynamic: &DynamicBuffer| {
        // SAFETY: the header asks for a slice.
        let slice = unsafe { input::required(slice, "slice") }?;
        dynamic.ring.end(slice.native(), slice.offset, slice.frame)
    })
}

/// An update whose bytes are there already: begun, written and ended in one call.
///
/// @param dynamic the dynamic buffer
/// @param data the bytes
/// @param bytes how many
/// @param slice where they are is written here
/// @return what `bb_dynamic_begin_update()` returns, BB_E_RANGE
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_dynamic_update(
    dynamic: *mut bb_dynamic,
    data: *const c_void,
    bytes: u64,
    slice: *mut bb_dynamic_slice,
) -> bb_status {
    on("bb_dynamic_update", dynamic, |dynamic: &DynamicBuffer| {
        // SAFETY: the header asks for that many bytes, and a place for a slice.
        let (data, place) =
            unsafe { (input::many(data.cast::<u8>(), bytes, "data")?, input::output(slice, "slice")?) };
        place.set(bb_dynamic_slice::of(&dynamic.ring.update(data)?))
    })
}

/// Brings updates that have ended to the device, and has what this thread's context draws wait for them. For draws of the program's own:
/// `bb_encoder_submit()` does it itself. Costs nothing where updates are written in place.
///
/// @param dynamic the dynamic buffer
/// @return BB_OK, BB_E_TIMEOUT (the host has not driven the device for 30 s), BB_E_INTERRUPTED, BB_E_DEVICE_LOST,
///         BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_dynamic_flush(dynamic: *mut bb_dynamic) -> bb_status {
    on("bb_dynamic_flush", dynamic, |dynamic: &DynamicBuffer| dynamic.flush())
}

/// Ends the frame, once whatever uses its updates has been submitted; or drawn by this thread, whose context then says when they have
/// been used. Their room is free again when that is done. A frame without updates costs nothing.
///
/// @param dynamic the dynamic buffer
/// @return BB_OK, BB_E_STATE (an update has not been ended), BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_NULL,
///         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_dynamic_end_frame(dynamic: *mut bb_dynamic) -> bb_status {
    on("bb_dynamic_end_frame", dynamic, |dynamic: &DynamicBuffer| Ring::end_frame(&dynamic.ring))
}

/// Tells what a dynamic buffer has counted.
///
/// @param dynamic the dynamic buffer
/// @param struct_size `sizeof(bb_dynamic_stats)`
/// @param stats written
/// @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_dynamic_stats_get(
    dynamic: *mut bb_dynamic,
    struct_size: u32,
    stats: *mut bb_dynamic_stats,
) -> bb_status {
    // SAFETY: the header asks for a place of `struct_size` bytes.
    on("bb_dynamic_stats_get", dynamic, |dynamic: &DynamicBuffer| unsafe {
        input::write_sized(struct_size, stats, "stats", |struct_size| {
            let counted = dynamic.statistics();
            bb_dynamic_stats {
                struct_size,
                reserved: 0,
                capacity: dynamic.capacity(),
                updates: counted.updates,
                bytes: counted.bytes,
                frames: counted.frames,
                stalls: counted.stalls,
                stalled_ns: counted.stalled_ns,
                refused: counted.refused,
                grown: counted.grown,
                trimmed: counted.trimmed,
                dedicated: counted.dedicated,
            }
        })
    })
}

/// Destroys a dynamic buffer. Its memory is given back once the device is done with it.
///
/// @param dynamic the dynamic buffer; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_dynamic_destroy(dynamic: *mut bb_dynamic) -> bb_status {
    if dynamic.is_null() {
        return bb_status::BB_OK;
    }
    take("bb_dynamic_destroy", dynamic, |dynamic: DynamicBuffer| {
        drop(dynamic);
        Ok(())
    })
}
