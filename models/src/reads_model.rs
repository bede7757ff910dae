//! Reads without a lease against publishing: a cell's bytes are of one epoch, and no older than a front that was seen before.

use loom::sync::Arc;
use loom::thread;

use super::front_count::{FrontCount, Released};
use super::read_cells::{ReadCells, ReadEpoch};
use crate::harness::explore;
use crate::sync::atomic::UnsafeCell;

const COPIES: usize = 2;

/// The state has two words, which are equal at every epoch.
type State = [u64; 2];

struct Storage {
    fronts: FrontCount,
    cells: ReadCells,
    copies: [UnsafeCell<State>; COPIES],
}

// SAFETY: loom reports a copy that is written while it is leased.
unsafe impl Sync for Storage {}
// SAFETY: as above.
unsafe impl Send for Storage {}

impl Storage {
    fn new() -> Arc<Storage> {
        Arc::new(Storage {
            fronts: FrontCount::new(),
            cells: ReadCells::new(size_of::<State>(), COPIES).unwrap(),
            copies: [UnsafeCell::new([0; 2]), UnsafeCell::new([0; 2])],
        })
    }

    /// As the library's: from a cell, or under a lease. Returns the epoch.
    fn read(&self) -> u64 {
        let mut state: State = [u64::MAX; 2];
        // SAFETY: the state is as long as the cells were made for.
        let read = unsafe { self.cells.load(&self.fronts, 0, size_of::<State>(), state.as_mut_ptr().cast()) };
        let Some(read) = read else { return self.read_leased() };
        assert_eq!((state, read.tag), ([read.epoch; 2], read.epoch), "torn");
        read.epoch
    }

    fn read_leased(&self) -> u64 {
        let copy = self.fronts.acquire();
        // SAFETY: loom reports a concurrent write.
        let state = self.copies[copy].with(|state| unsafe { *state });
        let epoch = state[0];
        // SAFETY: the copy is leased; the bytes are those of the copy.
        unsafe { self.cells.store(copy, ReadEpoch { epoch, tag: epoch }, state.as_ptr().cast()) };
        assert_eq!(self.fronts.release(copy), Released::Done);
        epoch
    }

    /// The epoch of a front.
    fn front(&self) -> u64 {
        let copy = self.fronts.acquire();
        // SAFETY: loom reports a concurrent write.
        let epoch = self.copies[copy].with(|state| unsafe { (*state)[0] });
        assert_eq!(self.fronts.release(copy), Released::Done);
        epoch
    }

    /// Publishes an epoch in that copy if it has no lease.
    fn publish(&self, copy: usize, epoch: u64) -> bool {
        let free = self.fronts.is_free(copy);
        if free {
            // SAFETY: loom reports a concurrent access.
            self.copies[copy].with_mut(|state| unsafe { *state = [epoch; 2] });
            self.cells.clear(copy);
            self.fronts.publish(copy);
        }
        free
    }
}

/// A reader loads a cell while its copy is published anew and the cell gets the bytes of that epoch.
pub fn a_read_is_whole() {
    explore(3, || {
        let storage = Storage::new();
        storage.read();
        let reader = storage.clone();
        let reader = thread::spawn(move || {
            reader.read();
        });
        if storage.publish(1, 1) && storage.publish(0, 2) {
            assert_eq!(storage.read(), 2);
        }
        reader.join().unwrap();
    });
}

/// A thread that has seen an epoch, by a front or by a read, sees no older one by the other.
pub fn reads_and_fronts_do_not_go_back() {
    explore(3, || {
        let storage = Storage::new();
        storage.read();
        let reader = storage.clone();
        let reader = thread::spawn(move || {
            let first = reader.front();
            let second = reader.read();
            assert!(first <= second);
            assert!(second <= reader.front());
        });
        if storage.publish(1, 1) {
            storage.publish(0, 2);
        }
        reader.join().unwrap();
    });
}

/// Two readers take the lease of one epoch and store its bytes, while the publisher goes on.
pub fn readers_of_one_epoch_may_store_at_once() {
    explore(2, || {
        let storage = Storage::new();
        let readers = [(); 2].map(|()| {
            let reader = storage.clone();
            thread::spawn(move || reader.read())
        });
        let newest = if storage.publish(1, 1) { 1 } else { 0 };
        assert_eq!(storage.read(), newest);
        readers.map(|reader| assert!(reader.join().unwrap() <= newest));
    });
}
