//! `bb_sender`: the sending end of a ring.

use std::ffi::c_void;

use crate::alloc::boxed;
use crate::error::{Label, Result};
use crate::ffi::guard::{guard_handle, on};
use crate::ffi::handle::{Kind, bb_receiver, bb_sender};
use crate::ffi::object::{Object, ReservedSlot};
use crate::ffi::spsc::{bb_end_stats, bb_span, stats_of};
use crate::ffi::status::bb_status;
use crate::ffi::{input, spsc};
use crate::spsc::flow::{Flow, Moved};
use crate::spsc::rx::Rx;
use crate::spsc::tx::Tx;
use crate::sys::clock::Timeout;

impl Object for Tx {
    const KIND: Kind = Kind::Sender;

    fn label(&self) -> Label {
        self.ring().label
    }

    fn close(&self) -> Result<()> {
        Tx::close(self);
        Ok(())
    }
}

/// Runs a call that moves bytes; their number is written for every status of a ring.
///
/// # Safety
///
/// NULL, or that many readable bytes; NULL, or memory for a number.
#[inline(always)]
unsafe fn moving(
    call: &'static str,
    tx: *mut bb_sender,
    (data, bytes): (*const c_void, u64),
    sent: *mut u64,
    work: impl FnOnce(&Tx, &[u8]) -> Result<Moved>,
) -> bb_status {
    on(call, tx, |tx: &Tx| {
        // SAFETY: promised by the caller.
        let (out, data) = unsafe { (input::output(sent, "sent")?, input::many(data.cast(), bytes, "data")?) };
        let moved = work(tx, data)?;
        out.set(moved.bytes)?;
        Ok(moved.flow)
    })
}

/// Sends as many bytes as fit, and never waits. Use `bb_sender_send_whole()` for data that must not be split.
///
/// `sent` is also written with BB_E_FULL and BB_E_CLOSED.
///
/// @param tx the sender
/// @param data the bytes, copied before the call returns; may be NULL if `bytes` is 0
/// @param bytes the number of bytes
/// @param sent the number of bytes sent is written here
/// @return BB_OK (some were sent, or `bytes` is 0), BB_E_FULL (nothing fits), BB_E_CLOSED (the receiver has been
///         destroyed, or this end is closed), BB_E_STATE (a reserved span is open), BB_E_RANGE, BB_E_ALIGN (not whole
///         records of a ring with records), BB_E_BUSY (another thread uses this end; checked rings only), or a handle
///         status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the ring
///           has `BB_SPSC_NO_BACKOFF` and the receiver only polls
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_sender_send(
    tx: *mut bb_sender,
    data: *const c_void,
    bytes: u64,
    sent: *mut u64,
) -> bb_status {
    // SAFETY: the header requires that many bytes, and memory for a number.
    unsafe { moving("bb_sender_send", tx, (data, bytes), sent, Tx::send) }
}

/// Sends all bytes, waiting for space.
///
/// `sent` is also written with BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED.
///
/// @param tx the sender
/// @param data the bytes, copied before the call returns; may be NULL if `bytes` is 0
/// @param bytes the number of bytes
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @param sent the number of bytes sent is written here
/// @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED, BB_E_INTERRUPTED, BB_E_STATE (a reserved span is open), BB_E_RANGE,
///         BB_E_ALIGN (not whole records of a ring with records), BB_E_BUSY (another thread waits on this end), or a
///         handle status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the
///           timeout is 0, the ring has `BB_SPSC_NO_BACKOFF` and the receiver only polls
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_sender_send_all(
    tx: *mut bb_sender,
    data: *const c_void,
    bytes: u64,
    timeout: u64,
    sent: *mut u64,
) -> bb_status {
    let timeout = Timeout::nanos(timeout);
    // SAFETY: the header requires that many bytes, and memory for a number.
    unsafe { moving("bb_sender_send_all", tx, (data, bytes), sent, |tx, data| tx.send_all(data, timeout)) }
}

