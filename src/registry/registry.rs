//! The registry: finds a parent's group, and delegates.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::arrange::{self, Arrangement, Extent};
use super::buffer::{Buffer, Location, Precision, Spec, Update};
use super::group::{self, Group};
use super::hash;
use super::hasher::Map;
use super::layout::{Allocator, Layout, Placed, Space, Totals};
use super::options::Options;
use crate::error::{Error, Label, Result, Status};
#[cfg(feature = "capi")]
use crate::memory::try_string;
use crate::memory::try_vec;

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

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) groups: Map<u64, Group>,
    /// By child: the parents that roll it up, once a registration.
    hosts: Map<u64, Vec<u64>>,
    /// The newest version.
    clock: u64,
}

impl Default for Registry {
    fn default() -> Registry {
        Registry::new()
    }
}

pub(super) fn no_parent(parent: u64) -> Error {
    Error::value(Status::NoParent, "parent", parent, "nothing is registered under this key")
}

pub(super) fn no_name(name: &str) -> Error {
    Error::named(Status::NoName, "name", name, "this parent has no such buffer")
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
    /// comes after them.
    ///
    /// ```
    /// use backbuf::registry::{Buffer, Registry};
    /// let registry = Registry::new();
    /// registry.register_child(1, "solver", 2)?;
    /// registry.register(1, &Buffer::shared("k1", 10))?;
    /// registry.register(2, &Buffer::shared("jacobian", 9))?;
    /// assert_eq!(registry.get_allocator(1, "solver.shared")?.length, 9);
    /// assert_eq!(registry.get_allocator(1, "k1")?.offset, 9);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn register_child(&self, parent: u64, name: &str, child: u64) -> Result<()> {
        self.lock_to_change()?.register_child(parent, self.defaults, name, child)
    }

    /// Drops the layout, and the plan with it: the next query works the layout out by the rules. An unknown parent is fine.
    pub fn clear_layout(&self, parent: u64) -> Result<()> {
        let mut state = self.lock_to_change()?;
        match state.groups.get_mut(&parent) {
            Some(group) if group.plan.is_some() => state.alter(parent, |_| Ok(true)).map(|_| ()),
            Some(group) => {
                group.arrangement = None;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Forgets a parent and all of its buffers. Where it is a child, it takes nothing from then on. An unknown parent is fine.
    pub fn clear_parent(&self, parent: u64) -> Result<()> {
        let mut state = self.lock_to_change()?;
        if !state.groups.contains_key(&parent) {
            return Ok(());
        }
        state.alter(parent, |_| Ok(true))?;
        let Some(group) = state.groups.remove(&parent) else { return Ok(()) };
        for child in group.children() {
            if let Some(hosts) = state.hosts.get_mut(&child) {
                hosts.retain(|&host| host != parent);
                if hosts.is_empty() {
                    state.hosts.remove(&child);
                }
            }
        }
        Ok(())
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

    /// The same for equal layouts, in every process.
    pub fn layout_hash(&self, parent: u64) -> Result<u64> {
        let mut state = self.lock();
        state.known(parent).map(|(group, all)| hash::of(group, all))
    }

    /// What the parent takes, in elements: 0 for an unknown one.
    pub fn totals(&self, parent: u64) -> Result<Totals> {
        let mut state = self.lock();
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
        let mut state = self.lock();
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
    #[cfg(feature = "capi")]
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
        let mut state = self.lock();
        let (group, all) = state.known(parent)?;
        let mut buffers = try_vec(group.entries.len())?;
        for (index, entry) in group.entries.iter().enumerate() {
            let mut buffer = group.buffer(index)?;
            let allocator = all.allocator(index);
            if entry.child.is_some() {
                buffer.size = allocator.length;
                buffer.precision = allocator.precision.unwrap_or_default();
            }
            buffers.push(Placed { buffer, allocator, child: entry.child });
        }
        Ok(Layout {
            options: group.options,
            version: group.version,
            hash: hash::of(group, all),
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
        let mut state = self.lock();
        state.settled(parent)?.map_or(Ok(0), |(group, all)| all.shared.stride_bytes(group.options))
    }

    /// Bytes of shared memory that a block of `threads` threads takes. 0 for an unknown parent.
    pub fn shared_bytes(&self, parent: u64, threads: u32) -> Result<u64> {
        let mut state = self.lock();
        state.settled(parent)?.map_or(Ok(0), |(group, all)| all.shared_bytes(group.options, threads))
    }
}

impl State {
    pub(super) fn group(&self, parent: u64) -> Result<&Group> {
        self.groups.get(&parent).ok_or_else(|| no_parent(parent))
    }

    /// A group with its layout, if the parent is known.
    pub(super) fn settled(&mut self, parent: u64) -> Result<Option<(&Group, &Arrangement)>> {
        match self.groups.get(&parent) {
            None => return Ok(None),
            Some(group) if group.arrangement.is_some() => {}
            Some(_) => self.settle(parent)?,
        }
        Ok(self.groups.get(&parent).and_then(|group| Some((group, group.arrangement.as_ref()?))))
    }

    /// The same of a parent that must be known.
    pub(super) fn known(&mut self, parent: u64) -> Result<(&Group, &Arrangement)> {
        self.settled(parent)?.ok_or_else(|| no_parent(parent))
    }

    /// Works out a layout, children first. A stack of its own: however deep children go, the thread's does not grow.
    #[cold]
    fn settle(&mut self, parent: u64) -> Result<()> {
        let mut open = try_vec(8)?;
        open.push(parent);
        while let Some(&next) = open.last() {
            let group = self.group(next)?;
            let lacks = |child: &u64| self.groups.get(child).is_some_and(|child| child.arrangement.is_none());
            let before = open.len();
            for child in group.children().filter(lacks) {
                open.try_reserve(1).map_err(|_| Error::of(Status::OutOfMemory))?;
                open.push(child);
            }
            if open.len() > before {
                continue;
            }
            open.pop();
            if group.arrangement.is_some() {
                continue;
            }
            let reach = |child: u64, space: Space| {
                let child = self.groups.get(&child).and_then(|group| group.arrangement.as_ref());
                child.map_or_else(Extent::default, |all| all.extent(space))
            };
            let all = arrange::arrange(group, reach)?;
            if let Some(group) = self.groups.get_mut(&next) {
                group.arrangement = Some(all);
            }
        }
        Ok(())
    }

    /// Changes a group, which comes into being if it does not exist and the change succeeds.
    pub(super) fn change(
        &mut self,
        parent: u64,
        defaults: Options,
        work: impl FnOnce(&mut Group) -> Result<()>,
    ) -> Result<()> {
        if self.groups.contains_key(&parent) {
            return self.alter(parent, |group| work(group).map(|()| true)).map(|_| ());
        }
        let lineage = self.lineage(parent)?;
        self.groups.try_reserve(1).map_err(|_| Error::of(Status::OutOfMemory))?;
        let mut group = Group::new(defaults);
        work(&mut group)?;
        self.groups.insert(parent, group);
        self.touch(parent, &lineage);
        Ok(())
    }

    pub(super) fn register_child(
        &mut self,
        parent: u64,
        defaults: Options,
        name: &str,
        child: u64,
    ) -> Result<()> {
        group::vet_name(name)?;
        let mut hidden = [String::new(), String::new()];
        for (hidden, region) in hidden.iter_mut().zip([".shared", ".persistent"]) {
            let room = hidden.try_reserve_exact(name.len() + region.len());
            room.map_err(|_| Error::of(Status::OutOfMemory))?;
            hidden.push_str(name);
            hidden.push_str(region);
        }
        let shared = Spec {
            size: 0,
            location: Location::Shared,
            persistent: false,
            precision: Precision::F32,
            lifetime: None,
        };
        let persistent = Spec { location: Location::Local, persistent: true, ..shared };
        if self.reaches(child, parent)? {
            let why = "holds this parent already, so that each would hold the other; roll up one way only";
            return Err(Error::value(Status::State, "child", child, why));
        }
        self.hosts.try_reserve(1).map_err(|_| Error::of(Status::OutOfMemory))?;
        let mut hosts = self.hosts.remove(&child).unwrap_or_default();
        let done = hosts.try_reserve(1).map_err(|_| Error::of(Status::OutOfMemory)).and_then(|()| {
            let names = [hidden[0].as_str(), hidden[1].as_str()];
            self.change(parent, defaults, |group| group.register_child(names, [shared, persistent], child))
        });
        if done.is_ok() {
            hosts.push(parent);
        }
        if !hosts.is_empty() {
            self.hosts.insert(child, hosts);
        }
        done
    }

    /// Whether a parent or a child has the key.
    pub(super) fn knows(&self, key: u64) -> bool {
        self.groups.contains_key(&key) || self.is_child(key)
    }

    /// Whether somebody rolls it up.
    pub(super) fn is_child(&self, key: u64) -> bool {
        self.hosts.contains_key(&key)
    }

    /// Takes the groups of another state in, whose keys nobody has here.
    pub(super) fn merge(&mut self, parent: u64, other: State) -> Result<()> {
        let lineage = self.lineage(parent)?;
        let room = self.groups.try_reserve(other.groups.len());
        room.and_then(|()| self.hosts.try_reserve(other.hosts.len()))
            .map_err(|_| Error::of(Status::OutOfMemory))?;
        self.clock += 1;
        for (key, mut group) in other.groups {
            group.version = self.clock;
            self.groups.insert(key, group);
        }
        self.hosts.extend(other.hosts);
        for key in lineage {
            if let Some(group) = self.groups.get_mut(&key) {
                group.touch(self.clock);
            }
        }
        Ok(())
    }

    /// Changes a group that exists. Whoever rolls it up changes with it.
    pub(super) fn alter(
        &mut self,
        parent: u64,
        work: impl FnOnce(&mut Group) -> Result<bool>,
    ) -> Result<bool> {
        let lineage = self.lineage(parent)?;
        let group = self.groups.get_mut(&parent).ok_or_else(|| no_parent(parent))?;
        let changed = work(group)?;
        if changed {
            self.touch(parent, &lineage);
        }
        Ok(changed)
    }

    /// Gives a group a plan.
    pub(super) fn set_plan(&mut self, parent: u64, plan: Vec<u64>) -> Result<()> {
        self.alter(parent, |_| Ok(true))?;
        // Not before: a change takes the plan of before away.
        if let Some(group) = self.groups.get_mut(&parent) {
            group.plan = Some(plan);
        }
        Ok(())
    }

    fn touch(&mut self, parent: u64, lineage: &[u64]) {
        self.clock += 1;
        for key in lineage.iter().chain([&parent]) {
            if let Some(group) = self.groups.get_mut(key) {
                group.touch(self.clock);
            }
        }
    }

    /// Every parent that rolls this one up, at whatever depth.
    fn lineage(&self, parent: u64) -> Result<Vec<u64>> {
        let mut found = Vec::new();
        if self.hosts.is_empty() {
            return Ok(found);
        }
        let mut seen = Map::default();
        let mut next = Some(parent);
        let mut at = 0;
        while let Some(key) = next {
            for &host in self.hosts.get(&key).map_or(&[][..], Vec::as_slice) {
                let room = seen.try_reserve(1).and_then(|()| found.try_reserve(1));
                room.map_err(|_| Error::of(Status::OutOfMemory))?;
                if seen.insert(host, ()).is_none() {
                    found.push(host);
                }
            }
            next = found.get(at).copied();
            at += 1;
        }
        Ok(found)
    }

    /// Whether `to` is `from`, or rolled up into it at whatever depth.
    fn reaches(&self, from: u64, to: u64) -> Result<bool> {
        Ok(from == to || self.lineage(to)?.contains(&from))
    }
}

impl Arrangement {
    /// How a kernel gets a buffer.
    pub(super) fn allocator(&self, index: usize) -> Allocator {
        let place = &self.places[index];
        let typed = self.shared.is_typed();
        let element = place.precision().map_or(1, Precision::bytes);
        let local = place.space == Space::Local;
        let byte_offset = match (local, typed) {
            (true, _) => Some(0),
            (_, true) => Some(place.start),
            // All of one precision, or nobody knows.
            (_, false) => self.extent(place.space).bytes().ok().map(|_| place.start * element),
        };
        Allocator {
            space: place.space,
            offset: if typed { place.start / element } else { place.start },
            length: place.length,
            precision: place.precision(),
            zero_fill: if local { place.extent / if typed { element } else { 1 } } else { place.length },
            origin: place.origin,
            byte_offset,
        }
    }

    /// Bytes of shared memory that a block takes.
    pub(super) fn shared_bytes(&self, options: Options, threads: u32) -> Result<u64> {
        let stride = self.shared.stride_bytes(options)?;
        let copies = match options.shared_per {
            super::SharedPer::Block => 1,
            super::SharedPer::Thread => u64::from(threads),
        };
        stride.checked_mul(copies).ok_or_else(|| {
            Error::value(Status::Range, "threads", threads, "the block's bytes do not fit into 64 bits")
        })
    }
}
