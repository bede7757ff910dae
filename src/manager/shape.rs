//! The shape of a state, and the checks that a range of elements lies within it.

use bytemuck::Pod;

use crate::dtype::DType;
use crate::error::{Error, Result, Status};

/// Maximum number of dimensions.
pub(crate) const MAX_DIMS: usize = 16;

/// Bytes of a state, or of a range of it, as elements. Those of an empty range need not be aligned.
#[inline]
pub(crate) fn elements<T: Pod>(bytes: &[u8]) -> &[T] {
    if bytes.is_empty() { &[] } else { bytemuck::cast_slice(bytes) }
}

/// The same, to be changed.
#[inline]
pub(crate) fn elements_mut<T: Pod>(bytes: &mut [u8]) -> &mut [T] {
    if bytes.is_empty() { &mut [] } else { bytemuck::cast_slice_mut(bytes) }
}

/// The element type and the lengths of a state. Fixed at creation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) dtype: DType,
    pub(crate) ndim: usize,
    lengths: [u64; MAX_DIMS],
    /// Bytes of an element.
    pub(crate) element: u64,
    pub(crate) elements: u64,
    pub(crate) bytes: u64,
    /// `element - 1` if that is a mask, else all ones.
    mask: u64,
}

/// The numbers of a shape that the fast check of an update needs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// As in [`Shape`], in each of them.
    pub(crate) element: u64,
    pub(crate) elements: u64,
    bytes: u64,
    mask: u64,
}

impl Limits {
    /// The bytes of an update, if it has elements and data and lies within the shape. None otherwise, and for some legal updates:
    /// then `check_data` decides.
    #[inline(always)]
    pub(crate) fn length_if_plain(&self, byte_offset: u64, count: u64, data: *const u8) -> Option<u64> {
        // At most `elements`, so this does not overflow where it matters.
        let length = count.wrapping_mul(self.element);
        let plain = byte_offset & self.mask == 0
            && count.wrapping_sub(1) < self.elements
            && byte_offset <= self.bytes - length
            && !data.is_null();
        plain.then_some(length)
    }
}

impl Shape {
    /// Checks that the state's bytes fit the address space.
    pub(crate) fn new(dtype: DType, lengths: &[u64]) -> Result<Shape> {
        if lengths.len() > MAX_DIMS {
            return Err(Error::value(
                Status::Argument,
                "ndim",
                lengths.len() as u64,
                "use at most 16 dimensions",
            ));
        }
        dtype.check()?;
        let element = dtype.size();
        let overflow = || Error::param(Status::Range, "shape", "overflows the address space");
        // A state without elements must have sane lengths along its other axes, too.
        let product = |bytes: u64, &length: &u64| {
            bytes.checked_mul(length.max(1)).filter(|&bytes| bytes <= isize::MAX as u64)
        };
        let most = lengths.iter().try_fold(element, product).ok_or_else(overflow)?;
        let bytes = if lengths.contains(&0) { 0 } else { most };
        let mut padded = [0; MAX_DIMS];
        padded[..lengths.len()].copy_from_slice(lengths);
        Ok(Shape {
            dtype,
            ndim: lengths.len(),
            lengths: padded,
            element,
            elements: bytes / element,
            bytes,
            mask: if element.is_power_of_two() { element - 1 } else { u64::MAX },
        })
    }

    pub(crate) fn lengths(&self) -> &[u64] {
        &self.lengths[..self.ndim]
    }

    /// The numbers of the fast check.
    #[inline(always)]
    pub(crate) fn limits(&self) -> Limits {
        let Shape { element, elements, bytes, mask, .. } = *self;
        Limits { element, elements, bytes, mask }
    }

    /// Whether whole elements of so many bytes, but not 0, lie within the state. False for some legal ranges, too: then `check`
    /// decides.
    #[inline(always)]
    pub(crate) fn holds_plainly(&self, byte_offset: u64, bytes: u64) -> bool {
        (byte_offset | bytes) & self.mask == 0
            && bytes.wrapping_sub(1) < self.bytes
            && byte_offset <= self.bytes - bytes
    }

    /// The bytes of `count` elements at `byte_offset`, which must lie within the state; `data` is not null unless that is 0.
    #[cold]
    pub(crate) fn check_data(&self, byte_offset: u64, count: u64, data: *const u8) -> Result<u64> {
        let length = self.check(byte_offset, count)?;
        if length > 0 && data.is_null() {
            return Err(Error::param(Status::Null, "data", "is NULL, and count is not 0"));
        }
        Ok(length)
    }

    /// The bytes of `count` elements at `byte_offset`, which must lie within the state.
    pub(crate) fn check(&self, byte_offset: u64, count: u64) -> Result<u64> {
        if !byte_offset.is_multiple_of(self.element) {
            return Err(Error::align("byte_offset", byte_offset, self.element));
        }
        let length = u128::from(count) * u128::from(self.element);
        let end = u128::from(byte_offset) + length;
        if end > u128::from(self.bytes) {
            return Err(Error::beyond("byte_offset + data", end, self.bytes, "bytes of the state"));
        }
        Ok(length as u64)
    }

    /// The number of elements in a slice of bytes.
    pub(crate) fn count_of(&self, data: &[u8]) -> Result<u64> {
        let length = data.len() as u64;
        if !length.is_multiple_of(self.element) {
            return Err(Error::value(
                Status::Argument,
                "data.len()",
                length,
                "must be a whole number of elements",
            ));
        }
        Ok(length / self.element)
    }

    /// Checks that a slice is one element.
    pub(crate) fn check_element(&self, element: &[u8]) -> Result<()> {
        if element.len() as u64 != self.element {
            return Err(Error::value(
                Status::Argument,
                "element.len()",
                element.len() as u64,
                "must be the bytes of one element",
            ));
        }
        Ok(())
    }
}
