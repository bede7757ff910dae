//! Map requests: completed by the device's owner thread once the buffer's last submit has finished.
//!
//! A request is completed exactly once. Besides the owner thread, `unmap`, `destroy` and `cancel` complete a pending one on
//! the calling thread, and the loss or the end of the device completes it with [`Status::DeviceLost`].

use std::fmt;
use std::ptr::NonNull;

use crate::alloc::{Arc, Weak};
use crate::buffers::buffer::{Buffer, BufferInner, HostPtr};
use crate::buffers::map_state::{BufferState, MapOutcome};
use crate::buffers::promise::{self, Future, Promise};
use crate::device::device::Device;
use crate::device::driver::{Driver, MapMode};
use crate::error::{Error, Result, Status};
use crate::sync::atomic::Ordering::*;
use crate::sys::clock::{Deadline, Timeout};

impl Buffer {
    /// Requests a mapping of `size` bytes at `offset`, or of all bytes from there. The request completes as soon as the device
    /// has finished the work that uses the buffer. Offsets are multiples of 8, sizes multiples of 4; the usage has MAP_READ or
    /// MAP_WRITE. Fails unless the buffer is ready. See [`Request`].
    pub fn map_async(&self, mode: MapMode, offset: u64, size: Option<u64>) -> Result<Request> {
        BufferInner::map_async(&self.inner, mode, offset, size)
    }
}

impl BufferInner {
    pub(crate) fn map_async(
        this: &Arc<BufferInner>,
        mode: MapMode,
        offset: u64,
        size: Option<u64>,
    ) -> Result<Request> {
        let lost = Error::text(Status::DeviceLost, "the device ended before the map request completed");
        let (promise, future) = promise::pair(this.outcome(Err(lost), BufferState::Ready));
        let number = BufferInner::begin_request(this, mode, offset, size, promise)?;
        Ok(Request::new(future, this, number))
    }

    /// Begins a map request that completes `promise`, and returns its number. A refused request completes it as well.
    pub(crate) fn begin_request(
        this: &Arc<BufferInner>,
        mode: MapMode,
        offset: u64,
        size: Option<u64>,
        promise: Promise<MapOutcome>,
    ) -> Result<u64> {
        let mut locked = this.lock();
        let begun = this.device.lost().map_or(Ok(()), Err);
        let begun = begun.and_then(|()| {
            let number = locked.map.request(mode, offset, size)?;
            let buffer = Arc::downgrade(this);
            let completion = Box::new(move || {
                if let Some(buffer) = buffer.upgrade() {
                    buffer.map_requested(number, mode);
                }
            });
            match this.device.run_after(locked.last_use, completion) {
                Ok(()) => Ok(number),
                Err(error) => {
                    locked.map.fail(number);
                    Err(error)
                }
            }
        });
        match begun {
            Ok(_) => locked.pending = Some(promise),
            Err(error) => {
                let state = this.state_of(&locked);
                drop(locked);
                this.complete(Some(promise), Err(error), state);
            }
        }
        begun
    }

    /// Maps the requested bytes and completes the request. On the owner thread, once the device has finished the work that
    /// uses the buffer, or is lost.
    fn map_requested(&self, number: u64, mode: MapMode) {
        let bytes = {
            let locked = self.lock();
            if !locked.map.is_pending(number) {
                return;
            }
            locked.map.bytes()
        };
        // No lock is held here: `cancel` and `unmap` on other threads do not wait for the driver.
        let mapped = self.device.call_untimed(|driver: &mut dyn Driver| {
            self.prepare(driver)?;
            if bytes.len() == 0 {
                return Ok(HostPtr(NonNull::dangling()));
            }
            let data = driver.map(self.native, mode, bytes.begin, bytes.len())?;
            self.driver_mapped.store(true, Relaxed);
            Ok(HostPtr(data))
        });
        let mut locked = self.lock();
        let (state, result) = match mapped {
            Ok(data) if locked.map.complete(number) => {
                locked.data = data;
                (BufferState::Mapped, Ok(()))
            }
            Err(error) if locked.map.fail(number) => (BufferState::Ready, Err(error)),
            // The request was cancelled meanwhile and is completed; the driver unmaps at its next use of the buffer.
            _ => return,
        };
        let pending = locked.pending.take();
        drop(locked);
        self.complete(pending, result, state);
    }

    fn cancel(&self, number: u64) -> bool {
        let mut locked = self.lock();
        if !locked.map.fail(number) {
            return false;
        }
        let pending = locked.pending.take();
        drop(locked);
        self.complete(pending, Err(Error::of(Status::Cancelled)), BufferState::Ready);
        true
    }
}

/// An accepted map request. It completes exactly once, also if this handle is dropped.
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
    pub(crate) future: Future<MapOutcome>,
    device: Device,
    pub(crate) buffer: Weak<BufferInner>,
    number: u64,
}

impl Request {
    pub(crate) fn new(future: Future<MapOutcome>, buffer: &Arc<BufferInner>, number: u64) -> Request {
        Request { future, device: buffer.device.clone(), buffer: Arc::downgrade(buffer), number }
    }

    /// Another handle of the same request.
    pub(crate) fn share(&self) -> Request {
        let Request { future, device, buffer, number } = self;
        Request { future: future.clone(), device: device.clone(), buffer: buffer.clone(), number: *number }
    }

    /// The outcome; `None` while the request is pending.
    pub fn poll(&self) -> Option<MapOutcome> {
        self.future.poll()
    }

    /// Waits for the outcome. On the owner thread of a host-driven device this drives the device.
    pub fn wait(&self, timeout: Timeout) -> Result<MapOutcome> {
        Request::wait_any(&[self], timeout)?;
        self.poll().ok_or_else(|| Error::of(Status::Timeout))
    }

    /// Waits until one of several requests of one device is completed, and returns the index of the first such request.
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
            return Err(Error::text(Status::Argument, "requests is empty: at least one is required"));
        };
        if rest.iter().any(|request| !request.device.is_same(&first.device)) {
            let reason = "requests are of several devices; wait for the requests of one device at a time";
            return Err(Error::text(Status::Argument, reason));
        }
        let completed = || requests.iter().position(|request| request.future.is_completed());
        let waited = first.device.wait_until(Deadline::after(timeout), &|| completed().is_some());
        // A completed request counts even if the wait ended for another reason.
        completed().map_or_else(|| Err(waited.err().unwrap_or(Error::of(Status::Timeout))), Ok)
    }

    /// Cancels a pending request: it completes with [`Status::Cancelled`]. Returns false if it was completed before.
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

    /// Sets a callback, which runs once: on the device's owner thread, on the thread that unmaps, destroys or cancels, or here
    /// if the request is completed. No lock is held then; the callback may use any buffer, but must not wait for the device.
    ///
    /// ```
    /// # use backbuf::{Timeout, buffers::{Buffer, BufferDesc}, device::{Device, HostConfig, MapMode, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let usage = Usage::MAP_WRITE | Usage::COPY_SRC;
    /// # let buffer = Buffer::new(&device, &BufferDesc { size: 64, usage, ..BufferDesc::default() })?;
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// buffer.map_async(MapMode::Write, 0, None)?.then(move |outcome| sender.send(outcome.result).unwrap())?;
    /// assert_eq!(receiver.recv().unwrap(), Ok(()));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn then(self, callback: impl FnOnce(MapOutcome) + Send + 'static) -> Result<()> {
        self.future.then(crate::alloc::boxed(callback)?);
        Ok(())
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
