//! The event count, and waits for tickets on it.

use loom::sync::Arc;
use loom::thread;

use super::event::Event;
use crate::harness::explore;
use crate::sync::atomic::{AtomicU64, Ordering::*};
use crate::sync::wait_check::Stop;
use crate::sys::clock::Deadline;
use crate::sys::futex;

/// Shared state of a manager's callers and its worker: tickets given out and completed.
#[derive(Default)]
struct Tickets {
    requested: AtomicU64,
    completed: AtomicU64,
    /// Where callers wait, and where the worker waits.
    progress: Event,
    work: Event,
}

impl Tickets {
    fn done(&self, ticket: u64) -> Option<()> {
        (self.completed.load(Acquire) >= ticket).then_some(())
    }

    fn complete(&self, ticket: u64) {
        self.completed.store(ticket, Release);
        self.progress.signal();
    }
}

/// A wait as the library's: it polls, if the exploration says so, and then sleeps.
fn wait<T>(event: &Event, deadline: Deadline, ready: impl FnMut() -> Option<T>) -> Result<T, Stop> {
    event.spinner().wait(event.stamp(), deadline, ready, |ready| event.park(deadline, false, ready))
}

/// A waiter is woken, however going to sleep and the signal interleave.
pub fn a_wake_up_is_not_lost() {
    explore(4, || {
        let tickets = Arc::new(Tickets::default());
        let waiter = tickets.clone();
        let waiter = thread::spawn(move || wait(&waiter.progress, Deadline::NEVER, || waiter.done(1)));
        tickets.complete(1);
        assert_eq!(waiter.join().unwrap(), Ok(()));
    });
}

/// Several callers share the event, each with its own ticket.
pub fn several_tickets_share_an_event() {
    explore(2, || {
        let tickets = Arc::new(Tickets::default());
        let wait_for = |ticket| {
            let tickets = tickets.clone();
            thread::spawn(move || wait(&tickets.progress, Deadline::NEVER, || tickets.done(ticket)))
        };
        let (first, second) = (wait_for(1), wait_for(2));
        tickets.complete(1);
        tickets.complete(2);
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (Ok(()), Ok(())));
    });
}

/// A caller signals the worker and waits; the worker sleeps until it is signalled. Neither misses the other.
pub fn the_worker_is_asked_and_answers() {
    explore(3, || {
        let tickets = Arc::new(Tickets::default());
        let worker = tickets.clone();
        let worker = thread::spawn(move || {
            let wanted = || Some(worker.requested.load(Acquire)).filter(|&ticket| ticket > 0);
            let ticket = wait(&worker.work, Deadline::NEVER, wanted).unwrap();
            worker.complete(ticket);
        });
        tickets.requested.fetch_max(1, AcqRel);
        tickets.work.signal();
        assert_eq!(wait(&tickets.progress, Deadline::NEVER, || tickets.done(1)), Ok(()));
        worker.join().unwrap();
    });
}

/// A wait that timed out does not disturb the next one: the ticket completes, and its waiter is woken.
pub fn a_timeout_does_not_poison_the_next_wait() {
    explore(2, || {
        let tickets = Arc::new(Tickets::default());
        let waiter = tickets.clone();
        let waiter = thread::spawn(move || {
            let first = wait(&waiter.progress, Deadline::SOON, || waiter.done(1));
            assert!(matches!(first, Ok(()) | Err(Stop::TimedOut)));
            wait(&waiter.progress, Deadline::NEVER, || waiter.done(1))
        });
        let clock = thread::spawn(futex::expire);
        tickets.complete(1);
        assert_eq!(waiter.join().unwrap(), Ok(()));
        clock.join().unwrap();
    });
}
