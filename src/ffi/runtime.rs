//! Callbacks of a language runtime, which all end before the runtime does.
//!
//! A runtime is known by its drop function: the one that it gives along with every callback, and announces before the first.
//! Callbacks whose drop function was not announced have no entry and are not counted: a program in C++ has a drop function
//! for every type of callable. Calls are counted while they run; the call that ends them sets `ended` and waits until none is left.

use std::ffi::c_void;

use super::callback::bb_drop_fn;
use super::guard::guard;
use super::input;
use super::status::bb_status;
use crate::error::{Error, Result, Status};
use crate::handle::slots::{Wiped, Zeroed};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use crate::sync::wait_check;
use crate::sync::wait_check::Stop;
use crate::sys::clock::Timeout;
use crate::sys::clock::{Deadline, nap};

/// Callbacks that share a drop function.
#[derive(Debug)]
pub(super) struct Runtime {
    drop: AtomicU64,
    running: AtomicU32,
    ended: AtomicU32,
}

/// As many as programs have runtimes one after the other, and more: a page of entries.
const MOST: usize = 256;

// SAFETY: atomics, of which zero is a legal value.
unsafe impl Zeroed for [Runtime; MOST] {}

/// In wiped memory: a forked child has none of the calls that its parent is in.
static RUNTIMES: Wiped<[Runtime; MOST]> = Wiped::new();

/// A call that is running.
#[derive(Debug)]
pub(super) struct Running(Option<&'static Runtime>);

impl Runtime {
    /// That of a drop function; None where it was not announced.
    pub(super) fn of(drop: unsafe extern "C" fn(*mut c_void)) -> Option<&'static Runtime> {
        let drop = drop as usize as u64;
        let mut entries = RUNTIMES.peek()?.iter();
        // Entries are taken in order and never given back.
        let known = entries
            .find(|runtime| matches!(runtime.drop.load(Relaxed), found if found == 0 || found == drop))?;
        (known.drop.load(Relaxed) == drop).then_some(known)
    }

    /// Takes an entry for a drop function, or finds the one that it has.
    fn announce(drop: unsafe extern "C" fn(*mut c_void)) -> Result<&'static Runtime> {
        let drop = drop as usize as u64;
        let full = || {
            Error::text(
                Status::Limit,
                "256 drop functions have been announced: give all callbacks of a runtime the same",
            )
        };
        let take = |runtime: &&Runtime| match runtime.drop.compare_exchange(0, drop, Relaxed, Relaxed) {
            Ok(_) => true,
            Err(found) => found == drop,
        };
        RUNTIMES.get()?.iter().find(take).ok_or_else(full)
    }

    /// Begins a call, unless the runtime has ended its callbacks.
    pub(super) fn enter(runtime: Option<&'static Runtime>) -> Option<Running> {
        let Some(known) = runtime else { return Some(Running(None)) };
        // SeqCst, as in `end`: either the end sees this call, or this call sees the end.
        known.running.fetch_add(1, SeqCst);
        let running = Running(runtime);
        (known.ended.load(SeqCst) == 0).then_some(running)
    }

    /// Lets no call begin from here on, and waits for those that are running.
    fn end(&self, deadline: Deadline) -> std::result::Result<(), Stop> {
        self.ended.store(1, SeqCst);
        let mut pause = 1_000u64;
        while self.running.load(SeqCst) != 0 {
            if deadline.passed() {
                return Err(Stop::TimedOut);
            }
            if wait_check::ends(nap(pause)) {
                return Err(Stop::Interrupted);
            }
            pause = pause.saturating_mul(2).min(1_000_000);
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.0 {
            // Saturating: in a child that was forked inside of a call, the count began anew.
            let _ = runtime.running.fetch_update(Release, Relaxed, |running| running.checked_sub(1));
        }
    }
}

/// Announces the drop function that all callbacks of a language runtime have in common, so that `bb_end_callbacks()` can end
/// those that are given from here on. A program whose callbacks need no such end does not call it, and pays nothing for it.
/// Announcing a function twice is fine. A forked child announces its own.
///
/// @param drop the drop function that all of the runtime's callbacks will have in common
/// @return BB_OK, BB_E_CLOSED (the callbacks with this drop function have ended: a runtime that begins anew has another
///         one), BB_E_LIMIT (256 have been announced), BB_E_OUT_OF_MEMORY, BB_E_UNSUPPORTED, BB_E_NULL
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_begin_callbacks(drop: bb_drop_fn) -> bb_status {
    guard("bb_begin_callbacks", || {
        let runtime = Runtime::announce(input::function(drop, "drop")?)?;
        if runtime.ended.load(SeqCst) == 0 {
            return Ok(());
        }
        let why = "the callbacks with this drop function have ended: give those of a new runtime another one";
        Err(Error::text(Status::Closed, why))
    })
}

/// Ends all callbacks that were given with this drop function since `bb_begin_callbacks()` announced it, for a language
/// runtime that ends while managers and devices that it does not own go on: from here on the library calls neither them nor
/// the drop function itself. Their user data is the caller's.
///
/// A kernel that would have run is skipped: its range stays as it was, with `BB_KERNEL_OVERWRITES` as in the front. A flush
/// callback is taken for done. Callbacks that are running are waited for. It cannot be undone: a runtime that begins anew has
/// another drop function.
///
/// @param drop the drop function that all of the runtime's callbacks have in common
/// @param timeout nanoseconds to wait for callbacks that are running
/// @return BB_OK, BB_E_TIMEOUT (one is still running, perhaps that of the caller; no other one begins),
///         BB_E_INTERRUPTED (the same), BB_E_STATE (the function was not announced in this process: nothing has ended),
///         BB_E_NULL
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_end_callbacks(drop: bb_drop_fn, timeout: u64) -> bb_status {
    guard("bb_end_callbacks", || {
        let why = "this drop function was not announced: call bb_begin_callbacks before the first callback is given";
        let runtime = Runtime::of(input::function(drop, "drop")?).ok_or(Error::text(Status::State, why))?;
        runtime.end(Deadline::after(Timeout::nanos(timeout))).map_err(|stop| match stop {
            Stop::TimedOut => Error::text(Status::Timeout, "a callback is still running"),
            stop => stop.into(),
        })
    })
}
