//! The way of an update: in place where the role is free and nothing is queued, else into the log.

use crate::alloc::{try_box, try_vec};
use crate::error::{Error, Result, Status};
use crate::manager::copies::copy_forward::COPY_AT_ONCE;
use crate::manager::core::call_wait::Patience;
use crate::manager::core::callback;
use crate::manager::core::op::Op;
use crate::manager::core::shared::{Blocked, By, Shared, duty};
use crate::manager::core::update_log::{Refusal, UNIT};
use crate::manager::raw::RawUpdate;
use crate::sync::atomic::Ordering::*;
use crate::sys::clock::Timeout;

/// Records that a producer applies for others before its own.
const COURTESY: u64 = 8;

/// A record that did not go into the log: why.
enum NotPushed {
    Full,
    Refused(Error),
}

impl Shared {
    /// Writes `length > 0` bytes: the fast path of everything.
    ///
    /// # Safety
    /// The range lies within the state and `data` is readable.
    #[inline(always)]
    pub(crate) unsafe fn enqueue_write(
        &self,
        offset: u64,
        length: u64,
        data: *const u8,
        timeout: Timeout,
    ) -> Result<()> {
        if !self.worker_only && self.role.try_take() {
            // SAFETY: the role is held.
            let applier = unsafe { self.applier() };
            let first = self.ring.open_and_ends_at(applier.head);
            if first && (applier.ready || self.prepare(applier)) {
                // SAFETY: the caller's promise.
                unsafe { applier.forward.write(offset as usize, data, length as usize) };
                self.count_in_place(1, length);
                self.role.drop();
                return Ok(());
            }
            self.role.drop();
        }
        // SAFETY: the caller's promise.
        unsafe { self.enqueue(Op::Write { offset, length, data }, timeout) }
    }

    /// Writes several updates in one go, if nothing is before them and the back copy may be written.
    ///
    /// # Safety
    /// The updates are checked and readable.
    pub(crate) unsafe fn write_many_in_place(&self, updates: &[RawUpdate]) -> bool {
        if self.worker_only || !self.role.try_take() {
            return false;
        }
        // SAFETY: the role is held.
        let applier = unsafe { self.applier() };
        let free = self.ring.open_and_ends_at(applier.head) && self.prepare(applier);
        if free {
            let mut bytes = 0;
            for update in updates {
                let length = update.count * self.shape.element;
                if length > 0 {
                    // SAFETY: the caller's promise.
                    unsafe {
                        applier.forward.write(update.byte_offset as usize, update.data, length as usize)
                    };
                    bytes += length;
                }
            }
            self.count_in_place(updates.len() as u64, bytes);
        }
        self.role.drop();
        free
    }

