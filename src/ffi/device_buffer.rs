//! `bb_device_buffer`: memory that only the device accesses, of a fixed size or growable.

use crate::alloc::{Arc, try_arc};
use crate::buffers::buffer::{Buffer, BufferDesc, CopyEnd, DeviceBuffer};
use crate::buffers::growable::GrowableBuffer;
use crate::device::device::Device;
use crate::device::driver::Native;
use crate::error::{Error, Label, Result, Status};
use crate::ffi::buffer::{bb_buffer_desc, bb_buffer_info, desc_of, describe};
use crate::ffi::guard::{destroy, on, with};
use crate::ffi::handle::{Kind, bb_buffer, bb_device, bb_device_buffer};
use crate::ffi::input;
use crate::ffi::object::{Object, create_at};
use crate::ffi::status::bb_status;
use crate::sync::mutex::Mutex;

/// The two kinds of device buffers. No lock is held across a call of the device, since callbacks take it too.
pub(super) enum DeviceBufferRole {
    Fixed(Arc<DeviceBuffer>),
    Growable(Mutex<Arc<GrowableBuffer>>),
}

impl Object for DeviceBufferRole {
    const KIND: Kind = Kind::DeviceBuffer;

    fn label(&self) -> Label {
        match self {
            DeviceBufferRole::Fixed(buffer) => buffer.buffer().label(),
            DeviceBufferRole::Growable(buffer) => GrowableBuffer::label(&buffer.lock()),
        }
    }
}

impl DeviceBufferRole {
    /// The current buffer, which lives as long as it is held.
    pub(super) fn share(&self) -> Arc<DeviceBuffer> {
        match self {
            DeviceBufferRole::Fixed(buffer) => buffer.clone(),
            DeviceBufferRole::Growable(buffer) => buffer.lock().share(),
        }
    }

    fn native(&self) -> Result<Native> {
        loop {
            let now = self.share();
            let native = now.buffer().native();
            // A buffer that has been replaced by a larger one is destroyed.
            if native.is_ok() || std::ptr::eq(&raw const *now, &raw const *self.share()) {
                return native;
            }
        }
    }

    fn generation(&self) -> u64 {
        match self {
            DeviceBufferRole::Fixed(_) => 1,
            DeviceBufferRole::Growable(buffer) => buffer.lock().generation(),
        }
    }

    fn reserve(&self, size: u64) -> Result<bool> {
        let DeviceBufferRole::Growable(now) = self else {
            let reason = "the buffer does not grow: create it with bb_device_buffer_create_growable()";
            return Err(Error::text(Status::State, reason));
        };
        loop {
            let before = now.lock().clone();
            let Some(next) = before.grown(size)? else { return Ok(false) };
            let next = shared(next)?;
            let mut now = now.lock();
            // Otherwise another thread has replaced it, perhaps by one that is large enough.
            if std::ptr::eq(&raw const **now, &raw const *before) {
                *now = next;
                drop(now);
                end(&before.share());
                return Ok(true);
            }
        }
    }
}

impl Drop for DeviceBufferRole {
    fn drop(&mut self) {
        end(&self.share());
    }
}

/// Destroys the buffer even while encoders hold it: what they have recorded is refused.
fn end(buffer: &DeviceBuffer) {
    buffer.buffer().inner.destroy();
}

fn shared<T>(value: T) -> Result<Arc<T>> {
    try_arc(value)
}

/// The source or destination of a copy behind a further handle of a call: a device buffer, or a `bb_buffer` cast to one.
pub(super) fn copy_end(handle: *const bb_device_buffer) -> Result<CopyEnd> {
    if Kind::of(handle as u64) == Some(Kind::Buffer) {
        return with(handle.cast::<bb_buffer>(), |buffer: &Buffer| Ok(CopyEnd::from(buffer)));
    }
    with(handle, |buffer: &DeviceBufferRole| Ok(CopyEnd::from(&*buffer.share())))
}

