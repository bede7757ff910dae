//! The `Device`: driver calls, fences, polling, statistics and destruction, from any thread.

use crate::alloc::{Arc, try_arc};
use crate::device::call::OwnedDriver;
use crate::device::driver::{DeviceInfo, Driver, Fence, Foreign, Native, Renderer};
use crate::device::lifecycle::MappedUse;
use crate::device::owner::DeviceShared;
use crate::device::timeline::Completion;
use crate::device::tracker::{DeviceStatistics, TrackedBuffer};
use crate::error::{Error, Label, Result, Status};
use crate::log::{self, Level};
use crate::sync::atomic::Ordering::*;
use crate::sys::clock::{Deadline, Timeout};
use crate::sys::thread::Thread;

/// How long `destroy` waits for the owner thread.
const DESTROY_TIMEOUT: Timeout = Timeout::nanos(2_000_000_000);

/// Buffers and a submission timeline: a driver on its owner thread, used from any thread. Clones are the same device; it ends with
/// `destroy`, or with the last clone and the last object made on it.
///
/// A *host-driven* device has no thread of its own: the thread that makes it owns it. Calls of other threads wait until that thread
/// is in [`Device::poll`] or in a call that waits for the device.
#[derive(Clone, Debug)]
pub struct Device {
    handle: Arc<DeviceHandle>,
}

/// The handle that all clones share. Dropping it ends the device.
#[derive(Debug)]
struct DeviceHandle {
    shared: Arc<DeviceShared>,
}

impl Device {
    /// Makes a device on a driver of the caller's. `make` runs on the owner thread: one that the library starts, or the calling thread
    /// for a `host_driven` device. See [`Driver`].
    pub fn with_driver(
        label: &str,
        host_driven: bool,
        make: impl FnOnce() -> Result<Box<dyn Driver>> + Send + 'static,
    ) -> Result<Device> {
        let shared = DeviceShared::new(label, host_driven)?;
        DeviceShared::start(&shared, Box::new(make))?;
        // From here on the drop of the handle ends the device, also if there is no memory for the handle.
        let handle = DeviceHandle { shared };
        match handle.shared.creation_error() {
            Some(error) => Err(error),
            None => Ok(Device { handle: try_arc(handle)? }),
        }
    }

    /// Runs `work` with the driver on the owner thread and waits for its result; runs it at once if that is the calling thread. Fails
    /// with [`Status::Timeout`] if it has not begun in time; it then never runs.
    ///
    /// For work that buffers, encoders and managers do not offer.
    ///
    /// # Safety
    ///
    /// `work` shares the driver with all buffers of the device. It deletes, maps and unmaps only buffers that `work` itself or a call
    /// like it has created; it gives no work to a buffer while bytes of it are borrowed (a
    /// [`MappedRange`](crate::buffers::MappedRange), a [`DynamicSlice`](crate::buffers::DynamicSlice)); and it imports and discards
    /// only fences of this device's API, each once.
    ///
    /// ```
    /// use backbuf::{Timeout, device::{Device, Fence, HostConfig}};
    /// let device = Device::host(HostConfig::default())?;
    /// // SAFETY: it uses no buffer.
    /// let fence = unsafe { device.run(Timeout::FOREVER, |driver| driver.submit())? };
    /// assert_eq!(fence, Fence(1));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    ///
    /// Safe code cannot delete a buffer whose bytes are borrowed:
    ///
    /// ```compile_fail,E0133
    /// # use backbuf::{Timeout, buffers::{Buffer, BufferDesc}, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default()).unwrap();
    /// # let desc = BufferDesc { size: 64, usage: Usage::VERTEX, mapped_at_creation: true, label: "" };
    /// # let buffer = Buffer::new(&device, &desc).unwrap();
    /// let mut range = buffer.range_mut(0, None).unwrap();
    /// let native = device.live_buffers().unwrap()[0].native;
    /// device.run(Timeout::FOREVER, |driver| Ok(driver.delete(native))).unwrap();
    /// range[0] = 2;
    /// ```
    pub unsafe fn run<R: Send>(
        &self,
        timeout: Timeout,
        work: impl FnOnce(&mut dyn Driver) -> Result<R> + Send,
    ) -> Result<R> {
        self.call(Deadline::after(timeout), &|| false, work)
    }

