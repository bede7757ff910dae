//! `bb_immediate_staging` and `bb_deferred_staging`: staging buffers for uploads.

use std::ffi::{c_char, c_void};

use crate::buffers::buffer::BufferInner;
use crate::buffers::staging::{DeferredStagingBuffer, ImmediateStagingBuffer, StagingBuffer};
use crate::device::device::Device;
use crate::device::driver::MapMode;
use crate::error::{Label, Result};
use crate::ffi::buffer::{bb_buffer_info, describe};
use crate::ffi::device_buffer::copy_end;
use crate::ffi::encoder::SharedEncoder;
use crate::ffi::guard::{destroy, on, outside, with};
use crate::ffi::handle::{
    Kind, bb_deferred_staging, bb_device, bb_device_buffer, bb_encoder, bb_immediate_staging, bb_request,
};
use crate::ffi::input;
use crate::ffi::object::{Object, create_at};
use crate::ffi::request::{bb_map_callback, request_map};
use crate::ffi::spsc::bb_span;
use crate::ffi::status::bb_status;

impl Object for ImmediateStagingBuffer {
    const KIND: Kind = Kind::ImmediateStaging;

    fn label(&self) -> Label {
        self.0.label()
    }
}

impl Object for DeferredStagingBuffer {
    const KIND: Kind = Kind::DeferredStaging;

    fn label(&self) -> Label {
        self.0.label()
    }
}

/// # Safety
///
/// NULL, or that many bytes that do not change while the call lasts.
unsafe fn write(staging: &StagingBuffer, offset: u64, data: *const c_void, bytes: u64) -> Result<()> {
    // SAFETY: promised by the caller.
    staging.write(offset, unsafe { input::many(data.cast::<u8>(), bytes, "data") }?)
}

/// # Safety
///
/// NULL, or memory for a span.
unsafe fn bytes(staging: &StagingBuffer, span: *mut bb_span) -> Result<()> {
    // SAFETY: promised by the caller.
    let out = unsafe { input::output(span, "span") }?;
    let (data, bytes) = staging.raw_bytes()?;
    out.set(bb_span { data: data.cast(), bytes })
}

fn upload(
    staging: &StagingBuffer,
    encoder: *mut bb_encoder,
    to: *mut bb_device_buffer,
    offset: u64,
) -> Result<()> {
    with(encoder, |encoder: &SharedEncoder| {
        let to = copy_end(to)?;
        encoder.with(|encoder| staging.upload_to(encoder, &to, offset))
    })
}

/// Creates a staging buffer for one upload. It is mapped at creation: for data that is loaded once.
///
/// @param device the device that owns the memory
/// @param size size in bytes
/// @param label label in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none
/// @param staging the handle is written here; `bb_immediate_staging_destroy()` ends it
/// @return BB_OK, BB_E_ARGUMENT (label), BB_E_LIMIT, a device status, or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_immediate_staging_create(
    device: *mut bb_device,
    size: u64,
    label: *const c_char,
    staging: *mut *mut bb_immediate_staging,
) -> bb_status {
    on("bb_immediate_staging_create", device, |device: &Device| {
        // SAFETY: the header requires memory for a handle, and a string or NULL.
        let (out, label) = unsafe { (input::output(staging, "staging")?, input::name(label, "label")?) };
        create_at(out, || ImmediateStagingBuffer::new(device, size, label))
    })
}

/// Writes bytes to a staging buffer.
///
/// @param staging the staging buffer, not uploaded yet
/// @param offset offset in the staging buffer, in bytes
/// @param data the bytes
/// @param bytes the number of bytes
/// @return BB_OK, BB_E_STATE (uploaded: not mapped), BB_E_RANGE, BB_E_BUSY (the bytes are in use), BB_E_DEVICE_LOST,
///         BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread; two that write the same bytes race
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_immediate_staging_write(
    staging: *mut bb_immediate_staging,
    offset: u64,
    data: *const c_void,
    bytes: u64,
) -> bb_status {
    // SAFETY: the header requires that many bytes.
    on("bb_immediate_staging_write", staging, |staging: &ImmediateStagingBuffer| unsafe {
        write(&staging.0, offset, data, bytes)
    })
}

