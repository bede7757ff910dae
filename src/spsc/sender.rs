//! The sending end of the Rust API: [`Tx`] with exclusive access, and the span that it lends.

use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};

use crate::error::{Error, Result, Status};
use crate::spsc::flow::{Flow, check_whole};
use crate::spsc::statistics::EndStatistics;
use crate::spsc::tx::Tx;
use crate::spsc::writer::InlineWriter;
use crate::sys::clock::Timeout;

/// The sending end of a ring. Dropping it publishes what was fed and closes it.
///
/// ```
/// let (mut sender, mut receiver) = backbuf::spsc::ring(8)?;
/// assert_eq!(sender.send(b"0123456789")?, 8);
/// assert_eq!(sender.send(b"89").unwrap_err().status(), backbuf::Status::Full);
/// let mut got = [0; 8];
/// assert_eq!((receiver.recv(&mut got)?, &got), (8, b"01234567"));
/// # Ok::<(), backbuf::Error>(())
/// ```
pub struct Sender(pub(super) Box<Tx>);

impl Sender {
    /// Bytes that the ring holds.
    pub fn capacity(&self) -> usize {
        self.0.ring().capacity() as usize
    }

    /// Sends as much as fits, without waiting, and returns how much. Fails with [`Status::Full`] if nothing fits, with
    /// [`Status::Closed`] if the receiver is closed.
    #[inline]
    pub fn send(&mut self, data: &[u8]) -> Result<usize> {
        self.0.send(data)?.result()
    }

    /// Sends all of it, waiting for room. If it fails, the first part has been sent; [`Sender::statistics`] report how much.
    ///
    /// ```
    /// use backbuf::{Status, Timeout};
    /// let (mut sender, _receiver) = backbuf::spsc::ring(4)?;
    /// assert_eq!(sender.send_all(b"12345", Timeout::nanos(1000)).unwrap_err().status(), Status::Timeout);
    /// assert_eq!(sender.statistics().bytes, 4);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn send_all(&mut self, data: &[u8], timeout: Timeout) -> Result<()> {
        self.0.send_all(data, timeout)?.flow.result()
    }

    /// Sends all of it or nothing, waiting for room for all. The receiver sees all of it at once. Fails with [`Status::Full`] if the
    /// timeout is 0 and there is too little room, with [`Status::Range`] if it is more than the ring holds.
    ///
    /// ```
    /// use backbuf::{Status, Timeout};
    /// let (mut sender, mut receiver) = backbuf::spsc::ring(16)?;
    /// sender.send_whole(&[1; 12], Timeout::TRY)?;
    /// assert_eq!(sender.send_whole(&[2; 12], Timeout::TRY).unwrap_err().status(), Status::Full);
    /// assert_eq!(sender.statistics().bytes, 12);
    /// receiver.recv(&mut [0; 12])?;
    /// sender.send_whole(&[2; 12], Timeout::TRY)?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn send_whole(&mut self, data: &[u8], timeout: Timeout) -> Result<()> {
        self.0.send_whole(data, timeout)?.flow.result()
    }

    /// As [`Sender::send`], but the receiver sees the bytes only after [`Sender::flush`], a send, the end's close, or a call that
    /// finds no room for all of its bytes. Several small writes become visible at once, for the price of one.
    ///
    /// ```
    /// let (mut sender, mut receiver) = backbuf::spsc::ring(64)?;
    /// sender.feed(b"one, ")?;
    /// sender.feed(b"two")?;
    /// assert!(receiver.recv(&mut [0; 8]).is_err());
    /// sender.flush()?;
    /// assert_eq!(receiver.recv(&mut [0; 8])?, 8);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    #[inline]
    pub fn feed(&mut self, data: &[u8]) -> Result<usize> {
        self.0.feed(data)?.result()
    }

    /// Publishes what was fed.
    pub fn flush(&mut self) -> Result<()> {
        self.0.flush()?.result()
    }

    /// Lends all the room, at least `min` bytes (0 counts as 1), as one contiguous span of the ring's memory. Fails with
    /// [`Status::Full`] if there is less room, with [`Status::Range`] if the ring can never hold so much.
    ///
    /// ```
    /// let (mut sender, mut receiver) = backbuf::spsc::ring(64)?;
    /// let mut span = sender.reserve(3)?;
    /// span[..3].copy_from_slice(b"abc");
    /// span.commit(3)?;
    /// assert_eq!(&receiver.peek(1)?[..], b"abc");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn reserve(&mut self, min: usize) -> Result<Reservation<'_>> {
        if self.0.is_closed() {
            return Err(Error::of(Status::Closed));
        }
        match self.0.room(min as u64)? {
            Ok((data, bytes)) => Ok(Reservation { sender: self, data, bytes: bytes as usize }),
            Err(flow) => Err(Error::of(flow.status().unwrap_or(Status::Full))),
        }
    }

    /// An [`InlineWriter`]: for small records, which cost a few stores each. It publishes them every `every` bytes (0: only when the
    /// known room is used up), when the receiver waits, and when it is dropped. Fails with [`Status::Closed`] if the receiver is closed,
    /// with [`Status::Unsupported`] for a ring that overwrites its oldest records.
    ///
    /// ```
    /// let (mut sender, mut receiver) = backbuf::spsc::ring(64)?;
    /// let mut writer = sender.writer(16)?;
    /// writer.put(b"0123456789")?;
    /// assert!(receiver.peek(1).is_err(), "a publish is not due yet");
    /// writer.put(b"abcdef")?;
    /// assert_eq!(&receiver.peek(1)?[..], b"0123456789abcdef");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn writer(&mut self, every: usize) -> Result<InlineWriter<'_>> {
        InlineWriter::open(&self.0, every as u64)
    }

    /// Waits until there is room for `bytes`, or for all that the ring holds if that is less.
    ///
    /// ```
    /// use backbuf::{Status, Timeout};
    /// let (mut sender, receiver) = backbuf::spsc::ring(4)?;
    /// sender.wait_writable(100, Timeout::FOREVER)?;
    /// drop(receiver);
    /// assert_eq!(sender.wait_writable(1, Timeout::FOREVER).unwrap_err().status(), Status::Closed);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn wait_writable(&mut self, bytes: usize, timeout: Timeout) -> Result<()> {
        self.0.wait_writable(bytes as u64, timeout)?.result()
    }

    /// A descriptor for event loops. It becomes readable when there is the room that [`Sender::arm`] has asked for. It belongs to
    /// the ring: do not read or close it.
    ///
    /// ```
    /// let (mut sender, _receiver) = backbuf::spsc::ring(4)?;
    /// assert!(sender.fd()? >= 0);
    /// assert!(sender.arm(4)?, "there is room now");
    /// sender.send(b"1234")?;
    /// assert!(!sender.arm(1)?, "the descriptor is armed");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn fd(&self) -> Result<RawFd> {
        self.0.fd()
    }

    /// Whether there is room for `bytes` now. If not, the descriptor becomes readable when there is, or when the receiver goes,
    /// and stays so until the next call that finds too little room. Fails with [`Status::Closed`] if the receiver is closed.
    pub fn arm(&mut self, bytes: usize) -> Result<bool> {
        self.0.arm(bytes as u64)?.armed()
    }

    /// Polls for room for `bytes`, or for all that the ring holds if that is less: ready when there is, or with
    /// [`Status::Closed`] when the receiver is closed. Until then the task's waker is registered; the receiver's thread calls it.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    /// let (mut sender, _receiver) = backbuf::spsc::ring(4)?;
    /// let mut context = Context::from_waker(Waker::noop());
    /// assert_eq!(sender.poll_writable(&mut context, 1), Poll::Ready(Ok(())));
    /// sender.send(b"1234")?;
    /// assert!(sender.poll_writable(&mut context, 1).is_pending());
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn poll_writable(&mut self, context: &mut Context<'_>, bytes: usize) -> Poll<Result<()>> {
        // A poll publishes what was fed, as a wait does.
        let flushed = self.0.flush()?;
        if flushed != Flow::Done {
            return Poll::Ready(flushed.result());
        }
        let (head, ready) = self.0.awaited(bytes as u64);
        match ready().or_else(|| self.0.ring().sender.set_waker(head, context.waker(), ready)) {
            None => Poll::Pending,
            Some(flow) => Poll::Ready(flow.result()),
        }
    }

    /// Publishes what was fed and closes the end: the receiver gets what is in the ring, then [`Status::Closed`]. Closing twice is
    /// legal.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// The counters of this end.
    pub fn statistics(&self) -> EndStatistics {
        self.0.statistics()
    }
}

