//! The registry functions and structs of `backbuf.h` that the benches use.

use libloading::Library;
use std::ffi::{CStr, c_char, c_void};
use std::ops::Range;
use std::path::Path;

const SHARED: u32 = 1;
const F32: u32 = 11;

#[repr(C)]
struct Buffer {
    struct_size: u32,
    location: u32,
    name: *const c_char,
    aliases: *const c_char,
    size: u64,
    precision: u32,
    persistent: u32,
    begin: u64,
    end: u64,
}

#[repr(C)]
struct PlanConfig {
    struct_size: u32,
    threads: u32,
    budget_ns: u64,
    seed: u64,
    nodes: u64,
    target: u64,
    cancelled: Option<unsafe extern "C" fn(*mut c_void) -> i32>,
    cancelled_user_data: *mut c_void,
}

/// The first fields of `bb_registry_plans`; the library writes only the given size.
#[repr(C)]
#[derive(Default)]
struct Plan {
    struct_size: u32,
    shared_exact: u32,
    persistent_exact: u32,
    reserved: u32,
    shared_buffers: u64,
    shared_height: u64,
    shared_lower_bound: u64,
    shared_heuristic_height: u64,
}

#[repr(C)]
#[derive(Default)]
struct Allocator {
    struct_size: u32,
    words: [u32; 3],
    numbers: [u64; 4],
}

type Status = i32;
type Handle = *mut c_void;

/// The library's functions, resolved once.
pub struct Api {
    create: unsafe extern "C" fn(*const c_void, *mut Handle) -> Status,
    destroy: unsafe extern "C" fn(Handle) -> Status,
    register: unsafe extern "C" fn(Handle, u64, *const Buffer) -> Status,
    clear_layout: unsafe extern "C" fn(Handle, u64) -> Status,
    shared: unsafe extern "C" fn(Handle, u64, *mut u64) -> Status,
    find: unsafe extern "C" fn(Handle, u64, *const c_char, u32, *mut Allocator) -> Status,
    plan: unsafe extern "C" fn(Handle, u64, *const PlanConfig, u32, *mut Plan) -> Status,
}

impl Api {
    /// The library is never closed.
    pub fn open(path: &Path) -> Result<Api, libloading::Error> {
        // SAFETY: the types are those of backbuf.h.
        unsafe {
            let library = Box::leak(Box::new(Library::new(path)?));
            Ok(Api {
                create: *library.get(b"bb_registry_create")?,
                destroy: *library.get(b"bb_registry_destroy")?,
                register: *library.get(b"bb_registry_register")?,
                clear_layout: *library.get(b"bb_registry_clear_layout")?,
                shared: *library.get(b"bb_registry_shared_buffer_size")?,
                find: *library.get(b"bb_registry_get_allocator")?,
                plan: *library.get(b"bb_registry_plan")?,
            })
        }
    }
}

/// Heights of a plan.
pub struct Planned {
    pub height: u64,
    pub heuristic: u64,
    pub lower_bound: u64,
}

/// A registry through the C ABI.
pub struct Scratch<'a> {
    api: &'a Api,
    handle: Handle,
}

fn done(status: Status) {
    assert_eq!(status, 0, "a call of the registry was refused");
}

impl<'a> Scratch<'a> {
    pub fn new(api: &'a Api) -> Scratch<'a> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: NULL selects the defaults, and the output is writable.
        done(unsafe { (api.create)(std::ptr::null(), &mut handle) });
        Scratch { api, handle }
    }

    pub fn register(&self, parent: u64, name: &CStr, size: u64, aliases: Option<&CStr>, steps: Range<u64>) {
        let buffer = Buffer {
            struct_size: size_of::<Buffer>() as u32,
            location: SHARED,
            name: name.as_ptr(),
            aliases: aliases.map_or(std::ptr::null(), CStr::as_ptr),
            size,
            precision: F32,
            persistent: 0,
            begin: steps.start,
            end: steps.end,
        };
        // SAFETY: the buffer and its strings are valid.
        done(unsafe { (self.api.register)(self.handle, parent, &buffer) });
    }

    pub fn clear_layout(&self, parent: u64) {
        // SAFETY: takes no pointers but a valid handle.
        done(unsafe { (self.api.clear_layout)(self.handle, parent) });
    }

    pub fn shared(&self, parent: u64) -> u64 {
        let mut elements = 0;
        // SAFETY: the output is writable.
        done(unsafe { (self.api.shared)(self.handle, parent, &mut elements) });
        elements
    }

    pub fn find(&self, parent: u64, name: &CStr) {
        let (mut found, size) = (Allocator::default(), size_of::<Allocator>() as u32);
        // SAFETY: the name is a C string and the output writable.
        done(unsafe { (self.api.find)(self.handle, parent, name.as_ptr(), size, &mut found) });
        std::hint::black_box(found);
    }

    /// The quick plan, without a search.
    pub fn plan(&self, parent: u64) -> Planned {
        let config = PlanConfig {
            struct_size: size_of::<PlanConfig>() as u32,
            threads: 1,
            budget_ns: 0,
            seed: 0,
            nodes: 0,
            target: 0,
            cancelled: None,
            cancelled_user_data: std::ptr::null_mut(),
        };
        let (mut plan, size) = (Plan::default(), size_of::<Plan>() as u32);
        // SAFETY: the config is valid, and the output has the given size.
        done(unsafe { (self.api.plan)(self.handle, parent, &config, size, &mut plan) });
        Planned {
            height: plan.shared_height,
            heuristic: plan.shared_heuristic_height,
            lower_bound: plan.shared_lower_bound,
        }
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        // SAFETY: this object owns the handle.
        done(unsafe { (self.api.destroy)(self.handle) });
    }
}
