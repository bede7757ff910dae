//! Regression tests of known faults of double-buffered state: the published ones and those found in this library.

#[path = "common/device.rs"]
mod device;

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use backbuf::manager::{BackMode, Config, Kernel, Manager, WorkerMode};
use backbuf::{DType, Error, Status, Timeout};

fn bytes(count: u64, config: Config<'_>) -> Manager {
    let config = Config { device: device::device(), ..config };
    Manager::untyped_with_config(DType::U8, &[count], config).map_err(Error::from).unwrap()
}

/// A gate at which another thread stops; it reports its arrival.
struct Gate {
    arrived: Receiver<()>,
    open: Sender<i32>,
}

fn gate() -> (Gate, impl FnMut() -> i32 + Send + 'static) {
    let (arrive, arrived) = channel();
    let (open, opened) = channel();
    let pass = move || {
        let _ = arrive.send(());
        // A dropped gate is open.
        opened.recv().unwrap_or(0)
    };
    (Gate { arrived, open }, pass)
}

/// A flush that stops at the gate and ends with the code that it is opened with.
fn gated_flush(mut pass: impl FnMut() -> i32 + Send + 'static) -> backbuf::manager::Flush {
    Box::new(move || match pass() {
        0 => Ok(()),
        code => Err(code),
    })
}

#[test]
fn the_back_copy_is_not_one_epoch_stale_after_the_swap() {
    for copies in 2..=4 {
        let manager = bytes(1000, Config { copies, ..Config::default() });
        let mut state = vec![0; 1000];
        for epoch in 1..=20usize {
            // Another offset each time, so that all other bytes must be copied forward from earlier epochs.
            let at = epoch * 37 % 990;
            state[at..at + 10].fill(epoch as u8);
            manager.enqueue(at as u64, &[epoch as u8; 10], Timeout::TRY).unwrap();
            assert_eq!(manager.synchronize(Timeout::FOREVER).unwrap(), epoch as u64);
            assert_eq!(manager.front().unwrap().bytes(), state);
            device::check_device_copy(&manager);
        }
    }
}

#[test]
fn an_empty_synchronize_does_not_go_back_in_time() {
    let manager = bytes(4, Config::default());
    manager.enqueue(0, &[1, 2, 3, 4], Timeout::TRY).unwrap();
    for _ in 0..3 {
        assert_eq!(manager.synchronize(Timeout::FOREVER).unwrap(), 1);
        let front = manager.front().unwrap();
        assert_eq!((front.bytes(), front.epoch()), (&[1, 2, 3, 4][..], 1));
    }
}

#[test]
fn no_wake_up_is_lost_between_push_and_wait() {
    // The worker applies every update and sleeps in between.
    let manager = bytes(8, Config { worker: WorkerMode::Only, watchdog: Timeout::TRY, ..Config::default() });
    for turn in 1..=2000u64 {
        manager.enqueue(0, &turn.to_ne_bytes(), Timeout::FOREVER).unwrap();
        assert_eq!(manager.synchronize(Timeout::FOREVER).unwrap(), turn);
        assert_eq!(manager.front().unwrap().bytes(), turn.to_ne_bytes());
    }
}

#[test]
fn several_synchronizers_do_not_share_one_event() {
    // Each thread must be woken for its own updates, regardless of the thread that publishes.
    let manager = bytes(8, Config { worker: WorkerMode::Only, watchdog: Timeout::TRY, ..Config::default() });
    thread::scope(|threads| {
        for number in 0..8 {
            let manager = &manager;
            threads.spawn(move || {
                for turn in 1..=200u8 {
                    manager.enqueue(number, &[turn], Timeout::FOREVER).unwrap();
                    let epoch = manager.synchronize(Timeout::FOREVER).unwrap();
                    let front = manager.front().unwrap();
                    assert!(front.epoch() >= epoch && front.bytes()[number as usize] == turn);
                }
            });
        }
    });
}

#[test]
fn a_front_is_not_rewritten_under_its_reader() {
    let manager = bytes(100, Config { max_extra_copies: Some(0), ..Config::default() });
    let mut held = Vec::new();
    for turn in 0..2 {
        held.push((manager.front().unwrap(), turn));
        manager.enqueue(0, &[turn + 1; 100], Timeout::FOREVER).unwrap();
        manager.synchronize(Timeout::FOREVER).unwrap();
    }
    // Two of three copies are held and the third is the front: updates wait, and nothing is written meanwhile.
    for turn in 3..50 {
        manager.enqueue(0, &[turn; 100], Timeout::FOREVER).unwrap();
        assert_eq!(manager.synchronize(Timeout::TRY).unwrap_err().status(), Status::Pinned);
    }
    for (front, turn) in held {
        assert_eq!(front.bytes(), [turn; 100]);
    }
    manager.synchronize(Timeout::FOREVER).unwrap();
    assert_eq!(manager.front().unwrap().bytes(), [49; 100]);
}

