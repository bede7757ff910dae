//! Copies into and out of a ring's memory: short ones by a few overlapping moves without a call, long ones by `memcpy`.

/// The most bytes that [`copy`] moves without a call.
pub(crate) const SHORT: u64 = 64;

/// The most bytes that are copied before they are published. Longer ones are copied in pieces, so that the other side begins while
/// the rest is still copied.
pub(crate) const PIECE: u64 = 8192;

/// Copies of this size and more request the target's cache lines before they write.
const PREFETCH_FROM: usize = 256;

/// Copies `n` bytes to memory that the other core has just read: its cache lines are requested, ready to write, before the copy
/// stalls on the first of them.
///
/// # Safety
///
/// As [`copy`].
#[inline(always)]
pub(crate) unsafe fn copy_into_ring(from: *const u8, to: *mut u8, n: usize) {
    if n as u64 <= SHORT {
        // SAFETY: the caller's promise.
        return unsafe { copy(from, to, n) };
    }
    if n >= PREFETCH_FROM {
        for line in (0..n).step_by(64) {
            prefetch_to_write(to.wrapping_add(line));
        }
    }
    // SAFETY: the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(from, to, n) }
}

/// Copies `n` bytes.
///
/// # Safety
///
/// As [`std::ptr::copy_nonoverlapping`].
#[inline(always)]
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, n: usize) {
    // SAFETY: the caller's promise; each type is at most `n` bytes large, and any bytes are one of its values.
    unsafe {
        match n {
            0 => {}
            1 => *to = *from,
            2..4 => copy_both_ends::<u16>(from, to, n),
            4..8 => copy_both_ends::<u32>(from, to, n),
            8 => to.cast::<u64>().write_unaligned(from.cast::<u64>().read_unaligned()),
            9..=16 => copy_both_ends::<u64>(from, to, n),
            17..=32 => copy_both_ends::<[u64; 2]>(from, to, n),
            33..=64 => copy_both_ends::<[u64; 4]>(from, to, n),
            _ => std::ptr::copy_nonoverlapping(from, to, n),
        }
    }
}

/// Copies the first and the last `T` of `n` bytes, which together are all of them. They may overlap, so both are read first.
///
/// # Safety
///
/// As [`std::ptr::copy_nonoverlapping`], `T` is at most `n` bytes large and any bytes are one of its values.
#[inline(always)]
unsafe fn copy_both_ends<T: Copy>(from: *const u8, to: *mut u8, n: usize) {
    let last = n - size_of::<T>();
    // SAFETY: the caller's promise.
    unsafe {
        let (first_value, last_value) =
            (from.cast::<T>().read_unaligned(), from.add(last).cast::<T>().read_unaligned());
        to.cast::<T>().write_unaligned(first_value);
        to.add(last).cast::<T>().write_unaligned(last_value);
    }
}

/// A hint that the line of an address is about to be written. It never faults.
#[inline(always)]
fn prefetch_to_write(at: *const u8) {
    // SAFETY: a hint about an address; it reads nothing and changes no register.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("prefetchw [{}]", in(reg) at, options(nostack, preserves_flags, readonly));
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("prfm pstl1keep, [{}]", in(reg) at, options(nostack, preserves_flags, readonly));
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
            unsafe { copy_into_ring(from.as_ptr(), to.as_mut_ptr(), n) };
            assert!(to[..n] == from[..n] && to[n..].iter().all(|&byte| byte == 0), "{n}");
        }
    }
}
