//! Functions of the library as a whole: version, errors, log, waits, dumps and handle checks.

use std::ffi::{CStr, c_char, c_void};
use std::time::Duration;

use bitflags::bitflags;

use crate::dump;
use crate::error::{Error, Result, Status};
use crate::ffi::callback::{UserData, Writer, bb_drop_fn, bb_write_fn, boxed_callback, discard};
use crate::ffi::guard::guard;
use crate::ffi::status::bb_status;
use crate::ffi::{input, object, status};
use crate::log::{Level, queue, sink};
use crate::sync::wait_check;
use crate::sync::wait_check::Check;
use crate::sync::wait_policy::{self, WaitPolicy, set_wait_policy};
use crate::sys::clock::{Deadline, Timeout};

/// The longest timeout: waits without limit. Timeouts are nanoseconds on the monotonic clock; 0 does not wait.
#[allow(dead_code, reason = "for C")]
pub const BB_FOREVER: u64 = u64::MAX;

/// `bb_set_wait_flags()`: a wait of the thread ends with `BB_E_INTERRUPTED` when the thread handles a signal.
pub const BB_WAIT_INTERRUPTIBLE: u32 = 1;

/// `bb_set_wait_policy()`: a wait spins for as long as a sleep would cost, and sleeps at once where that did not help. The default.
pub const BB_WAIT_POLICY_ADAPTIVE: u32 = 0;
/// `bb_set_wait_policy()`: a wait sleeps at once.
pub const BB_WAIT_POLICY_SLEEP: u32 = 1;
/// `bb_set_wait_policy()`: a wait spins for the given time before it sleeps.
pub const BB_WAIT_POLICY_SPIN: u32 = 2;

/// The longest spin of a wait, in nanoseconds.
pub const BB_WAIT_MAX_SPIN_NS: u64 = 100_000;
const _: () = assert!(BB_WAIT_MAX_SPIN_NS == wait_policy::MAX_SPIN_NS);

bitflags! {
    struct WaitFlags: u32 {
        const INTERRUPTIBLE = BB_WAIT_INTERRUPTIBLE;
    }
}

/// Log nothing.
pub const BB_LOG_OFF: u32 = 0;
/// Log failures.
pub const BB_LOG_ERROR: u32 = 1;
/// Log also warnings: stalls, leaks, failed callbacks.
#[allow(dead_code, reason = "for C")]
pub const BB_LOG_WARN: u32 = 2;
/// Log also creation and destruction of objects, and the choices made.
#[allow(dead_code, reason = "for C")]
pub const BB_LOG_INFO: u32 = 3;
/// Log everything.
pub const BB_LOG_DEBUG: u32 = 4;

/// Takes one log record: its level, the module of the library, the label of the object (may be empty) and the text.
/// The strings are NUL-terminated and valid during the call.
pub type bb_log_fn = Option<
    unsafe extern "C" fn(
        level: u32,
        part: *const c_char,
        label: *const c_char,
        text: *const c_char,
        user_data: *mut c_void,
    ),
>;

/// Returns the version of the loaded library as `major << 16 | minor << 8 | patch`. The version of the header is
/// `BB_VERSION_MAJOR`, `BB_VERSION_MINOR` and `BB_VERSION_PATCH`.
///
/// @return the version
/// @realtime wait-free, no system call, no allocation
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

/// Returns version, target and profile of the build. Contains no date and no path.
///
/// @return a static NUL-terminated string
/// @realtime wait-free, no system call, no allocation
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

/// Returns the name of a status and its meaning, such as "BB_E_EXISTS: the name is taken". For any other number it
/// returns a text that reports an unknown status.
///
/// @param status a status, or any other number
/// @return a static NUL-terminated string
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub extern "C" fn bb_status_string(status: i32) -> *const c_char {
    CStr::as_ptr(status::text(status))
}

/// Returns the message of the calling thread's last refused call: function, parameter, value, remedy, and the label
/// of the object. Empty if no call of this thread was refused, and after a call of a ring or a stream that returned
/// BB_E_FULL, BB_E_EMPTY, BB_E_TIMEOUT, BB_E_CLOSED or BB_E_INTERRUPTED, which set no message. A call that succeeds
/// leaves it unchanged.
///
/// @return a NUL-terminated string of at most 511 bytes, valid until this thread's next refused call
/// @realtime wait-free, no system call, no allocation
/// @threadsafety safe to call from any thread; each has its own message
#[unsafe(no_mangle)]
pub extern "C" fn bb_last_error() -> *const c_char {
    status::message()
}

