//! Mirrored mapping: the pages of a ring mapped twice in a row, so that every stretch of the ring is contiguous.

use std::os::fd::OwnedFd;
use std::ptr::{NonNull, null_mut};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use rustix::param::page_size;

use crate::error::{Error, Result, Status};
use crate::sys::pages::prefault;

/// The pages of a ring. Byte `i` and byte `i + period` are the same memory.
#[derive(Debug)]
pub(crate) struct Mirror {
    data: NonNull<u8>,
    period: usize,
}

// SAFETY: memory with one owner.
unsafe impl Send for Mirror {}
// SAFETY: as above; the ring's protocol decides which thread accesses which bytes.
unsafe impl Sync for Mirror {}

impl Mirror {
    /// At least `bytes`, a power of two, rounded up to whole pages; zeros. Small ones are faulted in now.
    pub(crate) fn new(bytes: usize) -> Result<Mirror> {
        let period = bytes.max(page_size());
        let none = || Error::value(Status::OutOfMemory, "capacity", bytes as u64, "out of memory");
        let twice = period.checked_mul(2).filter(|&twice| twice <= isize::MAX as usize).ok_or_else(none)?;
        let file = memory_file(period)?;
        let reserve = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let address = unsafe { mmap_anonymous(null_mut(), twice, ProtFlags::empty(), reserve) };
        let address = address.map_err(|_| none())?.cast::<u8>();
        let data = NonNull::new(address).ok_or_else(none)?;
        let mirror = Mirror { data, period };
        let (access, here) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::FIXED);
        for half in [0, period] {
            // SAFETY: within the mapping just made, which this replaces.
            let mapped = unsafe { mmap(address.add(half).cast(), period, access, here, &file, 0) };
            mapped.map_err(|_| none())?;
        }
        prefault(data, twice)?;
        Ok(mirror)
    }

    /// The first of two periods of bytes.
    pub(crate) fn data(&self) -> NonNull<u8> {
        self.data
    }

    /// The number of bytes after which the ring repeats: a power of two.
    pub(crate) fn period(&self) -> usize {
        self.period
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        // SAFETY: owned, and unmapped once.
        let unmapped = unsafe { munmap(self.data.as_ptr().cast(), 2 * self.period) };
        debug_assert!(unmapped.is_ok());
    }
}

/// Memory that can be mapped more than once. The mappings outlive the descriptor.
fn memory_file(bytes: usize) -> Result<OwnedFd> {
    let failed = |call| move |errno: Errno| Error::system(call, errno.raw_os_error());
    let file = memfd_create(c"backbuf-ring", MemfdFlags::CLOEXEC).map_err(failed("memfd_create"))?;
    // Beyond this limit, which applies to files in memory too, ftruncate() ends the process by SIGXFSZ.
    if file_size_limit() < bytes as u64 {
        return Err(failed("ftruncate")(Errno::FBIG));
    }
    ftruncate(&file, bytes as u64).map_err(failed("ftruncate"))?;
    Ok(file)
}

/// The most bytes that a file of this process may have. Not by rustix, which relies on success: a sandbox may refuse the call.
fn file_size_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: writes a local.
    unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) };
    limit.rlim_cur
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_are_the_same_memory() {
        for bytes in [1, 1 << 12, 1 << 16] {
            let mirror = Mirror::new(bytes).unwrap();
            let (data, period) = (mirror.data().as_ptr(), mirror.period());
            assert!(period >= bytes && period.is_power_of_two() && (data as usize).is_multiple_of(4096));
            // SAFETY: two periods are mapped.
            unsafe {
                data.add(3).write(7);
                data.add(2 * period - 1).write(9);
                assert_eq!((data.add(period + 3).read(), data.add(period - 1).read()), (7, 9));
            }
        }
        assert_eq!(Mirror::new(1 << 62).unwrap_err().status(), Status::OutOfMemory);
    }
}
