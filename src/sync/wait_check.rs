//! Wait checks: a function that a thread's waits call repeatedly and that may end them.
//!
//! A long wait is cut into slices and stays one wait: one deadline, one watchdog, one position in the order. The check runs
//! between two sleeps, with no lock held and the thread not registered as a sleeper, so that it may use the library itself.

use std::cell::Cell;
use std::ffi::c_void;

use crate::error::{Error, Status};
use crate::sys::clock::{Deadline, now};

/// The reason that a wait ended early.
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

/// How long a wait sleeps before it calls the check: a signal that was handled just before the sleep does not end it.
const SLICE_NS: u64 = 50_000_000;

/// The check of a thread.
#[derive(Clone, Copy)]
pub(crate) enum Check {
    /// A C function with its user data. 0: the wait continues.
    Function(unsafe extern "C" fn(*mut c_void) -> i32, *mut c_void),
    /// A closure of [`with_wait_check`], which outlives the entry: true ends the wait.
    Closure(*const (dyn Fn() -> bool + 'static)),
}

/// How the waits of a thread deal with signals.
#[derive(Clone, Copy)]
struct Listening {
    /// A signal handler that ran during a wait ends it.
    interruptible: bool,
    check: Option<Check>,
    /// When the check is to be called next; 0 before the first wait.
    due: u64,
}

thread_local!(static LISTENING: Cell<Listening> =
    const { Cell::new(Listening { interruptible: false, check: None, due: 0 }) });

/// Whether a wait of the calling thread ends with [`Status::Interrupted`](crate::Status::Interrupted) when the thread handles
/// a signal during it. Repeating the call continues the wait: nothing is lost.
///
/// A handler that has run just before the thread slept ends nothing; [`with_wait_check`] has no such gap, and where there is a
/// check, it alone decides.
///
/// ```
/// backbuf::set_interruptible(true);
/// backbuf::set_interruptible(false);
/// ```
pub fn set_interruptible(on: bool) {
    LISTENING.set(Listening { interruptible: on, ..LISTENING.get() });
}

/// Runs `work`, whose waits on this thread call `check` every 50 ms and whenever the thread has handled a signal. A wait for
/// which it returns true ends with [`Status::Interrupted`](crate::Status::Interrupted); otherwise that same wait continues. No
/// lock is held while it runs: it may use the library. Waits inside of it have no check, unless it sets one of its own.
///
/// ```
/// use backbuf::{Manager, Status, Timeout};
/// let manager = Manager::<u8>::new(&[1])?;
/// let (sender, receiver) = std::sync::mpsc::channel();
/// sender.send("stop").unwrap();
/// let waited = backbuf::with_wait_check(|| receiver.try_recv().is_ok(), || manager.wait_epoch(0, Timeout::FOREVER));
/// assert_eq!(waited.unwrap_err().status(), Status::Interrupted);
/// # Ok::<(), backbuf::Error>(())
/// ```
pub fn with_wait_check<R>(check: impl Fn() -> bool, work: impl FnOnce() -> R) -> R {
    struct Restore(Option<Check>);

    impl Drop for Restore {
        fn drop(&mut self) {
            exchange(self.0);
        }
    }

    let check: &dyn Fn() -> bool = &check;
    // SAFETY: only the lifetime changes, and `Restore` takes the entry out before the closure is dropped.
    let entry =
        unsafe { std::mem::transmute::<*const dyn Fn() -> bool, *const (dyn Fn() -> bool + 'static)>(check) };
    let _restore = Restore(exchange(Some(Check::Closure(entry))));
    work()
}

/// Sets the check of the calling thread and returns the previous one.
pub(crate) fn exchange(check: Option<Check>) -> Option<Check> {
    let before = LISTENING.get();
    LISTENING.set(Listening { check, due: 0, ..before });
    before.check
}

/// Whether signals can end waits of the calling thread, by its setting or its check.
pub(crate) fn listens() -> bool {
    let listening = LISTENING.get();
    listening.interruptible || listening.check.is_some()
}

/// Whether only an interrupted sleep in the kernel shows that a signal was handled, so that the thread must not wait elsewhere.
pub(crate) fn listens_asleep() -> bool {
    let listening = LISTENING.get();
    listening.interruptible && listening.check.is_none()
}

/// When the next slice of a wait ends.
fn slice(deadline: Deadline) -> Deadline {
    let listening = LISTENING.get();
    if listening.check.is_none() {
        return deadline;
    }
    deadline.min(Deadline::at(due(listening)))
}

/// When the check is to be called next.
fn due(listening: Listening) -> u64 {
    if listening.due != 0 {
        return listening.due;
    }
    let due = now() + SLICE_NS;
    LISTENING.set(Listening { due, ..listening });
    due
}

/// Whether the wait ends, asked between two of its sleeps; `signalled`: a signal ended the last one. Calls the thread's check,
/// if it has one, after a signal or at the end of a slice.
pub(crate) fn ends(signalled: bool) -> bool {
    let listening = LISTENING.get();
    let Some(check) = listening.check else { return signalled && listening.interruptible };
    if !signalled && now() < due(listening) {
        return false;
    }
    struct Restore(Listening);

    impl Drop for Restore {
        fn drop(&mut self) {
            LISTENING.set(Listening { due: now() + SLICE_NS, ..self.0 });
        }
    }

    // The thread has no check while its check runs; one that the check sets ends with it.
    let _restore = Restore(listening);
    exchange(None);
    match check {
        // SAFETY: by the contract of its setter it may be called on this thread, with this data, until another is set.
        Check::Function(function, user_data) => (unsafe { function(user_data) }) != 0,
        // SAFETY: the closure lives until its entry is taken out, by the frame that owns it further up.
        Check::Closure(closure) => (unsafe { &*closure })(),
    }
}

/// Sleeps in slices until `park` returns a value, the deadline passes or the check ends the wait. `park` sleeps until the given
/// limit; its flag says whether signals end the sleep.
pub(crate) fn in_slices<T>(
    deadline: Deadline,
    mut park: impl FnMut(Deadline, bool) -> Result<T, Stop>,
) -> Result<T, Stop> {
    loop {
        let limit = slice(deadline);
        let stop = match park(limit, listens()) {
            Ok(value) => return Ok(value),
            Err(stop) => stop,
        };
        let over = stop == Stop::TimedOut && limit < deadline;
        if !over && stop != Stop::Signalled {
            return Err(stop);
        }
        if ends(stop == Stop::Signalled) {
            return Err(Stop::Interrupted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::event::Event;
    use crate::sys::clock::Timeout;

    #[test]
    fn a_check_is_called_again_and_again_in_one_wait() {
        let (event, calls) = (Event::new(), Cell::new(0));
        let waited = with_wait_check(
            || calls.replace(calls.get() + 1) == 2,
            || event.wait(Deadline::NEVER, || None::<()>),
        );
        assert_eq!((waited, calls.get()), (Err(Stop::Interrupted), 3));
        assert!(!listens(), "it ends with its block");
        let waited = with_wait_check(
            || false,
            || event.wait(Deadline::after(Timeout::nanos(60_000_000)), || None::<()>),
        );
        assert_eq!(waited, Err(Stop::TimedOut), "slices do not lengthen a wait");
        let waited = with_wait_check(|| true, || event.wait(Deadline::PAST, || None::<()>));
        assert_eq!(waited, Err(Stop::TimedOut), "a call that does not wait does not call it");
    }

    #[test]
    fn a_check_has_a_check_of_its_own_only_where_it_sets_one() {
        let event = Event::new();
        let brief = || event.wait(Deadline::after(Timeout::nanos(60_000_000)), || None::<()>);
        let check = || {
            let inner = (brief(), with_wait_check(|| true, brief), brief());
            inner == (Err(Stop::TimedOut), Err(Stop::Interrupted), Err(Stop::TimedOut)) && !listens()
        };
        let waited = with_wait_check(check, || event.wait(Deadline::NEVER, || None::<()>));
        assert_eq!(waited, Err(Stop::Interrupted));
    }

    #[test]
    fn a_panic_in_a_check_leaves_the_thread_as_it_was() {
        let event = Event::new();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            with_wait_check(|| panic!("on purpose"), || event.wait(Deadline::NEVER, || None::<()>))
        }));
        assert!(panicked.is_err() && !listens());
    }
}
