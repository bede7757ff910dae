//! The OpenGL functions and structs of `backbuf.h` that the benches use.

use super::bare::{Bare, Buffer};
use crate::backbuf::{self, FOREVER, Front, Update};
use libloading::Library;
use std::ffi::{c_char, c_void};
use std::path::Path;
use std::ptr::{null, null_mut};

const U8: u32 = 1;

#[repr(C)]
struct GlConfig {
    struct_size: u32,
    reserved: u32,
    label: *const c_char,
    egl_display: *mut c_void,
    egl_context: *mut c_void,
}

#[repr(C)]
struct GlFront {
    buffer: u32,
    slot: u32,
    offset: u64,
    bytes: u64,
    epoch: u64,
    tag: u64,
    lease: *mut c_void,
}

type Status = i32;
type Device = *mut c_void;
type Manager = *mut c_void;

/// The library's functions, resolved once.
#[derive(Clone, Copy)]
pub struct Api {
    of_managers: backbuf::Api,
    device_create: unsafe extern "C" fn(u32, *const c_void, *const GlConfig, *mut Device) -> Status,
    device_destroy: unsafe extern "C" fn(Device) -> Status,
    create: unsafe extern "C" fn(Device, u32, u32, *const u64, config: *const c_void, *mut Manager) -> Status,
    acquire: unsafe extern "C" fn(Manager, *mut GlFront) -> Status,
    release: unsafe extern "C" fn(*mut c_void) -> Status,
}

impl Api {
    /// The library is never closed.
    pub fn open(path: &Path, of_managers: backbuf::Api) -> Result<Api, libloading::Error> {
        // SAFETY: the types are those of backbuf.h.
        unsafe {
            let library = Box::leak(Box::new(Library::new(path)?));
            Ok(Api {
                of_managers,
                device_create: *library.get(b"bb_device_create_gl")?,
                device_destroy: *library.get(b"bb_device_destroy")?,
                create: *library.get(b"bb_manager_create_gl")?,
                acquire: *library.get(b"bb_manager_acquire_front_gl")?,
                release: *library.get(b"bb_lease_release_gl")?,
            })
        }
    }
}

/// A manager on a device that shares its buffers with the harness's context, as in a renderer.
pub struct Ours<'a> {
    api: Api,
    bare: &'a Bare,
    device: Device,
    manager: Manager,
    bytes: u64,
}

impl<'a> Ours<'a> {
    pub fn new(api: Api, bare: &'a Bare, bytes: u64) -> Ours<'a> {
        let (egl_display, egl_context) = bare.raw();
        let struct_size = size_of::<GlConfig>() as u32;
        let config = GlConfig { struct_size, reserved: 0, label: null(), egl_display, egl_context };
        let (mut device, mut manager) = (null_mut(), null_mut());
        // SAFETY: config and shape are valid, the outputs writable; NULL selects the defaults.
        unsafe {
            api.of_managers.expect((api.device_create)(0, null(), &config, &mut device));
            api.of_managers.expect((api.create)(device, U8, 1, &bytes, null(), &mut manager));
        }
        Ours { api, bare, device, manager, bytes }
    }

    #[inline(always)]
    pub fn enqueue(&self, offset: u64, data: &[u8]) {
        let update = Update {
            byte_offset: offset,
            count: data.len() as u64,
            data: data.as_ptr(),
            field: 0,
            reserved: 0,
        };
        let api = &self.api.of_managers;
        // SAFETY: the manager is live and the data readable.
        api.expect(unsafe { (api.enqueue)(self.manager, &update, FOREVER) });
    }

    #[inline(always)]
    pub fn synchronize(&self) {
        let api = &self.api.of_managers;
        // SAFETY: the manager is live.
        api.expect(unsafe { (api.synchronize)(self.manager, FOREVER) });
    }

    /// Copies the front out of host memory.
    pub fn read(&self, data: &mut [u8]) {
        let api = &self.api.of_managers;
        let mut front = std::mem::MaybeUninit::<Front>::uninit();
        // SAFETY: the manager is live; a front has the state's bytes and is released once.
        unsafe {
            api.expect((api.acquire_front)(self.manager, front.as_mut_ptr()));
            let front = front.assume_init();
            assert!(data.len() as u64 <= front.bytes);
            front.data.copy_to_nonoverlapping(data.as_mut_ptr(), data.len());
            api.expect((api.lease_release)(front.lease));
        }
    }

    /// The content of the front's buffer, as a renderer sees it.
    pub fn read_buffer(&self) -> Vec<u8> {
        let api = &self.api.of_managers;
        let mut front = std::mem::MaybeUninit::<GlFront>::uninit();
        // SAFETY: the manager is live; the harness's context, which shares its buffers, is current.
        unsafe {
            api.expect((self.api.acquire)(self.manager, front.as_mut_ptr()));
            let front = front.assume_init();
            let data = Buffer::of(self.bare, front.buffer, self.bytes as usize);
            api.expect((self.api.release)(front.lease));
            data
        }
    }
}

impl Drop for Ours<'_> {
    fn drop(&mut self) {
        let api = &self.api.of_managers;
        // SAFETY: no other reference exists.
        unsafe {
            api.expect((api.destroy)(self.manager));
            api.expect((self.api.device_destroy)(self.device));
        }
    }
}
