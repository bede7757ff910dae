//! Element types of a state.

use std::any::TypeId;

use bytemuck::Pod;

use crate::error::{Error, Result, Status};

/// The type of one element. The library moves whole elements and never interprets them, so half floats and
/// opaque structs cost nothing extra.
///
/// ```
/// use backbuf::DType;
/// assert_eq!(DType::C64.size(), 8);
/// assert_eq!(DType::Opaque(12).size(), 12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// Unsigned, 1 byte.
    U8,
    /// Unsigned, 2 bytes.
    U16,
    /// Unsigned, 4 bytes.
    U32,
    /// Unsigned, 8 bytes.
    U64,
    /// Signed, 1 byte.
    I8,
    /// Signed, 2 bytes.
    I16,
    /// Signed, 4 bytes.
    I32,
    /// Signed, 8 bytes.
    I64,
    /// IEEE 754 half precision.
    F16,
    /// bfloat16.
    Bf16,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision.
    F64,
    /// One byte, 0 or 1; the library does not check which.
    Bool,
    /// Two `F32`: real, imaginary.
    C64,
    /// Two `F64`: real, imaginary.
    C128,
    /// A struct of that many bytes, 1 to 2³¹ − 1.
    Opaque(u32),
}

/// The parameter of a [`Manager`](crate::manager::Manager) and of a [`Batch`](crate::manager::Batch) whose element type is known at
/// run time only: offsets are in bytes, and data is bytes.
#[derive(Clone, Copy, Debug)]
pub enum Untyped {}

/// Marks the codes of opaque elements; the rest of the code is the size.
const OPAQUE: u32 = 1 << 31;

const PLAIN: [DType; 15] = [
    DType::U8,
    DType::U16,
    DType::U32,
    DType::U64,
    DType::I8,
    DType::I16,
    DType::I32,
    DType::I64,
    DType::F16,
    DType::Bf16,
    DType::F32,
    DType::F64,
    DType::Bool,
    DType::C64,
    DType::C128,
];

impl DType {
    /// Bytes of one element.
    pub const fn size(self) -> u64 {
        match self {
            DType::U8 | DType::I8 | DType::Bool => 1,
            DType::U16 | DType::I16 | DType::F16 | DType::Bf16 => 2,
            DType::U32 | DType::I32 | DType::F32 => 4,
            DType::U64 | DType::I64 | DType::F64 | DType::C64 => 8,
            DType::C128 => 16,
            DType::Opaque(size) => size as u64,
        }
    }

    /// The type of a Rust number; [`DType::Opaque`] for any other type.
    ///
    /// ```
    /// use backbuf::DType;
    /// assert_eq!((DType::of::<f32>(), DType::of::<[u8; 3]>()), (DType::F32, DType::Opaque(3)));
    /// ```
    pub fn of<T: Pod>() -> DType {
        let id = TypeId::of::<T>();
        let numbers = [
            (TypeId::of::<u8>(), DType::U8),
            (TypeId::of::<u16>(), DType::U16),
            (TypeId::of::<u32>(), DType::U32),
            (TypeId::of::<u64>(), DType::U64),
            (TypeId::of::<usize>(), DType::U64),
            (TypeId::of::<i8>(), DType::I8),
            (TypeId::of::<i16>(), DType::I16),
            (TypeId::of::<i32>(), DType::I32),
            (TypeId::of::<i64>(), DType::I64),
            (TypeId::of::<isize>(), DType::I64),
            (TypeId::of::<f32>(), DType::F32),
            (TypeId::of::<f64>(), DType::F64),
        ];
        let number = numbers.into_iter().find(|(number, _)| *number == id);
        // A type of 4 GiB and more is refused as one of `u32::MAX` bytes is.
        number.map_or(DType::Opaque(u32::try_from(size_of::<T>()).unwrap_or(u32::MAX)), |(_, dtype)| dtype)
    }

    /// Refuses opaque types without bytes and those that are too large.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            DType::Opaque(size @ (0 | OPAQUE..)) => Err(Error::value(
                Status::Argument,
                "the size of an element",
                size,
                "use 1 to 2147483647 bytes",
            )),
            _ => Ok(()),
        }
    }

    /// The number of this type in the C ABI.
    ///
    /// ```
    /// use backbuf::DType;
    /// assert_eq!(DType::from_code(DType::F32.code())?, DType::F32);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn code(self) -> u32 {
        match self {
            DType::Opaque(size) => OPAQUE | size,
            plain => PLAIN.iter().position(|&other| other == plain).map_or(0, |at| at as u32 + 1),
        }
    }

    /// The type with that number.
    pub fn from_code(code: u32) -> Result<DType> {
        let found = match code {
            OPAQUE => None,
            opaque if opaque & OPAQUE != 0 => Some(DType::Opaque(opaque & !OPAQUE)),
            plain => PLAIN.get((plain as usize).wrapping_sub(1)).copied(),
        };
        found.ok_or_else(|| Error::value(Status::Argument, "dtype", code, "no such element type"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opaque_types_have_a_size() {
        for size in [0, 1 << 31, u32::MAX] {
            assert_eq!(DType::Opaque(size).check().unwrap_err().status(), Status::Argument);
        }
        assert!(DType::Opaque(1).check().is_ok() && DType::of::<[u8; 7]>() == DType::Opaque(7));
    }

    #[test]
    fn codes_round_trip_and_others_are_refused() {
        for dtype in PLAIN.into_iter().chain([DType::Opaque(1), DType::Opaque(u32::MAX >> 1)]) {
            assert_eq!(DType::from_code(dtype.code()), Ok(dtype));
        }
        for code in [0, 16, 99, OPAQUE] {
            assert_eq!(DType::from_code(code).unwrap_err().status(), Status::Argument);
        }
    }
}
