//! Reserving the back copy: its holder has the applier role and writes the state in place.

use std::marker::PhantomData;
use std::ops::Range;

use bytemuck::Pod;

use crate::error::{Error, Result, Status};
use crate::handle::lease::LeaseId;
use crate::manager::copies::copy_forward::COPY_STEP;
use crate::manager::core::back_reservation::BackWritten;
use crate::manager::core::call_wait::CallWait;
use crate::manager::core::drain::Blocked;
use crate::manager::core::shared::Shared;
use crate::manager::core::tasks::BackendWork;
use crate::manager::core::worker_state::duty;
use crate::manager::field::FieldLayout;
use crate::manager::shape::{elements, elements_mut};
use crate::sync::wait_check::Stop;
use crate::sys::clock::Timeout;

/// The content of the back copy when it is reserved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackMode {
    /// The state, with every update so far.
    #[default]
    Keep,
    /// Unspecified: the caller rewrites all of it, so nothing is copied forward.
    Discard,
}

/// A reserved back copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawBack {
    pub(crate) data: *mut u8,
    pub(crate) front: *const u8,
    pub(crate) bytes: u64,
    pub(crate) epoch: u64,
    pub(crate) token: u64,
}

/// The reason why the back copy could not be reserved.
enum ReserveBackError {
    Blocked(Blocked),
    Refused(Error),
}

impl From<Error> for ReserveBackError {
    fn from(error: Error) -> ReserveBackError {
        ReserveBackError::Refused(error)
    }
}

impl From<Blocked> for ReserveBackError {
    fn from(blocked: Blocked) -> ReserveBackError {
        ReserveBackError::Blocked(blocked)
    }
}

impl Shared {
    /// Takes the role and reserves the back copy. The reservation keeps the role.
    pub(crate) fn reserve_back(&self, mode: BackMode, timeout: Timeout) -> Result<RawBack> {
        self.progress.check_open()?;
        self.check_may_wait()?;
        let mut wait = CallWait::new(self, timeout);
        loop {
            wait.take_role("reserve_back")?;
            let error = match self.try_reserve(mode, &wait) {
                Ok(back) => return Ok(back),
                Err(error) => error,
            };
            self.role.release();
            match error {
                ReserveBackError::Refused(error) => return Err(error),
                ReserveBackError::Blocked(Blocked::Panicked) => return Err(Error::of(Status::Poisoned)),
                ReserveBackError::Blocked(Blocked::Late) => wait.resume(Stop::TimedOut)?,
                ReserveBackError::Blocked(blocked) => {
                    let worker = blocked == Blocked::Worker;
                    if worker {
                        self.worker.request(duty::DRAIN);
                    }
                    let used = self.log.used();
                    let drained = || self.log.used() < used || used == 0;
                    wait.sleep("reserve_back", blocked, || worker && drained())?;
                }
            }
        }
    }

    fn try_reserve(
        &self,
        mode: BackMode,
        wait: &CallWait<'_>,
    ) -> std::result::Result<RawBack, ReserveBackError> {
        self.progress.check_open()?;
        // SAFETY: the role is held.
        let applier = unsafe { self.applier() };
        self.drain_as_caller(applier)?;
        if !self.prepare(applier) {
            return Err(Blocked::Pinned.into());
        }
        if mode == BackMode::Keep {
            while !applier.forward.copy_step(COPY_STEP) {
                if wait.limit().passed() {
                    return Err(Blocked::Late.into());
                }
            }
        }
        applier.undo.save(&mut applier.forward)?;
        applier.written = BackWritten::All;
        if mode == BackMode::Discard {
            applier.forward.mark_all_rewritten();
            applier.written = BackWritten::Discarded;
        }
        self.tasks.begin_work(BackendWork::new("the reserved back copy", self.label, 0));
        let (data, front) = (applier.forward.back_data(), applier.forward.front_data());
        let token = self.reservation.begin(data, front);
        Ok(RawBack { data, front, bytes: self.fields.bytes, epoch: applier.epoch, token })
    }

