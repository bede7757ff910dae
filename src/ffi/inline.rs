//! `bb_writer` and `bb_reader`: long claims on a ring, which the inline functions of `backbuf/inline.h` write and read.
//!
//! The structs are the program's memory: nothing in them is trusted. A call takes the end from the handle in it, and counts `next`
//! from where the end's own claim begins.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, AtomicU64};

use crate::error::{Error, Result, Status};
use crate::ffi::guard::on;
use crate::ffi::handle::{bb_receiver, bb_sender};
use crate::ffi::status::bb_status;
use crate::ffi::{input, spsc};
use crate::spsc::flow::Flow;
use crate::spsc::reader::InlineBytes;
use crate::spsc::rx::Rx;
use crate::spsc::tx::Tx;
use crate::spsc::wait_side::ANNOUNCED;
use crate::spsc::writer::InlineRoom;
use crate::sync::barrier;

/// A writer of small records: a long claim on the free space of a ring. Made by `bb_sender_open_writer()`, used by the
/// inline functions of `backbuf/inline.h`. Code in other languages writes at `next`, moves `next` behind the record, and
/// calls `bb_writer_publish()` when `next` has come to `due`, or there is too little room before `end`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_writer {
    /// Bytes of this struct in the version that made it.
    pub struct_size: u32,
    /// The bits of `*waits` that are set while the receiver waits.
    pub wait_bits: u32,
    /// The sender; NULL after `bb_writer_close()`.
    pub sender: *mut bb_sender,
    /// The next record goes here.
    pub next: *mut c_void,
    /// The end of the room.
    pub end: *mut c_void,
    /// A publish is due when `next` comes here.
    pub due: *mut c_void,
    /// Bytes after which a publish is due; 0: when the room is used up.
    pub every: u64,
    /// `*written` is `next` minus this.
    pub shift: u64,
    /// Stored after each record, for a receiver that is about to sleep.
    pub written: *mut u64,
    /// Loaded after `*written` was stored.
    pub waits: *const u32,
    /// Whether a compiler fence between the two suffices; if not, a full fence is needed.
    pub light: *const bool,
}

/// A reader of small records: a long claim on the bytes of a ring. Made by `bb_receiver_open_reader()`, used by the
/// inline functions of `backbuf/inline.h`. Code in other languages reads at `next`, moves `next` behind the record, and
/// calls `bb_reader_give_back()` when `next` has come to `due`, or there are too few bytes before `end`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_reader {
    /// Bytes of this struct in the version that made it.
    pub struct_size: u32,
    /// The bits of `*waits` that are set while the sender waits.
    pub wait_bits: u32,
    /// The receiver; NULL after `bb_reader_close()`.
    pub receiver: *mut bb_receiver,
    /// The next record is here.
    pub next: *const c_void,
    /// The end of the bytes.
    pub end: *const c_void,
    /// Giving back is due when `next` comes here.
    pub due: *const c_void,
    /// Bytes after which giving back is due; 0: when all are read.
    pub every: u64,
    /// `*read` is `next` minus this.
    pub shift: u64,
    /// Stored after each record, for a sender that is about to sleep.
    pub read: *mut u64,
    /// Loaded after `*read` was stored.
    pub waits: *const u32,
    /// Whether a compiler fence between the two suffices; if not, a full fence is needed.
    pub light: *const bool,
}

/// What the pointers of a closed struct point to: an inline function that still uses it is led to a call that refuses it.
static CLOSED_CURSOR: AtomicU64 = AtomicU64::new(0);
static CLOSED_WAITS: AtomicU32 = AtomicU32::new(u32::MAX);

fn light() -> *const bool {
    std::ptr::from_ref(barrier::is_asymmetric()).cast()
}

/// The handle in a struct. NULL is refused as a NULL handle.
///
/// # Safety
///
/// NULL, or a struct.
unsafe fn sender_of(writer: *const bb_writer) -> *const bb_sender {
    // SAFETY: promised by the caller.
    unsafe { writer.as_ref() }.map_or(std::ptr::null(), |writer| writer.sender.cast_const())
}

/// As [`sender_of`].
///
/// # Safety
///
/// NULL, or a struct.
unsafe fn receiver_of(reader: *const bb_reader) -> *const bb_receiver {
    // SAFETY: promised by the caller.
    unsafe { reader.as_ref() }.map_or(std::ptr::null(), |reader| reader.receiver.cast_const())
}

