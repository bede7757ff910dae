//! End of all callbacks of a language runtime.
//!
//! A runtime is identified by its drop function, which it announces before its first callback and passes with every
//! callback. Callbacks with other drop functions are not counted. Running calls are counted; the call that ends them
//! sets `ended` and waits until none is left.

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

/// Entries of the table, a page.
const MOST: usize = 256;

// SAFETY: atomics, of which zero is a legal value.
unsafe impl Zeroed for [Runtime; MOST] {}

/// In memory that a fork clears: a forked child has none of its parent's running calls.
static RUNTIMES: Wiped<[Runtime; MOST]> = Wiped::new();

/// A running call of a callback.
#[derive(Debug)]
pub(super) struct Running(Option<&'static Runtime>);

impl Runtime {
    /// The entry of a drop function; None if it was not announced.
    pub(super) fn of(drop: unsafe extern "C" fn(*mut c_void)) -> Option<&'static Runtime> {
        let drop = drop as usize as u64;
        let mut entries = RUNTIMES.peek()?.iter();
        // Entries are taken in order and never freed.
        let known = entries
            .find(|runtime| matches!(runtime.drop.load(Relaxed), found if found == 0 || found == drop))?;
        (known.drop.load(Relaxed) == drop).then_some(known)
    }

    /// Finds or takes the entry of a drop function.
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

    /// Begins a call; None if the runtime has ended its callbacks.
    pub(super) fn enter(runtime: Option<&'static Runtime>) -> Option<Running> {
        let Some(known) = runtime else { return Some(Running(None)) };
        // SeqCst, as in `end`: either `end` sees this call, or this call sees `ended`.
        known.running.fetch_add(1, SeqCst);
        let running = Running(runtime);
        (known.ended.load(SeqCst) == 0).then_some(running)
    }

    /// Lets no further call begin, and waits for the running ones.
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
            // Saturating: in a child forked inside a call, the count started again from 0.
            let _ = runtime.running.fetch_update(Release, Relaxed, |running| running.checked_sub(1));
        }
    }
}

/// Announces the drop function shared by all callbacks of a language runtime, so that `bb_end_callbacks()` can end
/// the callbacks passed from now on. Programs whose callbacks need no such end do not call it. Announcing a function
/// again has no effect. A forked child must announce it again.
///
/// @param drop the drop function of all callbacks of the runtime
/// @return BB_OK, BB_E_CLOSED (the callbacks with this drop function have ended: a new runtime needs another one),
///         BB_E_LIMIT (256 have been announced), BB_E_OUT_OF_MEMORY, BB_E_UNSUPPORTED, BB_E_NULL
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

/// Ends all callbacks with this drop function that were passed since `bb_begin_callbacks()` announced it: from now on
/// the library calls neither them nor the drop function. For a language runtime that ends before the managers and
/// devices that use its callbacks. Their user data becomes the caller's.
///
/// Kernels are skipped: their ranges stay unchanged, or equal the front with `BB_KERNEL_OVERWRITES`. Flush callbacks
/// count as successful. The call waits for running callbacks. It cannot be undone: a new runtime needs another drop
/// function.
///
/// @param drop the drop function of all callbacks of the runtime
/// @param timeout nanoseconds to wait for running callbacks
/// @return BB_OK, BB_E_TIMEOUT (one is still running, perhaps the caller's own; no other one begins),
///         BB_E_INTERRUPTED (the same), BB_E_STATE (the function was not announced in this process: nothing has
///         ended), BB_E_NULL
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
