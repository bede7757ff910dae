//! The inline writer of a sender: records written into a long claim by plain stores, and published many at a time.
//!
//! A writer is an open claim on the room of the ring. Its thread stores records and counts them in its
//! [`ClaimCursor`](crate::spsc::indices::ClaimCursor). It publishes every so many bytes, when the claim is used up, and when the
//! receiver waits. A receiver that is about to sleep takes from the cursor what is not published, so no record stays behind while the
//! receiver sleeps. The C header `backbuf/inline.h` has the same steps in C. The model checker compiles this file.

use std::marker::PhantomData;

use crate::error::{Error, Result, Status};
use crate::spsc::copy::copy;
use crate::spsc::flow::{Flow, check_min};
use crate::spsc::ring::OrphanedSpan;
use crate::spsc::tx::Tx;
use crate::sync::barrier::light;

/// The free room that an inline writer has, from its next byte on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InlineRoom {
    pub(crate) data: *mut u8,
    pub(crate) bytes: u64,
    /// The count of bytes sent before `data`.
    pub(crate) index: u64,
}

impl InlineRoom {
    /// The bytes after which a publish is due: `every`, or all of them.
    pub(crate) fn due(self, every: u64) -> u64 {
        if every == 0 { self.bytes } else { every.min(self.bytes) }
    }
}

#[cold]
pub(crate) fn overwrites() -> Error {
    let message = "this ring overwrites its oldest records; an inline writer or reader needs one that delivers every byte";
    Error::text(Status::Unsupported, message)
}

const NO_WRITER: &str = "no inline writer is open; open one first";

impl Tx {
    /// Opens the claim of an inline writer: all the room there is, which may be none.
    pub(crate) fn open_writer(&self) -> Result<std::result::Result<InlineRoom, Flow>> {
        let _inside = self.check.enter()?;
        if self.ring.record != 0 {
            return Err(overwrites());
        }
        if let Some(flow) = self.obstacle()? {
            return Ok(Err(flow));
        }
        // Also publishes what was fed, so that the claim begins where `tail` is.
        self.refresh_room(self.ring.capacity());
        Ok(Ok(self.claim_room()))
    }

    /// Publishes the first `written` bytes of the claim. It continues behind them with the room that is known, or with the current
    /// room if that is less than `min`; [`Flow::Full`] if the current room is less, too. [`Flow::Closed`] publishes nothing, and
    /// the claim does not change.
    #[inline(always)]
    pub(crate) fn publish_writer(&self, written: u64, min: u64) -> Result<(Flow, InlineRoom)> {
        let _inside = self.check.enter()?;
        check_min(min, self.ring.capacity())?;
        self.span.check_inline(written, NO_WRITER, "the writer's `next` is outside of its room")?;
        // What the receiver has taken counts as written, whatever the caller has made of its `next` since.
        let pulled = self.producer.pulled(&self.ring.indices);
        if self.is_closed() {
            return Ok((Flow::Closed, self.discard_room(pulled)));
        }
        let written = written.max(pulled);
        if written > 0 {
            self.publish_written(written);
        }
        let mut room = self.producer.room(&self.ring.indices);
        if room < min {
            room = self.refresh_with_backoff(room);
        }
        if room < min {
            self.counters.misses.add(1);
            return Ok((Flow::Full, self.claim_room()));
        }
        Ok((Flow::Done, self.claim_room()))
    }

    /// Publishes the first `written` bytes of the claim and ends it.
    pub(crate) fn close_writer(&self, written: u64) -> Result<Flow> {
        let (flow, _) = self.publish_writer(written, 0)?;
        let next = self.producer.next();
        self.ring.writer.set(next, next);
        self.span.end();
        Ok(flow)
    }

    /// The bytes from the start of the claim to `next`; any number if it is outside.
    #[inline(always)]
    pub(crate) fn written_to(&self, next: *const u8) -> u64 {
        (next as u64).wrapping_sub(self.write_ptr() as u64)
    }

    #[inline(always)]
    fn claim_room(&self) -> InlineRoom {
        let (index, bytes) = (self.producer.next(), self.producer.room(&self.ring.indices));
        self.span.open_inline(bytes);
        self.ring.writer.set(index, index.wrapping_add(bytes));
        InlineRoom { data: self.write_ptr(), bytes, index }
    }

    /// Leaves the claim without room, and without records that the receiver has not taken.
    #[cold]
    fn discard_room(&self, pulled: u64) -> InlineRoom {
        self.producer.advance(pulled);
        let index = self.producer.next();
        self.span.open_inline(0);
        self.ring.writer.set(index, index);
        InlineRoom { data: self.write_ptr(), bytes: 0, index }
    }

    /// The span that is still open when the end is destroyed.
    pub(crate) fn orphaned_span(&self) -> Option<OrphanedSpan> {
        self.span.is_open().then(|| OrphanedSpan { ring: self.ring.clone(), side: |ring| &ring.sender })
    }
}