/// The ring's label, capacity and bytes, and whether the end is closed.
impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.ring().debug("Sender", self.0.is_closed(), f)
    }
}

/// The descriptor for event loops.
///
/// # Panics
///
/// If it cannot be created, because the process has too many open files. A call of `fd` before, which reports that, creates it.
impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let fd = self.fd().expect("the limit on open files allows another descriptor");
        // SAFETY: the descriptor is open until the sender is dropped.
        unsafe { BorrowedFd::borrow_raw(fd) }
    }
}

/// Writing waits for room.
///
/// ```
/// use std::io::Write;
/// let (mut sender, mut receiver) = backbuf::spsc::ring(64)?;
/// write!(sender, "{} apples", 3)?;
/// assert_eq!(&receiver.peek(1)?[..], b"3 apples");
/// drop(receiver);
/// assert_eq!(write!(sender, "pears").unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl io::Write for Sender {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        self.wait_writable(1, Timeout::FOREVER)?;
        Ok(self.send(data)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(Sender::flush(self)?)
    }
}

/// A span of the ring's memory, lent for writing. Dropping it publishes nothing.
#[derive(Debug)]
pub struct Reservation<'a> {
    sender: &'a mut Sender,
    data: *mut u8,
    bytes: usize,
}

impl Reservation<'_> {
    /// Publishes the first `bytes` of the span. Fails with [`Status::State`] and publishes nothing if it has fewer.
    ///
    /// ```
    /// let (mut sender, _receiver) = backbuf::spsc::ring(4)?;
    /// assert_eq!(sender.reserve(1)?.commit(5).unwrap_err().status(), backbuf::Status::State);
    /// sender.reserve(1)?.commit(4)?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn commit(self, bytes: usize) -> Result<()> {
        if bytes > self.bytes {
            return Err(Error::value(Status::State, "bytes", bytes as u64, "more than was reserved"));
        }
        check_whole(bytes as u64, self.sender.0.ring().record)?;
        self.sender.0.publish_written(bytes as u64);
        Ok(())
    }
}

impl Deref for Reservation<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the room is the sender's while this borrows it; the bytes are initialised: zeros, or what was sent before.
        unsafe { std::slice::from_raw_parts(self.data, self.bytes) }
    }
}

impl DerefMut for Reservation<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.data, self.bytes) }
    }
}
