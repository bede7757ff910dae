//! Occupancy of a multiprocessor, and bank conflicts in shared memory.

use crate::alloc::{try_string, try_vec};
use crate::error::{Error, Result, Status};
use crate::registry::gpu::limits::GpuLimits;
use crate::registry::layout::Allocator;
use crate::registry::options::{LayoutOptions, Precision, SharedPer, Space};
use crate::registry::registry::BufferRegistry;

/// A kernel launch: the block size and the resources of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Launch {
    /// The number of threads of a block.
    pub threads: u32,
    /// The registers of a thread, as the compiler reports; 0 if unknown.
    pub registers_per_thread: u32,
    /// The static shared memory that the kernel declares in addition to the group's, in bytes.
    pub static_shared_bytes: u64,
    /// What owns the shared region, if different from the group's option.
    pub shared_per: Option<SharedPer>,
}

impl Launch {
    /// A launch of blocks of `threads` threads.
    pub const fn of(threads: u32) -> Launch {
        Launch { threads, registers_per_thread: 0, static_shared_bytes: 0, shared_per: None }
    }
}

/// The resource that limits the number of blocks on a multiprocessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// Shared memory.
    Shared,
    /// Registers.
    Registers,
    /// Threads.
    Threads,
    /// The limit on blocks itself.
    Blocks,
}

impl Bound {
    /// The name in text, such as `shared memory`.
    pub const fn name(self) -> &'static str {
        match self {
            Bound::Shared => "shared memory",
            Bound::Registers => "registers",
            Bound::Threads => "threads",
            Bound::Blocks => "blocks",
        }
    }
}

/// The number of blocks and warps on a multiprocessor at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Occupancy {
    /// The number of blocks; 0 if none fits.
    pub blocks_per_sm: u32,
    /// The number of warps.
    pub warps_per_sm: u32,
    /// The largest number of warps of the device.
    pub max_warps_per_sm: u32,
    /// What limits the number of blocks.
    pub bound: Bound,
}

const WARP: u32 = 32;
/// A multiprocessor has four partitions, each with a quarter of the registers.
const PARTITIONS: u32 = 4;

impl GpuLimits {
    /// The shared memory of a multiprocessor that a block takes; `None` if the number overflows.
    pub(crate) fn shared_taken(&self, launch: &Launch, shared_bytes: u64) -> Option<u64> {
        let bytes = shared_bytes.checked_add(launch.static_shared_bytes)?;
        let bytes = bytes.checked_add(self.shared_reserved_bytes)?;
        bytes.checked_next_multiple_of(self.shared_granule_bytes.max(1))
    }

    /// The largest dynamic shared memory of a block that fits on a multiprocessor.
    pub(crate) fn largest_dynamic_shared(&self, launch: &Launch) -> Option<u64> {
        let granule = self.shared_granule_bytes.max(1);
        let whole = self.shared_sm_bytes / granule * granule;
        whole.checked_sub(self.shared_reserved_bytes)?.checked_sub(launch.static_shared_bytes)
    }

