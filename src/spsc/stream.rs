//! The stream for Rust.

use std::ops::{Deref, DerefMut};
use std::os::fd::RawFd;

use super::pool::Held;
use super::sender::armed;
use super::source::Source;
use crate::alloc::{boxed, try_vec};
use crate::error::{Error, Result, Status};
use crate::spsc::sender::Sender;
use crate::spsc::statistics::StreamStatistics;
use crate::spsc::tx::Tx;
use crate::sys::clock::Timeout;

/// How a stream makes chunks.
///
/// ```
/// use backbuf::spsc::{self, StreamConfig};
/// let (_sender, receiver) = spsc::ring(1 << 20)?;
/// let config = StreamConfig { buffer_size: 64 << 10, record_size: 64, ..StreamConfig::default() };
/// let stream = receiver.into_stream(config)?;
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StreamConfig<'a> {
    /// Bytes of a buffer, at least; they grow, up to the ring's capacity, while large reads are usual. 8192 by default.
    pub buffer_size: u64,
    /// Fewer bytes make no chunk, but at the end of the stream. 1 by default.
    pub min_size: u64,
    /// How many buffers are kept for use again. 16 by default.
    pub pool_size: u32,
    /// Bytes of a record: each chunk is a whole number of them, and a stream that ends inside of one ends with
    /// [`Status::Align`]. 0, the default, for none, or for those of a ring that overwrites its oldest records.
    pub record_size: u64,
    /// Name in messages and logs; the ring's if empty.
    pub label: &'a str,
}

impl Default for StreamConfig<'_> {
    fn default() -> Self {
        StreamConfig { buffer_size: 8192, min_size: 1, pool_size: 16, record_size: 0, label: "" }
    }
}

/// What arrives in a ring, as chunks that can be held. Iterating waits for each, and ends where the stream does.
///
/// ```
/// use backbuf::{Timeout, spsc::{self, StreamConfig}};
/// let (mut sender, receiver) = spsc::ring(1 << 16)?;
/// let mut stream = receiver.into_stream(StreamConfig { buffer_size: 4096, ..StreamConfig::default() })?;
/// sender.send(&[1; 10_000])?;
/// drop(sender);
/// let first = stream.next_chunk(Timeout::FOREVER)?;
/// let rest = stream.chunks(10, Timeout::FOREVER)?;
/// let sizes: Vec<_> = rest.iter().map(|chunk| chunk.len()).collect();
/// assert_eq!((first.len(), sizes), (4096, vec![4096, 1808]));
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct Stream(pub(super) Box<Source>);

impl Stream {
    /// The next chunk. [`Status::Closed`] at the end, [`Status::Align`] if that lies inside of a record.
    pub fn next_chunk(&mut self, timeout: Timeout) -> Result<Chunk> {
        let mut next = None;
        let given = self.0.gather(1, true, timeout, |held| {
            next = Some(Chunk(held));
            Ok(())
        })?;
        match (given, next) {
            (_, Some(chunk)) => Ok(chunk),
            (Err(flow), _) => Err(Error::of(flow.status().unwrap_or(Status::Empty))),
            (Ok(_), None) => Err(Error::of(Status::Empty)),
        }
    }

    /// `count` chunks together; fewer only at the end of the stream, and then [`Status::Closed`]. What a call that ran out of
    /// time has gathered comes with the next one.
    pub fn chunks(&mut self, count: usize, timeout: Timeout) -> Result<Vec<Chunk>> {
        self.gather(count, false, timeout)
    }

    /// What is there: at least one chunk, which it waits for, and at most `count`.
    ///
    /// ```
    /// use backbuf::{Timeout, spsc::{self, StreamConfig}};
    /// let (mut sender, receiver) = spsc::ring(1 << 16)?;
    /// let mut stream = receiver.into_stream(StreamConfig { buffer_size: 4096, ..StreamConfig::default() })?;
    /// sender.send(&[1; 10_000])?;
    /// assert_eq!(stream.ready_chunks(10, Timeout::FOREVER)?.len(), 3);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn ready_chunks(&mut self, count: usize, timeout: Timeout) -> Result<Vec<Chunk>> {
        self.gather(count, true, timeout)
    }

    fn gather(&mut self, count: usize, ready: bool, timeout: Timeout) -> Result<Vec<Chunk>> {
        let mut chunks = try_vec(0)?;
        let given = self.0.gather(count, ready, timeout, |held| match chunks.try_reserve(1) {
            Ok(()) => {
                chunks.push(Chunk(held));
                Ok(())
            }
            Err(_) => Err((held, Error::of(Status::OutOfMemory))),
        })?;
        match given {
            Ok(_) => Ok(chunks),
            Err(flow) => Err(Error::of(flow.status().unwrap_or(Status::Empty))),
        }
    }

    /// A descriptor for event loops, readable once [`Stream::arm`] has asked for it and a chunk or the end can be had. It
    /// belongs to the ring: neither read nor close it.
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

    /// Whether a chunk or the end can be had now. If not, the descriptor becomes readable when it can.
    pub fn arm(&mut self) -> Result<bool> {
        armed(self.0.arm()?)
    }

    /// Receives no more: the sender gets [`Status::Closed`]. Chunks that are held stay.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// A new sender where the old one was dropped. [`Status::Busy`] while the old one lives.
    pub fn attach_sender(&mut self) -> Result<Sender> {
        Ok(Sender(boxed(Tx::attach(self.0.ring())?)?))
    }

    /// What the stream and its pool have counted.
    pub fn statistics(&self) -> StreamStatistics {
        self.0.statistics()
    }
}

impl Iterator for Stream {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Result<Chunk>> {
        match self.next_chunk(Timeout::FOREVER) {
            Err(error) if error.status() == Status::Closed => None,
            next => Some(next),
        }
    }
}

/// A managed buffer: bytes of a stream, aligned to 64, that nobody else writes. Dropping it gives the buffer back, on any
/// thread, also after the stream has gone.
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
#[derive(Debug)]
pub struct Chunk(pub(super) Held);

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the first `bytes` of the buffer were filled, and it is this chunk's.
        unsafe { std::slice::from_raw_parts(self.0.data(), self.0.bytes as usize) }
    }
}

impl DerefMut for Chunk {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.0.data(), self.0.bytes as usize) }
    }
}
