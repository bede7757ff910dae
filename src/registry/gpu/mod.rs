//! What a launch needs of a GPU: limits of architectures, occupancy and bank conflicts, and whether it fits.

pub(crate) mod check;
pub(crate) mod limits;
pub(crate) mod occupancy;
