//! Update operations, and their encoding as records of the update log.
//!
//! An [`Op`] is plain data with raw pointers. The op or its record owns the callbacks that they point to (a kernel, a release
//! function), and exactly one `apply` or `dispose` ends it.

use crate::error::{Error, Result, Status};
use crate::manager::copies::copy_forward::copy;
use crate::manager::core::callback::{ReleaseFn, RunFn};
use crate::manager::region::RegionRuns;

/// One operation in the order of updates. Offsets and lengths are in bytes and checked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Write {
        offset: u64,
        length: u64,
        data: *const u8,
    },
    Fill {
        offset: u64,
        length: u64,
        element: u64,
        data: *const u8,
    },
    Region {
        plan: *const RegionRuns,
        data: *const u8,
    },
    Borrowed {
        offset: u64,
        length: u64,
        data: *const u8,
        release: *mut ReleaseFn,
    },
    Kernel {
        offset: u64,
        length: u64,
        any_thread: bool,
        overwrites: bool,
        drops: bool,
        run: *mut RunFn,
    },
    Tag(u64),
    /// A batch: consecutive records.
    Group {
        records: *const u64,
        length: u64,
        worker: bool,
    },
    /// A record too large for the log, in its own allocation.
    Outsized {
        record: *mut Vec<u64>,
        worker: bool,
    },
}

const WRITE: u32 = 1;
const FILL: u32 = 2;
const REGION: u32 = 3;
const BORROWED: u32 = 4;
const KERNEL: u32 = 5;
const TAG: u32 = 6;
const GROUP: u32 = 7;
const OUTSIZED: u32 = 8;

const ANY_THREAD: u32 = 1;
const OVERWRITES: u32 = 2;
const WORKER: u32 = 4;
const DROPS: u32 = 8;

/// The header of a record; its payload follows.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct RecordHeader {
    kind: u32,
    flags: u32,
    /// Bytes of the whole record, a multiple of 8.
    size: u64,
    offset: u64,
    length: u64,
}

const HEADER_BYTES: usize = size_of::<RecordHeader>();

/// A pointer to a callback, as stored in a record.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct StoredCallback<T> {
    data: *const u8,
    call: T,
}

impl Op {
    /// Whether only the worker may apply the op.
    pub(crate) fn needs_worker(&self) -> bool {
        matches!(
            self,
            Op::Kernel { any_thread: false, .. }
                | Op::Group { worker: true, .. }
                | Op::Outsized { worker: true, .. }
        )
    }

    /// Whether the data is borrowed. Such an op always goes to the worker, so that the producer does not copy.
    pub(crate) fn is_borrowed(&self) -> bool {
        matches!(self, Op::Borrowed { .. })
    }

    fn payload(&self) -> u64 {
        match *self {
            Op::Write { length, .. } | Op::Group { length, .. } => length,
            Op::Fill { element, .. } => 8 + element,
            // SAFETY: an op's plan outlives it.
            Op::Region { plan, .. } => size_of::<RegionRuns>() as u64 + unsafe { (*plan).payload() },
            Op::Borrowed { .. } => size_of::<StoredCallback<*mut ReleaseFn>>() as u64,
            Op::Kernel { .. } => size_of::<StoredCallback<*mut RunFn>>() as u64,
            Op::Tag(_) => 0,
            Op::Outsized { .. } => 8,
        }
    }

    /// Bytes of the op's record; None beyond the address space.
    pub(crate) fn size(&self) -> Option<u64> {
        self.payload()
            .checked_add(HEADER_BYTES as u64)?
            .checked_next_multiple_of(8)
            .filter(|&size| size <= isize::MAX as u64)
    }

    /// Writes the op's record, which then owns the op's callbacks.
    ///
    /// # Safety
    /// `to` is 8-byte aligned and has room for `size` bytes; the op's pointers are valid.
    pub(crate) unsafe fn encode(&self, to: *mut u8) {
        // SAFETY: the caller's promise: head and payload lie within the record.
        unsafe {
            let body = to.add(HEADER_BYTES);
            let (kind, flags, offset, length) = match *self {
                Op::Write { offset, length, data } => {
                    copy(data, body, length as usize);
                    (WRITE, 0, offset, length)
                }
                Op::Fill { offset, length, element, data } => {
                    body.cast::<u64>().write(element);
                    std::ptr::copy_nonoverlapping(data, body.add(8), element as usize);
                    (FILL, 0, offset, length)
                }
                Op::Region { plan, data } => {
                    body.cast::<RegionRuns>().write((*plan).packed());
                    (*plan).gather(data, body.add(size_of::<RegionRuns>()));
                    (REGION, 0, 0, (*plan).bytes())
                }
                Op::Borrowed { offset, length, data, release } => {
                    body.cast::<StoredCallback<*mut ReleaseFn>>()
                        .write(StoredCallback { data, call: release });
                    (BORROWED, 0, offset, length)
                }
                Op::Kernel { offset, length, any_thread, overwrites, drops, run } => {
                    body.cast::<StoredCallback<*mut RunFn>>()
                        .write(StoredCallback { data: std::ptr::null(), call: run });
                    let flag = |on, flag| if on { flag } else { 0 };
                    let flags =
                        flag(any_thread, ANY_THREAD) | flag(overwrites, OVERWRITES) | flag(drops, DROPS);
                    (KERNEL, flags, offset, length)
                }
                Op::Tag(tag) => (TAG, 0, tag, 0),
                Op::Group { records, length, worker } => {
                    std::ptr::copy_nonoverlapping(records.cast(), body, length as usize);
                    (GROUP, if worker { WORKER } else { 0 }, 0, length)
                }
                Op::Outsized { record, worker } => {
                    body.cast::<*mut Vec<u64>>().write(record);
                    (OUTSIZED, if worker { WORKER } else { 0 }, 0, 0)
                }
            };
            let size = self.size().unwrap_or(0);
            to.cast::<RecordHeader>().write(RecordHeader { kind, flags, size, offset, length });
        }
    }

