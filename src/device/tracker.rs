//! A driver wrapper that counts operations and tracks live buffers, and the list of buffers and fences that wait for deletion.
//!
//! Any thread retires a buffer: it leaves the leak report at once, and the owner thread deletes it. The driver then frees the
//! memory once the submitted work that uses it is done.

use std::any::Any;
use std::fmt;
use std::ptr::NonNull;

use crate::alloc::try_vec;
use crate::device::driver::{DeviceInfo, Driver, Fence, Foreign, MapMode, Native, Usage};
use crate::device::lifecycle::Lifecycle;
use crate::device::timeline::Timeline;
use crate::error::{Error, Label, Result, Status};
use crate::log::{self, Level};
use crate::sync::atomic::{AtomicBool, Ordering::*};
use crate::sync::counter::Counter;
use crate::sync::mutex::Mutex;
use crate::sys::clock::Timeout;

/// A native buffer that has not been deleted, as the leak report lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackedBuffer {
    /// The driver's handle.
    pub native: Native,
    /// The label.
    pub label: Label,
    /// The size in bytes.
    pub bytes: u64,
    /// The usage flags.
    pub usage: Usage,
}

impl fmt::Display for TrackedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TrackedBuffer { native, label, bytes, usage } = self;
        write!(f, "buffer '{}' ({:#x}): {bytes} bytes, {usage:?}", label.as_str(), native.0)
    }
}

/// Declares the statistics of a device: the public values, the counters behind them, and the text, one line per value.
macro_rules! statistics {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// What a device has counted since it was made. Displays as text, one line per value.
        ///
        /// ```
        /// use backbuf::device::{Device, HostConfig};
        /// let device = Device::host(HostConfig::default())?;
        /// assert!(device.statistics().to_string().starts_with("buffers created: 0\nbuffers deleted: 0\n"));
        /// # Ok::<(), backbuf::Error>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct DeviceStatistics {
            $($(#[$doc])+ pub $name: u64,)+
        }

        /// Counters of a device. The owner thread writes them, except for `calls`, `waits`, `buffers_deleted` and `live_bytes`,
        /// which any thread writes.
        #[derive(Debug, Default)]
        pub(crate) struct DeviceCounters {
            $(pub(crate) $name: Counter,)+
        }

        impl DeviceCounters {
            pub(crate) fn snapshot(&self) -> DeviceStatistics {
                DeviceStatistics { $($name: self.$name.get(),)+ }
            }
        }

        impl fmt::Display for DeviceStatistics {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(writeln!(f, "{}: {}", stringify!($name).replace('_', " "), self.$name)?;)+
                Ok(())
            }
        }
    };
}

statistics! {
    /// Native buffers created.
    buffers_created,
    /// Native buffers deleted or retired.
    buffers_deleted,
    /// Bytes of all live buffers.
    live_bytes,
    /// Driver calls, from the owner thread and from others.
    calls,
    /// Writes from host memory.
    writes,
    /// Bytes of those writes.
    bytes_written,
    /// Copies on the device.
    copies,
    /// Bytes of those copies.
    bytes_copied,
    /// Ranges mapped.
    maps,
    /// Submits.
    submits,
    /// Waits for fences that had not passed at the first check.
    waits,
    /// Calls of the native API for writes and copies, up to the last submit; 0 where the backend does not count them.
    native_calls,
}

/// A live buffer, and whether its address is known outside of the driver.
#[derive(Debug)]
struct LiveEntry {
    buffer: TrackedBuffer,
    mapped: bool,
}

#[derive(Debug, Default)]
struct TrackerLists {
    live: Vec<LiveEntry>,
    /// Buffers that the owner thread deletes next. Its capacity covers every live buffer, so that retiring one cannot fail.
    retired_buffers: Vec<Native>,
    retired_fences: Vec<Foreign>,
}

impl TrackerLists {
    fn remove(&mut self, native: Native) -> Option<TrackedBuffer> {
        let at = self.live.iter().position(|live| live.buffer.native == native)?;
        Some(self.live.swap_remove(at).buffer)
    }
}

/// A buffer or a fence that the owner thread gives back to the driver.
#[derive(Clone, Copy, Debug)]
enum Retired {
    Buffer(Native),
    Fence(Foreign),
}

/// The live buffers of a device, those to be deleted, and the counters.
#[derive(Debug, Default)]
pub(crate) struct BufferTracker {
    lists: Mutex<TrackerLists>,
    /// Whether something is retired, for reads without the lock.
    has_retired: AtomicBool,
    pub(crate) counters: DeviceCounters,
}

