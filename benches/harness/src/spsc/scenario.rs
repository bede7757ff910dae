//! Scenarios: one thread sends on the first core, another receives on the second.

use super::subject::Subject;
use crate::machine::start;
use crate::measure::{Burst, clock_overhead, quantile};
use rings::{Receiver, Sender, poll};
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

/// Runs a burst of a number of cycles.
pub type Run = Box<dyn FnMut(u64) -> Burst>;

pub trait Scenario: Copy {
    /// Capacity and chunk.
    fn shape(&self) -> (usize, usize);
    /// The core of the second thread.
    fn second_cpu(&self) -> usize;
    /// Creates the rings of a subject; None if it does not accept such chunks.
    fn prepare<S: Subject>(&self, subject: &S) -> Option<Run>;
}

#[inline(always)]
pub fn send_all(sender: &mut impl Sender, mut data: &[u8]) {
    while !data.is_empty() {
        match sender.send(data) {
            0 => spin_loop(),
            sent => data = &data[sent..],
        }
    }
}

/// Chunks from one core to the other, per byte.
#[derive(Clone, Copy)]
pub struct Throughput {
    pub capacity: usize,
    pub chunk: usize,
    pub second_cpu: usize,
}

impl Scenario for Throughput {
    fn shape(&self) -> (usize, usize) {
        (self.capacity, self.chunk)
    }

    fn second_cpu(&self) -> usize {
        self.second_cpu
    }

    fn prepare<S: Subject>(&self, subject: &S) -> Option<Run> {
        let scenario = *self;
        let (mut tx, mut rx) = subject.make(self.capacity, self.chunk)?;
        let (source, mut target) = (vec![7; self.chunk], vec![0; self.chunk]);
        Some(Box::new(move |cycles| {
            let bytes = cycles * scenario.chunk as u64;
            let (rx, target) = (&mut rx, &mut target);
            let drain = move || {
                let mut rest = bytes;
                while rest > 0 {
                    match rx.recv(target) {
                        0 => spin_loop(),
                        got => rest -= got as u64,
                    }
                }
                Instant::now()
            };
            std::thread::scope(|scope| {
                let receiver = start(scope, scenario.second_cpu, drain);
                let started = Instant::now();
                for _ in 0..cycles {
                    send_all(&mut tx, &source);
                }
                tx.flush();
                let ended = receiver.join().expect("a panic ends the program");
                Burst { time: ended - started, units: bytes }
            })
        }))
    }
}

#[derive(Clone, Copy, PartialEq)]
pub enum Timed {
    Mean,
    /// The 99th percentile of a burst.
    P99,
}

/// A word there and back, through two rings.
#[derive(Clone, Copy)]
pub struct RoundTrip {
    pub timed: Timed,
    /// Both sides sleep until there is something; else they poll.
    pub sleeping: bool,
    pub second_cpu: usize,
    pub overhead: Duration,
}

const WORD: usize = 8;
/// Of the rings that hold single words.
const SMALL: usize = 4096;

impl RoundTrip {
    pub fn new(timed: Timed, sleeping: bool, second_cpu: usize) -> RoundTrip {
        RoundTrip { timed, sleeping, second_cpu, overhead: clock_overhead() }
    }

    #[inline(always)]
    fn receive(&self, receiver: &mut impl Receiver) -> [u8; WORD] {
        let mut word = [0; WORD];
        if self.sleeping {
            receiver.wait(&mut word);
        } else {
            poll(receiver, &mut word);
        }
        word
    }
}

impl Scenario for RoundTrip {
    fn shape(&self) -> (usize, usize) {
        (SMALL, WORD)
    }

    fn second_cpu(&self) -> usize {
        self.second_cpu
    }

    fn prepare<S: Subject>(&self, subject: &S) -> Option<Run> {
        let scenario = *self;
        let (mut there, mut here) = subject.make(SMALL, WORD)?;
        let (mut back, mut home) = subject.make(SMALL, WORD)?;
        Some(Box::new(move |cycles| {
            let (here, back) = (&mut here, &mut back);
            let echo = move || {
                for _ in 0..cycles {
                    let word = scenario.receive(here);
                    back.send(&word);
                }
            };
            std::thread::scope(|scope| {
                start(scope, scenario.second_cpu, echo);
                let mut turn = |word: u64| {
                    there.send(&word.to_ne_bytes());
                    scenario.receive(&mut home);
                };
                if scenario.timed == Timed::Mean {
                    let started = Instant::now();
                    (0..cycles).for_each(turn);
                    return Burst { time: started.elapsed(), units: cycles };
                }
                let mut times = Vec::with_capacity(cycles as usize);
                for word in 0..cycles {
                    let started = Instant::now();
                    turn(word);
                    times.push(started.elapsed().saturating_sub(scenario.overhead).as_secs_f64());
                }
                Burst { time: Duration::from_secs_f64(quantile(&times, 0.99)), units: 1 }
            })
        }))
    }
}

