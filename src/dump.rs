//! Everything that is alive, as text: for a debugger's prompt and for the moment when nothing moves any more.

use std::fmt::{self, Write};

use crate::error::{Error, Result, Status};
use crate::{buffers, device, lease, manager, spsc};

struct Sink<'a>(&'a mut dyn FnMut(&str));

impl Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        (self.0)(text);
        Ok(())
    }
}

/// Tells of every manager, waiter, open task, ring, device, buffer and lease of the process, with age and thread. Takes locks only
/// if they are free, and allocates nothing.
///
/// ```
/// use backbuf::{DType, manager::{Config, Manager}};
/// let config = Config { label: "flood", ..Config::default() };
/// let manager = Manager::with_config(DType::U8, &[1], config)?;
/// let mut text = String::new();
/// backbuf::dump(&mut |part| text.push_str(part));
/// assert!(text.contains("'flood'"));
/// # Ok::<(), backbuf::Error>(())
/// ```
pub fn dump(write: &mut dyn FnMut(&str)) {
    let mut out = Sink(write);
    manager::dump::dump(&mut out);
    spsc::dump(&mut out);
    device::dump(&mut out);
    buffers::dump(&mut out);
    lease::dump(&mut out);
}

/// As [`dump`], straight to a descriptor. May be called from a signal handler or a debugger.
///
/// ```
/// backbuf::dump_fd(2)?;
/// # Ok::<(), backbuf::Error>(())
/// ```
pub fn dump_fd(fd: i32) -> Result<()> {
    // SAFETY: a query of a number.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(Error::value(Status::Argument, "fd", fd, "not an open descriptor"));
    }
    dump(&mut |text| {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            // SAFETY: writes from a slice to a descriptor; a failure ends it.
            let done = unsafe { libc::write(fd, rest.as_ptr().cast(), rest.len()) };
            if done <= 0 {
                return;
            }
            rest = &rest[done as usize..];
        }
    });
    Ok(())
}
