//! A parent's layout as text for others: a header for CUDA, a picture, a table.

use std::ffi::c_char;

use super::guard::on;
use super::input;
use super::opaque::bb_registry;
use super::status::bb_status;
use super::text;
use crate::registry::registry::Registry;

/// The parent's layout as CUDA C++ for a kernel to include: `constexpr` offsets and lengths, assertions that hold it
/// together, and an accessor a buffer. It includes nothing, and is the same text for the same layout. Plain C++17 takes it, too.
///
/// @param r the registry
/// @param parent who must have buffers
/// @param name_space the C++ namespace that all is in, such as solver or app::solver
/// @param text room for the text and a NUL, or NULL with capacity 0 to ask for the length
/// @param capacity bytes at `text`
/// @param length the text's bytes without the NUL are written here
/// @return BB_OK, BB_E_ARGUMENT (no name of a namespace), BB_E_EXISTS (two buffers' names collide as names of C++, or one with
///         a name that the header defines), BB_E_STATE (a region mixes precisions in a layout that is not typed), and what
///         `bb_registry_json()` returns
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_emit_cuda_header(
    r: *mut bb_registry,
    parent: u64,
    name_space: *const c_char,
    text: *mut c_char,
    capacity: u64,
    length: *mut u64,
) -> bb_status {
    on("bb_registry_emit_cuda_header", r, |r: &Registry| {
        // SAFETY: the header asks for a NUL-terminated name.
        let header =
            r.emit_cuda_header(parent, unsafe { input::required_name(name_space, "name_space") }?)?;
        // SAFETY: the header asks for room and a place.
        unsafe { text::write(&header, text, capacity, length) }
    })
}

/// A picture of the parent's layout as SVG: regions, buffers, slices and gaps to scale; with lifetimes, memory over time.
///
/// @param r the registry
/// @param parent who must have buffers
/// @param text room for the text and a NUL, or NULL with capacity 0 to ask for the length
/// @param capacity bytes at `text`
/// @param length the text's bytes without the NUL are written here
/// @return what `bb_registry_json()` returns, BB_E_RANGE (sizes that do not fit into 64 bits), BB_E_STATE (a region mixes
///         precisions in a layout that is not typed)
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_svg(
    r: *mut bb_registry,
    parent: u64,
    text: *mut c_char,
    capacity: u64,
    length: *mut u64,
) -> bb_status {
    on("bb_registry_svg", r, |r: &Registry| {
        let svg = r.svg(parent)?;
        // SAFETY: the header asks for room and a place.
        unsafe { text::write(&svg, text, capacity, length) }
    })
}

/// The parent's layout as an aligned text table, in layout order.
///
/// @param r the registry
/// @param parent who must have buffers
/// @param text room for the text and a NUL, or NULL with capacity 0 to ask for the length
/// @param capacity bytes at `text`
/// @param length the text's bytes without the NUL are written here
/// @return what `bb_registry_svg()` returns
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_table(
    r: *mut bb_registry,
    parent: u64,
    text: *mut c_char,
    capacity: u64,
    length: *mut u64,
) -> bb_status {
    on("bb_registry_table", r, |r: &Registry| {
        let table = r.table(parent)?;
        // SAFETY: the header asks for room and a place.
        unsafe { text::write(&table, text, capacity, length) }
    })
}
