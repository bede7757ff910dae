//! Back-off of an end that keeps finding tiny amounts: a pause of 250 ns before it reads the other side's index again.
//!
//! Where two sides move tiny chunks in lockstep, each chunk moves a pair of cache lines between the cores, whether the ring is nearly
//! empty or nearly full. A pause lets a batch gather. An end that has found nothing more than twice in a row does not pause: that is a
//! ping-pong, where latency counts.

use crate::sync::atomic::{AtomicU32, Ordering::*};
use crate::sys::clock::now;

/// Length of a pause.
const PAUSE_NS: u64 = 250;
/// A refresh of the other index that finds at least so many new bytes is not tiny.
const BATCH: u64 = 4096;
/// After so many tiny refreshes in a row the end pauses.
const TINY_REFRESHES: u32 = 4;

/// The gains of the last refreshes. Written by the end's own thread.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    tiny: AtomicU32,
    empty: AtomicU32,
}

impl Backoff {
    /// Before the other index is read.
    #[inline(always)]
    pub(crate) fn before_refresh(&self) {
        if self.tiny.load(Relaxed) >= TINY_REFRESHES {
            pause();
        }
    }

    /// After it: `gained` bytes are new.
    #[inline(always)]
    pub(crate) fn after_refresh(&self, gained: u64) {
        let empty = self.empty.load(Relaxed);
        if gained == 0 {
            self.empty.store(empty.saturating_add(1), Relaxed);
            if empty >= 2 {
                self.tiny.store(0, Relaxed);
            }
            return;
        }
        self.empty.store(0, Relaxed);
        if empty > 2 {
            self.tiny.store(0, Relaxed);
        } else if gained < BATCH {
            self.tiny.store((self.tiny.load(Relaxed) + 1).min(2 * TINY_REFRESHES), Relaxed);
        }
    }
}

#[inline(never)]
fn pause() {
    let end = now() + PAUSE_NS;
    while now() < end {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(backoff: &Backoff) -> bool {
        backoff.tiny.load(Relaxed) >= TINY_REFRESHES
    }

    #[test]
    fn lockstep_pauses_and_a_ping_pong_does_not() {
        let backoff = Backoff::default();
        (0..4).for_each(|_| backoff.after_refresh(8));
        assert!(pauses(&backoff));
        (0..3).for_each(|_| backoff.after_refresh(0));
        assert!(!pauses(&backoff));
        for _ in 0..100 {
            (0..5).for_each(|_| backoff.after_refresh(0));
            backoff.after_refresh(8);
            assert!(!pauses(&backoff));
        }
    }

    #[test]
    fn large_gains_do_not_count_as_tiny() {
        let backoff = Backoff::default();
        (0..100).for_each(|_| backoff.after_refresh(BATCH));
        assert!(!pauses(&backoff));
    }
}
