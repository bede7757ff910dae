//! The one sink that the C side sets.
//!
//! Callers are counted while they are inside; whoever replaces the sink takes it away, waits until nobody is inside, and
//! drops it. So a drop happens once and never beside a call. Records made during the exchange go nowhere.

use std::cell::Cell;
use std::fmt;
use std::ptr::null_mut;

use super::Level;
use crate::error::{Error, Result, Status};
use crate::memory::try_box;
use crate::slots::{Lock, Wiped, Zeroed};
use crate::sync::{AtomicPtr, AtomicU32, Ordering::*};
use crate::text;

/// The part of the library.
pub(crate) type Part = text::Text<16>;
/// The object's label.
pub(crate) type Label = text::Text<64>;
/// What happened.
pub(crate) type Text = text::Text<1024>;

/// Takes a record.
pub(crate) type Take = dyn Fn(Level, &Part, &Label, &Text) + Send + Sync;

/// The finest level wanted; 0 is off.
static LEVEL: AtomicU32 = AtomicU32::new(0);
static SINK: AtomicPtr<Box<Take>> = AtomicPtr::new(null_mut());

/// In wiped memory: a forked child must not wait for callers that it does not have.
#[derive(Debug)]
struct Gate {
    setting: Lock,
    inside: AtomicU32,
}

// SAFETY: atomics, of which zero is a legal value.
unsafe impl Zeroed for Gate {}

static GATE: Wiped<Gate> = Wiped::new();

// Whether this thread is inside of the sink: a record made there would come back to it.
thread_local!(static INSIDE: Cell<bool> = const { Cell::new(false) });

#[inline(always)]
pub(super) fn enabled(level: Level) -> bool {
    level as u32 <= LEVEL.load(Relaxed)
}

pub(super) fn tell(level: Level, part: &str, label: &str, text: fmt::Arguments<'_>) {
    let Some(gate) = GATE.peek().filter(|_| enabled(level) && !INSIDE.get()) else { return };
    // SeqCst, as in `set`: either the exchange sees this caller inside, or this caller sees the sink gone.
    gate.inside.fetch_add(1, SeqCst);
    // SAFETY: null, or a sink that is not dropped while somebody is inside.
    if let Some(take) = unsafe { SINK.load(SeqCst).as_ref() } {
        INSIDE.set(true);
        take(level, &Part::of(format_args!("{part}")), &Label::of(format_args!("{label}")), &Text::of(text));
        INSIDE.set(false);
    }
    // Saturating: in a child that was forked inside of the sink, the count began anew.
    let _ = gate.inside.fetch_update(Release, Relaxed, |count| count.checked_sub(1));
}

/// Replaces the sink, and drops the old one when its last call has returned. Refused on a thread that is inside of it;
/// then the new one is handed back.
pub(crate) fn set(level: u32, new: Option<Box<Take>>) -> std::result::Result<(), (Error, Option<Box<Take>>)> {
    if INSIDE.get() {
        let why = "the sink cannot be replaced from inside of it";
        return Err((Error::text(Status::Recursive, why), new));
    }
    let gate = match GATE.get() {
        Ok(gate) => gate,
        Err(error) => return Err((error, new)),
    };
    let place = match new.map(try_box).transpose() {
        Ok(place) => place.map_or(null_mut(), Box::into_raw),
        Err(new) => return Err((Error::of(Status::OutOfMemory), Some(new))),
    };
    let old = gate.setting.with(|| {
        LEVEL.store(0, Relaxed);
        let old = SINK.swap(null_mut(), SeqCst);
        let mut pauses = 0;
        while gate.inside.load(SeqCst) != 0 {
            crate::wait::nap(1000 << pauses.min(10));
            pauses += 1;
        }
        SINK.store(place, SeqCst);
        LEVEL.store(if place.is_null() { 0 } else { level }, Relaxed);
        old
    });
    if !old.is_null() {
        // SAFETY: boxed by an earlier call, taken away by this one, and nobody is inside.
        drop(unsafe { Box::from_raw(old) });
    }
    Ok(())
}
