//! `bb_device_create_driver`: a device on a table of C functions, whose arguments are checked before each call, and results after it.
//!
//! The functions are foreign code. A status, a handle, an address or a fence that breaks the contract of `bb_driver` is an error
//! that names the function; it is never passed on, and the state here stays that before the call.

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::{NonNull, null_mut};

use crate::alloc::{Arc, boxed, try_arc};
use crate::device::device::Device;
use crate::device::driver::{
    DeviceInfo, Driver, Fence, Foreign, MapMode, Native, Renderer, Usage, create_and_map,
};
use crate::error::{Error, Result, Status};
use crate::ffi::callback::{Running, UserData};
use crate::ffi::device::host_driven;
use crate::ffi::driver_renderer::{RendererSide, TableRenderer};
use crate::ffi::driver_table::{
    CreateMapped, Functions, NO_DRIVER, bb_driver, checked_info, default_info, raw_info, required,
};
use crate::ffi::guard::guard;
use crate::ffi::handle::bb_device;
use crate::ffi::input;
use crate::ffi::object::ReservedSlot;
use crate::ffi::status::bb_status;
use crate::sync::atomic::{AtomicBool, Ordering::*};
use crate::sys::clock::Timeout;
use crate::text::Text;

/// Creates a device on a driver of the program's.
///
/// `open` runs before the call returns. All functions that are not documented as optional are required; those of
/// renderers are given all or not at all. If the call fails, `user_data` stays the caller's: `drop` is not called.
///
/// @param flags 0, or `BB_DEVICE_HOST_DRIVEN`
/// @param label label in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none
/// @param driver the functions; the table is copied
/// @param device the handle is written here
/// @return BB_OK, BB_E_NULL (driver, a required function, device), BB_E_ARGUMENT (flags, reserved, label that is not
///         UTF-8), BB_E_VERSION (struct_size), BB_E_OUT_OF_MEMORY, BB_E_LIMIT (threads, handles, or the driver),
///         BB_E_UNSUPPORTED (the system refuses a thread, or the driver), BB_E_BACKEND (the driver's `open` failed, or
///         its info is out of range), BB_E_DEVICE_LOST (the driver)
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread; with `BB_DEVICE_HOST_DRIVEN` that thread owns the device
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_create_driver(
    flags: u32,
    label: *const c_char,
    driver: *const bb_driver,
    device: *mut *mut bb_device,
) -> bb_status {
    guard("bb_device_create_driver", || {
        // SAFETY: the header requires memory for a handle, a string or NULL, and a table with as many bytes as it says.
        let (out, label, table) = unsafe {
            let out = input::output(device, "device")?;
            (out, input::name(label, "label")?, input::required_struct(driver, NO_DRIVER, "driver")?)
        };
        input::reserved(table.reserved, "driver.reserved")?;
        let (host_driven, functions) = (host_driven(flags)?, required(&table)?);
        let slot = ReservedSlot::take()?;
        let accepted = try_arc(AtomicBool::new(false))?;
        let device = create(label, host_driven, functions, &table, &accepted)?;
        let device = slot.fill(device)?;
        // From here on the device releases the user data.
        accepted.store(true, Release);
        out.set(device as *mut bb_device)
    })
}

/// Makes the device. It releases the user data once `accepted` is set.
pub(super) fn create(
    label: &str,
    host_driven: bool,
    functions: Functions,
    table: &bb_driver,
    accepted: &Arc<AtomicBool>,
) -> Result<Device> {
    let (user_data, accepted) = (UserData::new(table.user_data, table.drop), accepted.clone());
    let driver = TableDriver::new(functions, user_data, accepted);
    Device::with_driver(label, host_driven, move || {
        let mut driver = boxed(driver)?;
        driver.open()?;
        Ok(driver as Box<dyn Driver>)
    })
}

/// A buffer that the table has created.
#[derive(Clone, Copy, Debug)]
struct TableBuffer {
    bytes: u64,
    mapped: bool,
}