#[test]
fn half_of_a_batch_is_not_published_by_a_concurrent_synchronize() {
    let manager = bytes(64 << 10, Config { caller_budget_bytes: 1, ..Config::default() });
    let done = AtomicU64::new(0);
    thread::scope(|threads| {
        threads.spawn(|| {
            for turn in 1..=300u64 {
                let mut batch = manager.batch().unwrap();
                for at in [0, 300, 40_000, 65_000] {
                    batch.fill(at, 100, &[turn as u8]).unwrap();
                }
                batch.commit(Timeout::FOREVER).unwrap();
            }
            done.store(1, SeqCst);
        });
        while done.load(SeqCst) == 0 {
            manager.synchronize(Timeout::FOREVER).unwrap();
            let front = manager.front().unwrap();
            let first = front.bytes()[0];
            for at in [0, 300, 40_000, 65_000] {
                assert_eq!(front.bytes()[at..at + 100], [first; 100]);
            }
        }
    });
}

#[test]
fn a_fill_is_of_one_element() {
    let manager = bytes(4, Config::default());
    let mut batch = manager.batch().unwrap();
    for element in [&[1, 2][..], &[]] {
        let alone = manager.enqueue_fill(0, 4, element, Timeout::TRY).unwrap_err();
        let in_a_batch = batch.fill(0, 4, element).unwrap_err();
        assert_eq!((alone.status(), in_a_batch.status()), (Status::Argument, Status::Argument));
    }
    batch.commit(Timeout::TRY).unwrap();
    assert_eq!(manager.synchronize(Timeout::FOREVER).unwrap(), 0);
}

#[test]
fn an_error_of_the_worker_does_not_leave_later_synchronizes_waiting() {
    let mut codes = [5, 6].into_iter();
    let flush = Box::new(move || codes.next().map_or(Ok(()), Err));
    let manager = bytes(1, Config { flush: Some(flush), ..Config::default() });
    manager.enqueue(0, &[1], Timeout::TRY).unwrap();
    for code in ["5", "6"] {
        let error = manager.synchronize(Timeout::FOREVER).unwrap_err();
        assert_eq!(error.status(), Status::Backend);
        assert!(error.to_string().contains(code), "{error}");
        assert_eq!(manager.front().unwrap().bytes(), [0]);
    }
    assert_eq!(manager.synchronize(Timeout::FOREVER).unwrap(), 1);
    assert_eq!(manager.front().unwrap().bytes(), [1]);
}

#[test]
fn a_ticket_that_timed_out_does_not_poison_the_next_one() {
    let manager = bytes(1, Config { watchdog: Timeout::TRY, ..Config::default() });
    let task = manager.task("upload").unwrap();
    manager.enqueue(0, &[1], Timeout::TRY).unwrap();
    let ticket = manager.synchronize_async().unwrap();
    for _ in 0..3 {
        assert_eq!(manager.wait(ticket, Timeout::nanos(1_000_000)).unwrap_err().status(), Status::Timeout);
    }
    assert_eq!(manager.synchronize(Timeout::nanos(1_000_000)).unwrap_err().status(), Status::Timeout);
    task.end().unwrap();
    assert_eq!(manager.wait(ticket, Timeout::FOREVER).unwrap(), 1);
    manager.enqueue(0, &[2], Timeout::TRY).unwrap();
    assert_eq!(manager.synchronize(Timeout::FOREVER).unwrap(), 2);
}

#[test]
fn a_failed_flush_of_others_does_not_stop_the_clock_of_a_later_one() {
    let (gate, pass) = gate();
    let config = Config { flush: Some(gated_flush(pass)), watchdog: Timeout::TRY, ..Config::default() };
    let manager = Arc::new(bytes(1, config));
    manager.enqueue(0, &[1], Timeout::TRY).unwrap();
    let first = manager.clone();
    let first = thread::spawn(move || first.synchronize(Timeout::FOREVER));
    gate.arrived.recv().unwrap();
    // Too late for the flush that runs now; the next flush is for this update, and hangs.
    let second = manager.clone();
    let second = thread::spawn(move || second.synchronize(Timeout::nanos(200_000_000)));
    while manager.statistics().waits < 2 {
        thread::yield_now();
    }
    gate.open.send(9).unwrap();
    assert_eq!(first.join().unwrap().unwrap_err().status(), Status::Backend);
    gate.arrived.recv().unwrap();
    assert_eq!(second.join().unwrap().unwrap_err().status(), Status::Timeout);
    gate.open.send(0).unwrap();
    drop(gate);
    manager.synchronize(Timeout::FOREVER).unwrap();
}

