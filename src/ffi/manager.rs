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

/// Makes a manager of a row-major N-d array, with its worker thread.
///
/// Copies of more than 8 MiB are faulted in as they are used. Such a state is refused if two copies do not fit the memory that is
/// available now, memory limits of control groups included; if the memory is gone when it is first used, the kernel ends a
/// process.
///
/// The state is zeros, or the config's `initial`; its epoch is 0, and fronts may be acquired at once. States without elements
/// and of no dimensions are legal. If the call fails, `flush_user_data` stays the caller's.
///
/// @param dtype a `bb_dtype`, or `BB_OPAQUE(size)` for elements of that many bytes
/// @param ndim dimensions, 0 to BB_MAX_DIMS
/// @param shape elements along each dimension; may be NULL if there are none
/// @param config how, or NULL for the defaults
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
        // SAFETY: the header asks for a place for a handle, `ndim` lengths, and a config or NULL.
        unsafe { create(None, dtype, ndim, shape, config, manager) }
    })
}

/// Makes a manager, on a device if there is one.
///
/// # Safety
///
/// As `bb_manager_create` asks.
pub(super) unsafe fn create(
    device: Option<&Device>,
    dtype: u32,
    ndim: u32,
    shape: *const u64,
    config: *const bb_manager_config,
    manager: *mut *mut bb_manager,
) -> Result<()> {
    // SAFETY: the caller's promise.
    let (place, config) = unsafe { (input::output(manager, "manager")?, config::read(config)?) };
    let dtype = DType::from_code(dtype)?;
    if ndim as usize > BB_MAX_DIMS {
        return Err(Error::value(Status::Argument, "ndim", ndim, "more than BB_MAX_DIMS dimensions"));
    }
    // SAFETY: as above.
    let shape = unsafe { input::many(shape, u64::from(ndim), "shape") }?;
    let seat = Seat::take()?;
    // SAFETY: the caller's promise: the config's pointers are as the header says.
    let manager = unsafe { config::make(device, dtype, shape, &config) }?;
    place.set(seat.seat(manager)? as *mut bb_manager)?;
    if config.flush.is_none() {
        // Nothing will ever use the data: it is released here, as by `bb_set_log()` without a function.
        drop(UserData::new(config.flush_user_data, config.flush_drop));
    }
    Ok(())
}

/// Publishes every update that was accepted before, and returns when readers see it.
///
/// With nothing new there is no new epoch; tasks, fences and the flush callback are waited for all the same. A call from the
/// manager's own callbacks is refused.
///
/// After BB_E_TIMEOUT, BB_E_INTERRUPTED, BB_E_STALLED and BB_E_PINNED the publish that was waited for goes on, and this
/// thread's next call on the manager returns when it is done: so repeated calls end, however short each is. That holds while
/// the manager accepts no update and no task in between, from any thread; then a call waits for a publish that has those as
/// well. To wait for one publish beside other work, use `bb_manager_synchronize_async()` and `bb_manager_wait()`.
///
/// A flush, a kernel, a task or a reserved back copy that outlasts the watchdog is reported once, by BB_E_STALLED, to every call
/// on the manager that waits at that moment. A call that begins later waits for it as long as its own timeout says.
///
/// @param m the manager
/// @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
/// @return BB_OK, BB_E_TIMEOUT, BB_E_PINNED (leases hold every other copy), BB_E_STALLED (what it waits for outlasts the
///         watchdog, and that is reported now), BB_E_BACKEND (the flush failed, or the upload to the manager's device; the next
///         call tries again), BB_E_DEVICE_LOST (of a manager on a device), BB_E_OUT_OF_MEMORY (of its device), BB_E_STATE (this
///         thread has reserved the back copy), BB_E_CLOSED, BB_E_RECURSIVE, BB_E_INTERRUPTED, BB_E_POISONED, BB_E_NULL,
///         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread, any number at once
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_manager_synchronize(m: *mut bb_manager, timeout: u64) -> bb_status {
    on("bb_manager_synchronize", m, |m: &Manager| m.synchronize(Timeout::nanos(timeout)).map(|_| ()))
}

