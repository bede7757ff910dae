//! Waiting: timeouts on the monotonic clock, a spin of at most 2 µs, then sleep on a futex; descriptors for event loops.

pub(crate) mod check;
pub(crate) mod descriptor;
pub(crate) mod event;
pub(crate) mod futex;

use crate::wait::check::in_slices;
use crate::wait::event::Event;
use std::cell::Cell;
use std::time::Duration;

pub use check::{set_interruptible, with_wait_check};

use crate::error::{Error, Status};

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

    /// For the kernel: None waits for ever. Seconds are capped far beyond any uptime.
    fn timespec(self) -> Option<libc::timespec> {
        (self != Deadline::NEVER).then_some(libc::timespec {
            tv_sec: (self.0 / 1_000_000_000) as libc::time_t,
            tv_nsec: (self.0 % 1_000_000_000) as libc::c_long,
        })
    }
}

/// Why a wait ended without what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The deadline has passed.
    TimedOut,
    /// The thread has handled a signal: its wait check is called, and the wait may go on.
    Signalled,
    /// The wait check, or a signal of a thread that is interruptible, ended the wait.
    Interrupted,
    /// What was waited for has ended.
    Ended,
}

impl From<Stop> for Error {
    fn from(stop: Stop) -> Error {
        Error::of(match stop {
            Stop::TimedOut => Status::Timeout,
            Stop::Signalled | Stop::Interrupted => Status::Interrupted,
            Stop::Ended => Status::Closed,
        })
    }
}

/// Nanoseconds on the monotonic clock.
pub(crate) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to a local; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The kernel's number of the calling thread.
pub(crate) fn thread_id() -> u32 {
    thread_local!(static ID: Cell<u32> = const { Cell::new(0) });
    ID.with(|id| {
        if id.get() == 0 {
            // SAFETY: takes nothing, cannot fail.
            id.set(unsafe { libc::syscall(libc::SYS_gettid) } as u32);
        }
        id.get()
    })
}

/// How long a wait spins before it sleeps.
const SPIN_NS: u64 = 2_000;

/// Looks at `ready` for at most 2 µs by the clock.
pub(crate) fn spin<T>(mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    let end = now() + SPIN_NS;
    loop {
        for _ in 0..16 {
            if let Some(value) = ready() {
                return Some(value);
            }
            crate::sync::spin();
        }
        if now() >= end {
            return None;
        }
    }
}

impl Event {
    /// Waits until `ready` gives something: spins briefly, then sleeps.
    pub(crate) fn wait<T>(
        &self,
        deadline: Deadline,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<T, Stop> {
        match self.spin(deadline, &mut ready) {
            None => self.sleep(deadline, ready),
            Some(known) => known,
        }
    }

    /// The same without the spin.
    pub(crate) fn sleep<T>(
        &self,
        deadline: Deadline,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<T, Stop> {
        in_slices(deadline, |limit, listens| self.park(limit, listens, &mut ready))
    }

    /// A wait that neither signals nor the thread's wait check end: for what must be over before the call can return.
    pub(crate) fn wait_through<T>(
        &self,
        deadline: Deadline,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<T, Stop> {
        match self.spin(deadline, &mut ready) {
            None => self.park(deadline, false, ready),
            Some(known) => known,
        }
    }

    /// What is known without a sleep.
    fn spin<T>(&self, deadline: Deadline, mut ready: impl FnMut() -> Option<T>) -> Option<Result<T, Stop>> {
        if let Some(value) = ready() {
            return Some(Ok(value));
        }
        if deadline == Deadline::PAST {
            return Some(Err(Stop::TimedOut));
        }
        spin(ready).map(Ok)
    }
}

/// Sleeps for that long, or until the thread handles a signal; says whether that was so.
pub(crate) fn nap(nanoseconds: u64) -> bool {
    let time = libc::timespec { tv_sec: 0, tv_nsec: nanoseconds.min(999_999_999) as libc::c_long };
    // SAFETY: reads a local.
    unsafe { libc::nanosleep(&time, std::ptr::null_mut()) != 0 }
}
