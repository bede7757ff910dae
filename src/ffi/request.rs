//! `bb_request`: map requests of buffers.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

use crate::alloc::{boxed, try_vec};
use crate::buffers::buffer::BufferInner;
use crate::buffers::map_state::MapOutcome;
use crate::buffers::promise::PromiseCallback;
use crate::buffers::request::Request;
use crate::error::{Error, Label, Result, Status};
use crate::ffi::buffer::{bb_buffer_state, inner, mode_of, size_of_range};
use crate::ffi::callback::{UserData, bb_drop_fn, boxed_callback, discard};
use crate::ffi::guard::{destroy, guard, on, outside, with};
use crate::ffi::handle::{Kind, bb_buffer, bb_request};
use crate::ffi::input;
use crate::ffi::object::{Object, ReservedSlot};
use crate::ffi::status::bb_status;
use crate::sys::clock::Timeout;
use crate::text::Text;

/// The outcome of a map request.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_map_outcome {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// BB_OK if the buffer is mapped, else BB_E_ABORTED, BB_E_CANCELLED, BB_E_DEVICE_LOST, BB_E_BACKEND or
    /// BB_E_OUT_OF_MEMORY.
    pub status: bb_status,
    /// State of the buffer at that time.
    pub state: bb_buffer_state,
    /// 0.
    pub reserved: u32,
    /// Label of the buffer, NUL-terminated.
    pub label: [c_char; 64],
    /// The message of the failure, NUL-terminated; empty if the buffer is mapped.
    pub text: [c_char; 256],
}

/// A callback that gets the outcome of a map request.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_map_callback {
    /// Called once; the outcome is valid during the call. It may use, destroy and release any buffer, but must not
    /// wait for the device (BB_E_RECURSIVE).
    pub call: Option<unsafe extern "C" fn(user_data: *mut c_void, outcome: *const bb_map_outcome)>,
    /// Passed to it.
    pub user_data: *mut c_void,
    /// Releases `user_data` after the call; may be NULL.
    pub drop: bb_drop_fn,
}

impl bb_map_outcome {
    fn of(outcome: &MapOutcome, struct_size: u32) -> bb_map_outcome {
        let (status, message) = match &outcome.result {
            Ok(()) => (bb_status::BB_OK, Text::<256>::of(format_args!(""))),
            Err(error) => (error.status().into(), Text::of(format_args!("{error}"))),
        };
        bb_map_outcome {
            struct_size,
            status,
            state: outcome.state.into(),
            reserved: 0,
            label: input::chars(outcome.label.as_str()),
            text: input::chars(message.as_str()),
        }
    }
}

impl Object for Request {
    const KIND: Kind = Kind::Request;

    fn label(&self) -> Label {
        self.buffer.upgrade().map_or(Label::new(""), |buffer| buffer.label)
    }
}

/// A closure that calls the C callback.
///
/// # Safety
///
/// NULL, or a callback that may be called once on any thread.
unsafe fn closure_of(callback: *const bb_map_callback) -> Result<Option<PromiseCallback<MapOutcome>>> {
    // SAFETY: promised by the caller.
    let Some(given) = (unsafe { callback.as_ref() }) else { return Ok(None) };
    let call = input::function(given.call, "callback.call")?;
    let user_data = UserData::new(given.user_data, given.drop);
    let closure = move |outcome: MapOutcome| {
        let Some(_running) = user_data.enter() else { return };
        let outcome = bb_map_outcome::of(&outcome, size_of::<bb_map_outcome>() as u32);
        // SAFETY: the caller's own function, called once, with its user data.
        unsafe { call(user_data.get(), &raw const outcome) };
    };
    Ok(Some(boxed_callback(closure)?))
}

/// Requests a mapping, with a callback, a handle, both or neither.
///
/// # Safety
///
/// A callback as above; NULL, or memory for a handle.
pub(super) unsafe fn request_map(
    callback: *const bb_map_callback,
    out: *mut *mut bb_request,
    request: impl FnOnce() -> Result<Request>,
) -> Result<()> {
    let slot = if out.is_null() { None } else { Some(ReservedSlot::take()?) };
    // SAFETY: promised by the caller.
    let closure = unsafe { closure_of(callback) }?;
    // The memory of the handle's object, so that nothing can fail once the request is accepted.
    let memory = slot.is_some().then(|| boxed(MaybeUninit::<Request>::uninit())).transpose();
    let (memory, request) = match memory.and_then(|memory| Ok((memory, request()?))) {
        Ok(accepted) => accepted,
        Err(error) => {
            closure.into_iter().for_each(discard);
            return Err(error);
        }
    };
    if let (Some(slot), Some(memory)) = (slot, memory) {
        let handle = slot.fill_boxed(Box::write(memory, request.share()));
        // SAFETY: promised by the caller: not NULL, since there is a slot.
        unsafe { out.write(handle as *mut bb_request) };
    }
    if let Some(closure) = closure {
        request.future.then(closure);
    }
    Ok(())
}

