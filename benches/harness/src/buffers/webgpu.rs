//! The rows of WebGPU buffers, compared with wgpu's own calls on the same adapter.

use super::{SIZE, alone, bytes, pages};
use crate::Bench;
use crate::figures::Figures;
use crate::measure::{Burst, Entry, alternate};
use ::backbuf::buffers::*;
use ::backbuf::device::{Device, Usage, WgpuConfig, WgpuHandles};
use ::backbuf::{Status, Timeout};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

const SMALL: usize = 4096;
const WRITES: usize = 256;
const READ: usize = 1 << 20;
/// Writes of one submit, in the row that counts calls.
const TINY: usize = 1000;

type Outcome<T> = ::backbuf::Result<T>;

struct Ours {
    device: Device,
    target: DeviceBuffer,
    native: wgpu::Buffer,
    gpu: WgpuHandles,
}

pub fn measure(bench: &Bench, row: &str) -> Result<Figures, String> {
    let figures = match row {
        "upload.8m" => upload(bench),
        "small.4096" => small(bench),
        "readback.1m" => readback(bench),
        "native_calls" => native_calls(),
        _ => return Err("no such row in the harness".into()),
    };
    figures.map_err(|error| error.to_string())
}

impl Ours {
    fn new(size: usize) -> Outcome<Ours> {
        let device = Device::wgpu(WgpuConfig { label: "bench", ..WgpuConfig::default() })?;
        let usage = Usage::STORAGE | Usage::COPY_SRC;
        let desc = BufferDesc { size: size as u64, usage, ..BufferDesc::default() };
        let target = DeviceBuffer::new(&device, &desc)?;
        let gpu = bare(device.info().name.as_str())?;
        let native = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: size as u64,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let ours = Ours { device, target, native, gpu };
        // Checks that the transferred bytes are the written ones.
        let data: Vec<u8> = (0..size).map(|at| (at * 31) as u8).collect();
        ours.write(&data)?;
        let ring = ours.ring(size)?;
        let reading = ring.read(&ours.target, 0, size as u64)?;
        reading.wait(Timeout::FOREVER)?;
        assert!(reading.bytes()?[..] == data, "what was read back is not what was written");
        Ok(ours)
    }

    fn ring(&self, size: usize) -> Outcome<ReadbackBuffer> {
        ReadbackBuffer::new(
            &self.device,
            ReadbackConfig { size: size as u64, frames: 3, ..ReadbackConfig::default() },
        )
    }

    fn done(&self, encoder: &mut Encoder<'_>) -> Outcome<()> {
        self.device.wait_fence(encoder.submit()?, Timeout::FOREVER)
    }

    fn write(&self, data: &[u8]) -> Outcome<()> {
        let mut encoder = Encoder::new(&self.device);
        encoder.write(&self.target, 0, data)?;
        self.done(&mut encoder)
    }

    fn upload(&self, staging: &mut DeferredStagingBuffer, data: &[u8]) -> Outcome<()> {
        staging.map_async()?.wait(Timeout::FOREVER)?.result?;
        staging.write(0, data)?;
        let mut encoder = Encoder::new(&self.device);
        staging.upload_to(&mut encoder, &self.target, 0)?;
        self.done(&mut encoder)
    }

    /// Submits plain wgpu commands and waits for them.
    fn finish(&self, encoder: Option<wgpu::CommandEncoder>) {
        let submission = self.gpu.queue.submit(encoder.map(wgpu::CommandEncoder::finish));
        let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: None };
        self.gpu.device.poll(wait).expect("the device works");
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    fn compare(&self, bench: &Bench, mut entries: Vec<Entry>) -> Figures {
        alternate(&mut entries, &bench.effort);
        let renderer = Some(format!("WebGPU by {}", self.device.info().name.as_str()));
        Figures { renderer, ..Figures::of(&entries, Vec::new()) }
    }
}

/// A separate wgpu device on the same adapter for the plain calls, since lending out the library's own device would change its
/// behaviour.
fn bare(name: &str) -> Outcome<WgpuHandles> {
    let none =
        || ::backbuf::Error::param(Status::Unsupported, "adapter", "wgpu cannot create a device on it");
    let mut desc = wgpu::InstanceDescriptor::new_without_display_handle();
    desc.backends = wgpu::Backends::VULKAN | wgpu::Backends::GL;
    let instance = wgpu::Instance::new(desc);
    let adapters = now(instance.enumerate_adapters(wgpu::Backends::all())).ok_or_else(none)?;
    let adapter = adapters.into_iter().find(|adapter| adapter.get_info().name == name).ok_or_else(none)?;
    let made = now(adapter.request_device(&wgpu::DeviceDescriptor::default())).and_then(Result::ok);
    made.map(|(device, queue)| WgpuHandles { device, queue }).ok_or_else(none)
}

/// The result of a future that is ready at once.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Ends the run on an error.
fn fine(outcome: Outcome<()>) {
    outcome.expect("the device works");
}

fn upload(bench: &Bench) -> Outcome<Figures> {
    let ours = Ours::new(SIZE)?;
    let mut staging = DeferredStagingBuffer::new(&ours.device, SIZE as u64, "")?;
    let mut belt = wgpu::util::StagingBelt::new(ours.gpu.device.clone(), SIZE as u64);
    let entries = vec![
        bytes("ours", pages(), |data| fine(ours.write(data))),
        bytes("backbuf_staging", pages(), |data| fine(ours.upload(&mut staging, data))),
        bytes("wgpu_write_buffer", pages(), |data| {
            ours.gpu.queue.write_buffer(&ours.native, 0, data);
            ours.finish(None);
        }),
        bytes("wgpu_staging_belt", pages(), |data| {
            let mut encoder = ours.encoder();
            put(&mut belt, &mut encoder, &ours.native, 0, data);
            belt.finish();
            ours.finish(Some(encoder));
            belt.recall();
        }),
    ];
    Ok(ours.compare(bench, entries))
}

