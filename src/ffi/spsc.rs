//! Creation of byte rings; the ends are in `sender` and `receiver`.

use std::cell::Cell;
use std::ffi::{c_char, c_void};

use bitflags::bitflags;

use crate::alloc::{boxed, try_box};
use crate::error::Result;
use crate::ffi::guard::guard;
use crate::ffi::handle::{bb_receiver, bb_sender};
use crate::ffi::object::{Object, ReservedSlot};
use crate::ffi::status::bb_status;
use crate::ffi::{input, object};
use crate::handle::live_list::{Linked, LiveList};
use crate::spsc::ring::{OrphanedSpan, Ring, RingConfig};
use crate::spsc::rx::Rx;
use crate::spsc::statistics::EndStatistics;
use crate::spsc::tx::Tx;
use crate::sync::atomic::AtomicPtr;

/// `bb_spsc_config.flags`: a second thread that uses an end at the same time gets `BB_E_BUSY`, at the cost of an
/// atomic exchange per call. Without this flag two threads at once mix up their bytes, and do no other harm.
pub const BB_SPSC_CHECKED: u32 = 1;
/// `bb_spsc_config.flags`: no adaptive pauses. Without this flag an end that keeps up with a stream of tiny chunks
/// pauses for a fraction of a microsecond, so that bytes gather and the throughput multiplies.
pub const BB_SPSC_NO_BACKOFF: u32 = 2;

bitflags! {
    struct RingFlags: u32 {
        const CHECKED = BB_SPSC_CHECKED;
        const NO_BACKOFF = BB_SPSC_NO_BACKOFF;
    }
}

/// Parameters of a new ring. Fill it by `bb_spsc_config_init()`, then change what is needed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_spsc_config {
    /// Bytes of this struct in the caller's version.
    pub struct_size: u32,
    /// `BB_SPSC_CHECKED`, `BB_SPSC_NO_BACKOFF`, both or 0.
    pub flags: u32,
    /// Label in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none.
    pub label: *const c_char,
    /// Bytes of a record, for a ring that overwrites its oldest records; 0, the default, for a ring that delivers
    /// every byte.
    ///
    /// When such a ring is full, a new record overwrites the oldest one, and both ends count it as `lost`. All calls
    /// move whole records, and the capacity is rounded up to whole records. While the receiver copies or has a span
    /// open, nothing is overwritten, but the ring has memory for at least as many records again: the sender finds the
    /// ring full only if the receiver holds it for that long. Since 0.1.
    pub overwrite_record_size: u64,
}

/// Memory to write, such as the span of `bb_sender_reserve()`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_span {
    /// The first byte.
    pub data: *mut c_void,
    /// Number of bytes.
    pub bytes: u64,
}

/// Memory to read, such as the span of `bb_receiver_peek()`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_const_span {
    /// The first byte.
    pub data: *const c_void,
    /// Number of bytes.
    pub bytes: u64,
}

/// Statistics of one end of a ring since its creation.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_end_stats {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Capacity of the ring in bytes.
    pub capacity: u64,
    /// Bytes moved by this end.
    pub bytes: u64,
    /// Calls that moved bytes.
    pub operations: u64,
    /// Calls that found the ring full (sender) or empty (receiver).
    pub misses: u64,
    /// Calls that waited.
    pub waits: u64,
    /// Number of times that this end woke the other one.
    pub wakes: u64,
    /// Maximum bytes that this end has seen in the ring.
    pub high_water: u64,
    /// `[k]`: waits of 2^k ns to 2^(k+1) ns.
    pub wait_histogram: [u64; 64],
    /// Records overwritten before they were received: by this sender, or since this receiver was created.
    pub lost: u64,
}

/// Fills a config with the defaults.
///
/// @param config output
/// @return BB_OK, BB_E_NULL
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_spsc_config_init(config: *mut bb_spsc_config) -> bb_status {
    // SAFETY: the header requires memory for a config.
    guard("bb_spsc_config_init", || unsafe { input::output(config, "config") }?.set(DEFAULTS))
}

const DEFAULTS: bb_spsc_config = bb_spsc_config {
    struct_size: size_of::<bb_spsc_config>() as u32,
    flags: 0,
    label: std::ptr::null(),
    overwrite_record_size: 0,
};

