//! `bb_batch`: updates that are enqueued together.

use std::ffi::c_void;

use crate::error::{Error, Label, Result, Status};
use crate::ffi::callback::discard;
use crate::ffi::guard::{destroy, guard_handle, on};
use crate::ffi::handle::{Kind, bb_batch, bb_manager};
use crate::ffi::object::{Object, create_at};
use crate::ffi::status::bb_status;
use crate::ffi::update::{bb_kernel, bb_region, bb_update, kernel_of, region_of};
use crate::ffi::{input, object};
use crate::manager::batch::Batch;
use crate::manager::manager::Manager;
use crate::manager::update::RawUpdate;
use crate::sync::atomic::{AtomicBool, Ordering::*};
use crate::sync::mutex::Mutex;
use crate::sys::clock::Timeout;

/// The batch behind a handle. A second thread that uses it at the same time gets BB_E_BUSY.
struct SharedBatch {
    /// The manager's.
    label: Label,
    /// None once it is committed.
    batch: Mutex<Option<Batch>>,
    /// A committed batch ends its handle even while another thread is inside a call on it.
    committed: AtomicBool,
}

impl Object for SharedBatch {
    const KIND: Kind = Kind::Batch;

    fn label(&self) -> Label {
        self.label
    }

    fn refuse(&self, status: Status) {
        if let Some(batch) = self.batch.try_lock().as_deref().and_then(Option::as_ref) {
            batch.refuse(status);
        }
    }

    fn close(&self) -> Result<()> {
        if !self.committed.load(Acquire) && self.batch.try_lock().is_none() { Err(in_use()) } else { Ok(()) }
    }
}

#[cold]
fn in_use() -> Error {
    Error::text(Status::Busy, "another thread is inside a call on the same batch")
}

impl SharedBatch {
    /// Runs `work` on the batch. The lock is only tried, so that no thread blocks on it.
    fn with(&self, work: impl FnOnce(&mut Batch) -> Result<()>) -> Result<()> {
        let mut batch = self.batch.try_lock().ok_or_else(in_use)?;
        work(batch.as_mut().ok_or_else(|| Error::of(Status::Stale))?)
    }

    fn commit(&self, timeout: Timeout) -> Result<()> {
        let mut batch = self.batch.try_lock().ok_or_else(in_use)?;
        batch.as_mut().ok_or_else(|| Error::of(Status::Stale))?.commit(timeout)?;
        *batch = None;
        self.committed.store(true, Release);
        Ok(())
    }
}

/// Begins a batch. Its updates have no effect before it is committed; it holds no lock and no resource of the
/// manager.
///
/// @param m the manager
/// @param batch the handle is written here; `bb_batch_commit()` and `bb_batch_cancel()` end it
/// @return BB_OK, BB_E_CLOSED, BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_batch_begin(m: *mut bb_manager, batch: *mut *mut bb_batch) -> bb_status {
    on("bb_batch_begin", m, |m: &Manager| {
        // SAFETY: the header requires memory for a handle.
        let out = unsafe { input::output(batch, "batch") }?;
        let begin = || {
            Ok(SharedBatch {
                label: m.label(),
                batch: Mutex::new(Some(m.batch()?)),
                committed: AtomicBool::new(false),
            })
        };
        create_at(out, begin)
    })
}

/// Adds an update to a batch. The data is copied before the call returns.
///
/// @param b the batch
/// @param update the data and its destination
/// @return BB_OK, BB_E_ALIGN, BB_E_RANGE, BB_E_ARGUMENT (reserved), BB_E_OUT_OF_MEMORY, BB_E_CLOSED, BB_E_BUSY (another thread uses it), or a
///         handle status. A refused update leaves the batch as it was
/// @realtime lock-free, no system call, may allocate
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_batch_update(b: *mut bb_batch, update: *const bb_update) -> bb_status {
    // SAFETY: the header requires an update whose data is that long.
    on("bb_batch_update", b, |b: &SharedBatch| unsafe {
        let update = input::required(update.cast::<RawUpdate>(), "update")?;
        b.with(|b| b.update_raw(update))
    })
}

/// Adds a fill to a batch: each element of a range is set to one value.
///
/// @param b the batch
/// @param field index of the field; 0 for a manager made without fields
/// @param byte_offset start of the range in bytes from the start of the field, a multiple of the element size
/// @param count length of the range in elements
/// @param element one element, of any alignment
/// @return what `bb_batch_update()` returns
/// @realtime lock-free, no system call, may allocate
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_batch_fill(
    b: *mut bb_batch,
    field: u32,
    byte_offset: u64,
    count: u64,
    element: *const c_void,
) -> bb_status {
    // SAFETY: the header requires one element.
    on("bb_batch_fill", b, |b: &SharedBatch| unsafe {
        let element = input::required(element.cast::<u8>(), "element")?;
        b.with(|b| b.fill_raw(field, byte_offset, count, element))
    })
}

