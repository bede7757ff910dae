//! Regression benches of the ring's frequent calls, through the Rust API. Both ends are on one thread; `make bench` measures
//! transfers between cores.

use backbuf::spsc::{self, Receiver, Sender, StreamConfig};
use backbuf::{Status, Timeout};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn ring() -> (Sender, Receiver) {
    spsc::ring(1 << 16).expect("memory for a small ring")
}

fn send_and_receive(c: &mut Criterion) {
    let mut group = c.benchmark_group("send and receive");
    for size in [1, 8, 64, 512, 4096, 65_536] {
        let (mut sender, mut receiver) = ring();
        let (source, mut target) = (vec![7; size], vec![0; size]);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("{size} B"), |b| {
            b.iter(|| {
                sender.send(black_box(&source)).expect("the ring is empty");
                receiver.recv(black_box(&mut target)).expect("it was sent")
            });
        });
    }
}

fn feed(c: &mut Criterion) {
    let (mut sender, mut receiver) = ring();
    let mut target = [0; 256];
    c.bench_function("feed 32 x 8 B, flush, receive", |b| {
        b.iter(|| {
            for _ in 0..32 {
                sender.feed(black_box(&[7; 8])).expect("the ring is empty");
            }
            sender.flush().expect("the receiver is there");
            receiver.recv(black_box(&mut target)).expect("it was sent")
        });
    });
}

fn spans(c: &mut Criterion) {
    let (mut sender, mut receiver) = ring();
    c.bench_function("reserve, commit, peek, consume", |b| {
        b.iter(|| {
            let mut room = sender.reserve(64).expect("the ring is empty");
            room[0] = 7;
            room.commit(64).expect("so much was reserved");
            let there = receiver.peek(64).expect("it was sent");
            black_box(there[0]);
            there.consume(64).expect("so much was there");
        });
    });
}

fn empty(c: &mut Criterion) {
    let (_sender, mut receiver) = ring();
    c.bench_function("receive, empty ring", |b| {
        b.iter(|| receiver.recv(&mut [0; 8]).expect_err("nothing was sent").status() == Status::Empty);
    });
}

fn stream(c: &mut Criterion) {
    let (mut sender, receiver) = ring();
    let mut stream = receiver.into_stream(StreamConfig::default()).expect("no claim is open");
    let data = vec![7; 8192];
    c.bench_function("8 KiB as a chunk of a stream", |b| {
        b.iter(|| {
            sender.send(&data).expect("the ring is empty");
            stream.next_chunk(Timeout::TRY).expect("it was sent")
        });
    });
}

criterion_group!(benches, send_and_receive, feed, spans, empty, stream);
criterion_main!(benches);