/// A writer of small records, which are stored in the ring by plain stores and published many at a time. Made by
/// [`Sender::writer`](crate::spsc::Sender::writer); dropping it publishes all of them.
///
/// A receiver that *waits* gets each record at once, also if the writer is not used any more; one that polls gets it with the next
/// publish.
///
/// ```
/// let (mut sender, mut receiver) = backbuf::spsc::ring(1 << 16)?;
/// let mut writer = sender.writer(256)?;
/// for number in 0..1000u64 {
///     writer.put(&number.to_ne_bytes())?;
/// }
/// drop(writer);
/// assert_eq!(receiver.peek(1)?.len(), 8000);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct InlineWriter<'a> {
    tx: &'a Tx,
    next: *mut u8,
    end: *mut u8,
    /// A publish is due when `next` comes here.
    due: *mut u8,
    /// An address of the claim minus the index of its byte.
    shift: u64,
    every: u64,
    _sender: PhantomData<&'a mut Tx>,
}

// SAFETY: the sender may be used by another thread, and so may the room that it lends.
unsafe impl Send for InlineWriter<'_> {}

impl<'a> InlineWriter<'a> {
    pub(crate) fn open(tx: &'a Tx, every: u64) -> Result<InlineWriter<'a>> {
        let room = tx.open_writer()?.map_err(|flow| Error::of(flow.status().unwrap_or(Status::Closed)))?;
        let (next, none) = (room.data, std::ptr::null_mut());
        let mut writer =
            InlineWriter { tx, next, end: none, due: none, shift: 0, every, _sender: PhantomData };
        writer.take(room);
        Ok(writer)
    }

    /// Writes one record of any size up to the ring's capacity. Fails with [`Status::Full`] if there is too little room, and then all
    /// records before it are published; with [`Status::Closed`] if the receiver is closed.
    ///
    /// ```
    /// let (mut sender, _receiver) = backbuf::spsc::ring(8)?;
    /// let mut writer = sender.writer(0)?;
    /// writer.put(b"123456")?;
    /// assert_eq!(writer.put(b"789").unwrap_err().status(), backbuf::Status::Full);
    /// writer.put(b"78")?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    #[inline(always)]
    pub fn put(&mut self, record: &[u8]) -> Result<()> {
        let room = self.end as usize - self.next as usize;
        // No bytes are an ordinary record that has too little room, so that the plain path needs one test.
        if record.len().wrapping_sub(1) >= room {
            self.publish_for(record.len() as u64)?;
        }
        // SAFETY: there is room for the record, which only this writer uses.
        unsafe { copy(record.as_ptr(), self.next, record.len()) };
        self.next = self.next.wrapping_add(record.len());
        self.tx.ring.writer.advance_to((self.next as u64).wrapping_sub(self.shift));
        // Before the check: a receiver that announces its wait after it finds the record.
        light();
        if self.next >= self.due || self.tx.ring.receiver.is_awaited() { self.publish() } else { Ok(()) }
    }

    /// Publishes all records. Fails with [`Status::Closed`] if the receiver is closed.
    #[inline(never)]
    pub fn publish(&mut self) -> Result<()> {
        self.publish_for(0)
    }

    /// Publishes all records, and waits until there is room for `bytes`, or for all that the ring holds if that is less.
    ///
    /// ```
    /// use backbuf::Timeout;
    /// let (mut sender, mut receiver) = backbuf::spsc::ring(8)?;
    /// let mut writer = sender.writer(0)?;
    /// writer.put(b"12345678")?;
    /// assert_eq!(writer.wait_writable(1, Timeout::TRY).unwrap_err().status(), backbuf::Status::Timeout);
    /// receiver.recv(&mut [0; 4])?;
    /// writer.wait_writable(4, Timeout::FOREVER)?;
    /// writer.put(b"9012")?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn wait_writable(&mut self, bytes: usize, timeout: crate::sys::clock::Timeout) -> Result<()> {
        self.publish()?;
        self.tx.wait_writable(bytes as u64, timeout)?.result()
    }

    #[cold]
    fn publish_for(&mut self, min: u64) -> Result<()> {
        let (flow, room) = self.tx.publish_writer(self.tx.written_to(self.next), min)?;
        self.take(room);
        flow.result()
    }

    fn take(&mut self, room: InlineRoom) {
        self.next = room.data;
        self.end = room.data.wrapping_add(room.bytes as usize);
        self.due = room.data.wrapping_add(room.due(self.every) as usize);
        self.shift = (room.data as u64).wrapping_sub(room.index);
    }
}

impl Drop for InlineWriter<'_> {
    fn drop(&mut self) {
        // An error has no one to go to: the receiver is closed.
        let _ = self.tx.close_writer(self.tx.written_to(self.next));
    }
}
