//! Exports of a parent's layout: CUDA header, SVG picture, text table.

use std::ffi::c_char;

use super::guard::on;
use super::input;
use super::opaque::bb_registry;
use super::status::bb_status;
use super::text;
use crate::registry::registry::Registry;

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
        // SAFETY: the header requires a NUL-terminated name.
        let header =
            r.emit_cuda_header(parent, unsafe { input::required_name(name_space, "name_space") }?)?;
        // SAFETY: the header requires memory for the text and its length.
        unsafe { text::write(&header, text, capacity, length) }
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
        // SAFETY: the header requires memory for the text and its length.
        unsafe { text::write(&svg, text, capacity, length) }
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
        // SAFETY: the header requires memory for the text and its length.
        unsafe { text::write(&table, text, capacity, length) }
    })
}
