//! The layout rules, which compute the position of each buffer of a group, and the hash of the result.
//!
//! Positions are counted in units: elements, or bytes in a typed layout.

use std::cell::OnceCell;

use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};
use crate::registry::buffer::BufferAttributes;
use crate::registry::group::{Group, NOT_PLANNED};
use crate::registry::layout::{Allocator, MemoryRegion, Origin};
use crate::registry::options::{LayoutOptions, Precision, SharedPer, Space};

/// The position of a buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    pub(crate) space: Space,
    pub(crate) origin: Origin,
    /// One precision; any number in a child's region.
    precisions: PrecisionSet,
    /// Offset and length in units.
    pub(crate) start: u64,
    pub(crate) extent: u64,
    /// The length in elements.
    pub(crate) length: u64,
    /// The alignment of its elements.
    align: u64,
    /// Its alignment in shared memory: the widest of its own and that of its slices.
    slice_align: u64,
    /// Whether it is a persistent buffer, or a child's region that contains one.
    persistent: bool,
}

impl Placement {
    pub(crate) fn stop(&self) -> u64 {
        self.start + self.extent
    }

    pub(crate) fn precision(&self) -> Option<Precision> {
        self.precisions.precision()
    }

    /// All precisions, of a child's region.
    pub(crate) fn precisions(&self) -> impl Iterator<Item = Precision> {
        Precision::ALL.into_iter().filter(|&precision| self.precisions.0 & PrecisionSet::of(precision).0 != 0)
    }

    /// The alignment of its start.
    pub(crate) fn align(&self) -> u64 {
        if self.space == Space::Shared { self.slice_align } else { self.align }
    }

    pub(crate) fn is_aligned(&self) -> bool {
        self.start.is_multiple_of(self.align())
    }
}

/// A set of precisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PrecisionSet(u8);

impl PrecisionSet {
    fn of(precision: Precision) -> PrecisionSet {
        PrecisionSet(1 << precision as u8)
    }

    fn add(&mut self, other: PrecisionSet) {
        self.0 |= other.0;
    }

    /// The precision of a set of one.
    fn precision(self) -> Option<Precision> {
        let lowest = Precision::ALL.get(self.0.trailing_zeros() as usize).copied();
        lowest.filter(|&precision| PrecisionSet::of(precision) == self)
    }

    fn is_mixed(self) -> bool {
        self.0.count_ones() > 1
    }

    /// The size of an element in bytes; 1 for a mixture, whose elements are bytes.
    fn element_bytes(self) -> u64 {
        self.precision().map_or(1, Precision::bytes)
    }
}

/// The size of a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    units: u64,
    /// The widest alignment in it in bytes; 0 if it is empty.
    align: u64,
    precisions: PrecisionSet,
    typed: bool,
    /// Whether it contains a persistent buffer, its own or a child's.
    persistent: bool,
}

#[cold]
pub(crate) fn overflow() -> Error {
    Error::text(
        Status::Range,
        "the sizes of the parent's buffers, and of its children's, add up beyond 64 bits",
    )
}

#[cold]
pub(crate) fn mixed() -> Error {
    Error::text(
        Status::State,
        "the region mixes precisions, so that it has no size in bytes; set the option `typed` for a typed layout",
    )
}

impl Extent {
    pub(crate) fn is_typed(self) -> bool {
        self.typed
    }

    pub(crate) fn elements(self) -> u64 {
        self.units / self.unit_of_element()
    }

    /// The size of an element of the region in units.
    pub(crate) fn unit_of_element(self) -> u64 {
        if self.typed { self.precisions.element_bytes() } else { 1 }
    }

    pub(crate) fn bytes(self) -> Result<u64> {
        match self.typed {
            true => Ok(self.units),
            false if self.precisions.is_mixed() => Err(mixed()),
            false => self.units.checked_mul(self.precisions.element_bytes()).ok_or_else(overflow),
        }
    }

    pub(crate) fn region(self) -> MemoryRegion {
        MemoryRegion {
            elements: self.elements(),
            bytes: self.bytes().ok(),
            precision: self.precisions.precision(),
            align_bytes: self.align.max(1),
        }
    }

    /// The distance in bytes between the shared regions of two threads, or the bytes of a block's region.
    pub(crate) fn stride_bytes(self, options: LayoutOptions) -> Result<u64> {
        let bytes = self.bytes()?;
        if options.shared_per == SharedPer::Block || bytes == 0 {
            return Ok(bytes);
        }
        let stride = align_up(bytes, self.align)?;
        let skewed = options.typed && options.bank_skew && self.align == 4 && stride % 8 == 0;
        stride.checked_add(if skewed { 4 } else { 0 }).ok_or_else(overflow)
    }

    /// Extends the region by a placement.
    fn include(&mut self, placement: &Placement) -> Result<()> {
        self.units = self.units.max(placement.start.checked_add(placement.extent).ok_or_else(overflow)?);
        self.precisions.add(placement.precisions);
        self.persistent |= placement.persistent;
        self.align = self.align.max(placement.align()).max(if self.typed {
            1
        } else {
            placement.precisions.element_bytes()
        });
        Ok(())
    }
}

