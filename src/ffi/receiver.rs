//! `bb_receiver`: the end of a ring that bytes come out of.

use std::ffi::c_void;

use super::guard::{guard_handle, on};
use super::handle::Kind;
use super::object::{Object, Seat};
use super::opaque::{bb_receiver, bb_sender};
use super::spsc::{bb_const_span, bb_end_stats, stats_of};
use super::status::bb_status;
use super::{claims, input};
use crate::alloc::boxed;
use crate::error::{Label, Result};
use crate::spsc::rx::Rx;
use crate::spsc::tx::Tx;
use crate::spsc::{Flow, Moved};
use crate::sys::clock::Timeout;

impl Object for Rx {
    const KIND: Kind = Kind::Receiver;

    fn label(&self) -> Label {
        self.ring().label
    }

    fn close(&self) -> Result<()> {
        Rx::close(self);
        Ok(())
    }
}

/// A call that moves bytes: how many is written however it ends.
///
/// # Safety
///
/// NULL, or room for that many bytes; NULL, or a place for a number.
#[inline(always)]
unsafe fn moving(
    call: &'static str,
    rx: *mut bb_receiver,
    (to, bytes): (*mut c_void, u64),
    got: *mut u64,
    work: impl FnOnce(&Rx, *mut u8, u64) -> Result<Moved>,
) -> bb_status {
    on(call, rx, |rx: &Rx| {
        // SAFETY: the caller's promise; the target is checked, and not read.
        let place = unsafe {
            input::many(to.cast::<u8>().cast_const(), bytes, "dst")?;
            input::output(got, "got")?
        };
        let moved = work(rx, to.cast(), bytes)?;
        place.set(moved.bytes)?;
        Ok(moved.flow)
    })
}

/// Receives what is there, and never waits. Everything that was sent is delivered before BB_E_CLOSED.
///
/// `got` is written also beside BB_E_EMPTY and BB_E_CLOSED, which set no message.
///
/// @param rx the receiver
/// @param dst where the bytes go; may be NULL if there is no room
/// @param bytes how much room it has
/// @param got how many came is written here
/// @return BB_OK (some came, or there was no room), BB_E_EMPTY (nothing is there yet), BB_E_CLOSED (the sender has gone and the
///         ring is empty, or this end is closed), BB_E_STATE (a peeked span is open), BB_E_RANGE, BB_E_ALIGN (room for less than
///         a record, where the ring has them), BB_E_BUSY (another thread is inside, in the checked mode), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety one thread at a time
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_receiver_recv(
    rx: *mut bb_receiver,
    dst: *mut c_void,
    bytes: u64,
    got: *mut u64,
) -> bb_status {
    // SAFETY: the header asks for room for that many bytes, and a place for a number.
    unsafe { moving("bb_receiver_recv", rx, (dst, bytes), got, |rx, to, bytes| rx.recv(to, bytes)) }
}

/// Fills all of `dst`, waiting for the rest.
///
/// `got` is written also beside BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED, which set no message.
///
/// @param rx the receiver
/// @param dst where the bytes go; may be NULL if there is no room
/// @param bytes how much room it has
/// @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
/// @param got how many came is written here
/// @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED, BB_E_INTERRUPTED, BB_E_STATE (a peeked span is open), BB_E_RANGE, BB_E_ALIGN (no
///         whole records, where the ring has them), BB_E_BUSY (another thread waits on this end), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety one thread at a time
/// @since 0.1
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
        // SAFETY: the header asks for room for that many bytes.
        unsafe { rx.recv_all(to, bytes, timeout) }
    };
    // SAFETY: as above, and a place for a number.
    unsafe { moving("bb_receiver_recv_all", rx, (dst, bytes), got, all) }
}

/// Lends all that is there, to be read in place: one contiguous span, always.
///
/// The span belongs to this end, whatever becomes of the other one, until `bb_receiver_consume()`. If this end is destroyed
/// meanwhile, the memory stays until then. In a ring that overwrites its oldest records nothing is overwritten meanwhile: keep it
/// short, or copy by `bb_receiver_recv()`.
///
/// @param rx the receiver
/// @param min fewer bytes will not do; 0 counts as 1
/// @param span written
/// @return BB_OK, BB_E_EMPTY (fewer than `min` are there; sets no message), BB_E_CLOSED (and no more can come; if fewer than
///         `min` are there, ask for less), BB_E_RANGE (more than the ring holds), BB_E_STATE (a span is open already), BB_E_BUSY
///         (another thread is inside, in the checked mode), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
///         BB_E_FORKED
/// @threadsafety one thread at a time
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_receiver_peek(
    rx: *mut bb_receiver,
    min: u64,
    span: *mut bb_const_span,
) -> bb_status {
    on("bb_receiver_peek", rx, |rx: &Rx| {
        // SAFETY: the header asks for a place for a span.
        let place = unsafe { input::output(span, "span") }?;
        match rx.peek(min)? {
            Ok((data, bytes)) => place.set(bb_const_span { data: data.cast(), bytes }).map(|()| Flow::Done),
            Err(flow) => Ok(flow),
        }
    })
}

