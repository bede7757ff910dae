//! The lower bound that needs no search: the maximum load.
//!
//! At each moment the living items lie above each other. If `g` divides all their alignments, each starts at a
//! multiple of `g` above the one below, so each but the highest takes its size rounded up to `g`.

use super::PlanError;
use super::problem::{Problem, gcd};
use super::room::{filled, room};
use super::sorted::Sorted;

/// The maximum load in units. O(n log n) for the loads; alignments cost what the sections hold, so they count only
/// where they differ from 1.
pub(super) fn load_bound(problem: &Problem) -> Result<u64, PlanError> {
    let mut change = filled(0_u64, problem.sections + 1)?;
    for block in &problem.blocks {
        change[block.first as usize] = change[block.first as usize].wrapping_add(block.size);
        change[block.past as usize] = change[block.past as usize].wrapping_sub(block.size);
    }
    let mut load = 0_u64;
    let plain = change.iter().map(|change| {
        load = load.wrapping_add(*change);
        load
    });
    let plain = plain.max().unwrap_or(0);
    Ok(plain.max(aligned_load(problem)?))
}

/// The largest load with padding to a divisor that all blocks share. One sweep over the blocks by start.
fn aligned_load(problem: &Problem) -> Result<u64, PlanError> {
    let common = problem.blocks.iter().fold(0, |common, block| gcd(common, block.align));
    if common <= 1 {
        return Ok(0);
    }
    let padding = |size: u64| size.next_multiple_of(common) - size;
    let mut events = room(2 * problem.blocks.len())?;
    for (k, block) in problem.blocks.iter().enumerate() {
        events.push((block.past, false, k));
        events.push((block.first, true, k));
    }
    events.sort_unstable();
    let mut alive = Sorted::new();
    let (mut load, mut most) = (0, 0);
    for (_, begins, k) in events {
        let size = problem.blocks[k].size;
        let pad = padding(size);
        if begins {
            load += size + pad;
            alive.insert((pad, k))?;
            let widest = alive.last().map_or(0, |(pad, _)| pad);
            most = most.max(load - widest);
        } else {
            load -= size + pad;
            alive.remove((pad, k));
        }
    }
    Ok(most)
}
