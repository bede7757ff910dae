//! What the driver says: to the log at once, and beside the next error.

use glow::HasContext;

use crate::alloc::Arc;
use crate::error::Label;
use crate::log::{self, Level};
use crate::sync::mutex::Mutex;

/// Messages of one context, which come during the calls that cause them.
pub(super) struct Messages {
    label: Label,
    /// The last one that tells of an error, until somebody asks.
    error: Mutex<Label<40>>,
}

impl Messages {
    pub(super) fn new(label: Label) -> Messages {
        Messages { label, error: Mutex::new(Label::new("")) }
    }

    /// Has the driver tell: the current context is `gl`'s.
    pub(super) fn listen(&self, this: &Arc<Messages>, gl: &mut glow::Context) {
        let messages = this.clone();
        // SAFETY: version or extension say that these are there. The callback ends with the context, which goes first.
        unsafe {
            gl.debug_message_callback(move |_, kind, id, severity, text| {
                messages.tell(kind, id, severity, text)
            });
            gl.enable(glow::DEBUG_OUTPUT);
            gl.enable(glow::DEBUG_OUTPUT_SYNCHRONOUS);
        }
    }

    fn tell(&self, kind: u32, id: u32, severity: u32, text: &str) {
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
        log::record(level, "device", self.label.as_str(), format_args!("the driver says ({id}): {text}"));
    }

    /// The last error that the driver told of; empty if it told of none.
    pub(super) fn take(&self) -> Label<40> {
        std::mem::replace(&mut *self.error.lock(), Label::new(""))
    }
}
