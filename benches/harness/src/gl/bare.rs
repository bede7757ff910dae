//! Bare OpenGL calls, as in a program without a library, in the harness's own context.

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

/// A headless context, current on the thread that created it.
pub struct Bare {
    pub gl: glow::Context,
    context: Option<PossiblyCurrentContext>,
    display: Display,
}

impl Bare {
    /// Created on the first EGL device that can; the error is the reason why none could.
    pub fn new() -> Result<Bare, String> {
        let devices = Device::query_devices().map_err(|error| format!("no EGL here: {error}"))?;
        let mut last = String::from("EGL knows no device here");
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

    /// Waits until everything so far is done.
    pub fn finish(&self) {
        // SAFETY: a fence that is made, waited for and deleted here.
        unsafe {
            let fence = self.gl.fence_sync(glow::SYNC_GPU_COMMANDS_COMPLETE, 0).expect("memory for a fence");
            let flags = glow::SYNC_FLUSH_COMMANDS_BIT;
            while self.gl.client_wait_sync(fence, flags, i32::MAX) == glow::TIMEOUT_EXPIRED {}
            self.gl.delete_sync(fence);
        }
    }

    /// A buffer of so many zeros.
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

    /// A buffer that stays mapped, if the driver supports it.
    pub fn persistent(&self, bytes: usize, access: u32) -> Option<Buffer<'_>> {
        if !self.persists() {
            return None;
        }
        let flags = access | glow::MAP_PERSISTENT_BIT | glow::MAP_COHERENT_BIT;
        // SAFETY: a new buffer; what comes back is looked at.
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

/// A buffer, deleted at its end.
pub struct Buffer<'a> {
    bare: &'a Bare,
    name: glow::Buffer,
    bytes: usize,
    /// Where it stays mapped, or NULL.
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

    /// New memory, then `glBufferSubData`.
    pub fn orphan(&self, data: &[u8]) {
        let gl = &self.bare.gl;
        // SAFETY: as above.
        unsafe {
            gl.bind_buffer(WRITE, Some(self.name));
            gl.buffer_data_size(WRITE, self.bytes as i32, glow::STREAM_DRAW);
            gl.buffer_sub_data_u8_slice(WRITE, 0, data);
        }
    }

    /// Mapped, written as a whole, unmapped.
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

    /// Into memory that stays mapped, and on from there by the device.
    pub fn write_through(&self, staging: &Buffer, data: &[u8]) {
        assert!(data.len() <= staging.bytes);
        // SAFETY: there is room; the copies before have been waited for.
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

    /// Mapped where it is, and copied out.
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

    /// Copied by the device to one for reading, which is mapped or stays so.
    pub fn read_through(&self, readback: &Buffer, data: &mut [u8]) {
        readback.copy_from(self, data.len());
        self.bare.finish();
        if readback.mapped.is_null() {
            return readback.read_mapped(data);
        }
        assert!(data.len() <= readback.bytes);
        // SAFETY: so much is mapped, and the copy has been waited for.
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

    /// The bytes of another context's buffer in the same share group.
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
        // SAFETY: made here, deleted once; that ends a mapping.
        unsafe { self.bare.gl.delete_buffer(self.name) };
    }
}
