//! OpenGL's entry points, loaded once a context is current, and looked at before glow relies on them.

use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicBool, Ordering::*};

use crate::sync::mutex::Mutex;
use glow::HasContext;

use super::capabilities::{Allowed, Capabilities};
use super::context::Context;
use super::debug::Messages;
use crate::alloc::Arc;
use crate::device::driver::{DeviceKind, Foreign, Info, Limits};
use crate::error::{Error, Label, Result, Status};
use crate::text::Text;

/// What both sides of a device call: the driver on the owner thread, renderers on theirs.
pub(super) struct Api {
    pub(super) gl: glow::Context,
    /// A sync that the contexts which know the device's buffers know, and no other.
    mark: Foreign,
    /// Fences that were given out and not ended: they would stay with a host's context.
    out: Mutex<Vec<Foreign>>,
    /// The device is gone, and with it the mark.
    gone: AtomicBool,
}

/// What is known of a context once it is current.
pub(super) struct Loaded {
    pub(super) api: Api,
    pub(super) used: Capabilities,
    pub(super) info: Info,
    /// Whether the driver was reset.
    pub(super) reset: Option<unsafe extern "system" fn() -> u32>,
}

/// The largest size and offset that glow can tell OpenGL.
const LARGEST: u64 = i32::MAX as u64 & !3;

/// What is called on the floor: all of it in OpenGL 3.2.
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
    /// Loads what the current context has, as far as it is `allowed`.
    pub(super) fn load(context: &Context, allowed: Allowed, messages: &Arc<Messages>) -> Result<Loaded> {
        let (major, minor) = version(context)?;
        if let Some(name) = NEEDED.iter().find(|name| context.find(name).is_null()) {
            let name = name.to_str().unwrap_or_default();
            return Err(Error::named(
                Status::Unsupported,
                "get_proc_address",
                name,
                "is needed, and there is none",
            ));
        }
        // SAFETY: a context is current, and what is called to load its functions is there.
        let mut gl = unsafe { glow::Context::from_loader_function_cstr(|name| context.find(name)) };
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
        let reset =
            [c"glGetGraphicsResetStatus", c"glGetGraphicsResetStatusARB", c"glGetGraphicsResetStatusKHR"]
                .map(|name| context.find(name))
                .into_iter()
                .find(|function| !function.is_null());
        let robustness = newer((4, 5), &["GL_ARB_robustness", "GL_KHR_robustness"]);
        // SAFETY: the function of that name, which version or extension say is there, has that type.
        let reset = reset
            .filter(|_| wish.robustness && robustness)
            .map(|function| unsafe { std::mem::transmute::<*const std::ffi::c_void, _>(function) });
        let used = Capabilities {
            buffer_storage,
            // A host's context is the host's to debug.
            debug: wish.debug
                && context.is_own()
                && newer((4, 3), &["GL_KHR_debug"])
                && finds(&[c"glDebugMessageCallback", c"glObjectLabel"]),
            robustness: reset.is_some(),
            // On the CPU it is one copy more.
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
        let limits = Limits {
            max_buffer_size: LARGEST,
            uniform_offset_alignment: alignment(glow::UNIFORM_BUFFER_OFFSET_ALIGNMENT, true),
            storage_offset_alignment: alignment(
                glow::SHADER_STORAGE_BUFFER_OFFSET_ALIGNMENT,
                newer((4, 3), &["GL_ARB_shader_storage_buffer_object"]),
            ),
        };
        let capabilities = Text::<128>::of(format_args!("{used}"));
        let info = Info {
            kind: DeviceKind::Gl,
            name: Label::new(&name),
            version: Label::new(&text),
            capabilities: Label::new(capabilities.as_str()),
            limits,
        };
        if used.debug {
            messages.listen(messages, &mut gl);
        }
        let mark = Foreign(fence(&gl)?.0 as u64);
        let api = Api { gl, mark, out: Mutex::default(), gone: AtomicBool::new(false) };
        Ok(Loaded { api, used, info, reset })
    }

    /// Whether the calling thread's context knows the device's objects.
    pub(super) fn is_current(&self) -> bool {
        // SAFETY: takes any value; with no context current the entry points do nothing and give 0.
        !self.gone.load(Acquire) && unsafe { self.gl.is_sync(sync(self.mark)) }
    }

    /// A fence behind all that the calling thread's context did, which other contexts may wait for.
    pub(super) fn export(&self) -> Result<Foreign> {
        let mut out = self.out.lock();
        out.try_reserve(1)?;
        let fence = Foreign(fence(&self.gl)?.0 as u64);
        out.push(fence);
        drop(out);
        // SAFETY: takes nothing. A fence that is not flushed may never pass for others.
        unsafe { self.gl.flush() };
        Ok(fence)
    }

    /// Has what the calling thread's context does next wait for that fence.
    pub(super) fn wait(&self, fence: Foreign) {
        let fence = sync(fence);
        // SAFETY: what is no sync of this context is left alone.
        unsafe {
            if self.gl.is_sync(fence) {
                self.gl.wait_sync(fence, 0, glow::TIMEOUT_IGNORED);
            }
        }
    }

    /// Ends a fence that has passed; false if it has not.
    pub(super) fn reap(&self, fence: Foreign) -> bool {
        // SAFETY: as above. Whoever made it has flushed.
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
        // Before it is deleted: the next one may have its number.
        self.out.lock().retain(|&other| other != fence);
        // SAFETY: as above.
        unsafe {
            if fence != self.mark && self.gl.is_sync(sync(fence)) {
                self.gl.delete_sync(sync(fence));
            }
        }
    }

    /// From now on no context is the device's. `current`: whether the mark can be deleted.
    pub(super) fn end(&self, current: bool) {
        self.gone.store(true, Release);
        if current {
            // SAFETY: made in this context's share group; the device ends once.
            unsafe { self.gl.delete_sync(sync(self.mark)) };
            let out = std::mem::take(&mut *self.out.lock());
            out.into_iter().for_each(|fence| self.discard(fence));
        }
    }
}

