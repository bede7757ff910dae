//! The handle of a device.

use super::books::LiveBuffer;
use super::calls;
use super::completions::Completion;
use super::driver::{Driver, Fence, Foreign, Info, Native, Renderer};
use super::owner::{self, Start};
use super::ownership;
use super::shared::Shared;
use super::statistics::Statistics;
use crate::alloc::{Arc, boxed};
use crate::error::{Error, Label, Result, Status};
use crate::handle::slots;
use crate::log::{self, Level};
use crate::sync::atomic::Ordering::*;
use crate::sys::clock::{Deadline, Timeout};
use crate::sys::thread;
use crate::sys::thread::Thread;

/// How long the end of a device waits for its owner thread.
const PATIENCE: Timeout = Timeout::nanos(2_000_000_000);

/// Memory and a timeline: a driver on its owner thread, and the way to it from any thread. Clones are the same device; it
/// ends with `destroy`, or with the last clone and what stands on it.
///
/// A device that is *host-driven* has no thread of its own: the thread that makes it owns it. What other threads want of
/// it waits until that thread is in [`Device::poll`] or in a call that waits for the device.
#[derive(Clone, Debug)]
pub struct Device {
    door: Arc<Door>,
}

/// All handles together: with the last one the device ends.
#[derive(Debug)]
struct Door {
    shared: Arc<Shared>,
}

impl Device {
    /// A device on a driver of the caller's. `make` runs on the owner thread: one of the library's, or the calling one of a
    /// `host_driven` device. See [`Driver`].
    pub fn with_driver(
        label: &str,
        host_driven: bool,
        make: impl FnOnce() -> Result<Box<dyn Driver>> + Send + 'static,
    ) -> Result<Device> {
        let shared = Shared::new(label, host_driven)?;
        let make = boxed(make)?;
        if host_driven {
            ownership::own(&shared)?;
            if !shared.begin(make) {
                shared.finish();
            }
        } else {
            let thread = thread::start(label, Start { shared: shared.clone(), make }, owner::main)?;
            *shared.thread.lock() = Some(thread);
            let begun = || (shared.begun.load(Acquire) || shared.gone.load(Acquire)).then_some(());
            let _ = shared.progress.wait_through(Deadline::NEVER, begun);
        }
        // From here on the door ends it, also where there is no memory for one.
        let door = Door { shared };
        match (door.shared.facts.get(), door.shared.loss.get()) {
            (None, Some(error)) => Err(*error),
            _ => Ok(Device { door: Arc::try_new(door).map_err(|_| Error::of(Status::OutOfMemory))? }),
        }
    }

    /// Runs `work` with the driver, on the owner thread, and waits for it; at once if that is the calling thread. If it
    /// cannot begin in time, it never will: [`Status::Timeout`].
    ///
    /// Buffers, encoders and managers need none of this: it is for work that they have no words for.
    ///
    /// # Safety
    ///
    /// The driver also has what others made, and knows nothing of who has borrowed bytes of it. So `work` deletes, maps and unmaps
    /// only buffers that it or its like has made; it gives no work to a buffer while bytes of it are borrowed (a
    /// [`MappedRange`](crate::buffers::MappedRange), a [`DynamicSlice`](crate::buffers::DynamicSlice)); and it passes on only
    /// fences of this device's API, each once.
    ///
    /// ```
    /// use backbuf::{Timeout, device::{Device, Fence, HostConfig}};
    /// let device = Device::host(HostConfig::default())?;
    /// // SAFETY: it touches no buffer.
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

    /// Waits for a fence. [`Timeout::TRY`] tells what is known, and has the owner thread look again.
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

