//! Copies and writes on the device: recorded, and checked as one when they are submitted.

use super::buffer::Buffer;
use super::device_buffer::DeviceBuffer;
use super::inner::Inner;
use super::machine::SIZE_ALIGN;
use super::promise::Callback;
use super::readback::Slot;
use super::request::Outcome;
use crate::alloc::{Arc, try_vec};
use crate::device::device::Device;
use crate::device::driver::{Driver, Fence, MapMode, Usage};
use crate::error::{Error, Result, Status};
use crate::sync::mutex::Mutex;

/// Records copies and writes for one submit after the other.
///
/// What can be known of a copy is checked when it is recorded; where its buffers stand is checked at the submit. A submit that
/// is refused does nothing and forgets nothing: it can be tried again.
///
/// ```
/// use backbuf::{Timeout, buffers::{Buffer, BufferDesc, Encoder}, device::{Device, HostConfig, MapMode, Usage}};
/// let device = Device::host(HostConfig::default())?;
/// let make = |usage, mapped_at_creation| {
///     Buffer::new(&device, &BufferDesc { size: 8, usage, mapped_at_creation, ..BufferDesc::default() })
/// };
/// let mut from = make(Usage::COPY_SRC, true)?;
/// let to = make(Usage::COPY_DST | Usage::MAP_READ, false)?;
/// from.range_mut(0, None)?.copy_from_slice(b"hi there");
/// from.unmap();
///
/// let mut encoder = Encoder::new(&device);
/// encoder.copy(&from, 0, &to, 0, 8)?;
/// encoder.submit()?;
/// to.map_async(MapMode::Read, 0, None)?.wait(Timeout::FOREVER)?.result?;
/// assert_eq!(to.range(0, None)?[..], *b"hi there");
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct Encoder<'a> {
    device: Device,
    steps: Vec<Step<'a>>,
}

/// Something to be done.
#[derive(Debug)]
enum Step<'a> {
    Copy {
        from: Arc<Inner>,
        from_offset: u64,
        to: Arc<Inner>,
        to_offset: u64,
        bytes: u64,
        then: Option<Then>,
    },
    Write {
        to: Arc<Inner>,
        offset: u64,
        data: &'a [u8],
    },
}

/// What follows a copy that is read back: its target is mapped.
pub(super) struct Then {
    /// Told of it. One that is dropped tells that there was no submit.
    pub(super) tell: Mutex<Callback<Outcome>>,
    /// Keeps the target from being another reading's meanwhile.
    pub(super) slot: Arc<Slot>,
}

impl std::fmt::Debug for Then {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Then").field(&self.slot).finish()
    }
}

impl Step<'_> {
    /// It has been submitted.
    fn done(self) {
        if let Step::Copy { to, then: Some(Then { tell, slot }), .. } = self {
            match Inner::map_async(&to, MapMode::Read, 0, None) {
                Ok(request) => request.pledge.then(tell.into_inner()),
                Err(error) => {
                    let outcome = Outcome { result: Err(error), label: to.label, state: to.state() };
                    tell.into_inner().answered(outcome);
                }
            }
            // Where the reading has gone, this gives it up.
            drop(slot);
        }
    }

    /// The buffers that it uses, by their parts.
    fn buffers(&self) -> impl Iterator<Item = (&'static str, &Inner)> {
        let (from, to) = match self {
            Step::Copy { from, to, .. } => (Some(("from", &**from)), to),
            Step::Write { to, .. } => (None, to),
        };
        from.into_iter().chain([("to", &**to)])
    }

    fn perform(&self, driver: &mut dyn Driver) -> Result<()> {
        match self {
            Step::Copy { from, from_offset, to, to_offset, bytes, .. } if *bytes > 0 => {
                driver.copy(from.native, *from_offset, to.native, *to_offset, *bytes)
            }
            Step::Write { to, offset, data } if !data.is_empty() => driver.write(to.native, *offset, data),
            _ => Ok(()),
        }
    }
}

