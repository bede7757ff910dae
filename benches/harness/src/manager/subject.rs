//! A double-buffered state under test: ours or a peer's, each called through C function pointers.

use crate::backbuf::{self, Api};
use libloading::Library;
use peer::Functions;
use std::ffi::{CString, c_void};
use std::path::{Path, PathBuf};

/// The calls of all scenarios; a status other than 0 ends the program.
pub trait Subject: Sync {
    fn enqueue(&self, offset: u64, data: &[u8]);
    fn synchronize(&self);
    /// Runs `read` on the front while it is held.
    fn front<R>(&self, read: impl FnOnce(*const u8) -> R) -> R;
}

/// Size of the 64-bit elements of the state.
const ELEMENT: u64 = 8;

pub struct Ours {
    api: Api,
    manager: *mut c_void,
    /// The field that is updated.
    field: u32,
}

// SAFETY: managers may be used from any thread.
unsafe impl Sync for Ours {}

impl Ours {
    pub fn create(api: Api, state: &State) -> Ours {
        let manager = api.manager(backbuf::U64, state.bytes / ELEMENT, |config| state.configure(config));
        Ours { api, manager, field: 0 }
    }

    /// Field `field` of several of that size.
    pub fn field(api: Api, state: &State, count: usize, field: u32) -> Ours {
        let shape = state.bytes / ELEMENT;
        let names: Vec<_> = (0..count).map(|index| CString::new(format!("field {index}"))).collect();
        let spec = |name: &CString| backbuf::FieldSpec {
            name: name.as_ptr(),
            dtype: backbuf::U64,
            ndim: 1,
            shape: &shape,
            initial: std::ptr::null(),
        };
        let fields: Vec<_> = names.iter().flatten().map(spec).collect();
        let manager = api.fields(&fields, |config| state.configure(config));
        Ours { api, manager, field }
    }
}

impl Ours {
    /// Whether ranges of the reserved back copy can be marked.
    pub fn marks_ranges(&self) -> bool {
        self.api.mark_written.is_some()
    }

    /// Writes a range of the reserved back copy and commits only that.
    pub fn write_back(&self, offset: u64, bytes: u64, value: u8) {
        let mut back = std::mem::MaybeUninit::<backbuf::Back>::uninit();
        let range = backbuf::ByteRange { offset, bytes };
        let mark = self.api.mark_written.expect("checked by marks_ranges");
        // SAFETY: the manager is live; the back copy is written on success, and is this thread's until the commit.
        unsafe {
            self.api.expect((self.api.reserve_back)(self.manager, 0, backbuf::FOREVER, back.as_mut_ptr()));
            let back = back.assume_init();
            back.data.add(offset as usize).write_bytes(value, bytes as usize);
            self.api.expect(mark(self.manager, &back, self.field, &range, 1));
            self.api.expect((self.api.commit_back)(self.manager, &back, 1));
        }
    }

    /// Acquires a front, which is released when the result is dropped.
    pub fn hold(&self) -> Held<'_> {
        let mut front = std::mem::MaybeUninit::<backbuf::Front>::uninit();
        // SAFETY: the manager is live; the front is written on success.
        unsafe {
            self.api.expect((self.api.acquire_front)(self.manager, front.as_mut_ptr()));
            Held { ours: self, lease: front.assume_init().lease }
        }
    }
}

/// A front that is held.
pub struct Held<'a> {
    ours: &'a Ours,
    lease: *mut c_void,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // SAFETY: the lease is live.
        self.ours.api.expect(unsafe { (self.ours.api.lease_release)(self.lease) });
    }
}

impl Subject for Ours {
    #[inline(always)]
    fn enqueue(&self, offset: u64, data: &[u8]) {
        let count = data.len() as u64 / ELEMENT;
        let (data, field) = (data.as_ptr(), self.field);
        let update = backbuf::Update { byte_offset: offset, count, data, field, reserved: 0 };
        // SAFETY: the manager is live and the data readable.
        self.api.expect(unsafe { (self.api.enqueue)(self.manager, &update, backbuf::FOREVER) });
    }

    #[inline(always)]
    fn synchronize(&self) {
        // SAFETY: the manager is live.
        self.api.expect(unsafe { (self.api.synchronize)(self.manager, backbuf::FOREVER) });
    }

