//! The mapped bytes of a `bb_buffer`: ranges of them, all of them, and their end.

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

/// Mapped bytes, to be written. Valid until the buffer is unmapped, destroyed or released, or its device destroyed; until then
/// no other range may overlap them.
///
/// @param buffer a buffer that is mapped for writing
/// @param offset where they begin in the buffer, in bytes, a multiple of 8
/// @param size how many, a multiple of 4; `BB_WHOLE_SIZE` for the rest of what is mapped
/// @param span written
/// @return BB_OK, BB_E_STATE (not mapped), BB_E_ARGUMENT (mapped for reading), BB_E_BUSY (overlaps another range), BB_E_ALIGN,
///         BB_E_RANGE, BB_E_OUT_OF_MEMORY, BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
///         BB_E_FORKED
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
        // SAFETY: the header asks for a place for a span.
        let place = unsafe { input::output(span, "span") }?;
        let (data, bytes) = lend(buffer, offset, size, true)?;
        place.set(bb_span { data: data.cast(), bytes })
    })
}

/// Mapped bytes, to be read. Ranges like it may overlap, one that is written may not.
///
/// @param buffer a buffer that is mapped
/// @param offset where they begin in the buffer, in bytes, a multiple of 8
/// @param size how many, a multiple of 4; `BB_WHOLE_SIZE` for the rest of what is mapped
/// @param span written
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
        // SAFETY: the header asks for a place for a span.
        let place = unsafe { input::output(span, "span") }?;
        let (data, bytes) = lend(buffer, offset, size, false)?;
        place.set(bb_const_span { data: data.cast_const().cast(), bytes })
    })
}

/// The mapping of a buffer, whoever has ranges of it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_mapping {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// `BB_MAP_READ` or `BB_MAP_WRITE`; 0 where nothing is mapped.
    pub mode: u32,
    /// The first of the mapped bytes; NULL where nothing is mapped.
    pub data: *mut c_void,
    /// How many are mapped.
    pub bytes: u64,
    /// Which mapping of the buffer it is: each has another number.
    pub number: u64,
}

/// Tells what is mapped, and lends nothing: ranges are for those who share a buffer, this is for who owns all of it.
///
/// @param buffer the buffer
/// @param struct_size `sizeof(bb_mapping)`
/// @param mapping written
/// @return BB_OK, BB_E_DEVICE_LOST (mapped, and the device is gone), BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE,
///         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
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
        // SAFETY: the header asks for a place of `struct_size` bytes.
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

/// Gives the bytes to the device as `bb_buffer_unmap()` does, if that mapping is there still; a later one stays.
///
/// @param buffer the buffer
/// @param number from `bb_buffer_mapping_get()`
/// @return BB_OK, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
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

/// Gives the bytes to the device; a pending request is answered with BB_E_ABORTED. Does nothing if there is nothing to do.
///
/// @param buffer the buffer
/// @return BB_OK, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
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
