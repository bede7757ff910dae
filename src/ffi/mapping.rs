//! Mapped ranges of a `bb_buffer`.

use std::ffi::c_void;

use super::buffer::{inner, size};
use super::guard::{guard, on};
use super::input;
use super::opaque::bb_buffer;
use super::spsc::{bb_const_span, bb_span};
use super::status::bb_status;
use crate::buffers::buffer::Buffer;
use crate::error::Result;

fn lend(buffer: &Buffer, offset: u64, bytes: u64, writable: bool) -> Result<(*mut u8, u64)> {
    let (place, bytes, _) = buffer.inner.lend(offset, size(bytes), writable)?;
    Ok((place.as_ptr(), bytes as u64))
}

/// Gets mapped bytes for writing. They are valid until the buffer is unmapped, destroyed or released, or its device
/// is destroyed; until then no other range may overlap them.
///
/// @param buffer a buffer that is mapped for writing
/// @param offset offset in the buffer in bytes, a multiple of 8
/// @param size length in bytes, a multiple of 4; `BB_WHOLE_SIZE` for the rest of the mapped range
/// @param span output
/// @return BB_OK, BB_E_STATE (not mapped), BB_E_ARGUMENT (mapped for reading), BB_E_BUSY (overlaps another range),
///         BB_E_ALIGN, BB_E_RANGE, BB_E_OUT_OF_MEMORY, BB_E_DEVICE_LOST, or a handle status
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_buffer_mapped_range(
    buffer: *mut bb_buffer,
    offset: u64,
    size: u64,
    span: *mut bb_span,
) -> bb_status {
    on("bb_buffer_mapped_range", buffer, |buffer: &Buffer| {
        // SAFETY: the header requires memory for a span.
        let place = unsafe { input::output(span, "span") }?;
        let (data, bytes) = lend(buffer, offset, size, true)?;
        place.set(bb_span { data: data.cast(), bytes })
    })
}

/// Gets mapped bytes for reading. Ranges for reading may overlap each other, but no range for writing.
///
/// @param buffer a buffer that is mapped
/// @param offset offset in the buffer in bytes, a multiple of 8
/// @param size length in bytes, a multiple of 4; `BB_WHOLE_SIZE` for the rest of the mapped range
/// @param span output
/// @return what `bb_buffer_mapped_range()` returns
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_buffer_const_mapped_range(
    buffer: *mut bb_buffer,
    offset: u64,
    size: u64,
    span: *mut bb_const_span,
) -> bb_status {
    on("bb_buffer_const_mapped_range", buffer, |buffer: &Buffer| {
        // SAFETY: the header requires memory for a span.
        let place = unsafe { input::output(span, "span") }?;
        let (data, bytes) = lend(buffer, offset, size, false)?;
        place.set(bb_const_span { data: data.cast_const().cast(), bytes })
    })
}

/// The mapping of a buffer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_mapping {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// `BB_MAP_READ` or `BB_MAP_WRITE`; 0 if nothing is mapped.
    pub mode: u32,
    /// The first mapped byte; NULL if nothing is mapped.
    pub data: *mut c_void,
    /// Mapped bytes.
    pub bytes: u64,
    /// Number of the mapping, different for each mapping of the buffer.
    pub number: u64,
}

/// Gets the whole mapping, without the overlap checks of ranges: for a caller that is the only user of the buffer.
///
/// @param buffer the buffer
/// @param struct_size `sizeof(bb_mapping)`
/// @param mapping output
/// @return BB_OK, BB_E_DEVICE_LOST (mapped, and the device is lost), BB_E_VERSION (struct_size), or a handle status
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_buffer_mapping_get(
    buffer: *mut bb_buffer,
    struct_size: u32,
    mapping: *mut bb_mapping,
) -> bb_status {
    on("bb_buffer_mapping_get", buffer, |buffer: &Buffer| {
        let there = buffer.inner.mapping()?;
        // SAFETY: the header requires memory of `struct_size` bytes.
        unsafe {
            input::write_sized(struct_size, mapping, "mapping", |struct_size| match there {
                Some((number, mode, data, bytes)) => {
                    bb_mapping { struct_size, mode: mode as u32, data: data.cast(), bytes, number }
                }
                None => bb_mapping { struct_size, mode: 0, data: std::ptr::null_mut(), bytes: 0, number: 0 },
            })
        }
    })
}

/// Unmaps the buffer as `bb_buffer_unmap()` does, but only the mapping with that number; a later mapping stays.
///
/// @param buffer the buffer
/// @param number from `bb_buffer_mapping_get()`
/// @return BB_OK or a handle status
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_buffer_unmap_only(buffer: *mut bb_buffer, number: u64) -> bb_status {
    match inner("bb_buffer_unmap_only", buffer) {
        Ok(inner) => guard("bb_buffer_unmap_only", || {
            inner.unmap_only(number);
            Ok(())
        }),
        Err(status) => status,
    }
}

/// Unmaps the buffer, so that the device may use it again; a pending request completes with BB_E_ABORTED. No effect
/// on a buffer that is neither mapped nor map pending.
///
/// @param buffer the buffer
/// @return BB_OK or a handle status
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_buffer_unmap(buffer: *mut bb_buffer) -> bb_status {
    match inner("bb_buffer_unmap", buffer) {
        Ok(inner) => guard("bb_buffer_unmap", || {
            inner.unmap();
            Ok(())
        }),
        Err(status) => status,
    }
}
