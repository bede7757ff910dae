//! Buffers of a stream's chunks: lent one by one, returned from any thread, reused, the last returned first.
//!
//! A chunk owns its buffer and keeps the queue of returns alive, so it stays valid after its stream and its ring are dropped; its buffer
//! is then freed with it. Buffers return through a bounded lock-free queue. The stream alone takes them from there, onto
//! a stack of its own, and lends from its top: the buffer returned last is the warmest in the cache.
//!
//! The queue is crossbeam's `ArrayQueue`. Against a linked stack of our own it costs a chunk of 8 KiB about 1 % and one of 64 bytes 2 to 5 %;
//! the unbounded `SegQueue` costs up to 25 %.

use std::alloc::{Layout, alloc, dealloc};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use crossbeam_queue::ArrayQueue;

use crate::alloc::{Arc, try_arc, try_vec};
use crate::error::{Error, Result, Status};
use crate::sync::atomic::{AtomicU64, Ordering::*};
use crate::sync::counter::Counter;

/// Buffers that can return between two loans; more are freed.
const MAX_RETURNS: usize = 4096;

/// The head of a buffer's memory; its bytes follow. 64 bytes, so that they are aligned to that.
#[derive(Debug)]
#[repr(C, align(64))]
struct BufferHeader {
    /// Where the buffer returns to, while it is lent.
    returns: Option<Arc<PoolReturns>>,
    size: u64,
}

/// The memory of a buffer.
#[derive(Debug)]
struct PoolBuffer(NonNull<BufferHeader>);

// SAFETY: it owns its memory.
unsafe impl Send for PoolBuffer {}
// SAFETY: shared, it is only read.
unsafe impl Sync for PoolBuffer {}

impl PoolBuffer {
    fn new(size: u64) -> Result<PoolBuffer> {
        let none = || Error::value(Status::OutOfMemory, "pool_size", size, "out of memory");
        let layout = PoolBuffer::layout(size).ok_or_else(none)?;
        // SAFETY: the layout has a size.
        let header = NonNull::new(unsafe { alloc(layout) }.cast::<BufferHeader>()).ok_or_else(none)?;
        // SAFETY: just allocated for it.
        unsafe { header.write(BufferHeader { returns: None, size }) };
        Ok(PoolBuffer(header))
    }

    fn layout(size: u64) -> Option<Layout> {
        let bytes = usize::try_from(size).ok()?.checked_add(size_of::<BufferHeader>())?;
        Layout::from_size_align(bytes, align_of::<BufferHeader>()).ok()
    }

    fn size(&self) -> u64 {
        // SAFETY: the memory is this buffer's.
        unsafe { self.0.as_ref() }.size
    }

    fn returns(&mut self) -> &mut Option<Arc<PoolReturns>> {
        // SAFETY: as above.
        unsafe { &mut self.0.as_mut().returns }
    }
}

impl Drop for PoolBuffer {
    fn drop(&mut self) {
        if let Some(layout) = PoolBuffer::layout(self.size()) {
            // SAFETY: allocated in `new` by this layout; a buffer that is freed is not lent, so its header owns nothing.
            unsafe { dealloc(self.0.as_ptr().cast(), layout) };
        }
    }
}

/// What a pool shares with the buffers that it has lent: the queue of returns, and counters.
#[derive(Debug)]
pub(crate) struct PoolReturns {
    queue: ArrayQueue<PoolBuffer>,
    /// Buffers in the queue and on the pool's stack, and how many there may be: 0 once the pool is dropped.
    kept: AtomicU64,
    limit: AtomicU64,
    live: AtomicU64,
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
}

impl PoolReturns {
    /// Buffers that are lent.
    pub(crate) fn live(&self) -> u64 {
        self.live.load(Relaxed)
    }

    /// Buffers that are kept for the next loans.
    pub(crate) fn kept(&self) -> u64 {
        self.kept.load(Relaxed)
    }

