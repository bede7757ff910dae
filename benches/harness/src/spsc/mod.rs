//! The rows of the ring: transfers between two cores, through ours and the peers.

pub mod inline;
pub mod scenario;
pub mod subject;

use crate::Bench;
use crate::figures::Figures;
use crate::limits::{CrossCoreCopy, Futex, TwoLineBounce};
use crate::measure::{Effort, Entry, alternate};
use inline::InlineTransfer;
use rings::{bbqueue::Bbqueue, gil::Gil, ringbuf::Ringbuf, rtrb::Rtrb};
use scenario::{Idle, RoundTrip, Scenario, Throughput, Timed, Wake, check};
use std::time::Duration;
use subject::{Direct, Foreigners, Inlined, Ours, Publish, Subject};

pub struct Spsc<'a> {
    bench: &'a Bench,
    foreign: Foreigners,
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// Chunk size from which on the copies take most of the time.
const BOUND_BY_COPIES: usize = 4096;
/// Long enough for any receiver to be asleep.
const PAUSE: Duration = Duration::from_micros(500);

impl<'a> Spsc<'a> {
    pub fn new(bench: &'a Bench) -> Spsc<'a> {
        Spsc { bench, foreign: Foreigners::open() }
    }

    /// Measures one row, named without its module; the error is the reason why it cannot run here.
    pub fn measure(&self, row: &str) -> Result<Figures, String> {
        use Publish::*;
        let burst = self.bench.effort.burst;
        match row {
            "throughput.1.64k" => self.throughput(1, 64 * KIB, Each),
            "throughput.8.64k" => self.throughput(8, 64 * KIB, Each),
            "feed.8.64k" => self.throughput(8, 64 * KIB, Every(32)),
            "writer.8.64k" => self.writer(8),
            "writer.64.64k" => self.writer(64),
            "throughput.64.64k" => self.throughput(64, 64 * KIB, Each),
            "throughput.64.1m" => self.throughput(64, MIB, Each),
            "throughput.512.64k" => self.throughput(512, 64 * KIB, Each),
            "throughput.512.1m" => self.throughput(512, MIB, Each),
            "throughput.4096.64k" => self.throughput(4096, 64 * KIB, Each),
            "throughput.4096.1m" => self.throughput(4096, MIB, Each),
            "throughput.65536.64k" => self.throughput(65_536, 64 * KIB, Each),
            "throughput.65536.1m" => self.throughput(65_536, MIB, Each),
            "rtt.busy" => self.round_trip(),
            "rtt.blocking" => self.blocking_round_trip(Timed::Mean, burst),
            "rtt.blocking.p99" => self.blocking_round_trip(Timed::P99, 5 * burst),
            "send_idle" => self.send_idle(),
            "wake" => self.wake(),
            _ => Err("no such row in the harness".into()),
        }
    }

    fn throughput(&self, chunk: usize, capacity: usize, publish: Publish) -> Result<Figures, String> {
        let scenario = Throughput { capacity, chunk, second_cpu: self.second_cpu()? };
        let mut row = self.row(scenario, Peers::Polling, publish);
        if publish == Publish::Each {
            row.add("backbuf_rust", &Direct);
        }
        row.add("rtrb", &Inlined::<Rtrb>::NEW);
        row.add("ringbuf", &Inlined::<Ringbuf>::NEW);
        row.add("bbqueue", &Inlined::<Bbqueue>::NEW);
        row.add("gil", &Inlined::<Gil>::NEW);
        if chunk >= BOUND_BY_COPIES {
            row.time("limit.cross_core_copy", &CrossCoreCopy, scenario);
        }
        Ok(self.alternate(row, self.bench.effort.burst))
    }

    /// Records through the inline writer and reader; the peers as in `throughput`.
    fn writer(&self, record: usize) -> Result<Figures, String> {
        let scenario = Throughput { capacity: 64 * KIB, chunk: record, second_cpu: self.second_cpu()? };
        let mut row = self.peers(scenario, Peers::Polling);
        if let Some(transfer) = self.bench.api.and_then(InlineTransfer::open) {
            row.entries.push(Entry::new("ours", transfer.prepare(scenario)));
        }
        row.add("rtrb", &Inlined::<Rtrb>::NEW);
        row.add("ringbuf", &Inlined::<Ringbuf>::NEW);
        row.add("bbqueue", &Inlined::<Bbqueue>::NEW);
        row.add("gil", &Inlined::<Gil>::NEW);
        Ok(self.alternate(row, self.bench.effort.burst))
    }

    fn round_trip(&self) -> Result<Figures, String> {
        let scenario = RoundTrip::new(Timed::Mean, false, self.second_cpu()?);
        let mut row = self.row(scenario, Peers::Polling, Publish::Each);
        row.time("limit.two_line_bounce", &TwoLineBounce, scenario);
        Ok(self.alternate(row, self.bench.effort.burst))
    }

    fn blocking_round_trip(&self, timed: Timed, burst: Duration) -> Result<Figures, String> {
        let scenario = RoundTrip::new(timed, true, self.second_cpu()?);
        let busy = RoundTrip::new(timed, false, self.second_cpu()?);
        let mut row = self.row(scenario, Peers::Sleeping, Publish::Each);
        if let Some(api) = self.bench.api {
            row.time("spsc.rtt.busy", &Ours { api, publish: Publish::Each }, busy);
        }
        Ok(self.alternate(row, burst))
    }

    fn send_idle(&self) -> Result<Figures, String> {
        let scenario = Idle { second_cpu: self.second_cpu()? };
        let row = self.row(scenario, Peers::Polling, Publish::Each);
        Ok(self.alternate(row, self.bench.effort.burst))
    }

    fn wake(&self) -> Result<Figures, String> {
        let scenario = Wake { pause: PAUSE, second_cpu: self.second_cpu()? };
        let mut row = self.row(scenario, Peers::Sleeping, Publish::Each);
        row.time("limit.futex_wake", &Futex, scenario);
        Ok(self.alternate(row, 20 * PAUSE))
    }

    fn second_cpu(&self) -> Result<usize, String> {
        self.bench.cores.worker.ok_or_else(|| "needs two cores".into())
    }

    /// Ours and the peers behind C functions.
    fn row<S: Scenario>(&self, scenario: S, peers: Peers, publish: Publish) -> Row<S> {
        let mut row = self.peers(scenario, peers);
        if let Some(api) = self.bench.api {
            row.add("ours", &Ours { api, publish });
        }
        row
    }

    /// The peers behind C functions.
    fn peers<S: Scenario>(&self, scenario: S, peers: Peers) -> Row<S> {
        self.bench.cores.place(true);
        let mut row = Row { scenario, entries: Vec::new(), wrong: Vec::new() };
        for foreign in &self.foreign.all {
            match peers {
                Peers::Polling if foreign.polls() => row.add(foreign.name_of(scenario.shape().1), foreign),
                Peers::Sleeping if foreign.sleeps() => row.add(foreign.name, foreign),
                _ => {}
            }
        }
        row
    }

    fn alternate<S: Scenario>(&self, mut row: Row<S>, burst: Duration) -> Figures {
        alternate(&mut row.entries, &Effort { burst, ..self.bench.effort });
        Figures { missing: self.foreign.missing.clone(), ..Figures::of(&row.entries, row.wrong) }
    }
}

#[derive(Clone, Copy)]
enum Peers {
    /// Peers that never sleep, or can be polled.
    Polling,
    Sleeping,
}

struct Row<S> {
    scenario: S,
    entries: Vec<Entry<'static>>,
    wrong: Vec<String>,
}

impl<S: Scenario> Row<S> {
    /// Checks the subject and adds it to the row, if it accepts the row's chunks.
    fn add<T: Subject>(&mut self, name: impl Into<String>, subject: &T) {
        let name = name.into();
        match check(subject, &self.scenario) {
            Ok(()) => self.time(name, subject, self.scenario),
            Err(error) => self.wrong.push(format!("{name}: {error}")),
        }
    }

    fn time(&mut self, name: impl Into<String>, subject: &impl Subject, scenario: impl Scenario) {
        self.entries.extend(scenario.prepare(subject).map(|run| Entry::new(name, run)));
    }
}
