//! The ring of a dynamic buffer: room for updates by policy, and the end of frames.
//!
//! An update takes room in the ring. If there is none, the policy decides: fail, wait for the oldest frame, or grow. Ending a
//! frame puts a fence behind its last use; when the fence has passed, its room is free again.

use crate::alloc::{Arc, boxed};
use crate::buffers::dynamic::state::{DynamicStatistics, RawSlice, RingState, UpdateStorage};
use crate::device::device::Device;
use crate::device::driver::{Driver, Fence, Native, Usage};
use crate::error::{Error, Label, Result, Status};
use crate::log::{self, Level};
use crate::sync::mutex::{Mutex, MutexGuard};
use crate::sys::clock::{Deadline, Timeout, now};

/// How often an update that must not wait yields to a thread that is ending a frame.
const YIELDS: u32 = 200;
/// Larger updates are copied outside of the lock.
const SMALL: usize = 4096;
/// The smallest alignment of an update: that of a vertex attribute of four numbers.
const ALIGN: u64 = 16;
/// A grown ring shrinks after this many frames that fit into its first size.
const IDLE_FRAMES: u32 = 64;

const FULL: &str =
    "the ring is full of frames in flight; configure more frames, or a policy that waits or grows";

/// The behavior of a full ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingPolicy {
    /// An update fails with [`Status::Full`].
    Fail,
    /// An update waits for the oldest frame, at most this long.
    Block(Timeout),
    /// The ring gets larger storage. It shrinks again when it is idle.
    Grow {
        /// The largest size of the ring in bytes. At this size, an update fails with [`Status::Full`].
        most: u64,
    },
}

/// Parameters of a dynamic buffer.
#[derive(Clone, Copy, Debug)]
pub struct DynamicConfig<'a> {
    /// The approximate number of bytes that a frame writes.
    pub size: u64,
    /// The uses of the buffer; COPY_DST is added.
    pub usage: Usage,
    /// Frames in flight, 1 to 16: the ring has this many times `size`. Fences protect the bytes, not this number.
    pub frames: u32,
    /// The behavior of a full ring.
    pub policy: RingPolicy,
    /// Name in errors, logs and reports.
    pub label: &'a str,
}

impl Default for DynamicConfig<'_> {
    fn default() -> Self {
        let policy = RingPolicy::Block(Timeout::nanos(1_000_000_000));
        DynamicConfig { size: 0, usage: Usage::UNIFORM, frames: 3, policy, label: "" }
    }
}

/// The limit of `DynamicConfig::frames`.
const MAX_FRAMES: u32 = 16;

impl DynamicConfig<'_> {
    fn check(&self) -> Result<()> {
        if !(1..=MAX_FRAMES).contains(&self.frames) {
            return Err(Error::value(Status::Argument, "frames", self.frames, "must be 1 to 16"));
        }
        let reason = if self.usage == Usage::NONE {
            "at least one flag is required"
        } else if self.usage.intersects(Usage::MAP_READ | Usage::MAP_WRITE) {
            "a dynamic buffer is never mapped: remove MAP_READ and MAP_WRITE"
        } else {
            return Ok(());
        };
        Err(Error::value(Status::Argument, "usage", self.usage.bits(), reason))
    }
}

