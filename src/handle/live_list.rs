//! Lists of what is alive, for people who look from outside. A forked child begins with empty ones.

use crate::error::Result;
use crate::handle::slots::{Wiped, Zeroed};
use crate::sync::atomic::{AtomicPtr, AtomicU64, Ordering::*};
use crate::sync::mutex::FutexMutex;

static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// A number for a new object: no two objects of a process have the same, whatever their kind.
pub(crate) fn number() -> u64 {
    NUMBERS.fetch_add(1, Relaxed)
}

/// What can be on a roster: it holds the link to the next one.
pub(crate) trait Listed: Sized + Sync + 'static {
    fn next(&self) -> &AtomicPtr<Self>;
}

/// Every living object of one kind.
#[derive(Debug)]
pub(crate) struct Roster<T: Listed> {
    list: Wiped<List<T>>,
}

#[derive(Debug)]
struct List<T> {
    lock: FutexMutex<()>,
    first: AtomicPtr<T>,
}

// SAFETY: atomics, of which zero is a legal value.
unsafe impl<T: Listed> Zeroed for List<T> {}

impl<T: Listed> Roster<T> {
    pub(crate) const fn new() -> Roster<T> {
        Roster { list: Wiped::new() }
    }

    /// Puts an object on the list. It must stay where it is until it is taken off.
    pub(crate) fn add(&self, object: &T) -> Result<()> {
        let list = self.list.get()?;
        let _locked = list.lock.lock();
        object.next().store(list.first.load(Relaxed), Relaxed);
        list.first.store((&raw const *object).cast_mut(), Relaxed);
        Ok(())
    }

    /// Takes it off.
    pub(crate) fn remove(&self, object: &T) {
        self.take(|listed| std::ptr::eq(listed, object));
    }

    /// Takes off the first one that is `wanted`. Of several threads that want the same one, one gets it.
    pub(crate) fn take(&self, wanted: impl Fn(&T) -> bool) -> Option<*const T> {
        let list = self.list.peek()?;
        let _locked = list.lock.lock();
        let mut link = &list.first;
        // SAFETY: what is on the list is alive: it is taken off under this lock first.
        while let Some(listed) = unsafe { link.load(Relaxed).as_ref() } {
            if wanted(listed) {
                link.store(listed.next().load(Relaxed), Relaxed);
                return Some(&raw const *listed);
            }
            link = listed.next();
        }
        None
    }

    /// Looks at each, if the list is not in use. Allocates nothing.
    #[must_use]
    pub(crate) fn look(&self, mut visit: impl FnMut(&T)) -> bool {
        let Some(list) = self.list.peek() else { return true };
        let Some(_locked) = list.lock.try_lock() else { return false };
        let mut link = &list.first;
        // SAFETY: what is on the list is alive: it takes itself off under this lock first.
        while let Some(listed) = unsafe { link.load(Relaxed).as_ref() } {
            visit(listed);
            link = listed.next();
        }
        true
    }
}
