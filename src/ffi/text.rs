//! Text of which the caller does not know the length: it asks for the length first, then for the text.

use std::ffi::c_char;

use super::input;
use crate::error::{Error, Result, Status};

/// Writes the text's length, and the text with a NUL behind it, unless the caller asked for the length alone.
///
/// # Safety
///
/// `place` is NULL or has room for `capacity` bytes; `length` is NULL or memory for a number.
pub(super) unsafe fn write(text: &str, place: *mut c_char, capacity: u64, length: *mut u64) -> Result<()> {
    // SAFETY: promised by the caller.
    let length = unsafe { input::output(length, "length") }?;
    let bytes = text.len() as u64;
    if capacity > 0 {
        if place.is_null() {
            return Err(Error::param(
                Status::Null,
                "text",
                "is NULL; with a capacity of 0 the length is told alone",
            ));
        }
        if capacity <= bytes {
            let end = u128::from(bytes) + 1;
            return Err(Error::beyond(
                "text with its NUL",
                end,
                capacity,
                "capacity; ask for the length first",
            ));
        }
        // SAFETY: room for more than the text, and the two cannot overlap: ours was just made.
        unsafe {
            place.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), text.len());
            place.add(text.len()).write(0);
        }
    }
    length.set(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_told_first_and_a_short_place_stays_as_it_was() {
        let (mut place, mut length) = ([b'x' as c_char; 8], 99);
        // SAFETY: the capacities are those of the place, or less.
        unsafe {
            write("abc", std::ptr::null_mut(), 0, &mut length).unwrap();
            assert_eq!(length, 3);
            length = 99;
            let refused = write("abc", place.as_mut_ptr(), 3, &mut length).unwrap_err();
            assert_eq!((refused.status(), length, place[0]), (Status::Range, 99, b'x' as c_char));
            write("abc", place.as_mut_ptr(), 4, &mut length).unwrap();
            assert_eq!((length, &place[..5]), (3, &[97, 98, 99, 0, 120][..]));
            assert_eq!(write("", std::ptr::null_mut(), 1, &mut length).unwrap_err().status(), Status::Null);
        }
    }
}
