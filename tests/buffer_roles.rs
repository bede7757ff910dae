//! Buffer roles on every device: transfers of any size change no neighboring bytes, a steady state creates no buffers and makes
//! no extra copies, and a full ring follows its policy.

use backbuf::buffers::*;
use backbuf::device::{Device, Faults, Usage};
use backbuf::{Result, Status, Timeout};

#[path = "common/everywhere.rs"]
mod everywhere;
use everywhere::*;

fn mesh(device: &Device, size: u64) -> DeviceBuffer {
    let usage = Usage::VERTEX | Usage::COPY_SRC;
    DeviceBuffer::new(device, &BufferDesc { size, usage, label: "mesh", ..BufferDesc::default() }).unwrap()
}

fn readback(device: &Device, size: u64, frames: u32, when_full: WhenFull) -> ReadbackBuffer {
    ReadbackBuffer::new(device, ReadbackConfig { size, frames, when_full, label: "back" }).unwrap()
}

fn upload(device: &Device, data: &[u8], to: &DeviceBuffer, offset: u64) -> Result<()> {
    let mut staging = ImmediateStagingBuffer::new(device, data.len() as u64, "up")?;
    staging.write(0, data)?;
    let mut encoder = Encoder::new(device);
    staging.upload_to(&mut encoder, to, offset)?;
    encoder.submit().map(drop)
}

#[test]
fn transfers_of_any_size_change_no_neighboring_bytes() {
    everywhere(|device| {
        for size in (1..=9).chain([31, 32, 33, 1023, 1024, 1025]) {
            for offset in [0, 1, 2, 3, 4, 7] {
                let to = mesh(device, offset + size + 3);
                upload(device, &vec![0xee; to.size() as usize], &to, 0).unwrap();
                let data: Vec<u8> = (0..size).map(|at| (at * 7 + 1) as u8).collect();
                upload(device, &data, &to, offset).unwrap();
                let expected = [&[0xee; 8][..offset as usize], &data, &[0xee; 3]].concat();
                assert_eq!(contents(device, &to), expected, "{size} at {offset}");
                let part = readback(device, size, 1, WhenFull::Skip);
                let reading = part.read(&to, offset, size).unwrap();
                reading.wait(FOREVER).unwrap();
                assert_eq!(*reading.bytes().unwrap(), data);
            }
        }
        let empty = mesh(device, 0);
        upload(device, &[], &empty, 0).unwrap();
        assert!(contents(device, &empty).is_empty());
    });
}

#[test]
fn transfers_out_of_bounds_are_refused() {
    everywhere(|device| {
        let to = mesh(device, 9);
        for (bytes, offset) in [(10, 0), (1, 9), (9, 1), (2, u64::MAX), (12, 0)] {
            assert_eq!(
                status(upload(device, &vec![1; bytes], &to, offset)),
                Status::Range,
                "{bytes} at {offset}"
            );
        }
        assert_eq!(contents(device, &to), [0; 9], "the padding is out of bounds as well");
        let mut staging = ImmediateStagingBuffer::new(device, 9, "").unwrap();
        assert_eq!(staging.bytes().unwrap().len(), 9);
        for (offset, bytes) in [(0, 10), (9, 1), (u64::MAX, 1), (10, 0)] {
            assert_eq!(status(staging.write(offset, &vec![1; bytes])), Status::Range);
        }
        let ring = readback(device, 8, 1, WhenFull::Skip);
        assert_eq!(status(ring.read(&to, 0, 9)), Status::Range);
        assert_eq!(status(ring.read(&to, 8, 2)), Status::Range);
        assert_eq!(status(ring.read(&to, u64::MAX, 2)), Status::Range);
        for frames in [0, 17, u32::MAX] {
            let config = ReadbackConfig { size: 8, frames, ..ReadbackConfig::default() };
            assert_eq!(status(ReadbackBuffer::new(device, config)), Status::Argument);
        }
        let desc = BufferDesc { size: 8, usage: Usage::VERTEX, mapped_at_creation: true, label: "" };
        assert_eq!(status(DeviceBuffer::new(device, &desc)), Status::Argument);
        let desc = BufferDesc { usage: Usage::MAP_WRITE, mapped_at_creation: false, ..desc };
        assert_eq!(status(DeviceBuffer::new(device, &desc)), Status::Argument);
        let desc = BufferDesc { size: u64::MAX, usage: Usage::VERTEX, ..desc };
        assert_eq!(status(DeviceBuffer::new(device, &desc)), Status::Limit);
        let hidden = DeviceBuffer::new(device, &BufferDesc { size: 8, ..desc }).unwrap();
        assert_eq!(status(ring.read(&hidden, 0, 8)), Status::Argument, "without COPY_SRC");
    });
}

