//! `make bench`: measures every module against its peers and limits, through the shared library's C ABI.

mod backbuf;
mod buffers;
mod changes;
mod facts;
mod feed;
mod figures;
mod gl;
mod limits;
mod machine;
mod manager;
mod measure;
mod python;
mod registry;
mod report;
mod spsc;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use measure::Effort;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Measures backbuf against its peers and the machine's limits, row by row, and reports which goals are met.
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    /// Only rows whose name contains PATTERN; may be repeated
    #[arg(long, value_name = "PATTERN")]
    row: Vec<String>,
    /// A fifth of the time per row, for a quick check
    #[arg(long)]
    quick: bool,
    /// Measures all rows N times, one whole run after the other, and reports the medians and the bands
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeat: u32,
    /// The shared library to measure
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/release/libbackbuf.so"))]
    library: PathBuf,
    /// The Python with the package backbuf installed
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/venv/bin/python"))]
    python: PathBuf,
    /// Folder for report.json, report.md, machine.json and one chart per module
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench"))]
    output: PathBuf,
    /// In a child process: prints the peak memory of one subject
    #[arg(long, hide = true)]
    probe_memory: Option<String>,
}

/// Shared inputs of all rows.
pub struct Bench {
    pub api: Option<backbuf::Api>,
    pub cores: machine::Cores,
    pub effort: Effort,
}

pub const NO_LIBRARY: &str = "the shared library is not built";

const GOALS: &str = include_str!("../../goals.json");
/// Prefixes of the rows that a Python script measures.
const PYTHON_PARTS: [&str; 6] = [
    "manager.python.",
    "manager.column.python",
    "spsc.python.",
    "spsc.asyncio.",
    "registry.plan.total",
    "demo.",
];
const PYTHON_ROWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../python/rows.py");
const PYTHON_PLOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../python/plot.py");

fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let api = backbuf::Api::open(&arguments.library);
    let effort = if arguments.quick { QUICK } else { FULL };
    let bench = Bench { api: api.as_ref().ok().copied(), cores: machine::Cores::find(), effort };
    let manager = manager::Manager::new(&bench);
    let spsc = spsc::Spsc::new(&bench);
    let changes = changes::Changes::new(&bench);
    let registry = registry::Registry::new(&bench, &arguments.library);
    let gl = gl::Gl::new(&bench, &arguments.library);
    let buffers = buffers::Buffers::new(&bench, &arguments.library);
    if let Some(name) = &arguments.probe_memory {
        manager.print_memory(name);
        return Ok(());
    }
    if let Err(error) = &api {
        let library = arguments.library.display();
        eprintln!("bench: {library}: {error:?}; measuring the peers alone (run `make`, or give --library)");
    }
    if machine::load().is_some_and(|load| load > 0.5) {
        eprintln!("bench: this machine is busy; absolute figures will be worse than on an idle one");
    }

    machine::go_first();
    let all: Vec<report::Goals> = serde_json::from_str(GOALS)?;
    let wanted =
        |name: &str| arguments.row.is_empty() || arguments.row.iter().any(|part| name.contains(part));
    let goals: Vec<_> = all.iter().filter(|goals| wanted(&goals.name)).collect();
    let bar = ProgressBar::new(u64::from(arguments.repeat) * goals.len() as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}").expect("a valid template"),
    );
    let facts = facts::Facts::measure(&bench.cores, &effort);
    let measure = |goals: &report::Goals| {
        // A row's child processes must not inherit the CPU affinity of the previous row.
        bench.cores.place(false);
        match goals.name.split_once('.') {
            _ if PYTHON_PARTS.iter().any(|part| goals.name.starts_with(part)) => {
                python::measure(&arguments.python, Path::new(PYTHON_ROWS), &goals.name, effort.row)
            }
            Some(("manager", row)) => manager.measure(row),
            Some(("fields", row)) => manager.measure_fields(row),
            Some(("changes", row)) => changes.measure(row),
            Some(("feed", row)) => feed::measure(&bench, row),
            Some(("spsc", row)) => spsc.measure(row),
            Some(("registry", row)) => registry.measure(row),
            Some(("gl", row)) => gl.measure(row),
            Some(("buffers", row)) => buffers.measure(row),
            _ => Err("no such row in the harness".into()),
        }
    };
    let mut runs: Vec<Vec<_>> = goals.iter().map(|_| Vec::new()).collect();
    for _ in 0..arguments.repeat {
        for (goals, runs) in goals.iter().zip(&mut runs) {
            bar.set_message(goals.name.clone());
            runs.push(measure(goals));
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    bench.cores.place(false);

    let rows: Vec<_> = goals.iter().zip(runs).map(|(goals, runs)| goals.report(runs)).collect();
    let table = report::table(&rows) + &facts.to_string();
    println!("{table}");
    std::fs::create_dir_all(&arguments.output)?;
    let write = |file: &str, text: &str| std::fs::write(arguments.output.join(file), text);
    write("report.json", &serde_json::to_string_pretty(&rows)?)?;
    write("report.md", &table)?;
    let machine = machine::describe(&bench.cores, bench.api.map(|api| api.build_info()), &facts);
    write("machine.json", &serde_json::to_string_pretty(&machine)?)?;
    python::plot(&arguments.python, Path::new(PYTHON_PLOT), &arguments.output);
    Ok(())
}

const FULL: Effort = Effort { row: Duration::from_millis(2500), burst: Duration::from_millis(2), rounds: 7 };
const QUICK: Effort = Effort { row: Duration::from_millis(500), burst: Duration::from_millis(2), rounds: 3 };
