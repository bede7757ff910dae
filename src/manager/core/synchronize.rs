//! Publishing what was enqueued, and waiting for it.

use std::cell::Cell;

use crate::error::{Error, Result, Status};
use crate::manager::copies::copy_forward::COPY_STEP;
use crate::manager::core::call_wait::Patience;
use crate::manager::core::shared::{Blocked, By, Shared, State};
use crate::sync::atomic::Ordering::*;
use crate::sync::event::Event;
use crate::sync::wait_check::Stop;
use crate::sys::clock::Timeout;
use crate::sys::clock::{Deadline, now};

/// A place in the order of updates, to wait for.
///
/// ```
/// use backbuf::{DType, Timeout, manager::Manager};
/// let manager = Manager::new(DType::U8, &[1])?;
/// manager.enqueue(0, &[7], Timeout::TRY)?;
/// let ticket = manager.synchronize_async()?;
/// assert_eq!(manager.wait(ticket, Timeout::FOREVER)?, 1);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

/// A wait for a ticket that is polled: what it remembers from one look to the next. See [`Manager::poll_ticket`].
///
/// [`Manager::poll_ticket`]: crate::manager::Manager::poll_ticket
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TicketPoll {
    /// When to look for a stall, on the monotonic clock; 0 before the first look.
    pub(crate) look: u64,
    /// Reports of the watchdog that came before the wait.
    pub(crate) known: u64,
    /// Attempts that had failed at the last look.
    pub(crate) failures: u64,
    /// The number under which a publish was asked for again, after an attempt that another waiter knows of.
    pub(crate) asked: u64,
}

impl TicketPoll {
    /// How long the next look may wait for the watch.
    pub fn look_after(&self) -> Timeout {
        Timeout::nanos(Deadline::at(self.look).left())
    }
}

/// What a manager had accepted at some moment. A thread that finds it unchanged has had nothing accepted since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Accepted {
    in_place: u64,
    queued: u64,
    tasks: u64,
}

/// A synchronize that ended before its ticket was done. The same call, made again, waits for that ticket: with a new one it
/// would wait for another flush, and calls with a timeout shorter than a flush would never come to an end.
#[derive(Clone, Copy, Debug)]
struct Unfinished {
    manager: u64,
    ticket: u64,
    accepted: Accepted,
}

thread_local!(static UNFINISHED: Cell<Option<Unfinished>> = const { Cell::new(None) });

impl Shared {
    /// Publishes everything enqueued so far and says which epoch holds it.
    #[inline]
    pub(crate) fn synchronize(&self, timeout: Timeout) -> Result<u64> {
        match self.publish_in_place() {
            Some(epoch) => Ok(epoch),
            None => self.synchronize_slowly(timeout),
        }
    }

    /// The fast path: nothing queued, nothing to wait for.
    #[inline(always)]
    fn publish_in_place(&self) -> Option<u64> {
        if self.has_flush || self.worker_only || self.calling_out.load(Relaxed) != 0 {
            return None;
        }
        // Before the tasks: a task that comes before one of these tickets is seen below.
        let tickets = self.order.load(Acquire);
        if !self.tasks.none() || !self.role.try_take() {
            return None;
        }
        // SAFETY: the role is held.
        let applier = unsafe { self.applier() };
        let current = self.ring.open_and_ends_at(applier.head);
        // One step of copying forward is quicker than any other way; a device is the worker's business.
        let done = current && (!applier.changed() || !self.on_device && applier.forward.copy_step(COPY_STEP));
        let mut news = false;
        if done {
            if applier.changed() {
                self.publish(applier);
                news = true;
            }
            if self.completed.load(Relaxed) < tickets {
                self.completed.store(tickets, Release);
                news = true;
            }
        }
        let epoch = applier.epoch;
        self.role.drop();
        if news {
            self.notify();
        }
        done.then_some(epoch)
    }

    #[cold]
    #[inline(never)]
    fn synchronize_slowly(&self, timeout: Timeout) -> Result<u64> {
        self.lives()?;
        self.may_wait()?;
        // Before the ticket: what is accepted meanwhile counts as later.
        let accepted = self.accepted();
        let ticket = match self.unfinished(accepted) {
            Some(ticket) => {
                self.fails(ticket)?;
                ticket
            }
            None => self.order.fetch_add(1, AcqRel) + 1,
        };
        let start = now();
        let mut patience = Patience::new(self, timeout);
        let result = self.complete(ticket, &mut patience, "synchronize");
        if patience.waited || self.has_flush {
            self.counters.waited.count(now() - start);
        }
        if let Err(error) = &result
            && self.lives().is_ok()
        {
            // What could not be waited for still happens.
            self.request(ticket);
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
            queued: self.ring.tail(),
            tasks: self.tasks.begun(),
        }
    }

