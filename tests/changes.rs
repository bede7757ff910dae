//! Changes between fronts, against the real differences of their bytes: random updates of every form, several viewers that hold
//! fronts of different ages, extra copies, all sizes of history; and publishers that race queries.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};

use backbuf::device::{Device, HostConfig};
use backbuf::manager::{
    Back, BackMode, BufferUpdate, Changes, Config, Front, Kernel, MAX_HISTORY, Manager, Region, WorkerMode,
};
use backbuf::{DType, Error, Status, Timeout};
use proptest::prelude::*;

const ALWAYS: Timeout = Timeout::FOREVER;

fn manager(bytes: usize, config: Config<'_>) -> Manager {
    Manager::untyped_with_config(DType::U8, &[bytes as u64], config).map_err(Error::from).unwrap()
}

/// Checks the form of an answer, and that it covers every byte that differs.
fn check(front: &Front, older: &Front, changes: &Changes) {
    let bytes = front.len();
    let mut covered = vec![false; bytes];
    for range in changes {
        assert!(range.start < range.end && range.end <= bytes, "{range:?} of {bytes}");
        covered[range].fill(true);
    }
    assert!(changes.ranges().windows(2).all(|pair| pair[0].end < pair[1].start), "{changes:?}");
    for (at, (new, old)) in front.iter().zip(older.iter()).enumerate() {
        assert!(
            covered[at] || new == old,
            "byte {at} differs between epochs {} and {}, and is not in {changes:?}",
            older.epoch(),
            front.epoch()
        );
    }
    if !changes.is_complete() {
        assert_eq!(changes.ranges(), [Range { start: 0, end: bytes }]);
    }
}

/// The bytes that an epoch's updates name, to the byte: a plain model of a record.
struct Named {
    bytes: Vec<bool>,
    calls: usize,
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize, usize),
    Fill(usize, usize),
    Borrowed(usize, usize),
    Many(Vec<(usize, usize)>),
    Batch(Vec<(usize, usize)>),
    Rows(usize, usize, usize),
    Kernel(usize, usize, bool),
    Tag(u64),
    Commit(bool, usize),
    Cancel(bool, usize),
    Synchronize,
    Hold,
    Release(usize),
    Compare(usize, usize),
    Trim,
}

fn step() -> impl Strategy<Value = Step> {
    let at = || (any::<u16>().prop_map(usize::from), 1usize..200);
    let some = || prop::collection::vec(at(), 1..12);
    prop_oneof![
        4 => at().prop_map(|(at, length)| Step::Write(at, length)),
        1 => at().prop_map(|(at, length)| Step::Fill(at, length)),
        1 => at().prop_map(|(at, length)| Step::Borrowed(at, length)),
        2 => some().prop_map(Step::Many),
        1 => some().prop_map(Step::Batch),
        1 => (any::<u16>(), 1usize..20, 2usize..50)
            .prop_map(|(at, rows, pitch)| Step::Rows(usize::from(at), rows, pitch)),
        1 => (at(), any::<bool>()).prop_map(|((at, length), whole)| Step::Kernel(at, length, whole)),
        1 => any::<u64>().prop_map(Step::Tag),
        1 => (any::<bool>(), any::<u16>()).prop_map(|(keep, at)| Step::Commit(keep, usize::from(at))),
        1 => (any::<bool>(), any::<u16>()).prop_map(|(keep, at)| Step::Cancel(keep, usize::from(at))),
        6 => Just(Step::Synchronize),
        4 => Just(Step::Hold),
        2 => any::<u8>().prop_map(|at| Step::Release(usize::from(at))),
        6 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Step::Compare(usize::from(a), usize::from(b))),
        1 => Just(Step::Trim),
    ]
}

struct Run {
    manager: Manager,
    history: u64,
    bytes: usize,
    value: u8,
    held: Vec<Front>,
    /// What each epoch's updates name, from epoch 1 on, and what the next epoch's do so far.
    named: Vec<Named>,
    next: Named,
}

