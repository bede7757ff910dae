//! Queries of a `bb_registry`: sizes, allocators, versions, and the layout as text.

use std::ffi::c_char;

use crate::error::Result;
use crate::ffi::guard::{guard, on};
use crate::ffi::handle::bb_registry;
use crate::ffi::input;
use crate::ffi::manager::bb_dtype;
use crate::ffi::registry::per_code;
use crate::ffi::registry_buffer::precision_code;
use crate::ffi::status::bb_status;
use crate::registry::layout::diff::diff;
use crate::registry::layout::{Layout, Origin};
use crate::registry::options::Space;
use crate::registry::registry::BufferRegistry;

/// `bb_allocator.space`: the shared region.
pub const BB_SPACE_SHARED: u32 = 1;
/// `bb_allocator.space`: the thread's persistent region.
pub const BB_SPACE_PERSISTENT: u32 = 2;
/// `bb_allocator.space`: a separate local array.
pub const BB_SPACE_LOCAL: u32 = 3;

/// `bb_allocator.origin`: not an alias.
pub const BB_ORIGIN_OWN: u32 = 1;
/// `bb_allocator.origin`: a slice of its alias target.
pub const BB_ORIGIN_ALIASED: u32 = 2;
/// `bb_allocator.origin`: an alias whose target had no space for it or was not shared; placed by its own location.
pub const BB_ORIGIN_FELL_BACK: u32 = 3;

/// Unknown number of bytes: the region mixes precisions, and the layout is not typed.
pub const BB_NO_BYTES: u64 = u64::MAX;

/// Placement of a buffer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_allocator {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// Memory space: `BB_SPACE_SHARED`, `BB_SPACE_PERSISTENT` or `BB_SPACE_LOCAL`.
    pub space: u32,
    /// Origin of the placement: `BB_ORIGIN_OWN`, `BB_ORIGIN_ALIASED` or `BB_ORIGIN_FELL_BACK`.
    pub origin: u32,
    /// Type of its elements, a `bb_dtype`; `BB_U8` (bytes) for a child's region that mixes precisions.
    pub precision: u32,
    /// Offset in its region, in its own elements; 0 for a separate array.
    pub offset: u64,
    /// Number of elements.
    pub length: u64,
    /// Number of elements to fill with zeros: its size, even if the array is longer.
    pub zero_fill: u64,
    /// Offset in its region in bytes, or `BB_NO_BYTES`.
    pub byte_offset: u64,
}

/// Sizes and layout options of a parent.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_layout_info {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// 1: a plan has placed the buffers with lifetimes. 0: none has.
    pub planned: u32,
    /// As `bb_registry_version()`.
    pub version: u64,
    /// As `bb_registry_layout_hash()`.
    pub layout_hash: u64,
    /// Number of buffers, including the hidden ones of children.
    pub buffers: u64,
    /// Elements of the shared region. Those of a typed region that mixes precisions are bytes.
    pub shared: u64,
    /// Elements of the persistent region, likewise.
    pub persistent: u64,
    /// Elements of all local arrays together.
    pub local: u64,
    /// Bytes of the shared region, or `BB_NO_BYTES`.
    pub shared_bytes: u64,
    /// Bytes of the persistent region, or `BB_NO_BYTES`.
    pub persistent_bytes: u64,
    /// Bytes of all local arrays together.
    pub local_bytes: u64,
    /// Bytes from one thread's shared region to the next if each thread has one, else bytes of the region; or
    /// `BB_NO_BYTES`.
    pub shared_stride_bytes: u64,
    /// Alignment of the shared region in bytes.
    pub shared_align_bytes: u64,
    /// Alignment of the persistent region in bytes.
    pub persistent_align_bytes: u64,
    /// Type of the shared region's elements, a `bb_dtype`; 0 if it is empty or mixes precisions.
    pub shared_precision: u32,
    /// Type of the persistent region's elements, likewise.
    pub persistent_precision: u32,
    /// Layout option, as in `bb_registry_config`.
    pub typed: u32,
    /// Likewise.
    pub bank_skew: u32,
    /// Likewise.
    pub protect_persistent: u32,
    /// Likewise.
    pub shared_per: u32,
}

/// Gets the elements of the shared region.
///
/// @param r the registry
/// @param parent the parent; an unknown one takes no memory
/// @param elements output
/// @return BB_OK, BB_E_RANGE (children's sizes overflow), BB_E_STATE (a child's region mixes precisions),
///         BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_shared_buffer_size(
    r: *mut bb_registry,
    parent: u64,
    elements: *mut u64,
) -> bb_status {
    // SAFETY: the header requires memory for a number.
    on("bb_registry_shared_buffer_size", r, |r: &BufferRegistry| unsafe {
        input::output(elements, "elements")?.set(r.shared_buffer_size(parent)?)
    })
}

