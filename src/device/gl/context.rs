//! The context that a driver works in, on its owner thread: its own, made through EGL, or the host program's.

use std::ffi::{CStr, c_void};
use std::ptr::null;

use glutin::api::egl::device::Device;
use glutin::api::egl::display::Display;
use glutin::config::{Api, AsRawConfig, ConfigSurfaceTypes, ConfigTemplateBuilder, RawConfig};
use glutin::display::{AsRawDisplay, GlDisplay, RawDisplay};
use glutin_egl_sys::egl;

use super::GetProcAddress;
use super::capabilities::Capabilities;
use super::egl::{EGLConfig, EGLContext, EGLDisplay, EGLSurface, EGLint, Library, library};
use crate::error::{Error, Result, Status};
use crate::text::Text;

pub(super) enum Context {
    /// Made here.
    Own(Own),
    /// Current on the owner thread while the host program calls.
    Host(Box<GetProcAddress>),
}

/// A context of the device's own, current on the thread that made it until it is dropped there.
pub(super) struct Own {
    egl: &'static Library,
    display: EGLDisplay,
    context: EGLContext,
    /// None where the context goes without.
    surface: EGLSurface,
    /// A display that glutin ends when it may.
    _display: Option<Display>,
}

const VERSION: &[EGLint] = &[
    egl::CONTEXT_MAJOR_VERSION as EGLint,
    3,
    egl::CONTEXT_MINOR_VERSION as EGLint,
    3,
    egl::CONTEXT_OPENGL_PROFILE_MASK as EGLint,
    egl::CONTEXT_OPENGL_CORE_PROFILE_BIT as EGLint,
];
const DEBUG: &[EGLint] = &[egl::CONTEXT_OPENGL_DEBUG as EGLint, egl::TRUE as EGLint];

/// What a context without a config has: `EGL_NO_CONFIG_KHR`.
const NO_CONFIG: EGLConfig = null();
/// A config for a surface of such a context.
const SMALL: &[EGLint] = &[
    egl::SURFACE_TYPE as EGLint,
    egl::PBUFFER_BIT as EGLint,
    egl::RENDERABLE_TYPE as EGLint,
    egl::OPENGL_BIT as EGLint,
    egl::NONE as EGLint,
];

/// What contexts must have in common to share buffers, by trial: EGL does not tell it of a context.
const PLAIN: &[EGLint] = &[];
const RESETTING: &[EGLint] =
    &[egl::CONTEXT_OPENGL_RESET_NOTIFICATION_STRATEGY as EGLint, egl::LOSE_CONTEXT_ON_RESET as EGLint];
const WITHOUT_ERRORS: &[EGLint] = &[egl::CONTEXT_OPENGL_NO_ERROR_KHR as EGLint, egl::TRUE as EGLint];

