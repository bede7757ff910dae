//! Fields with an element type: offsets in elements, data as slices of the type.
//!
//! [`Manager::field`] checks the type once. Each call converts its arguments and then takes the path of the untyped field.

use std::ops::Deref;

use bytemuck::Pod;

use crate::alloc::{boxed, try_vec};
use crate::error::{ErrorList, Result};
use crate::manager::back::Back;
use crate::manager::batch::{Batch, BatchField};
use crate::manager::core::callback::Release;
use crate::manager::field_access::{Field, FieldView};
use crate::manager::front::{DeviceFront, Front};
use crate::manager::manager::Manager;
use crate::manager::region::Region;
use crate::manager::shape::{MAX_DIMS, elements, elements_mut};
use crate::manager::update::{Kernel, RawUpdate};
use crate::sys::clock::Timeout;

impl Manager {
    /// The field with that name, whose elements are `T`: the type of its [`dtype`](Field::dtype), or a type of that size that is no
    /// number.
    ///
    /// [`Status::NoName`](crate::Status::NoName) if there is none, [`Status::Argument`](crate::Status::Argument) if its elements are
    /// others.
    ///
    /// ```
    /// use backbuf::{DType, Manager, Status, Timeout, manager::{Config, FieldSpec}};
    /// let fields = [FieldSpec::new("qpos", DType::F64, &[7]), FieldSpec::new("depth", DType::U16, &[480, 640])];
    /// let manager = Manager::with_fields(&fields, Config::default())?;
    /// let qpos = manager.field::<f64>("qpos")?;
    /// qpos.enqueue(2, &[0.5, 0.25], Timeout::FOREVER)?;
    /// manager.field::<u16>("depth")?.enqueue_fill(0, 640, 9, Timeout::FOREVER)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// let front = manager.front()?;
    /// assert_eq!(front.field::<f64>("qpos")?[2..4], [0.5, 0.25]);
    /// assert_eq!(front.field::<u16>("depth")?[639], 9);
    /// let error = manager.field::<f32>("qpos").unwrap_err();
    /// assert_eq!(error.status(), Status::Argument);
    /// assert!(error.to_string().starts_with("field 'qpos': "));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn field<T: Pod>(&self, name: &str) -> Result<Field<'_, T>> {
        let index = self.shared.fields.find(name)?;
        let layout = self.shared.fields.get(index)?;
        layout.check_view::<T>()?;
        Ok(Field::of(&self.shared, index as usize, layout))
    }
}

impl<T: Pod> Field<'_, T> {
    /// Copies `data` to the element at `offset` and those behind it.
    #[inline]
    pub fn enqueue(&self, offset: u64, data: &[T], timeout: Timeout) -> Result<()> {
        let count = data.len() as u64;
        let byte_offset = self.layout.byte_offset_of::<T>(offset, count)?;
        // SAFETY: the slice is readable.
        unsafe {
            self.shared.enqueue_write_to(self.layout, byte_offset, count, data.as_ptr().cast(), timeout)
        }
    }

    /// Enqueues several updates, each an offset and its data, as one batch, applied in this order: all of them in one epoch, or
    /// none.
    pub fn enqueue_updates(&self, updates: &[(u64, &[T])], timeout: Timeout) -> Result<()> {
        let mut raw = try_vec(updates.len())?;
        for (index, &(offset, data)) in updates.iter().enumerate() {
            let count = data.len() as u64;
            let byte_offset = self.layout.byte_offset_of::<T>(offset, count);
            let byte_offset = byte_offset.map_err(|error| error.of_item(ErrorList::Updates, index))?;
            let field = self.index();
            raw.push(RawUpdate { byte_offset, count, data: data.as_ptr().cast(), field, reserved: 0 });
        }
        // SAFETY: the slices are readable.
        unsafe { self.shared.enqueue_updates(&raw, timeout) }
    }

    /// Sets `count` elements from `offset` on to `element`.
    pub fn enqueue_fill(&self, offset: u64, count: u64, element: T, timeout: Timeout) -> Result<()> {
        let byte_offset = self.layout.byte_offset_of::<T>(offset, count)?;
        let element = (&raw const element).cast();
        // SAFETY: the element is readable.
        unsafe { self.shared.enqueue_fill(self.layout, byte_offset, count, element, timeout) }
    }

    /// Writes an N-d region of the field; see [`Region`].
    pub fn enqueue_region(&self, region: &Region<'_, T>, timeout: Timeout) -> Result<()> {
        let mut strides = [0; MAX_DIMS];
        let raw = self.layout.source(&region.in_bytes(&mut strides)?)?;
        // SAFETY: the region's source was checked to hold it.
        unsafe { self.shared.enqueue_region(self.layout, &raw, timeout) }
    }

    /// Enqueues data without a copy by this call: the worker applies it, and drops `data` afterwards.
    pub fn enqueue_borrowed<D: AsRef<[T]> + Send + 'static>(
        &self,
        offset: u64,
        data: D,
        timeout: Timeout,
    ) -> Result<()> {
        // In a box, so that the elements do not move even if they lie within the value.
        let data = boxed(data)?;
        let elements: &[T] = (*data).as_ref();
        let (count, pointer) = (elements.len() as u64, elements.as_ptr().cast());
        let byte_offset = self.layout.byte_offset_of::<T>(offset, count)?;
        let release: Release = boxed(move || drop(data))?;
        // SAFETY: the elements are in the box, which the release drops.
        Ok(unsafe {
            self.shared.enqueue_borrowed(self.layout, byte_offset, count, pointer, release, timeout)
        }?)
    }

    /// A kernel on `count` elements from `offset` on, for [`Field::enqueue_kernel`] and [`BatchField::kernel`] of this field; see
    /// [`Kernel`].
    ///
    /// ```
    /// use backbuf::{DType, Manager, Timeout, manager::{Config, FieldSpec}};
    /// let fields = [FieldSpec::new("step", DType::U64, &[]), FieldSpec::new("qpos", DType::F64, &[2])];
    /// let manager = Manager::with_fields(&fields, Config::default())?;
    /// let qpos = manager.field::<f64>("qpos")?;
    /// qpos.enqueue_kernel(qpos.kernel(0, 2, |back, _front| back.fill(0.5))?, Timeout::FOREVER)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// assert_eq!(manager.front()?.field::<f64>("qpos")?.as_slice(), [0.5, 0.5]);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn kernel<F>(&self, offset: u64, count: u64, mut run: F) -> Result<Kernel>
    where
        F: FnMut(&mut [T], &[T]) + Send + 'static,
    {
        let byte_offset = self.layout.byte_offset_of::<T>(offset, count)?;
        let run = move |back: &mut [u8], front: &[u8]| run(elements_mut(back), elements(front));
        Ok(Kernel::new(byte_offset, count, run))
    }
}

