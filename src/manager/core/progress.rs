//! Progress of a manager: its lifecycle state, published epoch, completed tickets, and the last failed publish.
//!
//! A call that waits for a publish reads its condition here. Free copies and open tasks, the other two conditions, are in
//! [`StateCopies`](crate::manager::copies::copies::StateCopies) and [`Tasks`](super::tasks::Tasks).

use crate::error::{Error, Result, Status};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use crate::sync::mutex::Mutex;
use crate::sys::clock::Deadline;
use crate::sys::clock::Timeout;

/// The lifecycle state of a manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ManagerState {
    /// Accepts work.
    Open = 0,
    /// Publishes the accepted work and accepts no more.
    Closing = 1,
    /// Fronts stay readable; everything else is refused.
    Closed = 2,
    /// A panic left the manager unusable.
    Poisoned = 3,
}

/// A position in the order of updates, to wait for.
///
/// ```
/// use backbuf::{Manager, Timeout};
/// let manager = Manager::<u8>::new(&[1])?;
/// manager.enqueue(0, &[7], Timeout::TRY)?;
/// let ticket = manager.synchronize_async()?;
/// assert_eq!(manager.wait(ticket, Timeout::FOREVER)?, 1);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

/// The state of a polled wait for a ticket, kept from one poll to the next. See [`Manager::poll_ticket`].
///
/// [`Manager::poll_ticket`]: super::super::Manager::poll_ticket
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TicketPoll {
    /// When to check for a stall, on the monotonic clock; 0 before the first poll.
    pub(crate) check_at: u64,
    /// Watchdog reports made before the wait began.
    pub(crate) known_stalls: u64,
    /// Failed attempts at the last poll.
    pub(crate) failures: u64,
    /// The ticket of the last request for a publish.
    pub(crate) requested: u64,
}

impl TicketPoll {
    /// The time until the next poll is due if the watch does not become readable before.
    pub fn poll_after(&self) -> Timeout {
        Timeout::nanos(Deadline::at(self.check_at).left())
    }
}

/// The last failed attempt to publish.
#[derive(Debug, Default)]
struct PublishFailure {
    /// Failed attempts so far; written last.
    count: AtomicU64,
    /// The attempt included the tickets up to this one.
    upto: AtomicU64,
    error: Mutex<Option<Error>>,
    /// 1 until a call has returned the error.
    unreported: AtomicU32,
}

/// The progress of one manager. The role holder completes tickets and publishes; any thread reads.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    state: AtomicU32,
    epoch: AtomicU64,
    tag: AtomicU64,
    /// The last number given to a ticket or a task.
    numbers: AtomicU64,
    completed: AtomicU64,
    /// The worker is requested to complete the tickets up to this one.
    requested: AtomicU64,
    /// The ticket that ends a closing manager, or 0.
    closing_ticket: AtomicU64,
    failure: PublishFailure,
}

impl Progress {
    pub(crate) fn state(&self) -> ManagerState {
        match self.state.load(Acquire) {
            0 => ManagerState::Open,
            1 => ManagerState::Closing,
            2 => ManagerState::Closed,
            _ => ManagerState::Poisoned,
        }
    }

    /// Changes the state from `from` to `to`; false if it was another.
    pub(crate) fn advance(&self, from: ManagerState, to: ManagerState) -> bool {
        self.state.compare_exchange(from as u32, to as u32, AcqRel, Acquire).is_ok()
    }

    /// Sets the state to poisoned; false if it was already.
    pub(crate) fn poison(&self) -> bool {
        self.state.swap(ManagerState::Poisoned as u32, AcqRel) != ManagerState::Poisoned as u32
    }

    /// Closes a manager that is not poisoned, without a publish.
    pub(crate) fn close_now(&self) {
        while !self.has_ended() {
            let _ = self.advance(self.state(), ManagerState::Closed);
        }
    }

    /// Whether the manager is closed or poisoned.
    pub(crate) fn has_ended(&self) -> bool {
        !matches!(self.state(), ManagerState::Open | ManagerState::Closing)
    }

    /// An error if new work is refused.
    pub(crate) fn check_open(&self) -> Result<()> {
        match self.state() {
            ManagerState::Open => Ok(()),
            ManagerState::Poisoned => Err(Error::of(Status::Poisoned)),
            ManagerState::Closing | ManagerState::Closed => {
                Err(Error::text(Status::Closed, "the manager is closed"))
            }
        }
    }

