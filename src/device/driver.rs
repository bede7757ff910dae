//! What a backend implements: memory on a device, work that is submitted, and fences.

use std::any::Any;
use std::fmt;
use std::ptr::NonNull;

use super::usage::Usage;
use crate::error::{Label, Result};
use crate::sys::clock::Timeout;

/// A buffer of a driver: a GL name, an address, whatever tells it from others. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Native(pub u64);

/// Everything submitted to a device up to a point. The first submit gives `Fence(1)`, the next one `Fence(2)`, and so on;
/// `Fence(0)` has always passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u64);

/// A fence that other contexts of the same API know: a `GLsync`, as a number. `Foreign(0)`: nothing to wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Foreign(pub u64);

/// What a mapping is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MapMode {
    /// The mapped bytes are read.
    Read = 1,
    /// The mapped bytes are written; those that are not stay what they were.
    Write = 2,
}

/// Which backend a device stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum DeviceKind {
    /// Host memory, with a timeline of its own.
    Host = 1,
    /// OpenGL.
    Gl = 2,
    /// WebGPU.
    Wgpu = 3,
    /// A driver that somebody else wrote.
    Custom = 4,
}

/// What a device can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the largest buffer. A device rounds it down to whole words of 4, which is what buffers are made of.
    pub max_buffer_size: u64,
    /// Offsets of uniform ranges are multiples of it.
    pub uniform_offset_alignment: u64,
    /// Offsets of storage ranges are multiples of it.
    pub storage_offset_alignment: u64,
}

/// What is known of a device from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its backend.
    pub kind: DeviceKind,
    /// Who renders.
    pub name: Label<127>,
    /// The version of the API and the driver.
    pub version: Label<127>,
    /// What optional abilities are used, separated by commas.
    pub capabilities: Label<127>,
    /// What it can hold.
    pub limits: Limits,
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {}, {}", self.kind, self.name.as_str(), self.version.as_str())?;
        match self.capabilities.as_str() {
            "" => Ok(()),
            capabilities => write!(f, ", {capabilities}"),
        }
    }
}

/// A backend. [`Device::with_driver`](super::Device::with_driver) makes it on the owner thread, calls it there alone, and
/// drops it there.
///
/// Work (writes and copies) is done in the order in which it was given, and begins at the latest with the next `submit`.
/// The device counts and keeps books; a driver only does what it is told. Ranges, sizes and buffers are the driver's to
/// check: whatever is refused changes nothing. An error of [`Status::DeviceLost`](crate::Status::DeviceLost) ends the device;
/// any other concerns the call alone.
///
/// `docs/new-backend.md` tells how one is written, and `examples/new_backend.rs` is one.
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
/// // SAFETY: the buffer is its own.
/// let fence = unsafe { device.run(Timeout::FOREVER, work)? };
/// device.wait_fence(fence, Timeout::FOREVER)?;
/// # Result::Ok(())
/// ```
///
/// # Safety
///
/// The bytes that `map` gives stay valid, for reads and in [`MapMode::Write`] for writes, until `unmap` or `delete` of that
/// buffer or the drop of the driver; so do those that `create_mapped` gives. Those that `create_persistent` gives do until
/// `delete` or the drop. No two buffers that live have the same number. What `as_any` gives ends no mapping in safe code.
pub unsafe trait Driver {
    /// What is known of it. Asked once.
    fn info(&self) -> Info;

    /// A buffer of that many bytes, at least 1, all zeros.
    fn create(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<Native>;

    /// A buffer as `create` makes it that begins mapped for writing as a whole, whatever its usage, and where its bytes are.
    /// For drivers that can map any buffer while it is new, there is nothing to do.
    fn create_mapped(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<(Native, NonNull<u8>)> {
        let buffer = self.create(bytes, usage, label)?;
        match self.map(buffer, MapMode::Write, 0, bytes) {
            Ok(place) => Ok((buffer, place)),
            Err(error) => {
                self.delete(buffer);
                Err(error)
            }
        }
    }

    /// A buffer as `create` makes it, that the host writes to in place while the device uses it: what is written before a
    /// submit is seen by it. None where the API has no such memory. It is never mapped nor unmapped.
    fn create_persistent(
        &mut self,
        _bytes: u64,
        _usage: Usage,
        _label: &str,
    ) -> Result<Option<(Native, NonNull<u8>)>> {
        Ok(None)
    }

    /// Gives a buffer back, once the work that uses it has been done.
    fn delete(&mut self, buffer: Native);

    /// Writes to a buffer. The data is not needed after the call.
    fn write(&mut self, to: Native, offset: u64, data: &[u8]) -> Result<()>;

    /// Copies from one buffer to another.
    fn copy(&mut self, from: Native, from_offset: u64, to: Native, to_offset: u64, bytes: u64) -> Result<()>;

    /// The bytes of a range, at least 1, of a buffer with MAP_READ or MAP_WRITE, or of a new one, whatever its usage. Whoever
    /// asks has waited for the fences of the work that uses the buffer, and gives it no work before `unmap`.
    fn map(&mut self, buffer: Native, mode: MapMode, offset: u64, bytes: u64) -> Result<NonNull<u8>>;

    /// Ends a mapping.
    fn unmap(&mut self, buffer: Native) -> Result<()>;

    /// Has all work so far done, and says which fence passes then: the number after that of the last submit.
    fn submit(&mut self) -> Result<Fence>;

    /// Whether a fence has passed, waiting for it at most that long. Fences are asked for in their order, and more than once.
    fn wait(&mut self, fence: Fence, timeout: Timeout) -> Result<bool>;

    /// A fence behind all work so far, for other contexts.
    fn export(&mut self) -> Result<Foreign> {
        Ok(Foreign(0))
    }

    /// Has the work that comes next wait, on the device, for a fence of another context, which is used up by that.
    fn import(&mut self, _fence: Foreign) -> Result<()> {
        Ok(())
    }

    /// Ends a fence that nobody will wait for any more.
    fn discard(&mut self, _fence: Foreign) {}

    /// What renderers call on their own threads. Asked once.
    fn renderer(&mut self) -> Option<Box<dyn Renderer>> {
        None
    }

    /// Calls of the API so far that carried writes and copies; 0 where they are not counted.
    fn native_calls(&self) -> u64 {
        0
    }

    /// The driver itself, for those who know its type.
    fn as_any(&mut self) -> Option<&mut dyn Any> {
        None
    }
}

/// The renderer's side of a driver whose buffers other contexts use: called on threads with such a context.
pub trait Renderer: Send + Sync {
    /// Whether this thread has a context that knows the device's buffers.
    fn check(&self) -> Result<()>;

    /// Has what this thread's context does next wait, on the device, for a fence.
    fn wait(&self, fence: Foreign);

    /// A fence behind all that this thread's context did so far.
    fn fence(&self) -> Result<Foreign>;

    /// Ends a fence that has passed; false if it has not. Never waits.
    fn reap(&self, fence: Foreign) -> bool;
}
