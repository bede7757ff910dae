//! `bb_sender`: the end of a ring that bytes go in at.

use std::ffi::c_void;

use super::guard::{guard_handle, on};
use super::handle::Kind;
use super::object::{Object, Seat};
use super::opaque::{bb_receiver, bb_sender};
use super::spsc::{bb_end_stats, bb_span, stats_of};
use super::status::bb_status;
use super::{claims, input};
use crate::alloc::boxed;
use crate::error::{Label, Result};
use crate::spsc::rx::Rx;
use crate::spsc::tx::Tx;
use crate::spsc::{Flow, Moved};
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

/// A call that moves bytes: how many is written however it ends.
///
/// # Safety
///
/// NULL, or that many readable bytes; NULL, or a place for a number.
#[inline(always)]
unsafe fn moving(
    call: &'static str,
    tx: *mut bb_sender,
    (data, bytes): (*const c_void, u64),
    sent: *mut u64,
    work: impl FnOnce(&Tx, &[u8]) -> Result<Moved>,
) -> bb_status {
    on(call, tx, |tx: &Tx| {
        // SAFETY: the caller's promise.
        let (place, data) =
            unsafe { (input::output(sent, "sent")?, input::many(data.cast(), bytes, "data")?) };
        let moved = work(tx, data)?;
        place.set(moved.bytes)?;
        Ok(moved.flow)
    })
}

/// Sends as much as fits, and never waits. What must not be cut goes by `bb_sender_send_whole()`.
///
/// `sent` is written also beside BB_E_FULL and BB_E_CLOSED, which set no message.
///
/// @param tx the sender
/// @param data the bytes, copied before the call returns; may be NULL if there are none
/// @param bytes how many there are
/// @param sent how many went is written here
/// @return BB_OK (some went, or there were none), BB_E_FULL (nothing fits), BB_E_CLOSED (the receiver has gone, or this end is
///         closed), BB_E_STATE (a reserved span is open), BB_E_RANGE, BB_E_ALIGN (no whole records, where the ring has them),
///         BB_E_BUSY (another thread is inside, in the checked mode), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND,
///         BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety one thread at a time
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_sender_send(
    tx: *mut bb_sender,
    data: *const c_void,
    bytes: u64,
    sent: *mut u64,
) -> bb_status {
    // SAFETY: the header asks for that many bytes, and a place for a number.
    unsafe { moving("bb_sender_send", tx, (data, bytes), sent, Tx::send) }
}

/// Sends all of it, waiting for room.
///
/// `sent` is written also beside BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED, which set no message.
///
/// @param tx the sender
/// @param data the bytes, copied before the call returns; may be NULL if there are none
/// @param bytes how many there are
/// @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
/// @param sent how many went is written here
/// @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED, BB_E_INTERRUPTED, BB_E_STATE (a reserved span is open), BB_E_RANGE, BB_E_ALIGN (no
///         whole records, where the ring has them), BB_E_BUSY (another thread waits on this end), BB_E_NULL, BB_E_HANDLE,
///         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety one thread at a time
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_sender_send_all(
    tx: *mut bb_sender,
    data: *const c_void,
    bytes: u64,
    timeout: u64,
    sent: *mut u64,
) -> bb_status {
    let timeout = Timeout::nanos(timeout);
    // SAFETY: the header asks for that many bytes, and a place for a number.
    unsafe { moving("bb_sender_send_all", tx, (data, bytes), sent, |tx, data| tx.send_all(data, timeout)) }
}

/// Sends all of it or nothing, waiting for room for all: a record is never cut, and the receiver sees all of it at once.
///
/// `sent` is written also beside BB_E_FULL, BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED, which set no message; it is `bytes` or
/// 0 then.
///
/// @param tx the sender
/// @param data the bytes, copied before the call returns; may be NULL if there are none
/// @param bytes how many there are; at most what the ring holds
/// @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
/// @param sent how many went is written here: all or 0
/// @return BB_OK, BB_E_FULL (too little room now, and the timeout is 0), BB_E_TIMEOUT, BB_E_CLOSED (the receiver has gone, or this
///         end is closed), BB_E_INTERRUPTED, BB_E_STATE (a reserved span is open), BB_E_RANGE (more than the ring holds),
///         BB_E_ALIGN (no whole records, where the ring has them), BB_E_BUSY (another thread waits on this end, or is inside, in
///         the checked mode), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety one thread at a time
/// @since 0.1
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
    // SAFETY: the header asks for that many bytes, and a place for a number.
    unsafe { moving("bb_sender_send_whole", tx, (data, bytes), sent, whole) }
}

