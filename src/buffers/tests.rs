//! A property test of the map state machine against a plain model.

use proptest::prelude::*;

use crate::buffers::map_state::{BufferState, MapState};
use crate::device::driver::{MapMode, Usage};
use crate::error::Status;

/// An operation on a buffer of 64 bytes.
#[derive(Clone, Debug)]
enum MapOp {
    Map(MapMode, u64, Option<u64>),
    Complete(bool),
    /// A late completion of the request before the last one.
    LateComplete,
    Unmap,
    Destroy,
    Open(u64, Option<u64>, bool),
    Close,
    Use,
}

const SIZE: u64 = 64;

/// The state of the buffer and its open ranges, as simple as possible.
#[derive(Debug)]
struct Model {
    usage: Usage,
    state: BufferState,
    mode: MapMode,
    mapped: std::ops::Range<u128>,
    open: Vec<(std::ops::Range<u128>, bool)>,
}

impl Model {
    fn fits(offset: u64, size: Option<u64>, limit: &std::ops::Range<u128>) -> Option<std::ops::Range<u128>> {
        let begin = u128::from(offset);
        let end = size.map_or(limit.end.max(begin), |size| begin + u128::from(size));
        let aligned = begin.is_multiple_of(8) && (end - begin).is_multiple_of(4);
        (aligned && begin >= limit.start && end <= limit.end).then_some(begin..end)
    }

    /// Whether the request is accepted.
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

    fn open_range(&mut self, offset: u64, size: Option<u64>, writable: bool) -> bool {
        if self.state != BufferState::Mapped || writable && self.mode == MapMode::Read {
            return false;
        }
        let Some(range) = Model::fits(offset, size, &self.mapped) else { return false };
        let clash = self.open.iter().any(|(other, written)| {
            (writable || *written) && !(range.start >= other.end || other.start >= range.end)
        });
        if !clash {
            self.open.push((range, writable));
        }
        !clash
    }

    fn end(&mut self, state: BufferState) {
        self.state = state;
        self.open.clear();
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

fn op() -> impl Strategy<Value = MapOp> {
    let mode = || prop_oneof![Just(MapMode::Read), Just(MapMode::Write)];
    prop_oneof![
        4 => (mode(), offsets(), sizes()).prop_map(|(mode, offset, size)| MapOp::Map(mode, offset, size)),
        3 => any::<bool>().prop_map(MapOp::Complete),
        1 => Just(MapOp::LateComplete),
        2 => Just(MapOp::Unmap),
        1 => Just(MapOp::Destroy),
        6 => (offsets(), sizes(), any::<bool>()).prop_map(|(offset, size, write)| MapOp::Open(offset, size, write)),
        1 => Just(MapOp::Close),
        1 => Just(MapOp::Use),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_map_state_follows_the_model(
        usage in prop_oneof![
            Just(Usage::MAP_READ | Usage::COPY_DST), Just(Usage::MAP_WRITE | Usage::COPY_SRC), Just(Usage::VERTEX)
        ],
        mapped_at_creation: bool,
        ops in prop::collection::vec(op(), 0..40),
    ) {
        let mut state = MapState::new(SIZE, usage);
        prop_assert_eq!(state.state(), BufferState::Uninitialized);
        state.created(mapped_at_creation);
        let expected = if mapped_at_creation { BufferState::Mapped } else { BufferState::Ready };
        let mut model = Model { usage, state: expected, mode: MapMode::Write, mapped: 0..u128::from(SIZE), open: Vec::new() };
        let (mut request, mut before, mut numbers) = (0, 0, Vec::new());
        for op in ops {
            match op {
                MapOp::Map(mode, offset, size) => {
                    let begun = state.request(mode, offset, size);
                    prop_assert_eq!(begun.is_ok(), model.map(mode, offset, size), "{:?}: {:?}", op, begun);
                    if let Ok(number) = begun {
                        (before, request) = (request, number);
                    }
                }
                MapOp::Complete(good) => {
                    let pending = model.state == BufferState::MapPending;
                    let taken = if good { state.complete(request) } else { state.fail(request) };
                    prop_assert_eq!(taken, pending);
                    if pending {
                        model.state = if good { BufferState::Mapped } else { BufferState::Ready };
                    }
                }
                MapOp::LateComplete => prop_assert!(!state.complete(before) && !state.fail(before)),
                MapOp::Unmap => {
                    state.unmap();
                    if model.state != BufferState::Destroyed {
                        model.end(BufferState::Ready);
                    }
                    numbers.clear();
                }
                MapOp::Destroy => {
                    prop_assert_eq!(state.destroy(), model.state != BufferState::Destroyed);
                    model.end(BufferState::Destroyed);
                    numbers.clear();
                }
                MapOp::Open(offset, size, writable) => {
                    let opened = state.open_range(offset, size, writable);
                    prop_assert_eq!(opened.is_ok(), model.open_range(offset, size, writable), "{:?}: {:?}", op, opened);
                    if let Ok((bytes, number)) = opened {
                        let range = &model.open.last().unwrap().0;
                        prop_assert_eq!((u128::from(bytes.begin), u128::from(bytes.end)), (range.start, range.end));
                        numbers.push(number);
                    }
                }
                MapOp::Close => {
                    if !numbers.is_empty() {
                        state.close_range(numbers.remove(0));
                        model.open.remove(0);
                    }
                }
                MapOp::Use => {
                    let usable = state.check_usable("from", "mesh");
                    prop_assert_eq!(usable.is_ok(), model.state == BufferState::Ready);
                    if let Err(error) = usable {
                        prop_assert_eq!(error.status(), Status::State);
                        prop_assert!(error.to_string().starts_with("from = 'mesh': "));
                    }
                }
            }
            prop_assert_eq!(state.state(), model.state);
        }
    }
}
