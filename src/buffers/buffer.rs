//! Buffers of a device: creation, states and destruction of mappable and of device-only buffers.
//!
//! [`Buffer`] is the handle. [`BufferInner`] is what the handle, its map requests, its ranges and the encoders that use it
//! share. Destroying a buffer aborts its pending map request, ends its mapping, and frees the memory once the device has
//! finished the work that uses it.

use std::ptr::NonNull;

use crate::alloc::Arc;
use crate::buffers::map_state::{BufferState, MapOutcome, MapState, SIZE_ALIGN};
use crate::buffers::pending_writes::PendingWrites;
use crate::buffers::promise::Promise;
use crate::device::device::Device;
use crate::device::driver::{DeviceLimits, Driver, Fence, MapMode, Native, Usage};
use crate::error::{Error, Label, Result, Status};
use crate::handle::live_list::{Linked, LiveList};
use crate::sync::atomic::{AtomicBool, AtomicPtr, Ordering::*};
use crate::sync::mutex::{FutexMutex, FutexMutexGuard};

/// Parameters of a new buffer.
///
/// ```
/// use backbuf::{buffers::{Buffer, BufferDesc}, device::{Device, HostConfig, Usage}};
/// let device = Device::host(HostConfig::default())?;
/// let usage = Usage::MAP_WRITE | Usage::COPY_SRC;
/// let buffer = Buffer::new(&device, &BufferDesc { size: 64, usage, ..BufferDesc::default() })?;
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BufferDesc<'a> {
    /// Size in bytes; 0 is legal.
    pub size: u64,
    /// The uses of the buffer.
    pub usage: Usage,
    /// Whether the whole buffer is mapped for writing at creation, all zeros. Allowed with any usage.
    pub mapped_at_creation: bool,
    /// Name in errors, logs and reports.
    pub label: &'a str,
}

impl BufferDesc<'_> {
    fn check(&self, limits: &DeviceLimits) -> Result<()> {
        let refused = |reason| Err(Error::value(Status::Argument, "usage", self.usage.bits(), reason));
        let combined = |map: Usage, with: Usage| {
            self.usage.contains(map) && (self.usage.bits() & !(map | with).bits()) != 0
        };
        if self.usage == Usage::NONE {
            return refused("at least one flag is required");
        }
        if combined(Usage::MAP_READ, Usage::COPY_DST) {
            return refused("MAP_READ can be combined with COPY_DST only");
        }
        if combined(Usage::MAP_WRITE, Usage::COPY_SRC) {
            return refused("MAP_WRITE can be combined with COPY_SRC only");
        }
        if self.size > limits.max_buffer_size {
            return Err(Error::value(Status::Limit, "size", self.size, TOO_LARGE));
        }
        if self.mapped_at_creation && !self.size.is_multiple_of(SIZE_ALIGN) {
            return Err(Error::align("size", self.size, SIZE_ALIGN));
        }
        Ok(())
    }

    /// Bytes of the driver's buffer: whole words, and at least one.
    fn native_size(&self) -> u64 {
        self.size.max(1).next_multiple_of(SIZE_ALIGN)
    }
}

pub(crate) const TOO_LARGE: &str = "exceeds the largest buffer of this device";

/// The live buffers of this process.
pub(crate) static BUFFERS: LiveList<BufferInner> = LiveList::new();

/// The first of the bytes that the host accesses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostPtr(pub(crate) NonNull<u8>);

// SAFETY: an address. The map state decides which threads access the memory behind it.
unsafe impl Send for HostPtr {}
// SAFETY: as above.
unsafe impl Sync for HostPtr {}

/// State under the lock of a buffer. The device's owner thread takes the lock, so its holders never wait for that thread.
#[derive(Debug)]
pub(crate) struct Locked {
    pub(crate) map: MapState,
    /// The first mapped byte.
    pub(crate) data: HostPtr,
    /// The promise of the pending map request.
    pub(crate) pending: Option<Promise<MapOutcome>>,
    /// The fence of the last submit that uses the buffer.
    pub(crate) last_use: Fence,
}