/// Sends log records to `function`, instead of the previous destination. The log is off at first.
///
/// The function may be called from any thread, from several at once, and inside any call of this library. It must not
/// throw and must not call `bb_set_log()`; its own calls of this library log nothing. `drop` is called exactly once,
/// after the function is replaced and its last call has returned: the replacing call waits for that. If the call
/// fails, `user_data` stays the caller's and `drop` is not called.
///
/// @param level the finest level to log: `BB_LOG_OFF` to `BB_LOG_DEBUG`
/// @param function takes the records, or NULL for none
/// @param user_data passed to both functions
/// @param drop releases `user_data`, or NULL
/// @return BB_OK, BB_E_ARGUMENT (unknown level), BB_E_RECURSIVE (called from inside the function), BB_E_OUT_OF_MEMORY,
///         BB_E_UNSUPPORTED
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_set_log(
    level: u32,
    function: bb_log_fn,
    user_data: *mut c_void,
    drop: bb_drop_fn,
) -> bb_status {
    guard("bb_set_log", || {
        if level > BB_LOG_DEBUG {
            return Err(Error::value(Status::Argument, "level", level, "use BB_LOG_OFF … BB_LOG_DEBUG"));
        }
        set_log(level, function, UserData::new(user_data, drop))
    })
}

fn set_log(level: u32, function: bb_log_fn, user_data: UserData) -> Result<()> {
    let Some(function) = function else {
        // Without a function nothing uses the data: it is released here, after that of the previous sink.
        return sink::set(BB_LOG_OFF, None).map_err(|(error, _)| {
            std::mem::forget(user_data);
            error
        });
    };
    let take = move |level: Level, part: &sink::Module, label: &sink::LabelText, text: &sink::MessageText| {
        let Some(_running) = user_data.enter() else { return };
        // SAFETY: the caller's function and data, with strings that outlive the call.
        unsafe { function(level as u32, part.as_ptr(), label.as_ptr(), text.as_ptr(), user_data.get()) }
    };
    let take: Box<sink::Take> = boxed_callback(take)?;
    sink::set(level, Some(take)).map_err(|(error, take)| {
        if let Some(take) = take {
            discard(take);
        }
        error
    })
}

/// One log record of the queue, as `bb_log_next()` returns it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_log_record {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// `BB_LOG_ERROR` to `BB_LOG_DEBUG`.
    pub level: u32,
    /// Records lost between the previous one and this one because the queue was full. Records lost after the last one
    /// in the queue are not reported.
    pub lost: u64,
    /// Module of the library, NUL-terminated.
    pub part: [c_char; 16],
    /// Label of the object, NUL-terminated; may be empty.
    pub label: [c_char; 64],
    /// The text, NUL-terminated.
    pub text: [c_char; 1024],
}

/// Sends log records to a queue, instead of the previous destination: for programs whose log function must not run on
/// the library's threads, such as languages with an interpreter lock.
///
/// Calls of the library never wait for the queue: while it is full, records are lost and counted. `bb_log_next()`
/// takes the records out. `bb_set_log()` and another call of this function end the queue; the records in it can still
/// be taken out, unless there is a new queue.
///
/// @param level the finest level to log: `BB_LOG_ERROR` to `BB_LOG_DEBUG`
/// @param records capacity of the queue, 1 to 65536 records of about 1.1 KiB each
/// @return BB_OK, BB_E_ARGUMENT (unknown level), BB_E_RANGE (records), BB_E_RECURSIVE (called from inside a log function),
///         BB_E_OUT_OF_MEMORY, BB_E_UNSUPPORTED
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_set_log_queue(level: u32, records: u64) -> bb_status {
    guard("bb_set_log_queue", || {
        if !(BB_LOG_ERROR..=BB_LOG_DEBUG).contains(&level) {
            let reason = "use BB_LOG_ERROR … BB_LOG_DEBUG, or bb_set_log() for none";
            return Err(Error::value(Status::Argument, "level", level, reason));
        }
        if !(1..=queue::MOST).contains(&records) {
            return Err(Error::value(Status::Range, "records", records, "must be from 1 to 65536"));
        }
        queue::set(level, records)
    })
}

