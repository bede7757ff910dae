//! Stress test of one manager: eight writers, four synchronizers and eight readers, with self-checking fronts.
//!
//! The state has one row per writer: a count, and words that are computed from it. Writers use updates of every kind. A
//! reader checks that each row is consistent, that no count decreases, and that a front does not change while it is held.
//! Short by default; BACKBUF_SOAK=seconds makes it longer.

#[path = "common/device.rs"]
mod device;

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

use backbuf::manager::{BackMode, Config, Kernel, Manager, Region, WorkerMode};
use backbuf::{DType, Error, Status, Timeout};

const WRITERS: usize = 8;
const SYNCHRONIZERS: usize = 4;
const READERS: usize = 8;
/// Words of a row: more than a page, and not a whole number of granules.
const ROW: usize = 601;

fn seconds() -> f64 {
    let soak =
        std::env::var("BACKBUF_SOAK").ok().map(|value| value.parse().expect("BACKBUF_SOAK is in seconds"));
    soak.unwrap_or(3.0)
}

/// The word of a writer's row at that count.
fn word(writer: usize, count: u64, at: usize) -> u64 {
    if at == 0 {
        count
    } else {
        (count + writer as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(at as u32 % 64) ^ at as u64
    }
}

fn row(writer: usize, count: u64) -> Vec<u8> {
    (0..ROW).flat_map(|at| word(writer, count, at).to_ne_bytes()).collect()
}

/// The counts of all rows, after a check that each row is consistent.
fn counts(state: &[u8]) -> [u64; WRITERS] {
    std::array::from_fn(|writer| {
        let row = &state[writer * ROW * 8..(writer + 1) * ROW * 8];
        let word_at = |at: usize| u64::from_ne_bytes(row[at * 8..at * 8 + 8].try_into().unwrap());
        let count = word_at(0);
        for at in 1..ROW {
            // Before the first update the row is zeros.
            let expected = if count == 0 { 0 } else { word(writer, count, at) };
            assert_eq!(word_at(at), expected, "row {writer} at count {count} is torn at word {at}");
        }
        count
    })
}

/// Repeats a call that fails for a passing reason: a full queue, leased copies, a busy machine.
fn again<T>(mut call: impl FnMut() -> backbuf::Result<T>) -> T {
    loop {
        match call() {
            Ok(value) => return value,
            Err(error) => match error.status() {
                Status::Pinned | Status::Stalled | Status::Timeout | Status::Full | Status::Backend => {}
                _ => panic!("{error}"),
            },
        }
    }
}

/// Writes a row by one of the kinds of updates.
fn write(manager: &Manager, writer: usize, count: u64) {
    let (row, at) = (row(writer, count), (writer * ROW * 8) as u64);
    let timeout = Timeout::nanos(50_000_000);
    match count % 6 {
        0 => again(|| manager.enqueue_borrowed(at, row.clone(), timeout)),
        1 => {
            let (first, second) = row.split_at(8 * (count as usize % ROW));
            let mut batch = manager.batch().unwrap();
            batch.update(at, first).unwrap();
            batch.update(at + first.len() as u64, second).unwrap();
            again(|| batch.commit(timeout));
        }
        2 => again(|| {
            let row = row.clone();
            let mut kernel = Kernel::new(at, ROW as u64, move |back, _| back.copy_from_slice(&row));
            (kernel.any_thread, kernel.overwrites) = (count.is_multiple_of(4), count.is_multiple_of(3));
            manager.enqueue_kernel(kernel, timeout).map_err(Error::from)
        }),
        3 => {
            let (start, extent) = ([writer as u64, 0], [1, ROW as u64]);
            let region = Region { start: &start, extent: &extent, step: None, data: &row, strides: None };
            again(|| manager.enqueue_region(&region, timeout));
        }
        4 if count % 50 == 4 => {
            let mut back = again(|| manager.reserve_back(BackMode::Keep, timeout));
            back.bytes_mut()[at as usize..at as usize + row.len()].copy_from_slice(&row);
            back.commit(count).unwrap();
        }
        _ => again(|| manager.enqueue(at, &row, timeout)),
    }
}

fn stress(config: Config<'_>, seconds: f64) {
    let config = Config { device: device::device(), ..config };
    let manager = Manager::untyped_with_config(DType::U64, &[WRITERS as u64, ROW as u64], config)
        .map_err(Error::from)
        .unwrap();
    let written: [AtomicU64; WRITERS] = Default::default();
    let (stop, start) = (AtomicBool::new(false), Barrier::new(WRITERS + SYNCHRONIZERS + READERS + 1));
    let (fronts, synchronizes) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|threads| {
        for writer in 0..WRITERS {
            let (manager, written, stop, start) = (&manager, &written, &stop, &start);
            threads.spawn(move || {
                start.wait();
                let mut count = 0;
                while !stop.load(Relaxed) {
                    count += 1;
                    write(manager, writer, count);
                    written[writer].store(count, Release);
                }
            });
        }
        for number in 0..SYNCHRONIZERS {
            let (manager, written, stop, start, synchronizes) =
                (&manager, &written, &stop, &start, &synchronizes);
            threads.spawn(move || {
                start.wait();
                while !stop.load(Relaxed) {
                    let before: [u64; WRITERS] = std::array::from_fn(|writer| written[writer].load(Acquire));
                    let timeout = Timeout::nanos(50_000_000);
                    let epoch = if number % 2 == 0 {
                        again(|| manager.synchronize(timeout))
                    } else {
                        let ticket = manager.synchronize_async().unwrap();
                        again(|| manager.wait(ticket, timeout))
                    };
                    let front = manager.front().unwrap();
                    assert!(front.epoch() >= epoch);
                    let shown = counts(front.bytes());
                    assert!(
                        shown.iter().zip(before).all(|(shown, before)| *shown >= before),
                        "a synchronize left something out"
                    );
                    synchronizes.fetch_add(1, Relaxed);
                }
            });
        }
        for number in 0..READERS {
            let (manager, stop, start, fronts) = (&manager, &stop, &start, &fronts);
            threads.spawn(move || {
                start.wait();
                let (mut epoch, mut last) = (0, [0; WRITERS]);
                while !stop.load(Relaxed) {
                    if number % 2 == 0 {
                        // Ends with the manager still, so not for ever.
                        let _ = manager.wait_epoch(epoch, Timeout::nanos(10_000_000));
                    }
                    let front = manager.front().unwrap();
                    assert!(front.epoch() >= epoch, "epochs go back");
                    let shown = counts(front.bytes());
                    assert!(
                        shown.iter().zip(last).all(|(shown, last)| *shown >= last),
                        "a front goes back in time"
                    );
                    if number == 0 {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    assert_eq!(counts(front.bytes()), shown, "a front changed while it was held");
                    (epoch, last) = (front.epoch(), shown);
                    fronts.fetch_add(1, Relaxed);
                }
            });
        }
        start.wait();
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Relaxed);
    });
    again(|| manager.close(Timeout::nanos(1_000_000_000)));
    let shown = counts(manager.front().unwrap().bytes());
    assert_eq!(
        shown,
        std::array::from_fn(|writer| written[writer].load(Acquire)),
        "what was accepted is published"
    );
    device::check_device_copy(&manager);
    let statistics = manager.statistics();
    assert_eq!(statistics.leases_live, 0);
    assert!(fronts.load(Relaxed) > 0 && synchronizes.load(Relaxed) > 0);
    println!(
        "{} updates, {} epochs, {} synchronizes, {} fronts",
        statistics.updates,
        statistics.epochs,
        synchronizes.load(Relaxed),
        fronts.load(Relaxed)
    );
}

#[test]
fn writers_synchronizers_and_readers() {
    stress(Config { label: "stress", ..Config::default() }, seconds() / 3.0);
}

#[test]
fn the_same_with_two_copies_and_a_tiny_queue() {
    stress(Config { label: "tight", copies: 2, queue_bytes: 4 << 10, ..Config::default() }, seconds() / 3.0);
}

#[test]
fn the_same_with_the_worker_alone_and_a_flush_that_fails_now_and_then() {
    let mut count = 0u32;
    let flush = move || {
        count += 1;
        if count.is_multiple_of(7) { Err(7) } else { Ok(()) }
    };
    let config = Config {
        label: "worker",
        worker: WorkerMode::Only,
        flush: Some(Box::new(flush)),
        ..Config::default()
    };
    stress(config, seconds() / 3.0);
}
