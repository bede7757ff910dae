//! What is about the library itself.

use std::ffi::{CStr, c_char, c_void};

use super::callback::{UserData, Writer, bb_drop_fn, bb_write_fn, discard};
use super::guard::guard;
use super::status::{self, bb_status};
use super::{handle, input, last_error};
use crate::alloc::try_box;
use crate::dump;
use crate::error::{Error, Result, Status};
use crate::log::{Level, queue, sink};
use crate::sync::wait_check;
use crate::sync::wait_check::Check;
use crate::sys::clock::Deadline;
use crate::sys::clock::Timeout;

/// A wait without end: the longest timeout. Timeouts are nanoseconds on the monotonic clock; 0 tries and never waits.
#[allow(dead_code, reason = "for C")]
pub const BB_FOREVER: u64 = u64::MAX;

/// `bb_set_wait_flags()`: a wait of the calling thread ends with `BB_E_INTERRUPTED` when the thread handles a signal during it.
pub const BB_WAIT_INTERRUPTIBLE: u32 = 1;

/// Log nothing.
pub const BB_LOG_OFF: u32 = 0;
/// Log what failed.
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
        let Some(_running) = user_data.enter() else { return };
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

/// One log record, as `bb_log_next()` takes it out of the queue.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_log_record {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// `BB_LOG_ERROR` to `BB_LOG_DEBUG`.
    pub level: u32,
    /// Records that were lost between the one before and this one, because the queue was full. What is lost at the end, after
    /// the last record that found room, is not reported.
    pub lost: u64,
    /// The part of the library, NUL-terminated.
    pub part: [c_char; 16],
    /// The object's label, NUL-terminated; may be empty.
    pub label: [c_char; 64],
    /// The text, NUL-terminated.
    pub text: [c_char; 1024],
}

/// Sends log records into a queue, in place of where they went before: for programs whose log function must not run on the
/// library's threads, such as those of languages with an interpreter lock.
///
/// Calls of the library never wait for the queue: where it is full the record is lost, and counted. `bb_log_next()` takes
/// the records out. `bb_set_log()` and another call of this function end the queue; what is in it by then may still be taken
/// out, unless there is another one.
///
/// @param level the finest level wanted: `BB_LOG_ERROR` to `BB_LOG_DEBUG`
/// @param records how many the queue holds, 1 to 65536; each takes about 1.1 KiB
/// @return BB_OK, BB_E_ARGUMENT (unknown level), BB_E_RANGE (records), BB_E_RECURSIVE (called from inside a log function),
///         BB_E_OUT_OF_MEMORY, BB_E_UNSUPPORTED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_set_log_queue(level: u32, records: u64) -> bb_status {
    guard("bb_set_log_queue", || {
        if !(BB_LOG_ERROR..=BB_LOG_DEBUG).contains(&level) {
            let why = "no such level; use BB_LOG_ERROR … BB_LOG_DEBUG, or bb_set_log() for none";
            return Err(Error::value(Status::Argument, "level", level, why));
        }
        if !(1..=queue::MOST).contains(&records) {
            return Err(Error::value(Status::Range, "records", records, "must be from 1 to 65536"));
        }
        queue::set(level, records)
    })
}

/// Takes the next record out of the queue of `bb_set_log_queue()`.
///
/// @param timeout nanoseconds to wait for one; 0 tries, BB_FOREVER waits without end
/// @param struct_size `sizeof(bb_log_record)` as the caller knows it
/// @param record that many bytes are written
/// @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (there is no queue, or it has ended and is empty), BB_E_INTERRUPTED,
///         BB_E_VERSION (struct_size), BB_E_NULL
/// @threadsafety safe to call from any thread; a record goes to one of several
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_log_next(
    timeout: u64,
    struct_size: u32,
    record: *mut bb_log_record,
) -> bb_status {
    guard("bb_log_next", || {
        // SAFETY: the header asks for a place of that size.
        unsafe { input::sized_output(struct_size, record, "record") }?;
        let (next, lost) = queue::next(Deadline::after(Timeout::nanos(timeout)))?;
        // SAFETY: as above.
        unsafe {
            input::write_sized(struct_size, record, "record", |struct_size| bb_log_record {
                struct_size,
                level: next.level as u32,
                lost,
                part: next.part.to_chars(),
                label: next.label.to_chars(),
                text: next.text.to_chars(),
            })
        }
    })
}

