//! The sending end for Rust.

use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::RawFd;

use super::overwrite::check_whole;
use crate::alloc::boxed;
use crate::error::{Error, Result, Status};
use crate::spsc::Flow;
use crate::spsc::receiver::Receiver;
use crate::spsc::rx::Rx;
use crate::spsc::statistics::EndStatistics;
use crate::spsc::tx::Tx;
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
#[derive(Debug)]
pub struct Sender(pub(super) Box<Tx>);

impl Sender {
    /// Bytes that the ring holds.
    ///
    /// ```
    /// assert_eq!(backbuf::spsc::ring(100)?.0.capacity(), 128);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn capacity(&self) -> usize {
        self.0.ring().capacity() as usize
    }

    /// Sends as much as fits, without waiting; how much that was. [`Status::Full`] if nothing fits, [`Status::Closed`] if the
    /// receiver has gone.
    #[inline]
    pub fn send(&mut self, data: &[u8]) -> Result<usize> {
        self.0.send(data)?.result()
    }

    /// Sends all of it, waiting for room. An error comes after part of it has gone; [`Sender::statistics`] tell how much.
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

    /// Sends all of it or nothing, waiting for room for all; the receiver sees all of it at once. [`Status::Full`] if the timeout is
    /// 0 and there is too little room, [`Status::Range`] for more than the ring holds.
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

    /// As [`Sender::send`], but the receiver sees it only after [`Sender::flush`], a send, the end's close, or once a call finds no
    /// room for all of its bytes: several small writes become visible at once, for the price of one.
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

    /// Lends all the room that there is, at least `min` bytes (0 counts as 1): one contiguous span of the ring itself.
    /// [`Status::Full`] if there is less, [`Status::Range`] if the ring could never hold so much.
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

    /// A descriptor for event loops, readable once [`Sender::arm`] has asked for it and the room is there. It belongs to the
    /// ring: neither read nor close it.
    ///
    /// ```
    /// let (mut sender, _receiver) = backbuf::spsc::ring(4)?;
    /// assert!(sender.fd()? >= 0);
    /// assert!(sender.arm(4)?, "there is room now");
    /// sender.send(b"1234")?;
    /// assert!(!sender.arm(1)?, "the descriptor will tell");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn fd(&self) -> Result<RawFd> {
        self.0.fd()
    }

    /// Whether there is room for `bytes` now. If not, the descriptor becomes readable when there is, or when the receiver goes,
    /// and stays so until the next call that finds too little. [`Status::Closed`] if the receiver has gone.
    pub fn arm(&mut self, bytes: usize) -> Result<bool> {
        armed(self.0.arm(bytes as u64)?)
    }

    /// Publishes what was fed and sends no more: the receiver gets what is in the ring, then [`Status::Closed`]. Closing twice
    /// is fine.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// A new receiver where the old one was dropped; it finds the bytes that were not received. [`Status::Busy`] while the old
    /// one lives.
    ///
    /// ```
    /// let (mut sender, receiver) = backbuf::spsc::ring(8)?;
    /// sender.send(b"ab")?;
    /// drop(receiver);
    /// let mut receiver = sender.attach_receiver()?;
    /// assert_eq!(receiver.recv(&mut [0; 8])?, 2);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn attach_receiver(&mut self) -> Result<Receiver> {
        Ok(Receiver(boxed(Rx::attach(self.0.ring())?)?))
    }

    /// What this end has counted.
    pub fn statistics(&self) -> EndStatistics {
        self.0.statistics()
    }
}

/// As Rust tells what arming found.
pub(super) fn armed(flow: Flow) -> Result<bool> {
    match flow {
        Flow::Done => Ok(true),
        Flow::Full | Flow::Empty => Ok(false),
        other => other.result().map(|()| true),
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

/// Room of the ring, lent to be written. Dropping it publishes nothing.
#[derive(Debug)]
pub struct Reservation<'a> {
    sender: &'a mut Sender,
    data: *mut u8,
    bytes: usize,
}

impl Reservation<'_> {
    /// Publishes the first `bytes` of it. [`Status::State`] if it has fewer; then nothing is published.
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
        self.sender.0.fill(bytes as u64);
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
