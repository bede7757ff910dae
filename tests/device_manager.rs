//! Managers on a device: device copies equal the fronts, also after faults of the device, and nothing is lost or leaked.

use std::sync::mpsc;
use std::thread;

use backbuf::device::{Device, Faults, HostConfig, MapMode};
use backbuf::manager::{Config, DeviceFront, Manager};
use backbuf::{DType, Result, Status, Timeout};
use proptest::prelude::*;

#[path = "common/drive.rs"]
mod drive;

use drive::Drive;

const MS: Timeout = Timeout::nanos(1_000_000);
const FOREVER: Timeout = Timeout::FOREVER;

struct Rig {
    faults: Faults,
    device: Device,
}

fn rig(host_driven: bool) -> Rig {
    let faults = Faults::new().unwrap();
    let config = HostConfig { label: "rig", host_driven, faults: Some(faults.clone()) };
    Rig { faults, device: Device::host(config).unwrap() }
}

impl Rig {
    fn manager(&self, bytes: u64) -> Manager {
        self.try_manager(bytes, Config::default()).unwrap()
    }

    fn try_manager(&self, bytes: u64, config: Config<'_>) -> Result<Manager> {
        let config = Config { label: "device copies", device: Some(&self.device), ..config };
        Ok(Manager::untyped_with_config(DType::U8, &[bytes], config)?)
    }

    /// The content of the device copy of a leased front.
    fn device_copy(&self, front: &DeviceFront) -> Vec<u8> {
        let (native, length) = (front.native(), front.len());
        let read = self.device.drive(FOREVER, move |driver| {
            let data = driver.map(native, MapMode::Read, 0, length)?;
            // SAFETY: mapped for reading, and the front is leased.
            let bytes = unsafe { std::slice::from_raw_parts(data.as_ptr(), length as usize) }.to_vec();
            driver.unmap(native)?;
            Ok(bytes)
        });
        read.unwrap()
    }

    fn assert_nothing_left(self) {
        let Rig { device, .. } = self;
        // The owner thread frees buffers, in its next turn.
        device.drive(FOREVER, |_| Ok(())).unwrap();
        assert_eq!(device.live_buffers().unwrap(), []);
        let statistics = device.statistics();
        assert_eq!(statistics.buffers_created, statistics.buffers_deleted);
    }
}

fn put(manager: &Manager, at: u64, data: &[u8]) {
    manager.enqueue(at, data, FOREVER).unwrap();
}

/// Short lengths, and lengths that are copied on the device.
fn lengths() -> impl Strategy<Value = u16> {
    prop_oneof![1u16..5000, 1u16..5000, 16_000u16..60_000]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each published device copy is the state, byte for byte, and does not change while it is leased.
    #[test]
    fn device_copies_equal_fronts(
        bytes in prop_oneof![1u64..300, 60_000u64..200_000],
        epochs in prop::collection::vec(prop::collection::vec((any::<u32>(), lengths(), any::<u8>()), 0..24), 1..12),
        held in any::<u64>(),
        delay in 0u32..3,
        reverse in any::<bool>(),
    ) {
        let rig = rig(false);
        rig.faults.delay(delay);
        rig.faults.reverse(reverse);
        let manager = rig.manager(bytes);
        let mut model = vec![0; bytes as usize];
        let mut leases: Vec<(DeviceFront, Vec<u8>)> = Vec::new();
        for (round, updates) in epochs.iter().enumerate() {
            for &(at, length, value) in updates {
                let at = u64::from(at) % bytes;
                let end = (at + u64::from(length)).min(bytes);
                model[at as usize..end as usize].fill(value);
                put(&manager, at, &vec![value; (end - at) as usize]);
            }
            manager.synchronize(FOREVER).unwrap();
            let front = manager.device_front().unwrap();
            prop_assert!(front.bytes() == model && rig.device_copy(&front) == model);
            for (front, then) in &leases {
                prop_assert!(rig.device_copy(front) == *then, "a leased device copy changed");
            }
            // One front is kept over some epochs: with three copies that does not block the producer.
            leases.clear();
            if held >> (round % 64) & 1 == 1 {
                leases.push((front, model.clone()));
            }
        }
        leases.clear();
        drop(manager);
        rig.assert_nothing_left();
    }
}

