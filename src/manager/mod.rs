//! Double-buffered state: many producers enqueue updates, `synchronize` publishes them as one epoch, readers see a stable
//! front.
//!
//! One logical state, an N-d array, lies in two physical copies or more. Whoever holds the *applier role* applies updates to
//! the back copy, in order; publishing makes it the front. What changed is copied forward to the next back copy lazily, at a
//! cost that follows the bytes changed. See `docs/manager.md` for how the parts fit.

mod applier;
mod back;
mod batch;
mod bitmap;
mod callback;
mod check;
mod config;
pub(crate) mod dump;
mod enqueue;
mod forward;
mod front;
mod fronts;
mod intervals;
mod kernel;
mod op;
mod patience;
mod region;
mod ring;
mod role;
mod shared;
mod statistics;
mod storage;
mod synchronize;
mod task;
mod tasks;
mod waiters;
mod watch;
mod worker;

pub use back::{Back, BackMode};
pub use batch::Batch;
pub use config::{Config, Flush, Priority, WorkerMode};
pub use front::Front;
pub use kernel::{Kernel, Refused};
pub use shared::State;
pub use statistics::Statistics;
pub use synchronize::Ticket;
pub use task::Task;
pub use watch::Watch;

#[cfg(feature = "capi")]
pub(crate) use {back::RawBack, op::Release, region::RawRegion, storage::RawFront};
#[cfg(not(feature = "capi"))]
use {op::Release, region::RawRegion};

use crate::error::{Error, Label, Result, Status};
use crate::log::{self, Level};
use crate::memory::{Arc, try_box, try_vec};
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*, UnsafeCell};
use crate::wait::{Deadline, Event};
use crate::{DType, Timeout, lease, slots};
use op::Op;
use ring::{Ring, UNIT, Unit};
use shared::{Failure, Shape, Shared, duty};

/// An update as C gives it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct RawUpdate {
    pub(crate) byte_offset: u64,
    pub(crate) count: u64,
    pub(crate) data: *const u8,
}

/// Bytes that go to `byte_offset`: a whole number of elements.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// Where they go, in bytes from the start of the state.
    pub byte_offset: u64,
    /// The bytes.
    pub data: &'a [u8],
}

/// An N-d part of the state, as in `state[2:5, ::2] = data`; each slice has an entry for each dimension.
///
/// ```
/// use backbuf::{DType, Timeout, manager::{Manager, Region}};
/// let manager = Manager::new(DType::U8, &[2, 4])?;
/// let region = Region { start: &[0, 1], extent: &[2, 2], step: Some(&[1, 2]), data: &[1, 2, 3, 4], strides: None };
/// manager.enqueue_region(&region, Timeout::TRY)?;
/// manager.synchronize(Timeout::FOREVER)?;
/// assert_eq!(manager.front()?.bytes(), [0, 1, 0, 2, 0, 3, 0, 4]);
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Region<'a> {
    /// The first index along each axis.
    pub start: &'a [u64],
    /// How many along each axis.
    pub extent: &'a [u64],
    /// From one to the next, in elements; negative allowed. None is 1 everywhere.
    pub step: Option<&'a [i64]>,
    /// The source.
    pub data: &'a [u8],
    /// From one to the next in the source, in bytes; 0 allowed, negative not, as `data` begins at its first byte. None is
    /// packed, row-major.
    pub strides: Option<&'a [i64]>,
}

impl<'a> Region<'a> {
    fn raw(&self, shape: &Shape) -> Result<RawRegion<'a>> {
        let Region { start, extent, step, data, strides } = *self;
        let raw = RawRegion { start, extent, step, data: data.as_ptr(), strides };
        let plan = shape.region(&raw)?;
        let mut ends = (0, plan.payload() as i128);
        if let Some(strides) = strides {
            let reach = |wanted: fn(&i64) -> bool| -> i128 {
                let axes = strides.iter().zip(extent).filter(|(stride, _)| wanted(stride));
                axes.map(|(&stride, &extent)| i128::from(stride) * (i128::from(extent) - 1)).sum()
            };
            ends = (reach(|stride| *stride < 0), reach(|stride| *stride > 0) + i128::from(shape.element));
        }
        if plan.count() > 0 && (ends.0 < 0 || ends.1 > data.len() as i128) {
            let end = if ends.0 < 0 { u128::MAX } else { ends.1 as u128 };
            return Err(Error::beyond(
                "region.strides * region.extent",
                end,
                data.len() as u64,
                "bytes of data",
            ));
        }
        Ok(raw)
    }
}

