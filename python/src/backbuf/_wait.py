"""Timeouts, and waits that Ctrl-C can end."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from ._library import lib

FOREVER: int = lib.BB_FOREVER


def nanoseconds(timeout: float | None) -> int:
    """Seconds (None: for ever) as the library counts them."""
    if timeout is None or timeout == math.inf:
        return FOREVER
    if not timeout >= 0:
        raise ValueError(f"timeout is {timeout}: give seconds from 0 on, or None to wait for ever")
    return int(min(timeout, 1e9) * 1e9)  # 30 years are within 64 bits


class Deadline:
    """When a timeout is over."""

    def __init__(self, timeout: float | None) -> None:
        left = nanoseconds(timeout)
        self._end = FOREVER if left == FOREVER else time.monotonic_ns() + left

    def left(self) -> int:
        """The nanoseconds until then."""
        return FOREVER if self._end == FOREVER else max(0, self._end - time.monotonic_ns())


def waiting(timeout: float | None, call: Callable[[int], int]) -> int:
    """The status of `call(nanoseconds)`, which cffi makes without the GIL. A signal on the main thread ends the C wait, Python
    runs its handler (Ctrl-C raises here), and the wait goes on for what is left."""
    if timeout == 0 or threading.get_ident() != threading.main_thread().ident:
        return call(nanoseconds(timeout))
    deadline = Deadline(timeout)
    lib.bb_set_wait_flags(lib.BB_WAIT_INTERRUPTIBLE)
    try:
        while (status := call(deadline.left())) == lib.BB_E_INTERRUPTED:
            pass
        return status
    finally:
        lib.bb_set_wait_flags(0)
