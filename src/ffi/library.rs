//! What is about the library itself.

use std::ffi::{CStr, c_char, c_void};

use super::callback::{UserData, Writer, bb_drop_fn, bb_write_fn, discard};
use super::guard::guard;
use super::status::{self, bb_status};
use super::{handle, input, last_error};
use crate::dump;
use crate::error::{Error, Result, Status};
use crate::log::{Level, sink};
use crate::memory::try_box;

/// A wait without end: the longest timeout. Timeouts are nanoseconds on the monotonic clock; 0 tries and never waits.
#[allow(dead_code, reason = "for C")]
pub const BB_FOREVER: u64 = u64::MAX;

/// `bb_set_wait_flags()`: waits of the calling thread end with `BB_E_INTERRUPTED` when it has handled a signal.
pub const BB_WAIT_INTERRUPTIBLE: u32 = 1;

/// Log nothing.
pub const BB_LOG_OFF: u32 = 0;
/// Log what failed.
#[allow(dead_code, reason = "for C")]
pub const BB_LOG_ERROR: u32 = 1;
/// Log also what deserves a look: stalls, leaks, failed callbacks.
#[allow(dead_code, reason = "for C")]
pub const BB_LOG_WARN: u32 = 2;
/// Log also what is made and destroyed, and what was chosen.
#[allow(dead_code, reason = "for C")]
pub const BB_LOG_INFO: u32 = 3;
/// Log everything.
pub const BB_LOG_DEBUG: u32 = 4;

/// Takes one log record: its level, the part of the library, the object's label (may be empty) and the text, each
/// NUL-terminated and valid during the call.
pub type bb_log_fn = Option<
    unsafe extern "C" fn(
        level: u32,
        part: *const c_char,
        label: *const c_char,
        text: *const c_char,
        user_data: *mut c_void,
    ),
>;

/// The version of the library that runs, as `major << 16 | minor << 8 | patch`. The header's is in `BB_VERSION_MAJOR`,
/// `BB_VERSION_MINOR` and `BB_VERSION_PATCH`.
///
/// @return the version
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_version() -> u32 {
    const fn number(text: &str) -> u32 {
        match u32::from_str_radix(text, 10) {
            Ok(number) => number,
            Err(_) => 0,
        }
    }
    const {
        number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
            | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
            | number(env!("CARGO_PKG_VERSION_PATCH"))
    }
}

/// How the library was built: version, target, profile. Holds no date and no path.
///
/// @return a static NUL-terminated string
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_build_info() -> *const c_char {
    const INFO: &str = concat!(
        "backbuf ",
        env!("CARGO_PKG_VERSION"),
        " (",
        env!("BACKBUF_TARGET"),
        ", ",
        env!("BACKBUF_PROFILE"),
        ")\0"
    );
    INFO.as_ptr().cast()
}

/// The name of a status and what it means, as in "BB_E_FULL: no room now; wait, or drain the other side". Numbers that are
/// no status get a text that says so.
///
/// @param status a status, or any other number
/// @return a static NUL-terminated string
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_status_string(status: i32) -> *const c_char {
    CStr::as_ptr(status::text(status))
}

/// What was wrong with the calling thread's last refused call: function, parameter, value, remedy, and the label of the
/// object. Empty if no call of this thread was ever refused.
///
/// @return a NUL-terminated string of at most 511 bytes, valid until this thread's next refused call
/// @threadsafety safe to call from any thread; each has its own message
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_last_error() -> *const c_char {
    last_error::get()
}

