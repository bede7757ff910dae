//! Host-driven devices of a thread: they end with it.
//!
//! Only the owner thread may use the driver, and a call that waits for that thread would wait for ever once it has ended. So the
//! thread's last act ends its devices: they are lost, what is queued and pending is answered, and the driver is dropped while
//! that is still possible.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::null_mut;

use super::shared::Shared;
use crate::alloc::{Arc, Weak, boxed};
use crate::error::Result;
use crate::sys::thread_exit::ThreadExit;

/// A device that the thread owns.
struct Owned {
    device: Weak<Shared>,
    next: *mut Owned,
}

thread_local!(static FIRST: Cell<*mut Owned> = const { Cell::new(null_mut()) });

static EXIT: ThreadExit = ThreadExit::new(leave);

/// The calling thread owns the device from here on.
pub(crate) fn own(device: &Arc<Shared>) -> Result<()> {
    // What was dropped elsewhere has not been taken off.
    forget(|owned| owned.strong_count() == 0);
    EXIT.set((&raw const EXIT).cast())?;
    let owned = boxed(Owned { device: Arc::downgrade(device), next: FIRST.get() })?;
    FIRST.set(Box::into_raw(owned));
    Ok(())
}

/// The calling thread, which owns the device, has ended it.
pub(crate) fn disown(device: &Shared) {
    forget(|owned| owned.upgrade().is_none_or(|owned| std::ptr::eq(&raw const *owned, device)));
}

/// Takes off the calling thread's list what is `over`.
fn forget(over: impl Fn(&Weak<Shared>) -> bool) {
    let mut kept = null_mut();
    while let Some(mut owned) = pop() {
        if !over(&owned.device) {
            owned.next = kept;
            kept = Box::into_raw(owned);
        }
    }
    FIRST.set(kept);
}

fn pop() -> Option<Box<Owned>> {
    let first = FIRST.get();
    // SAFETY: what is on the list is a box that only this thread reaches, and it is taken off here.
    let owned = (!first.is_null()).then(|| unsafe { Box::from_raw(first) })?;
    FIRST.set(owned.next);
    Some(owned)
}

/// Runs when the thread ends.
unsafe extern "C" fn leave(_: *mut c_void) {
    while let Some(owned) = pop() {
        if let Some(device) = owned.device.upgrade() {
            device.end_with_owner();
        }
    }
}
