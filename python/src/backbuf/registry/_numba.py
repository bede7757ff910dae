"""The device functions by which kernels of Numba get their buffers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ._buffer import Allocator

try:
    # A global of the functions below by this name: Numba's simulator looks for it there.
    from numba import cuda, from_dtype
except ImportError as error:
    raise ImportError(
        "get_allocator makes device functions of Numba, which is not there: pip install numba; placement() tells where a "
        "buffer lies without it"
    ) from error


def _device(function: Allocator) -> Allocator:
    """A device function that becomes part of whoever calls it: others may return no array that they have made."""
    made = cuda.jit(device=True, inline="always")(function)
    # Numba's own CUDA target loses the option on the way; its simulator has none.
    getattr(made, "targetoptions", {})["inline"] = "always"
    return made  # type: ignore[no-any-return]


def _filled(allocate: Allocator, zeros: int) -> Allocator:
    """The same with zeros in it."""
    if zeros == 0:
        return allocate

    @_device
    def filled(shared: Any, persistent: Any) -> Any:
        array = allocate(shared, persistent)
        for i in range(zeros):
            array[i] = 0
        return array

    return filled


# The same function for the same place, so that Numba compiles it once.
@lru_cache(maxsize=4096)
def slice_of(region: str, start: int, stop: int, dtype: str | None, zeros: int) -> Allocator:
    """A slice of the region; with a dtype, of a region of bytes."""
    if dtype is None:

        def of_shared(shared: Any, persistent: Any) -> Any:
            return shared[start:stop]

        def of_persistent(shared: Any, persistent: Any) -> Any:
            return persistent[start:stop]

    else:
        element = getattr(np, dtype)

        def of_shared(shared: Any, persistent: Any) -> Any:
            return shared[start:stop].view(element)

        def of_persistent(shared: Any, persistent: Any) -> Any:
            return persistent[start:stop].view(element)

    return _filled(_device(of_shared if region == "shared" else of_persistent), zeros)


@lru_cache(maxsize=4096)
def local(dtype: str, length: int, zeros: int) -> Allocator:
    """An array of its own."""
    element = from_dtype(np.dtype(dtype))

    def of_its_own(shared: Any, persistent: Any) -> Any:
        return cuda.local.array(length, element)

    return _filled(_device(of_its_own), zeros)
