//! Bytes on their way back from the device: a ring of buffers, so that one is read while others are being filled.

use super::buffer::Buffer;
use super::desc::BufferDesc;
use super::device_buffer::{DeviceBuffer, padded};
use super::encoder::{Encoder, Then};
use super::machine::BufferState;
use super::promise::{self, Callback};
use super::range::MappedRange;
use super::reading::Reading;
use super::request::{Outcome, Request};
use crate::alloc::{Arc, boxed, try_vec};
use crate::device::device::Device;
use crate::device::driver::Usage;
use crate::error::{Error, Label, Result, Status};
use crate::sync::counter::Counter;
use crate::sync::mutex::{Mutex, MutexGuard};
use crate::sys::clock::{Deadline, Timeout, now};

/// Why the bytes of a reading do not come, or are not there any more.
const GIVEN_UP: &str = "the reading was given up for a newer one";

/// What a read does when every buffer of the ring is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It waits for one, at most that long: [`Status::Timeout`].
    Wait(Timeout),
    /// It is left out: [`Status::Full`].
    Skip,
    /// The oldest reading that nobody looks at is given up, and says [`Status::Aborted`]; [`Status::Full`] if all are looked at.
    DropOldest,
}

/// How a [`ReadbackBuffer`] is made.
///
/// ```
/// use backbuf::buffers::{ReadbackConfig, WhenFull};
/// let config = ReadbackConfig { size: 1 << 20, when_full: WhenFull::DropOldest, ..ReadbackConfig::default() };
/// assert_eq!(config.frames, 3);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ReadbackConfig<'a> {
    /// Bytes of a read at most.
    pub size: u64,
    /// Reads under way at once, 1 to 16.
    pub frames: u32,
    /// What happens when they are all in use.
    pub when_full: WhenFull,
    /// Named in errors, logs and reports.
    pub label: &'a str,
}

impl Default for ReadbackConfig<'_> {
    fn default() -> Self {
        ReadbackConfig { size: 0, frames: 3, when_full: WhenFull::Skip, label: "" }
    }
}

/// What a [`ReadbackBuffer`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadbackStatistics {
    /// Reads that were begun.
    pub reads: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Reads that waited for a buffer.
    pub stalls: u64,
    /// Nanoseconds of those waits.
    pub stalled_ns: u64,
    /// Reads that were left out.
    pub skipped: u64,
    /// Readings that were given up for newer ones.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct Counters {
    reads: Counter,
    bytes: Counter,
    stalls: Counter,
    stalled_ns: Counter,
    skipped: Counter,
    dropped: Counter,
}

#[derive(Debug)]
struct Ring {
    device: Device,
    buffers: Vec<Buffer>,
    /// The number of the reading that has each buffer; 0 for none.
    taken: Mutex<Taken>,
    counters: Counters,
}

#[derive(Debug)]
struct Taken {
    by: Vec<u64>,
    last: u64,
}

/// A buffer of the ring, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    ring: Arc<Ring>,
    at: usize,
    pub(super) number: u64,
}

/// Reads what device buffers hold, several reads at a time, so that no frame waits for its own. It can be used from any thread.
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
    ring: Arc<Ring>,
    size: u64,
    when_full: WhenFull,
}

/// The most readings under way.
const MOST_FRAMES: u32 = 16;

impl ReadbackBuffer {
    /// A ring of buffers, all made now.
    pub fn new(device: &Device, config: ReadbackConfig<'_>) -> Result<ReadbackBuffer> {
        let ReadbackConfig { size, frames, when_full, label } = config;
        if !(1..=MOST_FRAMES).contains(&frames) {
            return Err(Error::value(Status::Argument, "frames", frames, "a ring has 1 to 16 buffers"));
        }
        let (mut buffers, mut by) = (try_vec(frames as usize)?, try_vec(frames as usize)?);
        let usage = Usage::MAP_READ | Usage::COPY_DST;
        for _ in 0..frames {
            buffers.push(padded(device, &BufferDesc { size, usage, mapped_at_creation: false, label })?);
            by.push(0);
        }
        let taken = Mutex::new(Taken { by, last: 0 });
        let ring = Ring { device: device.clone(), buffers, taken, counters: Counters::default() };
        let ring = Arc::try_new(ring).map_err(|_| Error::of(Status::OutOfMemory))?;
        Ok(ReadbackBuffer { ring, size, when_full })
    }

