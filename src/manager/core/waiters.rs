//! Who waits for a manager, since when and for what: for the dump.

use crate::sync::mutex::FutexMutex;
use crate::sys::clock::now;
use crate::sys::thread::thread_id;

/// Waiters listed at most; more are only counted.
const LISTED: usize = 64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    pub(crate) what: &'static str,
    pub(crate) thread: u32,
    pub(crate) since: u64,
}

#[derive(Debug)]
struct List {
    waiters: [Option<Waiter>; LISTED],
    unlisted: u64,
}

#[derive(Debug)]
pub(crate) struct Waiters(FutexMutex<List>);

/// While it lives, the waiter is on the list.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    list: &'a Waiters,
    at: usize,
}

impl Waiters {
    pub(crate) const fn new() -> Waiters {
        Waiters(FutexMutex::new(List { waiters: [None; LISTED], unlisted: 0 }))
    }

    pub(crate) fn enter(&self, what: &'static str) -> Waiting<'_> {
        let mut list = self.0.lock();
        let at = list.waiters.iter().position(Option::is_none).unwrap_or(LISTED);
        match list.waiters.get_mut(at) {
            Some(place) => *place = Some(Waiter { what, thread: thread_id(), since: now() }),
            None => list.unlisted += 1,
        }
        Waiting { list: self, at }
    }

    /// Hands every waiter to `visit`, and says how many more there are; None if somebody holds the list just now.
    pub(crate) fn look(&self, mut visit: impl FnMut(&Waiter)) -> Option<u64> {
        let list = self.0.try_lock()?;
        list.waiters.iter().flatten().for_each(&mut visit);
        Some(list.unlisted)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut list = self.list.0.lock();
        match list.waiters.get_mut(self.at) {
            Some(place) => *place = None,
            None => list.unlisted -= 1,
        }
    }
}
