//! Waits on an event: an adaptive spin, then a sleep on a futex, cut into slices for the wait check.

use crate::sync::event::Event;
use crate::sync::spinner::Spinner;
use crate::sync::wait_check::{Stop, in_slices};
use crate::sys::clock::Deadline;

impl Event {
    /// Waits until `ready` returns a value: spins while that is worthwhile, then sleeps.
    pub(crate) fn wait<T>(&self, deadline: Deadline, ready: impl FnMut() -> Option<T>) -> Result<T, Stop> {
        self.wait_with(self.spinner(), deadline, ready)
    }

    /// [`Event::wait`] of a waiter that learns apart from the others.
    pub(crate) fn wait_with<T>(
        &self,
        spinner: &Spinner,
        deadline: Deadline,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<T, Stop> {
        match self.known(deadline, &mut ready) {
            Some(known) => known,
            None => spinner.wait(self.stamp(), deadline, ready, |ready| self.sleep(deadline, ready)),
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
        match self.known(deadline, &mut ready) {
            Some(known) => known,
            None => {
                let sleep = |ready| self.park(deadline, false, ready);
                self.spinner().wait(self.stamp(), deadline, ready, sleep)
            }
        }
    }

    /// The result if it is known without a wait.
    fn known<T>(&self, deadline: Deadline, mut ready: impl FnMut() -> Option<T>) -> Option<Result<T, Stop>> {
        match ready() {
            Some(value) => Some(Ok(value)),
            None => (deadline == Deadline::PAST).then_some(Err(Stop::TimedOut)),
        }
    }
}
