//! What a manager is, where it stands, and what it has done.

use std::ffi::{c_char, c_void};
use std::fmt::Write;

use super::callback::{Writer, bb_write_fn};
use super::config::BB_MAX_DIMS;
use super::guard::on;
use super::input;
use super::opaque::bb_manager;
use super::status::bb_status;
use crate::manager::core::shared::State;
use crate::manager::manager::Manager;
use crate::manager::statistics::Statistics;

/// Where a manager stands in its life: `bb_manager_info.state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum bb_manager_state {
    /// Takes work.
    BB_MANAGER_OPEN = 0,
    /// Publishes what it has accepted, and takes no more.
    BB_MANAGER_CLOSING = 1,
    /// Fronts stay readable.
    BB_MANAGER_CLOSED = 2,
    /// A panic was caught; queries and destroy still work.
    BB_MANAGER_POISONED = 3,
}

/// What a manager is and where it stands.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_manager_info {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// A `bb_dtype`, or `BB_OPAQUE(size)`.
    pub dtype: u32,
    /// Bytes of an element.
    pub element_size: u32,
    /// Dimensions.
    pub ndim: u32,
    /// Elements along each dimension; zeros beyond `ndim`.
    pub shape: [u64; BB_MAX_DIMS],
    /// Bytes of the state.
    pub bytes: u64,
    /// The newest published epoch.
    pub epoch: u64,
    /// The newest published tag.
    pub tag: u64,
    /// Physical copies, without extra ones.
    pub copies: u32,
    /// A `bb_manager_state`.
    pub state: u32,
    /// NUL-terminated.
    pub label: [c_char; 64],
    /// Extra copies at most.
    pub max_extra_copies: u32,
    /// 0.
    pub reserved: u32,
}

/// What a manager has done, since it was made.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_manager_stats {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Updates applied; a batch counts each of its own.
    pub updates: u64,
    /// Bytes that updates wrote.
    pub bytes: u64,
    /// Updates applied by callers.
    pub applied_by_caller: u64,
    /// Updates applied by the worker.
    pub applied_by_worker: u64,
    /// Epochs published.
    pub epochs: u64,
    /// Times that a lease held the copy to be written next, so that another copy was written instead.
    pub copies_replaced: u64,
    /// Ranges copied forward to a copy that lacked them.
    pub copies_forward: u64,
    /// Bytes of these ranges.
    pub copied_forward_bytes: u64,
    /// The most bytes that the queue has held.
    pub queue_high_water_bytes: u64,
    /// Calls that waited.
    pub waits: u64,
    /// Flushes and tasks that outlasted the watchdog.
    pub stalls: u64,
    /// Leases that are out.
    pub leases_live: u64,
    /// Leases in this process whose object was destroyed first.
    pub leases_leaked: u64,
    /// Updates that were larger than the queue.
    pub outsized_updates: u64,
    /// Calls refused.
    pub refused_total: u64,
    /// `[k]`: synchronizes that waited or ran a flush and took 2^k ns to 2^(k+1) ns.
    pub wait_histogram: [u64; 64],
    /// Refused calls by `-status`.
    pub refused: [u64; 40],
    /// Copies that have memory now: two, and those that leases made necessary.
    pub copies_present: u64,
    /// Those of them beyond `bb_manager_config.copies`.
    pub extra_copies: u64,
    /// The most extra copies that there were at once.
    pub extra_copies_most: u64,
    /// The epoch of the oldest front that is held now; 0 if none is held.
    pub oldest_lease_epoch: u64,
    /// The thread that took that lease, as the system numbers threads; 0 if none is held.
    pub oldest_lease_thread: u64,
    /// How long that lease has been held at least. Taking a lease reads no clock: its age counts from the first time that a
    /// report, an error or a query looked at it, and is 0 then. It may have been held for much longer.
    pub oldest_lease_age_ns: u64,
}

/// The newest published epoch.
///
/// @param m the manager
/// @param epoch written
/// @return BB_OK, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread; never waits
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_epoch(m: *mut bb_manager, epoch: *mut u64) -> bb_status {
    // SAFETY: the header asks for a place for a number.
    on("bb_manager_epoch", m, |m: &Manager| unsafe { input::output(epoch, "epoch") }?.set(m.epoch()))
}