fn check_element(shape: &Shape, element: &[u8]) -> Result<()> {
    if element.len() as u64 != shape.element {
        return Err(Error::value(
            Status::Argument,
            "element.len()",
            element.len() as u64,
            "not the bytes of one element",
        ));
    }
    Ok(())
}

static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// The manager of one state. All methods may be called from any thread at once.
///
/// ```
/// use backbuf::{DType, Timeout, manager::Manager};
/// let manager = Manager::new(DType::F32, &[256, 256])?;
/// manager.enqueue(4 * 256, &1.5f32.to_ne_bytes(), Timeout::FOREVER)?;
/// let epoch = manager.synchronize(Timeout::FOREVER)?;
/// let front = manager.front()?;
/// assert_eq!(front.epoch(), epoch);
/// assert_eq!(front[1024..1028], 1.5f32.to_ne_bytes());
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct Manager {
    shared: std::mem::ManuallyDrop<Arc<Shared>>,
}

impl Manager {
    /// A state of that shape, row-major, all zeros, with the default [`Config`].
    pub fn new(dtype: DType, shape: &[u64]) -> Result<Manager> {
        Ok(Manager::with_config(dtype, shape, Config::default())?)
    }

    /// A state of that shape, row-major. A flush that is refused comes back.
    pub fn with_config(
        dtype: DType,
        shape: &[u64],
        mut config: Config<'_>,
    ) -> std::result::Result<Manager, Refused<Option<Flush>>> {
        let flush = config.flush.take();
        match Manager::build(dtype, shape, &config, flush.is_some()) {
            Ok(manager) => {
                // SAFETY: the worker has been asked for nothing yet, so nobody else looks at it.
                unsafe { *manager.shared.flush.get() = flush };
                Ok(manager)
            }
            Err(error) => Err(Refused { error, value: flush }),
        }
    }

    fn build(dtype: DType, lengths: &[u64], config: &Config<'_>, has_flush: bool) -> Result<Manager> {
        let shape = Shape::new(dtype, lengths)?;
        config.check(&shape)?;
        let instance = slots::instance()?;
        let units = (config.queue()? / UNIT) as usize;
        let number = NUMBERS.fetch_add(1, Relaxed);
        let copies = config.copies as usize;
        let storage = storage::Storage::new(shape.bytes as usize, copies, number)?;
        // SAFETY: just made; nobody else has it.
        let (first, second) = unsafe { (storage.as_ref().data(0), storage.as_ref().data(1)) };
        if let Some(initial) = config.initial {
            for copy in [first, second] {
                // SAFETY: both copies are as long as the initial state, which was checked.
                unsafe { std::ptr::copy_nonoverlapping(initial.as_ptr(), copy, initial.len()) };
            }
        }
        let parts = || -> Result<_> {
            let forward = forward::Forward::new(shape.bytes as usize, copies, first, second)?;
            let exit = Arc::try_new(worker::Exit::default()).map_err(|_| Error::of(Status::OutOfMemory))?;
            Ok((forward, ring(units)?, tasks::Tasks::new()?, exit))
        };
        let (forward, ring, tasks, exit) = match parts() {
            Ok(parts) => parts,
            Err(error) => {
                // SAFETY: just made; nobody holds anything.
                unsafe { storage::Storage::retire(storage) };
                return Err(error);
            }
        };
        let label = Label::new(config.label);
        let shared = Shared {
            role: role::Role::default(),
            worker_only: config.worker == WorkerMode::Only,
            calling_out: AtomicU32::new(0),
            has_flush,
            copies,
            shape,
            applier: UnsafeCell::new(applier::Applier::new(forward, number)),
            counters: statistics::Counters::new(),
            ring,
            storage,
            epoch: AtomicU64::new(0),
            tag_of_epoch: AtomicU64::new(0),
            order: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            requested: AtomicU64::new(0),
            last_ticket: AtomicU64::new(0),
            failure: Failure::default(),
            progress: Event::new(),
            work: Event::new(),
            duties: AtomicU32::new(0),
            state: AtomicU32::new(State::Open as u32),
            tasks,
            waiters: waiters::Waiters::new(),
            watches: watch::Watches::new(),
            outsized: AtomicU64::new(0),
            worker_pinned: AtomicU32::new(0),
            batches: AtomicU32::new(0),
            flush: UnsafeCell::new(None),
            hand: UnsafeCell::new(back::Hand::default()),
            token: AtomicU64::new(0),
            holder: AtomicU32::new(0),
            label,
            number,
            watchdog: config.watchdog.as_nanos(),
            budget: config.caller_budget_bytes,
            next: AtomicPtr::new(std::ptr::null_mut()),
            exit,
            tag: instance.tag,
        };
        let shared = Arc::try_new(shared).map_err(|_| Error::of(Status::OutOfMemory))?;
        dump::remember(&shared)?;
        worker::spawn(&shared, config.priority, config.affinity)?;
        let text = format_args!(
            "created #{number}: {dtype:?} {lengths:?}, {} bytes, {copies} copies, host memory",
            shape.bytes
        );
        log::record(Level::Info, "manager", label.as_str(), text);
        Ok(Manager { shared: std::mem::ManuallyDrop::new(shared) })
    }