/// A send while no receiver sleeps, on one thread. The ring is emptied outside the measured time.
#[derive(Clone, Copy)]
pub struct Idle {
    pub second_cpu: usize,
}

/// Number of words that are sent before the ring is emptied.
const FILL: usize = 4096;

impl Scenario for Idle {
    fn shape(&self) -> (usize, usize) {
        (2 * FILL * WORD, WORD)
    }

    fn second_cpu(&self) -> usize {
        self.second_cpu
    }

    fn prepare<S: Subject>(&self, subject: &S) -> Option<Run> {
        let (mut tx, mut rx) = subject.make(2 * FILL * WORD, WORD)?;
        Some(Box::new(move |cycles| {
            let mut time = Duration::ZERO;
            let mut word = [7; WORD];
            for _ in 0..cycles {
                let started = Instant::now();
                for _ in 0..FILL {
                    tx.send(std::hint::black_box(&word));
                }
                time += started.elapsed();
                for _ in 0..FILL {
                    rx.recv(&mut word);
                }
            }
            Burst { time, units: cycles * FILL as u64 }
        }))
    }
}

/// The time from a send until the sleeping receiver has the word.
#[derive(Clone, Copy)]
pub struct Wake {
    pub pause: Duration,
    pub second_cpu: usize,
}

impl Scenario for Wake {
    fn shape(&self) -> (usize, usize) {
        (SMALL, WORD)
    }

    fn second_cpu(&self) -> usize {
        self.second_cpu
    }

    fn prepare<S: Subject>(&self, subject: &S) -> Option<Run> {
        let scenario = *self;
        let (mut tx, mut rx) = subject.make(SMALL, WORD)?;
        Some(Box::new(move |cycles| {
            let origin = Instant::now();
            let now = move || origin.elapsed().as_nanos() as u64;
            let (seen, woken) = (AtomicU64::new(0), AtomicU64::new(0));
            let rx = &mut rx;
            let sleeper = || {
                for turn in 1..=cycles {
                    rx.wait(&mut [0; WORD]);
                    woken.store(now(), Relaxed);
                    seen.store(turn, Release);
                }
            };
            let nanoseconds = std::thread::scope(|scope| {
                start(scope, scenario.second_cpu, sleeper);
                let mut total = 0;
                for turn in 1..=cycles {
                    std::thread::sleep(scenario.pause);
                    let from = now();
                    tx.send(&turn.to_ne_bytes());
                    while seen.load(Acquire) != turn {
                        spin_loop();
                    }
                    total += woken.load(Relaxed) - from;
                }
                total
            });
            Burst { time: Duration::from_nanos(nanoseconds), units: cycles }
        }))
    }
}

/// Checks that position-dependent bytes arrive unchanged, in chunks of the row.
pub fn check<S: Subject>(subject: &S, scenario: &impl Scenario) -> Result<(), String> {
    let (capacity, chunk) = scenario.shape();
    let Some((mut tx, mut rx)) = subject.make(capacity, chunk) else { return Ok(()) };
    let chunks = (3 * capacity / chunk).max(8);
    let byte = |position: usize| (position ^ (position >> 8) ^ (position >> 16)) as u8;
    std::thread::scope(|scope| {
        let receiver = start(scope, scenario.second_cpu(), || {
            let mut target = vec![0; chunk];
            let (mut position, mut wrong) = (0, None);
            while position < chunks * chunk {
                let got = rx.recv(&mut target);
                let differs = (0..got).find(|index| target[*index] != byte(position + index));
                wrong = wrong.or(differs.map(|index| position + index));
                position += got;
            }
            wrong.map_or(Ok(()), |at| Err(format!("byte {at} has changed")))
        });
        for from in (0..chunks).map(|index| index * chunk) {
            let data: Vec<u8> = (from..from + chunk).map(byte).collect();
            send_all(&mut tx, &data);
        }
        tx.flush();
        receiver.join().expect("a panic ends the program")
    })
}
