//! Random registrations against a simple model of the layout rules, and invariants of every layout.

use std::collections::{BTreeMap, BTreeSet};

use backbuf::Status;
use backbuf::planner::PlanOptions;
use backbuf::registry::{
    BufferRegistry, CUDABuffer, CUDABufferUpdate, Layout, LayoutOptions, Lifetime, Location, Origin, Placed,
    Precision, SharedPer, Space, Updated, diff,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// As many as fit a short test; BACKBUF_SOAK asks for more.
fn cases() -> u32 {
    if std::env::var_os("BACKBUF_SOAK").is_some() { 20_000 } else { 500 }
}

const PARENTS: std::ops::Range<u64> = 0..3;

#[derive(Clone, Debug)]
enum Op {
    Register(u64, CUDABuffer),
    Replace(u64, CUDABuffer),
    CUDABufferUpdate(u64, String, CUDABufferUpdate),
    Child(u64, String, u64, Option<String>),
    ClearLayout(u64),
    ClearParent(u64),
    LayoutOptions(u64, LayoutOptions),
    /// Asks some of the queries, which must change nothing.
    Query(u64, u8),
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![9 => (0..6u8).prop_map(|n| format!("b{n}")), 1 => Just(String::new())]
}

/// A buffer, or a child's region.
fn target() -> impl Strategy<Value = String> {
    prop_oneof![3 => name(), 1 => (0..6u8).prop_map(|n| format!("b{n}.shared"))]
}

fn size() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..20u64, 1 => Just(u64::MAX / 16), 1 => Just(u64::MAX)]
}

fn lifetime() -> impl Strategy<Value = Option<Lifetime>> {
    prop::option::of((0..6u64, 0..8u64).prop_map(|(begin, end)| Lifetime { begin, end }))
}

fn buffer() -> impl Strategy<Value = CUDABuffer> {
    let precision = prop::sample::select(&Precision::ALL[..]);
    (name(), size(), any::<bool>(), any::<bool>(), prop::option::of(target()), precision, lifetime())
        .prop_map(|(name, size, shared, persistent, aliases, precision, lifetime)| CUDABuffer {
            name,
            size,
            location: if shared { Location::Shared } else { Location::Local },
            persistent,
            aliases,
            precision,
            lifetime,
        })
}

fn options() -> impl Strategy<Value = LayoutOptions> {
    any::<[bool; 4]>().prop_map(|[typed, bank_skew, protect_persistent, thread]| LayoutOptions {
        typed,
        bank_skew,
        protect_persistent,
        shared_per: if thread { SharedPer::Thread } else { SharedPer::Block },
    })
}

fn op() -> impl Strategy<Value = Op> {
    let update = (buffer(), any::<[bool; 6]>()).prop_map(|(b, given)| {
        let update = CUDABufferUpdate {
            size: given[0].then_some(b.size),
            location: given[1].then_some(b.location),
            persistent: given[2].then_some(b.persistent),
            aliases: given[3].then_some(b.aliases),
            precision: given[4].then_some(b.precision),
            lifetime: given[5].then_some(b.lifetime),
        };
        (b.name, update)
    });
    prop_oneof![
        8 => (PARENTS, buffer()).prop_map(|(parent, buffer)| Op::Register(parent, buffer)),
        1 => (PARENTS, buffer()).prop_map(|(parent, buffer)| Op::Replace(parent, buffer)),
        3 => (PARENTS, update).prop_map(|(parent, (name, update))| Op::CUDABufferUpdate(parent, name, update)),
        2 => (PARENTS, name(), PARENTS, prop::option::of(target()))
            .prop_map(|(parent, name, child, aliases)| Op::Child(parent, name, child, aliases)),
        1 => PARENTS.prop_map(Op::ClearLayout),
        1 => PARENTS.prop_map(Op::ClearParent),
        1 => (PARENTS, options()).prop_map(|(parent, options)| Op::LayoutOptions(parent, options)),
        3 => (PARENTS, any::<u8>()).prop_map(|(parent, which)| Op::Query(parent, which)),
    ]
}

