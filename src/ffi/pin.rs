//! The pin: what keeps an object alive while a call is inside it, for about a nanosecond.
//!
//! A call notes the handle in its thread's [`Record`] and looks at the slot's word again; `destroy` closes the word,
//! passes the process-wide barrier and waits until no record holds the handle. After the barrier each thread's pin is
//! visible, or that thread sees the word closed. The model checker compiles this file: it names nothing but
//! `crate::sync`, and the tables are arguments.

use crate::sync::atomic::{AtomicU64, Ordering::*};
use crate::sync::barrier::{heavy, light};

/// Calls that one thread can have open at once, one inside the other through callbacks.
pub(crate) const DEPTH: usize = 8;

/// The low bits of a word: the kind of a live object, 0 for a free slot, all ones while it closes.
pub(crate) const KIND_MASK: u64 = 31;

/// The handles that one thread is inside of. Written by its thread, read by whoever destroys.
#[derive(Debug)]
pub(crate) struct Record {
    pins: [AtomicU64; DEPTH],
    depth: AtomicU64,
}

/// Why a handle cannot be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The word is not the handle: stale, closing, or never a handle.
    Dead,
    /// The thread is inside of [`DEPTH`] calls already.
    Deep,
}

/// A call that is inside of an object; dropping it leaves.
#[derive(Debug)]
pub(crate) struct Pin<'a> {
    record: &'a Record,
    pin: &'a AtomicU64,
    depth: u64,
}

impl Drop for Pin<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: all that the call did comes before the destroyer's Acquire of the empty pin.
        self.pin.store(0, Release);
        self.record.depth.store(self.depth, Relaxed);
    }
}

impl Record {
    pub(crate) fn new() -> Record {
        Record { pins: std::array::from_fn(|_| AtomicU64::new(0)), depth: AtomicU64::new(0) }
    }

    /// Enters the object whose slot has `word`, if it is live under `handle`. Only the record's thread may call it.
    #[inline(always)]
    pub(crate) fn enter(&self, word: &AtomicU64, handle: u64) -> Result<Pin<'_>, Refusal> {
        let depth = self.depth.load(Relaxed);
        let Some(pin) = self.pins.get(depth as usize) else { return Err(Refusal::Deep) };
        // Release: who finds this handle where the last one was has seen the last call's end, too.
        pin.store(handle, Release);
        light();
        // Acquire: what the creator wrote before it published the word is visible.
        if word.load(Acquire) != handle {
            pin.store(0, Release);
            return Err(Refusal::Dead);
        }
        self.depth.store(depth.wrapping_add(1), Relaxed);
        Ok(Pin { record: self, pin, depth })
    }

    /// Whether a call is inside of the object with that handle.
    pub(crate) fn holds(&self, handle: u64) -> bool {
        self.pins.iter().any(|pin| pin.load(Acquire) == handle)
    }

    /// Forgets every pin: the record's thread has ended.
    pub(crate) fn clear(&self) {
        self.pins.iter().for_each(|pin| pin.store(0, Release));
        self.depth.store(0, Relaxed);
    }
}

/// Closes the word: from here on nobody enters. False if somebody else did.
pub(crate) fn close(word: &AtomicU64, handle: u64) -> bool {
    word.compare_exchange(handle, handle | KIND_MASK, AcqRel, Relaxed).is_ok()
}

/// Returns once no call is inside of the closed object, pausing while one is. `pause` is told how often it has been called.
pub(crate) fn drain<'a>(handle: u64, records: impl Iterator<Item = &'a Record>, mut pause: impl FnMut(u32)) {
    heavy();
    for record in records {
        let mut pauses = 0;
        while record.holds(handle) {
            pause(pauses);
            pauses = pauses.saturating_add(1);
        }
    }
}
