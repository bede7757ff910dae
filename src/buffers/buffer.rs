//! The handle of a buffer.

use super::desc::BufferDesc;
use super::inner::Inner;
use super::machine::BufferState;
use super::range::{MappedRange, MappedRangeMut};
use super::request::Request;
use crate::alloc::Arc;
use crate::device::device::Device;
use crate::device::driver::{MapMode, Native, Usage};
use crate::error::{Label, Result};

/// Memory that host and device use by turns, by WebGPU's rules. While it is mapped, its bytes are the host's; while it is
/// not, work that is submitted may use it. Dropping it gives the memory back once the device is done with it.
///
/// A range cannot outlive the mapping that it belongs to:
///
/// ```compile_fail,E0502
/// # use backbuf::{buffers::{Buffer, BufferDesc}, device::{Device, HostConfig, Usage}};
/// # let device = Device::host(HostConfig::default()).unwrap();
/// # let desc = BufferDesc { size: 64, usage: Usage::VERTEX, mapped_at_creation: true, label: "" };
/// let mut buffer = Buffer::new(&device, &desc).unwrap();
/// let range = buffer.range(0, None).unwrap();
/// buffer.unmap();
/// println!("{}", range[0]);
/// ```
#[derive(Debug)]
pub struct Buffer {
    pub(crate) inner: Arc<Inner>,
}

