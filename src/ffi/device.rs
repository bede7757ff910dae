//! `bb_device`: devices on host memory, OpenGL and WebGPU.

use std::ffi::{c_char, c_void};
use std::fmt::Write;

use super::callback::{Writer, bb_write_fn};
use super::guard::{on, take};
use super::handle::Kind;
use super::input;
use super::object::Object;
use super::opaque::bb_device;
use super::status::bb_status;
use crate::device::device::Device;
use crate::device::driver::{DeviceInfo, DeviceKind, Fence};
use crate::error::{Label, Result};
use crate::sys::clock::Timeout;

/// `bb_device_info.kind`: host memory.
pub const BB_DEVICE_HOST: u32 = 1;
/// `bb_device_info.kind`: OpenGL.
pub const BB_DEVICE_GL: u32 = 2;
/// `bb_device_info.kind`: WebGPU.
pub const BB_DEVICE_WGPU: u32 = 3;

/// Information about a device.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_device_info {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// `BB_DEVICE_HOST`, `BB_DEVICE_GL`, `BB_DEVICE_WGPU`.
    pub kind: u32,
    /// Maximum size of a buffer in bytes.
    pub max_buffer_size: u64,
    /// Alignment of the offsets of uniform ranges.
    pub uniform_offset_alignment: u64,
    /// Alignment of the offsets of storage ranges.
    pub storage_offset_alignment: u64,
    /// Name of the renderer, NUL-terminated.
    pub name: [c_char; 128],
    /// Version of the API and of the driver, NUL-terminated.
    pub version: [c_char; 128],
    /// Optional features in use, separated by commas, NUL-terminated.
    pub capabilities: [c_char; 128],
    /// NUL-terminated.
    pub label: [c_char; 64],
}

/// Statistics of a device.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_device_stats {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// 1 once the device is lost.
    pub lost: u32,
    /// Native buffers created.
    pub buffers_created: u64,
    /// Native buffers deleted.
    pub buffers_deleted: u64,
    /// Bytes of the native buffers that exist.
    pub live_bytes: u64,
    /// Calls run on the owner thread.
    pub calls: u64,
    /// Writes from host memory.
    pub writes: u64,
    /// Bytes of them.
    pub bytes_written: u64,
    /// Copies from buffer to buffer.
    pub copies: u64,
    /// Bytes of them.
    pub bytes_copied: u64,
    /// Ranges mapped.
    pub maps: u64,
    /// Submits, each with a fence.
    pub submits: u64,
    /// Waits for fences that had not been signalled yet.
    pub waits: u64,
}

impl Object for Device {
    const KIND: Kind = Kind::Device;

    fn label(&self) -> Label {
        Device::label(self)
    }

    fn close(&self) -> Result<()> {
        self.destroy()
    }
}

/// Runs the pending work of a host-driven device on its owner thread: uploads, copies and fences of all objects on
/// the device.
///
/// Returns when no work is left or the budget is used up; a step that has begun, at most 1 MiB of an upload, is
/// finished first. It does not wait for more work.
///
/// @param device a device made with `BB_DEVICE_HOST_DRIVEN`
/// @param budget nanoseconds; 0 runs one step, BB_FOREVER runs all pending work
/// @return BB_OK, BB_E_STATE (not host-driven), BB_E_WRONG_THREAD, BB_E_RECURSIVE (inside work of the device),
///         BB_E_DEVICE_LOST, or a handle status
/// @threadsafety owner thread only
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_device_poll(device: *mut bb_device, budget: u64) -> bb_status {
    on("bb_device_poll", device, |device: &Device| device.poll(Timeout::nanos(budget)))
}

/// Waits until all work submitted up to a fence is done. On the owner thread of a host-driven device it also runs the
/// device's work.
///
/// @param device the device
/// @param fence from `bb_encoder_submit()`
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @return BB_OK, BB_E_TIMEOUT, BB_E_ARGUMENT (not a fence of this device), BB_E_DEVICE_LOST, BB_E_RECURSIVE (in a
///         callback on the owner thread), BB_E_INTERRUPTED, or a handle status
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_device_wait_fence(device: *mut bb_device, fence: u64, timeout: u64) -> bb_status {
    on("bb_device_wait_fence", device, |device: &Device| {
        device.wait_fence(Fence(fence), Timeout::nanos(timeout))
    })
}

/// Gets kind, limits, names and label of a device.
///
/// @param device the device
/// @param struct_size `sizeof(bb_device_info)`
/// @param info output
/// @return BB_OK, BB_E_VERSION (struct_size), or a handle status
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_info_get(
    device: *mut bb_device,
    struct_size: u32,
    info: *mut bb_device_info,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_device_info_get", device, |device: &Device| unsafe {
        input::write_sized(struct_size, info, "info", |size| {
            describe(device.info(), &Device::label(device), size)
        })
    })
}

