//! Borrowed views of a mapped buffer.
//!
//! A view is valid for as long as it lives. It borrows the buffer, so the buffer can neither be unmapped nor destroyed
//! meanwhile; and it keeps the memory of the device, so its bytes outlive the loss and the end of the device. Views of the C
//! API borrow nothing: they end with the mapping, the buffer or the device.

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use crate::buffers::buffer::{Buffer, BufferInner};
use crate::error::Result;

/// Mapped bytes for reading. Dropping it closes the range; the mapping stays. See [`Buffer::range`].
#[derive(Debug)]
pub struct MappedRange<'a>(RawRange<'a>);

/// Mapped bytes for writing. Dropping it closes the range; the mapping stays. See [`Buffer::range_mut`].
#[derive(Debug)]
pub struct MappedRangeMut<'a>(RawRange<'a>);

#[derive(Debug)]
struct RawRange<'a> {
    buffer: &'a BufferInner,
    data: NonNull<u8>,
    bytes: usize,
    number: u64,
}

// SAFETY: the range has its bytes for itself, or shares them with readers only. Any thread may access them.
unsafe impl Send for RawRange<'_> {}
// SAFETY: as above; a shared reference only reads.
unsafe impl Sync for RawRange<'_> {}

impl Buffer {
    /// Mapped bytes for reading, `size` at `offset`, or all from there. Offsets count from the beginning of the buffer and are
    /// multiples of 8, sizes multiples of 4. Ranges for reading may overlap each other.
    pub fn range(&self, offset: u64, size: Option<u64>) -> Result<MappedRange<'_>> {
        RawRange::open(&self.inner, offset, size, false).map(MappedRange)
    }

    /// Mapped bytes for writing, as [`Buffer::range`]. The range overlaps no other open one, and the mapping is for writing.
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
        RawRange::open(&self.inner, offset, size, true).map(MappedRangeMut)
    }
}

impl BufferInner {
    /// Opens a range of the mapped bytes: its first byte, its size and its number.
    pub(crate) fn open_range(
        &self,
        offset: u64,
        size: Option<u64>,
        writable: bool,
    ) -> Result<(NonNull<u8>, usize, u64)> {
        let mut locked = self.lock();
        if let Some(lost) = self.device.lost() {
            return Err(lost);
        }
        let (bytes, number) = locked.map.open_range(offset, size, writable)?;
        let at = bytes.begin - locked.map.bytes().begin;
        // SAFETY: inside of the mapping; an empty range begins at most one byte past it.
        let data = unsafe { locked.data.0.add(at as usize) };
        Ok((data, bytes.len() as usize, number))
    }

    pub(crate) fn close_range(&self, number: u64) {
        self.lock().map.close_range(number);
    }
}

impl<'a> RawRange<'a> {
    fn open(buffer: &'a BufferInner, offset: u64, size: Option<u64>, writable: bool) -> Result<RawRange<'a>> {
        let mapped = buffer.device.use_mapped()?;
        let (data, bytes, number) = buffer.open_range(offset, size, writable)?;
        mapped.hold();
        Ok(RawRange { buffer, data, bytes, number })
    }
}

impl Drop for RawRange<'_> {
    fn drop(&mut self) {
        self.buffer.close_range(self.number);
        self.buffer.device.return_mapped();
    }
}

impl MappedRange<'_> {
    pub(crate) fn truncate(mut self, bytes: usize) -> Self {
        self.0.bytes = self.0.bytes.min(bytes);
        self
    }
}

impl MappedRangeMut<'_> {
    pub(crate) fn truncate(mut self, bytes: usize) -> Self {
        self.0.bytes = self.0.bytes.min(bytes);
        self
    }
}

impl Deref for MappedRange<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the bytes stay mapped while the range lives: it borrows the buffer, which prevents unmap and destroy; the
        // end of the device leaves the memory that ranges hold; and `Device::run` requires that borrowed bytes are left
        // alone. No writable range overlaps this one.
        unsafe { std::slice::from_raw_parts(self.0.data.as_ptr(), self.0.bytes) }
    }
}

impl Deref for MappedRangeMut<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: as for `MappedRange`; no range at all overlaps this one.
        unsafe { std::slice::from_raw_parts(self.0.data.as_ptr(), self.0.bytes) }
    }
}

impl DerefMut for MappedRangeMut<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.0.data.as_ptr(), self.0.bytes) }
    }
}
