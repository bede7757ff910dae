//! Reading what C hands over, and writing what it wants back.
//!
//! Raw pointers are trusted to point to what the header says; NULL, sizes, versions and encodings are checked.

use std::ffi::{CStr, c_char};
use std::slice;

use crate::error::{Error, Result, Status};

/// Something that must not be NULL.
///
/// # Safety
///
/// NULL, or what the header says, for as long as the call lasts.
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

/// `count` values; NULL is fine for none.
///
/// # Safety
///
/// NULL, or that many values that do not change while the call lasts.
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
/// NULL, or a NUL-terminated string that does not change while the call lasts.
pub(super) unsafe fn name<'a>(given: *const c_char, param: &'static str) -> Result<&'a str> {
    if given.is_null() {
        return Ok("");
    }
    // SAFETY: promised by the caller.
    let text = unsafe { CStr::from_ptr(given) };
    if text.to_bytes().is_ascii() {
        // Nearly every name; the full check takes a tenth of a look-up.
        // SAFETY: ASCII is UTF-8.
        return Ok(unsafe { str::from_utf8_unchecked(text.to_bytes()) });
    }
    text.to_str().map_err(|_| Error::param(Status::Argument, param, "is not UTF-8"))
}

/// A NUL-terminated name that must not be NULL.
///
/// # Safety
///
/// NULL, or a NUL-terminated string that does not change while the call lasts.
pub(super) unsafe fn required_name<'a>(given: *const c_char, param: &'static str) -> Result<&'a str> {
    // SAFETY: promised by the caller.
    unsafe { if given.is_null() { Err(null(param)) } else { name(given, param) } }
}

/// Text of a given length.
///
/// # Safety
///
/// NULL with length 0, or that many bytes that do not change while the call lasts.
pub(super) unsafe fn utf8<'a>(given: *const c_char, length: u64, param: &'static str) -> Result<&'a str> {
    // SAFETY: promised by the caller.
    let bytes = unsafe { many(given.cast::<u8>(), length, param) }?;
    std::str::from_utf8(bytes).map_err(|_| Error::param(Status::Argument, param, "is not UTF-8"))
}

/// Flags of which only `known` may be set.
pub(super) fn flags(given: u32, known: u32, param: &'static str) -> Result<u32> {
    if given & !known == 0 {
        Ok(given)
    } else {
        Err(Error::value(Status::Argument, param, given, "unknown flags"))
    }
}

/// Yes or no, as an integer.
pub(super) fn flag(given: u32, param: &'static str) -> Result<bool> {
    match given {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Error::value(Status::Argument, param, other, "use 0 or 1")),
    }
}

/// Where an output goes.
#[derive(Debug)]
pub(super) struct Out<T>(*mut T);

/// A place for an output, checked before the work is done.
///
/// # Safety
///
/// NULL, or memory for a T, which need not be initialised.
#[inline(always)]
pub(super) unsafe fn output<T>(place: *mut T, param: &'static str) -> Result<Out<T>> {
    if place.is_null() { Err(null(param)) } else { Ok(Out(place)) }
}

impl<T> Out<T> {
    /// Writes the output, once the call has succeeded.
    #[inline(always)]
    pub(super) fn set(self, value: T) -> Result<()> {
        // SAFETY: promised to `output`.
        unsafe { self.0.write(value) };
        Ok(())
    }
}

/// The smallest struct that any version had: its size and one more word.
const SMALLEST: u32 = 8;
/// Far more than any version will have. A larger size is what an uninitialised struct or variable holds, and would have the
/// library read or write up to 4 GiB.
const LARGEST: u32 = 64 << 10;

/// Refuses sizes that no version's struct has.
fn check_size(size: u32, too_small: &'static str, too_large: &'static str) -> Result<()> {
    match size {
        SMALLEST..=LARGEST => Ok(()),
        ..SMALLEST => Err(size_error(size, too_small)),
        _ => Err(size_error(size, too_large)),
    }
}

fn size_error(size: u32, why: &'static str) -> Error {
    Error::value(Status::Version, "struct_size", size, why)
}

/// A struct that begins with its `struct_size`: what an older caller does not have is taken from `defaults`; what a newer
/// one has beyond ours must be zero.
///
/// # Safety
///
/// At least four readable bytes, and as many as they say if that is at most [`LARGEST`]. Every bit pattern is a legal T.
pub(super) unsafe fn versioned<T: Copy>(given: *const T, defaults: T) -> Result<T> {
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

/// As [`versioned`]; NULL stands for the defaults.
///
/// # Safety
///
/// As there, or NULL.
pub(super) unsafe fn optional<T: Copy>(given: *const T, defaults: T) -> Result<T> {
    if given.is_null() {
        return Ok(defaults);
    }
    // SAFETY: promised by the caller.
    unsafe { versioned(given, defaults) }
}

/// Checks the place and the size of a struct that is written once the work is done.
///
/// # Safety
///
/// NULL, or a place of `struct_size` bytes.
pub(super) unsafe fn sized_output<T>(struct_size: u32, place: *mut T, param: &'static str) -> Result<()> {
    // SAFETY: promised by the caller.
    unsafe { output(place, param) }?;
    check_size(
        struct_size,
        "too small; pass sizeof the struct",
        "more than 65536; it seems uninitialised: pass sizeof the struct",
    )
}

/// Writes a struct of a size that the caller chose; `value` is told how many bytes of it are written.
///
/// # Safety
///
/// NULL, or a place of `struct_size` bytes.
pub(super) unsafe fn write_sized<T: Copy>(
    struct_size: u32,
    place: *mut T,
    param: &'static str,
    value: impl FnOnce(u32) -> T,
) -> Result<()> {
    // SAFETY: promised by the caller.
    unsafe { sized_output(struct_size, place, param) }?;
    let value = value(struct_size.min(size_of::<T>() as u32));
    // SAFETY: promised by the caller.
    unsafe { write_versioned(place, struct_size, &value) };
    Ok(())
}

/// Writes the first `size` bytes of a struct, and zeros for what a newer caller has beyond ours.
///
/// # Safety
///
/// `place` has room for `size` bytes.
unsafe fn write_versioned<T: Copy>(place: *mut T, size: u32, value: &T) {
    let (size, ours) = (size as usize, size_of::<T>());
    let (place, value) = (place.cast::<u8>(), (&raw const *value).cast::<u8>());
    // SAFETY: promised by the caller, and no more bytes are read than a T has.
    unsafe {
        place.copy_from_nonoverlapping(value, size.min(ours));
        place.add(size.min(ours)).write_bytes(0, size.saturating_sub(ours));
    }
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
        let mut place = [9u32; 6];
        // SAFETY: room for all sizes below.
        unsafe { write_versioned(place.as_mut_ptr().cast(), 8, &value) };
        assert_eq!(place, [16, 3, 9, 9, 9, 9]);
        // SAFETY: as above.
        unsafe { write_versioned(place.as_mut_ptr().cast(), 24, &value) };
        assert_eq!(place, [16, 3, 4, 0, 0, 0]);
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
}
