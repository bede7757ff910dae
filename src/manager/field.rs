//! Fields: the named arrays of a state, their layout in a copy, and the checks that an update lies within its field.
//!
//! Every state has a [`FieldTable`]. That of a manager made without fields has one field, [`ONLY_FIELD`], whose errors do not
//! name it. Fields lie in the order given, each at a multiple of [`FIELD_ALIGN`], unless the caller gives offsets; the bytes
//! between them are zeros in every copy, since no checked update reaches them.

use std::fmt;

use crate::alloc::{try_string, try_vec};
use crate::dtype::DType;
use crate::error::{Error, ErrorList, Result, Status};
use crate::manager::core::op::Op;
use crate::manager::region::{RawRegion, Region, RegionRuns};
use crate::manager::shape::{Limits, Shape};
use crate::manager::update::RawUpdate;

/// The maximum number of fields.
pub(crate) const MAX_FIELDS: usize = 1024;

/// The maximum length of a name in bytes.
pub(crate) const MAX_FIELD_NAME: usize = 255;

/// Alignment of the fields whose offsets the library chooses, in bytes: a cache line.
const FIELD_ALIGN: u64 = 64;

/// The name of the field of a manager that was made without fields.
const ONLY_FIELD: &str = "state";

/// A field of a new manager: see [`Manager::with_fields`](crate::manager::manager::Manager::with_fields).
///
/// ```
/// use backbuf::{DType, manager::FieldSpec};
/// let depth = FieldSpec::new("depth", DType::U16, &[480, 640]);
/// assert_eq!((depth.name, depth.byte_offset), ("depth", None));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FieldSpec<'a> {
    /// Its name: unique, 1 to 255 bytes, without NUL.
    pub name: &'a str,
    /// The type of its elements.
    pub dtype: DType,
    /// Elements along each dimension.
    pub shape: &'a [u64],
    /// Its bytes at epoch 0; zeros if None.
    pub initial: Option<&'a [u8]>,
    /// Where it begins in the state, in bytes; None: behind the fields before it, at a multiple of 64. Fields with given
    /// offsets may overlap, as aliases of a registry's layout do.
    pub byte_offset: Option<u64>,
}

impl<'a> FieldSpec<'a> {
    /// A field of zeros behind the fields before it.
    pub fn new(name: &'a str, dtype: DType, shape: &'a [u64]) -> FieldSpec<'a> {
        FieldSpec { name, dtype, shape, initial: None, byte_offset: None }
    }

    fn check_name(&self) -> Result<()> {
        let named = |reason| Err(Error::named(Status::Argument, "name", self.name, reason));
        match self.name.len() {
            0 => Err(Error::param(Status::Argument, "name", "is empty; a name has 1 to 255 bytes")),
            1..=MAX_FIELD_NAME if self.name.contains('\0') => {
                named("contains NUL, which ends a name in C; remove it")
            }
            1..=MAX_FIELD_NAME => Ok(()),
            _ => named("too long; a name has 1 to 255 bytes"),
        }
    }

    /// The layout of the field, if it does not begin before `next` unless an offset is given.
    fn lay_out(&self, next: u64) -> Result<FieldLayout> {
        self.check_name()?;
        let shape = Shape::new(self.dtype, self.shape)?;
        let overflow =
            || Error::param(Status::Range, "shape", "the fields together overflow the address space");
        let offset = match self.byte_offset {
            Some(offset) => {
                // Arrays of whole elements are aligned as C requires of them.
                let align = (1 << shape.element.trailing_zeros()).min(FIELD_ALIGN);
                if !offset.is_multiple_of(align) {
                    return Err(Error::align("byte_offset", offset, align));
                }
                offset
            }
            None => next.checked_next_multiple_of(FIELD_ALIGN).ok_or_else(overflow)?,
        };
        let end = offset.checked_add(shape.bytes);
        end.filter(|&end| end <= isize::MAX as u64).ok_or_else(overflow)?;
        if let Some(initial) = self.initial
            && initial.len() as u64 != shape.bytes
        {
            let reason = "must be the bytes of the field";
            return Err(Error::value(Status::Argument, "initial.len()", initial.len() as u64, reason));
        }
        Ok(FieldLayout { name: try_string(self.name)?, named: true, offset, shape })
    }
}

/// One field of a state.
#[derive(Debug)]
pub(crate) struct FieldLayout {
    pub(crate) name: String,
    /// Whether errors name it.
    named: bool,
    /// Where it begins in a copy, in bytes.
    pub(crate) offset: u64,
    pub(crate) shape: Shape,
}

impl FieldLayout {
    /// The error of a refused update of this field.
    #[cold]
    pub(crate) fn refusal(&self, error: Error) -> Error {
        if self.named { error.of_field(&self.name) } else { error }
    }

