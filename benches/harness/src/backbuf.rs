//! The functions and structs of `backbuf.h` that the benches use, loaded from the shared library as in a C program.

use crate::spsc::inline::InlineFunctions;
use libloading::Library;
use std::ffi::{CStr, c_char, c_void};
use std::path::Path;

pub const FOREVER: u64 = u64::MAX;
pub const FULL: Status = -15;
pub const EMPTY: Status = -16;
pub const U64: u32 = 4;

#[repr(C)]
pub struct Update {
    pub byte_offset: u64,
    pub count: u64,
    pub data: *const u8,
    pub field: u32,
    pub reserved: u32,
}

/// A field of a new manager.
#[repr(C)]
pub struct FieldSpec {
    pub name: *const c_char,
    pub dtype: u32,
    pub ndim: u32,
    pub shape: *const u64,
    pub initial: *const c_void,
}

#[repr(C)]
pub struct Front {
    pub data: *const u8,
    pub bytes: u64,
    pub epoch: u64,
    pub tag: u64,
    pub lease: *mut c_void,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct FeedInfo {
    pub struct_size: u32,
    pub status: i32,
    pub records: u64,
    pub batches: u64,
    pub bytes: u64,
    pub message: [c_char; 256],
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct ByteRange {
    pub offset: u64,
    pub bytes: u64,
}

/// A reservation of the back copy.
#[repr(C)]
pub struct Back {
    pub data: *mut u8,
    pub front: *const u8,
    pub bytes: u64,
    pub epoch: u64,
    pub token: u64,
}

#[repr(C)]
pub struct Config {
    pub struct_size: u32,
    pub copies: u32,
    pub label: *const c_char,
    pub initial: *const c_void,
    pub queue_bytes: u64,
    pub watchdog_ns: u64,
    pub caller_budget_bytes: u64,
    pub flush: Option<Flush>,
    pub flush_user_data: *mut c_void,
    pub flush_drop: Option<unsafe extern "C" fn(*mut c_void)>,
    pub worker: u32,
    pub worker_priority: i32,
    pub worker_affinity: u64,
    pub max_extra_copies: u32,
    pub history: u32,
    pub device: *mut c_void,
}

pub type Flush = unsafe extern "C" fn(*mut c_void) -> i32;
type Status = i32;
type Manager = *mut c_void;
type Sender = *mut c_void;
type Receiver = *mut c_void;
type FrontChanges = unsafe extern "C" fn(
    *const Front,
    since_epoch: u64,
    field: u32,
    *mut ByteRange,
    capacity: u64,
    count: *mut u64,
    complete: *mut bool,
) -> Status;
type Read = unsafe extern "C" fn(
    Manager,
    field: u32,
    byte_offset: u64,
    dst: *mut c_void,
    bytes: u64,
    epoch: *mut u64,
    tag: *mut u64,
) -> Status;
pub type MarkWritten =
    unsafe extern "C" fn(Manager, *const Back, field: u32, *const ByteRange, count: u64) -> Status;
type Send = unsafe extern "C" fn(Sender, data: *const u8, bytes: u64, sent: *mut u64) -> Status;

/// The library's functions, resolved once.
#[derive(Clone, Copy)]
pub struct Api {
    config_init: unsafe extern "C" fn(*mut Config) -> Status,
    create: unsafe extern "C" fn(u32, u32, *const u64, *const Config, *mut Manager) -> Status,
    create_fields: unsafe extern "C" fn(*const FieldSpec, u64, *const Config, *mut Manager) -> Status,
    pub enqueue: unsafe extern "C" fn(Manager, *const Update, u64) -> Status,
    pub synchronize: unsafe extern "C" fn(Manager, u64) -> Status,
    pub acquire_front: unsafe extern "C" fn(Manager, *mut Front) -> Status,
    pub read: Read,
    pub front_changes: FrontChanges,
    pub lease_release: unsafe extern "C" fn(*mut c_void) -> Status,
    pub destroy: unsafe extern "C" fn(Manager) -> Status,
    pub reserve_back: unsafe extern "C" fn(Manager, flags: u32, timeout: u64, *mut Back) -> Status,
    /// None in libraries before it.
    pub mark_written: Option<MarkWritten>,
    pub commit_back: unsafe extern "C" fn(Manager, *const Back, tag: u64) -> Status,
    spsc_create: unsafe extern "C" fn(u64, config: *const c_void, *mut Sender, *mut Receiver) -> Status,
    pub send: Send,
    pub feed: Send,
    pub flush: unsafe extern "C" fn(Sender) -> Status,
    pub sender_destroy: unsafe extern "C" fn(Sender) -> Status,
    pub recv: unsafe extern "C" fn(Receiver, data: *mut u8, bytes: u64, got: *mut u64) -> Status,
    pub wait_readable: unsafe extern "C" fn(Receiver, bytes: u64, timeout: u64) -> Status,
    pub receiver_destroy: unsafe extern "C" fn(Receiver) -> Status,
    /// None in a library without them.
    pub inline: Option<InlineFunctions>,
    pub manager_feed: unsafe extern "C" fn(Manager, Receiver, *mut *mut c_void) -> Status,
    pub feed_status: unsafe extern "C" fn(*mut c_void, struct_size: u32, *mut FeedInfo) -> Status,
    pub feed_destroy: unsafe extern "C" fn(*mut c_void) -> Status,
    last_error: unsafe extern "C" fn() -> *const c_char,
    build_info: unsafe extern "C" fn() -> *const c_char,
}

impl Api {
    /// The library is never closed: it owns threads.
    pub fn open(path: &Path) -> Result<Api, libloading::Error> {
        // SAFETY: the types are those of backbuf.h.
        unsafe {
            let library = Box::leak(Box::new(Library::new(path)?));
            Ok(Api {
                config_init: *library.get(b"bb_manager_config_init")?,
                create: *library.get(b"bb_manager_create")?,
                create_fields: *library.get(b"bb_manager_create_fields")?,
                enqueue: *library.get(b"bb_manager_enqueue_update")?,
                synchronize: *library.get(b"bb_manager_synchronize")?,
                acquire_front: *library.get(b"bb_manager_acquire_front")?,
                read: *library.get(b"bb_manager_read")?,
                front_changes: *library.get(b"bb_front_changes")?,
                lease_release: *library.get(b"bb_lease_release")?,
                destroy: *library.get(b"bb_manager_destroy")?,
                reserve_back: *library.get(b"bb_manager_reserve_back")?,
                mark_written: library.get(b"bb_manager_mark_written").ok().map(|function| *function),
                commit_back: *library.get(b"bb_manager_commit_back")?,
                spsc_create: *library.get(b"bb_spsc_create")?,
                send: *library.get(b"bb_sender_send")?,
                feed: *library.get(b"bb_sender_feed")?,
                flush: *library.get(b"bb_sender_flush")?,
                sender_destroy: *library.get(b"bb_sender_destroy")?,
                recv: *library.get(b"bb_receiver_recv")?,
                wait_readable: *library.get(b"bb_receiver_wait_readable")?,
                receiver_destroy: *library.get(b"bb_receiver_destroy")?,
                inline: InlineFunctions::of(library),
                manager_feed: *library.get(b"bb_manager_feed")?,
                feed_status: *library.get(b"bb_feed_status")?,
                feed_destroy: *library.get(b"bb_feed_destroy")?,
                last_error: *library.get(b"bb_last_error")?,
                build_info: *library.get(b"bb_build_info")?,
            })
        }
    }

    /// A one-dimensional manager with the default configuration, changed by `adjust`.
    pub fn manager(&self, dtype: u32, count: u64, adjust: impl FnOnce(&mut Config)) -> Manager {
        // SAFETY: the length is readable.
        self.made(adjust, |config, manager| unsafe { (self.create)(dtype, 1, &count, config, manager) })
    }

    /// The same with fields.
    pub fn fields(&self, fields: &[FieldSpec], adjust: impl FnOnce(&mut Config)) -> Manager {
        let count = fields.len() as u64;
        // SAFETY: the fields are readable, and so is what they point to.
        self.made(adjust, |config, manager| unsafe {
            (self.create_fields)(fields.as_ptr(), count, config, manager)
        })
    }

    fn made(
        &self,
        adjust: impl FnOnce(&mut Config),
        create: impl FnOnce(*const Config, *mut Manager) -> Status,
    ) -> Manager {
        let mut manager = std::ptr::null_mut();
        // SAFETY: the configuration is initialised by the library before it is read.
        unsafe {
            let mut config = std::mem::MaybeUninit::uninit();
            self.expect((self.config_init)(config.as_mut_ptr()));
            let mut config = config.assume_init();
            adjust(&mut config);
            self.expect(create(&config, &mut manager));
        }
        manager
    }

    /// A ring with the default configuration.
    pub fn ring(&self, capacity: u64) -> (Sender, Receiver) {
        let (mut sender, mut receiver) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: there is room for both ends.
        self.expect(unsafe { (self.spsc_create)(capacity, std::ptr::null(), &mut sender, &mut receiver) });
        (sender, receiver)
    }

    #[inline(always)]
    pub fn expect(&self, status: Status) {
        if status != 0 {
            self.fail(status);
        }
    }

    #[cold]
    fn fail(&self, status: Status) -> ! {
        panic!("status {status}: {}", text(unsafe { (self.last_error)() }))
    }

    pub fn build_info(&self) -> String {
        text(unsafe { (self.build_info)() })
    }
}

fn text(pointer: *const c_char) -> String {
    // SAFETY: the library returns a NUL-terminated string that lives until this thread's next call.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}
