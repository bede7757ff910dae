//! `bb_field`: managers of several arrays, their fields, and views of a field in host memory: in fronts and in the reserved back
//! copy.

use std::ffi::{c_char, c_void};

use crate::alloc::try_vec;
use crate::dtype::DType;
use crate::error::{Error, ErrorList, Result, Status};
use crate::ffi::back::{bb_back, reserved};
use crate::ffi::front::bb_front;
use crate::ffi::guard::{guard, on, outside};
use crate::ffi::handle::{bb_lease, bb_manager, bb_registry};
use crate::ffi::manager::{BB_MAX_DIMS, bb_manager_config, create_fields, dtype_of};
use crate::ffi::registry_query::{BB_SPACE_PERSISTENT, BB_SPACE_SHARED};
use crate::ffi::status::bb_status;
use crate::ffi::{input, object};
use crate::handle::lease::{self, UsedLease};
use crate::manager::copies::copies::StateCopies;
use crate::manager::field::{FieldLayout, FieldSpec, MAX_FIELD_NAME, MAX_FIELDS, too_many};
use crate::manager::manager::Manager;
use crate::manager::shape::Shape;
use crate::registry::layout::{Layout, Placed};
use crate::registry::options::{Precision, Space};
use crate::registry::registry::BufferRegistry;

/// The most fields of a manager.
pub const BB_MAX_FIELDS: usize = 1024;

/// Bytes of the longest name of a field, and its NUL.
pub const BB_FIELD_NAME_SIZE: usize = 256;

const _: () = assert!(BB_MAX_FIELDS == MAX_FIELDS && BB_FIELD_NAME_SIZE == MAX_FIELD_NAME + 1);

/// A field of a new manager.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_field {
    /// UTF-8, unique, 1 to 255 bytes.
    pub name: *const c_char,
    /// A `bb_dtype`, or `BB_OPAQUE(size)` for elements of that many bytes.
    pub dtype: u32,
    /// Dimensions, 0 to BB_MAX_DIMS.
    pub ndim: u32,
    /// Elements along each dimension; may be NULL if there are none.
    pub shape: *const u64,
    /// The field's bytes at epoch 0, or NULL for zeros. Read during the call only.
    pub initial: *const c_void,
}

/// Information about a field.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_field_info {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// Its index: the `field` of updates.
    pub index: u32,
    /// A `bb_dtype`, or `BB_OPAQUE(size)`.
    pub dtype: u32,
    /// Bytes of an element.
    pub element_size: u32,
    /// Its bytes.
    pub bytes: u64,
    /// Where it begins, in bytes from the start of the state: from `bb_front.data`, `bb_back.data`,
    /// `bb_gl_front.offset`, or the start of `bb_device_front.native`.
    pub byte_offset: u64,
    /// Dimensions.
    pub ndim: u32,
    /// 0.
    pub reserved: u32,
    /// Elements along each dimension; zeros beyond `ndim`.
    pub shape: [u64; BB_MAX_DIMS],
    /// NUL-terminated.
    pub name: [c_char; BB_FIELD_NAME_SIZE],
}

/// A field of a front: an array of its own.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_field_view {
    /// Its first element. Valid until the front's lease is released.
    pub data: *const c_void,
    /// Its bytes.
    pub bytes: u64,
    /// A `bb_dtype`, or `BB_OPAQUE(size)`.
    pub dtype: u32,
    /// Dimensions.
    pub ndim: u32,
    /// Elements along each dimension; zeros beyond `ndim`.
    pub shape: [u64; BB_MAX_DIMS],
    /// Bytes from one index to the next along each dimension: row-major; zeros beyond `ndim`.
    pub strides: [i64; BB_MAX_DIMS],
}

/// A field of the reserved back copy.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_back_field_view {
    /// Its first element in the back copy: read and write.
    pub data: *mut c_void,
    /// The same field of the newest published copy: read only.
    pub front: *const c_void,
    /// Bytes of each of the two.
    pub bytes: u64,
    /// A `bb_dtype`, or `BB_OPAQUE(size)`.
    pub dtype: u32,
    /// Dimensions.
    pub ndim: u32,
    /// Elements along each dimension; zeros beyond `ndim`.
    pub shape: [u64; BB_MAX_DIMS],
    /// Bytes from one index to the next along each dimension: row-major; zeros beyond `ndim`.
    pub strides: [i64; BB_MAX_DIMS],
}

