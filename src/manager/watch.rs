//! Watches: one subscriber's wait for new epochs and tickets, with a descriptor for event loops.

use std::os::fd::RawFd;

use crate::alloc::{Arc, Weak};
use crate::error::Result;
use crate::manager::core::progress::Ticket;
use crate::manager::core::shared::{Shared, destroyed};
use crate::manager::core::waiters::Subscription;
use crate::sys::clock::Timeout;

/// A subscription to the epochs of a manager.
///
/// ```
/// use backbuf::{Manager, Timeout};
/// let manager = Manager::<u8>::new(&[1])?;
/// let watch = manager.watch(0)?;
/// manager.enqueue(0, &[7], Timeout::TRY)?;
/// manager.synchronize(Timeout::FOREVER)?;
/// assert_eq!(watch.wait(Timeout::TRY)?, 1);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct Watch {
    shared: Weak<Shared>,
    subscription: Arc<Subscription>,
}

impl Watch {
    pub(crate) fn new(shared: &Arc<Shared>, after: u64) -> Result<Watch> {
        shared.progress.check_alive()?;
        Ok(Watch { shared: Arc::downgrade(shared), subscription: shared.subscribers.add(after)? })
    }

    fn shared(&self) -> Result<Arc<Shared>> {
        self.shared.upgrade().ok_or_else(destroyed)
    }

    /// A descriptor that polls readable while there is an epoch beyond the last one returned, while the ticket set by
    /// [`Watch::ticket`] can be waited for without blocking, and after the manager or the watch has ended. It belongs to the
    /// watch: do not read from it or close it.
    pub fn fd(&self) -> Result<RawFd> {
        if let Some(fd) = self.subscription.fd() {
            return Ok(fd);
        }
        let shared = self.shared()?;
        shared.subscribers.open_descriptor(&self.subscription, &shared.progress)
    }

    /// Waits for an epoch beyond the last one returned, and returns it. A ticket that is decided is cleared.
    pub fn wait(&self, timeout: Timeout) -> Result<u64> {
        let shared = self.shared()?;
        let after = self.subscription.after();
        let result = shared.wait_epoch(after, timeout, || self.subscription.is_closed());
        if let Ok(epoch) = result {
            self.subscription.seen(epoch);
        }
        self.subscription.clear_decided_ticket(&shared.progress);
        self.subscription.update(&shared.progress);
        result
    }

    /// Makes the descriptor readable also when that ticket is completed, has failed, or can no longer be completed.
    pub fn ticket(&self, ticket: Ticket) -> Result<()> {
        let shared = self.shared()?;
        shared.progress.check_issued(ticket.0)?;
        self.subscription.set_ticket(ticket.0, &shared.progress);
        Ok(())
    }

    /// Ends waits on this watch with [`Status::Closed`](crate::Status::Closed).
    pub(crate) fn close(&self) {
        self.subscription.close();
        if let Some(shared) = self.shared.upgrade() {
            shared.waiters.signal();
            self.subscription.update(&shared.progress);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let had_descriptor = self.subscription.close_descriptor();
        if let Some(shared) = self.shared.upgrade() {
            shared.subscribers.remove(had_descriptor);
        }
    }
}
