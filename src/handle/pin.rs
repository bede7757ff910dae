//! Pins: a call protects its object from removal, at the cost of about a nanosecond.
//!
//! A call stores the handle in its thread's [`PinRecord`] and reads the slot's word again; `destroy` closes the word, passes
//! the process-wide barrier and waits until no record holds the handle. After the barrier each thread's pin is visible, or
//! that thread sees the word closed. The model checker compiles this file: it names nothing but
//! `crate::sync`, and the tables are arguments.

use crate::sync::atomic::{AtomicU64, Ordering::*};
use crate::sync::barrier::{heavy, light};

/// Nested calls of one thread, through callbacks.
pub(crate) const DEPTH: usize = 8;

/// The low bits of a word: the kind of a live object, 0 for a free slot, all ones while it closes.
pub(crate) const KIND_MASK: u64 = 31;

/// The handles of the objects that one thread is inside of. Written by that thread, read by threads that remove objects.
#[derive(Debug)]
pub(crate) struct PinRecord {
    pins: [AtomicU64; DEPTH],
    depth: AtomicU64,
}

/// The reason why an object cannot be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnterError {
    /// The word is not the handle: stale, closing, or never a handle.
    Dead,
    /// The thread is inside [`DEPTH`] calls already.
    Nested,
}

/// A call inside an object; dropping it leaves the object.
#[derive(Debug)]
pub(crate) struct Pin<'a> {
    record: &'a PinRecord,
    pin: &'a AtomicU64,
    depth: u64,
}

impl Drop for Pin<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: everything that the call did happens before the remover's Acquire of the empty pin.
        self.pin.store(0, Release);
        self.record.depth.store(self.depth, Relaxed);
    }
}

impl PinRecord {
    pub(crate) fn new() -> PinRecord {
        PinRecord { pins: std::array::from_fn(|_| AtomicU64::new(0)), depth: AtomicU64::new(0) }
    }

    /// Enters the object whose slot has `word`, if it is live under `handle`. Only the record's thread may call it.
    #[inline(always)]
    pub(crate) fn enter(&self, word: &AtomicU64, handle: u64) -> Result<Pin<'_>, EnterError> {
        let depth = self.depth.load(Relaxed);
        let Some(pin) = self.pins.get(depth as usize) else { return Err(EnterError::Nested) };
        // Release: a thread that reads this handle in place of the previous one has seen the end of the previous call, too.
        pin.store(handle, Release);
        light();
        // Acquire: what the creator wrote before it published the word is visible.
        if word.load(Acquire) != handle {
            pin.store(0, Release);
            return Err(EnterError::Dead);
        }
        self.depth.store(depth.wrapping_add(1), Relaxed);
        Ok(Pin { record: self, pin, depth })
    }

    /// Whether a call is inside the object with that handle.
    pub(crate) fn holds(&self, handle: u64) -> bool {
        self.pins.iter().any(|pin| pin.load(Acquire) == handle)
    }

    /// Clears all pins: the thread of the record has ended.
    pub(crate) fn clear(&self) {
        self.pins.iter().for_each(|pin| pin.store(0, Release));
        self.depth.store(0, Relaxed);
    }
}

/// Closes the word: from here on no call enters. False if another thread has closed it.
pub(crate) fn close(word: &AtomicU64, handle: u64) -> bool {
    word.compare_exchange(handle, handle | KIND_MASK, AcqRel, Relaxed).is_ok()
}

/// Returns once no call is inside the closed object. Calls `pause` with the number of its previous calls while one is.
pub(crate) fn drain<'a>(
    handle: u64,
    records: impl Iterator<Item = &'a PinRecord>,
    mut pause: impl FnMut(u32),
) {
    heavy();
    for record in records {
        let mut pauses = 0;
        while record.holds(handle) {
            pause(pauses);
            pauses = pauses.saturating_add(1);
        }
    }
}