    /// The occupancy of `launch` with `shared_bytes` of dynamic shared memory per block.
    ///
    /// ```
    /// use backbuf::registry::{Arch, Bound, Launch};
    /// let limits = Arch::of(90)?.limits();
    /// let occupancy = limits.occupancy(&Launch::of(256), 100 << 10);
    /// assert_eq!((occupancy.blocks_per_sm, occupancy.bound), (2, Bound::Shared));
    /// assert_eq!((occupancy.warps_per_sm, occupancy.max_warps_per_sm), (16, 64));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn occupancy(&self, launch: &Launch, shared_bytes: u64) -> Occupancy {
        let warps = launch.threads.div_ceil(WARP).max(1);
        let max_warps = self.threads_per_sm / WARP;
        let by_shared = match self.shared_taken(launch, shared_bytes) {
            None => 0,
            Some(0) => u32::MAX,
            Some(bytes) => u32::try_from(self.shared_sm_bytes / bytes).unwrap_or(u32::MAX),
        };
        let by_registers = match launch.registers_per_thread {
            0 => u32::MAX,
            registers if registers > self.registers_per_thread => 0,
            registers => {
                let granule = u64::from(self.register_granule.max(1));
                let warp = (u64::from(registers) * u64::from(WARP)).next_multiple_of(granule);
                (u64::from(self.registers_per_sm / PARTITIONS) / warp) as u32 * PARTITIONS / warps
            }
        };
        let by_threads = if launch.threads > self.threads_per_block { 0 } else { max_warps / warps };
        // Of equal bounds, the first is reported: a layout can change shared memory.
        let bounds = [
            (by_shared, Bound::Shared),
            (by_registers, Bound::Registers),
            (by_threads, Bound::Threads),
            (self.blocks_per_sm, Bound::Blocks),
        ];
        let (blocks, bound) =
            bounds.into_iter().min_by_key(|&(blocks, _)| blocks).unwrap_or((0, Bound::Blocks));
        Occupancy {
            blocks_per_sm: blocks,
            warps_per_sm: blocks.saturating_mul(warps),
            max_warps_per_sm: max_warps,
            bound,
        }
    }
}

/// The bank conflicts when each thread of a warp reads the same element of its own region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banks {
    /// The distance in bytes between the regions of two threads.
    pub stride_bytes: u64,
    /// The shortest stride without conflicts, if there is one within the next 128 bytes.
    pub conflict_free_stride_bytes: Option<u64>,
    /// By buffer in shared memory: the number of transactions of its worst access; 1 without conflicts. A child's region counts
    /// by the worst of its precisions.
    pub ways: Vec<(String, u32)>,
}

const BANKS: usize = 32;
const BANK_BYTES: u64 = 4;

/// The number of transactions when each thread of a warp reads `width` bytes at `offset` of its region.
fn ways(stride: u64, offset: u64, width: u64) -> u32 {
    // A transaction has 128 bytes: wide elements are served to a part of the warp at a time.
    let threads = (BANKS as u64 * BANK_BYTES / width).min(BANKS as u64);
    let mut words = [[u64::MAX; BANKS * 2]; BANKS];
    let mut counts = [0usize; BANKS];
    for thread in 0..threads {
        let first = (thread * stride + offset) / BANK_BYTES;
        let last = (thread * stride + offset + width - 1) / BANK_BYTES;
        for word in first..=last {
            let bank = (word % BANKS as u64) as usize;
            let count = counts[bank];
            if !words[bank][..count].contains(&word) {
                words[bank][count] = word;
                counts[bank] += 1;
            }
        }
    }
    counts.into_iter().max().unwrap_or(0) as u32
}

