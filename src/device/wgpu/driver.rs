//! The driver: each call is checked before wgpu sees it.

use std::any::Any;
use std::collections::HashMap;
use std::ptr::NonNull;

use super::buffer::Buffer;
use super::fences::{self, Fences};
use super::gpu::Gpu;
use super::handles::WgpuHandles;
use super::recorder::Recorder;
use crate::alloc::try_vec;
use crate::device::driver::{Driver, Fence, Info, MapMode, Native};
use crate::device::usage::Usage;
use crate::error::{Error, Result, Status};
use crate::sys::clock::{Deadline, Timeout};

/// From so many bytes on, a write to where they go is worth the mapping.
const DIRECT: u64 = 64 << 10;

pub(super) struct WgpuDriver {
    buffers: HashMap<Native, Buffer>,
    /// Those whose fronts are behind.
    behind: Vec<Native>,
    recorder: Recorder,
    fences: Fences,
    created: u64,
    /// The program has wgpu's own objects, and may submit what nobody here sees.
    lent: bool,
    gpu: Gpu,
}

impl WgpuDriver {
    pub(super) fn new(gpu: Gpu) -> WgpuDriver {
        let (buffers, behind, recorder, fences) = Default::default();
        WgpuDriver { buffers, behind, recorder, fences, created: 0, lent: false, gpu }
    }

    pub(super) fn handles(&mut self) -> WgpuHandles {
        self.lent = true;
        WgpuHandles { device: self.gpu.device.clone(), queue: self.gpu.queue.clone() }
    }

    /// wgpu's buffer, for work that this driver does not see.
    pub(super) fn buffer(&mut self, native: Native) -> Result<wgpu::Buffer> {
        let unknown = || Error::value(Status::Handle, "buffer", native.0, "is not a buffer of this device");
        let buffer = self.buffers.get_mut(&native).ok_or_else(unknown)?;
        self.lent = true;
        let main = buffer.main.clone();
        let bytes = buffer.bytes;
        self.touch(native, 0, bytes)?;
        Ok(main)
    }

    /// The buffer, if that range of it may be worked on.
    fn range(&self, param: &'static str, native: Native, offset: u64, bytes: u64) -> Result<&Buffer> {
        self.gpu.alive()?;
        let Some(buffer) = self.buffers.get(&native) else {
            return Err(Error::value(Status::Handle, "buffer", native.0, "is not a buffer of this device"));
        };
        let end = u128::from(offset) + u128::from(bytes);
        if end > u128::from(buffer.bytes) {
            return Err(Error::beyond(param, end, buffer.bytes, "bytes of the buffer"));
        }
        if buffer.is_mapped() {
            return Err(Error::value(Status::State, "buffer", native.0, "is mapped: unmap it first"));
        }
        Ok(buffer)
    }

    fn make(&mut self, bytes: u64, usage: Usage, label: &str, mapped: bool) -> Result<(Native, NonNull<u8>)> {
        self.gpu.alive()?;
        self.buffers.try_reserve(1)?;
        let mut buffer = Buffer::new(&self.gpu, bytes, usage, label, mapped)?;
        let place = if mapped { buffer.first(&self.gpu)? } else { NonNull::dangling() };
        self.created += 1;
        let native = Native(self.created);
        if !buffer.behind.is_empty() {
            self.behind.try_reserve(1)?;
            self.behind.push(native);
        }
        self.buffers.insert(native, buffer);
        Ok((native, place))
    }

    /// Whether nothing is to be done, on any buffer.
    fn is_idle(&mut self) -> Result<bool> {
        Ok(!self.lent && self.recorder.is_empty() && self.fences.are_passed(&self.gpu)?)
    }

    /// That range of a buffer will be another.
    fn touch(&mut self, native: Native, offset: u64, bytes: u64) -> Result<()> {
        self.behind.try_reserve(1)?;
        if self.buffers.get_mut(&native).is_some_and(|buffer| buffer.touch(offset, bytes)) {
            self.behind.push(native);
        }
        Ok(())
    }

    /// Submits, once each front follows its buffer.
    fn flush(&mut self) -> Result<wgpu::SubmissionIndex> {
        let mut later = try_vec(self.behind.len())?;
        for native in self.behind.drain(..) {
            let Some(buffer) = self.buffers.get_mut(&native) else { continue };
            // Its first mapping has not ended.
            if buffer.is_mapped() {
                later.push(native);
                continue;
            }
            let behind = std::mem::replace(&mut buffer.behind, 0..0);
            self.recorder.bring_over(&self.gpu, buffer, behind.start, behind.end)?;
        }
        self.behind = later;
        self.recorder.submit(&self.gpu)
    }
}