/// Gets the elements of the persistent region.
///
/// @param r the registry
/// @param parent the parent; an unknown one takes no memory
/// @param elements output
/// @return what `bb_registry_shared_buffer_size()` returns
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_persistent_local_buffer_size(
    r: *mut bb_registry,
    parent: u64,
    elements: *mut u64,
) -> bb_status {
    // SAFETY: the header requires memory for a number.
    on("bb_registry_persistent_local_buffer_size", r, |r: &BufferRegistry| unsafe {
        input::output(elements, "elements")?.set(r.persistent_local_buffer_size(parent)?)
    })
}

/// Elements of all local arrays together.
///
/// @param r the registry
/// @param parent the parent; an unknown one takes no memory
/// @param elements output
/// @return what `bb_registry_shared_buffer_size()` returns
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_local_buffer_size(
    r: *mut bb_registry,
    parent: u64,
    elements: *mut u64,
) -> bb_status {
    // SAFETY: the header requires memory for a number.
    on("bb_registry_local_buffer_size", r, |r: &BufferRegistry| unsafe {
        input::output(elements, "elements")?.set(r.local_buffer_size(parent)?)
    })
}

/// Placement of a buffer.
///
/// @param r the registry
/// @param parent the owner of the buffer
/// @param name the buffer
/// @param struct_size `sizeof(bb_allocator)`
/// @param allocator output, `struct_size` bytes
/// @return BB_E_NO_PARENT, BB_E_NO_NAME, BB_E_ARGUMENT (name that is not UTF-8), BB_E_VERSION (struct_size), and what
///         `bb_registry_shared_buffer_size()` returns
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_get_allocator(
    r: *mut bb_registry,
    parent: u64,
    name: *const c_char,
    struct_size: u32,
    allocator: *mut bb_allocator,
) -> bb_status {
    on("bb_registry_get_allocator", r, |r: &BufferRegistry| {
        // SAFETY: the header requires a string.
        let name = unsafe { input::required_name(name, "name") }?;
        let found = r.get_allocator(parent, name)?;
        let written = |struct_size| bb_allocator {
            struct_size,
            space: match found.space {
                Space::Shared => BB_SPACE_SHARED,
                Space::Persistent => BB_SPACE_PERSISTENT,
                Space::Local => BB_SPACE_LOCAL,
            },
            origin: match found.origin {
                Origin::Own => BB_ORIGIN_OWN,
                Origin::Aliased => BB_ORIGIN_ALIASED,
                Origin::FellBack => BB_ORIGIN_FELL_BACK,
            },
            precision: found.precision.map_or(bb_dtype::BB_U8 as u32, precision_code),
            offset: found.offset,
            length: found.length,
            zero_fill: found.zero_fill,
            byte_offset: found.byte_offset.unwrap_or(BB_NO_BYTES),
        };
        // SAFETY: the header requires memory of `struct_size` bytes.
        unsafe { input::write_sized(struct_size, allocator, "allocator", written) }
    })
}

/// Sizes and layout options of a parent.
///
/// @param r the registry
/// @param parent the parent, which must have buffers
/// @param struct_size `sizeof(bb_layout_info)`
/// @param info output, `struct_size` bytes
/// @return BB_E_NO_PARENT, BB_E_VERSION (struct_size), and what `bb_registry_shared_buffer_size()` returns
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_layout_info(
    r: *mut bb_registry,
    parent: u64,
    struct_size: u32,
    info: *mut bb_layout_info,
) -> bb_status {
    on("bb_registry_layout_info", r, |r: &BufferRegistry| {
        let l: Layout = r.layout(parent)?;
        // SAFETY: the header requires memory of `struct_size` bytes.
        unsafe { input::write_sized(struct_size, info, "info", |size| describe(&l, size)) }
    })
}

