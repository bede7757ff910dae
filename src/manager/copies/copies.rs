//! Physical copies of one state: their memory, the leases of fronts, and their release.
//!
//! [`StateCopies`] lives until the manager is destroyed and the last lease is released; each copy is freed with its last
//! lease. [`CopyMemory`] counts references to the pages of one copy, so that a lease of a back copy keeps them mapped even if
//! the copy moves to other pages.

use std::mem::ManuallyDrop;
use std::ptr::{NonNull, null_mut};

use crate::alloc::{Arc, boxed};
use crate::error::{Error, Result, Status};
use crate::handle::lease::{self, Ending, LeaseId, Lessor, UsedLease};
use crate::manager::copies::change_history::ChangeHistory;
use crate::manager::copies::device_copies::DeviceCopies;
use crate::manager::copies::front_count::{FrontCount, MAX_COPIES, Released};
use crate::manager::copies::read_cells::{ReadCells, ReadEpoch};
use crate::manager::field::FieldTable;
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*};
use crate::sync::event::Event;
use crate::sys::pages::{Pages, check_available};

/// Reference-counted pages.
#[derive(Debug)]
pub(crate) struct CountedPages {
    pages: Pages,
    references: AtomicU32,
}

/// One reference to the pages of a copy. [`StateCopies`] holds one, and each lease of [`CopyMemory::lease`] another.
#[derive(Debug)]
pub(crate) struct CopyMemory(NonNull<CountedPages>);

static BACK_GIVER: Lessor =
    Lessor { name: "back copy", object: "manager", about: "epoch", release: release_back_lease };

unsafe fn release_back_lease(owner: *mut (), _: u32) {
    // SAFETY: the lease holds a reference until this call.
    drop(unsafe { CopyMemory::from_raw(owner.cast()) });
}

// SAFETY: any thread may free the pages; the role and the leases order accesses to the bytes.
unsafe impl Send for CopyMemory {}

impl CopyMemory {
    /// Owns the pages, with one reference.
    fn new(pages: Pages) -> Result<CopyMemory> {
        let memory = boxed(CountedPages { pages, references: AtomicU32::new(1) })?;
        Ok(CopyMemory(NonNull::from(Box::leak(memory))))
    }

    pub(crate) fn data(&self) -> *mut u8 {
        // SAFETY: this reference keeps the pages.
        unsafe { self.0.as_ref() }.pages.data().as_ptr()
    }

    fn into_raw(self) -> *mut CountedPages {
        ManuallyDrop::new(self).0.as_ptr()
    }

    /// None for null.
    ///
    /// # Safety
    /// The result of `into_raw`, used once; or null.
    unsafe fn from_raw(raw: *mut CountedPages) -> Option<CopyMemory> {
        NonNull::new(raw).map(CopyMemory)
    }

    fn share(&self) -> CopyMemory {
        // SAFETY: this reference keeps the pages. Relaxed: it also keeps the count above 0.
        unsafe { self.0.as_ref() }.references.fetch_add(1, Relaxed);
        CopyMemory(self.0)
    }

    /// A lease that keeps the pages mapped. Their bytes may change.
    fn lease(&self, number: u64, epoch: u64) -> Result<LeaseId> {
        let Some(blank) = lease::free_slot() else { return Err(lease::out_of_slots()) };
        Ok(blank.fill(&BACK_GIVER, self.share().into_raw().cast(), 0, number, epoch))
    }
}

impl Drop for CopyMemory {
    fn drop(&mut self) {
        // SAFETY: this reference keeps the pages. AcqRel: every earlier use happens before they are freed.
        unsafe {
            if self.0.as_ref().references.fetch_sub(1, AcqRel) == 1 {
                drop(Box::from_raw(self.0.as_ptr()));
            }
        }
    }
}

/// One copy: its address, its pages, and the epoch and tag that it shows as a front. The role holder writes all of them.
#[derive(Debug)]
struct StateCopy {
    data: AtomicPtr<u8>,
    memory: AtomicPtr<CountedPages>,
    epoch: AtomicU64,
    tag: AtomicU64,
}

/// All copies of one state. It owns itself, and is freed with the manager and the last lease.
#[derive(Debug)]
pub(crate) struct StateCopies {
    fronts: FrontCount,
    copies: [StateCopy; MAX_COPIES],
    bytes: usize,
    fields: Arc<FieldTable>,
    number: u64,
    cells: ReadCells,
    changes: ChangeHistory,
    /// The copies on the manager's device, if it has one.
    on_device: Option<DeviceCopies>,
    /// Copies that are not freed yet.
    unfreed: AtomicU32,
}

