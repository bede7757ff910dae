//! The receiving end of the Rust API: [`Rx`] with exclusive access, the span that it lends, and its end as a stream.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};

use crate::alloc::boxed;
use crate::error::{Error, Result, Status};
use crate::spsc::flow::check_whole;
use crate::spsc::pool::BufferPool;
use crate::spsc::reader::InlineReader;
use crate::spsc::rx::Rx;
use crate::spsc::source::{ChunkSource, StreamConfig};
use crate::spsc::statistics::EndStatistics;
use crate::spsc::stream::Stream;
use crate::sys::clock::Timeout;

/// The receiving end of a ring. Dropping it closes it.
///
/// ```
/// let (mut sender, mut receiver) = backbuf::spsc::ring(64)?;
/// sender.send(b"abc")?;
/// drop(sender);
/// let mut got = [0; 8];
/// assert_eq!(receiver.recv(&mut got)?, 3);
/// assert_eq!(receiver.recv(&mut got).unwrap_err().status(), backbuf::Status::Closed);
/// # Ok::<(), backbuf::Error>(())
/// ```
pub struct Receiver(pub(crate) Box<Rx>);

impl Receiver {
    /// Bytes that the ring holds.
    pub fn capacity(&self) -> usize {
        self.0.ring().capacity() as usize
    }

    /// Receives what is available, without waiting, and returns how much. Fails with [`Status::Empty`] if nothing is available yet,
    /// with [`Status::Closed`] once the sender is closed and everything that it sent has been received. An empty `to` always
    /// receives 0 bytes.
    #[inline]
    pub fn recv(&mut self, to: &mut [u8]) -> Result<usize> {
        // SAFETY: the slice is that long.
        unsafe { self.0.recv(to.as_mut_ptr(), to.len() as u64) }?.result()
    }

