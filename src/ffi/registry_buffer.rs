//! `bb_registry_buffer`: a buffer that a parent needs.

use std::ffi::c_char;

use bitflags::bitflags;

use crate::error::{Error, Result, Status};
use crate::ffi::guard::guard;
use crate::ffi::input;
use crate::ffi::manager::bb_dtype;
use crate::ffi::status::bb_status;
use crate::registry::buffer::{BufferAttributes, Lifetime, check_size};
use crate::registry::options::{Location, Precision};

/// `bb_registry_buffer.location`: the block's shared memory.
pub const BB_LOCATION_SHARED: u32 = 1;
/// `bb_registry_buffer.location`: local memory of the thread, or its persistent array if the buffer is persistent.
pub const BB_LOCATION_LOCAL: u32 = 2;

/// `bb_registry_update_buffer()`: change the size.
pub const BB_FIELD_SIZE: u32 = 1;
/// `bb_registry_update_buffer()`: change the location.
pub const BB_FIELD_LOCATION: u32 = 2;
/// `bb_registry_update_buffer()`: change whether it is persistent.
pub const BB_FIELD_PERSISTENT: u32 = 4;
/// `bb_registry_update_buffer()`: change the alias.
pub const BB_FIELD_ALIASES: u32 = 8;
/// `bb_registry_update_buffer()`: change the precision.
pub const BB_FIELD_PRECISION: u32 = 16;
/// `bb_registry_update_buffer()`: change the lifetime.
pub const BB_FIELD_LIFETIME: u32 = 32;

bitflags! {
    /// The fields that an update changes.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Fields: u32 {
        const SIZE = BB_FIELD_SIZE;
        const LOCATION = BB_FIELD_LOCATION;
        const PERSISTENT = BB_FIELD_PERSISTENT;
        const ALIASES = BB_FIELD_ALIASES;
        const PRECISION = BB_FIELD_PRECISION;
        const LIFETIME = BB_FIELD_LIFETIME;
    }
}

/// A buffer to register. Fill it by `bb_registry_buffer_init()`, then set the name and what else is needed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_registry_buffer {
    /// Bytes of this struct in the caller's version.
    pub struct_size: u32,
    /// `BB_LOCATION_SHARED`, the default, or `BB_LOCATION_LOCAL`.
    pub location: u32,
    /// Name, 1 to 255 bytes of UTF-8, unique in the parent.
    pub name: *const c_char,
    /// A buffer, registered before, whose memory it shares if possible; NULL for none.
    pub aliases: *const c_char,
    /// Number of elements; may be 0.
    pub size: u64,
    /// `BB_F16`, `BB_F32` (the default), `BB_F64`, `BB_I32` or `BB_I64`.
    pub precision: u32,
    /// 1: it keeps its content between calls. Matters for local buffers.
    pub persistent: u32,
    /// First step in which it is alive.
    pub begin: u64,
    /// One past the last step in which it is alive. `begin` and `end` both 0: always alive.
    pub end: u64,
}

/// A buffer with checked strings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    pub(super) name: &'a str,
    pub(super) aliases: Option<&'a str>,
    raw: bb_registry_buffer,
}

fn defaults() -> bb_registry_buffer {
    bb_registry_buffer {
        struct_size: size_of::<bb_registry_buffer>() as u32,
        location: BB_LOCATION_SHARED,
        name: std::ptr::null(),
        aliases: std::ptr::null(),
        size: 0,
        precision: bb_dtype::BB_F32 as u32,
        persistent: 0,
        begin: 0,
        end: 0,
    }
}

/// Fills a buffer with the defaults: no name, no elements, shared, f32.
///
/// @param buffer output
/// @return BB_OK, BB_E_NULL
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_buffer_init(buffer: *mut bb_registry_buffer) -> bb_status {
    // SAFETY: the header requires memory for a buffer.
    guard("bb_registry_buffer_init", || unsafe { input::output(buffer, "buffer") }?.set(defaults()))
}

/// Reads the struct and its strings.
///
/// # Safety
///
/// NULL, or a struct that is as long as it says, with strings or NULL.
pub(super) unsafe fn read<'a>(given: *const bb_registry_buffer, param: &'static str) -> Result<Given<'a>> {
    // SAFETY: promised by the caller.
    unsafe {
        let raw = input::required_struct(given, defaults(), param)?;
        let name = input::required_name(raw.name, "name")?;
        Ok(Given { name, aliases: aliases(raw.aliases)?, raw })
    }
}

/// The name of an alias target, or NULL.
///
/// # Safety
///
/// NULL, or a string.
pub(super) unsafe fn aliases<'a>(given: *const c_char) -> Result<Option<&'a str>> {
    // SAFETY: promised by the caller.
    (!given.is_null()).then(|| unsafe { input::name(given, "aliases") }).transpose()
}

fn location_of(code: u32) -> Result<Location> {
    match code {
        BB_LOCATION_SHARED => Ok(Location::Shared),
        BB_LOCATION_LOCAL => Ok(Location::Local),
        other => Err(Error::value(
            Status::Argument,
            "location",
            other,
            "use BB_LOCATION_SHARED or BB_LOCATION_LOCAL",
        )),
    }
}

/// The `bb_dtype` of a precision.
pub(super) fn precision_code(precision: Precision) -> u32 {
    (match precision {
        Precision::F16 => bb_dtype::BB_F16,
        Precision::F32 => bb_dtype::BB_F32,
        Precision::F64 => bb_dtype::BB_F64,
        Precision::I32 => bb_dtype::BB_I32,
        Precision::I64 => bb_dtype::BB_I64,
    }) as u32
}

fn precision_of(code: u32) -> Result<Precision> {
    Precision::ALL.into_iter().find(|&precision| precision_code(precision) == code).ok_or_else(|| {
        let reason = "use BB_F16, BB_F32, BB_F64, BB_I32 or BB_I64";
        Error::value(Status::Argument, "precision", code, reason)
    })
}

impl Given<'_> {
    fn lifetime(&self) -> Option<Lifetime> {
        let (begin, end) = (self.raw.begin, self.raw.end);
        ((begin, end) != (0, 0)).then_some(Lifetime { begin, end })
    }

    /// The checked fields. Errors of names come before theirs.
    pub(super) fn spec(&self) -> Result<BufferAttributes> {
        // A size out of range is reported before an unknown location.
        check_size(self.raw.size)?;
        Ok(BufferAttributes {
            size: self.raw.size,
            location: location_of(self.raw.location)?,
            persistent: input::flag(self.raw.persistent, "persistent")?,
            precision: precision_of(self.raw.precision)?,
            lifetime: self.lifetime(),
        })
    }

    /// `spec` with some of this buffer's fields.
    pub(super) fn change(&self, mut spec: BufferAttributes, fields: Fields) -> Result<BufferAttributes> {
        if fields.contains(Fields::SIZE) {
            check_size(self.raw.size)?;
            spec.size = self.raw.size;
        }
        if fields.contains(Fields::LOCATION) {
            spec.location = location_of(self.raw.location)?;
        }
        if fields.contains(Fields::PERSISTENT) {
            spec.persistent = input::flag(self.raw.persistent, "persistent")?;
        }
        if fields.contains(Fields::PRECISION) {
            spec.precision = precision_of(self.raw.precision)?;
        }
        if fields.contains(Fields::LIFETIME) {
            spec.lifetime = self.lifetime();
        }
        Ok(spec)
    }
}
