//! The rows of the registry: layouts, allocators, the planner. There are no peers, only goals.

mod subject;

use crate::figures::Figures;
use crate::measure::{Burst, Entry, alternate};
use crate::{Bench, NO_LIBRARY};
use std::path::Path;
use std::time::{Duration, Instant};
use subject::{Api, Planned, Scratch};

pub struct Registry<'a> {
    bench: &'a Bench,
    api: Option<Api>,
}

/// Number of buffers in the measured layout.
const BUFFERS: u64 = 1000;
/// Number of parents; each has as many buffers as make up a million together.
const PARENTS: u64 = 1000;
/// Capacity of the planner's instances.
const CAPACITY: u64 = 1 << 20;
const INSTANCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/minimalloc");
/// Buffers of real models.
const MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/models");

impl<'a> Registry<'a> {
    pub fn new(bench: &'a Bench, library: &Path) -> Registry<'a> {
        Registry { bench, api: Api::open(library).ok() }
    }

    /// Measures one row, named without its module; the error is the reason why it cannot run here.
    pub fn measure(&self, name: &str) -> Result<Figures, String> {
        let api = self.api.as_ref().ok_or(NO_LIBRARY)?;
        match name {
            "layout.1000" => self.timed(|| {
                let scratch = full(api);
                move |cycles| {
                    let started = Instant::now();
                    for _ in 0..cycles {
                        scratch.clear_layout(1);
                        std::hint::black_box(scratch.shared(1));
                    }
                    Burst { time: started.elapsed(), units: cycles }
                }
            }),
            "allocator" => self.timed(|| {
                let scratch = full(api);
                move |cycles| {
                    let started = Instant::now();
                    (0..cycles).for_each(|_| scratch.find(1, c"buffer_500"));
                    Burst { time: started.elapsed(), units: cycles }
                }
            }),
            "register.1000000" => self.timed(|| {
                let names: Vec<_> = (0..1_000_000 / PARENTS).map(name_of).collect();
                move |cycles| {
                    let mut time = Duration::ZERO;
                    for _ in 0..cycles {
                        let scratch = Scratch::new(api);
                        let started = Instant::now();
                        for parent in 0..PARENTS {
                            names.iter().for_each(|name| scratch.register(parent, name, 8, None, 0..0));
                            std::hint::black_box(scratch.shared(parent));
                        }
                        time += started.elapsed();
                    }
                    Burst { time, units: cycles }
                }
            }),
            "plan.heuristic" => mean_height(api, INSTANCES, |plan| plan.heuristic as f64 / CAPACITY as f64),
            "plan.quick" => mean_height(api, MODELS, |plan| plan.height as f64 / plan.lower_bound as f64),
            _ => Err("no such row in the harness".into()),
        }
    }

    fn timed<F: FnMut(u64) -> Burst>(&self, make: impl FnOnce() -> F) -> Result<Figures, String> {
        let mut entries = [Entry::new("ours", make())];
        alternate(&mut entries, &self.bench.effort);
        Ok(Figures::of(&entries, Vec::new()))
    }
}

fn name_of(number: u64) -> std::ffi::CString {
    std::ffi::CString::new(format!("buffer_{number}")).expect("no NUL in it")
}

/// A registry with one parent; every fourth buffer is an alias of the previous one.
fn full(api: &Api) -> Scratch<'_> {
    let scratch = Scratch::new(api);
    for number in 0..BUFFERS {
        let target = (number % 4 == 1).then(|| name_of(number - 1));
        scratch.register(1, &name_of(number), number % 37, target.as_deref(), 0..0);
    }
    scratch
}

/// Each instance as a parent of its own registry.
fn instances<'a>(api: &'a Api, folder: &str) -> Result<Vec<Scratch<'a>>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{folder}: {error}"))?;
    let files = entries.filter_map(|entry| entry.ok()).map(|entry| entry.path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|name| name == "csv")).collect();
    files.sort();
    files.iter().map(|path| instance(api, path)).collect()
}

/// Lines of `id,lower,upper,size`.
fn instance<'a>(api: &'a Api, path: &Path) -> Result<Scratch<'a>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let scratch = Scratch::new(api);
    for (number, line) in text.lines().skip(1).enumerate() {
        let fields: Option<Vec<u64>> =
            line.split(',').skip(1).map(|field| field.trim().parse().ok()).collect();
        let Some(&[lower, upper, size]) = fields.as_deref() else {
            return Err(format!("{}: line {}: not id,lower,upper,size", path.display(), number + 2));
        };
        scratch.register(1, &name_of(number as u64), size, None, lower..upper);
    }
    Ok(scratch)
}

/// The mean of a property of the quick plans, which take no search, of the instances in a folder.
fn mean_height(api: &Api, folder: &str, of: impl Fn(Planned) -> f64) -> Result<Figures, String> {
    let all = instances(api, folder)?;
    let sum: f64 = all.iter().map(|scratch| of(scratch.plan(1))).sum();
    Ok(Figures::single(sum / all.len().max(1) as f64, Vec::new()))
}
