//! A bounded queue of log records, for programs whose log function must not run on the library's threads.
//!
//! Not a library's queue: its memory is sized by the caller and so allocated fallibly, and each record carries the count of lost
//! ones.
//!
//! Producers never wait and allocate nothing: when the queue is full, the record is lost and counted. Each slot has a turn
//! (D. Vyukov's bounded queue): in lap `n` over the slots it is `2 n` while the slot is free, `2 n + 1` while it holds a record;
//! so a queue of a single slot can distinguish the two as well. A producer takes a record's number by advancing `tail`, writes the slot
//! and passes the turn on by a release store; a consumer does the same with `head`.
//!
//! Each record carries the count of records lost before it, read before the record takes its number. So the counts never decrease
//! from number to number, and the difference of two counts was lost between their records.

use crate::alloc::{Arc, boxed, try_arc, try_vec};
use crate::error::{Error, Result, Status};
use crate::handle::slots::{Wiped, Zeroed};
use crate::log::Level;
use crate::log::sink::{self, LabelText, MessageText, Module};
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*, UnsafeCell};
use crate::sync::event::Event;
use crate::sync::mutex::FutexMutex;
use crate::sys::clock::Deadline;

/// The most records that a queue holds.
pub(crate) const MOST: u64 = 1 << 16;

/// One record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) level: Level,
    pub(crate) module: Module,
    pub(crate) label: LabelText,
    pub(crate) text: MessageText,
}

const EMPTY: Record =
    Record { level: Level::Error, module: Module::new(), label: LabelText::new(), text: MessageText::new() };

#[derive(Debug)]
struct RecordSlot {
    turn: AtomicU64,
    /// With the count of records that were lost before it.
    record: UnsafeCell<(Record, u64)>,
}

#[derive(Debug)]
struct Queue {
    slots: Vec<RecordSlot>,
    head: AtomicU64,
    tail: AtomicU64,
    /// Records lost, and those of them that were reported to consumers.
    lost: AtomicU64,
    reported: AtomicU64,
    closed: AtomicU32,
    event: Event,
}

// SAFETY: a record is touched only by the thread that has its slot's turn.
unsafe impl Sync for Queue {}
// SAFETY: as above.
unsafe impl Send for Queue {}

impl Queue {
    fn new(records: u64) -> Result<Queue> {
        let mut slots = try_vec(records as usize)?;
        slots.extend(
            (0..records).map(|_| RecordSlot { turn: AtomicU64::new(0), record: UnsafeCell::new((EMPTY, 0)) }),
        );
        let [head, tail, lost, reported] = [const { AtomicU64::new(0) }; 4];
        Ok(Queue { slots, head, tail, lost, reported, closed: AtomicU32::new(0), event: Event::new() })
    }

    fn slot(&self, number: u64) -> Option<&RecordSlot> {
        self.slots.get((number % self.slots.len() as u64) as usize)
    }

    /// The turn of a record's slot while the slot is free for that record.
    fn free(&self, number: u64) -> u64 {
        number / self.slots.len() as u64 * 2
    }

    fn push(&self, record: Record) {
        loop {
            // Acquire pairs with the exchange below: the count is not less than that of the record before.
            let number = self.tail.load(Acquire);
            let lost = self.lost.load(Relaxed);
            let Some(slot) = self.slot(number) else { return };
            let turn = slot.turn.load(Acquire);
            let free = self.free(number);
            if turn < free {
                self.lost.fetch_add(1, Relaxed);
                return;
            }
            if turn == free && self.tail.compare_exchange(number, number + 1, Release, Relaxed).is_ok() {
                // SAFETY: the slot was free, and its turn is this producer's alone since the exchange.
                unsafe { *slot.record.get() = (record, lost) };
                slot.turn.store(free + 1, Release);
                self.event.signal();
                return;
            }
        }
    }

    /// The next record, and how many were lost between it and the one before.
    fn pop(&self) -> Option<(Record, u64)> {
        loop {
            let number = self.head.load(Relaxed);
            let slot = self.slot(number)?;
            let turn = slot.turn.load(Acquire);
            let held = self.free(number) + 1;
            if turn < held {
                return None;
            }
            if turn == held && self.head.compare_exchange(number, number + 1, Relaxed, Relaxed).is_ok() {
                // SAFETY: the slot held this record, and its turn is this consumer's alone since the exchange.
                let (record, lost) = unsafe { *slot.record.get() };
                slot.turn.store(held + 1, Release);
                return Some((record, lost.saturating_sub(self.reported.fetch_max(lost, Relaxed))));
            }
        }
    }

