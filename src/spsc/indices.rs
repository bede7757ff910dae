//! The indices of a ring: how bytes are handed over.
//!
//! Two free-running 64-bit counts of bytes, each written by one side: `tail` has been sent, `head` has been received. Each
//! side keeps a copy of its own index and the last one that it saw of the other's, so that it looks at the other's cache line
//! only when it seems to be stuck. The model checker compiles this file: it names nothing but `crate::sync`.
//!
//! A ring that overwrites its oldest records has two writers of `head`. The sender moves it on by compare-and-swap once more than
//! `window` bytes are in the ring. The receiver sets the bit `HELD` in it before it reads and clears it when it has read; a held
//! No other thread moves `head`. The sender writes only between `tail` and `head` + `capacity`, as in every ring, so what the
//! receiver reads never changes under it. The memory is at least twice the window: while `head` is held, as many records as the
//! window holds can still come before the sender finds no room. Neither side ever repeats a step that the other one foiled.

use crate::sync::atomic::{AtomicU64, Ordering::*};

/// On a pair of cache lines of its own: processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Line<T>(pub(crate) T);

/// What both sides share.
#[derive(Debug)]
pub(crate) struct Indices {
    tail: Line<AtomicU64>,
    head: Line<AtomicU64>,
    /// Bytes of memory.
    capacity: u64,
    /// Bytes that stay when the oldest are overwritten. The capacity, where none are.
    window: u64,
}

/// The receiver reads from `head` on. Counts are compared modulo this bit, so that it takes no room from them.
const HELD: u64 = 1 << 63;

/// Overwriting: the bytes from `head`, held or not, to an index that is not behind it.
fn beyond(head: u64, index: u64) -> u64 {
    index.wrapping_sub(head) & !HELD
}

impl Indices {
    /// An empty ring whose counts begin at `start`.
    pub(crate) fn new(capacity: u64, start: u64) -> Indices {
        Indices {
            tail: Line(AtomicU64::new(start)),
            head: Line(AtomicU64::new(start)),
            capacity,
            window: capacity,
        }
    }

    /// The same for a ring that keeps the newest `window` bytes, and overwrites what is older.
    pub(crate) fn overwriting(window: u64, start: u64) -> Indices {
        let (tail, head) = (Line(AtomicU64::new(start)), Line(AtomicU64::new(start & !HELD)));
        Indices { tail, head, capacity: (2 * window).next_power_of_two(), window }
    }

    #[inline(always)]
    fn overwrites(&self) -> bool {
        self.window != self.capacity
    }

    /// How many bytes of memory the ring has.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// How many bytes stay in it.
    pub(crate) fn window(&self) -> u64 {
        self.window
    }

    /// Bytes that have been sent and not received.
    pub(crate) fn used(&self) -> u64 {
        let head = self.head.0.load(Acquire);
        let tail = self.tail.0.load(Acquire);
        if self.overwrites() { beyond(head, tail) } else { tail.wrapping_sub(head) }.min(self.capacity)
    }
}

/// The sending side's own indices. Its thread writes them; others only look, so every access is atomic.
#[derive(Debug)]
pub(crate) struct Producer {
    /// Where the next byte goes; what lies between `tail` and here is written and not published.
    next: AtomicU64,
    /// Where the room ends: a ring beyond `head` as last seen.
    end: AtomicU64,
}

impl Producer {
    pub(crate) fn new(indices: &Indices) -> Producer {
        let next = AtomicU64::new(indices.tail.0.load(Acquire));
        let producer = Producer { next, end: AtomicU64::new(0) };
        if indices.overwrites() {
            producer.look_overwriting(indices);
        } else {
            producer.look(indices);
        }
        producer
    }

