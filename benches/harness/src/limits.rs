//! What the machine can do at best.

use crate::measure::Burst;
use peer::worker::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Copies a source in slices into two destinations by turns.
pub struct Memcpy {
    source: Box<[u8]>,
    destinations: [Box<[u8]>; 2],
    slice: usize,
}

impl Memcpy {
    pub fn new(bytes: usize, slice: usize) -> Memcpy {
        let filled = |byte| vec![byte; bytes].into_boxed_slice();
        Memcpy { source: filled(1), destinations: [filled(2), filled(3)], slice }
    }

    pub fn burst(&mut self, cycles: u64) -> Burst {
        let started = Instant::now();
        for cycle in 0..cycles {
            let destination = &mut self.destinations[cycle as usize & 1];
            let slices = destination.chunks_mut(self.slice).zip(self.source.chunks(self.slice));
            for (to, from) in slices {
                to.copy_from_slice(from);
                std::hint::black_box(to);
            }
        }
        Burst { time: started.elapsed(), units: cycles }
    }
}

/// One way of a raw futex: from before the wake-up until the sleeper runs.
pub struct FutexWake {
    shared: Arc<Shared>,
    sleeper: Option<JoinHandle<()>>,
    pause: Duration,
}

struct Shared {
    word: AtomicU32,
    seen: AtomicU32,
    ended: AtomicBool,
    started: Instant,
    woken_ns: AtomicU64,
}

impl FutexWake {
    pub fn new(cpu: usize, pause: Duration) -> FutexWake {
        let shared = Arc::new(Shared {
            word: AtomicU32::new(0),
            seen: AtomicU32::new(0),
            ended: AtomicBool::new(false),
            started: Instant::now(),
            woken_ns: AtomicU64::new(0),
        });
        let theirs = shared.clone();
        let sleeper = std::thread::spawn(move || {
            pin(cpu as i32);
            theirs.sleep();
        });
        FutexWake { shared, sleeper: Some(sleeper), pause }
    }

    pub fn burst(&self, cycles: u64) -> Burst {
        let mut time = Duration::ZERO;
        for _ in 0..cycles {
            std::thread::sleep(self.pause);
            let from = self.shared.now_ns();
            let turn = self.shared.wake();
            while self.shared.seen.load(Acquire) != turn {
                std::hint::spin_loop();
            }
            time += Duration::from_nanos(self.shared.woken_ns.load(Relaxed) - from);
        }
        Burst { time, units: cycles }
    }
}

impl Shared {
    fn now_ns(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    fn wake(&self) -> u32 {
        let turn = self.word.fetch_add(1, AcqRel) + 1;
        // SAFETY: the word lives as long as `self`.
        unsafe {
            let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
            libc::syscall(libc::SYS_futex, self.word.as_ptr(), wake, 1);
        }
        turn
    }

    fn sleep(&self) {
        let mut turn = 0;
        while !self.ended.load(Acquire) {
            while self.word.load(Acquire) == turn {
                // SAFETY: the word lives as long as `self`; no timeout is passed.
                unsafe {
                    let wait = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
                    let forever = std::ptr::null::<libc::timespec>();
                    libc::syscall(libc::SYS_futex, self.word.as_ptr(), wait, turn, forever);
                }
            }
            self.woken_ns.store(self.now_ns(), Relaxed);
            turn += 1;
            self.seen.store(turn, Release);
        }
    }
}

impl Drop for FutexWake {
    fn drop(&mut self) {
        self.shared.ended.store(true, Release);
        self.shared.wake();
        self.sleeper.take().map(JoinHandle::join);
    }
}
