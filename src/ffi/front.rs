//! `bb_front`, `bb_gl_front` and their leases: stable reads of the newest published state.

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
/// @threadsafety safe to call from any thread; any number of leases at once
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_acquire_front(m: *mut bb_manager, front: *mut bb_front) -> bb_status {
    on("bb_manager_acquire_front", m, |own: &Manager| {
        // SAFETY: the header requires memory for a front.
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

/// Releases a lease. The memory must not be used any more.
///
/// @param lease from `bb_front.lease`
/// @return BB_OK, BB_E_STALE (released before), or a handle status
/// @threadsafety safe to call from any thread, not only the one that acquired it
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_lease_release(lease: *mut bb_lease) -> bb_status {
    guard_handle("bb_lease_release", lease, |lease| lease::release(handle::to_lease(lease)?))
}
