//! How a manager begins and ends.

use super::config::{Config, Flush, WorkerMode};
use super::dump::MANAGERS;
use super::kernel::Refused;
use crate::alloc::{Arc, try_vec};
use crate::dtype::DType;
use crate::error::{Error, Label, Result, Status};
use crate::handle::{live_list, slots};
use crate::log::{self, Level};
use crate::manager::copies::device_copies::{DeviceCopies, DeviceDirty};
use crate::manager::copies::{copies, copy_forward};
use crate::manager::core::shared::{Failure, Shape, Shared, State, duty};
use crate::manager::core::update_log::{Ring, UNIT, Unit};
use crate::manager::core::{applier, callback, role, tasks, waiters, worker};
use crate::manager::manager::Manager;
use crate::manager::{back, statistics, watch};
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*, UnsafeCell};
use crate::sync::event::Event;
use crate::sync::wait_check::Stop;
use crate::sys::clock::Timeout;
use crate::sys::clock::{Deadline, now};

impl Manager {
    /// A state of that shape, row-major, all zeros, with the default [`Config`].
    pub fn new(dtype: DType, shape: &[u64]) -> Result<Manager> {
        Ok(Manager::with_config(dtype, shape, Config::default())?)
    }

    /// A state of that shape, row-major. A flush that is refused comes back.
    pub fn with_config(
        dtype: DType,
        shape: &[u64],
        mut config: Config<'_>,
    ) -> std::result::Result<Manager, Refused<Option<Flush>>> {
        let flush = config.flush.take();
        match Manager::build(dtype, shape, &config, flush.is_some()) {
            Ok(manager) => {
                // SAFETY: the worker has been asked for nothing yet, so nobody else looks at it.
                unsafe { *manager.shared.flush.get() = flush };
                Ok(manager)
            }
            Err(error) => Err(Refused { error, value: flush }),
        }
    }

    fn build(dtype: DType, lengths: &[u64], config: &Config<'_>, has_flush: bool) -> Result<Manager> {
        let shape = Shape::new(dtype, lengths)?;
        config.check(&shape)?;
        let instance = slots::instance()?;
        let units = (config.queue()? / UNIT) as usize;
        let number = live_list::number();
        let copies = (config.copies + config.extra_copies()) as usize;
        let twins = config
            .device
            .map(|device| DeviceCopies::new(device, config.label, shape.bytes, copies))
            .transpose()?;
        let storage = copies::StateCopies::new(shape.bytes as usize, copies, number, twins)?;
        // SAFETY: just made; nobody else has it.
        let (first, second) = unsafe { (storage.as_ref().data(0), storage.as_ref().data(1)) };
        if let Some(initial) = config.initial {
            for copy in [first, second] {
                // SAFETY: both copies are as long as the initial state, which was checked.
                unsafe { std::ptr::copy_nonoverlapping(initial.as_ptr(), copy, initial.len()) };
            }
        }
        let parts = || -> Result<_> {
            let forward = copy_forward::CopyForward::new(shape.bytes as usize, copies, first, second)?;
            let exit = Arc::try_new(worker::Exit::default()).map_err(|_| Error::of(Status::OutOfMemory))?;
            // SAFETY: just made; it is retired only if this fails.
            let behind = match unsafe { storage.as_ref() }.on_device() {
                Some(twins) => {
                    let mut behind = DeviceDirty::new(shape.bytes, copies)?;
                    behind.upload_initial(twins, first, patience(twins, config.watchdog))?;
                    Some(behind)
                }
                None => None,
            };
            Ok((forward, ring(units)?, tasks::Tasks::new()?, exit, behind))
        };
        let (forward, ring, tasks, exit, behind) = match parts() {
            Ok(parts) => parts,
            Err(error) => {
                // SAFETY: just made; nobody holds anything.
                unsafe { copies::StateCopies::retire(storage) };
                return Err(error);
            }
        };
        let label = Label::new(config.label);
        let shared = Shared {
            role: role::Role::default(),
            worker_only: config.worker == WorkerMode::Only,
            calling_out: AtomicU32::new(0),
            has_flush,
            on_device: behind.is_some(),
            copies,
            ordinary_copies: config.copies,
            shape,
            applier: UnsafeCell::new(applier::Applier::new(forward, number)),
            counters: statistics::Counters::new(),
            ring,
            storage,
            epoch: AtomicU64::new(0),
            tag_of_epoch: AtomicU64::new(0),
            order: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            requested: AtomicU64::new(0),
            last_ticket: AtomicU64::new(0),
            failure: Failure::default(),
            progress: Event::new(),
            work: Event::new(),
            duties: AtomicU32::new(0),
            state: AtomicU32::new(State::Open as u32),
            tasks,
            waiters: waiters::Waiters::new(),
            watches: watch::Watches::new(),
            outsized: AtomicU64::new(0),
            batches: AtomicU32::new(0),
            flush: UnsafeCell::new(None),
            behind: UnsafeCell::new(behind),
            hand: UnsafeCell::new(back::Hand::default()),
            token: AtomicU64::new(0),
            holder: AtomicU32::new(0),
            label,
            number,
            watchdog: config.watchdog.as_nanos(),
            budget: config.caller_budget_bytes,
            next: AtomicPtr::new(std::ptr::null_mut()),
            exit,
            tag: instance.tag,
        };
        shared.counters.count_copies(2, config.copies);
        let shared = Arc::try_new(shared).map_err(|_| Error::of(Status::OutOfMemory))?;
        MANAGERS.add(&shared)?;
        worker::spawn(&shared, config.priority, config.affinity)?;
        let text = format_args!(
            "created #{number}: {dtype:?} {lengths:?}, {} bytes, {} copies and at most {} extra ones, host memory",
            shape.bytes,
            config.copies,
            config.extra_copies()
        );
        log::record(Level::Info, "manager", label.as_str(), text);
        Ok(Manager { shared: std::mem::ManuallyDrop::new(shared) })
    }
}

