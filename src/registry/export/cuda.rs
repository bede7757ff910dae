//! A layout as a CUDA C++ header without includes: constants, assertions over them, and accessors.

use std::fmt::{self, Write};

use crate::alloc::try_vec;
use crate::error::Result;
use crate::registry::export::cuda_names::{Accessor, IdentifierScope, check_namespace, stem};
use crate::registry::export::cuda_order::{OrderConstraint, pairs};
use crate::registry::gpu::limits::Arch;
use crate::registry::layout::arrange::mixed;
use crate::registry::layout::{Layout, MemoryRegion, Placed};
use crate::registry::options::{Precision, SharedPer, Space};
use crate::registry::registry::BufferRegistry;
use crate::text::{Draft, compose};

/// The names that the header defines besides those of buffers.
const HEADER_NAMES: [&str; 16] = [
    "layout_hash",
    "shared_length",
    "shared_region_bytes",
    "shared_align_bytes",
    "shared_stride_bytes",
    "shared_per_thread",
    "shared_of_thread",
    "shared_bytes",
    "shared_limit_bytes",
    "needs_opt_in",
    "fits",
    "persistent_length",
    "persistent_bytes",
    "persistent_align_bytes",
    "local_length",
    "local_bytes",
];

/// Without CUDA, the header defines CUDA's qualifiers for host code, and restores the program's macros at its end.
const BEFORE: &str = "\
#if !defined(__CUDACC__) && !defined(__CUDA__) // plain C++
#pragma push_macro(\"__host__\")
#pragma push_macro(\"__device__\")
#pragma push_macro(\"__forceinline__\")
#undef __host__
#undef __device__
#undef __forceinline__
#define __host__
#define __device__
#define __forceinline__ inline
#endif
";

const AFTER: &str = "\
#if !defined(__CUDACC__) && !defined(__CUDA__)
#pragma pop_macro(\"__host__\")
#pragma pop_macro(\"__device__\")
#pragma pop_macro(\"__forceinline__\")
#endif
";

const HALF: &str = "
#ifndef BACKBUF_F16
#define BACKBUF_F16 unsigned short // the bits; define it as __half where cuda_fp16.h is included, else as _Float16
#endif
";

fn type_of(precision: Option<Precision>) -> &'static str {
    match precision {
        Some(Precision::F16) => "BACKBUF_F16",
        Some(Precision::F32) => "float",
        Some(Precision::F64) => "double",
        Some(Precision::I32) => "int",
        Some(Precision::I64) => "long long",
        None => "unsigned char",
    }
}

/// A buffer with the stem of its identifiers.
struct NamedBuffer<'a> {
    placed: &'a Placed,
    stem: String,
}

impl NamedBuffer<'_> {
    fn in_region(&self) -> bool {
        self.placed.allocator.space != Space::Local
    }
}

/// By index of the layout's buffers.
fn named(layout: &Layout) -> Result<Vec<NamedBuffer<'_>>> {
    let mut list = try_vec(layout.buffers.len())?;
    let mut scope = IdentifierScope::default();
    for name in HEADER_NAMES {
        scope.reserve(format_args!("{name}"), None)?;
    }
    for placed in &layout.buffers {
        let named = NamedBuffer { placed, stem: stem(&placed.buffer.name)? };
        let own = Some(placed.buffer.name.as_str());
        let suffixes: &[&str] = match named.in_region() {
            true => &["_offset", "_length", "_byte_offset", "_bytes"],
            false => &["_length", "_zero_fill", "_bytes", "_array"],
        };
        for suffix in suffixes {
            scope.reserve(format_args!("{}{suffix}", named.stem), own)?;
        }
        if named.in_region() {
            scope.reserve(format_args!("{}", Accessor(&named.stem)), own)?;
        }
        list.push(named);
    }
    Ok(list)
}

fn constant(out: &mut Draft, stem: &str, suffix: &str, value: u64) -> fmt::Result {
    writeln!(out, "constexpr unsigned long long {stem}{suffix} = {value}{};", large(value))
}

/// The suffix that a large literal needs.
fn large(value: u64) -> &'static str {
    if value > i64::MAX as u64 { "ULL" } else { "" }
}

