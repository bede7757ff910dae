//! The dump: every live object of the process as text, for debuggers, hang reports and signal handlers.

use std::fmt::{self, Write};
use std::os::fd::BorrowedFd;

use rustix::io::{Errno, fcntl_getfd};

use crate::error::{Error, Result, Status};
use crate::handle::lease;
use crate::{buffers, device, manager, spsc};

struct Sink<'a>(&'a mut dyn FnMut(&str));

impl Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        (self.0)(text);
        Ok(())
    }
}

/// Writes one line for every manager, waiter, open task, ring, device, buffer and lease of the process, with age and thread. Takes
/// only locks that are free, and allocates nothing.
///
/// ```
/// use backbuf::{Manager, manager::Config};
/// let config = Config { label: "flood", ..Config::default() };
/// let manager = Manager::<u8>::with_config(&[1], config)?;
/// let mut text = String::new();
/// backbuf::dump(&mut |part| text.push_str(part));
/// assert!(text.contains("'flood'"));
/// # Ok::<(), backbuf::Error>(())
/// ```
pub fn dump(write: &mut dyn FnMut(&str)) {
    let mut out = Sink(write);
    manager::dump::dump(&mut out);
    spsc::ring::dump(&mut out);
    device::owner::dump(&mut out);
    buffers::report::dump(&mut out);
    lease::dump(&mut out);
}

/// [`dump`] to a file descriptor. May be called from a signal handler or a debugger.
///
/// ```
/// backbuf::dump_fd(2)?;
/// # Ok::<(), backbuf::Error>(())
/// ```
pub fn dump_fd(fd: i32) -> Result<()> {
    if fd < 0 {
        return Err(not_open(fd));
    }
    // SAFETY: not -1; that it is open is checked next, and a caller that closes it meanwhile loses only the text.
    let descriptor = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl_getfd(descriptor).map_err(|_| not_open(fd))?;
    let mut written = true;
    without_write_signals(|| dump(&mut |text| written = written && write_all(descriptor, text.as_bytes())));
    match written {
        true => Ok(()),
        false => Err(Error::value(
            Status::Argument,
            "fd",
            fd,
            "cannot be written to; pass one that takes the whole text",
        )),
    }
}

fn not_open(fd: i32) -> Error {
    Error::value(Status::Argument, "fd", fd, "not an open descriptor")
}

/// Writes all of it. False if the descriptor refuses a part.
fn write_all(fd: BorrowedFd<'_>, mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        match rustix::io::write(fd, rest) {
            Ok(done @ 1..) => rest = &rest[done..],
            Err(Errno::INTR) => {}
            _ => return false,
        }
    }
    true
}

/// Runs `work` without the signals that a failed write sends its thread: SIGPIPE of a pipe without a reader, SIGXFSZ of a file
/// at its limit. Both end the process by default. One that was pending before stays pending.
fn without_write_signals(work: impl FnOnce()) {
    // SAFETY: plain calls on locals, all of them async-signal-safe.
    unsafe {
        let (mut blocked, mut before, mut pending) =
            (std::mem::zeroed::<libc::sigset_t>(), std::mem::zeroed(), std::mem::zeroed());
        libc::sigemptyset(&mut blocked);
        libc::sigpending(&mut pending);
        for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
            if libc::sigismember(&pending, signal) == 0 {
                libc::sigaddset(&mut blocked, signal);
            }
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &blocked, &mut before);
        work();
        let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        while libc::sigtimedwait(&blocked, std::ptr::null_mut(), &at_once) > 0 {}
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
    }
}
