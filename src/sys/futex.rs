//! The one place that parks a thread. `syscall` is no cancellation point, and nothing here allocates.

use std::sync::atomic::AtomicU32;

use crate::sys::clock::Deadline;

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slept {
    /// Woken, or the word had changed, or for no reason: look again.
    Again,
    /// The deadline has passed.
    TimedOut,
    /// This thread has handled a signal.
    Signalled,
}

/// Sleeps while `*word == expected`, until woken or the deadline.
pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> Slept {
    let time = deadline.timespec();
    let until = time.as_ref().map_or(std::ptr::null(), |time| time as *const libc::timespec);
    let operation = libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word outlives the call, and the time is null or a local.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            operation,
            expected,
            until,
            std::ptr::null::<u32>(),
            u32::MAX,
        )
    };
    if result == 0 {
        return Slept::Again;
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::ETIMEDOUT) => Slept::TimedOut,
        Some(libc::EINTR) => Slept::Signalled,
        _ => Slept::Again,
    }
}

/// Wakes up to `count` sleepers.
pub(crate) fn wake(word: &AtomicU32, count: i32) {
    // SAFETY: waking only uses the address as a key.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, count);
    }
}
