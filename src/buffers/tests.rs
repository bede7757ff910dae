//! The rules of mapping against a plain model, and what the other parts of the library rely on.

use proptest::prelude::*;

use super::desc::BufferDesc;
use super::machine::{BufferState, Machine};
use crate::device::driver::{MapMode, Usage};
use crate::error::Status;

/// What may be asked of a buffer of 64 bytes.
#[derive(Clone, Debug)]
enum Step {
    Map(MapMode, u64, Option<u64>),
    Answer(bool),
    /// An answer to the request before the last one.
    Late,
    Unmap,
    Destroy,
    Lend(u64, Option<u64>, bool),
    GiveBack,
    Use,
}

const SIZE: u64 = 64;

/// Who owns each byte, and nothing cleverer than that.
#[derive(Debug)]
struct Model {
    usage: Usage,
    state: BufferState,
    mode: MapMode,
    mapped: std::ops::Range<u128>,
    lent: Vec<(std::ops::Range<u128>, bool)>,
}

impl Model {
    fn fits(offset: u64, size: Option<u64>, limit: &std::ops::Range<u128>) -> Option<std::ops::Range<u128>> {
        let begin = u128::from(offset);
        let end = size.map_or(limit.end.max(begin), |size| begin + u128::from(size));
        let aligned = begin.is_multiple_of(8) && (end - begin).is_multiple_of(4);
        (aligned && begin >= limit.start && end <= limit.end).then_some(begin..end)
    }

    /// Whether it is accepted.
    fn map(&mut self, mode: MapMode, offset: u64, size: Option<u64>) -> bool {
        let may = match mode {
            MapMode::Read => Usage::MAP_READ,
            MapMode::Write => Usage::MAP_WRITE,
        };
        let window = Model::fits(offset, size, &(0..u128::from(SIZE)));
        match window {
            Some(window) if self.state == BufferState::Ready && self.usage.contains(may) => {
                (self.state, self.mode, self.mapped) = (BufferState::MapPending, mode, window);
                true
            }
            _ => false,
        }
    }

    fn lend(&mut self, offset: u64, size: Option<u64>, writable: bool) -> bool {
        if self.state != BufferState::Mapped || writable && self.mode == MapMode::Read {
            return false;
        }
        let Some(range) = Model::fits(offset, size, &self.mapped) else { return false };
        let clash = self.lent.iter().any(|(other, written)| {
            (writable || *written) && !(range.start >= other.end || other.start >= range.end)
        });
        if !clash {
            self.lent.push((range, writable));
        }
        !clash
    }

    fn end(&mut self, state: BufferState) {
        self.state = state;
        self.lent.clear();
    }
}

fn offsets() -> impl Strategy<Value = u64> {
    prop_oneof![4 => (0..=9u64).prop_map(|at| at * 8), 1 => 0..=70u64, 1 => Just(u64::MAX - 7), 1 => Just(u64::MAX)]
}

fn sizes() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![
        2 => Just(None),
        4 => (0..=17u64).prop_map(|at| Some(at * 4)),
        1 => (0..=70u64).prop_map(Some),
        1 => Just(Some(u64::MAX - 3)),
        1 => Just(Some(u64::MAX)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let mode = || prop_oneof![Just(MapMode::Read), Just(MapMode::Write)];
    prop_oneof![
        4 => (mode(), offsets(), sizes()).prop_map(|(mode, offset, size)| Step::Map(mode, offset, size)),
        3 => any::<bool>().prop_map(Step::Answer),
        1 => Just(Step::Late),
        2 => Just(Step::Unmap),
        1 => Just(Step::Destroy),
        6 => (offsets(), sizes(), any::<bool>()).prop_map(|(offset, size, write)| Step::Lend(offset, size, write)),
        1 => Just(Step::GiveBack),
        1 => Just(Step::Use),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_does_as_the_model(
        usage in prop_oneof![
            Just(Usage::MAP_READ | Usage::COPY_DST), Just(Usage::MAP_WRITE | Usage::COPY_SRC), Just(Usage::VERTEX)
        ],
        mapped_at_creation: bool,
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut machine = Machine::new(&BufferDesc { size: SIZE, usage, mapped_at_creation, label: "" });
        prop_assert_eq!(machine.state(), BufferState::Uninitialized);
        machine.created(mapped_at_creation);
        let state = if mapped_at_creation { BufferState::Mapped } else { BufferState::Ready };
        let mut model = Model { usage, state, mode: MapMode::Write, mapped: 0..u128::from(SIZE), lent: Vec::new() };
        let (mut request, mut before, mut numbers) = (0, 0, Vec::new());
        for step in steps {
            match step {
                Step::Map(mode, offset, size) => {
                    let asked = machine.request(mode, offset, size);
                    prop_assert_eq!(asked.is_ok(), model.map(mode, offset, size), "{:?}: {:?}", step, asked);
                    if let Ok(number) = asked {
                        (before, request) = (request, number);
                    }
                }
                Step::Answer(good) => {
                    let pending = model.state == BufferState::MapPending;
                    let taken = if good { machine.mapped(request) } else { machine.not_mapped(request) };
                    prop_assert_eq!(taken, pending);
                    if pending {
                        model.state = if good { BufferState::Mapped } else { BufferState::Ready };
                    }
                }
                Step::Late => prop_assert!(!machine.mapped(before) && !machine.not_mapped(before)),
                Step::Unmap => {
                    machine.unmap();
                    if model.state != BufferState::Destroyed {
                        model.end(BufferState::Ready);
                    }
                    numbers.clear();
                }
                Step::Destroy => {
                    prop_assert_eq!(machine.destroy(), model.state != BufferState::Destroyed);
                    model.end(BufferState::Destroyed);
                    numbers.clear();
                }
                Step::Lend(offset, size, writable) => {
                    let lent = machine.lend(offset, size, writable);
                    prop_assert_eq!(lent.is_ok(), model.lend(offset, size, writable), "{:?}: {:?}", step, lent);
                    if let Ok((window, number)) = lent {
                        let range = &model.lent.last().unwrap().0;
                        prop_assert_eq!((u128::from(window.begin), u128::from(window.end)), (range.start, range.end));
                        numbers.push(number);
                    }
                }
                Step::GiveBack => {
                    if !numbers.is_empty() {
                        machine.give_back(numbers.remove(0));
                        model.lent.remove(0);
                    }
                }
                Step::Use => {
                    let usable = machine.usable("from", "mesh");
                    prop_assert_eq!(usable.is_ok(), model.state == BufferState::Ready);
                    if let Err(error) = usable {
                        prop_assert_eq!(error.status(), Status::State);
                        prop_assert!(error.to_string().starts_with("from = 'mesh': "));
                    }
                }
            }
            prop_assert_eq!(machine.state(), model.state);
        }
    }
}
