//! What the handles of a device share with its owner thread.

use std::any::Any;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use super::books::Books;
use super::calls;
use super::completions::Completions;
use super::counting::Counting;
use super::driver::{Driver, Fence, Info, Renderer};
use crate::alloc::Arc;
use crate::error::{Error, Label, Result, Status};
use crate::handle::live_list::{Listed, Roster};
use crate::handle::slots;
use crate::log::{self, Level};
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering::*, UnsafeCell};
use crate::sync::event::Event;
use crate::sync::mutex::Mutex;
use crate::sys::thread;
use crate::sys::thread::Thread;

/// The devices of this process.
pub(crate) static DEVICES: Roster<Shared> = Roster::new();

/// See [`Shared::undriven`].
const UNDRIVEN_NS: u64 = 30_000_000_000;

/// What the driver said of itself.
pub(crate) struct Facts {
    pub(crate) info: Info,
    pub(crate) renderer: Option<Box<dyn Renderer>>,
}

pub(crate) struct Shared {
    pub(crate) number: u64,
    pub(crate) label: Label,
    pub(crate) host_driven: bool,
    /// The process that made it.
    pub(crate) tag: u16,
    /// The owner thread.
    pub(crate) owner: AtomicU64,
    /// Known once the driver is made.
    pub(crate) facts: OnceLock<Facts>,
    /// That they are known, in a word that ThreadSanitizer sees.
    pub(crate) begun: AtomicBool,
    /// The owner thread, where the library started it: for who ends the device to join.
    pub(crate) thread: Mutex<Option<Thread>>,
    pub(crate) driver: UnsafeCell<ManuallyDrop<Option<Box<dyn Driver>>>>,
    /// Whether the owner thread is in the driver.
    inside: AtomicBool,
    pub(crate) calls: calls::Queue,
    /// Where the owner thread waits.
    pub(crate) work: Event,
    /// Where everybody else waits.
    pub(crate) progress: Event,
    /// Fences up to here have been submitted, have passed, are waited for.
    pub(crate) submitted: AtomicU64,
    pub(crate) passed: AtomicU64,
    pub(crate) wanted: AtomicU64,
    /// How many wait for fences.
    pub(crate) waiting: AtomicU32,
    /// Somebody who did not wait wants to know of the next fence.
    pub(crate) asked: AtomicBool,
    /// No call begins any more; and then: the driver is gone.
    pub(crate) ended: AtomicBool,
    pub(crate) gone: AtomicBool,
    pub(crate) loss: OnceLock<Error>,
    pub(crate) books: Books,
    pub(crate) completions: Completions,
    /// What has been left to a host that drives the device, since it last did.
    pub(crate) left: AtomicU32,
    /// How many hold bytes of mapped buffers, which a device that ends leaves alone then.
    pub(crate) held: AtomicU64,
    /// For how many nanoseconds a call without a timeout of its own waits for the host to drive the device.
    pub(crate) undriven: AtomicU64,
    next: AtomicPtr<Shared>,
}

// SAFETY: the driver is touched by the owner thread alone, which makes and drops it; the rest is made for many threads.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device")
            .field("number", &self.number)
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

impl Listed for Shared {
    fn next(&self) -> &AtomicPtr<Shared> {
        &self.next
    }
}

impl Shared {
    pub(crate) fn new(label: &str, host_driven: bool) -> Result<Arc<Shared>> {
        let instance = slots::instance()?;
        let shared = Shared {
            number: crate::handle::live_list::number(),
            label: Label::new(label),
            host_driven,
            tag: instance.tag,
            owner: AtomicU64::new(0),
            facts: OnceLock::new(),
            begun: AtomicBool::new(false),
            thread: Mutex::new(None),
            driver: UnsafeCell::new(ManuallyDrop::new(None)),
            inside: AtomicBool::new(false),
            calls: calls::Queue::new()?,
            work: Event::new(),
            progress: Event::new(),
            submitted: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            wanted: AtomicU64::new(0),
            waiting: AtomicU32::new(0),
            asked: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            loss: OnceLock::new(),
            books: Books::new(),
            completions: Completions::new(),
            left: AtomicU32::new(0),
            held: AtomicU64::new(0),
            undriven: AtomicU64::new(UNDRIVEN_NS),
            next: AtomicPtr::new(std::ptr::null_mut()),
        };
        let shared = Arc::try_new(shared).map_err(|_| Error::of(Status::OutOfMemory))?;
        DEVICES.add(&shared)?;
        Ok(shared)
    }

