//! C callbacks as closures of the core, and the end of the callbacks of a language runtime.

use std::ffi::{c_char, c_void};
use std::fmt;
use std::mem::ManuallyDrop;

use crate::alloc::try_box;
use crate::error::{Error, Result, Status};
use crate::ffi::guard::guard;
use crate::ffi::input;
use crate::ffi::status::bb_status;
use crate::handle::slots::{Wiped, Zeroed};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use crate::sync::wait_check;
use crate::sync::wait_check::Stop;
use crate::sys::clock::{Deadline, Timeout, nap};

/// Releases `user_data`: called exactly once, after its last use.
pub type bb_drop_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Releases borrowed data: called exactly once for each call that accepted the data.
pub type bb_release_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Takes a piece of text: `length` bytes, not NUL-terminated.
pub type bb_write_fn = Option<unsafe extern "C" fn(text: *const c_char, length: u64, user_data: *mut c_void)>;

/// The user data of a C callback, with the function that releases it.
#[derive(Debug)]
pub(super) struct UserData {
    pointer: *mut c_void,
    drop: bb_drop_fn,
    runtime: Option<&'static Runtime>,
}

// SAFETY: the header says on which threads callbacks run; their user data is the caller's to make fit for that.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl UserData {
    pub(super) fn new(pointer: *mut c_void, drop: bb_drop_fn) -> UserData {
        UserData { pointer, drop, runtime: drop.and_then(Runtime::of) }
    }

    /// Begins a call of the callback; None once its runtime has ended its callbacks.
    pub(super) fn enter(&self) -> Option<Running> {
        Runtime::enter(self.runtime)
    }

    pub(super) fn get(&self) -> *mut c_void {
        self.pointer
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(drop) = self.drop
            && let Some(_running) = self.enter()
        {
            // SAFETY: the caller's own function and data, at the one time that was promised.
            unsafe { drop(self.pointer) };
        }
    }
}

/// Boxes a closure that owns user data. If there is no memory the user data stays the caller's.
pub(super) fn boxed_callback<T>(closure: T) -> Result<Box<T>> {
    try_box(closure).map_err(|closure| {
        std::mem::forget(closure);
        Error::of(Status::OutOfMemory)
    })
}

/// Frees a refused callback without releasing its user data, which stays the caller's.
pub(super) fn discard<T: ?Sized>(callback: Box<T>) {
    // SAFETY: `ManuallyDrop` has the layout of what it holds.
    drop(unsafe { Box::from_raw(Box::into_raw(callback) as *mut ManuallyDrop<T>) });
}

/// Writes text through a C function.
pub(super) struct Writer {
    write: unsafe extern "C" fn(*const c_char, u64, *mut c_void),
    user_data: *mut c_void,
}

impl Writer {
    /// # Safety
    ///
    /// The function may be called with that user data, on this thread, while the writer lives.
    pub(super) unsafe fn new(
        write: unsafe extern "C" fn(*const c_char, u64, *mut c_void),
        user_data: *mut c_void,
    ) -> Writer {
        Writer { write, user_data }
    }

    pub(super) fn write(&mut self, text: &str) {
        // SAFETY: promised to `new`; the text outlives the call.
        unsafe { (self.write)(text.as_ptr().cast(), text.len() as u64, self.user_data) };
    }
}

impl fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text);
        Ok(())
    }
}

/// Callbacks that share a drop function.
#[derive(Debug)]
pub(super) struct Runtime {
    drop: AtomicU64,
    running: AtomicU32,
    ended: AtomicU32,
}

/// Entries of the table, a page.
const MOST: usize = 256;

// SAFETY: atomics, for which zero is a legal value.
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
                "256 drop functions have been announced: use one for all callbacks of a runtime",
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
/// @realtime wait-free, may make a system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_begin_callbacks(drop: bb_drop_fn) -> bb_status {
    guard("bb_begin_callbacks", || {
        let runtime = Runtime::announce(input::function(drop, "drop")?)?;
        if runtime.ended.load(SeqCst) == 0 {
            return Ok(());
        }
        let reason = "the callbacks with this drop function have ended: use another one for a new runtime";
        Err(Error::text(Status::Closed, reason))
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
/// @realtime may block, may make a system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_end_callbacks(drop: bb_drop_fn, timeout: u64) -> bb_status {
    guard("bb_end_callbacks", || {
        let reason =
            "this drop function was not announced: call bb_begin_callbacks before the first callback";
        let runtime =
            Runtime::of(input::function(drop, "drop")?).ok_or(Error::text(Status::State, reason))?;
        runtime.end(Deadline::after(Timeout::nanos(timeout))).map_err(|stop| match stop {
            Stop::TimedOut => Error::text(Status::Timeout, "a callback is still running"),
            stop => stop.into(),
        })
    })
}