    /// Fails unless `back` is the current reservation, as `reserve_back` or `replace_back` returned it.
    pub(crate) fn check_back(&self, back: &RawBack) -> Result<()> {
        self.reservation.check(back.token, back.data, back.front)?;
        if back.bytes != self.fields.bytes {
            let reason = "is not that of the state; pass back as it was written";
            return Err(Error::value(Status::Argument, "back.bytes", back.bytes, reason));
        }
        Ok(())
    }

    /// Leases the memory of the reserved back copy.
    pub(crate) fn lease_back(&self, token: u64) -> Result<LeaseId> {
        self.reservation.take(token)?;
        // SAFETY: the token stands for the role, and is this call's until it is put back.
        let applier = unsafe { self.applier() };
        let result = self.copies().lease_memory(applier.forward.back(), applier.epoch);
        self.reservation.put_back(token);
        result
    }

    /// Moves the reserved back copy to new memory.
    pub(crate) fn replace_back(&self, token: u64) -> Result<RawBack> {
        self.reservation.take(token)?;
        // SAFETY: the token stands for the role, and is this call's until it is put back.
        let applier = unsafe { self.applier() };
        let result = self.copies().replace_memory(applier.forward.back()).map(|data| {
            applier.forward.relocate_back(data);
            let (front, epoch) = (applier.forward.front_data(), applier.epoch);
            self.reservation.set_copies(data, front);
            RawBack { data, front, bytes: self.fields.bytes, epoch, token }
        });
        self.reservation.put_back(token);
        result
    }

    /// Marks ranges of the reserved back copy as written: (offset, length) in bytes from the start of `field`, or of the state if there
    /// is none. After the first call a commit takes only marked ranges as changed. A refused call marks nothing.
    pub(crate) fn mark_written(
        &self,
        token: u64,
        field: Option<&FieldLayout>,
        ranges: impl Iterator<Item = (u64, u64)> + Clone,
    ) -> Result<()> {
        let (start, bytes, of) = match field {
            Some(field) => (field.offset, field.shape.bytes, "bytes of the field"),
            None => (0, self.fields.bytes, "bytes of the state"),
        };
        for (offset, length) in ranges.clone() {
            let end = u128::from(offset) + u128::from(length);
            if end > u128::from(bytes) {
                return Err(Error::beyond("range.offset + range.bytes", end, bytes, of));
            }
        }
        self.reservation.take(token)?;
        // SAFETY: the token stands for the role, and is this call's until it is put back.
        let applier = unsafe { self.applier() };
        let marked = match applier.written {
            BackWritten::All => Some(0),
            BackWritten::Marked(bytes) => Some(bytes),
            BackWritten::Discarded => None,
        };
        if let Some(marked) = marked {
            let mut sum = marked;
            for (offset, length) in ranges.filter(|&(_, length)| length > 0) {
                applier.forward.begin_overwrite((start + offset) as usize, length as usize);
                sum += length;
            }
            applier.written = BackWritten::Marked(sum);
        }
        self.reservation.put_back(token);
        if marked.is_some() { Ok(()) } else { Err(discarded()) }
    }

    /// Makes the back copy as it is now the state, with that tag.
    pub(crate) fn commit_back(&self, token: u64, tag: u64) -> Result<()> {
        if let Err(error) = self.progress.check_alive() {
            // The reservation ends in any case.
            self.cancel_back(token)?;
            return Err(error);
        }
        self.reservation.take(token)?;
        self.tasks.end_work();
        // SAFETY: the token stands for the role.
        let applier = unsafe { self.applier() };
        let bytes = match applier.written {
            BackWritten::Marked(bytes) => bytes,
            BackWritten::All | BackWritten::Discarded => {
                applier.forward.mark_all_rewritten();
                self.fields.bytes
            }
        };
        (applier.tag, applier.tagged) = (tag, true);
        self.counters.count_in_place(1, bytes);
        self.role.release();
        self.waiters.signal();
        Ok(())
    }

    /// Restores the state of the time of the reservation.
    pub(crate) fn cancel_back(&self, token: u64) -> Result<()> {
        self.reservation.take(token)?;
        self.tasks.end_work();
        // SAFETY: the token stands for the role.
        let applier = unsafe { self.applier() };
        applier.undo.restore(&mut applier.forward);
        self.role.release();
        self.waiters.signal();
        Ok(())
    }
}

