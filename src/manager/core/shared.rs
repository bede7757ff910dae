//! What all who use a manager share, and the steps that the role's holder takes.

use std::ptr::NonNull;

use crate::alloc::Arc;
use crate::device::device::Device;
use crate::dtype::DType;
use crate::error::{Error, Label, Result, Status};
use crate::handle::lease;
use crate::log::{self, Level};
use crate::manager::config::Flush;
use crate::manager::copies::copies::CopyMemory;
use crate::manager::copies::copies::StateCopies;
use crate::manager::copies::copy_forward::COPY_STEP;
use crate::manager::copies::device_copies::DeviceDirty;
use crate::manager::copies::front_count::MAX_COPIES;
use crate::manager::core::applier::{Applied, Applier, Panicked, Spent};
use crate::manager::core::call_wait::Patience;
use crate::manager::core::callback;
use crate::manager::core::op::Op;
use crate::manager::core::role::Role;
use crate::manager::core::tasks::{Tasks, Work};
use crate::manager::core::update_log::{Ring, UNIT};
use crate::manager::core::waiters::Waiters;
use crate::manager::region::MAX_DIMS;
use crate::manager::statistics::Counters;
use crate::manager::watch::Watches;
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*, UnsafeCell};
use crate::sync::event::Event;
use crate::sync::mutex::Mutex;
use crate::sys::clock::Deadline;
use crate::sys::clock::Timeout;

/// What a manager is doing with its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// Accepts work.
    Open = 0,
    /// Publishes what it has accepted, and accepts nothing more.
    Closing = 1,
    /// FrontCount stay readable; nothing else goes on.
    Closed = 2,
    /// A panic left it unusable.
    Poisoned = 3,
}

/// Bits that tell the worker what to look after.
pub(crate) mod duty {
    /// Apply the backlog.
    pub(crate) const DRAIN: u32 = 1;
    /// End spent callbacks.
    pub(crate) const SPENT: u32 = 2;
    /// Bring the back copy up to date while nobody writes.
    pub(crate) const CATCH_UP: u32 = 4;
    /// A task ended: tickets may go on.
    pub(crate) const TASK: u32 = 8;
    /// Go home.
    pub(crate) const STOP: u32 = 16;
    /// Copies were added, or ran out: report it, and see to it that memory not needed is given back.
    pub(crate) const COPIES: u32 = 32;
}

/// Who holds the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Caller,
    Worker,
}

/// Why the holder could not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// Leases hold every copy that could be written.
    Pinned,
    /// A producer has reserved its record and not yet committed it.
    Uncommitted,
    /// Only the worker may go on, or it should.
    Worker,
    /// A task that began earlier is open.
    Tasks,
    /// The deadline came in the middle.
    Late,
    /// The flush failed, or the device did.
    Failed,
    /// A kernel panicked.
    Panicked,
}

/// The shape of the state. Fixed at creation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) dtype: DType,
    pub(crate) ndim: usize,
    pub(crate) lengths: [u64; MAX_DIMS],
    /// Bytes of an element, elements, bytes.
    pub(crate) element: u64,
    pub(crate) elements: u64,
    pub(crate) bytes: u64,
    /// element − 1 if that is a mask, else all ones.
    pub(crate) mask: u64,
}

/// The last attempt of the worker that failed.
#[derive(Debug, Default)]
pub(crate) struct Failure {
    /// Attempts that failed; written last.
    pub(crate) count: AtomicU64,
    /// Tickets up to here were in it.
    pub(crate) upto: AtomicU64,
    pub(crate) error: Mutex<Option<Error>>,
    /// Nobody has been told yet.
    pub(crate) untold: AtomicU32,
}

