//! `bb_immediate_staging` and `bb_deferred_staging`: bytes on their way to the device.

use std::ffi::{c_char, c_void};

use super::encoder::{self, target, with};
use super::guard::{beside, on, take};
use super::handle::Kind;
use super::input;
use super::object::{Object, Seat};
use super::opaque::{
    bb_deferred_staging, bb_device, bb_device_buffer, bb_encoder, bb_immediate_staging, bb_request,
};
use super::request::{answered, bb_map_callback};
use super::spsc::bb_span;
use super::status::bb_status;
use crate::buffers::inner::Inner;
use crate::buffers::staging::{DeferredStagingBuffer, ImmediateStagingBuffer, Staging};
use crate::device::device::Device;
use crate::device::driver::MapMode;
use crate::error::{Label, Result};

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
unsafe fn write(staging: &Staging, offset: u64, data: *const c_void, bytes: u64) -> Result<()> {
    // SAFETY: the caller's promise.
    staging.write(offset, unsafe { input::many(data.cast::<u8>(), bytes, "data") }?)
}

/// # Safety
///
/// NULL, or a place for a span.
unsafe fn bytes(staging: &Staging, span: *mut bb_span) -> Result<()> {
    // SAFETY: the caller's promise.
    let place = unsafe { input::output(span, "span") }?;
    let (data, bytes) = staging.place()?;
    place.set(bb_span { data: data.cast(), bytes })
}

fn upload(staging: &Staging, encoder: *mut bb_encoder, to: *mut bb_device_buffer, offset: u64) -> Result<()> {
    with(encoder, |encoder: &encoder::Shared| {
        let to = target(to)?;
        encoder.with(|encoder| staging.upload_to(encoder, &to, offset))
    })
}

/// Makes a staging buffer that is mapped from the beginning and used up by its upload: for what is loaded once.
///
/// @param device whose memory it is
/// @param size its bytes, any number
/// @param label name in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none
/// @param staging the handle is written here; `bb_immediate_staging_destroy()` ends it
/// @return BB_OK, BB_E_ARGUMENT (label), BB_E_LIMIT, BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_TIMEOUT (the host has not driven the
///         device for 30 s), BB_E_INTERRUPTED, BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
///         BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_immediate_staging_create(
    device: *mut bb_device,
    size: u64,
    label: *const c_char,
    staging: *mut *mut bb_immediate_staging,
) -> bb_status {
    on("bb_immediate_staging_create", device, |device: &Device| {
        // SAFETY: the header asks for a place for a handle, and a string or NULL.
        let (place, label) = unsafe { (input::output(staging, "staging")?, input::name(label, "label")?) };
        let seat = Seat::take()?;
        let staging = ImmediateStagingBuffer::new(device, size, label)?;
        place.set(seat.seat(staging)? as *mut bb_immediate_staging)
    })
}

/// Writes bytes to a staging buffer.
///
/// @param staging the staging buffer, not uploaded yet
/// @param offset where they go, in bytes
/// @param data the bytes
/// @param bytes how many
/// @return BB_OK, BB_E_STATE (uploaded: not mapped), BB_E_RANGE, BB_E_BUSY (the bytes are lent), BB_E_DEVICE_LOST,
///         BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread; two that write the same bytes race
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_immediate_staging_write(
    staging: *mut bb_immediate_staging,
    offset: u64,
    data: *const c_void,
    bytes: u64,
) -> bb_status {
    // SAFETY: the header asks for that many bytes.
    on("bb_immediate_staging_write", staging, |staging: &ImmediateStagingBuffer| unsafe {
        write(&staging.0, offset, data, bytes)
    })
}

/// The bytes of a staging buffer, to be written in place, and not read. Valid until the upload, the destroy, or the end of the
/// device.
///
/// @param staging the staging buffer, not uploaded yet
/// @param span written
/// @return BB_OK, BB_E_STATE (uploaded: not mapped), BB_E_BUSY (another thread asks for them at this moment), BB_E_DEVICE_LOST,
///         BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_immediate_staging_bytes(
    staging: *mut bb_immediate_staging,
    span: *mut bb_span,
) -> bb_status {
    // SAFETY: the header asks for a place for a span.
    on("bb_immediate_staging_bytes", staging, |staging: &ImmediateStagingBuffer| unsafe {
        bytes(&staging.0, span)
    })
}

/// Records the copy of all of it to a device buffer, and unmaps it. It may be destroyed once that is submitted.
///
/// @param staging the staging buffer
/// @param encoder the encoder
/// @param to the device buffer
/// @param offset where it goes there, in bytes
/// @return BB_OK, BB_E_RANGE, BB_E_ARGUMENT (another device), BB_E_OUT_OF_MEMORY, BB_E_BUSY (another thread is inside of the encoder),
///         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
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

