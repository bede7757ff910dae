//! Devices on OpenGL: on each driver that renders on the CPU, with capabilities hidden, and with libraries or drivers missing.
//!
//! Mesa reads its environment once. The tests marked `ignore` are therefore run by the others, in one process for each environment.
#![cfg(feature = "gl")]

#[path = "common/conformance.rs"]
mod conformance;
#[path = "gl/host_driven.rs"]
mod host_driven;
#[path = "gl/host_shared.rs"]
mod host_shared;
#[path = "../src/device/gl/test_host.rs"]
mod test_host;

use std::io::Write;
use std::process::Command;
use std::sync::Barrier;
use std::thread;

use backbuf::device::{Device, Driver, Fence, Foreign, GlConfig, MapMode, Native, Usage};
use backbuf::{Result, Status, Timeout};
use glow::HasContext;

use conformance::drive::Drive;
use host_driven::in_context;
use host_shared::beside;
use test_host::TestHost;

// --- environments ---

/// Runs every test that is marked `ignore` in a process with that environment.
fn all_tests(environment: &[(&str, &str)]) {
    run(environment, &["--ignored", "--skip", "is_unsupported"]);
}

fn run(environment: &[(&str, &str)], arguments: &[&str]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments).args(["--nocapture", "--test-threads", "1"]).env_remove("BACKBUF_GL_CAPS");
    command.envs(environment.iter().copied());
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{environment:?}\n{out}{err}");
    // Printed also on success: the harness captures only output of macros.
    for line in out.lines().filter(|line| line.contains("renderer: ") || line.contains("skipped")) {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
    assert!(output.status.success(), "{environment:?}: {}", output.status);
    assert!(out.contains("test result: ok. ") && !out.contains("ok. 0 passed"), "no test ran");
}

#[test]
fn on_llvmpipe() {
    all_tests(&[("GALLIUM_DRIVER", "llvmpipe"), ("RENDERER", "llvmpipe")]);
}

#[test]
fn on_softpipe() {
    all_tests(&[("GALLIUM_DRIVER", "softpipe"), ("RENDERER", "softpipe")]);
}

#[test]
fn on_zink() {
    let environment = [("LIBGL_ALWAYS_SOFTWARE", "1"), ("GALLIUM_DRIVER", "zink"), ("RENDERER", "zink")];
    all_tests(&environment);
}

#[test]
fn with_nothing_beyond_the_floor() {
    all_tests(&[("GALLIUM_DRIVER", "llvmpipe"), ("BACKBUF_GL_CAPS", "none")]);
}

#[test]
fn with_writes_through_staging() {
    for driver in ["llvmpipe", "zink"] {
        let list = "buffer_storage,staging,surfaceless";
        all_tests(&[("LIBGL_ALWAYS_SOFTWARE", "1"), ("GALLIUM_DRIVER", driver), ("BACKBUF_GL_CAPS", list)]);
    }
}