#[repr(C)]
pub(crate) struct Shared {
    pub(crate) role: Role,
    pub(crate) worker_only: bool,
    /// Whether the worker is calling release or drop callbacks, which may not wait for the manager.
    pub(crate) calling_out: AtomicU32,
    pub(crate) has_flush: bool,
    /// Whether copies have twins on a device, which the worker brings up to date.
    pub(crate) on_device: bool,
    /// Copies at most, extra ones included.
    pub(crate) copies: usize,
    /// Those of the config's `copies`.
    pub(crate) ordinary_copies: u32,
    pub(crate) shape: Shape,
    pub(crate) applier: UnsafeCell<Applier>,
    pub(crate) counters: Counters,
    pub(crate) ring: Ring,
    pub(crate) storage: NonNull<StateCopies>,
    pub(crate) epoch: AtomicU64,
    /// The tag of that epoch, for queries.
    pub(crate) tag_of_epoch: AtomicU64,
    /// Tickets and tasks take their numbers here.
    pub(crate) order: AtomicU64,
    /// Tickets up to here are done.
    pub(crate) completed: AtomicU64,
    /// Tickets up to here the worker is asked to see to.
    pub(crate) requested: AtomicU64,
    /// The ticket that ends a closing manager, or 0.
    pub(crate) last_ticket: AtomicU64,
    pub(crate) failure: Failure,
    /// Where callers wait for anything but a copy to be released.
    pub(crate) progress: Event,
    /// Where the worker waits.
    pub(crate) work: Event,
    pub(crate) duties: AtomicU32,
    pub(crate) state: AtomicU32,
    pub(crate) tasks: Tasks,
    pub(crate) waiters: Waiters,
    pub(crate) watches: Watches,
    pub(crate) outsized: AtomicU64,
    /// Batches that are neither committed nor cancelled.
    pub(crate) batches: AtomicU32,
    pub(crate) flush: UnsafeCell<Option<Flush>>,
    pub(crate) behind: UnsafeCell<Option<DeviceDirty>>,
    pub(crate) hand: UnsafeCell<crate::manager::back::Hand>,
    /// The token of the back copy in hand, 0 for none, and the thread that reserved it.
    pub(crate) token: AtomicU64,
    pub(crate) holder: AtomicU32,
    pub(crate) label: Label,
    pub(crate) number: u64,
    pub(crate) watchdog: u64,
    pub(crate) budget: u64,
    /// The next manager of the process.
    pub(crate) next: AtomicPtr<Shared>,
    /// Tells when the worker has gone.
    pub(crate) exit: Arc<crate::manager::core::worker::Exit>,
    /// The process that made it.
    pub(crate) tag: u16,
}

