//! A value for each thread, found without a call.
//!
//! In a shared library every access to thread-local storage is a call of the dynamic linker, with all the registers that a
//! call costs around it. Here a small table says whose value is whose by the thread pointer, which is one load; threads
//! that do not find a place in it ask the key that also tells when a thread ends. (Storage with a destructor of its own
//! would end the process when there is no memory to note it.) The library stays loaded (`-z nodelete`), so that the
//! destructor is there.

use std::arch::asm;
use std::ffi::c_void;
use std::marker::PhantomData;

use crate::error::{Error, Result, Status};
use crate::slots::{Wiped, Zeroed};
use crate::sync::{AtomicPtr, AtomicU64, Ordering::*};

/// Places in the table: a page of them.
const NEAR: usize = 256;

/// A place is written by the one thread that it is for, and by nobody else until that thread has left it.
#[derive(Debug)]
struct Place {
    /// The thread's pointer; 0 when free, 1 while somebody moves in.
    thread: AtomicU64,
    value: AtomicPtr<c_void>,
}

// SAFETY: atomics, of which zero is a legal value.
unsafe impl Zeroed for Place {}

/// Shared values, one for each thread that has set one.
#[derive(Debug)]
pub(crate) struct Local<T: 'static> {
    /// Wiped on fork: the child's new threads may have the pointers of threads that it does not have.
    near: Wiped<[Place; NEAR]>,
    /// key + 1, or 0.
    key: AtomicU64,
    at_exit: unsafe extern "C" fn(*mut c_void),
    values: PhantomData<&'static T>,
}