    fn put(&self, buffer: PoolBuffer) {
        let keeps = self.kept.fetch_add(1, Relaxed) < self.limit.load(Relaxed);
        if !keeps || self.queue.push(buffer).is_err() {
            self.kept.fetch_sub(1, Relaxed);
        }
    }
}

/// The pool of one stream.
#[derive(Debug)]
pub(crate) struct BufferPool {
    returns: Arc<PoolReturns>,
    stack: Vec<PoolBuffer>,
}

impl BufferPool {
    /// A pool that keeps at most `limit` buffers.
    pub(crate) fn new(limit: u32) -> Result<BufferPool> {
        let slots = (limit as usize).clamp(1, MAX_RETURNS);
        // The queue's own allocation cannot report a failure: the memory is known to be there before.
        drop(try_vec::<[u64; 2]>(slots)?);
        let returns = PoolReturns {
            queue: ArrayQueue::new(slots),
            kept: AtomicU64::new(0),
            limit: AtomicU64::new(limit.into()),
            live: AtomicU64::new(0),
            hits: Counter::default(),
            misses: Counter::default(),
        };
        let returns = try_arc(returns)?;
        Ok(BufferPool { returns, stack: Vec::new() })
    }

    pub(crate) fn returns(&self) -> &Arc<PoolReturns> {
        &self.returns
    }

    /// A buffer of `size` bytes, used before if there is one.
    pub(crate) fn lend(&mut self, size: u64) -> Result<ChunkBuffer> {
        let kept = self.take(size);
        let returns = &self.returns;
        let (mut buffer, counter) = match kept {
            Some(buffer) => (buffer, &returns.hits),
            None => (PoolBuffer::new(size)?, &returns.misses),
        };
        counter.add(1);
        returns.live.fetch_add(1, Relaxed);
        *buffer.returns() = Some(returns.clone());
        Ok(ChunkBuffer { buffer: ManuallyDrop::new(buffer), bytes: 0 })
    }

    /// The kept buffer of that size that returned last. Buffers of another size are freed: the stream's size has changed.
    fn take(&mut self, size: u64) -> Option<PoolBuffer> {
        while (self.stack.len() as u64) < self.returns.kept()
            && self.stack.try_reserve(1).is_ok()
            && let Some(buffer) = self.returns.queue.pop()
        {
            self.stack.push(buffer);
        }
        while let Some(buffer) = self.stack.pop() {
            self.returns.kept.fetch_sub(1, Relaxed);
            if buffer.size() == size {
                return Some(buffer);
            }
        }
        None
    }
}

impl Drop for BufferPool {
    fn drop(&mut self) {
        // What returns from now on is freed, and what is in the queue, by the last reference to it.
        self.returns.limit.store(0, Relaxed);
        while self.returns.queue.pop().is_some() {}
    }
}

/// A lent buffer that holds `bytes` of a stream. Dropping it returns it to its pool, or frees it once the pool has ended.
#[derive(Debug)]
pub(crate) struct ChunkBuffer {
    buffer: ManuallyDrop<PoolBuffer>,
    pub(crate) bytes: u64,
}

impl ChunkBuffer {
    /// Where its bytes begin.
    pub(crate) fn data(&self) -> *mut u8 {
        // SAFETY: the bytes follow the header.
        unsafe { self.buffer.0.as_ptr().add(1).cast() }
    }

    /// Gives it away as a pointer; [`ChunkBuffer::from_raw`] takes it back.
    pub(crate) fn into_raw(self) -> *mut () {
        ManuallyDrop::new(self).buffer.0.as_ptr().cast()
    }

    /// # Safety
    ///
    /// A pointer from `into_raw`, once.
    pub(crate) unsafe fn from_raw(raw: *mut ()) -> ChunkBuffer {
        // SAFETY: the caller's promise.
        let header = unsafe { NonNull::new_unchecked(raw.cast()) };
        ChunkBuffer { buffer: ManuallyDrop::new(PoolBuffer(header)), bytes: 0 }
    }
}

