//! Bytes on their way to the device.

use super::buffer::Buffer;
use super::desc::BufferDesc;
use super::device_buffer::{DeviceBuffer, padded};
use super::encoder::Encoder;
use super::machine::BufferState;
use super::range::MappedRangeMut;
use super::request::Request;
use crate::device::device::Device;
use crate::device::driver::{MapMode, Usage};
use crate::error::{Error, Result, Status};
use crate::sync::atomic::{AtomicU32, Ordering::*};

/// What both kinds are made of.
#[derive(Debug)]
pub(crate) struct Staging {
    buffer: Buffer,
    size: u64,
    /// How many write, by calls that copy.
    writing: AtomicU32,
}

impl Staging {
    fn new(device: &Device, size: u64, label: &str, mapped_at_creation: bool) -> Result<Staging> {
        let usage = Usage::MAP_WRITE | Usage::COPY_SRC;
        let desc = BufferDesc { size, usage, mapped_at_creation, label };
        Ok(Staging { buffer: padded(device, &desc)?, size, writing: AtomicU32::new(0) })
    }

    fn bytes(&self) -> Result<MappedRangeMut<'_>> {
        Ok(self.buffer.range_mut(0, None)?.cut(self.size as usize))
    }

    pub(crate) fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        let end = u128::from(offset) + data.len() as u128;
        if end > u128::from(self.size) {
            return Err(Error::beyond("offset + data", end, self.size, "bytes of the staging buffer"));
        }
        self.buffer.inner.device.borrow_mapped()?;
        // Before the look whether it is mapped: an upload, which ends that under the same lock, sees this, or is seen there.
        self.writing.fetch_add(1, SeqCst);
        let written = self.place().map(|(place, _)| {
            // SAFETY: inside of what is mapped, which nobody uploads meanwhile, and the device is held.
            unsafe { place.add(offset as usize).copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        });
        self.writing.fetch_sub(1, Release);
        self.buffer.inner.device.return_mapped();
        written
    }

    /// Where its bytes are while it is mapped, and how many.
    pub(crate) fn place(&self) -> Result<(*mut u8, u64)> {
        let (place, _, number) = self.buffer.inner.lend(0, None, true)?;
        self.buffer.inner.lock().machine.give_back(number);
        Ok((place.as_ptr(), self.size))
    }

    pub(crate) fn label(&self) -> crate::error::Label {
        self.buffer.label()
    }

    pub(crate) fn inner(&self) -> &crate::alloc::Arc<super::inner::Inner> {
        &self.buffer.inner
    }

    pub(crate) fn upload_to(&self, encoder: &mut Encoder<'_>, to: &DeviceBuffer, offset: u64) -> Result<()> {
        encoder.upload(&self.buffer, to, offset, self.size)?;
        if self.buffer.inner.unmap_if(|| self.writing.load(SeqCst) == 0) {
            return Ok(());
        }
        encoder.take_back();
        Err(Error::text(
            Status::Busy,
            "another thread is writing to the staging buffer; upload it after that",
        ))
    }
}

/// A staging buffer that is written at once, and used up by its upload: it begins mapped. For what is loaded once.
///
/// ```
/// use backbuf::buffers::{BufferDesc, DeviceBuffer, Encoder, ImmediateStagingBuffer};
/// use backbuf::device::{Device, HostConfig, Usage};
/// let device = Device::host(HostConfig::default())?;
/// let desc = BufferDesc { size: 1 << 20, usage: Usage::VERTEX, label: "mesh", ..BufferDesc::default() };
/// let mesh = DeviceBuffer::new(&device, &desc)?;
/// let mut staging = ImmediateStagingBuffer::new(&device, mesh.size(), "mesh")?;
/// staging.bytes()?.fill(7);
/// let mut encoder = Encoder::new(&device);
/// staging.upload_to(&mut encoder, &mesh, 0)?;
/// encoder.submit()?;
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct ImmediateStagingBuffer(pub(crate) Staging);

impl ImmediateStagingBuffer {
    /// `size` bytes, all zeros, mapped.
    pub fn new(device: &Device, size: u64, label: &str) -> Result<ImmediateStagingBuffer> {
        Staging::new(device, size, label, true).map(ImmediateStagingBuffer)
    }

