//! Head and tail indices of a ring: how bytes are published to the receiver and given back to the sender.
//!
//! Both are free-running 64-bit counts of bytes, each written by one side: `tail` counts what has been sent, `head` what has been
//! received. A byte is visible to the receiver once `tail` has been published beyond it, by a release store that the receiver
//! acquires. Each side caches its own index and the last value it read of the other's, so it reads the other side's cache line only
//! when the cached value says that it is stuck. The model checker compiles this file.
//!
//! In a ring that overwrites its oldest records `head` has two writers. The sender moves it on by compare-and-swap once more than
//! `window` bytes are in the ring. The receiver sets the bit `HELD` in it before it reads and clears it afterwards; while it is set,
//! no other thread moves `head`. The sender writes only between `tail` and `head` + `capacity`, as in every ring, so what the
//! receiver reads never changes under it. The memory is at least twice the window: while `head` is held, as many records as the
//! window holds can still be sent before the sender finds no room. A side whose step fails against the other's does not repeat it.

use crossbeam_utils::CachePadded;

use crate::sync::atomic::{AtomicU64, Ordering::*};

/// The indices that both sides share, on cache lines of their own.
#[derive(Debug)]
pub(crate) struct Indices {
    tail: CachePadded<AtomicU64>,
    head: CachePadded<AtomicU64>,
    /// Bytes of memory.
    capacity: u64,
    /// Bytes that stay when the oldest records are overwritten; the capacity, in a ring that overwrites none.
    window: u64,
}

/// The receiver reads from `head` on. Indices are compared modulo this bit, so that it takes no range from them.
const HELD: u64 = 1 << 63;

/// Overwriting: the bytes from `head`, held or not, to an index that is not before it.
fn bytes_from(head: u64, index: u64) -> u64 {
    index.wrapping_sub(head) & !HELD
}

impl Indices {
    /// Those of an empty ring, which begin at `start`.
    pub(crate) fn new(capacity: u64, start: u64) -> Indices {
        Indices {
            tail: CachePadded::new(AtomicU64::new(start)),
            head: CachePadded::new(AtomicU64::new(start)),
            capacity,
            window: capacity,
        }
    }

    /// The same for a ring that keeps the newest `window` bytes, and overwrites what is older.
    pub(crate) fn overwriting(window: u64, start: u64) -> Indices {
        let (tail, head) =
            (CachePadded::new(AtomicU64::new(start)), CachePadded::new(AtomicU64::new(start & !HELD)));
        Indices { tail, head, capacity: (2 * window).next_power_of_two(), window }
    }

    #[inline(always)]
    fn overwrites(&self) -> bool {
        self.window != self.capacity
    }

    /// Bytes of memory.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Bytes that the ring keeps.
    pub(crate) fn window(&self) -> u64 {
        self.window
    }

    /// The count of bytes sent.
    pub(crate) fn sent(&self) -> u64 {
        self.tail.load(Acquire)
    }

    /// The count of bytes received.
    pub(crate) fn received(&self) -> u64 {
        self.head.load(Acquire)
    }

    /// Publishes what an inline writer has written, as far as it has come. Legal on any thread.
    pub(crate) fn pull_tail(&self, writer: &ClaimCursor) {
        let tail = self.tail.load(Relaxed);
        if let Some(written) = writer.beyond(tail) {
            // A failure means that the writer has published at least as much. It moves `tail` by plain stores, never back.
            let _ = self.tail.compare_exchange(tail, written, Release, Relaxed);
        }
    }

    /// Gives back what an inline reader has read, as far as it has come. Legal on any thread.
    pub(crate) fn pull_head(&self, reader: &ClaimCursor) {
        // Such a ring has no inline readers, and its `head` is not a plain index.
        if self.overwrites() {
            return;
        }
        let head = self.head.load(Relaxed);
        if let Some(read) = reader.beyond(head) {
            let _ = self.head.compare_exchange(head, read, Release, Relaxed);
        }
    }

    /// Bytes that have been sent and not received.
    pub(crate) fn used(&self) -> u64 {
        let head = self.head.load(Acquire);
        let tail = self.tail.load(Acquire);
        if self.overwrites() { bytes_from(head, tail) } else { tail.wrapping_sub(head) }.min(self.capacity)
    }
}

