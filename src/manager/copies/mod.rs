//! The copies of a state: their memory, which bytes are dirty in each, and who leases the front.

pub(crate) mod copy_forward;
pub(crate) mod copy_memory;
pub(crate) mod device_copies;
pub(crate) mod dirty_bitmap;
pub(crate) mod dirty_set;
pub(crate) mod front_count;
pub(crate) mod storage;