    /// Fills all of `to`, waiting for the rest. If it fails, the first part has been received; [`Receiver::statistics`] report how
    /// much.
    ///
    /// ```
    /// use backbuf::{Status, Timeout};
    /// let (mut sender, mut receiver) = backbuf::spsc::ring(8)?;
    /// sender.send(b"abc")?;
    /// drop(sender);
    /// let mut got = [0; 4];
    /// assert_eq!(receiver.recv_all(&mut got, Timeout::FOREVER).unwrap_err().status(), Status::Closed);
    /// assert_eq!(&got, b"abc\0");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn recv_all(&mut self, to: &mut [u8], timeout: Timeout) -> Result<()> {
        // SAFETY: the slice is that long.
        unsafe { self.0.recv_all(to.as_mut_ptr(), to.len() as u64, timeout) }?.flow.result()
    }

    /// Lends all that is available, at least `min` bytes (0 counts as 1), as one contiguous span of the ring's memory. Fails with
    /// [`Status::Empty`] if there is less, with [`Status::Closed`] if no more can come, with [`Status::Range`] if the ring can never
    /// hold so much.
    ///
    /// ```
    /// let (mut sender, mut receiver) = backbuf::spsc::ring(64)?;
    /// sender.send(b"header, body")?;
    /// let span = receiver.peek(6)?;
    /// assert_eq!(&span[..6], b"header");
    /// span.consume(8)?;
    /// assert_eq!(&receiver.peek(1)?[..], b"body");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn peek(&mut self, min: usize) -> Result<Peek<'_>> {
        if self.0.is_closed() {
            return Err(Error::of(Status::Closed));
        }
        match self.0.available(min as u64)? {
            Ok((data, bytes)) => Ok(Peek { receiver: self, data, bytes: bytes as usize, consumed: 0 }),
            Err(flow) => Err(Error::of(flow.status().unwrap_or(Status::Empty))),
        }
    }

    /// An [`InlineReader`]: for small records, which cost a few loads each. It gives what was read back to the sender every `every`
    /// bytes (0: only when all known bytes are read), when the sender waits, and when it is dropped. Fails with
    /// [`Status::Closed`] if this end is closed, with [`Status::Unsupported`] for a ring that overwrites its oldest records.
    ///
    /// ```
    /// let (mut sender, mut receiver) = backbuf::spsc::ring(8)?;
    /// sender.send(b"12345678")?;
    /// let mut reader = receiver.reader(4)?;
    /// reader.get(&mut [0; 3])?;
    /// assert!(sender.send(b"9").is_err(), "giving back is not due yet");
    /// reader.get(&mut [0; 1])?;
    /// assert_eq!(sender.send(b"90123")?, 4);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn reader(&mut self, every: usize) -> Result<InlineReader<'_>> {
        InlineReader::open(&self.0, every as u64)
    }

    /// Waits until `bytes` are available, or as many as the ring holds if that is less. Fails with [`Status::Closed`] if so many can
    /// no longer come.
    ///
    /// ```
    /// use backbuf::{Status, Timeout};
    /// let (mut sender, mut receiver) = backbuf::spsc::ring(8)?;
    /// sender.send(b"ab")?;
    /// receiver.wait_readable(2, Timeout::FOREVER)?;
    /// drop(sender);
    /// assert_eq!(receiver.wait_readable(3, Timeout::FOREVER).unwrap_err().status(), Status::Closed);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn wait_readable(&mut self, bytes: usize, timeout: Timeout) -> Result<()> {
        self.0.wait_readable(bytes as u64, timeout)?.result()
    }

    /// A descriptor for event loops. It becomes readable when the bytes are available that [`Receiver::arm`] has asked for. It
    /// belongs to the ring: do not read or close it.
    ///
    /// ```
    /// let (mut sender, mut receiver) = backbuf::spsc::ring(4)?;
    /// assert!(receiver.fd()? >= 0);
    /// assert!(!receiver.arm(1)?, "the descriptor is armed");
    /// sender.send(b"1")?;
    /// assert!(receiver.arm(1)?, "a byte is available now");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn fd(&self) -> Result<RawFd> {
        self.0.fd()
    }

    /// Whether `bytes` are available now. If not, the descriptor becomes readable when they are, or when the sender goes, and stays
    /// so until the next call that finds too little. Fails with [`Status::Closed`] if so many can no longer come.
    pub fn arm(&mut self, bytes: usize) -> Result<bool> {
        self.0.arm(bytes as u64)?.armed()
    }

    /// Polls for `bytes`, or for as many as the ring holds if that is less: ready when they are available, or with
    /// [`Status::Closed`] when so many can no longer come. Until then the task's waker is registered; the sender's thread calls
    /// it.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    /// let (mut sender, mut receiver) = backbuf::spsc::ring(4)?;
    /// let mut context = Context::from_waker(Waker::noop());
    /// assert!(receiver.poll_readable(&mut context, 2).is_pending());
    /// sender.send(b"12")?;
    /// assert_eq!(receiver.poll_readable(&mut context, 2), Poll::Ready(Ok(())));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn poll_readable(&mut self, context: &mut Context<'_>, bytes: usize) -> Poll<Result<()>> {
        match self.0.poll(bytes as u64, context.waker()) {
            Ok(None) => Poll::Pending,
            Ok(Some(flow)) => Poll::Ready(flow.result()),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Closes the end: sends fail with [`Status::Closed`]. Closing twice is legal.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// The counters of this end.
    pub fn statistics(&self) -> EndStatistics {
        self.0.statistics()
    }

    /// Makes a stream of chunks, which the caller keeps as long as it likes. If it fails, the error returns the receiver.
    ///
    /// ```
    /// use backbuf::spsc::{self, StreamConfig};
    /// let (mut sender, receiver) = spsc::ring(64)?;
    /// let refused = receiver.into_stream(StreamConfig { pool_size: 16, ..StreamConfig::default() }).unwrap_err();
    /// let stream = refused.receiver.into_stream(StreamConfig::default())?;
    /// sender.send(b"abc")?;
    /// drop(sender);
    /// for chunk in stream {
    ///     assert_eq!(&chunk?[..], b"abc");
    /// }
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn into_stream(self, config: StreamConfig<'_>) -> std::result::Result<Stream, IntoStreamError> {
        // Everything that can fail comes first, so that the receiver is given away only for a stream.
        let prepare = || {
            ChunkSource::check(self.0.ring(), &config)?;
            Ok((BufferPool::new(config.pool_count)?, boxed(MaybeUninit::uninit())?))
        };
        match prepare() {
            Ok((pool, memory)) => Ok(Stream(Box::write(memory, ChunkSource::new(*self.0, pool, &config)))),
            Err(error) => Err(IntoStreamError { receiver: self, error }),
        }
    }
}

