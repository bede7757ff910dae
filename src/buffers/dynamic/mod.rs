//! Dynamic buffers: bytes that change with every frame, written while the device uses those of earlier frames.

pub(crate) mod ring;
pub(crate) mod state;

use std::ops::{Deref, DerefMut};

use crate::alloc::Arc;
use crate::buffers::buffer::Buffer;
use crate::buffers::dynamic::ring::{DynamicConfig, DynamicRing};
use crate::buffers::dynamic::state::{DynamicStatistics, RawSlice};
use crate::device::device::Device;
use crate::device::driver::Native;
use crate::error::{Label, Result};

/// Room for the bytes of the current frame: uniforms, particles, text. An update takes room in a ring, is written in place, and
/// is used by the work that is submitted after it. Nothing waits while the device is at most the ring's frames behind.
///
/// If the device has memory that host and device access at the same time (the host device, OpenGL with `glBufferStorage`),
/// updates are written to it directly. Otherwise they are written to host pages and copied together: by the submit that uses
/// them, or by [`DynamicBuffer::flush`].
///
/// ```
/// use backbuf::buffers::{DynamicBuffer, DynamicConfig};
/// use backbuf::device::{Device, HostConfig, Usage};
/// let device = Device::host(HostConfig::default())?;
/// let config = DynamicConfig { size: 64, usage: Usage::UNIFORM, ..DynamicConfig::default() };
/// let mut uniforms = DynamicBuffer::new(&device, &config)?;
/// for frame in 0..100u32 {
///     let mut update = uniforms.begin_update(4)?;
///     update.copy_from_slice(&frame.to_ne_bytes());
///     let (buffer, offset) = (update.native()?, update.offset()); // what a draw binds
///     drop(update); // the update ends
///     uniforms.flush()?;
///     // draw(buffer, offset)
///     uniforms.end_frame()?;
/// }
/// let statistics = uniforms.statistics();
/// assert_eq!((statistics.frames, statistics.updates, statistics.bytes), (100, 100, 400));
/// assert_eq!(device.statistics().buffers_created, 1);
/// # Ok::<(), backbuf::Error>(())
/// ```
///
/// An update cannot outlive its frame:
///
/// ```compile_fail,E0502
/// # use backbuf::{buffers::{DynamicBuffer, DynamicConfig}, device::{Device, HostConfig}};
/// # let device = Device::host(HostConfig::default()).unwrap();
/// # let mut uniforms = DynamicBuffer::new(&device, &DynamicConfig { size: 64, ..DynamicConfig::default() }).unwrap();
/// let mut update = uniforms.begin_update(4).unwrap();
/// uniforms.end_frame().unwrap();
/// update.fill(0);
/// ```
#[derive(Debug)]
pub struct DynamicBuffer {
    pub(crate) ring: Arc<DynamicRing>,
    size: u64,
}

impl DynamicBuffer {
    /// A ring of `frames` times `size` bytes.
    pub fn new(device: &Device, config: &DynamicConfig<'_>) -> Result<DynamicBuffer> {
        Ok(DynamicBuffer { ring: Arc::new(DynamicRing::new(device, config)?), size: config.size })
    }

    /// Begins an update: room for `bytes` bytes of this frame, aligned as the usage requires. They hold leftovers of earlier
    /// frames. An update larger than the ring gets a buffer of its own until the device has finished the frame.
    pub fn begin_update(&self, bytes: u64) -> Result<DynamicSlice<'_>> {
        let slice = self.ring.begin(bytes)?;
        match self.ring.device.use_mapped() {
            Ok(mapped) => mapped.hold(),
            Err(error) => {
                self.ring.finish(slice.native(), slice.offset, slice.frame)?;
                return Err(error);
            }
        }
        Ok(DynamicSlice { ring: &self.ring, slice })
    }

    /// Copies finished updates to the device, and makes the draws of this thread's context wait for them. For draws of the
    /// program's own; submits of an [`Encoder`](super::Encoder) do it themselves. Free where updates are written in place.
    pub fn flush(&self) -> Result<()> {
        self.ring.flush()
    }

    /// Ends the frame, after the work that uses its updates was submitted, or drawn by this thread. Its room is free again once
    /// the device has finished that work. A frame without updates costs nothing.
    pub fn end_frame(&mut self) -> Result<()> {
        DynamicRing::end_frame(&self.ring)
    }

    /// `size` of the configuration.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Size of the ring in bytes. It changes when the ring grows or shrinks.
    ///
    /// ```
    /// # use backbuf::{buffers::{DynamicBuffer, DynamicConfig}, device::{Device, HostConfig}};
    /// # let device = Device::host(HostConfig::default())?;
    /// let uniforms = DynamicBuffer::new(&device, &DynamicConfig { size: 100, frames: 3, ..DynamicConfig::default() })?;
    /// assert_eq!(uniforms.capacity(), 3 * 256, "each frame is aligned as uniforms are");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn capacity(&self) -> u64 {
        self.ring.capacity()
    }

    /// The label of the buffer.
    pub fn label(&self) -> Label {
        self.ring.label
    }

    /// The statistics.
    pub fn statistics(&self) -> DynamicStatistics {
        self.ring.statistics()
    }
}