#[test]
fn no_buffer_is_created_in_the_steady_state() {
    let rig = rig(false);
    let manager = rig.manager(4096);
    let mut natives = [None; 8];
    for step in 0..2000u64 {
        put(&manager, step * 8 % 4096, &step.to_ne_bytes());
        manager.synchronize(FOREVER).unwrap();
        let front = manager.device_front().unwrap();
        let native = *natives[front.slot()].get_or_insert(front.native());
        assert_eq!(native, front.native(), "a slot has one buffer for life");
        front.release().unwrap();
    }
    let statistics = rig.device.statistics();
    assert!(statistics.buffers_created <= 3, "{statistics}");
    // Eight bytes an epoch, and as many forward: granules at the most.
    assert!(statistics.bytes_written < 2000 * 2 * 64 + 3 * 4096, "{statistics}");
    drop(manager);
    rig.assert_nothing_left();
}

#[test]
fn a_publish_waits_for_the_device_and_an_empty_one_does_not() {
    let rig = rig(false);
    let manager = rig.manager(64);
    rig.faults.hold();
    put(&manager, 0, &[1]);
    assert_eq!(manager.synchronize(MS).unwrap_err().status(), Status::Timeout);
    assert_eq!((manager.epoch(), manager.front().unwrap()[0]), (0, 0));
    put(&manager, 1, &[2]);
    rig.faults.release();
    assert!(manager.synchronize(FOREVER).unwrap() >= 1);
    let front = manager.device_front().unwrap();
    assert_eq!((front.bytes()[..2].to_vec(), &rig.device_copy(&front)[..2]), (vec![1, 2], &[1, 2][..]));
    let submits = rig.device.statistics().submits;
    manager.synchronize(FOREVER).unwrap();
    assert_eq!(rig.device.statistics().submits, submits);
}

#[test]
fn a_device_that_does_not_finish_is_reported_and_recovers() {
    let rig = rig(false);
    let manager = rig.try_manager(64, Config { watchdog: MS, ..Config::default() }).unwrap();
    rig.faults.hold();
    put(&manager, 0, &[1]);
    let error = manager.synchronize(FOREVER).unwrap_err();
    assert_eq!(error.status(), Status::Stalled);
    assert!(error.to_string().contains("upload to device"), "{error}");
    rig.faults.release();
    while manager.synchronize(FOREVER).is_err() {}
    // On a busy machine the repeated upload may outlast the watchdog, too.
    assert!(manager.statistics().stalls >= 1);
    assert_eq!(manager.front().unwrap()[0], 1);
}

#[test]
fn a_failed_allocation_is_reported_and_the_next_synchronize_succeeds() {
    let rig = rig(false);
    rig.faults.fail_allocation(1);
    assert_eq!(rig.try_manager(64, Config::default()).unwrap_err().status(), Status::OutOfMemory);
    let manager = rig.manager(64);
    rig.faults.fail_allocation(1);
    put(&manager, 0, &[7]);
    assert_eq!(manager.synchronize(FOREVER).unwrap_err().status(), Status::OutOfMemory);
    assert_eq!((manager.epoch(), manager.device_front().unwrap().epoch()), (0, 0));
    assert_eq!(manager.synchronize(FOREVER).unwrap(), 1);
    let front = manager.device_front().unwrap();
    assert_eq!(rig.device_copy(&front)[0], 7);
    drop((front, manager));
    rig.assert_nothing_left();
}