/// Requests a mapping, which completes when the device has finished the work that uses the buffer. The call fails at
/// once while the buffer is mapped or another request is pending; that request goes on.
///
/// An accepted request completes exactly once, with no lock held: mapped, BB_E_ABORTED (by unmap, destroy or
/// release), BB_E_CANCELLED, BB_E_DEVICE_LOST, or an error of the backend. Releasing its handle does not cancel it.
///
/// @param buffer a buffer with `BB_USAGE_MAP_READ` or `BB_USAGE_MAP_WRITE`
/// @param mode `BB_MAP_READ` or `BB_MAP_WRITE`
/// @param offset start in bytes, a multiple of 8
/// @param size length in bytes, a multiple of 4; `BB_WHOLE_SIZE` for the rest
/// @param callback called with the outcome, or NULL: on the device's owner thread, on the thread that unmaps,
///        destroys or cancels, or inside this call. It may use, destroy and release any buffer, but must not wait for
///        the device
/// @param request a handle for poll, wait and cancel is written here; `bb_request_release()` ends it. NULL for none
/// @return BB_OK, BB_E_STATE (not ready: the message names the state), BB_E_ARGUMENT (mode, or not in the usage),
///         BB_E_ALIGN, BB_E_RANGE, BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_DEVICE_LOST, or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_buffer_map_async(
    buffer: *mut bb_buffer,
    mode: u32,
    offset: u64,
    size: u64,
    callback: *const bb_map_callback,
    request: *mut *mut bb_request,
) -> bb_status {
    outside("bb_buffer_map_async", buffer, inner, |inner| {
        let mode = mode_of(mode)?;
        // SAFETY: the header requires a callback or NULL, and memory for a handle or NULL.
        unsafe {
            request_map(callback, request, || {
                BufferInner::map_async(&inner, mode, offset, size_of_range(size))
            })
        }
    })
}
/// Gets the outcome of a request, if it has completed. It does not run the device's work.
///
/// @param request the request
/// @param struct_size `sizeof(bb_map_outcome)`
/// @param outcome output
/// @return BB_OK (completed; see `outcome`), BB_E_TIMEOUT (not yet), BB_E_VERSION (struct_size), or a handle status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation while the
///           request is pending
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_request_poll(
    request: *mut bb_request,
    struct_size: u32,
    outcome: *mut bb_map_outcome,
) -> bb_status {
    on("bb_request_poll", request, |request: &Request| {
        // SAFETY: the header requires memory of `struct_size` bytes.
        unsafe { input::sized_output(struct_size, outcome, "outcome") }?;
        let known = request.poll().ok_or_else(|| Error::of(Status::Timeout))?;
        // SAFETY: as above.
        unsafe {
            input::write_sized(struct_size, outcome, "outcome", |size| bb_map_outcome::of(&known, size))
        }
    })
}

/// Waits for a request to complete. On the owner thread of a host-driven device it also runs the device's work.
///
/// @param request the request
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @param struct_size `sizeof(bb_map_outcome)`
/// @param outcome output
/// @return BB_OK (completed; see `outcome`), BB_E_TIMEOUT, BB_E_RECURSIVE (in a callback on the owner thread),
///         BB_E_INTERRUPTED, BB_E_VERSION (struct_size), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_request_wait(
    request: *mut bb_request,
    timeout: u64,
    struct_size: u32,
    outcome: *mut bb_map_outcome,
) -> bb_status {
    let share = |request: &Request| {
        // SAFETY: the header requires memory of `struct_size` bytes.
        unsafe { input::sized_output(struct_size, outcome, "outcome") }?;
        Ok(request.share())
    };
    outside("bb_request_wait", request, share, |request| {
        let known = request.wait(Timeout::nanos(timeout))?;
        // SAFETY: as above.
        unsafe {
            input::write_sized(struct_size, outcome, "outcome", |size| bb_map_outcome::of(&known, size))
        }
    })
}

/// Waits until one of several requests of one device has completed.
///
/// @param requests the requests
/// @param count how many there are
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @param index the index of the first completed request is written here
/// @return BB_OK, BB_E_ARGUMENT (no requests, or of several devices), BB_E_TIMEOUT, BB_E_RECURSIVE, BB_E_INTERRUPTED,
///         BB_E_OUT_OF_MEMORY, BB_E_RANGE, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_request_wait_any(
    requests: *const *mut bb_request,
    count: u64,
    timeout: u64,
    index: *mut u64,
) -> bb_status {
    guard("bb_request_wait_any", || {
        // SAFETY: the header requires that many handles, and memory for a number.
        let (handles, out) =
            unsafe { (input::many(requests, count, "requests")?, input::output(index, "index")?) };
        let mut shared = try_vec(handles.len())?;
        for &handle in handles {
            shared.push(with(handle, |request: &Request| Ok(request.share()))?);
        }
        let mut all = try_vec(shared.len())?;
        all.extend(shared.iter());
        out.set(Request::wait_any(&all, Timeout::nanos(timeout))? as u64)
    })
}

/// Cancels a request: it completes with BB_E_CANCELLED, unless it has completed already.
///
/// @param request the request
/// @param in_time 1 if the request is cancelled, 0 if it had completed, is written here; may be NULL
/// @return BB_OK or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_request_cancel(request: *mut bb_request, in_time: *mut u32) -> bb_status {
    outside(
        "bb_request_cancel",
        request,
        |request: &Request| Ok(request.share()),
        |request| {
            // SAFETY: the header requires memory for a number or NULL.
            unsafe { input::set_optional(in_time, request.cancel().into()) }
        },
    )
}

/// Ends the handle of a request. The request continues, and its callback gets the outcome.
///
/// @param request the request; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_request_release(request: *mut bb_request) -> bb_status {
    destroy::<Request, _>("bb_request_release", request)
}
