//! What a manager on a device does besides: uploads before a publish, and the device's work in waits on its owner thread.

use crate::device::device::Device;
use crate::error::Status;
use crate::manager::copies::device_copies::DeviceCopies;
use crate::manager::core::applier::Applier;
use crate::manager::core::shared::{Blocked, Shared, State};
use crate::manager::core::tasks::Work;
use crate::sync::wait_check::Stop;
use crate::sys::clock::Deadline;
use crate::sys::clock::Timeout;

impl Shared {
    /// The device that the twins are on.
    pub(crate) fn device(&self) -> Option<&Device> {
        self.storage().on_device().map(DeviceCopies::device)
    }

    /// Who waits at the device looks again.
    pub(super) fn nudge(&self) {
        self.device().inspect(|device| device.wake_all());
    }

    /// The device whose work this thread must do while it waits, if there is one.
    pub(crate) fn pumped(&self) -> Option<&Device> {
        if !self.on_device {
            return None;
        }
        self.device().filter(|device| device.is_host_driven() && device.is_owner() && device.lost().is_none())
    }

    /// Waits on the owner thread of a host-driven device, doing its work meanwhile.
    pub(crate) fn pump(
        &self,
        device: &Device,
        limit: Deadline,
        ready: &dyn Fn() -> bool,
    ) -> std::result::Result<(), Stop> {
        loop {
            // What has no event that the device hears of is looked at now and then.
            let soon = limit.min(Deadline::after(Timeout::nanos(1_000_000)));
            match device.pump(soon, ready).map_err(|error| error.status()) {
                Ok(()) => return Ok(()),
                Err(Status::Interrupted) => return Err(Stop::Interrupted),
                Err(_) if limit.passed() => return Err(Stop::TimedOut),
                // Lost meanwhile: who waits looks again, and finds nothing to pump.
                Err(Status::DeviceLost) => return Ok(()),
                Err(_) => {}
            }
        }
    }

    /// Brings the twin of the back copy up to date. The role's holder only, on the worker.
    pub(super) fn upload(&self, applier: &mut Applier, tickets: u64) -> std::result::Result<(), Blocked> {
        // SAFETY: the caller holds the role.
        let (Some(twins), Some(behind)) = (self.storage().on_device(), unsafe { &mut *self.behind.get() })
        else {
            return Ok(());
        };
        let stopped = || !matches!(self.state(), State::Open | State::Closing);
        self.tasks.busy(Work::new("upload to device", twins.device().label(), 0));
        let result = behind.upload(twins, &mut applier.forward, &stopped);
        self.tasks.idle();
        result.map_err(|error| if stopped() { Blocked::Worker } else { self.failed(tickets, error) })
    }
}
