//! `bb_buffer`: buffers of a device that the host can map.

use std::ffi::{c_char, c_void};

use crate::alloc::Arc;
use crate::buffers::buffer::{Buffer, BufferDesc, BufferInner};
use crate::buffers::map_state::BufferState;
use crate::device::device::Device;
use crate::device::driver::{MapMode, Usage};
use crate::error::{Error, Label, Result, Status};
use crate::ffi::guard::{destroy, guard, on, outside};
use crate::ffi::handle::{Kind, bb_buffer, bb_device};
use crate::ffi::input;
use crate::ffi::object::{Object, create_at};
use crate::ffi::spsc::{bb_const_span, bb_span};
use crate::ffi::status::bb_status;

/// `bb_buffer_desc.usage`: vertex data.
pub const BB_USAGE_VERTEX: u32 = 1;
/// `bb_buffer_desc.usage`: index data.
pub const BB_USAGE_INDEX: u32 = 2;
/// `bb_buffer_desc.usage`: uniforms of shaders.
pub const BB_USAGE_UNIFORM: u32 = 4;
/// `bb_buffer_desc.usage`: storage that shaders read and write.
pub const BB_USAGE_STORAGE: u32 = 8;
/// `bb_buffer_desc.usage`: source of copies.
pub const BB_USAGE_COPY_SRC: u32 = 16;
/// `bb_buffer_desc.usage`: destination of copies.
pub const BB_USAGE_COPY_DST: u32 = 32;
/// `bb_buffer_desc.usage`: mapped for reading. Combines with `BB_USAGE_COPY_DST` only.
pub const BB_USAGE_MAP_READ: u32 = 64;
/// `bb_buffer_desc.usage`: mapped for writing. Combines with `BB_USAGE_COPY_SRC` only.
pub const BB_USAGE_MAP_WRITE: u32 = 128;
/// `bb_buffer_desc.usage`: parameters of indirect draws.
pub const BB_USAGE_INDIRECT: u32 = 256;

// Equal to the values of the core.
const _: () = {
    assert!(BB_USAGE_VERTEX == Usage::VERTEX.bits());
    assert!(BB_USAGE_INDEX == Usage::INDEX.bits());
    assert!(BB_USAGE_UNIFORM == Usage::UNIFORM.bits());
    assert!(BB_USAGE_STORAGE == Usage::STORAGE.bits());
    assert!(BB_USAGE_COPY_SRC == Usage::COPY_SRC.bits());
    assert!(BB_USAGE_COPY_DST == Usage::COPY_DST.bits());
    assert!(BB_USAGE_MAP_READ == Usage::MAP_READ.bits());
    assert!(BB_USAGE_MAP_WRITE == Usage::MAP_WRITE.bits());
    assert!(BB_USAGE_INDIRECT == Usage::INDIRECT.bits());
    assert!(BB_MAP_READ == MapMode::Read as u32 && BB_MAP_WRITE == MapMode::Write as u32);
};

/// Map for reading.
pub const BB_MAP_READ: u32 = 1;
/// Map for writing. Bytes that are not written keep their values.
pub const BB_MAP_WRITE: u32 = 2;
/// The size from the offset to the end of the buffer, or of the mapped range.
pub const BB_WHOLE_SIZE: u64 = u64::MAX;

/// State of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum bb_buffer_state {
    /// No memory is allocated yet.
    BB_BUFFER_UNINITIALIZED = 0,
    /// Ready: the device may use it.
    BB_BUFFER_READY = 1,
    /// Mapped: the host may access the mapped bytes.
    BB_BUFFER_MAPPED = 2,
    /// A map request is pending.
    BB_BUFFER_MAP_PENDING = 3,
    /// Destroyed: its memory has been freed.
    BB_BUFFER_DESTROYED = 4,
}

impl From<BufferState> for bb_buffer_state {
    fn from(state: BufferState) -> bb_buffer_state {
        match state {
            BufferState::Uninitialized => bb_buffer_state::BB_BUFFER_UNINITIALIZED,
            BufferState::Ready => bb_buffer_state::BB_BUFFER_READY,
            BufferState::Mapped => bb_buffer_state::BB_BUFFER_MAPPED,
            BufferState::MapPending => bb_buffer_state::BB_BUFFER_MAP_PENDING,
            BufferState::Destroyed => bb_buffer_state::BB_BUFFER_DESTROYED,
        }
    }
}

