//! What the host writes where it cannot write to the device's memory: pages of its own, brought over piece by piece.

use super::inner::Place;
use crate::alloc::try_vec;
use crate::device::driver::{Driver, Native};
use crate::error::{Error, Result, Status};
use crate::sync::mutex::Mutex;
use crate::sys::pages::Pages;

/// See the module. Its pages look as the buffer does on the device once everything has been brought over.
#[derive(Debug)]
pub(crate) struct Staged {
    pages: Pages,
    pieces: Mutex<Vec<Piece>>,
}

// SAFETY: memory, and a lock over what is known of it.
unsafe impl Sync for Staged {}

/// Bytes that have been, or are being, written.
#[derive(Clone, Copy, Debug)]
struct Piece {
    at: u64,
    bytes: u64,
    /// Whether somebody is still at it.
    open: bool,
}

impl Staged {
    pub(crate) fn new(bytes: u64) -> Result<Staged> {
        let none = || Error::value(Status::OutOfMemory, "size", bytes, "out of memory");
        let bytes = usize::try_from(bytes).map_err(|_| none())?;
        Ok(Staged { pages: Pages::new(bytes, false)?, pieces: Mutex::default() })
    }

    pub(crate) fn place(&self) -> Place {
        Place(self.pages.data())
    }

    /// Somebody begins to write there.
    pub(crate) fn begin(&self, at: u64, bytes: u64) -> Result<()> {
        let mut pieces = self.pieces.lock();
        pieces.try_reserve(1)?;
        pieces.push(Piece { at, bytes, open: true });
        Ok(())
    }

    /// What began there is written.
    pub(crate) fn end(&self, at: u64) {
        let mut pieces = self.pieces.lock();
        if let Some(piece) = pieces.iter_mut().find(|piece| piece.open && piece.at == at) {
            piece.open = false;
        }
    }

    /// Whether there is something to bring over.
    pub(crate) fn is_behind(&self) -> bool {
        self.pieces.lock().iter().any(|piece| !piece.open)
    }

    /// Brings over what is written; neighbours together. The owner thread only.
    pub(crate) fn write(&self, driver: &mut dyn Driver, to: Native) -> Result<()> {
        // Not under the lock, so that nobody who begins waits for the driver.
        let mut done = {
            let mut pieces = self.pieces.lock();
            let mut done = try_vec(pieces.len())?;
            pieces.retain(|piece| {
                if !piece.open {
                    done.push(*piece);
                }
                piece.open
            });
            done
        };
        done.sort_unstable_by_key(|piece| piece.at);
        let runs = done.chunk_by(|one, next| one.at + one.bytes == next.at);
        let mut runs = runs.map(|run| (run[0].at, run.iter().map(|piece| piece.bytes).sum::<u64>()));
        let result = runs.try_for_each(|(at, bytes)| {
            // SAFETY: inside of the pages; who wrote there has said that it is done, and nobody begins there again before
            // the device is.
            let data = unsafe {
                std::slice::from_raw_parts(self.pages.data().as_ptr().add(at as usize), bytes as usize)
            };
            driver.write(to, at, data)
        });
        if result.is_err() {
            // To be tried again. There was room for them before.
            self.pieces.lock().extend_from_slice(&done);
        }
        result
    }
}
