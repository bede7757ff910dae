//! Copies into and out of a ring's memory, defined also if C code uses one end from two threads.
//!
//! An end is for one thread at a time, but C code can break that rule; then two copies access the same bytes at once. Which bytes
//! remain is unspecified, yet the program stays defined: to the language each copy is a loop of relaxed atomic accesses to single
//! bytes. The compiler would not merge such accesses, so the processor's own moves are written out in assembly. A wide move is one of
//! the orders in which the single bytes may be accessed.

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
    if n >= PREFETCH_FROM {
        for line in (0..n).step_by(64) {
            prefetch_to_write(to.wrapping_add(line));
        }
    }
    // SAFETY: the caller's promise.
    unsafe { copy(from, to, n) }
}

/// Copies `n` bytes; short ones without a call.
///
/// # Safety
///
/// As [`std::ptr::copy_nonoverlapping`], except that other calls may access the same bytes of the ring at the same time.
#[inline(always)]
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match n {
            0 => {}
            // ThreadSanitizer must see the accesses of the ends.
            _ if cfg!(backbuf_fences) => std::ptr::copy_nonoverlapping(from, to, n),
            #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
            1..=64 => moves::copy_short(from, to, n),
            _ => moves::copy_long(from, to, n),
        }
    }
}

/// Moves in assembly, one module per processor. The contract of each function is that of [`copy`].
#[cfg(target_arch = "x86_64")]
mod moves {
    use std::arch::asm;

    /// Copies the first and the last bytes of a chunk, which together are all of it. They may overlap, so both are read first.
    macro_rules! copy_both_ends {
        ($move:literal, $class:ident, $width:literal, $size:literal, $from:expr, $to:expr, $n:expr) => {
            asm!(
                concat!($move, " {a", $width, "}, [{from}]"),
                concat!($move, " {b", $width, "}, [{from} + {n} - ", $size, "]"),
                concat!($move, " [{to}], {a", $width, "}"),
                concat!($move, " [{to} + {n} - ", $size, "], {b", $width, "}"),
                a = out($class) _,
                b = out($class) _,
                from = in(reg) $from,
                to = in(reg) $to,
                n = in(reg) $n,
                options(nostack, preserves_flags),
            )
        };
    }

    /// 1 to 64 bytes.
    #[inline(always)]
    pub(super) unsafe fn copy_short(from: *const u8, to: *mut u8, n: usize) {
        // SAFETY: the caller's promise: all addresses lie within the n bytes of either side.
        unsafe {
            match n {
                1 => asm!(
                    "mov {a}, [{from}]", "mov [{to}], {a}",
                    a = out(reg_byte) _, from = in(reg) from, to = in(reg) to,
                    options(nostack, preserves_flags),
                ),
                2..4 => copy_both_ends!("mov", reg, ":x", "2", from, to, n),
                4..8 => copy_both_ends!("mov", reg, ":e", "4", from, to, n),
                8 => asm!(
                    "mov {a}, [{from}]", "mov [{to}], {a}",
                    a = out(reg) _, from = in(reg) from, to = in(reg) to,
                    options(nostack, preserves_flags),
                ),
                9..=16 => copy_both_ends!("mov", reg, "", "8", from, to, n),
                17..=32 => copy_both_ends!("movups", xmm_reg, "", "16", from, to, n),
                _ => asm!(
                    "movups {a}, [{from}]", "movups {b}, [{from} + 16]",
                    "movups {c}, [{from} + {n} - 32]", "movups {d}, [{from} + {n} - 16]",
                    "movups [{to}], {a}", "movups [{to} + 16], {b}",
                    "movups [{to} + {n} - 32], {c}", "movups [{to} + {n} - 16], {d}",
                    a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
                    from = in(reg) from, to = in(reg) to, n = in(reg) n,
                    options(nostack, preserves_flags),
                ),
            }
        }
    }

    /// Any number of bytes, by the C library's `memcpy`.
    #[inline(always)]
    pub(super) unsafe fn copy_long(from: *const u8, to: *mut u8, n: usize) {
        // SAFETY: the caller's promise; the stack is aligned for a call, and the registers that a C function may change are clobbered.
        unsafe {
            asm!(
                "call qword ptr [rip + {memcpy}@GOTPCREL]",
                memcpy = sym libc::memcpy,
                in("rdi") to,
                in("rsi") from,
                in("rdx") n,
                clobber_abi("C"),
            );
        }
    }
}

/// AArch64.
#[cfg(target_arch = "aarch64")]
mod moves {
    use std::arch::asm;

    /// Copies the first and the last bytes of a chunk, which together are all of it. They may overlap, so both are read first.
    macro_rules! copy_both_ends {
        ($load:literal, $store:literal, $class:ident, $width:literal, $size:literal, $from:expr, $to:expr, $n:expr) => {
            asm!(
                concat!($load, " {a", $width, "}, [{from}]"),
                concat!($load, " {b", $width, "}, [{from_end}, #-", $size, "]"),
                concat!($store, " {a", $width, "}, [{to}]"),
                concat!($store, " {b", $width, "}, [{to_end}, #-", $size, "]"),
                a = out($class) _,
                b = out($class) _,
                from = in(reg) $from,
                from_end = in(reg) $from.add($n),
                to = in(reg) $to,
                to_end = in(reg) $to.add($n),
                options(nostack, preserves_flags),
            )
        };
    }

    /// 1 to 64 bytes.
    #[inline(always)]
    pub(super) unsafe fn copy_short(from: *const u8, to: *mut u8, n: usize) {
        // SAFETY: the caller's promise: all addresses lie within the n bytes of either side, or at their end.
        unsafe {
            match n {
                1 => copy_both_ends!("ldurb", "sturb", reg, ":w", "1", from, to, n),
                2..4 => copy_both_ends!("ldurh", "sturh", reg, ":w", "2", from, to, n),
                4..8 => copy_both_ends!("ldur", "stur", reg, ":w", "4", from, to, n),
                8..=16 => copy_both_ends!("ldur", "stur", reg, ":x", "8", from, to, n),
                17..=32 => copy_both_ends!("ldur", "stur", vreg, ":q", "16", from, to, n),
                // The middle is copied twice, with the same bytes.
                _ => {
                    copy_both_ends!("ldur", "stur", vreg, ":q", "16", from, to, 32);
                    copy_both_ends!("ldur", "stur", vreg, ":q", "16", from.add(n - 32), to.add(n - 32), 32);
                }
            }
        }
    }

    /// Any number of bytes, by the C library's `memcpy`.
    #[inline(always)]
    pub(super) unsafe fn copy_long(from: *const u8, to: *mut u8, n: usize) {
        // SAFETY: as above.
        unsafe {
            asm!(
                "bl {memcpy}",
                memcpy = sym libc::memcpy,
                in("x0") to,
                in("x1") from,
                in("x2") n,
                clobber_abi("C"),
            );
        }
    }
}

/// Byte by byte, with the meaning of the other modules.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod moves {
    use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

    /// Any number of bytes.
    pub(super) unsafe fn copy_long(from: *const u8, to: *mut u8, n: usize) {
        for at in 0..n {
            // SAFETY: the caller's promise.
            unsafe {
                let byte = AtomicU8::from_ptr(from.add(at).cast_mut()).load(Relaxed);
                AtomicU8::from_ptr(to.add(at)).store(byte, Relaxed);
            }
        }
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
