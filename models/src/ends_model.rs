//! Both ends of a ring: sends, receives, waits, closes and attaching, over memory that loom watches.

use loom::sync::Arc;
use loom::thread;

pub(crate) use crate::spsc::{copy, statistics};

use super::flow::{Flow, Moved};
use super::indices::{ClaimCursor, Indices};
use super::reader::InlineReader;
use super::rx::Rx;
use super::tx::Tx;
use super::wait_side::WaitSide;
use super::writer::InlineWriter;
use crate::harness::explore;
use crate::alloc;
use crate::sys::clock::Deadline;
use crate::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::sys::{eventfd, futex};

pub(crate) mod ring {
    use super::super::indices::{ClaimCursor, Indices};
    use super::super::wait_side::WaitSide;
    use crate::spsc::Mirror;

        /// The parts of the ring that the ends use.
    #[derive(Debug)]
    pub(crate) struct Ring {
        pub(crate) indices: Indices,
        pub(crate) receiver: WaitSide,
        pub(crate) sender: WaitSide,
        pub(crate) writer: ClaimCursor,
        pub(crate) reader: ClaimCursor,
        pub(crate) memory: Mirror,
        pub(crate) backoff: bool,
        pub(crate) checked: bool,
        pub(crate) record: u64,
    }

        /// The open span of a destroyed end. Only the C layer uses it.
    pub(crate) struct OrphanedSpan {
        pub(crate) ring: crate::alloc::Arc<Ring>,
        pub(crate) side: fn(&Ring) -> &WaitSide,
    }

    impl Ring {
        pub(crate) fn capacity(&self) -> u64 {
            self.indices.window()
        }
    }
}

/// A ring that holds the bytes from 1 to `full`. Its indices wrap after the second byte.
fn ends(capacity: u64, full: u8) -> (Arc<Tx>, Arc<Rx>) {
    ends_of(Indices::new(capacity, u64::MAX - 1), 0, full)
}

/// A ring that keeps the newest record, of one byte, and has memory for two. Its indices wrap after the second byte.
fn overwriting(full: u8) -> (Arc<Tx>, Arc<Rx>) {
    ends_of(Indices::overwriting(1, u64::MAX - 1), 1, full)
}

fn ends_of(indices: Indices, record: u64, full: u8) -> (Arc<Tx>, Arc<Rx>) {
    let ring = ring::Ring {
        writer: ClaimCursor::new(u64::MAX - 1),
        reader: ClaimCursor::new(u64::MAX - 1),
        memory: crate::spsc::Mirror::new(indices.capacity()),
        indices,
        receiver: WaitSide::default(),
        sender: WaitSide::default(),
        backoff: false,
        checked: false,
        record,
    };
    let ring = alloc::Arc::try_new(ring).unwrap();
    let (tx, rx) = (Tx::new(ring.clone()), Rx::new(ring));
    let bytes: Vec<u8> = (1..=full).collect();
    assert_eq!(tx.send(&bytes).unwrap().bytes, u64::from(full));
    (Arc::new(tx), Arc::new(rx))
}

/// Receives `count` bytes, or those before the end. They must be `first` and the following ones.
fn recv_all(rx: &Rx, first: u8, count: u64) -> Moved {
    let mut got = [0; 8];
    // SAFETY: no more than eight are asked for.
    let moved = unsafe { rx.recv_all(got.as_mut_ptr(), count, Deadline::NEVER) }.unwrap();
    assert!(got.iter().take(moved.bytes as usize).copied().eq(first..first + moved.bytes as u8));
    moved
}

/// The same without waiting.
fn recv(rx: &Rx, first: u8, most: u64) -> Moved {
    let mut got = [0; 8];
    // SAFETY: no more than eight are asked for.
    let moved = unsafe { rx.recv(got.as_mut_ptr(), most) }.unwrap();
    assert!(got.iter().take(moved.bytes as usize).copied().eq(first..first + moved.bytes as u8));
    moved
}

fn moved(bytes: u64, flow: Flow) -> Moved {
    Moved { bytes, flow }
}

/// A receiver is woken, however going to sleep and the sender's publish interleave.
pub fn a_receiver_is_woken() {
    explore(4, || {
        let (tx, rx) = ends(2, 0);
        let receiver =
            thread::spawn(move || assert_eq!(rx.wait_readable(1, Deadline::NEVER), Ok(Flow::Done)));
        assert_eq!(tx.send(&[1, 2]), Ok(moved(2, Flow::Done)));
        receiver.join().unwrap();
    });
}

