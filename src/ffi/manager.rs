//! `bb_manager`: configuration, creation, synchronize, close and destroy.

use std::ffi::{c_char, c_void};
use std::mem::ManuallyDrop;

use crate::device::device::Device;
use crate::dtype::DType;
use crate::error::{Error, Label, Result, Status};
use crate::ffi::callback::{UserData, bb_drop_fn, boxed_callback, discard};
use crate::ffi::guard::{destroy_by, guard, on, with};
use crate::ffi::handle::{Kind, bb_device, bb_manager};
use crate::ffi::input::{self, Out};
use crate::ffi::object::{Object, ReservedSlot};
use crate::ffi::status::bb_status;
use crate::manager::config::{Config, Flush, Priority, WorkerMode};
use crate::manager::field::FieldSpec;
use crate::manager::manager::Manager;
use crate::manager::shape::Shape;
use crate::manager::update::Refused;
use crate::sys::clock::Timeout;

/// The most dimensions of a state.
pub const BB_MAX_DIMS: usize = 16;

/// `bb_manager_config.worker`: callers and the worker apply updates.
pub const BB_WORKER_SHARED: u32 = 0;
/// `bb_manager_config.worker`: only the worker applies updates.
pub const BB_WORKER_ONLY: u32 = 1;

/// `bb_manager_config.max_extra_copies`: the default, which is 24, or 0 if `copies` is 2 or the manager is on a
/// device.
pub const BB_EXTRA_COPIES_AUTO: u32 = u32::MAX;

/// Element types. Opaque elements of a given size are `BB_OPAQUE(size)`.
#[allow(dead_code, reason = "for C")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum bb_dtype {
    /// uint8_t
    BB_U8 = 1,
    /// uint16_t
    BB_U16 = 2,
    /// uint32_t
    BB_U32 = 3,
    /// uint64_t
    BB_U64 = 4,
    /// int8_t
    BB_I8 = 5,
    /// int16_t
    BB_I16 = 6,
    /// int32_t
    BB_I32 = 7,
    /// int64_t
    BB_I64 = 8,
    /// IEEE 754 half precision
    BB_F16 = 9,
    /// bfloat16
    BB_BF16 = 10,
    /// float
    BB_F32 = 11,
    /// double
    BB_F64 = 12,
    /// one byte, 0 or 1
    BB_BOOL = 13,
    /// two floats: real, imaginary
    BB_C64 = 14,
    /// two doubles: real, imaginary
    BB_C128 = 15,
}

/// Waits for the backend before a publish. Returns 0 on success, else a code that the message of `BB_E_BACKEND`
/// contains. Runs on the worker only, never twice at once. It may enqueue, but not synchronize or destroy, and must
/// not throw.
pub type bb_flush_fn = Option<unsafe extern "C" fn(user_data: *mut c_void) -> i32>;

