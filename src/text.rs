//! Text of a fixed capacity, for messages without an allocation; and growing text that reports a failed allocation.

use std::fmt;

use crate::error::{Error, Result, Status};

/// Up to `N - 1` bytes of UTF-8, always NUL-terminated. What does not fit is cut at a character.
#[derive(Clone, Copy)]
pub(crate) struct Text<const N: usize> {
    length: usize,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    pub(crate) const fn new() -> Text<N> {
        Text { length: 0, bytes: [0; N] }
    }

    /// The text of `message`, as far as it fits.
    pub(crate) fn of(message: fmt::Arguments<'_>) -> Text<N> {
        let mut text = Text::new();
        // A cut is not an error.
        let _ = fmt::write(&mut text, message);
        text
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        (self.length, self.bytes[0]) = (0, 0);
    }

    pub(crate) fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
    }

    /// The bytes, with NULs behind them.
    pub(crate) fn to_chars(self) -> [std::ffi::c_char; N] {
        self.bytes.map(|byte| byte as std::ffi::c_char)
    }

    /// The bytes, with the NUL behind them.
    pub(crate) fn as_ptr(&self) -> *const std::ffi::c_char {
        self.bytes.as_ptr().cast()
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = (N - 1).saturating_sub(self.length);
        let fits = (0..=part.len().min(room)).rev().find(|&at| part.is_char_boundary(at)).unwrap_or(0);
        self.bytes[self.length..][..fits].copy_from_slice(&part.as_bytes()[..fits]);
        self.length += fits;
        // An error ends the formatting: after a cut nothing more may follow.
        if fits == part.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Text that grows as it is written. Writing fails when there is no memory for more.
#[derive(Debug)]
pub(crate) struct Draft(String);

impl fmt::Write for Draft {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0.try_reserve(part.len()).map_err(|_| fmt::Error)?;
        self.0.push_str(part);
        Ok(())
    }
}

/// The text that `write` writes, or [`Status::OutOfMemory`].
pub(crate) fn compose(write: impl FnOnce(&mut Draft) -> fmt::Result) -> Result<String> {
    let mut draft = Draft(String::new());
    match write(&mut draft) {
        Ok(()) => Ok(draft.0),
        Err(fmt::Error) => Err(Error::of(Status::OutOfMemory)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_at_a_character_and_stays_terminated() {
        let text = Text::<8>::of(format_args!("{}é{}", "abcdef", "more"));
        assert_eq!(text.as_str(), "abcdef");
        assert_eq!(text.bytes, *b"abcdef\0\0");
        assert_eq!(Text::<8>::of(format_args!("1234567")).as_str(), "1234567");
        assert_eq!(Text::<8>::of(format_args!("12345678")).as_str(), "1234567");
        assert_eq!(Text::<4>::of(format_args!("")).as_str(), "");
    }
}