/// Creates a manager of several arrays that are published as one epoch: a front never shows two of them from different
/// epochs.
///
/// The fields lie in one state in the order given, each at a multiple of 64 bytes. Updates name their field by its
/// index. As for `bb_manager_create()` otherwise; `config.initial` must be NULL, since each field has its own.
///
/// @param fields the fields
/// @param count the number of fields, 1 to BB_MAX_FIELDS
/// @param config parameters, or NULL for the defaults
/// @param manager the handle is written here
/// @return what `bb_manager_create()` returns; also BB_E_EXISTS (two fields have the same name), BB_E_LIMIT (too many
///         fields), BB_E_ARGUMENT (no fields, a name that is empty, too long or not UTF-8, `config.initial`). The message
///         names the field
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_create_fields(
    fields: *const bb_field,
    count: u64,
    config: *const bb_manager_config,
    manager: *mut *mut bb_manager,
) -> bb_status {
    guard("bb_manager_create_fields", || {
        if count > MAX_FIELDS as u64 {
            return Err(too_many(count));
        }
        // SAFETY: the header requires that many fields, with the pointers that it describes.
        let (given, mut specs) = unsafe { (input::many(fields, count, "fields")?, try_vec(count as usize)?) };
        for (index, field) in given.iter().enumerate() {
            // SAFETY: as above.
            let spec = unsafe { spec_of(field) };
            specs.push(spec.map_err(|error| error.of_item(ErrorList::Fields, index))?);
        }
        // SAFETY: the header requires memory for a handle, and a config or NULL.
        unsafe { create_fields(&specs, config, manager) }
    })
}

/// # Safety
///
/// The field's pointers are as the header says.
unsafe fn spec_of<'a>(field: &bb_field) -> Result<FieldSpec<'a>> {
    // SAFETY: promised by the caller, in all of them.
    unsafe {
        let name = input::required_name(field.name, "name")?;
        let dtype = dtype_of(field.dtype)?;
        if field.ndim as usize > BB_MAX_DIMS {
            return Err(Error::value(
                Status::Argument,
                "ndim",
                field.ndim,
                "more than BB_MAX_DIMS dimensions",
            ));
        }
        let shape = input::many(field.shape, u64::from(field.ndim), "shape")?;
        let mut spec = FieldSpec::new(name, dtype, shape);
        if !field.initial.is_null() {
            let bytes = Shape::new(dtype, shape)?.bytes;
            spec.initial = Some(input::many(field.initial.cast(), bytes, "initial")?);
        }
        Ok(spec)
    }
}

/// Creates a manager whose fields are the buffers of a registry's parent in one memory space, at the same offsets as on
/// the device, so that one copy of the state's bytes moves all of them.
///
/// The layout is read once: later changes of the parent do not change the manager. Aliases and buffers that share memory
/// by a plan are fields that overlap, as on the device. The state is zeros.
///
/// @param r the registry
/// @param parent the parent
/// @param space `BB_SPACE_SHARED` or `BB_SPACE_PERSISTENT`: the region whose buffers are the fields
/// @param config parameters, or NULL for the defaults
/// @param manager the handle is written here
/// @return what `bb_manager_create_fields()` returns; also BB_E_NO_PARENT (an unknown parent), BB_E_STATE (the region
///         mixes precisions and its layout is not typed, so that it has no offsets in bytes; a child's region mixes
///         precisions), BB_E_ARGUMENT (another space, or the parent has no buffers in it), or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_create_from_group(
    r: *mut bb_registry,
    parent: u64,
    space: u32,
    config: *const bb_manager_config,
    manager: *mut *mut bb_manager,
) -> bb_status {
    let read = |r: &BufferRegistry| {
        let space = match space {
            BB_SPACE_SHARED => Space::Shared,
            BB_SPACE_PERSISTENT => Space::Persistent,
            other => {
                let reason = "use BB_SPACE_SHARED or BB_SPACE_PERSISTENT";
                return Err(Error::value(Status::Argument, "space", other, reason));
            }
        };
        Ok((r.layout(parent)?, space))
    };
    outside("bb_manager_create_from_group", r, read, |(layout, space): (Layout, Space)| {
        let lies_there = |placed: &&Placed| placed.allocator.space == space;
        let shapes = lengths(layout.buffers.iter().filter(lies_there))?;
        let mut specs = try_vec(shapes.len())?;
        for (placed, shape) in layout.buffers.iter().filter(lies_there).zip(&shapes) {
            specs.push(spec_of_buffer(placed, shape)?);
        }
        if specs.is_empty() {
            let reason = "the parent has no buffers in that space; register one, or use the other space";
            return Err(Error::value(Status::Argument, "space", space_code(space), reason));
        }
        // SAFETY: the header requires memory for a handle, and a config or NULL.
        unsafe { create_fields(&specs, config, manager) }
    })
}

