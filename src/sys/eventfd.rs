//! A pollable descriptor: an eventfd that is readable while set.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::*};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{read, write};

use crate::error::{Error, Result};

/// Readable between [`Descriptor::set`] and [`Descriptor::clear`]. Callers serialise the two.
#[derive(Debug)]
pub(crate) struct Descriptor {
    fd: OwnedFd,
    set: AtomicBool,
}

impl Descriptor {
    pub(crate) fn new() -> Result<Descriptor> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let fd = fd.map_err(|errno| Error::system("eventfd", errno.raw_os_error()))?;
        Ok(Descriptor { fd, set: AtomicBool::new(false) })
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Makes it readable; a system call only at the change.
    pub(crate) fn set(&self) {
        if !self.set.swap(true, AcqRel) {
            // A counter of 0 always has room for 1.
            let _ = write(&self.fd, &1u64.to_ne_bytes());
        }
    }

    /// Makes it not readable.
    pub(crate) fn clear(&self) {
        if self.set.swap(false, AcqRel) {
            // Does not block, and only resets the counter.
            let _ = read(&self.fd, &mut [0; 8]);
        }
    }
}
