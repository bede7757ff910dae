//! The WebGPU driver: buffers, writes, copies, mappings and fences, each checked before wgpu is called.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::ptr::NonNull;

use crate::alloc::try_vec;
use crate::device::driver::{DeviceInfo, Driver, Fence, MapMode, Native, Usage};
use crate::device::wgpu::buffer::WgpuBuffer;
use crate::device::wgpu::gpu::{Gpu, WgpuHandles};
use crate::device::wgpu::recorder::Recorder;
use crate::error::{Error, Result, Status};
use crate::sys::clock::{Deadline, Timeout};

/// From so many bytes on, a write in place is worth a mapping.
const MIN_DIRECT_WRITE: u64 = 64 << 10;

pub(super) struct WgpuDriver {
    buffers: HashMap<Native, WgpuBuffer>,
    /// Buffers whose readback buffers are stale.
    stale: Vec<Native>,
    recorder: Recorder,
    fences: SubmissionFences,
    created: u64,
    /// The program has wgpu's own objects, and may submit work that the driver does not record.
    shared: bool,
    gpu: Gpu,
}

impl WgpuDriver {
    pub(super) fn new(gpu: Gpu) -> WgpuDriver {
        let (buffers, stale, recorder, fences) = Default::default();
        WgpuDriver { buffers, stale, recorder, fences, created: 0, shared: false, gpu }
    }

    /// The driver of a device on WebGPU; fails on others.
    pub(super) fn of(driver: &mut dyn Driver) -> Result<&mut WgpuDriver> {
        let own = driver.as_any().and_then(|driver| driver.downcast_mut());
        own.ok_or(Error::text(Status::Unsupported, "the device is not on WebGPU"))
    }

    pub(super) fn handles(&mut self) -> WgpuHandles {
        self.shared = true;
        WgpuHandles { device: self.gpu.device.clone(), queue: self.gpu.queue.clone() }
    }

    /// wgpu's buffer, for work that the driver does not record.
    pub(super) fn buffer(&mut self, native: Native) -> Result<wgpu::Buffer> {
        let unknown = || Error::value(Status::Handle, "buffer", native.0, "is not a buffer of this device");
        let buffer = self.buffers.get_mut(&native).ok_or_else(unknown)?;
        self.shared = true;
        let main = buffer.main.clone();
        let bytes = buffer.bytes;
        self.mark_stale(native, 0, bytes)?;
        Ok(main)
    }

    /// The buffer, if work may use that range of it.
    fn range(&self, param: &'static str, native: Native, offset: u64, bytes: u64) -> Result<&WgpuBuffer> {
        self.gpu.check_alive()?;
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

    fn create_buffer(
        &mut self,
        bytes: u64,
        usage: Usage,
        label: &str,
        mapped: bool,
    ) -> Result<(Native, NonNull<u8>)> {
        self.gpu.check_alive()?;
        self.buffers.try_reserve(1)?;
        let mut buffer = WgpuBuffer::new(&self.gpu, bytes, usage, label, mapped)?;
        let data = if mapped { buffer.map_at_creation(&self.gpu)? } else { NonNull::dangling() };
        self.created += 1;
        let native = Native(self.created);
        if !buffer.stale.is_empty() {
            self.stale.try_reserve(1)?;
            self.stale.push(native);
        }
        self.buffers.insert(native, buffer);
        Ok((native, data))
    }

    /// Whether no work is pending on any buffer.
    fn is_idle(&mut self) -> Result<bool> {
        Ok(!self.shared && self.recorder.is_empty() && self.fences.have_passed(&self.gpu)?)
    }

    /// Marks a range of a buffer as changed, for its readback buffer.
    fn mark_stale(&mut self, native: Native, offset: u64, bytes: u64) -> Result<()> {
        self.stale.try_reserve(1)?;
        if self.buffers.get_mut(&native).is_some_and(|buffer| buffer.mark_stale(offset, bytes)) {
            self.stale.push(native);
        }
        Ok(())
    }

    /// Updates all readback buffers, and submits.
    fn flush(&mut self) -> Result<wgpu::SubmissionIndex> {
        let mut later = try_vec(self.stale.len())?;
        for native in self.stale.drain(..) {
            let Some(buffer) = self.buffers.get_mut(&native) else { continue };
            // The mapping at its creation has not ended.
            if buffer.is_mapped() {
                later.push(native);
                continue;
            }
            let stale = std::mem::replace(&mut buffer.stale, 0..0);
            self.recorder.update_readback(&self.gpu, buffer, stale.start, stale.end)?;
        }
        self.stale = later;
        self.recorder.submit(&self.gpu)
    }
}

/// Fails if a mappable buffer lacks a usage; other buffers have it whatever their usage.
fn check_usage(usage: Usage, needed: Usage, native: Native, reason: &'static str) -> Result<()> {
    if usage.intersects(Usage::MAP_READ | Usage::MAP_WRITE) && !usage.contains(needed) {
        return Err(Error::value(Status::Argument, "buffer", native.0, reason));
    }
    Ok(())
}

// SAFETY: a mapping is a range inside of its buffer, and wgpu keeps it until the view is dropped, by `unmap` or with the buffer.
unsafe impl Driver for WgpuDriver {
    fn info(&self) -> DeviceInfo {
        self.gpu.info.clone()
    }