/// As `bb_sender_send()`, but the receiver sees it only after `bb_sender_flush()`, a send, a close or destroy of this end, or
/// once a send or feed finds no room for all of its bytes: several small writes become visible at once, for the price of one.
///
/// @param tx the sender
/// @param data the bytes, copied before the call returns; may be NULL if there are none
/// @param bytes how many there are
/// @param sent how many went is written here
/// @return what `bb_sender_send()` returns
/// @threadsafety one thread at a time
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_sender_feed(
    tx: *mut bb_sender,
    data: *const c_void,
    bytes: u64,
    sent: *mut u64,
) -> bb_status {
    // SAFETY: the header asks for that many bytes, and a place for a number.
    unsafe { moving("bb_sender_feed", tx, (data, bytes), sent, Tx::feed) }
}

/// Publishes what was fed.
///
/// @param tx the sender
/// @return BB_OK, BB_E_CLOSED, BB_E_STATE (a reserved span is open), BB_E_BUSY (another thread is inside, in the checked mode),
///         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety one thread at a time
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_sender_flush(tx: *mut bb_sender) -> bb_status {
    on("bb_sender_flush", tx, Tx::flush)
}

/// Lends all the room that there is, to be written in place: one contiguous span, always.
///
/// The span belongs to this end, whatever becomes of the other one, until `bb_sender_commit()`. If this end is destroyed
/// meanwhile, the memory stays until then.
///
/// @param tx the sender
/// @param min fewer bytes will not do; 0 counts as 1
/// @param span written
/// @return BB_OK, BB_E_FULL (less than `min` is free; sets no message), BB_E_CLOSED, BB_E_RANGE (more than the ring holds),
///         BB_E_STATE (a span is open already), BB_E_BUSY (another thread is inside, in the checked mode), BB_E_NULL,
///         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety one thread at a time
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_sender_reserve(tx: *mut bb_sender, min: u64, span: *mut bb_span) -> bb_status {
    on("bb_sender_reserve", tx, |tx: &Tx| {
        // SAFETY: the header asks for a place for a span.
        let place = unsafe { input::output(span, "span") }?;
        match tx.reserve(min)? {
            Ok((data, bytes)) => place.set(bb_span { data: data.cast(), bytes }).map(|()| Flow::Done),
            Err(flow) => Ok(flow),
        }
    })
}

/// Publishes the first bytes of the reserved span, and ends it.
///
/// @param tx the sender
/// @param bytes how many were written; 0 drops the span
/// @return BB_OK, BB_E_STATE (more than was reserved, or nothing is; nothing changes), BB_E_ALIGN (no whole records, where the
///         ring has them; nothing changes), BB_E_CLOSED (the receiver has gone or this end was closed or destroyed meanwhile: the
///         span ends, its bytes are dropped), BB_E_BUSY (another thread is inside, in the checked mode), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety one thread at a time
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_sender_commit(tx: *mut bb_sender, bytes: u64) -> bb_status {
    match on("bb_sender_commit", tx, |tx: &Tx| tx.commit(bytes)) {
        bb_status::BB_E_STALE if claims::end(tx as u64) => bb_status::BB_E_CLOSED,
        status => status,
    }
}

/// Waits until there is room for `bytes`, or for all that the ring holds if that is less.
///
/// @param tx the sender
/// @param bytes how much room; 0 counts as 1
/// @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
/// @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (the receiver has gone, or this end is closed), BB_E_INTERRUPTED; these set no
///         message; BB_E_BUSY (another thread waits on this end), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
///         BB_E_FORKED
/// @threadsafety one thread at a time
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_sender_wait_writable(tx: *mut bb_sender, bytes: u64, timeout: u64) -> bb_status {
    on("bb_sender_wait_writable", tx, |tx: &Tx| tx.wait_writable(bytes, Timeout::nanos(timeout)))
}

