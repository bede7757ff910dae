//! The atomics and the cell that the protocols are written in.
//!
//! The model checker compiles the protocol files against its own version of this module: they name no other primitive.

pub(crate) use std::cell::UnsafeCell;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
