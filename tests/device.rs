//! Devices: the conformance suite for every driver, and injected faults of the host device: every wait ends, the next call returns
//! the error, and no buffer is leaked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::sync::mpsc;
use std::thread;

use backbuf::device::{Device, Driver, Faults, Fence, HostConfig, Usage};
use backbuf::{Error, Result, Status, Timeout};

#[path = "common/conformance.rs"]
mod conformance;
#[path = "../examples/new_backend.rs"]
mod new_backend;

use conformance::drive::Drive;
use conformance::{FOREVER, both, create, delete, finish, read};

const SOON: Timeout = Timeout::nanos(1_000_000);

fn host(faults: &Faults) -> Device {
    Device::host(HostConfig { label: "host", faults: Some(faults.clone()), ..HostConfig::default() }).unwrap()
}

fn driven() -> Device {
    Device::host(HostConfig { label: "driven", host_driven: true, ..HostConfig::default() }).unwrap()
}

fn status<T: std::fmt::Debug>(result: Result<T>) -> Status {
    result.unwrap_err().status()
}

fn submit(device: &Device) -> Fence {
    device.drive(FOREVER, |driver| driver.submit()).unwrap()
}

#[test]
fn the_host_conforms_however_late_completions_come() {
    for (delay, reverse) in [(0, false), (1, false), (7, false), (0, true), (3, true)] {
        conformance::run(&|| {
            let faults = Faults::new().unwrap();
            faults.delay(delay);
            faults.reverse(reverse);
            host(&faults)
        });
    }
}

#[test]
fn the_host_conforms_when_it_stalls_now_and_then() {
    let (faults, done) = (Faults::new().unwrap(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                faults.hold();
                thread::yield_now();
                faults.release();
                thread::yield_now();
            }
        });
        conformance::run(&|| host(&faults));
        done.store(true, Relaxed);
    });
}

#[test]
fn the_host_conforms_when_it_is_driven() {
    conformance::run(&driven);
}

#[test]
fn the_example_of_a_backend_conforms_and_runs() {
    conformance::run(&|| new_backend::device("example").unwrap());
    new_backend::main().unwrap();
}

#[test]
fn opengl_conforms() {
    use backbuf::device::GlConfig;
    let make = || Device::gl(GlConfig { label: "gl", ..GlConfig::default() });
    match make() {
        Ok(device) => println!("{}", device.info()),
        Err(error) if error.status() == Status::Unsupported => return println!("left out: {error}"),
        Err(error) => panic!("{error}"),
    }
    conformance::run(&|| make().unwrap());
}

#[test]
fn devices_come_and_go_on_many_threads() {
    thread::scope(|scope| {
        for thread in 0..8u8 {
            scope.spawn(move || {
                for round in 0..25u8 {
                    let host_driven = (thread + round) % 3 == 0;
                    let config = HostConfig { label: "brief", host_driven, ..HostConfig::default() };
                    let device = Device::host(config).unwrap();
                    let buffer = create(&device, 64, both());
                    device.drive(FOREVER, |driver| driver.write(buffer, 0, &[round; 64])).unwrap();
                    assert_eq!(read(&device, buffer, 0, 64), [round; 64]);
                    if round % 2 == 0 {
                        delete(&device, &[buffer]);
                        device.destroy().unwrap();
                    }
                    drop(device);
                }
            });
        }
    });
}

#[test]
fn allocations_that_fail_leave_nothing() {
    let faults = Faults::new().unwrap();
    let device = host(&faults);
    for nth in 1..6 {
        faults.fail_allocation(nth);
        let create = |driver: &mut dyn Driver| driver.create(32, both(), "one of six");
        let results: Vec<_> = (1..7).map(|_| device.drive(FOREVER, create)).collect();
        let failed = |at: u64| results[at as usize - 1];
        assert_eq!(status(failed(nth)), Status::OutOfMemory);
        let made: Vec<_> = results.into_iter().flatten().collect();
        assert_eq!((made.len(), device.live_buffers().unwrap().len()), (5, 5));
        delete(&device, &made);
    }
    let statistics = device.statistics();
    assert_eq!((statistics.buffers_created, statistics.buffers_deleted, statistics.live_bytes), (25, 25, 0));
}

