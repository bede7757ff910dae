//! The monotonic clock: timeouts, deadlines and short sleeps.

use std::time::Duration;

use rustix::thread::{NanosleepRelativeResult, nanosleep};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// How long a call may wait, in nanoseconds.
///
/// ```
/// use backbuf::Timeout;
/// use std::time::Duration;
/// assert_eq!(Timeout::from(Duration::from_micros(5)), Timeout::nanos(5_000));
/// assert_eq!(Timeout::nanos(0), Timeout::TRY);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeout(u64);

impl Timeout {
    /// Do not wait at all.
    pub const TRY: Timeout = Timeout(0);
    /// Wait for as long as it takes.
    pub const FOREVER: Timeout = Timeout(u64::MAX);

    /// That many nanoseconds; 0 is [`Timeout::TRY`], the largest value is [`Timeout::FOREVER`].
    pub const fn nanos(nanoseconds: u64) -> Timeout {
        Timeout(nanoseconds)
    }

    /// The nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

impl From<Duration> for Timeout {
    fn from(duration: Duration) -> Timeout {
        Timeout(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// A point on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deadline(u64);

impl Deadline {
    pub(crate) const NEVER: Deadline = Deadline(u64::MAX);
    pub(crate) const PAST: Deadline = Deadline(0);

    /// `timeout` from now. The clock is read only for a real timeout.
    pub(crate) fn after(timeout: Timeout) -> Deadline {
        match timeout {
            Timeout::TRY => Deadline::PAST,
            Timeout::FOREVER => Deadline::NEVER,
            Timeout(nanoseconds) => Deadline(now().saturating_add(nanoseconds)),
        }
    }

    pub(crate) fn at(nanoseconds: u64) -> Deadline {
        Deadline(nanoseconds)
    }

    /// Nanoseconds of the monotonic clock then.
    pub(crate) fn at_nanos(self) -> u64 {
        self.0
    }

    pub(crate) fn passed(self) -> bool {
        self != Deadline::NEVER && (self == Deadline::PAST || now() >= self.0)
    }

    /// Nanoseconds until then.
    pub(crate) fn left(self) -> u64 {
        match self {
            Deadline::NEVER | Deadline::PAST => self.0,
            Deadline(at) => at.saturating_sub(now()),
        }
    }

    /// For the kernel; `None` waits for ever.
    pub(crate) fn timespec(self) -> Option<Timespec> {
        (self != Deadline::NEVER).then_some(Timespec {
            tv_sec: (self.0 / 1_000_000_000) as i64,
            tv_nsec: (self.0 % 1_000_000_000) as i64,
        })
    }
}

/// Nanoseconds on the monotonic clock.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Sleeps for at most a second, or until the thread handles a signal. Returns whether a signal ended it.
pub(crate) fn nap(nanoseconds: u64) -> bool {
    let time = Timespec { tv_sec: 0, tv_nsec: nanoseconds.min(999_999_999) as i64 };
    matches!(nanosleep(&time), NanosleepRelativeResult::Interrupted(_))
}
