//! Epochs of scattered updates around the numbers at which their bookkeeping changes its form, against a plain array: with fronts that
//! are held for some epochs, copies that lag behind, marked ranges of the reserved back copy, and changes between all fronts.

use std::ops::Range;

use backbuf::manager::{BackMode, BufferUpdate, Config, Front, Manager};
use backbuf::{DType, Error, Status, Timeout};
use proptest::prelude::*;

const ALWAYS: Timeout = Timeout::FOREVER;

#[derive(Clone, Debug)]
enum Step {
    /// Updates at random places, by single calls or by one.
    Random {
        count: usize,
        length: usize,
        seed: u64,
        many: bool,
    },
    /// Updates at equal distances.
    Column {
        first: usize,
        pitch: usize,
        count: usize,
        length: usize,
    },
    /// Updates that follow one another.
    Sequence {
        at: usize,
        count: usize,
        length: usize,
    },
    /// The reserved back copy with ranges, which are marked.
    Marked {
        ranges: Vec<(usize, usize)>,
    },
    Cancel {
        at: usize,
    },
    Publish {
        hold: bool,
    },
    Release {
        which: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    // Around a log of few intervals, a full log, and beyond.
    let count = || prop_oneof![2 => 1usize..20, 1 => 1000usize..2000, 2 => 16_300usize..16_500, 1 => 20_000usize..60_000];
    let length = || prop_oneof![3 => Just(8usize), 1 => Just(64), 1 => 1usize..200];
    let at = any::<u32>().prop_map(|at| at as usize);
    prop_oneof![
        4 => (count(), length(), any::<u64>(), any::<bool>())
            .prop_map(|(count, length, seed, many)| Step::Random { count, length, seed, many }),
        2 => (at.clone(), 1usize..600, count(), length())
            .prop_map(|(first, pitch, count, length)| Step::Column { first, pitch, count, length }),
        2 => (at.clone(), count(), length()).prop_map(|(at, count, length)| Step::Sequence { at, count, length }),
        2 => prop::collection::vec((any::<u32>().prop_map(|at| at as usize), 0usize..300_000), 0..4)
            .prop_map(|ranges| Step::Marked { ranges }),
        1 => at.prop_map(|at| Step::Cancel { at }),
        8 => any::<bool>().prop_map(|hold| Step::Publish { hold }),
        3 => (0usize..4).prop_map(|which| Step::Release { which }),
    ]
}

struct Run {
    manager: Manager,
    state: Vec<u8>,
    value: u8,
    /// Held fronts, oldest first, and what each shows.
    held: Vec<(Front, Vec<u8>)>,
}

impl Run {
    /// Updates of `length` bytes at those places, each with a value of its own.
    fn update(&mut self, places: impl Iterator<Item = usize>, length: usize, many: bool) {
        let values: Vec<Vec<u8>> = (0..=255).map(|value| vec![value; length]).collect();
        let mut updates = Vec::new();
        for at in places {
            let at = at % self.state.len();
            let length = length.min(self.state.len() - at);
            self.value = self.value.wrapping_add(1);
            let data = &values[usize::from(self.value)][..length];
            self.state[at..at + length].copy_from_slice(data);
            updates.push(BufferUpdate { byte_offset: at as u64, data });
        }
        if many {
            self.manager.enqueue_updates(&updates, ALWAYS).unwrap();
        } else {
            for update in updates {
                self.manager.enqueue(update.byte_offset, update.data, ALWAYS).unwrap();
            }
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Random { count, length, mut seed, many } => {
                let places = std::iter::repeat_with(move || {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (seed >> 33) as usize
                });
                self.update(places.take(count), length, many);
            }
            Step::Column { first, pitch, count, length } => {
                self.update((0..count).map(|row| first + row * pitch), length, false);
            }
            Step::Sequence { at, count, length } => {
                self.update((0..count).map(|turn| at + turn * length), length, false);
            }
            Step::Marked { ranges } => self.mark(&ranges),
            Step::Cancel { at } => {
                let at = at % self.state.len();
                let mut back = self.manager.reserve_back(BackMode::Keep, ALWAYS).unwrap();
                back.bytes_mut()[at..].fill(0xee);
                back.mark_written(at..at + 1).unwrap();
            }
            Step::Publish { hold } => self.publish(hold),
            Step::Release { which } => {
                if which < self.held.len() {
                    self.held.remove(which);
                }
            }
        }
    }

