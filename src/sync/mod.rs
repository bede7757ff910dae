//! Synchronization between threads: atomics, the asymmetric barrier, events, waits and locks.

pub(crate) mod atomic;
pub(crate) mod barrier;
pub(crate) mod contention;
pub(crate) mod counter;
pub(crate) mod event;
pub(crate) mod mutex;
pub(crate) mod spinner;
pub(crate) mod wait;
pub(crate) mod wait_check;
pub(crate) mod wait_policy;
