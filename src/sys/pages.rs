//! Host memory in whole pages: aligned, zeroed, small mappings pre-faulted where asked for, in huge pages where that helps.

use std::ptr::{NonNull, null_mut};

use crate::error::{Error, Result, Status};
use crate::sys::available_memory::available_memory;

/// What is larger is faulted in as it is used: faulting in 4 GiB takes seconds, and commits memory that may never be used.
pub(crate) const PREFAULTED_MOST: usize = 8 << 20;

const HUGE: usize = 2 << 20;

/// Linux 5.14.
const MADV_POPULATE_WRITE: libc::c_int = 23;

/// A mapping of its own; zeros when new.
#[derive(Debug)]
pub(crate) struct Pages {
    data: NonNull<u8>,
    mapped: usize,
}

// SAFETY: memory with one owner.
unsafe impl Send for Pages {}

impl Pages {
    /// At least `bytes` zeroed bytes; with `fault`, and up to [`PREFAULTED_MOST`], no first touch is left to pay later.
    pub(crate) fn new(bytes: usize, fault: bool) -> Result<Pages> {
        let none = || Error::value(Status::OutOfMemory, "bytes", bytes as u64, "memory could not be had");
        let mapped = bytes.max(1).checked_next_multiple_of(page()).ok_or_else(none)?;
        let data = if mapped >= HUGE { map_huge(mapped) } else { map(mapped) };
        let pages = Pages { data: data.ok_or_else(none)?, mapped };
        if fault {
            prefault(pages.data, mapped)?;
        }
        Ok(pages)
    }

    /// The first byte.
    pub(crate) fn data(&self) -> NonNull<u8> {
        self.data
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: owned, and unmapped once.
        unsafe { libc::munmap(self.data.as_ptr().cast(), self.mapped) };
    }
}

/// Fails with [`Status::OutOfMemory`] if more memory is asked for than is available to this process: where the kernel
/// overcommits, filling it later would end the process. Small requests are left to the kernel.
pub(crate) fn check_available(bytes: u64, param: &'static str, why: &'static str) -> Result<()> {
    if bytes <= PREFAULTED_MOST as u64 {
        return Ok(());
    }
    let physical = || (setting(libc::_SC_PHYS_PAGES) as u64).saturating_mul(page() as u64);
    if bytes <= available_memory().unwrap_or_else(physical) {
        return Ok(());
    }
    Err(Error::value(Status::OutOfMemory, param, bytes, why))
}

/// Has the kernel back every page of a mapping of up to [`PREFAULTED_MOST`] bytes now, so that no first touch is left to pay
/// later. The pages are mapped for writing, and their contents stay.
pub(super) fn prefault(data: NonNull<u8>, bytes: usize) -> Result<()> {
    if bytes > PREFAULTED_MOST {
        return Ok(());
    }
    let none = || Error::value(Status::OutOfMemory, "bytes", bytes as u64, "memory could not be had");
    // SAFETY: it only faults pages in.
    if unsafe { libc::madvise(data.as_ptr().cast(), bytes, MADV_POPULATE_WRITE) } == 0 {
        return Ok(());
    }
    // Another error says that the call itself is refused, by an older kernel or a sandbox.
    if matches!(std::io::Error::last_os_error().raw_os_error(), Some(libc::ENOMEM | libc::EFAULT)) {
        return Err(none());
    }
    for offset in (0..bytes).step_by(page()) {
        // SAFETY: within the mapping, which nobody else sees yet.
        unsafe {
            let place = data.as_ptr().add(offset);
            place.write_volatile(place.read_volatile());
        }
    }
    Ok(())
}

/// Bytes of a page.
pub(super) fn page() -> usize {
    setting(libc::_SC_PAGESIZE)
}

fn setting(name: libc::c_int) -> usize {
    // SAFETY: takes no pointers.
    unsafe { libc::sysconf(name) }.max(1) as usize
}

fn map(bytes: usize) -> Option<NonNull<u8>> {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping at an address of the kernel's choice.
    let place = unsafe { libc::mmap(null_mut(), bytes, protection, flags, -1, 0) };
    if place == libc::MAP_FAILED { None } else { NonNull::new(place.cast()) }
}

/// Aligned to a huge page, which the kernel then may use.
fn map_huge(bytes: usize) -> Option<NonNull<u8>> {
    let around = map(bytes.checked_add(HUGE)?)?;
    let before = around.as_ptr().align_offset(HUGE);
    let place = around.as_ptr().wrapping_add(before);
    // SAFETY: the head and the tail of the mapping just made; what stays is the aligned middle.
    unsafe {
        if before > 0 {
            libc::munmap(around.as_ptr().cast(), before);
        }
        libc::munmap(place.add(bytes).cast(), HUGE - before);
        libc::madvise(place.cast(), bytes, libc::MADV_HUGEPAGE);
    }
    NonNull::new(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_zero_aligned_and_refused_when_absurd() {
        for bytes in [0, 1, 4097, HUGE, 3 * HUGE + 1] {
            let pages = Pages::new(bytes, true).unwrap();
            assert_eq!(pages.data.as_ptr() as usize % if bytes >= HUGE { HUGE } else { 4096 }, 0);
            // SAFETY: within the mapping.
            assert!((0..bytes).step_by(1000).all(|at| unsafe { *pages.data.as_ptr().add(at) } == 0));
        }
        assert!(check_available(1 << 20, "bytes", "").is_ok());
        let refused = check_available(1 << 60, "bytes", "more than is available").unwrap_err();
        assert_eq!(refused.status(), Status::OutOfMemory);
        for bytes in [usize::MAX, usize::MAX - 4096] {
            assert_eq!(Pages::new(bytes, true).unwrap_err().status(), Status::OutOfMemory);
        }
    }
}
