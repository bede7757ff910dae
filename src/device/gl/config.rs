//! Configuration of a device on OpenGL: its label, and the context to use.

use std::ffi::{CStr, c_void};
use std::fmt;

/// Returns the entry point of OpenGL with that name; NULL if there is none.
pub type GetProcAddress = dyn Fn(&CStr) -> *const c_void;

/// Configuration of a device on OpenGL.
#[derive(Debug, Default)]
pub struct GlConfig<'a> {
    /// Appears in errors, logs and dumps.
    pub label: &'a str,
    /// The context to use.
    pub context: GlContext,
}

/// The context of a device on OpenGL.
///
/// - [`GlContext::headless`], the default: a new context on an EGL device; needs no window system.
/// - [`GlContext::shared`]: a new context that shares its buffers with a context of the program.
/// - [`GlContext::host_driven`]: the program's own context, while the program calls [`Device::poll`](crate::device::Device::poll).
///
/// OpenGL 3.3 is required. Newer capabilities are used if the driver has them; the environment variable `BACKBUF_GL_CAPS`, a
/// comma-separated list of `buffer_storage`, `debug`, `robustness`, `staging` and `surfaceless`, or `none`, hides those that it does
/// not list.
pub struct GlContext(pub(super) ContextSource);

#[cfg_attr(not(feature = "gl"), expect(dead_code, reason = "a device is refused whatever its context"))]
pub(super) enum ContextSource {
    Headless,
    Shared { display: *mut c_void, context: *mut c_void },
    HostDriven(Box<GetProcAddress>),
}

impl GlContext {
    /// A new context on the first EGL device that works: a GPU, or a driver that renders on the CPU.
    pub fn headless() -> GlContext {
        GlContext(ContextSource::Headless)
    }

    /// A new context that shares buffers with `context`, an `EGLContext` on the initialised `EGLDisplay` `display`. `context` may be
    /// current on another thread. The device never terminates the display.
    ///
    /// # Safety
    /// Both are values that EGL returned, or NULL; the display is not terminated while the device is being made.
    pub unsafe fn shared(display: *mut c_void, context: *mut c_void) -> GlContext {
        GlContext(ContextSource::Shared { display, context })
    }

    /// The context that is current on the calling thread, which becomes the device's owner thread. It must be current in each
    /// [`Device::poll`](crate::device::Device::poll) and when the device is destroyed; with another context current, these fail and change nothing.
    ///
    /// The device changes only the bindings of `GL_COPY_READ_BUFFER` and `GL_COPY_WRITE_BUFFER`. It does not call
    /// `get_proc_address` after it has been made.
    ///
    /// # Safety
    /// `get_proc_address` returns the entry point of that name, valid for as long as the device is used, or NULL.
    pub unsafe fn host_driven(get_proc_address: Box<GetProcAddress>) -> GlContext {
        GlContext(ContextSource::HostDriven(get_proc_address))
    }
}

impl Default for GlContext {
    fn default() -> GlContext {
        GlContext::headless()
    }
}

impl fmt::Debug for GlContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            ContextSource::Headless => "headless",
            ContextSource::Shared { .. } => "shared",
            ContextSource::HostDriven(_) => "host-driven",
        })
    }
}