/// Sets whether signals end the waits of the calling thread, in every later call.
///
/// Waits go on after a signal handler has run, unless `BB_WAIT_INTERRUPTIBLE` is set: then they return `BB_E_INTERRUPTED`.
/// Nothing is lost: a call that is made again goes on with what the first one began, so that calls which are interrupted
/// again and again come to their end. See each function for what that is.
///
/// A signal that is handled just before the thread sleeps does not end the wait: where that matters, use
/// `bb_set_wait_check()`. A thread that has a wait check ignores this flag.
///
/// @param flags `BB_WAIT_INTERRUPTIBLE` or 0
/// @return BB_OK, BB_E_ARGUMENT (unknown flags)
/// @threadsafety safe to call from any thread; sets the calling thread's own
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_set_wait_flags(flags: u32) -> bb_status {
    guard("bb_set_wait_flags", || {
        let flags = input::flags(flags, BB_WAIT_INTERRUPTIBLE, "flags")?;
        crate::sync::wait_check::set_interruptible(flags & BB_WAIT_INTERRUPTIBLE != 0);
        Ok(())
    })
}

/// Asks whether a wait of the calling thread is to end: 0 to go on, any other number to end it with `BB_E_INTERRUPTED`.
pub type bb_wait_check_fn = Option<unsafe extern "C" fn(user_data: *mut c_void) -> i32>;

/// A wait check with its user data.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bb_wait_check {
    /// The function, or NULL for no check.
    pub function: bb_wait_check_fn,
    /// Handed to it.
    pub user_data: *mut c_void,
}

/// Sets the function that the waits of the calling thread call while they last, to ask whether to go on; in every later call
/// that can wait, whatever it waits for.
///
/// A wait calls it every 50 ms and as soon as the thread has handled a signal, on this thread. When it returns 0 the same wait
/// goes on, with its deadline, its watchdog and all that it has reached so far; otherwise the call returns `BB_E_INTERRUPTED`.
/// A manager that is destroyed has ended then, though a callback of it may run on.
/// A call with a timeout of 0 does not wait and so does not call it. What is in a driver or copies memory is not interrupted.
///
/// The library holds no lock meanwhile: the function may call it, also on the object that is waited for. To destroy that
/// object is `BB_E_RECURSIVE`, and the end of a ring that is waited for is `BB_E_BUSY`. While the function runs the thread has
/// no check; one that it sets is gone when it returns. It must not leave by an exception or `longjmp`.
///
/// @param function called by waits, or NULL for none
/// @param user_data handed to it
/// @param previous what was set before is written here, to be set again later; or NULL
/// @return BB_OK
/// @threadsafety safe to call from any thread; sets the calling thread's own
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_set_wait_check(
    function: bb_wait_check_fn,
    user_data: *mut c_void,
    previous: *mut bb_wait_check,
) -> bb_status {
    let before = match wait_check::exchange(function.map(|function| Check::Function(function, user_data))) {
        Some(Check::Function(function, user_data)) => bb_wait_check { function: Some(function), user_data },
        // A closure of Rust's cannot be set again by C.
        Some(Check::Closure(_)) | None => bb_wait_check { function: None, user_data: std::ptr::null_mut() },
    };
    // SAFETY: the header asks for NULL or a place for a check.
    if let Some(place) = unsafe { previous.as_mut() } {
        *place = before;
    }
    bb_status::BB_OK
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