/// Parameters of a new manager. Fill it by `bb_manager_config_init()`, then change what is needed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_manager_config {
    /// Bytes of this struct in the caller's version.
    pub struct_size: u32,
    /// Physical copies of the state: 2 to 8, 3 by default; 2 is strict double buffering. The third and later ones
    /// take memory only while leases hold the others.
    pub copies: u32,
    /// Label in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none.
    pub label: *const c_char,
    /// The state's bytes at epoch 0, or NULL for zeros. Read during the call only.
    pub initial: *const c_void,
    /// Capacity of the queue in bytes, 1 MiB by default.
    pub queue_bytes: u64,
    /// Nanoseconds after which a flush or a task is reported as stalled, once, to the calls that wait for it; 2 s by
    /// default, 0 for never.
    pub watchdog_ns: u64,
    /// Bytes of the backlog that a caller applies before the worker takes over, 256 KiB by default.
    pub caller_budget_bytes: u64,
    /// Waits for the backend before each publish, or NULL.
    pub flush: bb_flush_fn,
    /// Passed to `flush`.
    pub flush_user_data: *mut c_void,
    /// Releases `flush_user_data` when `flush` will not be called again; may be NULL. Without a `flush`, it is called
    /// when the manager is created.
    pub flush_drop: bb_drop_fn,
    /// `BB_WORKER_SHARED` or `BB_WORKER_ONLY`.
    pub worker: u32,
    /// Nice value of the worker, -20 to 19, or `BB_REALTIME(1 to 99)`; 0 is normal scheduling with the nice value of
    /// the process. The priority of the creating thread is not inherited. If the system refuses the priority, that is
    /// logged.
    pub worker_priority: i32,
    /// Bit k allows the worker on CPU k; 0 allows every CPU that the process could use when the library was loaded.
    /// The affinity of the creating thread is not inherited.
    pub worker_affinity: u64,
    /// Copies that may be added while leases hold all of `copies`, so that readers never block the producer; at most
    /// 32 together with `copies`. They take memory on demand and return it after a second or two without use. The
    /// default, `BB_EXTRA_COPIES_AUTO`, is 24, but 0 if `copies` is 2 or the manager is on a device, where slots are
    /// fixed and any other number is refused.
    pub max_extra_copies: u32,
    /// The last epochs whose changes `bb_front_changes()` can name: 64 by default, at most 1024; 0 records none. Each
    /// takes 88 to 2072 bytes, depending on the size of the state.
    pub history: u32,
    /// The device that gets a copy of each front, or NULL for host memory alone. NULL for `bb_manager_create_gl()`.
    pub device: *mut bb_device,
}

/// Fills a config with the defaults.
///
/// @param config output
/// @return BB_OK, BB_E_NULL
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_config_init(config: *mut bb_manager_config) -> bb_status {
    // SAFETY: the header requires memory for a config.
    guard("bb_manager_config_init", || unsafe { input::output(config, "config") }?.set(defaults()))
}

fn defaults() -> bb_manager_config {
    let core = Config::default();
    bb_manager_config {
        struct_size: size_of::<bb_manager_config>() as u32,
        copies: core.copies,
        label: std::ptr::null(),
        initial: std::ptr::null(),
        queue_bytes: core.queue_bytes,
        watchdog_ns: core.watchdog.as_nanos(),
        caller_budget_bytes: core.caller_budget_bytes,
        flush: None,
        flush_user_data: std::ptr::null_mut(),
        flush_drop: None,
        worker: BB_WORKER_SHARED,
        worker_priority: 0,
        worker_affinity: core.affinity,
        max_extra_copies: BB_EXTRA_COPIES_AUTO,
        history: core.history,
        device: std::ptr::null_mut(),
    }
}

/// # Safety
///
/// NULL, or a config with as many bytes as it says.
unsafe fn read_config(config: *const bb_manager_config) -> Result<bb_manager_config> {
    // SAFETY: promised by the caller; integers and pointers are legal whatever their bits.
    unsafe { input::optional_struct(config, defaults()) }
}

/// The core's config; `initial_bytes` is None if the config may have no initial state.
///
/// # Safety
///
/// The config's pointers are as the header says.
unsafe fn core_config<'a>(
    device: Option<&'a Device>,
    config: &bb_manager_config,
    initial_bytes: Option<u64>,
) -> Result<Config<'a>> {
    let mut core = Config {
        // SAFETY: promised by the caller.
        label: unsafe { input::name(config.label, "label") }?,
        queue_bytes: config.queue_bytes,
        copies: config.copies,
        watchdog: Timeout::nanos(config.watchdog_ns),
        caller_budget_bytes: config.caller_budget_bytes,
        device,
        worker: match config.worker {
            BB_WORKER_SHARED => WorkerMode::Shared,
            BB_WORKER_ONLY => WorkerMode::Only,
            other => {
                return Err(Error::value(
                    Status::Argument,
                    "worker",
                    other,
                    "use BB_WORKER_SHARED or BB_WORKER_ONLY",
                ));
            }
        },
        priority: match config.worker_priority {
            0 => Priority::Normal,
            nice @ -20..=19 => Priority::Nice(nice),
            real @ 101..=199 => Priority::RealTime(real.wrapping_sub(100) as u32),
            other => {
                return Err(Error::value(
                    Status::Argument,
                    "worker_priority",
                    other,
                    "use -20 to 19, or BB_REALTIME(1 to 99)",
                ));
            }
        },
        affinity: config.worker_affinity,
        max_extra_copies: (config.max_extra_copies != BB_EXTRA_COPIES_AUTO)
            .then_some(config.max_extra_copies),
        history: config.history,
        ..Config::default()
    };
    if !config.initial.is_null() {
        let reason = "is set; give each field its own initial bytes instead";
        let of_fields = || Error::param(Status::Argument, "config.initial", reason);
        let bytes = initial_bytes.ok_or_else(of_fields)?;
        // SAFETY: promised by the caller: one state's bytes.
        core.initial = Some(unsafe { input::many(config.initial.cast(), bytes, "initial") }?);
    }
    core.flush = flush(config)?;
    Ok(core)
}

