//! Dump of all managers of the process as text, for debugging a program that hangs.

use std::fmt::Write;

use crate::manager::core::shared::{MANAGERS, Shared};
use crate::manager::core::update_log::UNIT_BYTES;
use crate::manager::core::worker_state::abandoned;
use crate::sync::atomic::Ordering::*;
use crate::sys::clock::now;

/// Writes each manager with its open work and its waiters. Takes locks only if they are free, and does not allocate.
pub(crate) fn dump(out: &mut dyn Write) {
    let listed = MANAGERS.for_each(|shared| {
        let _ = dump_manager(shared, out);
    });
    if !listed {
        let _ = writeln!(out, "managers: the list is in use just now");
    }
    let abandoned = abandoned();
    if abandoned > 0 {
        let _ = writeln!(out, "managers destroyed while a callback of theirs runs on: {abandoned}");
    }
}

fn dump_manager(shared: &Shared, out: &mut dyn Write) -> std::fmt::Result {
    let ms = |nanoseconds: u64| nanoseconds / 1_000_000;
    writeln!(
        out,
        "manager #{} '{}': {:?}, epoch {}, {} bytes, {} of at most {} copies, {} leases, {} batches, {} watches, {} feeds, {} bytes queued",
        shared.number,
        shared.label.as_str(),
        shared.progress.state(),
        shared.progress.epoch(),
        shared.fields.bytes,
        shared.counters.copies_present.get(),
        shared.settings.max_copies,
        shared.copies().leases(),
        shared.batches.load(Relaxed),
        shared.subscribers.count(),
        shared.feeds.count(),
        shared.log.used() * UNIT_BYTES,
    )?;
    if shared.fields.is_named() {
        shared.fields.all().iter().try_for_each(|field| writeln!(out, "  field {field}"))?;
    }
    let listed = shared.tasks.try_for_each(|work| {
        let (label, age) = (work.label.as_str(), ms(work.age()));
        let _ = writeln!(out, "  {} '{label}', thread {}, {age} ms old", work.what, work.thread);
    });
    if !listed {
        writeln!(out, "  tasks: the list is in use just now")?;
    }
    let unlisted = shared.waiters.try_for_each(|waiter| {
        let age = ms(now().saturating_sub(waiter.since));
        let _ = writeln!(out, "  waiter: {}, thread {}, {age} ms old", waiter.what, waiter.thread);
    });
    match unlisted {
        Some(0) => Ok(()),
        Some(more) => writeln!(out, "  and {more} waiters more"),
        None => writeln!(out, "  waiters: the list is in use just now"),
    }
}
