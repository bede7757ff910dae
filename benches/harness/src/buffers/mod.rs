//! The rows of buffers: host memory compared with memcpy, OpenGL and WebGPU with plain calls in the same process.

mod subject;
mod webgpu;

use crate::figures::Figures;
use crate::gl::{Bare, Buffer};
use crate::measure::{Burst, Entry, alternate, quantile};
use crate::{Bench, NO_LIBRARY};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use subject::{Api, Ours, USAGE_UNIFORM};

pub const SIZE: usize = 8 << 20;
const SMALL: usize = 256;
/// Updates per frame.
const PER_FRAME: usize = 256;
const UPDATE: usize = 64 << 10;
/// Frame time of a 60 Hz display.
const FRAME: Duration = Duration::from_nanos(16_666_667);

pub struct Buffers<'a> {
    bench: &'a Bench,
    api: Option<Api>,
}

impl<'a> Buffers<'a> {
    pub fn new(bench: &'a Bench, library: &Path) -> Buffers<'a> {
        Buffers { bench, api: bench.api.and_then(|api| Api::open(library, api).ok()) }
    }

    /// Measures one row, named without its module; the error is the reason why it cannot run here.
    pub fn measure(&self, name: &str) -> Result<Figures, String> {
        match name.split_once('.') {
            Some(("host", row)) => self.host(row),
            Some(("gl", row)) => self.gl(row),
            Some(("wgpu", row)) => webgpu::measure(self.bench, row),
            _ => Err("no such row in the harness".into()),
        }
    }

    fn ours(&self, gl: bool) -> Result<Ours, String> {
        let ours = Ours::new(self.api.ok_or(NO_LIBRARY)?, gl, SIZE as u64, UPDATE as u64, USAGE_UNIFORM)?;
        // Checks that the transferred bytes are the written ones.
        let data: Vec<u8> = (0..SIZE).map(|at| (at * 31) as u8).collect();
        for carry in [Ours::upload, Ours::write] {
            ours.write(&vec![0; SIZE]);
            carry(&ours, &data);
            let mut right = false;
            ours.read(|bytes| right = bytes == data);
            if !right {
                return Err("what was read back is not what was uploaded".into());
            }
        }
        Ok(ours)
    }

    fn host(&self, row: &str) -> Result<Figures, String> {
        let ours = self.ours(false)?;
        let (mut to, from) = (pages(), pages());
        let memcpy = bytes("limit.memcpy", pages(), move |data| to.copy_from_slice(data));
        match row {
            "staging_write" => {
                // SAFETY: nothing else accesses the bytes, and nothing is uploaded.
                let mapped = unsafe { &mut *ours.map() };
                Ok(self.compare(vec![bytes("ours", from, |data| mapped.copy_from_slice(data)), memcpy]))
            }
            "upload.8m" => Ok(self.compare(vec![
                bytes("ours", from, |data| ours.write(data)),
                bytes("backbuf_staging", pages(), |data| ours.upload(data)),
                memcpy,
            ])),
            _ => Err("no such row in the harness".into()),
        }
    }

    fn gl(&self, row: &str) -> Result<Figures, String> {
        let bare = Bare::new()?;
        let ours = self.ours(true)?;
        let buffer = bare.buffer(SIZE, glow::DYNAMIC_DRAW);
        let figures = match row {
            "upload.8m" => self.upload(&ours, &bare, &buffer),
            "readback.8m" => self.readback(&ours, &bare, &buffer),
            "ring.256" => self.ring(&ours, &bare, &buffer),
            "dynamic.p99" => Figures { ours: Some(frames(&ours, 600, Duration::ZERO).0), ..alone() },
            "dynamic.share" => Figures { ours: Some(frames(&ours, 120, FRAME).1), ..alone() },
            _ => return Err("no such row in the harness".into()),
        };
        Ok(Figures { renderer: Some(format!("OpenGL by {}", bare.renderer())), ..figures })
    }

    fn upload(&self, ours: &Ours, bare: &Bare, buffer: &Buffer<'_>) -> Figures {
        let finished = |write: &dyn Fn(&[u8]), data: &[u8]| {
            write(data);
            bare.finish();
        };
        let staging = bare.persistent(SIZE, glow::MAP_WRITE_BIT);
        let mut entries = vec![
            bytes("ours", pages(), |data| ours.write(data)),
            bytes("backbuf_staging", pages(), |data| ours.upload(data)),
            bytes("limit.glBufferSubData", pages(), |data| finished(&|data| buffer.write(0, data), data)),
            bytes("limit.glMapBufferRange", pages(), |data| {
                finished(&|data| buffer.write_mapped(data), data)
            }),
        ];
        if let Some(staging) = &staging {
            let write = |data: &[u8]| buffer.write_through(staging, data);
            entries.push(bytes("limit.gl_persistent", pages(), move |data| finished(&write, data)));
        }
        crate::gl::best(self.compare(entries), "limit.gl_best_upload")
    }

    fn readback(&self, ours: &Ours, bare: &Bare, buffer: &Buffer<'_>) -> Figures {
        let readback = bare.buffer(SIZE, glow::STREAM_READ);
        let persistent = bare.persistent(SIZE, glow::MAP_READ_BIT);
        let mut entries = vec![
            bytes("ours", pages(), |data| ours.read(|seen| data.copy_from_slice(seen))),
            bytes("backbuf_in_place", pages(), |_| ours.read(|seen| _ = std::hint::black_box(seen))),
            bytes("limit.glGetBufferSubData", pages(), |data| buffer.read(data)),
            bytes("limit.gl_copy_and_map", pages(), |data| buffer.read_through(&readback, data)),
        ];
        if let Some(persistent) = &persistent {
            entries.push(bytes("limit.gl_persistent", pages(), |data| buffer.read_through(persistent, data)));
        }
        crate::gl::best(self.compare(entries), "limit.gl_best_readback")
    }

    /// Times the updates alone, without the end of the frame.
    fn ring(&self, ours: &Ours, bare: &Bare, buffer: &Buffer<'_>) -> Figures {
        let data = [7; SMALL];
        self.compare(vec![
            updates("ours", |_| ours.update(std::hint::black_box(&data)), || ours.end_frame()),
            updates(
                "limit.glBufferSubData_256",
                |at| buffer.write((at * SMALL) as u64, std::hint::black_box(&data)),
                || bare.finish(),
            ),
        ])
    }

    fn compare(&self, mut entries: Vec<Entry>) -> Figures {
        alternate(&mut entries, &self.bench.effort);
        Figures::of(&entries, Vec::new())
    }
}

/// The updates of a frame, and its end, which is not timed.
fn updates<'a>(name: &str, update: impl Fn(usize) + 'a, end: impl Fn() + 'a) -> Entry<'a> {
    Entry::new(name, move |cycles| {
        let mut time = Duration::ZERO;
        for _ in 0..cycles {
            let started = Instant::now();
            (0..PER_FRAME).for_each(&update);
            time += started.elapsed();
            end();
        }
        Burst { time, units: cycles * PER_FRAME as u64 }
    })
}

/// Frames of one update each: the 99th percentile of the update's time in ms, and its share of the frame in percent.
fn frames(ours: &Ours, count: usize, frame: Duration) -> (f64, f64) {
    let data = vec![7; UPDATE];
    let (mut times, began) = (Vec::new(), Instant::now());
    for number in 0..count {
        let started = Instant::now();
        ours.update(&data);
        ours.flush();
        ours.end_frame();
        times.push(started.elapsed().as_secs_f64());
        let next = frame * (number as u32 + 1);
        std::thread::sleep(next.saturating_sub(began.elapsed()));
    }
    let whole = began.elapsed().as_secs_f64();
    (quantile(&times, 0.99) * 1e3, 100.0 * times.iter().sum::<f64>() / whole)
}

fn alone() -> Figures {
    Figures {
        ours: None,
        peers: BTreeMap::new(),
        spread: 0.0,
        wrong: Vec::new(),
        missing: Vec::new(),
        renderer: None,
    }
}

/// Memory of the caller whose pages are already present.
fn pages() -> Vec<u8> {
    vec![7; SIZE]
}

/// The time per byte.
fn bytes<'a>(name: &str, mut data: Vec<u8>, mut cycle: impl FnMut(&mut [u8]) + 'a) -> Entry<'a> {
    Entry::new(name, move |cycles| {
        let started = Instant::now();
        (0..cycles).for_each(|_| cycle(std::hint::black_box(&mut data)));
        Burst { time: started.elapsed(), units: cycles * data.len() as u64 }
    })
}
