//! The memory of one copy of a state: freed when neither the storage nor a lease of it is left.

use std::ptr::NonNull;

use crate::alloc::try_box;
use crate::error::{Error, Result, Status};
use crate::handle::lease;
use crate::handle::lease::{Giver, LeaseId};
use crate::sync::atomic::{AtomicU32, Ordering::*};
use crate::sys::pages::Pages;

/// Reference-counted pages.
#[derive(Debug)]
pub(crate) struct CountedPages {
    pages: Pages,
    references: AtomicU32,
}

/// One reference to a copy's memory. The storage holds one, and each lease of [`CopyMemory::lease`] another.
#[derive(Debug)]
pub(crate) struct CopyMemory(NonNull<CountedPages>);

static GIVER: Giver = Giver { name: "back copy", object: "manager", about: "epoch", release: release_lease };

unsafe fn release_lease(owner: *mut (), _: u32) {
    // SAFETY: a lease holds a reference until this very call.
    drop(unsafe { CopyMemory::from_raw(owner.cast()) });
}

// SAFETY: any thread may free the memory; access to its bytes is ordered by the role and the leases.
unsafe impl Send for CopyMemory {}

impl CopyMemory {
    /// Takes the pages, with one reference.
    pub(crate) fn new(pages: Pages) -> Result<CopyMemory> {
        let memory = try_box(CountedPages { pages, references: AtomicU32::new(1) });
        memory
            .map(|memory| CopyMemory(NonNull::from(Box::leak(memory))))
            .map_err(|_| Error::of(Status::OutOfMemory))
    }

    pub(crate) fn data(&self) -> *mut u8 {
        // SAFETY: this reference keeps it.
        unsafe { self.0.as_ref() }.pages.data().as_ptr()
    }

    /// Gives the reference away; [`CopyMemory::from_raw`] takes it back.
    pub(crate) fn into_raw(self) -> *mut CountedPages {
        std::mem::ManuallyDrop::new(self).0.as_ptr()
    }

    /// None for null.
    ///
    /// # Safety
    /// What `into_raw` gave, once; or null.
    pub(crate) unsafe fn from_raw(raw: *mut CountedPages) -> Option<CopyMemory> {
        NonNull::new(raw).map(CopyMemory)
    }

    /// One more reference.
    pub(crate) fn share(&self) -> CopyMemory {
        // SAFETY: this reference keeps it. Relaxed: it also keeps the count above 0.
        unsafe { self.0.as_ref() }.references.fetch_add(1, Relaxed);
        CopyMemory(self.0)
    }

    /// A lease that keeps the pages mapped. It does not keep their bytes from changing.
    pub(crate) fn lease(&self, number: u64, epoch: u64) -> Result<LeaseId> {
        let Some(blank) = lease::blank() else { return Err(lease::why_none()) };
        Ok(blank.fill(&GIVER, self.share().into_raw().cast(), 0, number, epoch))
    }
}

impl Drop for CopyMemory {
    fn drop(&mut self) {
        // SAFETY: this reference keeps it. AcqRel: every earlier use happens before the pages are freed.
        unsafe {
            if self.0.as_ref().references.fetch_sub(1, AcqRel) == 1 {
                drop(Box::from_raw(self.0.as_ptr()));
            }
        }
    }
}
