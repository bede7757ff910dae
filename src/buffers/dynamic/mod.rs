//! Bytes that change with every frame: written in place while the device still uses those of the frames before.

pub(crate) mod frame;
pub(crate) mod ring;
pub(crate) mod statistics;

use std::ops::{Deref, DerefMut};

use super::buffer::Buffer;
use super::storage::Claim;
use crate::alloc::Arc;
use crate::buffers::dynamic::ring::Ring;
use crate::device::device::Device;
use crate::device::driver::{Native, Usage};
use crate::error::{Error, Label, Result, Status};
use crate::sys::clock::Timeout;

pub use statistics::DynamicStatistics;

/// What a ring does that is full of frames which the device has not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingPolicy {
    /// An update says [`Status::Full`].
    Fail,
    /// An update waits for the oldest frame, at most that long.
    Block(Timeout),
    /// The ring gets larger storage, up to that many bytes, and then it says [`Status::Full`]. It shrinks again when it is idle.
    Grow {
        /// Bytes of it at most.
        most: u64,
    },
}

/// How a dynamic buffer is made.
///
/// ```
/// use backbuf::{buffers::{DynamicBuffer, DynamicConfig}, device::{Device, HostConfig, Usage}};
/// let device = Device::host(HostConfig::default())?;
/// let config = DynamicConfig { size: 4096, usage: Usage::UNIFORM, label: "camera", ..DynamicConfig::default() };
/// let uniforms = DynamicBuffer::new(&device, &config)?;
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DynamicConfig<'a> {
    /// Bytes that a frame writes, more or less.
    pub size: u64,
    /// What they are for; COPY_DST is added.
    pub usage: Usage,
    /// Frames that may be in flight, 1 to 16: the ring has that many times `size`. Fences guard the bytes, not this number.
    pub frames: u32,
    /// What happens when there is no room.
    pub policy: RingPolicy,
    /// Named in errors, logs and reports.
    pub label: &'a str,
}

impl Default for DynamicConfig<'_> {
    fn default() -> Self {
        let policy = RingPolicy::Block(Timeout::nanos(1_000_000_000));
        DynamicConfig { size: 0, usage: Usage::UNIFORM, frames: 3, policy, label: "" }
    }
}

/// Bytes for the frame that is being made: uniforms, particles, text. An update takes room in a ring, is written in place, and is
/// used by what is submitted after it; nothing waits as long as the device is no more than the ring's frames behind.
///
/// Where the device has memory for both (the host, OpenGL with `glBufferStorage`) an update is written straight to it. Elsewhere
/// it is written beside it, and what a frame has written is copied over at once: by the submit that uses it, or by
/// [`DynamicBuffer::flush`].
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
///     drop(update); // it is written
///     uniforms.flush()?;
///     // draw(buffer, offset)
///     uniforms.end_frame()?;
/// }
/// assert_eq!(uniforms.statistics().frames, 100);
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
    pub(crate) ring: Arc<Ring>,
    size: u64,
}

/// The most frames in flight.
const MOST_FRAMES: u32 = 16;

impl DynamicBuffer {
    /// A ring for `frames` times `size` bytes.
    pub fn new(device: &Device, config: &DynamicConfig<'_>) -> Result<DynamicBuffer> {
        if !(1..=MOST_FRAMES).contains(&config.frames) {
            return Err(Error::value(Status::Argument, "frames", config.frames, "a ring has 1 to 16 frames"));
        }
        if config.usage == Usage::NONE {
            let why = "a buffer is for something";
            return Err(Error::value(Status::Argument, "usage", config.usage.bits(), why));
        }
        if config.usage.intersects(Usage::MAP_READ | Usage::MAP_WRITE) {
            let why = "a dynamic buffer is never mapped: leave out MAP_READ and MAP_WRITE";
            return Err(Error::value(Status::Argument, "usage", config.usage.bits(), why));
        }
        let ring = Arc::try_new(Ring::new(device, config)?).map_err(|_| Error::of(Status::OutOfMemory))?;
        Ok(DynamicBuffer { ring, size: config.size })
    }

