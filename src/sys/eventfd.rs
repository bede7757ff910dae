//! A pollable descriptor: readable while set.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering::*};

use crate::error::{Error, Result};

/// An eventfd that is readable between [`Descriptor::set`] and [`Descriptor::clear`]. Callers serialise the two.
#[derive(Debug)]
pub(crate) struct Descriptor {
    fd: RawFd,
    set: AtomicBool,
}

impl Descriptor {
    pub(crate) fn new() -> Result<Descriptor> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(Error::last_system("eventfd"));
        }
        Ok(Descriptor { fd, set: AtomicBool::new(false) })
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.fd
    }

    /// Makes it readable; a system call only at the change.
    pub(crate) fn set(&self) {
        if !self.set.swap(true, AcqRel) {
            let one = 1u64;
            // SAFETY: writes eight bytes of a local to a descriptor that this object owns.
            unsafe { libc::write(self.fd, (&raw const one).cast(), 8) };
        }
    }

    /// Makes it not readable.
    pub(crate) fn clear(&self) {
        if self.set.swap(false, AcqRel) {
            let mut count = 0u64;
            // SAFETY: reads eight bytes into a local from a descriptor that this object owns.
            unsafe { libc::read(self.fd, (&raw mut count).cast(), 8) };
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: owned, and closed once.
        unsafe { libc::close(self.fd) };
    }
}
