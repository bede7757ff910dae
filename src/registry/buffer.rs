//! What an owner asks for, as plain data.

use std::fmt;
use std::ops::Range;

use super::layout::Space;
use crate::alloc::try_string;
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
    /// Its name in JSON and text.
    ///
    /// ```
    /// assert_eq!(backbuf::registry::Location::Shared.name(), "shared");
    /// ```
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
    /// All of them.
    pub const ALL: [Precision; 5] =
        [Precision::F16, Precision::F32, Precision::F64, Precision::I32, Precision::I64];

    /// Bytes of an element, and its alignment.
    ///
    /// ```
    /// assert_eq!(backbuf::registry::Precision::F16.bytes(), 2);
    /// ```
    pub const fn bytes(self) -> u64 {
        match self {
            Precision::F16 => 2,
            Precision::F32 | Precision::I32 => 4,
            Precision::F64 | Precision::I64 => 8,
        }
    }

    /// Its name in JSON and text.
    ///
    /// ```
    /// assert_eq!(backbuf::registry::Precision::F64.name(), "f64");
    /// ```
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
    ///
    /// ```
    /// use backbuf::registry::Precision;
    /// assert_eq!(Precision::from_name("i32")?, Precision::I32);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn from_name(name: &str) -> Result<Precision> {
        Precision::ALL.into_iter().find(|precision| precision.name() == name).ok_or_else(|| {
            Error::named(
                Status::Argument,
                "precision",
                name,
                "no such precision; use f16, f32, f64, i32 or i64",
            )
        })
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The steps in which a buffer is alive: from `begin`, up to and without `end`.
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
    /// The step behind the last.
    pub end: u64,
}

impl Lifetime {
    /// What a buffer without a lifetime has.
    pub const ALWAYS: Lifetime = Lifetime { begin: 0, end: u64::MAX };

    /// Whether there is a step that lies in both.
    pub const fn meets(self, other: Lifetime) -> bool {
        self.begin < other.end && other.begin < self.end
    }
}

impl From<Range<u64>> for Lifetime {
    fn from(steps: Range<u64>) -> Lifetime {
        Lifetime { begin: steps.start, end: steps.end }
    }
}

/// A buffer as its owner asks for it.
///
/// ```
/// use backbuf::registry::{Buffer, Precision};
/// let buffer = Buffer::shared("tmp", 30).aliasing("k1").of(Precision::F64).alive(2..5);
/// assert_eq!((buffer.size, buffer.aliases.as_deref()), (30, Some("k1")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Buffer {
    /// Its name: 1 to 255 bytes, once in a group.
    pub name: String,
    /// Elements; 0 is legal.
    pub size: u64,
    /// The memory that it asks for.
    pub location: Location,
    /// Whether it outlives a call. Matters for local buffers; a shared one lies in shared memory all the same.
    pub persistent: bool,
    /// The buffer, registered earlier, whose memory it would rather share.
    pub aliases: Option<String>,
    /// The type of its elements.
    pub precision: Precision,
    /// The steps in which it is alive; without them it always is.
    pub lifetime: Option<Lifetime>,
}

impl Buffer {
    /// A buffer of f32 in shared memory.
    ///
    /// ```
    /// assert_eq!(backbuf::registry::Buffer::shared("k1", 3).location.name(), "shared");
    /// ```
    pub fn shared(name: impl Into<String>, size: u64) -> Buffer {
        Buffer {
            name: name.into(),
            size,
            location: Location::Shared,
            persistent: false,
            aliases: None,
            precision: Precision::F32,
            lifetime: None,
        }
    }

    /// A buffer of f32 in an array of its own.
    ///
    /// ```
    /// assert_eq!(backbuf::registry::Buffer::local("x", 3).location.name(), "local");
    /// ```
    pub fn local(name: impl Into<String>, size: u64) -> Buffer {
        Buffer { location: Location::Local, ..Buffer::shared(name, size) }
    }

    /// A buffer of f32 in the persistent array of the thread.
    ///
    /// ```
    /// assert!(backbuf::registry::Buffer::persistent("history", 8).persistent);
    /// ```
    pub fn persistent(name: impl Into<String>, size: u64) -> Buffer {
        Buffer { persistent: true, ..Buffer::local(name, size) }
    }

    /// The same, as an alias of another.
    ///
    /// ```
    /// let buffer = backbuf::registry::Buffer::local("tmp", 3).aliasing("k1");
    /// assert_eq!(buffer.aliases.as_deref(), Some("k1"));
    /// ```
    pub fn aliasing(self, target: impl Into<String>) -> Buffer {
        Buffer { aliases: Some(target.into()), ..self }
    }

