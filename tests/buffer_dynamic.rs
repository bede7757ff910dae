//! Dynamic and growable buffers: on every device, with frames in flight, and under each policy.

use backbuf::buffers::*;
use backbuf::device::{Device, Faults, HostConfig, Usage};
use backbuf::{Status, Timeout};

#[path = "common/drive.rs"]
mod drive;
#[path = "common/everywhere.rs"]
mod everywhere;

use drive::Drive;
use everywhere::*;

fn dynamic(device: &Device, size: u64, frames: u32, policy: RingPolicy) -> DynamicBuffer {
    let usage = Usage::UNIFORM | Usage::COPY_SRC;
    DynamicBuffer::new(device, &DynamicConfig { size, usage, frames, policy, label: "dynamic" }).unwrap()
}

/// The buffer of an update, as the source of a copy.
fn storage<'a>(update: &'a DynamicSlice<'_>) -> &'a Buffer {
    // SAFETY: the update has ended before the copy is submitted, and its frame has not.
    unsafe { update.buffer() }
}

fn target(device: &Device, size: u64) -> DeviceBuffer {
    let usage = Usage::STORAGE | Usage::COPY_SRC;
    DeviceBuffer::new(device, &BufferDesc { size, usage, label: "target", ..BufferDesc::default() }).unwrap()
}

/// Bytes that depend on the frame and the update.
fn pattern(frame: u64, update: u64, bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|at| (frame.wrapping_mul(31) ^ update.wrapping_mul(7) ^ at) as u8 | 1).collect()
}

#[test]
fn a_submit_uses_the_updates_of_its_frame() {
    everywhere(|device| {
        let mut updates = dynamic(device, 1024, 3, RingPolicy::Block(FOREVER));
        let mut encoder = Encoder::new(device);
        let mut made = 0;
        for frame in 0..40 {
            let targets: Vec<_> = [4u64, 60, 256, 12].iter().map(|size| target(device, *size)).collect();
            for (number, to) in targets.iter().enumerate() {
                let mut update = updates.begin_update(to.size()).unwrap();
                update.copy_from_slice(&pattern(frame, number as u64, to.size() as usize));
                encoder.copy(storage(&update), update.offset(), to.buffer(), 0, to.size()).unwrap();
            }
            encoder.submit().unwrap();
            updates.end_frame().unwrap();
            for (number, to) in targets.iter().enumerate() {
                let expected = pattern(frame, number as u64, to.size() as usize);
                assert_eq!(contents(device, to), expected, "frame {frame}, update {number}");
            }
            made += targets.len() as u64;
        }
        let statistics = updates.statistics();
        assert_eq!((statistics.frames, statistics.updates, statistics.bytes), (40, made, 40 * 332));
        assert_eq!((statistics.refused, statistics.grown, statistics.dedicated), (0, 0, 0));
    });
}

#[test]
fn a_flush_copies_finished_updates_only() {
    everywhere(|device| {
        let mut updates = dynamic(device, 1024, 2, RingPolicy::Fail);
        let to = target(device, 8);
        let copied = |slice: (&Buffer, u64), at| {
            let mut encoder = Encoder::new(device);
            encoder.copy(slice.0, slice.1, to.buffer(), at, 4).unwrap();
            encoder.submit().unwrap();
        };
        let mut one = updates.begin_update(4).unwrap();
        let mut two = updates.begin_update(4).unwrap();
        one.copy_from_slice(b"one!");
        let (buffer, offset) = (two.native().unwrap(), one.offset());
        drop(one);
        updates.flush().unwrap();
        updates.flush().unwrap();
        copied((storage(&two), offset), 0);
        // The flush and the submit after it have not copied the open update.
        two.copy_from_slice(b"two!");
        let (again, offset) = (updates.begin_update(4).unwrap(), two.offset());
        drop(two);
        copied((storage(&again), offset), 4);
        assert_eq!(again.native().unwrap(), buffer);
        assert_eq!(contents(device, &to), *b"one!two!");
        drop(again);
        updates.end_frame().unwrap();
    });
}

