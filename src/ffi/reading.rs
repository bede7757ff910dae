//! `bb_reading`: reads of device buffers, pending or done.

use std::ffi::c_void;

use crate::buffers::readback::{ReadCallback, Reading};
use crate::error::{Error, Result, Status};
use crate::ffi::callback::{UserData, bb_drop_fn, boxed_callback, discard};
use crate::ffi::guard::{destroy, guard_handle, on, outside};
use crate::ffi::handle::{Kind, bb_reading};
use crate::ffi::object::Object;
use crate::ffi::spsc::bb_const_span;
use crate::ffi::status::bb_status;
use crate::ffi::{input, object};
use crate::sys::clock::Timeout;

/// A callback that gets the bytes of a read.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_read_callback {
    /// Called once: with BB_OK and the bytes, which are valid during the call, or with a failure and NULL. It may use
    /// any buffer, but must not wait for the device (BB_E_RECURSIVE).
    pub call: Option<
        unsafe extern "C" fn(user_data: *mut c_void, status: bb_status, data: *const c_void, bytes: u64),
    >,
    /// Passed to it.
    pub user_data: *mut c_void,
    /// Releases `user_data` after the call; may be NULL.
    pub drop: bb_drop_fn,
}

impl Object for Reading {
    const KIND: Kind = Kind::Reading;
}

/// Checks whether the bytes of a read are available. It does not run the device's work.
///
/// @param reading the reading
/// @return BB_OK (available), BB_E_TIMEOUT (not yet), BB_E_ABORTED (dropped for a newer one), BB_E_DEVICE_LOST,
///         BB_E_BACKEND, or a handle status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation while the
///           reading is pending
#[unsafe(no_mangle)]
pub extern "C" fn bb_reading_poll(reading: *mut bb_reading) -> bb_status {
    on("bb_reading_poll", reading, |reading: &Reading| {
        reading.poll().unwrap_or_else(|| Err(Error::of(Status::Timeout)))
    })
}

/// Waits for the bytes of a read. On the owner thread of a host-driven device it also runs the device's work.
///
/// @param reading the reading
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @return BB_OK (available), BB_E_TIMEOUT, BB_E_ABORTED (dropped for a newer one), BB_E_DEVICE_LOST, BB_E_BACKEND,
///         BB_E_OUT_OF_MEMORY, BB_E_RECURSIVE (in a callback on the owner thread), BB_E_INTERRUPTED, or a handle
///         status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_reading_wait(reading: *mut bb_reading, timeout: u64) -> bb_status {
    // The handle is not in use while this waits, so that other threads may release it.
    outside(
        "bb_reading_wait",
        reading,
        |reading: &Reading| Ok(reading.request()),
        |request| {
            let outcome = request.wait(Timeout::nanos(timeout))?;
            // If the handle still exists, the reading may have been dropped for a newer one.
            object::with_pin(reading as u64, Reading::poll).ok().flatten().unwrap_or(outcome.result)
        },
    )
}

/// Gets the bytes of a finished read. They are valid until the reading is released or the device is destroyed.
///
/// @param reading the reading
/// @param span output
/// @return BB_OK, BB_E_STATE (not available yet), BB_E_ABORTED (dropped for a newer one), BB_E_DEVICE_LOST,
///         BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_reading_bytes(reading: *mut bb_reading, span: *mut bb_const_span) -> bb_status {
    on("bb_reading_bytes", reading, |reading: &Reading| {
        // SAFETY: the header requires memory for a span.
        let out = unsafe { input::output(span, "span") }?;
        let (data, bytes) = reading.raw_bytes()?;
        out.set(bb_const_span { data: data.cast(), bytes })
    })
}

/// Passes the bytes of a read to a callback, which is called once: on the device's owner thread, on a thread that
/// drops the reading, or inside this call if the read is finished. The handle ends, and the buffer returns to the
/// ring after the callback.
///
/// @param reading the reading
/// @param callback called once if the call succeeds
/// @return BB_OK, BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_reading_then(
    reading: *mut bb_reading,
    callback: *const bb_read_callback,
) -> bb_status {
    guard_handle("bb_reading_then", reading, |handle| {
        // Everything that can fail is done before the handle ends.
        // SAFETY: the header requires a callback.
        let closure = unsafe { receiver(callback) }?;
        match object::remove::<Reading>(handle) {
            Ok(reading) => {
                reading.call_back(closure);
                Ok(())
            }
            Err(error) => {
                discard(closure);
                Err(error)
            }
        }
    })
}

/// # Safety
///
/// NULL, or a callback.
unsafe fn receiver(callback: *const bb_read_callback) -> Result<ReadCallback> {
    // SAFETY: promised by the caller.
    let given = unsafe { input::required(callback, "callback") }?;
    let call = input::function(given.call, "callback.call")?;
    let user_data = UserData::new(given.user_data, given.drop);
    let closure = move |bytes: Result<&[u8]>| {
        let Some(_running) = user_data.enter() else { return };
        let (status, data, length) = match bytes {
            Ok(bytes) => (bb_status::BB_OK, bytes.as_ptr(), bytes.len() as u64),
            Err(error) => (error.status().into(), std::ptr::null(), 0),
        };
        // SAFETY: the caller's own function, called once, with its user data.
        unsafe { call(user_data.get(), status, data.cast(), length) };
    };
    Ok(boxed_callback(closure)?)
}

/// Ends a reading and returns its buffer to the ring.
///
/// @param reading the reading; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_reading_release(reading: *mut bb_reading) -> bb_status {
    destroy::<Reading, _>("bb_reading_release", reading)
}
