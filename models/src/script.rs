//! Random scripts for copy-forward.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::harness::soak;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Offsets and lengths are reduced to the state.
    Write {
        at: usize,
        length: usize,
        seed: u8,
    },
    /// Many separate small writes: more than the interval log of a small state holds, or of any.
    Scatter {
        at: usize,
        count: usize,
        length: usize,
        gap: usize,
        seed: u8,
    },
    /// A kernel that reads the range it changes.
    Change {
        at: usize,
        length: usize,
    },
    /// A step of copy-forward.
    CatchUp {
        most: usize,
    },
    Publish,
    /// A write that is published at once, and a lease of its front.
    Turn {
        at: usize,
        length: usize,
        seed: u8,
        hold: bool,
    },
    /// A reader leases the front, or releases a lease.
    Hold,
    Release {
        which: usize,
    },
    /// The reserved back copy: rewritten and committed, or overwritten and cancelled.
    Rewrite {
        seed: u8,
    },
    Cancel {
        discard: bool,
    },
    Trim,
}

fn steps() -> impl Strategy<Value = Step> {
    let at = || prop_oneof![any::<u16>().prop_map(usize::from), any::<u32>().prop_map(|at| at as usize)];
    // Around granules, and beyond one step of copy-forward.
    let length = || prop_oneof![4 => 1..200usize, 1 => 1..20_000usize, 1 => 60_000..200_000usize];
    let write =
        || (at(), length(), any::<u8>()).prop_map(|(at, length, seed)| Step::Write { at, length, seed });
    prop_oneof![
        6 => write(),
        1 => (at(), 1..9usize, 65..200usize, any::<u8>())
            .prop_map(|(at, length, gap, seed)| Step::Scatter { at, count: 800, length, gap, seed }),
        1 => (at(), 9_000..17_000usize, 1..70usize, 1..700usize, any::<u8>())
            .prop_map(|(at, count, length, gap, seed)| Step::Scatter { at, count, length, gap, seed }),
        2 => (at(), length()).prop_map(|(at, length)| Step::Change { at, length }),
        2 => (1..100_000usize).prop_map(|most| Step::CatchUp { most }),
        3 => Just(Step::Publish),
        5 => (at(), length(), any::<u8>(), any::<bool>())
            .prop_map(|(at, length, seed, hold)| Step::Turn { at, length, seed, hold }),
        1 => Just(Step::Hold),
        4 => (0..4usize).prop_map(|which| Step::Release { which }),
        1 => any::<u8>().prop_map(|seed| Step::Rewrite { seed }),
        1 => any::<bool>().prop_map(|discard| Step::Cancel { discard }),
        1 => Just(Step::Trim),
    ]
}

/// Bytes that depend on the seed and their offset.
pub(crate) fn noise(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at as u8).wrapping_mul(31) ^ (at >> 8) as u8 ^ seed).collect()
}

/// Runs scripts on states of many sizes with several copies. The scripts are the same every time.
pub(crate) fn check(run: impl Fn(usize, usize, &[Step])) {
    // Within an interval log, within a bitmap, and beyond one step.
    let bytes = prop_oneof![4 => 1..400usize, 2 => 400..6000usize, 3 => 66_000..200_000usize, 1 => 260_000..400_000usize];
    let scripts = (bytes, 2..=5usize, vec(steps(), 1..40));
    let cases = if soak() { 200_000 } else { 4000 };
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(&scripts, |(bytes, copies, steps)| {
        run(bytes, copies, &steps);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
