//! What the handle of a buffer, its requests and encoders share.

use std::ptr::NonNull;

use super::desc::BufferDesc;
use super::machine::{BufferState, Machine};
use super::promise;
use super::request::{Answer, Outcome, Request};
use super::staged::Staged;
use crate::alloc::{Arc, boxed};
use crate::device::device::Device;
use crate::device::driver::{Driver, Fence, MapMode, Native, Usage};
use crate::error::{Error, Label, Result, Status};
use crate::handle::live_list::{Linked, LiveList};
use crate::sync::atomic::{AtomicBool, AtomicPtr, Ordering::*};
use crate::sync::mutex::{FutexMutex, FutexMutexGuard};

/// The buffers of this process.
pub(crate) static BUFFERS: LiveList<Inner> = LiveList::new();

/// Why a pending request is not answered otherwise.
const UNMAPPED: &str = "the buffer was unmapped before the map request was answered";

/// The first of the mapped bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(pub(crate) NonNull<u8>);

// SAFETY: an address; who reads and writes there is the machine's business.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

/// What is decided under a buffer's lock. Nobody who has it waits for the device's owner thread, which takes it too.
#[derive(Debug)]
pub(crate) struct Locked {
    pub(crate) machine: Machine,
    /// Where the mapped bytes are.
    pub(crate) place: Place,
    /// The pending request's.
    answer: Option<Answer>,
    /// The last submit that uses it.
    pub(crate) last_use: Fence,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) device: Device,
    pub(crate) native: Native,
    pub(crate) size: u64,
    pub(crate) usage: Usage,
    pub(crate) label: Label,
    locked: FutexMutex<Locked>,
    /// Whether the driver has it mapped, which ends when the driver is needed next. The owner thread's.
    mapped: AtomicBool,
    /// What the host has written elsewhere, since the device has no memory for both.
    pub(crate) staged: Option<Staged>,
    next: AtomicPtr<Inner>,
}

impl Linked for Inner {
    fn next(&self) -> &AtomicPtr<Inner> {
        &self.next
    }
}

impl Inner {
    pub(crate) fn new(device: &Device, desc: &BufferDesc<'_>) -> Result<Arc<Inner>> {
        desc.check(&device.info().limits)?;
        let mapped = desc.mapped_at_creation && desc.size > 0;
        let create = |driver: &mut dyn Driver| {
            let (bytes, usage, label) = (desc.native_size(), desc.usage, desc.label);
            if mapped {
                driver.create_mapped(bytes, usage, label).map(|(native, place)| (native, Place(place)))
            } else {
                Ok((driver.create(bytes, usage, label)?, Place(NonNull::dangling())))
            }
        };
        let (native, place) = device.call_untimed(create)?;
        Inner::wrap(device, desc, native, place, mapped, None)
    }

    /// A buffer that the host writes to in place while the device uses it, and where: in its own memory, or else in pages
    /// that are brought up to date before the device uses it. It has no MAP usage.
    pub(crate) fn persistent(device: &Device, desc: &BufferDesc<'_>) -> Result<(Arc<Inner>, Place)> {
        desc.check(&device.info().limits)?;
        let create = |driver: &mut dyn Driver| {
            Ok(match driver.create_persistent(desc.native_size(), desc.usage, desc.label)? {
                Some((native, place)) => (native, Some(Place(place))),
                None => (driver.create(desc.native_size(), desc.usage, desc.label)?, None),
            })
        };
        let (native, place) = device.call_untimed(create)?;
        let staged = match place {
            Some(_) => None,
            None => Some(Staged::new(desc.native_size()).inspect_err(|_| device.retire(native))?),
        };
        let place = place.or(staged.as_ref().map(Staged::place)).unwrap_or(Place(NonNull::dangling()));
        Ok((Inner::wrap(device, desc, native, place, false, staged)?, place))
    }

