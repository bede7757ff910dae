//! Reading the parameters of C functions, and writing their outputs.
//!
//! Raw pointers are trusted to point to what the header requires; NULL, sizes, versions and encodings are checked.

use std::ffi::{CStr, c_char};
use std::slice;

use crate::error::{Error, Result, Status};

/// A pointer that must not be NULL.
///
/// # Safety
///
/// NULL, or what the header requires, for the time of the call.
#[inline(always)]
pub(super) unsafe fn required<'a, T>(given: *const T, param: &'static str) -> Result<&'a T> {
    // SAFETY: promised by the caller.
    unsafe { given.as_ref() }.ok_or_else(|| null(param))
}

/// A function that must not be NULL.
pub(super) fn function<F>(given: Option<F>, param: &'static str) -> Result<F> {
    given.ok_or_else(|| null(param))
}

#[cold]
fn null(param: &'static str) -> Error {
    Error::param(Status::Null, param, "is NULL")
}

/// `count` values; NULL is allowed if `count` is 0.
///
/// # Safety
///
/// NULL, or that many values that do not change during the call.
pub(super) unsafe fn many<'a, T>(given: *const T, count: u64, param: &'static str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    let bytes = count.checked_mul(size_of::<T>() as u64).filter(|&bytes| bytes <= isize::MAX as u64);
    match (given.is_null(), bytes) {
        (true, _) => Err(null(param)),
        (_, None) => Err(Error::value(Status::Range, param, count, "more than the address space holds")),
        // SAFETY: promised by the caller; not NULL, and no larger than a slice may be.
        _ => Ok(unsafe { slice::from_raw_parts(given, count as usize) }),
    }
}

/// A NUL-terminated name; NULL is the empty one.
///
/// # Safety
///
/// NULL, or a NUL-terminated string that does not change during the call.
pub(super) unsafe fn name<'a>(given: *const c_char, param: &'static str) -> Result<&'a str> {
    if given.is_null() {
        return Ok("");
    }
    // SAFETY: promised by the caller.
    let text = unsafe { CStr::from_ptr(given) };
    if text.to_bytes().is_ascii() {
        // The common case; the full check takes a tenth of a look-up.
        // SAFETY: ASCII is UTF-8.
        return Ok(unsafe { str::from_utf8_unchecked(text.to_bytes()) });
    }
    text.to_str().map_err(|_| Error::param(Status::Argument, param, "is not UTF-8"))
}

/// A NUL-terminated name that must not be NULL.
///
/// # Safety
///
/// NULL, or a NUL-terminated string that does not change during the call.
pub(super) unsafe fn required_name<'a>(given: *const c_char, param: &'static str) -> Result<&'a str> {
    // SAFETY: promised by the caller.
    unsafe { if given.is_null() { Err(null(param)) } else { name(given, param) } }
}

/// Text of a given length.
///
/// # Safety
///
/// NULL with length 0, or that many bytes that do not change during the call.
pub(super) unsafe fn utf8<'a>(given: *const c_char, length: u64, param: &'static str) -> Result<&'a str> {
    // SAFETY: promised by the caller.
    let bytes = unsafe { many(given.cast::<u8>(), length, param) }?;
    std::str::from_utf8(bytes).map_err(|_| Error::param(Status::Argument, param, "is not UTF-8"))
}

/// A set of flags; unknown ones are refused.
pub(super) fn flags<F: bitflags::Flags<Bits = u32>>(given: u32, param: &'static str) -> Result<F> {
    F::from_bits(given).ok_or_else(|| Error::value(Status::Argument, param, given, "unknown flags"))
}

/// A boolean as an integer.
pub(super) fn flag(given: u32, param: &'static str) -> Result<bool> {
    match given {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Error::value(Status::Argument, param, other, "use 0 or 1")),
    }
}

/// A reserved field, which must be 0.
pub(super) fn reserved(given: u32, param: &'static str) -> Result<()> {
    if given == 0 { Ok(()) } else { Err(Error::value(Status::Argument, param, given, "must be 0")) }
}

/// Memory for an output.
#[derive(Debug)]
pub(super) struct Out<T>(*mut T);

/// Memory for an output, checked before the work is done.
///
/// # Safety
///
/// NULL, or memory for a T, which need not be initialised.
#[inline(always)]
pub(super) unsafe fn output<T>(out: *mut T, param: &'static str) -> Result<Out<T>> {
    if out.is_null() { Err(null(param)) } else { Ok(Out(out)) }
}

impl<T> Out<T> {
    /// Writes the output, once the call has succeeded.
    #[inline(always)]
    pub(super) fn set(self, value: T) -> Result<()> {
        // SAFETY: promised to `output`.
        unsafe { self.0.write(value) };
        Ok(())
    }

    /// Writes one value of an array.
    ///
    /// # Safety
    ///
    /// Memory for more than `at` values.
    #[inline(always)]
    pub(super) unsafe fn set_at(&self, at: usize, value: T) {
        // SAFETY: promised by the caller.
        unsafe { self.0.add(at).write(value) };
    }
}

