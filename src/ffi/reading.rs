//! `bb_reading`: a read that is under way, or done.

use std::ffi::c_void;

use super::buffer::keep;
use super::callback::{UserData, bb_drop_fn};
use super::guard::{guard, guard_handle, on, take};
use super::handle::Kind;
use super::input;
use super::object::{self, Object};
use super::opaque::bb_reading;
use super::spsc::bb_const_span;
use super::status::bb_status;
use crate::alloc::try_box;
use crate::buffers::reading::{Delivery, Reading, Receiver};
use crate::error::{Error, Result, Status};
use crate::sys::clock::Timeout;

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

impl Object for Reading {
    const KIND: Kind = Kind::Reading;
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
///         BB_E_OUT_OF_MEMORY, BB_E_RECURSIVE (in a callback on the owner thread), BB_E_INTERRUPTED, BB_E_NULL, BB_E_HANDLE,
///         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
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
    guard("bb_reading_wait", || {
        let outcome = request.wait(Timeout::nanos(timeout))?;
        // Where the handle is there still, what had come may have been given up meanwhile.
        let now = object::with_pin(reading as u64, Reading::poll);
        now.ok().flatten().unwrap_or(outcome.result)
    })
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

/// Leaves a read to a callback: it is called once, on the device's owner thread, on a thread that gives the reading up, or inside of
/// this call where the answer is known. The handle ends, and the buffer goes back to the ring after the callback.
///
/// @param reading the reading
/// @param callback called once if the call succeeds
/// @return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_reading_then(
    reading: *mut bb_reading,
    callback: *const bb_read_callback,
) -> bb_status {
    guard_handle("bb_reading_then", reading, |handle| {
        // All that can fail comes before the handle ends.
        let room = Delivery::room()?;
        // SAFETY: the header asks for a callback.
        let tell = unsafe { receiver(callback) }?;
        match object::remove::<Reading>(handle) {
            Ok(reading) => {
                reading.leave_to(room, tell);
                Ok(())
            }
            Err(error) => {
                keep(Some(tell));
                Err(error)
            }
        }
    })
}

/// # Safety
///
/// NULL, or a callback.
unsafe fn receiver(callback: *const bb_read_callback) -> Result<Receiver> {
    // SAFETY: the caller's promise.
    let given = unsafe { input::required(callback, "callback") }?;
    let call = input::function(given.call, "callback.call")?;
    let user_data = UserData::new(given.user_data, given.drop);
    let tell = move |bytes: Result<&[u8]>| {
        let Some(_running) = user_data.enter() else { return };
        let (status, data, length) = match bytes {
            Ok(bytes) => (bb_status::BB_OK, bytes.as_ptr(), bytes.len() as u64),
            Err(error) => (error.status().into(), std::ptr::null(), 0),
        };
        // SAFETY: the caller's own function, called once, with its user data.
        unsafe { call(user_data.get(), status, data.cast(), length) };
    };
    match try_box(tell) {
        Ok(tell) => Ok(tell),
        Err(tell) => {
            std::mem::forget(tell);
            Err(Error::of(Status::OutOfMemory))
        }
    }
}

/// Gives the reading's buffer back to the ring.
///
/// @param reading the reading; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
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
