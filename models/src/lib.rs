//! Models of the lock-free protocols, over the library's own source files.
//!
//! `sync` and `sys` stand in for those of the library, so that loom checks what the protocol files use. See README.md.

#![allow(clippy::duplicate_mod, reason = "worlds share the files that their mutant leaves alone")]

#[allow(dead_code, reason = "the models use a part of it")]
#[path = "../../src/alloc.rs"]
mod alloc;
#[allow(dead_code, reason = "the models use a part of it")]
#[path = "../../src/error.rs"]
mod error;

pub mod harness;
mod script;
mod spsc;
mod sync;
mod sys;

use error::Status;

include!(concat!(env!("OUT_DIR"), "/worlds.rs"));
