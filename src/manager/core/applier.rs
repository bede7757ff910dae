//! What the holder of the role works on: the back copy, and how far the log has been applied.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::manager::copies::copies::CopyMemory;
use crate::manager::copies::copies::StateCopies;
use crate::manager::copies::copy_forward::CopyForward;
use crate::manager::copies::front_count::MAX_COPIES;
use crate::manager::core::callback;
use crate::manager::core::op::{Op, Release, Run};
use crate::manager::region::Plan;
use crate::sys::pages::PREFAULTED_MOST;

/// A callback whose work is done: to be called or dropped by the worker, outside the role.
pub(crate) enum Spent {
    Release(Release),
    Kernel(Run),
}

impl Spent {
    /// Ends it: gives borrowed data back, or drops the kernel.
    pub(crate) fn end(self) {
        match self {
            Spent::Release(release) => release(),
            Spent::Kernel(run) => drop(run),
        }
    }
}

/// A kernel panicked: what it left in the back copy is anybody's guess.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panicked;

pub(crate) struct Applier {
    pub(crate) forward: CopyForward,
    /// Everything below has been applied.
    pub(crate) head: u64,
    /// Whether the back copy may be written: nobody holds it. Stays true until it is published.
    pub(crate) ready: bool,
    /// Whether a tag came in this epoch.
    pub(crate) tagged: bool,
    pub(crate) tag: u64,
    pub(crate) epoch: u64,
    /// The manager's number.
    pub(crate) number: u64,
    pub(crate) spent: Vec<Spent>,
    /// Times that a lease held the next back copy and another took its place.
    pub(crate) replaced: u64,
    /// Bit k: copy k became the back copy since `withdraw_unused` last looked.
    used: u32,
    /// Whether the last `prepare` found a lease on every copy.
    pub(crate) blocked_by_leases: bool,
    /// Set when a kernel panicked.
    panicked: bool,
}

/// What applying came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Applied {
    pub(crate) updates: u64,
    pub(crate) bytes: u64,
}

impl std::fmt::Debug for Applier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Applier")
            .field("head", &self.head)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

impl Applier {
    pub(crate) fn new(forward: CopyForward, number: u64) -> Applier {
        let spent = Vec::new();
        Applier {
            forward,
            head: 0,
            ready: true,
            tagged: false,
            tag: 0,
            epoch: 0,
            number,
            spent,
            replaced: 0,
            used: 0,
            blocked_by_leases: false,
            panicked: false,
        }
    }

    /// Whether a publish would show anything new.
    #[inline(always)]
    pub(crate) fn changed(&self) -> bool {
        self.forward.is_dirty() || self.tagged
    }

    /// Sees to it that the back copy may be written: turns to another one where a lease holds it. False if all are held.
    pub(crate) fn prepare(&mut self, storage: &StateCopies, copies: usize) -> bool {
        if !self.ready {
            let (front, back) = (self.forward.front(), self.forward.back());
            self.ready = storage.is_free(back)
                || self.idle(storage, copies, |copy| copy != front && copy != back).is_some_and(|copy| {
                    self.forward.select_back(copy);
                    self.used |= 1 << copy;
                    self.replaced += 1;
                    true
                });
        }
        self.ready
    }

    /// The free copy that lacks least; one without memory comes last, and is given some.
    fn idle(
        &mut self,
        storage: &StateCopies,
        copies: usize,
        allowed: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let free = |copy: &usize| allowed(*copy) && storage.is_free(*copy);
        let present = (0..copies.min(MAX_COPIES)).filter(free).filter(|&copy| self.forward.present(copy));
        if let Some(copy) = present.min_by_key(|&copy| self.forward.stale_bytes(copy)) {
            return Some(copy);
        }
        let copy = (0..copies.min(MAX_COPIES)).find(|copy| free(copy) && !self.forward.present(*copy))?;
        let data = storage.provide(copy).ok()?;
        if self.forward.attach(copy, data).is_err() {
            drop(storage.withdraw(copy));
            return None;
        }
        Some(copy)
    }

    /// Takes the memory of a copy that is not the front nor the back, that no lease holds, and that `unused` accepts.
    fn withdraw(&mut self, storage: &StateCopies, unused: impl Fn(usize) -> bool) -> Option<CopyMemory> {
        let (front, back) = (self.forward.front(), self.forward.back());
        let spare = |copy: &usize| *copy != front && *copy != back && self.forward.present(*copy);
        let copy = (0..MAX_COPIES).filter(spare).find(|&copy| unused(copy) && storage.is_free(copy))?;
        self.forward.detach(copy);
        storage.withdraw(copy)
    }

    /// Takes the memory of a copy that is not needed now, if there is one.
    pub(crate) fn withdraw_spare(&mut self, storage: &StateCopies) -> Option<CopyMemory> {
        self.withdraw(storage, |_| true)
    }

    /// Gives the back copy new memory, which takes none before it is written; that is then copied from the front. Only where
    /// nothing was written since the last publish, and the state is large: the memory of small ones stays faulted in.
    pub(crate) fn empty_back(&mut self, storage: &StateCopies) -> Option<CopyMemory> {
        let back = self.forward.back();
        if self.forward.is_dirty() || storage.bytes() <= PREFAULTED_MOST || !storage.is_free(back) {
            return None;
        }
        let (data, before) = storage.renew(back).ok()?;
        self.forward.relocate_back(data);
        self.forward.invalidate_back();
        before
    }