    /// Copies `data`, a whole number of elements, to `byte_offset`. The next synchronize publishes it.
    #[inline]
    pub fn enqueue(&self, byte_offset: u64, data: &[u8], timeout: Timeout) -> Result<()> {
        let count = self.shared.shape.count_of(data)?;
        // SAFETY: the slice is readable.
        unsafe { self.enqueue_raw(byte_offset, count, data.as_ptr(), timeout) }
    }

    /// # Safety
    /// `data` is readable for `count` elements.
    #[inline(always)]
    pub(crate) unsafe fn enqueue_raw(
        &self,
        byte_offset: u64,
        count: u64,
        data: *const u8,
        timeout: Timeout,
    ) -> Result<()> {
        let shape = &self.shared.shape;
        // At most `elements`, so this does not overflow where it matters.
        let length = count.wrapping_mul(shape.element);
        let plain = byte_offset & shape.mask == 0
            && count.wrapping_sub(1) < shape.elements
            && byte_offset <= shape.bytes - length
            && !data.is_null();
        if !plain && shape.check_data(byte_offset, count, data)? == 0 {
            return self.shared.accepts();
        }
        // SAFETY: checked; readable by the caller's promise.
        unsafe { self.shared.enqueue_write(byte_offset, length, data, timeout) }
    }

    /// Several updates as one batch, applied in this order: all of them in one epoch, or none.
    pub fn enqueue_many(&self, updates: &[Update<'_>], timeout: Timeout) -> Result<()> {
        let mut raw = try_vec(updates.len())?;
        for (index, update) in updates.iter().enumerate() {
            let count = self.shared.shape.count_of(update.data).map_err(|error| error.of_update(index))?;
            let byte_offset = update.byte_offset;
            raw.push(RawUpdate { byte_offset, count, data: update.data.as_ptr() });
        }
        // SAFETY: the slices are readable.
        unsafe { self.enqueue_many_raw(&raw, timeout) }
    }

    /// # Safety
    /// Each update's data is readable.
    pub(crate) unsafe fn enqueue_many_raw(&self, updates: &[RawUpdate], timeout: Timeout) -> Result<()> {
        let shape = &self.shared.shape;
        for (index, update) in updates.iter().enumerate() {
            let checked = shape.check_data(update.byte_offset, update.count, update.data);
            checked.map_err(|error| error.of_update(index))?;
        }
        // SAFETY: checked; readable by the caller's promise.
        if unsafe { self.shared.write_many_in_place(updates) } {
            return Ok(());
        }
        let mut batch = self.batch()?;
        for update in updates {
            // SAFETY: the caller's promise.
            unsafe { batch.update_raw(update.byte_offset, update.count, update.data)? };
        }
        batch.commit(timeout)
    }

    /// Fills `count` elements at `byte_offset` with one element.
    ///
    /// ```
    /// # use backbuf::{DType, Timeout, manager::Manager};
    /// let manager = Manager::new(DType::U16, &[8])?;
    /// manager.enqueue_fill(4, 3, &7u16.to_ne_bytes(), Timeout::TRY)?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn enqueue_fill(&self, byte_offset: u64, count: u64, element: &[u8], timeout: Timeout) -> Result<()> {
        check_element(&self.shared.shape, element)?;
        // SAFETY: the slice is one element.
        unsafe { self.enqueue_fill_raw(byte_offset, count, element.as_ptr(), timeout) }
    }

