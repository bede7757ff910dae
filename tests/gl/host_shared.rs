//! Devices that share buffers with a context of the program.

use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::mpsc::channel;
use std::thread;

use backbuf::device::{Device, Foreign, GlConfig, GlContext, Native};
use backbuf::{Result, Status, Timeout};
use glow::HasContext;
use glutin::context::{ContextApi, Robustness, Version};

use crate::test_host::TestHost;
use crate::{buffer, headless, now, read, status};

/// A device that shares buffers with a host's context, which stays current on this thread.
pub fn beside(host: &TestHost) -> Result<Device> {
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
