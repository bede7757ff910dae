//! Feeds: a ring whose records a manager applies, against a plain model; bad records, ends and concurrency.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::thread;

use backbuf::feed::{BatchRecord, Feed, FeedHeader, HEADER_BYTES, MAGIC, RecordType, VERSION, Writer};
use backbuf::manager::{Config, FieldSpec, WorkerMode};
use backbuf::spsc::{self, RingConfig, Sender};
use backbuf::{DType, Manager, Status, Timeout};

const FOREVER: Timeout = Timeout::FOREVER;

/// A small generator of pseudo-random numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn feeding(bytes: u64, ring: usize) -> (Manager<u8>, Sender, Feed) {
    let manager = Manager::<u8>::new(&[bytes]).unwrap();
    let (sender, receiver) = spsc::ring(ring).unwrap();
    let feed = manager.feed(receiver).unwrap();
    (manager, sender, feed)
}

fn record(record_type: RecordType, field: u32, offset: u64, payload: &[u8]) -> Vec<u8> {
    let header = FeedHeader { record_type, field, offset, bytes: payload.len() as u64 };
    let mut record = header.encode().to_vec();
    record.extend_from_slice(payload);
    record.resize(header.record_bytes().unwrap() as usize, 0);
    record
}

fn fill(offset: u64, count: u64, element: &[u8]) -> Vec<u8> {
    record(RecordType::Fill, 0, offset, &[&count.to_le_bytes(), element].concat())
}

/// Why the feed has ended, once it has. A synchronize has covered the records.
fn end(feed: &Feed) -> (Option<Status>, String) {
    let end = feed.status().end;
    (end.map(|error| error.status()), end.map(|error| error.to_string()).unwrap_or_default())
}

/// One random record, applied to the model; `nested` for the records of a batch.
fn random_record(random: &mut Random, model: &mut [u8], tag: &mut u64, nested: bool) -> Vec<u8> {
    let state = model.len() as u64;
    let offset = random.below(state);
    let count = random.below((state - offset).min(40) + 1);
    match random.below(if nested { 8 } else { 10 }) {
        0 => {
            *tag = random.next();
            record(RecordType::Tag, 0, *tag, &[])
        }
        1 | 2 => {
            let value = random.next() as u8;
            model[offset as usize..][..count as usize].fill(value);
            fill(offset, count, &[value])
        }
        3..8 => {
            let data: Vec<u8> = (0..count).map(|_| random.next() as u8).collect();
            model[offset as usize..][..data.len()].copy_from_slice(&data);
            record(RecordType::Write, 0, offset, &data)
        }
        _ => {
            let records: Vec<_> =
                (0..random.below(4)).map(|_| random_record(random, model, tag, true)).collect();
            record(RecordType::Batch, 0, 0, &records.concat())
        }
    }
}

/// Random records, split at random places and sent piece by piece through rings of several sizes, give the model's state after each
/// synchronize.
#[test]
fn random_records_give_the_state_of_a_plain_model() {
    for (seed, ring) in [(1, 512), (2, 512), (3, 1 << 12), (4, 1 << 16)] {
        let mut random = Random(seed);
        let (manager, mut sender, feed) = feeding(200, ring);
        let (mut model, mut tag, mut sent, mut bytes) = (vec![0; 200], 0, 0, 0);
        for _ in 0..600 {
            let mut records = Vec::new();
            for _ in 0..random.below(5) {
                records.extend(random_record(&mut random, &mut model, &mut tag, false));
                sent += 1;
            }
            bytes += records.len() as u64;
            let mut rest = &records[..];
            while !rest.is_empty() {
                let piece = (random.below(60) as usize + 1).min(rest.len());
                sender.send_all(&rest[..piece], FOREVER).unwrap();
                rest = &rest[piece..];
                if random.below(20) == 0 {
                    manager.synchronize(FOREVER).unwrap();
                }
            }
            manager.synchronize(FOREVER).unwrap();
            assert_eq!(manager.front().unwrap()[..], model[..], "seed {seed}, after {sent} records");
            assert_eq!(manager.tag(), tag);
        }
        let status = feed.status();
        assert_eq!((status.records, status.bytes, status.end), (sent, bytes, None));
        assert!(status.batches > 0);
    }
}

