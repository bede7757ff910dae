//! What a registry has: groups by parent, and who rolls up whom.

use super::arrange::{self, Arrangement, Extent};
use super::buffer::{Location, Precision, Spec};
use super::group::{self, Group};
use super::hash;
use super::hasher::Map;
use super::layout::Space;
use super::options::Options;
use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) groups: Map<u64, Group>,
    /// By child: the parents that roll it up, once a registration.
    hosts: Map<u64, Vec<u64>>,
    /// The newest version.
    clock: u64,
}

pub(super) fn no_parent(parent: u64) -> Error {
    Error::value(Status::NoParent, "parent", parent, "nothing is registered under this key")
}

pub(super) fn no_name(name: &str) -> Error {
    Error::named(Status::NoName, "name", name, "this parent has no such buffer")
}

impl State {
    pub(super) fn group(&self, parent: u64) -> Result<&Group> {
        self.groups.get(&parent).ok_or_else(|| no_parent(parent))
    }

    /// A group with its layout, if the parent is known.
    pub(super) fn settled(&self, parent: u64) -> Result<Option<(&Group, &Arrangement)>> {
        let Some(group) = self.groups.get(&parent) else { return Ok(None) };
        if group.arrangement.get().is_none() {
            self.settle(parent)?;
        }
        Ok(group.arrangement.get().map(|all| (group, all)))
    }

    /// The same of a parent that must be known.
    pub(super) fn known(&self, parent: u64) -> Result<(&Group, &Arrangement)> {
        self.settled(parent)?.ok_or_else(|| no_parent(parent))
    }

    /// Works out a layout, children first.
    #[cold]
    fn settle(&self, parent: u64) -> Result<()> {
        let reach = |child: u64, space: Space| {
            let all = self.groups.get(&child).and_then(|group| group.arrangement.get());
            all.map_or_else(Extent::default, |all| all.extent(space))
        };
        let settled = |group: &Group| group.arrangement.get().is_some();
        self.children_first(parent, settled, |_, group| {
            let all = arrange::arrange(group, reach)?;
            group.arrangement.get_or_init(|| all);
            Ok(())
        })
    }

    /// The hash of a group's layout.
    pub(super) fn hash(&self, parent: u64) -> Result<u64> {
        let known = |group: &Group| group.arrangement.get()?.hash.get().copied();
        let of_child = |key: u64| self.groups.get(&key).and_then(known).unwrap_or(0);
        self.children_first(
            parent,
            |group| known(group).is_some(),
            |key, _| {
                let (group, all) = self.known(key)?;
                all.hash.get_or_init(|| hash::of(group, all, of_child));
                Ok(())
            },
        )?;
        Ok(of_child(parent))
    }

    /// Works on a group and all that it rolls up, children first, where it is not `done`. A stack of its own: however deep
    /// children go, the thread's does not grow.
    fn children_first(
        &self,
        parent: u64,
        done: impl Fn(&Group) -> bool,
        work: impl Fn(u64, &Group) -> Result<()>,
    ) -> Result<()> {
        let mut open = try_vec(8)?;
        open.push(parent);
        while let Some(&next) = open.last() {
            let group = self.group(next)?;
            let before = open.len();
            for child in group.children() {
                if self.groups.get(&child).is_some_and(|group| !done(group)) {
                    open.try_reserve(1)?;
                    open.push(child);
                }
            }
            if open.len() > before {
                continue;
            }
            open.pop();
            if !done(group) {
                work(next, group)?;
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
        self.groups.try_reserve(1)?;
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
        aliases: Option<&str>,
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
        self.hosts.try_reserve(1)?;
        let mut hosts = self.hosts.remove(&child).unwrap_or_default();
        let done = hosts.try_reserve(1).map_err(|_| Error::of(Status::OutOfMemory)).and_then(|()| {
            let names = [hidden[0].as_str(), hidden[1].as_str()];
            let specs = [shared, persistent];
            self.change(parent, defaults, |group| group.register_child(names, specs, child, aliases))
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

    /// Removes a group; where it is a child, it takes nothing from then on.
    pub(super) fn forget(&mut self, parent: u64) -> Result<()> {
        if !self.groups.contains_key(&parent) {
            return Ok(());
        }
        self.alter(parent, |_| Ok(true))?;
        let Some(group) = self.groups.remove(&parent) else { return Ok(()) };
        for child in group.children() {
            if let Some(hosts) = self.hosts.get_mut(&child) {
                hosts.retain(|&host| host != parent);
                if hosts.is_empty() {
                    self.hosts.remove(&child);
                }
            }
        }
        Ok(())
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
