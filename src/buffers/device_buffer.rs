//! Memory that the device alone uses.

use super::buffer::Buffer;
use super::desc::BufferDesc;
use crate::device::device::Device;
use crate::device::driver::Usage;
use crate::error::{Error, Result, Status};

/// A buffer in the device's own memory, of any size: the host never maps it. It is filled through staging buffers, so COPY_DST
/// is added to its usage.
///
/// ```
/// use backbuf::{buffers::{BufferDesc, DeviceBuffer}, device::{Device, HostConfig, Usage}};
/// let device = Device::host(HostConfig::default())?;
/// let desc = BufferDesc { size: 61, usage: Usage::VERTEX, label: "mesh", ..BufferDesc::default() };
/// let mesh = DeviceBuffer::new(&device, &desc)?;
/// assert_eq!(mesh.buffer().usage(), Usage::VERTEX | Usage::COPY_DST);
/// # Ok::<(), backbuf::Error>(())
/// ```
///
/// It cannot be mapped:
///
/// ```compile_fail,E0599
/// # use backbuf::{buffers::{BufferDesc, DeviceBuffer}, device::{Device, HostConfig, MapMode, Usage}};
/// # let device = Device::host(HostConfig::default()).unwrap();
/// # let desc = BufferDesc { size: 61, usage: Usage::VERTEX, ..BufferDesc::default() };
/// DeviceBuffer::new(&device, &desc).unwrap().map_async(MapMode::Write, 0, None);
/// ```
#[derive(Debug)]
pub struct DeviceBuffer {
    buffer: Buffer,
    size: u64,
}

impl DeviceBuffer {
    /// A buffer of zeros.
    pub fn new(device: &Device, desc: &BufferDesc<'_>) -> Result<DeviceBuffer> {
        if desc.mapped_at_creation {
            let why = "a DeviceBuffer is never mapped; fill it through a staging buffer";
            return Err(Error::param(Status::Argument, "mapped_at_creation", why));
        }
        let usage = desc.usage | Usage::COPY_DST;
        Ok(DeviceBuffer { buffer: padded(device, &BufferDesc { usage, ..*desc })?, size: desc.size })
    }

    /// Its bytes.
    ///
    /// ```
    /// # use backbuf::{buffers::{BufferDesc, DeviceBuffer}, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let desc = BufferDesc { size: 61, usage: Usage::VERTEX, ..BufferDesc::default() };
    /// assert_eq!(DeviceBuffer::new(&device, &desc)?.size(), 61);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The buffer below, whose size is a multiple of 4: for copies of one's own, and for the driver.
    ///
    /// ```
    /// # use backbuf::{buffers::{BufferDesc, DeviceBuffer}, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let desc = BufferDesc { size: 61, usage: Usage::VERTEX, ..BufferDesc::default() };
    /// assert_eq!(DeviceBuffer::new(&device, &desc)?.buffer().size(), 64);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// An error unless it has those bytes.
    pub(crate) fn check(&self, name: &'static str, offset: u64, bytes: u64) -> Result<()> {
        let end = u128::from(offset) + u128::from(bytes);
        if end > u128::from(self.size) {
            return Err(Error::beyond(name, end, self.size, "bytes of the buffer"));
        }
        Ok(())
    }
}

/// A buffer that is as large as the memory below it.
pub(crate) fn padded(device: &Device, desc: &BufferDesc<'_>) -> Result<Buffer> {
    // What is too large to be padded is refused as it is.
    let size = desc.size.checked_next_multiple_of(4).unwrap_or(desc.size);
    Buffer::new(device, &BufferDesc { size, ..*desc })
}
