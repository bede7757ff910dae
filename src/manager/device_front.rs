//! FrontCount for renderers: the twin of a published copy, fenced both ways.

use crate::device::driver::Native;
use crate::error::{Error, Result, Status};
use crate::handle::lease;
use crate::handle::lease::LeaseId;
use crate::log::{self, Level};
use crate::manager::copies::copies::{RawFront, StateCopies};
use crate::manager::manager::Manager;

/// A leased front and its twin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawDeviceFront {
    pub(crate) front: RawFront,
    pub(crate) native: Native,
    /// Which copy it is.
    pub(crate) slot: u32,
}

/// A lease of a published state where the manager's device has it. Dropping it puts a fence into the renderer's timeline,
/// and the twin is not written again before that has passed.
///
/// ```
/// use backbuf::{DType, Timeout, device::{Device, HostConfig}, manager::{Config, Manager}};
/// let device = Device::host(HostConfig::default())?;
/// let manager = Manager::with_config(DType::U8, &[3], Config { device: Some(&device), ..Config::default() })?;
/// manager.enqueue(0, &[1, 2, 3], Timeout::TRY)?;
/// manager.synchronize(Timeout::FOREVER)?;
/// let front = manager.device_front()?;
/// assert_eq!((front.epoch(), front.len()), (1, 3));
/// front.release()?;
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct DeviceFront(RawDeviceFront);

impl Manager {
    /// Leases the newest front on the manager's device, for a renderer on this thread.
    ///
    /// On OpenGL a context that shares the device's objects must be current here, and gets the wait for the upload's fence
    /// by itself. [`Status::State`] on host memory, and where no such context is current; [`Status::DeviceLost`].
    pub fn device_front(&self) -> Result<DeviceFront> {
        self.acquire_device_front().map(DeviceFront)
    }

    pub(crate) fn acquire_device_front(&self) -> Result<RawDeviceFront> {
        let storage = self.shared.storage();
        let Some(twins) = storage.on_device() else {
            let why = "this manager is on host memory alone: create it on a device";
            return Err(Error::text(Status::State, why));
        };
        let device = twins.device();
        if let Some(error) = device.lost() {
            return Err(error);
        }
        let renderer = device.renderer();
        renderer.map_or(Ok(()), |renderer| renderer.check())?;
        let (front, copy) = storage.acquire_with_device_copy()?;
        let published = twins.published(copy);
        if let Some(renderer) = renderer {
            renderer.wait(published.ready);
        }
        Ok(RawDeviceFront { front, native: published.native, slot: copy as u32 })
    }
}

/// Ends a device front's lease with a fence in the timeline of the renderer on this thread. Refused, it changes nothing.
pub(crate) fn release_device_front(lease: LeaseId) -> Result<()> {
    let ending = lease::end(lease)?;
    let Some((storage, copy)) = StateCopies::of_device_front(&ending) else {
        ending.restore();
        let why = "is of a front in host memory: release it by bb_lease_release()";
        return Err(Error::param(Status::Argument, "lease", why));
    };
    // SAFETY: the lease is not given back yet, so its storage is there.
    match unsafe { &*storage }.fence_renderer(copy) {
        Ok(()) => {
            ending.finish();
            Ok(())
        }
        Err(error) => {
            ending.restore();
            Err(error)
        }
    }
}

impl StateCopies {
    /// Puts a fence behind what the renderer on this thread has drawn from that copy.
    fn fence_renderer(&self, copy: usize) -> Result<()> {
        let Some(twins) = self.on_device() else { return Ok(()) };
        let device = twins.device();
        // What is lost draws no more.
        match device.renderer() {
            Some(renderer) if device.lost().is_none() => {
                renderer.check()?;
                twins.fence(copy, renderer)
            }
            _ => Ok(()),
        }
    }
}

impl DeviceFront {
    /// The buffer: an OpenGL name, the address on a host device.
    pub fn native(&self) -> Native {
        self.0.native
    }

    /// Which of the manager's copies it is. A slot's buffer is the same for the manager's life, so that what is made of it
    /// may be cached.
    pub fn slot(&self) -> usize {
        self.0.slot as usize
    }

    /// Bytes of the state, from the buffer's start.
    pub fn len(&self) -> u64 {
        self.0.front.bytes
    }

    /// Whether the state has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its epoch.
    pub fn epoch(&self) -> u64 {
        self.0.front.epoch
    }

    /// The last tag among the updates that it contains; 0 without one.
    pub fn tag(&self) -> u64 {
        self.0.front.tag
    }

    /// The same state in host memory.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the lease keeps the copy, unchanged, until it is dropped.
        unsafe { std::slice::from_raw_parts(self.0.front.data, self.0.front.bytes as usize) }
    }

    /// Releases it, as dropping does, and tells what went wrong: then nothing was fenced, and the front is held until it is
    /// dropped elsewhere.
    #[expect(clippy::result_large_err, reason = "a front that cannot be released comes back")]
    pub fn release(self) -> std::result::Result<(), crate::manager::kernel::Refused<DeviceFront>> {
        release_device_front(self.0.front.lease)
            .map_err(|error| crate::manager::kernel::Refused { error, value: self })
    }
}

impl Drop for DeviceFront {
    fn drop(&mut self) {
        let lease = self.0.front.lease;
        let Err(error) = release_device_front(lease) else { return };
        if error.status() != Status::Stale {
            let text = format_args!("a device front was released without a fence: {error}");
            log::record(Level::Warn, "manager", "", text);
            let _ = lease::release(lease);
        }
    }
}