    /// The ticket of this thread's last synchronize, if that was not done and nothing has been accepted since it began.
    fn unfinished(&self, accepted: Accepted) -> Option<u64> {
        let last = UNFINISHED.get().filter(|last| last.manager == self.number)?;
        UNFINISHED.set(None);
        (last.accepted == accepted).then_some(last.ticket)
    }

    /// An error if an attempt that covered the ticket failed and no waiter has got its error yet.
    fn fails(&self, ticket: u64) -> Result<()> {
        if self.failure.upto.load(Acquire) >= ticket && self.failure.untold.swap(0, AcqRel) != 0 {
            return Err(self.failure_error());
        }
        Ok(())
    }

    /// An error if this thread would wait for itself.
    pub(crate) fn may_wait(&self) -> Result<()> {
        self.not_inside()?;
        if self.in_hand_here() {
            return Err(Error::text(
                Status::State,
                "this thread has the back copy in hand; commit or cancel it first",
            ));
        }
        Ok(())
    }

    /// A ticket for everything enqueued so far. What can be published at once is.
    pub(crate) fn synchronize_async(&self) -> Result<Ticket> {
        self.accepts()?;
        let ticket = self.order.fetch_add(1, AcqRel) + 1;
        if self.publish_in_place().is_none() {
            self.request(ticket);
        }
        Ok(Ticket(ticket))
    }

    /// Waits for a ticket.
    pub(crate) fn wait(&self, ticket: u64, timeout: Timeout) -> Result<u64> {
        self.was_given(ticket)?;
        if self.completed.load(Acquire) >= ticket {
            return Ok(self.epoch.load(Acquire));
        }
        self.lives()?;
        self.may_wait()?;
        self.fails(ticket)?;
        let mut patience = Patience::new(self, timeout);
        if timeout == Timeout::TRY {
            if self.failure.upto.load(Acquire) >= ticket {
                // Its attempt has failed, and another waiter was told: this one asks for the next.
                self.request(self.order.fetch_add(1, AcqRel) + 1);
            }
            return Err(Error::of(Status::Timeout));
        }
        self.complete(ticket, &mut patience, "wait for a ticket")
    }

    /// One look at a ticket, of a wait that is polled.
    pub(crate) fn poll_ticket(&self, ticket: u64, poll: &mut TicketPoll) -> Result<u64> {
        self.was_given(ticket)?;
        if self.completed.load(Acquire) >= ticket {
            return Ok(self.epoch.load(Acquire));
        }
        self.lives()?;
        let failures = self.failure.count.load(Acquire);
        let failed = self.failure.upto.load(Acquire) >= ticket;
        if poll.look == 0 {
            let patience = Patience::new(self, Timeout::FOREVER);
            *poll = TicketPoll { failures, asked: ticket, ..patience.to_poll() };
            self.fails(ticket)?;
        } else if failures != poll.failures && failed {
            poll.failures = failures;
            self.failure.untold.store(0, Relaxed);
            return Err(self.failure_error());
        }
        poll.failures = failures;
        if failed && self.failure.upto.load(Acquire) >= poll.asked {
            poll.asked = self.order.fetch_add(1, AcqRel) + 1;
            self.request(poll.asked);
        }
        let mut patience = Patience::of_poll(poll);
        match patience.go_on(self, Stop::TimedOut) {
            Ok(()) => {
                poll.look = patience.to_poll().look;
                Err(Error::of(Status::Timeout))
            }
            Err(error) => {
                // As for a call: what follows is a new wait, to which this is no news.
                *poll = TicketPoll::default();
                Err(error)
            }
        }
    }

    /// An error for what cannot be a ticket of this manager: they count from 1.
    pub(crate) fn was_given(&self, ticket: u64) -> Result<()> {
        if ticket == 0 || ticket > self.order.load(Acquire) {
            return Err(Error::value(
                Status::Argument,
                "ticket",
                ticket,
                "no such ticket has been given out",
            ));
        }
        Ok(())
    }

    fn failure_error(&self) -> Error {
        (*self.failure.error.lock()).unwrap_or(Error::of(Status::Backend))
    }