/// Sends all bytes or none, waiting for space for all: the data is never split, and the receiver sees all of it at
/// once.
///
/// `sent` is also written with BB_E_FULL, BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED; it is `bytes` or 0.
///
/// @param tx the sender
/// @param data the bytes, copied before the call returns; may be NULL if `bytes` is 0
/// @param bytes the number of bytes, at most the capacity
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @param sent the number of bytes sent is written here: all or 0
/// @return BB_OK, BB_E_FULL (not enough space, and the timeout is 0), BB_E_TIMEOUT, BB_E_CLOSED (the receiver has
///         been destroyed, or this end is closed), BB_E_INTERRUPTED, BB_E_STATE (a reserved span is open), BB_E_RANGE
///         (more than the ring holds), BB_E_ALIGN (not whole records of a ring with records), BB_E_BUSY (another
///         thread waits on this end, or uses it in a checked ring), or a handle status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the
///           timeout is 0, the ring has `BB_SPSC_NO_BACKOFF` and the receiver only polls
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_sender_send_whole(
    tx: *mut bb_sender,
    data: *const c_void,
    bytes: u64,
    timeout: u64,
    sent: *mut u64,
) -> bb_status {
    let timeout = Timeout::nanos(timeout);
    let whole = |tx: &Tx, data: &[u8]| tx.send_whole(data, timeout);
    // SAFETY: the header requires that many bytes, and memory for a number.
    unsafe { moving("bb_sender_send_whole", tx, (data, bytes), sent, whole) }
}

/// Sends as `bb_sender_send()` does, but the receiver sees the bytes only after `bb_sender_flush()`, a send, a close
/// or destroy of this end, or once a send or feed does not fit: several small writes become visible together, for the
/// price of one.
///
/// @param tx the sender
/// @param data the bytes, copied before the call returns; may be NULL if `bytes` is 0
/// @param bytes the number of bytes
/// @param sent the number of bytes sent is written here
/// @return what `bb_sender_send()` returns
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the ring
///           has `BB_SPSC_NO_BACKOFF` and the receiver only polls
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_sender_feed(
    tx: *mut bb_sender,
    data: *const c_void,
    bytes: u64,
    sent: *mut u64,
) -> bb_status {
    // SAFETY: the header requires that many bytes, and memory for a number.
    unsafe { moving("bb_sender_feed", tx, (data, bytes), sent, Tx::feed) }
}

/// Makes the bytes of `bb_sender_feed()` visible to the receiver.
///
/// @param tx the sender
/// @return BB_OK, BB_E_CLOSED, BB_E_STATE (a reserved span is open), BB_E_BUSY (another thread uses this end; checked
///         rings only), or a handle status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the
///           receiver only polls
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub extern "C" fn bb_sender_flush(tx: *mut bb_sender) -> bb_status {
    on("bb_sender_flush", tx, Tx::flush)
}

/// Gets all free space for writing in place, as one contiguous span.
///
/// The span is valid until `bb_sender_commit()`, even if the other end is destroyed. If this end is destroyed while
/// the span is open, the memory stays valid until `bb_sender_commit()`.
///
/// @param tx the sender
/// @param min the minimum number of bytes; 0 counts as 1
/// @param span output
/// @return BB_OK, BB_E_FULL (less than `min` bytes are free), BB_E_CLOSED, BB_E_RANGE (more than the ring holds),
///         BB_E_STATE (a span is open already), BB_E_BUSY (another thread uses this end; checked rings only), or a
///         handle status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the
///           receiver only polls
/// @threadsafety one thread at a time
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_sender_reserve(tx: *mut bb_sender, min: u64, span: *mut bb_span) -> bb_status {
    on("bb_sender_reserve", tx, |tx: &Tx| {
        // SAFETY: the header requires memory for a span.
        let out = unsafe { input::output(span, "span") }?;
        match tx.reserve(min)? {
            Ok((data, bytes)) => out.set(bb_span { data: data.cast(), bytes }).map(|()| Flow::Done),
            Err(flow) => Ok(flow),
        }
    })
}

/// Sends the first `bytes` bytes of the reserved span, and ends it.
///
/// @param tx the sender
/// @param bytes the number of bytes written; 0 discards the span
/// @return BB_OK, BB_E_STATE (more than the open span, or no span is open; nothing changes), BB_E_ALIGN (not whole
///         records of a ring with records; nothing changes), BB_E_CLOSED (the receiver has been destroyed or this end
///         is closed or destroyed: the span ends, its bytes are discarded), BB_E_BUSY (another thread uses this end;
///         checked rings only), or a handle status
/// @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the
///           receiver only polls
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub extern "C" fn bb_sender_commit(tx: *mut bb_sender, bytes: u64) -> bb_status {
    match on("bb_sender_commit", tx, |tx: &Tx| tx.commit(bytes)) {
        bb_status::BB_E_STALE if spsc::end_span(tx as u64) => bb_status::BB_E_CLOSED,
        status => status,
    }
}