/// A driver that calls the functions of a `bb_driver`.
pub(super) struct TableDriver {
    functions: Functions,
    user_data: ManuallyDrop<UserData>,
    /// Whether the user data is the device's to release.
    accepted: Arc<AtomicBool>,
    opened: bool,
    info: DeviceInfo,
    buffers: HashMap<u64, TableBuffer>,
    submitted: u64,
    completed: u64,
    renderer: Option<Arc<RendererSide>>,
}

impl fmt::Debug for TableDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableDriver").field("info", &self.info).finish_non_exhaustive()
    }
}

impl TableDriver {
    pub(super) fn new(functions: Functions, user_data: UserData, accepted: Arc<AtomicBool>) -> TableDriver {
        TableDriver {
            functions,
            user_data: ManuallyDrop::new(user_data),
            accepted,
            opened: false,
            info: default_info(),
            buffers: HashMap::new(),
            submitted: 0,
            completed: 0,
            renderer: None,
        }
    }

    /// Calls `open`, and checks what it reports. On the owner thread.
    pub(super) fn open(&mut self) -> Result<()> {
        let mut info = raw_info(&self.info);
        let _running = self.enter()?;
        // SAFETY: the caller's function and data, on the owner thread.
        let status = unsafe { (self.functions.open)(self.user_data.get(), &raw mut info) };
        let allowed = [Status::Unsupported, Status::Limit];
        self.check(status, "driver.open", &allowed)?;
        self.opened = true;
        self.info = checked_info(&info)?;
        if let Some(functions) = self.functions.renderer {
            self.renderer = Some(try_arc(RendererSide::new(functions, self.user_data.get())?)?);
        }
        Ok(())
    }

    /// Begins a call; fails once the language runtime of the driver has ended its callbacks.
    fn enter(&self) -> Result<Running> {
        let reason = "the runtime of the device's driver has ended its callbacks";
        self.user_data.enter().ok_or_else(|| Error::text(Status::DeviceLost, reason))
    }

    /// The error of a call's status: one that every driver may return, or one in `also`.
    fn check(&self, status: i32, function: &'static str, also: &[Status]) -> Result<()> {
        if status == 0 {
            return Ok(());
        }
        let common = [Status::OutOfMemory, Status::Backend, Status::DeviceLost];
        let mut allowed = common.iter().chain(also);
        match allowed.find(|allowed| status.checked_neg() == Some(**allowed as i32)) {
            Some(&allowed) => Err(self.failure(allowed, function, status)),
            None => {
                let reason = "a driver returns BB_OK, BB_E_OUT_OF_MEMORY, BB_E_BACKEND or BB_E_DEVICE_LOST";
                Err(Error::value(Status::Backend, status_of(function), status, reason))
            }
        }
    }

    /// The error of a failed call, with the driver's own text if it has one.
    fn failure(&self, status: Status, function: &'static str, code: i32) -> Error {
        let text = self.functions.error_text.map_or(std::ptr::null(), |text| {
            // SAFETY: the caller's function and data, on the owner thread, inside of the failed call's `enter`.
            unsafe { text(self.user_data.get()) }
        });
        if text.is_null() {
            return Error::code(status, function, code);
        }
        // SAFETY: the header requires a terminated text.
        let text = unsafe { CStr::from_ptr(text) };
        Error::message(status, function, &text.to_string_lossy())
    }

    /// The buffer, if work may use that range of it.
    fn range(&self, param: &'static str, native: Native, offset: u64, bytes: u64) -> Result<()> {
        let unknown = || Error::value(Status::Handle, param, native.0, "not a buffer of this device");
        let buffer = self.buffers.get(&native.0).ok_or_else(unknown)?;
        let end = u128::from(offset).saturating_add(u128::from(bytes));
        if end > u128::from(buffer.bytes) {
            return Err(Error::beyond("offset + bytes", end, buffer.bytes, "bytes of the buffer"));
        }
        if buffer.mapped {
            let reason = "the buffer is mapped; unmap it first";
            return Err(Error::value(Status::State, param, native.0, reason));
        }
        Ok(())
    }

