//! Limits of the machine: memcpy, compare-and-swap, futex wake-ups, cache-line transfers and copies between cores, without a ring's bookkeeping.

use crate::measure::{Burst, processor_time};
use crate::spsc::subject::Subject;
use rings::{Receiver, Sender};
use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use std::time::Instant;

/// Copies a source in slices into two alternating destinations.
pub struct Memcpy {
    source: Box<[u8]>,
    destinations: [Box<[u8]>; 2],
    slice: usize,
}

impl Memcpy {
    pub fn new(bytes: usize, slice: usize) -> Memcpy {
        let filled = |byte| vec![byte; bytes].into_boxed_slice();
        Memcpy { source: filled(1), destinations: [filled(2), filled(3)], slice }
    }

    pub fn burst(&mut self, cycles: u64) -> Burst {
        let started = Instant::now();
        for cycle in 0..cycles {
            let destination = &mut self.destinations[cycle as usize & 1];
            let slices = destination.chunks_mut(self.slice).zip(self.source.chunks(self.slice));
            for (to, from) in slices {
                to.copy_from_slice(from);
                std::hint::black_box(to);
            }
        }
        Burst { time: started.elapsed(), units: cycles }
    }
}

/// A compare-and-swap of a position and a store of a word: what a slot in a shared log needs at least.
pub struct CasAndStore {
    position: AtomicU64,
    slots: [AtomicU64; 64],
}

impl Default for CasAndStore {
    fn default() -> CasAndStore {
        CasAndStore { position: AtomicU64::new(0), slots: [const { AtomicU64::new(0) }; 64] }
    }
}

impl CasAndStore {
    pub fn burst(&mut self, cycles: u64) -> Burst {
        let CasAndStore { position, slots } = std::hint::black_box(self);
        let slots: &[AtomicU64; 64] = slots;
        let started = Instant::now();
        for _ in 0..cycles {
            let at = position.load(Relaxed);
            if position.compare_exchange(at, at + 1, AcqRel, Relaxed).is_ok() {
                slots[at as usize % slots.len()].store(at, Release);
            }
        }
        Burst { time: started.elapsed(), units: cycles }
    }
}

/// Writes words at given offsets into one of two copies of a state, then copies all of it to the other; CPU time.
pub struct WriteAndMemcpy {
    copies: [Box<[u8]>; 2],
    offsets: Box<[u32]>,
    per_cycle: usize,
    next: usize,
}

impl WriteAndMemcpy {
    /// `offsets` are a power of two.
    pub fn new(bytes: usize, offsets: Box<[u32]>, per_cycle: usize) -> WriteAndMemcpy {
        let filled = |byte| vec![byte; bytes].into_boxed_slice();
        WriteAndMemcpy { copies: [filled(1), filled(2)], offsets, per_cycle, next: 0 }
    }

    pub fn burst(&mut self, cycles: u64) -> Burst {
        let started = processor_time();
        for _ in 0..cycles {
            let [from, to] = &mut self.copies;
            for _ in 0..self.per_cycle {
                let offset = self.offsets[self.next & (self.offsets.len() - 1)] as usize;
                from[offset..offset + 8].copy_from_slice(&self.next.to_ne_bytes());
                self.next += 1;
            }
            to.copy_from_slice(from);
            std::hint::black_box(to);
        }
        Burst { time: processor_time() - started, units: cycles }
    }
}

/// A raw futex, which transfers no data.
pub struct Futex;
pub struct Waker(Arc<AtomicU32>);
pub struct Sleeper(Arc<AtomicU32>, u32);

impl Subject for Futex {
    type Tx = Waker;
    type Rx = Sleeper;

    fn make(&self, _capacity: usize, _chunk: usize) -> Option<(Waker, Sleeper)> {
        let word = Arc::new(AtomicU32::new(0));
        Some((Waker(word.clone()), Sleeper(word, 0)))
    }
}

impl Sender for Waker {
    fn send(&mut self, data: &[u8]) -> usize {
        self.0.fetch_add(1, AcqRel);
        // SAFETY: the word lives as long as `self`.
        unsafe {
            let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
            libc::syscall(libc::SYS_futex, self.0.as_ptr(), wake, 1);
        }
        data.len()
    }
}

impl Receiver for Sleeper {
    fn recv(&mut self, data: &mut [u8]) -> usize {
        let there = self.0.load(Acquire) != self.1;
        self.1 += u32::from(there);
        if there { data.len() } else { 0 }
    }

