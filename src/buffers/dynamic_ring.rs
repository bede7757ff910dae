//! The ring below a dynamic buffer: room for updates, frame by frame, and the storage that it lies in.

use std::collections::VecDeque;

use parking_lot::{Mutex, MutexGuard};

use super::dynamic::{DynamicConfig, RingPolicy};
use super::storage::{Claim, Storage};
use crate::counter::Counter;
use crate::device::frame_ring::FrameRing;
use crate::device::{Device, Driver, Fence, Foreign, Native, Usage};
use crate::error::{Error, Label, Result, Status};
use crate::log::{self, Level};
use crate::memory::{Arc, boxed, try_vec};
use crate::wait::{Deadline, now};

/// A ring that grew shrinks again after so many frames that would have fitted before.
const IDLE_FRAMES: u32 = 64;
/// How often a ring that does not wait looks for a frame that is just being ended.
const SOON: u32 = 200;
/// Larger updates are copied outside of the lock.
#[cfg(feature = "capi")]
const SMALL: usize = 4096;
const FULL: &str =
    "the ring is full of frames that the device has not done; give it more frames, or a policy that waits";
/// The least alignment of an update: what a vertex of four numbers wants.
const ALIGN: u64 = 16;

/// What a dynamic buffer has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DynamicStatistics {
    /// Updates begun, and bytes of them.
    pub updates: u64,
    /// Bytes of the updates.
    pub bytes: u64,
    /// Frames ended that had updates.
    pub frames: u64,
    /// Updates that waited for room, because the device is behind.
    pub stalls: u64,
    /// Nanoseconds that they waited.
    pub stalled_ns: u64,
    /// Updates refused for want of room.
    pub refused: u64,
    /// Times that the ring grew.
    pub grown: u64,
    /// Times that it shrank again.
    pub trimmed: u64,
    /// Updates larger than the ring, which got a buffer of their own.
    pub dedicated: u64,
}

#[derive(Debug, Default)]
struct Counters {
    updates: Counter,
    bytes: Counter,
    frames: Counter,
    stalls: Counter,
    stalled_ns: Counter,
    refused: Counter,
    grown: Counter,
    trimmed: Counter,
    dedicated: Counter,
}

#[derive(Debug)]
struct State {
    storage: Arc<Storage>,
    room: FrameRing,
    /// The frame that is being written, from 1 on.
    frame: u64,
    /// Its updates that have not ended.
    open: Vec<(Native, u64)>,
    /// Whether it had any.
    used: bool,
    /// Frames that have ended, and the fence of each once it is known.
    ended: VecDeque<(u64, Option<Fence>)>,
    /// Storage that has been replaced, and such for one update, until the last frame that uses it has passed.
    retired: VecDeque<(u64, Arc<Storage>)>,
    /// How many frames in a row would have fitted into the ring as it was made.
    idle: u32,
}

impl State {
    /// An update is written; false if it has been before.
    fn close(&mut self, native: Native, offset: u64) -> bool {
        let Some(at) = self.open.iter().rposition(|open| *open == (native, offset)) else { return false };
        self.open.swap_remove(at);
        if let Some(staged) = self.find(native).and_then(|storage| storage.buffer.inner.staged.as_ref()) {
            staged.end(offset);
        }
        true
    }

    /// The storage of this frame or of one in flight.
    fn find(&self, native: Native) -> Option<&Arc<Storage>> {
        let retired = self.retired.iter().map(|(_, storage)| storage);
        retired.chain([&self.storage]).find(|storage| storage.native() == native)
    }
}

/// What helps where there is no room.
enum Remedy {
    Grow {
        to: u64,
    },
    Dedicated,
    Wait(Fence),
    /// A frame is being ended on another thread.
    Soon,
    None(&'static str),
}

#[derive(Debug)]
pub(crate) struct Ring {
    pub(crate) device: Device,
    usage: Usage,
    pub(crate) label: Label,
    align: u64,
    /// Bytes of it as it was made.
    base: u64,
    policy: RingPolicy,
    state: Mutex<State>,
    counters: Counters,
}

impl Ring {
    pub(crate) fn new(device: &Device, config: &DynamicConfig<'_>) -> Result<Ring> {
        let limits = device.info().limits;
        let aligned = |usage, to| if config.usage.contains(usage) { to } else { ALIGN };
        let align = aligned(Usage::UNIFORM, limits.uniform_offset_alignment)
            .max(aligned(Usage::STORAGE, limits.storage_offset_alignment))
            .max(ALIGN);
        let base = config.size.max(1).checked_next_multiple_of(align);
        let base = base.and_then(|size| size.checked_mul(config.frames.into())).ok_or_else(|| {
            Error::value(Status::Limit, "size", config.size, "times frames is more than a buffer can hold")
        })?;
        let label = Label::new(config.label);
        let storage = Storage::new(device, base, config.usage, config.label)?;
        let state = State {
            storage,
            room: FrameRing::new(base),
            frame: 1,
            open: Vec::new(),
            used: false,
            ended: VecDeque::new(),
            retired: VecDeque::new(),
            idle: 0,
        };
        let (device, usage, policy) = (device.clone(), config.usage, config.policy);
        let (state, counters) = (Mutex::new(state), Counters::default());
        Ok(Ring { device, usage, label, align, base, policy, state, counters })
    }