/// A region's own constants. They are written for an empty region, too, for code that is generic over layouts.
fn region(out: &mut Draft, name: &str, bytes_suffix: &str, region: &MemoryRegion) -> fmt::Result {
    constant(out, name, "_length", region.elements)?;
    constant(out, name, bytes_suffix, region.bytes.unwrap_or(0))?;
    constant(out, name, "_align_bytes", region.align_bytes)?;
    let element = type_of(region.precision);
    if region.elements > 0 {
        writeln!(
            out,
            "static_assert({name}_length * sizeof({element}) == {name}{bytes_suffix}, \"{name}: length and bytes differ\");"
        )?;
    }
    writeln!(
        out,
        "static_assert(({name}_align_bytes & ({name}_align_bytes - 1)) == 0, \"{name}: no alignment\");"
    )
}

/// The constants of a buffer in a region, and its accessor.
fn buffer(out: &mut Draft, named: &NamedBuffer, region: &str, region_bytes: &str) -> fmt::Result {
    let (stem, allocator) = (&named.stem, &named.placed.allocator);
    let (element, accessor) = (type_of(allocator.precision), Accessor(stem));
    out.write_char('\n')?;
    constant(out, stem, "_offset", allocator.offset)?;
    constant(out, stem, "_length", allocator.length)?;
    constant(out, stem, "_byte_offset", allocator.byte_offset.unwrap_or(0))?;
    constant(out, stem, "_bytes", allocator.length * allocator.element_bytes())?;
    write!(
        out,
        "static_assert({stem}_offset * sizeof({element}) == {stem}_byte_offset, \"{stem}: offset and bytes differ\");\n\
         static_assert({stem}_length * sizeof({element}) == {stem}_bytes, \"{stem}: length and bytes differ\");\n\
         static_assert({stem}_byte_offset + {stem}_bytes <= {region_bytes}, \"{stem} ends beyond the {region} region\");\n\
         static_assert({region}_align_bytes % alignof({element}) == 0, \"{stem} is not aligned\");\n\
         __device__ __forceinline__ {element} *{accessor}(void *{region}) {{\n    \
         return reinterpret_cast<{element} *>(static_cast<unsigned char *>({region}) + {stem}_byte_offset);\n}}\n"
    )
}

/// The buffers of a region, and the assertions of their order.
fn buffers(out: &mut Draft, layout: &Layout, all: &[NamedBuffer], space: Space, bytes: &str) -> fmt::Result {
    let order = || all.iter().filter(|named| named.placed.allocator.space == space);
    for named in order() {
        buffer(out, named, space.name(), bytes)?;
    }
    if let Some(last) = order().max_by_key(|named| stop(named.placed)) {
        let stem = &last.stem;
        write!(
            out,
            "\nstatic_assert({stem}_byte_offset + {stem}_bytes == {bytes}, \"{stem} ends the {} region\");\n",
            space.name()
        )?;
    }
    let found = pairs(layout, space).map_err(|_| fmt::Error)?;
    for OrderConstraint { low, high, inside } in found {
        let (low, high) = (&all[low].stem, &all[high].stem);
        match inside {
            false => writeln!(
                out,
                "static_assert({low}_byte_offset + {low}_bytes <= {high}_byte_offset, \"{low} and {high} overlap\");"
            )?,
            true => writeln!(
                out,
                "static_assert({low}_byte_offset <= {high}_byte_offset && {high}_byte_offset + {high}_bytes <= \
                 {low}_byte_offset + {low}_bytes, \"{high} is a slice of {low}\");"
            )?,
        }
    }
    Ok(())
}

fn stop(placed: &Placed) -> u64 {
    let allocator = &placed.allocator;
    allocator.byte_offset.unwrap_or(0) + allocator.length * allocator.element_bytes()
}