/// Refuses a struct that lacks what every version has.
fn check_version(given: u32, first_version: usize) -> Result<()> {
    if given as usize >= first_version {
        return Ok(());
    }
    let message =
        "smaller than the first version; open the struct by its function and leave this member alone";
    Err(Error::value(Status::Version, "struct_size", given, message))
}

impl bb_writer {
    fn new(struct_size: u32, tx: *mut bb_sender, end: &Tx, every: u64, room: InlineRoom) -> bb_writer {
        let mut writer = bb_writer {
            struct_size,
            wait_bits: ANNOUNCED,
            sender: tx,
            next: std::ptr::null_mut(),
            end: std::ptr::null_mut(),
            due: std::ptr::null_mut(),
            every,
            shift: 0,
            written: end.ring().writer.word().as_ptr(),
            waits: end.ring().receiver.word().as_ptr(),
            light: light(),
        };
        writer.take(room);
        writer
    }

    #[inline(always)]
    fn take(&mut self, room: InlineRoom) {
        self.next = room.data.cast();
        self.end = room.data.wrapping_add(room.bytes as usize).cast();
        self.due = room.data.wrapping_add(room.due(self.every) as usize).cast();
        self.shift = (room.data as u64).wrapping_sub(room.index);
    }

    fn close(&mut self) {
        self.sender = std::ptr::null_mut();
        self.end = self.next;
        self.due = self.next;
        self.written = CLOSED_CURSOR.as_ptr();
        self.waits = CLOSED_WAITS.as_ptr();
    }
}

impl bb_reader {
    fn new(struct_size: u32, rx: *mut bb_receiver, end: &Rx, every: u64, bytes: InlineBytes) -> bb_reader {
        let mut reader = bb_reader {
            struct_size,
            wait_bits: ANNOUNCED,
            receiver: rx,
            next: std::ptr::null(),
            end: std::ptr::null(),
            due: std::ptr::null(),
            every,
            shift: 0,
            read: end.ring().reader.word().as_ptr(),
            waits: end.ring().sender.word().as_ptr(),
            light: light(),
        };
        reader.take(bytes);
        reader
    }

    #[inline(always)]
    fn take(&mut self, bytes: InlineBytes) {
        self.next = bytes.data.cast();
        self.end = bytes.data.wrapping_add(bytes.bytes as usize).cast();
        self.due = bytes.data.wrapping_add(bytes.due(self.every) as usize).cast();
        self.shift = (bytes.data as u64).wrapping_sub(bytes.index);
    }

    fn close(&mut self) {
        self.receiver = std::ptr::null_mut();
        self.end = self.next;
        self.due = self.next;
        self.read = CLOSED_CURSOR.as_ptr();
        self.waits = CLOSED_WAITS.as_ptr();
    }
}

/// Opens a writer: claims the free space of the ring for many small records. `bb_writer_put()` of `backbuf/inline.h`
/// writes a record by plain stores; the receiver sees the records when `every` bytes are written, when the space that is
/// known is used up, when the receiver waits, after `bb_writer_publish()`, and when the writer or the sender is closed.
///
/// A writer is an open span: there is one at a time, and other calls that send return BB_E_STATE until
/// `bb_writer_close()`. It belongs to the thread that uses the sender. If the sender is destroyed, the memory stays valid
/// until `bb_writer_close()`. A ring that is full gives a writer without room.
///
/// @param tx the sender
/// @param every bytes after which a publish is due; 0: when the space that is known is used up
/// @param struct_size `sizeof(bb_writer)`
/// @param writer output; one copy of it is used
/// @return BB_OK, BB_E_CLOSED (the receiver has been destroyed, or this end is closed), BB_E_STATE (a span or a writer is
///         open), BB_E_UNSUPPORTED (the ring overwrites its oldest records), BB_E_VERSION (struct_size), BB_E_BUSY (another
///         thread uses this end; checked rings only), or a handle status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the
///           receiver only polls
/// @threadsafety one thread at a time
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_sender_open_writer(
    tx: *mut bb_sender,
    every: u64,
    struct_size: u32,
    writer: *mut bb_writer,
) -> bb_status {
    on("bb_sender_open_writer", tx, |end: &Tx| {
        // SAFETY: the header requires memory of `struct_size` bytes.
        unsafe { input::sized_output(struct_size, writer, "writer") }?;
        check_version(struct_size, size_of::<bb_writer>())?;
        let room = match end.open_writer()? {
            Ok(room) => room,
            Err(flow) => return Ok(flow),
        };
        let make = |size| bb_writer::new(size, tx, end, every, room);
        // SAFETY: as above.
        unsafe { input::write_sized(struct_size, writer, "writer", make) }.map(|()| Flow::Done)
    })
}

