//! Waits on an event: a spin of at most 2 µs, then sleep on a futex, cut into slices for the wait check.

use crate::sync::event::Event;
use crate::sync::wait_check::{Stop, in_slices};
use crate::sys::clock::{Deadline, now};

/// How long a wait spins before it sleeps.
const SPIN_NS: u64 = 2_000;

/// Polls `ready` for at most 2 µs.
pub(crate) fn spin<T>(mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    let end = now() + SPIN_NS;
    loop {
        for _ in 0..16 {
            if let Some(value) = ready() {
                return Some(value);
            }
            std::hint::spin_loop();
        }
        if now() >= end {
            return None;
        }
    }
}

impl Event {
    /// Waits until `ready` returns a value: spins briefly, then sleeps.
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

    /// [`Event::wait`] without the spin.
    pub(crate) fn sleep<T>(
        &self,
        deadline: Deadline,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<T, Stop> {
        in_slices(deadline, |limit, listens| self.park(limit, listens, &mut ready))
    }

    /// A wait that neither signals nor the thread's wait check end, for work that must be over before the call can return.
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

    /// The result if it is known without a sleep.
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
