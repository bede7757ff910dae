//! Buffers: the conformance suite on every device, and failures. Each request completes once, and nothing leaks.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::thread;

use backbuf::buffers::{Buffer, BufferDesc, BufferState, Encoder, Request};
use backbuf::device::{Device, Faults, GlConfig, HostConfig, MapMode, Usage};
use backbuf::{Status, Timeout};

#[path = "common/buffer_conformance.rs"]
mod conformance;
#[path = "common/drive.rs"]
mod drive;

use drive::Drive;
#[path = "../examples/new_backend.rs"]
#[expect(dead_code, reason = "an example has a main of its own")]
mod new_backend;

use conformance::{buffer, contents, map, read_usage, status, write_usage};

const FOREVER: Timeout = Timeout::FOREVER;
const SOON: Timeout = Timeout::nanos(1_000_000);

fn host(faults: &Faults, host_driven: bool) -> Device {
    Device::host(HostConfig { label: "host", host_driven, faults: Some(faults.clone()) }).unwrap()
}

#[test]
fn the_host_device_conforms_with_delayed_and_reordered_completions() {
    for (delay, reverse) in [(0, false), (3, false), (0, true), (2, true)] {
        for host_driven in [false, true] {
            conformance::run(&|| {
                let faults = Faults::new().unwrap();
                faults.delay(delay);
                faults.reverse(reverse);
                host(&faults, host_driven)
            });
        }
    }
}

#[test]
fn the_example_backend_conforms() {
    conformance::run(&|| new_backend::device("example").unwrap());
}

#[test]
fn opengl_conforms() {
    let make = || Device::gl(GlConfig { label: "gl", ..GlConfig::default() });
    match make() {
        Ok(device) => println!("{}", device.info()),
        Err(error)
            if error.status() == Status::Unsupported && std::env::var_os("BACKBUF_NO_INSTALL").is_some() =>
        {
            return println!("skipped, and BACKBUF_NO_INSTALL is set: {error}");
        }
        Err(error) => panic!("{error}"),
    }
    conformance::run(&|| make().unwrap());
}

/// A buffer whose last use has not finished: its next map request stays pending until `Faults::release`.
fn busy(device: &Device, faults: &Faults) -> Buffer {
    let from = buffer(device, 32, Usage::COPY_SRC, false);
    let to = buffer(device, 32, read_usage(), false);
    faults.hold();
    let mut encoder = Encoder::new(device);
    encoder.copy(&from, 0, &to, 0, 32).unwrap();
    encoder.submit().unwrap();
    to
}

#[test]
fn a_pending_request_is_aborted_or_cancelled_exactly_once() {
    let faults = Faults::new().unwrap();
    for host_driven in [false, true] {
        let device = host(&faults, host_driven);
        let mut to = busy(&device, &faults);
        let request = to.map_async(MapMode::Read, 0, None).unwrap();
        assert_eq!((to.state(), request.poll()), (BufferState::MapPending, None));
        assert_eq!(status(request.wait(SOON)), Status::Timeout);
        to.unmap();
        let outcome = request.poll().unwrap();
        assert_eq!(outcome.result.unwrap_err().status(), Status::Aborted);
        assert_eq!((outcome.state, outcome.label.as_str()), (BufferState::Ready, "tested"));

        let request = to.map_async(MapMode::Read, 0, None).unwrap();
        assert!(request.cancel() && !request.cancel());
        assert_eq!(request.poll().unwrap().result.unwrap_err().status(), Status::Cancelled);

        let request = to.map_async(MapMode::Read, 0, None).unwrap();
        to.destroy();
        let outcome = request.wait(Timeout::TRY).unwrap();
        assert_eq!(outcome.result.unwrap_err().status(), Status::Aborted);
        assert_eq!(outcome.state, BufferState::Destroyed);

        let to = busy(&device, &faults);
        let request = to.map_async(MapMode::Read, 0, None).unwrap();
        drop(to);
        assert_eq!(request.poll().unwrap().result.unwrap_err().status(), Status::Aborted);
        faults.release();
    }
}

