//! The state of a dynamic buffer: its memory, and the frames whose updates use it.
//!
//! Plain data, under the lock of the ring. The updates of a frame take room one behind the other; the room is freed when the fence of
//! the frame has passed.

use std::collections::VecDeque;

use crate::alloc::Arc;
use crate::buffers::buffer::{Buffer, BufferDesc, BufferInner, HostPtr};
use crate::device::device::Device;
use crate::device::driver::{Fence, Foreign, Native, Usage};
use crate::device::frame_ring::FrameRing;
use crate::error::Result;
use crate::sync::atomic::{AtomicU64, Ordering::*};

/// The number of rings so far. Each counts its frames from another number, so that it refuses the updates of other rings: their
/// buffers may have equal handles on another device.
static RINGS: AtomicU64 = AtomicU64::new(0);

/// Statistics of a dynamic buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DynamicStatistics {
    /// Updates begun.
    pub updates: u64,
    /// Bytes of these updates.
    pub bytes: u64,
    /// Ended frames that had updates.
    pub frames: u64,
    /// Updates that waited for room.
    pub stalls: u64,
    /// Duration of these waits, in nanoseconds.
    pub stalled_ns: u64,
    /// Updates refused because the ring was full.
    pub refused: u64,
    /// How often the ring grew.
    pub grown: u64,
    /// How often the ring shrank.
    pub trimmed: u64,
    /// Updates larger than the ring, which got a buffer of their own.
    pub dedicated: u64,
}

/// Memory that updates are written to, and its device buffer.
#[derive(Debug)]
pub(crate) struct UpdateStorage {
    pub(crate) buffer: Buffer,
    data: HostPtr,
}

impl UpdateStorage {
    pub(crate) fn new(device: &Device, bytes: u64, usage: Usage, label: &str) -> Result<Arc<UpdateStorage>> {
        // COPY_DST is for devices where updates are written elsewhere and copied.
        let usage = usage | Usage::COPY_DST;
        let desc = BufferDesc { size: bytes, usage, mapped_at_creation: false, label };
        let (inner, data) = BufferInner::persistent(device, &desc)?;
        Ok(Arc::new(UpdateStorage { buffer: Buffer { inner }, data }))
    }

    pub(crate) fn native(&self) -> Native {
        self.buffer.inner.native
    }

    /// Whether it has finished updates that the device has not copied yet.
    fn needs_flush(&self) -> bool {
        self.buffer.inner.pending_writes.as_ref().is_some_and(|writes| writes.has_finished())
    }
}

/// The room of one update, until its frame ends.
#[derive(Debug)]
pub(crate) struct RawSlice {
    pub(crate) storage: Arc<UpdateStorage>,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) frame: u64,
}

impl RawSlice {
    pub(crate) fn native(&self) -> Native {
        self.storage.native()
    }

    pub(crate) fn data(&self) -> *mut u8 {
        self.storage.data.0.as_ptr().wrapping_add(self.offset as usize)
    }
}

#[derive(Debug)]
pub(super) struct RingState {
    pub(super) storage: Arc<UpdateStorage>,
    pub(super) room: FrameRing,
    /// The current frame.
    pub(super) frame: u64,
    /// Its updates that are not finished.
    pub(super) open: Vec<(Native, u64)>,
    /// Whether it had updates.
    pub(super) used: bool,
    /// Frames that have ended, and the fence of each once it is known.
    pub(super) ended: VecDeque<(u64, Option<Fence>)>,
    /// Fences of renderers that drew updates of ended frames, for which the device does not wait yet.
    pub(super) drawn: Vec<Foreign>,
    /// Replaced storage, and storage for a single update, with the last frame that uses it.
    retired: VecDeque<(u64, Arc<UpdateStorage>)>,
    /// How many frames in a row would have fitted into the ring's first size.
    pub(super) idle: u32,
    pub(super) statistics: DynamicStatistics,
}

impl RingState {
    pub(super) fn new(storage: Arc<UpdateStorage>, bytes: u64) -> RingState {
        RingState {
            storage,
            room: FrameRing::new(bytes),
            frame: (RINGS.fetch_add(1, Relaxed) << 32) + 1,
            open: Vec::new(),
            used: false,
            ended: VecDeque::new(),
            drawn: Vec::new(),
            retired: VecDeque::new(),
            idle: 0,
            statistics: DynamicStatistics::default(),
        }
    }

