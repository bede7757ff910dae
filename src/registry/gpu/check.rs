//! Launch checks against the limits of a GPU, and the changes that would make a launch fit.

use std::fmt;

use crate::alloc::{try_string, try_vec};
use crate::error::{Error, Result, Status};
use crate::registry::gpu::limits::{Arch, GpuLimits};
use crate::registry::gpu::occupancy::{Bound, Launch, Occupancy};
use crate::registry::group::Group;
use crate::registry::layout::Origin;
use crate::registry::layout::arrange::Arrangement;
use crate::registry::options::{SharedPer, Space};
use crate::registry::registry::BufferRegistry;

/// The resources of a launch that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fit {
    /// The dynamic shared memory of a block in bytes: the argument of the launch.
    pub shared_bytes: u64,
    /// The distance in bytes between the regions of two threads; with one region per block, its bytes.
    pub shared_stride_bytes: u64,
    /// Whether the kernel must opt in to that much (`cudaFuncAttributeMaxDynamicSharedMemorySize`).
    pub needs_opt_in: bool,
    /// The blocks and warps on a multiprocessor at once.
    pub occupancy: Occupancy,
}

/// A launch that does not fit: the resource that it exceeds, and what would make it fit. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The resource that is exceeded.
    pub what: &'static str,
    /// The amount that the block needs.
    pub needs: u64,
    /// The amount that the device has.
    pub limit: u64,
    /// The largest buffers with memory of their own in the shared region, and their bytes: at most 4, the largest first.
    pub largest: Vec<(String, u64)>,
    /// The largest number of threads with which it would fit; 0 if there is none.
    pub threads: u32,
    /// The bytes by which a region is too long, per thread or per block.
    pub excess_bytes: u64,
    /// What owns the region.
    pub shared_per: SharedPer,
    /// The smallest architecture of the table on which it would fit.
    pub arch: Option<Arch>,
}

/// Why [`BufferRegistry::check`] fails.
#[derive(Clone, Debug, PartialEq)]
pub enum CheckError {
    /// The arguments are refused.
    Call(Error),
    /// The launch does not fit.
    Unfit(Unfit),
}

impl From<Error> for CheckError {
    fn from(error: Error) -> CheckError {
        CheckError::Call(error)
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckError::Call(error) => error.fmt(f),
            CheckError::Unfit(unfit) => unfit.fmt(f),
        }
    }
}

impl std::error::Error for CheckError {}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the block needs {} {}, beyond {}", self.needs, self.what, self.limit)?;
        if !self.largest.is_empty() {
            f.write_str("; the largest buffers are ")?;
            for (at, (name, bytes)) in self.largest.iter().enumerate() {
                write!(f, "{}{name} ({bytes})", if at == 0 { "" } else { ", " })?;
            }
        }
        if self.threads == 0 && self.excess_bytes == 0 && self.arch.is_none() {
            return f.write_str("; neither fewer threads nor a smaller layout would make it fit");
        }
        f.write_str("; it would fit")?;
        let mut or = "";
        if self.threads > 0 {
            write!(f, " with at most {} threads", self.threads)?;
            or = ", or";
        }
        if self.excess_bytes > 0 {
            write!(f, "{or} with {} bytes less a {}", self.excess_bytes, self.shared_per.name())?;
            or = ", or";
        }
        if let Some(arch) = self.arch {
            write!(f, "{or} on {arch}")?;
        }
        Ok(())
    }
}

/// The largest buffers that have memory of their own in the shared region.
fn largest(group: &Group, all: &Arrangement) -> Result<Vec<(String, u64)>> {
    let mut indices = try_vec(group.entries.len())?;
    let bytes = |index: usize| {
        let placement = all.allocator(index);
        placement.length * placement.element_bytes()
    };
    indices.extend((0..group.entries.len()).filter(|&index| {
        let placement = &all.placements[index];
        placement.space == Space::Shared && placement.origin != Origin::Aliased && placement.length > 0
    }));
    indices.sort_unstable_by_key(|&index| (std::cmp::Reverse(bytes(index)), index));
    indices.truncate(4);
    let mut list = try_vec(indices.len())?;
    for index in indices {
        list.push((try_string(&group.entries[index].name)?, bytes(index)));
    }
    Ok(list)
}

