//! Spans left open by destroyed ends: their memory stays until the span is committed or consumed.

use super::object::{self, Object};
use crate::alloc::try_box;
use crate::error::Result;
use crate::handle::live_list::{Listed, Roster};
use crate::spsc::ring::Claim;
use crate::spsc::rx::Rx;
use crate::spsc::tx::Tx;
use crate::sync::atomic::AtomicPtr;

/// An end of a ring, which can have an open span.
pub(super) trait End: Object {
    /// The resources of the open span, if there is one.
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
    /// The handle of the end, which is stale.
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

/// Destroys an end, and keeps the resources of its open span.
pub(super) fn destroy<T: End>(handle: u64) -> Result<()> {
    // Kept before the handle becomes stale, so that a call that ends the span afterwards finds it.
    let last = |end: &T| {
        if let Some(claim) = end.open_claim() {
            keep(handle, claim);
        }
    };
    object::remove_with(handle, last).map(drop)
}

fn keep(handle: u64, claim: Claim) {
    // Without memory for the record the ring is leaked, since the span is in use.
    match try_box(Kept { handle, _claim: claim, next: AtomicPtr::default() }) {
        Ok(kept) => drop(KEPT.add(Box::leak(kept))),
        Err(kept) => std::mem::forget(kept),
    }
}

/// Ends the open span of a destroyed end. Returns false if there is none.
pub(super) fn end(handle: u64) -> bool {
    // Bounded, since a slot with no generation left stays in the closing state.
    for _ in 0..1000 {
        // Read before the list: a thread that is destroying the end keeps the span before it finishes.
        let closing = object::is_closing(handle);
        if let Some(kept) = KEPT.take(|kept| kept.handle == handle) {
            // SAFETY: leaked by `keep`, and removed from the list by this call only.
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
