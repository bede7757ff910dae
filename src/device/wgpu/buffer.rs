//! Buffers on WebGPU, their mappings, and the mappable copy of a buffer that cannot be mapped itself.

use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering::*};
use std::time::Duration;

use crate::alloc::try_arc;
use crate::device::driver::{MapMode, Usage};
use crate::device::wgpu::gpu::Gpu;
use crate::error::{Error, Result, Status};
use crate::sys::clock::{Deadline, Timeout};

/// How long a mapping may take once the work that uses the buffer is done.
const MAP_TIMEOUT: Timeout = Timeout::nanos(10_000_000_000);

pub(super) struct WgpuBuffer {
    /// The buffer that work uses.
    pub(super) main: wgpu::Buffer,
    /// The buffer that is mapped for reading, where a mappable buffer cannot be used by shaders: a copy of the main one.
    pub(super) readback: Option<wgpu::Buffer>,
    /// The bytes of the main buffer, in whole words, that differ from the readback buffer.
    pub(super) stale: Range<u64>,
    /// The size that the caller asked for. The main buffer has whole words.
    pub(super) bytes: u64,
    pub(super) usage: Usage,
    /// The main buffer may be mapped for writing, whatever its usage.
    pub(super) direct: bool,
    /// Shaders may read and write the main buffer.
    pub(super) shaders: bool,
    view: Option<MappedView>,
    /// How many submits there had been when the mapping at creation ended: its bytes arrive with the next one.
    pub(super) created_at: Option<u64>,
}

/// Keeps bytes mapped.
enum MappedView {
    Read { _view: wgpu::BufferView },
    Write { _view: wgpu::BufferViewMut, at_creation: bool },
}

impl WgpuBuffer {
    pub(super) fn new(gpu: &Gpu, bytes: u64, usage: Usage, label: &str, mapped: bool) -> Result<WgpuBuffer> {
        use wgpu::BufferUsages;
        let refused = |reason| Err(Error::value(Status::Argument, "usage", usage.bits(), reason));
        let reads = usage.contains(Usage::MAP_READ);
        if reads && !(Usage::MAP_READ | Usage::COPY_DST).contains(usage) {
            return refused("MAP_READ can be combined with COPY_DST only");
        }
        if usage.contains(Usage::MAP_WRITE) && !(Usage::MAP_WRITE | Usage::COPY_SRC).contains(usage) {
            return refused("MAP_WRITE can be combined with COPY_SRC only");
        }
        if bytes == 0 || bytes > gpu.info.limits.max_buffer_size {
            return Err(Error::value(
                Status::Limit,
                "bytes",
                bytes,
                "a buffer has at least 1 byte and at most max_buffer_size",
            ));
        }
        let size = bytes.next_multiple_of(4);
        // STORAGE: a shader writes and copies parts of words.
        let storage = if gpu.compute { BufferUsages::STORAGE } else { BufferUsages::empty() };
        let work = BufferUsages::COPY_SRC | BufferUsages::COPY_DST | storage;
        let needs_readback = reads && gpu.compute && !gpu.mappable;
        let direct = gpu.direct && !reads && !usage.contains(Usage::MAP_WRITE);
        let native = if usage.contains(Usage::MAP_WRITE) || reads && !gpu.compute {
            translate(usage)
        } else if needs_readback {
            work
        } else {
            translate(usage) | work | if direct { BufferUsages::MAP_WRITE } else { BufferUsages::empty() }
        };
        let desc =
            wgpu::BufferDescriptor { label: Some(label), size, usage: native, mapped_at_creation: mapped };
        let main = gpu.create_buffer(&desc)?;
        let desc = wgpu::BufferDescriptor {
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
            ..desc
        };
        let readback = if needs_readback { Some(gpu.create_buffer(&desc)?) } else { None };
        Ok(WgpuBuffer {
            main,
            readback,
            stale: 0..0,
            bytes,
            usage,
            direct,
            shaders: native.contains(BufferUsages::STORAGE),
            view: None,
            created_at: None,
        })
    }

    /// Whether a range ends at a word, or in the padding of the last word.
    pub(super) fn ends_aligned(&self, end: u64) -> bool {
        end.is_multiple_of(4) || end == self.bytes
    }

    /// Marks a range of the main buffer as changed; returns whether no range was marked before.
    pub(super) fn mark_stale(&mut self, offset: u64, bytes: u64) -> bool {
        if self.readback.is_none() || bytes == 0 {
            return false;
        }
        let (begin, end) = (offset & !3, (offset + bytes).next_multiple_of(4));
        let first = self.stale.is_empty();
        self.stale = if first { begin..end } else { self.stale.start.min(begin)..self.stale.end.max(end) };
        first
    }

    pub(super) fn is_mapped(&self) -> bool {
        self.view.is_some()
    }

    /// The address of a new buffer that is mapped at its creation.
    pub(super) fn map_at_creation(&mut self, gpu: &Gpu) -> Result<NonNull<u8>> {
        let data = self.take_view(gpu, MapMode::Write, 0..self.main.size(), true)?;
        self.mark_stale(0, self.bytes);
        Ok(data)
    }

    /// Takes the address of a range that wgpu has mapped, and keeps it mapped.
    fn take_view(
        &mut self,
        gpu: &Gpu,
        mode: MapMode,
        range: Range<u64>,
        at_creation: bool,
    ) -> Result<NonNull<u8>> {
        let none = |error: wgpu::MapRangeError| gpu.refused("Buffer::get_mapped_range", &error.to_string());
        let (view, data) = match mode {
            MapMode::Read => {
                let view = self.mappable().get_mapped_range(range).map_err(none)?;
                let data = NonNull::from(&view[..]).cast();
                (MappedView::Read { _view: view }, data)
            }
            MapMode::Write => {
                let mut view = self.main.get_mapped_range_mut(range).map_err(none)?;
                let data = view.slice(..).as_raw_element_ptr();
                (MappedView::Write { _view: view, at_creation }, data)
            }
        };
        self.view = Some(view);
        Ok(data)
    }