/// Ten steps of every kind, and a wait for each of two fences.
fn script(device: &Device) -> Result<()> {
    let (a, first) = device.drive(FOREVER, |driver| {
        let a = driver.create(64, both(), "a")?;
        driver.write(a, 0, &[1; 64])?;
        Ok((a, driver.submit()?))
    })?;
    device.wait_fence(first, FOREVER)?;
    let second = device.drive(FOREVER, |driver| {
        let b = driver.create(64, Usage::MAP_READ | Usage::COPY_DST, "b")?;
        driver.copy(a, 0, b, 0, 64)?;
        driver.submit()?;
        driver.write(a, 32, &[2; 32])?;
        driver.copy(a, 0, b, 0, 32)?;
        driver.delete(b);
        driver.create(8, both(), "c")?;
        driver.submit()
    })?;
    device.wait_fence(second, FOREVER)
}

#[test]
fn a_device_lost_at_any_step_says_so_from_there_on() {
    for delay in [0, 3] {
        for nth in 1..=11 {
            let faults = Faults::new().unwrap();
            let device = host(&faults);
            faults.delay(delay);
            faults.lose_at(nth);
            let result = script(&device);
            if nth == 11 {
                result.unwrap();
                continue;
            }
            assert_eq!(status(result), Status::DeviceLost, "step {nth}");
            // Every later call fails at once; a fence that has passed stays passed.
            assert_eq!(status(device.drive(FOREVER, |driver| driver.submit())), Status::DeviceLost);
            let submitted = device.statistics().submits;
            if nth > 3 {
                device.wait_fence(Fence(1), FOREVER).unwrap();
            }
            assert_eq!(status(device.wait_fence(Fence(submitted + 1), FOREVER)), Status::DeviceLost);
            let mut text = String::new();
            backbuf::dump(&mut |part| text.push_str(part));
            assert!(text.contains("lost: the host device is lost"), "{text}");
            let held = device.live_buffers().unwrap().len() as u64;
            let other = device.clone();
            device.destroy().unwrap();
            let statistics = other.statistics();
            assert_eq!(statistics.buffers_created, statistics.buffers_deleted, "{held} were held");
            assert_eq!(other.live_buffers().unwrap(), []);
        }
    }
}

/// Eight threads wait for a fence that is held; `end` ends their waits.
fn waiters(end: impl FnOnce(&Device, &Faults)) -> Vec<Result<()>> {
    let faults = Faults::new().unwrap();
    let device = host(&faults);
    faults.hold();
    let fences: Vec<_> = (0..8).map(|_| submit(&device)).collect();
    thread::scope(|scope| {
        let wait = |fence: Fence| device.wait_fence(fence, FOREVER);
        let threads: Vec<_> = fences.iter().map(|fence| scope.spawn(move || wait(*fence))).collect();
        while device.statistics().waits < 8 {
            thread::yield_now();
        }
        assert!(threads.iter().all(|thread| !thread.is_finished()));
        end(&device, &faults);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn every_wait_for_a_fence_ends() {
    assert!(waiters(|_, faults| faults.release()).iter().all(Result::is_ok));
    let lost = [Status::DeviceLost; 8];
    assert_eq!(waiters(|_, faults| faults.lose()).into_iter().map(status).collect::<Vec<_>>(), lost);
    let destroyed = waiters(|device, _| device.destroy().unwrap());
    assert_eq!(destroyed.into_iter().map(status).collect::<Vec<_>>(), lost);
    let panicked = waiters(|device, _| {
        let error =
            device.drive(FOREVER, |_| -> Result<()> { panic!("the hardware is on fire") }).unwrap_err();
        assert_eq!(error.status(), Status::DeviceLost);
        assert!(error.to_string().starts_with("panic = 'the hardware is on fire'"), "{error}");
    });
    assert_eq!(panicked.into_iter().map(status).collect::<Vec<_>>(), lost);
}

#[test]
fn a_slow_fence_delays_only_its_waiters() {
    let faults = Faults::new().unwrap();
    let device = host(&faults);
    let early = submit(&device);
    device.wait_fence(early, FOREVER).unwrap();
    faults.hold();
    let late = submit(&device);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| device.wait_fence(late, FOREVER));
        while device.statistics().waits < 2 {
            thread::yield_now();
        }
        for _ in 0..100 {
            let buffer = create(&device, 8, both());
            delete(&device, &[buffer]);
            device.wait_fence(early, Timeout::TRY).unwrap();
        }
        assert_eq!(status(device.wait_fence(late, SOON)), Status::Timeout);
        assert!(!waiter.is_finished());
        faults.release();
        waiter.join().unwrap().unwrap();
    });
}

