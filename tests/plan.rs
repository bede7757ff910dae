//! The planner against its checker, brute force, published instances and malformed input.

use backbuf::planner::{Item, MemoryPlan, PlanError, PlanOptions, Violation, check, plan};
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CAPACITY: u64 = 1 << 20;

/// The instances of tests/data/minimalloc.
fn instance(name: &str) -> Vec<Item> {
    load(&format!("minimalloc/{name}.1048576"))
}

/// An instance of tests/data.
fn load(name: &str) -> Vec<Item> {
    let path = format!("{}/tests/data/{name}.csv", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    let item = |line: &str| {
        let fields: Vec<u64> = line.split(',').map(|field| field.parse().expect(line)).collect();
        Item::new(fields[1], fields[2], fields[3])
    };
    text.lines().skip(1).map(item).collect()
}

/// So much time that the nodes end the search first.
fn untimed(nodes: u64) -> PlanOptions<'static> {
    PlanOptions { budget: Duration::from_secs(3600), nodes, ..PlanOptions::default() }
}

/// The least height: in an optimal plan that is pressed down each item lies upon one that comes before it when they
/// are sorted by offset, so some order of placing each upon those before it finds it.
fn brute_force(items: &[Item]) -> u64 {
    fn extend(items: &[Item], placed: &mut Vec<(Item, u64)>, left: &mut Vec<usize>, best: &mut u64) {
        if left.is_empty() {
            *best = placed.iter().map(|(item, at)| at + item.size).max().unwrap_or(0).min(*best);
        }
        for k in 0..left.len() {
            let index = left.remove(k);
            let item = items[index];
            let below = placed.iter().filter(|(other, _)| other.start < item.end && item.start < other.end);
            let top = below.map(|(other, at)| at + other.size).max().unwrap_or(0);
            placed.push((item, top.next_multiple_of(item.align)));
            extend(items, placed, left, best);
            placed.pop();
            left.insert(k, index);
        }
    }
    let mut best = u64::MAX;
    let alive = (0..items.len()).filter(|&k| items[k].size > 0 && items[k].start < items[k].end);
    extend(items, &mut Vec::new(), &mut alive.collect(), &mut best);
    best
}

/// First fit in a given order: each item at the lowest place that those before it leave.
fn first_fit(items: &[Item], order: &[usize]) -> u64 {
    let mut placed: Vec<(usize, u64)> = Vec::new();
    let mut height = 0;
    for &index in order {
        let item = items[index];
        if item.size == 0 || item.start == item.end {
            continue;
        }
        let beside = placed.iter().filter(|(k, _)| items[*k].start < item.end && item.start < items[*k].end);
        let mut taken: Vec<(u64, u64)> = beside.map(|&(k, at)| (at, at + items[k].size)).collect();
        taken.sort_unstable();
        let mut place = 0_u64;
        for (from, past) in taken {
            if place + item.size <= from {
                break;
            }
            place = place.max(past.next_multiple_of(item.align));
        }
        placed.push((index, place));
        height = height.max(place + item.size);
    }
    height
}

/// What greedy planners come to: the largest size, size × lifetime, or lifetime first; of equal ones in the given order.
fn greedy(items: &[Item]) -> [u64; 3] {
    let by = |key: fn(&Item) -> u128| {
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_by_key(|&k| std::cmp::Reverse(key(&items[k])));
        first_fit(items, &order)
    };
    let lifetime = |item: &Item| u128::from(item.end - item.start);
    [
        by(|item| item.size.into()),
        by(|item| u128::from(item.size) * u128::from(item.end - item.start)),
        by(lifetime),
    ]
}

/// The plan that takes no time.
fn quick(items: &[Item]) -> MemoryPlan {
    plan(items, &PlanOptions { budget: Duration::ZERO, ..PlanOptions::default() }).unwrap()
}

fn items(most: usize, moments: u64, aligns: Vec<u64>) -> impl Strategy<Value = Vec<Item>> {
    let item = (0..moments, 0..moments, 0..12_u64, prop::sample::select(aligns))
        .prop_map(|(a, b, size, align)| Item { start: a.min(b), end: a.max(b), size, align });
    prop::collection::vec(item, 0..=most)
}

