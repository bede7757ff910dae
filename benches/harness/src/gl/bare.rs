//! Plain OpenGL calls, as in a program without this library, in a context of the harness.

use glow::HasContext;
use glutin::api::egl::context::PossiblyCurrentContext;
use glutin::api::egl::device::Device;
use glutin::api::egl::display::Display;
use glutin::config::{Api, ConfigSurfaceTypes, ConfigTemplateBuilder};
use glutin::context::{AsRawContext, ContextApi, ContextAttributesBuilder, GlProfile, RawContext, Version};
use glutin::display::{AsRawDisplay, RawDisplay};
use glutin::prelude::*;
use std::ffi::c_void;

const READ: u32 = glow::COPY_READ_BUFFER;
const WRITE: u32 = glow::COPY_WRITE_BUFFER;

/// A context without a window, current on the thread that created it.
pub struct Bare {
    pub gl: glow::Context,
    context: Option<PossiblyCurrentContext>,
    display: Display,
}

impl Bare {
    /// Creates it on the first suitable EGL device; the error is the reason why there is none.
    pub fn new() -> Result<Bare, String> {
        let devices = Device::query_devices().map_err(|error| format!("no EGL here: {error}"))?;
        let mut last = String::from("EGL has no device here");
        for device in devices {
            match Bare::on(&device) {
                Ok(bare) => return Ok(bare),
                Err(error) => last = format!("no OpenGL 3.3 here: {error}"),
            }
        }
        Err(last)
    }

    fn on(device: &Device) -> glutin::error::Result<Bare> {
        // SAFETY: no window system is named.
        let display = unsafe { Display::with_device(device, None) }?;
        let template = ConfigTemplateBuilder::new()
            .with_api(Api::OPENGL)
            .with_surface_type(ConfigSurfaceTypes::empty())
            .build();
        // SAFETY: as above.
        let config =
            unsafe { display.find_configs(template) }?.next().ok_or(glutin::error::ErrorKind::BadConfig)?;
        let attributes = ContextAttributesBuilder::new()
            .with_context_api(ContextApi::OpenGl(Some(Version::new(3, 3))))
            .with_profile(GlProfile::Core)
            .build(None);
        // SAFETY: as above.
        let context = unsafe { display.create_context(&config, &attributes) }?.make_current_surfaceless()?;
        // SAFETY: the context is current.
        let gl = unsafe { glow::Context::from_loader_function_cstr(|name| display.get_proc_address(name)) };
        Ok(Bare { gl, context: Some(context), display })
    }

    /// The `EGLDisplay` and the `EGLContext`.
    pub fn raw(&self) -> (*mut c_void, *mut c_void) {
        let RawDisplay::Egl(display) = self.display.raw_display();
        let context = self.context.as_ref().expect("there until it is dropped");
        let RawContext::Egl(context) = context.raw_context();
        (display.cast_mut(), context.cast_mut())
    }

    pub fn renderer(&self) -> String {
        // SAFETY: constants.
        let text = |name| unsafe { self.gl.get_parameter_string(name) };
        format!("{}, OpenGL {}", text(glow::RENDERER), text(glow::VERSION))
    }

    pub fn is_software(&self) -> bool {
        let renderer = self.renderer();
        ["llvmpipe", "softpipe", "SWR", "swrast", "SwiftShader"].iter().any(|name| renderer.contains(name))
    }

    pub fn persists(&self) -> bool {
        let version = self.gl.version();
        (version.major, version.minor) >= (4, 4)
            || self.gl.supported_extensions().contains("GL_ARB_buffer_storage")
    }

    /// Waits until all previous commands are done.
    pub fn finish(&self) {
        // SAFETY: the fence is created, waited for and deleted here.
        unsafe {
            let fence = self.gl.fence_sync(glow::SYNC_GPU_COMMANDS_COMPLETE, 0).expect("memory for a fence");
            let flags = glow::SYNC_FLUSH_COMMANDS_BIT;
            while self.gl.client_wait_sync(fence, flags, i32::MAX) == glow::TIMEOUT_EXPIRED {}
            self.gl.delete_sync(fence);
        }
    }

    /// A buffer of `bytes` zeros.
    pub fn buffer(&self, bytes: usize, hint: u32) -> Buffer<'_> {
        let zeros = vec![0; bytes];
        // SAFETY: a new buffer.
        unsafe {
            let name = self.gl.create_buffer().expect("a name");
            self.gl.bind_buffer(WRITE, Some(name));
            self.gl.buffer_data_u8_slice(WRITE, &zeros, hint);
            Buffer { bare: self, name, bytes, mapped: std::ptr::null_mut() }
        }
    }

    /// A persistently mapped buffer; None if the driver does not support it.
    pub fn persistent(&self, bytes: usize, access: u32) -> Option<Buffer<'_>> {
        if !self.persists() {
            return None;
        }
        let flags = access | glow::MAP_PERSISTENT_BIT | glow::MAP_COHERENT_BIT;
        // SAFETY: the buffer is new; the result is checked.
        unsafe {
            let name = self.gl.create_buffer().expect("a name");
            self.gl.bind_buffer(WRITE, Some(name));
            self.gl.buffer_storage(WRITE, bytes as i32, None, flags);
            let mapped = self.gl.map_buffer_range(WRITE, 0, bytes as i32, flags);
            let buffer = Buffer { bare: self, name, bytes, mapped };
            (!mapped.is_null()).then_some(buffer)
        }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // A context that is dropped while it is current leaks.
        if let Some(context) = self.context.take() {
            drop(context.make_not_current());
        }
    }
}

