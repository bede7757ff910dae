//! Shaders for what WebGPU's copies cannot do: they take whole words only.

use super::gpu::Gpu;
use crate::error::{Error, Result, Status};

/// Threads of a work group.
pub(super) const GROUP: u32 = 64;
/// Words that one dispatch reaches.
pub(super) const WORDS: u64 = 65_535 * GROUP as u64;

/// `jobs` begins with what is to be done. `mend`: how many words, and for each its place, which bits, their value. `shift`: the
/// first word, how many, which bits of the first and the last one; then where in `bytes_in` the first word's first byte is,
/// which may be before its beginning.
const SHADERS: &str = "
@group(0) @binding(0) var<storage, read> jobs: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> words: array<u32>;
@group(0) @binding(2) var<storage, read> bytes_in: array<u32>;

@compute @workgroup_size(64)
fn mend(@builtin(global_invocation_id) id: vec3<u32>) {
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
    let place = job.x + id.x;
    words[place] = (words[place] & ~mask) | (word & mask);
}
";

/// Pipelines, and the buffers that they read their orders from.
pub(super) struct Kernels {
    mend: wgpu::ComputePipeline,
    shift: wgpu::ComputePipeline,
    /// STORAGE and COPY_DST.
    pub(super) jobs: wgpu::Buffer,
    /// For words of buffers that shaders cannot read.
    scratch: Option<wgpu::Buffer>,
}

/// A part of a buffer.
#[derive(Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) buffer: &'a wgpu::Buffer,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

impl Window<'_> {
    fn binding(&self, binding: u32) -> wgpu::BindGroupEntry<'_> {
        let size = std::num::NonZero::new(self.bytes);
        let buffer = wgpu::BufferBinding { buffer: self.buffer, offset: self.offset, size };
        wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::Buffer(buffer) }
    }
}

impl Kernels {
    pub(super) fn new(gpu: &Gpu) -> Result<Kernels> {
        if !gpu.compute {
            let why = "offsets and sizes must be multiples of 4: the adapter has no shaders to write parts of words";
            return Err(Error::text(Status::Unsupported, why));
        }
        let jobs = storage(gpu, 16 * (super::mends::MOST as u64 + 1))?;
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
            Kernels { mend: pipeline("mend"), shift: pipeline("shift"), jobs, scratch: None }
        })
    }

    /// Bytes that shaders read, at least that many.
    pub(super) fn scratch(&mut self, gpu: &Gpu, bytes: u64) -> Result<wgpu::Buffer> {
        match &self.scratch {
            Some(scratch) if scratch.size() >= bytes => Ok(scratch.clone()),
            _ => {
                let new = storage(gpu, bytes.next_power_of_two().max(1 << 16))?;
                Ok(self.scratch.insert(new).clone())
            }
        }
    }

    /// Mends words of a buffer, as `jobs` says.
    pub(super) fn mend(&self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder, words: Window<'_>, count: u64) {
        self.dispatch(gpu, encoder, &self.mend, &[self.orders(), words.binding(1)], count);
    }

    /// Moves bytes to where they lie otherwise in their words, as `jobs` says.
    pub(super) fn shift(
        &self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        words: Window<'_>,
        from: Window<'_>,
        count: u64,
    ) {
        self.dispatch(gpu, encoder, &self.shift, &[self.orders(), words.binding(1), from.binding(2)], count);
    }

    fn orders(&self) -> wgpu::BindGroupEntry<'_> {
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
        pass.dispatch_workgroups(threads.div_ceil(GROUP.into()) as u32, 1, 1);
    }
}

fn storage(gpu: &Gpu, bytes: u64) -> Result<wgpu::Buffer> {
    gpu.buffer(&wgpu::BufferDescriptor {
        label: Some("backbuf shaders"),
        size: bytes,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}
