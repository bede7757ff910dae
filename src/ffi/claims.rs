//! Ends that are destroyed while a span is open: its memory stays until the span is committed or consumed.

use super::object::{self, Object};
use crate::error::Result;
use crate::memory::try_box;
use crate::roster::{Listed, Roster};
use crate::spsc::{Claim, Rx, Tx};
use crate::sync::AtomicPtr;

/// An end that can have a span open.
pub(super) trait End: Object {
    /// Whether a span is open.
    fn has_claim(&self) -> bool;
    /// What it needs.
    fn open_claim(&self) -> Option<Claim>;
}

impl End for Tx {
    fn has_claim(&self) -> bool {
        Tx::has_claim(self)
    }

    fn open_claim(&self) -> Option<Claim> {
        Tx::open_claim(self)
    }
}

impl End for Rx {
    fn has_claim(&self) -> bool {
        Rx::has_claim(self)
    }

    fn open_claim(&self) -> Option<Claim> {
        Rx::open_claim(self)
    }
}

struct Kept {
    /// The end's, which is stale.
    handle: u64,
    _claim: Claim,
    next: AtomicPtr<Kept>,
}

impl Listed for Kept {
    fn next(&self) -> &AtomicPtr<Kept> {
        &self.next
    }
}

static KEPT: Roster<Kept> = Roster::new();

/// Destroys an end, and keeps what its open span needs.
pub(super) fn destroy<T: End>(handle: u64) -> Result<()> {
    // Kept before the handle becomes stale, so that whoever ends the span from then on finds it.
    let open = object::with_pin(handle, |end: &T| end.close().map(|()| end.open_claim()));
    if let Ok(Ok(Some(claim))) = open {
        keep(handle, claim);
    }
    let end = object::remove::<T>(handle)?;
    if !end.has_claim() {
        // Ended meanwhile, in the usual way.
        self::end(handle);
    }
    Ok(())
}

fn keep(handle: u64, claim: Claim) {
    // Without memory to note it, the ring's memory stays for ever: the span is in use.
    match try_box(Kept { handle, _claim: claim, next: AtomicPtr::default() }) {
        Ok(kept) => drop(KEPT.add(Box::leak(kept))),
        Err(kept) => std::mem::forget(kept),
    }
}

/// Ends the span of an end that was destroyed. False if it has none.
pub(super) fn end(handle: u64) -> bool {
    let taken = KEPT.take(|kept| kept.handle == handle);
    // SAFETY: leaked by `keep`, and taken off by this call alone.
    taken.map(|kept| drop(unsafe { Box::from_raw(kept.cast_mut()) })).is_some()
}