/// What the handle of a buffer, its map requests, its ranges and encoders share.
#[derive(Debug)]
pub(crate) struct BufferInner {
    pub(crate) device: Device,
    pub(crate) native: Native,
    pub(crate) size: u64,
    pub(crate) usage: Usage,
    pub(crate) label: Label,
    locked: FutexMutex<Locked>,
    /// Whether the driver has the buffer mapped. `unmap` leaves that to the driver's next use of the buffer. Accessed on the
    /// owner thread only.
    pub(crate) driver_mapped: AtomicBool,
    /// The writes of a buffer that the host writes at any time, where the device has no memory for that.
    pub(crate) pending_writes: Option<PendingWrites>,
    next: AtomicPtr<BufferInner>,
}

impl Linked for BufferInner {
    fn next(&self) -> &AtomicPtr<BufferInner> {
        &self.next
    }
}

impl BufferInner {
    pub(crate) fn new(device: &Device, desc: &BufferDesc<'_>) -> Result<Arc<BufferInner>> {
        desc.check(&device.info().limits)?;
        let mapped = desc.mapped_at_creation && desc.size > 0;
        let create = |driver: &mut dyn Driver| {
            let (bytes, usage, label) = (desc.native_size(), desc.usage, desc.label);
            if mapped {
                driver.create_mapped(bytes, usage, label).map(|(native, data)| (native, HostPtr(data)))
            } else {
                Ok((driver.create(bytes, usage, label)?, HostPtr(NonNull::dangling())))
            }
        };
        let (native, data) = device.call_untimed(create)?;
        BufferInner::wrap(device, desc, native, data, mapped, None)
    }

    /// A buffer that the host writes while the device uses it: in memory that both access if the device has such, otherwise
    /// in pages that are copied to the device before it uses them. Its usage has no MAP flag.
    pub(crate) fn persistent(device: &Device, desc: &BufferDesc<'_>) -> Result<(Arc<BufferInner>, HostPtr)> {
        desc.check(&device.info().limits)?;
        let create = |driver: &mut dyn Driver| {
            Ok(match driver.create_persistent(desc.native_size(), desc.usage, desc.label)? {
                Some((native, data)) => (native, Some(HostPtr(data))),
                None => (driver.create(desc.native_size(), desc.usage, desc.label)?, None),
            })
        };
        let (native, shared) = device.call_untimed(create)?;
        let (data, pending) = match shared {
            Some(data) => (data, None),
            None => {
                let pending = PendingWrites::new(desc.native_size());
                let pending = pending.inspect_err(|_| device.retire(native))?;
                (HostPtr(pending.data()), Some(pending))
            }
        };
        Ok((BufferInner::wrap(device, desc, native, data, false, pending)?, data))
    }

    fn wrap(
        device: &Device,
        desc: &BufferDesc<'_>,
        native: Native,
        data: HostPtr,
        driver_mapped: bool,
        pending_writes: Option<PendingWrites>,
    ) -> Result<Arc<BufferInner>> {
        let mut map = MapState::new(desc.size, desc.usage);
        map.created(desc.mapped_at_creation);
        let inner = Arc::new(BufferInner {
            device: device.clone(),
            native,
            size: desc.size,
            usage: desc.usage,
            label: Label::new(desc.label),
            locked: FutexMutex::new(Locked { map, data, pending: None, last_use: Fence(0) }),
            driver_mapped: AtomicBool::new(driver_mapped),
            pending_writes,
            next: AtomicPtr::new(std::ptr::null_mut()),
        });
        BUFFERS.add(&inner)?;
        Ok(inner)
    }

