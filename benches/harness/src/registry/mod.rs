//! The rows of the registry: layouts, allocators, the planner. There are no peers, only goals.

mod subject;

use crate::measure::{Burst, Entry, alternate};
use crate::report::Figures;
use crate::{Bench, NO_LIBRARY};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use subject::{Api, Scratch};

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
/// Time limit of one instance.
const INSTANCE_LIMIT: Duration = Duration::from_secs(60);

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
            "plan.total" => plan_total(api),
            "plan.heuristic" => plan_heuristic(api),
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
fn instances(api: &Api) -> Result<Vec<Scratch<'_>>, String> {
    let folder = std::fs::read_dir(INSTANCES).map_err(|error| format!("{INSTANCES}: {error}"))?;
    let files = folder.filter_map(|entry| entry.ok()).map(|entry| entry.path());
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

fn single(ours: f64, wrong: Vec<String>) -> Figures {
    Figures {
        ours: Some(ours),
        peers: BTreeMap::new(),
        spread: 0.0,
        wrong,
        missing: Vec::new(),
        renderer: None,
    }
}

/// Seconds until the plans of all instances are within the capacity.
fn plan_total(api: &Api) -> Result<Figures, String> {
    let all = instances(api)?;
    let started = Instant::now();
    let fit =
        all.iter().all(|scratch| scratch.plan(1, INSTANCE_LIMIT, u64::MAX, CAPACITY).height <= CAPACITY);
    let time = started.elapsed().as_secs_f64();
    Ok(single(time, if fit { Vec::new() } else { vec!["ours".into()] }))
}

/// The mean height of the heuristic alone, divided by the capacity.
fn plan_heuristic(api: &Api) -> Result<Figures, String> {
    let all = instances(api)?;
    let height = |scratch: &Scratch| scratch.plan(1, INSTANCE_LIMIT, 0, 0).heuristic as f64;
    let mean = all.iter().map(height).sum::<f64>() / all.len().max(1) as f64;
    Ok(single(mean / CAPACITY as f64, Vec::new()))
}
