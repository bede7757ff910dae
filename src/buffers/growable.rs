//! A device buffer that grows.

use super::desc::BufferDesc;
use super::device_buffer::DeviceBuffer;
use super::encoder::Encoder;
use crate::alloc::Arc;
use crate::device::device::Device;
use crate::device::driver::Usage;
use crate::error::{Error, Label, Result, Status};

/// A device buffer that grows and keeps what it holds. Growing makes a new one, has the device copy the old bytes over, and
/// gives the old one back when the device is done with it: whoever has bound it looks at [`GrowableBuffer::generation`].
///
/// ```
/// use backbuf::{buffers::{BufferDesc, Encoder, GrowableBuffer}, device::{Device, HostConfig, Usage}};
/// let device = Device::host(HostConfig::default())?;
/// let desc = BufferDesc { size: 16, usage: Usage::VERTEX, label: "particles", ..BufferDesc::default() };
/// let mut particles = GrowableBuffer::new(&device, &desc)?;
/// let mut bound = particles.generation();
/// particles.reserve(1000)?;
/// if particles.generation() != bound {
///     bound = particles.generation(); // bind particles.buffer() anew
/// }
/// assert!(particles.size() >= 1000 && bound == 2);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct GrowableBuffer {
    device: Device,
    buffer: Arc<DeviceBuffer>,
    usage: Usage,
    label: Label,
    generation: u64,
}

impl GrowableBuffer {
    /// A buffer of zeros. COPY_SRC and COPY_DST are added.
    pub fn new(device: &Device, desc: &BufferDesc<'_>) -> Result<GrowableBuffer> {
        let usage = desc.usage | Usage::COPY_SRC;
        let buffer = DeviceBuffer::new(device, &BufferDesc { usage, ..*desc })?;
        Ok(GrowableBuffer {
            device: device.clone(),
            buffer: Arc::try_new(buffer).map_err(|_| Error::of(Status::OutOfMemory))?,
            usage,
            label: Label::new(desc.label),
            generation: 1,
        })
    }

    /// Makes sure of `size` bytes, and says whether it grew: at least to twice its size, so that a buffer that grows step by
    /// step is not copied at each. New bytes are zero. A copy that was recorded and not submitted names the old buffer, and is
    /// refused; where growing fails, nothing has changed.
    pub fn reserve(&mut self, size: u64) -> Result<bool> {
        let next = self.grown(size)?;
        let grew = next.is_some();
        if let Some(next) = next {
            *self = next;
        }
        Ok(grew)
    }

    /// What follows it where it has not `size` bytes. It stays as it is.
    pub(crate) fn grown(&self, size: u64) -> Result<Option<GrowableBuffer>> {
        let old = self.buffer.size();
        if size <= old {
            return Ok(None);
        }
        let most = self.device.info().limits.max_buffer_size;
        if size > most {
            return Err(Error::value(
                Status::Limit,
                "size",
                size,
                "is more than a buffer of this device can hold",
            ));
        }
        let size = size.max(old.saturating_mul(2)).min(most);
        let label = self.label;
        let desc = BufferDesc { size, usage: self.usage, mapped_at_creation: false, label: label.as_str() };
        let buffer = DeviceBuffer::new(&self.device, &desc)?;
        if old > 0 {
            let mut encoder = Encoder::new(&self.device);
            encoder.record(&self.buffer.buffer().inner, 0, &buffer.buffer().inner, 0, old)?;
            encoder.submit()?;
        }
        let buffer = Arc::try_new(buffer).map_err(|_| Error::of(Status::OutOfMemory))?;
        let (device, generation) = (self.device.clone(), self.generation + 1);
        Ok(Some(GrowableBuffer { device, buffer, generation, ..*self }))
    }

    /// The buffer of this generation, for as long as it is held.
    pub(crate) fn share(&self) -> Arc<DeviceBuffer> {
        self.buffer.clone()
    }

    /// The buffer of this generation.
    ///
    /// ```
    /// # use backbuf::{buffers::{BufferDesc, Encoder, GrowableBuffer}, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let desc = BufferDesc { size: 16, usage: Usage::VERTEX, ..BufferDesc::default() };
    /// let particles = GrowableBuffer::new(&device, &desc)?;
    /// Encoder::new(&device).write(particles.buffer(), 0, &[1; 16])?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn buffer(&self) -> &DeviceBuffer {
        &self.buffer
    }

    /// 1 for the buffer that was made first, and one more each time it grew.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Its bytes now.
    pub fn size(&self) -> u64 {
        self.buffer.size()
    }

    /// Its label.
    ///
    /// ```
    /// # use backbuf::{buffers::{BufferDesc, GrowableBuffer}, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// let desc = BufferDesc { size: 16, usage: Usage::VERTEX, label: "particles", ..BufferDesc::default() };
    /// assert_eq!(GrowableBuffer::new(&device, &desc)?.label().as_str(), "particles");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn label(&self) -> Label {
        self.label
    }
}
