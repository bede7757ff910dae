//! Random registrations against a simple model of the layout rules, and invariants of every layout.

#[path = "common/registry_model.rs"]
mod registry_model;
#[path = "common/registry_ops.rs"]
mod registry_ops;

use std::collections::BTreeMap;

use backbuf::Status;
use backbuf::planner::PlanOptions;
use backbuf::registry::{
    BufferRegistry, CUDABuffer, CUDABufferUpdate, Layout, LayoutOptions, Lifetime, Origin, Placed, Precision,
    SharedPer, Space, Updated, diff,
};
use proptest::collection::vec;
use proptest::prelude::*;

use registry_model::{Model, Row};
use registry_ops::{Op, PARENTS, op, options, run, seen};

/// As many as fit a short test; BACKBUF_SOAK asks for more.
fn cases() -> u32 {
    if std::env::var_os("BACKBUF_SOAK").is_some() { 20_000 } else { 500 }
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
