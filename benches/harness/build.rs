//! Builds the peers in C and C++ as shared libraries: the two naive managers, and the rings whose headers are installed.

use std::path::Path;
use std::process::{Command, Stdio};

/// Name, source, definition, the header to look for, the library to link.
const RINGS: [(&str, &str, &str, &str, &str); 6] = [
    ("boost", "boost.cpp", "", "boost/lockfree/spsc_queue.hpp", ""),
    ("jack", "jack.c", "", "jack/ringbuffer.h", "-ljack"),
    ("dpdk", "dpdk.c", "", "rte_ring.h", "-lrte_ring"),
    ("pipewire", "pipewire.c", "", "spa/utils/ringbuffer.h", ""),
    ("moodycamel", "moodycamel.cpp", "", "readerwriterqueue/readerwriterqueue.h", ""),
    ("moodycamel_blocking", "moodycamel.cpp", "-DBLOCKING", "readerwriterqueue/readerwriterqueue.h", ""),
];

/// Debian's folders of these headers, below `/usr/include` and its folder for the architecture.
const FOLDERS: [&str; 2] = ["dpdk", "spa-0.2"];

fn main() {
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    let library = |name: &str| Path::new(&out).join(format!("lib{name}.so"));
    println!("cargo::rerun-if-changed=../naive");
    println!("cargo::rerun-if-changed=../rings/native");
    // Headers that are installed later are found.
    println!("cargo::rerun-if-changed=/usr/include");
    println!("cargo::rustc-env=NATIVE={out}");
    for (name, define) in [("naive_c", ""), ("naive_c_correct", "-DFULL_COPY")] {
        let mut command = compiler("../naive/naive.c");
        let status = command.args(["-shared", "-o"]).arg(library(name)).args(given(define)).status();
        assert!(status.is_ok_and(|status| status.success()), "{command:?} failed");
    }
    println!("cargo::rerun-if-changed=../../include");
    let mut command = compiler("../rings/native/inline.c");
    let status = command.args(["-I../../include", "-shared", "-o"]).arg(library("inline")).status();
    assert!(status.is_ok_and(|status| status.success()), "{command:?} failed");
    for (name, source, define, header, link) in RINGS {
        let _ = std::fs::remove_file(library(name));
        if !has(source, header) {
            continue;
        }
        let mut command = compiler(&format!("../rings/native/{source}"));
        command.args(["-shared", "-o"]).arg(library(name)).args(given(define)).args(given(link));
        if !command.status().is_ok_and(|status| status.success()) {
            println!("cargo::warning={name} is left out of the comparison: {command:?} failed");
        }
    }
}

fn given(argument: &str) -> Option<&str> {
    Some(argument).filter(|argument| !argument.is_empty())
}

fn compiler(source: &str) -> Command {
    let cpp = source.ends_with(".cpp");
    let mut command = cc::Build::new().cpp(cpp).opt_level(3).pic(true).get_compiler().to_command();
    command.args([if cpp { "-std=c++17" } else { "-std=gnu11" }, "-pthread"]);
    if cfg!(target_arch = "x86_64") {
        // Required by DPDK.
        command.arg("-msse4.2");
    }
    let architecture = format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    for folder in FOLDERS {
        command.arg(format!("-I/usr/include/{folder}")).arg(format!("-I{architecture}/{folder}"));
    }
    command.arg(source);
    command
}

/// Whether the preprocessor finds the header.
fn has(source: &str, header: &str) -> bool {
    let probe = Path::new(&std::env::var("OUT_DIR").expect("cargo sets it")).join(format!("probe.{source}"));
    std::fs::write(&probe, format!("#include <{header}>\n")).expect("the folder is cargo's");
    let mut command = compiler(&probe.to_string_lossy());
    command
        .args(["-E", "-o", "/dev/null"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
