//! The `Driver` trait that a device backend implements, and its types: native buffers, usage flags, fences and limits.

use std::any::Any;
use std::fmt;
use std::ptr::NonNull;

use crate::error::{Label, Result};
use crate::sys::clock::Timeout;

/// A driver's handle of a buffer: a GL name, an address, an index. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Native(pub u64);

/// A point on a device's timeline, which passes once all work submitted up to it is done. The first submit returns `Fence(1)`, the
/// next one `Fence(2)`, and so on; `Fence(0)` has always passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u64);

/// A fence that other contexts of the same API can wait for: a `GLsync`, as a number. `Foreign(0)` is no fence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Foreign(pub u64);

/// The access that a mapping gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MapMode {
    /// The mapped bytes are read.
    Read = 1,
    /// The mapped bytes are written. Bytes that are not written keep their value.
    Write = 2,
}

/// What a buffer may be used for, by the names of WebGPU: a set of flags.
///
/// ```
/// use backbuf::device::Usage;
/// let usage = Usage::VERTEX | Usage::COPY_DST;
/// assert!(usage.contains(Usage::VERTEX) && !usage.contains(Usage::INDEX));
/// assert!(usage.intersects(Usage::COPY_DST | Usage::COPY_SRC));
/// assert_eq!(format!("{usage:?}"), "VERTEX | COPY_DST");
/// assert_eq!(Usage::from_bits(1 << 31), None);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Usage(u32);

bitflags::bitflags! {
    impl Usage: u32 {
        /// Vertices.
        const VERTEX = 1 << 0;
        /// Indices.
        const INDEX = 1 << 1;
        /// Uniform blocks.
        const UNIFORM = 1 << 2;
        /// Storage that shaders read and write.
        const STORAGE = 1 << 3;
        /// The source of copies.
        const COPY_SRC = 1 << 4;
        /// The destination of copies and writes.
        const COPY_DST = 1 << 5;
        /// Mapped for reading.
        const MAP_READ = 1 << 6;
        /// Mapped for writing.
        const MAP_WRITE = 1 << 7;
        /// Arguments of indirect draws.
        const INDIRECT = 1 << 8;
    }
}

impl Usage {
    /// No flag.
    pub const NONE: Usage = Usage::empty();
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() { f.write_str("NONE") } else { bitflags::parser::to_writer(self, f) }
    }
}

/// The backend of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum DeviceKind {
    /// Host memory, with a simulated timeline.
    Host = 1,
    /// OpenGL.
    Gl = 2,
    /// WebGPU.
    Wgpu = 3,
    /// A driver from outside of this library.
    Custom = 4,
}

/// The limits of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceLimits {
    /// Bytes of the largest buffer. The device rounds it down to a multiple of 4, as buffers consist of whole words.
    pub max_buffer_size: u64,
    /// Offsets of uniform ranges are multiples of it.
    pub uniform_offset_alignment: u64,
    /// Offsets of storage ranges are multiples of it.
    pub storage_offset_alignment: u64,
}

/// Properties of a device, which do not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// The backend.
    pub kind: DeviceKind,
    /// The name of the adapter or renderer.
    pub name: Label<127>,
    /// The version of the API and the driver.
    pub version: Label<127>,
    /// The optional capabilities in use, separated by commas.
    pub capabilities: Label<127>,
    /// The limits.
    pub limits: DeviceLimits,
}

impl fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {}, {}", self.kind, self.name.as_str(), self.version.as_str())?;
        match self.capabilities.as_str() {
            "" => Ok(()),
            capabilities => write!(f, ", {capabilities}"),
        }
    }
}

/// A backend. [`Device::with_driver`](super::Device::with_driver) makes it on the owner thread; all calls and the drop happen there.
///
/// Work (writes and copies) is done in the order in which it was given, and begins at the latest with the next `submit`. The device
/// counts operations and tracks buffers; a driver checks ranges, sizes and buffers itself, and a refused call changes nothing. An
/// error of status [`DeviceLost`](crate::Status::DeviceLost) ends the device; any other concerns the call alone.
///
/// `docs/new-backend.md` describes how to write one, and `examples/new_backend.rs` is an example.
///
/// ```
/// use backbuf::device::{Device, Driver, HostConfig, Usage};
/// use backbuf::{Result, Timeout};
/// let device = Device::host(HostConfig::default())?;
/// let work = |driver: &mut dyn Driver| {
///     let buffer = driver.create(8, Usage::COPY_DST, "greeting")?;
///     driver.write(buffer, 0, b"hi there")?;
///     let fence = driver.submit()?;
///     driver.delete(buffer);
///     Ok(fence)
/// };
/// // SAFETY: it uses only the buffer that it creates.
/// let fence = unsafe { device.run(Timeout::FOREVER, work)? };
/// device.wait_fence(fence, Timeout::FOREVER)?;
/// # Result::Ok(())
/// ```
///
/// # Safety
///
/// The bytes that `map` and `create_mapped` return stay valid, for reads and in [`MapMode::Write`] for writes, until `unmap` or
/// `delete` of that buffer or the drop of the driver; those of `create_persistent` until `delete` or the drop. No two live buffers
/// have the same handle. The type that `as_any` returns ends no mapping in safe code.
pub unsafe trait Driver {
    /// The properties of the device. Called once.
    fn info(&self) -> DeviceInfo;

