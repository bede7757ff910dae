//! `bb_encoder`: recorded copies and writes, submitted together.

use std::ffi::c_void;

use crate::buffers::buffer::Buffer;
use crate::buffers::dynamic::DynamicBuffer;
use crate::buffers::encoder::Encoder;
use crate::device::device::Device;
use crate::error::{Error, Result, Status};
use crate::ffi::device_buffer::copy_end;
use crate::ffi::dynamic::bb_dynamic_slice;
use crate::ffi::guard::{destroy, on, with};
use crate::ffi::handle::{Kind, bb_buffer, bb_device, bb_device_buffer, bb_dynamic, bb_encoder};
use crate::ffi::input;
use crate::ffi::object::{Object, create_at};
use crate::ffi::status::bb_status;
use crate::sync::mutex::Mutex;

/// The encoder behind a handle. A second thread that uses it at the same time gets BB_E_BUSY.
pub(super) struct SharedEncoder(Mutex<Encoder<'static>>);

impl Object for SharedEncoder {
    const KIND: Kind = Kind::Encoder;
}

impl SharedEncoder {
    /// Runs `work` on the encoder. The lock is only tried, so that no thread blocks on it.
    pub(super) fn with(&self, work: impl FnOnce(&mut Encoder<'static>) -> Result<()>) -> Result<()> {
        let reason = "another thread is inside a call on the same encoder";
        let mut encoder = self.0.try_lock().ok_or_else(|| Error::text(Status::Busy, reason))?;
        work(&mut encoder)
    }
}

/// Creates an encoder with nothing recorded.
///
/// @param device the device whose buffers are used
/// @param encoder the handle is written here; `bb_encoder_destroy()` ends it
/// @return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_LIMIT, or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_encoder_create(
    device: *mut bb_device,
    encoder: *mut *mut bb_encoder,
) -> bb_status {
    on("bb_encoder_create", device, |device: &Device| {
        // SAFETY: the header requires memory for a handle.
        let out = unsafe { input::output(encoder, "encoder") }?;
        create_at(out, || Ok(SharedEncoder(Mutex::new(Encoder::new(device)))))
    })
}

/// Records a copy between two buffers. Their states are checked at submit.
///
/// @param encoder the encoder
/// @param from a buffer with `BB_USAGE_COPY_SRC`
/// @param from_offset offset in the source, a multiple of 4
/// @param to another buffer, with `BB_USAGE_COPY_DST`
/// @param to_offset offset in the destination, a multiple of 4
/// @param bytes the number of bytes, a multiple of 4
/// @return BB_OK, BB_E_ALIGN, BB_E_RANGE, BB_E_ARGUMENT (usage, another device, the same buffer), BB_E_OUT_OF_MEMORY,
///         BB_E_BUSY (another thread uses it), or a handle status
/// @realtime lock-free, no system call, may allocate
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub extern "C" fn bb_encoder_copy(
    encoder: *mut bb_encoder,
    from: *mut bb_buffer,
    from_offset: u64,
    to: *mut bb_buffer,
    to_offset: u64,
    bytes: u64,
) -> bb_status {
    on("bb_encoder_copy", encoder, |encoder: &SharedEncoder| {
        with(from, |from: &Buffer| {
            with(to, |to: &Buffer| {
                encoder.with(|encoder| encoder.copy(from, from_offset, to, to_offset, bytes))
            })
        })
    })
}

/// Records a copy between two device buffers, of any number of bytes. Each of them may also be a `bb_buffer`, cast to
/// `bb_device_buffer *`, as in every function that records a copy from or to a device buffer.
///
/// @param encoder the encoder
/// @param from a device buffer with `BB_USAGE_COPY_SRC`, or a `bb_buffer`
/// @param from_offset offset in the source
/// @param to another device buffer, or a `bb_buffer` with `BB_USAGE_COPY_DST`
/// @param to_offset offset in the destination
/// @param bytes the number of bytes
/// @return BB_OK, BB_E_RANGE, BB_E_ARGUMENT (usage, another device, the same buffer), BB_E_OUT_OF_MEMORY, BB_E_BUSY
///         (another thread uses it), or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub extern "C" fn bb_encoder_copy_bytes(
    encoder: *mut bb_encoder,
    from: *mut bb_device_buffer,
    from_offset: u64,
    to: *mut bb_device_buffer,
    to_offset: u64,
    bytes: u64,
) -> bb_status {
    on("bb_encoder_copy_bytes", encoder, |encoder: &SharedEncoder| {
        if from == to {
            let reason = "is also the source; a copy needs two buffers";
            return copy_end(from).and_then(|_| Err(Error::param(Status::Argument, "to", reason)));
        }
        let (from, to) = (copy_end(from)?, copy_end(to)?);
        encoder.with(|encoder| encoder.copy_ends(&from, from_offset, &to, to_offset, bytes))
    })
}

