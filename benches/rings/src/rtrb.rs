//! rtrb as a peer.

use crate::{Receiver, Ring, Sender};
use rtrb::{Consumer, Producer, RingBuffer};

pub struct Rtrb;

impl Ring for Rtrb {
    type Sender = Producer<u8>;
    type Receiver = Consumer<u8>;

    fn create(capacity: usize, _chunk: usize) -> Option<(Producer<u8>, Consumer<u8>)> {
        Some(RingBuffer::new(capacity))
    }
}

impl Sender for Producer<u8> {
    #[inline]
    fn send(&mut self, data: &[u8]) -> usize {
        // Its call for a single element is faster.
        if let [byte] = data {
            return self.push(*byte).is_ok().into();
        }
        self.push_partial_slice(data).0.len()
    }
}

impl Receiver for Consumer<u8> {
    #[inline]
    fn recv(&mut self, data: &mut [u8]) -> usize {
        if let [byte] = data {
            return self.pop().map(|popped| *byte = popped).is_ok().into();
        }
        self.pop_partial_slice(data).0.len()
    }
}
