//! One side of a ring, as the other side sees it: whether it is still there, whether it sleeps, and from which index of
//! the other side on it wants to be woken.
//!
//! Sleeping and waking are an event count with a threshold. The waiter writes what it needs, announces itself, passes the
//! rare side of the asymmetric barrier and looks again before it sleeps; the other side moves its index, passes the
//! frequent side and looks for the announcement. One of the two sees the other, so no wake-up is lost, and a side that
//! nobody waits for costs its peer one load. Whoever wakes takes the announcement away first: a sleeper is woken once.
//! The model checker compiles this file: it names nothing but `crate::sync` and `super::{futex, Deadline, Stop}`.

use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use crate::sync::barrier::{heavy, light};
use crate::sync::wait_check::Stop;
use crate::sys::clock::Deadline;
use crate::sys::futex;

/// A thread sleeps on the word, until the other index reaches `asleep_for`.
const ASLEEP: u32 = 1;
/// A descriptor is to become readable when the other index reaches `armed_for`.
const ARMED: u32 = 2;
/// The side does no more.
const CLOSED: u32 = 4;
/// Its end has been destroyed: another one may take its place.
const GONE: u32 = 8;

/// The state of one side.
#[derive(Debug, Default)]
pub(crate) struct Side {
    word: AtomicU32,
    /// A thread is in a wait of this side.
    waiting: AtomicBool,
    asleep_for: AtomicU64,
    armed_for: AtomicU64,
}

/// The right to wait on a side; one thread has it.
#[derive(Debug)]
pub(crate) struct Waiting<'a>(&'a AtomicBool);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

impl Side {
    /// Whether the side does no more. What it did before it closed is visible then.
    #[inline(always)]
    pub(crate) fn is_closed(&self) -> bool {
        self.word.load(Acquire) & CLOSED != 0
    }

    /// The same, as a number that is 0 while it is open.
    #[inline(always)]
    pub(crate) fn closed_bit(&self) -> u64 {
        u64::from(self.word.load(Acquire) & CLOSED)
    }

    /// For those who look from outside.
    #[cfg(not(loom))]
    pub(crate) fn state(&self) -> &'static str {
        match self.word.load(Relaxed) {
            word if word & GONE != 0 => "destroyed",
            word if word & CLOSED != 0 => "closed",
            _ if self.waiting.load(Relaxed) => "waiting",
            _ => "open",
        }
    }

    /// Does no more. The other side is to be told by [`Side::rouse`] of *its* side.
    pub(crate) fn close(&self) {
        self.word.fetch_or(CLOSED, Release);
    }

    /// The end is destroyed.
    pub(crate) fn leave(&self) {
        self.word.store(CLOSED | GONE, Release);
    }

    /// A new end takes the place of a destroyed one. False while the old one lives.
    pub(crate) fn enter(&self) -> bool {
        // Acquire: what the old end did is visible to the new one.
        self.word.compare_exchange(CLOSED | GONE, 0, AcqRel, Relaxed).is_ok()
    }

    /// Tells the side that the other index has come to `index`. `ring` is called where a descriptor waited for that. True if
    /// somebody was woken.
    #[inline(always)]
    pub(crate) fn signal(&self, index: u64, ring: impl FnOnce()) -> bool {
        light();
        self.word.load(Relaxed) & (ASLEEP | ARMED) != 0 && self.wake(|needed| reached(index, needed), ring)
    }

    /// Wakes whoever waits on the side, whatever for: one of the two sides has closed.
    pub(crate) fn rouse(&self, ring: impl FnOnce()) -> bool {
        light();
        self.wake(|_| true, ring)
    }

    #[cold]
    #[inline(never)]
    fn wake(&self, enough: impl Fn(u64) -> bool, ring: impl FnOnce()) -> bool {
        // Acquire: who sees the announcement sees what is needed.
        let word = self.word.load(Acquire);
        let take = |bit: u32, needed: &AtomicU64| {
            word & bit != 0 && enough(needed.load(Relaxed)) && self.word.fetch_and(!bit, AcqRel) & bit != 0
        };
        let (asleep, armed) = (take(ASLEEP, &self.asleep_for), take(ARMED, &self.armed_for));
        if asleep {
            futex::wake(&self.word, 1);
        }
        if armed {
            ring();
        }
        asleep || armed
    }

    /// Asks for the right to wait. None while another thread has it.
    pub(crate) fn claim(&self) -> Option<Waiting<'_>> {
        let claimed = self.waiting.compare_exchange(false, true, Acquire, Relaxed).is_ok();
        claimed.then(|| Waiting(&self.waiting))
    }

    /// Sleeps until the other index has reached `needed` and `ready` gives something. A thread that `listens` comes back where
    /// it has handled a signal.
    pub(crate) fn park<T>(
        &self,
        needed: u64,
        deadline: Deadline,
        listens: bool,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<T, Stop> {
        let result = loop {
            self.asleep_for.store(needed, Relaxed);
            let announced = self.word.fetch_or(ASLEEP, Release) | ASLEEP;
            heavy();
            if let Some(value) = ready() {
                break Ok(value);
            }
            match futex::wait(&self.word, announced, deadline) {
                // Before it announces itself anew: the barrier is slow, and mostly this was what it waited for.
                futex::Slept::Again => {
                    if let Some(value) = ready() {
                        break Ok(value);
                    }
                }
                futex::Slept::TimedOut => break ready().ok_or(Stop::TimedOut),
                futex::Slept::Signalled if listens => break ready().ok_or(Stop::Signalled),
                futex::Slept::Signalled => {}
            }
        };
        self.word.fetch_and(!ASLEEP, Relaxed);
        result
    }

    /// Has a descriptor told when the other index reaches `needed`, unless `ready` gives something now.
    pub(crate) fn arm<T>(&self, needed: u64, ready: impl FnOnce() -> Option<T>) -> Option<T> {
        self.armed_for.store(needed, Relaxed);
        self.word.fetch_or(ARMED, Release);
        heavy();
        let now = ready();
        if now.is_some() {
            self.word.fetch_and(!ARMED, Relaxed);
        }
        now
    }
}

/// Whether a free-running index has come to `needed`. They are less than 2⁶³ apart, also where they wrap.
fn reached(index: u64, needed: u64) -> bool {
    index.wrapping_sub(needed) as i64 >= 0
}
