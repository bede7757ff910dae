//! `bb_receiver`: the receiving end of a ring.

use std::ffi::c_void;

use crate::alloc::boxed;
use crate::error::{Label, Result};
use crate::ffi::guard::{guard_handle, on};
use crate::ffi::handle::{Kind, bb_receiver, bb_sender};
use crate::ffi::object::{Object, ReservedSlot};
use crate::ffi::spsc::{bb_const_span, bb_end_stats, stats_of};
use crate::ffi::status::bb_status;
use crate::ffi::{input, spsc};
use crate::spsc::flow::{Flow, Moved};
use crate::spsc::rx::Rx;
use crate::spsc::tx::Tx;
use crate::sys::clock::Timeout;

impl Object for Rx {
    const KIND: Kind = Kind::Receiver;

    fn label(&self) -> Label {
        self.ring().label
    }

    fn close(&self) -> Result<()> {
        self.check_not_lent()?;
        Rx::close(self);
        Ok(())
    }
}

/// Runs a call that moves bytes; their number is written for every status of a ring.
///
/// # Safety
///
/// NULL, or room for that many bytes; NULL, or memory for a number.
#[inline(always)]
unsafe fn moving(
    call: &'static str,
    rx: *mut bb_receiver,
    (to, bytes): (*mut c_void, u64),
    got: *mut u64,
    work: impl FnOnce(&Rx, *mut u8, u64) -> Result<Moved>,
) -> bb_status {
    on(call, rx, |rx: &Rx| {
        // SAFETY: promised by the caller; the target is checked, and not read.
        let out = unsafe {
            input::many(to.cast::<u8>().cast_const(), bytes, "dst")?;
            input::output(got, "got")?
        };
        let moved = work(rx, to.cast(), bytes)?;
        out.set(moved.bytes)?;
        Ok(moved.flow)
    })
}

/// Receives the available bytes, and never waits. All bytes sent are delivered before BB_E_CLOSED.
///
/// `got` is also written with BB_E_EMPTY and BB_E_CLOSED.
///
/// @param rx the receiver
/// @param dst destination; may be NULL if `bytes` is 0
/// @param bytes size of `dst`
/// @param got the number of bytes received is written here
/// @return BB_OK (some were received, or `bytes` is 0), BB_E_EMPTY (none is available yet), BB_E_CLOSED (the sender
///         has been destroyed and the ring is empty, or this end is closed), BB_E_STATE (a peeked span is open),
///         BB_E_RANGE, BB_E_ALIGN (less space than a record of a ring with records), BB_E_BUSY (the receiver
///         feeds a manager, or another thread uses this end of a checked ring), or a handle status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the ring
///           has `BB_SPSC_NO_BACKOFF` and the sender only polls
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_receiver_recv(
    rx: *mut bb_receiver,
    dst: *mut c_void,
    bytes: u64,
    got: *mut u64,
) -> bb_status {
    // SAFETY: the header requires room for that many bytes, and memory for a number.
    unsafe { moving("bb_receiver_recv", rx, (dst, bytes), got, |rx, to, bytes| rx.recv(to, bytes)) }
}

/// Receives exactly `bytes` bytes, waiting for them.
///
/// `got` is also written with BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED.
///
/// @param rx the receiver
/// @param dst destination; may be NULL if `bytes` is 0
/// @param bytes size of `dst`
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @param got the number of bytes received is written here
/// @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED, BB_E_INTERRUPTED, BB_E_STATE (a peeked span is open), BB_E_RANGE,
///         BB_E_ALIGN (not whole records of a ring with records), BB_E_BUSY (another thread waits
///         on this end, or the receiver feeds a manager), or a handle status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the
///           timeout is 0, the ring has `BB_SPSC_NO_BACKOFF` and the sender only polls
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_receiver_recv_all(
    rx: *mut bb_receiver,
    dst: *mut c_void,
    bytes: u64,
    timeout: u64,
    got: *mut u64,
) -> bb_status {
    let timeout = Timeout::nanos(timeout);
    let all = |rx: &Rx, to, bytes| {
        // SAFETY: the header requires room for that many bytes.
        unsafe { rx.recv_all(to, bytes, timeout) }
    };
    // SAFETY: as above, and memory for a number.
    unsafe { moving("bb_receiver_recv_all", rx, (dst, bytes), got, all) }
}

/// Gets all available bytes for reading in place, as one contiguous span.
///
/// The span is valid until `bb_receiver_consume()`, even if the other end is destroyed. If this end is destroyed
/// while the span is open, the memory stays valid until `bb_receiver_consume()`. A ring that overwrites its oldest
/// records overwrites nothing while a span is open: keep it short, or copy with `bb_receiver_recv()`.
///
/// @param rx the receiver
/// @param min the minimum number of bytes; 0 counts as 1
/// @param span output
/// @return BB_OK, BB_E_EMPTY (fewer than `min` are available), BB_E_CLOSED (fewer than `min` are available, and no
///         more can arrive), BB_E_RANGE (more than the ring holds), BB_E_STATE (a span is open already), BB_E_BUSY
///         (the receiver feeds a manager, or another thread uses this end of a checked ring), or a handle status
/// @realtime wait-free, no system call, no allocation
/// @threadsafety one thread at a time
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_receiver_peek(
    rx: *mut bb_receiver,
    min: u64,
    span: *mut bb_const_span,
) -> bb_status {
    on("bb_receiver_peek", rx, |rx: &Rx| {
        // SAFETY: the header requires memory for a span.
        let out = unsafe { input::output(span, "span") }?;
        match rx.peek(min)? {
            Ok((data, bytes)) => out.set(bb_const_span { data: data.cast(), bytes }).map(|()| Flow::Done),
            Err(flow) => Ok(flow),
        }
    })
}

