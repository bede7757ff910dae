//! Device copies: the buffer on the manager's device behind each state copy, brought up to date before each publish.
//!
//! Every copy has one native buffer for as long as it lives: renderers may cache objects made from it. The host copies stay
//! authoritative, so that updates, kernels and reads never wait for the device, and a lost device loses no data. A buffer is
//! not written before the fences of the renderers that still read it have passed: [`DeviceCopy::open`] imports them first.
//!
//! Invariant: outside `sets[k]` of [`DeviceDirty`], device copy `k` equals the front. Before copy `k` is published, long runs
//! that the front's device copy has are copied from it on the device; short ones, and what changed in this epoch, are written
//! from the host copy.

use crate::device::device::Device;
use crate::device::driver::{Driver, Fence, Foreign, Native, Renderer, Usage};
use crate::error::{Error, Label, Result, Status};
use crate::manager::copies::copy_forward::CopyForward;
use crate::manager::copies::dirty_bitmap::GRANULE;
use crate::manager::copies::dirty_set::DirtySet;
use crate::sync::atomic::{AtomicU64, Ordering::*};
use crate::sync::mutex::Mutex;
use crate::sys::clock::Deadline;
use crate::sys::clock::Timeout;

/// Bytes that the owner thread moves in one turn, so that a poll with a budget ends.
const TURN_BYTES: usize = 1 << 20;

/// Runs that lie closer are written as one: a call costs more than the bytes between.
const MERGE_GAP: usize = 4 << 10;

/// Dirty runs of this length or more are copied on the device. Shorter runs are written from the host together with fresh
/// ones, near which they often lie: by measurement that is as quick on the CPU and takes fewer calls.
const MIN_DEVICE_COPY: usize = 16 << 10;

/// Up to this many intervals are written one by one, to the byte.
const MAX_EXACT_INTERVALS: usize = 8;

/// The buffer of one copy on the device.
#[derive(Debug)]
struct DeviceCopy {
    /// The buffer; 0 before its first use. It never changes.
    native: AtomicU64,
    /// A fence for other contexts that passes when the content is complete.
    ready: AtomicU64,
    /// Fences of renderers that have drawn from the buffer.
    released: Mutex<Vec<Foreign>>,
}

/// The device copies of all state copies.
#[derive(Debug)]
pub(crate) struct DeviceCopies {
    device: Device,
    /// The name of the buffers.
    label: Label,
    bytes: u64,
    copies: Vec<DeviceCopy>,
}

/// A published device copy, as a renderer needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishedCopy {
    pub(crate) native: Native,
    pub(crate) ready: Foreign,
}

impl DeviceCopies {
    pub(crate) fn new(device: &Device, label: &str, bytes: u64, count: usize) -> Result<DeviceCopies> {
        let most = device.info().limits.max_buffer_size;
        if bytes > most {
            let reason = "bytes: more than a buffer of the device can have";
            return Err(Error::value(Status::Limit, "shape", bytes, reason));
        }
        let mut copies = Vec::with_capacity(count);
        copies.resize_with(count, || DeviceCopy {
            native: AtomicU64::new(0),
            ready: AtomicU64::new(0),
            released: Mutex::new(Vec::with_capacity(8)),
        });
        Ok(DeviceCopies { device: device.clone(), label: Label::new(label), bytes, copies })
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// The device copy of a leased front.
    pub(crate) fn published(&self, copy: usize) -> PublishedCopy {
        let copy = &self.copies[copy];
        // Acquire: published with the copy, by the same thread.
        PublishedCopy { native: Native(copy.native.load(Acquire)), ready: Foreign(copy.ready.load(Acquire)) }
    }

    /// Adds a fence after what this thread's renderer has drawn from a device copy: it passes when the renderer is done.
    pub(crate) fn fence(&self, copy: usize, renderer: &dyn Renderer) -> Result<()> {
        let mut released = self.copies[copy].released.lock();
        if released.len() == released.capacity() {
            // The newest front may be drawn from many times.
            released.retain(|&fence| !renderer.reap(fence));
        }
        released.push(renderer.fence()?);
        Ok(())
    }

    /// Releases the buffer and the fences of a copy without leases.
    pub(crate) fn free(&self, copy: usize) {
        let Some(copy) = self.copies.get(copy) else { return };
        match copy.native.swap(0, AcqRel) {
            0 => {}
            native => self.device.retire(Native(native)),
        }
        self.device.discard(Foreign(copy.ready.swap(0, AcqRel)));
        copy.released.lock().drain(..).for_each(|fence| self.device.discard(fence));
    }
}

impl DeviceCopy {
    /// Makes the buffer writable: creates it if needed, and orders writes after the renderers' reads.
    fn open(&self, driver: &mut dyn Driver, copies: &DeviceCopies) -> Result<Native> {
        loop {
            let Some(fence) = self.released.lock().pop() else { break };
            // A fence that was not imported is still to be waited for. Its place on the list is free.
            driver.import(fence).inspect_err(|_| self.released.lock().push(fence))?;
        }
        match self.native.load(Relaxed) {
            0 => {
                // Empty states have a buffer too, and drivers require whole words.
                let native =
                    driver.create(copies.bytes.max(4).next_multiple_of(4), usage(), copies.label.as_str())?;
                self.native.store(native.0, Release);
                Ok(native)
            }
            native => Ok(Native(native)),
        }
    }
}

/// The usages of a front by a renderer.
fn usage() -> Usage {
    Usage::VERTEX
        | Usage::INDEX
        | Usage::UNIFORM
        | Usage::STORAGE
        | Usage::INDIRECT
        | Usage::COPY_SRC
        | Usage::COPY_DST
}

/// The stale ranges of each device copy. Requires the applier role.
#[derive(Debug)]
pub(crate) struct DeviceDirty {
    sets: Vec<DirtySet>,
    /// What the current upload has still to write from the host copy.
    fresh: DirtySet,
}

/// The state of one upload, used by the owner thread one turn at a time.
struct Upload<'a> {
    copies: &'a DeviceCopies,
    target: &'a DeviceCopy,
    /// The front's device copy, and what is still to be copied from it.
    front: Native,
    old: &'a mut DirtySet,
    fresh: &'a mut DirtySet,
    data: *const u8,
}

