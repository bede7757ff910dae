//! A parent's buffers, in registration order.

use std::cell::OnceCell;

use super::arrange::Arrangement;
use super::buffer::{Buffer, Spec};
use super::hasher::Map;
use super::options::Options;
use crate::alloc::{try_string, try_vec};
use crate::error::{Error, Result, Status};

/// The longest name in bytes.
pub(crate) const LONGEST_NAME: usize = 255;

/// In a plan: lies by rule 1.
pub(super) const NOT_PLANNED: u64 = u64::MAX;

/// A buffer with its alias resolved.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) spec: Spec,
    /// The target's index, which is smaller than its own.
    pub(super) alias: Option<u32>,
    /// The parent whose region this stands for.
    pub(super) child: Option<u64>,
}

/// A parent's buffers.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) entries: Vec<Entry>,
    names: Map<String, u32>,
    pub(super) options: Options,
    pub(super) version: u64,
    /// Empty until somebody asks.
    pub(super) arrangement: OnceCell<Arrangement>,
    /// By index: the offset above what is always alive, in units, or [`NOT_PLANNED`].
    pub(super) plan: Option<Vec<u64>>,
    /// Bytes of all buffers, each with what its alignment may cost: what cannot be added up is refused early.
    weight: u64,
}

/// Bytes that a buffer takes at most.
fn weight(spec: &Spec) -> Option<u64> {
    spec.size.max(1).checked_mul(spec.precision.bytes())?.checked_add(8)
}

fn too_heavy(size: u64) -> Error {
    let why = "the bytes of the parent's buffers add up beyond 64 bits";
    Error::value(Status::Range, "size", size, why)
}

impl Group {
    pub(super) fn new(options: Options) -> Group {
        Group {
            entries: Vec::new(),
            names: Map::default(),
            options,
            version: 0,
            arrangement: OnceCell::new(),
            plan: None,
            weight: 0,
        }
    }

