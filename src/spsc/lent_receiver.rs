//! A lent receiver: the object that receives in place of an end while that end is lent, such as the feed of a manager.
//!
//! It has the ring and an index of its own, but not the end. So the end may be destroyed meanwhile, which closes the side; no new end
//! can be attached before the loan has ended. Several threads may use it one after the other, guarded by a lock of theirs.

use std::task::Waker;

use crate::alloc::Arc;
use crate::error::{Error, Label, Result, Status};
use crate::spsc::backoff::Backoff;
use crate::spsc::flow::{Flow, is_lent};
use crate::spsc::indices::ConsumerIndex;
use crate::spsc::ring::Ring;
use crate::spsc::rx::Rx;

/// The bytes of a ring that another object receives. Dropping it ends the loan.
#[derive(Debug)]
pub(crate) struct LentReceiver {
    ring: Arc<Ring>,
    consumer: ConsumerIndex,
    backoff: Backoff,
    /// The count of bytes received before the loan.
    first: u64,
}

impl LentReceiver {
    /// Lends the receiver. It has no open span, and no thread waits on it.
    pub(crate) fn new(rx: &Rx) -> Result<LentReceiver> {
        rx.lend()?;
        let ring = rx.ring().clone();
        let consumer = ConsumerIndex::new(&ring.indices);
        Ok(LentReceiver { backoff: Backoff::default(), first: consumer.next(), consumer, ring })
    }

    pub(crate) fn label(&self) -> Label {
        self.ring.label
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.ring.capacity()
    }

    /// Bytes received since the loan began.
    pub(crate) fn position(&self) -> u64 {
        self.consumer.next().wrapping_sub(self.first)
    }

    /// Bytes sent since the loan began.
    pub(crate) fn sent(&self) -> u64 {
        self.ring.indices.sent().wrapping_sub(self.first)
    }

    /// Whether no more bytes come: one of the two ends is closed. Read it before [`LentReceiver::available`]: the sender closes after
    /// its last bytes.
    pub(crate) fn has_ended(&self) -> bool {
        self.ring.sender.is_closed() || self.ring.receiver.is_closed()
    }

    /// The bytes that can be received now, contiguous from the returned address. They stay until [`LentReceiver::give_back`].
    pub(crate) fn available(&self) -> (*const u8, u64) {
        if self.ring.backoff {
            self.backoff.before_refresh();
        }
        let before = self.consumer.available(&self.ring.indices);
        let available = self.consumer.refresh(&self.ring.indices);
        if self.ring.backoff {
            self.backoff.after_refresh(available.wrapping_sub(before));
        }
        let offset = self.consumer.next() & (self.ring.memory.period() as u64 - 1);
        // SAFETY: within the first period of the mapping, which is mapped twice in a row.
        (unsafe { self.ring.memory.data().as_ptr().add(offset as usize) }, available)
    }

    /// Gives the next `bytes` back to the sender. They have been read.
    pub(crate) fn give_back(&self, bytes: u64) {
        let head = self.consumer.advance(&self.ring.indices, bytes);
        self.ring.sender.signal(head);
    }

    /// Whether `bytes` can be received now, or never. If not, `waker` is called once when that has changed; see
    /// [`WaitSide::set_waker`](crate::spsc::wait_side::WaitSide::set_waker).
    pub(crate) fn is_ready_or_wakes(&self, bytes: u64, waker: &Waker) -> bool {
        let ready = || {
            if self.ring.receiver.is_awaited() {
                self.ring.indices.pull_tail(&self.ring.writer);
            }
            let ended = self.has_ended();
            match self.consumer.fresh_available(&self.ring.indices) >= bytes {
                true => Some(Flow::Done),
                false => ended.then_some(Flow::Closed),
            }
        };
        let needed = self.consumer.next().wrapping_add(bytes);
        ready().or_else(|| self.ring.receiver.set_waker(needed, waker, ready)).is_some()
    }
}

impl Rx {
    /// Refuses to lend an end that is in use, or to make a stream of it.
    pub(crate) fn check_idle(&self) -> Result<()> {
        let _inside = self.check.enter()?;
        self.check_no_span()?;
        match self.ring().receiver.try_wait() {
            Some(_) => Ok(()),
            None => Err(Error::text(Status::Busy, "a thread waits on the receiver")),
        }
    }

    /// Lends the end to another object, which receives in its place: calls on this end fail with [`Status::Busy`] until
    /// [`WaitSide::end_loan`](crate::spsc::wait_side::WaitSide::end_loan). Then it continues where the other one stopped.
    fn lend(&self) -> Result<()> {
        self.check_idle()?;
        if self.ring().record != 0 {
            let message = "overwrites its oldest records; a feed needs a ring that delivers every byte";
            return Err(Error::param(Status::Argument, "receiver", message));
        }
        if self.is_closed() {
            return Err(Error::param(Status::Closed, "receiver", "is closed"));
        }
        if !self.ring().receiver.lend() {
            return Err(is_lent());
        }
        self.span.lend();
        Ok(())
    }
}

impl Drop for LentReceiver {
    fn drop(&mut self) {
        self.ring.receiver.clear_waker();
        self.ring.receiver.end_loan();
    }
}
