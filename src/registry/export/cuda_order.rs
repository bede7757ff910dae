//! The order of the buffers in a region, as few pairs of buffers as imply it: for the assertions of the CUDA header.

use std::collections::HashMap;

use crate::alloc::try_vec;
use crate::error::{Error, Result};
use crate::registry::buffer::Lifetime;
use crate::registry::layout::{Layout, Origin, Placed};
use crate::registry::options::Space;

/// Two buffers by index, and their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrderConstraint {
    pub(crate) low: usize,
    /// It begins at or after the end of `low`, unless `inside`.
    pub(crate) high: usize,
    /// `high` is a slice of `low`.
    pub(crate) inside: bool,
}

fn span(placed: &Placed) -> (u64, u64) {
    let allocator = &placed.allocator;
    let start = allocator.byte_offset.unwrap_or(0);
    (start, start + allocator.length * allocator.element_bytes())
}

/// By index: the alias target whose slice it is.
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

/// By index: the steps in which its memory is in use, by itself or by its slices. Without a plan, always.
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

/// The pairs of a space, without those that other pairs imply: a buffer is above each buffer below it that is alive together
/// with it, unless buffers between them cover those steps.
pub(crate) fn pairs(layout: &Layout, space: Space) -> Result<Vec<OrderConstraint>> {
    let targets = targets(layout)?;
    let uses = uses(layout, &targets)?;
    let mut found = Vec::new();
    let mut add = |low, high, inside| {
        found.try_reserve(1)?;
        found.push(OrderConstraint { low, high, inside });
        Ok::<_, Error>(())
    };
    let there = |index: &usize| layout.buffers[*index].allocator.space == space;
    let mut order = try_vec(layout.buffers.len())?;
    order.extend((0..layout.buffers.len()).filter(there));
    // Empty buffers come before those that begin at the same offset.
    order.sort_unstable_by_key(|&index| (span(&layout.buffers[index]), index));

    let mut slices: Vec<Option<usize>> = try_vec(layout.buffers.len())?;
    slices.resize(layout.buffers.len(), None);
    for (at, &high) in order.iter().enumerate() {
        if let Some(target) = targets[high] {
            // Slices of one target are adjacent.
            add(target, high, true)?;
            if let Some(before) = slices[target].replace(high) {
                add(before, high, false)?;
            }
            continue;
        }
        if span(&layout.buffers[high]).0 == span(&layout.buffers[high]).1 {
            continue;
        }
        // The steps at which no pair below it has been added yet.
        let mut uncovered: Vec<Lifetime> = try_vec(1)?;
        uncovered.push(uses[high]);
        for &low in order[..at].iter().rev() {
            let empty = span(&layout.buffers[low]).0 == span(&layout.buffers[low]).1;
            if targets[low].is_some() || empty || !uncovered.iter().any(|steps| steps.meets(uses[low])) {
                continue;
            }
            add(low, high, false)?;
            let mut rest = try_vec(uncovered.len() + 1)?;
            for steps in uncovered {
                let parts = [
                    Lifetime { end: steps.end.min(uses[low].begin), ..steps },
                    Lifetime { begin: steps.begin.max(uses[low].end), ..steps },
                ];
                rest.extend(parts.into_iter().filter(|part| part.begin < part.end));
            }
            uncovered = rest;
            if uncovered.is_empty() {
                break;
            }
        }
    }
    Ok(found)
}
