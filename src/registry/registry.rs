//! The registry: finds a parent's group, and delegates.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::buffer::{Buffer, Spec, Update};
use super::group::{self, Group};
use super::layout::{Allocator, Layout, Placed, Totals};
use super::options::Options;
use super::state::{State, no_name};
use crate::alloc::try_string;
use crate::alloc::try_vec;
use crate::error::{Error, Label, Result, Status};

/// What an update met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Updated {
    /// The parent has a buffer of that name.
    pub recognized: bool,
    /// And it is another one now.
    pub changed: bool,
}

/// Where named buffers of many parents lie. All methods may be called from any thread at once.
///
/// Layouts are worked out when first asked for, and dropped by a change. A refused call changes nothing.
///
/// ```
/// use backbuf::registry::{Buffer, Registry};
/// let registry = Registry::new();
/// registry.register(7, &Buffer::shared("k1", 100))?;
/// assert_eq!(registry.shared_buffer_size(7)?, 100);
/// assert_eq!(registry.shared_buffer_size(8)?, 0, "a parent that nobody knows takes nothing");
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct Registry {
    label: Label,
    defaults: Options,
    // The standard library's: its waiters park on the bare futex, which allocates nothing.
    state: Mutex<State>,
}

impl Default for Registry {
    fn default() -> Registry {
        Registry::new()
    }
}

impl Registry {
    /// An empty registry.
    ///
    /// ```
    /// assert!(backbuf::registry::Registry::new().parents()?.is_empty());
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn new() -> Registry {
        Registry::with_options("", Options::default())
    }

    /// An empty registry whose groups begin with these options. The label is told in errors.
    ///
    /// ```
    /// use backbuf::registry::{Options, Registry};
    /// let registry = Registry::with_options("solvers", Options { typed: true, ..Options::default() });
    /// assert_eq!(registry.label().as_str(), "solvers");
    /// ```
    pub fn with_options(label: &str, options: Options) -> Registry {
        Registry { label: Label::new(label), defaults: options, state: Mutex::default() }
    }

    /// The registry's name in messages.
    pub fn label(&self) -> Label {
        self.label
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // What a panic has left is still worth a look.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, to change something. A panic has left the lock poisoned: nothing is changed from then on.
    pub(super) fn lock_to_change(&self) -> Result<MutexGuard<'_, State>> {
        self.state.lock().map_err(|_| Error::of(Status::Poisoned))
    }

