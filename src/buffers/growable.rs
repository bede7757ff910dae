//! Device buffers that grow and keep their content.

use crate::alloc::Arc;
use crate::buffers::buffer::{BufferDesc, DeviceBuffer, TOO_LARGE};
use crate::buffers::encoder::Encoder;
use crate::device::device::Device;
use crate::device::driver::Usage;
use crate::error::{Error, Label, Result, Status};

/// A device buffer that grows and keeps its content. Growing makes a new buffer, has the device copy the old bytes, and frees the
/// old buffer once the device has finished with it. Code that has bound the buffer compares [`GrowableBuffer::generation`].
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
    /// A buffer of zeros. COPY_SRC and COPY_DST are added to its usage.
    pub fn new(device: &Device, desc: &BufferDesc<'_>) -> Result<GrowableBuffer> {
        let usage = desc.usage | Usage::COPY_SRC;
        let buffer = Arc::new(DeviceBuffer::new(device, &BufferDesc { usage, ..*desc })?);
        let (device, label) = (device.clone(), Label::new(desc.label));
        Ok(GrowableBuffer { device, buffer, usage, label, generation: 1 })
    }

    /// Ensures a size of at least `size` bytes, and returns whether the buffer grew. It grows at least to twice its size, so
    /// that repeated small growth does not copy each time. New bytes are zero. A recorded copy that was not submitted uses the
    /// old buffer and is refused. If growing fails, nothing changes.
    pub fn reserve(&mut self, size: u64) -> Result<bool> {
        let next = self.grown(size)?;
        let grew = next.is_some();
        if let Some(next) = next {
            *self = next;
        }
        Ok(grew)
    }

    /// The next generation, if this one has fewer than `size` bytes. This one does not change.
    pub(crate) fn grown(&self, size: u64) -> Result<Option<GrowableBuffer>> {
        let old = self.buffer.size();
        if size <= old {
            return Ok(None);
        }
        let largest = self.device.info().limits.max_buffer_size;
        if size > largest {
            return Err(Error::value(Status::Limit, "size", size, TOO_LARGE));
        }
        let size = size.max(old.saturating_mul(2)).min(largest);
        let label = self.label.as_str();
        let desc = BufferDesc { size, usage: self.usage, mapped_at_creation: false, label };
        let buffer = DeviceBuffer::new(&self.device, &desc)?;
        if old > 0 {
            let mut encoder = Encoder::new(&self.device);
            encoder.copy_bytes(&self.buffer, 0, &buffer, 0, old)?;
            encoder.submit()?;
        }
        let (device, buffer) = (self.device.clone(), Arc::new(buffer));
        Ok(Some(GrowableBuffer { device, buffer, generation: self.generation + 1, ..*self }))
    }

    /// The buffer of this generation, kept alive by the reference.
    pub(crate) fn share(&self) -> Arc<DeviceBuffer> {
        self.buffer.clone()
    }

    /// The buffer of this generation.
    pub fn buffer(&self) -> &DeviceBuffer {
        &self.buffer
    }

    /// 1 for the first buffer, plus 1 for each growth.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.buffer.size()
    }

    /// The label of the buffer.
    pub fn label(&self) -> Label {
        self.label
    }
}