    /// Waits for a fence. [`Timeout::TRY`] returns what is known, and has the owner thread poll the fence.
    ///
    /// ```
    /// use backbuf::{Timeout, buffers::Encoder, device::{Device, HostConfig}};
    /// let device = Device::host(HostConfig::default())?;
    /// let fence = Encoder::new(&device).submit()?;
    /// device.wait_fence(fence, Timeout::FOREVER)?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn wait_fence(&self, fence: Fence, timeout: Timeout) -> Result<()> {
        self.wait(fence, Deadline::after(timeout), &|| false)
    }

    /// Drives a host-driven device on its owner thread: runs queued calls until there are none or the budget is used up (one runs in
    /// any case), deletes retired buffers, polls fences, and runs the callbacks of map requests.
    ///
    /// ```
    /// use backbuf::{Timeout, buffers::Encoder, device::{Device, HostConfig}};
    /// let device = Device::host(HostConfig { host_driven: true, ..HostConfig::default() })?;
    /// let other = device.clone();
    /// let thread = std::thread::spawn(move || Encoder::new(&other).submit());
    /// while !thread.is_finished() {
    ///     device.poll(Timeout::nanos(1_000_000))?;
    /// }
    /// assert_eq!(thread.join().unwrap()?.0, 1);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn poll(&self, budget: Timeout) -> Result<()> {
        let deadline = Deadline::after(budget);
        let shared = self.shared();
        shared.check_may_drive()?;
        shared.driver.timeline.record_polled();
        while shared.run_one() && !deadline.passed() {}
        shared.delete_retired();
        let polled = shared.poll_fences(0);
        shared.driver.timeline.run_ready(shared.lifecycle());
        polled?;
        shared.lifecycle().check_alive()
    }

    /// The backend, its name and version, and its limits.
    pub fn info(&self) -> &DeviceInfo {
        &self.shared().report().info
    }

    /// The label.
    pub fn label(&self) -> Label {
        self.shared().lifecycle().label
    }

    /// The device's counters.
    pub fn statistics(&self) -> DeviceStatistics {
        self.driver().tracker.counters.snapshot()
    }

    /// The leak report: every native buffer that has not been deleted.
    ///
    /// ```
    /// use backbuf::{buffers::{Buffer, BufferDesc}, device::{Device, HostConfig, Usage}};
    /// let device = Device::host(HostConfig::default())?;
    /// let desc = BufferDesc { size: 64, usage: Usage::VERTEX, label: "mesh", ..BufferDesc::default() };
    /// let mesh = Buffer::new(&device, &desc)?;
    /// let live = device.live_buffers()?;
    /// assert!(live.len() == 1 && live[0].to_string().starts_with("buffer 'mesh'"));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn live_buffers(&self) -> Result<Vec<TrackedBuffer>> {
        self.driver().tracker.live()
    }

    /// Ends the device at once: live buffers are deleted, and later calls on the device and on objects made on it fail with
    /// [`Status::DeviceLost`]. A host-driven device is destroyed on its owner thread only. A second call does nothing.
    ///
    /// ```
    /// use backbuf::{Status, buffers::Encoder, device::{Device, HostConfig}};
    /// let device = Device::host(HostConfig::default())?;
    /// device.destroy()?;
    /// assert_eq!(Encoder::new(&device).submit().unwrap_err().status(), Status::DeviceLost);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn destroy(&self) -> Result<()> {
        let shared = self.shared();
        if !shared.lifecycle().is_own() {
            return shared.lifecycle().check_alive();
        }
        if self.is_owner() && shared.is_inside() {
            let reason = "a device cannot be destroyed from inside of one of its calls or callbacks";
            return Err(Error::text(Status::Recursive, reason));
        }
        if shared.host_driven && !self.is_owner() && !self.has_ended() {
            let reason = "a host-driven device is destroyed on the thread that made it, or after that thread has ended";
            return Err(Error::text(Status::WrongThread, reason));
        }
        end(shared);
        Ok(())
    }

    /// Runs `work` as [`Device::run`] does; fails with [`Status::Closed`] if `stop` holds before it has begun.
    pub(crate) fn call<R: Send>(
        &self,
        deadline: Deadline,
        stop: &dyn Fn() -> bool,
        work: impl FnOnce(&mut dyn Driver) -> Result<R> + Send,
    ) -> Result<R> {
        let (shared, driver) = (self.shared(), self.driver());
        driver.lifecycle.check_alive()?;
        driver.tracker.counters.calls.bump(1);
        if driver.is_owner() { driver.call(work) } else { shared.calls.call(driver, deadline, stop, work) }
    }

    /// Runs `work` as [`Device::run`] does, for operations that take no timeout. Waits without a bound for the library's own thread,
    /// and 30 s for a host to drive its device; then [`Status::Timeout`].
    pub(crate) fn call_untimed<R: Send>(
        &self,
        work: impl FnOnce(&mut dyn Driver) -> Result<R> + Send,
    ) -> Result<R> {
        let shared = self.shared();
        if !shared.host_driven || self.is_owner() {
            return self.call(Deadline::NEVER, &|| false, work);
        }
        let deadline = Deadline::after(Timeout::nanos(shared.undriven_ns.load(Relaxed)));
        let result = self.call(deadline, &|| false, work);
        result.map_err(|error| match error.status() {
            Status::Timeout => {
                let reason =
                    "the thread that made this host-driven device has not driven it for 30 s: poll it there";
                Error::text(Status::Timeout, reason)
            }
            _ => error,
        })
    }

    /// Waits for a fence; fails with [`Status::Closed`] if `stop` holds first. On the owner thread of a host-driven device it pumps.
    pub(crate) fn wait(&self, fence: Fence, deadline: Deadline, stop: &dyn Fn() -> bool) -> Result<()> {
        let OwnedDriver { lifecycle, timeline, tracker, .. } = self.driver();
        if timeline.has_passed(fence) {
            return Ok(());
        }
        lifecycle.check_alive()?;
        timeline.check_submitted(fence)?;
        let pumps = self.is_owner();
        if pumps {
            self.check_may_wait()?;
        }
        timeline.begin_wait(fence);
        timeline.request_poll();
        let over = || timeline.has_passed(fence) || stop() || lifecycle.check_alive().is_err();
        let result = if pumps {
            self.shared().pump(deadline, &over)
        } else {
            tracker.counters.waits.bump(1);
            lifecycle.work.signal();
            let waited = lifecycle.progress.wait(deadline, || over().then_some(()));
            waited.map_err(|stop| lifecycle.stop_error(Some(stop)))
        };
        timeline.end_wait();
        match result {
            _ if timeline.has_passed(fence) => Ok(()),
            Ok(()) => Err(lifecycle.stop_error(None)),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn has_passed(&self, fence: Fence) -> bool {
        self.driver().timeline.has_passed(fence)
    }

    /// Polls the fences up to one that has been submitted. Within a driver call.
    pub(crate) fn poll_fence(&self, driver: &mut dyn Driver, fence: Fence) -> Result<()> {
        let next = || Fence(self.driver().timeline.passed().0 + 1);
        while !self.has_passed(fence) && driver.wait(next(), Timeout::TRY)? {}
        Ok(())
    }

    /// Makes every thread that waits for the device check its condition again.
    pub(crate) fn wake_all(&self) {
        self.shared().lifecycle().wake_all();
    }

    /// Drives a host-driven device on its owner thread until `ready`.
    pub(crate) fn pump(&self, deadline: Deadline, ready: &dyn Fn() -> bool) -> Result<()> {
        self.shared().pump(deadline, ready)
    }

    /// Has the owner thread run `completion`, outside of the driver, once `fence` has passed or the device is lost or ends.
    pub(crate) fn run_after(&self, fence: Fence, completion: Completion) -> Result<()> {
        let OwnedDriver { lifecycle, timeline, .. } = self.driver();
        lifecycle.check_alive()?;
        timeline.check_submitted(fence)?;
        let result = timeline.add_completion(fence, completion);
        lifecycle.work.signal();
        if self.is_host_driven() {
            timeline.count_unpolled(lifecycle);
        }
        result
    }

    /// Waits until `ready`, which a completion or another thread makes true. On the owner thread of a host-driven device it pumps.
    pub(crate) fn wait_until(&self, deadline: Deadline, ready: &dyn Fn() -> bool) -> Result<()> {
        if ready() {
            return Ok(());
        }
        if self.is_owner() {
            self.check_may_wait()?;
            return self.pump(deadline, ready);
        }
        let progress = &self.shared().lifecycle().progress;
        progress.wait(deadline, || ready().then_some(())).map_err(Error::from)
    }

    /// Fails if the owner thread, which calls this, cannot wait for the device: a callback has to return first.
    fn check_may_wait(&self) -> Result<()> {
        if !self.is_host_driven() || self.shared().is_inside() {
            let reason = "a callback on the device's owner thread cannot wait for the device";
            return Err(Error::text(Status::Recursive, reason));
        }
        Ok(())
    }

    /// Keeps the memory of mapped buffers, also beyond the end of the device, until the result is dropped. The caller neither waits
    /// nor calls the program before.
    pub(crate) fn use_mapped(&self) -> Result<MappedUse<'_>> {
        self.shared().lifecycle().use_mapped()
    }

    /// Ends what [`MappedUse::hold`] began.
    pub(crate) fn return_mapped(&self) {
        self.shared().lifecycle().return_mapped();
    }

    /// Whether both are handles of the same device.
    pub(crate) fn is_same(&self, other: &Device) -> bool {
        std::ptr::eq(self.shared(), other.shared())
    }

    /// Has the owner thread delete a buffer, after the work that uses it. Never fails and never waits.
    pub(crate) fn retire(&self, buffer: Native) {
        let OwnedDriver { lifecycle, tracker, .. } = self.driver();
        if lifecycle.is_own() && tracker.retire_buffer(buffer) {
            lifecycle.work.signal();
        }
    }

    /// Has the owner thread discard a fence. Never fails and never waits.
    pub(crate) fn discard(&self, fence: Foreign) {
        let OwnedDriver { lifecycle, tracker, .. } = self.driver();
        if fence == Foreign(0) || lifecycle.check_alive().is_err() {
            return;
        }
        if tracker.retire_fence(fence) {
            lifecycle.work.signal();
        } else {
            let text = format_args!("out of memory to record a fence that is no longer used: it leaks");
            log::record(Level::Warn, "device", lifecycle.label.as_str(), text);
        }
    }

    pub(crate) fn is_owner(&self) -> bool {
        self.driver().is_owner()
    }

    /// Whether the calling thread is in one of the device's driver calls.
    pub(crate) fn is_in_call(&self) -> bool {
        self.is_owner() && self.driver().is_in_call()
    }

    pub(crate) fn is_host_driven(&self) -> bool {
        self.shared().host_driven
    }

    /// The renderer's side of the driver, where other contexts use the device's buffers.
    pub(crate) fn renderer(&self) -> Option<&dyn Renderer> {
        self.shared().report().renderer.as_deref()
    }

    /// Whether the device was destroyed, or ended with its owner thread: its memory is freed, or is being freed.
    pub(crate) fn has_ended(&self) -> bool {
        self.shared().lifecycle().has_ended()
    }

    /// Why the device can no longer be used, if so.
    pub(crate) fn lost(&self) -> Option<Error> {
        self.shared().lifecycle().check_alive().err()
    }

    pub(super) fn shared(&self) -> &DeviceShared {
        &self.handle.shared
    }

    fn driver(&self) -> &OwnedDriver {
        &self.shared().driver
    }
}

