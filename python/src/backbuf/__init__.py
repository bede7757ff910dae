"""backbuf: double-buffered state, byte rings and GPU buffers that Python shares with native code.

`CBufferManager` holds one N-d array as double-buffered state: writes are queued, `synchronize` publishes them as one epoch,
and fronts are stable read-only arrays. `attach` borrows a manager that a C program owns. A `GLBufferManager` keeps its
fronts in OpenGL buffers too, on a `Device`.

`spsc_buffer` creates a byte ring between two threads, native or Python, or an event loop: one end sends, the other end
receives, for example as a stream of chunks.

A `Buffer` is device memory that the host maps for reading or writing. `DeviceBuffer`, the staging buffers, `ReadbackBuffer`
and `DynamicBuffer` cover the usual roles of GPU buffers.

`BufferRegistry` lays out the named buffers of CUDA kernels in shared, persistent and local memory; `buffer_registry` is a
ready-made registry. `plan` places items of known size and lifetime in as little memory as possible, without a registry.

Objects that own native memory are closed by `close()` or `destroy()`, by their `with` block, or with their last reference.
They cannot be copied or pickled, and belong to the process that created them: a forked child gets `ForkedError`.
"""

import atexit

from . import _callbacks, _log, _owner
from ._back import Back
from ._batch import Batch, Task
from ._buffers import Buffer, BufferState, BufferUsage, DeviceBuffer, Encoder, GrowableBuffer, MapMode
from ._changes import Changes
from ._device import Device, DeviceInfo
from ._device_front import DeviceField, DeviceFront
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
from ._feed import Feed, FeedStatus
from ._feed_writer import FeedBatch, FeedWriter
from ._front import Front, Fronts
from ._gl import GLBufferManager, GLField, GLFront
from ._inline import InlineReader, InlineWriter
from ._layout import BufferUpdate
from ._library import __version__, get_cmake_dir, get_include, get_library
from ._log import forward_log
from ._manager import CBufferManager, attach, dump
from ._manager_writes import Field
from ._mapping import MappedArray
from ._plan import MemoryPlan, plan
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
from ._transfers import DeferredStagingBuffer, DynamicBuffer, ImmediateStagingBuffer, ReadbackBuffer
from ._wait import set_wait_policy
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
    "Changes",
    "ChannelFull",
    "ClosedError",
    "DeferredStagingBuffer",
    "Device",
    "DeviceBuffer",
    "DeviceField",
    "DeviceFront",
    "DeviceInfo",
    "DeviceLostError",
    "DeviceStatistics",
    "DynamicBuffer",
    "DynamicStatistics",
    "Encoder",
    "EndStatistics",
    "Feed",
    "FeedBatch",
    "FeedStatus",
    "FeedWriter",
    "Field",
    "Fit",
    "ForkedError",
    "Front",
    "Fronts",
    "FullError",
    "GLBufferManager",
    "GLField",
    "GLFront",
    "GrowableBuffer",
    "HandleError",
    "ImmediateStagingBuffer",
    "InlineReader",
    "InlineWriter",
    "LayoutInfo",
    "LimitError",
    "Limits",
    "ManagedBuffer",
    "MapMode",
    "MappedArray",
    "MemoryPlan",
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
    "plan",
    "set_wait_policy",
    "spsc_buffer",
]

# Errors, reprs and documentation show the package as the module of its classes, not the file that defines them.
for _name in __all__:
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = __name__


@atexit.register
def _at_exit() -> None:
    """Closes the log and destroys all native objects: no other thread may call Python once the interpreter has ended."""
    _log.stop()
    _owner.destroy_all()
    _callbacks.end()
