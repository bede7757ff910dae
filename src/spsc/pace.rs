//! The pace of an end: a stream of tiny chunks whose two sides run in lockstep moves a pair of cache lines to and fro for each
//! chunk, whether the ring is nearly empty or nearly full. An end that finds itself there pauses for a moment before it looks
//! at the other one's index again, so that a batch gathers. It never pauses where it has just looked in vain more than twice
//! in a row: that is a ping-pong, where each nanosecond counts.

use crate::sync::atomic::{AtomicU32, Ordering::*};
use crate::sys::clock::now;

/// How long a pause is.
const PAUSE_NS: u64 = 250;
/// A look that brings at least so much is worth its price.
const BATCH: u64 = 4096;
/// After so many tiny looks in a row the end pauses.
const TINY_LOOKS: u32 = 4;

/// What the last looks brought. Written by the end's thread.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    tiny: AtomicU32,
    vain: AtomicU32,
}

impl Pace {
    /// Before a look at the other index.
    #[inline(always)]
    pub(crate) fn before(&self) {
        if self.tiny.load(Relaxed) >= TINY_LOOKS {
            pause();
        }
    }

    /// After it: so many bytes are new.
    #[inline(always)]
    pub(crate) fn after(&self, gained: u64) {
        let vain = self.vain.load(Relaxed);
        if gained == 0 {
            self.vain.store(vain.saturating_add(1), Relaxed);
            if vain >= 2 {
                self.tiny.store(0, Relaxed);
            }
            return;
        }
        self.vain.store(0, Relaxed);
        if vain > 2 {
            self.tiny.store(0, Relaxed);
        } else if gained < BATCH {
            self.tiny.store((self.tiny.load(Relaxed) + 1).min(2 * TINY_LOOKS), Relaxed);
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

    fn pauses(pace: &Pace) -> bool {
        pace.tiny.load(Relaxed) >= TINY_LOOKS
    }

    #[test]
    fn lockstep_pauses_and_a_ping_pong_does_not() {
        let pace = Pace::default();
        (0..4).for_each(|_| pace.after(8));
        assert!(pauses(&pace));
        (0..3).for_each(|_| pace.after(0));
        assert!(!pauses(&pace));
        for _ in 0..100 {
            (0..5).for_each(|_| pace.after(0));
            pace.after(8);
            assert!(!pauses(&pace));
        }
    }

    #[test]
    fn large_gains_do_not_count_as_tiny() {
        let pace = Pace::default();
        (0..100).for_each(|_| pace.after(BATCH));
        assert!(!pauses(&pace));
    }
}
