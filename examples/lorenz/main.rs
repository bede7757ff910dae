//! Scratch memory of the kernel beside this file: registers, plans and checks it, and writes the header, the JSON and a picture.
//!
//! `cargo run --example lorenz [FOLDER]` writes `lorenz.json`, `lorenz_layout.h` and `lorenz.svg` to FOLDER (target/lorenz).

use backbuf::planner::PlanOptions;
use backbuf::registry::{Arch, BufferRegistry, CUDABuffer, Launch, LayoutOptions, Precision, SharedPer};

/// The parent's key, any number.
const SOLVER: u64 = 1;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "target/lorenz".to_owned());
    let options = LayoutOptions { typed: true, shared_per: SharedPer::Thread, ..LayoutOptions::default() };
    let registry = BufferRegistry::with_options("lorenz", options);

    registry.register(SOLVER, &CUDABuffer::shared("steps", 1).of(Precision::I32))?;
    // Step i evaluates the derivative k(i + 1), and the last one the error. Each is needed until the last step that reads it.
    for (name, alive) in [
        ("k1", 0..8),
        ("k2", 1..6),
        ("k3", 2..8),
        ("k4", 3..8),
        ("k5", 4..8),
        ("k6", 5..8),
        ("stage", 1..6),
        ("k7", 6..8),
        ("next", 6..8),
        ("error", 7..8),
    ] {
        registry.register(SOLVER, &CUDABuffer::shared(name, 3).alive(alive))?;
    }
    registry.register(SOLVER, &CUDABuffer::persistent("state", 3))?;
    registry.register(SOLVER, &CUDABuffer::persistent("time", 1).of(Precision::F64))?;
    registry.register(SOLVER, &CUDABuffer::local("scale", 3))?;

    let before = registry.shared_stride_bytes(SOLVER)?;
    let plan = registry.plan(SOLVER, &PlanOptions::default())?.shared;
    println!(
        "shared memory of a thread: {before} bytes one after the other, {} planned (at least {})",
        plan.height, plan.lower_bound
    );
    println!("{}", registry.table(SOLVER)?);
    for arch in ["sm_75", "sm_90"] {
        let arch: Arch = arch.parse()?;
        let fit = registry.check(SOLVER, &arch.limits(), &Launch::of(256))?;
        println!(
            "{arch}: {} bytes a block of 256 threads, {} blocks at once",
            fit.shared_bytes, fit.occupancy.blocks_per_sm
        );
    }

    std::fs::create_dir_all(&folder)?;
    for (name, text) in [
        ("lorenz.json", registry.json(SOLVER)?),
        ("lorenz_layout.h", registry.emit_cuda_header(SOLVER, "lorenz")?),
        ("lorenz.svg", registry.svg(SOLVER)?),
    ] {
        std::fs::write(format!("{folder}/{name}"), text)?;
    }
    println!("written to {folder}: lorenz.json, lorenz_layout.h, lorenz.svg");
    Ok(())
}