/// The same for a sender that waits for room.
pub fn a_sender_is_woken() {
    explore(4, || {
        let (tx, rx) = ends(1, 1);
        let sender = thread::spawn(move || assert_eq!(tx.wait_writable(1, Deadline::NEVER), Ok(Flow::Done)));
        assert_eq!(recv(&rx, 1, 1), moved(1, Flow::Done));
        sender.join().unwrap();
    });
}

/// Both sides wait for each other alternately, on a ring that is always full or empty.
pub fn sides_wait_for_each_other() {
    explore(2, || {
        let (tx, rx) = ends(1, 0);
        let sender = thread::spawn(move || {
            assert_eq!(tx.send_all(&[1, 2, 3], Deadline::NEVER), Ok(moved(3, Flow::Done)));
            tx
        });
        assert_eq!(recv_all(&rx, 1, 3), moved(3, Flow::Done));
        sender.join().unwrap();
    });
}

/// A receiver that waits for two bytes is woken once, not by the first byte.
pub fn a_sleeper_is_woken_once() {
    explore(3, || {
        let (tx, rx) = ends(2, 0);
        let receiver =
            thread::spawn(move || assert_eq!(rx.wait_readable(2, Deadline::NEVER), Ok(Flow::Done)));
        assert_eq!(tx.send(&[1]), Ok(moved(1, Flow::Done)));
        assert_eq!(tx.send(&[2]), Ok(moved(1, Flow::Done)));
        receiver.join().unwrap();
        assert!(tx.statistics().wakes <= 1);
    });
}

/// A wait for two bytes that timed out does not disturb the next wait, for one byte.
pub fn a_timeout_does_not_disturb_the_next_wait() {
    explore(2, || {
        let (tx, rx) = ends(2, 0);
        let receiver = thread::spawn(move || {
            assert_eq!(rx.wait_readable(2, Deadline::SOON), Ok(Flow::Timeout));
            assert_eq!(rx.wait_readable(1, Deadline::NEVER), Ok(Flow::Done));
        });
        let clock = thread::spawn(futex::expire);
        assert_eq!(tx.send(&[1]), Ok(moved(1, Flow::Done)));
        receiver.join().unwrap();
        clock.join().unwrap();
    });
}

/// Of two threads that wait on a side, one waits and the other is refused; neither is left asleep.
pub fn one_waiter_a_side() {
    explore(2, || {
        let (tx, rx) = ends(1, 0);
        let wait = || {
            let rx = rx.clone();
            thread::spawn(move || rx.wait_readable(1, Deadline::NEVER))
        };
        let waiters = [wait(), wait()];
        assert_eq!(tx.send(&[1]), Ok(moved(1, Flow::Done)));
        let waited = waiters.map(|waiter| waiter.join().unwrap());
        assert!(waited.contains(&Ok(Flow::Done)));
        for failed in waited.into_iter().filter_map(Result::err) {
            assert_eq!(failed.status(), crate::Status::Busy);
        }
    });
}

/// A waiting receiver gets all that was sent or fed before the sender was dropped, then `Closed`.
pub fn a_waiting_receiver_gets_everything_then_closed() {
    explore(3, || {
        let (tx, rx) = ends(2, 0);
        let sender = thread::spawn(move || {
            assert_eq!(tx.send(&[1]), Ok(moved(1, Flow::Done)));
            assert_eq!(tx.feed(&[2]), Ok(moved(1, Flow::Done)));
            drop(tx);
        });
        assert_eq!(recv_all(&rx, 1, 3), moved(2, Flow::Closed));
        sender.join().unwrap();
    });
}

/// The same for a polling receiver.
pub fn a_polling_receiver_gets_everything_then_closed() {
    explore(3, || {
        let (tx, rx) = ends(2, 0);
        let sender = thread::spawn(move || {
            assert_eq!(tx.feed(&[1]), Ok(moved(1, Flow::Done)));
            drop(tx);
        });
        let mut bytes = 0;
        for _ in 0..2 {
            let look = recv(&rx, bytes as u8 + 1, 2);
            bytes += look.bytes;
            assert!(look.flow != Flow::Closed || bytes == 1, "the end comes before the last byte");
        }
        sender.join().unwrap();
        bytes += recv(&rx, bytes as u8 + 1, 2).bytes;
        assert_eq!((bytes, recv(&rx, 2, 1)), (1, moved(0, Flow::Closed)));
    });
}

