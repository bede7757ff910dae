//! The applier: everything that only the role holder may touch, and how one operation is applied to the back copy.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::manager::config::Flush;
use crate::manager::copies::copies::{CopyMemory, StateCopies};
use crate::manager::copies::copy_forward::CopyForward;
use crate::manager::copies::device_copies::DeviceDirty;
use crate::manager::copies::front_count::MAX_COPIES;
use crate::manager::core::back_reservation::{BackUndo, BackWritten};
use crate::manager::core::callback::{self, RetiredCallback};
use crate::manager::core::op::Op;
use crate::manager::region::RegionRuns;
use crate::sys::pages::PREFAULTED_MOST;

/// A kernel panicked; the back copy is unusable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panicked;

/// The state of the role holder. Guarded by the applier role.
pub(crate) struct Applier {
    pub(crate) forward: CopyForward,
    /// Every record of the log below this position has been applied.
    pub(crate) head: u64,
    /// Whether the back copy has no lease, so that it may be written. Stays true until it is published.
    pub(crate) ready: bool,
    /// Whether a tag was applied in this epoch.
    pub(crate) tagged: bool,
    pub(crate) tag: u64,
    pub(crate) epoch: u64,
    /// The manager's number.
    pub(crate) number: u64,
    pub(crate) retired: Vec<RetiredCallback>,
    pub(crate) flush: Option<Flush>,
    /// The stale ranges of the device copies, if the manager is on a device.
    pub(crate) device_dirty: Option<DeviceDirty>,
    /// What a cancel of the reserved back copy restores.
    pub(crate) undo: BackUndo,
    /// What has been written to the reserved back copy.
    pub(crate) written: BackWritten,
    /// Times that another copy became the back because a lease held the next one.
    pub(crate) replaced: u64,
    /// Bit k: copy k became the back copy since the last `withdraw_unused`.
    used: u32,
    /// Whether the last `prepare` found no free copy.
    pub(crate) blocked_by_leases: bool,
    /// Whether a kernel has panicked.
    panicked: bool,
}

