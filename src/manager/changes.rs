//! Changes between two epochs: the ranges in which a leased front may differ from an older one.

use std::ops::Range;

use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};
use crate::handle::lease::{self, LeaseId};
use crate::manager::copies::change_history::{ChangeQuery, ChangedRanges};
use crate::manager::copies::copies::StateCopies;

/// The ranges in which a front may differ from an older one, from [`Front::changed_since`](super::front::Front::changed_since).
///
/// They are ascending, do not overlap or touch, and lie within the state. Every element that differs is in one of them; they may
/// also have elements that are equal. Fronts of untyped managers, and device fronts, count in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    ranges: Vec<Range<usize>>,
    complete: bool,
}

impl Changes {
    /// The ranges, in elements of the front's type.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// Whether the manager's history covers both epochs. If not, the only range is the whole state.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

impl<'a> IntoIterator for &'a Changes {
    type Item = Range<usize>;
    type IntoIter = std::iter::Cloned<std::slice::Iter<'a, Range<usize>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.ranges.iter().cloned()
    }
}

/// The part of a state whose changes are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ChangedPart<'a> {
    All,
    Field(u32),
    Named(&'a str),
}

/// The changes of a leased front since that epoch: of all in elements of `size` bytes, of a field in its elements.
pub(crate) fn changed_since(
    lease: LeaseId,
    since: u64,
    part: ChangedPart<'_>,
    size: usize,
) -> Result<Changes> {
    changes(lease, since, part, u64::MAX, |changed, element| {
        let size = element.unwrap_or(size);
        let mut ranges: Vec<Range<usize>> = try_vec(changed.most())?;
        changed.for_each(|_, start, end| {
            let (start, end) = (start as usize / size, (end as usize).div_ceil(size));
            match ranges.last_mut() {
                // Ranges that end in one element, or in neighbouring ones, are one; and so is one that is set again.
                Some(last) if start <= last.end => last.end = end,
                _ => ranges.push(start..end),
            }
        });
        Ok(Changes { ranges, complete: changed.complete })
    })
}

/// Passes at most `capacity` ranges that have changed since that epoch to `work`, relative to the start of the part, and the
/// bytes of an element if the part is a field.
pub(crate) fn changes<R>(
    lease: LeaseId,
    since: u64,
    part: ChangedPart<'_>,
    capacity: u64,
    work: impl FnOnce(ChangedRanges<'_>, Option<usize>) -> Result<R>,
) -> Result<R> {
    let used = lease::pin(lease)?;
    let Some((copies, _)) = StateCopies::of_front(&used) else {
        return Err(Error::param(
            Status::Argument,
            "front.lease",
            "is not of a front; pass a front as acquired",
        ));
    };
    let epoch = used.about();
    if since > epoch {
        let reason = "is later than the front's epoch; pass the epoch of an older front";
        return Err(Error::value(Status::Argument, "since_epoch", since, reason));
    }
    if capacity == 0 {
        return Err(Error::value(Status::Argument, "capacity", 0, "at least one range is required"));
    }
    let field = match part {
        ChangedPart::All => None,
        ChangedPart::Field(index) => Some(copies.fields().get(index)?),
        ChangedPart::Named(name) => Some(copies.fields().named(name)?),
    };
    let within =
        field.map_or(0..copies.bytes() as u64, |field| field.offset..field.offset + field.shape.bytes);
    let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
    let element = field.map(|field| field.shape.element as usize);
    copies
        .changes()
        .query(ChangeQuery { since, epoch, within: &within, capacity }, |changed| work(changed, element))
}
