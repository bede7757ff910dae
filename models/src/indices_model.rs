//! Head and tail indices of a ring: bytes are handed over in order, and a thread that closes the sending end publishes what was fed.

use loom::sync::Arc;
use loom::thread;

use super::indices::{ConsumerIndex, Indices, ProducerIndex};
use crate::harness::{explore, last};
use crate::sync::atomic::UnsafeCell;

/// A ring of bytes. Each byte holds its position.
struct Ring {
    indices: Indices,
    producer: ProducerIndex,
    bytes: Vec<UnsafeCell<u64>>,
}

// SAFETY: the model proves that the two sides do not touch a byte at the same time.
unsafe impl Sync for Ring {}
// SAFETY: as above.
unsafe impl Send for Ring {}

impl Ring {
    /// Its indices wrap after the first byte.
    fn new(capacity: u64) -> (Arc<Ring>, Receiver) {
        let indices = Indices::new(capacity, u64::MAX);
        let (producer, consumer) = (ProducerIndex::new(&indices), ConsumerIndex::new(&indices));
        let bytes = (0..capacity).map(|_| UnsafeCell::new(0)).collect();
        let ring = Arc::new(Ring { indices, producer, bytes });
        (ring.clone(), Receiver { ring, consumer, next: 1 })
    }

    fn byte(&self, index: u64) -> &UnsafeCell<u64> {
        &self.bytes[(index & (self.indices.capacity() - 1)) as usize]
    }

    /// Writes a byte if there is room.
    fn write(&self, value: u64) -> bool {
        if self.producer.room(&self.indices) == 0 {
            self.producer.refresh(&self.indices);
        }
        let room = self.producer.room(&self.indices) > 0;
        if room {
            // SAFETY: loom reports a concurrent read by the receiver.
            self.byte(self.producer.next()).with_mut(|byte| unsafe { *byte = value });
            self.producer.advance(1);
        }
        room
    }

    fn publish(&self) {
        self.producer.publish(&self.indices);
    }
}

struct Receiver {
    ring: Arc<Ring>,
    consumer: ConsumerIndex,
    next: u64,
}

impl Receiver {
    /// Receives what is available, byte by byte: each must be the next.
    fn receive(&mut self) {
        let indices = &self.ring.indices;
        self.consumer.refresh(indices);
        while self.consumer.available(indices) > 0 {
            // SAFETY: loom reports a concurrent write by the sender.
            let byte = self.ring.byte(self.consumer.next()).with(|byte| unsafe { *byte });
            assert_eq!(byte, self.next);
            self.next += 1;
            self.consumer.advance(indices, 1);
        }
    }
}

/// Bytes are received in the order in which they were sent, and no byte is overwritten before it has been received.
pub fn bytes_are_handed_over() {
    for capacity in [1, 2] {
        explore(3, move || {
            let (ring, mut receiver) = Ring::new(capacity);
            let sender = thread::spawn(move || {
                let mut sent = 0;
                for _ in 0..3 {
                    if ring.write(sent + 1) {
                        sent += 1;
                        ring.publish();
                    }
                }
                sent
            });
            receiver.receive();
            receiver.receive();
            let sent = sender.join().unwrap();
            receiver.receive();
            assert_eq!(receiver.next, sent + 1);
        });
    }
}

/// Fed bytes are visible after they are published, not before.
pub fn fed_bytes_are_visible_after_publish() {
    explore(3, || {
        let (ring, mut receiver) = Ring::new(2);
        let sender = thread::spawn(move || {
            assert!(ring.write(1) && ring.write(2));
            assert!(ring.producer.has_unpublished(&ring.indices));
            ring.publish();
            assert!(!ring.producer.has_unpublished(&ring.indices));
        });
        receiver.receive();
        assert!(receiver.next != 2, "half of what was published together");
        sender.join().unwrap();
        receiver.receive();
        assert_eq!(receiver.next, 3);
    });
}

/// A thread that closes the end publishes what was fed, and does not move the index back behind what the end's own thread publishes.
pub fn another_thread_publishes() {
    explore(3, || {
        let (ring, mut receiver) = Ring::new(2);
        let (sender, closer) = (ring.clone(), ring.clone());
        let sender = thread::spawn(move || {
            assert!(sender.write(1));
            sender.publish();
            assert!(sender.write(2));
            sender.publish();
        });
        let closer = thread::spawn(move || closer.producer.publish_from_any_thread(&closer.indices));
        last();
        receiver.receive();
        [sender, closer].map(|thread| thread.join().unwrap());
        receiver.receive();
        assert_eq!(receiver.next, 3);
    });
}

/// Bytes of a feed that another thread publishes are complete.
pub fn another_thread_publishes_what_was_fed() {
    explore(3, || {
        let (ring, mut receiver) = Ring::new(2);
        let (sender, closer) = (ring.clone(), ring.clone());
        let sender = thread::spawn(move || assert!(sender.write(1) && sender.write(2)));
        let closer = thread::spawn(move || closer.producer.publish_from_any_thread(&closer.indices));
        last();
        receiver.receive();
        [sender, closer].map(|thread| thread.join().unwrap());
        ring.producer.publish_from_any_thread(&ring.indices);
        receiver.receive();
        assert_eq!(receiver.next, 3);
    });
}
