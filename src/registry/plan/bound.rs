//! The lower bound that needs no search: the maximum load.
//!
//! At each moment the living items lie above each other. If `g` divides all their alignments, each starts at a
//! multiple of `g` above the one below, so each but the highest takes its size rounded up to `g`.

use super::problem::{Problem, gcd};

/// The maximum load in units. O(n log n) for the loads; alignments cost what the sections hold, so they count only
/// where they differ from 1.
pub(super) fn load_bound(problem: &Problem) -> u64 {
    let mut change = vec![0_u64; problem.sections + 1];
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
    plain.max(aligned_load(problem))
}

/// The largest load with padding to a divisor that all blocks share. One sweep over the blocks by start.
fn aligned_load(problem: &Problem) -> u64 {
    let common = problem.blocks.iter().fold(0, |common, block| gcd(common, block.align));
    if common <= 1 {
        return 0;
    }
    let padding = |size: u64| size.next_multiple_of(common) - size;
    let mut events: Vec<(u32, bool, u64)> = Vec::with_capacity(2 * problem.blocks.len());
    for block in &problem.blocks {
        events.push((block.past, false, block.size));
        events.push((block.first, true, block.size));
    }
    events.sort_unstable();
    let mut alive: std::collections::BTreeMap<u64, u32> = std::collections::BTreeMap::new();
    let (mut load, mut most) = (0, 0);
    for (_, begins, size) in events {
        let pad = padding(size);
        if begins {
            load += size + pad;
            *alive.entry(pad).or_default() += 1;
            let widest = alive.last_key_value().map_or(0, |(pad, _)| *pad);
            most = most.max(load - widest);
        } else {
            load -= size + pad;
            if let Some(count) = alive.get_mut(&pad) {
                *count -= 1;
                if *count == 0 {
                    alive.remove(&pad);
                }
            }
        }
    }
    most
}