    /// Puts an op into the order. On success it is ended, or waits in the log; on failure it is the caller's.
    ///
    /// # Safety
    /// The op is checked, and its pointers are valid.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn enqueue(&self, op: Op, timeout: Timeout) -> Result<()> {
        self.accepts()?;
        // SAFETY: the caller's promise.
        if unsafe { self.try_in_place(op)? } {
            return Ok(());
        }
        let large = op.size().is_none_or(|size| size.div_ceil(UNIT) > self.ring.capacity() / 2);
        if !large {
            return self.push_patiently(op, timeout);
        }
        let outsized = self.box_up(op)?;
        let result = self.push_outsized(outsized, timeout);
        if result.is_err()
            && let Op::Outsized { record, .. } = outsized
        {
            // SAFETY: made above and not pushed; what it encodes stays the caller's.
            drop(unsafe { Box::from_raw(record) });
        }
        result
    }

    /// Applies the op now, if nothing is before it and the back copy may be written.
    unsafe fn try_in_place(&self, op: Op) -> Result<bool> {
        if self.worker_only || op.needs_worker() || op.is_borrowed() || !self.role.try_take() {
            return Ok(false);
        }
        // SAFETY: the role is held.
        let applier = unsafe { self.applier() };
        let upto = self.ring.tail().min(applier.head + COURTESY);
        let courtesy = self.drain(applier, upto, &mut (COPY_AT_ONCE as u64), By::Caller);
        let free = courtesy.is_ok() && self.ring.open_and_ends_at(applier.head);
        let done = free && self.prepare(applier);
        let result = if done {
            // SAFETY: the caller's promise; the back is ready.
            unsafe { self.apply(applier, op) }
                .map(|applied| self.count_in_place(applied.updates, applied.bytes))
        } else {
            Ok(())
        };
        self.role.drop();
        match (result, courtesy) {
            (Err(Blocked::Panicked), _) | (_, Err(Blocked::Panicked)) => {
                Err(Error::text(Status::Panic, "a kernel panicked"))
            }
            _ => Ok(done),
        }
    }

    /// Turns an op that is too large for the ring into one with an allocation of its own.
    fn box_up(&self, op: Op) -> Result<Op> {
        let size = op.size().ok_or_else(|| Error::of(Status::Limit))?;
        let none = || {
            Error::value(
                Status::OutOfMemory,
                "bytes",
                size,
                "memory for an update beyond the queue could not be had",
            )
        };
        let mut record = try_vec::<u64>((size / 8) as usize).map_err(|_| none())?;
        // SAFETY: the capacity was just reserved, and all of it is written or never read.
        unsafe {
            op.encode(record.as_mut_ptr().cast());
            record.set_len((size / 8) as usize);
        }
        let record = try_box(record).map_err(|_| none())?;
        Ok(Op::Outsized { record: Box::into_raw(record), worker: op.needs_worker() })
    }

    /// Pushes an outsized op when its bytes fit beside those in flight: one state's size, or a single one.
    fn push_outsized(&self, op: Op, timeout: Timeout) -> Result<()> {
        let Op::Outsized { record, .. } = op else { unreachable!("made by box_up") };
        // SAFETY: not pushed yet, so this thread's.
        let size = unsafe { (*record).len() as u64 * 8 };
        let mut patience = None;
        loop {
            let add =
                |flying: u64| (flying == 0 || flying + size <= self.shape.bytes).then_some(flying + size);
            if self.outsized.fetch_update(AcqRel, Acquire, add).is_ok() {
                break;
            }
            self.make_room(&mut patience, timeout, || add(self.outsized.load(Acquire)).is_some())?;
        }
        let result = self.push_patiently(op, timeout);
        match result {
            Ok(()) => self.counters.outsized.bump(1),
            Err(_) => {
                self.outsized.fetch_sub(size, AcqRel);
                self.progress.signal();
            }
        }
        result
    }

    fn push_patiently(&self, op: Op, timeout: Timeout) -> Result<()> {
        let mut patience = None;
        loop {
            let used = self.ring.used();
            match self.push(op) {
                Ok(()) => return Ok(()),
                Err(NotPushed::Refused(error)) => return Err(error),
                Err(NotPushed::Full) => self.make_room(&mut patience, timeout, || self.ring.used() < used)?,
            }
        }
    }

    /// Writes the op's record into the ring.
    fn push(&self, op: Op) -> std::result::Result<(), NotPushed> {
        let size = op.size().ok_or_else(|| NotPushed::Refused(Error::of(Status::Limit)))?;
        let reserved = match self.ring.reserve(size.div_ceil(UNIT)) {
            Ok(reserved) => reserved,
            Err(Refusal::Full) => return Err(NotPushed::Full),
            Err(Refusal::Closed) => {
                return Err(NotPushed::Refused(
                    self.accepts().err().unwrap_or_else(|| Error::of(Status::Closed)),
                ));
            }
        };
        // SAFETY: the units are this thread's until they are committed, and large enough.
        unsafe { op.encode(self.ring.unit(reserved.at).0.get().cast()) };
        self.ring.commit(reserved);
        let used = self.ring.used();
        self.counters.queue_high_water.raise(used * UNIT);
        // The worker is woken for what only it may do, for what is large or borrowed, and for a backlog.
        let heavy = op.needs_worker() || op.is_borrowed() || matches!(op, Op::Outsized { .. });
        if heavy || used > self.ring.capacity() / 2 {
            self.ask(duty::DRAIN);
        }
        Ok(())
    }

    /// The log is full: helps to drain it, and sleeps if that cannot go on. An error ends the call.
    fn make_room(
        &self,
        patience: &mut Option<Patience>,
        timeout: Timeout,
        roomy: impl Fn() -> bool,
    ) -> Result<()> {
        self.lives()?;
        // A callback never waits for its own manager, nor does the thread that has the back copy in its hand.
        let stuck = callback::inside(self.number) || self.in_hand_here();
        let timeout = if stuck { Timeout::TRY } else { timeout };
        let full = || {
            Error::text(Status::Full, "the queue is full; wait, synchronize, or create with more queue_bytes")
        };
        let patience = patience.get_or_insert_with(|| Patience::new(self, timeout));
        let blocked = if self.worker_only || stuck {
            Blocked::Worker
        } else if timeout == Timeout::TRY && !self.role.try_take() {
            return Err(full());
        } else {
            if timeout != Timeout::TRY {
                patience.take_role(self, "enqueue")?;
            }
            // SAFETY: the role is held.
            let applier = unsafe { self.applier() };
            let result = self.drain(applier, self.ring.tail(), &mut self.budget.max(1), By::Caller);
            self.role.drop();
            self.progress.signal();
            match result {
                Ok(()) => return Ok(()),
                Err(Blocked::Panicked) => return Err(Error::of(Status::Poisoned)),
                Err(_) if roomy() => return Ok(()),
                Err(blocked) => blocked,
            }
        };
        if blocked == Blocked::Worker {
            self.ask(duty::DRAIN);
        }
        if timeout == Timeout::TRY {
            return Err(full());
        }
        match patience.sleep(self, "enqueue", blocked, roomy) {
            Err(error) if error.status() == Status::Timeout => Err(Error::text(
                Status::Timeout,
                "the queue stayed full for the time given; synchronize, or create with more queue_bytes",
            )),
            other => other,
        }
    }
}
