//! Conversions of errors: to errors of a field, and from and to those of the standard library.

use crate::error::{AXIS, Error, ErrorContext, Label, Status};

impl Error {
    /// This error for an update of that field. Errors that do not depend on the field stay as they are.
    #[cold]
    pub(crate) fn of_field(self, name: &str) -> Error {
        let context = match self.context {
            ErrorContext::Beyond { param, end, limit, of } => {
                let axis = of == AXIS;
                ErrorContext::FieldBeyond { param, end, limit, axis, name: Label::new(name) }
            }
            ErrorContext::Align { param, value, align } => {
                ErrorContext::FieldAlign { param, value, align, name: Label::new(name) }
            }
            ErrorContext::Value { param, value, reason } => {
                ErrorContext::FieldValue { param, value, reason, name: Label::new(name) }
            }
            ErrorContext::Param { param, reason } => {
                ErrorContext::FieldParam { param, reason, name: Label::new(name) }
            }
            other => other,
        };
        Error { context, ..self }
    }
}

impl ErrorContext {
    /// The context without its field, and the name of that.
    pub(super) fn without_field(self) -> (Label<30>, ErrorContext) {
        match self {
            ErrorContext::FieldBeyond { param, end, limit, axis, name } => {
                let of = if axis { AXIS } else { "bytes of the field" };
                (Label::new(name.as_str()), ErrorContext::Beyond { param, end, limit, of })
            }
            ErrorContext::FieldAlign { param, value, align, name } => {
                (name, ErrorContext::Align { param, value, align })
            }
            ErrorContext::FieldValue { param, value, reason, name } => {
                (Label::new(name.as_str()), ErrorContext::Value { param, value, reason })
            }
            ErrorContext::FieldParam { param, reason, name } => (name, ErrorContext::Param { param, reason }),
            other => (Label::new(""), other),
        }
    }
}

impl From<std::collections::TryReserveError> for Error {
    #[cold]
    fn from(_: std::collections::TryReserveError) -> Error {
        Error::of(Status::OutOfMemory)
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> std::io::Error {
        use std::io::ErrorKind;
        let kind = match error.status() {
            Status::Timeout | Status::Stalled => ErrorKind::TimedOut,
            Status::Full | Status::Empty => ErrorKind::WouldBlock,
            Status::Interrupted => ErrorKind::Interrupted,
            Status::Closed => ErrorKind::BrokenPipe,
            Status::OutOfMemory => ErrorKind::OutOfMemory,
            Status::Unsupported => ErrorKind::Unsupported,
            Status::Argument | Status::Range | Status::Align | Status::Null => ErrorKind::InvalidInput,
            _ => ErrorKind::Other,
        };
        std::io::Error::new(kind, error)
    }
}
