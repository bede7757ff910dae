//! Managed buffers: blocks that are lent out, come back from any thread, and are used again, the last returned first.

use std::alloc::{Layout, alloc, dealloc};
use std::ptr::{NonNull, null_mut};

use super::returns::{Linked, Returns};
use crate::alloc::Arc;
use crate::error::{Error, Result, Status};
use crate::sync::atomic::{AtomicPtr, AtomicU64, Ordering::*};
use crate::sync::counter::Counter;

/// A block's head; the bytes follow. 64 bytes, so that they are aligned to that.
#[derive(Debug)]
#[repr(C, align(64))]
struct Block {
    next: AtomicPtr<Block>,
    /// While lent out: the reference to the pool, given away as a pointer.
    pool: *const (),
    size: u64,
}

impl Linked for Block {
    fn next(&self) -> &AtomicPtr<Block> {
        &self.next
    }
}

impl Block {
    fn layout(size: u64) -> Option<Layout> {
        let bytes = usize::try_from(size).ok()?.checked_add(size_of::<Block>())?;
        Layout::from_size_align(bytes, align_of::<Block>()).ok()
    }

    fn new(size: u64) -> Result<NonNull<Block>> {
        let none = || Error::value(Status::OutOfMemory, "buffer_size", size, "out of memory");
        let layout = Block::layout(size).ok_or_else(none)?;
        // SAFETY: the layout has a size.
        let block = NonNull::new(unsafe { alloc(layout) }.cast::<Block>()).ok_or_else(none)?;
        // SAFETY: just allocated for it.
        unsafe { block.write(Block { next: AtomicPtr::new(null_mut()), pool: std::ptr::null(), size }) };
        Ok(block)
    }

    /// # Safety
    ///
    /// It came from `new`, and nobody uses it any more.
    unsafe fn free(block: NonNull<Block>) {
        // SAFETY: the caller's promise.
        unsafe {
            if let Some(layout) = Block::layout(block.as_ref().size) {
                dealloc(block.as_ptr().cast(), layout);
            }
        }
    }
}

/// The blocks of one stream.
#[derive(Debug)]
pub(crate) struct Pool {
    returns: Returns<Block>,
    /// What was taken from `returns` and waits. Only the stream uses it, one call at a time.
    shelf: AtomicPtr<Block>,
    /// Blocks in both, and how many there may be: 0 once the stream has gone.
    kept: AtomicU64,
    most: AtomicU64,
    live: AtomicU64,
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
}

// SAFETY: atomics; blocks have one owner at a time, handed over by `returns`.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

impl Pool {
    pub(crate) fn new(most: u64) -> Result<Arc<Pool>> {
        let pool = Pool {
            returns: Returns::new(),
            shelf: AtomicPtr::new(null_mut()),
            kept: AtomicU64::new(0),
            most: AtomicU64::new(most),
            live: AtomicU64::new(0),
            hits: Counter::default(),
            misses: Counter::default(),
        };
        Arc::try_new(pool).map_err(|_| Error::of(Status::OutOfMemory))
    }

    /// A block of `size` bytes, used before if there is one. Only the stream calls it, one call at a time.
    pub(crate) fn lend(this: &Arc<Pool>, size: u64) -> Result<Held> {
        let block = match this.take(size) {
            Some(block) => {
                this.hits.add(1);
                block
            }
            None => {
                let block = Block::new(size)?;
                this.misses.add(1);
                block
            }
        };
        this.live.fetch_add(1, Relaxed);
        // SAFETY: nobody else has the block.
        unsafe { (*block.as_ptr()).pool = Arc::into_raw(this.clone()) };
        Ok(Held { block, bytes: 0 })
    }

    /// The newest kept block of that size. Those of another are freed: the stream has changed its mind.
    fn take(&self, size: u64) -> Option<NonNull<Block>> {
        self.shelve();
        loop {
            let block = NonNull::new(self.shelf.load(Relaxed))?;
            // SAFETY: kept blocks are alive, and this is the one that uses them.
            let head = unsafe { block.as_ref() };
            self.shelf.store(head.next.load(Relaxed), Relaxed);
            self.kept.fetch_sub(1, Relaxed);
            if head.size == size {
                return Some(block);
            }
            // SAFETY: taken off just now.
            unsafe { Block::free(block) };
        }
    }

