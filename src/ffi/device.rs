//! `bb_device`: devices on host memory, OpenGL and WebGPU.

use std::ffi::{CStr, c_char, c_void};
use std::fmt::Write;

use bitflags::bitflags;

use crate::alloc::boxed;
use crate::device::device::Device;
use crate::device::driver::{DeviceInfo, DeviceKind, Fence};
use crate::device::gl::config::{GlConfig, GlContext};
use crate::device::host::HostConfig;
use crate::device::wgpu::WgpuConfig;
use crate::error::{Error, Label, Result, Status};
use crate::ffi::callback::{Writer, bb_write_fn};
use crate::ffi::guard::{destroy, guard, on};
use crate::ffi::handle::{Kind, bb_device};
use crate::ffi::input;
use crate::ffi::object::{Object, ReservedSlot, create_at};
use crate::ffi::status::bb_status;
use crate::sys::clock::Timeout;

/// The calling thread owns the device: the device's work runs in `bb_device_poll()` and in waits on that thread.
///
/// When that thread ends, the device is lost: every call on it fails with BB_E_DEVICE_LOST, and queued calls and
/// pending requests complete with it, with their callbacks on that thread. Mapped bytes stay valid.
/// `bb_device_destroy()` on any thread ends the handle.
pub const BB_DEVICE_HOST_DRIVEN: u32 = 1;

bitflags! {
    struct DeviceFlags: u32 {
        const HOST_DRIVEN = BB_DEVICE_HOST_DRIVEN;
    }
}

pub(super) fn host_driven(flags: u32) -> Result<bool> {
    Ok(input::flags::<DeviceFlags>(flags, "flags")?.contains(DeviceFlags::HOST_DRIVEN))
}

/// Returns the address of an OpenGL function: `SDL_GL_GetProcAddress`, `glfwGetProcAddress`, `eglGetProcAddress` or
/// similar.
pub type bb_gl_get_proc = Option<unsafe extern "C" fn(name: *const c_char) -> *mut c_void>;

/// Parameters of a new OpenGL device. All zeros except for `struct_size`, or NULL: a headless device.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_gl_config {
    /// Bytes of this struct in the caller's version.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Label in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none.
    pub label: *const c_char,
    /// The `EGLDisplay` of the program's own context, to share objects with it; NULL for none.
    pub egl_display: *mut c_void,
    /// The `EGLContext` to share objects with; NULL for none. It may be current on any thread, and must exist during
    /// the call only.
    pub egl_context: *mut c_void,
}

/// Parameters of a new WebGPU device. All zeros except for `struct_size`, or NULL: a device on the best adapter.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_wgpu_config {
    /// Bytes of this struct in the caller's version.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Label in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none.
    pub label: *const c_char,
    /// The adapter: `vulkan`, `gl`, or part of an adapter's name; case is ignored. NULL or empty prefers a GPU to a
    /// driver that renders on the CPU, and Vulkan to OpenGL ES. `noop` is for tests: it needs no driver and runs no
    /// shaders.
    pub adapter: *const c_char,
}

/// Creates a device on host memory. It behaves as a device on OpenGL, and needs no driver.
///
/// @param flags 0, or `BB_DEVICE_HOST_DRIVEN`
/// @param label label in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none
/// @param device the handle is written here
/// @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (flags, label that is not UTF-8), BB_E_OUT_OF_MEMORY, BB_E_LIMIT (threads,
///         handles), BB_E_UNSUPPORTED (the system refuses a thread)
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread; with `BB_DEVICE_HOST_DRIVEN` that thread owns the device
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_create_host(
    flags: u32,
    label: *const c_char,
    device: *mut *mut bb_device,
) -> bb_status {
    guard("bb_device_create_host", || {
        // SAFETY: the header requires memory for a handle, and a string or NULL.
        let (out, label) = unsafe { (input::output(device, "device")?, input::name(label, "label")?) };
        let host_driven = host_driven(flags)?;
        create_at(out, || Device::host(HostConfig { label, host_driven, ..HostConfig::default() }))
    })
}