/// Gets the bytes of a staging buffer for writing in place; do not read them. They are valid until the upload, the
/// destroy, or the end of the device.
///
/// @param staging the staging buffer, not uploaded yet
/// @param span output
/// @return BB_OK, BB_E_STATE (uploaded: not mapped), BB_E_BUSY (another thread gets them at the same moment),
///         BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_immediate_staging_bytes(
    staging: *mut bb_immediate_staging,
    span: *mut bb_span,
) -> bb_status {
    // SAFETY: the header requires memory for a span.
    on("bb_immediate_staging_bytes", staging, |staging: &ImmediateStagingBuffer| unsafe {
        bytes(&staging.0, span)
    })
}

/// Records a copy of the whole staging buffer to a device buffer, and unmaps it. It may be destroyed once the copy is
/// submitted.
///
/// @param staging the staging buffer
/// @param encoder the encoder
/// @param to the device buffer, or a `bb_buffer` with `BB_USAGE_COPY_DST`
/// @param offset offset in the device buffer, in bytes
/// @return BB_OK, BB_E_RANGE, BB_E_ARGUMENT (usage, another device), BB_E_OUT_OF_MEMORY, BB_E_BUSY (another thread uses the
///         encoder), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_immediate_staging_upload_to(
    staging: *mut bb_immediate_staging,
    encoder: *mut bb_encoder,
    to: *mut bb_device_buffer,
    offset: u64,
) -> bb_status {
    on("bb_immediate_staging_upload_to", staging, |staging: &ImmediateStagingBuffer| {
        upload(&staging.0, encoder, to, offset)
    })
}

/// Gets size, usage, state and label of a staging buffer.
///
/// @param staging the staging buffer
/// @param struct_size `sizeof(bb_buffer_info)`
/// @param info output
/// @return BB_OK, BB_E_VERSION (struct_size), or a handle status
/// @realtime may block, may make a system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_immediate_staging_info_get(
    staging: *mut bb_immediate_staging,
    struct_size: u32,
    info: *mut bb_buffer_info,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_immediate_staging_info_get", staging, |staging: &ImmediateStagingBuffer| unsafe {
        input::write_sized(struct_size, info, "info", |size| {
            describe(staging.0.buffer(), staging.size(), 1, size)
        })
    })
}

/// Destroys a staging buffer. Its memory is freed once the device has finished with it; submits of copies recorded
/// before are refused.
///
/// @param staging the staging buffer; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_immediate_staging_destroy(staging: *mut bb_immediate_staging) -> bb_status {
    destroy::<ImmediateStagingBuffer, _>("bb_immediate_staging_destroy", staging)
}

/// Creates a staging buffer for repeated uploads. It is mapped on request: for data that is streamed.
///
/// @param device the device that owns the memory
/// @param size size in bytes
/// @param label label in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none
/// @param staging the handle is written here; `bb_deferred_staging_destroy()` ends it
/// @return BB_OK, BB_E_ARGUMENT (label), BB_E_LIMIT, a device status, or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_deferred_staging_create(
    device: *mut bb_device,
    size: u64,
    label: *const c_char,
    staging: *mut *mut bb_deferred_staging,
) -> bb_status {
    on("bb_deferred_staging_create", device, |device: &Device| {
        // SAFETY: the header requires memory for a handle, and a string or NULL.
        let (out, label) = unsafe { (input::output(staging, "staging")?, input::name(label, "label")?) };
        create_at(out, || DeferredStagingBuffer::new(device, size, label))
    })
}

/// Requests the mapping of a staging buffer, which completes when its last upload is done. Else it works as
/// `bb_buffer_map_async()`.
///
/// @param staging the staging buffer
/// @param callback called with the outcome, or NULL
/// @param request a handle for poll, wait and cancel is written here; NULL for none
/// @return BB_OK, BB_E_STATE (mapped or pending), BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_DEVICE_LOST, or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_deferred_staging_map_async(
    staging: *mut bb_deferred_staging,
    callback: *const bb_map_callback,
    request: *mut *mut bb_request,
) -> bb_status {
    let inner = |staging: &DeferredStagingBuffer| Ok(staging.0.inner().clone());
    outside("bb_deferred_staging_map_async", staging, inner, |inner| {
        // SAFETY: the header requires a callback or NULL, and memory for a handle or NULL.
        unsafe { request_map(callback, request, || BufferInner::map_async(&inner, MapMode::Write, 0, None)) }
    })
}

