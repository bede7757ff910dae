//! Batches: several updates that become one element of the order.

use std::marker::PhantomData;

use crate::alloc::{Arc, Weak};
use crate::dtype::Untyped;
use crate::error::{Result, Status};
use crate::manager::core::op::Op;
use crate::manager::core::shared::{Shared, destroyed};
use crate::manager::field::{FieldLayout, FieldTable};
use crate::manager::region::{RawRegion, Region};
use crate::manager::update::{Kernel, RawUpdate, Refused};
use crate::sync::atomic::Ordering::*;
use crate::sys::clock::Timeout;

/// Collects updates without a change to the manager. [`Batch::commit`] makes them one element of the order: all in one epoch,
/// even if other threads synchronize meanwhile. A batch that is dropped has no effect.
///
/// ```
/// use backbuf::{Manager, Timeout};
/// let manager = Manager::<f32>::new(&[4])?;
/// let mut batch = manager.batch()?;
/// batch.fill(0, 4, 9.0)?;
/// batch.update(1, &[1.0, 2.0])?;
/// batch.tag(5)?;
/// batch.commit(Timeout::FOREVER)?;
/// manager.synchronize(Timeout::FOREVER)?;
/// assert_eq!(manager.front()?.as_slice(), [9.0, 1.0, 2.0, 9.0]);
/// # Ok::<(), backbuf::Error>(())
/// ```
pub struct Batch<T = Untyped> {
    shared: Weak<Shared>,
    fields: Arc<FieldTable>,
    records: Vec<u64>,
    /// Whether an op needs the worker.
    worker: bool,
    element: PhantomData<fn() -> T>,
}

// SAFETY: records hold plain data, and callbacks that may move between threads.
unsafe impl<T> Send for Batch<T> {}

/// Label, element type and shape of the manager, and the bytes collected.
impl<T> std::fmt::Debug for Batch<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shared = self.shared();
        let mut f = f.debug_struct("Batch");
        f.field("label", &shared.as_ref().map_or("(destroyed)", |shared| shared.label.as_str()));
        let shape = &self.fields.first().shape;
        f.field("dtype", &shape.dtype).field("shape", &shape.lengths());
        f.field("bytes", &(self.records.len() * 8)).finish_non_exhaustive()
    }
}

impl<T> Batch<T> {
    pub(crate) fn new(shared: &Arc<Shared>) -> Result<Batch<T>> {
        shared.progress.check_open()?;
        shared.batches.fetch_add(1, Relaxed);
        Ok(Batch {
            shared: Arc::downgrade(shared),
            fields: Arc::clone(&shared.fields),
            records: Vec::new(),
            worker: false,
            element: PhantomData,
        })
    }

    pub(crate) fn fields(&self) -> &Arc<FieldTable> {
        &self.fields
    }

    /// Counts a refused call on the batch as one on its manager.
    pub(crate) fn refuse(&self, status: Status) {
        if let Ok(shared) = self.shared() {
            shared.counters.refuse(status);
        }
    }

    fn shared(&self) -> Result<Arc<Shared>> {
        self.shared.upgrade().ok_or_else(destroyed)
    }

    /// # Safety
    /// The op is checked, and its pointers are valid. On success the batch owns its callbacks.
    unsafe fn add(&mut self, op: Op) -> Result<()> {
        self.shared()?.progress.check_open()?;
        // SAFETY: the caller's promise.
        unsafe { op.append_to(&mut self.records)? };
        self.worker |= op.needs_worker();
        Ok(())
    }

    /// # Safety
    /// The data is readable.
    pub(crate) unsafe fn update_raw(&mut self, update: &RawUpdate) -> Result<()> {
        let op = self.fields.of_update(update)?.write(update.byte_offset, update.count, update.data)?;
        // SAFETY: checked; the caller's promise.
        unsafe { self.add(op) }
    }

    /// # Safety
    /// `element` is readable.
    pub(crate) unsafe fn fill_raw(
        &mut self,
        field: u32,
        byte_offset: u64,
        count: u64,
        element: *const u8,
    ) -> Result<()> {
        let op = self.fields.get(field)?.fill(byte_offset, count, element)?;
        // SAFETY: checked; the caller's promise.
        unsafe { self.add(op) }
    }

    /// # Safety
    /// The data is readable as the region describes it.
    pub(crate) unsafe fn region_raw(&mut self, field: u32, region: &RawRegion<'_>) -> Result<()> {
        let plan = self.fields.get(field)?.region(region)?;
        if plan.count() == 0 {
            return self.shared()?.progress.check_open();
        }
        // SAFETY: the caller's promise; the plan outlives the call.
        unsafe { self.add(Op::Region { plan: &plan, data: region.data }) }
    }

    /// Adds a kernel on the first field.
    pub fn kernel(&mut self, kernel: Kernel) -> std::result::Result<(), Refused<Kernel>> {
        self.kernel_on(0, kernel)
    }

