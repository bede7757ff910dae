//! Pin records of the threads: found through thread-local storage, and listed for threads that remove objects.
//!
//! Records are never freed, since a remover may read one when its thread ends. The record of an ended thread is reused.

use std::alloc::{Layout, alloc};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

use crate::error::{Error, Result, Status};
use crate::handle::pin::PinRecord;
use crate::sync::atomic::{AtomicBool, AtomicPtr, Ordering::*};
use crate::sys::thread_exit::ThreadExit;

/// A record in the list, with its own pair of cache lines: the thread writes it in every call.
#[derive(Debug)]
#[repr(align(128))]
struct PinNode {
    record: PinRecord,
    taken: AtomicBool,
    next: AtomicPtr<PinNode>,
}

static LIST: AtomicPtr<PinNode> = AtomicPtr::new(null_mut());

thread_local!(static OWN: Cell<*const PinNode> = const { Cell::new(null()) });

/// The calling thread's record; None if it could not get one ([`adopt`] returns the error).
#[inline(always)]
pub(crate) fn own() -> Option<&'static PinRecord> {
    // SAFETY: null, or a node of the list, and those are never freed.
    match unsafe { OWN.get().as_ref() } {
        Some(node) => Some(&node.record),
        None => adopt().ok(),
    }
}

/// All records, of running and of ended threads.
pub(crate) fn all() -> impl Iterator<Item = &'static PinRecord> {
    nodes().map(|node| &node.record)
}

fn nodes() -> impl Iterator<Item = &'static PinNode> {
    // SAFETY: null, or a node of the list, and those are never freed.
    let node = |place: *mut PinNode| unsafe { place.as_ref() };
    std::iter::successors(node(LIST.load(Acquire)), move |last| node(last.next.load(Acquire)))
}

/// Gives the calling thread a record if it has none: that of an ended thread, or a new one.
#[cold]
#[inline(never)]
pub(crate) fn adopt() -> Result<&'static PinRecord> {
    // SAFETY: null, or a node of the list, and those are never freed.
    if let Some(node) = unsafe { OWN.get().as_ref() } {
        return Ok(&node.record);
    }
    let left = nodes().find(|node| !node.taken.load(Relaxed) && !node.taken.swap(true, Acquire));
    let node = left.map_or_else(add, Ok)?;
    if let Err(error) = EXIT.set((&raw const *node).cast()) {
        node.taken.store(false, Release);
        return Err(if error.status() == Status::OutOfMemory { out_of_memory() } else { error });
    }
    OWN.set(node);
    Ok(&node.record)
}

/// Any function may return this: the text says that the failure is not one of the function's own work.
pub(crate) fn out_of_memory() -> Error {
    Error::text(Status::OutOfMemory, "out of memory: the record of this thread's first call")
}

fn add() -> Result<&'static PinNode> {
    let layout = Layout::new::<PinNode>();
    // SAFETY: the layout has a size; the node is checked, filled, and never freed.
    let node = unsafe {
        let node = alloc(layout).cast::<PinNode>();
        if node.is_null() {
            return Err(out_of_memory());
        }
        node.write(PinNode {
            record: PinRecord::new(),
            taken: AtomicBool::new(true),
            next: AtomicPtr::new(null_mut()),
        });
        &*node
    };
    let mut first = LIST.load(Relaxed);
    loop {
        node.next.store(first, Relaxed);
        // Release: a thread that finds the node finds it initialised.
        match LIST.compare_exchange_weak(first, (&raw const *node).cast_mut(), Release, Relaxed) {
            Ok(_) => return Ok(node),
            Err(newer) => first = newer,
        }
    }
}

static EXIT: ThreadExit = ThreadExit::new(leave);

/// Runs when a thread ends. A later destructor of the same thread may call the library again, and adopts another record.
unsafe extern "C" fn leave(node: *mut c_void) {
    OWN.set(null());
    // SAFETY: the value that `adopt` set: a node, and those are never freed.
    let node = unsafe { &*node.cast_const().cast::<PinNode>() };
    node.record.clear();
    node.taken.store(false, Release);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_record_and_leaves_it_to_the_next() {
        let mine = own().unwrap();
        assert!(std::ptr::eq(mine, own().unwrap()) && all().any(|record| std::ptr::eq(record, mine)));
        for _ in 0..100 {
            std::thread::spawn(|| own().map(|_| ()).unwrap()).join().unwrap();
        }
        let others = std::thread::available_parallelism().map_or(1, |n| n.get());
        assert!(all().count() < 64 + others, "records of ended threads are used again");
    }
}
