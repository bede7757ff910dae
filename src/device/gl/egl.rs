//! libEGL, loaded when it is first needed and never unloaded: drivers keep threads and exit handlers in it.

use std::ffi::{CStr, CString, c_void};
use std::sync::OnceLock;

use glutin_egl_sys::egl;

use crate::error::{Error, Result, Status};

pub(super) use egl::types::{EGLConfig, EGLContext, EGLDisplay, EGLSurface, EGLint};

/// The entry points of EGL.
pub(super) struct Library {
    pub(super) api: egl::Egl,
    /// The process that loaded it.
    process: u32,
}

// SAFETY: addresses of functions that any thread may call.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

/// EGL, or why there is none.
pub(super) fn library() -> Result<&'static Library> {
    static LIBRARY: OnceLock<Result<Library>> = OnceLock::new();
    let library = LIBRARY.get_or_init(load).as_ref().map_err(|error| *error)?;
    if library.process != std::process::id() {
        return Err(Error::text(
            Status::Forked,
            "EGL was loaded before the fork, and drivers do not survive one: make the device before the fork, or after an exec",
        ));
    }
    Ok(library)
}

fn load() -> Result<Library> {
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
    // What is not exported may be an extension. Asked by a first name that every EGL exports.
    let get_proc_address = find("eglGetProcAddress");
    if get_proc_address.is_null() {
        return Err(Error::text(
            Status::Unsupported,
            "libEGL.so.1 has no eglGetProcAddress: it is not an EGL",
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
    Ok(Library { api, process: std::process::id() })
}

impl Library {
    /// The calling thread's last failure of EGL, as an error of that step.
    pub(super) fn failure(&self, status: Status, step: &'static str) -> Error {
        // SAFETY: takes nothing.
        let code = unsafe { self.api.GetError() } as u32;
        Error::driver(status, step, code, name_of(code))
    }

    /// A string of a display; none if it is not one.
    pub(super) fn string(&self, display: EGLDisplay, name: u32) -> Option<&'static str> {
        // SAFETY: EGL knows its displays from other pointers, and its strings stay.
        unsafe {
            let text = self.api.QueryString(display, name as EGLint);
            if text.is_null() { None } else { CStr::from_ptr(text).to_str().ok() }
        }
    }
}

fn name_of(code: u32) -> &'static str {
    match code {
        egl::SUCCESS => "no error was told",
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
