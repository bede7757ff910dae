//! `bb_front` and `bb_lease`: stable reads.

use std::ffi::c_void;

use super::guard::{guard_handle, on};
use super::opaque::{bb_lease, bb_manager};
use super::status::bb_status;
use super::{handle, input};
use crate::handle::lease;
use crate::manager::manager::Manager;

/// The newest published copy of a state. Its bytes do not change until the lease is released.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_front {
    /// The state, aligned to 64 bytes.
    pub data: *const c_void,
    /// How long it is.
    pub bytes: u64,
    /// Its epoch.
    pub epoch: u64,
    /// The newest tag enqueued before it was published; 0 if there was none.
    pub tag: u64,
    /// Give it back by `bb_lease_release()`.
    pub lease: *mut bb_lease,
}

/// Leases the newest front, in a bounded number of steps. It stays readable and unchanged until the lease is released,
/// whatever is published meanwhile, even after the manager is destroyed.
///
/// @param m the manager
/// @param front written
/// @return BB_OK, BB_E_LIMIT (too many leases), BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND,
///         BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread; any number of leases at once
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_acquire_front(m: *mut bb_manager, front: *mut bb_front) -> bb_status {
    on("bb_manager_acquire_front", m, |own: &Manager| {
        // SAFETY: the header asks for a place for a front.
        let place = unsafe { input::output(front, "front") }?;
        let front = own.acquire_front_raw()?;
        place.set(bb_front {
            data: front.data.cast(),
            bytes: front.bytes,
            epoch: front.epoch,
            tag: front.tag,
            lease: handle::of_lease(front.lease, m as u64) as *mut bb_lease,
        })
    })
}

/// Gives leased memory back. It must not be read any more.
///
/// @param lease from `bb_front.lease`
/// @return BB_OK, BB_E_STALE (released before), BB_E_NULL, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread, not only the one that acquired it
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_lease_release(lease: *mut bb_lease) -> bb_status {
    guard_handle("bb_lease_release", lease, |lease| lease::release(handle::to_lease(lease)?))
}
