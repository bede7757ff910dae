//! The manager: the methods of every manager, and those that take bytes. `typed` has those that take elements.

use std::marker::PhantomData;

use crate::alloc::Arc;
use crate::dtype::{DType, Untyped};
use crate::error::{Label, Result, Status};
use crate::manager::back::{Back, BackMode};
use crate::manager::batch::Batch;
use crate::manager::core::op::Op;
use crate::manager::core::progress::{ManagerState, Ticket, TicketPoll};
use crate::manager::core::shared::Shared;
use crate::manager::field_access::Field;
use crate::manager::front::{DeviceFront, Front, acquire_device_front};
use crate::manager::region::Region;
use crate::manager::statistics::Statistics;
use crate::manager::task::Task;
use crate::manager::update::{BufferUpdate, Kernel, Refused};
use crate::manager::watch::Watch;
use crate::sys::clock::Timeout;

/// The manager of one double-buffered state. All methods may be called from any thread, concurrently.
///
/// `Manager<T>` has elements of type `T`: offsets count elements, and data is slices of `T`, which is a number, or a struct that
/// implements [`bytemuck::Pod`].
///
/// ```
/// use backbuf::{Manager, Timeout};
/// let manager = Manager::<f32>::new(&[256, 256])?;
/// manager.enqueue(256, &[1.5, 2.5], Timeout::FOREVER)?;
/// let epoch = manager.synchronize(Timeout::FOREVER)?;
/// let front = manager.front()?;
/// assert_eq!(front.epoch(), epoch);
/// assert_eq!(front[256..258], [1.5, 2.5]);
/// # Ok::<(), backbuf::Error>(())
/// ```
///
/// `Manager` without a parameter, which is `Manager<`[`Untyped`]`>`, has an element type that the program learns at run time. It takes
/// bytes, at offsets in bytes:
///
/// ```
/// use backbuf::{DType, Manager, Timeout};
/// let manager: Manager = Manager::untyped(DType::F16, &[256, 256])?;
/// manager.enqueue(2 * 256, &[0x00, 0x3c], Timeout::FOREVER)?; // 1.0
/// manager.synchronize(Timeout::FOREVER)?;
/// assert_eq!(manager.front()?.bytes()[512..514], [0x00, 0x3c]);
/// # Ok::<(), backbuf::Error>(())
/// ```
///
/// [`Manager::typed`] and [`Manager::into_untyped`] convert one into the other at no cost.
#[repr(transparent)]
pub struct Manager<T = Untyped> {
    pub(crate) shared: std::mem::ManuallyDrop<Arc<Shared>>,
    element: PhantomData<fn() -> T>,
}

/// Label, element type, shape, and how far it is.
impl<T> std::fmt::Debug for Manager<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut f = f.debug_struct("Manager");
        f.field("label", &self.label().as_str()).field("dtype", &self.dtype()).field("shape", &self.shape());
        f.field("epoch", &self.epoch()).field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Manager {
    /// Copies `data`, a whole number of elements, to `byte_offset` of the first field. The next synchronize publishes it.
    #[inline]
    pub fn enqueue(&self, byte_offset: u64, data: &[u8], timeout: Timeout) -> Result<()> {
        let count = self.shared.fields.first().count_of(data)?;
        // SAFETY: the slice is readable.
        unsafe { self.shared.enqueue_write(byte_offset, count, data.as_ptr(), timeout) }
    }

    /// Enqueues several updates of the first field as one batch, applied in this order: all of them in one epoch, or none.
    pub fn enqueue_updates(&self, updates: &[BufferUpdate<'_>], timeout: Timeout) -> Result<()> {
        self.first().enqueue_updates(updates, timeout)
    }

    /// Fills `count` elements at `byte_offset` of the first field with one element.
    pub fn enqueue_fill(&self, byte_offset: u64, count: u64, element: &[u8], timeout: Timeout) -> Result<()> {
        self.first().enqueue_fill(byte_offset, count, element, timeout)
    }

    /// Writes an N-d region of the first field; see [`Region`].
    pub fn enqueue_region(&self, region: &Region<'_>, timeout: Timeout) -> Result<()> {
        self.first().enqueue_region(region, timeout)
    }

    /// Enqueues data for the first field without a copy by this call: the worker applies it, and drops `data` afterwards.
    pub fn enqueue_borrowed<T: AsRef<[u8]> + Send + 'static>(
        &self,
        byte_offset: u64,
        data: T,
        timeout: Timeout,
    ) -> Result<()> {
        self.first().enqueue_borrowed(byte_offset, data, timeout)
    }

    /// The field with that name, as bytes: [`Status::NoName`] if there is none.
    pub fn untyped_field(&self, name: &str) -> Result<Field<'_>> {
        Field::at(&self.shared, self.shared.fields.find(name)?)
    }

    /// Begins a batch.
    pub fn batch(&self) -> Result<Batch> {
        Batch::new(&self.shared)
    }

    /// Takes the applier role and reserves the back copy; updates of other producers are queued meanwhile.
    pub fn reserve_back(&self, mode: BackMode, timeout: Timeout) -> Result<Back<'_>> {
        Back::new(&self.shared, mode, timeout)
    }

    /// Takes a lease of the published state. Never waits.
    #[inline]
    pub fn front(&self) -> Result<Front> {
        self.shared.copies().acquire().map(Front::new)
    }
}

