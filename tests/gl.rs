//! Devices on OpenGL: on each driver that renders on the CPU, with capabilities hidden, and with libraries or drivers missing.
//!
//! Mesa reads its environment once. The tests marked `ignore` are therefore run by the others, in one process for each environment.
#![cfg(feature = "gl")]

#[path = "common/conformance.rs"]
mod conformance;

use conformance::drive::Drive;
#[path = "../src/device/gl/test_host.rs"]
mod test_host;

use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::io::Write;
use std::process::Command;
use std::ptr::{null, null_mut};
use std::rc::Rc;
use std::sync::Barrier;
use std::sync::mpsc::channel;
use std::thread;

use backbuf::device::{Device, Driver, Fence, Foreign, GlConfig, GlContext, MapMode, Native, Usage};
use backbuf::manager::{Config, Manager};
use backbuf::{DType, Error, Result, Status, Timeout};
use glow::HasContext;
use glutin::context::{ContextApi, Robustness, Version};
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

// --- beside a context of the program ---

/// A device that shares buffers with a host's context, which stays current on this thread.
fn beside(host: &TestHost) -> Result<Device> {
    // SAFETY: values that EGL returned.
    let context = unsafe { GlContext::shared(host.display(), host.context()) };
    Device::gl(GlConfig { label: "beside", context })
}