/// What makes room for an update that does not fit.
enum Remedy {
    Grow {
        to: u64,
    },
    Dedicated,
    Wait(Fence),
    /// Another thread is ending a frame.
    FrameEnds,
    None(&'static str),
}

#[derive(Debug)]
pub(crate) struct DynamicRing {
    pub(crate) device: Device,
    pub(crate) usage: Usage,
    pub(crate) label: Label,
    align: u64,
    /// The first size of the ring in bytes.
    base: u64,
    policy: RingPolicy,
    state: Mutex<RingState>,
}

impl DynamicRing {
    pub(crate) fn new(device: &Device, config: &DynamicConfig<'_>) -> Result<DynamicRing> {
        config.check()?;
        let limits = device.info().limits;
        let aligned = |usage, to| if config.usage.contains(usage) { to } else { ALIGN };
        let align = aligned(Usage::UNIFORM, limits.uniform_offset_alignment)
            .max(aligned(Usage::STORAGE, limits.storage_offset_alignment))
            .max(ALIGN);
        let base = config.size.max(1).checked_next_multiple_of(align);
        let base = base.and_then(|size| size.checked_mul(config.frames.into())).ok_or_else(|| {
            let reason = "size times frames exceeds the largest buffer of this device";
            Error::value(Status::Limit, "size", config.size, reason)
        })?;
        let storage = UpdateStorage::new(device, base, config.usage, config.label)?;
        let state = Mutex::new(RingState::new(storage, base));
        let DynamicConfig { usage, policy, .. } = *config;
        Ok(DynamicRing {
            device: device.clone(),
            usage,
            label: Label::new(config.label),
            align,
            base,
            policy,
            state,
        })
    }

