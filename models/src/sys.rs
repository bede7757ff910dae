//! Stand-in for the library's `sys`: deadlines without a clock, a futex over loom's mutex and park, words that are no pages.

pub(crate) mod clock {
    /// When a wait ends. `SOON` passes when [`futex::expire`] is called.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Deadline {
        Past,
        Soon,
        Never,
    }

    impl Deadline {
        pub(crate) const PAST: Deadline = Deadline::Past;
        pub(crate) const SOON: Deadline = Deadline::Soon;
        pub(crate) const NEVER: Deadline = Deadline::Never;

        pub(crate) fn after(timeout: Timeout) -> Deadline {
            timeout
        }
    }

    /// The same type, because there is no clock.
    pub(crate) type Timeout = Deadline;

    pub(crate) fn now() -> u64 {
        0
    }
}

pub(crate) mod eventfd {
    use std::os::fd::RawFd;
    use std::sync::Arc;

    use loom::sync::Mutex;

    use super::clock::Deadline;
    use super::futex;
    use crate::error::Result;
    use crate::sync::atomic::{AtomicU32, Ordering::*};

    loom::lazy_static! {
        /// The states of the descriptors, by number: 1 is readable.
        static ref OPEN: Mutex<Vec<Arc<AtomicU32>>> = Mutex::new(Vec::new());
    }

    #[derive(Debug)]
    pub(crate) struct Descriptor {
        fd: RawFd,
        state: Arc<AtomicU32>,
    }

    impl Descriptor {
        pub(crate) fn new() -> Result<Descriptor> {
            let (mut open, state) = (OPEN.lock().unwrap(), Arc::new(AtomicU32::new(0)));
            open.push(state.clone());
            Ok(Descriptor { fd: open.len() as RawFd - 1, state })
        }

        pub(crate) fn fd(&self) -> RawFd {
            self.fd
        }

        pub(crate) fn set(&self) {
            self.state.store(1, Release);
            futex::wake(&self.state, 1);
        }

        pub(crate) fn clear(&self) {
            self.state.store(0, Relaxed);
        }
    }

    /// Waits until the descriptor is readable.
    pub(crate) fn poll(fd: RawFd) {
        let state = OPEN.lock().unwrap()[fd as usize].clone();
        while state.load(Acquire) == 0 {
            futex::wait(&state, 0, Deadline::NEVER);
        }
    }
}

pub(crate) mod futex {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use loom::sync::Mutex;
    use loom::thread::{self, Thread};

    use super::clock::Deadline;
    use crate::sync::atomic::AtomicU32;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Slept {
        Again,
        TimedOut,
        #[allow(dead_code, reason = "no signal comes here; the protocol files name it")]
        Signalled,
    }

    struct Sleeper {
        word: *const AtomicU32,
        thread: Thread,
        timed: bool,
        timed_out: Arc<AtomicBool>,
    }

    /// The state of the kernel: the sleepers, in the order in which they are woken, and whether deadlines have passed.
    #[derive(Default)]
    struct Kernel {
        sleepers: Vec<Sleeper>,
        expired: bool,
    }

    // SAFETY: the pointer is a key and is never dereferenced.
    unsafe impl Send for Kernel {}

    loom::lazy_static! {
        static ref KERNEL: Mutex<Kernel> = Mutex::new(Kernel::default());
    }

    pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> Slept {
        let timed_out = Arc::new(AtomicBool::new(false));
        {
            let mut kernel = KERNEL.lock().unwrap();
            if word.load(Relaxed) != expected {
                return Slept::Again;
            }
            let timed = deadline != Deadline::NEVER;
            if timed && kernel.expired {
                return Slept::TimedOut;
            }
            kernel.sleepers.push(Sleeper {
                word,
                thread: thread::current(),
                timed,
                timed_out: timed_out.clone(),
            });
        }
        // Woken exactly once, by the thread that removed it from the list.
        thread::park();
        if timed_out.load(Relaxed) { Slept::TimedOut } else { Slept::Again }
    }

    pub(crate) fn wake(word: &AtomicU32, count: u32) {
        let mut kernel = KERNEL.lock().unwrap();
        for _ in 0..count {
            let Some(at) = kernel.sleepers.iter().position(|sleeper| std::ptr::eq(sleeper.word, word)) else {
                return;
            };
            kernel.sleepers.remove(at).thread.unpark();
        }
    }

    /// Every deadline passes.
    pub(crate) fn expire() {
        let mut kernel = KERNEL.lock().unwrap();
        kernel.expired = true;
        while let Some(at) = kernel.sleepers.iter().position(|sleeper| sleeper.timed) {
            let sleeper = kernel.sleepers.remove(at);
            sleeper.timed_out.store(true, Relaxed);
            sleeper.thread.unpark();
        }
    }
}

pub(crate) mod pages {
    use std::ops::Deref;

    use crate::error::Result;
    use crate::sync::atomic::AtomicU64;

    /// Words in a vector, since loom's atomics are not plain memory.
    #[derive(Debug)]
    pub(crate) struct PagedWords(Vec<AtomicU64>);

    impl PagedWords {
        pub(crate) fn new(count: usize) -> Result<PagedWords> {
            Ok(PagedWords((0..count).map(|_| AtomicU64::new(0)).collect()))
        }
    }

    impl Deref for PagedWords {
        type Target = [AtomicU64];

        fn deref(&self) -> &[AtomicU64] {
            &self.0
        }
    }
}
