//! What the parts of the library use of devices and users do not see.

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
    device.perform(|driver| driver.create(64, Usage::COPY_DST, "unit")).unwrap()
}

#[test]
fn who_stops_waiting_takes_its_call_back() {
    let faults = Faults::new().unwrap();
    let device = host(&faults, true);
    let (stop, asks) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let wants_to = || {
                asks.store(true, Release);
                stop.load(Acquire)
            };
            device.call(Deadline::NEVER, &wants_to, |_| -> Result<()> { panic!("taken back") })
        });
        while !asks.load(Acquire) {
            std::thread::yield_now();
        }
        stop.store(true, Release);
        device.nudge();
        assert_eq!(waiter.join().unwrap().unwrap_err().status(), Status::Closed);
        // It lies in the queue, and nobody runs it.
        device.poll(Timeout::FOREVER).unwrap();
        assert!(device.lost().is_none());
    });
}

#[test]
fn who_stops_waiting_for_a_fence_is_let_go() {
    let faults = Faults::new().unwrap();
    for host_driven in [false, true] {
        let device = host(&faults, host_driven);
        faults.hold();
        let fence = device.perform(|driver| driver.submit()).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while device.shared().waiting.load(Acquire) == 0 {
                    std::thread::yield_now();
                }
                stop.store(true, Release);
                device.nudge();
            });
            let result = device.wait(fence, Deadline::NEVER, &|| stop.load(Acquire));
            assert_eq!(result.unwrap_err().status(), Status::Closed);
        });
        faults.release();
        device.wait(fence, Deadline::NEVER, &|| false).unwrap();
    }
}

#[test]
fn what_is_retired_is_deleted_when_the_owner_thread_comes_to_it() {
    let faults = Faults::new().unwrap();
    let device = host(&faults, true);
    let buffers: Vec<_> = (0..100).map(|_| create(&device)).collect();
    std::thread::scope(|scope| {
        for part in buffers.chunks(25) {
            let device = &device;
            scope.spawn(move || part.iter().for_each(|buffer| device.retire(*buffer)));
        }
    });
    // They are nobody's from the moment on that they are retired, and nobody retires them twice.
    device.retire(buffers[0]);
    device.discard(Foreign(0));
    assert_eq!(device.live_buffers().unwrap(), []);
    assert!(device.shared().books.has_spent());
    device.poll(Timeout::TRY).unwrap();
    assert!(!device.shared().books.has_spent());
    let statistics = device.statistics();
    assert_eq!((statistics.buffers_created, statistics.buffers_deleted), (100, 100));

    let own = host(&faults, false);
    own.retire(create(&own));
    while own.shared().books.has_spent() {
        std::thread::yield_now();
    }
    assert_eq!((own.statistics().buffers_deleted, own.is_owner()), (1, false));
}

#[test]
fn pumping_serves_others_until_its_own_wish_comes_true() {
    let device = host(&Faults::new().unwrap(), true);
    assert!(device.is_owner() && device.is_host_driven());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let fence = device.perform(|driver| driver.submit())?;
            device.wait_fence(fence, Timeout::FOREVER)?;
            done.store(true, Release);
            device.nudge();
            Ok::<(), crate::error::Error>(())
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
fn the_driver_goes_with_its_device() {
    for host_driven in [false, true] {
        let faults = Faults::new().unwrap();
        // The driver keeps them, too.
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
fn a_device_without_a_renderer_says_so() {
    assert!(host(&Faults::new().unwrap(), false).renderer().is_none());
}

#[test]
fn a_host_that_does_not_drive_its_device_is_waited_for_to_a_bound() {
    let device = host(&Faults::new().unwrap(), true);
    device.shared().undriven.store(1_000_000, Relaxed);
    std::thread::scope(|scope| {
        let elsewhere = || device.perform(|_| -> Result<()> { panic!("taken back") }).unwrap_err();
        let error = scope.spawn(elsewhere).join().unwrap();
        assert_eq!(error.status(), Status::Timeout);
        assert!(error.to_string().contains("has not driven it for 30 s"), "{error}");
    });
    // The owner thread does not wait for itself, nor does a thread of the library.
    device.perform(|driver| driver.submit()).unwrap();
    device.poll(Timeout::FOREVER).unwrap();
    let own = host(&Faults::new().unwrap(), false);
    own.shared().undriven.store(0, Relaxed);
    own.perform(|driver| driver.submit()).unwrap();
}

#[test]
fn a_callback_on_the_owner_thread_is_told_that_it_cannot_wait() {
    for host_driven in [false, true] {
        let faults = Faults::new().unwrap();
        let device = host(&faults, host_driven);
        faults.hold();
        let fence = device.perform(|driver| driver.submit()).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let inside = device.clone();
        let callback = move || {
            let waited = inside.wait_fence(fence, Timeout::FOREVER).unwrap_err();
            tell.send((waited.status(), inside.wait_until(Deadline::NEVER, &|| false).unwrap_err().status()))
                .unwrap();
        };
        device.after(Fence(0), Box::new(callback)).unwrap();
        if host_driven {
            device.poll(Timeout::FOREVER).unwrap();
        }
        assert_eq!(told.recv().unwrap(), (Status::Recursive, Status::Recursive));
        faults.release();
    }
}

#[test]
fn completions_run_in_the_order_of_their_fences() {
    let faults = Faults::new().unwrap();
    let device = host(&faults, true);
    faults.hold();
    let fences: Vec<_> = (0..2).map(|_| device.perform(|driver| driver.submit()).unwrap()).collect();
    let (tell, told) = std::sync::mpsc::channel();
    for (name, fence) in [("second", fences[1]), ("first", fences[0]), ("first, asked for later", fences[0])]
    {
        let tell = tell.clone();
        device.after(fence, Box::new(move || tell.send(name).unwrap())).unwrap();
    }
    faults.release();
    device.poll(Timeout::FOREVER).unwrap();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), ["first", "first, asked for later", "second"]);
}
