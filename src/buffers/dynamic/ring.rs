//! The ring below a dynamic buffer: room for updates, frame by frame, and the storage that it lies in.

use std::collections::VecDeque;

use super::statistics::{Counters, DynamicStatistics};
use super::{DynamicConfig, RingPolicy};
use crate::alloc::Arc;
use crate::buffers::storage::{Claim, Storage};
use crate::device::device::Device;
use crate::device::driver::{Fence, Native, Usage};
use crate::device::frame_ring::FrameRing;
use crate::error::{Error, Label, Result, Status};
use crate::sync::counter::Counter;
use crate::sync::mutex::{Mutex, MutexGuard};
use crate::sys::clock::{Deadline, now};

/// How often a ring that does not wait looks for a frame that is just being ended.
const SOON: u32 = 200;
/// Larger updates are copied outside of the lock.
const SMALL: usize = 4096;
const FULL: &str =
    "the ring is full of frames that the device has not done; give it more frames, or a policy that waits";
/// The least alignment of an update: what a vertex of four numbers wants.
const ALIGN: u64 = 16;

#[derive(Debug)]
pub(super) struct State {
    pub(super) storage: Arc<Storage>,
    pub(super) room: FrameRing,
    /// The frame that is being written, from 1 on.
    pub(super) frame: u64,
    /// Its updates that have not ended.
    pub(super) open: Vec<(Native, u64)>,
    /// Whether it had any.
    pub(super) used: bool,
    /// Frames that have ended, and the fence of each once it is known.
    pub(super) ended: VecDeque<(u64, Option<Fence>)>,
    /// Storage that has been replaced, and such for one update, until the last frame that uses it has passed.
    pub(super) retired: VecDeque<(u64, Arc<Storage>)>,
    /// How many frames in a row would have fitted into the ring as it was made.
    pub(super) idle: u32,
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
    pub(super) base: u64,
    policy: RingPolicy,
    pub(super) state: Mutex<State>,
    pub(super) counters: Counters,
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
    pub(crate) fn update(&self, data: &[u8]) -> Result<Claim> {
        if let Some(lost) = self.device.lost() {
            return Err(lost);
        }
        let (bytes, mut claim) = (data.len() as u64, None);
        self.device.borrow_mapped()?;
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
        self.device.return_mapped();
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
                        let known = || {
                            !matches!(self.state.lock().ended.front(), Some((_, None)))
                                || self.device.lost().is_some()
                        };
                        let waited = self.device.wait_until(deadline, &known);
                        if let Err(error) = waited.and_then(|()| self.device.lost().map_or(Ok(()), Err)) {
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
        state.open.try_reserve(1)?;
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
    pub(super) fn free(&self, state: &mut State) {
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
                self.device.call_untimed(|driver| self.device.poll_fence(driver, fence))
            }
            _ => Ok(()),
        }
    }

    /// Another storage, of that many bytes, for this frame's next updates and for later frames.
    pub(super) fn replace(&self, bytes: u64, counter: &Counter) -> Result<()> {
        let before = self.state.lock().storage.native();
        let storage = Storage::new(&self.device, bytes, self.usage, self.label.as_str())?;
        let mut state = self.state.lock();
        if state.storage.native() != before {
            // Somebody else was quicker.
            return Ok(());
        }
        state.retired.try_reserve(1)?;
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

    pub(crate) fn statistics(&self) -> DynamicStatistics {
        self.counters.seen()
    }

    /// Bytes of the ring now.
    pub(crate) fn capacity(&self) -> u64 {
        self.state.lock().room.bytes()
    }
}