    /// Appends the op's record to `records`, which then owns the op's callbacks. On failure they stay the caller's.
    ///
    /// # Safety
    /// The op is checked, and its pointers are valid.
    pub(crate) unsafe fn append_to(&self, records: &mut Vec<u64>) -> Result<()> {
        let words = (self.size().ok_or_else(|| Error::of(Status::Limit))? / 8) as usize;
        records.try_reserve(words)?;
        // SAFETY: room was reserved, and `encode` writes all of it but padding, which is never read.
        unsafe {
            let end = records.len();
            self.encode(records.as_mut_ptr().add(end).cast());
            records.set_len(end + words);
        }
        Ok(())
    }

    /// Reads a record: the op, whose pointers point into the record, and the record's size in bytes.
    ///
    /// # Safety
    /// [`Op::encode`] wrote `record`, and only one decoded op is applied or disposed.
    pub(crate) unsafe fn decode(record: *const u8) -> (Op, u64) {
        // SAFETY: the caller's promise.
        unsafe {
            let head = record.cast::<RecordHeader>().read();
            let body = record.add(HEADER_BYTES);
            let (offset, length) = (head.offset, head.length);
            let worker = head.flags & WORKER != 0;
            let op = match head.kind {
                WRITE => Op::Write { offset, length, data: body },
                FILL => Op::Fill { offset, length, element: body.cast::<u64>().read(), data: body.add(8) },
                REGION => Op::Region { plan: body.cast(), data: body.add(size_of::<RegionRuns>()) },
                BORROWED => {
                    let StoredCallback { data, call } = body.cast::<StoredCallback<*mut ReleaseFn>>().read();
                    Op::Borrowed { offset, length, data, release: call }
                }
                KERNEL => {
                    let StoredCallback { call, .. } = body.cast::<StoredCallback<*mut RunFn>>().read();
                    let (any_thread, overwrites) =
                        (head.flags & ANY_THREAD != 0, head.flags & OVERWRITES != 0);
                    Op::Kernel {
                        offset,
                        length,
                        any_thread,
                        overwrites,
                        drops: head.flags & DROPS != 0,
                        run: call,
                    }
                }
                TAG => Op::Tag(offset),
                GROUP => Op::Group { records: body.cast(), length, worker },
                _ => Op::Outsized { record: body.cast::<*mut Vec<u64>>().read(), worker },
            };
            (op, head.size)
        }
    }

    /// Calls `visit` for the op, or for each op of a group or of an outsized record, and frees that record.
    ///
    /// # Safety
    /// The op is alive, and this ends it: `visit` ends every op that it is given.
    pub(crate) unsafe fn for_each(self, visit: &mut dyn FnMut(Op)) {
        match self {
            Op::Group { records, length, .. } => {
                let (mut at, end) = (0, length);
                while at < end {
                    // SAFETY: records lie one after the other up to the group's length.
                    let (op, size) = unsafe { Op::decode(records.cast::<u8>().add(at as usize)) };
                    // SAFETY: as the caller promised.
                    unsafe { op.for_each(visit) };
                    at += size;
                }
            }
            Op::Outsized { record, .. } => {
                // SAFETY: the record owns its vector, which holds one encoded op.
                unsafe {
                    let record = Box::from_raw(record);
                    Op::decode(record.as_ptr().cast()).0.for_each(visit);
                }
            }
            one => visit(one),
        }
    }

    /// Ends the op without applying it: releases borrowed data, drops a kernel.
    ///
    /// # Safety
    /// The op is alive; this ends it.
    pub(crate) unsafe fn dispose(self) {
        // SAFETY: the caller's promise; each callback becomes its box again, once.
        unsafe {
            self.for_each(&mut |op| match op {
                Op::Borrowed { release, .. } => Box::from_raw(release)(),
                Op::Kernel { run, .. } => drop(Box::from_raw(run)),
                _ => {}
            });
        }
    }
}
