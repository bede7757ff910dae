//! Random scripts of registrations against a plain model of the layout rules, and what must hold whatever is registered.

use std::collections::BTreeMap;

use backbuf::Status;
use backbuf::registry::{
    Buffer, Launch, Layout, Lifetime, Limits, Location, Options, Origin, Placed, PlanOptions, Precision,
    Refusal, Registry, SharedPer, Space, Update, Updated,
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
    Register(u64, Buffer),
    Replace(u64, Buffer),
    Update(u64, String, Update),
    Child(u64, String, u64),
    ClearLayout(u64),
    ClearParent(u64),
    Options(u64, Options),
    /// Asks some of the queries, which must change nothing.
    Query(u64, u8),
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![9 => (0..6u8).prop_map(|n| format!("b{n}")), 1 => Just(String::new())]
}

fn size() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..20u64, 1 => Just(u64::MAX / 16), 1 => Just(u64::MAX)]
}

fn lifetime() -> impl Strategy<Value = Option<Lifetime>> {
    prop::option::of((0..6u64, 0..8u64).prop_map(|(begin, end)| Lifetime { begin, end }))
}

fn buffer() -> impl Strategy<Value = Buffer> {
    let precision = prop::sample::select(&Precision::ALL[..]);
    (name(), size(), any::<bool>(), any::<bool>(), prop::option::of(name()), precision, lifetime()).prop_map(
        |(name, size, shared, persistent, aliases, precision, lifetime)| Buffer {
            name,
            size,
            location: if shared { Location::Shared } else { Location::Local },
            persistent,
            aliases,
            precision,
            lifetime,
        },
    )
}

fn options() -> impl Strategy<Value = Options> {
    any::<[bool; 4]>().prop_map(|[typed, bank_skew, protect_persistent, thread]| Options {
        typed,
        bank_skew,
        protect_persistent,
        shared_per: if thread { SharedPer::Thread } else { SharedPer::Block },
    })
}

