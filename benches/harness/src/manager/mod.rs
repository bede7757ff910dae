//! The rows of the manager: scenario, state size, and CPUs of caller and worker.

mod probe;
mod scenario;
mod small_state;
mod subject;

use crate::figures::Figures;
use crate::limits::{CasAndStore, Futex, Memcpy, WriteAndMemcpy};
use crate::measure::{Burst, Effort, Entry, alternate};
use crate::spsc::scenario::{Scenario as _, Wake};
use crate::{Bench, NO_LIBRARY};
use peer::worker::pin;
use scenario::{Fronts, Places, Scenario, Timed, TwoProducers, Workload, check, offsets};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::time::{Duration, Instant};
use subject::{Any, Maker, Ours, State, Subject as _};

pub struct Manager<'a> {
    bench: &'a Bench,
    peers: Vec<Maker>,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// State size of streams and of rows without a size: two copies fit a second-level cache.
const STATE: u64 = 256 * KIB;
/// Long enough for any worker to be asleep.
const PAUSE: Duration = Duration::from_micros(500);

#[derive(Clone, Copy, PartialEq)]
enum Placement {
    Same,
    Split,
    Free,
}

impl<'a> Manager<'a> {
    pub fn new(bench: &'a Bench) -> Manager<'a> {
        Manager { bench, peers: subject::peers() }
    }

    /// All subjects of a row, ours first.
    fn makers(&self) -> impl Iterator<Item = Maker> {
        self.bench.api.map(Maker::Ours).into_iter().chain(self.peers.iter().copied())
    }

    /// In a child process: prints the peak memory of one subject.
    pub fn print_memory(&self, name: &str) {
        probe::print_memory(self.makers(), name);
    }

    /// Measures one row, named without its module; the error is the reason why it cannot run here.
    pub fn measure(&self, name: &str) -> Result<Figures, String> {
        use Places::*;
        use Timed::*;
        let (row, placement) = match name.rsplit_once('.') {
            Some((row, "same")) => (row, Placement::Same),
            Some((row, "split")) => (row, Placement::Split),
            _ if name == "stream.8.starved" => (name, Placement::Free),
            _ => (name, Placement::Split),
        };
        let run = Run { manager: self, bench: self.bench, name, placement };
        match row {
            "enqueue.8" => run.work(64 * KIB, 8, 8192, InOrder, Update),
            "stream.8.1" => run.work(STATE, 8, 1, Random, Update),
            "stream.8.100" => run.work(STATE, 8, 100, Random, Update),
            "stream.8.10000" => run.work(STATE, 8, 10_000, Random, Update),
            "stream.64.10000" => run.work(STATE, 64, 10_000, Random, Update),
            "stream.1024.10000" => run.work(STATE, 1024, 10_000, Random, Update),
            "stream.65536.10000" => run.work(STATE, 65_536, 10_000, Random, Update),
            "sync_empty" => run.work(STATE, 8, 0, Random, Cycle),
            "sync_1000" => run.work(STATE, 8, 1000, Random, Synchronize),
            "sync_worker.hot" => run.flush(None),
            "sync_worker.cold" => run.flush(Some(PAUSE)),
            "dirty.1m.1pct.sync" => run.work(MIB, 64, 164, Random, Synchronize),
            "dirty.1m.1pct.cycle" => run.work(MIB, 64, 164, Random, Cycle),
            "rewrite.1m.cycle" => run.work(MIB, SLICE, MIB as usize / SLICE, InOrder, Cycle),
            "rewrite.1m.sync" => run.work(MIB, SLICE, MIB as usize / SLICE, InOrder, Synchronize),
            "publish.64m.64" => run.work(64 * MIB, 64, 1, Random, Cycle),
            "scatter.16000" => run.work(16 * MIB, 8, 16_000, Scattered, Processor),
            "scatter.64000" => run.work(16 * MIB, 8, 64_000, Scattered, Processor),
            "back.range.64m" => run.back_range(),
            "stream.8.starved" => run.starved(),
            "two_producers.64" => run.two_producers(),
            "front" => run.fronts(),
            "read.64" => small_state::measure(self.bench),
            "memory.64m" => probe::memory(self.makers()),
            "viewers.3" => probe::viewers(self.bench.api.ok_or(NO_LIBRARY)?, self.bench.effort.row),
            "idle_cpu" => probe::idle(self.bench.api.ok_or(NO_LIBRARY)?, self.bench.effort.row),
            _ => Err("no such row in the harness".into()),
        }
    }
}

impl Manager<'_> {
    /// Measures one row of fields, named without its module: updates of a field in the middle against those of a manager without
    /// fields.
    pub fn measure_fields(&self, name: &str) -> Result<Figures, String> {
        const STATE: u64 = 64 * KIB;
        let size = match name {
            "enqueue.8" => 8,
            _ => return Err("no such row in the harness".into()),
        };
        let api = self.bench.api.ok_or(NO_LIBRARY)?;
        self.bench.cores.place(true);
        let state = State { bytes: STATE, worker_cpu: Some(self.bench.cores.caller), flush: None };
        let workload = Workload::new(STATE, size, STATE as usize / size, Places::InOrder, Timed::Update);
        let subjects = [("ours", Ours::field(api, &state, 8, 3)), (PLAIN_MANAGER, Ours::create(api, &state))];
        let mut entries = subjects
            .each_ref()
            .map(|(name, subject)| Entry::new(*name, |cycles| workload.burst(subject, cycles)));
        alternate(&mut entries, &self.bench.effort);
        Ok(Figures::of(&entries, Vec::new()))
    }
}

