//! How a `bb_device` is made: on host memory, OpenGL or WebGPU.

use std::ffi::{CStr, c_char, c_void};

use super::guard::guard;
use super::input;
use super::object::Seat;
use super::opaque::bb_device;
use super::status::bb_status;
use crate::alloc::try_box;
use crate::device::device::Device;
use crate::device::gl::{GlConfig, GlContext};
use crate::device::host::HostConfig;
use crate::device::wgpu::WgpuConfig;
use crate::error::{Error, Result, Status};

/// The calling thread owns the device: the device's work runs in `bb_device_poll()` and in waits on that thread.
///
/// When that thread ends, the device is lost: every call on it fails with BB_E_DEVICE_LOST, and queued calls and
/// pending requests complete with it, with their callbacks on that thread. Mapped bytes stay valid.
/// `bb_device_destroy()` on any thread ends the handle.
pub const BB_DEVICE_HOST_DRIVEN: u32 = 1;

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
/// @threadsafety safe to call from any thread; with `BB_DEVICE_HOST_DRIVEN` that thread owns the device
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_create_host(
    flags: u32,
    label: *const c_char,
    device: *mut *mut bb_device,
) -> bb_status {
    guard("bb_device_create_host", || {
        // SAFETY: the header requires memory for a handle, and a string or NULL.
        let (place, label) = unsafe { (input::output(device, "device")?, input::name(label, "label")?) };
        let host_driven = input::flags(flags, BB_DEVICE_HOST_DRIVEN, "flags")? != 0;
        let seat = Seat::take()?;
        let device = Device::host(HostConfig { label, host_driven, ..HostConfig::default() })?;
        place.set(seat.seat(device)? as *mut bb_device)
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
/// @threadsafety safe to call from any thread; with `BB_DEVICE_HOST_DRIVEN` that thread owns the device
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_create_gl(
    flags: u32,
    get_proc: bb_gl_get_proc,
    config: *const bb_gl_config,
    device: *mut *mut bb_device,
) -> bb_status {
    guard("bb_device_create_gl", || {
        // SAFETY: the header requires memory for a handle, and a config or NULL.
        let (place, config) =
            unsafe { (input::output(device, "device")?, input::optional(config, GL_DEFAULTS)?) };
        let host_driven = input::flags(flags, BB_DEVICE_HOST_DRIVEN, "flags")? != 0;
        let context = context(host_driven, get_proc, &config)?;
        // SAFETY: the header requires a string or NULL.
        let label = unsafe { input::name(config.label, "config.label") }?;
        let seat = Seat::take()?;
        let device = Device::gl(GlConfig { label, context })?;
        place.set(seat.seat(device)? as *mut bb_device)
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
            let find = try_box(move |name: &CStr| {
                // SAFETY: the caller's function, on the owner thread, with a terminated name.
                unsafe { get_proc(name.as_ptr()) }.cast_const()
            })
            .map_err(|_| Error::of(Status::OutOfMemory))?;
            // SAFETY: what it finds are OpenGL's functions, as the header asks.
            Ok(unsafe { GlContext::host_driven(find) })
        }
        (true, None) => {
            Err(Error::param(Status::Null, "get_proc", "is NULL; BB_DEVICE_HOST_DRIVEN needs it"))
        }
        (true, Some(_)) => Err(Error::param(
            Status::Argument,
            "config.egl_context",
            "goes without BB_DEVICE_HOST_DRIVEN, whose context is the one that is current",
        )),
        (false, Some(_)) => {
            Err(Error::param(Status::Argument, "get_proc", "goes only with BB_DEVICE_HOST_DRIVEN"))
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
/// @threadsafety safe to call from any thread; with `BB_DEVICE_HOST_DRIVEN` that thread owns the device
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_create_wgpu(
    flags: u32,
    config: *const bb_wgpu_config,
    device: *mut *mut bb_device,
) -> bb_status {
    guard("bb_device_create_wgpu", || {
        // SAFETY: the header requires memory for a handle, and a config or NULL.
        let (place, config) =
            unsafe { (input::output(device, "device")?, input::optional(config, WGPU_DEFAULTS)?) };
        if config.reserved != 0 {
            return Err(Error::value(Status::Argument, "config.reserved", config.reserved, "must be 0"));
        }
        let host_driven = input::flags(flags, BB_DEVICE_HOST_DRIVEN, "flags")? != 0;
        // SAFETY: the header requires strings or NULL.
        let (label, adapter) = unsafe {
            (input::name(config.label, "config.label")?, input::name(config.adapter, "config.adapter")?)
        };
        let seat = Seat::take()?;
        #[cfg_attr(
            not(feature = "wgpu"),
            expect(clippy::needless_update, reason = "with it there is a field more")
        )]
        let config = WgpuConfig { label, host_driven, adapter, ..WgpuConfig::default() };
        let device = Device::wgpu(config)?;
        place.set(seat.seat(device)? as *mut bb_device)
    })
}

const WGPU_DEFAULTS: bb_wgpu_config = bb_wgpu_config {
    struct_size: size_of::<bb_wgpu_config>() as u32,
    reserved: 0,
    label: std::ptr::null(),
    adapter: std::ptr::null(),
};
