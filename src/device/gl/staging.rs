//! Writes through memory that stays mapped: the bytes are put there by the CPU, and copied on by the device.
//!
//! It never waits. What does not fit, because the device is behind or the data is large, goes the driver's own way.

use std::collections::VecDeque;

use glow::HasContext;

use crate::error::{Error, Result, Status};

const BYTES: usize = 4 << 20;
/// Larger writes gain nothing from it.
const LARGEST: usize = BYTES / 4;
/// What a copy on the device likes.
const ALIGN: usize = 64;

pub(super) struct Staging {
    buffer: glow::Buffer,
    bytes: *mut u8,
    ring: Ring,
}

impl Staging {
    /// None where the driver does not map it after all.
    pub(super) fn new(gl: &glow::Context) -> Option<Staging> {
        let flags = glow::MAP_WRITE_BIT | glow::MAP_PERSISTENT_BIT | glow::MAP_COHERENT_BIT;
        // SAFETY: a new buffer; what comes back is looked at. Deleting a buffer ends its mapping.
        unsafe {
            let buffer = gl.create_buffer().ok()?;
            gl.bind_buffer(glow::COPY_READ_BUFFER, Some(buffer));
            gl.buffer_storage(glow::COPY_READ_BUFFER, BYTES as i32, None, flags);
            let bytes = gl.map_buffer_range(glow::COPY_READ_BUFFER, 0, BYTES as i32, flags);
            if bytes.is_null() {
                gl.delete_buffer(buffer);
                return None;
            }
            Some(Staging { buffer, bytes, ring: Ring::default() })
        }
    }

    /// Writes to the buffer that is bound for that; false if there is no room. `next` is the number of the next submit,
    /// `passed` that of the last one that has passed.
    pub(super) fn write(
        &mut self,
        gl: &glow::Context,
        offset: i32,
        data: &[u8],
        next: u64,
        passed: u64,
    ) -> Result<bool> {
        let Some(at) = self.ring.claim(data.len(), next, passed)? else { return Ok(false) };
        // SAFETY: the range is inside the mapping, and the device is done with it; the other range was checked.
        unsafe {
            data.as_ptr().copy_to_nonoverlapping(self.bytes.add(at), data.len());
            gl.bind_buffer(glow::COPY_READ_BUFFER, Some(self.buffer));
            let (from, to) = (glow::COPY_READ_BUFFER, glow::COPY_WRITE_BUFFER);
            gl.copy_buffer_sub_data(from, to, at as i32, offset, data.len() as i32);
        }
        Ok(true)
    }

    pub(super) fn delete(&mut self, gl: &glow::Context) {
        // SAFETY: made here, deleted once: the driver is being dropped.
        unsafe {
            gl.bind_buffer(glow::COPY_READ_BUFFER, Some(self.buffer));
            gl.unmap_buffer(glow::COPY_READ_BUFFER);
            gl.delete_buffer(self.buffer);
        }
    }
}

/// Which bytes are in use until which submit has passed.
#[derive(Default)]
struct Ring {
    head: usize,
    used: usize,
    /// Bytes of each submit, its waste at the wrap included.
    marks: VecDeque<(u64, usize)>,
}

impl Ring {
    /// Where that many bytes may go, if they may.
    fn claim(&mut self, bytes: usize, next: u64, passed: u64) -> Result<Option<usize>> {
        if bytes > LARGEST {
            return Ok(None);
        }
        while let Some(&(number, freed)) = self.marks.front().filter(|(number, _)| *number <= passed) {
            debug_assert!(number < next);
            self.used -= freed;
            self.marks.pop_front();
        }
        if self.used == 0 {
            self.head = 0;
        }
        let bytes = bytes.next_multiple_of(ALIGN);
        let waste = if self.head + bytes > BYTES { BYTES - self.head } else { 0 };
        if self.used + waste + bytes > BYTES {
            return Ok(None);
        }
        match self.marks.back_mut().filter(|(number, _)| *number == next) {
            Some((_, charged)) => *charged += waste + bytes,
            None => {
                self.marks.try_reserve(1).map_err(|_| Error::of(Status::OutOfMemory))?;
                self.marks.push_back((next, waste + bytes));
            }
        }
        let at = if waste > 0 { 0 } else { self.head };
        self.head = (at + bytes) % BYTES;
        self.used += waste + bytes;
        Ok(Some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_when_their_submit_has_passed() {
        let mut ring = Ring::default();
        for submit in 1..=4 {
            assert_eq!(ring.claim(LARGEST, submit, 0), Ok(Some((submit as usize - 1) * LARGEST)));
        }
        assert_eq!(ring.claim(1, 5, 0), Ok(None));
        assert_eq!(ring.claim(LARGEST + 1, 5, 4), Ok(None));
        assert_eq!(ring.claim(100, 5, 1), Ok(Some(0)));
        assert_eq!(ring.claim(1, 5, 1), Ok(Some(128)));
        assert_eq!(ring.claim(LARGEST, 5, 1), Ok(None));
    }

    #[test]
    fn the_end_of_the_ring_is_charged_when_it_is_left_out() {
        let mut ring = Ring::default();
        let most = BYTES - LARGEST / 2;
        for _ in 0..3 {
            ring.claim(LARGEST, 1, 0).unwrap().unwrap();
        }
        ring.claim(most - 3 * LARGEST, 2, 0).unwrap().unwrap();
        assert_eq!(ring.claim(LARGEST, 3, 1), Ok(Some(0)));
        assert_eq!(ring.used, LARGEST + LARGEST / 2 + LARGEST / 2);
        assert_eq!(ring.claim(LARGEST, 4, 3), Ok(Some(0)), "empty again: from the beginning");
    }
}
