//! The judge of a plan. It shares nothing with the planner: it looks at the items as the caller gave them.

use super::Item;
use std::collections::BTreeMap;

/// What is wrong with the offsets of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// There are more or fewer offsets than items.
    Count,
    /// The offset of this item is no multiple of its alignment.
    Misaligned(usize),
    /// The offset of this item plus its size is beyond 64 bits.
    Overflow(usize),
    /// These two items share bytes while both are alive.
    Overlap(usize, usize),
}

/// Checks that no two items share bytes while both are alive and that each offset is aligned; tells the height of the
/// plan.
///
/// O(n log n): items enter and leave a map by offset in the order of time, and one that enters looks at its two
/// neighbours only. Takes memory for granted.
///
/// ```
/// use backbuf::registry::plan::{Item, Violation, check};
///
/// let items = [Item::new(0, 5, 100), Item::new(3, 9, 50), Item::new(5, 9, 100)];
/// assert_eq!(check(&items, &[0, 100, 0]), Ok(150));
/// assert_eq!(check(&items, &[0, 99, 0]), Err(Violation::Overlap(0, 1)));
/// ```
pub fn check(items: &[Item], offsets: &[u64]) -> Result<u64, Violation> {
    if items.len() != offsets.len() {
        return Err(Violation::Count);
    }
    let mut height = 0;
    // At the same moment ends come before beginnings: lifetimes are half-open.
    let mut events = Vec::with_capacity(2 * items.len());
    for (index, item) in items.iter().enumerate() {
        if !offsets[index].is_multiple_of(item.align) {
            return Err(Violation::Misaligned(index));
        }
        let top = offsets[index].checked_add(item.size).ok_or(Violation::Overflow(index))?;
        if item.size > 0 && item.start < item.end {
            height = height.max(top);
            events.push((item.start, true, index));
            events.push((item.end, false, index));
        }
    }
    events.sort_unstable();
    let mut alive: BTreeMap<u64, usize> = BTreeMap::new();
    for (_, begins, index) in events {
        let offset = offsets[index];
        if !begins {
            alive.remove(&offset);
            continue;
        }
        let below = alive.range(..=offset).next_back();
        if let Some((_, &other)) = below.filter(|&(&at, &other)| at + items[other].size > offset) {
            return Err(Violation::Overlap(other.min(index), other.max(index)));
        }
        let above = alive.range(offset..).next();
        if let Some((_, &other)) = above.filter(|&(&at, _)| offset + items[index].size > at) {
            return Err(Violation::Overlap(other.min(index), other.max(index)));
        }
        alive.insert(offset, index);
    }
    Ok(height)
}
