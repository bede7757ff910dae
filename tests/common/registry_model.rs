//! A model of the registry: the layout rules as they are written, at whatever cost.

use std::collections::{BTreeMap, BTreeSet};

use backbuf::Status;
use backbuf::registry::{CUDABuffer, LayoutOptions, Origin, Precision, Space, Updated};

use crate::registry_ops::Op;

#[derive(Clone, Debug)]
struct Entry {
    buffer: CUDABuffer,
    /// The parent whose region it stands for.
    child: Option<u64>,
}

impl Entry {
    fn name(&self) -> &str {
        &self.buffer.name
    }
}

#[derive(Clone, Debug, Default)]
pub struct Group {
    options: LayoutOptions,
    entries: Vec<Entry>,
}

/// Groups by parent, and the options with which one begins.
#[derive(Debug)]
pub struct Model(pub BTreeMap<u64, Group>, pub LayoutOptions);

/// Name, space, start, length, origin.
pub type Row = (String, Space, u64, u64, Origin);

/// One region of the model, in units: elements, or bytes in a typed layout.
#[derive(Clone, Debug, Default)]
struct Area {
    units: u128,
    align: u64,
    precisions: BTreeSet<&'static str>,
    persistent: bool,
}

fn bytes_of(precisions: &BTreeSet<&'static str>) -> u128 {
    match precisions.len() {
        1 => precisions.iter().map(|name| Precision::from_name(name).unwrap().bytes()).sum::<u64>().into(),
        _ => 1,
    }
}

/// A buffer of the model: what it needs, and then where it lies.
#[derive(Clone, Debug)]
struct Spot {
    area: Area,
    space: Space,
    start: u128,
    origin: Origin,
}

fn up(value: u128, align: u64) -> u128 {
    value.next_multiple_of(align.into())
}