/// The manager without fields in the rows of fields.
const PLAIN_MANAGER: &str = "manager.enqueue.8.same";

/// Size of the slices in which a rewrite of the whole state is enqueued.
const SLICE: usize = 65_536;

struct Run<'a> {
    manager: &'a Manager<'a>,
    bench: &'a Bench,
    name: &'a str,
    placement: Placement,
}

impl Run<'_> {
    fn work(
        &self,
        state: u64,
        size: usize,
        per_sync: usize,
        places: Places,
        timed: Timed,
    ) -> Result<Figures, String> {
        let workload = Workload::new(state, size, per_sync, places, timed);
        self.compare(&self.state(state)?, &workload, (size, per_sync), self.bench.effort)
    }

    /// Ours has a flush callback that must run on the worker; it is compared with peers that always use a worker.
    fn flush(&self, pause: Option<Duration>) -> Result<Figures, String> {
        let mut workload = Workload::new(STATE, 8, 1, Places::Random, Timed::Synchronize);
        let mut effort = self.bench.effort;
        if let Some(pause) = pause {
            workload = workload.pausing(pause);
            effort.burst = pause * 20;
        }
        let state = State { flush: Some(count_flush), ..self.state(STATE)? };
        let before = FLUSHES.load(Relaxed);
        let figures = self.compare(&state, &workload, (8, 1), effort)?;
        match FLUSHES.load(Relaxed) == before && figures.ours.is_some() {
            true => Err("the flush callback was not called".into()),
            false => Ok(figures),
        }
    }

    fn two_producers(&self) -> Result<Figures, String> {
        let state = self.state(STATE)?;
        let second = state.worker_cpu.ok_or("needs two cores")?;
        self.compare(&state, &TwoProducers::new(STATE, 64, second), (64, 500), self.bench.effort)
    }

    /// An epoch of one element after one row of the reserved back copy was written and marked.
    fn back_range(&self) -> Result<Figures, String> {
        const ROW: u64 = 4 * KIB;
        let state = State { bytes: 64 * MIB, worker_cpu: Some(self.bench.cores.caller), flush: None };
        let ours = Ours::create(self.bench.api.ok_or(NO_LIBRARY)?, &state);
        if !ours.marks_ranges() {
            return Err("the library has no bb_manager_mark_written".into());
        }
        self.bench.cores.place(true);
        let (mut row, mut value) = (0, 0_u8);
        let mut entries = [Entry::new("ours", |cycles| {
            let mut time = Duration::ZERO;
            for _ in 0..cycles {
                row = (row + 977) % (state.bytes / ROW);
                value = value.wrapping_add(1);
                ours.write_back(row * ROW, ROW, value);
                ours.synchronize();
                let started = Instant::now();
                ours.enqueue(8 * row, &[value; 8]);
                ours.synchronize();
                time += started.elapsed();
                ours.front(|data| {
                    // SAFETY: a byte of the front, which is held.
                    assert_eq!(
                        unsafe { *data.add((row * ROW + ROW - 1) as usize) },
                        value,
                        "the row is lost"
                    );
                });
            }
            Burst { time, units: cycles }
        })];
        alternate(&mut entries, &self.bench.effort);
        Ok(Figures::of(&entries, Vec::new()))
    }

    fn fronts(&self) -> Result<Figures, String> {
        self.compare(&self.state(STATE)?, &Fronts, (8, 100), self.bench.effort)
    }

    /// Every core is busy with other work; caller and worker are not pinned.
    fn starved(&self) -> Result<Figures, String> {
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for &cpu in &self.bench.cores.all {
                let ended = &ended;
                scope.spawn(move || {
                    pin(cpu as i32);
                    while !ended.load(Relaxed) {
                        std::hint::black_box(0);
                    }
                });
            }
            let workload = Workload::new(STATE, 8, 10_000, Places::Random, Timed::Update);
            // Several time slices of the scheduler.
            let effort = Effort { burst: Duration::from_millis(60), ..self.bench.effort };
            let result = self.compare(&self.state(STATE)?, &workload, (8, 500), effort);
            ended.store(true, Relaxed);
            result
        })
    }

    fn state(&self, bytes: u64) -> Result<State, String> {
        let cores = &self.bench.cores;
        let worker_cpu = match self.placement {
            Placement::Same => Some(cores.caller),
            Placement::Split => Some(cores.worker.ok_or("needs two cores")?),
            Placement::Free => None,
        };
        Ok(State { bytes, worker_cpu, flush: None })
    }

    /// Checks every subject, then measures them in alternation, together with the limits of the row.
    fn compare(
        &self,
        state: &State,
        scenario: &impl Scenario,
        (size, per_sync): (usize, usize),
        effort: Effort,
    ) -> Result<Figures, String> {
        self.bench.cores.place(self.placement != Placement::Free);
        let mut wrong = Vec::new();
        let mut subjects: Vec<(&str, Any)> = Vec::new();
        let eligible = |maker: &Maker| state.flush.is_none() || maker.has_worker();
        for maker in self.manager.makers().filter(eligible) {
            let subject = maker.make(state);
            match check(&subject, state.bytes, size, per_sync, maker.persists()) {
                Ok(()) => subjects.push((maker.name(), subject)),
                Err(error) => wrong.push(format!("{}: {error}", maker.name())),
            }
        }
        let mut entries: Vec<Entry> = subjects
            .iter()
            .map(|(name, subject)| Entry::new(*name, |cycles| scenario.run(subject, cycles)))
            .collect();
        entries.extend(self.limit(state));
        alternate(&mut entries, &effort);
        Ok(Figures::of(&entries, wrong))
    }

    fn limit(&self, state: &State) -> Option<Entry<'static>> {
        match self.name {
            "enqueue.8.same" => {
                let mut cas = CasAndStore::default();
                Some(Entry::new("limit.cas_and_store", move |cycles| cas.burst(cycles)))
            }
            "stream.65536.10000.split" => {
                let mut memcpy = Memcpy::new(state.bytes as usize, SLICE);
                let slices = state.bytes / SLICE as u64;
                Some(Entry::new("limit.memcpy", move |updates| {
                    let burst = memcpy.burst(updates.div_ceil(slices));
                    Burst { units: burst.units * slices, ..burst }
                }))
            }
            "rewrite.1m.cycle" => {
                let mut memcpy = Memcpy::new(state.bytes as usize, SLICE);
                Some(Entry::new("limit.memcpy", move |cycles| memcpy.burst(cycles)))
            }
            "scatter.16000" | "scatter.64000" => {
                let updates = if self.name == "scatter.16000" { 16_000 } else { 64_000 };
                let offsets = offsets(state.bytes, 8, Places::Scattered);
                let mut limit = WriteAndMemcpy::new(state.bytes as usize, offsets, updates);
                Some(Entry::new("limit.write_and_memcpy", move |cycles| limit.burst(cycles)))
            }
            "sync_worker.cold.split" => {
                let wake = Wake { pause: PAUSE, second_cpu: state.worker_cpu? };
                Some(Entry::new("limit.futex_wake", wake.prepare(&Futex)?))
            }
            _ => None,
        }
    }
}

static FLUSHES: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" fn count_flush(_: *mut c_void) -> i32 {
    FLUSHES.fetch_add(1, Relaxed);
    0
}
