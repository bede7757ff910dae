//! The loaded object (shared library, plugin or program) that contains this copy of the library, and how it is kept loaded.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering::*};

/// The loaded object that contains an address.
pub(crate) fn object_of(address: *const c_void) -> Option<libc::Dl_info> {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: writes a local that zero bytes are legal for; any address may be asked for.
    unsafe {
        (!address.is_null() && libc::dladdr(address, info.as_mut_ptr()) != 0).then(|| info.assume_init())
    }
}

/// An address in this copy. An exported function's address could be resolved into another copy.
pub(crate) fn own_address() -> *const c_void {
    static OWN: u8 = 0;
    (&raw const OWN).cast()
}

/// Keeps the object that contains this copy loaded until the process ends. The shared library is linked so (`-z nodelete`); a
/// plugin that contains the static library is not: its `dlclose` would unmap code that the library's threads run, and code
/// that runs when other threads end.
pub(crate) fn keep_own() {
    static KEPT: AtomicBool = AtomicBool::new(false);
    if !KEPT.load(Relaxed) && !KEPT.swap(true, Relaxed) {
        keep(own_address());
    }
}

/// Keeps the object that contains an address loaded.
pub(crate) fn keep(address: *const c_void) {
    let Some(info) = object_of(address).filter(|info| info.dli_fbase != program()) else { return };
    // SAFETY: the loader's own name of a loaded object, which this neither loads nor runs.
    unsafe {
        let object = libc::dlopen(info.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
        if !object.is_null() {
            libc::dlclose(object);
        }
    }
}

/// The base address of the program, which is never unloaded; null if the loader does not know it.
fn program() -> *mut c_void {
    // SAFETY: reads a value that the kernel has set: the address of the program's headers.
    let headers = unsafe { libc::getauxval(libc::AT_PHDR) };
    object_of(headers as *const c_void).map_or(std::ptr::null_mut(), |info| info.dli_fbase)
}
