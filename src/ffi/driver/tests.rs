//! The conformance suites of devices and buffers on drivers written in C: the tests' host driver and the example.

use std::ffi::CStr;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::*;
use crate::device::device::Device;

#[path = "../../../tests/common/buffer_conformance.rs"]
mod buffer_conformance;
#[path = "../../../tests/common/conformance.rs"]
mod conformance;

/// Fills a table for a new driver: one whose submits complete that many polls late, or the example.
type Fill = unsafe extern "C" fn(*mut bb_driver, u32);

/// Stands for the example in place of a number of polls.
const EXAMPLE: u32 = u32::MAX;

const SOURCE: &str = r#"
#define main example_main
#include "examples_c/new_backend.c"
#include "c_tests/host_driver.h"
void fill(bb_driver *driver, uint32_t delay);
static void free_driver(void *driver) { free(driver); }
void fill(bb_driver *driver, uint32_t delay) {
    if (delay == UINT32_MAX) {
        *driver = driver_of(calloc(1, sizeof(engine)));
    } else {
        host_driver *const d = malloc(sizeof *d);
        host_init(d);
        atomic_store(&d->delay, delay);
        *driver = host_table(d);
    }
    driver->drop = free_driver;
    if (delay > 1) {
        driver->create_mapped = NULL, driver->create_persistent = NULL;
        driver->export_fence = NULL, driver->import_fence = NULL, driver->discard_fence = NULL;
        driver->check_renderer = NULL, driver->renderer_wait = NULL, driver->renderer_fence = NULL;
        driver->renderer_reap = NULL;
    }
}
"#;

/// Compiles the driver with the C compiler that also links Rust's programs, and loads it.
fn fill() -> Fill {
    static LOADED: OnceLock<usize> = OnceLock::new();
    let address = LOADED.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("backbuf_host_driver_{}.so", std::process::id()));
        let top = env!("CARGO_MANIFEST_DIR");
        let mut compiler = Command::new(std::env::var_os("CC").unwrap_or("cc".into()))
            .args([
                "-std=c11",
                "-D_GNU_SOURCE",
                "-O1",
                "-fPIC",
                "-shared",
                "-Wl,-z,lazy",
                "-xc",
                "-",
                "-I",
                top,
                "-I",
            ])
            .args([&format!("{top}/include"), "-o"])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .expect("a C compiler");
        std::io::Write::write_all(&mut compiler.stdin.take().unwrap(), SOURCE.as_bytes()).unwrap();
        assert!(compiler.wait().unwrap().success(), "the drivers in C do not compile");
        let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: an object with no initialisers, which stays loaded. Lazy: the example has a main that is never run.
        let found = unsafe {
            let object = libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL);
            assert!(!object.is_null(), "{:?}", CStr::from_ptr(libc::dlerror()));
            libc::dlsym(object, c"fill".as_ptr())
        };
        std::fs::remove_file(path).unwrap();
        found as usize
    });
    // SAFETY: the function compiled above.
    unsafe { std::mem::transmute::<usize, Fill>(*address) }
}

/// A device on a new driver in C.
fn device(delay: u32, host_driven: bool) -> Device {
    let mut table = NO_DRIVER;
    // SAFETY: memory for a table.
    unsafe { fill()(&raw mut table, delay) };
    let accepted = try_arc(AtomicBool::new(true)).unwrap();
    create("in C", host_driven, required(&table).unwrap(), &table, &accepted).unwrap()
}

#[test]
fn the_driver_in_c_conforms_however_late_completions_come() {
    for delay in [0, 1, 7] {
        conformance::run(&|| device(delay, false));
    }
}

#[test]
fn the_driver_in_c_conforms_when_it_is_driven() {
    conformance::run(&|| device(0, true));
}

#[test]
fn the_example_in_c_conforms() {
    conformance::run(&|| device(EXAMPLE, false));
}

#[test]
fn buffers_conform_on_the_drivers_in_c() {
    for delay in [0, 3, EXAMPLE] {
        for host_driven in [false, true] {
            buffer_conformance::run(&|| device(delay, host_driven));
        }
    }
}
