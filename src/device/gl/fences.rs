//! A fence per submit, in their order.

use std::collections::VecDeque;

use glow::HasContext;

use super::api;
use crate::device::driver::Fence;
use crate::error::{Error, Result, Status};
use crate::sys::clock::{Deadline, Timeout};

#[derive(Default)]
pub(super) struct Fences {
    /// Those that have not been seen to pass.
    open: VecDeque<Open>,
    /// The number of the last submit.
    last: u64,
}

struct Open {
    number: u64,
    sync: glow::Fence,
    flushed: bool,
}

impl Fences {
    /// A fence behind all work so far.
    pub(super) fn submit(&mut self, gl: &glow::Context) -> Result<Fence> {
        self.open.try_reserve(1)?;
        let sync = api::fence(gl)?;
        self.last += 1;
        self.open.push_back(Open { number: self.last, sync, flushed: false });
        Ok(Fence(self.last))
    }

    /// The number of the next submit.
    pub(super) fn next(&self) -> u64 {
        self.last + 1
    }

    /// The number of the last one that has passed, as far as is known.
    pub(super) fn passed(&self) -> u64 {
        self.open.front().map_or(self.last, |open| open.number - 1)
    }

    /// Waits for a fence; false if it has not passed in time.
    pub(super) fn wait(&mut self, gl: &glow::Context, fence: Fence, timeout: Timeout) -> Result<bool> {
        if fence.0 > self.last {
            return Err(Error::value(
                Status::Argument,
                "fence",
                fence.0,
                "nothing was submitted under that number",
            ));
        }
        let Some(at) = self.open.iter().position(|open| open.number >= fence.0) else { return Ok(true) };
        let deadline = Deadline::after(timeout);
        loop {
            let open = &mut self.open[at];
            // Without a flush at the first look it may never pass.
            let flags = if open.flushed { 0 } else { glow::SYNC_FLUSH_COMMANDS_BIT };
            open.flushed = true;
            // glow's timeout is a 32-bit number: longer waits are several.
            let slice = deadline.left().min(i32::MAX as u64) as i32;
            // SAFETY: a sync that was made here and not yet deleted.
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
        // Work is done in order: what came before it has passed too.
        for open in self.open.drain(..=at) {
            // SAFETY: as above; deleted once.
            unsafe { gl.delete_sync(open.sync) };
        }
        Ok(true)
    }

    /// Gives up all of them.
    pub(super) fn clear(&mut self, gl: &glow::Context) {
        for open in self.open.drain(..) {
            // SAFETY: as above.
            unsafe { gl.delete_sync(open.sync) };
        }
    }
}
