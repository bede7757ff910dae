//! Writes through memory that stays mapped: the bytes are put there by the CPU, and copied on by the device.
//!
//! It never waits. What does not fit, because the device is behind or the data is large, goes the driver's own way.

use glow::HasContext;

use crate::device::frame_ring::FrameRing;
use crate::error::Result;

const BYTES: usize = 4 << 20;
/// Larger writes gain nothing from it.
const LARGEST: usize = BYTES / 4;
/// What a copy on the device likes.
const ALIGN: u64 = 64;

pub(super) struct Staging {
    buffer: glow::Buffer,
    bytes: *mut u8,
    ring: FrameRing,
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
            Some(Staging { buffer, bytes, ring: FrameRing::new(BYTES as u64) })
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
        if data.len() > LARGEST {
            return Ok(false);
        }
        self.ring.free(passed);
        let Some(at) = self.ring.claim(data.len() as u64, ALIGN, next)? else { return Ok(false) };
        let at = at as usize;
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
