//! The submission of each fence.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::gpu::Gpu;
use crate::device::driver::Fence;
use crate::error::{Error, Result, Status};
use crate::sys::clock::{Deadline, Timeout};

#[derive(Default)]
pub(super) struct Fences {
    /// Those that have not been seen to pass.
    open: VecDeque<(u64, wgpu::SubmissionIndex)>,
    /// The number of the last submit.
    last: u64,
}

impl Fences {
    /// Keeps room for the next one.
    pub(super) fn reserve(&mut self) -> Result<()> {
        self.open.try_reserve(1).map_err(|_| Error::of(Status::OutOfMemory))
    }

    /// The next one stands for that submission.
    pub(super) fn push(&mut self, submission: wgpu::SubmissionIndex) -> Fence {
        self.last += 1;
        self.open.push_back((self.last, submission));
        Fence(self.last)
    }

    /// Whether all that was submitted is done, as far as can be told without a wait.
    pub(super) fn are_passed(&mut self, gpu: &Gpu) -> Result<bool> {
        self.wait(gpu, Fence(self.last), Timeout::TRY)
    }

    /// Waits for a fence; false if it has not passed in time.
    pub(super) fn wait(&mut self, gpu: &Gpu, fence: Fence, timeout: Timeout) -> Result<bool> {
        if fence.0 > self.last {
            let why = "nothing was submitted under that number";
            return Err(Error::value(Status::Argument, "fence", fence.0, why));
        }
        let Some(at) = self.open.iter().position(|(number, _)| *number >= fence.0) else { return Ok(true) };
        let passed = wait(gpu, &self.open[at].1, Deadline::after(timeout))?;
        if passed {
            // Work is done in order: what came before it has passed too.
            self.open.drain(..=at);
        }
        Ok(passed)
    }
}

/// Waits for a submission; false if it has not been done in time.
pub(super) fn wait(gpu: &Gpu, submission: &wgpu::SubmissionIndex, deadline: Deadline) -> Result<bool> {
    loop {
        // A driver may give up before its time is over: it is asked again.
        let slice = Duration::from_nanos(deadline.left().min(1_000_000_000));
        let kind = wgpu::PollType::Wait { submission_index: Some(submission.clone()), timeout: Some(slice) };
        match poll(gpu, kind) {
            Ok(_) => return Ok(true),
            Err(wgpu::PollError::Timeout) if deadline.passed() => {
                gpu.alive()?;
                return Ok(false);
            }
            Err(wgpu::PollError::Timeout) => gpu.alive()?,
            // What a submit returned is not known to the queue: it was not done.
            Err(wgpu::PollError::WrongSubmissionIndex(..)) => {
                return Err(gpu.lose("Queue::submit", "the queue takes no work any more"));
            }
        }
    }
}

/// Has wgpu look at what has been done, and run callbacks. A driver that fails meanwhile makes it panic.
pub(super) fn poll(
    gpu: &Gpu,
    kind: wgpu::PollType,
) -> std::result::Result<wgpu::PollStatus, wgpu::PollError> {
    catch_unwind(AssertUnwindSafe(|| gpu.device.poll(kind))).unwrap_or_else(|_| {
        gpu.lose("Device::poll", "the driver failed while it was waited for");
        Err(wgpu::PollError::Timeout)
    })
}