/// How far an inline writer or reader has come in its claim. Its thread stores `at` after each record; a thread of the other side
/// that is about to sleep takes the records that are not published, or not given back, from here.
///
/// The thread of the claim stores `at`, passes the frequent side of the asymmetric barrier and checks whether the other side has
/// announced a wait. The other side announces, passes the rare side and reads `at`. One of the two sees the other.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct ClaimCursor {
    at: AtomicU64,
    /// Where the claim ends. `at` is memory of the caller's program, which may store anything: what is beyond this is ignored.
    end: AtomicU64,
}

impl ClaimCursor {
    /// The cursor of a ring whose indices begin at `start`, without a claim.
    pub(crate) fn new(start: u64) -> ClaimCursor {
        ClaimCursor { at: AtomicU64::new(start), end: AtomicU64::new(start) }
    }

    /// The claim is from `next` to `end`. Called by the thread of the claim.
    pub(crate) fn set(&self, next: u64, end: u64) {
        // Release: a thread that sees an index beyond the old end sees the new end.
        self.end.store(end, Release);
        self.at.store(next, Release);
    }

    /// The records before `index` are complete: written, or read.
    #[inline(always)]
    pub(crate) fn advance_to(&self, index: u64) {
        // Release: a thread of the other side that sees the index accesses the bytes before it.
        self.at.store(index, Release);
    }

    /// The word that [`ClaimCursor::advance_to`] stores.
    #[cfg(not(loom))]
    pub(crate) fn word(&self) -> &AtomicU64 {
        &self.at
    }

    /// How far the claim has come, if that is beyond `index`.
    fn beyond(&self, index: u64) -> Option<u64> {
        // Acquire: as above.
        let at = self.at.load(Acquire);
        let (ahead, most) = (at.wrapping_sub(index), self.end.load(Acquire).wrapping_sub(index));
        (ahead != 0 && ahead <= most && most <= u64::MAX / 2).then_some(at)
    }
}

/// The sending side's own indices. Its thread writes them; other threads read them, so every access is atomic.
#[derive(Debug)]
pub(crate) struct ProducerIndex {
    /// Where the next byte goes. What lies between `tail` and here is written and not published.
    next: AtomicU64,
    /// Where the room ends: `head` as last read, plus the capacity.
    end: AtomicU64,
}

impl ProducerIndex {
    pub(crate) fn new(indices: &Indices) -> ProducerIndex {
        let next = AtomicU64::new(indices.tail.load(Acquire));
        let producer = ProducerIndex { next, end: AtomicU64::new(0) };
        if indices.overwrites() {
            producer.refresh_overwriting(indices);
        } else {
            producer.refresh(indices);
        }
        producer
    }

