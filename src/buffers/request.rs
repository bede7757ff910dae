//! Map requests: looked at, waited for, cancelled, or left to a callback.

use std::fmt;

use super::inner::Inner;
use super::machine::BufferState;
use super::promise::{Pledge, Promise};
use crate::alloc::{Arc, Weak, boxed};
use crate::device::device::Device;
use crate::error::{Error, Label, Result, Status};
use crate::sys::clock::{Deadline, Timeout};

/// What became of a map request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Whether the buffer is mapped; else why not: [`Status::Aborted`] by `unmap` or `destroy`, [`Status::Cancelled`],
    /// [`Status::DeviceLost`], or what the backend says.
    pub result: Result<()>,
    /// The buffer's label.
    pub label: Label,
    /// Where the buffer stood then.
    pub state: BufferState,
}

/// A map request that was accepted. It is answered exactly once, and goes on if it is dropped.
///
/// ```
/// use backbuf::{Timeout, buffers::{Buffer, BufferDesc}, device::{Device, HostConfig, MapMode, Usage}};
/// let device = Device::host(HostConfig::default())?;
/// let usage = Usage::MAP_WRITE | Usage::COPY_SRC;
/// let buffer = Buffer::new(&device, &BufferDesc { size: 64, usage, ..BufferDesc::default() })?;
/// let request = buffer.map_async(MapMode::Write, 0, None)?;
/// request.wait(Timeout::FOREVER)?.result?;
/// buffer.range_mut(0, None)?.fill(7);
/// # Ok::<(), backbuf::Error>(())
/// ```
pub struct Request {
    pub(crate) pledge: Pledge<Outcome>,
    pub(crate) device: Device,
    pub(crate) buffer: Weak<Inner>,
    pub(crate) number: u64,
}

/// The duty to answer a request.
pub(crate) type Answer = Promise<Outcome>;

impl Request {
    /// What became of it, if that is known.
    ///
    /// ```
    /// # use backbuf::{Timeout, buffers::{Buffer, BufferDesc}, device::{Device, HostConfig, MapMode, Usage}};
    /// # let device = Device::host(HostConfig { host_driven: true, ..HostConfig::default() })?;
    /// # let usage = Usage::MAP_WRITE | Usage::COPY_SRC;
    /// # let buffer = Buffer::new(&device, &BufferDesc { size: 64, usage, ..BufferDesc::default() })?;
    /// let request = buffer.map_async(MapMode::Write, 0, None)?;
    /// assert_eq!(request.poll(), None, "the device is host-driven");
    /// device.poll(Timeout::FOREVER)?;
    /// assert_eq!(request.poll().unwrap().result, Ok(()));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn poll(&self) -> Option<Outcome> {
        self.pledge.look()
    }

    /// Waits for it. On the owner thread of a host-driven device this drives the device.
    ///
    /// ```
    /// # use backbuf::{Timeout, buffers::{Buffer, BufferDesc}, device::{Device, HostConfig, MapMode, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let usage = Usage::MAP_WRITE | Usage::COPY_SRC;
    /// # let buffer = Buffer::new(&device, &BufferDesc { size: 64, usage, ..BufferDesc::default() })?;
    /// buffer.map_async(MapMode::Write, 0, None)?.wait(Timeout::FOREVER)?.result?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn wait(&self, timeout: Timeout) -> Result<Outcome> {
        Request::wait_any(&[self], timeout)?;
        self.poll().ok_or_else(|| Error::of(Status::Timeout))
    }

    /// Waits until one of them is known: the index of the first such one. All are of one device.
    ///
    /// ```
    /// # use backbuf::{Timeout, buffers::{Buffer, BufferDesc, Request}, device::{Device, HostConfig, MapMode, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let usage = Usage::MAP_WRITE | Usage::COPY_SRC;
    /// # let desc = BufferDesc { size: 64, usage, ..BufferDesc::default() };
    /// # let (a, b) = (Buffer::new(&device, &desc)?, Buffer::new(&device, &desc)?);
    /// let requests = [a.map_async(MapMode::Write, 0, None)?, b.map_async(MapMode::Write, 0, None)?];
    /// let first = Request::wait_any(&[&requests[0], &requests[1]], Timeout::FOREVER)?;
    /// assert!(requests[first].poll().is_some());
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn wait_any(requests: &[&Request], timeout: Timeout) -> Result<usize> {
        let Some((first, rest)) = requests.split_first() else {
            return Err(Error::text(Status::Argument, "requests is empty: nothing would ever come"));
        };
        if rest.iter().any(|request| !request.device.is_same(&first.device)) {
            return Err(Error::text(
                Status::Argument,
                "requests of several devices cannot be waited for together",
            ));
        }
        let known = || requests.iter().position(|request| request.pledge.is_given());
        let waited = first.device.wait_until(Deadline::after(timeout), &|| known().is_some());
        // What is known counts, also where the wait ended otherwise.
        known().map_or_else(|| Err(waited.err().unwrap_or(Error::of(Status::Timeout))), Ok)
    }

    /// Takes it back: it is answered with [`Status::Cancelled`], unless it has been answered before. Says whether it was in
    /// time.
    ///
    /// ```
    /// # use backbuf::{Status, Timeout, buffers::{Buffer, BufferDesc}, device::{Device, HostConfig, MapMode, Usage}};
    /// # let device = Device::host(HostConfig { host_driven: true, ..HostConfig::default() })?;
    /// # let usage = Usage::MAP_WRITE | Usage::COPY_SRC;
    /// # let buffer = Buffer::new(&device, &BufferDesc { size: 64, usage, ..BufferDesc::default() })?;
    /// let request = buffer.map_async(MapMode::Write, 0, None)?;
    /// assert!(request.cancel() && !request.cancel());
    /// assert_eq!(request.poll().unwrap().result.unwrap_err().status(), Status::Cancelled);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.buffer.upgrade().is_some_and(|buffer| buffer.cancel(self.number))
    }

    /// Leaves it to a callback, which runs once: on the device's owner thread, on the thread that unmaps, destroys or cancels,
    /// or here if the answer is known. No lock is held then; the callback may use any buffer, but not wait for the device.
    ///
    /// ```
    /// # use backbuf::{Timeout, buffers::{Buffer, BufferDesc}, device::{Device, HostConfig, MapMode, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let usage = Usage::MAP_WRITE | Usage::COPY_SRC;
    /// # let buffer = Buffer::new(&device, &BufferDesc { size: 64, usage, ..BufferDesc::default() })?;
    /// let (tell, told) = std::sync::mpsc::channel();
    /// buffer.map_async(MapMode::Write, 0, None)?.then(move |outcome| tell.send(outcome.result).unwrap())?;
    /// assert_eq!(told.recv().unwrap(), Ok(()));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn then(self, callback: impl FnOnce(Outcome) + Send + 'static) -> Result<()> {
        self.pledge.then(boxed(callback)?);
        Ok(())
    }

    /// Another view of the same request.
    pub(crate) fn share(&self) -> Request {
        let Request { pledge, device, buffer, number } = self;
        Request { pledge: pledge.clone(), device: device.clone(), buffer: buffer.clone(), number: *number }
    }

    pub(crate) fn new(pledge: Pledge<Outcome>, buffer: &Arc<Inner>, number: u64) -> Request {
        Request { pledge, device: buffer.device.clone(), buffer: Arc::downgrade(buffer), number }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("number", &self.number)
            .field("outcome", &self.poll())
            .finish_non_exhaustive()
    }
}
