//! The manager: what Rust calls.

use crate::alloc::{Arc, try_box, try_vec};
use crate::dtype::DType;
use crate::error::{Error, Label, Result, Status};
use crate::handle::lease;
use crate::manager::back::{Back, BackMode};
use crate::manager::batch::Batch;
use crate::manager::core::op::{Op, Release};
use crate::manager::core::shared::{Shared, State};
use crate::manager::core::synchronize::{Ticket, TicketPoll};
use crate::manager::front::Front;
use crate::manager::kernel::{Kernel, Refused};
use crate::manager::raw::RawUpdate;
use crate::manager::region::Region;
use crate::manager::statistics::Statistics;
use crate::manager::task::Task;
use crate::manager::watch::Watch;
use crate::sync::atomic::Ordering::*;
use crate::sys::clock::Timeout;

/// Bytes that go to `byte_offset`: a whole number of elements.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// Where they go, in bytes from the start of the state.
    pub byte_offset: u64,
    /// The bytes.
    pub data: &'a [u8],
}

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
    pub(super) shared: std::mem::ManuallyDrop<Arc<Shared>>,
}

impl Manager {
    /// Copies `data`, a whole number of elements, to `byte_offset`. The next synchronize publishes it.
    #[inline]
    pub fn enqueue(&self, byte_offset: u64, data: &[u8], timeout: Timeout) -> Result<()> {
        let count = self.shared.shape.count_of(data)?;
        // SAFETY: the slice is readable.
        unsafe { self.enqueue_raw(byte_offset, count, data.as_ptr(), timeout) }
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

    /// Fills `count` elements at `byte_offset` with one element.
    ///
    /// ```
    /// # use backbuf::{DType, Timeout, manager::Manager};
    /// let manager = Manager::new(DType::U16, &[8])?;
    /// manager.enqueue_fill(4, 3, &7u16.to_ne_bytes(), Timeout::TRY)?;
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn enqueue_fill(&self, byte_offset: u64, count: u64, element: &[u8], timeout: Timeout) -> Result<()> {
        self.shared.shape.check_element(element)?;
        // SAFETY: the slice is one element.
        unsafe { self.enqueue_fill_raw(byte_offset, count, element.as_ptr(), timeout) }
    }

    /// Writes an N-d region; see [`Region`].
    pub fn enqueue_region(&self, region: &Region<'_>, timeout: Timeout) -> Result<()> {
        let raw = region.raw(&self.shared.shape)?;
        // SAFETY: the region's source was checked to hold it.
        unsafe { self.enqueue_region_raw(&raw, timeout) }
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

    /// Publishes everything enqueued before, and says in which epoch it is. With nothing new the epoch stays. What a call that
    /// ended early was waiting for goes on; this thread's next call waits for that, if nothing was accepted in between.
    ///
    /// Work that outlasts the watchdog is reported once, by [`Status::Stalled`], to every call that waits at that moment. A call
    /// that begins later waits for it as long as its own timeout says.
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

    /// Looks at a ticket without waiting, for event loops that poll a [`Watch`]: the epoch that holds the updates, or
    /// [`Status::Timeout`]. One `poll` belongs to one wait: by it a stall is reported as to a thread that sleeps in
    /// [`Manager::wait`] meanwhile; the look after that begins another wait. Look again when the watch is readable, and at the latest after [`TicketPoll::look_after`].
    ///
    /// ```
    /// # use backbuf::{DType, Status, Timeout, manager::{Manager, TicketPoll}};
    /// let manager = Manager::new(DType::U8, &[1])?;
    /// let upload = manager.task("upload")?;
    /// let (ticket, mut poll) = (manager.synchronize_async()?, TicketPoll::default());
    /// assert_eq!(manager.poll_ticket(ticket, &mut poll).unwrap_err().status(), Status::Timeout);
    /// assert!(poll.look_after() > Timeout::TRY);
    /// upload.end()?;
    /// while manager.poll_ticket(ticket, &mut poll).is_err() {
    ///     std::thread::yield_now(); // another turn of the event loop
    /// }
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn poll_ticket(&self, ticket: Ticket, poll: &mut TicketPoll) -> Result<u64> {
        self.shared.poll_ticket(ticket.0, poll)
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

    /// Copies, without the extra ones.
    pub fn copies(&self) -> u32 {
        self.shared.ordinary_copies
    }

    /// Extra copies at most.
    pub fn max_extra_copies(&self) -> u32 {
        self.shared.copies as u32 - self.shared.ordinary_copies
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
        let oldest = self.shared.storage().oldest_lease();
        let (updates, by_worker) = (counters.updates(), counters.applied_by_worker.get());
        Statistics {
            updates,
            bytes: counters.bytes.get(),
            applied_by_caller: updates.saturating_sub(by_worker),
            applied_by_worker: by_worker,
            epochs: counters.epochs.get(),
            copies_replaced: counters.copies_replaced.get(),
            copies_forward: counters.copies_forward.get(),
            copied_forward_bytes: counters.copied_forward_bytes.get(),
            queue_high_water_bytes: counters.queue_high_water.get(),
            waits: counters.waits.get(),
            stalls: counters.stalls.get(),
            leases_live: self.shared.storage().leases(),
            leases_leaked: lease::leaked(),
            outsized_updates: counters.outsized.get(),
            refused_total: counters.refused.iter().map(|counter| counter.get()).sum(),
            wait_histogram: counters.waited.get(),
            refused: std::array::from_fn(|code| counters.refused[code].get()),
            copies_present: counters.copies_present.get(),
            extra_copies: counters.extra_copies.get(),
            extra_copies_most: counters.extra_copies_most.get(),
            oldest_lease_epoch: oldest.map_or(0, |lease| lease.about),
            oldest_lease_thread: oldest.map_or(0, |lease| lease.thread.into()),
            oldest_lease_age_ns: oldest.map_or(0, |lease| lease.age_ns),
        }
    }

    /// Gives memory that is not needed now back to the system: that of copies beyond the second that no lease holds, and, of
    /// states larger than 8 MiB, that of the back copy if nothing was written since the last publish. It comes back as it is
    /// needed.
    ///
    /// It waits while a back copy is reserved, or while a kernel or a flush runs.
    pub fn trim(&self, timeout: Timeout) -> Result<()> {
        self.shared.trim(timeout)
    }

    /// Refuses new work, publishes what was accepted, then lets waiters go with [`Status::Closed`]. FrontCount stay readable.
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