/// Adds an update of an N-d region to a batch. The data is copied before the call returns.
///
/// @param b the batch
/// @param region the region and its data
/// @return BB_E_ARGUMENT (a step of 0), and what `bb_batch_update()` returns
/// @realtime lock-free, no system call, may allocate
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_batch_region(b: *mut bb_batch, region: *const bb_region) -> bb_status {
    // SAFETY: the header requires arrays of the state's dimensions, and data that they describe.
    on("bb_batch_region", b, |b: &SharedBatch| unsafe {
        b.with(|b| {
            let (field, region) = region_of(region, b.fields())?;
            b.region_raw(field, &region)
        })
    })
}

/// Adds a kernel to a batch. If the call fails, `user_data` stays the caller's. Once it has succeeded, `drop` is
/// called exactly once, even if the batch is cancelled.
///
/// @param b the batch
/// @param kernel the kernel and its range
/// @return BB_E_ARGUMENT (flags), and what `bb_batch_update()` returns
/// @realtime lock-free, no system call, may allocate
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_batch_kernel(b: *mut bb_batch, kernel: *const bb_kernel) -> bb_status {
    on("bb_batch_kernel", b, |b: &SharedBatch| {
        // SAFETY: the header requires a kernel.
        let kernel = unsafe { input::required(kernel, "kernel") }?;
        b.with(|b| {
            b.kernel_on(kernel.field, kernel_of(kernel)?).map_err(|refused| {
                discard(refused.value.run);
                refused.error
            })
        })
    })
}

/// Sets the tag of the first front that contains the batch.
///
/// @param b the batch
/// @param tag a number of the caller, such as a step
/// @return what `bb_batch_update()` returns
/// @realtime lock-free, no system call, may allocate
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub extern "C" fn bb_batch_tag(b: *mut bb_batch, tag: u64) -> bb_status {
    on("bb_batch_tag", b, |b: &SharedBatch| b.with(|b| b.tag(tag)))
}

/// Enqueues the batch: all of it becomes visible in one epoch. Ends the handle. A failed commit leaves the batch
/// unchanged, and may be repeated.
///
/// @param b the batch
/// @param timeout nanoseconds to wait for space in the queue; 0 does not wait, BB_FOREVER waits without limit
/// @return BB_OK, BB_E_FULL (no space, and the timeout is 0), BB_E_TIMEOUT, BB_E_PINNED, BB_E_STALLED, BB_E_CLOSED,
///         BB_E_OUT_OF_MEMORY, BB_E_INTERRUPTED, BB_E_POISONED, BB_E_BUSY (another thread uses it), or a handle
///         status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety one thread at a time; also from callbacks, where it does not wait
#[unsafe(no_mangle)]
pub extern "C" fn bb_batch_commit(b: *mut bb_batch, timeout: u64) -> bb_status {
    match on("bb_batch_commit", b, |b: &SharedBatch| b.commit(Timeout::nanos(timeout))) {
        bb_status::BB_OK => guard_handle("bb_batch_commit", b, |b| {
            // The batch is committed, even if another thread ends the handle at the same time.
            drop(object::remove::<SharedBatch>(b));
            Ok(())
        }),
        refused => refused,
    }
}

/// Discards the batch and ends the handle. None of its updates is applied.
///
/// @param b the batch; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside a call on it), BB_E_BUSY (another thread uses it), or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub extern "C" fn bb_batch_cancel(b: *mut bb_batch) -> bb_status {
    destroy::<SharedBatch, _>("bb_batch_cancel", b)
}

#[cfg(test)]
mod tests {
    use std::ptr::{null, null_mut};

    use super::*;
    use crate::ffi::manager::{bb_manager_create, bb_manager_destroy};
    use crate::ffi::manager_info::{bb_manager_stats, bb_manager_stats_get};

    #[test]
    fn a_refused_update_is_counted_on_the_manager_and_leaves_the_batch() {
        let (mut m, mut b, shape, one) = (null_mut(), null_mut(), [4u64], 1u8);
        let bad =
            bb_update { byte_offset: 4, count: 1, data: (&raw const one).cast(), field: 0, reserved: 0 };
        let good = bb_update { byte_offset: 3, ..bad };
        // SAFETY: everything is as the header says; the counters are zeros or written.
        unsafe {
            let mut stats: bb_manager_stats = std::mem::zeroed();
            assert_eq!(bb_manager_create(1, 1, shape.as_ptr(), null(), &mut m), bb_status::BB_OK);
            assert_eq!(bb_batch_begin(m, &mut b), bb_status::BB_OK);
            assert_eq!(bb_batch_update(b, &bad), bb_status::BB_E_RANGE);
            assert_eq!(bb_batch_update(b, &good), bb_status::BB_OK);
            assert_eq!(bb_batch_commit(b, 0), bb_status::BB_OK);
            assert_eq!(bb_batch_commit(b, 0), bb_status::BB_E_STALE);
            let size = size_of::<bb_manager_stats>() as u32;
            assert_eq!(bb_manager_stats_get(m, size, &mut stats), bb_status::BB_OK);
            assert_eq!((stats.refused[8], stats.refused_total), (1, 1));
            assert_eq!(bb_manager_destroy(m), bb_status::BB_OK);
        }
    }
}
