//! The registry: a lock around the groups, and queries that return copies.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::alloc::{try_string, try_vec};
use crate::error::{Error, Label, Result, Status};
use crate::registry::buffer::{BufferAttributes, CUDABuffer, CUDABufferUpdate};
use crate::registry::group::check_name;
use crate::registry::groups::{Groups, no_name};
use crate::registry::layout::{Allocator, Layout, Placed, Totals};
use crate::registry::options::LayoutOptions;

/// The result of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Updated {
    /// The parent has a buffer of that name.
    pub recognized: bool,
    /// The update has changed it.
    pub changed: bool,
}

/// Named buffers of many parents, and where they lie. All methods may be called from any thread at any time.
///
/// A layout is computed by the first query and dropped by the next change. A refused call changes nothing.
///
/// ```
/// use backbuf::registry::{CUDABuffer, BufferRegistry};
/// let registry = BufferRegistry::new();
/// registry.register(7, &CUDABuffer::shared("k1", 100))?;
/// assert_eq!(registry.shared_buffer_size(7)?, 100);
/// assert_eq!(registry.shared_buffer_size(8)?, 0, "an unknown parent has no buffers");
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct BufferRegistry {
    label: Label,
    defaults: LayoutOptions,
    /// The standard library's mutex, because a panic must poison it.
    groups: Mutex<Groups>,
}

impl Default for BufferRegistry {
    fn default() -> BufferRegistry {
        BufferRegistry::new()
    }
}

impl BufferRegistry {
    /// An empty registry.
    pub fn new() -> BufferRegistry {
        BufferRegistry::with_options("", LayoutOptions::default())
    }

    /// An empty registry whose groups begin with these options. Error messages contain the label.
    pub fn with_options(label: &str, options: LayoutOptions) -> BufferRegistry {
        BufferRegistry { label: Label::new(label), defaults: options, groups: Mutex::default() }
    }

    /// The registry's name in messages.
    pub fn label(&self) -> Label {
        self.label
    }

