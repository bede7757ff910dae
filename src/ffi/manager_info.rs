//! Information and statistics of a `bb_manager`.

use std::ffi::{c_char, c_void};
use std::fmt::Write;

use crate::ffi::callback::{Writer, bb_write_fn};
use crate::ffi::guard::on;
use crate::ffi::handle::bb_manager;
use crate::ffi::input;
use crate::ffi::manager::BB_MAX_DIMS;
use crate::ffi::status::bb_status;
use crate::manager::core::progress::ManagerState;
use crate::manager::manager::Manager;
use crate::manager::statistics::Statistics;

/// State of a manager: `bb_manager_info.state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum bb_manager_state {
    /// Open: accepts work.
    BB_MANAGER_OPEN = 0,
    /// Closing: publishes accepted work, and accepts no more.
    BB_MANAGER_CLOSING = 1,
    /// Closed: fronts stay readable.
    BB_MANAGER_CLOSED = 2,
    /// A panic was caught; only queries and destroy work.
    BB_MANAGER_POISONED = 3,
}

/// Information about a manager.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_manager_info {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// A `bb_dtype`, or `BB_OPAQUE(size)`. This and the next three are of the first field.
    pub dtype: u32,
    /// Bytes of an element.
    pub element_size: u32,
    /// Dimensions.
    pub ndim: u32,
    /// Elements along each dimension; zeros beyond `ndim`.
    pub shape: [u64; BB_MAX_DIMS],
    /// Bytes of the state: up to the end of the last field.
    pub bytes: u64,
    /// Gets the newest published epoch.
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
    /// Number of fields; 1 if the manager was made without fields.
    pub fields: u32,
}

/// Statistics of a manager since its creation.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_manager_stats {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Updates applied; each update of a batch counts.
    pub updates: u64,
    /// Bytes that updates wrote.
    pub bytes: u64,
    /// Updates applied by callers.
    pub applied_by_caller: u64,
    /// Updates applied by the worker.
    pub applied_by_worker: u64,
    /// Epochs published.
    pub epochs: u64,
    /// Number of times that another copy was written because leases held the next one.
    pub copies_replaced: u64,
    /// Ranges copied forward to a back copy to make it current.
    pub copies_forward: u64,
    /// Bytes of these ranges.
    pub copied_forward_bytes: u64,
    /// Maximum bytes in the queue.
    pub queue_high_water_bytes: u64,
    /// Calls that waited.
    pub waits: u64,
    /// Flushes and tasks that outlasted the watchdog.
    pub stalls: u64,
    /// Leases not released yet.
    pub leases_live: u64,
    /// Leases of this process whose object was destroyed before their release.
    pub leases_leaked: u64,
    /// Updates larger than the queue.
    pub outsized_updates: u64,
    /// Refused calls.
    pub refused_total: u64,
    /// `[k]`: synchronizes that waited or ran a flush for 2^k ns to 2^(k+1) ns.
    pub wait_histogram: [u64; 64],
    /// Refused calls by `-status`.
    pub refused: [u64; 40],
    /// Copies that have memory now: two, and those needed because of leases.
    pub copies_present: u64,
    /// Copies beyond `bb_manager_config.copies` that have memory now.
    pub extra_copies: u64,
    /// Maximum of `extra_copies`.
    pub extra_copies_most: u64,
    /// Epoch of the oldest leased front; 0 if none is leased.
    pub oldest_lease_epoch: u64,
    /// Thread id of the thread that took that lease; 0 if none is leased.
    pub oldest_lease_thread: u64,
    /// Minimum age of that lease in nanoseconds. Taking a lease reads no clock: the age counts from the first report,
    /// error or query that saw the lease. The lease may be much older.
    pub oldest_lease_age_ns: u64,
    /// Updates applied from feeds.
    pub fed_updates: u64,
    /// Feeds that stopped at a bad record.
    pub feeds_stopped: u64,
}