    fn wait(&mut self, data: &mut [u8]) -> usize {
        while self.0.load(Acquire) == self.1 {
            // SAFETY: the word lives as long as `self`; no timeout is passed.
            unsafe {
                let wait = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
                let forever = std::ptr::null::<libc::timespec>();
                libc::syscall(libc::SYS_futex, self.0.as_ptr(), wait, self.1, forever);
            }
        }
        self.recv(data)
    }
}

/// One word per direction, each on its own cache line: a round trip moves two lines.
pub struct TwoLineBounce;

#[repr(align(128))]
struct Line(AtomicU64);

pub struct LineEnd(Arc<Line>, u64);

impl Subject for TwoLineBounce {
    type Tx = LineEnd;
    type Rx = LineEnd;

    fn make(&self, _capacity: usize, _chunk: usize) -> Option<(LineEnd, LineEnd)> {
        let line = Arc::new(Line(AtomicU64::new(0)));
        Some((LineEnd(line.clone(), 0), LineEnd(line, 0)))
    }
}

impl Sender for LineEnd {
    #[inline(always)]
    fn send(&mut self, data: &[u8]) -> usize {
        self.1 += 1;
        self.0.0.store(self.1, Release);
        data.len()
    }
}

impl Receiver for LineEnd {
    #[inline(always)]
    fn recv(&mut self, data: &mut [u8]) -> usize {
        let there = self.0.0.load(Acquire) != self.1;
        self.1 += u64::from(there);
        if there { data.len() } else { 0 }
    }
}

/// One thread writes a region, the other reads it; they synchronize only at the ends of its parts.
pub struct CrossCoreCopy;

const PARTS: u64 = 16;

pub struct Region {
    bytes: Box<[UnsafeCell<u8>]>,
    written: Line,
    read: Line,
}

// SAFETY: only the reader accesses the bytes from `read` to `written`, only the writer the others.
unsafe impl Sync for Region {}

/// One end of the region: its position and its current limit.
pub struct Side {
    region: Arc<Region>,
    position: u64,
    until: u64,
}

impl Subject for CrossCoreCopy {
    type Tx = Writer;
    type Rx = Reader;

    fn make(&self, capacity: usize, _chunk: usize) -> Option<(Writer, Reader)> {
        let line = || Line(AtomicU64::new(0));
        let bytes = (0..capacity).map(|_| UnsafeCell::new(0)).collect();
        let region = Arc::new(Region { bytes, written: line(), read: line() });
        let side = |region| Side { region, position: 0, until: 0 };
        Some((Writer(side(region.clone())), Reader(side(region))))
    }
}

pub struct Writer(Side);
pub struct Reader(Side);

impl Side {
    /// The current address, and how many of `bytes` fit before the next synchronization point.
    #[inline(always)]
    fn here(&self, bytes: usize) -> (*mut u8, usize) {
        let at = (self.position & (self.region.bytes.len() as u64 - 1)) as usize;
        let left = (self.until - self.position).min(self.part() - (self.position & (self.part() - 1)));
        (self.region.bytes[at].get(), bytes.min(left as usize))
    }

    /// Bytes of a part: a power of two, like the capacity.
    #[inline(always)]
    fn part(&self) -> u64 {
        self.region.bytes.len() as u64 / PARTS
    }

    /// Advances, and returns whether it has reached a synchronization point.
    #[inline(always)]
    fn advance(&mut self, bytes: usize) -> bool {
        self.position += bytes as u64;
        self.position & (self.part() - 1) == 0
    }
}

impl Sender for Writer {
    #[inline(always)]
    fn send(&mut self, data: &[u8]) -> usize {
        let Writer(side) = self;
        if side.position == side.until {
            let read = side.region.read.0.load(Acquire);
            side.until = (read + side.region.bytes.len() as u64) & !(side.part() - 1);
        }
        let (target, length) = side.here(data.len());
        // SAFETY: the reader does not access these bytes.
        unsafe { target.copy_from_nonoverlapping(data.as_ptr(), length) };
        if side.advance(length) {
            side.region.written.0.store(side.position, Release);
        }
        length
    }

    fn flush(&mut self) {
        self.0.region.written.0.store(self.0.position, Release);
    }
}

impl Receiver for Reader {
    #[inline(always)]
    fn recv(&mut self, data: &mut [u8]) -> usize {
        let Reader(side) = self;
        if side.position == side.until {
            side.until = side.region.written.0.load(Acquire);
        }
        let (source, length) = side.here(data.len());
        // SAFETY: the writer does not access these bytes.
        unsafe { source.copy_to_nonoverlapping(data.as_mut_ptr(), length) };
        if side.advance(length) {
            side.region.read.0.store(side.position, Release);
        }
        length
    }
}