    /// # Safety
    /// `element` is readable.
    pub(crate) unsafe fn enqueue_fill_raw(
        &self,
        byte_offset: u64,
        count: u64,
        element: *const u8,
        timeout: Timeout,
    ) -> Result<()> {
        // SAFETY: checked; readable by the caller's promise.
        unsafe { self.shared.enqueue(self.shared.shape.fill(byte_offset, count, element)?, timeout) }
    }

    /// Writes an N-d region; see [`Region`].
    pub fn enqueue_region(&self, region: &Region<'_>, timeout: Timeout) -> Result<()> {
        let raw = region.raw(&self.shared.shape)?;
        // SAFETY: the region's source was checked to hold it.
        unsafe { self.enqueue_region_raw(&raw, timeout) }
    }

    /// # Safety
    /// The data is readable as the region says.
    pub(crate) unsafe fn enqueue_region_raw(&self, region: &RawRegion<'_>, timeout: Timeout) -> Result<()> {
        let plan = self.shared.shape.region(region)?;
        if plan.count() == 0 {
            return self.shared.accepts();
        }
        // SAFETY: checked; readable by the caller's promise; the plan outlives the call.
        unsafe { self.shared.enqueue(Op::Region { plan: &plan, data: region.data }, timeout) }
    }

    /// Enqueues data without copying it here: whoever applies it copies it, and the worker then drops it.
    ///
    /// ```
    /// # use backbuf::{DType, Timeout, manager::Manager};
    /// let manager = Manager::new(DType::U8, &[4])?;
    /// manager.enqueue_borrowed(0, vec![1, 2, 3, 4], Timeout::FOREVER)?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn enqueue_borrowed<T: AsRef<[u8]> + Send + 'static>(
        &self,
        byte_offset: u64,
        data: T,
        timeout: Timeout,
    ) -> Result<()> {
        // In a box, so that the bytes stay where they are even if they lie within the value.
        let data = try_box(data).map_err(|_| Error::of(Status::OutOfMemory))?;
        let bytes: &[u8] = (*data).as_ref();
        let (count, place) = (self.shared.shape.count_of(bytes)?, bytes.as_ptr());
        let release: Release = try_box(move || drop(data)).map_err(|_| Error::of(Status::OutOfMemory))?;
        // SAFETY: the bytes live in the box, which is dropped by the release.
        Ok(unsafe { self.enqueue_borrowed_raw(byte_offset, count, place, release, timeout) }?)
    }

    /// # Safety
    /// `data` stays readable for `count` elements until `release` is called, or handed back.
    pub(crate) unsafe fn enqueue_borrowed_raw(
        &self,
        byte_offset: u64,
        count: u64,
        data: *const u8,
        release: Release,
        timeout: Timeout,
    ) -> std::result::Result<(), Refused<Release>> {
        let length = match self.shared.shape.check_data(byte_offset, count, data) {
            Ok(length) => length,
            Err(error) => return Err(Refused { error, value: release }),
        };
        batch::offer_release(release, |release| {
            // SAFETY: checked; readable by the caller's promise.
            unsafe {
                self.shared.enqueue(Op::Borrowed { offset: byte_offset, length, data, release }, timeout)
            }
        })
    }

    /// Enqueues code that changes a range of the state; see [`Kernel`]. A kernel that is refused comes back.
    pub fn enqueue_kernel(
        &self,
        kernel: Kernel,
        timeout: Timeout,
    ) -> std::result::Result<(), Refused<Kernel>> {
        // SAFETY: the op is checked before it is offered.
        kernel.offer(&self.shared.shape, |op| unsafe { self.shared.enqueue(op, timeout) })
    }

    /// Enqueues a tag: fronts that contain what came before carry it, until another follows. The producer's own step
    /// number, say.
    ///
    /// ```
    /// # use backbuf::{DType, Timeout, manager::Manager};
    /// let manager = Manager::new(DType::U8, &[1])?;
    /// manager.enqueue_tag(42, Timeout::TRY)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// assert_eq!(manager.front()?.tag(), 42);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn enqueue_tag(&self, tag: u64, timeout: Timeout) -> Result<()> {
        // SAFETY: a tag points to nothing.
        unsafe { self.shared.enqueue(Op::Tag(tag), timeout) }
    }

    /// Begins a batch.
    pub fn batch(&self) -> Result<Batch> {
        Batch::new(&self.shared)
    }

    /// Takes the applier role and hands out the back copy; other producers queue meanwhile. Dropped, it is cancelled.
    pub fn reserve_back(&self, mode: BackMode, timeout: Timeout) -> Result<Back<'_>> {
        Ok(Back::new(&self.shared, self.shared.reserve_back(mode, timeout)?))
    }

    /// Publishes everything enqueued before, and says in which epoch it is. With nothing new the epoch stays.
    #[inline]
    pub fn synchronize(&self, timeout: Timeout) -> Result<u64> {
        self.shared.synchronize(timeout)
    }

    /// Asks for a publish of everything enqueued before, without waiting for it.
    pub fn synchronize_async(&self) -> Result<Ticket> {
        self.shared.synchronize_async()
    }

    /// Waits for a ticket. One whose wait timed out still completes.
    pub fn wait(&self, ticket: Ticket, timeout: Timeout) -> Result<u64> {
        self.shared.wait(ticket.0, timeout)
    }

    /// Waits for an epoch beyond `after`: for the next front.
    ///
    /// ```
    /// # use backbuf::{DType, Status, Timeout, manager::Manager};
    /// let manager = Manager::new(DType::U8, &[1])?;
    /// assert_eq!(manager.wait_epoch(0, Timeout::TRY).unwrap_err().status(), Status::Timeout);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn wait_epoch(&self, after: u64, timeout: Timeout) -> Result<u64> {
        self.shared.wait_epoch(after, timeout, || false)
    }

    /// Takes a lease of the newest published state. Never waits.
    pub fn front(&self) -> Result<Front> {
        self.shared.storage().acquire().map(Front)
    }

    /// Subscribes to epochs beyond `after`.
    pub fn watch(&self, after: u64) -> Result<Watch> {
        Watch::new(&self.shared, after)
    }

    /// Begins backend work that later publishes wait for.
    pub fn task(&self, label: &str) -> Result<Task> {
        Task::new(&self.shared, label)
    }

    /// The newest published epoch.
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.shared.epoch.load(Acquire)
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.shared.shape.dtype
    }

    /// Elements along each dimension.
    pub fn shape(&self) -> &[u64] {
        self.shared.shape.lengths()
    }

    /// Bytes of the state.
    pub fn bytes(&self) -> u64 {
        self.shared.shape.bytes
    }

    /// Copies at most.
    pub fn copies(&self) -> u32 {
        self.shared.copies as u32
    }

    /// The tag of the newest published epoch.
    pub fn tag(&self) -> u64 {
        self.shared.published_tag()
    }

    /// The label.
    pub fn label(&self) -> Label {
        self.shared.label
    }

    /// Where it stands in its life.
    pub fn state(&self) -> State {
        self.shared.state()
    }

    /// What was counted so far.
    pub fn statistics(&self) -> Statistics {
        let counters = &self.shared.counters;
        let (updates, by_worker) = (counters.updates.get(), counters.applied_by_worker.get());
        Statistics {
            updates,
            bytes: counters.bytes.get(),
            applied_by_caller: updates.saturating_sub(by_worker),
            applied_by_worker: by_worker,
            epochs: counters.epochs.get(),
            swaps: counters.epochs.get(),
            copies_forward: counters.copies_forward.get(),
            copied_forward_bytes: counters.copied_forward_bytes.get(),
            queue_high_water_bytes: counters.queue_high_water.get(),
            waits: counters.waits.get(),
            stalls: counters.stalls.get(),
            leases_live: self.shared.storage().held(),
            leases_leaked: lease::leaked(),
            outsized_updates: counters.outsized.get(),
            refused_total: counters.refused.iter().map(|counter| counter.get()).sum(),
            wait_histogram: std::array::from_fn(|power| counters.histogram[power].get()),
            refused: std::array::from_fn(|code| counters.refused[code].get()),
        }
    }

    /// Gives the memory of copies that nobody needs now back to the system.
    pub fn trim(&self) -> Result<()> {
        self.shared.trim()
    }

    /// Refuses new work, publishes what was accepted, then lets waiters go with [`Status::Closed`]. Fronts stay readable.
    ///
    /// ```
    /// # use backbuf::{DType, Status, Timeout, manager::Manager};
    /// let manager = Manager::new(DType::U8, &[1])?;
    /// manager.enqueue(0, &[7], Timeout::TRY)?;
    /// manager.close(Timeout::FOREVER)?;
    /// assert_eq!(manager.front()?.bytes(), [7]);
    /// assert_eq!(manager.enqueue(0, &[8], Timeout::TRY).unwrap_err().status(), Status::Closed);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn close(&self, timeout: Timeout) -> Result<()> {
        self.shared.close(timeout)
    }
}