/// The ring's label, capacity and bytes, and whether the end is closed.
impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.ring().debug("Receiver", self.0.is_closed(), f)
    }
}

/// The descriptor for event loops.
///
/// # Panics
///
/// If it cannot be created, because the process has too many open files. A call of `fd` before, which reports that, creates it.
impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let fd = self.fd().expect("the limit on open files allows another descriptor");
        // SAFETY: the descriptor is open until the receiver is dropped.
        unsafe { BorrowedFd::borrow_raw(fd) }
    }
}

/// The error of [`Receiver::into_stream`], with the receiver.
///
/// ```
/// use backbuf::spsc::{self, StreamConfig};
/// let (_sender, receiver) = spsc::ring(64)?;
/// let refused = receiver.into_stream(StreamConfig { min_size: 65, ..StreamConfig::default() }).unwrap_err();
/// assert_eq!(refused.error.status(), backbuf::Status::Range);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct IntoStreamError {
    /// The receiver, unchanged.
    pub receiver: Receiver,
    /// The reason.
    pub error: Error,
}

impl fmt::Display for IntoStreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for IntoStreamError {}

impl From<IntoStreamError> for Error {
    fn from(refused: IntoStreamError) -> Error {
        refused.error
    }
}

/// Reading waits for the first byte. The end of the ring reads as 0 bytes.
///
/// ```
/// use std::io::Read;
/// let (mut sender, mut receiver) = backbuf::spsc::ring(64)?;
/// sender.send(b"all of it")?;
/// drop(sender);
/// let mut text = String::new();
/// receiver.read_to_string(&mut text)?;
/// assert_eq!(text, "all of it");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl io::Read for Receiver {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }
        match self.wait_readable(1, Timeout::FOREVER).and_then(|()| self.recv(to)) {
            Err(error) if error.status() == Status::Closed => Ok(0),
            result => Ok(result?),
        }
    }
}

/// A span of the ring's memory, lent for reading. Dropping it consumes nothing. While it lives, nothing in it is overwritten.
#[derive(Debug)]
pub struct Peek<'a> {
    receiver: &'a mut Receiver,
    data: *const u8,
    bytes: usize,
    /// The bytes that are given back when it is dropped.
    consumed: usize,
}

impl Peek<'_> {
    /// Gives the first `bytes` of the span back to the sender. Fails with [`Status::State`] and consumes nothing if it has fewer.
    ///
    /// ```
    /// let (mut sender, mut receiver) = backbuf::spsc::ring(4)?;
    /// sender.send(b"ab")?;
    /// assert_eq!(receiver.peek(1)?.consume(3).unwrap_err().status(), backbuf::Status::State);
    /// receiver.peek(1)?.consume(2)?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn consume(mut self, bytes: usize) -> Result<()> {
        if bytes > self.bytes {
            return Err(Error::value(Status::State, "bytes", bytes as u64, "more than was peeked"));
        }
        check_whole(bytes as u64, self.receiver.0.ring().record)?;
        self.consumed = bytes;
        Ok(())
    }
}

impl Drop for Peek<'_> {
    fn drop(&mut self) {
        // Also if nothing was consumed: a ring that overwrites is held until the span ends.
        self.receiver.0.give_back_read(self.consumed as u64);
    }
}

impl Deref for Peek<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: what is available is the receiver's while this borrows it.
        unsafe { std::slice::from_raw_parts(self.data, self.bytes) }
    }
}
