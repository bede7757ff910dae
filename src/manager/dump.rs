//! Every manager of the process, as text: for people who look from outside, when nothing moves any more.

use std::fmt::Write;

use crate::handle::live_list::{Listed, Roster};
use crate::manager::core::shared::Shared;
use crate::sync::atomic::{AtomicPtr, Ordering::*};
use crate::sys::clock::now;

/// The managers of this process.
pub(crate) static MANAGERS: Roster<Shared> = Roster::new();

impl Listed for Shared {
    fn next(&self) -> &AtomicPtr<Shared> {
        &self.next
    }
}

/// One paragraph a manager: itself, who waits, which tasks are open. Takes locks only if they are free, and allocates
/// nothing.
pub(crate) fn dump(out: &mut dyn Write) {
    let looked = MANAGERS.look(|shared| {
        let _ = one(shared, out);
    });
    if !looked {
        let _ = writeln!(out, "managers: the list is in use just now");
    }
    let abandoned = super::create::abandoned();
    if abandoned > 0 {
        let _ = writeln!(out, "managers destroyed while a callback of theirs runs on: {abandoned}");
    }
}

fn one(shared: &Shared, out: &mut dyn Write) -> std::fmt::Result {
    let ms = |nanoseconds: u64| nanoseconds / 1_000_000;
    writeln!(
        out,
        "manager #{} '{}': {:?}, epoch {}, {} bytes, {} of at most {} copies, {} leases, {} batches, {} watches, {} bytes queued",
        shared.number,
        shared.label.as_str(),
        shared.state(),
        shared.epoch.load(Relaxed),
        shared.shape.bytes,
        shared.counters.copies_present.get(),
        shared.copies,
        shared.storage().leases(),
        shared.batches.load(Relaxed),
        shared.watches.count(),
        shared.ring.used() * crate::manager::core::update_log::UNIT,
    )?;
    let looked = shared.tasks.look(|work| {
        let (label, age) = (work.label.as_str(), ms(work.age()));
        let _ = writeln!(out, "  {} '{label}', thread {}, {age} ms old", work.what, work.thread);
    });
    if !looked {
        writeln!(out, "  tasks: the list is in use just now")?;
    }
    let unlisted = shared.waiters.look(|waiter| {
        let age = ms(now().saturating_sub(waiter.since));
        let _ = writeln!(out, "  waiter: {}, thread {}, {age} ms old", waiter.what, waiter.thread);
    });
    match unlisted {
        Some(0) => Ok(()),
        Some(more) => writeln!(out, "  and {more} waiters more"),
        None => writeln!(out, "  waiters: the list is in use just now"),
    }
}