#[test]
fn ten_thousand_frames_in_constant_memory() {
    everywhere(|device| {
        let mut updates = dynamic(device, 2048, 3, RingPolicy::Block(FOREVER));
        let frame = |updates: &mut DynamicBuffer, frame: u64| {
            for bytes in [64, 256, 1000] {
                updates.begin_update(bytes).unwrap().fill(frame as u8);
            }
            updates.flush().unwrap();
            updates.end_frame().unwrap();
        };
        (0..10).for_each(|number| frame(&mut updates, number));
        let before = device.statistics();
        (0..10_000).for_each(|number| frame(&mut updates, number));
        // The submits of the last frames may be queued.
        while device.statistics().submits - before.submits < 10_000 {
            let _ = device.poll(Timeout::TRY);
        }
        let after = device.statistics();
        assert_eq!(after.buffers_created, before.buffers_created);
        assert_eq!(after.live_bytes, before.live_bytes);
        // No writes if updates are written in place; otherwise one for each frame, two where the ring wraps.
        let writes = after.writes - before.writes;
        assert!(writes == 0 || writes <= 20_020, "{writes}");
        // A submit for each frame, and one for its flush if needed; submits of the first frames may be counted late.
        assert!((10_000..=20_020).contains(&(after.submits - before.submits)));
        drop(updates);
        // Freed once the owner thread has finished the last frame.
        while !device.live_buffers().unwrap().is_empty() {
            let _ = device.poll(Timeout::TRY);
            std::thread::yield_now();
        }
    });
}

/// A dynamic buffer of 3 frames of 256 bytes, all of them in flight on a device that completes nothing.
fn full(faults: &Faults, policy: RingPolicy) -> (Device, DynamicBuffer) {
    let device = host(faults, false);
    let mut updates = dynamic(&device, 256, 3, policy);
    faults.hold();
    for frame in 0..3 {
        updates.begin_update(200).unwrap().fill(frame);
        updates.end_frame().unwrap();
    }
    (device, updates)
}

#[test]
fn a_failing_ring_recovers_once_a_frame_has_passed() {
    let faults = Faults::new().unwrap();
    let (device, mut updates) = full(&faults, RingPolicy::Fail);
    let error = updates.begin_update(4).unwrap_err();
    assert_eq!(error.status(), Status::Full);
    assert!(error.to_string().contains("more frames"), "{error}");
    assert_eq!((updates.statistics().refused, updates.statistics().stalls), (1, 0));
    faults.release();
    // Until the device has finished the first frame.
    while updates.begin_update(256).is_err() {
        std::thread::yield_now();
    }
    updates.end_frame().unwrap();
    assert_eq!(device.statistics().buffers_created, 1);
}

#[test]
fn a_blocking_ring_waits_for_the_oldest_frame() {
    let faults = Faults::new().unwrap();
    let (_device, updates) = full(&faults, RingPolicy::Block(Timeout::nanos(5_000_000)));
    assert_eq!(status(updates.begin_update(4)), Status::Timeout);
    let statistics = updates.statistics();
    assert_eq!(statistics.stalls, 1);
    assert!(statistics.stalled_ns >= 5_000_000);
    // Another thread resumes the device.
    let faults = Faults::new().unwrap();
    let (_device, updates) = full(&faults, RingPolicy::Block(FOREVER));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| updates.begin_update(256).unwrap().fill(1));
        while updates.statistics().updates == 3 && !waiting.is_finished() {
            std::thread::yield_now();
            faults.release();
        }
        waiting.join().unwrap();
    });
    assert_eq!(updates.statistics().updates, 4);
}

#[test]
fn an_update_does_not_wait_for_its_own_frame() {
    let faults = Faults::new().unwrap();
    let updates = dynamic(&host(&faults, false), 256, 2, RingPolicy::Block(FOREVER));
    let (_one, _two) = (updates.begin_update(256).unwrap(), updates.begin_update(256).unwrap());
    let error = updates.begin_update(1).unwrap_err();
    assert_eq!(error.status(), Status::Full);
    assert!(error.to_string().contains("this frame alone"), "{error}");
}

