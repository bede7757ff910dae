//! Owner thread of a device: makes the driver, runs queued calls, deletes retired buffers, polls fences, runs completions, and drops
//! the driver.
//!
//! The owner thread is one that the library starts, or, for a *host-driven* device, the thread that makes the device; it then does its
//! work in [`Device::poll`](super::Device::poll) and in calls that wait for the device. A host-driven device ends with its thread: a
//! call that waited for that thread would wait for ever, and only that thread may drop the driver.

use std::cell::RefCell;
use std::ffi::c_void;
use std::fmt::Write;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use crate::alloc::{Arc, Weak, try_arc};
use crate::device::call::{CallQueue, OwnedDriver};
use crate::device::driver::{DeviceInfo, Driver, Fence, Renderer};
use crate::device::lifecycle::Lifecycle;
use crate::error::{Error, Label, Result, Status};
use crate::handle::live_list::{self, Linked, LiveList};
use crate::handle::slots;
use crate::log::{self, Level};
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering::*};
use crate::sync::mutex::Mutex;
use crate::sync::wait_check::{self, Stop};
use crate::sys::clock::{Deadline, Timeout};
use crate::sys::thread::{self, Thread};
use crate::sys::thread_exit::ThreadExit;

/// The devices of this process.
static DEVICES: LiveList<DeviceShared> = LiveList::new();

/// How long one wait for a fence in the driver lasts, after which the owner thread runs queued calls: the first one, and the most.
const SLICE_NS: (u64, u64) = (50_000, 1_000_000);

/// The first value of [`DeviceShared::undriven_ns`].
const UNDRIVEN_NS: u64 = 30_000_000_000;

/// Makes the driver, on the owner thread.
pub(crate) type MakeDriver = dyn FnOnce() -> Result<Box<dyn Driver>> + Send;

/// What the driver reported when it was made.
pub(crate) struct DriverReport {
    pub(crate) info: DeviceInfo,
    pub(crate) renderer: Option<Box<dyn Renderer>>,
}

/// State shared by a device's handles and its owner thread.
pub(crate) struct DeviceShared {
    pub(crate) number: u64,
    pub(crate) host_driven: bool,
    pub(crate) driver: OwnedDriver,
    pub(crate) calls: CallQueue,
    /// Set once the driver is made.
    report: OnceLock<DriverReport>,
    /// Whether `report` is set. ThreadSanitizer does not see the word inside of `OnceLock`.
    begun: AtomicBool,
    /// The thread that the library started, for the thread that ends the device to join.
    pub(crate) thread: Mutex<Option<Thread>>,
    /// How many nanoseconds a call without a timeout waits for the host to drive its device.
    pub(crate) undriven_ns: AtomicU64,
    next: AtomicPtr<DeviceShared>,
}

impl std::fmt::Debug for DeviceShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device")
            .field("number", &self.number)
            .field("label", &self.lifecycle().label)
            .finish_non_exhaustive()
    }
}

impl Linked for DeviceShared {
    fn next(&self) -> &AtomicPtr<DeviceShared> {
        &self.next
    }
}

impl DeviceShared {
    /// The state of a new device. Its owner thread has not begun.
    pub(crate) fn new(label: &str, host_driven: bool) -> Result<Arc<DeviceShared>> {
        let instance = slots::instance()?;
        let shared = DeviceShared {
            number: live_list::number(),
            host_driven,
            driver: OwnedDriver::new(Lifecycle::new(Label::new(label), instance.tag)),
            calls: CallQueue::new(),
            report: OnceLock::new(),
            begun: AtomicBool::new(false),
            thread: Mutex::new(None),
            undriven_ns: AtomicU64::new(UNDRIVEN_NS),
            next: AtomicPtr::new(std::ptr::null_mut()),
        };
        let shared = try_arc(shared)?;
        DEVICES.add(&shared)?;
        Ok(shared)
    }

    pub(crate) fn lifecycle(&self) -> &Lifecycle {
        &self.driver.lifecycle
    }

    /// What the driver reported. Set before the first handle exists.
    pub(crate) fn report(&self) -> &DriverReport {
        self.report.get().expect("the driver is made before the first handle")
    }

    /// Why the driver could not be made.
    pub(crate) fn creation_error(&self) -> Option<Error> {
        if self.report.get().is_some() { None } else { self.lifecycle().loss().copied() }
    }

