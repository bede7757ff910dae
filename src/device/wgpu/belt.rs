//! Writes on their way: chunks of mapped memory that the CPU fills, the device copies from, and that come back.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering::*};

use super::fences;
use super::gpu::Gpu;
use crate::alloc::Arc;
use crate::error::{Error, Result, Status};

/// Bytes of the chunk that small writes share.
const CHUNK: u64 = 1 << 20;
/// Larger writes come in pieces.
pub(super) const PIECE: u64 = 16 << 20;
/// Bytes of all chunks together, beyond which the device is waited for.
const MOST: u64 = 256 << 20;
/// A chunk that was not needed for so many submits is given back.
const IDLE: u64 = 64;

/// Bytes of a chunk, for one write.
pub(super) struct Spot {
    pub(super) buffer: wgpu::Buffer,
    pub(super) offset: u64,
    place: NonNull<u8>,
}

impl Spot {
    /// Fills it from its beginning.
    pub(super) fn fill(&self, data: &[u8]) {
        // SAFETY: the spot was claimed for at least so many bytes, which nobody else has, and its chunk is mapped.
        unsafe { self.place.as_ptr().copy_from_nonoverlapping(data.as_ptr(), data.len()) };
    }

    /// Fills what is left of its last word.
    pub(super) fn pad(&self, from: u64, to: u64) {
        // SAFETY: as above.
        unsafe { self.place.add(from as usize).write_bytes(0, (to - from) as usize) };
    }

    /// Fills it with jobs of a shader.
    pub(super) fn fill_jobs(&self, jobs: impl Iterator<Item = [u32; 4]>) {
        for (at, job) in jobs.enumerate() {
            // SAFETY: as above. A spot begins at a word, and chunks at more.
            unsafe { self.place.cast::<[u32; 4]>().add(at).write(job) };
        }
    }
}

struct Chunk {
    buffer: wgpu::Buffer,
    bytes: u64,
    /// Keeps it mapped.
    view: Option<wgpu::BufferViewMut>,
    place: NonNull<u8>,
    used: u64,
    /// The submit that it was last used for.
    last: u64,
    /// Whether wgpu has mapped it again, or cannot.
    answer: Option<Arc<AtomicU8>>,
}

const MAPPED: u8 = 1;
const FAILED: u8 = 2;

#[derive(Default)]
pub(super) struct Belt {
    /// What small writes go to next.
    current: Option<Chunk>,
    /// Others with bytes for the next submit.
    filled: Vec<Chunk>,
    /// With the device.
    away: Vec<Chunk>,
    /// Mapped, and empty.
    free: Vec<Chunk>,
    total: u64,
    submits: u64,
}

impl Chunk {
    fn new(gpu: &Gpu, bytes: u64) -> Result<Chunk> {
        let desc = wgpu::BufferDescriptor {
            label: Some("backbuf staging"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: true,
        };
        let mut chunk = Chunk {
            buffer: gpu.buffer(&desc)?,
            bytes,
            view: None,
            place: NonNull::dangling(),
            used: 0,
            last: 0,
            answer: None,
        };
        chunk.look(gpu)?;
        Ok(chunk)
    }

    /// It is mapped: where?
    fn look(&mut self, gpu: &Gpu) -> Result<()> {
        let view = self.buffer.get_mapped_range_mut(..);
        let mut view =
            view.map_err(|error| gpu.refused("Buffer::get_mapped_range_mut", &error.to_string()))?;
        self.place = view.slice(..).as_raw_element_ptr();
        self.view = Some(view);
        self.used = 0;
        Ok(())
    }

    fn room(&self) -> u64 {
        self.bytes - self.used
    }
}

impl Belt {
    /// Room for that many bytes, a multiple of 4 and at most [`PIECE`]; none while the device has too much.
    pub(super) fn claim(&mut self, gpu: &Gpu, bytes: u64) -> Result<Option<Spot>> {
        if self.current.as_ref().is_none_or(|chunk| chunk.room() < bytes) {
            let Some(chunk) = self.take(gpu, bytes)? else { return Ok(None) };
            // The one with more room left is for what comes next.
            let spare = chunk.bytes - bytes;
            if self.current.as_ref().is_some_and(|current| current.room() > spare) {
                self.filled.try_reserve(1)?;
                self.filled.push(chunk);
                return Ok(self.filled.last_mut().map(|chunk| spot(chunk, bytes)));
            }
            if let Some(before) = self.current.replace(chunk) {
                self.filled.try_reserve(1)?;
                self.filled.push(before);
            }
        }
        Ok(self.current.as_mut().map(|chunk| spot(chunk, bytes)))
    }

