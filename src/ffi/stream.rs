//! `bb_stream`: the bytes of a ring, received as chunks that can be kept.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;

use crate::alloc::boxed;
use crate::error::{Error, Label, Result};
use crate::ffi::guard::{destroy, guard, guard_handle, on};
use crate::ffi::handle::{Kind, bb_lease, bb_receiver, bb_sender, bb_stream};
use crate::ffi::object::{Object, ReservedSlot};
use crate::ffi::status::bb_status;
use crate::ffi::{handle, input, object};
use crate::handle::lease::Lessor;
use crate::handle::{lease, slots};
use crate::spsc::flow::Flow;
use crate::spsc::pool::{BufferPool, ChunkBuffer};
use crate::spsc::rx::Rx;
use crate::spsc::source::{ChunkSource, StreamConfig};
use crate::spsc::statistics::StreamStatistics;
use crate::spsc::tx::Tx;
use crate::sys::clock::Timeout;

impl Object for ChunkSource {
    const KIND: Kind = Kind::Stream;

    fn label(&self) -> Label {
        ChunkSource::label(self)
    }

    fn close(&self) -> Result<()> {
        ChunkSource::close(self);
        Ok(())
    }
}

/// Parameters of a new stream. Fill it by `bb_stream_config_init()`, then change what is needed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_stream_config {
    /// Bytes of this struct in the caller's version.
    pub struct_size: u32,
    /// Number of released buffers that are kept for reuse, at most; 16 by default.
    pub pool_count: u32,
    /// Minimum bytes of a pool buffer, at least 64; 8192 by default. After 4 full chunks in a row the size doubles, up to the capacity
    /// of the ring; after 64 chunks in a row below a quarter it halves, down to this minimum.
    pub pool_size: u64,
    /// Minimum bytes of a chunk, except for the last one; 1 by default.
    pub min_size: u64,
    /// Bytes of a record: each chunk has a whole number of records. 0 for none, or for the records of a ring that
    /// overwrites its oldest.
    pub record_size: u64,
    /// Label in messages and logs: UTF-8, cut at 63 bytes; NULL for the ring's.
    pub label: *const c_char,
}

/// A chunk: a buffer filled from the ring.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_chunk {
    /// The bytes, aligned to 64. The holder may read and write them until the lease is released.
    pub data: *mut c_void,
    /// Number of bytes.
    pub bytes: u64,
    /// Release it with `bb_lease_release()`, on any thread, even after the stream is destroyed.
    pub lease: *mut bb_lease,
}

/// Statistics of a stream since its creation.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_stream_stats {
    /// Bytes of this struct that were written.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Chunks returned.
    pub chunks: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Buffers taken from the pool.
    pub hits: u64,
    /// Buffers allocated.
    pub misses: u64,
    /// Chunks not released yet.
    pub live: u64,
    /// Buffers in the pool.
    pub kept: u64,
    /// Bytes of the next buffer.
    pub buffer_size: u64,
    /// Calls that waited.
    pub waits: u64,
}

fn defaults() -> bb_stream_config {
    let core = StreamConfig::default();
    bb_stream_config {
        struct_size: size_of::<bb_stream_config>() as u32,
        pool_count: core.pool_count,
        pool_size: core.pool_size,
        min_size: core.min_size,
        record_size: core.record_size,
        label: std::ptr::null(),
    }
}

/// Fills a config with the defaults.
///
/// @param config output
/// @return BB_OK, BB_E_NULL
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_stream_config_init(config: *mut bb_stream_config) -> bb_status {
    // SAFETY: the header requires memory for a config.
    guard("bb_stream_config_init", || unsafe { input::output(config, "config") }?.set(defaults()))
}

/// Turns a receiver into a stream. The handle of the receiver ends; if the call fails, the receiver is unchanged.
///
/// @param rx the receiver
/// @param config parameters, or NULL for the defaults
/// @param stream the handle is written here
/// @return BB_OK, BB_E_ARGUMENT (a pool_size below 64, label that is not UTF-8, another record_size than the ring has),
///         BB_E_RANGE (min_size or record_size beyond the buffer or the ring), BB_E_VERSION (struct_size), BB_E_STATE (a
///         peeked span is open), BB_E_BUSY (a thread waits on the receiver), BB_E_OUT_OF_MEMORY, BB_E_LIMIT, or a handle
///         status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety one thread at a time for the receiver
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_spsc_into_stream(
    rx: *mut bb_receiver,
    config: *const bb_stream_config,
    stream: *mut *mut bb_stream,
) -> bb_status {
    let mut ready = None;
    let checked = on("bb_spsc_into_stream", rx, |rx: &Rx| {
        // SAFETY: the header requires memory for a handle, and a config that is as long as it says, or NULL.
        let (out, config) =
            unsafe { (input::output(stream, "stream")?, input::optional_struct(config, defaults())?) };
        let core = StreamConfig {
            pool_size: config.pool_size,
            min_size: config.min_size,
            pool_count: config.pool_count,
            record_size: config.record_size,
            // SAFETY: the header requires a string or NULL.
            label: unsafe { input::name(config.label, "label") }?,
        };
        rx.check_idle()?;
        ChunkSource::check(rx.ring(), &core)?;
        // Everything that can fail is done first, so that the receiver ends only for a stream.
        ready = Some((
            out,
            core,
            BufferPool::new(core.pool_count)?,
            boxed(MaybeUninit::<ChunkSource>::uninit())?,
            ReservedSlot::take()?,
        ));
        Ok(())
    });
    let Some((out, core, pool, memory, slot)) = ready else { return checked };
    guard_handle("bb_spsc_into_stream", rx, |handle| {
        let rx = object::take::<Rx>(handle, |_| {})?;
        out.set(slot.fill_boxed(Box::write(memory, ChunkSource::new(rx, pool, &core))) as *mut bb_stream)
    })
}