/// A leased front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawFront {
    pub(crate) data: *const u8,
    pub(crate) bytes: u64,
    pub(crate) epoch: u64,
    pub(crate) tag: u64,
    pub(crate) lease: LeaseId,
    /// Stay until the lease is released.
    pub(crate) copies: *const StateCopies,
}

impl RawFront {
    /// The fields of the state.
    ///
    /// # Safety
    /// The lease is not released while they are used.
    pub(crate) unsafe fn fields<'a>(&self) -> &'a FieldTable {
        // SAFETY: the caller's promise: the lease keeps its copies.
        &unsafe { &*self.copies }.fields
    }
}

static FRONT_GIVER: Lessor =
    Lessor { name: "front", object: "manager", about: "epoch", release: release_front_lease };

/// Gives leases of fronts together with their device copies.
static DEVICE_FRONT_GIVER: Lessor =
    Lessor { name: "device front", object: "manager", about: "epoch", release: release_front_lease };

fn is_front(lessor: &'static Lessor) -> bool {
    std::ptr::eq(lessor, &FRONT_GIVER) || std::ptr::eq(lessor, &DEVICE_FRONT_GIVER)
}

/// Where threads that wait for a free copy sleep. Static, since the last release may free the [`StateCopies`].
static RELEASED: [Event; 16] = [const { Event::new() }; 16];

unsafe fn release_front_lease(owner: *mut (), part: u32) {
    let copies = owner.cast::<StateCopies>();
    // SAFETY: a lease keeps its copy, and copies keep `StateCopies`, until this call.
    match unsafe { (*copies).fronts.release(part as usize) } {
        Released::Done => {}
        Released::WakeWaiters => released_event(copies).signal(),
        // SAFETY: the copies are retired, and this was the last lease of the copy.
        Released::FreeCopy => unsafe { free(copies, part as usize) },
    }
}

fn released_event(copies: *const StateCopies) -> &'static Event {
    &RELEASED[(copies as usize >> 7) % RELEASED.len()]
}

/// Frees a retired copy without leases, and `StateCopies` with the last one.
///
/// # Safety
/// Called once per copy, after `retire`.
unsafe fn free(copies: *mut StateCopies, copy: usize) {
    // SAFETY: `unfreed` counts this copy, so `StateCopies` is not freed yet.
    unsafe {
        drop((*copies).withdraw(copy));
        if let Some(on_device) = &(*copies).on_device {
            on_device.free(copy);
        }
        if (*copies).unfreed.fetch_sub(1, AcqRel) == 1 {
            drop(Box::from_raw(copies));
        }
    }
}

impl StateCopies {
    /// `count` copies of a state of these fields, and the changes of its last `history` epochs. The first two copies have memory.
    pub(crate) fn new(
        fields: Arc<FieldTable>,
        count: usize,
        number: u64,
        cells: ReadCells,
        history: usize,
        on_device: Option<DeviceCopies>,
    ) -> Result<NonNull<StateCopies>> {
        let bytes = fields.bytes as usize;
        let two = (bytes as u64).saturating_mul(2);
        check_available(two, "shape", "bytes for two copies: more memory than is available")?;
        let pages = [Pages::new(bytes, true)?, Pages::new(bytes, true)?];
        let absent = || StateCopy {
            data: AtomicPtr::new(null_mut()),
            memory: AtomicPtr::new(null_mut()),
            epoch: AtomicU64::new(0),
            tag: AtomicU64::new(0),
        };
        let copies = StateCopies {
            fronts: FrontCount::new(),
            copies: std::array::from_fn(|_| absent()),
            bytes,
            fields,
            number,
            cells,
            changes: ChangeHistory::new(history, bytes)?,
            on_device,
            unfreed: AtomicU32::new(count as u32),
        };
        let copies = boxed(copies)?;
        for (copy, pages) in pages.into_iter().enumerate() {
            if let Err(error) = copies.map(copy, pages) {
                (0..copy).for_each(|mapped| drop(copies.withdraw(mapped)));
                return Err(error);
            }
        }
        Ok(NonNull::from(Box::leak(copies)))
    }

    /// Gives a copy other pages; returns the previous ones.
    fn map(&self, copy: usize, pages: Pages) -> Result<Option<CopyMemory>> {
        let memory = CopyMemory::new(pages)?;
        self.copies[copy].data.store(memory.data(), Relaxed);
        let before = self.copies[copy].memory.swap(memory.into_raw(), Relaxed);
        // SAFETY: the reference that an earlier `map` stored, taken once.
        Ok(unsafe { CopyMemory::from_raw(before) })
    }

