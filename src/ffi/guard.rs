//! The wrapper of every C function: no panic crosses it, and every refusal sets its status, message and count.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Label, Result, Status};
use crate::ffi::foreign;
use crate::ffi::handle::Kind;
use crate::ffi::object::{self, Object};
use crate::ffi::status::{self, bb_status};

/// Runs a call without an object, or one that creates an object.
#[inline(always)]
pub(crate) fn guard(call: &'static str, work: impl FnOnce() -> Result<()>) -> bb_status {
    let run = || match work() {
        Ok(()) => bb_status::BB_OK,
        Err(error) => refused(call, &error),
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| panicked(call, payload))
}

/// Runs a call on the object of a handle.
#[inline(always)]
pub(crate) fn on<T: Object, H, S: Into<bb_status>>(
    call: &'static str,
    handle: *const H,
    work: impl FnOnce(&T) -> Result<S>,
) -> bb_status {
    let handle = handle as u64;
    // A refusal is reported where it arises, so that only one number is returned from there.
    let run = |object: &T| match work(object) {
        Ok(ended) => {
            let status = ended.into();
            if status != bb_status::BB_OK {
                status::clear_message();
            }
            status
        }
        Err(error) => refused_by(call, object, &error),
    };
    enter(call, handle, run)
}

/// As [`on`]. First `fast` tries to do all of it, and returns whether it has. Otherwise `work` does it, out of line: the fast way
/// then holds what it needs in registers.
#[inline(always)]
pub(crate) fn on_fast<T: Object, H>(
    call: &'static str,
    handle: *const H,
    fast: impl FnOnce(&T) -> bool,
    work: impl FnOnce(&T) -> Result<()>,
) -> bb_status {
    enter(
        call,
        handle as u64,
        |object: &T| {
            if fast(object) { bb_status::BB_OK } else { slow(call, object, work) }
        },
    )
}

#[cold]
#[inline(never)]
fn slow<T: Object>(call: &'static str, object: &T, work: impl FnOnce(&T) -> Result<()>) -> bb_status {
    match work(object) {
        Ok(()) => bb_status::BB_OK,
        Err(error) => refused_by(call, object, &error),
    }
}

/// Runs `run` on the object of a handle, without a panic.
#[inline(always)]
fn enter<T: Object>(call: &'static str, handle: u64, run: impl FnOnce(&T) -> bb_status) -> bb_status {
    let pinned = || match object::with_pin(handle, run) {
        Ok(status) => status,
        Err(entering) => refused_handle(call, handle, &object::error::<T>(handle, entering)),
    };
    catch_unwind(AssertUnwindSafe(pinned)).unwrap_or_else(|payload| poisoned::<T>(call, handle, payload))
}

/// Gets from the object what a call needs, and runs `work` while the call is not inside the object: callbacks that `work` runs,
/// and other threads, may end the handle meanwhile.
pub(crate) fn outside<T: Object, H, R>(
    call: &'static str,
    handle: *const H,
    get: impl FnOnce(&T) -> Result<R>,
    work: impl FnOnce(R) -> Result<()>,
) -> bb_status {
    let mut got = None;
    let status = on(call, handle, |object: &T| {
        got = Some((get(object)?, object.label()));
        Ok(())
    });
    let Some((needed, label)) = got else { return status };
    let run = || match work(needed) {
        Ok(()) => bb_status::BB_OK,
        Err(error) => refused_with(call, T::KIND, label, &error),
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| panicked(call, payload))
}

/// Runs `work` on the object of a further handle of a call.
pub(crate) fn with<T: Object, H, R>(handle: *const H, work: impl FnOnce(&T) -> Result<R>) -> Result<R> {
    let handle = handle as u64;
    object::with_pin(handle, work).map_err(|entering| object::error::<T>(handle, entering))?
}