    fn create(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<Native> {
        self.create_buffer(bytes, usage, label, false).map(|(native, _)| native)
    }

    fn create_mapped(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<(Native, NonNull<u8>)> {
        self.create_buffer(bytes, usage, label, true)
    }

    fn delete(&mut self, buffer: Native) {
        // wgpu frees its memory once the work that uses it is done, including recorded work.
        self.buffers.remove(&buffer);
    }

    fn write(&mut self, to: Native, offset: u64, data: &[u8]) -> Result<()> {
        let bytes = data.len() as u64;
        let buffer = self.range("offset + data", to, offset, bytes)?;
        check_usage(buffer.usage, Usage::COPY_DST, to, "its usage has no COPY_DST")?;
        if bytes == 0 {
            return Ok(());
        }
        let fits = offset.is_multiple_of(8) && bytes.is_multiple_of(4) && bytes >= MIN_DIRECT_WRITE;
        if fits && buffer.direct && self.is_idle()? {
            let Some(buffer) = self.buffers.get_mut(&to) else { return Err(Error::of(Status::Handle)) };
            let submissions = self.recorder.submissions;
            // The bytes of the mapping at creation arrive with the first submit after it.
            if buffer.created_at != Some(submissions) {
                self.recorder.count_call();
                return buffer.write_direct(&self.gpu, offset, data, submissions);
            }
        }
        self.mark_stale(to, offset, bytes)?;
        let Some(buffer) = self.buffers.get(&to) else { return Err(Error::of(Status::Handle)) };
        self.recorder.write(&self.gpu, to, buffer, offset, data)
    }

    fn copy(&mut self, from: Native, from_offset: u64, to: Native, to_offset: u64, bytes: u64) -> Result<()> {
        let source = self.range("from_offset + bytes", from, from_offset, bytes)?;
        check_usage(source.usage, Usage::COPY_SRC, from, "its usage has no COPY_SRC")?;
        let target = self.range("to_offset + bytes", to, to_offset, bytes)?;
        check_usage(target.usage, Usage::COPY_DST, to, "its usage has no COPY_DST")?;
        if from == to {
            return Err(Error::value(Status::Argument, "to", to.0, "a copy needs two buffers"));
        }
        if bytes == 0 {
            return Ok(());
        }
        self.mark_stale(to, to_offset, bytes)?;
        let (Some(source), Some(target)) = (self.buffers.get(&from), self.buffers.get(&to)) else {
            return Err(Error::of(Status::Handle));
        };
        self.recorder.copy(&self.gpu, (source, from_offset), (target, to_offset), bytes)
    }

    fn map(&mut self, native: Native, mode: MapMode, offset: u64, bytes: u64) -> Result<NonNull<u8>> {
        let buffer = self.range("offset + bytes", native, offset, bytes)?;
        if bytes == 0 {
            return Err(Error::value(Status::Range, "bytes", bytes, "a mapping has at least one byte"));
        }
        // The bytes of the mapping at creation arrive with the first submit after it.
        if buffer.created_at == Some(self.recorder.submissions) || !buffer.stale.is_empty() {
            let submission = self.flush()?;
            self.gpu.wait(&submission, Deadline::NEVER)?;
        }
        let Some(buffer) = self.buffers.get_mut(&native) else { return Err(Error::of(Status::Handle)) };
        buffer.map(&self.gpu, mode, offset, bytes)
    }

    fn unmap(&mut self, native: Native) -> Result<()> {
        self.gpu.check_alive()?;
        let unknown = || Error::value(Status::Handle, "buffer", native.0, "is not a buffer of this device");
        let buffer = self.buffers.get_mut(&native).ok_or_else(unknown)?;
        buffer.unmap(&self.gpu, self.recorder.submissions)
    }

    fn submit(&mut self) -> Result<Fence> {
        self.gpu.check_alive()?;
        self.fences.reserve()?;
        self.flush().map(|submission| self.fences.push(submission))
    }

    fn wait(&mut self, fence: Fence, timeout: Timeout) -> Result<bool> {
        self.gpu.check_alive()?;
        self.fences.wait(&self.gpu, fence, timeout)
    }

    fn native_calls(&self) -> u64 {
        self.recorder.calls()
    }

    fn as_any(&mut self) -> Option<&mut dyn Any> {
        Some(self)
    }
}

/// The submission of each fence.
#[derive(Default)]
struct SubmissionFences {
    /// The fences that are not known to have passed.
    open: VecDeque<(u64, wgpu::SubmissionIndex)>,
    /// The number of the last submit.
    last: u64,
}

impl SubmissionFences {
    /// Reserves memory for the next fence.
    fn reserve(&mut self) -> Result<()> {
        self.open.try_reserve(1).map_err(|_| Error::of(Status::OutOfMemory))
    }

    /// Adds the fence of a submission.
    fn push(&mut self, submission: wgpu::SubmissionIndex) -> Fence {
        self.last += 1;
        self.open.push_back((self.last, submission));
        Fence(self.last)
    }

    /// Whether all submissions are known to be done, without a wait.
    fn have_passed(&mut self, gpu: &Gpu) -> Result<bool> {
        self.wait(gpu, Fence(self.last), Timeout::TRY)
    }

    /// Waits for a fence; returns whether it has passed in time.
    fn wait(&mut self, gpu: &Gpu, fence: Fence, timeout: Timeout) -> Result<bool> {
        if fence.0 > self.last {
            let reason = "no submit of this device has returned that fence";
            return Err(Error::value(Status::Argument, "fence", fence.0, reason));
        }
        let Some(at) = self.open.iter().position(|(number, _)| *number >= fence.0) else { return Ok(true) };
        let passed = gpu.wait(&self.open[at].1, Deadline::after(timeout))?;
        if passed {
            // Work is done in order: earlier fences have passed as well.
            self.open.drain(..=at);
        }
        Ok(passed)
    }
}
