//! How the updates of a dynamic buffer come to the device, and how a frame ends.

use super::ring::{Ring, State};
use crate::alloc::{Arc, boxed, try_vec};
use crate::buffers::storage::Storage;
use crate::device::driver::{Driver, Fence, Foreign};
use crate::error::{Error, Result, Status};
use crate::log::{self, Level};

/// A ring that grew shrinks again after so many frames that would have fitted before.
const IDLE_FRAMES: u32 = 64;

impl Ring {
    /// Storages with updates that have not come to the device.
    fn behind(state: &State) -> Result<Vec<Arc<Storage>>> {
        let retired = state.retired.iter().map(|(_, storage)| storage);
        let mut behind = try_vec(state.retired.len() + 1)?;
        behind.extend(retired.chain([&state.storage]).filter(|storage| storage.is_behind()).cloned());
        Ok(behind)
    }

    /// Brings what has been written to the device, where it lies elsewhere.
    pub(crate) fn flush(&self) -> Result<()> {
        let behind = Ring::behind(&self.state.lock())?;
        if behind.is_empty() {
            return Ok(());
        }
        let renderer = self.device.renderer().filter(|renderer| renderer.check().is_ok());
        let exported = self.device.call_untimed(|driver| {
            bring_over(&behind, driver)?;
            driver.submit()?;
            if renderer.is_some() { driver.export().map(Some) } else { Ok(None) }
        })?;
        if let (Some(renderer), Some(fence)) = (renderer, exported) {
            renderer.wait(fence);
            self.device.discard(fence);
        }
        Ok(())
    }

    /// Ends the frame: whatever uses its updates has been submitted, or drawn on this thread.
    pub(crate) fn end_frame(this: &Arc<Ring>) -> Result<()> {
        let (frame, behind, shrink) = {
            let mut state = this.state.lock();
            if !state.open.is_empty() {
                let (open, why) =
                    (state.open.len(), "updates of this frame are being written still; end them first");
                return Err(Error::value(Status::State, "open", open as u64, why));
            }
            if !state.used {
                this.free(&mut state);
                return Ok(());
            }
            let behind = Ring::behind(&state)?;
            state.ended.try_reserve(1)?;
            let frame = state.frame;
            state.ended.push_back((frame, None));
            state.frame += 1;
            state.used = false;
            state.idle = if state.room.used() > this.base { 0 } else { state.idle.saturating_add(1) };
            (frame, behind, state.room.bytes() > this.base && state.idle >= IDLE_FRAMES)
        };
        this.counters.frames.bump(1);
        let renderer = this.device.renderer().filter(|renderer| renderer.check().is_ok());
        let drawn = renderer.map(|renderer| renderer.fence()).transpose()?;
        if this.device.is_owner() {
            this.submit_frame(frame, &behind, drawn)?;
        } else {
            // The caller does not wait for the owner thread: this is on a renderer's way.
            let ring = this.clone();
            let submit = boxed(move || {
                if let Err(error) = ring.submit_frame(frame, &behind, drawn) {
                    let text = format_args!("frame {frame} is guarded by the next one: {error}");
                    log::record(Level::Warn, "buffers", ring.label.as_str(), text);
                }
            })?;
            this.device.run_after(Fence(0), submit)?;
        }
        if shrink && let Err(error) = this.replace(this.base, &this.counters.trimmed) {
            // The frame has ended all the same.
            let text = format_args!("the ring stays as large as it is: {error}");
            log::record(Level::Warn, "buffers", this.label.as_str(), text);
        }
        Ok(())
    }

    /// Has a fence put behind what uses a frame. Without one of its own a frame passes with the next.
    fn submit_frame(&self, frame: u64, behind: &[Arc<Storage>], drawn: Option<Foreign>) -> Result<()> {
        let fence = self.device.call_untimed(|driver| {
            bring_over(behind, driver)?;
            if let Some(drawn) = drawn {
                driver.import(drawn)?;
            }
            let fence = driver.submit()?;
            self.device.poll_fence(driver, fence)?;
            Ok(fence)
        })?;
        let mut state = self.state.lock();
        let before = state.ended.iter_mut().filter(|(number, fence)| *number <= frame && fence.is_none());
        before.for_each(|(_, unknown)| *unknown = Some(fence));
        self.free(&mut state);
        Ok(())
    }
}

fn bring_over(storages: &[Arc<Storage>], driver: &mut dyn Driver) -> Result<()> {
    storages.iter().try_for_each(|storage| storage.buffer.inner.prepare(driver))
}
