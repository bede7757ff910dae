//! Devices that end while they are in use, by safe code alone: borrowed bytes stay valid, every wait ends, and nothing else is kept.
#![forbid(unsafe_code)]

use std::sync::mpsc;
use std::thread;

use backbuf::buffers::*;
use backbuf::device::{Device, Faults, HostConfig, MapMode, Usage};
use backbuf::manager::{Config, Manager};
use backbuf::{DType, Result, Status, Timeout};

const FOREVER: Timeout = Timeout::FOREVER;
const WRITE: Usage = match Usage::from_bits(Usage::MAP_WRITE.bits() | Usage::COPY_SRC.bits()) {
    Some(usage) => usage,
    None => panic!(),
};

fn driven(faults: &Faults) -> Device {
    let config = HostConfig { label: "driven", host_driven: true, faults: Some(faults.clone()) };
    Device::host(config).unwrap()
}

fn buffer(device: &Device, usage: Usage, mapped_at_creation: bool) -> Buffer {
    Buffer::new(device, &BufferDesc { size: 4096, usage, mapped_at_creation, label: "mesh" }).unwrap()
}

fn status<T: std::fmt::Debug>(result: Result<T>) -> Status {
    result.unwrap_err().status()
}

/// The result of `make` on a host-driven device whose owner thread has ended.
fn orphan<T: Send>(make: impl FnOnce(&Device, &Faults) -> T + Send) -> (Device, T) {
    thread::scope(|scope| {
        let owner = scope.spawn(|| {
            let faults = Faults::new().unwrap();
            let device = driven(&faults);
            let made = make(&device, &faults);
            (device, made)
        });
        owner.join().unwrap()
    })
}

#[test]
fn a_device_without_its_owner_refuses_every_call_and_can_be_destroyed_anywhere() {
    let (device, (mut mapped, pending, request)) = orphan(|device, faults| {
        let (mut pending, target) = (buffer(device, WRITE, true), buffer(device, Usage::COPY_DST, false));
        pending.unmap();
        faults.hold();
        let mut encoder = Encoder::new(device);
        encoder.copy(&pending, 0, &target, 0, 64).unwrap();
        encoder.submit().unwrap();
        let request = pending.map_async(MapMode::Write, 0, None).unwrap();
        (buffer(device, Usage::VERTEX, true), pending, request)
    });
    let desc = BufferDesc { size: 64, usage: Usage::VERTEX, mapped_at_creation: false, label: "late" };
    let error = Buffer::new(&device, &desc).unwrap_err();
    assert_eq!(error.status(), Status::DeviceLost);
    assert!(error.to_string().contains("the thread that made this host-driven device has ended"), "{error}");
    assert_eq!(status(Encoder::new(&device).submit()), Status::DeviceLost);
    assert_eq!(status(device.poll(Timeout::TRY)), Status::DeviceLost);
    assert_eq!(status(mapped.range(0, None)), Status::DeviceLost);
    assert_eq!(status(pending.map_async(MapMode::Write, 0, None)), Status::DeviceLost);
    assert_eq!(status(request.wait(FOREVER).unwrap().result), Status::DeviceLost);
    assert_eq!((mapped.state(), pending.state()), (BufferState::Destroyed, BufferState::Destroyed));
    mapped.unmap();
    assert_eq!(mapped.state(), BufferState::Destroyed);
    thread::spawn({
        let device = device.clone();
        move || device.destroy().unwrap()
    })
    .join()
    .unwrap();
    device.destroy().unwrap();
}

#[test]
fn the_end_of_the_owner_thread_ends_every_wait() {
    let faults = Faults::new().unwrap();
    faults.hold();
    let ((sender, outcomes), (called, calls)) = (mpsc::channel(), mpsc::channel());
    let (give, given) = mpsc::channel::<Device>();
    let (leave, left) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let waiter = scope.spawn(move || {
            let device = given.recv().unwrap();
            // Queued: the owner never polls.
            let queued = device.clone();
            let call = thread::spawn(move || status(Encoder::new(&queued).submit()));
            while device.statistics().calls < 4 {
                thread::yield_now();
            }
            leave.send(()).unwrap();
            call.join().unwrap()
        });
        let owner = scope.spawn(move || {
            let device = driven(&faults);
            let (mut source, target) =
                (buffer(&device, WRITE, true), buffer(&device, Usage::COPY_DST, false));
            source.unmap();
            let mut encoder = Encoder::new(&device);
            encoder.copy(&source, 0, &target, 0, 64).unwrap();
            encoder.submit().unwrap();
            let then =
                move |outcome: MapOutcome| sender.send((outcome.result, thread::current().id())).unwrap();
            source.map_async(MapMode::Write, 0, None).unwrap().then(then).unwrap();
            called.send((source, target)).unwrap();
            give.send(device).unwrap();
            left.recv().unwrap();
            thread::current().id()
        });
        let owner = owner.join().unwrap();
        assert_eq!(waiter.join().unwrap(), Status::DeviceLost);
        let (result, thread) = outcomes.recv().unwrap();
        assert_eq!((status(result), thread), (Status::DeviceLost, owner));
        assert!(outcomes.recv().is_err(), "called once, and dropped");
        drop(calls);
    });
}