    fn close(&self) {
        self.closed.store(1, Release);
        self.event.signal();
    }
}

/// The sink's reference: the queue closes when the sink is dropped.
struct Producer(Arc<Queue>);

impl Drop for Producer {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The queue that [`next`] takes from. In wiped memory: a forked child has no consumer.
#[derive(Debug)]
struct Current {
    lock: FutexMutex<()>,
    queue: AtomicPtr<()>,
}

// SAFETY: atomics, for which zero is a legal value.
unsafe impl Zeroed for Current {}

static CURRENT: Wiped<Current> = Wiped::new();

/// Sends records of that level and above into a new queue instead of the sink or queue set before.
pub(crate) fn set(level: u32, records: u64) -> Result<()> {
    let current = CURRENT.get()?;
    let queue = try_arc(Queue::new(records)?)?;
    let producer = Producer(queue.clone());
    let take = move |level: Level, module: &Module, label: &LabelText, text: &MessageText| {
        producer.0.push(Record { level, module: *module, label: *label, text: *text });
    };
    let take = boxed(take)?;
    sink::set(level, Some(take)).map_err(|(error, _)| error)?;
    let new = Arc::into_raw(queue).cast_mut();
    let old = {
        let _locked = current.lock.lock();
        current.queue.swap(new, AcqRel)
    };
    if !old.is_null() {
        // SAFETY: what `into_raw` gave to an earlier call, taken out once.
        drop(unsafe { Arc::<Queue>::from_raw(old) });
    }
    Ok(())
}

/// Waits for the next record; with it comes how many were lost since the one before. [`Status::Closed`] once the queue is not
/// the sink any more and everything was taken out.
pub(crate) fn next(deadline: Deadline) -> Result<(Record, u64)> {
    let none = || Error::text(Status::Closed, "no log queue is set: set one before taking records");
    let current = CURRENT.peek().ok_or_else(none)?;
    let queue = {
        let _locked = current.lock.lock();
        let queue = current.queue.load(Acquire);
        if queue.is_null() {
            return Err(none());
        }
        // SAFETY: the pointer comes from `into_raw`; CURRENT keeps its own reference.
        let queue = std::mem::ManuallyDrop::new(unsafe { Arc::<Queue>::from_raw(queue) });
        Arc::clone(&queue)
    };
    let taken = queue.event.wait(deadline, || {
        // Read before the records: those that were pushed before the end are still returned.
        let closed = queue.closed.load(Acquire) != 0;
        queue.pop().map(Some).or(closed.then_some(None))
    })?;
    taken.ok_or_else(|| Error::text(Status::Closed, "the log queue has ended"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64) -> Record {
        Record { text: MessageText::of(format_args!("{number}")), ..EMPTY }
    }

    fn number((record, lost): (Record, u64)) -> (u64, u64) {
        (record.text.as_str().parse().unwrap(), lost)
    }

    #[test]
    fn what_does_not_fit_is_lost_and_counted_with_the_record_after_the_gap() {
        for room in [1, 2, 4, 5] {
            let queue = Queue::new(room).unwrap();
            for round in 0..3 {
                (0..room + 2).for_each(|n| queue.push(record(round * 10 + n)));
                for n in 0..room {
                    let gap = if n == 0 && round != 0 { 2 } else { 0 };
                    assert_eq!(queue.pop().map(number), Some((round * 10 + n, gap)));
                }
                assert!(queue.pop().is_none());
            }
        }
    }

    #[test]
    fn records_of_many_producers_come_once_and_in_each_one_s_order() {
        let queue = Queue::new(8).unwrap();
        let mut taken = 0;
        std::thread::scope(|scope| {
            for producer in 0..4u64 {
                let queue = &queue;
                scope.spawn(move || (0..2000).for_each(|n| queue.push(record(producer * 10_000 + n))));
            }
            let mut newest = [None; 4];
            let mut gaps = 0;
            while taken + queue.lost.load(Relaxed) < 8000 {
                let Some((number, lost)) = queue.pop().map(number) else { continue };
                gaps += lost;
                let (producer, n) = ((number / 10_000) as usize, number % 10_000);
                assert!(newest[producer] < Some(n));
                newest[producer] = Some(n);
                taken += 1;
            }
            queue.push(record(0));
            assert_eq!(queue.pop().map(number), Some((0, queue.lost.load(Relaxed) - gaps)));
        });
        assert!(taken > 0 && queue.pop().is_none());
    }
}
