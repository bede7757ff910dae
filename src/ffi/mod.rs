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

mod back;
mod batch;
mod buffer;
mod callback;
mod claims;
mod config;
mod device;
mod device_buffer;
mod device_create;
mod dynamic;
mod encoder;
mod foreign;
mod front;
mod front_gl;
mod guard;
mod handle;
mod input;
mod last_error;
mod library;
mod manager;
mod mapping;
mod object;
mod opaque;
mod pin;
mod query;
mod readback;
mod reading;
mod receiver;
mod records;
mod registry;
mod registry_buffer;
mod registry_limits;
mod registry_plan;
mod registry_query;
mod registry_text;
mod request;
mod runtime;
mod sender;
mod spsc;
mod staging;
mod status;
mod stream;
mod task;
mod text;
mod update;
mod watch;