#[test]
fn a_staging_buffer_alternates_between_writes_and_uploads() {
    everywhere(|device| {
        let to = mesh(device, 10 * 7);
        let mut staging = DeferredStagingBuffer::new(device, 7, "tile").unwrap();
        let made = device.statistics();
        for tile in 0..10u8 {
            assert_eq!(staging.state(), BufferState::Ready);
            assert_eq!(status(staging.write(0, &[1])), Status::State);
            staging.map_async().unwrap().wait(FOREVER).unwrap().result.unwrap();
            staging.bytes().unwrap().fill(tile);
            let mut encoder = Encoder::new(device);
            staging.upload_to(&mut encoder, &to, u64::from(tile) * 7).unwrap();
            encoder.submit().unwrap();
        }
        let after = device.statistics();
        assert_eq!(after.buffers_created, made.buffers_created, "a steady state creates no buffers");
        assert_eq!((after.copies - made.copies, after.bytes_copied - made.bytes_copied), (10, 70));
        assert_eq!((after.submits - made.submits, after.bytes_written), (10, 0), "one copy for each upload");
        let expected: Vec<u8> = (0..70).map(|at| at / 7).collect();
        assert_eq!(contents(device, &to), expected);

        let mut staging = ImmediateStagingBuffer::new(device, 7, "once").unwrap();
        staging.upload_to(&mut Encoder::new(device), &to, 0).unwrap();
        assert_eq!((staging.state(), status(staging.write(0, &[1]))), (BufferState::Ready, Status::State));
    });
}

#[test]
fn ten_thousand_readings_in_constant_memory() {
    let device = host(&Faults::new().unwrap(), false);
    let from = mesh(&device, 64);
    let ring = readback(&device, 64, 3, WhenFull::Wait(FOREVER));
    let made = device.statistics();
    let mut readings = std::collections::VecDeque::new();
    for _ in 0..10_000 {
        readings.push_back(ring.read(&from, 0, 64).unwrap());
        if readings.len() == 3 {
            let reading = readings.pop_front().unwrap();
            reading.wait(FOREVER).unwrap();
            assert_eq!(*reading.bytes().unwrap(), [0; 64]);
        }
    }
    let after = device.statistics();
    assert_eq!((after.buffers_created, after.live_bytes), (made.buffers_created, made.live_bytes));
    assert_eq!(after.copies - made.copies, 10_000);
    let statistics = ring.statistics();
    assert_eq!((statistics.reads, statistics.bytes, statistics.stalls), (10_000, 640_000, 0));
}

/// Every call on the reading fails with the reason.
fn expect_dropped(reading: &Reading) {
    let results = [
        reading.poll().unwrap(),
        reading.wait(FOREVER),
        reading.wait(Timeout::TRY),
        reading.bytes().map(drop),
    ];
    for error in results.map(Result::unwrap_err) {
        assert_eq!(error.status(), Status::Aborted);
        assert!(error.to_string().contains("replaced by a newer one"), "{error}");
    }
}

#[test]
fn a_full_ring_follows_its_policy() {
    for host_driven in [false, true] {
        let faults = Faults::new().unwrap();
        let device = host(&faults, host_driven);
        let from = mesh(&device, 8);
        upload(&device, &[1; 8], &from, 0).unwrap();
        assert_eq!(contents(&device, &from), [1; 8]);
        faults.hold();

        let ring = readback(&device, 8, 2, WhenFull::Skip);
        let [first, _second] = [(); 2].map(|()| ring.read(&from, 0, 8).unwrap());
        assert_eq!(status(ring.read(&from, 0, 8)), Status::Full);
        drop(first);
        let _third = ring.read(&from, 0, 8).unwrap();
        assert_eq!(ring.statistics().skipped, 1);

        let ring = readback(&device, 8, 2, WhenFull::Wait(Timeout::nanos(1_000_000)));
        let [_first, _second] = [(); 2].map(|()| ring.read(&from, 0, 8).unwrap());
        assert_eq!(status(ring.read(&from, 0, 8)), Status::Timeout);
        let statistics = ring.statistics();
        assert!(statistics.stalls == 1 && statistics.stalled_ns >= 1_000_000);

        let ring = readback(&device, 8, 2, WhenFull::DropOldest);
        let [first, second] = [(); 2].map(|()| ring.read(&from, 0, 8).unwrap());
        let third = ring.read(&from, 0, 8).unwrap();
        expect_dropped(&first);
        drop(first);
        faults.release();
        third.wait(FOREVER).unwrap();
        second.wait(FOREVER).unwrap();
        let borrowed = (second.bytes().unwrap(), third.bytes().unwrap());
        assert_eq!(status(ring.read(&from, 0, 8)), Status::Full, "both are borrowed");
        assert_eq!((*borrowed.0).to_vec(), [1; 8]);
        drop(borrowed);
        let fourth = ring.read(&from, 0, 8).unwrap();
        expect_dropped(&second); // it was completed
        assert_eq!(*third.bytes().unwrap(), [1; 8]);
        fourth.wait(FOREVER).unwrap();
        assert_eq!(ring.statistics().dropped, 2);
    }
}

