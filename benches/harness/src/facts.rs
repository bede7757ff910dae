//! Costs of the machine that decide most figures: a wake-up, a cache line between cores, a compare-and-swap, copies.

use crate::limits::{CasAndStore, Futex, Memcpy, TwoLineBounce};
use crate::machine::Cores;
use crate::measure::{Effort, Entry, alternate};
use crate::spsc::scenario::{RoundTrip, Scenario, Timed, Wake};
use serde::Serialize;
use std::fmt::{Display, Formatter, Result};
use std::fs::read_to_string;
use std::time::Duration;

/// Measured before the rows, and reported beside them.
#[derive(Serialize)]
pub struct Facts {
    /// From a futex wake-up until the sleeper runs, one way, on another core.
    wake_us: Option<f64>,
    /// One cache line from core to core, one way.
    line_ns: Option<f64>,
    /// A compare-and-swap and a store on a line that no other core uses.
    cas_and_store_ns: f64,
    /// `memcpy` of 64 MiB, which no cache holds, and of 64 KiB.
    copy_64m_gb_s: f64,
    copy_64k_gb_s: f64,
    /// Whether the two measured CPUs are hyper-threads of one core, if the kernel says so.
    siblings: Option<bool>,
}

/// Long enough for the sleeper to be asleep.
const PAUSE: Duration = Duration::from_micros(500);
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

impl Facts {
    pub fn measure(cores: &Cores, effort: &Effort) -> Facts {
        cores.place(true);
        let effort = Effort { row: effort.row / 5, ..*effort };
        let of = |mut entry: Entry<'static>, burst: Duration| {
            alternate(std::slice::from_mut(&mut entry), &Effort { burst, ..effort });
            entry.median()
        };
        let copy = |bytes: usize, burst: Duration| {
            let mut memcpy = Memcpy::new(bytes, bytes);
            let seconds = of(Entry::new("copy", move |cycles| memcpy.burst(cycles)), burst);
            bytes as f64 / seconds / 1e9
        };
        let wake = |second_cpu| {
            let run = Wake { pause: PAUSE, second_cpu }.prepare(&Futex)?;
            Some(of(Entry::new("wake", run), 20 * PAUSE) * 1e6)
        };
        let line = |second_cpu| {
            let run = RoundTrip::new(Timed::Mean, false, second_cpu).prepare(&TwoLineBounce)?;
            Some(of(Entry::new("line", run), effort.burst) / 2.0 * 1e9)
        };
        let mut cas = CasAndStore::default();
        Facts {
            wake_us: cores.worker.and_then(wake),
            line_ns: cores.worker.and_then(line),
            cas_and_store_ns: of(Entry::new("cas", move |cycles| cas.burst(cycles)), effort.burst) * 1e9,
            copy_64m_gb_s: copy(64 * MIB, effort.burst * 10),
            copy_64k_gb_s: copy(64 * KIB, effort.burst),
            siblings: cores.worker.and_then(|worker| siblings(cores.caller, worker)),
        }
    }
}

/// Whether two CPUs share a core.
fn siblings(one: usize, other: usize) -> Option<bool> {
    let list = |cpu: usize| {
        read_to_string(format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")).ok()
    };
    Some(list(one)? == list(other)?)
}

impl Display for Facts {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "Machine: ")?;
        if let Some(wake) = self.wake_us {
            write!(f, "a wake-up {wake:.1} us, ")?;
        }
        if let Some(line) = self.line_ns {
            write!(f, "a cache line between cores {line:.0} ns, ")?;
        }
        let (cas, large, small) = (self.cas_and_store_ns, self.copy_64m_gb_s, self.copy_64k_gb_s);
        write!(f, "a compare-and-swap and a store {cas:.1} ns, ")?;
        write!(f, "memcpy {large:.1} GB/s of 64 MiB and {small:.1} GB/s of 64 KiB")?;
        match self.siblings {
            Some(true) => writeln!(f, "; both CPUs are hyper-threads of one core"),
            Some(false) => writeln!(f, "; the CPUs are different cores"),
            None => writeln!(f),
        }
    }
}
