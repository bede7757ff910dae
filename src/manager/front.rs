//! FrontCount: stable reads of one whole epoch.

use crate::handle::lease;
use crate::manager::copies::copies::RawFront;

/// A lease of a published state. Its bytes never change, whatever is published meanwhile, and stay valid after the manager
/// has gone. Dropping it releases it.
///
/// ```
/// use backbuf::{DType, Timeout, manager::Manager};
/// let manager = Manager::new(DType::U8, &[3])?;
/// let before = manager.front()?;
/// manager.enqueue(0, &[1, 2, 3], Timeout::TRY)?;
/// manager.synchronize(Timeout::FOREVER)?;
/// let after = manager.front()?;
/// drop(manager);
/// assert_eq!((before.bytes(), before.epoch()), (&[0u8, 0, 0][..], 0));
/// assert_eq!((after.bytes(), after.epoch()), (&[1u8, 2, 3][..], 1));
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct Front(pub(crate) RawFront);

// SAFETY: the bytes are shared and never written while the lease lives; it may be released on any thread.
unsafe impl Send for Front {}
// SAFETY: as above.
unsafe impl Sync for Front {}

impl Front {
    /// The state's bytes, 64-byte aligned.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the lease keeps them, unchanged, until it is dropped.
        unsafe { std::slice::from_raw_parts(self.0.data, self.0.bytes as usize) }
    }

    /// Which epoch it is: 0 is the initial state, and each publish adds one.
    pub fn epoch(&self) -> u64 {
        self.0.epoch
    }

    /// The last tag among the updates that it contains; 0 without one.
    pub fn tag(&self) -> u64 {
        self.0.tag
    }
}

impl std::ops::Deref for Front {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // Live until here, so never refused; in a forked child there is nothing to release.
        let _ = lease::release(self.0.lease);
    }
}
