//! A ring under test: ours or a peer's, called through C function pointers, or a Rust peer inlined.

use crate::backbuf::{Api, EMPTY, FULL};
use ::backbuf::spsc;
use libloading::Library;
use rings::{Functions, Receiver, Ring, Sender, channel};
use std::error::Error;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub trait Subject {
    type Tx: Sender + 'static;
    type Rx: Receiver + 'static;
    /// See `rings::Ring::create`.
    fn make(&self, capacity: usize, chunk: usize) -> Option<(Self::Tx, Self::Rx)>;
}

/// A Rust ring compiled into the harness.
pub struct Inlined<R>(PhantomData<R>);

impl<R> Inlined<R> {
    pub const NEW: Inlined<R> = Inlined(PhantomData);
}

impl<R: Ring<Sender: 'static, Receiver: 'static>> Subject for Inlined<R> {
    type Tx = R::Sender;
    type Rx = R::Receiver;

    fn make(&self, capacity: usize, chunk: usize) -> Option<(R::Sender, R::Receiver)> {
        R::create(capacity, chunk)
    }
}

/// When sent bytes become visible to the receiver, for ours.
#[derive(Clone, Copy, PartialEq)]
pub enum Publish {
    Each,
    /// After this many calls of `feed`.
    Every(u32),
}

pub struct Ours {
    pub api: Api,
    pub publish: Publish,
}

pub struct OurSender {
    api: Api,
    tx: *mut c_void,
    publish: Publish,
    fed: u32,
}

pub struct OurReceiver {
    api: Api,
    rx: *mut c_void,
}

// SAFETY: an end may move to another thread.
unsafe impl Send for OurSender {}
// SAFETY: the same.
unsafe impl Send for OurReceiver {}

impl Ours {
    /// A ring whose receiver a manager takes.
    pub fn to_feed(&self, capacity: u64) -> (OurSender, *mut c_void) {
        let (tx, rx) = self.api.ring(capacity);
        (OurSender { api: self.api, tx, publish: self.publish, fed: 0 }, rx)
    }
}

impl Subject for Ours {
    type Tx = OurSender;
    type Rx = OurReceiver;

    fn make(&self, capacity: usize, _chunk: usize) -> Option<(OurSender, OurReceiver)> {
        let (tx, rx) = self.to_feed(capacity as u64);
        Some((tx, OurReceiver { api: self.api, rx }))
    }
}

impl OurSender {
    pub fn handle(&self) -> *mut c_void {
        self.tx
    }
}

impl OurReceiver {
    pub fn handle(&self) -> *mut c_void {
        self.rx
    }
}

impl Sender for OurSender {
    #[inline(always)]
    fn send(&mut self, data: &[u8]) -> usize {
        let mut sent = 0;
        let call = if self.publish == Publish::Each { self.api.send } else { self.api.feed };
        // SAFETY: the sender is live and the data readable.
        let status = unsafe { call(self.tx, data.as_ptr(), data.len() as u64, &mut sent) };
        if status != FULL {
            self.api.expect(status);
        }
        if let Publish::Every(times) = self.publish {
            self.fed += u32::from(sent > 0);
            if self.fed >= times {
                self.flush();
            }
        }
        sent as usize
    }

    fn flush(&mut self) {
        if self.publish != Publish::Each {
            self.fed = 0;
            // SAFETY: the sender is live.
            self.api.expect(unsafe { (self.api.flush)(self.tx) });
        }
    }
}

impl Receiver for OurReceiver {
    #[inline(always)]
    fn recv(&mut self, data: &mut [u8]) -> usize {
        let mut got = 0;
        // SAFETY: the receiver is live and the data writable.
        let status = unsafe { (self.api.recv)(self.rx, data.as_mut_ptr(), data.len() as u64, &mut got) };
        if status != EMPTY {
            self.api.expect(status);
        }
        got as usize
    }

    #[inline(always)]
    fn wait(&mut self, data: &mut [u8]) -> usize {
        // SAFETY: the receiver is live.
        self.api
            .expect(unsafe { (self.api.wait_readable)(self.rx, data.len() as u64, crate::backbuf::FOREVER) });
        self.recv(data)
    }
}

impl Drop for OurSender {
    fn drop(&mut self) {
        // SAFETY: no other reference exists.
        self.api.expect(unsafe { (self.api.sender_destroy)(self.tx) });
    }
}

impl Drop for OurReceiver {
    fn drop(&mut self) {
        // SAFETY: no other reference exists.
        self.api.expect(unsafe { (self.api.receiver_destroy)(self.rx) });
    }
}

/// Ours through the Rust API, inlined.
pub struct Direct;

pub struct DirectSender(spsc::Sender);
pub struct DirectReceiver(spsc::Receiver);

impl Subject for Direct {
    type Tx = DirectSender;
    type Rx = DirectReceiver;

    fn make(&self, capacity: usize, _chunk: usize) -> Option<(DirectSender, DirectReceiver)> {
        let (tx, rx) = spsc::ring(capacity).expect("memory for a ring");
        Some((DirectSender(tx), DirectReceiver(rx)))
    }
}

impl Sender for DirectSender {
    #[inline(always)]
    fn send(&mut self, data: &[u8]) -> usize {
        self.0.send(data).unwrap_or_default()
    }
}

impl Receiver for DirectReceiver {
    #[inline(always)]
    fn recv(&mut self, data: &mut [u8]) -> usize {
        self.0.recv(data).unwrap_or_default()
    }
}