fn describe(l: &Layout, struct_size: u32) -> bb_layout_info {
    bb_layout_info {
        struct_size,
        planned: u32::from(l.planned),
        version: l.version,
        layout_hash: l.hash,
        buffers: l.buffers.len() as u64,
        shared: l.shared.elements,
        persistent: l.persistent.elements,
        local: l.local,
        shared_bytes: l.shared.bytes.unwrap_or(BB_NO_BYTES),
        persistent_bytes: l.persistent.bytes.unwrap_or(BB_NO_BYTES),
        local_bytes: l.local_bytes,
        shared_stride_bytes: l.shared_stride_bytes.unwrap_or(BB_NO_BYTES),
        shared_align_bytes: l.shared.align_bytes,
        persistent_align_bytes: l.persistent.align_bytes,
        shared_precision: l.shared.precision.map_or(0, precision_code),
        persistent_precision: l.persistent.precision.map_or(0, precision_code),
        typed: u32::from(l.options.typed),
        bank_skew: u32::from(l.options.bank_skew),
        protect_persistent: u32::from(l.options.protect_persistent),
        shared_per: per_code(l.options.shared_per),
    }
}

/// Gets the version of a parent: a number that changes with every change of the parent or its children, and never
/// repeats.
///
/// @param r the registry
/// @param parent the parent; the version of an unknown one is 0
/// @param version output
/// @return BB_OK or a handle status
/// @realtime may block, may make a system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_version(
    r: *mut bb_registry,
    parent: u64,
    version: *mut u64,
) -> bb_status {
    // SAFETY: the header requires memory for a number.
    on("bb_registry_version", r, |r: &BufferRegistry| unsafe {
        input::output(version, "version")?.set(r.version(parent))
    })
}

/// Gets a hash of the layout, which is the same for equal layouts in every process: it distinguishes kernels built
/// before and after a change. The layouts of children are included.
///
/// @param r the registry
/// @param parent the parent, which must have buffers
/// @param hash output
/// @return BB_E_NO_PARENT, and what `bb_registry_shared_buffer_size()` returns
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_layout_hash(
    r: *mut bb_registry,
    parent: u64,
    hash: *mut u64,
) -> bb_status {
    // SAFETY: the header requires memory for a number.
    on("bb_registry_layout_hash", r, |r: &BufferRegistry| unsafe {
        input::output(hash, "hash")?.set(r.layout_hash(parent)?)
    })
}

/// Gets the name of a buffer by its position in the order; `bb_layout_info.buffers` is the number of buffers.
///
/// @param r the registry
/// @param parent the owner of the buffer
/// @param index the position, from 0
/// @param text buffer for the name and a NUL, or NULL with capacity 0 to get only the length
/// @param capacity bytes at `text`
/// @param length the name's bytes without the NUL are written here
/// @return BB_OK, BB_E_NO_PARENT, BB_E_RANGE (index, capacity), BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_buffer_name(
    r: *mut bb_registry,
    parent: u64,
    index: u64,
    text: *mut c_char,
    capacity: u64,
    length: *mut u64,
) -> bb_status {
    on("bb_registry_buffer_name", r, |r: &BufferRegistry| {
        let name = r.buffer_name(parent, index)?;
        // SAFETY: the header requires memory for the text and its length.
        unsafe { input::write_text(&name, text, capacity, length) }
    })
}

/// Writes the parent and all included children as JSON: the same text for the same registrations, in every process.
///
/// @param r the registry
/// @param parent the parent, which must have buffers
/// @param text buffer for the text and a NUL, or NULL with capacity 0 to get only the length
/// @param capacity bytes at `text`
/// @param length the text's bytes without the NUL are written here
/// @return BB_OK, BB_E_NO_PARENT, BB_E_RANGE (capacity), BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_json(
    r: *mut bb_registry,
    parent: u64,
    text: *mut c_char,
    capacity: u64,
    length: *mut u64,
) -> bb_status {
    on("bb_registry_json", r, |r: &BufferRegistry| {
        let json = r.json(parent)?;
        // SAFETY: the header requires memory for the text and its length.
        unsafe { input::write_text(&json, text, capacity, length) }
    })
}

/// Lists the buffers that overlap in both space and time, as JSON objects with `first`, `second`, `space`, `start`,
/// `stop` (elements) and `steps`: aliases that are alive at the same time. A buffer without a lifetime is always
/// alive.
///
/// @param r the registry
/// @param parent the parent, which must have buffers
/// @param text buffer for the text and a NUL, or NULL with capacity 0 to get only the length
/// @param capacity bytes at `text`
/// @param length the text's bytes without the NUL are written here
/// @return BB_E_NO_PARENT, BB_E_RANGE (capacity), and what `bb_registry_shared_buffer_size()` returns
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_overlaps(
    r: *mut bb_registry,
    parent: u64,
    text: *mut c_char,
    capacity: u64,
    length: *mut u64,
) -> bb_status {
    on("bb_registry_overlaps", r, |r: &BufferRegistry| {
        let json = r.overlaps_json(parent)?;
        // SAFETY: the header requires memory for the text and its length.
        unsafe { input::write_text(&json, text, capacity, length) }
    })
}