    /// Puts what has come back on top of the shelf.
    fn shelve(&self) {
        let first = self.returns.take();
        let mut last = NonNull::new(first);
        // SAFETY: what was returned is alive, and this is the one that uses it.
        while let Some(block) = last.map(|last| unsafe { last.as_ref() }) {
            match NonNull::new(block.next.load(Relaxed)) {
                Some(next) => last = Some(next),
                None => {
                    block.next.store(self.shelf.load(Relaxed), Relaxed);
                    self.shelf.store(first, Relaxed);
                    return;
                }
            }
        }
    }

    /// Keeps no more: what comes back is freed.
    pub(crate) fn retire(&self) {
        self.most.store(0, Relaxed);
        self.empty();
    }

    fn empty(&self) {
        // No block is as large as that, so each is freed.
        let none = self.take(u64::MAX);
        debug_assert!(none.is_none());
    }

    pub(crate) fn live(&self) -> u64 {
        self.live.load(Relaxed)
    }

    pub(crate) fn kept(&self) -> u64 {
        self.kept.load(Relaxed)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.empty();
    }
}

/// A block that is lent out; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Held {
    block: NonNull<Block>,
    pub(crate) bytes: u64,
}

// SAFETY: it owns its block; giving it back may happen on any thread.
unsafe impl Send for Held {}
// SAFETY: shared, it is only read.
unsafe impl Sync for Held {}

impl Held {
    /// Where its bytes begin.
    pub(crate) fn data(&self) -> *mut u8 {
        // SAFETY: the bytes follow the head.
        unsafe { self.block.as_ptr().add(1).cast() }
    }

    /// Gives it away as a pointer; [`Held::from_raw`] takes it back.
    pub(crate) fn into_raw(self) -> *mut () {
        std::mem::ManuallyDrop::new(self).block.as_ptr().cast()
    }

    /// # Safety
    ///
    /// What `into_raw` gave, once.
    pub(crate) unsafe fn from_raw(raw: *mut ()) -> Held {
        // SAFETY: the caller's promise.
        Held { block: unsafe { NonNull::new_unchecked(raw.cast()) }, bytes: 0 }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: lent out with a reference to its pool, which ends here.
        let pool: Arc<Pool> = unsafe { Arc::from_raw(self.block.as_ref().pool) };
        pool.live.fetch_sub(1, Relaxed);
        if pool.kept.fetch_add(1, Relaxed) < pool.most.load(Relaxed) {
            // SAFETY: alive, and from here on the pool's.
            unsafe { pool.returns.push(self.block) };
        } else {
            pool.kept.fetch_sub(1, Relaxed);
            // SAFETY: nobody else has it.
            unsafe { Block::free(self.block) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_returned_is_used_first_and_no_more_than_asked_for_are_kept() {
        let pool = Pool::new(2).unwrap();
        let [a, b, c] = std::array::from_fn(|_| Pool::lend(&pool, 100).unwrap());
        let places = [a.data(), b.data()];
        assert!(places.iter().all(|place| (*place as usize).is_multiple_of(64)));
        assert_eq!((pool.live(), pool.kept(), pool.misses.get()), (3, 0, 3));
        [a, b, c].into_iter().for_each(drop);
        assert_eq!((pool.live(), pool.kept()), (0, 2));
        let (b, a) = (Pool::lend(&pool, 100).unwrap(), Pool::lend(&pool, 100).unwrap());
        assert_eq!(([a.data(), b.data()], pool.hits.get()), (places, 2));
    }

    #[test]
    fn another_size_frees_what_was_kept() {
        let pool = Pool::new(4).unwrap();
        drop([Pool::lend(&pool, 100).unwrap(), Pool::lend(&pool, 100).unwrap()]);
        let large = Pool::lend(&pool, 200).unwrap();
        assert_eq!((pool.kept(), pool.misses.get()), (0, 3));
        pool.retire();
        drop(large);
        assert_eq!((pool.kept(), pool.live()), (0, 0));
    }

    #[test]
    fn blocks_outlive_whoever_lent_them() {
        let pool = Pool::new(4).unwrap();
        let held = Pool::lend(&pool, 10).unwrap();
        drop(pool);
        // SAFETY: ten bytes are lent.
        unsafe { held.data().write_bytes(1, 10) };
        std::thread::spawn(move || drop(held)).join().unwrap();
    }
}
