//! The device on OpenGL 3.3 or newer: through EGL without a window, beside a context of the program, or in one.

#[cfg(feature = "gl")]
pub(crate) mod api;
#[cfg(feature = "gl")]
pub(crate) mod capabilities;
#[cfg(feature = "gl")]
pub(crate) mod context;
#[cfg(feature = "gl")]
pub(crate) mod debug;
#[cfg(feature = "gl")]
pub(crate) mod driver;
#[cfg(feature = "gl")]
pub(crate) mod egl;
#[cfg(feature = "gl")]
pub(crate) mod fences;
#[cfg(feature = "gl")]
pub(crate) mod renderer;
#[cfg(feature = "gl")]
pub(crate) mod staging;
#[cfg(all(test, feature = "gl"))]
#[expect(dead_code, reason = "tests/gl.rs uses the rest")]
pub(crate) mod test_host;
#[cfg(feature = "gl")]
pub(crate) mod trouble;

use std::ffi::{CStr, c_void};
use std::fmt;

use crate::device::device::Device;
use crate::error::Result;

/// Finds an entry point of OpenGL by name; NULL where there is none.
pub type GetProcAddress = dyn Fn(&CStr) -> *const c_void;

/// How a device on OpenGL is made.
#[derive(Debug, Default)]
pub struct GlConfig<'a> {
    /// A name for logs and dumps.
    pub label: &'a str,
    /// Where its context comes from.
    pub context: GlContext,
}

/// Where the context of a device on OpenGL comes from.
///
/// - [`GlContext::headless`], the default: one of its own on whatever EGL offers; no window system is needed.
/// - [`GlContext::shared`]: one of its own that shares its buffers with a context of the program.
/// - [`GlContext::host_driven`]: the program's own, while the program calls [`Device::poll`].
///
/// OpenGL 3.3 is the floor. What is beyond it is used where it is found; the environment variable `BACKBUF_GL_CAPS`, a list
/// with commas of `buffer_storage`, `debug`, `robustness`, `staging` and `surfaceless`, or `none`, hides what it does not list.
pub struct GlContext(Source);

#[cfg_attr(not(feature = "gl"), expect(dead_code, reason = "a device is refused whatever its context"))]
enum Source {
    Headless,
    Shared { display: *mut c_void, context: *mut c_void },
    HostDriven(Box<GetProcAddress>),
}

impl GlContext {
    /// A context of the device's own on the first EGL device that works: a GPU, or a driver that renders on the CPU.
    pub fn headless() -> GlContext {
        GlContext(Source::Headless)
    }

    /// A context of the device's own that shares buffers with `context`, an `EGLContext` on the initialised `EGLDisplay`
    /// `display`, which may be current on another thread. The display is never terminated by the device.
    ///
    /// # Safety
    /// The two are what EGL gave, or NULL; the display is not terminated while the device is being made.
    pub unsafe fn shared(display: *mut c_void, context: *mut c_void) -> GlContext {
        GlContext(Source::Shared { display, context })
    }

    /// The context that is current on this thread, which becomes the device's owner. It must be current in each
    /// [`Device::poll`] and when the device is destroyed; another one there is refused, and nothing is done to it.
    ///
    /// The device leaves the state of the context as it was but for the bindings of `GL_COPY_READ_BUFFER` and
    /// `GL_COPY_WRITE_BUFFER`. `get_proc_address` is not called after the device has been made.
    ///
    /// # Safety
    /// What `get_proc_address` gives is the entry point of that name, for as long as the device is used, or NULL.
    pub unsafe fn host_driven(get_proc_address: Box<GetProcAddress>) -> GlContext {
        GlContext(Source::HostDriven(get_proc_address))
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
            Source::Headless => "headless",
            Source::Shared { .. } => "shared",
            Source::HostDriven(_) => "host-driven",
        })
    }
}

impl Device {
    /// A device on OpenGL. Where that is not to be had, [`Status::Unsupported`](crate::Status::Unsupported) says which library
    /// or which step is missing.
    ///
    /// ```
    /// use backbuf::device::{Device, GlConfig};
    /// match Device::gl(GlConfig { label: "renderer", ..GlConfig::default() }) {
    ///     Ok(device) => println!("{}", device.info()),
    ///     Err(error) => println!("no OpenGL: {error}"),
    /// }
    /// ```
    pub fn gl(config: GlConfig<'_>) -> Result<Device> {
        open(config)
    }
}

#[cfg(not(feature = "gl"))]
fn open(_config: GlConfig<'_>) -> Result<Device> {
    use crate::error::{Error, Status};
    Err(Error::text(
        Status::Unsupported,
        "this build is without OpenGL: build it with the Cargo feature \"gl\"",
    ))
}

#[cfg(feature = "gl")]
fn open(config: GlConfig<'_>) -> Result<Device> {
    use crate::error::Label;
    use context::Context;
    use driver::GlDriver;

    /// A host-driven device is made on the calling thread; the pointers of a shared one go to EGL alone.
    struct Move<T>(T);
    // SAFETY: as said.
    unsafe impl<T> Send for Move<T> {}

    let allowed = capabilities::Allowed::from_environment()?;
    let label: Label = Label::new(config.label);
    let host_driven = matches!(config.context.0, Source::HostDriven(_));
    let source = Move(config.context.0);
    Device::with_driver(config.label, host_driven, move || {
        let source = source;
        let context = match source.0 {
            Source::Headless => Context::headless(allowed.capabilities)?,
            Source::Shared { display, context } => Context::shared(display, context, allowed.capabilities)?,
            Source::HostDriven(get_proc_address) => Context::host(get_proc_address),
        };
        Ok(Box::new(GlDriver::new(context, allowed, label)?))
    })
}

#[cfg(all(test, not(feature = "gl")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_opengl_says_so() {
        let error = Device::gl(GlConfig::default()).unwrap_err();
        assert_eq!(error.status(), crate::error::Status::Unsupported);
        assert!(error.to_string().contains("Cargo feature \"gl\""), "{error}");
    }
}
