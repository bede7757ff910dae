//! The stable JSON form of a group: to store, to load, to compare.
//!
//! The document holds the group and, behind it, every child that it rolls up, at whatever depth. What the layout rules work
//! out stands in it for readers, and is worked out anew when it is loaded.

pub(crate) mod parse;
pub(crate) mod read;
pub(crate) mod write;

/// What the document says that it is.
const FORMAT: &str = "backbuf-layout";
const VERSION: u64 = 1;