    /// Where the next byte goes.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.next.load(Relaxed)
    }

    /// Bytes of room, as far as known. Never more than the ring has, even when threads misuse an end.
    #[inline(always)]
    pub(crate) fn room(&self, indices: &Indices) -> u64 {
        self.room_unchecked().min(indices.capacity)
    }

    /// The same, but for threads that misuse an end: then it may be anything.
    #[inline(always)]
    pub(crate) fn room_unchecked(&self) -> u64 {
        self.end.load(Relaxed).wrapping_sub(self.next())
    }

    /// Looks at the other side's index: the bytes of room.
    #[inline(always)]
    pub(crate) fn look(&self, indices: &Indices) -> u64 {
        let end = Producer::end_now(indices);
        self.end.store(end, Relaxed);
        end.wrapping_sub(self.next()).min(indices.capacity)
    }

    /// The same, and keeps nothing: a second thread that tries to wait on the end, and is told that it may not, does no harm.
    pub(crate) fn glance(&self, indices: &Indices) -> u64 {
        Producer::end_now(indices).wrapping_sub(self.next()).min(indices.capacity)
    }

    #[inline(always)]
    fn end_now(indices: &Indices) -> u64 {
        // Acquire: the other side has read what lies below `head`, so that it may be written over.
        indices.head.0.load(Acquire).wrapping_add(indices.capacity)
    }

    /// Counts `bytes` as written.
    #[inline(always)]
    pub(crate) fn write(&self, bytes: u64) {
        // Release: for a thread that publishes when it closes the end.
        self.next.store(self.next().wrapping_add(bytes), Release);
    }

    /// Whether something is written and not published.
    #[inline(always)]
    pub(crate) fn is_behind(&self, indices: &Indices) -> bool {
        indices.tail.0.load(Relaxed) != self.next()
    }

    /// Publishes all that is written; the new `tail`.
    #[inline(always)]
    pub(crate) fn publish(&self, indices: &Indices) -> u64 {
        let next = self.next();
        // Release: who sees the index sees the bytes.
        indices.tail.0.store(next, Release);
        next
    }

    /// Overwriting: looks at the other side's index, and moves it on where more than the window is in the ring. What is written has
    /// been published. Bytes that were dropped; none while the receiver reads.
    pub(crate) fn drop_oldest(&self, indices: &Indices) -> u64 {
        let at_most = indices.capacity.wrapping_sub(self.room_unchecked());
        if at_most <= indices.window {
            return 0;
        }
        let (word, used) = self.look_overwriting(indices);
        if used <= indices.window || word & HELD != 0 {
            return 0;
        }
        let head = self.next().wrapping_sub(indices.window) & !HELD;
        // Release: who holds the new head sees the tail beyond it. Acquire: what the receiver has read may be written over.
        if indices.head.0.compare_exchange(word, head, AcqRel, Relaxed).is_err() {
            // The receiver holds it now, or has moved it on.
            self.look_overwriting(indices);
            return 0;
        }
        let end = self.next().wrapping_sub(indices.window).wrapping_add(indices.capacity);
        self.end.store(end, Relaxed);
        used - indices.window
    }

    /// Overwriting: `head` as it is now, and the bytes beyond it.
    pub(crate) fn look_overwriting(&self, indices: &Indices) -> (u64, u64) {
        // Acquire: as in `end_now`.
        let word = indices.head.0.load(Acquire);
        let used = beyond(word, self.next());
        self.end.store(self.next().wrapping_sub(used).wrapping_add(indices.capacity), Relaxed);
        (word, used)
    }

    /// Overwriting: the room that there would be if the oldest were dropped now, as far as the receiver lets it. Keeps nothing.
    pub(crate) fn glance_overwriting(&self, indices: &Indices) -> u64 {
        let word = indices.head.0.load(Acquire);
        let used = beyond(word, self.next());
        let used = if word & HELD == 0 { used.min(indices.window) } else { used };
        indices.capacity.saturating_sub(used)
    }

    /// Publishes from any thread: what the end's own thread publishes at the same time stays.
    pub(crate) fn publish_from_outside(&self, indices: &Indices) {
        let tail = indices.tail.0.load(Relaxed);
        // Acquire: the bytes below `next` are written.
        let next = self.next.load(Acquire);
        if next.wrapping_sub(tail) as i64 > 0 {
            // Lost to the end's own thread: then it has published at least as much.
            let _ = indices.tail.0.compare_exchange(tail, next, Release, Relaxed);
        }
    }
}