/// How long a new manager waits for its first upload: where nobody may ever poll, as long as for stalled work.
fn patience(twins: &DeviceCopies, watchdog: Timeout) -> Deadline {
    match watchdog {
        Timeout::TRY => Deadline::NEVER,
        limit if twins.device().is_host_driven() => Deadline::after(limit),
        _ => Deadline::NEVER,
    }
}

/// StateCopies for the log. The commit words are zero; the units are uninitialised.
fn ring(units: usize) -> Result<Ring> {
    let mut bytes = try_vec::<Unit>(units)?;
    // SAFETY: the capacity was reserved, and a unit may be uninitialised: it is written before it is read.
    unsafe { bytes.set_len(units) };
    let mut commits = try_vec(units)?;
    commits.resize_with(units, || AtomicU64::new(0));
    Ok(Ring::new(bytes.into_boxed_slice(), commits.into_boxed_slice()))
}

impl Drop for Manager {
    fn drop(&mut self) {
        if !slots::is_own(self.shared.tag) {
            // A forked child has neither the worker nor the leases; the memory is the parent's to care for.
            return;
        }
        // SAFETY: ended once, here; `destroy` forgets the manager.
        let _ = unsafe { self.end(Deadline::NEVER) };
    }
}

/// Managers whose `destroy` stopped waiting for a callback that still runs.
static ABANDONED: AtomicU64 = AtomicU64::new(0);

/// How many managers were destroyed while a callback of theirs ran on, and it has not returned yet.
pub(crate) fn abandoned() -> u64 {
    ABANDONED.load(Relaxed)
}

/// The callback of an abandoned manager has returned.
pub(super) fn recovered() {
    ABANDONED.fetch_sub(1, Relaxed);
}

impl Manager {
    /// Ends the manager as dropping it does, but waits at most `timeout` for a callback that runs: a kernel, a flush, a release.
    ///
    /// Dropping waits as long as that takes, so that borrowed data is released, and what callbacks use may be freed, when it
    /// returns. After [`Status::Stalled`], and after [`Status::Interrupted`] (a signal or the thread's wait check ended the
    /// wait), neither is so yet: what the callback may use stays until it returns, and then the rest is released. The manager is
    /// gone in each case. A drop whose wait is ended like that returns early as well, and reports nothing.
    ///
    /// ```
    /// # use backbuf::{DType, Timeout, manager::Manager};
    /// let manager = Manager::new(DType::U8, &[1])?;
    /// manager.destroy(Timeout::nanos(2_000_000_000))?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn destroy(self, timeout: Timeout) -> Result<()> {
        let mut manager = std::mem::ManuallyDrop::new(self);
        if !slots::is_own(manager.shared.tag) {
            return Ok(());
        }
        // SAFETY: ended once, here: it is never dropped.
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

    /// Ends everything without publishing, and waits for the worker until `deadline`. An error if that came first, or if a
    /// signal or the wait check ended the wait.
    ///
    /// # Safety
    /// Called once; the manager is not used again.
    unsafe fn end(&mut self, deadline: Deadline) -> std::result::Result<(), Stop> {
        self.shared.end();
        self.shared.ask(duty::STOP);
        let (exit, number, label) = (self.shared.exit.clone(), self.shared.number, self.shared.label);
        let report = self.shared.watchdog.max(2_000_000_000);
        // The owner of a host-driven device does its work meanwhile: a callback may be waiting for that.
        let device = self.shared.pumped().cloned();
        // SAFETY: the caller's promise.
        unsafe { std::mem::ManuallyDrop::drop(&mut self.shared) };
        if callback::inside(number) {
            return Ok(());
        }
        let mut next = Deadline::at(now().saturating_add(report));
        loop {
            let limit = deadline.min(next);
            let waited = match &device {
                Some(device) => {
                    let soon = limit.min(Deadline::at(now() + 1_000_000));
                    match device.pump(soon, &|| exit.has_gone()) {
                        Err(error) if error.status() == Status::Interrupted => Err(Stop::Interrupted),
                        // Its time is over, or it is not to be driven any more, such as when it is lost.
                        _ => exit.wait(soon),
                    }
                }
                None => exit.wait(limit),
            };
            let Err(stop) = waited else { return Ok(()) };
            if stop == Stop::Interrupted || deadline.passed() {
                ABANDONED.fetch_add(1, Relaxed);
                if exit.abandon() {
                    let text = format_args!(
                        "destroyed, though a callback runs on; what it may use stays until it returns"
                    );
                    log::record(Level::Warn, "manager", label.as_str(), text);
                    return Err(stop);
                }
                recovered();
                return Ok(());
            }
            if next.passed() {
                let text = format_args!("destroy waits for a callback that has not returned");
                log::record(Level::Warn, "manager", label.as_str(), text);
                next = Deadline::NEVER;
            }
        }
    }
}