    /// Takes the memory of a copy that has not become the back copy since this last came to its end; None ends it.
    pub(crate) fn withdraw_unused(&mut self, storage: &StateCopies) -> Option<CopyMemory> {
        let used = self.used;
        let pages = self.withdraw(storage, |copy| used >> copy & 1 == 0);
        if pages.is_none() {
            self.used = 0;
        }
        pages
    }

    /// Applies one op to the back copy, which is ready. Ends the op.
    ///
    /// # Safety
    /// The op is alive, checked, and its pointers are valid.
    pub(crate) unsafe fn apply(&mut self, op: Op) -> std::result::Result<Applied, Panicked> {
        debug_assert!(self.ready);
        let mut applied = Applied::default();
        // SAFETY: the caller's promise, handed on; every op is ended by `apply_one`.
        unsafe {
            op.for_each(&mut |op| {
                applied.updates += 1;
                applied.bytes += self.apply_one(op);
            });
        }
        if self.panicked { Err(Panicked) } else { Ok(applied) }
    }

    unsafe fn apply_one(&mut self, op: Op) -> u64 {
        match op {
            Op::Write { offset, length, data } => {
                if length > 0 {
                    // SAFETY: checked when it was enqueued.
                    unsafe { self.forward.write(offset as usize, data, length as usize) };
                }
                length
            }
            Op::Borrowed { offset, length, data, release } => {
                if length > 0 {
                    // SAFETY: the data stays valid until its release is called.
                    unsafe { self.forward.write(offset as usize, data, length as usize) };
                }
                // SAFETY: the op is alive: the callback is turned back into its box once.
                self.spend(Spent::Release(unsafe { Box::from_raw(release) }));
                length
            }
            Op::Fill { offset, length, element, data } => {
                if length > 0 {
                    let to = self.forward.begin_overwrite(offset as usize, length as usize);
                    // SAFETY: the range was checked, and is the back copy's.
                    unsafe { repeat(data, to, element as usize, length as usize) };
                }
                length
            }
            // SAFETY: an op's plan outlives it.
            Op::Region { plan, data } => unsafe { self.apply_region(&*plan, data) },
            Op::Kernel { offset, length, overwrites, drops, run, .. } => {
                // SAFETY: the op is alive: the callback is turned back into its box once.
                let mut run = unsafe { Box::from_raw(run) };
                self.run_kernel(offset as usize, length as usize, overwrites, &mut *run);
                if drops {
                    self.spend(Spent::Kernel(run));
                }
                length
            }
            Op::Tag(tag) => {
                (self.tag, self.tagged) = (tag, true);
                0
            }
            Op::Group { .. } | Op::Outsized { .. } => unreachable!("for_each opens them"),
        }
    }

    unsafe fn apply_region(&mut self, plan: &Plan, data: *const u8) -> u64 {
        plan.for_each_run(|to, from, run| {
            // SAFETY: the plan was checked against the shape; the source is readable as the region says.
            unsafe { self.forward.write(to, data.offset(from), run) };
        });
        plan.bytes()
    }

    fn run_kernel(
        &mut self,
        offset: usize,
        length: usize,
        overwrites: bool,
        run: &mut (dyn FnMut(&mut [u8], &[u8]) + Send),
    ) {
        let (back, front): (&mut [u8], &[u8]) = if length == 0 {
            (&mut [], &[])
        } else {
            let forward = &mut self.forward;
            let back = if overwrites {
                forward.begin_overwrite(offset, length)
            } else {
                forward.begin_modify(offset, length)
            };
            // SAFETY: the range was checked; back and front are apart; the role keeps others away from the back, and
            // nobody writes to the front.
            unsafe {
                let front = std::slice::from_raw_parts(forward.front_data().add(offset), length);
                (std::slice::from_raw_parts_mut(back, length), front)
            }
        };
        let _inside = callback::enter(self.number);
        if catch_unwind(AssertUnwindSafe(|| run(back, front))).is_err() {
            self.panicked = true;
        }
    }

    /// Keeps a spent callback for the worker. Without memory to keep it, it ends here and now: late or elsewhere, but once.
    fn spend(&mut self, spent: Spent) {
        if self.spent.try_reserve(1).is_ok() {
            self.spent.push(spent);
        } else {
            let _inside = callback::enter(self.number);
            spent.end();
        }
    }

    /// Makes the back copy the front. Nothing may be lagging, and the back must be ready.
    pub(crate) fn publish(&mut self, storage: &StateCopies) {
        self.epoch += 1;
        let new = self.forward.back();
        self.forward.publish();
        storage.publish(new, self.epoch, self.tag);
        (self.ready, self.tagged) = (false, false);
    }
}

/// Fills `length` bytes with copies of one element, doubling what is there.
///
/// # Safety
/// `element` is readable for `size` bytes, `to` writable for `length`, a multiple of `size`.
unsafe fn repeat(element: *const u8, to: *mut u8, size: usize, length: usize) {
    // SAFETY: the caller's promise; source and target of each copy lie apart within the range.
    unsafe {
        std::ptr::copy_nonoverlapping(element, to, size);
        let mut done = size;
        while done < length {
            let next = done.min(length - done);
            std::ptr::copy_nonoverlapping(to, to.add(done), next);
            done += next;
        }
    }
}
