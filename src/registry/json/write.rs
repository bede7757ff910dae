//! Groups as JSON.

use std::fmt::{self, Write};

use super::{FORMAT, VERSION};
use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};
use crate::registry::arrange::Extent;
use crate::registry::buffer::Lifetime;
use crate::registry::group::{Group, NOT_PLANNED};
use crate::registry::hasher::Map;
use crate::registry::layout::Space;
use crate::registry::registry::Registry;
use crate::registry::state::State;
use crate::text::{Draft, compose};

fn out_of_memory<T>(_: T) -> Error {
    Error::of(Status::OutOfMemory)
}

/// A text as JSON.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                '\0'..='\x1f' => write!(f, "\\u{:04x}", character as u32)?,
                _ => f.write_char(character)?,
            }
        }
        f.write_char('"')
    }
}

/// Something, or null.
struct OrNull<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for OrNull<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("null"),
        }
    }
}

impl fmt::Display for Lifetime {
    /// As a JSON list.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.begin, self.end)
    }
}

impl Registry {
    /// The parent, and every child that it rolls up, as JSON: the same text for the same registrations, in every process.
    /// [`Registry::load_json`] takes it back.
    ///
    /// ```
    /// use backbuf::registry::{Buffer, Registry};
    /// let registry = Registry::new();
    /// registry.register(1, &Buffer::shared("k1", 100))?;
    /// let stored = registry.json(1)?;
    /// registry.load_json(2, &stored)?;
    /// assert_eq!(registry.json(2)?, stored);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn json(&self, parent: u64) -> Result<String> {
        let state = self.lock();
        state.group(parent)?;
        let mut keys = try_vec(1)?;
        let mut numbers: Map<u64, usize> = Map::default();
        keys.push(parent);
        numbers.try_reserve(1).map_err(out_of_memory)?;
        numbers.insert(parent, 0);
        let mut at = 0;
        while let Some(&key) = keys.get(at) {
            at += 1;
            for child in state.group(key)?.children() {
                if state.groups.contains_key(&child) && !numbers.contains_key(&child) {
                    numbers.try_reserve(1).and_then(|()| keys.try_reserve(1)).map_err(out_of_memory)?;
                    numbers.insert(child, keys.len());
                    keys.push(child);
                }
            }
        }
        for &key in &keys {
            // A layout that cannot be worked out is written as null; memory that is not there is another matter.
            match state.hash(key) {
                Err(error) if error.status() == Status::OutOfMemory => return Err(error),
                _ => {}
            }
        }
        compose(|out| document(out, &state, &keys, &numbers))
    }
}

impl Registry {
    /// [`Registry::overlaps`] as a JSON list.
    pub(crate) fn overlaps_json(&self, parent: u64) -> Result<String> {
        let overlaps = self.overlaps(parent)?;
        compose(|out| {
            out.write_str("[")?;
            for (at, o) in overlaps.iter().enumerate() {
                let (comma, first, second) =
                    (if at == 0 { "" } else { ", " }, Quoted(&o.first), Quoted(&o.second));
                let (space, start, stop, steps) = (o.space.name(), o.start, o.stop, o.steps);
                write!(out, "{comma}{{\"first\": {first}, \"second\": {second}, \"space\": \"{space}\", ")?;
                write!(out, "\"start\": {start}, \"stop\": {stop}, \"steps\": {steps}}}")?;
            }
            out.write_str("]")
        })
    }

    /// [`Registry::banks`] as a JSON object.
    pub(crate) fn banks_json(&self, parent: u64) -> Result<String> {
        let banks = self.banks(parent)?;
        compose(|out| {
            let (stride, free) = (banks.stride_bytes, OrNull(banks.conflict_free_stride_bytes));
            write!(
                out,
                "{{\"stride_bytes\": {stride}, \"conflict_free_stride_bytes\": {free}, \"ways\": {{"
            )?;
            for (at, (name, ways)) in banks.ways.iter().enumerate() {
                write!(out, "{}{}: {ways}", if at == 0 { "" } else { ", " }, Quoted(name))?;
            }
            out.write_str("}}")
        })
    }
}

fn document(out: &mut Draft, state: &State, keys: &[u64], numbers: &Map<u64, usize>) -> fmt::Result {
    writeln!(out, "{{\n  \"format\": {},\n  \"version\": {VERSION},\n  \"groups\": [", Quoted(FORMAT))?;
    for (at, key) in keys.iter().enumerate() {
        if let Some(group) = state.groups.get(key) {
            write_group(out, group, numbers)?;
        }
        out.write_str(if at + 1 < keys.len() { ",\n" } else { "\n" })?;
    }
    out.write_str("  ]\n}\n")
}