/// A synchronize covers what was committed before it, on whatever thread records are applied.
#[test]
fn synchronize_covers_what_was_committed_before_it() {
    let flush = || -> backbuf::manager::Flush { Box::new(|| Ok(())) };
    let configs = [
        Config::default(),
        Config { worker: WorkerMode::Only, ..Config::default() },
        Config { flush: Some(flush()), ..Config::default() },
        Config { caller_budget_bytes: 1, ..Config::default() },
    ];
    for config in configs {
        let manager =
            Manager::<u64>::with_config(&[4], config).unwrap_or_else(|refused| panic!("{}", refused.error));
        let (sender, receiver) = spsc::ring(4096).unwrap();
        let feed = manager.feed(receiver).unwrap();
        let mut writer = Writer::new(sender);
        for number in 1..=2000_u64 {
            writer.write(0, 8 * (number % 4), &number.to_le_bytes(), FOREVER).unwrap();
            let ticket = manager.synchronize_async().unwrap();
            manager.wait(ticket, FOREVER).unwrap();
            assert_eq!(manager.front().unwrap()[(number % 4) as usize], number);
            writer.write(0, 8 * (number % 4), &(number + 1).to_le_bytes(), FOREVER).unwrap();
            manager.synchronize(FOREVER).unwrap();
            assert_eq!(manager.front().unwrap()[(number % 4) as usize], number + 1);
        }
        assert_eq!(feed.status().records, 4000);
        assert_eq!(manager.statistics().fed_updates, 4000);
    }
}

/// The worker applies records while no thread synchronizes: a ring that is smaller than what is sent does not fill up for good.
#[test]
fn the_worker_applies_records_by_itself() {
    let (manager, sender, feed) = feeding(64, 256);
    let mut writer = Writer::new(sender);
    for number in 0..20_000_u32 {
        writer.write(0, u64::from(number % 16) * 4, &number.to_le_bytes(), FOREVER).unwrap();
    }
    // The last record of a quiet ring is applied without a call, too.
    while feed.status().records < 20_000 {
        thread::yield_now();
    }
    assert_eq!(manager.epoch(), 0, "feeding publishes nothing");
    manager.synchronize(FOREVER).unwrap();
    assert_eq!(manager.front().unwrap()[15 * 4..], 19_999_u32.to_le_bytes());
}

/// A record that the worker waits for byte by byte is applied when its last byte arrives.
#[test]
fn a_record_is_applied_when_it_is_whole() {
    let (manager, mut sender, feed) = feeding(16, 64);
    let bytes = record(RecordType::Write, 0, 4, &[7; 9]);
    for round in 1..=20 {
        for (index, byte) in bytes.iter().enumerate() {
            manager.synchronize(FOREVER).unwrap();
            let status = feed.status();
            assert_eq!((status.records, status.end), (round - 1, None), "after {index} bytes");
            sender.send_all(&[*byte], FOREVER).unwrap();
        }
        while feed.status().records < round {
            thread::yield_now();
        }
    }
    manager.synchronize(FOREVER).unwrap();
    assert_eq!(manager.front().unwrap()[..], [[0; 4].as_slice(), &[7; 9], &[0; 3]].concat()[..]);
}

/// Every value of every byte of a header: no crash, and the state changes only as the record says.
#[test]
fn a_bad_record_stops_the_feed_before_it() {
    let good = record(RecordType::Write, 0, 0, &[1]);
    for original in
        [record(RecordType::Write, 0, 4, &[2; 8]), fill(4, 2, &[3]), record(RecordType::Tag, 0, 9, &[])]
    {
        for at in 0..original.len().min(HEADER_BYTES + 8) {
            for value in (0..256).step_by(if at < 4 { 1 } else { 13 }) {
                let mut changed = original.clone();
                changed[at] = value as u8;
                let (manager, mut sender, feed) = feeding(12, 256);
                sender.send_all(&[&good[..], &changed].concat(), FOREVER).unwrap();
                drop(sender);
                manager.synchronize(FOREVER).unwrap();
                let (status, (reason, text)) = (feed.status(), end(&feed));
                assert!(reason.is_some(), "the sender has closed");
                if status.records == 1 {
                    assert_eq!(status.bytes, good.len() as u64, "byte {at} = {value}: {text}");
                    assert_eq!(manager.front().unwrap()[1..], [0; 11], "byte {at} = {value}: {text}");
                    assert_eq!(manager.statistics().feeds_stopped, 1);
                    let mut rest = vec![0; 256];
                    let received = feed.stop().recv(&mut rest).unwrap();
                    assert_eq!(rest[..received], changed[..]);
                } else {
                    // A shorter payload leaves bytes that are no whole record.
                    let all = status.bytes == (good.len() + changed.len()) as u64;
                    let expected = if all { Status::Closed } else { Status::Range };
                    assert_eq!((status.records, reason), (2, Some(expected)), "byte {at} = {value}: {text}");
                }
            }
        }
    }
}

