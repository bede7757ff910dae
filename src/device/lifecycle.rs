//! Lifecycle of a device: alive, lost or ended, the uses of its mapped bytes, and the events that its threads wait on.
//!
//! Mapped bytes are the driver's, and an ending device drops its driver. Two things keep it from that. A [`MappedUse`] is a section of
//! a library call that copies such bytes: it ends by itself, and the end of the device waits for it. A range is held by the program
//! for as long as it likes: the end does not wait for it, and the driver is kept for ever.

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

/// The watchdog of [`Lifecycle::stays_mapped`]: a use of mapped bytes neither waits nor calls the program, so it ends as soon as its
/// thread runs.
const USE_TIMEOUT: Timeout = Timeout::nanos(30_000_000_000);

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
    /// How many [`MappedUse`]s there are.
    mapped_uses: AtomicU64,
    /// How many ranges of mapped bytes the program holds.
    mapped_ranges: AtomicU64,
}

/// A use of mapped bytes by a library call, which neither waits nor calls the program before it drops this.
#[derive(Debug)]
pub(crate) struct MappedUse<'a>(&'a Lifecycle);

impl MappedUse<'_> {
    /// Counts a range that the program holds from now on, until [`Lifecycle::return_mapped`].
    pub(crate) fn hold(self) {
        self.0.hold_mapped();
    }
}

impl Drop for MappedUse<'_> {
    fn drop(&mut self) {
        // SeqCst: as in `use_mapped`, this thread sees `ended`, or the owner thread sees the new count.
        self.0.mapped_uses.fetch_sub(1, SeqCst);
        if self.0.has_ended() {
            self.0.work.signal();
        }
    }
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
            mapped_uses: AtomicU64::new(0),
            mapped_ranges: AtomicU64::new(0),
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
        // SeqCst: see `use_mapped`.
        self.ended.load(SeqCst)
    }

    /// Stops the device: no call begins any more.
    pub(crate) fn end(&self) {
        // SeqCst: see `use_mapped`.
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

    /// Keeps the memory of mapped buffers, also beyond the end of the device, until the result is dropped. Fails if the device is not
    /// alive.
    pub(crate) fn use_mapped(&self) -> Result<MappedUse<'_>> {
        self.mapped_uses.fetch_add(1, SeqCst);
        let mapped = MappedUse(self);
        // SeqCst, here and in `has_ended`, `end` and `stays_mapped`: the owner thread stores `ended`, then reads the count; this
        // thread adds to the count, then reads `ended`. At least one of the two sees the other.
        self.check_alive()?;
        Ok(mapped)
    }

    /// Keeps the memory of mapped buffers until [`Lifecycle::return_mapped`]: pointers to it are in use.
    pub(crate) fn hold_mapped(&self) {
        self.mapped_ranges.fetch_add(1, Relaxed);
    }

    /// The program no longer holds a range.
    pub(crate) fn return_mapped(&self) {
        // Release: the accesses through the range are over when `stays_mapped` sees the count.
        self.mapped_ranges.fetch_sub(1, Release);
    }

    /// Whether the program holds mapped bytes of the device, which has ended. Waits for the uses by calls, which may become ranges.
    pub(crate) fn stays_mapped(&self) -> bool {
        let unused = || (self.mapped_uses.load(SeqCst) == 0).then_some(());
        let waited = self.work.wait_through(Deadline::after(USE_TIMEOUT), unused);
        waited.is_err() || self.mapped_ranges.load(Acquire) != 0
    }

    /// The error of a wait that ended without its condition: the state of the device first, then `stop`.
    pub(crate) fn stop_error(&self, stop: Option<Stop>) -> Error {
        self.check_alive().err().unwrap_or_else(|| stop.unwrap_or(Stop::Ended).into())
    }
}
