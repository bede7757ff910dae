//! What a device allows a block and a multiprocessor.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result, Status};

/// A compute capability, such as 9.0.
///
/// ```
/// use backbuf::registry::Arch;
/// let hopper: Arch = "sm_90".parse()?;
/// assert_eq!((hopper, hopper.to_string()), (Arch::of(90)?, "sm_90".into()));
/// assert_eq!(hopper.limits().shared_block_bytes, 227 << 10);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arch(u32);

/// What a device allows. Those of a compute capability come from [`Arch::limits`]; a caller may give its own.
///
/// ```
/// use backbuf::registry::{Arch, Limits};
/// let smaller = Limits { shared_block_bytes: 64 << 10, ..Arch::of(80)?.limits() };
/// assert_eq!(smaller.blocks_per_sm, 32);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Shared memory that a block gets without asking, in bytes.
    pub shared_static_bytes: u64,
    /// Shared memory that a block gets at most, if its kernel opts in, in bytes.
    pub shared_block_bytes: u64,
    /// Shared memory of a multiprocessor, in bytes.
    pub shared_sm_bytes: u64,
    /// Shared memory that the system takes of each block, in bytes.
    pub shared_reserved_bytes: u64,
    /// Shared memory is given out in multiples of this, in bytes.
    pub shared_granule_bytes: u64,
    /// Threads of a block at most.
    pub threads_per_block: u32,
    /// Threads of a multiprocessor at most.
    pub threads_per_sm: u32,
    /// Blocks of a multiprocessor at most.
    pub blocks_per_sm: u32,
    /// Registers of a multiprocessor, and of a block at most.
    pub registers_per_sm: u32,
    /// Registers of a thread at most.
    pub registers_per_thread: u32,
    /// A warp gets registers in multiples of this.
    pub register_granule: u32,
}

const KIB: u64 = 1 << 10;

/// Compute capability × 10; KiB of a block at most, of a multiprocessor, reserved a block; threads and blocks of a
/// multiprocessor. From the tables of technical specifications in NVIDIA's CUDA programming guide.
const TABLE: [(u32, u64, u64, u64, u32, u32); 13] = [
    (70, 96, 96, 0, 2048, 32),
    (72, 96, 96, 0, 2048, 32),
    (75, 64, 64, 0, 1024, 16),
    (80, 163, 164, 1, 2048, 32),
    (86, 99, 100, 1, 1536, 16),
    (87, 163, 164, 1, 1536, 16),
    (89, 99, 100, 1, 1536, 24),
    (90, 227, 228, 1, 2048, 32),
    (100, 227, 228, 1, 2048, 32),
    (103, 227, 228, 1, 2048, 32),
    (110, 227, 228, 1, 1536, 24),
    (120, 99, 100, 1, 1536, 24),
    (121, 99, 100, 1, 1536, 24),
];

#[cold]
fn unknown(name: &str) -> Error {
    let why =
        "not in the table, which holds 7.0 to 12.1; name one as sm_90 or 9.0, or give limits of your own";
    Error::named(Status::Argument, "arch", name, why)
}

impl Arch {
    /// Every one of the table, in ascending order.
    ///
    /// ```
    /// assert_eq!(backbuf::registry::Arch::all().next().unwrap().cc(), 70);
    /// ```
    pub fn all() -> impl Iterator<Item = Arch> {
        TABLE.iter().map(|row| Arch(row.0))
    }

    /// The one of compute capability `cc / 10`.
    ///
    /// ```
    /// use backbuf::registry::Arch;
    /// assert_eq!(Arch::of(86)?.to_string(), "sm_86");
    /// assert!(Arch::of(61).is_err());
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn of(cc: u32) -> Result<Arch> {
        Arch::all().find(|arch| arch.0 == cc).ok_or_else(|| {
            let why = "no compute capability of the table, which holds 70 (7.0) to 121 (12.1); give limits of your own";
            Error::value(Status::Argument, "cc", cc, why)
        })
    }

    /// Ten times the compute capability.
    ///
    /// ```
    /// assert_eq!("12.0".parse::<backbuf::registry::Arch>()?.cc(), 120);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub const fn cc(self) -> u32 {
        self.0
    }

    /// What it allows.
    ///
    /// ```
    /// use backbuf::registry::Arch;
    /// assert_eq!(Arch::of(75)?.limits().shared_reserved_bytes, 0);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn limits(self) -> Limits {
        let row = TABLE.iter().find(|row| row.0 == self.0).unwrap_or(&TABLE[0]);
        let &(cc, block, sm, reserved, threads_per_sm, blocks_per_sm) = row;
        Limits {
            shared_static_bytes: 48 * KIB,
            shared_block_bytes: block * KIB,
            shared_sm_bytes: sm * KIB,
            shared_reserved_bytes: reserved * KIB,
            shared_granule_bytes: if cc < 80 { 256 } else { 128 },
            threads_per_block: 1024,
            threads_per_sm,
            blocks_per_sm,
            registers_per_sm: 64 << 10,
            registers_per_thread: 255,
            register_granule: 256,
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sm_{}", self.0)
    }
}

impl FromStr for Arch {
    type Err = Error;

    /// `sm_90`, `sm_90a`, `compute_90`, `9.0` or `90`.
    fn from_str(name: &str) -> Result<Arch> {
        let bare = name.strip_prefix("sm_").or_else(|| name.strip_prefix("compute_")).unwrap_or(name);
        let bare = bare.strip_suffix(['a', 'f']).unwrap_or(bare);
        let cc = match bare.split_once('.') {
            Some((major, minor)) if minor.len() == 1 => major
                .parse::<u32>()
                .ok()
                .zip(minor.parse().ok())
                .and_then(|(major, minor): (u32, u32)| major.checked_mul(10)?.checked_add(minor)),
            Some(_) => None,
            None => bare.parse().ok(),
        };
        cc.and_then(|cc| Arch::of(cc).ok()).ok_or_else(|| unknown(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_and_what_the_system_takes_of_it_fit_a_multiprocessor() {
        for arch in Arch::all() {
            let limits = arch.limits();
            assert_eq!(limits.shared_block_bytes + limits.shared_reserved_bytes, limits.shared_sm_bytes);
            assert_eq!(limits.threads_per_sm % limits.threads_per_block.min(512), 0);
            assert_eq!(arch.to_string().parse(), Ok(arch));
            assert_eq!(format!("{}.{}", arch.cc() / 10, arch.cc() % 10).parse(), Ok(arch));
        }
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for name in
            ["", "sm_", "sm_61", "9.00", "9.", ".0", "sm_90aa", "-9.0", "sm_4294967296", "99999999999.9"]
        {
            let error = name.parse::<Arch>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("arch = '{name}'")), "{error}");
        }
    }
}
