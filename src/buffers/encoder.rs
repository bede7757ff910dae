//! Copies on the device: recorded, and checked as one when they are submitted.

use super::buffer::Buffer;
use super::device_buffer::DeviceBuffer;
use super::inner::Inner;
use super::machine::SIZE_ALIGN;
use crate::device::{Device, Driver, Fence, Usage};
use crate::error::{Error, Result, Status};
use crate::memory::{Arc, try_vec};
use crate::wait::Deadline;

/// Records copies for one submit.
///
/// What can be known of a copy is checked when it is recorded; where its buffers stand is checked at the submit. Either all
/// copies of a submit are done, or none.
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
pub struct Encoder {
    device: Device,
    copies: Vec<Copy>,
}

#[derive(Debug)]
struct Copy {
    from: Arc<Inner>,
    from_offset: u64,
    to: Arc<Inner>,
    to_offset: u64,
    bytes: u64,
}

impl Encoder {
    /// An encoder with nothing recorded.
    ///
    /// ```
    /// use backbuf::{buffers::Encoder, device::{Device, Fence, HostConfig}};
    /// let device = Device::host(HostConfig::default())?;
    /// assert_eq!(Encoder::new(&device).submit()?, Fence(1));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn new(device: &Device) -> Encoder {
        Encoder { device: device.clone(), copies: Vec::new() }
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
        let refused =
            |name, buffer: &Inner, why| Err(Error::named(Status::Argument, name, buffer.label.as_str(), why));
        for (name, buffer) in [("from", from), ("to", to)] {
            if !buffer.device.is(&self.device) {
                return refused(name, buffer, "is of another device");
            }
        }
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
        self.copies.try_reserve(1).map_err(|_| Error::of(Status::OutOfMemory))?;
        self.copies.push(Copy { from: from.clone(), from_offset, to: to.clone(), to_offset, bytes });
        Ok(())
    }

    /// Has the device do what was recorded, and says which fence passes then. A buffer that is mapped, pending or destroyed is
    /// an error that names it, and nothing is done.
    pub fn submit(self) -> Result<Fence> {
        let Encoder { device, copies } = &self;
        device.call(Deadline::NEVER, &|| false, |driver| submit(copies, driver))
    }
}

/// On the owner thread, where requests are answered too.
fn submit(copies: &[Copy], driver: &mut dyn Driver) -> Result<Fence> {
    let mut buffers = try_vec(2 * copies.len())?;
    for copy in copies {
        buffers.push((&raw const *copy.from, "from", &*copy.from));
        buffers.push((&raw const *copy.to, "to", &*copy.to));
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
        buffer.end_mapping(driver)?;
    }
    let done = copies.iter().filter(|copy| copy.bytes > 0).try_for_each(|copy| {
        driver.copy(copy.from.native, copy.from_offset, copy.to.native, copy.to_offset, copy.bytes)
    });
    // What a driver that fails half-way has begun uses the buffers all the same.
    let fence = driver.submit();
    if let Ok(fence) = fence {
        locked.iter_mut().for_each(|lock| lock.last_use = fence);
    }
    done.and(fence)
}
