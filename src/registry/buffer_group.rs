//! The group of one parent: the registry's methods without the parent, and its layouts by name.

use std::ops::Range;

use crate::alloc::{try_string, try_vec};
use crate::error::{Result, Status};
use crate::registry::buffer::{CUDABuffer, CUDABufferUpdate};
use crate::registry::layout::{Allocator, Layout, Placed, Totals};
use crate::registry::options::Space;
use crate::registry::registry::{BufferRegistry, Updated};

/// The buffers of one parent in a [`BufferRegistry`]. It stores no buffers: groups of the same parent are the same group.
///
/// ```
/// use backbuf::registry::{BufferRegistry, CUDABuffer};
/// let registry = BufferRegistry::new();
/// let solver = registry.group(7);
/// solver.register(&CUDABuffer::shared("k1", 100))?;
/// solver.register(&CUDABuffer::local("tmp", 30).aliasing("k1"))?;
/// solver.register(&CUDABuffer::local("x", 0))?;
/// assert_eq!(solver.build_shared_layout()?, [("k1".to_string(), 0..100), ("tmp".to_string(), 0..30)]);
/// assert_eq!(solver.build_local_sizes()?, [("x".to_string(), 1)]);
/// assert_eq!(registry.shared_buffer_size(7)?, 100);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BufferGroup<'a> {
    registry: &'a BufferRegistry,
    parent: u64,
}

impl BufferRegistry {
    /// The group of a parent, which may have no buffers.
    pub fn group(&self, parent: u64) -> BufferGroup<'_> {
        BufferGroup { registry: self, parent }
    }
}

impl BufferGroup<'_> {
    /// The key of the parent.
    pub fn parent(&self) -> u64 {
        self.parent
    }

    /// The buffers in the order of registration; a child appears as its two regions.
    pub fn entries(&self) -> Result<Vec<CUDABuffer>> {
        self.collect(|placed| Ok(Some(placed.buffer.try_clone()?)))
    }

    /// [`BufferRegistry::register`].
    pub fn register(&self, buffer: &CUDABuffer) -> Result<()> {
        self.registry.register(self.parent, buffer)
    }

    /// [`BufferRegistry::replace`].
    pub fn replace(&self, buffer: &CUDABuffer) -> Result<()> {
        self.registry.replace(self.parent, buffer)
    }

    /// [`BufferRegistry::update_buffer`].
    pub fn update_buffer(&self, name: &str, update: &CUDABufferUpdate) -> Result<Updated> {
        self.registry.update_buffer(self.parent, name, update)
    }

    /// [`BufferRegistry::register_child`].
    pub fn register_child(&self, name: &str, child: u64, aliases: Option<&str>) -> Result<()> {
        self.registry.register_child(self.parent, name, child, aliases)
    }

    /// [`BufferRegistry::clear_layout`]: the next query computes the layout again.
    pub fn invalidate_layouts(&self) -> Result<()> {
        self.registry.clear_layout(self.parent)
    }

    /// [`BufferRegistry::layout`].
    pub fn layout(&self) -> Result<Layout> {
        self.registry.layout(self.parent)
    }

    /// [`BufferRegistry::get_allocator`].
    pub fn get_allocator(&self, name: &str) -> Result<Allocator> {
        self.registry.get_allocator(self.parent, name)
    }

    /// [`BufferRegistry::totals`].
    pub fn totals(&self) -> Result<Totals> {
        self.registry.totals(self.parent)
    }

    /// [`BufferRegistry::shared_buffer_size`].
    pub fn shared_buffer_size(&self) -> Result<u64> {
        self.registry.shared_buffer_size(self.parent)
    }

    /// [`BufferRegistry::persistent_local_buffer_size`].
    pub fn persistent_local_buffer_size(&self) -> Result<u64> {
        self.registry.persistent_local_buffer_size(self.parent)
    }

    /// [`BufferRegistry::local_buffer_size`].
    pub fn local_buffer_size(&self) -> Result<u64> {
        self.registry.local_buffer_size(self.parent)
    }

    /// The ranges of elements in the shared region, by name.
    pub fn build_shared_layout(&self) -> Result<Vec<(String, Range<u64>)>> {
        self.ranges(Space::Shared)
    }

    /// The ranges of elements in the persistent region, by name.
    pub fn build_persistent_layout(&self) -> Result<Vec<(String, Range<u64>)>> {
        self.ranges(Space::Persistent)
    }

    /// The elements of each local array, by name.
    pub fn build_local_sizes(&self) -> Result<Vec<(String, u64)>> {
        self.collect(|placed| match placed.allocator.space {
            Space::Local => Ok(Some((try_string(&placed.buffer.name)?, placed.allocator.length))),
            _ => Ok(None),
        })
    }

    fn ranges(&self, space: Space) -> Result<Vec<(String, Range<u64>)>> {
        self.collect(|placed| {
            let Allocator { offset, length, .. } = placed.allocator;
            let range = || Ok((try_string(&placed.buffer.name)?, offset..offset + length));
            (placed.allocator.space == space).then(range).transpose()
        })
    }

    /// What `pick` selects of the placed buffers: nothing for a parent without buffers.
    fn collect<T>(&self, pick: impl Fn(&Placed) -> Result<Option<T>>) -> Result<Vec<T>> {
        let layout = match self.registry.layout(self.parent) {
            Ok(layout) => layout,
            Err(error) if error.status() == Status::NoParent => return try_vec(0),
            Err(error) => return Err(error),
        };
        let mut picked = try_vec(layout.buffers.len())?;
        for placed in &layout.buffers {
            picked.extend(pick(placed)?);
        }
        Ok(picked)
    }
}
