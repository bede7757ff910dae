//! The host device: buffers in host memory, and submitted work on a simulated timeline that a test can delay and disturb.
//!
//! Work is not done when it is asked for, except for a write while no work is pending: writes and copies are recorded, a submit puts
//! them on the timeline, and polls complete them in the order and at the time that [`Faults`] sets. A caller that does not wait for
//! its fence therefore fails.

pub(crate) mod faults;

use std::collections::{HashMap, VecDeque};
use std::ptr::NonNull;

use crate::alloc::try_vec;
use crate::device::device::Device;
use crate::device::driver::{DeviceInfo, DeviceKind, DeviceLimits, Driver, Fence, MapMode, Native, Usage};
use crate::device::host::faults::Faults;
use crate::error::{Error, Label, Result, Status};
use crate::sys::clock::{Deadline, Timeout};
use crate::sys::pages::{Pages, check_available};

/// Configuration of a host device.
///
/// ```
/// use backbuf::device::{Device, HostConfig};
/// let device = Device::host(HostConfig { label: "oracle", ..HostConfig::default() })?;
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct HostConfig<'a> {
    /// Appears in errors, logs and dumps.
    pub label: &'a str,
    /// Whether the calling thread owns the device.
    pub host_driven: bool,
    /// Faults to inject.
    pub faults: Option<Faults>,
}

impl Device {
    /// Makes a device in host memory.
    pub fn host(config: HostConfig<'_>) -> Result<Device> {
        let faults = config.faults.map_or_else(Faults::new, Ok)?;
        Device::with_driver(config.label, config.host_driven, move || Ok(Box::new(HostDriver::new(faults))))
    }
}

/// How long a waiting driver sleeps between two polls of its timeline.
const POLL_NS: u64 = 20_000;

#[derive(Debug)]
struct HostBuffer {
    pages: Pages,
    bytes: u64,
    mapped: bool,
    /// Deleted, and kept for the work that uses it.
    deleted: bool,
}

/// A write or a copy that is recorded or submitted.
#[derive(Debug)]
enum HostWork {
    Write { to: Native, offset: u64, data: Vec<u8> },
    Copy { from: Native, from_offset: u64, to: Native, to_offset: u64, bytes: u64 },
}

impl HostWork {
    fn uses(&self, buffer: Native) -> bool {
        match self {
            HostWork::Write { to, .. } => *to == buffer,
            HostWork::Copy { from, to, .. } => *from == buffer || *to == buffer,
        }
    }
}

#[derive(Debug)]
struct Submission {
    work: Vec<HostWork>,
    /// Polls until it may complete.
    delay: u32,
    complete: bool,
}

#[derive(Debug)]
struct HostDriver {
    faults: Faults,
    buffers: HashMap<Native, HostBuffer>,
    recorded: Vec<HostWork>,
    /// Submissions whose fences have not passed, the oldest first.
    timeline: VecDeque<Submission>,
    passed: u64,
}

impl HostDriver {
    fn new(faults: Faults) -> HostDriver {
        HostDriver {
            faults,
            buffers: HashMap::new(),
            recorded: Vec::new(),
            timeline: VecDeque::new(),
            passed: 0,
        }
    }

    /// The buffer, if work may use that range of it.
    fn range(&self, name: &'static str, native: Native, offset: u64, bytes: u64) -> Result<&HostBuffer> {
        let buffer = self.buffers.get(&native).filter(|buffer| !buffer.deleted);
        let unknown = || Error::value(Status::Handle, name, native.0, "not a buffer of this device");
        let buffer = buffer.ok_or_else(unknown)?;
        let end = u128::from(offset) + u128::from(bytes);
        if end > u128::from(buffer.bytes) {
            return Err(Error::beyond("offset + bytes", end, buffer.bytes, "bytes of the buffer"));
        }
        if buffer.mapped {
            return Err(Error::value(Status::State, name, native.0, "the buffer is mapped; unmap it first"));
        }
        Ok(buffer)
    }

