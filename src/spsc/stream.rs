//! The stream of the Rust API, and its chunks: buffers that stay valid after the stream and the ring have ended.

use std::borrow::BorrowMut;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};

use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};
use crate::spsc::pool::ChunkBuffer;
use crate::spsc::source::ChunkSource;
use crate::spsc::statistics::StreamStatistics;
use crate::sys::clock::Timeout;

/// A stream of chunks: the bytes of a ring in buffers that the caller keeps as long as it likes. A `for` loop waits for each chunk, and
/// ends with the stream.
///
/// ```
/// use backbuf::{Timeout, spsc::{self, StreamConfig}};
/// let (mut sender, receiver) = spsc::ring(1 << 16)?;
/// let mut stream = receiver.into_stream(StreamConfig { pool_size: 4096, ..StreamConfig::default() })?;
/// sender.send(&[1; 10_000])?;
/// drop(sender);
/// let first = stream.next_chunk(Timeout::FOREVER)?;
/// let rest = stream.chunks(10, Timeout::FOREVER)?;
/// let sizes: Vec<_> = rest.iter().map(|chunk| chunk.len()).collect();
/// assert_eq!((first.len(), sizes), (4096, vec![4096, 1808]));
/// # Ok::<(), backbuf::Error>(())
/// ```
pub struct Stream(pub(super) Box<ChunkSource>);

impl Stream {
    /// Waits for the next chunk. Fails with [`Status::Closed`] at the end, with [`Status::Align`] if the stream ends inside of a
    /// record.
    pub fn next_chunk(&mut self, timeout: Timeout) -> Result<Chunk> {
        let mut next = None;
        let given = self.0.gather(1, true, timeout, |buffer| {
            next = Some(Chunk(buffer));
            Ok(())
        })?;
        match (given, next) {
            (_, Some(chunk)) => Ok(chunk),
            (Err(flow), _) => Err(Error::of(flow.status().unwrap_or(Status::Empty))),
            (Ok(_), None) => Err(Error::of(Status::Empty)),
        }
    }

    /// Waits for `count` chunks; fewer only at the end of the stream, and then [`Status::Closed`]. The next call returns what a call
    /// that timed out has gathered.
    pub fn chunks(&mut self, count: usize, timeout: Timeout) -> Result<Vec<Chunk>> {
        self.gather(count, false, timeout)
    }

    /// Waits for at least one chunk and returns those that are available, at most `count`.
    ///
    /// ```
    /// use backbuf::{Timeout, spsc::{self, StreamConfig}};
    /// let (mut sender, receiver) = spsc::ring(1 << 16)?;
    /// let mut stream = receiver.into_stream(StreamConfig { pool_size: 4096, ..StreamConfig::default() })?;
    /// sender.send(&[1; 10_000])?;
    /// assert_eq!(stream.ready_chunks(10, Timeout::FOREVER)?.len(), 3);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn ready_chunks(&mut self, count: usize, timeout: Timeout) -> Result<Vec<Chunk>> {
        self.gather(count, true, timeout)
    }

    fn gather(&mut self, count: usize, ready: bool, timeout: Timeout) -> Result<Vec<Chunk>> {
        let mut chunks = try_vec(0)?;
        let given = self.0.gather(count, ready, timeout, |buffer| match chunks.try_reserve(1) {
            Ok(()) => {
                chunks.push(Chunk(buffer));
                Ok(())
            }
            Err(error) => Err((buffer, error.into())),
        })?;
        match given {
            Ok(_) => Ok(chunks),
            Err(flow) => Err(Error::of(flow.status().unwrap_or(Status::Empty))),
        }
    }

    /// A descriptor for event loops. It becomes readable when a chunk or the end is available after [`Stream::arm`]. It belongs to
    /// the ring: do not read or close it.
    ///
    /// ```
    /// use backbuf::spsc::{self, StreamConfig};
    /// let (mut sender, receiver) = spsc::ring(64)?;
    /// let mut stream = receiver.into_stream(StreamConfig::default())?;
    /// assert!(stream.fd()? >= 0 && !stream.arm()?);
    /// sender.send(b"a")?;
    /// assert!(stream.arm()?);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn fd(&self) -> Result<RawFd> {
        self.0.fd()
    }

    /// Whether a chunk or the end is available now. If not, the descriptor becomes readable when it is.
    pub fn arm(&mut self) -> Result<bool> {
        self.0.arm()?.armed()
    }

    /// Polls for the next chunk; None at the end. Until one is available the task's waker is registered; the sender's thread calls
    /// it.
    ///
    /// ```
    /// use backbuf::spsc::{self, StreamConfig};
    /// use std::task::{Context, Poll, Waker};
    /// let (mut sender, receiver) = spsc::ring(64)?;
    /// let mut stream = receiver.into_stream(StreamConfig::default())?;
    /// let mut context = Context::from_waker(Waker::noop());
    /// assert!(stream.poll_chunk(&mut context).is_pending());
    /// sender.send(b"a")?;
    /// let Poll::Ready(Some(chunk)) = stream.poll_chunk(&mut context) else { panic!("a chunk is available") };
    /// assert_eq!(&chunk?[..], b"a");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Chunk>>> {
        loop {
            match self.next_chunk(Timeout::TRY) {
                Err(error) if error.status() == Status::Closed => return Poll::Ready(None),
                Err(error) if error.status() == Status::Timeout => {}
                result => return Poll::Ready(Some(result)),
            }
            match self.0.poll(context.waker()) {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// Receives no more: sends fail with [`Status::Closed`]. Chunks stay valid.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// The counters of the stream and its pool.
    pub fn statistics(&self) -> StreamStatistics {
        self.0.statistics()
    }
}

/// The ring's label, capacity and bytes, and whether the stream is closed.
impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.ring().debug("Stream", self.0.is_closed(), f)
    }
}

