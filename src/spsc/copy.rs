//! Copies in and out of the ring.

use std::ptr::{copy_nonoverlapping, read_unaligned as read, write_unaligned as write};

/// Chunks of this size and more ask for their target's lines before they write.
const PREFETCH_FROM: usize = 256;

/// What [`copy`] does without a call.
pub(crate) const SHORT: u64 = 64;

/// Copies `n` bytes to where the other core has just read: its cache lines are asked for, ready to write, before the copy
/// stalls on the first of them.
///
/// # Safety
///
/// As `copy_nonoverlapping`.
#[inline(always)]
pub(crate) unsafe fn into_ring(from: *const u8, to: *mut u8, n: usize) {
    if n >= PREFETCH_FROM {
        for line in (0..n).step_by(64) {
            // SAFETY: a hint about an address; it reads nothing.
            unsafe { prefetch_to_write(to.add(line)) };
        }
    }
    // SAFETY: the caller's promise.
    unsafe { copy(from, to, n) }
}

/// Copies `n` bytes; short ones without a call.
///
/// # Safety
///
/// As `copy_nonoverlapping`.
#[inline(always)]
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, n: usize) {
    // SAFETY: the caller's promise; both halves lie within the n bytes and may overlap each other, so both are read first.
    unsafe {
        match n {
            0 => {}
            1 => *to = *from,
            2..4 => ends::<u16>(from, to, n),
            4..8 => ends::<u32>(from, to, n),
            8 => write(to.cast::<u64>(), read(from.cast())),
            9..=16 => ends::<u64>(from, to, n),
            17..=32 => ends::<u128>(from, to, n),
            33..=64 => ends::<[u128; 2]>(from, to, n),
            _ => copy_nonoverlapping(from, to, n),
        }
    }
}

/// Copies the first and the last `size_of::<T>()` of the `n` bytes, which together are all of them.
#[inline(always)]
unsafe fn ends<T>(from: *const u8, to: *mut u8, n: usize) {
    let last = n - size_of::<T>();
    // SAFETY: the caller's promise: n is one to two times the size.
    unsafe {
        let (a, b) = (read(from.cast::<T>()), read(from.add(last).cast::<T>()));
        write(to.cast(), a);
        write(to.add(last).cast(), b);
    }
}

#[inline(always)]
unsafe fn prefetch_to_write(place: *const u8) {
    // SAFETY: a hint; it never faults.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("prefetchw [{}]", in(reg) place, options(nostack, preserves_flags, readonly));
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("prfm pstl1keep, [{}]", in(reg) place, options(nostack, preserves_flags, readonly));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_copied_and_nothing_beyond() {
        let from: Vec<u8> = (0..600).map(|i| (i % 251) as u8 + 1).collect();
        for n in 0..600 {
            let mut to = vec![0u8; 601];
            // SAFETY: both are that long.
            unsafe { into_ring(from.as_ptr(), to.as_mut_ptr(), n) };
            assert!(to[..n] == from[..n] && to[n..].iter().all(|&byte| byte == 0), "{n}");
        }
    }
}