/// Gets the statistics of a device.
///
/// @param device the device
/// @param struct_size `sizeof(bb_device_stats)`
/// @param stats output
/// @return BB_OK, BB_E_VERSION (struct_size), or a handle status
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_stats_get(
    device: *mut bb_device,
    struct_size: u32,
    stats: *mut bb_device_stats,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_device_stats_get", device, |device: &Device| unsafe {
        input::write_sized(struct_size, stats, "stats", |size| count(device, size))
    })
}

/// Writes one line for each buffer that exists: label, bytes, usage, and the state of buffers that can be mapped
/// (`MapPending`: a request is pending). Writes nothing if there is no buffer.
///
/// @param device the device
/// @param write takes the text in pieces, on the calling thread
/// @param user_data passed to `write`
/// @return BB_OK, BB_E_OUT_OF_MEMORY, or a handle status
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_leak_report(
    device: *mut bb_device,
    write: bb_write_fn,
    user_data: *mut c_void,
) -> bb_status {
    on("bb_device_leak_report", device, |device: &Device| {
        let write = input::function(write, "write")?;
        // SAFETY: the header requires a function that may be called with its user data.
        let mut writer = unsafe { Writer::new(write, user_data) };
        let mapped = crate::buffers::report::leak_report(device)?;
        for buffer in &mapped {
            let _ = writeln!(writer, "{buffer}");
        }
        // What managers and drivers of one's own have besides.
        let others = device.live_buffers()?;
        for buffer in others.iter().filter(|other| mapped.iter().all(|known| known.native != other.native)) {
            let _ = writeln!(writer, "{buffer}");
        }
        Ok(())
    })
}

/// Destroys a device, with its context if the library created it. The native buffers of objects on it are deleted
/// too; its managers keep their copies in host memory, but publish no more (`BB_E_DEVICE_LOST`).
///
/// A host-driven device is destroyed on its owner thread, with its context current; once that thread has ended, on
/// any thread.
///
/// @param device the device; NULL is a no-op
/// @return BB_OK, BB_E_WRONG_THREAD (host-driven, and the owner thread is another one that has not ended),
///         BB_E_RECURSIVE (inside work of the device), BB_E_STALE (also for all but one of several threads that
///         destroy it), or a handle status
/// @threadsafety safe to call from any thread; for a host-driven device, the owner thread unless it has ended
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_device_destroy(device: *mut bb_device) -> bb_status {
    if device.is_null() {
        return bb_status::BB_OK;
    }
    take("bb_device_destroy", device, |_: Device| Ok(()))
}

/// Text as an array of characters, cut where it does not fit.
pub(super) fn text<const N: usize>(from: &str) -> [c_char; N] {
    let mut place = [0; N];
    place.iter_mut().zip(from.bytes()).for_each(|(to, from)| *to = from as c_char);
    place
}

fn describe(info: &DeviceInfo, label: &Label, struct_size: u32) -> bb_device_info {
    bb_device_info {
        struct_size,
        kind: match info.kind {
            DeviceKind::Host => BB_DEVICE_HOST,
            DeviceKind::Gl => BB_DEVICE_GL,
            DeviceKind::Wgpu => BB_DEVICE_WGPU,
            other => other as u32,
        },
        max_buffer_size: info.limits.max_buffer_size,
        uniform_offset_alignment: info.limits.uniform_offset_alignment,
        storage_offset_alignment: info.limits.storage_offset_alignment,
        name: text(info.name.as_str()),
        version: text(info.version.as_str()),
        capabilities: text(info.capabilities.as_str()),
        label: text(label.as_str()),
    }
}

fn count(device: &Device, struct_size: u32) -> bb_device_stats {
    let stats = device.statistics();
    bb_device_stats {
        struct_size,
        lost: u32::from(device.lost().is_some()),
        buffers_created: stats.buffers_created,
        buffers_deleted: stats.buffers_deleted,
        live_bytes: stats.live_bytes,
        calls: stats.calls,
        writes: stats.writes,
        bytes_written: stats.bytes_written,
        copies: stats.copies,
        bytes_copied: stats.bytes_copied,
        maps: stats.maps,
        submits: stats.submits,
        waits: stats.waits,
    }
}