    fn wrap(
        device: &Device,
        desc: &BufferDesc<'_>,
        native: Native,
        place: Place,
        mapped: bool,
        staged: Option<Staged>,
    ) -> Result<Arc<Inner>> {
        let mut machine = Machine::new(desc);
        machine.created(desc.mapped_at_creation);
        let inner = Inner {
            device: device.clone(),
            native,
            size: desc.size,
            usage: desc.usage,
            label: Label::new(desc.label),
            locked: FutexMutex::new(Locked { machine, place, answer: None, last_use: Fence(0) }),
            mapped: AtomicBool::new(mapped),
            staged,
            next: AtomicPtr::new(std::ptr::null_mut()),
        };
        let inner = Arc::try_new(inner).map_err(|inner| {
            inner.device.retire(native);
            Error::of(Status::OutOfMemory)
        })?;
        BUFFERS.add(&inner)?;
        Ok(inner)
    }

    pub(crate) fn lock(&self) -> FutexMutexGuard<'_, Locked> {
        self.locked.lock()
    }

    pub(crate) fn state(&self) -> BufferState {
        self.state_of(&self.lock())
    }

    /// Where it stands, unless somebody has the lock.
    pub(crate) fn try_state(&self) -> Option<BufferState> {
        self.locked.try_lock().map(|locked| self.state_of(&locked))
    }

    /// A device that ends takes the memory of its buffers along.
    fn state_of(&self, locked: &Locked) -> BufferState {
        if self.device.has_ended() { BufferState::Destroyed } else { locked.machine.state() }
    }

    fn outcome(&self, result: Result<()>, state: BufferState) -> Outcome {
        Outcome { result, label: self.label, state }
    }

    pub(crate) fn map_async(
        this: &Arc<Inner>,
        mode: MapMode,
        offset: u64,
        size: Option<u64>,
    ) -> Result<Request> {
        let lost = Error::text(Status::DeviceLost, "the device went before the map request was answered");
        let (answer, pledge) = promise::pair(this.outcome(Err(lost), BufferState::Ready))?;
        let mut locked = this.lock();
        if let Some(lost) = this.device.lost() {
            return Err(lost);
        }
        let number = locked.machine.request(mode, offset, size)?;
        let buffer = Arc::downgrade(this);
        let completion = boxed(move || {
            if let Some(buffer) = buffer.upgrade() {
                buffer.complete(number, mode);
            }
        });
        let last_use = locked.last_use;
        let queued = completion.and_then(|completion| this.device.run_after(last_use, completion));
        match queued {
            Ok(()) => locked.answer = Some(answer),
            Err(error) => {
                locked.machine.not_mapped(number);
                return Err(error);
            }
        }
        Ok(Request::new(pledge, this, number))
    }

    /// Maps what was asked for. The owner thread, once the work that uses the buffer has been done, or the device is lost.
    fn complete(&self, number: u64, mode: MapMode) {
        let window = {
            let locked = self.lock();
            if !locked.machine.is_pending(number) {
                return;
            }
            locked.machine.window()
        };
        let map = |driver: &mut dyn Driver| {
            self.prepare(driver)?;
            if window.bytes() == 0 {
                return Ok(Place(NonNull::dangling()));
            }
            let place = driver.map(self.native, mode, window.begin, window.bytes())?;
            self.mapped.store(true, Relaxed);
            Ok(Place(place))
        };
        let mapped = self.device.call_untimed(map);
        let mut locked = self.lock();
        // Who took the request back meanwhile has answered it; what is mapped is unmapped when the driver is needed next.
        let (state, result) = match mapped {
            Ok(place) if locked.machine.mapped(number) => {
                locked.place = place;
                (BufferState::Mapped, Ok(()))
            }
            Err(error) if locked.machine.not_mapped(number) => (BufferState::Ready, Err(error)),
            _ => return,
        };
        let answer = locked.answer.take();
        drop(locked);
        self.settle(answer, result, state);
    }

    /// Before the driver uses it: ends what is mapped and nobody uses, and writes what is staged. The owner thread only.
    pub(crate) fn prepare(&self, driver: &mut dyn Driver) -> Result<()> {
        if self.mapped.swap(false, Relaxed) {
            driver.unmap(self.native)?;
        }
        self.staged.as_ref().map_or(Ok(()), |staged| staged.write(driver, self.native))
    }

    fn settle(&self, answer: Option<Answer>, result: Result<()>, state: BufferState) {
        if let Some(answer) = answer {
            answer.keep(self.outcome(result, state));
        }
    }

    pub(crate) fn cancel(&self, number: u64) -> bool {
        let mut locked = self.lock();
        if !locked.machine.not_mapped(number) {
            return false;
        }
        let answer = locked.answer.take();
        drop(locked);
        let error = Error::of(Status::Cancelled);
        self.settle(answer, Err(error), BufferState::Ready);
        true
    }

    pub(crate) fn unmap(&self) {
        self.unmap_because(UNMAPPED);
    }

    /// Unmaps. A pending request is answered with [`Status::Aborted`] and `why`.
    pub(crate) fn unmap_because(&self, why: &'static str) {
        self.end_mapping(self.lock(), why);
    }

    /// Unmaps, if that mapping is there still.
    pub(crate) fn unmap_only(&self, number: u64) {
        let locked = self.lock();
        if locked.machine.mapping().is_some_and(|(is, _)| is == number) {
            self.end_mapping(locked, UNMAPPED);
        }
    }

    /// The mapping that is there: its number and mode, where it is, and its bytes. It lends nothing.
    pub(crate) fn mapping(&self) -> Result<Option<(u64, MapMode, *mut u8, u64)>> {
        let locked = self.lock();
        let Some((number, mode)) = locked.machine.mapping() else { return Ok(None) };
        match self.device.lost() {
            Some(lost) => Err(lost),
            None => Ok(Some((number, mode, locked.place.0.as_ptr(), locked.machine.window().bytes()))),
        }
    }

    /// Unmaps if that may be, which is asked under the lock.
    pub(crate) fn unmap_if(&self, may: impl FnOnce() -> bool) -> bool {
        let locked = self.lock();
        let may = may();
        if may {
            self.end_mapping(locked, UNMAPPED);
        }
        may
    }

    fn end_mapping(&self, mut locked: FutexMutexGuard<'_, Locked>, why: &'static str) {
        locked.machine.unmap();
        let (answer, state) = (locked.answer.take(), locked.machine.state());
        drop(locked);
        self.settle(answer, Err(Error::text(Status::Aborted, why)), state);
    }

    pub(crate) fn destroy(&self) {
        let mut locked = self.lock();
        if !locked.machine.destroy() {
            return;
        }
        let answer = locked.answer.take();
        drop(locked);
        self.device.retire(self.native);
        let error =
            Error::text(Status::Aborted, "the buffer was destroyed before the map request was answered");
        self.settle(answer, Err(error), BufferState::Destroyed);
    }

    /// What it is to the driver, with nothing of it mapped that nobody uses.
    pub(crate) fn native(&self) -> Result<Native> {
        let tidy = |driver: &mut dyn Driver| {
            let locked = self.lock();
            locked.machine.usable("buffer", self.label.as_str())?;
            self.prepare(driver)
        };
        self.device.call_untimed(tidy)?;
        Ok(self.native)
    }

    /// Where a range of the mapped bytes is, and its number.
    pub(crate) fn lend(
        &self,
        offset: u64,
        size: Option<u64>,
        writable: bool,
    ) -> Result<(NonNull<u8>, usize, u64)> {
        let mut locked = self.lock();
        if let Some(lost) = self.device.lost() {
            return Err(lost);
        }
        let (window, number) = locked.machine.lend(offset, size, writable)?;
        let at = window.begin - locked.machine.window().begin;
        // SAFETY: inside of what is mapped; an empty range is at most one past it.
        let place = unsafe { locked.place.0.add(at as usize) };
        Ok((place, window.bytes() as usize, number))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        BUFFERS.remove(self);
        self.destroy();
    }
}
