//! Memory of failed states: what the search has refuted once it does not enter again, also in later runs for the same
//! capacity.
//!
//! A fixed table of 64-bit hashes, each slot holding what came last. Every plan is a real one whatever the hashes; a
//! false match (some 1 in 10^9 in a minute of search) could only hide one, and so make a refutation wrong.

use super::PlanError;
use super::random::scramble;
use super::room::filled;

const SLOTS: usize = 1 << 18;

#[derive(Debug)]
pub(super) struct Memory(Vec<u64>);

impl Memory {
    pub(super) fn new() -> Result<Memory, PlanError> {
        Ok(Memory(filled(0, SLOTS)?))
    }

    pub(super) fn contains(&self, state: u64) -> bool {
        self.0[state as usize % SLOTS] == state
    }

    pub(super) fn insert(&mut self, state: u64) {
        self.0[state as usize % SLOTS] = state;
    }
}

/// An order-dependent mix of two numbers.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    scramble(a.rotate_left(23) ^ b.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}