impl<T> Manager<T> {
    /// Enqueues code that changes a range of the first field; see [`Kernel`]. A refused kernel is returned.
    pub fn enqueue_kernel(
        &self,
        kernel: Kernel,
        timeout: Timeout,
    ) -> std::result::Result<(), Refused<Kernel>> {
        self.first().enqueue_kernel(kernel, timeout)
    }

    /// The fields, in their order; a manager that was made without fields has one, `state`.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = Field<'_>> {
        self.shared
            .fields
            .all()
            .iter()
            .enumerate()
            .map(|(index, layout)| Field::of(&self.shared, index, layout))
    }

    /// The first field.
    pub(crate) fn first(&self) -> Field<'_> {
        Field::of(&self.shared, 0, self.shared.fields.first())
    }

    /// Enqueues a tag, such as the producer's step number: fronts with the updates before it have this tag, until another
    /// follows.
    pub fn enqueue_tag(&self, tag: u64, timeout: Timeout) -> Result<()> {
        // SAFETY: a tag has no pointers.
        unsafe { self.shared.enqueue(Op::Tag(tag), timeout) }
    }

    /// Publishes everything enqueued before and returns the epoch that contains it; without anything new the epoch stays. After
    /// a timeout the publish goes on, and this thread's next call waits for it if nothing was accepted in between.
    ///
    /// Work that outlasts the watchdog is reported once, by [`Status::Stalled`], to every call that waits at that moment. A call
    /// that begins later waits for it up to its own timeout.
    #[inline]
    pub fn synchronize(&self, timeout: Timeout) -> Result<u64> {
        self.shared.synchronize(timeout)
    }

    /// Requests a publish of everything enqueued before, without a wait.
    pub fn synchronize_async(&self) -> Result<Ticket> {
        self.shared.synchronize_async()
    }

    /// Waits for a ticket and returns an epoch that contains its updates. A ticket whose wait timed out still completes.
    pub fn wait(&self, ticket: Ticket, timeout: Timeout) -> Result<u64> {
        self.shared.wait(ticket.0, timeout)
    }

    /// Polls a ticket without a wait, for event loops that poll a [`Watch`]: returns an epoch that contains its updates, or
    /// [`Status::Timeout`]. One `poll` belongs to one wait: it reports a stall as [`Manager::wait`] would; the poll after that
    /// begins another wait. Poll again when the watch is readable, and at the latest after [`TicketPoll::poll_after`].
    ///
    /// ```
    /// # use backbuf::{Manager, Status, Timeout, manager::TicketPoll};
    /// let manager = Manager::<u8>::new(&[1])?;
    /// let upload = manager.task("upload")?;
    /// let (ticket, mut poll) = (manager.synchronize_async()?, TicketPoll::default());
    /// assert_eq!(manager.poll_ticket(ticket, &mut poll).unwrap_err().status(), Status::Timeout);
    /// assert!(poll.poll_after() > Timeout::TRY);
    /// upload.end()?;
    /// while manager.poll_ticket(ticket, &mut poll).is_err() {
    ///     std::thread::yield_now(); // the event loop continues
    /// }
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn poll_ticket(&self, ticket: Ticket, poll: &mut TicketPoll) -> Result<u64> {
        self.shared.poll_ticket(ticket.0, poll)
    }

    /// Waits for an epoch beyond `after`, and returns it.
    pub fn wait_epoch(&self, after: u64, timeout: Timeout) -> Result<u64> {
        self.shared.wait_epoch(after, timeout, None, || false)
    }

    /// Takes a lease of the published state on the manager's device, for a renderer on this thread.
    ///
    /// On OpenGL a context that shares the device's objects must be current here; a wait for the upload's fence is added to it.
    /// [`Status::State`] on host memory and without such a context; [`Status::DeviceLost`].
    pub fn device_front(&self) -> Result<DeviceFront> {
        acquire_device_front(self.shared.copies()).map(DeviceFront)
    }

    /// Subscribes to epochs beyond `after`.
    pub fn watch(&self, after: u64) -> Result<Watch> {
        Watch::new(&self.shared, after)
    }

    /// Begins backend work that later publishes wait for.
    pub fn task(&self, label: &str) -> Result<Task> {
        Task::new(&self.shared, label)
    }

    /// The published epoch.
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.shared.progress.epoch()
    }

    /// The element type of the first field.
    pub fn dtype(&self) -> DType {
        self.first().dtype()
    }

    /// Elements of the first field along each dimension.
    pub fn shape(&self) -> &[u64] {
        self.first().shape()
    }

    /// Bytes of the state: up to the end of the last field.
    pub fn bytes(&self) -> u64 {
        self.shared.fields.bytes
    }

    /// The number of copies, without extra ones.
    pub fn copies(&self) -> u32 {
        self.shared.settings.copies
    }

    /// The maximum of extra copies.
    pub fn max_extra_copies(&self) -> u32 {
        self.shared.settings.max_copies as u32 - self.shared.settings.copies
    }

    /// The tag of the published epoch.
    pub fn tag(&self) -> u64 {
        self.shared.progress.tag()
    }

    /// The label.
    pub fn label(&self) -> Label {
        self.shared.label
    }

    /// The lifecycle state.
    pub fn state(&self) -> ManagerState {
        self.shared.progress.state()
    }

    /// The statistics.
    pub fn statistics(&self) -> Statistics {
        self.shared.counters.read(self.shared.copies())
    }

    /// Frees memory that is not needed now: copies beyond the second without leases, and, of states larger than 8 MiB, the back
    /// copy if nothing was written since the last publish. The memory is allocated again when it is needed.
    ///
    /// Waits while the back copy is reserved, and while a kernel or a flush runs.
    pub fn trim(&self, timeout: Timeout) -> Result<()> {
        self.shared.trim(timeout)
    }

    /// Refuses new work, publishes what was accepted, then ends all waits with [`Status::Closed`]. Fronts stay readable.
    pub fn close(&self, timeout: Timeout) -> Result<()> {
        self.shared.close(timeout)
    }
}

