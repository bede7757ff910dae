//! Other loaded copies of the library: a handle that is theirs is told apart from garbage, and both places are named.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::null;

use super::status::bb_status;

/// The copy of the library that made a handle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner(libc::Dl_info);

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = home(own_place());
        write!(f, "made by {}, given to {}", path(&self.0), own.as_ref().map_or("?", path))
    }
}

/// `bb_handle_check`, as another version may have it.
type Check = unsafe extern "C" fn(*const c_void) -> i32;

/// The other copy that says that the handle is its own.
pub(crate) fn owner(handle: u64) -> Option<Owner> {
    let own = home(own_place())?;
    let mut loaded = Loaded { names: [null(); MOST], count: 0 };
    // SAFETY: `note` is given the place that it expects, and only during the call.
    unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut loaded).cast()) };
    loaded.names.iter().take(loaded.count).find_map(|&name| {
        // SAFETY: the name is the linker's, and nothing is loaded that is not: at worst the answer is null.
        let object = unsafe { libc::dlopen(name, libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        if object.is_null() {
            return None;
        }
        // SAFETY: an open object and a string.
        let symbol = unsafe { libc::dlsym(object, c"bb_handle_check".as_ptr()) };
        let found = home(symbol).filter(|info| info.dli_fbase != own.dli_fbase).filter(|_| {
            // SAFETY: the symbol of another copy of this library, whose type this is; it never asks further.
            let status =
                unsafe { std::mem::transmute::<*mut c_void, Check>(symbol)(handle as *const c_void) };
            status != bb_status::BB_E_HANDLE as i32
        });
        // SAFETY: opened above; the count of an object that stays loaded goes back to what it was.
        unsafe { libc::dlclose(object) };
        found.map(Owner)
    })
}

/// Something of this copy. Not an exported function: its address could be resolved into another copy.
fn own_place() -> *mut c_void {
    static PLACE: u8 = 0;
    (&raw const PLACE).cast_mut().cast()
}

/// Which loaded object an address belongs to.
fn home(place: *mut c_void) -> Option<libc::Dl_info> {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: writes a local that zero bytes are legal for; any address may be asked for.
    unsafe { (!place.is_null() && libc::dladdr(place, info.as_mut_ptr()) != 0).then(|| info.assume_init()) }
}

fn path(info: &libc::Dl_info) -> &str {
    if info.dli_fname.is_null() {
        return "?";
    }
    // SAFETY: a string of the dynamic linker, which stays while the object is loaded.
    unsafe { CStr::from_ptr(info.dli_fname) }.to_str().unwrap_or("?")
}

/// More loaded objects than any program has been seen with.
const MOST: usize = 1024;

struct Loaded {
    names: [*const c_char; MOST],
    count: usize,
}

/// Notes one object's name. The objects are asked afterwards: the linker's lock is held here.
unsafe extern "C" fn note(info: *mut libc::dl_phdr_info, _: usize, place: *mut c_void) -> c_int {
    // SAFETY: what `owner` passed, and what the linker passes.
    let (loaded, name) = unsafe { (&mut *place.cast::<Loaded>(), (*info).dlpi_name) };
    if let Some(free) = loaded.names.get_mut(loaded.count) {
        *free = name;
        loaded.count = loaded.count.saturating_add(1);
    }
    0
}