/// Ends the peeked span and frees its first `bytes` bytes for the sender. The remaining bytes are received again.
///
/// @param rx the receiver
/// @param bytes the number of bytes consumed; may be 0
/// @return BB_OK, BB_E_STATE (more than the open span, or no span is open; nothing changes), BB_E_ALIGN (not whole
///         records of a ring with records; nothing changes), BB_E_CLOSED (this end is closed or destroyed: the span
///         ends), BB_E_BUSY (the receiver feeds a manager, or another thread
///         uses this end of a checked ring), or a handle status
/// @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the
///           sender only polls
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub extern "C" fn bb_receiver_consume(rx: *mut bb_receiver, bytes: u64) -> bb_status {
    match on("bb_receiver_consume", rx, |rx: &Rx| rx.consume(bytes)) {
        bb_status::BB_E_STALE if spsc::end_span(rx as u64) => bb_status::BB_E_CLOSED,
        status => status,
    }
}

/// Waits until `bytes` bytes, or the capacity of the ring if that is less, are available.
///
/// @param rx the receiver
/// @param bytes the number of bytes; 0 counts as 1
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (so many can no longer arrive, or this end is closed), BB_E_INTERRUPTED,
///         BB_E_BUSY (another thread waits on this end, or the receiver feeds a manager), or a handle status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the
///           timeout is 0
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub extern "C" fn bb_receiver_wait_readable(rx: *mut bb_receiver, bytes: u64, timeout: u64) -> bb_status {
    on("bb_receiver_wait_readable", rx, |rx: &Rx| rx.wait_readable(bytes, Timeout::nanos(timeout)))
}

/// Gets a file descriptor for event loops. It becomes readable (POLLIN, level-triggered) when the condition of
/// `bb_receiver_arm()` holds. It belongs to the ring: neither read nor close it.
///
/// @param rx the receiver
/// @param fd output
/// @return BB_OK, BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), or a handle status
/// @realtime may block, may make a system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_receiver_fd(rx: *mut bb_receiver, fd: *mut i32) -> bb_status {
    // SAFETY: the header requires memory for a number.
    on("bb_receiver_fd", rx, |rx: &Rx| unsafe { input::output(fd, "fd") }?.set(rx.fd()?))
}

/// Arms the descriptor. Call it before each poll: sending and receiving make no system call unless the descriptor is
/// armed.
///
/// @param rx the receiver
/// @param bytes the number of bytes, at most the capacity; 0 counts as 1
/// @return BB_OK (available now), BB_E_EMPTY (armed: the descriptor becomes readable when they are available or the
///         sender is destroyed, and stays so until the next call that returns BB_E_EMPTY), BB_E_CLOSED (so many can
///         no longer arrive), BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), BB_E_BUSY
///         (the receiver feeds a manager, or another thread uses this end of a checked ring), or a handle status
/// @realtime may block, may make a system call, no allocation
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub extern "C" fn bb_receiver_arm(rx: *mut bb_receiver, bytes: u64) -> bb_status {
    on("bb_receiver_arm", rx, |rx: &Rx| rx.arm(bytes))
}

/// Closes the receiver: the sender, and a thread that waits on this end, get BB_E_CLOSED. Closing it again has no
/// effect.
///
/// @param rx the receiver
/// @return BB_OK, BB_E_BUSY (the receiver feeds a manager: destroy the feed first), or a handle status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if both
///           ends of the ring only poll
#[unsafe(no_mangle)]
pub extern "C" fn bb_receiver_close(rx: *mut bb_receiver) -> bb_status {
    on("bb_receiver_close", rx, |rx: &Rx| Object::close(rx))
}

/// Creates a new sender after the old one was destroyed.
///
/// @param rx the receiver
/// @param sender the handle is written here
/// @return BB_OK, BB_E_BUSY (the old one is not destroyed, or still has an open span; the receiver feeds a
///         manager), BB_E_OUT_OF_MEMORY, BB_E_LIMIT, or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_receiver_attach_sender(
    rx: *mut bb_receiver,
    sender: *mut *mut bb_sender,
) -> bb_status {
    on("bb_receiver_attach_sender", rx, |rx: &Rx| {
        // SAFETY: the header requires memory for a handle.
        let out = unsafe { input::output(sender, "sender") }?;
        rx.check_not_lent()?;
        let slot = ReservedSlot::take()?;
        out.set(slot.fill_boxed(boxed(Tx::attach(rx.ring())?)?) as *mut bb_sender)
    })
}

/// Gets the statistics of this end.
///
/// @param rx the receiver
/// @param struct_size `sizeof(bb_end_stats)`
/// @param stats output
/// @return BB_OK, BB_E_VERSION (struct_size), or a handle status
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_receiver_stats_get(
    rx: *mut bb_receiver,
    struct_size: u32,
    stats: *mut bb_end_stats,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_receiver_stats_get", rx, |rx: &Rx| unsafe {
        input::write_sized(struct_size, stats, "stats", |size| stats_of(&rx.statistics(), size))
    })
}

/// Destroys the receiver: the sender is woken and gets BB_E_CLOSED, and a thread that waits on this end returns
/// BB_E_CLOSED. Bytes not received stay for a receiver that is attached later.
///
/// @param rx the receiver; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside a call on it), BB_E_BUSY (it feeds a manager: destroy the feed first), or a
///         handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_receiver_destroy(rx: *mut bb_receiver) -> bb_status {
    if rx.is_null() {
        bb_status::BB_OK
    } else {
        guard_handle("bb_receiver_destroy", rx, spsc::destroy_end::<Rx>)
    }
}
