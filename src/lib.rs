//! State and byte streams that threads, languages and devices share: the core of the backbuf library and its C ABI.
//!
//! - [`manager`]: double-buffered state. Producers enqueue updates, `synchronize` publishes them as one epoch, and readers hold
//!   stable fronts.
//! - [`spsc`]: a byte ring from one thread to another, by copy or in place, with streams of chunks that can be kept.
//! - [`feed`]: a ring whose records a manager applies.
//! - [`device`]: buffers and a submission timeline, in host memory, on OpenGL, on WebGPU or on a backend of your own.
//! - [`buffers`]: device buffers under WebGPU's mapping rules: staging, readback, data that changes every frame.
//! - [`planner`]: offsets for buffers of known size and lifetime, in as little memory as possible.
//! - [`registry`]: memory layouts of CUDA kernels: named buffers in shared, persistent-local and local memory.
//!
//! ```
//! use backbuf::{Manager, Timeout};
//! let manager = Manager::<f32>::new(&[256, 256])?;
//! manager.enqueue(0, &[1.0], Timeout::FOREVER)?;
//! let epoch = manager.synchronize(Timeout::FOREVER)?;
//! let front = manager.front()?; // does not change until it is dropped
//! assert_eq!((front.epoch(), front[0]), (epoch, 1.0));
//! # Ok::<(), backbuf::Error>(())
//! ```
//!
//! What a caller sizes is allocated fallibly, and its failure is [`Status::OutOfMemory`]; the library's own small bookkeeping
//! uses the ordinary allocator, whose failure ends the process as in the standard library.
//!
//! backbuf runs on 64-bit little-endian Linux (x86-64 and aarch64), in one process: objects cannot be used across a fork.
//!
//! For readers of the source: modules import only modules of lower layers, and the core does not know the C ABI in `ffi`.
//! `ARCHITECTURE.md` in the repository has the map.

// The functions that only the C layer calls are compiled in every build; without it, some of them are unused.
#![cfg_attr(not(feature = "capi"), allow(dead_code, unused_imports))]

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
compile_error!("backbuf supports 64-bit little-endian Linux only");

#[cfg(all(feature = "capi", panic = "abort"))]
compile_error!("the C ABI catches panics: build it with panic = \"unwind\"");

mod alloc;
pub mod buffers;
pub mod device;
mod dtype;
mod dump;
mod error;
pub mod feed;
#[cfg(feature = "capi")]
mod ffi;
mod handle;
mod log;
pub mod manager;
pub mod planner;
pub mod registry;
pub mod spsc;
mod sync;
mod sys;
mod text;

pub use bytemuck;
pub use dtype::{DType, Untyped};
pub use dump::{dump, dump_fd};
pub use error::{Error, Label, Result, Status};
pub use manager::manager::Manager;
pub use planner::plan::plan;
pub use sync::wait_check::{set_interruptible, with_wait_check};
pub use sync::wait_policy::{WaitPolicy, set_wait_policy};
pub use sys::clock::Timeout;

// Unit tests of `ffi` run the suites of `tests/common`, which name the crate.
#[cfg(all(test, feature = "capi"))]
extern crate self as backbuf;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
