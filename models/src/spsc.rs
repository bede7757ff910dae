//! Stand-ins for what the ends of a ring use beside their protocols: memory that loom watches, and counters that count little.

use loom::sync::MutexGuard;

use crate::sync::atomic::UnsafeCell;

/// A lock as the library's, over loom's.
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

/// So little that a few bytes go in pieces.
pub(crate) const PIECE: u64 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Done,
    Full,
    Empty,
    Timeout,
    Interrupted,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) bytes: u64,
    pub(crate) flow: Flow,
}

/// The ring's memory. Its address is only a number: `copy` finds the bytes by it.
#[derive(Debug)]
pub(crate) struct Mirror(pub(crate) u64);

const BASE: usize = 4096;
const MOST: usize = 2;

struct Bytes([UnsafeCell<u8>; MOST]);

// SAFETY: that the ends keep apart is what is proved.
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

    /// The ring's byte at a place, or none for memory of a caller.
    fn cell(place: usize) -> Option<&'static UnsafeCell<u8>> {
        (BASE..BASE + 2 * MOST).contains(&place).then(|| &BYTES.0[(place - BASE) % MOST])
    }

    /// # Safety
    ///
    /// As the library's.
    pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, n: usize) {
        for at in 0..n {
            let (from, to) = (from.wrapping_add(at), to.wrapping_add(at));
            // SAFETY: the caller's promise; loom tells if the sender writes here now.
            let read = |byte: *const u8| unsafe { *byte };
            // SAFETY: the caller's promise; loom tells if the receiver reads here now.
            let write = |byte: *mut u8, value| unsafe { *byte = value };
            let value = cell(from as usize).map_or_else(|| read(from), |cell| cell.with(read));
            cell(to as usize).map_or_else(|| write(to, value), |cell| cell.with_mut(|to| write(to, value)));
        }
    }

    pub(crate) use copy as into_ring;
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
    pub(crate) struct Counters {
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

    impl Counters {
        pub(crate) fn new() -> Counters {
            Counters::default()
        }

        pub(crate) fn saw(&self, _used: u64) {}

        pub(crate) fn read(&self, _capacity: u64, _bytes: u64, lost: u64) -> EndStatistics {
            EndStatistics { wakes: self.wakes.0.load(Relaxed), lost }
        }
    }
}
