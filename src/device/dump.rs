//! Every device of the process, as text.

use std::fmt::Write;

use super::shared::{DEVICES, Shared};
use crate::sync::atomic::Ordering::*;

/// A line a device. Takes locks only if they are free, and allocates nothing.
pub(crate) fn dump(out: &mut dyn Write) {
    let looked = DEVICES.look(|shared| {
        let _ = one(shared, out);
    });
    if !looked {
        let _ = writeln!(out, "devices: the list is in use just now");
    }
}

fn one(shared: &Shared, out: &mut dyn Write) -> std::fmt::Result {
    let counters = &shared.books.counters;
    write!(
        out,
        "device #{} '{}': {} buffers of {} bytes, {} calls queued, fence {} of {} has passed, {} wait for fences",
        shared.number,
        shared.label.as_str(),
        counters.created.get() - counters.deleted.get(),
        counters.live_bytes.get(),
        shared.calls.len(),
        shared.passed.load(Relaxed),
        shared.submitted.load(Relaxed),
        shared.waiting.load(Relaxed),
    )?;
    match shared.loss.get() {
        Some(error) => writeln!(out, "; lost: {error}"),
        None => writeln!(out),
    }
}
