//! The wall that every call passes: no panic crosses it, and every refusal leaves its status, message and count.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::object::{self, Object};
use super::status::bb_status;
use super::{foreign, last_error};
use crate::error::{Error, Result, Status};

/// Runs a call that is about no object, or about one that it makes.
#[inline(always)]
pub(crate) fn guard(call: &'static str, work: impl FnOnce() -> Result<()>) -> bb_status {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => bb_status::BB_OK,
        Ok(Err(error)) => refused(call, &error),
        Err(payload) => panicked(call, payload),
    }
}

/// Runs a call on the object that the handle names.
#[inline(always)]
pub(crate) fn on<T: Object, H>(
    call: &'static str,
    handle: *const H,
    work: impl FnOnce(&T) -> Result<()>,
) -> bb_status {
    let handle = handle as u64;
    let told = |object: &T| match work(object) {
        Ok(()) => bb_status::BB_OK,
        Err(error) => refused_by(call, object, &error),
    };
    match catch_unwind(AssertUnwindSafe(|| object::with_pin(handle, told))) {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => refused_handle(call, handle, &error),
        Err(payload) => poisoned::<T>(call, handle, payload),
    }
}

/// Runs a call on a handle whose object it looks up, or ends, by itself.
#[inline(always)]
pub(crate) fn guard_handle<H>(
    call: &'static str,
    handle: *const H,
    work: impl FnOnce(u64) -> Result<()>,
) -> bb_status {
    let handle = handle as u64;
    match catch_unwind(AssertUnwindSafe(|| work(handle))) {
        Ok(Ok(())) => bb_status::BB_OK,
        Ok(Err(error)) => refused_handle(call, handle, &error),
        Err(payload) => panicked(call, payload),
    }
}

/// Ends the handle and hands its object over.
pub(crate) fn take<T: Object, H>(
    call: &'static str,
    handle: *const H,
    work: impl FnOnce(T) -> Result<()>,
) -> bb_status {
    guard_handle(call, handle, |handle| work(object::remove(handle)?))
}

#[cold]
#[inline(never)]
fn refused(call: &str, error: &Error) -> bb_status {
    last_error::set(format_args!("{call}: {error}"));
    error.status().into()
}

#[cold]
#[inline(never)]
fn refused_by<T: Object>(call: &str, object: &T, error: &Error) -> bb_status {
    object.refuse(error.status());
    let (kind, label) = (T::KIND.name(), object.label());
    match label.as_str() {
        "" => refused(call, error),
        label => {
            last_error::set(format_args!("{call}: {error} [{kind} '{label}']"));
            error.status().into()
        }
    }
}

#[cold]
#[inline(never)]
fn refused_handle(call: &str, handle: u64, error: &Error) -> bb_status {
    match (error.status() == Status::Foreign).then(|| foreign::owner(handle)).flatten() {
        Some(owner) => last_error::set(format_args!("{call}: {error} ({owner})")),
        None => last_error::set(format_args!("{call}: {error}")),
    }
    error.status().into()
}

#[cold]
#[inline(never)]
fn panicked(call: &str, payload: Box<dyn Any + Send>) -> bb_status {
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    last_error::set(format_args!(
        "{call}: {} ({})",
        Status::Panic.summary(),
        message.unwrap_or("no message")
    ));
    // A payload whose drop panics must not get out either.
    std::mem::forget(payload);
    bb_status::BB_E_PANIC
}

#[cold]
#[inline(never)]
fn poisoned<T: Object>(call: &str, handle: u64, payload: Box<dyn Any + Send>) -> bb_status {
    // If the handle has ended meanwhile, there is nothing left to poison.
    let _ = object::with_pin(handle, T::poison);
    panicked(call, payload)
}
