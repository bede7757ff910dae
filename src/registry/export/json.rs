//! The stored JSON form of a group and its children, and overlaps and bank conflicts as JSON.
//!
//! The document holds the group, followed by every child that it rolls up, at any depth. It is the same text for the same
//! registrations in every process. Its `layout` members are for readers; loading computes the layout anew.

use std::io;

use foldhash::HashMap;
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};
use serde_json::ser::{CharEscape, Formatter, PrettyFormatter};
use serde_json::value::RawValue;

use crate::error::{Error, Result, Status};
use crate::registry::gpu::occupancy::Banks;
use crate::registry::group::{Group, GroupEntry, NOT_PLANNED};
use crate::registry::groups::Groups;
use crate::registry::layout::Allocator;
use crate::registry::layout::arrange::{Arrangement, Extent};
use crate::registry::layout::lifetimes::Overlap;
use crate::registry::options::LayoutOptions;
use crate::registry::registry::BufferRegistry;

/// The `format` member of a document.
pub(crate) const FORMAT: &str = "backbuf-layout";
/// The `version` member of a document.
pub(crate) const VERSION: u64 = 1;

impl BufferRegistry {
    /// The parent, and every child that it rolls up, as JSON: the same text for the same registrations in every process.
    /// [`BufferRegistry::load_json`] loads it.
    ///
    /// ```
    /// use backbuf::registry::{CUDABuffer, BufferRegistry};
    /// let registry = BufferRegistry::new();
    /// registry.register(1, &CUDABuffer::shared("k1", 100))?;
    /// let stored = registry.json(1)?;
    /// registry.load_json(2, &stored)?;
    /// assert_eq!(registry.json(2)?, stored);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn json(&self, parent: u64) -> Result<String> {
        let groups = self.lock();
        groups.group(parent)?;
        let mut keys = vec![parent];
        let mut numbers: HashMap<u64, usize> = HashMap::default();
        numbers.insert(parent, 0);
        let mut next = 0;
        while let Some(&key) = keys.get(next) {
            next += 1;
            for child in groups.group(key)?.children() {
                if groups.get(child).is_some() && !numbers.contains_key(&child) {
                    numbers.try_reserve(1)?;
                    keys.try_reserve(1)?;
                    numbers.insert(child, keys.len());
                    keys.push(child);
                }
            }
        }
        for &key in &keys {
            // A layout that cannot be computed is written as null, unless memory is exhausted.
            match groups.hash(key) {
                Err(error) if error.status() == Status::OutOfMemory => return Err(error),
                _ => {}
            }
        }
        let mut text =
            to_text(&Document { groups: &groups, keys: &keys, numbers: &numbers }, PrettyFormatter::new())?;
        text.try_reserve(1)?;
        text.push('\n');
        Ok(text)
    }

    /// [`BufferRegistry::overlaps`] as a JSON list.
    pub(crate) fn overlaps_json(&self, parent: u64) -> Result<String> {
        let overlaps = self.overlaps(parent)?;
        to_text(&JsonList(overlaps.iter().map(OverlapRecord)), Spaced)
    }

    /// [`BufferRegistry::banks`] as a JSON object.
    pub(crate) fn banks_json(&self, parent: u64) -> Result<String> {
        to_text(&BanksRecord(&self.banks(parent)?), Spaced)
    }
}

// --- what is written ---

/// Implements [`Serialize`] for a record as an object of the given members.
macro_rules! object {
    ($record:ty, |$self:ident| { $($name:literal: $value:expr),* $(,)? }) => {
        impl Serialize for $record {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                let $self = self;
                let mut object = serializer.serialize_map(None)?;
                $(object.serialize_entry($name, &$value)?;)*
                object.end()
            }
        }
    };
}

/// A list of the items of an iterator.
struct JsonList<I>(I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for JsonList<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

struct Document<'a> {
    groups: &'a Groups,
    keys: &'a [u64],
    numbers: &'a HashMap<u64, usize>,
}

object!(Document<'_>, |document| {
    "format": FORMAT,
    "version": VERSION,
    "groups": JsonList(document.keys.iter().filter_map(|&key| {
        let group = document.groups.get(key)?;
        let arrangement = document.groups.cached_arrangement(key);
        Some(GroupRecord { group, arrangement, numbers: document.numbers })
    })),
});

struct GroupRecord<'a> {
    group: &'a Group,
    arrangement: Option<&'a Arrangement>,
    /// The numbers of the groups by key.
    numbers: &'a HashMap<u64, usize>,
}

object!(GroupRecord<'_>, |record| {
    "options": OneLine(OptionsRecord(record.group.options)),
    "buffers": JsonList(record.group.entries.iter().filter_map(|entry| match entry.child {
        None => Some(OneLine(EntryRecord::Buffer(BufferRecord { group: record.group, entry }))),
        // The first of a child's two hidden buffers stands for both.
        Some(_) if entry.attributes.persistent => None,
        Some(child) => {
            let number = record.numbers.get(&child).copied();
            Some(OneLine(EntryRecord::Child(ChildRecord { group: record.group, entry, number })))
        }
    })),
    "plan": record.group.plan.as_ref().map(|plan| {
        let entries = record.group.entries.iter().zip(plan);
        JsonList(entries.filter(|(_, offset)| **offset != NOT_PLANNED).map(|(entry, offset)| OneLine((&entry.name, offset))))
    }),
    "layout": record.arrangement.and_then(|arrangement| {
        let hash = *arrangement.hash.get()?;
        Some(LayoutRecord { group: record.group, arrangement, hash })
    }),
});

struct OptionsRecord(LayoutOptions);