#[test]
fn a_missing_library_or_driver_is_unsupported() {
    for (name, value, reason) in [
        ("LIBGL_DRIVERS_PATH", "/nonexistent", "initialising EGL on a device"),
        ("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent", "asking EGL for its devices"),
        (
            "MESA_GL_VERSION_OVERRIDE",
            "3.2",
            "making a context of OpenGL 3.3 or newer: eglCreateContext: EGL_BAD_MATCH",
        ),
    ] {
        run(&[(name, value), ("REASON", reason)], &["--ignored", "--exact", "it_is_unsupported"]);
    }
    // A file of that name that is no library.
    let folder = std::env::temp_dir().join(format!("backbuf-no-egl-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("libEGL.so.1"), b"").unwrap();
    let environment =
        [("LD_LIBRARY_PATH", folder.to_str().unwrap()), ("REASON", "libEGL.so.1 cannot be loaded")];
    run(&environment, &["--ignored", "--exact", "it_is_unsupported"]);
    std::fs::remove_dir_all(&folder).unwrap();
}

const IN_A_CHILD: &str = "run by the others, in a process with an environment of its own";

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn it_is_unsupported() {
    let error = Device::gl(GlConfig::default()).unwrap_err();
    assert_eq!(error.status(), Status::Unsupported);
    let reason = std::env::var("REASON").expect(IN_A_CHILD);
    assert!(error.to_string().contains(&reason), "{error}");
}

// --- what a device does ---

/// A headless device; `None`, with a message, where OpenGL is missing and may not be installed.
fn headless() -> Option<Device> {
    made(Device::gl(GlConfig { label: "test", ..GlConfig::default() }))
}

fn made(device: Result<Device>) -> Option<Device> {
    match device {
        Err(error)
            if error.status() == Status::Unsupported && std::env::var_os("BACKBUF_NO_INSTALL").is_some() =>
        {
            println!("skipped, and BACKBUF_NO_INSTALL is set: {error}");
            None
        }
        device => Some(device.expect("OpenGL on the CPU, which scripts/setup test installs")),
    }
}

fn now<R: Send>(device: &Device, work: impl FnOnce(&mut dyn Driver) -> Result<R> + Send) -> Result<R> {
    device.drive(Timeout::FOREVER, work)
}

fn buffer(device: &Device, bytes: u64) -> Native {
    now(device, |driver| driver.create(bytes, Usage::VERTEX | Usage::COPY_SRC | Usage::COPY_DST, "buffer"))
        .unwrap()
}

fn delete(device: &Device, buffer: Native) {
    now(device, |driver| {
        driver.delete(buffer);
        Ok(())
    })
    .unwrap();
}

/// The bytes of a range, once all work is done.
fn read(device: &Device, buffer: Native, offset: u64, bytes: usize) -> Vec<u8> {
    let fence = now(device, |driver| driver.submit()).unwrap();
    device.wait_fence(fence, Timeout::FOREVER).unwrap();
    now(device, |driver| {
        let data = driver.map(buffer, MapMode::Read, offset, bytes as u64)?;
        // SAFETY: so many bytes are mapped there until unmap.
        let copy = unsafe { std::slice::from_raw_parts(data.as_ptr(), bytes) }.to_vec();
        driver.unmap(buffer)?;
        Ok(copy)
    })
    .unwrap()
}

fn status<R>(result: Result<R>) -> Option<Status> {
    result.err().map(|error| error.status())
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn the_renderer_is_the_one_that_was_asked_for() {
    let Some(device) = headless() else { return };
    println!("renderer: {}", device.info());
    if let Ok(renderer) = std::env::var("RENDERER") {
        assert!(device.info().name.as_str().starts_with(&renderer));
    }
    if let Ok(list) = std::env::var("BACKBUF_GL_CAPS") {
        assert_eq!(device.info().capabilities.as_str(), list.replace("none", ""));
    }
    assert_eq!(device.info().limits.max_buffer_size, i32::MAX as u64 & !3);
    assert!(device.info().limits.uniform_offset_alignment.is_power_of_two());
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn each_kind_of_device_conforms() {
    let Some(device) = headless() else { return };
    conformance::run(&|| headless().unwrap());
    let host = TestHost::new();
    // Where contexts share, zink of Mesa 22.3 lets a copy out of mapped memory come to nothing, in one run of forty; also if all is
    // waited for by glFinish, and never in a context alone or by another driver.
    let info = device.info();
    let flawed = info.name.as_str().starts_with("zink") && info.capabilities.as_str().contains("staging");
    if !flawed {
        conformance::run(&|| beside(&host).unwrap());
    }
    conformance::run(&|| in_context(host.loader()).unwrap());
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn a_fence_that_is_pending_times_out_and_passes() {
    let Some(device) = headless() else { return };
    const BYTES: u64 = 32 << 20;
    let (a, b) = (buffer(&device, BYTES), buffer(&device, BYTES));
    let (mut pending, mut timed_out) = (0, 0);
    for _ in 0..10 {
        let (fence, passed) = now(&device, |driver| {
            (0..8).try_for_each(|_| driver.copy(a, 0, b, 0, BYTES))?;
            let fence = driver.submit()?;
            Ok((fence, driver.wait(fence, Timeout::TRY)?))
        })
        .unwrap();
        pending += u32::from(!passed);
        timed_out +=
            u32::from(status(device.wait_fence(fence, Timeout::nanos(1000))) == Some(Status::Timeout));
        device.wait_fence(fence, Timeout::FOREVER).unwrap();
        device.wait_fence(fence, Timeout::TRY).unwrap();
    }
    println!("pending: {pending} of 10, timed out: {timed_out}");
    // The other drivers have done all of it when the call returns.
    if device.info().name.as_str().starts_with("zink") {
        assert!(pending > 0 && timed_out > 0, "no fence was pending");
    }
    delete(&device, a);
    delete(&device, b);
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn writes_and_copies_happen_in_their_order() {
    let Some(device) = headless() else { return };
    const BYTES: usize = 9 << 20;
    let (a, b) = (buffer(&device, BYTES as u64), buffer(&device, BYTES as u64));
    let (mut want_a, mut want_b) = (vec![0u8; BYTES], vec![0u8; BYTES]);
    assert_eq!(read(&device, a, 0, BYTES), want_a, "new buffers hold zeros");
    let mut seed = 7u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    for round in 0..400 {
        // Small ones mostly; now and then one that no staging ring holds.
        let bytes = if round % 50 == 49 { BYTES / 2 } else { 1 + random(20_000) };
        let (from, to) = (random(BYTES - bytes), random(BYTES - bytes));
        if round % 3 == 2 {
            now(&device, |driver| driver.copy(a, from as u64, b, to as u64, bytes as u64)).unwrap();
            want_b[to..to + bytes].copy_from_slice(&want_a[from..from + bytes]);
        } else {
            let data = vec![round as u8; bytes];
            now(&device, |driver| driver.write(a, to as u64, &data)).unwrap();
            want_a[to..to + bytes].copy_from_slice(&data);
        }
        if round % 16 == 0 {
            let fence = now(&device, |driver| driver.submit()).unwrap();
            device.wait_fence(fence, Timeout::FOREVER).unwrap();
        }
    }
    assert!(read(&device, a, 0, BYTES) == want_a, "the buffer that was written");
    assert!(read(&device, b, 0, BYTES) == want_b, "the buffer that was copied to");
    assert_eq!(read(&device, b, 1000, 77), want_b[1000..1077]);
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn mapped_bytes_are_the_buffers() {
    let Some(device) = headless() else { return };
    let target = buffer(&device, 4096);
    let address =
        now(&device, |driver| driver.map(target, MapMode::Write, 100, 50).map(|data| data.as_ptr() as usize));
    // SAFETY: 50 bytes are mapped there until unmap.
    unsafe { std::slice::from_raw_parts_mut(address.unwrap() as *mut u8, 50) }.fill(9);
    assert_eq!(status(now(&device, |driver| driver.write(target, 0, b"no"))), Some(Status::State));
    assert_eq!(
        status(now(&device, |driver| driver.map(target, MapMode::Read, 0, 1).map(drop))),
        Some(Status::State)
    );
    now(&device, |driver| driver.unmap(target)).unwrap();
    assert_eq!(status(now(&device, |driver| driver.unmap(target))), Some(Status::State));
    let bytes = read(&device, target, 0, 4096);
    assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == if (100..150).contains(&at) { 9 } else { 0 }));
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn invalid_arguments_are_refused_by_name() {
    let Some(device) = headless() else { return };
    let small = buffer(&device, 16);
    let refuse = |wanted: Status, words: &str, work: &(dyn Fn(&mut dyn Driver) -> Result<()> + Sync)| {
        let error = now(&device, |driver| work(driver)).unwrap_err();
        assert_eq!(error.status(), wanted, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    refuse(Status::Limit, "bytes = 2147483648", &|driver| {
        driver.create(1 << 31, Usage::NONE, "large").map(drop)
    });
    refuse(Status::Limit, "bytes = ", &|driver| driver.create(u64::MAX, Usage::NONE, "large").map(drop));
    refuse(Status::Range, "offset + data ends at 18", &|driver| driver.write(small, 10, b"too long"));
    refuse(Status::Range, "offset + data", &|driver| driver.write(small, u64::MAX, b"too far"));
    refuse(Status::Range, "offset + bytes", &|driver| driver.map(small, MapMode::Read, 8, 9).map(drop));
    refuse(Status::Argument, "overlap", &|driver| driver.copy(small, 0, small, 4, 8));
    for unknown in [0, 12345, u64::MAX] {
        refuse(Status::Handle, "not a buffer", &|driver| driver.write(Native(unknown), 0, b""));
        refuse(Status::Handle, "not a buffer", &|driver| driver.copy(small, 0, Native(unknown), 0, 4));
        delete(&device, Native(unknown));
    }
    // A fence that is not the device's is ignored.
    now(&device, |driver| driver.import(Foreign(0x1234_5678))).unwrap();
    let discard = |driver: &mut dyn Driver| {
        driver.discard(Foreign(0x1234_5678));
        Ok(())
    };
    now(&device, discard).unwrap();
    assert_eq!(status(device.wait_fence(Fence(1 << 40), Timeout::TRY)), Some(Status::Argument));
    assert_eq!(read(&device, small, 0, 16), [0; 16], "a refused call changes nothing");
    let live = device.live_buffers().unwrap();
    assert_eq!((live.len(), live[0].bytes, live[0].label.as_str()), (1, 16, "buffer"));
    delete(&device, small);
    assert!(device.live_buffers().unwrap().is_empty());
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn errors_have_the_drivers_message() {
    let Some(device) = headless() else { return };
    let debugs = device.info().capabilities.as_str().contains("debug");
    let mistake = now(&device, |driver| {
        // A mistake that no check of the device's would let through.
        // SAFETY: the device's context is current on its owner thread.
        unsafe { test_host::current().bind_buffer(0xdead, None) };
        driver.submit().map(drop)
    });
    let error = mistake.unwrap_err();
    assert_eq!(error.status(), Status::Backend);
    let words = if debugs { "glBindBuffer" } else { "GL_INVALID_ENUM" };
    assert!(error.to_string().contains(words), "{error}");
    now(&device, |driver| driver.submit()).expect("an error is returned once");
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn devices_come_and_go_on_many_threads() {
    let Some(device) = headless() else { return };
    drop(device);
    let round = |count: usize| {
        // All at the same time: the driver's caches grow with the number of devices.
        let together = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..count {
                        let device = headless().unwrap();
                        together.wait();
                        let target = buffer(&device, 100_000);
                        now(&device, |driver| driver.write(target, 5, b"five")).unwrap();
                        assert_eq!(read(&device, target, 5, 4), b"five");
                        device.destroy().unwrap();
                    }
                });
            }
        });
        heap()
    };
    // The first rounds fill the driver's caches.
    let before = round(5);
    let after = round(25);
    println!("heap: {} KiB after 40 devices, {} KiB after 200 more", before >> 10, after >> 10);
    assert!(after < before + (4 << 20), "200 devices left something behind");
}

/// Bytes of heap in use. The memory that the allocator keeps beyond them varies with so many threads.
fn heap() -> usize {
    // SAFETY: takes nothing.
    let heap = unsafe { libc::mallinfo2() };
    heap.uordblks + heap.hblkhd
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn a_forked_child_is_refused() {
    let Some(device) = headless() else { return };
    // SAFETY: the child only calls this library, which permits that after a fork, and ends at once.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            let refused = status(now(&device, |driver| driver.submit())) == Some(Status::Forked);
            let another = status(Device::gl(GlConfig::default())) == Some(Status::Forked);
            libc::_exit(!(refused && another) as i32);
        }
        let mut left = 0;
        assert_eq!(libc::waitpid(child, &mut left, 0), child);
        assert_eq!(left, 0, "the child was refused both, and ended");
    }
    now(&device, |driver| driver.submit()).unwrap();
}
