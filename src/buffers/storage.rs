//! Memory that the updates of a dynamic buffer lie in, and the room of one.

use super::buffer::Buffer;
use super::desc::BufferDesc;
use super::inner::{Inner, Place};
use crate::alloc::Arc;
use crate::device::device::Device;
use crate::device::driver::{Native, Usage};
use crate::error::{Error, Result, Status};

/// Memory that updates lie in.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(crate) buffer: Buffer,
    place: Place,
}

impl Storage {
    pub(crate) fn new(device: &Device, bytes: u64, usage: Usage, label: &str) -> Result<Arc<Storage>> {
        // What is written elsewhere is copied to it.
        let usage = usage | Usage::COPY_DST;
        let desc = BufferDesc { size: bytes, usage, mapped_at_creation: false, label };
        let (inner, place) = Inner::persistent(device, &desc)?;
        Arc::try_new(Storage { buffer: Buffer { inner }, place }).map_err(|_| Error::of(Status::OutOfMemory))
    }

    pub(crate) fn native(&self) -> Native {
        self.buffer.inner.native
    }

    /// Whether it holds updates that have not come to the device.
    pub(crate) fn is_behind(&self) -> bool {
        self.buffer.inner.staged.as_ref().is_some_and(|staged| staged.is_behind())
    }
}

/// Room for one update.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) storage: Arc<Storage>,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) frame: u64,
}

impl Claim {
    pub(crate) fn native(&self) -> Native {
        self.storage.native()
    }

    /// Where it is written.
    pub(crate) fn data(&self) -> *mut u8 {
        self.storage.place.0.as_ptr().wrapping_add(self.offset as usize)
    }
}