#[test]
fn a_device_lost_at_any_step_loses_no_state_and_ends_all_waits() {
    for step in 1..24 {
        let rig = rig(false);
        let manager = rig.manager(64);
        rig.faults.lose_at(step);
        let mut published = 0;
        let error = loop {
            put(&manager, 0, &[published + 1]);
            match manager.synchronize(FOREVER) {
                Ok(_) => published += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.status(), Status::DeviceLost, "{error}");
        let front = manager.front().unwrap();
        assert_eq!((front.epoch(), front[0]), (u64::from(published), published));
        assert_eq!(manager.device_front().unwrap_err().status(), Status::DeviceLost);
        assert_eq!(manager.synchronize(FOREVER).unwrap_err().status(), Status::DeviceLost);
        drop(manager);
        assert_eq!((front.epoch(), front[0]), (u64::from(published), published));
    }
}

#[test]
fn a_manager_ends_while_its_device_hangs() {
    let rig = rig(false);
    let manager = rig.manager(64);
    rig.faults.hold();
    put(&manager, 0, &[1]);
    let ticket = manager.synchronize_async().unwrap();
    assert_eq!(manager.wait(ticket, MS).unwrap_err().status(), Status::Timeout);
    drop(manager);
    rig.faults.release();
    rig.assert_nothing_left();
}

#[test]
fn a_device_may_be_destroyed_first() {
    let rig = rig(false);
    let manager = rig.manager(64);
    put(&manager, 0, &[1]);
    manager.synchronize(FOREVER).unwrap();
    let front = manager.device_front().unwrap();
    rig.device.destroy().unwrap();
    put(&manager, 0, &[2]);
    assert_eq!(manager.synchronize(FOREVER).unwrap_err().status(), Status::DeviceLost);
    drop(manager);
    assert_eq!(front.bytes()[0], 1);
    front.release().unwrap();
}

#[test]
fn a_front_outlives_its_manager_on_the_device_too() {
    let rig = rig(false);
    let manager = rig.manager(64);
    put(&manager, 0, &[1]);
    manager.synchronize(FOREVER).unwrap();
    let front = manager.device_front().unwrap();
    drop(manager);
    assert_eq!(rig.device_copy(&front)[0], 1);
    front.release().unwrap();
    rig.assert_nothing_left();
}

#[test]
fn leases_of_every_copy_pin_and_release_frees() {
    let rig = rig(false);
    let config = Config { copies: 2, watchdog: MS, ..Config::default() };
    let manager = rig.try_manager(64, config).unwrap();
    // On a busy machine the watchdog may find an upload at work.
    let synchronize = || loop {
        match manager.synchronize(FOREVER) {
            Err(error) if error.status() == Status::Stalled => {}
            other => break other,
        }
    };
    let first = manager.device_front().unwrap();
    put(&manager, 0, &[1]);
    synchronize().unwrap();
    put(&manager, 0, &[2]);
    assert_eq!(synchronize().unwrap_err().status(), Status::Pinned);
    assert_eq!(rig.device_copy(&first)[0], 0);
    first.release().unwrap();
    synchronize().unwrap();
    assert_eq!(rig.device_copy(&manager.device_front().unwrap())[0], 2);
}

#[test]
fn a_tag_alone_is_an_epoch_and_empty_states_are_legal() {
    let rig = rig(false);
    for bytes in [0, 1, 5] {
        let manager = rig.manager(bytes);
        manager.enqueue_tag(42, FOREVER).unwrap();
        manager.synchronize(FOREVER).unwrap();
        let front = manager.device_front().unwrap();
        assert_eq!((front.epoch(), front.tag(), front.len()), (1, 42, bytes));
    }
    rig.assert_nothing_left();
}

#[test]
fn waits_on_the_owner_thread_drive_the_device() {
    let rig = rig(true);
    let manager = rig.manager(1 << 22);
    for round in 1..20u8 {
        put(&manager, 0, &vec![round; 1 << 22]);
        match round % 3 {
            0 => assert_eq!(manager.synchronize(FOREVER).unwrap(), u64::from(round)),
            1 => {
                let ticket = manager.synchronize_async().unwrap();
                assert_eq!(manager.wait(ticket, FOREVER).unwrap(), u64::from(round));
            }
            _ => {
                manager.synchronize_async().unwrap();
                manager.wait_epoch(u64::from(round) - 1, FOREVER).unwrap();
            }
        }
        let front = manager.device_front().unwrap();
        assert!(rig.device_copy(&front).iter().all(|&byte| byte == round));
    }
    manager.close(FOREVER).unwrap();
    drop(manager);
    rig.device.poll(FOREVER).unwrap();
    assert_eq!(rig.device.live_buffers().unwrap(), []);
}

#[test]
fn an_engine_elsewhere_waits_for_the_owner_thread_to_poll() {
    let rig = rig(true);
    let manager = rig.try_manager(4096, Config { watchdog: Timeout::TRY, ..Config::default() });
    assert_eq!(manager.unwrap().epoch(), 0);
    let manager = rig.manager(4096);
    let (done, steps) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            put(&manager, 0, &[1]);
            let late = manager.synchronize(MS).unwrap_err().status();
            done.send(u64::from(late == Status::Timeout)).unwrap();
            for step in 2..50u8 {
                put(&manager, 0, &[step]);
                manager.synchronize(FOREVER).unwrap();
            }
            done.send(2).unwrap();
        });
        assert_eq!(steps.recv().unwrap(), 1, "published without a poll");
        while steps.try_recv().is_err() {
            rig.device.poll(MS).unwrap();
            let front = manager.device_front().unwrap();
            assert_eq!(rig.device_copy(&front), front.bytes());
        }
    });
    assert_eq!(manager.front().unwrap()[0], 49);
    drop(manager);
    rig.device.poll(FOREVER).unwrap();
    assert_eq!(rig.device.live_buffers().unwrap(), []);
}

