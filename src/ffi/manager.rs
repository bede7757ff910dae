//! `bb_manager`: made, synchronized, closed, destroyed. Updates are in `update`, copies in hand in `front` and `back`.

use std::mem::ManuallyDrop;

use super::callback::UserData;
use super::config::{self, BB_MAX_DIMS, bb_manager_config};
use super::guard::{guard, on, take};
use super::handle::Kind;
use super::input;
use super::object::{Object, Seat};
use super::opaque::bb_manager;
use super::status::bb_status;
use crate::device::device::Device;
use crate::dtype::DType;
use crate::error::{Error, Label, Result, Status};
use crate::manager::core::synchronize::{Ticket, TicketPoll};
use crate::manager::manager::Manager;
use crate::sys::clock::Timeout;

impl Object for Manager {
    const KIND: Kind = Kind::Manager;

    fn into_raw(self) -> Result<*mut ()> {
        Ok(Manager::into_raw(self).cast_mut())
    }

    #[inline(always)]
    unsafe fn with<R>(raw: *mut (), work: impl FnOnce(&Manager) -> R) -> R {
        // SAFETY: promised by the caller.
        let manager: ManuallyDrop<Manager> = unsafe { Manager::with_raw(raw) };
        work(&manager)
    }

    unsafe fn from_raw(raw: *mut ()) -> Manager {
        // SAFETY: promised by the caller.
        unsafe { Manager::from_raw(raw) }
    }

    fn label(&self) -> Label {
        Manager::label(self)
    }

    fn close(&self) -> Result<()> {
        self.begin_destroy()
    }

    fn refuse(&self, status: Status) {
        Manager::refuse(self, status);
    }

    fn poison(&self) {
        Manager::poison(self);
    }
}

/// Creates a manager of a row-major N-d array, with its worker thread.
///
/// Copies of more than 8 MiB are committed by the kernel on first use. Such a state is refused if two copies exceed
/// the memory available now, control group limits included. If that memory is no longer available at first use, the
/// kernel kills a process.
///
/// The state is zeros, or the config's `initial`; its epoch is 0, and fronts may be acquired at once. States without
/// elements and without dimensions are allowed. If the call fails, `flush_user_data` stays the caller's.
///
/// @param dtype a `bb_dtype`, or `BB_OPAQUE(size)` for elements of that many bytes
/// @param ndim dimensions, 0 to BB_MAX_DIMS
/// @param shape elements along each dimension; may be NULL if there are none
/// @param config parameters, or NULL for the defaults
/// @param manager the handle is written here
/// @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (dtype, ndim, config, label that is not UTF-8), BB_E_RANGE (the state's size
///         overflows), BB_E_VERSION (struct_size), BB_E_OUT_OF_MEMORY, BB_E_LIMIT (threads, handles), BB_E_UNSUPPORTED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_create(
    dtype: u32,
    ndim: u32,
    shape: *const u64,
    config: *const bb_manager_config,
    manager: *mut *mut bb_manager,
) -> bb_status {
    guard("bb_manager_create", || {
        // SAFETY: the header requires memory for a handle, `ndim` lengths, and a config or NULL.
        unsafe { create(None, dtype, ndim, shape, config, manager) }
    })
}

/// Creates a manager, on `device` if there is one.
///
/// # Safety
///
/// As `bb_manager_create` requires.
pub(super) unsafe fn create(
    device: Option<&Device>,
    dtype: u32,
    ndim: u32,
    shape: *const u64,
    config: *const bb_manager_config,
    manager: *mut *mut bb_manager,
) -> Result<()> {
    // SAFETY: promised by the caller.
    let (place, config) = unsafe { (input::output(manager, "manager")?, config::read(config)?) };
    let dtype = DType::from_code(dtype)?;
    if ndim as usize > BB_MAX_DIMS {
        return Err(Error::value(Status::Argument, "ndim", ndim, "more than BB_MAX_DIMS dimensions"));
    }
    // SAFETY: as above.
    let shape = unsafe { input::many(shape, u64::from(ndim), "shape") }?;
    let seat = Seat::take()?;
    // SAFETY: promised by the caller: the config's pointers are as the header says.
    let manager = unsafe { config::make(device, dtype, shape, &config) }?;
    place.set(seat.seat(manager)? as *mut bb_manager)?;
    if config.flush.is_none() {
        // Nothing uses the data: it is released here, as by `bb_set_log()` without a function.
        drop(UserData::new(config.flush_user_data, config.flush_drop));
    }
    Ok(())
}

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
/// @threadsafety safe to call from any thread, any number at once
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_manager_synchronize(m: *mut bb_manager, timeout: u64) -> bb_status {
    on("bb_manager_synchronize", m, |m: &Manager| m.synchronize(Timeout::nanos(timeout)).map(|_| ()))
}

