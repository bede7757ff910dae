//! The manager by raw pointers: what the safe methods check and call, and what the C ABI needs.

use super::region::RawRegion;
use super::{batch, kernel::Refused};
use crate::alloc::Arc;
use crate::error::Result;
use crate::error::Status;
use crate::handle::lease::LeaseId;
use crate::manager::back::{BackMode, RawBack};
use crate::manager::copies::copies::RawFront;
use crate::manager::core::op::{Op, Release};
use crate::manager::manager::Manager;
use crate::sys::clock::Timeout;

/// An update as C gives it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct RawUpdate {
    pub(crate) byte_offset: u64,
    pub(crate) count: u64,
    pub(crate) data: *const u8,
}

impl Manager {
    /// # Safety
    /// `data` is readable for `count` elements.
    #[inline(always)]
    pub(crate) unsafe fn enqueue_raw(
        &self,
        byte_offset: u64,
        count: u64,
        data: *const u8,
        timeout: Timeout,
    ) -> Result<()> {
        let shape = &self.shared.shape;
        // At most `elements`, so this does not overflow where it matters.
        let length = count.wrapping_mul(shape.element);
        let plain = byte_offset & shape.mask == 0
            && count.wrapping_sub(1) < shape.elements
            && byte_offset <= shape.bytes - length
            && !data.is_null();
        if !plain && shape.check_data(byte_offset, count, data)? == 0 {
            return self.shared.accepts();
        }
        // SAFETY: checked; readable by the caller's promise.
        unsafe { self.shared.enqueue_write(byte_offset, length, data, timeout) }
    }

    /// # Safety
    /// Each update's data is readable.
    pub(crate) unsafe fn enqueue_many_raw(&self, updates: &[RawUpdate], timeout: Timeout) -> Result<()> {
        let shape = &self.shared.shape;
        for (index, update) in updates.iter().enumerate() {
            let checked = shape.check_data(update.byte_offset, update.count, update.data);
            checked.map_err(|error| error.of_update(index))?;
        }
        // SAFETY: checked; readable by the caller's promise.
        if unsafe { self.shared.write_many_in_place(updates) } {
            return Ok(());
        }
        let mut batch = self.batch()?;
        for update in updates {
            // SAFETY: the caller's promise.
            unsafe { batch.update_raw(update.byte_offset, update.count, update.data)? };
        }
        batch.commit(timeout)
    }

    /// # Safety
    /// `element` is readable.
    pub(crate) unsafe fn enqueue_fill_raw(
        &self,
        byte_offset: u64,
        count: u64,
        element: *const u8,
        timeout: Timeout,
    ) -> Result<()> {
        // SAFETY: checked; readable by the caller's promise.
        unsafe { self.shared.enqueue(self.shared.shape.fill(byte_offset, count, element)?, timeout) }
    }

    /// # Safety
    /// The data is readable as the region says.
    pub(crate) unsafe fn enqueue_region_raw(&self, region: &RawRegion<'_>, timeout: Timeout) -> Result<()> {
        let plan = self.shared.shape.region(region)?;
        if plan.count() == 0 {
            return self.shared.accepts();
        }
        // SAFETY: checked; readable by the caller's promise; the plan outlives the call.
        unsafe { self.shared.enqueue(Op::Region { plan: &plan, data: region.data }, timeout) }
    }

    /// # Safety
    /// `data` stays readable for `count` elements until `release` is called, or handed back.
    pub(crate) unsafe fn enqueue_borrowed_raw(
        &self,
        byte_offset: u64,
        count: u64,
        data: *const u8,
        release: Release,
        timeout: Timeout,
    ) -> std::result::Result<(), Refused<Release>> {
        let length = match self.shared.shape.check_data(byte_offset, count, data) {
            Ok(length) => length,
            Err(error) => return Err(Refused { error, value: release }),
        };
        batch::offer_release(release, |release| {
            // SAFETY: checked; readable by the caller's promise.
            unsafe {
                self.shared.enqueue(Op::Borrowed { offset: byte_offset, length, data, release }, timeout)
            }
        })
    }
}

impl Manager {
    pub(crate) fn ndim(&self) -> usize {
        self.shared.shape.ndim
    }

    pub(crate) fn reserve_back_raw(&self, mode: BackMode, timeout: Timeout) -> Result<RawBack> {
        self.shared.reserve_back(mode, timeout)
    }

    pub(crate) fn lease_back_raw(&self, token: u64) -> Result<LeaseId> {
        self.shared.lease_back(token)
    }

    pub(crate) fn replace_back_raw(&self, token: u64) -> Result<RawBack> {
        self.shared.replace_back(token)
    }

    pub(crate) fn commit_back_raw(&self, token: u64, tag: u64) -> Result<()> {
        if let Err(error) = self.shared.lives() {
            // The reservation ends in any case: nothing waits for it any more.
            self.shared.cancel_back(token)?;
            return Err(error);
        }
        self.shared.commit_back(token, tag)
    }

    pub(crate) fn cancel_back_raw(&self, token: u64) -> Result<()> {
        self.shared.cancel_back(token)
    }

    #[inline(always)]
    pub(crate) fn acquire_front_raw(&self) -> Result<RawFront> {
        self.shared.storage().acquire()
    }

    /// Closes without publishing and wakes every waiter. Dropping the manager then does the rest.
    pub(crate) fn begin_destroy(&self) -> Result<()> {
        self.shared.not_inside()?;
        self.shared.end();
        Ok(())
    }

    pub(crate) fn poison(&self) {
        self.shared.poison();
    }

    /// Counts a refused call.
    pub(crate) fn refuse(&self, status: Status) {
        self.shared.counters.refuse(status);
    }

    /// Gives it away as one pointer.
    pub(crate) fn into_raw(self) -> *const () {
        let mut manager = std::mem::ManuallyDrop::new(self);
        // SAFETY: taken once, from a manager that is not dropped.
        Arc::into_raw(unsafe { std::mem::ManuallyDrop::take(&mut manager.shared) })
    }

    /// # Safety
    /// What `into_raw` gave, once.
    pub(crate) unsafe fn from_raw(raw: *const ()) -> Manager {
        // SAFETY: the caller's promise: the count of this pointer was never given back.
        Manager { shared: std::mem::ManuallyDrop::new(unsafe { Arc::from_raw(raw) }) }
    }

    /// # Safety
    /// What `into_raw` gave, and not taken back while the result lives.
    #[inline(always)]
    pub(crate) unsafe fn with_raw(raw: *const ()) -> std::mem::ManuallyDrop<Manager> {
        // SAFETY: the caller's promise; the result never drops its count.
        std::mem::ManuallyDrop::new(unsafe { Manager::from_raw(raw) })
    }
}
