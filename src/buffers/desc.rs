//! How a buffer is made, and which wishes are refused.

use super::machine::SIZE_ALIGN;
use crate::device::driver::{DeviceLimits, Usage};
use crate::error::{Error, Result, Status};

/// How a buffer is made.
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
    /// Its bytes; 0 is legal.
    pub size: u64,
    /// What it is for.
    pub usage: Usage,
    /// Whether it begins mapped for writing, as a whole, all zeros. Goes with any usage.
    pub mapped_at_creation: bool,
    /// Named in errors, logs and reports.
    pub label: &'a str,
}

impl BufferDesc<'_> {
    pub(crate) fn check(&self, limits: &DeviceLimits) -> Result<()> {
        let refused = |why| Err(Error::value(Status::Argument, "usage", self.usage.bits(), why));
        let only = |with, also| self.usage.contains(with) && (self.usage.bits() & !(with | also).bits()) != 0;
        if self.usage == Usage::NONE {
            return refused("a buffer is for something");
        }
        if only(Usage::MAP_READ, Usage::COPY_DST) {
            return refused("MAP_READ goes with COPY_DST alone");
        }
        if only(Usage::MAP_WRITE, Usage::COPY_SRC) {
            return refused("MAP_WRITE goes with COPY_SRC alone");
        }
        if self.size > limits.max_buffer_size {
            let why = "is more than a buffer of this device can hold";
            return Err(Error::value(Status::Limit, "size", self.size, why));
        }
        if self.mapped_at_creation && !self.size.is_multiple_of(SIZE_ALIGN) {
            return Err(Error::align("size", self.size, SIZE_ALIGN));
        }
        Ok(())
    }

    /// Bytes of its memory: what a copy of whole words touches, and never none.
    pub(crate) fn native_size(&self) -> u64 {
        self.size.max(1).next_multiple_of(SIZE_ALIGN)
    }
}