#[test]
fn repeated_tries_see_the_fence_pass() {
    let faults = Faults::new().unwrap();
    let device = host(&faults);
    faults.delay(5);
    let fence = submit(&device);
    // How many tries that takes is open: the owner thread advances the device, too.
    while let Err(error) = device.wait_fence(fence, Timeout::TRY) {
        assert_eq!(error.status(), Status::Timeout);
        thread::yield_now();
    }
    device.wait_fence(fence, Timeout::TRY).unwrap();
}

#[test]
fn a_call_that_cannot_begin_in_time_never_runs() {
    let device = host(&Faults::new().unwrap());
    let (ran, (enter, entered), (leave, left)) =
        (AtomicBool::new(false), mpsc::channel(), mpsc::channel::<()>());
    thread::scope(|scope| {
        scope.spawn(|| {
            device.drive(FOREVER, move |_| {
                enter.send(()).unwrap();
                left.recv().unwrap();
                Ok(())
            })
        });
        entered.recv().unwrap();
        let late = |_: &mut dyn Driver| {
            ran.store(true, Relaxed);
            Ok(())
        };
        assert_eq!(status(device.drive(SOON, late)), Status::Timeout);
        assert_eq!(status(device.drive(Timeout::TRY, late)), Status::Timeout);
        leave.send(()).unwrap();
    });
    device.drive(FOREVER, |_| Ok(())).unwrap();
    assert!(!ran.load(Relaxed));
}

#[test]
fn a_call_runs_if_and_only_if_it_returns_its_result() {
    let device = host(&Faults::new().unwrap());
    let (ran, returned) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for thread in 0..8u64 {
            let (device, ran, returned) = (&device, &ran, &returned);
            scope.spawn(move || {
                for round in 0..2_000u64 {
                    // From too short to long enough.
                    let timeout = Timeout::nanos((round * 7 + thread * 1_001) % 40_000);
                    let mut local = 0u64;
                    let result = device.drive(timeout, |_| {
                        local += 1;
                        ran.fetch_add(1, Relaxed);
                        Ok(local)
                    });
                    match result {
                        Ok(count) => assert_eq!(returned.fetch_add(count, Relaxed) & 1 << 60, 0),
                        Err(error) => assert_eq!((error.status(), local), (Status::Timeout, 0)),
                    }
                }
            });
        }
    });
    assert_eq!(ran.load(Relaxed), returned.load(Relaxed));
}

#[test]
fn more_calls_than_the_queue_holds_wait_for_space() {
    let device = driven();
    let ran = AtomicU64::new(0);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..400)
            .map(|_| {
                let call = || device.drive(FOREVER, |_| Ok(ran.fetch_add(1, Relaxed)));
                thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, call).unwrap()
            })
            .collect();
        while device.statistics().calls < 400 {
            thread::yield_now();
        }
        while threads.iter().any(|thread| !thread.is_finished()) {
            device.poll(FOREVER).unwrap();
        }
    });
    assert_eq!(ran.load(Relaxed), 400);
}

#[test]
fn calls_that_race_with_the_end_fail_with_device_lost() {
    for _ in 0..50 {
        let device = host(&Faults::new().unwrap());
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    loop {
                        let fence = device.drive(FOREVER, |driver| driver.submit());
                        if let Err(error) = fence.and_then(|fence| device.wait_fence(fence, FOREVER)) {
                            return assert_eq!(error.status(), Status::DeviceLost);
                        }
                    }
                });
            }
            while device.statistics().submits < 10 {
                thread::yield_now();
            }
            device.destroy().unwrap();
        });
    }
}

