//! `bb_driver` and `bb_driver_info`: a device backend as a table of C functions, and the checks of its members.

use std::ffi::{CStr, c_char, c_void};

use crate::device::driver::{DeviceInfo, DeviceKind, DeviceLimits};
use crate::error::{Error, Label, Result, Status};
use crate::ffi::callback::bb_drop_fn;
use crate::ffi::input;

/// What a driver reports about its device. The library fills it with defaults before it calls `bb_driver.open`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_driver_info {
    /// Bytes of this struct in the library's version; a driver writes no more.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Maximum size of a buffer in bytes, at least 4; rounded down to a multiple of 4. Default: 2^62.
    pub max_buffer_size: u64,
    /// Offsets of uniform ranges are multiples of it: a power of two. Default: 256.
    pub uniform_offset_alignment: u64,
    /// Offsets of storage ranges are multiples of it: a power of two. Default: 256.
    pub storage_offset_alignment: u64,
    /// Name of the adapter or renderer, NUL-terminated UTF-8. Default: `custom`.
    pub name: [c_char; 128],
    /// Version of the API and of the driver, NUL-terminated UTF-8. Default: empty.
    pub version: [c_char; 128],
    /// Optional features in use, separated by commas, NUL-terminated UTF-8. Default: empty.
    pub capabilities: [c_char; 128],
}

