//! Work for the next submit, in the order in which it was given. What can be one call of wgpu becomes one.

use super::belt::{self, Belt};
use super::buffer::Buffer;
use super::fences;
use super::gpu::Gpu;
use super::kernels::{Kernels, WORDS, Window};
use super::mends::Mends;
use crate::device::driver::Native;
use crate::error::{Error, Result, Status};
use crate::sys::clock::Deadline;

/// Writes of at most so many bytes are mended in: a copy of its own is more work for the driver than they are for a shader.
const SMALL: u64 = 16;

/// A copy that may grow yet.
struct Pending {
    from: wgpu::Buffer,
    from_offset: u64,
    to: wgpu::Buffer,
    native: Native,
    to_offset: u64,
    bytes: u64,
}

#[derive(Default)]
pub(super) struct Recorder {
    encoder: Option<wgpu::CommandEncoder>,
    /// Comes before the mends.
    pending: Option<Pending>,
    mends: Mends,
    /// The buffer that the mends are for.
    mended: Option<(wgpu::Buffer, u64)>,
    kernels: Option<Kernels>,
    belt: Belt,
    calls: u64,
    /// Submits to the queue, those with no fence included.
    pub(super) submissions: u64,
}

impl Recorder {
    /// Whether nothing waits for the next submit.
    pub(super) fn is_empty(&self) -> bool {
        self.encoder.is_none() && self.pending.is_none() && self.mends.of().is_none()
    }

    /// A write that needed no call of its own here.
    pub(super) fn count(&mut self) {
        self.calls += 1;
    }

    /// Calls of wgpu so far that carried writes and copies.
    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    /// Writes to a buffer. The range is inside of it.
    pub(super) fn write(
        &mut self,
        gpu: &Gpu,
        native: Native,
        to: &Buffer,
        offset: u64,
        data: &[u8],
    ) -> Result<()> {
        let (end, aligned) = (offset + data.len() as u64, to.end(offset + data.len() as u64));
        let middle = offset.next_multiple_of(4).min(end)..if aligned { end } else { end & !3 };
        let small = gpu.compute && data.len() as u64 <= SMALL && !self.continues(native, offset);
        if small || middle.start >= middle.end {
            return self.mend(gpu, native, to, offset, data);
        }
        if middle.start > offset {
            self.mend(gpu, native, to, offset, &data[..(middle.start - offset) as usize])?;
        }
        if middle.end < end {
            self.mend(gpu, native, to, middle.end, &data[(middle.end - offset) as usize..])?;
        }
        let data = &data[(middle.start - offset) as usize..(middle.end - offset) as usize];
        let mut at = middle.start;
        data.chunks(belt::PIECE as usize).try_for_each(|piece| {
            self.put(gpu, native, to, at, piece)?;
            at += piece.len() as u64;
            Ok(())
        })
    }

    /// Writes whole words, or up to the end of the buffer.
    fn put(&mut self, gpu: &Gpu, native: Native, to: &Buffer, offset: u64, data: &[u8]) -> Result<()> {
        let bytes = data.len().next_multiple_of(4) as u64;
        if self.mends.meet(native, offset, bytes) {
            self.settle(gpu)?;
        }
        let spot = self.claim(gpu, bytes)?;
        spot.fill(data);
        spot.pad(data.len() as u64, bytes);
        match &mut self.pending {
            Some(pending)
                if pending.native == native
                    && pending.to_offset + pending.bytes == offset
                    && pending.from_offset + pending.bytes == spot.offset
                    && pending.from == spot.buffer =>
            {
                pending.bytes += bytes;
            }
            _ => {
                self.settle_pending(gpu)?;
                let (from, from_offset, to_offset) = (spot.buffer, spot.offset, offset);
                self.pending =
                    Some(Pending { from, from_offset, to: to.main.clone(), native, to_offset, bytes });
            }
        }
        Ok(())
    }

    /// Whether a write there makes the copy before it longer.
    fn continues(&self, native: Native, offset: u64) -> bool {
        let ends =
            |pending: &Pending| pending.native == native && pending.to_offset + pending.bytes == offset;
        self.pending.as_ref().is_some_and(ends)
    }

