//! `bb_manager_enqueue_update…`: updates of the state through the queue.

use std::ffi::c_void;
use std::mem::ManuallyDrop;

use bitflags::bitflags;

use crate::alloc::boxed;
use crate::error::Result;
use crate::ffi::callback::{UserData, bb_drop_fn, bb_release_fn, boxed_callback, discard};
use crate::ffi::guard::{on, on_fast};
use crate::ffi::handle::bb_manager;
use crate::ffi::input;
use crate::ffi::status::bb_status;
use crate::manager::core::callback::Release;
use crate::manager::field::FieldTable;
use crate::manager::field_access::Field;
use crate::manager::manager::Manager;
use crate::manager::region::RawRegion;
use crate::manager::update::Kernel;
use crate::manager::update::RawUpdate;
use crate::sys::clock::Timeout;

/// `bb_kernel.flags`: may run on any thread that applies updates, not only on the worker.
pub const BB_KERNEL_ANY_THREAD: u32 = 1;
/// `bb_kernel.flags`: overwrites all of its range, so that the range is not copied forward first.
pub const BB_KERNEL_OVERWRITES: u32 = 2;

bitflags! {
    #[derive(Clone, Copy)]
    struct KernelFlags: u32 {
        const ANY_THREAD = BB_KERNEL_ANY_THREAD;
        const OVERWRITES = BB_KERNEL_OVERWRITES;
    }
}

/// An update: elements to be copied into the state.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_update {
    /// Destination in bytes from the start of the field, a multiple of the element size.
    pub byte_offset: u64,
    /// Number of elements.
    pub count: u64,
    /// The elements, of any alignment; may be NULL if `count` is 0.
    pub data: *const c_void,
    /// Index of the field; 0 for a manager made without fields.
    pub field: u32,
    /// 0.
    pub reserved: u32,
}

// The core reads this struct in place.
const _: () = assert!(
    size_of::<bb_update>() == size_of::<RawUpdate>()
        && std::mem::offset_of!(bb_update, byte_offset) == std::mem::offset_of!(RawUpdate, byte_offset)
        && std::mem::offset_of!(bb_update, count) == std::mem::offset_of!(RawUpdate, count)
        && std::mem::offset_of!(bb_update, data) == std::mem::offset_of!(RawUpdate, data)
        && std::mem::offset_of!(bb_update, field) == std::mem::offset_of!(RawUpdate, field)
        && std::mem::offset_of!(bb_update, reserved) == std::mem::offset_of!(RawUpdate, reserved)
);

/// An update of an N-d region, as in `state[2:5, ::2] = data`. Each array has one entry per dimension of the field.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_region {
    /// The first index along each axis.
    pub start: *const u64,
    /// Number of indices along each axis.
    pub extent: *const u64,
    /// Step along each axis in elements, may be negative; NULL for 1 everywhere.
    pub step: *const i64,
    /// The elements, of any alignment; may be NULL if an extent is 0.
    pub data: *const c_void,
    /// Strides of `data` along each axis in bytes, may be 0 or negative; NULL if `data` is packed and row-major.
    pub strides: *const i64,
    /// Index of the field; 0 for a manager made without fields.
    pub field: u32,
    /// 0.
    pub reserved: u32,
}

/// Changes a range of the back copy, which contains every earlier update. `front` is the same range of the newest
/// published epoch; both have `count` elements. It runs once. It may enqueue, but not synchronize or destroy, and
/// must not throw.
pub type bb_kernel_fn =
    Option<unsafe extern "C" fn(back: *mut c_void, front: *const c_void, count: u64, user_data: *mut c_void)>;

/// A kernel: a function that changes a range of the state, in order with the other updates.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_kernel {
    /// Called once, on the worker unless `flags` allow other threads.
    pub function: bb_kernel_fn,
    /// Passed to both functions.
    pub user_data: *mut c_void,
    /// Releases `user_data`, on the worker; may be NULL.
    pub drop: bb_drop_fn,
    /// Start of the range in bytes from the start of the field.
    pub byte_offset: u64,
    /// Number of elements.
    pub count: u64,
    /// `BB_KERNEL_ANY_THREAD`, `BB_KERNEL_OVERWRITES`, or 0.
    pub flags: u32,
    /// Index of the field; 0 for a manager made without fields.
    pub field: u32,
}

