//! All groups of a registry: their layouts once computed, and which parents roll up which children.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use foldhash::HashMap;

use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};
use crate::registry::buffer::BufferAttributes;
use crate::registry::group::{Group, check_name};
use crate::registry::layout::arrange::{self, Arrangement, Extent};
use crate::registry::options::{LayoutOptions, Location, Precision, Space};

/// A group, and its layout once a query has computed it.
#[derive(Debug)]
struct CachedGroup {
    group: Group,
    arrangement: OnceCell<Arrangement>,
}

impl CachedGroup {
    /// Drops layout and plan after a change.
    fn invalidate(&mut self, version: u64) {
        self.group.version = version;
        self.group.plan = None;
        self.arrangement = OnceCell::new();
    }
}

/// The groups of a registry by parent.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: HashMap<u64, CachedGroup>,
    /// By child: the parents that roll it up, one entry per registration.
    hosts: HashMap<u64, Vec<u64>>,
    /// The newest version of any group.
    newest_version: u64,
}

pub(crate) fn no_parent(parent: u64) -> Error {
    Error::value(Status::NoParent, "parent", parent, "nothing is registered under this key")
}

pub(crate) fn no_name(name: &str) -> Error {
    Error::named(Status::NoName, "name", name, "this parent has no such buffer")
}

impl Groups {
    pub(crate) fn get(&self, parent: u64) -> Option<&Group> {
        self.groups.get(&parent).map(|cached| &cached.group)
    }

    pub(crate) fn group(&self, parent: u64) -> Result<&Group> {
        self.get(parent).ok_or_else(|| no_parent(parent))
    }

    /// All parents, in no order.
    pub(crate) fn parents(&self) -> impl ExactSizeIterator<Item = u64> {
        self.groups.keys().copied()
    }

    /// The layout of a group, if it has been computed.
    pub(crate) fn cached_arrangement(&self, parent: u64) -> Option<&Arrangement> {
        self.groups.get(&parent)?.arrangement.get()
    }

    /// A group with its layout, or `None` for an unknown parent.
    pub(crate) fn find_arranged(&self, parent: u64) -> Result<Option<(&Group, &Arrangement)>> {
        let Some(cached) = self.groups.get(&parent) else { return Ok(None) };
        if cached.arrangement.get().is_none() {
            self.arrange(parent)?;
        }
        Ok(cached.arrangement.get().map(|all| (&cached.group, all)))
    }

    /// A group with its layout.
    pub(crate) fn arranged(&self, parent: u64) -> Result<(&Group, &Arrangement)> {
        self.find_arranged(parent)?.ok_or_else(|| no_parent(parent))
    }

    /// Computes a layout, children first.
    #[cold]
    fn arrange(&self, parent: u64) -> Result<()> {
        let extent = |child: u64, space: Space| {
            self.cached_arrangement(child).map_or_else(Extent::default, |all| all.extent(space))
        };
        self.children_first(
            parent,
            |cached| cached.arrangement.get().is_some(),
            |_, cached| {
                let all = arrange::arrange(&cached.group, extent)?;
                cached.arrangement.get_or_init(|| all);
                Ok(())
            },
        )
    }

    /// The hash of a group's layout.
    pub(crate) fn hash(&self, parent: u64) -> Result<u64> {
        let cached_hash = |cached: &CachedGroup| cached.arrangement.get()?.hash.get().copied();
        let of_child = |key: u64| self.groups.get(&key).and_then(cached_hash).unwrap_or(0);
        self.children_first(
            parent,
            |cached| cached_hash(cached).is_some(),
            |key, _| {
                let (group, all) = self.arranged(key)?;
                all.hash.get_or_init(|| arrange::layout_hash(group, all, of_child));
                Ok(())
            },
        )?;
        Ok(of_child(parent))
    }

    /// Calls `work` for a group and all that it rolls up, children first, unless it is `done`. The explicit stack keeps the
    /// thread's stack flat however deep children are nested.
    fn children_first(
        &self,
        parent: u64,
        done: impl Fn(&CachedGroup) -> bool,
        work: impl Fn(u64, &CachedGroup) -> Result<()>,
    ) -> Result<()> {
        let mut open = try_vec(8)?;
        open.push(parent);
        while let Some(&next) = open.last() {
            let cached = self.groups.get(&next).ok_or_else(|| no_parent(next))?;
            let before = open.len();
            for child in cached.group.children() {
                if self.groups.get(&child).is_some_and(|cached| !done(cached)) {
                    open.try_reserve(1)?;
                    open.push(child);
                }
            }
            if open.len() > before {
                continue;
            }
            open.pop();
            if !done(cached) {
                work(next, cached)?;
            }
        }
        Ok(())
    }