    pub(crate) fn lock(&self) -> FutexMutexGuard<'_, Locked> {
        self.locked.lock()
    }

    pub(crate) fn state(&self) -> BufferState {
        self.state_of(&self.lock())
    }

    /// The state, unless another thread holds the lock.
    pub(crate) fn try_state(&self) -> Option<BufferState> {
        self.locked.try_lock().map(|locked| self.state_of(&locked))
    }

    /// The end of a device frees the memory of its buffers.
    pub(crate) fn state_of(&self, locked: &Locked) -> BufferState {
        if self.device.has_ended() { BufferState::Destroyed } else { locked.map.state() }
    }

    /// Prepares the buffer for the driver: unmaps it if only the driver still has it mapped, and copies the finished
    /// writes. On the owner thread only.
    pub(crate) fn prepare(&self, driver: &mut dyn Driver) -> Result<()> {
        if self.driver_mapped.swap(false, Relaxed) {
            driver.unmap(self.native)?;
        }
        self.pending_writes.as_ref().map_or(Ok(()), |writes| writes.flush(driver, self.native))
    }

    pub(crate) fn unmap(&self) {
        self.unmap_if(|_| true);
    }

    /// Unmaps if this mapping still exists.
    pub(crate) fn unmap_only(&self, number: u64) {
        self.unmap_if(|map| map.mapping().is_some_and(|(current, _)| current == number));
    }

    /// Unmaps if `may`, evaluated under the lock, allows it.
    pub(crate) fn unmap_if(&self, may: impl FnOnce(&MapState) -> bool) -> bool {
        let locked = self.lock();
        let may = may(&locked.map);
        if may {
            self.end_mapping(locked, "the buffer was unmapped before the map request completed");
        }
        may
    }

    /// Unmaps, and completes a pending request with [`Status::Aborted`] and this reason.
    pub(crate) fn unmap_because(&self, reason: &'static str) {
        self.end_mapping(self.lock(), reason);
    }

    fn end_mapping(&self, mut locked: FutexMutexGuard<'_, Locked>, reason: &'static str) {
        locked.map.unmap();
        let (pending, state) = (locked.pending.take(), locked.map.state());
        drop(locked);
        self.complete(pending, Err(Error::text(Status::Aborted, reason)), state);
    }

    pub(crate) fn destroy(&self) {
        let mut locked = self.lock();
        if !locked.map.destroy() {
            return;
        }
        let pending = locked.pending.take();
        drop(locked);
        self.device.retire(self.native);
        let error = Error::text(Status::Aborted, "the buffer was destroyed before the map request completed");
        self.complete(pending, Err(error), BufferState::Destroyed);
    }

    /// Completes a map request, which runs its callback: no lock may be held.
    pub(crate) fn complete(
        &self,
        pending: Option<Promise<MapOutcome>>,
        result: Result<()>,
        state: BufferState,
    ) {
        if let Some(promise) = pending {
            promise.complete(self.outcome(result, state));
        }
    }

    pub(crate) fn outcome(&self, result: Result<()>, state: BufferState) -> MapOutcome {
        MapOutcome { result, label: self.label, state }
    }

    /// The mapping: its number, its mode, its first byte and its size. Opens no range.
    pub(crate) fn mapping(&self) -> Result<Option<(u64, MapMode, *mut u8, u64)>> {
        let locked = self.lock();
        let Some((number, mode)) = locked.map.mapping() else { return Ok(None) };
        match self.device.lost() {
            Some(lost) => Err(lost),
            None => Ok(Some((number, mode, locked.data.0.as_ptr(), locked.map.bytes().len()))),
        }
    }

    /// The driver's buffer, prepared for use.
    pub(crate) fn native(&self) -> Result<Native> {
        self.device.call_untimed(|driver| {
            let locked = self.lock();
            locked.map.check_usable("buffer", self.label.as_str())?;
            self.prepare(driver)
        })?;
        Ok(self.native)
    }
}

impl Drop for BufferInner {
    fn drop(&mut self) {
        BUFFERS.remove(self);
        self.destroy();
    }
}

