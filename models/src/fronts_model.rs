//! Leases of fronts against publishing, waiting for a free copy, and retiring the copies.

use loom::sync::Arc;
use loom::thread;

use super::event::Event;
use super::front_count::{FrontCount, Released};
use crate::harness::explore;
use crate::sync::atomic::{AtomicU64, Ordering::*, UnsafeCell};
use crate::sys::clock::Deadline;

const COPIES: usize = 2;

struct Storage {
    fronts: FrontCount,
    copies: [UnsafeCell<u64>; COPIES],
    released: Event,
    freed: [AtomicU64; COPIES],
}

// SAFETY: that no leased copy is written is what this model checks.
unsafe impl Sync for Storage {}
// SAFETY: as above.
unsafe impl Send for Storage {}

impl Storage {
    fn new() -> Arc<Storage> {
        Arc::new(Storage {
            fronts: FrontCount::new(),
            copies: [UnsafeCell::new(0), UnsafeCell::new(0)],
            released: Event::default(),
            freed: [AtomicU64::new(0), AtomicU64::new(0)],
        })
    }

    fn content(&self, copy: usize) -> u64 {
        // SAFETY: loom reports a concurrent write.
        self.copies[copy].with(|content| unsafe { *content })
    }

    fn write(&self, copy: usize, epoch: u64) {
        // SAFETY: loom reports a concurrent access.
        self.copies[copy].with_mut(|content| unsafe { *content = epoch });
    }

    fn release(&self, copy: usize) {
        match self.fronts.release(copy) {
            Released::Done => {}
            Released::WakeWaiters => self.released.signal(),
            Released::FreeCopy => self.free(copy),
        }
    }

    fn free(&self, copy: usize) {
        self.write(copy, u64::MAX);
        assert_eq!(self.freed[copy].fetch_add(1, Relaxed), 0, "freed twice");
    }

    /// Reads a leased copy twice: its bytes do not change.
    fn read(&self) -> u64 {
        let copy = self.fronts.acquire();
        let epoch = self.content(copy);
        assert_eq!(epoch, self.content(copy));
        self.release(copy);
        epoch
    }
}

/// Two readers against a publisher that publishes whenever a copy is free: a leased copy is never written, and after all
/// releases every copy is free.
pub fn leases_against_publish() {
    explore(4, || {
        let storage = Storage::new();
        let readers = [(); 2].map(|()| {
            let storage = storage.clone();
            thread::spawn(move || {
                storage.read();
            })
        });
        let (mut front, mut back) = (0, 1);
        for epoch in 1..=3 {
            if storage.fronts.is_free(back) {
                storage.write(back, epoch);
                storage.fronts.publish(back);
                (front, back) = (back, front);
            }
        }
        readers.map(|reader| reader.join().unwrap());
        assert_eq!(storage.fronts.front(), front);
        assert!(storage.fronts.is_free(back));
        assert_eq!(storage.fronts.leases(), 0);
    });
}

/// A second read returns no older epoch.
pub fn epochs_do_not_go_back() {
    explore(3, || {
        let storage = Storage::new();
        let reader = storage.clone();
        let reader = thread::spawn(move || {
            let first = reader.read();
            assert!(first <= reader.read());
        });
        for (epoch, back) in [(1, 1), (2, 0)] {
            if !storage.fronts.is_free(back) {
                break;
            }
            storage.write(back, epoch);
            storage.fronts.publish(back);
        }
        reader.join().unwrap();
    });
}

/// A publisher that waits for a leased copy is woken by its last release.
pub fn the_last_release_wakes_the_publisher() {
    explore(3, || {
        let storage = Storage::new();
        let held = storage.fronts.acquire();
        storage.fronts.publish(1);
        let reader = storage.clone();
        let reader = thread::spawn(move || {
            reader.content(held);
            reader.release(held);
        });
        let free = || storage.fronts.request_wake(held).then_some(());
        storage.released.park(Deadline::NEVER, false, free).unwrap();
        assert!(storage.fronts.is_free(held));
        storage.fronts.clear_request(held);
        storage.write(held, 2);
        storage.fronts.publish(held);
        reader.join().unwrap();
        assert!(storage.fronts.is_free(1));
    });
}

/// A wake request for a copy that has become the front meanwhile, and another after its release, do not change its count: it
/// is neither mistaken for retired nor leaked.
pub fn requesting_a_copy_twice_keeps_its_count() {
    explore(3, || {
        let storage = Storage::new();
        let waiter = storage.clone();
        let waiter = thread::spawn(move || {
            waiter.fronts.request_wake(0);
            waiter.fronts.request_wake(0);
        });
        storage.read();
        storage.fronts.publish(1);
        assert!(storage.fronts.is_free(0));
        storage.fronts.clear_request(0);
        storage.fronts.publish(0);
        let held = storage.fronts.acquire();
        storage.fronts.publish(1);
        storage.release(held);
        waiter.join().unwrap();
        assert_eq!(storage.freed[0].load(Relaxed), 0);
        assert!(storage.fronts.is_free(0));
    });
}

/// The copies are retired while leases are live: each is freed once, after its last release.
pub fn retired_copies_are_freed_once() {
    explore(3, || {
        let storage = Storage::new();
        let old = storage.fronts.acquire();
        storage.fronts.publish(1);
        let readers = [storage.fronts.acquire(), storage.fronts.acquire()].map(|copy| {
            let storage = storage.clone();
            thread::spawn(move || {
                storage.content(copy);
                storage.release(copy);
            })
        });
        for copy in 0..COPIES {
            if storage.fronts.retire(copy) {
                storage.free(copy);
            }
        }
        storage.release(old);
        readers.map(|reader| reader.join().unwrap());
        assert_eq!([storage.freed[0].load(Relaxed), storage.freed[1].load(Relaxed)], [1, 1]);
    });
}
