//! Every manager of the process, as text: for people who look from outside, when nothing moves any more.

use std::fmt::Write;

use super::shared::Shared;
use crate::error::Result;
use crate::slots::{Lock, Wiped, Zeroed};
use crate::sync::{AtomicPtr, Ordering::*};
use crate::wait::now;

/// The managers of this process: a list through `Shared::next`. A forked child begins with none.
#[derive(Debug)]
struct Managers {
    lock: Lock,
    first: AtomicPtr<Shared>,
}

// SAFETY: atomics, of which zero is a legal value.
unsafe impl Zeroed for Managers {}

static MANAGERS: Wiped<Managers> = Wiped::new();

/// Puts a manager on the list.
pub(crate) fn remember(shared: &Shared) -> Result<()> {
    let managers = MANAGERS.get()?;
    managers.lock.with(|| {
        shared.next.store(managers.first.load(Relaxed), Relaxed);
        managers.first.store((&raw const *shared).cast_mut(), Relaxed);
    });
    Ok(())
}

/// Takes it off.
pub(crate) fn forget(shared: &Shared) {
    let Some(managers) = MANAGERS.peek() else { return };
    managers.lock.with(|| {
        let mut link = &managers.first;
        // SAFETY: what is on the list is alive: it takes itself off under this lock first.
        while let Some(listed) = unsafe { link.load(Relaxed).as_ref() } {
            if std::ptr::eq(listed, shared) {
                link.store(shared.next.load(Relaxed), Relaxed);
                return;
            }
            link = &listed.next;
        }
    });
}

/// One paragraph a manager: itself, who waits, which tasks are open. Takes locks only if they are free, and allocates
/// nothing.
pub(crate) fn dump(out: &mut dyn Write) {
    let Some(managers) = MANAGERS.peek() else { return };
    let looked = managers.lock.try_with(|| {
        let mut link = &managers.first;
        // SAFETY: what is on the list is alive: it takes itself off under this lock first.
        while let Some(shared) = unsafe { link.load(Relaxed).as_ref() } {
            let _ = one(shared, out);
            link = &shared.next;
        }
    });
    if looked.is_none() {
        let _ = writeln!(out, "managers: the list is in use just now");
    }
}

fn one(shared: &Shared, out: &mut dyn Write) -> std::fmt::Result {
    let ms = |nanoseconds: u64| nanoseconds / 1_000_000;
    writeln!(
        out,
        "manager #{} '{}': {:?}, epoch {}, {} bytes, {} copies, {} leases, {} batches, {} watches, {} bytes queued",
        shared.number,
        shared.label.as_str(),
        shared.state(),
        shared.epoch.load(Relaxed),
        shared.shape.bytes,
        shared.copies,
        shared.storage().held(),
        shared.batches.load(Relaxed),
        shared.watches.count(),
        shared.ring.used() * super::ring::UNIT,
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