/// A device backend as a table of functions: what the program implements to run managers and buffers on an engine's
/// own memory and queue. Zero it, set `struct_size` to `sizeof(bb_driver)`, and set the functions.
///
/// - Thread: every function but those of renderers runs on the device's owner thread, one call at a time: a thread of the
///   library, or with `BB_DEVICE_HOST_DRIVEN` the thread that creates the device. A driver without renderers needs no
///   locks.
/// - Work: `write` and `copy` take effect in the order of their calls. A driver may collect them until `submit`.
/// - Arguments are checked before a call: buffers exist, ranges lie inside of them and have at least one byte, mapped
///   buffers get no work. A driver need not check them again.
/// - Results: functions with a status return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_BACKEND or BB_E_DEVICE_LOST. Any other
///   number counts as BB_E_BACKEND. A failed call has changed nothing; its outputs are not read. BB_E_DEVICE_LOST ends
///   the device; any other failure concerns that call only, and what needed it may be tried again.
/// - Outputs are checked as well: a value that is out of range is BB_E_BACKEND or BB_E_DEVICE_LOST with a message that
///   names the function. The memory behind `data` is trusted.
/// - A function may use the library, but not its own device (BB_E_RECURSIVE). It must not throw, longjmp, end its thread
///   or block without end: the behaviour is then undefined. `backbuf::Driver` (backbuf/driver.hpp) catches exceptions.
/// - A forked child calls no function of its parent's drivers.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_driver {
    /// Bytes of this struct in the caller's version.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// The driver's own state: the first argument of every function.
    pub user_data: *mut c_void,
    /// Releases `user_data` when the device has ended, after `close`, on the owner thread; may be NULL. Not called if the
    /// device could not be created: `user_data` then stays the caller's. Neither it nor `close` is called if the program
    /// holds a mapped range of the device when it ends (in Rust): that memory then stays for ever.
    pub drop: bb_drop_fn,
    /// Prepares the driver on the owner thread and describes the device. The first call, made once. A failure is the
    /// result of `bb_device_create_driver()`, which may also be BB_E_UNSUPPORTED or BB_E_LIMIT.
    pub open: Option<unsafe extern "C" fn(user_data: *mut c_void, info: *mut bb_driver_info) -> i32>,
    /// Ends what `open` began; may be NULL. Called once if `open` has succeeded, after all buffers are deleted, also if
    /// the device could not be created. Not called where the owner thread of a host-driven device has ended without
    /// destroying it, nor while mapped bytes of the device are in use.
    pub close: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    /// Creates a buffer of `bytes` zeros and writes its handle to `native`: not 0, and not the handle of another buffer
    /// that exists. `usage` has the flags of `bb_buffer_desc.usage`. `label` is valid during the call.
    pub create_buffer: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            bytes: u64,
            usage: u32,
            label: *const c_char,
            native: *mut u64,
        ) -> i32,
    >,
    /// As `create_buffer`, and the buffer is mapped for writing as a whole, whatever its usage, until `unmap`. NULL if
    /// every new buffer can be mapped by `map`, which is then called instead.
    pub create_mapped: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            bytes: u64,
            usage: u32,
            label: *const c_char,
            native: *mut u64,
            data: *mut *mut c_void,
        ) -> i32,
    >,
    /// As `create_buffer`, and the host writes to `data` at any time until `delete_buffer`: a submit sees what was
    /// written before it. NULL if there is no such memory.
    pub create_persistent: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            bytes: u64,
            usage: u32,
            label: *const c_char,
            native: *mut u64,
            data: *mut *mut c_void,
        ) -> i32,
    >,
    /// Deletes a buffer, also one that is mapped. Work that was given before may still use it: the driver keeps the memory
    /// until that work is done.
    pub delete_buffer: Option<unsafe extern "C" fn(user_data: *mut c_void, native: u64)>,
    /// Writes to a buffer. The data is read before the call returns; offset and length have any alignment.
    pub write: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            native: u64,
            offset: u64,
            data: *const c_void,
            bytes: u64,
        ) -> i32,
    >,
    /// Copies from one buffer to another one.
    pub copy: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            from: u64,
            from_offset: u64,
            to: u64,
            to_offset: u64,
            bytes: u64,
        ) -> i32,
    >,
    /// Maps a range and writes its address to `data`: not NULL, and a multiple of 8 if `offset` is. `mode` is
    /// `BB_MAP_READ` or `BB_MAP_WRITE`. The work that uses the buffer is done; no work is given to it
    /// before `unmap`. A buffer has one mapping at a time.
    pub map: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            native: u64,
            mode: u32,
            offset: u64,
            bytes: u64,
            data: *mut *mut c_void,
        ) -> i32,
    >,
    /// Ends a mapping. After a failure it still exists.
    pub unmap: Option<unsafe extern "C" fn(user_data: *mut c_void, native: u64) -> i32>,
    /// Submits all work so far; when it is done, fence `fence` passes. Fences are 1, 2, 3 and so on. A failed submit keeps
    /// the work, and the next one has the same number.
    pub submit: Option<unsafe extern "C" fn(user_data: *mut c_void, fence: u64) -> i32>,
    /// Waits at most `timeout` nanoseconds, asleep, for a submitted fence; 0 polls. Writes the newest fence that has passed
    /// to `completed`, which holds the last one written: it never falls, and is at most the last fence submitted.
    /// BB_E_TIMEOUT is also allowed, and counts as BB_OK. A failure loses the device.
    pub wait: Option<
        unsafe extern "C" fn(user_data: *mut c_void, fence: u64, timeout: u64, completed: *mut u64) -> i32,
    >,
    /// Returns why the last call has failed: NUL-terminated text for error messages, valid until the next call, or NULL.
    /// Called at once after a failure on the owner thread, and not for the functions of renderers. May be NULL.
    pub error_text: Option<unsafe extern "C" fn(user_data: *mut c_void) -> *const c_char>,
    /// Returns how many calls of the native API the driver has made for writes and copies:
    /// `bb_device_stats.native_calls`. May be NULL.
    pub native_calls: Option<unsafe extern "C" fn(user_data: *mut c_void) -> u64>,
    /// Writes a fence that passes when all work so far is done, for the queues or contexts of renderers that use the
    /// device's buffers; 0 if there is nothing to wait for. `discard_fence` ends it.
    ///
    /// This function and the six below are the side of the renderers: all of them, or all NULL. With them, a front of a
    /// manager waits on the device for its upload and not on the CPU, and a buffer is not written before the renderers'
    /// fences have passed. Fences that exist when the device ends are not discarded: `close` ends them.
    pub export_fence: Option<unsafe extern "C" fn(user_data: *mut c_void, fence: *mut u64) -> i32>,
    /// Makes later work of the device wait, on the device, for a fence of `renderer_fence` or `export_fence`, and ends
    /// that fence. After a failure it still exists.
    pub import_fence: Option<unsafe extern "C" fn(user_data: *mut c_void, fence: u64) -> i32>,
    /// Ends a fence of `export_fence` or `renderer_fence` that nothing will wait for.
    pub discard_fence: Option<unsafe extern "C" fn(user_data: *mut c_void, fence: u64)>,
    /// Returns BB_OK if the calling thread can use the device's buffers: for example, if a context that shares them is
    /// current on it. Otherwise BB_E_STATE, which is the result of the call that acquires or releases a front.
    ///
    /// This function and the three below run on the program's threads, also several at once and beside the functions of
    /// the owner thread. None begins after `close`, which waits for them.
    pub check_renderer: Option<unsafe extern "C" fn(user_data: *mut c_void) -> i32>,
    /// Makes later work of the calling thread's queue or context wait, on the device, for a fence of `export_fence`. The
    /// fence stays.
    pub renderer_wait: Option<unsafe extern "C" fn(user_data: *mut c_void, fence: u64)>,
    /// Writes a fence that passes when all work of the calling thread's queue or context so far is done; 0 if there is
    /// nothing to wait for. Also BB_E_STATE, as `check_renderer`.
    pub renderer_fence: Option<unsafe extern "C" fn(user_data: *mut c_void, fence: *mut u64) -> i32>,
    /// Ends a fence of `renderer_fence` if it has passed, and returns whether it has. It never waits.
    pub renderer_reap: Option<unsafe extern "C" fn(user_data: *mut c_void, fence: u64) -> bool>,
}