    /// Starts the owner thread, or makes the calling thread the owner of a host-driven device, and waits until the driver is made or
    /// has failed ([`DeviceShared::creation_error`]).
    pub(crate) fn start(this: &Arc<DeviceShared>, make: Box<MakeDriver>) -> Result<()> {
        if this.host_driven {
            end_with_thread(this)?;
            if !this.make_driver(make) {
                this.finish();
            }
            return Ok(());
        }
        let thread = thread::start(this.lifecycle().label.as_str(), (this.clone(), make), owner_main)?;
        *this.thread.lock() = Some(thread);
        let begun = || (this.begun.load(Acquire) || this.lifecycle().is_driver_gone()).then_some(());
        let _ = this.lifecycle().progress.wait_through(Deadline::NEVER, begun);
        Ok(())
    }

    /// Makes the driver on the calling thread, which becomes the owner thread; false if that failed.
    fn make_driver(&self, make: Box<MakeDriver>) -> bool {
        self.driver.own();
        let made = catch_unwind(AssertUnwindSafe(|| {
            let mut driver = make()?;
            let report = DriverReport { info: driver.info(), renderer: driver.renderer() };
            Ok((driver, report))
        }));
        match made.unwrap_or_else(|panic| Err(self.lifecycle().lose_by_panic(&*panic))) {
            Ok((driver, mut report)) => {
                // Buffers consist of whole words of 4 bytes.
                report.info.limits.max_buffer_size &= !3;
                // SAFETY: this is the owner thread, and no call has run.
                unsafe { self.driver.set(driver) };
                self.log(Level::Info, format_args!("created #{}: {}", self.number, report.info));
                let _ = self.report.set(report);
                self.begun.store(true, Release);
                self.lifecycle().progress.signal();
                true
            }
            Err(error) => {
                self.lifecycle().fail_creation(error);
                false
            }
        }
    }

    fn log(&self, level: Level, text: std::fmt::Arguments<'_>) {
        log::record(level, "device", self.lifecycle().label.as_str(), text);
    }

    /// The loop of a thread that the library started.
    fn run(&self) {
        let (lifecycle, timeline) = (self.lifecycle(), &self.driver.timeline);
        let mut slice = SLICE_NS.0;
        while !lifecycle.has_ended() {
            let has_work = || {
                lifecycle.has_ended()
                    || self.has_work()
                    || timeline.is_awaited() && lifecycle.check_alive().is_ok()
            };
            let _ = lifecycle.work.wait(Deadline::NEVER, || has_work().then_some(()));
            self.run_queued();
            self.delete_retired();
            slice = self.poll_fences(slice).unwrap_or_else(|error| {
                let reason = "a fence could not be waited for; make a new device";
                let cause = format_args!("waiting for a fence: {error}");
                lifecycle.lose(Error::text(Status::DeviceLost, reason), cause);
                slice
            });
            timeline.run_ready(lifecycle);
        }
    }

    /// Runs the calls that are queued now. Those queued meanwhile wait until fences have been polled.
    fn run_queued(&self) {
        (0..self.calls.len()).all(|_| self.run_one());
    }

    /// Whether there is work besides waiting for fences.
    fn has_work(&self) -> bool {
        let timeline = &self.driver.timeline;
        !self.calls.is_empty()
            || self.driver.tracker.has_retired()
            || timeline.is_poll_requested()
            || timeline.has_ready_completion(self.lifecycle())
    }

    /// Runs the first queued call; false if there is none.
    pub(crate) fn run_one(&self) -> bool {
        let call = self.calls.pop();
        if let Some(call) = &call {
            call.run(&self.driver);
            self.lifecycle().progress.signal();
        }
        call.is_some()
    }

    /// Deletes retired buffers and fences.
    pub(crate) fn delete_retired(&self) {
        if self.driver.tracker.has_retired() {
            let _ = self.driver.with_driver(|driver| {
                driver.delete_retired();
                Ok(())
            });
        }
    }

