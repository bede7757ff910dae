//! Whether what a producer asks for lies within the state.

use crate::dtype::DType;
use crate::error::{Error, Result, Status};
use crate::manager::config::{Config, EXTRA_COPIES};
use crate::manager::copies::front_count::MAX_COPIES;
use crate::manager::core::op::Op;
use crate::manager::core::shared::Shape;
use crate::manager::region::{MAX_DIMS, Plan, RawRegion};

impl Shape {
    /// A shape whose bytes fit the address space.
    pub(crate) fn new(dtype: DType, lengths: &[u64]) -> Result<Shape> {
        if lengths.len() > MAX_DIMS {
            return Err(Error::value(
                Status::Argument,
                "ndim",
                lengths.len() as u64,
                "more than 16 dimensions",
            ));
        }
        let element = dtype.size();
        let overflow = || Error::param(Status::Range, "shape", "overflows the address space");
        // Zero-size states have no elements, however long their other axes are; those still must be sane.
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

    /// `count` elements at `byte_offset`: their bytes, or why not.
    #[cold]
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

    /// As `check`, and there must be data if there is a count.
    #[cold]
    pub(crate) fn check_data(&self, byte_offset: u64, count: u64, data: *const u8) -> Result<u64> {
        let length = self.check(byte_offset, count)?;
        if length > 0 && data.is_null() {
            return Err(Error::param(Status::Null, "data", "is NULL, and count is not 0"));
        }
        Ok(length)
    }

    /// How many elements a slice of bytes is.
    pub(crate) fn count_of(&self, data: &[u8]) -> Result<u64> {
        let length = data.len() as u64;
        if !length.is_multiple_of(self.element) {
            return Err(Error::value(
                Status::Argument,
                "data.len()",
                length,
                "not a whole number of elements",
            ));
        }
        Ok(length / self.element)
    }

    /// Whether a slice is one element.
    pub(crate) fn check_element(&self, element: &[u8]) -> Result<()> {
        if element.len() as u64 != self.element {
            return Err(Error::value(
                Status::Argument,
                "element.len()",
                element.len() as u64,
                "not the bytes of one element",
            ));
        }
        Ok(())
    }

    /// A checked update.
    pub(crate) fn write(&self, byte_offset: u64, count: u64, data: *const u8) -> Result<Op> {
        Ok(Op::Write { offset: byte_offset, length: self.check_data(byte_offset, count, data)?, data })
    }

    /// A checked fill.
    pub(crate) fn fill(&self, byte_offset: u64, count: u64, element: *const u8) -> Result<Op> {
        let length = self.check(byte_offset, count)?;
        if element.is_null() {
            return Err(Error::param(Status::Null, "element", "is NULL"));
        }
        Ok(Op::Fill { offset: byte_offset, length, element: self.element, data: element })
    }

    /// A checked region.
    pub(crate) fn region(&self, region: &RawRegion<'_>) -> Result<Plan> {
        let given = [
            Some(region.start.len()),
            Some(region.extent.len()),
            region.step.map(<[_]>::len),
            region.strides.map(<[_]>::len),
        ];
        if let Some(length) = given.into_iter().flatten().find(|&length| length != self.ndim) {
            return Err(Error::value(
                Status::Argument,
                "region",
                length as u64,
                "entries, which is not the state's number of dimensions",
            ));
        }
        let plan = Plan::new(self.lengths(), self.element, region)?;
        if plan.count() > 0 && region.data.is_null() {
            return Err(Error::param(Status::Null, "region.data", "is NULL, and no extent is 0"));
        }
        Ok(plan)
    }
}

impl Config<'_> {
    /// The queue in bytes, checked and rounded.
    pub(crate) fn queue(&self) -> Result<u64> {
        let range = 4 << 10..=1 << 30;
        if !range.contains(&self.queue_bytes) {
            return Err(Error::value(
                Status::Argument,
                "queue_bytes",
                self.queue_bytes,
                "use 4 KiB to 1 GiB",
            ));
        }
        Ok(self.queue_bytes.next_power_of_two())
    }

    /// Extra copies at most.
    pub(crate) fn extra_copies(&self) -> u32 {
        let default = if self.copies == 2 || self.device.is_some() { 0 } else { EXTRA_COPIES };
        self.max_extra_copies.unwrap_or(default)
    }

    /// The other fields.
    pub(crate) fn check(&self, shape: &Shape) -> Result<()> {
        if !(2..=8).contains(&self.copies) {
            return Err(Error::value(Status::Argument, "copies", self.copies, "use 2 to 8"));
        }
        if let Some(extra) = self.max_extra_copies {
            let value = |why| Error::value(Status::Argument, "max_extra_copies", extra, why);
            if extra > MAX_COPIES as u32 - self.copies {
                return Err(value("with copies at most 32"));
            }
            if extra > 0 && self.device.is_some() {
                return Err(value(
                    "a manager on a device has no extra copies, since its slots are fixed; use copies",
                ));
            }
        }
        if let Some(initial) = self.initial
            && initial.len() as u64 != shape.bytes
        {
            return Err(Error::value(
                Status::Argument,
                "initial.len()",
                initial.len() as u64,
                "not the bytes of the state",
            ));
        }
        let bad = |value: i128, why| Err(Error::value(Status::Argument, "worker_priority", value, why));
        match self.priority {
            crate::manager::config::Priority::Nice(nice) if !(-20..=19).contains(&nice) => {
                bad(nice.into(), "nice values are -20 to 19")
            }
            crate::manager::config::Priority::RealTime(level) if !(1..=99).contains(&level) => {
                bad(level.into(), "real-time priorities are 1 to 99")
            }
            _ => Ok(()),
        }
    }
}