impl<'a> Encoder<'a> {
    /// An encoder with nothing recorded.
    ///
    /// ```
    /// use backbuf::{buffers::Encoder, device::{Device, Fence, HostConfig}};
    /// let device = Device::host(HostConfig::default())?;
    /// assert_eq!(Encoder::new(&device).submit()?, Fence(1));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn new(device: &Device) -> Encoder<'a> {
        Encoder { device: device.clone(), steps: Vec::new() }
    }

    /// A copy between two buffers. Offsets and the size are multiples of 4; the source has COPY_SRC, the destination COPY_DST.
    ///
    /// ```
    /// # use backbuf::{Status, buffers::{Buffer, BufferDesc, Encoder}, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let usage = Usage::COPY_SRC | Usage::COPY_DST;
    /// # let buffer = Buffer::new(&device, &BufferDesc { size: 8, usage, ..BufferDesc::default() })?;
    /// let mut encoder = Encoder::new(&device);
    /// let error = encoder.copy(&buffer, 0, &buffer, 4, 4).unwrap_err();
    /// assert_eq!(error.status(), Status::Argument);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn copy(
        &mut self,
        from: &Buffer,
        from_offset: u64,
        to: &Buffer,
        to_offset: u64,
        bytes: u64,
    ) -> Result<()> {
        for (name, value) in [("from_offset", from_offset), ("to_offset", to_offset), ("bytes", bytes)] {
            if !value.is_multiple_of(SIZE_ALIGN) {
                return Err(Error::align(name, value, SIZE_ALIGN));
            }
        }
        self.record(&from.inner, from_offset, &to.inner, to_offset, bytes)
    }

    /// Bytes of the caller's own, to a device buffer: the way of data that lies in memory already, since nothing else is
    /// copied. They are read when they are submitted, and borrowed until the encoder has gone.
    ///
    /// ```
    /// # use backbuf::{Timeout, buffers::*, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let usage = Usage::VERTEX | Usage::COPY_SRC;
    /// # let mesh = DeviceBuffer::new(&device, &BufferDesc { size: 61, usage, ..BufferDesc::default() })?;
    /// # let readback = ReadbackBuffer::new(&device, ReadbackConfig { size: 61, ..ReadbackConfig::default() })?;
    /// let mut encoder = Encoder::new(&device);
    /// encoder.write(&mesh, 5, b"seven")?;
    /// encoder.submit()?;
    /// # let reading = readback.read(&mesh, 5, 5)?;
    /// # reading.wait(Timeout::FOREVER)?;
    /// # assert_eq!(*reading.bytes()?, *b"seven");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn write(&mut self, to: &DeviceBuffer, offset: u64, data: &'a [u8]) -> Result<()> {
        to.check("offset + data", offset, data.len() as u64)?;
        let to = &to.buffer().inner;
        self.own("to", to)?;
        self.push(Step::Write { to: to.clone(), offset, data })
    }

    /// A copy between two device buffers, of any bytes. The source has COPY_SRC.
    ///
    /// ```
    /// # use backbuf::{buffers::*, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let usage = Usage::VERTEX | Usage::COPY_SRC;
    /// # let make = || DeviceBuffer::new(&device, &BufferDesc { size: 61, usage, ..BufferDesc::default() });
    /// let (from, to) = (make()?, make()?);
    /// let mut encoder = Encoder::new(&device);
    /// encoder.copy_bytes(&from, 1, &to, 7, 5)?;
    /// encoder.submit()?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn copy_bytes(
        &mut self,
        from: &DeviceBuffer,
        from_offset: u64,
        to: &DeviceBuffer,
        to_offset: u64,
        bytes: u64,
    ) -> Result<()> {
        from.check("from_offset + bytes", from_offset, bytes)?;
        to.check("to_offset + bytes", to_offset, bytes)?;
        self.record(&from.buffer().inner, from_offset, &to.buffer().inner, to_offset, bytes)
    }

    /// All bytes of a staging buffer, to a device buffer.
    pub(crate) fn upload(&mut self, from: &Buffer, to: &DeviceBuffer, offset: u64, bytes: u64) -> Result<()> {
        to.check("offset + bytes", offset, bytes)?;
        self.record(&from.inner, 0, &to.buffer().inner, offset, bytes)
    }

    /// A copy of any bytes: what roles are made of, and drivers can do.
    pub(crate) fn record(
        &mut self,
        from: &Arc<Inner>,
        from_offset: u64,
        to: &Arc<Inner>,
        to_offset: u64,
        bytes: u64,
    ) -> Result<()> {
        self.record_then((from, from_offset), (to, to_offset), bytes, None)
    }

    /// The same, with what follows it.
    pub(super) fn record_then(
        &mut self,
        (from, from_offset): (&Arc<Inner>, u64),
        (to, to_offset): (&Arc<Inner>, u64),
        bytes: u64,
        then: Option<Then>,
    ) -> Result<()> {
        let refused = |name, buffer: &Inner, why| Err(not_fit(name, buffer, why));
        self.own("from", from)?;
        self.own("to", to)?;
        if std::ptr::eq(&raw const **from, &raw const **to) {
            return refused("to", to, "is the source as well; a copy needs two buffers");
        }
        if !from.usage.contains(Usage::COPY_SRC) {
            return refused("from", from, "its usage lacks COPY_SRC");
        }
        if !to.usage.contains(Usage::COPY_DST) {
            return refused("to", to, "its usage lacks COPY_DST");
        }
        for (name, offset, size) in
            [("from_offset + bytes", from_offset, from.size), ("to_offset + bytes", to_offset, to.size)]
        {
            let end = u128::from(offset) + u128::from(bytes);
            if end > u128::from(size) {
                return Err(Error::beyond(name, end, size, "bytes of the buffer"));
            }
        }
        self.push(Step::Copy { from: from.clone(), from_offset, to: to.clone(), to_offset, bytes, then })
    }

    fn own(&self, name: &'static str, buffer: &Inner) -> Result<()> {
        if buffer.device.is_same(&self.device) {
            Ok(())
        } else {
            Err(not_fit(name, buffer, "is of another device"))
        }
    }

    /// Forgets what was recorded last.
    pub(crate) fn take_back(&mut self) {
        self.steps.pop();
    }

    fn push(&mut self, step: Step<'a>) -> Result<()> {
        self.steps.try_reserve(1)?;
        self.steps.push(step);
        Ok(())
    }

    /// Has the device do what was recorded, and says which fence passes then; the encoder is empty again. A buffer that is
    /// mapped, pending or destroyed is an error that names it: then nothing is done, and what was recorded stays. Where the
    /// driver itself fails, steps before the one that failed have been done; what was recorded stays as well.
    ///
    /// ```
    /// # use backbuf::{Status, buffers::{Buffer, BufferDesc, Encoder}, device::{Device, Fence, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let make = |mapped_at_creation| {
    /// #     let usage = Usage::COPY_SRC | Usage::COPY_DST;
    /// #     Buffer::new(&device, &BufferDesc { size: 8, usage, mapped_at_creation, ..BufferDesc::default() })
    /// # };
    /// let (mut from, to) = (make(true)?, make(false)?);
    /// let mut encoder = Encoder::new(&device);
    /// encoder.copy(&from, 0, &to, 0, 8)?;
    /// assert_eq!(encoder.submit().unwrap_err().status(), Status::State, "it is mapped");
    /// from.unmap();
    /// assert_eq!(encoder.submit()?, Fence(1));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn submit(&mut self) -> Result<Fence> {
        let steps = &self.steps;
        let fence = self.device.call_untimed(|driver| submit(steps, driver))?;
        self.steps.drain(..).for_each(Step::done);
        Ok(fence)
    }
}