    /// Checks a size, and reserves memory for one more buffer.
    fn prepare_create(&mut self, bytes: u64) -> Result<()> {
        if bytes > self.info.limits.max_buffer_size {
            let reason = "more than a buffer of the device can have";
            return Err(Error::value(Status::Limit, "bytes", bytes, reason));
        }
        Ok(self.buffers.try_reserve(1)?)
    }

    /// Adds a buffer that the table has created; refuses a handle that cannot be one.
    fn add(&mut self, native: u64, buffer: TableBuffer, written: &'static str) -> Result<Native> {
        let reason = match native {
            0 => "a handle is not 0",
            _ if self.buffers.contains_key(&native) => "the handle of another buffer that exists",
            _ => {
                self.buffers.insert(native, buffer);
                return Ok(Native(native));
            }
        };
        Err(Error::value(Status::Backend, written, native, reason))
    }

    /// Calls `create_mapped` or `create_persistent`.
    fn create_with_data(
        &mut self,
        create: CreateMapped,
        names: [&'static str; 3],
        buffer: TableBuffer,
        usage: Usage,
        label: &str,
    ) -> Result<(Native, NonNull<u8>)> {
        let [function, native_name, data_name] = names;
        self.prepare_create(buffer.bytes)?;
        let (label, mut native, mut data) = (label_text(label), 0, null_mut());
        let running = self.enter()?;
        let user_data = self.user_data.get();
        // SAFETY: the caller's function and data, on the owner thread.
        let status = unsafe {
            create(user_data, buffer.bytes, usage.bits(), label.as_ptr(), &raw mut native, &raw mut data)
        };
        self.check(status, function, &[])?;
        let native = self.add(native, buffer, native_name)?;
        match checked_data(data, 0, buffer.bytes, data_name) {
            Ok(data) => Ok((native, data)),
            Err(error) => {
                drop(running);
                self.delete(native);
                Err(error)
            }
        }
    }
}

// SAFETY: the header requires that mapped memory stays valid until `unmap` or the deletion; a handle that exists is refused.
unsafe impl Driver for TableDriver {
    fn info(&self) -> DeviceInfo {
        self.info.clone()
    }

