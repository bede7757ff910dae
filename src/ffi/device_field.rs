//! `bb_device_field_view` and `bb_gl_field_view`: a field of a front as a range of the front's buffer on a device.

use std::ffi::c_char;

use crate::device::driver::DeviceKind;
use crate::error::{Error, Result, Status};
use crate::ffi::field::{RawArray, write_view};
use crate::ffi::front::{bb_device_front, bb_gl_front};
use crate::ffi::guard::guard;
use crate::ffi::input;
use crate::ffi::manager::BB_MAX_DIMS;
use crate::ffi::status::bb_status;
use crate::handle::lease::UsedLease;
use crate::manager::copies::copies::StateCopies;
use crate::manager::copies::device_copies::DeviceCopies;

/// A field of a front on a device: a range of its buffer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_device_field_view {
    /// The buffer: `bb_device_front.native`.
    pub native: u64,
    /// Where it begins in the buffer, in bytes.
    pub offset: u64,
    /// Its bytes.
    pub bytes: u64,
    /// A `bb_dtype`, or `BB_OPAQUE(size)`.
    pub dtype: u32,
    /// Dimensions.
    pub ndim: u32,
    /// Elements along each dimension; zeros beyond `ndim`.
    pub shape: [u64; BB_MAX_DIMS],
    /// Bytes from one index to the next along each dimension: row-major; zeros beyond `ndim`.
    pub strides: [i64; BB_MAX_DIMS],
}

/// A field of an OpenGL front: a range of its buffer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_gl_field_view {
    /// The buffer's name.
    pub buffer: u32,
    /// A `bb_dtype`, or `BB_OPAQUE(size)`.
    pub dtype: u32,
    /// Where it begins in the buffer, in bytes.
    pub offset: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Dimensions.
    pub ndim: u32,
    /// 0.
    pub reserved: u32,
    /// Elements along each dimension; zeros beyond `ndim`.
    pub shape: [u64; BB_MAX_DIMS],
    /// Bytes from one index to the next along each dimension: row-major; zeros beyond `ndim`.
    pub strides: [i64; BB_MAX_DIMS],
}

/// Gets a field of an OpenGL front: its range in the front's buffer.
///
/// @param front as `bb_manager_acquire_front_gl()` wrote it, not yet released
/// @param name the field's name
/// @param view output
/// @return BB_OK, BB_E_NULL, BB_E_NO_NAME (no such field), BB_E_ARGUMENT (the lease is not of an OpenGL front, or `name`
///         is not UTF-8), BB_E_STALE (released), or a handle status
/// @realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if no thread
///           releases the lease during the call
/// @threadsafety safe to call from any thread, also after the manager is destroyed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_gl_front_field(
    front: *const bb_gl_front,
    name: *const c_char,
    view: *mut bb_gl_field_view,
) -> bb_status {
    // SAFETY: the header requires a front, a name, and memory for a view.
    guard("bb_gl_front_field", || unsafe {
        write_view(input::required(front, "front")?.lease, name, view, |(copies, copy), lease, field| {
            let on_device = device_copies_of(copies, lease)?;
            if on_device.device().info().kind != DeviceKind::Gl {
                return Err(Error::param(Status::Argument, "front.lease", "is not of an OpenGL front"));
            }
            let (buffer, offset) = (on_device.published(copy).native.0 as u32, field.offset);
            let RawArray { bytes, dtype, ndim, shape, strides } = RawArray::of(field);
            Ok(bb_gl_field_view { buffer, dtype, offset, bytes, ndim, reserved: 0, shape, strides })
        })
    })
}

/// Gets a field of a front on a device: its range in the front's buffer.
///
/// @param front as `bb_manager_acquire_front_device()` wrote it, not yet released
/// @param name the field's name
/// @param view output
/// @return BB_OK, BB_E_NULL, BB_E_NO_NAME (no such field), BB_E_ARGUMENT (the lease is not of a front on a device, or
///         `name` is not UTF-8), BB_E_STALE (released), or a handle status
/// @realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if no thread
///           releases the lease during the call
/// @threadsafety safe to call from any thread, also after the manager is destroyed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_front_field(
    front: *const bb_device_front,
    name: *const c_char,
    view: *mut bb_device_field_view,
) -> bb_status {
    // SAFETY: the header requires a front, a name, and memory for a view.
    guard("bb_device_front_field", || unsafe {
        write_view(input::required(front, "front")?.lease, name, view, |(copies, copy), lease, field| {
            let native = device_copies_of(copies, lease)?.published(copy).native.0;
            let RawArray { bytes, dtype, ndim, shape, strides } = RawArray::of(field);
            Ok(bb_device_field_view { native, offset: field.offset, bytes, dtype, ndim, shape, strides })
        })
    })
}

/// The device copies of a front, if it was leased with its device copy.
fn device_copies_of<'a>(copies: &'a StateCopies, lease: &UsedLease) -> Result<&'a DeviceCopies> {
    let other = || {
        let reason = "is of a front in host memory; acquire one of the manager's device";
        Error::param(Status::Argument, "front.lease", reason)
    };
    copies.on_device().filter(|_| StateCopies::is_with_device_copy(lease)).ok_or_else(other)
}
