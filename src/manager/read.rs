//! Copy-out reads: elements of the newest epoch, copied to memory of the caller's.
//!
//! A read is for states of up to some KiB, such as the pose of a robot, that several threads read often: it holds nothing, and the
//! copy costs less than the lease of a front. See [`read_cells`](crate::manager::copies::read_cells) for how it works.

use bytemuck::Pod;

use crate::error::{Error, Result};
use crate::manager::copies::read_cells::ReadEpoch;
use crate::manager::core::shared::Shared;
use crate::manager::field_access::Field;
use crate::manager::manager::Manager;

impl Shared {
    /// Copies `length` bytes at `byte_offset` of the whole state. None if they do not lie within it.
    ///
    /// # Safety
    /// `to` is writable for `length`, and no part of the state.
    #[inline(always)]
    pub(crate) unsafe fn read_all(&self, byte_offset: u64, length: u64, to: *mut u8) -> Result<ReadEpoch> {
        let bytes = self.fields.bytes;
        if !lies_within(byte_offset, length, bytes) {
            return Err(beyond(byte_offset, length, bytes));
        }
        // SAFETY: checked, and the caller's promise.
        Ok(unsafe { self.copies().read(byte_offset as usize, length as usize, to) })
    }
}

impl<T> Field<'_, T> {
    /// Copies `length` bytes at `byte_offset` of the field.
    ///
    /// # Safety
    /// `to` is writable for `length`, and no part of the state.
    #[inline]
    pub(crate) unsafe fn read_raw(&self, byte_offset: u64, length: u64, to: *mut u8) -> Result<ReadEpoch> {
        let (start, bytes) = (self.layout.offset, self.layout.shape.bytes);
        if !lies_within(byte_offset, length, bytes) {
            return Err(self.layout.refusal(beyond(byte_offset, length, bytes)));
        }
        // SAFETY: the field lies within the state; the rest is checked, and the caller's promise.
        Ok(unsafe { self.shared.copies().read((start + byte_offset) as usize, length as usize, to) })
    }
}

#[inline(always)]
fn lies_within(byte_offset: u64, length: u64, bytes: u64) -> bool {
    length <= bytes && byte_offset <= bytes - length
}

#[cold]
#[inline(never)]
fn beyond(byte_offset: u64, length: u64, bytes: u64) -> Error {
    let end = u128::from(byte_offset) + u128::from(length);
    Error::beyond("byte_offset + bytes", end, bytes, "bytes of the state")
}

impl Manager {
    /// Copies bytes of the first field of the newest epoch, from `byte_offset` on, and returns which epoch that is. All bytes are of
    /// that one epoch; see [`Manager::<T>::read_into`](Manager::read_into).
    ///
    /// ```
    /// use backbuf::{DType, Manager, Timeout};
    /// let manager = Manager::untyped(DType::F16, &[4])?;
    /// manager.enqueue(2, &[0x00, 0x3c], Timeout::FOREVER)?; // 1.0
    /// manager.synchronize(Timeout::FOREVER)?;
    /// let mut bytes = [0; 4];
    /// assert_eq!(manager.read_into(2, &mut bytes)?.epoch, 1);
    /// assert_eq!(bytes, [0x00, 0x3c, 0, 0]);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    #[inline]
    pub fn read_into(&self, byte_offset: u64, to: &mut [u8]) -> Result<ReadEpoch> {
        // SAFETY: the slice is writable, and borrowed by the caller alone.
        unsafe { self.first().read_raw(byte_offset, to.len() as u64, to.as_mut_ptr()) }
    }
}