/// Enqueues one update. The data is copied before the call returns.
///
/// @param m the manager
/// @param update the data and its destination
/// @param timeout nanoseconds to wait for space in the queue; 0 does not wait, BB_FOREVER waits without limit
/// @return BB_OK, BB_E_ALIGN, BB_E_RANGE (beyond the field's end, no such field), BB_E_ARGUMENT (reserved), BB_E_FULL (no space, and the timeout is 0), BB_E_TIMEOUT, BB_E_PINNED
///         (leases hold every other copy and the queue is full), BB_E_STALLED, BB_E_CLOSED, BB_E_OUT_OF_MEMORY
///         (larger than the queue), BB_E_INTERRUPTED, BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if `worker`
///           is `BB_WORKER_ONLY`, the timeout is 0 and the queue is at most half full
/// @threadsafety safe to call from any thread; also from callbacks, where it does not wait
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_enqueue_update(
    m: *mut bb_manager,
    update: *const bb_update,
    timeout: u64,
) -> bb_status {
    let update = update.cast::<RawUpdate>();
    on_fast(
        "bb_manager_enqueue_update",
        m,
        // SAFETY: the header requires an update whose data is that long.
        |m: &Manager| unsafe { update.as_ref().is_some_and(|update| m.shared.update_in_place(update)) },
        // SAFETY: as above.
        |m| unsafe { m.shared.enqueue_update(input::required(update, "update")?, Timeout::nanos(timeout)) },
    )
}

/// Enqueues several updates as one batch: all of them in one epoch, or none.
///
/// @param m the manager
/// @param updates the updates, applied in this order
/// @param count the number of updates; may be 0
/// @param timeout nanoseconds to wait for space in the queue; 0 does not wait, BB_FOREVER waits without limit
/// @return what `bb_manager_enqueue_update()` returns; one bad update refuses them all
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread; also from callbacks, where it does not wait
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_enqueue_updates(
    m: *mut bb_manager,
    updates: *const bb_update,
    count: u64,
    timeout: u64,
) -> bb_status {
    // SAFETY: the header requires that many updates, whose data is as long as they say.
    on("bb_manager_enqueue_updates", m, |m: &Manager| unsafe {
        m.shared.enqueue_updates(
            input::many(updates.cast::<RawUpdate>(), count, "updates")?,
            Timeout::nanos(timeout),
        )
    })
}

/// Enqueues a fill: each element of a range is set to one value.
///
/// @param m the manager
/// @param field index of the field; 0 for a manager made without fields
/// @param byte_offset start of the range in bytes from the start of the field, a multiple of the element size
/// @param count length of the range in elements
/// @param element one element, of any alignment
/// @param timeout nanoseconds to wait for space in the queue; 0 does not wait, BB_FOREVER waits without limit
/// @return what `bb_manager_enqueue_update()` returns
/// @realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if `worker`
///           is `BB_WORKER_ONLY`, the timeout is 0 and the queue is at most half full
/// @threadsafety safe to call from any thread; also from callbacks, where it does not wait
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_enqueue_fill(
    m: *mut bb_manager,
    field: u32,
    byte_offset: u64,
    count: u64,
    element: *const c_void,
    timeout: u64,
) -> bb_status {
    // SAFETY: the header requires one element.
    on("bb_manager_enqueue_fill", m, |m: &Manager| unsafe {
        let element = input::required(element.cast::<u8>(), "element")?;
        m.shared.enqueue_fill(
            m.shared.fields.get(field)?,
            byte_offset,
            count,
            element,
            Timeout::nanos(timeout),
        )
    })
}

/// Enqueues an update of an N-d region. The data is copied before the call returns.
///
/// @param m the manager
/// @param region the region and its data
/// @param timeout nanoseconds to wait for space in the queue; 0 does not wait, BB_FOREVER waits without limit
/// @return BB_E_ARGUMENT (a step of 0), and what `bb_manager_enqueue_update()` returns
/// @realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if `worker`
///           is `BB_WORKER_ONLY`, the timeout is 0 and the queue is at most half full
/// @threadsafety safe to call from any thread; also from callbacks, where it does not wait
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_enqueue_region(
    m: *mut bb_manager,
    region: *const bb_region,
    timeout: u64,
) -> bb_status {
    // SAFETY: the header requires arrays of the state's dimensions, and data that they describe.
    on("bb_manager_enqueue_region", m, |m: &Manager| unsafe {
        let (field, region) = region_of(region, &m.shared.fields)?;
        m.shared.enqueue_region(m.shared.fields.get(field)?, &region, Timeout::nanos(timeout))
    })
}

/// # Safety
///
/// NULL, or a region whose arrays have an entry for each dimension of its field.
pub(super) unsafe fn region_of<'a>(
    region: *const bb_region,
    fields: &FieldTable,
) -> Result<(u32, RawRegion<'a>)> {
    // SAFETY: promised by the caller, in all of them.
    unsafe {
        let region = input::required(region, "region")?;
        input::reserved(region.reserved, "region.reserved")?;
        let ndim = fields.get(region.field)?.shape.ndim as u64;
        let optional = |given: *const i64, param| match given.is_null() {
            true => Ok(None),
            false => input::many(given, ndim, param).map(Some),
        };
        let raw = RawRegion {
            start: input::many(region.start, ndim, "region.start")?,
            extent: input::many(region.extent, ndim, "region.extent")?,
            step: optional(region.step, "region.step")?,
            data: region.data.cast(),
            strides: optional(region.strides, "region.strides")?,
        };
        Ok((region.field, raw))
    }
}