    /// The groups, to read them. That is allowed even after a panic.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The groups, to change them. Fails after a panic, which may have left them half changed.
    pub(crate) fn lock_to_change(&self) -> Result<MutexGuard<'_, Groups>> {
        self.groups.lock().map_err(|_| Error::of(Status::Poisoned))
    }

    /// Adds a buffer at the end of the parent's order.
    ///
    /// Fails, in this order, for an empty or over-long name, an alias of itself ([`Status::AliasSelf`]), a name that is taken
    /// ([`Status::Exists`]), a missing alias target ([`Status::AliasMissing`]), and a size, location, precision or lifetime out
    /// of range.
    ///
    /// ```
    /// use backbuf::{Status, registry::{CUDABuffer, BufferRegistry}};
    /// let registry = BufferRegistry::new();
    /// registry.register(1, &CUDABuffer::shared("k1", 100))?;
    /// let error = registry.register(1, &CUDABuffer::shared("tmp", 30).aliasing("k9")).unwrap_err();
    /// assert_eq!(error.status(), Status::AliasMissing);
    /// assert_eq!(error.to_string(), "aliases = 'k9': no such buffer of this parent; register it first");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn register(&self, parent: u64, buffer: &CUDABuffer) -> Result<()> {
        self.register_with(parent, &buffer.name, buffer.aliases.as_deref(), || Ok(buffer.attributes()))
    }

    /// [`register`](BufferRegistry::register) with attributes that are evaluated after the names.
    pub(crate) fn register_with(
        &self,
        parent: u64,
        name: &str,
        aliases: Option<&str>,
        attributes: impl FnOnce() -> Result<BufferAttributes>,
    ) -> Result<()> {
        let mut groups = self.lock_to_change()?;
        groups.change_or_create(parent, self.defaults, |group| group.register(name, aliases, attributes))
    }

    /// Replaces the buffer of a name that is taken. The new one keeps its position in the order.
    ///
    /// ```
    /// use backbuf::registry::{CUDABuffer, BufferRegistry};
    /// let registry = BufferRegistry::new();
    /// registry.register(1, &CUDABuffer::shared("k1", 100))?;
    /// registry.register(1, &CUDABuffer::shared("k2", 50))?;
    /// registry.replace(1, &CUDABuffer::local("k1", 10))?;
    /// assert_eq!(registry.get_allocator(1, "k2")?.offset, 0);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn replace(&self, parent: u64, buffer: &CUDABuffer) -> Result<()> {
        self.replace_with(parent, &buffer.name, buffer.aliases.as_deref(), || Ok(buffer.attributes()))
    }

    pub(crate) fn replace_with(
        &self,
        parent: u64,
        name: &str,
        aliases: Option<&str>,
        attributes: impl FnOnce() -> Result<BufferAttributes>,
    ) -> Result<()> {
        let mut groups = self.lock_to_change()?;
        check_name(name)?;
        let index = groups.group(parent)?.find(name).ok_or_else(|| no_name(name))?;
        groups.change(parent, |group| group.change(index, Some(aliases), |_| attributes())).map(|_| ())
    }

    /// Changes some attributes of a buffer. An unknown parent or name is not an error: the result reports it.
    ///
    /// Fails for an alias of itself, one whose target is missing or comes later in the order ([`Status::AliasOrder`]), and for
    /// a value that [`register`](BufferRegistry::register) refuses.
    pub fn update_buffer(&self, parent: u64, name: &str, update: &CUDABufferUpdate) -> Result<Updated> {
        let aliases = update.aliases.as_ref().map(|aliases| aliases.as_deref());
        self.update_with(parent, name, aliases, |attributes| Ok(update.apply(attributes)))
    }

    pub(crate) fn update_with(
        &self,
        parent: u64,
        name: &str,
        aliases: Option<Option<&str>>,
        attributes: impl FnOnce(BufferAttributes) -> Result<BufferAttributes>,
    ) -> Result<Updated> {
        let mut groups = self.lock_to_change()?;
        let Some(index) = groups.get(parent).and_then(|group| group.find(name)) else {
            return Ok(Updated { recognized: false, changed: false });
        };
        let changed = groups.change(parent, |group| group.change(index, aliases, attributes))?;
        Ok(Updated { recognized: true, changed })
    }

    /// Rolls a child's shared and persistent totals up into a parent, as the hidden buffers `<name>.shared` and
    /// `<name>.persistent` at the end of its order. They follow every later change of the child. The parent's options apply to
    /// the whole region, the child's to its own launches.
    ///
    /// `aliases` is the alias target of the child's shared region, as in [`BufferRegistry::register`]. The persistent region is never
    /// an alias.
    ///
    /// ```
    /// use backbuf::registry::{CUDABuffer, BufferRegistry};
    /// let registry = BufferRegistry::new();
    /// registry.register_child(1, "solver", 2, None)?;
    /// registry.register(1, &CUDABuffer::shared("k1", 10))?;
    /// registry.register(2, &CUDABuffer::shared("jacobian", 9))?;
    /// assert_eq!(registry.get_allocator(1, "solver.shared")?.length, 9);
    /// assert_eq!(registry.get_allocator(1, "k1")?.offset, 9);
    /// registry.register_child(1, "line_search", 3, Some("k1"))?;
    /// registry.register(3, &CUDABuffer::shared("step", 4))?;
    /// assert_eq!(registry.get_allocator(1, "line_search.shared")?.offset, 9);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn register_child(&self, parent: u64, name: &str, child: u64, aliases: Option<&str>) -> Result<()> {
        self.lock_to_change()?.register_child(parent, self.defaults, name, child, aliases)
    }

    /// Drops the layout, and the plan with it: the next query computes the layout by the rules. Does nothing for an unknown
    /// parent.
    pub fn clear_layout(&self, parent: u64) -> Result<()> {
        self.lock_to_change()?.clear_layout(parent);
        Ok(())
    }

    /// Removes a parent and all its buffers. Parents that roll it up count it as empty from then on. Does nothing for an unknown
    /// parent.
    pub fn clear_parent(&self, parent: u64) -> Result<()> {
        self.lock_to_change()?.remove(parent);
        Ok(())
    }

    /// Sets the options of a parent's layout.
    ///
    /// ```
    /// use backbuf::registry::{CUDABuffer, LayoutOptions, BufferRegistry, SharedPer};
    /// let registry = BufferRegistry::new();
    /// registry.register(1, &CUDABuffer::shared("k1", 3))?;
    /// let options = LayoutOptions { shared_per: SharedPer::Thread, ..registry.options(1)? };
    /// registry.set_options(1, options)?;
    /// assert_eq!(registry.shared_bytes(1, 256)?, 3 * 4 * 256);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn set_options(&self, parent: u64, options: LayoutOptions) -> Result<()> {
        let mut groups = self.lock_to_change()?;
        let replace = |old: &mut LayoutOptions| std::mem::replace(old, options) != options;
        groups.change(parent, |group| Ok(replace(&mut group.options))).map(|_| ())
    }

    /// The options of a parent's layout.
    pub fn options(&self, parent: u64) -> Result<LayoutOptions> {
        Ok(self.lock().group(parent)?.options)
    }

    /// Every parent that has buffers, in ascending order.
    pub fn parents(&self) -> Result<Vec<u64>> {
        let groups = self.lock();
        let mut parents = try_vec(groups.parents().len())?;
        parents.extend(groups.parents());
        parents.sort_unstable();
        Ok(parents)
    }

    /// A number that differs after every change of the parent or of its children, and never repeats. 0 for an unknown parent.
    pub fn version(&self, parent: u64) -> u64 {
        self.lock().get(parent).map_or(0, |group| group.version)
    }

    /// A hash that is the same for equal layouts, in every process. It covers the layouts of children.
    pub fn layout_hash(&self, parent: u64) -> Result<u64> {
        self.lock().hash(parent)
    }

    /// The sizes of the parent's regions, in elements: 0 for an unknown one.
    pub fn totals(&self, parent: u64) -> Result<Totals> {
        let groups = self.lock();
        Ok(groups.find_arranged(parent)?.map_or_else(Totals::default, |(_, all)| Totals {
            shared: all.shared.elements(),
            persistent: all.persistent.elements(),
            local: all.local,
        }))
    }

    /// Elements of the shared region: its largest stop.
    pub fn shared_buffer_size(&self, parent: u64) -> Result<u64> {
        self.totals(parent).map(|totals| totals.shared)
    }

    /// Elements of the persistent region: its largest stop.
    pub fn persistent_local_buffer_size(&self, parent: u64) -> Result<u64> {
        self.totals(parent).map(|totals| totals.persistent)
    }

    /// Elements of all local arrays together.
    pub fn local_buffer_size(&self, parent: u64) -> Result<u64> {
        self.totals(parent).map(|totals| totals.local)
    }

    /// How a kernel gets a buffer.
    ///
    /// ```
    /// use backbuf::{Status, registry::{CUDABuffer, BufferRegistry}};
    /// let registry = BufferRegistry::new();
    /// assert_eq!(registry.get_allocator(1, "k1").unwrap_err().status(), Status::NoParent);
    /// registry.register(1, &CUDABuffer::local("k1", 0))?;
    /// assert_eq!(registry.get_allocator(1, "k2").unwrap_err().status(), Status::NoName);
    /// let k1 = registry.get_allocator(1, "k1")?;
    /// assert_eq!((k1.length, k1.zero_fill), (1, 0), "a local array is never empty");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn get_allocator(&self, parent: u64, name: &str) -> Result<Allocator> {
        let groups = self.lock();
        let (group, all) = groups.arranged(parent)?;
        let index = group.find(name).ok_or_else(|| no_name(name))?;
        Ok(all.allocator(index))
    }

    /// The specification of a buffer, as registered or last updated.
    pub fn buffer(&self, parent: u64, name: &str) -> Result<CUDABuffer> {
        let groups = self.lock();
        let group = groups.group(parent)?;
        group.buffer(group.find(name).ok_or_else(|| no_name(name))?)
    }

    /// The name of a buffer by its position in the order.
    pub(crate) fn buffer_name(&self, parent: u64, index: u64) -> Result<String> {
        let groups = self.lock();
        let entries = &groups.group(parent)?.entries;
        let entry = usize::try_from(index).ok().and_then(|index| entries.get(index));
        let beyond = || {
            let (end, limit) = (u128::from(index) + 1, entries.len() as u64);
            Error::beyond("index", end, limit, "buffers of the parent")
        };
        try_string(&entry.ok_or_else(beyond)?.name)
    }

    /// The layout of a parent: where each buffer lies.
    pub fn layout(&self, parent: u64) -> Result<Layout> {
        let groups = self.lock();
        let (group, all) = groups.arranged(parent)?;
        let mut buffers = try_vec(group.entries.len())?;
        for (index, entry) in group.entries.iter().enumerate() {
            let mut buffer = group.buffer(index)?;
            let allocator = all.allocator(index);
            if entry.child.is_some() {
                buffer.size = allocator.length;
                buffer.precision = allocator.precision.unwrap_or_default();
            }
            let child = entry.child;
            let child_hash = child.filter(|&key| groups.get(key).is_some()).map(|key| groups.hash(key));
            buffers.push(Placed { buffer, allocator, child, child_hash: child_hash.transpose()? });
        }
        Ok(Layout {
            options: group.options,
            version: group.version,
            hash: groups.hash(parent)?,
            shared: all.shared.region(),
            persistent: all.persistent.region(),
            local: all.local,
            local_bytes: all.local_bytes,
            shared_stride_bytes: all.shared.stride_bytes(group.options).ok(),
            planned: group.plan.is_some(),
            buffers,
        })
    }

    /// The distance in bytes between the shared regions of two threads; the bytes of a block's region. 0 for an unknown parent.
    ///
    /// ```
    /// use backbuf::registry::{CUDABuffer, LayoutOptions, BufferRegistry, SharedPer};
    /// let options = LayoutOptions { typed: true, shared_per: SharedPer::Thread, ..LayoutOptions::default() };
    /// let registry = BufferRegistry::with_options("", options);
    /// registry.register(1, &CUDABuffer::shared("k1", 4))?;
    /// assert_eq!(registry.shared_stride_bytes(1)?, 20, "5 words: an odd number uses all banks");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn shared_stride_bytes(&self, parent: u64) -> Result<u64> {
        let groups = self.lock();
        groups.find_arranged(parent)?.map_or(Ok(0), |(group, all)| all.shared.stride_bytes(group.options))
    }

    /// Bytes of shared memory that a block of `threads` threads needs. 0 for an unknown parent.
    pub fn shared_bytes(&self, parent: u64, threads: u32) -> Result<u64> {
        let groups = self.lock();
        groups.find_arranged(parent)?.map_or(Ok(0), |(group, all)| all.shared_bytes(group.options, threads))
    }
}