    /// Sees to it that `ticket` is completed.
    pub(crate) fn complete(&self, ticket: u64, patience: &mut Patience, what: &'static str) -> Result<u64> {
        let mut failures = self.failure.count.load(Acquire);
        let mut asked = 0;
        loop {
            if self.completed.load(Acquire) >= ticket {
                return Ok(self.epoch.load(Acquire));
            }
            let failed = self.failure.count.load(Acquire);
            if failed != failures && self.failure.upto.load(Acquire) >= ticket {
                self.failure.untold.store(0, Relaxed);
                return Err(self.failure_error());
            }
            // An attempt that did not cover this ticket is none of its business.
            failures = failed;
            self.lives()?;
            let blocked = if self.has_flush || self.worker_only {
                Blocked::Worker
            } else {
                patience.take_role(self, what)?;
                // SAFETY: the role is held.
                let result = self.attempt(
                    unsafe { self.applier() },
                    &mut self.budget.max(1),
                    By::Caller,
                    patience.limit(),
                );
                self.role.drop();
                match result {
                    Ok(()) => continue,
                    Err(Blocked::Panicked) => return Err(Error::of(Status::Poisoned)),
                    Err(blocked) => blocked,
                }
            };
            if matches!(blocked, Blocked::Worker | Blocked::Late) && asked == 0 {
                // The worker has given up on tickets that failed before: those ask under a new number.
                let failed_before = self.failure.upto.load(Acquire) >= ticket;
                asked = if failed_before { self.order.fetch_add(1, AcqRel) + 1 } else { ticket };
                self.request(asked);
            }
            patience.sleep(self, what, blocked, || {
                self.completed.load(Acquire) >= ticket
                    || self.failure.count.load(Acquire) != failures
                    || (blocked == Blocked::Tasks && self.tasks.allow(ticket) == ticket)
            })?;
        }
    }

    /// Waits for an epoch beyond `after`.
    pub(crate) fn wait_epoch(&self, after: u64, timeout: Timeout, stop: impl Fn() -> bool) -> Result<u64> {
        let newer = || Some(self.epoch.load(Acquire)).filter(|&epoch| epoch > after);
        if let Some(epoch) = newer() {
            return Ok(epoch);
        }
        self.not_inside()?;
        let gone = || stop() || matches!(self.state(), State::Closed | State::Poisoned);
        let deadline = Deadline::after(timeout);
        if deadline != Deadline::PAST && !gone() {
            self.counters.waits.bump(1);
        }
        let _listed = self.waiters.enter("wait for an epoch");
        let progress: &Event = &self.progress;
        let result = match self.pumped() {
            Some(device) => self.pump(device, deadline, &|| newer().is_some() || gone()).map(|()| newer()),
            None => progress.wait(deadline, || newer().map(Some).or_else(|| gone().then_some(None))),
        };
        match result {
            Ok(Some(epoch)) => Ok(epoch),
            Ok(None) => newer().map_or_else(
                || self.lives().and(Err(Error::text(Status::Closed, "closed while it was waited for"))),
                Ok,
            ),
            Err(stop) => Err(stop.into()),
        }
    }

    /// The tag of the newest epoch, without a lease.
    pub(crate) fn published_tag(&self) -> u64 {
        self.tag_of_epoch.load(Relaxed)
    }

    /// Refuses new work, publishes what was accepted, then lets waiters go.
    pub(crate) fn close(&self, timeout: Timeout) -> Result<()> {
        if self.state() == State::Closed {
            return Ok(());
        }
        self.may_wait()?;
        self.advance(State::Open, State::Closing);
        self.ring.close();
        if let Err(error) = self.lives() {
            // The worker may have completed an earlier close just now. Asked last: closed is for good.
            return if self.state() == State::Closed { Ok(()) } else { Err(error) };
        }
        // Nothing is accepted any more, so the ticket of an earlier close covers all there is.
        let ticket = match self.last_ticket.load(Acquire) {
            0 => self.order.fetch_add(1, AcqRel) + 1,
            earlier => {
                self.fails(earlier)?;
                earlier
            }
        };
        // Whoever completes it ends the manager, even if this call gives up before.
        self.last_ticket.fetch_max(ticket, AcqRel);
        let result = self.complete(ticket, &mut Patience::new(self, timeout), "close");
        self.close_if_done();
        match result {
            _ if self.state() == State::Closed => Ok(()),
            Ok(_) => Ok(()),
            Err(error) => {
                self.request(ticket);
                Err(error)
            }
        }
    }

    /// Ends a closing manager once everything that it accepted is published.
    pub(crate) fn close_if_done(&self) {
        let last = self.last_ticket.load(Acquire);
        if last != 0 && self.completed.load(Acquire) >= last && self.advance(State::Closing, State::Closed) {
            self.wake_all();
        }
    }
}
