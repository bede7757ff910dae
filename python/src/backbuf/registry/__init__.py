"""Registry of named buffers of CUDA kernels: registrations, layouts, plans and exports."""

from ._buffer import CUDABuffer, Placement
from ._device import Fit, Limits
from ._group import BufferGroup
from ._plan import Plan, PlannedRegion
from ._queries import Banks, LayoutInfo, Overlap
from ._registry import BufferRegistry, buffer_registry

__all__ = [
    "Banks",
    "BufferGroup",
    "BufferRegistry",
    "CUDABuffer",
    "Fit",
    "LayoutInfo",
    "Limits",
    "Overlap",
    "Placement",
    "Plan",
    "PlannedRegion",
    "buffer_registry",
]
