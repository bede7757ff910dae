//! The back copy in hand: the holder of the role writes the state itself.

use std::ptr::NonNull;

use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};
use crate::handle::lease::LeaseId;
use crate::manager::copies::copy_forward::COPY_STEP;
use crate::manager::core::applier::Applier;
use crate::manager::core::call_wait::Patience;
use crate::manager::core::shared::{Blocked, By, Shared};
use crate::manager::core::tasks::Work;
use crate::sync::atomic::Ordering::*;
use crate::sync::wait_check::Stop;
use crate::sys::clock::Timeout;
use crate::sys::thread::thread_id;

/// What the back copy shows when it is handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackMode {
    /// The state, with every update so far.
    #[default]
    Keep,
    /// Anything: all of it will be rewritten, so nothing is copied forward.
    Discard,
}

/// The back copy as it is handed out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawBack {
    pub(crate) data: *mut u8,
    pub(crate) front: *const u8,
    pub(crate) bytes: u64,
    pub(crate) epoch: u64,
    pub(crate) token: u64,
}

/// What is needed to undo: updates that were applied and not yet published. The tag stays as it is while the role is held.
#[derive(Debug, Default)]
pub(crate) struct Hand {
    ranges: Vec<(usize, usize)>,
    bytes: Vec<u8>,
    given_out: u64,
}

impl Shared {
    /// Whether the calling thread has the back copy in its hand.
    pub(crate) fn in_hand_here(&self) -> bool {
        self.token.load(Acquire) != 0 && self.holder.load(Relaxed) == thread_id()
    }

