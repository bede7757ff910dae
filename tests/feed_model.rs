//! Random, altered and truncated streams of records into a feed, against a plain decoder: the same state, the same end.

use std::ops::Range;
use std::thread;

use backbuf::feed::FeedStatus;
use backbuf::manager::{Config, FieldSpec};
use backbuf::spsc::{self, Sender};
use backbuf::{DType, Manager, Status, Timeout};
use proptest::collection::vec;
use proptest::prelude::*;

/// As many as fit a short test; BACKBUF_SOAK asks for more.
fn cases() -> u32 {
    if std::env::var_os("BACKBUF_SOAK").is_some() { 50_000 } else { 1500 }
}

/// Bytes of an element and of the field, and where the front has the field. One element size is no power of two.
const FIELDS: [(DType, usize, usize, usize); 3] =
    [(DType::U8, 1, 50, 0), (DType::U32, 4, 48, 64), (DType::Opaque(3), 3, 45, 128)];
const RING: usize = 256;

/// The format as `docs/feed-format.md` has it, decoded without regard to speed. Numbers are wide enough not to overflow.
#[derive(Debug)]
struct Decoder {
    fields: Vec<Vec<u8>>,
    tag: u64,
    records: u64,
    batches: u64,
    /// Bytes of the stream that have been applied.
    at: usize,
    end: Option<Status>,
}

/// What one record that is no batch does.
enum Effect {
    Bytes { field: usize, offset: usize, bytes: Vec<u8> },
    Tag(u64),
}

struct Header {
    record_type: u8,
    field: u32,
    offset: u64,
    bytes: u64,
    size: u128,
}