#[cold]
fn discarded() -> Error {
    let reason = "back was reserved with unspecified content, so all of it counts as written; reserve it with the state to mark \
                  ranges";
    Error::text(Status::State, reason)
}

/// The reserved back copy, as a slice of elements; of an [untyped](crate::dtype::Untyped) manager, as a slice of bytes. Dropping
/// it without [`Back::commit`] cancels the reservation.
///
/// ```
/// use backbuf::{Manager, Timeout, manager::BackMode};
/// let manager = Manager::<f64>::new(&[4])?;
/// let mut back = manager.reserve_back(BackMode::Discard, Timeout::FOREVER)?;
/// back.as_mut_slice().copy_from_slice(&[1.0, 2.0, 3.0, 4.0]);
/// back.commit(9)?;
/// manager.synchronize(Timeout::FOREVER)?;
/// let front = manager.front()?;
/// assert_eq!((front.as_slice(), front.tag()), (&[1.0, 2.0, 3.0, 4.0][..], 9));
/// # Ok::<(), backbuf::Error>(())
/// ```
pub struct Back<'a, T = u8> {
    shared: &'a Shared,
    raw: RawBack,
    element: PhantomData<fn() -> T>,
}

// SAFETY: only this value has access to the elements, and the role is not bound to a thread.
unsafe impl<T: Send> Send for Back<'_, T> {}

impl<'a, T> Back<'a, T> {
    /// Reserves the back copy of a state whose elements have the size of `T`.
    pub(crate) fn new(shared: &'a Shared, mode: BackMode, timeout: Timeout) -> Result<Back<'a, T>> {
        Ok(Back { shared, raw: shared.reserve_back(mode, timeout)?, element: PhantomData })
    }

    /// The bytes of the back copy.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the back copy is reserved for this value.
        unsafe { std::slice::from_raw_parts_mut(self.raw.data, self.raw.bytes as usize) }
    }

