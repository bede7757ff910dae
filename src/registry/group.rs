//! One parent's buffers in registration order, with their aliases resolved.

use foldhash::HashMap;

use crate::alloc::try_string;
use crate::error::{Error, Result, Status};
use crate::registry::buffer::{BufferAttributes, CUDABuffer};
use crate::registry::options::LayoutOptions;

/// The longest name in bytes.
pub(crate) const MAX_NAME: usize = 255;

/// In a plan: the buffer lies by the layout rules.
pub(crate) const NOT_PLANNED: u64 = u64::MAX;

/// A buffer with its alias resolved.
#[derive(Debug)]
pub(crate) struct GroupEntry {
    pub(crate) name: String,
    pub(crate) attributes: BufferAttributes,
    /// The index of the alias target, which is smaller than its own.
    pub(crate) alias: Option<u32>,
    /// The parent whose region this hidden buffer stands for.
    pub(crate) child: Option<u64>,
}

/// A parent's buffers.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) entries: Vec<GroupEntry>,
    names: HashMap<String, u32>,
    pub(crate) options: LayoutOptions,
    pub(crate) version: u64,
    /// By index: the offset in units above the buffers that are always alive, or [`NOT_PLANNED`].
    pub(crate) plan: Option<Vec<u64>>,
    /// The bytes of all buffers, each with its worst padding. Refusing an overflow of this sum keeps later sums in range.
    weight: u64,
}

/// The bytes of a buffer with its worst padding.
fn weight(attributes: &BufferAttributes) -> Option<u64> {
    attributes.size.max(1).checked_mul(attributes.precision.bytes())?.checked_add(8)
}

fn too_heavy(size: u64) -> Error {
    let reason = "the bytes of the parent's buffers add up beyond 64 bits";
    Error::value(Status::Range, "size", size, reason)
}

impl Group {
    pub(crate) fn new(options: LayoutOptions) -> Group {
        Group { entries: Vec::new(), names: HashMap::default(), options, version: 0, plan: None, weight: 0 }
    }

