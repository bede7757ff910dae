//! Creation and destruction of a manager: its memory, its worker, and leases and reservations that outlive it.
//!
//! [`Manager::destroy`] waits for the worker; the last reference then drops [`Shared`], which discards the backlog, releases
//! borrowed data and retires the copies. A leased copy stays until its lease is released, a reserved back copy until it is
//! committed or cancelled.

use std::mem::ManuallyDrop;

use crate::alloc::{Arc, try_arc};
use crate::dtype::DType;
use crate::error::{Error, Label, Result, Status};
use crate::handle::{lease, live_list, slots};
use crate::log;
use crate::manager::config::{Config, Flush, WorkerMode};
use crate::manager::copies::copies::StateCopies;
use crate::manager::copies::copy_forward::CopyForward;
use crate::manager::copies::device_copies::{DeviceCopies, DeviceDirty};
use crate::manager::copies::read_cells::ReadCells;
use crate::manager::core::applier::Applier;
use crate::manager::core::back_reservation;
use crate::manager::core::callback::{self, RetiredCallback};
use crate::manager::core::shared::{MANAGERS, Parts, Settings, Shared};
use crate::manager::core::update_log::{UNIT_BYTES, UpdateLog};
use crate::manager::core::worker;
use crate::manager::core::worker_state::{WorkerState, duty};
use crate::manager::field::{FieldSpec, FieldTable};
use crate::manager::manager::Manager;
use crate::manager::update::Refused;
use crate::sync::wait_check::Stop;
use crate::sys::clock::Timeout;
use crate::sys::clock::{Deadline, now};
use ::log::Level;

impl Manager {
    /// Creates a manager of a row-major state of that element type and shape, all zeros, with the default [`Config`].
    pub fn untyped(dtype: DType, shape: &[u64]) -> Result<Manager> {
        Ok(Manager::untyped_with_config(dtype, shape, Config::default())?)
    }

    /// Creates a manager of a row-major state of that element type and shape. A refused flush is returned.
    pub fn untyped_with_config(
        dtype: DType,
        shape: &[u64],
        config: Config<'_>,
    ) -> std::result::Result<Manager, Refused<Option<Flush>>> {
        Manager::with_flush(config, |config| {
            let fields = FieldTable::single(dtype, shape)?;
            config.check_initial(fields.bytes)?;
            let initial = config.initial;
            Ok((fields, move |_: usize| initial))
        })
    }

    /// Creates a manager of several arrays that are published as one epoch. [`Config::initial`] must be None: each field has
    /// its own. A refused flush is returned.
    ///
    /// ```
    /// use backbuf::{DType, Manager, Timeout, manager::{Config, FieldSpec}};
    /// let fields = [FieldSpec::new("qpos", DType::F64, &[7]), FieldSpec::new("depth", DType::U16, &[480, 640])];
    /// let manager = Manager::with_fields(&fields, Config::default())?;
    /// manager.untyped_field("qpos")?.enqueue(8, &0.5f64.to_ne_bytes(), Timeout::FOREVER)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// let front = manager.front()?;
    /// assert_eq!(front.untyped_field("qpos")?.bytes()[8..16], 0.5f64.to_ne_bytes());
    /// assert_eq!(front.untyped_field("depth")?.shape(), [480, 640]);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn with_fields(
        fields: &[FieldSpec<'_>],
        config: Config<'_>,
    ) -> std::result::Result<Manager, Refused<Option<Flush>>> {
        Manager::with_flush(config, |config| {
            if config.initial.is_some() {
                let reason = "is set; give each field its own initial bytes instead";
                return Err(Error::param(Status::Argument, "config.initial", reason));
            }
            Ok((FieldTable::new(fields)?, |index: usize| fields[index].initial))
        })
    }

