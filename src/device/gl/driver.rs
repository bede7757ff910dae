//! The OpenGL driver: buffers, writes, copies and mappings, each checked before OpenGL is called.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::ptr::NonNull;

use glow::HasContext;

use crate::alloc::try_arc;
use crate::device::driver::{DeviceInfo, Driver, Fence, Foreign, MapMode, Native, Renderer, Usage};
use crate::device::gl::api::{Api, GlRenderer, LoadedApi};
use crate::device::gl::capabilities::{Allowed, Capabilities};
use crate::device::gl::context::Context;
use crate::device::gl::errors::{CheckedContext, DebugMessages};
use crate::device::gl::fences::{GlFences, StagingRing};
use crate::error::{Error, Label, Result, Status};
use crate::sys::clock::Timeout;

pub(super) struct GlDriver {
    context: CheckedContext,
    info: DeviceInfo,
    used: Capabilities,
    buffers: HashMap<u32, GlBuffer>,
    fences: GlFences,
    staging: Option<StagingRing>,
}

struct GlBuffer {
    bytes: u64,
    mapped: bool,
}

const READ: u32 = glow::COPY_READ_BUFFER;
const WRITE: u32 = glow::COPY_WRITE_BUFFER;
/// How a new buffer is mapped, whose contents are undefined.
const MAP_NEW: u32 = glow::MAP_WRITE_BIT | glow::MAP_INVALIDATE_BUFFER_BIT;

impl GlDriver {
    pub(super) fn new(context: Context, allowed: Allowed, label: Label) -> Result<GlDriver> {
        let messages = DebugMessages::new(label);
        let messages = try_arc(messages)?;
        let LoadedApi { mut api, used, info, reset_status } = Api::load(&context, allowed)?;
        if used.debug {
            DebugMessages::receive(&messages, &mut api.gl);
        }
        let staging = if used.staging { StagingRing::new(&api.gl) } else { None };
        let api = try_arc(api)?;
        let context = CheckedContext::new(context, api, label, messages, reset_status);
        let (buffers, fences) = Default::default();
        Ok(GlDriver { context, info, used, buffers, fences, staging })
    }

    /// Maps all of a new buffer, which is bound for writing, and fills it with zeros. No work for it is pending, which a mapping would
    /// not wait for.
    fn map_zeros(&mut self, buffer: Native, bytes: u64, access: u32) -> Result<NonNull<u8>> {
        // SAFETY: all of the buffer. Deleting it ends the mapping.
        let mapped = unsafe { self.context.gl().map_buffer_range(WRITE, 0, bytes as i32, access) };
        let Some(mapped) = NonNull::new(mapped) else {
            let checked = self.context.check_errors("glMapBufferRange");
            self.delete(buffer);
            checked?;
            return Err(Error::text(Status::OutOfMemory, "glMapBufferRange returned NULL"));
        };
        // SAFETY: all of the mapping, whose address is not known elsewhere.
        unsafe { mapped.as_ptr().write_bytes(0, bytes as usize) };
        Ok(mapped)
    }

    /// Checks a range of a buffer, and returns the buffer and the range in OpenGL's types.
    fn range(
        &self,
        buffer: Native,
        param: &'static str,
        offset: u64,
        bytes: u64,
    ) -> Result<(glow::Buffer, i32, i32)> {
        let name = u32::try_from(buffer.0).ok().and_then(NonZeroU32::new);
        let Some((name, known)) = name.and_then(|name| Some((name, self.buffers.get(&name.get())?))) else {
            return Err(Error::value(Status::Handle, "buffer", buffer.0, "is not a buffer of this device"));
        };
        let end = u128::from(offset) + u128::from(bytes);
        if end > u128::from(known.bytes) {
            return Err(Error::beyond(param, end, known.bytes, "bytes of the buffer"));
        }
        if known.mapped {
            return Err(Error::value(Status::State, "buffer", buffer.0, "is mapped: unmap it first"));
        }
        // Within a buffer, whose size is at most i32::MAX.
        Ok((glow::NativeBuffer(name), offset as i32, bytes as i32))
    }

    /// Creates a buffer and binds it for writing; `call`, of that name, allocates its memory.
    fn allocate(
        &mut self,
        bytes: u64,
        label: &str,
        name: &'static str,
        call: impl FnOnce(&glow::Context),
    ) -> Result<Native> {
        self.context.prepare()?;
        if bytes == 0 || bytes > self.info.limits.max_buffer_size {
            let reason = "a buffer of OpenGL has at least 1 byte and at most 2147483647";
            return Err(Error::value(Status::Limit, "bytes", bytes, reason));
        }
        self.buffers.try_reserve(1)?;
        self.context.clear_errors();
        // SAFETY: a new buffer, bound to a target that nothing draws from.
        let buffer = unsafe {
            let gl = self.context.gl();
            let buffer = gl
                .create_buffer()
                .map_err(|_| Error::text(Status::Backend, "glGenBuffers returned no name"))?;
            gl.bind_buffer(WRITE, Some(buffer));
            buffer
        };
        call(self.context.gl());
        if let Err(error) = self.context.check_errors(name) {
            // SAFETY: made above.
            unsafe { self.context.gl().delete_buffer(buffer) };
            return Err(error);
        }
        if self.used.debug && !label.is_empty() {
            // SAFETY: a buffer of this context; glow cuts the label to the length that the driver allows.
            unsafe { self.context.gl().object_label(glow::BUFFER, buffer.0.get(), Some(label)) };
        }
        self.buffers.insert(buffer.0.get(), GlBuffer { bytes, mapped: false });
        Ok(Native(buffer.0.get().into()))
    }

