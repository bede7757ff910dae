//! The layout rules: where each buffer of a group lies.
//!
//! All is counted in units: elements, or bytes in a typed layout.

use std::cell::OnceCell;

use super::buffer::{Precision, Spec};
use super::group::{Group, NOT_PLANNED};
use super::layout::{Allocator, Origin, Region, Space};
use super::options::{Options, SharedPer};
use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};

/// A buffer's place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) space: Space,
    pub(super) origin: Origin,
    /// One precision; none or several in a child's region.
    mix: Mix,
    /// Where it begins, and how long it is, in units.
    pub(super) start: u64,
    pub(super) extent: u64,
    /// How long it is in elements.
    pub(super) length: u64,
    /// The alignment of its elements.
    align: u64,
    /// Its alignment in shared memory, where it has slices: the widest of its own and theirs.
    slice_align: u64,
    /// Whether it is a persistent buffer, or a child's region that holds one.
    persistent: bool,
}

impl Place {
    pub(super) fn stop(&self) -> u64 {
        self.start + self.extent
    }

    pub(super) fn precision(&self) -> Option<Precision> {
        self.mix.precision()
    }

    /// All of them, of a child's region.
    pub(super) fn precisions(&self) -> impl Iterator<Item = Precision> {
        Precision::ALL.into_iter().filter(|&precision| self.mix.0 & Mix::of(precision).0 != 0)
    }

    /// What its start is a multiple of.
    pub(super) fn align(&self) -> u64 {
        if self.space == Space::Shared { self.slice_align } else { self.align }
    }

    pub(super) fn is_aligned(&self) -> bool {
        self.start.is_multiple_of(self.align())
    }
}

/// The precisions in a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mix(u8);

impl Mix {
    fn of(precision: Precision) -> Mix {
        Mix(1 << precision as u8)
    }

    fn add(&mut self, other: Mix) {
        self.0 |= other.0;
    }

    /// The only precision.
    fn precision(self) -> Option<Precision> {
        let lowest = Precision::ALL.get(self.0.trailing_zeros() as usize).copied();
        lowest.filter(|&precision| Mix::of(precision) == self)
    }

    fn is_mixed(self) -> bool {
        self.0.count_ones() > 1
    }

    /// Bytes of an element; of a mixture, an element is a byte.
    fn element_bytes(self) -> u64 {
        self.precision().map_or(1, Precision::bytes)
    }
}

/// How far a region reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    units: u64,
    /// The widest alignment in it, in bytes; 0 if it is empty.
    align: u64,
    mix: Mix,
    typed: bool,
    /// Whether a persistent buffer lies in it, its own or a child's.
    persistent: bool,
}

#[cold]
pub(super) fn overflow() -> Error {
    Error::text(
        Status::Range,
        "the sizes of the parent's buffers, and of its children's, add up beyond 64 bits",
    )
}

#[cold]
pub(super) fn mixed() -> Error {
    Error::text(
        Status::State,
        "the region mixes precisions, so that it has no bytes: set the option `typed` for a typed layout",
    )
}

impl Extent {
    pub(super) fn is_typed(self) -> bool {
        self.typed
    }

    pub(super) fn elements(self) -> u64 {
        self.units / self.unit_of_element()
    }

    /// Units of an element of the region.
    pub(super) fn unit_of_element(self) -> u64 {
        if self.typed { self.mix.element_bytes() } else { 1 }
    }

    pub(super) fn bytes(self) -> Result<u64> {
        match self.typed {
            true => Ok(self.units),
            false if self.mix.is_mixed() => Err(mixed()),
            false => self.units.checked_mul(self.mix.element_bytes()).ok_or_else(overflow),
        }
    }

    pub(super) fn region(self) -> Region {
        Region {
            elements: self.elements(),
            bytes: self.bytes().ok(),
            precision: self.mix.precision(),
            align_bytes: self.align.max(1),
        }
    }

