//! What goes wrong on a host device, and when.

use crate::alloc::Arc;
use crate::error::{Error, Result, Status};
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use crate::sync::event::Event;
use crate::sys::clock::Deadline;

/// Steers what goes wrong on a host device, from any thread and while it runs. Clones steer the same device.
///
/// Nothing here depends on time: completions are late by a number of polls, or until they are released; allocations and
/// steps are counted. A *step* is a call that makes, writes, copies, maps, unmaps or submits.
///
/// ```
/// use backbuf::{Status, Timeout, buffers::Encoder, device::{Device, Faults, HostConfig}};
/// let faults = Faults::new()?;
/// let device = Device::host(HostConfig { faults: Some(faults.clone()), ..HostConfig::default() })?;
/// faults.hold();
/// let fence = Encoder::new(&device).submit()?;
/// let late = device.wait_fence(fence, Timeout::nanos(1_000_000)).unwrap_err();
/// assert_eq!(late.status(), Status::Timeout);
/// faults.release();
/// device.wait_fence(fence, Timeout::FOREVER)?;
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Faults(pub(super) Arc<Plan>);

#[derive(Debug, Default)]
pub(super) struct Plan {
    delay: AtomicU32,
    reverse: AtomicBool,
    held: AtomicBool,
    lost: AtomicBool,
    /// How many until the one that fails, itself included; 0 for none.
    allocations: AtomicU64,
    steps: AtomicU64,
    changed: Event,
}

impl Faults {
    /// No faults so far.
    pub fn new() -> Result<Faults> {
        Arc::try_new(Plan::default()).map(Faults).map_err(|_| Error::of(Status::OutOfMemory))
    }

    /// What is submitted from now on completes that many polls late.
    pub fn delay(&self, polls: u32) {
        self.0.delay.store(polls, Relaxed);
    }

    /// Whether completions come in reverse order, one a poll. A fence passes when all up to it have come.
    pub fn reverse(&self, on: bool) {
        self.0.reverse.store(on, Relaxed);
    }

    /// Nothing completes until `release`.
    pub fn hold(&self) {
        self.0.held.store(true, Release);
    }

    /// Completions go on.
    pub fn release(&self) {
        self.0.held.store(false, Release);
        self.0.changed.signal();
    }

    /// The `nth` allocation from now fails, 1 being the next; 0 takes that back.
    pub fn fail_allocation(&self, nth: u64) {
        self.0.allocations.store(nth, Relaxed);
    }

    /// The device is lost at the `nth` step from now, 1 being the next; 0 takes that back.
    pub fn lose_at(&self, nth: u64) {
        self.0.steps.store(nth, Relaxed);
    }

    /// The device is lost now.
    pub fn lose(&self) {
        self.0.lost.store(true, Release);
        self.0.changed.signal();
    }

    /// An error if the device is lost.
    pub(super) fn check(&self) -> Result<()> {
        if self.0.lost.load(Acquire) {
            return Err(Error::text(Status::DeviceLost, "the host device is lost, as its faults ask for"));
        }
        Ok(())
    }

    /// Takes a step.
    pub(super) fn step(&self) -> Result<()> {
        if count_down(&self.0.steps) {
            self.lose();
        }
        self.check()
    }

    /// Takes a step that allocates.
    pub(super) fn allocate(&self) -> Result<()> {
        self.step()?;
        if count_down(&self.0.allocations) {
            return Err(Error::text(Status::OutOfMemory, "the allocation fails, as the faults ask for"));
        }
        Ok(())
    }

    pub(super) fn late_by(&self) -> u32 {
        self.0.delay.load(Relaxed)
    }

    pub(super) fn is_reverse(&self) -> bool {
        self.0.reverse.load(Relaxed)
    }

    pub(super) fn is_held(&self) -> bool {
        self.0.held.load(Acquire)
    }

    /// Sleeps until the deadline, or until what is held is released or lost.
    pub(super) fn sleep(&self, deadline: Deadline) {
        let held = self.is_held();
        let news = || (self.is_held() != held || self.check().is_err()).then_some(());
        let _ = self.0.changed.wait(deadline, news);
    }
}

/// Whether this is the one that was counted down to.
fn count_down(left: &AtomicU64) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)) == Ok(1)
}