/// Takes the next record out of the queue of `bb_set_log_queue()`.
///
/// @param timeout nanoseconds to wait for one; 0 does not wait, BB_FOREVER waits without limit
/// @param struct_size `sizeof(bb_log_record)`
/// @param record output, `struct_size` bytes
/// @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (no queue is set, or it has ended and is empty), BB_E_INTERRUPTED,
///         BB_E_VERSION (struct_size), BB_E_NULL
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread; each record goes to one of them
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_log_next(
    timeout: u64,
    struct_size: u32,
    record: *mut bb_log_record,
) -> bb_status {
    guard("bb_log_next", || {
        // SAFETY: the header requires memory of that size.
        unsafe { input::sized_output(struct_size, record, "record") }?;
        let (next, lost) = queue::next(Deadline::after(Timeout::nanos(timeout)))?;
        // SAFETY: as above.
        unsafe {
            input::write_sized(struct_size, record, "record", |struct_size| bb_log_record {
                struct_size,
                level: next.level as u32,
                lost,
                part: next.module.to_chars(),
                label: next.label.to_chars(),
                text: next.text.to_chars(),
            })
        }
    })
}

/// Sets whether signals end the waits of the calling thread, for all later calls.
///
/// A wait continues after a signal handler has run, unless `BB_WAIT_INTERRUPTIBLE` is set: then it returns
/// `BB_E_INTERRUPTED`. Nothing is lost: repeating the call continues what the first one began, so that calls that are
/// interrupted repeatedly still finish. Each function documents what it continues.
///
/// A signal that is handled just before the thread sleeps does not end the wait; use `bb_set_wait_check()` if that
/// matters. A thread that has a wait check ignores this flag.
///
/// @param flags `BB_WAIT_INTERRUPTIBLE` or 0
/// @return BB_OK, BB_E_ARGUMENT (unknown flags)
/// @realtime wait-free, no system call, no allocation
/// @threadsafety safe to call from any thread; applies to the calling thread
#[unsafe(no_mangle)]
pub extern "C" fn bb_set_wait_flags(flags: u32) -> bb_status {
    guard("bb_set_wait_flags", || {
        let flags: WaitFlags = input::flags(flags, "flags")?;
        crate::sync::wait_check::set_interruptible(flags.contains(WaitFlags::INTERRUPTIBLE));
        Ok(())
    })
}

/// Sets how the waits of the process pass the time until they sleep, for all waits that begin later.
///
/// A thread that sleeps must be woken, which takes 10 to 100 us. By default (`BB_WAIT_POLICY_ADAPTIVE`) a wait therefore
/// first polls for as long as a wake costs, as measured in the waits of this process. A waiter that was not answered in
/// that time polls ever shorter and soon not at all, and beside threads that compete for its CPU it sleeps at once.
/// `BB_WAIT_POLICY_SLEEP` never polls; `BB_WAIT_POLICY_SPIN` always polls for `max_spin_ns`, for programs whose threads
/// have CPUs of their own.
///
/// Whatever the policy, a wait never polls for longer than `BB_WAIT_MAX_SPIN_NS`, on a thread with real-time priority,
/// or in a process that may use one CPU only.
///
/// @param policy `BB_WAIT_POLICY_ADAPTIVE`, `BB_WAIT_POLICY_SLEEP` or `BB_WAIT_POLICY_SPIN`
/// @param max_spin_ns the longest spin in nanoseconds, at most `BB_WAIT_MAX_SPIN_NS`; 0 with `BB_WAIT_POLICY_SLEEP`
/// @return BB_OK, BB_E_ARGUMENT (unknown policy, or a spin of one that never spins), BB_E_RANGE (a longer spin)
/// @realtime wait-free, no system call, no allocation
/// @threadsafety safe to call from any thread; applies to the process
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_set_wait_policy(policy: u32, max_spin_ns: u64) -> bb_status {
    guard("bb_set_wait_policy", || {
        let max_spin = Duration::from_nanos(max_spin_ns);
        set_wait_policy(match policy {
            BB_WAIT_POLICY_ADAPTIVE => WaitPolicy::Adaptive { max_spin },
            BB_WAIT_POLICY_SPIN => WaitPolicy::Spin { max_spin },
            BB_WAIT_POLICY_SLEEP if max_spin_ns == 0 => WaitPolicy::Sleep,
            BB_WAIT_POLICY_SLEEP => {
                let reason = "give 0: this policy never spins";
                return Err(Error::value(Status::Argument, "max_spin_ns", max_spin_ns, reason));
            }
            _ => {
                let reason = "use BB_WAIT_POLICY_ADAPTIVE, BB_WAIT_POLICY_SLEEP or BB_WAIT_POLICY_SPIN";
                return Err(Error::value(Status::Argument, "policy", policy, reason));
            }
        })
    })
}

