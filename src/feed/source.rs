//! The source of a feed: records of a lent receiver, checked and applied straight from the memory of the ring.
//!
//! The ring's memory is mapped twice in a row, so a record is contiguous wherever it lies. A record is applied once all of it has been
//! committed. All records of a batch are checked before the first of them is applied. Each header is copied out once before it is
//! checked, and the records of a batch are checked again when they are applied: bytes that change meanwhile, which only a program that
//! misuses a span can do, give wrong values but never an access outside of the state.

use std::sync::atomic::{AtomicU64, Ordering::*};
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::alloc::{Arc, Weak, try_arc};
use crate::error::{Error, Result, Status};
use crate::feed::format::{FeedHeader, HEADER_BYTES, RecordType, complete_write, header_at};
use crate::handle::live_list;
use crate::manager::core::feeds::{FeedSource, FeedTarget, FeedUpdate, Postponed, Readiness};
use crate::manager::core::op::Op;
use crate::manager::core::shared::Shared;
use crate::manager::core::worker_state::duty;
use crate::spsc::lent_receiver::LentReceiver;
use crate::sync::mutex::Mutex;
use log::Level;

/// Bytes that are given back to the sender at once while more are applied.
const GIVE_BACK: u64 = 64 << 10;

/// What a feed has done, which the feed's handle reads.
#[derive(Debug, Default)]
pub(crate) struct FeedProgress {
    pub(crate) records: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) end: Mutex<Option<FeedEnd>>,
}

/// The reason why a feed applies nothing more.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FeedEnd {
    /// The sender has closed after its last record.
    Sender,
    /// A record is bad.
    Record(Error),
}

/// The records of one lent receiver.
pub(crate) struct RingSource {
    ring: LentReceiver,
    progress: Arc<FeedProgress>,
    waker: Waker,
    number: u64,
    /// Bytes that are needed for the next record, as far as is known.
    needed: u64,
    ended: bool,
}

/// What a record is, without the header.
type Payload = (FeedHeader, *const u8);

impl RingSource {
    pub(crate) fn new(ring: LentReceiver, shared: &Arc<Shared>) -> Result<RingSource> {
        let progress = try_arc(FeedProgress::default())?;
        let waker = worker_waker(Arc::downgrade(shared))?;
        let (number, needed) = (live_list::number(), HEADER_BYTES as u64);
        Ok(RingSource { ring, progress, waker, number, needed, ended: false })
    }

    pub(crate) fn progress(&self) -> &Arc<FeedProgress> {
        &self.progress
    }

    /// Stops the feed: a bad record, or the sender's end.
    #[cold]
    fn stop(&mut self, end: FeedEnd, target: &mut FeedTarget<'_>) {
        self.ended = true;
        let (label, position) = (self.ring.label(), self.ring.position());
        let (label, records) = (label.as_str(), self.progress.records.load(Relaxed));
        match end {
            FeedEnd::Sender => {
                (target.log)(Level::Info, format_args!("feed '{label}' ended after {records} records"));
            }
            FeedEnd::Record(error) => {
                target.stopped += 1;
                (target.log)(
                    Level::Warn,
                    format_args!(
                        "feed '{label}' stopped at byte {position}, after {records} records: {error}"
                    ),
                );
            }
        }
        *self.progress.end.lock() = Some(end);
    }

    /// Applies the first record of `there` bytes, and returns its size. None if it is not complete.
    #[inline(always)]
    fn apply_first(
        &mut self,
        data: *const u8,
        there: u64,
        target: &mut FeedTarget<'_>,
    ) -> Result<Option<std::result::Result<u64, Postponed>>> {
        // Most records are writes: one copy of the header, the same checks, and no room for an error.
        if there >= HEADER_BYTES as u64 {
            // SAFETY: so many bytes are the receiver's.
            let header = unsafe { data.cast::<[u8; HEADER_BYTES]>().read() };
            if let Some((FeedHeader { field, offset, bytes, .. }, size)) = complete_write(&header, there)
                // SAFETY: the record is complete.
                && unsafe { target.write_if_plain(size, field, offset, bytes, data.add(HEADER_BYTES)) }
            {
                return Ok(Some(Ok(size)));
            }
        }
        self.apply_any(data, there, target)
    }