/// Everything that can be seen of a registry without asking for layouts one by one.
fn seen(registry: &BufferRegistry) -> Vec<(u64, u64, String)> {
    let parents = registry.parents().unwrap().into_iter();
    parents.map(|parent| (parent, registry.version(parent), registry.json(parent).unwrap())).collect()
}

/// What an op came to: nothing, an update's answer, or a refusal.
fn run(registry: &BufferRegistry, op: &Op) -> Result<Option<Updated>, Status> {
    match op {
        Op::Register(parent, buffer) => registry.register(*parent, buffer).map(|()| None),
        Op::Replace(parent, buffer) => registry.replace(*parent, buffer).map(|()| None),
        Op::CUDABufferUpdate(parent, name, update) => registry.update_buffer(*parent, name, update).map(Some),
        Op::Child(parent, name, child, aliases) => {
            registry.register_child(*parent, name, *child, aliases.as_deref()).map(|()| None)
        }
        Op::ClearLayout(parent) => registry.clear_layout(*parent).map(|()| None),
        Op::ClearParent(parent) => registry.clear_parent(*parent).map(|()| None),
        Op::LayoutOptions(parent, options) => registry.set_options(*parent, *options).map(|()| None),
        Op::Query(parent, which) => {
            let name = format!("b{}", which % 6);
            match which / 6 % 7 {
                0 => drop(registry.totals(*parent)),
                1 => drop(registry.get_allocator(*parent, &name)),
                2 => drop(registry.layout(*parent)),
                3 => drop(registry.overlaps(*parent)),
                4 => drop(registry.json(*parent)),
                5 => drop(registry.shared_bytes(*parent, 32)),
                _ => drop(registry.layout_hash(*parent)),
            }
            Ok(None)
        }
    }
    .map_err(|error| error.status())
}

// --- the model: the rules as they are written, at whatever cost ---

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
struct Group {
    options: LayoutOptions,
    entries: Vec<Entry>,
}

/// Groups by parent, and the options with which one begins.
#[derive(Debug)]
struct Model(BTreeMap<u64, Group>, LayoutOptions);