fn sync(fence: Foreign) -> glow::Fence {
    glow::NativeFence(fence.0 as *mut _)
}

/// A fence behind the current context's work.
pub(super) fn fence(gl: &glow::Context) -> Result<glow::Fence> {
    // SAFETY: constants; the result is looked at.
    match unsafe { gl.fence_sync(glow::SYNC_GPU_COMMANDS_COMPLETE, 0) } {
        Ok(fence) if !fence.0.is_null() => Ok(fence),
        _ => Err(Error::text(Status::Backend, "glFenceSync gave no fence")),
    }
}

/// The version of the current context, if it is one that can be used.
fn version(context: &Context) -> Result<(u32, u32)> {
    let get_string = context.find(c"glGetString");
    if get_string.is_null() {
        let why = "is needed, and there is none: is the context's get_proc_address the one that was given?";
        return Err(Error::named(Status::Unsupported, "get_proc_address", "glGetString", why));
    }
    type GetString = unsafe extern "system" fn(u32) -> *const c_char;
    // SAFETY: the function of that name has that type; it gives NULL where no context is current.
    let text =
        unsafe { std::mem::transmute::<*const std::ffi::c_void, GetString>(get_string)(glow::VERSION) };
    if text.is_null() {
        return Err(Error::text(
            Status::State,
            "no context of OpenGL is current on this thread: make it current before making the device",
        ));
    }
    // SAFETY: not NULL, so it is a terminated string that stays.
    let text = unsafe { CStr::from_ptr(text) }.to_str().unwrap_or_default();
    let found = parse(text);
    if found >= Some((3, 3)) {
        return Ok(found.unwrap_or_default());
    }
    let why = "is too old, or OpenGL ES; OpenGL 3.3 or newer is needed";
    Err(Error::named(Status::Unsupported, "GL_VERSION", text, why))
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
}
