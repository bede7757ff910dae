//! Futex wait and wake: the calls that park and unpark a thread. Neither allocates nor is a cancellation point.

use std::num::NonZeroU32;
use std::sync::atomic::AtomicU32;

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags};

use crate::sys::clock::Deadline;

/// How a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slept {
    /// Woken, or the word had changed, or spuriously: check the condition again.
    Again,
    /// The deadline has passed.
    TimedOut,
    /// This thread has handled a signal.
    Signalled,
}

/// Sleeps while `*word == expected`, until woken or the deadline.
pub(crate) fn wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> Slept {
    // Unlike FUTEX_WAIT, this takes an absolute time.
    match futex::wait_bitset(word, Flags::PRIVATE, expected, deadline.timespec().as_ref(), NonZeroU32::MAX) {
        Err(Errno::TIMEDOUT) => Slept::TimedOut,
        Err(Errno::INTR) => Slept::Signalled,
        _ => Slept::Again,
    }
}

/// Wakes up to `count` sleepers.
pub(crate) fn wake(word: &AtomicU32, count: u32) {
    // The kernel reads the count as a signed number: u32::MAX would be -1, and wake one sleeper.
    let count = count.min(i32::MAX as u32);
    // Fails only for a word outside of the address space.
    let _ = futex::wake(word, Flags::PRIVATE, count);
}