/// Runs a call that looks up or ends the handle itself.
#[inline(always)]
pub(crate) fn guard_handle<H>(
    call: &'static str,
    handle: *const H,
    work: impl FnOnce(u64) -> Result<()>,
) -> bb_status {
    let handle = handle as u64;
    let run = || match work(handle) {
        Ok(()) => bb_status::BB_OK,
        Err(error) => refused_handle(call, handle, &error),
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| panicked(call, payload))
}

/// Ends the handle, and passes its object to `work`.
pub(crate) fn remove<T: Object, H>(
    call: &'static str,
    handle: *const H,
    work: impl FnOnce(T) -> Result<()>,
) -> bb_status {
    guard_handle(call, handle, |handle| work(object::remove(handle)?))
}

/// Ends the handle and drops its object; NULL has no effect.
pub(crate) fn destroy<T: Object, H>(call: &'static str, handle: *const H) -> bb_status {
    destroy_by(call, handle, |object: T| {
        drop(object);
        Ok(())
    })
}

/// Ends the handle and passes its object to `work`; NULL has no effect.
pub(crate) fn destroy_by<T: Object, H>(
    call: &'static str,
    handle: *const H,
    work: impl FnOnce(T) -> Result<()>,
) -> bb_status {
    if handle.is_null() { bb_status::BB_OK } else { remove(call, handle, work) }
}

#[cold]
#[inline(never)]
fn refused(call: &str, error: &Error) -> bb_status {
    status::set_message(format_args!("{call}: {error}"));
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
            status::set_message(format_args!("{call}: {error} [{} '{label}']", kind.name()));
            error.status().into()
        }
    }
}

#[cold]
#[inline(never)]
fn refused_handle(call: &str, handle: u64, error: &Error) -> bb_status {
    match (error.status() == Status::Foreign).then(|| foreign::owner(handle)).flatten() {
        Some(owner) => status::set_message(format_args!("{call}: {error} ({owner})")),
        None => status::set_message(format_args!("{call}: {error}")),
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
    status::set_message(format_args!(
        "{call}: {} ({})",
        Status::Panic.summary(),
        message.unwrap_or("no message")
    ));
    // A panic in the drop of the payload must not escape either.
    std::mem::forget(payload);
    bb_status::BB_E_PANIC
}

#[cold]
#[inline(never)]
fn poisoned<T: Object>(call: &str, handle: u64, payload: Box<dyn Any + Send>) -> bb_status {
    // Fails if the handle has ended meanwhile: there is nothing to poison.
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
        unsafe { CStr::from_ptr(status::message()) }.to_str().unwrap()
    }

    #[test]
    fn a_refusal_has_function_parameter_and_label_and_is_counted() {
        let handle = object::create(|| Ok(Probe)).unwrap() as *const u8;
        let beyond = |_: &Probe| -> Result<()> {
            Err(Error::beyond("byte_offset + data", 20, 16, "bytes of the state"))
        };
        assert_eq!(on("bb_x", handle, beyond), bb_status::BB_E_RANGE);
        let text = "bb_x: out of bounds: byte_offset + data ends at 20, beyond 16 (the bytes of the state) [task 'flood']";
        assert_eq!((message(), REFUSED.load(SeqCst)), (text, Status::Range as i32));
        assert_eq!(on("bb_y", handle, |_: &Probe| Ok(())), bb_status::BB_OK);
        assert_eq!(message(), text, "a call that succeeds leaves the message alone");
        assert_eq!(remove("bb_z", handle, |_: Probe| Ok(())), bb_status::BB_OK);
        assert_eq!(remove("bb_z", handle, |_: Probe| Ok(())), bb_status::BB_E_STALE);
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
        assert_eq!(remove("bb_z", handle, |_: Probe| Ok(())), bb_status::BB_OK);
    }

    #[test]
    fn a_long_message_is_cut_and_each_thread_has_its_own() {
        let long: String = "é".repeat(400);
        status::set_message(format_args!("x{long}"));
        assert_eq!(message().len(), 511);
        std::thread::spawn(|| assert_eq!(message(), "")).join().unwrap();
        assert_eq!(message().len(), 511);
    }
}