/// The positions of all buffers of a group.
#[derive(Debug)]
pub(crate) struct Arrangement {
    /// In registration order.
    pub(crate) placements: Vec<Placement>,
    pub(crate) shared: Extent,
    pub(crate) persistent: Extent,
    /// The elements and the bytes of all local arrays.
    pub(crate) local: u64,
    pub(crate) local_bytes: u64,
    /// Empty until the first query.
    pub(crate) hash: OnceCell<u64>,
}

impl Arrangement {
    pub(crate) fn extent(&self, space: Space) -> Extent {
        match space {
            Space::Shared => self.shared,
            Space::Persistent => self.persistent,
            Space::Local => Extent::default(),
        }
    }

    /// How a kernel gets a buffer.
    pub(crate) fn allocator(&self, index: usize) -> Allocator {
        let placement = &self.placements[index];
        let typed = self.shared.is_typed();
        let precision = placement.precision();
        let element = precision.map_or(1, Precision::bytes);
        let local = placement.space == Space::Local;
        let byte_offset = match (local, typed) {
            (true, _) => Some(0),
            (_, true) => Some(placement.start),
            (_, false) => self.extent(placement.space).bytes().ok().map(|_| placement.start * element),
        };
        Allocator {
            space: placement.space,
            offset: if typed { placement.start / element } else { placement.start },
            length: placement.length,
            precision,
            zero_fill: if local {
                placement.extent / if typed { element } else { 1 }
            } else {
                placement.length
            },
            origin: placement.origin,
            byte_offset,
        }
    }

    /// The bytes of shared memory that a block needs.
    pub(crate) fn shared_bytes(&self, options: LayoutOptions, threads: u32) -> Result<u64> {
        let stride = self.shared.stride_bytes(options)?;
        let copies = match options.shared_per {
            SharedPer::Block => 1,
            SharedPer::Thread => u64::from(threads),
        };
        stride.checked_mul(copies).ok_or_else(|| {
            Error::value(Status::Range, "threads", threads, "the block's bytes do not fit into 64 bits")
        })
    }

    fn extent_mut(&mut self, space: Space) -> &mut Extent {
        if space == Space::Shared { &mut self.shared } else { &mut self.persistent }
    }

    /// Places a buffer at the end of the region of its space, or in a local array.
    fn append(&mut self, index: usize, spec: &BufferAttributes) -> Result<()> {
        let mut placement = self.placements[index];
        if placement.space == Space::Local {
            placement.length = spec.length(Space::Local);
            self.local = self.local.checked_add(placement.length).ok_or_else(overflow)?;
            let bytes = placement.length.checked_mul(spec.precision.bytes()).ok_or_else(overflow)?;
            self.local_bytes = self.local_bytes.checked_add(bytes).ok_or_else(overflow)?;
        } else {
            let extent = self.extent_mut(placement.space);
            placement.start = align_up(extent.units, placement.align())?;
            extent.include(&placement)?;
        }
        self.placements[index] = placement;
        Ok(())
    }
}

pub(crate) fn align_up(value: u64, align: u64) -> Result<u64> {
    value.checked_next_multiple_of(align).ok_or_else(overflow)
}

/// Computes the layout of a group. `child` returns the size of another parent's region.
pub(crate) fn arrange(group: &Group, child: impl Fn(u64, Space) -> Extent) -> Result<Arrangement> {
    let (options, entries) = (group.options, &group.entries);
    let empty = Extent { typed: options.typed, ..Extent::default() };
    let mut all = Arrangement {
        placements: try_vec(entries.len())?,
        shared: empty,
        persistent: empty,
        local: 0,
        local_bytes: 0,
        hash: OnceCell::new(),
    };
    for entry in entries {
        let rolled = entry.child.map(|key| child(key, entry.attributes.space()));
        all.placements.push(measure(&entry.attributes, rolled, options)?);
    }
    let slots = slots(group, &mut all.placements)?;

    // Rule 1: back to back, in registration order.
    for (index, entry) in entries.iter().enumerate() {
        if entry.alias.is_none() && group.planned(index) == NOT_PLANNED {
            all.append(index, &entry.attributes)?;
        }
    }
    if group.plan.is_some() {
        follow_plan(group, &mut all)?;
    }

    // Rule 2: aliases, in registration order.
    for (index, entry) in entries.iter().enumerate() {
        let Some(target) = entry.alias else { continue };
        let under = &all.placements[target as usize];
        if under.space == Space::Shared && slots[index] != NO_SLOT {
            let start = under.start + slots[index];
            let placement =
                Placement { space: Space::Shared, origin: Origin::Aliased, start, ..all.placements[index] };
            all.shared.include(&placement)?;
            all.placements[index] = placement;
            continue;
        }
        all.placements[index].origin = Origin::FellBack;
        all.append(index, &entry.attributes)?;
    }
    Ok(all)
}

/// In the list of slots: the alias has no room in its target, or must not overlap it.
const NO_SLOT: u64 = u64::MAX;

