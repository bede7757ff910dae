//! `bb_back`: reservations of the back copy.

use std::ffi::c_void;

use crate::error::{Error, Result, Status};
use crate::ffi::front::{BB_ALL_FIELDS, bb_byte_range};
use crate::ffi::guard::on;
use crate::ffi::handle::{bb_lease, bb_manager};
use crate::ffi::status::bb_status;
use crate::ffi::{handle, input};
use crate::manager::back::{BackMode, RawBack};
use crate::manager::core::back_reservation;
use crate::manager::manager::Manager;
use crate::sys::clock::Timeout;

/// `bb_manager_reserve_back()`: the back copy contains the current state.
pub const BB_BACK_KEEP: u32 = 0;
/// `bb_manager_reserve_back()`: the caller overwrites all of the back copy, so that nothing is copied to it first.
pub const BB_BACK_DISCARD: u32 = 1;

/// A reservation of the back copy.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_back {
    /// The back copy, aligned to 64 bytes: read and write.
    pub data: *mut c_void,
    /// The newest published copy: read only.
    pub front: *const c_void,
    /// Bytes of each of the two.
    pub bytes: u64,
    /// The epoch of `front`.
    pub epoch: u64,
    /// Identifies the reservation.
    pub token: u64,
}

/// Reserves the back copy, so that the caller can change it in place: for a loop that reads the front and writes the
/// back.
///
/// The back copy contains all updates enqueued before. Later updates queue until the reservation is committed or
/// cancelled, and synchronize waits for that.
///
/// @param m the manager
/// @param flags `BB_BACK_KEEP`, or `BB_BACK_DISCARD` if all of it will be overwritten
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @param back output
/// @return BB_OK, BB_E_ARGUMENT (flags), BB_E_TIMEOUT, BB_E_PINNED (leases hold every other copy), BB_E_STALLED,
///         BB_E_CLOSED, BB_E_RECURSIVE (from a callback of the manager), BB_E_STATE (this thread has it already),
///         BB_E_INTERRUPTED, BB_E_OUT_OF_MEMORY, BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread; there is at most one reservation
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_reserve_back(
    m: *mut bb_manager,
    flags: u32,
    timeout: u64,
    back: *mut bb_back,
) -> bb_status {
    on("bb_manager_reserve_back", m, |m: &Manager| {
        // SAFETY: the header requires memory for a back.
        let out = unsafe { input::output(back, "back") }?;
        let mode = match flags {
            BB_BACK_KEEP => BackMode::Keep,
            BB_BACK_DISCARD => BackMode::Discard,
            other => {
                return Err(Error::value(
                    Status::Argument,
                    "flags",
                    other,
                    "use BB_BACK_KEEP or BB_BACK_DISCARD",
                ));
            }
        };
        out.set(m.shared.reserve_back(mode, Timeout::nanos(timeout))?.into())
    })
}

impl From<RawBack> for bb_back {
    fn from(back: RawBack) -> bb_back {
        bb_back {
            data: back.data.cast(),
            front: back.front.cast(),
            bytes: back.bytes,
            epoch: back.epoch,
            token: back.token,
        }
    }
}

/// The current reservation of a manager, if that is what the caller has passed, unchanged.
///
/// # Safety
/// NULL, or a back.
pub(super) unsafe fn reserved(m: &Manager, back: *const bb_back) -> Result<RawBack> {
    // SAFETY: promised by the caller.
    let back = unsafe { input::required(back, "back") }?;
    let back = RawBack {
        data: back.data.cast(),
        front: back.front.cast(),
        bytes: back.bytes,
        epoch: back.epoch,
        token: back.token,
    };
    m.shared.check_back(&back)?;
    Ok(back)
}

/// Leases the memory of the reserved back copy: it stays mapped until the lease is released, even after the commit
/// and after the manager is destroyed. For bindings of languages that may keep views of it.
///
/// Unlike the lease of a front it does not preserve the bytes: after the commit the library uses the memory as a copy
/// of the state, unless `bb_manager_replace_back()` has moved the copy to other memory. Nothing waits for this lease.
///
/// @param m the manager
/// @param back as `bb_manager_reserve_back()` wrote it, not yet committed or cancelled
/// @param lease the handle is written here; `bb_lease_release()` ends it
/// @return BB_OK, BB_E_STATE (not reserved, or committed or cancelled before), BB_E_ARGUMENT (`back` was changed),
///         BB_E_LIMIT (too many leases), BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread, not only the one that reserved it
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_lease_back(
    m: *mut bb_manager,
    back: *const bb_back,
    lease: *mut *mut bb_lease,
) -> bb_status {
    on("bb_manager_lease_back", m, |own: &Manager| {
        // SAFETY: the header requires what `bb_manager_reserve_back` wrote, and memory for a handle.
        let (back, out) = unsafe { (reserved(own, back)?, input::output(lease, "lease")?) };
        out.set(handle::of_lease(own.shared.lease_back(back.token)?, m as u64) as *mut bb_lease)
    })
}

