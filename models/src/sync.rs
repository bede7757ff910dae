//! The library's `sync`, checked by loom. Both sides of the asymmetric barrier are the fence that they stand for.

pub(crate) use loom::cell::UnsafeCell;
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence,
};

pub(crate) fn light() {
    fence(Ordering::SeqCst);
}

pub(crate) fn heavy() {
    fence(Ordering::SeqCst);
}

#[allow(dead_code, reason = "nothing spins here; the ends' pace names it")]
pub(crate) fn spin() {}