    /// An empty chunk of at least that many bytes.
    fn take(&mut self, gpu: &Gpu, bytes: u64) -> Result<Option<Chunk>> {
        if let Some(chunk) = self.find(gpu, bytes)? {
            return Ok(Some(chunk));
        }
        // What has come back may not have been told.
        let _ = fences::poll(gpu, wgpu::PollType::Poll);
        gpu.alive()?;
        if let Some(chunk) = self.find(gpu, bytes)? {
            return Ok(Some(chunk));
        }
        let bytes = bytes.next_power_of_two().max(CHUNK);
        if self.total + bytes > MOST && self.total > 0 {
            return Ok(None);
        }
        let chunk = Chunk::new(gpu, bytes)?;
        self.total += bytes;
        Ok(Some(chunk))
    }

    /// The smallest one that is large enough.
    fn find(&mut self, gpu: &Gpu, bytes: u64) -> Result<Option<Chunk>> {
        self.collect(gpu)?;
        let fit = |(_, chunk): &(usize, &Chunk)| chunk.bytes >= bytes;
        let found = self.free.iter().enumerate().filter(fit).min_by_key(|(_, chunk)| chunk.bytes);
        let at = found.map(|(at, _)| at);
        Ok(at.map(|at| self.free.swap_remove(at)))
    }

    /// Takes in what has come back.
    fn collect(&mut self, gpu: &Gpu) -> Result<()> {
        self.free.try_reserve(self.away.len())?;
        let answer = |chunk: &Chunk| chunk.answer.as_ref().map_or(FAILED, |answer| answer.load(Acquire));
        while let Some(at) = self.away.iter().position(|chunk| answer(chunk) != 0) {
            let mut chunk = self.away.swap_remove(at);
            if answer(&chunk) == MAPPED && chunk.look(gpu).is_ok() {
                self.free.push(chunk);
            } else {
                self.total -= chunk.bytes;
            }
        }
        Ok(())
    }

    /// Ends the mappings of what the next submit uses. What fails from here on costs chunks, and nothing else.
    pub(super) fn leave(&mut self) -> Result<()> {
        let room = self.away.try_reserve(self.filled.len() + 1);
        room.map_err(|_| Error::of(Status::OutOfMemory))?;
        for chunk in self.filled.iter_mut().chain(&mut self.current) {
            chunk.view = None;
            chunk.buffer.unmap();
        }
        Ok(())
    }

    /// The submit has been made: asks for its chunks to be mapped again.
    pub(super) fn call_back(&mut self, gpu: &Gpu) -> Result<()> {
        self.submits += 1;
        gpu.guarded("Buffer::map_async", || self.ask_back())
    }

    fn ask_back(&mut self) {
        for mut chunk in self.filled.drain(..).chain(self.current.take()) {
            chunk.last = self.submits;
            chunk.answer = Arc::try_new(AtomicU8::new(0)).ok();
            if let Some(answer) = chunk.answer.clone() {
                chunk.buffer.map_async(wgpu::MapMode::Write, .., move |result| {
                    answer.store(if result.is_ok() { MAPPED } else { FAILED }, Release);
                });
            }
            self.away.push(chunk);
        }
        let idle = |chunk: &Chunk| chunk.last + IDLE < self.submits;
        if let Some(at) = self.free.iter().position(idle) {
            self.total -= self.free.swap_remove(at).bytes;
        }
    }

    /// The submit has failed: its chunks are given up.
    pub(super) fn forget(&mut self) {
        for chunk in self.filled.drain(..).chain(self.current.take()) {
            self.total -= chunk.bytes;
        }
    }
}

fn spot(chunk: &mut Chunk, bytes: u64) -> Spot {
    let offset = chunk.used;
    chunk.used += bytes;
    // SAFETY: inside of the chunk, as its room says.
    let place = unsafe { chunk.place.add(offset as usize) };
    Spot { buffer: chunk.buffer.clone(), offset, place }
}
