//! The layout of a group as plain data.

pub(crate) mod arrange;
pub(crate) mod diff;
pub(crate) mod lifetimes;

use crate::error::Result;
use crate::registry::buffer::CUDABuffer;
use crate::registry::options::{LayoutOptions, Precision, Space};

/// The rule that placed a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// It is no alias and has memory of its own.
    Own,
    /// It is a slice of its alias target.
    Aliased,
    /// It is an alias whose target has no room or is not shared: it lies where its own location says.
    FellBack,
}

impl Origin {
    /// The name in JSON and text: `own`, `aliased` or `fell back`.
    pub const fn name(self) -> &'static str {
        match self {
            Origin::Own => "own",
            Origin::Aliased => "aliased",
            Origin::FellBack => "fell back",
        }
    }
}

/// The sizes of a group's regions in elements.
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
pub struct MemoryRegion {
    /// The length in elements. The elements of a typed region that mixes precisions are bytes.
    pub elements: u64,
    /// The length in bytes. `None` if the region mixes precisions and the layout is not typed.
    pub bytes: Option<u64>,
    /// The precision of all its buffers. `None` if it is empty or mixes precisions.
    pub precision: Option<Precision>,
    /// The alignment of its start in bytes; 1 if it is empty.
    pub align_bytes: u64,
}

/// How a kernel gets a buffer.
///
/// ```
/// use backbuf::registry::{CUDABuffer, Origin, BufferRegistry, Space};
/// let registry = BufferRegistry::new();
/// registry.register(1, &CUDABuffer::shared("k1", 100))?;
/// registry.register(1, &CUDABuffer::local("tmp", 30).aliasing("k1"))?;
/// let tmp = registry.get_allocator(1, "tmp")?;
/// assert_eq!((tmp.space, tmp.offset, tmp.length, tmp.origin), (Space::Shared, 0, 30, Origin::Aliased));
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Allocator {
    /// The memory space in which it lies.
    pub space: Space,
    /// The offset in its region, in elements of its own precision; 0 for a local array.
    pub offset: u64,
    /// The length in elements.
    pub length: u64,
    /// The type of its elements. `None` for the bytes of a child's region that mixes precisions.
    pub precision: Option<Precision>,
    /// The number of elements to fill with zeros: its registered size, also where the array is longer.
    pub zero_fill: u64,
    /// Why it lies there.
    pub origin: Origin,
    /// The offset in its region, in bytes. `None` if the region mixes precisions and the layout is not typed.
    pub byte_offset: Option<u64>,
}

impl Allocator {
    /// The size of an element in bytes.
    pub const fn element_bytes(&self) -> u64 {
        match self.precision {
            Some(precision) => precision.bytes(),
            None => 1,
        }
    }
}

/// A buffer with its position.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Placed {
    /// The specification. The size of a child's hidden buffer is the child's total.
    pub buffer: CUDABuffer,
    /// Its position.
    pub allocator: Allocator,
    /// The child whose region this is, if it is a hidden buffer.
    pub child: Option<u64>,
    /// The hash of that child's layout; `None` if it has no buffers.
    pub child_hash: Option<u64>,
}

impl Placed {
    /// A copy; fails if memory is exhausted.
    pub(crate) fn try_clone(&self) -> Result<Placed> {
        let Placed { allocator, child, child_hash, .. } = *self;
        Ok(Placed { buffer: self.buffer.try_clone()?, allocator, child, child_hash })
    }
}

/// The layout of one group.
///
/// ```
/// use backbuf::registry::{CUDABuffer, BufferRegistry, Space};
/// let registry = BufferRegistry::new();
/// registry.register(1, &CUDABuffer::shared("k1", 100))?;
/// registry.register(1, &CUDABuffer::shared("tmp", 300).aliasing("k1"))?;
/// registry.register(1, &CUDABuffer::shared("k2", 50))?;
/// let layout = registry.layout(1)?;
/// let order: Vec<_> = layout.of(Space::Shared).map(|placed| placed.buffer.name.as_str()).collect();
/// assert_eq!(order, ["k1", "k2", "tmp"]);
/// assert_eq!(layout.shared.elements, 450);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The group's layout options.
    pub options: LayoutOptions,
    /// The version of the group at the time of the layout.
    pub version: u64,
    /// A hash that is the same for equal layouts in every process: it distinguishes kernels built before and after a change.
    pub hash: u64,
    /// The shared region.
    pub shared: MemoryRegion,
    /// The persistent region.
    pub persistent: MemoryRegion,
    /// All local arrays together, in elements.
    pub local: u64,
    /// All local arrays together, in bytes.
    pub local_bytes: u64,
    /// The distance in bytes between the shared regions of two threads; with one region per block, its bytes. `None` if it mixes
    /// precisions and the layout is not typed.
    pub shared_stride_bytes: Option<u64>,
    /// Whether the buffers with lifetimes lie as planned.
    pub planned: bool,
    /// Every buffer, in registration order.
    pub buffers: Vec<Placed>,
}

impl Layout {
    /// The sizes of the regions in elements.
    pub fn totals(&self) -> Totals {
        Totals { shared: self.shared.elements, persistent: self.persistent.elements, local: self.local }
    }

    /// The buffers in one space in layout order: first those that are no alias, then aliases, both in registration order.
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