    /// A whole update, and where it is. Small ones, where there is room, are written under the one lock.
    #[cfg(feature = "capi")]
    pub(crate) fn update(&self, data: &[u8]) -> Result<Claim> {
        if let Some(lost) = self.device.lost() {
            return Err(lost);
        }
        let (bytes, mut claim) = (data.len() as u64, None);
        self.device.hold()?;
        let result = (|| {
            if data.len() <= SMALL {
                let mut state = self.state.lock();
                claim = self.claim(&mut state, bytes)?;
                if let Some(claim) = &claim {
                    // SAFETY: room that is nobody else's, of a device that is held.
                    unsafe { claim.data().copy_from_nonoverlapping(data.as_ptr(), data.len()) };
                    state.close(claim.native(), claim.offset);
                }
            }
            if claim.is_none() {
                let begun = self.begin(bytes)?;
                // SAFETY: as above.
                unsafe { begun.data().copy_from_nonoverlapping(data.as_ptr(), data.len()) };
                self.end(begun.native(), begun.offset, begun.frame)?;
                claim = Some(begun);
            }
            claim.ok_or_else(|| Error::of(Status::Full))
        })();
        self.device.let_go();
        result
    }

    /// Room for an update of this frame, by the policy.
    pub(crate) fn begin(&self, bytes: u64) -> Result<Claim> {
        if let Some(lost) = self.device.lost() {
            return Err(lost);
        }
        let (mut looked, mut soon, mut stalled) = (false, 0, None);
        let result = loop {
            let remedy = {
                let mut state = self.state.lock();
                if let Some(claim) = self.claim(&mut state, bytes)? {
                    break Ok(claim);
                }
                self.free(&mut state);
                if let Some(claim) = self.claim(&mut state, bytes)? {
                    break Ok(claim);
                }
                self.remedy(&state, bytes)
            };
            // What has passed may not have been seen yet.
            if !looked && !matches!(remedy, Remedy::Wait(_) | Remedy::Dedicated) {
                looked = true;
                self.look()?;
                continue;
            }
            match remedy {
                Remedy::Soon => match self.policy {
                    RingPolicy::Block(timeout) => {
                        let (_, deadline) = *stalled.get_or_insert_with(|| (now(), Deadline::after(timeout)));
                        let known = || !matches!(self.state.lock().ended.front(), Some((_, None)));
                        if let Err(error) = self.device.wait_until(deadline, &known) {
                            break Err(error);
                        }
                    }
                    _ if soon < SOON => {
                        soon += 1;
                        std::thread::yield_now();
                    }
                    _ => break Err(self.full(bytes, FULL)),
                },
                Remedy::Grow { to } => self.replace(to, &self.counters.grown)?,
                Remedy::Dedicated => break self.dedicated(bytes),
                Remedy::Wait(fence) => {
                    let RingPolicy::Block(timeout) = self.policy else { continue };
                    let (_, deadline) = *stalled.get_or_insert_with(|| (now(), Deadline::after(timeout)));
                    if let Err(error) = self.device.wait(fence, deadline, &|| false) {
                        break Err(error);
                    }
                }
                Remedy::None(why) => break Err(self.full(bytes, why)),
            }
        };
        if let Some((began, _)) = stalled {
            self.counters.stalls.bump(1);
            self.counters.stalled_ns.bump(now().saturating_sub(began));
        }
        result
    }

    fn full(&self, bytes: u64, why: &'static str) -> Error {
        self.counters.refused.bump(1);
        Error::value(Status::Full, "bytes", bytes, why)
    }

    fn claim(&self, state: &mut State, bytes: u64) -> Result<Option<Claim>> {
        state.open.try_reserve(1).map_err(|_| Error::of(Status::OutOfMemory))?;
        let Some(offset) = state.room.claim(bytes, self.align, state.frame)? else { return Ok(None) };
        let storage = state.storage.clone();
        self.opened(state, storage, offset, bytes).map(Some)
    }

