//! A ring of bytes for one producer and one consumer.
//!
//! [`ring`] makes the two ends. Each belongs to one thread at a time and may move to another. Sending and receiving copy;
//! [`Sender::reserve`] and [`Receiver::peek`] lend the ring's own memory, always as one contiguous span, because the ring is
//! mapped twice in a row. The plain path makes no system call and allocates nothing. A side that waits spins where that costs less
//! than a sleep, then sleeps, and is woken once. A ring delivers every byte, unless [`RingConfig::overwrite_record_size`] lets it overwrite its
//! oldest records. [`Receiver::into_stream`] makes a stream of chunks, buffers that the caller keeps as long as it likes.
//!
//! Modules, lowest first: `copy`, `indices` (how bytes are handed over), `flow` (outcomes of calls), `statistics`, `wait_side` (how a side
//! sleeps and is woken), `backoff`, `ring` (the shared state), `tx` and `rx` (the ends that both APIs share),
//! `lent_receiver` (what receives in place of a receiver that is lent), `adaptive_size`, `pool` and
//! `source` (the stream that both APIs share), `stream`, `sender` and `receiver` (the Rust API).

pub(crate) mod adaptive_size;
pub(crate) mod backoff;
pub(crate) mod copy;
pub(crate) mod flow;
#[cfg(feature = "async")]
pub(crate) mod futures;
pub(crate) mod indices;
pub(crate) mod lent_receiver;
pub(crate) mod pool;
pub(crate) mod reader;
pub(crate) mod receiver;
pub(crate) mod ring;
pub(crate) mod rx;
pub(crate) mod sender;
pub(crate) mod source;
pub(crate) mod statistics;
pub(crate) mod stream;
#[cfg(test)]
mod stress;
pub(crate) mod tx;
pub(crate) mod wait_side;
pub(crate) mod writer;

pub use reader::InlineReader;
pub use receiver::{IntoStreamError, Peek, Receiver};
pub use ring::RingConfig;
pub use sender::{Reservation, Sender};
pub use source::StreamConfig;
pub use statistics::{EndStatistics, StreamStatistics};
pub use stream::{Chunk, Chunks, Stream};
pub use writer::InlineWriter;

use crate::alloc::boxed;
use crate::error::Result;
use crate::spsc::ring::Ring;
use crate::spsc::rx::Rx;
use crate::spsc::tx::Tx;

/// Makes a ring of at least `capacity` bytes, rounded up to a power of two; all of it is usable.
///
/// ```
/// use backbuf::Timeout;
/// let (mut sender, mut receiver) = backbuf::spsc::ring(1 << 16)?;
/// let producer = std::thread::spawn(move || sender.send_all(&[7; 100_000], Timeout::FOREVER));
/// let mut all = vec![0; 100_000];
/// receiver.recv_all(&mut all, Timeout::FOREVER)?;
/// assert!(all.iter().all(|&byte| byte == 7));
/// producer.join().unwrap()?;
/// # Ok::<(), backbuf::Error>(())
/// ```
pub fn ring(capacity: usize) -> Result<(Sender, Receiver)> {
    ring_with(capacity, &RingConfig::default())
}

/// Makes a ring with a [`RingConfig`].
///
/// ```
/// use backbuf::spsc::{RingConfig, ring_with};
/// let (sender, _receiver) = ring_with(1000, &RingConfig { label: "samples", ..RingConfig::default() })?;
/// assert_eq!(sender.capacity(), 1024);
/// # Ok::<(), backbuf::Error>(())
/// ```
pub fn ring_with(capacity: usize, config: &RingConfig<'_>) -> Result<(Sender, Receiver)> {
    let ring = Ring::new(capacity as u64, config, false, 0)?;
    Ok((Sender(boxed(Tx::new(ring.clone()))?), Receiver(boxed(Rx::new(ring))?)))
}

impl Sender {
    /// A new receiver after the old one was dropped; it receives the bytes that the old one has not received. Fails with
    /// [`Status::Busy`](crate::Status::Busy) while the old one lives.
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
}

impl Receiver {
    /// A new sender after the old one was dropped. Fails with [`Status::Busy`](crate::Status::Busy) while the old one lives.
    ///
    /// ```
    /// let (sender, mut receiver) = backbuf::spsc::ring(8)?;
    /// drop(sender);
    /// let mut sender = receiver.attach_sender()?;
    /// sender.send(b"ab")?;
    /// assert_eq!(receiver.recv(&mut [0; 8])?, 2);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn attach_sender(&mut self) -> Result<Sender> {
        Ok(Sender(boxed(Tx::attach(self.0.ring())?)?))
    }
}

impl Stream {
    /// A new sender after the old one was dropped. Fails with [`Status::Busy`](crate::Status::Busy) while the old one lives.
    pub fn attach_sender(&mut self) -> Result<Sender> {
        Ok(Sender(boxed(Tx::attach(self.0.ring())?)?))
    }
}
