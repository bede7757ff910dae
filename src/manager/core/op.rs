//! One element of the order: what a producer asks for, in a form that can be applied at once or wait in the log.
//!
//! An `Op` is plain data with raw pointers. Ownership of what they point to (a kernel, a release callback) moves with
//! whichever form is alive: exactly one `apply` or `dispose` ends it.

use crate::manager::region::Plan;

pub(crate) type ReleaseFn = dyn FnOnce() + Send;
pub(crate) type RunFn = dyn FnMut(&mut [u8], &[u8]) + Send;
/// Called once when the data of a borrowed update is not needed any more.
pub(crate) type Release = Box<ReleaseFn>;
/// The code of a kernel: the range of the back copy, and the same range of the front.
pub(crate) type Run = Box<RunFn>;

/// What is asked for. Offsets and lengths in bytes, all checked.
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
        plan: *const Plan,
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
    /// Records one after the other: a batch.
    Group {
        records: *const u64,
        length: u64,
        worker: bool,
    },
    /// A record too large for the ring, in an allocation of its own.
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

/// The head of a record; its payload follows.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Head {
    kind: u32,
    flags: u32,
    /// Bytes of the whole record, a multiple of 8.
    size: u64,
    offset: u64,
    length: u64,
}

const HEAD: usize = size_of::<Head>();

/// What a pointer to a callback looks like in a record.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Callback<T> {
    data: *const u8,
    call: T,
}

impl Op {
    /// Whether only the worker may apply it.
    pub(crate) fn needs_worker(&self) -> bool {
        matches!(
            self,
            Op::Kernel { any_thread: false, .. }
                | Op::Group { worker: true, .. }
                | Op::Outsized { worker: true, .. }
        )
    }

    /// Whether a producer hands it over even when it could apply it: the point of borrowing is not to copy there.
    pub(crate) fn is_borrowed(&self) -> bool {
        matches!(self, Op::Borrowed { .. })
    }

    fn payload(&self) -> u64 {
        match *self {
            Op::Write { length, .. } | Op::Group { length, .. } => length,
            Op::Fill { element, .. } => 8 + element,
            // SAFETY: an op's plan outlives it.
            Op::Region { plan, .. } => size_of::<Plan>() as u64 + unsafe { (*plan).payload() },
            Op::Borrowed { .. } => size_of::<Callback<*mut ReleaseFn>>() as u64,
            Op::Kernel { .. } => size_of::<Callback<*mut RunFn>>() as u64,
            Op::Tag(_) => 0,
            Op::Outsized { .. } => 8,
        }
    }

    /// Bytes of its record, or None beyond the address space.
    pub(crate) fn size(&self) -> Option<u64> {
        self.payload()
            .checked_add(HEAD as u64)?
            .checked_next_multiple_of(8)
            .filter(|&size| size <= isize::MAX as u64)
    }

    /// Writes the record. Ownership of what the op points to moves into it.
    ///
    /// # Safety
    /// `to` is 8-byte aligned and has room for `size` bytes; the op's pointers are valid.
    pub(crate) unsafe fn encode(&self, to: *mut u8) {
        // SAFETY: the caller's promise: head and payload lie within the record.
        unsafe {
            let body = to.add(HEAD);
            let (kind, flags, offset, length) = match *self {
                Op::Write { offset, length, data } => {
                    crate::manager::copies::copy_forward::copy(data, body, length as usize);
                    (WRITE, 0, offset, length)
                }
                Op::Fill { offset, length, element, data } => {
                    body.cast::<u64>().write(element);
                    std::ptr::copy_nonoverlapping(data, body.add(8), element as usize);
                    (FILL, 0, offset, length)
                }
                Op::Region { plan, data } => {
                    body.cast::<Plan>().write((*plan).packed());
                    (*plan).gather(data, body.add(size_of::<Plan>()));
                    (REGION, 0, 0, (*plan).bytes())
                }
                Op::Borrowed { offset, length, data, release } => {
                    body.cast::<Callback<*mut ReleaseFn>>().write(Callback { data, call: release });
                    (BORROWED, 0, offset, length)
                }
                Op::Kernel { offset, length, any_thread, overwrites, drops, run } => {
                    body.cast::<Callback<*mut RunFn>>().write(Callback { data: std::ptr::null(), call: run });
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
            to.cast::<Head>().write(Head { kind, flags, size, offset, length });
        }
    }

    /// Reads a record back: the op, whose pointers point into the record, and the record's size in bytes.
    ///
    /// # Safety
    /// `record` was written by [`Op::encode`], and is not decoded for use twice.
    pub(crate) unsafe fn decode(record: *const u8) -> (Op, u64) {
        // SAFETY: the caller's promise.
        unsafe {
            let head = record.cast::<Head>().read();
            let body = record.add(HEAD);
            let (offset, length) = (head.offset, head.length);
            let worker = head.flags & WORKER != 0;
            let op = match head.kind {
                WRITE => Op::Write { offset, length, data: body },
                FILL => Op::Fill { offset, length, element: body.cast::<u64>().read(), data: body.add(8) },
                REGION => Op::Region { plan: body.cast(), data: body.add(size_of::<Plan>()) },
                BORROWED => {
                    let Callback { data, call } = body.cast::<Callback<*mut ReleaseFn>>().read();
                    Op::Borrowed { offset, length, data, release: call }
                }
                KERNEL => {
                    let Callback { call, .. } = body.cast::<Callback<*mut RunFn>>().read();
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

    /// Calls `visit` for the op, or for each op of a group or of a record of its own, and frees that record.
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

    /// Ends the op without applying it: borrowed data is given back, a kernel dropped.
    ///
    /// # Safety
    /// The op is alive; this ends it.
    pub(crate) unsafe fn dispose(self) {
        // SAFETY: the caller's promise; each callback is turned back into the box that it came from, once.
        unsafe {
            self.for_each(&mut |op| match op {
                Op::Borrowed { release, .. } => Box::from_raw(release)(),
                Op::Kernel { run, .. } => drop(Box::from_raw(run)),
                _ => {}
            });
        }
    }
}