/// # Safety
///
/// Memory for a handle and a descriptor, or NULL.
unsafe fn create(
    desc: *const bb_buffer_desc,
    buffer: *mut *mut bb_device_buffer,
    make: impl FnOnce(BufferDesc<'_>) -> Result<DeviceBufferRole>,
) -> Result<()> {
    // SAFETY: promised by the caller.
    let (out, desc) = unsafe { (input::output(buffer, "buffer")?, desc_of(desc)?) };
    create_at(out, || make(desc))
}

/// Creates a buffer that is never mapped, of any number of bytes: staging buffers and `bb_encoder_write()` write it,
/// `bb_readback_read()` reads it.
///
/// @param device the device that owns the memory
/// @param desc parameters; `BB_USAGE_COPY_DST` is added
/// @param buffer the handle is written here; `bb_device_buffer_destroy()` ends it
/// @return BB_OK, BB_E_ARGUMENT (usage, label, mapped at creation), BB_E_LIMIT (too large for the device), BB_E_VERSION, a
///         device status, or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_buffer_create(
    device: *mut bb_device,
    desc: *const bb_buffer_desc,
    buffer: *mut *mut bb_device_buffer,
) -> bb_status {
    // SAFETY: the header requires memory for a handle, and a desc.
    on("bb_device_buffer_create", device, |device: &Device| unsafe {
        create(desc, buffer, |desc| Ok(DeviceBufferRole::Fixed(shared(DeviceBuffer::new(device, &desc)?)?)))
    })
}

/// Creates a device buffer that `bb_device_buffer_reserve()` can grow.
///
/// @param device the device that owns the memory
/// @param desc parameters; `BB_USAGE_COPY_SRC` and `BB_USAGE_COPY_DST` are added
/// @param buffer the handle is written here; `bb_device_buffer_destroy()` ends it
/// @return what `bb_device_buffer_create()` returns
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_buffer_create_growable(
    device: *mut bb_device,
    desc: *const bb_buffer_desc,
    buffer: *mut *mut bb_device_buffer,
) -> bb_status {
    // SAFETY: the header requires memory for a handle, and a desc.
    on("bb_device_buffer_create_growable", device, |device: &Device| unsafe {
        create(desc, buffer, |desc| {
            Ok(DeviceBufferRole::Growable(Mutex::new(shared(GrowableBuffer::new(device, &desc)?)?)))
        })
    })
}

/// Grows a buffer to at least `size` bytes. A smaller buffer is replaced by one at least twice as large, and the
/// device copies the bytes to it. The native handle and the generation change; the old memory is freed when the
/// device has finished with it. Copies that were recorded with the old buffer and not submitted are refused.
///
/// @param buffer a buffer made by `bb_device_buffer_create_growable()`
/// @param size the bytes needed
/// @param grew 1 is written here if it grew, else 0; may be NULL
/// @return BB_OK, BB_E_STATE (it does not grow), BB_E_LIMIT, a device status, or a handle status
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_buffer_reserve(
    buffer: *mut bb_device_buffer,
    size: u64,
    grew: *mut u32,
) -> bb_status {
    on("bb_device_buffer_reserve", buffer, |buffer: &DeviceBufferRole| {
        let grown = buffer.reserve(size)?;
        // SAFETY: the header requires memory for a number or NULL.
        unsafe { input::set_optional(grew, grown.into()) }
    })
}

/// Gets size, usage, state, generation and label of a device buffer.
///
/// @param buffer the buffer
/// @param struct_size `sizeof(bb_buffer_info)`
/// @param info output
/// @return BB_OK, BB_E_VERSION (struct_size), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_buffer_info_get(
    buffer: *mut bb_device_buffer,
    struct_size: u32,
    info: *mut bb_buffer_info,
) -> bb_status {
    // SAFETY: the header requires memory of `struct_size` bytes.
    on("bb_device_buffer_info_get", buffer, |buffer: &DeviceBufferRole| unsafe {
        let (generation, buffer) = (buffer.generation(), buffer.share());
        input::write_sized(struct_size, info, "info", |size| {
            describe(buffer.buffer(), buffer.size(), generation, size)
        })
    })
}

/// Gets the backend's own handle of the buffer: the name of an OpenGL buffer, or an address in host memory. The
/// program must wait for the fences of submitted work before it uses the memory.
///
/// @param buffer the buffer
/// @param native output
/// @return BB_OK, BB_E_TIMEOUT (the host has not driven the device for 30 s), BB_E_INTERRUPTED, BB_E_DEVICE_LOST,
///         BB_E_OUT_OF_MEMORY, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_device_buffer_native(
    buffer: *mut bb_device_buffer,
    native: *mut u64,
) -> bb_status {
    on("bb_device_buffer_native", buffer, |buffer: &DeviceBufferRole| {
        // SAFETY: the header requires memory for a number.
        let out = unsafe { input::output(native, "native") }?;
        out.set(buffer.native()?.0)
    })
}

/// Destroys a device buffer. Its memory is freed once the device has finished with it.
///
/// @param buffer the buffer; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside a call on it), BB_E_STALE (also for all but one of several threads that
///         destroy it), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_device_buffer_destroy(buffer: *mut bb_device_buffer) -> bb_status {
    destroy::<DeviceBufferRole, _>("bb_device_buffer_destroy", buffer)
}
