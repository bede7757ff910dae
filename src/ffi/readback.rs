//! `bb_readback` and `bb_reading`: bytes on their way back from the device.

use std::ffi::{c_char, c_void};

use super::buffer::keep;
use super::callback::{UserData, bb_drop_fn};
use super::encoder::target;
use super::guard::{beside, guard, on, take};
use super::handle::Kind;
use super::input;
use super::object::{Object, Seat};
use super::opaque::{bb_device, bb_device_buffer, bb_readback, bb_reading};
use super::spsc::bb_const_span;
use super::status::bb_status;
use crate::Timeout;
use crate::buffers::{ReadbackBuffer, ReadbackConfig, Reading, Receiver, WhenFull};
use crate::device::Device;
use crate::error::{Error, Label, Result, Status};

/// `bb_readback_config.when_full`: a read says BB_E_FULL.
pub const BB_READBACK_SKIP: u32 = 0;
/// `bb_readback_config.when_full`: a read waits until a reading is released, for `timeout_ns` at most.
pub const BB_READBACK_WAIT: u32 = 1;
/// `bb_readback_config.when_full`: a read takes the oldest reading's buffer, unless somebody has its bytes; that reading says
/// BB_E_ABORTED.
pub const BB_READBACK_DROP_OLDEST: u32 = 2;

/// How a ring of readbacks is made. Fill it by `bb_readback_config_init()`, then change what is needed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_readback_config {
    /// Bytes of this struct, as the caller knows it.
    pub struct_size: u32,
    /// Buffers, and so readings under way, 1 to 16.
    pub frames: u32,
    /// Bytes of a read at most, any number.
    pub size: u64,
    /// What a read does when all buffers are in use: one of `BB_READBACK_…`.
    pub when_full: u32,
    /// 0.
    pub reserved: u32,
    /// For `BB_READBACK_WAIT`, in nanoseconds.
    pub timeout_ns: u64,
    /// Name in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none.
    pub label: *const c_char,
}

/// What a ring of readbacks has counted.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_readback_stats {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Reads begun.
    pub reads: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Reads that waited for a buffer.
    pub stalls: u64,
    /// Nanoseconds that they waited.
    pub stalled_ns: u64,
    /// Reads that were left out.
    pub skipped: u64,
    /// Readings that were given up for newer ones.
    pub dropped: u64,
}

/// Who is given the bytes of a read.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_read_callback {
    /// Called once: BB_OK and the bytes, which are there for the call only; else why they do not come, and NULL. It may use any
    /// buffer, but not wait for the device: that is BB_E_RECURSIVE.
    pub call: Option<
        unsafe extern "C" fn(user_data: *mut c_void, status: bb_status, data: *const c_void, bytes: u64),
    >,
    /// Handed to it.
    pub user_data: *mut c_void,
    /// Told that `user_data` is not needed any more, after the call; may be NULL.
    pub drop: bb_drop_fn,
}

const DEFAULTS: bb_readback_config = bb_readback_config {
    struct_size: size_of::<bb_readback_config>() as u32,
    frames: 3,
    size: 0,
    when_full: BB_READBACK_SKIP,
    reserved: 0,
    timeout_ns: 0,
    label: std::ptr::null(),
};

impl Object for ReadbackBuffer {
    const KIND: Kind = Kind::Readback;

    fn label(&self) -> Label {
        ReadbackBuffer::label(self)
    }
}

impl Object for Reading {
    const KIND: Kind = Kind::Reading;
}

fn config<'a>(given: bb_readback_config) -> Result<ReadbackConfig<'a>> {
    let when_full = match given.when_full {
        BB_READBACK_SKIP => WhenFull::Skip,
        BB_READBACK_WAIT => WhenFull::Wait(Timeout::nanos(given.timeout_ns)),
        BB_READBACK_DROP_OLDEST => WhenFull::DropOldest,
        other => {
            let why = "use BB_READBACK_SKIP, BB_READBACK_WAIT or BB_READBACK_DROP_OLDEST";
            return Err(Error::value(Status::Argument, "config.when_full", other, why));
        }
    };
    // SAFETY: the header asks for a string or NULL.
    let label = unsafe { input::name(given.label, "config.label") }?;
    Ok(ReadbackConfig { size: given.size, frames: given.frames, when_full, label })
}