/// Ends the device. Outside of its driver; a host-driven one on its owner thread.
fn end(shared: &DeviceShared) {
    let lifecycle = shared.lifecycle();
    if shared.host_driven && !lifecycle.has_ended() {
        return shared.finish();
    }
    lifecycle.end();
    lifecycle.wake_all();
    let thread = shared.thread.lock().take();
    if shared.driver.is_owner() {
        return thread.map_or((), Thread::detach);
    }
    let gone = || lifecycle.is_driver_gone().then_some(());
    let deadline = Deadline::after(DESTROY_TIMEOUT);
    if lifecycle.progress.wait_through(deadline, gone).is_err() {
        let text =
            format_args!("a call on the owner thread does not return; the driver is kept until it does");
        log::record(Level::Warn, "device", lifecycle.label.as_str(), text);
        return thread.map_or((), Thread::detach);
    }
    // Drivers keep thread-local resources, which the end of the thread frees: it must not run beside the end of the process.
    if let Some(thread) = thread {
        thread.join();
    }
}

impl Drop for DeviceHandle {
    fn drop(&mut self) {
        let shared = &self.shared;
        // In a forked child, neither the owner thread nor the driver's resources exist.
        let may_end = if shared.host_driven {
            shared.driver.is_owner() && !shared.driver.is_in_call() && !shared.lifecycle().has_ended()
        } else {
            true
        };
        if shared.lifecycle().is_own() && may_end {
            end(shared);
        }
    }
}
