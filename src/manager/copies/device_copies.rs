//! Twins: what a manager on a device keeps there of each copy, and how a twin is brought up to date before a publish.
//!
//! Every copy has one native buffer, its slot, for as long as the copy lives: renderers may cache what they make of it. The
//! host copies stay the truth, so that updates, kernels and reads never wait for the device, and a lost device loses
//! nothing. Invariant: outside `behind[k]` twin `k` equals the front. Before copy `k` is published, long runs that the front's
//! twin has are copied from it on the device; short ones, and what changed in this epoch, are written from the host copy.

use crate::alloc::try_vec;
use crate::device::device::Device;
use crate::device::driver::{Driver, Fence, Foreign, Native, Renderer, Usage};
use crate::error::{Error, Label, Result, Status};
use crate::manager::copies::copy_forward::Forward;
use crate::manager::copies::dirty_bitmap::GRANULE;
use crate::manager::copies::dirty_set::Intervals;
use crate::sync::atomic::{AtomicU64, Ordering::*};
use crate::sync::mutex::Mutex;
use crate::sys::clock::Deadline;
use crate::sys::clock::Timeout;

/// Bytes that the owner thread moves in one turn, so that a poll with a budget comes to its end.
const TURN: usize = 1 << 20;

/// Runs that lie closer are written as one: a call costs more than the bytes between.
const NEAR: usize = 4 << 10;

/// What a twin lacks is copied on the device from this length on. Shorter runs are written with what is fresh, near which
/// they often lie: measured, on the CPU that is as quick, and it takes fewer calls.
const LONG: usize = 16 << 10;

/// Intervals that are written one by one, to the byte.
const FEW: usize = 8;

/// The twin of one copy.
#[derive(Debug)]
struct Slot {
    /// Its buffer, 0 before it was first needed. Never another.
    native: AtomicU64,
    /// Passed when its content is there, for other contexts.
    ready: AtomicU64,
    /// Fences of renderers that have drawn from it.
    released: Mutex<Vec<Foreign>>,
}

/// The twins of all copies.
#[derive(Debug)]
pub(crate) struct Twins {
    device: Device,
    /// Names the buffers.
    label: Label,
    bytes: u64,
    slots: Vec<Slot>,
}

/// What of a twin a renderer needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    pub(crate) native: Native,
    pub(crate) ready: Foreign,
}

impl Twins {
    pub(crate) fn new(device: &Device, label: &str, bytes: u64, copies: usize) -> Result<Twins> {
        let most = device.info().limits.max_buffer_size;
        if bytes > most {
            let why = "bytes: more than a buffer of the device can have";
            return Err(Error::value(Status::Limit, "shape", bytes, why));
        }
        let mut slots = try_vec(copies)?;
        for _ in 0..copies {
            slots.push(Slot {
                native: AtomicU64::new(0),
                ready: AtomicU64::new(0),
                released: Mutex::new(try_vec(8)?),
            });
        }
        Ok(Twins { device: device.clone(), label: Label::new(label), bytes, slots })
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// The twin of a published copy that a lease holds.
    pub(crate) fn published(&self, copy: usize) -> Published {
        let slot = &self.slots[copy];
        // Acquire: published with the copy, by the same thread.
        Published { native: Native(slot.native.load(Acquire)), ready: Foreign(slot.ready.load(Acquire)) }
    }

    /// Puts a fence behind what this thread's renderer has drawn from a twin: once it has passed, the renderer is done.
    pub(crate) fn fence(&self, copy: usize, renderer: &dyn Renderer) -> Result<()> {
        let mut released = self.slots[copy].released.lock();
        if released.len() == released.capacity() {
            // A front that stays the newest is drawn from again and again.
            released.retain(|&fence| !renderer.reap(fence));
        }
        released.try_reserve(1)?;
        released.push(renderer.fence()?);
        Ok(())
    }

    /// Gives a copy's buffer and fences back. Nobody holds the copy any more.
    pub(crate) fn free(&self, copy: usize) {
        let Some(slot) = self.slots.get(copy) else { return };
        match slot.native.swap(0, AcqRel) {
            0 => {}
            native => self.device.retire(Native(native)),
        }
        self.device.discard(Foreign(slot.ready.swap(0, AcqRel)));
        slot.released.lock().drain(..).for_each(|fence| self.device.discard(fence));
    }
}

impl Slot {
    /// Makes it writable: there is a buffer, and what renderers still draw comes first.
    fn open(&self, driver: &mut dyn Driver, twins: &Twins) -> Result<Native> {
        while let Some(fence) = self.released.lock().pop() {
            driver.import(fence)?;
        }
        match self.native.load(Relaxed) {
            0 => {
                // Empty states have a buffer too; and drivers like whole words.
                let native =
                    driver.create(twins.bytes.max(4).next_multiple_of(4), usage(), twins.label.as_str())?;
                self.native.store(native.0, Release);
                Ok(native)
            }
            native => Ok(Native(native)),
        }
    }
}

/// What renderers do with a front.
fn usage() -> Usage {
    Usage::VERTEX
        | Usage::INDEX
        | Usage::UNIFORM
        | Usage::STORAGE
        | Usage::INDIRECT
        | Usage::COPY_SRC
        | Usage::COPY_DST
}

/// What each twin lacks. The role's holder only.
#[derive(Debug)]
pub(crate) struct Behind {
    sets: Vec<Intervals>,
    /// What the present upload has still to write.
    fresh: Intervals,
}

/// One turn's view of an upload; it crosses to the owner thread and back.
struct Upload<'a> {
    twins: &'a Twins,
    slot: &'a Slot,
    /// The front's twin, and what is still to be copied from it.
    front: Native,
    old: &'a mut Intervals,
    fresh: &'a mut Intervals,
    data: *const u8,
}