impl Run {
    fn range(&self, (at, length): (usize, usize)) -> Range<usize> {
        let at = at % self.bytes;
        at..(at + length).min(self.bytes)
    }

    fn data(&mut self, range: Range<usize>) -> (u64, Vec<u8>) {
        self.value = self.value.wrapping_add(1);
        self.next.bytes[range.clone()].fill(true);
        self.next.calls += 1;
        (range.start as u64, vec![self.value; range.len()])
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Write(at, length) => {
                let (offset, data) = self.data(self.range((at, length)));
                self.manager.enqueue(offset, &data, ALWAYS).unwrap();
            }
            Step::Fill(at, length) => {
                let (offset, data) = self.data(self.range((at, length)));
                self.manager.enqueue_fill(offset, data.len() as u64, &data[..1], ALWAYS).unwrap();
            }
            Step::Borrowed(at, length) => {
                let (offset, data) = self.data(self.range((at, length)));
                self.manager.enqueue_borrowed(offset, data, ALWAYS).unwrap();
            }
            Step::Many(list) => {
                let parts: Vec<_> = list.into_iter().map(|at| self.data(self.range(at))).collect();
                let updates: Vec<_> = parts
                    .iter()
                    .map(|(byte_offset, data)| BufferUpdate { byte_offset: *byte_offset, data })
                    .collect();
                self.manager.enqueue_updates(&updates, ALWAYS).unwrap();
            }
            Step::Batch(list) => {
                let mut batch = self.manager.batch().unwrap();
                for at in list {
                    let (offset, data) = self.data(self.range(at));
                    batch.update(offset, &data).unwrap();
                }
                batch.commit(ALWAYS).unwrap();
            }
            Step::Rows(at, rows, pitch) => self.rows(at, rows, pitch),
            Step::Kernel(at, length, overwrites) => {
                let (offset, data) = self.data(self.range((at, length)));
                let count = data.len() as u64;
                let kernel = Kernel::new(offset, count, move |back, _| back.copy_from_slice(&data));
                let kernel = Kernel { overwrites, ..kernel };
                self.manager.enqueue_kernel(kernel, ALWAYS).map_err(Error::from).unwrap();
            }
            Step::Tag(tag) => {
                self.next.calls += 1;
                self.manager.enqueue_tag(tag, ALWAYS).unwrap();
            }
            Step::Commit(keep, at) => {
                let range = self.range((at, 50));
                let (_, data) = self.data(range.clone());
                self.next.bytes.fill(true);
                self.reserve(keep, |back| back[range].copy_from_slice(&data)).commit(1).unwrap();
            }
            Step::Cancel(keep, at) => {
                let range = self.range((at, 50));
                drop(self.reserve(keep, |back| back[range].fill(9)));
            }
            Step::Synchronize => self.synchronize(),
            Step::Hold => self.held.push(self.manager.front().unwrap()),
            Step::Release(at) => {
                if !self.held.is_empty() {
                    self.held.remove(at % self.held.len());
                }
            }
            Step::Compare(a, b) => self.compare(a, b),
            Step::Trim => self.manager.trim(ALWAYS).unwrap(),
        }
    }

    fn reserve(&mut self, keep: bool, write: impl FnOnce(&mut [u8])) -> Back<'_> {
        let mode = if keep { BackMode::Keep } else { BackMode::Discard };
        while let Err(error) = self.manager.reserve_back(mode, Timeout::nanos(1_000_000)).map(drop) {
            self.release_oldest(&error);
        }
        let mut back = self.manager.reserve_back(mode, ALWAYS).unwrap();
        if !keep {
            let front = back.front().to_vec();
            back.bytes_mut().copy_from_slice(&front);
        }
        write(back.bytes_mut());
        back
    }

    /// A region of a state of one dimension: elements at equal distances.
    fn rows(&mut self, at: usize, rows: usize, pitch: usize) {
        let first = at % self.bytes;
        let count = rows.min((self.bytes - first).div_ceil(pitch));
        self.value = self.value.wrapping_add(1);
        (0..count).for_each(|row| self.next.bytes[first + row * pitch] = true);
        self.next.calls += 1;
        let data = vec![self.value; count];
        let region = Region {
            start: &[first as u64],
            extent: &[count as u64],
            step: Some(&[pitch as i64]),
            data: &data,
            strides: None,
        };
        self.manager.enqueue_region(&region, ALWAYS).unwrap();
    }

    /// Releases a front if leases hold every copy.
    fn release_oldest(&mut self, error: &Error) {
        assert!(matches!(error.status(), Status::Pinned | Status::Timeout), "{error}");
        if error.status() == Status::Pinned {
            self.held.remove(0);
        }
    }

    fn synchronize(&mut self) {
        let before = self.manager.epoch();
        while let Err(error) = self.manager.synchronize(Timeout::nanos(1_000_000)) {
            self.release_oldest(&error);
        }
        let fresh = Named { bytes: vec![false; self.bytes], calls: 0 };
        let named = std::mem::replace(&mut self.next, fresh);
        let published = self.manager.epoch() - before;
        assert!(published == u64::from(named.calls > 0), "{published} epochs of {} calls", named.calls);
        if published > 0 {
            self.named.push(named);
        }
    }

    fn compare(&mut self, a: usize, b: usize) {
        if self.held.is_empty() {
            return;
        }
        let (one, other) = (&self.held[a % self.held.len()], &self.held[b % self.held.len()]);
        let (old, new) = if one.epoch() <= other.epoch() { (one, other) } else { (other, one) };
        let changes = new.changed_since(old.epoch()).unwrap();
        check(new, old, &changes);
        let (since, epoch) = (old.epoch(), new.epoch());
        if self.manager.epoch() - since <= self.history || since == epoch {
            assert!(changes.is_complete(), "{since} to {epoch}, history {}", self.history);
            self.check_named(&changes, since as usize..epoch as usize);
        }
        let error = old.changed_since(new.epoch() + 1).unwrap_err();
        assert_eq!(error.status(), Status::Argument);
        assert!(error.to_string().contains("since_epoch"), "{error}");
    }

    /// With few updates, the answer is what the updates name, to the byte.
    fn check_named(&self, changes: &Changes, epochs: Range<usize>) {
        let named = &self.named[epochs];
        let mut covered = vec![false; self.bytes];
        changes.into_iter().for_each(|range| covered[range].fill(true));
        for (at, &covered) in covered.iter().enumerate() {
            let expected = named.iter().any(|epoch| epoch.bytes[at]);
            assert!(covered || !expected, "byte {at} was written and is not named");
            // A small state's record has room for eight ranges.
            if named.iter().all(|epoch| epoch.calls <= 1) && self.is_exact() {
                assert_eq!(covered, expected, "byte {at} was not written and is named");
            }
        }
    }

    /// Rows have more ranges than a small state's record.
    fn is_exact(&self) -> bool {
        self.bytes >= 30_000
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 48 } else { 256 }))]
    #[test]
    fn changes_cover_every_difference(
        bytes in prop_oneof![1usize..200, 1_000usize..5_000, 30_000usize..70_000],
        history in prop_oneof![Just(0u32), 1u32..6, Just(64)],
        copies in 2u32..5,
        extra in 0u32..3,
        only_worker in any::<bool>(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let worker = if only_worker { WorkerMode::Only } else { WorkerMode::Shared };
        let config = Config {
            history, copies, worker, max_extra_copies: Some(extra), watchdog: Timeout::TRY, ..Config::default()
        };
        let manager = manager(bytes, config);
        let next = Named { bytes: vec![false; bytes], calls: 0 };
        let mut run = Run {
            manager, history: history.into(), bytes, value: 0, held: Vec::new(), named: Vec::new(), next,
        };
        steps.into_iter().for_each(|step| run.take(step));
        run.synchronize();
        run.take(Step::Hold);
        let all: Vec<_> = (0..run.held.len()).collect();
        for &a in &all {
            all.iter().for_each(|&b| run.compare(a, b));
        }
    }
}