/// A buffer, deleted when dropped.
pub struct Buffer<'a> {
    bare: &'a Bare,
    name: glow::Buffer,
    bytes: usize,
    /// Address of the persistent mapping, or NULL.
    mapped: *mut u8,
}

impl Buffer<'_> {
    /// `glBufferSubData`.
    pub fn write(&self, offset: u64, data: &[u8]) {
        let gl = &self.bare.gl;
        // SAFETY: OpenGL checks the range.
        unsafe {
            gl.bind_buffer(WRITE, Some(self.name));
            gl.buffer_sub_data_u8_slice(WRITE, offset as i32, data);
        }
    }

    /// `glBufferData` without data, then `glBufferSubData`.
    pub fn orphan(&self, data: &[u8]) {
        let gl = &self.bare.gl;
        // SAFETY: as above.
        unsafe {
            gl.bind_buffer(WRITE, Some(self.name));
            gl.buffer_data_size(WRITE, self.bytes as i32, glow::STREAM_DRAW);
            gl.buffer_sub_data_u8_slice(WRITE, 0, data);
        }
    }

    /// Maps the buffer, writes all of it, and unmaps it.
    pub fn write_mapped(&self, data: &[u8]) {
        let gl = &self.bare.gl;
        let access = glow::MAP_WRITE_BIT | glow::MAP_INVALIDATE_BUFFER_BIT;
        // SAFETY: the data is as long as the mapping.
        unsafe {
            gl.bind_buffer(WRITE, Some(self.name));
            let mapped = gl.map_buffer_range(WRITE, 0, data.len() as i32, access);
            assert!(!mapped.is_null(), "the driver does not map");
            mapped.copy_from_nonoverlapping(data.as_ptr(), data.len());
            gl.unmap_buffer(WRITE);
        }
    }

    /// Writes through a persistently mapped staging buffer.
    pub fn write_through(&self, staging: &Buffer, data: &[u8]) {
        assert!(data.len() <= staging.bytes);
        // SAFETY: the data fits, and earlier copies have been waited for.
        unsafe { staging.mapped.copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        self.copy_from(staging, data.len());
    }

    /// `glGetBufferSubData`.
    pub fn read(&self, data: &mut [u8]) {
        let gl = &self.bare.gl;
        // SAFETY: OpenGL checks the range.
        unsafe {
            gl.bind_buffer(READ, Some(self.name));
            gl.get_buffer_sub_data(READ, 0, data);
        }
    }

    /// Maps the buffer and copies its content.
    pub fn read_mapped(&self, data: &mut [u8]) {
        let gl = &self.bare.gl;
        // SAFETY: the mapping is as long as the data.
        unsafe {
            gl.bind_buffer(READ, Some(self.name));
            let mapped = gl.map_buffer_range(READ, 0, data.len() as i32, glow::MAP_READ_BIT);
            assert!(!mapped.is_null(), "the driver does not map");
            mapped.copy_to_nonoverlapping(data.as_mut_ptr(), data.len());
            gl.unmap_buffer(READ);
        }
    }

    /// Copies on the device to a readback buffer, which is mapped now or persistently.
    pub fn read_through(&self, readback: &Buffer, data: &mut [u8]) {
        readback.copy_from(self, data.len());
        self.bare.finish();
        if readback.mapped.is_null() {
            return readback.read_mapped(data);
        }
        assert!(data.len() <= readback.bytes);
        // SAFETY: the mapping is long enough, and the copy has been waited for.
        unsafe { readback.mapped.copy_to_nonoverlapping(data.as_mut_ptr(), data.len()) };
    }

    fn copy_from(&self, from: &Buffer, bytes: usize) {
        let gl = &self.bare.gl;
        // SAFETY: OpenGL checks the ranges.
        unsafe {
            gl.bind_buffer(READ, Some(from.name));
            gl.bind_buffer(WRITE, Some(self.name));
            gl.copy_buffer_sub_data(READ, WRITE, 0, 0, bytes as i32);
        }
    }

    /// The content of any buffer in the same share group.
    pub fn of(bare: &Bare, name: u32, bytes: usize) -> Vec<u8> {
        let mut data = vec![0; bytes];
        let name = std::num::NonZeroU32::new(name).map(glow::NativeBuffer);
        // SAFETY: OpenGL checks name and range.
        unsafe {
            bare.gl.bind_buffer(READ, name);
            bare.gl.get_buffer_sub_data(READ, 0, &mut data);
        }
        data
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        // SAFETY: created here and deleted once, which also ends a mapping.
        unsafe { self.bare.gl.delete_buffer(self.name) };
    }
}