    /// Where the next byte goes.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.next.load(Relaxed)
    }

    /// Bytes of room by the cached indices. Never more than the capacity, even when threads misuse an end.
    #[inline(always)]
    pub(crate) fn room(&self, indices: &Indices) -> u64 {
        self.room_unchecked().min(indices.capacity)
    }

    /// The same without that bound: any number, when threads misuse an end.
    #[inline(always)]
    pub(crate) fn room_unchecked(&self) -> u64 {
        self.end.load(Relaxed).wrapping_sub(self.next())
    }

    /// Reads the other side's index and caches it: the bytes of room.
    #[inline(always)]
    pub(crate) fn refresh(&self, indices: &Indices) -> u64 {
        let end = ProducerIndex::end_now(indices);
        self.end.store(end, Relaxed);
        end.wrapping_sub(self.next()).min(indices.capacity)
    }

    /// The same without caching it, for a second thread that tries to wait on the end and is refused.
    pub(crate) fn fresh_room(&self, indices: &Indices) -> u64 {
        ProducerIndex::end_now(indices).wrapping_sub(self.next()).min(indices.capacity)
    }

    #[inline(always)]
    fn end_now(indices: &Indices) -> u64 {
        // Acquire: the other side has read what lies below `head`, so it may be written over.
        indices.head.load(Acquire).wrapping_add(indices.capacity)
    }

    /// Counts the next `bytes` as written.
    #[inline(always)]
    pub(crate) fn advance(&self, bytes: u64) {
        // Release: for a thread that publishes when it closes the end.
        self.next.store(self.next().wrapping_add(bytes), Release);
    }

    /// Bytes of an inline writer that the other side has published by [`Indices::pull_tail`].
    #[inline(always)]
    pub(crate) fn pulled(&self, indices: &Indices) -> u64 {
        let ahead = indices.tail.load(Relaxed).wrapping_sub(self.next());
        if ahead as i64 > 0 { ahead } else { 0 }
    }

    /// Whether bytes are written and not published.
    #[inline(always)]
    pub(crate) fn has_unpublished(&self, indices: &Indices) -> bool {
        // An inline writer's bytes may be published beyond `next`.
        self.next().wrapping_sub(indices.tail.load(Relaxed)) as i64 > 0
    }

    /// Publishes all that is written; the new `tail`.
    #[inline(always)]
    pub(crate) fn publish(&self, indices: &Indices) -> u64 {
        let next = self.next();
        // Release: a receiver that acquires the index sees the bytes.
        indices.tail.store(next, Release);
        next
    }

    /// Overwriting: moves `head` on if more than the window is in the ring. All of it has been published. The bytes that were
    /// dropped: 0 while the receiver reads.
    pub(crate) fn drop_oldest(&self, indices: &Indices) -> u64 {
        let used_at_most = indices.capacity.wrapping_sub(self.room_unchecked());
        if used_at_most <= indices.window {
            return 0;
        }
        let (word, used) = self.refresh_overwriting(indices);
        if used <= indices.window || word & HELD != 0 {
            return 0;
        }
        let head = self.next().wrapping_sub(indices.window) & !HELD;
        // Release: a receiver that holds the new head sees the tail beyond it. Acquire: what it has read may be written over.
        if indices.head.compare_exchange(word, head, AcqRel, Relaxed).is_err() {
            // The receiver holds `head` now, or has moved it on.
            self.refresh_overwriting(indices);
            return 0;
        }
        let end = self.next().wrapping_sub(indices.window).wrapping_add(indices.capacity);
        self.end.store(end, Relaxed);
        used - indices.window
    }

    /// Overwriting: reads `head` and caches it: its word, and the bytes from there on.
    pub(crate) fn refresh_overwriting(&self, indices: &Indices) -> (u64, u64) {
        // Acquire: as in `end_now`.
        let word = indices.head.load(Acquire);
        let used = bytes_from(word, self.next());
        self.end.store(self.next().wrapping_sub(used).wrapping_add(indices.capacity), Relaxed);
        (word, used)
    }

    /// Overwriting: the room if the oldest records were dropped now, as far as the receiver allows. Caches nothing.
    pub(crate) fn fresh_room_overwriting(&self, indices: &Indices) -> u64 {
        let word = indices.head.load(Acquire);
        let used = bytes_from(word, self.next());
        let used = if word & HELD == 0 { used.min(indices.window) } else { used };
        indices.capacity.saturating_sub(used)
    }

    /// Publishes from any thread. It takes back nothing of what the end's own thread publishes at the same time.
    pub(crate) fn publish_from_any_thread(&self, indices: &Indices) {
        let tail = indices.tail.load(Relaxed);
        // Acquire: the bytes below `next` are written.
        let next = self.next.load(Acquire);
        if next.wrapping_sub(tail) as i64 > 0 {
            // A failure means that the end's own thread has published at least as much.
            let _ = indices.tail.compare_exchange(tail, next, Release, Relaxed);
        }
    }
}

/// The receiving side's own indices.
#[derive(Debug)]
pub(crate) struct ConsumerIndex {
    /// The next byte to receive.
    next: AtomicU64,
    /// `tail` as last read.
    tail: AtomicU64,
}

impl ConsumerIndex {
    pub(crate) fn new(indices: &Indices) -> ConsumerIndex {
        let head = match indices.overwrites() {
            // The previous receiver may have been destroyed while it read.
            true => indices.head.fetch_and(!HELD, AcqRel),
            false => indices.head.load(Acquire),
        };
        let tail = indices.tail.load(Acquire);
        let next = if indices.overwrites() { tail.wrapping_sub(bytes_from(head, tail)) } else { head };
        ConsumerIndex { next: AtomicU64::new(next), tail: AtomicU64::new(tail) }
    }

