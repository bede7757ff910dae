//! Access to one field: its updates through the manager, and views of it in fronts.

use std::fmt;
use std::marker::PhantomData;

use crate::alloc::{boxed, try_vec};
use crate::dtype::{DType, Untyped};
use crate::error::{ErrorList, Result};
use crate::manager::core::callback::Release;
use crate::manager::core::shared::Shared;
use crate::manager::field::FieldLayout;
use crate::manager::region::Region;
use crate::manager::update::{BufferUpdate, Kernel, RawUpdate, Refused};
use crate::sys::clock::Timeout;

/// A field of a manager: offsets in its elements, and data as a slice of them; of an [untyped](Untyped) field, both in bytes. Its
/// updates are elements of the manager's one order, and its offsets are relative to the field.
///
/// ```
/// use backbuf::{DType, Manager, Status, Timeout, manager::{Config, FieldSpec}};
/// let fields = [FieldSpec::new("qpos", DType::U8, &[2]), FieldSpec::new("depth", DType::U8, &[4])];
/// let manager = Manager::with_fields(&fields, Config::default())?;
/// let depth = manager.untyped_field("depth")?;
/// depth.enqueue_fill(1, 2, &[9], Timeout::TRY)?;
/// let error = depth.enqueue(3, &[1, 2], Timeout::TRY).unwrap_err();
/// assert_eq!(error.status(), Status::Range);
/// assert!(error.to_string().starts_with("field 'depth': out of bounds"));
/// manager.synchronize(Timeout::FOREVER)?;
/// assert_eq!(manager.front()?.untyped_field("depth")?.bytes(), [0, 9, 9, 0]);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Field<'a, T = Untyped> {
    pub(crate) shared: &'a Shared,
    index: u32,
    pub(crate) layout: &'a FieldLayout,
    element: PhantomData<fn() -> T>,
}

/// Displays as name, type, shape, bytes and offset.
impl<T> fmt::Display for Field<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layout.fmt(f)
    }
}

impl<T> fmt::Debug for Field<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({})", self.layout)
    }
}

impl<'a, T> Field<'a, T> {
    pub(crate) fn of(shared: &'a Shared, index: usize, layout: &'a FieldLayout) -> Field<'a, T> {
        Field { shared, index: index as u32, layout, element: PhantomData }
    }

    /// Its position in the order of the fields.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Its name; `state` if the manager was made without fields.
    pub fn name(&self) -> &'a str {
        &self.layout.name
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.layout.shape.dtype
    }

    /// Elements along each dimension.
    pub fn shape(&self) -> &'a [u64] {
        self.layout.shape.lengths()
    }

    /// Its bytes.
    pub fn bytes(&self) -> u64 {
        self.layout.shape.bytes
    }

    /// Where it begins in the state, in bytes.
    pub fn byte_offset(&self) -> u64 {
        self.layout.offset
    }

    /// Enqueues code that changes a range of the field; see [`Kernel`]. A refused kernel is returned.
    pub fn enqueue_kernel(
        &self,
        kernel: Kernel,
        timeout: Timeout,
    ) -> std::result::Result<(), Refused<Kernel>> {
        let range = |byte_offset, count| self.layout.range(byte_offset, count);
        // SAFETY: `enqueue_with` checks the op.
        kernel.enqueue_with(range, |op| unsafe { self.shared.enqueue(op, timeout) })
    }
}