/// The shapes of buffers: their lengths.
fn lengths<'a>(buffers: impl Iterator<Item = &'a Placed> + Clone) -> Result<Vec<[u64; 1]>> {
    let mut shapes = try_vec(buffers.clone().count())?;
    shapes.extend(buffers.map(|placed| [placed.allocator.length]));
    Ok(shapes)
}

fn spec_of_buffer<'a>(placed: &'a Placed, shape: &'a [u64; 1]) -> Result<FieldSpec<'a>> {
    let name = &placed.buffer.name;
    let dtype = match placed.allocator.precision {
        Some(Precision::F16) => DType::F16,
        Some(Precision::F32) => DType::F32,
        Some(Precision::F64) => DType::F64,
        Some(Precision::I32) => DType::I32,
        Some(Precision::I64) => DType::I64,
        None => DType::U8,
    };
    let no_bytes = || {
        let reason =
            "lies in a region that mixes precisions, whose offsets are not bytes; use a typed layout";
        Error::named(Status::State, "buffer", name, reason)
    };
    let byte_offset = Some(placed.allocator.byte_offset.ok_or_else(no_bytes)?);
    Ok(FieldSpec { byte_offset, ..FieldSpec::new(name, dtype, shape) })
}

fn space_code(space: Space) -> u32 {
    if space == Space::Shared { BB_SPACE_SHARED } else { BB_SPACE_PERSISTENT }
}

/// Gets name, type, shape and offset of the field with that name. A manager made without fields has one, `"state"`.
///
/// @param m the manager
/// @param name the field's name
/// @param struct_size `sizeof(bb_field_info)`
/// @param info output, `struct_size` bytes
/// @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (not UTF-8), BB_E_NO_NAME (no such field), BB_E_VERSION (struct_size), or a
///         handle status
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_field(
    m: *mut bb_manager,
    name: *const c_char,
    struct_size: u32,
    info: *mut bb_field_info,
) -> bb_status {
    // SAFETY: the header requires a name, and memory of `struct_size` bytes.
    on("bb_manager_field", m, |m: &Manager| unsafe {
        let index = m.shared.fields.find(input::required_name(name, "name")?)?;
        let field = m.shared.fields.get(index)?;
        input::write_sized(struct_size, info, "info", |size| info_of(field, index, size))
    })
}

/// As `bb_manager_field()`, for the field with that index: to list them, count up to `bb_manager_info.fields`.
///
/// @param m the manager
/// @param index the index, from 0
/// @param struct_size `sizeof(bb_field_info)`
/// @param info output, `struct_size` bytes
/// @return BB_OK, BB_E_NULL, BB_E_RANGE (no such field), BB_E_VERSION (struct_size), or a handle status
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_field_at(
    m: *mut bb_manager,
    index: u32,
    struct_size: u32,
    info: *mut bb_field_info,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_manager_field_at", m, |m: &Manager| unsafe {
        let field = m.shared.fields.get(index)?;
        input::write_sized(struct_size, info, "info", |size| info_of(field, index, size))
    })
}

fn info_of(field: &FieldLayout, index: u32, struct_size: u32) -> bb_field_info {
    let RawArray { bytes, dtype, ndim, shape, .. } = RawArray::of(field);
    bb_field_info {
        struct_size,
        index,
        dtype,
        element_size: field.shape.element as u32,
        bytes,
        byte_offset: field.offset,
        ndim,
        reserved: 0,
        shape,
        name: input::chars(&field.name),
    }
}

/// What all views of a field have in common.
pub(super) struct RawArray {
    pub(super) bytes: u64,
    pub(super) dtype: u32,
    pub(super) ndim: u32,
    pub(super) shape: [u64; BB_MAX_DIMS],
    pub(super) strides: [i64; BB_MAX_DIMS],
}

