//! Draining the update log: the role holder applies operations to the back copy, in place or from the log.
//!
//! A caller applies a backlog within its budget; the worker applies the rest, and everything that only it may apply.

use crate::error::Label;
use crate::manager::copies::copies::{CopyMemory, StateCopies};
use crate::manager::copies::front_count::MAX_COPIES;
use crate::manager::core::applier::{Applied, Applier, Panicked};
use crate::manager::core::feeds::{FeedTarget, Postponed};
use crate::manager::core::op::Op;
use crate::manager::core::shared::Shared;
use crate::manager::core::tasks::BackendWork;
use crate::manager::core::update_log::UNIT_BYTES;
use crate::manager::core::worker_state::duty;

/// The kind of thread that holds the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoleHolder {
    Caller,
    Worker,
}

/// The reason why the role holder stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// Every copy that could be written has a lease.
    Pinned,
    /// A producer has reserved its record and not yet committed it.
    Uncommitted,
    /// The worker must continue.
    Worker,
    /// A task that began earlier is open.
    Tasks,
    /// The deadline passed.
    Late,
    /// The flush or the upload to the device failed.
    Failed,
    /// A kernel or a flush panicked.
    Panicked,
}

/// The result of an operation of the role holder.
pub(crate) type HolderResult<T> = std::result::Result<T, Blocked>;

impl Shared {
    /// Makes the back copy writable; false if leases hold every copy. Requires the role.
    #[cold]
    #[inline(never)]
    pub(crate) fn prepare(&self, applier: &mut Applier) -> bool {
        let present = applier.forward.count_present();
        let ready = applier.prepare(self.copies(), self.settings.max_copies);
        let now = applier.forward.count_present();
        if now != present {
            self.counters.count_copies(now, self.settings.copies);
            self.worker.request(duty::COPIES);
        }
        if !ready && !applier.blocked_by_leases {
            self.worker.request(duty::COPIES);
        }
        applier.blocked_by_leases = !ready;
        ready
    }

    /// Applies the next op in the order. Requires the role; the back copy is ready.
    ///
    /// # Safety
    /// The op is alive; this ends it.
    pub(crate) unsafe fn apply(&self, applier: &mut Applier, op: Op) -> HolderResult<Applied> {
        let long = matches!(op, Op::Kernel { .. } | Op::Group { worker: true, .. } | Op::Outsized { .. });
        if long {
            self.tasks.begin_work(BackendWork::new("kernel", Label::new(""), 0));
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
            self.tasks.end_work();
        }
        if outsized > 0 {
            self.log.release_outsized(outsized);
        }
        if !applier.retired.is_empty() {
            self.worker.request(duty::CALLBACKS);
        }
        applied.map_err(|Panicked| {
            self.poison();
            Blocked::Panicked
        })
    }

    /// Applies the records below `to`, up to `budget` bytes of them. Requires the role.
    pub(crate) fn drain(
        &self,
        applier: &mut Applier,
        to: u64,
        budget: &mut u64,
        holder: RoleHolder,
    ) -> HolderResult<()> {
        while applier.head < to {
            let Some(start) = self.log.committed(applier.head) else { return Err(Blocked::Uncommitted) };
            // SAFETY: a committed record, decoded for use once: `head` moves past it below.
            let (op, size) = unsafe { Op::decode(self.log.record(start)) };
            if holder == RoleHolder::Caller
                && (self.settings.worker_only || op.needs_worker() || *budget == 0)
            {
                return Err(Blocked::Worker);
            }
            if !self.prepare(applier) {
                return Err(Blocked::Pinned);
            }
            *budget = budget.saturating_sub(size);
            // SAFETY: as above.
            let result = unsafe { self.apply(applier, op) };
            applier.head = start + size.div_ceil(UNIT_BYTES);
            self.log.consumed(applier.head);
            let applied = result?;
            self.counters.from_log.add(applied.updates);
            self.counters.bytes.add(applied.bytes);
            if holder == RoleHolder::Worker {
                self.counters.applied_by_worker.add(applied.updates);
            }
        }
        Ok(())
    }

    /// Drains every feed up to its end as it is now. Requires the role.
    #[cold]
    #[inline(never)]
    pub(crate) fn drain_feeds(
        &self,
        applier: &mut Applier,
        budget: &mut u64,
        holder: RoleHolder,
    ) -> HolderResult<()> {
        let mut target = FeedTarget {
            fields: &self.fields,
            applier,
            budget,
            make_ready: &|applier| self.prepare(applier),
            log: &|level, text| self.record(level, text),
            updates: 0,
            bytes: 0,
            stopped: 0,
        };
        let result = self.feeds.try_for_each(|source| source.drain(&mut target));
        let FeedTarget { updates, bytes, stopped, .. } = target;
        self.counters.from_feeds.add(updates);
        self.counters.bytes.add(bytes);
        self.counters.feeds_stopped.add(stopped);
        if holder == RoleHolder::Worker {
            self.counters.applied_by_worker.add(updates);
        }
        result.map_err(|postponed| match (postponed, holder) {
            (Postponed::Pinned, _) => Blocked::Pinned,
            (Postponed::Budget, RoleHolder::Caller) => Blocked::Worker,
            (Postponed::Budget, RoleHolder::Worker) => Blocked::Late,
        })
    }

    /// Applies the whole log within the budget of a caller. Requires the role.
    pub(crate) fn drain_as_caller(&self, applier: &mut Applier) -> HolderResult<()> {
        self.drain(applier, self.log.tail(), &mut self.caller_budget(), RoleHolder::Caller)
    }

    /// Bytes of a backlog that a caller applies.
    pub(crate) fn caller_budget(&self) -> u64 {
        self.settings.caller_budget.max(1)
    }

    /// Frees every copy that `next` returns. Requires the role, and releases it before the memory is freed, since that may
    /// take long.
    pub(crate) fn free_copies(&self, mut next: impl FnMut(&mut Applier, &StateCopies) -> Option<CopyMemory>) {
        // SAFETY: the role is held.
        let applier = unsafe { self.applier() };
        let mut freed: [Option<CopyMemory>; MAX_COPIES] = [const { None }; MAX_COPIES];
        for pages in &mut freed {
            *pages = next(applier, self.copies());
            if pages.is_none() {
                break;
            }
        }
        self.counters.count_copies(applier.forward.count_present(), self.settings.copies);
        self.role.release();
        drop(freed);
    }

    /// Ends the records of a log that no thread uses any more, without applying them.
    pub(crate) fn discard_backlog(&mut self) {
        let to = self.log.tail();
        let mut head = self.applier_mut().head;
        while head < to {
            // Uncommitted: its producer ended between reserve and commit.
            let Some(start) = self.log.committed(head) else { break };
            // SAFETY: a committed record that was not applied; it is ended here, once.
            let size = unsafe {
                let (op, size) = Op::decode(self.log.record(start));
                op.dispose();
                size
            };
            head = start + size.div_ceil(UNIT_BYTES);
        }
        self.applier_mut().head = head;
    }
}
