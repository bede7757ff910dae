//! A read that is under way, or done: looked at, waited for, or left to a callback.

use std::fmt;
use std::mem::MaybeUninit;

use super::promise::Answered;
use super::range::MappedRange;
use super::readback::Slot;
use super::request::{Outcome, Request};
use crate::alloc::{Arc, boxed};
use crate::error::Result;
use crate::sys::clock::Timeout;

/// Who is given the bytes of a read.
pub(crate) type Receiver = Box<dyn FnOnce(Result<&[u8]>) + Send>;

/// A read that is under way, or done. Dropping it gives its buffer back to the ring.
///
/// ```
/// # use backbuf::{Timeout, buffers::*, device::{Device, HostConfig, Usage}};
/// # let device = Device::host(HostConfig::default())?;
/// # let usage = Usage::STORAGE | Usage::COPY_SRC;
/// # let result = DeviceBuffer::new(&device, &BufferDesc { size: 61, usage, ..BufferDesc::default() })?;
/// # let readback = ReadbackBuffer::new(&device, ReadbackConfig { size: 61, ..ReadbackConfig::default() })?;
/// let reading = readback.read(&result, 5, 3)?;
/// while reading.poll().is_none() {
///     std::thread::yield_now(); // render the next frame
/// }
/// assert_eq!(*reading.bytes()?, [0; 3]);
/// # Ok::<(), backbuf::Error>(())
/// ```
pub struct Reading {
    pub(super) request: Request,
    pub(super) slot: Arc<Slot>,
    pub(super) bytes: usize,
}

impl Reading {
    /// Whether the bytes are there, or why they will not come; none if that is not known.
    pub fn poll(&self) -> Option<Result<()>> {
        // What had come may have been given up since.
        self.request.poll().map(|outcome| outcome.result.and_then(|()| self.slot.check()))
    }

    /// Waits for the bytes. On the owner thread of a host-driven device this drives the device.
    pub fn wait(&self, timeout: Timeout) -> Result<()> {
        let outcome = self.request.wait(timeout)?;
        self.poll().unwrap_or(outcome.result)
    }

    /// What is waited for, for who must not keep the reading meanwhile.
    pub(crate) fn request(&self) -> Request {
        self.request.share()
    }

    /// The bytes, once they are there.
    pub fn bytes(&self) -> Result<MappedRange<'_>> {
        self.slot.bytes(self.bytes)
    }

    /// Where the bytes are, and how many: until it is dropped. Nobody takes its buffer for a newer reading then.
    pub(crate) fn place(&self) -> Result<(*const u8, u64)> {
        Ok((self.slot.place()?, self.bytes as u64))
    }

    /// Leaves the bytes to a callback, which runs once, as that of [`Request::then`]; the buffer goes back to the ring after
    /// it.
    ///
    /// ```
    /// # use backbuf::{Timeout, buffers::*, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let usage = Usage::STORAGE | Usage::COPY_SRC;
    /// # let result = DeviceBuffer::new(&device, &BufferDesc { size: 61, usage, ..BufferDesc::default() })?;
    /// # let readback = ReadbackBuffer::new(&device, ReadbackConfig { size: 61, ..ReadbackConfig::default() })?;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// readback.read(&result, 0, 61)?.then(move |bytes| tell.send(bytes.map(<[u8]>::len)).unwrap())?;
    /// assert_eq!(told.recv().unwrap(), Ok(61));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn then(self, callback: impl FnOnce(Result<&[u8]>) + Send + 'static) -> Result<()> {
        let receiver = boxed(callback)?;
        self.leave_to(Delivery::room()?, receiver);
        Ok(())
    }

    /// The same, with the memory that it takes: nothing can fail any more.
    pub(crate) fn leave_to(self, room: Box<MaybeUninit<Delivery>>, receiver: Receiver) {
        let Reading { request, slot, bytes } = self;
        let delivery: Box<Delivery> = Box::write(room, Delivery { slot, bytes, receiver });
        request.pledge.then(delivery);
    }
}

/// A read that has been left to a callback. The buffer goes back to the ring with it.
pub(crate) struct Delivery {
    slot: Arc<Slot>,
    bytes: usize,
    receiver: Receiver,
}

impl Delivery {
    /// Memory for one.
    pub(crate) fn room() -> Result<Box<MaybeUninit<Delivery>>> {
        boxed(MaybeUninit::uninit())
    }
}

impl Answered<Outcome> for Delivery {
    fn answered(self: Box<Self>, outcome: Outcome) {
        let Delivery { slot, bytes, receiver } = *self;
        match outcome.result.and_then(|()| slot.bytes(bytes)) {
            Ok(range) => receiver(Ok(&range)),
            Err(error) => receiver(Err(error)),
        }
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("number", &self.slot.number).field("request", &self.request).finish()
    }
}