    /// Creates a buffer with undefined contents and binds it for writing.
    fn create_undefined(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<Native> {
        let hint = if usage.contains(Usage::MAP_READ) {
            glow::STREAM_READ
        } else if usage.contains(Usage::MAP_WRITE) {
            glow::STREAM_DRAW
        } else {
            // The destination of copies, written again and again.
            glow::DYNAMIC_DRAW
        };
        self.allocate(bytes, label, "glBufferData", |gl| {
            // SAFETY: of the new buffer, which is bound.
            unsafe { gl.buffer_data_size(WRITE, bytes as i32, hint) };
        })
    }

    /// Fills the bound buffer with zeros: a first piece from host memory, then copies of it on the device, twice as large each time.
    fn clear(&self, bytes: i32) {
        static ZEROS: [u8; 16 << 10] = [0; 16 << 10];
        let gl = self.context.gl();
        let mut done = bytes.min(ZEROS.len() as i32);
        // SAFETY: ranges of the bound buffer that do not overlap.
        unsafe {
            gl.buffer_sub_data_u8_slice(WRITE, 0, &ZEROS[..done as usize]);
            while done < bytes {
                let more = done.min(bytes - done);
                gl.copy_buffer_sub_data(WRITE, WRITE, 0, done, more);
                done += more;
            }
        }
    }
}

// SAFETY: a mapping is a range inside of its buffer, and OpenGL keeps it until `unmap` or `delete`.
unsafe impl Driver for GlDriver {
    fn info(&self) -> DeviceInfo {
        self.info.clone()
    }

