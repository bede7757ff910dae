//! State shared by a manager's handles and its worker: the parts, the lifecycle, and the wake-ups of all waiters.
//!
//! The operations are in other files: [`enqueue`](super::enqueue) and [`drain`](crate::manager::core::drain) apply updates,
//! [`publish`](super::publish) and [`synchronize`](super::synchronize) publish them, [`call_wait`](super::call_wait) waits.

use std::ptr::NonNull;

use crate::alloc::Arc;
use crate::device::device::Device;
use crate::error::{Error, Label, Result, Status};
use crate::handle::live_list::{Linked, LiveList};
use crate::log;
use crate::manager::copies::copies::StateCopies;
use crate::manager::copies::device_copies::DeviceCopies;
use crate::manager::core::applier::Applier;
use crate::manager::core::back_reservation::BackReservation;
use crate::manager::core::callback;
use crate::manager::core::feeds::Feeds;
use crate::manager::core::progress::Progress;
use crate::manager::core::role::Role;
use crate::manager::core::tasks::Tasks;
use crate::manager::core::update_log::UpdateLog;
use crate::manager::core::waiters::{Subscribers, Waiters};
use crate::manager::core::worker_state::WorkerState;
use crate::manager::field::{FastFields, FieldTable};
use crate::manager::statistics::ManagerCounters;
use crate::sync::atomic::{AtomicPtr, AtomicU32, UnsafeCell};
use ::log::Level;

/// The managers of this process.
pub(crate) static MANAGERS: LiveList<Shared> = LiveList::new();

/// What the configuration fixes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Whether only the worker applies updates.
    pub(crate) worker_only: bool,
    pub(crate) has_flush: bool,
    /// Whether copies have device copies, which the worker updates.
    pub(crate) on_device: bool,
    /// Maximum of copies, extra ones included.
    pub(crate) max_copies: usize,
    /// Copies without extra ones.
    pub(crate) copies: u32,
    /// Nanoseconds after which backend work is reported; 0 for never.
    pub(crate) watchdog: u64,
    /// Bytes of a backlog that a caller applies.
    pub(crate) caller_budget: u64,
}

/// The shared state of one manager. `repr(C)`: an update in place uses the first fields.
#[repr(C)]
pub(crate) struct Shared {
    pub(crate) role: Role,
    pub(crate) settings: Settings,
    pub(crate) fast_fields: FastFields,
    applier: UnsafeCell<Applier>,
    pub(crate) counters: ManagerCounters,
    pub(crate) log: UpdateLog,
    pub(crate) fields: Arc<FieldTable>,
    copies: NonNull<StateCopies>,
    pub(crate) progress: Progress,
    pub(crate) tasks: Tasks,
    pub(crate) waiters: Waiters,
    pub(crate) subscribers: Subscribers,
    pub(crate) feeds: Feeds,
    pub(crate) worker: WorkerState,
    pub(crate) reservation: BackReservation,
    /// Batches that are neither committed nor dropped.
    pub(crate) batches: AtomicU32,
    pub(crate) label: Label,
    pub(crate) number: u64,
    /// The process that created the manager.
    pub(crate) process: u16,
    next: AtomicPtr<Shared>,
}

// SAFETY: the role guards `applier`; `copies` synchronizes itself; the rest is atomics and locks.
unsafe impl Sync for Shared {}
// SAFETY: as above; nothing is bound to a thread.
unsafe impl Send for Shared {}