/// A list with an item a line.
fn lines<T>(
    out: &mut Draft,
    items: impl Iterator<Item = T>,
    mut item: impl FnMut(&mut Draft, T) -> fmt::Result,
) -> fmt::Result {
    for (at, value) in items.enumerate() {
        out.write_str(if at == 0 { "\n        " } else { ",\n        " })?;
        item(out, value)?;
    }
    Ok(())
}

/// `numbers` are those of the groups by key.
fn write_group(out: &mut Draft, group: &Group, numbers: &Map<u64, usize>) -> fmt::Result {
    let options = group.options;
    write!(
        out,
        "    {{\n      \"options\": {{\"typed\": {}, \"bank_skew\": {}, \"protect_persistent\": {}, \"shared_per\": \"{}\"}},",
        options.typed,
        options.bank_skew,
        options.protect_persistent,
        options.shared_per.name()
    )?;
    out.write_str("\n      \"buffers\": [")?;
    // Of a child's two hidden buffers the first stands for both.
    let entries = group.entries.iter().filter(|entry| entry.child.is_none() || !entry.spec.persistent);
    lines(out, entries, |out, entry| {
        if let Some(child) = entry.child {
            let name = entry.name.strip_suffix(".shared").unwrap_or(&entry.name);
            write!(out, "{{\"child\": {}, \"group\": {}", Quoted(name), OrNull(numbers.get(&child)))?;
            if let Some(target) = group.alias_name(entry) {
                write!(out, ", \"aliases\": {}", Quoted(target))?;
            }
            return out.write_char('}');
        }
        write!(
            out,
            "{{\"name\": {}, \"size\": {}, \"location\": \"{}\", \"persistent\": {}, \"aliases\": {}, \"precision\": \"{}\", \
             \"lifetime\": {}}}",
            Quoted(&entry.name),
            entry.spec.size,
            entry.spec.location.name(),
            entry.spec.persistent,
            OrNull(group.alias_name(entry).map(Quoted)),
            entry.spec.precision,
            OrNull(entry.spec.lifetime)
        )
    })?;
    out.write_str("\n      ],\n      \"plan\": ")?;
    match &group.plan {
        None => out.write_str("null")?,
        Some(plan) => {
            out.write_str("[")?;
            let planned = group.entries.iter().zip(plan).filter(|(_, offset)| **offset != NOT_PLANNED);
            lines(out, planned, |out, (entry, offset)| write!(out, "[{}, {offset}]", Quoted(&entry.name)))?;
            out.write_str("\n      ]")?;
        }
    }
    out.write_str(",\n      \"layout\": ")?;
    write_layout(out, group)?;
    out.write_str("\n    }")
}

fn region(out: &mut Draft, name: &str, extent: Extent) -> fmt::Result {
    let (elements, bytes) = (extent.elements(), OrNull(extent.bytes().ok()));
    write!(out, "\n        \"{name}\": {{\"elements\": {elements}, \"bytes\": {bytes}}},")
}

fn write_layout(out: &mut Draft, group: &Group) -> fmt::Result {
    let all = group.arrangement.get();
    let Some((all, hash)) = all.and_then(|all| Some((all, all.hash.get()?))) else {
        return out.write_str("null");
    };
    write!(out, "{{\n        \"hash\": \"{hash:016x}\",")?;
    region(out, "shared", all.extent(Space::Shared))?;
    region(out, "persistent", all.extent(Space::Persistent))?;
    write!(out, "\n        \"local\": {{\"elements\": {}, \"bytes\": {}}},", all.local, all.local_bytes)?;
    let stride = OrNull(all.shared.stride_bytes(group.options).ok());
    write!(out, "\n        \"shared_stride_bytes\": {stride},\n        \"buffers\": [")?;
    for (index, entry) in group.entries.iter().enumerate() {
        let place = all.allocator(index);
        out.write_str(if index == 0 { "\n          " } else { ",\n          " })?;
        write!(
            out,
            "{{\"name\": {}, \"space\": \"{}\", \"offset\": {}, \"length\": {}, \"byte_offset\": {}, \"origin\": \"{}\"}}",
            Quoted(&entry.name),
            place.space.name(),
            place.offset,
            place.length,
            OrNull(place.byte_offset),
            place.origin.name()
        )?;
    }
    out.write_str("\n        ]\n      }")
}
