//! Alternating bursts of the entries of a row, and the median of each entry.

use std::time::{Duration, Instant};

/// Duration of a burst, and the number of units it has done.
#[derive(Clone, Copy)]
pub struct Burst {
    pub time: Duration,
    pub units: u64,
}

pub struct Entry<'a> {
    pub name: String,
    /// Runs a number of cycles.
    run: Box<dyn FnMut(u64) -> Burst + 'a>,
    cycles: u64,
    samples: Vec<f64>,
}

/// Time to measure: `row` for all entries of a row together, `burst` for one burst of one entry.
#[derive(Clone, Copy)]
pub struct Effort {
    pub row: Duration,
    pub burst: Duration,
    pub rounds: usize,
}

impl<'a> Entry<'a> {
    pub fn new(name: impl Into<String>, run: impl FnMut(u64) -> Burst + 'a) -> Entry<'a> {
        Entry { name: name.into(), run: Box::new(run), cycles: 1, samples: Vec::new() }
    }

    /// Runs bursts of more and more cycles until one is long enough. A delayed burst seems longer than it is, so the length is
    /// checked every time.
    fn turn(&mut self, least: Duration) -> f64 {
        loop {
            let started = Instant::now();
            let burst = (self.run)(self.cycles);
            let took = started.elapsed();
            if took * 2 >= least {
                return burst.time.as_secs_f64() / burst.units as f64;
            }
            let factor = (least.as_secs_f64() / took.as_secs_f64().max(1e-9)).clamp(1.5, 16.0);
            self.cycles = (self.cycles as f64 * factor).ceil() as u64;
        }
    }

    /// Seconds per unit.
    pub fn median(&self) -> f64 {
        quantile(&self.samples, 0.5)
    }

    /// Interquartile range over the median.
    pub fn spread(&self) -> f64 {
        (quantile(&self.samples, 0.75) - quantile(&self.samples, 0.25)) / self.median()
    }
}

/// Alternates between the entries, so that disturbances affect all entries equally.
pub fn alternate(entries: &mut [Entry], effort: &Effort) {
    // The first burst warms up.
    for entry in entries.iter_mut() {
        entry.turn(effort.burst);
    }
    let started = Instant::now();
    let mut rounds = 0;
    while rounds < effort.rounds || started.elapsed() < effort.row {
        for entry in entries.iter_mut() {
            let sample = entry.turn(effort.burst);
            entry.samples.push(sample);
        }
        rounds += 1;
    }
}

pub fn quantile(samples: &[f64], q: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let position = q * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
    low + (high - low) * position.fract()
}

/// CPU time of all threads of this process.
pub fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes the structure.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The cost of two consecutive readings of the clock.
pub fn clock_overhead() -> Duration {
    let times = 10_000;
    let total: Duration = (0..times).map(|_| Instant::now().elapsed()).sum();
    total / times
}
