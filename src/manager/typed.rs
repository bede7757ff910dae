//! Managers with an element type: offsets in elements, data as slices of the type.
//!
//! The methods convert their arguments and then take the path of the untyped ones: the element type is known at compile time, so
//! that the conversion of an update is one multiplication by a constant.

use bytemuck::Pod;

use crate::alloc::try_vec;
use crate::dtype::DType;
use crate::error::{Error, ErrorList, Result, Status};
use crate::manager::back::{Back, BackMode};
use crate::manager::batch::Batch;
use crate::manager::config::{Config, Flush};
use crate::manager::field::FieldLayout;
use crate::manager::field_access::Field;
use crate::manager::front::Front;
use crate::manager::manager::Manager;
use crate::manager::region::Region;
use crate::manager::shape::{Limits, MAX_DIMS, elements, elements_mut};
use crate::manager::update::{Kernel, RawUpdate, Refused};
use crate::sys::clock::Timeout;

/// The alignment that fronts and back copies have at least.
const ALIGNMENT: usize = 64;

/// The element type of a state whose elements are `T`. Refuses types that have no bytes, and those that the state's alignment
/// does not suffice for.
fn dtype_of<T: Pod>() -> Result<DType> {
    if align_of::<T>() > ALIGNMENT {
        let reason = "alignment of the element type: a state is aligned to 64 bytes";
        return Err(Error::value(Status::Align, "align_of::<T>()", align_of::<T>() as u64, reason));
    }
    let dtype = DType::of::<T>();
    dtype.check()?;
    Ok(dtype)
}

/// Refuses to read elements of `dtype` as `T`: sizes must be equal, and of two numbers the types, too.
fn check_conversion<T: Pod>(dtype: DType) -> Result<()> {
    let own = dtype_of::<T>()?;
    let same = own == dtype
        // Rust has no such number of its own.
        || matches!((own, dtype), (DType::U8, DType::Bool) | (DType::U16, DType::F16 | DType::Bf16));
    if same || matches!(own, DType::Opaque(_)) && own.size() == dtype.size() {
        return Ok(());
    }
    if own.size() != dtype.size() {
        let reason = "must be the bytes of an element of the state";
        return Err(Error::value(Status::Argument, "size_of::<T>()", own.size(), reason));
    }
    let reason = "is another number than the elements of the state; use the type that `dtype` names";
    Err(Error::param(Status::Argument, "T", reason))
}

impl FieldLayout {
    /// Refuses to read the field's elements as `T`.
    pub(crate) fn check_view<T: Pod>(&self) -> Result<()> {
        check_conversion::<T>(self.shape.dtype).map_err(|error| self.refusal(error))?;
        if !self.offset.is_multiple_of(align_of::<T>() as u64) {
            return Err(self.refusal(Error::param(
                Status::Align,
                "T",
                "is aligned to more bytes than the field",
            )));
        }
        Ok(())
    }

    /// The byte offset of an element of the field, from which on `count` elements must lie within it.
    #[inline]
    pub(crate) fn byte_offset_of<T>(&self, offset: u64, count: u64) -> Result<u64> {
        self.shape.limits().byte_offset_of::<T>(offset, count).map_err(|error| self.refusal(error))
    }
}

impl Limits {
    /// The byte offset of an element, from which on `count` elements must lie within the state. `T` has the size of an element.
    #[inline(always)]
    fn byte_offset_of<T>(&self, offset: u64, count: u64) -> Result<u64> {
        if count > self.elements || offset > self.elements - count {
            return Err(beyond(offset, count, self.elements));
        }
        Ok(offset * size_of::<T>() as u64)
    }
}

#[cold]
fn beyond(offset: u64, count: u64, elements: u64) -> Error {
    let end = u128::from(offset) + u128::from(count);
    Error::beyond("offset + data", end, elements, "elements of the state")
}

