"""Buffers: what is asked for, and where it lies."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from backbuf import _errors
from backbuf._library import ffi, lib

from ._native import c_text, flag

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
# A child's region that mixes precisions is bytes.
_DTYPES = {code: dtype for dtype, code in _CODES.items()} | {lib.BB_U8: np.dtype(np.uint8)}


def precision_of(value: npt.DTypeLike) -> np.dtype[Any]:
    """A precision as people name it, `"f32"` for example, or as NumPy does."""
    return np.dtype(_NAMES[value] if isinstance(value, str) and value in _NAMES else value)


def dtype_of(code: int) -> np.dtype[Any] | None:
    """The dtype for the library's number; None for none."""
    return _DTYPES.get(code)


def bytes_of(value: int) -> int | None:
    """Bytes as the library tells them; None where nobody can."""
    return None if value == lib.BB_NO_BYTES else value


@dataclass(frozen=True)
class CUDABuffer:
    """A buffer as its owner asks for it: plain data, which refers to no parent, group or registry. Sizes are elements.

    >>> buffer = backbuf.CUDABuffer("k1", 3, "shared", precision="f64")
    >>> buffer.is_shared, buffer.precision
    (True, dtype('float64'))
    """

    name: str
    size: int
    location: Location
    persistent: bool = False
    aliases: str | None = None
    """The buffer, registered before, whose memory it would rather share."""
    precision: np.dtype[Any] = _F32
    lifetime: tuple[int, int] | None = None
    """The steps in which it is alive, without the last one; None: always."""

    def __post_init__(self) -> None:
        if self.location not in LOCATIONS:
            raise ValueError(f"location is {self.location!r}: it must be 'shared' or 'local'")
        object.__setattr__(self, "precision", precision_of(self.precision))

    @property
    def is_shared(self) -> bool:
        """Whether it asks for the block's shared memory."""
        return self.location == "shared"

    @property
    def is_persistent_local(self) -> bool:
        """Whether it asks for the thread's persistent array."""
        return self.location == "local" and self.persistent

    @property
    def is_local(self) -> bool:
        """Whether it asks for an array of its own."""
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
        """A Numba CUDA device function `(shared, persistent) → array` for a kernel to call: a slice of the one or the other,
        or a local array of `local_size` elements, whichever is given. `in_bytes`: the slice counts bytes of a region that is
        an array of uint8. `zero`: it is filled with zeros."""
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
    """Where a buffer lies, and how it came about."""

    space: Space
    offset: int
    """Where it begins in its region, in elements of its own; 0 in an array of its own."""
    length: int
    """In elements."""
    precision: np.dtype[Any]
    zero_fill: int
    """How many elements to fill with zeros: its size, also where the array is longer."""
    origin: str
    """"own"; "aliased", a slice of its target; "fell back", an alias that has memory of its own."""
    byte_offset: int | None
    """None where nobody can tell: the region mixes precisions, and the layout is not typed."""


def placement_of(struct: Any) -> Placement:
    """The same of a `bb_allocator`."""
    return Placement(
        space=SPACES[struct.space],
        offset=struct.offset,
        length=struct.length,
        precision=_DTYPES[struct.precision],
        zero_fill=struct.zero_fill,
        origin=_ORIGINS[struct.origin],
        byte_offset=bytes_of(struct.byte_offset),
    )


class Wanted:
    """A `bb_registry_buffer`. What C cannot be told is out of range there, too, so that C looks at everything in its order."""

    FIELDS = ("size", "location", "persistent", "aliases", "precision", "lifetime")

    def __init__(self, name: str, **fields: Any) -> None:
        self.struct, self.fields = ffi.new("bb_registry_buffer *"), 0
        _errors.check(lib.bb_registry_buffer_init(self.struct))
        self._name, self._aliases = c_text(name, "name"), ffi.NULL
        self._why = ""
        self.struct.name = self._name
        for field, value in fields.items():
            getattr(self, f"_set_{field}")(value)
            self.fields |= getattr(lib, f"BB_FIELD_{field.upper()}")

    def check(self, status: int) -> int:
        """The status, unless it is the answer to what C could not be told."""
        named = 0 < len(self._name) - 1 < 256
        if self._why and named and status in (lib.BB_E_ARGUMENT, lib.BB_E_RANGE):
            cls = _errors.ArgumentError if status == lib.BB_E_ARGUMENT else _errors.OutOfRangeError
            raise cls(self._why, status)
        return status

    def _set_size(self, size: Any) -> None:
        if isinstance(size, bool):
            raise TypeError("size is a bool: give an int")
        number = operator.index(size)
        if 0 <= number < 1 << 63:
            self.struct.size = number
        else:
            self._unsayable(f"size is {number}: it must be from 0 to 2**63 - 1", "size", lib.BB_FOREVER)

    def _set_location(self, location: Any) -> None:
        if isinstance(location, str) and location in LOCATIONS:
            self.struct.location = LOCATIONS[location]
        else:
            self._unsayable(f"location is {location!r}: it must be 'shared' or 'local'", "location", 0)

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
            self._unsayable(f"precision is {dtype}: it must be one of {', '.join(_NAMES)}", "precision", 0)

    def _set_lifetime(self, lifetime: Any) -> None:
        if lifetime is None:
            return
        begin, end = map(operator.index, lifetime)
        if 0 <= begin < end < 1 << 64:
            self.struct.begin, self.struct.end = begin, end
        else:
            self._unsayable(f"lifetime is {(begin, end)}: it must begin before it ends, from 0 to 2**64 - 1", "begin", 1)

    def _unsayable(self, why: str, field: str, out_of_range: int) -> None:
        self._why = self._why or why
        setattr(self.struct, field, out_of_range)