#[test]
fn only_the_owner_thread_drives_a_device() {
    assert_eq!(status(host(&Faults::new().unwrap()).poll(FOREVER)), Status::State);
    let device = driven();
    device.poll(FOREVER).unwrap();
    thread::scope(|scope| {
        let elsewhere = scope.spawn(|| {
            assert_eq!(status(device.poll(FOREVER)), Status::WrongThread);
            assert_eq!(status(device.destroy()), Status::WrongThread);
            // The device is not driven: a wait ends at its timeout.
            assert_eq!(status(device.drive(SOON, |driver| driver.submit())), Status::Timeout);
        });
        elsewhere.join().unwrap();
    });
    let inside = |_: &mut dyn Driver| {
        let results = [device.poll(FOREVER), device.destroy(), device.drive(FOREVER, |_| Ok(()))];
        Ok(results.map(status))
    };
    assert_eq!(device.drive(FOREVER, inside).unwrap(), [Status::Recursive; 3]);
    let fence = submit(&device);
    let waited = device.drive(FOREVER, |_| Ok(status(device.wait_fence(fence, FOREVER)))).unwrap();
    assert_eq!(waited, Status::Recursive);
    device.wait_fence(fence, FOREVER).unwrap();
    let own = host(&Faults::new().unwrap());
    assert_eq!(own.drive(FOREVER, |_| Ok(status(own.destroy()))).unwrap(), Status::Recursive);
}

#[test]
fn waits_of_the_owner_thread_run_the_calls_of_others() {
    let faults = Faults::new().unwrap();
    let config = HostConfig { host_driven: true, faults: Some(faults.clone()), ..HostConfig::default() };
    let device = Device::host(config).unwrap();
    faults.hold();
    let fence = submit(&device);
    assert_eq!(status(device.wait_fence(fence, SOON)), Status::Timeout);
    let release = |_: &mut dyn Driver| {
        faults.release();
        Ok(())
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let own = submit(&device);
            device.drive(FOREVER, release)?;
            device.wait_fence(own, FOREVER)
        });
        // This thread waits for a fence that passes by the other thread's call.
        device.wait_fence(fence, FOREVER).unwrap();
        while !other.is_finished() {
            device.poll(SOON).unwrap();
        }
        other.join().unwrap().unwrap();
    });
}

#[test]
fn a_budget_ends_a_poll_and_one_call_always_runs() {
    let device = driven();
    let ran = AtomicU64::new(0);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| device.drive(FOREVER, |_| Ok(ran.fetch_add(1, Relaxed)))))
            .collect();
        for polls in 1..=4 {
            while ran.load(Relaxed) < polls {
                device.poll(Timeout::TRY).unwrap();
                assert!(ran.load(Relaxed) <= polls);
            }
        }
        threads.into_iter().for_each(|thread| assert!(thread.join().unwrap().is_ok()));
    });
}

#[test]
fn a_driver_that_fails_to_start_leaves_no_device() {
    for host_driven in [false, true] {
        let refuse = || Err(Error::param(Status::Unsupported, "nothing", "is here"));
        let refused = Device::with_driver("none", host_driven, refuse);
        assert_eq!(refused.unwrap_err().to_string(), "nothing is here");
        let refused = Device::with_driver("none", host_driven, || panic!("no such thing"));
        assert!(refused.unwrap_err().to_string().starts_with("panic = 'no such thing'"));
    }
    let mut text = String::new();
    backbuf::dump(&mut |part| text.push_str(part));
    assert!(!text.contains("'none'"), "{text}");
}

#[test]
fn a_driven_device_dropped_elsewhere_does_no_harm() {
    let device = driven();
    create(&device, 8, both());
    thread::spawn(move || drop(device)).join().unwrap();
}

#[test]
fn a_forked_child_leaves_the_parents_devices_alone() {
    let devices = [host(&Faults::new().unwrap()), driven()];
    devices.iter().for_each(finish);
    // SAFETY: the child uses what this thread may use, and ends without unwinding.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let fine = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for device in devices {
                assert_eq!(status(device.drive(FOREVER, |driver| driver.submit())), Status::Forked);
                assert_eq!(status(device.wait_fence(Fence(2), FOREVER)), Status::Forked);
                assert_eq!(status(device.poll(FOREVER)), Status::Forked);
                assert_eq!(status(device.destroy()), Status::Forked);
                drop(device);
            }
            let own = driven();
            finish(&own);
            finish(&host(&Faults::new().unwrap()));
        }));
        // SAFETY: ends the child.
        unsafe { libc::_exit(i32::from(fine.is_err())) };
    }
    let mut code = 0;
    // SAFETY: waits for the child, and writes a local.
    assert_eq!(unsafe { libc::waitpid(child, &mut code, 0) }, child);
    assert_eq!(code, 0);
    devices.iter().for_each(finish);
}
