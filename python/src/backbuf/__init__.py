"""backbuf: state and bytes that Python shares with native code.

`CBufferManager` holds one N-d array in two copies: writes are queued, `synchronize` publishes them as one epoch, and fronts are
stable read-only arrays. `attach` borrows a manager that an engine in C owns. The fronts of a `GLBufferManager` are buffers of
OpenGL, too, for renderers; a `Device` says in which context.

`spsc_buffer` makes a ring of bytes between two threads, native or Python's, or an event loop: one end sends, the other
receives, as a stream of memory that stays.

A `Buffer` is memory of a device that host and device use by turns; `DeviceBuffer`, the staging buffers, `ReadbackBuffer` and
`DynamicBuffer` are what buffers are for.

`BufferRegistry` lays out the named buffers of CUDA kernels in shared, persistent and local memory; `buffer_registry` is one
that is there.
"""

import atexit

from . import _callbacks, _log, _owner
from ._batch import Back, Batch, Task
from ._buffers import (
    Buffer,
    BufferState,
    BufferUsage,
    DeferredStagingBuffer,
    DeviceBuffer,
    DynamicBuffer,
    Encoder,
    GrowableBuffer,
    ImmediateStagingBuffer,
    MapMode,
    ReadbackBuffer,
)
from ._device import Device, DeviceInfo
from ._errors import (
    ArgumentError,
    BackbufError,
    BackendError,
    ChannelFull,
    ClosedError,
    DeviceLostError,
    ForkedError,
    FullError,
    HandleError,
    LimitError,
    NotRegisteredError,
    OutOfMemoryError,
    OutOfRangeError,
    PinnedError,
    PoisonedError,
    ReceiversDisconnected,
    SendersDisconnected,
    StalledError,
    StateError,
    UnsupportedError,
    WaitInterruptedError,
    WaitTimeoutError,
)
from ._front import Front, Fronts
from ._gl import GLBufferManager, GLFront
from ._layout import BufferUpdate
from ._library import __version__, get_cmake_dir, get_include, get_library
from ._log import forward_log
from ._manager import CBufferManager, attach, dump
from ._mapping import MappedArray
from ._ring import SPSCReceiver, SPSCSender, spsc_buffer
from ._sink import SPSCSink
from ._statistics import (
    DeviceStatistics,
    DynamicStatistics,
    EndStatistics,
    ReadbackStatistics,
    Statistics,
    StreamStatistics,
)
from ._stream import Batches, ManagedBuffer, SPSCReceiverStream
from .registry import (
    Banks,
    BufferGroup,
    BufferRegistry,
    CUDABuffer,
    Fit,
    LayoutInfo,
    Limits,
    Overlap,
    Placement,
    Plan,
    PlannedRegion,
    buffer_registry,
)

__all__ = [
    "ArgumentError",
    "Back",
    "BackbufError",
    "BackendError",
    "Banks",
    "Batch",
    "Batches",
    "Buffer",
    "BufferGroup",
    "BufferRegistry",
    "BufferState",
    "BufferUpdate",
    "BufferUsage",
    "CBufferManager",
    "CUDABuffer",
    "ChannelFull",
    "ClosedError",
    "DeferredStagingBuffer",
    "Device",
    "DeviceBuffer",
    "DeviceInfo",
    "DeviceLostError",
    "DeviceStatistics",
    "DynamicBuffer",
    "DynamicStatistics",
    "Encoder",
    "EndStatistics",
    "Fit",
    "ForkedError",
    "Front",
    "Fronts",
    "FullError",
    "GLBufferManager",
    "GLFront",
    "GrowableBuffer",
    "HandleError",
    "ImmediateStagingBuffer",
    "LayoutInfo",
    "LimitError",
    "Limits",
    "ManagedBuffer",
    "MapMode",
    "MappedArray",
    "NotRegisteredError",
    "OutOfMemoryError",
    "OutOfRangeError",
    "Overlap",
    "PinnedError",
    "Placement",
    "Plan",
    "PlannedRegion",
    "PoisonedError",
    "ReadbackBuffer",
    "ReadbackStatistics",
    "ReceiversDisconnected",
    "SPSCReceiver",
    "SPSCReceiverStream",
    "SPSCSender",
    "SPSCSink",
    "SendersDisconnected",
    "StalledError",
    "StateError",
    "Statistics",
    "StreamStatistics",
    "Task",
    "UnsupportedError",
    "WaitInterruptedError",
    "WaitTimeoutError",
    "__version__",
    "attach",
    "buffer_registry",
    "dump",
    "forward_log",
    "get_cmake_dir",
    "get_include",
    "get_library",
    "spsc_buffer",
]


@atexit.register
def _at_exit() -> None:
    """No other thread may call Python once the interpreter has ended."""
    _log.stop()
    _owner.destroy_all()
    _callbacks.end()