/// Parameters of a new buffer. Fill it by `bb_buffer_desc_init()`, then change what is needed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_buffer_desc {
    /// Bytes of this struct in the caller's version.
    pub struct_size: u32,
    /// Usage flags: `BB_USAGE_…`, combined.
    pub usage: u32,
    /// Size in bytes; 0 is allowed.
    pub size: u64,
    /// 1: the whole buffer is mapped for writing at creation, filled with zeros; allowed with any usage. 0: it is
    /// not.
    pub mapped_at_creation: u8,
    /// 0.
    pub reserved: [u8; 7],
    /// Label in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none.
    pub label: *const c_char,
}

/// Information about a buffer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_buffer_info {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// A `bb_buffer_state`.
    pub state: bb_buffer_state,
    /// Size in bytes.
    pub size: u64,
    /// Usage flags.
    pub usage: u32,
    /// 1 unless it has been destroyed or its device is lost.
    pub valid: u32,
    /// 1, plus 1 for each time that it has grown.
    pub generation: u64,
    /// NUL-terminated.
    pub label: [c_char; 64],
}

const DEFAULTS: bb_buffer_desc = bb_buffer_desc {
    struct_size: size_of::<bb_buffer_desc>() as u32,
    usage: 0,
    size: 0,
    mapped_at_creation: 0,
    reserved: [0; 7],
    label: std::ptr::null(),
};

impl Object for Buffer {
    const KIND: Kind = Kind::Buffer;

    fn label(&self) -> Label {
        Buffer::label(self)
    }
}

/// Reads a descriptor.
///
/// # Safety
///
/// NULL, or a desc with as many bytes as it says.
pub(super) unsafe fn desc_of<'a>(given: *const bb_buffer_desc) -> Result<BufferDesc<'a>> {
    // SAFETY: promised by the caller; integers and pointers are legal whatever their bits.
    let given = unsafe { input::required_struct(given, DEFAULTS, "desc") }?;
    let unknown = || Error::value(Status::Argument, "desc.usage", given.usage, "unknown flags");
    Ok(BufferDesc {
        size: given.size,
        usage: Usage::from_bits(given.usage).ok_or_else(unknown)?,
        mapped_at_creation: input::flag(given.mapped_at_creation.into(), "desc.mapped_at_creation")?,
        // SAFETY: the header requires a string or NULL.
        label: unsafe { input::name(given.label, "desc.label") }?,
    })
}

pub(super) fn describe(buffer: &Buffer, size: u64, generation: u64, struct_size: u32) -> bb_buffer_info {
    let state = buffer.state();
    let valid = state != BufferState::Destroyed && buffer.inner.device.lost().is_none();
    bb_buffer_info {
        struct_size,
        state: state.into(),
        size,
        usage: buffer.usage().bits(),
        valid: valid.into(),
        generation,
        label: input::chars(Buffer::label(buffer).as_str()),
    }
}

/// Information about a ring of buffers, whose readings or updates have their own states.
pub(super) fn describe_ring(
    device: &Device,
    size: u64,
    usage: Usage,
    generation: u64,
    label: Label,
    struct_size: u32,
) -> bb_buffer_info {
    bb_buffer_info {
        struct_size,
        state: bb_buffer_state::BB_BUFFER_READY,
        size,
        usage: usage.bits(),
        valid: device.lost().is_none().into(),
        generation,
        label: input::chars(label.as_str()),
    }
}

pub(super) fn mode_of(given: u32) -> Result<MapMode> {
    match given {
        BB_MAP_READ => Ok(MapMode::Read),
        BB_MAP_WRITE => Ok(MapMode::Write),
        other => {
            Err(Error::value(Status::Argument, "mode", other, "use BB_MAP_READ or BB_MAP_WRITE, not both"))
        }
    }
}

pub(super) fn size_of_range(given: u64) -> Option<u64> {
    (given != BB_WHOLE_SIZE).then_some(given)
}

/// The part of a buffer that outlives its handle, for calls that run callbacks, which may release the handle.
pub(super) fn inner(buffer: &Buffer) -> Result<Arc<BufferInner>> {
    Ok(buffer.inner.clone())
}