    #[inline(always)]
    fn front<R>(&self, read: impl FnOnce(*const u8) -> R) -> R {
        let mut front = std::mem::MaybeUninit::<backbuf::Front>::uninit();
        // SAFETY: the manager is live; the front is written on success.
        unsafe {
            self.api.expect((self.api.acquire_front)(self.manager, front.as_mut_ptr()));
            let front = front.assume_init();
            let result = read(front.data);
            self.api.expect((self.api.lease_release)(front.lease));
            result
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        // SAFETY: no other reference exists.
        self.api.expect(unsafe { (self.api.destroy)(self.manager) });
    }
}

pub struct Foreign {
    functions: &'static Functions,
    peer: *mut c_void,
}

// SAFETY: every peer is made for several threads.
unsafe impl Sync for Foreign {}

impl Foreign {
    fn create(functions: &'static Functions, state: &State) -> Foreign {
        let cpu = state.worker_cpu.map_or(-1, |cpu| cpu as i32);
        // SAFETY: the functions are the peer's own.
        Foreign { functions, peer: unsafe { (functions.create)(state.bytes, cpu) } }
    }
}

impl Subject for Foreign {
    #[inline(always)]
    fn enqueue(&self, offset: u64, data: &[u8]) {
        // SAFETY: the peer is live and the data readable.
        let status = unsafe { (self.functions.enqueue)(self.peer, offset, data.as_ptr(), data.len() as u64) };
        assert_eq!(status, 0);
    }

    #[inline(always)]
    fn synchronize(&self) {
        // SAFETY: the peer is live.
        assert_eq!(unsafe { (self.functions.synchronize)(self.peer) }, 0);
    }

    #[inline(always)]
    fn front<R>(&self, read: impl FnOnce(*const u8) -> R) -> R {
        let mut front = std::mem::MaybeUninit::uninit();
        // SAFETY: the peer is live; the front is written and then released once.
        unsafe {
            assert_eq!((self.functions.acquire)(self.peer, front.as_mut_ptr()), 0);
            let front = front.assume_init();
            let result = read(front.data);
            assert_eq!((self.functions.release)(self.peer, &front), 0);
            result
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // SAFETY: no other reference exists.
        unsafe { (self.functions.destroy)(self.peer) };
    }
}

/// Parameters of a subject; without a CPU the worker is not pinned.
#[derive(Clone, Copy)]
pub struct State {
    pub bytes: u64,
    pub worker_cpu: Option<usize>,
    /// Ours only: a callback that must run on the worker before every publish.
    pub flush: Option<backbuf::Flush>,
}

impl State {
    fn configure(&self, config: &mut backbuf::Config) {
        config.worker_affinity = self.worker_cpu.map_or(0, |cpu| 1 << cpu);
        config.flush = self.flush;
    }
}

/// Creates a subject.
#[derive(Clone, Copy)]
#[expect(clippy::large_enum_variant, reason = "there are a handful, and none moves while a row is measured")]
pub enum Maker {
    Ours(Api),
    Foreign(&'static str, &'static Functions),
}

impl Maker {
    pub fn name(&self) -> &'static str {
        match self {
            Maker::Ours(_) => "ours",
            Maker::Foreign(name, _) => name,
        }
    }

    /// The naive manager leaves the back copy one epoch behind after a swap.
    pub fn persists(&self) -> bool {
        self.name() != "naive_c"
    }

    /// left-right publishes on the caller's thread and has no worker.
    pub fn has_worker(&self) -> bool {
        self.name() != "left_right"
    }

    pub fn make(&self, state: &State) -> Any {
        match self {
            Maker::Ours(api) => Any::Ours(Ours::create(*api, state)),
            Maker::Foreign(_, functions) => Any::Foreign(Foreign::create(functions, state)),
        }
    }
}

/// A subject of either kind; scenarios branch on it once per burst, not per call.
#[expect(clippy::large_enum_variant, reason = "there are a handful, and a box would add a load to each call")]
pub enum Any {
    Ours(Ours),
    Foreign(Foreign),
}

const PEERS: [&str; 4] = ["left_right", "channel_bitmap", "channel_triple", "channel_arc_swap"];
const NAIVE: [&str; 2] = ["naive_c", "naive_c_correct"];

/// Opens the peers, which cargo has built beside this program, and the naive managers of the build script.
pub fn peers() -> Vec<Maker> {
    let beside = std::env::current_exe().expect("a path of its own");
    let library = |name: &str| beside.with_file_name(format!("libpeer_{name}.so"));
    let naive = |name: &str| PathBuf::from(env!("NATIVE")).join(format!("lib{name}.so"));
    let peers = PEERS.iter().map(|name| open(name, &library(name)));
    peers.chain(NAIVE.iter().map(|name| open(name, &naive(name)))).collect()
}

fn open(name: &'static str, path: &Path) -> Maker {
    // SAFETY: `PEER` is a `Functions` in every peer; the library stays open.
    unsafe {
        let library = Library::new(path).unwrap_or_else(|error| panic!("peer {name}: {error}"));
        let library = Box::leak(Box::new(library));
        let functions: *const Functions = *library.get(b"PEER").expect("every peer has it");
        Maker::Foreign(name, &*functions)
    }
}
