//! Fronts: leases of one published epoch, in host memory and on the manager's device.

use std::marker::PhantomData;

use bytemuck::Pod;

use crate::device::driver::Native;
use crate::dtype::DType;
use crate::error::{Error, Result, Status};
use crate::handle::lease::{self, LeaseId};
use crate::log;
use crate::manager::changes::{self, ChangedPart, Changes};
use crate::manager::copies::copies::{RawFront, StateCopies};
use crate::manager::field::FieldTable;
use crate::manager::field_access::FieldView;
use crate::manager::update::Refused;
use ::log::Level;

/// A lease of a published state, as a slice of elements; of an [untyped](crate::dtype::Untyped) manager, as a slice of bytes. The
/// elements never change, even if newer epochs are published, and stay valid after the manager is destroyed. Dropping the front
/// releases the lease.
///
/// ```
/// use backbuf::{Manager, Timeout};
/// let manager = Manager::<i16>::new(&[3])?;
/// let before = manager.front()?;
/// manager.enqueue(0, &[1, 2, 3], Timeout::TRY)?;
/// manager.synchronize(Timeout::FOREVER)?;
/// let after = manager.front()?;
/// drop(manager);
/// assert_eq!((before.as_slice(), before.epoch()), (&[0, 0, 0][..], 0));
/// assert_eq!((after.as_slice(), after.epoch()), (&[1, 2, 3][..], 1));
/// # Ok::<(), backbuf::Error>(())
/// ```
pub struct Front<T = u8> {
    raw: RawFront,
    element: PhantomData<fn() -> T>,
}

// SAFETY: the elements are never written while the lease lives; it may be released on any thread.
unsafe impl<T: Sync> Send for Front<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Front<T> {}

impl<T> Front<T> {
    /// A front of a state whose elements have the size of `T`, which is aligned to at most 64 bytes.
    pub(crate) fn new(raw: RawFront) -> Front<T> {
        Front { raw, element: PhantomData }
    }

    /// The field with that name, as bytes: [`Status::NoName`] if there is none.
    pub fn untyped_field(&self, name: &str) -> Result<FieldView<'_>> {
        Ok(FieldView::new(self.table().named(name)?, self.bytes()))
    }

    /// The fields, in their order.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = FieldView<'_>> {
        self.table().all().iter().map(|layout| FieldView::new(layout, self.bytes()))
    }

    pub(crate) fn table(&self) -> &FieldTable {
        // SAFETY: released when `self` is dropped.
        unsafe { self.raw.fields() }
    }

    /// The state's bytes, 64-byte aligned: all fields, with zeros between them.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the lease keeps the bytes, unchanged, until it is dropped.
        unsafe { std::slice::from_raw_parts(self.raw.data, self.raw.bytes as usize) }
    }

    /// The element type of the first field.
    pub fn dtype(&self) -> DType {
        self.table().first().shape.dtype
    }

    /// Elements of the first field along each dimension.
    pub fn shape(&self) -> &[u64] {
        self.table().first().shape.lengths()
    }

    /// The epoch: 0 is the initial state, and each publish adds one.
    pub fn epoch(&self) -> u64 {
        self.raw.epoch
    }

    /// The last tag among the updates that it contains; 0 without one.
    pub fn tag(&self) -> u64 {
        self.raw.tag
    }

    /// The ranges of elements in which this front may differ from the front of `epoch`, so that a texture, a plot or a peer takes only what
    /// has changed. Also after the manager is destroyed.
    ///
    /// The manager keeps the changes of its last [`history`](crate::manager::config::Config::history) epochs. For an older epoch
    /// the only range is the whole state, and [`Changes::is_complete`] is false. [`Status::Argument`] if `epoch` is later than
    /// this front's.
    ///
    /// ```
    /// use backbuf::{Manager, Timeout};
    /// let manager = Manager::<f32>::new(&[100])?;
    /// let mut shown = manager.front()?;
    /// let mut texture = shown.to_vec();
    /// manager.enqueue(10, &[1.0, 2.0, 3.0], Timeout::TRY)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// let front = manager.front()?;
    /// let changes = front.changed_since(shown.epoch())?;
    /// assert_eq!(changes.ranges(), [10..13]);
    /// for range in &changes {
    ///     texture[range.clone()].copy_from_slice(&front[range]);
    /// }
    /// shown = front;
    /// assert_eq!(texture, shown.as_slice());
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn changed_since(&self, epoch: u64) -> Result<Changes> {
        changes::changed_since(self.raw.lease, epoch, ChangedPart::All, size_of::<T>())
    }

    /// The ranges in which a field may differ from that of `epoch`, in elements of the field; see [`Front::changed_since`].
    /// [`Status::NoName`] if there is no field with that name.
    ///
    /// ```
    /// use backbuf::{DType, Manager, Timeout, manager::{Config, FieldSpec}};
    /// let fields = [FieldSpec::new("qpos", DType::F64, &[7]), FieldSpec::new("depth", DType::U16, &[480, 640])];
    /// let manager = Manager::with_fields(&fields, Config::default())?;
    /// manager.untyped_field("depth")?.enqueue(2 * 640, &[1, 1, 2, 2], Timeout::TRY)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// let front = manager.front()?;
    /// assert_eq!(front.field_changed_since("depth", 0)?.ranges(), [640..642]);
    /// assert!(front.field_changed_since("qpos", 0)?.is_empty());
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn field_changed_since(&self, name: &str, epoch: u64) -> Result<Changes> {
        changes::changed_since(self.raw.lease, epoch, ChangedPart::Named(name), 1)
    }
}