    fn mappable(&self) -> &wgpu::Buffer {
        self.readback.as_ref().unwrap_or(&self.main)
    }

    /// Maps a range, at least a byte, of a buffer that no pending work uses.
    pub(super) fn map(&mut self, gpu: &Gpu, mode: MapMode, offset: u64, bytes: u64) -> Result<NonNull<u8>> {
        let (needed, reason) = match mode {
            MapMode::Read => (Usage::MAP_READ, "its usage has no MAP_READ"),
            MapMode::Write => (Usage::MAP_WRITE, "its usage has no MAP_WRITE"),
        };
        if !self.usage.contains(needed) {
            return Err(Error::param(Status::Argument, "buffer", reason));
        }
        self.map_range(gpu, mode, offset, bytes)
    }

    /// Writes a range of a direct buffer that no pending work uses. The range begins at a multiple of 8 and ends at a multiple of 4.
    pub(super) fn write_direct(
        &mut self,
        gpu: &Gpu,
        offset: u64,
        data: &[u8],
        submissions: u64,
    ) -> Result<()> {
        let mapped = self.map_range(gpu, MapMode::Write, offset, data.len() as u64)?;
        // SAFETY: so many bytes are mapped there until the unmap.
        unsafe { mapped.as_ptr().copy_from_nonoverlapping(data.as_ptr(), data.len()) };
        self.unmap(gpu, submissions)
    }

    fn map_range(&mut self, gpu: &Gpu, mode: MapMode, offset: u64, bytes: u64) -> Result<NonNull<u8>> {
        let native = match mode {
            MapMode::Read => wgpu::MapMode::Read,
            MapMode::Write => wgpu::MapMode::Write,
        };
        let range = offset & !7..(offset + bytes).next_multiple_of(4);
        let skipped = (offset - range.start) as usize;
        let map_result = try_arc(AtomicU8::new(PENDING))?;
        let shared = map_result.clone();
        let requested = gpu.checked("Buffer::map_async", || {
            let callback = move |result: std::result::Result<_, _>| {
                shared.store(if result.is_ok() { MAPPED } else { FAILED }, Release);
            };
            self.mappable().map_async(native, range.clone(), callback);
        });
        let data = requested
            .and_then(|()| wait_mapped(gpu, &map_result))
            .and_then(|()| self.take_view(gpu, mode, range, false))
            // SAFETY: inside of the mapped bytes.
            .map(|data| unsafe { data.add(skipped) });
        if data.is_err() {
            // A failed request blocks later ones until it is ended.
            let _ = gpu.checked("Buffer::unmap", || self.mappable().unmap());
        }
        data
    }

    /// Ends a mapping. `submissions` is the number of submits so far.
    pub(super) fn unmap(&mut self, gpu: &Gpu, submissions: u64) -> Result<()> {
        let at_creation = match &self.view {
            None => return Err(Error::param(Status::State, "buffer", "is not mapped")),
            Some(MappedView::Read { .. }) => false,
            Some(MappedView::Write { at_creation, .. }) => *at_creation,
        };
        let reads = matches!(self.view, Some(MappedView::Read { .. }));
        let native = if reads { self.mappable() } else { &self.main }.clone();
        // wgpu panics at an unmap while there is a view.
        self.view = None;
        if at_creation {
            self.created_at = Some(submissions);
        }
        gpu.checked("Buffer::unmap", || native.unmap())
    }
}

const PENDING: u8 = 0;
const MAPPED: u8 = 1;
const FAILED: u8 = 2;

/// Waits for the result of a map request.
fn wait_mapped(gpu: &Gpu, result: &AtomicU8) -> Result<()> {
    let deadline = Deadline::after(MAP_TIMEOUT);
    let mut kind = wgpu::PollType::Poll;
    loop {
        let _ = gpu.poll(kind);
        match result.load(Acquire) {
            MAPPED => return gpu.check_alive(),
            FAILED => return Err(gpu.refused("Buffer::map_async", "the driver does not map the buffer")),
            _ => gpu.check_alive()?,
        }
        if deadline.passed() {
            return Err(Error::text(
                Status::Backend,
                "Buffer::map_async timed out: is the buffer used by work that was not waited for?",
            ));
        }
        let timeout = Some(Duration::from_millis(1));
        kind = wgpu::PollType::Wait { submission_index: None, timeout };
    }
}

fn translate(usage: Usage) -> wgpu::BufferUsages {
    use wgpu::BufferUsages;
    let pairs = [
        (Usage::VERTEX, BufferUsages::VERTEX),
        (Usage::INDEX, BufferUsages::INDEX),
        (Usage::UNIFORM, BufferUsages::UNIFORM),
        (Usage::STORAGE, BufferUsages::STORAGE),
        (Usage::COPY_SRC, BufferUsages::COPY_SRC),
        (Usage::COPY_DST, BufferUsages::COPY_DST),
        (Usage::MAP_READ, BufferUsages::MAP_READ),
        (Usage::MAP_WRITE, BufferUsages::MAP_WRITE),
        (Usage::INDIRECT, BufferUsages::INDIRECT),
    ];
    pairs.into_iter().filter(|(usage_of, _)| usage.contains(*usage_of)).map(|(_, native)| native).collect()
}
