//! Readback: copies of device buffers to the host, through a ring of mapped buffers so that several reads overlap.
//!
//! A read takes a slot of the ring, records a copy to the buffer of the slot, and after the submit requests a mapping of it.
//! [`Reading`] is the future of the bytes; dropping it frees the slot.

use std::fmt;

use crate::alloc::{Arc, boxed, try_vec};
use crate::buffers::buffer::{Buffer, BufferDesc, BufferInner, CopyEnd, DeviceBuffer, padded};
use crate::buffers::encoder::Encoder;
use crate::buffers::map_state::{BufferState, MapOutcome};
use crate::buffers::promise;
use crate::buffers::range::MappedRange;
use crate::buffers::request::Request;
use crate::device::device::Device;
use crate::device::driver::{MapMode, Usage};
use crate::error::{Error, Label, Result, Status};
use crate::sync::mutex::{Mutex, MutexGuard};
use crate::sys::clock::{Deadline, Timeout, now};

const DROPPED: &str = "the reading was replaced by a newer one";
const FULL: &str = "every buffer of the ring is in use; drop finished readings, or raise frames";

/// The behavior of a read when every buffer of the ring is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The read waits for a buffer, at most this long; then it fails with [`Status::Timeout`].
    Wait(Timeout),
    /// The read fails with [`Status::Full`].
    Skip,
    /// The read takes the buffer of the oldest reading whose bytes are not borrowed; that reading fails with
    /// [`Status::Aborted`]. The read fails with [`Status::Full`] if all are borrowed.
    DropOldest,
}

/// Parameters of a [`ReadbackBuffer`].
#[derive(Clone, Copy, Debug)]
pub struct ReadbackConfig<'a> {
    /// The largest size of a read, in bytes.
    pub size: u64,
    /// The number of buffers, and so of concurrent reads: 1 to 16.
    pub frames: u32,
    /// The behavior when all buffers are in use.
    pub when_full: WhenFull,
    /// Name in errors, logs and reports.
    pub label: &'a str,
}

impl Default for ReadbackConfig<'_> {
    fn default() -> Self {
        ReadbackConfig { size: 0, frames: 3, when_full: WhenFull::Skip, label: "" }
    }
}

/// Statistics of a [`ReadbackBuffer`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadbackStatistics {
    /// Reads begun.
    pub reads: u64,
    /// Bytes of these reads.
    pub bytes: u64,
    /// Reads that waited for a buffer.
    pub stalls: u64,
    /// Duration of these waits, in nanoseconds.
    pub stalled_ns: u64,
    /// Reads refused because the ring was full.
    pub skipped: u64,
    /// Readings given up for newer ones.
    pub dropped: u64,
}

/// Reads device buffers, several reads at a time, so that no frame waits for its own read. It can be used from any thread.
///
/// ```
/// use backbuf::Timeout;
/// use backbuf::buffers::{BufferDesc, DeviceBuffer, ReadbackBuffer, ReadbackConfig};
/// use backbuf::device::{Device, HostConfig, Usage};
/// let device = Device::host(HostConfig::default())?;
/// let usage = Usage::STORAGE | Usage::COPY_SRC;
/// let result = DeviceBuffer::new(&device, &BufferDesc { size: 61, usage, ..BufferDesc::default() })?;
/// let readback = ReadbackBuffer::new(&device, ReadbackConfig { size: 61, ..ReadbackConfig::default() })?;
/// let reading = readback.read(&result, 0, 61)?;
/// reading.wait(Timeout::FOREVER)?;
/// assert_eq!(*reading.bytes()?, [0; 61]);
/// # Ok::<(), backbuf::Error>(())
/// ```
///
/// Nothing is uploaded to it:
///
/// ```compile_fail,E0308
/// # use backbuf::{buffers::*, device::{Device, HostConfig}};
/// # let device = Device::host(HostConfig::default()).unwrap();
/// # let readback = ReadbackBuffer::new(&device, ReadbackConfig { size: 61, ..ReadbackConfig::default() }).unwrap();
/// let mut staging = ImmediateStagingBuffer::new(&device, 9, "").unwrap();
/// staging.upload_to(&mut Encoder::new(&device), &readback, 0);
/// ```
#[derive(Debug)]
pub struct ReadbackBuffer {
    ring: Arc<ReadbackRing>,
    size: u64,
    when_full: WhenFull,
}

