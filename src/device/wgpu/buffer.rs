//! A buffer of the device, and its mapping.

use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering::*};
use std::time::Duration;

use super::fences;
use super::gpu::Gpu;
use crate::alloc::Arc;
use crate::device::driver::MapMode;
use crate::device::usage::Usage;
use crate::error::{Error, Result, Status};
use crate::sys::clock::{Deadline, Timeout};

/// How long a mapping is waited for whose work was said to be done.
const PATIENCE: Timeout = Timeout::nanos(10_000_000_000);

pub(super) struct Buffer {
    /// What work is done on.
    pub(super) main: wgpu::Buffer,
    /// What is mapped in its place, where what is mapped cannot be mended: its words follow the main one's.
    pub(super) front: Option<wgpu::Buffer>,
    /// Bytes of the main one, in whole words, that the front has not seen.
    pub(super) behind: Range<u64>,
    /// As was asked for. There are whole words behind.
    pub(super) bytes: u64,
    pub(super) usage: Usage,
    /// It may be mapped to be written, whatever it was made for.
    pub(super) direct: bool,
    /// Shaders may read and write it.
    pub(super) shaders: bool,
    view: Option<View>,
    /// The submissions to the queue so far when its first mapping ended: one more is needed for its bytes to arrive.
    pub(super) begun: Option<u64>,
}

/// Keeps bytes mapped.
enum View {
    Read {
        _view: wgpu::BufferView,
    },
    /// As a whole, at its creation, or later.
    Write {
        _view: wgpu::BufferViewMut,
        whole: bool,
    },
}

impl Buffer {
    pub(super) fn new(gpu: &Gpu, bytes: u64, usage: Usage, label: &str, mapped: bool) -> Result<Buffer> {
        use wgpu::BufferUsages as Native;
        let refused = |why| Err(Error::value(Status::Argument, "usage", usage.bits(), why));
        let reads = usage.contains(Usage::MAP_READ);
        if reads && !Usage::contains(Usage::MAP_READ | Usage::COPY_DST, usage) {
            return refused("MAP_READ goes with COPY_DST alone");
        }
        if usage.contains(Usage::MAP_WRITE) && !Usage::contains(Usage::MAP_WRITE | Usage::COPY_SRC, usage) {
            return refused("MAP_WRITE goes with COPY_SRC alone");
        }
        if bytes == 0 || bytes > gpu.info.limits.max_buffer_size {
            return Err(Error::value(
                Status::Limit,
                "bytes",
                bytes,
                "is none, or more than a buffer can hold",
            ));
        }
        let size = bytes.next_multiple_of(4);
        // Whatever is written or copied in part needs a shader.
        let worked =
            Native::COPY_SRC | Native::COPY_DST | if gpu.compute { Native::STORAGE } else { Native::empty() };
        let twin = reads && gpu.compute && !gpu.mappable;
        let direct = gpu.direct && !reads && !usage.contains(Usage::MAP_WRITE);
        let native = if usage.contains(Usage::MAP_WRITE) || reads && !gpu.compute {
            translate(usage)
        } else if twin {
            worked
        } else {
            translate(usage) | worked | if direct { Native::MAP_WRITE } else { Native::empty() }
        };
        let desc =
            wgpu::BufferDescriptor { label: Some(label), size, usage: native, mapped_at_creation: mapped };
        let main = gpu.buffer(&desc)?;
        let desc = wgpu::BufferDescriptor {
            usage: Native::MAP_READ | Native::COPY_DST,
            mapped_at_creation: false,
            ..desc
        };
        let front = if twin { Some(gpu.buffer(&desc)?) } else { None };
        Ok(Buffer {
            main,
            front,
            behind: 0..0,
            bytes,
            usage,
            direct,
            shaders: native.contains(Native::STORAGE),
            view: None,
            begun: None,
        })
    }

    /// Whether the rest of the word in which a range ends is nobody's, or there is none.
    pub(super) fn end(&self, end: u64) -> bool {
        end.is_multiple_of(4) || end == self.bytes
    }

    /// The range has been worked on.
    pub(super) fn touch(&mut self, offset: u64, bytes: u64) -> bool {
        if self.front.is_none() || bytes == 0 {
            return false;
        }
        let (begin, end) = (offset & !3, (offset + bytes).next_multiple_of(4));
        let first = self.behind.is_empty();
        self.behind = if first { begin..end } else { self.behind.start.min(begin)..self.behind.end.max(end) };
        first
    }

    pub(super) fn is_mapped(&self) -> bool {
        self.view.is_some()
    }

    /// The bytes of a new buffer, which is mapped at its creation.
    pub(super) fn first(&mut self, gpu: &Gpu) -> Result<NonNull<u8>> {
        let place = self.look(gpu, MapMode::Write, 0..self.main.size(), true)?;
        self.touch(0, self.bytes);
        Ok(place)
    }