/// The amount of applied updates.
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
    pub(crate) fn new(forward: CopyForward, device_dirty: Option<DeviceDirty>, number: u64) -> Applier {
        Applier {
            forward,
            head: 0,
            ready: true,
            tagged: false,
            tag: 0,
            epoch: 0,
            number,
            retired: Vec::new(),
            flush: None,
            device_dirty,
            undo: BackUndo::default(),
            written: BackWritten::All,
            replaced: 0,
            used: 0,
            blocked_by_leases: false,
            panicked: false,
        }
    }

    /// Whether there is anything new to publish.
    #[inline(always)]
    pub(crate) fn changed(&self) -> bool {
        self.forward.is_dirty() || self.tagged
    }

    /// Makes the back copy writable: selects another one if it has a lease. False if every copy has.
    pub(crate) fn prepare(&mut self, copies: &StateCopies, count: usize) -> bool {
        if !self.ready {
            let (front, back) = (self.forward.front(), self.forward.back());
            self.ready = copies.is_free(back)
                || self.select_free(copies, count, |copy| copy != front && copy != back).is_some_and(
                    |copy| {
                        self.forward.select_back(copy);
                        self.used |= 1 << copy;
                        self.replaced += 1;
                        true
                    },
                );
        }
        self.ready
    }

    /// The free copy with the fewest stale bytes; if all of those have leases, an absent copy, which gets memory.
    fn select_free(
        &mut self,
        copies: &StateCopies,
        count: usize,
        allowed: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let free = |copy: &usize| allowed(*copy) && copies.is_free(*copy);
        let present = (0..count.min(MAX_COPIES)).filter(free).filter(|&copy| self.forward.has_memory(copy));
        if let Some(copy) = present.min_by_key(|&copy| self.forward.stale_bytes(copy)) {
            return Some(copy);
        }
        let copy = (0..count.min(MAX_COPIES)).find(|copy| free(copy) && !self.forward.has_memory(*copy))?;
        let data = copies.provide(copy).ok()?;
        if self.forward.attach(copy, data).is_err() {
            drop(copies.withdraw(copy));
            return None;
        }
        Some(copy)
    }

    /// Takes the memory of a copy without leases that is neither front nor back, and that `unused` accepts.
    fn withdraw(&mut self, copies: &StateCopies, unused: impl Fn(usize) -> bool) -> Option<CopyMemory> {
        let (front, back) = (self.forward.front(), self.forward.back());
        let spare = |copy: &usize| *copy != front && *copy != back && self.forward.has_memory(*copy);
        let copy = (0..MAX_COPIES).filter(spare).find(|&copy| unused(copy) && copies.is_free(copy))?;
        self.forward.detach(copy);
        copies.withdraw(copy)
    }

    /// Takes the memory of a copy that is not needed now.
    pub(crate) fn withdraw_spare(&mut self, copies: &StateCopies) -> Option<CopyMemory> {
        self.withdraw(copies, |_| true)
    }

    /// Replaces the memory of the back copy by untouched pages, to be filled from the front later. Does nothing if there were
    /// writes since the last publish, or if the state is small: the memory of small ones stays faulted in.
    pub(crate) fn empty_back(&mut self, copies: &StateCopies) -> Option<CopyMemory> {
        let back = self.forward.back();
        if self.forward.is_dirty() || copies.bytes() <= PREFAULTED_MOST || !copies.is_free(back) {
            return None;
        }
        let (data, before) = copies.renew(back).ok()?;
        self.forward.relocate_back(data);
        self.forward.invalidate_back();
        before
    }

    /// Takes the memory of a copy that has not become the back copy since this last returned None.
    pub(crate) fn withdraw_unused(&mut self, copies: &StateCopies) -> Option<CopyMemory> {
        let used = self.used;
        let pages = self.withdraw(copies, |copy| used >> copy & 1 == 0);
        if pages.is_none() {
            self.used = 0;
        }
        pages
    }

    /// Applies one op to the back copy, which is ready, and ends the op.
    ///
    /// # Safety
    /// The op is alive, checked, and its pointers are valid.
    pub(crate) unsafe fn apply(&mut self, op: Op) -> std::result::Result<Applied, Panicked> {
        debug_assert!(self.ready);
        let mut applied = Applied::default();
        // SAFETY: the caller's promise; `apply_one` ends every op.
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
                    // SAFETY: checked when the update was enqueued.
                    unsafe { self.forward.write(offset as usize, data, length as usize) };
                }
                length
            }
            Op::Borrowed { offset, length, data, release } => {
                if length > 0 {
                    // SAFETY: the data stays valid until its release is called.
                    unsafe { self.forward.write(offset as usize, data, length as usize) };
                }
                // SAFETY: the op is alive; its callback becomes a box once.
                self.retire(RetiredCallback::Release(unsafe { Box::from_raw(release) }));
                length
            }
            Op::Fill { offset, length, element, data } => {
                if length > 0 {
                    let to = self.forward.begin_overwrite(offset as usize, length as usize);
                    // SAFETY: the range was checked, and is the back copy's.
                    unsafe { fill_with_element(data, to, element as usize, length as usize) };
                }
                length
            }
            // SAFETY: an op's plan outlives it.
            Op::Region { plan, data } => unsafe { self.apply_region(&*plan, data) },
            Op::Kernel { offset, length, overwrites, drops, run, .. } => {
                // SAFETY: the op is alive; its callback becomes a box once.
                let mut run = unsafe { Box::from_raw(run) };
                self.run_kernel(offset as usize, length as usize, overwrites, &mut *run);
                if drops {
                    self.retire(RetiredCallback::Kernel(run));
                }
                length
            }
            Op::Tag(tag) => {
                (self.tag, self.tagged) = (tag, true);
                0
            }
            Op::Group { .. } | Op::Outsized { .. } => unreachable!("for_each decodes them"),
        }
    }

    unsafe fn apply_region(&mut self, plan: &RegionRuns, data: *const u8) -> u64 {
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
            // SAFETY: the range was checked; back and front do not overlap; the role guards the back, and the front is not
            // written.
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

    /// Keeps a callback that has done its work for the worker. If there is no memory for that, finishes it here.
    fn retire(&mut self, callback: RetiredCallback) {
        if self.retired.try_reserve(1).is_ok() {
            self.retired.push(callback);
        } else {
            let _scope = callback::enter(self.number);
            callback.finish();
        }
    }

    /// Makes the back copy the front. It must be ready and have no stale bytes.
    pub(crate) fn publish(&mut self, copies: &StateCopies) {
        self.epoch += 1;
        let new = self.forward.back();
        copies.changes().record(self.epoch, self.forward.dirty());
        self.forward.publish();
        copies.publish(new, self.epoch, self.tag);
        (self.ready, self.tagged) = (false, false);
    }
}

/// Fills `length` bytes with copies of one element, doubling what is there.
///
/// # Safety
/// `element` is readable for `size` bytes, `to` writable for `length`, a multiple of `size`.
unsafe fn fill_with_element(element: *const u8, to: *mut u8, size: usize, length: usize) {
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
