//! Fences of an OpenGL driver's submits, and the mapped staging ring whose space they free.

use std::collections::VecDeque;

use glow::HasContext;

use crate::device::driver::Fence;
use crate::device::frame_ring::FrameRing;
use crate::device::gl::api;
use crate::error::{Error, Result, Status};
use crate::sys::clock::{Deadline, Timeout};

#[derive(Default)]
/// The fences of the submits, in their order.
pub(super) struct GlFences {
    /// The fences that are not known to have passed.
    open: VecDeque<OpenFence>,
    /// The number of the last submit.
    last: u64,
}

struct OpenFence {
    number: u64,
    sync: glow::Fence,
    flushed: bool,
}

impl GlFences {
    /// Makes the fence of a submit, after all work so far.
    pub(super) fn submit(&mut self, gl: &glow::Context) -> Result<Fence> {
        self.open.try_reserve(1)?;
        let sync = api::fence(gl)?;
        self.last += 1;
        self.open.push_back(OpenFence { number: self.last, sync, flushed: false });
        Ok(Fence(self.last))
    }

    /// The number of the next submit.
    fn next(&self) -> u64 {
        self.last + 1
    }

    /// The number of the last submit that is known to have passed.
    fn passed(&self) -> u64 {
        self.open.front().map_or(self.last, |open| open.number - 1)
    }

    /// Waits for a fence; returns whether it has passed in time.
    pub(super) fn wait(&mut self, gl: &glow::Context, fence: Fence, timeout: Timeout) -> Result<bool> {
        if fence.0 > self.last {
            return Err(Error::value(
                Status::Argument,
                "fence",
                fence.0,
                "no submit of this device has returned that fence",
            ));
        }
        let Some(at) = self.open.iter().position(|open| open.number >= fence.0) else { return Ok(true) };
        let deadline = Deadline::after(timeout);
        loop {
            let open = &mut self.open[at];
            // Without a flush at the first wait, the fence may never pass.
            let flags = if open.flushed { 0 } else { glow::SYNC_FLUSH_COMMANDS_BIT };
            open.flushed = true;
            // glow's timeout is a 32-bit number: a longer wait takes several.
            let slice = deadline.left().min(i32::MAX as u64) as i32;
            // SAFETY: a sync object that was made here and is not deleted.
            match unsafe { gl.client_wait_sync(open.sync, flags, slice) } {
                glow::ALREADY_SIGNALED | glow::CONDITION_SATISFIED => break,
                glow::TIMEOUT_EXPIRED if deadline.passed() => return Ok(false),
                glow::TIMEOUT_EXPIRED => {}
                _ => {
                    return Err(Error::text(
                        Status::DeviceLost,
                        "glClientWaitSync failed: the context is lost",
                    ));
                }
            }
        }
        // Work is done in order: earlier fences have passed as well.
        for open in self.open.drain(..=at) {
            // SAFETY: as above; deleted once.
            unsafe { gl.delete_sync(open.sync) };
        }
        Ok(true)
    }

    /// Deletes all fences.
    pub(super) fn clear(&mut self, gl: &glow::Context) {
        for open in self.open.drain(..) {
            // SAFETY: as above.
            unsafe { gl.delete_sync(open.sync) };
        }
    }
}

/// Bytes of the staging ring.
const STAGING_BYTES: usize = 4 << 20;
/// Larger writes gain nothing from staging.
const LARGEST_STAGED: usize = STAGING_BYTES / 4;
/// The alignment of staged writes, for fast copies on the device.
const STAGING_ALIGN: u64 = 64;

/// Writes through persistently mapped memory: the CPU stores the bytes there, and the device copies them.
///
/// Staging never waits. A write that does not fit, because the device is behind or the data is large, goes through
/// `glBufferSubData`.
pub(super) struct StagingRing {
    buffer: glow::Buffer,
    bytes: *mut u8,
    ring: FrameRing,
}

impl StagingRing {
    /// Makes the ring; `None` if the driver does not map it.
    pub(super) fn new(gl: &glow::Context) -> Option<StagingRing> {
        let flags = glow::MAP_WRITE_BIT | glow::MAP_PERSISTENT_BIT | glow::MAP_COHERENT_BIT;
        // SAFETY: a new buffer; the address is checked. Deleting a buffer ends its mapping.
        unsafe {
            let buffer = gl.create_buffer().ok()?;
            gl.bind_buffer(glow::COPY_READ_BUFFER, Some(buffer));
            gl.buffer_storage(glow::COPY_READ_BUFFER, STAGING_BYTES as i32, None, flags);
            let bytes = gl.map_buffer_range(glow::COPY_READ_BUFFER, 0, STAGING_BYTES as i32, flags);
            if bytes.is_null() {
                gl.delete_buffer(buffer);
                return None;
            }
            Some(StagingRing { buffer, bytes, ring: FrameRing::new(STAGING_BYTES as u64) })
        }
    }

    /// Writes to the buffer bound to `GL_COPY_WRITE_BUFFER`; false if there is no space.
    pub(super) fn write(
        &mut self,
        gl: &glow::Context,
        offset: i32,
        data: &[u8],
        fences: &GlFences,
    ) -> Result<bool> {
        if data.len() > LARGEST_STAGED {
            return Ok(false);
        }
        self.ring.free(fences.passed());
        let Some(at) = self.ring.claim(data.len() as u64, STAGING_ALIGN, fences.next())? else {
            return Ok(false);
        };
        let at = at as usize;
        // SAFETY: the range is inside of the mapping, and the device no longer uses it; the other range was checked.
        unsafe {
            data.as_ptr().copy_to_nonoverlapping(self.bytes.add(at), data.len());
            gl.bind_buffer(glow::COPY_READ_BUFFER, Some(self.buffer));
            let (from, to) = (glow::COPY_READ_BUFFER, glow::COPY_WRITE_BUFFER);
            gl.copy_buffer_sub_data(from, to, at as i32, offset, data.len() as i32);
        }
        Ok(true)
    }

    pub(super) fn delete(&mut self, gl: &glow::Context) {
        // SAFETY: made here, and deleted once, at the drop of the driver.
        unsafe {
            gl.bind_buffer(glow::COPY_READ_BUFFER, Some(self.buffer));
            gl.unmap_buffer(glow::COPY_READ_BUFFER);
            gl.delete_buffer(self.buffer);
        }
    }
}
