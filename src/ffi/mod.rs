//! The C ABI, and the only place with `extern "C"`: one file per C object, and the few pieces that all of them stand on.
//!
//! A C function checks its arguments, calls the core and returns a status. `handle`, `object`, `pin` and `records` turn handles
//! into objects; `guard` is the wall that no panic passes; `input` reads what C hands over and `callback` what it wants called;
//! `status` and `last_error` tell what went wrong.

#![allow(non_camel_case_types, reason = "C names its types so")]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

pub(crate) mod back;
pub(crate) mod batch;
pub(crate) mod buffer;
pub(crate) mod callback;
pub(crate) mod claims;
pub(crate) mod config;
pub(crate) mod device;
pub(crate) mod device_buffer;
pub(crate) mod device_create;
pub(crate) mod dynamic;
pub(crate) mod encoder;
pub(crate) mod foreign;
pub(crate) mod front;
pub(crate) mod front_gl;
pub(crate) mod guard;
pub(crate) mod handle;
pub(crate) mod input;
pub(crate) mod last_error;
pub(crate) mod library;
pub(crate) mod manager;
pub(crate) mod mapping;
pub(crate) mod object;
pub(crate) mod opaque;
pub(crate) mod pin;
pub(crate) mod query;
pub(crate) mod readback;
pub(crate) mod reading;
pub(crate) mod receiver;
pub(crate) mod records;
pub(crate) mod registry;
pub(crate) mod registry_buffer;
pub(crate) mod registry_limits;
pub(crate) mod registry_plan;
pub(crate) mod registry_query;
pub(crate) mod registry_text;
pub(crate) mod request;
pub(crate) mod runtime;
pub(crate) mod sender;
pub(crate) mod spsc;
pub(crate) mod staging;
pub(crate) mod status;
pub(crate) mod stream;
pub(crate) mod task;
pub(crate) mod text;
pub(crate) mod update;
pub(crate) mod watch;
