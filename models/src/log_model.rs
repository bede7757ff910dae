//! The role with the update log. `enqueue`, `drain` and `synchronize` are the steps of
//! `manager/core/enqueue.rs`, `drain.rs` and `publish.rs`, over the library's own role and log.

use std::mem::MaybeUninit;

use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;

use super::update_log::{ReserveError, UpdateLog, LogUnit};
use super::role::Role;
use crate::harness::explore;
use crate::sync::atomic::{Ordering::*, UnsafeCell};
use crate::sys::clock::Deadline;

#[derive(Default)]
struct Applier {
    head: u64,
    applied: Vec<u64>,
}

struct Log {
    role: Role,
    ring: UpdateLog,
    applier: UnsafeCell<Applier>,
}

// SAFETY: mutual exclusion by the role is what this model checks.
unsafe impl Sync for Log {}
// SAFETY: as above.
unsafe impl Send for Log {}

impl Log {
    fn new(units: usize) -> Arc<Log> {
        let bytes = (0..units).map(|_| LogUnit(UnsafeCell::new(MaybeUninit::uninit()))).collect();
        let commits = (0..units).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Log { role: Role::default(), ring: UpdateLog::new(bytes, commits), applier: UnsafeCell::default() })
    }

    /// The holder applies what was reserved below `to`; false at a record that is not committed yet.
    fn drain(&self, applier: &mut Applier, to: u64) -> bool {
        while applier.head < to {
            let Some(start) = self.ring.committed(applier.head) else { return false };
            // SAFETY: loom reports a concurrent write of a producer.
            let [value, units, ..] = self.ring.unit(start).0.with(|unit| unsafe { (*unit).assume_init() });
            applier.applied.push(value);
            applier.head = start + units;
            self.ring.consumed(applier.head);
        }
        true
    }

    fn as_holder<R>(&self, work: impl FnOnce(&mut Applier) -> R) -> R {
        // SAFETY: loom reports a second holder.
        let result = self.applier.with_mut(|applier| work(unsafe { &mut *applier }));
        self.role.release();
        result
    }

    /// Applies an update at once if nothing is queued before it.
    fn apply_in_place(&self, value: u64) -> bool {
        self.role.try_take()
            && self.as_holder(|applier| {
                self.drain(applier, self.ring.tail());
                let first = self.ring.open_and_ends_at(applier.head);
                if first {
                    applier.applied.push(value);
                }
                first
            })
    }

    fn push(&self, value: u64, units: u64) -> Result<(), ReserveError> {
        let reserved = self.ring.reserve(units)?;
        for unit in 0..units {
            let record = [value, units, 0, 0, 0, 0, 0, 0];
            // SAFETY: loom reports a concurrent read of the holder.
            self.ring.unit(reserved.at + unit).0.with_mut(|unit| unsafe { (*unit).write(record) });
        }
        self.ring.commit(reserved);
        Ok(())
    }

    fn enqueue(&self, value: u64) -> Result<(), ReserveError> {
        if self.apply_in_place(value) { Ok(()) } else { self.push(value, 1) }
    }

    /// Returns everything applied; that contains all updates enqueued before.
    fn synchronize(&self) -> Vec<u64> {
        let to = self.ring.tail();
        loop {
            self.role.take(Deadline::NEVER).unwrap();
            if let Some(published) =
                self.as_holder(|applier| self.drain(applier, to).then(|| applier.applied.clone()))
            {
                return published;
            }
            thread::yield_now();
        }
    }
}

fn at(published: &[u64], value: u64) -> Option<usize> {
    published.iter().position(|&other| other == value)
}

/// The order of one producer, and of a producer that has seen another's update, is kept; each update is applied once.
pub fn order_is_kept() {
    explore(2, || {
        let log = Log::new(4);
        let first_done = Arc::new(AtomicU64::new(0));
        let (first, done) = (log.clone(), first_done.clone());
        let first = thread::spawn(move || {
            first.enqueue(1).unwrap();
            done.store(1, Release);
            first.enqueue(2).unwrap();
        });
        let (second, done) = (log.clone(), first_done.clone());
        let second = thread::spawn(move || {
            let after = done.load(Acquire) == 1;
            second.enqueue(if after { 12 } else { 11 }).unwrap();
        });
        // What was enqueued before a synchronize is in it.
        let before = first_done.load(Acquire) == 1;
        let published = log.synchronize();
        assert!(!before || published.contains(&1), "{published:?}");
        first.join().unwrap();
        second.join().unwrap();
        let published = log.synchronize();
        assert_eq!(published.len(), 3, "{published:?}");
        assert!(at(&published, 1) < at(&published, 2), "{published:?}");
        assert!(at(&published, 12).is_none_or(|after| at(&published, 1).unwrap() < after), "{published:?}");
    });
}

/// Producers lap a log of two units: no record is overwritten, read twice or missed.
pub fn laps_do_not_mix() {
    explore(2, || {
        let log = Log::new(2);
        let producers = [10, 20].map(|number| {
            let log = log.clone();
            thread::spawn(move || {
                for value in [number + 1, number + 2] {
                    while let Err(refusal) = log.push(value, 1) {
                        assert_eq!(refusal, ReserveError::Full);
                        log.synchronize();
                    }
                }
            })
        });
        producers.map(|producer| producer.join().unwrap());
        let published = log.synchronize();
        assert_eq!(published.len(), 4, "{published:?}");
        for number in [10, 20] {
            let (one, two) = (at(&published, number + 1), at(&published, number + 2));
            assert!(one.is_some() && one < two, "{published:?}");
        }
    });
}

/// A record that does not fit before the end of the ring is written at its start, and the gap is skipped.
pub fn the_end_of_the_ring_is_skipped() {
    explore(2, || {
        let log = Log::new(4);
        let producer = log.clone();
        let producer = thread::spawn(move || {
            for value in 1..=3 {
                while producer.push(value, value.min(2)).is_err() {
                    producer.synchronize();
                }
            }
        });
        let published = log.synchronize();
        assert!([1, 2, 3].starts_with(&published), "{published:?}");
        producer.join().unwrap();
        assert_eq!(log.synchronize(), [1, 2, 3]);
    });
}

/// A reservation succeeds while there is room, also if the head moves meanwhile.
pub fn an_emptied_ring_is_not_full() {
    explore(2, || {
        let log = Log::new(4);
        let other = log.clone();
        let other = thread::spawn(move || {
            other.push(1, 1).unwrap();
            other.synchronize();
            other.push(2, 1).unwrap();
            other.synchronize();
        });
        log.push(3, 1).unwrap();
        other.join().unwrap();
        assert_eq!(log.synchronize().len(), 3);
    });
}

/// A close publishes every accepted update and refuses the others.
pub fn close_publishes_what_was_accepted() {
    explore(2, || {
        let log = Log::new(4);
        let producers = [1, 2].map(|value| {
            let log = log.clone();
            thread::spawn(move || log.enqueue(value))
        });
        log.ring.close();
        let published = log.synchronize();
        for (value, producer) in [1, 2].into_iter().zip(producers) {
            match producer.join().unwrap() {
                Ok(()) => assert!(published.contains(&value), "{value} was accepted, yet not published"),
                Err(refusal) => {
                    assert_eq!(refusal, ReserveError::Closed);
                    assert!(!published.contains(&value), "{value} was refused, yet published");
                }
            }
        }
        assert_eq!(log.enqueue(3), Err(ReserveError::Closed));
    });
}