    /// Drives a host-driven device on its owner thread: runs the calls that wait, until there are none or the budget is
    /// used up (one runs in any case), looks at fences, and gives back what was retired.
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
        shared.may_pump()?;
        shared.note_driven();
        while shared.run_one() && !deadline.passed() {}
        shared.tidy();
        let looked = shared.look(0);
        shared.complete();
        looked?;
        shared.alive()
    }

    /// What is known of it.
    ///
    /// ```
    /// use backbuf::device::{Device, DeviceKind, HostConfig};
    /// let device = Device::host(HostConfig::default())?;
    /// assert_eq!(device.info().kind, DeviceKind::Host);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn info(&self) -> &Info {
        &self.shared().facts().info
    }

    /// Its label.
    ///
    /// ```
    /// use backbuf::device::{Device, HostConfig};
    /// let device = Device::host(HostConfig { label: "oracle", ..HostConfig::default() })?;
    /// assert_eq!(device.label().as_str(), "oracle");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn label(&self) -> Label {
        self.shared().label
    }

    /// What it has counted.
    ///
    /// ```
    /// use backbuf::device::{Device, HostConfig};
    /// let device = Device::host(HostConfig::default())?;
    /// assert_eq!(device.statistics().buffers_created, 0);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn statistics(&self) -> Statistics {
        Statistics::of(self.shared())
    }

    /// The leak report: every buffer that has not been given back.
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
    pub fn live_buffers(&self) -> Result<Vec<LiveBuffer>> {
        self.shared().books.live()
    }

    /// Ends the device at once: buffers that were not given back go with it, and whatever stands on it gets
    /// [`Status::DeviceLost`]. A host-driven device ends on its owner thread only. Does nothing the second time.
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
        if !slots::is_own(shared.tag) {
            return shared.alive();
        }
        if shared.is_owner() && (shared.is_inside() || shared.is_completing()) {
            let why = "a device cannot be destroyed from inside of one of its calls or callbacks";
            return Err(Error::text(Status::Recursive, why));
        }
        if shared.host_driven && !shared.is_owner() && !shared.ended.load(Acquire) {
            let why = "a host-driven device is destroyed on the thread that made it, or after that has ended";
            return Err(Error::text(Status::WrongThread, why));
        }
        shared.end();
        Ok(())
    }

    /// Runs `work` as [`Device::run`] does; [`Status::Closed`] if `stop` holds before it has begun.
    pub(crate) fn call<R: Send>(
        &self,
        deadline: Deadline,
        stop: &dyn Fn() -> bool,
        work: impl FnOnce(&mut dyn Driver) -> Result<R> + Send,
    ) -> Result<R> {
        let shared = self.shared();
        shared.alive()?;
        shared.books.counters.calls.bump(1);
        if shared.is_owner() { shared.enter(work) } else { calls::cross(shared, deadline, stop, work) }
    }

    /// Runs `work` as [`Device::run`] does, for calls that have no timeout. The library's own thread is waited for without end; a
    /// host that does not drive its device for 30 s is [`Status::Timeout`].
    pub(crate) fn perform<R: Send>(
        &self,
        work: impl FnOnce(&mut dyn Driver) -> Result<R> + Send,
    ) -> Result<R> {
        let shared = self.shared();
        if !shared.host_driven || shared.is_owner() {
            return self.call(Deadline::NEVER, &|| false, work);
        }
        let deadline = Deadline::after(Timeout::nanos(shared.undriven.load(Relaxed)));
        let result = self.call(deadline, &|| false, work);
        result.map_err(|error| match error.status() {
            Status::Timeout => {
                let why =
                    "the thread that made this host-driven device has not driven it for 30 s: poll it there";
                Error::text(Status::Timeout, why)
            }
            _ => error,
        })
    }

    /// Waits for a fence; [`Status::Closed`] if `stop` holds first. On the owner thread of a host-driven device it pumps.
    pub(crate) fn wait(&self, fence: Fence, deadline: Deadline, stop: &dyn Fn() -> bool) -> Result<()> {
        self.shared().wait(fence, deadline, stop)
    }

    pub(crate) fn has_passed(&self, fence: Fence) -> bool {
        self.shared().has_passed(fence)
    }

    /// Looks whether fences up to this one, which has been submitted, have passed. Within a call.
    pub(crate) fn look(&self, driver: &mut dyn Driver, fence: Fence) -> Result<()> {
        let next = || Fence(self.shared().passed.load(Acquire) + 1);
        while !self.has_passed(fence) && driver.wait(next(), Timeout::TRY)? {}
        Ok(())
    }

    /// Everybody who waits for the device looks again.
    pub(crate) fn nudge(&self) {
        self.shared().nudge();
    }

    /// Drives a host-driven device on its owner thread until `ready`.
    pub(crate) fn pump(&self, deadline: Deadline, ready: &dyn Fn() -> bool) -> Result<()> {
        self.shared().pump(deadline, ready)
    }

    /// Has the owner thread run `completion`, outside of the driver, once `fence` has passed or the device is lost or ends.
    pub(crate) fn after(&self, fence: Fence, completion: Completion) -> Result<()> {
        self.shared().after(fence, completion)
    }

    /// Waits until `ready`, which completions or others bring about; drives the device where that is this thread's part.
    pub(crate) fn wait_until(&self, deadline: Deadline, ready: &dyn Fn() -> bool) -> Result<()> {
        let shared = self.shared();
        if ready() {
            return Ok(());
        }
        if shared.is_owner() {
            shared.may_wait()?;
            return shared.pump(deadline, ready);
        }
        shared.progress.wait(deadline, || ready().then_some(())).map_err(Error::from)
    }

    /// Holds the memory of mapped buffers: until [`Device::let_go`], the end of the device leaves it alone.
    pub(crate) fn hold(&self) -> Result<()> {
        let shared = self.shared();
        shared.held.fetch_add(1, SeqCst);
        // SeqCst: the end sees the hold, or is seen here.
        if shared.ended.load(SeqCst) || shared.alive().is_err() {
            self.let_go();
            shared.alive()?;
        }
        Ok(())
    }

    /// Ends a hold.
    pub(crate) fn let_go(&self) {
        self.shared().held.fetch_sub(1, Release);
    }

    /// Whether both are the same device.
    pub(crate) fn is(&self, other: &Device) -> bool {
        std::ptr::eq(self.shared(), other.shared())
    }

    /// Has the owner thread delete a buffer, after the work that uses it. Never fails, and waits for nobody.
    pub(crate) fn retire(&self, buffer: Native) {
        let shared = self.shared();
        if slots::is_own(shared.tag) && shared.books.retire(buffer) {
            shared.work.signal();
        }
    }

    /// Has the owner thread discard a fence. Never fails, and waits for nobody.
    pub(crate) fn discard(&self, fence: Foreign) {
        let shared = self.shared();
        if fence == Foreign(0) || !slots::is_own(shared.tag) || shared.alive().is_err() {
            return;
        }
        if shared.books.discard(fence) {
            shared.work.signal();
        } else {
            let text = format_args!("there was no memory to note that a fence is done with: it leaks");
            log::record(Level::Warn, "device", shared.label.as_str(), text);
        }
    }

    pub(crate) fn is_owner(&self) -> bool {
        self.shared().is_owner()
    }

    /// Whether this thread is in the middle of one of the device's calls.
    pub(crate) fn is_inside(&self) -> bool {
        self.is_owner() && self.shared().is_inside()
    }

    pub(crate) fn is_host_driven(&self) -> bool {
        self.shared().host_driven
    }

    /// What renderers call, where other contexts use the device's buffers.
    pub(crate) fn renderer(&self) -> Option<&dyn Renderer> {
        self.shared().facts().renderer.as_deref()
    }

    /// Whether it has been destroyed, or ended with its owner thread: its memory is gone, or goes.
    pub(crate) fn has_ended(&self) -> bool {
        self.shared().ended.load(Acquire)
    }

    /// Why it does nothing any more.
    pub(crate) fn lost(&self) -> Option<Error> {
        self.shared().alive().err()
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.door.shared
    }
}

