//! The operating system: clock, futex, memory mappings, threads.

pub(crate) mod available_memory;
pub(crate) mod clock;
pub(crate) mod control_group;
pub(crate) mod eventfd;
pub(crate) mod futex;
pub(crate) mod loaded_object;
pub(crate) mod mirrored_mapping;
pub(crate) mod pages;
pub(crate) mod scheduling;
pub(crate) mod thread;
pub(crate) mod thread_exit;
