//! Other copies of the library in this process: their tags, and whether they made a handle.
//!
//! A copy is found by its `bb_handle_check`. The list of loaded objects is searched once, and again when it has changed.

use std::ffi::{CStr, c_int, c_void};
use std::fmt;
use std::ptr::null_mut;

use crate::ffi::handle;
use crate::ffi::status::bb_status;
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*};
use crate::sys::loaded_object::{keep, object_of, own_address};

/// The copy of the library that made a handle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner(libc::Dl_info);

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = object_of(own_address());
        write!(f, "made by {}, given to {}", path(&self.0), own.as_ref().map_or("?", path))
    }
}

/// `bb_handle_check` of another copy, perhaps of another version. It calls no other copy.
type Check = unsafe extern "C" fn(*const c_void) -> i32;

/// The other copy that made the handle.
pub(crate) fn owner(handle: u64) -> Option<Owner> {
    search();
    found().find(|&copy| knows(copy, handle)).and_then(object_of).map(Owner)
}

/// Whether another copy has this tag, or had it before a fork.
pub(crate) fn has_tag(tag: u16) -> bool {
    // A forked child does not search: its parent's other threads may have held the loader's locks.
    // SAFETY: takes nothing.
    let process = unsafe { libc::getpid() } as u32;
    if SEARCHED_BY.compare_exchange(0, process, Relaxed, Relaxed).map_or_else(|by| by == process, |_| true) {
        search();
    }
    found().any(|copy| knows(copy, handle::never_given(tag)))
}

/// Whether the copy takes the handle for one of its own, live or not.
fn knows(copy: *const c_void, handle: u64) -> bool {
    // SAFETY: the symbol of another copy of this library, which stays loaded and whose type this is.
    let status = unsafe { std::mem::transmute::<*const c_void, Check>(copy)(handle as *const c_void) };
    status != bb_status::BB_E_HANDLE as i32
}

/// Maximum number of copies; further ones are not found.
const MOST: usize = 16;

/// The `bb_handle_check` of each copy found. The copies stay loaded.
static FOUND: [AtomicPtr<c_void>; MOST] = [const { AtomicPtr::new(null_mut()) }; MOST];

/// Number of objects loaded so far at the last search; 0 for no search.
static SEARCHED: AtomicU64 = AtomicU64::new(0);

/// The first process that searched; a forked child inherits it.
static SEARCHED_BY: AtomicU32 = AtomicU32::new(0);

fn found() -> impl Iterator<Item = *const c_void> {
    FOUND.iter().map(|copy| copy.load(Acquire).cast_const()).take_while(|copy| !copy.is_null())
}

/// Adds a copy to the list, if it is not there.
fn add(copy: *mut c_void) {
    for free in &FOUND {
        match free.compare_exchange(null_mut(), copy, AcqRel, Acquire) {
            Ok(_) => return,
            Err(earlier) if earlier == copy => return,
            Err(_) => {}
        }
    }
}

/// Finds the copies loaded since the last search.
fn search() {
    let mut loads = 0u64;
    // SAFETY: `store_loads` gets the pointer that it expects, during the call only.
    unsafe { libc::dl_iterate_phdr(Some(store_loads), (&raw mut loads).cast()) };
    if loads == SEARCHED.load(Acquire) {
        return;
    }
    let mut names = Vec::new();
    // SAFETY: as above.
    unsafe { libc::dl_iterate_phdr(Some(store_name), (&raw mut names).cast()) };
    let own = object_of(own_address()).map(|info| info.dli_fbase);
    for name in
        names.split_inclusive(|&byte| byte == 0).filter_map(|name| CStr::from_bytes_with_nul(name).ok())
    {
        // SAFETY: nothing is loaded by this; if the object was unloaded, the result is null. The object is open while it is read, and
        // closed once; a copy that it contains or depends on is kept before that.
        unsafe {
            let object = libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
            if object.is_null() {
                continue;
            }
            let check = libc::dlsym(object, c"bb_handle_check".as_ptr());
            if object_of(check).is_some_and(|info| Some(info.dli_fbase) != own) {
                keep(check);
                add(check);
            }
            libc::dlclose(object);
        }
    }
    SEARCHED.store(loads, Release);
}

/// Stores the number of objects loaded so far, which every object's record has, and ends the iteration.
unsafe extern "C" fn store_loads(info: *mut libc::dl_phdr_info, _: usize, place: *mut c_void) -> c_int {
    // SAFETY: what `search` passed, and what the loader passes.
    unsafe { place.cast::<u64>().write((*info).dlpi_adds) };
    1
}

/// Stores the name of one object. The objects are opened afterwards, since the loader's lock is held here.
unsafe extern "C" fn store_name(info: *mut libc::dl_phdr_info, _: usize, place: *mut c_void) -> c_int {
    // SAFETY: what `search` passed, and what the loader passes.
    let (names, name) = unsafe { (&mut *place.cast::<Vec<u8>>(), CStr::from_ptr((*info).dlpi_name)) };
    let name = name.to_bytes_with_nul();
    if names.try_reserve(name.len()).is_err() {
        return 1;
    }
    names.extend_from_slice(name);
    0
}

fn path(info: &libc::Dl_info) -> &str {
    if info.dli_fname.is_null() {
        return "?";
    }
    // SAFETY: a string of the dynamic loader, valid while the object is loaded.
    unsafe { CStr::from_ptr(info.dli_fname) }.to_str().unwrap_or("?")
}