    /// The same, of another precision.
    ///
    /// ```
    /// use backbuf::registry::{Buffer, Precision};
    /// assert_eq!(Buffer::local("n", 1).of(Precision::I32).precision, Precision::I32);
    /// ```
    pub fn of(self, precision: Precision) -> Buffer {
        Buffer { precision, ..self }
    }

    /// The same, alive in these steps only.
    ///
    /// ```
    /// let buffer = backbuf::registry::Buffer::shared("k2", 3).alive(1..4);
    /// assert_eq!(buffer.lifetime.map(|l| l.end), Some(4));
    /// ```
    pub fn alive(self, steps: Range<u64>) -> Buffer {
        Buffer { lifetime: Some(steps.into()), ..self }
    }

    /// Where it lies if it is no alias, or if its alias cannot be served.
    ///
    /// ```
    /// use backbuf::registry::{Buffer, Space};
    /// assert_eq!(Buffer::persistent("history", 8).space(), Space::Persistent);
    /// ```
    pub const fn space(&self) -> Space {
        self.spec().space()
    }

    /// A copy, if there is memory for one.
    pub(super) fn try_clone(&self) -> Result<Buffer> {
        let aliases = self.aliases.as_deref().map(try_string).transpose()?;
        Ok(Buffer::new(try_string(&self.name)?, aliases, self.spec()))
    }

    pub(super) const fn new(name: String, aliases: Option<String>, spec: Spec) -> Buffer {
        let Spec { size, location, persistent, precision, lifetime } = spec;
        Buffer { name, size, location, persistent, aliases, precision, lifetime }
    }

    pub(super) const fn spec(&self) -> Spec {
        Spec {
            size: self.size,
            location: self.location,
            persistent: self.persistent,
            precision: self.precision,
            lifetime: self.lifetime,
        }
    }
}

/// What a buffer is, beside its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Spec {
    pub(crate) size: u64,
    pub(crate) location: Location,
    pub(crate) persistent: bool,
    pub(crate) precision: Precision,
    pub(crate) lifetime: Option<Lifetime>,
}

impl Spec {
    pub(super) const fn space(&self) -> Space {
        match (self.location, self.persistent) {
            (Location::Shared, _) => Space::Shared,
            (Location::Local, true) => Space::Persistent,
            (Location::Local, false) => Space::Local,
        }
    }

    /// Elements that it takes where it is placed by itself: a local array is never empty.
    pub(super) fn length(&self, space: Space) -> u64 {
        if space == Space::Local { self.size.max(1) } else { self.size }
    }

    /// Refuses what no layout can hold.
    pub(super) fn vet(&self) -> Result<()> {
        vet_size(self.size)?;
        if self.size.checked_mul(self.precision.bytes()).is_none() {
            let why = "more elements than 64 bits can count the bytes of";
            return Err(Error::value(Status::Range, "size", self.size, why));
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

    pub(super) fn lifetime(&self) -> Lifetime {
        self.lifetime.unwrap_or(Lifetime::ALWAYS)
    }
}

/// Refuses a size that was negative before it came here.
pub(crate) fn vet_size(size: u64) -> Result<()> {
    let why = "negative, or beyond 2^63 - 1 elements";
    if size > i64::MAX as u64 { Err(Error::value(Status::Range, "size", size as i64, why)) } else { Ok(()) }
}

/// What to change of a buffer: each field that is given.
///
/// ```
/// use backbuf::registry::{Buffer, Registry, Update, Updated};
/// let registry = Registry::new();
/// registry.register(1, &Buffer::shared("k1", 100))?;
/// let update = Update { size: Some(50), ..Update::default() };
/// assert_eq!(registry.update_buffer(1, "k1", &update)?, Updated { recognized: true, changed: true });
/// assert_eq!(registry.update_buffer(1, "k9", &update)?, Updated { recognized: false, changed: false });
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Update {
    /// Elements.
    pub size: Option<u64>,
    /// The memory that it asks for.
    pub location: Option<Location>,
    /// Whether it outlives a call.
    pub persistent: Option<bool>,
    /// `Some(None)`: no alias any more.
    pub aliases: Option<Option<String>>,
    /// The type of its elements.
    pub precision: Option<Precision>,
    /// `Some(None)`: always alive.
    pub lifetime: Option<Option<Lifetime>>,
}

impl Update {
    /// `spec` with the changes.
    pub(super) fn apply(&self, spec: Spec) -> Spec {
        Spec {
            size: self.size.unwrap_or(spec.size),
            location: self.location.unwrap_or(spec.location),
            persistent: self.persistent.unwrap_or(spec.persistent),
            precision: self.precision.unwrap_or(spec.precision),
            lifetime: self.lifetime.unwrap_or(spec.lifetime),
        }
    }
}
