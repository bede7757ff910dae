//! Items from columns of numbers, as C, Python and files have them, with checks that name column, row and remedy.

use crate::error::{Error, Result, Status};
use crate::planner::problem::{Item, PlanError, with_capacity};

/// Items of columns: item `k` has `size[k]` bytes and is alive from step `lower[k]` up to but not including `upper[k]`. `alignment`
/// has no number, for none; one number, for all items; or one for each item.
///
/// Columns have typing errors where a program has none, so that this refuses more than [`plan`](crate::plan()): items that are
/// never alive or have no bytes, and alignments that are no powers of two. The sum of all sizes, with padding for their alignment,
/// must fit 64 bits.
///
/// ```
/// use backbuf::planner::{PlanOptions, items};
/// let items = items(&[0, 3, 0], &[3, 9, 9], &[100, 100, 50], &[64])?;
/// let plan = backbuf::plan(&items, &PlanOptions::default())?;
/// assert_eq!((plan.offsets, plan.height), (vec![64, 64, 0], 164));
///
/// let error = backbuf::planner::items(&[5], &[5], &[100], &[]).unwrap_err();
/// assert_eq!(error.to_string(), "upper[0] = 5: must be greater than lower: an item ends after it begins");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn items(lower: &[u64], upper: &[u64], size: &[u64], alignment: &[u64]) -> Result<Vec<Item>> {
    let count = lower.len();
    for (param, length) in [("upper", upper.len()), ("size", size.len())] {
        if length != count {
            let reason = "numbers: lower, upper and size have one for each item";
            return Err(Error::value(Status::Argument, param, length as u64, reason));
        }
    }
    if alignment.len() > 1 && alignment.len() != count {
        let reason = "numbers: give none, one for all items, or one for each";
        return Err(Error::value(Status::Argument, "alignment", alignment.len() as u64, reason));
    }
    if let Some(index) = alignment.iter().position(|align| !align.is_power_of_two()) {
        let reason = "must be a power of two; 1 for no alignment";
        return Err(Error::entry(Status::Align, "alignment", (index, alignment[index]), reason));
    }
    let mut items = with_capacity(count)?;
    let mut sum = 0_u64;
    for index in 0..count {
        let (start, end, size) = (lower[index], upper[index], size[index]);
        let align = alignment.get(index).or(alignment.first()).copied().unwrap_or(1);
        if end <= start {
            let reason = "must be greater than lower: an item ends after it begins";
            return Err(Error::entry(Status::Argument, "upper", (index, end), reason));
        }
        if size == 0 {
            let reason = "an item has at least one byte; leave out what needs no memory";
            return Err(Error::entry(Status::Argument, "size", (index, size), reason));
        }
        let padded = size.checked_add(align - 1).and_then(|padded| sum.checked_add(padded));
        sum = padded.ok_or_else(|| {
            let reason = "the sizes up to here, with padding for their alignment, exceed 64 bits";
            Error::entry(Status::Range, "size", (index, size), reason)
        })?;
        items.push(Item { start, end, size, align });
    }
    Ok(items)
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Error {
        let (index, status, reason) = match error {
            PlanError::OutOfMemory => return Error::of(Status::OutOfMemory),
            PlanError::EndsBeforeStart { index } => (index, Status::Argument, "ends before it starts"),
            PlanError::NoAlignment { index } => {
                (index, Status::Argument, "has alignment 0; use 1 for no alignment")
            }
            PlanError::TooLarge { index } => {
                (index, Status::Range, "the sizes up to this item exceed 64 bits")
            }
        };
        Error::value(status, "item", index as u64, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_column_row_and_remedy() {
        let refused = |lower: &[u64], upper: &[u64], size: &[u64], alignment: &[u64]| {
            let error = items(lower, upper, size, alignment).unwrap_err();
            (error.status(), error.to_string())
        };
        let (status, text) = refused(&[1, 7], &[2, 5], &[1, 1], &[]);
        assert_eq!(status, Status::Argument);
        assert_eq!(text, "upper[1] = 5: must be greater than lower: an item ends after it begins");
        let (status, text) = refused(&[1, 2], &[2, 3], &[1, 0], &[]);
        assert_eq!(status, Status::Argument);
        assert_eq!(text, "size[1] = 0: an item has at least one byte; leave out what needs no memory");
        let (status, text) = refused(&[1, 2], &[2], &[1, 1], &[]);
        assert_eq!(status, Status::Argument);
        assert_eq!(text, "upper = 1: numbers: lower, upper and size have one for each item");
        assert!(refused(&[1, 2], &[2, 3], &[1], &[]).1.starts_with("size = 1: numbers"));
        assert!(refused(&[1; 3], &[2; 3], &[1; 3], &[1, 1]).1.starts_with("alignment = 2: numbers"));
        for align in [0, 3, u64::MAX] {
            let (status, text) = refused(&[1, 1], &[2, 2], &[1, 1], &[8, align]);
            assert_eq!(status, Status::Align);
            assert_eq!(text, format!("alignment[1] = {align}: must be a power of two; 1 for no alignment"));
        }
    }

    #[test]
    fn sums_that_overflow_are_refused_where_they_do() {
        let half = 1 << 63;
        let error = items(&[0, 0], &[1, 1], &[half, half], &[]).unwrap_err();
        assert_eq!(error.status(), Status::Range);
        assert!(error.to_string().starts_with("size[1] = 9223372036854775808: the sizes up to here"));
        assert!(items(&[0], &[1], &[u64::MAX], &[2]).is_err());
        assert!(items(&[0], &[1], &[u64::MAX], &[1]).is_ok());
        assert_eq!(items(&[], &[], &[], &[]).unwrap().len(), 0);
        assert_eq!(items(&[0], &[1], &[5], &[4096]).unwrap()[0].align, 4096);
    }
}
