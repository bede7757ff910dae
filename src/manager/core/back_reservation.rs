//! Reservations of the back copy, for `manager/back.rs`: the current token, what its owner has written, the undo data for a cancel, and
//! reservations that outlive their manager.

use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};
use crate::handle::live_list::{Linked, LiveList};
use crate::manager::copies::copies::CopyMemory;
use crate::manager::copies::copy_forward::CopyForward;
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*};
use crate::sys::thread::thread_id;

/// The last token of this process: no two managers ever have reservations with the same one.
static LAST_TOKEN: AtomicU64 = AtomicU64::new(0);

/// The current reservation of a manager's back copy. Its token stands for the applier role.
#[derive(Debug, Default)]
pub(crate) struct BackReservation {
    /// 0 without a reservation, and while a call works on it.
    token: AtomicU64,
    /// The reserved copy, and the front that it follows.
    copies: [AtomicPtr<u8>; 2],
    /// The thread that reserved.
    thread: AtomicU32,
}

impl BackReservation {
    /// Begins a reservation of the calling thread, which holds the role, and returns its token.
    pub(crate) fn begin(&self, back: *mut u8, front: *const u8) -> u64 {
        let token = LAST_TOKEN.fetch_add(1, Relaxed) + 1;
        self.thread.store(thread_id(), Relaxed);
        self.set_copies(back, front);
        self.token.store(token, Release);
        token
    }

    /// Sets the copies of a reservation that is taken, or about to begin.
    pub(crate) fn set_copies(&self, back: *mut u8, front: *const u8) {
        // Release: see `check`.
        self.copies[0].store(back, Release);
        self.copies[1].store(front.cast_mut(), Release);
    }

    /// The current token, or 0.
    pub(crate) fn token(&self) -> u64 {
        self.token.load(Acquire)
    }

    /// Whether the calling thread has reserved the back copy.
    pub(crate) fn is_mine(&self) -> bool {
        self.token() != 0 && self.thread.load(Relaxed) == thread_id()
    }

    /// Takes the reservation with that token, and with it the role, for the calling thread.
    pub(crate) fn take(&self, token: u64) -> Result<()> {
        if token == 0 || self.token.compare_exchange(token, 0, AcqRel, Relaxed).is_err() {
            return Err(not_reserved());
        }
        Ok(())
    }

    /// Fails unless that is the token of the current reservation, of these copies. Never waits.
    pub(crate) fn check(&self, token: u64, back: *const u8, front: *const u8) -> Result<()> {
        // Acquire: a thread that sees the copies of another reservation or of a replaced one also sees that the token was taken.
        // Tokens are never used twice, so that the copies belong to the token if it is read before and after them.
        let is_current = || token != 0 && self.token() == token;
        let before = is_current();
        let [own_back, own_front] = self.copies.each_ref().map(|copy| copy.load(Acquire).cast_const());
        if !before || !is_current() {
            return Err(not_reserved());
        }
        let reason = "is not that of the reservation; pass back as it was written";
        let changed = |param| Err(Error::param(Status::Argument, param, reason));
        match () {
            () if back != own_back => changed("back.data"),
            () if front != own_front => changed("back.front"),
            () => Ok(()),
        }
    }

    /// Puts back a reservation that was taken.
    pub(crate) fn put_back(&self, token: u64) {
        self.token.store(token, Release);
    }
}

#[cold]
fn not_reserved() -> Error {
    let reason = "back is not reserved: it was committed or cancelled before, or never reserved";
    Error::text(Status::State, reason)
}

/// What the owner of the reserved back copy has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BackWritten {
    /// Anything, as far as is known.
    #[default]
    All,
    /// The ranges that were marked, of that many bytes together. They are in the dirty set.
    Marked(u64),
    /// All of it: the copy was reserved with unspecified content.
    Discarded,
}

/// Updates that were applied in this epoch before the back copy was reserved, to restore them after a cancel. The tag does
/// not change while the role is held.
#[derive(Debug, Default)]
pub(crate) struct BackUndo {
    ranges: Vec<(usize, usize)>,
    bytes: Vec<u8>,
}

impl BackUndo {
    /// Saves the dirty ranges of the back copy.
    pub(crate) fn save(&mut self, forward: &mut CopyForward) -> Result<()> {
        self.clear();
        if !forward.is_dirty() {
            return Ok(());
        }
        let (mut count, mut sum) = (0, 0);
        forward.for_each_dirty(|start, end| (count, sum) = (count + 1, sum + (end - start)));
        self.ranges = try_vec(count)?;
        self.bytes = try_vec(sum)?;
        let data = forward.back_data();
        let (ranges, bytes) = (&mut self.ranges, &mut self.bytes);
        forward.for_each_dirty(|start, end| {
            ranges.push((start, end));
            // SAFETY: a range of the back copy, which the role guards.
            bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(data.add(start), end - start) });
        });
        Ok(())
    }

    /// Makes the state what it was at `save`.
    pub(crate) fn restore(&mut self, forward: &mut CopyForward) {
        forward.invalidate_back();
        let mut from = 0;
        for &(start, end) in &self.ranges {
            // SAFETY: ranges of the state, and their bytes as they were.
            unsafe { forward.write(start, self.bytes[from..].as_ptr(), end - start) };
            from += end - start;
        }
        self.clear();
    }

    fn clear(&mut self) {
        (self.ranges, self.bytes) = (Vec::new(), Vec::new());
    }
}

/// A reserved back copy of a destroyed manager. Its memory stays until the reservation is committed or cancelled, since its
/// owner may still write to it.
struct OrphanedBack {
    token: u64,
    back: CopyMemory,
    /// The front that it follows, which the owner may read.
    _front: Option<CopyMemory>,
    next: AtomicPtr<OrphanedBack>,
}

// SAFETY: while it is on the list, other threads only read the token and the address.
unsafe impl Sync for OrphanedBack {}

impl Linked for OrphanedBack {
    fn next(&self) -> &AtomicPtr<OrphanedBack> {
        &self.next
    }
}

/// A list that a fork empties: a child never waits for a lock that a thread of its parent holds.
static ORPHANED: LiveList<OrphanedBack> = LiveList::new();

/// Keeps the memory of a reservation whose manager is destroyed.
pub(crate) fn orphan(token: u64, back: CopyMemory, front: Option<CopyMemory>) {
    let orphaned = Box::new(OrphanedBack { token, back, _front: front, next: AtomicPtr::default() });
    // Without memory for the list, it is leaked, since it is in use.
    let _ = ORPHANED.add(Box::leak(orphaned));
}

/// Frees the memory that was kept for the reservation of the back copy at `data`, which has ended.
pub(crate) fn release_orphaned(data: *const u8, token: u64) {
    let ended = ORPHANED.take(|one| one.token == token && one.back.data().cast_const() == data);
    if let Some(ended) = ended {
        // SAFETY: leaked by `orphan`, and removed from the list by this call only.
        drop(unsafe { Box::from_raw(ended.cast_mut()) });
    }
}
