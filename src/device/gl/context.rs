//! OpenGL contexts of a driver on its owner thread: one made through EGL, or the host program's.

use std::ffi::{CStr, c_void};

use glutin::api::egl::device::Device;
use glutin::api::egl::display::Display;
use glutin::config::{Api, AsRawConfig, ConfigSurfaceTypes, ConfigTemplateBuilder, RawConfig};
use glutin::display::{AsRawDisplay, GlDisplay, RawDisplay};
use glutin_egl_sys::egl;
use glutin_egl_sys::egl::types::{EGLConfig, EGLContext, EGLDisplay, EGLSurface, EGLint};

use crate::device::gl::capabilities::Capabilities;
use crate::device::gl::config::GetProcAddress;
use crate::device::gl::egl::{EglLibrary, NO_CONFIG, PLAIN, RESETTING, WITHOUT_ERRORS, library};
use crate::error::{Error, Result, Status};
use crate::text::Text;

pub(super) enum Context {
    /// Made by the device.
    Own(OwnContext),
    /// The host program's, current on the owner thread while the program calls.
    Host(Box<GetProcAddress>),
}

/// A context that the device made, current on the thread that made it until it is dropped there.
pub(super) struct OwnContext {
    egl: &'static EglLibrary,
    display: EGLDisplay,
    context: EGLContext,
    /// `EGL_NO_SURFACE` for a context that needs none.
    surface: EGLSurface,
    /// The display, which glutin terminates once it is unused.
    _display: Option<Display>,
}