#[test]
fn a_waiting_read_gets_the_buffer_of_a_dropped_reading() {
    for host_driven in [false, true] {
        let device = host(&Faults::new().unwrap(), host_driven);
        let from = mesh(&device, 8);
        let ring = readback(&device, 8, 1, WhenFull::Wait(FOREVER));
        let first = ring.read(&from, 0, 8).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while ring.statistics().stalls == 0 {
                    std::thread::yield_now();
                }
                drop(first);
            });
            ring.read(&from, 0, 8).unwrap().wait(FOREVER).unwrap();
        });
    }
}

#[test]
fn a_recorded_read_sees_the_commands_before_it() {
    everywhere(|device| {
        let usage = Usage::STORAGE | Usage::COPY_SRC;
        let desc = BufferDesc { size: 5, usage, label: "source", ..BufferDesc::default() };
        let from = DeviceBuffer::new(device, &desc).unwrap();
        let config = ReadbackConfig { size: 5, frames: 3, when_full: WhenFull::DropOldest, label: "ring" };
        let ring = ReadbackBuffer::new(device, config).unwrap();
        let text = |reading: &Reading| {
            reading.wait(FOREVER).unwrap();
            reading.bytes().unwrap().to_vec()
        };
        let mut encoder = Encoder::new(device);
        encoder.write(&from, 0, b"first").unwrap();
        let first = ring.read_in(&mut encoder, &from, 0, 5).unwrap();
        encoder.write(&from, 1, b"l").unwrap();
        let second = ring.read_in(&mut encoder, &from, 1, 3).unwrap();
        assert!(first.poll().is_none() && status(first.wait(Timeout::TRY)) == Status::Timeout);
        // A reading that is dropped before the submit.
        drop(ring.read_in(&mut encoder, &from, 0, 5).unwrap());
        // All three buffers belong to the encoder: a newer reading takes none of them.
        assert_eq!(status(ring.read(&from, 0, 5)), Status::Full);
        encoder.submit().unwrap();
        assert_eq!((text(&first), text(&second)), (b"first".to_vec(), b"lrs".to_vec()));
        drop((first, second));

        // Without a submit.
        let mut encoder = Encoder::new(device);
        let never = ring.read_in(&mut encoder, &from, 0, 5).unwrap();
        drop(encoder);
        let error = never.wait(FOREVER).unwrap_err();
        assert!(
            error.status() == Status::Aborted && error.to_string().contains("without a submit"),
            "{error}"
        );
        assert!(never.bytes().is_err());
        drop(never);

        // A refused submit keeps the read; the next submit completes it.
        let desc = BufferDesc { size: 8, usage: Usage::COPY_SRC, mapped_at_creation: true, label: "mapped" };
        let mut mapped = Buffer::new(device, &desc).unwrap();
        let target =
            DeviceBuffer::new(device, &BufferDesc { size: 8, usage, ..BufferDesc::default() }).unwrap();
        let mut encoder = Encoder::new(device);
        encoder.copy(&mapped, 0, target.buffer(), 0, 8).unwrap();
        let kept = ring.read_in(&mut encoder, &from, 0, 5).unwrap();
        assert_eq!(status(encoder.submit()), Status::State);
        assert!(kept.poll().is_none());
        mapped.unmap();
        encoder.submit().unwrap();
        assert_eq!(text(&kept), b"flrst");
        // More reads than the ring has buffers, one after the other.
        drop(kept);
        for _ in 0..10 {
            let reading = ring.read_in(&mut encoder, &from, 0, 5).unwrap();
            encoder.submit().unwrap();
            assert_eq!(text(&reading), b"flrst");
        }
    });
}

#[test]
fn a_callback_gets_the_bytes_or_the_error() {
    everywhere(|device| {
        let from = mesh(device, 9);
        upload(device, b"nine byte", &from, 0).unwrap();
        let ring = readback(device, 9, 1, WhenFull::Wait(FOREVER));
        let (sender, receiver) = std::sync::mpsc::channel();
        for _ in 0..20 {
            let sender = sender.clone();
            ring.read(&from, 0, 9)
                .unwrap()
                .then(move |bytes| sender.send(bytes.map(<[u8]>::to_vec)).unwrap())
                .unwrap();
        }
        // The last callback has returned once its buffer is free.
        drop(ring.read(&from, 0, 9).unwrap());
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), vec![Ok(b"nine byte".to_vec()); 20]);
        let last = sender.clone();
        ring.read(&from, 0, 9)
            .unwrap()
            .then(move |bytes| last.send(bytes.map(<[u8]>::to_vec)).unwrap())
            .unwrap();
        device.destroy().unwrap();
        match receiver.recv().unwrap() {
            Ok(bytes) => assert_eq!(bytes, b"nine byte"),
            Err(error) => assert_eq!(error.status(), Status::DeviceLost),
        }
        assert_eq!(status(ring.read(&from, 0, 9)), Status::DeviceLost);
    });
}
