//! Room in a ring of bytes, claimed piece by piece and given back by frames: plain data, with no memory in it.
//!
//! A *frame* is whatever passes as a whole: a submit, a rendered picture. Its pieces lie one behind the other; a piece that
//! does not fit before the end begins at 0, and the frame is charged for what is left out.

use std::collections::VecDeque;

use crate::error::Result;

/// See the module. Head and tail count from 0 again whenever the ring is empty.
#[derive(Debug)]
pub(crate) struct FrameRing {
    bytes: u64,
    head: u64,
    used: u64,
    /// What each frame has been charged, in their order.
    charged: VecDeque<(u64, u64)>,
}

impl FrameRing {
    pub(crate) const fn new(bytes: u64) -> FrameRing {
        FrameRing { bytes, head: 0, used: 0, charged: VecDeque::new() }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that are claimed, or left out at the end.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// Frames up to `passed` give back what they were charged.
    pub(crate) fn free(&mut self, passed: u64) {
        while let Some(&(_, charged)) = self.charged.front().filter(|(frame, _)| *frame <= passed) {
            self.used -= charged;
            self.charged.pop_front();
        }
        if self.used == 0 {
            self.head = 0;
        }
    }

    /// Where a piece for `frame`, which is no older than those before, may lie; none if there is no room. `align` is a power
    /// of two, and the ring's bytes are a multiple of it.
    pub(crate) fn claim(&mut self, bytes: u64, align: u64, frame: u64) -> Result<Option<u64>> {
        debug_assert!(self.bytes.is_multiple_of(align) && self.head.is_multiple_of(align));
        let Some(bytes) = bytes.max(1).checked_next_multiple_of(align).filter(|bytes| *bytes <= self.bytes)
        else {
            return Ok(None);
        };
        let waste = if self.head + bytes > self.bytes { self.bytes - self.head } else { 0 };
        let charge = waste + bytes;
        if self.used + charge > self.bytes {
            return Ok(None);
        }
        match self.charged.back_mut().filter(|(newest, _)| *newest == frame) {
            Some((_, charged)) => *charged += charge,
            None => {
                self.charged.try_reserve(1)?;
                self.charged.push_back((frame, charge));
            }
        }
        let at = if waste > 0 { 0 } else { self.head };
        // At the end it wraps: what is there is claimed only once it is free.
        self.head = (at + bytes) % self.bytes;
        self.used += charge;
        Ok(Some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_come_back_when_their_frame_has_passed() {
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
        assert_eq!(ring.claim(u64::MAX, 64, 5), Ok(None), "nor what cannot be rounded up");
    }

    #[test]
    fn the_end_is_charged_when_it_is_left_out() {
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
        fn no_two_pieces_that_live_overlap_and_room_is_refused_only_when_there_is_none(
            steps in proptest::collection::vec(step(), 1..200),
        ) {
            const BYTES: u64 = 2048;
            let mut ring = FrameRing::new(BYTES);
            let (mut frame, mut passed) = (1, 0);
            // Of each piece its frame, where it is charged from, and where it lies.
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
                            // From the newest piece on, up to the oldest, there is no gap that would do.
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