    /// Creates a manager of the fields that `prepare` returns, with the initial bytes of each.
    fn with_flush<'a, I: Fn(usize) -> Option<&'a [u8]>>(
        mut config: Config<'a>,
        prepare: impl FnOnce(&Config<'a>) -> Result<(FieldTable, I)>,
    ) -> std::result::Result<Manager, Refused<Option<Flush>>> {
        let flush = config.flush.take();
        let prepared = prepare(&config);
        let made =
            prepared.and_then(|(fields, initial)| Manager::build(fields, &initial, &config, flush.is_some()));
        match made {
            Ok(manager) => {
                // SAFETY: nothing has been enqueued or requested yet, so no other thread takes the role.
                unsafe { manager.shared.applier() }.flush = flush;
                Ok(manager)
            }
            Err(error) => Err(Refused { error, value: flush }),
        }
    }

    fn build<'a>(
        fields: FieldTable,
        initial: &dyn Fn(usize) -> Option<&'a [u8]>,
        config: &Config<'_>,
        has_flush: bool,
    ) -> Result<Manager> {
        let fields = try_arc(fields)?;
        config.check()?;
        let instance = slots::instance()?;
        let units = (config.queue()? / UNIT_BYTES) as usize;
        let number = live_list::number();
        let settings = Settings {
            worker_only: config.worker == WorkerMode::Only,
            has_flush,
            on_device: config.device.is_some(),
            max_copies: (config.copies + config.extra_copies()) as usize,
            copies: config.copies,
            watchdog: config.watchdog.as_nanos(),
            caller_budget: config.caller_budget_bytes,
        };
        let label = Label::new(config.label);
        let on_device = config
            .device
            .map(|device| DeviceCopies::new(device, config.label, fields.bytes, settings.max_copies))
            .transpose()?;
        let cells = ReadCells::new(fields.bytes as usize, config.copies as usize)?;
        let history = config.history as usize;
        let copies =
            StateCopies::new(Arc::clone(&fields), settings.max_copies, number, cells, history, on_device)?;
        let parts = || -> Result<_> {
            // SAFETY: just created; retired below if this fails.
            let applier = applier(unsafe { copies.as_ref() }, initial, config, settings.max_copies, number)?;
            Ok(Parts { applier, log: UpdateLog::with_units(units)?, worker: WorkerState::new()? })
        };
        let parts = parts().inspect_err(|_| {
            // SAFETY: just created, and not used any more.
            unsafe { StateCopies::retire(copies) };
        })?;
        let shared = Shared::new(settings, fields, parts, copies, label, instance.tag);
        shared.counters.count_copies(2, config.copies);
        let shared = try_arc(shared)?;
        MANAGERS.add(&shared)?;
        worker::spawn(&shared, config.priority, config.affinity)?;
        shared.record(
            Level::Info,
            format_args!(
                "created #{number}: {}, {} bytes, {} copies and at most {} extra ones, host memory",
                &*shared.fields,
                shared.fields.bytes,
                config.copies,
                config.extra_copies()
            ),
        );
        Ok(Manager::from_shared(shared))
    }
}

/// The applier of a new manager, with the initial state in the first two copies and in the first device copy.
fn applier<'a>(
    copies: &StateCopies,
    initial: &dyn Fn(usize) -> Option<&'a [u8]>,
    config: &Config<'_>,
    count: usize,
    number: u64,
) -> Result<Applier> {
    let (first, second) = (copies.data(0), copies.data(1));
    for (index, field) in copies.fields().all().iter().enumerate() {
        let Some(initial) = initial(index) else { continue };
        for copy in [first, second] {
            // SAFETY: the initial bytes were checked to be as many as the field has, which lies within both copies.
            unsafe {
                let field = copy.add(field.offset as usize);
                std::ptr::copy_nonoverlapping(initial.as_ptr(), field, initial.len());
            }
        }
    }
    let forward = CopyForward::new(copies.bytes(), count, first, second)?;
    let dirty = match copies.on_device() {
        Some(on_device) => {
            let mut dirty = DeviceDirty::new(copies.bytes() as u64, count)?;
            // A host-driven device may never be polled: then the wait is bounded by the watchdog.
            let deadline = match config.watchdog {
                Timeout::TRY => Deadline::NEVER,
                limit if on_device.device().is_host_driven() => Deadline::after(limit),
                _ => Deadline::NEVER,
            };
            dirty.upload_initial(on_device, first, deadline)?;
            Some(dirty)
        }
        None => None,
    };
    Ok(Applier::new(forward, dirty, number))
}

impl<T> Drop for Manager<T> {
    fn drop(&mut self) {
        if !slots::is_own(self.shared.process) {
            // A forked child has neither the worker nor the leases; the memory belongs to the parent.
            return;
        }
        // SAFETY: ended once: `destroy` does not drop the manager.
        let _ = unsafe { self.end(Deadline::NEVER) };
    }
}

