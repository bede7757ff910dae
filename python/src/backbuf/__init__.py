"""backbuf: double-buffered state that Python shares with native code.

`CBufferManager` holds one N-d array in two copies: writes are queued, `synchronize` publishes them as one epoch, and fronts are
stable read-only arrays. `attach` borrows a manager that an engine in C owns.
"""

import atexit

from . import _callbacks, _log, _owner
from ._batch import Back, Batch, Task
from ._errors import (
    ArgumentError,
    BackbufError,
    BackendError,
    ClosedError,
    ForkedError,
    FullError,
    HandleError,
    LimitError,
    OutOfMemoryError,
    OutOfRangeError,
    PinnedError,
    PoisonedError,
    StalledError,
    StateError,
    UnsupportedError,
    WaitInterruptedError,
    WaitTimeoutError,
)
from ._front import Front, Fronts
from ._layout import BufferUpdate
from ._library import __version__, get_cmake_dir, get_include, get_library
from ._log import forward_log
from ._manager import CBufferManager, attach, dump
from ._statistics import Statistics

__all__ = [
    "ArgumentError",
    "Back",
    "BackbufError",
    "BackendError",
    "Batch",
    "BufferUpdate",
    "CBufferManager",
    "ClosedError",
    "ForkedError",
    "Front",
    "Fronts",
    "FullError",
    "HandleError",
    "LimitError",
    "OutOfMemoryError",
    "OutOfRangeError",
    "PinnedError",
    "PoisonedError",
    "StalledError",
    "StateError",
    "Statistics",
    "Task",
    "UnsupportedError",
    "WaitInterruptedError",
    "WaitTimeoutError",
    "__version__",
    "attach",
    "dump",
    "forward_log",
    "get_cmake_dir",
    "get_include",
    "get_library",
]


@atexit.register
def _at_exit() -> None:
    """No other thread may call Python once the interpreter has ended: callbacks are taken out, and waited for."""
    _log.stop()
    _owner.destroy_all()
    _callbacks.drain()