#[test]
fn refusals_name_their_reason() {
    let write = |offset, payload: &[u8]| record(RecordType::Write, 0, offset, payload);
    let header =
        |record_type, bytes| FeedHeader { record_type, field: 0, offset: 0, bytes }.encode().to_vec();
    let batch = |records: &[u8]| record(RecordType::Batch, 0, 0, records);
    let mut newer = write(0, &[1; 4]);
    newer[2] = VERSION + 1;
    let cases: [(Vec<u8>, Status, &str); 15] = [
        (vec![0; 24], Status::Argument, "magic = 0: the bytes are not a record"),
        (newer, Status::Version, "version = 2: a newer version"),
        (write(16, &[0; 4]), Status::Range, "ends at 20, beyond 16"),
        (write(0, &[0; 20]), Status::Range, "ends at 20, beyond 16"),
        (write(u64::MAX - 3, &[0; 4]), Status::Range, "out of bounds"),
        (write(2, &[0; 4]), Status::Align, "not a multiple of 4"),
        (write(0, &[0; 3]), Status::Align, "bytes = 3"),
        (record(RecordType::Write, 1, 0, &[0; 4]), Status::Range, "field"),
        (fill(0, 5, &[0; 4]), Status::Range, "ends at 20"),
        (fill(0, u64::MAX, &[0; 4]), Status::Range, "out of bounds"),
        (fill(0, 1, &[0; 3]), Status::Argument, "element bytes = 3"),
        (header(RecordType::Write, 1 << 20), Status::Range, "larger than the ring"),
        (header(RecordType::Write, u64::MAX), Status::Range, "overflows"),
        (batch(&batch(&[])), Status::Argument, "a batch within a batch"),
        (write(0, &[0; 4])[..30].to_vec(), Status::Range, "bytes = 30: are a part of a record"),
    ];
    for (bytes, status, text) in cases {
        let manager = Manager::<u32>::new(&[4]).unwrap();
        let (mut sender, receiver) = spsc::ring(256).unwrap();
        let feed = manager.feed(receiver).unwrap();
        sender.send_all(&bytes, FOREVER).unwrap();
        drop(sender);
        manager.synchronize(FOREVER).unwrap();
        let (reason, message) = end(&feed);
        assert_eq!(reason, Some(status), "{message}");
        assert!(message.contains(text), "{message}");
        assert_eq!((feed.status().records, manager.front().unwrap().as_slice()), (0, &[0; 4][..]));
    }
}

/// Records are not written into the copy that a lease holds.
#[test]
fn a_held_front_does_not_change() {
    let (manager, mut sender, _feed) = feeding(8, 256);
    let mut held = Vec::new();
    for round in 0..3 {
        sender.send_all(&record(RecordType::Write, 0, 0, &[round; 8]), FOREVER).unwrap();
        manager.synchronize(FOREVER).unwrap();
        held.push(manager.front().unwrap());
        for (front, value) in held.iter().zip(0..) {
            assert_eq!(front[..], [value; 8], "round {round}");
        }
    }
}

