//! Scenarios: the calls that a row makes on each subject.

use super::subject::{Any, Subject};
use crate::machine::start;
use crate::measure::{Burst, clock_overhead, processor_time};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering::*};
use std::time::{Duration, Instant};

pub trait Scenario {
    fn burst<S: Subject>(&self, subject: &S, cycles: u64) -> Burst;

    fn run(&self, subject: &Any, cycles: u64) -> Burst {
        match subject {
            Any::Ours(ours) => self.burst(ours, cycles),
            Any::Foreign(foreign) => self.burst(foreign, cycles),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
pub enum Timed {
    /// Updates and synchronize, per update.
    Update,
    /// Updates and synchronize, per synchronize.
    Cycle,
    /// The synchronize alone.
    Synchronize,
    /// Updates and synchronize, per synchronize, in CPU time of all threads.
    Processor,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Places {
    /// Ascending offsets, from a source as large as the state.
    InOrder,
    Random,
    /// Random, and so many that the places of an epoch do not recur in the next ones.
    Scattered,
}

/// `per_sync` updates of `size` bytes, then a synchronize: one cycle.
pub struct Workload {
    size: usize,
    per_sync: usize,
    timed: Timed,
    /// Pause before each cycle, so that the worker falls asleep.
    pause: Option<Duration>,
    places: Places,
    offsets: Box<[u32]>,
    next: Cell<usize>,
    source: Box<[u8]>,
    overhead: Duration,
}

/// Number of precomputed offsets: a power of two, so that the index wraps by a mask.
const OFFSETS: usize = 1 << 14;

/// The same for [`Places::Scattered`].
pub const SCATTERED: usize = 1 << 20;

impl Workload {
    pub fn new(state: u64, size: usize, per_sync: usize, places: Places, timed: Timed) -> Workload {
        let source = if places == Places::InOrder { state as usize } else { size };
        Workload {
            size,
            per_sync,
            timed,
            pause: None,
            places,
            offsets: offsets(state, size, places),
            next: Cell::new(0),
            source: vec![7; source].into(),
            overhead: clock_overhead(),
        }
    }

    pub fn pausing(self, pause: Duration) -> Workload {
        Workload { pause: Some(pause), ..self }
    }

    #[inline(always)]
    fn updates<S: Subject>(&self, subject: &S) {
        let mut next = self.next.get();
        let offsets = &*self.offsets;
        for _ in 0..self.per_sync {
            let offset = offsets[next & (offsets.len() - 1)];
            next += 1;
            let from = if self.places == Places::InOrder { offset as usize } else { 0 };
            subject.enqueue(offset.into(), &self.source[from..from + self.size]);
        }
        self.next.set(next);
    }
}

impl Scenario for Workload {
    fn burst<S: Subject>(&self, subject: &S, cycles: u64) -> Burst {
        let units = if self.timed == Timed::Update { cycles * self.per_sync as u64 } else { cycles };
        if self.timed == Timed::Processor {
            let started = processor_time();
            for _ in 0..cycles {
                self.updates(subject);
                subject.synchronize();
            }
            return Burst { time: processor_time() - started, units };
        }
        if self.timed != Timed::Synchronize {
            let started = Instant::now();
            for _ in 0..cycles {
                self.updates(subject);
                subject.synchronize();
            }
            return Burst { time: started.elapsed(), units };
        }
        let mut time = Duration::ZERO;
        for _ in 0..cycles {
            if let Some(pause) = self.pause {
                std::thread::sleep(pause);
            }
            self.updates(subject);
            let started = Instant::now();
            subject.synchronize();
            time += started.elapsed().saturating_sub(self.overhead);
        }
        Burst { time, units }
    }
}

/// The offsets of updates.
pub fn offsets(state: u64, size: usize, places: Places) -> Box<[u32]> {
    let slots = state / size as u64;
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let slot = |index: u64| match places {
        Places::InOrder => index % slots,
        Places::Random | Places::Scattered => {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % slots
        }
    };
    let count = if places == Places::Scattered { SCATTERED } else { OFFSETS };
    (0..count as u64).map(slot).map(|slot| (slot * size as u64) as u32).collect()
}

/// Two threads enqueue at once, then one synchronize; per update.
pub struct TwoProducers {
    pub size: usize,
    pub second_cpu: usize,
    offsets: Box<[u32]>,
}

const TURN: u64 = 1000;

impl TwoProducers {
    pub fn new(state: u64, size: usize, second_cpu: usize) -> TwoProducers {
        TwoProducers { size, second_cpu, offsets: offsets(state, size, Places::Random) }
    }

    fn produce<S: Subject>(&self, subject: &S, updates: u64, from: usize) {
        let data = vec![7; self.size];
        for next in 0..updates as usize {
            subject.enqueue(self.offsets[(next + from) & (OFFSETS - 1)].into(), &data);
        }
    }
}

impl Scenario for TwoProducers {
    fn burst<S: Subject>(&self, subject: &S, cycles: u64) -> Burst {
        let ready = AtomicU32::new(0);
        let meet = |others: u32| {
            ready.fetch_add(1, AcqRel);
            while ready.load(Acquire) < others {
                std::hint::spin_loop();
            }
        };
        let time = std::thread::scope(|scope| {
            start(scope, self.second_cpu, || {
                meet(2);
                self.produce(subject, cycles * TURN, OFFSETS / 2);
                meet(3);
            });
            meet(2);
            let started = Instant::now();
            self.produce(subject, cycles * TURN, 0);
            meet(4);
            subject.synchronize();
            started.elapsed()
        });
        Burst { time, units: 2 * cycles * TURN }
    }
}

/// Acquire and release of a front.
pub struct Fronts;

impl Scenario for Fronts {
    fn burst<S: Subject>(&self, subject: &S, cycles: u64) -> Burst {
        let started = Instant::now();
        for _ in 0..cycles {
            subject.front(std::hint::black_box);
        }
        Burst { time: started.elapsed(), units: cycles }
    }
}

/// Checks the fronts of some epochs of updates. For a subject that does not persist only the updates of the last epoch count.
pub fn check(subject: &Any, state: u64, size: usize, per_sync: usize, persists: bool) -> Result<(), String> {
    match subject {
        Any::Ours(ours) => check_one(ours, state, size, per_sync, persists),
        Any::Foreign(foreign) => check_one(foreign, state, size, per_sync, persists),
    }
}

fn check_one<S: Subject>(
    subject: &S,
    state: u64,
    size: usize,
    per_sync: usize,
    persists: bool,
) -> Result<(), String> {
    let offsets = offsets(state, size, Places::Random);
    let per_epoch = per_sync.clamp(1, 500);
    let mut model = vec![0_u8; state as usize];
    for epoch in 1..=4 {
        let places = &offsets[epoch * per_epoch..][..per_epoch];
        for (index, &offset) in places.iter().enumerate() {
            let data = vec![(31 * epoch + 7 * index) as u8; size];
            subject.enqueue(offset.into(), &data);
            model[offset as usize..][..size].copy_from_slice(&data);
        }
        subject.synchronize();
        let wrong = subject.front(|data| {
            // SAFETY: a front has the state's bytes, and is held.
            let front = unsafe { std::slice::from_raw_parts(data, state as usize) };
            let same = |at: usize, length: usize| front[at..at + length] == model[at..at + length];
            if persists {
                !same(0, front.len())
            } else {
                places.iter().any(|&offset| !same(offset as usize, size))
            }
        });
        if wrong {
            return Err(format!("the front of epoch {epoch} differs from the updates"));
        }
    }
    Ok(())
}
