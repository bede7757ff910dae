//! OpenGL entry points of a context, loaded and checked once it is current, and the fences that contexts share.
//!
//! The driver uses them on the owner thread, renderers on their own threads.

use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicBool, Ordering::*};

use crate::sync::mutex::Mutex;
use glow::HasContext;

use crate::alloc::Arc;
use crate::device::driver::{DeviceInfo, DeviceKind, DeviceLimits, Foreign, Renderer};
use crate::device::gl::capabilities::{Allowed, Capabilities};
use crate::device::gl::context::Context;
use crate::error::{Error, Label, Result, Status};
use crate::text::Text;

/// The entry points, for the driver and for renderers.
pub(super) struct Api {
    pub(super) gl: glow::Context,
    /// A sync object by which a context that shares the device's buffers is recognized: it exists in no other context.
    share_mark: Foreign,
    /// Exported fences that are not discarded. A host's context would keep them beyond the end of the device.
    exported: Mutex<Vec<Foreign>>,
    /// The device has ended and its mark is deleted.
    ended: AtomicBool,
}

/// The entry points and properties of a current context.
pub(super) struct LoadedApi {
    pub(super) api: Api,
    pub(super) used: Capabilities,
    pub(super) info: DeviceInfo,
    /// `glGetGraphicsResetStatus`, where the context has it.
    pub(super) reset_status: Option<unsafe extern "system" fn() -> u32>,
}

/// The largest size and offset that glow can pass to OpenGL.
const LARGEST: u64 = i32::MAX as u64 & !3;

/// The entry points that are always needed: all are in OpenGL 3.2.
const NEEDED: [&CStr; 18] = [
    c"glBindBuffer",
    c"glBufferData",
    c"glBufferSubData",
    c"glClientWaitSync",
    c"glCopyBufferSubData",
    c"glDeleteBuffers",
    c"glDeleteSync",
    c"glFenceSync",
    c"glFlush",
    c"glGenBuffers",
    c"glGetError",
    c"glGetIntegerv",
    c"glGetString",
    c"glGetStringi",
    c"glIsSync",
    c"glMapBufferRange",
    c"glUnmapBuffer",
    c"glWaitSync",
];

impl Api {
    /// Loads the entry points of the current context, and those of the capabilities that are `allowed`.
    pub(super) fn load(context: &Context, allowed: Allowed) -> Result<LoadedApi> {
        let (major, minor) = version(context)?;
        if let Some(name) = NEEDED.iter().find(|name| context.find(name).is_null()) {
            let name = name.to_str().unwrap_or_default();
            return Err(Error::named(
                Status::Unsupported,
                "get_proc_address",
                name,
                "is a required entry point, and NULL was returned for it",
            ));
        }
        // SAFETY: a context is current, and the entry points that loading calls exist.
        let gl = unsafe { glow::Context::from_loader_function_cstr(|name| context.find(name)) };
        let newer = |floor: (u32, u32), extensions: &[&str]| {
            (major, minor) >= floor || extensions.iter().any(|name| gl.supported_extensions().contains(*name))
        };
        let finds = |names: &[&CStr]| names.iter().all(|name| !context.find(name).is_null());
        // SAFETY: names and constants; the strings are copied.
        let (name, text) =
            unsafe { (gl.get_parameter_string(glow::RENDERER), gl.get_parameter_string(glow::VERSION)) };
        let wish = allowed.capabilities;
        let buffer_storage =
            wish.buffer_storage && newer((4, 4), &["GL_ARB_buffer_storage"]) && finds(&[c"glBufferStorage"]);
        let reset_status =
            [c"glGetGraphicsResetStatus", c"glGetGraphicsResetStatusARB", c"glGetGraphicsResetStatusKHR"]
                .map(|name| context.find(name))
                .into_iter()
                .find(|function| !function.is_null());
        let robustness = newer((4, 5), &["GL_ARB_robustness", "GL_KHR_robustness"]);
        // SAFETY: the version or an extension provides the function of that name, which has that type.
        let reset_status = reset_status
            .filter(|_| wish.robustness && robustness)
            .map(|function| unsafe { std::mem::transmute::<*const std::ffi::c_void, _>(function) });
        let used = Capabilities {
            buffer_storage,
            // The debug callback of a host's context is the host's.
            debug: wish.debug
                && context.is_own()
                && newer((4, 3), &["GL_KHR_debug"])
                && finds(&[c"glDebugMessageCallback", c"glObjectLabel"]),
            robustness: reset_status.is_some(),
            // On the CPU, staging is an additional copy.
            staging: wish.staging && buffer_storage && (allowed.named || !is_software(&name)),
            surfaceless: wish.surfaceless && context.is_own(),
        };
        let alignment = |name: u32, known: bool| {
            if !known {
                return 256;
            }
            // SAFETY: a constant that this version knows.
            unsafe { gl.get_parameter_i32(name) }.max(1) as u64
        };
        let limits = DeviceLimits {
            max_buffer_size: LARGEST,
            uniform_offset_alignment: alignment(glow::UNIFORM_BUFFER_OFFSET_ALIGNMENT, true),
            storage_offset_alignment: alignment(
                glow::SHADER_STORAGE_BUFFER_OFFSET_ALIGNMENT,
                newer((4, 3), &["GL_ARB_shader_storage_buffer_object"]),
            ),
        };
        let capabilities = Text::<128>::of(format_args!("{used}"));
        let info = DeviceInfo {
            kind: DeviceKind::Gl,
            name: Label::new(&name),
            version: Label::new(&text),
            capabilities: Label::new(capabilities.as_str()),
            limits,
        };
        let share_mark = Foreign(fence(&gl)?.0 as u64);
        let api = Api { gl, share_mark, exported: Mutex::default(), ended: AtomicBool::new(false) };
        Ok(LoadedApi { api, used, info, reset_status })
    }

