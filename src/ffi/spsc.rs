//! `bb_spsc`: how a ring of bytes is made. Its ends are in `sender` and `receiver`.

use std::ffi::{c_char, c_void};

use super::guard::guard;
use super::input;
use super::object::Seat;
use super::opaque::{bb_receiver, bb_sender};
use super::status::bb_status;
use crate::alloc::boxed;
use crate::spsc::ring::{Config, Ring};
use crate::spsc::rx::Rx;
use crate::spsc::statistics::EndStatistics;
use crate::spsc::tx::Tx;

/// `bb_spsc_config.flags`: a second thread inside one end gets `BB_E_BUSY`, at the cost of an atomic exchange a call. Without
/// it two threads at once mix up which bytes go and come, and do no other harm.
pub const BB_SPSC_CHECKED: u32 = 1;
/// `bb_spsc_config.flags`: no end ever pauses. Without it an end that keeps up with a stream of tiny chunks pauses for a
/// fraction of a microsecond, so that a batch gathers and the stream gains a multiple of its throughput.
pub const BB_SPSC_NO_BACKOFF: u32 = 2;

/// How a ring is made. Fill it by `bb_spsc_config_init()`, then change what is needed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_spsc_config {
    /// Bytes of this struct, as the caller knows it.
    pub struct_size: u32,
    /// `BB_SPSC_CHECKED`, `BB_SPSC_NO_BACKOFF`, both or 0.
    pub flags: u32,
    /// Name in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none.
    pub label: *const c_char,
    /// Bytes of a record, for a ring that never makes its sender wait; 0, the default, for a ring that delivers every byte.
    ///
    /// Where such a ring is full, a new record overwrites the oldest ones, and both ends count what is `lost`. All calls move
    /// whole records; the capacity is rounded up to whole records, and the newest of them stay. While the receiver copies, or has
    /// a span open, nothing is overwritten, but there is memory for at least as many records again: only a receiver that reads
    /// for so long makes the sender find the ring full. Since 0.1.
    pub overwrite_record_size: u64,
}

/// Memory of a ring to write to: what `bb_sender_reserve()` gives.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_span {
    /// The first byte.
    pub data: *mut c_void,
    /// How many there are.
    pub bytes: u64,
}

/// Memory of a ring to read from: what `bb_receiver_peek()` gives.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_const_span {
    /// The first byte.
    pub data: *const c_void,
    /// How many there are.
    pub bytes: u64,
}

/// What one end of a ring has counted, since it was made.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_end_stats {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Bytes that the ring holds.
    pub capacity: u64,
    /// Bytes that went through this end.
    pub bytes: u64,
    /// Calls that moved bytes.
    pub operations: u64,
    /// Calls that found the ring full (sender) or empty (receiver).
    pub misses: u64,
    /// Waits that could not be answered at once.
    pub waits: u64,
    /// Times that this end woke the other one.
    pub wakes: u64,
    /// The most bytes that this end found in the ring, when it looked.
    pub high_water: u64,
    /// How long waits took: element k counts those of 2^k to 2^(k+1) nanoseconds.
    pub wait_histogram: [u64; 64],
    /// Records that were overwritten before they were received: by this sender, or since this receiver is there.
    pub lost: u64,
}

/// Fills a config with the defaults.
///
/// @param config written
/// @return BB_OK, BB_E_NULL
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_spsc_config_init(config: *mut bb_spsc_config) -> bb_status {
    // SAFETY: the header asks for a place for a config.
    guard("bb_spsc_config_init", || unsafe { input::output(config, "config") }?.set(DEFAULTS))
}

const DEFAULTS: bb_spsc_config = bb_spsc_config {
    struct_size: size_of::<bb_spsc_config>() as u32,
    flags: 0,
    label: std::ptr::null(),
    overwrite_record_size: 0,
};

/// Makes a ring of bytes for one producer and one consumer.
///
/// Each end is an object of its own, with a life of its own, and belongs to one thread at a time; it may be moved to another.
/// The ring lives as long as one of them. Nothing on the plain path makes a system call or allocates.
///
/// A ring of more than 4 MiB is faulted in as it is used. One of more than 8 MiB is refused if it does not fit the memory that
/// is available now, memory limits of control groups included; if the memory is gone when it is first used, the kernel ends a
/// process.
///
/// @param capacity bytes that the ring holds, rounded up to a power of two, or to whole records where the oldest are overwritten;
///        all of it is usable
/// @param config how, or NULL for the defaults
/// @param sender the handle of the sending end is written here
/// @param receiver the handle of the receiving end is written here
/// @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (a capacity of 0, flags, label that is not UTF-8), BB_E_RANGE (a capacity or
///         record beyond the address space), BB_E_VERSION (struct_size), BB_E_OUT_OF_MEMORY, BB_E_LIMIT (handles,
///         descriptors, the size of files), BB_E_UNSUPPORTED (the system refuses memfd_create)
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_spsc_create(
    capacity: u64,
    config: *const bb_spsc_config,
    sender: *mut *mut bb_sender,
    receiver: *mut *mut bb_receiver,
) -> bb_status {
    guard("bb_spsc_create", || {
        // SAFETY: the header asks for places for handles.
        let places = unsafe { (input::output(sender, "sender")?, input::output(receiver, "receiver")?) };
        // SAFETY: the header asks for a config that is as long as it says, or NULL.
        let config = unsafe { input::optional(config, DEFAULTS) }?;
        let flags = input::flags(config.flags, BB_SPSC_CHECKED | BB_SPSC_NO_BACKOFF, "flags")?;
        // SAFETY: the header asks for a string or NULL.
        let label = unsafe { input::name(config.label, "label") }?;
        let core = Config {
            label,
            backoff: flags & BB_SPSC_NO_BACKOFF == 0,
            overwrite_record_size: config.overwrite_record_size,
        };
        // What can fail comes first, so that there are two ends or none.
        let seats = (Seat::take()?, Seat::take()?);
        let ring = Ring::new(capacity, &core, flags & BB_SPSC_CHECKED != 0, 0)?;
        let ends = (boxed(Tx::new(ring.clone()))?, boxed(Rx::new(ring))?);
        places.0.set(seats.0.seat_boxed(ends.0) as *mut bb_sender)?;
        places.1.set(seats.1.seat_boxed(ends.1) as *mut bb_receiver)
    })
}

pub(super) fn stats_of(s: &EndStatistics, struct_size: u32) -> bb_end_stats {
    bb_end_stats {
        struct_size,
        reserved: 0,
        capacity: s.capacity,
        bytes: s.bytes,
        operations: s.operations,
        misses: s.misses,
        waits: s.waits,
        wakes: s.wakes,
        high_water: s.high_water,
        wait_histogram: s.wait_histogram,
        lost: s.lost,
    }
}
