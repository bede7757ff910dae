//! Host writes that the device has not copied yet: pages that mirror a device buffer, and the ranges written to them.
//!
//! Buffers have them on devices without memory that host and device access at the same time. The host writes to the pages at any
//! time.
//! Before the device uses the buffer, its owner thread copies the finished ranges to it.

use std::ptr::NonNull;

use crate::device::driver::{Driver, Native};
use crate::error::{Error, Result, Status};
use crate::sync::mutex::Mutex;
use crate::sys::pages::Pages;

/// Pages with the content that the buffer has on the device once every finished write is flushed.
#[derive(Debug)]
pub(crate) struct PendingWrites {
    pages: Pages,
    ranges: Mutex<Vec<WrittenRange>>,
}

// SAFETY: the memory is accessed through raw pointers only; the ranges are behind a lock.
unsafe impl Sync for PendingWrites {}

#[derive(Clone, Copy, Debug)]
struct WrittenRange {
    offset: u64,
    bytes: u64,
    finished: bool,
}

impl PendingWrites {
    pub(crate) fn new(bytes: u64) -> Result<PendingWrites> {
        let too_large = || Error::value(Status::OutOfMemory, "size", bytes, "out of memory");
        let bytes = usize::try_from(bytes).map_err(|_| too_large())?;
        Ok(PendingWrites { pages: Pages::new(bytes, false)?, ranges: Mutex::default() })
    }

    pub(crate) fn data(&self) -> NonNull<u8> {
        self.pages.data()
    }

    /// Begins a write: the range is not flushed until it is finished.
    pub(crate) fn begin(&self, offset: u64, bytes: u64) {
        self.ranges.lock().push(WrittenRange { offset, bytes, finished: false });
    }

    /// Finishes the write that begins at `offset`.
    pub(crate) fn finish(&self, offset: u64) {
        let mut ranges = self.ranges.lock();
        if let Some(range) = ranges.iter_mut().find(|range| !range.finished && range.offset == offset) {
            range.finished = true;
        }
    }

    pub(crate) fn has_finished(&self) -> bool {
        self.ranges.lock().iter().any(|range| range.finished)
    }

    /// Copies the finished ranges to the device, adjacent ones together. On the owner thread only.
    pub(crate) fn flush(&self, driver: &mut dyn Driver, to: Native) -> Result<()> {
        // The lock is not held across the driver, so that `begin` never waits for it.
        let mut finished = Vec::new();
        self.ranges.lock().retain(|range| {
            if range.finished {
                finished.push(*range);
            }
            !range.finished
        });
        finished.sort_unstable_by_key(|range| range.offset);
        let runs = finished.chunk_by(|one, next| one.offset + one.bytes == next.offset);
        let mut runs = runs.map(|run| (run[0].offset, run.iter().map(|range| range.bytes).sum::<u64>()));
        let result = runs.try_for_each(|(offset, bytes)| {
            // SAFETY: the range is inside of the pages and finished, and its bytes are not given to another update before
            // the device has used them.
            let data = unsafe {
                std::slice::from_raw_parts(self.pages.data().as_ptr().add(offset as usize), bytes as usize)
            };
            driver.write(to, offset, data)
        });
        if result.is_err() {
            // The next flush tries again.
            self.ranges.lock().extend_from_slice(&finished);
        }
        result
    }
}