impl Shared {
    fn wait(&self, fence: Fence, deadline: Deadline, stop: &dyn Fn() -> bool) -> Result<()> {
        if self.has_passed(fence) {
            return Ok(());
        }
        self.alive()?;
        self.is_submitted(fence)?;
        let drives = self.is_owner();
        if drives {
            self.may_wait()?;
        }
        self.wanted.fetch_max(fence.0, AcqRel);
        self.asked.store(true, Release);
        self.waiting.fetch_add(1, AcqRel);
        let over = || self.has_passed(fence) || stop() || self.alive().is_err();
        let result = if drives {
            self.pump(deadline, &over)
        } else {
            self.books.counters.waits.bump(1);
            self.work.signal();
            self.progress.wait(deadline, || over().then_some(())).map_err(|stop| self.why(Some(stop)))
        };
        self.waiting.fetch_sub(1, AcqRel);
        match result {
            _ if self.has_passed(fence) => Ok(()),
            Ok(()) => Err(self.why(None)),
            Err(error) => Err(error),
        }
    }

    /// An error if the owner thread, which is the calling one, cannot wait for the device: in a callback it has to return first.
    fn may_wait(&self) -> Result<()> {
        if !self.host_driven || self.is_inside() || self.is_completing() {
            let why = "a callback on the device's owner thread cannot wait for the device";
            return Err(Error::text(Status::Recursive, why));
        }
        Ok(())
    }

    /// An error if a fence is not of this device, or not yet.
    pub(crate) fn is_submitted(&self, fence: Fence) -> Result<()> {
        if fence.0 > self.submitted.load(Acquire) {
            let why = "nothing has been submitted that this fence could stand for";
            return Err(Error::value(Status::Argument, "fence", fence.0, why));
        }
        Ok(())
    }

    /// Ends the device. Not from inside of the driver; on a host-driven device by its owner thread.
    fn end(&self) {
        if self.host_driven && !self.ended.load(Acquire) {
            return self.finish();
        }
        self.ended.store(true, Release);
        self.nudge();
        let thread = self.thread.lock().take();
        if self.is_owner() {
            return thread.map_or((), Thread::detach);
        }
        let gone = || self.gone.load(Acquire).then_some(());
        let deadline = Deadline::after(PATIENCE);
        if self.progress.wait_through(deadline, gone).is_err() {
            let text = format_args!("a call does not return; the driver stays until it does");
            log::record(Level::Warn, "device", self.label.as_str(), text);
            return thread.map_or((), Thread::detach);
        }
        // Drivers keep things by thread, which its end gives back: not while the program is ending as well.
        if let Some(thread) = thread {
            thread.join();
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let shared = &self.shared;
        // In a forked child neither the owner thread nor what the driver holds is there.
        let may_end = if shared.host_driven {
            shared.is_owner() && !shared.is_inside() && !shared.ended.load(Acquire)
        } else {
            true
        };
        if slots::is_own(shared.tag) && may_end {
            shared.end();
        }
    }
}