    fn create(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<Native> {
        self.prepare_create(bytes)?;
        let (label, mut native) = (label_text(label), 0);
        let _running = self.enter()?;
        let create = self.functions.create_buffer;
        // SAFETY: the caller's function and data, on the owner thread.
        let status =
            unsafe { create(self.user_data.get(), bytes, usage.bits(), label.as_ptr(), &raw mut native) };
        self.check(status, "driver.create_buffer", &[])?;
        self.add(native, TableBuffer { bytes, mapped: false }, "driver.create_buffer: native")
    }

    fn create_mapped(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<(Native, NonNull<u8>)> {
        let Some(create) = self.functions.create_mapped else {
            return create_and_map(self, bytes, usage, label);
        };
        let names = ["driver.create_mapped", "driver.create_mapped: native", "driver.create_mapped: data"];
        self.create_with_data(create, names, TableBuffer { bytes, mapped: true }, usage, label)
    }

    fn create_persistent(
        &mut self,
        bytes: u64,
        usage: Usage,
        label: &str,
    ) -> Result<Option<(Native, NonNull<u8>)>> {
        let Some(create) = self.functions.create_persistent else { return Ok(None) };
        let names = [
            "driver.create_persistent",
            "driver.create_persistent: native",
            "driver.create_persistent: data",
        ];
        let buffer = TableBuffer { bytes, mapped: false };
        self.create_with_data(create, names, buffer, usage, label).map(Some)
    }

    fn delete(&mut self, buffer: Native) {
        if self.buffers.remove(&buffer.0).is_some()
            && let Ok(_running) = self.enter()
        {
            // SAFETY: the caller's function and data, on the owner thread; a buffer that exists.
            unsafe { (self.functions.delete_buffer)(self.user_data.get(), buffer.0) };
        }
    }

    fn write(&mut self, to: Native, offset: u64, data: &[u8]) -> Result<()> {
        self.range("to", to, offset, data.len() as u64)?;
        if data.is_empty() {
            return Ok(());
        }
        let _running = self.enter()?;
        let (from, bytes) = (data.as_ptr().cast(), data.len() as u64);
        // SAFETY: the caller's function and data, on the owner thread; a range of a buffer that exists.
        let status = unsafe { (self.functions.write)(self.user_data.get(), to.0, offset, from, bytes) };
        self.check(status, "driver.write", &[])
    }

    fn copy(&mut self, from: Native, from_offset: u64, to: Native, to_offset: u64, bytes: u64) -> Result<()> {
        self.range("from", from, from_offset, bytes)?;
        self.range("to", to, to_offset, bytes)?;
        if from == to {
            return Err(Error::value(Status::Argument, "to", to.0, "a copy needs two buffers"));
        }
        if bytes == 0 {
            return Ok(());
        }
        let _running = self.enter()?;
        let user_data = self.user_data.get();
        // SAFETY: the caller's function and data, on the owner thread; ranges of buffers that exist.
        let status = unsafe { (self.functions.copy)(user_data, from.0, from_offset, to.0, to_offset, bytes) };
        self.check(status, "driver.copy", &[])
    }

    fn map(&mut self, buffer: Native, mode: MapMode, offset: u64, bytes: u64) -> Result<NonNull<u8>> {
        self.range("buffer", buffer, offset, bytes)?;
        let (mode, mut data) = (mode as u32, null_mut());
        let _running = self.enter()?;
        let user_data = self.user_data.get();
        // SAFETY: the caller's function and data, on the owner thread; a range of a buffer that exists and is not mapped.
        let status = unsafe { (self.functions.map)(user_data, buffer.0, mode, offset, bytes, &raw mut data) };
        self.check(status, "driver.map", &[])?;
        let data = checked_data(data, offset, bytes, "driver.map: data").inspect_err(|_| {
            // SAFETY: as above; the driver has mapped the range.
            let _ = unsafe { (self.functions.unmap)(user_data, buffer.0) };
        })?;
        self.set_mapped(buffer, true);
        Ok(data)
    }

    fn unmap(&mut self, buffer: Native) -> Result<()> {
        if !self.buffers.get(&buffer.0).is_some_and(|buffer| buffer.mapped) {
            return Err(Error::value(Status::State, "buffer", buffer.0, "the buffer is not mapped"));
        }
        let _running = self.enter()?;
        // SAFETY: the caller's function and data, on the owner thread; a buffer that is mapped.
        let status = unsafe { (self.functions.unmap)(self.user_data.get(), buffer.0) };
        self.check(status, "driver.unmap", &[])?;
        self.set_mapped(buffer, false);
        Ok(())
    }

    fn submit(&mut self) -> Result<Fence> {
        let fence = self.submitted.saturating_add(1);
        let _running = self.enter()?;
        // SAFETY: the caller's function and data, on the owner thread.
        let status = unsafe { (self.functions.submit)(self.user_data.get(), fence) };
        self.check(status, "driver.submit", &[])?;
        self.submitted = fence;
        Ok(Fence(fence))
    }

    fn wait(&mut self, fence: Fence, timeout: Timeout) -> Result<bool> {
        if fence.0 <= self.completed {
            return Ok(true);
        }
        let mut completed = self.completed;
        let _running = self.enter()?;
        let (user_data, timeout) = (self.user_data.get(), timeout.as_nanos());
        // SAFETY: the caller's function and data, on the owner thread; a fence that was submitted.
        let status = unsafe { (self.functions.wait)(user_data, fence.0, timeout, &raw mut completed) };
        if status.checked_neg() != Some(Status::Timeout as i32) {
            self.check(status, "driver.wait", &[]).map_err(|error| error.with_status(Status::DeviceLost))?;
        }
        let reason = match completed {
            below if below < self.completed => "the fences that have passed never become fewer",
            beyond if beyond > self.submitted => "a fence that was not submitted cannot have passed",
            _ => {
                self.completed = completed;
                return Ok(fence.0 <= completed);
            }
        };
        Err(Error::value(Status::DeviceLost, "driver.wait: completed", completed, reason))
    }

    fn export(&mut self) -> Result<Foreign> {
        let Some(functions) = self.functions.renderer else { return Ok(Foreign(0)) };
        let mut fence = 0;
        let _running = self.enter()?;
        // SAFETY: the caller's function and data, on the owner thread.
        let status = unsafe { (functions.export_fence)(self.user_data.get(), &raw mut fence) };
        self.check(status, "driver.export_fence", &[])?;
        Ok(Foreign(fence))
    }

    fn import(&mut self, fence: Foreign) -> Result<()> {
        let Some(functions) = self.functions.renderer else { return Ok(()) };
        let _running = self.enter()?;
        // SAFETY: the caller's function and data, on the owner thread; a fence of a renderer that has not ended.
        let status = unsafe { (functions.import_fence)(self.user_data.get(), fence.0) };
        self.check(status, "driver.import_fence", &[])
    }

    fn discard(&mut self, fence: Foreign) {
        if let (Some(functions), Ok(_running)) = (self.functions.renderer, self.enter()) {
            // SAFETY: the caller's function and data, on the owner thread; a fence that has not ended.
            unsafe { (functions.discard_fence)(self.user_data.get(), fence.0) };
        }
    }

    fn renderer(&mut self) -> Option<Box<dyn Renderer>> {
        self.renderer.clone().map(|side| Box::new(TableRenderer(side)) as Box<dyn Renderer>)
    }

    fn native_calls(&self) -> u64 {
        let (Some(count), Ok(_running)) = (self.functions.native_calls, self.enter()) else { return 0 };
        // SAFETY: the caller's function and data, on the owner thread.
        unsafe { count(self.user_data.get()) }
    }
}

impl TableDriver {
    fn set_mapped(&mut self, buffer: Native, mapped: bool) {
        if let Some(buffer) = self.buffers.get_mut(&buffer.0) {
            buffer.mapped = mapped;
        }
    }
}

impl Drop for TableDriver {
    fn drop(&mut self) {
        if self.renderer.as_ref().is_some_and(|side| !side.end()) {
            // Destroyed inside of a function of its own: what that still uses stays for ever.
            return;
        }
        if self.opened
            && let (Some(close), Ok(_running)) = (self.functions.close, self.enter())
        {
            // SAFETY: the caller's function and data, on the owner thread, after every other call.
            unsafe { close(self.user_data.get()) };
        }
        if self.accepted.load(Acquire) {
            // SAFETY: dropped once, here; afterwards nothing uses it.
            unsafe { ManuallyDrop::drop(&mut self.user_data) };
        }
    }
}

/// `driver.x: status`, for the message about a status that does not exist.
fn status_of(function: &'static str) -> &'static str {
    match function {
        "driver.open" => "driver.open: status",
        "driver.create_buffer" => "driver.create_buffer: status",
        "driver.create_mapped" => "driver.create_mapped: status",
        "driver.create_persistent" => "driver.create_persistent: status",
        "driver.write" => "driver.write: status",
        "driver.copy" => "driver.copy: status",
        "driver.map" => "driver.map: status",
        "driver.unmap" => "driver.unmap: status",
        "driver.submit" => "driver.submit: status",
        "driver.export_fence" => "driver.export_fence: status",
        "driver.import_fence" => "driver.import_fence: status",
        _ => "driver.wait: status",
    }
}

/// An address that can be that of `bytes` mapped bytes.
fn checked_data(data: *mut c_void, offset: u64, bytes: u64, param: &'static str) -> Result<NonNull<u8>> {
    let address = data as u64;
    let invalid = |reason| Error::value(Status::Backend, param, address, reason);
    let data = NonNull::new(data.cast()).ok_or_else(|| invalid("an address is not NULL"))?;
    if !address.wrapping_sub(offset).is_multiple_of(8) {
        return Err(invalid("the address of the buffer's first byte must be a multiple of 8"));
    }
    if address.checked_add(bytes).is_none_or(|end| end > i64::MAX as u64) {
        return Err(invalid("the mapped bytes end beyond the address space"));
    }
    Ok(data)
}

/// A label, NUL-terminated for C.
fn label_text(label: &str) -> Text<64> {
    Text::of(format_args!("{}", label.split('\0').next().unwrap_or("")))
}

#[cfg(test)]
mod tests;
