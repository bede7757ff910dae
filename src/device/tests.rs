//! Tests of the device's internal API, which managers and buffers use.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::alloc::Arc;
use crate::error::{Result, Status};
use crate::sync::atomic::Ordering::*;
use crate::sys::clock::{Deadline, Timeout};

fn host(faults: &Faults, host_driven: bool) -> Device {
    Device::host(HostConfig { label: "unit", host_driven, faults: Some(faults.clone()) }).unwrap()
}

fn create(device: &Device) -> Native {
    device.call_untimed(|driver| driver.create(64, Usage::COPY_DST, "unit")).unwrap()
}

#[test]
fn a_caller_that_stops_waiting_cancels_its_call() {
    let faults = Faults::new().unwrap();
    let device = host(&faults, true);
    let (stop, asked) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let stops = || {
                asked.store(true, Release);
                stop.load(Acquire)
            };
            device.call(Deadline::NEVER, &stops, |_| -> Result<()> { panic!("cancelled") })
        });
        while !asked.load(Acquire) {
            std::thread::yield_now();
        }
        stop.store(true, Release);
        device.wake_all();
        assert_eq!(waiter.join().unwrap().unwrap_err().status(), Status::Closed);
        // The call is still queued, and never runs.
        device.poll(Timeout::FOREVER).unwrap();
        assert!(device.lost().is_none());
    });
}

#[test]
fn a_wait_for_a_fence_ends_when_stop_holds() {
    let faults = Faults::new().unwrap();
    for host_driven in [false, true] {
        let device = host(&faults, host_driven);
        faults.hold();
        let fence = device.call_untimed(|driver| driver.submit()).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while device.shared().driver.timeline.waiters() == 0 {
                    std::thread::yield_now();
                }
                stop.store(true, Release);
                device.wake_all();
            });
            let result = device.wait(fence, Deadline::NEVER, &|| stop.load(Acquire));
            assert_eq!(result.unwrap_err().status(), Status::Closed);
        });
        faults.release();
        device.wait(fence, Deadline::NEVER, &|| false).unwrap();
    }
}

#[test]
fn the_owner_thread_deletes_retired_buffers() {
    let faults = Faults::new().unwrap();
    let device = host(&faults, true);
    let buffers: Vec<_> = (0..100).map(|_| create(&device)).collect();
    std::thread::scope(|scope| {
        for part in buffers.chunks(25) {
            let device = &device;
            scope.spawn(move || part.iter().for_each(|buffer| device.retire(*buffer)));
        }
    });
    // A retired buffer is no longer live, and a second retirement does nothing.
    device.retire(buffers[0]);
    device.discard(Foreign(0));
    assert_eq!(device.live_buffers().unwrap(), []);
    assert!(device.shared().driver.tracker.has_retired());
    device.poll(Timeout::TRY).unwrap();
    assert!(!device.shared().driver.tracker.has_retired());
    let statistics = device.statistics();
    assert_eq!((statistics.buffers_created, statistics.buffers_deleted), (100, 100));

    let own = host(&faults, false);
    own.retire(create(&own));
    while own.shared().driver.tracker.has_retired() {
        std::thread::yield_now();
    }
    assert_eq!((own.statistics().buffers_deleted, own.is_owner()), (1, false));
}

#[test]
fn pumping_runs_calls_of_other_threads_until_ready() {
    let device = host(&Faults::new().unwrap(), true);
    assert!(device.is_owner() && device.is_host_driven());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let fence = device.call_untimed(|driver| driver.submit())?;
            device.wait_fence(fence, Timeout::FOREVER)?;
            done.store(true, Release);
            device.wake_all();
            Ok::<(), crate::Error>(())
        });
        device.pump(Deadline::NEVER, &|| done.load(Acquire)).unwrap();
        other.join().unwrap().unwrap();
    });
    let soon = Deadline::after(Timeout::nanos(100_000));
    assert_eq!(device.pump(soon, &|| false).unwrap_err().status(), Status::Timeout);
    let own = host(&Faults::new().unwrap(), false);
    assert_eq!(own.pump(Deadline::NEVER, &|| true).unwrap_err().status(), Status::State);
    device.destroy().unwrap();
    assert_eq!(device.pump(Deadline::NEVER, &|| false).unwrap_err().status(), Status::DeviceLost);
}