pub(super) const NO_DRIVER: bb_driver = bb_driver {
    struct_size: size_of::<bb_driver>() as u32,
    reserved: 0,
    user_data: std::ptr::null_mut(),
    drop: None,
    open: None,
    close: None,
    create_buffer: None,
    create_mapped: None,
    create_persistent: None,
    delete_buffer: None,
    write: None,
    copy: None,
    map: None,
    unmap: None,
    submit: None,
    wait: None,
    error_text: None,
    native_calls: None,
    export_fence: None,
    import_fence: None,
    discard_fence: None,
    check_renderer: None,
    renderer_wait: None,
    renderer_fence: None,
    renderer_reap: None,
};

pub(super) type Create = unsafe extern "C" fn(*mut c_void, u64, u32, *const c_char, *mut u64) -> i32;
pub(super) type CreateMapped =
    unsafe extern "C" fn(*mut c_void, u64, u32, *const c_char, *mut u64, *mut *mut c_void) -> i32;

/// The functions of a `bb_driver`, the required ones present.
#[derive(Clone, Copy, Debug)]
pub(super) struct Functions {
    pub(super) open: unsafe extern "C" fn(*mut c_void, *mut bb_driver_info) -> i32,
    pub(super) close: Option<unsafe extern "C" fn(*mut c_void)>,
    pub(super) create_buffer: Create,
    pub(super) create_mapped: Option<CreateMapped>,
    pub(super) create_persistent: Option<CreateMapped>,
    pub(super) delete_buffer: unsafe extern "C" fn(*mut c_void, u64),
    pub(super) write: unsafe extern "C" fn(*mut c_void, u64, u64, *const c_void, u64) -> i32,
    pub(super) copy: unsafe extern "C" fn(*mut c_void, u64, u64, u64, u64, u64) -> i32,
    pub(super) map: unsafe extern "C" fn(*mut c_void, u64, u32, u64, u64, *mut *mut c_void) -> i32,
    pub(super) unmap: unsafe extern "C" fn(*mut c_void, u64) -> i32,
    pub(super) submit: unsafe extern "C" fn(*mut c_void, u64) -> i32,
    pub(super) wait: unsafe extern "C" fn(*mut c_void, u64, u64, *mut u64) -> i32,
    pub(super) error_text: Option<unsafe extern "C" fn(*mut c_void) -> *const c_char>,
    pub(super) native_calls: Option<unsafe extern "C" fn(*mut c_void) -> u64>,
    pub(super) renderer: Option<RendererFunctions>,
}

/// The side of the renderers, if a table has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RendererFunctions {
    pub(super) export_fence: unsafe extern "C" fn(*mut c_void, *mut u64) -> i32,
    pub(super) import_fence: unsafe extern "C" fn(*mut c_void, u64) -> i32,
    pub(super) discard_fence: unsafe extern "C" fn(*mut c_void, u64),
    pub(super) check_renderer: unsafe extern "C" fn(*mut c_void) -> i32,
    pub(super) renderer_wait: unsafe extern "C" fn(*mut c_void, u64),
    pub(super) renderer_fence: unsafe extern "C" fn(*mut c_void, *mut u64) -> i32,
    pub(super) renderer_reap: unsafe extern "C" fn(*mut c_void, u64) -> bool,
}