#[test]
fn the_end_of_the_owner_thread_ends_a_wait_for_a_ring() {
    let policy = RingPolicy::Block(FOREVER);
    let config = DynamicConfig { size: 256, frames: 1, policy, ..DynamicConfig::default() };
    let (give, given) = mpsc::channel();
    let (leave, left) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let device = driven(&Faults::new().unwrap());
            give.send(DynamicBuffer::new(&device, &config).unwrap()).unwrap();
            left.recv().unwrap();
        });
        let mut ring: DynamicBuffer = given.recv().unwrap();
        ring.begin_update(256).unwrap().fill(1);
        ring.end_frame().unwrap(); // queued for the owner, which does not poll
        scope.spawn(move || assert_eq!(status(ring.begin_update(256)), Status::DeviceLost));
        leave.send(()).unwrap();
    });
}

#[test]
fn a_manager_keeps_its_front_after_the_end_of_its_device() {
    let (_, manager) = orphan(|device, _| {
        let config = Config { device: Some(device), ..Config::default() };
        let manager = Manager::untyped_with_config(DType::U8, &[3], config).ok().unwrap();
        manager.enqueue(0, &[1], FOREVER).unwrap();
        manager.synchronize(FOREVER).unwrap();
        manager
    });
    assert_eq!(*manager.front().unwrap(), [1, 0, 0]);
    manager.enqueue(0, &[2], FOREVER).unwrap();
    assert_eq!(status(manager.synchronize(FOREVER)), Status::DeviceLost);
    assert_eq!(status(manager.device_front()), Status::DeviceLost);
    drop(manager);
}

/// Borrowed bytes stay readable and writable until they are returned, however the device ends.
#[test]
fn borrowed_bytes_outlive_every_end_of_their_device() {
    type End<'a> = &'a (dyn Fn(&Device, &Faults) + Sync);
    let ends: [End<'_>; 3] =
        [&|device, _| device.destroy().unwrap(), &|_, faults| faults.lose(), &|device, faults| {
            faults.lose();
            device.destroy().unwrap();
        }];
    for end in ends {
        let faults = Faults::new().unwrap();
        let config = HostConfig { faults: Some(faults.clone()), ..HostConfig::default() };
        let device = Device::host(config).unwrap();
        let mapped = buffer(&device, Usage::VERTEX, true);
        let ring =
            DynamicBuffer::new(&device, &DynamicConfig { size: 4096, ..DynamicConfig::default() }).unwrap();
        let mut staging = ImmediateStagingBuffer::new(&device, 4096, "").unwrap();
        let mut range = mapped.range_mut(0, None).unwrap();
        let (mut update, mut bytes) = (ring.begin_update(4096).unwrap(), staging.bytes().unwrap());
        let others = device.clone();
        thread::scope(|scope| scope.spawn(|| end(&others, &faults)).join().unwrap());
        drop((device, others));
        for borrowed in [&mut range[..], &mut update[..], &mut bytes[..]] {
            borrowed.fill(7);
            assert!(borrowed.iter().all(|byte| *byte == 7));
        }
    }
}

#[test]
fn borrowed_bytes_outlive_the_owner_of_their_device() {
    let (give, given) = mpsc::channel();
    thread::spawn(move || give.send(buffer(&driven(&Faults::new().unwrap()), Usage::VERTEX, true)).unwrap())
        .join()
        .unwrap();
    // The device's last handle is the buffer's: nothing has ended it but its thread.
    let gone = given.recv().unwrap();
    assert_eq!(status(gone.range(0, None)), Status::DeviceLost);

    let (give, given) = mpsc::channel::<Buffer>();
    let (leave, left) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let owner = scope.spawn(move || {
            give.send(buffer(&driven(&Faults::new().unwrap()), Usage::VERTEX, true)).unwrap();
            left.recv().unwrap();
        });
        let buffer = given.recv().unwrap();
        let mut range = buffer.range_mut(0, None).unwrap();
        leave.send(()).unwrap();
        owner.join().unwrap();
        range.fill(7);
        assert!(range.iter().all(|byte| *byte == 7));
    });
}
