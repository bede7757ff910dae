//! Backend work that a publish waits for, and the watchdog's view of it.

use crate::alloc::try_vec;
use crate::error::{Error, Label, Result, Status};
use crate::sync::atomic::{AtomicU64, Ordering::*};
use crate::sync::mutex::FutexMutex;
use crate::sys::clock::now;
use crate::sys::thread::thread_id;

/// No task is open.
const NONE: u64 = u64::MAX;

/// Open tasks at most.
const MOST: usize = 4096;

/// One piece of backend work: a task, a flush, a kernel, or the back copy in somebody's hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) what: &'static str,
    pub(crate) label: Label,
    pub(crate) thread: u32,
    pub(crate) began: u64,
    /// Its place in the order of tasks and tickets.
    pub(crate) number: u64,
    /// When the watchdog reported it: a count of reports, 0 for never.
    reported: u64,
}

impl Work {
    pub(crate) fn new(what: &'static str, label: Label, number: u64) -> Work {
        Work { what, label, thread: thread_id(), began: now(), number, reported: 0 }
    }

    pub(crate) fn age(&self) -> u64 {
        now().saturating_sub(self.began)
    }
}

#[derive(Debug)]
struct Open {
    tasks: Vec<Work>,
    /// What the role's holder is busy with, if that may take long.
    busy: Option<Work>,
}

/// All work that is open.
#[derive(Debug)]
pub(crate) struct Tasks {
    open: FutexMutex<Open>,
    /// Tasks begun so far.
    begun: AtomicU64,
    /// Stalls reported so far.
    reports: AtomicU64,
    /// The lowest number of an open task, or a lower bound while one begins.
    oldest: AtomicU64,
}

/// What the watchdog says to a waiter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    /// This has lasted too long, and it is news. The flag: to this waiter only; another one has told the log.
    Stalled(Work, bool),
    /// Nothing has, yet: look again then.
    Until(u64),
}

impl Tasks {
    pub(crate) fn new() -> Result<Tasks> {
        let tasks = try_vec(16)?;
        Ok(Tasks {
            open: FutexMutex::new(Open { tasks, busy: None }),
            begun: AtomicU64::new(0),
            reports: AtomicU64::new(0),
            oldest: AtomicU64::new(NONE),
        })
    }

    /// Opens a task; its place in the order comes from `order`.
    pub(crate) fn begin(&self, label: Label, order: &AtomicU64) -> Result<u64> {
        let mut open = self.open.lock();
        if open.tasks.len() >= MOST {
            return Err(Error::value(Status::Limit, "open tasks", MOST as u64, "end some before more begin"));
        }
        open.tasks.try_reserve(1)?;
        if open.tasks.is_empty() {
            // A bound before the number: who sees a ticket beyond it sees the bound too.
            self.oldest.store(order.load(Relaxed) + 1, Release);
        }
        let number = order.fetch_add(1, AcqRel) + 1;
        open.tasks.push(Work::new("task", label, number));
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
            return Err(Error::text(Status::State, "the task has ended, or never began"));
        };
        open.tasks.swap_remove(at);
        self.refresh(&open);
        Ok(())
    }

    fn refresh(&self, open: &Open) {
        self.oldest.store(open.tasks.iter().map(|task| task.number).min().unwrap_or(NONE), Release);
    }

    /// Whether no task is open.
    #[inline(always)]
    pub(crate) fn none(&self) -> bool {
        self.oldest.load(Acquire) == NONE
    }

    /// The largest ticket up to `tickets` that no open task comes before.
    pub(crate) fn allow(&self, tickets: u64) -> u64 {
        tickets.min(self.oldest.load(Acquire).saturating_sub(1))
    }

    /// The role's holder begins something long.
    pub(crate) fn busy(&self, work: Work) {
        self.open.lock().busy = Some(work);
    }

    /// It is done.
    pub(crate) fn idle(&self) {
        self.open.lock().busy = None;
    }

    /// Reports so far: what was reported before a wait began is no news to it.
    pub(crate) fn reports(&self) -> u64 {
        self.reports.load(Acquire)
    }

    /// Looks for work older than `limit` that was not reported when the count stood at `known`.
    pub(crate) fn judge(&self, limit: u64, known: u64) -> Verdict {
        let mut open = self.open.lock();
        let (time, next) = (now(), self.reports.load(Relaxed) + 1);
        let Open { tasks, busy } = &mut *open;
        let mut until = time + limit;
        for work in tasks.iter_mut().chain(busy.iter_mut()) {
            let end = work.began.saturating_add(limit);
            let old_news = work.reported != 0 && work.reported <= known;
            if end <= time && !old_news {
                let first = work.reported == 0;
                if first {
                    work.reported = next;
                    self.reports.store(next, Release);
                }
                return Verdict::Stalled(*work, first);
            }
            if end > time {
                until = until.min(end);
            }
        }
        Verdict::Until(until)
    }

    /// Hands everything open to `visit`; false if somebody holds the list just now.
    pub(crate) fn look(&self, mut visit: impl FnMut(&Work)) -> bool {
        let Some(open) = self.open.try_lock() else { return false };
        open.tasks.iter().chain(open.busy.iter()).for_each(&mut visit);
        true
    }
}