fn stored(usage: Usage, needed: Usage, native: Native, why: &'static str) -> Result<()> {
    if usage.intersects(Usage::MAP_READ | Usage::MAP_WRITE) && !usage.contains(needed) {
        return Err(Error::value(Status::Argument, "buffer", native.0, why));
    }
    Ok(())
}

// SAFETY: what is mapped is inside of its buffer, and wgpu keeps it mapped until the view goes, with `unmap` or the buffer.
unsafe impl Driver for WgpuDriver {
    fn info(&self) -> Info {
        self.gpu.info.clone()
    }

    fn create(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<Native> {
        self.make(bytes, usage, label, false).map(|(native, _)| native)
    }

    fn create_mapped(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<(Native, NonNull<u8>)> {
        self.make(bytes, usage, label, true)
    }

    fn delete(&mut self, buffer: Native) {
        // wgpu keeps its memory until the work that uses it is done, also what is only recorded.
        self.buffers.remove(&buffer);
    }

    fn write(&mut self, to: Native, offset: u64, data: &[u8]) -> Result<()> {
        let bytes = data.len() as u64;
        let buffer = self.range("offset + data", to, offset, bytes)?;
        stored(buffer.usage, Usage::COPY_DST, to, "its usage has no COPY_DST")?;
        if bytes == 0 {
            return Ok(());
        }
        let fits = offset.is_multiple_of(8) && bytes.is_multiple_of(4) && bytes >= DIRECT;
        if fits && buffer.direct && self.is_idle()? {
            let Some(buffer) = self.buffers.get_mut(&to) else { return Err(Error::of(Status::Handle)) };
            let submissions = self.recorder.submissions;
            // What the first mapping of a buffer wrote arrives with the submit that follows it.
            if buffer.begun != Some(submissions) {
                self.recorder.count();
                return buffer.write_direct(&self.gpu, offset, data, submissions);
            }
        }
        self.touch(to, offset, bytes)?;
        let Some(buffer) = self.buffers.get(&to) else { return Err(Error::of(Status::Handle)) };
        self.recorder.write(&self.gpu, to, buffer, offset, data)
    }

    fn copy(&mut self, from: Native, from_offset: u64, to: Native, to_offset: u64, bytes: u64) -> Result<()> {
        let source = self.range("from_offset + bytes", from, from_offset, bytes)?;
        stored(source.usage, Usage::COPY_SRC, from, "its usage has no COPY_SRC")?;
        let target = self.range("to_offset + bytes", to, to_offset, bytes)?;
        stored(target.usage, Usage::COPY_DST, to, "its usage has no COPY_DST")?;
        if from == to {
            return Err(Error::value(Status::Argument, "to", to.0, "a copy needs two buffers"));
        }
        if bytes == 0 {
            return Ok(());
        }
        self.touch(to, to_offset, bytes)?;
        let (Some(source), Some(target)) = (self.buffers.get(&from), self.buffers.get(&to)) else {
            return Err(Error::of(Status::Handle));
        };
        self.recorder.copy(&self.gpu, (source, from_offset), (target, to_offset), bytes)
    }

    fn map(&mut self, native: Native, mode: MapMode, offset: u64, bytes: u64) -> Result<NonNull<u8>> {
        let buffer = self.range("offset + bytes", native, offset, bytes)?;
        if bytes == 0 {
            return Err(Error::value(Status::Range, "bytes", bytes, "at least one byte is mapped"));
        }
        // What the first mapping of a buffer wrote arrives with the submit that follows it.
        if buffer.begun.is_some_and(|before| before == self.recorder.submissions) || !buffer.behind.is_empty()
        {
            let submission = self.flush()?;
            fences::wait(&self.gpu, &submission, Deadline::NEVER)?;
        }
        let Some(buffer) = self.buffers.get_mut(&native) else { return Err(Error::of(Status::Handle)) };
        buffer.map(&self.gpu, mode, offset, bytes)
    }

    fn unmap(&mut self, native: Native) -> Result<()> {
        self.gpu.alive()?;
        let unknown = || Error::value(Status::Handle, "buffer", native.0, "is not a buffer of this device");
        let buffer = self.buffers.get_mut(&native).ok_or_else(unknown)?;
        buffer.unmap(&self.gpu, self.recorder.submissions)
    }

    fn submit(&mut self) -> Result<Fence> {
        self.gpu.alive()?;
        self.fences.reserve()?;
        self.flush().map(|submission| self.fences.push(submission))
    }

    fn wait(&mut self, fence: Fence, timeout: Timeout) -> Result<bool> {
        self.gpu.alive()?;
        self.fences.wait(&self.gpu, fence, timeout)
    }

    fn native_calls(&self) -> u64 {
        self.recorder.calls()
    }

    fn as_any(&mut self) -> Option<&mut dyn Any> {
        Some(self)
    }
}
