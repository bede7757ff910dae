//! Callbacks of a language runtime, which all end before the runtime does.
//!
//! A runtime is known by its drop function: the one that it gives along with every callback. Calls are counted while they
//! run; whoever ends them sets `ended` and waits until none is left.

use std::ffi::c_void;

use super::callback::bb_drop_fn;
use super::guard::guard;
use super::input;
use super::status::bb_status;
use crate::Timeout;
use crate::error::{Error, Result, Status};
use crate::slots::{Wiped, Zeroed};
use crate::sync::{AtomicU32, AtomicU64, Ordering::*};
use crate::wait::{Deadline, Stop, check, nap};

/// Callbacks that share a drop function.
#[derive(Debug)]
pub(super) struct Runtime {
    drop: AtomicU64,
    running: AtomicU32,
    ended: AtomicU32,
}

/// As many as programs have runtimes, and more. Callbacks with further drop functions cannot be ended.
const MOST: usize = 64;

// SAFETY: atomics, of which zero is a legal value.
unsafe impl Zeroed for [Runtime; MOST] {}

/// In wiped memory: a forked child has none of the calls that its parent is in.
static RUNTIMES: Wiped<[Runtime; MOST]> = Wiped::new();

/// A call that is running.
#[derive(Debug)]
pub(super) struct Running(Option<&'static Runtime>);

impl Runtime {
    /// That of a drop function; None where there are too many.
    pub(super) fn of(drop: unsafe extern "C" fn(*mut c_void)) -> Option<&'static Runtime> {
        let drop = drop as usize as u64;
        RUNTIMES.get().ok()?.iter().find(|runtime| match runtime.drop.load(Relaxed) {
            0 => runtime
                .drop
                .compare_exchange(0, drop, Relaxed, Relaxed)
                .map_or_else(|other| other == drop, |_| true),
            other => other == drop,
        })
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
            if check::ends(nap(pause)) {
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

/// Ends all callbacks that were given with this drop function, for a language runtime that ends while managers and devices
/// that it does not own go on: from here on the library calls neither them nor the drop function itself. Their user data is
/// the caller's.
///
/// A kernel that would have run is skipped: its range stays as it was, with `BB_KERNEL_OVERWRITES` as in the front. A flush
/// callback is taken for done. Callbacks that are running are waited for. It cannot be undone: a runtime that begins anew has
/// another drop function.
///
/// @param drop the drop function that all of the runtime's callbacks have in common
/// @param timeout nanoseconds to wait for callbacks that are running
/// @return BB_OK, BB_E_TIMEOUT (one is still running, perhaps that of the caller; no other one begins),
///         BB_E_INTERRUPTED (the same), BB_E_LIMIT (the library has seen too many drop functions before this one),
///         BB_E_OUT_OF_MEMORY, BB_E_UNSUPPORTED, BB_E_NULL
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_end_callbacks(drop: bb_drop_fn, timeout: u64) -> bb_status {
    guard("bb_end_callbacks", || {
        let drop = input::function(drop, "drop")?;
        end(drop, Deadline::after(Timeout::nanos(timeout)))
    })
}

fn end(drop: unsafe extern "C" fn(*mut c_void), deadline: Deadline) -> Result<()> {
    RUNTIMES.get()?;
    let many =
        || Error::text(Status::Limit, "more than 64 drop functions are in use: give all callbacks the same");
    Runtime::of(drop).ok_or_else(many)?.end(deadline).map_err(|stop| match stop {
        Stop::TimedOut => Error::text(Status::Timeout, "a callback is still running"),
        stop => stop.into(),
    })
}