fn number(bytes: &[u8], range: Range<usize>) -> u64 {
    bytes[range].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The header at the beginning, which is there.
fn header(stream: &[u8]) -> Result<Header, Status> {
    let (version, record_type) = (stream[2], stream[3]);
    let (field, offset, bytes) = (number(stream, 4..8) as u32, number(stream, 8..16), number(stream, 16..24));
    if stream[..2] != [0xed, 0xfe] {
        return Err(Status::Argument);
    }
    if version > 1 {
        return Err(Status::Version);
    }
    let legal = match record_type {
        _ if version == 0 => false,
        1 => true,
        2 => bytes > 8,
        3 => bytes == 0 && field == 0,
        4 => bytes % 8 == 0 && field == 0 && offset == 0,
        _ => false,
    };
    let size = (24 + u128::from(bytes)).next_multiple_of(8);
    match legal {
        false => Err(Status::Argument),
        true if size > u128::from(u64::MAX) => Err(Status::Range),
        true => Ok(Header { record_type, field, offset, bytes, size }),
    }
}

/// What a complete record does that is no batch.
fn effect(header: &Header, record: &[u8]) -> Result<Effect, Status> {
    let payload = &record[24..24 + header.bytes as usize];
    if header.record_type == 3 {
        return Ok(Effect::Tag(header.offset));
    }
    if header.record_type == 4 {
        return Err(Status::Argument);
    }
    let Some(&(_, element, size, _)) = FIELDS.get(header.field as usize) else { return Err(Status::Range) };
    let (count, unit) = match header.record_type {
        1 if !payload.len().is_multiple_of(element) => return Err(Status::Align),
        1 => (1, payload),
        _ if payload.len() - 8 != element => return Err(Status::Argument),
        _ => (number(payload, 0..8), &payload[8..]),
    };
    if !header.offset.is_multiple_of(element as u64) {
        return Err(Status::Align);
    }
    if u128::from(header.offset) + u128::from(count) * unit.len() as u128 > size as u128 {
        return Err(Status::Range);
    }
    let (field, offset) = (header.field as usize, header.offset as usize);
    Ok(Effect::Bytes { field, offset, bytes: unit.repeat(count as usize) })
}

impl Decoder {
    fn new() -> Decoder {
        let fields = FIELDS.map(|(_, _, bytes, _)| vec![0; bytes]).to_vec();
        Decoder { fields, tag: 0, records: 0, batches: 0, at: 0, end: None }
    }

    /// Applies the records of the stream that are complete, from where it stopped before.
    fn read(&mut self, stream: &[u8]) {
        while self.end.is_none() && stream.len() - self.at >= 24 {
            match self.record(&stream[self.at..]) {
                Ok(Some(size)) => self.at += size,
                Ok(None) => return,
                Err(status) => self.end = Some(status),
            }
        }
    }

    /// The size of the first record, which is applied; None if it is not complete.
    fn record(&mut self, stream: &[u8]) -> Result<Option<usize>, Status> {
        let first = header(stream)?;
        if first.size > RING as u128 {
            return Err(Status::Range);
        }
        let size = first.size as usize;
        if size > stream.len() {
            return Ok(None);
        }
        let mut effects = Vec::new();
        if first.record_type == 4 {
            let mut rest = &stream[24..size];
            while !rest.is_empty() {
                let inner = if rest.len() < 24 { Err(Status::Range) } else { header(rest) }?;
                if inner.size > rest.len() as u128 {
                    return Err(Status::Range);
                }
                effects.push(effect(&inner, rest)?);
                rest = &rest[inner.size as usize..];
            }
            self.batches += 1;
        } else {
            effects.push(effect(&first, stream)?);
        }
        self.records += 1;
        for effect in effects {
            match effect {
                Effect::Bytes { field, offset, bytes } => {
                    self.fields[field][offset..offset + bytes.len()].copy_from_slice(&bytes);
                }
                Effect::Tag(tag) => self.tag = tag,
            }
        }
        Ok(Some(size))
    }

    /// The sender has closed. Whether the feed stops at a bad record: one that was sent in part counts.
    fn close(&mut self, stream: &[u8]) -> bool {
        let stopped = self.end.is_some() || self.at < stream.len();
        let end = if self.at < stream.len() { Status::Range } else { Status::Closed };
        self.end.get_or_insert(end);
        stopped
    }
}

/// A change of a stream. Places count modulo its length.
#[derive(Clone, Debug)]
enum Change {
    Byte(usize, u8),
    /// One of a header's numbers: its word, counted from the beginning.
    Word(usize, u64),
    Remove(usize),
    Insert(usize, u8),
    Truncate(usize),
}

impl Change {
    fn apply(&self, stream: &mut Vec<u8>) {
        let length = stream.len().max(1);
        match *self {
            _ if stream.is_empty() => {}
            Change::Byte(at, value) => stream[at % length] = value,
            Change::Word(at, value) => {
                if let Some(word) = stream.chunks_exact_mut(8).nth(at % length.div_ceil(8)) {
                    word.copy_from_slice(&value.to_le_bytes());
                }
            }
            Change::Remove(at) => drop(stream.remove(at % length)),
            Change::Insert(at, value) => stream.insert(at % length, value),
            Change::Truncate(at) => stream.truncate(at % length),
        }
    }
}

fn record(record_type: u8, field: u32, offset: u64, payload: &[u8]) -> Vec<u8> {
    let mut record = vec![0xed, 0xfe, 1, record_type];
    record.extend(field.to_le_bytes());
    record.extend(offset.to_le_bytes());
    record.extend((payload.len() as u64).to_le_bytes());
    record.extend(payload);
    record.resize(record.len().next_multiple_of(8), 0xaa);
    record
}

/// A record of a field that fits, or rarely one that just does not.
fn simple() -> impl Strategy<Value = Vec<u8>> {
    let count = prop_oneof![12 => 0..5_usize, 1 => 5..70_usize];
    let place = (0..FIELDS.len(), 0..16_usize, count);
    let write = (place.clone(), any::<u8>()).prop_map(|((field, at, count), value)| {
        let element = FIELDS[field].1;
        record(1, field as u32, (at * element) as u64, &vec![value; count * element])
    });
    let fill = (place, any::<[u8; 4]>()).prop_map(|((field, at, count), value)| {
        let element = FIELDS[field].1;
        let payload = [&(count as u64).to_le_bytes()[..], &value[..element]].concat();
        record(2, field as u32, (at * element) as u64, &payload)
    });
    prop_oneof![5 => write, 3 => fill, 1 => any::<u64>().prop_map(|tag| record(3, 0, tag, &[]))]
}

fn any_record() -> impl Strategy<Value = Vec<u8>> {
    let batch = |inner| vec(inner, 0..5).prop_map(|records: Vec<Vec<u8>>| record(4, 0, 0, &records.concat()));
    let nested = batch(prop_oneof![12 => simple().boxed(), 1 => batch(simple().boxed()).boxed()].boxed());
    prop_oneof![6 => simple(), 3 => nested, 1 => vec(any::<u8>(), 0..80)]
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<u16>().prop_map(usize::from).boxed();
    let large = prop_oneof![
        Just(u64::MAX),
        Just(u64::MAX - 7),
        Just(u64::MAX - 31),
        Just(1 << 63),
        Just(1 << 32),
        0..300_u64,
    ];
    prop_oneof![
        3 => (at.clone(), any::<u8>()).prop_map(|(at, value)| Change::Byte(at, value)),
        2 => (at.clone(), 0..6_u8).prop_map(|(at, value)| Change::Byte(at, value)),
        4 => (at.clone(), large).prop_map(|(at, value)| Change::Word(at, value)),
        1 => at.clone().prop_map(Change::Remove),
        1 => (at.clone(), any::<u8>()).prop_map(|(at, value)| Change::Insert(at, value)),
        1 => at.prop_map(Change::Truncate),
    ]
}

/// Records, a few of them changed.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop_oneof![1 => Just(Vec::new()), 2 => vec(change(), 1..4)];
    (vec(any_record(), 0..12), changes).prop_map(|(records, changes)| {
        let mut stream = records.concat();
        changes.iter().for_each(|change| change.apply(&mut stream));
        stream
    })
}

