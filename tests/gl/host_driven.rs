//! Devices in a context of the program, which calls them on the thread where it is current.

use std::cell::Cell;
use std::ffi::{CStr, c_void};
use std::ptr::null;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread;

use backbuf::device::{Device, GlConfig, GlContext};
use backbuf::manager::{Config, Manager};
use backbuf::{DType, Error, Result, Status, Timeout};
use glow::HasContext;

use crate::test_host::TestHost;
use crate::{buffer, headless, now, read, status};

pub fn in_context(get_proc_address: Box<dyn Fn(&CStr) -> *const c_void>) -> Result<Device> {
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