    fn opened(&self, state: &mut State, storage: Arc<Storage>, offset: u64, bytes: u64) -> Result<Claim> {
        if let Some(staged) = &storage.buffer.inner.staged {
            // Rounded up, so that neighbours are written as one.
            staged.begin(offset, bytes.max(1).next_multiple_of(self.align))?;
        }
        state.open.push((storage.native(), offset));
        state.used = true;
        self.counters.updates.add(1);
        self.counters.bytes.add(bytes);
        Ok(Claim { storage, offset, bytes, frame: state.frame })
    }

    fn remedy(&self, state: &State, bytes: u64) -> Remedy {
        let now = state.room.bytes();
        // A piece that cannot be rounded up has no chance anywhere; making its buffer says so.
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
            (_, Some((_, None))) => Remedy::Soon,
            (RingPolicy::Block(_), None) => {
                Remedy::None("this frame alone fills the ring; end it, or give the ring a larger size")
            }
            _ => Remedy::None(FULL),
        }
    }

    /// Takes back what frames that have passed were charged.
    fn free(&self, state: &mut State) {
        let mut passed = 0;
        while let Some((frame, Some(fence))) = state.ended.front()
            && self.device.has_passed(*fence)
        {
            passed = *frame;
            state.ended.pop_front();
        }
        state.room.free(passed);
        while state.retired.front().is_some_and(|(frame, _)| *frame <= passed) {
            state.retired.pop_front();
        }
    }

    /// Has the device look at the fences of frames that have ended. Where only others could, they will.
    fn look(&self) -> Result<()> {
        let newest = self.state.lock().ended.iter().rev().find_map(|(_, fence)| *fence);
        match newest {
            Some(fence) if !self.device.is_host_driven() || self.device.is_owner() => {
                self.device.call(Deadline::NEVER, &|| false, |driver| self.device.look(driver, fence))
            }
            _ => Ok(()),
        }
    }

    /// Another storage, of that many bytes, for this frame's next updates and for later frames.
    fn replace(&self, bytes: u64, counter: &Counter) -> Result<()> {
        let before = self.state.lock().storage.native();
        let storage = Storage::new(&self.device, bytes, self.usage, self.label.as_str())?;
        let mut state = self.state.lock();
        if state.storage.native() != before {
            // Somebody else was quicker.
            return Ok(());
        }
        state.retired.try_reserve(1).map_err(|_| Error::of(Status::OutOfMemory))?;
        let old = std::mem::replace(&mut state.storage, storage);
        let frame = state.frame;
        state.retired.push_back((frame, old));
        state.room = FrameRing::new(bytes);
        state.idle = 0;
        counter.bump(1);
        Ok(())
    }

    /// A storage for one update, which is kept until its frame has passed.
    fn dedicated(&self, bytes: u64) -> Result<Claim> {
        let rounded = bytes.checked_next_multiple_of(self.align).unwrap_or(bytes);
        let storage = Storage::new(&self.device, rounded, self.usage, self.label.as_str())?;
        let mut state = self.state.lock();
        let room = state.retired.try_reserve(1).and_then(|()| state.open.try_reserve(1));
        room.map_err(|_| Error::of(Status::OutOfMemory))?;
        let frame = state.frame;
        state.retired.push_back((frame, storage.clone()));
        self.counters.dedicated.add(1);
        self.opened(&mut state, storage, 0, bytes)
    }

