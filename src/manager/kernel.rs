//! Kernels: code that changes a range of the state in its place in the order.

use crate::error::{Error, Result};
use crate::manager::core::op::{Op, Run};
use crate::manager::core::shared::Shape;

/// A call that was refused, and what it was given, which is the caller's again.
#[derive(Debug)]
pub struct Refused<T> {
    /// Why.
    pub error: Error,
    /// What was handed in.
    pub value: T,
}

impl<T> From<Refused<T>> for Error {
    fn from(refused: Refused<T>) -> Error {
        refused.error
    }
}

impl<T> std::fmt::Display for Refused<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl<T: std::fmt::Debug> std::error::Error for Refused<T> {}

/// Code that changes a range of the back copy. It sees every earlier update in its range; all of the range counts as
/// changed. It runs on the worker, unless it may run anywhere.
///
/// ```
/// use backbuf::{DType, Timeout, manager::{Kernel, Manager}};
/// let manager = Manager::new(DType::U8, &[4])?;
/// manager.enqueue(0, &[1, 2, 3, 4], Timeout::TRY)?;
/// let double = Kernel::new(0, 4, |back, _front| back.iter_mut().for_each(|byte| *byte *= 2));
/// manager.enqueue_kernel(double, Timeout::TRY)?;
/// manager.synchronize(Timeout::FOREVER)?;
/// assert_eq!(manager.front()?.bytes(), [2, 4, 6, 8]);
/// # Ok::<(), backbuf::Error>(())
/// ```
pub struct Kernel {
    /// Where its range begins, in bytes.
    pub byte_offset: u64,
    /// How long it is, in elements.
    pub count: u64,
    /// Whether it may run on whichever thread applies it.
    pub any_thread: bool,
    /// Whether it writes all of its range, so that nothing is brought up to date for it.
    pub overwrites: bool,
    /// Whether dropping it does anything: then the worker drops it, else whoever ran it.
    pub drops: bool,
    /// Gets the range of the back copy, and the same range of the front. Must not panic: that poisons the manager.
    pub run: Run,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel")
            .field("byte_offset", &self.byte_offset)
            .field("count", &self.count)
            .field("any_thread", &self.any_thread)
            .field("overwrites", &self.overwrites)
            .finish_non_exhaustive()
    }
}

impl Kernel {
    /// A kernel on `count` elements at `byte_offset` that runs on the worker and reads what it changes.
    pub fn new<F: FnMut(&mut [u8], &[u8]) + Send + 'static>(byte_offset: u64, count: u64, run: F) -> Kernel {
        let drops = std::mem::needs_drop::<F>();
        Kernel { byte_offset, count, any_thread: false, overwrites: false, drops, run: Box::new(run) }
    }

    /// Offers it as an op; when that is refused, it is the caller's again.
    pub(crate) fn offer(
        self,
        shape: &Shape,
        offer: impl FnOnce(Op) -> Result<()>,
    ) -> std::result::Result<(), Refused<Kernel>> {
        let Kernel { byte_offset: offset, count, any_thread, overwrites, drops, run } = self;
        let run = Box::into_raw(run);
        let op = |length| Op::Kernel { offset, length, any_thread, overwrites, drops, run };
        shape.check(offset, count).and_then(|length| offer(op(length))).map_err(|error| {
            // SAFETY: refused, so still this caller's.
            let run = unsafe { Box::from_raw(run) };
            Refused {
                error,
                value: Kernel { byte_offset: offset, count, any_thread, overwrites, drops, run },
            }
        })
    }
}
