//! Staging buffers: mapped memory that the host writes and an encoder copies to device buffers.

use crate::alloc::Arc;
use crate::buffers::buffer::{Buffer, BufferDesc, BufferInner, CopyEnd, DeviceBuffer, padded};
use crate::buffers::encoder::Encoder;
use crate::buffers::map_state::BufferState;
use crate::buffers::range::MappedRangeMut;
use crate::buffers::request::Request;
use crate::device::device::Device;
use crate::device::driver::{MapMode, Usage};
use crate::error::{Error, Label, Result, Status};
use crate::sync::atomic::{AtomicU32, Ordering::*};

/// The common part of both kinds of staging buffers.
#[derive(Debug)]
pub(crate) struct StagingBuffer {
    buffer: Buffer,
    size: u64,
    /// Number of threads in `write`.
    writers: AtomicU32,
}

impl StagingBuffer {
    fn new(device: &Device, size: u64, label: &str, mapped_at_creation: bool) -> Result<StagingBuffer> {
        let usage = Usage::MAP_WRITE | Usage::COPY_SRC;
        let desc = BufferDesc { size, usage, mapped_at_creation, label };
        Ok(StagingBuffer { buffer: padded(device, &desc)?, size, writers: AtomicU32::new(0) })
    }

    fn bytes(&self) -> Result<MappedRangeMut<'_>> {
        Ok(self.buffer.range_mut(0, None)?.truncate(self.size as usize))
    }

    pub(crate) fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        let end = u128::from(offset) + data.len() as u128;
        if end > u128::from(self.size) {
            return Err(Error::beyond("offset + data", end, self.size, "bytes of the staging buffer"));
        }
        let inner = self.inner();
        let _mapped = inner.device.use_mapped()?;
        // SeqCst, before the state of the mapping is read: an upload, which ends the mapping under the same lock, either sees
        // this writer or is seen by it.
        self.writers.fetch_add(1, SeqCst);
        let written = self.raw_bytes().map(|(bytes, _)| {
            // SAFETY: inside of the mapping, which no upload ends while a writer is counted, of a device that is held.
            unsafe { bytes.add(offset as usize).copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        });
        self.writers.fetch_sub(1, Release);
        written
    }

    /// The first byte and the size, if the buffer is mapped. No range stays open.
    pub(crate) fn raw_bytes(&self) -> Result<(*mut u8, u64)> {
        let (bytes, _, number) = self.inner().open_range(0, None, true)?;
        self.inner().close_range(number);
        Ok((bytes.as_ptr(), self.size))
    }

    pub(crate) fn label(&self) -> Label {
        self.buffer.label()
    }

    pub(crate) fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    pub(crate) fn inner(&self) -> &Arc<BufferInner> {
        &self.buffer.inner
    }

    pub(crate) fn upload_to(&self, encoder: &mut Encoder<'_>, to: &CopyEnd, offset: u64) -> Result<()> {
        to.check("offset + bytes", offset, self.size)?;
        encoder.record(self.inner(), 0, &to.inner, offset, self.size)?;
        if self.inner().unmap_if(|_| self.writers.load(SeqCst) == 0) {
            return Ok(());
        }
        encoder.pop();
        let reason = "another thread is writing to the staging buffer; upload it after that";
        Err(Error::text(Status::Busy, reason))
    }
}

/// A staging buffer for one upload: mapped at creation, written, uploaded once. For data that is loaded once.
///
/// ```
/// use backbuf::buffers::{BufferDesc, DeviceBuffer, Encoder, ImmediateStagingBuffer};
/// use backbuf::device::{Device, HostConfig, Usage};
/// let device = Device::host(HostConfig::default())?;
/// let desc = BufferDesc { size: 1 << 20, usage: Usage::VERTEX, label: "mesh", ..BufferDesc::default() };
/// let mesh = DeviceBuffer::new(&device, &desc)?;
/// let mut staging = ImmediateStagingBuffer::new(&device, mesh.size(), "mesh")?;
/// staging.write(3, b"hello!")?;
/// assert_eq!(staging.bytes()?[..9], *b"\0\0\0hello!");
/// let mut encoder = Encoder::new(&device);
/// staging.upload_to(&mut encoder, &mesh, 0)?;
/// encoder.submit()?;
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct ImmediateStagingBuffer(pub(crate) StagingBuffer);

impl ImmediateStagingBuffer {
    /// A mapped staging buffer of `size` bytes, all zeros.
    pub fn new(device: &Device, size: u64, label: &str) -> Result<ImmediateStagingBuffer> {
        StagingBuffer::new(device, size, label, true).map(ImmediateStagingBuffer)
    }

    /// The bytes, to be written in place. Reading them may be slow.
    pub fn bytes(&mut self) -> Result<MappedRangeMut<'_>> {
        self.0.bytes()
    }

    /// Copies bytes into the staging buffer.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        self.0.write(offset, data)
    }

    /// Unmaps the staging buffer, and records the copy of all its bytes to `offset` of a device buffer.
    pub fn upload_to(&mut self, encoder: &mut Encoder<'_>, to: &DeviceBuffer, offset: u64) -> Result<()> {
        self.0.upload_to(encoder, &to.into(), offset)
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// The state of the buffer.
    pub fn state(&self) -> BufferState {
        self.0.buffer.state()
    }
}

/// A staging buffer for repeated uploads: mapped by request once the device has finished its last upload. For data that is
/// streamed: with two or more of them in rotation, the host writes one while the device copies from the others.
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
pub struct DeferredStagingBuffer(pub(crate) StagingBuffer);

impl DeferredStagingBuffer {
    /// An unmapped staging buffer of `size` bytes.
    pub fn new(device: &Device, size: u64, label: &str) -> Result<DeferredStagingBuffer> {
        StagingBuffer::new(device, size, label, false).map(DeferredStagingBuffer)
    }

    /// Requests a mapping of all bytes, which keep their content. The request completes as soon as the device has finished the
    /// last upload.
    pub fn map_async(&self) -> Result<Request> {
        self.0.buffer.map_async(MapMode::Write, 0, None)
    }

    /// The bytes, to be written in place while the buffer is mapped. Reading them may be slow.
    pub fn bytes(&mut self) -> Result<MappedRangeMut<'_>> {
        self.0.bytes()
    }

    /// Unmaps the staging buffer without an upload; its bytes are kept. A pending request completes with [`Status::Aborted`].
    pub fn unmap(&mut self) {
        self.0.inner().unmap();
    }

    /// Copies bytes into the staging buffer while it is mapped.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        self.0.write(offset, data)
    }

    /// Unmaps the staging buffer, and records the copy of all its bytes to `offset` of a device buffer.
    pub fn upload_to(&mut self, encoder: &mut Encoder<'_>, to: &DeviceBuffer, offset: u64) -> Result<()> {
        self.0.upload_to(encoder, &to.into(), offset)
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// The state of the buffer.
    pub fn state(&self) -> BufferState {
        self.0.buffer.state()
    }
}