/// Writes bytes to a staging buffer.
///
/// @param staging the staging buffer, mapped
/// @param offset offset in the staging buffer, in bytes
/// @param data the bytes
/// @param bytes the number of bytes
/// @return BB_OK, BB_E_STATE (not mapped), BB_E_RANGE, BB_E_BUSY (the bytes are in use), BB_E_DEVICE_LOST,
///         BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread; two that write the same bytes race
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_deferred_staging_write(
    staging: *mut bb_deferred_staging,
    offset: u64,
    data: *const c_void,
    bytes: u64,
) -> bb_status {
    // SAFETY: the header requires that many bytes.
    on("bb_deferred_staging_write", staging, |staging: &DeferredStagingBuffer| unsafe {
        write(&staging.0, offset, data, bytes)
    })
}

/// Gets the bytes of a staging buffer for writing in place; do not read them. They are valid until the upload, the
/// destroy, or the end of the device.
///
/// @param staging the staging buffer, mapped
/// @param span output
/// @return BB_OK, BB_E_STATE (not mapped), BB_E_BUSY (another thread gets them at the same moment), BB_E_DEVICE_LOST,
///         BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_deferred_staging_bytes(
    staging: *mut bb_deferred_staging,
    span: *mut bb_span,
) -> bb_status {
    // SAFETY: the header requires memory for a span.
    on("bb_deferred_staging_bytes", staging, |staging: &DeferredStagingBuffer| unsafe {
        bytes(&staging.0, span)
    })
}

/// Records a copy of the whole staging buffer to a device buffer, and unmaps it. Once the copy is submitted, a
/// mapping may be requested again.
///
/// @param staging the staging buffer
/// @param encoder the encoder
/// @param to the device buffer, or a `bb_buffer` with `BB_USAGE_COPY_DST`
/// @param offset offset in the device buffer, in bytes
/// @return BB_OK, BB_E_RANGE, BB_E_ARGUMENT (usage, another device), BB_E_OUT_OF_MEMORY, BB_E_BUSY (another thread uses the
///         encoder), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_deferred_staging_upload_to(
    staging: *mut bb_deferred_staging,
    encoder: *mut bb_encoder,
    to: *mut bb_device_buffer,
    offset: u64,
) -> bb_status {
    on("bb_deferred_staging_upload_to", staging, |staging: &DeferredStagingBuffer| {
        upload(&staging.0, encoder, to, offset)
    })
}

/// Unmaps a staging buffer without an upload; its bytes are kept. A pending request completes with BB_E_ABORTED. Does
/// nothing if the buffer is neither mapped nor pending.
///
/// @param staging the staging buffer
/// @return BB_OK, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_deferred_staging_unmap(staging: *mut bb_deferred_staging) -> bb_status {
    let inner = |staging: &DeferredStagingBuffer| Ok(staging.0.inner().clone());
    outside("bb_deferred_staging_unmap", staging, inner, |inner| {
        inner.unmap();
        Ok(())
    })
}

/// Gets size, usage, state and label of a staging buffer.
///
/// @param staging the staging buffer
/// @param struct_size `sizeof(bb_buffer_info)`
/// @param info output
/// @return BB_OK, BB_E_VERSION (struct_size), or a handle status
/// @realtime may block, may make a system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_deferred_staging_info_get(
    staging: *mut bb_deferred_staging,
    struct_size: u32,
    info: *mut bb_buffer_info,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_deferred_staging_info_get", staging, |staging: &DeferredStagingBuffer| unsafe {
        input::write_sized(struct_size, info, "info", |size| {
            describe(staging.0.buffer(), staging.size(), 1, size)
        })
    })
}

/// Destroys a staging buffer, as `bb_immediate_staging_destroy()` does. A pending request completes with
/// BB_E_ABORTED.
///
/// @param staging the staging buffer; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread, also in its own callback
#[unsafe(no_mangle)]
pub extern "C" fn bb_deferred_staging_destroy(staging: *mut bb_deferred_staging) -> bb_status {
    destroy::<DeferredStagingBuffer, _>("bb_deferred_staging_destroy", staging)
}