    /// The bytes of a field of the back copy, and of the same field of the front: [`Status::NoName`] if there is none.
    ///
    /// ```
    /// use backbuf::{DType, Manager, Timeout, manager::{BackMode, Config, FieldSpec}};
    /// let fields = [FieldSpec::new("qpos", DType::U8, &[2]), FieldSpec::new("step", DType::U8, &[])];
    /// let manager = Manager::with_fields(&fields, Config::default())?;
    /// let mut back = manager.reserve_back(BackMode::Keep, Timeout::FOREVER)?;
    /// let (step, last) = back.untyped_field("step")?;
    /// step[0] = last[0] + 1;
    /// back.commit(1)?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn untyped_field(&mut self, name: &str) -> Result<(&mut [u8], &[u8])> {
        Ok(self.bytes_of(self.layout(name)?))
    }

    /// The layout of a field.
    pub(crate) fn layout(&self, name: &str) -> Result<&'a FieldLayout> {
        self.shared.fields.named(name)
    }

    /// A field of the back copy, and the same field of the front.
    pub(crate) fn bytes_of(&mut self, field: &FieldLayout) -> (&mut [u8], &[u8]) {
        let (start, bytes) = (field.offset as usize, field.shape.bytes as usize);
        // SAFETY: fields lie within both copies; the back copy is reserved for this value, the front does not change
        // meanwhile, and they do not overlap.
        unsafe {
            let back = std::slice::from_raw_parts_mut(self.raw.data.add(start), bytes);
            (back, std::slice::from_raw_parts(self.raw.front.add(start), bytes))
        }
    }

    /// Elements of the first field along each dimension.
    pub fn shape(&self) -> &[u64] {
        self.shared.fields.first().shape.lengths()
    }

    /// The epoch of the front that it follows.
    pub fn epoch(&self) -> u64 {
        self.raw.epoch
    }

    /// Reports that this range of elements was written. After the first report, [`Back::commit`] takes only reported ranges as
    /// changed, so that the next epochs copy no more than those forward, and
    /// [`Front::changed_since`](super::front::Front::changed_since) names no more. Without a report all of it counts as changed.
    /// Readers may or may not see what is written outside of the reported ranges.
    ///
    /// [`Status::Range`] beyond the state, and [`Status::State`] if it was reserved with [`BackMode::Discard`]; then nothing is
    /// reported.
    ///
    /// ```
    /// use backbuf::{Manager, Timeout, manager::BackMode};
    /// let manager = Manager::<f64>::new(&[1000])?;
    /// let old = manager.front()?;
    /// let mut back = manager.reserve_back(BackMode::Keep, Timeout::FOREVER)?;
    /// back.as_mut_slice()[10..13].fill(1.5);
    /// back.mark_written(10..13)?;
    /// back.commit(1)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// assert_eq!(manager.front()?.changed_since(old.epoch())?.ranges(), [10..13]);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn mark_written(&mut self, range: Range<usize>) -> Result<()> {
        self.mark(None, range, size_of::<T>())
    }

    /// [`Back::mark_written`] for a range of elements of a field: [`Status::NoName`] if there is none.
    pub fn mark_field_written(&mut self, name: &str, range: Range<usize>) -> Result<()> {
        let field = self.layout(name)?;
        self.mark(Some(field), range, field.shape.element as usize)
    }

    fn mark(&mut self, field: Option<&FieldLayout>, range: Range<usize>, element: usize) -> Result<()> {
        // A product that overflows lies beyond the state in any case.
        let bytes = |elements: usize| (elements as u64).saturating_mul(element as u64);
        let range = (bytes(range.start), bytes(range.end.saturating_sub(range.start)));
        self.shared.mark_written(self.raw.token, field, std::iter::once(range))
    }

    /// Makes the back copy as it is now the state, with that tag. The next synchronize publishes it.
    ///
    /// All of it counts as changed, and is copied to the other copy in a later epoch, unless [`Back::mark_written`] was called.
    pub fn commit(self, tag: u64) -> Result<()> {
        let result = self.shared.commit_back(self.raw.token, tag);
        std::mem::forget(self);
        result
    }
}

impl<T: Pod> Back<'_, T> {
    /// The back copy's elements, row-major.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        elements_mut(self.bytes_mut())
    }

    /// The front that it follows.
    pub fn front(&self) -> &[T] {
        // SAFETY: the front does not change while the role is held.
        elements(unsafe { std::slice::from_raw_parts(self.raw.front, self.raw.bytes as usize) })
    }

    /// The back copy and the front, for an engine that steps from the front to the back.
    ///
    /// ```
    /// use backbuf::{Manager, Timeout, manager::BackMode};
    /// let manager = Manager::<u32>::new(&[4])?;
    /// let mut reserved = manager.reserve_back(BackMode::Discard, Timeout::FOREVER)?;
    /// let (back, front) = reserved.split();
    /// back.iter_mut().zip(front).for_each(|(next, last)| *next = last + 1);
    /// reserved.commit(1)?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn split(&mut self) -> (&mut [T], &[T]) {
        let bytes = self.raw.bytes as usize;
        // SAFETY: the back copy is reserved for this value, the front does not change meanwhile, and they do not overlap.
        let (back, front) = unsafe {
            let back = std::slice::from_raw_parts_mut(self.raw.data, bytes);
            (back, std::slice::from_raw_parts(self.raw.front, bytes))
        };
        (elements_mut(back), elements(front))
    }
}

/// Label, element type, shape, and the epoch that it follows.
impl<T> std::fmt::Debug for Back<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (label, shape) = (&self.shared.label, &self.shared.fields.first().shape);
        let mut f = f.debug_struct("Back");
        f.field("label", &label.as_str()).field("dtype", &shape.dtype).field("shape", &shape.lengths());
        f.field("epoch", &self.epoch()).finish_non_exhaustive()
    }
}

impl<T> Drop for Back<'_, T> {
    fn drop(&mut self) {
        // Refused only if the reservation has ended; then there is nothing to undo.
        let _ = self.shared.cancel_back(self.raw.token);
    }
}