    /// Overwriting: keeps the sender from moving `head` until [`ConsumerIndex::release`]. The bytes that can be received, and those
    /// that were overwritten since the last hold. Holding twice is the same as once.
    pub(crate) fn hold(&self, indices: &Indices) -> (u64, u64) {
        // Acquire: the sender published what is beyond `head` before it moved it there.
        let head = indices.head.fetch_or(HELD, Acquire);
        let tail = indices.tail.load(Acquire);
        let there = bytes_from(head, tail);
        let (before, next) = (self.next(), tail.wrapping_sub(there));
        self.next.store(next, Relaxed);
        (there.min(indices.capacity), next.wrapping_sub(before))
    }

    /// Overwriting: counts the next `bytes` as received and releases `head`; its new value.
    pub(crate) fn release(&self, indices: &Indices, bytes: u64) -> u64 {
        let next = self.next().wrapping_add(bytes);
        self.next.store(next, Relaxed);
        // Release: they have been read before the other side writes over them.
        indices.head.store(next & !HELD, Release);
        next
    }

    /// Overwriting: the bytes that can be received. Caches and holds nothing.
    pub(crate) fn fresh_available_overwriting(&self, indices: &Indices) -> u64 {
        // In this order, so that `tail` is never before `head`.
        let head = indices.head.load(Acquire);
        bytes_from(head, indices.tail.load(Acquire)).min(indices.capacity)
    }

    /// Overwriting: the bytes that the sender has dropped since the last [`ConsumerIndex::hold`].
    pub(crate) fn overwritten(&self, indices: &Indices) -> u64 {
        let ahead = bytes_from(self.next(), indices.head.load(Acquire));
        // While the receiver moves both, `head` may seem to be before `next`.
        if ahead <= HELD / 2 { ahead } else { 0 }
    }

    /// The next byte to receive.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.next.load(Relaxed)
    }

    /// Continues where another consumer of this side has stopped.
    pub(crate) fn resume(&self, indices: &Indices) {
        self.next.store(indices.head.load(Acquire), Relaxed);
        self.tail.store(indices.tail.load(Acquire), Relaxed);
    }

    /// Bytes of an inline reader that the other side has given back by [`Indices::pull_head`].
    #[inline(always)]
    pub(crate) fn pulled(&self, indices: &Indices) -> u64 {
        let ahead = indices.head.load(Relaxed).wrapping_sub(self.next());
        if ahead as i64 > 0 { ahead } else { 0 }
    }

    /// Bytes that can be received by the cached indices. Never more than the capacity.
    #[inline(always)]
    pub(crate) fn available(&self, indices: &Indices) -> u64 {
        self.available_unchecked().min(indices.capacity)
    }

    /// The same without that bound: any number, when threads misuse an end.
    #[inline(always)]
    pub(crate) fn available_unchecked(&self) -> u64 {
        self.tail.load(Relaxed).wrapping_sub(self.next())
    }

    /// Reads the other side's index and caches it: the bytes that can be received.
    #[inline(always)]
    pub(crate) fn refresh(&self, indices: &Indices) -> u64 {
        // Acquire: the bytes below `tail` are visible.
        let tail = indices.tail.load(Acquire);
        self.tail.store(tail, Relaxed);
        tail.wrapping_sub(self.next()).min(indices.capacity)
    }

    /// The same without caching it: as [`ProducerIndex::fresh_room`].
    pub(crate) fn fresh_available(&self, indices: &Indices) -> u64 {
        indices.tail.load(Acquire).wrapping_sub(self.next()).min(indices.capacity)
    }

    /// Counts the next `bytes` as received, so that their memory is the sender's again; the new `head`.
    #[inline(always)]
    pub(crate) fn advance(&self, indices: &Indices, bytes: u64) -> u64 {
        let next = self.next().wrapping_add(bytes);
        self.next.store(next, Relaxed);
        // Release: they have been read before the other side writes over them.
        indices.head.store(next, Release);
        next
    }
}