/// Records a write of the caller's bytes to a device buffer. They are not copied: they are read at submit, and must
/// stay valid until then.
///
/// @param encoder the encoder
/// @param to the device buffer, or a `bb_buffer` with `BB_USAGE_COPY_DST`
/// @param offset offset in the device buffer
/// @param data the bytes
/// @param bytes the number of bytes
/// @return BB_OK, BB_E_RANGE, BB_E_ARGUMENT (usage, another device), BB_E_OUT_OF_MEMORY, BB_E_BUSY (another thread uses it),
///         or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_encoder_write(
    encoder: *mut bb_encoder,
    to: *mut bb_device_buffer,
    offset: u64,
    data: *const c_void,
    bytes: u64,
) -> bb_status {
    on("bb_encoder_write", encoder, |encoder: &SharedEncoder| {
        // SAFETY: the header requires that many bytes, which stay until the submit.
        let data: &'static [u8] = unsafe { input::many(data.cast::<u8>(), bytes, "data") }?;
        let to = copy_end(to)?;
        encoder.with(|encoder| encoder.write_to(to, offset, data))
    })
}

/// Records a copy of an update of this frame to a device buffer.
///
/// @param encoder the encoder
/// @param dynamic the dynamic buffer, with `BB_USAGE_COPY_SRC`
/// @param slice an update of the current frame
/// @param to the device buffer, or a `bb_buffer` with `BB_USAGE_COPY_DST`
/// @param offset offset in the device buffer
/// @return BB_OK, BB_E_STALE (the update's frame has ended, or it is of another dynamic buffer), BB_E_RANGE,
///         BB_E_ARGUMENT (usage, another device, or `slice` was changed), BB_E_OUT_OF_MEMORY, BB_E_BUSY (another thread
///         uses it), or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_encoder_copy_update(
    encoder: *mut bb_encoder,
    dynamic: *mut bb_dynamic,
    slice: *const bb_dynamic_slice,
    to: *mut bb_device_buffer,
    offset: u64,
) -> bb_status {
    on("bb_encoder_copy_update", encoder, |encoder: &SharedEncoder| {
        // SAFETY: the header requires a slice.
        let slice = unsafe { input::required(slice, "slice") }?;
        with(dynamic, |dynamic: &DynamicBuffer| {
            let storage = dynamic.ring.storage(slice.native(), slice.frame)?;
            let to = copy_end(to)?;
            to.check("offset + slice.bytes", offset, slice.bytes)?;
            let from = &storage.buffer.inner;
            encoder.with(|encoder| encoder.record(from, slice.offset, &to.inner, offset, slice.bytes))
        })
    })
}

/// Submits the recorded copies and writes to the device, and empties the encoder. If a buffer is mapped, map pending
/// or destroyed, the call fails with its name: nothing is done, and the recorded steps stay.
///
/// @param encoder the encoder
/// @param fence the fence of this submit, for `bb_device_wait_fence()`, is written here; may be NULL
/// @return BB_OK, BB_E_STATE (a buffer is not ready), BB_E_BUSY (another thread uses it), a device status, or a
///         handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_encoder_submit(encoder: *mut bb_encoder, fence: *mut u64) -> bb_status {
    on("bb_encoder_submit", encoder, |encoder: &SharedEncoder| {
        // SAFETY: the header requires memory for a number or NULL.
        encoder.with(|encoder| unsafe { input::set_optional(fence, encoder.submit()?.0) })
    })
}

/// Destroys an encoder. Recorded steps that were not submitted are discarded.
///
/// @param encoder the encoder; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_encoder_destroy(encoder: *mut bb_encoder) -> bb_status {
    destroy::<SharedEncoder, _>("bb_encoder_destroy", encoder)
}
