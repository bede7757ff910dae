//! Which buffers of a region must keep apart, or lie in each other, as few pairs as tell it.

use std::collections::HashMap;

use crate::alloc::try_vec;
use crate::error::{Error, Result};
use crate::registry::buffer::Lifetime;
use crate::registry::layout::{Layout, Origin, Placed, Space};

/// Two buffers, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) low: usize,
    /// Begins where `low` has ended, or later.
    pub(super) high: usize,
    /// Instead, is a slice of it.
    pub(super) inside: bool,
}

fn span(placed: &Placed) -> (u64, u64) {
    let place = &placed.allocator;
    let start = place.byte_offset.unwrap_or(0);
    (start, start + place.length * place.element_bytes())
}

/// By index: the buffer of which it is a slice.
fn targets(layout: &Layout) -> Result<Vec<Option<usize>>> {
    let mut names = HashMap::new();
    names.try_reserve(layout.buffers.len())?;
    let mut targets = try_vec(layout.buffers.len())?;
    for (index, placed) in layout.buffers.iter().enumerate() {
        let slice = placed.allocator.origin == Origin::Aliased;
        let target = placed.buffer.aliases.as_deref().filter(|_| slice);
        targets.push(target.and_then(|target| names.get(target).copied()));
        names.insert(placed.buffer.name.as_str(), index);
    }
    Ok(targets)
}

/// By index: when its memory is in use, by itself or by a slice of it. Without a plan nothing takes turns.
fn uses(layout: &Layout, targets: &[Option<usize>]) -> Result<Vec<Lifetime>> {
    let mut uses: Vec<Lifetime> = try_vec(targets.len())?;
    let alive =
        |placed: &Placed| placed.buffer.lifetime.filter(|_| layout.planned).unwrap_or(Lifetime::ALWAYS);
    uses.extend(layout.buffers.iter().map(alive));
    // From the last to the first: a slice comes after its target.
    for (index, target) in targets.iter().enumerate().rev() {
        if let &Some(target) = target {
            let slice = uses[index];
            uses[target].begin = uses[target].begin.min(slice.begin);
            uses[target].end = uses[target].end.max(slice.end);
        }
    }
    Ok(uses)
}

/// The pairs of a space. Each holds only what no other pairs already tell: a buffer is above those below it that are alive with
/// it and that nothing between hides.
pub(super) fn pairs(layout: &Layout, space: Space) -> Result<Vec<Pair>> {
    let targets = targets(layout)?;
    let uses = uses(layout, &targets)?;
    let mut found = Vec::new();
    let mut tell = |low, high, inside| {
        found.try_reserve(1)?;
        found.push(Pair { low, high, inside });
        Ok::<_, Error>(())
    };
    let there = |index: &usize| layout.buffers[*index].allocator.space == space;
    let mut order = try_vec(layout.buffers.len())?;
    order.extend((0..layout.buffers.len()).filter(there));
    // What is empty comes before what begins at the same place.
    order.sort_unstable_by_key(|&index| (span(&layout.buffers[index]), index));

    let mut slices: Vec<Option<usize>> = try_vec(layout.buffers.len())?;
    slices.resize(layout.buffers.len(), None);
    for (at, &high) in order.iter().enumerate() {
        if let Some(target) = targets[high] {
            // Slices of one target lie side by side.
            tell(target, high, true)?;
            if let Some(before) = slices[target].replace(high) {
                tell(before, high, false)?;
            }
            continue;
        }
        if span(&layout.buffers[high]).0 == span(&layout.buffers[high]).1 {
            continue;
        }
        // When nothing that has been told is below it yet.
        let mut bare: Vec<Lifetime> = try_vec(1)?;
        bare.push(uses[high]);
        for &low in order[..at].iter().rev() {
            let empty = span(&layout.buffers[low]).0 == span(&layout.buffers[low]).1;
            if targets[low].is_some() || empty || !bare.iter().any(|steps| steps.meets(uses[low])) {
                continue;
            }
            tell(low, high, false)?;
            let mut rest = try_vec(bare.len() + 1)?;
            for steps in bare {
                let parts = [
                    Lifetime { end: steps.end.min(uses[low].begin), ..steps },
                    Lifetime { begin: steps.begin.max(uses[low].end), ..steps },
                ];
                rest.extend(parts.into_iter().filter(|part| part.begin < part.end));
            }
            bare = rest;
            if bare.is_empty() {
                break;
            }
        }
    }
    Ok(found)
}