#[test]
fn the_driver_is_dropped_with_its_device() {
    for host_driven in [false, true] {
        let faults = Faults::new().unwrap();
        // The driver keeps a clone.
        let held = || Arc::downgrade(&faults.0).strong_count();
        let device = host(&faults, host_driven);
        let other = device.clone();
        drop(device);
        assert_eq!(held(), 2);
        drop(other);
        assert_eq!(held(), 1);
        let device = host(&faults, host_driven);
        device.destroy().unwrap();
        assert_eq!(held(), 1);
        drop(device);
    }
}

#[test]
fn the_end_of_a_device_waits_for_uses_of_mapped_bytes_and_not_for_ranges() {
    let faults = Faults::new().unwrap();
    // The thread that uses mapped bytes sets `over`, and holds a range or not, after the device has ended.
    for holds in [false, true] {
        let device = host(&faults, true);
        let (lifecycle, over) = (device.shared().lifecycle(), AtomicBool::new(false));
        let used = lifecycle.use_mapped().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !lifecycle.has_ended() {
                    std::thread::yield_now();
                }
                over.store(true, SeqCst);
                if holds { used.hold() } else { drop(used) }
            });
            lifecycle.end();
            assert_eq!(lifecycle.stays_mapped(), holds);
            assert!(over.load(SeqCst));
        });
        assert_eq!(lifecycle.use_mapped().unwrap_err().status(), Status::DeviceLost);
        assert_eq!(lifecycle.stays_mapped(), holds);
        if holds {
            lifecycle.return_mapped();
        }
    }
}

#[test]
fn a_driver_is_kept_for_a_range_that_the_program_holds() {
    for (host_driven, holds) in [(false, false), (false, true), (true, false), (true, true)] {
        let faults = Faults::new().unwrap();
        let device = host(&faults, host_driven);
        let used = device.use_mapped().unwrap();
        if holds {
            used.hold()
        } else {
            drop(used)
        }
        device.destroy().unwrap();
        // The driver keeps a clone.
        assert_eq!(Arc::downgrade(&faults.0).strong_count(), if holds { 2 } else { 1 });
    }
}

#[test]
fn a_host_device_has_no_renderer() {
    assert!(host(&Faults::new().unwrap(), false).renderer().is_none());
}

#[test]
fn a_call_without_a_timeout_waits_30_s_for_the_host() {
    let device = host(&Faults::new().unwrap(), true);
    device.shared().undriven_ns.store(1_000_000, Relaxed);
    std::thread::scope(|scope| {
        let elsewhere = || device.call_untimed(|_| -> Result<()> { panic!("cancelled") }).unwrap_err();
        let error = scope.spawn(elsewhere).join().unwrap();
        assert_eq!(error.status(), Status::Timeout);
        assert!(error.to_string().contains("has not driven it for 30 s"), "{error}");
    });
    // Calls on the owner thread, and to a thread that the library started, have no such bound.
    device.call_untimed(|driver| driver.submit()).unwrap();
    device.poll(Timeout::FOREVER).unwrap();
    let own = host(&Faults::new().unwrap(), false);
    own.shared().undriven_ns.store(0, Relaxed);
    own.call_untimed(|driver| driver.submit()).unwrap();
}

#[test]
fn a_callback_on_the_owner_thread_cannot_wait() {
    for host_driven in [false, true] {
        let faults = Faults::new().unwrap();
        let device = host(&faults, host_driven);
        faults.hold();
        let fence = device.call_untimed(|driver| driver.submit()).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let inside = device.clone();
        let callback = move || {
            let waited = inside.wait_fence(fence, Timeout::FOREVER).unwrap_err();
            sender
                .send((waited.status(), inside.wait_until(Deadline::NEVER, &|| false).unwrap_err().status()))
                .unwrap();
        };
        device.run_after(Fence(0), Box::new(callback)).unwrap();
        if host_driven {
            device.poll(Timeout::FOREVER).unwrap();
        }
        assert_eq!(receiver.recv().unwrap(), (Status::Recursive, Status::Recursive));
        faults.release();
    }
}

#[test]
fn completions_run_in_the_order_of_their_fences() {
    let faults = Faults::new().unwrap();
    let device = host(&faults, true);
    faults.hold();
    let fences: Vec<_> = (0..2).map(|_| device.call_untimed(|driver| driver.submit()).unwrap()).collect();
    let (sender, receiver) = std::sync::mpsc::channel();
    for (name, fence) in [("second", fences[1]), ("first", fences[0]), ("first, asked for later", fences[0])]
    {
        let sender = sender.clone();
        device.run_after(fence, Box::new(move || sender.send(name).unwrap())).unwrap();
    }
    faults.release();
    device.poll(Timeout::FOREVER).unwrap();
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), ["first", "first, asked for later", "second"]);
}