    /// Gives an absent copy memory.
    pub(crate) fn provide(&self, copy: usize) -> Result<*mut u8> {
        // Twice: readers that keep more and more fronts must not use up the machine's memory.
        let twice = (self.bytes as u64).saturating_mul(2);
        check_available(
            twice,
            "shape",
            "bytes, twice those of one more copy: more memory than is available",
        )?;
        self.map(copy, Pages::new(self.bytes, false)?)?;
        Ok(self.data(copy))
    }

    /// Takes the memory of a copy without front leases. The caller frees it after it has released the role, since freeing
    /// may take long.
    pub(crate) fn withdraw(&self, copy: usize) -> Option<CopyMemory> {
        self.copies[copy].data.store(null_mut(), Relaxed);
        // SAFETY: the reference that `map` stored, taken once.
        unsafe { CopyMemory::from_raw(self.copies[copy].memory.swap(null_mut(), Relaxed)) }
    }

    /// Gives a copy without front leases new memory, all zeros. Returns its address, and the old memory for the caller to
    /// free.
    pub(crate) fn renew(&self, copy: usize) -> Result<(*mut u8, Option<CopyMemory>)> {
        let before = self.map(copy, Pages::new(self.bytes, false)?)?;
        Ok((self.data(copy), before))
    }

    /// A reference to the memory of a copy; None if it has none. Requires the applier role.
    pub(crate) fn share_memory(&self, copy: usize) -> Option<CopyMemory> {
        // SAFETY: the stored reference, which `ManuallyDrop` leaves in place.
        let memory = unsafe { CopyMemory::from_raw(self.copies[copy].memory.load(Relaxed)) };
        ManuallyDrop::new(memory).as_ref().map(CopyMemory::share)
    }

    /// Leases the memory of a copy: it stays mapped even if the copy gets other memory. Requires the applier role.
    pub(crate) fn lease_memory(&self, copy: usize, epoch: u64) -> Result<LeaseId> {
        let memory = self.share_memory(copy).ok_or(Error::of(Status::State))?;
        memory.lease(self.number, epoch)
    }

    /// Moves a copy without front leases to new memory with the same bytes. Leases of the old memory keep it for themselves.
    /// Requires the applier role.
    pub(crate) fn replace_memory(&self, copy: usize) -> Result<*mut u8> {
        let pages = Pages::new(self.bytes, false)?;
        // SAFETY: both are as long as the state and do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(self.data(copy), pages.data().as_ptr(), self.bytes) };
        drop(self.map(copy, pages)?);
        Ok(self.data(copy))
    }

