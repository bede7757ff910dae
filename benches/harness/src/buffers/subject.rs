//! The device and buffer functions and structs of `backbuf.h` that the benches use.

use crate::backbuf;
use libloading::Library;
use std::ffi::{c_char, c_void};
use std::path::Path;
use std::ptr::{null, null_mut};

type Status = i32;
type Handle = *mut c_void;

pub const USAGE_UNIFORM: u32 = 4;
const USAGE_STORAGE: u32 = 8;
const USAGE_COPY_SRC: u32 = 16;
const FOREVER: u64 = u64::MAX;

#[repr(C)]
struct Desc {
    struct_size: u32,
    usage: u32,
    size: u64,
    mapped_at_creation: u8,
    reserved: [u8; 7],
    label: *const c_char,
}

#[repr(C)]
struct ReadbackConfig {
    struct_size: u32,
    frames: u32,
    size: u64,
    when_full: u32,
    reserved: u32,
    timeout_ns: u64,
    label: *const c_char,
}

#[repr(C)]
struct DynamicConfig {
    struct_size: u32,
    usage: u32,
    size: u64,
    frames: u32,
    policy: u32,
    timeout_ns: u64,
    most: u64,
    label: *const c_char,
}

#[repr(C)]
struct Span {
    data: *mut u8,
    bytes: u64,
}

#[repr(C)]
pub struct Slice {
    pub data: *mut u8,
    bytes: u64,
    buffer: u64,
    offset: u64,
    frame: u64,
}

macro_rules! functions {
    ($($field:ident $symbol:literal ($($argument:ty),*);)*) => {
        /// The library's functions, resolved once.
        #[derive(Clone, Copy)]
        pub struct Api {
            of_managers: backbuf::Api,
            $($field: unsafe extern "C" fn($($argument),*) -> Status,)*
        }

        impl Api {
            /// The library is never closed.
            pub fn open(path: &Path, of_managers: backbuf::Api) -> Result<Api, libloading::Error> {
                // SAFETY: the types are those of backbuf.h.
                unsafe {
                    let library = Box::leak(Box::new(Library::new(path)?));
                    Ok(Api { of_managers, $($field: *library.get($symbol)?,)* })
                }
            }
        }
    };
}

functions! {
    device_host b"bb_device_create_host" (u32, *const c_char, *mut Handle);
    device_gl b"bb_device_create_gl" (u32, *const c_void, *const c_void, *mut Handle);
    device_destroy b"bb_device_destroy" (Handle);
    wait_fence b"bb_device_wait_fence" (Handle, u64, u64);
    encoder_create b"bb_encoder_create" (Handle, *mut Handle);
    encoder_write b"bb_encoder_write" (Handle, Handle, u64, *const u8, u64);
    encoder_submit b"bb_encoder_submit" (Handle, *mut u64);
    encoder_destroy b"bb_encoder_destroy" (Handle);
    target_create b"bb_device_buffer_create" (Handle, *const Desc, *mut Handle);
    target_destroy b"bb_device_buffer_destroy" (Handle);
    staging_create b"bb_deferred_staging_create" (Handle, u64, *const c_char, *mut Handle);
    staging_map b"bb_deferred_staging_map_async" (Handle, *const c_void, *mut Handle);
    staging_bytes b"bb_deferred_staging_bytes" (Handle, *mut Span);
    staging_upload b"bb_deferred_staging_upload_to" (Handle, Handle, Handle, u64);
    staging_destroy b"bb_deferred_staging_destroy" (Handle);
    request_wait_any b"bb_request_wait_any" (*const Handle, u64, u64, *mut u64);
    request_release b"bb_request_release" (Handle);
    readback_create b"bb_readback_create" (Handle, *const ReadbackConfig, *mut Handle);
    readback_read b"bb_readback_read" (Handle, Handle, u64, u64, *mut Handle);
    readback_destroy b"bb_readback_destroy" (Handle);
    reading_wait b"bb_reading_wait" (Handle, u64);
    reading_bytes b"bb_reading_bytes" (Handle, *mut Span);
    reading_release b"bb_reading_release" (Handle);
    dynamic_create b"bb_dynamic_create" (Handle, *const DynamicConfig, *mut Handle);
    dynamic_update b"bb_dynamic_update" (Handle, *const u8, u64, *mut Slice);
    dynamic_flush b"bb_dynamic_flush" (Handle);
    dynamic_end_frame b"bb_dynamic_end_frame" (Handle);
    dynamic_destroy b"bb_dynamic_destroy" (Handle);
}

/// A device, and one object of each kind on it, each for `size` bytes.
pub struct Ours {
    api: Api,
    device: Handle,
    encoder: Handle,
    target: Handle,
    staging: Handle,
    readback: Handle,
    pub dynamic: Handle,
}