/// Fills a config with the defaults: 3 frames, of no bytes.
///
/// @param config written
/// @return BB_OK, BB_E_NULL
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_readback_config_init(config: *mut bb_readback_config) -> bb_status {
    // SAFETY: the header asks for a place for a config.
    guard("bb_readback_config_init", || unsafe { input::output(config, "config") }?.set(DEFAULTS))
}

/// Makes a ring of buffers that reads are copied to, so that no frame waits for its own.
///
/// @param device whose memory it is
/// @param config how; its size is needed
/// @param readback the handle is written here; `bb_readback_destroy()` ends it
/// @return BB_OK, BB_E_ARGUMENT (frames, when_full, label), BB_E_LIMIT, BB_E_VERSION, BB_E_OUT_OF_MEMORY, BB_E_BACKEND,
///         BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_readback_create(
    device: *mut bb_device,
    config: *const bb_readback_config,
    readback: *mut *mut bb_readback,
) -> bb_status {
    on("bb_readback_create", device, |device: &Device| {
        // SAFETY: the header asks for a place for a handle, and a config.
        let (place, given) = unsafe {
            input::required(config.cast::<u8>(), "config")?;
            (input::output(readback, "readback")?, input::versioned(config, DEFAULTS)?)
        };
        let config = self::config(given)?;
        let seat = Seat::take()?;
        place.set(seat.seat(ReadbackBuffer::new(device, config)?)? as *mut bb_readback)
    })
}

/// Submits a copy of what a device buffer holds by then, and asks for it to be mapped. When all buffers are in use, the ring does as
/// it was told.
///
/// @param readback the ring
/// @param from a device buffer with `BB_USAGE_COPY_SRC`
/// @param offset where the bytes begin there
/// @param bytes how many, at most the ring's size
/// @param reading the handle is written here; `bb_reading_release()` gives its buffer back to the ring
/// @return BB_OK, BB_E_FULL, BB_E_TIMEOUT, BB_E_RANGE, BB_E_ARGUMENT (usage, another device), BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY,
///         BB_E_BACKEND, BB_E_LIMIT, BB_E_RECURSIVE (waiting in a callback), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND,
///         BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_readback_read(
    readback: *mut bb_readback,
    from: *mut bb_device_buffer,
    offset: u64,
    bytes: u64,
    reading: *mut *mut bb_reading,
) -> bb_status {
    const CALL: &str = "bb_readback_read";
    let mut shared = None;
    let status = on(CALL, readback, |readback: &ReadbackBuffer| {
        // SAFETY: the header asks for a place for a handle.
        shared = Some((unsafe { input::output(reading, "reading") }?, readback.share(), target(from)?));
        Ok(())
    });
    let Some((place, readback, from)) = shared else { return status };
    // No call is inside of the handles while this waits for a buffer.
    beside(CALL, Kind::Readback, readback.label(), || {
        let seat = Seat::take()?;
        let reading = readback.read(&from, offset, bytes)?;
        place.set(seat.seat(reading)? as *mut bb_reading)
    })
}

/// The same, and leaves the bytes to a callback: on the device's owner thread, on a thread that drops the reading for a newer one, or
/// inside of this call. The buffer goes back to the ring after it.
///
/// @param readback the ring
/// @param from a device buffer with `BB_USAGE_COPY_SRC`
/// @param offset where the bytes begin there
/// @param bytes how many, at most the ring's size
/// @param callback called once if the call succeeds
/// @return what `bb_readback_read()` returns
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_readback_read_then(
    readback: *mut bb_readback,
    from: *mut bb_device_buffer,
    offset: u64,
    bytes: u64,
    callback: *const bb_read_callback,
) -> bb_status {
    const CALL: &str = "bb_readback_read_then";
    let mut shared = None;
    let status = on(CALL, readback, |readback: &ReadbackBuffer| {
        // SAFETY: the header asks for a callback.
        let given = unsafe { input::required(callback, "callback") }?;
        let call = input::function(given.call, "callback.call")?;
        shared = Some((given, call, readback.share(), target(from)?));
        Ok(())
    });
    let Some((given, call, readback, from)) = shared else { return status };
    // As above; and a callback that runs in here may end them.
    beside(CALL, Kind::Readback, readback.label(), || {
        let user_data = UserData::new(given.user_data, given.drop);
        let tell = move |bytes: Result<&[u8]>| {
            let (status, data, length) = match bytes {
                Ok(bytes) => (bb_status::BB_OK, bytes.as_ptr(), bytes.len() as u64),
                Err(error) => (error.status().into(), std::ptr::null(), 0),
            };
            // SAFETY: the caller's own function, called once, with its user data.
            unsafe { call(user_data.get(), status, data.cast(), length) };
        };
        let tell: Receiver = match crate::memory::try_box(tell) {
            Ok(tell) => tell,
            Err(tell) => {
                std::mem::forget(tell);
                return Err(Error::of(Status::OutOfMemory));
            }
        };
        match readback.read(&from, offset, bytes) {
            Ok(reading) => reading.leave_to(tell),
            Err(error) => {
                keep(Some(tell));
                Err(error)
            }
        }
    })
}