    /// A whole update. A small one that finds room is written under one lock.
    pub(crate) fn update(&self, data: &[u8]) -> Result<RawSlice> {
        let bytes = data.len() as u64;
        if data.len() <= SMALL {
            let _mapped = self.device.use_mapped()?;
            let mut state = self.state.lock();
            if let Some(slice) = state.claim(bytes, self.align)? {
                // SAFETY: the room belongs to this update, and its memory stays while it is in use.
                unsafe { slice.data().copy_from_nonoverlapping(data.as_ptr(), data.len()) };
                state.finish(slice.native(), slice.offset);
                return Ok(slice);
            }
        }
        // This may wait for room, and so it uses no mapped bytes: the end of the device does not wait for it.
        let slice = self.begin(bytes)?;
        let written = self.device.use_mapped().map(|_mapped| {
            // SAFETY: as above.
            unsafe { slice.data().copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        });
        self.finish(slice.native(), slice.offset, slice.frame)?;
        written.map(|()| slice)
    }

    /// Room for an update of this frame, by the policy.
    pub(crate) fn begin(&self, bytes: u64) -> Result<RawSlice> {
        self.device.lost().map_or(Ok(()), Err)?;
        let mut stall = None;
        let result = self.claim(bytes, &mut stall);
        if let Some((began, _)) = stall {
            let statistics = &mut self.state.lock().statistics;
            statistics.stalls += 1;
            statistics.stalled_ns += now().saturating_sub(began);
        }
        result
    }

    /// Room by the policy; `stall` is set to the begin and the deadline of the wait, if there is one.
    fn claim(&self, bytes: u64, stall: &mut Option<(u64, Deadline)>) -> Result<RawSlice> {
        let mut deadline = |timeout| stall.get_or_insert_with(|| (now(), Deadline::after(timeout))).1;
        let (mut polled, mut yields) = (false, 0);
        loop {
            let remedy = {
                let mut state = self.state.lock();
                if let Some(slice) = state.claim(bytes, self.align)? {
                    return Ok(slice);
                }
                state.free(&self.device);
                if let Some(slice) = state.claim(bytes, self.align)? {
                    return Ok(slice);
                }
                self.remedy(&state, bytes)
            };
            // The device may have passed fences that nothing has polled yet.
            if !polled && !matches!(remedy, Remedy::Wait(_) | Remedy::Dedicated) {
                polled = true;
                self.poll_fences()?;
                continue;
            }
            match (remedy, self.policy) {
                (Remedy::FrameEnds, RingPolicy::Block(timeout)) => {
                    let ready = || {
                        !matches!(self.state.lock().ended.front(), Some((_, None)))
                            || self.device.lost().is_some()
                    };
                    self.device.wait_until(deadline(timeout), &ready)?;
                    self.device.lost().map_or(Ok(()), Err)?;
                }
                (Remedy::FrameEnds, _) if yields < YIELDS => {
                    yields += 1;
                    std::thread::yield_now();
                }
                (Remedy::FrameEnds, _) => return Err(self.refuse(bytes, FULL)),
                (Remedy::Grow { to }, _) => self.replace(to, |statistics| &mut statistics.grown)?,
                (Remedy::Dedicated, _) => return self.claim_dedicated(bytes),
                (Remedy::Wait(fence), RingPolicy::Block(timeout)) => {
                    self.device.wait(fence, deadline(timeout), &|| false)?;
                }
                (Remedy::Wait(_), _) => {}
                (Remedy::None(reason), _) => return Err(self.refuse(bytes, reason)),
            }
        }
    }

    fn remedy(&self, state: &RingState, bytes: u64) -> Remedy {
        let now = state.room.bytes();
        // A size that cannot be rounded up fits nowhere; creating its buffer fails with the reason.
        let rounded = bytes.checked_next_multiple_of(self.align).unwrap_or(u64::MAX);
        if let RingPolicy::Grow { most } = self.policy
            && now < most
            && rounded <= most
        {
            let to = now.saturating_mul(2).max(rounded).min(most);
            let to = to - to % self.align;
            if to > now {
                return Remedy::Grow { to };
            }
        }
        if rounded > now {
            return Remedy::Dedicated;
        }
        match (self.policy, state.ended.front()) {
            (RingPolicy::Block(_), Some((_, Some(fence)))) => Remedy::Wait(*fence),
            (_, Some((_, None))) => Remedy::FrameEnds,
            (RingPolicy::Block(_), None) => {
                Remedy::None("this frame alone fills the ring; end it, or configure a larger size")
            }
            _ => Remedy::None(FULL),
        }
    }

    fn refuse(&self, bytes: u64, reason: &'static str) -> Error {
        self.state.lock().statistics.refused += 1;
        Error::value(Status::Full, "bytes", bytes, reason)
    }

    /// Storage for one update, kept until its frame has passed.
    fn claim_dedicated(&self, bytes: u64) -> Result<RawSlice> {
        let rounded = bytes.checked_next_multiple_of(self.align).unwrap_or(bytes);
        let storage = UpdateStorage::new(&self.device, rounded, self.usage, self.label.as_str())?;
        Ok(self.state.lock().claim_dedicated(storage, bytes, self.align))
    }

    /// Replaces the storage by one of this size, and counts that.
    fn replace(&self, bytes: u64, counter: fn(&mut DynamicStatistics) -> &mut u64) -> Result<()> {
        let before = self.state.lock().storage.native();
        let storage = UpdateStorage::new(&self.device, bytes, self.usage, self.label.as_str())?;
        let mut state = self.state.lock();
        // Another thread may have replaced it meanwhile.
        if state.storage.native() == before {
            state.replace(storage, bytes);
            *counter(&mut state.statistics) += 1;
        }
        Ok(())
    }

    /// Has the device poll the fences of ended frames, if this thread may drive it.
    fn poll_fences(&self) -> Result<()> {
        let newest = self.state.lock().ended.iter().rev().find_map(|(_, fence)| *fence);
        match newest {
            Some(fence) if !self.device.is_host_driven() || self.device.is_owner() => {
                self.device.call_untimed(|driver| self.device.poll_fence(driver, fence))
            }
            _ => Ok(()),
        }
    }

    fn current(&self, frame: u64) -> Result<MutexGuard<'_, RingState>> {
        let state = self.state.lock();
        if frame == state.frame {
            return Ok(state);
        }
        let reason = "has ended, or is of another dynamic buffer; begin an update of this frame";
        Err(Error::value(Status::Stale, "slice.frame", frame, reason))
    }

    /// The storage of an update. Fails unless its frame is the current one.
    pub(crate) fn storage(&self, native: Native, frame: u64) -> Result<Arc<UpdateStorage>> {
        let state = self.current(frame)?;
        let reason = "does not belong to this dynamic buffer";
        let unknown = || Error::value(Status::Argument, "slice.buffer", native.0, reason);
        state.find(native).cloned().ok_or_else(unknown)
    }

    /// Finishes an update of this frame.
    pub(crate) fn finish(&self, native: Native, offset: u64, frame: u64) -> Result<()> {
        if self.current(frame)?.finish(native, offset) {
            return Ok(());
        }
        Err(Error::text(Status::State, "the update was ended before"))
    }