/// Creates a device on OpenGL 3.3 or newer.
///
/// - Headless: no flags, `get_proc` and `config` NULL. A thread of the library owns a context that it creates with
///   EGL.
/// - Shared: as headless, and the config has the program's `EGLDisplay` and `EGLContext`. Buffers of the device are
///   usable in that context.
/// - Host-driven: `BB_DEVICE_HOST_DRIVEN` and a `get_proc`. The program's context, which is current on the calling
///   thread, does the work in calls of `bb_device_poll()` on this thread. It works with every window system. The
///   context must be current whenever the library is called on this thread. The library changes no state except for
///   the bindings of `GL_COPY_READ_BUFFER` and `GL_COPY_WRITE_BUFFER`. Errors that the program has not read with
///   `glGetError` are cleared and logged.
///
/// The environment variable `BACKBUF_GL_CAPS` lists the optional features that may be used: `none`, or some of
/// `buffer_storage,debug,robustness`. All of them may be used if it is not set.
///
/// @param flags 0, or `BB_DEVICE_HOST_DRIVEN`
/// @param get_proc returns the addresses of functions; required with `BB_DEVICE_HOST_DRIVEN`, else NULL
/// @param config parameters, or NULL for the defaults
/// @param device the handle is written here
/// @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (flags, get_proc, config, a context of another API), BB_E_VERSION,
///         BB_E_STATE (host-driven, and no context is current on this thread), BB_E_UNSUPPORTED (no EGL, no driver,
///         no context, too old a version: the message names it), BB_E_OUT_OF_MEMORY, BB_E_LIMIT
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread; with `BB_DEVICE_HOST_DRIVEN` that thread owns the device
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_create_gl(
    flags: u32,
    get_proc: bb_gl_get_proc,
    config: *const bb_gl_config,
    device: *mut *mut bb_device,
) -> bb_status {
    guard("bb_device_create_gl", || {
        // SAFETY: the header requires memory for a handle, and a config or NULL.
        let (out, config) =
            unsafe { (input::output(device, "device")?, input::optional_struct(config, GL_DEFAULTS)?) };
        let host_driven = host_driven(flags)?;
        let context = context(host_driven, get_proc, &config)?;
        // SAFETY: the header requires a string or NULL.
        let label = unsafe { input::name(config.label, "config.label") }?;
        create_at(out, || Device::gl(GlConfig { label, context }))
    })
}

const GL_DEFAULTS: bb_gl_config = bb_gl_config {
    struct_size: size_of::<bb_gl_config>() as u32,
    reserved: 0,
    label: std::ptr::null(),
    egl_display: std::ptr::null_mut(),
    egl_context: std::ptr::null_mut(),
};

fn context(host_driven: bool, get_proc: bb_gl_get_proc, config: &bb_gl_config) -> Result<GlContext> {
    let shared = !config.egl_display.is_null() || !config.egl_context.is_null();
    match (host_driven, get_proc) {
        (true, Some(get_proc)) if !shared => {
            let find = boxed(move |name: &CStr| {
                // SAFETY: the caller's function, on the owner thread, with a terminated name.
                unsafe { get_proc(name.as_ptr()) }.cast_const()
            })?;
            // SAFETY: what it finds are OpenGL's functions, as the header asks.
            Ok(unsafe { GlContext::host_driven(find) })
        }
        (true, None) => {
            Err(Error::param(Status::Null, "get_proc", "is NULL; BB_DEVICE_HOST_DRIVEN requires it"))
        }
        (true, Some(_)) => Err(Error::param(
            Status::Argument,
            "config.egl_context",
            "must be NULL with BB_DEVICE_HOST_DRIVEN, which uses the current context",
        )),
        (false, Some(_)) => {
            Err(Error::param(Status::Argument, "get_proc", "must be NULL without BB_DEVICE_HOST_DRIVEN"))
        }
        (false, None) if !shared => Ok(GlContext::headless()),
        (false, None) if config.egl_display.is_null() => {
            Err(Error::param(Status::Null, "config.egl_display", "is NULL, and egl_context is not"))
        }
        (false, None) if config.egl_context.is_null() => {
            Err(Error::param(Status::Null, "config.egl_context", "is NULL, and egl_display is not"))
        }
        // SAFETY: a display and a context of EGL, as the header asks.
        (false, None) => Ok(unsafe { GlContext::shared(config.egl_display, config.egl_context) }),
    }
}