fn op() -> impl Strategy<Value = Op> {
    let update = (buffer(), any::<[bool; 6]>()).prop_map(|(b, given)| {
        let update = Update {
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
        3 => (PARENTS, update).prop_map(|(parent, (name, update))| Op::Update(parent, name, update)),
        1 => (PARENTS, name(), PARENTS).prop_map(|(parent, name, child)| Op::Child(parent, name, child)),
        1 => PARENTS.prop_map(Op::ClearLayout),
        1 => PARENTS.prop_map(Op::ClearParent),
        1 => (PARENTS, options()).prop_map(|(parent, options)| Op::Options(parent, options)),
        3 => (PARENTS, any::<u8>()).prop_map(|(parent, which)| Op::Query(parent, which)),
    ]
}

/// Everything that can be seen of a registry without asking for layouts one by one.
fn seen(registry: &Registry) -> Vec<(u64, u64, String)> {
    let parents = registry.parents().unwrap().into_iter();
    parents.map(|parent| (parent, registry.version(parent), registry.json(parent).unwrap())).collect()
}

/// What an op came to: nothing, an update's answer, or a refusal.
fn run(registry: &Registry, op: &Op) -> Result<Option<Updated>, Status> {
    match op {
        Op::Register(parent, buffer) => registry.register(*parent, buffer).map(|()| None),
        Op::Replace(parent, buffer) => registry.replace(*parent, buffer).map(|()| None),
        Op::Update(parent, name, update) => registry.update_buffer(*parent, name, update).map(Some),
        Op::Child(parent, name, child) => registry.register_child(*parent, name, *child).map(|()| None),
        Op::ClearLayout(parent) => registry.clear_layout(*parent).map(|()| None),
        Op::ClearParent(parent) => registry.clear_parent(*parent).map(|()| None),
        Op::Options(parent, options) => registry.set_options(*parent, *options).map(|()| None),
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
enum Entry {
    Buffer(Buffer),
    /// The hidden buffers of one are two entries.
    Hidden(String, u64, Space),
}

impl Entry {
    fn name(&self) -> &str {
        match self {
            Entry::Buffer(buffer) => &buffer.name,
            Entry::Hidden(name, ..) => name,
        }
    }
}

#[derive(Debug, Default)]
struct Model(BTreeMap<u64, Vec<Entry>>);

/// Name, space, start, length, origin.
type Row = (String, Space, u64, u64, Origin);

impl Model {
    fn vet(entries: &[Entry], index: usize, buffer: &Buffer) -> Result<(), Status> {
        if let Some(target) = &buffer.aliases {
            match entries.iter().position(|entry| entry.name() == target) {
                _ if *target == buffer.name => return Err(Status::AliasSelf),
                None => return Err(Status::AliasMissing),
                Some(found) if found >= index => return Err(Status::AliasOrder),
                Some(_) => {}
            }
        }
        let others =
            entries.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, entry)| match entry {
                Entry::Buffer(buffer) => buffer,
                Entry::Hidden(..) => &HIDDEN,
            });
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

    fn holds(&self, host: u64, wanted: u64) -> bool {
        host == wanted
            || self.0.get(&host).is_some_and(|entries| {
                entries.iter().any(|entry| match entry {
                    Entry::Hidden(_, child, _) => self.holds(*child, wanted),
                    Entry::Buffer(_) => false,
                })
            })
    }

    fn change(&mut self, parent: u64, index: usize, buffer: Buffer) -> Result<bool, Status> {
        let entries = self.0.get_mut(&parent).unwrap();
        let Entry::Buffer(old) = &entries[index] else { return Err(Status::State) };
        Model::vet(entries, index, &buffer)?;
        let changed = *old != buffer;
        entries[index] = Entry::Buffer(buffer);
        Ok(changed)
    }

    fn run(&mut self, op: &Op) -> Result<Option<Updated>, Status> {
        let find = |model: &Model, parent: u64, name: &str| {
            let entries = model.0.get(&parent)?;
            Some(entries.iter().position(|entry| entry.name() == name))
        };
        match op {
            Op::Register(parent, buffer) => {
                let mut entries = self.0.get(parent).cloned().unwrap_or_default();
                if buffer.name.is_empty() {
                    return Err(Status::Argument);
                }
                if buffer.aliases.as_ref() == Some(&buffer.name) {
                    return Err(Status::AliasSelf);
                }
                if entries.iter().any(|entry| entry.name() == buffer.name) {
                    return Err(Status::Exists);
                }
                Model::vet(&entries, entries.len(), buffer)?;
                entries.push(Entry::Buffer(buffer.clone()));
                self.0.insert(*parent, entries);
            }
            Op::Replace(parent, buffer) => {
                if buffer.name.is_empty() {
                    return Err(Status::Argument);
                }
                let index = find(self, *parent, &buffer.name).ok_or(Status::NoParent)?;
                self.change(*parent, index.ok_or(Status::NoName)?, buffer.clone())?;
            }
            Op::Update(parent, name, update) => {
                let Some(index) = find(self, *parent, name).flatten() else {
                    return Ok(Some(Updated { recognized: false, changed: false }));
                };
                let Entry::Buffer(mut buffer) = self.0[parent][index].clone() else {
                    return Err(Status::State);
                };
                buffer.size = update.size.unwrap_or(buffer.size);
                buffer.location = update.location.unwrap_or(buffer.location);
                buffer.persistent = update.persistent.unwrap_or(buffer.persistent);
                buffer.aliases = update.aliases.clone().unwrap_or(buffer.aliases);
                buffer.precision = update.precision.unwrap_or(buffer.precision);
                buffer.lifetime = update.lifetime.unwrap_or(buffer.lifetime);
                let changed = self.change(*parent, index, buffer)?;
                return Ok(Some(Updated { recognized: true, changed }));
            }
            Op::Child(parent, name, child) => {
                if name.is_empty() {
                    return Err(Status::Argument);
                }
                if self.holds(*child, *parent) {
                    return Err(Status::State);
                }
                let mut entries = self.0.get(parent).cloned().unwrap_or_default();
                for (region, space) in [("shared", Space::Shared), ("persistent", Space::Persistent)] {
                    let name = format!("{name}.{region}");
                    if entries.iter().any(|entry| entry.name() == name) {
                        return Err(Status::Exists);
                    }
                    entries.push(Entry::Hidden(name, *child, space));
                }
                self.0.insert(*parent, entries);
            }
            Op::ClearParent(parent) => drop(self.0.remove(parent)),
            Op::Options(parent, _) if !self.0.contains_key(parent) => return Err(Status::NoParent),
            Op::Options(..) | Op::ClearLayout(_) | Op::Query(..) => {}
        }
        Ok(None)
    }

    /// The rules, in elements: rows in registration order, and the ends of the shared and persistent regions.
    fn layout(&self, parent: u64) -> (Vec<Row>, [u64; 2]) {
        let entries = self.0.get(&parent).map_or(&[][..], Vec::as_slice);
        let mut ends = [0, 0];
        let mut place = |space: Space, size: u64| match space {
            Space::Local => (0, size.max(1)),
            space => {
                let end = &mut ends[usize::from(space == Space::Persistent)];
                *end += size;
                (*end - size, size)
            }
        };
        let mut rows: BTreeMap<usize, Row> = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            let (space, size) = match entry {
                Entry::Buffer(buffer) if buffer.aliases.is_some() => continue,
                Entry::Buffer(buffer) => (buffer.space(), buffer.size),
                Entry::Hidden(_, child, space) => {
                    (*space, self.layout(*child).1[usize::from(*space == Space::Persistent)])
                }
            };
            let (start, length) = place(space, size);
            rows.insert(index, (entry.name().into(), space, start, length, Origin::Own));
        }
        let mut consumed = vec![0; entries.len()];
        for (index, entry) in entries.iter().enumerate() {
            let Entry::Buffer(buffer) = entry else { continue };
            let Some(target) = &buffer.aliases else { continue };
            let target = entries.iter().position(|entry| entry.name() == target).unwrap();
            let (_, space, start, length, _) = rows[&target].clone();
            let row = if space == Space::Shared && buffer.size <= length - consumed[target] {
                let start = start + consumed[target];
                consumed[target] += buffer.size;
                (buffer.name.clone(), Space::Shared, start, buffer.size, Origin::Aliased)
            } else {
                let (start, length) = place(buffer.space(), buffer.size);
                (buffer.name.clone(), buffer.space(), start, length, Origin::FellBack)
            };
            rows.insert(index, row);
        }
        (rows.into_values().collect(), ends)
    }
}

static HIDDEN: Buffer = Buffer {
    name: String::new(),
    size: 0,
    location: Location::Shared,
    persistent: false,
    aliases: None,
    precision: Precision::F32,
    lifetime: None,
};

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
    fn a_registry_does_what_the_rules_say_and_a_refused_call_changes_nothing(ops in vec(op(), 1..40)) {
        let (registry, mut model) = (Registry::new(), Model::default());
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
            let Ok(layout) = registry.layout(parent) else { continue };
            sound(&layout);
            // The picture marks what the report tells, where there is time to show it in.
            let timed = |space| layout.of(space).any(|placed| placed.buffer.lifetime.is_some());
            let told = registry.overlaps(parent).unwrap().iter().filter(|overlap| timed(overlap.space)).count();
            let marked = layout.svg().unwrap().matches("<rect class=\"clash\"").count();
            prop_assert_eq!(marked, if told > 0 { told + 1 } else { 0 }, "one of them is the legend's");
            let plain = !layout.options.typed && !layout.options.protect_persistent;
            let alone = layout.buffers.iter().all(|placed| placed.child.is_none());
            if plain && (alone || ops.iter().all(|op| !matches!(op, Op::Options(..)))) {
                let (rows, ends) = model.layout(parent);
                prop_assert_eq!(layout.buffers.iter().map(row).collect::<Vec<_>>(), rows);
                prop_assert_eq!([layout.shared.elements, layout.persistent.elements], ends);
            }
        }
    }

    #[test]
    fn a_plan_keeps_apart_what_is_alive_together_and_goes_with_the_next_change(ops in vec(op(), 1..40)) {
        let registry = Registry::new();
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
            let loaded = Registry::new();
            loaded.load_json(7, &stored).unwrap();
            prop_assert_eq!(loaded.json(7).unwrap(), stored);
            registry.register(parent, &Buffer::local("another", 1)).unwrap();
            prop_assert!(!registry.layout(parent).unwrap().planned);
        }
    }

    #[test]
    fn neither_queries_nor_their_order_make_a_difference(ops in vec(op(), 1..40)) {
        let (asked, silent) = (Registry::new(), Registry::new());
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
        let registry = Registry::new();
        for op in &ops {
            let _ = run(&registry, op);
        }
        for parent in registry.parents().unwrap() {
            let stored = registry.json(parent).unwrap();
            serde_json::from_str::<serde_json::Value>(&stored).unwrap();
            let loaded = Registry::new();
            loaded.load_json(7, &stored).unwrap();
            prop_assert_eq!(loaded.json(7).unwrap(), stored);
        }
    }

    #[test]
    fn no_text_is_too_strange_to_be_refused(text in ".{0,80}", at in any::<prop::sample::Index>(), with in any::<char>()) {
        let registry = Registry::new();
        prop_assert!(registry.load_json(1, &text).is_err());
        registry.register(2, &Buffer::shared("k1", 3).alive(0..2)).unwrap();
        let mut stored = registry.json(2).unwrap();
        let at = at.index(stored.len());
        stored.replace_range(at..at + 1, with.encode_utf8(&mut [0; 4]));
        // Refused or loaded, and never half of it.
        if registry.load_json(1, &stored).is_err() {
            prop_assert_eq!(registry.parents().unwrap(), [2]);
        }
    }
}