    /// The index of a buffer.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.names.get(name).map(|&index| index as usize)
    }

    /// Where a plan puts a buffer.
    pub(super) fn planned(&self, index: usize) -> u64 {
        self.plan.as_ref().map_or(NOT_PLANNED, |plan| plan[index])
    }

    /// Something has changed: layout and plan are those of before.
    pub(super) fn touch(&mut self, version: u64) {
        self.version = version;
        self.arrangement = OnceCell::new();
        self.plan = None;
    }

    /// Adds a buffer. Checks names first, then what `spec` says, so that every caller is refused for the same reason.
    pub(super) fn register(
        &mut self,
        name: &str,
        aliases: Option<&str>,
        spec: impl FnOnce() -> Result<Spec>,
    ) -> Result<()> {
        vet_name(name)?;
        vet_self(name, aliases)?;
        if self.names.contains_key(name) {
            let why = "the name is taken; use replace to change what it stands for";
            return Err(Error::named(Status::Exists, "name", name, why));
        }
        let alias = aliases.map(|target| self.target(target, self.entries.len())).transpose()?;
        let spec = spec()?;
        spec.vet()?;
        self.push(&[(name, spec, alias, None)])
    }

    /// Adds the two hidden buffers that stand for a child's regions, the first of which may be an alias.
    pub(super) fn register_child(
        &mut self,
        names: [&str; 2],
        specs: [Spec; 2],
        child: u64,
        aliases: Option<&str>,
    ) -> Result<()> {
        for name in names {
            vet_name(name)?;
        }
        vet_self(names[0], aliases)?;
        if let Some(name) = names.into_iter().find(|name| self.names.contains_key(*name)) {
            let why = "the name is taken; a child takes <name>.shared and <name>.persistent";
            return Err(Error::named(Status::Exists, "name", name, why));
        }
        let alias = aliases.map(|target| self.target(target, self.entries.len())).transpose()?;
        let [shared, persistent] = specs;
        self.push(&[(names[0], shared, alias, Some(child)), (names[1], persistent, None, Some(child))])
    }

    /// Adds all or nothing.
    fn push(&mut self, new: &[(&str, Spec, Option<u32>, Option<u64>)]) -> Result<()> {
        let mut total = self.weight;
        for (_, spec, ..) in new {
            total =
                weight(spec).and_then(|more| total.checked_add(more)).ok_or_else(|| too_heavy(spec.size))?;
        }
        let out_of_memory = |_| Error::of(Status::OutOfMemory);
        if self.entries.len() + new.len() > u32::MAX as usize {
            return Err(Error::text(Status::Limit, "a parent holds at most 2^32 - 1 buffers"));
        }
        self.entries.try_reserve(new.len()).map_err(out_of_memory)?;
        self.names.try_reserve(new.len()).map_err(out_of_memory)?;
        let mut keys = try_vec(new.len())?;
        for &(name, ..) in new {
            keys.push((try_string(name)?, try_string(name)?));
        }
        // From here on nothing can fail.
        for ((key, name), &(_, spec, alias, child)) in keys.into_iter().zip(new) {
            self.names.insert(key, self.entries.len() as u32);
            self.entries.push(Entry { name, spec, alias, child });
        }
        self.weight = total;
        Ok(())
    }

    /// Gives a buffer another spec, and another alias if one is given, in its old place of the order. Tells whether that is
    /// a change.
    pub(super) fn change(
        &mut self,
        index: usize,
        aliases: Option<Option<&str>>,
        spec: impl FnOnce(Spec) -> Result<Spec>,
    ) -> Result<bool> {
        let entry = &self.entries[index];
        if entry.child.is_some() {
            let why = "stands for a child's region and changes with it alone";
            return Err(Error::named(Status::State, "name", &entry.name, why));
        }
        let alias = match aliases {
            None => entry.alias,
            Some(aliases) => {
                vet_self(&entry.name, aliases)?;
                aliases.map(|target| self.target(target, index)).transpose()?
            }
        };
        let spec = spec(entry.spec)?;
        spec.vet()?;
        if (alias, spec) == (entry.alias, entry.spec) {
            return Ok(false);
        }
        let others = self.weight - weight(&entry.spec).unwrap_or(0);
        self.weight =
            weight(&spec).and_then(|own| others.checked_add(own)).ok_or_else(|| too_heavy(spec.size))?;
        let entry = &mut self.entries[index];
        (entry.alias, entry.spec) = (alias, spec);
        Ok(true)
    }

    /// The index of an alias target, which must come before `index`.
    fn target(&self, target: &str, index: usize) -> Result<u32> {
        match self.names.get(target) {
            Some(&found) if (found as usize) < index => Ok(found),
            Some(_) => {
                let why = "comes later in the order; an alias names a buffer that was registered before it";
                Err(Error::named(Status::AliasOrder, "aliases", target, why))
            }
            None => {
                let why = "no such buffer of this parent; register it first";
                Err(Error::named(Status::AliasMissing, "aliases", target, why))
            }
        }
    }

    /// The name of an entry's alias target.
    pub(super) fn alias_name(&self, entry: &Entry) -> Option<&str> {
        entry.alias.map(|target| self.entries[target as usize].name.as_str())
    }

    /// A copy of what was asked for.
    pub(super) fn buffer(&self, index: usize) -> Result<Buffer> {
        let entry = &self.entries[index];
        let aliases = self.alias_name(entry).map(try_string).transpose()?;
        Ok(Buffer::new(try_string(&entry.name)?, aliases, entry.spec))
    }

    /// The children, each once a pair of hidden buffers.
    pub(super) fn children(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().filter(|entry| !entry.spec.persistent).filter_map(|entry| entry.child)
    }
}

/// Refuses what is no name.
pub(super) fn vet_name(name: &str) -> Result<()> {
    match name.len() {
        0 => Err(Error::param(Status::Argument, "name", "is empty; a name has 1 to 255 bytes")),
        1..=LONGEST_NAME if name.contains('\0') => {
            Err(Error::named(Status::Argument, "name", name, "has a NUL inside, at which C would end it"))
        }
        1..=LONGEST_NAME => Ok(()),
        _ => Err(Error::named(Status::Argument, "name", name, "too long; a name has 1 to 255 bytes")),
    }
}

fn vet_self(name: &str, aliases: Option<&str>) -> Result<()> {
    if aliases == Some(name) {
        let why = "a buffer cannot be an alias of itself; name another, or none";
        return Err(Error::named(Status::AliasSelf, "aliases", name, why));
    }
    Ok(())
}
