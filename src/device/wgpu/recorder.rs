//! Recorder of the work for the next submit, in order: consecutive writes become one copy, small ones one dispatch of a shader.

use crate::device::driver::Native;
use crate::device::wgpu::belt::{MOST_PIECE, StagingBelt, StagingPiece};
use crate::device::wgpu::buffer::WgpuBuffer;
use crate::device::wgpu::gpu::Gpu;
use crate::device::wgpu::unaligned::{ByteShaders, DISPATCH_WORDS, MaskedWrites, ShaderRange};
use crate::error::{Error, Result, Status};
use crate::sys::clock::Deadline;

/// Writes of at most so many bytes are merged by shader: a copy for each costs the driver more.
const SMALL_WRITE: u64 = 16;

/// A copy from staging memory that the next write may extend.
struct PendingCopy {
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
    /// To be encoded before the masked writes.
    pending: Option<PendingCopy>,
    masked: MaskedWrites,
    /// The buffer of the masked writes.
    masked_target: Option<wgpu::Buffer>,
    shaders: Option<ByteShaders>,
    belt: StagingBelt,
    calls: u64,
    /// Submits to the queue, also those without a fence.
    pub(super) submissions: u64,
}

impl Recorder {
    /// Whether there is no work for the next submit.
    pub(super) fn is_empty(&self) -> bool {
        self.encoder.is_none() && self.pending.is_none() && self.masked.is_empty()
    }

    /// Counts a write that was not recorded.
    pub(super) fn count_call(&mut self) {
        self.calls += 1;
    }

    /// Calls of wgpu so far for writes and copies.
    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    /// Records a write to a range inside of a buffer.
    pub(super) fn write(
        &mut self,
        gpu: &Gpu,
        native: Native,
        to: &WgpuBuffer,
        offset: u64,
        data: &[u8],
    ) -> Result<()> {
        let end = offset + data.len() as u64;
        let middle = offset.next_multiple_of(4).min(end)..if to.ends_aligned(end) { end } else { end & !3 };
        let small = gpu.compute && data.len() as u64 <= SMALL_WRITE && !self.extends_pending(native, offset);
        if small || middle.start >= middle.end {
            return self.merge(gpu, native, to, offset, data);
        }
        if middle.start > offset {
            self.merge(gpu, native, to, offset, &data[..(middle.start - offset) as usize])?;
        }
        if middle.end < end {
            self.merge(gpu, native, to, middle.end, &data[(middle.end - offset) as usize..])?;
        }
        let data = &data[(middle.start - offset) as usize..(middle.end - offset) as usize];
        let mut at = middle.start;
        data.chunks(MOST_PIECE as usize).try_for_each(|piece| {
            self.write_words(gpu, native, to, at, piece)?;
            at += piece.len() as u64;
            Ok(())
        })
    }

    /// Records a write of whole words, or up to the end of the buffer.
    fn write_words(
        &mut self,
        gpu: &Gpu,
        native: Native,
        to: &WgpuBuffer,
        offset: u64,
        data: &[u8],
    ) -> Result<()> {
        let bytes = data.len().next_multiple_of(4) as u64;
        if self.masked.overlaps(native, offset, bytes) {
            self.encode_pending(gpu)?;
        }
        let staged = self.allocate(gpu, bytes)?;
        staged.fill(data);
        staged.pad(data.len() as u64, bytes);
        match &mut self.pending {
            Some(pending)
                if pending.native == native
                    && pending.to_offset + pending.bytes == offset
                    && pending.from_offset + pending.bytes == staged.offset
                    && pending.from == staged.buffer =>
            {
                pending.bytes += bytes;
            }
            _ => {
                self.encode_pending_copy(gpu)?;
                let (from, from_offset, to_offset) = (staged.buffer, staged.offset, offset);
                self.pending =
                    Some(PendingCopy { from, from_offset, to: to.main.clone(), native, to_offset, bytes });
            }
        }
        Ok(())
    }

    /// Whether a write there extends the pending copy.
    fn extends_pending(&self, native: Native, offset: u64) -> bool {
        let ends =
            |pending: &PendingCopy| pending.native == native && pending.to_offset + pending.bytes == offset;
        self.pending.as_ref().is_some_and(ends)
    }

    /// Allocates staging memory. Submits and waits for the device when all chunks are in use.
    fn allocate(&mut self, gpu: &Gpu, bytes: u64) -> Result<StagingPiece> {
        loop {
            if let Some(piece) = self.belt.allocate(gpu, bytes)? {
                return Ok(piece);
            }
            let submission = self.submit(gpu)?;
            gpu.wait(&submission, Deadline::NEVER)?;
        }
    }

    /// Records a write of parts of words, or of few words.
    fn merge(&mut self, gpu: &Gpu, native: Native, to: &WgpuBuffer, offset: u64, data: &[u8]) -> Result<()> {
        self.load_shaders(gpu)?;
        let window = gpu.binding - gpu.binding_alignment;
        if !self.masked.has_room(native, offset, data.len() as u64, window) {
            self.encode_pending(gpu)?;
        }
        self.masked.add(native, offset, data)?;
        if self.masked_target.is_none() {
            self.masked_target = Some(to.main.clone());
        }
        Ok(())
    }

    fn load_shaders(&mut self, gpu: &Gpu) -> Result<()> {
        if self.shaders.is_none() {
            self.shaders = Some(ByteShaders::new(gpu)?);
        }
        Ok(())
    }

