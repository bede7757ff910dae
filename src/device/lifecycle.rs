//! Lifecycle of a device: alive, lost or ended, and the events that its threads wait on.

use std::any::Any;
use std::fmt;
use std::sync::OnceLock;

use crate::error::{Error, Label, Result, Status};
use crate::handle::slots;
use crate::log::{self, Level};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use crate::sync::event::Event;
use crate::sync::wait_check::Stop;
use crate::sys::clock::{Deadline, Timeout};

/// How long an ending device waits for calls of other threads to return mapped bytes. Long enough for a thread that is not running
/// to get its turn; a borrow that its caller keeps must not hold up the end of the device.
const RETURN_TIMEOUT: Timeout = Timeout::nanos(1_000_000_000);

/// What [`Lifecycle::keep_mapped`] adds to the number of borrows: it is never returned.
const NEVER_RETURNED: u64 = 1 << 32;

#[derive(Debug)]
pub(crate) struct Lifecycle {
    pub(crate) label: Label,
    /// The process that made the device.
    tag: u16,
    /// Where the owner thread waits for calls, fences and retired buffers.
    pub(crate) work: Event,
    /// Where all other threads wait.
    pub(crate) progress: Event,
    /// Why the device is lost.
    loss: OnceLock<Error>,
    /// No call begins any more.
    ended: AtomicBool,
    /// The driver has been dropped.
    driver_gone: AtomicBool,
    /// How many borrows of mapped bytes there are. While there are any, an ending device keeps its driver.
    mapped_borrows: AtomicU64,
}

impl Lifecycle {
    pub(crate) fn new(label: Label, tag: u16) -> Lifecycle {
        Lifecycle {
            label,
            tag,
            work: Event::new(),
            progress: Event::new(),
            loss: OnceLock::new(),
            ended: AtomicBool::new(false),
            driver_gone: AtomicBool::new(false),
            mapped_borrows: AtomicU64::new(0),
        }
    }

    /// Whether this process made the device; a forked child did not.
    pub(crate) fn is_own(&self) -> bool {
        slots::is_own(self.tag)
    }

    /// Fails if the device was made before a fork, is lost, or has ended.
    pub(crate) fn check_alive(&self) -> Result<()> {
        if !self.is_own() {
            return Err(Error::text(
                Status::Forked,
                "the device was made before a fork; make a new one in this process",
            ));
        }
        match self.loss.get() {
            Some(error) => Err(*error),
            None if self.has_ended() => Err(Error::text(Status::DeviceLost, "the device has been destroyed")),
            None => Ok(()),
        }
    }

    /// Why the device is lost, if it is.
    pub(crate) fn loss(&self) -> Option<&Error> {
        self.loss.get()
    }

    /// Marks the device as lost: from now on every use fails with `error`. The first error stays.
    pub(crate) fn lose(&self, error: Error, cause: fmt::Arguments<'_>) {
        if self.loss.set(error).is_ok() {
            log::record(Level::Error, "device", self.label.as_str(), format_args!("lost: {cause}"));
            self.wake_all();
        }
    }

    /// Marks the device as lost by a panic, which leaves the driver in an unknown state.
    pub(crate) fn lose_by_panic(&self, panic: &(dyn Any + Send)) -> Error {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text");
        let reason = "the device is lost by a panic on its owner thread; make a new device";
        let error = Error::named(Status::DeviceLost, "panic", text, reason);
        self.lose(error, format_args!("a panic on the owner thread: {text}"));
        error
    }

    /// Records why the driver could not be made, for the thread that makes the device to return.
    pub(crate) fn fail_creation(&self, error: Error) {
        let _ = self.loss.set(error);
    }

    /// Makes every waiting thread check its condition again.
    pub(crate) fn wake_all(&self) {
        self.progress.signal();
        self.work.signal();
    }

    /// Whether the device was destroyed, or ended with its owner thread.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Acquire)
    }

    /// Stops the device: no call begins any more.
    pub(crate) fn end(&self) {
        // SeqCst: see `borrow_mapped`.
        self.ended.store(true, SeqCst);
    }

    pub(crate) fn is_driver_gone(&self) -> bool {
        self.driver_gone.load(Acquire)
    }

    /// Reports that the driver has been dropped.
    pub(crate) fn finish(&self) {
        self.driver_gone.store(true, Release);
        self.wake_all();
    }

    /// Keeps the memory of mapped buffers until [`Lifecycle::return_mapped`], also beyond the end of the device.
    pub(crate) fn borrow_mapped(&self) -> Result<()> {
        self.mapped_borrows.fetch_add(1, SeqCst);
        // SeqCst, here and in `end` and `stays_borrowed`: the owner thread stores `ended`, then reads the count; this thread
        // adds to the count, then reads `ended`. At least one of the two sees the other.
        if self.ended.load(SeqCst) || self.check_alive().is_err() {
            self.return_mapped();
            self.check_alive()?;
        }
        Ok(())
    }

    /// Keeps the memory of mapped buffers for ever: pointers to it may still be in use.
    pub(crate) fn keep_mapped(&self) {
        self.mapped_borrows.fetch_add(NEVER_RETURNED, SeqCst);
    }

    pub(crate) fn return_mapped(&self) {
        // SeqCst: as in `borrow_mapped`, this thread sees `ended`, or the owner thread sees the new count.
        self.mapped_borrows.fetch_sub(1, SeqCst);
        if self.ended.load(SeqCst) {
            self.work.signal();
        }
    }

    /// Whether mapped bytes stay borrowed beyond the end of the device. Calls that borrow them while they copy or wait for the
    /// device return them soon, since the device has ended; `work` runs while they do. A longer borrow is its caller's.
    pub(crate) fn stays_borrowed(&self, mut work: impl FnMut()) -> bool {
        let known = || {
            work();
            match self.mapped_borrows.load(SeqCst) {
                0 => Some(false),
                1..NEVER_RETURNED => None,
                NEVER_RETURNED.. => Some(true),
            }
        };
        self.work.wait_through(Deadline::after(RETURN_TIMEOUT), known).unwrap_or(true)
    }

    /// The error of a wait that ended without its condition: the state of the device first, then `stop`.
    pub(crate) fn stop_error(&self, stop: Option<Stop>) -> Error {
        self.check_alive().err().unwrap_or_else(|| stop.unwrap_or(Stop::Ended).into())
    }
}