/// A peer behind C functions.
#[derive(Clone, Copy)]
pub struct Foreign {
    pub name: &'static str,
    functions: &'static Functions,
    /// Whether it transports messages of one size.
    typed: bool,
    /// Whether it is only compared in rows that sleep.
    slow: bool,
}

impl Foreign {
    pub fn sleeps(&self) -> bool {
        self.functions.wait.is_some()
    }

    pub fn polls(&self) -> bool {
        !self.slow
    }

    /// The name in rows that distinguish byte rings.
    pub fn name_of(&self, chunk: usize) -> String {
        let ending = match self.typed {
            true if chunk > channel::TYPED => "_vec",
            true => "_typed",
            false => "",
        };
        format!("{}{ending}", self.name)
    }
}

/// Both ends of a peer, destroyed together.
struct Pair {
    functions: &'static Functions,
    sender: *mut c_void,
    receiver: *mut c_void,
}

// SAFETY: every peer supports two threads.
unsafe impl Send for Pair {}
// SAFETY: each pointer is used through one end only.
unsafe impl Sync for Pair {}

impl Drop for Pair {
    fn drop(&mut self) {
        // SAFETY: both ends are dropped.
        unsafe { (self.functions.destroy)(self.sender, self.receiver) };
    }
}

pub struct End(Arc<Pair>);

impl Subject for Foreign {
    type Tx = End;
    type Rx = End;

    fn make(&self, capacity: usize, chunk: usize) -> Option<(End, End)> {
        let functions = self.functions;
        let (mut sender, mut receiver) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: both outputs are writable.
        let made = unsafe { (functions.create)(capacity as u64, chunk as u64, &mut sender, &mut receiver) };
        made.then(|| {
            let pair = Arc::new(Pair { functions, sender, receiver });
            (End(pair.clone()), End(pair))
        })
    }
}

impl Sender for End {
    #[inline(always)]
    fn send(&mut self, data: &[u8]) -> usize {
        // SAFETY: the peer is live and the data readable.
        unsafe { (self.0.functions.send)(self.0.sender, data.as_ptr(), data.len() as u64) as usize }
    }
}

impl Receiver for End {
    #[inline(always)]
    fn recv(&mut self, data: &mut [u8]) -> usize {
        // SAFETY: the peer is live and the data writable.
        unsafe { (self.0.functions.recv)(self.0.receiver, data.as_mut_ptr(), data.len() as u64) as usize }
    }

    #[inline(always)]
    fn wait(&mut self, data: &mut [u8]) -> usize {
        let wait = self.0.functions.wait.expect("only called for peers that sleep");
        // SAFETY: the peer is live and the data writable.
        unsafe { wait(self.0.receiver, data.as_mut_ptr(), data.len() as u64) as usize }
    }
}

/// The peers behind C functions, and the missing ones.
pub struct Foreigners {
    pub all: Vec<Foreign>,
    pub missing: Vec<String>,
}

/// Name in the report, name in the library, typed.
const RUST: [(&str, &str, bool); 7] = [
    ("rtrb_c_abi", "RTRB", false),
    ("ringbuf_c_abi", "RINGBUF", false),
    ("bbqueue_c_abi", "BBQUEUE", false),
    ("gil_c_abi", "GIL", false),
    ("crossbeam", "CROSSBEAM", true),
    ("flume", "FLUME", true),
    ("kanal", "KANAL", true),
];

/// Name in the report, library, Debian's package, typed, only where it sleeps.
const NATIVE: [(&str, &str, &str, bool, bool); 6] = [
    ("boost", "boost", "libboost-dev", false, false),
    ("jack", "jack", "libjack-jackd2-dev", false, false),
    ("dpdk", "dpdk", "libdpdk-dev", false, false),
    ("pipewire", "pipewire", "libspa-0.2-dev", false, false),
    ("moodycamel", "moodycamel", "libreaderwriterqueue-dev", true, false),
    ("moodycamel", "moodycamel_blocking", "libreaderwriterqueue-dev", true, true),
];

impl Foreigners {
    /// Opens the Rust peers, which cargo has built beside this program, and those of the build script.
    pub fn open() -> Foreigners {
        let beside = std::env::current_exe().expect("a path of its own");
        let path = beside.with_file_name("librings_c_abi.so");
        let functions = |symbol| open(&path, symbol).unwrap_or_else(|error| panic!("{error}"));
        let rust = |(name, symbol, typed)| Foreign { name, functions: functions(symbol), typed, slow: false };
        let mut all: Vec<_> = RUST.into_iter().map(rust).collect();
        let mut missing = Vec::new();
        for (name, library, package, typed, slow) in NATIVE {
            let path = PathBuf::from(env!("NATIVE")).join(format!("lib{library}.so"));
            match open(&path, "RING") {
                Ok(functions) => all.push(Foreign { name, functions, typed, slow }),
                Err(error) if path.exists() => missing.push(format!("{name}: {error}")),
                Err(_) => missing.push(format!("{name}: {package} is not installed")),
            }
        }
        missing.dedup();
        Foreigners { all, missing }
    }
}

fn open(path: &Path, symbol: &str) -> Result<&'static Functions, String> {
    // SAFETY: each of these symbols is a `Functions`; the library stays open.
    unsafe {
        let library = Library::new(path).map_err(|error| match error.source() {
            Some(source) => source.to_string(),
            None => error.to_string(),
        })?;
        let functions: *const Functions =
            *Box::leak(Box::new(library)).get(symbol.as_bytes()).map_err(|error| error.to_string())?;
        Ok(&*functions)
    }
}
