//! Watches: one waiter's own subscription to a manager, with a descriptor for event loops.

use crate::sync::mutex::Mutex;
use std::os::fd::RawFd;

use crate::alloc::{Arc, Weak};
use crate::error::{Error, Result, Status};
use crate::manager::core::shared::{Failure, Shared, State};
use crate::manager::core::synchronize::Ticket;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use crate::sync::barrier::{heavy, light};
use crate::sys::clock::Timeout;
use crate::sys::eventfd::Descriptor;

/// What a watch waits for.
#[derive(Debug)]
struct Seat {
    /// The last epoch that it was told.
    after: AtomicU64,
    /// Also tell when this ticket can be waited for without blocking; 0 for none.
    ticket: AtomicU64,
    /// Attempts that had failed when that was asked for.
    failures: AtomicU64,
    closed: AtomicU32,
    descriptor: Mutex<Option<Descriptor>>,
}

/// The watches of one manager.
#[derive(Debug)]
pub(crate) struct Watches {
    seats: Mutex<Vec<Weak<Seat>>>,
    /// Seats with a descriptor: nobody else needs to be told.
    polled: AtomicU32,
    count: AtomicU32,
}

impl Watches {
    pub(crate) const fn new() -> Watches {
        Watches { seats: Mutex::new(Vec::new()), polled: AtomicU32::new(0), count: AtomicU32::new(0) }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Relaxed)
    }

    /// Sets the descriptors of those who would not have to wait now. Costs a load when there are none.
    #[inline(always)]
    pub(crate) fn notify(&self, shared: &Shared) {
        light();
        if self.polled.load(Relaxed) != 0 {
            self.notify_all(shared);
        }
    }

    #[cold]
    fn notify_all(&self, shared: &Shared) {
        for seat in self.seats.lock().iter().filter_map(Weak::upgrade) {
            seat.update(shared);
        }
    }
}

impl Seat {
    /// Whether the ticket asked for is done, or has failed since, or before with its error not reported yet.
    fn ticket_is_decided(&self, shared: &Shared) -> bool {
        let ticket = self.ticket.load(Acquire);
        let Failure { count, upto, untold, .. } = &shared.failure;
        let since = || count.load(Acquire) != self.failures.load(Acquire) || untold.load(Acquire) != 0;
        let failed = || upto.load(Acquire) >= ticket && since();
        ticket != 0 && (shared.completed.load(Acquire) >= ticket || failed())
    }

    /// Whether waiting would not block.
    fn has_news(&self, shared: &Shared) -> bool {
        shared.epoch.load(Acquire) > self.after.load(Acquire)
            || self.ticket_is_decided(shared)
            || !matches!(shared.state(), State::Open | State::Closing)
            || self.closed.load(Acquire) != 0
    }

    /// Makes the descriptor tell the truth.
    fn update(&self, shared: &Shared) {
        if let Some(descriptor) = &*self.descriptor.lock() {
            if self.has_news(shared) {
                descriptor.set();
            } else {
                descriptor.clear();
            }
        }
    }
}

/// One waiter's subscription to the epochs of a manager.
///
/// ```
/// use backbuf::{DType, Timeout, manager::Manager};
/// let manager = Manager::new(DType::U8, &[1])?;
/// let watch = manager.watch(0)?;
/// manager.enqueue(0, &[7], Timeout::TRY)?;
/// manager.synchronize(Timeout::FOREVER)?;
/// assert_eq!(watch.wait(Timeout::TRY)?, 1);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct Watch {
    shared: Weak<Shared>,
    seat: Arc<Seat>,
}

impl Watch {
    pub(crate) fn new(shared: &Arc<Shared>, after: u64) -> Result<Watch> {
        shared.lives()?;
        let seat = Arc::try_new(Seat {
            after: AtomicU64::new(after),
            ticket: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            closed: AtomicU32::new(0),
            descriptor: Mutex::new(None),
        })
        .map_err(|_| Error::of(Status::OutOfMemory))?;
        let mut seats = shared.watches.seats.lock();
        seats.retain(|seat| seat.strong_count() > 0);
        seats.try_reserve(1)?;
        seats.push(Arc::downgrade(&seat));
        shared.watches.count.fetch_add(1, Relaxed);
        Ok(Watch { shared: Arc::downgrade(shared), seat })
    }

    fn shared(&self) -> Result<Arc<Shared>> {
        self.shared.upgrade().ok_or_else(|| Error::text(Status::Closed, "the manager has been destroyed"))
    }

    /// A descriptor that polls readable while there is an epoch beyond the last one told, while the ticket asked for can
    /// be waited for without blocking, and once the manager or the watch has ended. Do not read from it or close it: it
    /// belongs to the watch.
    pub fn fd(&self) -> Result<RawFd> {
        let mut descriptor = self.seat.descriptor.lock();
        if let Some(descriptor) = &*descriptor {
            return Ok(descriptor.fd());
        }
        let shared = self.shared()?;
        let fd = descriptor.insert(Descriptor::new()?).fd();
        drop(descriptor);
        // Announced, then looked at: who publishes meanwhile sees the one or is seen by the other.
        shared.watches.polled.fetch_add(1, SeqCst);
        heavy();
        self.seat.update(&shared);
        Ok(fd)
    }

    /// Waits for an epoch beyond the last one told, and tells it. Forgets the ticket if that has been decided.
    pub fn wait(&self, timeout: Timeout) -> Result<u64> {
        let shared = self.shared()?;
        let after = self.seat.after.load(Acquire);
        let result = shared.wait_epoch(after, timeout, || self.seat.closed.load(Acquire) != 0);
        if let Ok(epoch) = result {
            self.seat.after.fetch_max(epoch, AcqRel);
        }
        let ticket = self.seat.ticket.load(Acquire);
        if self.seat.ticket_is_decided(&shared) {
            // Unless another one has been asked for meanwhile.
            let _ = self.seat.ticket.compare_exchange(ticket, 0, SeqCst, Relaxed);
        }
        self.seat.update(&shared);
        result
    }

    /// Makes the descriptor also tell when that ticket is done, has failed, or will never be.
    pub fn ticket(&self, ticket: Ticket) -> Result<()> {
        let shared = self.shared()?;
        shared.was_given(ticket.0)?;
        self.seat.failures.store(shared.failure.count.load(Acquire), SeqCst);
        self.seat.ticket.store(ticket.0, SeqCst);
        self.seat.update(&shared);
        Ok(())
    }

    /// Lets whoever waits on this watch go with [`Status::Closed`].
    pub(crate) fn close(&self) {
        self.seat.closed.store(1, SeqCst);
        if let Some(shared) = self.shared.upgrade() {
            shared.progress.signal();
            self.seat.update(&shared);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let polled = self.seat.descriptor.lock().take().is_some();
        if let Some(shared) = self.shared.upgrade() {
            shared.watches.polled.fetch_sub(u32::from(polled), SeqCst);
            shared.watches.count.fetch_sub(1, Relaxed);
        }
    }
}
