//! How a group lays out.

use crate::error::{Error, Result, Status};

/// What the shared region of a group belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SharedPer {
    /// The block has one, which its threads share.
    #[default]
    Block,
    /// Each thread of the block has one.
    Thread,
}

impl SharedPer {
    /// Its name in JSON and text.
    ///
    /// ```
    /// assert_eq!(backbuf::registry::SharedPer::Thread.name(), "thread");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            SharedPer::Block => "block",
            SharedPer::Thread => "thread",
        }
    }

    /// The one of that name.
    ///
    /// ```
    /// use backbuf::registry::SharedPer;
    /// assert_eq!(SharedPer::from_name("block")?, SharedPer::Block);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn from_name(name: &str) -> Result<SharedPer> {
        [SharedPer::Block, SharedPer::Thread].into_iter().find(|per| per.name() == name).ok_or_else(|| {
            Error::named(Status::Argument, "shared_per", name, "no such owner; use block or thread")
        })
    }
}

/// How a group lays out.
///
/// ```
/// use backbuf::registry::{Buffer, Options, Precision, Registry};
/// let registry = Registry::with_options("", Options { typed: true, ..Options::default() });
/// registry.register(1, &Buffer::shared("flags", 3).of(Precision::F16))?;
/// registry.register(1, &Buffer::shared("sum", 1).of(Precision::F64))?;
/// assert_eq!(registry.layout(1)?.shared.bytes, Some(16));
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// Typed layout: offsets are worked out in bytes and aligned by precision, so that a region may mix precisions. Without
    /// it a region counts elements, and one that mixes precisions has no bytes.
    pub typed: bool,
    /// In a typed layout of 4-byte elements that belongs to a thread, the stride from one thread to the next is made an odd
    /// number of words, so that threads which read the same element meet 32 different banks.
    pub bank_skew: bool,
    /// An alias never overlaps a persistent buffer: where either is persistent, or a child's region that holds a persistent
    /// buffer, the alias is placed by itself.
    pub protect_persistent: bool,
    /// What the shared region belongs to.
    pub shared_per: SharedPer,
}

impl Default for Options {
    fn default() -> Options {
        Options { typed: false, bank_skew: true, protect_persistent: false, shared_per: SharedPer::Block }
    }
}