static GIVER: Lessor = Lessor { name: "chunk", object: "ring", about: "bytes", release };

unsafe fn release(owner: *mut (), _part: u32) {
    // SAFETY: what `leased` gave away, once.
    drop(unsafe { ChunkBuffer::from_raw(owner) });
}

/// A chunk as C holds it.
fn leased(held: ChunkBuffer, number: u64, tag: u16) -> std::result::Result<bb_chunk, (ChunkBuffer, Error)> {
    let Some(blank) = lease::free_slot() else { return Err((held, lease::out_of_slots())) };
    let (data, bytes) = (held.data().cast(), held.bytes);
    let lease = blank.fill(&GIVER, held.into_raw(), 0, number, bytes);
    Ok(bb_chunk { data, bytes, lease: handle::of_lease(lease, handle::compose(tag, 0, 0)) as *mut bb_lease })
}

/// Receives chunks and passes each one to `store`.
fn gather(
    s: &ChunkSource,
    count: u64,
    ready: bool,
    timeout: u64,
    mut store: impl FnMut(bb_chunk),
) -> Result<std::result::Result<usize, Flow>> {
    let tag = slots::instance()?.tag;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    s.gather(count, ready, Timeout::nanos(timeout), |held| {
        store(leased(held, s.ring().number(), tag)?);
        Ok(())
    })
}

/// Gets the next chunk: the available bytes, at most one buffer.
///
/// @param s the stream
/// @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
/// @param chunk output; `bb_lease_release(chunk->lease)` releases it
/// @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (end of the stream, or it is closed), BB_E_INTERRUPTED, BB_E_ALIGN (the
///         stream has ended inside a record), BB_E_OUT_OF_MEMORY, BB_E_LIMIT (too many leases), BB_E_BUSY (another
///         thread uses it), or a handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety one thread at a time
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_stream_next(s: *mut bb_stream, timeout: u64, chunk: *mut bb_chunk) -> bb_status {
    on("bb_stream_next", s, |s: &ChunkSource| {
        // SAFETY: the header requires memory for a chunk.
        unsafe { input::output(chunk, "chunk") }?;
        // SAFETY: as above.
        let given = gather(s, 1, true, timeout, |next| unsafe { chunk.write(next) })?;
        Ok(given.map_or_else(|flow| flow, |_| Flow::Done))
    })
}

/// Gets exactly `count` chunks; fewer only at the end of the stream. After a timeout the chunks received so far are
/// returned by the next call.
///
/// @param s the stream
/// @param count how many there are
/// @param timeout nanoseconds for all of them; 0 does not wait, BB_FOREVER waits without limit
/// @param chunks the first `got` are written
/// @param got the number of chunks is written here; 0 with BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED
/// @return what `bb_stream_next()` returns
/// @realtime may block, may make a system call, may allocate
/// @threadsafety one thread at a time
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_stream_chunks(
    s: *mut bb_stream,
    count: u64,
    timeout: u64,
    chunks: *mut bb_chunk,
    got: *mut u64,
) -> bb_status {
    // SAFETY: the header requires memory for that many chunks and a number.
    unsafe { several("bb_stream_chunks", s, (chunks, count), false, timeout, got) }
}

/// Gets the available chunks: waits for the first, and returns at most `count`.
///
/// @param s the stream
/// @param count how many at most
/// @param timeout nanoseconds for the first; 0 does not wait, BB_FOREVER waits without limit
/// @param chunks the first `got` are written
/// @param got the number of chunks is written here; 0 with BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED
/// @return what `bb_stream_next()` returns
/// @realtime may block, may make a system call, may allocate
/// @threadsafety one thread at a time
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_stream_ready_chunks(
    s: *mut bb_stream,
    count: u64,
    timeout: u64,
    chunks: *mut bb_chunk,
    got: *mut u64,
) -> bb_status {
    // SAFETY: the header requires memory for that many chunks and a number.
    unsafe { several("bb_stream_ready_chunks", s, (chunks, count), true, timeout, got) }
}