impl RawArray {
    /// Shape and row-major strides are filled up with zeros.
    pub(super) fn of(field: &FieldLayout) -> RawArray {
        let given = &field.shape;
        let (mut shape, mut strides) = ([0; BB_MAX_DIMS], [0; BB_MAX_DIMS]);
        let mut stride = given.element as i64;
        for ((length, step), &of_axis) in shape.iter_mut().zip(&mut strides).zip(given.lengths()).rev() {
            (*length, *step) = (of_axis, stride);
            // At most the address space, unless the field is empty: then no stride is used.
            stride = stride.saturating_mul(of_axis as i64);
        }
        RawArray { bytes: given.bytes, dtype: given.dtype.code(), ndim: given.ndim as u32, shape, strides }
    }
}

/// Gets a field of a front as an array of its own. It is the same memory as in `front->data`.
///
/// @param front as `bb_manager_acquire_front()` wrote it, not yet released
/// @param name the field's name
/// @param view output
/// @return BB_OK, BB_E_NULL, BB_E_NO_NAME (no such field), BB_E_ARGUMENT (the lease is not of a front, or `name` is not
///         UTF-8), BB_E_STALE (released), or a handle status
/// @realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if no thread
///           releases the lease during the call
/// @threadsafety safe to call from any thread, also after the manager is destroyed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_front_field(
    front: *const bb_front,
    name: *const c_char,
    view: *mut bb_field_view,
) -> bb_status {
    // SAFETY: the header requires a front, a name, and memory for a view.
    guard("bb_front_field", || unsafe {
        write_view(input::required(front, "front")?.lease, name, view, |(copies, copy), _, field| {
            let RawArray { bytes, dtype, ndim, shape, strides } = RawArray::of(field);
            let data = copies.data(copy).wrapping_add(field.offset as usize).cast_const().cast();
            Ok(bb_field_view { data, bytes, dtype, ndim, shape, strides })
        })
    })
}

/// Writes the view that `view_of` makes of a field of a leased copy.
///
/// # Safety
///
/// NULL or a string, and NULL or memory for a view.
pub(super) unsafe fn write_view<V>(
    lease: *mut bb_lease,
    name: *const c_char,
    view: *mut V,
    view_of: impl FnOnce((&StateCopies, usize), &UsedLease, &FieldLayout) -> Result<V>,
) -> Result<()> {
    // The lease cannot be released before this is dropped.
    let lease = lease::pin(object::to_lease(lease as u64)?)?;
    // SAFETY: promised by the caller.
    let (name, out) = unsafe { (input::required_name(name, "name")?, input::output(view, "view")?) };
    let other =
        || Error::param(Status::Argument, "front.lease", "is not of a front; pass a front as acquired");
    let front = StateCopies::of_front(&lease).ok_or_else(other)?;
    out.set(view_of(front, &lease, front.0.fields().named(name)?)?)
}

/// Gets a field of the reserved back copy, and the same field of the front that it follows.
///
/// @param m the manager
/// @param back as `bb_manager_reserve_back()` wrote it, not yet committed or cancelled
/// @param name the field's name
/// @param view output
/// @return BB_OK, BB_E_NULL, BB_E_NO_NAME (no such field), BB_E_ARGUMENT (a name that is not UTF-8, or `back` was
///         changed), BB_E_STATE (not reserved, or committed or cancelled before), or a handle status
/// @realtime wait-free, no system call, no allocation
/// @threadsafety safe to call from any thread, not only the one that reserved it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_back_field(
    m: *mut bb_manager,
    back: *const bb_back,
    name: *const c_char,
    view: *mut bb_back_field_view,
) -> bb_status {
    // SAFETY: the header requires a reservation, a name, and memory for a view.
    on("bb_manager_back_field", m, |m: &Manager| unsafe {
        let (name, out) = (input::required_name(name, "name")?, input::output(view, "view")?);
        let back = reserved(m, back)?;
        let field = m.shared.fields.named(name)?;
        let RawArray { bytes, dtype, ndim, shape, strides } = RawArray::of(field);
        let start = field.offset as usize;
        let (data, front) = (back.data.wrapping_add(start).cast(), back.front.wrapping_add(start).cast());
        out.set(bb_back_field_view { data, front, bytes, dtype, ndim, shape, strides })
    })
}
