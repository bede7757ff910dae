"""Shape and dtype of a state, and the conversion of Python values into the structs of `backbuf.h`."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._arguments import raw_bytes, unsigned, whole_number
from ._library import ffi, hot, lib
from ._memory import Array

_OPAQUE = 1 << 31
_PLAIN: dict[tuple[str, int], int] = {
    ("b", 1): lib.BB_BOOL,
    **{("u", size): getattr(lib, f"BB_U{8 * size}") for size in (1, 2, 4, 8)},
    **{("i", size): getattr(lib, f"BB_I{8 * size}") for size in (1, 2, 4, 8)},
    **{("f", size): getattr(lib, f"BB_F{8 * size}") for size in (2, 4, 8)},
    **{("c", size): getattr(lib, f"BB_C{8 * size}") for size in (8, 16)},
}
# The dtype kinds that accept each type of Python number.
_NUMBERS = {bool: "biufc", int: "iufc", float: "fc", complex: "c"}


def dtype_code(dtype: np.dtype[Any]) -> int:
    """The library's code of a dtype.

    Raises:
        TypeError: A state cannot have this dtype.
    """
    if dtype.hasobject:
        raise TypeError(f"dtype {dtype} holds Python objects: a state consists of plain bytes")
    if dtype.subdtype is not None:
        raise TypeError(f"dtype {dtype} is a sub-array: put its axes into the shape")
    if dtype.itemsize == 0:
        raise TypeError(f"dtype {dtype} has no size: give one, as in 'S8'")
    if not dtype.isnative and dtype.names is None:
        raise TypeError(f"dtype {dtype!r} has another byte order: use dtype.newbyteorder('=')")
    if _is_bfloat16(dtype):
        return int(lib.BB_BF16)
    if dtype.kind in "VSUmM":
        return _OPAQUE | dtype.itemsize
    try:
        return _PLAIN[dtype.kind, dtype.itemsize]
    except KeyError:
        raise TypeError(f"dtype {dtype} has no fixed-size C type") from None


def dtype_of(code: int) -> np.dtype[Any]:
    """The dtype of a library code."""
    if code & _OPAQUE:
        return np.dtype(f"V{code & ~_OPAQUE}")
    if code == lib.BB_BF16:
        try:
            import ml_dtypes
        except ImportError:
            raise TypeError("the state is bfloat16: install ml_dtypes, or attach it with dtype='uint16'") from None
        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return next(np.dtype(f"{kind}{size}") for (kind, size), number in _PLAIN.items() if number == code)


def _is_bfloat16(dtype: np.dtype[Any]) -> bool:
    return dtype.name == "bfloat16" and dtype.itemsize == 2


def shape_of(shape: int | Sequence[int]) -> tuple[int, ...]:
    """Checks a shape and converts it into a tuple of ints."""
    try:
        axes = (shape,) if hasattr(shape, "__index__") else tuple(shape)
    except TypeError:
        raise TypeError(f"shape is a {type(shape).__name__}: give an int, or a sequence of ints") from None
    found = tuple(whole_number(axis, "an axis of shape") for axis in axes)
    if any(not 0 <= axis < 1 << 64 for axis in found):
        raise ValueError(f"shape is {found}: each axis must be from 0 to 2**64 - 1")
    return found


class Exports(NamedTuple):
    """Whether an array that a consumer makes by a protocol has the dtype of the original."""

    buffer: bool
    interface: bool

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> Exports:
        empty: Any = np.empty(0, dtype)
        try:
            buffer = bool(np.asarray(memoryview(empty)).dtype == dtype)
        except (BufferError, ValueError, TypeError, RuntimeError):
            buffer = False
        holder = SimpleNamespace(__array_interface__=empty.__array_interface__)
        return cls(buffer, bool(np.asarray(holder).dtype == dtype))


class Layout:
    """Shape and dtype of an array of a state: the whole state, or the field `name`."""

    __slots__ = ("_exports", "byte_offset", "dtype", "elements", "field", "itemsize", "name", "shape")

    def __init__(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], name: str | None = None, field: int = 0, byte_offset: int = 0
    ) -> None:
        self.shape, self.dtype, self.itemsize, self.elements = shape, dtype, dtype.itemsize, math.prod(shape)
        self.name, self.field, self.byte_offset = name, field, byte_offset
        self._exports: Exports | None = None

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.elements * self.itemsize

    def within(self, state: Array) -> Array:
        """The array in all bytes of a state."""
        return state[self.byte_offset : self.byte_offset + self.nbytes].view(self.dtype).reshape(self.shape)

    @property
    def noun(self) -> str:
        """What error texts call it."""
        return "the state" if self.name is None else f"field {self.name!r}"

    @property
    def target(self) -> str:
        """What error texts call an array of this dtype."""
        return f"a state of {self.dtype}" if self.name is None else f"field {self.name!r} of {self.dtype}"

    @property
    def kind(self) -> str:
        """NumPy's kind of the dtype, if the extension converts numbers into it; "V" otherwise."""
        return self.dtype.kind if self.dtype.kind in "fiu" and self.dtype.isnative else "V"

    def initial(self, value: Any) -> Array:
        """Converts initial values, which are broadcast to the shape."""
        what = "initial" if self.name is None else f"initial[{self.name!r}]"
        try:
            values = self.cast(value)
        except TypeError as error:
            raise TypeError(f"{what}: {error}") from None
        try:
            return np.ascontiguousarray(np.broadcast_to(values, self.shape))
        except ValueError as error:
            raise ValueError(f"{what}: {error}") from None

    @property
    def exports(self) -> Exports:
        """The protocols that carry this dtype."""
        if self._exports is None:
            self._exports = Exports.of(self.dtype)
        return self._exports

    def packed(self, data: Any) -> Array:
        """Converts `data` into packed elements of this dtype, for calls whose length comes from the data.

        The dtype of `data` must equal the state's, in either byte order. Python numbers adapt as in NumPy; buffers of bytes
        are raw and must be whole elements.
        """
        raw = raw_bytes(data)
        if raw is not None:
            if len(raw) % self.itemsize:
                raise ValueError(
                    f"data has {len(raw)} bytes, which is not a multiple of the {self.itemsize} bytes of {self.dtype}"
                )
            return np.frombuffer(raw, self.dtype)
        if self._is_weak(data):
            return self._number(data)
        if isinstance(data, (list, tuple, str)):
            raise TypeError(f"data is a {type(data).__name__}: give a number, an array, bytes, or a list of BufferUpdate")
        array = np.asarray(data)
        if not _same(array.dtype, self.dtype):
            raise TypeError(f"data has dtype {array.dtype}, {self.noun} has {self.dtype}: convert it with .astype()")
        return np.ascontiguousarray(array, self.dtype)

    def borrowed(self, data: Any) -> Array:
        """An array of this dtype over the memory of `data`, as `packed`, but never a copy."""
        if self._is_weak(data) or isinstance(data, np.generic):
            raise TypeError(f"data is a {type(data).__name__}, which has no memory to borrow: give an array or a buffer")
        packed = self.packed(data)
        if raw_bytes(data) is not None:
            is_in_place = memoryview(data).c_contiguous
        else:
            is_in_place = np.may_share_memory(packed, np.asarray(data))
        if packed.size and not is_in_place:
            raise BufferError(f"data is not contiguous {self.dtype} in native byte order: give a packed copy, or use enqueue()")
        return packed[...]

    def cast(self, value: Any) -> Array:
        """Converts `value` into this dtype, for calls that assign as NumPy does: any cast of the same kind."""
        if self._is_weak(value):
            return self._number(value)
        if isinstance(value, (list, tuple)):
            return self._from_sequence(value)
        array = np.asarray(value)
        if not np.can_cast(array.dtype, self.dtype, "same_kind"):
            raise TypeError(f"values of dtype {array.dtype} do not fit {self.target} by a same-kind cast: use .astype()")
        return array.astype(self.dtype, copy=False)

    def element(self, value: Any) -> Array:
        """Converts `value` into one element."""
        array = self.cast(value)
        if array.size != 1:
            raise ValueError(f"value has {array.size} elements: give one")
        return np.ascontiguousarray(array)

    def _is_weak(self, value: Any) -> bool:
        if isinstance(value, np.generic):  # np.float64 is a float as well
            return False
        return isinstance(value, (bool, int, float, complex)) or (isinstance(value, tuple) and self.dtype.names is not None)

    def _number(self, value: Any) -> Array:
        """Converts a Python number, if the dtype's kind accepts it and it is in range."""
        kind = self.dtype.kind
        if isinstance(value, tuple):
            return np.array(value, self.dtype)
        takes = next(kinds for number, kinds in _NUMBERS.items() if isinstance(value, number))
        if kind not in takes and not (_is_bfloat16(self.dtype) and "f" in takes):
            raise TypeError(f"value = {value!r}: {self.target} does not accept a {type(value).__name__}")
        if kind in "iu":
            limits = np.iinfo(self.dtype)
            if not limits.min <= value <= limits.max:
                raise OverflowError(f"{value} does not fit {self.dtype}")
        return np.array(value).astype(self.dtype) if _is_bfloat16(self.dtype) else np.array(value, self.dtype)

    def _from_sequence(self, value: Any) -> Array:
        """Converts a list or tuple, whose numbers adapt like single ones."""
        if self.dtype.names is not None:
            return np.array(value, self.dtype)
        array = np.asarray(value)
        if array.size == 0:
            return array.astype(self.dtype)
        if array.dtype.kind in "iu" and self.dtype.kind in "iu":
            limits = np.iinfo(self.dtype)
            if int(array.min()) < limits.min or int(array.max()) > limits.max:
                raise OverflowError(f"values from {array.min()} to {array.max()} do not fit {self.dtype}")
            return array.astype(self.dtype)
        return self.cast(array)


