//! `bb_front`, `bb_device_front`, `bb_gl_front` and their leases: stable reads of the newest published state.

use std::ffi::c_void;

use crate::device::device::Device;
use crate::device::driver::DeviceKind;
use crate::error::{Error, Status};
use crate::ffi::guard::{guard_handle, on};
use crate::ffi::handle::{bb_device, bb_lease, bb_manager};
use crate::ffi::manager::{bb_manager_config, create};
use crate::ffi::status::bb_status;
use crate::ffi::{handle, input, object};
use crate::handle::lease;
use crate::manager::changes::{ChangedPart, changes};
use crate::manager::field_access::Field;
use crate::manager::front::{acquire_device_front, release_device_front};
use crate::manager::manager::Manager;

/// The newest published copy of a state. Its bytes do not change until the lease is released.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_front {
    /// The state, aligned to 64 bytes.
    pub data: *const c_void,
    /// Its bytes.
    pub bytes: u64,
    /// Its epoch.
    pub epoch: u64,
    /// The newest tag enqueued before its publish; 0 if there is none.
    pub tag: u64,
    /// Release it with `bb_lease_release()`.
    pub lease: *mut bb_lease,
}

/// Leases the newest front, in a bounded number of steps. It stays readable and unchanged until the lease is
/// released, despite later publishes and even after the manager is destroyed.
///
/// @param m the manager
/// @param front output
/// @return BB_OK, BB_E_LIMIT (too many leases), BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the
///           thread releases the leases that it acquires and holds at most 8
/// @threadsafety safe to call from any thread; any number of leases at once
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_acquire_front(m: *mut bb_manager, front: *mut bb_front) -> bb_status {
    on("bb_manager_acquire_front", m, |own: &Manager| {
        // SAFETY: the header requires memory for a front.
        let out = unsafe { input::output(front, "front") }?;
        let front = own.shared.copies().acquire()?;
        out.set(bb_front {
            data: front.data.cast(),
            bytes: front.bytes,
            epoch: front.epoch,
            tag: front.tag,
            lease: handle::of_lease(front.lease, m as u64) as *mut bb_lease,
        })
    })
}

/// A range of bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_byte_range {
    /// Its first byte.
    pub offset: u64,
    /// The number of bytes; not 0.
    pub bytes: u64,
}

/// `field` of `bb_front_changes()`: the whole state, with offsets from its start.
pub const BB_ALL_FIELDS: u32 = u32::MAX;

/// Finds the ranges in which a front may differ from the front of an older epoch, so that a texture, a file or a peer
/// takes only what has changed.
///
/// The ranges are ascending and neither overlap nor touch. Every byte that differs is in one of them; they may also
/// have bytes that are equal. If there are more than `capacity`, the nearest ones are joined; 512 are always enough.
/// The manager keeps the changes of its last `history` epochs (see `bb_manager_config`): for an older `since_epoch`
/// the only range is all of it, and `complete` is false. Works until the lease is released, also after the manager is
/// destroyed. For a `bb_device_front` or a `bb_gl_front`, pass a front with its lease.
///
/// @param front a leased front; only its `lease` is read
/// @param since_epoch the epoch of the older front, at most that of `front`
/// @param field the index of a field, for offsets from its start, or `BB_ALL_FIELDS`
/// @param ranges output: memory for `capacity` ranges; the first `count` are written
/// @param capacity the most ranges, at least 1
/// @param count output: the number of ranges; 0 if nothing has changed
/// @param complete output: whether the history covers all epochs from `since_epoch` on
/// @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (`since_epoch` is later than the front's epoch, `capacity` is 0, or the
///         lease is not of a front), BB_E_RANGE (`field`), BB_E_STALE (the lease is released), or a handle status
/// @realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if no thread
///           releases the lease during the call
/// @threadsafety safe to call from any thread, also for one front from several threads at once
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_front_changes(
    front: *const bb_front,
    since_epoch: u64,
    field: u32,
    ranges: *mut bb_byte_range,
    capacity: u64,
    count: *mut u64,
    complete: *mut bool,
) -> bb_status {
    // SAFETY: the header requires NULL or a front.
    let lease = unsafe { front.as_ref() }.map_or(std::ptr::null_mut(), |front| front.lease);
    guard_handle("bb_front_changes", lease, |lease| {
        // SAFETY: the header requires a front, and memory for the outputs.
        let (_, to, count, complete) = unsafe {
            (
                input::required(front, "front")?,
                input::output(ranges, "ranges")?,
                input::output(count, "count")?,
                input::output(complete, "complete")?,
            )
        };
        let part = if field == BB_ALL_FIELDS { ChangedPart::All } else { ChangedPart::Field(field) };
        changes(object::to_lease(lease)?, since_epoch, part, capacity, |changed, _| {
            // By value: its address in memory would be read again for each range.
            let to = to;
            let ranges = changed.for_each(|at, start, end| {
                // SAFETY: the header requires memory for `capacity` ranges, and there are no more.
                unsafe { to.set_at(at, bb_byte_range { offset: start, bytes: end.wrapping_sub(start) }) }
            });
            complete.set(changed.complete)?;
            count.set(ranges as u64)
        })
    })
}