    /// What wgpu has mapped there.
    fn look(&mut self, gpu: &Gpu, mode: MapMode, range: Range<u64>, whole: bool) -> Result<NonNull<u8>> {
        let none = |error: wgpu::MapRangeError| gpu.refused("Buffer::get_mapped_range", &error.to_string());
        let (view, place) = match mode {
            MapMode::Read => {
                let view = self.mappable().get_mapped_range(range).map_err(none)?;
                let place = NonNull::from(&view[..]).cast();
                (View::Read { _view: view }, place)
            }
            MapMode::Write => {
                let mut view = self.main.get_mapped_range_mut(range).map_err(none)?;
                let place = view.slice(..).as_raw_element_ptr();
                (View::Write { _view: view, whole }, place)
            }
        };
        self.view = Some(view);
        Ok(place)
    }

    fn mappable(&self) -> &wgpu::Buffer {
        self.front.as_ref().unwrap_or(&self.main)
    }

    /// Maps a range, at least a byte, of a buffer with nothing to be done.
    pub(super) fn map(&mut self, gpu: &Gpu, mode: MapMode, offset: u64, bytes: u64) -> Result<NonNull<u8>> {
        let (needed, why) = match mode {
            MapMode::Read => (Usage::MAP_READ, "its usage has no MAP_READ"),
            MapMode::Write => (Usage::MAP_WRITE, "its usage has no MAP_WRITE"),
        };
        if !self.usage.contains(needed) {
            return Err(Error::param(Status::Argument, "buffer", why));
        }
        self.map_range(gpu, mode, offset, bytes)
    }

    /// Writes a range of a direct buffer with nothing to be done, which begins at a multiple of 8 and ends at one of 4.
    pub(super) fn write_direct(
        &mut self,
        gpu: &Gpu,
        offset: u64,
        data: &[u8],
        submissions: u64,
    ) -> Result<()> {
        let place = self.map_range(gpu, MapMode::Write, offset, data.len() as u64)?;
        // SAFETY: so many bytes are mapped there until the unmap.
        unsafe { place.as_ptr().copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        self.unmap(gpu, submissions)
    }

    fn map_range(&mut self, gpu: &Gpu, mode: MapMode, offset: u64, bytes: u64) -> Result<NonNull<u8>> {
        let native = match mode {
            MapMode::Read => wgpu::MapMode::Read,
            MapMode::Write => wgpu::MapMode::Write,
        };
        let range = offset & !7..(offset + bytes).next_multiple_of(4);
        let skipped = (offset - range.start) as usize;
        let answer = Arc::try_new(AtomicU8::new(0)).map_err(|_| Error::of(Status::OutOfMemory))?;
        let told = answer.clone();
        let asked = gpu.checked("Buffer::map_async", || {
            let tell = move |result: std::result::Result<_, _>| {
                told.store(if result.is_ok() { 1 } else { 2 }, Release);
            };
            self.mappable().map_async(native, range.clone(), tell);
        });
        let place = asked
            .and_then(|()| wait(gpu, &answer))
            .and_then(|()| self.look(gpu, mode, range, false))
            // SAFETY: inside of the mapped bytes.
            .map(|place| unsafe { place.add(skipped) });
        if place.is_err() {
            // A request that failed is one until it is ended.
            let _ = gpu.checked("Buffer::unmap", || self.mappable().unmap());
        }
        place
    }

    /// Ends a mapping. `submissions` is how many there have been.
    pub(super) fn unmap(&mut self, gpu: &Gpu, submissions: u64) -> Result<()> {
        let whole = match &self.view {
            None => return Err(Error::param(Status::State, "buffer", "is not mapped")),
            Some(View::Read { .. }) => false,
            Some(View::Write { whole, .. }) => *whole,
        };
        let native =
            if matches!(self.view, Some(View::Read { .. })) { self.mappable() } else { &self.main }.clone();
        // A view that outlives its mapping is a panic.
        self.view = None;
        if whole {
            self.begun = Some(submissions);
        }
        gpu.checked("Buffer::unmap", || native.unmap())
    }
}

/// Waits until wgpu has answered.
fn wait(gpu: &Gpu, answer: &AtomicU8) -> Result<()> {
    let deadline = Deadline::after(PATIENCE);
    let mut kind = wgpu::PollType::Poll;
    loop {
        let _ = fences::poll(gpu, kind);
        match answer.load(Acquire) {
            1 => return gpu.alive(),
            2 => return Err(gpu.refused("Buffer::map_async", "the driver does not map it")),
            _ => gpu.alive()?,
        }
        if deadline.passed() {
            return Err(Error::text(
                Status::Backend,
                "Buffer::map_async is not answered: is work left that uses it?",
            ));
        }
        let timeout = Some(Duration::from_millis(1));
        kind = wgpu::PollType::Wait { submission_index: None, timeout };
    }
}

fn translate(usage: Usage) -> wgpu::BufferUsages {
    use wgpu::BufferUsages as Native;
    let pairs = [
        (Usage::VERTEX, Native::VERTEX),
        (Usage::INDEX, Native::INDEX),
        (Usage::UNIFORM, Native::UNIFORM),
        (Usage::STORAGE, Native::STORAGE),
        (Usage::COPY_SRC, Native::COPY_SRC),
        (Usage::COPY_DST, Native::COPY_DST),
        (Usage::MAP_READ, Native::MAP_READ),
        (Usage::MAP_WRITE, Native::MAP_WRITE),
        (Usage::INDIRECT, Native::INDIRECT),
    ];
    pairs.into_iter().filter(|(usage_of, _)| usage.contains(*usage_of)).map(|(_, native)| native).collect()
}