impl BufferTracker {
    /// Reserves memory for one more buffer.
    fn reserve(&self) -> Result<()> {
        let TrackerLists { live, retired_buffers, .. } = &mut *self.lists.lock();
        live.try_reserve(1)?;
        retired_buffers.try_reserve(live.len() + 1)?;
        Ok(())
    }

    /// Adds a buffer that memory is reserved for.
    fn add(&self, buffer: TrackedBuffer, mapped: bool) {
        self.lists.lock().live.push(LiveEntry { buffer, mapped });
        self.counters.buffers_created.add(1);
        self.counters.live_bytes.bump(buffer.bytes);
    }

    /// Removes a buffer that the driver deletes; false if it is not live.
    fn remove(&self, native: Native) -> bool {
        self.lists.lock().remove(native).inspect(|buffer| self.count_deleted(buffer.bytes)).is_some()
    }

    fn count_deleted(&self, bytes: u64) {
        self.counters.buffers_deleted.bump(1);
        self.counters.live_bytes.bump(bytes.wrapping_neg());
    }

    fn set_mapped(&self, native: Native, mapped: bool) {
        let mut lists = self.lists.lock();
        if let Some(live) = lists.live.iter_mut().find(|live| live.buffer.native == native) {
            live.mapped = mapped;
        }
    }

    pub(crate) fn is_any_mapped(&self) -> bool {
        self.lists.lock().live.iter().any(|live| live.mapped)
    }

    /// Moves a buffer to the list that the owner thread deletes; false if it is not live. Allocates nothing.
    pub(crate) fn retire_buffer(&self, native: Native) -> bool {
        let mut lists = self.lists.lock();
        let Some(buffer) = lists.remove(native) else { return false };
        lists.retired_buffers.push(native);
        self.count_deleted(buffer.bytes);
        self.has_retired.store(true, Release);
        true
    }

    /// Has the owner thread discard a fence; false if there is no memory to record it.
    pub(crate) fn retire_fence(&self, fence: Foreign) -> bool {
        let mut lists = self.lists.lock();
        let reserved = lists.retired_fences.try_reserve(1).is_ok();
        if reserved {
            lists.retired_fences.push(fence);
            self.has_retired.store(true, Release);
        }
        reserved
    }

    pub(crate) fn has_retired(&self) -> bool {
        self.has_retired.load(Acquire)
    }

    fn next_retired(&self) -> Option<Retired> {
        let mut lists = self.lists.lock();
        let buffer = lists.retired_buffers.pop().map(Retired::Buffer);
        let next = buffer.or_else(|| lists.retired_fences.pop().map(Retired::Fence));
        if next.is_none() {
            self.has_retired.store(false, Release);
        }
        next
    }

    /// The live buffers.
    pub(crate) fn live(&self) -> Result<Vec<TrackedBuffer>> {
        let lists = self.lists.lock();
        let mut copy = try_vec(lists.live.len())?;
        copy.extend(lists.live.iter().map(|live| live.buffer));
        Ok(copy)
    }
}

/// The driver as calls use it: operations are counted, buffers tracked, fences recorded, and a lost driver marks the device as
/// lost.
pub(crate) struct TrackedDriver<'a> {
    pub(crate) driver: &'a mut dyn Driver,
    pub(crate) tracker: &'a BufferTracker,
    pub(crate) timeline: &'a Timeline,
    pub(crate) lifecycle: &'a Lifecycle,
}

impl TrackedDriver<'_> {
    /// Returns the driver's result. An error of status `DeviceLost` also marks the device as lost.
    fn checked<R>(&self, result: Result<R>) -> Result<R> {
        result.inspect_err(|error| {
            if error.status() == Status::DeviceLost {
                self.lifecycle.lose(*error, format_args!("{error}"));
            }
        })
    }

    /// Checks a new buffer, and reserves memory to track it.
    fn prepare_create(&self, bytes: u64) -> Result<()> {
        if bytes == 0 {
            return Err(Error::value(Status::Argument, "bytes", bytes, "a buffer has at least one byte"));
        }
        self.tracker.reserve()
    }

    /// Deletes the buffers and fences that other threads have retired.
    pub(crate) fn delete_retired(&mut self) {
        while let Some(retired) = self.tracker.next_retired() {
            match retired {
                Retired::Buffer(buffer) => self.driver.delete(buffer),
                Retired::Fence(fence) => self.driver.discard(fence),
            }
        }
    }

    /// Deletes the buffers that are still live, and logs how many there were.
    pub(crate) fn delete_all(&mut self) {
        let last = || self.tracker.lists.lock().live.last().map(|live| live.buffer.native);
        let mut count = 0;
        while let Some(buffer) = last() {
            self.tracker.remove(buffer);
            self.driver.delete(buffer);
            count += 1;
        }
        if count > 0 {
            let text = format_args!("destroyed with {count} buffers that had not been released");
            log::record(Level::Warn, "device", self.lifecycle.label.as_str(), text);
        }
    }
}