impl Context {
    /// On the first EGL device that gives one.
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
            "EGL knows no device: install an OpenGL driver (Debian: libegl-mesa0 libgl1-mesa-dri)",
        );
        for device in devices {
            match Own::on_device(egl, &device, allowed) {
                Ok(own) => return Ok(Context::Own(own)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Sharing buffers with a context of the program.
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
                    "is NULL: a shared device needs both of EGL's",
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
            // SAFETY: EGL knows the contexts of a display from other pointers; the value is a local.
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
        Own::new(egl, display, config, context, &variants, allowed, None).map(Context::Own)
    }

    /// The one that is current on this thread.
    pub(super) fn host(get_proc_address: Box<GetProcAddress>) -> Context {
        Context::Host(get_proc_address)
    }

    pub(super) fn is_own(&self) -> bool {
        matches!(self, Context::Own(_))
    }

    /// An entry point of OpenGL, or NULL. One that is not NULL may still be a stub: versions and extensions tell.
    pub(super) fn find(&self, name: &CStr) -> *const c_void {
        match self {
            // SAFETY: a terminated name.
            Context::Own(own) => unsafe { own.egl.api.GetProcAddress(name.as_ptr()) as *const c_void },
            Context::Host(get_proc_address) => get_proc_address(name),
        }
    }

    /// Makes it current again if something else is by now: a callback of the program's, say, that ran on this thread.
    pub(super) fn make_current(&self) -> Result<()> {
        match self {
            Context::Own(own) => own.make_current(),
            Context::Host(_) => Ok(()),
        }
    }
}

impl Own {
    fn on_device(egl: &'static Library, device: &Device, allowed: Capabilities) -> Result<Own> {
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
        Own::new(egl, raw.cast(), config.cast(), alone, variants, allowed, Some(display))
    }

    fn new(
        egl: &'static Library,
        display: EGLDisplay,
        config: EGLConfig,
        share: EGLContext,
        variants: &[&[EGLint]],
        allowed: Capabilities,
        owner: Option<Display>,
    ) -> Result<Own> {
        egl.bind_api()?;
        let context = egl.create_context(display, config, share, variants, allowed.debug)?;
        let mut own = Own { egl, display, context, surface: egl::NO_SURFACE, _display: owner };
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

impl Drop for Own {
    fn drop(&mut self) {
        let (egl, none) = (&self.egl.api, egl::NO_SURFACE);
        // Each may fail where the host has terminated its display: then EGL has done it.
        // SAFETY: what was made here, on this thread, and once. A context that is still current would leak.
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

impl Library {
    fn has(&self, display: EGLDisplay, extension: &str) -> bool {
        self.string(display, egl::EXTENSIONS).is_some_and(|all| all.split(' ').any(|one| one == extension))
    }

    /// OpenGL for the calls of this thread; EGL begins with OpenGL ES.
    fn bind_api(&self) -> Result<()> {
        // SAFETY: takes a constant.
        if unsafe { self.api.BindAPI(egl::OPENGL_API) } == egl::TRUE {
            return Ok(());
        }
        Err(self.failure(Status::Unsupported, "this EGL has no OpenGL, only OpenGL ES: eglBindAPI"))
    }

    /// The first config that is as the list says.
    fn config(&self, display: EGLDisplay, wanted: &[EGLint]) -> Result<EGLConfig> {
        let (mut config, mut found) = (null(), 0);
        // SAFETY: a terminated list and room for one config.
        let ok = unsafe { self.api.ChooseConfig(display, wanted.as_ptr(), &mut config, 1, &mut found) };
        if ok == egl::TRUE && found == 1 {
            return Ok(config);
        }
        Err(self.failure(Status::Unsupported, "finding a config for the context: eglChooseConfig"))
    }

    /// A surface that nobody sees, for a context that does not go without.
    fn surface(&self, display: EGLDisplay, config: EGLConfig) -> Result<EGLSurface> {
        let config = match config {
            NO_CONFIG => self.config(display, SMALL)?,
            config => config,
        };
        let size = [egl::WIDTH as EGLint, 1, egl::HEIGHT as EGLint, 1, egl::NONE as EGLint];
        // SAFETY: a display and a config of it; the list is terminated.
        let surface = unsafe { self.api.CreatePbufferSurface(display, config, size.as_ptr()) };
        if surface == egl::NO_SURFACE {
            let step = "making a surface without a window: eglCreatePbufferSurface";
            return Err(self.failure(Status::Unsupported, step));
        }
        Ok(surface)
    }

    /// A core context of 3.3, or of whatever newer version the driver prefers to give.
    fn create_context(
        &self,
        display: EGLDisplay,
        config: EGLConfig,
        share: EGLContext,
        variants: &[&[EGLint]],
        debug: bool,
    ) -> Result<EGLContext> {
        let modern = self.string(display, egl::VERSION).is_some_and(|version| version >= "1.5");
        let silent = self.has(display, "EGL_KHR_create_context_no_error");
        let mut refusal = None;
        for &variant in variants {
            let known = match variant {
                PLAIN => true,
                WITHOUT_ERRORS => silent,
                _ => modern,
            };
            if !known {
                continue;
            }
            let mut attributes = [egl::NONE as EGLint; 16];
            // A context that tells no errors cannot debug.
            let debugs = debug && modern && variant != WITHOUT_ERRORS;
            let all = VERSION.iter().chain(if debugs { DEBUG } else { PLAIN }).chain(variant);
            attributes.iter_mut().zip(all).for_each(|(slot, value)| *slot = *value);
            // SAFETY: a display, a config of it and a context of it or none; the list is terminated.
            let context = unsafe { self.api.CreateContext(display, config, share, attributes.as_ptr()) };
            if context != egl::NO_CONTEXT {
                return Ok(context);
            }
            let step = "making a context of OpenGL 3.3 or newer: eglCreateContext";
            let failure = self.failure(Status::Unsupported, step);
            refusal = Some(failure);
        }
        Err(refusal.unwrap_or_else(|| Error::of(Status::Unsupported)))
    }
}

/// What glutin says, as an error of that step.
fn refused(step: &'static str, error: glutin::error::Error) -> Error {
    let code = error.raw_code().unwrap_or(0) as u32;
    Error::driver(
        Status::Unsupported,
        step,
        code,
        Text::<64>::of(format_args!("{}", error.error_kind())).as_str(),
    )
}
