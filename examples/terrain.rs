//! Streams a landscape to WebGPU in tiles, shades it with a compute pass, and reads it back. `python/examples/terrain.py` runs it,
//! compares the result with NumPy's, and draws it.
//!
//! `cargo run --features wgpu --example terrain -- GROUND ROWS COLUMNS SHADE [ADAPTER]`: reads elevations from the file GROUND and
//! writes the light of each to the file SHADE, both as 32-bit floats.

use std::collections::VecDeque;
use std::error::Error;
use std::fs;
use std::process::ExitCode;

use backbuf::Timeout;
use backbuf::buffers::{
    BufferDesc, DeferredStagingBuffer, DeviceBuffer, Encoder, ReadbackBuffer, ReadbackConfig, Reading,
};
use backbuf::device::{Device, Driver, Fence, Usage, WgpuConfig};

/// Rows of a tile.
const ROWS: usize = 16;
const USAGE: &str = "usage: terrain GROUND ROWS COLUMNS SHADE [ADAPTER]";
/// `{rows}` and `{columns}` are filled in. Cells are 30 m wide, and the sun stands low in the north-west.
const SHADER: &str = "
@group(0) @binding(0) var<storage, read> ground: array<f32>;
@group(0) @binding(1) var<storage, read_write> shade: array<f32>;
const rows = {rows}; const columns = {columns}; const cell = 30.0;
const sun = vec3<f32>(-1.0, 1.0, 0.8) / sqrt(2.64);

fn at(row: i32, column: i32) -> f32 {
    return ground[clamp(row, 0, rows - 1) * columns + clamp(column, 0, columns - 1)];
}
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let index = i32(id.x);
    if (index >= rows * columns) { return; }
    let row = index / columns; let column = index % columns;
    let east = (at(row, column + 1) - at(row, column - 1)) / (2.0 * cell);
    let north = (at(row - 1, column) - at(row + 1, column)) / (2.0 * cell);
    shade[index] = max(dot(normalize(vec3<f32>(-east, -north, 1.0)), sun), 0.0);
}";

/// Uploads in tiles through two alternating staging buffers, so that one can always be written.
fn upload(device: &Device, ground: &[u8], tile: usize, target: &DeviceBuffer) -> backbuf::Result<Fence> {
    let turn = |label| DeferredStagingBuffer::new(device, tile as u64, label);
    let mut turns = [turn("even tiles")?, turn("odd tiles")?];
    let mut encoder = Encoder::new(device);
    for (number, part) in ground.chunks(tile).enumerate() {
        let offset = (number * tile) as u64;
        let staging = &mut turns[number % 2];
        if part.len() < tile {
            encoder.write(target, offset, part)?; // the last tile: from the program's memory
        } else {
            staging.map_async()?.wait(Timeout::FOREVER)?.result?;
            staging.bytes()?.copy_from_slice(part);
            staging.upload_to(&mut encoder, target, offset)?;
        }
        encoder.submit()?;
    }
    encoder.submit()
}

/// Reads back in tiles, as many at once as the ring has buffers: later tiles are copied while earlier ones are read.
fn download(device: &Device, from: &DeviceBuffer, tile: usize) -> backbuf::Result<(Vec<u8>, u64)> {
    let config = ReadbackConfig { size: tile as u64, frames: 4, ..ReadbackConfig::default() };
    let ring = ReadbackBuffer::new(device, config)?;
    let mut all = Vec::with_capacity(from.size() as usize);
    let mut waiting = VecDeque::new();
    let mut take = |reading: Reading| -> backbuf::Result<()> {
        reading.wait(Timeout::FOREVER)?;
        all.extend_from_slice(&reading.bytes()?);
        Ok(())
    };
    for start in (0..from.size()).step_by(tile) {
        if waiting.len() == 4 {
            waiting.pop_front().map_or(Ok(()), &mut take)?;
        }
        waiting.push_back(ring.read(from, start, ring.size().min(from.size() - start))?);
    }
    waiting.into_iter().try_for_each(&mut take)?;
    Ok((all, ring.statistics().stalls))
}

/// A compute pass of the program on the device's buffers, between two submits.
fn shade(
    device: &Device,
    ground: &DeviceBuffer,
    shade: &DeviceBuffer,
    shader: String,
) -> backbuf::Result<()> {
    let gpu = device.wgpu_handles()?;
    let (ground_native, shade_native) = (ground.buffer().native()?, shade.buffer().native()?);
    // SAFETY: the buffers are only bound.
    let (ground_there, shade_there) =
        unsafe { (device.wgpu_buffer(ground_native)?, device.wgpu_buffer(shade_native)?) };
    let threads = (ground.size() / 4).div_ceil(64) as u32;
    // On the owner thread, as wgpu's OpenGL ES requires.
    let work = |_: &mut dyn Driver| {
        let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("terrain"),
            source: wgpu::ShaderSource::Wgsl(shader.into()),
        });
        let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("terrain"),
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: Default::default(),
            cache: None,
        });
        let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("terrain"),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: ground_there.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: shade_there.as_entire_binding() },
            ],
        });
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(threads, 1, 1);
        drop(pass);
        gpu.queue.submit([encoder.finish()]);
        Ok(())
    };
    // SAFETY: the closure does not use the driver.
    unsafe { device.run(Timeout::FOREVER, work) }
}

fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let (&[from, rows, columns, to], adapter) = match arguments {
        [first @ .., adapter] if arguments.len() == 5 => (first.try_into()?, *adapter),
        _ => (arguments.try_into().map_err(|_| USAGE)?, ""),
    };
    let (height, width): (usize, usize) = (rows.parse()?, columns.parse()?);
    let elevations = fs::read(from)?;
    if elevations.len() != height * width * 4 {
        return Err(format!("{from} has {} bytes, not {rows} x {columns} floats", elevations.len()).into());
    }
    let device = Device::wgpu(WgpuConfig { label: "terrain", adapter, ..WgpuConfig::default() })?;
    let make = |label| {
        let usage = Usage::STORAGE | Usage::COPY_SRC;
        let desc = BufferDesc { size: elevations.len() as u64, usage, label, ..BufferDesc::default() };
        DeviceBuffer::new(&device, &desc)
    };
    let (ground, light) = (make("ground")?, make("shade")?);
    device.wait_fence(upload(&device, &elevations, ROWS * width * 4, &ground)?, Timeout::FOREVER)?;
    shade(&device, &ground, &light, SHADER.replace("{rows}", rows).replace("{columns}", columns))?;
    let (shades, stalls) = download(&device, &light, ROWS * width * 4)?;
    fs::write(to, shades)?;
    println!("{}: {rows} x {columns} elevations, {stalls} stalls", device.info().name.as_str());
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["--help"] {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("terrain: {error}");
            ExitCode::FAILURE
        }
    }
}
