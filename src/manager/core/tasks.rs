//! Open tasks and other backend work: publishes wait for it, and the watchdog reports it when it stalls.

use crate::error::{Error, Label, Result, Status};
use crate::sync::atomic::{AtomicU64, Ordering::*};
use crate::sync::mutex::FutexMutex;
use crate::sys::clock::now;
use crate::sys::thread::thread_id;

/// The value of `oldest` without an open task.
const NONE: u64 = u64::MAX;

/// Maximum number of open tasks.
const MAX_TASKS: usize = 4096;

/// One piece of backend work: a task, a flush, a kernel, an upload, or a reserved back copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BackendWork {
    pub(crate) what: &'static str,
    pub(crate) label: Label,
    pub(crate) thread: u32,
    pub(crate) began: u64,
    /// Its number in the order of tasks and tickets; 0 if it is no task.
    pub(crate) number: u64,
    /// The number of the watchdog's report of it; 0 for none.
    reported: u64,
}

impl BackendWork {
    pub(crate) fn new(what: &'static str, label: Label, number: u64) -> BackendWork {
        BackendWork { what, label, thread: thread_id(), began: now(), number, reported: 0 }
    }

    pub(crate) fn age(&self) -> u64 {
        now().saturating_sub(self.began)
    }
}

#[derive(Debug)]
struct OpenWork {
    tasks: Vec<BackendWork>,
    /// The work of the role holder, if it may take long.
    busy: Option<BackendWork>,
}

/// All open work of a manager.
#[derive(Debug)]
pub(crate) struct Tasks {
    open: FutexMutex<OpenWork>,
    /// Tasks begun so far.
    begun: AtomicU64,
    /// Stalls reported so far.
    reports: AtomicU64,
    /// The lowest number of an open task, or a lower bound while one begins.
    oldest: AtomicU64,
}

/// The watchdog's answer to a waiter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StallCheck {
    /// Work that has lasted too long and that this waiter has not reported yet. True if no other waiter has.
    Stalled(BackendWork, bool),
    /// No work has; check again at that time.
    Until(u64),
}

impl Tasks {
    pub(crate) fn new() -> Tasks {
        Tasks {
            open: FutexMutex::new(OpenWork { tasks: Vec::with_capacity(16), busy: None }),
            begun: AtomicU64::new(0),
            reports: AtomicU64::new(0),
            oldest: AtomicU64::new(NONE),
        }
    }

    /// Begins a task and returns its number, taken from `numbers`.
    pub(crate) fn begin(&self, label: Label, numbers: &AtomicU64) -> Result<u64> {
        let mut open = self.open.lock();
        if open.tasks.len() >= MAX_TASKS {
            return Err(Error::value(
                Status::Limit,
                "open tasks",
                MAX_TASKS as u64,
                "at most that many; end some first",
            ));
        }
        open.tasks.try_reserve(1)?;
        if open.tasks.is_empty() {
            // A bound before the number: a thread that sees a later ticket sees the bound too.
            self.oldest.store(numbers.load(Relaxed) + 1, Release);
        }
        let number = numbers.fetch_add(1, AcqRel) + 1;
        open.tasks.push(BackendWork::new("task", label, number));
        self.begun.fetch_add(1, Relaxed);
        self.refresh(&open);
        Ok(number)
    }

    /// Tasks begun so far.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }

    /// Ends a task.
    pub(crate) fn end(&self, number: u64) -> Result<()> {
        let mut open = self.open.lock();
        let Some(at) = open.tasks.iter().position(|task| task.number == number) else {
            return Err(Error::text(Status::State, "the task has already ended"));
        };
        open.tasks.swap_remove(at);
        self.refresh(&open);
        Ok(())
    }

    fn refresh(&self, open: &OpenWork) {
        self.oldest.store(open.tasks.iter().map(|task| task.number).min().unwrap_or(NONE), Release);
    }

    /// Whether no task is open.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.oldest.load(Acquire) == NONE
    }

    /// The last ticket up to `tickets` that no open task precedes.
    pub(crate) fn completable(&self, tickets: u64) -> u64 {
        tickets.min(self.oldest.load(Acquire).saturating_sub(1))
    }

    /// Records that the role holder begins long work.
    pub(crate) fn begin_work(&self, work: BackendWork) {
        self.open.lock().busy = Some(work);
    }

    /// Records that the role holder's work is done.
    pub(crate) fn end_work(&self) {
        self.open.lock().busy = None;
    }

    /// Watchdog reports so far. A wait does not report work that was reported before it began.
    pub(crate) fn reports(&self) -> u64 {
        self.reports.load(Acquire)
    }

    /// Finds work older than `limit`, except what was reported when the count of reports was `known`.
    pub(crate) fn check_stall(&self, limit: u64, known: u64) -> StallCheck {
        let mut open = self.open.lock();
        let (time, next) = (now(), self.reports.load(Relaxed) + 1);
        let OpenWork { tasks, busy } = &mut *open;
        let mut until = time + limit;
        for work in tasks.iter_mut().chain(busy.iter_mut()) {
            let end = work.began.saturating_add(limit);
            let known_stall = work.reported != 0 && work.reported <= known;
            if end <= time && !known_stall {
                let first = work.reported == 0;
                if first {
                    work.reported = next;
                    self.reports.store(next, Release);
                }
                return StallCheck::Stalled(*work, first);
            }
            if end > time {
                until = until.min(end);
            }
        }
        StallCheck::Until(until)
    }

    /// Calls `visit` for all open work; false if the list is locked.
    pub(crate) fn try_for_each(&self, mut visit: impl FnMut(&BackendWork)) -> bool {
        let Some(open) = self.open.try_lock() else { return false };
        open.tasks.iter().chain(open.busy.iter()).for_each(&mut visit);
        true
    }
}
