//! Publishing: `bb_manager_synchronize()`, tickets, and waits for epochs.

use crate::error::{Error, Status};
use crate::ffi::guard::on;
use crate::ffi::handle::bb_manager;
use crate::ffi::input;
use crate::ffi::status::bb_status;
use crate::manager::core::progress::{Ticket, TicketPoll};
use crate::manager::manager::Manager;
use crate::sys::clock::Timeout;

/// Publishes all updates accepted before, and returns when readers can see them.
///
/// Without new updates there is no new epoch, but the call still waits for tasks, fences and the flush callback. A
/// call from the manager's own callbacks is refused.
///
/// After BB_E_TIMEOUT, BB_E_INTERRUPTED, BB_E_STALLED and BB_E_PINNED the publish continues, and the next call of
/// this thread on the manager returns when it is done: repeated calls finish, however short their timeouts are. If
/// the manager accepts updates or tasks in between, from any thread, the next call waits for a publish that includes
/// them. To wait for one publish beside other work, use `bb_manager_synchronize_async()` and `bb_manager_wait()`.
///
/// A flush, a kernel, a task or a reservation of the back copy that outlasts the watchdog is reported once, with
/// BB_E_STALLED, to every call on the manager that waits at that moment. Later calls wait for it within their own
/// timeouts.
///
/// @param m the manager
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @return BB_OK, BB_E_TIMEOUT, BB_E_PINNED (leases hold every other copy), BB_E_STALLED (outlasted the watchdog,
///         reported now), BB_E_BACKEND (the flush failed, or the upload to the manager's device; the next call tries
///         again), BB_E_DEVICE_LOST (of a manager on a device), BB_E_OUT_OF_MEMORY (of its device), BB_E_STATE (this
///         thread has reserved the back copy), BB_E_CLOSED, BB_E_RECURSIVE, BB_E_INTERRUPTED, BB_E_POISONED, or a
///         handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread, any number at once
#[unsafe(no_mangle)]
pub extern "C" fn bb_manager_synchronize(m: *mut bb_manager, timeout: u64) -> bb_status {
    on("bb_manager_synchronize", m, |m: &Manager| m.synchronize(Timeout::nanos(timeout)).map(|_| ()))
}

/// Requests a publish of all updates accepted before, and does not wait.
///
/// @param m the manager
/// @param ticket the ticket of the publish is written here, for `bb_manager_wait()`; never 0
/// @return BB_OK, BB_E_CLOSED, BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, may allocate; lock-free, may make a system call, no allocation if
///           `worker` is `BB_WORKER_ONLY`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_synchronize_async(m: *mut bb_manager, ticket: *mut u64) -> bb_status {
    on("bb_manager_synchronize_async", m, |m: &Manager| {
        // SAFETY: the header requires memory for a number.
        let out = unsafe { input::output(ticket, "ticket") }?;
        out.set(m.synchronize_async()?.0)
    })
}

/// Waits until the updates of a ticket are published. After a timeout the ticket still completes, and the wait may be
/// repeated.
///
/// @param m the manager that gave the ticket
/// @param ticket from `bb_manager_synchronize_async()`
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @param epoch an epoch that contains the updates is written here; may be NULL
/// @return BB_OK, BB_E_ARGUMENT (not a ticket of this manager), and what `bb_manager_synchronize()` returns
/// @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the
///           ticket is completed, or the timeout is 0 and no publish has failed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_wait(
    m: *mut bb_manager,
    ticket: u64,
    timeout: u64,
    epoch: *mut u64,
) -> bb_status {
    on("bb_manager_wait", m, |m: &Manager| {
        let reached = m.wait(Ticket(ticket), Timeout::nanos(timeout))?;
        // SAFETY: the header requires NULL or memory for a number.
        unsafe { input::set_optional(epoch, reached) }
    })
}

/// State of a wait for a ticket that is polled, for example by an event loop. Zeros begin a wait.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bb_ticket_poll {
    /// Nanoseconds after which to poll again, if the watch has not become readable before; BB_FOREVER without a
    /// watchdog.
    pub poll_after_ns: u64,
    /// Internal to the library.
    pub state: [u64; 4],
}

/// Polls a ticket without waiting, for event loops that poll a watch (`bb_watch_ticket()`).
///
/// One `poll` belongs to one wait, which begins with the first call: stalls, failures and pinned copies are reported
/// as to a thread that waits in `bb_manager_wait()`. After such a report the next call begins another wait, to which
/// a stall that was reported before is not reported again. Poll when the watch is readable, and at the latest after
/// `poll_after_ns`.
///
/// @param m the manager that gave the ticket
/// @param ticket from `bb_manager_synchronize_async()`
/// @param poll zeros at first; each call updates it, except for a refused one
/// @param epoch an epoch that contains the updates is written here; may be NULL
/// @return BB_OK, BB_E_TIMEOUT (not decided yet; `poll_after_ns` is set), BB_E_PINNED, BB_E_STALLED, BB_E_BACKEND,
///         BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY, BB_E_ARGUMENT (not a ticket of this manager), BB_E_CLOSED,
///         BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, no allocation; lock-free, no system call, no allocation if no
///           publish has failed and the watchdog has not expired
/// @threadsafety safe to call from any thread; one thread at a time for a `poll`
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_poll_ticket(
    m: *mut bb_manager,
    ticket: u64,
    poll: *mut bb_ticket_poll,
    epoch: *mut u64,
) -> bb_status {
    on("bb_manager_poll_ticket", m, |m: &Manager| {
        // SAFETY: the header requires memory with zeros or what an earlier call wrote.
        let Some(out) = (unsafe { poll.as_mut() }) else {
            return Err(Error::param(Status::Null, "poll", "is NULL"));
        };
        let [check_at, known_stalls, failures, requested] = out.state;
        let mut state = TicketPoll { check_at, known_stalls, failures, requested };
        let result = m.poll_ticket(Ticket(ticket), &mut state);
        // A refused call leaves the state unchanged.
        let refused =
            |error: &Error| matches!(error.status(), Status::Argument | Status::Closed | Status::Poisoned);
        if !result.as_ref().is_err_and(refused) {
            out.state = [state.check_at, state.known_stalls, state.failures, state.requested];
            out.poll_after_ns = state.poll_after().as_nanos();
        }
        let reached = result?;
        // SAFETY: the header requires NULL or memory for a number.
        unsafe { input::set_optional(epoch, reached) }
    })
}

/// Waits for an epoch newer than `after`, that is, for the next front.
///
/// @param m the manager
/// @param after the newest epoch that the caller has seen
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @param epoch the newest epoch is written here
/// @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED, BB_E_RECURSIVE, BB_E_INTERRUPTED, BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if a later
///           epoch is published already
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_wait_epoch(
    m: *mut bb_manager,
    after: u64,
    timeout: u64,
    epoch: *mut u64,
) -> bb_status {
    on("bb_manager_wait_epoch", m, |m: &Manager| {
        // SAFETY: the header requires memory for a number.
        let out = unsafe { input::output(epoch, "epoch") }?;
        out.set(m.wait_epoch(after, Timeout::nanos(timeout))?)
    })
}
