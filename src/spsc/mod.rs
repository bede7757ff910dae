//! A ring of bytes for one producer and one consumer.
//!
//! [`ring`] makes the two ends. Each belongs to one thread at a time and may be moved to another. Sending and receiving copy;
//! [`Sender::reserve`] and [`Receiver::peek`] lend the ring's own memory, always as one contiguous span, since the ring is
//! mapped twice in a row. Nothing on the plain path makes a system call or allocates; a side that waits spins for at most
//! 2 µs and then sleeps, and is woken once. A ring delivers every byte, unless [`Config::overwrite_record_size`] lets it
//! overwrite its oldest records. [`Receiver::into_stream`] turns the receiving end into chunks that can be held.
//!
//! `indices` hands the bytes over, `side` puts to sleep and wakes, `place` adds the descriptor; `tx` and `rx` are the ends
//! as both Rust and C use them, `overwrite` what they do where the oldest records are overwritten, `sender` and `receiver` what Rust
//! sees. `source` makes chunks of what arrives, in buffers of `pool`, and `stream` is Rust's.

pub(crate) mod copy;
pub(crate) mod end;
pub(crate) mod growth;
pub(crate) mod indices;
pub(crate) mod overwrite;
pub(crate) mod pace;
pub(crate) mod place;
pub(crate) mod pool;
pub(crate) mod receiver;
pub(crate) mod returns;
pub(crate) mod ring;
pub(crate) mod rx;
pub(crate) mod sender;
pub(crate) mod side;
pub(crate) mod source;
pub(crate) mod statistics;
pub(crate) mod stream;
#[cfg(test)]
mod stress;
pub(crate) mod tx;

pub use receiver::{Peek, Receiver, Refused};
pub use ring::{Config, ring, ring_with};
pub use sender::{Reservation, Sender};
pub use statistics::{EndStatistics, StreamStatistics};
pub use stream::{Chunk, Stream, StreamConfig};

use crate::error::{Error, Result, Status};

/// How a call ended that was not refused. All but [`Flow::Done`] are everyday life, so they carry no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Done,
    Full,
    Empty,
    Timeout,
    Interrupted,
    Closed,
}

impl Flow {
    pub(crate) fn status(self) -> Option<Status> {
        match self {
            Flow::Done => None,
            Flow::Full => Some(Status::Full),
            Flow::Empty => Some(Status::Empty),
            Flow::Timeout => Some(Status::Timeout),
            Flow::Interrupted => Some(Status::Interrupted),
            Flow::Closed => Some(Status::Closed),
        }
    }

    /// As Rust tells it.
    fn result(self) -> Result<()> {
        self.status().map_or(Ok(()), |status| Err(Error::of(status)))
    }
}

/// How much went, and how that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) bytes: u64,
    pub(crate) flow: Flow,
}

impl Moved {
    /// As Rust tells it: what went, if anything did.
    fn result(self) -> Result<usize> {
        match self.flow.status() {
            Some(status) if self.bytes == 0 => Err(Error::of(status)),
            _ => Ok(self.bytes as usize),
        }
    }
}

/// Bytes that go at once. Longer ones go in pieces, so that the other side begins while the rest is still copied.
const PIECE: u64 = 8192;
