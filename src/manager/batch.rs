//! Batches: several updates that become one element of the order.

use super::kernel::{Kernel, Refused};
use super::region::{RawRegion, Region};
use crate::alloc::{Arc, Weak};
use crate::error::{Error, Result, Status};
use crate::manager::core::op::{Op, Release, ReleaseFn};
use crate::manager::core::shared::{Shape, Shared};
use crate::sync::atomic::Ordering::*;
use crate::sys::clock::Timeout;

/// Collects updates without touching the manager. [`Batch::commit`] makes them one element of the order: all in one epoch,
/// whoever synchronizes meanwhile. Dropped, it is as if it had never been.
///
/// ```
/// use backbuf::{DType, Timeout, manager::Manager};
/// let manager = Manager::new(DType::U8, &[4])?;
/// let mut batch = manager.batch()?;
/// batch.fill(0, 4, &[9])?;
/// batch.update(1, &[1, 2])?;
/// batch.tag(5)?;
/// batch.commit(Timeout::FOREVER)?;
/// manager.synchronize(Timeout::FOREVER)?;
/// assert_eq!(manager.front()?.bytes(), [9, 1, 2, 9]);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct Batch {
    shared: Weak<Shared>,
    shape: Shape,
    records: Vec<u64>,
    worker: bool,
}

// SAFETY: records hold callbacks that may move between threads, and plain data.
unsafe impl Send for Batch {}

impl Batch {
    pub(crate) fn new(shared: &Arc<Shared>) -> Result<Batch> {
        shared.accepts()?;
        shared.batches.fetch_add(1, Relaxed);
        Ok(Batch { shared: Arc::downgrade(shared), shape: shared.shape, records: Vec::new(), worker: false })
    }

    /// Dimensions of the state.
    pub(crate) fn ndim(&self) -> usize {
        self.shape.ndim
    }

    /// Counts a refused call on the batch as one on its manager.
    pub(crate) fn refuse(&self, status: Status) {
        if let Ok(shared) = self.alive() {
            shared.counters.refuse(status);
        }
    }

    fn alive(&self) -> Result<Arc<Shared>> {
        self.shared.upgrade().ok_or_else(|| Error::text(Status::Closed, "the manager has been destroyed"))
    }

    /// # Safety
    /// The op is checked, and its pointers are valid. On success its callbacks are the batch's.
    unsafe fn add(&mut self, op: Op) -> Result<()> {
        self.alive()?.accepts()?;
        let words = (op.size().ok_or_else(|| Error::of(Status::Limit))? / 8) as usize;
        self.records.try_reserve(words)?;
        self.worker |= op.needs_worker();
        // SAFETY: room was reserved, and `encode` writes all of it but padding, which nobody reads.
        unsafe {
            let end = self.records.len();
            op.encode(self.records.as_mut_ptr().add(end).cast());
            self.records.set_len(end + words);
        }
        Ok(())
    }

    /// Adds an update: `data` at `byte_offset`.
    pub fn update(&mut self, byte_offset: u64, data: &[u8]) -> Result<()> {
        // SAFETY: the slice is readable.
        unsafe { self.update_raw(byte_offset, self.shape.count_of(data)?, data.as_ptr()) }
    }

    /// # Safety
    /// `data` is readable for `count` elements.
    pub(crate) unsafe fn update_raw(&mut self, byte_offset: u64, count: u64, data: *const u8) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.add(self.shape.write(byte_offset, count, data)?) }
    }

    /// Adds a fill: `count` times `element` at `byte_offset`.
    pub fn fill(&mut self, byte_offset: u64, count: u64, element: &[u8]) -> Result<()> {
        self.shape.check_element(element)?;
        // SAFETY: the slice is one element.
        unsafe { self.fill_raw(byte_offset, count, element.as_ptr()) }
    }

    /// # Safety
    /// `element` is readable.
    pub(crate) unsafe fn fill_raw(&mut self, byte_offset: u64, count: u64, element: *const u8) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.add(self.shape.fill(byte_offset, count, element)?) }
    }

    /// Adds a region.
    pub fn region(&mut self, region: &Region<'_>) -> Result<()> {
        let raw = region.raw(&self.shape)?;
        // SAFETY: the region's source was checked to hold it.
        unsafe { self.region_raw(&raw) }
    }

    /// # Safety
    /// The data is readable as the region says.
    pub(crate) unsafe fn region_raw(&mut self, region: &RawRegion<'_>) -> Result<()> {
        let plan = self.shape.region(region)?;
        if plan.count() == 0 {
            return self.alive()?.accepts();
        }
        // SAFETY: the caller's promise; the plan outlives the call.
        unsafe { self.add(Op::Region { plan: &plan, data: region.data }) }
    }

    /// Adds a kernel.
    pub fn kernel(&mut self, kernel: Kernel) -> std::result::Result<(), Refused<Kernel>> {
        // SAFETY: the op is checked by `into_op`, and the batch owns it on success.
        kernel.offer(&{ self.shape }, |op| unsafe { self.add(op) })
    }

    /// Adds a tag.
    pub fn tag(&mut self, tag: u64) -> Result<()> {
        // SAFETY: a tag points to nothing.
        unsafe { self.add(Op::Tag(tag)) }
    }

    /// Makes the batch one element of the order. If it is refused, the batch stays as it was, to be committed again.
    pub fn commit(&mut self, timeout: Timeout) -> Result<()> {
        let shared = self.alive()?;
        shared.accepts()?;
        if !self.records.is_empty() {
            let length = self.records.len() as u64 * 8;
            // SAFETY: the records are encoded ops; on success they belong to the order.
            unsafe {
                shared.enqueue(
                    Op::Group { records: self.records.as_ptr(), length, worker: self.worker },
                    timeout,
                )?
            };
        }
        // SAFETY: what the records own has moved; the words themselves are plain.
        unsafe { self.records.set_len(0) };
        self.worker = false;
        Ok(())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.batches.fetch_sub(1, Relaxed);
        }
        let length = self.records.len() as u64 * 8;
        if length > 0 {
            // SAFETY: not committed, so the records' callbacks are still the batch's.
            unsafe { Op::Group { records: self.records.as_ptr(), length, worker: false }.dispose() };
        }
    }
}

/// Turns what is to be called into an op, offers it, and takes it back when it is refused.
pub(crate) fn offer_release(
    release: Release,
    offer: impl FnOnce(*mut ReleaseFn) -> Result<()>,
) -> std::result::Result<(), Refused<Release>> {
    let raw = Box::into_raw(release);
    offer(raw).map_err(|error| {
        // SAFETY: refused, so still this caller's.
        Refused { error, value: unsafe { Box::from_raw(raw) } }
    })
}
