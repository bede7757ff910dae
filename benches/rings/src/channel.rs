//! Channels of typed messages: arrays up to a cache line, vectors for larger chunks.

use crate::{Functions, Receiver, Ring, Sender};
use std::marker::PhantomData;

/// Size of the largest message that is stored in the queue itself.
pub const TYPED: usize = 64;

pub trait Channel {
    type Tx<T: Send>: Send;
    type Rx<T: Send>: Send;
    fn bounded<T: Send>(messages: usize) -> (Self::Tx<T>, Self::Rx<T>);
    /// Returns the message if it does not fit.
    fn try_send<T: Send>(tx: &mut Self::Tx<T>, message: T) -> Result<(), T>;
    fn try_recv<T: Send>(rx: &mut Self::Rx<T>) -> Option<T>;
    fn recv<T: Send>(rx: &mut Self::Rx<T>) -> T;
}

/// A channel as a ring.
pub struct Messages<C>(PhantomData<C>);

pub enum Tx<C: Channel> {
    Bytes1(C::Tx<[u8; 1]>),
    Bytes8(C::Tx<[u8; 8]>),
    Bytes64(C::Tx<[u8; 64]>),
    /// Also holds the vector that did not fit.
    Vec(C::Tx<Vec<u8>>, Option<Vec<u8>>),
}

pub enum Rx<C: Channel> {
    Bytes1(C::Rx<[u8; 1]>),
    Bytes8(C::Rx<[u8; 8]>),
    Bytes64(C::Rx<[u8; 64]>),
    Vec(C::Rx<Vec<u8>>),
}

impl<C: Channel> Ring for Messages<C> {
    type Sender = Tx<C>;
    type Receiver = Rx<C>;

    fn create(capacity: usize, chunk: usize) -> Option<(Tx<C>, Rx<C>)> {
        let messages = capacity / chunk;
        Some(match chunk {
            1 => ends(C::bounded(messages), Tx::Bytes1, Rx::Bytes1),
            8 => ends(C::bounded(messages), Tx::Bytes8, Rx::Bytes8),
            64 => ends(C::bounded(messages), Tx::Bytes64, Rx::Bytes64),
            _ if chunk > TYPED => ends(C::bounded(messages), |tx| Tx::Vec(tx, None), Rx::Vec),
            _ => return None,
        })
    }
}

fn ends<A, B, C, D>((tx, rx): (A, B), sender: impl Fn(A) -> C, receiver: impl Fn(B) -> D) -> (C, D) {
    (sender(tx), receiver(rx))
}

impl<C: Channel> Sender for Tx<C> {
    #[inline]
    fn send(&mut self, data: &[u8]) -> usize {
        let sent = match self {
            Tx::Bytes1(tx) => C::try_send(tx, array(data)).is_ok(),
            Tx::Bytes8(tx) => C::try_send(tx, array(data)).is_ok(),
            Tx::Bytes64(tx) => C::try_send(tx, array(data)).is_ok(),
            Tx::Vec(tx, refused) => {
                let message = refused.take().unwrap_or_else(|| data.to_vec());
                C::try_send(tx, message).map_err(|message| *refused = Some(message)).is_ok()
            }
        };
        if sent { data.len() } else { 0 }
    }
}

fn array<const N: usize>(data: &[u8]) -> [u8; N] {
    data.try_into().expect("the chunk size of the queue")
}

impl<C: Channel> Receiver for Rx<C> {
    #[inline]
    fn recv(&mut self, data: &mut [u8]) -> usize {
        match self {
            Rx::Bytes1(rx) => deliver(C::try_recv(rx), data),
            Rx::Bytes8(rx) => deliver(C::try_recv(rx), data),
            Rx::Bytes64(rx) => deliver(C::try_recv(rx), data),
            Rx::Vec(rx) => deliver(C::try_recv(rx), data),
        }
    }

    #[inline]
    fn wait(&mut self, data: &mut [u8]) -> usize {
        match self {
            Rx::Bytes1(rx) => deliver(Some(C::recv(rx)), data),
            Rx::Bytes8(rx) => deliver(Some(C::recv(rx)), data),
            Rx::Bytes64(rx) => deliver(Some(C::recv(rx)), data),
            Rx::Vec(rx) => deliver(Some(C::recv(rx)), data),
        }
    }
}

#[inline]
fn deliver(message: Option<impl AsRef<[u8]>>, data: &mut [u8]) -> usize {
    let Some(message) = message else { return 0 };
    let message = message.as_ref();
    data[..message.len()].copy_from_slice(message);
    message.len()
}

pub const fn functions<C: Channel>() -> Functions {
    Functions::sleeping::<Messages<C>>()
}

pub struct Crossbeam;
pub struct Flume;
pub struct Kanal;

const OPEN: &str = "the other end is open";

impl Channel for Crossbeam {
    type Tx<T: Send> = crossbeam_channel::Sender<T>;
    type Rx<T: Send> = crossbeam_channel::Receiver<T>;

    fn bounded<T: Send>(messages: usize) -> (Self::Tx<T>, Self::Rx<T>) {
        crossbeam_channel::bounded(messages)
    }

    #[inline]
    fn try_send<T: Send>(tx: &mut Self::Tx<T>, message: T) -> Result<(), T> {
        tx.try_send(message).map_err(crossbeam_channel::TrySendError::into_inner)
    }

    #[inline]
    fn try_recv<T: Send>(rx: &mut Self::Rx<T>) -> Option<T> {
        rx.try_recv().ok()
    }

    #[inline]
    fn recv<T: Send>(rx: &mut Self::Rx<T>) -> T {
        rx.recv().expect(OPEN)
    }
}

impl Channel for Flume {
    type Tx<T: Send> = flume::Sender<T>;
    type Rx<T: Send> = flume::Receiver<T>;

    fn bounded<T: Send>(messages: usize) -> (Self::Tx<T>, Self::Rx<T>) {
        flume::bounded(messages)
    }

    #[inline]
    fn try_send<T: Send>(tx: &mut Self::Tx<T>, message: T) -> Result<(), T> {
        tx.try_send(message).map_err(flume::TrySendError::into_inner)
    }

    #[inline]
    fn try_recv<T: Send>(rx: &mut Self::Rx<T>) -> Option<T> {
        rx.try_recv().ok()
    }

    #[inline]
    fn recv<T: Send>(rx: &mut Self::Rx<T>) -> T {
        rx.recv().expect(OPEN)
    }
}

impl Channel for Kanal {
    type Tx<T: Send> = kanal::Sender<T>;
    type Rx<T: Send> = kanal::Receiver<T>;

    fn bounded<T: Send>(messages: usize) -> (Self::Tx<T>, Self::Rx<T>) {
        kanal::bounded(messages)
    }

    #[inline]
    fn try_send<T: Send>(tx: &mut Self::Tx<T>, message: T) -> Result<(), T> {
        let mut message = Some(message);
        tx.try_send_option(&mut message).expect(OPEN);
        message.map_or(Ok(()), Err)
    }

    #[inline]
    fn try_recv<T: Send>(rx: &mut Self::Rx<T>) -> Option<T> {
        rx.try_recv().expect(OPEN)
    }

    #[inline]
    fn recv<T: Send>(rx: &mut Self::Rx<T>) -> T {
        rx.recv().expect(OPEN)
    }
}
