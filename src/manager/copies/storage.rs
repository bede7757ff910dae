//! The copies' memory, and how long it lives: as long as the manager, and each copy as long as its last lease.

use std::ptr::{NonNull, null_mut};

use crate::alloc::try_box;
use crate::error::Result;
use crate::error::{Error, Status};
use crate::handle::lease;
use crate::handle::lease::{Ending, Giver, LeaseId};
use crate::manager::copies::copy_memory::{CopyMemory, CountedPages};
use crate::manager::copies::device_copies::Twins;
use crate::manager::copies::front_count::{Fronts, MOST, Released};
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*};
use crate::sync::event::Event;
use crate::sys::pages;
use crate::sys::pages::Pages;

/// One copy: where it lies, and what it shows as a front. Written by the role's holder before it is published.
#[derive(Debug)]
struct Copy {
    data: AtomicPtr<u8>,
    memory: AtomicPtr<CountedPages>,
    epoch: AtomicU64,
    tag: AtomicU64,
}

/// All copies of one state. Owned by itself: it goes when the manager and the last lease have gone.
#[derive(Debug)]
pub(crate) struct Storage {
    fronts: Fronts,
    copies: [Copy; MOST],
    bytes: usize,
    number: u64,
    /// Their twins on a device, if the manager has one.
    twins: Option<Twins>,
    /// Copies that are not freed yet.
    alive: AtomicU32,
}

/// A front that is held: its lease, and what it shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawFront {
    pub(crate) data: *const u8,
    pub(crate) bytes: u64,
    pub(crate) epoch: u64,
    pub(crate) tag: u64,
    pub(crate) lease: LeaseId,
}

static GIVER: Giver = Giver { name: "front", object: "manager", about: "epoch", release: release_part };

/// Gives leases of fronts together with their twins.
static TWIN_GIVER: Giver =
    Giver { name: "device front", object: "manager", about: "epoch", release: release_part };

/// Where waiters for a copy sleep. Not in the storage: when the last lease goes, that may be gone.
static RELEASED: [Event; 16] = [const { Event::new() }; 16];

unsafe fn release_part(owner: *mut (), part: u32) {
    let storage = owner.cast::<Storage>();
    // SAFETY: a lease holds its copy, and copies hold the storage, until this very call.
    match unsafe { (*storage).fronts.release(part as usize) } {
        Released::Done => {}
        Released::Wanted => released_event(storage).signal(),
        // SAFETY: the storage is retired, and this was the copy's last lease.
        Released::Orphan => unsafe { free(storage, part as usize) },
    }
}

fn released_event(storage: *const Storage) -> &'static Event {
    &RELEASED[(storage as usize >> 7) % RELEASED.len()]
}

/// Frees a copy that nobody holds, and the storage with the last.
///
/// # Safety
/// The storage is retired and the copy's leases are gone; called once a copy.
unsafe fn free(storage: *mut Storage, copy: usize) {
    // SAFETY: `alive` counts this copy, so the storage is there.
    unsafe {
        drop((*storage).withdraw(copy));
        if let Some(twins) = &(*storage).twins {
            twins.free(copy);
        }
        if (*storage).alive.fetch_sub(1, AcqRel) == 1 {
            drop(Box::from_raw(storage));
        }
    }
}

impl Storage {
    /// `count` copies of `bytes` bytes, the first two with memory.
    pub(crate) fn new(
        bytes: usize,
        count: usize,
        number: u64,
        twins: Option<Twins>,
    ) -> Result<NonNull<Storage>> {
        let two = (bytes as u64).saturating_mul(2);
        pages::check_available(two, "shape", "bytes for two copies: more memory than is available")?;
        let pages = [Pages::new(bytes, true)?, Pages::new(bytes, true)?];
        let none = || Copy {
            data: AtomicPtr::new(null_mut()),
            memory: AtomicPtr::new(null_mut()),
            epoch: AtomicU64::new(0),
            tag: AtomicU64::new(0),
        };
        let storage = Storage {
            fronts: Fronts::new(),
            copies: std::array::from_fn(|_| none()),
            bytes,
            number,
            twins,
            alive: AtomicU32::new(count as u32),
        };
        let storage = try_box(storage).map_err(|_| Error::of(Status::OutOfMemory))?;
        for (copy, pages) in pages.into_iter().enumerate() {
            if let Err(error) = storage.map(copy, pages) {
                (0..copy).for_each(|mapped| drop(storage.withdraw(mapped)));
                return Err(error);
            }
        }
        Ok(NonNull::from(Box::leak(storage)))
    }

