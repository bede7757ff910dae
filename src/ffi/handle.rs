//! Handles: what C holds instead of addresses.
//!
//! A handle is `kind | tag << 5 | index << 15 | generation << 35`: the tag tells this copy of the library in this process,
//! the index a slot, the generation how often the slot has been used. The word of a live slot *is* its handle.

use super::pin::KIND_MASK;
use super::{foreign, object};
use crate::error::{Error, Result, Status};
use crate::handle::lease;
use crate::handle::lease::LeaseId;
use crate::handle::slots;
use crate::handle::slots::{GENERATION_BITS, INDEX_BITS, Instance};

/// What a handle names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Kind {
    Manager = 1,
    Batch = 2,
    Task = 3,
    Watch = 4,
    Lease = 5,
    Sender = 6,
    Receiver = 7,
    Stream = 8,
    Registry = 9,
    Device = 10,
    Buffer = 11,
    Request = 12,
    Encoder = 13,
    DeviceBuffer = 14,
    ImmediateStaging = 15,
    DeferredStaging = 16,
    Readback = 17,
    Reading = 18,
    Dynamic = 19,
}

impl Kind {
    fn of(handle: u64) -> Option<Kind> {
        KINDS.into_iter().find(|&kind| kind as u64 == handle & KIND_MASK)
    }

    /// The word for it in messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::Manager => "manager",
            Kind::Batch => "batch",
            Kind::Task => "task",
            Kind::Watch => "watch",
            Kind::Lease => "lease",
            Kind::Sender => "sender",
            Kind::Receiver => "receiver",
            Kind::Stream => "stream",
            Kind::Registry => "registry",
            Kind::Device => "device",
            Kind::Buffer => "buffer",
            Kind::Request => "request",
            Kind::Encoder => "encoder",
            Kind::DeviceBuffer => "device buffer",
            Kind::ImmediateStaging => "immediate staging buffer",
            Kind::DeferredStaging => "deferred staging buffer",
            Kind::Readback => "readback buffer",
            Kind::Reading => "reading",
            Kind::Dynamic => "dynamic buffer",
        }
    }

    /// The sentence for a handle that should have been of another kind.
    const fn is(self) -> &'static str {
        match self {
            Kind::Manager => "is the handle of a manager",
            Kind::Batch => "is the handle of a batch",
            Kind::Task => "is the handle of a task",
            Kind::Watch => "is the handle of a watch",
            Kind::Lease => "is the handle of a lease",
            Kind::Sender => "is the handle of a sender",
            Kind::Receiver => "is the handle of a receiver",
            Kind::Stream => "is the handle of a stream",
            Kind::Registry => "is the handle of a registry",
            Kind::Device => "is the handle of a device",
            Kind::Buffer => "is the handle of a buffer",
            Kind::Request => "is the handle of a request",
            Kind::Encoder => "is the handle of an encoder",
            Kind::DeviceBuffer => "is the handle of a device buffer",
            Kind::ImmediateStaging => "is the handle of an immediate staging buffer",
            Kind::DeferredStaging => "is the handle of a deferred staging buffer",
            Kind::Readback => "is the handle of a readback buffer",
            Kind::Reading => "is the handle of a reading",
            Kind::Dynamic => "is the handle of a dynamic buffer",
        }
    }
}

const KINDS: [Kind; 19] = [
    Kind::Manager,
    Kind::Batch,
    Kind::Task,
    Kind::Watch,
    Kind::Lease,
    Kind::Sender,
    Kind::Receiver,
    Kind::Stream,
    Kind::Registry,
    Kind::Device,
    Kind::Buffer,
    Kind::Request,
    Kind::Encoder,
    Kind::DeviceBuffer,
    Kind::ImmediateStaging,
    Kind::DeferredStaging,
    Kind::Readback,
    Kind::Reading,
    Kind::Dynamic,
];

const TAG_SHIFT: u32 = 5;
const INDEX_SHIFT: u32 = 15;
const GENERATION_SHIFT: u32 = INDEX_SHIFT + INDEX_BITS;
const GENERATIONS: u32 = 1 << GENERATION_BITS;
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

/// A handle with that tag which was never given out. A copy that has the tag takes it for its own all the same, as a released lease's.
pub(super) const fn never_given(tag: u16) -> u64 {
    compose(tag, 0, 0) | Kind::Lease as u64
}

/// The word of a free slot that was under `handle` last; None when its generations are used up.
pub(super) fn next(handle: u64) -> Result<Option<u64>> {
    let next = generation(handle).wrapping_add(1) % GENERATIONS;
    let spent = slots::instance()?.first_generation == next;
    Ok((!spent).then_some(compose(tag(handle), index(handle), next)))
}

/// The handle of a lease, made by an object of this copy.
#[inline(always)]
pub(crate) fn of_lease(lease: LeaseId, object: u64) -> u64 {
    compose(tag(object), lease.index, lease.generation) | Kind::Lease as u64
}

/// The lease that a handle names; its table tells whether it is live.
#[inline(always)]
pub(crate) fn to_lease(handle: u64) -> Result<LeaseId> {
    if handle & KIND_MASK == Kind::Lease as u64 && slots::is_own(tag(handle)) {
        Ok(LeaseId { index: index(handle), generation: generation(handle) })
    } else {
        Err(why(handle, Kind::Lease))
    }
}

/// What `bb_handle_check` says: whether this copy of the library made the handle, and whether it is live.
pub(crate) fn check(handle: u64) -> std::result::Result<(), Status> {
    let Some(kind) = Kind::of(handle) else {
        return Err(if handle == 0 { Status::Null } else { Status::Handle });
    };
    if slots::is_ancestors(tag(handle)) {
        return Err(Status::Forked);
    }
    // Not made here: another copy may ask while it looks for a tag that no copy has.
    let Some(instance) = slots::current().filter(|instance| instance.tag == tag(handle)) else {
        return Err(Status::Handle);
    };
    if kind == Kind::Lease {
        let id = LeaseId { index: index(handle), generation: generation(handle) };
        return if lease::is_live(id) { Ok(()) } else { Err(Status::Stale) };
    }
    match object::word(index(handle)) {
        Some(word) if word == handle => Ok(()),
        Some(word) if was_issued(handle, word, instance) => Err(Status::Stale),
        _ => Err(Status::Handle),
    }
}

/// Whether a slot with `word` has been under `handle` before.
fn was_issued(handle: u64, word: u64, instance: Instance) -> bool {
    let age = |handle| generation(handle).wrapping_sub(instance.first_generation) % GENERATIONS;
    let current_counts = word & KIND_MASK != 0;
    word != 0 && (age(handle) < age(word) || current_counts && age(handle) == age(word))
}

/// Why the handle does not name a live object of that kind.
#[cold]
#[inline(never)]
pub(crate) fn why(handle: u64, wanted: Kind) -> Error {
    let param = wanted.name();
    match check(handle) {
        Err(Status::Null) => Error::param(Status::Null, param, "is NULL"),
        Err(Status::Handle) if foreign::owner(handle).is_some() => Error::param(
            Status::Foreign,
            param,
            "was made by another copy of the library; link one copy, the shared one",
        ),
        Err(status @ (Status::Handle | Status::Forked)) => Error::handle(status, param, handle),
        _ if handle & KIND_MASK != wanted as u64 => {
            Error::param(Status::Kind, param, Kind::of(handle).map_or("is another handle", Kind::is))
        }
        _ => Error::handle(Status::Stale, param, handle),
    }
}
