//! The applier role: a lock whose holder applies updates in queue order and publishes.
//!
//! Taking the role is one atomic operation, releasing it a plain store, so that an update in place costs little more. A
//! thread that finds the role taken increments `wanted`, runs the heavy side of the asymmetric barrier and tries again before
//! it sleeps; the holder checks `wanted` after its store and the light side. One of the two sees the other. While a thread
//! waits, `try_take` fails, so that waiters are not overtaken. The models `role` and `log` compile this file.

use crate::sync::atomic::{AtomicU32, Ordering::*};
use crate::sync::barrier::{heavy, light};
use crate::sync::spinner::{Spinner, WakeStamp};
use crate::sync::wait_check::{Stop, listens};
use crate::sys::clock::Deadline;
use crate::sys::futex;

/// A lock word with a cheap release and a futex for waiters.
#[derive(Debug, Default)]
pub(crate) struct Role {
    word: AtomicU32,
    wanted: AtomicU32,
    turn: AtomicU32,
    ended: AtomicU32,
    stamp: WakeStamp,
    spinner: Spinner,
}

const FREE: u32 = 0;
const HELD: u32 = 1;

impl Role {
    /// Takes the role if it is free and no thread waits for it.
    #[inline(always)]
    pub(crate) fn try_take(&self) -> bool {
        self.wanted.load(Relaxed) == 0 && self.grab()
    }

    /// Whether `try_take` is likely to succeed.
    pub(crate) fn is_free(&self) -> bool {
        self.wanted.load(Relaxed) == 0 && self.word.load(Relaxed) == FREE
    }

    #[inline(always)]
    fn grab(&self) -> bool {
        // The load keeps the cache line shared while the role is taken.
        self.word.load(Relaxed) == FREE && self.word.compare_exchange(FREE, HELD, Acquire, Relaxed).is_ok()
    }

    /// Releases the role. The caller must hold it.
    #[inline(always)]
    pub(crate) fn release(&self) {
        self.word.store(FREE, Release);
        light();
        if self.wanted.load(Relaxed) != 0 {
            self.wake_waiter();
        }
    }

    #[cold]
    #[inline(never)]
    fn wake_waiter(&self) {
        self.stamp.record();
        self.turn.fetch_add(1, Release);
        futex::wake(&self.turn, 1);
    }

    /// Ends every wait for the role, now and later: its holder may never release it.
    pub(crate) fn end(&self) {
        self.ended.store(1, Relaxed);
        self.turn.fetch_add(1, Release);
        futex::wake(&self.turn, u32::MAX);
    }

    /// Waits for the role. A thread that listens to signals returns after it has handled one, and no longer waits then.
    #[cold]
    pub(crate) fn take(&self, deadline: Deadline) -> Result<(), Stop> {
        if self.grab() {
            return Ok(());
        }
        if deadline == Deadline::PAST {
            return Err(Stop::TimedOut);
        }
        let grab = || self.grab().then_some(());
        self.spinner.wait(&self.stamp, deadline, grab, |_| self.sleep(deadline))
    }

    /// Waits for the role without a spin.
    fn sleep(&self, deadline: Deadline) -> Result<(), Stop> {
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
        // This thread may have consumed a wake-up that another waiter needs: take and release the role to pass it on.
        if result.is_err() && self.grab() {
            self.release();
        }
        result
    }
}
