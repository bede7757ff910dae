"""Numba device functions through which kernels get their buffers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ._buffer import Allocator

try:
    # Numba's simulator needs a global of this name in the functions below.
    from numba import cuda, from_dtype
except ImportError as error:
    raise ImportError(
        "get_allocator needs Numba, which is not installed: pip install numba; placement() returns the place of a buffer "
        "without it"
    ) from error


def _device(function: Allocator) -> Allocator:
    """Compiles a device function that is inlined into its caller: other device functions cannot return local arrays."""
    made = cuda.jit(device=True, inline="always")(function)
    # Numba's own CUDA target drops the option; its simulator has none.
    getattr(made, "targetoptions", {})["inline"] = "always"
    return made  # type: ignore[no-any-return]


def _filled(allocate: Allocator, zeros: int) -> Allocator:
    """The same allocator, which also fills the first `zeros` elements with zeros."""
    if zeros == 0:
        return allocate

    @_device
    def filled(shared: Any, persistent: Any) -> Any:
        array = allocate(shared, persistent)
        for i in range(zeros):
            array[i] = 0
        return array

    return filled


# Cached, so that Numba compiles each function once.
@lru_cache(maxsize=4096)
def slice_of(region: str, start: int, stop: int, dtype: str | None, zeros: int) -> Allocator:
    """An allocator that returns a slice of a region; with a dtype, of a region of bytes."""
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
    """An allocator that returns a local array."""
    element = from_dtype(np.dtype(dtype))

    def of_its_own(shared: Any, persistent: Any) -> Any:
        return cuda.local.array(length, element)

    return _filled(_device(of_its_own), zeros)