/// Requests a publish of all updates accepted before, and does not wait.
///
/// @param m the manager
/// @param ticket the ticket of the publish is written here, for `bb_manager_wait()`; never 0
/// @return BB_OK, BB_E_CLOSED, BB_E_POISONED, or a handle status
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_synchronize_async(m: *mut bb_manager, ticket: *mut u64) -> bb_status {
    on("bb_manager_synchronize_async", m, |m: &Manager| {
        // SAFETY: the header requires memory for a number.
        let place = unsafe { input::output(ticket, "ticket") }?;
        place.set(m.synchronize_async()?.0)
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
/// @threadsafety safe to call from any thread
/// @since 0.1
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
        unsafe { input::output(epoch, "epoch") }.map_or(Ok(()), |place| place.set(reached))
    })
}

/// State of a wait for a ticket that is polled, for example by an event loop. Zeros begin a wait.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bb_ticket_poll {
    /// Nanoseconds after which to poll again, if the watch has not become readable before; BB_FOREVER without a
    /// watchdog.
    pub look_ns: u64,
    /// Internal to the library.
    pub state: [u64; 4],
}

/// Polls a ticket without waiting, for event loops that poll a watch (`bb_watch_ticket()`).
///
/// One `poll` belongs to one wait, which begins with the first call: stalls, failures and pinned copies are reported
/// as to a thread that waits in `bb_manager_wait()`. After such a report the next call begins another wait, to which
/// a stall that was reported before is not reported again. Poll when the watch is readable, and at the latest after
/// `look_ns`.
///
/// @param m the manager that gave the ticket
/// @param ticket from `bb_manager_synchronize_async()`
/// @param poll zeros at first; each call updates it, except for a refused one
/// @param epoch an epoch that contains the updates is written here; may be NULL
/// @return BB_OK, BB_E_TIMEOUT (not decided yet; `look_ns` is set), BB_E_PINNED, BB_E_STALLED, BB_E_BACKEND,
///         BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY, BB_E_ARGUMENT (not a ticket of this manager), BB_E_CLOSED,
///         BB_E_POISONED, or a handle status
/// @threadsafety safe to call from any thread; one thread at a time for a `poll`
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_poll_ticket(
    m: *mut bb_manager,
    ticket: u64,
    poll: *mut bb_ticket_poll,
    epoch: *mut u64,
) -> bb_status {
    on("bb_manager_poll_ticket", m, |m: &Manager| {
        // SAFETY: the header requires a place with zeros or what an earlier look wrote.
        let Some(place) = (unsafe { poll.as_mut() }) else {
            return Err(Error::param(Status::Null, "poll", "is NULL"));
        };
        let [look, known, failures, asked] = place.state;
        let mut state = TicketPoll { look, known, failures, asked };
        let result = m.poll_ticket(Ticket(ticket), &mut state);
        // A refused call leaves the state unchanged.
        let refused =
            |error: &Error| matches!(error.status(), Status::Argument | Status::Closed | Status::Poisoned);
        if !result.as_ref().is_err_and(refused) {
            place.state = [state.look, state.known, state.failures, state.asked];
            place.look_ns = state.look_after().as_nanos();
        }
        let reached = result?;
        // SAFETY: the header requires NULL or memory for a number.
        unsafe { input::output(epoch, "epoch") }.map_or(Ok(()), |place| place.set(reached))
    })
}

