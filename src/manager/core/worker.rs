//! The worker: a thread of the manager that applies the backlog, publishes requested tickets, and finishes callbacks.
//!
//! While idle it copies forward to the back copy and frees the memory of copies that are no longer used.

use crate::alloc::Arc;
use crate::error::Result;
use crate::manager::config::Priority;
use crate::manager::copies::copy_forward::COPY_STEP;
use crate::manager::core::applier::Applier;
use crate::manager::core::callback::{self, RetiredCallback};
use crate::manager::core::drain::{Blocked, RoleHolder};
use crate::manager::core::progress::ManagerState;
use crate::manager::core::shared::Shared;
use crate::manager::core::worker_state::duty;
use crate::sync::spinner::spin_briefly;
use crate::sync::wait_check::Stop;
use crate::sys::clock::{Deadline, nap, now};
use crate::sys::thread::{self, Thread};
use log::Level;

struct WorkerStart {
    shared: Arc<Shared>,
    priority: Priority,
    affinity: u64,
}

fn main(start: WorkerStart) {
    let WorkerStart { shared, priority, affinity } = start;
    schedule(&shared, priority, affinity);
    Worker::new(&shared).run();
    let exit = shared.worker.exit.clone();
    // The last reference is dropped on this thread, since callbacks run on the worker.
    let mut held = Some(shared);
    while let Some(shared) = held.take() {
        held = Arc::drop_last(shared).err();
        if held.is_some() {
            nap(20_000);
        }
    }
    exit.end();
}

/// Starts the worker.
pub(crate) fn spawn(shared: &Arc<Shared>, priority: Priority, affinity: u64) -> Result<()> {
    let start = WorkerStart { shared: shared.clone(), priority, affinity };
    thread::start(shared.label.as_str(), start, main).map(Thread::detach)
}

/// Schedules the calling thread as configured. A refusal of the system is logged.
fn schedule(shared: &Shared, priority: Priority, affinity: u64) {
    // SAFETY: plain calls on locals.
    unsafe {
        let refused = match priority {
            Priority::Normal => false,
            Priority::Nice(nice) => {
                libc::setpriority(libc::PRIO_PROCESS, crate::sys::thread::thread_id(), nice) != 0
            }
            Priority::RealTime(level) => {
                let mut parameter = std::mem::zeroed::<libc::sched_param>();
                parameter.sched_priority = level as i32;
                libc::pthread_setschedparam(libc::pthread_self(), libc::SCHED_FIFO, &parameter) != 0
            }
        };
        if refused {
            shared.record(Level::Warn, format_args!("the system refused {priority:?} for the worker"));
        }
        if affinity != 0 {
            let mut set = std::mem::zeroed::<libc::cpu_set_t>();
            (0..64).filter(|cpu| affinity & 1 << cpu != 0).for_each(|cpu| libc::CPU_SET(cpu, &mut set));
            if libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) != 0 {
                shared.record(
                    Level::Warn,
                    format_args!("the system refused affinity {affinity:#x} for the worker"),
                );
            }
        }
    }
}

/// Bytes of feeds that the worker applies while it holds the role once.
const FEED_BUDGET: u64 = 1 << 20;

/// How long a copy beyond the second is unused before its memory is freed.
const UNUSED_NS: u64 = 1_000_000_000;

/// The minimum time between two reports of extra copies.
const REPORT_NS: u64 = 60_000_000_000;