#[test]
fn outsized_updates_of_two_threads_do_not_wait_for_each_other() {
    let state = 64 << 10;
    let config = Config {
        worker: WorkerMode::Only,
        queue_bytes: 4 << 10,
        watchdog: Timeout::TRY,
        ..Config::default()
    };
    let manager = Arc::new(bytes(state, config));
    for _ in 0..20 {
        let (gate, mut pass) = gate();
        let kernel = Kernel::new(0, 0, move |_, _| {
            pass();
        });
        manager.enqueue_kernel(kernel, Timeout::TRY).map_err(Error::from).unwrap();
        gate.arrived.recv().unwrap();
        // The queue is full behind the kernel; two large updates wait, of which only one may be in flight.
        while manager.enqueue(0, &[1], Timeout::TRY).is_ok() {}
        let before = manager.statistics().waits;
        let large = [40 << 10, 50 << 10].map(|length| {
            let manager = manager.clone();
            thread::spawn(move || manager.enqueue(0, &vec![2; length], Timeout::FOREVER))
        });
        while manager.statistics().waits < before + 2 {
            thread::yield_now();
        }
        gate.open.send(0).unwrap();
        // No thread synchronizes before both updates are accepted.
        large.into_iter().for_each(|large| large.join().unwrap().unwrap());
        manager.synchronize(Timeout::FOREVER).unwrap();
        assert_eq!(manager.front().unwrap().bytes()[..40 << 10], vec![2; 40 << 10]);
    }
}

/// Synchronizes, and ignores stalls: on a busy machine the worker may outlast a short watchdog.
fn synchronize_past_stalls(manager: &Manager) -> backbuf::Result<u64> {
    loop {
        match manager.synchronize(Timeout::FOREVER) {
            Err(error) if error.status() == Status::Stalled => {}
            other => return other,
        }
    }
}

#[test]
fn a_lease_that_blocks_the_worker_is_named() {
    let ok: backbuf::manager::Flush = Box::new(|| Ok(()));
    for (worker, flush) in [(WorkerMode::Only, None), (WorkerMode::Shared, Some(ok))] {
        let config =
            Config { worker, flush, copies: 2, watchdog: Timeout::nanos(20_000_000), ..Config::default() };
        let manager = bytes(1, config);
        let held = manager.front().unwrap();
        manager.enqueue(0, &[1], Timeout::TRY).unwrap();
        synchronize_past_stalls(&manager).unwrap();
        manager.enqueue(0, &[2], Timeout::TRY).unwrap();
        let error = synchronize_past_stalls(&manager).unwrap_err();
        assert_eq!(error.status(), Status::Pinned, "{error}");
        assert!(error.to_string().contains("a lease of a front"), "{error}");
        drop(held);
        assert_eq!(synchronize_past_stalls(&manager).unwrap(), 2);
    }
}

#[test]
fn reserve_back_times_out_while_leases_hold_every_copy() {
    let manager = bytes(1, Config { copies: 2, watchdog: Timeout::TRY, ..Config::default() });
    let held = manager.front().unwrap();
    manager.enqueue(0, &[1], Timeout::TRY).unwrap();
    manager.synchronize(Timeout::FOREVER).unwrap();
    let error = manager.reserve_back(BackMode::Keep, Timeout::nanos(1_000_000)).unwrap_err();
    assert_eq!(error.status(), Status::Pinned, "{error}");
    drop(held);
    manager.reserve_back(BackMode::Keep, Timeout::FOREVER).unwrap();
}

#[test]
fn a_task_does_not_hold_back_earlier_tickets() {
    let manager = Arc::new(bytes(1, Config { watchdog: Timeout::TRY, ..Config::default() }));
    // Tasks begin and end at the rate of a busy backend while another thread synchronizes.
    let stop = Arc::new(AtomicU64::new(0));
    let (other, until) = (manager.clone(), stop.clone());
    let tasks = thread::spawn(move || {
        let mut last = None;
        while until.load(SeqCst) == 0 {
            let next = other.task("step").unwrap();
            if let Some(last) = last.replace(next) {
                backbuf::manager::Task::end(last).unwrap();
            }
        }
    });
    for turn in 0..2000u64 {
        manager.enqueue(0, &[turn as u8], Timeout::FOREVER).unwrap();
        manager.synchronize(Timeout::FOREVER).unwrap();
        assert_eq!(manager.front().unwrap().bytes(), [turn as u8]);
    }
    stop.store(1, SeqCst);
    tasks.join().unwrap();
}