impl Model {
    fn vet(entries: &[Entry], index: usize, buffer: &CUDABuffer) -> Result<(), Status> {
        if let Some(target) = &buffer.aliases {
            match entries.iter().position(|entry| entry.name() == target) {
                _ if *target == buffer.name => return Err(Status::AliasSelf),
                None => return Err(Status::AliasMissing),
                Some(found) if found >= index => return Err(Status::AliasOrder),
                Some(_) => {}
            }
        }
        let others =
            entries.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, entry)| &entry.buffer);
        let weight: u128 = others
            .chain([buffer])
            .map(|b| u128::from(b.size.max(1)) * u128::from(b.precision.bytes()) + 8)
            .sum();
        let backwards = buffer.lifetime.is_some_and(|lifetime| lifetime.end <= lifetime.begin);
        if buffer.size > i64::MAX as u64 || weight > u128::from(u64::MAX) || backwards {
            return Err(Status::Range);
        }
        Ok(())
    }

    fn group(&self, parent: u64) -> Group {
        let new = || Group { options: self.1, entries: Vec::new() };
        self.0.get(&parent).cloned().unwrap_or_else(new)
    }

    fn holds(&self, host: u64, wanted: u64) -> bool {
        let children = self.0.get(&host).into_iter().flat_map(|group| &group.entries).filter_map(|e| e.child);
        host == wanted || children.into_iter().any(|child| self.holds(child, wanted))
    }

    fn change(&mut self, parent: u64, index: usize, buffer: CUDABuffer) -> Result<bool, Status> {
        let entries = &mut self.0.get_mut(&parent).unwrap().entries;
        if entries[index].child.is_some() {
            return Err(Status::State);
        }
        Model::vet(entries, index, &buffer)?;
        let changed = entries[index].buffer != buffer;
        entries[index].buffer = buffer;
        Ok(changed)
    }

    pub fn run(&mut self, op: &Op) -> Result<Option<Updated>, Status> {
        let find = |model: &Model, parent: u64, name: &str| {
            let entries = &model.0.get(&parent)?.entries;
            Some(entries.iter().position(|entry| entry.name() == name))
        };
        match op {
            Op::Register(parent, buffer) => {
                let mut group = self.group(*parent);
                let entries = &mut group.entries;
                if buffer.name.is_empty() {
                    return Err(Status::Argument);
                }
                if buffer.aliases.as_ref() == Some(&buffer.name) {
                    return Err(Status::AliasSelf);
                }
                if entries.iter().any(|entry| entry.name() == buffer.name) {
                    return Err(Status::Exists);
                }
                Model::vet(entries, entries.len(), buffer)?;
                entries.push(Entry { buffer: buffer.clone(), child: None });
                self.0.insert(*parent, group);
            }
            Op::Replace(parent, buffer) => {
                if buffer.name.is_empty() {
                    return Err(Status::Argument);
                }
                let index = find(self, *parent, &buffer.name).ok_or(Status::NoParent)?;
                self.change(*parent, index.ok_or(Status::NoName)?, buffer.clone())?;
            }
            Op::CUDABufferUpdate(parent, name, update) => {
                let Some(index) = find(self, *parent, name).flatten() else {
                    return Ok(Some(Updated { recognized: false, changed: false }));
                };
                let mut buffer = self.0[parent].entries[index].buffer.clone();
                buffer.size = update.size.unwrap_or(buffer.size);
                buffer.location = update.location.unwrap_or(buffer.location);
                buffer.persistent = update.persistent.unwrap_or(buffer.persistent);
                buffer.aliases = update.aliases.clone().unwrap_or(buffer.aliases);
                buffer.precision = update.precision.unwrap_or(buffer.precision);
                buffer.lifetime = update.lifetime.unwrap_or(buffer.lifetime);
                let changed = self.change(*parent, index, buffer)?;
                return Ok(Some(Updated { recognized: true, changed }));
            }
            Op::Child(parent, name, child, aliases) => {
                if name.is_empty() {
                    return Err(Status::Argument);
                }
                if self.holds(*child, *parent) {
                    return Err(Status::State);
                }
                let mut group = self.group(*parent);
                let shared = CUDABuffer {
                    aliases: aliases.clone(),
                    ..CUDABuffer::shared(format!("{name}.shared"), 0)
                };
                if shared.aliases.as_ref() == Some(&shared.name) {
                    return Err(Status::AliasSelf);
                }
                let persistent = CUDABuffer::persistent(format!("{name}.persistent"), 0);
                if group.entries.iter().any(|e| e.name() == shared.name || e.name() == persistent.name) {
                    return Err(Status::Exists);
                }
                for buffer in [shared, persistent] {
                    Model::vet(&group.entries, group.entries.len(), &buffer)?;
                    group.entries.push(Entry { buffer, child: Some(*child) });
                }
                self.0.insert(*parent, group);
            }
            Op::ClearParent(parent) => drop(self.0.remove(parent)),
            Op::LayoutOptions(parent, options) => {
                self.0.get_mut(parent).ok_or(Status::NoParent)?.options = *options;
            }
            Op::ClearLayout(_) | Op::Query(..) => {}
        }
        Ok(None)
    }

    /// What each buffer needs by itself. None: elements of a typed child that mixes precisions have no size here, or the
    /// other way round.
    fn spot(&self, entry: &Entry, typed: bool) -> Option<Spot> {
        let space = entry.buffer.space();
        let mut area = Area {
            units: entry.buffer.size.into(),
            align: entry.buffer.precision.bytes(),
            precisions: BTreeSet::from([entry.buffer.precision.name()]),
            persistent: entry.buffer.persistent,
        };
        if typed {
            area.units *= u128::from(area.align);
        }
        if let Some(child) = entry.child {
            let default = Group::default();
            let group = self.0.get(&child).unwrap_or(&default);
            let (_, regions) = self.layout(child)?;
            area = regions[usize::from(space == Space::Persistent)].clone();
            let element = bytes_of(&area.precisions);
            match (group.options.typed, typed) {
                _ if group.options.typed != typed && area.precisions.len() > 1 => return None,
                (true, false) => area.units /= element,
                (false, true) => area.units *= element,
                _ => {}
            }
            area.persistent |= space == Space::Persistent;
        }
        area.align = if typed { area.align.max(1) } else { 1 };
        Some(Spot { area, space, start: 0, origin: Origin::Own })
    }

    /// The rules: spots in registration order, and the shared and the persistent region.
    fn layout(&self, parent: u64) -> Option<(Vec<Spot>, [Area; 2])> {
        let default = Group::default();
        let Group { options, entries } = self.0.get(&parent).unwrap_or(&default);
        let mut spots: Vec<Spot> =
            entries.iter().map(|entry| self.spot(entry, options.typed)).collect::<Option<_>>()?;
        let find = |name: &String| entries.iter().position(|entry| entry.name() == name).unwrap();
        let targets: Vec<Option<usize>> =
            entries.iter().map(|e| e.buffer.aliases.as_ref().map(find)).collect();
        // Where an alias would lie in its target, and the alignment of both then: the last ones first, as each comes after
        // its target.
        let own: Vec<u64> = spots.iter().map(|spot| spot.area.align).collect();
        let mut inside = vec![None; entries.len()];
        for target in (0..entries.len()).rev() {
            let mut consumed = 0;
            for alias in (0..entries.len()).filter(|&alias| targets[alias] == Some(target)) {
                let apart = options.protect_persistent
                    && (spots[alias].area.persistent || spots[target].area.persistent);
                let start = up(consumed, spots[alias].area.align);
                if !apart && start + spots[alias].area.units <= spots[target].area.units {
                    inside[alias] = Some(start);
                    consumed = start + spots[alias].area.units;
                    spots[target].area.align = spots[target].area.align.max(spots[alias].area.align);
                }
            }
        }
        let mut regions = [Area::default(), Area::default()];
        let order = (0..entries.len()).filter(|&k| targets[k].is_none());
        for index in order.chain((0..entries.len()).filter(|&k| targets[k].is_some())) {
            let mut spot = spots[index].clone();
            if let Some(target) = targets[index] {
                match inside[index].filter(|_| spots[target].space == Space::Shared) {
                    Some(start) => {
                        (spot.space, spot.origin) = (Space::Shared, Origin::Aliased);
                        spot.start = spots[target].start + start;
                    }
                    None => spot.origin = Origin::FellBack,
                }
            }
            if spot.space != Space::Shared {
                spot.area.align = own[index];
            }
            if spot.space != Space::Local {
                let region = &mut regions[usize::from(spot.space == Space::Persistent)];
                if spot.origin != Origin::Aliased {
                    spot.start = up(region.units, spot.area.align);
                }
                region.units = region.units.max(spot.start + spot.area.units);
                let untyped = if options.typed { 1 } else { bytes_of(&spot.area.precisions) as u64 };
                region.align = region.align.max(spot.area.align).max(untyped);
                region.precisions.extend(&spot.area.precisions);
                region.persistent |= spot.area.persistent;
            }
            spots[index] = spot;
        }
        Some((spots, regions))
    }

    /// The same as a registry says it: rows in registration order, and the elements of both regions.
    pub fn rows(&self, parent: u64) -> Option<(Vec<Row>, [u128; 2])> {
        let Group { options, entries } = self.0.get(&parent)?;
        let (spots, regions) = self.layout(parent)?;
        let unit = |area: &Area| if options.typed { bytes_of(&area.precisions) } else { 1 };
        let rows = spots.iter().zip(entries).map(|(spot, entry)| {
            let length = spot.area.units / unit(&spot.area);
            let length = if spot.space == Space::Local { length.max(1) } else { length } as u64;
            let start = if spot.space == Space::Local { 0 } else { spot.start / unit(&spot.area) };
            (entry.name().to_owned(), spot.space, start as u64, length, spot.origin)
        });
        Some((rows.collect(), regions.each_ref().map(|region| region.units / unit(region))))
    }
}