/// Destroys a staging buffer. Its memory is given back once the device is done with it; what was recorded and not submitted is
/// refused then.
///
/// @param staging the staging buffer; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_immediate_staging_destroy(staging: *mut bb_immediate_staging) -> bb_status {
    if staging.is_null() {
        return bb_status::BB_OK;
    }
    take("bb_immediate_staging_destroy", staging, |staging: ImmediateStagingBuffer| {
        drop(staging);
        Ok(())
    })
}

/// Makes a staging buffer that is mapped when it is asked for and free, again and again: for what streams.
///
/// @param device whose memory it is
/// @param size its bytes, any number
/// @param label name in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none
/// @param staging the handle is written here; `bb_deferred_staging_destroy()` ends it
/// @return BB_OK, BB_E_ARGUMENT (label), BB_E_LIMIT, BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_TIMEOUT (the host has not driven the
///         device for 30 s), BB_E_INTERRUPTED, BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
///         BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_deferred_staging_create(
    device: *mut bb_device,
    size: u64,
    label: *const c_char,
    staging: *mut *mut bb_deferred_staging,
) -> bb_status {
    on("bb_deferred_staging_create", device, |device: &Device| {
        // SAFETY: the header asks for a place for a handle, and a string or NULL.
        let (place, label) = unsafe { (input::output(staging, "staging")?, input::name(label, "label")?) };
        let seat = Seat::take()?;
        let staging = DeferredStagingBuffer::new(device, size, label)?;
        place.set(seat.seat(staging)? as *mut bb_deferred_staging)
    })
}

/// Asks for the staging buffer to be mapped, as soon as its last upload is done. As `bb_buffer_map_async()` in all else.
///
/// @param staging the staging buffer
/// @param callback called with the answer, or NULL
/// @param request a handle to poll, wait and cancel is written here; NULL for none
/// @return BB_OK, BB_E_STATE (mapped or pending), BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE,
///         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_deferred_staging_map_async(
    staging: *mut bb_deferred_staging,
    callback: *const bb_map_callback,
    request: *mut *mut bb_request,
) -> bb_status {
    let mut inner = None;
    let status = on("bb_deferred_staging_map_async", staging, |staging: &DeferredStagingBuffer| {
        inner = Some(staging.0.inner().clone());
        Ok(())
    });
    let Some(inner) = inner else { return status };
    // No call is inside of the handle while the callback runs.
    beside("bb_deferred_staging_map_async", Kind::DeferredStaging, inner.label, || {
        // SAFETY: the header asks for a callback or NULL, and for a place for a handle or NULL.
        unsafe { answered(callback, request, || Inner::map_async(&inner, MapMode::Write, 0, None)) }
    })
}

/// Writes bytes to a staging buffer.
///
/// @param staging the staging buffer, mapped
/// @param offset where they go, in bytes
/// @param data the bytes
/// @param bytes how many
/// @return BB_OK, BB_E_STATE (not mapped), BB_E_RANGE, BB_E_BUSY (the bytes are lent), BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY,
///         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread; two that write the same bytes race
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_deferred_staging_write(
    staging: *mut bb_deferred_staging,
    offset: u64,
    data: *const c_void,
    bytes: u64,
) -> bb_status {
    // SAFETY: the header asks for that many bytes.
    on("bb_deferred_staging_write", staging, |staging: &DeferredStagingBuffer| unsafe {
        write(&staging.0, offset, data, bytes)
    })
}

/// The bytes of a staging buffer, to be written in place, and not read. Valid until the upload, the destroy, or the end of the
/// device.
///
/// @param staging the staging buffer, mapped
/// @param span written
/// @return BB_OK, BB_E_STATE (not mapped), BB_E_BUSY (another thread asks for them at this moment), BB_E_DEVICE_LOST,
///         BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_deferred_staging_bytes(
    staging: *mut bb_deferred_staging,
    span: *mut bb_span,
) -> bb_status {
    // SAFETY: the header asks for a place for a span.
    on("bb_deferred_staging_bytes", staging, |staging: &DeferredStagingBuffer| unsafe {
        bytes(&staging.0, span)
    })
}

/// Records the copy of all of it to a device buffer, and unmaps it: once that is submitted, it may be asked for again.
///
/// @param staging the staging buffer
/// @param encoder the encoder
/// @param to the device buffer
/// @param offset where it goes there, in bytes
/// @return BB_OK, BB_E_RANGE, BB_E_ARGUMENT (another device), BB_E_OUT_OF_MEMORY, BB_E_BUSY (another thread is inside of the encoder),
///         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
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

/// Destroys a staging buffer, as `bb_immediate_staging_destroy()` does. A pending request is answered with BB_E_ABORTED.
///
/// @param staging the staging buffer; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread, also in its own callback
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_deferred_staging_destroy(staging: *mut bb_deferred_staging) -> bb_status {
    if staging.is_null() {
        return bb_status::BB_OK;
    }
    take("bb_deferred_staging_destroy", staging, |staging: DeferredStagingBuffer| {
        drop(staging);
        Ok(())
    })
}