    /// The same for any record.
    #[inline(never)]
    fn apply_any(
        &mut self,
        data: *const u8,
        there: u64,
        target: &mut FeedTarget<'_>,
    ) -> Result<Option<std::result::Result<u64, Postponed>>> {
        // SAFETY: so many bytes are the receiver's.
        let Some(header) = (unsafe { header_at(data, there) }) else {
            self.needed = HEADER_BYTES as u64;
            return Ok(None);
        };
        let header = header?;
        let size = header.record_bytes()?;
        if size > self.ring.capacity() {
            let reason = "the record is larger than the ring, which never holds all of it";
            return Err(Error::value(Status::Range, "bytes", header.bytes, reason));
        }
        if size > there {
            self.needed = size;
            return Ok(None);
        }
        // SAFETY: within the record.
        let payload = (header, unsafe { data.add(HEADER_BYTES) });
        if header.record_type == RecordType::Batch {
            // SAFETY: the record is complete; nothing is applied here.
            unsafe { for_each_in_batch(payload, |record| check(record, target).map(drop)) }?;
            if let Err(postponed) = target.prepare(size) {
                return Ok(Some(Err(postponed)));
            }
            // SAFETY: as above; each op is checked again where it is applied.
            unsafe { for_each_in_batch(payload, |record| check(record, target).map(|op| target.apply(op))) }?;
            self.progress.batches.fetch_add(1, Relaxed);
        } else {
            // SAFETY: the record is complete.
            let op = unsafe { check(payload, target) }?;
            if let Err(postponed) = target.prepare(size) {
                return Ok(Some(Err(postponed)));
            }
            // SAFETY: checked, and within the record.
            unsafe { target.apply(op) };
        }
        Ok(Some(Ok(size)))
    }
}

/// Checks a record that is not a batch.
///
/// # Safety
/// The payload is readable.
unsafe fn check((header, data): Payload, target: &FeedTarget<'_>) -> Result<Op> {
    let FeedHeader { record_type, field, offset, bytes } = header;
    target.check(match record_type {
        RecordType::Write => FeedUpdate::Write { field, offset, bytes, data },
        RecordType::Fill => {
            // SAFETY: the payload of a fill has more than 8 bytes, by the check of its header.
            let (count, element) = unsafe { (data.cast::<u64>().read_unaligned(), data.add(8)) };
            FeedUpdate::Fill { field, offset, count: u64::from_le(count), element_bytes: bytes - 8, element }
        }
        RecordType::Tag => FeedUpdate::Tag(offset),
        RecordType::Batch => {
            return Err(Error::text(Status::Argument, "a batch within a batch; begin another one after it"));
        }
    })
}

/// Calls `visit` for each record of a batch, until one is refused.
///
/// # Safety
/// The payload is readable.
unsafe fn for_each_in_batch(
    (batch, data): Payload,
    mut visit: impl FnMut(Payload) -> Result<()>,
) -> Result<()> {
    let mut at = 0;
    while at < batch.bytes {
        let left = batch.bytes - at;
        // SAFETY: within the payload.
        let record = unsafe { data.add(at as usize) };
        // SAFETY: as above.
        let header = unsafe { header_at(record, left) };
        let beyond =
            || Error::value(Status::Range, "bytes", batch.bytes, "a record crosses the end of its batch");
        let header = header.ok_or_else(beyond)??;
        let size = header.record_bytes()?;
        if size > left {
            return Err(beyond());
        }
        // SAFETY: as above.
        visit((header, unsafe { record.add(HEADER_BYTES) }))?;
        at += size;
    }
    Ok(())
}

