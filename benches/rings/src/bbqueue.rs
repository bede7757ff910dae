//! bbqueue with heap storage and atomics.

use crate::{Receiver, Ring, Sender};
use bbqueue::nicknames::YakiNiku;
use bbqueue::prod_cons::stream::{StreamConsumer, StreamProducer};
use bbqueue::traits::storage::BoxedSlice;

pub struct Bbqueue;

pub struct Producer(StreamProducer<&'static YakiNiku>);
pub struct Consumer(StreamConsumer<&'static YakiNiku>);

impl Ring for Bbqueue {
    type Sender = Producer;
    type Receiver = Consumer;

    fn create(capacity: usize, _chunk: usize) -> Option<(Producer, Consumer)> {
        // Never freed: a reference-counted handle would cost an atomic operation per grant.
        let queue: &YakiNiku = Box::leak(Box::new(YakiNiku::new_with_storage(BoxedSlice::new(capacity))));
        Some((Producer(queue.stream_producer()), Consumer(queue.stream_consumer())))
    }
}

impl Sender for Producer {
    #[inline]
    fn send(&mut self, data: &[u8]) -> usize {
        let Ok(mut grant) = self.0.grant_max_remaining(data.len()) else { return 0 };
        let length = grant.len();
        grant.copy_from_slice(&data[..length]);
        grant.commit(length);
        length
    }
}

impl Receiver for Consumer {
    #[inline]
    fn recv(&mut self, data: &mut [u8]) -> usize {
        let Ok(grant) = self.0.read() else { return 0 };
        let length = grant.len().min(data.len());
        data[..length].copy_from_slice(&grant[..length]);
        grant.release(length);
        length
    }
}