    /// Bytes of a shared region, or from one thread's to the next one's.
    pub(super) fn stride_bytes(self, options: Options) -> Result<u64> {
        let bytes = self.bytes()?;
        if options.shared_per == SharedPer::Block || bytes == 0 {
            return Ok(bytes);
        }
        let stride = align_up(bytes, self.align)?;
        let skewed = options.typed && options.bank_skew && self.align == 4 && stride % 8 == 0;
        stride.checked_add(if skewed { 4 } else { 0 }).ok_or_else(overflow)
    }

    /// Takes in what ends at `start + extent`.
    fn hold(&mut self, place: &Place) -> Result<()> {
        self.units = self.units.max(place.start.checked_add(place.extent).ok_or_else(overflow)?);
        self.mix.add(place.mix);
        self.persistent |= place.persistent;
        self.align =
            self.align.max(place.align()).max(if self.typed { 1 } else { place.mix.element_bytes() });
        Ok(())
    }
}

/// Where everything in a group lies.
#[derive(Debug)]
pub(super) struct Arrangement {
    /// In registration order.
    pub(super) places: Vec<Place>,
    pub(super) shared: Extent,
    pub(super) persistent: Extent,
    /// Elements of all local arrays, and their bytes.
    pub(super) local: u64,
    pub(super) local_bytes: u64,
    /// Empty until it is asked for.
    pub(super) hash: OnceCell<u64>,
}

impl Arrangement {
    pub(super) fn extent(&self, space: Space) -> Extent {
        match space {
            Space::Shared => self.shared,
            Space::Persistent => self.persistent,
            Space::Local => Extent::default(),
        }
    }

    /// How a kernel gets a buffer.
    pub(super) fn allocator(&self, index: usize) -> Allocator {
        let place = &self.places[index];
        let typed = self.shared.is_typed();
        let precision = place.precision();
        let element = precision.map_or(1, Precision::bytes);
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
            precision,
            zero_fill: if local { place.extent / if typed { element } else { 1 } } else { place.length },
            origin: place.origin,
            byte_offset,
        }
    }

    /// Bytes of shared memory that a block takes.
    pub(super) fn shared_bytes(&self, options: Options, threads: u32) -> Result<u64> {
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

    /// Puts a place at the end of the region of its space, or into an array of its own.
    fn append(&mut self, index: usize, spec: &Spec) -> Result<()> {
        let mut place = self.places[index];
        if place.space == Space::Local {
            place.length = spec.length(Space::Local);
            self.local = self.local.checked_add(place.length).ok_or_else(overflow)?;
            let bytes = place.length.checked_mul(spec.precision.bytes()).ok_or_else(overflow)?;
            self.local_bytes = self.local_bytes.checked_add(bytes).ok_or_else(overflow)?;
        } else {
            let extent = self.extent_mut(place.space);
            place.start = align_up(extent.units, place.align())?;
            extent.hold(&place)?;
        }
        self.places[index] = place;
        Ok(())
    }
}

pub(super) fn align_up(value: u64, align: u64) -> Result<u64> {
    value.checked_next_multiple_of(align).ok_or_else(overflow)
}

/// Lays a group out. `child` tells how far a region of another parent reaches.
pub(super) fn arrange(group: &Group, child: impl Fn(u64, Space) -> Extent) -> Result<Arrangement> {
    let (options, entries) = (group.options, &group.entries);
    let empty = Extent { typed: options.typed, ..Extent::default() };
    let mut all = Arrangement {
        places: try_vec(entries.len())?,
        shared: empty,
        persistent: empty,
        local: 0,
        local_bytes: 0,
        hash: OnceCell::new(),
    };
    for entry in entries {
        let rolled = entry.child.map(|key| child(key, entry.spec.space()));
        all.places.push(measure(&entry.spec, rolled, options)?);
    }
    let slots = slots(group, &mut all.places)?;

    // Rule 1: back to back, in registration order.
    for (index, entry) in entries.iter().enumerate() {
        if entry.alias.is_none() && group.planned(index) == NOT_PLANNED {
            all.append(index, &entry.spec)?;
        }
    }
    if group.plan.is_some() {
        follow_plan(group, &mut all)?;
    }

    // Rule 2: aliases, in registration order.
    for (index, entry) in entries.iter().enumerate() {
        let Some(target) = entry.alias else { continue };
        let under = &all.places[target as usize];
        if under.space == Space::Shared && slots[index] != NO_SLOT {
            let start = under.start + slots[index];
            let place = Place { space: Space::Shared, origin: Origin::Aliased, start, ..all.places[index] };
            all.shared.hold(&place)?;
            all.places[index] = place;
            continue;
        }
        all.places[index].origin = Origin::FellBack;
        all.append(index, &entry.spec)?;
    }
    Ok(all)
}