    fn create(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<Native> {
        let buffer = self.create_undefined(bytes, usage, label)?;
        if usage.intersects(Usage::MAP_READ | Usage::MAP_WRITE) {
            self.map_zeros(buffer, bytes, MAP_NEW)?;
            // SAFETY: the buffer is bound.
            unsafe { self.context.gl().unmap_buffer(WRITE) };
        } else {
            self.clear(bytes as i32);
        }
        Ok(buffer)
    }

    fn create_mapped(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<(Native, NonNull<u8>)> {
        let buffer = self.create_undefined(bytes, usage, label)?;
        let mapped = self.map_zeros(buffer, bytes, MAP_NEW)?;
        if let Some(known) = u32::try_from(buffer.0).ok().and_then(|name| self.buffers.get_mut(&name)) {
            known.mapped = true;
        }
        Ok((buffer, mapped))
    }

    fn create_persistent(
        &mut self,
        bytes: u64,
        _usage: Usage,
        label: &str,
    ) -> Result<Option<(Native, NonNull<u8>)>> {
        if !self.used.buffer_storage {
            return Ok(None);
        }
        let flags = glow::MAP_WRITE_BIT | glow::MAP_PERSISTENT_BIT | glow::MAP_COHERENT_BIT;
        let buffer = self.allocate(bytes, label, "glBufferStorage", |gl| {
            // SAFETY: of the new buffer, which is bound.
            unsafe { gl.buffer_storage(WRITE, bytes as i32, None, flags) };
        })?;
        Ok(Some((buffer, self.map_zeros(buffer, bytes, flags)?)))
    }

    fn delete(&mut self, buffer: Native) {
        let Ok(name) = u32::try_from(buffer.0) else { return };
        if self.buffers.remove(&name).is_some()
            && let Some(name) = NonZeroU32::new(name)
        {
            self.context.delete_buffer(glow::NativeBuffer(name));
        }
    }

    fn write(&mut self, to: Native, offset: u64, data: &[u8]) -> Result<()> {
        self.context.prepare()?;
        let (to, offset, _) = self.range(to, "offset + data", offset, data.len() as u64)?;
        if data.is_empty() {
            return Ok(());
        }
        self.context.begin_checked();
        let gl = self.context.gl();
        // SAFETY: a buffer of this context.
        unsafe { gl.bind_buffer(WRITE, Some(to)) };
        let staged = match &mut self.staging {
            Some(staging) => staging.write(gl, offset, data, &self.fences)?,
            None => false,
        };
        if !staged {
            // SAFETY: the range was checked.
            unsafe { gl.buffer_sub_data_u8_slice(WRITE, offset, data) };
        }
        self.context.end_checked("glBufferSubData")
    }

    fn copy(&mut self, from: Native, from_offset: u64, to: Native, to_offset: u64, bytes: u64) -> Result<()> {
        self.context.prepare()?;
        let (from, from_offset, length) = self.range(from, "from_offset + bytes", from_offset, bytes)?;
        let (to, to_offset, _) = self.range(to, "to_offset + bytes", to_offset, bytes)?;
        if from == to && from_offset.abs_diff(to_offset) < length as u32 {
            return Err(Error::text(Status::Argument, "a copy within a buffer must not overlap itself"));
        }
        self.context.begin_checked();
        // SAFETY: buffers of this context; the ranges were checked.
        unsafe {
            let gl = self.context.gl();
            gl.bind_buffer(READ, Some(from));
            gl.bind_buffer(WRITE, Some(to));
            gl.copy_buffer_sub_data(READ, WRITE, from_offset, to_offset, length);
        }
        self.context.end_checked("glCopyBufferSubData")
    }

    fn map(&mut self, buffer: Native, mode: MapMode, offset: u64, bytes: u64) -> Result<NonNull<u8>> {
        self.context.prepare()?;
        let (name, offset, length) = self.range(buffer, "offset + bytes", offset, bytes)?;
        if length == 0 {
            return Err(Error::value(Status::Range, "bytes", bytes, "a mapping has at least one byte"));
        }
        self.context.clear_errors();
        // The caller has waited for the fences, so OpenGL need not wait before writes.
        let access = match mode {
            MapMode::Read => glow::MAP_READ_BIT,
            MapMode::Write => glow::MAP_WRITE_BIT | glow::MAP_UNSYNCHRONIZED_BIT,
        };
        // SAFETY: a buffer of this context that is not mapped; the range was checked.
        let mapped = unsafe {
            self.context.gl().bind_buffer(READ, Some(name));
            self.context.gl().map_buffer_range(READ, offset, length, access)
        };
        let Some(mapped) = NonNull::new(mapped) else {
            self.context.check_errors("glMapBufferRange")?;
            return Err(Error::text(Status::OutOfMemory, "glMapBufferRange returned NULL"));
        };
        if let Some(known) = self.buffers.get_mut(&name.0.get()) {
            known.mapped = true;
        }
        Ok(mapped)
    }

    fn unmap(&mut self, buffer: Native) -> Result<()> {
        self.context.prepare()?;
        let name = u32::try_from(buffer.0).unwrap_or(0);
        let mapped = self.buffers.get_mut(&name).filter(|known| known.mapped);
        let (Some(known), Some(name)) = (mapped, NonZeroU32::new(name)) else {
            return Err(Error::value(Status::State, "buffer", buffer.0, "is not mapped"));
        };
        known.mapped = false;
        // SAFETY: a buffer of this context that is mapped.
        unsafe {
            self.context.gl().bind_buffer(READ, Some(glow::NativeBuffer(name)));
            self.context.gl().unmap_buffer(READ);
        }
        Ok(())
    }

    fn submit(&mut self) -> Result<Fence> {
        self.context.prepare()?;
        self.context.check_reset()?;
        if self.context.context.is_own() {
            // The error flags of a host's context may be the host's.
            self.context.check_errors("a write, copy or mapping of this submit")?;
        }
        self.fences.submit(self.context.gl())
    }

    fn wait(&mut self, fence: Fence, timeout: Timeout) -> Result<bool> {
        self.context.prepare()?;
        let passed = self.fences.wait(self.context.gl(), fence, timeout);
        // After a reset, fences pass or fail: the reset is the error to return.
        self.context.check_reset()?;
        match passed {
            Err(error) if error.status() == Status::DeviceLost => Err(self.context.lose(error)),
            passed => passed,
        }
    }

    fn export(&mut self) -> Result<Foreign> {
        self.context.prepare()?;
        self.context.api.export()
    }

    fn import(&mut self, fence: Foreign) -> Result<()> {
        self.context.prepare()?;
        self.context.api.wait(fence);
        self.context.api.discard(fence);
        Ok(())
    }

    fn discard(&mut self, fence: Foreign) {
        self.context.discard_fence(fence);
    }

    fn renderer(&mut self) -> Option<Box<dyn Renderer>> {
        Some(Box::new(GlRenderer(self.context.api.clone())))
    }
}

impl Drop for GlDriver {
    fn drop(&mut self) {
        // In another context, the names would be those of its own objects.
        let current = self.context.context.make_current().is_ok() && self.context.api.is_current();
        if current {
            self.context.delete_late_buffers();
            let gl = self.context.gl();
            for name in self.buffers.keys().copied().filter_map(NonZeroU32::new) {
                // SAFETY: made here, and deleted once. A host's context that shares them would keep them.
                unsafe { gl.delete_buffer(glow::NativeBuffer(name)) };
            }
            self.fences.clear(gl);
            if let Some(staging) = &mut self.staging {
                staging.delete(gl);
            }
        }
        self.context.api.end(current);
    }
}
