//! Fault injection for host devices: late or reversed completions, failed allocations, a lost device.

use crate::alloc::Arc;
use crate::error::{Error, Result, Status};
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use crate::sync::event::Event;
use crate::sys::clock::Deadline;

/// Injects faults into a host device, from any thread and while the device runs. Clones control the same device.
///
/// Nothing here depends on time: completions are late by a number of polls, or until they are released; allocations and steps are
/// counted. A *step* is a call that creates, writes, copies, maps, unmaps or submits.
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
pub struct Faults(pub(in crate::device) Arc<FaultPlan>);

#[derive(Debug, Default)]
pub(in crate::device) struct FaultPlan {
    delay: AtomicU32,
    reverse: AtomicBool,
    held: AtomicBool,
    lost: AtomicBool,
    /// How many allocations until one fails, that one included; 0 for none.
    allocations: AtomicU64,
    /// How many steps until the device is lost, that one included; 0 for none.
    steps: AtomicU64,
    changed: Event,
}

impl Faults {
    /// No faults.
    pub fn new() -> Result<Faults> {
        Arc::try_new(FaultPlan::default()).map(Faults).map_err(|_| Error::of(Status::OutOfMemory))
    }

    /// Submits from now on complete that many polls late.
    pub fn delay(&self, polls: u32) {
        self.0.delay.store(polls, Relaxed);
    }

    /// Whether submits complete in reverse order, one per poll. A fence passes when all submits up to it are complete.
    pub fn reverse(&self, on: bool) {
        self.0.reverse.store(on, Relaxed);
    }

    /// Nothing completes until `release`.
    pub fn hold(&self) {
        self.0.held.store(true, Release);
    }

    /// Submits complete again.
    pub fn release(&self) {
        self.0.held.store(false, Release);
        self.0.changed.signal();
    }

    /// The `nth` allocation from now fails, 1 being the next; 0 cancels this.
    pub fn fail_allocation(&self, nth: u64) {
        self.0.allocations.store(nth, Relaxed);
    }

    /// The device is lost at the `nth` step from now, 1 being the next; 0 cancels this.
    pub fn lose_at(&self, nth: u64) {
        self.0.steps.store(nth, Relaxed);
    }

    /// The device is lost now.
    pub fn lose(&self) {
        self.0.lost.store(true, Release);
        self.0.changed.signal();
    }

    /// Fails if the device is lost.
    pub(super) fn check_lost(&self) -> Result<()> {
        if self.0.lost.load(Acquire) {
            return Err(Error::text(Status::DeviceLost, "the host device is lost, by fault injection"));
        }
        Ok(())
    }

    pub(super) fn count_step(&self) -> Result<()> {
        if count_down(&self.0.steps) {
            self.lose();
        }
        self.check_lost()
    }

    /// Counts a step that allocates.
    pub(super) fn count_allocation(&self) -> Result<()> {
        self.count_step()?;
        if count_down(&self.0.allocations) {
            return Err(Error::text(Status::OutOfMemory, "the allocation fails, by fault injection"));
        }
        Ok(())
    }

    pub(super) fn delay_polls(&self) -> u32 {
        self.0.delay.load(Relaxed)
    }

    pub(super) fn is_reverse(&self) -> bool {
        self.0.reverse.load(Relaxed)
    }

    pub(super) fn is_held(&self) -> bool {
        self.0.held.load(Acquire)
    }

    /// Sleeps until the deadline, or until held completions are released or the device is lost.
    pub(super) fn sleep(&self, deadline: Deadline) {
        let held = self.is_held();
        let changed = || (self.is_held() != held || self.check_lost().is_err()).then_some(());
        let _ = self.0.changed.wait(deadline, changed);
    }
}

/// Whether the count reaches 0 by this step.
fn count_down(left: &AtomicU64) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)) == Ok(1)
}
