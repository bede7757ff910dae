//! Lists whose every allocation can fail: then the call is refused, and the process goes on.

use super::PlanError;
use std::collections::TryReserveError;

pub(super) fn out_of_memory(_: TryReserveError) -> PlanError {
    PlanError::OutOfMemory
}

/// An empty list with room for so many.
pub(super) fn room<T>(count: usize) -> Result<Vec<T>, PlanError> {
    let mut list = Vec::new();
    list.try_reserve_exact(count).map_err(out_of_memory)?;
    Ok(list)
}

/// The same value again and again.
pub(super) fn filled<T: Copy>(value: T, count: usize) -> Result<Vec<T>, PlanError> {
    let mut list = room(count)?;
    list.resize(count, value);
    Ok(list)
}

/// So many empty lists.
pub(super) fn lists<T>(count: usize) -> Result<Vec<Vec<T>>, PlanError> {
    let mut lists = room(count)?;
    lists.resize_with(count, Vec::new);
    Ok(lists)
}

pub(super) fn collected<T>(items: impl Iterator<Item = T>) -> Result<Vec<T>, PlanError> {
    let (least, most) = items.size_hint();
    let mut list = room(most.unwrap_or(least))?;
    for item in items {
        push(&mut list, item)?;
    }
    Ok(list)
}

pub(super) fn push<T>(list: &mut Vec<T>, item: T) -> Result<(), PlanError> {
    list.try_reserve(1).map_err(out_of_memory)?;
    list.push(item);
    Ok(())
}
