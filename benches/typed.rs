//! The element type costs nothing: updates and fronts through `Manager<f32>` beside the same ones as bytes, for callgrind, which
//! counts the instructions of each function below. See "Typed Rust" in docs/benchmarks.md.

use std::hint::black_box;

use backbuf::{DType, Manager, Timeout, bytemuck};

/// Calls of each function.
const CALLS: u64 = 1000;
/// Elements of the state.
const ELEMENTS: u64 = 16 * 1024;
/// Elements of an update.
const UPDATE: u64 = 2;
/// Bytes of an element.
const SIZE: usize = size_of::<f32>();

#[inline(never)]
fn counted_enqueue_typed(manager: &Manager<f32>, offset: u64, data: &[f32]) {
    manager.enqueue(offset, data, Timeout::FOREVER).expect("within the state");
}

#[inline(never)]
fn counted_enqueue_bytes(manager: &Manager, byte_offset: u64, data: &[u8]) {
    manager.enqueue(byte_offset, data, Timeout::FOREVER).expect("within the state");
}

#[inline(never)]
fn counted_front_typed(manager: &Manager<f32>, at: usize) -> f32 {
    manager.front().expect("no other front").as_slice()[at]
}

#[inline(never)]
fn counted_front_bytes(manager: &Manager, at: usize) -> f32 {
    let front = manager.front().expect("no other front");
    bytemuck::pod_read_unaligned(&front.as_slice()[at..at + SIZE])
}

fn main() -> backbuf::Result<()> {
    let typed = Manager::<f32>::new(&[ELEMENTS])?;
    let bytes = Manager::untyped(DType::F32, &[ELEMENTS])?;
    // Another update each time, and the same ones of both: what is noted for an epoch must not differ.
    for offset in (0..CALLS).map(|call| call * 3 * UPDATE) {
        counted_enqueue_typed(&typed, offset, black_box(&[1.5; UPDATE as usize]));
        counted_enqueue_bytes(&bytes, offset * SIZE as u64, black_box(&[7; UPDATE as usize * SIZE]));
    }
    typed.synchronize(Timeout::FOREVER)?;
    bytes.synchronize(Timeout::FOREVER)?;
    // The first front of a thread fills its list of free leases.
    drop((typed.front()?, bytes.front()?));
    for at in 0..CALLS as usize {
        black_box(counted_front_typed(&typed, at));
        black_box(counted_front_bytes(&bytes, at * SIZE));
    }
    Ok(())
}