/// Whether the bytes of a read are there. It does not drive the device.
///
/// @param reading the reading
/// @return BB_OK (they are), BB_E_TIMEOUT (not yet), BB_E_ABORTED (given up for a newer one), BB_E_DEVICE_LOST, BB_E_BACKEND,
///         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_reading_poll(reading: *mut bb_reading) -> bb_status {
    on("bb_reading_poll", reading, |reading: &Reading| {
        reading.poll().unwrap_or_else(|| Err(Error::of(Status::Timeout)))
    })
}

/// Waits for the bytes of a read. On the owner thread of a host-driven device this drives the device.
///
/// @param reading the reading
/// @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
/// @return BB_OK (they are there), BB_E_TIMEOUT, BB_E_ABORTED (given up for a newer one), BB_E_DEVICE_LOST, BB_E_BACKEND,
///         BB_E_RECURSIVE (in a callback on the owner thread), BB_E_INTERRUPTED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND,
///         BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_reading_wait(reading: *mut bb_reading, timeout: u64) -> bb_status {
    let mut shared = None;
    let status = on("bb_reading_wait", reading, |reading: &Reading| {
        shared = Some(reading.request());
        Ok(())
    });
    let Some(request) = shared else { return status };
    // No call is inside of the handle while this waits: others may release it.
    guard("bb_reading_wait", || request.wait(Timeout::nanos(timeout))?.result)
}

/// The bytes of a read, once they are there. Valid until the reading is released, or the device destroyed.
///
/// @param reading the reading
/// @param span written
/// @return BB_OK, BB_E_STATE (not there yet), BB_E_ABORTED (given up for a newer one), BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY,
///         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_reading_bytes(reading: *mut bb_reading, span: *mut bb_const_span) -> bb_status {
    on("bb_reading_bytes", reading, |reading: &Reading| {
        // SAFETY: the header asks for a place for a span.
        let place = unsafe { input::output(span, "span") }?;
        let (data, bytes) = reading.place()?;
        place.set(bb_const_span { data: data.cast(), bytes })
    })
}

/// Gives the reading's buffer back to the ring.
///
/// @param reading the reading; NULL is a no-op
/// @return BB_OK, BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_reading_release(reading: *mut bb_reading) -> bb_status {
    if reading.is_null() {
        return bb_status::BB_OK;
    }
    take("bb_reading_release", reading, |reading: Reading| {
        drop(reading);
        Ok(())
    })
}

/// Tells what a ring of readbacks has counted.
///
/// @param readback the ring
/// @param struct_size `sizeof(bb_readback_stats)`
/// @param stats written
/// @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_readback_stats_get(
    readback: *mut bb_readback,
    struct_size: u32,
    stats: *mut bb_readback_stats,
) -> bb_status {
    // SAFETY: the header asks for a place of `struct_size` bytes.
    on("bb_readback_stats_get", readback, |readback: &ReadbackBuffer| unsafe {
        input::write_sized(struct_size, stats, "stats", |struct_size| {
            let counted = readback.statistics();
            bb_readback_stats {
                struct_size,
                reserved: 0,
                reads: counted.reads,
                bytes: counted.bytes,
                stalls: counted.stalls,
                stalled_ns: counted.stalled_ns,
                skipped: counted.skipped,
                dropped: counted.dropped,
            }
        })
    })
}

/// Destroys a ring of readbacks. Readings that are there keep their buffers until they are released.
///
/// @param readback the ring; NULL is a no-op
/// @return BB_OK, BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_readback_destroy(readback: *mut bb_readback) -> bb_status {
    if readback.is_null() {
        return bb_status::BB_OK;
    }
    take("bb_readback_destroy", readback, |readback: ReadbackBuffer| {
        drop(readback);
        Ok(())
    })
}