/// Gives the first bytes of the peeked span back to the sender, and ends it. What is left comes again.
///
/// @param rx the receiver
/// @param bytes how many were used; 0 leaves all
/// @return BB_OK, BB_E_STATE (more than was peeked, or nothing is; nothing changes), BB_E_ALIGN (no whole records, where the ring
///         has them; nothing changes), BB_E_CLOSED (this end was closed or destroyed meanwhile: the span ends), BB_E_BUSY (another thread is inside, in the checked mode), BB_E_NULL, BB_E_HANDLE,
///         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety one thread at a time
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_receiver_consume(rx: *mut bb_receiver, bytes: u64) -> bb_status {
    match on("bb_receiver_consume", rx, |rx: &Rx| rx.consume(bytes)) {
        bb_status::BB_E_STALE if claims::end(rx as u64) => bb_status::BB_E_CLOSED,
        status => status,
    }
}

/// Waits until `bytes` are there, or as many as the ring holds if that is less.
///
/// @param rx the receiver
/// @param bytes how many; 0 counts as 1
/// @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
/// @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (so many can no longer come, or this end is closed), BB_E_INTERRUPTED; these set no
///         message; BB_E_BUSY (another thread waits on this end), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
///         BB_E_FORKED
/// @threadsafety one thread at a time
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_receiver_wait_readable(rx: *mut bb_receiver, bytes: u64, timeout: u64) -> bb_status {
    on("bb_receiver_wait_readable", rx, |rx: &Rx| rx.wait_readable(bytes, Timeout::nanos(timeout)))
}

/// A descriptor for event loops. It becomes readable (POLLIN, level-triggered) when what `bb_receiver_arm()` asked for has
/// come. It belongs to the ring: neither read nor close it.
///
/// @param rx the receiver
/// @param fd written
/// @return BB_OK, BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), BB_E_NULL, BB_E_HANDLE,
///         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_receiver_fd(rx: *mut bb_receiver, fd: *mut i32) -> bb_status {
    // SAFETY: the header asks for a place for a number.
    on("bb_receiver_fd", rx, |rx: &Rx| unsafe { input::output(fd, "fd") }?.set(rx.fd()?))
}

/// Asks for the descriptor to tell. Call it before each poll: a path without system calls cannot signal a descriptor that
/// nobody waits for.
///
/// @param rx the receiver
/// @param bytes how many, at most what the ring holds; 0 counts as 1
/// @return BB_OK (so many are there now), BB_E_EMPTY (armed: the descriptor becomes readable when they are, or when the
///         sender goes, and stays so until the next call that returns BB_E_EMPTY), BB_E_CLOSED (so many can no longer
///         come); these set no message; BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one),
///         BB_E_BUSY (another thread is inside, in the checked mode), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND,
///         BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety one thread at a time
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_receiver_arm(rx: *mut bb_receiver, bytes: u64) -> bb_status {
    on("bb_receiver_arm", rx, |rx: &Rx| rx.arm(bytes))
}

/// Receives no more: the sender gets BB_E_CLOSED, and so does a thread that waits in this end. Closing twice is fine.
///
/// @param rx the receiver
/// @return BB_OK, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_receiver_close(rx: *mut bb_receiver) -> bb_status {
    on("bb_receiver_close", rx, |rx: &Rx| {
        Rx::close(rx);
        Ok(())
    })
}

/// Makes a new sender where the old one was destroyed.
///
/// @param rx the receiver
/// @param sender the handle is written here
/// @return BB_OK, BB_E_BUSY (the old one lives: not destroyed, or a span of its is open), BB_E_OUT_OF_MEMORY, BB_E_LIMIT,
///         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_receiver_attach_sender(
    rx: *mut bb_receiver,
    sender: *mut *mut bb_sender,
) -> bb_status {
    on("bb_receiver_attach_sender", rx, |rx: &Rx| {
        // SAFETY: the header asks for a place for a handle.
        let place = unsafe { input::output(sender, "sender") }?;
        let seat = Seat::take()?;
        place.set(seat.seat_boxed(boxed(Tx::attach(rx.ring())?)?) as *mut bb_sender)
    })
}

/// What this end has counted.
///
/// @param rx the receiver
/// @param struct_size `sizeof(bb_end_stats)` as the caller knows it
/// @param stats written
/// @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_receiver_stats_get(
    rx: *mut bb_receiver,
    struct_size: u32,
    stats: *mut bb_end_stats,
) -> bb_status {
    // SAFETY: the header asks for a place of `struct_size` bytes.
    on("bb_receiver_stats_get", rx, |rx: &Rx| unsafe {
        input::write_sized(struct_size, stats, "stats", |size| stats_of(&rx.statistics(), size))
    })
}

/// Ends this end: the sender is woken at once and gets BB_E_CLOSED. A thread that waits inside returns BB_E_CLOSED first. Bytes
/// that were not received stay for a receiver that is attached later.
///
/// @param rx the receiver; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_receiver_destroy(rx: *mut bb_receiver) -> bb_status {
    if rx.is_null() {
        return bb_status::BB_OK;
    }
    guard_handle("bb_receiver_destroy", rx, claims::destroy::<Rx>)
}
