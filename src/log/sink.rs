//! The log sink: one function that receives every record, set through the C API.
//!
//! Calls of the sink are counted while they run. Replacing the sink removes it, waits until no call runs, and drops it: so it is
//! dropped once and never during a call. Records made during the exchange are lost.

use std::cell::Cell;
use std::fmt;
use std::ptr::null_mut;

use crate::alloc::try_box;
use crate::error::{Error, Status};
use crate::handle::slots::{Wiped, Zeroed};
use crate::log::Level;
use crate::sync::atomic::{AtomicPtr, AtomicU32, Ordering::*};
use crate::sync::mutex::FutexMutex;
use crate::text;

/// The module that makes the record.
pub(crate) type Module = text::Text<16>;
/// The object's label.
pub(crate) type LabelText = text::Text<64>;
/// The message.
pub(crate) type MessageText = text::Text<1024>;

/// The function that receives records.
pub(crate) type Take = dyn Fn(Level, &Module, &LabelText, &MessageText) + Send + Sync;

/// The most detailed level that is delivered; 0 is off.
static LEVEL: AtomicU32 = AtomicU32::new(0);
static SINK: AtomicPtr<Box<Take>> = AtomicPtr::new(null_mut());

/// In memory that a fork wipes: a child must not wait for calls of its parent.
#[derive(Debug)]
struct Gate {
    setting: FutexMutex<()>,
    inside: AtomicU32,
}

// SAFETY: atomics, for which zero is a legal value.
unsafe impl Zeroed for Gate {}

static GATE: Wiped<Gate> = Wiped::new();

// Whether this thread is inside of the sink: a record made there would reach the sink again.
thread_local!(static INSIDE: Cell<bool> = const { Cell::new(false) });

#[inline(always)]
pub(super) fn enabled(level: Level) -> bool {
    level as u32 <= LEVEL.load(Relaxed)
}

pub(super) fn deliver(level: Level, module: &str, label: &str, text: fmt::Arguments<'_>) {
    let Some(gate) = GATE.peek().filter(|_| enabled(level) && !INSIDE.get()) else { return };
    // SeqCst, as in `set`: either the exchange sees this caller inside, or this caller sees the sink gone.
    gate.inside.fetch_add(1, SeqCst);
    // SAFETY: null, or a sink that is not dropped while a caller is inside.
    if let Some(take) = unsafe { SINK.load(SeqCst).as_ref() } {
        INSIDE.set(true);
        take(
            level,
            &Module::of(format_args!("{module}")),
            &LabelText::of(format_args!("{label}")),
            &MessageText::of(text),
        );
        INSIDE.set(false);
    }
    // Saturating: in a child that was forked inside of the sink, the count began at 0.
    let _ = gate.inside.fetch_update(Release, Relaxed, |count| count.checked_sub(1));
}

/// Replaces the sink, and drops the old one when its last call has returned. Fails inside of the sink and returns the new one
/// then.
pub(crate) fn set(level: u32, new: Option<Box<Take>>) -> std::result::Result<(), (Error, Option<Box<Take>>)> {
    if INSIDE.get() {
        let reason = "the sink cannot be replaced from inside of it";
        return Err((Error::text(Status::Recursive, reason), new));
    }
    let gate = match GATE.get() {
        Ok(gate) => gate,
        Err(error) => return Err((error, new)),
    };
    let new = match new.map(try_box).transpose() {
        Ok(new) => new.map_or(null_mut(), Box::into_raw),
        Err(new) => return Err((Error::of(Status::OutOfMemory), Some(new))),
    };
    let old = {
        let _setting = gate.setting.lock();
        LEVEL.store(0, Relaxed);
        let old = SINK.swap(null_mut(), SeqCst);
        let mut pauses = 0;
        while gate.inside.load(SeqCst) != 0 {
            crate::sys::clock::nap(1000 << pauses.min(10));
            pauses += 1;
        }
        SINK.store(new, SeqCst);
        LEVEL.store(if new.is_null() { 0 } else { level }, Relaxed);
        old
    };
    if !old.is_null() {
        // SAFETY: boxed by an earlier call, removed by this one, and no caller is inside.
        drop(unsafe { Box::from_raw(old) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::super::record;
    use super::*;

    /// A sink for the records of these tests, which other tests of the process may mix theirs into.
    struct Counting {
        taken: Arc<AtomicUsize>,
        dropped: Arc<AtomicUsize>,
    }

    impl Drop for Counting {
        fn drop(&mut self) {
            self.dropped.fetch_add(1, SeqCst);
        }
    }

    fn counting() -> (Box<Take>, Arc<AtomicUsize>, Arc<AtomicUsize>) {
        let (taken, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let sink = Counting { taken: taken.clone(), dropped: dropped.clone() };
        let take = move |_: Level, part: &Module, _: &LabelText, text: &MessageText| {
            assert_eq!(sink.dropped.load(SeqCst), 0, "no call once the drop has begun");
            if part.as_str() == "test" && text.as_str() == "seven is 7" {
                sink.taken.fetch_add(1, SeqCst);
                // From inside: neither comes back, nor replaces the sink.
                record(Level::Error, "test", "", format_args!("seven is 7"));
                assert!(set(0, None).is_err_and(|(error, _)| error.status() == Status::Recursive));
            }
        };
        (Box::new(take), taken, dropped)
    }

    fn tell_seven(level: Level) {
        record(level, "test", "label", format_args!("seven is {}", 7));
    }

    #[test]
    fn a_sink_takes_its_levels_and_is_dropped_once_after_its_last_call() {
        tell_seven(Level::Error);
        let (first, taken, dropped) = counting();
        assert!(set(Level::Warn as u32, Some(first)).is_ok());
        tell_seven(Level::Error);
        tell_seven(Level::Warn);
        tell_seven(Level::Info);
        assert_eq!((taken.load(SeqCst), dropped.load(SeqCst)), (2, 0));

        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(SeqCst) {
                        tell_seven(Level::Error);
                    }
                });
            }
            let all: Vec<_> = (0..200)
                .map(|_| {
                    let (next, _, dropped) = counting();
                    assert!(set(Level::Error as u32, Some(next)).is_ok());
                    dropped
                })
                .collect();
            assert!(set(0, None).is_ok());
            done.store(true, SeqCst);
            assert!(all.iter().all(|dropped| dropped.load(SeqCst) == 1));
        });
        assert_eq!(dropped.load(SeqCst), 1);
        tell_seven(Level::Error);
    }
}
