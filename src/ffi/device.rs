//! `bb_device`: who owns memory and a timeline. Made, polled, looked at, destroyed.

use std::ffi::{CStr, c_char, c_void};
use std::fmt::Write;

use super::callback::{Writer, bb_write_fn};
use super::guard::{guard, on, take};
use super::handle::Kind;
use super::input;
use super::object::{Object, Seat};
use super::opaque::bb_device;
use super::status::bb_status;
use crate::Timeout;
use crate::device::{Device, DeviceKind, Fence, GlConfig, GlContext, HostConfig, Info};
use crate::error::{Error, Label, Result, Status};
use crate::memory::try_box;

/// The calling thread owns the device: its work runs in `bb_device_poll()` and in waits on that thread.
pub const BB_DEVICE_HOST_DRIVEN: u32 = 1;

/// `bb_device_info.kind`: host memory.
pub const BB_DEVICE_HOST: u32 = 1;
/// `bb_device_info.kind`: OpenGL.
pub const BB_DEVICE_GL: u32 = 2;

/// Where OpenGL's functions are: `SDL_GL_GetProcAddress`, `glfwGetProcAddress`, `eglGetProcAddress` and their like.
pub type bb_gl_get_proc = Option<unsafe extern "C" fn(name: *const c_char) -> *mut c_void>;

/// How an OpenGL device is made. All zeros but `struct_size`, or NULL, is a headless one.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_gl_config {
    /// Bytes of this struct, as the caller knows it.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Name in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none.
    pub label: *const c_char,
    /// The `EGLDisplay` of the program's own context, to share objects with it; NULL for none.
    pub egl_display: *mut c_void,
    /// The `EGLContext` to share objects with; NULL for none. It may be current on any thread, and must outlive the call only.
    pub egl_context: *mut c_void,
}

/// What a device is.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_device_info {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// `BB_DEVICE_HOST`, `BB_DEVICE_GL`.
    pub kind: u32,
    /// Bytes of the largest buffer.
    pub max_buffer_size: u64,
    /// Offsets of uniform ranges are multiples of it.
    pub uniform_offset_alignment: u64,
    /// Offsets of storage ranges are multiples of it.
    pub storage_offset_alignment: u64,
    /// Who renders; NUL-terminated.
    pub name: [c_char; 128],
    /// The version of the API and of the driver; NUL-terminated.
    pub version: [c_char; 128],
    /// The optional abilities that are used, separated by commas; NUL-terminated.
    pub capabilities: [c_char; 128],
    /// NUL-terminated.
    pub label: [c_char; 64],
}

/// What a device has done.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_device_stats {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// 1 once the device is lost.
    pub lost: u32,
    /// Native buffers made.
    pub buffers_created: u64,
    /// Native buffers given back.
    pub buffers_deleted: u64,
    /// Bytes of the native buffers that are there.
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
    /// Waits for fences that had not passed at once.
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

/// Makes a device on host memory: the same as OpenGL to whoever uses it, with no driver needed.
///
/// @param flags 0, or `BB_DEVICE_HOST_DRIVEN`
/// @param label name in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none
/// @param device the handle is written here
/// @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (flags, label that is not UTF-8), BB_E_OUT_OF_MEMORY, BB_E_LIMIT
/// @threadsafety safe to call from any thread; with `BB_DEVICE_HOST_DRIVEN` that thread owns the device
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_create_host(
    flags: u32,
    label: *const c_char,
    device: *mut *mut bb_device,
) -> bb_status {
    guard("bb_device_create_host", || {
        // SAFETY: the header asks for a place for a handle, and a string or NULL.
        let (place, label) = unsafe { (input::output(device, "device")?, input::name(label, "label")?) };
        let host_driven = input::flags(flags, BB_DEVICE_HOST_DRIVEN, "flags")? != 0;
        let seat = Seat::take()?;
        let device = Device::host(HostConfig { label, host_driven, ..HostConfig::default() })?;
        place.set(seat.seat(device)? as *mut bb_device)
    })
}

/// Makes a device on OpenGL 3.3 or newer.
///
/// - Headless: no flags, `get_proc` and `config` NULL. The library's own thread owns a context of its own, made by EGL.
/// - Shared: as headless, and the config gives the program's `EGLDisplay` and `EGLContext`. What the library makes is known
///   there.
/// - Host-driven: `BB_DEVICE_HOST_DRIVEN` and a `get_proc`. The program's context, current on the calling thread, is used as it
///   is, by calls of `bb_device_poll()` on this thread. It works with every window system. Between polls the context must be
///   current when the library is called on this thread, and the library leaves no state changed but what is bound to
///   `GL_COPY_READ_BUFFER` and `GL_COPY_WRITE_BUFFER`.
///
/// The environment variable `BACKBUF_GL_CAPS` lists the optional abilities that may be used: `none`, or some of
/// `buffer_storage,debug,robustness`; all of them where it is not set.
///
/// @param flags 0, or `BB_DEVICE_HOST_DRIVEN`
/// @param get_proc where functions are, or NULL; needed with `BB_DEVICE_HOST_DRIVEN`, refused otherwise
/// @param config how, or NULL for the defaults
/// @param device the handle is written here
/// @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (flags, get_proc, config, a context of another API), BB_E_VERSION,
///         BB_E_STATE (host-driven, and no context is current on this thread),
///         BB_E_UNSUPPORTED (no EGL, no driver, no context, too old a version: the message tells which), BB_E_OUT_OF_MEMORY,
///         BB_E_LIMIT
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
        // SAFETY: the header asks for a place for a handle, and a config or NULL.
        let (place, config) = unsafe { (input::output(device, "device")?, read(config)?) };
        let host_driven = input::flags(flags, BB_DEVICE_HOST_DRIVEN, "flags")? != 0;
        let context = context(host_driven, get_proc, &config)?;
        // SAFETY: the header asks for a string or NULL.
        let label = unsafe { input::name(config.label, "label") }?;
        let seat = Seat::take()?;
        let device = Device::gl(GlConfig { label, context })?;
        place.set(seat.seat(device)? as *mut bb_device)
    })
}