    /// Another handle of the same ring.
    pub(crate) fn share(&self) -> ReadbackBuffer {
        let ReadbackBuffer { ring, size, when_full } = self;
        ReadbackBuffer { ring: ring.clone(), size: *size, when_full: *when_full }
    }

    /// Submits a copy of what a device buffer holds by then, and asks for it to be mapped. The source has COPY_SRC.
    pub fn read(&self, from: &DeviceBuffer, offset: u64, bytes: u64) -> Result<Reading> {
        let mut encoder = Encoder::new(&self.ring.device);
        let reading = self.read_in(&mut encoder, from, offset, bytes)?;
        encoder.submit()?;
        Ok(reading)
    }

    /// Records the same copy in an encoder, among other steps: the reading has what the buffer holds then. It says
    /// [`Status::Aborted`] where the encoder goes without a submit; and a submit of an encoder answers it, perhaps at once.
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
        from.check("offset + bytes", offset, bytes)?;
        if bytes > self.size {
            return Err(Error::beyond("bytes", bytes.into(), self.size, "bytes of the readback buffer"));
        }
        let slot = Arc::try_new(self.claim()?).map_err(|_| Error::of(Status::OutOfMemory))?;
        let to = &slot.buffer().inner;
        let never = Error::text(Status::Aborted, "the encoder that it was recorded in went without a submit");
        let (answer, pledge) =
            promise::pair(Outcome { result: Err(never), label: to.label, state: to.state() })?;
        let tell: Callback<Outcome> = boxed(move |outcome| answer.keep(outcome))?;
        let then = Then { tell: Mutex::new(tell), slot: slot.clone() };
        encoder.record_then((&from.buffer().inner, offset), (to, 0), bytes, Some(then))?;
        let request = Request::new(pledge, to, 0);
        let counters = &self.ring.counters;
        counters.reads.bump(1);
        counters.bytes.bump(bytes);
        Ok(Reading { request, slot, bytes: bytes as usize })
    }

    /// What it has counted.
    ///
    /// ```
    /// # use backbuf::{buffers::{ReadbackBuffer, ReadbackConfig}, device::{Device, HostConfig}};
    /// # let device = Device::host(HostConfig::default())?;
    /// let readback = ReadbackBuffer::new(&device, ReadbackConfig { size: 61, ..ReadbackConfig::default() })?;
    /// assert_eq!(readback.statistics().reads, 0);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn statistics(&self) -> ReadbackStatistics {
        let Counters { reads, bytes, stalls, stalled_ns, skipped, dropped } = &self.ring.counters;
        ReadbackStatistics {
            reads: reads.get(),
            bytes: bytes.get(),
            stalls: stalls.get(),
            stalled_ns: stalled_ns.get(),
            skipped: skipped.get(),
            dropped: dropped.get(),
        }
    }

    /// Bytes of a read at most.
    ///
    /// ```
    /// # use backbuf::{buffers::{ReadbackBuffer, ReadbackConfig}, device::{Device, HostConfig}};
    /// # let device = Device::host(HostConfig::default())?;
    /// let readback = ReadbackBuffer::new(&device, ReadbackConfig { size: 61, ..ReadbackConfig::default() })?;
    /// assert_eq!(readback.size(), 61);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its label.
    ///
    /// ```
    /// # use backbuf::{buffers::{ReadbackBuffer, ReadbackConfig}, device::{Device, HostConfig}};
    /// # let device = Device::host(HostConfig::default())?;
    /// let config = ReadbackConfig { size: 61, label: "depth", ..ReadbackConfig::default() };
    /// assert_eq!(ReadbackBuffer::new(&device, config)?.label().as_str(), "depth");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn label(&self) -> Label {
        self.ring.buffers[0].label()
    }

    /// A buffer for a new reading, by the policy.
    fn claim(&self) -> Result<Slot> {
        let Ring { device, counters, .. } = &*self.ring;
        if let Some(slot) = self.free() {
            return Ok(slot);
        }
        let full =
            "every buffer of the ring is in use; drop readings that are done with, or give it more frames";
        match self.when_full {
            WhenFull::Wait(timeout) => {
                counters.stalls.bump(1);
                let (began, deadline) = (now(), Deadline::after(timeout));
                let result = loop {
                    if let Some(slot) = self.free() {
                        break Ok(slot);
                    }
                    let has_free = || self.ring.taken.lock().by.contains(&0) || device.lost().is_some();
                    if let Err(error) = device.wait_until(deadline, &has_free) {
                        break Err(error);
                    }
                    if let Some(lost) = device.lost() {
                        break Err(lost);
                    }
                };
                counters.stalled_ns.bump(now().saturating_sub(began));
                result
            }
            WhenFull::Skip => {
                counters.skipped.bump(1);
                Err(Error::text(Status::Full, full))
            }
            WhenFull::DropOldest => self.drop_oldest().ok_or_else(|| Error::text(Status::Full, full)),
        }
    }

    fn free(&self) -> Option<Slot> {
        let mut taken = self.ring.taken.lock();
        let at = taken.by.iter().position(|number| *number == 0)?;
        Some(self.take(&mut taken, at))
    }

    fn take(&self, taken: &mut Taken, at: usize) -> Slot {
        taken.last += 1;
        taken.by[at] = taken.last;
        Slot { ring: self.ring.clone(), at, number: taken.last }
    }

    fn drop_oldest(&self) -> Option<Slot> {
        let Ring { buffers, counters, .. } = &*self.ring;
        let mut taken = self.ring.taken.lock();
        // What is ready has only been recorded, and is an encoder's.
        let unused = |at: &usize| {
            let buffer = buffers[*at].inner.lock();
            !buffer.machine.is_lent() && buffer.machine.state() != BufferState::Ready
        };
        let at = (0..buffers.len()).filter(unused).min_by_key(|at| taken.by[*at])?;
        let slot = self.take(&mut taken, at);
        drop(taken);
        counters.dropped.bump(1);
        // Its reading is answered here, and finds that its buffer is another's.
        buffers[at].inner.unmap_because(GIVEN_UP);
        Some(slot)
    }
}