impl<T: Pod> Manager<T> {
    /// Creates a manager of a row-major state of that shape, all zeros, with the default [`Config`].
    ///
    /// ```
    /// use backbuf::{DType, Manager};
    /// assert_eq!(Manager::<f32>::new(&[256, 256])?.dtype(), DType::F32);
    /// assert_eq!(Manager::<[f32; 3]>::new(&[10_000])?.dtype(), DType::Opaque(12));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn new(shape: &[u64]) -> Result<Manager<T>> {
        Ok(Manager::with_config(shape, Config::default())?)
    }

    /// Creates a manager of a row-major state of that shape. A refused flush is returned.
    pub fn with_config(
        shape: &[u64],
        config: Config<'_>,
    ) -> std::result::Result<Manager<T>, Refused<Option<Flush>>> {
        match dtype_of::<T>() {
            Ok(dtype) => {
                let manager = Manager::untyped_with_config(dtype, shape, config)?;
                Ok(Manager::from_shared(manager.into_shared()))
            }
            Err(error) => Err(Refused { error, value: config.flush }),
        }
    }

    /// Copies `data` to the element at `offset` and those behind it. The next synchronize publishes it.
    ///
    /// ```
    /// use backbuf::{Manager, Status, Timeout};
    /// let manager = Manager::<f32>::new(&[4])?;
    /// manager.enqueue(2, &[1.0, 2.0], Timeout::TRY)?;
    /// let error = manager.enqueue(3, &[1.0, 2.0], Timeout::TRY).unwrap_err();
    /// assert_eq!(error.status(), Status::Range);
    /// assert_eq!(error.to_string(), "out of bounds: offset + data ends at 5, beyond 4 (the elements of the state)");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    #[inline]
    pub fn enqueue(&self, offset: u64, data: &[T], timeout: Timeout) -> Result<()> {
        let count = data.len() as u64;
        let byte_offset = self.shared.fast_fields.first().limits.byte_offset_of::<T>(offset, count)?;
        // SAFETY: the slice is readable.
        unsafe { self.shared.enqueue_write(byte_offset, count, data.as_ptr().cast(), timeout) }
    }

    /// Enqueues several updates, each an offset and its data, as one batch, applied in this order: all of them in one epoch, or
    /// none.
    ///
    /// ```
    /// use backbuf::{Manager, Timeout};
    /// let manager = Manager::<u32>::new(&[4])?;
    /// manager.enqueue_updates(&[(0, &[1, 2]), (3, &[9])], Timeout::TRY)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// assert_eq!(manager.front()?.as_slice(), [1, 2, 0, 9]);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn enqueue_updates(&self, updates: &[(u64, &[T])], timeout: Timeout) -> Result<()> {
        let mut raw = try_vec(updates.len())?;
        for (index, &(offset, data)) in updates.iter().enumerate() {
            let count = data.len() as u64;
            let byte_offset = self.shared.fast_fields.first().limits.byte_offset_of::<T>(offset, count);
            let byte_offset = byte_offset.map_err(|error| error.of_item(ErrorList::Updates, index))?;
            raw.push(RawUpdate { byte_offset, count, data: data.as_ptr().cast(), field: 0, reserved: 0 });
        }
        // SAFETY: the slices are readable.
        unsafe { self.shared.enqueue_updates(&raw, timeout) }
    }

    /// Sets `count` elements from `offset` on to `element`.
    pub fn enqueue_fill(&self, offset: u64, count: u64, element: T, timeout: Timeout) -> Result<()> {
        let byte_offset = self.shared.fast_fields.first().limits.byte_offset_of::<T>(offset, count)?;
        // SAFETY: the element is readable.
        unsafe {
            self.shared.enqueue_fill(
                self.shared.fields.first(),
                byte_offset,
                count,
                (&raw const element).cast(),
                timeout,
            )
        }
    }

    /// Writes an N-d region; see [`Region`].
    pub fn enqueue_region(&self, region: &Region<'_, T>, timeout: Timeout) -> Result<()> {
        let mut strides = [0; MAX_DIMS];
        let field = self.shared.fields.first();
        let raw = field.source(&region.in_bytes(&mut strides)?)?;
        // SAFETY: the region's source was checked to hold it.
        unsafe { self.shared.enqueue_region(field, &raw, timeout) }
    }

    /// Enqueues data without a copy by this call: the worker applies it, and drops `data` afterwards.
    ///
    /// ```
    /// use backbuf::{Manager, Timeout};
    /// let manager = Manager::<f64>::new(&[1000])?;
    /// manager.enqueue_borrowed(0, vec![1.0; 1000], Timeout::FOREVER)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// assert_eq!(manager.front()?[999], 1.0);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn enqueue_borrowed<D: AsRef<[T]> + Send + 'static>(
        &self,
        offset: u64,
        data: D,
        timeout: Timeout,
    ) -> Result<()> {
        Field::<T>::of(&self.shared, 0, self.shared.fields.first()).enqueue_borrowed(offset, data, timeout)
    }

    /// A kernel on `count` elements from `offset` on, for [`Manager::enqueue_kernel`] and [`Batch::kernel`]; see [`Kernel`].
    ///
    /// ```
    /// use backbuf::{Manager, Timeout, manager::Kernel};
    /// let manager = Manager::<f32>::new(&[4])?;
    /// let kernel = manager.kernel(1, 2, |back, _front| back.fill(0.5))?;
    /// manager.enqueue_kernel(Kernel { overwrites: true, ..kernel }, Timeout::TRY)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// assert_eq!(manager.front()?.as_slice(), [0.0, 0.5, 0.5, 0.0]);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn kernel<F>(&self, offset: u64, count: u64, mut run: F) -> Result<Kernel>
    where
        F: FnMut(&mut [T], &[T]) + Send + 'static,
    {
        let byte_offset = self.shared.fast_fields.first().limits.byte_offset_of::<T>(offset, count)?;
        let run = move |back: &mut [u8], front: &[u8]| {
            run(elements_mut(back), elements(front));
        };
        Ok(Kernel::new(byte_offset, count, run))
    }

    /// Begins a batch.
    pub fn batch(&self) -> Result<Batch<T>> {
        Batch::new(&self.shared)
    }

    /// Takes the applier role and reserves the back copy; updates of other producers are queued meanwhile.
    pub fn reserve_back(&self, mode: BackMode, timeout: Timeout) -> Result<Back<'_, T>> {
        Back::new(&self.shared, mode, timeout)
    }

    /// Takes a lease of the published state. Never waits.
    #[inline]
    pub fn front(&self) -> Result<Front<T>> {
        self.shared.copies().acquire().map(Front::new)
    }

    /// The same manager without its element type.
    ///
    /// ```
    /// use backbuf::{Manager, Timeout};
    /// let manager = Manager::<u32>::new(&[4])?;
    /// manager.as_untyped().enqueue(4, &7u32.to_ne_bytes(), Timeout::TRY)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// assert_eq!(manager.front()?.as_slice(), [0, 7, 0, 0]);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn as_untyped(&self) -> &Manager {
        // SAFETY: transparent, with the same field whatever the element type.
        unsafe { &*std::ptr::from_ref(self).cast() }
    }

    /// Converts it to a manager without an element type.
    pub fn into_untyped(self) -> Manager {
        Manager::from_shared(self.into_shared())
    }
}