impl<T> Manager<T> {
    /// Destroys the manager as dropping it does, but waits at most `timeout` for a running callback: a kernel, a flush, a
    /// release.
    ///
    /// Dropping waits without a limit, so that afterwards borrowed data is released, and what callbacks use may be freed. After
    /// [`Status::Stalled`] and [`Status::Interrupted`] (a signal or the thread's wait check ended the wait) neither holds yet:
    /// what the callback may use stays until it returns, and the rest is released then. The manager is destroyed in each case. A drop
    /// whose wait is interrupted returns early as well, and reports nothing.
    pub fn destroy(self, timeout: Timeout) -> Result<()> {
        let mut manager = ManuallyDrop::new(self);
        if !slots::is_own(manager.shared.process) {
            return Ok(());
        }
        // SAFETY: ended once: the manager is never dropped.
        unsafe { manager.end(Deadline::after(timeout)) }.map_err(|stop| match stop {
            Stop::Signalled | Stop::Interrupted => Error::text(
                Status::Interrupted,
                "a signal or the wait check ended the wait, and a callback of the manager still runs; what it may use, and \
                 borrowed data, stays until it returns",
            ),
            Stop::TimedOut | Stop::Ended => Error::text(
                Status::Stalled,
                "a callback of the manager still runs; what it may use, and borrowed data, stays until it returns",
            ),
        })
    }

    /// Ends all work without a publish, and waits for the worker until `deadline`. An error if that passed first, or if a
    /// signal or the wait check ended the wait.
    ///
    /// # Safety
    /// Called once; the manager is not used again.
    unsafe fn end(&mut self, deadline: Deadline) -> std::result::Result<(), Stop> {
        self.shared.end();
        self.shared.worker.request(duty::STOP);
        let exit = self.shared.worker.exit.clone();
        let (number, label) = (self.shared.number, self.shared.label);
        let report = self.shared.settings.watchdog.max(2_000_000_000);
        // The owner of a host-driven device drives it meanwhile: a callback may wait for the device.
        let device = self.shared.device_to_drive().cloned();
        // SAFETY: the caller's promise.
        unsafe { ManuallyDrop::drop(&mut self.shared) };
        if callback::inside(number) {
            return Ok(());
        }
        let warn = |text| log::record(Level::Warn, "manager", label.as_str(), text);
        let mut next = Deadline::at(now().saturating_add(report));
        loop {
            let limit = deadline.min(next);
            let waited = match &device {
                Some(device) => {
                    let soon = limit.min(Deadline::at(now() + 1_000_000));
                    match device.pump(soon, &|| exit.has_ended()) {
                        Err(error) if error.status() == Status::Interrupted => Err(Stop::Interrupted),
                        // The time is over, or the device cannot be driven any more, for example when it is lost.
                        _ => exit.wait(soon),
                    }
                }
                None => exit.wait(limit),
            };
            let Err(stop) = waited else { return Ok(()) };
            if stop == Stop::Interrupted || deadline.passed() {
                if exit.abandon() {
                    warn(format_args!(
                        "destroyed, though a callback runs on; what it may use stays until it returns"
                    ));
                    return Err(stop);
                }
                return Ok(());
            }
            if next.passed() {
                warn(format_args!("destroy waits for a callback that has not returned"));
                next = Deadline::NEVER;
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A forked child has neither the worker nor the leases; the memory belongs to the parent.
        if !slots::is_own(self.process) {
            return;
        }
        MANAGERS.remove(self);
        let _scope = callback::enter(self.number);
        self.discard_backlog();
        let applier = self.applier_mut();
        applier.retired.drain(..).for_each(RetiredCallback::finish);
        let (front, back) = (applier.forward.front(), applier.forward.back());
        let token = self.reservation.token();
        if token != 0
            && let Some(memory) = self.copies().share_memory(back)
        {
            back_reservation::orphan(token, memory, self.copies().share_memory(front));
            self.record(
                Level::Warn,
                format_args!(
                    "destroyed with the back copy reserved; its memory stays until commit or cancel"
                ),
            );
        }
        drop(self.applier_mut().flush.take());
        let leases = self.copies().leases();
        if leases > 0 {
            lease::count_leaked(leases);
            self.record(
                Level::Warn,
                format_args!(
                    "destroyed with {leases} leases unreleased; their copies live until they are released"
                ),
            );
        }
        self.record(Level::Info, format_args!("destroyed"));
        // SAFETY: called once, and no call is inside any more.
        unsafe { StateCopies::retire(self.owned_copies()) };
    }
}