impl Batch {
    /// A field whose elements are `T`, for updates of it in this batch; see [`Manager::field`].
    ///
    /// ```
    /// use backbuf::{DType, Manager, Timeout, manager::{Config, FieldSpec}};
    /// let fields = [FieldSpec::new("qpos", DType::F64, &[2]), FieldSpec::new("step", DType::U64, &[])];
    /// let manager = Manager::with_fields(&fields, Config::default())?;
    /// let mut batch = manager.batch()?;
    /// batch.field::<f64>("qpos")?.fill(0, 2, 0.5)?;
    /// batch.field::<u64>("step")?.update(0, &[1])?;
    /// batch.commit(Timeout::FOREVER)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// assert_eq!(manager.front()?.field::<u64>("step")?[0], 1);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn field<T: Pod>(&mut self, name: &str) -> Result<BatchField<'_, T>> {
        let index = self.fields().find(name)?;
        self.fields().get(index)?.check_view::<T>()?;
        Ok(BatchField::of(self, index))
    }
}

impl<T: Pod> BatchField<'_, T> {
    /// Adds an update: `data` for the element at `offset` and those behind it.
    pub fn update(&mut self, offset: u64, data: &[T]) -> Result<()> {
        let count = data.len() as u64;
        let byte_offset = self.layout()?.byte_offset_of::<T>(offset, count)?;
        let (data, field) = (data.as_ptr().cast(), self.index);
        // SAFETY: the slice is readable.
        unsafe { self.batch.update_raw(&RawUpdate { byte_offset, count, data, field, reserved: 0 }) }
    }

    /// Adds a fill: `count` times `element` from `offset` on.
    pub fn fill(&mut self, offset: u64, count: u64, element: T) -> Result<()> {
        let byte_offset = self.layout()?.byte_offset_of::<T>(offset, count)?;
        // SAFETY: the element is readable.
        unsafe { self.batch.fill_raw(self.index, byte_offset, count, (&raw const element).cast()) }
    }

    /// Adds a region of the field.
    pub fn region(&mut self, region: &Region<'_, T>) -> Result<()> {
        let mut strides = [0; MAX_DIMS];
        let raw = self.layout()?.source(&region.in_bytes(&mut strides)?)?;
        // SAFETY: the region's source was checked to hold it.
        unsafe { self.batch.region_raw(self.index, &raw) }
    }
}

impl Front {
    /// The field with that name, whose elements are `T`; see [`Manager::field`].
    pub fn field<T: Pod>(&self, name: &str) -> Result<FieldView<'_, T>> {
        let layout = self.table().named(name)?;
        layout.check_view::<T>()?;
        Ok(FieldView::new(layout, self.bytes()))
    }
}

impl DeviceFront {
    /// The field with that name in host memory, whose elements are `T`; see [`DeviceFront::untyped_field`].
    pub fn field<T: Pod>(&self, name: &str) -> Result<FieldView<'_, T>> {
        let layout = self.untyped_field(name)?.layout;
        layout.check_view::<T>()?;
        Ok(FieldView::new(layout, self.bytes()))
    }
}

impl<'a, T: Pod> FieldView<'a, T> {
    /// Its elements, row-major.
    pub fn as_slice(&self) -> &'a [T] {
        elements(self.bytes())
    }
}

impl<T: Pod> Deref for FieldView<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl Back<'_> {
    /// The elements of a field of the back copy, and of the same field of the front; see [`Manager::field`].
    ///
    /// ```
    /// use backbuf::{DType, Manager, Timeout, manager::{BackMode, Config, FieldSpec}};
    /// let manager = Manager::with_fields(&[FieldSpec::new("qpos", DType::F64, &[7])], Config::default())?;
    /// let mut back = manager.reserve_back(BackMode::Discard, Timeout::FOREVER)?;
    /// let (qpos, last) = back.field::<f64>("qpos")?;
    /// qpos.iter_mut().zip(last).for_each(|(next, last)| *next = last + 1.0);
    /// back.commit(1)?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn field<T: Pod>(&mut self, name: &str) -> Result<(&mut [T], &[T])> {
        let layout = self.layout(name)?;
        layout.check_view::<T>()?;
        let (back, front) = self.bytes_of(layout);
        Ok((elements_mut(back), elements(front)))
    }
}