    fn record(&mut self, work: HostWork) -> Result<()> {
        self.recorded.try_reserve(1)?;
        self.recorded.push(work);
        Ok(())
    }

    /// Whether no work is pending and none would be delayed: a write is then done at once, without a copy of its data.
    fn is_idle(&self) -> bool {
        let delayed = self.faults.is_held() || self.faults.delay_polls() > 0;
        self.recorded.is_empty() && self.timeline.is_empty() && !delayed
    }

    /// Whether pending work uses a buffer.
    fn is_used(&self, buffer: Native) -> bool {
        let pending = self.timeline.iter().flat_map(|submission| &submission.work);
        pending.chain(&self.recorded).any(|work| work.uses(buffer))
    }

    /// Advances the timeline by one poll, and frees the deleted buffers that no work uses any more.
    fn poll(&mut self) {
        if self.faults.is_held() {
            return;
        }
        if self.faults.is_reverse() {
            let last = self.timeline.iter().rposition(|submission| !submission.complete);
            if let Some(last) = last.filter(|last| self.timeline[*last].delay == 0) {
                self.complete(last);
            }
        } else {
            while let Some(next) = self.timeline.iter().position(|submission| !submission.complete)
                && self.timeline[next].delay == 0
            {
                self.complete(next);
            }
        }
        for submission in &mut self.timeline {
            submission.delay = submission.delay.saturating_sub(1);
        }
        while self.timeline.front().is_some_and(|first| first.complete) {
            self.timeline.pop_front();
            self.passed += 1;
        }
        while let Some(native) = self.unused_deleted() {
            self.buffers.remove(&native);
        }
    }

    /// A deleted buffer that no pending work uses.
    fn unused_deleted(&self) -> Option<Native> {
        let mut deleted = self.buffers.iter().filter(|(_, buffer)| buffer.deleted).map(|(native, _)| *native);
        deleted.find(|native| !self.is_used(*native))
    }

    /// Completes one submission. Work is done in order all the same, as on a device's queue.
    fn complete(&mut self, at: usize) {
        self.timeline[at].complete = true;
        for before in 0..=at {
            for work in std::mem::take(&mut self.timeline[before].work) {
                self.perform(work);
            }
        }
    }

    fn perform(&mut self, work: HostWork) {
        match work {
            HostWork::Write { to, offset, data } => {
                let to = self.address(to, offset);
                // SAFETY: the range was checked when recorded, and the buffer is kept for its work.
                unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), to, data.len()) };
            }
            HostWork::Copy { from, from_offset, to, to_offset, bytes } => {
                let (from, to) = (self.address(from, from_offset), self.address(to, to_offset));
                // SAFETY: as above.
                unsafe { std::ptr::copy(from, to, bytes as usize) };
            }
        }
    }

    /// The address of an offset in a buffer that work uses.
    fn address(&self, buffer: Native, offset: u64) -> *mut u8 {
        self.buffers[&buffer].pages.data().as_ptr().wrapping_add(offset as usize)
    }
}

// SAFETY: a mapping is the buffer's own memory, which stays until the buffer is deleted.
unsafe impl Driver for HostDriver {
    fn info(&self) -> DeviceInfo {
        let limits = DeviceLimits {
            max_buffer_size: isize::MAX as u64,
            uniform_offset_alignment: 256,
            storage_offset_alignment: 256,
        };
        let (name, version) = (Label::new("host memory"), Label::new(env!("CARGO_PKG_VERSION")));
        DeviceInfo { kind: DeviceKind::Host, name, version, capabilities: Label::new(""), limits }
    }