/// The same through spans.
pub fn a_peeking_receiver_gets_everything_then_closed() {
    explore(3, || {
        let (tx, rx) = ends(2, 0);
        let sender = thread::spawn(move || {
            assert_eq!(tx.send(&[1]), Ok(moved(1, Flow::Done)));
            drop(tx);
        });
        match rx.available(1).unwrap() {
            Ok((_, bytes)) => assert_eq!(bytes, 1),
            Err(flow) => assert_eq!(flow, Flow::Empty),
        }
        sender.join().unwrap();
        assert_eq!(rx.available(1).unwrap().map(|(_, bytes)| bytes), Ok(1));
        rx.give_back_read(1);
        assert_eq!(rx.available(1).unwrap(), Err(Flow::Closed));
    });
}

/// A sender that waits for room gets `Closed` when the receiver is dropped.
pub fn a_waiting_sender_gets_closed() {
    explore(3, || {
        let (tx, rx) = ends(1, 1);
        let receiver = thread::spawn(move || drop(rx));
        assert_eq!(tx.send_all(&[2], Deadline::NEVER), Ok(moved(0, Flow::Closed)));
        receiver.join().unwrap();
    });
}

/// A wait ends when another thread closes the end.
pub fn another_thread_closes_an_end_that_waits() {
    explore(3, || {
        let (tx, rx) = ends(1, 0);
        let waiter = rx.clone();
        let waiter = thread::spawn(move || waiter.wait_readable(1, Deadline::NEVER));
        rx.close();
        assert_eq!(waiter.join().unwrap(), Ok(Flow::Closed));
        drop(tx);
    });
    explore(3, || {
        let (tx, rx) = ends(1, 1);
        let waiter = tx.clone();
        let waiter = thread::spawn(move || waiter.wait_writable(1, Deadline::NEVER));
        tx.close();
        assert_eq!(waiter.join().unwrap(), Ok(Flow::Closed));
        drop(rx);
    });
}

/// One of two threads attaches a sender after the old one was dropped; it continues where the old one stopped.
pub fn one_of_two_senders_attaches() {
    explore(2, || {
        let (tx, rx) = ends(2, 0);
        let ring = rx.ring().clone();
        let take = || {
            let ring = ring.clone();
            thread::spawn(move || match Tx::attach(&ring) {
                // Both may attach, one after the other: then the ring is full for the second.
                Ok(tx) => tx.send(&[2]).unwrap().bytes,
                Err(error) => {
                    assert_eq!(error.status(), crate::Status::Busy);
                    0
                }
            })
        };
        let takers = [take(), take()];
        assert_eq!(tx.send(&[1]), Ok(moved(1, Flow::Done)));
        drop(tx);
        let sent: u64 = takers.into_iter().map(|taker| taker.join().unwrap()).sum();
        assert!(sent <= 1);
        assert_eq!(recv(&rx, 1, 2), moved(1 + sent, Flow::Done));
    });
}

/// A new receiver is attached: the sender continues, and the bytes that the old receiver has not received are received.
pub fn a_new_receiver_continues() {
    explore(3, || {
        let (tx, rx) = ends(2, 2);
        let ring = tx.ring().clone();
        let old = thread::spawn(move || {
            assert_eq!(recv(&rx, 1, 1), moved(1, Flow::Done));
            drop(rx);
        });
        let taken = Rx::attach(&ring).ok();
        old.join().unwrap();
        let rx = taken.unwrap_or_else(|| Rx::attach(&ring).unwrap());
        assert_eq!(tx.send(&[3]), Ok(moved(1, Flow::Done)));
        assert_eq!(recv(&rx, 2, 2), moved(2, Flow::Done));
    });
}

/// An armed descriptor becomes readable, however arming interleaves with the sender's publish or close.
pub fn an_armed_descriptor_becomes_readable() {
    for goes in [false, true] {
        explore(3, move || {
            let (tx, rx) = ends(1, 0);
            let sender = thread::spawn(move || {
                if !goes {
                    assert_eq!(tx.send(&[1]), Ok(moved(1, Flow::Done)));
                }
                tx.close();
            });
            let expected = if goes { Flow::Closed } else { Flow::Done };
            match rx.arm(1).unwrap() {
                Flow::Empty => eventfd::poll(rx.fd().unwrap()),
                flow => assert_eq!(flow, expected),
            }
            // Once more: the condition that was armed holds now.
            if rx.arm(1).unwrap() != expected {
                assert!(!goes, "the end was reported before it came");
                panic!("readable without a byte");
            }
            sender.join().unwrap();
        });
    }
}