/// Waits until `bytes` bytes, or the capacity of the ring if that is less, are free.
///
/// @param tx the sender
/// @param bytes the number of bytes; 0 counts as 1
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (the receiver has been destroyed, or this end is closed),
///         BB_E_INTERRUPTED, BB_E_BUSY (another thread waits on this end), or a handle status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the
///           timeout is 0 and the receiver only polls
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub extern "C" fn bb_sender_wait_writable(tx: *mut bb_sender, bytes: u64, timeout: u64) -> bb_status {
    on("bb_sender_wait_writable", tx, |tx: &Tx| tx.wait_writable(bytes, Timeout::nanos(timeout)))
}

/// Gets a file descriptor for event loops. It becomes readable (POLLIN, level-triggered) when the condition of
/// `bb_sender_arm()` holds. It belongs to the ring: neither read nor close it.
///
/// @param tx the sender
/// @param fd output
/// @return BB_OK, BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), or a handle status
/// @realtime may block, may make a system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_sender_fd(tx: *mut bb_sender, fd: *mut i32) -> bb_status {
    // SAFETY: the header requires memory for a number.
    on("bb_sender_fd", tx, |tx: &Tx| unsafe { input::output(fd, "fd") }?.set(tx.fd()?))
}

/// Arms the descriptor. Call it before each poll: sending and receiving make no system call unless the descriptor is
/// armed.
///
/// @param tx the sender
/// @param bytes the number of bytes, at most the capacity; 0 counts as 1
/// @return BB_OK (free now), BB_E_FULL (armed: the descriptor becomes readable when they are free or the receiver is
///         destroyed, and stays so until the next call that returns BB_E_FULL), BB_E_CLOSED, BB_E_LIMIT (no
///         descriptor left), BB_E_UNSUPPORTED (the system refuses one), BB_E_BUSY (another thread uses this end;
///         checked rings only), or a handle status
/// @realtime may block, may make a system call, no allocation
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub extern "C" fn bb_sender_arm(tx: *mut bb_sender, bytes: u64) -> bb_status {
    on("bb_sender_arm", tx, |tx: &Tx| tx.arm(bytes))
}

/// Closes the sender: fed bytes become visible, and the receiver gets the bytes in the ring, then BB_E_CLOSED. A
/// thread that waits on this end returns BB_E_CLOSED. Closing it again has no effect. Bytes that another thread sends
/// at the same moment may be lost, or arrive after the receiver has got BB_E_CLOSED.
///
/// @param tx the sender
/// @return BB_OK or a handle status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if both
///           ends of the ring only poll
#[unsafe(no_mangle)]
pub extern "C" fn bb_sender_close(tx: *mut bb_sender) -> bb_status {
    on("bb_sender_close", tx, |tx: &Tx| {
        Tx::close(tx);
        Ok(())
    })
}

/// Creates a new receiver after the old one was destroyed. It gets the bytes that were not received.
///
/// @param tx the sender
/// @param receiver the handle is written here
/// @return BB_OK, BB_E_BUSY (the old one is not destroyed, or still has an open span), BB_E_OUT_OF_MEMORY,
///         BB_E_LIMIT, or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_sender_attach_receiver(
    tx: *mut bb_sender,
    receiver: *mut *mut bb_receiver,
) -> bb_status {
    on("bb_sender_attach_receiver", tx, |tx: &Tx| {
        // SAFETY: the header requires memory for a handle.
        let out = unsafe { input::output(receiver, "receiver") }?;
        let slot = ReservedSlot::take()?;
        out.set(slot.fill_boxed(boxed(Rx::attach(tx.ring())?)?) as *mut bb_receiver)
    })
}

/// Gets the statistics of this end.
///
/// @param tx the sender
/// @param struct_size `sizeof(bb_end_stats)`
/// @param stats output
/// @return BB_OK, BB_E_VERSION (struct_size), or a handle status
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_sender_stats_get(
    tx: *mut bb_sender,
    struct_size: u32,
    stats: *mut bb_end_stats,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_sender_stats_get", tx, |tx: &Tx| unsafe {
        input::write_sized(struct_size, stats, "stats", |size| stats_of(&tx.statistics(), size))
    })
}

/// Destroys the sender: fed bytes become visible, and the receiver is woken and gets the bytes in the ring, then
/// BB_E_CLOSED. A thread that waits on this end returns BB_E_CLOSED. If a span is open, its memory stays valid until
/// it is committed.
///
/// @param tx the sender; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_sender_destroy(tx: *mut bb_sender) -> bb_status {
    if tx.is_null() {
        bb_status::BB_OK
    } else {
        guard_handle("bb_sender_destroy", tx, spsc::destroy_end::<Tx>)
    }
}
