//! `bb_feed`: a ring whose records a manager applies, and the encoder of the records.

use std::ffi::c_char;

use crate::error::{Error, Label, Result, Status};
use crate::feed::feed::FeedHandle;
use crate::feed::format::{self, FeedHeader, RecordType};
use crate::ffi::guard::{destroy, guard, on, with};
use crate::ffi::handle::{Kind, bb_feed, bb_manager, bb_receiver};
use crate::ffi::input;
use crate::ffi::object::{Object, create_at};
use crate::ffi::status::bb_status;
use crate::manager::manager::Manager;
use crate::spsc::rx::Rx;
use crate::text::Text;

/// The first two bytes of a record of a feed, as a number.
pub const BB_FEED_MAGIC: u16 = 0xfeed;
/// The version of the record format that this library writes.
pub const BB_FEED_VERSION: u8 = 1;

/// The type of a record of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum bb_feed_type {
    /// Writes the payload at the offset.
    BB_FEED_WRITE = 1,
    /// Writes one element many times at the offset. The payload is the count as 64 bits, then the element.
    BB_FEED_FILL = 2,
    /// Sets the tag; `offset` is the tag, and there is no payload.
    BB_FEED_TAG = 3,
    /// Applies the records that are its payload as one.
    BB_FEED_BATCH = 4,
}

/// The header of a record of a feed. Its payload follows, then 0 to 7 bytes of padding up to a multiple of 8 bytes. All
/// numbers are little-endian. `bb_feed_record_init()` fills one.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_feed_record {
    /// `BB_FEED_MAGIC`.
    pub magic: u16,
    /// `BB_FEED_VERSION`.
    pub version: u8,
    /// A `bb_feed_type`.
    pub record_type: u8,
    /// The index of the field that is written; 0 for the first one, and for tags and batches.
    pub field: u32,
    /// A byte offset within the field; the tag, for a tag; 0 for a batch.
    pub offset: u64,
    /// Bytes of the payload, without padding.
    pub bytes: u64,
}

/// State of a feed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_feed_info {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// BB_OK while the feed applies records; BB_E_CLOSED after the sender's last record, or once the manager has ended;
    /// else the reason why the record at `bytes` was refused: BB_E_RANGE if the sender ended inside of it.
    pub status: bb_status,
    /// Records applied; a batch counts once.
    pub records: u64,
    /// Batches among them.
    pub batches: u64,
    /// Bytes of these records: the position of the next record, or of the refused one.
    pub bytes: u64,
    /// The reason in words, NUL-terminated; empty with BB_OK.
    pub message: [c_char; 256],
}

impl Object for FeedHandle {
    const KIND: Kind = Kind::Feed;

    fn label(&self) -> Label {
        FeedHandle::label(self)
    }
}

/// Feeds a manager from a ring: records that are written to the ring's sender are applied like updates, without a call
/// for each of them. `docs/feed-format.md` specifies the records; `bb_feed_record_init()` encodes them.
///
/// The worker applies a record once all of it is committed; `bb_manager_synchronize()` covers all records that were
/// committed before it. A batch is applied as a whole. The ring's capacity holds the sender back. Between the records
/// and the updates of other producers there is no other order.
///
/// Until `bb_feed_destroy()` the receiver is lent: calls on it return BB_E_BUSY, except for its statistics and its
/// descriptor. A bad record stops the feed; see `bb_feed_status()`. A manager may have several feeds.
///
/// @param m the manager
/// @param rx the receiver of a ring that delivers every byte; without an open span and without a waiting thread
/// @param feed the handle is written here; `bb_feed_destroy()` ends it
/// @return BB_OK, BB_E_ARGUMENT (the ring overwrites its oldest records), BB_E_RANGE (a ring of fewer than 24 bytes),
///         BB_E_STATE (a peeked span is open), BB_E_BUSY (the receiver is lent already, or in use by a thread),
///         BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_CLOSED (the manager or the receiver), BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread that may use the receiver
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_feed(
    m: *mut bb_manager,
    rx: *mut bb_receiver,
    feed: *mut *mut bb_feed,
) -> bb_status {
    on("bb_manager_feed", m, |m: &Manager| {
        // SAFETY: the header requires memory for a handle.
        let out = unsafe { input::output(feed, "feed") }?;
        with(rx, |rx: &Rx| create_at(out, || FeedHandle::new(&m.shared, rx)))
    })
}

