//! The memory of one copy of a state: freed when neither the storage nor a lease of it is left.

use std::ptr::NonNull;

use crate::device::pages::Pages;
use crate::error::{Error, Result, Status};
use crate::lease::{self, Giver, LeaseId};
use crate::memory::try_box;
use crate::sync::{AtomicU32, Ordering::*};

/// Reference-counted pages. The storage holds one reference, and each lease of [`CopyMemory::lease`] another.
#[derive(Debug)]
pub(crate) struct CopyMemory {
    pages: Pages,
    references: AtomicU32,
}

static GIVER: Giver = Giver { name: "back copy", object: "manager", about: "epoch", release: release_lease };

unsafe fn release_lease(owner: *mut (), _: u32) {
    // SAFETY: a lease holds a reference until this very call.
    unsafe { CopyMemory::release(owner.cast()) }
}

impl CopyMemory {
    /// Takes the pages, with one reference.
    pub(crate) fn new(pages: Pages) -> Result<NonNull<CopyMemory>> {
        let memory = try_box(CopyMemory { pages, references: AtomicU32::new(1) });
        memory.map(|memory| NonNull::from(Box::leak(memory))).map_err(|_| Error::of(Status::OutOfMemory))
    }

    pub(crate) fn data(&self) -> *mut u8 {
        self.pages.data().as_ptr()
    }

    /// A lease that keeps the pages mapped. It does not keep their bytes from changing.
    #[cfg_attr(not(feature = "capi"), expect(dead_code, reason = "asked by the C ABI alone"))]
    pub(crate) fn lease(&self, number: u64, epoch: u64) -> Result<LeaseId> {
        let Some(blank) = lease::blank() else { return Err(lease::why_none()) };
        // Relaxed: the caller's own reference keeps the count above 0.
        self.references.fetch_add(1, Relaxed);
        Ok(blank.fill(&GIVER, (&raw const *self).cast_mut().cast(), 0, number, epoch))
    }

    /// Gives one reference back; the last one frees the pages.
    ///
    /// # Safety
    /// The caller has a reference, and does not use the memory again.
    pub(crate) unsafe fn release(memory: *mut CopyMemory) {
        // SAFETY: the caller's reference. AcqRel: every earlier use happens before the pages are freed.
        unsafe {
            if (*memory).references.fetch_sub(1, AcqRel) == 1 {
                drop(Box::from_raw(memory));
            }
        }
    }
}
