//! ringbuf as a peer.

use crate::{Receiver, Ring, Sender};
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

pub struct Ringbuf;

impl Ring for Ringbuf {
    type Sender = HeapProd<u8>;
    type Receiver = HeapCons<u8>;

    fn create(capacity: usize, _chunk: usize) -> Option<(HeapProd<u8>, HeapCons<u8>)> {
        Some(HeapRb::new(capacity).split())
    }
}

impl Sender for HeapProd<u8> {
    #[inline]
    fn send(&mut self, data: &[u8]) -> usize {
        match data {
            [byte] => self.try_push(*byte).is_ok().into(),
            _ => self.push_slice(data),
        }
    }
}

impl Receiver for HeapCons<u8> {
    #[inline]
    fn recv(&mut self, data: &mut [u8]) -> usize {
        match data {
            [byte] => self.try_pop().map(|popped| *byte = popped).is_some().into(),
            _ => self.pop_slice(data),
        }
    }
}
