//! One call's deadline and watchdog, and the error that it returns when either expires.
//!
//! A [`CallWait`] lasts as long as the call: each of its sleeps ends at the call's deadline or when the watchdog is due,
//! whichever is first. On the owner thread of a host-driven device, every wait drives the device meanwhile.

use crate::device::device::Device;
use crate::error::{Error, Label, Result, Status};
use crate::manager::core::drain::Blocked;
use crate::manager::core::progress::TicketPoll;
use crate::manager::core::shared::Shared;
use crate::manager::core::tasks::StallCheck;
use crate::sync::wait_check::{self, Stop, in_slices};
use crate::sys::clock::Timeout;
use crate::sys::clock::{Deadline, nap, now};
use log::Level;

/// The wait of one call.
#[derive(Debug)]
pub(crate) struct CallWait<'a> {
    shared: &'a Shared,
    deadline: Deadline,
    /// When to check for stalled work.
    watchdog: Deadline,
    /// Watchdog reports made before this call.
    known_stalls: u64,
    /// The last reason to wait.
    blocked: Option<Blocked>,
    nap_ns: u64,
    waited: bool,
}

impl<'a> CallWait<'a> {
    pub(crate) fn new(shared: &'a Shared, timeout: Timeout) -> CallWait<'a> {
        let limit = shared.settings.watchdog;
        let watched = limit != 0 && timeout != Timeout::TRY;
        CallWait {
            shared,
            deadline: Deadline::after(timeout),
            watchdog: if watched { Deadline::at(now().saturating_add(limit)) } else { Deadline::NEVER },
            known_stalls: if watched { shared.tasks.reports() } else { 0 },
            blocked: None,
            nap_ns: 1_000,
            waited: false,
        }
    }

    /// Continues a polled wait.
    pub(crate) fn of_poll(shared: &'a Shared, poll: &TicketPoll) -> CallWait<'a> {
        CallWait {
            shared,
            deadline: Deadline::NEVER,
            watchdog: Deadline::at(poll.check_at),
            known_stalls: poll.known_stalls,
            blocked: None,
            nap_ns: 1_000,
            waited: false,
        }
    }

    /// What a polled wait keeps until the next poll.
    pub(crate) fn to_poll(&self) -> TicketPoll {
        TicketPoll {
            check_at: self.watchdog.at_nanos(),
            known_stalls: self.known_stalls,
            ..TicketPoll::default()
        }
    }

    /// Whether the call has waited.
    pub(crate) fn waited(&self) -> bool {
        self.waited
    }

    /// The end of the next sleep.
    pub(crate) fn limit(&self) -> Deadline {
        self.deadline.min(self.watchdog)
    }

    /// Decides whether the call continues after a sleep that ended with `stop`.
    pub(crate) fn resume(&mut self, stop: Stop) -> Result<()> {
        match stop {
            Stop::Signalled | Stop::Interrupted => {
                return Err(Error::text(
                    Status::Interrupted,
                    "a signal or the wait check ended the wait; call again",
                ));
            }
            Stop::Ended => return Err(Error::text(Status::Closed, "the manager is closed")),
            Stop::TimedOut => {}
        }
        let pinned = match self.blocked {
            Some(Blocked::Pinned) => true,
            Some(Blocked::Tasks | Blocked::Uncommitted | Blocked::Late) => false,
            // Another thread has the role: updates are queued, and no copy is free for them.
            _ => self.shared.log.used() > 0 && !self.is_copy_free(),
        };
        let pinned = if pinned { pinned_error(self.shared) } else { None };
        if self.deadline.passed() {
            return Err(pinned.unwrap_or_else(|| Error::of(Status::Timeout)));
        }
        if !self.watchdog.passed() {
            return Ok(());
        }
        if let Some(error) = pinned {
            return Err(error);
        }
        self.check_stall()
    }

    /// The watchdog: an error for work that stalls, reported once per waiter and counted once.
    fn check_stall(&mut self) -> Result<()> {
        let shared = self.shared;
        match shared.tasks.check_stall(shared.settings.watchdog, self.known_stalls) {
            StallCheck::Until(time) => {
                self.watchdog = Deadline::at(time);
                Ok(())
            }
            StallCheck::Stalled(work, first) => {
                let label = if work.label.as_str().is_empty() { shared.label } else { work.label };
                if first {
                    shared.counters.stalls.bump(1);
                    let age = work.age() / 1_000_000;
                    let (what, label, thread) = (work.what, label.as_str(), work.thread);
                    shared.record(
                        Level::Warn,
                        format_args!("{what} '{label}' of thread {thread} stalls, {age} ms old"),
                    );
                }
                Err(Error::held(Status::Stalled, work.what, label, work.thread, work.age()))
            }
        }
    }

    /// Whether a copy that is not the front has no lease. Otherwise its last release is signalled.
    fn is_copy_free(&self) -> bool {
        self.shared.copies().request_free_copy(self.shared.settings.max_copies)
    }

    fn count_wait(&mut self) {
        if !self.waited {
            self.waited = true;
            self.shared.counters.waits.bump(1);
        }
    }

    /// Sleeps until `ready` holds, or what blocked the call may have changed.
    pub(crate) fn sleep(
        &mut self,
        what: &'static str,
        blocked: Blocked,
        ready: impl Fn() -> bool,
    ) -> Result<()> {
        let shared = self.shared;
        self.blocked = Some(blocked);
        if self.deadline == Deadline::PAST {
            return self.resume(Stop::TimedOut);
        }
        self.count_wait();
        let ended = || shared.progress.check_alive().is_err();
        let stop = match blocked {
            _ if let Some(device) = shared.device_to_drive() => {
                let _listed = shared.waiters.enter(what);
                let freed = || blocked == Blocked::Pinned && self.is_copy_free();
                shared.drive(device, self.limit(), &|| ready() || freed() || ended())
            }
            Blocked::Uncommitted => self.back_off(),
            // A copy is free, but there was no memory for it, or it has just been released.
            Blocked::Pinned if self.is_copy_free() => self.back_off(),
            Blocked::Pinned => {
                let _listed = shared.waiters.enter(what);
                let any_free = || ready() || self.is_copy_free() || ended();
                shared.copies().released().wait(self.limit(), || any_free().then_some(()))
            }
            _ => {
                let news = || (ready() || ended()).then_some(());
                shared.waiters.wait_for_work(what, self.limit(), news)
            }
        };
        match stop {
            // A call that is woken again and again without effect must still end.
            Ok(()) if !ready() && self.limit().passed() => self.resume(Stop::TimedOut),
            Ok(()) => Ok(()),
            Err(stop) => self.resume(stop),
        }
    }

    /// Sleeps for ever longer times: no event signals this condition, so it is polled with exponential back-off.
    fn back_off(&mut self) -> std::result::Result<(), Stop> {
        let signalled = nap(self.nap_ns);
        self.nap_ns = (self.nap_ns * 2).min(1_000_000);
        if wait_check::ends(signalled) {
            return Err(Stop::Interrupted);
        }
        if self.limit().passed() { Err(Stop::TimedOut) } else { Ok(()) }
    }

    /// Waits for the role.
    pub(crate) fn take_role(&mut self, what: &'static str) -> Result<()> {
        let shared = self.shared;
        loop {
            if shared.role.try_take() {
                return Ok(());
            }
            if self.deadline != Deadline::PAST {
                self.count_wait();
            }
            let result = {
                let _listed = shared.waiters.enter(what);
                match shared.device_to_drive() {
                    Some(device) => match shared.drive(device, self.limit(), &|| shared.role.is_free()) {
                        Ok(()) => continue,
                        stop => stop,
                    },
                    None => in_slices(self.limit(), |limit, _| shared.role.take(limit)),
                }
            };
            match result {
                Ok(()) => return Ok(()),
                Err(stop) => self.resume(stop)?,
            }
        }
    }
}

/// Names the oldest lease, if there is one.
#[cold]
fn pinned_error(shared: &Shared) -> Option<Error> {
    shared.copies().oldest_lease().map(|seen| {
        Error::held(Status::Pinned, "a lease of a front", Label::new(""), seen.thread, seen.age_ns)
    })
}

impl Shared {
    /// The device that the calling thread must drive while it waits: a host-driven one that it owns.
    pub(crate) fn device_to_drive(&self) -> Option<&Device> {
        if !self.settings.on_device {
            return None;
        }
        self.device().filter(|device| device.is_host_driven() && device.is_owner() && device.lost().is_none())
    }

    /// Drives the device until `ready` holds.
    pub(crate) fn drive(
        &self,
        device: &Device,
        limit: Deadline,
        ready: &dyn Fn() -> bool,
    ) -> std::result::Result<(), Stop> {
        loop {
            // Conditions without an event of the device are polled.
            let soon = limit.min(Deadline::after(Timeout::nanos(1_000_000)));
            match device.pump(soon, ready).map_err(|error| error.status()) {
                Ok(()) => return Ok(()),
                Err(Status::Interrupted) => return Err(Stop::Interrupted),
                Err(_) if limit.passed() => return Err(Stop::TimedOut),
                // Lost meanwhile: the caller tries again and has no device to drive then.
                Err(Status::DeviceLost) => return Ok(()),
                Err(_) => {}
            }
        }
    }
}