    /// Copies finished updates to the device, where they were written elsewhere.
    pub(crate) fn flush(&self) -> Result<()> {
        let unflushed = self.state.lock().unflushed();
        if unflushed.is_empty() {
            return Ok(());
        }
        let renderer = self.device.renderer().filter(|renderer| renderer.check().is_ok());
        let exported = self.device.call_untimed(|driver| {
            flush(&unflushed, driver)?;
            driver.submit()?;
            if renderer.is_some() { driver.export().map(Some) } else { Ok(None) }
        })?;
        if let (Some(renderer), Some(fence)) = (renderer, exported) {
            renderer.wait(fence);
            self.device.discard(fence);
        }
        Ok(())
    }

    /// Ends the frame. All work that uses its updates was submitted, or drawn on this thread.
    pub(crate) fn end_frame(this: &Arc<DynamicRing>) -> Result<()> {
        let (frame, unflushed, shrink) = {
            let mut state = this.state.lock();
            if !state.open.is_empty() {
                let reason = "updates of this frame are not ended; end them first";
                return Err(Error::value(Status::State, "open", state.open.len() as u64, reason));
            }
            if !state.used {
                state.free(&this.device);
                return Ok(());
            }
            let unflushed = state.unflushed();
            let frame = state.end_frame(this.base);
            (frame, unflushed, state.room.bytes() > this.base && state.idle >= IDLE_FRAMES)
        };
        let renderer = this.device.renderer().filter(|renderer| renderer.check().is_ok());
        if let Some(renderer) = renderer {
            let drawn = renderer.fence()?;
            this.state.lock().drawn.push(drawn);
        }
        if this.device.is_owner() {
            this.submit_frame(frame, &unflushed)?;
        } else {
            // A rendering thread does not wait for the owner thread.
            let ring = this.clone();
            let submit = boxed(move || {
                if let Err(error) = ring.submit_frame(frame, &unflushed) {
                    let text = format_args!("frame {frame} is freed with the next frame: {error}");
                    log::record(Level::Warn, "buffers", ring.label.as_str(), text);
                }
            })?;
            this.device.run_after(Fence(0), submit)?;
        }
        if shrink && let Err(error) = this.replace(this.base, |statistics| &mut statistics.trimmed) {
            // The frame has ended all the same.
            let text = format_args!("the ring keeps its size: {error}");
            log::record(Level::Warn, "buffers", this.label.as_str(), text);
        }
        Ok(())
    }

    /// Submits a fence behind the work that uses a frame. If that fails, the fence of the next frame frees this one as well.
    fn submit_frame(&self, frame: u64, unflushed: &[Arc<UpdateStorage>]) -> Result<()> {
        let fence = self.device.call_untimed(|driver| {
            flush(unflushed, driver)?;
            loop {
                let Some(drawn) = self.state.lock().drawn.pop() else { break };
                // One that was not imported is still to be waited for, by the next submit.
                driver.import(drawn).inspect_err(|_| self.state.lock().drawn.push(drawn))?;
            }
            let fence = driver.submit()?;
            self.device.poll_fence(driver, fence)?;
            Ok(fence)
        })?;
        let mut state = self.state.lock();
        state.submitted(frame, fence);
        state.free(&self.device);
        Ok(())
    }

    pub(crate) fn statistics(&self) -> DynamicStatistics {
        self.state.lock().statistics
    }

    /// Size of the ring in bytes.
    pub(crate) fn capacity(&self) -> u64 {
        self.state.lock().room.bytes()
    }
}

impl Drop for DynamicRing {
    fn drop(&mut self) {
        self.state.get_mut().drawn.drain(..).for_each(|fence| self.device.discard(fence));
    }
}

fn flush(storages: &[Arc<UpdateStorage>], driver: &mut dyn Driver) -> Result<()> {
    storages.iter().try_for_each(|storage| storage.buffer.inner.prepare(driver))
}
