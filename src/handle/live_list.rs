//! Lists of live objects, one per kind, for the dump. A fork empties them in the child.

use crate::error::Result;
use crate::handle::slots::{Wiped, Zeroed};
use crate::sync::atomic::{AtomicPtr, AtomicU64, Ordering::*};
use crate::sync::mutex::FutexMutex;

static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// A number for a new object, unique among the objects of the process.
pub(crate) fn number() -> u64 {
    NUMBERS.fetch_add(1, Relaxed)
}

/// An object that can be on a [`LiveList`]: it holds the link to the next one.
pub(crate) trait Linked: Sized + Sync + 'static {
    fn next(&self) -> &AtomicPtr<Self>;
}

/// Every live object of one kind.
#[derive(Debug)]
pub(crate) struct LiveList<T: Linked> {
    list: Wiped<ListHead<T>>,
}

#[derive(Debug)]
struct ListHead<T> {
    lock: FutexMutex<()>,
    first: AtomicPtr<T>,
}

// SAFETY: atomics, for which zero is a legal value.
unsafe impl<T: Linked> Zeroed for ListHead<T> {}

impl<T: Linked> LiveList<T> {
    pub(crate) const fn new() -> LiveList<T> {
        LiveList { list: Wiped::new() }
    }

    /// Adds an object, which must not move until it is removed.
    pub(crate) fn add(&self, object: &T) -> Result<()> {
        let list = self.list.get()?;
        let _locked = list.lock.lock();
        object.next().store(list.first.load(Relaxed), Relaxed);
        list.first.store((&raw const *object).cast_mut(), Relaxed);
        Ok(())
    }

    /// Removes an object.
    pub(crate) fn remove(&self, object: &T) {
        self.take(|listed| std::ptr::eq(listed, object));
    }

    /// Removes the first object that `wanted` accepts. If several threads want the same object, one gets it.
    pub(crate) fn take(&self, wanted: impl Fn(&T) -> bool) -> Option<*const T> {
        let list = self.list.peek()?;
        let _locked = list.lock.lock();
        let mut link = &list.first;
        // SAFETY: what is on the list is alive: it is removed under this lock first.
        while let Some(listed) = unsafe { link.load(Relaxed).as_ref() } {
            if wanted(listed) {
                link.store(listed.next().load(Relaxed), Relaxed);
                return Some(&raw const *listed);
            }
            link = listed.next();
        }
        None
    }

    /// Calls `visit` with each object. False, without a call, if the list is in use. Allocates nothing.
    #[must_use]
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&T)) -> bool {
        let Some(list) = self.list.peek() else { return true };
        let Some(_locked) = list.lock.try_lock() else { return false };
        let mut link = &list.first;
        // SAFETY: what is on the list is alive: it is removed under this lock first.
        while let Some(listed) = unsafe { link.load(Relaxed).as_ref() } {
            visit(listed);
            link = listed.next();
        }
        true
    }
}
