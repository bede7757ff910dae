//! Models of the protocols that must be right, over the library's own source files.
//!
//! `sync` and `wait` stand in for those of the library: what the protocol files name is checked by loom here. See README.md.

#![allow(clippy::duplicate_mod, reason = "worlds share the files that their mutant leaves alone")]

#[allow(dead_code, reason = "the models use a part of it")]
#[path = "../../src/error.rs"]
mod error;
#[allow(dead_code, reason = "the models use a part of it")]
#[path = "../../src/memory.rs"]
mod memory;

pub mod harness;
mod script;
mod spsc;
mod sync;
mod wait;

mod lock {
    pub(crate) use crate::spsc::Mutex;
}

use error::{Error, Status};
use wait::Timeout;

include!(concat!(env!("OUT_DIR"), "/worlds.rs"));