def _same(given: np.dtype[Any], own: np.dtype[Any]) -> bool:
    return given == own or (given.names is None and own.names is None and np.can_cast(given, own, "equiv"))


if TYPE_CHECKING or hot is None:

    @dataclass(frozen=True, eq=False, slots=True)
    class _Update:
        """The fields of the extension's base type, without the extension."""

        offset: int
        length: int
        data: Any

else:
    _Update = hot.Update


class BufferUpdate(_Update):
    """One write: `length` elements of `data` at `offset` bytes in the state. It does not change.

    Args:
        offset: Offset in the state, in bytes.
        length: Number of elements.
        data: The elements: a number, an array of the state's dtype, or any buffer of raw bytes, such as a chunk of a ring; see
            `CBufferManager.enqueue`.

    >>> backbuf.BufferUpdate(offset=16, length=1, data=2.5)
    BufferUpdate(offset=16, length=1, data=2.5)
    """

    __slots__ = ()
    __match_args__ = ("offset", "length", "data")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(offset={self.offset!r}, length={self.length!r}, data={self.data!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.offset, self.length, self.data)


def update_of(layout: Layout, data: Any, byte_offset: int = 0) -> UpdateStruct:
    """Converts the arguments of `enqueue` into one update."""
    if not isinstance(data, BufferUpdate):
        return UpdateStruct(layout, data, byte_offset)
    if byte_offset:
        raise ValueError("byte_offset: a BufferUpdate has its own offset")
    update = UpdateStruct(layout, data.data, data.offset)
    if update.data.size != data.length:
        raise ValueError(f"BufferUpdate: length is {data.length}, but its data has {update.data.size} elements")
    return update


def updates_of(layout: Layout, data: list[Any]) -> list[UpdateStruct]:
    """Converts a list of `BufferUpdate`."""
    for item in data:
        if not isinstance(item, BufferUpdate):
            raise TypeError(f"data is a list with a {type(item).__name__}: give a list of BufferUpdate, or an array")
    return [update_of(layout, item) for item in data]


def fill_of(layout: Layout, value: Any, byte_offset: int, count: int | None) -> tuple[Array, int, int]:
    """The element, the byte offset and the number of elements of a fill."""
    start = unsigned(byte_offset, "byte_offset")
    rest = max(0, layout.elements - start // layout.itemsize)
    return layout.element(value), start, rest if count is None else unsigned(count, "count")


class UpdateStruct:
    """A `bb_update` and the memory that it points to; keep it until the call has returned."""

    __slots__ = ("data", "struct")

    def __init__(self, layout: Layout, data: Any, byte_offset: int) -> None:
        self.data = layout.packed(data)
        start = unsigned(byte_offset, "byte_offset")
        self.struct = ffi.new("bb_update *", (start, self.data.size, pointer(self.data), layout.field, 0))


class RegionStruct:
    """As `UpdateStruct`, a `bb_region` made of a NumPy index and a value that is broadcast into it."""

    __slots__ = ("_kept", "struct")

    def __init__(self, layout: Layout, index: Any, value: Any) -> None:
        start, extent, step, axes = _select(layout, index)
        target = tuple(1 if axis is None else extent[axis] for axis in axes)
        source = layout.cast(value)
        while source.ndim > len(target) and source.shape[0] == 1:
            source = source[0]
        if source.ndim > len(target):
            raise ValueError(f"could not broadcast a value of shape {source.shape} into shape {target}")
        strides = [0] * len(extent)
        if source.ndim:  # the strides of a single value are 0 already
            source = np.broadcast_to(source, target)
            for axis, stride in zip(axes, source.strides, strict=True):
                if axis is not None:
                    strides[axis] = stride
        fields = (
            ffi.new("uint64_t[]", start or [0]),
            ffi.new("uint64_t[]", extent or [0]),
            ffi.new("int64_t[]", step or [0]),
            pointer(source),
            ffi.new("int64_t[]", strides or [0]),
            layout.field,
        )
        self._kept = (source, fields)
        self.struct = ffi.new("bb_region *", fields)


class PutStructs:
    """An array of `bb_update`, one for each flat index."""

    __slots__ = ("_kept", "count", "structs")

    def __init__(self, layout: Layout, indices: Any, values: Any) -> None:
        flat = np.asarray(indices)
        if flat.size == 0:
            flat = flat.astype(np.int64)
        if flat.dtype.kind not in "iu":
            raise TypeError(f"indices have dtype {flat.dtype}: give whole numbers")
        source = np.ascontiguousarray(np.broadcast_to(layout.cast(values), flat.shape)).reshape(-1)
        flat = flat.reshape(-1)
        wrong = (flat < -layout.elements) | (flat >= layout.elements)
        if wrong.any():
            raise IndexError(f"index {flat[wrong][0]} is out of range for the {layout.elements} elements of {layout.noun}")
        flat = flat.astype(np.int64)
        rows = np.empty((flat.size, 4), np.uint64)
        rows[:, 0] = np.where(flat < 0, flat + layout.elements, flat) * layout.itemsize
        rows[:, 1] = 1
        rows[:, 2] = np.arange(flat.size, dtype=np.uint64) * np.uint64(layout.itemsize) + np.uint64(source.ctypes.data)
        rows[:, 3] = layout.field  # and the reserved upper half
        self._kept = (source, rows)
        self.count = flat.size
        self.structs = ffi.cast("bb_update *", rows.ctypes.data)


def pointer(array: npt.NDArray[Any]) -> Any:
    """A pointer to the array's first element; keep the array as long as it is used."""
    return ffi.cast("void *", array.ctypes.data)


def _select(layout: Layout, index: Any) -> tuple[list[int], list[int], list[int], list[int | None]]:
    """Splits an index into start, extent and step of each axis, and the axes of the selection (None: a new axis)."""
    shape, fields = layout.shape, layout.dtype.names or ()
    items = list(index) if isinstance(index, tuple) else [index]
    for item in items:
        names = item if isinstance(item, list) else [item] if isinstance(item, str) else []
        if names and all(isinstance(name, str) and name in fields for name in names):
            raise TypeError(
                f"index {item!r} is a field, but writes cover whole elements: use `with m.back() as a: a[{item!r}] = ...`, "
                "or give whole elements"
            )
    used = sum(item is not None and item is not Ellipsis for item in items)
    dots = [position for position, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can have only one ellipsis ('...')")
    if used > len(shape):
        raise IndexError(f"too many indices: {layout.noun} has {len(shape)} axes, {used} were indexed")
    position = dots[0] if dots else len(items)
    items[position : position + 1] = [slice(None)] * (len(shape) - used)
    start: list[int] = []
    extent: list[int] = []
    step: list[int] = []
    axes: list[int | None] = []
    for item in items:
        if item is None:
            axes.append(None)
            continue
        axis = len(start)
        length = shape[axis]
        if isinstance(item, slice):
            first, stop, stride = item.indices(length)
            many = len(range(first, stop, stride))
            start.append(first if many else 0)
            extent.append(many)
            step.append(stride if many > 1 else 1)
            axes.append(axis)
        else:
            start.append(_position(item, axis, length))
            extent.append(1)
            step.append(1)
    return start, extent, step, axes


def _position(item: Any, axis: int, length: int) -> int:
    many = isinstance(item, list) or (isinstance(item, np.ndarray) and item.ndim > 0)
    if many or isinstance(item, (bool, np.bool_)):
        raise TypeError("an index consists of whole numbers, slices, ... and None: for lists and arrays of indices use put()")
    try:
        number = operator.index(item)
    except TypeError:
        raise TypeError(f"index {item!r} is not a whole number, slice, ... or None") from None
    if not -length <= number < length:
        raise IndexError(f"index {number} is out of bounds for axis {axis} with size {length}")
    return number + length if number < 0 else number
