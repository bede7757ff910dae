//! Regression benches of the manager's frequent calls, through the Rust API.

use backbuf::DType;
use backbuf::Timeout;
use backbuf::manager::Manager;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

fn manager(bytes: u64) -> Manager {
    Manager::untyped(DType::U8, &[bytes]).expect("memory for a small state")
}

fn enqueue(c: &mut Criterion) {
    let mut group = c.benchmark_group("enqueue");
    for size in [8, 64, 1024, 65_536] {
        let m = manager(256 * KIB);
        let data = vec![7; size as usize];
        let mut offset = 0;
        group.throughput(Throughput::Bytes(size));
        group.bench_function(format!("{size} B"), |b| {
            b.iter(|| {
                m.enqueue(offset, black_box(&data), Timeout::FOREVER).expect("within the state");
                offset = (offset + 3 * size) % (256 * KIB);
            });
        });
    }
}

fn synchronize(c: &mut Criterion) {
    let m = manager(256 * KIB);
    c.bench_function("synchronize, nothing dirty", |b| b.iter(|| m.synchronize(Timeout::FOREVER)));
    c.bench_function("synchronize, 8 B dirty", |b| {
        b.iter(|| {
            m.enqueue(64, &[7; 8], Timeout::FOREVER).expect("within the state");
            m.synchronize(Timeout::FOREVER)
        });
    });
}

fn front(c: &mut Criterion) {
    let m = manager(256 * KIB);
    c.bench_function("front", |b| b.iter(|| black_box(m.front().expect("there is always one").epoch())));
}

fn copy_forward(c: &mut Criterion) {
    let m = manager(MIB);
    let update = |offset| m.enqueue(offset, &[7; 64], Timeout::FOREVER).expect("within the state");
    c.bench_function("copy forward, 164 x 64 B of 1 MiB", |b| {
        let dirty = || {
            (0..164).for_each(|k| update(k * 6151 % (MIB / 64) * 64));
            m.synchronize(Timeout::FOREVER).expect("no front is held");
        };
        // The first write of an epoch triggers the copies.
        b.iter_batched(dirty, |()| update(0), BatchSize::PerIteration);
    });
}

criterion_group!(benches, enqueue, synchronize, front, copy_forward);
criterion_main!(benches);