    /// Room for `bytes` bytes of this frame, aligned as the usage wants it. What they hold is left over from earlier frames.
    /// More than the ring holds get a buffer of their own until the device is done with the frame.
    pub fn begin_update(&self, bytes: u64) -> Result<DynamicSlice<'_>> {
        self.ring.device.borrow_mapped()?;
        match self.ring.begin(bytes) {
            Ok(claim) => Ok(DynamicSlice { dynamic: self, claim }),
            Err(error) => {
                self.ring.device.return_mapped();
                Err(error)
            }
        }
    }

    /// Brings updates that have been written to the device, and has what this thread's context draws wait for them. For draws of
    /// the program's own: submits of an [`Encoder`](super::Encoder) do it themselves. Costs nothing where updates are written in place.
    ///
    /// ```
    /// # use backbuf::{buffers::{DynamicBuffer, DynamicConfig}, device::{Device, HostConfig}};
    /// # let device = Device::host(HostConfig::default())?;
    /// let uniforms = DynamicBuffer::new(&device, &DynamicConfig { size: 64, ..DynamicConfig::default() })?;
    /// uniforms.begin_update(64)?.fill(1);
    /// uniforms.flush()?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn flush(&self) -> Result<()> {
        self.ring.flush()
    }

    /// Ends the frame, once whatever uses its updates has been submitted; or drawn by this thread, whose context then says when
    /// they have been used. Their room is free again when that is done. A frame without updates costs nothing.
    ///
    /// ```
    /// # use backbuf::{buffers::{DynamicBuffer, DynamicConfig}, device::{Device, HostConfig}};
    /// # let device = Device::host(HostConfig::default())?;
    /// let mut uniforms = DynamicBuffer::new(&device, &DynamicConfig { size: 64, ..DynamicConfig::default() })?;
    /// uniforms.begin_update(64)?.fill(1);
    /// uniforms.end_frame()?;
    /// assert_eq!(uniforms.statistics().frames, 1);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn end_frame(&mut self) -> Result<()> {
        Ring::end_frame(&self.ring)
    }

    /// Bytes that a frame writes, more or less, as it was made.
    ///
    /// ```
    /// # use backbuf::{buffers::{DynamicBuffer, DynamicConfig}, device::{Device, HostConfig}};
    /// # let device = Device::host(HostConfig::default())?;
    /// let uniforms = DynamicBuffer::new(&device, &DynamicConfig { size: 61, ..DynamicConfig::default() })?;
    /// assert_eq!(uniforms.size(), 61);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of the ring: more than at first while it has grown.
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

    /// Its label.
    ///
    /// ```
    /// # use backbuf::{buffers::{DynamicBuffer, DynamicConfig}, device::{Device, HostConfig}};
    /// # let device = Device::host(HostConfig::default())?;
    /// let config = DynamicConfig { size: 64, label: "camera", ..DynamicConfig::default() };
    /// assert_eq!(DynamicBuffer::new(&device, &config)?.label().as_str(), "camera");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn label(&self) -> Label {
        self.ring.label
    }

    /// What it has counted.
    ///
    /// ```
    /// # use backbuf::{buffers::{DynamicBuffer, DynamicConfig}, device::{Device, HostConfig}};
    /// # let device = Device::host(HostConfig::default())?;
    /// let uniforms = DynamicBuffer::new(&device, &DynamicConfig { size: 64, ..DynamicConfig::default() })?;
    /// uniforms.begin_update(10)?.fill(1);
    /// let statistics = uniforms.statistics();
    /// assert_eq!((statistics.updates, statistics.bytes, statistics.stalls), (1, 10, 0));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn statistics(&self) -> DynamicStatistics {
        self.ring.statistics()
    }
}

/// Bytes of this frame, to be written. Dropping it says that they are.
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
    dynamic: &'a DynamicBuffer,
    claim: Claim,
}

// SAFETY: bytes that are this update's, to be written on any thread.
unsafe impl Send for DynamicSlice<'_> {}
// SAFETY: as above; through a shared reference they are only read.
unsafe impl Sync for DynamicSlice<'_> {}

impl DynamicSlice<'_> {
    /// What the buffer that they are in is to the driver, for this frame: what a draw binds.
    pub fn native(&self) -> Result<Native> {
        self.claim.storage.buffer.native()
    }

    /// The buffer that they are in, for this frame: for copies.
    ///
    /// # Safety
    ///
    /// Others write to it in place, which a copy knows nothing of. So what copies from it is submitted once its updates have been
    /// written, and before the frame ends.
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
    /// // SAFETY: it is submitted below, when the update has been written, in the same frame.
    /// encoder.copy(unsafe { update.buffer() }, update.offset(), mesh.buffer(), 0, 64)?;
    /// drop(update);
    /// encoder.submit()?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub unsafe fn buffer(&self) -> &Buffer {
        &self.claim.storage.buffer
    }

    /// Where they begin in it.
    pub fn offset(&self) -> u64 {
        self.claim.offset
    }
}

impl Drop for DynamicSlice<'_> {
    fn drop(&mut self) {
        let Claim { offset, frame, .. } = self.claim;
        // Its frame cannot have ended while it was there.
        let _ = self.dynamic.ring.end(self.claim.native(), offset, frame);
        self.dynamic.ring.device.return_mapped();
    }
}

impl Deref for DynamicSlice<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: room of the storage that is nobody else's before the frame has passed, which cannot end while this is
        // there; the end of the device leaves what is held, and `Device::run` asks its caller to leave alone what is borrowed.
        unsafe { std::slice::from_raw_parts(self.claim.data(), self.claim.bytes as usize) }
    }
}

impl DerefMut for DynamicSlice<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.claim.data(), self.claim.bytes as usize) }
    }
}
