//! How the bytes of a ring are handed over, and how another thread publishes them when it closes the sending end.

use loom::sync::Arc;
use loom::thread;

use super::indices::{Consumer, Indices, Producer};
use crate::harness::{explore, last};
use crate::sync::atomic::UnsafeCell;

/// A ring of bytes, each of which holds its own count.
struct Ring {
    indices: Indices,
    producer: Producer,
    bytes: Vec<UnsafeCell<u64>>,
}

// SAFETY: that the two sides keep apart is what is proved.
unsafe impl Sync for Ring {}
// SAFETY: as above.
unsafe impl Send for Ring {}

impl Ring {
    /// Its counts wrap after the first byte.
    fn new(capacity: u64) -> (Arc<Ring>, Receiver) {
        let indices = Indices::new(capacity, u64::MAX);
        let (producer, consumer) = (Producer::new(&indices), Consumer::new(&indices));
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
            self.producer.look(&self.indices);
        }
        let room = self.producer.room(&self.indices) > 0;
        if room {
            // SAFETY: loom tells if the receiver reads here now.
            self.byte(self.producer.next()).with_mut(|byte| unsafe { *byte = value });
            self.producer.write(1);
        }
        room
    }

    fn publish(&self) {
        self.producer.publish(&self.indices);
    }
}

struct Receiver {
    ring: Arc<Ring>,
    consumer: Consumer,
    next: u64,
}

impl Receiver {
    /// Receives what is there, byte by byte: each must be the next.
    fn receive(&mut self) {
        let indices = &self.ring.indices;
        self.consumer.look(indices);
        while self.consumer.there(indices) > 0 {
            // SAFETY: loom tells if the sender writes here now.
            let byte = self.ring.byte(self.consumer.next()).with(|byte| unsafe { *byte });
            assert_eq!(byte, self.next);
            self.next += 1;
            self.consumer.free(indices, 1);
        }
    }
}

/// What is received was sent, in order, and nothing is written over before it has been received.
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

/// What is fed is seen when it is published, not before.
pub fn what_is_fed_waits_for_its_publish() {
    explore(3, || {
        let (ring, mut receiver) = Ring::new(2);
        let sender = thread::spawn(move || {
            assert!(ring.write(1) && ring.write(2));
            assert!(ring.producer.is_behind(&ring.indices));
            ring.publish();
            assert!(!ring.producer.is_behind(&ring.indices));
        });
        receiver.receive();
        assert!(receiver.next != 2, "half of what was published together");
        sender.join().unwrap();
        receiver.receive();
        assert_eq!(receiver.next, 3);
    });
}

/// A thread that closes the end publishes what was fed, and takes back nothing of what the end's own thread publishes.
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
        let closer = thread::spawn(move || closer.producer.publish_from_outside(&closer.indices));
        last();
        receiver.receive();
        [sender, closer].map(|thread| thread.join().unwrap());
        receiver.receive();
        assert_eq!(receiver.next, 3);
    });
}

/// What another thread publishes of a feed is whole.
pub fn another_thread_publishes_what_was_fed() {
    explore(3, || {
        let (ring, mut receiver) = Ring::new(2);
        let (sender, closer) = (ring.clone(), ring.clone());
        let sender = thread::spawn(move || assert!(sender.write(1) && sender.write(2)));
        let closer = thread::spawn(move || closer.producer.publish_from_outside(&closer.indices));
        last();
        receiver.receive();
        [sender, closer].map(|thread| thread.join().unwrap());
        ring.producer.publish_from_outside(&ring.indices);
        receiver.receive();
        assert_eq!(receiver.next, 3);
    });
}