    /// Waits in the driver for the next fences that are waited for, at most `slice` ns, and not at all while calls are queued. Returns
    /// the slice of the next time.
    pub(crate) fn poll_fences(&self, slice: u64) -> Result<u64> {
        let timeline = &self.driver.timeline;
        let before = timeline.passed();
        let once = timeline.take_poll_request();
        while timeline.is_awaited() || once && timeline.is_behind() {
            let next = Fence(timeline.passed().0 + 1);
            let busy = !timeline.is_awaited() || !self.calls.is_empty();
            let timeout = if busy { Timeout::TRY } else { Timeout::nanos(slice) };
            if !self.driver.call(|driver| driver.wait(next, timeout))? {
                break;
            }
        }
        let advanced = timeline.passed() != before;
        Ok(if advanced { SLICE_NS.0 } else { (slice * 2).clamp(SLICE_NS.0, SLICE_NS.1) })
    }

    /// Drives a host-driven device on its owner thread until `ready`.
    pub(crate) fn pump(&self, deadline: Deadline, ready: &dyn Fn() -> bool) -> Result<()> {
        self.check_may_drive()?;
        let (lifecycle, timeline) = (self.lifecycle(), &self.driver.timeline);
        timeline.record_polled();
        let mut slice = SLICE_NS.0;
        loop {
            while !ready() && self.run_one() && !deadline.passed() {}
            self.delete_retired();
            let in_driver = timeline.is_awaited() && !wait_check::listens_asleep() && !ready();
            let polled = self.poll_fences(if in_driver { slice.min(deadline.left()) } else { 0 });
            timeline.run_ready(lifecycle);
            slice = polled?;
            if ready() {
                return Ok(());
            }
            lifecycle.check_alive()?;
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
            let limit = if timeline.is_awaited() { deadline.min(soon()) } else { deadline };
            let news = || (ready() || self.has_work() || lifecycle.check_alive().is_err()).then_some(());
            if lifecycle.work.wait(limit, news) == Err(Stop::Interrupted) && !ready() {
                return Err(Stop::Interrupted.into());
            }
        }
    }

    /// Fails unless this is the owner thread of a host-driven device, outside of its calls and callbacks.
    pub(crate) fn check_may_drive(&self) -> Result<()> {
        self.lifecycle().check_alive()?;
        if !self.host_driven {
            return Err(Error::text(
                Status::State,
                "the device has its own thread; only a host-driven device is polled",
            ));
        }
        if !self.driver.is_owner() {
            let reason = "a host-driven device is driven only by the thread that made it";
            return Err(Error::text(Status::WrongThread, reason));
        }
        if self.is_inside() {
            let reason = "the device cannot be driven from inside of one of its calls or callbacks";
            return Err(Error::text(Status::Recursive, reason));
        }
        Ok(())
    }

    /// Whether the owner thread, which calls this, is in a driver call or a completion.
    pub(crate) fn is_inside(&self) -> bool {
        self.driver.is_in_call() || self.driver.timeline.is_completing()
    }

    /// Ends a host-driven device whose owner thread ends: the device is lost, and its driver is dropped while that thread exists.
    fn end_with_owner(&self) {
        let lifecycle = self.lifecycle();
        if !lifecycle.is_own() || lifecycle.has_ended() {
            return;
        }
        let reason = "the thread that made this host-driven device has ended; make a new device on a thread that stays";
        lifecycle.lose(Error::text(Status::DeviceLost, reason), format_args!("its owner thread has ended"));
        if self.driver.tracker.is_any_mapped() {
            // C and Python code may still use pointers to mapped bytes.
            lifecycle.hold_mapped();
        }
        self.finish();
    }

    /// Ends the device on its owner thread: fails the queued calls, runs all completions, deletes all buffers, and drops the driver.
    pub(crate) fn finish(&self) {
        let lifecycle = self.lifecycle();
        lifecycle.end();
        while self.run_one() {}
        self.driver.timeline.run_all(lifecycle);
        // SAFETY: this is the owner thread, outside of a driver call.
        let take = || unsafe { self.driver.take() };
        lifecycle.wake_all();
        if lifecycle.stays_mapped() {
            let text = "destroyed while the program holds mapped ranges: its driver is kept for ever";
            self.log(Level::Warn, format_args!("{text}"));
            take().into_iter().for_each(keep);
        }
        let _ = self.driver.with_driver(|driver| {
            driver.delete_retired();
            driver.delete_all();
            Ok(())
        });
        let driver = take();
        if driver.is_some() {
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(driver)));
            if let Err(panic) = dropped {
                lifecycle.lose_by_panic(&*panic);
            }
            self.log(Level::Info, format_args!("destroyed"));
        }
        // Before `finish`: a thread that sees the device gone finds it on no list.
        DEVICES.remove(self);
        if self.host_driven {
            remove_owned(self);
        }
        lifecycle.finish();
    }
}

