//! Errors of a driver's OpenGL context: another context is current, the context is lost or reset, or a call failed.
//!
//! The driver's debug messages go to the log at once, and the last error among them into the next error that is returned.

use glow::HasContext;

use crate::alloc::Arc;
use crate::device::driver::Foreign;
use crate::device::gl::api::Api;
use crate::device::gl::context::Context;
use crate::error::{Error, Label, Result, Status};
use crate::log::{self, Level};
use crate::sync::mutex::Mutex;

/// Debug messages of one context. The driver sends them during the calls that cause them.
pub(super) struct DebugMessages {
    label: Label,
    /// The last error message since [`DebugMessages::take_error`].
    error: Mutex<Label<40>>,
}

impl DebugMessages {
    pub(super) fn new(label: Label) -> DebugMessages {
        DebugMessages { label, error: Mutex::new(Label::new("")) }
    }

    /// Receives the debug messages of the current context, which is `gl`'s.
    pub(super) fn receive(this: &Arc<DebugMessages>, gl: &mut glow::Context) {
        let messages = this.clone();
        // SAFETY: the version or an extension provides these functions. The callback ends with the context, which is dropped first.
        unsafe {
            gl.debug_message_callback(move |_, kind, id, severity, text| {
                messages.record(kind, id, severity, text)
            });
            gl.enable(glow::DEBUG_OUTPUT);
            gl.enable(glow::DEBUG_OUTPUT_SYNCHRONOUS);
        }
    }

    fn record(&self, kind: u32, id: u32, severity: u32, text: &str) {
        let text = text.trim_end();
        if kind == glow::DEBUG_TYPE_ERROR {
            *self.error.lock() = Label::new(text);
        }
        let level = match severity {
            glow::DEBUG_SEVERITY_HIGH => Level::Error,
            glow::DEBUG_SEVERITY_MEDIUM => Level::Warn,
            glow::DEBUG_SEVERITY_LOW => Level::Info,
            _ => Level::Debug,
        };
        log::record(level, "device", self.label.as_str(), format_args!("driver message {id}: {text}"));
    }

    /// The last error message; empty if there is none.
    fn take_error(&self) -> Label<40> {
        std::mem::replace(&mut *self.error.lock(), Label::new(""))
    }
}

/// A driver's context and entry points, checked before and after calls. Objects that are deleted while the host's context is not
/// current wait here until it is.
pub(super) struct CheckedContext {
    /// The first field: the entry points and the debug callback outlive the context.
    pub(super) context: Context,
    pub(super) api: Arc<Api>,
    pub(super) label: Label,
    messages: Arc<DebugMessages>,
    /// `glGetGraphicsResetStatus`, where the context has it.
    reset_status: Option<unsafe extern "system" fn() -> u32>,
    late_buffers: Vec<glow::Buffer>,
    late_fences: Vec<Foreign>,
    /// Why the context can no longer be used.
    lost: Option<Error>,
}

impl CheckedContext {
    pub(super) fn new(
        context: Context,
        api: Arc<Api>,
        label: Label,
        messages: Arc<DebugMessages>,
        reset_status: Option<unsafe extern "system" fn() -> u32>,
    ) -> CheckedContext {
        let (late_buffers, late_fences) = Default::default();
        CheckedContext { context, api, label, messages, reset_status, late_buffers, late_fences, lost: None }
    }

    pub(super) fn gl(&self) -> &glow::Context {
        &self.api.gl
    }