/// Fills a descriptor with the defaults.
///
/// @param desc output
/// @return BB_OK, BB_E_NULL
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_buffer_desc_init(desc: *mut bb_buffer_desc) -> bb_status {
    // SAFETY: the header requires memory for a desc.
    guard("bb_buffer_desc_init", || unsafe { input::output(desc, "desc") }?.set(DEFAULTS))
}

/// Creates a buffer filled with zeros. Mapping follows WebGPU's rules on every device.
///
/// @param device the device that owns the memory
/// @param desc parameters
/// @param buffer the handle is written here; `bb_buffer_release()` ends it
/// @return BB_OK, BB_E_ARGUMENT (usage, label), BB_E_ALIGN (mapped at creation, and the size is no multiple of 4),
///         BB_E_LIMIT (too large for the device), BB_E_VERSION, a device status, or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_buffer_create(
    device: *mut bb_device,
    desc: *const bb_buffer_desc,
    buffer: *mut *mut bb_buffer,
) -> bb_status {
    on("bb_buffer_create", device, |device: &Device| {
        // SAFETY: the header requires memory for a handle, and a desc.
        let (out, desc) = unsafe { (input::output(buffer, "buffer")?, desc_of(desc)?) };
        create_at(out, || Buffer::new(device, &desc))
    })
}

/// Destroys the buffer: its memory is freed once the device has finished with it. The handle stays valid, and the
/// state is `BB_BUFFER_DESTROYED`. A pending request completes with BB_E_ABORTED. Destroying a buffer again has no
/// effect.
///
/// @param buffer the buffer; NULL is a no-op
/// @return BB_OK or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread, also in the buffer's own callback
#[unsafe(no_mangle)]
pub extern "C" fn bb_buffer_destroy(buffer: *mut bb_buffer) -> bb_status {
    if buffer.is_null() {
        return bb_status::BB_OK;
    }
    outside("bb_buffer_destroy", buffer, inner, |inner| {
        inner.destroy();
        Ok(())
    })
}

/// Gets size, usage, state and label of a buffer.
///
/// @param buffer the buffer
/// @param struct_size `sizeof(bb_buffer_info)`
/// @param info output
/// @return BB_OK, BB_E_VERSION (struct_size), or a handle status
/// @realtime may block, may make a system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_buffer_info_get(
    buffer: *mut bb_buffer,
    struct_size: u32,
    info: *mut bb_buffer_info,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_buffer_info_get", buffer, |buffer: &Buffer| unsafe {
        input::write_sized(struct_size, info, "info", |size| describe(buffer, buffer.size(), 1, size))
    })
}

/// Gets the backend's own handle of the buffer: the name of an OpenGL buffer, or an address in host memory.
///
/// @param buffer a buffer that is ready
/// @param native output
/// @return BB_OK, BB_E_STATE (mapped, map pending or destroyed), BB_E_TIMEOUT (the host has not driven the device for
///         30 s), BB_E_INTERRUPTED, BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_buffer_native(buffer: *mut bb_buffer, native: *mut u64) -> bb_status {
    on("bb_buffer_native", buffer, |buffer: &Buffer| {
        // SAFETY: the header requires memory for a number.
        unsafe { input::output(native, "native") }?.set(buffer.native()?.0)
    })
}

/// Destroys the buffer as `bb_buffer_destroy()` does, and ends the handle.
///
/// @param buffer the buffer; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside a call on it), BB_E_STALE (also for all but one of several threads that
///         release it), or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread, also in the buffer's own callback
#[unsafe(no_mangle)]
pub extern "C" fn bb_buffer_release(buffer: *mut bb_buffer) -> bb_status {
    destroy::<Buffer, _>("bb_buffer_release", buffer)
}

fn mapped_range(buffer: &Buffer, offset: u64, bytes: u64, writable: bool) -> Result<(*mut u8, u64)> {
    let (out, bytes, _) = buffer.inner.open_range(offset, size_of_range(bytes), writable)?;
    Ok((out.as_ptr(), bytes as u64))
}

