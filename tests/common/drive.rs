//! The driver of a device, for tests that know what they do with it.

use backbuf::device::{Device, Driver};
use backbuf::{Result, Timeout};

pub trait Drive {
    /// [`Device::run`].
    fn drive<R: Send>(
        &self,
        timeout: Timeout,
        work: impl FnOnce(&mut dyn Driver) -> Result<R> + Send,
    ) -> Result<R>;
}

impl Drive for Device {
    fn drive<R: Send>(
        &self,
        timeout: Timeout,
        work: impl FnOnce(&mut dyn Driver) -> Result<R> + Send,
    ) -> Result<R> {
        // SAFETY: the tests delete, map and unmap only what they made and what is not borrowed, and pass on fences of the device.
        unsafe { self.run(timeout, work) }
    }
}