    /// The bytes of `count` elements at `byte_offset`, which must lie within the field.
    fn check(&self, byte_offset: u64, count: u64) -> Result<u64> {
        self.shape.check(byte_offset, count).map_err(|error| self.refusal(error))
    }

    /// The same range as offset and length in the state.
    pub(crate) fn range(&self, byte_offset: u64, count: u64) -> Result<(u64, u64)> {
        let length = self.check(byte_offset, count)?;
        Ok((self.offset + byte_offset, length))
    }

    /// As [`FieldLayout::check`]; `data` is not null unless that is 0.
    #[inline]
    pub(crate) fn check_data(&self, byte_offset: u64, count: u64, data: *const u8) -> Result<u64> {
        match self.shape.limits().length_if_plain(byte_offset, count, data) {
            Some(length) => Ok(length),
            None => self.shape.check_data(byte_offset, count, data).map_err(|error| self.refusal(error)),
        }
    }

    /// The number of elements in a slice of bytes.
    pub(crate) fn count_of(&self, data: &[u8]) -> Result<u64> {
        self.shape.count_of(data).map_err(|error| self.refusal(error))
    }

    /// Checks that a slice is one element.
    pub(crate) fn check_element(&self, element: &[u8]) -> Result<()> {
        self.shape.check_element(element).map_err(|error| self.refusal(error))
    }

    /// A checked write.
    pub(crate) fn write(&self, byte_offset: u64, count: u64, data: *const u8) -> Result<Op> {
        let length = self.check_data(byte_offset, count, data)?;
        Ok(Op::Write { offset: self.offset + byte_offset, length, data })
    }

    /// The fast check of a write: its place in the state, if it has bytes and lies within the field. None otherwise, and for some
    /// legal writes: then [`FieldLayout::write`] decides.
    #[inline(always)]
    pub(crate) fn place_if_plain(&self, byte_offset: u64, bytes: u64) -> Option<u64> {
        self.shape.holds_plainly(byte_offset, bytes).then(|| self.offset + byte_offset)
    }

    /// A checked fill.
    pub(crate) fn fill(&self, byte_offset: u64, count: u64, element: *const u8) -> Result<Op> {
        let length = self.check(byte_offset, count)?;
        if element.is_null() {
            return Err(self.refusal(Error::param(Status::Null, "element", "is NULL")));
        }
        Ok(Op::Fill { offset: self.offset + byte_offset, length, element: self.shape.element, data: element })
    }

    /// The source of a region, checked to hold it.
    pub(crate) fn source<'a>(&self, region: &Region<'a>) -> Result<RawRegion<'a>> {
        region.raw(&self.shape).map_err(|error| self.refusal(error))
    }

    /// A checked region, with offsets in the state.
    pub(crate) fn region(&self, region: &RawRegion<'_>) -> Result<RegionRuns> {
        let plan = RegionRuns::checked(&self.shape, region).map_err(|error| self.refusal(error))?;
        Ok(plan.shifted(self.offset))
    }
}

impl fmt::Display for FieldLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FieldLayout { name, offset, shape, .. } = self;
        let (dtype, lengths, bytes) = (shape.dtype, shape.lengths(), shape.bytes);
        write!(f, "'{name}': {dtype:?} {lengths:?}, {bytes} bytes at offset {offset}")
    }
}

/// The number of fields that have a [`FastField`].
const FAST_FIELDS: usize = 32;

/// The fast check of the updates of a field. Fills a cache line, so that its address is a shift and a sum.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub(crate) struct FastField {
    pub(crate) limits: Limits,
    offset: u64,
}

impl FastField {
    /// Where an update lies in the state: offset and length. None for an update that must be checked in full.
    #[inline(always)]
    pub(crate) fn place(&self, byte_offset: u64, count: u64, data: *const u8) -> Option<(u64, u64)> {
        let length = self.limits.length_if_plain(byte_offset, count, data)?;
        Some((self.offset + byte_offset, length))
    }
}

/// The first fields of a state, as part of the manager itself: what is read through pointers delays each update. Where there is no
/// field, there is one without elements.
#[derive(Debug)]
pub(crate) struct FastFields([FastField; FAST_FIELDS]);

impl FastFields {
    #[inline(always)]
    pub(crate) fn first(&self) -> &FastField {
        &self.0[0]
    }

    #[inline(always)]
    pub(crate) fn get(&self, index: u32) -> Option<&FastField> {
        self.0.get(index as usize)
    }
}

/// The fields of a state. Fixed at creation.
#[derive(Debug)]
pub(crate) struct FieldTable {
    /// At least one.
    fields: Vec<FieldLayout>,
    /// Indices in the order of the names.
    by_name: Vec<u32>,
    /// Bytes of the state: up to the end of the last field.
    pub(crate) bytes: u64,
}

