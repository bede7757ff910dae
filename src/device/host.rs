//! The host device: buffers in host memory, and work on an explicit timeline.
//!
//! Nothing happens when it is asked for, but for a write while nothing waits: writes and copies are recorded, a submit puts
//! them on the timeline, and polls let them complete, in the order and at the time that the faults say. So whoever forgets to
//! wait is found out here.

use std::collections::{HashMap, VecDeque};
use std::ptr::NonNull;

use super::device::Device;
use super::driver::{DeviceKind, Driver, Fence, Info, Limits, MapMode, Native};
use super::faults::Faults;
use super::usage::Usage;
use crate::alloc::{boxed, try_vec};
use crate::error::{Error, Label, Result, Status};
use crate::sys::clock::{Deadline, Timeout};
use crate::sys::pages::{Pages, check_available};

/// How a host device is made.
///
/// ```
/// use backbuf::device::{Device, HostConfig};
/// let device = Device::host(HostConfig { label: "oracle", ..HostConfig::default() })?;
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct HostConfig<'a> {
    /// Named in errors, logs and dumps.
    pub label: &'a str,
    /// Whether the calling thread owns it.
    pub host_driven: bool,
    /// What is to go wrong.
    pub faults: Option<Faults>,
}

impl Device {
    /// A device in host memory.
    pub fn host(config: HostConfig<'_>) -> Result<Device> {
        let faults = config.faults.map_or_else(Faults::new, Ok)?;
        Device::with_driver(config.label, config.host_driven, move || Ok(boxed(Host::new(faults))? as _))
    }
}

/// How long a waiting driver sleeps between two polls.
const POLL_NS: u64 = 20_000;

#[derive(Debug)]
struct Buffer {
    pages: Pages,
    bytes: u64,
    mapped: bool,
    /// Deleted, and kept for the work that uses it.
    dead: bool,
}

/// Something to be done on the timeline.
#[derive(Debug)]
enum Work {
    Write { to: Native, offset: u64, data: Vec<u8> },
    Copy { from: Native, from_offset: u64, to: Native, to_offset: u64, bytes: u64 },
}

impl Work {
    fn uses(&self, buffer: Native) -> bool {
        match self {
            Work::Write { to, .. } => *to == buffer,
            Work::Copy { from, to, .. } => *from == buffer || *to == buffer,
        }
    }
}

#[derive(Debug)]
struct Submission {
    work: Vec<Work>,
    /// Polls until it may complete.
    late_by: u32,
    complete: bool,
}

#[derive(Debug)]
struct Host {
    faults: Faults,
    buffers: HashMap<Native, Buffer>,
    recorded: Vec<Work>,
    /// Submissions whose fences have not passed, the oldest first.
    timeline: VecDeque<Submission>,
    passed: u64,
}

impl Host {
    fn new(faults: Faults) -> Host {
        Host { faults, buffers: HashMap::new(), recorded: Vec::new(), timeline: VecDeque::new(), passed: 0 }
    }

    /// The buffer, if that range of it may be worked on.
    fn range(&self, name: &'static str, native: Native, offset: u64, bytes: u64) -> Result<&Buffer> {
        let buffer = self.buffers.get(&native).filter(|buffer| !buffer.dead);
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

    fn record(&mut self, work: Work) -> Result<()> {
        self.recorded.try_reserve(1)?;
        self.recorded.push(work);
        Ok(())
    }

    /// Whether nothing waits, nor would: then a write may be done at once, without a copy of its data.
    fn is_idle(&self) -> bool {
        let late = self.faults.is_held() || self.faults.late_by() > 0;
        self.recorded.is_empty() && self.timeline.is_empty() && !late
    }

    /// Whether work that is still to be done uses a buffer.
    fn is_used(&self, buffer: Native) -> bool {
        let pending = self.timeline.iter().flat_map(|submission| &submission.work);
        pending.chain(&self.recorded).any(|work| work.uses(buffer))
    }

    /// Time passes.
    fn poll(&mut self) {
        if self.faults.is_held() {
            return;
        }
        if self.faults.is_reverse() {
            let last = self.timeline.iter().rposition(|submission| !submission.complete);
            if let Some(last) = last.filter(|last| self.timeline[*last].late_by == 0) {
                self.complete(last);
            }
        } else {
            while let Some(next) = self.timeline.iter().position(|submission| !submission.complete)
                && self.timeline[next].late_by == 0
            {
                self.complete(next);
            }
        }
        for submission in &mut self.timeline {
            submission.late_by = submission.late_by.saturating_sub(1);
        }
        while self.timeline.front().is_some_and(|first| first.complete) {
            self.timeline.pop_front();
            self.passed += 1;
        }
        while let Some(native) = self.done_with() {
            self.buffers.remove(&native);
        }
    }

    /// A deleted buffer whose work has been done.
    fn done_with(&self) -> Option<Native> {
        let mut dead = self.buffers.iter().filter(|(_, buffer)| buffer.dead).map(|(native, _)| *native);
        dead.find(|native| !self.is_used(*native))
    }

    /// One submission completes. Work is done in order all the same, as a device's queue does it.
    fn complete(&mut self, at: usize) {
        self.timeline[at].complete = true;
        for before in 0..=at {
            for work in std::mem::take(&mut self.timeline[before].work) {
                self.perform(work);
            }
        }
    }

    fn perform(&mut self, work: Work) {
        match work {
            Work::Write { to, offset, data } => {
                let to = self.at(to, offset);
                // SAFETY: checked when recorded, and the buffer is kept for its work.
                unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), to, data.len()) };
            }
            Work::Copy { from, from_offset, to, to_offset, bytes } => {
                let (from, to) = (self.at(from, from_offset), self.at(to, to_offset));
                // SAFETY: as above.
                unsafe { std::ptr::copy(from, to, bytes as usize) };
            }
        }
    }

    /// Where in a buffer with work that offset lies.
    fn at(&self, buffer: Native, offset: u64) -> *mut u8 {
        self.buffers[&buffer].pages.data().as_ptr().wrapping_add(offset as usize)
    }
}

