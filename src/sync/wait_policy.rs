//! The wait policy of the process: whether, and for how long at most, waits spin before they sleep.

use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::Duration;

use crate::error::{Error, Result, Status};

/// How a wait passes the time until it sleeps. The default, [`WaitPolicy::Adaptive`], suits programs that know nothing of the machine
/// and of each other.
///
/// Whatever the policy, a wait never spins for more than [`WaitPolicy::MAX_SPIN`], on a thread with real-time priority, or where the
/// process has one CPU only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitPolicy {
    /// Spins for as long as a sleep would cost, as measured in this process, and at most `max_spin`. A waiter that was not answered
    /// in that time spins ever shorter, and soon not at all. Where threads compete for CPUs, waits sleep at once.
    Adaptive {
        /// At most [`WaitPolicy::MAX_SPIN`].
        max_spin: Duration,
    },
    /// Sleeps at once.
    Sleep,
    /// Spins for `max_spin`, then sleeps: for programs whose threads have CPUs of their own.
    Spin {
        /// At most [`WaitPolicy::MAX_SPIN`].
        max_spin: Duration,
    },
}

impl WaitPolicy {
    /// The longest spin of a wait: 100 µs.
    pub const MAX_SPIN: Duration = Duration::from_nanos(MAX_SPIN_NS);
}

impl Default for WaitPolicy {
    fn default() -> WaitPolicy {
        WaitPolicy::Adaptive { max_spin: WaitPolicy::MAX_SPIN }
    }
}

/// [`WaitPolicy::MAX_SPIN`] in nanoseconds.
pub(crate) const MAX_SPIN_NS: u64 = 100_000;

/// The longest spin in nanoseconds, with [`ALWAYS`] for [`WaitPolicy::Spin`].
static POLICY: AtomicU64 = AtomicU64::new(MAX_SPIN_NS);
const ALWAYS: u64 = 1 << 63;

/// Sets the wait policy of the process, for all waits that begin later. Any thread may call it. Fails with
/// [`Status::Range`](crate::Status::Range) for a spin longer than [`WaitPolicy::MAX_SPIN`].
///
/// ```
/// use backbuf::{WaitPolicy, set_wait_policy};
/// use std::time::Duration;
/// set_wait_policy(WaitPolicy::Adaptive { max_spin: Duration::from_micros(10) })?;
/// set_wait_policy(WaitPolicy::default())?;
/// # Ok::<(), backbuf::Error>(())
/// ```
pub fn set_wait_policy(policy: WaitPolicy) -> Result<()> {
    let word = match policy {
        WaitPolicy::Adaptive { max_spin } => checked(max_spin)?,
        WaitPolicy::Sleep => 0,
        WaitPolicy::Spin { max_spin } => match checked(max_spin)? {
            0 => 0,
            nanoseconds => nanoseconds | ALWAYS,
        },
    };
    POLICY.store(word, Relaxed);
    Ok(())
}

fn checked(max_spin: Duration) -> Result<u64> {
    let nanoseconds = u64::try_from(max_spin.as_nanos()).unwrap_or(u64::MAX);
    if nanoseconds > MAX_SPIN_NS {
        let reason = "a wait spins for at most 100000 ns";
        return Err(Error::value(Status::Range, "max_spin_ns", nanoseconds, reason));
    }
    Ok(nanoseconds)
}

/// The longest spin of a wait in nanoseconds, 0 for none, and whether each wait spins so long.
#[inline(always)]
pub(crate) fn current() -> (u64, bool) {
    let word = POLICY.load(Relaxed);
    (word & !ALWAYS, word & ALWAYS != 0)
}

/// Runs `test` once with each policy, and restores the default. Tests that call it run one after the other.
#[cfg(test)]
pub(crate) fn with_each(mut test: impl FnMut(WaitPolicy)) {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

    struct Restore;

    impl Drop for Restore {
        fn drop(&mut self) {
            set_wait_policy(WaitPolicy::default()).unwrap();
        }
    }

    let _locked = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let _restore = Restore;
    let spin = WaitPolicy::Spin { max_spin: WaitPolicy::MAX_SPIN };
    for policy in [WaitPolicy::default(), WaitPolicy::Sleep, spin] {
        set_wait_policy(policy).unwrap();
        test(policy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_stored_whole_or_not_at_all() {
        with_each(|policy| {
            let expected = match policy {
                WaitPolicy::Adaptive { .. } => (MAX_SPIN_NS, false),
                WaitPolicy::Sleep => (0, false),
                WaitPolicy::Spin { .. } => (MAX_SPIN_NS, true),
            };
            assert_eq!(current(), expected);
            for max_spin in [WaitPolicy::MAX_SPIN + Duration::from_nanos(1), Duration::MAX] {
                for refused in [WaitPolicy::Adaptive { max_spin }, WaitPolicy::Spin { max_spin }] {
                    assert_eq!(set_wait_policy(refused).unwrap_err().status(), Status::Range);
                }
            }
            assert_eq!(current(), expected);
            set_wait_policy(WaitPolicy::Spin { max_spin: Duration::ZERO }).unwrap();
            assert_eq!(current(), (0, false), "a spin of no time is none");
        });
        assert_eq!(current(), (MAX_SPIN_NS, false));
    }
}