object!(OptionsRecord, |record| {
    "typed": record.0.typed,
    "bank_skew": record.0.bank_skew,
    "protect_persistent": record.0.protect_persistent,
    "shared_per": record.0.shared_per.name(),
});

enum EntryRecord<'a> {
    Buffer(BufferRecord<'a>),
    Child(ChildRecord<'a>),
}

impl Serialize for EntryRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            EntryRecord::Buffer(record) => record.serialize(serializer),
            EntryRecord::Child(record) => record.serialize(serializer),
        }
    }
}

struct BufferRecord<'a> {
    group: &'a Group,
    entry: &'a GroupEntry,
}

object!(BufferRecord<'_>, |record| {
    "name": record.entry.name,
    "size": record.entry.attributes.size,
    "location": record.entry.attributes.location.name(),
    "persistent": record.entry.attributes.persistent,
    "aliases": record.group.alias_name(record.entry),
    "precision": record.entry.attributes.precision.name(),
    "lifetime": record.entry.attributes.lifetime.map(|lifetime| (lifetime.begin, lifetime.end)),
});

struct ChildRecord<'a> {
    group: &'a Group,
    entry: &'a GroupEntry,
    number: Option<usize>,
}

impl Serialize for ChildRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let name = self.entry.name.strip_suffix(".shared").unwrap_or(&self.entry.name);
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("child", name)?;
        object.serialize_entry("group", &self.number)?;
        if let Some(target) = self.group.alias_name(self.entry) {
            object.serialize_entry("aliases", target)?;
        }
        object.end()
    }
}

struct LayoutRecord<'a> {
    group: &'a Group,
    arrangement: &'a Arrangement,
    hash: u64,
}

object!(LayoutRecord<'_>, |record| {
    "hash": format!("{:016x}", record.hash),
    "shared": OneLine(RegionRecord::of(record.arrangement.shared)),
    "persistent": OneLine(RegionRecord::of(record.arrangement.persistent)),
    "local": OneLine(RegionRecord { elements: record.arrangement.local, bytes: Some(record.arrangement.local_bytes) }),
    "shared_stride_bytes": record.arrangement.shared.stride_bytes(record.group.options).ok(),
    "buffers": JsonList(record.group.entries.iter().enumerate().map(|(index, entry)| {
        OneLine(PlacedRecord { name: &entry.name, allocator: record.arrangement.allocator(index) })
    })),
});

struct RegionRecord {
    elements: u64,
    bytes: Option<u64>,
}

impl RegionRecord {
    fn of(extent: Extent) -> RegionRecord {
        RegionRecord { elements: extent.elements(), bytes: extent.bytes().ok() }
    }
}

object!(RegionRecord, |record| { "elements": record.elements, "bytes": record.bytes });

struct PlacedRecord<'a> {
    name: &'a str,
    allocator: Allocator,
}

object!(PlacedRecord<'_>, |record| {
    "name": record.name,
    "space": record.allocator.space.name(),
    "offset": record.allocator.offset,
    "length": record.allocator.length,
    "byte_offset": record.allocator.byte_offset,
    "origin": record.allocator.origin.name(),
});

struct OverlapRecord<'a>(&'a Overlap);

object!(OverlapRecord<'_>, |record| {
    "first": record.0.first,
    "second": record.0.second,
    "space": record.0.space.name(),
    "start": record.0.start,
    "stop": record.0.stop,
    "steps": (record.0.steps.begin, record.0.steps.end),
});

struct BanksRecord<'a>(&'a Banks);

object!(BanksRecord<'_>, |record| {
    "stride_bytes": record.0.stride_bytes,
    "conflict_free_stride_bytes": record.0.conflict_free_stride_bytes,
    "ways": WaysRecord(&record.0.ways),
});

struct WaysRecord<'a>(&'a [(String, u32)]);

impl Serialize for WaysRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, ways)| (name, ways)))
    }
}

// --- how it is written ---

/// The text of `value`, in the form of `formatter`.
fn to_text(value: &impl Serialize, formatter: impl Formatter) -> Result<String> {
    let mut text = FallibleWriter(Vec::new());
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    // Only the writer can fail.
    value.serialize(&mut serializer).map_err(|_| Error::of(Status::OutOfMemory))?;
    Ok(String::from_utf8(text.0).expect("serde_json writes UTF-8"))
}

/// A value on one line, in a document that has a line per item.
struct OneLine<T>(T);

impl<T: Serialize> Serialize for OneLine<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let text = to_text(&self.0, Spaced).map_err(S::Error::custom)?;
        RawValue::from_string(text).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// Grows as it is written; fails if memory is exhausted.
struct FallibleWriter(Vec<u8>);

impl io::Write for FallibleWriter {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.0.try_reserve(part.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.0.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One line, with spaces after commas and colons. All control characters have one form, as in every earlier document.
struct Spaced;

fn comma<W: ?Sized + io::Write>(writer: &mut W, first: bool) -> io::Result<()> {
    if first { Ok(()) } else { writer.write_all(b", ") }
}

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        comma(writer, first)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        comma(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        let control = match escape {
            CharEscape::Quote => return writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => return writer.write_all(b"\\\\"),
            CharEscape::Solidus => return writer.write_all(b"\\/"),
            CharEscape::Backspace => 0x08,
            CharEscape::FormFeed => 0x0c,
            CharEscape::LineFeed => b'\n',
            CharEscape::CarriageReturn => b'\r',
            CharEscape::Tab => b'\t',
            CharEscape::AsciiControl(byte) => byte,
        };
        write!(writer, "\\u{control:04x}")
    }
}