fn locals(out: &mut Draft, layout: &Layout, all: &[NamedBuffer]) -> fmt::Result {
    constant(out, "local", "_length", layout.local)?;
    constant(out, "local", "_bytes", layout.local_bytes)?;
    let locals = || all.iter().filter(|named| !named.in_region());
    for named in locals() {
        let (stem, allocator) = (&named.stem, &named.placed.allocator);
        let element = type_of(allocator.precision);
        out.write_char('\n')?;
        constant(out, stem, "_length", allocator.length)?;
        constant(out, stem, "_zero_fill", allocator.zero_fill)?;
        constant(out, stem, "_bytes", allocator.length * allocator.element_bytes())?;
        write!(
            out,
            "using {stem}_array = {element}[{stem}_length];\n\
             static_assert(sizeof({stem}_array) == {stem}_bytes, \"{stem}: length and bytes differ\");\n\
             static_assert({stem}_zero_fill == {stem}_length || {stem}_zero_fill == 0, \"{stem}: not the zeros of its size\");\n"
        )?;
    }
    out.write_char('\n')?;
    for suffix in ["_length", "_bytes"] {
        out.write_str("static_assert(0")?;
        for named in locals() {
            write!(out, " + {}{suffix}", named.stem)?;
        }
        writeln!(out, " == local{suffix}, \"local: not what its arrays take\");")?;
    }
    Ok(())
}

/// The shared memory of a launch.
fn launches(out: &mut Draft, layout: &Layout) -> fmt::Result {
    let per_thread = layout.options.shared_per == SharedPer::Thread;
    writeln!(out, "constexpr bool shared_per_thread = {per_thread};")?;
    constant(out, "shared", "_stride_bytes", layout.shared_stride_bytes.unwrap_or(0))?;
    let (relation, message) = match per_thread {
        true => ("<=", "a region is longer than its stride"),
        false => ("==", "a block has one region"),
    };
    writeln!(out, "static_assert(shared_region_bytes {relation} shared_stride_bytes, \"{message}\");")?;
    if per_thread {
        out.write_str(
            "static_assert(shared_stride_bytes % shared_align_bytes == 0, \"the stride keeps the alignment\");\n\n\
             // The region of a thread in the block's shared memory.\n\
             __device__ __forceinline__ void *shared_of_thread(void *shared_of_block, unsigned thread) {\n    \
             return static_cast<unsigned char *>(shared_of_block) + thread * shared_stride_bytes;\n}\n",
        )?;
    }
    out.write_str(
        "\n// Dynamic shared memory of a block, in bytes.\n\
         __host__ __device__ constexpr unsigned long long shared_bytes(unsigned threads) {\n    \
         return (shared_per_thread ? threads : 1) * shared_stride_bytes;\n}\n\n\
         // Beyond this a kernel opts in (cudaFuncAttributeMaxDynamicSharedMemorySize).\n\
         __host__ __device__ constexpr bool needs_opt_in(unsigned threads) {\n    \
         return shared_bytes(threads) > 48 * 1024;\n}\n\n\
         // The most that a block gets on compute capability cc / 10, in bytes; 0 of one that is not in the table.\n\
         __host__ __device__ constexpr unsigned long long shared_limit_bytes(unsigned cc) {\n    return ",
    )?;
    for arch in Arch::all() {
        write!(out, "cc == {} ? {} :\n        ", arch.cc(), arch.limits().shared_block_bytes)?;
    }
    out.write_str(
        "0;\n}\n\n__host__ __device__ constexpr bool fits(unsigned cc, unsigned threads) {\n    \
         return threads <= 1024 && shared_limit_bytes(cc) != 0 && shared_bytes(threads) <= shared_limit_bytes(cc);\n}\n",
    )
}

