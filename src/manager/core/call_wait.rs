//! How long one call waits, and what it is told when that is over.

use crate::error::{Error, Label, Result, Status};
use crate::log::{self, Level};
use crate::manager::core::shared::{Blocked, Shared};
use crate::manager::core::synchronize::TicketPoll;
use crate::manager::core::tasks::Verdict;
use crate::sync::wait::spin;
use crate::sync::wait_check;
use crate::sync::wait_check::Stop;
use crate::sync::wait_check::in_slices;
use crate::sys::clock::Timeout;
use crate::sys::clock::{Deadline, nap, now};

/// The patience of one call: its own deadline, and the watchdog's.
#[derive(Debug)]
pub(crate) struct Patience {
    deadline: Deadline,
    /// When to look for work that stalls.
    look: Deadline,
    /// Reports of the watchdog that came before this call.
    known: u64,
    /// The last thing that stood in the way.
    blocked: Option<Blocked>,
    nap_ns: u64,
    pub(crate) waited: bool,
}

impl Patience {
    pub(crate) fn new(shared: &Shared, timeout: Timeout) -> Patience {
        let watched = shared.watchdog != 0 && timeout != Timeout::TRY;
        Patience {
            deadline: Deadline::after(timeout),
            look: if watched { Deadline::at(now().saturating_add(shared.watchdog)) } else { Deadline::NEVER },
            known: if watched { shared.tasks.reports() } else { 0 },
            blocked: None,
            nap_ns: 1_000,
            waited: false,
        }
    }

    /// That of a wait that is polled: it goes on where the last look left it.
    pub(crate) fn of_poll(poll: &TicketPoll) -> Patience {
        Patience {
            deadline: Deadline::NEVER,
            look: Deadline::at(poll.look),
            known: poll.known,
            blocked: None,
            nap_ns: 1_000,
            waited: false,
        }
    }

    /// What a wait that is polled remembers of it.
    pub(crate) fn to_poll(&self) -> TicketPoll {
        TicketPoll { look: self.look.at_nanos(), known: self.known, ..TicketPoll::default() }
    }

    /// Until when to sleep.
    pub(crate) fn limit(&self) -> Deadline {
        self.deadline.min(self.look)
    }

    /// A sleep ended with `stop`: whether the call goes on.
    pub(crate) fn go_on(&mut self, shared: &Shared, stop: Stop) -> Result<()> {
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
            // Somebody else has the role: updates wait, and no copy is free for them.
            _ => shared.ring.used() > 0 && !shared.storage().request_free_copy(shared.copies),
        };
        let pinned = if pinned { pinned_error(shared) } else { None };
        if self.deadline.passed() {
            return Err(pinned.unwrap_or_else(|| Error::of(Status::Timeout)));
        }
        if !self.look.passed() {
            return Ok(());
        }
        if let Some(error) = pinned {
            return Err(error);
        }
        match shared.tasks.judge(shared.watchdog, self.known) {
            Verdict::Until(time) => {
                self.look = Deadline::at(time);
                Ok(())
            }
            Verdict::Stalled(work, first) => {
                let label = if work.label.as_str().is_empty() { shared.label } else { work.label };
                if first {
                    shared.counters.stalls.bump(1);
                    let age = work.age() / 1_000_000;
                    let text = format_args!(
                        "{} '{}' of thread {} stalls, {age} ms old",
                        work.what,
                        label.as_str(),
                        work.thread
                    );
                    log::record(Level::Warn, "manager", shared.label.as_str(), text);
                }
                Err(Error::held(Status::Stalled, work.what, label, work.thread, work.age()))
            }
        }
    }

    /// Sleeps until what blocked the call may have changed, or `ready`.
    pub(crate) fn sleep(
        &mut self,
        shared: &Shared,
        what: &'static str,
        blocked: Blocked,
        ready: impl Fn() -> bool,
    ) -> Result<()> {
        self.blocked = Some(blocked);
        if self.deadline == Deadline::PAST {
            return self.go_on(shared, Stop::TimedOut);
        }
        if !self.waited {
            self.waited = true;
            shared.counters.waits.bump(1);
        }
        let stop = match blocked {
            _ if let Some(device) = shared.pumped() => {
                let _listed = shared.waiters.enter(what);
                let freed =
                    || blocked == Blocked::Pinned && shared.storage().request_free_copy(shared.copies);
                shared.pump(device, self.limit(), &|| ready() || freed() || shared.lives().is_err())
            }
            Blocked::Uncommitted => self.doze(),
            // A copy is free, yet there was no memory for it, or it has just come free.
            Blocked::Pinned if shared.storage().request_free_copy(shared.copies) => self.doze(),
            Blocked::Pinned => {
                let _listed = shared.waiters.enter(what);
                let any_free = || {
                    ready() || shared.storage().request_free_copy(shared.copies) || shared.lives().is_err()
                };
                shared.storage().released().wait(self.limit(), || any_free().then_some(()))
            }
            _ => {
                let mut news = || (ready() || shared.lives().is_err()).then_some(());
                // Only who sleeps is listed: most waits for the worker end while this spins.
                if spin(&mut news).is_some() {
                    return Ok(());
                }
                let _listed = shared.waiters.enter(what);
                shared.progress.sleep(self.limit(), news)
            }
        };
        match stop {
            // Woken again and again for nothing, a call must still come to its end.
            Ok(()) if !ready() && self.limit().passed() => self.go_on(shared, Stop::TimedOut),
            Ok(()) => Ok(()),
            Err(stop) => self.go_on(shared, stop),
        }
    }

    /// Nobody will send word: looks again after ever longer naps.
    fn doze(&mut self) -> std::result::Result<(), Stop> {
        let signalled = nap(self.nap_ns);
        self.nap_ns = (self.nap_ns * 2).min(1_000_000);
        if wait_check::ends(signalled) {
            return Err(Stop::Interrupted);
        }
        if self.limit().passed() { Err(Stop::TimedOut) } else { Ok(()) }
    }

    /// Waits for the role.
    pub(crate) fn take_role(&mut self, shared: &Shared, what: &'static str) -> Result<()> {
        loop {
            if shared.role.try_take() {
                return Ok(());
            }
            if !self.waited && self.deadline != Deadline::PAST {
                self.waited = true;
                shared.counters.waits.bump(1);
            }
            let result = {
                let _listed = shared.waiters.enter(what);
                match shared.pumped() {
                    Some(device) => match shared.pump(device, self.limit(), &|| shared.role.is_free()) {
                        Ok(()) => continue,
                        stop => stop,
                    },
                    None => in_slices(self.limit(), |limit, _| shared.role.take(limit)),
                }
            };
            match result {
                Ok(()) => return Ok(()),
                Err(stop) => self.go_on(shared, stop)?,
            }
        }
    }
}

/// Names the oldest lease that is in the way, if there still is one.
#[cold]
fn pinned_error(shared: &Shared) -> Option<Error> {
    shared.storage().oldest_lease().map(|seen| {
        Error::held(Status::Pinned, "a lease of a front", Label::new(""), seen.thread, seen.age_ns)
    })
}