/// Decides whether a wait of the calling thread continues: 0 continues it, any other number ends it with
/// `BB_E_INTERRUPTED`.
pub type bb_wait_check_fn = Option<unsafe extern "C" fn(user_data: *mut c_void) -> i32>;

/// A wait check with its user data.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bb_wait_check {
    /// The function, or NULL for no check.
    pub function: bb_wait_check_fn,
    /// Passed to it.
    pub user_data: *mut c_void,
}

/// Sets a function that all later waits of the calling thread call to decide whether to continue.
///
/// A wait calls it on the waiting thread, every 50 ms and after each handled signal. If it returns 0 the wait
/// continues with the same deadline and watchdog; otherwise the call returns `BB_E_INTERRUPTED`. A
/// `bb_manager_destroy()` that is interrupted has ended the manager, though one of its callbacks may still run. A
/// call with a timeout of 0 does not wait and does not call the function. Driver calls and memory copies are not
/// interrupted.
///
/// The library holds no lock while the function runs: it may call the library, also on the object that is waited for.
/// Destroying that object is `BB_E_RECURSIVE`; calls on the ring end that waits are `BB_E_BUSY`. While the function
/// runs the thread has no wait check; one that it sets is removed when it returns. It must not throw or `longjmp`.
///
/// @param function the wait check, or NULL for none
/// @param user_data passed to it
/// @param previous the previous wait check is written here, so that it can be restored; may be NULL
/// @return BB_OK
/// @realtime wait-free, no system call, no allocation
/// @threadsafety safe to call from any thread; applies to the calling thread
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_set_wait_check(
    function: bb_wait_check_fn,
    user_data: *mut c_void,
    previous: *mut bb_wait_check,
) -> bb_status {
    let before = match wait_check::exchange(function.map(|function| Check::Function(function, user_data))) {
        Some(Check::Function(function, user_data)) => bb_wait_check { function: Some(function), user_data },
        // C cannot restore a Rust closure.
        Some(Check::Closure(_)) | None => bb_wait_check { function: None, user_data: std::ptr::null_mut() },
    };
    // SAFETY: the header requires NULL or memory for a check.
    let _ = unsafe { input::set_optional(previous, before) };
    bb_status::BB_OK
}

/// Writes a text that lists every manager, ring, waiter, lease and open task with its age and thread.
///
/// @param write takes the text in pieces, on the calling thread; must not call this library
/// @param user_data passed to `write`
/// @return BB_OK, BB_E_NULL
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_debug_dump(write: bb_write_fn, user_data: *mut c_void) -> bb_status {
    guard("bb_debug_dump", || {
        let write = input::function(write, "write")?;
        // SAFETY: the header requires a function that takes this data.
        let mut writer = unsafe { Writer::new(write, user_data) };
        dump::dump(&mut |text| writer.write(text));
        Ok(())
    })
}

/// Writes the text of `bb_debug_dump()` to a file descriptor. It takes no lock and allocates nothing, so that a
/// debugger or a signal handler can call it.
///
/// @param fd an open descriptor, such as 2
/// @return BB_OK, BB_E_ARGUMENT (it cannot be written to)
/// @realtime may block, may make a system call, no allocation
/// @threadsafety safe to call from any thread, and async-signal-safe
#[unsafe(no_mangle)]
pub extern "C" fn bb_debug_dump_fd(fd: i32) -> bb_status {
    guard("bb_debug_dump_fd", || dump::dump_fd(fd))
}

/// Checks whether `handle` is a live object of this copy of the library, of any kind. Sets no message.
///
/// @param handle any value
/// @return BB_OK, BB_E_NULL, BB_E_HANDLE (not this copy's), BB_E_STALE, BB_E_FORKED
/// @realtime wait-free, no system call, no allocation
/// @threadsafety safe to call from any thread; the result may be outdated when it returns
#[unsafe(no_mangle)]
pub extern "C" fn bb_handle_check(handle: *const c_void) -> bb_status {
    object::check(handle as u64).map_or_else(bb_status::from, |()| bb_status::BB_OK)
}
