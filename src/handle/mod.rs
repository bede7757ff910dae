//! Slot tables, pins, leases and lists of live objects: the basis of C handles.

pub(crate) mod lease;
pub(crate) mod live_list;
pub(crate) mod pin;
pub(crate) mod pin_record;
pub(crate) mod slots;
