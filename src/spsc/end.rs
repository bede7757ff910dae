//! What both ends check.

use crate::error::{Error, Result, Status};
use crate::sync::atomic::AtomicU64;
use crate::sync::atomic::{AtomicBool, Ordering::*};

/// Tells a second thread inside of one end, where that was asked for.
#[derive(Debug)]
pub(super) struct Busy {
    checked: bool,
    inside: AtomicBool,
}

pub(super) struct Inside<'a>(Option<&'a AtomicBool>);

impl Drop for Inside<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(inside) = self.0 {
            inside.store(false, Release);
        }
    }
}

impl Busy {
    pub(super) fn new(checked: bool) -> Busy {
        Busy { checked, inside: AtomicBool::new(false) }
    }

    #[inline(always)]
    pub(super) fn enter(&self) -> Result<Inside<'_>> {
        if !self.checked {
            return Ok(Inside(None));
        }
        if self.inside.swap(true, Acquire) {
            let why =
                "another thread is inside of a call on the same end; an end belongs to one thread at a time";
            return Err(Error::text(Status::Busy, why));
        }
        Ok(Inside(Some(&self.inside)))
    }
}

/// Whether the ring can ever have that much in one span.
pub(super) fn check_min(min: u64, capacity: u64) -> Result<()> {
    if min > capacity {
        Err(Error::beyond("min", min.into(), capacity, "capacity of the ring"))
    } else {
        Ok(())
    }
}

/// Whether a claim covers `bytes`.
pub(super) fn check_claim(
    claim: &AtomicU64,
    bytes: u64,
    none: &'static str,
    more: &'static str,
) -> Result<()> {
    match claim.load(Acquire).checked_sub(1) {
        None => Err(Error::text(Status::State, none)),
        Some(claimed) if bytes > claimed => Err(Error::value(Status::State, "bytes", bytes, more)),
        Some(_) => Ok(()),
    }
}
