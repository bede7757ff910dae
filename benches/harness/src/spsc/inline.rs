//! Transfers through the inline writer and reader of the C header, compiled as C, with the functions of the library under test.

use super::scenario::{Run, Throughput};
use super::subject::{OurReceiver, OurSender, Ours, Publish, Subject};
use crate::backbuf::Api;
use crate::machine::start;
use crate::measure::Burst;
use libloading::Library;
use std::ffi::c_void;
use std::path::Path;
use std::time::Instant;

type Open = unsafe extern "C" fn(*mut c_void, every: u64, struct_size: u32, claim: *mut c_void) -> i32;
type Update = unsafe extern "C" fn(claim: *mut c_void, min: u64) -> i32;
type Close = unsafe extern "C" fn(claim: *mut c_void) -> i32;

/// The library's functions that the inline code calls, as `inline_functions` of rings/native/inline.c.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct InlineFunctions {
    open_writer: Open,
    publish: Update,
    close_writer: Close,
    open_reader: Open,
    give_back: Update,
    close_reader: Close,
}

impl InlineFunctions {
    /// None if the library is older than they are.
    ///
    /// # Safety
    ///
    /// A library of backbuf.
    pub unsafe fn of(library: &Library) -> Option<InlineFunctions> {
        // SAFETY: the types are those of backbuf.h.
        unsafe {
            Some(InlineFunctions {
                open_writer: *library.get(b"bb_sender_open_writer").ok()?,
                publish: *library.get(b"bb_writer_publish").ok()?,
                close_writer: *library.get(b"bb_writer_close").ok()?,
                open_reader: *library.get(b"bb_receiver_open_reader").ok()?,
                give_back: *library.get(b"bb_reader_give_back").ok()?,
                close_reader: *library.get(b"bb_reader_close").ok()?,
            })
        }
    }
}

/// Records between publishes, and between two times that space is given back.
const EVERY: u64 = 32;

/// The C loops over `bb_writer_put` and `bb_reader_get`.
#[derive(Clone, Copy)]
pub struct InlineTransfer {
    api: Api,
    send: unsafe extern "C" fn(tx: *mut c_void, bytes: u64, every: u64, count: u64) -> i32,
    recv: unsafe extern "C" fn(rx: *mut c_void, bytes: u64, every: u64, count: u64, sum: *mut u64) -> i32,
}

impl InlineTransfer {
    pub fn open(api: Api) -> Option<InlineTransfer> {
        let functions = api.inline?;
        let path = Path::new(env!("NATIVE")).join("libinline.so");
        // SAFETY: the build script has made it from inline.c, with these functions; it stays open.
        unsafe {
            let library = Box::leak(Box::new(Library::new(path).expect("made by the build script")));
            let symbol = "a function of inline.c";
            let bind = library.get::<unsafe extern "C" fn(*const InlineFunctions)>(b"inline_bind");
            bind.expect(symbol)(&functions);
            let (send, recv) = (library.get(b"inline_send"), library.get(b"inline_recv"));
            Some(InlineTransfer { api, send: *send.expect(symbol), recv: *recv.expect(symbol) })
        }
    }

    /// Bursts of records from this thread to one on the second core.
    pub fn prepare(self, scenario: Throughput) -> Run {
        let ours = Ours { api: self.api, publish: Publish::Each };
        let (mut tx, mut rx) = ours.make(scenario.capacity, scenario.chunk).expect("takes every chunk");
        Box::new(move |count| {
            let bytes = scenario.chunk as u64;
            let receiver = &mut rx;
            let drain = move || (self.receive(receiver, bytes, count), Instant::now());
            std::thread::scope(|scope| {
                let receiver = start(scope, scenario.second_cpu, drain);
                let started = Instant::now();
                self.transmit(&mut tx, bytes, count);
                let (sum, ended) = receiver.join().expect("a panic ends the program");
                assert_eq!(sum, count * (count - 1) / 2, "each record arrives once");
                Burst { time: ended - started, units: count * bytes }
            })
        })
    }

    fn transmit(self, tx: &mut OurSender, bytes: u64, count: u64) {
        // SAFETY: the sender is live, and this thread's.
        self.api.expect(unsafe { (self.send)(tx.handle(), bytes, EVERY * bytes, count) });
    }

    fn receive(self, rx: &mut OurReceiver, bytes: u64, count: u64) -> u64 {
        let mut sum = 0;
        // SAFETY: the receiver is live, and this thread's; there is room for the sum.
        self.api.expect(unsafe { (self.recv)(rx.handle(), bytes, EVERY * bytes, count, &mut sum) });
        sum
    }
}