/// Name, space, start, length, origin.
type Row = (String, Space, u64, u64, Origin);

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

    fn run(&mut self, op: &Op) -> Result<Option<Updated>, Status> {
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
    fn rows(&self, parent: u64) -> Option<(Vec<Row>, [u128; 2])> {
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

fn row(placed: &Placed) -> Row {
    let place = placed.allocator;
    (placed.buffer.name.clone(), place.space, place.offset, place.length, place.origin)
}

/// Whether one is a slice of the other, at whatever depth.
fn related(layout: &Layout, a: &Placed, b: &Placed) -> bool {
    let mut at = a;
    while at.allocator.origin == Origin::Aliased {
        at = layout.get(at.buffer.aliases.as_deref().unwrap()).unwrap();
        if at.buffer.name == b.buffer.name {
            return true;
        }
    }
    false
}

/// When the memory of each buffer is in use: by itself, or by what is a slice of it.
fn spans(layout: &Layout) -> BTreeMap<&str, Lifetime> {
    let own = |placed: &Placed| placed.buffer.lifetime.unwrap_or(Lifetime::ALWAYS);
    let mut spans: BTreeMap<_, _> =
        layout.buffers.iter().map(|placed| (placed.buffer.name.as_str(), own(placed))).collect();
    for placed in layout.buffers.iter().rev().filter(|placed| placed.allocator.origin == Origin::Aliased) {
        let slice = spans[placed.buffer.name.as_str()];
        let span = spans.get_mut(placed.buffer.aliases.as_deref().unwrap()).unwrap();
        *span = Lifetime { begin: span.begin.min(slice.begin), end: span.end.max(slice.end) };
    }
    spans
}

/// What holds of every layout.
fn sound(layout: &Layout) {
    let spans = spans(layout);
    for (space, region) in [(Space::Shared, layout.shared), (Space::Persistent, layout.persistent)] {
        // Bytes where they are known, elements otherwise.
        let range = |placed: &Placed| {
            let place = placed.allocator;
            match place.byte_offset {
                Some(bytes) => bytes..bytes + place.length * place.element_bytes(),
                None => place.offset..place.offset + place.length,
            }
        };
        let all: Vec<&Placed> = layout.of(space).collect();
        let largest = all.iter().map(|placed| range(placed).end).max().unwrap_or(0);
        assert_eq!(largest, region.bytes.unwrap_or(region.elements), "the total is the largest stop");
        for (at, one) in all.iter().enumerate() {
            if layout.options.typed {
                let place = one.allocator;
                assert_eq!(place.byte_offset.unwrap() % place.element_bytes(), 0, "aligned by precision");
            }
            for other in &all[at + 1..] {
                let (a, b) = (range(one), range(other));
                let turns = layout.planned
                    && !spans[one.buffer.name.as_str()].meets(spans[other.buffer.name.as_str()]);
                let overlap = a.start.max(b.start) < a.end.min(b.end) && !turns;
                assert!(!overlap || related(layout, one, other) || related(layout, other, one));
            }
        }
    }
    let local: u64 = layout.of(Space::Local).map(|placed| placed.allocator.length).sum();
    assert_eq!(local, layout.local);
    if layout.options.protect_persistent {
        for placed in layout.buffers.iter().filter(|placed| placed.allocator.origin == Origin::Aliased) {
            let target = layout.get(placed.buffer.aliases.as_deref().unwrap()).unwrap();
            assert!(!placed.buffer.persistent && !target.buffer.persistent);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_registry_does_what_the_rules_say_and_a_refused_call_changes_nothing(
        ops in vec(op(), 1..40),
        defaults in options(),
    ) {
        let registry = BufferRegistry::with_options("", defaults);
        let mut model = Model(BTreeMap::new(), defaults);
        for op in &ops {
            let before = seen(&registry);
            let (got, wanted) = (run(&registry, op), model.run(op));
            prop_assert_eq!(got, wanted, "{:?}", op);
            if got.is_err() || got == Ok(Some(Updated { recognized: true, changed: false })) {
                prop_assert_eq!(seen(&registry), before, "{:?}", op);
            }
        }
        prop_assert_eq!(registry.parents().unwrap(), model.0.keys().copied().collect::<Vec<_>>());
        for parent in PARENTS {
            let layout = match registry.layout(parent) {
                Ok(layout) => layout,
                Err(error) => {
                    let sized = model.rows(parent).is_some();
                    prop_assert!(!model.0.contains_key(&parent) || !sized || error.status() == Status::Range);
                    continue;
                }
            };
            sound(&layout);
            // The picture marks the reported overlaps of spaces with lifetimes.
            let timed = |space| layout.of(space).any(|placed| placed.buffer.lifetime.is_some());
            let reported = registry.overlaps(parent).unwrap().iter().filter(|overlap| timed(overlap.space)).count();
            let marked = layout.svg().unwrap().matches("<rect class=\"clash\"").count();
            prop_assert_eq!(marked, if reported > 0 { reported + 1 } else { 0 }, "one of them is the legend's");
            let (rows, ends) = model.rows(parent).expect("a region that has a size");
            prop_assert_eq!(layout.buffers.iter().map(row).collect::<Vec<_>>(), rows);
            prop_assert_eq!([layout.shared.elements, layout.persistent.elements].map(u128::from), ends);
        }
    }

    #[test]
    fn a_plan_keeps_apart_what_is_alive_together_and_goes_with_the_next_change(ops in vec(op(), 1..40)) {
        let registry = BufferRegistry::new();
        for op in &ops {
            let _ = run(&registry, op);
        }
        for parent in PARENTS {
            let Ok(before) = registry.layout(parent) else { continue };
            let plans = registry.plan(parent, &PlanOptions { nodes: 1000, ..PlanOptions::default() }).unwrap();
            let layout = registry.layout(parent).unwrap();
            sound(&layout);
            prop_assert_eq!(layout.planned, plans.shared.buffers + plans.persistent.buffers > 0);
            for (planned, region, was) in
                [(plans.shared, layout.shared, before.shared), (plans.persistent, layout.persistent, before.persistent)]
            {
                prop_assert!(planned.lower_bound <= planned.height && planned.height <= region.elements);
                prop_assert!(planned.height <= planned.heuristic_height);
                prop_assert!(planned.buffers > 0 || before.planned || region == was);
            }
            let stored = registry.json(parent).unwrap();
            let loaded = BufferRegistry::new();
            loaded.load_json(7, &stored).unwrap();
            prop_assert_eq!(loaded.json(7).unwrap(), stored);
            registry.register(parent, &CUDABuffer::local("another", 1)).unwrap();
            prop_assert!(!registry.layout(parent).unwrap().planned);
        }
    }

    #[test]
    fn neither_queries_nor_their_order_make_a_difference(ops in vec(op(), 1..40)) {
        let (asked, silent) = (BufferRegistry::new(), BufferRegistry::new());
        for op in &ops {
            let _ = run(&asked, op);
            if !matches!(op, Op::Query(..)) {
                let _ = run(&silent, op);
            }
        }
        prop_assert_eq!(seen(&asked), seen(&silent));
    }

    #[test]
    fn what_is_stored_is_loaded_as_it_was(ops in vec(op(), 1..40)) {
        let registry = BufferRegistry::new();
        for op in &ops {
            let _ = run(&registry, op);
        }
        for parent in registry.parents().unwrap() {
            let stored = registry.json(parent).unwrap();
            serde_json::from_str::<serde_json::Value>(&stored).unwrap();
            let loaded = BufferRegistry::new();
            loaded.load_json(7, &stored).unwrap();
            prop_assert_eq!(loaded.json(7).unwrap(), stored);
        }
    }
}

/// Name, space and byte offset of each buffer.
fn places(registry: &BufferRegistry, parent: u64) -> Vec<(String, Space, Option<u64>)> {
    let buffers = registry.layout(parent).unwrap().buffers.into_iter();
    buffers.map(|placed| (placed.buffer.name, placed.allocator.space, placed.allocator.byte_offset)).collect()
}

#[test]
fn a_persistent_buffer_is_protected_at_any_depth() {
    for protect_persistent in [false, true] {
        let registry = BufferRegistry::with_options(
            "",
            LayoutOptions { protect_persistent, ..LayoutOptions::default() },
        );
        registry.register(3, &CUDABuffer { persistent: true, ..CUDABuffer::shared("state", 4) }).unwrap();
        registry.register_child(2, "k", 3, None).unwrap();
        registry.register_child(1, "loop", 2, None).unwrap();
        registry.register(1, &CUDABuffer::local("tmp", 4).aliasing("loop.shared")).unwrap();
        // And the other way round: the child is the alias.
        registry.register(1, &CUDABuffer::shared("scratch", 9)).unwrap();
        registry.register_child(1, "again", 2, Some("scratch")).unwrap();
        let space = |name| registry.get_allocator(1, name).unwrap().space;
        let origin = |name| registry.get_allocator(1, name).unwrap().origin;
        let expected = if protect_persistent { Origin::FellBack } else { Origin::Aliased };
        assert_eq!((origin("tmp"), origin("again.shared")), (expected, expected));
        assert_eq!(space("tmp") == Space::Local, protect_persistent);
        // Live: without the persistent buffer there is nothing to protect.
        let update = CUDABufferUpdate { persistent: Some(false), ..CUDABufferUpdate::default() };
        registry.update_buffer(3, "state", &update).unwrap();
        assert_eq!((origin("tmp"), origin("again.shared")), (Origin::Aliased, Origin::Aliased));
    }
}

#[test]
fn a_target_takes_over_the_alignment_of_its_slices_only() {
    let typed =
        |protect_persistent| LayoutOptions { typed: true, protect_persistent, ..LayoutOptions::default() };
    let laid_out = |options, alias: CUDABuffer| {
        let registry = BufferRegistry::with_options("", options);
        registry.register(1, &CUDABuffer::shared("a", 1).of(Precision::F16)).unwrap();
        registry.register(1, &CUDABuffer::shared("b", 5)).unwrap();
        registry.register(1, &alias).unwrap();
        (registry.get_allocator(1, "b").unwrap().byte_offset, registry.layout(1).unwrap().shared.bytes)
    };
    let wide = CUDABuffer::local("x", 1).of(Precision::I64).aliasing("b");
    assert_eq!(laid_out(typed(false), wide.clone()), (Some(8), Some(28)), "a slice");
    assert_eq!(
        laid_out(typed(false), CUDABuffer { size: 3, ..wide.clone() }),
        (Some(4), Some(24)),
        "no room"
    );
    assert_eq!(
        laid_out(typed(true), CUDABuffer { persistent: true, ..wide }),
        (Some(4), Some(24)),
        "kept apart"
    );

    // An alias that falls back to a local array, or to the persistent region, has no slices in shared memory.
    let registry = BufferRegistry::with_options("", typed(false));
    registry.register(1, &CUDABuffer::shared("a", 0)).unwrap();
    registry.register(1, &CUDABuffer::persistent("odd", 1)).unwrap();
    registry.register(1, &CUDABuffer::persistent("b", 4).aliasing("a")).unwrap();
    registry.register(1, &CUDABuffer::local("x", 1).of(Precision::F64).aliasing("b")).unwrap();
    let b = ("b".to_owned(), Space::Persistent, Some(4));
    assert_eq!(places(&registry, 1)[2], b, "aligned as its own elements are");
}

#[test]
fn a_change_within_a_child_is_one_of_its_host() {
    let registry = BufferRegistry::new();
    registry.register(3, &CUDABuffer::shared("x", 2)).unwrap();
    registry.register(3, &CUDABuffer::shared("y", 3)).unwrap();
    registry.register_child(2, "inner", 3, None).unwrap();
    registry.register_child(1, "outer", 2, None).unwrap();
    let (before, hash) = (registry.layout(1).unwrap(), registry.layout_hash(1).unwrap());
    let stored = registry.json(1).unwrap();
    // The regions are as large as they were, what is in them lies elsewhere.
    for (name, size) in [("x", 3), ("y", 2)] {
        let update = CUDABufferUpdate { size: Some(size), ..CUDABufferUpdate::default() };
        registry.update_buffer(3, name, &update).unwrap();
    }
    assert_ne!(registry.layout_hash(1).unwrap(), hash);
    let difference = diff(&before, &registry.layout(1).unwrap()).unwrap();
    assert_eq!(
        difference.to_string(),
        "outer.shared: shared 0..5 f32 -> shared 0..5 f32, its own layout changed\n"
    );
    assert!(!difference.same_hash && !difference.is_empty());
    // Neither the child's key nor a dropped layout makes a difference.
    let loaded = BufferRegistry::new();
    loaded.load_json(9, &stored).unwrap();
    assert_eq!(loaded.layout_hash(9).unwrap(), hash);
    let child = loaded.layout(9).unwrap().buffers[0].child.unwrap();
    loaded.clear_layout(child).unwrap();
    assert_eq!(loaded.layout_hash(9).unwrap(), hash);
    assert!(diff(&before, &loaded.layout(9).unwrap()).unwrap().is_empty());
}

#[test]
fn a_skew_of_a_word_keeps_threads_off_each_others_banks() {
    for (bank_skew, size, stride) in [(true, 4, 20), (true, 3, 12), (false, 4, 16), (false, 3, 12)] {
        let options = LayoutOptions {
            typed: true,
            bank_skew,
            shared_per: SharedPer::Thread,
            ..LayoutOptions::default()
        };
        let registry = BufferRegistry::with_options("", options);
        registry.register(1, &CUDABuffer::shared("x", size)).unwrap();
        assert_eq!(registry.shared_stride_bytes(1).unwrap(), stride, "{size} words, skew: {bank_skew}");
    }
}
