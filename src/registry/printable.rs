//! Names in text that others read: a name may hold anything.

use std::fmt::{self, Write};

/// A text with what cannot be seen, or would end a line, a comment or a tag, told by its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Printable<'a>(pub(super) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                ' ' => f.write_char(' ')?,
                // At the end of a line, C takes it for the next line's beginning; with what follows, it may be an escape.
                '\\' => f.write_str("U+005C")?,
                _ if character.is_ascii_graphic() || character.is_alphanumeric() => {
                    f.write_char(character)?
                }
                _ => write!(f, "U+{:04X}", u32::from(character))?,
            }
        }
        Ok(())
    }
}