impl FieldTable {
    /// The table of a state that is one array.
    pub(crate) fn single(dtype: DType, lengths: &[u64]) -> Result<FieldTable> {
        let shape = Shape::new(dtype, lengths)?;
        let only = FieldLayout { name: try_string(ONLY_FIELD)?, named: false, offset: 0, shape };
        let (mut fields, mut by_name) = (try_vec(1)?, try_vec(1)?);
        fields.push(only);
        by_name.push(0);
        Ok(FieldTable { fields, by_name, bytes: shape.bytes })
    }

    /// The table of these fields.
    pub(crate) fn new(specs: &[FieldSpec<'_>]) -> Result<FieldTable> {
        match specs.len() {
            0 => return Err(Error::param(Status::Argument, "fields", "is empty; give at least one field")),
            1..=MAX_FIELDS => {}
            more => return Err(too_many(more as u64)),
        }
        let (mut fields, mut by_name) = (try_vec(specs.len())?, try_vec(specs.len())?);
        let (mut next, mut bytes) = (0, 0);
        for (index, spec) in specs.iter().enumerate() {
            let field = spec.lay_out(next).map_err(|error| error.of_item(ErrorList::Fields, index))?;
            next = field.offset + field.shape.bytes;
            bytes = next.max(bytes);
            fields.push(field);
            by_name.push(index as u32);
        }
        // Equal names lie side by side, the earlier field first.
        by_name.sort_unstable_by_key(|&index| (specs[index as usize].name, index));
        let doubled = by_name.windows(2).find(|pair| {
            let [first, second] = [pair[0], pair[1]].map(|index| specs[index as usize].name);
            first == second
        });
        if let Some(pair) = doubled {
            let name = specs[pair[1] as usize].name;
            let reason = "an earlier field has this name; use unique names";
            let error = Error::named(Status::Exists, "name", name, reason);
            return Err(error.of_item(ErrorList::Fields, pair[1] as usize));
        }
        Ok(FieldTable { fields, by_name, bytes })
    }

    pub(crate) fn all(&self) -> &[FieldLayout] {
        &self.fields
    }

    /// Whether the manager was made from fields.
    pub(crate) fn is_named(&self) -> bool {
        self.first().named
    }

    /// Whether the state is one array.
    pub(crate) fn is_single(&self) -> bool {
        self.fields.len() == 1 && self.first().offset == 0
    }

    pub(crate) fn first(&self) -> &FieldLayout {
        &self.fields[0]
    }

    /// The first fields for the fast path.
    pub(crate) fn fast_fields(&self) -> FastFields {
        let mut fast = [FastField::default(); FAST_FIELDS];
        for (fast, FieldLayout { offset, shape, .. }) in fast.iter_mut().zip(&self.fields) {
            *fast = FastField { limits: shape.limits(), offset: *offset };
        }
        FastFields(fast)
    }

    /// The field with that index.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> Result<&FieldLayout> {
        self.fields.get(index as usize).ok_or_else(|| self.no_such_index(index))
    }

    /// The same, without the reason.
    #[inline(always)]
    pub(crate) fn find_index(&self, index: u32) -> Option<&FieldLayout> {
        self.fields.get(index as usize)
    }

    #[cold]
    fn no_such_index(&self, index: u32) -> Error {
        Error::value(
            Status::Range,
            "field",
            u64::from(index),
            "no such field; list the manager's fields first",
        )
    }

    /// The index of the field with that name.
    pub(crate) fn find(&self, name: &str) -> Result<u32> {
        let found =
            self.by_name.binary_search_by(|&index| self.fields[index as usize].name.as_str().cmp(name));
        let missing = |_| {
            let reason = "no such field; list the manager's fields first";
            Error::named(Status::NoName, "name", name, reason)
        };
        found.map(|at| self.by_name[at]).map_err(missing)
    }

    /// The field with that name.
    pub(crate) fn named(&self, name: &str) -> Result<&FieldLayout> {
        self.find(name).map(|index| &self.fields[index as usize])
    }

    /// The field of an update.
    #[inline]
    pub(crate) fn of_update(&self, update: &RawUpdate) -> Result<&FieldLayout> {
        if update.reserved != 0 {
            return Err(Error::value(Status::Argument, "update.reserved", update.reserved, "must be 0"));
        }
        self.get(update.field)
    }
}

impl fmt::Display for FieldTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = &self.first().shape;
        match self.is_named() {
            true => write!(f, "{} fields", self.fields.len()),
            false => write!(f, "{:?} {:?}", shape.dtype, shape.lengths()),
        }
    }
}

/// The error of more than [`MAX_FIELDS`] fields.
#[cold]
pub(crate) fn too_many(count: u64) -> Error {
    Error::value(Status::Limit, "count", count, "a state has at most 1024 fields")
}
