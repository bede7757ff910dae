//! Copy-out of a state of 64 bytes by four readers, while a writer replaces it from time to time.

use crate::backbuf::{self, Api};
use crate::figures::Figures;
use crate::machine::start;
use crate::measure::{Burst, Entry, alternate};
use crate::{Bench, NO_LIBRARY};
use libloading::Library;
use peer::small_state::{Functions, Words};
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::time::Duration;

const READERS: usize = 4;

/// Time between two writes: some thousand reads.
const PAUSE: Duration = Duration::from_micros(100);

/// A state whose words are equal at any time.
trait State: Sync {
    fn write(&self, words: &Words);
    fn read(&self) -> Words;
}

struct Ours {
    api: Api,
    manager: *mut c_void,
    /// Whether to read by a front instead of a copy-out.
    by_front: bool,
}

// SAFETY: managers may be used from any thread.
unsafe impl Sync for Ours {}

impl State for Ours {
    fn write(&self, words: &Words) {
        let (data, count) = (words.as_ptr().cast(), words.len() as u64);
        let update = backbuf::Update { byte_offset: 0, count, data, field: 0, reserved: 0 };
        // SAFETY: the manager is live, and the words are readable.
        unsafe {
            self.api.expect((self.api.enqueue)(self.manager, &update, backbuf::FOREVER));
            self.api.expect((self.api.synchronize)(self.manager, backbuf::FOREVER));
        }
    }

    #[inline(always)]
    fn read(&self) -> Words {
        let none: *mut u64 = std::ptr::null_mut();
        // SAFETY: the manager is live; words and front are written on success.
        unsafe {
            if self.by_front {
                let mut front = std::mem::MaybeUninit::<backbuf::Front>::uninit();
                self.api.expect((self.api.acquire_front)(self.manager, front.as_mut_ptr()));
                let front = front.assume_init();
                let words = *front.data.cast::<Words>();
                self.api.expect((self.api.lease_release)(front.lease));
                words
            } else {
                let mut words = std::mem::MaybeUninit::<Words>::uninit();
                let (bytes, to) = (size_of::<Words>() as u64, words.as_mut_ptr().cast());
                self.api.expect((self.api.read)(self.manager, 0, 0, to, bytes, none, none));
                words.assume_init()
            }
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        // SAFETY: no other reference exists.
        self.api.expect(unsafe { (self.api.destroy)(self.manager) });
    }
}

struct Foreign {
    functions: &'static Functions,
    peer: *mut c_void,
}

// SAFETY: every peer is made for several threads.
unsafe impl Sync for Foreign {}

impl State for Foreign {
    fn write(&self, words: &Words) {
        // SAFETY: the peer is live, and the words are readable.
        assert_eq!(unsafe { (self.functions.write)(self.peer, words) }, 0);
    }

    #[inline(always)]
    fn read(&self) -> Words {
        let mut words = std::mem::MaybeUninit::uninit();
        // SAFETY: the peer is live, and writes the words.
        unsafe {
            assert_eq!((self.functions.read)(self.peer, words.as_mut_ptr()), 0);
            words.assume_init()
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // SAFETY: no other reference exists.
        unsafe { (self.functions.destroy)(self.peer) };
    }
}

/// Opens the peers, which cargo has built beside this program.
fn peers() -> Vec<(&'static str, Foreign)> {
    let beside = std::env::current_exe().expect("a path of its own");
    let path = beside.with_file_name("libpeer_small_state.so");
    // SAFETY: both names are `Functions`; the library stays open.
    unsafe {
        let library = Library::new(path).unwrap_or_else(|error| panic!("small_state: {error}"));
        let library = Box::leak(Box::new(library));
        let open = |name: &'static str, symbol: &[u8]| {
            let functions: *const Functions = *library.get(symbol).expect("the library has it");
            let functions = &*functions;
            (name, Foreign { functions, peer: (functions.create)() })
        };
        vec![open("seqlock", b"SEQLOCK"), open("mutex", b"MUTEX")]
    }
}

/// `cycles` reads by each reader. The time is that of the readers' own CPU, since there may be more of them than cores.
fn burst<S: State>(state: &S, cores: &[usize], cycles: u64) -> Burst {
    let ended = AtomicUsize::new(0);
    let time = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|reader| {
                start(scope, cores[reader % cores.len()], || {
                    let started = cpu_time();
                    for _ in 0..cycles {
                        let words = state.read();
                        assert_eq!(words[0], words[7], "torn");
                    }
                    let time = cpu_time() - started;
                    ended.fetch_add(1, Release);
                    time
                })
            })
            .collect();
        let mut value = 0;
        while ended.load(Acquire) < READERS {
            value += 1;
            state.write(&[value; 8]);
            std::thread::sleep(PAUSE);
        }
        readers.into_iter().map(|reader| reader.join().expect("a reader does not panic")).sum()
    });
    Burst { time, units: READERS as u64 * cycles }
}

/// The CPU time of the calling thread.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes a timespec.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Measures copy-outs against the peers', and against copies from a front.
pub fn measure(bench: &Bench) -> Result<Figures, String> {
    let api = bench.api.ok_or(NO_LIBRARY)?;
    let ours = [("ours", false), ("front", true)].map(|(name, by_front)| {
        let manager = api.manager(backbuf::U64, size_of::<Words>() as u64 / 8, |_| ());
        (name, Ours { api, manager, by_front })
    });
    let peers = peers();
    let cores = &bench.cores.all;
    let mut entries: Vec<Entry> = Vec::new();
    for (name, state) in &ours {
        entries.push(Entry::new(*name, |cycles| burst(state, cores, cycles)));
    }
    for (name, state) in &peers {
        entries.push(Entry::new(*name, |cycles| burst(state, cores, cycles)));
    }
    bench.cores.place(false);
    alternate(&mut entries, &bench.effort);
    Ok(Figures::of(&entries, Vec::new()))
}
