//! What every driver must do, whatever stands behind it: one suite for all.

#[path = "drive.rs"]
pub mod drive;

use std::sync::atomic::{AtomicU64, Ordering::*};

use backbuf::device::{Device, Driver, Fence, Foreign, MapMode, Native, Usage};
use backbuf::{Result, Status, Timeout};

use drive::Drive;

pub const FOREVER: Timeout = Timeout::FOREVER;
pub const COPIED: Usage = Usage::COPY_SRC;

/// For buffers that are written and copied both ways.
pub fn both() -> Usage {
    Usage::COPY_SRC | Usage::COPY_DST
}

/// Runs the suite on devices that `make` makes, one for each check.
pub fn run(make: &dyn Fn() -> Device) {
    type Check = (&'static str, fn(&Device));
    let checks: [Check; 12] = [
        ("reports its information", reports_its_information),
        ("new buffers are zero", new_buffers_are_zero),
        ("work is done in its order", work_is_done_in_its_order),
        ("data is read at once", data_is_read_at_once),
        ("any offset and size will do", any_offset_and_size_will_do),
        ("fences count submits", fences_count_submits),
        ("what is deleted in use is still copied", what_is_deleted_in_use_is_still_copied),
        ("what is mapped is written", what_is_mapped_is_written),
        ("bad ranges change nothing", bad_ranges_change_nothing),
        ("absurd sizes are refused", absurd_sizes_are_refused),
        ("fences for others are made and used up", fences_for_others_are_made_and_used_up),
        ("many threads share it", many_threads_share_it),
    ];
    for (name, check) in checks {
        let device = make();
        check(&device);
        let statistics = device.statistics();
        assert_eq!(device.live_buffers().unwrap(), [], "{name}");
        assert_eq!(statistics.buffers_created, statistics.buffers_deleted, "{name}");
        assert_eq!(statistics.live_bytes, 0, "{name}");
        device.destroy().unwrap();
    }
}

pub fn create(device: &Device, bytes: u64, usage: Usage) -> Native {
    device.drive(FOREVER, |driver| driver.create(bytes, usage, "of a test")).unwrap()
}

pub fn delete(device: &Device, buffers: &[Native]) {
    let delete = |driver: &mut dyn Driver| {
        buffers.iter().for_each(|buffer| driver.delete(*buffer));
        Ok(())
    };
    device.drive(FOREVER, delete).unwrap();
}

/// Submits what was asked for so far, and waits until it is done.
pub fn finish(device: &Device) {
    let fence = device.drive(FOREVER, |driver| driver.submit()).unwrap();
    device.wait_fence(fence, FOREVER).unwrap();
}

/// What a buffer holds once all work so far is done.
pub fn read(device: &Device, from: Native, offset: u64, bytes: u64) -> Vec<u8> {
    let (to, fence) = device
        .drive(FOREVER, |driver| {
            let to = driver.create(bytes, Usage::MAP_READ | Usage::COPY_DST, "readback")?;
            driver.copy(from, offset, to, 0, bytes)?;
            Ok((to, driver.submit()?))
        })
        .unwrap();
    device.wait_fence(fence, FOREVER).unwrap();
    let bytes = move |driver: &mut dyn Driver| {
        let place = driver.map(to, MapMode::Read, 0, bytes)?;
        // SAFETY: as the driver promises.
        let copy = unsafe { std::slice::from_raw_parts(place.as_ptr(), bytes as usize) }.to_vec();
        driver.unmap(to)?;
        driver.delete(to);
        Ok(copy)
    };
    device.drive(FOREVER, bytes).unwrap()
}

fn reports_its_information(device: &Device) {
    let info = device.info();
    assert!(!info.name.as_str().is_empty() && info.to_string().contains(info.name.as_str()));
    assert!(info.limits.max_buffer_size >= 1 << 24 && info.limits.max_buffer_size.is_multiple_of(4));
    assert!(info.limits.uniform_offset_alignment.is_power_of_two());
    assert!(info.limits.storage_offset_alignment.is_power_of_two());
    let mut text = String::new();
    backbuf::dump(&mut |part| text.push_str(part));
    assert!(text.contains(&format!("'{}'", device.label().as_str())), "{text}");
}

fn new_buffers_are_zero(device: &Device) {
    // Again and again: what others left behind must not show.
    for round in 0..4 {
        let buffer = create(device, 5_000, both());
        assert_eq!(read(device, buffer, 0, 5_000), vec![0; 5_000], "round {round}");
        device.drive(FOREVER, |driver| driver.write(buffer, 0, &[0xee; 5_000])).unwrap();
        finish(device);
        delete(device, &[buffer]);
    }
}

fn work_is_done_in_its_order(device: &Device) {
    let [a, b, c] = [(); 3].map(|()| create(device, 16, both()));
    let submit_between = |between: bool| {
        let step = |driver: &mut dyn Driver| if between { driver.submit().map(drop) } else { Ok(()) };
        let script = |driver: &mut dyn Driver| {
            driver.write(a, 0, &[1; 16])?;
            step(driver)?;
            driver.copy(a, 0, b, 0, 16)?;
            driver.write(a, 4, &[2; 8])?;
            step(driver)?;
            driver.copy(a, 0, c, 8, 8)?;
            driver.copy(b, 4, c, 0, 4)?;
            step(driver)?;
            driver.write(b, 0, &[3; 2])
        };
        device.drive(FOREVER, script).unwrap();
        assert_eq!(read(device, a, 0, 16), [1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1]);
        assert_eq!(read(device, b, 0, 16), [3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(read(device, c, 0, 16), [1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    };
    submit_between(false);
    submit_between(true);
    delete(device, &[a, b, c]);
}

fn data_is_read_at_once(device: &Device) {
    let buffer = create(device, 100_000, both());
    let script = |driver: &mut dyn Driver| {
        let mut data = vec![7; 100_000];
        driver.write(buffer, 0, &data)?;
        data.fill(9);
        driver.submit()
    };
    device.drive(FOREVER, script).unwrap();
    assert_eq!(read(device, buffer, 0, 100_000), vec![7; 100_000]);
    delete(device, &[buffer]);
}

fn any_offset_and_size_will_do(device: &Device) {
    let size = 3 << 20 | 1;
    let [a, b] = [(); 2].map(|()| create(device, size, both()));
    let data: Vec<u8> = (0..size).map(|at| ((at * at) >> 3) as u8).collect();
    device.drive(FOREVER, |driver| driver.write(a, 0, &data)).unwrap();
    let script = |driver: &mut dyn Driver| {
        driver.copy(a, 1, b, 0, size - 1)?;
        driver.write(b, size - 1, &[0xaa])?;
        driver.write(b, 3, b"five!")?;
        driver.write(b, size, &[])
    };
    device.drive(FOREVER, script).unwrap();
    let mut expected = [&data[1..], &[0xaa]].concat();
    expected[3..8].copy_from_slice(b"five!");
    assert!(read(device, b, 0, size) == expected);
    assert_eq!(read(device, b, 5, 1), b"v");
    delete(device, &[a, b]);
}

fn fences_count_submits(device: &Device) {
    device.wait_fence(Fence(0), Timeout::TRY).unwrap();
    assert_eq!(device.wait_fence(Fence(1), FOREVER).unwrap_err().status(), Status::Argument);
    for number in 1..=20 {
        assert_eq!(device.drive(FOREVER, |driver| driver.submit()).unwrap(), Fence(number));
    }
    // Those who ask for the last one first and those who ask again are answered alike.
    for number in [20, 7, 20, 1] {
        device.wait_fence(Fence(number), FOREVER).unwrap();
        device.wait_fence(Fence(number), Timeout::TRY).unwrap();
        assert!(device.drive(FOREVER, move |driver| driver.wait(Fence(number), Timeout::TRY)).unwrap());
    }
    assert_eq!(device.wait_fence(Fence(21), FOREVER).unwrap_err().status(), Status::Argument);
    assert_eq!(device.statistics().submits, 20);
}

fn what_is_deleted_in_use_is_still_copied(device: &Device) {
    let to = create(device, 1 << 16, both());
    let script = |driver: &mut dyn Driver| {
        let from = driver.create(1 << 16, both(), "short-lived")?;
        driver.write(from, 0, &[5; 1 << 16])?;
        driver.copy(from, 0, to, 0, 1 << 16)?;
        driver.submit()?;
        driver.delete(from);
        // Twice is once.
        driver.delete(from);
        let other = driver.create(1 << 16, both(), "in its place")?;
        driver.write(other, 0, &[6; 1 << 16])?;
        driver.delete(other);
        driver.submit()
    };
    device.drive(FOREVER, script).unwrap();
    assert!(read(device, to, 0, 1 << 16) == [5; 1 << 16]);
    delete(device, &[to]);
}

fn what_is_mapped_is_written(device: &Device) {
    let staging = create(device, 64, Usage::MAP_WRITE | COPIED);
    let to = create(device, 64, both());
    for round in 1..4u8 {
        let script = |driver: &mut dyn Driver| {
            let place = driver.map(staging, MapMode::Write, 16, 32)?;
            // SAFETY: as the driver promises.
            unsafe { place.as_ptr().write_bytes(round, 32) };
            driver.unmap(staging)?;
            driver.copy(staging, 16, to, 0, 32)?;
            driver.submit()
        };
        let fence = device.drive(FOREVER, script).unwrap();
        device.wait_fence(fence, FOREVER).unwrap();
        assert_eq!(read(device, to, 0, 32), [round; 32]);
    }
    delete(device, &[staging, to]);
}

fn bad_ranges_change_nothing(device: &Device) {
    let [a, b] = [(); 2].map(|()| create(device, 32, both()));
    let status = |result: Result<()>| result.unwrap_err().status();
    let script = |driver: &mut dyn Driver| {
        driver.write(a, 0, &[1; 32])?;
        for (offset, bytes) in [(0, 33), (32, 1), (33, 0), (u64::MAX, 2), (1 << 40, 1)] {
            let data = vec![9; bytes as usize];
            assert_eq!(status(driver.write(a, offset, &data)), Status::Range, "write {bytes} at {offset}");
            assert_eq!(
                status(driver.copy(a, offset, b, 0, bytes)),
                Status::Range,
                "copy {bytes} from {offset}"
            );
            assert_eq!(
                status(driver.copy(a, 0, b, offset, bytes)),
                Status::Range,
                "copy {bytes} to {offset}"
            );
            let mapped = driver.map(a, MapMode::Read, offset, bytes).map(drop);
            assert_eq!(status(mapped), Status::Range, "map {bytes} at {offset}");
        }
        assert_eq!(status(driver.copy(a, 0, b, 0, u64::MAX)), Status::Range);
        Ok(())
    };
    device.drive(FOREVER, script).unwrap();
    assert_eq!((read(device, a, 0, 32), read(device, b, 0, 32)), (vec![1; 32], vec![0; 32]));
    delete(device, &[a, b]);
}

fn absurd_sizes_are_refused(device: &Device) {
    let refused = |bytes: u64| {
        let error = device.drive(FOREVER, move |driver| driver.create(bytes, both(), "absurd")).unwrap_err();
        error.status()
    };
    assert_eq!(refused(0), Status::Argument);
    for bytes in [u64::MAX, 1 << 62, device.info().limits.max_buffer_size.saturating_add(1)] {
        assert!(matches!(refused(bytes), Status::Limit | Status::OutOfMemory), "{bytes} bytes");
    }
    let buffer = create(device, 1, both());
    assert_eq!(read(device, buffer, 0, 1), [0]);
    delete(device, &[buffer]);
}

fn fences_for_others_are_made_and_used_up(device: &Device) {
    let buffer = create(device, 8, both());
    for round in 0..10u8 {
        let script = |driver: &mut dyn Driver| {
            driver.import(Foreign(0))?;
            driver.discard(Foreign(0));
            driver.write(buffer, 0, &[round; 8])?;
            let (used, unused) = (driver.export()?, driver.export()?);
            driver.import(used)?;
            driver.discard(unused);
            driver.submit().map(drop)
        };
        device.drive(FOREVER, script).unwrap();
        assert_eq!(read(device, buffer, 0, 8), [round; 8]);
    }
    delete(device, &[buffer]);
}

fn many_threads_share_it(device: &Device) {
    let calls = AtomicU64::new(0);
    let work = &|thread: u8| {
        for round in 0..20u8 {
            let buffer = create(device, 256, both());
            device.drive(FOREVER, |driver| driver.write(buffer, 0, &[thread ^ round; 256])).unwrap();
            assert_eq!(read(device, buffer, 0, 256), [thread ^ round; 256]);
            delete(device, &[buffer]);
            calls.fetch_add(5, Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || work(thread))).collect();
        // A device that this thread drives is driven; on others there is nothing to do.
        while threads.iter().any(|thread| !thread.is_finished()) {
            match device.poll(Timeout::nanos(1_000_000)) {
                Err(error) if error.status() == Status::State => break,
                result => result.unwrap(),
            }
            std::thread::yield_now();
        }
    });
    assert_eq!(device.statistics().calls, calls.load(Relaxed));
}
