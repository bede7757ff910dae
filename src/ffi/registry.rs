//! `bb_registry`: creation, registrations and destruction.

use std::ffi::c_char;

use crate::error::{Error, Label, Result, Status};
use crate::ffi::guard::{destroy, guard, on};
use crate::ffi::handle::{Kind, bb_registry};
use crate::ffi::object::{Object, create_at};
use crate::ffi::registry_buffer::{Fields, bb_registry_buffer};
use crate::ffi::status::bb_status;
use crate::ffi::{input, registry_buffer};
use crate::registry::options::{LayoutOptions, SharedPer};
use crate::registry::registry::BufferRegistry;

/// `shared_per`: one shared region per block.
pub const BB_SHARED_PER_BLOCK: u32 = 1;
/// `shared_per`: one shared region per thread of a block.
pub const BB_SHARED_PER_THREAD: u32 = 2;

/// Parameters of a new registry, or layout options of one parent. Fill it by `bb_registry_config_init()`, then change
/// what is needed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct bb_registry_config {
    /// Bytes of this struct in the caller's version.
    pub struct_size: u32,
    /// 1: offsets are computed in bytes and aligned by precision, so that a region may mix precisions. 0: a region
    /// counts elements, and has no size in bytes if it mixes precisions.
    pub typed: u32,
    /// Label of the registry in messages: UTF-8, cut at 63 bytes; NULL for none.
    pub label: *const c_char,
    /// 1, the default: in a typed layout of 4-byte elements with one region per thread, the stride from thread to
    /// thread is an odd number of words.
    pub bank_skew: u32,
    /// 1: an alias never overlaps a persistent buffer or a child's region that contains one. 0 by default.
    pub protect_persistent: u32,
    /// Owner of a shared region: `BB_SHARED_PER_BLOCK`, the default, or `BB_SHARED_PER_THREAD`.
    pub shared_per: u32,
    /// 0.
    pub reserved: u32,
}

impl Object for BufferRegistry {
    const KIND: Kind = Kind::Registry;

    fn label(&self) -> Label {
        BufferRegistry::label(self)
    }
}

fn defaults() -> bb_registry_config {
    let core = LayoutOptions::default();
    bb_registry_config {
        struct_size: size_of::<bb_registry_config>() as u32,
        typed: u32::from(core.typed),
        label: std::ptr::null(),
        bank_skew: u32::from(core.bank_skew),
        protect_persistent: u32::from(core.protect_persistent),
        shared_per: per_code(core.shared_per),
        reserved: 0,
    }
}

pub(super) fn per_code(per: SharedPer) -> u32 {
    match per {
        SharedPer::Block => BB_SHARED_PER_BLOCK,
        SharedPer::Thread => BB_SHARED_PER_THREAD,
    }
}

pub(super) fn per_of(code: u32) -> Result<SharedPer> {
    match code {
        BB_SHARED_PER_BLOCK => Ok(SharedPer::Block),
        BB_SHARED_PER_THREAD => Ok(SharedPer::Thread),
        other => Err(Error::value(
            Status::Argument,
            "shared_per",
            other,
            "use BB_SHARED_PER_BLOCK or BB_SHARED_PER_THREAD",
        )),
    }
}

/// The options and the label of a config; NULL is the defaults.
///
/// # Safety
///
/// NULL, or a config that is as long as it says, with a label that is a string or NULL.
unsafe fn read<'a>(config: *const bb_registry_config) -> Result<(&'a str, LayoutOptions)> {
    // SAFETY: promised by the caller.
    let config = unsafe { input::optional_struct(config, defaults()) }?;
    input::reserved(config.reserved, "reserved")?;
    let options = LayoutOptions {
        typed: input::flag(config.typed, "typed")?,
        bank_skew: input::flag(config.bank_skew, "bank_skew")?,
        protect_persistent: input::flag(config.protect_persistent, "protect_persistent")?,
        shared_per: per_of(config.shared_per)?,
    };
    // SAFETY: promised by the caller.
    Ok((unsafe { input::name(config.label, "label") }?, options))
}

/// Fills a config with the defaults.
///
/// @param config output
/// @return BB_OK, BB_E_NULL
/// @realtime wait-free, no system call, no allocation
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_config_init(config: *mut bb_registry_config) -> bb_status {
    // SAFETY: the header requires memory for a config.
    guard("bb_registry_config_init", || unsafe { input::output(config, "config") }?.set(defaults()))
}