    /// The index of a buffer.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.names.get(name).map(|&index| index as usize)
    }

    /// The planned offset of a buffer.
    pub(crate) fn planned(&self, index: usize) -> u64 {
        self.plan.as_ref().map_or(NOT_PLANNED, |plan| plan[index])
    }

    /// Adds a buffer. The names are checked before the attributes are evaluated, so that all callers report errors in the same
    /// order.
    pub(crate) fn register(
        &mut self,
        name: &str,
        aliases: Option<&str>,
        attributes: impl FnOnce() -> Result<BufferAttributes>,
    ) -> Result<()> {
        check_name(name)?;
        check_alias_is_other(name, aliases)?;
        if self.names.contains_key(name) {
            let reason = "the name is taken; use replace to change what it stands for";
            return Err(Error::named(Status::Exists, "name", name, reason));
        }
        let alias = aliases.map(|target| self.alias_target(target, self.entries.len())).transpose()?;
        let attributes = attributes()?;
        attributes.check()?;
        self.push(&[(name, attributes, alias, None)])
    }

    /// Adds the two hidden buffers that stand for a child's regions, the first of which may be an alias.
    pub(crate) fn register_child(
        &mut self,
        names: [&str; 2],
        attributes: [BufferAttributes; 2],
        child: u64,
        aliases: Option<&str>,
    ) -> Result<()> {
        for name in names {
            check_name(name)?;
        }
        check_alias_is_other(names[0], aliases)?;
        if let Some(name) = names.into_iter().find(|name| self.names.contains_key(*name)) {
            let reason = "the name is taken; a child takes <name>.shared and <name>.persistent";
            return Err(Error::named(Status::Exists, "name", name, reason));
        }
        let alias = aliases.map(|target| self.alias_target(target, self.entries.len())).transpose()?;
        let [shared, persistent] = attributes;
        self.push(&[(names[0], shared, alias, Some(child)), (names[1], persistent, None, Some(child))])
    }

    /// Adds all buffers or none.
    fn push(&mut self, new: &[(&str, BufferAttributes, Option<u32>, Option<u64>)]) -> Result<()> {
        let mut total = self.weight;
        for (_, attributes, ..) in new {
            let sum = weight(attributes).and_then(|more| total.checked_add(more));
            total = sum.ok_or_else(|| too_heavy(attributes.size))?;
        }
        if self.entries.len() + new.len() > u32::MAX as usize {
            return Err(Error::text(Status::Limit, "a parent holds at most 2^32 - 1 buffers"));
        }
        self.entries.try_reserve(new.len())?;
        self.names.try_reserve(new.len())?;
        for &(name, attributes, alias, child) in new {
            self.names.insert(name.to_owned(), self.entries.len() as u32);
            self.entries.push(GroupEntry { name: name.to_owned(), attributes, alias, child });
        }
        self.weight = total;
        Ok(())
    }

    /// Gives a buffer other attributes, and another alias if one is given, at its position in the order. Returns whether that is
    /// a change.
    pub(crate) fn change(
        &mut self,
        index: usize,
        aliases: Option<Option<&str>>,
        attributes: impl FnOnce(BufferAttributes) -> Result<BufferAttributes>,
    ) -> Result<bool> {
        let entry = &self.entries[index];
        if entry.child.is_some() {
            let reason = "stands for a child's region and changes with it alone";
            return Err(Error::named(Status::State, "name", &entry.name, reason));
        }
        let alias = match aliases {
            None => entry.alias,
            Some(aliases) => {
                check_alias_is_other(&entry.name, aliases)?;
                aliases.map(|target| self.alias_target(target, index)).transpose()?
            }
        };
        let attributes = attributes(entry.attributes)?;
        attributes.check()?;
        if (alias, attributes) == (entry.alias, entry.attributes) {
            return Ok(false);
        }
        let others = self.weight - weight(&entry.attributes).unwrap_or(0);
        let sum = weight(&attributes).and_then(|own| others.checked_add(own));
        self.weight = sum.ok_or_else(|| too_heavy(attributes.size))?;
        let entry = &mut self.entries[index];
        (entry.alias, entry.attributes) = (alias, attributes);
        Ok(true)
    }

    /// The index of an alias target, which must come before `index`.
    fn alias_target(&self, target: &str, index: usize) -> Result<u32> {
        match self.names.get(target) {
            Some(&found) if (found as usize) < index => Ok(found),
            Some(_) => {
                let reason =
                    "comes later in the order; an alias names a buffer that was registered before it";
                Err(Error::named(Status::AliasOrder, "aliases", target, reason))
            }
            None => {
                let reason = "no such buffer of this parent; register it first";
                Err(Error::named(Status::AliasMissing, "aliases", target, reason))
            }
        }
    }

    /// The name of an entry's alias target.
    pub(crate) fn alias_name(&self, entry: &GroupEntry) -> Option<&str> {
        entry.alias.map(|target| self.entries[target as usize].name.as_str())
    }

    /// A copy of a buffer's specification.
    pub(crate) fn buffer(&self, index: usize) -> Result<CUDABuffer> {
        let entry = &self.entries[index];
        let aliases = self.alias_name(entry).map(try_string).transpose()?;
        Ok(CUDABuffer::new(try_string(&entry.name)?, aliases, entry.attributes))
    }

    /// The children, each once although it has two hidden buffers.
    pub(crate) fn children(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().filter(|entry| !entry.attributes.persistent).filter_map(|entry| entry.child)
    }
}

/// Refuses names that are empty, too long, or contain NUL.
pub(crate) fn check_name(name: &str) -> Result<()> {
    match name.len() {
        0 => Err(Error::param(Status::Argument, "name", "is empty; a name has 1 to 255 bytes")),
        1..=MAX_NAME if name.contains('\0') => {
            Err(Error::named(Status::Argument, "name", name, "contains NUL, which ends a name in C"))
        }
        1..=MAX_NAME => Ok(()),
        _ => Err(Error::named(Status::Argument, "name", name, "too long; a name has 1 to 255 bytes")),
    }
}

fn check_alias_is_other(name: &str, aliases: Option<&str>) -> Result<()> {
    if aliases == Some(name) {
        let reason = "a buffer cannot be an alias of itself; name another, or none";
        return Err(Error::named(Status::AliasSelf, "aliases", name, reason));
    }
    Ok(())
}
