//! Ends that are destroyed while a span is open: its memory stays until the span is committed or consumed.

use super::object::{self, Object};
use crate::alloc::try_box;
use crate::error::Result;
use crate::handle::live_list::{Listed, Roster};
use crate::spsc::ring::Claim;
use crate::spsc::rx::Rx;
use crate::spsc::tx::Tx;
use crate::sync::atomic::AtomicPtr;

/// An end that can have a span open.
pub(super) trait End: Object {
    /// What the open span needs, if there is one.
    fn open_claim(&self) -> Option<Claim>;
}

impl End for Tx {
    fn open_claim(&self) -> Option<Claim> {
        Tx::open_claim(self)
    }
}

impl End for Rx {
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
    // Kept before the handle is known to be stale, so that whoever ends the span from then on finds it.
    let last = |end: &T| {
        if let Some(claim) = end.open_claim() {
            keep(handle, claim);
        }
    };
    object::remove_with(handle, last).map(drop)
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
    // Bounded: a slot whose generations are spent stays closing for ever.
    for _ in 0..1000 {
        // Asked before the look: a thread that is about to destroy the end will have kept the span when it has done so.
        let closing = object::is_closing(handle);
        if let Some(kept) = KEPT.take(|kept| kept.handle == handle) {
            // SAFETY: leaked by `keep`, and taken off by this call alone.
            drop(unsafe { Box::from_raw(kept.cast_mut()) });
            return true;
        }
        if !closing {
            return false;
        }
        crate::sys::clock::nap(1000);
    }
    false
}
