//! Where everything lies, as plain data.

use super::buffer::{Buffer, Precision};
use super::options::Options;
use crate::error::Result;

/// The memory in which a buffer lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    /// The shared region.
    Shared,
    /// The persistent region of the thread.
    Persistent,
    /// An array of its own.
    Local,
}

impl Space {
    /// Its name in JSON and text.
    ///
    /// ```
    /// assert_eq!(backbuf::registry::Space::Persistent.name(), "persistent");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Space::Shared => "shared",
            Space::Persistent => "persistent",
            Space::Local => "local",
        }
    }
}

/// How a buffer came to lie where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// No alias: it has memory of its own.
    Own,
    /// A slice of its target.
    Aliased,
    /// An alias whose target had no room for it, or was not shared: placed by its own location.
    FellBack,
}

impl Origin {
    /// Its name in JSON and text.
    ///
    /// ```
    /// assert_eq!(backbuf::registry::Origin::FellBack.name(), "fell back");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Origin::Own => "own",
            Origin::Aliased => "aliased",
            Origin::FellBack => "fell back",
        }
    }
}

/// What a group takes, in elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Totals {
    /// The shared region: the largest stop in it.
    pub shared: u64,
    /// The persistent region: the largest stop in it.
    pub persistent: u64,
    /// All local arrays together.
    pub local: u64,
}

/// One region of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Region {
    /// How long it is, in elements. Those of a typed region that mixes precisions are bytes.
    pub elements: u64,
    /// How long it is in bytes. None: it mixes precisions, and the layout is not typed.
    pub bytes: Option<u64>,
    /// The precision of everything in it. None: it is empty, or mixes precisions.
    pub precision: Option<Precision>,
    /// The alignment in bytes that its start needs; 1 if it is empty.
    pub align_bytes: u64,
}

/// How a kernel gets a buffer.
///
/// ```
/// use backbuf::registry::{Buffer, Origin, Registry, Space};
/// let registry = Registry::new();
/// registry.register(1, &Buffer::shared("k1", 100))?;
/// registry.register(1, &Buffer::local("tmp", 30).aliasing("k1"))?;
/// let tmp = registry.get_allocator(1, "tmp")?;
/// assert_eq!((tmp.space, tmp.offset, tmp.length, tmp.origin), (Space::Shared, 0, 30, Origin::Aliased));
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Allocator {
    /// The memory in which it lies.
    pub space: Space,
    /// Where it begins in its region, in elements of its own; 0 in an array of its own.
    pub offset: u64,
    /// How long it is, in elements.
    pub length: u64,
    /// The type of its elements. None: bytes, of a child's region that mixes precisions.
    pub precision: Option<Precision>,
    /// How many elements to fill with zeros: its size, also where the array is longer.
    pub zero_fill: u64,
    /// How it came to lie there.
    pub origin: Origin,
    /// Where it begins in its region, in bytes. None: the region mixes precisions, and the layout is not typed.
    pub byte_offset: Option<u64>,
}

impl Allocator {
    /// Bytes of an element.
    ///
    /// ```
    /// use backbuf::registry::{Buffer, Registry};
    /// let registry = Registry::new();
    /// registry.register(1, &Buffer::shared("k1", 100))?;
    /// assert_eq!(registry.get_allocator(1, "k1")?.element_bytes(), 4);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub const fn element_bytes(&self) -> u64 {
        match self.precision {
            Some(precision) => precision.bytes(),
            None => 1,
        }
    }
}

/// A buffer and where it lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Placed {
    /// What was asked for. Of a child's hidden buffer, the size is the child's total.
    pub buffer: Buffer,
    /// Where it lies.
    pub allocator: Allocator,
    /// The parent whose region this is, if it is a child's hidden buffer.
    pub child: Option<u64>,
    /// The hash of that parent's layout; None if it has no buffers.
    pub child_hash: Option<u64>,
}

impl Placed {
    /// A copy, if there is memory for one.
    pub(crate) fn try_clone(&self) -> Result<Placed> {
        let Placed { allocator, child, child_hash, .. } = *self;
        Ok(Placed { buffer: self.buffer.try_clone()?, allocator, child, child_hash })
    }
}

/// The layout of one group.
///
/// ```
/// use backbuf::registry::{Buffer, Registry, Space};
/// let registry = Registry::new();
/// registry.register(1, &Buffer::shared("k1", 100))?;
/// registry.register(1, &Buffer::shared("tmp", 300).aliasing("k1"))?;
/// registry.register(1, &Buffer::shared("k2", 50))?;
/// let layout = registry.layout(1)?;
/// let order: Vec<_> = layout.of(Space::Shared).map(|placed| placed.buffer.name.as_str()).collect();
/// assert_eq!(order, ["k1", "k2", "tmp"]);
/// assert_eq!(layout.shared.elements, 450);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How the group lays out.
    pub options: Options,
    /// The version of the group that this is the layout of.
    pub version: u64,
    /// The same for equal layouts, in every process: tells a kernel built before a change from one built after.
    pub hash: u64,
    /// The shared region.
    pub shared: Region,
    /// The persistent region.
    pub persistent: Region,
    /// All local arrays together, in elements.
    pub local: u64,
    /// All local arrays together, in bytes.
    pub local_bytes: u64,
    /// From one thread's shared region to the next one's, if it belongs to a thread; else the region's bytes. None: it mixes
    /// precisions, and the layout is not typed.
    pub shared_stride_bytes: Option<u64>,
    /// Whether buffers with lifetimes lie where a plan has put them.
    pub planned: bool,
    /// Every buffer, in registration order.
    pub buffers: Vec<Placed>,
}

impl Layout {
    /// What the group takes, in elements.
    pub fn totals(&self) -> Totals {
        Totals { shared: self.shared.elements, persistent: self.persistent.elements, local: self.local }
    }

    /// The buffers in one space, in layout order: first those that are no alias, then aliases, each in registration order.
    pub fn of(&self, space: Space) -> impl Iterator<Item = &Placed> {
        let there = move |placed: &&Placed| placed.allocator.space == space;
        let own = |placed: &&Placed| placed.allocator.origin == Origin::Own;
        self.buffers.iter().filter(there).filter(own).chain(
            self.buffers.iter().filter(there).filter(move |placed| placed.allocator.origin != Origin::Own),
        )
    }

    /// The buffer of that name.
    pub fn get(&self, name: &str) -> Option<&Placed> {
        self.buffers.iter().find(|placed| placed.buffer.name == name)
    }
}