/// All of a batch, or nothing of it.
#[test]
fn a_batch_is_applied_whole_or_not_at_all() {
    let good = record(RecordType::Write, 0, 0, &[1; 8]);
    let mut newer = good.clone();
    newer[2] = VERSION + 1;
    let beyond = record(RecordType::Write, 0, 12, &[1; 8]);
    let mut crossing = good.clone();
    crossing[16] = 200;
    for bad in [newer, beyond, crossing, good[..16].to_vec()] {
        let (manager, mut sender, feed) = feeding(16, 1024);
        let batch = record(RecordType::Batch, 0, 0, &[&good[..], &good, &bad].concat());
        sender.send_all(&batch, FOREVER).unwrap();
        manager.synchronize(FOREVER).unwrap();
        assert_eq!((manager.front().unwrap()[..].to_vec(), manager.epoch()), (vec![0; 16], 0));
        assert_eq!((feed.status().records, feed.status().bytes), (0, 0));
        assert!(end(&feed).0.is_some());
    }
    // Readers see all of a batch or nothing of it while batches arrive.
    let (manager, sender, _feed) = feeding(1 << 12, 1 << 15);
    let done = AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| {
            let mut writer = Writer::new(sender);
            for round in 1..=2000_u32 {
                let mut batch = BatchRecord::new();
                batch.fill(0, 0, 1 << 11, &[round as u8]).unwrap();
                batch.write(0, 1 << 11, &[round as u8; 1 << 11]).unwrap();
                writer.batch(&batch, FOREVER).unwrap();
            }
            done.store(true, Release);
        });
        while !done.load(Acquire) {
            manager.synchronize(FOREVER).unwrap();
            let front = manager.front().unwrap();
            assert!(front.iter().all(|byte| *byte == front[0]), "a part of a batch");
        }
    });
}

#[test]
fn fields_are_written_by_index() {
    let fields = [FieldSpec::new("depth", DType::U16, &[5]), FieldSpec::new("flow", DType::F32, &[3])];
    let manager = Manager::with_fields(&fields, Config::default())
        .unwrap_or_else(|refused| panic!("{}", refused.error));
    let (sender, receiver) = spsc::ring(4096).unwrap();
    let feed = manager.feed(receiver).unwrap();
    let mut writer = Writer::new(sender);
    writer.write(1, 4, &2.5_f32.to_le_bytes(), FOREVER).unwrap();
    writer.fill(0, 2, 4, &7_u16.to_le_bytes(), FOREVER).unwrap();
    manager.synchronize(FOREVER).unwrap();
    let front = manager.front().unwrap();
    assert_eq!(front[..10], [0, 0, 7, 0, 7, 0, 7, 0, 7, 0]);
    assert_eq!(front[64..76], [[0; 4], 2.5_f32.to_le_bytes(), [0; 4]].concat());
    // Beyond the end of the first field lies the padding, which no record reaches.
    writer.write(0, 8, &[1; 4], FOREVER).unwrap();
    manager.synchronize(FOREVER).unwrap();
    let (status, text) = end(&feed);
    assert_eq!(status, Some(Status::Range));
    assert!(text.contains("depth"), "{text}");
}

#[test]
fn the_writer_refuses_what_no_ring_holds() {
    let (_manager, sender, _feed) = feeding(16, 64);
    let mut writer = Writer::new(sender);
    let status = |result: backbuf::Result<()>| result.map_err(|error| error.status());
    assert_eq!(status(writer.write(0, 0, &[0; 41], FOREVER)), Err(Status::Range));
    assert_eq!(status(writer.fill(0, 0, 1, &[], FOREVER)), Err(Status::Argument));
    assert_eq!(status(writer.write(0, 0, &[0; 40], FOREVER)), Ok(()));
    assert_eq!(status(BatchRecord::new().fill(0, 0, 1, &[])), Err(Status::Argument));
}

#[test]
fn a_feed_needs_a_fitting_ring_and_an_open_manager() {
    let manager = Manager::<u8>::new(&[8]).unwrap();
    let refused = |manager: &Manager<u8>, receiver| manager.feed(receiver).unwrap_err();
    let (_sender, small) = spsc::ring(16).unwrap();
    assert_eq!(refused(&manager, small).error.status(), Status::Range);
    let config = RingConfig { overwrite_record_size: 32, ..RingConfig::default() };
    let (_sender, overwriting) = spsc::ring_with(1024, &config).unwrap();
    assert_eq!(refused(&manager, overwriting).error.status(), Status::Argument);
    let (_sender, mut closed) = spsc::ring(64).unwrap();
    closed.close();
    assert_eq!(refused(&manager, closed).error.status(), Status::Closed);
    manager.close(FOREVER).unwrap();
    let (mut sender, receiver) = spsc::ring(64).unwrap();
    let mut receiver = refused(&manager, receiver).receiver;
    sender.send(b"still a ring").unwrap();
    assert_eq!(receiver.recv(&mut [0; 64]).unwrap(), 12);
}