impl Slot {
    pub(super) fn buffer(&self) -> &Buffer {
        &self.ring.buffers[self.at]
    }

    /// That the buffer is this reading's still, for as long as the lock is held.
    fn claimed(&self) -> Result<MutexGuard<'_, Taken>> {
        let taken = self.ring.taken.lock();
        if taken.by[self.at] != self.number {
            return Err(Error::text(Status::Aborted, GIVEN_UP));
        }
        Ok(taken)
    }

    /// An error if the buffer has been given to a newer reading.
    pub(super) fn check(&self) -> Result<()> {
        self.claimed().map(drop)
    }

    /// Where its bytes are, which stay this reading's from now on.
    pub(super) fn place(&self) -> Result<*const u8> {
        let _taken = self.claimed()?;
        let (place, ..) = self.buffer().inner.lend(0, None, false)?;
        Ok(place.as_ptr().cast_const())
    }

    pub(super) fn bytes(&self, bytes: usize) -> Result<MappedRange<'_>> {
        let _taken = self.claimed()?;
        Ok(self.buffer().range(0, None)?.cut(bytes))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.ring.taken.lock();
        if taken.by[self.at] != self.number {
            return;
        }
        // Under the lock, so that it is ready for whoever takes it next. What is still pending has no callback: that would
        // have the slot.
        self.buffer().inner.unmap_because("the reading was released before its bytes came");
        taken.by[self.at] = 0;
        drop(taken);
        self.ring.device.wake_all();
    }
}