/// The bytes of an update of this frame, for writing. Dropping it ends the update.
///
/// ```
/// use backbuf::{buffers::{DynamicBuffer, DynamicConfig}, device::{Device, HostConfig}};
/// let device = Device::host(HostConfig::default())?;
/// let uniforms = DynamicBuffer::new(&device, &DynamicConfig { size: 512, ..DynamicConfig::default() })?;
/// let (mut one, mut two) = (uniforms.begin_update(100)?, uniforms.begin_update(100)?);
/// one.fill(1);
/// two.fill(2);
/// assert_eq!((one.offset(), two.offset()), (0, 256));
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct DynamicSlice<'a> {
    ring: &'a DynamicRing,
    slice: RawSlice,
}

// SAFETY: the bytes belong to this update; any thread may write them.
unsafe impl Send for DynamicSlice<'_> {}
// SAFETY: as above; a shared reference only reads.
unsafe impl Sync for DynamicSlice<'_> {}

impl DynamicSlice<'_> {
    /// The driver's buffer that contains the bytes, for this frame: what a draw binds.
    pub fn native(&self) -> Result<Native> {
        self.slice.storage.buffer.native()
    }

    /// The buffer that contains the bytes, for this frame: for copies.
    ///
    /// # Safety
    ///
    /// Other updates write to the buffer in place, unknown to a copy. A copy from it is submitted after its updates have ended,
    /// and before the frame ends.
    ///
    /// ```
    /// # use backbuf::{buffers::*, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let usage = Usage::UNIFORM | Usage::COPY_SRC;
    /// # let uniforms = DynamicBuffer::new(&device, &DynamicConfig { size: 64, usage, ..DynamicConfig::default() })?;
    /// # let desc = BufferDesc { size: 64, usage: Usage::STORAGE, ..BufferDesc::default() };
    /// # let mesh = DeviceBuffer::new(&device, &desc)?;
    /// let mut encoder = Encoder::new(&device);
    /// let mut update = uniforms.begin_update(64)?;
    /// update.fill(7);
    /// // SAFETY: it is submitted below, after the update has ended, in the same frame.
    /// encoder.copy(unsafe { update.buffer() }, update.offset(), mesh.buffer(), 0, 64)?;
    /// drop(update);
    /// encoder.submit()?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub unsafe fn buffer(&self) -> &Buffer {
        &self.slice.storage.buffer
    }

    /// Offset of the bytes in the buffer.
    pub fn offset(&self) -> u64 {
        self.slice.offset
    }
}

impl Drop for DynamicSlice<'_> {
    fn drop(&mut self) {
        let RawSlice { offset, frame, .. } = self.slice;
        // The frame cannot have ended: that takes a mutable reference to the buffer, which this update borrows.
        let _ = self.ring.finish(self.slice.native(), offset, frame);
        self.ring.device.return_mapped();
    }
}

impl Deref for DynamicSlice<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the room belongs to this update until its frame has passed, and the frame cannot end while the update
        // borrows the buffer; the end of the device leaves the memory that updates hold; and `Device::run` requires that
        // borrowed bytes are left alone.
        unsafe { std::slice::from_raw_parts(self.slice.data(), self.slice.bytes as usize) }
    }
}

impl DerefMut for DynamicSlice<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.slice.data(), self.slice.bytes as usize) }
    }
}