/// Creates a device on WebGPU, on an adapter of its own. The library must be built with WebGPU: CMake's
/// `BACKBUF_WGPU`, Cargo's feature `wgpu`.
///
/// @param flags 0, or `BB_DEVICE_HOST_DRIVEN`
/// @param config parameters, or NULL for the defaults
/// @param device the handle is written here
/// @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (flags, label or adapter that is not UTF-8), BB_E_VERSION,
///         BB_E_UNSUPPORTED (a build without WebGPU, no driver, no such adapter: the message names it),
///         BB_E_OUT_OF_MEMORY, BB_E_LIMIT
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread; with `BB_DEVICE_HOST_DRIVEN` that thread owns the device
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_create_wgpu(
    flags: u32,
    config: *const bb_wgpu_config,
    device: *mut *mut bb_device,
) -> bb_status {
    guard("bb_device_create_wgpu", || {
        // SAFETY: the header requires memory for a handle, and a config or NULL.
        let (out, config) =
            unsafe { (input::output(device, "device")?, input::optional_struct(config, WGPU_DEFAULTS)?) };
        input::reserved(config.reserved, "config.reserved")?;
        let host_driven = host_driven(flags)?;
        // SAFETY: the header requires strings or NULL.
        let (label, adapter) = unsafe {
            (input::name(config.label, "config.label")?, input::name(config.adapter, "config.adapter")?)
        };
        let slot = ReservedSlot::take()?;
        #[cfg_attr(
            not(feature = "wgpu"),
            expect(clippy::needless_update, reason = "with it there is a field more")
        )]
        let config = WgpuConfig { label, host_driven, adapter, ..WgpuConfig::default() };
        let device = Device::wgpu(config)?;
        out.set(slot.fill(device)? as *mut bb_device)
    })
}

const WGPU_DEFAULTS: bb_wgpu_config = bb_wgpu_config {
    struct_size: size_of::<bb_wgpu_config>() as u32,
    reserved: 0,
    label: std::ptr::null(),
    adapter: std::ptr::null(),
};

/// `bb_device_info.kind`: host memory.
pub const BB_DEVICE_HOST: u32 = 1;
/// `bb_device_info.kind`: OpenGL.
pub const BB_DEVICE_GL: u32 = 2;
/// `bb_device_info.kind`: WebGPU.
pub const BB_DEVICE_WGPU: u32 = 3;
/// `bb_device_info.kind`: a driver of the program.
pub const BB_DEVICE_CUSTOM: u32 = 4;

/// Information about a device.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_device_info {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// `BB_DEVICE_HOST`, `BB_DEVICE_GL`, `BB_DEVICE_WGPU` or `BB_DEVICE_CUSTOM`.
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
    /// Calls of the native API for writes and copies, up to the last submit; 0 if the backend does not count them.
    pub native_calls: u64,
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
/// @realtime may block, may make a system call, may allocate
/// @threadsafety owner thread only
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
/// @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the fence
///           has passed
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
/// @realtime wait-free, no system call, no allocation
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
/// @realtime wait-free, no system call, no allocation
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
/// @realtime may block, may make a system call, may allocate
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
        // Buffers of managers and of custom drivers.
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
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread; for a host-driven device, the owner thread unless it has ended
#[unsafe(no_mangle)]
pub extern "C" fn bb_device_destroy(device: *mut bb_device) -> bb_status {
    destroy::<Device, _>("bb_device_destroy", device)
}

fn describe(info: &DeviceInfo, label: &Label, struct_size: u32) -> bb_device_info {
    bb_device_info {
        struct_size,
        kind: match info.kind {
            DeviceKind::Host => BB_DEVICE_HOST,
            DeviceKind::Gl => BB_DEVICE_GL,
            DeviceKind::Wgpu => BB_DEVICE_WGPU,
            DeviceKind::Custom => BB_DEVICE_CUSTOM,
        },
        max_buffer_size: info.limits.max_buffer_size,
        uniform_offset_alignment: info.limits.uniform_offset_alignment,
        storage_offset_alignment: info.limits.storage_offset_alignment,
        name: input::chars(info.name.as_str()),
        version: input::chars(info.version.as_str()),
        capabilities: input::chars(info.capabilities.as_str()),
        label: input::chars(label.as_str()),
    }
}

fn count(device: &Device, struct_size: u32) -> bb_device_stats {
    let stats = device.statistics();
    copy_fields! {
        bb_device_stats { struct_size: struct_size, lost: u32::from(device.lost().is_some()) } from stats:
        buffers_created, buffers_deleted, live_bytes, calls, writes, bytes_written, copies, bytes_copied, maps, submits, waits,
        native_calls
    }
}