/// Limits and launches at the edges of everything.
fn launches() -> impl Strategy<Value = (Limits, Launch)> {
    let number = || {
        let near = prop_oneof![
            Just(0u32),
            Just(1),
            Just(31),
            Just(32),
            Just(33),
            Just(100),
            Just(1024),
            Just(1 << 16)
        ];
        prop_oneof![8 => near, 1 => Just(1u32 << 27), 1 => Just(u32::MAX)]
    };
    let bytes = || {
        let near = prop_oneof![Just(0u64), Just(1), Just(40), Just(100), Just(49152), Just(1 << 17)];
        prop_oneof![9 => near, 1 => Just(u64::MAX)]
    };
    let limits = (vec(bytes(), 5), vec(number(), 6)).prop_map(|(bytes, numbers)| Limits {
        shared_static_bytes: bytes[0],
        shared_block_bytes: bytes[1],
        shared_sm_bytes: bytes[2],
        shared_reserved_bytes: bytes[3],
        shared_granule_bytes: bytes[4],
        threads_per_block: numbers[0],
        threads_per_sm: numbers[1],
        blocks_per_sm: numbers[2],
        registers_per_sm: numbers[3],
        registers_per_thread: numbers[4],
        register_granule: numbers[5],
    });
    let launch = (number(), number(), bytes(), prop_oneof![Just(SharedPer::Block), Just(SharedPer::Thread)]);
    let launch = launch.prop_map(|(threads, registers_per_thread, static_shared_bytes, shared_per)| Launch {
        threads,
        registers_per_thread,
        static_shared_bytes,
        shared_per: Some(shared_per),
    });
    (limits, launch)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20 * cases(), ..ProptestConfig::default() })]

    #[test]
    fn what_is_said_to_make_a_launch_fit_does(
        (limits, launch) in launches(),
        sizes in vec(prop_oneof![Just(0u64), 1..20u64, Just(10_000)], 0..3),
    ) {
        let registry = Registry::new();
        registry.register(1, &Buffer::local("kept", 1)).unwrap();
        for (index, size) in sizes.iter().enumerate() {
            registry.register(1, &Buffer::shared(format!("b{index}"), *size)).unwrap();
        }
        if let Err(Refusal::Unfit(unfit)) = registry.check(1, &limits, &launch) {
            let text = unfit.to_string();
            prop_assert!(!text.ends_with("fit") || text.contains("neither"), "{}", text);
            let beyond = unfit.needs > unfit.limit || unfit.needs == u64::MAX;
            prop_assert!(beyond || unfit.what == "registers", "{}", text);
            let again = |limits: &Limits, launch: &Launch| match registry.check(1, limits, launch) {
                Err(Refusal::Unfit(again)) => again.what == unfit.what,
                _ => false,
            };
            if unfit.threads > 0 {
                prop_assert!(!again(&limits, &Launch { threads: unfit.threads, ..launch }), "{}", text);
            }
            if let Some(arch) = unfit.arch {
                prop_assert!(!again(&arch.limits(), &launch), "{}", text);
            }
        }
        // Whatever was asked, the registry goes on.
        registry.register(1, &Buffer::shared("another", 1)).unwrap();
    }
}
