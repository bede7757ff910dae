//! `bb_watch`: subscriptions to the epochs of a manager.

use crate::error::Result;
use crate::ffi::guard::{destroy, on};
use crate::ffi::handle::{Kind, bb_manager, bb_watch};
use crate::ffi::input;
use crate::ffi::object::{Object, create_at};
use crate::ffi::status::bb_status;
use crate::manager::core::progress::Ticket;
use crate::manager::manager::Manager;
use crate::manager::watch::Watch;
use crate::sys::clock::Timeout;

impl Object for Watch {
    const KIND: Kind = Kind::Watch;

    fn close(&self) -> Result<()> {
        Watch::close(self);
        Ok(())
    }
}

/// Subscribes to the epochs of a manager.
///
/// @param m the manager
/// @param after the newest epoch that the caller has seen
/// @param watch the handle is written here; `bb_watch_destroy()` ends it
/// @return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_CLOSED, BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_watch_create(
    m: *mut bb_manager,
    after: u64,
    watch: *mut *mut bb_watch,
) -> bb_status {
    on("bb_watch_create", m, |m: &Manager| {
        // SAFETY: the header requires memory for a handle.
        let out = unsafe { input::output(watch, "watch") }?;
        create_at(out, || m.watch(after))
    })
}

/// Gets the file descriptor of the watch, for event loops. It is readable (POLLIN, level-triggered) while there is an
/// epoch that `bb_watch_wait()` has not returned, while the ticket of `bb_watch_ticket()` is decided, and once the
/// manager has ended. It belongs to the watch: neither read nor close it.
///
/// @param w the watch
/// @param fd output
/// @return BB_OK, BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), BB_E_CLOSED (the manager has
///         been destroyed), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_watch_fd(w: *mut bb_watch, fd: *mut i32) -> bb_status {
    // SAFETY: the header requires memory for a number.
    on("bb_watch_fd", w, |w: &Watch| unsafe { input::output(fd, "fd") }?.set(w.fd()?))
}

/// Makes the descriptor readable also when a ticket is decided, so that a wait for it does not block: done, failed or
/// closed. A later ticket replaces it.
///
/// @param w the watch
/// @param ticket from `bb_manager_synchronize_async()` of the same manager
/// @return BB_OK, BB_E_ARGUMENT (not a ticket of this manager), BB_E_CLOSED, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_watch_ticket(w: *mut bb_watch, ticket: u64) -> bb_status {
    on("bb_watch_ticket", w, |w: &Watch| w.ticket(Ticket(ticket)))
}

/// Waits for an epoch newer than the last one that this watch has returned, and clears the descriptor.
///
/// @param w the watch
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @param epoch the newest epoch is written here
/// @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (the manager or the watch has ended), BB_E_RECURSIVE, BB_E_INTERRUPTED,
///         BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread; two concurrent waits may return the same epoch
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_watch_wait(w: *mut bb_watch, timeout: u64, epoch: *mut u64) -> bb_status {
    on("bb_watch_wait", w, |w: &Watch| {
        // SAFETY: the header requires memory for a number.
        let out = unsafe { input::output(epoch, "epoch") }?;
        out.set(w.wait(Timeout::nanos(timeout))?)
    })
}

/// Destroys a watch: its waiters return BB_E_CLOSED, and its descriptor is closed.
///
/// @param w the watch; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_watch_destroy(w: *mut bb_watch) -> bb_status {
    destroy::<Watch, _>("bb_watch_destroy", w)
}