/// Creates an empty registry: it records the named buffers that each owner, the parent, needs, and computes their
/// layout.
///
/// A parent is any number that the caller chooses, such as the address of an object; it is never dereferenced. A
/// registry has one lock; every query returns a copy.
///
/// @param config the layout options of new parents, or NULL for the defaults
/// @param registry the handle is written here
/// @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (config, label that is not UTF-8), BB_E_VERSION (struct_size),
///         BB_E_OUT_OF_MEMORY, BB_E_LIMIT (handles)
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_create(
    config: *const bb_registry_config,
    registry: *mut *mut bb_registry,
) -> bb_status {
    guard("bb_registry_create", || {
        // SAFETY: the header requires memory for a handle, and a config or NULL.
        let (out, (label, options)) = unsafe { (input::output(registry, "registry")?, read(config)?) };
        create_at(out, || Ok(BufferRegistry::with_options(label, options)))
    })
}

/// Adds a buffer at the end of the parent's order. The first buffer creates the parent.
///
/// Errors are checked in this order: an empty, too long or non-UTF-8 name; an alias of itself; a name that exists; a
/// missing alias target; size, location, precision, lifetime.
///
/// @param r the registry
/// @param parent the owner of the buffer
/// @param buffer the buffer; read during the call only
/// @return BB_OK, BB_E_ARGUMENT (name, location, precision, persistent), BB_E_ALIAS_SELF, BB_E_EXISTS (use
///         `bb_registry_replace()`), BB_E_ALIAS_MISSING, BB_E_RANGE (size, lifetime, a sum that overflows), BB_E_VERSION,
///         BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_register(
    r: *mut bb_registry,
    parent: u64,
    buffer: *const bb_registry_buffer,
) -> bb_status {
    on("bb_registry_register", r, |r: &BufferRegistry| {
        // SAFETY: the header requires a buffer with its strings.
        let buffer = unsafe { registry_buffer::read(buffer, "buffer") }?;
        r.register_with(parent, buffer.name, buffer.aliases, || buffer.spec())
    })
}

/// Replaces a buffer by another one of the same name, at the same position in the order.
///
/// @param r the registry
/// @param parent the owner of the buffer
/// @param buffer the new buffer; its alias target must come before it in the order
/// @return BB_E_NO_PARENT, BB_E_NO_NAME, BB_E_ALIAS_ORDER (the target comes later), BB_E_STATE (the hidden buffer of
///         a child), and what `bb_registry_register()` returns
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_replace(
    r: *mut bb_registry,
    parent: u64,
    buffer: *const bb_registry_buffer,
) -> bb_status {
    on("bb_registry_replace", r, |r: &BufferRegistry| {
        // SAFETY: the header requires a buffer with its strings.
        let buffer = unsafe { registry_buffer::read(buffer, "buffer") }?;
        r.replace_with(parent, buffer.name, buffer.aliases, || buffer.spec())
    })
}

/// Changes some fields of a buffer. An unknown parent or name is no error: `recognized` is false.
///
/// @param r the registry
/// @param parent the owner of the buffer
/// @param fields the fields to change: `BB_FIELD_SIZE`, `BB_FIELD_LOCATION`, …, combined; 0 is allowed
/// @param values the buffer's name, and the new values of those fields; with `BB_FIELD_ALIASES`, NULL is no alias
/// @param recognized whether the buffer exists is written here; may be NULL
/// @param changed whether anything has changed is written here; may be NULL
/// @return BB_OK, BB_E_ARGUMENT (fields, location, precision, persistent, text that is not UTF-8), BB_E_ALIAS_SELF,
///         BB_E_ALIAS_MISSING, BB_E_ALIAS_ORDER (the target comes later, or would be cyclic), BB_E_RANGE (size,
///         lifetime, a sum that overflows), BB_E_STATE (the hidden buffer of a child), BB_E_VERSION,
///         BB_E_OUT_OF_MEMORY, BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_update_buffer(
    r: *mut bb_registry,
    parent: u64,
    fields: u32,
    values: *const bb_registry_buffer,
    recognized: *mut bool,
    changed: *mut bool,
) -> bb_status {
    on("bb_registry_update_buffer", r, |r: &BufferRegistry| {
        // SAFETY: the header requires a buffer with its strings.
        let values = unsafe { registry_buffer::read(values, "values") }?;
        let fields: Fields = input::flags(fields, "fields")?;
        let aliases = fields.contains(Fields::ALIASES).then_some(values.aliases);
        let updated = r.update_with(parent, values.name, aliases, |spec| values.change(spec, fields))?;
        // SAFETY: the header requires memory for answers or NULL.
        unsafe {
            input::set_optional(recognized, updated.recognized)?;
            input::set_optional(changed, updated.changed)
        }
    })
}