/// Asks for a publish of every update that was accepted before, and does not wait.
///
/// @param m the manager
/// @param ticket the position in the order, from 1 on, is written here; complete it by `bb_manager_wait()`
/// @return BB_OK, BB_E_CLOSED, BB_E_POISONED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_synchronize_async(m: *mut bb_manager, ticket: *mut u64) -> bb_status {
    on("bb_manager_synchronize_async", m, |m: &Manager| {
        // SAFETY: the header asks for a place for a number.
        let place = unsafe { input::output(ticket, "ticket") }?;
        place.set(m.synchronize_async()?.0)
    })
}

/// Waits until a ticket's updates are published. A ticket whose wait timed out still completes, and may be waited for again.
///
/// @param m the manager that gave the ticket
/// @param ticket from `bb_manager_synchronize_async()`
/// @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
/// @param epoch an epoch that holds the updates is written here, unless it is NULL
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
        // SAFETY: the header asks for NULL or a place for a number.
        unsafe { input::output(epoch, "epoch") }.map_or(Ok(()), |place| place.set(reached))
    })
}

/// A wait for a ticket that is polled, as by an event loop: what it remembers from one look to the next. Zeros begin a wait.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bb_ticket_poll {
    /// After how many nanoseconds to look again, if the watch has not become readable before; BB_FOREVER without a watchdog.
    pub look_ns: u64,
    /// The library's.
    pub state: [u64; 4],
}

/// Looks at a ticket without waiting, for event loops that poll a watch (`bb_watch_ticket()`).
///
/// One `poll` belongs to one wait, which lasts from its first look on: by it a stall, a failure and pinned copies are reported
/// as to a thread that waits in `bb_manager_wait()` meanwhile. After such a report the next look begins another wait: a stall
/// that has been reported before is not reported to it. Look when the watch is readable, and at the latest after `look_ns`.
///
/// @param m the manager that gave the ticket
/// @param ticket from `bb_manager_synchronize_async()`
/// @param poll zeros at first; each look writes it, and a call that is refused leaves it as it was
/// @param epoch an epoch that holds the updates is written here, unless it is NULL
/// @return BB_OK, BB_E_TIMEOUT (not yet; `look_ns` is set), BB_E_PINNED, BB_E_STALLED, BB_E_BACKEND, BB_E_DEVICE_LOST,
///         BB_E_OUT_OF_MEMORY, BB_E_ARGUMENT (not a ticket of this manager), BB_E_CLOSED, BB_E_POISONED, BB_E_NULL,
///         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread; a `poll` is for one at a time
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_poll_ticket(
    m: *mut bb_manager,
    ticket: u64,
    poll: *mut bb_ticket_poll,
    epoch: *mut u64,
) -> bb_status {
    on("bb_manager_poll_ticket", m, |m: &Manager| {
        // SAFETY: the header asks for a place with zeros or what an earlier look wrote.
        let Some(place) = (unsafe { poll.as_mut() }) else {
            return Err(Error::param(Status::Null, "poll", "is NULL"));
        };
        let [look, known, failures, asked] = place.state;
        let mut state = TicketPoll { look, known, failures, asked };
        let result = m.poll_ticket(Ticket(ticket), &mut state);
        // A refused call has looked at nothing.
        let refused =
            |error: &Error| matches!(error.status(), Status::Argument | Status::Closed | Status::Poisoned);
        if !result.as_ref().is_err_and(refused) {
            place.state = [state.look, state.known, state.failures, state.asked];
            place.look_ns = state.look_after().as_nanos();
        }
        let reached = result?;
        // SAFETY: the header asks for NULL or a place for a number.
        unsafe { input::output(epoch, "epoch") }.map_or(Ok(()), |place| place.set(reached))
    })
}

/// Waits for an epoch beyond the one given: for the next front.
///
/// @param m the manager
/// @param after the newest epoch that the caller has seen
/// @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
/// @param epoch the newest epoch is written here
/// @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED, BB_E_RECURSIVE, BB_E_INTERRUPTED, BB_E_POISONED, BB_E_NULL, BB_E_HANDLE,
///         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
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
        // SAFETY: the header asks for a place for a number.
        let place = unsafe { input::output(epoch, "epoch") }?;
        place.set(m.wait_epoch(after, Timeout::nanos(timeout))?)
    })
}