/// Storage for the log. The commit words are zero; what the units hold does not matter.
fn ring(units: usize) -> Result<Ring> {
    let mut bytes = try_vec(units)?;
    // SAFETY: the capacity was reserved; a unit is plain words, whatever their bits, and is written before it is read.
    unsafe {
        std::ptr::write_bytes(bytes.as_mut_ptr(), 0, 0);
        bytes.set_len(units);
    }
    let mut commits = try_vec(units)?;
    commits.resize_with(units, || AtomicU64::new(0));
    let bytes: Vec<Unit> = bytes;
    Ok(Ring::new(bytes.into_boxed_slice(), commits.into_boxed_slice()))
}

impl Drop for Manager {
    fn drop(&mut self) {
        if !slots::is_own(self.shared.tag) {
            // A forked child has neither the worker nor the leases; the memory is the parent's to care for.
            return;
        }
        self.shared.end();
        self.shared.ask(duty::STOP);
        let (exit, number, label) = (self.shared.exit.clone(), self.shared.number, self.shared.label);
        let patience = self.shared.watchdog.max(2_000_000_000);
        // SAFETY: dropped once, here.
        unsafe { std::mem::ManuallyDrop::drop(&mut self.shared) };
        if !callback::inside(number) && !exit.wait(Deadline::after(Timeout::nanos(patience))) {
            let text = format_args!("a callback did not return; what it may use stays until it does");
            log::record(Level::Warn, "manager", label.as_str(), text);
        }
    }
}

