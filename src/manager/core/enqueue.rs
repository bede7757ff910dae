//! Enqueuing updates: in place if the role is free and nothing is queued, else as a record of the update log.
//!
//! These are the only entry points for updates; the safe methods of `Manager` and the C functions call them directly.

use crate::alloc::{try_box, try_vec};
use crate::error::{Error, ErrorList, Result, Status};
use crate::manager::copies::copy_forward::COPY_AT_ONCE;
use crate::manager::core::call_wait::CallWait;
use crate::manager::core::callback::{self, Release};
use crate::manager::core::drain::{Blocked, RoleHolder};
use crate::manager::core::op::Op;
use crate::manager::core::shared::Shared;
use crate::manager::core::update_log::{ReserveError, UNIT_BYTES};
use crate::manager::core::worker_state::duty;
use crate::manager::field::FieldLayout;
use crate::manager::region::RawRegion;
use crate::manager::update::{RawUpdate, Refused};
use crate::sys::clock::Timeout;

/// Records of other producers that a producer applies before its own update.
const RECORDS_FIRST: u64 = 8;

/// The reason why a record was not pushed.
enum PushError {
    Full,
    Refused(Error),
}

impl Shared {
    /// Writes `count` elements at `byte_offset` of the first field: the fast path of all updates.
    ///
    /// # Safety
    /// `data` is readable for `count` elements.
    #[inline(always)]
    pub(crate) unsafe fn enqueue_write(
        &self,
        byte_offset: u64,
        count: u64,
        data: *const u8,
        timeout: Timeout,
    ) -> Result<()> {
        match self.fast_fields.first().place(byte_offset, count, data) {
            // SAFETY: checked; readable by the caller's promise.
            Some((offset, length)) => unsafe { self.write_checked(offset, length, data, timeout) },
            // SAFETY: the caller's promise.
            None => unsafe { self.enqueue_write_to(self.fields.first(), byte_offset, count, data, timeout) },
        }
    }

    /// Writes `count` elements at `byte_offset` of a field.
    ///
    /// # Safety
    /// `data` is readable for `count` elements.
    #[inline(never)]
    pub(crate) unsafe fn enqueue_write_to(
        &self,
        field: &FieldLayout,
        byte_offset: u64,
        count: u64,
        data: *const u8,
        timeout: Timeout,
    ) -> Result<()> {
        match field.check_data(byte_offset, count, data)? {
            0 => self.progress.check_open(),
            // SAFETY: checked; readable by the caller's promise.
            length => unsafe { self.write_checked(field.offset + byte_offset, length, data, timeout) },
        }
    }

    /// Writes an update as C passes it, if that can be done at once: the fast path of the first fields. False if it was not done;
    /// then [`Shared::enqueue_update`] does it or refuses it.
    ///
    /// # Safety
    /// Its data is readable.
    #[inline(always)]
    pub(crate) unsafe fn update_in_place(&self, update: &RawUpdate) -> bool {
        let RawUpdate { byte_offset, count, data, field, reserved } = *update;
        // Not one load of both: the caller has just stored each by itself, so a load of both would wait for the cache.
        if reserved != 0 {
            return false;
        }
        let placed = self.fast_fields.get(field).and_then(|field| field.place(byte_offset, count, data));
        // SAFETY: checked; readable by the caller's promise.
        placed.is_some_and(|(offset, length)| unsafe { self.write_in_place(offset, length, data) })
    }

    /// Writes an update as C passes it.
    ///
    /// # Safety
    /// Its data is readable.
    pub(crate) unsafe fn enqueue_update(&self, update: &RawUpdate, timeout: Timeout) -> Result<()> {
        let field = self.fields.of_update(update)?;
        // SAFETY: the caller's promise.
        unsafe { self.enqueue_write_to(field, update.byte_offset, update.count, update.data, timeout) }
    }

    /// Writes a checked range of the state.
    ///
    /// # Safety
    /// The range is checked and not empty, and `data` is readable for its length.
    #[inline(always)]
    unsafe fn write_checked(
        &self,
        offset: u64,
        length: u64,
        data: *const u8,
        timeout: Timeout,
    ) -> Result<()> {
        // SAFETY: the caller's promise, in both.
        unsafe {
            if self.write_in_place(offset, length, data) {
                return Ok(());
            }
            self.enqueue(Op::Write { offset, length, data }, timeout)
        }
    }

