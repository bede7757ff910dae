//! Devices on OpenGL 3.3 or newer: with an EGL context without a window, one shared with the program's, or in the program's own.

#[cfg(feature = "gl")]
mod api;
#[cfg(feature = "gl")]
mod capabilities;
#[cfg(feature = "gl")]
mod context;
#[cfg(feature = "gl")]
mod driver;
#[cfg(feature = "gl")]
mod egl;
#[cfg(feature = "gl")]
mod errors;
#[cfg(feature = "gl")]
mod fences;
#[cfg(all(test, feature = "gl"))]
#[expect(dead_code, reason = "tests/gl.rs uses the rest")]
mod test_host;

use std::ffi::{CStr, c_void};
use std::fmt;

use crate::device::Device;
use crate::error::Result;

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
/// - [`GlContext::host_driven`]: the program's own context, while the program calls [`Device::poll`].
///
/// OpenGL 3.3 is required. Newer capabilities are used if the driver has them; the environment variable `BACKBUF_GL_CAPS`, a
/// comma-separated list of `buffer_storage`, `debug`, `robustness`, `staging` and `surfaceless`, or `none`, hides those that it does
/// not list.
pub struct GlContext(ContextSource);

#[cfg_attr(not(feature = "gl"), expect(dead_code, reason = "a device is refused whatever its context"))]
enum ContextSource {
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
    /// [`Device::poll`] and when the device is destroyed; with another context current, these fail and change nothing.
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

impl Device {
    /// Makes a device on OpenGL. Fails with [`Status::Unsupported`](crate::Status::Unsupported) and the missing library or the
    /// failed step where there is no OpenGL.
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
    Err(Error::text(Status::Unsupported, "this build has no OpenGL: build it with the Cargo feature \"gl\""))
}

#[cfg(feature = "gl")]
fn open(config: GlConfig<'_>) -> Result<Device> {
    use crate::error::Label;
    use context::Context;
    use driver::GlDriver;

    struct SendSource(ContextSource);
    // SAFETY: the function of a host-driven source stays on the calling thread, and the pointers of a shared one go only to EGL, which
    // any thread may call.
    unsafe impl Send for SendSource {}

    let allowed = capabilities::Allowed::from_environment()?;
    let label: Label = Label::new(config.label);
    let host_driven = matches!(config.context.0, ContextSource::HostDriven(_));
    let source = SendSource(config.context.0);
    Device::with_driver(config.label, host_driven, move || {
        let source = source;
        let context = match source.0 {
            ContextSource::Headless => Context::headless(allowed.capabilities)?,
            ContextSource::Shared { display, context } => {
                Context::shared(display, context, allowed.capabilities)?
            }
            ContextSource::HostDriven(get_proc_address) => Context::host(get_proc_address),
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
        assert_eq!(error.status(), crate::Status::Unsupported);
        assert!(error.to_string().contains("Cargo feature \"gl\""), "{error}");
    }
}