    /// Takes the role and hands the back copy out.
    pub(crate) fn reserve_back(&self, mode: BackMode, timeout: Timeout) -> Result<RawBack> {
        self.accepts()?;
        self.may_wait()?;
        let mut patience = Patience::new(self, timeout);
        loop {
            patience.take_role(self, "reserve_back")?;
            match self.try_reserve(mode, &patience) {
                Ok(back) => return Ok(back),
                Err(refusal) => {
                    self.role.drop();
                    match refusal {
                        Ok(Blocked::Panicked) => return Err(Error::of(Status::Poisoned)),
                        Ok(Blocked::Late) => patience.go_on(self, Stop::TimedOut)?,
                        Ok(blocked) => {
                            if blocked == Blocked::Worker {
                                self.ask(crate::manager::core::shared::duty::DRAIN);
                            }
                            let used = self.ring.used();
                            let drained = || self.ring.used() < used || used == 0;
                            let worker = blocked == Blocked::Worker;
                            patience.sleep(self, "reserve_back", blocked, || worker && drained())?;
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        }
    }

    fn try_reserve(
        &self,
        mode: BackMode,
        patience: &Patience,
    ) -> std::result::Result<RawBack, std::result::Result<Blocked, Error>> {
        self.accepts().map_err(Err)?;
        // SAFETY: the role is held.
        let applier = unsafe { self.applier() };
        self.drain(applier, self.ring.tail(), &mut self.budget.max(1), By::Caller).map_err(Ok)?;
        if !self.prepare(applier) {
            return Err(Ok(Blocked::Pinned));
        }
        if mode == BackMode::Keep {
            while !applier.forward.copy_step(COPY_STEP) {
                if patience.limit().passed() {
                    return Err(Ok(Blocked::Late));
                }
            }
        }
        // SAFETY: the role is held.
        let hand = unsafe { &mut *self.hand.get() };
        hand.remember(applier).map_err(Err)?;
        if mode == BackMode::Discard {
            applier.forward.mark_all_rewritten();
        }
        hand.given_out += 1;
        self.tasks.busy(Work::new("the back copy in hand", self.label, 0));
        self.holder.store(thread_id(), Relaxed);
        self.token.store(hand.given_out, Release);
        Ok(RawBack {
            data: applier.forward.back_data(),
            front: applier.forward.front_data(),
            bytes: self.shape.bytes,
            epoch: applier.epoch,
            token: hand.given_out,
        })
    }

    fn let_go(&self, token: u64) -> Result<()> {
        if token == 0 || self.token.compare_exchange(token, 0, AcqRel, Relaxed).is_err() {
            return Err(not_reserved());
        }
        self.tasks.idle();
        Ok(())
    }

    /// Runs `work` as the holder of the reservation; meanwhile no other call can end it.
    fn with_reserved<T>(&self, token: u64, work: impl FnOnce(&mut Applier) -> Result<T>) -> Result<T> {
        if token == 0 || self.token.compare_exchange(token, 0, AcqRel, Relaxed).is_err() {
            return Err(not_reserved());
        }
        // SAFETY: the token shows that the role is held for this call, and it is this call's until it is stored back.
        let result = work(unsafe { self.applier() });
        self.token.store(token, Release);
        result
    }

    /// Leases the memory of the reserved back copy.
    pub(crate) fn lease_back(&self, token: u64) -> Result<LeaseId> {
        self.with_reserved(token, |applier| {
            self.storage().lease_memory(applier.forward.back(), applier.epoch)
        })
    }

    /// Moves the reserved back copy to new memory.
    pub(crate) fn replace_back(&self, token: u64) -> Result<RawBack> {
        self.with_reserved(token, |applier| {
            let data = self.storage().replace_memory(applier.forward.back())?;
            applier.forward.relocate_back(data);
            let (front, epoch) = (applier.forward.front_data(), applier.epoch);
            Ok(RawBack { data, front, bytes: self.shape.bytes, epoch, token })
        })
    }

    /// Takes the back copy as it is now for the state, with that tag.
    pub(crate) fn commit_back(&self, token: u64, tag: u64) -> Result<()> {
        self.let_go(token)?;
        // SAFETY: the token shows that the role is held for this call.
        let applier = unsafe { self.applier() };
        applier.forward.mark_all_rewritten();
        (applier.tag, applier.tagged) = (tag, true);
        self.count_in_place(1, self.shape.bytes);
        self.role.drop();
        self.progress.signal();
        Ok(())
    }

    /// The state is what it was when the back copy was reserved.
    pub(crate) fn cancel_back(&self, token: u64) -> Result<()> {
        self.let_go(token)?;
        // SAFETY: the token shows that the role is held for this call.
        let (applier, hand) = unsafe { (self.applier(), &mut *self.hand.get()) };
        applier.forward.invalidate_back();
        let mut from = 0;
        for &(start, end) in &hand.ranges {
            // SAFETY: ranges of the state, and their bytes as they were.
            unsafe { applier.forward.write(start, hand.bytes[from..].as_ptr(), end - start) };
            from += end - start;
        }
        hand.forget();
        self.role.drop();
        self.progress.signal();
        Ok(())
    }
}

fn not_reserved() -> Error {
    Error::text(
        Status::State,
        "back is not reserved: it was committed or cancelled before, or never reserved",
    )
}

impl Hand {
    /// Keeps what was applied in this epoch: a cancelled back copy must not lose it.
    fn remember(&mut self, applier: &mut crate::manager::core::applier::Applier) -> Result<()> {
        self.forget();
        if !applier.forward.is_dirty() {
            return Ok(());
        }
        let (mut count, mut sum) = (0, 0);
        applier.forward.for_each_dirty(|start, end| (count, sum) = (count + 1, sum + (end - start)));
        self.ranges = try_vec(count)?;
        self.bytes = try_vec(sum)?;
        let target = applier.forward.back_data();
        let (ranges, bytes) = (&mut self.ranges, &mut self.bytes);
        applier.forward.for_each_dirty(|start, end| {
            ranges.push((start, end));
            // SAFETY: a range of the back copy, which the role guards.
            bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(target.add(start), end - start) });
        });
        Ok(())
    }

    fn forget(&mut self) {
        (self.ranges, self.bytes) = (Vec::new(), Vec::new());
    }
}

/// The back copy in hand; dropped without [`Back::commit`] it is cancelled.
///
/// ```
/// use backbuf::{DType, Timeout, manager::{BackMode, Manager}};
/// let manager = Manager::new(DType::U8, &[4])?;
/// let mut back = manager.reserve_back(BackMode::Discard, Timeout::FOREVER)?;
/// back.bytes_mut().copy_from_slice(&[1, 2, 3, 4]);
/// back.commit(9)?;
/// manager.synchronize(Timeout::FOREVER)?;
/// let front = manager.front()?;
/// assert_eq!((front.bytes(), front.tag()), (&[1u8, 2, 3, 4][..], 9));
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct Back<'a> {
    shared: &'a Shared,
    data: NonNull<u8>,
    raw: RawBack,
}

// SAFETY: the bytes are this value's alone, and the role is not bound to a thread.
unsafe impl Send for Back<'_> {}

impl<'a> Back<'a> {
    pub(crate) fn new(shared: &'a Shared, raw: RawBack) -> Back<'a> {
        Back { shared, data: NonNull::new(raw.data).unwrap_or(NonNull::dangling()), raw }
    }

    /// The back copy.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: reserved for this value until it is committed or cancelled.
        unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr(), self.raw.bytes as usize) }
    }

    /// The front that it follows.
    pub fn front(&self) -> &[u8] {
        // SAFETY: a front stays as it is while the role is held.
        unsafe { std::slice::from_raw_parts(self.raw.front, self.raw.bytes as usize) }
    }

    /// Both at once, for an engine that steps from the one to the other.
    ///
    /// ```
    /// use backbuf::{DType, Timeout, manager::{BackMode, Manager}};
    /// let manager = Manager::new(DType::U8, &[4])?;
    /// let mut hand = manager.reserve_back(BackMode::Discard, Timeout::FOREVER)?;
    /// let (back, front) = hand.split();
    /// back.iter_mut().zip(front).for_each(|(next, last)| *next = last + 1);
    /// hand.commit(1)?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn split(&mut self) -> (&mut [u8], &[u8]) {
        // SAFETY: the two copies lie apart; each half as in the methods above.
        unsafe {
            let bytes = self.raw.bytes as usize;
            let back = std::slice::from_raw_parts_mut(self.data.as_ptr(), bytes);
            (back, std::slice::from_raw_parts(self.raw.front, bytes))
        }
    }

    /// The epoch of that front.
    pub fn epoch(&self) -> u64 {
        self.raw.epoch
    }

    /// Takes the back copy as it is for the state, with that tag. The next synchronize publishes it.
    pub fn commit(self, tag: u64) -> Result<()> {
        let result = self.shared.commit_back(self.raw.token, tag);
        std::mem::forget(self);
        result
    }
}

impl Drop for Back<'_> {
    fn drop(&mut self) {
        // Refused only if it has ended, and then there is nothing to undo.
        let _ = self.shared.cancel_back(self.raw.token);
    }
}
