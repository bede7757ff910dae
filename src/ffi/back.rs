//! `bb_back`: the back copy in hand.

use std::ffi::c_void;

use super::guard::on;
use super::opaque::{bb_lease, bb_manager};
use super::status::bb_status;
use super::{handle, input};
use crate::error::{Error, Status};
use crate::manager::back::{BackMode, RawBack};
use crate::manager::core::reserved;
use crate::manager::manager::Manager;
use crate::sys::clock::Timeout;

/// `bb_manager_reserve_back()`: the back copy shows the state.
pub const BB_BACK_KEEP: u32 = 0;
/// `bb_manager_reserve_back()`: all of it will be rewritten, so nothing is brought up to date first.
pub const BB_BACK_DISCARD: u32 = 1;

/// The back copy, in the hands of one caller.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_back {
    /// The back copy, aligned to 64 bytes: read and write.
    pub data: *mut c_void,
    /// The newest published copy: read only.
    pub front: *const c_void,
    /// How long each is.
    pub bytes: u64,
    /// The epoch of `front`.
    pub epoch: u64,
    /// Tells this reservation from others.
    pub token: u64,
}

/// Reserves the back copy: the caller changes it in place, for a loop that steps from front to back.
///
/// Updates of others queue until it is committed or cancelled; synchronize waits for it. Enqueued updates of before are in it.
///
/// @param m the manager
/// @param flags `BB_BACK_KEEP`, or `BB_BACK_DISCARD` if all of it will be rewritten
/// @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
/// @param back written
/// @return BB_OK, BB_E_ARGUMENT (flags), BB_E_TIMEOUT, BB_E_PINNED (leases hold every other copy), BB_E_STALLED, BB_E_CLOSED,
///         BB_E_RECURSIVE (from a callback of the manager), BB_E_STATE (this thread has it already), BB_E_INTERRUPTED,
///         BB_E_OUT_OF_MEMORY, BB_E_POISONED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread; one at a time holds the back copy
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_reserve_back(
    m: *mut bb_manager,
    flags: u32,
    timeout: u64,
    back: *mut bb_back,
) -> bb_status {
    on("bb_manager_reserve_back", m, |m: &Manager| {
        // SAFETY: the header asks for a place for a back.
        let place = unsafe { input::output(back, "back") }?;
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
        place.set(m.reserve_back_raw(mode, Timeout::nanos(timeout))?.into())
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

/// Leases the memory of the reserved back copy: it stays mapped until the lease is released, also after the commit and after
/// the manager is destroyed. For bindings whose language may keep views of it.
///
/// The lease of a front keeps its bytes; this one does not: after the commit the library goes on using the memory as a copy
/// of the state, unless `bb_manager_replace_back()` has moved the copy away. It does not keep a copy from being written, so
/// nothing waits for it.
///
/// @param m the manager
/// @param back as `bb_manager_reserve_back()` wrote it, not yet committed or cancelled
/// @param lease written; give it back by `bb_lease_release()`
/// @return BB_OK, BB_E_STATE (not reserved, or committed or cancelled before), BB_E_LIMIT (too many leases),
///         BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread, not only the one that reserved it
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_lease_back(
    m: *mut bb_manager,
    back: *const bb_back,
    lease: *mut *mut bb_lease,
) -> bb_status {
    on("bb_manager_lease_back", m, |own: &Manager| {
        // SAFETY: the header asks for what `bb_manager_reserve_back` wrote, and a place for a handle.
        let (back, place) = unsafe { (input::required(back, "back")?, input::output(lease, "lease")?) };
        place.set(handle::of_lease(own.lease_back_raw(back.token)?, m as u64) as *mut bb_lease)
    })
}

/// Moves the reserved back copy to new memory with the same bytes. The old memory belongs to its leases alone: the library
/// neither reads nor writes it again, so writes through views of it that are left reach no front.
///
/// @param m the manager
/// @param back as `bb_manager_reserve_back()` wrote it, not yet committed or cancelled
/// @param replaced the same reservation in its new memory is written here; may be `back` itself
/// @return BB_OK, BB_E_STATE (not reserved, or committed or cancelled before), BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE,
///         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread, not only the one that reserved it
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_replace_back(
    m: *mut bb_manager,
    back: *const bb_back,
    replaced: *mut bb_back,
) -> bb_status {
    on("bb_manager_replace_back", m, |m: &Manager| {
        // SAFETY: the header asks for what `bb_manager_reserve_back` wrote, and a place for a back.
        let (token, place) =
            unsafe { (input::required(back, "back")?.token, input::output(replaced, "replaced")?) };
        place.set(m.replace_back_raw(token)?.into())
    })
}

/// Gives the back copy back, changed. The next synchronize publishes it. The reservation ends whatever is returned but
/// BB_E_STATE: after BB_E_CLOSED or BB_E_STALE, nothing is published, and the memory may not be used any more.
///
/// @param m the manager
/// @param back as `bb_manager_reserve_back()` wrote it
/// @param tag the caller's own number, such as a step; comes back with the front
/// @return BB_OK, BB_E_STATE (not reserved, or committed or cancelled before), BB_E_CLOSED, BB_E_POISONED, BB_E_NULL,
///         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread, not only the one that reserved it
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_commit_back(
    m: *mut bb_manager,
    back: *const bb_back,
    tag: u64,
) -> bb_status {
    let status = on("bb_manager_commit_back", m, |m: &Manager| {
        // SAFETY: the header asks for what `bb_manager_reserve_back` wrote.
        m.commit_back_raw(unsafe { input::required(back, "back") }?.token, tag)
    });
    // SAFETY: as above.
    unsafe { ended(status, back) }
}

/// The end of a reservation whose manager is gone frees the memory that was kept for it.
///
/// # Safety
/// NULL, or what `bb_manager_reserve_back` wrote.
unsafe fn ended(status: bb_status, back: *const bb_back) -> bb_status {
    // SAFETY: the caller's promise.
    if let (bb_status::BB_E_STALE, Some(back)) = (status, unsafe { back.as_ref() }) {
        reserved::release(back.data.cast_const().cast(), back.token);
    }
    status
}

/// Gives the back copy back, and undoes what was written to it. If the manager was destroyed meanwhile, it returns BB_E_STALE
/// and frees the memory, which stays until then.
///
/// @param m the manager
/// @param back as `bb_manager_reserve_back()` wrote it
/// @return BB_OK, BB_E_STATE (not reserved, or committed or cancelled before), BB_E_CLOSED, BB_E_POISONED, BB_E_NULL,
///         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread, not only the one that reserved it
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_cancel_back(m: *mut bb_manager, back: *const bb_back) -> bb_status {
    let status = on("bb_manager_cancel_back", m, |m: &Manager| {
        // SAFETY: the header asks for what `bb_manager_reserve_back` wrote.
        m.cancel_back_raw(unsafe { input::required(back, "back") }?.token)
    });
    // SAFETY: as above.
    unsafe { ended(status, back) }
}
