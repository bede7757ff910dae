"""Arrays over memory that the library owns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Memory:
    """What an array over foreign memory has as its base: it lives as long as the array or any view of it, and so does what it
    holds (the manager, or with a front its lease)."""

    __slots__ = ("__array_interface__", "__weakref__", "_owner", "_size", "_writable")

    def __init__(self, address: int, size: int, writable: bool, owner: object) -> None:
        self._owner, self._size, self._writable = owner, size, writable
        self.__array_interface__ = {"shape": (size,), "typestr": "|u1", "data": (address, not writable), "version": 3}

    def array(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        if self._size == 0:
            empty = np.empty(shape, dtype)
            empty.flags.writeable = self._writable
            return empty
        return np.asarray(self).view(dtype).reshape(shape)
