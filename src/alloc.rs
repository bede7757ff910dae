//! Fallible allocation: boxes, vectors, strings and shared references whose constructors report a failure.

use std::alloc::{Layout, alloc};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::*};

use crate::error::{Error, Result, Status};

/// A box, or the value back when there is no memory.
pub(crate) fn try_box<T>(value: T) -> std::result::Result<Box<T>, T> {
    let layout = Layout::new::<T>();
    if layout.size() == 0 {
        return Ok(Box::new(value));
    }
    // SAFETY: the layout has a size; the pointer is checked, then owned by the box that it was allocated for.
    unsafe {
        let memory = alloc(layout).cast::<T>();
        if memory.is_null() {
            return Err(value);
        }
        memory.write(value);
        Ok(Box::from_raw(memory))
    }
}

/// A box, or [`Status::OutOfMemory`]; the value is dropped then.
pub(crate) fn boxed<T>(value: T) -> Result<Box<T>> {
    try_box(value).map_err(|_| Error::of(Status::OutOfMemory))
}

/// The first reference to `value`, or [`Status::OutOfMemory`]; the value is dropped then.
pub(crate) fn try_arc<T>(value: T) -> Result<Arc<T>> {
    Arc::try_new(value).map_err(|_| Error::of(Status::OutOfMemory))
}

/// An empty vector with room for `capacity`.
pub(crate) fn try_vec<T>(capacity: usize) -> Result<Vec<T>> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(capacity)?;
    Ok(vec)
}

/// A copy of a text.
pub(crate) fn try_string(text: &str) -> Result<String> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len())?;
    copy.push_str(text);
    Ok(copy)
}

struct Counted<T> {
    strong: AtomicUsize,
    /// References to the allocation; all strong ones together count as one.
    weak: AtomicUsize,
    value: ManuallyDrop<T>,
}

/// A shared reference whose constructor reports a failure. It also differs from `std::sync::Arc` in that ThreadSanitizer
/// understands its drop, which orders by loads instead of fences.
pub(crate) struct Arc<T>(NonNull<Counted<T>>);

/// A reference that does not keep the value alive.
pub(crate) struct Weak<T>(NonNull<Counted<T>>);

// SAFETY: as those of the standard library: shared access from, and the drop on, any thread.
unsafe impl<T: Send + Sync> Send for Arc<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Arc<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Send for Weak<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Weak<T> {}

impl<T> Arc<T> {
    /// For small fixed bookkeeping: exhausted memory ends the process, as in the standard library.
    pub(crate) fn new(value: T) -> Arc<T> {
        let (strong, weak) = (AtomicUsize::new(1), AtomicUsize::new(1));
        let counted = Counted { strong, weak, value: ManuallyDrop::new(value) };
        Arc(NonNull::from(Box::leak(Box::new(counted))))
    }

    /// The first reference, or the value when there is no memory.
    pub(crate) fn try_new(value: T) -> std::result::Result<Arc<T>, T> {
        let counted = Counted {
            strong: AtomicUsize::new(1),
            weak: AtomicUsize::new(1),
            value: ManuallyDrop::new(value),
        };
        match try_box(counted) {
            Ok(counted) => Ok(Arc(NonNull::from(Box::leak(counted)))),
            Err(counted) => Err(ManuallyDrop::into_inner(counted.value)),
        }
    }

    fn counted(&self) -> &Counted<T> {
        // SAFETY: the allocation lives as long as any reference.
        unsafe { self.0.as_ref() }
    }

    /// Drops the value if this is the last strong reference, else returns the reference.
    pub(crate) fn drop_last(this: Arc<T>) -> std::result::Result<(), Arc<T>> {
        if this.counted().strong.compare_exchange(1, 0, Acquire, Relaxed).is_err() {
            return Err(this);
        }
        let this = ManuallyDrop::new(this);
        // SAFETY: the count fell to 0 here, so no other reference reaches the value, and it is dropped once.
        unsafe { Arc::drop_value(this.0) };
        Ok(())
    }

    /// # Safety
    /// The strong count has fallen to 0, and this is called once.
    unsafe fn drop_value(mut counted: NonNull<Counted<T>>) {
        // SAFETY: no other reference has access; the weak reference below frees the allocation.
        unsafe { ManuallyDrop::drop(&mut counted.as_mut().value) };
        drop(Weak(counted));
    }

    pub(crate) fn downgrade(this: &Arc<T>) -> Weak<T> {
        this.counted().weak.fetch_add(1, Relaxed);
        Weak(this.0)
    }

    /// Turns the reference into a pointer for [`Arc::from_raw`].
    pub(crate) fn into_raw(this: Arc<T>) -> *const () {
        ManuallyDrop::new(this).0.as_ptr().cast_const().cast()
    }

    /// # Safety
    /// `raw` comes from [`Arc::into_raw`], and this is called once for it.
    #[inline(always)]
    pub(crate) unsafe fn from_raw(raw: *const ()) -> Arc<T> {
        // SAFETY: not null, as `into_raw` returned it.
        Arc(unsafe { NonNull::new_unchecked(raw.cast_mut().cast()) })
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.counted().value
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Arc<T> {
        self.counted().strong.fetch_add(1, Relaxed);
        Arc(self.0)
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        // Release: what was done through this reference comes before the drop of the value. A load instead of a fence,
        // which ThreadSanitizer does not model.
        if self.counted().strong.fetch_sub(1, Release) == 1 {
            self.counted().strong.load(Acquire);
            // SAFETY: this was the last strong reference.
            unsafe { Arc::drop_value(self.0) };
        }
    }
}

impl<T> Weak<T> {
    /// A strong reference, if the value is still alive.
    pub(crate) fn upgrade(&self) -> Option<Arc<T>> {
        // SAFETY: the allocation lives as long as any reference.
        let strong = unsafe { &self.0.as_ref().strong };
        let more = |count: usize| (count != 0).then_some(count + 1);
        strong.fetch_update(Acquire, Relaxed, more).ok().map(|_| Arc(self.0))
    }

    /// The number of strong references.
    pub(crate) fn strong_count(&self) -> usize {
        // SAFETY: as above.
        unsafe { self.0.as_ref().strong.load(Acquire) }
    }
}

impl<T> Clone for Weak<T> {
    fn clone(&self) -> Weak<T> {
        // SAFETY: as above.
        unsafe { self.0.as_ref().weak.fetch_add(1, Relaxed) };
        Weak(self.0)
    }
}

impl<T> Drop for Weak<T> {
    fn drop(&mut self) {
        // SAFETY: as above; the last reference of any kind frees what `try_new` made.
        unsafe {
            if self.0.as_ref().weak.fetch_sub(1, Release) == 1 {
                self.0.as_ref().weak.load(Acquire);
                drop(Box::from_raw(self.0.as_ptr()));
            }
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Arc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T> fmt::Debug for Weak<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(Weak)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_goes_with_the_last_strong_reference() {
        let probe = std::sync::Arc::new(());
        let first = Arc::try_new(probe.clone()).unwrap();
        let (second, weak) = (first.clone(), Arc::downgrade(&first));
        drop(first);
        assert_eq!((weak.strong_count(), std::sync::Arc::strong_count(&probe)), (1, 2));
        let other = weak.upgrade().unwrap();
        let second = Arc::drop_last(second).unwrap_err();
        drop(other);
        Arc::drop_last(second).unwrap();
        assert_eq!((weak.strong_count(), std::sync::Arc::strong_count(&probe)), (0, 1));
        assert!(weak.upgrade().is_none());
    }
}
