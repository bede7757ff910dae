//! The wall that every call passes: no panic crosses it, and every refusal leaves its status, message and count.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::handle::Kind;
use super::object::{self, Object};
use super::status::bb_status;
use super::{foreign, last_error};
use crate::error::{Error, Label, Result, Status};

/// Runs a call that is about no object, or about one that it makes.
#[inline(always)]
pub(crate) fn guard(call: &'static str, work: impl FnOnce() -> Result<()>) -> bb_status {
    let told = || match work() {
        Ok(()) => bb_status::BB_OK,
        Err(error) => refused(call, &error),
    };
    catch_unwind(AssertUnwindSafe(told)).unwrap_or_else(|payload| panicked(call, payload))
}

/// Runs a call that is about an object, but not inside of it: so that a callback may end the handle.
pub(crate) fn beside(
    call: &'static str,
    kind: Kind,
    label: Label,
    work: impl FnOnce() -> Result<()>,
) -> bb_status {
    let told = || match work() {
        Ok(()) => bb_status::BB_OK,
        Err(error) => refused_with(call, kind, label, &error),
    };
    catch_unwind(AssertUnwindSafe(told)).unwrap_or_else(|payload| panicked(call, payload))
}

/// Runs a call on the object that the handle names.
#[inline(always)]
pub(crate) fn on<T: Object, H, S: Into<bb_status>>(
    call: &'static str,
    handle: *const H,
    work: impl FnOnce(&T) -> Result<S>,
) -> bb_status {
    let handle = handle as u64;
    // Every refusal is told where it arises: what travels from there is one number.
    let told = |object: &T| match work(object) {
        Ok(ended) => ended.into(),
        Err(error) => refused_by(call, object, &error),
    };
    let entered = || match object::with_pin(handle, told) {
        Ok(status) => status,
        Err(refusal) => refused_handle(call, handle, &object::error::<T>(handle, refusal)),
    };
    catch_unwind(AssertUnwindSafe(entered)).unwrap_or_else(|payload| poisoned::<T>(call, handle, payload))
}

/// Runs a call on a handle whose object it looks up, or ends, by itself.
#[inline(always)]
pub(crate) fn guard_handle<H>(
    call: &'static str,
    handle: *const H,
    work: impl FnOnce(u64) -> Result<()>,
) -> bb_status {
    let handle = handle as u64;
    let told = || match work(handle) {
        Ok(()) => bb_status::BB_OK,
        Err(error) => refused_handle(call, handle, &error),
    };
    catch_unwind(AssertUnwindSafe(told)).unwrap_or_else(|payload| panicked(call, payload))
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
    refused_with(call, T::KIND, object.label(), error)
}

fn refused_with(call: &str, kind: Kind, label: Label, error: &Error) -> bb_status {
    match label.as_str() {
        "" => refused(call, error),
        label => {
            last_error::set(format_args!("{call}: {error} [{} '{label}']", kind.name()));
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

#[cfg(test)]
mod tests {
    use std::ffi::CStr;
    use std::sync::atomic::{AtomicI32, Ordering::*};

    use super::*;

    static REFUSED: AtomicI32 = AtomicI32::new(0);
    static POISONED: AtomicI32 = AtomicI32::new(0);

    struct Probe;

    impl Object for Probe {
        const KIND: Kind = Kind::Task;

        fn label(&self) -> Label {
            Label::new("flood")
        }

        fn refuse(&self, status: Status) {
            REFUSED.store(status as i32, SeqCst);
        }

        fn poison(&self) {
            POISONED.fetch_add(1, SeqCst);
        }
    }

    fn message() -> &'static str {
        // SAFETY: NUL-terminated; the tests use it before their next refusal.
        unsafe { CStr::from_ptr(last_error::get()) }.to_str().unwrap()
    }

    #[test]
    fn a_refusal_is_told_with_function_facts_and_label_and_is_counted() {
        let handle = object::create(|| Ok(Probe)).unwrap() as *const u8;
        let beyond = |_: &Probe| -> Result<()> {
            Err(Error::beyond("byte_offset + data", 20, 16, "bytes of the state"))
        };
        assert_eq!(on("bb_x", handle, beyond), bb_status::BB_E_RANGE);
        let text = "bb_x: out of bounds: byte_offset + data ends at 20, beyond 16 (the bytes of the state) [task 'flood']";
        assert_eq!((message(), REFUSED.load(SeqCst)), (text, Status::Range as i32));
        assert_eq!(on("bb_y", handle, |_: &Probe| Ok(())), bb_status::BB_OK);
        assert_eq!(message(), text, "a call that succeeds leaves the message alone");
        assert_eq!(take("bb_z", handle, |_: Probe| Ok(())), bb_status::BB_OK);
        assert_eq!(take("bb_z", handle, |_: Probe| Ok(())), bb_status::BB_E_STALE);
        assert!(message().starts_with("bb_z: task = "), "{}", message());
    }

    #[test]
    fn a_panic_is_a_status_and_poisons_the_object() {
        let handle = object::create(|| Ok(Probe)).unwrap() as *const u8;
        assert_eq!(
            on("bb_x", handle, |_: &Probe| -> Result<()> { panic!("on purpose {}", 1) }),
            bb_status::BB_E_PANIC
        );
        assert!(message().starts_with("bb_x: ") && message().ends_with("(on purpose 1)"), "{}", message());
        assert_eq!(POISONED.load(SeqCst), 1);
        assert_eq!(guard("bb_y", || panic!("plainly")), bb_status::BB_E_PANIC);
        assert!(message().ends_with("(plainly)"));
        assert_eq!(take("bb_z", handle, |_: Probe| Ok(())), bb_status::BB_OK);
    }

    #[test]
    fn a_long_message_is_cut_and_each_thread_has_its_own() {
        let long: String = "é".repeat(400);
        last_error::set(format_args!("x{long}"));
        assert_eq!(message().len(), 511);
        std::thread::spawn(|| assert_eq!(message(), "")).join().unwrap();
        assert_eq!(message().len(), 511);
    }
}
