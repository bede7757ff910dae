//! The worker: a thread of the manager that applies backlogs, runs what is bound to a thread, and ends spent callbacks.

use crate::alloc::Arc;
use crate::error::Result;
use crate::log::{self, Level};
use crate::manager::config::Priority;
use crate::manager::copies::copy_forward::COPY_STEP;
use crate::manager::core::applier::{Applier, Spent};
use crate::manager::core::callback;
use crate::manager::core::shared::{Blocked, By, Shared, State, duty};
use crate::sync::atomic::{AtomicU32, Ordering::*};
use crate::sync::event::Event;
use crate::sync::wait_check::Stop;
use crate::sys::clock::{Deadline, nap, now};
use crate::sys::thread;
use crate::sys::thread::Thread;

/// What outlives the manager's memory: whether its worker has gone.
#[derive(Debug, Default)]
pub(crate) struct Exit {
    state: AtomicU32,
    event: Event,
}

/// The worker has gone.
const GONE: u32 = 1;
/// The destroying thread has stopped waiting for the worker, though a callback runs on.
const ABANDONED: u32 = 2;

impl Exit {
    /// Waits for the worker to go.
    pub(crate) fn wait(&self, deadline: Deadline) -> std::result::Result<(), Stop> {
        self.event.wait(deadline, || self.has_gone().then_some(()))
    }

    pub(crate) fn has_gone(&self) -> bool {
        self.state.load(Acquire) & GONE != 0
    }

    /// The destroying thread stops waiting; false if the worker has ended meanwhile.
    pub(crate) fn abandon(&self) -> bool {
        self.state.fetch_or(ABANDONED, AcqRel) & GONE == 0
    }

    /// The worker's last act.
    fn leave(&self) {
        if self.state.fetch_or(GONE, AcqRel) & ABANDONED != 0 {
            crate::manager::create::recovered();
        }
        self.event.signal();
    }
}

struct Start {
    shared: Arc<Shared>,
    priority: Priority,
    affinity: u64,
}

fn main(start: Start) {
    let Start { shared, priority, affinity } = start;
    schedule(&shared, priority, affinity);
    Worker::new(&shared).run();
    let exit = shared.exit.clone();
    // The last to hold it ends what is left, and that shall be this thread: callbacks run on the worker.
    let mut held = Some(shared);
    while let Some(shared) = held.take() {
        held = Arc::drop_last(shared).err();
        if held.is_some() {
            nap(20_000);
        }
    }
    exit.leave();
}

/// Starts the worker.
pub(crate) fn spawn(shared: &Arc<Shared>, priority: Priority, affinity: u64) -> Result<()> {
    let start = Start { shared: shared.clone(), priority, affinity };
    thread::start(shared.label.as_str(), start, main).map(Thread::detach)
}

/// Applies the wishes of the config to the calling thread; what the system refuses is told.
fn schedule(shared: &Shared, priority: Priority, affinity: u64) {
    // SAFETY: plain calls on locals.
    unsafe {
        let refused = match priority {
            // As every thread of the library.
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
            log::record(
                Level::Warn,
                "manager",
                shared.label.as_str(),
                format_args!("the system refused {priority:?} for the worker"),
            );
        }
        if affinity != 0 {
            let mut set = std::mem::zeroed::<libc::cpu_set_t>();
            (0..64).filter(|cpu| affinity & 1 << cpu != 0).for_each(|cpu| libc::CPU_SET(cpu, &mut set));
            if libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) != 0 {
                log::record(
                    Level::Warn,
                    "manager",
                    shared.label.as_str(),
                    format_args!("the system refused affinity {affinity:#x} for the worker"),
                );
            }
        }
    }
}

/// How long a copy beyond the second goes unused before its memory is given back.
const UNUSED_NS: u64 = 1_000_000_000;

/// How long after a report of extra copies the next one comes at the earliest.
const REPORT_NS: u64 = 60_000_000_000;

