//! CUDA headers, checked by a C++ compiler: they compile as plain C++, a changed number fails an assertion, and the accessors
//! access exactly their buffers.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use backbuf::Status;
use backbuf::planner::PlanOptions;
use backbuf::registry::{BufferRegistry, CUDABuffer, Layout, LayoutOptions, Precision, SharedPer, Space};

const WARNINGS: &[&str] = &[
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wtype-limits",
    "-pedantic",
    "-Werror",
];

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of the test's own, below target/.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda_header").join(test);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn compiler(folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CXX").unwrap_or("c++".into()));
    command.current_dir(folder);
    command
}

fn must(output: Output, what: &str) {
    let (stdout, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {}\n{stdout}\n{errors}", output.status);
}

/// The same numbers in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

const NAMES: [&str; 12] =
    ["k1", "k2", "class", "größe", "a.b", "2nd", "tmp", "x-y", "_z", "float", "linux", "s t"];

/// A parent of random buffers, aliases, children and lifetimes.
fn random_layout(seed: u64) -> Layout {
    let mut random = Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let options = LayoutOptions {
        typed: random.below(4) > 0,
        bank_skew: random.below(2) > 0,
        protect_persistent: random.below(4) == 0,
        shared_per: if random.below(2) > 0 { SharedPer::Thread } else { SharedPer::Block },
    };
    let registry = BufferRegistry::with_options("", options);
    registry.register(2, &CUDABuffer::shared("inner", random.below(9)).of(Precision::F64)).unwrap();
    let count = 1 + random.below(NAMES.len() as u64) as usize;
    for (index, name) in NAMES.into_iter().enumerate().take(count) {
        let size = random.below(40);
        let mut buffer = match random.below(4) {
            0 | 1 => CUDABuffer::shared(name, size),
            2 => CUDABuffer::persistent(name, size),
            _ => CUDABuffer::local(name, size),
        };
        if options.typed {
            buffer = buffer.of(Precision::ALL[random.below(5) as usize]);
        }
        if index > 0 && random.below(3) == 0 {
            buffer = buffer.aliasing(NAMES[random.below(index as u64) as usize]);
        }
        if random.below(2) == 0 {
            let begin = random.below(6);
            buffer = buffer.alive(begin..begin + 1 + random.below(4));
        }
        registry.register(1, &buffer).unwrap();
    }
    if options.typed && random.below(3) == 0 {
        registry.register_child(1, "child", 2, None).unwrap();
    }
    if random.below(2) == 0 {
        registry.plan(1, &PlanOptions { budget: Duration::ZERO, ..PlanOptions::default() }).unwrap();
    }
    registry.layout(1).unwrap()
}

fn lorenz() -> Layout {
    let text = std::fs::read_to_string(top().join("examples/lorenz/lorenz.json")).unwrap();
    Layout::from_json(&text).unwrap()
}

/// Every layout to try, each with a namespace of its own.
fn layouts() -> Vec<(String, Layout)> {
    let random = (0..60).map(|seed| (format!("layout_{seed}"), random_layout(seed)));
    random.chain([("app::lorenz".to_owned(), lorenz())]).collect()
}

#[test]
fn headers_compile_alone_and_twice_as_cpp17_and_cpp20_without_a_warning() {
    let folder = folder("compile");
    let mut all = String::new();
    for (at, (namespace, layout)) in layouts().iter().enumerate() {
        let header = layout.emit_cuda_header(namespace).unwrap();
        assert_eq!(header, layout.emit_cuda_header(namespace).unwrap(), "the same text each time");
        assert!(!header.contains("#include"), "NVRTC has nothing to include");
        std::fs::write(folder.join(format!("{at}.h")), header).unwrap();
        writeln!(all, "#include \"{at}.h\"\n#include \"{at}.h\"").unwrap();
    }
    // Words of the program's own stay what they were.
    all.push_str("#define __device__ mine\n#include \"0.h\"\nint mine;\nint *words = &__device__;\n");
    std::fs::write(folder.join("all.cpp"), all).unwrap();
    for standard in ["-std=c++17", "-std=c++20"] {
        let output = compiler(&folder).args([standard, "-fsyntax-only", "all.cpp"]).args(WARNINGS).output();
        must(output.unwrap(), standard);
    }
}

/// What the accessors of a layout do to a block's memory.
fn program(namespace: &str, layout: &Layout, header: &str) -> String {
    // The header has the accessors in registration order, by region.
    let accessor = |index: usize| {
        let line = header
            .lines()
            .filter(|line| line.starts_with("__device__ __forceinline__") && line.contains("*"));
        let line = line.filter(|line| !line.contains("shared_of_thread")).nth(index).unwrap();
        line.split('*').nth(1).unwrap().split('(').next().unwrap().to_owned()
    };
    let in_order = [Space::Shared, Space::Persistent]
        .into_iter()
        .flat_map(|space| layout.buffers.iter().filter(move |placed| placed.allocator.space == space));
    let mut checks = [String::new(), String::new()];
    for (index, placed) in in_order.enumerate() {
        let place = &placed.allocator;
        let (start, bytes) = (place.byte_offset.unwrap(), place.length * place.element_bytes());
        let list = &mut checks[usize::from(place.space == Space::Persistent)];
        writeln!(
            list,
            "        touch(region, bytes, {namespace}::{}(region), {start}, {bytes}, index, stride);",
            accessor(index)
        )
        .unwrap();
    }
    let of_thread = match layout.options.shared_per {
        SharedPer::Thread => format!("{namespace}::shared_of_thread(block, threadIdx.x)"),
        SharedPer::Block => "block".to_owned(),
    };
    let [shared, persistent] = checks;
    format!(
        "static void kernel_{0}(unsigned char *block) {{\n    \
         const bool own = {namespace}::shared_per_thread;\n    \
         {{\n        unsigned char *region = static_cast<unsigned char *>({of_thread});\n        \
         const unsigned long long bytes = {namespace}::shared_region_bytes;\n        \
         const unsigned index = own ? 0 : threadIdx.x, stride = own ? 1 : blockDim.x;\n{shared}        \
         (void)region, (void)bytes, (void)index, (void)stride;\n    }}\n    \
         {{\n        Exact memory({namespace}::persistent_bytes);\n        unsigned char *region = memory.at;\n        \
         const unsigned long long bytes = {namespace}::persistent_bytes;\n        \
         const unsigned index = 0, stride = 1;\n{persistent}        \
         (void)region, (void)bytes, (void)index, (void)stride;\n    }}\n}}\n",
        namespace.replace("::", "_")
    )
}

const HARNESS: &str = r#"
#include "cuda_on_cpu.hpp"
#include <cstdio>
#include <cstdlib>
#include <cstring>

/// So many bytes, and not one more.
struct Exact {
    unsigned char *at;
    explicit Exact(unsigned long long bytes) : at(static_cast<unsigned char *>(std::malloc(bytes ? bytes : 1))) {
        std::memset(at, 0xa5, bytes);
    }
    ~Exact() { std::free(at); }
};

/// Writes a buffer through its accessor: by all threads of the block, or by the one whose region it is. What has changed then
/// is the buffer, whole, and nothing else.
template <class Element>
void touch(unsigned char *region, unsigned long long bytes, Element *buffer, unsigned long long start,
           unsigned long long length, unsigned index, unsigned stride) {
    __syncthreads();
    for (unsigned long long at = index; at < bytes; at += stride) region[at] = 0xa5;
    __syncthreads();
    for (unsigned long long at = index; at < length / sizeof(Element); at += stride) {
        Element element;
        std::memset(&element, 0x5a, sizeof element);
        buffer[at] = element;
    }
    __syncthreads();
    for (unsigned long long at = index; at < bytes; at += stride) {
        const bool inside = start <= at && at < start + length;
        if (region[at] != (inside ? 0x5a : 0xa5)) {
            std::fprintf(stderr, "byte %llu of %llu: %02x; the buffer is %llu + %llu\n", at, bytes, region[at], start, length);
            std::abort();
        }
    }
}
"#;

#[test]
fn writes_through_accessors_touch_exactly_their_range() {
    let folder = folder("touch");
    let (mut includes, mut kernels, mut calls) = (String::new(), String::new(), String::new());
    for (at, (namespace, layout)) in layouts().iter().enumerate() {
        let header = layout.emit_cuda_header(namespace).unwrap();
        kernels.push_str(&program(namespace, layout, &header));
        std::fs::write(folder.join(format!("{at}.h")), header).unwrap();
        writeln!(includes, "#include \"{at}.h\"").unwrap();
        let kernel = namespace.replace("::", "_");
        writeln!(
            calls,
            "    {{\n        Exact block({namespace}::shared_bytes(4));\n        launch(1, 4, kernel_{kernel}, block.at);\n    }}"
        )
        .unwrap();
    }
    let text =
        format!("{HARNESS}\n{includes}\n{kernels}\nint main() {{\n{calls}    std::puts(\"touched\");\n}}\n");
    std::fs::write(folder.join("touch.cpp"), text).unwrap();
    let mut command = compiler(&folder);
    command.args([
        "-std=c++20",
        "-O1",
        "-g",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
        "-pthread",
    ]);
    command.args(["touch.cpp", "-o", "touch", "-I"]).arg(top().join("examples/lorenz"));
    must(command.output().unwrap(), "compiling");
    let output = Command::new(folder.join("touch")).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "touched\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    must(output, "running");
}

#[test]
fn a_number_that_was_tampered_with_fails_an_assertion() {
    let folder = folder("tamper");
    let registry =
        BufferRegistry::with_options("", LayoutOptions { typed: true, ..LayoutOptions::default() });
    for buffer in [
        CUDABuffer::shared("k1", 4),
        CUDABuffer::shared("k2", 6).of(Precision::F64),
        CUDABuffer::shared("one", 1).aliasing("k2").of(Precision::F64),
        CUDABuffer::shared("two", 2).aliasing("k2").of(Precision::F64),
        CUDABuffer::shared("big", 9).aliasing("k2").of(Precision::F64),
        CUDABuffer::persistent("history", 8),
        CUDABuffer::local("x", 3),
    ] {
        registry.register(1, &buffer).unwrap();
    }
    let mut tried = 0;
    for layout in [registry.layout(1).unwrap(), lorenz()] {
        let header = layout.emit_cuda_header("scratch").unwrap();
        for line in header.lines().filter(|line| line.starts_with("constexpr unsigned long long")) {
            let (name, value) = line.strip_suffix(';').unwrap().split_once(" = ").unwrap();
            let value: u64 = value.parse().unwrap();
            for wrong in [Some(value + 1), value.checked_sub(1)].into_iter().flatten() {
                let tampered = header.replace(line, &format!("{name} = {wrong};"));
                assert_ne!(tampered, header);
                std::fs::write(folder.join("tampered.cpp"), tampered).unwrap();
                let output =
                    compiler(&folder).args(["-std=c++17", "-fsyntax-only", "tampered.cpp"]).output().unwrap();
                let errors = String::from_utf8_lossy(&output.stderr);
                assert!(!output.status.success(), "{name} = {wrong} instead of {value} compiles");
                assert!(errors.contains("static assertion") || errors.contains("static_assert"), "{errors}");
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried} numbers tried");
}

#[test]
fn the_header_counts_as_the_registry_does() {
    let folder = folder("counts");
    let (mut text, mut asserts) = (String::new(), 0);
    for (at, per) in [SharedPer::Block, SharedPer::Thread].into_iter().enumerate() {
        let options = LayoutOptions { typed: true, shared_per: per, ..LayoutOptions::default() };
        let registry = BufferRegistry::with_options("", options);
        registry.register(1, &CUDABuffer::shared("k1", 96)).unwrap();
        let namespace = format!("counts_{at}");
        text.push_str(&registry.emit_cuda_header(1, &namespace).unwrap());
        let mut check = |what: String| {
            writeln!(text, "static_assert({namespace}::{what}, \"\");").unwrap();
            asserts += 1;
        };
        check(format!("layout_hash == {}ULL", registry.layout_hash(1).unwrap()));
        check(format!("shared_stride_bytes == {}", registry.shared_stride_bytes(1).unwrap()));
        for threads in [0, 1, 32, 126, 127, 512, 1024, 1025] {
            check(format!("shared_bytes({threads}) == {}", registry.shared_bytes(1, threads).unwrap()));
            check(format!("needs_opt_in({threads}) == {}", registry.needs_opt_in(1, threads).unwrap()));
            for arch in backbuf::registry::Arch::all() {
                let fits = registry.fits(1, &arch.limits(), threads).unwrap();
                check(format!("fits({}, {threads}) == {fits}", arch.cc()));
            }
        }
        check("fits(61, 1) == false".to_owned());
    }
    std::fs::write(folder.join("counts.cpp"), text).unwrap();
    must(compiler(&folder).args(["-std=c++17", "-fsyntax-only", "counts.cpp"]).output().unwrap(), "counting");
    assert!(asserts > 200);
}

#[test]
fn the_stored_layout_of_the_example_is_as_low_as_any_plan() {
    let text = std::fs::read_to_string(top().join("examples/lorenz/lorenz.json")).unwrap();
    let registry = BufferRegistry::new();
    registry.load_json(1, &text).unwrap();
    let stored = registry.shared_buffer_size(1).unwrap();
    registry.clear_layout(1).unwrap();
    assert!(registry.shared_buffer_size(1).unwrap() > stored, "the plan saves something");
    let plan = registry.plan(1, &PlanOptions::default()).unwrap().shared;
    assert_eq!((plan.height, plan.lower_bound, plan.exact), (stored, stored, true));
}

#[test]
fn what_cannot_be_written_is_refused_with_the_name_and_a_remedy() {
    let refused = |names: &[&str]| {
        let registry = BufferRegistry::new();
        for name in names {
            registry.register(1, &CUDABuffer::shared(*name, 1)).unwrap();
        }
        let error = registry.emit_cuda_header(1, "scratch").unwrap_err();
        assert_eq!(error.status(), Status::Exists);
        error.to_string()
    };
    assert_eq!(
        refused(&["a.b", "k", "a_b"]),
        "names = 'a.b' and 'a_b': their names collide as names of C++; rename one"
    );
    assert_eq!(
        refused(&["k1", "k1_length"]),
        "names = 'k1' and 'k1_length': their names collide as names of C++; rename one"
    );
    assert_eq!(
        refused(&["shared"]),
        "name = 'shared': collides with a name that the header defines for the whole layout; rename it"
    );

    let registry = BufferRegistry::new();
    registry.register(1, &CUDABuffer::persistent("a", 1)).unwrap();
    registry.register(1, &CUDABuffer::persistent("b", 1).of(Precision::F64)).unwrap();
    let error = registry.emit_cuda_header(1, "scratch").unwrap_err();
    assert_eq!(error.status(), Status::State);
    assert!(error.to_string().contains("set the option `typed`"), "{error}");
    assert_eq!(registry.emit_cuda_header(9, "scratch").unwrap_err().status(), Status::NoParent);
    let error = registry.emit_cuda_header(1, "for").unwrap_err();
    assert_eq!(
        error.to_string(),
        "namespace = 'for': means something else in C++ already; give another name"
    );
}
