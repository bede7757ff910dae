//! A writer of records: encodes updates into the memory of a ring, each of them whole at once.

use crate::error::{Error, Result, Status};
use crate::feed::format::{FeedHeader, HEADER_BYTES, RecordType};
use crate::spsc::sender::Sender;
use crate::sys::clock::Timeout;

/// Writes the records of a feed to a ring. One thread uses it at a time.
///
/// Each call waits for room up to its timeout, and commits all of its record or nothing: it fails with [`Status::Full`] or
/// [`Status::Timeout`] if there is too little room, with [`Status::Range`] if the ring never holds the record, with
/// [`Status::Closed`] if the receiver is closed. What a record may write is checked by the manager and reported by
/// [`Feed::status`](crate::feed::Feed::status). Offsets are in bytes, relative to the field; field 0 is the first one.
#[derive(Debug)]
pub struct Writer {
    sender: Sender,
}

impl Writer {
    /// A writer to that ring.
    pub fn new(sender: Sender) -> Writer {
        Writer { sender }
    }

    /// The sender, for its statistics, its descriptor, or bytes that are encoded already.
    pub fn sender(&mut self) -> &mut Sender {
        &mut self.sender
    }

    /// The sender back.
    pub fn into_sender(self) -> Sender {
        self.sender
    }

    /// Writes `data` at `byte_offset` of a field.
    #[inline]
    pub fn write(&mut self, field: u32, byte_offset: u64, data: &[u8], timeout: Timeout) -> Result<()> {
        let bytes = data.len() as u64;
        self.put(RecordType::Write, field, byte_offset, bytes, timeout, |to| to.copy_from_slice(data))
    }

    /// Writes `element` `count` times at `byte_offset` of a field.
    pub fn fill(
        &mut self,
        field: u32,
        byte_offset: u64,
        count: u64,
        element: &[u8],
        timeout: Timeout,
    ) -> Result<()> {
        let bytes = 8 + element.len() as u64;
        self.put(RecordType::Fill, field, byte_offset, bytes, timeout, |to| {
            to[..8].copy_from_slice(&count.to_le_bytes());
            to[8..].copy_from_slice(element);
        })
    }

    /// Sets the tag of the fronts that contain the records before.
    pub fn tag(&mut self, tag: u64, timeout: Timeout) -> Result<()> {
        self.put(RecordType::Tag, 0, tag, 0, timeout, |_| {})
    }

    /// Writes a batch: its records are applied together, or none of them.
    pub fn batch(&mut self, batch: &BatchRecord, timeout: Timeout) -> Result<()> {
        let bytes = batch.records.len() as u64;
        self.put(RecordType::Batch, 0, 0, bytes, timeout, |to| to.copy_from_slice(&batch.records))
    }

    #[inline]
    fn put(
        &mut self,
        record_type: RecordType,
        field: u32,
        offset: u64,
        bytes: u64,
        timeout: Timeout,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<()> {
        let header = FeedHeader { record_type, field, offset, bytes };
        header.check()?;
        let size = header.record_bytes()? as usize;
        if let Err(error) = self.sender.reserve(size).map(drop) {
            if error.status() != Status::Full || timeout == Timeout::TRY {
                return Err(error);
            }
            self.sender.wait_writable(size, timeout)?;
        }
        let mut span = self.sender.reserve(size)?;
        encode(&header, &mut span[..size], fill);
        span.commit(size)
    }
}

/// Writes a record to memory of its size. The padding is zero.
#[inline]
fn encode(header: &FeedHeader, to: &mut [u8], fill: impl FnOnce(&mut [u8])) {
    let (head, payload) = to.split_at_mut(HEADER_BYTES);
    head.copy_from_slice(&header.encode());
    let (payload, padding) = payload.split_at_mut(header.bytes as usize);
    fill(payload);
    padding.fill(0);
}

/// Records that are applied together. It can be written several times.
///
/// ```
/// use backbuf::{Manager, Timeout, feed::{BatchRecord, Writer}, spsc};
/// let manager = Manager::<u8>::new(&[8])?;
/// let (sender, receiver) = spsc::ring(4096)?;
/// let _feed = manager.feed(receiver)?;
/// let mut batch = BatchRecord::new();
/// batch.fill(0, 0, 8, &[1])?;
/// batch.write(0, 2, &[7])?;
/// batch.tag(42)?;
/// Writer::new(sender).batch(&batch, Timeout::FOREVER)?;
/// manager.synchronize(Timeout::FOREVER)?;
/// assert_eq!((manager.front()?[1..4].to_vec(), manager.tag()), (vec![1, 7, 1], 42));
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct BatchRecord {
    records: Vec<u8>,
}

impl BatchRecord {
    /// A batch without records.
    pub fn new() -> BatchRecord {
        BatchRecord::default()
    }

    /// Adds a write; see [`Writer::write`].
    pub fn write(&mut self, field: u32, byte_offset: u64, data: &[u8]) -> Result<()> {
        self.add(RecordType::Write, field, byte_offset, data.len() as u64, |to| to.copy_from_slice(data))
    }

    /// Adds a fill; see [`Writer::fill`].
    pub fn fill(&mut self, field: u32, byte_offset: u64, count: u64, element: &[u8]) -> Result<()> {
        self.add(RecordType::Fill, field, byte_offset, 8 + element.len() as u64, |to| {
            to[..8].copy_from_slice(&count.to_le_bytes());
            to[8..].copy_from_slice(element);
        })
    }

    /// Adds a tag.
    pub fn tag(&mut self, tag: u64) -> Result<()> {
        self.add(RecordType::Tag, 0, tag, 0, |_| {})
    }

    /// Removes all records.
    pub fn clear(&mut self) {
        self.records.clear();
    }

    fn add(
        &mut self,
        record_type: RecordType,
        field: u32,
        offset: u64,
        bytes: u64,
        fill: impl FnOnce(&mut [u8]),
    ) -> Result<()> {
        let header = FeedHeader { record_type, field, offset, bytes };
        header.check()?;
        let (size, before) = (header.record_bytes()? as usize, self.records.len());
        self.records.try_reserve(size).map_err(|_| Error::of(Status::OutOfMemory))?;
        self.records.resize(before + size, 0);
        encode(&header, &mut self.records[before..], fill);
        Ok(())
    }
}