impl BufferRegistry {
    /// The bank conflicts in shared memory if each thread has its own region, whatever the group's option says.
    ///
    /// ```
    /// use backbuf::registry::{CUDABuffer, LayoutOptions, BufferRegistry, SharedPer};
    /// let registry = BufferRegistry::with_options("", LayoutOptions { shared_per: SharedPer::Thread, ..LayoutOptions::default() });
    /// registry.register(1, &CUDABuffer::shared("k1", 8))?;
    /// let banks = registry.banks(1)?;
    /// assert_eq!(banks.ways, [("k1".to_owned(), 8)]);
    /// assert_eq!((banks.stride_bytes, banks.conflict_free_stride_bytes), (32, Some(36)));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn banks(&self, parent: u64) -> Result<Banks> {
        let groups = self.lock();
        let (group, all) = groups.arranged(parent)?;
        let options = LayoutOptions { shared_per: SharedPer::Thread, ..group.options };
        let stride_bytes = all.shared.stride_bytes(options)?;
        let shared = || {
            let indices = 0..group.entries.len();
            indices
                .map(|index| (index, all.allocator(index)))
                .filter(|(_, allocator)| allocator.space == Space::Shared && allocator.length > 0)
        };
        let of = |stride, index: usize, allocator: &Allocator| {
            // Only the position among the banks matters, and small numbers do not overflow.
            let round = BANKS as u64 * BANK_BYTES;
            let ways = |precision: Precision| {
                ways(stride % round + round, allocator.byte_offset.unwrap_or(0) % round, precision.bytes())
            };
            all.placements[index].precisions().map(ways).max().unwrap_or(1)
        };
        let mut list = try_vec(shared().count())?;
        for (index, allocator) in shared() {
            list.push((try_string(&group.entries[index].name)?, of(stride_bytes, index, &allocator)));
        }
        let align = all.shared.region().align_bytes;
        let free = |stride: &u64| shared().all(|(index, allocator)| of(*stride, index, &allocator) == 1);
        let mut strides = (0..=BANKS as u64 * BANK_BYTES / align).map(|step| stride_bytes + step * align);
        Ok(Banks { stride_bytes, conflict_free_stride_bytes: strides.find(free), ways: list })
    }

    /// The occupancy of a launch on a device with these limits.
    ///
    /// ```
    /// use backbuf::registry::{Arch, Bound, CUDABuffer, Launch, BufferRegistry};
    /// let registry = BufferRegistry::new();
    /// registry.register(1, &CUDABuffer::shared("tile", 6 << 10))?;
    /// let occupancy = registry.occupancy(1, &Arch::of(86)?.limits(), &Launch::of(128))?;
    /// assert_eq!((occupancy.blocks_per_sm, occupancy.bound), (4, Bound::Shared));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn occupancy(&self, parent: u64, limits: &GpuLimits, launch: &Launch) -> Result<Occupancy> {
        launch.check(limits)?;
        let groups = self.lock();
        let (group, all) = groups.arranged(parent)?;
        let options = launch.options(group.options);
        Ok(limits.occupancy(launch, all.shared_bytes(options, launch.threads)?))
    }
}

impl Launch {
    /// Refuses launches that no device can run.
    pub(crate) fn check(&self, limits: &GpuLimits) -> Result<()> {
        if self.threads == 0 {
            return Err(Error::value(Status::Range, "threads", 0, "a block has one thread at least"));
        }
        if self.registers_per_thread > limits.registers_per_thread {
            let reason = "more than a thread of the device has; compile with -maxrregcount or launch bounds";
            return Err(Error::value(
                Status::Range,
                "registers_per_thread",
                self.registers_per_thread,
                reason,
            ));
        }
        Ok(())
    }

    /// A group's options with the launch's overrides.
    pub(crate) fn options(&self, options: LayoutOptions) -> LayoutOptions {
        LayoutOptions { shared_per: self.shared_per.unwrap_or(options.shared_per), ..options }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Arch;

    #[test]
    fn an_odd_stride_in_words_has_no_conflicts() {
        for words in 1..100u64 {
            let expected = 1 << words.trailing_zeros().min(5);
            assert_eq!(ways(words * 4, 0, 4), expected, "{words} words");
        }
        assert_eq!((ways(8, 0, 8), ways(16, 0, 8), ways(24, 8, 8)), (1, 2, 1));
        assert_eq!((ways(2, 0, 2), ways(64, 0, 2), ways(68, 2, 2)), (1, 16, 1));
    }

    #[test]
    fn registers_are_allocated_by_warps_and_partitions() {
        let limits = Arch::of(80).unwrap().limits();
        let blocks = |registers, threads| {
            limits
                .occupancy(&Launch { registers_per_thread: registers, ..Launch::of(threads) }, 0)
                .blocks_per_sm
        };
        assert_eq!([blocks(32, 256), blocks(33, 256), blocks(64, 256), blocks(128, 512)], [8, 6, 4, 1]);
        assert_eq!([blocks(255, 1024), blocks(256, 32), blocks(0, 1025)], [0, 0, 0]);
        assert_eq!(blocks(16, 32), 32);
    }
}