#[test]
fn borrowed_data_is_released_once_also_when_the_manager_is_destroyed() {
    struct Lent(Vec<u8>, Arc<Mutex<Vec<usize>>>, usize);
    impl AsRef<[u8]> for Lent {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Lent {
        fn drop(&mut self) {
            self.1.lock().unwrap().push(self.2);
        }
    }
    let returned = Arc::new(Mutex::new(Vec::new()));
    let lend = |number| Lent(vec![number as u8; 4], returned.clone(), number);
    let manager = bytes(4, Config { copies: 2, ..Config::default() });
    manager.enqueue_borrowed(0, lend(0), Timeout::TRY).unwrap();
    manager.synchronize(Timeout::FOREVER).unwrap();
    let held = manager.front().unwrap();
    manager.enqueue_borrowed(0, lend(1), Timeout::TRY).unwrap();
    manager.synchronize(Timeout::FOREVER).unwrap();
    // No copy is free: this update stays in the queue until the manager is destroyed.
    manager.enqueue_borrowed(0, lend(2), Timeout::TRY).unwrap();
    assert_eq!(manager.enqueue_borrowed(1, lend(3), Timeout::TRY).unwrap_err().status(), Status::Range);
    drop(manager);
    assert_eq!(held.bytes(), [0; 4]);
    let mut returned = std::mem::take(&mut *returned.lock().unwrap());
    returned.sort_unstable();
    assert_eq!(returned, [0, 1, 2, 3]);
}

#[test]
fn destroying_wakes_waiters() {
    let manager = Arc::new(bytes(1, Config { watchdog: Timeout::TRY, ..Config::default() }));
    let watch = manager.watch(0).unwrap();
    let waiter = thread::spawn(move || watch.wait(Timeout::FOREVER));
    // Long enough that the waiter sleeps in most runs; the test passes in any case.
    thread::sleep(Duration::from_millis(20));
    manager.close(Timeout::FOREVER).unwrap();
    assert_eq!(waiter.join().unwrap().unwrap_err().status(), Status::Closed);
    let begin = Instant::now();
    drop(manager);
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[test]
fn two_tickets_of_one_failed_attempt_both_report_it() {
    let (gate, pass) = gate();
    let manager = bytes(1, Config { flush: Some(gated_flush(pass)), ..Config::default() });
    let task = manager.task("until both are asked for").unwrap();
    manager.enqueue(0, &[1], Timeout::TRY).unwrap();
    let (first, second) = (manager.synchronize_async().unwrap(), manager.synchronize_async().unwrap());
    task.end().unwrap();
    let poll = |ticket| loop {
        match manager.wait(ticket, Timeout::TRY).map_err(|error| error.status()) {
            Err(Status::Timeout) => thread::sleep(Duration::from_millis(1)),
            decided => break decided,
        }
    };
    gate.arrived.recv().unwrap();
    gate.open.send(7).unwrap();
    assert_eq!(poll(first), Err(Status::Backend));
    // The other wait has not reported the failure; its poll requests the next attempt, since no other call does.
    drop(gate);
    assert_eq!(poll(second), Ok(1));
}

/// A wait check ends the wait of a destroy and of a drop. The callback continues, and its data is dropped when it returns.
#[test]
fn a_wait_check_ends_destroy_and_drop_while_a_flush_runs() {
    for dropped in [false, true] {
        let (gate, pass) = gate();
        let manager = bytes(1, Config { flush: Some(gated_flush(pass)), ..Config::default() });
        manager.synchronize_async().unwrap();
        gate.arrived.recv().unwrap();
        backbuf::with_wait_check(
            || true,
            || match dropped {
                true => drop(manager),
                false => {
                    let ended = manager.destroy(Timeout::FOREVER);
                    assert_eq!(ended.unwrap_err().status(), Status::Interrupted);
                }
            },
        );
        gate.open.send(0).unwrap();
        // The flush, which holds the other end, is dropped once it has returned.
        assert!(gate.arrived.recv_timeout(Duration::from_secs(30)).is_err());
    }
}