fn step_to(manager: &Manager, at: u64, value: u8) -> Front {
    manager.enqueue(at, &[value], ALWAYS).unwrap();
    manager.synchronize(ALWAYS).unwrap();
    manager.front().unwrap()
}

#[test]
fn a_front_keeps_its_changes_after_newer_epochs_and_the_managers_end() {
    let manager = manager(1000, Config { history: 4, ..Config::default() });
    let fronts: Vec<_> = (0..6).map(|at| step_to(&manager, at * 100, 1)).collect();
    let of = |epoch: usize, since: u64| fronts[epoch - 1].changed_since(since).unwrap();
    let expected = |epochs: Range<usize>| epochs.map(|at| at * 100..at * 100 + 1).collect::<Vec<_>>();
    for epoch in 1..=6 {
        for since in 0..=epoch {
            let changes = of(epoch, since as u64);
            if since >= 2 || since == epoch {
                assert_eq!(changes.ranges(), expected(since..epoch), "{since} to {epoch}");
                assert!(changes.is_complete());
            } else {
                assert_eq!(
                    (changes.ranges(), changes.is_complete()),
                    (&[Range { start: 0, end: 1000 }][..], false)
                );
            }
        }
    }
    drop(manager);
    assert_eq!(of(6, 3).ranges(), expected(3..6));
    assert!(of(6, 6).is_empty());
}