/// A task that sleeps until its waker is called.
///
/// The flag is reset by a store, not by a swap: loom does not keep the write of a swap next to the write that the swap read. It permits
/// a concurrent `store(1)` in between, so that a wake-up would seem lost.
#[derive(Default)]
struct Task(crate::sync::atomic::AtomicU32);

impl Task {
    /// Waits until the waker has been called since the last wait.
    fn sleep(&self) {
        while self.0.load(Acquire) == 0 {
            futex::wait(&self.0, 0, Deadline::NEVER);
        }
        self.0.store(0, Relaxed);
    }
}

impl std::task::Wake for Task {
    fn wake(self: std::sync::Arc<Task>) {
        self.0.store(1, Release);
        futex::wake(&self.0, 1);
    }
}

/// A task that sets its waker before it sleeps sees every byte and the end, however that interleaves with the sender.
pub fn a_waker_is_called() {
    for (sent, closes, bound) in [(0, true, 3), (1, false, 3), (2, true, 2)] {
        explore(bound, move || {
            let (tx, rx) = ends(2, 0);
            let sender = thread::spawn(move || {
                (1..=sent).for_each(|byte| assert_eq!(tx.send(&[byte]), Ok(moved(1, Flow::Done))));
                if closes {
                    tx.close();
                }
                tx
            });
            let task = std::sync::Arc::new(Task::default());
            let waker = std::task::Waker::from(task.clone());
            let mut received = 0;
            while closes || received < sent {
                let ready = || rx.available(1).unwrap().map_or_else(Some, |_| Some(Flow::Done));
                let ready = || ready().filter(|&flow| flow != Flow::Empty);
                let needed = (u64::MAX - 1).wrapping_add(u64::from(received) + 1);
                match ready().or_else(|| rx.ring().receiver.set_waker(needed, &waker, ready)) {
                    None => task.sleep(),
                    Some(Flow::Closed) => break,
                    Some(_) => received += recv(&rx, received + 1, 1).bytes as u8,
                }
            }
            assert_eq!(received, sent);
            sender.join().unwrap();
        });
    }
}

/// A task that polls is woken by the waker of its last poll, also if it had another one before.
pub fn a_polled_task_is_woken() {
    for sent in [0, 1] {
        explore(3, move || {
            let (tx, rx) = ends(1, 0);
            let sender = thread::spawn(move || {
                (1..=sent).for_each(|byte| assert_eq!(tx.send(&[byte]), Ok(moved(1, Flow::Done))));
                tx.close();
            });
            let [before, task] = [(); 2].map(|()| std::sync::Arc::new(Task::default()));
            let _ = rx.poll(1, &before.into()).unwrap();
            let waker = task.clone().into();
            let found = loop {
                match rx.poll(1, &waker).unwrap() {
                    Some(flow) => break flow,
                    None => task.sleep(),
                }
            };
            assert_eq!(found, if sent == 0 { Flow::Closed } else { Flow::Done });
            sender.join().unwrap();
        });
    }
}

/// Receives a record, which must be newer than `last`, or none.
fn newer(rx: &Rx, last: u8) -> Option<u8> {
    let mut record = 0;
    // SAFETY: room for one byte.
    let moved = unsafe { rx.recv(&mut record, 1) }.unwrap();
    assert!(moved.bytes == 0 || record > last, "{record} after {last}");
    (moved.bytes == 1).then_some(record)
}

/// The oldest records are overwritten while others are received: records are received in order, and each record is received, lost,
/// or refused while the receiver reads.
pub fn the_oldest_records_are_overwritten() {
    explore(3, || {
        let (tx, rx) = overwriting(1);
        let sender = thread::spawn(move || {
            let refused = [2, 3, 4].map(|record| u64::from(tx.send(&[record]).unwrap().flow == Flow::Full));
            (tx, refused)
        });
        let (mut last, mut received) = (0, 0);
        for _ in 0..2 {
            if let Some(record) = newer(&rx, last) {
                (last, received) = (record, received + 1);
            }
        }
        let (tx, refused) = sender.join().unwrap();
        while let Some(record) = newer(&rx, last) {
            (last, received) = (record, received + 1);
        }
        let (refused, lost) = (refused.iter().sum::<u64>(), tx.statistics().lost);
        assert_eq!(received + lost + refused, 4);
        assert_eq!(rx.statistics().lost, lost);
    });
}