/// Creates a ring of bytes for one producer and one consumer.
///
/// Each end is a separate object that one thread may use at a time; it may be passed to another thread. The ring
/// exists as long as one of its ends. Sending and receiving without waits make no system call and allocate nothing.
///
/// A ring of more than 4 MiB is committed by the kernel on first use. A ring of more than 8 MiB is refused if it
/// exceeds the memory available now, control group limits included. If that memory is no longer available at first
/// use, the kernel kills a process.
///
/// @param capacity capacity in bytes, rounded up to a power of two, or to whole records if the oldest are
///        overwritten; all of it is usable
/// @param config parameters, or NULL for the defaults
/// @param sender the handle of the sending end is written here
/// @param receiver the handle of the receiving end is written here
/// @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (a capacity of 0, flags, label that is not UTF-8), BB_E_RANGE (a capacity or
///         record beyond the address space), BB_E_VERSION (struct_size), BB_E_OUT_OF_MEMORY, BB_E_LIMIT (handles,
///         descriptors, the size of files), BB_E_UNSUPPORTED (the system refuses memfd_create)
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_spsc_create(
    capacity: u64,
    config: *const bb_spsc_config,
    sender: *mut *mut bb_sender,
    receiver: *mut *mut bb_receiver,
) -> bb_status {
    guard("bb_spsc_create", || {
        // SAFETY: the header requires memory for handles.
        let outs = unsafe { (input::output(sender, "sender")?, input::output(receiver, "receiver")?) };
        // SAFETY: the header requires a config that is as long as it says, or NULL.
        let config = unsafe { input::optional_struct(config, DEFAULTS) }?;
        let flags: RingFlags = input::flags(config.flags, "flags")?;
        // SAFETY: the header requires a string or NULL.
        let label = unsafe { input::name(config.label, "label") }?;
        let core = RingConfig {
            label,
            backoff: !flags.contains(RingFlags::NO_BACKOFF),
            overwrite_record_size: config.overwrite_record_size,
        };
        // Everything that can fail is done first, so that there are two ends or none.
        let slots = (ReservedSlot::take()?, ReservedSlot::take()?);
        let ring = Ring::new(capacity, &core, flags.contains(RingFlags::CHECKED), 0)?;
        let ends = (boxed(Tx::new(ring.clone()))?, boxed(Rx::new(ring))?);
        outs.0.set(slots.0.fill_boxed(ends.0) as *mut bb_sender)?;
        outs.1.set(slots.1.fill_boxed(ends.1) as *mut bb_receiver)
    })
}

pub(super) fn stats_of(stats: &EndStatistics, struct_size: u32) -> bb_end_stats {
    copy_fields! {
        bb_end_stats { struct_size: struct_size, reserved: 0 } from stats:
        capacity, bytes, operations, misses, waits, wakes, high_water, wait_histogram, lost
    }
}

/// An end of a ring, which can have an open span.
pub(super) trait End: Object {
    /// The resources of the open span, if there is one.
    fn orphaned_span(&self) -> Option<OrphanedSpan>;
}

impl End for Tx {
    fn orphaned_span(&self) -> Option<OrphanedSpan> {
        Tx::orphaned_span(self)
    }
}

impl End for Rx {
    fn orphaned_span(&self) -> Option<OrphanedSpan> {
        Rx::orphaned_span(self)
    }
}

struct KeptSpan {
    /// The handle of the end, which is stale.
    handle: u64,
    _span: OrphanedSpan,
    next: AtomicPtr<KeptSpan>,
}

impl Linked for KeptSpan {
    fn next(&self) -> &AtomicPtr<KeptSpan> {
        &self.next
    }
}

static KEPT: LiveList<KeptSpan> = LiveList::new();

/// Destroys an end, and keeps the resources of its open span.
pub(super) fn destroy_end<T: End>(handle: u64) -> Result<()> {
    // Kept before the handle becomes stale, so that a call that ends the span afterwards finds it.
    let last = |end: &T| {
        if let Some(span) = end.orphaned_span() {
            keep(handle, span);
        }
    };
    object::remove_with(handle, last).map(drop)
}

fn keep(handle: u64, span: OrphanedSpan) {
    // Without memory for the record the ring is leaked, since the span is in use.
    match try_box(KeptSpan { handle, _span: span, next: AtomicPtr::default() }) {
        Ok(kept) => drop(KEPT.add(Box::leak(kept))),
        Err(kept) => std::mem::forget(kept),
    }
}

/// Whether a destroyed end has an open span.
pub(super) fn has_span(handle: u64) -> bool {
    let found = Cell::new(false);
    let seek = || {
        // Takes nothing from the list.
        KEPT.take(|kept| {
            found.set(found.get() || kept.handle == handle);
            false
        });
        found.get().then_some(())
    };
    after_closing(handle, seek).is_some()
}

/// Ends the open span of a destroyed end. Returns false if there is none.
pub(super) fn end_span(handle: u64) -> bool {
    let kept = after_closing(handle, || KEPT.take(|kept| kept.handle == handle));
    // SAFETY: leaked by `keep`, and removed from the list by this call only.
    kept.map(|kept| drop(unsafe { Box::from_raw(kept.cast_mut()) })).is_some()
}

/// What `seek` finds in the list of kept spans. While a thread is destroying the end, this waits for it.
fn after_closing<T>(handle: u64, seek: impl Fn() -> Option<T>) -> Option<T> {
    // Bounded, since a slot with no generation left stays in the closing state.
    for _ in 0..1000 {
        // Read before the list: a thread that is destroying the end keeps the span before it finishes.
        let closing = object::is_closing(handle);
        let found = seek();
        if found.is_some() || !closing {
            return found;
        }
        crate::sys::clock::nap(1000);
    }
    None
}