    /// Gives a copy new memory; returns what it had before.
    fn map(&self, copy: usize, pages: Pages) -> Result<Option<CopyMemory>> {
        let memory = CopyMemory::new(pages)?;
        self.copies[copy].data.store(memory.data(), Relaxed);
        let before = self.copies[copy].memory.swap(memory.into_raw(), Relaxed);
        // SAFETY: the reference that an earlier `map` stored, taken out once.
        Ok(unsafe { CopyMemory::from_raw(before) })
    }

    /// Gives an absent copy memory.
    pub(crate) fn provide(&self, copy: usize) -> Result<*mut u8> {
        // Twice: readers that keep ever more fronts must not take the last of the machine's memory.
        let twice = (self.bytes as u64).saturating_mul(2);
        pages::check_available(
            twice,
            "shape",
            "bytes, twice those of one more copy: more memory than is available",
        )?;
        self.map(copy, Pages::new(self.bytes, false)?)?;
        Ok(self.data(copy))
    }

    /// Takes the memory of a copy that no front lease holds, for the caller to free: outside the role, since that may take
    /// long.
    pub(crate) fn withdraw(&self, copy: usize) -> Option<CopyMemory> {
        self.copies[copy].data.store(null_mut(), Relaxed);
        // SAFETY: the reference that `map` stored, taken out once.
        unsafe { CopyMemory::from_raw(self.copies[copy].memory.swap(null_mut(), Relaxed)) }
    }

    /// Gives a copy that no front lease holds new memory, all zeros; returns where that lies, and the old for the caller to
    /// free.
    pub(crate) fn renew(&self, copy: usize) -> Result<(*mut u8, Option<CopyMemory>)> {
        let before = self.map(copy, Pages::new(self.bytes, false)?)?;
        Ok((self.data(copy), before))
    }

    /// A reference to the memory of a copy; none where it has no memory. The role's holder only.
    pub(crate) fn share_memory(&self, copy: usize) -> Option<CopyMemory> {
        // SAFETY: the storage's own reference, which stays its own.
        let memory = unsafe { CopyMemory::from_raw(self.copies[copy].memory.load(Relaxed)) };
        std::mem::ManuallyDrop::new(memory).as_ref().map(CopyMemory::share)
    }

    /// Leases the memory of a copy: it stays mapped, whatever becomes of the copy. The role's holder only.
    pub(crate) fn lease_memory(&self, copy: usize, epoch: u64) -> Result<LeaseId> {
        let memory = self.share_memory(copy).ok_or(Error::of(Status::State))?;
        memory.lease(self.number, epoch)
    }

    /// Moves a copy that no front lease holds to new memory. What leases of the old memory still reach is theirs alone.
    /// The role's holder only.
    pub(crate) fn replace_memory(&self, copy: usize) -> Result<*mut u8> {
        let pages = Pages::new(self.bytes, false)?;
        // SAFETY: both are as long as the state, and apart.
        unsafe { std::ptr::copy_nonoverlapping(self.data(copy), pages.data().as_ptr(), self.bytes) };
        drop(self.map(copy, pages)?);
        Ok(self.data(copy))
    }