/// What tells a thread from all others that live.
#[inline(always)]
fn thread_pointer() -> u64 {
    let pointer: u64;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the ABI puts the thread pointer there; nothing is written.
    unsafe {
        asm!("mov {}, fs:0", out(reg) pointer, options(pure, nomem, nostack, preserves_flags));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: reads the register that the ABI keeps the thread pointer in.
    unsafe {
        asm!("mrs {}, tpidr_el0", out(reg) pointer, options(pure, nomem, nostack, preserves_flags));
    }
    pointer
}

/// Thread pointers differ in their middle bits.
#[inline(always)]
fn place_of(thread: u64) -> usize {
    (thread.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as usize
}

impl<T> Local<T> {
    /// `at_exit` is to call [`Local::leave`] first of all; it gets the thread's value.
    pub(crate) const fn new(at_exit: unsafe extern "C" fn(*mut c_void)) -> Local<T> {
        Local { near: Wiped::new(), key: AtomicU64::new(0), at_exit, values: PhantomData }
    }

    /// The calling thread's value.
    #[inline(always)]
    pub(crate) fn get(&self) -> Option<&'static T> {
        let thread = thread_pointer();
        let place = self.near.peek().and_then(|near| near.get(place_of(thread)));
        match place {
            // SAFETY: this thread itself has put its pointer there, after the value that `set` was given.
            Some(place) if place.thread.load(Relaxed) == thread => unsafe {
                place.value.load(Relaxed).cast::<T>().as_ref()
            },
            _ => self.get_far(),
        }
    }

    #[cold]
    #[inline(never)]
    fn get_far(&self) -> Option<&'static T> {
        let key = self.key.load(Acquire).checked_sub(1)?;
        // SAFETY: a key of ours, whose values are what `set` was given.
        let value = unsafe { libc::pthread_getspecific(key as libc::pthread_key_t) };
        if !value.is_null() {
            self.move_in(value);
        }
        // SAFETY: as above; `set` asks for values that stay.
        unsafe { value.cast::<T>().as_ref() }
    }

    /// Sets the calling thread's value, which is handed to `at_exit` when the thread ends.
    pub(crate) fn set(&self, value: &'static T) -> Result<()> {
        let value = (&raw const *value).cast_mut().cast();
        // SAFETY: a key of ours.
        if unsafe { libc::pthread_setspecific(self.key()?, value) } != 0 {
            return Err(Error::of(Status::OutOfMemory));
        }
        self.move_in(value);
        Ok(())
    }

    /// Notes the value where `get` looks first, if that place is free.
    fn move_in(&self, value: *mut c_void) {
        let (Ok(near), thread) = (self.near.get(), thread_pointer()) else { return };
        if let Some(place) = near.get(place_of(thread))
            && (place.thread.load(Relaxed) == thread
                || place.thread.compare_exchange(0, 1, Acquire, Relaxed).is_ok())
        {
            place.value.store(value, Relaxed);
            place.thread.store(thread, Relaxed);
        }
    }

    /// Forgets the calling thread's value: the thread ends. A later destructor may set one anew.
    pub(crate) fn leave(&self) {
        let thread = thread_pointer();
        if let Some(place) = self.near.peek().and_then(|near| near.get(place_of(thread)))
            && place.thread.load(Relaxed) == thread
        {
            // Release: the next thread moves in after this.
            place.thread.store(0, Release);
        }
    }

    /// The key, made once.
    fn key(&self) -> Result<libc::pthread_key_t> {
        if let Some(key) = self.key.load(Acquire).checked_sub(1) {
            return Ok(key as libc::pthread_key_t);
        }
        let mut key: libc::pthread_key_t = 0;
        // SAFETY: writes a local; the function stays loaded.
        if unsafe { libc::pthread_key_create(&mut key, Some(self.at_exit)) } != 0 {
            return Err(Error::text(Status::Limit, "no thread-specific key is left in this process"));
        }
        match self.key.compare_exchange(0, u64::from(key) + 1, AcqRel, Acquire) {
            Ok(_) => Ok(key),
            Err(earlier) => {
                // SAFETY: made above, and used by nobody.
                unsafe { libc::pthread_key_delete(key) };
                Ok((earlier - 1) as libc::pthread_key_t)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::tests::in_child;
    use std::sync::Barrier;

    static NUMBERS: Local<u64> = Local::new(leave);
    static LEFT: AtomicU64 = AtomicU64::new(0);

    unsafe extern "C" fn leave(value: *mut c_void) {
        NUMBERS.leave();
        // SAFETY: the tests set static numbers.
        LEFT.fetch_add(unsafe { *value.cast::<u64>() }, SeqCst);
    }

    #[test]
    fn each_thread_has_its_own_also_when_there_are_more_than_places() {
        static VALUES: [u64; 600] = [1; 600];
        let all = Barrier::new(VALUES.len());
        std::thread::scope(|scope| {
            for value in &VALUES {
                let all = &all;
                scope.spawn(move || {
                    assert!(NUMBERS.get().is_none());
                    NUMBERS.set(value).unwrap();
                    all.wait();
                    assert!((0..100).all(|_| std::ptr::eq(NUMBERS.get().unwrap(), value)));
                });
            }
        });
        // A scope ends with the closures, the destructors run a moment later.
        while LEFT.load(SeqCst) != 600 {
            std::thread::yield_now();
        }
        let near = NUMBERS.near.peek().unwrap();
        assert!(near.iter().all(|place| place.thread.load(Relaxed) == 0), "every thread has moved out");
    }

    #[test]
    fn a_child_keeps_the_value_of_the_thread_that_forked() {
        static HERE: Local<u64> = Local::new(ignore);
        unsafe extern "C" fn ignore(_: *mut c_void) {
            HERE.leave();
        }
        static VALUE: u64 = 7;
        std::thread::spawn(|| {
            HERE.set(&VALUE).unwrap();
            assert!(in_child(|| {
                let others = std::thread::spawn(|| HERE.get().is_none()).join().unwrap();
                others && (0..2).all(|_| HERE.get().is_some_and(|value| std::ptr::eq(value, &VALUE)))
            }));
        })
        .join()
        .unwrap();
    }
}
