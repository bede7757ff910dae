//! Publishing: completing tickets, running the flush, uploading to the device, and making the back copy the front.
//!
//! A publish waits for what backs the state: open tasks (their tickets are held back), the flush callback, and the upload,
//! which waits until no renderer reads the device copy any more (see
//! [`device_copies`](crate::manager::copies::device_copies)). A leased copy is never written: `prepare` selects another one.

use crate::error::{Error, Status};
use crate::manager::copies::copy_forward::COPY_STEP;
use crate::manager::core::applier::Applier;
use crate::manager::core::callback;
use crate::manager::core::drain::{Blocked, HolderResult, RoleHolder};
use crate::manager::core::shared::Shared;
use crate::manager::core::tasks::BackendWork;
use crate::manager::core::worker_state::duty;
use crate::sys::clock::Deadline;
use log::Level;

impl Shared {
    /// Publishes without waiting if nothing is queued or open, and returns the epoch: the fast path of a synchronize.
    #[inline(always)]
    pub(crate) fn publish_in_place(&self) -> Option<u64> {
        let settings = &self.settings;
        if settings.has_flush || settings.worker_only || self.worker.is_in_callbacks() {
            return None;
        }
        // Read before the tasks: a task that precedes one of these tickets is then seen below.
        let tickets = self.progress.last_number();
        if !self.tasks.is_empty() || !self.role.try_take() {
            return None;
        }
        // SAFETY: the role is held.
        let applier = unsafe { self.applier() };
        let current = self.log.open_and_ends_at(applier.head)
            && (self.feeds.is_empty()
                || self.drain_feeds(applier, &mut self.caller_budget(), RoleHolder::Caller).is_ok());
        // One step of copy-forward is faster than any other way; an upload is left to the worker.
        let done =
            current && (!applier.changed() || !settings.on_device && applier.forward.copy_step(COPY_STEP));
        let mut news = false;
        if done {
            if applier.changed() {
                self.publish(applier);
                news = true;
            }
            if self.progress.completed_by_holder() < tickets {
                self.progress.complete(tickets);
                news = true;
            }
        }
        let epoch = applier.epoch;
        self.role.release();
        if news {
            self.notify();
        }
        done.then_some(epoch)
    }

    /// Attempts once to complete every ticket issued so far. Requires the role.
    pub(crate) fn attempt(
        &self,
        applier: &mut Applier,
        budget: &mut u64,
        holder: RoleHolder,
        limit: Deadline,
    ) -> HolderResult<()> {
        let tickets = self.tasks.completable(self.progress.last_number());
        let to = self.log.tail();
        self.drain(applier, to, budget, holder)?;
        // After `tickets` was read, so that what was committed before one of them was issued is seen.
        if !self.feeds.is_empty() {
            self.drain_feeds(applier, budget, holder)?;
        }
        if tickets <= self.progress.completed_by_holder() {
            return Err(Blocked::Tasks);
        }
        while applier.changed() && !applier.forward.copy_step(COPY_STEP) {
            if limit.passed() {
                return Err(Blocked::Late);
            }
        }
        if holder == RoleHolder::Worker {
            self.run_flush(applier, tickets)?;
            if self.settings.on_device && applier.changed() {
                self.upload(applier, tickets)?;
            }
        } else if self.settings.has_flush || (self.settings.on_device && applier.changed()) {
            return Err(Blocked::Worker);
        }
        if applier.changed() {
            self.publish(applier);
        }
        self.progress.complete(tickets);
        self.notify();
        self.close_if_done();
        Ok(())
    }

    /// Runs the flush callback. Requires the role, on the worker.
    fn run_flush(&self, applier: &mut Applier, tickets: u64) -> HolderResult<()> {
        let Some(flush) = &mut applier.flush else { return Ok(()) };
        self.tasks.begin_work(BackendWork::new("flush", self.label, 0));
        let scope = callback::enter(self.number);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(flush));
        drop(scope);
        self.tasks.end_work();
        match result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(code)) => Err(self.fail(tickets, Error::code(Status::Backend, "the flush", code))),
            Err(_) => {
                self.poison();
                Err(Blocked::Panicked)
            }
        }
    }

    /// Brings the device copy of the back copy up to date. Requires the role, on the worker.
    fn upload(&self, applier: &mut Applier, tickets: u64) -> HolderResult<()> {
        let (Some(copies), Some(dirty)) = (self.copies().on_device(), &mut applier.device_dirty) else {
            return Ok(());
        };
        let stopped = || self.progress.has_ended();
        self.tasks.begin_work(BackendWork::new("upload to device", copies.device().label(), 0));
        let result = dirty.upload(copies, &mut applier.forward, &stopped);
        self.tasks.end_work();
        result.map_err(|error| if stopped() { Blocked::Worker } else { self.fail(tickets, error) })
    }

    /// Reports a failed attempt to its waiters. The next attempt tries again.
    fn fail(&self, tickets: u64, error: Error) -> Blocked {
        self.progress.fail(tickets, error);
        self.record(Level::Warn, format_args!("nothing was published: {error}"));
        self.notify();
        Blocked::Failed
    }

    /// Makes the back copy the front. It is ready and has no stale bytes. Requires the role.
    #[inline]
    pub(crate) fn publish(&self, applier: &mut Applier) {
        applier.publish(self.copies());
        self.counters.epochs.set(applier.epoch);
        self.counters.copies_replaced.set(applier.replaced);
        self.counters.copies_forward.set(applier.forward.copies_forward);
        self.counters.copied_forward_bytes.set(applier.forward.copied_bytes);
        self.progress.set_epoch(applier.epoch, applier.tag);
        if applier.forward.back_is_stale() && applier.forward.worth_catching_up() {
            self.worker.request(duty::CATCH_UP);
        }
    }
}