fn not_fit(name: &'static str, buffer: &Inner, why: &'static str) -> Error {
    Error::named(Status::Argument, name, buffer.label.as_str(), why)
}

/// On the owner thread, where requests are answered too.
fn submit(steps: &[Step<'_>], driver: &mut dyn Driver) -> Result<Fence> {
    let mut buffers = try_vec(2 * steps.len())?;
    for (name, buffer) in steps.iter().flat_map(Step::buffers) {
        buffers.push((&raw const *buffer, name, buffer));
    }
    buffers.sort_unstable_by_key(|(place, ..)| *place);
    buffers.dedup_by_key(|(place, ..)| *place);
    // All are locked until the fence is known: who maps one of them meanwhile waits for it.
    let mut locked = try_vec(buffers.len())?;
    for (_, name, buffer) in &buffers {
        let lock = buffer.lock();
        lock.machine.usable(name, buffer.label.as_str())?;
        locked.push(lock);
    }
    for (_, _, buffer) in &buffers {
        buffer.prepare(driver)?;
    }
    let done = steps.iter().try_for_each(|step| step.perform(driver));
    // What a driver that fails half-way has begun uses the buffers all the same.
    let fence = driver.submit();
    if let Ok(fence) = fence {
        locked.iter_mut().for_each(|lock| lock.last_use = fence);
    }
    done.and(fence)
}