/// The bytes of a piece that the ring takes; fewer than all only if the feed has ended.
fn send(sender: &mut Sender, piece: &[u8], status: impl Fn() -> FeedStatus) -> usize {
    let mut sent = 0;
    while sent < piece.len() {
        match sender.send(&piece[sent..]) {
            Ok(bytes) => sent += bytes,
            Err(error) if error.status() == Status::Full && status().end.is_some() => break,
            Err(error) if error.status() == Status::Full => thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    sent
}

fn fields_of(manager: &Manager) -> Vec<Vec<u8>> {
    let front = manager.front().unwrap();
    FIELDS.map(|(_, _, bytes, at)| front[at..at + bytes].to_vec()).to_vec()
}

fn check(stream: &[u8], pieces: &[(usize, bool)], close: bool) {
    let specs = FIELDS.map(|(dtype, element, bytes, _)| (dtype, [(bytes / element) as u64]));
    let specs: Vec<_> = specs
        .iter()
        .zip(["a", "b", "c"])
        .map(|((dtype, shape), name)| FieldSpec::new(name, *dtype, shape))
        .collect();
    let manager = Manager::with_fields(&specs, Config::default()).unwrap();
    let (mut sender, receiver) = spsc::ring(RING).unwrap();
    let feed = manager.feed(receiver).unwrap();
    let mut decoder = Decoder::new();
    let (mut sent, mut pieces) = (0, pieces.iter().cycle());
    let compare = |decoder: &Decoder, what: &str| {
        manager.synchronize(Timeout::FOREVER).unwrap();
        assert_eq!(fields_of(&manager), decoder.fields, "{what}");
        assert_eq!(manager.tag(), decoder.tag, "{what}");
        let FeedStatus { records, batches, bytes, end } = feed.status();
        assert_eq!(
            (records, batches, bytes),
            (decoder.records, decoder.batches, decoder.at as u64),
            "{what}"
        );
        assert_eq!(end.map(|error| error.status()), decoder.end, "{what}");
    };
    while let (Some(&(piece, synchronize)), true) = (pieces.next(), sent < stream.len()) {
        let piece = &stream[sent..stream.len().min(sent + piece)];
        let taken = send(&mut sender, piece, || feed.status());
        sent += taken;
        decoder.read(&stream[..sent]);
        if synchronize {
            compare(&decoder, "between");
        }
        if taken < piece.len() {
            break;
        }
    }
    let stream = &stream[..sent];
    let mut stopped = decoder.end.is_some();
    let sender = (!close).then_some(sender);
    if close {
        stopped = decoder.close(stream);
    }
    compare(&decoder, "at the end");
    assert_eq!(manager.statistics().feeds_stopped, u64::from(stopped));
    // What was not applied is received, from the refused record on.
    let mut rest = vec![0; RING];
    let received = feed.stop().recv(&mut rest).unwrap_or(0);
    assert_eq!(rest[..received], stream[decoder.at..]);
    drop(sender);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn a_feed_is_a_plain_decoder(
        stream in stream(),
        pieces in vec((1..100_usize, any::<bool>()), 1..8),
        close in any::<bool>(),
    ) {
        check(&stream, &pieces, close);
    }

    #[test]
    fn random_bytes_change_nothing(bytes in vec(any::<u8>(), 0..300), close in any::<bool>()) {
        check(&bytes, &[(64, true)], close);
    }
}

/// Each truncation of a stream that has every type of record: whole records are applied, the part is not.
#[test]
fn every_truncation() {
    let batch = [record(1, 0, 0, &[1; 9]), record(2, 1, 8, &[3, 0, 0, 0, 0, 0, 0, 0, 5, 6, 7, 8])].concat();
    let stream = [record(1, 2, 3, &[4; 6]), record(4, 0, 0, &batch), record(3, 0, 99, &[])].concat();
    for length in 0..=stream.len() {
        for close in [false, true] {
            check(&stream[..length], &[(stream.len(), false)], close);
        }
    }
}