/// # Safety
///
/// NULL, or a config with as many bytes as it says.
unsafe fn read(config: *const bb_gl_config) -> Result<bb_gl_config> {
    let defaults = bb_gl_config {
        struct_size: size_of::<bb_gl_config>() as u32,
        reserved: 0,
        label: std::ptr::null(),
        egl_display: std::ptr::null_mut(),
        egl_context: std::ptr::null_mut(),
    };
    if config.is_null() {
        return Ok(defaults);
    }
    // SAFETY: the caller's promise; integers and pointers are legal whatever their bits.
    unsafe { input::versioned(config, defaults) }
}

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

/// Runs a host-driven device's work: uploads, copies and fences of whatever stands on it, on the thread that owns it.
///
/// It ends when there is nothing to do or the budget is used up; the step that is running then, at most 1 MiB of an upload, is
/// finished. It does not wait for more work.
///
/// @param device a device made with `BB_DEVICE_HOST_DRIVEN`
/// @param budget nanoseconds to spend; 0 runs one step, BB_FOREVER all there is
/// @return BB_OK, BB_E_STATE (the library's own thread drives it), BB_E_WRONG_THREAD, BB_E_RECURSIVE (inside the device's own
///         work), BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety on the owner thread only
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_device_poll(device: *mut bb_device, budget: u64) -> bb_status {
    on("bb_device_poll", device, |device: &Device| device.poll(Timeout::nanos(budget)))
}

/// Waits until everything that was submitted up to a fence is done. On the owner thread of a host-driven device this drives it.
///
/// @param device the device
/// @param fence from `bb_encoder_submit()`
/// @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
/// @return BB_OK, BB_E_TIMEOUT, BB_E_ARGUMENT (nothing was submitted under that number), BB_E_DEVICE_LOST, BB_E_RECURSIVE (in a
///         callback on the owner thread), BB_E_STATE (on the owner thread), BB_E_INTERRUPTED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE,
///         BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_device_wait_fence(device: *mut bb_device, fence: u64, timeout: u64) -> bb_status {
    on("bb_device_wait_fence", device, |device: &Device| {
        device.wait_fence(Fence(fence), Timeout::nanos(timeout))
    })
}

/// Tells what a device is.
///
/// @param device the device
/// @param struct_size `sizeof(bb_device_info)`
/// @param info written
/// @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_info_get(
    device: *mut bb_device,
    struct_size: u32,
    info: *mut bb_device_info,
) -> bb_status {
    // SAFETY: the header asks for a place of `struct_size` bytes.
    on("bb_device_info_get", device, |device: &Device| unsafe {
        input::write_sized(struct_size, info, "info", |size| {
            describe(device.info(), &Device::label(device), size)
        })
    })
}

/// Tells what a device has done.
///
/// @param device the device
/// @param struct_size `sizeof(bb_device_stats)`
/// @param stats written
/// @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_stats_get(
    device: *mut bb_device,
    struct_size: u32,
    stats: *mut bb_device_stats,
) -> bb_status {
    // SAFETY: the header asks for a place of `struct_size` bytes.
    on("bb_device_stats_get", device, |device: &Device| unsafe {
        input::write_sized(struct_size, stats, "stats", |size| count(device, size))
    })
}

/// Names each buffer that is there: label, bytes, usage, and the state of those that are mapped by requests (`MapPending`: one has
/// not been answered). Nothing is written where there is none.
///
/// @param device the device
/// @param write called with pieces of text on this thread
/// @param user_data handed to `write`
/// @return BB_OK, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
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
        // SAFETY: the header asks for a function that may be called with its user data.
        let mut writer = unsafe { Writer::new(write, user_data) };
        let mapped = crate::buffers::leak_report(device)?;
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

/// Destroys a device, with its context if that is the library's own. Native buffers of what still stands on it go with it: its
/// managers go on in host memory, and publish no more (`BB_E_DEVICE_LOST`).
///
/// A host-driven device is destroyed on its owner thread, while its context is current there.
///
/// @param device the device; NULL is a no-op
/// @return BB_OK, BB_E_WRONG_THREAD, BB_E_RECURSIVE (inside the device's own work), BB_E_STALE (also all but one of several
///         threads that destroy it), BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread, but for host-driven ones
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_device_destroy(device: *mut bb_device) -> bb_status {
    if device.is_null() {
        return bb_status::BB_OK;
    }
    take("bb_device_destroy", device, |_: Device| Ok(()))
}

/// Text of a struct that C reads, cut where it does not fit.
pub(super) fn text<const N: usize>(from: &str) -> [c_char; N] {
    let mut place = [0; N];
    place.iter_mut().zip(from.bytes()).for_each(|(to, from)| *to = from as c_char);
    place
}

fn describe(info: &Info, label: &Label, struct_size: u32) -> bb_device_info {
    bb_device_info {
        struct_size,
        kind: match info.kind {
            DeviceKind::Host => BB_DEVICE_HOST,
            DeviceKind::Gl => BB_DEVICE_GL,
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