    /// Adds a buffer at the end of the parent's order.
    ///
    /// Refused, in this order: an empty or over-long name, an alias of itself ([`Status::AliasSelf`]), a name that is taken
    /// ([`Status::Exists`]), an alias target that is missing ([`Status::AliasMissing`]), a size, location, precision or
    /// lifetime out of range.
    ///
    /// ```
    /// use backbuf::{Status, registry::{Buffer, Registry}};
    /// let registry = Registry::new();
    /// registry.register(1, &Buffer::shared("k1", 100))?;
    /// let error = registry.register(1, &Buffer::shared("tmp", 30).aliasing("k9")).unwrap_err();
    /// assert_eq!(error.status(), Status::AliasMissing);
    /// assert_eq!(error.to_string(), "aliases = 'k9': no such buffer of this parent; register it first");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn register(&self, parent: u64, buffer: &Buffer) -> Result<()> {
        self.register_with(parent, &buffer.name, buffer.aliases.as_deref(), || Ok(buffer.spec()))
    }

    /// The same, with a spec that is looked at after the names.
    pub(crate) fn register_with(
        &self,
        parent: u64,
        name: &str,
        aliases: Option<&str>,
        spec: impl FnOnce() -> Result<Spec>,
    ) -> Result<()> {
        self.lock_to_change()?.change(parent, self.defaults, |group| group.register(name, aliases, spec))
    }

    /// Gives a name that is taken another buffer, in its old place of the order.
    ///
    /// ```
    /// use backbuf::registry::{Buffer, Registry};
    /// let registry = Registry::new();
    /// registry.register(1, &Buffer::shared("k1", 100))?;
    /// registry.register(1, &Buffer::shared("k2", 50))?;
    /// registry.replace(1, &Buffer::local("k1", 10))?;
    /// assert_eq!(registry.get_allocator(1, "k2")?.offset, 0);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn replace(&self, parent: u64, buffer: &Buffer) -> Result<()> {
        self.replace_with(parent, &buffer.name, buffer.aliases.as_deref(), || Ok(buffer.spec()))
    }

    pub(crate) fn replace_with(
        &self,
        parent: u64,
        name: &str,
        aliases: Option<&str>,
        spec: impl FnOnce() -> Result<Spec>,
    ) -> Result<()> {
        let mut state = self.lock_to_change()?;
        group::vet_name(name)?;
        let index = state.group(parent)?.find(name).ok_or_else(|| no_name(name))?;
        state.alter(parent, |group| group.change(index, Some(aliases), |_| spec())).map(|_| ())
    }

    /// Changes some of a buffer. What the registry does not know is no error: the answer tells.
    ///
    /// An alias that becomes the buffer itself, is missing, or comes later in the order ([`Status::AliasOrder`]) is refused,
    /// and so is a value that `register` would refuse.
    pub fn update_buffer(&self, parent: u64, name: &str, update: &Update) -> Result<Updated> {
        let aliases = update.aliases.as_ref().map(|aliases| aliases.as_deref());
        self.update_with(parent, name, aliases, |spec| Ok(update.apply(spec)))
    }

    pub(crate) fn update_with(
        &self,
        parent: u64,
        name: &str,
        aliases: Option<Option<&str>>,
        spec: impl FnOnce(Spec) -> Result<Spec>,
    ) -> Result<Updated> {
        let mut state = self.lock_to_change()?;
        let Some(index) = state.groups.get(&parent).and_then(|group| group.find(name)) else {
            return Ok(Updated { recognized: false, changed: false });
        };
        let changed = state.alter(parent, |group| group.change(index, aliases, spec))?;
        Ok(Updated { recognized: true, changed })
    }

    /// Rolls a child's shared and persistent totals up into a parent, as the hidden buffers `<name>.shared` and
    /// `<name>.persistent` at the end of its order. They are live: whatever changes in the child, now or later, moves what
    /// comes after them. The parent's options count for the whole region; those of the child, for its own launches.
    ///
    /// `aliases` is the buffer whose memory the child's shared region would rather share, as in [`Registry::register`]. The
    /// persistent region is never an alias.
    ///
    /// ```
    /// use backbuf::registry::{Buffer, Registry};
    /// let registry = Registry::new();
    /// registry.register_child(1, "solver", 2, None)?;
    /// registry.register(1, &Buffer::shared("k1", 10))?;
    /// registry.register(2, &Buffer::shared("jacobian", 9))?;
    /// assert_eq!(registry.get_allocator(1, "solver.shared")?.length, 9);
    /// assert_eq!(registry.get_allocator(1, "k1")?.offset, 9);
    /// registry.register_child(1, "line_search", 3, Some("k1"))?;
    /// registry.register(3, &Buffer::shared("step", 4))?;
    /// assert_eq!(registry.get_allocator(1, "line_search.shared")?.offset, 9);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn register_child(&self, parent: u64, name: &str, child: u64, aliases: Option<&str>) -> Result<()> {
        self.lock_to_change()?.register_child(parent, self.defaults, name, child, aliases)
    }

    /// Drops the layout, and the plan with it: the next query works the layout out by the rules. An unknown parent is fine.
    pub fn clear_layout(&self, parent: u64) -> Result<()> {
        let mut state = self.lock_to_change()?;
        match state.groups.get_mut(&parent) {
            Some(group) if group.plan.is_some() => state.alter(parent, |_| Ok(true)).map(|_| ()),
            Some(group) => {
                group.arrangement.take();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Forgets a parent and all of its buffers. Where it is a child, it takes nothing from then on. An unknown parent is fine.
    pub fn clear_parent(&self, parent: u64) -> Result<()> {
        self.lock_to_change()?.forget(parent)
    }

    /// How the parent lays out from now on.
    ///
    /// ```
    /// use backbuf::registry::{Buffer, Options, Registry, SharedPer};
    /// let registry = Registry::new();
    /// registry.register(1, &Buffer::shared("k1", 3))?;
    /// let options = Options { shared_per: SharedPer::Thread, ..registry.options(1)? };
    /// registry.set_options(1, options)?;
    /// assert_eq!(registry.shared_bytes(1, 256)?, 3 * 4 * 256);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn set_options(&self, parent: u64, options: Options) -> Result<()> {
        let mut state = self.lock_to_change()?;
        if state.group(parent)?.options == options {
            return Ok(());
        }
        let set = |group: &mut Group| {
            group.options = options;
            Ok(true)
        };
        state.alter(parent, set).map(|_| ())
    }

    /// How the parent lays out.
    pub fn options(&self, parent: u64) -> Result<Options> {
        Ok(self.lock().group(parent)?.options)
    }

    /// Every parent that has buffers, in ascending order.
    pub fn parents(&self) -> Result<Vec<u64>> {
        let state = self.lock();
        let mut parents = try_vec(state.groups.len())?;
        parents.extend(state.groups.keys());
        parents.sort_unstable();
        Ok(parents)
    }

    /// A number that is another one after every change of the parent or of its children, and never one that was before. 0
    /// for an unknown parent.
    ///
    /// ```
    /// use backbuf::registry::{Buffer, Registry};
    /// let registry = Registry::new();
    /// registry.register(1, &Buffer::shared("k1", 3))?;
    /// let before = registry.version(1);
    /// registry.register(1, &Buffer::shared("k2", 3))?;
    /// assert_ne!(registry.version(1), before);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn version(&self, parent: u64) -> u64 {
        self.lock().groups.get(&parent).map_or(0, |group| group.version)
    }

    /// The same for equal layouts, in every process. The layouts of children count, too.
    pub fn layout_hash(&self, parent: u64) -> Result<u64> {
        self.lock().hash(parent)
    }

    /// What the parent takes, in elements: 0 for an unknown one.
    pub fn totals(&self, parent: u64) -> Result<Totals> {
        let state = self.lock();
        Ok(state.settled(parent)?.map_or_else(Totals::default, |(_, all)| Totals {
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
    /// use backbuf::{Status, registry::{Buffer, Registry}};
    /// let registry = Registry::new();
    /// assert_eq!(registry.get_allocator(1, "k1").unwrap_err().status(), Status::NoParent);
    /// registry.register(1, &Buffer::local("k1", 0))?;
    /// assert_eq!(registry.get_allocator(1, "k2").unwrap_err().status(), Status::NoName);
    /// let k1 = registry.get_allocator(1, "k1")?;
    /// assert_eq!((k1.length, k1.zero_fill), (1, 0), "a local array is never empty");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn get_allocator(&self, parent: u64, name: &str) -> Result<Allocator> {
        let state = self.lock();
        let (group, all) = state.known(parent)?;
        let index = group.find(name).ok_or_else(|| no_name(name))?;
        Ok(all.allocator(index))
    }

    /// A buffer, as it was asked for last.
    ///
    /// ```
    /// use backbuf::registry::{Buffer, Registry};
    /// let registry = Registry::new();
    /// registry.register(1, &Buffer::shared("k1", 100))?;
    /// assert_eq!(registry.buffer(1, "k1")?, Buffer::shared("k1", 100));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn buffer(&self, parent: u64, name: &str) -> Result<Buffer> {
        let state = self.lock();
        let group = state.group(parent)?;
        group.buffer(group.find(name).ok_or_else(|| no_name(name))?)
    }

    /// The name of a buffer by its place in the order.
    pub(crate) fn buffer_name(&self, parent: u64, index: u64) -> Result<String> {
        let state = self.lock();
        let entries = &state.group(parent)?.entries;
        let entry = usize::try_from(index).ok().and_then(|index| entries.get(index));
        try_string(
            &entry
                .ok_or_else(|| {
                    Error::beyond(
                        "index",
                        u128::from(index) + 1,
                        entries.len() as u64,
                        "buffers of the parent",
                    )
                })?
                .name,
        )
    }

    /// Where everything of the parent lies.
    pub fn layout(&self, parent: u64) -> Result<Layout> {
        let state = self.lock();
        let (group, all) = state.known(parent)?;
        let mut buffers = try_vec(group.entries.len())?;
        for (index, entry) in group.entries.iter().enumerate() {
            let mut buffer = group.buffer(index)?;
            let allocator = all.allocator(index);
            if entry.child.is_some() {
                buffer.size = allocator.length;
                buffer.precision = allocator.precision.unwrap_or_default();
            }
            let child = entry.child;
            let child_hash = child.filter(|key| state.groups.contains_key(key)).map(|key| state.hash(key));
            buffers.push(Placed { buffer, allocator, child, child_hash: child_hash.transpose()? });
        }
        Ok(Layout {
            options: group.options,
            version: group.version,
            hash: state.hash(parent)?,
            shared: all.shared.region(),
            persistent: all.persistent.region(),
            local: all.local,
            local_bytes: all.local_bytes,
            shared_stride_bytes: all.shared.stride_bytes(group.options).ok(),
            planned: group.plan.is_some(),
            buffers,
        })
    }

    /// Bytes from one thread's shared region to the next one's; of a block's region, its bytes. 0 for an unknown parent.
    ///
    /// ```
    /// use backbuf::registry::{Buffer, Options, Registry, SharedPer};
    /// let options = Options { typed: true, shared_per: SharedPer::Thread, ..Options::default() };
    /// let registry = Registry::with_options("", options);
    /// registry.register(1, &Buffer::shared("k1", 4))?;
    /// assert_eq!(registry.shared_stride_bytes(1)?, 20, "5 words: an odd number meets all banks");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn shared_stride_bytes(&self, parent: u64) -> Result<u64> {
        let state = self.lock();
        state.settled(parent)?.map_or(Ok(0), |(group, all)| all.shared.stride_bytes(group.options))
    }

    /// Bytes of shared memory that a block of `threads` threads takes. 0 for an unknown parent.
    pub fn shared_bytes(&self, parent: u64, threads: u32) -> Result<u64> {
        let state = self.lock();
        state.settled(parent)?.map_or(Ok(0), |(group, all)| all.shared_bytes(group.options, threads))
    }
}