    fn claim(&mut self, gpu: &Gpu, bytes: u64) -> Result<belt::Spot> {
        loop {
            if let Some(spot) = self.belt.claim(gpu, bytes)? {
                return Ok(spot);
            }
            // The device has as much as it is given at once: it begins, and is waited for.
            let submission = self.submit(gpu)?;
            fences::wait(gpu, &submission, Deadline::NEVER)?;
        }
    }

    /// Writes words in part, or few of them.
    fn mend(&mut self, gpu: &Gpu, native: Native, to: &Buffer, offset: u64, data: &[u8]) -> Result<()> {
        if self.kernels.is_none() {
            self.kernels = Some(Kernels::new(gpu)?);
        }
        let window = gpu.binding - gpu.binding_alignment;
        if !self.mends.has_room(native, offset, data.len() as u64, window) {
            self.settle(gpu)?;
        }
        self.mends.add(native, offset, data)?;
        if self.mended.is_none() {
            self.mended = Some((to.main.clone(), to.main.size()));
        }
        Ok(())
    }

    /// Copies from one buffer to another. Both ranges are inside of them.
    pub(super) fn copy(
        &mut self,
        gpu: &Gpu,
        (from, from_offset): (&Buffer, u64),
        (to, to_offset): (&Buffer, u64),
        bytes: u64,
    ) -> Result<()> {
        self.settle(gpu)?;
        let end = to_offset + bytes;
        let middle = if from_offset % 4 != to_offset % 4 {
            0..0
        } else {
            to_offset.next_multiple_of(4).min(end)..if to.end(end) {
                end.next_multiple_of(4)
            } else {
                end & !3
            }
        };
        if middle.start >= middle.end {
            return self.shift(gpu, (from, from_offset), (to, to_offset), bytes);
        }
        let moved = from_offset.wrapping_sub(to_offset);
        if middle.start > to_offset {
            self.shift(gpu, (from, from_offset), (to, to_offset), middle.start - to_offset)?;
        }
        if middle.end < end {
            self.shift(gpu, (from, middle.end.wrapping_add(moved)), (to, middle.end), end - middle.end)?;
        }
        let length = middle.end - middle.start;
        let from_offset = middle.start.wrapping_add(moved);
        self.encode(gpu, |encoder| {
            encoder.copy_buffer_to_buffer(&from.main, from_offset, &to.main, middle.start, length);
        })
    }

    /// Copies bytes to where they lie otherwise in their words.
    fn shift(
        &mut self,
        gpu: &Gpu,
        (from, mut from_offset): (&Buffer, u64),
        (to, mut to_offset): (&Buffer, u64),
        bytes: u64,
    ) -> Result<()> {
        let most = (gpu.binding / 4 - gpu.binding_alignment / 2).min(WORDS) * 4 - 8;
        let end = to_offset + bytes;
        while to_offset < end {
            let piece = most.min(end - to_offset);
            self.shift_piece(gpu, (from, from_offset), (to, to_offset), piece)?;
            to_offset += piece;
            from_offset += piece;
        }
        Ok(())
    }

    fn shift_piece(
        &mut self,
        gpu: &Gpu,
        (from, from_offset): (&Buffer, u64),
        (to, to_offset): (&Buffer, u64),
        bytes: u64,
    ) -> Result<()> {
        if self.kernels.is_none() {
            self.kernels = Some(Kernels::new(gpu)?);
        }
        let down = |offset: u64| offset / gpu.binding_alignment * gpu.binding_alignment;
        let (first, last) = (to_offset / 4, (to_offset + bytes - 1) / 4);
        let from_end = (from_offset + bytes).next_multiple_of(4);
        let (source, begin) = if from.shaders {
            (from.main.clone(), down(from_offset))
        } else {
            let begin = from_offset & !3;
            let Some(kernels) = &mut self.kernels else { return Err(Error::of(Status::State)) };
            let scratch = kernels.scratch(gpu, from_end - begin)?;
            let whole = scratch.clone();
            self.encode(gpu, |encoder| {
                encoder.copy_buffer_to_buffer(&from.main, begin, &whole, 0, from_end - begin);
            })?;
            (scratch, begin)
        };
        let window = down(first * 4);
        let count = last + 1 - first;
        let head = u32::MAX << (to_offset % 4 * 8);
        let tail = u32::MAX >> ((3 - (to_offset + bytes - 1) % 4) * 8);
        // Where the first byte of the first word is; up to three before it are masked out.
        let place = (from_offset - begin) as u32;
        let place = place.wrapping_sub((to_offset % 4) as u32);
        let jobs = [[((first * 4 - window) / 4) as u32, count as u32, head, tail], [place, 0, 0, 0]];
        self.order(gpu, jobs.into_iter(), jobs.len())?;
        let words = Window { buffer: &to.main, offset: window, bytes: last * 4 + 4 - window };
        let scratched = !from.shaders;
        let (offset, bytes) = if scratched { (0, from_end - begin) } else { (begin, from_end - begin) };
        let source = Window { buffer: &source, offset, bytes };
        let Some(kernels) = self.kernels.take() else { return Err(Error::of(Status::State)) };
        let result = self.encode(gpu, |encoder| kernels.shift(gpu, encoder, words, source, count));
        self.kernels = Some(kernels);
        result
    }