/// Enqueues an update whose data is not copied before the call returns: the data must stay unchanged until `release`
/// is called.
///
/// If the call succeeds, `release` is called exactly once, on the worker, even if the manager is destroyed before, unless
/// `bb_end_callbacks()` has ended the callbacks with this function. The data must then stay as long as the manager. If
/// the call fails it is not called, and the data stays the caller's.
///
/// @param m the manager
/// @param update the data and its destination
/// @param release releases the data
/// @param user_data passed to `release`
/// @param timeout nanoseconds to wait for space in the queue; 0 does not wait, BB_FOREVER waits without limit
/// @return what `bb_manager_enqueue_update()` returns
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread; also from callbacks, where it does not wait
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_enqueue_borrowed(
    m: *mut bb_manager,
    update: *const bb_update,
    release: bb_release_fn,
    user_data: *mut c_void,
    timeout: u64,
) -> bb_status {
    on("bb_manager_enqueue_borrowed", m, |m: &Manager| {
        let release = release_of(input::function(release, "release")?, user_data)?;
        // SAFETY: the header requires data that stays until the release.
        let outcome = unsafe {
            let update = input::required(update.cast::<RawUpdate>(), "update")?;
            let (field, timeout) = (m.shared.fields.of_update(update)?, Timeout::nanos(timeout));
            m.shared.enqueue_borrowed(field, update.byte_offset, update.count, update.data, release, timeout)
        };
        // A refused release is dropped without running.
        outcome.map_err(|refused| refused.error)
    })
}

fn release_of(release: unsafe extern "C" fn(*mut c_void), user_data: *mut c_void) -> Result<Release> {
    // Its drop calls `release`, unless `bb_end_callbacks` has ended the callbacks with this function. A closure that is
    // dropped without running drops nothing, so a refused release is not called.
    let data = ManuallyDrop::new(UserData::new(user_data, Some(release)));
    Ok(boxed(move || drop(ManuallyDrop::into_inner(data)))?)
}

/// Enqueues a kernel. If the call fails, `user_data` stays the caller's and `drop` is not called.
///
/// @param m the manager
/// @param kernel the kernel and its range
/// @param timeout nanoseconds to wait for space in the queue; 0 does not wait, BB_FOREVER waits without limit
/// @return BB_E_ARGUMENT (flags), and what `bb_manager_enqueue_update()` returns
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread; also from callbacks, where it does not wait
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_enqueue_kernel(
    m: *mut bb_manager,
    kernel: *const bb_kernel,
    timeout: u64,
) -> bb_status {
    on("bb_manager_enqueue_kernel", m, |m: &Manager| {
        // SAFETY: the header requires a kernel.
        let given = unsafe { input::required(kernel, "kernel") }?;
        let field = Field::at(&m.shared, given.field)?;
        field.enqueue_kernel(kernel_of(given)?, Timeout::nanos(timeout)).map_err(|refused| {
            discard(refused.value.run);
            refused.error
        })
    })
}

pub(super) fn kernel_of(given: &bb_kernel) -> Result<Kernel> {
    let function = input::function(given.function, "kernel.function")?;
    let flags: KernelFlags = input::flags(given.flags, "kernel.flags")?;
    let (count, user_data) = (given.count, UserData::new(given.user_data, given.drop));
    let run = move |back: &mut [u8], front: &[u8]| {
        let Some(_running) = user_data.enter() else {
            if flags.contains(KernelFlags::OVERWRITES) {
                back.copy_from_slice(front); // its range was not copied forward
            }
            return;
        };
        // SAFETY: the caller's function and data, on the range that was asked for.
        unsafe { function(back.as_mut_ptr().cast(), front.as_ptr().cast(), count, user_data.get()) }
    };
    Ok(Kernel {
        byte_offset: given.byte_offset,
        count,
        any_thread: flags.contains(KernelFlags::ANY_THREAD),
        overwrites: flags.contains(KernelFlags::OVERWRITES),
        drops: given.drop.is_some(),
        run: boxed_callback(run)?,
    })
}

/// Enqueues a tag: it is the tag of the first front that contains every earlier update of this thread, and of later
/// fronts until a newer tag.
///
/// @param m the manager
/// @param tag a number of the caller, such as a step
/// @param timeout nanoseconds to wait for space in the queue; 0 does not wait, BB_FOREVER waits without limit
/// @return what `bb_manager_enqueue_update()` returns
/// @realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if `worker`
///           is `BB_WORKER_ONLY`, the timeout is 0 and the queue is at most half full
/// @threadsafety safe to call from any thread; also from callbacks, where it does not wait
#[unsafe(no_mangle)]
pub extern "C" fn bb_manager_enqueue_tag(m: *mut bb_manager, tag: u64, timeout: u64) -> bb_status {
    on("bb_manager_enqueue_tag", m, |m: &Manager| m.enqueue_tag(tag, Timeout::nanos(timeout)))
}
