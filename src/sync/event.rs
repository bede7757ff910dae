//! Event count: threads sleep until a condition holds. Signalling costs one plain load when no thread sleeps.
//!
//! A waiter increments `sleepers`, passes the rare side of the asymmetric barrier and checks the condition again before it
//! sleeps. A signaller changes the condition, passes the frequent side and reads `sleepers`. So at least one of the two sees the
//! other's store. The model checker compiles this file: it uses nothing but `crate::sync` and `crate::sys`.

use crate::sync::atomic::{AtomicU32, Ordering::*};
use crate::sync::barrier::{heavy, light};
use crate::sync::spinner::{Spinner, WakeStamp};
use crate::sync::wait_check::Stop;
use crate::sys::clock::Deadline;
use crate::sys::futex;

/// Threads sleep on it until a condition may have become true.
#[derive(Debug, Default)]
pub(crate) struct Event {
    sequence: AtomicU32,
    sleepers: AtomicU32,
    stamp: WakeStamp,
    /// Of the waits that have none of their own.
    spinner: Spinner,
}

impl Event {
    /// An event without waiters.
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Event {
        Event {
            sequence: AtomicU32::new(0),
            sleepers: AtomicU32::new(0),
            stamp: WakeStamp::new(),
            spinner: Spinner::new(),
        }
    }

    /// Makes every waiter check its condition again. Call it after the change.
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
        self.stamp.record();
        // Release: a waiter that reads the new sequence also sees the change.
        self.sequence.fetch_add(1, Release);
        futex::wake(&self.sequence, u32::MAX);
    }

    /// When the last wake began.
    pub(crate) fn stamp(&self) -> &WakeStamp {
        &self.stamp
    }

    /// The spinner of the waits that have none of their own.
    pub(crate) fn spinner(&self) -> &Spinner {
        &self.spinner
    }

    /// Sleeps until `ready` returns a value; calls it again after every wake-up. With `listens`, a signal that the thread handles
    /// ends the sleep.
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
