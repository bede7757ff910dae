//! Writes and copies with byte offsets and sizes, by compute shader: WebGPU's own copies take whole words of 4 bytes only.
//!
//! A driver writes any range of a buffer. The words at the ends of an unaligned range keep some of their bytes, which only the device
//! knows: earlier work of the same submit, or a shader of the program, may have changed them. To read the words back would cost a
//! submit and a wait for each write, and a copy of every buffer in host memory would miss what shaders write. So a shader merges the
//! bytes on the device, in the order of the work. It merges many small writes by one dispatch, which is also faster than a copy for
//! each of them.

use crate::device::driver::Native;
use crate::device::wgpu::gpu::{Gpu, SHADER_GROUP};
use crate::error::{Error, Result, Status};

/// Words that one dispatch reaches.
pub(super) const DISPATCH_WORDS: u64 = 65_535 * SHADER_GROUP as u64;

/// The most words that one dispatch merges.
const MOST_WRITES: usize = 4096;

/// A word of a buffer whose `mask` bytes are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct MaskedWrite {
    /// Index of the word in the buffer.
    word: u64,
    mask: u32,
    value: u32,
}

/// Masked writes to one buffer, sorted by word, each word once, since a shader executes them in no order.
#[derive(Debug, Default)]
pub(super) struct MaskedWrites {
    target: Option<Native>,
    writes: Vec<MaskedWrite>,
}

impl MaskedWrites {
    /// Whether these bytes can be added to the same dispatch, which reaches `window` bytes.
    pub(super) fn has_room(&self, target: Native, offset: u64, bytes: u64, window: u64) -> bool {
        let (begin, end) = (offset / 4, (offset + bytes).div_ceil(4));
        let first = self.writes.first().map_or(begin, |write| write.word).min(begin);
        let last = self.writes.last().map_or(end, |write| write.word + 1).max(end);
        self.writes.is_empty()
            || self.target == Some(target)
                && self.writes.len() + (end - begin) as usize <= MOST_WRITES
                && (last - first) * 4 <= window
    }

    /// Adds bytes that have room.
    pub(super) fn add(&mut self, target: Native, offset: u64, data: &[u8]) -> Result<()> {
        let end = offset + data.len() as u64;
        let words = offset / 4..end.div_ceil(4);
        self.writes.try_reserve((words.end - words.start) as usize)?;
        self.target = Some(target);
        for word in words {
            let (mut mask, mut value) = ([0; 4], [0; 4]);
            for at in (word * 4).max(offset)..(word * 4 + 4).min(end) {
                mask[(at % 4) as usize] = 0xff;
                value[(at % 4) as usize] = data[(at - offset) as usize];
            }
            self.put(MaskedWrite { word, mask: u32::from_le_bytes(mask), value: u32::from_le_bytes(value) });
        }
        Ok(())
    }

    fn put(&mut self, new: MaskedWrite) {
        // Most writes come in order.
        let at = match self.writes.last() {
            Some(last) if last.word >= new.word => self.writes.partition_point(|write| write.word < new.word),
            _ => self.writes.len(),
        };
        match self.writes.get_mut(at) {
            Some(known) if known.word == new.word => {
                known.value = known.value & !new.mask | new.value;
                known.mask |= new.mask;
            }
            _ => self.writes.insert(at, new),
        }
    }

    /// Whether a range of a buffer overlaps the words from the first to the last write.
    pub(super) fn overlaps(&self, buffer: Native, offset: u64, bytes: u64) -> bool {
        let (Some(first), Some(last)) = (self.writes.first(), self.writes.last()) else { return false };
        self.target == Some(buffer) && first.word * 4 < offset + bytes && offset < last.word * 4 + 4
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }

    /// The range of words from the first to the last write.
    pub(super) fn span(&self) -> (u64, u64) {
        (
            self.writes.first().map_or(0, |write| write.word),
            self.writes.last().map_or(0, |write| write.word + 1),
        )
    }

    /// Removes all writes and returns them as the shader's jobs, with words counted from `base`.
    pub(super) fn take(&mut self, base: u64) -> impl Iterator<Item = [u32; 4]> {
        self.target = None;
        self.writes.drain(..).map(move |write| [(write.word - base) as u32, write.mask, write.value, 0])
    }
}

/// `jobs[0]` describes the work. `merge`: the number of masked writes, which follow: index of the word, mask, value. `shift`: the first
/// word to write, their number, the masks of the first and the last one; `jobs[1].x` is the offset in `bytes_in` of the first word's
/// first byte, which may be negative.
const SHADERS: &str = "
@group(0) @binding(0) var<storage, read> jobs: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> words: array<u32>;
@group(0) @binding(2) var<storage, read> bytes_in: array<u32>;

@compute @workgroup_size(64)
fn merge(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= jobs[0].x) { return; }
    let job = jobs[id.x + 1u];
    words[job.x] = (words[job.x] & ~job.y) | (job.z & job.y);
}

fn word_in(at: i32) -> u32 {
    if (at < 0 || at >= i32(arrayLength(&bytes_in))) { return 0u; }
    return bytes_in[at];
}

@compute @workgroup_size(64)
fn shift(@builtin(global_invocation_id) id: vec3<u32>) {
    let job = jobs[0];
    if (id.x >= job.y) { return; }
    let begin = i32(jobs[1].x) + i32(4u * id.x);
    let bits = u32(begin & 3) * 8u;
    var word = word_in(begin >> 2u);
    if (bits != 0u) { word = (word >> bits) | (word_in((begin >> 2u) + 1) << (32u - bits)); }
    var mask = 0xffffffffu;
    if (id.x == 0u) { mask &= job.z; }
    if (id.x + 1u == job.y) { mask &= job.w; }
    let at = job.x + id.x;
    words[at] = (words[at] & ~mask) | (word & mask);
}
";

