//! Fronts and back copies as N-dimensional arrays of the crate `ndarray`.

use bytemuck::Pod;
use ndarray::{ArrayViewD, ArrayViewMutD, IxDyn};

use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};
use crate::manager::back::Back;
use crate::manager::front::Front;

/// A shape as `ndarray` has it.
fn dimensions(lengths: &[u64]) -> Result<IxDyn> {
    let mut dimensions = try_vec(lengths.len())?;
    dimensions.extend(lengths.iter().map(|&length| length as usize));
    Ok(IxDyn(&dimensions))
}

/// The slice has bytes, not elements: the manager is untyped, or has several fields.
fn untyped<E>(_: E) -> Error {
    let reason = "is not the element type of the state; use a typed manager, or a field";
    Error::param(Status::Argument, "T", reason)
}

impl<T: Pod> Front<T> {
    /// The state as an array of the manager's shape. Refused with [`Status::Argument`] if the manager is untyped.
    ///
    /// ```
    /// use backbuf::{Manager, Timeout};
    /// let manager = Manager::<f32>::new(&[2, 3])?;
    /// manager.enqueue(3, &[1.0, 2.0, 3.0], Timeout::TRY)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// let front = manager.front()?;
    /// let view = front.view()?;
    /// assert_eq!((view.shape(), view[[1, 2]], view.sum()), (&[2, 3][..], 3.0, 6.0));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn view(&self) -> Result<ArrayViewD<'_, T>> {
        ArrayViewD::from_shape(dimensions(self.shape())?, self.as_slice()).map_err(untyped)
    }
}

impl<T: Pod> Back<'_, T> {
    /// The back copy as an array of the manager's shape. Refused with [`Status::Argument`] if the manager is untyped.
    ///
    /// ```
    /// use backbuf::{Manager, Timeout, manager::BackMode};
    /// let manager = Manager::<f32>::new(&[2, 3])?;
    /// let mut back = manager.reserve_back(BackMode::Keep, Timeout::TRY)?;
    /// back.view_mut()?[[1, 2]] = 2.0;
    /// back.commit(0)?;
    /// manager.synchronize(Timeout::FOREVER)?;
    /// assert_eq!(manager.front()?.as_slice(), [0.0, 0.0, 0.0, 0.0, 0.0, 2.0]);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn view_mut(&mut self) -> Result<ArrayViewMutD<'_, T>> {
        let dimensions = dimensions(self.shape())?;
        ArrayViewMutD::from_shape(dimensions, self.as_mut_slice()).map_err(untyped)
    }
}