/// Includes a child's shared and persistent totals in a parent, as the hidden buffers `<name>.shared` and
/// `<name>.persistent` at the end of its order. They follow changes of the child. The parent's options apply to its
/// whole region; the child's options apply to the child's own launches.
///
/// @param r the registry
/// @param parent the parent that includes the child
/// @param name the child's name in the parent
/// @param child the parent to include; it may be unknown yet
/// @param aliases a buffer of the parent, registered before, whose memory the child's shared region shares if
///        possible, or NULL; the persistent region is never an alias
/// @return BB_OK, BB_E_ARGUMENT (name, aliases that is not UTF-8), BB_E_STATE (the child includes this parent),
///         BB_E_ALIAS_SELF, BB_E_EXISTS, BB_E_ALIAS_MISSING, BB_E_RANGE (a sum that overflows), BB_E_OUT_OF_MEMORY,
///         BB_E_LIMIT, BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_register_child(
    r: *mut bb_registry,
    parent: u64,
    name: *const c_char,
    child: u64,
    aliases: *const c_char,
) -> bb_status {
    on("bb_registry_register_child", r, |r: &BufferRegistry| {
        // SAFETY: the header requires a string.
        let name = unsafe { input::required_name(name, "name") }?;
        // SAFETY: the header requires a string or NULL.
        let aliases = unsafe { registry_buffer::aliases(aliases) }?;
        r.register_child(parent, name, child, aliases)
    })
}

/// Sets the layout options of a parent.
///
/// @param r the registry
/// @param parent the parent, which must have buffers
/// @param config the options, or NULL for the defaults; its label is ignored
/// @return BB_OK, BB_E_NO_PARENT, BB_E_ARGUMENT, BB_E_VERSION (struct_size), BB_E_OUT_OF_MEMORY, BB_E_POISONED, or a handle
///         status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_set_options(
    r: *mut bb_registry,
    parent: u64,
    config: *const bb_registry_config,
) -> bb_status {
    on("bb_registry_set_options", r, |r: &BufferRegistry| {
        // SAFETY: the header requires a config or NULL.
        let (_, options) = unsafe { read(config) }?;
        r.set_options(parent, options)
    })
}

/// Registers the buffers of a JSON document in the format of `bb_registry_json()`. The document's first group becomes
/// `parent`; its children get new keys. A malformed document loads nothing, and the message has line and column.
///
/// @param r the registry
/// @param parent a parent without buffers
/// @param json the document, UTF-8
/// @param length bytes of the document
/// @return BB_OK, BB_E_EXISTS (the parent has buffers, or a name is taken), BB_E_ARGUMENT (malformed, or not UTF-8),
///         BB_E_LIMIT (longer than 64 MiB), what `bb_registry_register()` and `bb_registry_register_child()` return
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_registry_load_json(
    r: *mut bb_registry,
    parent: u64,
    json: *const c_char,
    length: u64,
) -> bb_status {
    on("bb_registry_load_json", r, |r: &BufferRegistry| {
        // SAFETY: the header requires so many bytes.
        r.load_json(parent, unsafe { input::utf8(json, length, "json") }?)
    })
}

/// Discards the layout of a parent, including its plan: the next query computes the layout by the rules. No effect on
/// an unknown parent.
///
/// @param r the registry
/// @param parent the parent
/// @return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_registry_clear_layout(r: *mut bb_registry, parent: u64) -> bb_status {
    on("bb_registry_clear_layout", r, |r: &BufferRegistry| r.clear_layout(parent))
}

/// Removes a parent and all of its buffers. Where it is a child, it takes no memory from then on. No effect on an
/// unknown parent.
///
/// @param r the registry
/// @param parent the parent to remove
/// @return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_POISONED, or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_registry_clear_parent(r: *mut bb_registry, parent: u64) -> bb_status {
    on("bb_registry_clear_parent", r, |r: &BufferRegistry| r.clear_parent(parent))
}

/// Destroys a registry and its content.
///
/// @param r the registry; NULL is a no-op
/// @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
/// @realtime may block, may make a system call, may allocate
#[unsafe(no_mangle)]
pub extern "C" fn bb_registry_destroy(r: *mut bb_registry) -> bb_status {
    destroy::<BufferRegistry, _>("bb_registry_destroy", r)
}