fn flush(config: &bb_manager_config) -> Result<Option<Flush>> {
    let Some(function) = config.flush else { return Ok(None) };
    let user_data = UserData::new(config.flush_user_data, config.flush_drop);
    let flush = move || {
        let Some(_running) = user_data.enter() else { return Ok(()) };
        // SAFETY: the caller's function and data; the core calls it on the worker only, never twice at once.
        match unsafe { function(user_data.get()) } {
            0 => Ok(()),
            code => Err(code),
        }
    };
    Ok(Some(boxed_callback(flush)?))
}

impl Object for Manager {
    const KIND: Kind = Kind::Manager;

    fn into_raw(self) -> Result<*mut ()> {
        Ok(Manager::into_raw(self).cast_mut())
    }

    #[inline(always)]
    unsafe fn with<R>(raw: *mut (), work: impl FnOnce(&Manager) -> R) -> R {
        // SAFETY: promised by the caller.
        let manager: ManuallyDrop<Manager> = unsafe { Manager::with_raw(raw) };
        work(&manager)
    }

    unsafe fn from_raw(raw: *mut ()) -> Manager {
        // SAFETY: promised by the caller.
        unsafe { Manager::from_raw(raw) }
    }

    fn label(&self) -> Label {
        Manager::label(self)
    }

    fn close(&self) -> Result<()> {
        self.begin_destroy()
    }

    fn refuse(&self, status: Status) {
        Manager::refuse(self, status);
    }

    fn poison(&self) {
        self.shared.poison();
    }
}

/// Creates a manager of a row-major N-d array, with its worker thread.
///
/// Copies of more than 8 MiB are committed by the kernel on first use. Such a state is refused if two copies exceed
/// the memory available now, control group limits included. If that memory is no longer available at first use, the
/// kernel kills a process.
///
/// The state is zeros, or the config's `initial`; its epoch is 0, and fronts may be acquired at once. States without
/// elements and without dimensions are allowed. If the call fails, `flush_user_data` stays the caller's.
///
/// With `config.device`, each copy also has a buffer on that device, to which changes are uploaded before the copy is
/// published; `bb_manager_acquire_front_device()` leases it. If the device is host-driven and its owner is another
/// thread, the call waits for `bb_device_poll()`, at most for the config's `watchdog_ns` (0: without limit).
///
/// @param dtype a `bb_dtype`, or `BB_OPAQUE(size)` for elements of that many bytes
/// @param ndim dimensions, 0 to BB_MAX_DIMS
/// @param shape elements along each dimension; may be NULL if there are none
/// @param config parameters, or NULL for the defaults
/// @param manager the handle is written here
/// @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (dtype, ndim, config, label that is not UTF-8), BB_E_RANGE (the state's size
///         overflows), BB_E_VERSION (struct_size), BB_E_OUT_OF_MEMORY, BB_E_LIMIT (threads, handles, more bytes than a
///         buffer of the device can have), BB_E_UNSUPPORTED; with a `config.device` also a device status, or a handle
///         status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_manager_create(
    dtype: u32,
    ndim: u32,
    shape: *const u64,
    config: *const bb_manager_config,
    manager: *mut *mut bb_manager,
) -> bb_status {
    guard("bb_manager_create", || {
        // SAFETY: the header requires memory for a handle, `ndim` lengths, and a config or NULL.
        unsafe { create(None, dtype, ndim, shape, config, manager) }
    })
}

