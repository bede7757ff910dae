//! Anonymous memory mappings: page-aligned, zeroed, pre-faulted on request up to a limit, in huge pages from 2 MiB on; and atomic
//! words on such pages.

use std::ops::Deref;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::AtomicU64;

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use rustix::param::page_size;

use crate::error::{Error, Result, Status};
use crate::sys::available_memory::available_memory;

/// The largest mapping that is faulted in at once. Faulting in 4 GiB takes seconds, and commits memory that may never be used.
pub(crate) const PREFAULTED_MOST: usize = 8 << 20;

const HUGE: usize = 2 << 20;

const NO_MEMORY: &str = "out of memory";

/// An anonymous mapping; zeros when new.
#[derive(Debug)]
pub(crate) struct Pages {
    data: NonNull<u8>,
    mapped: usize,
}

// SAFETY: memory with one owner.
unsafe impl Send for Pages {}

impl Pages {
    /// At least `bytes` zeroed bytes. With `fault`, a mapping of up to [`PREFAULTED_MOST`] bytes is faulted in now.
    pub(crate) fn new(bytes: usize, fault: bool) -> Result<Pages> {
        let none = || Error::value(Status::OutOfMemory, "bytes", bytes as u64, NO_MEMORY);
        let mapped = bytes.max(1).checked_next_multiple_of(page_size()).ok_or_else(none)?;
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
        let unmapped = unsafe { munmap(self.data.as_ptr().cast(), self.mapped) };
        debug_assert!(unmapped.is_ok());
    }
}

/// Words on pages of their own, which are faulted in when it is made and go back to the system when it is dropped. Memory that is
/// as large and lives as long as its object would leave gaps in the heap.
#[derive(Debug)]
pub(crate) struct PagedWords {
    words: NonNull<[AtomicU64]>,
    /// None if there are no words.
    _pages: Option<Pages>,
}

// SAFETY: atomics, and memory with one owner.
unsafe impl Send for PagedWords {}
// SAFETY: atomics.
unsafe impl Sync for PagedWords {}

impl PagedWords {
    /// `count` zeros.
    pub(crate) fn new(count: usize) -> Result<PagedWords> {
        let bytes = count.saturating_mul(size_of::<AtomicU64>());
        let pages = if count > 0 { Some(Pages::new(bytes, true)?) } else { None };
        let first = pages.as_ref().map_or(NonNull::dangling(), |pages| pages.data().cast::<AtomicU64>());
        Ok(PagedWords { words: NonNull::slice_from_raw_parts(first, count), _pages: pages })
    }
}

impl Deref for PagedWords {
    type Target = [AtomicU64];

    #[inline(always)]
    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: as many zeroed words as the pages hold, aligned to a page, and never given out for writing.
        unsafe { self.words.as_ref() }
    }
}

/// Fails with [`Status::OutOfMemory`] if `bytes` exceeds what is available to this process: where the kernel overcommits,
/// filling the memory later would end the process. Requests of up to [`PREFAULTED_MOST`] bytes are not checked.
pub(crate) fn check_available(bytes: u64, param: &'static str, reason: &'static str) -> Result<()> {
    if bytes <= PREFAULTED_MOST as u64 {
        return Ok(());
    }
    // SAFETY: takes a number. -1 where the system does not report it.
    let pages = || unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) }.max(0) as u64;
    let physical = || pages().saturating_mul(page_size() as u64);
    if bytes <= available_memory().unwrap_or_else(physical) {
        return Ok(());
    }
    Err(Error::value(Status::OutOfMemory, param, bytes, reason))
}

/// Has the kernel back every page of a mapping of up to [`PREFAULTED_MOST`] bytes now, so that no first touch is left to pay
/// later. The pages are mapped for writing, and their contents stay.
pub(super) fn prefault(data: NonNull<u8>, bytes: usize) -> Result<()> {
    if bytes > PREFAULTED_MOST {
        return Ok(());
    }
    // SAFETY: it only faults pages in.
    match unsafe { madvise(data.as_ptr().cast(), bytes, Advice::LinuxPopulateWrite) } {
        Ok(()) => return Ok(()),
        Err(Errno::NOMEM | Errno::FAULT) => {
            return Err(Error::value(Status::OutOfMemory, "bytes", bytes as u64, NO_MEMORY));
        }
        // An older kernel or a sandbox refuses the call itself.
        Err(_) => {}
    }
    for offset in (0..bytes).step_by(page_size()) {
        // SAFETY: within the mapping, which no other thread sees yet.
        unsafe {
            let byte = data.as_ptr().add(offset);
            byte.write_volatile(byte.read_volatile());
        }
    }
    Ok(())
}

fn map(bytes: usize) -> Option<NonNull<u8>> {
    // SAFETY: a new mapping at an address of the kernel's choice.
    let data =
        unsafe { mmap_anonymous(null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) };
    NonNull::new(data.ok()?.cast())
}

/// A mapping aligned to a huge page, which the kernel may then use.
fn map_huge(bytes: usize) -> Option<NonNull<u8>> {
    let around = map(bytes.checked_add(HUGE)?)?;
    let before = around.as_ptr().align_offset(HUGE);
    let data = around.as_ptr().wrapping_add(before);
    // SAFETY: the head and the tail of the mapping just made; the aligned middle stays. Where a call fails, more stays mapped.
    unsafe {
        if before > 0 {
            let _ = munmap(around.as_ptr().cast(), before);
        }
        let _ = munmap(data.add(bytes).cast(), HUGE - before);
        let _ = madvise(data.cast(), bytes, Advice::LinuxHugepage);
    }
    NonNull::new(data)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

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

    #[test]
    fn words_are_zero_and_separate() {
        for count in [0, 1, 511, 513] {
            let words = PagedWords::new(count).unwrap();
            assert!(words.len() == count && words.iter().all(|word| word.load(Relaxed) == 0));
            words.iter().enumerate().for_each(|(at, word)| word.store(at as u64, Relaxed));
            assert!(words.iter().enumerate().all(|(at, word)| word.load(Relaxed) == at as u64));
        }
        assert_eq!(PagedWords::new(usize::MAX / 8).unwrap_err().status(), Status::OutOfMemory);
        assert_eq!(PagedWords::new(usize::MAX).unwrap_err().status(), Status::OutOfMemory);
    }
}