#[derive(Debug)]
struct ReadbackRing {
    device: Device,
    buffers: Vec<Buffer>,
    slots: Mutex<SlotOwners>,
}

#[derive(Debug)]
struct SlotOwners {
    /// The number of the reading that owns each buffer; 0 for a free one.
    owners: Vec<u64>,
    last_number: u64,
    statistics: ReadbackStatistics,
}

/// A buffer of the ring that a reading owns until the slot is dropped, or given to a newer reading.
#[derive(Debug)]
struct ReadbackSlot {
    ring: Arc<ReadbackRing>,
    index: usize,
    number: u64,
}

/// The limit of `ReadbackConfig::frames`.
const MAX_FRAMES: u32 = 16;

impl ReadbackBuffer {
    /// Makes the ring and all its buffers.
    pub fn new(device: &Device, config: ReadbackConfig<'_>) -> Result<ReadbackBuffer> {
        let ReadbackConfig { size, frames, when_full, label } = config;
        if !(1..=MAX_FRAMES).contains(&frames) {
            return Err(Error::value(Status::Argument, "frames", frames, "must be 1 to 16"));
        }
        let mut buffers = try_vec(frames as usize)?;
        let usage = Usage::MAP_READ | Usage::COPY_DST;
        for _ in 0..frames {
            buffers.push(padded(device, &BufferDesc { size, usage, mapped_at_creation: false, label })?);
        }
        let owners = vec![0; buffers.len()];
        let slots = SlotOwners { owners, last_number: 0, statistics: ReadbackStatistics::default() };
        let ring = ReadbackRing { device: device.clone(), buffers, slots: Mutex::new(slots) };
        Ok(ReadbackBuffer { ring: Arc::new(ring), size, when_full })
    }

    /// Another handle of the same ring.
    pub(crate) fn share(&self) -> ReadbackBuffer {
        let ReadbackBuffer { ring, size, when_full } = self;
        ReadbackBuffer { ring: ring.clone(), size: *size, when_full: *when_full }
    }

    /// Submits a copy of the current content of a device buffer, and requests its mapping. The source has COPY_SRC.
    pub fn read(&self, from: &DeviceBuffer, offset: u64, bytes: u64) -> Result<Reading> {
        self.read_from(&from.into(), offset, bytes)
    }

    /// [`ReadbackBuffer::read`] from a buffer of either class.
    pub(crate) fn read_from(&self, from: &CopyEnd, offset: u64, bytes: u64) -> Result<Reading> {
        let mut encoder = Encoder::new(&self.ring.device);
        let reading = self.read_from_in(&mut encoder, from, offset, bytes)?;
        encoder.submit()?;
        Ok(reading)
    }

