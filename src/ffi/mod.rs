//! The C ABI: one file per C object, and the pieces that all of them use. The only module with `extern "C"` functions.
//!
//! A C function checks its arguments, calls the core and returns a status. `handle`, `foreign` and `object` turn handles into
//! objects; `guard` catches panics and records errors; `input` reads parameters and writes outputs; `callback` wraps functions
//! of C; `status` has the statuses and the last error message.

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

#[macro_use]
mod input;

mod back;
mod batch;
mod buffer;
mod callback;
mod device;
mod device_buffer;
mod device_field;
mod driver;
mod driver_renderer;
mod driver_table;
mod dynamic;
mod encoder;
mod feed;
mod field;
mod foreign;
mod front;
mod guard;
mod handle;
mod inline;
mod library;
mod manager;
mod manager_info;
mod object;
mod plan;
mod readback;
mod reading;
mod receiver;
mod registry;
mod registry_buffer;
mod registry_check;
mod registry_plan;
mod registry_query;
mod request;
mod sender;
mod spsc;
mod staging;
mod status;
mod stream;
mod synchronize;
mod task;
mod update;
mod watch;