// SAFETY: the thread that made it waits for every turn, and holds the role, which guards the copy behind `data`.
unsafe impl Send for Upload<'_> {}

impl DeviceDirty {
    pub(crate) fn new(bytes: u64, copies: usize) -> Result<DeviceDirty> {
        let mut sets = Vec::with_capacity(copies);
        for _ in 0..copies {
            let mut set = DirtySet::new(bytes as usize)?;
            if bytes > 0 {
                set.insert_all();
            }
            sets.push(set);
        }
        Ok(DeviceDirty { sets, fresh: DirtySet::new(bytes as usize)? })
    }

    /// Uploads the initial content of copy 0.
    pub(crate) fn upload_initial(
        &mut self,
        copies: &DeviceCopies,
        data: *const u8,
        deadline: Deadline,
    ) -> Result<()> {
        self.fresh.clear();
        if copies.bytes > 0 {
            self.fresh.insert_all();
        }
        self.sets[0].clear();
        self.send(copies, 0, Native(0), data, deadline, &|| false)
    }

    /// Brings the device copy of the back copy up to date, and waits until the device has completed that.
    pub(crate) fn upload(
        &mut self,
        copies: &DeviceCopies,
        forward: &mut CopyForward,
        stop: &dyn Fn() -> bool,
    ) -> Result<()> {
        let (front, back) = (forward.front(), forward.back());
        self.fresh.clear();
        let (mut count, fresh) = (0, &mut self.fresh);
        forward.for_each_dirty(|start, end| {
            count += 1;
            fresh.insert(start, end);
        });
        if count > MAX_EXACT_INTERVALS {
            fresh.convert_to_bitmap();
        }
        for (copy, set) in self.sets.iter_mut().enumerate() {
            if copy != back {
                set.union(fresh);
            } else if !set.is_empty() {
                set.convert_to_bitmap();
                // Granules that are written whole need not be copied first.
                fresh.for_each(|start, end| {
                    let (from, to) = (start.div_ceil(GRANULE), end / GRANULE);
                    if from < to {
                        set.granules().remove(from, to - 1);
                    }
                });
            }
        }
        let source = copies.published(front).native;
        let data = forward.back_data();
        let result = self.send(copies, back, source, data, Deadline::NEVER, stop);
        if result.is_err() && copies.bytes > 0 {
            // It is unknown how much was written.
            self.sets[back].insert_all();
        }
        result
    }

    /// Sends `sets[copy]` and `fresh` in turns of the owner thread, and waits for the device.
    fn send(
        &mut self,
        copies: &DeviceCopies,
        copy: usize,
        front: Native,
        data: *const u8,
        deadline: Deadline,
        stop: &dyn Fn() -> bool,
    ) -> Result<()> {
        let mut upload = Upload {
            copies,
            target: &copies.copies[copy],
            front,
            old: &mut self.sets[copy],
            fresh: &mut self.fresh,
            data,
        };
        loop {
            let turn = &mut upload;
            let fence =
                copies.device.call(deadline, stop, move |driver: &mut dyn Driver| turn.turn(driver))?;
            match fence {
                None => {}
                Some(Fence(0)) => return Ok(()),
                Some(fence) => return copies.device.wait(fence, deadline, stop),
            }
        }
    }
}

impl Upload<'_> {
    /// One turn on the owner thread. The last turn returns its fence; `Fence(0)` if that has passed already.
    fn turn(&mut self, driver: &mut dyn Driver) -> Result<Option<Fence>> {
        let native = self.target.open(driver, self.copies)?;
        let mut left = TURN_BYTES;
        while left > 0
            && let Some((start, end)) = self.old.pop(left)
        {
            let (at, length) = (start as u64, (end - start) as u64);
            let copied = end - start >= MIN_DEVICE_COPY
                && match driver.copy(self.front, at, native, at, length) {
                    Ok(()) => true,
                    Err(error) if error.status() == Status::DeviceLost => return Err(error),
                    // For example while a renderer has the front mapped.
                    Err(_) => false,
                };
            if copied {
                left = left.saturating_sub(end - start);
            } else {
                // Written from the host copy instead.
                self.fresh.convert_to_bitmap();
                self.fresh.insert(start, end);
            }
        }
        let mut pending: Option<(usize, usize)> = None;
        while left > 0
            && let Some((start, end)) = self.fresh.pop(left)
        {
            left = left.saturating_sub(end - start);
            pending = match pending {
                Some((from, to)) if start >= from && start <= to + MERGE_GAP => Some((from, end.max(to))),
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
        driver.discard(Foreign(self.target.ready.swap(ready.0, AcqRel)));
        // If the device is done at once, the caller need not wait for it.
        Ok(Some(if driver.wait(fence, Timeout::TRY)? { Fence(0) } else { fence }))
    }

    fn write(&self, driver: &mut dyn Driver, native: Native, (start, end): (usize, usize)) -> Result<()> {
        // SAFETY: within the back copy, which is not written while its uploader waits.
        let bytes = unsafe { std::slice::from_raw_parts(self.data.add(start), end - start) };
        driver.write(native, start as u64, bytes)
    }
}
