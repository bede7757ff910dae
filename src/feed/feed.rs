//! Feeds: a ring whose records a manager applies, from [`Manager::feed`] until the feed is stopped.

use std::sync::atomic::Ordering::*;

use crate::alloc::{Arc, Weak, boxed};
use crate::error::{Error, Label, Result, Status};
use crate::feed::format::HEADER_BYTES;
use crate::feed::source::{FeedEnd, FeedProgress, RingSource};
use crate::handle::slots;
use crate::manager::core::feeds::FeedSource;
use crate::manager::core::shared::{Shared, destroyed};
use crate::manager::core::worker_state::duty;
use crate::manager::manager::Manager;
use crate::spsc::lent_receiver::LentReceiver;
use crate::spsc::receiver::Receiver;
use crate::spsc::rx::Rx;

/// What a feed has applied, and whether it still does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FeedStatus {
    /// Records applied; a batch counts once.
    pub records: u64,
    /// Batches among them.
    pub batches: u64,
    /// Bytes of these records in the ring: the position of the next record, or of the one that stopped the feed.
    pub bytes: u64,
    /// None while the feed applies records. [`Status::Closed`] without a message after the sender's last record, or after the end of
    /// the manager; else the reason why the record at `bytes` was refused. What follows it stays in the ring.
    pub end: Option<Error>,
}

/// A source of a manager, without the receiver: what the C API has a handle of. Dropping it removes the source.
#[derive(Debug)]
pub(crate) struct FeedHandle {
    shared: Weak<Shared>,
    progress: Arc<FeedProgress>,
    number: u64,
    process: u16,
    label: Label,
}

impl FeedHandle {
    /// Lends the receiver to the manager.
    pub(crate) fn new(shared: &Arc<Shared>, rx: &Rx) -> Result<FeedHandle> {
        shared.progress.check_open()?;
        if rx.ring().capacity() < HEADER_BYTES as u64 {
            let (capacity, reason) = (rx.ring().capacity(), "a record of a feed has at least 24 bytes");
            return Err(Error::value(Status::Range, "capacity of the ring", capacity, reason));
        }
        let source = RingSource::new(LentReceiver::new(rx)?, shared)?;
        let feed = FeedHandle {
            shared: Arc::downgrade(shared),
            progress: source.progress().clone(),
            number: source.number(),
            process: shared.process,
            label: rx.ring().label,
        };
        shared.feeds.add(boxed(source)?)?;
        shared.worker.request(duty::FEED);
        Ok(feed)
    }

    pub(crate) fn label(&self) -> Label {
        self.label
    }

    pub(crate) fn status(&self) -> FeedStatus {
        let end = *self.progress.end.lock();
        let ended = || self.shared.upgrade().map_or(Err(destroyed()), |shared| shared.progress.check_alive());
        FeedStatus {
            records: self.progress.records.load(Acquire),
            batches: self.progress.batches.load(Acquire),
            bytes: self.progress.bytes.load(Acquire),
            end: match end {
                Some(FeedEnd::Sender) => Some(Error::of(Status::Closed)),
                Some(FeedEnd::Record(error)) => Some(error),
                None => ended().err(),
            },
        }
    }
}

impl Drop for FeedHandle {
    fn drop(&mut self) {
        // A forked child has neither the worker nor the sender's thread; the source goes with the memory of the manager.
        if slots::is_own(self.process)
            && let Some(shared) = self.shared.upgrade()
        {
            drop(shared.feeds.remove(self.number));
        }
    }
}

/// A ring that feeds a manager. Made by [`Manager::feed`]. Dropping it stops the feed and drops the receiver, which closes the ring.
///
/// The manager applies each record that is committed to the ring, by its worker or by the thread that synchronizes. A synchronize
/// covers all records that were committed before it. [`Writer`](crate::feed::Writer) writes them, or a program does it by itself:
/// `docs/feed-format.md` has the format.
///
/// A bad record stops the feed: it and what follows stay in the ring, unapplied, and [`Feed::status`] reports it. A ring that fills up
/// holds its sender back.
///
/// ```
/// use backbuf::{Manager, Timeout, feed::Writer, spsc};
/// let manager = Manager::<f32>::new(&[1000])?;
/// let (sender, receiver) = spsc::ring(1 << 16)?;
/// let feed = manager.feed(receiver)?;
/// let mut writer = Writer::new(sender);
/// writer.write(0, 40, &1.5f32.to_ne_bytes(), Timeout::FOREVER)?;
/// manager.synchronize(Timeout::FOREVER)?;
/// assert_eq!(manager.front()?[10], 1.5);
/// assert_eq!(feed.status().records, 1);
/// let _receiver = feed.stop();
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct Feed {
    // First, so that the loan ends before the receiver is dropped.
    handle: FeedHandle,
    receiver: Receiver,
}

impl Feed {
    /// What the feed has applied, and the reason if it applies nothing more.
    pub fn status(&self) -> FeedStatus {
        self.handle.status()
    }

    /// Stops the feed and returns the receiver. Records that are not applied yet, or that stopped the feed, are received by it.
    pub fn stop(self) -> Receiver {
        let Feed { handle, receiver } = self;
        drop(handle);
        receiver
    }
}

/// The error of [`Manager::feed`], with the receiver.
#[derive(Debug)]
pub struct FeedRefused {
    /// The receiver, unchanged.
    pub receiver: Receiver,
    /// The reason.
    pub error: Error,
}

impl std::fmt::Display for FeedRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for FeedRefused {}

impl From<FeedRefused> for Error {
    fn from(refused: FeedRefused) -> Error {
        refused.error
    }
}

impl<T> Manager<T> {
    /// Applies the records that arrive at the receiver; see [`Feed`]. Fails with [`Status::Argument`] for a ring that overwrites its
    /// oldest records, with [`Status::Range`] for one that holds no record. If it fails, the error returns the receiver.
    pub fn feed(&self, receiver: Receiver) -> std::result::Result<Feed, FeedRefused> {
        match FeedHandle::new(&self.shared, &receiver.0) {
            Ok(handle) => Ok(Feed { handle, receiver }),
            Err(error) => Err(FeedRefused { receiver, error }),
        }
    }
}
