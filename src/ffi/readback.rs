//! `bb_readback`: rings of buffers to which data of the device is read back.

use std::ffi::c_char;

use crate::buffers::readback::{ReadbackBuffer, ReadbackConfig, WhenFull};
use crate::device::device::Device;
use crate::device::driver::Usage;
use crate::error::{Error, Label, Result, Status};
use crate::ffi::buffer::{bb_buffer_info, describe_ring};
use crate::ffi::device_buffer::copy_end;
use crate::ffi::encoder::SharedEncoder;
use crate::ffi::guard::{destroy, guard, on, outside, with};
use crate::ffi::handle::{Kind, bb_device, bb_device_buffer, bb_encoder, bb_readback, bb_reading};
use crate::ffi::input;
use crate::ffi::object::{Object, ReservedSlot, create_at};
use crate::ffi::status::bb_status;
use crate::sys::clock::Timeout;

/// `bb_readback_config.when_full`: a read fails with BB_E_FULL.
pub const BB_READBACK_SKIP: u32 = 0;
/// `bb_readback_config.when_full`: a read waits until a reading is released, for `timeout_ns` at most.
pub const BB_READBACK_WAIT: u32 = 1;
/// `bb_readback_config.when_full`: a read takes the buffer of the oldest reading whose bytes are not in use; that
/// reading ends with BB_E_ABORTED.
pub const BB_READBACK_DROP_OLDEST: u32 = 2;

/// Parameters of a new readback ring. Fill it by `bb_readback_config_init()`, then change what is needed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_readback_config {
    /// Bytes of this struct in the caller's version.
    pub struct_size: u32,
    /// Buffers, which limit the readings in flight, 1 to 16.
    pub frames: u32,
    /// Maximum bytes of a read.
    pub size: u64,
    /// What a read does when all buffers are in use: one of `BB_READBACK_…`.
    pub when_full: u32,
    /// 0.
    pub reserved: u32,
    /// For `BB_READBACK_WAIT`, in nanoseconds.
    pub timeout_ns: u64,
    /// Label in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none.
    pub label: *const c_char,
}

/// Statistics of a readback ring.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_readback_stats {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Reads begun.
    pub reads: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Reads that waited for a buffer.
    pub stalls: u64,
    /// Nanoseconds that they waited.
    pub stalled_ns: u64,
    /// Reads skipped because the ring was full.
    pub skipped: u64,
    /// Readings dropped in favour of newer ones.
    pub dropped: u64,
}

const DEFAULTS: bb_readback_config = bb_readback_config {
    struct_size: size_of::<bb_readback_config>() as u32,
    frames: 3,
    size: 0,
    when_full: BB_READBACK_SKIP,
    reserved: 0,
    timeout_ns: 0,
    label: std::ptr::null(),
};

impl Object for ReadbackBuffer {
    const KIND: Kind = Kind::Readback;

    fn label(&self) -> Label {
        ReadbackBuffer::label(self)
    }
}

fn config<'a>(given: bb_readback_config) -> Result<ReadbackConfig<'a>> {
    let when_full = match given.when_full {
        BB_READBACK_SKIP => WhenFull::Skip,
        BB_READBACK_WAIT => WhenFull::Wait(Timeout::nanos(given.timeout_ns)),
        BB_READBACK_DROP_OLDEST => WhenFull::DropOldest,
        other => {
            let reason = "use BB_READBACK_SKIP, BB_READBACK_WAIT or BB_READBACK_DROP_OLDEST";
            return Err(Error::value(Status::Argument, "config.when_full", other, reason));
        }
    };
    // SAFETY: the header requires a string or NULL.
    let label = unsafe { input::name(given.label, "config.label") }?;
    Ok(ReadbackConfig { size: given.size, frames: given.frames, when_full, label })
}

/// Fills a config with the defaults: 3 frames, a size of 0.
///
/// @param config output
/// @return BB_OK, BB_E_NULL
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_readback_config_init(config: *mut bb_readback_config) -> bb_status {
    // SAFETY: the header requires memory for a config.
    guard("bb_readback_config_init", || unsafe { input::output(config, "config") }?.set(DEFAULTS))
}

/// Creates a ring of buffers for reads, so that no frame waits for its own read.
///
/// @param device the device that owns the memory
/// @param config parameters; `size` must be set
/// @param readback the handle is written here; `bb_readback_destroy()` ends it
/// @return BB_OK, BB_E_ARGUMENT (frames, when_full, label), BB_E_LIMIT, BB_E_VERSION, a device status, or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_readback_create(
    device: *mut bb_device,
    config: *const bb_readback_config,
    readback: *mut *mut bb_readback,
) -> bb_status {
    on("bb_readback_create", device, |device: &Device| {
        // SAFETY: the header requires memory for a handle, and a config.
        let (out, given) = unsafe {
            (input::output(readback, "readback")?, input::required_struct(config, DEFAULTS, "config")?)
        };
        let config = self::config(given)?;
        create_at(out, || ReadbackBuffer::new(device, config))
    })
}

