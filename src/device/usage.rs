//! What buffers are for.

use std::fmt;
use std::ops::BitOr;

/// What a buffer may be used for, in WebGPU's words: a set.
///
/// ```
/// use backbuf::device::Usage;
/// let usage = Usage::VERTEX | Usage::COPY_DST;
/// assert!(usage.contains(Usage::VERTEX) && !usage.contains(Usage::INDEX));
/// assert_eq!(format!("{usage:?}"), "VERTEX | COPY_DST");
/// assert_eq!(Usage::from_bits(1 << 31), None);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Usage(u32);

impl Usage {
    /// Nothing.
    pub const NONE: Usage = Usage(0);
    /// Vertices.
    pub const VERTEX: Usage = Usage(1 << 0);
    /// Indices.
    pub const INDEX: Usage = Usage(1 << 1);
    /// Uniform blocks.
    pub const UNIFORM: Usage = Usage(1 << 2);
    /// Storage that shaders read and write.
    pub const STORAGE: Usage = Usage(1 << 3);
    /// The source of copies.
    pub const COPY_SRC: Usage = Usage(1 << 4);
    /// The destination of copies and writes.
    pub const COPY_DST: Usage = Usage(1 << 5);
    /// Mapped for reading.
    pub const MAP_READ: Usage = Usage(1 << 6);
    /// Mapped for writing.
    pub const MAP_WRITE: Usage = Usage(1 << 7);
    /// Arguments of indirect draws.
    pub const INDIRECT: Usage = Usage(1 << 8);

    const NAMES: [&str; 9] = [
        "VERTEX",
        "INDEX",
        "UNIFORM",
        "STORAGE",
        "COPY_SRC",
        "COPY_DST",
        "MAP_READ",
        "MAP_WRITE",
        "INDIRECT",
    ];

    /// The flags as a number, as in C.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set with those flags; none if one of them is unknown.
    pub const fn from_bits(bits: u32) -> Option<Usage> {
        if bits < 1 << Usage::NAMES.len() { Some(Usage(bits)) } else { None }
    }

    /// Whether it has any of what `some` has.
    ///
    /// ```
    /// use backbuf::device::Usage;
    /// assert!((Usage::VERTEX | Usage::COPY_DST).intersects(Usage::COPY_DST | Usage::COPY_SRC));
    /// ```
    pub const fn intersects(self, some: Usage) -> bool {
        self.0 & some.0 != 0
    }

    /// Whether it has all of those.
    pub const fn contains(self, all: Usage) -> bool {
        self.0 & all.0 == all.0
    }
}

impl BitOr for Usage {
    type Output = Usage;

    fn bitor(self, other: Usage) -> Usage {
        Usage(self.0 | other.0)
    }
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Usage::NAMES.iter().enumerate().filter(|(bit, _)| self.0 & 1 << bit != 0);
        match names.next() {
            None => f.write_str("NONE"),
            Some((_, first)) => {
                f.write_str(first)?;
                names.try_for_each(|(_, name)| write!(f, " | {name}"))
            }
        }
    }
}
