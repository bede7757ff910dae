//! Test support: a host program's OpenGL context, made by glutin, without a window.

use std::ffi::{CStr, c_void};

use glutin::api::egl::context::PossiblyCurrentContext;
use glutin::api::egl::device::Device;
use glutin::api::egl::display::Display;
use glutin::config::{Api, ConfigSurfaceTypes, ConfigTemplateBuilder};
use glutin::context::{
    AsRawContext, ContextApi, ContextAttributesBuilder, GlProfile, RawContext, Robustness, Version,
};
use glutin::display::{AsRawDisplay, RawDisplay};
use glutin::prelude::*;

/// A context, current on the thread that made it.
pub struct TestHost {
    pub gl: glow::Context,
    context: Option<PossiblyCurrentContext>,
    display: Display,
}

impl TestHost {
    pub fn new() -> TestHost {
        TestHost::with(ContextApi::OpenGl(Some(Version::new(3, 3))), Robustness::NotRobust).unwrap()
    }

    pub fn with(api: ContextApi, robustness: Robustness) -> glutin::error::Result<TestHost> {
        let device = Device::query_devices().unwrap().next().expect("a device of EGL");
        // SAFETY: no window system is named.
        let display = unsafe { Display::with_device(&device, None) }.unwrap();
        let kind = if matches!(api, ContextApi::Gles(_)) { Api::GLES2 } else { Api::OPENGL };
        let template = ConfigTemplateBuilder::new()
            .with_api(kind)
            .with_surface_type(ConfigSurfaceTypes::empty())
            .build();
        // SAFETY: as above.
        let config = unsafe { display.find_configs(template) }.unwrap().next().expect("a config");
        let attributes = ContextAttributesBuilder::new()
            .with_context_api(api)
            .with_profile(GlProfile::Core)
            .with_robustness(robustness)
            .build(None);
        // SAFETY: as above.
        let context = unsafe { display.create_context(&config, &attributes) }?;
        let context = context.make_current_surfaceless().unwrap();
        // SAFETY: the context is current.
        let gl = unsafe { glow::Context::from_loader_function_cstr(|name| display.get_proc_address(name)) };
        Ok(TestHost { gl, context: Some(context), display })
    }

    /// The `EGLDisplay`.
    pub fn display(&self) -> *mut c_void {
        let RawDisplay::Egl(display) = self.display.raw_display();
        display.cast_mut()
    }

    /// The `EGLContext`.
    pub fn context(&self) -> *mut c_void {
        let RawContext::Egl(context) = self.context.as_ref().expect("not ended").raw_context();
        context.cast_mut()
    }

    /// The entry points of EGL, for calls that glutin does not offer.
    pub fn egl(&self) -> &'static glutin::api::egl::Egl {
        self.display.egl()
    }

    /// A function that returns entry points, also after the drop of the host.
    pub fn loader(&self) -> Box<dyn Fn(&CStr) -> *const c_void> {
        let display = self.display.clone();
        Box::new(move |name| display.get_proc_address(name))
    }

    pub fn leave(&self) {
        self.context.as_ref().expect("not ended").make_not_current_in_place().unwrap();
    }

    pub fn enter(&self) {
        self.context.as_ref().expect("not ended").make_current_surfaceless().unwrap();
    }

    /// Ends the context, as a host does that does not destroy its devices first.
    pub fn end(&mut self) {
        drop(self.context.take().expect("not ended").make_not_current().unwrap());
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        // A context that is dropped while it is current leaks.
        if let Some(context) = self.context.take() {
            drop(context.make_not_current());
        }
    }
}

/// The entry points of the EGL context that is current.
pub fn current() -> glow::Context {
    let device = Device::query_devices().unwrap().next().expect("a device of EGL");
    // SAFETY: no window system is named, and a context is current.
    unsafe {
        let display = Display::with_device(&device, None).unwrap();
        glow::Context::from_loader_function_cstr(|name| display.get_proc_address(name))
    }
}

// SAFETY: a test makes the context not current before it moves the host.
unsafe impl Send for TestHost {}
