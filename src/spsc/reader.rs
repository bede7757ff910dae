//! The inline reader of a receiver: records read in place out of a long claim, and given back many at a time.
//!
//! The counterpart of [`writer`](crate::spsc::writer): a sender that is about to sleep takes from the reader's cursor what is not given
//! back. The model checker compiles this file.

use std::marker::PhantomData;

use crate::error::{Error, Result, Status};
use crate::spsc::copy::copy;
use crate::spsc::flow::{Flow, check_min};
use crate::spsc::ring::OrphanedSpan;
use crate::spsc::rx::Rx;
use crate::spsc::writer::overwrites;
use crate::sync::barrier::light;

/// The bytes that an inline reader has, from the next one on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InlineBytes {
    pub(crate) data: *const u8,
    pub(crate) bytes: u64,
    /// The count of bytes received before `data`.
    pub(crate) index: u64,
}

impl InlineBytes {
    /// The bytes after which giving back is due: `every`, or all of them.
    pub(crate) fn due(self, every: u64) -> u64 {
        if every == 0 { self.bytes } else { every.min(self.bytes) }
    }
}

const NO_READER: &str = "no inline reader is open; open one first";

impl Rx {
    /// Opens the claim of an inline reader: all bytes that are available, which may be none.
    pub(crate) fn open_reader(&self) -> Result<std::result::Result<InlineBytes, Flow>> {
        let _inside = self.check.enter()?;
        if self.ring.record != 0 {
            return Err(overwrites());
        }
        self.check_no_span()?;
        if self.is_closed() {
            return Ok(Err(Flow::Closed));
        }
        self.refresh();
        Ok(Ok(self.claim_bytes()))
    }

    /// Gives the first `read` bytes of the claim back. It continues behind them with the bytes that are known, or with all that are
    /// available if those are fewer than `min`. [`Flow::Empty`] if fewer are available, too, and [`Flow::Closed`] if no more come;
    /// the claim has what is left then.
    #[inline(always)]
    pub(crate) fn give_back_reader(&self, read: u64, min: u64) -> Result<(Flow, InlineBytes)> {
        let _inside = self.check.enter()?;
        self.check_not_lent()?;
        check_min(min, self.ring.capacity())?;
        self.span.check_inline(read, NO_READER, "the reader's `next` is outside of its bytes")?;
        // What the sender has taken back counts as read, whatever the caller has made of its `next` since.
        let read = read.max(self.consumer.pulled(&self.ring.indices));
        if self.is_closed() {
            let (data, index) = (self.read_ptr(), self.consumer.next());
            return Ok((Flow::Closed, InlineBytes { data, bytes: 0, index }));
        }
        if read > 0 {
            self.give_back_read(read);
        }
        let available = self.consumer.available(&self.ring.indices);
        if available >= min {
            return Ok((Flow::Done, self.claim_bytes()));
        }
        // Read before the index: the sender closes after its last bytes.
        let ended = self.ring.sender.is_closed();
        let flow = match self.refresh_with_backoff(available) >= min {
            true => Flow::Done,
            false if ended => Flow::Closed,
            false => {
                self.counters.misses.add(1);
                Flow::Empty
            }
        };
        Ok((flow, self.claim_bytes()))
    }

    /// Gives the first `read` bytes of the claim back and ends it.
    pub(crate) fn close_reader(&self, read: u64) -> Result<Flow> {
        let (flow, _) = self.give_back_reader(read, 0)?;
        let next = self.consumer.next();
        self.ring.reader.set(next, next);
        self.span.end();
        Ok(flow)
    }

    /// The bytes from the start of the claim to `next`; any number if it is outside.
    #[inline(always)]
    pub(crate) fn read_to(&self, next: *const u8) -> u64 {
        (next as u64).wrapping_sub(self.read_ptr() as u64)
    }

    #[inline(always)]
    fn claim_bytes(&self) -> InlineBytes {
        let (index, bytes) = (self.consumer.next(), self.consumer.available(&self.ring.indices));
        self.span.open_inline(bytes);
        self.ring.reader.set(index, index.wrapping_add(bytes));
        InlineBytes { data: self.read_ptr(), bytes, index }
    }

    /// The span that is still open when the end is destroyed.
    pub(crate) fn orphaned_span(&self) -> Option<OrphanedSpan> {
        self.span.is_open().then(|| OrphanedSpan { ring: self.ring.clone(), side: |ring| &ring.receiver })
    }
}