impl<'a> Field<'a> {
    /// The field with that index, as bytes.
    pub(crate) fn at(shared: &'a Shared, index: u32) -> Result<Field<'a>> {
        Ok(Field::of(shared, index as usize, shared.fields.get(index)?))
    }

    /// Copies `data`, a whole number of elements, to `byte_offset` of the field.
    #[inline]
    pub fn enqueue(&self, byte_offset: u64, data: &[u8], timeout: Timeout) -> Result<()> {
        let count = self.layout.count_of(data)?;
        // SAFETY: the slice is readable.
        unsafe { self.shared.enqueue_write_to(self.layout, byte_offset, count, data.as_ptr(), timeout) }
    }

    /// Enqueues several updates of the field as one batch: all of them in one epoch, or none.
    pub fn enqueue_updates(&self, updates: &[BufferUpdate<'_>], timeout: Timeout) -> Result<()> {
        let mut raw = try_vec(updates.len())?;
        for (index, update) in updates.iter().enumerate() {
            let counted = self.layout.count_of(update.data);
            let count = counted.map_err(|error| error.of_item(ErrorList::Updates, index))?;
            let (byte_offset, data) = (update.byte_offset, update.data.as_ptr());
            raw.push(RawUpdate { byte_offset, count, data, field: self.index, reserved: 0 });
        }
        // SAFETY: the slices are readable.
        unsafe { self.shared.enqueue_updates(&raw, timeout) }
    }

    /// Fills `count` elements at `byte_offset` of the field with one element.
    pub fn enqueue_fill(&self, byte_offset: u64, count: u64, element: &[u8], timeout: Timeout) -> Result<()> {
        self.layout.check_element(element)?;
        // SAFETY: the slice is one element.
        unsafe { self.shared.enqueue_fill(self.layout, byte_offset, count, element.as_ptr(), timeout) }
    }

    /// Writes an N-d region of the field; see [`Region`].
    pub fn enqueue_region(&self, region: &Region<'_>, timeout: Timeout) -> Result<()> {
        let raw = self.layout.source(region)?;
        // SAFETY: the region's source was checked to hold it.
        unsafe { self.shared.enqueue_region(self.layout, &raw, timeout) }
    }

    /// Enqueues data without a copy by this call: the worker applies it, and drops `data` afterwards.
    pub fn enqueue_borrowed<T: AsRef<[u8]> + Send + 'static>(
        &self,
        byte_offset: u64,
        data: T,
        timeout: Timeout,
    ) -> Result<()> {
        // In a box, so that the bytes do not move even if they lie within the value.
        let data = boxed(data)?;
        let bytes: &[u8] = (*data).as_ref();
        let (count, pointer) = (self.layout.count_of(bytes)?, bytes.as_ptr());
        let release: Release = boxed(move || drop(data))?;
        // SAFETY: the bytes are in the box, which the release drops.
        Ok(unsafe {
            self.shared.enqueue_borrowed(self.layout, byte_offset, count, pointer, release, timeout)
        }?)
    }
}

/// A field of a front in host memory, as a slice of its elements; of an untyped view, as a slice of bytes.
///
/// ```
/// use backbuf::{DType, Manager, manager::{Config, FieldSpec}};
/// let fields = [FieldSpec::new("qpos", DType::F32, &[3]), FieldSpec::new("depth", DType::U16, &[2, 4])];
/// let front = Manager::with_fields(&fields, Config::default())?.front()?;
/// let depth = front.untyped_field("depth")?;
/// assert_eq!((depth.dtype(), depth.shape(), depth.bytes()), (DType::U16, &[2, 4][..], &[0; 16][..]));
/// let names: Vec<_> = front.fields().map(|field| field.name()).collect();
/// assert_eq!(names, ["qpos", "depth"]);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct FieldView<'a, T = u8> {
    pub(crate) layout: &'a FieldLayout,
    bytes: &'a [u8],
    element: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for FieldView<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FieldView({})", self.layout)
    }
}

impl<'a, T> FieldView<'a, T> {
    /// The view of a field, whose elements have the type `T`, in all bytes of a state.
    pub(crate) fn new(layout: &'a FieldLayout, state: &'a [u8]) -> FieldView<'a, T> {
        let start = layout.offset as usize;
        let bytes = &state[start..start + layout.shape.bytes as usize];
        FieldView { layout, bytes, element: PhantomData }
    }

    /// Its name; `state` if the manager was made without fields.
    pub fn name(&self) -> &'a str {
        &self.layout.name
    }

    /// Its bytes: the elements in row-major order.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.layout.shape.dtype
    }

    /// Elements along each dimension.
    pub fn shape(&self) -> &'a [u64] {
        self.layout.shape.lengths()
    }

    /// Where it begins in the state, in bytes: also in the buffer of a device front.
    pub fn byte_offset(&self) -> u64 {
        self.layout.offset
    }
}
