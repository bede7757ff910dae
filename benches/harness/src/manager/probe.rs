//! Rows without durations: peak memory, measured in a child process, and idle CPU time.

use super::subject::{Any, Maker, State, Subject};
use crate::NO_LIBRARY;
use crate::backbuf::Api;
use crate::figures::Figures;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
const STATE: u64 = 64 * MIB;
/// Memory that the goal excludes: the default queue and 512 KiB.
const EXCLUDED: u64 = MIB + MIB / 2;

/// Peak resident memory of each subject over the state's size.
pub fn memory(makers: impl Iterator<Item = Maker>) -> Result<Figures, String> {
    let mut ratios = BTreeMap::new();
    for maker in makers {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut child = Command::new(program);
        child.args(std::env::args().skip(1)).args(["--probe-memory", maker.name()]);
        let output = child.output().map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let peak: f64 = text.trim().parse().map_err(|_| format!("memory of {}: {text:?}", maker.name()))?;
        ratios.insert(maker.name().to_owned(), peak);
    }
    let ours = ratios.remove("ours").ok_or(NO_LIBRARY)?;
    Ok(Figures { peers: ratios, ..Figures::single(ours, Vec::new()) })
}

/// In the child process: uses all memory of a state, and prints the peak relative to the state's size.
pub fn print_memory(mut makers: impl Iterator<Item = Maker>, name: &str) {
    let maker = makers.find(|maker| maker.name() == name).expect("the parent took the name from this list");
    let before = peak_bytes();
    match maker.make(&State { bytes: STATE, worker_cpu: None, flush: None }) {
        Any::Ours(ours) => exercise(&ours),
        Any::Foreign(foreign) => exercise(&foreign),
    }
    let used = (peak_bytes() - before).saturating_sub(EXCLUDED);
    println!("{}", used as f64 / STATE as f64);
}

fn exercise(subject: &impl Subject) {
    let slice = [7; 4096];
    for _ in 0..3 {
        for offset in (0..STATE).step_by(slice.len()) {
            subject.enqueue(offset, &slice);
            if offset % (16 * MIB) == 0 {
                subject.synchronize();
                subject.front(std::hint::black_box);
            }
        }
        subject.synchronize();
    }
}

fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux reports VmHWM");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number of kB");
    kib * 1024
}

/// Steps per second with viewers that hold their last front until the next one, divided by those without viewers.
pub fn viewers(api: Api, row: Duration) -> Result<Figures, String> {
    const VIEWERS: usize = 3;
    const ROUNDS: usize = 9;
    let Any::Ours(ours) = Maker::Ours(api).make(&State { bytes: 4656, worker_cpu: None, flush: None }) else {
        unreachable!("ours was asked for");
    };
    let (watched, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    let burst = row / (4 * ROUNDS as u32);
    let mut ratios: Vec<f64> = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..VIEWERS {
            scope.spawn(|| {
                let mut last = None;
                while !ended.load(Relaxed) {
                    // The next front is acquired before the last one is released.
                    let next = watched.load(Relaxed).then(|| ours.hold());
                    drop(std::mem::replace(&mut last, next));
                    std::thread::sleep(Duration::from_micros(16_667));
                }
            });
        }
        for _ in 0..ROUNDS {
            watched.store(false, Relaxed);
            std::thread::sleep(Duration::from_millis(40));
            let alone = steps_per_second(&ours, burst);
            watched.store(true, Relaxed);
            std::thread::sleep(Duration::from_millis(40));
            ratios.push(steps_per_second(&ours, burst) / alone);
        }
        ended.store(true, Relaxed);
    });
    ratios.sort_by(f64::total_cmp);
    Ok(Figures::single(ratios[ROUNDS / 2], Vec::new()))
}

/// A step does some work, rewrites the state and publishes it.
fn steps_per_second(subject: &impl Subject, time: Duration) -> f64 {
    let mut state = [0u8; 4656];
    let (start, mut steps) = (Instant::now(), 0u32);
    while start.elapsed() < time {
        for _ in 0..10 {
            state.iter_mut().for_each(|byte| *byte = byte.wrapping_mul(31).wrapping_add(7));
        }
        subject.enqueue(0, &state);
        subject.synchronize();
        steps += 1;
    }
    f64::from(steps) / start.elapsed().as_secs_f64()
}

/// CPU time of this process while a manager is idle, in percent.
pub fn idle(api: Api, row: Duration) -> Result<Figures, String> {
    let Any::Ours(ours) = Maker::Ours(api).make(&State { bytes: MIB, worker_cpu: None, flush: None }) else {
        unreachable!("ours was asked for");
    };
    ours.enqueue(0, &[1; 4096]);
    ours.synchronize();
    // The worker may finish its background work first.
    std::thread::sleep(Duration::from_millis(200));
    let (from, started) = (cpu_seconds(), Instant::now());
    std::thread::sleep((row * 2).min(Duration::from_secs(5)));
    let percent = 100.0 * (cpu_seconds() - from) / started.elapsed().as_secs_f64();
    Ok(Figures::single(percent, Vec::new()))
}

fn cpu_seconds() -> f64 {
    // SAFETY: the call fills the structure.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &mut usage), 0);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
