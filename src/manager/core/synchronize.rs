//! Synchronizing: waiting for the publish of everything enqueued before, for a ticket, for an epoch, and for the close.
//!
//! A synchronizer publishes by itself if it can; otherwise the worker does, and `Shared::notify` wakes the synchronizer.

use std::cell::Cell;

use crate::error::{Error, Result, Status};
use crate::manager::core::applier::Applier;
use crate::manager::core::call_wait::CallWait;
use crate::manager::core::drain::{Blocked, RoleHolder};
use crate::manager::core::progress::{ManagerState, Ticket, TicketPoll};
use crate::manager::core::shared::Shared;
use crate::sync::spinner::Spinner;
use crate::sync::wait_check::Stop;
use crate::sys::clock::Timeout;
use crate::sys::clock::{Deadline, now};

/// What a manager had accepted at some moment. A thread that reads the same values later knows that nothing was accepted
/// meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Accepted {
    in_place: u64,
    queued: u64,
    fed: (u64, u64),
    tasks: u64,
}

/// A synchronize that ended before its ticket was completed. The same call, made again, waits for that ticket: with a new
/// one it would wait for another flush, and calls with a timeout shorter than a flush would never succeed.
#[derive(Clone, Copy, Debug)]
struct Unfinished {
    manager: u64,
    ticket: u64,
    accepted: Accepted,
}

thread_local!(static UNFINISHED: Cell<Option<Unfinished>> = const { Cell::new(None) });

impl Shared {
    /// Publishes everything enqueued so far and returns the epoch that contains it.
    #[inline]
    pub(crate) fn synchronize(&self, timeout: Timeout) -> Result<u64> {
        match self.publish_in_place() {
            Some(epoch) => Ok(epoch),
            None => self.synchronize_slowly(timeout),
        }
    }

    #[cold]
    #[inline(never)]
    fn synchronize_slowly(&self, timeout: Timeout) -> Result<u64> {
        self.progress.check_alive()?;
        self.check_may_wait()?;
        // Read before the ticket is issued: what is accepted meanwhile counts as later.
        let accepted = self.accepted();
        let ticket = match self.unfinished(accepted) {
            Some(ticket) => {
                self.progress.check_unreported_failure(ticket)?;
                ticket
            }
            None => self.progress.issue_ticket(),
        };
        let start = now();
        let mut wait = CallWait::new(self, timeout);
        let result = self.complete(ticket, &mut wait, "synchronize");
        if wait.waited() || self.settings.has_flush {
            self.counters.waited.count(now() - start);
        }
        if let Err(error) = &result
            && self.progress.check_alive().is_ok()
        {
            // The publish still happens.
            self.request_publish(ticket);
            if matches!(
                error.status(),
                Status::Timeout | Status::Interrupted | Status::Stalled | Status::Pinned
            ) {
                UNFINISHED.set(Some(Unfinished { manager: self.number, ticket, accepted }));
            }
        }
        result
    }

    fn accepted(&self) -> Accepted {
        Accepted {
            in_place: self.counters.in_place.get(),
            queued: self.log.tail(),
            fed: self.feeds.committed(),
            tasks: self.tasks.begun(),
        }
    }

    /// The ticket of this thread's last synchronize, if it was not completed and nothing has been accepted since.
    fn unfinished(&self, accepted: Accepted) -> Option<u64> {
        let last = UNFINISHED.get().filter(|last| last.manager == self.number)?;
        UNFINISHED.set(None);
        (last.accepted == accepted).then_some(last.ticket)
    }

    /// A ticket for everything enqueued so far. Publishes at once if that needs no wait.
    pub(crate) fn synchronize_async(&self) -> Result<Ticket> {
        self.progress.check_open()?;
        let ticket = self.progress.issue_ticket();
        if self.publish_in_place().is_none() {
            self.request_publish(ticket);
        }
        Ok(Ticket(ticket))
    }

    /// Waits for a ticket and returns an epoch that contains its updates.
    pub(crate) fn wait(&self, ticket: u64, timeout: Timeout) -> Result<u64> {
        self.progress.check_issued(ticket)?;
        if self.progress.is_completed(ticket) {
            return Ok(self.progress.epoch());
        }
        self.progress.check_alive()?;
        self.check_may_wait()?;
        self.progress.check_unreported_failure(ticket)?;
        let mut wait = CallWait::new(self, timeout);
        if timeout == Timeout::TRY {
            if self.progress.has_failed(ticket) {
                // Another waiter has got the error of its attempt: request the next one.
                self.request_publish(self.progress.issue_ticket());
            }
            return Err(Error::of(Status::Timeout));
        }
        self.complete(ticket, &mut wait, "wait for a ticket")
    }

    /// Polls a ticket once.
    pub(crate) fn poll_ticket(&self, ticket: u64, poll: &mut TicketPoll) -> Result<u64> {
        let progress = &self.progress;
        progress.check_issued(ticket)?;
        if progress.is_completed(ticket) {
            return Ok(progress.epoch());
        }
        progress.check_alive()?;
        let failures = progress.failures();
        let failed = progress.has_failed(ticket);
        if poll.check_at == 0 {
            let wait = CallWait::new(self, Timeout::FOREVER);
            *poll = TicketPoll { failures, requested: ticket, ..wait.to_poll() };
            progress.check_unreported_failure(ticket)?;
        } else if failures != poll.failures && failed {
            poll.failures = failures;
            return Err(progress.report_failure());
        }
        poll.failures = failures;
        if failed && progress.has_failed(poll.requested) {
            poll.requested = progress.issue_ticket();
            self.request_publish(poll.requested);
        }
        let mut wait = CallWait::of_poll(self, poll);
        match wait.resume(Stop::TimedOut) {
            Ok(()) => {
                poll.check_at = wait.to_poll().check_at;
                Err(Error::of(Status::Timeout))
            }
            Err(error) => {
                // As after a call: the next poll begins a new wait, which does not report this again.
                *poll = TicketPoll::default();
                Err(error)
            }
        }
    }