/// What the manager is and where it stands.
///
/// @param m the manager
/// @param struct_size `sizeof(bb_manager_info)` as the caller knows it
/// @param info that many bytes are written
/// @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread; never waits
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_info_get(
    m: *mut bb_manager,
    struct_size: u32,
    info: *mut bb_manager_info,
) -> bb_status {
    // SAFETY: the header asks for a place of `struct_size` bytes.
    on("bb_manager_info_get", m, |m: &Manager| unsafe {
        input::write_sized(struct_size, info, "info", |size| describe(m, size))
    })
}

/// What the manager has done.
///
/// @param m the manager
/// @param struct_size `sizeof(bb_manager_stats)` as the caller knows it
/// @param stats that many bytes are written
/// @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread; never waits. Counters that belong together may be read at different times
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_stats_get(
    m: *mut bb_manager,
    struct_size: u32,
    stats: *mut bb_manager_stats,
) -> bb_status {
    // SAFETY: the header asks for a place of `struct_size` bytes.
    on("bb_manager_stats_get", m, |m: &Manager| unsafe {
        input::write_sized(struct_size, stats, "stats", |size| count(&m.statistics(), size))
    })
}

fn describe(m: &Manager, struct_size: u32) -> bb_manager_info {
    let mut shape = [0; BB_MAX_DIMS];
    shape.iter_mut().zip(m.shape()).for_each(|(to, &from)| *to = from);
    let mut label = [0; 64];
    label.iter_mut().zip(Manager::label(m).as_str().bytes()).for_each(|(to, from)| *to = from as c_char);
    bb_manager_info {
        struct_size,
        dtype: m.dtype().code(),
        element_size: m.dtype().size() as u32,
        ndim: m.shape().len() as u32,
        shape,
        bytes: m.bytes(),
        epoch: m.epoch(),
        tag: m.tag(),
        copies: m.copies(),
        state: match m.state() {
            State::Open => bb_manager_state::BB_MANAGER_OPEN,
            State::Closing => bb_manager_state::BB_MANAGER_CLOSING,
            State::Closed => bb_manager_state::BB_MANAGER_CLOSED,
            State::Poisoned => bb_manager_state::BB_MANAGER_POISONED,
        } as u32,
        label,
        max_extra_copies: m.max_extra_copies(),
        reserved: 0,
    }
}

fn count(s: &Statistics, struct_size: u32) -> bb_manager_stats {
    bb_manager_stats {
        struct_size,
        reserved: 0,
        updates: s.updates,
        bytes: s.bytes,
        applied_by_caller: s.applied_by_caller,
        applied_by_worker: s.applied_by_worker,
        epochs: s.epochs,
        copies_replaced: s.copies_replaced,
        copies_forward: s.copies_forward,
        copied_forward_bytes: s.copied_forward_bytes,
        queue_high_water_bytes: s.queue_high_water_bytes,
        waits: s.waits,
        stalls: s.stalls,
        leases_live: s.leases_live,
        leases_leaked: s.leases_leaked,
        outsized_updates: s.outsized_updates,
        refused_total: s.refused_total,
        wait_histogram: s.wait_histogram,
        refused: s.refused,
        copies_present: s.copies_present,
        extra_copies: s.extra_copies,
        extra_copies_most: s.extra_copies_most,
        oldest_lease_epoch: s.oldest_lease_epoch,
        oldest_lease_thread: s.oldest_lease_thread,
        oldest_lease_age_ns: s.oldest_lease_age_ns,
    }
}

/// Writes the statistics as text. Allocates nothing.
///
/// @param m the manager
/// @param write takes the text, piece by piece, on the calling thread
/// @param user_data handed to `write`
/// @return BB_OK, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_stats_write(
    m: *mut bb_manager,
    write: bb_write_fn,
    user_data: *mut c_void,
) -> bb_status {
    on("bb_manager_stats_write", m, |m: &Manager| {
        let write = input::function(write, "write")?;
        // SAFETY: the header asks for a function that takes this data.
        let mut writer = unsafe { Writer::new(write, user_data) };
        // The writer itself never fails.
        let _ = write!(writer, "{}", m.statistics());
        Ok(())
    })
}
