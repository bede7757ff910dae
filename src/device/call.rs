//! Driver calls: run at once on the owner thread, or queued to it by other threads, which wait for the result.
//!
//! A queued call borrows its closure and its result from the stack of its caller, so the caller does not return before the call is
//! done or cancelled ([`CallState`]). A call that its caller cancels in time stays in the queue, and the owner thread skips it.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_queue::ArrayQueue;

use crate::alloc::{Arc, try_arc};
use crate::device::call_state::CallState;
use crate::device::driver::Driver;
use crate::device::lifecycle::Lifecycle;
use crate::device::timeline::Timeline;
use crate::device::tracker::{BufferTracker, TrackedDriver};
use crate::error::{Error, Result, Status};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::*, UnsafeCell};
use crate::sys::clock::Deadline;
use crate::sys::thread;

/// The driver, and the state of the device that its calls change. The owner thread alone uses the driver.
pub(crate) struct OwnedDriver {
    pub(crate) lifecycle: Lifecycle,
    pub(crate) timeline: Timeline,
    pub(crate) tracker: BufferTracker,
    /// The owner thread; 0 before it has begun.
    owner: AtomicU64,
    /// Whether the owner thread is in a driver call.
    in_call: AtomicBool,
    driver: UnsafeCell<ManuallyDrop<Option<Box<dyn Driver>>>>,
}

// SAFETY: the owner thread alone touches the driver: it makes, uses and drops it. The rest is made for many threads.
unsafe impl Send for OwnedDriver {}
// SAFETY: as above.
unsafe impl Sync for OwnedDriver {}

impl OwnedDriver {
    pub(crate) fn new(lifecycle: Lifecycle) -> OwnedDriver {
        OwnedDriver {
            lifecycle,
            timeline: Timeline::new(),
            tracker: BufferTracker::default(),
            owner: AtomicU64::new(0),
            in_call: AtomicBool::new(false),
            driver: UnsafeCell::new(ManuallyDrop::new(None)),
        }
    }

    /// Makes the calling thread the owner thread. Once, before any other thread has a handle of the device.
    pub(crate) fn own(&self) {
        self.owner.store(thread::current(), Relaxed);
    }

    pub(crate) fn is_owner(&self) -> bool {
        self.owner.load(Relaxed) == thread::current()
    }

    /// Whether the owner thread, which calls this, is in a driver call.
    pub(crate) fn is_in_call(&self) -> bool {
        self.in_call.load(Relaxed)
    }

    /// Sets the driver.
    ///
    /// # Safety
    /// On the owner thread, outside of a driver call.
    pub(crate) unsafe fn set(&self, driver: Box<dyn Driver>) {
        // SAFETY: the caller's promise.
        unsafe { **self.driver.get() = Some(driver) };
    }

    /// Takes the driver, to drop or to keep it.
    ///
    /// # Safety
    /// On the owner thread, outside of a driver call.
    pub(crate) unsafe fn take(&self) -> Option<Box<dyn Driver>> {
        // SAFETY: the caller's promise.
        unsafe { (*self.driver.get()).take() }
    }

    /// Whether a driver was left behind by an owner thread that did not drop it.
    pub(crate) fn has_driver(&mut self) -> bool {
        self.driver.get_mut().is_some()
    }

    /// Runs `work` with the driver of a device that is alive. On the owner thread.
    pub(crate) fn call<R>(&self, work: impl FnOnce(&mut dyn Driver) -> Result<R>) -> Result<R> {
        self.lifecycle.check_alive()?;
        self.with_driver(|driver| work(driver))
    }

    /// Runs `work` with the driver, also of a device that is lost or has ended. On the owner thread.
    pub(crate) fn with_driver<R>(&self, work: impl FnOnce(&mut TrackedDriver<'_>) -> Result<R>) -> Result<R> {
        debug_assert!(self.is_owner());
        if self.in_call.swap(true, Relaxed) {
            let reason =
                "this call needs the device's driver, which a call further up on this thread is using";
            return Err(Error::text(Status::Recursive, reason));
        }
        let result = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: this is the owner thread, and `in_call` keeps it from coming here twice.
            match unsafe { &mut *self.driver.get() }.as_deref_mut() {
                Some(driver) => work(&mut TrackedDriver {
                    driver,
                    tracker: &self.tracker,
                    timeline: &self.timeline,
                    lifecycle: &self.lifecycle,
                }),
                None => Err(Error::text(Status::DeviceLost, "the device has been destroyed")),
            }
        }));
        self.in_call.store(false, Relaxed);
        result.unwrap_or_else(|panic| Err(self.lifecycle.lose_by_panic(&*panic)))
    }
}