    /// Writes a checked range of the state, if nothing is queued and the back copy is writable.
    ///
    /// # Safety
    /// As for [`Shared::write_checked`].
    #[inline(always)]
    unsafe fn write_in_place(&self, offset: u64, length: u64, data: *const u8) -> bool {
        if self.settings.worker_only || !self.role.try_take() {
            return false;
        }
        // SAFETY: the role is held.
        let applier = unsafe { self.applier() };
        if self.log.open_and_ends_at(applier.head) && (applier.ready || self.prepare(applier)) {
            // SAFETY: checked; readable by the caller's promise.
            unsafe { applier.forward.write(offset as usize, data, length as usize) };
            self.counters.count_in_place(1, length);
            self.role.release();
            return true;
        }
        self.role.release();
        false
    }

    /// Writes several updates as one element of the order: all of them or none.
    ///
    /// # Safety
    /// The data of each update is readable.
    pub(crate) unsafe fn enqueue_updates(&self, updates: &[RawUpdate], timeout: Timeout) -> Result<()> {
        for (index, update) in updates.iter().enumerate() {
            let field = self.fields.of_update(update);
            let checked =
                field.and_then(|field| field.check_data(update.byte_offset, update.count, update.data));
            checked.map_err(|error| error.of_item(ErrorList::Updates, index))?;
        }
        // SAFETY: checked; readable by the caller's promise.
        if unsafe { self.write_many_in_place(updates) } {
            return Ok(());
        }
        self.progress.check_open()?;
        let mut records = Vec::new();
        for update in updates {
            let op = self.fields.of_update(update)?.write(update.byte_offset, update.count, update.data)?;
            // SAFETY: checked; readable by the caller's promise.
            unsafe { op.append_to(&mut records)? };
        }
        if records.is_empty() {
            return Ok(());
        }
        let length = records.len() as u64 * 8;
        // SAFETY: encoded writes, which own nothing.
        unsafe { self.enqueue(Op::Group { records: records.as_ptr(), length, worker: false }, timeout) }
    }

    /// Writes checked updates at once if nothing is queued and the back copy is writable.
    ///
    /// # Safety
    /// The updates are checked and readable.
    unsafe fn write_many_in_place(&self, updates: &[RawUpdate]) -> bool {
        if self.settings.worker_only || !self.role.try_take() {
            return false;
        }
        // SAFETY: the role is held.
        let applier = unsafe { self.applier() };
        let free = self.log.open_and_ends_at(applier.head) && self.prepare(applier);
        if free {
            let mut bytes = 0;
            for update in updates {
                // Checked, so there is such a field.
                let Ok(field) = self.fields.get(update.field) else { continue };
                let length = update.count * field.shape.element;
                if length > 0 {
                    let offset = field.offset + update.byte_offset;
                    // SAFETY: the caller's promise.
                    unsafe { applier.forward.write(offset as usize, update.data, length as usize) };
                    bytes += length;
                }
            }
            self.counters.count_in_place(updates.len() as u64, bytes);
        }
        self.role.release();
        free
    }

    /// Fills `count` elements at `byte_offset` of a field with one element.
    ///
    /// # Safety
    /// `element` is readable.
    pub(crate) unsafe fn enqueue_fill(
        &self,
        field: &FieldLayout,
        byte_offset: u64,
        count: u64,
        element: *const u8,
        timeout: Timeout,
    ) -> Result<()> {
        let op = field.fill(byte_offset, count, element)?;
        // SAFETY: checked; readable by the caller's promise.
        unsafe { self.enqueue(op, timeout) }
    }

    /// Writes an N-d region of a field.
    ///
    /// # Safety
    /// The data is readable as the region describes it.
    pub(crate) unsafe fn enqueue_region(
        &self,
        field: &FieldLayout,
        region: &RawRegion<'_>,
        timeout: Timeout,
    ) -> Result<()> {
        let plan = field.region(region)?;
        if plan.count() == 0 {
            return self.progress.check_open();
        }
        // SAFETY: checked; readable by the caller's promise; the plan outlives the call.
        unsafe { self.enqueue(Op::Region { plan: &plan, data: region.data }, timeout) }
    }

