//! The rows of OpenGL managers, compared with plain OpenGL calls in a context of the same process.

mod bare;
mod subject;

use crate::figures::Figures;
use crate::measure::{Burst, Entry, alternate};
use crate::{Bench, NO_LIBRARY};
pub use bare::{Bare, Buffer};
use std::cell::Cell;
use std::path::Path;
use std::time::Instant;
use subject::{Api, Ours};

pub struct Gl<'a> {
    bench: &'a Bench,
    api: Option<Api>,
}

const STATE: usize = 8 << 20;
const UPDATE: usize = 4096;
/// Updates per synchronize.
const PER_SYNC: usize = 256;
/// Size of the slices in which a rewrite of the whole state is enqueued.
const SLICE: usize = 64 << 10;

impl<'a> Gl<'a> {
    pub fn new(bench: &'a Bench, library: &Path) -> Gl<'a> {
        Gl { bench, api: bench.api.and_then(|api| Api::open(library, api).ok()) }
    }

    /// Measures one row, named without its module; the error is the reason why it cannot run here.
    pub fn measure(&self, name: &str) -> Result<Figures, String> {
        let api = self.api.ok_or(NO_LIBRARY)?;
        let bare = Bare::new()?;
        if name == "update.gpu.4096" && bare.is_software() {
            return Err(format!("there is no GPU: {} renders on the CPU", bare.renderer()));
        }
        let ours = Ours::new(api, &bare, STATE as u64);
        let buffer = bare.buffer(STATE, glow::DYNAMIC_DRAW);
        let row = Row { gl: self, bare: &bare, ours: &ours, buffer: &buffer };
        row.check()?;
        let figures = match name {
            "update.4096" | "update.gpu.4096" => {
                row.updates(PER_SYNC, PER_SYNC as u64, "limit.glBufferSubData")
            }
            "publish.4096" => row.updates(1, 1, "limit.glBufferSubData_and_fence"),
            "sync" => row.empty(),
            "readback.8m" => row.readback(),
            "upload.8m" => row.upload(),
            _ => return Err("no such row in the harness".into()),
        };
        Ok(Figures { renderer: Some(format!("OpenGL by {}", bare.renderer())), ..figures })
    }
}

/// The subjects of a row.
struct Row<'a> {
    gl: &'a Gl<'a>,
    bare: &'a Bare,
    ours: &'a Ours<'a>,
    buffer: &'a Buffer<'a>,
}

