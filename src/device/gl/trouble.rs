//! What can go wrong in a context: it is another one, it is lost, or a call of OpenGL failed.

use super::driver::GlDriver;
use crate::error::{Error, Result, Status};
use crate::log::{self, Level};
use glow::HasContext;

impl GlDriver {
    /// Before every call: the context is there, and is the device's.
    pub(super) fn ready(&mut self) -> Result<()> {
        if let Some(lost) = self.lost {
            return Err(lost);
        }
        if let Err(error) = self.context.make_current() {
            return Err(self.lose(error));
        }
        if !self.context.is_own() && !self.api.is_current() {
            return Err(Error::text(
                Status::State,
                "the context that the device was made with is not current on its owner thread: make it current before \
                 bb_device_poll",
            ));
        }
        for buffer in self.late.buffers.drain(..) {
            // SAFETY: made here, and left for now.
            unsafe { self.api.gl.delete_buffer(buffer) };
        }
        self.late.fences.drain(..).for_each(|fence| self.api.discard(fence));
        Ok(())
    }

    pub(super) fn lose(&mut self, error: Error) -> Error {
        self.lost = Some(error);
        log::record(Level::Error, "device", self.label.as_str(), format_args!("lost: {error}"));
        error
    }

    /// Whether the driver was reset meanwhile.
    pub(super) fn look_for_reset(&mut self) -> Result<()> {
        let Some(reset) = self.reset else { return Ok(()) };
        // SAFETY: the context's own function, which takes nothing.
        match unsafe { reset() } {
            glow::NO_ERROR => Ok(()),
            code => {
                let text = match code {
                    glow::GUILTY_CONTEXT_RESET => "GL_GUILTY_CONTEXT_RESET",
                    glow::INNOCENT_CONTEXT_RESET => "GL_INNOCENT_CONTEXT_RESET",
                    _ => "GL_UNKNOWN_CONTEXT_RESET",
                };
                Err(self.lose(Error::driver(Status::DeviceLost, "the graphics driver was reset", code, text)))
            }
        }
    }

    /// What OpenGL says of the last call, with the driver's own words where it told.
    pub(super) fn outcome(&mut self, call: &'static str) -> Result<()> {
        // SAFETY: takes nothing.
        match unsafe { self.api.gl.get_error() } {
            glow::NO_ERROR => Ok(()),
            code => {
                self.forget_errors();
                let told = self.messages.take();
                let (status, name) = match code {
                    glow::OUT_OF_MEMORY => (Status::OutOfMemory, "GL_OUT_OF_MEMORY"),
                    glow::INVALID_ENUM => (Status::Backend, "GL_INVALID_ENUM"),
                    glow::INVALID_VALUE => (Status::Backend, "GL_INVALID_VALUE"),
                    glow::INVALID_OPERATION => (Status::Backend, "GL_INVALID_OPERATION"),
                    glow::CONTEXT_LOST => (Status::DeviceLost, "GL_CONTEXT_LOST"),
                    _ => (Status::Backend, "an unknown error"),
                };
                let told = if told.as_str().is_empty() { name } else { told.as_str() };
                let error = Error::driver(status, call, code, told);
                Err(if status == Status::DeviceLost { self.lose(error) } else { error })
            }
        }
    }

    /// Clears the flags of earlier calls. There are few; a lost context has no end of them. In a host's context they are the host's.
    pub(super) fn forget_errors(&self) {
        for _ in 0..8 {
            // SAFETY: takes nothing.
            let code = unsafe { self.api.gl.get_error() };
            if code == glow::NO_ERROR {
                return;
            }
            if !self.context.is_own() {
                let text =
                    format_args!("cleared an error of OpenGL that the program had not asked for: {code:#x}");
                log::record(Level::Warn, "device", self.label.as_str(), text);
            }
        }
    }

    /// Runs a call whose failure a submit would tell, were the flags the device's own until then.
    pub(super) fn checked(
        &mut self,
        name: &'static str,
        call: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        if self.context.is_own() {
            return call(self);
        }
        self.forget_errors();
        call(self)?;
        self.outcome(name)
    }
}
