//! Whether a launch fits its device, and what to do if it does not.

use std::fmt;

use super::group::Group;
use super::layout::{Origin, Space};
use super::limits::{Arch, Limits};
use super::occupancy::{Bound, Launch, Occupancy};
use super::options::SharedPer;
use super::registry::Registry;
use crate::alloc::{try_string, try_vec};
use crate::error::{Error, Result, Status};

/// What a launch that fits takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fit {
    /// Dynamic shared memory of a block, in bytes: what the launch asks for.
    pub shared_bytes: u64,
    /// From one thread's region to the next one's; of a block's region, its bytes.
    pub shared_stride_bytes: u64,
    /// Whether the kernel must opt in to so much (`cudaFuncAttributeMaxDynamicSharedMemorySize`).
    pub needs_opt_in: bool,
    /// How many blocks share a multiprocessor.
    pub occupancy: Occupancy,
}

/// A launch that does not fit: what it needs, and what would make it fit. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// What there is too little of.
    pub what: &'static str,
    /// What the block needs of it.
    pub needs: u64,
    /// What the device has.
    pub limit: u64,
    /// The largest buffers with memory of their own in the shared region, and their bytes: at most 4, the largest first.
    pub largest: Vec<(String, u64)>,
    /// The most threads with which it would fit; 0 if there is no such number.
    pub threads: u32,
    /// By how many bytes the region is too long, to be counted once a thread or once a block.
    pub excess_bytes: u64,
    /// What the region belongs to.
    pub shared_per: SharedPer,
    /// The smallest architecture of the table on which it would fit.
    pub arch: Option<Arch>,
}

/// Why [`Registry::check`] refuses.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The question cannot be answered.
    Call(Error),
    /// The launch does not fit.
    Unfit(Unfit),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Call(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Call(error) => error.fmt(f),
            Refusal::Unfit(unfit) => unfit.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}

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
fn largest(group: &Group, all: &super::arrange::Arrangement) -> Result<Vec<(String, u64)>> {
    let mut indices = try_vec(group.entries.len())?;
    let bytes = |index: usize| {
        let place = all.allocator(index);
        place.length * place.element_bytes()
    };
    indices.extend((0..group.entries.len()).filter(|&index| {
        let place = &all.places[index];
        place.space == Space::Shared && place.origin != Origin::Aliased && place.length > 0
    }));
    indices.sort_unstable_by_key(|&index| (std::cmp::Reverse(bytes(index)), index));
    indices.truncate(4);
    let mut list = try_vec(indices.len())?;
    for index in indices {
        list.push((try_string(&group.entries[index].name)?, bytes(index)));
    }
    Ok(list)
}

impl Registry {
    /// Whether a launch fits a device: what it takes, or what would make it fit.
    ///
    /// ```
    /// use backbuf::registry::{Arch, Buffer, Launch, Options, Refusal, Registry, SharedPer};
    /// let options = Options { shared_per: SharedPer::Thread, ..Options::default() };
    /// let registry = Registry::with_options("", options);
    /// registry.register(1, &Buffer::shared("jacobian", 100))?;
    /// registry.register(1, &Buffer::shared("k1", 10))?;
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
    pub fn check(&self, parent: u64, limits: &Limits, launch: &Launch) -> std::result::Result<Fit, Refusal> {
        launch.vet(limits)?;
        let state = self.lock();
        let (group, all) = state.known(parent)?;
        let options = launch.options(group.options);
        let stride = all.shared.stride_bytes(options)?;
        let shared_bytes = all.shared_bytes(options, launch.threads)?;
        let occupancy = limits.occupancy(launch, shared_bytes);
        let needs = shared_bytes.checked_add(launch.static_shared_bytes).ok_or_else(|| {
            let why = "the block's bytes do not fit into 64 bits";
            Error::value(Status::Range, "static_shared_bytes", launch.static_shared_bytes, why)
        })?;
        let room = |limits: &Limits| limits.shared_block_bytes.checked_sub(launch.static_shared_bytes);
        // By how much the region is longer than what there is room for.
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
            // Where the kernel's own bytes are too many, no layout helps.
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
                    // A warp is whole.
                    let limit = u64::from(limits.threads_per_sm);
                    ("threads of a multiprocessor", threads.next_multiple_of(32), limit)
                }
                Bound::Blocks => ("blocks of a multiprocessor", 1, u64::from(limits.blocks_per_sm)),
            };
            unfit = Unfit { what, needs, limit, ..unfit };
            if let (Bound::Shared, Some(room)) = (occupancy.bound, limits.shared_room(launch)) {
                unfit.excess_bytes = excess(room)?;
            }
            // Fewer threads never take more: those that fit are the first ones.
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
        Err(Refusal::Unfit(unfit))
    }

    /// Whether the shared memory of a block of so many threads fits a device.
    ///
    /// ```
    /// use backbuf::registry::{Arch, Buffer, Registry};
    /// let registry = Registry::new();
    /// registry.register(1, &Buffer::shared("tile", 16 << 10))?;
    /// assert!(registry.fits(1, &Arch::of(80)?.limits(), 256)?);
    /// assert!(!registry.fits(1, &Limits { shared_block_bytes: 48 << 10, ..Arch::of(80)?.limits() }, 256)?);
    /// # use backbuf::registry::Limits;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn fits(&self, parent: u64, limits: &Limits, threads: u32) -> Result<bool> {
        Ok(threads <= limits.threads_per_block
            && self.shared_bytes(parent, threads)? <= limits.shared_block_bytes)
    }

    /// Whether a kernel must opt in to the shared memory of a block of so many threads: beyond 48 KiB, on every device.
    ///
    /// ```
    /// use backbuf::registry::{Buffer, Registry};
    /// let registry = Registry::new();
    /// registry.register(1, &Buffer::shared("tile", 16 << 10))?;
    /// assert!(registry.needs_opt_in(1, 256)?);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn needs_opt_in(&self, parent: u64, threads: u32) -> Result<bool> {
        Ok(self.shared_bytes(parent, threads)? > 48 << 10)
    }
}