    /// Records the copy in an encoder, among other commands: the reading gets the content at that point. It fails with
    /// [`Status::Aborted`] if the encoder is dropped without a submit. The submit may complete it at once.
    ///
    /// ```
    /// # use backbuf::{Timeout, buffers::*, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let usage = Usage::STORAGE | Usage::COPY_SRC;
    /// # let result = DeviceBuffer::new(&device, &BufferDesc { size: 5, usage, ..BufferDesc::default() })?;
    /// # let readback = ReadbackBuffer::new(&device, ReadbackConfig { size: 5, ..ReadbackConfig::default() })?;
    /// let mut encoder = Encoder::new(&device);
    /// encoder.write(&result, 0, b"first")?;
    /// let reading = readback.read_in(&mut encoder, &result, 0, 5)?;
    /// encoder.write(&result, 0, b"later")?;
    /// encoder.submit()?;
    /// reading.wait(Timeout::FOREVER)?;
    /// assert_eq!(*reading.bytes()?, *b"first");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn read_in(
        &self,
        encoder: &mut Encoder<'_>,
        from: &DeviceBuffer,
        offset: u64,
        bytes: u64,
    ) -> Result<Reading> {
        self.read_from_in(encoder, &from.into(), offset, bytes)
    }

    /// [`ReadbackBuffer::read_in`] from a buffer of either class.
    pub(crate) fn read_from_in(
        &self,
        encoder: &mut Encoder<'_>,
        from: &CopyEnd,
        offset: u64,
        bytes: u64,
    ) -> Result<Reading> {
        from.check("offset + bytes", offset, bytes)?;
        if bytes > self.size {
            return Err(Error::beyond("bytes", bytes.into(), self.size, "bytes of the readback buffer"));
        }
        let slot = Arc::new(self.claim()?);
        let to = &slot.buffer().inner;
        let unsubmitted = Error::text(Status::Aborted, "the encoder was dropped without a submit");
        let (promise, future) = promise::pair(to.outcome(Err(unsubmitted), to.state()));
        // The slot in the closure keeps the buffer from a newer reading until the mapping is requested. If the reading was
        // dropped before, the closure frees the slot.
        let mapped = slot.clone();
        let after_submit = move || {
            let inner = &mapped.buffer().inner;
            // A refused request completes the promise.
            let _ = BufferInner::begin_request(inner, MapMode::Read, 0, None, promise);
        };
        encoder.record_then((&from.inner, offset), (to, 0), bytes, Some(boxed(after_submit)?))?;
        let request = Request::new(future, to, 0);
        self.ring.count(|statistics| {
            statistics.reads += 1;
            statistics.bytes += bytes;
        });
        Ok(Reading { request, slot, bytes: bytes as usize })
    }

    /// The statistics.
    pub fn statistics(&self) -> ReadbackStatistics {
        self.ring.slots.lock().statistics
    }

    /// The device of the ring.
    pub(crate) fn device(&self) -> &Device {
        &self.ring.device
    }

    /// The largest size of a read, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The label of the buffer.
    pub fn label(&self) -> Label {
        self.ring.buffers[0].label()
    }

    /// A slot for a new reading, by the policy.
    fn claim(&self) -> Result<ReadbackSlot> {
        if let Some(slot) = self.free_slot() {
            return Ok(slot);
        }
        let full = || Error::text(Status::Full, FULL);
        match self.when_full {
            WhenFull::Wait(timeout) => self.wait_for_slot(timeout),
            WhenFull::Skip => {
                self.ring.count(|statistics| statistics.skipped += 1);
                Err(full())
            }
            WhenFull::DropOldest => self.drop_oldest().ok_or_else(full),
        }
    }

    fn free_slot(&self) -> Option<ReadbackSlot> {
        let mut slots = self.ring.slots.lock();
        let index = slots.owners.iter().position(|number| *number == 0)?;
        Some(self.take(&mut slots, index))
    }

    fn take(&self, slots: &mut SlotOwners, index: usize) -> ReadbackSlot {
        slots.last_number += 1;
        slots.owners[index] = slots.last_number;
        ReadbackSlot { ring: self.ring.clone(), index, number: slots.last_number }
    }

    fn wait_for_slot(&self, timeout: Timeout) -> Result<ReadbackSlot> {
        let device = &self.ring.device;
        self.ring.count(|statistics| statistics.stalls += 1);
        let (began, deadline) = (now(), Deadline::after(timeout));
        let result = loop {
            if let Some(slot) = self.free_slot() {
                break Ok(slot);
            }
            let ready = || self.ring.slots.lock().owners.contains(&0) || device.lost().is_some();
            let waited = device.wait_until(deadline, &ready);
            if let Err(error) = waited.and_then(|()| device.lost().map_or(Ok(()), Err)) {
                break Err(error);
            }
        };
        self.ring.count(|statistics| statistics.stalled_ns += now().saturating_sub(began));
        result
    }

    fn drop_oldest(&self) -> Option<ReadbackSlot> {
        let buffers = &self.ring.buffers;
        let mut slots = self.ring.slots.lock();
        // A buffer that is ready has a recorded copy, which an encoder is yet to submit.
        let may_drop = |index: &usize| {
            let buffer = buffers[*index].inner.lock();
            !buffer.map.has_open_ranges() && buffer.map.state() != BufferState::Ready
        };
        let index = (0..buffers.len()).filter(may_drop).min_by_key(|index| slots.owners[*index])?;
        let slot = self.take(&mut slots, index);
        slots.statistics.dropped += 1;
        drop(slots);
        // Completes the request of the dropped reading.
        buffers[index].inner.unmap_because(DROPPED);
        Some(slot)
    }
}