    /// Writes orders for a shader.
    fn order(&mut self, gpu: &Gpu, jobs: impl Iterator<Item = [u32; 4]>, count: usize) -> Result<()> {
        let bytes = 16 * count as u64;
        let spot = self.claim(gpu, bytes)?;
        spot.fill_jobs(jobs);
        let Some(kernels) = &self.kernels else { return Err(Error::of(Status::State)) };
        let to = kernels.jobs.clone();
        self.encode(gpu, |encoder| encoder.copy_buffer_to_buffer(&spot.buffer, spot.offset, &to, 0, bytes))
    }

    /// Encodes what has been collected.
    pub(super) fn settle(&mut self, gpu: &Gpu) -> Result<()> {
        self.settle_pending(gpu)?;
        let (Some((buffer, size)), false) = (self.mended.take(), self.mends.of().is_none()) else {
            return Ok(());
        };
        let (first, last) = self.mends.span();
        let window = first * 4 / gpu.binding_alignment * gpu.binding_alignment;
        let count = self.mends.len();
        let mut mends = std::mem::take(&mut self.mends);
        let head = [[count as u32, 0, 0, 0]];
        self.order(gpu, head.into_iter().chain(mends.take(window / 4)), count + 1)?;
        self.mends = mends;
        debug_assert!(last * 4 <= size);
        let words = Window { buffer: &buffer, offset: window, bytes: last * 4 - window };
        let Some(kernels) = self.kernels.take() else { return Err(Error::of(Status::State)) };
        let result = self.encode(gpu, |encoder| kernels.mend(gpu, encoder, words, count as u64));
        self.kernels = Some(kernels);
        result
    }

    fn settle_pending(&mut self, gpu: &Gpu) -> Result<()> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let Pending { from, from_offset, to, to_offset, bytes, .. } = pending;
        self.encode(gpu, |encoder| encoder.copy_buffer_to_buffer(&from, from_offset, &to, to_offset, bytes))
    }

    /// Encodes a call of wgpu.
    fn encode(&mut self, gpu: &Gpu, call: impl FnOnce(&mut wgpu::CommandEncoder)) -> Result<()> {
        let desc = wgpu::CommandEncoderDescriptor::default();
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => {
                let create = || gpu.device.create_command_encoder(&desc);
                none.insert(gpu.checked("Device::create_command_encoder", create)?)
            }
        };
        self.calls += 1;
        gpu.guarded("a copy or a shader of the device's own", || call(encoder))
    }

    /// Has all of it done.
    pub(super) fn submit(&mut self, gpu: &Gpu) -> Result<wgpu::SubmissionIndex> {
        self.settle(gpu)?;
        self.belt.leave()?;
        let encoder = self.encoder.take();
        let submitted =
            gpu.checked("Queue::submit", || gpu.queue.submit(encoder.map(wgpu::CommandEncoder::finish)));
        self.submissions += 1;
        match submitted {
            Ok(_) => self.belt.call_back(gpu)?,
            Err(_) => self.belt.forget(),
        }
        submitted
    }

    /// Copies whole words of a buffer to the one that is mapped in its place.
    pub(super) fn bring_over(&mut self, gpu: &Gpu, buffer: &Buffer, begin: u64, end: u64) -> Result<()> {
        self.settle(gpu)?;
        let Some(front) = &buffer.front else { return Ok(()) };
        self.encode(gpu, |encoder| {
            encoder.copy_buffer_to_buffer(&buffer.main, begin, front, begin, end - begin)
        })
    }
}