/// Writes an output that the caller may not want.
///
/// # Safety
///
/// NULL, or memory for a T.
pub(super) unsafe fn set_optional<T>(out: *mut T, value: T) -> Result<()> {
    // SAFETY: promised by the caller.
    unsafe { output(out, "") }.map_or(Ok(()), |out| out.set(value))
}

/// The smallest struct of any version: its size and one more word.
const SMALLEST: u32 = 8;
/// Larger than any version's struct. A larger size is that of an uninitialised struct, and would make the library access up to
/// 4 GiB.
const LARGEST: u32 = 64 << 10;

fn check_size(size: u32, too_small: &'static str, too_large: &'static str) -> Result<()> {
    match size {
        SMALLEST..=LARGEST => Ok(()),
        ..SMALLEST => Err(size_error(size, too_small)),
        _ => Err(size_error(size, too_large)),
    }
}

fn size_error(size: u32, reason: &'static str) -> Error {
    Error::value(Status::Version, "struct_size", size, reason)
}

/// A struct that begins with its `struct_size`. Fields that an older caller's struct lacks are those of `defaults`; bytes
/// beyond this version's struct must be zero.
///
/// # Safety
///
/// At least four readable bytes, and as many as they say if that is at most [`LARGEST`]. Every bit pattern is a legal T.
unsafe fn versioned<T: Copy>(given: *const T, defaults: T) -> Result<T> {
    let ours = size_of::<T>();
    // SAFETY: promised by the caller.
    let size = unsafe { given.cast::<u32>().read_unaligned() };
    check_size(
        size,
        "too small; fill the struct by its _init function first",
        "more than 65536; the struct seems uninitialised: call its _init function first, or zero it and set its size",
    )?;
    // SAFETY: promised by the caller: `size` bytes.
    let given = unsafe { slice::from_raw_parts(given.cast::<u8>(), size as usize) };
    let (known, unknown) = given.split_at(given.len().min(ours));
    if unknown.iter().any(|&byte| byte != 0) {
        return Err(size_error(size, "a field that this version does not know is set"));
    }
    let mut value = defaults;
    // SAFETY: no more bytes than a T has, and every bit pattern is legal.
    unsafe { (&raw mut value).cast::<u8>().copy_from_nonoverlapping(known.as_ptr(), known.len()) };
    Ok(value)
}

/// As [`versioned`]; NULL is an error.
///
/// # Safety
///
/// As there, or NULL.
pub(super) unsafe fn required_struct<T: Copy>(
    given: *const T,
    defaults: T,
    param: &'static str,
) -> Result<T> {
    if given.is_null() {
        return Err(null(param));
    }
    // SAFETY: not NULL; the rest is this function's contract.
    unsafe { versioned(given, defaults) }
}

/// As [`versioned`]; NULL stands for the defaults.
///
/// # Safety
///
/// As there, or NULL.
pub(super) unsafe fn optional_struct<T: Copy>(given: *const T, defaults: T) -> Result<T> {
    if given.is_null() {
        return Ok(defaults);
    }
    // SAFETY: not NULL; the rest is this function's contract.
    unsafe { versioned(given, defaults) }
}

/// Checks the memory and the size of a struct that is written once the work is done.
///
/// # Safety
///
/// NULL, or memory of `struct_size` bytes.
pub(super) unsafe fn sized_output<T>(struct_size: u32, out: *mut T, param: &'static str) -> Result<()> {
    // SAFETY: promised by the caller.
    unsafe { output(out, param) }?;
    check_size(
        struct_size,
        "too small; pass sizeof the struct",
        "more than 65536; it seems uninitialised: pass sizeof the struct",
    )
}

/// Writes a struct of the caller's size; `value` gets the number of its bytes that are written.
///
/// # Safety
///
/// NULL, or memory of `struct_size` bytes.
pub(super) unsafe fn write_sized<T: Copy>(
    struct_size: u32,
    out: *mut T,
    param: &'static str,
    value: impl FnOnce(u32) -> T,
) -> Result<()> {
    // SAFETY: promised by the caller.
    unsafe { sized_output(struct_size, out, param) }?;
    let value = value(struct_size.min(size_of::<T>() as u32));
    // SAFETY: promised by the caller.
    unsafe { write_versioned(out, struct_size, &value) };
    Ok(())
}

/// Writes the first `size` bytes of a struct, and zeros beyond this version's struct.
///
/// # Safety
///
/// `out` is memory of `size` bytes.
unsafe fn write_versioned<T: Copy>(out: *mut T, size: u32, value: &T) {
    let (size, ours) = (size as usize, size_of::<T>());
    let (out, value) = (out.cast::<u8>(), (&raw const *value).cast::<u8>());
    // SAFETY: promised by the caller, and no more bytes are read than a T has.
    unsafe {
        out.copy_from_nonoverlapping(value, size.min(ours));
        out.add(size.min(ours)).write_bytes(0, size.saturating_sub(ours));
    }
}