fn put(
    belt: &mut wgpu::util::StagingBelt,
    encoder: &mut wgpu::CommandEncoder,
    to: &wgpu::Buffer,
    at: u64,
    data: &[u8],
) {
    let size = wgpu::BufferSize::new(data.len() as u64).expect("some bytes");
    belt.write_buffer(encoder, to, at, size).copy_from_slice(data);
}

/// Offsets of the small writes: adjacent, and the same in another order.
const IN_ORDER: fn(usize) -> u64 = |index| (index * SMALL) as u64;
const SCATTERED: fn(usize) -> u64 = |index| (index * 149 % WRITES * SMALL) as u64;

fn small(bench: &Bench) -> Outcome<Figures> {
    let ours = Ours::new(SMALL * WRITES)?;
    let data = vec![7; SMALL * WRITES];
    let pieces = || data.chunks(SMALL).enumerate();
    let through_ours = |offset: fn(usize) -> u64| {
        let (ours, mut encoder) = (&ours, Encoder::new(&ours.device));
        move || {
            pieces().for_each(|(index, piece)| fine(encoder.write(&ours.target, offset(index), piece)));
            fine(ours.done(&mut encoder));
        }
    };
    let mut belt = wgpu::util::StagingBelt::new(ours.gpu.device.clone(), (SMALL * WRITES) as u64);
    let entries = vec![
        submits("ours", through_ours(IN_ORDER)),
        submits("backbuf_scattered", through_ours(SCATTERED)),
        submits("wgpu_write_buffer", || {
            pieces().for_each(|(index, piece)| {
                ours.gpu.queue.write_buffer(&ours.native, IN_ORDER(index), piece);
            });
            ours.finish(None);
        }),
        submits("wgpu_staging_belt", || {
            let mut encoder = ours.encoder();
            pieces().for_each(|(index, piece)| {
                put(&mut belt, &mut encoder, &ours.native, IN_ORDER(index), piece);
            });
            belt.finish();
            ours.finish(Some(encoder));
            belt.recall();
        }),
    ];
    Ok(ours.compare(bench, entries))
}

/// The time per small write of a submit.
fn submits<'a>(name: &str, mut submit: impl FnMut() + 'a) -> Entry<'a> {
    Entry::new(name, move |cycles| {
        let started = Instant::now();
        (0..cycles).for_each(|_| submit());
        Burst { time: started.elapsed(), units: cycles * WRITES as u64 }
    })
}

fn readback(bench: &Bench) -> Outcome<Figures> {
    let ours = Ours::new(READ)?;
    let ring = ours.ring(READ)?;
    let read = |inspect: &mut dyn FnMut(&[u8])| -> Outcome<()> {
        let reading = ring.read(&ours.target, 0, READ as u64)?;
        reading.wait(Timeout::FOREVER)?;
        inspect(&reading.bytes()?);
        Ok(())
    };
    let download = |data: &mut [u8]| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let (device, queue) = (&ours.gpu.device, &ours.gpu.queue);
        wgpu::util::DownloadBuffer::read_buffer(device, queue, &ours.native.slice(..), move |buffer| {
            _ = sender.send(buffer.expect("the device works"));
        });
        ours.gpu.device.poll(wgpu::PollType::wait_indefinitely()).expect("the device works");
        data.copy_from_slice(&receiver.recv().expect("the callback sends the buffer"));
    };
    let memory = || vec![7; READ];
    let entries = vec![
        bytes("ours", memory(), |data| fine(read(&mut |seen| data.copy_from_slice(seen)))),
        bytes("backbuf_in_place", memory(), |_| fine(read(&mut |seen| _ = std::hint::black_box(seen)))),
        bytes("wgpu_download_buffer", memory(), download),
    ];
    Ok(ours.compare(bench, entries))
}

/// Number of wgpu calls for small writes: one frame of a dynamic buffer, and adjacent writes of an encoder.
fn native_calls() -> Outcome<Figures> {
    let ours = Ours::new(64 * TINY)?;
    let data = vec![7; 64 * TINY];
    let before = ours.device.statistics().native_calls;
    let config =
        DynamicConfig { size: (256 * TINY) as u64, usage: Usage::UNIFORM, ..DynamicConfig::default() };
    let dynamic = DynamicBuffer::new(&ours.device, &config)?;
    for piece in data.chunks(64) {
        dynamic.begin_update(64)?.copy_from_slice(piece);
    }
    dynamic.flush()?;
    let updates = ours.device.statistics().native_calls - before;
    let mut encoder = Encoder::new(&ours.device);
    for (index, piece) in data.chunks(64).enumerate() {
        encoder.write(&ours.target, (64 * index) as u64, piece)?;
    }
    encoder.submit()?;
    let writes = ours.device.statistics().native_calls - before - updates;
    let peers = [("writes", TINY as u64), ("backbuf_encoder", writes)];
    let peers = peers.map(|(name, calls)| (name.into(), calls as f64)).into();
    Ok(Figures { ours: Some(updates as f64), peers, ..alone() })
}