/// The compute pipelines, and the buffer that they read their jobs from.
pub(super) struct ByteShaders {
    merge: wgpu::ComputePipeline,
    shift: wgpu::ComputePipeline,
    /// With STORAGE and COPY_DST.
    pub(super) jobs: wgpu::Buffer,
    /// Holds words of buffers that shaders cannot read.
    scratch: Option<wgpu::Buffer>,
}

/// A range of a buffer that a shader accesses.
#[derive(Clone, Copy)]
pub(super) struct ShaderRange<'a> {
    pub(super) buffer: &'a wgpu::Buffer,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

impl ShaderRange<'_> {
    fn binding(&self, binding: u32) -> wgpu::BindGroupEntry<'_> {
        let size = std::num::NonZero::new(self.bytes);
        let buffer = wgpu::BufferBinding { buffer: self.buffer, offset: self.offset, size };
        wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::Buffer(buffer) }
    }
}

impl ByteShaders {
    pub(super) fn new(gpu: &Gpu) -> Result<ByteShaders> {
        if !gpu.compute {
            let reason = "offsets and sizes must be multiples of 4: the adapter has no shaders to write parts of words";
            return Err(Error::text(Status::Unsupported, reason));
        }
        let jobs = create_storage(gpu, 16 * (MOST_WRITES as u64 + 1))?;
        gpu.checked("Device::create_compute_pipeline", || {
            let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some("backbuf"),
                source: wgpu::ShaderSource::Wgsl(SHADERS.into()),
            });
            let pipeline = |entry_point| {
                gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                    label: Some("backbuf"),
                    layout: None,
                    module: &module,
                    entry_point: Some(entry_point),
                    compilation_options: wgpu::PipelineCompilationOptions::default(),
                    cache: None,
                })
            };
            ByteShaders { merge: pipeline("merge"), shift: pipeline("shift"), jobs, scratch: None }
        })
    }

    /// A buffer of at least that many bytes, which shaders read.
    pub(super) fn scratch(&mut self, gpu: &Gpu, bytes: u64) -> Result<wgpu::Buffer> {
        match &self.scratch {
            Some(scratch) if scratch.size() >= bytes => Ok(scratch.clone()),
            _ => {
                let new = create_storage(gpu, bytes.next_power_of_two().max(1 << 16))?;
                Ok(self.scratch.insert(new).clone())
            }
        }
    }

    /// Merges the masked writes in `jobs` into words of a buffer.
    pub(super) fn merge(
        &self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        words: ShaderRange<'_>,
        count: u64,
    ) {
        self.dispatch(gpu, encoder, &self.merge, &[self.jobs_binding(), words.binding(1)], count);
    }

    /// Copies bytes to another offset within their words, as `jobs` describes.
    pub(super) fn shift(
        &self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        words: ShaderRange<'_>,
        from: ShaderRange<'_>,
        count: u64,
    ) {
        let entries = [self.jobs_binding(), words.binding(1), from.binding(2)];
        self.dispatch(gpu, encoder, &self.shift, &entries, count);
    }

    fn jobs_binding(&self) -> wgpu::BindGroupEntry<'_> {
        wgpu::BindGroupEntry { binding: 0, resource: self.jobs.as_entire_binding() }
    }

    fn dispatch(
        &self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        pipeline: &wgpu::ComputePipeline,
        entries: &[wgpu::BindGroupEntry<'_>],
        threads: u64,
    ) {
        let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries,
        });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(threads.div_ceil(SHADER_GROUP.into()) as u32, 1, 1);
    }
}

fn create_storage(gpu: &Gpu, bytes: u64) -> Result<wgpu::Buffer> {
    gpu.create_buffer(&wgpu::BufferDescriptor {
        label: Some("backbuf shaders"),
        size: bytes,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Native = Native(1);

    #[test]
    fn each_word_is_written_once_and_in_order() {
        let mut writes = MaskedWrites::default();
        writes.add(A, 9, &[1, 2, 3, 4]).unwrap();
        writes.add(A, 2, &[5]).unwrap();
        writes.add(A, 10, &[6]).unwrap();
        assert_eq!((writes.is_empty(), writes.len(), writes.span()), (false, 3, (0, 4)));
        assert!(writes.overlaps(A, 15, 1) && writes.overlaps(A, 5, 1), "between the writes, too");
        assert!(!writes.overlaps(A, 16, 1) && !writes.overlaps(Native(2), 0, 16));
        let taken: Vec<_> = writes.take(0).collect();
        assert_eq!(taken[0], [0, 0x00ff_0000, 0x0005_0000, 0]);
        assert_eq!(taken[1], [2, 0xffff_ff00, 0x0306_0100, 0], "the later one of two bytes");
        assert_eq!(taken[2], [3, 0x0000_00ff, 4, 0]);
        assert!(writes.is_empty());
    }

    #[test]
    fn a_dispatch_has_one_buffer_one_window_and_a_bound() {
        let mut writes = MaskedWrites::default();
        assert!(writes.has_room(A, 1 << 40, 1, 64));
        writes.add(A, 64, &[1]).unwrap();
        assert!(writes.has_room(A, 124, 4, 64) && !writes.has_room(A, 125, 4, 64));
        assert!(writes.has_room(A, 4, 1, 64) && !writes.has_room(A, 3, 1, 64));
        assert!(!writes.has_room(Native(2), 64, 1, 64));
        for word in 0..MOST_WRITES as u64 {
            writes.add(A, word * 4, &[7; 4]).unwrap();
        }
        assert!(writes.len() == MOST_WRITES && !writes.has_room(A, 0, 1, 1 << 20));
    }
}