/// Gets mapped bytes for writing. They are valid until the buffer is unmapped, destroyed or released, or its device
/// is destroyed; until then no other range may overlap them.
///
/// @param buffer a buffer that is mapped for writing
/// @param offset offset in the buffer in bytes, a multiple of 8
/// @param size length in bytes, a multiple of 4; `BB_WHOLE_SIZE` for the rest of the mapped range
/// @param span output
/// @return BB_OK, BB_E_STATE (not mapped), BB_E_ARGUMENT (mapped for reading), BB_E_BUSY (overlaps another range),
///         BB_E_ALIGN, BB_E_RANGE, BB_E_OUT_OF_MEMORY, BB_E_DEVICE_LOST, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_buffer_mapped_range(
    buffer: *mut bb_buffer,
    offset: u64,
    size: u64,
    span: *mut bb_span,
) -> bb_status {
    on("bb_buffer_mapped_range", buffer, |buffer: &Buffer| {
        // SAFETY: the header requires memory for a span.
        let out = unsafe { input::output(span, "span") }?;
        let (data, bytes) = mapped_range(buffer, offset, size, true)?;
        out.set(bb_span { data: data.cast(), bytes })
    })
}

/// Gets mapped bytes for reading. Ranges for reading may overlap each other, but no range for writing.
///
/// @param buffer a buffer that is mapped
/// @param offset offset in the buffer in bytes, a multiple of 8
/// @param size length in bytes, a multiple of 4; `BB_WHOLE_SIZE` for the rest of the mapped range
/// @param span output
/// @return what `bb_buffer_mapped_range()` returns
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_buffer_const_mapped_range(
    buffer: *mut bb_buffer,
    offset: u64,
    size: u64,
    span: *mut bb_const_span,
) -> bb_status {
    on("bb_buffer_const_mapped_range", buffer, |buffer: &Buffer| {
        // SAFETY: the header requires memory for a span.
        let out = unsafe { input::output(span, "span") }?;
        let (data, bytes) = mapped_range(buffer, offset, size, false)?;
        out.set(bb_const_span { data: data.cast_const().cast(), bytes })
    })
}

/// The mapping of a buffer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_mapping {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// `BB_MAP_READ` or `BB_MAP_WRITE`; 0 if nothing is mapped.
    pub mode: u32,
    /// The first mapped byte; NULL if nothing is mapped.
    pub data: *mut c_void,
    /// Mapped bytes.
    pub bytes: u64,
    /// Number of the mapping, different for each mapping of the buffer.
    pub number: u64,
}

/// Gets the whole mapping, without the overlap checks of ranges: for a caller that is the only user of the buffer.
///
/// @param buffer the buffer
/// @param struct_size `sizeof(bb_mapping)`
/// @param mapping output
/// @return BB_OK, BB_E_DEVICE_LOST (mapped, and the device is lost), BB_E_VERSION (struct_size), or a handle status
/// @realtime may block, may make a system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_buffer_mapping_get(
    buffer: *mut bb_buffer,
    struct_size: u32,
    mapping: *mut bb_mapping,
) -> bb_status {
    on("bb_buffer_mapping_get", buffer, |buffer: &Buffer| {
        let there = buffer.inner.mapping()?;
        // SAFETY: the header requires memory of `struct_size` bytes.
        unsafe {
            input::write_sized(struct_size, mapping, "mapping", |struct_size| match there {
                Some((number, mode, data, bytes)) => {
                    bb_mapping { struct_size, mode: mode as u32, data: data.cast(), bytes, number }
                }
                None => bb_mapping { struct_size, mode: 0, data: std::ptr::null_mut(), bytes: 0, number: 0 },
            })
        }
    })
}

/// Unmaps the buffer as `bb_buffer_unmap()` does, but only the mapping with that number; a later mapping stays.
///
/// @param buffer the buffer
/// @param number from `bb_buffer_mapping_get()`
/// @return BB_OK or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_buffer_unmap_only(buffer: *mut bb_buffer, number: u64) -> bb_status {
    outside("bb_buffer_unmap_only", buffer, inner, |inner| {
        inner.unmap_only(number);
        Ok(())
    })
}

/// Unmaps the buffer, so that the device may use it again; a pending request completes with BB_E_ABORTED. No effect
/// on a buffer that is neither mapped nor map pending.
///
/// @param buffer the buffer
/// @return BB_OK or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_buffer_unmap(buffer: *mut bb_buffer) -> bb_status {
    outside("bb_buffer_unmap", buffer, inner, |inner| {
        inner.unmap();
        Ok(())
    })
}