/// A descriptor for event loops. It becomes readable (POLLIN, level-triggered) when what `bb_sender_arm()` asked for has come.
/// It belongs to the ring: neither read nor close it.
///
/// @param tx the sender
/// @param fd written
/// @return BB_OK, BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), BB_E_NULL, BB_E_HANDLE,
///         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_sender_fd(tx: *mut bb_sender, fd: *mut i32) -> bb_status {
    // SAFETY: the header asks for a place for a number.
    on("bb_sender_fd", tx, |tx: &Tx| unsafe { input::output(fd, "fd") }?.set(tx.fd()?))
}

/// Asks for the descriptor to tell. Call it before each poll: a path without system calls cannot signal a descriptor that
/// nobody waits for.
///
/// @param tx the sender
/// @param bytes how much room, at most what the ring holds; 0 counts as 1
/// @return BB_OK (there is so much now), BB_E_FULL (armed: the descriptor becomes readable when there is, or when the
///         receiver goes, and stays so until the next call that returns BB_E_FULL), BB_E_CLOSED; these set no message;
///         BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), BB_E_BUSY (another thread is inside,
///         in the checked mode), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety one thread at a time
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_sender_arm(tx: *mut bb_sender, bytes: u64) -> bb_status {
    on("bb_sender_arm", tx, |tx: &Tx| tx.arm(bytes))
}

/// Publishes what was fed and sends no more. The receiver gets what is in the ring, then BB_E_CLOSED; a thread that waits in
/// this end returns BB_E_CLOSED. Closing twice is fine. What another thread sends at this very moment may be lost, or come after
/// the receiver was told BB_E_CLOSED.
///
/// @param tx the sender
/// @return BB_OK, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_sender_close(tx: *mut bb_sender) -> bb_status {
    on("bb_sender_close", tx, |tx: &Tx| {
        Tx::close(tx);
        Ok(())
    })
}

/// Makes a new receiver where the old one was destroyed. It finds the bytes that were not received.
///
/// @param tx the sender
/// @param receiver the handle is written here
/// @return BB_OK, BB_E_BUSY (the old one lives: not destroyed, or a span of its is open), BB_E_OUT_OF_MEMORY, BB_E_LIMIT,
///         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_sender_attach_receiver(
    tx: *mut bb_sender,
    receiver: *mut *mut bb_receiver,
) -> bb_status {
    on("bb_sender_attach_receiver", tx, |tx: &Tx| {
        // SAFETY: the header asks for a place for a handle.
        let place = unsafe { input::output(receiver, "receiver") }?;
        let seat = Seat::take()?;
        place.set(seat.seat_boxed(boxed(Rx::attach(tx.ring())?)?) as *mut bb_receiver)
    })
}

/// What this end has counted.
///
/// @param tx the sender
/// @param struct_size `sizeof(bb_end_stats)` as the caller knows it
/// @param stats written
/// @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_sender_stats_get(
    tx: *mut bb_sender,
    struct_size: u32,
    stats: *mut bb_end_stats,
) -> bb_status {
    // SAFETY: the header asks for a place of `struct_size` bytes.
    on("bb_sender_stats_get", tx, |tx: &Tx| unsafe {
        input::write_sized(struct_size, stats, "stats", |size| stats_of(&tx.statistics(), size))
    })
}

/// Publishes what was fed and ends this end: the receiver is woken at once and gets what is in the ring, then BB_E_CLOSED. A
/// thread that waits inside returns BB_E_CLOSED first. If a span is open, its memory stays until it is committed.
///
/// @param tx the sender; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_sender_destroy(tx: *mut bb_sender) -> bb_status {
    if tx.is_null() {
        return bb_status::BB_OK;
    }
    guard_handle("bb_sender_destroy", tx, claims::destroy::<Tx>)
}