/// Copies bytes of the newest epoch, without a lease to release. All of them are of one epoch, which is no older than that of any
/// front or read before. For states of up to some KiB that several threads read often: the copy of 64 bytes costs less than a front.
///
/// It never waits. For a state of at most 4096 bytes it takes no lease, unless it is the first read of its epoch; readers then
/// write nothing that they share. For a larger state, and while more than `copies` copies are in use, it takes a lease for as long
/// as it copies, and costs as much as acquiring a front and copying from it. A publish never waits for a read without a lease; for
/// one with a lease, only if `copies` is 2.
///
/// Every manager has its state in host memory, also one on a device: that is what is read.
///
/// @param m the manager
/// @param field the index of a field, for an offset from its start, or `BB_ALL_FIELDS`
/// @param byte_offset the first byte, of any alignment
/// @param dst destination of `bytes` bytes, of any alignment, outside of the state; may be NULL if `bytes` is 0. It may be
///            written more than once during the call.
/// @param bytes the number of bytes
/// @param epoch the epoch that the bytes are of is written here; may be NULL
/// @param tag the newest tag enqueued before the publish of that epoch is written here, 0 if there is none; may be NULL
/// @return BB_OK, BB_E_NULL, BB_E_RANGE (`field`, or the end of the bytes), or a handle status
/// @realtime wait-free, may make a system call, no allocation; wait-free, no system call, no allocation if no thread waits
///           for a free copy
/// @threadsafety safe to call from any thread; any number of reads at once
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_read(
    m: *mut bb_manager,
    field: u32,
    byte_offset: u64,
    dst: *mut c_void,
    bytes: u64,
    epoch: *mut u64,
    tag: *mut u64,
) -> bb_status {
    on("bb_manager_read", m, |own: &Manager| {
        let to = match bytes {
            0 => std::ptr::NonNull::<u8>::dangling().as_ptr(),
            _ if dst.is_null() => {
                return Err(Error::param(Status::Null, "dst", "is NULL, and bytes is not 0"));
            }
            _ => dst.cast(),
        };
        // SAFETY: the header requires memory for the bytes, and for the outputs or NULL.
        unsafe {
            let read = match field {
                BB_ALL_FIELDS => own.shared.read_all(byte_offset, bytes, to)?,
                index => Field::at(&own.shared, index)?.read_raw(byte_offset, bytes, to)?,
            };
            input::set_optional(epoch, read.epoch)?;
            input::set_optional(tag, read.tag)
        }
    })
}

/// Releases a lease. The memory must not be used any more.
///
/// @param lease from `bb_front.lease`
/// @return BB_OK, BB_E_STALE (released before), or a handle status
/// @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the same
///           thread acquired it as a front, no other thread uses it or waits for a free copy, and the manager lives
/// @threadsafety safe to call from any thread, not only the one that acquired it
#[unsafe(no_mangle)]
pub extern "C" fn bb_lease_release(lease: *mut bb_lease) -> bb_status {
    guard_handle("bb_lease_release", lease, |lease| lease::release(object::to_lease(lease)?))
}

/// The newest published copy of a state in a buffer of the manager's device.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_device_front {
    /// The backend's handle of the buffer: what `bb_driver.create_buffer` wrote, an OpenGL name, an address on a host
    /// device.
    pub native: u64,
    /// The state's bytes, from the buffer's start.
    pub bytes: u64,
    /// Its epoch.
    pub epoch: u64,
    /// The newest tag enqueued before its publish; 0 if there is none.
    pub tag: u64,
    /// Index of the manager's copy. The buffer of a slot never changes, so that objects made from it may be kept by
    /// slot.
    pub slot: u32,
    /// 0.
    pub reserved: u32,
    /// Release it with `bb_lease_release()`; where renderers draw from it on the device (on OpenGL, and on a driver with the
    /// functions of renderers), with `bb_lease_release_gl()`.
    pub lease: *mut bb_lease,
}

/// Leases the newest front and its buffer on the manager's device. The upload is complete: the device does not write to
/// the buffer until the lease is released. Release it when the last work that reads the buffer is done, or is queued
/// before later work of the device.
///
/// @param m a manager on a device
/// @param front output
/// @return BB_OK, BB_E_STATE (a manager on host memory; on OpenGL, no context that shares the device's objects is
///         current on this thread; the driver's `check_renderer`), BB_E_BACKEND (the driver), BB_E_DEVICE_LOST,
///         BB_E_LIMIT (too many leases), BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the
///           device has no functions of renderers (OpenGL has), and the thread releases the leases that it acquires and
///           holds at most 8
/// @threadsafety safe to call from any thread; on OpenGL, with a context that shares the device's objects
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_acquire_front_device(
    m: *mut bb_manager,
    front: *mut bb_device_front,
) -> bb_status {
    on("bb_manager_acquire_front_device", m, |own: &Manager| {
        // SAFETY: the header requires memory for a front.
        let out = unsafe { input::output(front, "front") }?;
        let leased = acquire_device_front(own.shared.copies())?;
        out.set(bb_device_front {
            native: leased.native.0,
            bytes: leased.front.bytes,
            epoch: leased.front.epoch,
            tag: leased.front.tag,
            slot: leased.slot,
            reserved: 0,
            lease: handle::of_lease(leased.front.lease, m as u64) as *mut bb_lease,
        })
    })
}