/// A queued call. Its type-erased closure and result lie on the stack of its caller.
#[derive(Debug)]
pub(crate) struct Call {
    state: CallState,
    /// The caller's [`CallFrame`]: valid until the state is cancelled or done.
    frame: *mut (),
    run: unsafe fn(*mut (), &OwnedDriver),
}

// SAFETY: the state decides which thread touches the frame, and what is in it is `Send`.
unsafe impl Send for Call {}
// SAFETY: as above.
unsafe impl Sync for Call {}

impl Call {
    /// Runs the call unless its caller has cancelled it. On the owner thread.
    pub(crate) fn run(&self, driver: &OwnedDriver) {
        if self.state.begin() {
            // SAFETY: the call has begun, so its caller waits and its frame is valid.
            unsafe { (self.run)(self.frame, driver) };
            self.state.finish();
        }
    }
}

/// Calls that wait for the owner thread, in the order in which they were made.
///
/// An `ArrayQueue` and not a `SegQueue`: a push never allocates, and a full queue gives the call back to its caller, which waits for
/// space instead of growing the queue without bound.
#[derive(Debug)]
pub(crate) struct CallQueue(ArrayQueue<Arc<Call>>);

impl CallQueue {
    /// The slots stay below 4 KiB: bookkeeping of a fixed size.
    const CAPACITY: usize = 255;

    pub(crate) fn new() -> CallQueue {
        CallQueue(ArrayQueue::new(CallQueue::CAPACITY))
    }

    pub(crate) fn pop(&self) -> Option<Arc<Call>> {
        self.0.pop()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a call and wakes the owner thread; false if the queue is full.
    fn push(&self, call: &Arc<Call>, lifecycle: &Lifecycle) -> bool {
        let pushed = self.0.push(call.clone()).is_ok();
        if pushed {
            lifecycle.work.signal();
        }
        pushed
    }

    /// Runs `work` on the owner thread, for another thread, which waits for the result. Fails if the deadline passes, `stop` holds or
    /// the device ends before the call has begun; `work` then never runs.
    pub(crate) fn call<W, R>(
        &self,
        driver: &OwnedDriver,
        deadline: Deadline,
        stop: &dyn Fn() -> bool,
        work: W,
    ) -> Result<R>
    where
        W: FnOnce(&mut dyn Driver) -> Result<R> + Send,
        R: Send,
    {
        let lifecycle = &driver.lifecycle;
        let mut frame = CallFrame { work: Some(work), result: None };
        let call = Call { state: CallState::new(), frame: (&raw mut frame).cast(), run: run_frame::<W, R> };
        let call = try_arc(call)?;
        let stopped = {
            let pending = PendingCall { lifecycle, call };
            let mut queued = false;
            let mut settled = || {
                queued = queued || self.push(&pending.call, lifecycle);
                let over = || stop() || lifecycle.check_alive().is_err();
                (pending.call.state.is_done() || over()).then_some(())
            };
            lifecycle.progress.wait(deadline, &mut settled).err()
        };
        match frame.result {
            Some(result) => result,
            None => Err(lifecycle.stop_error(stopped)),
        }
    }
}

/// The closure of a call and its result, on the stack of the caller.
struct CallFrame<W, R> {
    work: Option<W>,
    result: Option<Result<R>>,
}

/// # Safety
/// `frame` points to a `CallFrame<W, R>` that no other thread touches.
unsafe fn run_frame<W, R>(frame: *mut (), driver: &OwnedDriver)
where
    W: FnOnce(&mut dyn Driver) -> Result<R>,
{
    // SAFETY: the caller's promise.
    let frame = unsafe { &mut *frame.cast::<CallFrame<W, R>>() };
    frame.result = frame.work.take().map(|work| driver.call(work));
}

/// Cancels a call when its caller leaves, by return or by panic, or waits for its end if it has begun.
struct PendingCall<'a> {
    lifecycle: &'a Lifecycle,
    call: Arc<Call>,
}

impl Drop for PendingCall<'_> {
    fn drop(&mut self) {
        if !self.call.state.cancel() {
            // Neither signals nor wait checks end this wait: the owner thread uses the frame.
            let done = || self.call.state.is_done().then_some(());
            let _ = self.lifecycle.progress.wait_through(Deadline::NEVER, done);
        }
    }
}