/// The OpenGL name of a buffer.
fn name(buffer: Native) -> glow::Buffer {
    glow::NativeBuffer(u32::try_from(buffer.0).ok().and_then(|name| name.try_into().ok()).unwrap())
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn two_contexts_hand_a_buffer_back_and_forth() {
    if headless().is_none() {
        return;
    }
    let host = TestHost::new();
    let device = beside(&host).unwrap();
    host.leave();
    let (target, mirror) = (buffer(&device, 8), buffer(&device, 8));
    let (to_renderer, from_device) = channel::<u64>();
    let (to_device, from_renderer) = channel::<u64>();
    // The renderer's fences and its copy are plain calls of OpenGL, as a renderer makes them.
    let renderer = thread::spawn(move || {
        host.enter();
        let gl = &host.gl;
        for fence in from_device {
            let fence = glow::NativeFence(fence as *mut _);
            // SAFETY: the buffers live until this thread has ended, and the fences are those of the other side.
            let back = unsafe {
                gl.wait_sync(fence, 0, glow::TIMEOUT_IGNORED);
                gl.delete_sync(fence);
                gl.bind_buffer(glow::COPY_READ_BUFFER, Some(name(target)));
                gl.bind_buffer(glow::COPY_WRITE_BUFFER, Some(name(mirror)));
                gl.copy_buffer_sub_data(glow::COPY_READ_BUFFER, glow::COPY_WRITE_BUFFER, 0, 0, 8);
                let back = gl.fence_sync(glow::SYNC_GPU_COMMANDS_COMPLETE, 0).unwrap();
                gl.flush();
                back
            };
            to_device.send(back.0 as u64).unwrap();
        }
        // SAFETY: takes nothing.
        assert_eq!(unsafe { gl.get_error() }, glow::NO_ERROR);
    });
    const TURNS: u64 = 20_000;
    for turn in 1..=TURNS {
        let fence = now(&device, |driver| {
            driver.write(target, 0, &turn.to_ne_bytes())?;
            driver.export()
        });
        to_renderer.send(fence.unwrap().0).unwrap();
        let back = Foreign(from_renderer.recv().unwrap());
        now(&device, |driver| driver.import(back)).unwrap();
        if turn % 500 == 0 {
            assert_eq!(
                read(&device, mirror, 0, 8),
                turn.to_ne_bytes(),
                "what the renderer copied in that turn"
            );
        }
    }
    drop(to_renderer);
    renderer.join().unwrap();
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn invalid_egl_contexts_are_refused() {
    if headless().is_none() {
        return;
    }
    let host = TestHost::new();
    let mut stranger = 0u64;
    let stranger: *mut c_void = (&raw mut stranger).cast();
    let refuse = |display, context, wanted: Status, words: &str| {
        // SAFETY: EGL refuses values that it has not returned.
        let context = unsafe { GlContext::shared(display, context) };
        let error = Device::gl(GlConfig { label: "stranger", context }).unwrap_err();
        assert_eq!(error.status(), wanted, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    refuse(null_mut(), host.context(), Status::Null, "egl_display");
    refuse(host.display(), null_mut(), Status::Null, "egl_context");
    refuse(stranger, host.context(), Status::Argument, "egl_display");
    refuse(host.display(), stranger, Status::Argument, "egl_context");
    refuse(host.display(), host.display(), Status::Argument, "egl_context");
    let other = TestHost::with(ContextApi::Gles(Some(Version::new(3, 0))), Robustness::NotRobust).unwrap();
    refuse(other.display(), other.context(), Status::Argument, "another API");
    // The refused device has left the host's context current.
    other.leave();
    host.enter();
    beside(&host).unwrap();
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn a_host_may_have_made_its_context_in_any_way() {
    if headless().is_none() {
        return;
    }
    let opengl = ContextApi::OpenGl(Some(Version::new(3, 3)));
    for robustness in [Robustness::NotRobust, Robustness::RobustLoseContextOnReset, Robustness::NoError] {
        let Ok(host) = TestHost::with(opengl, robustness) else {
            println!("EGL has no context that is {robustness:?} with this driver");
            continue;
        };
        let device = beside(&host).unwrap_or_else(|error| panic!("{robustness:?}: {error}"));
        shares(&device, &host);
    }
    let host = TestHost::new();
    let device = beside(&host).unwrap();
    shares(&device, &host);
    // A context without a config.
    let egl = host.egl();
    use glutin_egl_sys::egl;
    let core = [0x3098, 3, 0x30FB, 3, 0x30FD, 1, egl::NONE as i32];
    // SAFETY: an EGL display and a terminated list; the context is destroyed below, and current on no thread.
    unsafe {
        egl.BindAPI(egl::OPENGL_API);
        let bare = egl.CreateContext(host.display(), null(), host.context(), core.as_ptr());
        assert!(!bare.is_null());
        let context = GlContext::shared(host.display(), bare.cast_mut());
        let device = Device::gl(GlConfig { label: "no config", context }).unwrap();
        shares(&device, &host);
        egl.DestroyContext(host.display(), bare);
    }
}

/// The host's context reads what the device writes.
fn shares(device: &Device, host: &TestHost) {
    let target = buffer(device, 4);
    let fence = now(device, |driver| {
        driver.write(target, 0, b"here")?;
        driver.submit()
    });
    device.wait_fence(fence.unwrap(), Timeout::FOREVER).unwrap();
    let mut bytes = [0; 4];
    // SAFETY: the host's context is current, and the buffer is alive.
    unsafe {
        host.gl.bind_buffer(glow::COPY_READ_BUFFER, Some(name(target)));
        host.gl.get_buffer_sub_data(glow::COPY_READ_BUFFER, 0, &mut bytes);
    }
    assert_eq!(&bytes, b"here");
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn a_host_may_end_its_context_first() {
    if headless().is_none() {
        return;
    }
    let mut host = TestHost::new();
    let device = beside(&host).unwrap();
    let target = buffer(&device, 4);
    host.end();
    now(&device, |driver| driver.write(target, 0, b"more")).unwrap();
    assert_eq!(read(&device, target, 0, 4), b"more");
    device.destroy().unwrap();

    let host = TestHost::new();
    let device = beside(&host).unwrap();
    let target = buffer(&device, 4);
    // SAFETY: an EGL display. No other context of this process is in use.
    unsafe { host.egl().Terminate(host.display()) };
    // The context works on while it is current; if it does not, the device is lost, without a crash.
    let result = now(&device, |driver| driver.write(target, 0, b"more"));
    assert!(matches!(status(result), None | Some(Status::DeviceLost)));
    device.destroy().unwrap();
}

// --- in the program's context ---

fn in_context(get_proc_address: Box<dyn Fn(&CStr) -> *const c_void>) -> Result<Device> {
    // SAFETY: the tests return entry points of the current context, or stand-ins of their types.
    let context = unsafe { GlContext::host_driven(get_proc_address) };
    Device::gl(GlConfig { label: "inside", context })
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn a_host_drives_a_device_in_its_own_context() {
    if headless().is_none() {
        return;
    }
    let host = TestHost::new();
    let device = in_context(host.loader()).unwrap();
    let (to_engine, from_host) = channel::<Device>();
    let engine = thread::spawn(move || {
        let device = from_host.recv().unwrap();
        let target = buffer(&device, 6);
        now(&device, |driver| driver.write(target, 0, b"engine")).unwrap();
        assert_eq!(status(device.poll(Timeout::TRY)), Some(Status::WrongThread));
        assert_eq!(status(device.destroy()), Some(Status::WrongThread));
        target
    });
    to_engine.send(device.clone()).unwrap();
    while !engine.is_finished() {
        device.poll(Timeout::nanos(1_000_000)).unwrap();
    }
    let target = engine.join().unwrap();
    assert_eq!(read(&device, target, 0, 6), b"engine");

    // While another context is current, calls are refused and leave that one unchanged.
    let other = TestHost::new();
    // SAFETY: the other context is current.
    let theirs = unsafe { other.gl.create_buffer() }.unwrap();
    assert_eq!(status(now(&device, |driver| driver.write(target, 0, b"wrong!"))), Some(Status::State));
    other.leave();
    assert_eq!(status(now(&device, |driver| driver.submit().map(drop))), Some(Status::State));
    host.enter();
    assert_eq!(read(&device, target, 0, 6), b"engine");
    // Destroyed while another context is current, the device does not delete that one's buffers.
    host.leave();
    other.enter();
    device.destroy().unwrap();
    // SAFETY: the other context is current.
    unsafe {
        other.gl.bind_buffer(glow::COPY_READ_BUFFER, Some(theirs));
        assert!(other.gl.is_buffer(theirs));
    }
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn entry_points_that_are_missing_are_named() {
    if headless().is_none() {
        return;
    }
    let mut host = TestHost::new();
    let error = in_context(Box::new(|_| null())).unwrap_err();
    assert_eq!(error.status(), Status::Unsupported);
    assert!(error.to_string().contains("glGetString"), "{error}");
    for missing in [c"glGetStringi", c"glBufferData", c"glFenceSync", c"glIsSync", c"glMapBufferRange"] {
        let real = host.loader();
        let error =
            in_context(Box::new(move |name| if name == missing { null() } else { real(name) })).unwrap_err();
        assert_eq!(error.status(), Status::Unsupported);
        assert!(error.to_string().contains(missing.to_str().unwrap()), "{error}");
    }
    // Optional entry points may be missing.
    let real = host.loader();
    let optional =
        [c"glBufferStorage", c"glDebugMessageCallback", c"glObjectLabel", c"glGetGraphicsResetStatus"];
    let device =
        in_context(Box::new(move |name| if optional.contains(&name) { null() } else { real(name) })).unwrap();
    let target = buffer(&device, 4);
    assert_eq!(read(&device, target, 0, 4), [0; 4]);
    drop(device);
    let loader = host.loader();
    host.end();
    let error = in_context(loader).unwrap_err();
    assert_eq!(error.status(), Status::State, "{error}");
    assert!(error.to_string().contains("current"), "{error}");
}

thread_local!(static RESET: Rc<Cell<u32>> = Rc::new(Cell::new(glow::NO_ERROR)));

extern "system" fn reset_status() -> u32 {
    RESET.with(|reset| reset.get())
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn a_reset_is_a_lost_device() {
    let caps = std::env::var("BACKBUF_GL_CAPS");
    if headless().is_none() || caps.is_ok_and(|list| !list.contains("robustness")) {
        println!("without robustness no reset is reported");
        return;
    }
    let host = TestHost::new();
    let real = host.loader();
    let device = in_context(Box::new(move |name| match name.to_str() {
        Ok("glGetGraphicsResetStatus") => reset_status as *const c_void,
        _ => real(name),
    }))
    .unwrap();
    let target = buffer(&device, 4);
    let fence = now(&device, |driver| driver.submit()).unwrap();
    device.wait_fence(fence, Timeout::FOREVER).unwrap();
    RESET.with(|reset| reset.set(glow::GUILTY_CONTEXT_RESET));
    let lost = now(&device, |driver| driver.submit()).unwrap_err();
    assert_eq!(lost.status(), Status::DeviceLost);
    assert!(lost.to_string().contains("GL_GUILTY_CONTEXT_RESET"), "{lost}");
    // The driver reports a reset once; the device stays lost.
    RESET.with(|reset| reset.set(glow::NO_ERROR));
    let after: Error = now(&device, |driver| driver.write(target, 0, b"late")).unwrap_err();
    assert_eq!(after.status(), Status::DeviceLost);
    assert_eq!(status(device.poll(Timeout::TRY)), Some(Status::DeviceLost));
    device.destroy().unwrap();
}

thread_local! {
    /// Fences made minus fences deleted by this thread, and the real entry points.
    static OPEN: Cell<i64> = const { Cell::new(0) };
    static FENCE: Cell<*const c_void> = const { Cell::new(null()) };
    static DELETE: Cell<*const c_void> = const { Cell::new(null()) };
}

extern "system" fn fence_sync(condition: u32, flags: u32) -> *const c_void {
    OPEN.set(OPEN.get() + 1);
    // SAFETY: the entry point of that name.
    unsafe {
        std::mem::transmute::<*const c_void, extern "system" fn(u32, u32) -> *const c_void>(FENCE.get())(
            condition, flags,
        )
    }
}

extern "system" fn delete_sync(sync: *const c_void) {
    OPEN.set(OPEN.get() - 1);
    // SAFETY: as above.
    unsafe { std::mem::transmute::<*const c_void, extern "system" fn(*const c_void)>(DELETE.get())(sync) }
}

#[test]
#[ignore = "run by the others, in a process with an environment of its own"]
fn a_front_that_is_drawn_from_for_long_accumulates_no_fences() {
    if headless().is_none() {
        return;
    }
    let host = TestHost::new();
    let real = host.loader();
    FENCE.set(real(c"glFenceSync"));
    DELETE.set(real(c"glDeleteSync"));
    let device = in_context(Box::new(move |name| match name.to_str() {
        Ok("glFenceSync") => fence_sync as *const c_void,
        Ok("glDeleteSync") => delete_sync as *const c_void,
        _ => real(name),
    }))
    .unwrap();
    let config = Config { device: Some(&device), ..Config::default() };
    let manager = Manager::untyped_with_config(DType::U8, &[64], config).map_err(Error::from).unwrap();
    let draw = || manager.device_front().unwrap().release().unwrap();
    let mut most = 0;
    for epoch in 0..3_u8 {
        for _ in 0..1_000 {
            draw();
            // SAFETY: the host's context is current. This makes the fences of the drawing pass, as a later frame does.
            unsafe { host.gl.finish() };
            most = most.max(OPEN.get());
        }
        manager.enqueue(0, &[epoch], Timeout::TRY).unwrap();
        manager.synchronize(Timeout::FOREVER).unwrap();
    }
    assert!(most < 50, "{most} fences at once");
    // The device first: it deletes the fences that its manager keeps.
    draw();
    device.destroy().unwrap();
    drop(manager);
    assert_eq!(OPEN.get(), 0, "fences left");
}
