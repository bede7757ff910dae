//! What a dynamic buffer counts.

use crate::sync::counter::Counter;

/// What a dynamic buffer has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DynamicStatistics {
    /// Updates begun.
    pub updates: u64,
    /// Bytes of the updates.
    pub bytes: u64,
    /// Frames ended that had updates.
    pub frames: u64,
    /// Updates that waited for room, because the device is behind.
    pub stalls: u64,
    /// Nanoseconds that they waited.
    pub stalled_ns: u64,
    /// Updates refused for want of room.
    pub refused: u64,
    /// Times that the ring grew.
    pub grown: u64,
    /// Times that it shrank again.
    pub trimmed: u64,
    /// Updates larger than the ring, which got a buffer of their own.
    pub dedicated: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) updates: Counter,
    pub(super) bytes: Counter,
    pub(super) frames: Counter,
    pub(super) stalls: Counter,
    pub(super) stalled_ns: Counter,
    pub(super) refused: Counter,
    pub(super) grown: Counter,
    pub(super) trimmed: Counter,
    pub(super) dedicated: Counter,
}

impl Counters {
    pub(super) fn seen(&self) -> DynamicStatistics {
        let Counters { updates, bytes, frames, stalls, stalled_ns, refused, grown, trimmed, dedicated } =
            self;
        DynamicStatistics {
            updates: updates.get(),
            bytes: bytes.get(),
            frames: frames.get(),
            stalls: stalls.get(),
            stalled_ns: stalled_ns.get(),
            refused: refused.get(),
            grown: grown.get(),
            trimmed: trimmed.get(),
            dedicated: dedicated.get(),
        }
    }
}