impl Linked for Shared {
    fn next(&self) -> &AtomicPtr<Shared> {
        &self.next
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("number", &self.number)
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

/// The error of a call on an object of a destroyed manager.
pub(crate) fn destroyed() -> Error {
    Error::text(Status::Closed, "the manager has been destroyed")
}

/// What a manager allocates beside its copies.
pub(crate) struct Parts {
    pub(crate) applier: Applier,
    pub(crate) log: UpdateLog,
    pub(crate) worker: WorkerState,
}

impl Shared {
    /// An open manager without a worker thread. Owns `copies`, which `create` retires.
    pub(crate) fn new(
        settings: Settings,
        fields: Arc<FieldTable>,
        parts: Parts,
        copies: NonNull<StateCopies>,
        label: Label,
        process: u16,
    ) -> Shared {
        let Parts { applier, log, worker } = parts;
        let number = applier.number;
        Shared {
            role: Role::default(),
            settings,
            fast_fields: fields.fast_fields(),
            applier: UnsafeCell::new(applier),
            counters: ManagerCounters::new(),
            log,
            fields,
            copies,
            progress: Progress::default(),
            tasks: Tasks::new(),
            waiters: Waiters::new(),
            subscribers: Subscribers::new(),
            feeds: Feeds::new(),
            worker,
            reservation: BackReservation::default(),
            batches: AtomicU32::new(0),
            label,
            number,
            process,
            next: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    pub(crate) fn copies(&self) -> &StateCopies {
        // SAFETY: retired only when `self` is dropped.
        unsafe { self.copies.as_ref() }
    }

    /// The copies, to retire them when `self` is dropped.
    pub(crate) fn owned_copies(&mut self) -> NonNull<StateCopies> {
        self.copies
    }

    /// The applier.
    ///
    /// # Safety
    /// The caller holds the role, and no other reference from this method is alive.
    #[expect(clippy::mut_from_ref, reason = "the role is the lock")]
    #[inline(always)]
    pub(crate) unsafe fn applier(&self) -> &mut Applier {
        // SAFETY: the caller's promise.
        unsafe { &mut *self.applier.get() }
    }

    /// The applier of a manager that no other thread uses.
    pub(crate) fn applier_mut(&mut self) -> &mut Applier {
        self.applier.get_mut()
    }

    /// Wakes every waiter after progress: synchronizers, threads that wait for a free copy, event loops with a watch, and the
    /// owner of a host-driven device.
    #[inline(always)]
    pub(crate) fn notify(&self) {
        self.waiters.signal();
        self.copies().released().signal();
        self.subscribers.notify(&self.progress, self.number);
        if self.settings.on_device && self.device().is_some_and(Device::is_host_driven) {
            self.nudge_device();
        }
    }

    /// Wakes every waiter and the worker.
    pub(crate) fn wake_all(&self) {
        self.notify();
        self.worker.signal();
    }

    /// Asks the worker to complete the tickets up to `ticket`.
    pub(crate) fn request_publish(&self, ticket: u64) {
        self.progress.request(ticket);
        self.worker.signal();
    }

    /// Makes the manager unusable after a panic. Fronts, statistics and destroy still work.
    pub(crate) fn poison(&self) {
        if self.progress.poison() {
            self.record(Level::Error, format_args!("a panic left the manager unusable"));
        }
        self.log.close();
        self.wake_all();
        self.nudge_device();
    }

    /// Ends all work without a publish.
    pub(crate) fn end(&self) {
        self.progress.close_now();
        self.log.close();
        self.role.end();
        self.wake_all();
        self.nudge_device();
    }

    /// Closes a closing manager once everything that it accepted is published.
    pub(crate) fn close_if_done(&self) {
        if self.progress.close_if_completed() {
            self.wake_all();
        }
    }

    /// An error if the calling thread would wait for itself: inside a callback of the manager or a call of its device, or as
    /// the owner of the reserved back copy.
    pub(crate) fn check_may_wait(&self) -> Result<()> {
        self.check_not_inside()?;
        if self.reservation.is_mine() {
            return Err(Error::text(
                Status::State,
                "this thread has reserved the back copy; commit or cancel it first",
            ));
        }
        Ok(())
    }

    /// An error inside a callback of the manager or a call of its device.
    pub(crate) fn check_not_inside(&self) -> Result<()> {
        if callback::inside(self.number) {
            let reason =
                "this call waits for the manager, and a callback of that manager is running on this thread";
            return Err(Error::text(Status::Recursive, reason));
        }
        if self.settings.on_device && self.device().is_some_and(Device::is_in_call) {
            let reason = "this call waits for the manager's device, and a call of that device is running on this thread";
            return Err(Error::text(Status::Recursive, reason));
        }
        Ok(())
    }

    /// The device of the device copies.
    pub(crate) fn device(&self) -> Option<&Device> {
        self.copies().on_device().map(DeviceCopies::device)
    }

    /// Wakes the threads that wait for the device.
    fn nudge_device(&self) {
        self.device().inspect(|device| device.wake_all());
    }

    /// Writes a log record of this manager.
    pub(crate) fn record(&self, level: Level, text: std::fmt::Arguments<'_>) {
        log::record(level, "manager", self.label.as_str(), text);
    }
}