    /// The oldest front of this storage that is held.
    pub(crate) fn oldest_lease(&self) -> Option<lease::Seen> {
        let mut oldest: Option<lease::Seen> = None;
        lease::for_each(|seen| {
            let front = seen
                .giver
                .is_some_and(|giver| std::ptr::eq(giver, &GIVER) || std::ptr::eq(giver, &TWIN_GIVER));
            if front && seen.number == self.number && oldest.is_none_or(|other| seen.about < other.about) {
                oldest = Some(seen);
            }
        });
        oldest
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn data(&self, copy: usize) -> *mut u8 {
        self.copies[copy].data.load(Relaxed)
    }

    /// Takes a lease of the front.
    #[inline(always)]
    pub(crate) fn acquire(&self) -> Result<RawFront> {
        self.lease(&GIVER).map(|(front, _)| front)
    }

    /// Takes a lease of the front and its twin, and says which copy they are.
    pub(crate) fn acquire_with_twin(&self) -> Result<(RawFront, usize)> {
        self.lease(&TWIN_GIVER)
    }

    /// Where the front of a lease that is ending lies, if it was leased with its twin.
    pub(crate) fn of_device_front(ending: &Ending) -> Option<(*const Storage, usize)> {
        let with_twin = std::ptr::eq(ending.giver, &TWIN_GIVER);
        with_twin.then(|| (ending.owner.cast_const().cast(), ending.part as usize))
    }

    /// The twins, where there is a device.
    pub(crate) fn twins(&self) -> Option<&Twins> {
        self.twins.as_ref()
    }

    #[inline(always)]
    fn lease(&self, giver: &'static Giver) -> Result<(RawFront, usize)> {
        let Some(blank) = lease::blank() else { return Err(lease::why_none()) };
        let index = self.fronts.acquire();
        let copy = &self.copies[index % MOST];
        let epoch = copy.epoch.load(Relaxed);
        let owner = (&raw const *self).cast_mut().cast();
        let front = RawFront {
            data: copy.data.load(Relaxed),
            bytes: self.bytes as u64,
            epoch,
            tag: copy.tag.load(Relaxed),
            lease: blank.fill(giver, owner, index as u32, self.number, epoch),
        };
        Ok((front, index % MOST))
    }

    /// Makes `copy` the front, as that epoch with that tag. The role's holder only.
    pub(crate) fn publish(&self, copy: usize, epoch: u64, tag: u64) {
        self.copies[copy].epoch.store(epoch, Relaxed);
        self.copies[copy].tag.store(tag, Relaxed);
        self.fronts.publish(copy);
    }

    /// Whether nobody holds that copy. The role's holder only, and not of the front.
    pub(crate) fn is_free(&self, copy: usize) -> bool {
        let free = self.fronts.is_free(copy);
        if free {
            self.fronts.settle(copy);
        }
        free
    }

    /// Asks for word when the last lease of any copy but the front goes; true if one of them is free now.
    pub(crate) fn want_any(&self, copies: usize) -> bool {
        let front = self.fronts.front();
        (0..copies).any(|copy| copy != front && self.fronts.want(copy))
    }

    /// Where to wait for that word.
    pub(crate) fn released(&self) -> &'static Event {
        released_event(self)
    }

    /// Leases held now.
    pub(crate) fn held(&self) -> u64 {
        self.fronts.held()
    }

    /// The manager goes: copies that nobody holds are freed now, the others with their last lease.
    ///
    /// # Safety
    /// Called once; nobody acquires or publishes any more, and the caller does not use the storage again.
    pub(crate) unsafe fn retire(storage: NonNull<Storage>) {
        // SAFETY: the manager's own claim: copies are counted in `alive` until the loop has seen them.
        unsafe {
            let count = storage.as_ref().alive.fetch_add(1, Relaxed);
            for copy in 0..count as usize {
                if storage.as_ref().fronts.retire(copy) {
                    free(storage.as_ptr(), copy);
                }
            }
            if storage.as_ref().alive.fetch_sub(1, AcqRel) == 1 {
                drop(Box::from_raw(storage.as_ptr()));
            }
        }
    }
}
