//! The one place that parks a thread. `syscall` is no cancellation point, and nothing here allocates.

use std::sync::atomic::AtomicU32;

use super::{Deadline, Timeout, interruptible};

/// How long a thread sleeps that wants to hear of signals. One that was handled just before it slept has woken nobody: nothing
/// but another look finds it.
const LOOK: Timeout = Timeout::nanos(50_000_000);

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slept {
    /// Woken, or the word had changed, or for no reason: look again.
    Again,
    /// The deadline has passed.
    TimedOut,
    /// A signal was handled by this thread, or may have been before it slept.
    Signalled,
}

/// Sleeps while `*word == expected`, until woken or the deadline.
pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> Slept {
    let limit = if interruptible() { deadline.min(Deadline::after(LOOK)) } else { deadline };
    let time = limit.timespec();
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
        Some(libc::ETIMEDOUT) if limit < deadline => Slept::Signalled,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_to_hear_of_signals_is_told_to_look_again() {
        let word = AtomicU32::new(7);
        let soon = || Deadline::after(Timeout::nanos(1_000_000));
        assert_eq!(wait(&word, 7, soon()), Slept::TimedOut);
        crate::set_interruptible(true);
        assert_eq!(wait(&word, 7, soon()), Slept::TimedOut, "the deadline comes first");
        assert_eq!(wait(&word, 8, Deadline::NEVER), Slept::Again);
        assert_eq!(wait(&word, 7, Deadline::NEVER), Slept::Signalled, "and it does not sleep for ever");
        crate::set_interruptible(false);
    }
}