/// In the list of slots: the alias has no room in its target, or is kept apart from it.
const NO_SLOT: u64 = u64::MAX;

/// By index: where an alias lies in its target, from the target's start, if the target lies in shared memory. A target takes
/// over the alignment of the aliases that have a slot, so that slots do not depend on where it lies.
fn slots(group: &Group, places: &mut [Place]) -> Result<Vec<u64>> {
    let entries = &group.entries;
    if entries.iter().all(|entry| entry.alias.is_none()) {
        return Ok(Vec::new());
    }
    const END: u32 = u32::MAX;
    // The aliases of each target, in registration order: the first one, and the next one after each.
    let (mut first, mut next) = (filled(END, entries.len())?, filled(END, entries.len())?);
    let mut slots = filled(NO_SLOT, entries.len())?;
    // From the last to the first: an alias comes after its target, so that its own slices are known by then.
    for (index, entry) in entries.iter().enumerate().rev() {
        let mut consumed = 0;
        let mut alias = first[index];
        while alias != END {
            let (target, slice) = (&places[index], &places[alias as usize]);
            let kept_apart = group.options.protect_persistent && (target.persistent || slice.persistent);
            let start: Option<u64> = u64::checked_next_multiple_of(consumed, slice.slice_align);
            let stop = start.and_then(|start| start.checked_add(slice.extent));
            if let (Some(start), Some(stop), false) = (start, stop, kept_apart)
                && stop <= target.extent
            {
                slots[alias as usize] = start;
                consumed = stop;
                places[index].slice_align = target.slice_align.max(slice.slice_align);
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

/// How large a buffer is, and where it would lie by itself.
fn measure(spec: &Spec, child: Option<Extent>, options: Options) -> Result<Place> {
    let (mix, length, align) = match child {
        None => (Mix::of(spec.precision), spec.size, spec.precision.bytes()),
        // Bytes among elements: nobody could tell where they end.
        Some(region) if !options.typed && region.typed && region.mix.is_mixed() => return Err(mixed()),
        Some(region) if options.typed => {
            (region.mix, region.bytes()? / region.mix.element_bytes(), region.align.max(1))
        }
        Some(region) => (region.mix, region.elements(), 1),
    };
    let (extent, align) = match options.typed {
        true => (length.checked_mul(mix.element_bytes()).ok_or_else(overflow)?, align),
        false => (length, 1),
    };
    let persistent = spec.persistent || child.is_some_and(|region| region.persistent);
    let (space, origin) = (spec.space(), Origin::Own);
    Ok(Place { space, origin, mix, start: 0, extent, length, align, slice_align: align, persistent })
}

/// Puts planned buffers where the plan says, above those that are always alive.
fn follow_plan(group: &Group, all: &mut Arrangement) -> Result<()> {
    for space in [Space::Shared, Space::Persistent] {
        let planned = |index: &usize| {
            group.planned(*index) != NOT_PLANNED && group.entries[*index].spec.space() == space
        };
        let align = (0..group.entries.len()).filter(planned).map(|index| all.places[index].align()).max();
        let base = align_up(all.extent(space).units, align.unwrap_or(1))?;
        for index in (0..group.entries.len()).filter(planned) {
            let mut place = all.places[index];
            place.start = base.checked_add(group.planned(index)).ok_or_else(overflow)?;
            all.extent_mut(space).hold(&place)?;
            all.places[index] = place;
        }
    }
    Ok(())
}