#[test]
fn a_ring_grows_to_its_limit_and_shrinks_when_idle() {
    let faults = Faults::new().unwrap();
    let (device, mut updates) = full(&faults, RingPolicy::Grow { most: 4096 });
    updates.begin_update(200).unwrap().fill(7);
    updates.end_frame().unwrap();
    assert_eq!((updates.capacity(), updates.statistics().grown), (1536, 1));
    // Frames in flight keep the old storage.
    assert_eq!(device.live_buffers().unwrap().len(), 2);
    for _ in 0..64 {
        match updates.begin_update(256) {
            Ok(update) => drop(update),
            Err(error) => assert_eq!(error.status(), Status::Full),
        }
        updates.end_frame().unwrap();
    }
    assert_eq!(updates.capacity(), 4096);
    assert!(updates.statistics().refused > 0);
    faults.release();
    // Frames that fit, until the ring counts as idle.
    while updates.statistics().trimmed == 0 {
        if let Ok(mut update) = updates.begin_update(200) {
            update.fill(8);
        }
        updates.end_frame().unwrap();
        let fence = device.drive(FOREVER, |driver| driver.submit()).unwrap();
        device.wait_fence(fence, FOREVER).unwrap();
    }
    assert_eq!((updates.capacity(), updates.statistics().trimmed), (768, 1));
    // The device has finished all frames; the next one frees the storage.
    while device.live_buffers().unwrap().len() > 1 {
        drop(updates.begin_update(4));
        updates.end_frame().unwrap();
    }
}

#[test]
fn an_update_larger_than_the_ring_has_its_own_buffer_until_its_frame_has_passed() {
    everywhere(|device| {
        let mut updates = dynamic(device, 256, 2, RingPolicy::Block(FOREVER));
        let to = target(device, 5000);
        let mut encoder = Encoder::new(device);
        for frame in 0..5 {
            let bytes = pattern(frame, 0, 5000);
            let mut update = updates.begin_update(5000).unwrap();
            update.copy_from_slice(&bytes);
            encoder.copy(storage(&update), update.offset(), to.buffer(), 0, 5000).unwrap();
            drop(update);
            updates.begin_update(16).unwrap().fill(1);
            encoder.submit().unwrap();
            updates.end_frame().unwrap();
            assert_eq!(contents(device, &to), bytes);
        }
        assert_eq!(updates.statistics().dedicated, 5);
        updates.begin_update(16).unwrap().fill(1);
        updates.end_frame().unwrap();
        let _ = device.poll(Timeout::TRY);
        let live = device.live_buffers().unwrap();
        assert!(live.len() <= 3, "the ring, the target, and at most the last frame's buffer: {live:?}");
    });
}

#[test]
fn threads_share_a_frame() {
    everywhere(|device| {
        let mut updates = dynamic(device, 64 << 10, 2, RingPolicy::Block(FOREVER));
        for frame in 0..4 {
            let results: Vec<_> = std::thread::scope(|scope| {
                let work = |thread: u64| {
                    let updates = &updates;
                    move || {
                        let write = |number: u64| {
                            let mut update = updates.begin_update(48).unwrap();
                            update.copy_from_slice(&pattern(frame, thread * 100 + number, 48));
                            (update.offset(), thread * 100 + number)
                        };
                        (0..20).map(write).collect::<Vec<_>>()
                    }
                };
                // The threads need no driver call, which only this thread makes on a host-driven device.
                let threads: Vec<_> = (0..8).map(|thread| scope.spawn(work(thread))).collect();
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
            });
            let to = target(device, 160 * 48);
            let mut encoder = Encoder::new(device);
            let update = updates.begin_update(4).unwrap();
            for (at, (offset, _)) in results.iter().enumerate() {
                encoder.copy(storage(&update), *offset, to.buffer(), at as u64 * 48, 48).unwrap();
            }
            encoder.submit().unwrap();
            drop(update);
            updates.end_frame().unwrap();
            let expected = results.iter().flat_map(|(_, number)| pattern(frame, *number, 48));
            assert_eq!(contents(device, &to), expected.collect::<Vec<_>>());
        }
    });
}