/// Sends log records to `function`, in place of where they went before. Off at first.
///
/// The function may be called from any thread, also from several at once and from within any call of this library. It must
/// not throw, nor call this function; what it does with other objects logs nothing. `drop` is called exactly once, when the
/// function is replaced and its last call has returned: this call waits for that. If the call fails, `user_data` stays the
/// caller's and `drop` is not called.
///
/// @param level the finest level wanted: `BB_LOG_OFF` to `BB_LOG_DEBUG`
/// @param function takes the records, or NULL for none
/// @param user_data handed to both functions
/// @param drop told when `user_data` is not needed any more, or NULL
/// @return BB_OK, BB_E_ARGUMENT (unknown level), BB_E_RECURSIVE (called from inside the function), BB_E_OUT_OF_MEMORY,
///         BB_E_UNSUPPORTED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_set_log(
    level: u32,
    function: bb_log_fn,
    user_data: *mut c_void,
    drop: bb_drop_fn,
) -> bb_status {
    guard("bb_set_log", || {
        if level > BB_LOG_DEBUG {
            return Err(Error::value(
                Status::Argument,
                "level",
                level,
                "no such level; use BB_LOG_OFF … BB_LOG_DEBUG",
            ));
        }
        set_log(level, function, UserData::new(user_data, drop))
    })
}

fn set_log(level: u32, function: bb_log_fn, user_data: UserData) -> Result<()> {
    let Some(function) = function else {
        // Without a function nothing will ever use the data: it is dropped here, after the old sink's.
        return sink::set(BB_LOG_OFF, None).map_err(|(error, _)| {
            std::mem::forget(user_data);
            error
        });
    };
    let take = move |level: Level, part: &sink::Part, label: &sink::Label, text: &sink::Text| {
        // SAFETY: the caller's function and data, with strings that outlive the call.
        unsafe { function(level as u32, part.as_ptr(), label.as_ptr(), text.as_ptr(), user_data.get()) }
    };
    let take: Box<sink::Take> = try_box(take).map_err(|take| {
        std::mem::forget(take);
        Error::of(Status::OutOfMemory)
    })?;
    sink::set(level, Some(take)).map_err(|(error, take)| {
        if let Some(take) = take {
            discard(take);
        }
        error
    })
}

/// Sets how the calling thread waits in every later call.
///
/// Waits go on after a signal handler has run, unless `BB_WAIT_INTERRUPTIBLE` is set: then they return `BB_E_INTERRUPTED`,
/// and nothing is lost: call again. They also do so every 50 ms without one, since a signal that was handled just before the
/// thread slept could not wake it.
///
/// @param flags `BB_WAIT_INTERRUPTIBLE` or 0
/// @return BB_OK, BB_E_ARGUMENT (unknown flags)
/// @threadsafety safe to call from any thread; sets the calling thread's own
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_set_wait_flags(flags: u32) -> bb_status {
    guard("bb_set_wait_flags", || {
        let flags = input::flags(flags, BB_WAIT_INTERRUPTIBLE, "flags")?;
        crate::set_interruptible(flags & BB_WAIT_INTERRUPTIBLE != 0);
        Ok(())
    })
}

/// Lists every manager, ring, waiter, lease and open task with its age and thread, as text.
///
/// @param write takes the text, piece by piece, on the calling thread; must not call this library
/// @param user_data handed to `write`
/// @return BB_OK, BB_E_NULL
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_debug_dump(write: bb_write_fn, user_data: *mut c_void) -> bb_status {
    guard("bb_debug_dump", || {
        let write = input::function(write, "write")?;
        // SAFETY: the header asks for a function that takes this data.
        let mut writer = unsafe { Writer::new(write, user_data) };
        dump::dump(&mut |text| writer.write(text));
        Ok(())
    })
}

/// Writes what `bb_debug_dump()` lists to a file descriptor. It takes no lock and allocates nothing, so that it can be called
/// from a debugger or a signal handler.
///
/// @param fd an open descriptor, such as 2
/// @return BB_OK, BB_E_ARGUMENT (it cannot be written to)
/// @threadsafety safe to call from any thread, and async-signal-safe
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_debug_dump_fd(fd: i32) -> bb_status {
    guard("bb_debug_dump_fd", || dump::dump_fd(fd))
}

/// Whether `handle` names a live object of this copy of the library, whatever its kind. Sets no message.
///
/// @param handle any value
/// @return BB_OK, BB_E_NULL, BB_E_HANDLE (not this copy's), BB_E_STALE, BB_E_FORKED
/// @threadsafety safe to call from any thread; what it says may have changed when it returns
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_handle_check(handle: *const c_void) -> bb_status {
    handle::check(handle as u64).map_or_else(bb_status::from, |()| bb_status::BB_OK)
}
