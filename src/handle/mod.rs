//! What handles stand on: tables of slots that a fork empties, leases, and lists of live objects.

pub(crate) mod lease;
pub(crate) mod live_list;
pub(crate) mod pin;
pub(crate) mod pin_record;
pub(crate) mod slots;
