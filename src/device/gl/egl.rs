//! libEGL: loaded at the first use and never unloaded, since drivers keep threads and exit handlers in it.

use std::ffi::{CStr, CString, c_void};
use std::ptr::null;
use std::sync::OnceLock;

use glutin_egl_sys::egl;
use glutin_egl_sys::egl::types::{EGLConfig, EGLContext, EGLDisplay, EGLSurface, EGLint};

use crate::error::{Error, Result, Status};

const VERSION: &[EGLint] = &[
    egl::CONTEXT_MAJOR_VERSION as EGLint,
    3,
    egl::CONTEXT_MINOR_VERSION as EGLint,
    3,
    egl::CONTEXT_OPENGL_PROFILE_MASK as EGLint,
    egl::CONTEXT_OPENGL_CORE_PROFILE_BIT as EGLint,
];
const DEBUG: &[EGLint] = &[egl::CONTEXT_OPENGL_DEBUG as EGLint, egl::TRUE as EGLint];

/// The config of a context that has none: `EGL_NO_CONFIG_KHR`.
pub(super) const NO_CONFIG: EGLConfig = null();
/// Attributes of the config for a surface of such a context.
const SMALL: &[EGLint] = &[
    egl::SURFACE_TYPE as EGLint,
    egl::PBUFFER_BIT as EGLint,
    egl::RENDERABLE_TYPE as EGLint,
    egl::OPENGL_BIT as EGLint,
    egl::NONE as EGLint,
];

// Attributes that contexts must have in common to share buffers. EGL cannot be asked for those of a context, so each is tried.
pub(super) const PLAIN: &[EGLint] = &[];
pub(super) const RESETTING: &[EGLint] =
    &[egl::CONTEXT_OPENGL_RESET_NOTIFICATION_STRATEGY as EGLint, egl::LOSE_CONTEXT_ON_RESET as EGLint];
pub(super) const WITHOUT_ERRORS: &[EGLint] =
    &[egl::CONTEXT_OPENGL_NO_ERROR_KHR as EGLint, egl::TRUE as EGLint];

/// The entry points of EGL.
pub(super) struct EglLibrary {
    pub(super) api: egl::Egl,
    /// The process that loaded the library.
    process: u32,
}

// SAFETY: addresses of functions that any thread may call.
unsafe impl Send for EglLibrary {}
// SAFETY: as above.
unsafe impl Sync for EglLibrary {}

/// Loads EGL, or returns the library that is loaded.
pub(super) fn library() -> Result<&'static EglLibrary> {
    static LIBRARY: OnceLock<Result<EglLibrary>> = OnceLock::new();
    let library = LIBRARY.get_or_init(load).as_ref().map_err(|error| *error)?;
    if library.process != std::process::id() {
        return Err(Error::text(
            Status::Forked,
            "EGL was loaded before the fork, and drivers do not survive one: make the device before the fork, or after an exec",
        ));
    }
    Ok(library)
}

fn load() -> Result<EglLibrary> {
    let open = |name: &CStr| {
        // SAFETY: loads a system library by name.
        unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_NODELETE) }
    };
    let handle = open(c"libEGL.so.1");
    if handle.is_null() {
        return Err(Error::text(
            Status::Unsupported,
            "libEGL.so.1 cannot be loaded: install EGL and a driver (Debian: libegl1 libgl1-mesa-dri)",
        ));
    }
    let find = |name: &str| match CString::new(name) {
        // SAFETY: the handle is that of a loaded library, and the name is terminated.
        Ok(name) => unsafe { libc::dlsym(handle, name.as_ptr()) }.cast_const(),
        Err(_) => std::ptr::null(),
    };
    // Entry points that the library does not export are found by eglGetProcAddress, which every EGL exports.
    let get_proc_address = find("eglGetProcAddress");
    if get_proc_address.is_null() {
        return Err(Error::text(
            Status::Unsupported,
            "libEGL.so.1 has no eglGetProcAddress: it is not an EGL library",
        ));
    }
    type GetProcAddress = unsafe extern "system" fn(*const std::ffi::c_char) -> *const c_void;
    // SAFETY: the function of that name has that type.
    let get_proc_address: GetProcAddress = unsafe { std::mem::transmute(get_proc_address) };
    let api = egl::Egl::load_with(|name| {
        let exported = find(name);
        match CString::new(name) {
            // SAFETY: a terminated name.
            Ok(name) if exported.is_null() => unsafe { get_proc_address(name.as_ptr()) },
            _ => exported,
        }
    });
    let needed = [
        api.BindAPI.is_loaded(),
        api.ChooseConfig.is_loaded(),
        api.CreateContext.is_loaded(),
        api.CreatePbufferSurface.is_loaded(),
        api.DestroyContext.is_loaded(),
        api.DestroySurface.is_loaded(),
        api.GetConfigAttrib.is_loaded(),
        api.GetCurrentContext.is_loaded(),
        api.GetError.is_loaded(),
        api.MakeCurrent.is_loaded(),
        api.QueryContext.is_loaded(),
        api.QueryString.is_loaded(),
        api.ReleaseThread.is_loaded(),
    ];
    if needed.contains(&false) {
        return Err(Error::text(
            Status::Unsupported,
            "libEGL.so.1 is older than EGL 1.4: install a newer one",
        ));
    }
    Ok(EglLibrary { api, process: std::process::id() })
}

