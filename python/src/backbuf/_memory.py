"""NumPy arrays over native memory, and the check for references that outlive a `with` block."""

from __future__ import annotations

import inspect
import math
import sys
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt

from ._library import lib
from ._owner import Unique

Array = npt.NDArray[Any]


class Memory:
    """The base object of an array over native memory.

    It exists as long as the array or one of its views, and keeps `owner`, the owner of mapped bytes, alive.
    """

    __slots__ = ("__array_interface__", "__weakref__", "_owner", "_size", "_writable")

    def __init__(self, address: int, size: int, writable: bool, owner: object) -> None:
        self._owner, self._size, self._writable = owner, size, writable
        self.__array_interface__ = {"shape": (size,), "typestr": "|u1", "data": (address, not writable), "version": 3}

    def array(self, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int = 0) -> Array:
        """An array of this dtype and shape over the memory, from `offset` bytes on."""
        size = dtype.itemsize * math.prod(shape)
        if size == 0:
            empty = np.empty(shape, dtype)
            empty.flags.writeable = self._writable
            return empty
        whole = np.asarray(self)
        return (whole if size == self._size else whole[offset : offset + size]).view(dtype).reshape(shape)


class LeasedMemory(Memory, Unique):
    """Memory under a lease, which is released with the last array over it.

    The lease keeps the memory valid after its manager was destroyed, also at the interpreter's end.
    """

    __slots__ = ("_lease",)

    def __init__(self, address: int, size: int, writable: bool, lease: Any) -> None:
        self._lease = lease
        super().__init__(address, size, writable, None)

    def __del__(self, release: Any = lib.bb_lease_release) -> None:
        lease = getattr(self, "_lease", None)  # absent if the object was created without its constructor
        if lease is not None:
            release(lease)


def _references(box: list[Array]) -> int:
    return sys.getrefcount(box[0])


# The count for an array that only the box refers to. Other implementations of Python do not count references.
_BOX = _references([np.empty(0)]) if hasattr(sys, "getrefcount") else None


def is_referenced(box: list[Array], frame: FrameType | None) -> bool:
    """Whether anything besides `box` can still reach the memory of the array in it, which `LeasedMemory.array` created.

    The variable that a `with` block in `frame` assigned the array to does not count: the array is read-only by then.

    Slices and reshapes refer to the array's base; memoryviews, tensors and subclasses refer to the array. A single reference
    to the array is harmless if a variable holds it, so the variables of the function and of its two callers (`ExitStack`)
    are searched.
    """
    if box[0].size == 0:
        return False
    if _BOX is None:
        return True
    base = box[0].base
    assert base is not None
    views = _references([base]) - _BOX - 2  # the array's, and that of `base`
    others = _references(box) - _BOX
    return views > 0 or others > 1 or (others == 1 and not _is_variable(box[0], frame))


def _is_variable(array: Array, frame: FrameType | None) -> bool:
    for _ in range(3):
        if frame is None:
            break
        variables = frame.f_locals
        found = any(value is array for value in variables.values())
        # Before Python 3.13 this is a copy that the frame keeps, which must not keep arrays alive. A third reference means
        # that the program holds it, by locals().
        if sys.version_info < (3, 13) and frame.f_code.co_flags & inspect.CO_OPTIMIZED and sys.getrefcount(variables) == 3:
            variables.clear()
        if found:
            return True
        frame = frame.f_back
    return False