impl BufferRegistry {
    /// Checks whether a launch fits a device: returns its resources, or what would make it fit.
    ///
    /// ```
    /// use backbuf::registry::{Arch, CUDABuffer, Launch, LayoutOptions, CheckError, BufferRegistry, SharedPer};
    /// let options = LayoutOptions { shared_per: SharedPer::Thread, ..LayoutOptions::default() };
    /// let registry = BufferRegistry::with_options("", options);
    /// registry.register(1, &CUDABuffer::shared("jacobian", 100))?;
    /// registry.register(1, &CUDABuffer::shared("k1", 10))?;
    /// let limits = Arch::of(86)?.limits();
    /// let fit = registry.check(1, &limits, &Launch::of(128)).unwrap();
    /// assert_eq!((fit.shared_bytes, fit.needs_opt_in), (56320, true));
    /// let refusal = registry.check(1, &limits, &Launch::of(256)).unwrap_err();
    /// assert_eq!(
    ///     refusal.to_string(),
    ///     "the block needs 112640 bytes of shared memory, beyond 101376; the largest buffers are jacobian (400), k1 (40); \
    ///      it would fit with at most 230 threads, or with 44 bytes less a thread, or on sm_80"
    /// );
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn check(
        &self,
        parent: u64,
        limits: &GpuLimits,
        launch: &Launch,
    ) -> std::result::Result<Fit, CheckError> {
        launch.check(limits)?;
        let groups = self.lock();
        let (group, all) = groups.arranged(parent)?;
        let options = launch.options(group.options);
        let stride = all.shared.stride_bytes(options)?;
        let shared_bytes = all.shared_bytes(options, launch.threads)?;
        let occupancy = limits.occupancy(launch, shared_bytes);
        let needs = shared_bytes.checked_add(launch.static_shared_bytes).ok_or_else(|| {
            let reason = "the block's bytes do not fit into 64 bits";
            Error::value(Status::Range, "static_shared_bytes", launch.static_shared_bytes, reason)
        })?;
        let room = |limits: &GpuLimits| limits.shared_block_bytes.checked_sub(launch.static_shared_bytes);
        // The bytes by which the region exceeds the room.
        let excess = |room: u64| {
            Ok::<_, Error>(match options.shared_per {
                SharedPer::Block => all.shared.bytes()?.saturating_sub(room),
                SharedPer::Thread => stride - (room / u64::from(launch.threads)).min(stride),
            })
        };
        let mut unfit = Unfit {
            what: "bytes of shared memory",
            needs,
            limit: limits.shared_block_bytes,
            largest: Vec::new(),
            threads: 0,
            excess_bytes: 0,
            shared_per: options.shared_per,
            arch: None,
        };
        if needs > limits.shared_block_bytes {
            unfit.largest = largest(group, all)?;
            unfit.arch =
                Arch::all().find(|arch| room(&arch.limits()).is_some_and(|room| shared_bytes <= room));
            // If the kernel's static bytes are too many, no layout helps.
            if let Some(room) = room(limits) {
                unfit.excess_bytes = excess(room)?;
                if options.shared_per == SharedPer::Thread {
                    let threads = room.checked_div(stride).unwrap_or(0);
                    unfit.threads = u32::try_from(threads).unwrap_or(u32::MAX);
                }
            }
        } else if launch.threads > limits.threads_per_block {
            let (needs, limit) = (u64::from(launch.threads), u64::from(limits.threads_per_block));
            unfit = Unfit { what: "threads", needs, limit, threads: limits.threads_per_block, ..unfit };
        } else if occupancy.blocks_per_sm == 0 {
            let threads = u64::from(launch.threads);
            let (what, needs, limit) = match occupancy.bound {
                Bound::Shared => {
                    let taken = limits.shared_taken(launch, shared_bytes).unwrap_or(u64::MAX);
                    ("bytes of a multiprocessor's shared memory", taken, limits.shared_sm_bytes)
                }
                Bound::Registers => {
                    let registers = u64::from(launch.registers_per_thread) * threads;
                    ("registers", registers, u64::from(limits.registers_per_sm))
                }
                Bound::Threads => {
                    // Warps are allocated whole.
                    let limit = u64::from(limits.threads_per_sm);
                    ("threads of a multiprocessor", threads.next_multiple_of(32), limit)
                }
                Bound::Blocks => ("blocks of a multiprocessor", 1, u64::from(limits.blocks_per_sm)),
            };
            unfit = Unfit { what, needs, limit, ..unfit };
            if let (Bound::Shared, Some(room)) = (occupancy.bound, limits.largest_dynamic_shared(launch)) {
                unfit.excess_bytes = excess(room)?;
            }
            // Fewer threads never take more: bisect.
            let (mut fit, mut too_many) = (0, launch.threads);
            while too_many - fit > 1 {
                let threads = fit + (too_many - fit) / 2;
                let bytes = all.shared_bytes(options, threads)?;
                match limits.occupancy(&Launch { threads, ..*launch }, bytes).blocks_per_sm {
                    0 => too_many = threads,
                    _ => fit = threads,
                }
            }
            unfit.threads = fit;
        } else {
            let needs_opt_in = needs > limits.shared_static_bytes;
            return Ok(Fit { shared_bytes, shared_stride_bytes: stride, needs_opt_in, occupancy });
        }
        Err(CheckError::Unfit(unfit))
    }

    /// Whether the shared memory of a block of `threads` threads fits a device.
    ///
    /// ```
    /// use backbuf::registry::{Arch, CUDABuffer, GpuLimits, BufferRegistry};
    /// let registry = BufferRegistry::new();
    /// registry.register(1, &CUDABuffer::shared("tile", 16 << 10))?;
    /// assert!(registry.fits(1, &Arch::of(80)?.limits(), 256)?);
    /// assert!(!registry.fits(1, &GpuLimits { shared_block_bytes: 48 << 10, ..Arch::of(80)?.limits() }, 256)?);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn fits(&self, parent: u64, limits: &GpuLimits, threads: u32) -> Result<bool> {
        Ok(threads <= limits.threads_per_block
            && self.shared_bytes(parent, threads)? <= limits.shared_block_bytes)
    }

    /// Whether a kernel must opt in to the shared memory of a block of `threads` threads: beyond 48 KiB on every device.
    ///
    /// ```
    /// use backbuf::registry::{CUDABuffer, BufferRegistry};
    /// let registry = BufferRegistry::new();
    /// registry.register(1, &CUDABuffer::shared("tile", 16 << 10))?;
    /// assert!(registry.needs_opt_in(1, 256)?);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn needs_opt_in(&self, parent: u64, threads: u32) -> Result<bool> {
        Ok(self.shared_bytes(parent, threads)? > 48 << 10)
    }
}