    /// An error if no publish will follow.
    pub(crate) fn check_alive(&self) -> Result<()> {
        match self.state() {
            ManagerState::Closing => Ok(()),
            _ => self.check_open(),
        }
    }

    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Acquire)
    }

    /// The tag of the published epoch.
    pub(crate) fn tag(&self) -> u64 {
        self.tag.load(Relaxed)
    }

    /// Shows a new epoch. Requires the applier role.
    pub(crate) fn set_epoch(&self, epoch: u64, tag: u64) {
        self.tag.store(tag, Relaxed);
        self.epoch.store(epoch, Release);
    }

    /// The counter that numbers tickets and tasks.
    pub(crate) fn numbers(&self) -> &AtomicU64 {
        &self.numbers
    }

    /// A new ticket for everything accepted so far.
    pub(crate) fn issue_ticket(&self) -> u64 {
        self.numbers.fetch_add(1, AcqRel) + 1
    }

    /// The last ticket or task number.
    pub(crate) fn last_number(&self) -> u64 {
        self.numbers.load(Acquire)
    }

    /// An error for a number that is no ticket of this manager.
    pub(crate) fn check_issued(&self, ticket: u64) -> Result<()> {
        if ticket == 0 || ticket > self.last_number() {
            return Err(Error::value(
                Status::Argument,
                "ticket",
                ticket,
                "not a ticket that this manager has issued",
            ));
        }
        Ok(())
    }

    pub(crate) fn is_completed(&self, ticket: u64) -> bool {
        self.completed() >= ticket
    }

    /// The last completed ticket.
    pub(crate) fn completed(&self) -> u64 {
        self.completed.load(Acquire)
    }

    /// The last completed ticket, for the role holder, which alone changes it.
    pub(crate) fn completed_by_holder(&self) -> u64 {
        self.completed.load(Relaxed)
    }

    /// Completes the tickets up to `ticket`. Requires the applier role.
    pub(crate) fn complete(&self, ticket: u64) {
        self.completed.store(ticket, Release);
    }

    /// Requests the worker to complete `ticket`.
    pub(crate) fn request(&self, ticket: u64) {
        self.requested.fetch_max(ticket, AcqRel);
    }

    /// The last requested ticket.
    pub(crate) fn requested(&self) -> u64 {
        self.requested.load(Acquire)
    }

    /// Records a failed attempt that included the tickets up to `upto`. Requires the applier role.
    pub(crate) fn fail(&self, upto: u64, error: Error) {
        self.failure.upto.store(upto, Relaxed);
        *self.failure.error.lock() = Some(error);
        self.failure.unreported.store(1, Relaxed);
        self.failure.count.fetch_add(1, Release);
    }

    /// Failed attempts so far.
    pub(crate) fn failures(&self) -> u64 {
        self.failure.count.load(Acquire)
    }

    /// The last failed attempt included the tickets up to this one.
    pub(crate) fn failed_upto(&self) -> u64 {
        self.failure.upto.load(Acquire)
    }

    /// Whether the last failed attempt included the ticket.
    pub(crate) fn has_failed(&self, ticket: u64) -> bool {
        self.failed_upto() >= ticket
    }

    /// Whether no call has returned the last error.
    pub(crate) fn is_failure_unreported(&self) -> bool {
        self.failure.unreported.load(Acquire) != 0
    }

    /// The error of the last failed attempt, which thereby is reported.
    pub(crate) fn report_failure(&self) -> Error {
        self.failure.unreported.store(0, Relaxed);
        self.failure_error()
    }

    /// The error of an attempt that included the ticket, if no call has returned it yet.
    pub(crate) fn check_unreported_failure(&self, ticket: u64) -> Result<()> {
        if self.has_failed(ticket) && self.failure.unreported.swap(0, AcqRel) != 0 {
            return Err(self.failure_error());
        }
        Ok(())
    }

    fn failure_error(&self) -> Error {
        (*self.failure.error.lock()).unwrap_or(Error::of(Status::Backend))
    }

    /// The ticket that ends a closing manager, or 0.
    pub(crate) fn closing_ticket(&self) -> u64 {
        self.closing_ticket.load(Acquire)
    }

    /// Closes the manager when `ticket` is completed.
    pub(crate) fn close_after(&self, ticket: u64) {
        self.closing_ticket.fetch_max(ticket, AcqRel);
    }

    /// Closes a closing manager whose last ticket is completed; true if this call did.
    pub(crate) fn close_if_completed(&self) -> bool {
        let last = self.closing_ticket();
        last != 0 && self.is_completed(last) && self.advance(ManagerState::Closing, ManagerState::Closed)
    }
}
