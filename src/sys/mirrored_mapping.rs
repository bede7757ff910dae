//! A ring of bytes in host memory: the same pages mapped twice in a row, so that every stretch of the ring is contiguous.

use std::ptr::{NonNull, null_mut};

use crate::error::{Error, Result, Status};
use crate::sys::pages::{page, prefault};

/// The pages of a ring. Byte `i` and byte `i + period` are the same memory.
#[derive(Debug)]
pub(crate) struct Mirror {
    data: NonNull<u8>,
    period: usize,
}

// SAFETY: memory with one owner.
unsafe impl Send for Mirror {}
// SAFETY: as above; who accesses which bytes is the ring's business.
unsafe impl Sync for Mirror {}

impl Mirror {
    /// At least `bytes`, a power of two, rounded up to whole pages; zeros. Small ones have no first touch left to pay.
    pub(crate) fn new(bytes: usize) -> Result<Mirror> {
        let period = bytes.max(page());
        let none = || Error::value(Status::OutOfMemory, "capacity", bytes as u64, "memory could not be had");
        let twice = period.checked_mul(2).filter(|&twice| twice <= isize::MAX as usize).ok_or_else(none)?;
        let file = File::new(period)?;
        let (nothing, anywhere) =
            (libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let place = unsafe { libc::mmap(null_mut(), twice, nothing, anywhere, -1, 0) };
        let data = NonNull::new(place.cast::<u8>()).filter(|_| place != libc::MAP_FAILED).ok_or_else(none)?;
        let mirror = Mirror { data, period };
        let (protection, here) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_FIXED);
        for half in [0, period] {
            // SAFETY: within the mapping just made, which this replaces.
            let place = unsafe { libc::mmap(place.add(half), period, protection, here, file.0, 0) };
            if place == libc::MAP_FAILED {
                return Err(none());
            }
        }
        prefault(data, twice)?;
        Ok(mirror)
    }

    /// The first byte. As many follow as two periods have.
    pub(crate) fn data(&self) -> NonNull<u8> {
        self.data
    }

    /// After how many bytes the ring repeats: a power of two.
    pub(crate) fn period(&self) -> usize {
        self.period
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        // SAFETY: owned, and unmapped once.
        unsafe { libc::munmap(self.data.as_ptr().cast(), 2 * self.period) };
    }
}

/// Memory that can be mapped more than once. The mappings outlive it.
struct File(libc::c_int);

impl File {
    fn new(bytes: usize) -> Result<File> {
        // SAFETY: reads a constant.
        let fd = unsafe { libc::memfd_create(c"backbuf-ring".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(Error::last_system("memfd_create"));
        }
        let file = File(fd);
        // Beyond this limit, which counts for files in memory too, ftruncate() ends the process by SIGXFSZ.
        if file_size_limit() < bytes as u64 {
            return Err(Error::system("ftruncate", libc::EFBIG));
        }
        // SAFETY: takes numbers.
        if unsafe { libc::ftruncate(fd, bytes as libc::off_t) } != 0 {
            return Err(Error::last_system("ftruncate"));
        }
        Ok(file)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: owned, and closed once.
        unsafe { libc::close(self.0) };
    }
}

/// The most bytes that a file of this process may have.
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