/// The newest published copy of a state in an OpenGL buffer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_gl_front {
    /// The buffer's name.
    pub buffer: u32,
    /// Index of the manager's copy. The buffer of a slot never changes, so that vertex array objects may be kept by
    /// slot.
    pub slot: u32,
    /// Offset of the state in the buffer, in bytes.
    pub offset: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Its epoch.
    pub epoch: u64,
    /// The newest tag enqueued before its publish; 0 if there is none.
    pub tag: u64,
    /// Release it with `bb_lease_release_gl()`.
    pub lease: *mut bb_lease,
}

/// Creates a manager whose fronts are also OpenGL buffers.
///
/// It works as a manager of `bb_manager_create()`: updates, kernels and CPU fronts are in host memory. Each copy also
/// has an OpenGL buffer, to which the device's owner thread uploads what has changed before the copy is published. On
/// a host-driven device the upload runs in `bb_device_poll()` and in waits on its owner thread. If this call is made
/// on another thread, it waits for such a poll, at most for the config's `watchdog_ns` (0: without limit).
///
/// @param device an OpenGL device
/// @param dtype a `bb_dtype`, or `BB_OPAQUE(size)` for elements of that many bytes
/// @param ndim dimensions, 0 to BB_MAX_DIMS
/// @param shape elements along each dimension; may be NULL if there are none
/// @param config parameters, or NULL for the defaults
/// @param manager the handle is written here
/// @return what `bb_manager_create()` returns with a device, BB_E_ARGUMENT (also a device of another kind, or a
///         `config.device`)
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_create_gl(
    device: *mut bb_device,
    dtype: u32,
    ndim: u32,
    shape: *const u64,
    config: *const bb_manager_config,
    manager: *mut *mut bb_manager,
) -> bb_status {
    on("bb_manager_create_gl", device, |device: &Device| {
        if device.info().kind != DeviceKind::Gl {
            let reason = "is not on OpenGL: create it with bb_device_create_gl()";
            return Err(Error::param(Status::Argument, "device", reason));
        }
        // SAFETY: the header requires memory for a handle, `ndim` lengths, and a config or NULL.
        unsafe { create(Some(device), dtype, ndim, shape, config, manager) }
    })
}

/// Leases the newest front for rendering. The context that is current on this thread waits for the fence of the
/// upload. The content does not change until the lease is released.
///
/// @param m a manager on an OpenGL device
/// @param front output
/// @return BB_OK, BB_E_STATE (a manager on host memory or another device, or no context that shares the device's objects is current on
///         this thread), BB_E_DEVICE_LOST, BB_E_LIMIT (too many leases), BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety on any thread with a context that shares the device's objects
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_acquire_front_gl(
    m: *mut bb_manager,
    front: *mut bb_gl_front,
) -> bb_status {
    on("bb_manager_acquire_front_gl", m, |own: &Manager| {
        // SAFETY: the header requires memory for a front.
        let out = unsafe { input::output(front, "front") }?;
        if own.shared.device().is_some_and(|device| device.info().kind != DeviceKind::Gl) {
            let reason = "this manager's device is not on OpenGL: create the manager on an OpenGL device";
            return Err(Error::text(Status::State, reason));
        }
        let leased = acquire_device_front(own.shared.copies())?;
        out.set(bb_gl_front {
            buffer: leased.native.0 as u32,
            slot: leased.slot,
            offset: 0,
            bytes: leased.front.bytes,
            epoch: leased.front.epoch,
            tag: leased.front.tag,
            lease: handle::of_lease(leased.front.lease, m as u64) as *mut bb_lease,
        })
    })
}

/// Releases a front once the draws so far are done: a fence is inserted into the context that is current on this
/// thread, and the buffer is not written before that fence is signalled. The CPU does not wait. On other devices it
/// works the same way with the driver's `renderer_fence`, and without that as `bb_lease_release()`.
///
/// @param lease from `bb_gl_front.lease` or `bb_device_front.lease`
/// @return BB_OK, BB_E_ARGUMENT (a lease of another front), BB_E_STATE (no context that shares the device's objects is
///         current on this thread, or the driver's `check_renderer`), BB_E_BACKEND (the driver), BB_E_STALE (released
///         before), BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety on any thread with a context that shares the device's objects
#[unsafe(no_mangle)]
pub extern "C" fn bb_lease_release_gl(lease: *mut bb_lease) -> bb_status {
    guard_handle("bb_lease_release_gl", lease, |lease| {
        release_device_front(object::to_lease(lease)?).map_err(|error| match error.status() {
            Status::Argument => {
                let reason = "is of a front in host memory: release it with bb_lease_release()";
                Error::param(Status::Argument, "lease", reason)
            }
            _ => error,
        })
    })
}