/// Submits a copy of a device buffer's content and requests its mapping. When all buffers of the ring are in use,
/// `when_full` decides what happens.
///
/// @param readback the ring
/// @param from a device buffer with `BB_USAGE_COPY_SRC`, or such a `bb_buffer`
/// @param offset offset in the device buffer
/// @param bytes the number of bytes, at most the ring's `size`
/// @param reading the handle is written here; `bb_reading_release()` ends it and returns its buffer to the ring
/// @return BB_OK, BB_E_FULL, BB_E_TIMEOUT (also if no buffer was free in time), BB_E_RANGE, BB_E_ARGUMENT (usage,
///         another device), BB_E_LIMIT, BB_E_RECURSIVE (waiting in a callback), a device status, or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_readback_read(
    readback: *mut bb_readback,
    from: *mut bb_device_buffer,
    offset: u64,
    bytes: u64,
    reading: *mut *mut bb_reading,
) -> bb_status {
    let get = |readback: &ReadbackBuffer| {
        // SAFETY: the header requires memory for a handle.
        let out = unsafe { input::output(reading, "reading") }?;
        Ok((out, readback.share(), copy_end(from)?))
    };
    // The handles are not in use while this waits for a buffer.
    outside("bb_readback_read", readback, get, |(out, readback, from)| {
        create_at(out, || readback.read_from(&from, offset, bytes))
    })
}

/// Records the same copy in an encoder, in order with its other steps. Submitting the encoder requests the mapping;
/// if the encoder is destroyed without a submit, the reading ends with BB_E_ABORTED. The buffer of the ring is in use
/// from now on.
///
/// @param readback the ring
/// @param encoder the encoder
/// @param from a device buffer with `BB_USAGE_COPY_SRC`, or such a `bb_buffer`
/// @param offset offset in the device buffer
/// @param bytes the number of bytes, at most the ring's `size`
/// @param reading the handle is written here; `bb_reading_release()` ends it and returns its buffer to the ring
/// @return what `bb_readback_read()` returns, BB_E_BUSY (another thread uses the encoder)
/// @realtime may block, may make a system call, may allocate
/// @threadsafety one thread at a time for the encoder
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_readback_read_in(
    readback: *mut bb_readback,
    encoder: *mut bb_encoder,
    from: *mut bb_device_buffer,
    offset: u64,
    bytes: u64,
    reading: *mut *mut bb_reading,
) -> bb_status {
    on("bb_readback_read_in", readback, |readback: &ReadbackBuffer| {
        // SAFETY: the header requires memory for a handle.
        let out = unsafe { input::output(reading, "reading") }?;
        let (slot, from) = (ReservedSlot::take()?, copy_end(from)?);
        with(encoder, |encoder: &SharedEncoder| {
            encoder.with(|encoder| {
                let reading = readback.read_from_in(encoder, &from, offset, bytes)?;
                // Without a handle the copy is not recorded.
                let handle = slot.fill(reading).inspect_err(|_| encoder.pop())?;
                out.set(handle as *mut bb_reading)
            })
        })
    })
}

/// Gets the statistics of a readback ring.
///
/// @param readback the ring
/// @param struct_size `sizeof(bb_readback_stats)`
/// @param stats output
/// @return BB_OK, BB_E_VERSION (struct_size), or a handle status
/// @realtime may block, may make a system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_readback_stats_get(
    readback: *mut bb_readback,
    struct_size: u32,
    stats: *mut bb_readback_stats,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_readback_stats_get", readback, |readback: &ReadbackBuffer| unsafe {
        input::write_sized(struct_size, stats, "stats", |struct_size| {
            let counted = readback.statistics();
            copy_fields! {
                bb_readback_stats { struct_size: struct_size, reserved: 0 } from counted:
                reads, bytes, stalls, stalled_ns, skipped, dropped
            }
        })
    })
}

/// Gets size, usage, state and label of a readback ring. The state is `BB_BUFFER_READY`; each
/// reading has its own.
///
/// @param readback the readback ring
/// @param struct_size `sizeof(bb_buffer_info)`
/// @param info output
/// @return BB_OK, BB_E_VERSION (struct_size), or a handle status
/// @realtime may block, may make a system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_readback_info_get(
    readback: *mut bb_readback,
    struct_size: u32,
    info: *mut bb_buffer_info,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_readback_info_get", readback, |readback: &ReadbackBuffer| unsafe {
        input::write_sized(struct_size, info, "info", |size| {
            let usage = Usage::MAP_READ | Usage::COPY_DST;
            describe_ring(readback.device(), readback.size(), usage, 1, readback.label(), size)
        })
    })
}

/// Destroys a readback ring. Existing readings keep their buffers until they are released.
///
/// @param readback the ring; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_readback_destroy(readback: *mut bb_readback) -> bb_status {
    destroy::<ReadbackBuffer, _>("bb_readback_destroy", readback)
}
