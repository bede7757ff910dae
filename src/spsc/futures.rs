//! The ends of a ring as asynchronous reader and writer, and a stream as a stream of chunks, for any executor.
//!
//! The traits are those of `futures-io` and `futures-core`, which name no runtime. A task that must wait registers its waker with the
//! ring, and the thread of the other end calls it: there is no thread, no descriptor and no timer behind these.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};

use crate::error::{Result, Status};
use crate::spsc::receiver::Receiver;
use crate::spsc::sender::Sender;
use crate::spsc::stream::{Chunk, Stream};

/// Reading waits for the first byte. The end of the ring reads as 0 bytes. Nothing is lost when a read is cancelled.
///
/// ```
/// use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
/// let (mut sender, mut receiver) = backbuf::spsc::ring(4)?;
/// let producer = std::thread::spawn(move || {
///     future::block_on(sender.write_all(b"more than the ring holds"))
/// });
/// let mut text = String::new();
/// future::block_on(receiver.read_to_string(&mut text))?;
/// producer.join().unwrap()?;
/// assert_eq!(text, "more than the ring holds");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl AsyncRead for Receiver {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if to.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            match self.recv(to) {
                Err(error) if error.status() == Status::Closed => return Poll::Ready(Ok(0)),
                Err(error) if error.status() == Status::Empty => {}
                result => return Poll::Ready(result.map_err(io::Error::from)),
            }
            match ready!(self.poll_readable(context, 1)) {
                // Seen by the next receive, which first returns what is left.
                Err(error) if error.status() == Status::Closed => {}
                result => result?,
            }
        }
    }
}

/// Writing waits for room. Nothing is sent when a write is cancelled before it is ready.
impl AsyncWrite for Sender {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            match self.send(data) {
                Err(error) if error.status() == Status::Full => {}
                result => return Poll::Ready(result.map_err(io::Error::from)),
            }
            ready!(self.poll_writable(context, 1))?;
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.flush().map_err(io::Error::from))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        Poll::Ready(Ok(()))
    }
}

/// The chunks of the stream, until it ends.
///
/// ```
/// use backbuf::spsc::{self, StreamConfig};
/// use futures_lite::{StreamExt, future};
/// let (mut sender, receiver) = spsc::ring(64)?;
/// let mut stream = receiver.into_stream(StreamConfig::default())?;
/// sender.send(b"abc")?;
/// drop(sender);
/// future::block_on(async {
///     assert_eq!(&stream.next().await.unwrap()?[..], b"abc");
///     assert!(stream.next().await.is_none());
///     Ok::<(), backbuf::Error>(())
/// })?;
/// # Ok::<(), backbuf::Error>(())
/// ```
impl futures_core::Stream for Stream {
    type Item = Result<Chunk>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Chunk>>> {
        self.poll_chunk(context)
    }
}