// SAFETY: whoever made it waits until its turn is over, and holds the role, which guards the copy behind `data`.
unsafe impl Send for Upload<'_> {}

impl Behind {
    pub(crate) fn new(bytes: u64, copies: usize) -> Result<Behind> {
        let mut sets = try_vec(copies)?;
        for _ in 0..copies {
            let mut set = Intervals::new(bytes as usize)?;
            if bytes > 0 {
                set.insert_all();
            }
            sets.push(set);
        }
        Ok(Behind { sets, fresh: Intervals::new(bytes as usize)? })
    }

    /// Writes the first content of copy 0 to its twin.
    pub(crate) fn begin(&mut self, twins: &Twins, data: *const u8, patience: Deadline) -> Result<()> {
        self.fresh.clear();
        if twins.bytes > 0 {
            self.fresh.insert_all();
        }
        self.sets[0].clear();
        self.send(twins, 0, Native(0), data, patience, &|| false)
    }

    /// Brings the twin of the back copy up to date, and waits until the device has it.
    pub(crate) fn upload(
        &mut self,
        twins: &Twins,
        forward: &mut Forward,
        stop: &dyn Fn() -> bool,
    ) -> Result<()> {
        let (front, back) = (forward.front(), forward.back());
        self.fresh.clear();
        let (mut count, fresh) = (0, &mut self.fresh);
        forward.for_each_dirty(|start, end| {
            count += 1;
            fresh.insert(start, end);
        });
        if count > FEW {
            fresh.spread();
        }
        for (copy, set) in self.sets.iter_mut().enumerate() {
            if copy != back {
                set.union(fresh);
            } else if !set.is_empty() {
                set.spread();
                // Granules that are written in whole need not be copied first.
                fresh.for_each(|start, end| {
                    let (from, to) = (start.div_ceil(GRANULE), end / GRANULE);
                    if from < to {
                        set.granules().remove(from, to - 1);
                    }
                });
            }
        }
        let source = twins.published(front).native;
        let data = forward.target();
        let result = self.send(twins, back, source, data, Deadline::NEVER, stop);
        if result.is_err() && twins.bytes > 0 {
            // Nobody knows how far it came.
            self.sets[back].insert_all();
        }
        result
    }

    /// Sends what `sets[copy]` and `fresh` hold, in turns of the owner thread, and waits for the device.
    fn send(
        &mut self,
        twins: &Twins,
        copy: usize,
        front: Native,
        data: *const u8,
        patience: Deadline,
        stop: &dyn Fn() -> bool,
    ) -> Result<()> {
        let mut upload = Upload {
            twins,
            slot: &twins.slots[copy],
            front,
            old: &mut self.sets[copy],
            fresh: &mut self.fresh,
            data,
        };
        loop {
            let turn = &mut upload;
            let fence =
                twins.device.call(patience, stop, move |driver: &mut dyn Driver| turn.turn(driver))?;
            match fence {
                None => {}
                Some(Fence(0)) => return Ok(()),
                Some(fence) => return twins.device.wait(fence, patience, stop),
            }
        }
    }
}

impl Upload<'_> {
    /// One turn on the owner thread. The fence of the last one; `Fence(0)` if it has passed already.
    fn turn(&mut self, driver: &mut dyn Driver) -> Result<Option<Fence>> {
        let native = self.slot.open(driver, self.twins)?;
        let mut left = TURN;
        while left > 0
            && let Some((start, end)) = self.old.pop(left)
        {
            let (at, length) = (start as u64, (end - start) as u64);
            let copied = end - start >= LONG
                && match driver.copy(self.front, at, native, at, length) {
                    Ok(()) => true,
                    Err(error) if error.status() == Status::DeviceLost => return Err(error),
                    // Such as while a renderer has the front mapped.
                    Err(_) => false,
                };
            if copied {
                left = left.saturating_sub(end - start);
            } else {
                // The host has it, too.
                self.fresh.spread();
                self.fresh.insert(start, end);
            }
        }
        let mut pending: Option<(usize, usize)> = None;
        while left > 0
            && let Some((start, end)) = self.fresh.pop(left)
        {
            left = left.saturating_sub(end - start);
            pending = match pending {
                Some((from, to)) if start >= from && start <= to + NEAR => Some((from, end.max(to))),
                Some(run) => {
                    self.write(driver, native, run)?;
                    Some((start, end))
                }
                None => Some((start, end)),
            };
        }
        if let Some(run) = pending {
            self.write(driver, native, run)?;
        }
        if !self.old.is_empty() || !self.fresh.is_empty() {
            return Ok(None);
        }
        let fence = driver.submit()?;
        let ready = driver.export()?;
        driver.discard(Foreign(self.slot.ready.swap(ready.0, AcqRel)));
        // Where the device is done at once, nobody needs to come back for it.
        Ok(Some(if driver.wait(fence, Timeout::TRY)? { Fence(0) } else { fence }))
    }

    fn write(&self, driver: &mut dyn Driver, native: Native, (start, end): (usize, usize)) -> Result<()> {
        // SAFETY: within the back copy, which nobody writes while its uploader waits.
        let bytes = unsafe { std::slice::from_raw_parts(self.data.add(start), end - start) };
        driver.write(native, start as u64, bytes)
    }
}