impl<T: Pod> Front<T> {
    /// The state's elements, row-major.
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        let bytes = self.bytes();
        // SAFETY: `T` was checked when the manager got its type: it has the size of the state's elements, and is aligned to at most
        // 64 bytes. Copies begin at a page, even those without elements. Any bytes are a value of `T`.
        unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<T>()) }
    }
}

impl<T: Pod> std::ops::Deref for Front<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

/// Element type, shape, epoch and tag.
impl<T> std::fmt::Debug for Front<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut f = f.debug_struct("Front");
        f.field("dtype", &self.dtype()).field("shape", &self.shape());
        f.field("epoch", &self.epoch()).field("tag", &self.tag()).finish_non_exhaustive()
    }
}

impl<T> Drop for Front<T> {
    fn drop(&mut self) {
        // Refused only in a forked child, which has nothing to release.
        let _ = lease::release(self.raw.lease);
    }
}

/// A leased front with its device copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawDeviceFront {
    pub(crate) front: RawFront,
    pub(crate) native: Native,
    /// The index of the copy.
    pub(crate) slot: u32,
}

/// A lease of a published state on the manager's device. Dropping it adds a fence to the renderer's timeline; the device copy
/// is not written again before that fence has passed.
///
/// ```
/// use backbuf::{Manager, Timeout, device::{Device, HostConfig}, manager::Config};
/// let device = Device::host(HostConfig::default())?;
/// let manager = Manager::<u8>::with_config(&[3], Config { device: Some(&device), ..Config::default() })?;
/// manager.enqueue(0, &[1, 2, 3], Timeout::TRY)?;
/// manager.synchronize(Timeout::FOREVER)?;
/// let front = manager.device_front()?;
/// assert_eq!((front.epoch(), front.len()), (1, 3));
/// front.release()?;
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct DeviceFront(pub(crate) RawDeviceFront);

/// Takes a lease of the front and its device copy, for a renderer on this thread.
pub(crate) fn acquire_device_front(copies: &StateCopies) -> Result<RawDeviceFront> {
    let Some(on_device) = copies.on_device() else {
        let reason = "this manager is on host memory alone: create it on a device";
        return Err(Error::text(Status::State, reason));
    };
    let device = on_device.device();
    if let Some(error) = device.lost() {
        return Err(error);
    }
    let renderer = device.renderer();
    let refused = |error| device.lost().unwrap_or(error);
    renderer.map_or(Ok(()), |renderer| renderer.check()).map_err(refused)?;
    let (front, copy) = copies.acquire_with_device_copy()?;
    let published = on_device.published(copy);
    if let Some(renderer) = renderer {
        renderer.wait(published.ready);
    }
    Ok(RawDeviceFront { front, native: published.native, slot: copy as u32 })
}

/// Releases a device front's lease with a fence in the timeline of this thread's renderer. A refused call changes nothing.
pub(crate) fn release_device_front(lease: LeaseId) -> Result<()> {
    let ending = lease::end(lease)?;
    let Some((copies, copy)) = StateCopies::of_device_front(&ending) else {
        ending.restore();
        let reason = "is of a front in host memory";
        return Err(Error::param(Status::Argument, "lease", reason));
    };
    // SAFETY: the lease is not released yet and keeps the copies.
    match fence_renderer(unsafe { &*copies }, copy) {
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

/// Adds a fence after what this thread's renderer has drawn from that copy.
fn fence_renderer(copies: &StateCopies, copy: usize) -> Result<()> {
    let Some(on_device) = copies.on_device() else { return Ok(()) };
    let device = on_device.device();
    match device.renderer() {
        Some(renderer) if device.lost().is_none() => {
            match renderer.check().and_then(|()| on_device.fence(copy, renderer)) {
                Err(error) if device.lost().is_none() => Err(error),
                _ => Ok(()),
            }
        }
        // A lost device draws no more.
        _ => Ok(()),
    }
}

impl DeviceFront {
    /// The buffer: an OpenGL name, the address on a host device.
    pub fn native(&self) -> Native {
        self.0.native
    }

    /// The index of the copy. A slot has the same buffer for the manager's life, so that objects made from it may be cached.
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

    /// The epoch.
    pub fn epoch(&self) -> u64 {
        self.0.front.epoch
    }

    /// The last tag among the updates that it contains; 0 without one.
    pub fn tag(&self) -> u64 {
        self.0.front.tag
    }

    /// The field with that name in host memory; its [`FieldView::byte_offset`] is the offset in the buffer.
    /// [`Status::NoName`] if there is none.
    pub fn untyped_field(&self, name: &str) -> Result<FieldView<'_>> {
        // SAFETY: released when `self` is dropped.
        let fields = unsafe { self.0.front.fields() };
        Ok(FieldView::new(fields.named(name)?, self.bytes()))
    }

    /// The ranges of bytes in which this front may differ from the front of `epoch`; see [`Front::changed_since`].
    pub fn changed_since(&self, epoch: u64) -> Result<Changes> {
        changes::changed_since(self.0.front.lease, epoch, ChangedPart::All, 1)
    }

    /// The same state in host memory.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the lease keeps the copy, unchanged, until it is dropped.
        unsafe { std::slice::from_raw_parts(self.0.front.data, self.0.front.bytes as usize) }
    }

    /// Releases the front as dropping does, and reports errors. A refused front is returned and not fenced: drop it on another
    /// thread.
    #[expect(clippy::result_large_err, reason = "a front that cannot be released is returned")]
    pub fn release(self) -> std::result::Result<(), Refused<DeviceFront>> {
        release_device_front(self.0.front.lease).map_err(|error| Refused { error, value: self })
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
