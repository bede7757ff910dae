//! Reserving the back copy: its holder has the applier role and writes the state in place.

use std::marker::PhantomData;

use bytemuck::Pod;

use crate::error::{Error, Result, Status};
use crate::handle::lease::LeaseId;
use crate::manager::copies::copy_forward::COPY_STEP;
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
        if mode == BackMode::Discard {
            applier.forward.mark_all_rewritten();
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
        applier.forward.mark_all_rewritten();
        (applier.tag, applier.tagged) = (tag, true);
        self.counters.count_in_place(1, self.fields.bytes);
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

    /// Makes the back copy as it is now the state, with that tag. The next synchronize publishes it.
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
