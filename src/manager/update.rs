//! Updates as a caller describes them, kernels, and the parameters that a refused call returns.

use crate::error::{Error, Result};
use crate::manager::core::callback::Run;
use crate::manager::core::op::Op;

/// Bytes for `byte_offset`: a whole number of elements.
#[derive(Clone, Copy, Debug)]
pub struct BufferUpdate<'a> {
    /// The target, in bytes from the start of the field.
    pub byte_offset: u64,
    /// The bytes.
    pub data: &'a [u8],
}

/// An update with a pointer, as C passes it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct RawUpdate {
    pub(crate) byte_offset: u64,
    pub(crate) count: u64,
    pub(crate) data: *const u8,
    /// The index of the field.
    pub(crate) field: u32,
    pub(crate) reserved: u32,
}

/// The error of a refused call, with the value that it was given and that is the caller's again.
pub struct Refused<T> {
    /// The error.
    pub error: Error,
    /// The value.
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

/// The error; the value need not be printable.
impl<T> std::fmt::Debug for Refused<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refused").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> std::error::Error for Refused<T> {}

/// Code that changes a range of the state, at its position in the order of updates. It sees every earlier update in its range;
/// the whole range counts as changed. It runs on the worker unless `any_thread` is set. [`Manager::kernel`] makes one that takes
/// elements.
///
/// [`Manager::kernel`]: crate::manager::Manager::kernel
///
/// ```
/// use backbuf::{DType, Manager, Timeout, manager::Kernel};
/// let manager = Manager::untyped(DType::U8, &[4])?;
/// manager.enqueue(0, &[1, 2, 3, 4], Timeout::TRY)?;
/// let double = Kernel::new(0, 4, |back, _front| back.iter_mut().for_each(|byte| *byte *= 2));
/// manager.enqueue_kernel(double, Timeout::TRY)?;
/// manager.synchronize(Timeout::FOREVER)?;
/// assert_eq!(manager.front()?.bytes(), [2, 4, 6, 8]);
/// # Ok::<(), backbuf::Error>(())
/// ```
pub struct Kernel {
    /// The start of its range, in bytes.
    pub byte_offset: u64,
    /// The length of its range, in elements.
    pub count: u64,
    /// Whether any thread that applies updates may run it.
    pub any_thread: bool,
    /// Whether it writes all of its range, so that the range need not be brought up to date before.
    pub overwrites: bool,
    /// Whether dropping it has an effect: then the worker drops it, else the thread that ran it.
    pub drops: bool,
    /// Called with the range of the back copy and the same range of the front. A panic poisons the manager.
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

    /// Passes the kernel to `enqueue` as an op, for a range that `check` finds in the state. A refused kernel is returned.
    pub(crate) fn enqueue_with(
        self,
        check: impl FnOnce(u64, u64) -> Result<(u64, u64)>,
        enqueue: impl FnOnce(Op) -> Result<()>,
    ) -> std::result::Result<(), Refused<Kernel>> {
        let Kernel { byte_offset, count, any_thread, overwrites, drops, run } = self;
        let run = Box::into_raw(run);
        let op = |(offset, length)| Op::Kernel { offset, length, any_thread, overwrites, drops, run };
        check(byte_offset, count).and_then(|range| enqueue(op(range))).map_err(|error| {
            // SAFETY: a refused op stays the caller's.
            let run = unsafe { Box::from_raw(run) };
            Refused { error, value: Kernel { byte_offset, count, any_thread, overwrites, drops, run } }
        })
    }
}