/// A reader of small records, which are read in the ring and given back to the sender many at a time. Made by
/// [`Receiver::reader`](crate::spsc::Receiver::reader); dropping it gives back all that were read.
///
/// ```
/// let (mut sender, mut receiver) = backbuf::spsc::ring(1 << 16)?;
/// sender.send(&[7; 80])?;
/// let mut reader = receiver.reader(256)?;
/// let mut record = [0; 8];
/// for _ in 0..10 {
///     reader.get(&mut record)?;
/// }
/// assert_eq!(reader.get(&mut record).unwrap_err().status(), backbuf::Status::Empty);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct InlineReader<'a> {
    rx: &'a Rx,
    next: *const u8,
    end: *const u8,
    /// Giving back is due when `next` comes here.
    due: *const u8,
    /// An address of the claim minus the index of its byte.
    shift: u64,
    every: u64,
    _receiver: PhantomData<&'a mut Rx>,
}

// SAFETY: the receiver may be used by another thread, and so may the bytes that it lends.
unsafe impl Send for InlineReader<'_> {}

impl<'a> InlineReader<'a> {
    pub(crate) fn open(rx: &'a Rx, every: u64) -> Result<InlineReader<'a>> {
        let bytes = rx.open_reader()?.map_err(|flow| Error::of(flow.status().unwrap_or(Status::Closed)))?;
        let (next, none) = (bytes.data, std::ptr::null());
        let mut reader =
            InlineReader { rx, next, end: none, due: none, shift: 0, every, _receiver: PhantomData };
        reader.take(bytes);
        Ok(reader)
    }

    /// Reads one record of any size up to the ring's capacity. Fails with [`Status::Empty`] if fewer bytes are available, and then all
    /// records before it are given back; with [`Status::Closed`] if so many can no longer come.
    #[inline(always)]
    pub fn get(&mut self, record: &mut [u8]) -> Result<()> {
        let available = self.end as usize - self.next as usize;
        // As in `InlineWriter::put`.
        if record.len().wrapping_sub(1) >= available {
            self.give_back_for(record.len() as u64)?;
        }
        // SAFETY: so many bytes are available, and the sender does not write them before they are given back.
        unsafe { copy(self.next, record.as_mut_ptr(), record.len()) };
        self.next = self.next.wrapping_add(record.len());
        self.rx.ring.reader.advance_to((self.next as u64).wrapping_sub(self.shift));
        light();
        if self.next >= self.due || self.rx.ring.sender.is_awaited() { self.give_back() } else { Ok(()) }
    }

    /// Gives back all records that were read.
    #[inline(never)]
    pub fn give_back(&mut self) -> Result<()> {
        self.give_back_for(0)
    }

    /// Gives back what was read, and waits until `bytes` are available, or as many as the ring holds if that is less. Fails with
    /// [`Status::Closed`] if so many can no longer come.
    ///
    /// ```
    /// use backbuf::{Status, Timeout};
    /// let (sender, mut receiver) = backbuf::spsc::ring(8)?;
    /// drop(sender);
    /// let mut reader = receiver.reader(0)?;
    /// assert_eq!(reader.wait_readable(1, Timeout::FOREVER).unwrap_err().status(), Status::Closed);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn wait_readable(&mut self, bytes: usize, timeout: crate::sys::clock::Timeout) -> Result<()> {
        self.give_back()?;
        self.rx.wait_readable(bytes as u64, timeout)?.result()
    }

    #[cold]
    fn give_back_for(&mut self, min: u64) -> Result<()> {
        let (flow, bytes) = self.rx.give_back_reader(self.rx.read_to(self.next), min)?;
        self.take(bytes);
        flow.result()
    }

    fn take(&mut self, bytes: InlineBytes) {
        self.next = bytes.data;
        self.end = bytes.data.wrapping_add(bytes.bytes as usize);
        self.due = bytes.data.wrapping_add(bytes.due(self.every) as usize);
        self.shift = (bytes.data as u64).wrapping_sub(bytes.index);
    }
}

impl Drop for InlineReader<'_> {
    fn drop(&mut self) {
        // It fails only if the receiver is closed.
        let _ = self.rx.close_reader(self.rx.read_to(self.next));
    }
}
