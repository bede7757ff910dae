//! The peers of the ring: queues between two threads from other libraries, behind the same traits and the same C functions.

pub mod bbqueue;
pub mod channel;
pub mod gil;
pub mod ringbuf;
pub mod rtrb;

use std::ffi::c_void;

pub trait Sender: Send {
    /// Sends as much as fits, without waiting; a typed queue sends all or nothing.
    fn send(&mut self, data: &[u8]) -> usize;
    /// Makes all sent bytes visible to the receiver.
    fn flush(&mut self) {}
}

pub trait Receiver: Send {
    /// Receives available bytes, at most as many as fit; a typed queue receives one chunk.
    fn recv(&mut self, data: &mut [u8]) -> usize;

    /// Like `recv`, but waits for bytes; by polling if the queue cannot sleep.
    fn wait(&mut self, data: &mut [u8]) -> usize {
        poll(self, data)
    }
}

/// Receives repeatedly until there are bytes.
#[inline]
pub fn poll<R: Receiver + ?Sized>(receiver: &mut R, data: &mut [u8]) -> usize {
    loop {
        let got = receiver.recv(data);
        if got > 0 {
            return got;
        }
    }
}

pub trait Ring {
    type Sender: Sender;
    type Receiver: Receiver;
    /// Creates a queue of `capacity` bytes for messages of `chunk` bytes; None if it does not accept such messages.
    fn create(capacity: usize, chunk: usize) -> Option<(Self::Sender, Self::Receiver)>;
}

type Recv = unsafe extern "C" fn(receiver: *mut c_void, data: *mut u8, bytes: u64) -> u64;

/// The C functions of a ring; `native/ring.h` declares the same table for C and C++.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Functions {
    /// Returns whether it accepts such chunks.
    pub create:
        unsafe extern "C" fn(u64, chunk: u64, sender: *mut *mut c_void, receiver: *mut *mut c_void) -> bool,
    pub send: unsafe extern "C" fn(sender: *mut c_void, data: *const u8, bytes: u64) -> u64,
    pub recv: Recv,
    /// None if the queue cannot sleep.
    pub wait: Option<Recv>,
    pub destroy: unsafe extern "C" fn(sender: *mut c_void, receiver: *mut c_void),
}

impl Functions {
    pub const fn of<R: Ring>() -> Functions {
        Functions { create: create::<R>, send: send::<R>, recv: recv::<R>, wait: None, destroy: destroy::<R> }
    }

    /// The functions of a ring whose receiver can sleep.
    pub const fn sleeping<R: Ring>() -> Functions {
        Functions { wait: Some(wait::<R>), ..Functions::of::<R>() }
    }
}

unsafe extern "C" fn create<R: Ring>(
    capacity: u64,
    chunk: u64,
    sender: *mut *mut c_void,
    receiver: *mut *mut c_void,
) -> bool {
    let Some((tx, rx)) = R::create(capacity as usize, chunk as usize) else { return false };
    // SAFETY: the harness passes two writable pointers.
    unsafe {
        sender.write(Box::into_raw(Box::new(tx)).cast());
        receiver.write(Box::into_raw(Box::new(rx)).cast());
    }
    true
}

unsafe extern "C" fn send<R: Ring>(sender: *mut c_void, data: *const u8, bytes: u64) -> u64 {
    // SAFETY: the harness passes what `create` gave and `bytes` readable bytes.
    unsafe {
        let data = std::slice::from_raw_parts(data, bytes as usize);
        (*sender.cast::<R::Sender>()).send(data) as u64
    }
}

unsafe extern "C" fn recv<R: Ring>(receiver: *mut c_void, data: *mut u8, bytes: u64) -> u64 {
    // SAFETY: the harness passes what `create` gave and `bytes` writable bytes.
    unsafe {
        let data = std::slice::from_raw_parts_mut(data, bytes as usize);
        (*receiver.cast::<R::Receiver>()).recv(data) as u64
    }
}

unsafe extern "C" fn wait<R: Ring>(receiver: *mut c_void, data: *mut u8, bytes: u64) -> u64 {
    // SAFETY: the harness passes what `create` gave and `bytes` writable bytes.
    unsafe {
        let data = std::slice::from_raw_parts_mut(data, bytes as usize);
        (*receiver.cast::<R::Receiver>()).wait(data) as u64
    }
}

unsafe extern "C" fn destroy<R: Ring>(sender: *mut c_void, receiver: *mut c_void) {
    // SAFETY: the harness passes what `create` gave, for the last time.
    unsafe {
        drop(Box::from_raw(sender.cast::<R::Sender>()));
        drop(Box::from_raw(receiver.cast::<R::Receiver>()));
    }
}