impl FeedSource for RingSource {
    fn number(&self) -> u64 {
        self.number
    }

    fn committed(&self) -> u64 {
        self.ring.sent()
    }

    fn drain(&mut self, target: &mut FeedTarget<'_>) -> std::result::Result<(), Postponed> {
        if self.ended {
            return Ok(());
        }
        // Read before the bytes: the sender closes after its last record.
        let closed = self.ring.has_ended();
        let (data, there) = self.ring.available();
        let (mut at, mut given, mut records) = (0, 0, 0);
        let stopped = loop {
            if at == there {
                break Ok(None);
            }
            // SAFETY: within the bytes that are the receiver's.
            match self.apply_first(unsafe { data.add(at as usize) }, there - at, target) {
                Ok(Some(Ok(size))) => {
                    at += size;
                    records += 1;
                    if at - given >= GIVE_BACK {
                        self.ring.give_back(at - given);
                        given = at;
                    }
                }
                Ok(None) => break Ok(Some(there - at)),
                Ok(Some(Err(postponed))) => break Err(Ok(postponed)),
                Err(error) => break Err(Err(error)),
            }
        };
        if at > given {
            self.ring.give_back(at - given);
        }
        self.progress.records.fetch_add(records, Relaxed);
        self.progress.bytes.fetch_add(at, Relaxed);
        match stopped {
            Err(Ok(postponed)) => return Err(postponed),
            Err(Err(error)) => self.stop(FeedEnd::Record(error), target),
            Ok(Some(part)) if closed => {
                let reason = "are a part of a record; the ring was closed before its rest";
                self.stop(FeedEnd::Record(Error::value(Status::Range, "bytes", part, reason)), target);
            }
            Ok(None) if closed => self.stop(FeedEnd::Sender, target),
            Ok(Some(_)) => {}
            Ok(None) => self.needed = HEADER_BYTES as u64,
        }
        Ok(())
    }

    fn is_ready_or_wakes(&mut self) -> Readiness {
        match self.ended {
            true => Readiness::Ended,
            false if self.ring.is_ready_or_wakes(self.needed, &self.waker) => Readiness::Ready,
            false => Readiness::Wakes,
        }
    }
}

/// A waker that gives the manager's worker the duty to drain its feeds.
///
/// It refers to the manager weakly: a sender may call it after the manager was destroyed.
fn worker_waker(shared: Weak<Shared>) -> Result<Waker> {
    const TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, release);

    /// # Safety
    /// `data` is that of a live waker.
    unsafe fn borrow(data: *const ()) -> std::mem::ManuallyDrop<Arc<Weak<Shared>>> {
        // SAFETY: the waker keeps its reference, since this one is not dropped.
        std::mem::ManuallyDrop::new(unsafe { Arc::from_raw(data) })
    }
    unsafe fn clone(data: *const ()) -> RawWaker {
        // SAFETY: the contract of `RawWakerVTable`.
        let again = Arc::clone(&*unsafe { borrow(data) });
        RawWaker::new(Arc::into_raw(again), &TABLE)
    }
    unsafe fn wake(data: *const ()) {
        // SAFETY: as above; this ends the waker.
        unsafe {
            wake_by_ref(data);
            release(data);
        }
    }
    unsafe fn wake_by_ref(data: *const ()) {
        // SAFETY: as above.
        if let Some(shared) = unsafe { borrow(data) }.upgrade() {
            shared.worker.request(duty::FEED);
        }
    }
    unsafe fn release(data: *const ()) {
        // SAFETY: as above; this ends the waker.
        drop(unsafe { Arc::<Weak<Shared>>::from_raw(data) });
    }

    let data = Arc::into_raw(try_arc(shared)?);
    // SAFETY: the functions above keep the contract: a clone adds a reference, `wake` and `release` drop one; all are atomic.
    Ok(unsafe { Waker::from_raw(RawWaker::new(data, &TABLE)) })
}
