//! Allocator of ranges in a ring of bytes, freed frame by frame: bookkeeping only, without the memory.
//!
//! A *frame* is freed as a whole: a submit, a rendered picture. Its ranges follow each other; a range that does not fit before the end of
//! the ring begins at 0, and the bytes skipped at the end count as the frame's.

use std::collections::VecDeque;

use crate::error::Result;

/// A ring allocator. An empty ring begins at 0 again.
#[derive(Debug)]
pub(crate) struct FrameRing {
    bytes: u64,
    head: u64,
    used: u64,
    /// The bytes of each frame, the oldest first.
    frames: VecDeque<(u64, u64)>,
}

impl FrameRing {
    pub(crate) const fn new(bytes: u64) -> FrameRing {
        FrameRing { bytes, head: 0, used: 0, frames: VecDeque::new() }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that are allocated, or skipped at the end.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// Frees the frames up to `passed`.
    pub(crate) fn free(&mut self, passed: u64) {
        while let Some(&(_, bytes)) = self.frames.front().filter(|(frame, _)| *frame <= passed) {
            self.used -= bytes;
            self.frames.pop_front();
        }
        if self.used == 0 {
            self.head = 0;
        }
    }

    /// Allocates a range for `frame`, which is no older than earlier ones, and returns its offset; `None` if there is no space. `align`
    /// is a power of two, and the ring's bytes are a multiple of it.
    pub(crate) fn claim(&mut self, bytes: u64, align: u64, frame: u64) -> Result<Option<u64>> {
        debug_assert!(self.bytes.is_multiple_of(align) && self.head.is_multiple_of(align));
        let Some(bytes) = bytes.max(1).checked_next_multiple_of(align).filter(|bytes| *bytes <= self.bytes)
        else {
            return Ok(None);
        };
        let waste = if self.head + bytes > self.bytes { self.bytes - self.head } else { 0 };
        let total = waste + bytes;
        if self.used + total > self.bytes {
            return Ok(None);
        }
        match self.frames.back_mut().filter(|(newest, _)| *newest == frame) {
            Some((_, bytes)) => *bytes += total,
            None => {
                self.frames.try_reserve(1)?;
                self.frames.push_back((frame, total));
            }
        }
        let at = if waste > 0 { 0 } else { self.head };
        // At the end the head wraps to 0, where bytes are allocated only once they are free.
        self.head = (at + bytes) % self.bytes;
        self.used += total;
        Ok(Some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_free_when_their_frame_has_passed() {
        let mut ring = FrameRing::new(4096);
        for frame in 1..=4 {
            assert_eq!(ring.claim(1024, 64, frame), Ok(Some((frame - 1) * 1024)), "exactly filled");
        }
        assert_eq!(ring.claim(1, 64, 5), Ok(None));
        ring.free(1);
        assert_eq!(ring.claim(100, 64, 5), Ok(Some(0)));
        assert_eq!(ring.claim(1, 64, 5), Ok(Some(128)));
        assert_eq!(ring.claim(1024, 64, 5), Ok(None));
        assert_eq!(ring.claim(4097, 64, 5), Ok(None), "never");
        assert_eq!(ring.claim(u64::MAX, 64, 5), Ok(None), "nor a size that overflows");
    }

    #[test]
    fn bytes_skipped_at_the_end_count_as_used() {
        let mut ring = FrameRing::new(4096);
        assert_eq!(ring.claim(3072, 64, 1), Ok(Some(0)));
        assert_eq!(ring.claim(512, 64, 2), Ok(Some(3072)));
        ring.free(1);
        assert_eq!(ring.claim(1024, 64, 3), Ok(Some(0)), "512 bytes at the end are too few");
        assert_eq!(ring.used, 512 + 512 + 1024);
        ring.free(2);
        assert_eq!(ring.used, 512 + 1024);
        ring.free(3);
        assert_eq!(ring.used(), 0);
        assert_eq!(ring.claim(4096, 64, 4), Ok(Some(0)), "empty: from the beginning");
    }

    #[derive(Clone, Copy, Debug)]
    enum RingStep {
        Claim(u64),
        NextFrame,
        Pass,
    }

    fn step() -> impl Strategy<Value = RingStep> {
        prop_oneof![4 => (0..700u64).prop_map(RingStep::Claim), 2 => Just(RingStep::NextFrame), 1 => Just(RingStep::Pass)]
    }

    proptest! {
        #[test]
        fn live_ranges_do_not_overlap_and_space_is_refused_only_when_there_is_none(
            steps in proptest::collection::vec(step(), 1..200),
        ) {
            const BYTES: u64 = 2048;
            let mut ring = FrameRing::new(BYTES);
            let (mut frame, mut passed) = (1, 0);
            // Of each range: its frame, the offset from which its bytes count, its begin and its end.
            let mut live: Vec<(u64, u64, u64, u64)> = Vec::new();
            for step in steps {
                match step {
                    RingStep::NextFrame => frame += 1,
                    RingStep::Pass => {
                        passed = (passed + 1).min(frame - 1);
                        ring.free(passed);
                        live.retain(|(of, ..)| *of > passed);
                        prop_assert!(!live.is_empty() || ring.used() == 0);
                    }
                    RingStep::Claim(bytes) => {
                        let rounded = bytes.max(1).next_multiple_of(64);
                        match ring.claim(bytes, 64, frame).unwrap() {
                            Some(at) => {
                                prop_assert!(at % 64 == 0 && at + rounded <= BYTES);
                                prop_assert!(live.iter().all(|(.., from, to)| at >= *to || *from >= at + rounded));
                                let charged_from = live.last().map_or(0, |last| last.3 % BYTES);
                                live.push((frame, charged_from, at, at + rounded));
                            }
                            // There is no large enough gap from the newest range to the oldest.
                            None if live.is_empty() => prop_assert!(rounded > BYTES),
                            None => {
                                let (tail, head) = (live[0].1, live[live.len() - 1].3 % BYTES);
                                let room = if head > tail { (BYTES - head).max(tail) } else { tail - head };
                                prop_assert!(room < rounded, "{room} bytes are free, and {rounded} were refused");
                            }
                        }
                    }
                }
            }
        }
    }
}