    /// Takes room for an update of this frame, if there is any.
    pub(super) fn claim(&mut self, bytes: u64, align: u64) -> Result<Option<RawSlice>> {
        let offset = self.room.claim(bytes, align, self.frame)?;
        Ok(offset.map(|offset| self.begin(self.storage.clone(), offset, bytes, align)))
    }

    /// Takes a whole storage for an update of this frame.
    pub(super) fn claim_dedicated(
        &mut self,
        storage: Arc<UpdateStorage>,
        bytes: u64,
        align: u64,
    ) -> RawSlice {
        self.retired.push_back((self.frame, storage.clone()));
        self.statistics.dedicated += 1;
        self.begin(storage, 0, bytes, align)
    }

    fn begin(&mut self, storage: Arc<UpdateStorage>, offset: u64, bytes: u64, align: u64) -> RawSlice {
        if let Some(writes) = &storage.buffer.inner.pending_writes {
            // Rounded up, so that adjacent updates are copied together.
            writes.begin(offset, bytes.max(1).next_multiple_of(align));
        }
        self.open.push((storage.native(), offset));
        self.used = true;
        self.statistics.updates += 1;
        self.statistics.bytes += bytes;
        RawSlice { storage, offset, bytes, frame: self.frame }
    }

    /// Finishes an update; false if it was finished before.
    pub(super) fn finish(&mut self, native: Native, offset: u64) -> bool {
        let Some(at) = self.open.iter().rposition(|open| *open == (native, offset)) else { return false };
        self.open.swap_remove(at);
        let storage = self.find(native);
        if let Some(writes) = storage.and_then(|storage| storage.buffer.inner.pending_writes.as_ref()) {
            writes.finish(offset);
        }
        true
    }

    /// The storage of this frame, or of one in flight.
    pub(super) fn find(&self, native: Native) -> Option<&Arc<UpdateStorage>> {
        self.storages().find(|storage| storage.native() == native)
    }

    /// Storages with finished updates that the device has not copied yet.
    pub(super) fn unflushed(&self) -> Vec<Arc<UpdateStorage>> {
        self.storages().filter(|storage| storage.needs_flush()).cloned().collect()
    }

    fn storages(&self) -> impl Iterator<Item = &Arc<UpdateStorage>> {
        self.retired.iter().map(|(_, storage)| storage).chain([&self.storage])
    }

    /// Replaces the storage for the next updates of this frame and for later frames.
    pub(super) fn replace(&mut self, storage: Arc<UpdateStorage>, bytes: u64) {
        let old = std::mem::replace(&mut self.storage, storage);
        self.retired.push_back((self.frame, old));
        self.room = FrameRing::new(bytes);
        self.idle = 0;
    }

    /// Ends the frame, which has updates; `base` is the ring's first size. Returns the frame.
    pub(super) fn end_frame(&mut self, base: u64) -> u64 {
        let frame = self.frame;
        self.ended.push_back((frame, None));
        self.frame += 1;
        self.used = false;
        self.idle = if self.room.used() > base { 0 } else { self.idle.saturating_add(1) };
        self.statistics.frames += 1;
        frame
    }

    /// Sets the fence of this frame, and of earlier ones without a fence.
    pub(super) fn submitted(&mut self, frame: u64, fence: Fence) {
        let unknown = self.ended.iter_mut().filter(|(ended, fence)| *ended <= frame && fence.is_none());
        unknown.for_each(|(_, unknown)| *unknown = Some(fence));
    }

    /// Frees the room and the storage of frames whose fences have passed.
    pub(super) fn free(&mut self, device: &Device) {
        let mut passed = 0;
        while let Some((frame, Some(fence))) = self.ended.front()
            && device.has_passed(*fence)
        {
            passed = *frame;
            self.ended.pop_front();
        }
        self.room.free(passed);
        while self.retired.front().is_some_and(|(frame, _)| *frame <= passed) {
            self.retired.pop_front();
        }
    }
}