/// The ends: of the sender, of the feed, of the manager.
#[test]
fn ends() {
    // The sender's end, after its last record.
    let (manager, mut sender, feed) = feeding(8, 256);
    sender.send_all(&record(RecordType::Write, 0, 1, &[5]), FOREVER).unwrap();
    drop(sender);
    manager.synchronize(FOREVER).unwrap();
    assert_eq!(
        (manager.front().unwrap()[1], feed.status().records, end(&feed).0),
        (5, 1, Some(Status::Closed))
    );
    // A new sender and a new feed on the same ring.
    let mut receiver = feed.stop();
    let mut sender = receiver.attach_sender().unwrap();
    let feed = manager.feed(receiver).unwrap();
    sender.send_all(&record(RecordType::Write, 0, 1, &[6]), FOREVER).unwrap();
    manager.synchronize(FOREVER).unwrap();
    assert_eq!((manager.front().unwrap()[1], end(&feed).0), (6, None));
    // The feed's end: what is sent afterwards is received.
    let mut receiver = feed.stop();
    sender.send_all(b"plain", FOREVER).unwrap();
    assert_eq!(receiver.recv(&mut [0; 64]).unwrap(), 5);
    assert_eq!(receiver.statistics().bytes, 2 * 32 + 5);
    // A close covers what was committed before it.
    let feed = manager.feed(receiver).unwrap();
    sender.send_all(&record(RecordType::Write, 0, 1, &[7]), FOREVER).unwrap();
    manager.close(FOREVER).unwrap();
    assert_eq!((manager.front().unwrap()[1], end(&feed).0), (7, Some(Status::Closed)));
    sender.send_all(b"late", FOREVER).unwrap();
    // The manager's end.
    drop(manager);
    assert_eq!(end(&feed).0, Some(Status::Closed));
    assert_eq!(feed.stop().recv(&mut [0; 64]).unwrap(), 4);
    // A dropped feed closes the ring.
    let (_manager, mut sender, feed) = feeding(8, 256);
    drop(feed);
    assert_eq!(sender.send(b"x").unwrap_err().status(), Status::Closed);
}

/// Senders, other producers and synchronizers at once; feeds come and go.
#[test]
fn feeds_run_beside_other_producers() {
    const RINGS: u64 = 3;
    const ROUNDS: u64 = 20_000;
    let manager = Manager::<u64>::new(&[RINGS + 1]).unwrap();
    let written: [AtomicU64; RINGS as usize] = Default::default();
    let running = AtomicU64::new(RINGS + 1);
    thread::scope(|threads| {
        for index in 0..RINGS {
            let (manager, written, running) = (&manager, &written[index as usize], &running);
            threads.spawn(move || {
                for part in 0..4 {
                    let (sender, receiver) = spsc::ring(1 << 10).unwrap();
                    let feed = manager.feed(receiver).unwrap();
                    let mut writer = Writer::new(sender);
                    for number in part * ROUNDS / 4 + 1..=(part + 1) * ROUNDS / 4 {
                        writer.write(0, 8 * index, &number.to_le_bytes(), FOREVER).unwrap();
                        written.store(number, Release);
                    }
                    manager.synchronize(FOREVER).unwrap();
                    assert_eq!((feed.status().records, feed.status().end), (ROUNDS / 4, None));
                }
                running.fetch_sub(1, Release);
            });
        }
        threads.spawn(|| {
            (1..=ROUNDS).for_each(|number| manager.enqueue(RINGS, &[number], FOREVER).unwrap());
            running.fetch_sub(1, Release);
        });
        while running.load(Acquire) > 0 {
            let before: Vec<_> = written.iter().map(|number| number.load(Acquire)).collect();
            manager.synchronize(FOREVER).unwrap();
            let front = manager.front().unwrap();
            for (index, before) in before.into_iter().enumerate() {
                assert!(
                    front[index] >= before,
                    "ring {index}: {} after {before} was committed",
                    front[index]
                );
            }
        }
    });
    assert_eq!(manager.front().unwrap()[..], [ROUNDS; RINGS as usize + 1]);
}

/// The specification's constants.
#[test]
fn the_format_is_that_of_version_1() {
    assert_eq!((MAGIC, VERSION, HEADER_BYTES), (0xfeed, 1, 24));
}
