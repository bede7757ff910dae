//! Buffer specifications, as plain data.

use std::fmt;
use std::ops::Range;

use crate::alloc::try_string;
use crate::error::{Error, Result, Status};
use crate::registry::options::{Location, Precision, Space};

/// The half-open range of steps in which a buffer is alive.
///
/// ```
/// use backbuf::registry::Lifetime;
/// assert!(Lifetime::from(0..3).meets(Lifetime::from(2..5)));
/// assert!(!Lifetime::from(0..3).meets(Lifetime::from(3..5)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lifetime {
    /// The first step.
    pub begin: u64,
    /// The step after the last.
    pub end: u64,
}

impl Lifetime {
    /// The lifetime of a buffer that has none of its own.
    pub const ALWAYS: Lifetime = Lifetime { begin: 0, end: u64::MAX };

    /// Whether the two have a step in common.
    pub const fn meets(self, other: Lifetime) -> bool {
        self.begin < other.end && other.begin < self.end
    }
}

impl From<Range<u64>> for Lifetime {
    fn from(steps: Range<u64>) -> Lifetime {
        Lifetime { begin: steps.start, end: steps.end }
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.begin, self.end)
    }
}

/// The specification of a named buffer.
///
/// ```
/// use backbuf::registry::{CUDABuffer, Precision};
/// let buffer = CUDABuffer::shared("tmp", 30).aliasing("k1").of(Precision::F64).alive(2..5);
/// assert_eq!((buffer.size, buffer.aliases.as_deref()), (30, Some("k1")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CUDABuffer {
    /// The name: 1 to 255 bytes, unique in a group.
    pub name: String,
    /// The number of elements; may be 0.
    pub size: u64,
    /// The memory that the buffer asks for.
    pub location: Location,
    /// Whether the buffer outlives a call. This matters for local buffers; a shared one lies in shared memory all the same.
    pub persistent: bool,
    /// The alias target: a buffer, registered earlier, whose memory this one shares if possible.
    pub aliases: Option<String>,
    /// The type of the elements.
    pub precision: Precision,
    /// The steps in which the buffer is alive; `None` for always.
    pub lifetime: Option<Lifetime>,
}

impl CUDABuffer {
    /// A buffer of f32 in shared memory.
    pub fn shared(name: impl Into<String>, size: u64) -> CUDABuffer {
        CUDABuffer {
            name: name.into(),
            size,
            location: Location::Shared,
            persistent: false,
            aliases: None,
            precision: Precision::F32,
            lifetime: None,
        }
    }

    /// A local array of f32.
    pub fn local(name: impl Into<String>, size: u64) -> CUDABuffer {
        CUDABuffer { location: Location::Local, ..CUDABuffer::shared(name, size) }
    }

    /// A buffer of f32 in the persistent region of the thread.
    pub fn persistent(name: impl Into<String>, size: u64) -> CUDABuffer {
        CUDABuffer { persistent: true, ..CUDABuffer::local(name, size) }
    }

    /// The same buffer as an alias of another.
    pub fn aliasing(self, target: impl Into<String>) -> CUDABuffer {
        CUDABuffer { aliases: Some(target.into()), ..self }
    }

    /// The same buffer with another precision.
    pub fn of(self, precision: Precision) -> CUDABuffer {
        CUDABuffer { precision, ..self }
    }

    /// The same buffer, alive in these steps only.
    pub fn alive(self, steps: Range<u64>) -> CUDABuffer {
        CUDABuffer { lifetime: Some(steps.into()), ..self }
    }

    /// The memory space of a buffer that is no alias, or whose alias target has no room.
    pub const fn space(&self) -> Space {
        self.attributes().space()
    }

    /// A copy; fails if memory is exhausted.
    pub(crate) fn try_clone(&self) -> Result<CUDABuffer> {
        let aliases = self.aliases.as_deref().map(try_string).transpose()?;
        Ok(CUDABuffer::new(try_string(&self.name)?, aliases, self.attributes()))
    }