    /// Makes the context current, or checks that the host's is; then deletes what had to wait for that. Before every call.
    pub(super) fn prepare(&mut self) -> Result<()> {
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
                 polling the device",
            ));
        }
        for buffer in self.late_buffers.drain(..) {
            // SAFETY: made in this context, and deleted once.
            unsafe { self.api.gl.delete_buffer(buffer) };
        }
        self.late_fences.drain(..).for_each(|fence| self.api.discard(fence));
        Ok(())
    }

    /// Deletes a buffer now, or once the host's context is current again.
    pub(super) fn delete_buffer(&mut self, buffer: glow::Buffer) {
        if self.prepare().is_ok() {
            // SAFETY: made in this context, and deleted once. OpenGL keeps its memory until the work that uses it is done.
            unsafe { self.api.gl.delete_buffer(buffer) };
        } else if self.lost.is_none() {
            // The buffers of a lost context ended with it, or belong to the host, whose context shares them.
            self.late_buffers.push(buffer);
        }
    }

    /// Discards a fence now, or once the host's context is current again.
    pub(super) fn discard_fence(&mut self, fence: Foreign) {
        if self.prepare().is_ok() {
            self.api.discard(fence);
        } else if self.lost.is_none() {
            self.late_fences.push(fence);
        }
    }

    /// Deletes the late buffers at the drop of the driver, with the context current.
    pub(super) fn delete_late_buffers(&mut self) {
        for buffer in self.late_buffers.drain(..) {
            // SAFETY: made in this context, and deleted once.
            unsafe { self.api.gl.delete_buffer(buffer) };
        }
    }

    pub(super) fn lose(&mut self, error: Error) -> Error {
        self.lost = Some(error);
        log::record(Level::Error, "device", self.label.as_str(), format_args!("lost: {error}"));
        error
    }

    /// Fails, and loses the context, if the graphics driver was reset.
    pub(super) fn check_reset(&mut self) -> Result<()> {
        let Some(reset_status) = self.reset_status else { return Ok(()) };
        // SAFETY: the context's own function, which takes nothing.
        match unsafe { reset_status() } {
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

    /// Fails if the calls since [`CheckedContext::clear_errors`] set an error flag, with the driver's debug message if there is one.
    pub(super) fn check_errors(&mut self, call: &'static str) -> Result<()> {
        // SAFETY: takes nothing.
        match unsafe { self.api.gl.get_error() } {
            glow::NO_ERROR => Ok(()),
            code => {
                self.clear_errors();
                let message = self.messages.take_error();
                let (status, name) = match code {
                    glow::OUT_OF_MEMORY => (Status::OutOfMemory, "GL_OUT_OF_MEMORY"),
                    glow::INVALID_ENUM => (Status::Backend, "GL_INVALID_ENUM"),
                    glow::INVALID_VALUE => (Status::Backend, "GL_INVALID_VALUE"),
                    glow::INVALID_OPERATION => (Status::Backend, "GL_INVALID_OPERATION"),
                    glow::CONTEXT_LOST => (Status::DeviceLost, "GL_CONTEXT_LOST"),
                    _ => (Status::Backend, "an unknown error"),
                };
                let text = if message.as_str().is_empty() { name } else { message.as_str() };
                let error = Error::driver(status, call, code, text);
                Err(if status == Status::DeviceLost { self.lose(error) } else { error })
            }
        }
    }

    /// Clears the error flags of earlier calls. There are few of them, except in a lost context, which sets one again and again.
    pub(super) fn clear_errors(&self) {
        for _ in 0..8 {
            // SAFETY: takes nothing.
            let code = unsafe { self.api.gl.get_error() };
            if code == glow::NO_ERROR {
                return;
            }
            if !self.context.is_own() {
                let text = format_args!("cleared an OpenGL error that the program had not read: {code:#x}");
                log::record(Level::Warn, "device", self.label.as_str(), text);
            }
        }
    }

    /// Before calls that set error flags. In a host's context they are checked one by one; in the device's own, at the submit.
    pub(super) fn begin_checked(&self) {
        if !self.context.is_own() {
            self.clear_errors();
        }
    }

    /// After the calls that [`CheckedContext::begin_checked`] began.
    pub(super) fn end_checked(&mut self, call: &'static str) -> Result<()> {
        if self.context.is_own() { Ok(()) } else { self.check_errors(call) }
    }
}