    /// Changes a group, which is created if it does not exist and the change succeeds.
    pub(crate) fn change_or_create(
        &mut self,
        parent: u64,
        defaults: LayoutOptions,
        work: impl FnOnce(&mut Group) -> Result<()>,
    ) -> Result<()> {
        if self.groups.contains_key(&parent) {
            return self.change(parent, |group| work(group).map(|()| true)).map(|_| ());
        }
        self.groups.try_reserve(1)?;
        let mut group = Group::new(defaults);
        work(&mut group)?;
        self.groups.insert(parent, CachedGroup { group, arrangement: OnceCell::new() });
        self.invalidate(parent);
        Ok(())
    }

    pub(crate) fn register_child(
        &mut self,
        parent: u64,
        defaults: LayoutOptions,
        name: &str,
        child: u64,
        aliases: Option<&str>,
    ) -> Result<()> {
        check_name(name)?;
        let hidden = [format!("{name}.shared"), format!("{name}.persistent")];
        let shared = BufferAttributes {
            size: 0,
            location: Location::Shared,
            persistent: false,
            precision: Precision::F32,
            lifetime: None,
        };
        let persistent = BufferAttributes { location: Location::Local, persistent: true, ..shared };
        if child == parent || self.hosts_of(parent).contains(&child) {
            let reason = "holds this parent already; register the child in one direction only";
            return Err(Error::value(Status::State, "child", child, reason));
        }
        self.hosts.try_reserve(1)?;
        self.change_or_create(parent, defaults, |group| {
            let names = [hidden[0].as_str(), hidden[1].as_str()];
            group.register_child(names, [shared, persistent], child, aliases)
        })?;
        self.hosts.entry(child).or_default().push(parent);
        Ok(())
    }

    /// Whether a parent or a child has the key.
    pub(crate) fn is_known(&self, key: u64) -> bool {
        self.groups.contains_key(&key) || self.is_child(key)
    }

    /// Whether a parent rolls it up.
    pub(crate) fn is_child(&self, key: u64) -> bool {
        self.hosts.contains_key(&key)
    }

    /// Removes a group. Parents that roll it up count it as empty from then on.
    pub(crate) fn remove(&mut self, parent: u64) {
        if !self.groups.contains_key(&parent) {
            return;
        }
        self.invalidate(parent);
        let Some(removed) = self.groups.remove(&parent) else { return };
        for child in removed.group.children() {
            if let Some(hosts) = self.hosts.get_mut(&child) {
                hosts.retain(|&host| host != parent);
                if hosts.is_empty() {
                    self.hosts.remove(&child);
                }
            }
        }
    }

    /// Drops the layout and the plan of a group. Only the loss of a plan is a change.
    pub(crate) fn clear_layout(&mut self, parent: u64) {
        let Some(cached) = self.groups.get_mut(&parent) else { return };
        match cached.group.plan {
            Some(_) => self.invalidate(parent),
            None => cached.arrangement = OnceCell::new(),
        }
    }

    /// Moves the groups of `other`, whose keys are all unknown here.
    pub(crate) fn merge(&mut self, parent: u64, other: Groups) -> Result<()> {
        self.groups.try_reserve(other.groups.len())?;
        self.hosts.try_reserve(other.hosts.len())?;
        let version = self.newest_version + 1;
        self.groups.extend(other.groups.into_iter().map(|(key, mut cached)| {
            cached.group.version = version;
            (key, cached)
        }));
        self.hosts.extend(other.hosts);
        self.newest_version = version;
        for host in self.hosts_of(parent) {
            if let Some(cached) = self.groups.get_mut(&host) {
                cached.invalidate(version);
            }
        }
        Ok(())
    }

    /// Changes a group that exists. `work` returns whether it did; then all groups that roll it up change too.
    pub(crate) fn change(
        &mut self,
        parent: u64,
        work: impl FnOnce(&mut Group) -> Result<bool>,
    ) -> Result<bool> {
        let cached = self.groups.get_mut(&parent).ok_or_else(|| no_parent(parent))?;
        let changed = work(&mut cached.group)?;
        if changed {
            self.invalidate(parent);
        }
        Ok(changed)
    }

    /// Gives a group a plan.
    pub(crate) fn set_plan(&mut self, parent: u64, plan: Vec<u64>) {
        self.invalidate(parent);
        if let Some(cached) = self.groups.get_mut(&parent) {
            cached.group.plan = Some(plan);
        }
    }

    /// Gives a group, and all that roll it up, a new version.
    fn invalidate(&mut self, parent: u64) {
        self.newest_version += 1;
        for key in self.hosts_of(parent).into_iter().chain([parent]) {
            if let Some(cached) = self.groups.get_mut(&key) {
                cached.invalidate(self.newest_version);
            }
        }
    }

    /// All parents that roll this one up, at any depth.
    fn hosts_of(&self, parent: u64) -> BTreeSet<u64> {
        let mut found = BTreeSet::new();
        let mut open = self.direct_hosts(parent).to_vec();
        while let Some(host) = open.pop() {
            if found.insert(host) {
                open.extend_from_slice(self.direct_hosts(host));
            }
        }
        found
    }

    fn direct_hosts(&self, child: u64) -> &[u64] {
        self.hosts.get(&child).map_or(&[], Vec::as_slice)
    }
}