    /// Completes `ticket`: attempts to publish, as the role holder or by the worker, and waits in between.
    fn complete(&self, ticket: u64, wait: &mut CallWait<'_>, what: &'static str) -> Result<u64> {
        let progress = &self.progress;
        let mut failures = progress.failures();
        let mut requested = 0;
        loop {
            if progress.is_completed(ticket) {
                return Ok(progress.epoch());
            }
            let failed = progress.failures();
            if failed != failures && progress.has_failed(ticket) {
                return Err(progress.report_failure());
            }
            // Failures of attempts that did not include this ticket are ignored.
            failures = failed;
            progress.check_alive()?;
            let blocked = if self.settings.has_flush || self.settings.worker_only {
                Blocked::Worker
            } else {
                wait.take_role(what)?;
                // SAFETY: the role is held.
                let applier: &mut Applier = unsafe { self.applier() };
                let budget = &mut self.caller_budget();
                let result = self.attempt(applier, budget, RoleHolder::Caller, wait.limit());
                self.role.release();
                match result {
                    Ok(()) => continue,
                    Err(Blocked::Panicked) => return Err(Error::of(Status::Poisoned)),
                    Err(blocked) => blocked,
                }
            };
            if matches!(blocked, Blocked::Worker | Blocked::Late) && requested == 0 {
                // The worker does not try a failed ticket again: request a new one.
                requested = if progress.has_failed(ticket) { progress.issue_ticket() } else { ticket };
                self.request_publish(requested);
            }
            wait.sleep(what, blocked, || {
                progress.is_completed(ticket)
                    || progress.failures() != failures
                    || (blocked == Blocked::Tasks && self.tasks.completable(ticket) == ticket)
            })?;
        }
    }

    /// Waits for an epoch beyond `after`, or until `stop` holds.
    pub(crate) fn wait_epoch(
        &self,
        after: u64,
        timeout: Timeout,
        spinner: Option<&Spinner>,
        stop: impl Fn() -> bool,
    ) -> Result<u64> {
        let newer = || Some(self.progress.epoch()).filter(|&epoch| epoch > after);
        if let Some(epoch) = newer() {
            return Ok(epoch);
        }
        self.check_not_inside()?;
        let ended = || stop() || self.progress.has_ended();
        let deadline = Deadline::after(timeout);
        if deadline != Deadline::PAST && !ended() {
            self.counters.waits.bump(1);
        }
        let _listed = self.waiters.enter("wait for an epoch");
        let result = match self.device_to_drive() {
            Some(device) => self.drive(device, deadline, &|| newer().is_some() || ended()).map(|()| newer()),
            None => {
                let news = || newer().map(Some).or_else(|| ended().then_some(None));
                self.waiters.wait(spinner, deadline, news)
            }
        };
        match result {
            Ok(Some(epoch)) => Ok(epoch),
            Ok(None) => newer().map_or_else(
                || {
                    let closed =
                        Error::text(Status::Closed, "the manager or the watch was closed during the wait");
                    self.progress.check_alive().and(Err(closed))
                },
                Ok,
            ),
            Err(stop) => Err(stop.into()),
        }
    }

    /// Refuses new work, publishes what was accepted, then ends all waits.
    pub(crate) fn close(&self, timeout: Timeout) -> Result<()> {
        let progress = &self.progress;
        if progress.state() == ManagerState::Closed {
            return Ok(());
        }
        self.check_may_wait()?;
        progress.advance(ManagerState::Open, ManagerState::Closing);
        self.log.close();
        if let Err(error) = progress.check_alive() {
            // The worker may have completed an earlier close just now. Read last, since this state is final.
            return if progress.state() == ManagerState::Closed { Ok(()) } else { Err(error) };
        }
        // Nothing more is accepted, so the ticket of an earlier close covers everything.
        let ticket = match progress.closing_ticket() {
            0 => progress.issue_ticket(),
            earlier => {
                progress.check_unreported_failure(earlier)?;
                earlier
            }
        };
        // The thread that completes the ticket closes the manager, even if this call times out before.
        progress.close_after(ticket);
        let result = self.complete(ticket, &mut CallWait::new(self, timeout), "close");
        self.close_if_done();
        match result {
            _ if progress.state() == ManagerState::Closed => Ok(()),
            Ok(_) => Ok(()),
            Err(error) => {
                self.request_publish(ticket);
                Err(error)
            }
        }
    }

    /// Frees memory that is not needed now.
    pub(crate) fn trim(&self, timeout: Timeout) -> Result<()> {
        self.progress.check_open()?;
        self.check_may_wait()?;
        CallWait::new(self, timeout).take_role("trim")?;
        let mut last = false;
        self.free_copies(|applier, copies| {
            if last {
                return None;
            }
            applier.withdraw_spare(copies).or_else(|| {
                last = true;
                applier.empty_back(copies)
            })
        });
        Ok(())
    }
}