/// # Safety
///
/// NULL, or outs for that many chunks; NULL, or memory for a number.
unsafe fn several(
    call: &'static str,
    s: *mut bb_stream,
    (chunks, count): (*mut bb_chunk, u64),
    ready: bool,
    timeout: u64,
    got: *mut u64,
) -> bb_status {
    on(call, s, |s: &ChunkSource| {
        // SAFETY: promised by the caller; the chunks are checked, and not read.
        let out = unsafe {
            input::many(chunks.cast::<MaybeUninit<bb_chunk>>().cast_const(), count, "chunks")?;
            input::output(got, "got")?
        };
        let mut at = chunks;
        let given = gather(s, count, ready, timeout, |chunk| {
            // SAFETY: at most `count` are given.
            unsafe {
                at.write(chunk);
                at = at.add(1);
            }
        })?;
        let (given, flow) = match given {
            Ok(given) => (given, Flow::Done),
            Err(flow) => (0, flow),
        };
        out.set(given as u64)?;
        Ok(flow)
    })
}

/// Gets a file descriptor for event loops. It becomes readable (POLLIN, level-triggered) when the condition of
/// `bb_stream_arm()` holds. It belongs to the ring: neither read nor close it.
///
/// @param s the stream
/// @param fd output
/// @return BB_OK, BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), or a handle status
/// @realtime may block, may make a system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_stream_fd(s: *mut bb_stream, fd: *mut i32) -> bb_status {
    // SAFETY: the header requires memory for a number.
    on("bb_stream_fd", s, |s: &ChunkSource| unsafe { input::output(fd, "fd") }?.set(s.fd()?))
}

/// Arms the descriptor for the next chunk or the end of the stream. Call it before each poll.
///
/// @param s the stream
/// @return BB_OK (available now), BB_E_EMPTY (armed: the descriptor becomes readable when it is available, and stays
///         so until the next call that returns BB_E_EMPTY), BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the
///         system refuses one), BB_E_BUSY (another thread uses it), or a handle status
/// @realtime may block, may make a system call, no allocation
/// @threadsafety one thread at a time
#[unsafe(no_mangle)]
pub extern "C" fn bb_stream_arm(s: *mut bb_stream) -> bb_status {
    on("bb_stream_arm", s, ChunkSource::arm)
}

/// Closes the stream: the sender, and a thread that waits on the stream, get BB_E_CLOSED. Chunks stay valid. Closing
/// it again has no effect.
///
/// @param s the stream
/// @return BB_OK or a handle status
/// @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if both
///           ends of the ring only poll
#[unsafe(no_mangle)]
pub extern "C" fn bb_stream_close(s: *mut bb_stream) -> bb_status {
    on("bb_stream_close", s, |s: &ChunkSource| {
        ChunkSource::close(s);
        Ok(())
    })
}

/// Creates a new sender after the old one was destroyed: the stream continues.
///
/// @param s the stream
/// @param sender the handle is written here
/// @return BB_OK, BB_E_BUSY (the old one is not destroyed, or still has an open span), BB_E_OUT_OF_MEMORY,
///         BB_E_LIMIT, or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_stream_attach_sender(
    s: *mut bb_stream,
    sender: *mut *mut bb_sender,
) -> bb_status {
    on("bb_stream_attach_sender", s, |s: &ChunkSource| {
        // SAFETY: the header requires memory for a handle.
        let out = unsafe { input::output(sender, "sender") }?;
        let slot = ReservedSlot::take()?;
        out.set(slot.fill_boxed(boxed(Tx::attach(s.ring())?)?) as *mut bb_sender)
    })
}

/// Gets the statistics of the stream and its pool.
///
/// @param s the stream
/// @param struct_size `sizeof(bb_stream_stats)`
/// @param stats output
/// @return BB_OK, BB_E_VERSION (struct_size), or a handle status
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_stream_stats_get(
    s: *mut bb_stream,
    struct_size: u32,
    stats: *mut bb_stream_stats,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_stream_stats_get", s, |s: &ChunkSource| unsafe {
        input::write_sized(struct_size, stats, "stats", |size| stats_of(&s.statistics(), size))
    })
}

fn stats_of(stats: &StreamStatistics, struct_size: u32) -> bb_stream_stats {
    copy_fields! {
        bb_stream_stats { struct_size: struct_size, reserved: 0 } from stats:
        chunks, bytes, hits, misses, live, kept, buffer_size, waits
    }
}

/// Destroys the stream and its receiving end: the sender gets BB_E_CLOSED. Chunks stay valid until they are released.
///
/// @param s the stream; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_stream_destroy(s: *mut bb_stream) -> bb_status {
    destroy::<ChunkSource, _>("bb_stream_destroy", s)
}
