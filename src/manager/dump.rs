//! Every manager of the process, as text: for people who look from outside, when nothing moves any more.

use std::fmt::Write;
use std::ptr::NonNull;

use parking_lot::Mutex;

use super::shared::Shared;
use crate::error::{Error, Result, Status};
use crate::sync::Ordering::*;
use crate::wait::now;

struct Listed(NonNull<Shared>);

// SAFETY: only looked at under the lock, and taken out under it before the manager goes.
unsafe impl Send for Listed {}

static MANAGERS: Mutex<Vec<Listed>> = Mutex::new(Vec::new());

/// Puts a manager on the list.
pub(crate) fn remember(shared: &Shared) -> Result<()> {
    let mut managers = MANAGERS.lock();
    managers.try_reserve(1).map_err(|_| Error::of(Status::OutOfMemory))?;
    managers.push(Listed(NonNull::from(shared)));
    Ok(())
}

/// Takes it off.
pub(crate) fn forget(shared: &Shared) {
    MANAGERS.lock().retain(|listed| listed.0 != NonNull::from(shared));
}

/// One paragraph a manager: itself, who waits, which tasks are open. Takes locks only if they are free, and allocates
/// nothing.
pub(crate) fn dump(out: &mut dyn Write) {
    let Some(managers) = MANAGERS.try_lock() else {
        let _ = writeln!(out, "managers: the list is in use just now");
        return;
    };
    for listed in managers.iter() {
        // SAFETY: on the list, so alive; taking it off needs the lock.
        let shared = unsafe { listed.0.as_ref() };
        // A child sees the list of its parent.
        if crate::slots::is_own(shared.tag) {
            let _ = one(shared, out);
        }
    }
}

fn one(shared: &Shared, out: &mut dyn Write) -> std::fmt::Result {
    let ms = |nanoseconds: u64| nanoseconds / 1_000_000;
    writeln!(
        out,
        "manager #{} '{}': {:?}, epoch {}, {} bytes, {} copies, {} leases, {} bytes queued",
        shared.number,
        shared.label.as_str(),
        shared.state(),
        shared.epoch.load(Relaxed),
        shared.shape.bytes,
        shared.copies,
        shared.storage().held(),
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