/// Gets the newest published epoch.
///
/// @param m the manager
/// @param epoch output
/// @return BB_OK or a handle status
/// @realtime wait-free, no system call, no allocation
/// @threadsafety safe to call from any thread; never waits
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_epoch(m: *mut bb_manager, epoch: *mut u64) -> bb_status {
    // SAFETY: the header requires memory for a number.
    on("bb_manager_epoch", m, |m: &Manager| unsafe { input::output(epoch, "epoch") }?.set(m.epoch()))
}

/// Gets dtype, shape, state and label of a manager.
///
/// @param m the manager
/// @param struct_size `sizeof(bb_manager_info)`
/// @param info output, `struct_size` bytes
/// @return BB_OK, BB_E_VERSION (struct_size), or a handle status
/// @realtime wait-free, no system call, no allocation
/// @threadsafety safe to call from any thread; never waits
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_info_get(
    m: *mut bb_manager,
    struct_size: u32,
    info: *mut bb_manager_info,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_manager_info_get", m, |m: &Manager| unsafe {
        input::write_sized(struct_size, info, "info", |size| describe(m, size))
    })
}

/// Gets the statistics of a manager.
///
/// @param m the manager
/// @param struct_size `sizeof(bb_manager_stats)`
/// @param stats output, `struct_size` bytes
/// @return BB_OK, BB_E_VERSION (struct_size), or a handle status
/// @realtime wait-free, no system call, no allocation
/// @threadsafety safe to call from any thread; never waits. The counters are not read at one instant
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_stats_get(
    m: *mut bb_manager,
    struct_size: u32,
    stats: *mut bb_manager_stats,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_manager_stats_get", m, |m: &Manager| unsafe {
        input::write_sized(struct_size, stats, "stats", |size| count(&m.statistics(), size))
    })
}

fn describe(m: &Manager, struct_size: u32) -> bb_manager_info {
    let mut shape = [0; BB_MAX_DIMS];
    shape.iter_mut().zip(m.shape()).for_each(|(to, &from)| *to = from);
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
            ManagerState::Open => bb_manager_state::BB_MANAGER_OPEN,
            ManagerState::Closing => bb_manager_state::BB_MANAGER_CLOSING,
            ManagerState::Closed => bb_manager_state::BB_MANAGER_CLOSED,
            ManagerState::Poisoned => bb_manager_state::BB_MANAGER_POISONED,
        } as u32,
        label: input::chars(Manager::label(m).as_str()),
        max_extra_copies: m.max_extra_copies(),
        fields: m.shared.fields.all().len() as u32,
    }
}

fn count(stats: &Statistics, struct_size: u32) -> bb_manager_stats {
    copy_fields! {
        bb_manager_stats { struct_size: struct_size, reserved: 0 } from stats:
        updates, bytes, applied_by_caller, applied_by_worker, epochs, copies_replaced, copies_forward, copied_forward_bytes,
        queue_high_water_bytes, waits, stalls, leases_live, leases_leaked, outsized_updates, refused_total, wait_histogram,
        refused, copies_present, extra_copies, extra_copies_most, oldest_lease_epoch, oldest_lease_thread, oldest_lease_age_ns,
        fed_updates, feeds_stopped
    }
}

/// Writes the statistics of a manager and its fields as text. Allocates nothing.
///
/// @param m the manager
/// @param write takes the text in pieces, on the calling thread
/// @param user_data passed to `write`
/// @return BB_OK or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_stats_write(
    m: *mut bb_manager,
    write: bb_write_fn,
    user_data: *mut c_void,
) -> bb_status {
    on("bb_manager_stats_write", m, |m: &Manager| {
        let write = input::function(write, "write")?;
        // SAFETY: the header requires a function that takes this data.
        let mut writer = unsafe { Writer::new(write, user_data) };
        // The writer itself never fails.
        let _ = write!(writer, "{}", m.statistics());
        for field in m.fields() {
            let _ = writeln!(writer, "field {field}");
        }
        Ok(())
    })
}
