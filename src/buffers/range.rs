//! Mapped bytes in somebody's hands.

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use super::inner::Inner;
use crate::error::Result;

/// Mapped bytes, to be read. Dropping it gives the range back; the mapping stays. See [`Buffer::range`](super::Buffer::range).
#[derive(Debug)]
pub struct MappedRange<'a>(Lent<'a>);

/// Mapped bytes, to be written. Dropping it gives the range back; the mapping stays. See
/// [`Buffer::range_mut`](super::Buffer::range_mut).
#[derive(Debug)]
pub struct MappedRangeMut<'a>(Lent<'a>);

#[derive(Debug)]
struct Lent<'a> {
    buffer: &'a Inner,
    place: NonNull<u8>,
    bytes: usize,
    number: u64,
}

// SAFETY: bytes that are this range's, to be read or written on any thread.
unsafe impl Send for Lent<'_> {}
// SAFETY: as above; through a shared reference they are only read.
unsafe impl Sync for Lent<'_> {}

impl<'a> Lent<'a> {
    fn new(buffer: &'a Inner, offset: u64, size: Option<u64>, writable: bool) -> Result<Lent<'a>> {
        buffer.device.borrow_mapped()?;
        let lent = buffer.lend(offset, size, writable).inspect_err(|_| buffer.device.return_mapped());
        let (place, bytes, number) = lent?;
        Ok(Lent { buffer, place, bytes, number })
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.buffer.lock().machine.give_back(self.number);
        self.buffer.device.return_mapped();
    }
}

impl<'a> MappedRange<'a> {
    /// The first `bytes` of it.
    pub(crate) fn cut(mut self, bytes: usize) -> MappedRange<'a> {
        self.0.bytes = self.0.bytes.min(bytes);
        self
    }

    pub(crate) fn new(buffer: &'a Inner, offset: u64, size: Option<u64>) -> Result<MappedRange<'a>> {
        Lent::new(buffer, offset, size, false).map(MappedRange)
    }
}

impl<'a> MappedRangeMut<'a> {
    /// The first `bytes` of it.
    pub(crate) fn cut(mut self, bytes: usize) -> MappedRangeMut<'a> {
        self.0.bytes = self.0.bytes.min(bytes);
        self
    }

    pub(crate) fn new(buffer: &'a Inner, offset: u64, size: Option<u64>) -> Result<MappedRangeMut<'a>> {
        Lent::new(buffer, offset, size, true).map(MappedRangeMut)
    }
}

impl Deref for MappedRange<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: mapped for as long as the range is there: neither unmap nor destroy is possible while it borrows the
        // buffer, the end of the device leaves what is held, and `Device::run` asks its caller to leave alone what is
        // borrowed. No writable range overlaps it.
        unsafe { std::slice::from_raw_parts(self.0.place.as_ptr(), self.0.bytes) }
    }
}

impl Deref for MappedRangeMut<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: as above; no range at all overlaps it.
        unsafe { std::slice::from_raw_parts(self.0.place.as_ptr(), self.0.bytes) }
    }
}

impl DerefMut for MappedRangeMut<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.0.place.as_ptr(), self.0.bytes) }
    }
}
