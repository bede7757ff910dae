//! The physical copies of a state: their memory and leases, copy-forward between them, and their copies on a device.

pub(crate) mod change_history;
#[expect(clippy::module_inception, reason = "the noun of this module")]
pub(crate) mod copies;
pub(crate) mod copy_forward;
pub(crate) mod device_copies;
pub(crate) mod dirty_bitmap;
pub(crate) mod dirty_set;
pub(crate) mod front_count;
pub(crate) mod range_union;
pub(crate) mod read_cells;