    /// What is known of the device. There before anybody has a handle.
    pub(crate) fn facts(&self) -> &Facts {
        self.facts.get().expect("the driver was made before the first handle")
    }

    pub(crate) fn is_owner(&self) -> bool {
        self.owner.load(Relaxed) == thread::current()
    }

    /// Whether the owner thread, which is the calling one, is in the driver.
    pub(crate) fn is_inside(&self) -> bool {
        self.inside.load(Relaxed)
    }

    /// An error if the device does nothing any more.
    pub(crate) fn alive(&self) -> Result<()> {
        if !slots::is_own(self.tag) {
            return Err(Error::text(
                Status::Forked,
                "the device was made before a fork; make a new one in this process",
            ));
        }
        match self.loss.get() {
            Some(error) => Err(*error),
            None if self.ended.load(Acquire) => {
                Err(Error::text(Status::DeviceLost, "the device has been destroyed"))
            }
            None => Ok(()),
        }
    }

    /// Runs `work` with the driver. The owner thread only.
    pub(crate) fn enter<R>(&self, work: impl FnOnce(&mut dyn Driver) -> Result<R>) -> Result<R> {
        self.alive()?;
        self.touch(|driver| work(driver))
    }

    /// The same, whatever the state of the device.
    pub(crate) fn touch<R>(&self, work: impl FnOnce(&mut Counting<'_>) -> Result<R>) -> Result<R> {
        debug_assert!(self.is_owner());
        if self.inside.swap(true, Relaxed) {
            let why = "this call needs the device's driver, which is in use further up on this thread";
            return Err(Error::text(Status::Recursive, why));
        }
        let result = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: this is the owner thread, and `inside` keeps it from coming here twice.
            match unsafe { &mut *self.driver.get() }.as_deref_mut() {
                Some(driver) => work(&mut Counting { driver, shared: self }),
                None => Err(Error::text(Status::DeviceLost, "the device has been destroyed")),
            }
        }));
        self.inside.store(false, Relaxed);
        result.unwrap_or_else(|panic| Err(self.panicked(&*panic)))
    }

    /// Nobody knows what a panic left behind: the device is lost.
    pub(crate) fn panicked(&self, panic: &(dyn Any + Send)) -> Error {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text");
        let why = "the device is lost by a panic on its owner thread; make a new device";
        let error = Error::named(Status::DeviceLost, "panic", text, why);
        self.lose(error, format_args!("a panic on the owner thread: {text}"));
        error
    }

    /// From here on everything that needs the device gets `error`.
    pub(crate) fn lose(&self, error: Error, why: std::fmt::Arguments<'_>) {
        if self.loss.set(error).is_ok() {
            log::record(Level::Error, "device", self.label.as_str(), format_args!("lost: {why}"));
            self.nudge();
        }
    }

    /// Everybody who waits looks again.
    pub(crate) fn nudge(&self) {
        self.progress.signal();
        self.work.signal();
    }

    pub(crate) fn has_passed(&self, fence: Fence) -> bool {
        fence.0 <= self.passed.load(Acquire)
    }

    /// Whether a fence that has not passed is waited for.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiting.load(Acquire) != 0 && !self.has_passed(Fence(self.wanted.load(Acquire)))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        DEVICES.remove(self);
        if slots::is_own(self.tag) && self.driver.get_mut().is_some() {
            let text = "a host-driven device was dropped on a thread that does not own it: what its driver holds is lost";
            log::record(Level::Warn, "device", self.label.as_str(), format_args!("{text}"));
        }
    }
}