impl Drop for DeviceShared {
    fn drop(&mut self) {
        DEVICES.remove(self);
        if self.lifecycle().is_own() && self.driver.has_driver() {
            let text = "a host-driven device was dropped on a thread that does not own it: its driver's resources are leaked";
            self.log(Level::Warn, format_args!("{text}"));
        }
    }
}

/// The owner thread, where the library starts it.
fn owner_main((shared, make): (Arc<DeviceShared>, Box<MakeDriver>)) {
    if shared.make_driver(make) {
        shared.run();
    }
    shared.finish();
}

/// A driver that is never used nor dropped again.
struct KeptDriver {
    _driver: Box<dyn Driver>,
    next: AtomicPtr<KeptDriver>,
}

// SAFETY: no thread uses the driver.
unsafe impl Sync for KeptDriver {}

impl Linked for KeptDriver {
    fn next(&self) -> &AtomicPtr<KeptDriver> {
        &self.next
    }
}

/// Keeps a driver whose mapped bytes are still borrowed, on a list, so that leak checkers find it.
fn keep(driver: Box<dyn Driver>) {
    static KEPT: LiveList<KeptDriver> = LiveList::new();
    let kept = KeptDriver { _driver: driver, next: AtomicPtr::default() };
    // Without memory for the list, it is leaked, since it is in use.
    let _ = KEPT.add(Box::leak(Box::new(kept)));
}

// The host-driven devices that the thread owns, the newest last. Without a destructor, which would cost every access a check.
thread_local!(static OWNED: ManuallyDrop<RefCell<Vec<Weak<DeviceShared>>>> =
    const { ManuallyDrop::new(RefCell::new(Vec::new())) });

static THREAD_EXIT: ThreadExit = ThreadExit::new(end_owned);

/// Ends the device when the calling thread ends.
fn end_with_thread(device: &Arc<DeviceShared>) -> Result<()> {
    THREAD_EXIT.set((&raw const THREAD_EXIT).cast())?;
    OWNED.with(|owned| {
        let mut owned = owned.borrow_mut();
        // Devices that were dropped on other threads.
        owned.retain(|device| device.strong_count() > 0);
        owned.push(Arc::downgrade(device));
    });
    Ok(())
}

/// Removes a device that has ended from the list of its owner thread, which calls this.
fn remove_owned(device: &DeviceShared) {
    let ends = |owned: &Weak<DeviceShared>| {
        owned.upgrade().is_none_or(|owned| std::ptr::eq(&raw const *owned, device))
    };
    OWNED.with(|owned| owned.borrow_mut().retain(|owned| !ends(owned)));
}

/// Runs at the end of a thread that owns host-driven devices.
unsafe extern "C" fn end_owned(_: *mut c_void) {
    let pop = || OWNED.with(|owned| owned.borrow_mut().pop());
    while let Some(owned) = pop() {
        if let Some(device) = owned.upgrade() {
            device.end_with_owner();
        }
    }
    OWNED.with(|owned| drop(owned.take()));
}

/// Writes one line about each device. Takes locks only if they are free, and allocates nothing.
pub(crate) fn dump(out: &mut dyn Write) {
    let visited = DEVICES.for_each(|shared| {
        let _ = dump_one(shared, out);
    });
    if !visited {
        let _ = writeln!(out, "devices: the list is in use");
    }
}

fn dump_one(shared: &DeviceShared, out: &mut dyn Write) -> std::fmt::Result {
    let (counters, timeline) = (&shared.driver.tracker.counters, &shared.driver.timeline);
    write!(
        out,
        "device #{} '{}': {} buffers of {} bytes, {} calls queued, fence {} of {} has passed, {} wait for fences",
        shared.number,
        shared.lifecycle().label.as_str(),
        counters.buffers_created.get() - counters.buffers_deleted.get(),
        counters.live_bytes.get(),
        shared.calls.len(),
        timeline.passed().0,
        timeline.submitted().0,
        timeline.waiters(),
    )?;
    match shared.lifecycle().loss() {
        Some(error) => writeln!(out, "; lost: {error}"),
        None => writeln!(out),
    }
}