/// The receiving side's own indices.
#[derive(Debug)]
pub(crate) struct Consumer {
    /// The next byte to receive.
    next: AtomicU64,
    /// `tail` as last seen.
    tail: AtomicU64,
}

impl Consumer {
    pub(crate) fn new(indices: &Indices) -> Consumer {
        let head = match indices.overwrites() {
            // The end before may have gone while it read.
            true => indices.head.0.fetch_and(!HELD, AcqRel),
            false => indices.head.0.load(Acquire),
        };
        let tail = indices.tail.0.load(Acquire);
        let next = if indices.overwrites() { tail.wrapping_sub(beyond(head, tail)) } else { head };
        Consumer { next: AtomicU64::new(next), tail: AtomicU64::new(tail) }
    }

    /// Overwriting: keeps the sender from moving `head` until [`Consumer::release`]. The bytes that can be received from there on,
    /// and how many were overwritten since the last time. Holding twice is as once.
    pub(crate) fn hold(&self, indices: &Indices) -> (u64, u64) {
        // Acquire: the sender published what is beyond `head` before it moved it there.
        let head = indices.head.0.fetch_or(HELD, Acquire);
        let tail = indices.tail.0.load(Acquire);
        let there = beyond(head, tail);
        let (before, next) = (self.next(), tail.wrapping_sub(there));
        self.next.store(next, Relaxed);
        (there.min(indices.capacity), next.wrapping_sub(before))
    }

    /// Overwriting: gives the next `bytes` back and lets go of `head`; the new one.
    pub(crate) fn release(&self, indices: &Indices, bytes: u64) -> u64 {
        let next = self.next().wrapping_add(bytes);
        self.next.store(next, Relaxed);
        // Release: they have been read before the other side writes over them.
        indices.head.0.store(next & !HELD, Release);
        next
    }

    /// Overwriting: the bytes that can be received, without holding them.
    pub(crate) fn glance_overwriting(&self, indices: &Indices) -> u64 {
        // In this order: `tail` is never behind `head` then.
        let head = indices.head.0.load(Acquire);
        beyond(head, indices.tail.0.load(Acquire)).min(indices.capacity)
    }

    /// Overwriting: bytes that the sender has dropped since the last [`Consumer::hold`].
    pub(crate) fn overwritten(&self, indices: &Indices) -> u64 {
        let ahead = beyond(self.next(), indices.head.0.load(Acquire));
        // While the receiver moves both, `head` may seem to be behind.
        if ahead <= HELD / 2 { ahead } else { 0 }
    }

    /// The next byte to receive.
    #[inline(always)]
    pub(crate) fn next(&self) -> u64 {
        self.next.load(Relaxed)
    }

    /// Bytes that can be received, as far as known. Never more than the ring has.
    #[inline(always)]
    pub(crate) fn there(&self, indices: &Indices) -> u64 {
        self.there_unchecked().min(indices.capacity)
    }

    /// The same, but for threads that misuse an end: then it may be anything.
    #[inline(always)]
    pub(crate) fn there_unchecked(&self) -> u64 {
        self.tail.load(Relaxed).wrapping_sub(self.next())
    }

    /// Looks at the other side's index: the bytes that can be received.
    #[inline(always)]
    pub(crate) fn look(&self, indices: &Indices) -> u64 {
        // Acquire: the bytes below `tail` are visible.
        let tail = indices.tail.0.load(Acquire);
        self.tail.store(tail, Relaxed);
        tail.wrapping_sub(self.next()).min(indices.capacity)
    }

    /// The same, and keeps nothing: as [`Producer::glance`].
    pub(crate) fn glance(&self, indices: &Indices) -> u64 {
        indices.tail.0.load(Acquire).wrapping_sub(self.next()).min(indices.capacity)
    }

    /// Gives the room of the next `bytes` back; the new `head`.
    #[inline(always)]
    pub(crate) fn free(&self, indices: &Indices, bytes: u64) -> u64 {
        let next = self.next().wrapping_add(bytes);
        self.next.store(next, Relaxed);
        // Release: they have been read before the other side writes over them.
        indices.head.0.store(next, Release);
        next
    }
}
