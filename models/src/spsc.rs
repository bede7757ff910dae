//! Stand-ins for the parts of a ring without a protocol: memory that loom watches, copies in it, and counters.

use loom::sync::MutexGuard;

use crate::sync::atomic::UnsafeCell;

/// The library's mutex, over loom's.
#[derive(Debug, Default)]
pub struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Mutex<T> {
        Mutex(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

/// The ring's memory. Its address is a number, by which `copy` finds the bytes.
#[derive(Debug)]
pub(crate) struct Mirror(pub(crate) u64);

const BASE: usize = 4096;
const MOST: usize = 2;

struct Bytes([UnsafeCell<u8>; MOST]);

// SAFETY: the models prove that the ends do not touch a byte at the same time.
unsafe impl Sync for Bytes {}

loom::lazy_static! {
    static ref BYTES: Bytes = Bytes(std::array::from_fn(|_| UnsafeCell::new(0)));
}

impl Mirror {
    pub(crate) fn new(capacity: u64) -> Mirror {
        assert!(capacity <= MOST as u64);
        Mirror(capacity)
    }

    pub(crate) fn data(&self) -> std::ptr::NonNull<u8> {
        std::ptr::NonNull::new(BASE as *mut u8).unwrap()
    }

    pub(crate) fn period(&self) -> usize {
        self.0 as usize
    }
}

pub(crate) mod copy {
    use super::{BASE, BYTES, MOST};
    use crate::sync::atomic::UnsafeCell;

    /// One byte is short, two are not.
    pub(crate) const SHORT: u64 = 1;

    /// So few that a few bytes are copied in pieces.
    pub(crate) const PIECE: u64 = 2;

    /// The ring's byte at an address, or none for memory of a caller.
    fn cell(address: usize) -> Option<&'static UnsafeCell<u8>> {
        (BASE..BASE + 2 * MOST).contains(&address).then(|| &BYTES.0[(address - BASE) % MOST])
    }

    /// # Safety
    ///
    /// As the library's.
    pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, n: usize) {
        for at in 0..n {
            let (from, to) = (from.wrapping_add(at), to.wrapping_add(at));
            // SAFETY: the caller's promise; loom reports if the sender writes here now.
            let read = |byte: *const u8| unsafe { *byte };
            // SAFETY: the caller's promise; loom reports if the receiver reads here now.
            let write = |byte: *mut u8, value| unsafe { *byte = value };
            let value = cell(from as usize).map_or_else(|| read(from), |cell| cell.with(read));
            cell(to as usize).map_or_else(|| write(to, value), |cell| cell.with_mut(|to| write(to, value)));
        }
    }

    pub(crate) use copy as copy_into_ring;
}

pub(crate) mod statistics {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    #[derive(Debug, Default)]
    pub(crate) struct Counter(AtomicU64);

    impl Counter {
        pub(crate) fn add(&self, more: u64) {
            self.0.fetch_add(more, Relaxed);
        }

        pub(crate) fn get(&self) -> u64 {
            self.0.load(Relaxed)
        }

        pub(crate) fn count(&self, _nanoseconds: u64) {}
    }

    #[derive(Debug, Default)]
    pub(crate) struct EndCounters {
        pub(crate) operations: Counter,
        pub(crate) misses: Counter,
        pub(crate) waits: Counter,
        pub(crate) wakes: Counter,
        pub(crate) overwritten: Counter,
        pub(crate) waited: Counter,
    }

    #[derive(Debug)]
    pub(crate) struct EndStatistics {
        pub(crate) wakes: u64,
        pub(crate) lost: u64,
    }

    impl EndCounters {
        pub(crate) fn new() -> EndCounters {
            EndCounters::default()
        }

        pub(crate) fn saw(&self, _used: u64) {}

        pub(crate) fn read(&self, _capacity: u64, _bytes: u64, lost: u64) -> EndStatistics {
            EndStatistics { wakes: self.wakes.0.load(Relaxed), lost }
        }
    }
}