/// By index: the offset of an alias in its target, provided that the target lies in shared memory. A target adopts the
/// alignment of the aliases that have a slot, so that slots do not depend on its position.
fn slots(group: &Group, placements: &mut [Placement]) -> Result<Vec<u64>> {
    let entries = &group.entries;
    if entries.iter().all(|entry| entry.alias.is_none()) {
        return Ok(Vec::new());
    }
    const END: u32 = u32::MAX;
    // The aliases of each target, in registration order: the first one, and the next one after each.
    let (mut first, mut next) = (filled(END, entries.len())?, filled(END, entries.len())?);
    let mut slots = filled(NO_SLOT, entries.len())?;
    // From the last to the first: an alias comes after its target, so that its own slices are known already.
    for (index, entry) in entries.iter().enumerate().rev() {
        let mut consumed = 0;
        let mut alias = first[index];
        while alias != END {
            let (target, slice) = (&placements[index], &placements[alias as usize]);
            let kept_apart = group.options.protect_persistent && (target.persistent || slice.persistent);
            let start: Option<u64> = u64::checked_next_multiple_of(consumed, slice.slice_align);
            let stop = start.and_then(|start| start.checked_add(slice.extent));
            if let (Some(start), Some(stop), false) = (start, stop, kept_apart)
                && stop <= target.extent
            {
                slots[alias as usize] = start;
                consumed = stop;
                placements[index].slice_align = target.slice_align.max(slice.slice_align);
            }
            alias = next[alias as usize];
        }
        if let Some(target) = entry.alias {
            next[index] = std::mem::replace(&mut first[target as usize], index as u32);
        }
    }
    Ok(slots)
}

fn filled<T: Copy>(value: T, count: usize) -> Result<Vec<T>> {
    let mut list = try_vec(count)?;
    list.resize(count, value);
    Ok(list)
}

/// The size of a buffer, and the space in which it lies by itself.
fn measure(spec: &BufferAttributes, child: Option<Extent>, options: LayoutOptions) -> Result<Placement> {
    let (precisions, length, align) = match child {
        None => (PrecisionSet::of(spec.precision), spec.size, spec.precision.bytes()),
        // A byte count cannot be added to a count of elements.
        Some(region) if !options.typed && region.typed && region.precisions.is_mixed() => return Err(mixed()),
        Some(region) if options.typed => {
            (region.precisions, region.bytes()? / region.precisions.element_bytes(), region.align.max(1))
        }
        Some(region) => (region.precisions, region.elements(), 1),
    };
    let (extent, align) = match options.typed {
        true => (length.checked_mul(precisions.element_bytes()).ok_or_else(overflow)?, align),
        false => (length, 1),
    };
    let persistent = spec.persistent || child.is_some_and(|region| region.persistent);
    let (space, origin) = (spec.space(), Origin::Own);
    Ok(Placement {
        space,
        origin,
        precisions,
        start: 0,
        extent,
        length,
        align,
        slice_align: align,
        persistent,
    })
}

/// Places planned buffers above those that are always alive.
fn follow_plan(group: &Group, all: &mut Arrangement) -> Result<()> {
    for space in [Space::Shared, Space::Persistent] {
        let planned = |index: &usize| {
            group.planned(*index) != NOT_PLANNED && group.entries[*index].attributes.space() == space
        };
        let align = (0..group.entries.len()).filter(planned).map(|index| all.placements[index].align()).max();
        let base = align_up(all.extent(space).units, align.unwrap_or(1))?;
        for index in (0..group.entries.len()).filter(planned) {
            let mut placement = all.placements[index];
            placement.start = base.checked_add(group.planned(index)).ok_or_else(overflow)?;
            all.extent_mut(space).include(&placement)?;
            all.placements[index] = placement;
        }
    }
    Ok(())
}

struct Fnv(u64);

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// Length first, so that different lists of names are different bytes.
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }
}

/// The hash of what a kernel is compiled with: names, positions, precisions, zero-fill lengths, totals, stride, and the hashes
/// of children, whose regions the kernel accesses too. FNV-1a, so that it is the same in every process and version.
pub(crate) fn layout_hash(group: &Group, all: &Arrangement, child: impl Fn(u64) -> u64) -> u64 {
    let mut fnv = Fnv(0xcbf2_9ce4_8422_2325);
    for (index, entry) in group.entries.iter().enumerate() {
        let placement = all.allocator(index);
        fnv.text(&entry.name);
        fnv.text(placement.space.name());
        fnv.text(placement.precision.map_or("bytes", |precision| precision.name()));
        fnv.number(placement.offset);
        fnv.number(placement.length);
        fnv.number(placement.zero_fill);
        if let Some(key) = entry.child.filter(|_| !entry.attributes.persistent) {
            fnv.number(child(key));
        }
    }
    for space in [Space::Shared, Space::Persistent] {
        fnv.number(all.extent(space).elements());
    }
    fnv.number(all.local);
    fnv.text(group.options.shared_per.name());
    fnv.number(u64::from(group.options.typed));
    fnv.number(all.shared.stride_bytes(group.options).unwrap_or(u64::MAX));
    fnv.0
}