    pub(crate) const fn new(
        name: String,
        aliases: Option<String>,
        attributes: BufferAttributes,
    ) -> CUDABuffer {
        let BufferAttributes { size, location, persistent, precision, lifetime } = attributes;
        CUDABuffer { name, size, location, persistent, aliases, precision, lifetime }
    }

    pub(crate) const fn attributes(&self) -> BufferAttributes {
        BufferAttributes {
            size: self.size,
            location: self.location,
            persistent: self.persistent,
            precision: self.precision,
            lifetime: self.lifetime,
        }
    }
}

/// A buffer's specification without its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BufferAttributes {
    pub(crate) size: u64,
    pub(crate) location: Location,
    pub(crate) persistent: bool,
    pub(crate) precision: Precision,
    pub(crate) lifetime: Option<Lifetime>,
}

impl BufferAttributes {
    pub(crate) const fn space(&self) -> Space {
        match (self.location, self.persistent) {
            (Location::Shared, _) => Space::Shared,
            (Location::Local, true) => Space::Persistent,
            (Location::Local, false) => Space::Local,
        }
    }

    /// The elements that the buffer takes in `space`: a local array is never empty.
    pub(crate) fn length(&self, space: Space) -> u64 {
        if space == Space::Local { self.size.max(1) } else { self.size }
    }

    /// Refuses sizes and lifetimes out of range.
    pub(crate) fn check(&self) -> Result<()> {
        check_size(self.size)?;
        if self.size.checked_mul(self.precision.bytes()).is_none() {
            let reason = "more elements than 64 bits can count the bytes of";
            return Err(Error::value(Status::Range, "size", self.size, reason));
        }
        match self.lifetime {
            Some(Lifetime { begin, end }) if end <= begin => Err(Error::value(
                Status::Range,
                "lifetime end",
                end,
                "not after its begin; a lifetime is half-open and holds a step at least",
            )),
            _ => Ok(()),
        }
    }

    pub(crate) fn lifetime(&self) -> Lifetime {
        self.lifetime.unwrap_or(Lifetime::ALWAYS)
    }
}

/// Refuses a size beyond `i64::MAX`, which is most likely a negative number that was converted.
pub(crate) fn check_size(size: u64) -> Result<()> {
    let reason = "negative, or beyond 2^63 - 1 elements";
    if size > i64::MAX as u64 {
        Err(Error::value(Status::Range, "size", size as i64, reason))
    } else {
        Ok(())
    }
}

/// Changes to a buffer: each field that is `Some` replaces its value.
///
/// ```
/// use backbuf::registry::{CUDABuffer, CUDABufferUpdate, BufferRegistry, Updated};
/// let registry = BufferRegistry::new();
/// registry.register(1, &CUDABuffer::shared("k1", 100))?;
/// let update = CUDABufferUpdate { size: Some(50), ..CUDABufferUpdate::default() };
/// assert_eq!(registry.update_buffer(1, "k1", &update)?, Updated { recognized: true, changed: true });
/// assert_eq!(registry.update_buffer(1, "k9", &update)?, Updated { recognized: false, changed: false });
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CUDABufferUpdate {
    /// The number of elements.
    pub size: Option<u64>,
    /// The memory that the buffer asks for.
    pub location: Option<Location>,
    /// Whether the buffer outlives a call.
    pub persistent: Option<bool>,
    /// The alias target; `Some(None)` for no alias.
    pub aliases: Option<Option<String>>,
    /// The type of the elements.
    pub precision: Option<Precision>,
    /// The steps in which the buffer is alive; `Some(None)` for always.
    pub lifetime: Option<Option<Lifetime>>,
}

impl CUDABufferUpdate {
    pub(crate) fn apply(&self, attributes: BufferAttributes) -> BufferAttributes {
        BufferAttributes {
            size: self.size.unwrap_or(attributes.size),
            location: self.location.unwrap_or(attributes.location),
            persistent: self.persistent.unwrap_or(attributes.persistent),
            precision: self.precision.unwrap_or(attributes.precision),
            lifetime: self.lifetime.unwrap_or(attributes.lifetime),
        }
    }
}
