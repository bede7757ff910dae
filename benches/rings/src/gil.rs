//! gil. Its blocking variant loses wake-ups in a ping-pong within seconds, so it is not part of the rows that sleep.

use crate::{Receiver, Ring, Sender};
use gil::read_guard::BatchReader;
use gil::spsc;
use std::num::NonZeroUsize;

pub struct Gil;

impl Ring for Gil {
    type Sender = spsc::Sender<u8>;
    type Receiver = spsc::Receiver<u8>;

    fn create(capacity: usize, _chunk: usize) -> Option<(spsc::Sender<u8>, spsc::Receiver<u8>)> {
        Some(spsc::channel(NonZeroUsize::new(capacity)?))
    }
}

impl Sender for spsc::Sender<u8> {
    #[inline]
    fn send(&mut self, data: &[u8]) -> usize {
        if let [byte] = data {
            return self.try_send(*byte).is_ok().into();
        }
        let space = self.write_buffer();
        let length = space.len().min(data.len());
        space[..length].write_copy_of_slice(&data[..length]);
        // SAFETY: `length` bytes were written.
        unsafe { self.commit(length) };
        length
    }
}

impl Receiver for spsc::Receiver<u8> {
    #[inline]
    fn recv(&mut self, data: &mut [u8]) -> usize {
        if let [byte] = data {
            return self.try_recv().map(|received| *byte = received).is_some().into();
        }
        let available = self.read_buffer();
        let length = available.len().min(data.len());
        data[..length].copy_from_slice(&available[..length]);
        // SAFETY: `length` bytes were available.
        unsafe { self.advance(length) };
        length
    }
}