/// A C struct with fields of its own, and fields of the same names copied from a struct of the core:
/// `copy_fields! { bb_struct { own: value } from source: first, second }`.
macro_rules! copy_fields {
    ($to:ident { $($own:ident: $value:expr),* } from $from:ident: $($field:ident),+ $(,)?) => {
        $to { $($own: $value,)* $($field: $from.$field,)+ }
    };
}

/// Writes the length of a text, and the text with a NUL unless the caller wants only the length.
///
/// # Safety
///
/// `out` is NULL or memory of `capacity` bytes; `length` is NULL or memory for a number.
pub(super) unsafe fn write_text(text: &str, out: *mut c_char, capacity: u64, length: *mut u64) -> Result<()> {
    // SAFETY: promised by the caller.
    let length = unsafe { output(length, "length") }?;
    let bytes = text.len() as u64;
    if capacity > 0 {
        if out.is_null() {
            let reason = "is NULL; use a capacity of 0 to get only the length";
            return Err(Error::param(Status::Null, "text", reason));
        }
        if capacity <= bytes {
            let (end, of) = (u128::from(bytes) + 1, "capacity; get the length first");
            return Err(Error::beyond("text with its NUL", end, capacity, of));
        }
        // SAFETY: memory for more than the text, and the two do not overlap.
        unsafe {
            out.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), text.len());
            out.add(text.len()).write(0);
        }
    }
    length.set(bytes)
}

/// Text as an array of characters, cut where it does not fit.
pub(super) fn chars<const N: usize>(text: &str) -> [c_char; N] {
    let mut chars = [0; N];
    chars.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from as c_char);
    chars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Known {
        struct_size: u32,
        first: u32,
        second: u64,
    }

    const DEFAULTS: Known = Known { struct_size: 16, first: 1, second: 2 };

    fn read(words: [u32; 6]) -> Result<Known> {
        // SAFETY: six words are longer than any size that the tests give.
        unsafe { versioned(words.as_ptr().cast(), DEFAULTS) }
    }

    #[test]
    fn an_older_struct_gets_defaults_and_a_newer_one_must_end_in_zeros() {
        assert_eq!(read([8, 7, 9, 9, 9, 9]), Ok(Known { struct_size: 8, first: 7, second: 2 }));
        assert_eq!(read([16, 7, 5, 0, 9, 9]), Ok(Known { struct_size: 16, first: 7, second: 5 }));
        assert_eq!(read([24, 7, 5, 0, 0, 0]), Ok(Known { struct_size: 24, first: 7, second: 5 }));
        let too_large = [LARGEST + 1, 7, 5, 0, 0, 0];
        for wrong in [[0, 7, 5, 0, 0, 0], [4, 7, 5, 0, 0, 0], [24, 7, 5, 0, 0, 1], too_large] {
            assert_eq!(read(wrong).unwrap_err().status(), Status::Version);
        }
    }

    #[test]
    fn an_output_is_cut_for_an_older_caller_and_zero_filled_for_a_newer_one() {
        let value = Known { struct_size: 16, first: 3, second: 4 };
        let mut out = [9u32; 6];
        // SAFETY: memory for all sizes below.
        unsafe { write_versioned(out.as_mut_ptr().cast(), 8, &value) };
        assert_eq!(out, [16, 3, 9, 9, 9, 9]);
        // SAFETY: as above.
        unsafe { write_versioned(out.as_mut_ptr().cast(), 24, &value) };
        assert_eq!(out, [16, 3, 4, 0, 0, 0]);
    }

    #[test]
    fn lengths_beyond_the_address_space_are_refused() {
        let one = 5u64;
        // SAFETY: refused before anything is read.
        unsafe {
            assert_eq!(many(&raw const one, 1 << 61, "updates").unwrap_err().status(), Status::Range);
            assert_eq!(many(std::ptr::null::<u64>(), 1, "updates").unwrap_err().status(), Status::Null);
            assert_eq!(many(std::ptr::null::<u64>(), 0, "updates"), Ok(&[][..]));
        }
    }

    #[test]
    fn the_length_alone_is_available_and_a_short_buffer_stays_unchanged() {
        let (mut buffer, mut length) = ([b'x' as c_char; 8], 99);
        // SAFETY: the capacities are those of the buffer, or less.
        unsafe {
            write_text("abc", std::ptr::null_mut(), 0, &mut length).unwrap();
            assert_eq!(length, 3);
            length = 99;
            let refused = write_text("abc", buffer.as_mut_ptr(), 3, &mut length).unwrap_err();
            assert_eq!((refused.status(), length, buffer[0]), (Status::Range, 99, b'x' as c_char));
            write_text("abc", buffer.as_mut_ptr(), 4, &mut length).unwrap();
            assert_eq!((length, &buffer[..5]), (3, &[97, 98, 99, 0, 120][..]));
            assert_eq!(
                write_text("", std::ptr::null_mut(), 1, &mut length).unwrap_err().status(),
                Status::Null
            );
        }
    }
}