/// Moves the reserved back copy to new memory with the same bytes. The old memory then belongs to its leases: the
/// library neither reads nor writes it again, so that writes through remaining views of it reach no front.
///
/// @param m the manager
/// @param back as `bb_manager_reserve_back()` wrote it, not yet committed or cancelled
/// @param replaced the same reservation in its new memory is written here; may be `back` itself
/// @return BB_OK, BB_E_STATE (not reserved, or committed or cancelled before), BB_E_ARGUMENT (`back` was changed),
///         BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread, not only the one that reserved it
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_replace_back(
    m: *mut bb_manager,
    back: *const bb_back,
    replaced: *mut bb_back,
) -> bb_status {
    on("bb_manager_replace_back", m, |m: &Manager| {
        // SAFETY: the header requires what `bb_manager_reserve_back` wrote, and memory for a back.
        let (back, out) = unsafe { (reserved(m, back)?, input::output(replaced, "replaced")?) };
        out.set(m.shared.replace_back(back.token)?.into())
    })
}

/// Reports which bytes of the reserved back copy were written. May be called several times before the commit.
///
/// After the first report, `bb_manager_commit_back()` takes only reported ranges as changed: the next epochs copy no
/// more than those to the other copy, and `bb_front_changes()` names no more. Without a report all of the state
/// counts as changed. What is written outside of the reported ranges may be in some fronts and not in others. The
/// ranges may overlap, and may have 0 bytes. A refused call reports nothing.
///
/// @param m the manager
/// @param back as `bb_manager_reserve_back()` wrote it, not yet committed or cancelled
/// @param field the index of a field, for offsets from its start, or `BB_ALL_FIELDS`
/// @param ranges `count` ranges; may be NULL if `count` is 0
/// @param count the number of ranges; 0 reports that nothing was written so far
/// @return BB_OK, BB_E_NULL, BB_E_RANGE (`field`, or a range that ends beyond the field or the state), BB_E_STATE (not
///         reserved, or committed or cancelled before, or reserved with `BB_BACK_DISCARD`), BB_E_ARGUMENT (`back` was
///         changed), or a handle status
/// @realtime wait-free, no system call, no allocation
/// @threadsafety safe to call from any thread, not only the one that reserved it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_mark_written(
    m: *mut bb_manager,
    back: *const bb_back,
    field: u32,
    ranges: *const bb_byte_range,
    count: u64,
) -> bb_status {
    on("bb_manager_mark_written", m, |m: &Manager| {
        // SAFETY: the header requires what `bb_manager_reserve_back` wrote, and that many ranges.
        let (ranges, back) = unsafe { (input::many(ranges, count, "ranges")?, reserved(m, back)?) };
        let field = if field == BB_ALL_FIELDS { None } else { Some(m.shared.fields.get(field)?) };
        m.shared.mark_written(back.token, field, ranges.iter().map(|range| (range.offset, range.bytes)))
    })
}

/// Commits the reserved back copy: the next synchronize publishes it. Every result but BB_E_STATE and BB_E_ARGUMENT ends
/// the reservation. After BB_E_CLOSED or BB_E_STALE nothing is published, and the memory must not be used any more.
///
/// All of the state counts as changed, and is copied to the other copy in a later epoch, unless
/// `bb_manager_mark_written()` has reported what was written.
///
/// @param m the manager
/// @param back as `bb_manager_reserve_back()` wrote it
/// @param tag a number of the caller, such as a step; it is returned with the front
/// @return BB_OK, BB_E_STATE (not reserved, or committed or cancelled before), BB_E_ARGUMENT (`back` was changed),
///         BB_E_CLOSED, BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, no allocation
/// @threadsafety safe to call from any thread, not only the one that reserved it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_commit_back(
    m: *mut bb_manager,
    back: *const bb_back,
    tag: u64,
) -> bb_status {
    let status = on("bb_manager_commit_back", m, |m: &Manager| {
        // SAFETY: the header requires what `bb_manager_reserve_back` wrote.
        m.shared.commit_back(unsafe { reserved(m, back) }?.token, tag)
    });
    // SAFETY: as above.
    unsafe { ended(status, back) }
}

/// Frees the memory of a reservation whose manager has been destroyed.
///
/// # Safety
/// NULL, or what `bb_manager_reserve_back` wrote.
unsafe fn ended(status: bb_status, back: *const bb_back) -> bb_status {
    // SAFETY: promised by the caller.
    if let (bb_status::BB_E_STALE, Some(back)) = (status, unsafe { back.as_ref() }) {
        back_reservation::release_orphaned(back.data.cast_const().cast(), back.token);
    }
    status
}

/// Cancels the reservation: what was written to the back copy is undone. If the manager has been destroyed, it frees
/// the memory of the reservation and returns BB_E_STALE.
///
/// @param m the manager
/// @param back as `bb_manager_reserve_back()` wrote it
/// @return BB_OK, BB_E_STATE (not reserved, or committed or cancelled before), BB_E_ARGUMENT (`back` was changed),
///         BB_E_CLOSED, BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread, not only the one that reserved it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_cancel_back(m: *mut bb_manager, back: *const bb_back) -> bb_status {
    let status = on("bb_manager_cancel_back", m, |m: &Manager| {
        // SAFETY: the header requires what `bb_manager_reserve_back` wrote.
        m.shared.cancel_back(unsafe { reserved(m, back) }?.token)
    });
    // SAFETY: as above.
    unsafe { ended(status, back) }
}