    /// Enqueues data that the caller keeps until `release` is called. A refused `release` is returned.
    ///
    /// # Safety
    /// `data` stays readable for `count` elements until `release` is called or returned.
    pub(crate) unsafe fn enqueue_borrowed(
        &self,
        field: &FieldLayout,
        byte_offset: u64,
        count: u64,
        data: *const u8,
        release: Release,
        timeout: Timeout,
    ) -> std::result::Result<(), Refused<Release>> {
        let release = Box::into_raw(release);
        let enqueued = field.check_data(byte_offset, count, data).and_then(|length| {
            let offset = field.offset + byte_offset;
            // SAFETY: checked; readable by the caller's promise.
            unsafe { self.enqueue(Op::Borrowed { offset, length, data, release }, timeout) }
        });
        enqueued.map_err(|error| {
            // SAFETY: a refused op stays the caller's.
            Refused { error, value: unsafe { Box::from_raw(release) } }
        })
    }

    /// Adds an op to the order. On success the op is ended or in the log; on failure it stays the caller's.
    ///
    /// # Safety
    /// The op is checked, and its pointers are valid.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn enqueue(&self, op: Op, timeout: Timeout) -> Result<()> {
        self.progress.check_open()?;
        // SAFETY: the caller's promise.
        if unsafe { self.try_in_place(op)? } {
            return Ok(());
        }
        let large = op.size().is_none_or(|size| size.div_ceil(UNIT_BYTES) > self.log.capacity() / 2);
        if !large {
            return self.push_or_wait(op, timeout);
        }
        let outsized = self.make_outsized(op)?;
        let result = self.push_outsized(outsized, timeout);
        if result.is_err()
            && let Op::Outsized { record, .. } = outsized
        {
            // SAFETY: made above and not pushed; the ops that it encodes stay the caller's.
            drop(unsafe { Box::from_raw(record) });
        }
        result
    }

    /// Applies the op at once if nothing is queued before it and the back copy is writable.
    unsafe fn try_in_place(&self, op: Op) -> Result<bool> {
        if self.settings.worker_only || op.needs_worker() || op.is_borrowed() || !self.role.try_take() {
            return Ok(false);
        }
        // SAFETY: the role is held.
        let applier = unsafe { self.applier() };
        let upto = self.log.tail().min(applier.head + RECORDS_FIRST);
        let drained = self.drain(applier, upto, &mut (COPY_AT_ONCE as u64), RoleHolder::Caller);
        let free = drained.is_ok() && self.log.open_and_ends_at(applier.head);
        let done = free && self.prepare(applier);
        let result = if done {
            // SAFETY: the caller's promise; the back copy is ready.
            unsafe { self.apply(applier, op) }
                .map(|applied| self.counters.count_in_place(applied.updates, applied.bytes))
        } else {
            Ok(())
        };
        self.role.release();
        match (result, drained) {
            (Err(Blocked::Panicked), _) | (_, Err(Blocked::Panicked)) => {
                Err(Error::text(Status::Panic, "a kernel panicked"))
            }
            _ => Ok(done),
        }
    }

    /// Encodes an op that is too large for the log into its own allocation.
    fn make_outsized(&self, op: Op) -> Result<Op> {
        let size = op.size().ok_or_else(|| Error::of(Status::Limit))?;
        let out_of_memory = || {
            Error::value(
                Status::OutOfMemory,
                "bytes",
                size,
                "out of memory for an update larger than the queue",
            )
        };
        let mut record = try_vec::<u64>((size / 8) as usize).map_err(|_| out_of_memory())?;
        // SAFETY: the capacity was just reserved, and all of it is written or never read.
        unsafe {
            op.encode(record.as_mut_ptr().cast());
            record.set_len((size / 8) as usize);
        }
        let record = try_box(record).map_err(|_| out_of_memory())?;
        Ok(Op::Outsized { record: Box::into_raw(record), worker: op.needs_worker() })
    }

    /// Pushes an outsized op once its bytes fit: those in flight are at most one state's size, or belong to one op.
    fn push_outsized(&self, op: Op, timeout: Timeout) -> Result<()> {
        let Op::Outsized { record, .. } = op else { unreachable!("made by make_outsized") };
        // SAFETY: not pushed yet, so this thread's.
        let size = unsafe { (*record).len() as u64 * 8 };
        let limit = self.fields.bytes;
        let mut wait = None;
        while !self.log.reserve_outsized(size, limit) {
            self.make_room(&mut wait, timeout, || self.log.outsized_fits(size, limit))?;
        }
        let result = self.push_or_wait(op, timeout);
        match result {
            Ok(()) => self.counters.outsized.bump(1),
            Err(_) => {
                self.log.release_outsized(size);
                self.waiters.signal();
            }
        }
        result
    }

    /// Pushes the op, and waits while the log is full.
    fn push_or_wait(&self, op: Op, timeout: Timeout) -> Result<()> {
        let mut wait = None;
        loop {
            let used = self.log.used();
            match self.push(op) {
                Ok(()) => return Ok(()),
                Err(PushError::Refused(error)) => return Err(error),
                Err(PushError::Full) => self.make_room(&mut wait, timeout, || self.log.used() < used)?,
            }
        }
    }

    /// Writes the op's record into the log.
    fn push(&self, op: Op) -> std::result::Result<(), PushError> {
        let size = op.size().ok_or_else(|| PushError::Refused(Error::of(Status::Limit)))?;
        let reservation = match self.log.reserve(size.div_ceil(UNIT_BYTES)) {
            Ok(reservation) => reservation,
            Err(ReserveError::Full) => return Err(PushError::Full),
            Err(ReserveError::Closed) => {
                return Err(PushError::Refused(
                    self.progress.check_open().err().unwrap_or_else(|| Error::of(Status::Closed)),
                ));
            }
        };
        // SAFETY: the units are this thread's until they are committed, and large enough.
        unsafe { op.encode(self.log.record(reservation.at)) };
        self.log.commit(reservation);
        let used = self.log.used();
        self.counters.queue_high_water.raise(used * UNIT_BYTES);
        // The worker is woken for ops that only it may apply, large or borrowed ones, and for a backlog.
        let for_worker = op.needs_worker() || op.is_borrowed() || matches!(op, Op::Outsized { .. });
        if for_worker || used > self.log.capacity() / 2 {
            self.worker.request(duty::DRAIN);
        }
        Ok(())
    }

    /// Helps to drain a full log, and sleeps if that is not possible. Returns when there may be room.
    fn make_room<'a>(
        &'a self,
        wait: &mut Option<CallWait<'a>>,
        timeout: Timeout,
        has_room: impl Fn() -> bool,
    ) -> Result<()> {
        self.progress.check_alive()?;
        // Neither a callback of the manager nor the owner of the reserved back copy ever waits here.
        let must_not_wait = callback::inside(self.number) || self.reservation.is_mine();
        let timeout = if must_not_wait { Timeout::TRY } else { timeout };
        let full = || {
            Error::text(Status::Full, "the queue is full; wait, synchronize, or create with more queue_bytes")
        };
        let wait = wait.get_or_insert_with(|| CallWait::new(self, timeout));
        let blocked = if self.settings.worker_only || must_not_wait {
            Blocked::Worker
        } else if timeout == Timeout::TRY && !self.role.try_take() {
            return Err(full());
        } else {
            if timeout != Timeout::TRY {
                wait.take_role("enqueue")?;
            }
            // SAFETY: the role is held.
            let result = self.drain_as_caller(unsafe { self.applier() });
            self.role.release();
            self.waiters.signal();
            match result {
                Ok(()) => return Ok(()),
                Err(Blocked::Panicked) => return Err(Error::of(Status::Poisoned)),
                Err(_) if has_room() => return Ok(()),
                Err(blocked) => blocked,
            }
        };
        if blocked == Blocked::Worker {
            self.worker.request(duty::DRAIN);
        }
        if timeout == Timeout::TRY {
            return Err(full());
        }
        match wait.sleep("enqueue", blocked, has_room) {
            Err(error) if error.status() == Status::Timeout => Err(Error::text(
                Status::Timeout,
                "the queue stayed full until the timeout; synchronize, or create with more queue_bytes",
            )),
            other => other,
        }
    }
}