struct Worker<'a> {
    shared: &'a Shared,
    spent: Vec<Spent>,
    /// When to look for copies that are not needed any more; never while there are two.
    look: Deadline,
    /// When the next report may come: of an extra copy, of none left.
    reports: [Deadline; 2],
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared) -> Worker<'a> {
        Worker { shared, spent: Vec::new(), look: Deadline::NEVER, reports: [Deadline::PAST; 2] }
    }

    fn run(&mut self) {
        loop {
            let _ = self.shared.work.wait(self.look, || self.wanted().then_some(()));
            self.watch_copies();
            let duties = match self.shared.duties.load(Acquire) {
                0 => 0,
                _ => self.shared.duties.swap(0, AcqRel),
            };
            if duties & duty::STOP != 0 {
                return;
            }
            if !self.round(duties) {
                return;
            }
        }
    }

    /// Whether there is anything to do.
    fn wanted(&self) -> bool {
        let shared = self.shared;
        shared.duties.load(Acquire) & !duty::TASK != 0 || self.tickets_wanted()
    }

    /// Whether tickets wait for the worker that no task holds back, and that no failed attempt has covered.
    fn tickets_wanted(&self) -> bool {
        let shared = self.shared;
        let requested = shared.requested.load(Acquire);
        let done = shared.completed.load(Acquire).max(shared.failure.upto.load(Acquire));
        requested > done
            && shared.tasks.allow(requested) > shared.completed.load(Acquire)
            && shared.lives().is_ok()
    }

    fn stopping(&self) -> bool {
        self.shared.duties.load(Acquire) & duty::STOP != 0
    }

    /// One turn with the role; false when it is time to go.
    fn round(&mut self, duties: u32) -> bool {
        let shared = self.shared;
        while !shared.role.try_take() {
            // The holder may keep it for long: look now and then whether it is time to go.
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
        let result = if self.tickets_wanted() {
            shared.attempt(applier, all, By::Worker, Deadline::NEVER)
        } else if duties & duty::DRAIN != 0 && shared.state() != State::Poisoned {
            shared.drain(applier, shared.ring.tail(), all, By::Worker)
        } else {
            Ok(())
        };
        shared.take_spent(applier, &mut self.spent);
        let idle = duties & duty::CATCH_UP != 0 && result.is_ok();
        shared.role.drop();
        shared.progress.signal();
        self.end_spent();
        match result {
            Err(Blocked::Pinned) => self.wait_for_release(duties),
            Err(Blocked::Uncommitted) => {
                nap(20_000);
                shared.duties.fetch_or(duty::DRAIN, AcqRel);
            }
            _ if idle => self.catch_up(),
            _ => {}
        }
        true
    }

    /// Reports copies that were added and copies that ran out, and gives back the memory of those that go unused.
    fn watch_copies(&mut self) {
        let shared = self.shared;
        if shared.duties.load(Acquire) & duty::COPIES != 0 {
            shared.duties.fetch_and(!duty::COPIES, AcqRel);
            if self.look == Deadline::NEVER {
                self.look = Deadline::at(now() + UNUSED_NS);
            }
            self.report_copies();
        }
        if self.look.passed() {
            // For a moment only: if the role stays held, a later look will do.
            if shared.role.take(Deadline::at(now() + 1_000_000)).is_ok() {
                shared.free_copies(Applier::withdraw_unused);
            }
            self.look = match shared.counters.copies_present.get() {
                0..=2 => Deadline::NEVER,
                _ => Deadline::at(now() + UNUSED_NS),
            };
        }
    }

    /// Warns of an extra copy, or of none left; each at most once in a while.
    fn report_copies(&mut self) {
        let shared = self.shared;
        let (extra, present) = (shared.counters.extra_copies.get(), shared.counters.copies_present.get());
        let none_left = present == shared.copies as u64
            && shared.storage().leases() > 0
            && !shared.storage().request_free_copy(shared.copies);
        if extra == 0 && !none_left {
            return;
        }
        let Some(oldest) = shared.storage().oldest_lease() else { return };
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
            shared.copies,
            oldest.about,
            oldest.thread,
            oldest.age_ns / 1_000_000
        );
        log::record(Level::Warn, "manager", shared.label.as_str(), text);
    }

    /// Calls what is to be called, outside the role.
    fn end_spent(&mut self) {
        if !self.spent.is_empty() {
            let _inside = callback::enter(self.shared.number);
            self.shared.calling_out.store(1, Relaxed);
            self.spent.drain(..).for_each(Spent::end);
            self.shared.calling_out.store(0, Relaxed);
        }
    }

    /// A lease stands in the way: sleeps until one goes, keeping in mind what is still to be done.
    fn wait_for_release(&mut self, duties: u32) {
        let shared = self.shared;
        self.watch_copies();
        shared.duties.fetch_or(duties & duty::DRAIN, AcqRel);
        let free = || shared.storage().request_free_copy(shared.copies);
        if free() {
            nap(20_000);
            return;
        }
        let urgent =
            || shared.duties.load(Acquire) & (duty::STOP | duty::SPENT) != 0 || shared.lives().is_err();
        let _ = shared.storage().released().wait(Deadline::NEVER, || (free() || urgent()).then_some(()));
    }

    /// Copies forward in steps while nobody wants anything else.
    fn catch_up(&self) {
        let shared = self.shared;
        let updates = shared.counters.updates();
        // Whoever rewrites everything begins at once: then there is nothing to gain.
        nap(500_000);
        while !self.wanted() && shared.counters.updates() == updates && shared.role.try_take() {
            // SAFETY: the role is held.
            let applier = unsafe { shared.applier() };
            let done = !shared.prepare(applier) || applier.forward.copy_step(COPY_STEP);
            shared.role.drop();
            if done {
                return;
            }
        }
    }
}