/// Publishes the records of a writer, and gives it more room if there is less than `min`.
///
/// The struct is updated also with BB_E_FULL and BB_E_CLOSED.
///
/// @param writer the writer
/// @param min the minimum room in bytes; may be 0
/// @return BB_OK, BB_E_FULL (published, and less than `min` bytes are free: `bb_sender_wait_writable()` waits for them),
///         BB_E_CLOSED (the receiver has been destroyed, or the sender is closed or destroyed: the records are discarded),
///         BB_E_STATE (`next` is outside of the room, or no writer is open; nothing is published, nothing changes),
///         BB_E_RANGE (more than the ring holds), BB_E_VERSION (the struct was not opened), BB_E_BUSY (another thread uses
///         the sender; checked rings only), or a handle status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the ring
///           has `BB_SPSC_NO_BACKOFF` and the receiver only polls
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_writer_publish(writer: *mut bb_writer, min: u64) -> bb_status {
    // SAFETY: the header requires a writer.
    let tx = unsafe { sender_of(writer) };
    let publish = |end: &Tx| {
        // SAFETY: not NULL, since its handle is not.
        let writer = unsafe { &mut *writer };
        check_version(writer.struct_size, size_of::<bb_writer>())?;
        let (flow, room) = end.publish_writer(end.written_to(writer.next.cast_const().cast()), min)?;
        writer.take(room);
        Ok(flow)
    };
    match on("bb_writer_publish", tx, publish) {
        bb_status::BB_E_STALE if spsc::has_span(tx as u64) => {
            // SAFETY: as above.
            let writer = unsafe { &mut *writer };
            (writer.end, writer.due) = (writer.next, writer.next);
            bb_status::BB_E_CLOSED
        }
        status => status,
    }
}

/// Publishes the records of a writer and ends its claim. Inline calls on the struct return BB_E_NULL afterwards.
///
/// @param writer the writer
/// @return BB_OK, BB_E_CLOSED (the receiver has been destroyed, or the sender is closed or destroyed: the writer is closed,
///         its records are discarded), BB_E_STATE (`next` is outside of the room, or no writer is open; nothing changes),
///         BB_E_VERSION (the struct was not opened), BB_E_BUSY (another thread uses the sender; checked rings only), or a
///         handle status
/// @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the
///           receiver only polls
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_writer_close(writer: *mut bb_writer) -> bb_status {
    // SAFETY: the header requires a writer.
    let tx = unsafe { sender_of(writer) };
    let close = |end: &Tx| {
        // SAFETY: not NULL, since its handle is not.
        let writer = unsafe { &mut *writer };
        check_version(writer.struct_size, size_of::<bb_writer>())?;
        let flow = end.close_writer(end.written_to(writer.next.cast_const().cast()))?;
        writer.close();
        Ok(flow)
    };
    match on("bb_writer_close", tx, close) {
        bb_status::BB_E_STALE if spsc::end_span(tx as u64) => {
            // SAFETY: as above.
            unsafe { &mut *writer }.close();
            bb_status::BB_E_CLOSED
        }
        status => status,
    }
}