impl<T: Pod> Manager<T> {
    /// Copies elements of the newest epoch, from `offset` on, and returns which epoch that is. All of them are of that one epoch, and
    /// it is no older than any front or read before.
    ///
    /// It never waits, and no publish waits for it. For a state of at most 4 KiB it takes no lease, unless it is the first read of its
    /// epoch; otherwise it takes a lease for as long as it copies.
    ///
    /// ```
    /// use backbuf::{Manager, Status, Timeout};
    /// let manager = Manager::<f64>::new(&[8])?;
    /// manager.enqueue_tag(40, Timeout::FOREVER)?;
    /// manager.enqueue(2, &[0.5, 0.25], Timeout::FOREVER)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// let mut joints = [0.0; 3];
    /// let read = manager.read_into(1, &mut joints)?;
    /// assert_eq!((joints, read.epoch, read.tag), ([0.0, 0.5, 0.25], 1, 40));
    /// assert_eq!(manager.read_into(6, &mut joints).unwrap_err().status(), Status::Range);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    #[inline]
    pub fn read_into(&self, offset: u64, to: &mut [T]) -> Result<ReadEpoch> {
        let byte_offset = self.shared.fields.first().byte_offset_of::<T>(offset, to.len() as u64)?;
        // SAFETY: the slice is writable, and borrowed by the caller alone.
        unsafe { self.first().read_raw(byte_offset, size_of_val(to) as u64, to.as_mut_ptr().cast()) }
    }

    /// A copy of one element of the newest epoch; see [`Manager::read_into`].
    ///
    /// ```
    /// use backbuf::{Manager, Timeout};
    /// type Pose = [f64; 7]; // position and rotation
    /// let manager = Manager::<Pose>::new(&[])?;
    /// let pose = [1.0, 2.0, 3.0, 1.0, 0.0, 0.0, 0.0];
    /// manager.enqueue(0, &[pose], Timeout::FOREVER)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// assert_eq!(manager.read(0)?, pose);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    #[inline]
    pub fn read(&self, offset: u64) -> Result<T> {
        let mut element = T::zeroed();
        self.read_into(offset, std::slice::from_mut(&mut element)).map(|_| element)
    }
}

impl Field<'_> {
    /// Copies bytes of the field at the newest epoch, from `byte_offset` on; see [`Manager::read_into`].
    #[inline]
    pub fn read_into(&self, byte_offset: u64, to: &mut [u8]) -> Result<ReadEpoch> {
        // SAFETY: the slice is writable, and borrowed by the caller alone.
        unsafe { self.read_raw(byte_offset, to.len() as u64, to.as_mut_ptr()) }
    }
}

impl<T: Pod> Field<'_, T> {
    /// Copies elements of the field at the newest epoch, from `offset` on; see [`Manager::read_into`].
    ///
    /// ```
    /// use backbuf::{DType, Manager, Timeout, manager::{Config, FieldSpec}};
    /// let fields = [FieldSpec::new("step", DType::U64, &[]), FieldSpec::new("qpos", DType::F64, &[7])];
    /// let manager = Manager::with_fields(&fields, Config::default())?;
    /// let qpos = manager.field::<f64>("qpos")?;
    /// qpos.enqueue(5, &[0.5, 0.25], Timeout::FOREVER)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// let mut last = [0.0; 2];
    /// assert_eq!(qpos.read_into(5, &mut last)?.epoch, 1);
    /// assert_eq!((last, qpos.read(6)?), ([0.5, 0.25], 0.25));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    #[inline]
    pub fn read_into(&self, offset: u64, to: &mut [T]) -> Result<ReadEpoch> {
        let byte_offset = self.layout.byte_offset_of::<T>(offset, to.len() as u64)?;
        // SAFETY: the slice is writable, and borrowed by the caller alone.
        unsafe { self.read_raw(byte_offset, size_of_val(to) as u64, to.as_mut_ptr().cast()) }
    }

    /// A copy of one element of the field at the newest epoch.
    #[inline]
    pub fn read(&self, offset: u64) -> Result<T> {
        let mut element = T::zeroed();
        self.read_into(offset, std::slice::from_mut(&mut element)).map(|_| element)
    }
}