    fn current(&self, frame: u64) -> Result<MutexGuard<'_, State>> {
        let state = self.state.lock();
        if frame == state.frame {
            return Ok(state);
        }
        Err(Error::value(Status::Stale, "slice.frame", frame, "has ended; begin an update of this frame"))
    }

    /// Where an update of that frame lies; an error unless the frame is the one being written.
    #[cfg(feature = "capi")]
    pub(crate) fn storage(&self, native: Native, frame: u64) -> Result<Arc<Storage>> {
        let state = self.current(frame)?;
        let unknown =
            || Error::value(Status::Argument, "slice.buffer", native.0, "is not this dynamic buffer's");
        state.find(native).cloned().ok_or_else(unknown)
    }

    /// An update of `frame` has been written.
    pub(crate) fn end(&self, native: Native, offset: u64, frame: u64) -> Result<()> {
        let mut state = self.current(frame)?;
        if !state.close(native, offset) {
            return Err(Error::text(Status::State, "this update has been ended already"));
        }
        Ok(())
    }

    /// Storages with updates that have not come to the device.
    fn behind(state: &State) -> Result<Vec<Arc<Storage>>> {
        let retired = state.retired.iter().map(|(_, storage)| storage);
        let mut behind = try_vec(state.retired.len() + 1)?;
        behind.extend(retired.chain([&state.storage]).filter(|storage| storage.is_behind()).cloned());
        Ok(behind)
    }

    /// Brings what has been written to the device, where it lies elsewhere.
    pub(crate) fn flush(&self) -> Result<()> {
        let behind = Ring::behind(&self.state.lock())?;
        if behind.is_empty() {
            return Ok(());
        }
        let renderer = self.device.renderer().filter(|renderer| renderer.check().is_ok());
        let exported = self.device.call(Deadline::NEVER, &|| false, |driver| {
            bring_over(&behind, driver)?;
            driver.submit()?;
            if renderer.is_some() { driver.export().map(Some) } else { Ok(None) }
        })?;
        if let (Some(renderer), Some(fence)) = (renderer, exported) {
            renderer.wait(fence);
            self.device.discard(fence);
        }
        Ok(())
    }

    /// Ends the frame: whatever uses its updates has been submitted, or drawn on this thread.
    pub(crate) fn end_frame(this: &Arc<Ring>) -> Result<()> {
        let (frame, behind, shrink) = {
            let mut state = this.state.lock();
            if !state.open.is_empty() {
                let (open, why) =
                    (state.open.len(), "updates of this frame are being written still; end them first");
                return Err(Error::value(Status::State, "open", open as u64, why));
            }
            if !state.used {
                this.free(&mut state);
                return Ok(());
            }
            let behind = Ring::behind(&state)?;
            state.ended.try_reserve(1).map_err(|_| Error::of(Status::OutOfMemory))?;
            let frame = state.frame;
            state.ended.push_back((frame, None));
            state.frame += 1;
            state.used = false;
            state.idle = if state.room.used() > this.base { 0 } else { state.idle.saturating_add(1) };
            (frame, behind, state.room.bytes() > this.base && state.idle >= IDLE_FRAMES)
        };
        this.counters.frames.bump(1);
        let renderer = this.device.renderer().filter(|renderer| renderer.check().is_ok());
        let drawn = renderer.map(|renderer| renderer.fence()).transpose()?;
        if this.device.is_owner() {
            this.submit_frame(frame, &behind, drawn)?;
        } else {
            // The caller does not wait for the owner thread: this is on a renderer's way.
            let ring = this.clone();
            let submit = boxed(move || {
                if let Err(error) = ring.submit_frame(frame, &behind, drawn) {
                    let text = format_args!("frame {frame} is guarded by the next one: {error}");
                    log::record(Level::Warn, "buffers", ring.label.as_str(), text);
                }
            })?;
            this.device.after(Fence(0), submit)?;
        }
        if shrink { this.replace(this.base, &this.counters.trimmed) } else { Ok(()) }
    }

    /// Has a fence put behind what uses a frame. Without one of its own a frame passes with the next.
    fn submit_frame(&self, frame: u64, behind: &[Arc<Storage>], drawn: Option<Foreign>) -> Result<()> {
        let fence = self.device.call(Deadline::NEVER, &|| false, |driver| {
            bring_over(behind, driver)?;
            if let Some(drawn) = drawn {
                driver.import(drawn)?;
            }
            let fence = driver.submit()?;
            self.device.look(driver, fence)?;
            Ok(fence)
        })?;
        let mut state = self.state.lock();
        let before = state.ended.iter_mut().filter(|(number, fence)| *number <= frame && fence.is_none());
        before.for_each(|(_, unknown)| *unknown = Some(fence));
        self.free(&mut state);
        Ok(())
    }

    /// Bytes of the ring now.
    pub(crate) fn capacity(&self) -> u64 {
        self.state.lock().room.bytes()
    }

    pub(crate) fn statistics(&self) -> DynamicStatistics {
        let Counters { updates, bytes, frames, stalls, stalled_ns, refused, grown, trimmed, dedicated } =
            &self.counters;
        DynamicStatistics {
            updates: updates.get(),
            bytes: bytes.get(),
            frames: frames.get(),
            stalls: stalls.get(),
            stalled_ns: stalled_ns.get(),
            refused: refused.get(),
            grown: grown.get(),
            trimmed: trimmed.get(),
            dedicated: dedicated.get(),
        }
    }
}

fn bring_over(storages: &[Arc<Storage>], driver: &mut dyn Driver) -> Result<()> {
    storages.iter().try_for_each(|storage| storage.buffer.inner.prepare(driver))
}