/// Gives memory that is not needed now back to the system: that of copies beyond the second that no lease holds, and, of
/// states larger than 8 MiB, that of the back copy if nothing was written since the last publish. One copy of an idle state
/// is left. It comes back as it is needed; the back copy is then copied from the front.
///
/// It waits while another thread writes: while it has the back copy reserved, or while a kernel or a flush runs.
///
/// @param m the manager
/// @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
/// @return BB_OK, BB_E_TIMEOUT, BB_E_PINNED (leases hold every copy, and updates wait for one), BB_E_STALLED (what it waits
///         for outlasts the watchdog), BB_E_STATE (this thread has the back copy reserved), BB_E_INTERRUPTED, BB_E_CLOSED,
///         BB_E_RECURSIVE, BB_E_POISONED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_manager_trim(m: *mut bb_manager, timeout: u64) -> bb_status {
    on("bb_manager_trim", m, |m: &Manager| m.trim(Timeout::nanos(timeout)))
}

/// Refuses new work, publishes what was accepted, then lets waiters go with `BB_E_CLOSED`. Fronts stay readable. After a
/// timeout the manager stays closing, and a later call goes on with the same publish.
///
/// @param m the manager
/// @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
/// @return BB_OK (also when it is closed already), and what `bb_manager_synchronize()` returns
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_manager_close(m: *mut bb_manager, timeout: u64) -> bb_status {
    on("bb_manager_close", m, |m: &Manager| m.close(Timeout::nanos(timeout)))
}

/// Destroys the manager: closes it without publishing, wakes every waiter, and returns once no call is inside, no callback
/// runs, and all borrowed data is released. It waits as long as a kernel, a flush or a release callback runs: when it
/// returns, what they use may be freed. A wait of more than two seconds is logged. Copies that are leased stay until they are
/// released. The handle is stale from here on.
///
/// After BB_E_INTERRUPTED the handle is stale all the same: a signal or the thread's wait check ended the wait, and a callback
/// may still run. What it may use stays as after BB_E_STALLED of `bb_manager_destroy_within()`.
///
/// @param m the manager; NULL is a no-op
/// @return BB_OK, BB_E_INTERRUPTED, BB_E_RECURSIVE (called from one of its own callbacks, or inside of a call on it),
///         BB_E_STALE (also for all but one of several threads that destroy it), BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN,
///         BB_E_FORKED
/// @threadsafety safe to call from any thread; calls that race with it return BB_E_CLOSED or BB_E_STALE
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_manager_destroy(m: *mut bb_manager) -> bb_status {
    if m.is_null() {
        return bb_status::BB_OK;
    }
    take("bb_manager_destroy", m, |m: Manager| m.destroy(Timeout::FOREVER))
}

/// Destroys the manager as `bb_manager_destroy()` does, but waits at most `timeout` for a callback that runs: for a program
/// that must end although a kernel or a flush hangs.
///
/// After BB_E_STALLED and BB_E_INTERRUPTED the handle is stale all the same. What the callback may use stays the library's until it returns; only
/// then is borrowed data released, and are user data dropped. `bb_debug_dump()` counts such managers.
///
/// @param m the manager; NULL is a no-op
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without end
/// @return BB_OK, BB_E_STALLED (a callback still runs), BB_E_INTERRUPTED (the same; a signal or the wait check ended the wait),
///         BB_E_RECURSIVE (called from one of its own callbacks, or inside of a call on it), BB_E_STALE (also for all but one of
///         several threads that destroy it), BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread; calls that race with it return BB_E_CLOSED or BB_E_STALE
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_manager_destroy_within(m: *mut bb_manager, timeout: u64) -> bb_status {
    if m.is_null() {
        return bb_status::BB_OK;
    }
    take("bb_manager_destroy_within", m, |m: Manager| m.destroy(Timeout::nanos(timeout)))
}