impl Manager {
    /// Converts it to a manager of elements of type `T`: the type of its [`dtype`](Manager::dtype), or a type of that size that is
    /// no number. A refused manager is returned: one of several fields is ([`Status::State`]).
    ///
    /// ```
    /// use backbuf::{DType, Manager};
    /// let manager = Manager::untyped(DType::C64, &[128])?.typed::<[f32; 2]>()?;
    /// assert_eq!(manager.front()?[0], [0.0, 0.0]);
    /// let refused = Manager::untyped(DType::I32, &[128])?.typed::<f32>().unwrap_err();
    /// let manager = refused.value.typed::<i32>()?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn typed<T: Pod>(self) -> std::result::Result<Manager<T>, Refused<Manager>> {
        let only_one = || match self.shared.fields.is_single() {
            true => Ok(()),
            false => Err(Error::text(
                Status::State,
                "the manager has several fields, which have types of their own",
            )),
        };
        match only_one().and_then(|()| check_conversion::<T>(self.dtype())) {
            Ok(()) => Ok(Manager::from_shared(self.into_shared())),
            Err(error) => Err(Refused { error, value: self }),
        }
    }
}

impl<T: Pod> Batch<T> {
    /// Adds an update: `data` for the element at `offset` and those behind it.
    pub fn update(&mut self, offset: u64, data: &[T]) -> Result<()> {
        let count = data.len() as u64;
        let byte_offset = self.fields().first().shape.limits().byte_offset_of::<T>(offset, count)?;
        // SAFETY: the slice is readable.
        unsafe {
            self.update_raw(&RawUpdate {
                byte_offset,
                count,
                data: data.as_ptr().cast(),
                field: 0,
                reserved: 0,
            })
        }
    }

    /// Adds a fill: `count` times `element` from `offset` on.
    pub fn fill(&mut self, offset: u64, count: u64, element: T) -> Result<()> {
        let byte_offset = self.fields().first().shape.limits().byte_offset_of::<T>(offset, count)?;
        // SAFETY: the element is readable.
        unsafe { self.fill_raw(0, byte_offset, count, (&raw const element).cast()) }
    }

    /// Adds a region.
    pub fn region(&mut self, region: &Region<'_, T>) -> Result<()> {
        let mut strides = [0; MAX_DIMS];
        let raw = self.fields().first().source(&region.in_bytes(&mut strides)?)?;
        // SAFETY: the region's source was checked to hold it.
        unsafe { self.region_raw(0, &raw) }
    }
}