/// Compares two documents of `bb_registry_json()`: one line for each buffer that was moved, changed, added or
/// removed; empty if there is none.
///
/// @param before the older document, UTF-8
/// @param before_length bytes of `before`
/// @param after the newer document
/// @param after_length bytes of `after`
/// @param text buffer for the text and a NUL, or NULL with capacity 0 to get only the length
/// @param capacity bytes at `text`
/// @param length the text's bytes without the NUL are written here
/// @return BB_OK, BB_E_NULL, BB_E_RANGE (capacity), what `bb_registry_load_json()` returns
/// @realtime wait-free, no system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_layout_diff(
    before: *const c_char,
    before_length: u64,
    after: *const c_char,
    after_length: u64,
    text: *mut c_char,
    capacity: u64,
    length: *mut u64,
) -> bb_status {
    guard("bb_layout_diff", || {
        // SAFETY: the header requires so many bytes each.
        let (before, after) = unsafe {
            (input::utf8(before, before_length, "before")?, input::utf8(after, after_length, "after")?)
        };
        let text_of_diff = compare(before, after)?;
        // SAFETY: the header requires memory for the text and its length.
        unsafe { input::write_text(&text_of_diff, text, capacity, length) }
    })
}

fn compare(before: &str, after: &str) -> Result<String> {
    diff(&Layout::from_json(before)?, &Layout::from_json(after)?)?.text()
}

/// Writes the parent's layout as a CUDA C++ header: `constexpr` offsets and lengths, static assertions, and one
/// accessor per buffer. It includes nothing, is the same text for the same layout, and is also valid C++17.
///
/// @param r the registry
/// @param parent the parent, which must have buffers
/// @param name_space the C++ namespace, such as solver or app::solver
/// @param text buffer for the text and a NUL, or NULL with capacity 0 to get only the length
/// @param capacity bytes at `text`
/// @param length the text's bytes without the NUL are written here
/// @return BB_OK, BB_E_ARGUMENT (not a valid namespace), BB_E_EXISTS (two names collide in C++, or one with a name of
///         the header itself), BB_E_STATE (a region mixes precisions in a layout that is not typed), and what
///         `bb_registry_json()` returns
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_emit_cuda_header(
    r: *mut bb_registry,
    parent: u64,
    name_space: *const c_char,
    text: *mut c_char,
    capacity: u64,
    length: *mut u64,
) -> bb_status {
    on("bb_registry_emit_cuda_header", r, |r: &BufferRegistry| {
        // SAFETY: the header requires a NUL-terminated name.
        let header =
            r.emit_cuda_header(parent, unsafe { input::required_name(name_space, "name_space") }?)?;
        // SAFETY: the header requires memory for the text and its length.
        unsafe { input::write_text(&header, text, capacity, length) }
    })
}

/// Writes a picture of the parent's layout as SVG: regions, buffers, aliases and gaps to scale; with lifetimes,
/// memory over time.
///
/// @param r the registry
/// @param parent the parent, which must have buffers
/// @param text buffer for the text and a NUL, or NULL with capacity 0 to get only the length
/// @param capacity bytes at `text`
/// @param length the text's bytes without the NUL are written here
/// @return what `bb_registry_json()` returns, BB_E_RANGE (sizes that do not fit into 64 bits), BB_E_STATE (a region mixes
///         precisions in a layout that is not typed)
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_svg(
    r: *mut bb_registry,
    parent: u64,
    text: *mut c_char,
    capacity: u64,
    length: *mut u64,
) -> bb_status {
    on("bb_registry_svg", r, |r: &BufferRegistry| {
        let svg = r.svg(parent)?;
        // SAFETY: the header requires memory for the text and its length.
        unsafe { input::write_text(&svg, text, capacity, length) }
    })
}

/// Writes the parent's layout as an aligned text table, in layout order.
///
/// @param r the registry
/// @param parent the parent, which must have buffers
/// @param text buffer for the text and a NUL, or NULL with capacity 0 to get only the length
/// @param capacity bytes at `text`
/// @param length the text's bytes without the NUL are written here
/// @return what `bb_registry_svg()` returns
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_table(
    r: *mut bb_registry,
    parent: u64,
    text: *mut c_char,
    capacity: u64,
    length: *mut u64,
) -> bb_status {
    on("bb_registry_table", r, |r: &BufferRegistry| {
        let table = r.table(parent)?;
        // SAFETY: the header requires memory for the text and its length.
        unsafe { input::write_text(&table, text, capacity, length) }
    })
}