#[cfg(feature = "capi")]
impl Manager {
    pub(crate) fn ndim(&self) -> usize {
        self.shared.shape.ndim
    }

    pub(crate) fn reserve_back_raw(&self, mode: BackMode, timeout: Timeout) -> Result<RawBack> {
        self.shared.reserve_back(mode, timeout)
    }

    pub(crate) fn commit_back_raw(&self, token: u64, tag: u64) -> Result<()> {
        self.shared.lives()?;
        self.shared.commit_back(token, tag)
    }

    pub(crate) fn cancel_back_raw(&self, token: u64) -> Result<()> {
        self.shared.cancel_back(token)
    }

    #[inline(always)]
    pub(crate) fn acquire_front_raw(&self) -> Result<RawFront> {
        self.shared.storage().acquire()
    }

    /// Closes without publishing and wakes every waiter. Dropping the manager then does the rest.
    pub(crate) fn begin_destroy(&self) -> Result<()> {
        self.shared.not_inside()?;
        self.shared.end();
        Ok(())
    }

    pub(crate) fn poison(&self) {
        self.shared.poison();
    }

    /// Counts a refused call.
    pub(crate) fn refuse(&self, status: Status) {
        if let Some(counter) = self.shared.counters.refused.get(status as usize) {
            counter.bump(1);
        }
    }

    /// Gives it away as one pointer.
    pub(crate) fn into_raw(self) -> *const () {
        let mut manager = std::mem::ManuallyDrop::new(self);
        // SAFETY: taken once, from a manager that is not dropped.
        Arc::into_raw(unsafe { std::mem::ManuallyDrop::take(&mut manager.shared) })
    }

    /// # Safety
    /// What `into_raw` gave, once.
    pub(crate) unsafe fn from_raw(raw: *const ()) -> Manager {
        // SAFETY: the caller's promise: the count of this pointer was never given back.
        Manager { shared: std::mem::ManuallyDrop::new(unsafe { Arc::from_raw(raw) }) }
    }

    /// # Safety
    /// What `into_raw` gave, and not taken back while the result lives.
    #[inline(always)]
    pub(crate) unsafe fn with_raw(raw: *const ()) -> std::mem::ManuallyDrop<Manager> {
        // SAFETY: the caller's promise; the result never drops its count.
        std::mem::ManuallyDrop::new(unsafe { Manager::from_raw(raw) })
    }
}