    /// Records a copy from one buffer to another. Both ranges are inside of their buffers.
    pub(super) fn copy(
        &mut self,
        gpu: &Gpu,
        (from, from_offset): (&WgpuBuffer, u64),
        (to, to_offset): (&WgpuBuffer, u64),
        bytes: u64,
    ) -> Result<()> {
        self.encode_pending(gpu)?;
        let end = to_offset + bytes;
        let middle = if from_offset % 4 != to_offset % 4 {
            0..0
        } else {
            to_offset.next_multiple_of(4).min(end)..if to.ends_aligned(end) {
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

    /// Copies bytes to another offset within their words, by shader.
    fn shift(
        &mut self,
        gpu: &Gpu,
        (from, mut from_offset): (&WgpuBuffer, u64),
        (to, mut to_offset): (&WgpuBuffer, u64),
        bytes: u64,
    ) -> Result<()> {
        let most = (gpu.binding / 4 - gpu.binding_alignment / 2).min(DISPATCH_WORDS) * 4 - 8;
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
        (from, from_offset): (&WgpuBuffer, u64),
        (to, to_offset): (&WgpuBuffer, u64),
        bytes: u64,
    ) -> Result<()> {
        self.load_shaders(gpu)?;
        let down = |offset: u64| offset / gpu.binding_alignment * gpu.binding_alignment;
        let (first, last) = (to_offset / 4, (to_offset + bytes - 1) / 4);
        let from_end = (from_offset + bytes).next_multiple_of(4);
        let (source, begin) = if from.shaders {
            (from.main.clone(), down(from_offset))
        } else {
            let begin = from_offset & !3;
            let Some(shaders) = &mut self.shaders else { return Err(Error::of(Status::State)) };
            let scratch = shaders.scratch(gpu, from_end - begin)?;
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
        // The offset of the first word's first byte. Up to three bytes, which may lie before the source, are masked out.
        let at = ((from_offset - begin) as u32).wrapping_sub((to_offset % 4) as u32);
        let jobs = [[((first * 4 - window) / 4) as u32, count as u32, head, tail], [at, 0, 0, 0]];
        self.write_jobs(gpu, jobs.into_iter(), jobs.len())?;
        let words = ShaderRange { buffer: &to.main, offset: window, bytes: last * 4 + 4 - window };
        let scratched = !from.shaders;
        let (offset, bytes) = if scratched { (0, from_end - begin) } else { (begin, from_end - begin) };
        let source = ShaderRange { buffer: &source, offset, bytes };
        let Some(shaders) = self.shaders.take() else { return Err(Error::of(Status::State)) };
        let result = self.encode(gpu, |encoder| shaders.shift(gpu, encoder, words, source, count));
        self.shaders = Some(shaders);
        result
    }

    /// Records a write to the jobs of the next dispatch.
    fn write_jobs(&mut self, gpu: &Gpu, jobs: impl Iterator<Item = [u32; 4]>, count: usize) -> Result<()> {
        let bytes = 16 * count as u64;
        let staged = self.allocate(gpu, bytes)?;
        staged.fill_jobs(jobs);
        let Some(shaders) = &self.shaders else { return Err(Error::of(Status::State)) };
        let to = shaders.jobs.clone();
        let (from, offset) = (&staged.buffer, staged.offset);
        self.encode(gpu, |encoder| encoder.copy_buffer_to_buffer(from, offset, &to, 0, bytes))
    }

    /// Encodes the pending copy and the masked writes.
    fn encode_pending(&mut self, gpu: &Gpu) -> Result<()> {
        self.encode_pending_copy(gpu)?;
        let (Some(buffer), false) = (self.masked_target.take(), self.masked.is_empty()) else {
            return Ok(());
        };
        let (first, last) = self.masked.span();
        let window = first * 4 / gpu.binding_alignment * gpu.binding_alignment;
        let count = self.masked.len();
        let mut masked = std::mem::take(&mut self.masked);
        let head = [[count as u32, 0, 0, 0]];
        self.write_jobs(gpu, head.into_iter().chain(masked.take(window / 4)), count + 1)?;
        self.masked = masked;
        debug_assert!(last * 4 <= buffer.size());
        let words = ShaderRange { buffer: &buffer, offset: window, bytes: last * 4 - window };
        let Some(shaders) = self.shaders.take() else { return Err(Error::of(Status::State)) };
        let result = self.encode(gpu, |encoder| shaders.merge(gpu, encoder, words, count as u64));
        self.shaders = Some(shaders);
        result
    }

    fn encode_pending_copy(&mut self, gpu: &Gpu) -> Result<()> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let PendingCopy { from, from_offset, to, to_offset, bytes, .. } = pending;
        self.encode(gpu, |encoder| encoder.copy_buffer_to_buffer(&from, from_offset, &to, to_offset, bytes))
    }

    /// Encodes one call of wgpu.
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

    /// Submits all recorded work.
    pub(super) fn submit(&mut self, gpu: &Gpu) -> Result<wgpu::SubmissionIndex> {
        self.encode_pending(gpu)?;
        self.belt.unmap()?;
        let encoder = self.encoder.take();
        let submitted =
            gpu.checked("Queue::submit", || gpu.queue.submit(encoder.map(wgpu::CommandEncoder::finish)));
        self.submissions += 1;
        match submitted {
            Ok(_) => self.belt.request_mappings(gpu)?,
            Err(_) => self.belt.drop_unmapped(),
        }
        submitted
    }

    /// Records a copy of whole words of a buffer to its readback buffer.
    pub(super) fn update_readback(
        &mut self,
        gpu: &Gpu,
        buffer: &WgpuBuffer,
        begin: u64,
        end: u64,
    ) -> Result<()> {
        self.encode_pending(gpu)?;
        let Some(readback) = &buffer.readback else { return Ok(()) };
        self.encode(gpu, |encoder| {
            encoder.copy_buffer_to_buffer(&buffer.main, begin, readback, begin, end - begin)
        })
    }
}
