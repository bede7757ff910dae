"""Registered buffers, their placements, and their conversion to and from the structs of `backbuf.h`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from backbuf import _errors
from backbuf._arguments import c_text, dtype_from, flag, whole_number
from backbuf._library import ffi, lib

Allocator = Callable[[Any, Any], Any]
Location = Literal["shared", "local"]
Space = Literal["shared", "persistent", "local"]

LOCATIONS = {"shared": lib.BB_LOCATION_SHARED, "local": lib.BB_LOCATION_LOCAL}
SPACES: dict[int, Space] = {
    lib.BB_SPACE_SHARED: "shared",
    lib.BB_SPACE_PERSISTENT: "persistent",
    lib.BB_SPACE_LOCAL: "local",
}
_ORIGINS = {lib.BB_ORIGIN_OWN: "own", lib.BB_ORIGIN_ALIASED: "aliased", lib.BB_ORIGIN_FELL_BACK: "fell back"}
_NAMES = {"f16": np.float16, "f32": np.float32, "f64": np.float64, "i32": np.int32, "i64": np.int64}
_F32 = np.dtype(np.float32)
_CODES = {np.dtype(cls): getattr(lib, f"BB_{name.upper()}") for name, cls in _NAMES.items()}
# A child's region with mixed precisions consists of bytes.
_DTYPES = {code: dtype for dtype, code in _CODES.items()} | {lib.BB_U8: np.dtype(np.uint8)}


def precision_of(value: npt.DTypeLike) -> np.dtype[Any]:
    """The dtype of a precision: a name such as "f32", or anything that NumPy accepts as a dtype."""
    return dtype_from(_NAMES[value] if isinstance(value, str) and value in _NAMES else value, "precision")


def dtype_of(code: int) -> np.dtype[Any] | None:
    """The dtype of a library code; None if the code means none."""
    return _DTYPES.get(code)


def bytes_of(value: int) -> int | None:
    """A number of bytes of the library; None if it is undefined."""
    return None if value == lib.BB_NO_BYTES else value


@dataclass(frozen=True)
class CUDABuffer:
    """A registered buffer as plain data, without a reference to its parent, group or registry. Sizes are elements.

    >>> buffer = backbuf.CUDABuffer("k1", 3, "shared", precision="f64")
    >>> buffer.is_shared, buffer.precision
    (True, dtype('float64'))
    """

    name: str
    size: int
    """Number of elements."""
    location: Location
    """"shared" or "local"."""
    persistent: bool = False
    """Whether a local buffer keeps its content between calls of the kernel's device functions."""
    aliases: str | None = None
    """Name of an earlier buffer whose memory this one should share."""
    precision: np.dtype[Any] = _F32
    lifetime: tuple[int, int] | None = None
    """The steps in which it is alive, begin included and end excluded; None means always."""

    def __post_init__(self) -> None:
        if self.location not in LOCATIONS:
            raise ValueError(f"location is {self.location!r}: it must be 'shared' or 'local'")
        object.__setattr__(self, "precision", precision_of(self.precision))

    @property
    def is_shared(self) -> bool:
        """Whether it is requested in the block's shared memory."""
        return self.location == "shared"

    @property
    def is_persistent_local(self) -> bool:
        """Whether it is requested in the thread's persistent array."""
        return self.location == "local" and self.persistent

    @property
    def is_local(self) -> bool:
        """Whether it is requested as a local array of its own."""
        return self.location == "local" and not self.persistent

    def build_allocator(
        self,
        shared_slice: slice | None,
        persistent_slice: slice | None,
        local_size: int | None,
        *,
        in_bytes: bool = False,
        zero: bool = False,
    ) -> Allocator:
        """A Numba CUDA device function `(shared, persistent) -> array` for kernels.

        Exactly one of the first three arguments is given.

        Args:
            shared_slice: Returns this slice of the shared region.
            persistent_slice: Returns this slice of the persistent region.
            local_size: Returns a local array of this many elements.
            in_bytes: Whether the slice counts bytes, of a region that is an array of uint8.
            zero: Whether the array is filled with zeros.
        """
        from . import _numba

        if sum(given is not None for given in (shared_slice, persistent_slice, local_size)) != 1:
            raise ValueError("give one of shared_slice, persistent_slice and local_size, and None for the others")
        zeros = self.size if zero else 0
        if local_size is not None:
            return _numba.local(self.precision.name, local_size, zeros)
        region, given = ("shared", shared_slice) if shared_slice is not None else ("persistent", persistent_slice)
        assert given is not None
        return _numba.slice_of(region, given.start, given.stop, self.precision.name if in_bytes else None, zeros)