// SAFETY: mappings are those of the wrapped driver.
unsafe impl Driver for TrackedDriver<'_> {
    fn info(&self) -> DeviceInfo {
        self.driver.info()
    }

    fn create(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<Native> {
        self.prepare_create(bytes)?;
        let result = self.driver.create(bytes, usage, label);
        let native = self.checked(result)?;
        self.tracker.add(TrackedBuffer { native, label: Label::new(label), bytes, usage }, false);
        Ok(native)
    }

    fn create_mapped(&mut self, bytes: u64, usage: Usage, label: &str) -> Result<(Native, NonNull<u8>)> {
        self.prepare_create(bytes)?;
        let result = self.driver.create_mapped(bytes, usage, label);
        let (native, data) = self.checked(result)?;
        self.tracker.add(TrackedBuffer { native, label: Label::new(label), bytes, usage }, true);
        self.tracker.counters.maps.add(1);
        Ok((native, data))
    }

    fn create_persistent(
        &mut self,
        bytes: u64,
        usage: Usage,
        label: &str,
    ) -> Result<Option<(Native, NonNull<u8>)>> {
        self.prepare_create(bytes)?;
        let result = self.driver.create_persistent(bytes, usage, label);
        let created = self.checked(result)?;
        if let Some((native, _)) = created {
            self.tracker.add(TrackedBuffer { native, label: Label::new(label), bytes, usage }, true);
        }
        Ok(created)
    }

    fn delete(&mut self, buffer: Native) {
        if self.tracker.remove(buffer) {
            self.driver.delete(buffer);
        }
    }

    fn write(&mut self, to: Native, offset: u64, data: &[u8]) -> Result<()> {
        let result = self.driver.write(to, offset, data);
        self.checked(result)?;
        self.tracker.counters.writes.add(1);
        self.tracker.counters.bytes_written.add(data.len() as u64);
        Ok(())
    }

    fn copy(&mut self, from: Native, from_offset: u64, to: Native, to_offset: u64, bytes: u64) -> Result<()> {
        let result = self.driver.copy(from, from_offset, to, to_offset, bytes);
        self.checked(result)?;
        self.tracker.counters.copies.add(1);
        self.tracker.counters.bytes_copied.add(bytes);
        Ok(())
    }

    fn map(&mut self, buffer: Native, mode: MapMode, offset: u64, bytes: u64) -> Result<NonNull<u8>> {
        let result = self.driver.map(buffer, mode, offset, bytes);
        let data = self.checked(result)?;
        self.tracker.set_mapped(buffer, true);
        self.tracker.counters.maps.add(1);
        Ok(data)
    }

    fn unmap(&mut self, buffer: Native) -> Result<()> {
        let result = self.driver.unmap(buffer);
        self.checked(result)?;
        self.tracker.set_mapped(buffer, false);
        Ok(())
    }

    fn submit(&mut self) -> Result<Fence> {
        let result = self.driver.submit();
        let fence = self.checked(result)?;
        self.timeline.record_submitted(fence);
        self.tracker.counters.submits.add(1);
        self.tracker.counters.native_calls.set(self.driver.native_calls());
        Ok(fence)
    }

    fn wait(&mut self, fence: Fence, timeout: Timeout) -> Result<bool> {
        if self.timeline.has_passed(fence) {
            return Ok(true);
        }
        self.timeline.check_submitted(fence)?;
        let result = self.driver.wait(fence, timeout);
        let passed = self.checked(result)?;
        if passed {
            self.timeline.record_passed(fence);
            self.lifecycle.progress.signal();
        }
        Ok(passed)
    }

    fn native_calls(&self) -> u64 {
        self.driver.native_calls()
    }

    fn as_any(&mut self) -> Option<&mut dyn Any> {
        self.driver.as_any()
    }

    fn export(&mut self) -> Result<Foreign> {
        let result = self.driver.export();
        self.checked(result)
    }

    fn import(&mut self, fence: Foreign) -> Result<()> {
        if fence == Foreign(0) {
            return Ok(());
        }
        let result = self.driver.import(fence);
        self.checked(result)
    }

    fn discard(&mut self, fence: Foreign) {
        if fence != Foreign(0) {
            self.driver.discard(fence);
        }
    }
}