/// Creates a manager, on `device` if there is one, else on the config's.
///
/// # Safety
///
/// As `bb_manager_create` requires.
pub(super) unsafe fn create(
    device: Option<&Device>,
    dtype: u32,
    ndim: u32,
    shape: *const u64,
    config: *const bb_manager_config,
    manager: *mut *mut bb_manager,
) -> Result<()> {
    // SAFETY: promised by the caller.
    let (out, config) = unsafe { (input::output(manager, "manager")?, read_config(config)?) };
    let dtype = dtype_of(dtype)?;
    if ndim as usize > BB_MAX_DIMS {
        return Err(Error::value(Status::Argument, "ndim", ndim, "more than BB_MAX_DIMS dimensions"));
    }
    // SAFETY: as above.
    let shape = unsafe { input::many(shape, u64::from(ndim), "shape") }?;
    let bytes = Shape::new(dtype, shape)?.bytes;
    let make = |core: Config<'_>| Manager::untyped_with_config(dtype, shape, core);
    // SAFETY: promised by the caller: the config's pointers are as the header says.
    unsafe {
        match device {
            Some(_) if !config.device.is_null() => {
                let reason = "must be NULL: the device is a parameter of this call";
                Err(Error::param(Status::Argument, "config.device", reason))
            }
            Some(_) => finish(out, &config, device, Some(bytes), make),
            None => on_configured_device(&config, |device| finish(out, &config, device, Some(bytes), make)),
        }
    }
}

