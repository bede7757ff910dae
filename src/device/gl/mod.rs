//! Devices on OpenGL 3.3 or newer: with an EGL context without a window, one shared with the program's, or in the program's own.

#[cfg(feature = "gl")]
mod api;
#[cfg(feature = "gl")]
mod capabilities;
pub(crate) mod config;
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

use crate::device::device::Device;
use crate::device::gl::config::GlConfig;
use crate::error::Result;

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
    use config::ContextSource;
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