    /// Creates a buffer of `bytes` bytes, at least 1, all zeros.
    fn create(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<Native>;

    /// Creates a buffer that is mapped for writing as a whole, whatever its usage, and returns the address of its bytes. The default
    /// suits drivers that can map any new buffer.
    fn create_mapped(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<(Native, NonNull<u8>)> {
        create_and_map(self, bytes, usage, label)
    }

    /// Creates a buffer that the host writes to while the device uses it: a submit sees what was written before it. The buffer is
    /// never mapped or unmapped. Returns `None` where the API has no such memory.
    fn create_persistent(
        &mut self,
        _bytes: u64,
        _usage: Usage,
        _label: &str,
    ) -> Result<Option<(Native, NonNull<u8>)>> {
        Ok(None)
    }

    /// Deletes a buffer. Its memory is freed once the work that uses it is done.
    fn delete(&mut self, buffer: Native);

    /// Writes to a buffer. The driver copies `data` before it returns.
    fn write(&mut self, to: Native, offset: u64, data: &[u8]) -> Result<()>;

    /// Copies from one buffer to another.
    fn copy(&mut self, from: Native, from_offset: u64, to: Native, to_offset: u64, bytes: u64) -> Result<()>;

    /// Maps a range, at least one byte, of a buffer with MAP_READ or MAP_WRITE, or of a new one, whatever its usage. The caller has
    /// waited for the fences of the work that uses the buffer, and gives it no work before `unmap`.
    fn map(&mut self, buffer: Native, mode: MapMode, offset: u64, bytes: u64) -> Result<NonNull<u8>>;

    /// Ends a mapping.
    fn unmap(&mut self, buffer: Native) -> Result<()>;

    /// Submits all work so far and returns its fence: the number after that of the last submit.
    fn submit(&mut self) -> Result<Fence>;

    /// Waits for a fence, at most that long; returns whether it has passed. The device asks for fences in their order, and may ask for
    /// one again.
    fn wait(&mut self, fence: Fence, timeout: Timeout) -> Result<bool>;

    /// Returns a fence after all work so far, for other contexts.
    fn export(&mut self) -> Result<Foreign> {
        Ok(Foreign(0))
    }

    /// Has later work wait, on the device, for a fence of another context. This consumes the fence.
    fn import(&mut self, _fence: Foreign) -> Result<()> {
        Ok(())
    }

    /// Discards a fence that nothing will wait for.
    fn discard(&mut self, _fence: Foreign) {}

    /// The part of the driver that renderers call on their own threads. Called once.
    fn renderer(&mut self) -> Option<Box<dyn Renderer>> {
        None
    }

    /// Calls of the native API so far for writes and copies; 0 where they are not counted.
    fn native_calls(&self) -> u64 {
        0
    }

    /// The driver itself, for callers that know its type.
    fn as_any(&mut self) -> Option<&mut dyn Any> {
        None
    }
}

/// [`Driver::create_mapped`] of a driver that can map any new buffer.
pub(crate) fn create_and_map<D: Driver + ?Sized>(
    driver: &mut D,
    bytes: u64,
    usage: Usage,
    label: &str,
) -> Result<(Native, NonNull<u8>)> {
    let buffer = driver.create(bytes, usage, label)?;
    match driver.map(buffer, MapMode::Write, 0, bytes) {
        Ok(data) => Ok((buffer, data)),
        Err(error) => {
            driver.delete(buffer);
            Err(error)
        }
    }
}

/// The renderer's side of a driver whose buffers other contexts use. Called on threads with such a context.
pub trait Renderer: Send + Sync {
    /// Fails unless a context that shares the device's buffers is current on the calling thread.
    fn check(&self) -> Result<()>;

    /// Has later work of the calling thread's context wait, on the device, for a fence.
    fn wait(&self, fence: Foreign);

    /// Returns a fence after all work of the calling thread's context so far.
    fn fence(&self) -> Result<Foreign>;

    /// Discards a fence if it has passed; returns whether it has. Never waits.
    fn reap(&self, fence: Foreign) -> bool;
}
