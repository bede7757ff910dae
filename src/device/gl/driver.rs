//! The driver: buffers, writes, copies and mappings in OpenGL's own words, each checked before OpenGL sees it.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::ptr::NonNull;

use glow::HasContext;

use super::api::{Api, Loaded};
use super::capabilities::{Allowed, Capabilities};
use super::context::Context;
use super::debug::Messages;
use super::fences::Fences;
use super::renderer::GlRenderer;
use super::staging::Staging;
use crate::alloc::Arc;
use crate::device::driver::{Driver, Fence, Foreign, Info, MapMode, Native, Renderer};
use crate::device::usage::Usage;
use crate::error::{Error, Label, Result, Status};
use crate::log::{self, Level};
use crate::sys::clock::Timeout;

pub(super) struct GlDriver {
    /// The first field: what it calls back, and the entry points, outlive it.
    pub(super) context: Context,
    pub(super) api: Arc<Api>,
    pub(super) info: Info,
    pub(super) used: Capabilities,
    pub(super) label: Label,
    pub(super) reset: Option<unsafe extern "system" fn() -> u32>,
    pub(super) messages: Arc<Messages>,
    pub(super) buffers: HashMap<u32, Buffer>,
    pub(super) fences: Fences,
    pub(super) staging: Option<Staging>,
    pub(super) late: Late,
    /// Why nothing is to be had from the context any more.
    pub(super) lost: Option<Error>,
}

/// What is to be deleted once a host's context is current again.
#[derive(Default)]
pub(super) struct Late {
    pub(super) buffers: Vec<glow::Buffer>,
    pub(super) fences: Vec<Foreign>,
}

fn later<T>(list: &mut Vec<T>, what: T, label: &Label) {
    if list.try_reserve(1).is_ok() {
        list.push(what);
    } else {
        let text = format_args!("there was no memory to note what is to be deleted: it leaks");
        log::record(Level::Warn, "device", label.as_str(), text);
    }
}

pub(super) struct Buffer {
    bytes: u64,
    mapped: bool,
}

const READ: u32 = glow::COPY_READ_BUFFER;
const WRITE: u32 = glow::COPY_WRITE_BUFFER;
/// How a buffer is mapped of which nothing is there yet.
const NEW: u32 = glow::MAP_WRITE_BIT | glow::MAP_INVALIDATE_BUFFER_BIT;

impl GlDriver {
    pub(super) fn new(context: Context, allowed: Allowed, label: Label) -> Result<GlDriver> {
        let messages = Messages::new(label);
        let messages = Arc::try_new(messages).map_err(|_| Error::of(Status::OutOfMemory))?;
        let Loaded { api, used, info, reset } = Api::load(&context, allowed, &messages)?;
        let staging = if used.staging { Staging::new(&api.gl) } else { None };
        let api = Arc::try_new(api).map_err(|_| Error::of(Status::OutOfMemory))?;
        let (buffers, fences) = Default::default();
        Ok(GlDriver {
            context,
            api,
            info,
            used,
            label,
            reset,
            messages,
            buffers,
            fences,
            staging,
            late: Late::default(),
            lost: None,
        })
    }

    /// Maps the whole of the buffer that was just made and is bound for writing, and fills it with zeros: nothing of it waits in
    /// the device's queue, which a mapping does not wait for.
    fn map_zeros(&mut self, buffer: Native, bytes: u64, access: u32) -> Result<NonNull<u8>> {
        // SAFETY: the whole of the buffer. Deleting it ends the mapping.
        let mapped = unsafe { self.api.gl.map_buffer_range(WRITE, 0, bytes as i32, access) };
        let Some(mapped) = NonNull::new(mapped) else {
            let outcome = self.outcome("glMapBufferRange");
            self.delete(buffer);
            outcome?;
            return Err(Error::text(Status::OutOfMemory, "glMapBufferRange gave no address"));
        };
        // SAFETY: all of the mapping, which nobody else has.
        unsafe { mapped.as_ptr().write_bytes(0, bytes as usize) };
        Ok(mapped)
    }