#[test]
fn calls_fail_after_the_loss_or_the_end_of_the_device() {
    let faults = Faults::new().unwrap();
    let device = host(&faults, false);
    let mut updates = dynamic(&device, 256, 2, RingPolicy::Fail);
    let mut held = updates.begin_update(16).unwrap();
    faults.lose();
    assert_eq!(status(device.drive(FOREVER, |driver| driver.submit())), Status::DeviceLost);
    assert_eq!(status(updates.begin_update(16)), Status::DeviceLost);
    assert_eq!(status(updates.begin_update(1 << 20)), Status::DeviceLost);
    device.destroy().unwrap();
    held.fill(7);
    assert_eq!(held[..], [7; 16]);
    drop(held);
    assert_eq!(status(updates.end_frame()), Status::DeviceLost);
    drop(updates);
}

#[test]
fn refused_parameters_and_failed_allocations_change_nothing() {
    let faults = Faults::new().unwrap();
    let device = host(&faults, false);
    let refused = |size, frames, usage| {
        let config = DynamicConfig { size, frames, usage, label: "bad", ..DynamicConfig::default() };
        status(DynamicBuffer::new(&device, &config))
    };
    assert_eq!(refused(64, 0, Usage::UNIFORM), Status::Argument);
    assert_eq!(refused(64, 17, Usage::UNIFORM), Status::Argument);
    assert_eq!(refused(64, 3, Usage::NONE), Status::Argument);
    assert_eq!(refused(64, 3, Usage::MAP_WRITE | Usage::COPY_SRC), Status::Argument);
    assert_eq!(refused(u64::MAX, 3, Usage::UNIFORM), Status::Limit);
    assert_eq!(refused(u64::MAX / 2, 3, Usage::UNIFORM), Status::Limit);
    let mut updates = dynamic(&device, 256, 2, RingPolicy::Fail);
    assert_eq!(status(updates.begin_update(u64::MAX)), Status::Limit);
    faults.fail_allocation(1);
    assert_eq!(status(updates.begin_update(1 << 20)), Status::OutOfMemory);
    updates.begin_update(1 << 20).unwrap().fill(1);
    updates.end_frame().unwrap();
    assert_eq!(updates.statistics().dedicated, 1);

    let config =
        DynamicConfig { size: 256, policy: RingPolicy::Grow { most: 1 << 20 }, ..DynamicConfig::default() };
    let growing = DynamicBuffer::new(&device, &config).unwrap();
    faults.fail_allocation(1);
    assert_eq!(status(growing.begin_update(2048)), Status::OutOfMemory);
    assert_eq!(growing.begin_update(2048).unwrap().len(), 2048);
    assert_eq!(growing.statistics().grown, 1);
}

#[test]
fn any_thread_writes_a_host_driven_ring_without_waiting_for_its_owner() {
    let device = Device::host(HostConfig { host_driven: true, ..HostConfig::default() }).unwrap();
    let mut updates = dynamic(&device, 256, 2, RingPolicy::Fail);
    for _ in 0..2 {
        updates.begin_update(256).unwrap().fill(1);
        updates.end_frame().unwrap();
    }
    // Another thread cannot poll the device's fences, and does not wait for the owner thread to do so.
    std::thread::scope(|scope| {
        let there = scope.spawn(|| updates.begin_update(256).map(drop));
        let result = there.join().unwrap();
        assert!(result.is_ok() || result.unwrap_err().status() == Status::Full);
    });
    updates.end_frame().unwrap();
    updates.begin_update(256).unwrap().fill(2);
    updates.end_frame().unwrap();
}

