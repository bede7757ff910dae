//! Inline writers and readers of a ring: against a plain model on one thread, and between two threads that wait for each other.

use std::collections::VecDeque;

use backbuf::spsc::{RingConfig, ring, ring_with};
use backbuf::{Status, Timeout};
use proptest::prelude::*;

/// One call on a ring, through a writer and a reader that are opened for a few calls.
#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u8>),
    Get(usize),
    Publish,
    GiveBack,
    Reopen(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let record = prop::collection::vec(any::<u8>(), 0..40);
    let step = prop_oneof![
        6 => record.prop_map(Step::Put),
        6 => (0usize..40).prop_map(Step::Get),
        1 => Just(Step::Publish),
        1 => Just(Step::GiveBack),
        1 => (0usize..48).prop_map(Step::Reopen),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    /// What a reader gets is what was put, record sizes notwithstanding; a record is refused only if it does not fit beside what the
    /// reader has not given back, and what is put is there after a publish.
    #[test]
    fn records_come_out_as_they_went_in(steps in steps(), every in 0usize..48) {
        const CAPACITY: usize = 64;
        let (mut sender, mut receiver) = ring(CAPACITY).unwrap();
        let (mut writer, mut reader) = (sender.writer(every).unwrap(), receiver.reader(every).unwrap());
        let mut model = VecDeque::new();
        for step in steps {
            match step {
                Step::Put(record) => match writer.put(&record) {
                    Ok(()) => model.extend(record),
                    Err(error) => {
                        prop_assert_eq!(error.status(), Status::Full);
                        reader.give_back().unwrap();
                        prop_assert!(writer.put(&record).is_ok() == (model.len() + record.len() <= CAPACITY));
                        if model.len() + record.len() <= CAPACITY {
                            model.extend(record);
                        }
                    }
                },
                Step::Get(bytes) => {
                    let mut record = vec![0; bytes];
                    match reader.get(&mut record) {
                        Ok(()) => prop_assert!(record.into_iter().eq(model.drain(..bytes))),
                        Err(error) => {
                            prop_assert_eq!(error.status(), Status::Empty);
                            writer.publish().unwrap();
                            prop_assert_eq!(reader.get(&mut record).is_ok(), bytes <= model.len());
                            if bytes <= model.len() {
                                prop_assert!(record.into_iter().eq(model.drain(..bytes)));
                            }
                        }
                    }
                }
                Step::Publish => writer.publish().unwrap(),
                Step::GiveBack => reader.give_back().unwrap(),
                Step::Reopen(every) => {
                    drop((writer, reader));
                    (writer, reader) = (sender.writer(every).unwrap(), receiver.reader(every).unwrap());
                }
            }
        }
        drop((writer, reader));
        let mut rest = vec![0; CAPACITY];
        let got = receiver.recv(&mut rest).unwrap_or(0);
        prop_assert!(rest[..got].iter().eq(model.iter()));
    }
}

/// Each side keeps its records, and sleeps until the other side's record has come: a lost wake-up hangs.
#[test]
fn kept_records_reach_a_side_that_waits() {
    const ROUNDS: u64 = 20_000;
    let (mut there, mut here) = ring(1 << 20).unwrap();
    let (mut back, mut home) = ring(1 << 20).unwrap();
    let echo = std::thread::spawn(move || {
        let (mut writer, mut reader) = (back.writer(0).unwrap(), here.reader(0).unwrap());
        let mut word = [0; 8];
        for _ in 0..ROUNDS {
            reader.wait_readable(8, Timeout::FOREVER).unwrap();
            reader.get(&mut word).unwrap();
            writer.put(&word).unwrap();
        }
    });
    let mut writer = there.writer(0).unwrap();
    for round in 0..ROUNDS {
        writer.put(&round.to_ne_bytes()).unwrap();
        let mut word = [0; 8];
        home.recv_all(&mut word, Timeout::FOREVER).unwrap();
        assert_eq!(u64::from_ne_bytes(word), round);
    }
    echo.join().unwrap();
}

/// The sender sleeps for space that the reader has read and keeps.
#[test]
fn kept_space_reaches_a_sender_that_waits() {
    let (mut sender, mut receiver) = ring(64).unwrap();
    let fill = std::thread::spawn(move || {
        for round in 0..20_000u64 {
            sender.send_whole(&round.to_ne_bytes(), Timeout::FOREVER).unwrap();
        }
    });
    let mut reader = receiver.reader(0).unwrap();
    for round in 0..20_000u64 {
        let mut word = [0; 8];
        // Polled, so that the reader gives nothing back because it waits.
        while let Err(error) = reader.get(&mut word) {
            assert_eq!(error.status(), Status::Empty);
            std::hint::spin_loop();
        }
        assert_eq!(u64::from_ne_bytes(word), round);
    }
    fill.join().unwrap();
}

#[test]
fn refused_claims_change_nothing() {
    let (mut sender, mut receiver) = ring(16).unwrap();
    let mut writer = sender.writer(0).unwrap();
    assert_eq!(writer.put(&[0; 17]).unwrap_err().status(), Status::Range);
    writer.put(&[1; 16]).unwrap();
    assert_eq!(writer.put(&[2]).unwrap_err().status(), Status::Full);
    drop(writer);
    let mut reader = receiver.reader(0).unwrap();
    assert_eq!(reader.get(&mut [0; 17]).unwrap_err().status(), Status::Range);
    drop(reader);
    receiver.close();
    assert_eq!(receiver.reader(0).unwrap_err().status(), Status::Closed);
    assert_eq!(sender.writer(0).unwrap_err().status(), Status::Closed);

    let config = RingConfig { overwrite_record_size: 8, ..RingConfig::default() };
    let (mut sender, mut receiver) = ring_with(64, &config).unwrap();
    assert_eq!(sender.writer(0).unwrap_err().status(), Status::Unsupported);
    assert_eq!(receiver.reader(0).unwrap_err().status(), Status::Unsupported);
}