impl EglLibrary {
    /// The calling thread's last EGL error, as an error of that step.
    pub(super) fn failure(&self, status: Status, step: &'static str) -> Error {
        // SAFETY: takes nothing.
        let code = unsafe { self.api.GetError() } as u32;
        Error::driver(status, step, code, name_of(code))
    }

    /// A string of a display; `None` if it is not a display.
    pub(super) fn string(&self, display: EGLDisplay, name: u32) -> Option<&'static str> {
        // SAFETY: EGL checks whether the pointer is a display, and its strings are never freed.
        unsafe {
            let text = self.api.QueryString(display, name as EGLint);
            if text.is_null() { None } else { CStr::from_ptr(text).to_str().ok() }
        }
    }

    pub(super) fn has(&self, display: EGLDisplay, extension: &str) -> bool {
        self.string(display, egl::EXTENSIONS).is_some_and(|all| all.split(' ').any(|one| one == extension))
    }

    /// Selects OpenGL for the EGL calls of this thread; the default is OpenGL ES.
    pub(super) fn bind_api(&self) -> Result<()> {
        // SAFETY: takes a constant.
        if unsafe { self.api.BindAPI(egl::OPENGL_API) } == egl::TRUE {
            return Ok(());
        }
        Err(self.failure(Status::Unsupported, "this EGL has no OpenGL, only OpenGL ES: eglBindAPI"))
    }

    /// The first config with those attributes.
    pub(super) fn config(&self, display: EGLDisplay, wanted: &[EGLint]) -> Result<EGLConfig> {
        let (mut config, mut found) = (null(), 0);
        // SAFETY: a terminated list, and space for one config.
        let ok = unsafe { self.api.ChooseConfig(display, wanted.as_ptr(), &mut config, 1, &mut found) };
        if ok == egl::TRUE && found == 1 {
            return Ok(config);
        }
        Err(self.failure(Status::Unsupported, "finding a config for the context: eglChooseConfig"))
    }

    /// A pbuffer surface of 1 × 1, for a context that needs a surface.
    pub(super) fn surface(&self, display: EGLDisplay, config: EGLConfig) -> Result<EGLSurface> {
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

    /// A core context of version 3.3, or of a newer version that the driver prefers.
    pub(super) fn create_context(
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
            // A context without errors cannot have debug messages.
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

fn name_of(code: u32) -> &'static str {
    match code {
        egl::SUCCESS => "no EGL error",
        egl::NOT_INITIALIZED => "EGL_NOT_INITIALIZED",
        egl::BAD_ACCESS => "EGL_BAD_ACCESS",
        egl::BAD_ALLOC => "EGL_BAD_ALLOC",
        egl::BAD_ATTRIBUTE => "EGL_BAD_ATTRIBUTE",
        egl::BAD_CONFIG => "EGL_BAD_CONFIG",
        egl::BAD_CONTEXT => "EGL_BAD_CONTEXT",
        egl::BAD_CURRENT_SURFACE => "EGL_BAD_CURRENT_SURFACE",
        egl::BAD_DISPLAY => "EGL_BAD_DISPLAY",
        egl::BAD_MATCH => "EGL_BAD_MATCH",
        egl::BAD_PARAMETER => "EGL_BAD_PARAMETER",
        egl::BAD_SURFACE => "EGL_BAD_SURFACE",
        egl::CONTEXT_LOST => "EGL_CONTEXT_LOST",
        _ => "an unknown error",
    }
}