    /// Whether the calling thread's context shares the device's objects.
    pub(super) fn is_current(&self) -> bool {
        // SAFETY: takes any value; with no context current the entry points do nothing and return 0.
        !self.ended.load(Acquire) && unsafe { self.gl.is_sync(sync(self.share_mark)) }
    }

    /// Returns a fence after all work of the calling thread's context, which other contexts can wait for.
    pub(super) fn export(&self) -> Result<Foreign> {
        let mut exported = self.exported.lock();
        let fence = Foreign(fence(&self.gl)?.0 as u64);
        exported.push(fence);
        drop(exported);
        // SAFETY: takes nothing. A fence that is not flushed may never pass for other contexts.
        unsafe { self.gl.flush() };
        Ok(fence)
    }

    /// Has later work of the calling thread's context wait for that fence.
    pub(super) fn wait(&self, fence: Foreign) {
        let fence = sync(fence);
        // SAFETY: checked to be a sync object of this context.
        unsafe {
            if self.gl.is_sync(fence) {
                self.gl.wait_sync(fence, 0, glow::TIMEOUT_IGNORED);
            }
        }
    }

    /// Discards a fence if it has passed; returns whether it has.
    pub(super) fn reap(&self, fence: Foreign) -> bool {
        // SAFETY: as above. The thread that made it has flushed it.
        let open = unsafe {
            self.gl.is_sync(sync(fence))
                && self.gl.client_wait_sync(sync(fence), 0, 0) == glow::TIMEOUT_EXPIRED
        };
        if !open {
            self.discard(fence);
        }
        !open
    }

    pub(super) fn discard(&self, fence: Foreign) {
        // Before it is deleted: the next fence may have the same number.
        self.exported.lock().retain(|&other| other != fence);
        // SAFETY: as above.
        unsafe {
            if fence != self.share_mark && self.gl.is_sync(sync(fence)) {
                self.gl.delete_sync(sync(fence));
            }
        }
    }

    /// Ends the use of the entry points: from now on no context is the device's. `current`: whether its context is current, so that
    /// the mark and the exported fences can be deleted.
    pub(super) fn end(&self, current: bool) {
        self.ended.store(true, Release);
        if current {
            // SAFETY: made in this context's share group; the device ends once.
            unsafe { self.gl.delete_sync(sync(self.share_mark)) };
            let exported = std::mem::take(&mut *self.exported.lock());
            exported.into_iter().for_each(|fence| self.discard(fence));
        }
    }
}

/// The renderer's side of the driver, on threads with a context of their own.
pub(super) struct GlRenderer(pub(super) Arc<Api>);

impl Renderer for GlRenderer {
    fn check(&self) -> Result<()> {
        if self.0.is_current() {
            return Ok(());
        }
        Err(Error::text(
            Status::State,
            "no context that shares the device's buffers is current on this thread: make current the one that the device was \
             made with, or one that shares with it",
        ))
    }

    fn wait(&self, fence: Foreign) {
        self.0.wait(fence);
    }

    fn fence(&self) -> Result<Foreign> {
        self.check()?;
        self.0.export()
    }

    fn reap(&self, fence: Foreign) -> bool {
        self.0.reap(fence)
    }
}

fn sync(fence: Foreign) -> glow::Fence {
    glow::NativeFence(fence.0 as *mut _)
}

/// Returns a fence after the current context's work.
pub(super) fn fence(gl: &glow::Context) -> Result<glow::Fence> {
    // SAFETY: constants; the result is checked.
    match unsafe { gl.fence_sync(glow::SYNC_GPU_COMMANDS_COMPLETE, 0) } {
        Ok(fence) if !fence.0.is_null() => Ok(fence),
        _ => Err(Error::text(Status::Backend, "glFenceSync returned no fence")),
    }
}