#[test]
fn wait_any_returns_the_first_completed_request() {
    let faults = Faults::new().unwrap();
    for host_driven in [false, true] {
        let device = host(&faults, host_driven);
        let ready = buffer(&device, 32, write_usage(), false);
        let late = busy(&device, &faults);
        let requests = [late.map_async(MapMode::Read, 0, None), ready.map_async(MapMode::Write, 0, None)]
            .map(Result::unwrap);
        let all = [&requests[0], &requests[1]];
        assert_eq!(Request::wait_any(&all, FOREVER), Ok(1));
        assert_eq!(Request::wait_any(&all[..1], SOON).unwrap_err().status(), Status::Timeout);
        faults.release();
        assert_eq!(Request::wait_any(&all[..1], FOREVER), Ok(0));
        assert_eq!(Request::wait_any(&[], FOREVER).unwrap_err().status(), Status::Argument);
        let other = host(&faults, false);
        let foreign = buffer(&other, 8, write_usage(), false);
        let foreign = foreign.map_async(MapMode::Write, 0, None).unwrap();
        assert_eq!(Request::wait_any(&[all[0], &foreign], FOREVER).unwrap_err().status(), Status::Argument);
    }
}

#[test]
fn buffers_of_another_device_are_refused() {
    let faults = Faults::new().unwrap();
    let (one, other) = (host(&faults, false), host(&faults, false));
    let from = buffer(&one, 16, Usage::COPY_SRC, false);
    let to = buffer(&other, 16, Usage::COPY_DST, false);
    let error = Encoder::new(&one).copy(&from, 0, &to, 0, 16).unwrap_err();
    assert_eq!(error.to_string(), "to = 'tested': belongs to another device");
}

#[test]
fn the_loss_of_a_device_completes_every_request() {
    for host_driven in [false, true] {
        let faults = Faults::new().unwrap();
        let device = host(&faults, host_driven);
        let mut mapped = buffer(&device, 32, write_usage(), true);
        let to = busy(&device, &faults);
        let request = to.map_async(MapMode::Read, 0, None).unwrap();
        faults.lose();
        let outcome = request.wait(FOREVER).unwrap();
        assert_eq!(outcome.result.unwrap_err().status(), Status::DeviceLost);
        assert_eq!(status(mapped.range(0, None)), Status::DeviceLost);
        mapped.unmap();
        assert_eq!(mapped.state(), BufferState::Ready);
        assert_eq!(status(mapped.map_async(MapMode::Write, 0, None)), Status::DeviceLost);
        assert_eq!(status(Encoder::new(&device).submit()), Status::DeviceLost);
        let desc = BufferDesc { size: 8, usage: Usage::VERTEX, ..BufferDesc::default() };
        assert_eq!(status(Buffer::new(&device, &desc)), Status::DeviceLost);
    }
}

#[test]
fn the_end_of_a_device_completes_every_request_and_keeps_borrowed_bytes() {
    for host_driven in [false, true] {
        let faults = Faults::new().unwrap();
        let device = host(&faults, host_driven);
        let held = buffer(&device, 4096, Usage::VERTEX, true);
        let mut range = held.range_mut(0, None).unwrap();
        let to = busy(&device, &faults);
        let request = to.map_async(MapMode::Read, 0, None).unwrap();
        device.destroy().unwrap();
        assert_eq!(request.poll().unwrap().result.unwrap_err().status(), Status::DeviceLost);
        range.fill(7);
        assert_eq!(*range, [7; 4096]);
        drop(range);
        assert_eq!(status(held.range(0, None)), Status::DeviceLost);
    }
}

#[test]
fn a_device_may_be_lost_at_any_driver_call() {
    let script = |device: &Device| -> backbuf::Result<()> {
        let desc = BufferDesc { size: 16, usage: write_usage(), mapped_at_creation: true, label: "" };
        let mut from = Buffer::new(device, &desc)?;
        let to = Buffer::new(device, &BufferDesc { usage: read_usage(), mapped_at_creation: false, ..desc })?;
        from.range_mut(0, None)?.fill(1);
        from.unmap();
        let mut encoder = Encoder::new(device);
        encoder.copy(&from, 0, &to, 0, 16)?;
        encoder.submit()?;
        let requests = [from.map_async(MapMode::Write, 0, None)?, to.map_async(MapMode::Read, 0, None)?];
        for request in requests {
            request.wait(FOREVER)?.result?;
        }
        assert_eq!(*to.range(0, None)?, [1; 16]);
        Ok(())
    };
    for host_driven in [false, true] {
        for step in 1.. {
            let faults = Faults::new().unwrap();
            let device = host(&faults, host_driven);
            faults.lose_at(step);
            let result = script(&device);
            device.destroy().unwrap();
            match result {
                Ok(()) => {
                    assert_eq!(step, 9, "create, map, create, unmap, copy, submit, map, map");
                    break;
                }
                Err(error) => assert_eq!(error.status(), Status::DeviceLost, "step {step}"),
            }
        }
    }
}