/// The newest record stays after its sender was dropped, if the receiver has not read meanwhile.
pub fn the_newest_record_stays() {
    explore(3, || {
        let (tx, rx) = overwriting(0);
        let sender = thread::spawn(move || {
            assert_eq!(tx.send(&[1, 2, 3]), Ok(moved(3, Flow::Done)));
            drop(tx);
        });
        assert_eq!(rx.wait_readable(1, Deadline::NEVER), Ok(Flow::Done));
        sender.join().unwrap();
        assert_eq!((newer(&rx, 2), rx.statistics().lost), (Some(3), 2));
        assert_eq!(recv(&rx, 4, 1), moved(0, Flow::Closed));
    });
}

/// An open span does not change, and a sender that waits for its end is woken then, whatever was consumed.
pub fn an_open_span_holds_the_sender_back() {
    for consumed in [0, 1] {
        explore(3, move || {
            let (tx, rx) = overwriting(1);
            assert_eq!(rx.available(1).unwrap().map(|(_, bytes)| bytes), Ok(1));
            let sender = thread::spawn(move || {
                assert_eq!(tx.send_all(&[2, 3], Deadline::NEVER), Ok(moved(2, Flow::Done)));
                tx
            });
            let mut byte = 0;
            // SAFETY: one byte of the span, which is still held.
            unsafe { copy::copy(rx.read_ptr(), &mut byte, 1) };
            assert_eq!(byte, 1, "it changed while it was held");
            rx.give_back_read(consumed);
            let tx = sender.join().unwrap();
            let last = newer(&rx, 0).unwrap();
            assert!(last == 3 || consumed == 1 && last == 2);
            assert_eq!(tx.statistics().lost, rx.statistics().lost);
        });
    }
}

/// A receiver that waits gets a record that its inline writer has not published and never publishes, however that interleaves.
pub fn a_waiting_receiver_gets_what_an_inline_writer_keeps() {
    explore(3, || {
        let (tx, rx) = ends(2, 0);
        let receiver = thread::spawn(move || {
            assert_eq!(rx.wait_readable(1, Deadline::NEVER), Ok(Flow::Done));
            assert_eq!(recv(&rx, 1, 1), moved(1, Flow::Done));
            rx
        });
        let mut writer = InlineWriter::open(&tx, 0).unwrap();
        writer.put(&[1]).unwrap();
        // Only then is the writer used again.
        receiver.join().unwrap();
    });
}

/// The same for a sender that waits for bytes that an inline reader has read and never gives back.
pub fn a_waiting_sender_gets_what_an_inline_reader_keeps() {
    explore(3, || {
        let (tx, rx) = ends(2, 2);
        let sender = thread::spawn(move || {
            assert_eq!(tx.wait_writable(1, Deadline::NEVER), Ok(Flow::Done));
            assert_eq!(tx.send(&[3]), Ok(moved(1, Flow::Done)));
            tx
        });
        let mut reader = InlineReader::open(&rx, 0).unwrap();
        let mut byte = [0];
        reader.get(&mut byte).unwrap();
        assert_eq!(byte, [1]);
        sender.join().unwrap();
    });
}

/// What a waiting receiver takes and what the writer publishes at the same time is received once, in order.
pub fn an_inline_writer_publishes_beside_a_waiting_receiver() {
    explore(3, || {
        let (tx, rx) = ends(2, 0);
        let sender = thread::spawn(move || {
            let mut writer = InlineWriter::open(&tx, 0).unwrap();
            writer.put(&[1]).unwrap();
            writer.put(&[2]).unwrap();
            drop(writer);
            tx
        });
        let first = rx.wait_readable(1, Deadline::NEVER);
        assert_eq!(first, Ok(Flow::Done));
        assert_eq!(recv(&rx, 1, 1), moved(1, Flow::Done));
        assert_eq!(rx.wait_readable(1, Deadline::NEVER), Ok(Flow::Done));
        assert_eq!(recv(&rx, 2, 1), moved(1, Flow::Done));
        let tx = sender.join().unwrap();
        assert_eq!(tx.send(&[3, 4]), Ok(moved(2, Flow::Done)));
        assert_eq!(recv(&rx, 3, 2), moved(2, Flow::Done));
    });
}

/// What an inline writer has written is received after its sender was closed by another thread.
pub fn a_closed_sender_leaves_what_its_inline_writer_kept() {
    explore(3, || {
        let (tx, rx) = ends(2, 0);
        let mut writer = InlineWriter::open(&tx, 0).unwrap();
        writer.put(&[1]).unwrap();
        let closer = tx.clone();
        let closer = thread::spawn(move || closer.close());
        assert_eq!(recv_all(&rx, 1, 2), moved(1, Flow::Closed));
        closer.join().unwrap();
    });
}