    fn mark(&mut self, ranges: &[(usize, usize)]) {
        let mut back = self.manager.reserve_back(BackMode::Keep, ALWAYS).unwrap();
        assert!(*back.bytes_mut() == self.state[..], "the reserved back copy is the state");
        for &(at, length) in ranges {
            let at = at % self.state.len();
            let range = at..(at + length).min(self.state.len());
            self.value = self.value.wrapping_add(1);
            back.bytes_mut()[range.clone()].fill(self.value);
            self.state[range.clone()].fill(self.value);
            // A refused call marks nothing and leaves the reservation.
            let refused = back.mark_written(range.start..self.state.len() + 1).unwrap_err();
            assert_eq!(refused.status(), Status::Range);
            back.mark_written(range).unwrap();
        }
        if ranges.is_empty() {
            back.mark_written(0..0).unwrap();
        }
        back.commit(7).unwrap();
    }

    fn publish(&mut self, hold: bool) {
        self.manager.synchronize(ALWAYS).unwrap();
        let front = self.manager.front().unwrap();
        assert!(front.bytes() == self.state, "the front of epoch {} is the state", front.epoch());
        for (older, content) in &self.held {
            assert!(older.bytes() == content, "the front of epoch {} does not change", older.epoch());
            let changes = front.changed_since(older.epoch()).unwrap();
            assert!(changes.is_complete());
            let mut rest = 0;
            for range in &changes {
                assert!(
                    content[rest..range.start] == self.state[rest..range.start],
                    "in {rest}..{}",
                    range.start
                );
                rest = range.end;
            }
            assert!(content[rest..] == self.state[rest..], "after {rest}");
        }
        if hold && self.held.len() < 4 {
            self.held.push((front, self.state.clone()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]
    #[test]
    fn scattered_updates_reach_every_front(
        bytes in prop_oneof![Just(262_144usize), 100_000usize..400_000, 1_000_000usize..1_500_000],
        copies in 2u32..5,
        steps in prop::collection::vec(step(), 4..30),
    ) {
        let config = Config { copies, history: 64, max_extra_copies: Some(5), ..Config::default() };
        let manager = Manager::untyped_with_config(DType::U8, &[bytes as u64], config).map_err(Error::from).unwrap();
        let mut run = Run { manager, state: vec![0; bytes], value: 0, held: Vec::new() };
        steps.into_iter().for_each(|step| run.take(step));
        run.publish(false);
    }
}

#[test]
fn marked_ranges_are_all_that_changes() {
    const BYTES: usize = 8 << 20;
    let manager = Manager::untyped(DType::U8, &[BYTES as u64]).unwrap();
    let first = manager.front().unwrap();
    let mut back = manager.reserve_back(BackMode::Keep, ALWAYS).unwrap();
    back.bytes_mut()[4096..8192].fill(3);
    back.mark_written(4096..8192).unwrap();
    back.commit(1).unwrap();
    manager.synchronize(ALWAYS).unwrap();
    let front = manager.front().unwrap();
    assert_eq!(
        (front.changed_since(first.epoch()).unwrap().ranges(), front.tag()),
        (&[Range { start: 4096, end: 8192 }][..], 1)
    );
    // The next epochs copy forward the marked bytes, and not the state.
    drop((first, front));
    for at in 0..4 {
        manager.enqueue(at, &[1], ALWAYS).unwrap();
        manager.synchronize(ALWAYS).unwrap();
    }
    assert!(manager.statistics().copied_forward_bytes < 10_000);

    let mut back = manager.reserve_back(BackMode::Discard, ALWAYS).unwrap();
    let error = back.mark_written(0..1).unwrap_err();
    assert!(error.status() == Status::State && error.to_string().contains("unspecified"), "{error}");
}