/// Gets the state of a feed: what it has applied, and why it applies nothing more.
///
/// After a bad record nothing of it is applied, and it stays in the ring with all that follows: destroy the feed to
/// receive these bytes.
///
/// @param feed the feed
/// @param struct_size `sizeof(bb_feed_info)`
/// @param info output, `struct_size` bytes
/// @return BB_OK, BB_E_VERSION (struct_size), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_feed_status(
    feed: *mut bb_feed,
    struct_size: u32,
    info: *mut bb_feed_info,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_feed_status", feed, |feed: &FeedHandle| unsafe {
        input::write_sized(struct_size, info, "info", |size| describe(feed, size))
    })
}

fn describe(feed: &FeedHandle, struct_size: u32) -> bb_feed_info {
    let status = feed.status();
    let message = status.end.map_or(Text::new(), |error| Text::of(format_args!("{error}")));
    bb_feed_info {
        struct_size,
        status: status.end.map_or(bb_status::BB_OK, |error| error.status().into()),
        records: status.records,
        batches: status.batches,
        bytes: status.bytes,
        message: message.to_chars(),
    }
}

/// Stops a feed and returns the receiver to its owner. Records that were not applied yet stay in the ring; to have all
/// of them applied, call `bb_manager_synchronize()` before.
///
/// @param feed the feed; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread; waits while a thread applies records of the feed
#[unsafe(no_mangle)]
pub extern "C" fn bb_feed_destroy(feed: *mut bb_feed) -> bb_status {
    destroy::<FeedHandle, _>("bb_feed_destroy", feed)
}

/// Fills the header of a record, and gets the size of the record. Write the header, then `bytes` bytes of payload, then
/// padding up to `size`; commit all of it at once, or piece by piece.
///
/// @param record_type a `bb_feed_type`
/// @param field the index of the field; 0 for the first one, and for tags and batches
/// @param offset a byte offset within the field; the tag, for BB_FEED_TAG; 0 for BB_FEED_BATCH
/// @param bytes bytes of the payload: of BB_FEED_FILL more than 8, of BB_FEED_TAG 0, of BB_FEED_BATCH a multiple of 8
/// @param record the header is written here
/// @param size the bytes of header, payload and padding are written here; may be NULL
/// @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (record_type, or a number that the type does not allow), BB_E_RANGE (the size
///         overflows)
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_feed_record_init(
    record_type: u32,
    field: u32,
    offset: u64,
    bytes: u64,
    record: *mut bb_feed_record,
    size: *mut u64,
) -> bb_status {
    guard("bb_feed_record_init", || {
        // SAFETY: the header requires memory for a record and a number, or NULL.
        let out = unsafe { input::output(record, "record") }?;
        let header = FeedHeader { record_type: type_of(record_type)?, field, offset, bytes };
        header.check()?;
        let record_bytes = header.record_bytes()?;
        let magic = u16::to_le(format::MAGIC);
        out.set(bb_feed_record {
            magic,
            version: format::VERSION,
            record_type: header.record_type as u8,
            field,
            offset,
            bytes,
        })?;
        // SAFETY: as above.
        unsafe { input::set_optional(size, record_bytes) }
    })
}

fn type_of(code: u32) -> Result<RecordType> {
    use bb_feed_type::*;
    let types = [
        (BB_FEED_WRITE, RecordType::Write),
        (BB_FEED_FILL, RecordType::Fill),
        (BB_FEED_TAG, RecordType::Tag),
        (BB_FEED_BATCH, RecordType::Batch),
    ];
    let found = types.into_iter().find(|(known, _)| *known as u32 == code);
    found
        .map(|(_, record_type)| record_type)
        .ok_or_else(|| Error::value(Status::Argument, "record_type", code, "is not a bb_feed_type"))
}

const _: () = assert!(
    size_of::<bb_feed_record>() == format::HEADER_BYTES
        && BB_FEED_MAGIC == format::MAGIC
        && BB_FEED_VERSION == format::VERSION
);
