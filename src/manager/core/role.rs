//! The applier role: whoever holds it applies updates, in queue order, and publishes.
//!
//! Taking it is one atomic operation and giving it up a plain store, so that an update in place costs no more than that.
//! A thread that finds it taken announces itself in `wanted`, passes the rare side of the asymmetric barrier and tries
//! again before it sleeps; the holder looks for announcements after it let go. One of the two sees the other. While
//! somebody waits, `try_take` stands back. The model checker compiles this file.

use crate::sync::atomic::{AtomicU32, Ordering::*};
use crate::sync::barrier::{heavy, light};
use crate::sync::wait::spin;
use crate::sync::wait_check::Stop;
use crate::sync::wait_check::listens;
use crate::sys::clock::Deadline;
use crate::sys::futex;

/// A lock word with a cheap release and a queue of sleepers.
#[derive(Debug, Default)]
pub(crate) struct Role {
    word: AtomicU32,
    wanted: AtomicU32,
    turn: AtomicU32,
    ended: AtomicU32,
}

const FREE: u32 = 0;
const HELD: u32 = 1;

impl Role {
    /// Takes the role if it is free and nobody waits for it.
    #[inline(always)]
    pub(crate) fn try_take(&self) -> bool {
        self.wanted.load(Relaxed) == 0 && self.grab()
    }

    /// Whether `try_take` may be worth trying.
    pub(crate) fn is_free(&self) -> bool {
        self.wanted.load(Relaxed) == 0 && self.word.load(Relaxed) == FREE
    }

    #[inline(always)]
    fn grab(&self) -> bool {
        // The load spares the cache line when the role is taken.
        self.word.load(Relaxed) == FREE && self.word.compare_exchange(FREE, HELD, Acquire, Relaxed).is_ok()
    }

    /// Gives the role up. The caller must hold it.
    #[inline(always)]
    pub(crate) fn drop(&self) {
        self.word.store(FREE, Release);
        light();
        if self.wanted.load(Relaxed) != 0 {
            self.pass_on();
        }
    }

    #[cold]
    #[inline(never)]
    fn pass_on(&self) {
        self.turn.fetch_add(1, Release);
        futex::wake(&self.turn, 1);
    }

    /// Nobody shall wait for the role any more: its holder may never give it up.
    pub(crate) fn end(&self) {
        self.ended.store(1, Relaxed);
        self.turn.fetch_add(1, Release);
        futex::wake(&self.turn, i32::MAX);
    }

    /// Waits for the role. A thread that listens to signals comes back where it has handled one, and is not in the queue then.
    #[cold]
    pub(crate) fn take(&self, deadline: Deadline) -> Result<(), Stop> {
        if self.grab() {
            return Ok(());
        }
        if deadline == Deadline::PAST {
            return Err(Stop::TimedOut);
        }
        if spin(|| self.grab().then_some(())).is_some() {
            return Ok(());
        }
        self.wanted.fetch_add(1, Relaxed);
        heavy();
        let result = loop {
            let turn = self.turn.load(Acquire);
            if self.grab() {
                break Ok(());
            }
            if self.ended.load(Relaxed) != 0 {
                break Err(Stop::Ended);
            }
            let stop = match futex::wait(&self.turn, turn, deadline) {
                futex::Slept::Again => continue,
                futex::Slept::TimedOut => Stop::TimedOut,
                futex::Slept::Signalled if listens() => Stop::Signalled,
                futex::Slept::Signalled => continue,
            };
            break Err(stop);
        };
        self.wanted.fetch_sub(1, Relaxed);
        // A wake meant for somebody may have come to this thread as it gave up: pass it on.
        if result.is_err() && self.grab() {
            self.drop();
        }
        result
    }
}