    /// The buffer of that name, and the range in it as OpenGL takes it.
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
        // Within a buffer, which is at most as large as such a number.
        Ok((glow::NativeBuffer(name), offset as i32, bytes as i32))
    }

    /// A new buffer, bound for writing, with memory as `call` gives it.
    fn allocate(
        &mut self,
        bytes: u64,
        label: &str,
        name: &'static str,
        call: impl FnOnce(&glow::Context),
    ) -> Result<Native> {
        self.ready()?;
        if bytes == 0 || bytes > self.info.limits.max_buffer_size {
            let why = "a buffer of OpenGL has at least 1 byte and at most 2147483647";
            return Err(Error::value(Status::Limit, "bytes", bytes, why));
        }
        self.buffers.try_reserve(1)?;
        self.forget_errors();
        // SAFETY: a new buffer, bound to a target that nothing draws from.
        let buffer = unsafe {
            let gl = &self.api.gl;
            let buffer =
                gl.create_buffer().map_err(|_| Error::text(Status::Backend, "glGenBuffers gave no name"))?;
            gl.bind_buffer(WRITE, Some(buffer));
            buffer
        };
        call(&self.api.gl);
        if let Err(error) = self.outcome(name) {
            // SAFETY: made above.
            unsafe { self.api.gl.delete_buffer(buffer) };
            return Err(error);
        }
        if self.used.debug && !label.is_empty() {
            // SAFETY: a buffer of this context; glow cuts the label to what the driver takes.
            unsafe { self.api.gl.object_label(glow::BUFFER, buffer.0.get(), Some(label)) };
        }
        self.buffers.insert(buffer.0.get(), Buffer { bytes, mapped: false });
        Ok(Native(buffer.0.get().into()))
    }

    /// A buffer of what was there before, bound for writing.
    fn make(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<Native> {
        let hint = if usage.contains(Usage::MAP_READ) {
            glow::STREAM_READ
        } else if usage.contains(Usage::MAP_WRITE) {
            glow::STREAM_DRAW
        } else {
            // What is copied to is written again and again.
            glow::DYNAMIC_DRAW
        };
        self.allocate(bytes, label, "glBufferData", |gl| {
            // SAFETY: of the buffer just made, which is bound.
            unsafe { gl.buffer_data_size(WRITE, bytes as i32, hint) };
        })
    }

    /// Zeros: a piece from here, and the rest by the device from what it has by then.
    fn clear(&self, bytes: i32) {
        static ZEROS: [u8; 16 << 10] = [0; 16 << 10];
        let gl = &self.api.gl;
        let mut done = bytes.min(ZEROS.len() as i32);
        // SAFETY: ranges of the bound buffer, which do not overlap.
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

// SAFETY: a range is mapped only inside its buffer, and OpenGL keeps the mapping until `unmap` or `delete`.
unsafe impl Driver for GlDriver {
    fn info(&self) -> Info {
        self.info.clone()
    }

    fn create(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<Native> {
        let buffer = self.make(bytes, usage, label)?;
        if usage.intersects(Usage::MAP_READ | Usage::MAP_WRITE) {
            self.map_zeros(buffer, bytes, NEW)?;
            // SAFETY: bound still.
            unsafe { self.api.gl.unmap_buffer(WRITE) };
        } else {
            self.clear(bytes as i32);
        }
        Ok(buffer)
    }

    fn create_mapped(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<(Native, NonNull<u8>)> {
        let buffer = self.make(bytes, usage, label)?;
        let mapped = self.map_zeros(buffer, bytes, NEW)?;
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
            // SAFETY: of the buffer just made, which is bound.
            unsafe { gl.buffer_storage(WRITE, bytes as i32, None, flags) };
        })?;
        Ok(Some((buffer, self.map_zeros(buffer, bytes, flags)?)))
    }

    fn delete(&mut self, buffer: Native) {
        let Ok(name) = u32::try_from(buffer.0) else { return };
        let ready = self.ready().is_ok();
        if self.buffers.remove(&name).is_none() {
            return;
        }
        match NonZeroU32::new(name).map(glow::NativeBuffer) {
            // SAFETY: made here, deleted once. OpenGL keeps its memory until the work that uses it is done.
            Some(name) if ready => unsafe { self.api.gl.delete_buffer(name) },
            // Of a context that is gone the buffers are too, unless others share them: then they are the host's to end.
            Some(name) if self.lost.is_none() => later(&mut self.late.buffers, name, &self.label),
            _ => {}
        }
    }

    fn write(&mut self, to: Native, offset: u64, data: &[u8]) -> Result<()> {
        self.ready()?;
        let (to, offset, _) = self.range(to, "offset + data", offset, data.len() as u64)?;
        if data.is_empty() {
            return Ok(());
        }
        self.checked("glBufferSubData", |this| {
            let gl = &this.api.gl;
            // SAFETY: a buffer of this context.
            unsafe { gl.bind_buffer(WRITE, Some(to)) };
            if let Some(staging) = &mut this.staging
                && staging.write(gl, offset, data, this.fences.next(), this.fences.passed())?
            {
                return Ok(());
            }
            // SAFETY: the range was checked.
            unsafe { gl.buffer_sub_data_u8_slice(WRITE, offset, data) };
            Ok(())
        })
    }

    fn copy(&mut self, from: Native, from_offset: u64, to: Native, to_offset: u64, bytes: u64) -> Result<()> {
        self.ready()?;
        let (from, from_offset, length) = self.range(from, "from_offset + bytes", from_offset, bytes)?;
        let (to, to_offset, _) = self.range(to, "to_offset + bytes", to_offset, bytes)?;
        if from == to && from_offset.abs_diff(to_offset) < length as u32 {
            return Err(Error::text(Status::Argument, "a copy within a buffer must not overlap itself"));
        }
        self.checked("glCopyBufferSubData", |this| {
            // SAFETY: buffers of this context; the ranges were checked.
            unsafe {
                let gl = &this.api.gl;
                gl.bind_buffer(READ, Some(from));
                gl.bind_buffer(WRITE, Some(to));
                gl.copy_buffer_sub_data(READ, WRITE, from_offset, to_offset, length);
            }
            Ok(())
        })
    }

    fn map(&mut self, buffer: Native, mode: MapMode, offset: u64, bytes: u64) -> Result<NonNull<u8>> {
        self.ready()?;
        let (name, offset, length) = self.range(buffer, "offset + bytes", offset, bytes)?;
        if length == 0 {
            return Err(Error::value(Status::Range, "bytes", bytes, "OpenGL maps at least one byte"));
        }
        self.forget_errors();
        // Whoever maps has waited for the fences: for writes, OpenGL need not do so again.
        let access = match mode {
            MapMode::Read => glow::MAP_READ_BIT,
            MapMode::Write => glow::MAP_WRITE_BIT | glow::MAP_UNSYNCHRONIZED_BIT,
        };
        // SAFETY: a buffer of this context that is not mapped; the range was checked.
        let mapped = unsafe {
            self.api.gl.bind_buffer(READ, Some(name));
            self.api.gl.map_buffer_range(READ, offset, length, access)
        };
        let Some(mapped) = NonNull::new(mapped) else {
            self.outcome("glMapBufferRange")?;
            return Err(Error::text(Status::OutOfMemory, "glMapBufferRange gave no address"));
        };
        if let Some(known) = self.buffers.get_mut(&name.0.get()) {
            known.mapped = true;
        }
        Ok(mapped)
    }

    fn unmap(&mut self, buffer: Native) -> Result<()> {
        self.ready()?;
        let name = u32::try_from(buffer.0).unwrap_or(0);
        let mapped = self.buffers.get_mut(&name).filter(|known| known.mapped);
        let (Some(known), Some(name)) = (mapped, NonZeroU32::new(name)) else {
            return Err(Error::value(Status::State, "buffer", buffer.0, "is not mapped"));
        };
        known.mapped = false;
        // SAFETY: a buffer of this context that is mapped.
        unsafe {
            self.api.gl.bind_buffer(READ, Some(glow::NativeBuffer(name)));
            self.api.gl.unmap_buffer(READ);
        }
        Ok(())
    }

    fn submit(&mut self) -> Result<Fence> {
        self.ready()?;
        self.look_for_reset()?;
        if self.context.is_own() {
            // In a host's context the flags may be the host's.
            self.outcome("a write, copy or mapping of this submit")?;
        }
        self.fences.submit(&self.api.gl)
    }

    fn wait(&mut self, fence: Fence, timeout: Timeout) -> Result<bool> {
        self.ready()?;
        let passed = self.fences.wait(&self.api.gl, fence, timeout);
        // A reset lets fences pass, and is what makes them fail.
        self.look_for_reset()?;
        match passed {
            Err(error) if error.status() == Status::DeviceLost => Err(self.lose(error)),
            passed => passed,
        }
    }

    fn export(&mut self) -> Result<Foreign> {
        self.ready()?;
        self.api.export()
    }

    fn import(&mut self, fence: Foreign) -> Result<()> {
        self.ready()?;
        self.api.wait(fence);
        self.api.discard(fence);
        Ok(())
    }

    fn discard(&mut self, fence: Foreign) {
        if self.ready().is_ok() {
            self.api.discard(fence);
        } else if self.lost.is_none() {
            later(&mut self.late.fences, fence, &self.label);
        }
    }

    fn renderer(&mut self) -> Option<Box<dyn Renderer>> {
        crate::alloc::boxed(GlRenderer(self.api.clone())).ok().map(|renderer| renderer as Box<dyn Renderer>)
    }
}

impl Drop for GlDriver {
    fn drop(&mut self) {
        // With another context current, the names would be others'. They went with the device's own.
        let current = self.context.make_current().is_ok() && self.api.is_current();
        if current {
            for buffer in self.late.buffers.drain(..) {
                // SAFETY: as below.
                unsafe { self.api.gl.delete_buffer(buffer) };
            }
            for name in self.buffers.keys().copied().filter_map(NonZeroU32::new) {
                // SAFETY: made here; each is deleted once. A host's context that shares them would keep them.
                unsafe { self.api.gl.delete_buffer(glow::NativeBuffer(name)) };
            }
            self.fences.clear(&self.api.gl);
            if let Some(staging) = &mut self.staging {
                staging.delete(&self.api.gl);
            }
        }
        self.api.end(current);
    }
}
