//! Watches: one subscriber's wait for new epochs and tickets, with a descriptor for event loops.

use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};

use crate::alloc::{Arc, Weak};
use crate::error::{Result, Status};
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

    /// Polls for an epoch beyond the last one returned. Until there is one the task's waker is registered; the thread that
    /// publishes calls it. A waker must not wait for the manager, as its callbacks must not.
    ///
    /// ```
    /// use backbuf::{Manager, Timeout};
    /// use std::task::{Context, Poll, Waker};
    /// let manager = Manager::<u8>::new(&[1])?;
    /// let mut watch = manager.watch(0)?;
    /// let mut context = Context::from_waker(Waker::noop());
    /// assert!(watch.poll_epoch(&mut context).is_pending());
    /// manager.enqueue(0, &[7], Timeout::TRY)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// assert_eq!(watch.poll_epoch(&mut context), Poll::Ready(Ok(1)));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn poll_epoch(&mut self, context: &mut Context<'_>) -> Poll<Result<u64>> {
        let shared = match self.shared() {
            Ok(shared) => shared,
            Err(error) => return Poll::Ready(Err(error)),
        };
        loop {
            match self.wait(Timeout::TRY) {
                Err(error) if error.status() == Status::Timeout => {}
                result => return Poll::Ready(result),
            }
            if !shared.subscribers.poll(&self.subscription, context.waker(), &shared.progress) {
                return Poll::Pending;
            }
        }
    }

    /// Waits for an epoch beyond the last one returned, and returns it. A ticket that is decided is cleared.
    pub fn wait(&self, timeout: Timeout) -> Result<u64> {
        let shared = self.shared()?;
        let after = self.subscription.after();
        let closed = || self.subscription.is_closed();
        let result = shared.wait_epoch(after, timeout, Some(self.subscription.spinner()), closed);
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

/// The descriptor for event loops.
///
/// # Panics
///
/// If it cannot be created, because the process has too many open files or the manager has been destroyed. A call of
/// [`Watch::fd`] before, which reports that, creates it; it stays open while the watch lives.
impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let fd = self.fd().expect("the manager lives, and the limit on open files allows another descriptor");
        // SAFETY: the descriptor is open until the watch is dropped.
        unsafe { BorrowedFd::borrow_raw(fd) }
    }
}

/// The manager's label, and the epoch returned last.
impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shared = self.shared.upgrade();
        let label = shared.as_ref().map_or("(destroyed)", |shared| shared.label.as_str());
        let mut f = f.debug_struct("Watch");
        f.field("label", &label).field("after", &self.subscription.after()).finish_non_exhaustive()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.subscription.end();
        if let Some(shared) = self.shared.upgrade() {
            shared.subscribers.remove(&self.subscription);
        }
    }
}

/// The epochs of the manager, each newer than the last; epochs that a slow task misses are skipped. Ends when the manager closes.
///
/// ```
/// use backbuf::{Manager, Timeout};
/// use futures_lite::{StreamExt, future};
/// let manager = Manager::<u8>::new(&[1])?;
/// let mut watch = manager.watch(0)?;
/// let producer = std::thread::spawn(move || {
///     manager.enqueue(0, &[7], Timeout::TRY)?;
///     manager.synchronize(Timeout::FOREVER)?;
///     manager.close(Timeout::FOREVER)
/// });
/// future::block_on(async {
///     while let Some(epoch) = watch.next().await {
///         assert_eq!(epoch?, 1);
///     }
///     Ok::<(), backbuf::Error>(())
/// })?;
/// producer.join().unwrap()?;
/// # Ok::<(), backbuf::Error>(())
/// ```
#[cfg(feature = "async")]
impl futures_core::Stream for Watch {
    type Item = Result<u64>;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<u64>>> {
        self.poll_epoch(context).map(|result| match result {
            Err(error) if error.status() == Status::Closed => None,
            result => Some(result),
        })
    }
}