impl ReadbackRing {
    fn count(&self, count: impl FnOnce(&mut ReadbackStatistics)) {
        count(&mut self.slots.lock().statistics);
    }
}

impl ReadbackSlot {
    fn buffer(&self) -> &Buffer {
        &self.ring.buffers[self.index]
    }

    /// Fails if the buffer was given to a newer reading; it stays this reading's while the lock is held.
    fn lock(&self) -> Result<MutexGuard<'_, SlotOwners>> {
        let slots = self.ring.slots.lock();
        if slots.owners[self.index] != self.number {
            return Err(Error::text(Status::Aborted, DROPPED));
        }
        Ok(slots)
    }

    fn bytes(&self, bytes: usize) -> Result<MappedRange<'_>> {
        let _slots = self.lock()?;
        Ok(self.buffer().range(0, None)?.truncate(bytes))
    }
}

impl Drop for ReadbackSlot {
    fn drop(&mut self) {
        let mut slots = self.ring.slots.lock();
        if slots.owners[self.index] != self.number {
            return;
        }
        // Under the lock, so that the buffer is ready for its next owner. A pending request has no callback, since a callback
        // owns the slot.
        self.buffer().inner.unmap_because("the reading was dropped before its bytes arrived");
        slots.owners[self.index] = 0;
        drop(slots);
        self.ring.device.wake_all();
    }
}

/// A callback for the bytes of a read.
pub(crate) type ReadCallback = Box<dyn FnOnce(Result<&[u8]>) + Send>;

/// A read, pending or completed. Dropping it returns its buffer to the ring.
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
    request: Request,
    slot: Arc<ReadbackSlot>,
    bytes: usize,
}

impl Reading {
    /// Whether the bytes are available, or the error of the read; `None` while it is pending.
    pub fn poll(&self) -> Option<Result<()>> {
        // A completed reading may have been given up since.
        self.request.poll().map(|outcome| outcome.result.and_then(|()| self.slot.lock().map(drop)))
    }

    /// Waits for the bytes. On the owner thread of a host-driven device this drives the device.
    pub fn wait(&self, timeout: Timeout) -> Result<()> {
        let outcome = self.request.wait(timeout)?;
        self.poll().unwrap_or(outcome.result)
    }

    /// The map request behind the read, for a wait that does not keep the reading.
    pub(crate) fn request(&self) -> Request {
        self.request.share()
    }

    /// The bytes, once they are available.
    pub fn bytes(&self) -> Result<MappedRange<'_>> {
        self.slot.bytes(self.bytes)
    }

    /// The first byte and the size. From now on no newer reading takes the buffer until this one is dropped.
    pub(crate) fn raw_bytes(&self) -> Result<(*const u8, u64)> {
        let _slots = self.slot.lock()?;
        let (data, ..) = self.slot.buffer().inner.open_range(0, None, false)?;
        Ok((data.as_ptr().cast_const(), self.bytes as u64))
    }

    /// Hands the bytes to a callback, which runs once, like that of [`Request::then`]. After it, the buffer returns to the ring.
    ///
    /// ```
    /// # use backbuf::{Timeout, buffers::*, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let usage = Usage::STORAGE | Usage::COPY_SRC;
    /// # let result = DeviceBuffer::new(&device, &BufferDesc { size: 61, usage, ..BufferDesc::default() })?;
    /// # let readback = ReadbackBuffer::new(&device, ReadbackConfig { size: 61, ..ReadbackConfig::default() })?;
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// readback.read(&result, 0, 61)?.then(move |bytes| sender.send(bytes.map(<[u8]>::len)).unwrap())?;
    /// assert_eq!(receiver.recv().unwrap(), Ok(61));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn then(self, callback: impl FnOnce(Result<&[u8]>) + Send + 'static) -> Result<()> {
        self.call_back(boxed(callback)?);
        Ok(())
    }

    pub(crate) fn call_back(self, callback: ReadCallback) {
        let Reading { request, slot, bytes } = self;
        request.future.then(Box::new(move |outcome: MapOutcome| {
            match outcome.result.and_then(|()| slot.bytes(bytes)) {
                Ok(range) => callback(Ok(&range)),
                Err(error) => callback(Err(error)),
            }
        }));
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("number", &self.slot.number).field("request", &self.request).finish()
    }
}