    /// The oldest live lease of a front of this state.
    pub(crate) fn oldest_lease(&self) -> Option<lease::LiveLease> {
        let mut oldest: Option<lease::LiveLease> = None;
        lease::for_each(|seen| {
            let front = seen.lessor.is_some_and(is_front);
            if front && seen.number == self.number && oldest.is_none_or(|other| seen.about < other.about) {
                oldest = Some(seen);
            }
        });
        oldest
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn fields(&self) -> &FieldTable {
        &self.fields
    }

    pub(crate) fn data(&self, copy: usize) -> *mut u8 {
        self.copies[copy].data.load(Relaxed)
    }

    /// Takes a lease of the front.
    #[inline(always)]
    pub(crate) fn acquire(&self) -> Result<RawFront> {
        self.lease(&FRONT_GIVER).map(|(front, _)| front)
    }

    /// Takes a lease of the front and its device copy; returns the index of the copy as well.
    pub(crate) fn acquire_with_device_copy(&self) -> Result<(RawFront, usize)> {
        self.lease(&DEVICE_FRONT_GIVER)
    }

    /// The copy of a lease that is being released, if it was leased with its device copy.
    pub(crate) fn of_device_front(ending: &Ending) -> Option<(*const StateCopies, usize)> {
        let with_device_copy = std::ptr::eq(ending.lessor, &DEVICE_FRONT_GIVER);
        with_device_copy.then(|| (ending.owner.cast_const().cast(), ending.part as usize))
    }

    /// Whether a front was leased with its device copy.
    pub(crate) fn is_with_device_copy(lease: &UsedLease) -> bool {
        std::ptr::eq(lease.lessor, &DEVICE_FRONT_GIVER)
    }

    /// The copies of a leased front, and the index of its own.
    pub(crate) fn of_front(lease: &UsedLease) -> Option<(&StateCopies, usize)> {
        // SAFETY: a front's lease keeps its copies, and is not released before the borrow ends.
        is_front(lease.lessor)
            .then(|| (unsafe { &*lease.owner.cast_const().cast() }, lease.part as usize % MAX_COPIES))
    }

    /// The changes of the last epochs. They are kept as long as the leases, so that a front may be asked after its manager's end.
    pub(crate) fn changes(&self) -> &ChangeHistory {
        &self.changes
    }

    pub(crate) fn on_device(&self) -> Option<&DeviceCopies> {
        self.on_device.as_ref()
    }

    #[inline(always)]
    fn lease(&self, giver: &'static Lessor) -> Result<(RawFront, usize)> {
        let Some(blank) = lease::free_slot() else { return Err(lease::out_of_slots()) };
        let index = self.fronts.acquire();
        let copy = &self.copies[index % MAX_COPIES];
        let epoch = copy.epoch.load(Relaxed);
        let owner = (&raw const *self).cast_mut().cast();
        let front = RawFront {
            data: copy.data.load(Relaxed),
            bytes: self.bytes as u64,
            epoch,
            tag: copy.tag.load(Relaxed),
            lease: blank.fill(giver, owner, index as u32, self.number, epoch),
            copies: self,
        };
        Ok((front, index % MAX_COPIES))
    }

    /// Copies `length` bytes at `offset` of the newest epoch to `to`, and returns which that is.
    ///
    /// # Safety
    /// `offset + length` lies within the state; `to` is writable for `length`, and no part of the state.
    #[inline(always)]
    pub(crate) unsafe fn read(&self, offset: usize, length: usize, to: *mut u8) -> ReadEpoch {
        // SAFETY: the caller's promise.
        unsafe {
            match self.cells.load(&self.fronts, offset, length, to) {
                Some(read) => read,
                None => self.read_otherwise(offset, length, to),
            }
        }
    }

    /// As [`StateCopies::read`], after the first attempt has failed: by further ones, or under a lease, which needs no slot since it
    /// ends here. The next reads find the bytes in a cell.
    #[cold]
    #[inline(never)]
    unsafe fn read_otherwise(&self, offset: usize, length: usize, to: *mut u8) -> ReadEpoch {
        // SAFETY: the caller's promise.
        if let Some(read) = unsafe { self.cells.load_again(&self.fronts, offset, length, to) } {
            return read;
        }
        let index = self.fronts.acquire();
        let copy = &self.copies[index % MAX_COPIES];
        let data = copy.data.load(Relaxed).cast_const();
        let read = ReadEpoch { epoch: copy.epoch.load(Relaxed), tag: copy.tag.load(Relaxed) };
        // SAFETY: the caller's promise; the lease keeps the copy, unchanged, until it is released here, once.
        unsafe {
            data.add(offset).copy_to_nonoverlapping(to, length);
            self.cells.store(index % MAX_COPIES, read, data);
            release_front_lease((&raw const *self).cast_mut().cast(), index as u32);
        }
        read
    }

    /// Makes `copy` the front of that epoch, with that tag. Requires the applier role.
    pub(crate) fn publish(&self, copy: usize, epoch: u64, tag: u64) {
        self.cells.clear(copy);
        self.copies[copy].epoch.store(epoch, Relaxed);
        self.copies[copy].tag.store(tag, Relaxed);
        self.fronts.publish(copy);
    }

    /// Whether a copy that is not the front has no lease. Requires the applier role.
    pub(crate) fn is_free(&self, copy: usize) -> bool {
        let free = self.fronts.is_free(copy);
        if free {
            self.fronts.clear_request(copy);
        }
        free
    }

    /// Requests a signal of [`StateCopies::released`] when any copy but the front loses its last lease; true if one is free
    /// now.
    pub(crate) fn request_free_copy(&self, copies: usize) -> bool {
        let front = self.fronts.front();
        (0..copies).any(|copy| copy != front && self.fronts.request_wake(copy))
    }

    /// Signalled after the last release of a copy for which a signal was requested.
    pub(crate) fn released(&self) -> &'static Event {
        released_event(self)
    }

    /// Live leases.
    pub(crate) fn leases(&self) -> u64 {
        self.fronts.leases()
    }

    /// Ends the manager's ownership: copies without leases are freed now, the others with their last lease.
    ///
    /// # Safety
    /// Called once, after the last acquire and publish; the caller does not use the copies again.
    pub(crate) unsafe fn retire(copies: NonNull<StateCopies>) {
        // SAFETY: the count added here keeps `StateCopies` until the loop is done.
        unsafe {
            let count = copies.as_ref().unfreed.fetch_add(1, Relaxed);
            for copy in 0..count as usize {
                if copies.as_ref().fronts.retire(copy) {
                    free(copies.as_ptr(), copy);
                }
            }
            if copies.as_ref().unfreed.fetch_sub(1, AcqRel) == 1 {
                drop(Box::from_raw(copies.as_ptr()));
            }
        }
    }
}
