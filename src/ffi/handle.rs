//! Handles: the values that C holds instead of addresses, and the types that C sees behind them.
//!
//! A handle is `kind | tag << 5 | index << 15 | generation << 35`: the tag identifies this copy of the library in this process,
//! the index a slot, and the generation the use of the slot. The word of a live slot equals its handle.

use crate::error::Result;
use crate::handle::lease::LeaseId;
use crate::handle::pin::KIND_MASK;
use crate::handle::slots::{self, GENERATION_BITS, INDEX_BITS};

/// A manager: one double-buffered state with its worker thread. Made by `bb_manager_create()`.
#[derive(Debug)]
pub struct bb_manager(());

/// A batch: updates that are enqueued together and published in one epoch. Made by `bb_batch_begin()`.
#[derive(Debug)]
pub struct bb_batch(());

/// A task: labelled backend work that a publish waits for. Made by `bb_task_begin()`.
#[derive(Debug)]
pub struct bb_task(());

/// A watch: a subscription to the epochs of a manager. Made by `bb_watch_create()`.
#[derive(Debug)]
pub struct bb_watch(());

/// A lease: memory that stays valid until it is released. Made by `bb_manager_acquire_front()` and
/// `bb_stream_next()`.
#[derive(Debug)]
pub struct bb_lease(());

/// The sending end of a ring of bytes. Made by `bb_spsc_create()`.
#[derive(Debug)]
pub struct bb_sender(());

/// The receiving end of a ring of bytes. Made by `bb_spsc_create()`.
#[derive(Debug)]
pub struct bb_receiver(());

/// A stream: the bytes of a ring, received as chunks that can be kept. Made by `bb_spsc_into_stream()`.
#[derive(Debug)]
pub struct bb_stream(());

/// A device: buffers and a submission timeline, on host memory, OpenGL, WebGPU or a driver of the program. Made by
/// `bb_device_create_host()`, `bb_device_create_gl()`, `bb_device_create_wgpu()` and `bb_device_create_driver()`.
#[derive(Debug)]
pub struct bb_device(());

/// A registry: named buffers of CUDA kernels and their layout. Made by `bb_registry_create()`.
#[derive(Debug)]
pub struct bb_registry(());

/// A buffer of a device that the host can map. Made by `bb_buffer_create()`.
#[derive(Debug)]
pub struct bb_buffer(());

/// A map request. Made by `bb_buffer_map_async()`.
#[derive(Debug)]
pub struct bb_request(());

/// An encoder: records copies and writes for a submit. Made by `bb_encoder_create()`.
#[derive(Debug)]
pub struct bb_encoder(());

/// A device buffer: memory that only the device accesses. Made by `bb_device_buffer_create()`.
#[derive(Debug)]
pub struct bb_device_buffer(());

/// A staging buffer for one upload to the device. Made by `bb_immediate_staging_create()`.
#[derive(Debug)]
pub struct bb_immediate_staging(());

/// A staging buffer for repeated uploads to the device. Made by `bb_deferred_staging_create()`.
#[derive(Debug)]
pub struct bb_deferred_staging(());

/// A ring of buffers to which data of the device is read back. Made by `bb_readback_create()`.
#[derive(Debug)]
pub struct bb_readback(());

/// A read of a device buffer, pending or done. Made by `bb_readback_read()`.
#[derive(Debug)]
pub struct bb_reading(());

/// A dynamic buffer: data that changes with every frame. Made by `bb_dynamic_create()`.
#[derive(Debug)]
pub struct bb_dynamic(());

/// A feed: a ring whose records a manager applies. Made by `bb_manager_feed()`.
#[derive(Debug)]
pub struct bb_feed(());

macro_rules! kinds {
    ($($kind:ident = $number:literal, $article:literal $name:literal;)*) => {
        /// The type of the object behind a handle.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u64)]
        pub(crate) enum Kind {
            $($kind = $number,)*
        }

        impl Kind {
            const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// The name of the type in messages.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Kind::$kind => $name,)*
                }
            }

            /// The rest of a message about a handle of another type.
            pub(super) const fn is(self) -> &'static str {
                match self {
                    $(Kind::$kind => concat!("is the handle of ", $article, " ", $name),)*
                }
            }
        }
    };
}

kinds! {
    Manager = 1, "a" "manager";
    Batch = 2, "a" "batch";
    Task = 3, "a" "task";
    Watch = 4, "a" "watch";
    Lease = 5, "a" "lease";
    Sender = 6, "a" "sender";
    Receiver = 7, "a" "receiver";
    Stream = 8, "a" "stream";
    Registry = 9, "a" "registry";
    Device = 10, "a" "device";
    Buffer = 11, "a" "buffer";
    Request = 12, "a" "request";
    Encoder = 13, "an" "encoder";
    DeviceBuffer = 14, "a" "device buffer";
    ImmediateStaging = 15, "an" "immediate staging buffer";
    DeferredStaging = 16, "a" "deferred staging buffer";
    Readback = 17, "a" "readback buffer";
    Reading = 18, "a" "reading";
    Dynamic = 19, "a" "dynamic buffer";
    Feed = 20, "a" "feed";
}

impl Kind {
    /// The type that a handle claims to be of.
    pub(super) fn of(handle: u64) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|&kind| kind as u64 == handle & KIND_MASK)
    }
}

const TAG_SHIFT: u32 = 5;
const INDEX_SHIFT: u32 = 15;
const GENERATION_SHIFT: u32 = INDEX_SHIFT + INDEX_BITS;
pub(super) const GENERATIONS: u32 = 1 << GENERATION_BITS;
const TAG_MASK: u64 = (1 << INDEX_SHIFT) - (1 << TAG_SHIFT);

pub(super) const fn tag(handle: u64) -> u16 {
    ((handle & TAG_MASK) >> TAG_SHIFT) as u16
}

pub(super) const fn index(handle: u64) -> u32 {
    (handle >> INDEX_SHIFT) as u32 & ((1 << INDEX_BITS) - 1)
}

pub(super) const fn generation(handle: u64) -> u32 {
    (handle >> GENERATION_SHIFT) as u32
}

pub(super) const fn compose(tag: u16, index: u32, generation: u32) -> u64 {
    (tag as u64) << TAG_SHIFT | (index as u64) << INDEX_SHIFT | (generation as u64) << GENERATION_SHIFT
}

/// A handle with that tag that was never returned to C. The copy with the tag takes it for its own, as that of a released lease.
pub(super) const fn never_given(tag: u16) -> u64 {
    compose(tag, 0, 0) | Kind::Lease as u64
}

/// The word of a free slot whose last handle was `handle`; None when its generations are used up.
pub(super) fn next(handle: u64) -> Result<Option<u64>> {
    let next = generation(handle).wrapping_add(1) % GENERATIONS;
    let spent = slots::instance()?.first_generation == next;
    Ok((!spent).then_some(compose(tag(handle), index(handle), next)))
}

/// The handle of a lease that an object of this copy has given.
#[inline(always)]
pub(crate) fn of_lease(lease: LeaseId, object: u64) -> u64 {
    compose(tag(object), lease.index, lease.generation) | Kind::Lease as u64
}