#[test]
fn a_tag_changes_nothing_and_a_committed_back_copy_everything() {
    let manager = manager(300, Config::default());
    manager.enqueue_tag(5, ALWAYS).unwrap();
    manager.synchronize(ALWAYS).unwrap();
    let tagged = manager.front().unwrap();
    let changes = tagged.changed_since(0).unwrap();
    assert!(tagged.epoch() == 1 && changes.is_empty() && changes.is_complete());
    manager.reserve_back(BackMode::Keep, ALWAYS).unwrap().commit(1).unwrap();
    manager.synchronize(ALWAYS).unwrap();
    let changes = manager.front().unwrap().changed_since(1).unwrap();
    assert_eq!((changes.ranges(), changes.is_complete()), (&[Range { start: 0, end: 300 }][..], true));
}

#[test]
fn an_empty_state_never_changes() {
    let manager = manager(0, Config::default());
    for _ in 0..100 {
        manager.enqueue_tag(5, ALWAYS).unwrap();
        manager.synchronize(ALWAYS).unwrap();
    }
    let front = manager.front().unwrap();
    for since in [0, 50, 100] {
        let changes = front.changed_since(since).unwrap();
        assert!(changes.is_empty() && changes.is_complete());
    }
}

#[test]
fn an_epoch_of_many_updates_is_named_in_bounded_form() {
    let manager = manager(1 << 20, Config::default());
    let older = manager.front().unwrap();
    // More intervals than a record, in one half of the state; then more than the log of a dirty set.
    for (count, step) in [(1000, 500), (60_000, 8)] {
        let before = manager.front().unwrap();
        for at in 0..count {
            manager.enqueue(at * 7 % count * step + 100, &[before[0] + 1], ALWAYS).unwrap();
        }
        manager.enqueue(0, &[before[0] + 1], ALWAYS).unwrap();
        manager.synchronize(ALWAYS).unwrap();
        let front = manager.front().unwrap();
        let changes = front.changed_since(before.epoch()).unwrap();
        check(&front, &before, &changes);
        assert!(changes.is_complete() && changes.ranges().len() <= 512);
        let end = (count * step + 100) as usize;
        assert!(changes.ranges().last().unwrap().end <= end + 64, "within the extent of the updates");
        check(&front, &older, &front.changed_since(0).unwrap());
    }
    // Many epochs with as many ranges as a record has.
    for round in 0..6u64 {
        for at in 0..256 {
            manager.enqueue(at * 4000 + round * 300, &[77], ALWAYS).unwrap();
        }
        manager.synchronize(ALWAYS).unwrap();
    }
    let front = manager.front().unwrap();
    let changes = front.changed_since(0).unwrap();
    check(&front, &older, &changes);
    assert!(changes.is_complete() && changes.ranges().len() <= 512);
}