struct Worker<'a> {
    shared: &'a Shared,
    retired: Vec<RetiredCallback>,
    /// When to check for unused copies; never while there are two.
    copy_check: Deadline,
    /// When the next report is allowed: of an extra copy, of none left.
    reports: [Deadline; 2],
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared) -> Worker<'a> {
        Worker { shared, retired: Vec::new(), copy_check: Deadline::NEVER, reports: [Deadline::PAST; 2] }
    }

    fn run(&mut self) {
        loop {
            self.shared.worker.wait(self.copy_check, || self.has_work());
            self.manage_copies();
            let duties = self.shared.worker.take();
            if duties & duty::STOP != 0 {
                return;
            }
            if !self.round(duties) {
                return;
            }
        }
    }

    fn has_work(&self) -> bool {
        self.shared.worker.duties() & !duty::TASK != 0 || self.has_tickets()
    }

    /// Whether tickets are requested that no open task precedes and no failed attempt included.
    fn has_tickets(&self) -> bool {
        let progress = &self.shared.progress;
        let requested = progress.requested();
        let done = progress.completed().max(progress.failed_upto());
        requested > done
            && self.shared.tasks.completable(requested) > progress.completed()
            && progress.check_alive().is_ok()
    }

    fn stopping(&self) -> bool {
        self.shared.worker.duties() & duty::STOP != 0
    }

    /// One turn with the role; false if the thread shall end.
    fn round(&mut self, duties: u32) -> bool {
        let shared = self.shared;
        while !shared.role.try_take() {
            // The holder may keep the role for long: check in between whether to end.
            match shared.role.take(Deadline::at(now() + 100_000_000)) {
                Ok(()) => break,
                Err(Stop::Ended) => return false,
                Err(_) if self.stopping() => return false,
                Err(_) => {}
            }
        }
        // SAFETY: the role is held.
        let applier = unsafe { shared.applier() };
        let all = &mut { u64::MAX };
        let result = if self.has_tickets() {
            shared.attempt(applier, all, RoleHolder::Worker, Deadline::NEVER)
        } else if duties & (duty::DRAIN | duty::FEED) != 0
            && shared.progress.state() != ManagerState::Poisoned
        {
            let mut drain = |applier: &mut Applier| match duties & duty::DRAIN {
                0 => Ok(()),
                _ => shared.drain(applier, shared.log.tail(), all, RoleHolder::Worker),
            };
            // Bounded, so that threads that wait for the role get it in between.
            let feed = |applier: &mut Applier| match duties & duty::FEED {
                0 => Ok(()),
                _ => shared.drain_feeds(applier, &mut { FEED_BUDGET }, RoleHolder::Worker),
            };
            drain(applier).and_then(|()| feed(applier))
        } else {
            Ok(())
        };
        debug_assert!(self.retired.is_empty());
        std::mem::swap(&mut applier.retired, &mut self.retired);
        let idle = duties & duty::CATCH_UP != 0 && result.is_ok();
        shared.role.release();
        shared.waiters.signal();
        self.finish_callbacks();
        if duties & duty::FEED != 0 && result != Err(Blocked::Pinned) {
            self.expect_feeds(result == Err(Blocked::Late));
        }
        match result {
            Err(Blocked::Pinned) => self.wait_for_release(duties),
            Err(Blocked::Uncommitted) => {
                nap(20_000);
                shared.worker.add(duty::DRAIN);
            }
            _ if idle => self.catch_up(),
            _ => {}
        }
        true
    }

    /// Reports copies that were added or ran out, and frees the memory of unused ones.
    fn manage_copies(&mut self) {
        let shared = self.shared;
        if shared.worker.duties() & duty::COPIES != 0 {
            shared.worker.remove(duty::COPIES);
            if self.copy_check == Deadline::NEVER {
                self.copy_check = Deadline::at(now() + UNUSED_NS);
            }
            self.report_copies();
        }
        if self.copy_check.passed() {
            // A short wait only: if the role stays held, a later check suffices.
            if shared.role.take(Deadline::at(now() + 1_000_000)).is_ok() {
                shared.free_copies(Applier::withdraw_unused);
            }
            self.copy_check = match shared.counters.copies_present.get() {
                0..=2 => Deadline::NEVER,
                _ => Deadline::at(now() + UNUSED_NS),
            };
        }
    }

    /// Warns of an extra copy, or that none is left; each at most once per `REPORT_NS`.
    fn report_copies(&mut self) {
        let shared = self.shared;
        let (extra, present) = (shared.counters.extra_copies.get(), shared.counters.copies_present.get());
        let max_copies = shared.settings.max_copies;
        let none_left = present == max_copies as u64
            && shared.copies().leases() > 0
            && !shared.copies().request_free_copy(max_copies);
        if extra == 0 && !none_left {
            return;
        }
        let Some(oldest) = shared.copies().oldest_lease() else { return };
        let next = &mut self.reports[usize::from(none_left)];
        if !next.passed() {
            return;
        }
        *next = Deadline::at(now() + REPORT_NS);
        let what = if none_left {
            "updates wait, since leases hold every copy"
        } else {
            "leases made an extra copy necessary"
        };
        let text = format_args!(
            "{what}: {present} of at most {} copies have memory; the oldest lease is of epoch {}, taken by thread {}, at least \
             {} ms old; release fronts sooner, or keep copies of their data",
            max_copies,
            oldest.about,
            oldest.thread,
            oldest.age_ns / 1_000_000
        );
        shared.record(Level::Warn, text);
    }

    /// Finishes retired callbacks, without the role.
    fn finish_callbacks(&mut self) {
        if !self.retired.is_empty() {
            let _scope = callback::enter(self.shared.number);
            self.shared.worker.set_in_callbacks(true);
            self.retired.drain(..).for_each(RetiredCallback::finish);
            self.shared.worker.set_in_callbacks(false);
        }
    }

    /// Comes back if a feed has more, else has the feeds wake the worker. Spins for a moment first: a wake-up costs the sender
    /// a system call.
    fn expect_feeds(&self, has_more: bool) {
        let shared = self.shared;
        if shared.progress.has_ended() {
            return;
        }
        let before = shared.feeds.committed();
        let more = || (shared.feeds.committed() != before || self.has_work()).then_some(());
        if has_more || spin_briefly(more).is_some() || shared.feeds.any_ready_or_all_wake() {
            shared.worker.add(duty::FEED);
        }
    }

    /// Sleeps until a lease is released, and keeps the duty to drain.
    fn wait_for_release(&mut self, duties: u32) {
        let shared = self.shared;
        self.manage_copies();
        shared.worker.add(duties & (duty::DRAIN | duty::FEED));
        let free = || shared.copies().request_free_copy(shared.settings.max_copies);
        if free() {
            nap(20_000);
            return;
        }
        let urgent = || {
            shared.worker.duties() & (duty::STOP | duty::CALLBACKS) != 0
                || shared.progress.check_alive().is_err()
        };
        let _ = shared.copies().released().wait(Deadline::NEVER, || (free() || urgent()).then_some(()));
    }

    /// Copies forward in steps while there is no other work.
    fn catch_up(&self) {
        let shared = self.shared;
        let updates = shared.counters.updates();
        // A producer that rewrites everything begins at once; then copying gains nothing.
        nap(500_000);
        while !self.has_work() && shared.counters.updates() == updates && shared.role.try_take() {
            // SAFETY: the role is held.
            let applier = unsafe { shared.applier() };
            let done = !shared.prepare(applier) || applier.forward.copy_step(COPY_STEP);
            shared.role.release();
            if done {
                return;
            }
        }
    }
}
