//! Conformance suite for every device: WebGPU's rules of mapping and copying.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::*};

use backbuf::buffers::{Buffer, BufferDesc, BufferState, Encoder, Request, leak_report};
use backbuf::device::{Device, MapMode, Usage};
use backbuf::{Result, Status, Timeout};

const FOREVER: Timeout = Timeout::FOREVER;

/// The name of a rule and its check, which runs on a new device.
type Check = (&'static str, fn(&Device));

/// Runs every check on a new device from `make`.
pub fn run(make: &dyn Fn() -> Device) {
    let checks: [Check; 17] = [
        ("usages", usages_go_together_or_not),
        ("sizes", any_size_is_accepted),
        ("creation", mapped_at_creation_goes_with_any_usage),
        ("modes", modes_need_their_usage),
        ("map ranges", map_ranges_at_their_edges),
        ("second maps", a_second_map_is_refused_and_harms_nothing),
        ("aborts", unmap_and_destroy_abort),
        ("cancel", cancel_is_for_what_is_pending),
        ("mapped ranges", mapped_ranges_at_their_edges),
        ("overlaps", writable_ranges_overlap_nothing),
        ("read maps", nothing_is_written_through_a_read_map),
        ("states", states_are_reported_after_every_transition),
        ("submits", submits_take_ready_buffers_only),
        ("copies", copies_at_their_edges),
        ("remap", data_survives_remapping),
        ("read at once", mapped_at_creation_is_read_back_with_no_submit_between),
        ("callbacks", callbacks_may_use_the_buffer),
    ];
    for (name, check) in checks {
        let device = make();
        check(&device);
        assert_eq!(leak_report(&device).unwrap(), [], "{name}");
        // Frees dropped buffers if this thread drives the device.
        let _ = device.poll(Timeout::TRY);
        assert_eq!(device.live_buffers().unwrap(), [], "{name}");
        device.destroy().unwrap();
    }
}

pub fn read_usage() -> Usage {
    Usage::MAP_READ | Usage::COPY_DST
}

pub fn write_usage() -> Usage {
    Usage::MAP_WRITE | Usage::COPY_SRC
}

pub fn buffer(device: &Device, size: u64, usage: Usage, mapped_at_creation: bool) -> Buffer {
    Buffer::new(device, &BufferDesc { size, usage, mapped_at_creation, label: "tested" }).unwrap()
}

pub fn status<T: std::fmt::Debug>(result: Result<T>) -> Status {
    result.unwrap_err().status()
}

fn wait(request: &Request) -> Status {
    match request.wait(FOREVER).unwrap().result {
        Ok(()) => panic!("it was mapped"),
        Err(error) => error.status(),
    }
}

/// Maps the buffer and waits for that.
pub fn map(buffer: &Buffer, mode: MapMode) {
    let outcome = buffer.map_async(mode, 0, None).unwrap().wait(FOREVER).unwrap();
    assert_eq!(
        (outcome.result, outcome.state, outcome.label.as_str()),
        (Ok(()), BufferState::Mapped, "tested")
    );
}

/// The content of a buffer with COPY_SRC.
pub fn contents(device: &Device, from: &Buffer) -> Vec<u8> {
    let to = buffer(device, from.size(), read_usage(), false);
    let mut encoder = Encoder::new(device);
    encoder.copy(from, 0, &to, 0, from.size()).unwrap();
    encoder.submit().unwrap();
    map(&to, MapMode::Read);
    to.range(0, None).unwrap().to_vec()
}

fn usages_go_together_or_not(device: &Device) {
    for bits in 0..1 << 9 {
        let usage = Usage::from_bits(bits).unwrap();
        let made = Buffer::new(device, &BufferDesc { size: 16, usage, ..BufferDesc::default() });
        let rest = |without: Usage| bits & !without.bits() == 0;
        let legal = bits != 0
            && (!usage.contains(Usage::MAP_READ) || rest(read_usage()))
            && (!usage.contains(Usage::MAP_WRITE) || rest(write_usage()));
        match made {
            Ok(buffer) => assert!(legal && buffer.usage() == usage, "{usage:?}"),
            Err(error) => assert!(!legal && error.status() == Status::Argument, "{usage:?}: {error}"),
        }
    }
}

fn any_size_is_accepted(device: &Device) {
    for size in (0..=9).chain([31, 32, 33, 4095, 4096, 4097]) {
        let buffer = buffer(device, size, write_usage(), false);
        assert_eq!((buffer.size(), buffer.state()), (size, BufferState::Ready));
        let mapped = buffer.map_async(MapMode::Write, 0, None);
        match size % 4 {
            0 => {
                mapped.unwrap().wait(FOREVER).unwrap().result.unwrap();
                assert_eq!(buffer.range_mut(0, None).unwrap().len() as u64, size);
            }
            _ => assert_eq!(status(mapped), Status::Align),
        }
        let desc = BufferDesc { size, usage: Usage::VERTEX, mapped_at_creation: true, label: "" };
        match size % 4 {
            0 => assert_eq!(Buffer::new(device, &desc).unwrap().range(0, None).unwrap().len() as u64, size),
            _ => assert_eq!(status(Buffer::new(device, &desc)), Status::Align),
        }
    }
    for size in [u64::MAX, u64::MAX - 3, device.info().limits.max_buffer_size.saturating_add(1)] {
        for mapped_at_creation in [false, true] {
            let desc = BufferDesc { size, usage: Usage::VERTEX, mapped_at_creation, label: "absurd" };
            assert_eq!(status(Buffer::new(device, &desc)), Status::Limit);
        }
    }
}

fn mapped_at_creation_goes_with_any_usage(device: &Device) {
    let usages =
        [Usage::VERTEX, Usage::UNIFORM, Usage::COPY_SRC, Usage::COPY_DST, read_usage(), write_usage()];
    for usage in usages {
        let mut buffer = buffer(device, 64, usage, true);
        assert_eq!(buffer.state(), BufferState::Mapped);
        assert_eq!(*buffer.range(0, None).unwrap(), [0; 64]);
        assert_eq!(status(buffer.map_async(MapMode::Write, 0, None)), Status::State);
        buffer.range_mut(8, Some(4)).unwrap().fill(7);
        assert_eq!(buffer.range(8, Some(8)).unwrap()[..], [7, 7, 7, 7, 0, 0, 0, 0]);
        buffer.unmap();
        assert_eq!(buffer.state(), BufferState::Ready);
        assert_eq!(status(buffer.range(0, None)), Status::State);
    }
    let mut mesh = buffer(device, 64, Usage::VERTEX | Usage::COPY_SRC, true);
    mesh.range_mut(0, None).unwrap().copy_from_slice(&[9; 64]);
    mesh.unmap();
    assert_eq!(contents(device, &mesh), [9; 64]);
}

fn modes_need_their_usage(device: &Device) {
    for usage in [Usage::VERTEX, Usage::COPY_SRC | Usage::COPY_DST, read_usage(), write_usage()] {
        for (mode, needed) in [(MapMode::Read, Usage::MAP_READ), (MapMode::Write, Usage::MAP_WRITE)] {
            let buffer = buffer(device, 16, usage, false);
            match buffer.map_async(mode, 0, None) {
                Ok(request) => {
                    assert!(usage.contains(needed));
                    request.wait(FOREVER).unwrap().result.unwrap();
                }
                Err(error) => assert!(error.status() == Status::Argument && !usage.contains(needed)),
            }
        }
    }
}

fn map_ranges_at_their_edges(device: &Device) {
    for size in [0, 4, 8, 16, 48] {
        let mut buffer = buffer(device, size, write_usage(), false);
        let offsets = [0, 1, 4, 8, 12, 16, 40, 48, 56, u64::MAX - 7, u64::MAX];
        let sizes = [0, 1, 2, 4, 6, 8, 16, 40, 44, 48, 52, u64::MAX - 7, u64::MAX - 3, u64::MAX];
        for offset in offsets {
            for bytes in sizes.map(Some).into_iter().chain([None]) {
                let rest = bytes.unwrap_or(size.saturating_sub(offset));
                let inside = offset.checked_add(rest).is_some_and(|end| end <= size);
                let expected = match () {
                    () if offset % 8 != 0 || rest % 4 != 0 => Some(Status::Align),
                    () if !inside => Some(Status::Range),
                    () => None,
                };
                let result = buffer.map_async(MapMode::Write, offset, bytes);
                assert_eq!(
                    result.as_ref().err().map(|error| error.status()),
                    expected,
                    "{bytes:?} at {offset} of {size}"
                );
                if let Ok(request) = result {
                    request.wait(FOREVER).unwrap().result.unwrap();
                    assert_eq!(buffer.range_mut(offset, bytes).unwrap().len() as u64, rest);
                    buffer.unmap();
                }
                assert_eq!(buffer.state(), BufferState::Ready);
            }
        }
    }
}

fn a_second_map_is_refused_and_harms_nothing(device: &Device) {
    let mut buffer = buffer(device, 32, write_usage(), false);
    let first = buffer.map_async(MapMode::Write, 0, Some(16)).unwrap();
    assert_eq!(status(buffer.map_async(MapMode::Write, 0, None)), Status::State);
    first.wait(FOREVER).unwrap().result.unwrap();
    assert_eq!(status(buffer.map_async(MapMode::Write, 0, None)), Status::State);
    buffer.range_mut(0, Some(16)).unwrap().fill(1);
    buffer.unmap();
    map(&buffer, MapMode::Write);
}

fn unmap_and_destroy_abort(device: &Device) {
    // On a device with its own thread, a request may complete before it is aborted.
    let aborted = |request: &Request| match request.wait(FOREVER).unwrap().result {
        Ok(()) => {}
        Err(error) => assert_eq!(error.status(), Status::Aborted),
    };
    let mut buffer = buffer(device, 32, write_usage(), false);
    for _ in 0..10 {
        let requests = [(); 2].map(|()| {
            let request = buffer.map_async(MapMode::Write, 0, None).unwrap();
            buffer.unmap();
            assert_eq!(buffer.state(), BufferState::Ready);
            request
        });
        requests.iter().for_each(aborted);
    }
    map(&buffer, MapMode::Write);
    buffer.unmap();
    buffer.unmap();
    let request = buffer.map_async(MapMode::Write, 0, None).unwrap();
    buffer.destroy();
    aborted(&request);
    buffer.destroy();
    buffer.unmap();
    assert_eq!(buffer.state(), BufferState::Destroyed);
    assert_eq!(status(buffer.map_async(MapMode::Write, 0, None)), Status::State);
    assert_eq!(status(buffer.range(0, None)), Status::State);
    assert_eq!(status(buffer.native()), Status::State);
    assert_eq!((buffer.size(), buffer.label().as_str()), (32, "tested"));
}

fn cancel_is_for_what_is_pending(device: &Device) {
    let mut buffer = buffer(device, 32, write_usage(), false);
    for _ in 0..10 {
        let request = buffer.map_async(MapMode::Write, 0, None).unwrap();
        if request.cancel() {
            assert_eq!(wait(&request), Status::Cancelled);
            assert_eq!(buffer.state(), BufferState::Ready);
        } else {
            request.wait(FOREVER).unwrap().result.unwrap();
            assert!(!request.cancel());
            assert_eq!(buffer.state(), BufferState::Mapped);
            buffer.unmap();
        }
    }
    let late = buffer.map_async(MapMode::Write, 0, None).unwrap();
    late.wait(FOREVER).unwrap();
    buffer.unmap();
    let next = buffer.map_async(MapMode::Write, 0, None).unwrap();
    assert!(!late.cancel(), "the first request completed; the second is another one");
    next.wait(FOREVER).unwrap().result.unwrap();
}

fn mapped_ranges_at_their_edges(device: &Device) {
    for (begin, end) in [(0, 48), (0, 16), (16, 48), (8, 8), (48, 48)] {
        let buffer = buffer(device, 48, write_usage(), false);
        buffer
            .map_async(MapMode::Write, begin, Some(end - begin))
            .unwrap()
            .wait(FOREVER)
            .unwrap()
            .result
            .unwrap();
        for offset in [0, 4, 8, 16, 24, 40, 48, 56, u64::MAX - 7, u64::MAX] {
            for bytes in
                [0, 2, 4, 8, 16, 32, 48, u64::MAX - 7, u64::MAX - 3].map(Some).into_iter().chain([None])
            {
                let rest = bytes.unwrap_or(end.saturating_sub(offset));
                let inside = offset >= begin && offset.checked_add(rest).is_some_and(|stop| stop <= end);
                let expected = match () {
                    () if offset % 8 != 0 || rest % 4 != 0 => Some(Status::Align),
                    () if !inside => Some(Status::Range),
                    () => None,
                };
                let got = buffer.range(offset, bytes).map(|range| range.len() as u64);
                assert_eq!(
                    got.map_err(|error| error.status()),
                    expected.map_or(Ok(rest), Err),
                    "{bytes:?} at {offset}"
                );
                let got = buffer.range_mut(offset, bytes).map(|range| range.len() as u64);
                assert_eq!(
                    got.map_err(|error| error.status()),
                    expected.map_or(Ok(rest), Err),
                    "{bytes:?} at {offset}"
                );
            }
        }
    }
}

fn writable_ranges_overlap_nothing(device: &Device) {
    let buffer = buffer(device, 64, write_usage(), true);
    let windows = [(0, 8), (0, 64), (8, 8), (8, 0), (16, 16), (0, 0), (56, 8), (64, 0)];
    for (offset, bytes) in windows {
        for (other_offset, other_bytes) in windows {
            let apart = offset >= other_offset + other_bytes || other_offset >= offset + bytes;
            for (writable, other_writable) in [(false, false), (false, true), (true, false), (true, true)] {
                let first_mut = writable.then(|| buffer.range_mut(offset, Some(bytes)).unwrap());
                let first = (!writable).then(|| buffer.range(offset, Some(bytes)).unwrap());
                let second = match other_writable {
                    true => buffer.range_mut(other_offset, Some(other_bytes)).map(drop),
                    false => buffer.range(other_offset, Some(other_bytes)).map(drop),
                };
                let expected = if apart || !writable && !other_writable { Ok(()) } else { Err(Status::Busy) };
                assert_eq!(
                    second.map_err(|error| error.status()),
                    expected,
                    "{offset} {bytes}, {other_offset} {other_bytes}"
                );
                drop((first_mut, first));
            }
        }
    }
}

fn nothing_is_written_through_a_read_map(device: &Device) {
    let buffer = buffer(device, 16, read_usage(), false);
    map(&buffer, MapMode::Read);
    assert_eq!(status(buffer.range_mut(0, None)), Status::Argument);
    let (one, other) = (buffer.range(0, None).unwrap(), buffer.range(0, None).unwrap());
    assert_eq!(*one, *other);
}

fn states_are_reported_after_every_transition(device: &Device) {
    use BufferState::*;
    let mut buffer = buffer(device, 16, write_usage(), true);
    let seen = |buffer: &Buffer| (buffer.state(), leak_report(device).unwrap()[0].state);
    assert_eq!(seen(&buffer), (Mapped, Mapped));
    buffer.unmap();
    assert_eq!(seen(&buffer), (Ready, Ready));
    let request = buffer.map_async(MapMode::Write, 0, None).unwrap();
    assert!(matches!(buffer.state(), MapPending | Mapped));
    request.wait(FOREVER).unwrap();
    assert_eq!(seen(&buffer), (Mapped, Mapped));
    let mut text = String::new();
    backbuf::dump(&mut |part| text.push_str(part));
    assert!(text.contains("buffer 'tested'"), "{text}");
    buffer.destroy();
    assert_eq!(buffer.state(), Destroyed);
    assert_eq!(leak_report(device).unwrap(), []);
}

fn submits_take_ready_buffers_only(device: &Device) {
    let to = buffer(device, 16, Usage::COPY_DST | Usage::COPY_SRC, false);
    let copy = |from: &Buffer| {
        let mut encoder = Encoder::new(device);
        // A valid copy before the refused one: it must not be performed either.
        let ready = buffer(device, 16, Usage::COPY_SRC, false);
        encoder.copy(&ready, 0, &to, 0, 16).unwrap();
        encoder.copy(from, 0, &to, 0, 16).unwrap();
        let copies = device.statistics().copies;
        let result = encoder.submit();
        assert_eq!(device.statistics().copies - copies, if result.is_ok() { 2 } else { 0 });
        result
    };
    let mut from = buffer(device, 16, write_usage(), true);
    from.range_mut(0, None).unwrap().fill(3);
    let error = copy(&from).unwrap_err();
    assert_eq!(error.to_string(), "from = 'tested': is mapped; unmap it first");
    from.unmap();
    copy(&from).unwrap();
    assert_eq!(contents(device, &to), [3; 16]);

    let request = from.map_async(MapMode::Write, 0, None).unwrap();
    let error = copy(&from).unwrap_err();
    assert!(error.status() == Status::State && error.to_string().starts_with("from = 'tested'"), "{error}");
    request.wait(FOREVER).unwrap();
    from.unmap();

    // The destination is checked as well.
    let mut down = buffer(device, 16, read_usage(), false);
    let mut encoder = Encoder::new(device);
    encoder.copy(&from, 0, &down, 0, 16).unwrap();
    let request = down.map_async(MapMode::Read, 0, None).unwrap();
    let error = encoder.submit().unwrap_err();
    assert!(error.status() == Status::State && error.to_string().starts_with("to = 'tested'"), "{error}");
    request.wait(FOREVER).unwrap();
    assert_eq!(encoder.submit().unwrap_err().to_string(), "to = 'tested': is mapped; unmap it first");
    down.unmap();
    encoder.submit().unwrap();
    encoder.copy(&from, 0, &down, 0, 16).unwrap();
    down.destroy();
    assert_eq!(encoder.submit().unwrap_err().to_string(), "to = 'tested': is destroyed");

    // A copy of no bytes needs a ready buffer as well.
    let mut encoder = Encoder::new(device);
    encoder.copy(&from, 16, &to, 16, 0).unwrap();
    from.destroy();
    let error = encoder.submit().unwrap_err();
    assert_eq!(error.to_string(), "from = 'tested': is destroyed");
    let gone = buffer(device, 16, Usage::COPY_SRC, false);
    let mut encoder = Encoder::new(device);
    encoder.copy(&gone, 0, &to, 0, 16).unwrap();
    drop(gone);
    assert_eq!(status(encoder.submit()), Status::State);
    assert_eq!(contents(device, &to), [3; 16], "refused submits change nothing");
}

fn copies_at_their_edges(device: &Device) {
    let both = Usage::COPY_SRC | Usage::COPY_DST;
    let mut a = buffer(device, 32, both, true);
    a.range_mut(0, None).unwrap().iter_mut().zip(0..).for_each(|(byte, value)| *byte = value);
    a.unmap();
    let b = buffer(device, 32, both, false);
    let no_source = buffer(device, 32, Usage::COPY_DST, false);
    let no_destination = buffer(device, 32, Usage::COPY_SRC, false);
    let mut encoder = Encoder::new(device);
    assert_eq!(status(encoder.copy(&a, 0, &a, 16, 8)), Status::Argument);
    assert_eq!(status(encoder.copy(&no_source, 0, &b, 0, 8)), Status::Argument);
    assert_eq!(status(encoder.copy(&a, 0, &no_destination, 0, 8)), Status::Argument);
    for odd in [1, 2, 3, 5, 31, u64::MAX] {
        assert_eq!(status(encoder.copy(&a, odd, &b, 0, 4)), Status::Align);
        assert_eq!(status(encoder.copy(&a, 0, &b, odd, 4)), Status::Align);
        assert_eq!(status(encoder.copy(&a, 0, &b, 0, odd)), Status::Align);
    }
    for (offset, bytes) in
        [(0, 36), (4, 32), (32, 4), (36, 0), (u64::MAX - 3, 4), (4, u64::MAX - 3), (u64::MAX - 3, 0)]
    {
        assert_eq!(status(encoder.copy(&a, offset, &b, 0, bytes)), Status::Range, "{bytes} from {offset}");
        assert_eq!(status(encoder.copy(&a, 0, &b, offset, bytes)), Status::Range, "{bytes} to {offset}");
    }
    encoder.copy(&a, 32, &b, 32, 0).unwrap();
    encoder.copy(&a, 28, &b, 0, 4).unwrap();
    encoder.copy(&a, 0, &b, 28, 4).unwrap();
    encoder.submit().unwrap();
    let mut expected = [0; 32];
    expected[..4].copy_from_slice(&[28, 29, 30, 31]);
    expected[28..].copy_from_slice(&[0, 1, 2, 3]);
    assert_eq!(contents(device, &b), expected);
}

fn data_survives_remapping(device: &Device) {
    let mut from = buffer(device, 32, write_usage(), false);
    for round in 1..4u8 {
        let at = u64::from(round) * 8;
        from.map_async(MapMode::Write, at - 8, Some(8)).unwrap().wait(FOREVER).unwrap().result.unwrap();
        from.range_mut(at - 8, Some(8)).unwrap().fill(round);
        from.unmap();
    }
    let expected: Vec<u8> = (0..32).map(|at| (at / 8 + 1) % 4).collect();
    assert_eq!(contents(device, &from), expected);
    // A mapping without writes keeps the content.
    map(&from, MapMode::Write);
    from.unmap();
    assert_eq!(contents(device, &from), expected);

    let mut to = buffer(device, 32, read_usage(), false);
    let mut encoder = Encoder::new(device);
    encoder.copy(&from, 0, &to, 0, 32).unwrap();
    encoder.submit().unwrap();
    for _ in 0..3 {
        map(&to, MapMode::Read);
        assert_eq!(*to.range(0, None).unwrap(), expected);
        to.unmap();
    }
}

fn mapped_at_creation_is_read_back_with_no_submit_between(device: &Device) {
    let mut buffer = buffer(device, 24, read_usage(), true);
    buffer.range_mut(0, None).unwrap().copy_from_slice(b"there and then back here");
    buffer.unmap();
    map(&buffer, MapMode::Read);
    assert_eq!(*buffer.range(0, None).unwrap(), *b"there and then back here");
}

fn callbacks_may_use_the_buffer(device: &Device) {
    let calls = Arc::new(AtomicU32::new(0));
    let from = Arc::new(buffer(device, 16, write_usage(), false));
    let (inside, counted) = (from.clone(), calls.clone());
    from.map_async(MapMode::Write, 0, None)
        .unwrap()
        .then(move |outcome| {
            outcome.result.unwrap();
            inside.range_mut(0, None).unwrap().fill(5);
            counted.fetch_add(1, Relaxed);
        })
        .unwrap();
    while calls.load(Relaxed) == 0 || Arc::strong_count(&from) > 1 {
        let _ = device.poll(Timeout::TRY);
        std::thread::yield_now();
    }
    assert_eq!(*from.range(0, None).unwrap(), [5; 16]);
    assert_eq!(calls.load(Relaxed), 1);
}
