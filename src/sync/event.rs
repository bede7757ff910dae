//! An event count: waiters sleep until a condition holds, and who makes it hold pays a plain load when nobody sleeps.
//!
//! The waiter announces itself, passes the rare side of the asymmetric barrier and looks again before it sleeps; the
//! signaller changes the world, passes the frequent side and looks for waiters. One of the two sees the other. The model
//! checker compiles this file: it names nothing but `crate::sync` and `super::{futex, Deadline, Stop}`.

use crate::sync::atomic::{AtomicU32, Ordering::*};
use crate::sync::barrier::{heavy, light};
use crate::sync::wait_check::Stop;
use crate::sys::clock::Deadline;
use crate::sys::futex;

/// Where threads sleep until something that they wait for may have become true.
#[derive(Debug, Default)]
pub(crate) struct Event {
    sequence: AtomicU32,
    sleepers: AtomicU32,
}

impl Event {
    /// An event that nobody waits for.
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Event {
        Event { sequence: AtomicU32::new(0), sleepers: AtomicU32::new(0) }
    }

    /// Tells every waiter to look again. Call it after the change.
    #[inline(always)]
    pub(crate) fn signal(&self) {
        light();
        if self.sleepers.load(Relaxed) != 0 {
            self.wake();
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self) {
        // Release: who reads the new sequence and looks again sees the change.
        self.sequence.fetch_add(1, Release);
        futex::wake(&self.sequence, u32::MAX);
    }

    /// Sleeps until `ready` gives something, looking again after every signal. A thread that `listens` comes back where it has
    /// handled one of the system's.
    pub(crate) fn park<T>(
        &self,
        deadline: Deadline,
        listens: bool,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<T, Stop> {
        self.sleepers.fetch_add(1, Relaxed);
        heavy();
        let result = loop {
            let seen = self.sequence.load(Acquire);
            if let Some(value) = ready() {
                break Ok(value);
            }
            match futex::wait(&self.sequence, seen, deadline) {
                futex::Slept::Again => {}
                futex::Slept::TimedOut => break ready().ok_or(Stop::TimedOut),
                futex::Slept::Signalled if listens => break ready().ok_or(Stop::Signalled),
                futex::Slept::Signalled => {}
            }
        };
        self.sleepers.fetch_sub(1, Relaxed);
        result
    }
}