impl Context {
    /// Makes a context on the first EGL device that works.
    pub(super) fn headless(allowed: Capabilities) -> Result<Context> {
        let egl = library()?;
        let devices = Device::query_devices().map_err(|error| {
            refused(
                "asking EGL for its devices (is a driver installed? Debian: libegl-mesa0 libgl1-mesa-dri)",
                error,
            )
        })?;
        let mut last = Error::text(
            Status::Unsupported,
            "EGL has no device: install an OpenGL driver (Debian: libegl-mesa0 libgl1-mesa-dri)",
        );
        for device in devices {
            match OwnContext::on_device(egl, &device, allowed) {
                Ok(own) => return Ok(Context::Own(own)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Makes a context that shares buffers with a context of the program.
    pub(super) fn shared(
        display: *mut c_void,
        context: *mut c_void,
        allowed: Capabilities,
    ) -> Result<Context> {
        for (pointer, param) in [(display, "egl_display"), (context, "egl_context")] {
            if pointer.is_null() {
                return Err(Error::param(
                    Status::Null,
                    param,
                    "is NULL: a shared device needs both, an EGLDisplay and an EGLContext",
                ));
            }
        }
        let egl = library()?;
        let (display, context) = (display.cast_const(), context.cast_const());
        if egl.string(display, egl::VERSION).is_none() {
            return Err(
                egl.failure(Status::Argument, "egl_display is not an initialised EGLDisplay: eglQueryString")
            );
        }
        let query = |name: u32| {
            let mut value = 0;
            // SAFETY: EGL checks whether the pointer is a context of the display; the value is a local.
            let ok = unsafe { egl.api.QueryContext(display, context, name as EGLint, &mut value) };
            if ok == egl::TRUE {
                Ok(value)
            } else {
                Err(egl.failure(
                    Status::Argument,
                    "egl_context is not an EGLContext of egl_display: eglQueryContext",
                ))
            }
        };
        if query(egl::CONTEXT_CLIENT_TYPE)? as u32 != egl::OPENGL_API {
            return Err(Error::param(
                Status::Argument,
                "egl_context",
                "is a context of another API: one made after eglBindAPI(EGL_OPENGL_API) is needed",
            ));
        }
        let config = match query(egl::CONFIG_ID)? {
            0 => NO_CONFIG,
            id => egl.config(display, &[egl::CONFIG_ID as EGLint, id, egl::NONE as EGLint])?,
        };
        let variants = [PLAIN, RESETTING, WITHOUT_ERRORS];
        OwnContext::new(egl, display, config, context, &variants, allowed, None).map(Context::Own)
    }

    /// The context that is current on this thread.
    pub(super) fn host(get_proc_address: Box<GetProcAddress>) -> Context {
        Context::Host(get_proc_address)
    }

    pub(super) fn is_own(&self) -> bool {
        matches!(self, Context::Own(_))
    }

    /// An entry point of OpenGL, or NULL. Versions and extensions decide whether one that is not NULL works: it may be a stub.
    pub(super) fn find(&self, name: &CStr) -> *const c_void {
        match self {
            // SAFETY: a terminated name.
            Context::Own(own) => unsafe { own.egl.api.GetProcAddress(name.as_ptr()) as *const c_void },
            Context::Host(get_proc_address) => get_proc_address(name),
        }
    }

    /// Makes the context current again if another one is: one that a callback of the program made current on this thread, say.
    pub(super) fn make_current(&self) -> Result<()> {
        match self {
            Context::Own(own) => own.make_current(),
            Context::Host(_) => Ok(()),
        }
    }
}

impl OwnContext {
    fn on_device(egl: &'static EglLibrary, device: &Device, allowed: Capabilities) -> Result<OwnContext> {
        // SAFETY: no display of a window system is given.
        let display = unsafe { Display::with_device(device, None) }.map_err(|error| {
            refused("initialising EGL on a device (is its driver installed? Debian: libgl1-mesa-dri)", error)
        })?;
        let RawDisplay::Egl(raw) = display.raw_display();
        let surfaces =
            if allowed.surfaceless { ConfigSurfaceTypes::empty() } else { ConfigSurfaceTypes::PBUFFER };
        let template = ConfigTemplateBuilder::new().with_api(Api::OPENGL).with_surface_type(surfaces).build();
        // SAFETY: the template names no window.
        let found = unsafe { display.find_configs(template) }.map(|mut configs| configs.next());
        let found = found.map_err(|error| refused("choosing a config for OpenGL", error))?;
        let Some(RawConfig::Egl(config)) = found.map(|config| config.raw_config()) else {
            return Err(Error::text(
                Status::Unsupported,
                "the EGL device has no config for OpenGL, only for OpenGL ES",
            ));
        };
        let variants: &[&[EGLint]] = if allowed.robustness { &[RESETTING, PLAIN] } else { &[PLAIN] };
        let alone = egl::NO_CONTEXT;
        OwnContext::new(egl, raw.cast(), config.cast(), alone, variants, allowed, Some(display))
    }

    fn new(
        egl: &'static EglLibrary,
        display: EGLDisplay,
        config: EGLConfig,
        share: EGLContext,
        variants: &[&[EGLint]],
        allowed: Capabilities,
        owner: Option<Display>,
    ) -> Result<OwnContext> {
        egl.bind_api()?;
        let context = egl.create_context(display, config, share, variants, allowed.debug)?;
        let mut own = OwnContext { egl, display, context, surface: egl::NO_SURFACE, _display: owner };
        if !(allowed.surfaceless && egl.has(display, "EGL_KHR_surfaceless_context")) {
            own.surface = egl.surface(display, config)?;
        }
        own.make_current()?;
        Ok(own)
    }

    fn make_current(&self) -> Result<()> {
        let egl = self.egl;
        // SAFETY: takes nothing.
        if unsafe { egl.api.GetCurrentContext() } == self.context {
            return Ok(());
        }
        egl.bind_api()?;
        // SAFETY: the handles are of one display, and the context is current on no other thread.
        if unsafe { egl.api.MakeCurrent(self.display, self.surface, self.surface, self.context) } == egl::TRUE
        {
            return Ok(());
        }
        Err(egl.failure(Status::DeviceLost, "making the device's context current: eglMakeCurrent"))
    }
}

impl Drop for OwnContext {
    fn drop(&mut self) {
        let (egl, none) = (&self.egl.api, egl::NO_SURFACE);
        // Each call fails if the host has terminated its display, which has destroyed these objects.
        // SAFETY: made by this context on this thread, and destroyed once. A context that is still current would leak.
        unsafe {
            egl.MakeCurrent(self.display, none, none, egl::NO_CONTEXT);
            if self.surface != none {
                egl.DestroySurface(self.display, self.surface);
            }
            egl.DestroyContext(self.display, self.context);
            egl.ReleaseThread();
        }
    }
}

/// An error of glutin, as an error of that step.
fn refused(step: &'static str, error: glutin::error::Error) -> Error {
    let code = error.raw_code().unwrap_or(0) as u32;
    Error::driver(
        Status::Unsupported,
        step,
        code,
        Text::<64>::of(format_args!("{}", error.error_kind())).as_str(),
    )
}