#[test]
fn a_growing_buffer_keeps_its_content_and_changes_its_generation() {
    everywhere(|device| {
        let desc = BufferDesc { size: 10, usage: Usage::VERTEX, label: "grows", ..BufferDesc::default() };
        let mut grows = GrowableBuffer::new(device, &desc).unwrap();
        let mut encoder = Encoder::new(device);
        encoder.write(grows.buffer(), 0, b"0123456789").unwrap();
        encoder.submit().unwrap();
        assert!(!grows.reserve(10).unwrap() && grows.generation() == 1);
        assert!(grows.reserve(11).unwrap());
        assert_eq!((grows.size(), grows.generation()), (20, 2), "twice as much");
        assert!(grows.reserve(1000).unwrap());
        assert_eq!((grows.size(), grows.generation(), grows.label().as_str()), (1000, 3, "grows"));
        let mut expected = b"0123456789".to_vec();
        expected.resize(1000, 0);
        assert_eq!(contents(device, grows.buffer()), expected);
        // The old buffers are freed.
        let _ = device.poll(Timeout::TRY);
        assert_eq!(device.live_buffers().unwrap().len(), 1);

        encoder.write(grows.buffer(), 0, b"late").unwrap();
        let most = device.info().limits.max_buffer_size;
        if most < u64::MAX {
            assert_eq!(status(grows.reserve(most + 1)), Status::Limit);
        }
        assert_eq!((grows.size(), grows.generation()), (1000, 3));
        grows.reserve(2000).unwrap();
        let error = encoder.submit().unwrap_err();
        assert_eq!(error.status(), Status::State);
        assert!(error.to_string().contains("grows") && error.to_string().contains("destroyed"), "{error}");
        assert_eq!(contents(device, grows.buffer())[..10], *b"0123456789");
    });
}

#[test]
fn a_failed_growth_changes_nothing() {
    let faults = Faults::new().unwrap();
    let device = host(&faults, false);
    let desc = BufferDesc { size: 16, usage: Usage::VERTEX, label: "grows", ..BufferDesc::default() };
    let mut grows = GrowableBuffer::new(&device, &desc).unwrap();
    faults.fail_allocation(1);
    assert_eq!(status(grows.reserve(100)), Status::OutOfMemory);
    assert_eq!((grows.size(), grows.generation()), (16, 1));
    assert!(grows.reserve(100).unwrap());
    // Submitted work uses the old memory, which stays until the work has finished.
    faults.hold();
    let mut encoder = Encoder::new(&device);
    encoder.write(grows.buffer(), 0, &[7; 100]).unwrap();
    encoder.submit().unwrap();
    grows.reserve(1000).unwrap();
    faults.release();
    assert_eq!(contents(&device, grows.buffer())[..100], [7; 100]);
}

#[test]
fn encoder_writes_of_any_size_change_no_neighboring_bytes() {
    everywhere(|device| {
        let own: Vec<u8> = (1..=64).collect();
        for bytes in (0..=9).chain([15, 16, 17, 31, 32, 33]) {
            for offset in 0..=8 {
                let to = target(device, 64);
                let mut encoder = Encoder::new(device);
                encoder.write(&to, 0, &[0xee; 64]).unwrap();
                encoder.write(&to, offset as u64, &own[..bytes]).unwrap();
                encoder.submit().unwrap();
                let mut expected = [0xee; 64];
                expected[offset..offset + bytes].copy_from_slice(&own[..bytes]);
                assert_eq!(contents(device, &to), expected, "{bytes} at {offset}");
            }
        }
        let to = target(device, 64);
        let mut encoder = Encoder::new(device);
        assert_eq!(status(encoder.write(&to, 1, &own)), Status::Range);
        assert_eq!(status(encoder.write(&to, u64::MAX, &own)), Status::Range);
        let other = host(&Faults::new().unwrap(), false);
        assert_eq!(status(Encoder::new(&other).write(&to, 0, &own)), Status::Argument);
        assert_eq!(contents(device, &to), [0; 64]);
    });
}