    fn create(&mut self, bytes: u64, _usage: Usage, _label: &str) -> Result<Native> {
        self.faults.count_allocation()?;
        let none = || Error::value(Status::OutOfMemory, "bytes", bytes, "out of memory for the buffer");
        let length = usize::try_from(bytes).map_err(|_| none())?;
        check_available(bytes, "bytes", "more memory than is available")?;
        self.buffers.try_reserve(1).map_err(|_| none())?;
        let pages = Pages::new(length, false)?;
        let native = Native(pages.data().as_ptr() as u64);
        self.buffers.insert(native, HostBuffer { pages, bytes, mapped: false, deleted: false });
        Ok(native)
    }

    fn create_persistent(
        &mut self,
        bytes: u64,
        usage: Usage,
        label: &str,
    ) -> Result<Option<(Native, NonNull<u8>)>> {
        let native = self.create(bytes, usage, label)?;
        Ok(self.buffers.get(&native).map(|buffer| (native, buffer.pages.data())))
    }

    fn delete(&mut self, native: Native) {
        if self.is_used(native) {
            if let Some(buffer) = self.buffers.get_mut(&native) {
                buffer.deleted = true;
            }
        } else {
            self.buffers.remove(&native);
        }
    }

    fn write(&mut self, to: Native, offset: u64, data: &[u8]) -> Result<()> {
        self.faults.count_step()?;
        self.range("to", to, offset, data.len() as u64)?;
        if self.is_idle() {
            // SAFETY: the range is inside of the buffer, which no work uses.
            unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), self.address(to, offset), data.len()) };
            return Ok(());
        }
        let mut copy = try_vec(data.len())?;
        copy.extend_from_slice(data);
        self.record(HostWork::Write { to, offset, data: copy })
    }

    fn copy(&mut self, from: Native, from_offset: u64, to: Native, to_offset: u64, bytes: u64) -> Result<()> {
        self.faults.count_step()?;
        self.range("from", from, from_offset, bytes)?;
        self.range("to", to, to_offset, bytes)?;
        if from == to {
            let reason = "a copy needs two buffers";
            return Err(Error::value(Status::Argument, "to", to.0, reason));
        }
        self.record(HostWork::Copy { from, from_offset, to, to_offset, bytes })
    }

    fn map(&mut self, native: Native, _mode: MapMode, offset: u64, bytes: u64) -> Result<NonNull<u8>> {
        self.faults.count_step()?;
        self.range("buffer", native, offset, bytes)?;
        if self.is_used(native) {
            let reason = "pending work uses the buffer; wait for its fence";
            return Err(Error::value(Status::State, "buffer", native.0, reason));
        }
        let unknown = || Error::of(Status::Handle);
        let buffer = self.buffers.get_mut(&native).ok_or_else(unknown)?;
        buffer.mapped = true;
        NonNull::new(self.address(native, offset)).ok_or_else(unknown)
    }

    fn unmap(&mut self, native: Native) -> Result<()> {
        self.faults.count_step()?;
        match self.buffers.get_mut(&native).filter(|buffer| buffer.mapped) {
            Some(buffer) => buffer.mapped = false,
            None => return Err(Error::value(Status::State, "buffer", native.0, "the buffer is not mapped")),
        }
        Ok(())
    }

    fn submit(&mut self) -> Result<Fence> {
        self.faults.count_step()?;
        self.timeline.try_reserve(1)?;
        let work = std::mem::take(&mut self.recorded);
        self.timeline.push_back(Submission { work, delay: self.faults.delay_polls(), complete: false });
        Ok(Fence(self.passed + self.timeline.len() as u64))
    }

    fn wait(&mut self, fence: Fence, timeout: Timeout) -> Result<bool> {
        let deadline = Deadline::after(timeout);
        loop {
            self.faults.check_lost()?;
            self.poll();
            if fence.0 <= self.passed {
                return Ok(true);
            }
            if deadline.passed() {
                return Ok(false);
            }
            let soon =
                if self.faults.is_held() { deadline } else { Deadline::after(Timeout::nanos(POLL_NS)) };
            self.faults.sleep(deadline.min(soon));
        }
    }
}
