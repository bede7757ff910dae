//! The interface of the manager's peers: the same C functions in separate libraries, so that they are not inlined into the
//! harness, just as in a C program.

pub mod small_state;
pub mod update;
pub mod worker;

use std::ffi::c_void;

/// A readable front; `token` holds what the peer needs to release it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Front {
    pub data: *const u8,
    pub token: [usize; 3],
}

/// The C functions of a peer, exported by each library under the name `PEER`.
#[repr(C)]
pub struct Functions {
    /// A negative `worker_cpu` does not pin the worker.
    pub create: unsafe extern "C" fn(bytes: u64, worker_cpu: i32) -> *mut c_void,
    pub enqueue: unsafe extern "C" fn(*mut c_void, offset: u64, data: *const u8, bytes: u64) -> i32,
    pub synchronize: unsafe extern "C" fn(*mut c_void) -> i32,
    pub acquire: unsafe extern "C" fn(*mut c_void, *mut Front) -> i32,
    pub release: unsafe extern "C" fn(*mut c_void, *const Front) -> i32,
    pub destroy: unsafe extern "C" fn(*mut c_void),
}

/// A double-buffered state built from other libraries.
pub trait Peer: Sync + Sized {
    fn create(bytes: usize, worker_cpu: i32) -> Self;
    /// Queues `data` for `offset`; the bytes are copied before it returns.
    fn enqueue(&self, offset: usize, data: &[u8]);
    /// Returns once everything enqueued before is readable.
    fn synchronize(&self);
    fn acquire(&self) -> Front;
    /// # Safety
    /// `front` came from `acquire` and is released once.
    unsafe fn release(&self, front: &Front);
}

impl Functions {
    pub const fn of<P: Peer>() -> Functions {
        Functions {
            create: create::<P>,
            enqueue: enqueue::<P>,
            synchronize: synchronize::<P>,
            acquire: acquire::<P>,
            release: release::<P>,
            destroy: destroy::<P>,
        }
    }
}

unsafe extern "C" fn create<P: Peer>(bytes: u64, worker_cpu: i32) -> *mut c_void {
    Box::into_raw(Box::new(P::create(bytes as usize, worker_cpu))).cast()
}

unsafe extern "C" fn enqueue<P: Peer>(peer: *mut c_void, offset: u64, data: *const u8, bytes: u64) -> i32 {
    // SAFETY: the harness passes what `create` gave and `bytes` readable bytes.
    unsafe {
        let data = std::slice::from_raw_parts(data, bytes as usize);
        (*peer.cast::<P>()).enqueue(offset as usize, data);
    }
    0
}

unsafe extern "C" fn synchronize<P: Peer>(peer: *mut c_void) -> i32 {
    // SAFETY: the harness passes what `create` gave.
    unsafe { (*peer.cast::<P>()).synchronize() };
    0
}

unsafe extern "C" fn acquire<P: Peer>(peer: *mut c_void, front: *mut Front) -> i32 {
    // SAFETY: the harness passes what `create` gave and a writable front.
    unsafe { front.write((*peer.cast::<P>()).acquire()) };
    0
}

unsafe extern "C" fn release<P: Peer>(peer: *mut c_void, front: *const Front) -> i32 {
    // SAFETY: the harness passes what `create` and `acquire` gave.
    unsafe { (*peer.cast::<P>()).release(&*front) };
    0
}

unsafe extern "C" fn destroy<P: Peer>(peer: *mut c_void) {
    // SAFETY: the harness passes what `create` gave, for the last time.
    drop(unsafe { Box::from_raw(peer.cast::<P>()) });
}