// SAFETY: `applier`, `flush`, `behind` and `hand` are touched by the role's holder alone; the storage is shared by design; the rest
// is atomics and locks.
unsafe impl Sync for Shared {}
// SAFETY: as above; nothing is bound to a thread.
unsafe impl Send for Shared {}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("number", &self.number)
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn storage(&self) -> &StateCopies {
        // SAFETY: retired only when this is dropped.
        unsafe { self.storage.as_ref() }
    }

    /// The applier.
    ///
    /// # Safety
    /// The caller holds the role, and no other reference from this is alive.
    #[expect(clippy::mut_from_ref, reason = "the role is the lock")]
    #[inline(always)]
    pub(crate) unsafe fn applier(&self) -> &mut Applier {
        // SAFETY: the caller's promise.
        unsafe { &mut *self.applier.get() }
    }

    pub(crate) fn state(&self) -> State {
        match self.state.load(Acquire) {
            0 => State::Open,
            1 => State::Closing,
            2 => State::Closed,
            _ => State::Poisoned,
        }
    }

    /// Moves on from `from`; false if the state was another.
    pub(crate) fn advance(&self, from: State, to: State) -> bool {
        self.state.compare_exchange(from as u32, to as u32, AcqRel, Acquire).is_ok()
    }

    /// A panic left something half done: nothing but fronts, statistics and destroy works from here on.
    pub(crate) fn poison(&self) {
        if self.state.swap(State::Poisoned as u32, AcqRel) != State::Poisoned as u32 {
            log::record(
                Level::Error,
                "manager",
                self.label.as_str(),
                format_args!("a panic left the manager unusable"),
            );
        }
        self.ring.close();
        self.wake_all();
        self.nudge();
    }

    /// Ends everything at once, without publishing.
    pub(crate) fn end(&self) {
        while matches!(self.state(), State::Open | State::Closing) {
            let _ = self.advance(self.state(), State::Closed);
        }
        self.ring.close();
        self.role.end();
        self.wake_all();
        self.nudge();
    }

    /// An error if new work is refused.
    pub(crate) fn accepts(&self) -> Result<()> {
        match self.state() {
            State::Open => Ok(()),
            State::Poisoned => Err(Error::of(Status::Poisoned)),
            State::Closing | State::Closed => Err(Error::text(Status::Closed, "the manager is closed")),
        }
    }

    /// An error if waiting makes no sense any more.
    pub(crate) fn lives(&self) -> Result<()> {
        match self.state() {
            State::Closing => Ok(()),
            _ => self.accepts(),
        }
    }

    /// An error if this thread is in a callback of this manager, or in the middle of its device.
    pub(crate) fn not_inside(&self) -> Result<()> {
        if callback::inside(self.number) {
            let why =
                "this call waits for the manager, and a callback of that manager is running on this thread";
            return Err(Error::text(Status::Recursive, why));
        }
        if self.on_device && self.device().is_some_and(Device::is_in_call) {
            let why = "this call waits for the manager's device, which is busy further up on this thread";
            return Err(Error::text(Status::Recursive, why));
        }
        Ok(())
    }

    /// Everybody who waits looks again.
    pub(crate) fn wake_all(&self) {
        self.notify();
        self.work.signal();
    }

    /// Callers who wait look again.
    #[inline(always)]
    pub(crate) fn notify(&self) {
        self.progress.signal();
        self.storage().released().signal();
        self.watches.notify(self);
        if self.on_device && self.device().is_some_and(Device::is_host_driven) {
            // Its owner may be waiting for this manager, in a wait of its own.
            self.nudge();
        }
    }

    /// Asks the worker to look after something.
    pub(crate) fn ask(&self, duty: u32) {
        self.duties.fetch_or(duty, AcqRel);
        self.work.signal();
    }

    /// Asks the worker to complete tickets up to `ticket`.
    pub(crate) fn request(&self, ticket: u64) {
        self.requested.fetch_max(ticket, AcqRel);
        self.work.signal();
    }

    /// Sees to it that the back copy may be written; false if leases hold every copy that there may be. The role's holder
    /// only.
    #[cold]
    #[inline(never)]
    pub(crate) fn prepare(&self, applier: &mut Applier) -> bool {
        let present = applier.forward.count_present();
        let ready = applier.prepare(self.storage(), self.copies);
        let now = applier.forward.count_present();
        if now != present {
            self.counters.count_copies(now, self.ordinary_copies);
            self.ask(duty::COPIES);
        }
        if !ready && !applier.blocked_by_leases {
            self.ask(duty::COPIES);
        }
        applier.blocked_by_leases = !ready;
        ready
    }

    /// Frees every copy that `next` withdraws. The role's holder only; releases the role, since freeing takes long.
    pub(crate) fn free_copies(&self, mut next: impl FnMut(&mut Applier, &StateCopies) -> Option<CopyMemory>) {
        // SAFETY: the role is held.
        let applier = unsafe { self.applier() };
        let mut freed: [Option<CopyMemory>; MAX_COPIES] = [const { None }; MAX_COPIES];
        for pages in &mut freed {
            *pages = next(applier, self.storage());
            if pages.is_none() {
                break;
            }
        }
        self.counters.count_copies(applier.forward.count_present(), self.ordinary_copies);
        self.role.drop();
        drop(freed);
    }

    /// Counts updates that were applied without a place in the log.
    #[inline(always)]
    pub(crate) fn count_in_place(&self, updates: u64, bytes: u64) {
        self.counters.in_place.add(updates);
        self.counters.bytes.add(bytes);
    }

    /// Applies one op that is next in the order. The role's holder only; the back is ready.
    ///
    /// # Safety
    /// The op is alive; this ends it.
    pub(crate) unsafe fn apply(
        &self,
        applier: &mut Applier,
        op: Op,
    ) -> std::result::Result<Applied, Blocked> {
        let long = matches!(op, Op::Kernel { .. } | Op::Group { worker: true, .. } | Op::Outsized { .. });
        if long {
            self.tasks.busy(Work::new("kernel", Label::new(""), 0));
        }
        let outsized = if let Op::Outsized { record, .. } = op {
            // SAFETY: the op is alive, so its record is.
            unsafe { (*record).len() as u64 * 8 }
        } else {
            0
        };
        // SAFETY: the caller's promise.
        let applied = unsafe { applier.apply(op) };
        if long {
            self.tasks.idle();
        }
        if outsized > 0 {
            self.outsized.fetch_sub(outsized, AcqRel);
        }
        if !applier.spent.is_empty() {
            self.ask(duty::SPENT);
        }
        applied.map_err(|Panicked| {
            self.poison();
            Blocked::Panicked
        })
    }

    /// Applies records below `to`, as long as `budget` bytes last. The role's holder only.
    pub(crate) fn drain(
        &self,
        applier: &mut Applier,
        to: u64,
        budget: &mut u64,
        by: By,
    ) -> std::result::Result<(), Blocked> {
        while applier.head < to {
            let Some(start) = self.ring.committed(applier.head) else { return Err(Blocked::Uncommitted) };
            // SAFETY: a committed record, decoded for use once: `head` moves past it below.
            let (op, size) = unsafe { Op::decode(self.ring.unit(start).0.get().cast::<u8>().cast_const()) };
            if by == By::Caller && (self.worker_only || op.needs_worker() || *budget == 0) {
                return Err(Blocked::Worker);
            }
            if !self.prepare(applier) {
                return Err(Blocked::Pinned);
            }
            *budget = budget.saturating_sub(size);
            // SAFETY: as above.
            let result = unsafe { self.apply(applier, op) };
            applier.head = start + size.div_ceil(UNIT);
            self.ring.consumed(applier.head);
            let applied = result?;
            self.counters.from_log.add(applied.updates);
            self.counters.bytes.add(applied.bytes);
            if by == By::Worker {
                self.counters.applied_by_worker.add(applied.updates);
            }
        }
        Ok(())
    }

    /// Makes one attempt to complete every ticket given out so far. The role's holder only.
    pub(crate) fn attempt(
        &self,
        applier: &mut Applier,
        budget: &mut u64,
        by: By,
        limit: Deadline,
    ) -> std::result::Result<(), Blocked> {
        let tickets = self.tasks.allow(self.order.load(Acquire));
        let to = self.ring.tail();
        self.drain(applier, to, budget, by)?;
        if tickets <= self.completed.load(Relaxed) {
            return Err(Blocked::Tasks);
        }
        while applier.changed() && !applier.forward.copy_step(COPY_STEP) {
            if limit.passed() {
                return Err(Blocked::Late);
            }
        }
        if by == By::Worker {
            self.run_flush(tickets)?;
            if self.on_device && applier.changed() {
                self.upload(applier, tickets)?;
            }
        } else if self.has_flush || (self.on_device && applier.changed()) {
            return Err(Blocked::Worker);
        }
        if applier.changed() {
            self.publish(applier);
        }
        self.completed.store(tickets, Release);
        self.notify();
        self.close_if_done();
        Ok(())
    }

    /// Waits for the backend.
    fn run_flush(&self, tickets: u64) -> std::result::Result<(), Blocked> {
        // SAFETY: the caller holds the role.
        let Some(flush) = (unsafe { &mut *self.flush.get() }) else { return Ok(()) };
        self.tasks.busy(Work::new("flush", self.label, 0));
        let inside = callback::enter(self.number);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(flush));
        drop(inside);
        self.tasks.idle();
        match result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(code)) => Err(self.failed(tickets, Error::code(Status::Backend, "the flush", code))),
            Err(_) => {
                self.poison();
                Err(Blocked::Panicked)
            }
        }
    }

    /// An attempt failed: its waiters are told, and the next one tries again.
    pub(super) fn failed(&self, tickets: u64, error: Error) -> Blocked {
        self.failure.upto.store(tickets, Relaxed);
        *self.failure.error.lock() = Some(error);
        self.failure.untold.store(1, Relaxed);
        self.failure.count.fetch_add(1, Release);
        let text = format_args!("nothing was published: {error}");
        log::record(Level::Warn, "manager", self.label.as_str(), text);
        self.notify();
        Blocked::Failed
    }

    /// Makes the back copy, which is ready and lacks nothing, the front.
    #[inline]
    pub(crate) fn publish(&self, applier: &mut Applier) {
        applier.publish(self.storage());
        self.counters.epochs.set(applier.epoch);
        self.counters.copies_replaced.set(applier.replaced);
        self.counters.copies_forward.set(applier.forward.copies_forward);
        self.counters.copied_forward_bytes.set(applier.forward.copied_bytes);
        self.tag_of_epoch.store(applier.tag, Relaxed);
        self.epoch.store(applier.epoch, Release);
        if applier.forward.back_is_stale() && applier.forward.worth_catching_up() {
            self.ask(duty::CATCH_UP);
        }
    }

    /// Gives memory that is not needed now back.
    pub(crate) fn trim(&self, timeout: Timeout) -> Result<()> {
        self.accepts()?;
        self.may_wait()?;
        Patience::new(self, timeout).take_role(self, "trim")?;
        let mut last = false;
        self.free_copies(|applier, storage| {
            if last {
                return None;
            }
            applier.withdraw_spare(storage).or_else(|| {
                last = true;
                applier.empty_back(storage)
            })
        });
        Ok(())
    }

    /// Takes the spent callbacks out, leaving `empty` in their place. The role's holder only.
    pub(crate) fn take_spent(&self, applier: &mut Applier, empty: &mut Vec<Spent>) {
        debug_assert!(empty.is_empty());
        std::mem::swap(&mut applier.spent, empty);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // In a forked child the worker's view is gone, and leases of the parent mean nothing: the memory is the parent's.
        if !crate::handle::slots::is_own(self.tag) {
            return;
        }
        crate::manager::dump::MANAGERS.remove(self);
        let _inside = callback::enter(self.number);
        let applier = self.applier.get_mut();
        let to = self.ring.tail();
        while applier.head < to {
            // Uncommitted: a producer died between reserve and commit.
            let Some(start) = self.ring.committed(applier.head) else { break };
            // SAFETY: a committed record that nobody has decoded for use; it is ended here.
            let size = unsafe {
                let (op, size) = Op::decode(self.ring.unit(start).0.get().cast::<u8>().cast_const());
                op.dispose();
                size
            };
            applier.head = start + size.div_ceil(UNIT);
        }
        applier.spent.drain(..).for_each(Spent::end);
        let (front, back) = (applier.forward.front(), applier.forward.back());
        let token = self.token.load(Acquire);
        if token != 0
            && let Some(memory) = self.storage().share_memory(back)
        {
            crate::manager::core::reserved::keep(token, memory, self.storage().share_memory(front));
            let text = format_args!(
                "destroyed with the back copy reserved; its memory stays until commit or cancel"
            );
            log::record(Level::Warn, "manager", self.label.as_str(), text);
        }
        drop(self.flush.get_mut().take());
        let held = self.storage().leases();
        if held > 0 {
            lease::count_leaked(held);
            let text = format_args!(
                "destroyed with {held} leases unreleased; their copies live until they are released"
            );
            log::record(Level::Warn, "manager", self.label.as_str(), text);
        }
        log::record(Level::Info, "manager", self.label.as_str(), format_args!("destroyed"));
        // SAFETY: called once, and nobody is inside any more.
        unsafe { StateCopies::retire(self.storage) };
    }
}
