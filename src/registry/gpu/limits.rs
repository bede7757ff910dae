//! GPU limits by architecture: shared memory, threads and registers of a block and a multiprocessor.

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

/// The limits of a device. [`Arch::limits`] has those of a compute capability; a caller may pass its own.
///
/// ```
/// use backbuf::registry::{Arch, GpuLimits};
/// let smaller = GpuLimits { shared_block_bytes: 64 << 10, ..Arch::of(80)?.limits() };
/// assert_eq!(smaller.blocks_per_sm, 32);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GpuLimits {
    /// The shared memory of a block whose kernel does not opt in, in bytes.
    pub shared_static_bytes: u64,
    /// The largest shared memory of a block whose kernel opts in, in bytes.
    pub shared_block_bytes: u64,
    /// The shared memory of a multiprocessor in bytes.
    pub shared_sm_bytes: u64,
    /// The shared memory that the system reserves per block, in bytes.
    pub shared_reserved_bytes: u64,
    /// The allocation granularity of shared memory in bytes.
    pub shared_granule_bytes: u64,
    /// The largest number of threads of a block.
    pub threads_per_block: u32,
    /// The largest number of threads of a multiprocessor.
    pub threads_per_sm: u32,
    /// The largest number of blocks of a multiprocessor.
    pub blocks_per_sm: u32,
    /// The registers of a multiprocessor, which is also the limit of a block.
    pub registers_per_sm: u32,
    /// The largest number of registers of a thread.
    pub registers_per_thread: u32,
    /// The allocation granularity of registers per warp.
    pub register_granule: u32,
}

const KIB: u64 = 1 << 10;

/// Compute capability × 10; KiB of shared memory per block, per multiprocessor, reserved per block; threads and blocks per
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
    let reason =
        "not in the table, which has 7.0 to 12.1; name one as sm_90 or 9.0, or pass limits of your own";
    Error::named(Status::Argument, "arch", name, reason)
}

impl Arch {
    /// Every architecture of the table in ascending order.
    pub fn all() -> impl Iterator<Item = Arch> {
        TABLE.iter().map(|row| Arch(row.0))
    }

    /// The architecture of compute capability `cc / 10`.
    pub fn of(cc: u32) -> Result<Arch> {
        Arch::all().find(|arch| arch.0 == cc).ok_or_else(|| {
            let reason = "not in the table, which has 70 (7.0) to 121 (12.1); pass limits of your own";
            Error::value(Status::Argument, "cc", cc, reason)
        })
    }

    /// Ten times the compute capability.
    pub const fn cc(self) -> u32 {
        self.0
    }

    /// The limits of the architecture.
    pub fn limits(self) -> GpuLimits {
        let row = TABLE.iter().find(|row| row.0 == self.0).unwrap_or(&TABLE[0]);
        let &(cc, block, sm, reserved, threads_per_sm, blocks_per_sm) = row;
        GpuLimits {
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
    fn a_block_and_its_reserved_memory_fit_a_multiprocessor() {
        for arch in Arch::all() {
            let limits = arch.limits();
            assert_eq!(limits.shared_block_bytes + limits.shared_reserved_bytes, limits.shared_sm_bytes);
            assert_eq!(limits.threads_per_sm % limits.threads_per_block.min(512), 0);
            assert_eq!(arch.to_string().parse(), Ok(arch));
            assert_eq!(format!("{}.{}", arch.cc() / 10, arch.cc() % 10).parse(), Ok(arch));
        }
    }

    #[test]
    fn malformed_names_are_refused() {
        for name in
            ["", "sm_", "sm_61", "9.00", "9.", ".0", "sm_90aa", "-9.0", "sm_4294967296", "99999999999.9"]
        {
            let error = name.parse::<Arch>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("arch = '{name}'")), "{error}");
        }
    }
}
