//! Feeds: rings of records that a manager applies, for native threads, other processes and files that write into a state.
//!
//! [`Manager::feed`](crate::manager::Manager::feed) makes a [`Feed`] of a ring's receiver. A [`Writer`] on the sender writes
//! the records: updates, fills, tags and batches of them. Writing one makes no call of the manager, takes no lock of its, and
//! allocates nothing; a full ring holds the writer back.
//!
//! Modules, lowest first: `format` (the records' bytes, specified in `docs/feed-format.md`), `source` (what applies them), `feed` and
//! `writer` (the Rust API).

#[expect(clippy::module_inception, reason = "the noun of this module")]
pub(crate) mod feed;
pub(crate) mod format;
pub(crate) mod source;
pub(crate) mod writer;

pub use feed::{Feed, FeedRefused, FeedStatus};
pub use format::{ALIGNMENT, FeedHeader, HEADER_BYTES, MAGIC, RecordType, VERSION};
pub use writer::{BatchRecord, Writer};