#[test]
fn a_failed_allocation_leaks_nothing() {
    let faults = Faults::new().unwrap();
    let device = host(&faults, false);
    faults.fail_allocation(1);
    let desc = BufferDesc { size: 64, usage: Usage::VERTEX, mapped_at_creation: true, label: "" };
    assert_eq!(status(Buffer::new(&device, &desc)), Status::OutOfMemory);
    assert_eq!(device.live_buffers().unwrap(), []);
    Buffer::new(&device, &desc).unwrap();
}

#[test]
fn a_callback_cannot_wait_for_the_device() {
    for host_driven in [false, true] {
        let faults = Faults::new().unwrap();
        let device = host(&faults, host_driven);
        let (sender, receiver) = std::sync::mpsc::channel();
        let buffers = [(); 2].map(|()| buffer(&device, 8, write_usage(), false));
        let second = busy(&device, &faults);
        let late = second.map_async(MapMode::Read, 0, None).unwrap();
        let inside = device.clone();
        buffers[0]
            .map_async(MapMode::Write, 0, None)
            .unwrap()
            .then(move |_| {
                let mut results = vec![late.wait(FOREVER).map(drop), inside.destroy()];
                if host_driven {
                    results.push(inside.poll(Timeout::TRY));
                }
                sender.send(results).unwrap();
                std::panic::resume_unwind(Box::new("a panic in a callback harms nothing else"));
            })
            .unwrap();
        map(&buffers[1], MapMode::Write);
        for result in receiver.recv().unwrap() {
            assert_eq!(status(result), Status::Recursive);
        }
        faults.release();
        map(&buffer(&device, 8, write_usage(), false), MapMode::Write);
    }
}

#[test]
fn racing_threads_complete_each_request_once() {
    let faults = Faults::new().unwrap();
    let device = host(&faults, false);
    let (requested, completed) = (AtomicU32::new(0), std::sync::Arc::new(AtomicU32::new(0)));
    let rounds = 400;
    let shared = Mutex::new(buffer(&device, 32, write_usage(), false));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|thread| {
                let (shared, requested, completed) = (&shared, &requested, completed.clone());
                scope.spawn(move || {
                    for round in 0..rounds {
                        let request = shared.lock().unwrap().map_async(MapMode::Write, 0, None);
                        let Ok(request) = request else {
                            if (round + thread) % 3 == 0 {
                                shared.lock().unwrap().unmap();
                            }
                            continue;
                        };
                        requested.fetch_add(1, Relaxed);
                        if round % 2 == 0 {
                            request.cancel();
                        }
                        let completed = completed.clone();
                        request
                            .then(move |_| {
                                completed.fetch_add(1, Relaxed);
                            })
                            .unwrap();
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Relaxed) {
                faults.hold();
                thread::yield_now();
                faults.release();
                thread::yield_now();
            }
        });
        racers.into_iter().for_each(|racer| racer.join().unwrap());
        done.store(true, Relaxed);
    });
    shared.lock().unwrap().unmap();
    assert!(requested.load(Relaxed) > 0);
    assert_eq!(completed.load(Relaxed), requested.load(Relaxed));
}

#[test]
fn native_handles_serve_the_callers_own_driver_calls() {
    let device = host(&Faults::new().unwrap(), false);
    let mut mesh = buffer(&device, 16, Usage::VERTEX | Usage::COPY_SRC | Usage::COPY_DST, true);
    assert_eq!(status(mesh.native()), Status::State);
    mesh.unmap();
    let native = mesh.native().unwrap();
    device.drive(FOREVER, |driver| driver.write(native, 4, &[6; 4])).unwrap();
    assert_eq!(contents(&device, &mesh)[..12], [0, 0, 0, 0, 6, 6, 6, 6, 0, 0, 0, 0]);
}