@dataclass(frozen=True)
class Placement:
    """The place of a buffer in the layout."""

    space: Space
    offset: int
    """Begin in the region, in elements of the buffer; 0 for a local array."""
    length: int
    """Number of elements."""
    precision: np.dtype[Any]
    zero_fill: int
    """Number of elements to fill with zeros: the buffer's size, also if the array is longer."""
    origin: str
    """"own"; "aliased", a slice of its target; "fell back", an alias that got memory of its own."""
    byte_offset: int | None
    """Begin in the region, in bytes; None if the region mixes precisions and the layout is not typed."""


def placement_of(struct: Any) -> Placement:
    """Converts a `bb_allocator`."""
    return Placement(
        space=SPACES[struct.space],
        offset=struct.offset,
        length=struct.length,
        precision=_DTYPES[struct.precision],
        zero_fill=struct.zero_fill,
        origin=_ORIGINS[struct.origin],
        byte_offset=bytes_of(struct.byte_offset),
    )


class BufferStruct:
    """A `bb_registry_buffer`.

    A value that C cannot represent is replaced by one that is out of range there too, so that the library checks all fields
    in its own order; `check` then raises the error for the original value.
    """

    FIELDS = ("size", "location", "persistent", "aliases", "precision", "lifetime")

    def __init__(self, name: str, **fields: Any) -> None:
        self.struct, self.fields = ffi.new("bb_registry_buffer *"), 0
        _errors.check(lib.bb_registry_buffer_init(self.struct))
        self._name, self._aliases = c_text(name, "name"), ffi.NULL
        self._problem = ""
        self.struct.name = self._name
        for field, value in fields.items():
            getattr(self, f"_set_{field}")(value)
            self.fields |= getattr(lib, f"BB_FIELD_{field.upper()}")

    def check(self, status: int) -> int:
        """Returns the status, or raises the error for a value that C could not represent."""
        named = 0 < len(self._name) - 1 < 256
        if self._problem and named and status in (lib.BB_E_ARGUMENT, lib.BB_E_RANGE):
            cls = _errors.ArgumentError if status == lib.BB_E_ARGUMENT else _errors.OutOfRangeError
            raise cls(self._problem, status)
        return status

    def _set_size(self, size: Any) -> None:
        if isinstance(size, bool):
            raise TypeError("size is a bool: give an int")
        number = whole_number(size, "size")
        if 0 <= number < 1 << 63:
            self.struct.size = number
        else:
            self._set_invalid(f"size is {number}: it must be from 0 to 2**63 - 1", "size", lib.BB_FOREVER)

    def _set_location(self, location: Any) -> None:
        if isinstance(location, str) and location in LOCATIONS:
            self.struct.location = LOCATIONS[location]
        else:
            self._set_invalid(f"location is {location!r}: it must be 'shared' or 'local'", "location", 0)

    def _set_persistent(self, persistent: Any) -> None:
        self.struct.persistent = flag(persistent, "persistent")

    def _set_aliases(self, aliases: Any) -> None:
        if aliases is not None:
            self._aliases = c_text(aliases, "aliases")
        self.struct.aliases = self._aliases

    def _set_precision(self, precision: Any) -> None:
        dtype = precision_of(precision)
        if dtype in _CODES:
            self.struct.precision = _CODES[dtype]
        else:
            self._set_invalid(f"precision is {dtype}: it must be one of {', '.join(_NAMES)}", "precision", 0)

    def _set_lifetime(self, lifetime: Any) -> None:
        if lifetime is None:
            return
        try:
            first, last = lifetime
        except TypeError:
            raise TypeError(f"lifetime is a {type(lifetime).__name__}: give a pair of ints") from None
        begin, end = whole_number(first, "the begin of lifetime"), whole_number(last, "the end of lifetime")
        if 0 <= begin < end < 1 << 64:
            self.struct.begin, self.struct.end = begin, end
        else:
            self._set_invalid(f"lifetime is {(begin, end)}: it must begin before it ends, from 0 to 2**64 - 1", "begin", 1)

    def _set_invalid(self, problem: str, field: str, out_of_range: int) -> None:
        self._problem = self._problem or problem
        setattr(self.struct, field, out_of_range)
