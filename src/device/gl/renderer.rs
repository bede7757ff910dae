//! What renderers call, on threads with a context of their own.

use super::api::Api;
use crate::device::driver::{Foreign, Renderer};
use crate::error::{Error, Result, Status};
use crate::memory::Arc;

pub(super) struct GlRenderer(pub(super) Arc<Api>);

impl Renderer for GlRenderer {
    fn check(&self) -> Result<()> {
        if self.0.is_current() {
            return Ok(());
        }
        Err(Error::text(
            Status::State,
            "no context that shares the device's buffers is current on this thread: make current the one that the device was \
             made with, or one that shares with it",
        ))
    }

    fn wait(&self, fence: Foreign) {
        self.0.wait(fence);
    }

    fn fence(&self) -> Result<Foreign> {
        self.check()?;
        self.0.export()
    }
}