#[test]
fn a_typed_front_counts_in_elements() {
    let manager = Manager::<[f32; 3]>::new(&[100]).unwrap();
    manager.enqueue(5, &[[1.0; 3], [2.0; 3]], ALWAYS).unwrap();
    manager.synchronize(ALWAYS).unwrap();
    manager.as_untyped().enqueue(90 * 12, &[1; 12], ALWAYS).unwrap();
    manager.enqueue(7, &[[3.0; 3]], ALWAYS).unwrap();
    manager.synchronize(ALWAYS).unwrap();
    let front = manager.front().unwrap();
    assert_eq!(front.changed_since(0).unwrap().ranges(), [5..8, 90..91]);
    assert_eq!(front.changed_since(1).unwrap().ranges(), [7..8, 90..91]);
}

#[test]
fn a_device_front_names_the_same_changes() {
    let device = Device::host(HostConfig::default()).unwrap();
    let manager = manager(1000, Config { device: Some(&device), ..Config::default() });
    manager.enqueue(10, &[1; 5], ALWAYS).unwrap();
    manager.enqueue(700, &[1; 9], ALWAYS).unwrap();
    manager.synchronize(ALWAYS).unwrap();
    let front = manager.device_front().unwrap();
    let changes = front.changed_since(0).unwrap();
    assert_eq!(changes, manager.front().unwrap().changed_since(0).unwrap());
    assert_eq!(changes.ranges(), [10..15, 700..709]);
    front.release().unwrap();
}

#[test]
fn the_history_is_checked() {
    for (history, fine) in
        [(0, true), (1, true), (MAX_HISTORY, true), (MAX_HISTORY + 1, false), (u32::MAX, false)]
    {
        let config = Config { history, ..Config::default() };
        let result = Manager::untyped_with_config(DType::U8, &[1], config).map(|_| ()).map_err(Error::from);
        assert_eq!(result.is_ok(), fine, "{history}");
        if let Err(error) = result {
            assert!(
                error.status() == Status::Argument && error.to_string().contains("history = "),
                "{error}"
            );
        }
    }
}

/// The byte at each place is the epoch that wrote it last, so that a query shows whether it has missed one.
#[test]
fn queries_race_publishes_and_miss_nothing() {
    const BYTES: usize = 4096;
    let manager = manager(BYTES, Config { history: 3, ..Config::default() });
    let (stop, complete) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut older = manager.front().unwrap();
                let mut mirror = older.to_vec();
                while !stop.load(Relaxed) {
                    let front = manager.front().unwrap();
                    let changes = front.changed_since(older.epoch()).unwrap();
                    for range in &changes {
                        mirror[range.clone()].copy_from_slice(&front[range]);
                    }
                    assert!(mirror == *front.bytes(), "{changes:?} since {}", older.epoch());
                    if changes.is_complete() && front.epoch() > older.epoch() {
                        complete.fetch_add(1, Relaxed);
                    }
                    older = front;
                }
            });
        }
        let mut epoch = 0u64;
        // The bound ends a run in which the history covers nothing, or a reader has failed.
        while (complete.load(Relaxed) < 300 || epoch < 5_000) && epoch < 5_000_000 {
            epoch += 1;
            for part in 0..1 + epoch % 12 {
                let at = (epoch * 37 + part * 331) % (BYTES as u64 - 8);
                manager.enqueue(at, &epoch.to_ne_bytes(), ALWAYS).unwrap();
            }
            manager.synchronize(ALWAYS).unwrap();
            if epoch.is_multiple_of(64) {
                std::thread::yield_now();
            }
        }
        stop.store(true, Relaxed);
    });
    assert!(complete.load(Relaxed) >= 300);
}
