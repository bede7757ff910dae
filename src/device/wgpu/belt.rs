//! Staging memory for writes: mapped chunks that the CPU fills, the device copies from, and wgpu maps again.
//!
//! Not wgpu's `StagingBelt`, which lacks what a driver promises: it aligns each piece to 8 bytes, so that consecutive writes of 4 bytes
//! are not contiguous and cannot become one copy; it frees no chunk and bounds no total, so that writes without a submit take all
//! memory; and it reuses a chunk whose mapping failed, so that the next write to it fails, not the one chunk.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering::*};

use crate::alloc::Arc;
use crate::device::wgpu::gpu::Gpu;
use crate::error::Result;

/// Bytes of a chunk that small writes share.
const CHUNK_BYTES: u64 = 1 << 20;
/// The most bytes of one piece; a larger write is cut into pieces.
pub(super) const MOST_PIECE: u64 = 16 << 20;
/// The most bytes of all chunks together; a write beyond it waits for the device.
const MOST_BYTES: u64 = 256 << 20;
/// A chunk that was not used for so many submits is freed.
const IDLE_SUBMITS: u64 = 64;

/// A piece of a chunk, for one write.
pub(super) struct StagingPiece {
    pub(super) buffer: wgpu::Buffer,
    pub(super) offset: u64,
    data: NonNull<u8>,
}

impl StagingPiece {
    /// Stores bytes at the beginning of the piece.
    pub(super) fn fill(&self, data: &[u8]) {
        // SAFETY: the piece has at least so many bytes, which are its own, and its chunk is mapped.
        unsafe { self.data.as_ptr().copy_from_nonoverlapping(data.as_ptr(), data.len()) };
    }

    /// Fills the rest of the last word with zeros.
    pub(super) fn pad(&self, from: u64, to: u64) {
        // SAFETY: as above.
        unsafe { self.data.add(from as usize).write_bytes(0, (to - from) as usize) };
    }

    /// Stores the jobs of a shader.
    pub(super) fn fill_jobs(&self, jobs: impl Iterator<Item = [u32; 4]>) {
        for (at, job) in jobs.enumerate() {
            // SAFETY: as above. Jobs consist of words, and pieces are aligned to words.
            unsafe { self.data.cast::<[u32; 4]>().add(at).write(job) };
        }
    }
}

struct StagingChunk {
    buffer: wgpu::Buffer,
    bytes: u64,
    /// Keeps the chunk mapped.
    view: Option<wgpu::BufferViewMut>,
    data: NonNull<u8>,
    used: u64,
    /// The last submit that used the chunk.
    last: u64,
    /// The result of the last map request.
    map_result: Option<Arc<AtomicU8>>,
}

const PENDING: u8 = 0;
const MAPPED: u8 = 1;
const FAILED: u8 = 2;

#[derive(Default)]
pub(super) struct StagingBelt {
    /// The chunk that small writes go to.
    current: Option<StagingChunk>,
    /// Other chunks with bytes for the next submit.
    filled: Vec<StagingChunk>,
    /// Chunks of submits, which are not mapped again yet.
    submitted: Vec<StagingChunk>,
    /// Mapped chunks without bytes.
    free: Vec<StagingChunk>,
    total: u64,
    submits: u64,
}

impl StagingChunk {
    fn new(gpu: &Gpu, bytes: u64) -> Result<StagingChunk> {
        let desc = wgpu::BufferDescriptor {
            label: Some("backbuf staging"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: true,
        };
        let mut chunk = StagingChunk {
            buffer: gpu.create_buffer(&desc)?,
            bytes,
            view: None,
            data: NonNull::dangling(),
            used: 0,
            last: 0,
            map_result: None,
        };
        chunk.take_view(gpu)?;
        Ok(chunk)
    }

    /// Takes the address of the chunk, which is mapped.
    fn take_view(&mut self, gpu: &Gpu) -> Result<()> {
        let view = self.buffer.get_mapped_range_mut(..);
        let mut view =
            view.map_err(|error| gpu.refused("Buffer::get_mapped_range_mut", &error.to_string()))?;
        self.data = view.slice(..).as_raw_element_ptr();
        self.view = Some(view);
        self.used = 0;
        Ok(())
    }

    fn space(&self) -> u64 {
        self.bytes - self.used
    }
}

impl StagingBelt {
    /// Allocates that many bytes, a multiple of 4 and at most [`MOST_PIECE`]; `None` while the device uses too many chunks.
    pub(super) fn allocate(&mut self, gpu: &Gpu, bytes: u64) -> Result<Option<StagingPiece>> {
        if self.current.as_ref().is_none_or(|chunk| chunk.space() < bytes) {
            let Some(chunk) = self.take(gpu, bytes)? else { return Ok(None) };
            // The chunk with more space left is for the next writes.
            let spare = chunk.bytes - bytes;
            if self.current.as_ref().is_some_and(|current| current.space() > spare) {
                self.filled.try_reserve(1)?;
                self.filled.push(chunk);
                return Ok(self.filled.last_mut().map(|chunk| piece(chunk, bytes)));
            }
            if let Some(before) = self.current.replace(chunk) {
                self.filled.try_reserve(1)?;
                self.filled.push(before);
            }
        }
        Ok(self.current.as_mut().map(|chunk| piece(chunk, bytes)))
    }