/// As many as fit a short test; BACKBUF_SOAK asks for more.
fn cases() -> u32 {
    if std::env::var_os("BACKBUF_SOAK").is_some() { 10_000 } else { 64 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tiny_plans_are_the_best_there_are(items in items(6, 7, vec![1, 1, 2, 3, 4, 8])) {
        let plan = plan(&items, &untimed(u64::MAX)).unwrap();
        prop_assert_eq!(check(&items, &plan.offsets), Ok(plan.height));
        prop_assert!(plan.exact);
        prop_assert_eq!(plan.height, brute_force(&items));
        prop_assert_eq!(plan.lower_bound, plan.height);
    }

    #[test]
    fn plans_are_valid_whatever_the_order(items in items(60, 25, vec![1, 4, 6, 16]), turn in 0..60_usize, seed: u64) {
        let first = plan(&items, &PlanOptions { seed, ..untimed(2_000) }).unwrap();
        prop_assert_eq!(check(&items, &first.offsets), Ok(first.height));
        prop_assert!(first.lower_bound <= first.height && first.height <= first.heuristic_height);
        let mut turned = items.clone();
        turned.rotate_left(turn.min(items.len()));
        let second = plan(&turned, &PlanOptions { seed, ..untimed(2_000) }).unwrap();
        prop_assert_eq!(check(&turned, &second.offsets), Ok(second.height));
        prop_assert!(second.lower_bound <= first.height && first.lower_bound <= second.height);
    }

    #[test]
    fn no_time_at_all_is_never_worse_than_greedy(items in items(80, 30, vec![1, 1, 4, 6, 16])) {
        let plan = quick(&items);
        prop_assert_eq!(check(&items, &plan.offsets), Ok(plan.height));
        for height in greedy(&items) {
            prop_assert!(plan.height <= height, "{} beyond {height}", plan.height);
        }
        prop_assert_eq!(quick(&items), plan, "the same each time");
    }

    #[test]
    fn the_checker_sees_every_overlap(items in items(5, 6, vec![1]), offsets in prop::collection::vec(0..20_u64, 5)) {
        let offsets = &offsets[..items.len()];
        let apart = |a: usize, b: usize| {
            let ((x, at), (y, other)) = ((items[a], offsets[a]), (items[b], offsets[b]));
            x.end <= y.start || y.end <= x.start || at + x.size <= other || other + y.size <= at
                || x.size == 0 || y.size == 0 || x.start == x.end || y.start == y.end
        };
        let valid = (0..items.len()).all(|a| (0..a).all(|b| apart(a, b)));
        prop_assert_eq!(check(&items, offsets).is_ok(), valid);
    }
}

/// Those that are solved at once; BACKBUF_SOAK asks for all of them.
#[test]
fn published_instances_fit_their_capacity() {
    let all = std::env::var_os("BACKBUF_SOAK").is_some();
    let names = if all { "ABCDEFGHIJK" } else { "ABCF" };
    for name in names.chars() {
        let items = instance(&name.to_string());
        let begin = Instant::now();
        let plan = plan(&items, &PlanOptions { target: Some(CAPACITY), ..untimed(u64::MAX) }).unwrap();
        println!("{name}: {} nodes, {:.2?}", plan.nodes, begin.elapsed());
        assert_eq!(check(&items, &plan.offsets), Ok(plan.height));
        assert!(plan.height <= CAPACITY, "{name}: {}", plan.height);
    }
}

#[test]
fn the_heuristic_alone_is_within_its_goal() {
    let heuristic = |name: &str| {
        let items = instance(name);
        let plan = plan(&items, &untimed(0)).unwrap();
        assert_eq!((check(&items, &plan.offsets), plan.nodes), (Ok(plan.height), 0));
        plan.height as f64 / CAPACITY as f64
    };
    let mean = ["A", "B", "F", "K"].map(heuristic).iter().sum::<f64>() / 4.0;
    assert!(mean <= 1.15, "{mean}");
}

#[test]
fn the_plan_does_not_depend_on_the_number_of_threads() {
    // To a target, and down from capacity to capacity.
    for (name, target, nodes) in [("E", Some(CAPACITY), 8_000), ("C", None, 60_000)] {
        let items = instance(name);
        let on = |threads| plan(&items, &PlanOptions { threads, target, seed: 3, ..untimed(nodes) }).unwrap();
        let alone = on(1);
        assert!(alone.nodes > 0);
        for threads in [1, 2, 3, 16] {
            assert_eq!(on(threads), alone, "{name} on {threads}");
        }
    }
}

#[test]
fn a_cancelled_search_returns_the_best_so_far() {
    let items = instance("E");
    let asked = AtomicUsize::new(0);
    for calls in [0, 1, 5, 50] {
        asked.store(0, Ordering::Relaxed);
        let cancelled = || asked.fetch_add(1, Ordering::Relaxed) >= calls;
        let plan = plan(&items, &PlanOptions { cancelled: &cancelled, ..untimed(u64::MAX) }).unwrap();
        assert_eq!(check(&items, &plan.offsets), Ok(plan.height));
        assert!(plan.lower_bound <= plan.height && plan.height <= plan.heuristic_height);
        assert_eq!(asked.load(Ordering::Relaxed), calls + 1, "not asked again after it has said so");
    }
}

/// What this thread has computed so far. Unlike the clock on the wall it does not go on while others have the processor.
fn computed() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes a local.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn no_more_is_computed_than_the_budget_and_a_tenth() {
    for name in ["D", "E", "G", "I", "J", "K"] {
        let (items, budget) = (instance(name), Duration::from_millis(400));
        let begin = computed();
        let plan = plan(&items, &PlanOptions { budget, ..PlanOptions::default() }).unwrap();
        let took = computed() - begin;
        assert!(plan.exact || took <= budget.mul_f64(1.1), "{name} took {took:.1?}");
        assert_eq!(check(&items, &plan.offsets), Ok(plan.height));
    }
}

#[test]
fn a_search_asks_every_few_steps_whether_to_stop() {
    let items = instance("E");
    let asks = 40_000;
    for threads in [1, 2] {
        let asked = AtomicUsize::new(0);
        let cancelled = || asked.fetch_add(1, Ordering::Relaxed) >= asks;
        let plan =
            plan(&items, &PlanOptions { cancelled: &cancelled, threads, ..untimed(u64::MAX) }).unwrap();
        assert!((1..=8 * asks as u64).contains(&plan.nodes), "{} steps between {asks} questions", plan.nodes);
    }
}

#[test]
fn a_plan_that_is_given_up_at_any_moment_is_one() {
    // Many enough for each step of the heuristic to ask several times.
    let items: Vec<Item> =
        (0..3000).map(|k| Item::new(k, k + 1 + k * 7919 % 40, 1 + k * 104_729 % 1000)).collect();
    let quick = plan(&items, &PlanOptions { budget: Duration::ZERO, ..PlanOptions::default() }).unwrap();
    let mut heights = Vec::new();
    for asks in 0..200 {
        let asked = AtomicUsize::new(0);
        let cancelled = || asked.fetch_add(1, Ordering::Relaxed) >= asks;
        let plan = plan(&items, &PlanOptions { cancelled: &cancelled, ..untimed(100) }).unwrap();
        assert_eq!(check(&items, &plan.offsets), Ok(plan.height));
        assert!(plan.height <= quick.height);
        heights.push(plan.height);
    }
    assert!(heights.is_sorted_by(|early, late| early >= late), "more time is never worse");
}

/// Of tests/data/models.
const MODELS: [&str; 9] = [
    "glow_inception_v4_onnx",
    "glow_mobilenet_v1_1_00_224_tflite",
    "glow_mobilenet_v2_0_50_160_tflite",
    "glow_resnet50_v1_onnx",
    "glow_resnet50_v2_onnx",
    "glow_vgg16_ssd_onnx",
    "glow_yolo_v2_tiny_onnx",
    "tvm_alloc_max",
    "tvm_five",
];

#[test]
fn no_time_means_a_quick_plan_that_is_never_worse_than_greedy() {
    let hard = "ABCDEFGHIJK".chars().map(|name| format!("minimalloc/{name}.1048576"));
    let (mut beyond, mut sum) = (0, 0.0);
    for name in hard.chain(MODELS.map(|name| format!("models/{name}"))) {
        let items = load(&name);
        let plan = quick(&items);
        assert_eq!((check(&items, &plan.offsets), plan.nodes), (Ok(plan.height), 0), "{name}");
        for height in greedy(&items) {
            assert!(plan.height <= height, "{name}: {} beyond {height}", plan.height);
        }
        if name.starts_with("models/") {
            beyond += usize::from(!plan.exact);
            sum += plan.height as f64 / plan.lower_bound as f64;
        }
    }
    assert!(beyond <= 3 && sum / MODELS.len() as f64 <= 1.05, "{beyond} of the models, {sum}");
}

#[test]
fn the_models_buffers_need_no_more_than_their_largest_load() {
    for name in MODELS {
        let items = load(&format!("models/{name}"));
        let plan = plan(&items, &untimed(10_000)).unwrap();
        assert_eq!((check(&items, &plan.offsets), plan.exact), (Ok(plan.lower_bound), true), "{name}");
    }
}

#[test]
fn a_search_without_a_target_looks_for_the_bound_and_then_relaxes() {
    // That of the first is reached by the nodes that a search for it as a target takes.
    for (name, nodes) in [("E", 10_000), ("D", 40_000)] {
        let items = instance(name);
        let plan = plan(&items, &untimed(nodes)).unwrap();
        assert_eq!(check(&items, &plan.offsets), Ok(plan.height));
        println!("{name}: {} in {} nodes", plan.height, plan.nodes);
        assert!(plan.nodes <= nodes && plan.height < plan.heuristic_height);
        assert_eq!(plan.exact, name == "E", "no plan of the second reaches its bound");
    }
}

#[test]
fn parts_that_never_meet_are_planned_one_by_one() {
    // Each needs an order that a greedy placement misses; together they would be too many to try.
    let part = [(0, 2, 3), (1, 4, 2), (3, 6, 3), (5, 8, 2), (0, 3, 2), (4, 8, 1), (2, 5, 1), (6, 8, 2)];
    let items: Vec<Item> = (0..50)
        .flat_map(|k| part.map(|(start, end, size)| Item::new(10 * k + start, 10 * k + end, size)))
        .collect();
    let one = plan(&items[..part.len()], &untimed(u64::MAX)).unwrap();
    let all = plan(&items, &untimed(100_000)).unwrap();
    assert_eq!((all.height, all.exact), (one.height, true));
    assert_eq!(check(&items, &all.offsets), Ok(all.height));
}

#[test]
fn a_hundred_thousand_items_get_a_plan() {
    let short = |k: u64| Item {
        start: k,
        end: k + 3 + k * 7919 % 40,
        size: 1 + k * 104_729 % 1000,
        align: 1 << (k % 5),
    };
    let mixed: Vec<Item> = (0..100_000).map(short).collect();
    let stacked = vec![Item::new(0, 1, 3); 100_000];
    let nested: Vec<Item> = (0..100_000).map(|k| Item::new(k, 200_000 - k, 1 + k % 7)).collect();
    for items in [mixed, stacked, nested] {
        let plan =
            plan(&items, &PlanOptions { budget: Duration::from_millis(200), ..PlanOptions::default() })
                .unwrap();
        assert_eq!(check(&items, &plan.offsets), Ok(plan.height));
        assert!(plan.lower_bound <= plan.height);
    }
}

#[test]
fn what_takes_no_space_or_no_time_takes_no_memory() {
    let empty = plan(&[], &PlanOptions::default()).unwrap();
    assert_eq!((empty.height, empty.exact, empty.offsets.len()), (0, true, 0));
    let items =
        [Item::new(0, 9, 0), Item::new(4, 4, 7), Item::new(u64::MAX, u64::MAX, 7), Item::new(0, u64::MAX, 5)];
    let plan = plan(&items, &PlanOptions::default()).unwrap();
    assert_eq!((plan.height, plan.lower_bound, plan.exact), (5, 5, true));
    assert_eq!(check(&items, &plan.offsets), Ok(5));
}

#[test]
fn what_cannot_be_planned_is_refused() {
    let refused = |items: &[Item]| plan(items, &PlanOptions::default()).unwrap_err();
    let good = Item::new(0, 1, 1);
    assert_eq!(refused(&[good, Item::new(2, 1, 1)]), PlanError::EndsBeforeStart { index: 1 });
    assert_eq!(refused(&[Item { align: 0, ..good }]), PlanError::NoAlignment { index: 0 });
    assert_eq!(refused(&[good, Item::new(5, 6, u64::MAX)]), PlanError::TooLarge { index: 1 });
    assert_eq!(refused(&[Item { align: u64::MAX, ..Item::new(0, 1, 2) }]), PlanError::TooLarge { index: 0 });
    let huge = [Item::new(0, 2, u64::MAX - 1), good];
    let plan = plan(&huge, &PlanOptions::default()).unwrap();
    assert_eq!((plan.height, check(&huge, &plan.offsets)), (u64::MAX, Ok(u64::MAX)));
    assert_eq!(check(&huge, &[2, 0]), Err(Violation::Overflow(0)));
    assert_eq!(check(&huge, &[0]), Err(Violation::Count));
    assert_eq!(check(&[Item { align: 4, ..good }], &[2]), Err(Violation::Misaligned(0)));
}

#[test]
fn a_target_that_is_met_ends_the_search_and_not_the_heuristic() {
    let items = instance("A");
    let easy = plan(&items, &PlanOptions { target: Some(u64::MAX), ..untimed(u64::MAX) }).unwrap();
    let alone = plan(&items, &untimed(0)).unwrap();
    assert_eq!((easy.height, easy.nodes), (alone.height, 0));
}