// SAFETY: a mapping is the buffer's own memory, which stays until the buffer is deleted.
unsafe impl Driver for Host {
    fn info(&self) -> Info {
        let limits = Limits {
            max_buffer_size: isize::MAX as u64,
            uniform_offset_alignment: 256,
            storage_offset_alignment: 256,
        };
        let (name, version) = (Label::new("host memory"), Label::new(env!("CARGO_PKG_VERSION")));
        Info { kind: DeviceKind::Host, name, version, capabilities: Label::new(""), limits }
    }

    fn create(&mut self, bytes: u64, _usage: Usage, _label: &str) -> Result<Native> {
        self.faults.allocate()?;
        let none = || Error::value(Status::OutOfMemory, "bytes", bytes, "memory could not be had");
        let length = usize::try_from(bytes).map_err(|_| none())?;
        check_available(bytes, "bytes", "more memory than is available")?;
        self.buffers.try_reserve(1).map_err(|_| none())?;
        let pages = Pages::new(length, false)?;
        let native = Native(pages.data().as_ptr() as u64);
        self.buffers.insert(native, Buffer { pages, bytes, mapped: false, dead: false });
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
                buffer.dead = true;
            }
        } else {
            self.buffers.remove(&native);
        }
    }

    fn write(&mut self, to: Native, offset: u64, data: &[u8]) -> Result<()> {
        self.faults.step()?;
        self.range("to", to, offset, data.len() as u64)?;
        if self.is_idle() {
            // SAFETY: the range is inside of the buffer, which no work uses.
            unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), self.at(to, offset), data.len()) };
            return Ok(());
        }
        let mut copy = try_vec(data.len())?;
        copy.extend_from_slice(data);
        self.record(Work::Write { to, offset, data: copy })
    }

    fn copy(&mut self, from: Native, from_offset: u64, to: Native, to_offset: u64, bytes: u64) -> Result<()> {
        self.faults.step()?;
        self.range("from", from, from_offset, bytes)?;
        self.range("to", to, to_offset, bytes)?;
        if from == to {
            let why = "a copy needs two buffers";
            return Err(Error::value(Status::Argument, "to", to.0, why));
        }
        self.record(Work::Copy { from, from_offset, to, to_offset, bytes })
    }

    fn map(&mut self, native: Native, _mode: MapMode, offset: u64, bytes: u64) -> Result<NonNull<u8>> {
        self.faults.step()?;
        self.range("buffer", native, offset, bytes)?;
        if self.is_used(native) {
            let why = "work that uses it has not been done; wait for its fence";
            return Err(Error::value(Status::State, "buffer", native.0, why));
        }
        let unknown = || Error::of(Status::Handle);
        let buffer = self.buffers.get_mut(&native).ok_or_else(unknown)?;
        buffer.mapped = true;
        NonNull::new(self.at(native, offset)).ok_or_else(unknown)
    }

    fn unmap(&mut self, native: Native) -> Result<()> {
        self.faults.step()?;
        match self.buffers.get_mut(&native).filter(|buffer| buffer.mapped) {
            Some(buffer) => buffer.mapped = false,
            None => return Err(Error::value(Status::State, "buffer", native.0, "the buffer is not mapped")),
        }
        Ok(())
    }

    fn submit(&mut self) -> Result<Fence> {
        self.faults.step()?;
        self.timeline.try_reserve(1)?;
        let work = std::mem::take(&mut self.recorded);
        self.timeline.push_back(Submission { work, late_by: self.faults.late_by(), complete: false });
        Ok(Fence(self.passed + self.timeline.len() as u64))
    }

    fn wait(&mut self, fence: Fence, timeout: Timeout) -> Result<bool> {
        let deadline = Deadline::after(timeout);
        loop {
            self.faults.check()?;
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