/// Memory that the host and the device use in turn, by WebGPU's rules. While it is mapped, the host accesses its bytes; while
/// it is not, submitted work may use it. Dropping it frees the memory once the device has finished the work that uses it.
///
/// A range cannot outlive its mapping:
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
    pub(crate) inner: Arc<BufferInner>,
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
        Ok(Buffer { inner: BufferInner::new(device, desc)? })
    }

    /// Returns the bytes to the device. A pending request completes with [`Status::Aborted`]. Never fails; does nothing if
    /// the buffer is not mapped.
    pub fn unmap(&mut self) {
        self.inner.unmap();
    }

    /// Frees the memory once the device has finished the work that uses it; the handle stays. A pending request completes
    /// with [`Status::Aborted`]. Never fails; does nothing the second time.
    pub fn destroy(&mut self) {
        self.inner.destroy();
    }

    /// The state of the buffer.
    pub fn state(&self) -> BufferState {
        self.inner.state()
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.inner.size
    }

    /// The uses of the buffer.
    pub fn usage(&self) -> Usage {
        self.inner.usage
    }

    /// The label of the buffer.
    pub fn label(&self) -> Label {
        self.inner.label
    }

    /// The driver's buffer, for work of the caller's own: a GL name, an address. The buffer must be ready.
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
        // Encoders may hold the inner part: to them the buffer is destroyed.
        self.inner.destroy();
    }
}

/// A buffer of any size that only the device accesses. It is never mapped. Staging buffers and [`Encoder::write`] fill it, so
/// COPY_DST is added to its usage.
///
/// [`Encoder::write`]: super::Encoder::write
///
/// ```
/// use backbuf::{buffers::{BufferDesc, DeviceBuffer}, device::{Device, HostConfig, Usage}};
/// let device = Device::host(HostConfig::default())?;
/// let desc = BufferDesc { size: 61, usage: Usage::VERTEX, label: "mesh", ..BufferDesc::default() };
/// let mesh = DeviceBuffer::new(&device, &desc)?;
/// assert_eq!((mesh.size(), mesh.buffer().size()), (61, 64));
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
            let reason = "must be false: a device buffer is never mapped; fill it through a staging buffer";
            return Err(Error::param(Status::Argument, "mapped_at_creation", reason));
        }
        let usage = desc.usage | Usage::COPY_DST;
        Ok(DeviceBuffer { buffer: padded(device, &BufferDesc { usage, ..*desc })?, size: desc.size })
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The underlying buffer, whose size is rounded up to a multiple of 4: for [`Encoder::copy`](super::Encoder::copy) and for
    /// the driver.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }
}

/// The source or destination of a copy: the memory of a buffer of either class, and its size without padding.
#[derive(Clone, Debug)]
pub(crate) struct CopyEnd {
    pub(crate) inner: Arc<BufferInner>,
    size: u64,
}

impl CopyEnd {
    /// Fails unless the buffer has these bytes.
    pub(crate) fn check(&self, param: &'static str, offset: u64, bytes: u64) -> Result<()> {
        let end = u128::from(offset) + u128::from(bytes);
        if end > u128::from(self.size) {
            return Err(Error::beyond(param, end, self.size, "bytes of the buffer"));
        }
        Ok(())
    }
}

impl From<&DeviceBuffer> for CopyEnd {
    fn from(buffer: &DeviceBuffer) -> CopyEnd {
        CopyEnd { inner: buffer.buffer.inner.clone(), size: buffer.size }
    }
}

impl From<&Buffer> for CopyEnd {
    fn from(buffer: &Buffer) -> CopyEnd {
        CopyEnd { inner: buffer.inner.clone(), size: buffer.inner.size }
    }
}

/// A buffer whose size is rounded up to that of its memory, so that copies may touch whole words.
pub(crate) fn padded(device: &Device, desc: &BufferDesc<'_>) -> Result<Buffer> {
    // A size too large to be rounded is refused as it is.
    let size = desc.size.checked_next_multiple_of(SIZE_ALIGN).unwrap_or(desc.size);
    Buffer::new(device, &BufferDesc { size, ..*desc })
}