impl Drop for ChunkBuffer {
    fn drop(&mut self) {
        // SAFETY: not used after this.
        let mut buffer = unsafe { ManuallyDrop::take(&mut self.buffer) };
        if let Some(returns) = buffer.returns().take() {
            returns.live.fetch_sub(1, Relaxed);
            returns.put(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_returned_is_used_first_and_no_more_than_asked_for_are_kept() {
        let mut pool = BufferPool::new(2).unwrap();
        let returns = pool.returns().clone();
        let [a, b, c] = std::array::from_fn(|_| pool.lend(100).unwrap());
        let data = [a.data(), b.data()];
        assert!(data.iter().all(|data| (*data as usize).is_multiple_of(64)));
        assert_eq!((returns.live(), returns.kept(), returns.misses.get()), (3, 0, 3));
        [a, b, c].into_iter().for_each(drop);
        assert_eq!((returns.live(), returns.kept()), (0, 2));
        let (b, a) = (pool.lend(100).unwrap(), pool.lend(100).unwrap());
        assert_eq!(([a.data(), b.data()], returns.hits.get()), (data, 2));
        let c = pool.lend(100).unwrap();
        drop([a, b]);
        // One buffer is on the stack then, and the limit counts it.
        let a = pool.lend(100).unwrap();
        drop([a, c]);
        assert_eq!((returns.live(), returns.kept()), (0, 2));
    }

    #[test]
    fn another_size_frees_what_was_kept() {
        let mut pool = BufferPool::new(4).unwrap();
        let returns = pool.returns().clone();
        drop([pool.lend(100).unwrap(), pool.lend(100).unwrap()]);
        let large = pool.lend(200).unwrap();
        assert_eq!((returns.kept(), returns.misses.get()), (0, 3));
        drop(pool);
        drop(large);
        assert_eq!((returns.kept(), returns.live()), (0, 0));
    }

    #[test]
    fn a_pool_of_any_limit_can_be_made() {
        for limit in [0, 1, u32::MAX] {
            let mut pool = BufferPool::new(limit).unwrap();
            drop(pool.lend(1).unwrap());
            assert_eq!(pool.returns().kept(), u64::from(limit.min(1)));
        }
    }

    #[test]
    fn buffers_outlive_their_pool() {
        let mut pool = BufferPool::new(4).unwrap();
        let lent = pool.lend(10).unwrap();
        drop(pool);
        // SAFETY: ten bytes are lent.
        unsafe { lent.data().write_bytes(1, 10) };
        std::thread::spawn(move || drop(lent)).join().unwrap();
    }

    #[test]
    fn buffers_that_return_from_several_threads_are_each_lent_once() {
        let mut pool = BufferPool::new(8).unwrap();
        let (give, take) = std::sync::mpsc::sync_channel::<ChunkBuffer>(16);
        let take = std::sync::Mutex::new(take);
        std::thread::scope(|threads| {
            for _ in 0..3 {
                threads.spawn(|| {
                    loop {
                        let next = take.lock().unwrap().recv();
                        let Ok(buffer) = next else { return };
                        // SAFETY: eight bytes are lent, and to this thread alone.
                        let number = unsafe { buffer.data().cast::<u64>().read() };
                        assert_eq!(number, buffer.bytes, "two chunks share a buffer");
                    }
                });
            }
            for number in 0..50_000 {
                let mut buffer = pool.lend(8).unwrap();
                buffer.bytes = number;
                // SAFETY: as above.
                unsafe { buffer.data().cast::<u64>().write(number) };
                give.send(buffer).unwrap();
            }
            drop(give);
        });
        let returns = pool.returns();
        assert_eq!((returns.live(), returns.hits.get() + returns.misses.get()), (0, 50_000));
        assert!(returns.kept() <= 8);
    }
}