#[test]
fn a_manager_made_elsewhere_waits_for_a_poll() {
    let rig = rig(true);
    thread::scope(|scope| {
        let late = scope.spawn(|| {
            let config = Config { watchdog: MS, ..Config::default() };
            rig.try_manager(64, config).unwrap_err().status()
        });
        assert_eq!(late.join().unwrap(), Status::Timeout);
        let made = scope.spawn(|| rig.manager(64));
        while !made.is_finished() {
            rig.device.poll(MS).unwrap();
        }
        drop(made.join().unwrap());
    });
    rig.device.poll(FOREVER).unwrap();
    assert_eq!(rig.device.live_buffers().unwrap(), []);
}

#[test]
fn a_front_that_a_renderer_has_mapped_does_not_block_a_publish() {
    let rig = rig(false);
    let manager = rig.manager(1 << 16);
    put(&manager, 0, &vec![1; 1 << 16]);
    manager.synchronize(FOREVER).unwrap();
    let front = manager.device_front().unwrap();
    let native = front.native();
    rig.device.drive(FOREVER, |driver| driver.map(native, MapMode::Read, 0, 1 << 16).map(drop)).unwrap();
    // The other device copy lacks the first epoch, and cannot be copied from the mapped one.
    put(&manager, 0, &[2; 64]);
    manager.synchronize(FOREVER).unwrap();
    let newer = manager.device_front().unwrap();
    assert_eq!(rig.device_copy(&newer), newer.bytes());
    assert_eq!((newer.bytes()[63], newer.bytes()[64]), (2, 1));
    rig.device.drive(FOREVER, |driver| driver.unmap(native)).unwrap();
}

#[test]
fn a_failed_upload_is_repeated() {
    let rig = rig(false);
    let manager = rig.manager(1 << 16);
    put(&manager, 0, &vec![1; 1 << 16]);
    manager.synchronize(FOREVER).unwrap();
    let next = manager.device_front().unwrap().native();
    put(&manager, 100, &[2; 1000]);
    manager.synchronize(FOREVER).unwrap();
    // The first device copy lacks these bytes, and is written next.
    rig.device.drive(FOREVER, |driver| driver.map(next, MapMode::Read, 0, 4).map(drop)).unwrap();
    put(&manager, 5000, &[3]);
    manager.synchronize(FOREVER).unwrap_err();
    rig.device.drive(FOREVER, |driver| driver.unmap(next)).unwrap();
    manager.synchronize(FOREVER).unwrap();
    let front = manager.device_front().unwrap();
    assert_eq!(front.native(), next);
    assert!(rig.device_copy(&front) == front.bytes());
}

#[test]
fn overlapping_updates_of_one_epoch_are_uploaded() {
    let rig = rig(false);
    let manager = rig.manager(4096);
    put(&manager, 50, &[1; 10]);
    put(&manager, 0, &[2; 1000]);
    manager.synchronize(FOREVER).unwrap();
    let front = manager.device_front().unwrap();
    assert!(rig.device_copy(&front) == front.bytes());
}

#[test]
fn a_call_of_the_device_cannot_wait_for_a_manager_on_it() {
    let rig = rig(false);
    let manager = rig.manager(64);
    put(&manager, 0, &[1]);
    let error = rig.device.drive(FOREVER, |_| manager.synchronize(FOREVER)).unwrap_err();
    assert_eq!(error.status(), Status::Recursive);
    manager.synchronize(FOREVER).unwrap();
}

#[test]
fn a_manager_on_host_memory_has_no_device_fronts() {
    let manager = Manager::untyped(DType::U8, &[4]).unwrap();
    let error = manager.device_front().unwrap_err();
    assert_eq!(error.status(), Status::State);
    assert!(error.to_string().contains("create it on a device"), "{error}");
}