    /// An empty chunk of at least that many bytes.
    fn take(&mut self, gpu: &Gpu, bytes: u64) -> Result<Option<StagingChunk>> {
        if let Some(chunk) = self.find(gpu, bytes)? {
            return Ok(Some(chunk));
        }
        // wgpu reports a mapping only in a poll.
        let _ = gpu.poll(wgpu::PollType::Poll);
        gpu.check_alive()?;
        if let Some(chunk) = self.find(gpu, bytes)? {
            return Ok(Some(chunk));
        }
        let bytes = bytes.next_power_of_two().max(CHUNK_BYTES);
        if self.total + bytes > MOST_BYTES && self.total > 0 {
            return Ok(None);
        }
        let chunk = StagingChunk::new(gpu, bytes)?;
        self.total += bytes;
        Ok(Some(chunk))
    }

    /// The smallest free chunk that is large enough.
    fn find(&mut self, gpu: &Gpu, bytes: u64) -> Result<Option<StagingChunk>> {
        self.collect(gpu)?;
        let fit = |(_, chunk): &(usize, &StagingChunk)| chunk.bytes >= bytes;
        let found = self.free.iter().enumerate().filter(fit).min_by_key(|(_, chunk)| chunk.bytes);
        let at = found.map(|(at, _)| at);
        Ok(at.map(|at| self.free.swap_remove(at)))
    }

    /// Moves the chunks that are mapped again to the free ones, and frees those whose mapping failed.
    fn collect(&mut self, gpu: &Gpu) -> Result<()> {
        self.free.try_reserve(self.submitted.len())?;
        let result =
            |chunk: &StagingChunk| chunk.map_result.as_ref().map_or(FAILED, |result| result.load(Acquire));
        while let Some(at) = self.submitted.iter().position(|chunk| result(chunk) != PENDING) {
            let mut chunk = self.submitted.swap_remove(at);
            if result(&chunk) == MAPPED && chunk.take_view(gpu).is_ok() {
                self.free.push(chunk);
            } else {
                self.total -= chunk.bytes;
            }
        }
        Ok(())
    }

    /// Unmaps the chunks that the next submit uses. A failure from here on costs chunks, and nothing else.
    pub(super) fn unmap(&mut self) -> Result<()> {
        self.submitted.try_reserve(self.filled.len() + 1)?;
        for chunk in self.filled.iter_mut().chain(&mut self.current) {
            chunk.view = None;
            chunk.buffer.unmap();
        }
        Ok(())
    }

    /// Requests that the chunks of the submit are mapped again.
    pub(super) fn request_mappings(&mut self, gpu: &Gpu) -> Result<()> {
        self.submits += 1;
        gpu.guarded("Buffer::map_async", || self.map_submitted())
    }

    fn map_submitted(&mut self) {
        for mut chunk in self.filled.drain(..).chain(self.current.take()) {
            chunk.last = self.submits;
            chunk.map_result = Arc::try_new(AtomicU8::new(PENDING)).ok();
            if let Some(map_result) = chunk.map_result.clone() {
                chunk.buffer.map_async(wgpu::MapMode::Write, .., move |result| {
                    map_result.store(if result.is_ok() { MAPPED } else { FAILED }, Release);
                });
            }
            self.submitted.push(chunk);
        }
        let idle = |chunk: &StagingChunk| chunk.last + IDLE_SUBMITS < self.submits;
        if let Some(at) = self.free.iter().position(idle) {
            self.total -= self.free.swap_remove(at).bytes;
        }
    }

    /// Frees the chunks of a submit that has failed.
    pub(super) fn drop_unmapped(&mut self) {
        for chunk in self.filled.drain(..).chain(self.current.take()) {
            self.total -= chunk.bytes;
        }
    }
}

fn piece(chunk: &mut StagingChunk, bytes: u64) -> StagingPiece {
    let offset = chunk.used;
    chunk.used += bytes;
    // SAFETY: inside of the chunk, which has that much space.
    let data = unsafe { chunk.data.add(offset as usize) };
    StagingPiece { buffer: chunk.buffer.clone(), offset, data }
}