/// Creates a manager of these fields.
///
/// # Safety
///
/// As `bb_manager_create_fields` requires.
pub(super) unsafe fn create_fields(
    fields: &[FieldSpec<'_>],
    config: *const bb_manager_config,
    manager: *mut *mut bb_manager,
) -> Result<()> {
    // SAFETY: promised by the caller.
    let (out, config) = unsafe { (input::output(manager, "manager")?, read_config(config)?) };
    let make = |core: Config<'_>| Manager::with_fields(fields, core);
    // SAFETY: promised by the caller: the config's pointers are as the header says.
    on_configured_device(&config, |device| unsafe { finish(out, &config, device, None, make) })
}

/// The element type with that number.
pub(super) fn dtype_of(code: u32) -> Result<DType> {
    let unknown = "use BB_U8 … BB_C128, or BB_OPAQUE(size)";
    DType::from_code(code).map_err(|error| Error::value(error.status(), "dtype", code, unknown))
}

fn on_configured_device<R>(
    config: &bb_manager_config,
    work: impl FnOnce(Option<&Device>) -> Result<R>,
) -> Result<R> {
    if config.device.is_null() {
        return work(None);
    }
    with(config.device.cast_const(), |device: &Device| work(Some(device)))
}

/// Makes the manager and its handle.
///
/// # Safety
///
/// The config's pointers are as the header says.
unsafe fn finish(
    out: Out<*mut bb_manager>,
    config: &bb_manager_config,
    device: Option<&Device>,
    initial_bytes: Option<u64>,
    make: impl FnOnce(Config<'_>) -> std::result::Result<Manager, Refused<Option<Flush>>>,
) -> Result<()> {
    let slot = ReservedSlot::take()?;
    // SAFETY: promised by the caller.
    let core = unsafe { core_config(device, config, initial_bytes) }?;
    let manager = make(core).map_err(|refused| {
        if let Some(flush) = refused.value {
            discard(flush);
        }
        refused.error
    })?;
    out.set(slot.fill(manager)? as *mut bb_manager)?;
    if config.flush.is_none() {
        // Nothing uses the data: it is released here, as by `bb_set_log()` without a function.
        drop(UserData::new(config.flush_user_data, config.flush_drop));
    }
    Ok(())
}

/// Returns unused memory to the system: copies beyond the second that no lease holds and, for states larger than 8
/// MiB, the back copy if nothing was written since the last publish. An idle state keeps one copy. Memory is
/// allocated again on demand; the back copy is then copied from the front.
///
/// It waits while the back copy is reserved, or while a kernel or a flush runs.
///
/// @param m the manager
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @return BB_OK, BB_E_TIMEOUT, BB_E_PINNED (leases hold every copy, and updates wait for one), BB_E_STALLED
///         (outlasted the watchdog), BB_E_STATE (this thread has the back copy reserved), BB_E_INTERRUPTED,
///         BB_E_CLOSED, BB_E_RECURSIVE, BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_manager_trim(m: *mut bb_manager, timeout: u64) -> bb_status {
    on("bb_manager_trim", m, |m: &Manager| m.trim(Timeout::nanos(timeout)))
}

/// Closes the manager: refuses new work, publishes what was accepted, then ends waits with `BB_E_CLOSED`. Fronts stay
/// readable. After a timeout the manager stays in the closing state, and a later call continues the same publish.
///
/// @param m the manager
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @return BB_OK (also when it is closed already), and what `bb_manager_synchronize()` returns
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_manager_close(m: *mut bb_manager, timeout: u64) -> bb_status {
    on("bb_manager_close", m, |m: &Manager| m.close(Timeout::nanos(timeout)))
}

/// Destroys the manager: closes it without a publish, wakes all waiters, and returns when no call and no callback
/// runs on it and all borrowed data is released. It waits while a kernel, a flush or a release callback runs;
/// afterwards the memory that they use may be freed. A wait of more than two seconds is logged. Leased copies stay
/// valid until their leases are released. The handle is stale afterwards.
///
/// After BB_E_INTERRUPTED the handle is stale as well: a signal or the thread's wait check ended the wait, and a
/// callback may still run. See BB_E_STALLED of `bb_manager_destroy_within()`.
///
/// @param m the manager; NULL is a no-op
/// @return BB_OK, BB_E_INTERRUPTED, BB_E_RECURSIVE (called from one of its own callbacks, or inside a call on it),
///         BB_E_STALE (also for all but one of several threads that destroy it), or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread; calls that race with it return BB_E_CLOSED or BB_E_STALE
#[unsafe(no_mangle)]
pub extern "C" fn bb_manager_destroy(m: *mut bb_manager) -> bb_status {
    destroy_by("bb_manager_destroy", m, |m: Manager| m.destroy(Timeout::FOREVER))
}

/// Destroys the manager as `bb_manager_destroy()` does, but waits at most `timeout` for a running callback: for
/// programs that must end even if a kernel or a flush hangs.
///
/// After BB_E_STALLED and BB_E_INTERRUPTED the handle is stale as well. Borrowed data and user data are released only
/// when the callback returns; until then their memory must stay valid. `bb_debug_dump()` counts such managers.
///
/// @param m the manager; NULL is a no-op
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @return BB_OK, BB_E_STALLED (a callback still runs), BB_E_INTERRUPTED (the same; a signal or the wait check ended the
///         wait), BB_E_RECURSIVE (called from one of its own callbacks, or inside a call on it), BB_E_STALE (also for
///         all but one of several threads that destroy it), or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread; calls that race with it return BB_E_CLOSED or BB_E_STALE
#[unsafe(no_mangle)]
pub extern "C" fn bb_manager_destroy_within(m: *mut bb_manager, timeout: u64) -> bb_status {
    destroy_by("bb_manager_destroy_within", m, |m: Manager| m.destroy(Timeout::nanos(timeout)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn element_types_have_the_numbers_of_the_core() {
        use bb_dtype::*;
        let ours = [
            BB_U8, BB_U16, BB_U32, BB_U64, BB_I8, BB_I16, BB_I32, BB_I64, BB_F16, BB_BF16, BB_F32, BB_F64,
            BB_BOOL, BB_C64, BB_C128,
        ];
        for dtype in ours {
            let core = format!("{:?}", DType::from_code(dtype as u32).unwrap()).to_uppercase();
            assert_eq!(format!("{dtype:?}"), format!("BB_{core}"));
        }
    }
}
