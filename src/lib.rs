//! backbuf hands bytes between sides that run at their own pace: no race, no torn read, no stall, no copy that nobody
//! asked for.
//!
//! - [`manager`]: double-buffered state. Many producers enqueue updates, `synchronize` publishes them as one epoch, readers
//!   hold stable fronts for as long as they like.
//! - [`spsc`]: a ring of bytes from one thread to another, copied or lent, waited for or streamed in chunks that can be held.
//! - [`device`]: memory and a timeline on an owner thread: the host's, OpenGL's, or a backend of your own. Managers and
//!   buffers stand on it.
//! - [`buffers`]: buffers of a device that host and device use by turns: mapped, copied, and told when each may.
//! - [`registry`]: memory layout for CUDA kernels. Named buffers in shared, persistent-local and local memory.
//!
//! Below the parts lie the grounds: `thread` starts threads, `wait` puts them to sleep, `lease` keeps what outlives its
//! object, `slots` holds tables that a fork empties, `loader` keeps the library loaded, `roster` lists what is alive, `counter`
//! counts, `log` and [`Error`] tell.
//! Arrows run downwards only, and the C ABI, in `ffi`, stands on top: nothing knows of it.
//!
//! Linux on x86-64 and aarch64. One process; objects do not cross a fork.

// The functions that only the C layer calls are compiled in every build; without it, some of them are unused.
#![cfg_attr(not(feature = "capi"), allow(dead_code, unused_imports))]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
compile_error!("backbuf runs on 64-bit little-endian Linux; other systems need somebody who can test them");

#[cfg(all(feature = "capi", panic = "abort"))]
compile_error!("the C ABI catches panics at its border: build it with panic = \"unwind\"");

mod alloc;
pub mod buffers;
pub mod device;
mod dtype;
mod dump;
mod error;
#[cfg(feature = "capi")]
mod ffi;
mod handle;
mod log;
pub mod manager;
pub mod registry;
pub mod spsc;
mod sync;
mod sys;
mod text;

pub use dtype::DType;
pub use dump::{dump, dump_fd};
pub use error::{Error, Label, Result, Status};
pub use sync::wait_check::{set_interruptible, with_wait_check};
pub use sys::clock::Timeout;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
