//! GPU limits by architecture, occupancy, bank conflicts, and launch checks.

pub(crate) mod check;
pub(crate) mod limits;
pub(crate) mod occupancy;