/// The version of the current context, if it is 3.3 or newer.
fn version(context: &Context) -> Result<(u32, u32)> {
    let get_string = context.find(c"glGetString");
    if get_string.is_null() {
        let reason = "is a required entry point, and NULL was returned for it: is this the get_proc_address of the current context?";
        return Err(Error::named(Status::Unsupported, "get_proc_address", "glGetString", reason));
    }
    type GetString = unsafe extern "system" fn(u32) -> *const c_char;
    // SAFETY: the function of that name has that type; it returns NULL where no context is current.
    let text =
        unsafe { std::mem::transmute::<*const std::ffi::c_void, GetString>(get_string)(glow::VERSION) };
    if text.is_null() {
        return Err(Error::text(
            Status::State,
            "no OpenGL context is current on this thread: make it current before making the device",
        ));
    }
    // SAFETY: not NULL, so it is a terminated string that is never freed.
    let text = unsafe { CStr::from_ptr(text) }.to_str().unwrap_or_default();
    let found = parse(text);
    if found >= Some((3, 3)) {
        return Ok(found.unwrap_or_default());
    }
    let reason = "is too old, or OpenGL ES; OpenGL 3.3 or newer is needed";
    Err(Error::named(Status::Unsupported, "GL_VERSION", text, reason))
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split([' ', '.']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn is_software(renderer: &str) -> bool {
    ["llvmpipe", "softpipe", "SWR", "swrast", "SwiftShader"].iter().any(|name| renderer.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::gl::test_host::TestHost;
    use crate::device::{Device, GlConfig, GlContext, Usage};

    #[test]
    fn versions_are_read_as_drivers_write_them() {
        assert_eq!(parse("4.5 (Core Profile) Mesa 22.3.6"), Some((4, 5)));
        assert_eq!(parse("3.3.0 NVIDIA 550.54"), Some((3, 3)));
        assert_eq!(parse("OpenGL ES 3.2 Mesa 22.3.6"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn software_is_known_by_its_renderer() {
        assert!(is_software("zink (llvmpipe (LLVM 15.0.6, 256 bits))") && is_software("softpipe"));
        assert!(!is_software("NVIDIA H200/PCIe/SSE2"));
    }

    #[test]
    fn a_renderer_waits_for_the_device_and_the_device_for_it() {
        let headless = match Device::gl(GlConfig::default()) {
            Err(error) if std::env::var_os("BACKBUF_NO_INSTALL").is_some() => {
                return println!("skipped, and BACKBUF_NO_INSTALL is set: {error}");
            }
            device => device.expect("OpenGL on the CPU, which scripts/setup test installs"),
        };
        let host = TestHost::new();
        // SAFETY: values that EGL returned.
        let context = unsafe { GlContext::shared(host.display(), host.context()) };
        let device = Device::gl(GlConfig { label: "beside", context }).unwrap();
        let renderer = device.renderer().expect("OpenGL has one");
        renderer.check().unwrap();

        let write = |bytes: [u8; 4]| {
            device.call_untimed(move |driver| {
                let buffer = driver.create(4, Usage::VERTEX, "drawn")?;
                driver.write(buffer, 0, &bytes)?;
                Ok((buffer, driver.export()?))
            })
        };
        let (buffer, written) = write([1, 2, 3, 4]).unwrap();
        renderer.wait(written);
        renderer.wait(Foreign(0));
        let mut bytes = [0; 4];
        // SAFETY: the host's context is current, and the buffer is alive.
        unsafe {
            let name = u32::try_from(buffer.0).unwrap().try_into().unwrap();
            host.gl.bind_buffer(glow::COPY_READ_BUFFER, Some(glow::NativeBuffer(name)));
            host.gl.get_buffer_sub_data(glow::COPY_READ_BUFFER, 0, &mut bytes);
        }
        assert_eq!(bytes, [1, 2, 3, 4]);
        let drawn = renderer.fence().unwrap();
        device.call_untimed(|driver| driver.import(drawn)).unwrap();
        device.discard(written);

        // A device alone, a context of others, none at all, and a destroyed device.
        let refused = |result: crate::Result<()>| result.unwrap_err().status();
        assert_eq!(refused(headless.renderer().unwrap().check()), Status::State);
        let other = TestHost::new();
        assert_eq!(refused(renderer.check()), Status::State);
        other.leave();
        assert_eq!(refused(renderer.check()), Status::State);
        assert_eq!(refused(renderer.fence().map(drop)), Status::State);
        host.enter();
        renderer.check().unwrap();
        device.destroy().unwrap();
        assert_eq!(refused(renderer.check()), Status::State);
    }
}