    /// Its bytes, to be written in place. Reading them may be slow.
    pub fn bytes(&mut self) -> Result<MappedRangeMut<'_>> {
        self.0.bytes()
    }

    /// Copies bytes into it.
    ///
    /// ```
    /// # use backbuf::{buffers::ImmediateStagingBuffer, device::{Device, HostConfig}};
    /// # let device = Device::host(HostConfig::default())?;
    /// let mut staging = ImmediateStagingBuffer::new(&device, 9, "")?;
    /// staging.write(3, b"hello!")?;
    /// assert_eq!(*staging.bytes()?, *b"\0\0\0hello!");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn write(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        self.0.write(offset, data)
    }

    /// Unmaps it, and records its copy to `offset` of a device buffer: all of its bytes, and no others.
    pub fn upload_to(&mut self, encoder: &mut Encoder<'_>, to: &DeviceBuffer, offset: u64) -> Result<()> {
        self.0.upload_to(encoder, to, offset)
    }

    /// Its bytes, counted.
    ///
    /// ```
    /// # use backbuf::{buffers::ImmediateStagingBuffer, device::{Device, HostConfig}};
    /// # let device = Device::host(HostConfig::default())?;
    /// assert_eq!(ImmediateStagingBuffer::new(&device, 9, "")?.size(), 9);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// Where it stands.
    ///
    /// ```
    /// # use backbuf::{buffers::{BufferState, ImmediateStagingBuffer}, device::{Device, HostConfig}};
    /// # let device = Device::host(HostConfig::default())?;
    /// assert_eq!(ImmediateStagingBuffer::new(&device, 9, "")?.state(), BufferState::Mapped);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn state(&self) -> BufferState {
        self.0.buffer.state()
    }
}

/// A staging buffer that is written when the device is done with it, again and again. For what streams: with a few of them by
/// turns, one is always ready.
///
/// ```
/// use backbuf::Timeout;
/// use backbuf::buffers::{BufferDesc, DeferredStagingBuffer, DeviceBuffer, Encoder};
/// use backbuf::device::{Device, HostConfig, Usage};
/// let device = Device::host(HostConfig::default())?;
/// let desc = BufferDesc { size: 4 * 256, usage: Usage::STORAGE, label: "tiles", ..BufferDesc::default() };
/// let tiles = DeviceBuffer::new(&device, &desc)?;
/// let mut staging = DeferredStagingBuffer::new(&device, 256, "tile")?;
/// for tile in 0..4u8 {
///     staging.map_async()?.wait(Timeout::FOREVER)?.result?;
///     staging.bytes()?.fill(tile);
///     let mut encoder = Encoder::new(&device);
///     staging.upload_to(&mut encoder, &tiles, 256 * u64::from(tile))?;
///     encoder.submit()?;
/// }
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct DeferredStagingBuffer(pub(crate) Staging);

impl DeferredStagingBuffer {
    /// `size` bytes, not mapped.
    pub fn new(device: &Device, size: u64, label: &str) -> Result<DeferredStagingBuffer> {
        Staging::new(device, size, label, false).map(DeferredStagingBuffer)
    }

    /// Asks for it to be mapped, as a whole: as soon as its last upload is done. What was written last is still there.
    pub fn map_async(&self) -> Result<Request> {
        self.0.buffer.map_async(MapMode::Write, 0, None)
    }

    /// Its bytes, to be written in place while it is mapped. Reading them may be slow.
    pub fn bytes(&mut self) -> Result<MappedRangeMut<'_>> {
        self.0.bytes()
    }

    /// Copies bytes into it, while it is mapped.
    ///
    /// ```
    /// # use backbuf::{Status, buffers::DeferredStagingBuffer, device::{Device, HostConfig}};
    /// # let device = Device::host(HostConfig::default())?;
    /// let mut staging = DeferredStagingBuffer::new(&device, 9, "")?;
    /// assert_eq!(staging.write(0, b"early").unwrap_err().status(), Status::State);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn write(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        self.0.write(offset, data)
    }

    /// Unmaps it, and records its copy to `offset` of a device buffer: all of its bytes, and no others.
    pub fn upload_to(&mut self, encoder: &mut Encoder<'_>, to: &DeviceBuffer, offset: u64) -> Result<()> {
        self.0.upload_to(encoder, to, offset)
    }

    /// Its bytes, counted.
    ///
    /// ```
    /// # use backbuf::{buffers::DeferredStagingBuffer, device::{Device, HostConfig}};
    /// # let device = Device::host(HostConfig::default())?;
    /// assert_eq!(DeferredStagingBuffer::new(&device, 9, "")?.size(), 9);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// Where it stands.
    ///
    /// ```
    /// # use backbuf::{buffers::{BufferState, DeferredStagingBuffer}, device::{Device, HostConfig}};
    /// # let device = Device::host(HostConfig::default())?;
    /// assert_eq!(DeferredStagingBuffer::new(&device, 9, "")?.state(), BufferState::Ready);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn state(&self) -> BufferState {
        self.0.buffer.state()
    }
}