impl Row<'_> {
    /// Checks some epochs of updates in the renderer's buffer, in the host's front, and in the buffer of the plain calls.
    fn check(&self) -> Result<(), String> {
        let (places, mut model) = (Places::new(), vec![0; STATE]);
        for epoch in 1..=4_u8 {
            for index in 0..PER_SYNC {
                let (offset, data) =
                    (places.next(), [epoch.wrapping_mul(31).wrapping_add(index as u8); UPDATE]);
                self.ours.enqueue(offset, &data);
                self.buffer.write(offset, &data);
                model[offset as usize..][..UPDATE].copy_from_slice(&data);
            }
            self.ours.synchronize();
            let mut front = vec![0; STATE];
            self.ours.read(&mut front);
            if front != model || self.ours.read_buffer() != model {
                return Err(format!("ours differs from the updates in epoch {epoch}"));
            }
            self.buffer.read(&mut front);
            if front != model {
                return Err(format!("the plain calls differ from the updates in epoch {epoch}"));
            }
        }
        Ok(())
    }

    /// `count` updates at random offsets, then a wait for them.
    fn updates(&self, count: usize, units: u64, limit: &'static str) -> Figures {
        let (places, theirs, data) = (Places::new(), Places::new(), [7; UPDATE]);
        let ours = timed("ours", units, || {
            (0..count).for_each(|_| self.ours.enqueue(places.next(), &data));
            self.ours.synchronize();
        });
        let limit = timed(limit, units, || {
            (0..count).for_each(|_| self.buffer.write(theirs.next(), &data));
            self.bare.finish();
        });
        self.compare(vec![ours, limit])
    }

    fn empty(&self) -> Figures {
        let ours = timed("ours", 1, || self.ours.synchronize());
        self.compare(vec![ours, timed("limit.gl_fence", 1, || self.bare.finish())])
    }

    fn readback(&self) -> Figures {
        let (own, subdata, mapped, copied, kept) = (pages(), pages(), pages(), pages(), pages());
        let readback = self.bare.buffer(STATE, glow::STREAM_READ);
        let persistent = self.bare.persistent(STATE, glow::MAP_READ_BIT);
        let mut entries = vec![
            bytes("ours", own, |data| self.ours.read(data)),
            bytes("limit.glGetBufferSubData", subdata, |data| self.buffer.read(data)),
            bytes("limit.glMapBufferRange", mapped, |data| self.buffer.read_mapped(data)),
            bytes("limit.gl_copy_and_map", copied, |data| self.buffer.read_through(&readback, data)),
        ];
        if let Some(persistent) = &persistent {
            entries
                .push(bytes("limit.gl_persistent", kept, |data| self.buffer.read_through(persistent, data)));
        }
        best(self.compare(entries), "limit.gl_best_readback")
    }

    fn upload(&self) -> Figures {
        let staging = self.bare.persistent(STATE, glow::MAP_WRITE_BIT);
        let finished = |write: &dyn Fn(&[u8]), data: &[u8]| {
            write(data);
            self.bare.finish();
        };
        let enqueued = |data: &[u8]| {
            for (index, slice) in data.chunks(SLICE).enumerate() {
                self.ours.enqueue((index * SLICE) as u64, slice);
            }
            self.ours.synchronize();
        };
        let buffer = self.buffer;
        let mut entries = vec![
            bytes("ours", pages(), |data| enqueued(data)),
            bytes("limit.glBufferSubData", pages(), |data| finished(&|data| buffer.write(0, data), data)),
            bytes("limit.gl_orphan", pages(), |data| finished(&|data| buffer.orphan(data), data)),
            bytes("limit.glMapBufferRange", pages(), |data| {
                finished(&|data| buffer.write_mapped(data), data)
            }),
        ];
        if let Some(staging) = &staging {
            let write = |data: &[u8]| buffer.write_through(staging, data);
            entries.push(bytes("limit.gl_persistent", pages(), move |data| finished(&write, data)));
        }
        best(self.compare(entries), "limit.gl_best_upload")
    }

    fn compare(&self, mut entries: Vec<Entry>) -> Figures {
        alternate(&mut entries, &self.gl.bench.effort);
        Figures::of(&entries, Vec::new())
    }
}

/// Adds a figure for the fastest of the plain ways.
pub fn best(mut figures: Figures, name: &str) -> Figures {
    if let Some(least) = figures.peers.values().copied().reduce(f64::min) {
        figures.peers.insert(name.into(), least);
    }
    figures
}

/// Memory of the caller whose pages are already present.
fn pages() -> Vec<u8> {
    vec![7; STATE]
}

/// The time of a cycle, per unit.
fn timed<'a>(name: &str, units: u64, mut cycle: impl FnMut() + 'a) -> Entry<'a> {
    Entry::new(name, move |cycles| {
        let started = Instant::now();
        (0..cycles).for_each(|_| cycle());
        Burst { time: started.elapsed(), units: cycles * units }
    })
}

/// The time per byte of the state.
fn bytes<'a>(name: &str, mut data: Vec<u8>, mut cycle: impl FnMut(&mut [u8]) + 'a) -> Entry<'a> {
    timed(name, STATE as u64, move || cycle(std::hint::black_box(&mut data)))
}

/// Pseudo-random offsets of updates, the same for every subject.
struct Places(Cell<u64>);

impl Places {
    fn new() -> Places {
        Places(Cell::new(0x9e37_79b9_7f4a_7c15))
    }

    #[inline(always)]
    fn next(&self) -> u64 {
        let next =
            self.0.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0.set(next);
        (next >> 33) % (STATE / UPDATE) as u64 * UPDATE as u64
    }
}