impl Ours {
    /// Creates them on OpenGL or host memory; the error is the reason why there is no such device.
    pub fn new(api: Api, gl: bool, size: u64, per_frame: u64, usage: u32) -> Result<Ours, String> {
        let made = |call: &dyn Fn(*mut Handle) -> Status| {
            let mut handle = null_mut();
            api.of_managers.expect(call(&mut handle));
            handle
        };
        // SAFETY: the outputs are writable, and the configs those of the header.
        unsafe {
            let mut device = null_mut();
            let status = match gl {
                true => (api.device_gl)(0, null(), null(), &mut device),
                false => (api.device_host)(0, null(), &mut device),
            };
            if status != 0 {
                return Err(format!("no such device here: status {status}"));
            }
            let desc = Desc {
                struct_size: size_of::<Desc>() as u32,
                usage: USAGE_STORAGE | USAGE_COPY_SRC,
                size,
                mapped_at_creation: 0,
                reserved: [0; 7],
                label: null(),
            };
            let readback = ReadbackConfig {
                struct_size: size_of::<ReadbackConfig>() as u32,
                frames: 3,
                size,
                when_full: 0,
                reserved: 0,
                timeout_ns: 0,
                label: null(),
            };
            let dynamic = DynamicConfig {
                struct_size: size_of::<DynamicConfig>() as u32,
                usage,
                size: per_frame,
                frames: 3,
                policy: 0,
                timeout_ns: FOREVER,
                most: 0,
                label: null(),
            };
            Ok(Ours {
                api,
                device,
                encoder: made(&|out| (api.encoder_create)(device, out)),
                target: made(&|out| (api.target_create)(device, &desc, out)),
                staging: made(&|out| (api.staging_create)(device, size, null(), out)),
                readback: made(&|out| (api.readback_create)(device, &readback, out)),
                dynamic: made(&|out| (api.dynamic_create)(device, &dynamic, out)),
            })
        }
    }

    #[inline(always)]
    fn expect(&self, status: Status) {
        self.api.of_managers.expect(status);
    }

    /// The staging buffer's bytes, mapped until the upload.
    pub fn map(&self) -> *mut [u8] {
        // SAFETY: the outputs are writable.
        unsafe {
            let (mut request, mut index) = (null_mut(), 0);
            self.expect((self.api.staging_map)(self.staging, null(), &mut request));
            self.expect((self.api.request_wait_any)(&request, 1, FOREVER, &mut index));
            self.expect((self.api.request_release)(request));
            let mut span = Span { data: null_mut(), bytes: 0 };
            self.expect((self.api.staging_bytes)(self.staging, &mut span));
            std::ptr::slice_from_raw_parts_mut(span.data, span.bytes as usize)
        }
    }

    fn submit(&self) {
        let mut fence = 0;
        // SAFETY: the output is writable.
        unsafe {
            self.expect((self.api.encoder_submit)(self.encoder, &mut fence));
            self.expect((self.api.wait_fence)(self.device, fence, FOREVER));
        }
    }

    /// Uploads through the staging buffer and waits for the device.
    pub fn upload(&self, data: &[u8]) {
        // SAFETY: the bytes are mapped, and not used by the device before the upload.
        unsafe { (&mut *self.map())[..data.len()].copy_from_slice(data) };
        // SAFETY: the handles are valid.
        self.expect(unsafe { (self.api.staging_upload)(self.staging, self.encoder, self.target, 0) });
        self.submit();
    }

    /// Writes without a staging buffer and waits for the device.
    pub fn write(&self, data: &[u8]) {
        // SAFETY: the data is valid until the submit.
        self.expect(unsafe {
            (self.api.encoder_write)(self.encoder, self.target, 0, data.as_ptr(), data.len() as u64)
        });
        self.submit();
    }

    /// Reads the device buffer; `inspect` gets the bytes in place.
    pub fn read(&self, inspect: impl FnOnce(&[u8])) {
        // SAFETY: the outputs are writable; the bytes are valid until the release.
        unsafe {
            let (mut reading, mut span) = (null_mut(), Span { data: null_mut(), bytes: 0 });
            let bytes = self.size();
            self.expect((self.api.readback_read)(self.readback, self.target, 0, bytes, &mut reading));
            self.expect((self.api.reading_wait)(reading, FOREVER));
            self.expect((self.api.reading_bytes)(reading, &mut span));
            inspect(std::slice::from_raw_parts(span.data, span.bytes as usize));
            self.expect((self.api.reading_release)(reading));
        }
    }

    fn size(&self) -> u64 {
        super::SIZE as u64
    }

    #[inline(always)]
    pub fn update(&self, data: &[u8]) {
        let mut slice = std::mem::MaybeUninit::uninit();
        // SAFETY: the data is readable and the output writable.
        self.expect(unsafe {
            (self.api.dynamic_update)(self.dynamic, data.as_ptr(), data.len() as u64, slice.as_mut_ptr())
        });
    }

    pub fn flush(&self) {
        // SAFETY: the handle is valid.
        self.expect(unsafe { (self.api.dynamic_flush)(self.dynamic) });
    }

    pub fn end_frame(&self) {
        // SAFETY: the handle is valid.
        self.expect(unsafe { (self.api.dynamic_end_frame)(self.dynamic) });
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        let api = self.api;
        // SAFETY: created in `new`, destroyed once.
        unsafe {
            self.expect((api.dynamic_destroy)(self.dynamic));
            self.expect((api.readback_destroy)(self.readback));
            self.expect((api.staging_destroy)(self.staging));
            self.expect((api.target_destroy)(self.target));
            self.expect((api.encoder_destroy)(self.encoder));
            self.expect((api.device_destroy)(self.device));
        }
    }
}