/// Opens a reader: claims the bytes of the ring for reading many small records. `bb_reader_get()` of `backbuf/inline.h`
/// reads a record by plain loads; the sender gets the space back when `every` bytes are read, when all known bytes are
/// read, when the sender waits, after `bb_reader_give_back()`, and when the reader or the receiver is closed.
///
/// A reader is an open span: there is one at a time, and other calls that receive return BB_E_STATE until
/// `bb_reader_close()`. It belongs to the thread that uses the receiver. If the receiver is destroyed, the memory stays
/// valid until `bb_reader_close()`. An empty ring gives a reader without bytes.
///
/// @param rx the receiver
/// @param every bytes after which giving back is due; 0: when all known bytes are read
/// @param struct_size `sizeof(bb_reader)`
/// @param reader output; one copy of it is used
/// @return BB_OK, BB_E_CLOSED (this end is closed), BB_E_STATE (a span or a reader is open), BB_E_UNSUPPORTED (the ring
///         overwrites its oldest records), BB_E_VERSION (struct_size), BB_E_BUSY (the receiver feeds a manager, or another
///         thread uses this end of a checked ring), or a handle status
/// @realtime wait-free, no system call, no allocation
/// @threadsafety one thread at a time
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_receiver_open_reader(
    rx: *mut bb_receiver,
    every: u64,
    struct_size: u32,
    reader: *mut bb_reader,
) -> bb_status {
    on("bb_receiver_open_reader", rx, |end: &Rx| {
        // SAFETY: the header requires memory of `struct_size` bytes.
        unsafe { input::sized_output(struct_size, reader, "reader") }?;
        check_version(struct_size, size_of::<bb_reader>())?;
        let bytes = match end.open_reader()? {
            Ok(bytes) => bytes,
            Err(flow) => return Ok(flow),
        };
        let make = |size| bb_reader::new(size, rx, end, every, bytes);
        // SAFETY: as above.
        unsafe { input::write_sized(struct_size, reader, "reader", make) }.map(|()| Flow::Done)
    })
}

/// Gives the records that a reader has read back to the sender, and gives the reader more bytes if it has fewer than
/// `min`.
///
/// The struct is updated also with BB_E_EMPTY and BB_E_CLOSED.
///
/// @param reader the reader
/// @param min the minimum number of bytes; may be 0
/// @return BB_OK, BB_E_EMPTY (given back, and fewer than `min` bytes are available: `bb_receiver_wait_readable()` waits for
///         them), BB_E_CLOSED (so many can no longer arrive, or the receiver is closed or destroyed), BB_E_STATE (`next` is
///         outside of the bytes, or no reader is open; nothing is given back, nothing changes), BB_E_RANGE (more than the
///         ring holds), BB_E_VERSION (the struct was not opened), BB_E_BUSY (the receiver feeds a manager, or another
///         thread uses the receiver of a checked ring), or a handle status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the ring
///           has `BB_SPSC_NO_BACKOFF` and the sender only polls
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_reader_give_back(reader: *mut bb_reader, min: u64) -> bb_status {
    // SAFETY: the header requires a reader.
    let rx = unsafe { receiver_of(reader) };
    let give_back = |end: &Rx| {
        // SAFETY: not NULL, since its handle is not.
        let reader = unsafe { &mut *reader };
        check_version(reader.struct_size, size_of::<bb_reader>())?;
        let (flow, bytes) = end.give_back_reader(end.read_to(reader.next.cast()), min)?;
        reader.take(bytes);
        Ok(flow)
    };
    match on("bb_reader_give_back", rx, give_back) {
        bb_status::BB_E_STALE if spsc::has_span(rx as u64) => {
            // SAFETY: as above.
            let reader = unsafe { &mut *reader };
            (reader.end, reader.due) = (reader.next, reader.next);
            bb_status::BB_E_CLOSED
        }
        status => status,
    }
}

/// Gives the records that a reader has read back to the sender and ends its claim. What was not read is received again.
/// Inline calls on the struct return BB_E_NULL afterwards.
///
/// @param reader the reader
/// @return BB_OK, BB_E_CLOSED (the receiver is closed or destroyed: the reader is closed), BB_E_STATE (`next` is outside of
///         the bytes, or no reader is open; nothing changes), BB_E_VERSION (the struct was not opened), BB_E_BUSY (the
///         receiver feeds a manager, or another thread uses the receiver of a checked ring), or a handle status
/// @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the
///           sender only polls
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_reader_close(reader: *mut bb_reader) -> bb_status {
    // SAFETY: the header requires a reader.
    let rx = unsafe { receiver_of(reader) };
    let close = |end: &Rx| {
        // SAFETY: not NULL, since its handle is not.
        let reader = unsafe { &mut *reader };
        check_version(reader.struct_size, size_of::<bb_reader>())?;
        let flow = end.close_reader(end.read_to(reader.next.cast()))?;
        reader.close();
        Ok(flow)
    };
    match on("bb_reader_close", rx, close) {
        bb_status::BB_E_STALE if spsc::end_span(rx as u64) => {
            // SAFETY: as above.
            unsafe { &mut *reader }.close();
            bb_status::BB_E_CLOSED
        }
        status => status,
    }
}
