//! The choices of a registration: location, precision, memory space and layout options.

use std::fmt;

use crate::error::{Error, Result, Status};

/// The memory that a buffer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// The block's shared memory.
    Shared,
    /// Memory of the thread.
    Local,
}

impl Location {
    /// The name in JSON and text: `shared` or `local`.
    pub const fn name(self) -> &'static str {
        match self {
            Location::Shared => "shared",
            Location::Local => "local",
        }
    }

    /// The location of that name.
    ///
    /// ```
    /// use backbuf::registry::Location;
    /// assert_eq!(Location::from_name("local")?, Location::Local);
    /// assert!(Location::from_name("Shared").is_err());
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn from_name(name: &str) -> Result<Location> {
        [Location::Shared, Location::Local].into_iter().find(|location| location.name() == name).ok_or_else(
            || Error::named(Status::Argument, "location", name, "no such location; use shared or local"),
        )
    }
}

/// The type of a buffer's elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// IEEE 754 half precision.
    F16,
    /// IEEE 754 single precision.
    #[default]
    F32,
    /// IEEE 754 double precision.
    F64,
    /// Signed, 4 bytes.
    I32,
    /// Signed, 8 bytes.
    I64,
}

impl Precision {
    /// All precisions.
    pub const ALL: [Precision; 5] =
        [Precision::F16, Precision::F32, Precision::F64, Precision::I32, Precision::I64];

    /// The size of an element in bytes, which is also its alignment.
    pub const fn bytes(self) -> u64 {
        match self {
            Precision::F16 => 2,
            Precision::F32 | Precision::I32 => 4,
            Precision::F64 | Precision::I64 => 8,
        }
    }

    /// The name in JSON and text, such as `f32`.
    pub const fn name(self) -> &'static str {
        match self {
            Precision::F16 => "f16",
            Precision::F32 => "f32",
            Precision::F64 => "f64",
            Precision::I32 => "i32",
            Precision::I64 => "i64",
        }
    }

    /// The precision of that name.
    pub fn from_name(name: &str) -> Result<Precision> {
        Precision::ALL.into_iter().find(|precision| precision.name() == name).ok_or_else(|| {
            let reason = "no such precision; use f16, f32, f64, i32 or i64";
            Error::named(Status::Argument, "precision", name, reason)
        })
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The memory space in which a buffer lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// The shared region.
    Shared,
    /// The persistent region of the thread.
    Persistent,
    /// A local array.
    Local,
}

impl Space {
    /// The name in JSON and text: `shared`, `persistent` or `local`.
    pub const fn name(self) -> &'static str {
        match self {
            Space::Shared => "shared",
            Space::Persistent => "persistent",
            Space::Local => "local",
        }
    }
}

/// What owns the shared region of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SharedPer {
    /// One region per block, shared by its threads.
    #[default]
    Block,
    /// One region per thread of the block.
    Thread,
}

impl SharedPer {
    /// The name in JSON and text: `block` or `thread`.
    pub const fn name(self) -> &'static str {
        match self {
            SharedPer::Block => "block",
            SharedPer::Thread => "thread",
        }
    }

    /// The owner of that name.
    pub fn from_name(name: &str) -> Result<SharedPer> {
        [SharedPer::Block, SharedPer::Thread].into_iter().find(|per| per.name() == name).ok_or_else(|| {
            Error::named(Status::Argument, "shared_per", name, "no such owner; use block or thread")
        })
    }
}

/// The layout options of a group.
///
/// ```
/// use backbuf::registry::{CUDABuffer, LayoutOptions, Precision, BufferRegistry};
/// let registry = BufferRegistry::with_options("", LayoutOptions { typed: true, ..LayoutOptions::default() });
/// registry.register(1, &CUDABuffer::shared("flags", 3).of(Precision::F16))?;
/// registry.register(1, &CUDABuffer::shared("sum", 1).of(Precision::F64))?;
/// assert_eq!(registry.layout(1)?.shared.bytes, Some(16));
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LayoutOptions {
    /// Typed layout: offsets are computed in bytes and aligned by precision, so that a region may mix precisions. Without it
    /// a region counts elements, and a region that mixes precisions has no size in bytes.
    pub typed: bool,
    /// In a typed layout of 4-byte elements with one region per thread, the stride between threads is an odd number of words,
    /// so that threads which read the same element access 32 different banks.
    pub bank_skew: bool,
    /// An alias never overlaps a persistent buffer: if either is persistent, or a child's region that contains a persistent
    /// buffer, the alias gets memory of its own.
    pub protect_persistent: bool,
    /// What owns the shared region.
    pub shared_per: SharedPer,
}

impl Default for LayoutOptions {
    fn default() -> LayoutOptions {
        LayoutOptions {
            typed: false,
            bank_skew: true,
            protect_persistent: false,
            shared_per: SharedPer::Block,
        }
    }
}