/// The descriptor for event loops.
///
/// # Panics
///
/// If it cannot be created, because the process has too many open files. A call of `fd` before, which reports that, creates it.
impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let fd = self.fd().expect("the limit on open files allows another descriptor");
        // SAFETY: the descriptor is open until the stream is dropped.
        unsafe { BorrowedFd::borrow_raw(fd) }
    }
}

/// The chunks of a stream, each waited for, until the stream ends. Not the stream itself: a stream of asynchronous chunks has a
/// method `next` of its own.
#[derive(Debug)]
pub struct Chunks<S>(S);

impl<S: BorrowMut<Stream>> Iterator for Chunks<S> {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Result<Chunk>> {
        match self.0.borrow_mut().next_chunk(Timeout::FOREVER) {
            Err(error) if error.status() == Status::Closed => None,
            next => Some(next),
        }
    }
}

impl IntoIterator for Stream {
    type Item = Result<Chunk>;
    type IntoIter = Chunks<Stream>;

    fn into_iter(self) -> Chunks<Stream> {
        Chunks(self)
    }
}

impl<'a> IntoIterator for &'a mut Stream {
    type Item = Result<Chunk>;
    type IntoIter = Chunks<&'a mut Stream>;

    fn into_iter(self) -> Chunks<&'a mut Stream> {
        Chunks(self)
    }
}

/// Bytes of a stream in a buffer of its own, aligned to 64 bytes. Dropping it returns the buffer, on any thread. It stays valid after
/// its stream and its ring have ended.
///
/// ```
/// use backbuf::{Timeout, spsc::{self, StreamConfig}};
/// let (mut sender, receiver) = spsc::ring(64)?;
/// let mut stream = receiver.into_stream(StreamConfig::default())?;
/// sender.send(b"abc")?;
/// let mut chunk = stream.next_chunk(Timeout::FOREVER)?;
/// drop(stream);
/// chunk[0] = b'A';
/// assert_eq!(&chunk[..], b"Abc");
/// # Ok::<(), backbuf::Error>(())
/// ```
pub struct Chunk(ChunkBuffer);

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the first `bytes` of the buffer are filled, and the buffer is this chunk's.
        unsafe { std::slice::from_raw_parts(self.0.data(), self.0.bytes as usize) }
    }
}

impl DerefMut for Chunk {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.0.data(), self.0.bytes as usize) }
    }
}

/// The number of its bytes.
impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunk").field("bytes", &self.len()).finish_non_exhaustive()
    }
}
