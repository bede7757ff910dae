//! What the owner thread does: it makes the driver, runs calls, looks after fences, and ends the driver.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::driver::{Driver, Fence};
use super::ownership;
use super::shared::{DEVICES, Facts, Shared};
use crate::alloc::Arc;
use crate::error::{Error, Result, Status};
use crate::handle::slots;
use crate::log::{self, Level};
use crate::sync::atomic::Ordering::*;
use crate::sync::mutex::Mutex;
use crate::sync::wait_check;
use crate::sync::wait_check::Stop;
use crate::sys::clock::{Deadline, Timeout};
use crate::sys::thread;

/// How long the owner thread waits for a fence before it looks for calls again: at first, and at most.
const SLICE_NS: (u64, u64) = (50_000, 1_000_000);

/// How a driver is made.
pub(crate) type Make = dyn FnOnce() -> Result<Box<dyn Driver>> + Send;

/// What a thread of the library's own begins with.
pub(crate) struct Start {
    pub(crate) shared: Arc<Shared>,
    pub(crate) make: Box<Make>,
}

/// A driver that stays for ever.
struct Kept(#[expect(dead_code, reason = "held, and never used again")] Box<dyn Driver>);

// SAFETY: it is neither used nor dropped again.
unsafe impl Send for Kept {}

/// Keeps a driver whose mapped bytes are still in use, where leak checkers find it.
fn keep(driver: Box<dyn Driver>) {
    static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
    let mut kept = KEPT.lock();
    match kept.try_reserve(1) {
        Ok(()) => kept.push(Kept(driver)),
        Err(_) => std::mem::forget(driver),
    }
}

/// The owner thread, where the library starts it.
pub(crate) fn main(start: Start) {
    let Start { shared, make } = start;
    if shared.begin(make) {
        shared.run();
    }
    shared.finish();
}

impl Shared {
    /// Makes the driver on the calling thread, which owns the device from here on; false if that failed.
    pub(crate) fn begin(&self, make: Box<Make>) -> bool {
        self.owner.store(thread::current(), Relaxed);
        let made = catch_unwind(AssertUnwindSafe(|| {
            let mut driver = make()?;
            let facts = Facts { info: driver.info(), renderer: driver.renderer() };
            Ok((driver, facts))
        }));
        match made.unwrap_or_else(|panic| Err(self.panicked(&*panic))) {
            Ok((driver, mut facts)) => {
                // A buffer's memory has whole words: what is beyond the last one cannot be had.
                facts.info.limits.max_buffer_size &= !3;
                // SAFETY: the owner thread is this one.
                unsafe { **self.driver.get() = Some(driver) };
                let text = format_args!("created #{}: {}", self.number, facts.info);
                log::record(Level::Info, "device", self.label.as_str(), text);
                let _ = self.facts.set(facts);
                self.begun.store(true, Release);
                self.progress.signal();
                true
            }
            Err(error) => {
                // The reason is the creator's to hand on.
                let _ = self.loss.set(error);
                false
            }
        }
    }

    fn run(&self) {
        let mut slice = SLICE_NS.0;
        while !self.ended.load(Acquire) {
            let _ = self.work.wait(Deadline::NEVER, || self.is_wanted().then_some(()));
            self.run_queued();
            self.tidy();
            slice = self.look(slice).unwrap_or_else(|error| {
                // Nobody is left hanging on a fence that cannot be asked for.
                let why = "a fence could not be waited for; make a new device";
                self.lose(Error::text(Status::DeviceLost, why), format_args!("waiting for a fence: {error}"));
                slice
            });
            self.complete();
        }
    }

    /// Runs what is queued now. What comes meanwhile waits until fences have been looked at.
    fn run_queued(&self) {
        (0..self.calls.len()).all(|_| self.run_one());
    }

    /// Whether there is something to do.
    fn is_wanted(&self) -> bool {
        self.ended.load(Acquire) || self.has_errands() || self.is_waited_for() && self.alive().is_ok()
    }

    fn has_errands(&self) -> bool {
        !self.calls.is_empty() || self.books.has_spent() || self.asked.load(Acquire) || self.has_completions()
    }

    /// Runs the next call, if there is one.
    pub(crate) fn run_one(&self) -> bool {
        let call = self.calls.pop();
        if let Some(call) = &call {
            call.run(self);
            self.progress.signal();
        }
        call.is_some()
    }

    /// Gives back what is spent.
    pub(crate) fn tidy(&self) {
        if self.books.has_spent() {
            let _ = self.touch(|driver| {
                driver.tidy();
                Ok(())
            });
        }
    }

    /// Waits for the next fence that somebody waits for, at most `slice` ns; says how long to wait next time.
    pub(crate) fn look(&self, slice: u64) -> Result<u64> {
        let before = self.passed.load(Relaxed);
        let once = self.asked.swap(false, AcqRel);
        while self.is_waited_for() || once && !self.has_passed(Fence(self.wanted.load(Acquire))) {
            let next = Fence(self.passed.load(Relaxed) + 1);
            let busy = !self.is_waited_for() || !self.calls.is_empty();
            let timeout = if busy { Timeout::TRY } else { Timeout::nanos(slice) };
            if !self.enter(|driver| driver.wait(next, timeout))? {
                break;
            }
        }
        let moved = self.passed.load(Relaxed) != before;
        Ok(if moved { SLICE_NS.0 } else { (slice * 2).clamp(SLICE_NS.0, SLICE_NS.1) })
    }

    /// Does what the owner thread does, until `ready`. For the owner thread of a host-driven device, outside of the driver.
    pub(crate) fn pump(&self, deadline: Deadline, ready: &dyn Fn() -> bool) -> Result<()> {
        self.may_pump()?;
        self.note_driven();
        let mut slice = SLICE_NS.0;
        loop {
            while !ready() && self.run_one() && !deadline.passed() {}
            self.tidy();
            let in_driver = self.is_waited_for() && !wait_check::listens_asleep() && !ready();
            let looked = self.look(if in_driver { slice.min(deadline.left()) } else { 0 });
            self.complete();
            slice = looked?;
            if ready() {
                return Ok(());
            }
            self.alive()?;
            if deadline.passed() {
                return Err(Error::of(Status::Timeout));
            }
            if wait_check::ends(false) {
                return Err(Stop::Interrupted.into());
            }
            if in_driver {
                continue;
            }
            let soon = || Deadline::after(Timeout::nanos(SLICE_NS.1));
            let limit = if self.is_waited_for() { deadline.min(soon()) } else { deadline };
            let news = || (ready() || self.has_errands() || self.alive().is_err()).then_some(());
            if self.work.wait(limit, news) == Err(Stop::Interrupted) && !ready() {
                return Err(Stop::Interrupted.into());
            }
        }
    }

    /// An error unless this is the owner thread of a host-driven device, outside of the driver.
    pub(crate) fn may_pump(&self) -> Result<()> {
        self.alive()?;
        if !self.host_driven {
            return Err(Error::text(
                Status::State,
                "the device has a thread of its own; nobody else drives it",
            ));
        }
        if !self.is_owner() {
            let why = "only the thread that made a host-driven device may drive it";
            return Err(Error::text(Status::WrongThread, why));
        }
        if self.is_inside() || self.is_completing() {
            let why = "the device cannot be driven from inside of one of its calls or callbacks";
            return Err(Error::text(Status::Recursive, why));
        }
        Ok(())
    }

    /// The owner thread of a host-driven device ends: it is lost, and its driver goes while that thread is there.
    pub(crate) fn end_with_owner(&self) {
        if !slots::is_own(self.tag) || self.ended.load(Acquire) {
            return;
        }
        let why = "the thread that made this host-driven device has ended; make a new device on a thread that stays";
        self.lose(Error::text(Status::DeviceLost, why), format_args!("its owner thread has ended"));
        if self.books.any_mapped() {
            // C and Python may still use their addresses.
            self.held.fetch_add(1, SeqCst);
        }
        self.finish();
    }

    /// Ends the driver, on the owner thread. What still waits is told that the device is gone.
    pub(crate) fn finish(&self) {
        // SeqCst: whoever holds mapped bytes is seen here, or sees the end; see `Device::hold`.
        self.ended.store(true, SeqCst);
        while self.run_one() {}
        self.complete_all();
        // SAFETY: the owner thread is this one, and it is not in the driver.
        let take = || unsafe { (*self.driver.get()).take() };
        if self.held.load(SeqCst) > 0 {
            let text = format_args!("destroyed while mapped ranges are held: its driver stays for ever");
            log::record(Level::Warn, "device", self.label.as_str(), text);
            take().into_iter().for_each(keep);
        }
        let _ = self.touch(|driver| {
            driver.tidy();
            driver.delete_all();
            Ok(())
        });
        let driver = take();
        if driver.is_some() {
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(driver)));
            if let Err(panic) = dropped {
                self.panicked(&*panic);
            }
            log::record(Level::Info, "device", self.label.as_str(), format_args!("destroyed"));
        }
        // Whoever sees that it is gone finds it on no list any more.
        DEVICES.remove(self);
        if self.host_driven {
            ownership::disown(self);
        }
        self.gone.store(true, Release);
        self.nudge();
    }
}