impl<T> Manager<T> {
    pub(crate) fn from_shared(shared: Arc<Shared>) -> Manager<T> {
        Manager { shared: std::mem::ManuallyDrop::new(shared), element: PhantomData }
    }

    /// Takes the reference of a manager that is not dropped.
    pub(crate) fn into_shared(self) -> Arc<Shared> {
        let mut manager = std::mem::ManuallyDrop::new(self);
        // SAFETY: taken once, from a manager that is not dropped.
        unsafe { std::mem::ManuallyDrop::take(&mut manager.shared) }
    }
}

impl Manager {
    /// Closes the manager without a publish and wakes every waiter. The manager must be dropped afterwards.
    pub(crate) fn begin_destroy(&self) -> Result<()> {
        self.shared.check_not_inside()?;
        self.shared.end();
        Ok(())
    }

    /// Counts a refused call.
    pub(crate) fn refuse(&self, status: Status) {
        self.shared.counters.refuse(status);
    }

    /// Converts the manager to a pointer.
    pub(crate) fn into_raw(self) -> *const () {
        Arc::into_raw(self.into_shared())
    }

    /// # Safety
    /// The result of `into_raw`, used once.
    pub(crate) unsafe fn from_raw(raw: *const ()) -> Manager {
        // SAFETY: the caller's promise: the pointer still owns its reference.
        Manager::from_shared(unsafe { Arc::from_raw(raw) })
    }

    /// # Safety
    /// The result of `into_raw`, not converted back while the returned value lives.
    #[inline(always)]
    pub(crate) unsafe fn with_raw(raw: *const ()) -> std::mem::ManuallyDrop<Manager> {
        // SAFETY: the caller's promise; the returned value never drops its reference.
        std::mem::ManuallyDrop::new(unsafe { Manager::from_raw(raw) })
    }
}
