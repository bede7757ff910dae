//! The indices of a ring: how bytes are handed over.
//!
//! Two free-running 64-bit counts of bytes, each written by one side: `tail` has been sent, `head` has been received. Each
//! side keeps a copy of its own index and the last one that it saw of the other's, so that it looks at the other's cache line
//! only when it seems to be stuck. The model checker compiles this file: it names nothing but `crate::sync`.

use crate::sync::{AtomicU64, Ordering::*};

/// On a pair of cache lines of its own: processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Line<T>(pub(crate) T);

/// What both sides share.
#[derive(Debug)]
pub(crate) struct Indices {
    tail: Line<AtomicU64>,
    head: Line<AtomicU64>,
    capacity: u64,
}

impl Indices {
    /// An empty ring whose counts begin at `start`.
    pub(crate) fn new(capacity: u64, start: u64) -> Indices {
        Indices { tail: Line(AtomicU64::new(start)), head: Line(AtomicU64::new(start)), capacity }
    }

    /// How many bytes the ring holds.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Bytes that have been sent and not received.
    pub(crate) fn used(&self) -> u64 {
        let head = self.head.0.load(Acquire);
        self.tail.0.load(Acquire).wrapping_sub(head).min(self.capacity)
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
        producer.look(indices);
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

    /// Looks at the other side's index: the bytes of room. Not by what is kept: a second thread that tries to wait on the end,
    /// and is told that it may not, looks too, and might put back what it saw before.
    #[inline(always)]
    pub(crate) fn look(&self, indices: &Indices) -> u64 {
        // Acquire: the other side has read what lies below `head`, so that it may be written over.
        let end = indices.head.0.load(Acquire).wrapping_add(indices.capacity);
        self.end.store(end, Relaxed);
        end.wrapping_sub(self.next()).min(indices.capacity)
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
        let next = AtomicU64::new(indices.head.0.load(Acquire));
        Consumer { next, tail: AtomicU64::new(indices.tail.0.load(Acquire)) }
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

    /// Looks at the other side's index: the bytes that can be received. As [`Producer::look`], not by what is kept.
    #[inline(always)]
    pub(crate) fn look(&self, indices: &Indices) -> u64 {
        // Acquire: the bytes below `tail` are visible.
        let tail = indices.tail.0.load(Acquire);
        self.tail.store(tail, Relaxed);
        tail.wrapping_sub(self.next()).min(indices.capacity)
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