    pub(crate) fn kernel_on(
        &mut self,
        field: u32,
        kernel: Kernel,
    ) -> std::result::Result<(), Refused<Kernel>> {
        let fields = Arc::clone(&self.fields);
        let range = |byte_offset, count| fields.get(field)?.range(byte_offset, count);
        // SAFETY: `enqueue_with` checks the op, and the batch owns it on success.
        kernel.enqueue_with(range, |op| unsafe { self.add(op) })
    }

    /// Adds a tag.
    pub fn tag(&mut self, tag: u64) -> Result<()> {
        // SAFETY: a tag has no pointers.
        unsafe { self.add(Op::Tag(tag)) }
    }

    /// Adds the batch to the order. A refused batch stays as it was and may be committed again.
    pub fn commit(&mut self, timeout: Timeout) -> Result<()> {
        let shared = self.shared()?;
        shared.progress.check_open()?;
        if !self.records.is_empty() {
            // SAFETY: the records are encoded ops; on success they belong to the order.
            unsafe { shared.enqueue(self.as_op(), timeout)? };
        }
        // SAFETY: the callbacks of the records have moved; the words themselves are plain.
        unsafe { self.records.set_len(0) };
        self.worker = false;
        Ok(())
    }

    fn as_op(&self) -> Op {
        let length = self.records.len() as u64 * 8;
        Op::Group { records: self.records.as_ptr(), length, worker: self.worker }
    }
}

impl Batch {
    /// Adds an update: `data` at `byte_offset` of the first field.
    pub fn update(&mut self, byte_offset: u64, data: &[u8]) -> Result<()> {
        self.first().update(byte_offset, data)
    }

    /// Adds a fill: `count` times `element` at `byte_offset` of the first field.
    pub fn fill(&mut self, byte_offset: u64, count: u64, element: &[u8]) -> Result<()> {
        self.first().fill(byte_offset, count, element)
    }

    /// Adds a region of the first field.
    pub fn region(&mut self, region: &Region<'_>) -> Result<()> {
        self.first().region(region)
    }

    /// A field, for updates of it in this batch: [`Status::NoName`] if there is none of that name.
    ///
    /// ```
    /// use backbuf::{DType, Manager, Timeout, manager::{Config, FieldSpec}};
    /// let fields = [FieldSpec::new("qpos", DType::U8, &[2]), FieldSpec::new("step", DType::U8, &[])];
    /// let manager = Manager::with_fields(&fields, Config::default())?;
    /// let mut batch = manager.batch()?;
    /// batch.untyped_field("qpos")?.fill(0, 2, &[7])?;
    /// batch.untyped_field("step")?.update(0, &[1])?;
    /// batch.commit(Timeout::FOREVER)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// assert_eq!(manager.front()?.untyped_field("qpos")?.bytes(), [7, 7]);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn untyped_field(&mut self, name: &str) -> Result<BatchField<'_>> {
        let index = self.fields.find(name)?;
        Ok(BatchField::of(self, index))
    }

    /// The first field.
    fn first(&mut self) -> BatchField<'_> {
        BatchField::of(self, 0)
    }
}

impl<T> Drop for Batch<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.batches.fetch_sub(1, Relaxed);
        }
        // SAFETY: not committed, so the batch still owns the callbacks of its records.
        unsafe { self.as_op().dispose() };
    }
}

/// One field of a batch: offsets in its elements, and data as a slice of them; of an [untyped](Untyped) field, both in bytes. A
/// refused update leaves the batch as it was.
#[derive(Debug)]
pub struct BatchField<'a, T = Untyped> {
    pub(crate) batch: &'a mut Batch,
    pub(crate) index: u32,
    element: PhantomData<fn() -> T>,
}

impl<'a, T> BatchField<'a, T> {
    pub(crate) fn of(batch: &'a mut Batch, index: u32) -> BatchField<'a, T> {
        BatchField { batch, index, element: PhantomData }
    }

    pub(crate) fn layout(&self) -> Result<&FieldLayout> {
        self.batch.fields.get(self.index)
    }

    /// Adds a kernel on a range of the field. A refused kernel is returned.
    pub fn kernel(&mut self, kernel: Kernel) -> std::result::Result<(), Refused<Kernel>> {
        self.batch.kernel_on(self.index, kernel)
    }
}

impl BatchField<'_> {
    /// Adds an update: `data`, a whole number of elements, at `byte_offset` of the field.
    pub fn update(&mut self, byte_offset: u64, data: &[u8]) -> Result<()> {
        let op = self.layout()?.write(byte_offset, self.layout()?.count_of(data)?, data.as_ptr())?;
        // SAFETY: checked; the slice is readable.
        unsafe { self.batch.add(op) }
    }

    /// Adds a fill: `count` times `element` at `byte_offset` of the field.
    pub fn fill(&mut self, byte_offset: u64, count: u64, element: &[u8]) -> Result<()> {
        self.layout()?.check_element(element)?;
        // SAFETY: the slice is one element.
        unsafe { self.batch.fill_raw(self.index, byte_offset, count, element.as_ptr()) }
    }

    /// Adds a region of the field.
    pub fn region(&mut self, region: &Region<'_>) -> Result<()> {
        let raw = self.layout()?.source(region)?;
        // SAFETY: the region's source was checked to hold it.
        unsafe { self.batch.region_raw(self.index, &raw) }
    }
}