/// Waits for an epoch newer than `after`, that is, for the next front.
///
/// @param m the manager
/// @param after the newest epoch that the caller has seen
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @param epoch the newest epoch is written here
/// @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED, BB_E_RECURSIVE, BB_E_INTERRUPTED, BB_E_POISONED, or a handle status
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_wait_epoch(
    m: *mut bb_manager,
    after: u64,
    timeout: u64,
    epoch: *mut u64,
) -> bb_status {
    on("bb_manager_wait_epoch", m, |m: &Manager| {
        // SAFETY: the header requires memory for a number.
        let place = unsafe { input::output(epoch, "epoch") }?;
        place.set(m.wait_epoch(after, Timeout::nanos(timeout))?)
    })
}

/// Returns unused memory to the system: copies beyond the second that no lease holds and, for states larger than 8
/// MiB, the back copy if nothing was written since the last publish. An idle state keeps one copy. Memory is
/// allocated again on demand; the back copy is then copied from the front.
///
/// It waits while the back copy is reserved, or while a kernel or a flush runs.
///
/// @param m the manager
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @return BB_OK, BB_E_TIMEOUT, BB_E_PINNED (leases hold every copy, and updates wait for one), BB_E_STALLED
///         (outlasted the watchdog), BB_E_STATE (this thread has the back copy reserved), BB_E_INTERRUPTED,
///         BB_E_CLOSED, BB_E_RECURSIVE, BB_E_POISONED, or a handle status
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_manager_trim(m: *mut bb_manager, timeout: u64) -> bb_status {
    on("bb_manager_trim", m, |m: &Manager| m.trim(Timeout::nanos(timeout)))
}

/// Closes the manager: refuses new work, publishes what was accepted, then ends waits with `BB_E_CLOSED`. Fronts stay
/// readable. After a timeout the manager stays in the closing state, and a later call continues the same publish.
///
/// @param m the manager
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @return BB_OK (also when it is closed already), and what `bb_manager_synchronize()` returns
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_manager_close(m: *mut bb_manager, timeout: u64) -> bb_status {
    on("bb_manager_close", m, |m: &Manager| m.close(Timeout::nanos(timeout)))
}

/// Destroys the manager: closes it without a publish, wakes all waiters, and returns when no call and no callback
/// runs on it and all borrowed data is released. It waits while a kernel, a flush or a release callback runs;
/// afterwards the memory that they use may be freed. A wait of more than two seconds is logged. Leased copies stay
/// valid until their leases are released. The handle is stale afterwards.
///
/// After BB_E_INTERRUPTED the handle is stale as well: a signal or the thread's wait check ended the wait, and a
/// callback may still run. See BB_E_STALLED of `bb_manager_destroy_within()`.
///
/// @param m the manager; NULL is a no-op
/// @return BB_OK, BB_E_INTERRUPTED, BB_E_RECURSIVE (called from one of its own callbacks, or inside of a call on it),
///         BB_E_STALE (also for all but one of several threads that destroy it), or a handle status
/// @threadsafety safe to call from any thread; calls that race with it return BB_E_CLOSED or BB_E_STALE
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_manager_destroy(m: *mut bb_manager) -> bb_status {
    if m.is_null() {
        return bb_status::BB_OK;
    }
    take("bb_manager_destroy", m, |m: Manager| m.destroy(Timeout::FOREVER))
}

/// Destroys the manager as `bb_manager_destroy()` does, but waits at most `timeout` for a running callback: for
/// programs that must end even if a kernel or a flush hangs.
///
/// After BB_E_STALLED and BB_E_INTERRUPTED the handle is stale as well. Borrowed data and user data are released only
/// when the callback returns; until then their memory must stay valid. `bb_debug_dump()` counts such managers.
///
/// @param m the manager; NULL is a no-op
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @return BB_OK, BB_E_STALLED (a callback still runs), BB_E_INTERRUPTED (the same; a signal or the wait check ended the
///         wait), BB_E_RECURSIVE (called from one of its own callbacks, or inside of a call on it), BB_E_STALE (also for
///         all but one of several threads that destroy it), or a handle status
/// @threadsafety safe to call from any thread; calls that race with it return BB_E_CLOSED or BB_E_STALE
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_manager_destroy_within(m: *mut bb_manager, timeout: u64) -> bb_status {
    if m.is_null() {
        return bb_status::BB_OK;
    }
    take("bb_manager_destroy_within", m, |m: Manager| m.destroy(Timeout::nanos(timeout)))
}