/// The functions of renderers: all of them, or none.
fn renderer_functions(table: &bb_driver) -> Result<Option<RendererFunctions>> {
    let given = [
        table.export_fence.is_some(),
        table.import_fence.is_some(),
        table.discard_fence.is_some(),
        table.check_renderer.is_some(),
        table.renderer_wait.is_some(),
        table.renderer_fence.is_some(),
        table.renderer_reap.is_some(),
    ];
    if !given.contains(&true) {
        return Ok(None);
    }
    Ok(Some(RendererFunctions {
        export_fence: input::function(table.export_fence, "driver.export_fence")?,
        import_fence: input::function(table.import_fence, "driver.import_fence")?,
        discard_fence: input::function(table.discard_fence, "driver.discard_fence")?,
        check_renderer: input::function(table.check_renderer, "driver.check_renderer")?,
        renderer_wait: input::function(table.renderer_wait, "driver.renderer_wait")?,
        renderer_fence: input::function(table.renderer_fence, "driver.renderer_fence")?,
        renderer_reap: input::function(table.renderer_reap, "driver.renderer_reap")?,
    }))
}

/// The functions of a table that has all the required ones.
pub(super) fn required(table: &bb_driver) -> Result<Functions> {
    Ok(Functions {
        open: input::function(table.open, "driver.open")?,
        close: table.close,
        create_buffer: input::function(table.create_buffer, "driver.create_buffer")?,
        create_mapped: table.create_mapped,
        create_persistent: table.create_persistent,
        delete_buffer: input::function(table.delete_buffer, "driver.delete_buffer")?,
        write: input::function(table.write, "driver.write")?,
        copy: input::function(table.copy, "driver.copy")?,
        map: input::function(table.map, "driver.map")?,
        unmap: input::function(table.unmap, "driver.unmap")?,
        submit: input::function(table.submit, "driver.submit")?,
        wait: input::function(table.wait, "driver.wait")?,
        error_text: table.error_text,
        native_calls: table.native_calls,
        renderer: renderer_functions(table)?,
    })
}

/// What a driver reports unless it writes something else.
pub(super) fn default_info() -> DeviceInfo {
    DeviceInfo {
        kind: DeviceKind::Custom,
        name: Label::new("custom"),
        version: Label::new(""),
        capabilities: Label::new(""),
        limits: DeviceLimits {
            max_buffer_size: 1 << 62,
            uniform_offset_alignment: 256,
            storage_offset_alignment: 256,
        },
    }
}

/// The info as `open` gets it.
pub(super) fn raw_info(info: &DeviceInfo) -> bb_driver_info {
    bb_driver_info {
        struct_size: size_of::<bb_driver_info>() as u32,
        reserved: 0,
        max_buffer_size: info.limits.max_buffer_size,
        uniform_offset_alignment: info.limits.uniform_offset_alignment,
        storage_offset_alignment: info.limits.storage_offset_alignment,
        name: input::chars(info.name.as_str()),
        version: input::chars(info.version.as_str()),
        capabilities: input::chars(info.capabilities.as_str()),
    }
}

/// What `open` has written, if it is in range.
pub(super) fn checked_info(info: &bb_driver_info) -> Result<DeviceInfo> {
    let alignment = |alignment: u64, param| match alignment.is_power_of_two() {
        true => Ok(alignment),
        false => Err(Error::value(Status::Backend, param, alignment, "not a power of two")),
    };
    if info.max_buffer_size < 4 {
        let param = "driver.open: info.max_buffer_size";
        return Err(Error::value(Status::Backend, param, info.max_buffer_size, "less than 4"));
    }
    let limits = DeviceLimits {
        max_buffer_size: info.max_buffer_size.min(1 << 62),
        uniform_offset_alignment: alignment(
            info.uniform_offset_alignment,
            "driver.open: info.uniform_offset_alignment",
        )?,
        storage_offset_alignment: alignment(
            info.storage_offset_alignment,
            "driver.open: info.storage_offset_alignment",
        )?,
    };
    Ok(DeviceInfo {
        kind: DeviceKind::Custom,
        name: text(&info.name, "driver.open: info.name")?,
        version: text(&info.version, "driver.open: info.version")?,
        capabilities: text(&info.capabilities, "driver.open: info.capabilities")?,
        limits,
    })
}

fn text(chars: &[c_char; 128], param: &'static str) -> Result<Label<127>> {
    let bytes = chars.map(|char| char as u8);
    let text = CStr::from_bytes_until_nul(&bytes)
        .map_err(|_| Error::param(Status::Backend, param, "is not NUL-terminated"))?;
    let text = text.to_str().map_err(|_| Error::param(Status::Backend, param, "is not UTF-8"))?;
    Ok(Label::new(text))
}