impl Buffer {
    /// A buffer of zeros.
    ///
    /// ```
    /// use backbuf::{buffers::{Buffer, BufferDesc, BufferState}, device::{Device, HostConfig, Usage}};
    /// let device = Device::host(HostConfig::default())?;
    /// let desc = BufferDesc { size: 64, usage: Usage::VERTEX, mapped_at_creation: true, label: "triangle" };
    /// let mut buffer = Buffer::new(&device, &desc)?;
    /// buffer.range_mut(0, None)?[..5].copy_from_slice(b"bytes");
    /// buffer.unmap();
    /// assert_eq!(buffer.state(), BufferState::Ready);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn new(device: &Device, desc: &BufferDesc<'_>) -> Result<Buffer> {
        Ok(Buffer { inner: Inner::new(device, desc)? })
    }

    /// Asks for `size` bytes at `offset` to be mapped, or for the rest: as soon as the work that uses the buffer is done.
    /// Offsets are multiples of 8, sizes of 4; the usage has MAP_READ or MAP_WRITE. Refused at once while the buffer is not
    /// ready. See [`Request`].
    pub fn map_async(&self, mode: MapMode, offset: u64, size: Option<u64>) -> Result<Request> {
        Inner::map_async(&self.inner, mode, offset, size)
    }

    /// Mapped bytes, to be read. Offsets count from the beginning of the buffer and are multiples of 8, sizes of 4. It may
    /// overlap others like it.
    ///
    /// ```
    /// # use backbuf::{buffers::{Buffer, BufferDesc}, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let desc = BufferDesc { size: 64, usage: Usage::VERTEX, mapped_at_creation: true, label: "" };
    /// let buffer = Buffer::new(&device, &desc)?;
    /// assert_eq!(buffer.range(8, Some(4))?[..], [0; 4]);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn range(&self, offset: u64, size: Option<u64>) -> Result<MappedRange<'_>> {
        MappedRange::new(&self.inner, offset, size)
    }

    /// Mapped bytes, to be written: as [`Buffer::range`], but it overlaps no other, and the mapping is for writing.
    ///
    /// ```
    /// # use backbuf::{Status, buffers::{Buffer, BufferDesc}, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let desc = BufferDesc { size: 64, usage: Usage::VERTEX, mapped_at_creation: true, label: "" };
    /// let buffer = Buffer::new(&device, &desc)?;
    /// let (mut one, mut other) = (buffer.range_mut(0, Some(32))?, buffer.range_mut(32, None)?);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| one.fill(1));
    ///     scope.spawn(|| other.fill(2));
    /// });
    /// assert_eq!(buffer.range(0, None).unwrap_err().status(), Status::Busy);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn range_mut(&self, offset: u64, size: Option<u64>) -> Result<MappedRangeMut<'_>> {
        MappedRangeMut::new(&self.inner, offset, size)
    }

    /// Gives the bytes to the device. A pending request is answered with [`Status::Aborted`](crate::Status::Aborted). Never
    /// fails, and does nothing if there is nothing to do.
    ///
    /// ```
    /// # use backbuf::{buffers::{Buffer, BufferDesc, BufferState}, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let desc = BufferDesc { size: 64, usage: Usage::VERTEX, mapped_at_creation: true, label: "" };
    /// let mut buffer = Buffer::new(&device, &desc)?;
    /// buffer.unmap();
    /// buffer.unmap();
    /// assert_eq!(buffer.state(), BufferState::Ready);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn unmap(&mut self) {
        self.inner.unmap();
    }

    /// Gives the memory back once the device is done with it; the handle stays. A pending request is answered with
    /// [`Status::Aborted`](crate::Status::Aborted). Never fails, and does nothing the second time.
    ///
    /// ```
    /// # use backbuf::{buffers::{Buffer, BufferDesc, BufferState}, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let desc = BufferDesc { size: 64, usage: Usage::VERTEX, ..BufferDesc::default() };
    /// let mut buffer = Buffer::new(&device, &desc)?;
    /// buffer.destroy();
    /// assert_eq!((buffer.state(), buffer.size()), (BufferState::Destroyed, 64));
    /// assert_eq!(device.live_buffers()?, []);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn destroy(&mut self) {
        self.inner.destroy();
    }

    /// Where it stands.
    ///
    /// ```
    /// # use backbuf::{buffers::{Buffer, BufferDesc, BufferState}, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let desc = BufferDesc { size: 64, usage: Usage::VERTEX, ..BufferDesc::default() };
    /// assert_eq!(Buffer::new(&device, &desc)?.state(), BufferState::Ready);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn state(&self) -> BufferState {
        self.inner.state()
    }

    /// Its bytes.
    ///
    /// ```
    /// # use backbuf::{buffers::{Buffer, BufferDesc}, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let desc = BufferDesc { size: 61, usage: Usage::VERTEX, ..BufferDesc::default() };
    /// assert_eq!(Buffer::new(&device, &desc)?.size(), 61);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn size(&self) -> u64 {
        self.inner.size
    }

    /// What it is for.
    ///
    /// ```
    /// # use backbuf::{buffers::{Buffer, BufferDesc}, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let desc = BufferDesc { size: 64, usage: Usage::VERTEX, ..BufferDesc::default() };
    /// assert_eq!(Buffer::new(&device, &desc)?.usage(), Usage::VERTEX);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn usage(&self) -> Usage {
        self.inner.usage
    }

    /// Its label.
    ///
    /// ```
    /// # use backbuf::{buffers::{Buffer, BufferDesc}, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let desc = BufferDesc { size: 64, usage: Usage::VERTEX, label: "mesh", ..BufferDesc::default() };
    /// assert_eq!(Buffer::new(&device, &desc)?.label().as_str(), "mesh");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn label(&self) -> Label {
        self.inner.label
    }

    /// What it is to the driver: a GL name, an address. For work of the caller's own, once the buffer is ready.
    ///
    /// ```
    /// # use backbuf::{Timeout, buffers::{Buffer, BufferDesc}, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let desc = BufferDesc { size: 64, usage: Usage::COPY_DST, ..BufferDesc::default() };
    /// let buffer = Buffer::new(&device, &desc)?;
    /// let native = buffer.native()?;
    /// // SAFETY: no bytes of it are borrowed.
    /// unsafe { device.run(Timeout::FOREVER, |driver| driver.write(native, 0, b"by hand"))? };
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn native(&self) -> Result<Native> {
        self.inner.native()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // Encoders may keep the rest of it: to them it is destroyed.
        self.inner.destroy();
    }
}
