//! The interface of the peers of `manager.read`: a state of 64 bytes that is written and read by copies.

use std::ffi::c_void;

pub type Words = [u64; 8];

/// The C functions of a peer, exported by its library under a name of its own.
#[repr(C)]
pub struct Functions {
    pub create: unsafe extern "C" fn() -> *mut c_void,
    pub write: unsafe extern "C" fn(*mut c_void, *const Words) -> i32,
    pub read: unsafe extern "C" fn(*mut c_void, *mut Words) -> i32,
    pub destroy: unsafe extern "C" fn(*mut c_void),
}

pub trait SmallState: Sync + Sized {
    fn create() -> Self;
    fn write(&self, words: &Words);
    fn read(&self) -> Words;
}

impl Functions {
    pub const fn of<P: SmallState>() -> Functions {
        Functions { create: create::<P>, write: write::<P>, read: read::<P>, destroy: destroy::<P> }
    }
}

unsafe extern "C" fn create<P: SmallState>() -> *mut c_void {
    Box::into_raw(Box::new(P::create())).cast()
}

unsafe extern "C" fn write<P: SmallState>(peer: *mut c_void, words: *const Words) -> i32 {
    // SAFETY: the harness passes what `create` gave, and readable words.
    unsafe { (*peer.cast::<P>()).write(&*words) };
    0
}

unsafe extern "C" fn read<P: SmallState>(peer: *mut c_void, words: *mut Words) -> i32 {
    // SAFETY: the harness passes what `create` gave, and writable words.
    unsafe { words.write((*peer.cast::<P>()).read()) };
    0
}

unsafe extern "C" fn destroy<P: SmallState>(peer: *mut c_void) {
    // SAFETY: the harness passes what `create` gave, for the last time.
    drop(unsafe { Box::from_raw(peer.cast::<P>()) });
}