impl Layout {
    /// The layout as a CUDA C++ header for a kernel: `constexpr` offsets and lengths, assertions over them, and an accessor per
    /// buffer. It has no includes, so that NVRTC compiles it unchanged, and is the same text for the same layout.
    ///
    /// Plain C++17 compiles it, too: on the host, `shared_bytes` and `layout_hash` are used for the launch, and a kernel can run
    /// under a sanitizer. For a buffer `k1` in a region it defines `k1(region)`, `k1_offset`, `k1_length`, `k1_byte_offset` and
    /// `k1_bytes`; for a local array `k1_array`, `k1_length`, `k1_zero_fill` and `k1_bytes`. In names, an ASCII character that is
    /// no letter or digit becomes an underscore, and a character beyond ASCII becomes `u` and its code point; an underscore is
    /// appended to keywords and common macros. Fails if two names collide then, and if a region mixes precisions in a layout that
    /// is not typed.
    ///
    /// ```
    /// use backbuf::registry::{CUDABuffer, BufferRegistry};
    /// let registry = BufferRegistry::new();
    /// registry.register(1, &CUDABuffer::shared("k1", 100))?;
    /// let header = registry.emit_cuda_header(1, "lorenz")?;
    /// assert!(header.contains("constexpr unsigned long long k1_length = 100;"));
    /// assert!(header.contains("__device__ __forceinline__ float *k1(void *shared)"));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn emit_cuda_header(&self, namespace: &str) -> Result<String> {
        check_namespace(namespace)?;
        if self.shared.bytes.is_none() || self.persistent.bytes.is_none() {
            return Err(mixed());
        }
        let all = named(self)?;
        let table = self.table()?;
        compose(|out| self.write_header(out, namespace, &all, &table))
    }

    fn write_header(
        &self,
        out: &mut Draft,
        namespace: &str,
        all: &[NamedBuffer],
        table: &str,
    ) -> fmt::Result {
        out.write_str(
            "// Scratch memory of a kernel. Generated by backbuf from a layout: change that, not this.\n//\n",
        )?;
        for line in table.lines() {
            writeln!(out, "//   {line}")?;
        }
        // The guard contains the hash: the compiler rejects two different headers of one namespace.
        let guard = format_args!("_{:016x}", self.hash);
        let guarded = |out: &mut Draft| {
            out.write_str("BACKBUF_LAYOUT")?;
            namespace.split("::").try_for_each(|part| write!(out, "_{part}"))?;
            writeln!(out, "{guard}")
        };
        out.write_str("#ifndef ")?;
        guarded(out)?;
        out.write_str("#define ")?;
        guarded(out)?;
        out.write_char('\n')?;
        out.write_str(BEFORE)?;
        let precisions = || all.iter().map(|named| named.placed.allocator.precision);
        if precisions().any(|precision| precision == Some(Precision::F16)) {
            out.write_str(HALF)?;
        }

        writeln!(out, "\nnamespace {namespace} {{\n")?;
        out.write_str(
            "// Equal for equal layouts: distinguishes a kernel built before a change from one built after.\n",
        )?;
        writeln!(
            out,
            "[[maybe_unused]] constexpr unsigned long long layout_hash = 0x{:016x}ULL;\n",
            self.hash
        )?;
        for precision in Precision::ALL {
            if precisions().any(|found| found == Some(precision)) {
                let (element, bytes) = (type_of(Some(precision)), precision.bytes());
                writeln!(
                    out,
                    "static_assert(sizeof({element}) == {bytes}, \"{precision} has {bytes} bytes\");"
                )?;
            }
        }

        writeln!(out, "\n// --- shared memory: a region a {} ---\n", self.options.shared_per.name())?;
        region(out, "shared", "_region_bytes", &self.shared)?;
        launches(out, self)?;
        buffers(out, self, all, Space::Shared, "shared_region_bytes")?;

        out.write_str("\n// --- the thread's persistent region ---\n\n")?;
        region(out, "persistent", "_bytes", &self.persistent)?;
        buffers(out, self, all, Space::Persistent, "persistent_bytes")?;

        out.write_str("\n// --- local arrays: declare each as its type ---\n\n")?;
        locals(out, self, all)?;

        writeln!(out, "\n}} // namespace {namespace}\n")?;
        out.write_str(AFTER)?;
        out.write_str("#endif\n")
    }
}

impl BufferRegistry {
    /// The parent's layout as a CUDA C++ header: [`Layout::emit_cuda_header`].
    pub fn emit_cuda_header(&self, parent: u64, namespace: &str) -> Result<String> {
        self.layout(parent)?.emit_cuda_header(namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_architecture_has_the_constants_of_the_header() {
        for limits in Arch::all().map(Arch::limits) {
            assert_eq!((limits.shared_static_bytes, limits.threads_per_block), (48 * 1024, 1024));
        }
    }
}
